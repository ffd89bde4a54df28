/* SPDX-License-Identifier: MIT */
/*
 * "concurrency": at most `amount` at once. One word: the units in use.
 *
 * Bound: taken less given back is never more than `amount`, but for what is charged. Time plays no
 * part: what is taken comes back by give_back() or settle() alone, so the earliest useful time is
 * RL_NEVER, which means "after a release". A change of the limit leaves the units in use as they
 * are: above a lower limit nobody is let in until enough have left.
 */
#include "base/arith.h"
#include "limiter/limiter.h"
#include "limiter/window.h"

enum { AMOUNT, PERIOD, BURST };

#define IN_USE_MAX (UINT64_MAX - 1) /* UINT64_MAX is the framework's */

static rl_status prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    return rl__window_prepare(limit, plan, why);
}

static void start(const rl_plan *plan, uint64_t *word, rl_time now)
{
    (void)plan;
    (void)now;
    *word = 0;
}

static rl_status take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                      rl_time *retry_at)
{
    (void)now;
    if (cost > plan->word[BURST])
        return RL_E_TOO_LARGE;
    if (*word > plan->word[BURST] - cost) {
        *retry_at = RL_NEVER;
        return RL_WAIT;
    }
    *word += cost;
    return RL_OK;
}

static void give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    (void)plan;
    (void)now;
    *word = rl__sub_sat(*word, amount);
}

static void charge(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    (void)plan;
    (void)now;
    *word = rl__min(rl__add_sat(*word, amount), IN_USE_MAX);
}

static void set_level(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at)
{
    (void)at;
    *word = rl__used_at_level(plan->word[BURST], level);
}

static void snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level)
{
    (void)now;
    level->limit = plan->word[AMOUNT];
    level->burst = plan->word[BURST];
    level->remaining = rl__level_when_used(plan->word[BURST], *word);
    level->full_in = *word == 0 ? 0 : RL_NEVER;
}

static void carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    (void)before;
    (void)after;
    (void)word;
    (void)now;
}

const rl_algorithm rl__concurrency = {
    .size = sizeof(rl_algorithm),
    .name = "concurrency",
    .words = 1,
    .prepare = prepare,
    .start = start,
    .take = take,
    .give_back = give_back,
    .charge = charge,
    .set_level = set_level,
    .snapshot = snapshot,
    .carry = carry,
};
