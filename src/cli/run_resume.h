/* SPDX-License-Identifier: MIT */
/* Opens OUT: as a new file, or as one to go on with, without losing an answer in it. */
#ifndef LLMRL_CLI_RUN_RESUME_H
#define LLMRL_CLI_RUN_RESUME_H

#include <stdint.h>
#include <sys/types.h>

#include "run_ids.h"
#include "text.h"

/* What OUT holds. */
struct run_resume {
    uint64_t answered; /* lines that stay */
    uint64_t removed;  /* errors, which are tried again, and answers that are there twice */
    off_t keep;        /* behind the last whole line */
    bool torn;         /* there is something behind that: the beginning of a line */
    bool newline;      /* the last line is whole but for its newline */
};

/* The longest line of OUT: a body of 16 MiB, every byte of it escaped, and some. */
#define RUN_RESUME_LINE_MAX ((size_t)128 << 20)

/**
 * Reads what `fd` holds and marks what is answered. Changes nothing.
 * False: `error` says why, with the line's number.
 */
bool run_resume_scan(int fd, struct run_ids *ids, struct run_resume *found, struct text *error);

/**
 * Opens OUT for appending, takes a lock on it, and with `resume` brings it into order: a torn last
 * line is cut off, and lines with errors are removed by way of OUT.tmp. Without `resume`, OUT must
 * not exist or be empty.
 *
 * @return the descriptor; -1: `error` says why, and OUT is as it was.
 */
int run_resume_open(const char *path, bool resume, struct run_ids *ids, struct run_resume *found,
                    struct text *error);

#endif
