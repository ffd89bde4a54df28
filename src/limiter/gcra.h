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

/* What a bucket says to a cost: its word if that is taken, and, in ticks, what may be in use beside
 * it, what is, and what a unit is. */
struct rl__gcra_answer {
    uint64_t next, spare, used, scale;
};

/* For a cost up to the burst. 1: it fits. No sum here can overflow: the clock is at most CLOCK_MAX,
 * a price and the span at most 2^60. */
static inline int rl__gcra_ask(const rl_plan *plan, uint64_t word, uint64_t cost, uint64_t burst,
                               rl_time now, struct rl__gcra_answer *answer)
{
    uint64_t clock = rl__clock_at(plan, now);
    uint64_t base = rl__base_of(plan, word, clock);

    answer->scale = rl__load_acquire(&plan->word[SCALE]);
    answer->spare = (burst - cost) * answer->scale;
    answer->used = base - clock;
    answer->next = base + cost * answer->scale;
    return word <= clock || answer->used <= answer->spare;
}

/* The same as a take. RL_WAIT: see rl__gcra_retry_at(). */
static inline rl_status rl__gcra_take(const rl_plan *plan, uint64_t *word, uint64_t cost,
                                      uint64_t burst, rl_time now, uint64_t *spare)
{
    struct rl__gcra_answer answer;
    int fits = rl__gcra_ask(plan, *word, cost, burst, now, &answer);

    *spare = answer.spare;
    if (!fits)
        return RL_WAIT;
    *word = answer.next;
    return RL_OK;
}

#endif
