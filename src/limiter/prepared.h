/* SPDX-License-Identifier: MIT */
/*
 * A take in two steps: asked first, and taken only when others have agreed, too, without asking
 * again. For limiters of one word in place (the token bucket), which are most; all others say
 * RL__NOT_PREPARED, and are peeked at and taken from as anybody does.
 */
#ifndef LLMRL_SRC_PREPARED_H
#define LLMRL_SRC_PREPARED_H

#include "limiter/gcra.h"

struct rl__prepared {
    uint64_t revision, seen, next;
};

enum rl__prepare { RL__PREPARED, RL__PREPARED_WAIT, RL__NOT_PREPARED };

/* RL__PREPARED: to be had. RL__PREPARED_WAIT: not before *retry_at. Writes nothing. `cost` is not
 * 0. As in limiter.c, the plan is used while it may change, and the answer counts only if it has
 * not. */
static inline enum rl__prepare rl__limiter_prepare(const rl_limiter *limiter, uint64_t cost,
                                                   rl_time now, struct rl__prepared *prepared,
                                                   rl_time *retry_at)
{
    uint64_t burst, spare;
    rl_status st;

    if (limiter->algorithm != &rl__token_bucket || limiter->outside != NULL ||
        limiter->bookings != 0)
        return RL__NOT_PREPARED;
    prepared->revision = rl__load_acquire(&limiter->revision);
    burst = rl__load_acquire(&limiter->plan.word[BURST]);
    prepared->next = prepared->seen = rl__load_acquire(&limiter->word[0]);
    if (prepared->revision % 2 != 0 || cost > burst)
        return RL__NOT_PREPARED;
    st = rl__gcra_take(&limiter->plan, &prepared->next, cost, burst, now, &spare);
    if (st == RL_WAIT)
        *retry_at = rl__gcra_retry_at(&limiter->plan, prepared->seen, spare);
    if (rl__load(&limiter->revision) != prepared->revision)
        return RL__NOT_PREPARED;
    return st == RL_OK ? RL__PREPARED : RL__PREPARED_WAIT;
}

/* 1: taken. 0: somebody was faster, or the limit has changed: ask anew. */
static inline int rl__limiter_take_prepared(rl_limiter *limiter,
                                            const struct rl__prepared *prepared)
{
    uint64_t seen = prepared->seen;

    return rl__load(&limiter->revision) == prepared->revision &&
           rl__exchange_if_acquire(&limiter->word[0], &seen, prepared->next);
}

/* What rl_limiter_snapshot() calls `remaining`, by the short way where there is one. */
int64_t rl__limiter_remaining(const rl_limiter *limiter, rl_time now);
/* Whether what was taken at `at` still counts at `now`: 0 if it belongs to a window that is over.
 */
int rl__limiter_counts(const rl_limiter *limiter, rl_time at, rl_time now);

#endif
