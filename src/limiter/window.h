/* SPDX-License-Identifier: MIT */
/* What the algorithms have in common that count units instead of ticks. */
#ifndef LLMRL_SRC_LIMITER_WINDOW_H
#define LLMRL_SRC_LIMITER_WINDOW_H

#include "base/arith.h"
#include "limiter/limiter.h"

/* The first three words of the plan. No burst of their own: what is there at once is the amount. */
static inline rl_status rl__window_prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    if (limit->burst != 0 && limit->burst != limit->amount) {
        *why = "burst is neither 0 nor the amount: only buckets have one of their own";
        return RL_E_INVALID;
    }
    plan->word[0] = limit->amount;
    plan->word[1] = limit->period;
    plan->word[2] = limit->amount;
    return RL_OK;
}

/* Units in use at this level: none above full, more than all in debt. */
static inline uint64_t rl__used_at_level(uint64_t burst, int64_t level)
{
    if (level < 0)
        return burst + (0 - (uint64_t)level);
    return rl__sub_sat(burst, (uint64_t)level);
}

static inline int64_t rl__level_when_used(uint64_t burst, uint64_t used)
{
    if (used <= burst)
        return (int64_t)(burst - used);
    return used - burst > INT64_MAX ? INT64_MIN : -(int64_t)(used - burst);
}

#endif
