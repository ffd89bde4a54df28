/* SPDX-License-Identifier: MIT */
/* Writes lines of OUT, each in one piece and at once, so that whatever ends the program leaves
 * whole lines and at most one torn one at the end. */
#ifndef LLMRL_CLI_RUN_OUTPUT_H
#define LLMRL_CLI_RUN_OUTPUT_H

#include <sys/types.h>

#include "json_scan.h"
#include "text.h"

/* What one line says. */
struct run_result {
    struct json id;         /* custom_id as IN spells it; no text: null */
    uint64_t http_status;   /* 0: no answer came, "response" is null */
    const char *request_id; /* ""; NULL: none */
    const char *body;
    size_t body_length;
    const char *error_code; /* NULL: it succeeded, "error" is null */
    const char *error_message;
};

struct run_output {
    int fd;
    bool regular;
    off_t end;        /* behind the last whole line */
    uint64_t lost;    /* lines that could not be written */
    int error;        /* errno of the last of them */
    struct text line; /* reused */
};

/* Takes the descriptor, which was opened with O_APPEND. */
void run_output_init(struct run_output *output, int fd);

/* The line, newline included. A body that is JSON stays as it is but for raw line ends between its
 * tokens. */
void run_output_format(struct text *line, const struct run_result *result, uint64_t number);

/* False: it could not be written, and nothing of it is left in the file. */
bool run_output_write(struct run_output *output, const struct run_result *result);

/* Sees to it that all is on the disk, and closes. False: errno says why not. */
bool run_output_close(struct run_output *output);

/* Writes all, whatever write(2) does in between. False: errno says why not. */
bool run_output_bytes(int fd, const char *bytes, size_t length);

#endif
