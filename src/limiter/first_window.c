/* SPDX-License-Identifier: MIT */
/*
 * Fixed windows that begin with the first request after the one before has ended: when the present
 * one ends, and the units used in it.
 *
 * Units used above the amount are debt: the next window follows at once then, and pays `amount` of
 * it, until none is left. A level that is set for a moment is set as the end of a window at that
 * moment, which is used up until then and leaves behind what the level lacks.
 */
#include "limiter/fixed_window.h"

#include "limiter/window.h"

struct window {
    rl_time end;
    uint64_t used;
};

/* The state at `now`. Without an open window, the end lies in the past and nothing is used. */
static struct window roll(const rl_plan *plan, const uint64_t *word, rl_time now)
{
    struct window window = { word[0], word[1] };
    uint64_t ended;

    if (now < window.end)
        return window;
    ended = (now - window.end) / plan->word[PERIOD] + 1;
    window.used = rl__sub_sat(window.used, rl__mul_sat(plan->word[AMOUNT], ended));
    if (window.used > 0)
        window.end = rl__add_sat(window.end, rl__mul_sat(plan->word[PERIOD], ended));
    return window;
}

static void use(const rl_plan *plan, uint64_t *word, struct window window, uint64_t amount,
                rl_time now)
{
    word[0] = now < window.end ? window.end : rl__add_sat(now, plan->word[PERIOD]);
    word[1] = rl__add_sat(window.used, amount);
}

/* When no more than `most` units are in use; there are more. */
static rl_time comes_down(const rl_plan *plan, struct window window, uint64_t most)
{
    uint64_t amount = plan->word[AMOUNT], excess = window.used - most, more;

    if (amount == 0)
        return RL_NEVER;
    more = (excess - 1) / amount; /* windows after the present one */
    return rl__add_sat(window.end, rl__mul_sat(plan->word[PERIOD], more));
}

rl_status rl__first_take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                         rl_time *retry_at)
{
    struct window window = roll(plan, word, now);

    if (window.used > plan->word[AMOUNT] - cost) {
        *retry_at = comes_down(plan, window, plan->word[AMOUNT] - cost);
        return RL_WAIT;
    }
    use(plan, word, window, cost, now);
    return RL_OK;
}

void rl__first_give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    struct window window = roll(plan, word, now);

    word[0] = window.end;
    word[1] = rl__sub_sat(window.used, amount);
}

void rl__first_charge(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    use(plan, word, roll(plan, word, now), amount, now);
}

int rl__first_is_over(const rl_plan *plan, const uint64_t *word, rl_time at, rl_time now)
{
    struct window window = roll(plan, word, now);

    return now >= window.end || at < rl__sub_sat(window.end, plan->word[PERIOD]);
}

void rl__first_set_level(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at)
{
    word[0] = at;
    word[1] = rl__add_sat(plan->word[AMOUNT], rl__used_at_level(plan->word[AMOUNT], level));
}

void rl__first_snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level)
{
    struct window window = roll(plan, word, now);
    rl_time full_at = window.used > 0 ? comes_down(plan, window, 0) : now;

    level->remaining = rl__level_when_used(plan->word[AMOUNT], window.used);
    level->full_in = full_at == RL_NEVER ? RL_NEVER : rl__sub_sat(full_at, now);
}

/* A shorter window ends within its length, a longer one is prolonged. */
void rl__first_carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    struct window window = roll(before, word, now);
    uint64_t was = before->word[PERIOD], is = after->word[PERIOD];

    word[1] = window.used;
    if (now < window.end && is > was)
        window.end = rl__add_sat(window.end, is - was);
    else if (now < window.end && is < was)
        window.end = rl__min(window.end, rl__add_sat(now, is));
    word[0] = window.end;
}
