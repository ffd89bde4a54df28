/* SPDX-License-Identifier: MIT */
/* What is shown on stderr while a run goes on: one live line on a terminal, else a line now and
 * then; and notes that do not disturb it. */
#ifndef LLMRL_CLI_RUN_PROGRESS_H
#define LLMRL_CLI_RUN_PROGRESS_H

#include "text.h"

/* How things stand. */
struct run_now {
    uint64_t done;    /* answered */
    uint64_t failed;  /* bad lines included */
    uint64_t waiting; /* for the limits */
    uint64_t on_wire;
    uint64_t requests;     /* permits so far */
    uint64_t tokens;       /* reported so far */
    double requests_limit; /* a minute; 0: unknown */
    double tokens_limit;
    uint64_t bytes_done; /* of IN: answered in this run */
    uint64_t bytes_left; /* of IN; UINT64_MAX: unknown, IN is a pipe */
};

#define RUN_PROGRESS_SAMPLES 61

struct run_progress {
    bool quiet;
    bool live;  /* stderr is a terminal */
    bool shown; /* a live line stands there */
    double next;
    /* One a second, the oldest overwritten: what happened in the last minute. */
    struct run_sample {
        double at;
        uint64_t requests, tokens, bytes;
    } sample[RUN_PROGRESS_SAMPLES];
    size_t samples;
};

void run_progress_init(struct run_progress *progress, bool quiet);

/* Whether it is time for run_progress_show(). */
bool run_progress_due(const struct run_progress *progress, double now);
void run_progress_show(struct run_progress *progress, const struct run_now *state, double now);

/* The text of the line, without an end. */
void run_progress_format(struct text *out, struct run_progress *progress,
                         const struct run_now *state, double now);

/* An error, on a line of its own. */
__attribute__((format(printf, 2, 3))) void run_progress_note(struct run_progress *progress,
                                                             const char *format, ...);

/* Takes the live line away. */
void run_progress_clear(struct run_progress *progress);

#endif
