/* SPDX-License-Identifier: MIT */
/* What becomes of each request of a run: one line of OUT, and a count. */
#ifndef LLMRL_CLI_RUN_ANSWERS_H
#define LLMRL_CLI_RUN_ANSWERS_H

#include "run_batch.h"

/* Writes the line of a request that failed, and counts it. */
void run_answers_fail(struct run *run, struct run_result *result, rl_status status,
                      const char *message);
/* The same for the line at hand, which is none that could be sent. */
void run_answers_bad_line(struct run *run, const struct run_problem *problem);
/* Called by the engine; `user` is a struct run_call, which ends here. */
void run_answers_done(const rl_http_result *answer);
/* Takes the call out of what is under way, and frees it. */
void run_answers_end_call(struct run_call *call);

#endif
