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

#include "base/arith.h"
#include "base/atomic.h"

#include <llmrl/limiter.h>

/* The words of a plan. The first three are every algorithm's. */
enum { AMOUNT, PERIOD, BURST, SCALE, RATE, SHIFT, SLACK, BORROW };

#define CLOCK_MAX (UINT64_MAX - (UINT64_C(1) << 61)) /* leaves room for a span and some debt */

static inline uint64_t rl__gcra_clock(const rl_plan *plan, rl_time now)
{
    uint64_t rate = rl__load_acquire(&plan->word[RATE]);
    uint64_t shift = rl__load_acquire(&plan->word[SHIFT]), product;
    rl__u128 ticks;

    if (shift == 0) /* most limits; and the exchange waits for this */
        return __builtin_mul_overflow(now, rate, &product) || product > CLOCK_MAX ? CLOCK_MAX
                                                                                  : product;
    ticks = (rl__u128)now * rate >> shift;
    return ticks < CLOCK_MAX ? (uint64_t)ticks : CLOCK_MAX;
}

/* The first nanosecond at which the clock shows `ticks`, RL_NEVER: none. The exact inverse of
 * rl__gcra_clock(). */
static inline rl_time rl__gcra_time(const rl_plan *plan, uint64_t ticks)
{
    uint64_t rate = rl__load_acquire(&plan->word[RATE]);
    uint64_t shift = rl__load_acquire(&plan->word[SHIFT]), time;
    rl__u128 scaled;

    if (ticks > CLOCK_MAX || rate == 0)
        return RL_NEVER;
    if (shift == 0) /* most limits, and one division of 64 bits is dear enough */
        return ticks / rate + (ticks % rate != 0);
    scaled = (rl__u128)ticks << shift;
    if ((shift > 64 && ticks >> (128 - shift) != 0) || scaled >> 64 >= rate)
        return RL_NEVER; /* the quotient has more than 64 bits */
    time = (uint64_t)(scaled / rate);
    return rl__add_sat(time, (rl__u128)time * rate != scaled);
}

/* Where new usage begins: behind what is in use, and never before the exact time. */
static inline uint64_t rl__gcra_base(const rl_plan *plan, uint64_t word, uint64_t clock)
{
    return rl__max(word, clock + rl__load_acquire(&plan->word[SLACK]));
}

/* When `cost` fits again: as soon as `spare` is all that is in use. Within the slack of the burst
 * only a full bucket will do. */
static inline rl_time rl__gcra_retry_at(const rl_plan *plan, uint64_t word, uint64_t spare)
{
    if (spare >= rl__load_acquire(&plan->word[SLACK]))
        word -= spare;
    return rl__gcra_time(plan, word);
}

/* For a cost up to the burst. No sum here can overflow: the clock is at most CLOCK_MAX, a price and
 * the span at most 2^60. `spare` may be in use already beside this one. RL_WAIT: see
 * rl__gcra_retry_at(). */
static inline rl_status rl__gcra_take(const rl_plan *plan, uint64_t *word, uint64_t cost,
                                      uint64_t burst, rl_time now, uint64_t *spare)
{
    uint64_t clock = rl__gcra_clock(plan, now);
    uint64_t base = rl__gcra_base(plan, *word, clock);
    uint64_t scale = rl__load_acquire(&plan->word[SCALE]);

    *spare = (burst - cost) * scale;
    if (*word > clock && base - clock > *spare)
        return RL_WAIT;
    *word = base + cost * scale;
    return RL_OK;
}

#endif
