/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of one take of the token bucket, inline: gcra.c makes the algorithm of it and says
 * what it means, limiter.c its short way. There is one of it, here.
 *
 * limiter.c hands in a plan that may be changing. So each word is loaded with acquire, as look()
 * does, and no mixture of two plans may do harm (a division by 0, a shift too wide): the result is
 * thrown away.
 */
#ifndef LLMRL_SRC_GCRA_H
#define LLMRL_SRC_GCRA_H

#include "limiter/ticks.h"

/* When `cost` fits again: as soon as `spare` is all that is in use. Within the slack of the burst
 * only a full bucket will do. */
static inline rl_time rl__gcra_retry_at(const rl_plan *plan, uint64_t word, uint64_t spare)
{
    if (spare >= rl__load_acquire(&plan->word[SLACK]))
        word -= spare;
    return rl__time_of(plan, word);
}

/* For a cost up to the burst. No sum here can overflow: the clock is at most CLOCK_MAX, a price and
 * the span at most 2^60. `spare` may be in use already beside this one. RL_WAIT: see
 * rl__gcra_retry_at(). */
static inline rl_status rl__gcra_take(const rl_plan *plan, uint64_t *word, uint64_t cost,
                                      uint64_t burst, rl_time now, uint64_t *spare)
{
    uint64_t clock = rl__clock_at(plan, now);
    uint64_t base = rl__base_of(plan, *word, clock);
    uint64_t scale = rl__load_acquire(&plan->word[SCALE]);

    *spare = (burst - cost) * scale;
    if (*word > clock && base - clock > *spare)
        return RL_WAIT;
    *word = base + cost * scale;
    return RL_OK;
}

#endif
