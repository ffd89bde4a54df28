/* SPDX-License-Identifier: MIT */
/*
 * A take in two steps: asked first, and taken only when others have agreed, too, without asking
 * again. For limiters of one word in place (the token bucket), which are most; all others are
 * peeked at and taken from as anybody does.
 */
#ifndef LLMRL_SRC_PREPARED_H
#define LLMRL_SRC_PREPARED_H

#include "limiter/gcra.h"

struct rl__prepared {
    uint64_t revision, seen;
    struct rl__gcra_answer answer;
};

/* 1: to be had at once. 0: it is not, or not so easily. Writes nothing. `cost` is not 0. As in
 * limiter.c, the plan is used while it may change, and the answer counts only if it has not. */
static inline int rl__limiter_prepare(const rl_limiter *limiter, uint64_t cost, rl_time now,
                                      struct rl__prepared *prepared)
{
    uint64_t burst;

    if (limiter->algorithm != &rl__token_bucket || limiter->outside != NULL ||
        limiter->bookings != 0)
        return 0;
    prepared->revision = rl__load_acquire(&limiter->revision);
    burst = rl__load_acquire(&limiter->plan.word[BURST]);
    prepared->seen = rl__load_acquire(&limiter->word[0]);
    return prepared->revision % 2 == 0 && cost <= burst &&
           rl__gcra_ask(&limiter->plan, prepared->seen, cost, burst, now, &prepared->answer) &&
           rl__load(&limiter->revision) == prepared->revision;
}

/* 1: taken. 0: somebody was faster, or the limit has changed: ask anew. */
static inline int rl__limiter_take_prepared(rl_limiter *limiter,
                                            const struct rl__prepared *prepared)
{
    uint64_t seen = prepared->seen;

    return rl__load(&limiter->revision) == prepared->revision &&
           rl__exchange_if_acquire(&limiter->word[0], &seen, prepared->answer.next);
}

/* What is left right after that. A bucket that was asked when it was full, and is inexact, may be
 * short of its slack. */
static inline int64_t rl__prepared_left(const struct rl__prepared *prepared)
{
    return (int64_t)(rl__sub_sat(prepared->answer.spare, prepared->answer.used) /
                     prepared->answer.scale);
}

/* What rl_limiter_snapshot() calls `remaining`, by the short way where there is one. */
int64_t rl__limiter_remaining(const rl_limiter *limiter, rl_time now);
/* Whether what was taken at `at` still counts at `now`: 0 if it belongs to a window that is over.
 */
int rl__limiter_counts(const rl_limiter *limiter, rl_time at, rl_time now);

#endif
