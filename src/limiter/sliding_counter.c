/* SPDX-License-Identifier: MIT */
/*
 * "sliding_counter": units used, by sub-window. A period has `parts` of them, of
 * ceil(period / parts) each; the present one counts, and as many before it.
 *
 * Bound: in any window of length T = period, half-open, at most `amount`. The error is to the safe
 * side: a unit counts for at least a period and for less than a period and a sub-window more
 * (rounded up), so it refuses up to that much too long.
 *
 * Words: the number of the newest sub-window, then the counts in a ring, by number. While the clock
 * is before the newest (it stepped back, or a level was set for a time to come), nothing is to be
 * had until that begins. Debt is units above the amount, and is gone when its sub-window is.
 * set_level() counts all as used in the sub-window that `at` lies in, from its beginning. What is
 * given back goes from the oldest: whichever units they were, no less than the truth counts then,
 * at any later moment. A change of period or parts counts all that is used as used just now.
 */
#include "limiter/window.h"

#include <string.h>

enum { AMOUNT, PERIOD, BURST, PARTS, LENGTH };

#define PARTS_DEFAULT 10
#define NEWEST        0
#define RING          1

static rl_status prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    uint64_t parts = limit->parts != 0 ? limit->parts : PARTS_DEFAULT;

    if (parts > RL_STATE_WORDS_MAX - 2) {
        *why = "parts is more than 510";
        return RL_E_INVALID;
    }
    plan->word[PARTS] = parts;
    plan->word[LENGTH] = rl__mul_div_up(1, limit->period, parts);
    return rl__window_prepare(limit, plan, why);
}

static size_t words_for(const rl_plan *plan)
{
    return 2 + (size_t)plan->word[PARTS];
}

static uint64_t number_at(const rl_plan *plan, rl_time now)
{
    return now / plan->word[LENGTH];
}

/* The same without a division, the dearest step of a take: mostly it is that of the take before. */
static uint64_t number_near(const rl_plan *plan, uint64_t guess, rl_time now)
{
    uint64_t length = plan->word[LENGTH], begin;

    if (!__builtin_mul_overflow(guess, length, &begin) && now >= begin && now - begin < length)
        return guess;
    return now / length;
}

static rl_time begin_of(const rl_plan *plan, uint64_t number)
{
    return rl__mul_sat(number, plan->word[LENGTH]);
}

static uint64_t *count_of(const rl_plan *plan, uint64_t *word, uint64_t number)
{
    return &word[RING + number % (plan->word[PARTS] + 1)];
}

static uint64_t used_in(const rl_plan *plan, const uint64_t *word)
{
    uint64_t used = 0;

    for (uint64_t i = 0; i <= plan->word[PARTS]; i++)
        used = rl__add_sat(used, word[RING + i]);
    return used;
}

/* Up to the sub-window of `now`: each new one takes the place of the oldest. 0: the newest has not
 * begun yet. */
static int roll(const rl_plan *plan, uint64_t *word, rl_time now)
{
    uint64_t number = number_near(plan, word[NEWEST], now), ring = plan->word[PARTS] + 1;

    if (number <= word[NEWEST])
        return number == word[NEWEST];
    if (number - word[NEWEST] >= ring)
        memset(&word[RING], 0, ring * sizeof word[0]);
    else
        for (uint64_t n = word[NEWEST] + 1; n <= number; n++)
            *count_of(plan, word, n) = 0;
    word[NEWEST] = number;
    return 1;
}

/* When no more than `most` units count; in words that have been rolled. */
static rl_time comes_down(const rl_plan *plan, const uint64_t *word, uint64_t most)
{
    uint64_t ring = plan->word[PARTS] + 1, left = 0, newer = 0;

    /* Those that may stay, from the newest on. */
    for (; newer < ring && newer <= word[NEWEST]; newer++) {
        left = rl__add_sat(left, word[RING + (word[NEWEST] - newer) % ring]);
        if (left > most)
            return begin_of(plan, rl__add_sat(word[NEWEST] - newer, ring));
    }
    return begin_of(plan, word[NEWEST]);
}

