/* SPDX-License-Identifier: MIT */
/* Owns reading of lines: bounded, from files and pipes, with line numbers and byte offsets. */
#include "run_input.h"

#include "text.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)64 << 10)

void run_input_init(struct run_input *input, int fd, size_t limit)
{
    struct stat status;

    *input = (struct run_input){ .fd = fd, .limit = limit };
    input->wait = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

void run_input_deinit(struct run_input *input)
{
    free(input->data);
    input->data = NULL;
}

/* Moves what is left to the front and sees to it that a chunk fits behind it. After a long line the
 * buffer shrinks again. */
static void make_room(struct run_input *input)
{
    size_t used = input->end - input->start, want = input->room;

    if (input->start > 0 && used > 0)
        memmove(input->data, input->data + input->start, used);
    input->scanned -= input->start;
    input->start = 0;
    input->end = used;
    if (want < used + CHUNK)
        want = used < 2 * CHUNK ? 4 * CHUNK : 2 * used;
    else if (used < 2 * CHUNK)
        want = 4 * CHUNK;
    if (want > input->limit + 2 * CHUNK)
        want = input->limit + 2 * CHUNK;
    if (want != input->room)
        input->data = text_memory(input->data, want);
    input->room = want;
}

/* RUN_INPUT_LINE: there is more, or the end was reached. */
static enum run_input_state read_more(struct run_input *input)
{
    struct pollfd ready = { input->fd, POLLIN, 0 };
    ssize_t got;

    if (!input->wait && poll(&ready, 1, 0) == 0)
        return RUN_INPUT_LATER;
    make_room(input);
    got = read(input->fd, input->data + input->end, input->room - input->end);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? RUN_INPUT_LATER : RUN_INPUT_ERROR;
    input->eof = got == 0;
    input->end += (size_t)got;
    return RUN_INPUT_LINE;
}

/* The length of the next line, with its newline; 0: it is not all there. */
static size_t whole_line(struct run_input *input)
{
    size_t fresh = input->end - input->scanned;
    const char *newline = NULL;

    if (fresh > 0)
        newline = memchr(input->data + input->scanned, '\n', fresh);
    input->scanned = newline != NULL ? (size_t)(newline - input->data) + 1 : input->end;
    if (newline != NULL || (input->eof && input->end > input->start))
        return input->scanned - input->start;
    return 0;
}

static void consume(struct run_input *input, size_t bytes)
{
    input->start += bytes;
    input->offset += bytes;
    if (input->scanned < input->start)
        input->scanned = input->start;
}

/* Whether the line at the start is one to give. */
static bool trim_line(const struct run_input *input, size_t whole, const char **line,
                      size_t *length)
{
    const char *at = input->data + input->start;

    if (at[whole - 1] == '\n')
        whole--;
    if (whole > 0 && at[whole - 1] == '\r')
        whole--;
    if (input->line == 1 && whole >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0) {
        at += 3;
        whole -= 3;
    }
    *line = at;
    *length = whole;
    while (whole > 0 && (at[whole - 1] == ' ' || at[whole - 1] == '\t'))
        whole--;
    return whole > 0;
}

/* Gives the line of `whole` bytes, if it is one to give, and goes behind it. */
static bool give_line(struct run_input *input, size_t whole, const char **line, size_t *length)
{
    bool rest = input->skipping, given;

    if (!rest)
        input->line++;
    input->skipping = false;
    input->whole = input->data[input->start + whole - 1] == '\n';
    given = trim_line(input, whole, line, length) && !rest;
    consume(input, whole);
    return given;
}

/* Drops the beginning of a line that is too long. It is given, once; the memory stays as it is
 * meanwhile. */
static bool give_long(struct run_input *input, const char **line, size_t *length)
{
    size_t have = input->end - input->start;
    bool first = !input->skipping;

    if (first)
        input->line++;
    input->skipping = true;
    *line = input->data + input->start;
    *length = have < input->limit ? have : input->limit;
    consume(input, have);
    return first;
}

enum run_input_state run_input_next(struct run_input *input, const char **line, size_t *length)
{
    enum run_input_state state;
    size_t whole;

    for (;;) {
        whole = whole_line(input);
        if (whole > 0 && give_line(input, whole, line, length))
            return *length > input->limit ? RUN_INPUT_LONG : RUN_INPUT_LINE;
        if (whole > 0)
            continue;
        if (input->eof)
            return RUN_INPUT_END;
        if ((input->skipping || input->end - input->start > input->limit + 2) &&
            input->end > input->start && give_long(input, line, length))
            return RUN_INPUT_LONG;
        if ((state = read_more(input)) != RUN_INPUT_LINE)
            return state;
    }
}
