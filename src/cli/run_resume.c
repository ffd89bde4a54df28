/* SPDX-License-Identifier: MIT */
/* Owns opening OUT: what it answers already, the torn end, and taking errors out of it. */
#include "run_resume.h"

#include "json_scan.h"
#include "run_input.h"
#include "run_output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum line_kind { LINE_FOREIGN, LINE_ERROR, LINE_ANSWER };

/* What a line of OUT is, and the id that it speaks of. */
static enum line_kind read_line(const char *line, size_t length, struct text *id)
{
    struct json json, response, name;
    uint64_t status;

    id->length = 0;
    if (!json_read(line, length, &json))
        return LINE_FOREIGN;
    name = json_get(json, "custom_id");
    response = json_get(json, "response");
    /* A line of IN has none of these two: OUT and IN changed places. */
    if (name.text == NULL || (response.text == NULL && json_get(json, "error").text == NULL))
        return LINE_FOREIGN;
    if (json_decode(name, id) && json_to_uint(json_get(response, "status_code"), &status) &&
        status >= 200 && status < 300)
        return LINE_ANSWER;
    return LINE_ERROR;
}

/* Whether it can be the beginning of a line that we wrote: nothing else is ever cut off, should
 * somebody name the wrong file. After a power cut, zeros can stand where bytes never arrived. */
static bool is_torn(const char *line, size_t length)
{
    static const char start[] = "{\"id\":\"batch_req_";
    size_t same = length < sizeof start - 1 ? length : sizeof start - 1;
    struct json json;

    return line[0] == '\0' || (memcmp(line, start, same) == 0 && !json_read(line, length, &json));
}

/* Counts a whole line of OUT; false: it is not one. */
static bool count_line(const char *line, size_t length, struct run_ids *ids,
                       struct run_resume *found, struct text *id)
{
    enum line_kind kind = read_line(line, length, id);

    if (kind == LINE_FOREIGN)
        return false;
    if (kind == LINE_ERROR ||
        (run_ids_mark(ids, id->data, id->length, RUN_ID_ANSWERED) & RUN_ID_ANSWERED) != 0)
        found->removed++;
    else
        found->answered++;
    return true;
}

static bool complain(struct text *error, const struct run_input *input, enum run_input_state state)
{
    if (state == RUN_INPUT_ERROR)
        text_addf(error, "cannot be read: %s", strerror(errno));
    else
        text_addf(error, "line %" PRIu64 " is not a line of results; nothing was changed",
                  input->line);
    return false;
}

bool run_resume_scan(int fd, struct run_ids *ids, struct run_resume *found, struct text *error)
{
    struct run_input input;
    struct text id = { 0 };
    const char *line;
    size_t length;
    bool good = true;
    enum run_input_state state;

    *found = (struct run_resume){ 0 };
    run_input_init(&input, fd, RUN_RESUME_LINE_MAX);
    while (good && (state = run_input_next(&input, &line, &length)) != RUN_INPUT_END) {
        bool known = state == RUN_INPUT_LINE && count_line(line, length, ids, found, &id);
        if (known)
            found->newline = !input.whole;
        else if (state == RUN_INPUT_LINE && !input.whole && is_torn(line, length))
            found->torn = true;
        else
            good = complain(error, &input, state);
        if (known)
            found->keep = (off_t)input.offset;
    }
    run_input_deinit(&input);
    text_free(&id);
    return good;
}

/* Whether a line stays when OUT is rewritten: the first answer to each id. */
static bool stays(const char *line, size_t length, struct run_ids *ids, struct text *id)
{
    return read_line(line, length, id) == LINE_ANSWER &&
           (run_ids_mark(ids, id->data, id->length, RUN_ID_KEPT) & RUN_ID_KEPT) == 0;
}

static bool copy_answers(int from, int to, struct run_ids *ids)
{
    struct run_input input;
    struct text id = { 0 };
    const char *line;
    size_t length;
    bool good = lseek(from, 0, SEEK_SET) == 0;
    enum run_input_state state;

    run_input_init(&input, from, RUN_RESUME_LINE_MAX);
    while (good && (state = run_input_next(&input, &line, &length)) != RUN_INPUT_END) {
        if (state == RUN_INPUT_LINE && stays(line, length, ids, &id))
            good = run_output_bytes(to, line, length) && run_output_bytes(to, "\n", 1);
        else
            good = state == RUN_INPUT_LINE;
    }
    run_input_deinit(&input);
    text_free(&id);
    return good;
}