static void start(const rl_plan *plan, uint64_t *word, rl_time now)
{
    memset(&word[RING], 0, (plan->word[PARTS] + 1) * sizeof word[0]);
    word[NEWEST] = number_at(plan, now);
}

static void charge(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    uint64_t *count;

    (void)roll(plan, word, now); /* also in one that has not begun */
    count = count_of(plan, word, word[NEWEST]);
    *count = rl__add_sat(*count, amount);
}

/* The words are rolled for a refusal, too: the framework throws a refused state away. */
static rl_status take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                      rl_time *retry_at)
{
    if (cost > plan->word[BURST])
        return RL_E_TOO_LARGE;
    if (!roll(plan, word, now) || used_in(plan, word) > plan->word[AMOUNT] - cost) {
        *retry_at = comes_down(plan, word, plan->word[AMOUNT] - cost);
        return RL_WAIT;
    }
    *count_of(plan, word, word[NEWEST]) += cost;
    return RL_OK;
}

static void give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    uint64_t ring = plan->word[PARTS] + 1;

    if (!roll(plan, word, now))
        return; /* none of it counts there */
    for (uint64_t i = 1; i <= ring && amount > 0; i++) {
        uint64_t *count = count_of(plan, word, word[NEWEST] + i), units = rl__min(*count, amount);

        *count -= units;
        amount -= units;
    }
}

/* Of the sub-window that they were taken in, and the rest from the oldest on. */
static void give_back_to(const rl_plan *plan, uint64_t *word, uint64_t amount, uint64_t number,
                         rl_time now)
{
    uint64_t *count, units;

    if (!roll(plan, word, now))
        return;
    count = count_of(plan, word, number);
    units = rl__min(*count, amount);
    *count -= units;
    give_back(plan, word, amount - units, now);
}

static void settle(const rl_plan *plan, uint64_t *word, uint64_t taken, uint64_t used, rl_time at,
                   rl_time now)
{
    uint64_t number = rl__max(number_at(plan, now), word[NEWEST]);

    if (used > taken)
        charge(plan, word, used - taken, now);
    else if (number - rl__min(number, number_at(plan, at)) <= plan->word[PARTS])
        give_back_to(plan, word, taken - used, number_at(plan, at), now);
}

static void set_level(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at)
{
    start(plan, word, at);
    *count_of(plan, word, word[NEWEST]) = rl__used_at_level(plan->word[BURST], level);
}

static void snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level)
{
    uint64_t copy[RL_STATE_WORDS_MAX], used;
    rl_time full_at = now;
    int has_begun;

    memcpy(copy, word, words_for(plan) * sizeof copy[0]);
    has_begun = roll(plan, copy, now);
    used = used_in(plan, copy);
    if (used > 0 || !has_begun)
        full_at = comes_down(plan, copy, 0);
    level->limit = plan->word[AMOUNT];
    level->burst = plan->word[BURST];
    level->remaining = rl__level_when_used(plan->word[BURST], used);
    if (!has_begun && level->remaining > 0)
        level->remaining = 0;
    level->full_in = full_at == RL_NEVER ? RL_NEVER : rl__sub_sat(full_at, now);
}

static void carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    uint64_t used;
    rl_time begin;

    if (before->word[LENGTH] == after->word[LENGTH] && before->word[PARTS] == after->word[PARTS])
        return;
    (void)roll(before, word, now);
    used = used_in(before, word);
    begin = begin_of(before, word[NEWEST]);
    start(after, word, rl__max(begin, now));
    *count_of(after, word, word[NEWEST]) = used;
}

const rl_algorithm rl__sliding_counter = {
    .size = sizeof(rl_algorithm),
    .name = "sliding_counter",
    .words = 2 + PARTS_DEFAULT,
    .prepare = prepare,
    .start = start,
    .take = take,
    .give_back = give_back,
    .charge = charge,
    .set_level = set_level,
    .snapshot = snapshot,
    .carry = carry,
    .settle = settle,
    .words_for = words_for,
};
