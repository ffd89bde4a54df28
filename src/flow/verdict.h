/* SPDX-License-Identifier: MIT */
/* What follows from an answer, apart from how often one has tried. */
#ifndef LLMRL_SRC_VERDICT_H
#define LLMRL_SRC_VERDICT_H

#include <llmrl/llmrl.h>

/* Fills everything but `retry_at` of a retry without a hint, which the caller's policy decides:
 * then it is `now`. */
void rl__verdict(const rl_answer *answer, uint64_t http_status, uint64_t failure,
                 rl_duration max_hint, rl_time now, rl_verdict *verdict);

/* Whether another try may help; `retryable` as in rl_answer. */
int rl__worth_trying(uint64_t outcome, uint64_t failure, uint64_t retryable);
/* The status with which it ends, if somebody wants it to end. */
rl_status rl__reason(uint64_t outcome, uint64_t failure);
/* The user's `action` instead; a hint above `max_hint` stays a bound. */
void rl__verdict_change(rl_verdict *verdict, uint64_t action, uint64_t failure,
                        rl_duration max_hint, rl_time now);

#endif
