/* SPDX-License-Identifier: MIT */
/* The plan of "fixed_window", and the windows that a first request begins. */
#ifndef LLMRL_SRC_LIMITER_FIXED_WINDOW_H
#define LLMRL_SRC_LIMITER_FIXED_WINDOW_H

#include "limiter/zone.h"

#include <llmrl/limiter.h>

/* The words of the plan. EPOCH: ns since 1970 at rl_time 0. */
enum { AMOUNT, PERIOD, BURST, SHAPE, EPOCH, ZONE };
_Static_assert(ZONE + RL__ZONE_WORDS <= RL_PLAN_WORDS, "a plan holds a zone");

/* SHAPE: the alignment, the low bits of a word that are for the units (0: two words), whether the
 * zone is plain UTC, and the seconds after midnight, in that zone, at which days begin. */
#define RL__SHAPE_UTC (UINT64_C(1) << 16)
static inline uint64_t rl__shape(uint64_t align, uint64_t bits, int64_t day_start)
{
    return align | bits << 8 | (uint64_t)day_start << 32;
}
static inline uint64_t rl__align_of(const rl_plan *plan)
{
    return plan->word[SHAPE] & 0xff;
}
static inline uint64_t rl__bits_of(const rl_plan *plan)
{
    return plan->word[SHAPE] >> 8 & 0xff;
}
static inline int64_t rl__day_start_of(const rl_plan *plan)
{
    return (int64_t)plan->word[SHAPE] >> 32;
}

/* first_window.c: two words, all zero at first */
rl_status rl__first_take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                         rl_time *retry_at);
void rl__first_give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now);
void rl__first_charge(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now);
void rl__first_set_level(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at);
void rl__first_snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level);
void rl__first_carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now);
/* Whether what was taken at `at` belongs to a window that has ended. */
int rl__first_is_over(const rl_plan *plan, const uint64_t *word, rl_time at, rl_time now);

#endif
