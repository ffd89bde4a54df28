/* SPDX-License-Identifier: MIT */
/*
 * "leaky_bucket": constant outflow. One word: the moment at which all that was admitted has flowed
 * out, in the ticks of gcra.c.
 *
 * Bound: a request of n units leaves, and the next one leaves no earlier than n * period / amount
 * after it, less a nanosecond. So in any window T at most (T + 1 ns) * amount / period units and
 * the last request.
 *
 * The nanosecond: a departure is told in whole ones, rounded up, but the outflow goes on from the
 * exact moment; if it began anew at the rounded one, each departure would lose part of a nanosecond
 * and the rate would drift.
 *
 * A take leaves now. A reservation leaves when all before it have flowed out; what is still flowing
 * or waiting is the backlog, at most `burst`. A place in it that is given up moves nobody: only the
 * last one can be taken by others, the outflow of any other is lost. So give_back() undoes a take
 * of the same moment, and nothing else; oversize means nothing.
 */
#include "limiter/ticks.h"

/* Where the outflow of what leaves at `now` begins: where the last one ended, if that lies within
 * the nanosecond before. */
static uint64_t outflow_from(const rl_plan *plan, uint64_t word, rl_time now)
{
    if (now > 0 && word > rl__clock_at(plan, now - 1))
        return word;
    return rl__base_of(plan, word, rl__clock_at(plan, now));
}

static rl_status take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                      rl_time *retry_at)
{
    if (cost > plan->word[BURST])
        return RL_E_TOO_LARGE;
    if (*word > rl__clock_at(plan, now)) {
        *retry_at = rl__time_of(plan, *word);
        return RL_WAIT;
    }
    *word = rl__later(outflow_from(plan, *word, now), cost * plan->word[SCALE]);
    return RL_OK;
}

static rl_status reserve(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                         rl_time latest, rl_time *at)
{
    uint64_t clock = rl__clock_at(plan, now), room;

    if (cost > plan->word[BURST] || *word <= clock) {
        *at = now;
        return take(plan, word, cost, now, at);
    }
    room = (plan->word[BURST] - cost) * plan->word[SCALE];
    *at = *word - clock > room ? rl__time_of(plan, *word - room) : rl__time_of(plan, *word);
    if (*word - clock > room || *at > latest || *at == RL_NEVER)
        return RL_WAIT;
    *word = rl__later(*word, cost * plan->word[SCALE]);
    return RL_OK;
}

/* If what was taken for `at` was the last: its outflow begins within the nanosecond before `at`, or
 * the slack behind it. Where a unit flows out within that, nobody can tell. */
static int was_last(const rl_plan *plan, uint64_t word, uint64_t cost, rl_time at)
{
    uint64_t price = rl__ticks_of(plan, cost), begun = rl__sub_sat(word, price);
    uint64_t from = at > 0 ? rl__clock_at(plan, at - 1) : 0;
    uint64_t to = rl__clock_at(plan, at) + plan->word[SLACK];

    if (price > word || word >= WORD_MAX || to - from >= plan->word[SCALE])
        return 0;
    return begun <= to && (begun > from || at == 0);
}

/* What flows is not called back, unless nothing is behind it. */
static void settle(const rl_plan *plan, uint64_t *word, uint64_t taken, uint64_t used, rl_time at,
                   rl_time now)
{
    if (used > taken)
        rl__ticks_charge(plan, word, used - taken, now);
    else if (was_last(plan, *word, taken, at))
        *word -= rl__ticks_of(plan, taken - used);
}

static void give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    settle(plan, word, amount, 0, now, now);
}

const rl_algorithm rl__leaky_bucket = {
    .size = sizeof(rl_algorithm),
    .name = "leaky_bucket",
    .words = 1,
    .prepare = rl__ticks_prepare,
    .start = rl__ticks_start,
    .take = take,
    .give_back = give_back,
    .charge = rl__ticks_charge,
    .set_level = rl__ticks_set_level,
    .snapshot = rl__ticks_snapshot,
    .carry = rl__ticks_carry,
    .settle = settle,
    .reserve = reserve,
};