/* A new name is safe only when the directory is. Where directories cannot be synced, that is as it
 * is. */
static void sync_directory(const char *path)
{
    size_t size = strlen(path) + 1;
    char *copy = text_memory(NULL, size);
    int fd;

    memcpy(copy, path, size);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(copy);
}

/* Writes the answers to `temporary` and puts that in OUT's place; returns its descriptor, or -1.
 * The lock is taken before the file gets the name under which others look for it. */
static int replace(int fd, const char *path, const char *temporary, struct run_ids *ids)
{
    struct stat status;
    int fresh =
        open(temporary, O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fresh < 0)
        return -1;
    if (fstat(fd, &status) == 0 && fchmod(fresh, status.st_mode & 0777) == 0 &&
        flock(fresh, LOCK_EX | LOCK_NB) == 0 && copy_answers(fd, fresh, ids) && fsync(fresh) == 0 &&
        rename(temporary, path) == 0) {
        sync_directory(path);
        return fresh;
    }
    int reason = errno;
    unlink(temporary);
    close(fresh);
    errno = reason;
    return -1;
}

/* Takes errors out of OUT; `fd` is closed. Returns the new descriptor, or -1. */
static int rewrite(int fd, const char *path, struct run_ids *ids, struct text *error)
{
    struct text temporary = { 0 };
    char *real = realpath(path, NULL); /* a link stays a link */
    int fresh = -1;

    if (real != NULL) {
        text_addf(&temporary, "%s.tmp", real);
        fresh = replace(fd, real, temporary.data, ids);
    }
    if (fresh < 0)
        text_addf(error, "cannot be rewritten without its errors: %s", strerror(errno));
    free(real);
    text_free(&temporary);
    close(fd);
    return fresh;
}

static int fail(int fd, struct text *error, const char *what)
{
    if (what == NULL)
        text_add_string(error, strerror(errno));
    else
        text_add_string(error, what);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Brings the end of OUT into order: whole lines, nothing else. */
static bool mend_end(int fd, const struct run_resume *found)
{
    if (found->torn && ftruncate(fd, found->keep) != 0)
        return false;
    return !found->newline || run_output_bytes(fd, "\n", 1);
}

static int continue_file(int fd, const char *path, struct run_ids *ids, struct run_resume *found,
                         struct text *error)
{
    if (!run_resume_scan(fd, ids, found, error)) {
        close(fd);
        return -1;
    }
    if (found->removed > 0)
        return rewrite(fd, path, ids, error);
    return mend_end(fd, found) ? fd : fail(fd, error, NULL);
}

/* Whether the lock is ours, and on the file that has this name now: a run that rewrites OUT
 * replaces it. */
static bool is_ours(int fd, const char *path, const struct stat *opened)
{
    struct stat named;

    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno != EWOULDBLOCK; /* there are file systems without locks */
    return stat(path, &named) == 0 && named.st_ino == opened->st_ino &&
           named.st_dev == opened->st_dev;
}

int run_resume_open(const char *path, bool resume, struct run_ids *ids, struct run_resume *found,
                    struct text *error)
{
    int access_mode = resume ? O_RDWR : O_WRONLY;
    int fd = open(path, access_mode | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    struct stat status;

    *found = (struct run_resume){ 0 };
    if (fd < 0 || fstat(fd, &status) != 0)
        return fail(fd, error, NULL);
    if (!S_ISREG(status.st_mode))
        return resume ? fail(fd, error, "is not a file that --resume could read") : fd;
    if (!is_ours(fd, path, &status))
        return fail(fd, error, "another run is writing to it");
    if (resume)
        return continue_file(fd, path, ids, found, error);
    if (status.st_size > 0)
        return fail(fd, error, "exists and is not empty; --resume goes on with it");
    return fd;
}
