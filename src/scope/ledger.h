/* SPDX-License-Identifier: MIT */
/*
 * What was taken in the last period: the bound behind a bucket that paces.
 *
 * Bound: in any window of length T = period, half-open, at most `amount`. The error is to the safe
 * side: a unit counts for at least a period and for less than a period and a part of it more, of
 * which a period has RL__LEDGER_PARTS. What comes back leaves the part that it was taken in.
 *
 * No algorithm of limiter.h: of those with such a bound each is slow, and this one lies on the
 * way of every acquire. It takes no lock: `used` is never less than the sum of the parts, and only
 * when a new part begins, a few times a second, threads may meet for a moment.
 */
#ifndef LLMRL_SRC_LEDGER_H
#define LLMRL_SRC_LEDGER_H

#include "base/sync.h"

#include <llmrl/base.h>

#define RL__LEDGER_PARTS 300
#define RL__LEDGER_RING  (RL__LEDGER_PARTS + 1)

/* Zeroed but for the first two: fresh. All but `length` is atomic. */
struct rl__ledger {
    uint64_t amount;         /* the most that may count */
    rl_duration length;      /* of a part */
    uint64_t newest;         /* the number of the newest part */
    struct rl__spin rolling; /* held by who begins new parts */
    uint64_t used;           /* what counts */
    /* What others have used, so far as reports say; counts beside `used` until then, all of it. */
    uint64_t foreign;
    rl_time foreign_until;
    uint64_t part[RL__LEDGER_RING]; /* by number */
};

void rl__ledger_start(struct rl__ledger *ledger, uint64_t amount, rl_duration period);
/* RL_OK, or RL_WAIT and the earliest useful time. */
rl_status rl__ledger_peek(const struct rl__ledger *ledger, uint64_t cost, rl_time now,
                          rl_time *retry_at);
rl_status rl__ledger_take(struct rl__ledger *ledger, uint64_t cost, rl_time now, rl_time *retry_at);
/* Whatever is left. */
void rl__ledger_charge(struct rl__ledger *ledger, uint64_t units, rl_time now);
/* `taken` units, taken at `at`, turn out to be `used`. */
void rl__ledger_settle(struct rl__ledger *ledger, uint64_t taken, uint64_t used, rl_time at,
                       rl_time now);
/* Somebody else has used so much more, or so much less than was thought, of the period that is on.
 * One thread at a time. */
void rl__ledger_correct(struct rl__ledger *ledger, int64_t delta, rl_time now);
/* The oldest ones, whichever they were: so no less than the truth counts then, or later. */
void rl__ledger_give_back(struct rl__ledger *ledger, uint64_t units, rl_time now);
/* Negative: more counts than may. */
int64_t rl__ledger_left(const struct rl__ledger *ledger, rl_time now);
/* Until nothing counts any more. */
rl_duration rl__ledger_full_in(const struct rl__ledger *ledger, rl_time now);
/* Whether what was taken at `at` still counts. */
int rl__ledger_counts(const struct rl__ledger *ledger, rl_time at, rl_time now);

#endif
