/* SPDX-License-Identifier: MIT */
/* What the files of the attempt iterator share: it joins admission, back-off and settling, blocking
 * (attempt.c) or driven by events (attempt_submit.c). */
#ifndef LLMRL_SRC_ATTEMPT_PARTS_H
#define LLMRL_SRC_ATTEMPT_PARTS_H

#include "context/context.h"

#include "context/attempt.h"

static inline struct rl__course *rl__course_of(rl_attempt *attempt)
{
    return (struct rl__course *)(void *)attempt->private_;
}
_Static_assert(sizeof(struct rl__course) <= sizeof(((rl_attempt *)0)->private_),
               "a course must fit its attempt");

static inline int rl__permit_is_held(const rl_permit *permit)
{
    return permit->private_[0] != 0;
}

/* Everything before waiting. RL_OK: ask now; else the attempt is over. */
rl_status rl__attempt_prepare(rl_context *rl, const rl_request *request, rl_attempt *attempt,
                              struct rl__ask *ask);
/* The breaker may make it wait; longer than it can, and it is over. */
rl_status rl__attempt_wait_for_breaker(const struct rl__lane *lane, rl_attempt *attempt,
                                       rl_time expires, rl_time now);
/* It has its permit, and leaves. */
void rl__attempt_begin(rl_context *rl, rl_attempt *attempt, const struct rl__ask *ask, rl_time now);
/* For good. */
void rl__attempt_over(rl_attempt *attempt, rl_status status, rl_time retry_at, rl_time now);

#endif
