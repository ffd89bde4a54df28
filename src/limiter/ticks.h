/* SPDX-License-Identifier: MIT */
/*
 * The clock of ticks that gcra.c describes, for the algorithms that are built on it.
 *
 * gcra.h hands in a plan that may be changing. So each word is loaded with acquire, and no mixture
 * of two plans may do harm (a division by 0, a shift too wide): the result is thrown away.
 */
#ifndef LLMRL_SRC_LIMITER_TICKS_H
#define LLMRL_SRC_LIMITER_TICKS_H

#include "base/arith.h"
#include "base/atomic.h"
#include "limiter/limiter.h"

/* The words of a plan. The first three are every algorithm's. */
enum { AMOUNT, PERIOD, BURST, SCALE, RATE, SHIFT, SLACK, BORROW };

#define CLOCK_MAX (UINT64_MAX - (UINT64_C(1) << 61)) /* leaves room for a span and some debt */
#define WORD_MAX  (UINT64_MAX - 1)                   /* UINT64_MAX is the framework's */

/* Clamps are branches: the exchange waits for the reading, but not for what was foretold. */
static inline uint64_t rl__clock_at(const rl_plan *plan, rl_time now)
{
    uint64_t rate = rl__load_acquire(&plan->word[RATE]);
    uint64_t shift = rl__load_acquire(&plan->word[SHIFT]), ticks, high;
    rl__u128 product;

    if (shift == 0) /* most limits */
        return RL__RARE(__builtin_mul_overflow(now, rate, &ticks)) || RL__RARE(ticks > CLOCK_MAX)
                   ? CLOCK_MAX
                   : ticks;
    product = (rl__u128)now * rate;
    high = (uint64_t)(product >> 64);
    if (RL__RARE(shift >= 64))
        ticks = high >> (shift - 64);
    else if (RL__RARE(high >> shift != 0))
        return CLOCK_MAX;
    else
        ticks = high << (64 - shift) | (uint64_t)product >> shift;
    return RL__RARE(ticks > CLOCK_MAX) ? CLOCK_MAX : ticks;
}

/* The first nanosecond at which the clock shows `ticks`, RL_NEVER: none. The exact inverse of
 * rl__clock_at(). */
static inline rl_time rl__time_of(const rl_plan *plan, uint64_t ticks)
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

static inline uint64_t rl__ticks_of(const rl_plan *plan, uint64_t units)
{
    return rl__mul_sat(units, rl__load_acquire(&plan->word[SCALE]));
}

/* Where new usage begins: behind what is in use, and never before the exact time. */
static inline uint64_t rl__base_of(const rl_plan *plan, uint64_t word, uint64_t clock)
{
    return rl__max(word, clock + rl__load_acquire(&plan->word[SLACK]));
}

static inline uint64_t rl__later(uint64_t word, uint64_t ticks)
{
    return rl__min(rl__add_sat(word, ticks), WORD_MAX);
}

/* Down to full at `now` and no further, so that a clock that steps back afterwards earns nothing.
 */
static inline void rl__ticks_give_back(const rl_plan *plan, uint64_t *word, uint64_t amount,
                                       rl_time now)
{
    uint64_t clock = rl__clock_at(plan, now);

    if (*word > clock)
        *word = rl__max(clock, rl__sub_sat(*word, rl__ticks_of(plan, amount)));
}

static inline void rl__ticks_charge(const rl_plan *plan, uint64_t *word, uint64_t amount,
                                    rl_time now)
{
    *word =
        rl__later(rl__base_of(plan, *word, rl__clock_at(plan, now)), rl__ticks_of(plan, amount));
}

/* gcra.c: what a bucket on this clock has in common with every other. */
rl_status rl__ticks_prepare(const rl_limit *limit, rl_plan *plan, const char **why);
void rl__ticks_start(const rl_plan *plan, uint64_t *word, rl_time now);
void rl__ticks_set_level(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at);
void rl__ticks_snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level);
void rl__ticks_carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now);

#endif
