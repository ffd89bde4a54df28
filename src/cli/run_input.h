/* SPDX-License-Identifier: MIT */
/* Reads lines from a file or a pipe, one at a time: memory holds one line, and never more than the
 * limit. */
#ifndef LLMRL_CLI_RUN_INPUT_H
#define LLMRL_CLI_RUN_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest request line. */
#define RUN_INPUT_LINE_MAX ((size_t)32 << 20)

enum run_input_state {
    RUN_INPUT_LINE,
    RUN_INPUT_LONG,  /* a line above the limit: what is given is its beginning, the rest will be
                        skipped */
    RUN_INPUT_LATER, /* a pipe has nothing at the moment */
    RUN_INPUT_END,
    RUN_INPUT_ERROR /* errno says what */
};

struct run_input {
    int fd;    /* borrowed */
    bool wait; /* whether reading may block: a file's does not for long */
    size_t limit;
    uint64_t line;   /* number of the line given last, from 1 */
    uint64_t offset; /* of the first byte behind that line */
    bool whole;      /* the line given last ended with its newline */
    /* ---- */
    char *data;
    size_t start, end, scanned, room;
    bool skipping, eof;
};

void run_input_init(struct run_input *input, int fd, size_t limit);
void run_input_deinit(struct run_input *input);

/* The next line that is not blank, without its end (LF or CR LF) and, in the first, without a byte
 * order mark. *line is valid until the next call. */
enum run_input_state run_input_next(struct run_input *input, const char **line, size_t *length);

#endif
