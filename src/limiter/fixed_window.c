/* SPDX-License-Identifier: MIT */
/*
 * "fixed_window": windows side by side, each with its number and the units used in it.
 *
 * Bound: in each window at most `amount`; so in any window of length T at most
 * amount * (2 + T / period).
 *
 * Both lie in one word, the number above: a new window and its first units come in one exchange.
 * Where the amount is too large for that, in two words. A packed word holds debt of a thousand
 * windows and more, and forgets what goes beyond.
 *
 * Units used above the amount are debt, and carried: each further window pays `amount` of it. The
 * window never goes back. While the clock is before the window that the state has reached (it
 * stepped back, or a level was set for a time to come), nothing is to be had until that begins.
 *
 * set_level() counts for the window that `at` lies in, from its beginning; give_back() for the
 * present one; settle() knows what belongs to a window that is over. A change of the limit leaves
 * the units in use as they are, in the window of the new limit that covers the moment. If only the
 * wall clock was corrected (rl_limit.epoch), the window reached before stays, and lasts up to one
 * window longer then: no window begins anew.
 */
#include "limiter/fixed_window.h"

#include "limiter/window.h"

#define PACK_SPARE 10 /* a packed word has room for that many bits more than the amount */
#define DAY_BITS   20 /* for the numbers of days and months in 64 bits of nanoseconds */
#define DAY_LENGTH ((int64_t)(RL_DAY / RL_SECOND))

/* ---- windows and moments ---- */

static uint64_t wall_at(const rl_plan *plan, rl_time now)
{
    return rl__add_sat(plan->word[EPOCH], now);
}

static rl_time time_at(const rl_plan *plan, rl__u128 wall)
{
    if (wall >= UINT64_MAX)
        return RL_NEVER; /* wall_at() says that of all that follows, too */
    return wall > plan->word[EPOCH] ? (rl_time)(wall - plan->word[EPOCH]) : 0;
}

static uint64_t month_of(int64_t day)
{
    int64_t year;
    unsigned month, unused;

    rl__civil_from_days(day, &year, &month, &unused);
    return (uint64_t)year * 12 + month - 1;
}

/* Where the zone is plain UTC, without a call. */
static int64_t day_at(const rl_plan *plan, uint64_t wall)
{
    int64_t second = (int64_t)(wall / RL_SECOND), day;

    if ((plan->word[SHAPE] & RL__SHAPE_UTC) != 0)
        day = (second - rl__day_start_of(plan)) / DAY_LENGTH;
    else
        day = rl__zone_day(&plan->word[ZONE], second, rl__day_start_of(plan));
    return day > 0 ? day : 0;
}

static uint64_t number_at(const rl_plan *plan, rl_time now)
{
    uint64_t wall = wall_at(plan, now), align = rl__align_of(plan);

    if (align == RL_ALIGN_DAY)
        return (uint64_t)day_at(plan, wall);
    return align == RL_ALIGN_MONTH ? month_of(day_at(plan, wall)) : wall / plan->word[PERIOD];
}

static rl_time begin_of(const rl_plan *plan, uint64_t number)
{
    int64_t day, second;

    if (rl__align_of(plan) < RL_ALIGN_DAY)
        return time_at(plan, (rl__u128)number * plan->word[PERIOD]);
    if (number >= UINT64_C(1) << DAY_BITS)
        return RL_NEVER;
    day = (int64_t)number;
    if (rl__align_of(plan) == RL_ALIGN_MONTH)
        day = rl__days_from_civil(day / 12, (unsigned)(day % 12) + 1, 1);
    second = rl__zone_reaches(&plan->word[ZONE], day * DAY_LENGTH + rl__day_start_of(plan));
    return time_at(plan, (rl__u128)(second > 0 ? second : 0) * RL_SECOND);
}

/* ---- the words ---- */

struct window {
    uint64_t number, used;
    int ahead; /* it has not begun yet */
};

static struct window unpack(const rl_plan *plan, const uint64_t *word)
{
    uint64_t bits = rl__bits_of(plan);

    if (bits == 0)
        return (struct window){ word[0], word[1], 0 };
    return (struct window){ word[0] >> bits, word[0] & ((UINT64_C(1) << bits) - 1), 0 };
}

static void pack(const rl_plan *plan, uint64_t *word, struct window window)
{
    uint64_t bits = rl__bits_of(plan), most;

    if (bits == 0) {
        word[0] = window.number;
        word[1] = window.used;
        return;
    }
    most = (UINT64_C(1) << bits) - 1;
    word[0] = rl__min(window.number, UINT64_MAX >> bits) << bits | rl__min(window.used, most);
}

/* On to a later window: each that has ended took `amount` of what was used. */
static struct window go_on(struct window window, uint64_t number, uint64_t amount)
{
    window.used = rl__sub_sat(window.used, rl__mul_sat(amount, number - window.number));
    window.number = number;
    return window;
}

/* The state at `now`. */
static struct window roll(const rl_plan *plan, const uint64_t *word, rl_time now)
{
    struct window window = unpack(plan, word);
    uint64_t number = number_at(plan, now);

    window.ahead = number < window.number;
    return number > window.number ? go_on(window, number, plan->word[AMOUNT]) : window;
}

/* The beginning of the first window in which no more than `most` units are in use. */
static rl_time comes_down(const rl_plan *plan, struct window window, uint64_t most)
{
    uint64_t amount = plan->word[AMOUNT], excess = rl__sub_sat(window.used, most);

    if (excess > 0 && amount == 0)
        return RL_NEVER;
    if (excess > 0)
        excess = (excess - 1) / amount + 1;
    return begin_of(plan, rl__add_sat(window.number, excess));
}

/* ---- the plan ---- */

static unsigned length_of(uint64_t value)
{
    return value == 0 ? 0 : 64U - (unsigned)__builtin_clzll(value);
}

/* How many low bits of a word are for the units, 0: two words. A limiter keeps what it began with.
 */
static rl_status choose_bits(const rl_limit *limit, unsigned *bits, const char **why)
{
    unsigned upper =
        limit->align >= RL_ALIGN_DAY ? DAY_BITS : length_of(UINT64_MAX / limit->period);
    unsigned lower = 64 - upper, wanted = length_of(limit->amount);
    uint64_t words = limit->private_[RL__MADE_WORDS];

    *bits = 0;
    if (limit->align == RL_ALIGN_FIRST || words > 1 || (words == 0 && wanted + PACK_SPARE > lower))
        return RL_OK;
    *why = "amount is too large for a limiter that began with one word";
    *bits = lower;
    return wanted + 1 > lower ? RL_E_INVALID : RL_OK;
}

static const char *what_is_wrong(const rl_limit *limit)
{
    if (limit->align > RL_ALIGN_MONTH)
        return "align is no rl_align";
    if (limit->align >= RL_ALIGN_HOUR && limit->epoch == 0)
        return "epoch is needed: wall time at rl_time 0, or RL_EPOCH_1970";
    if (limit->epoch < 0 && limit->epoch != RL_EPOCH_1970)
        return "epoch lies before 1970";
    if (limit->align == RL_ALIGN_HOUR && RL_HOUR % limit->period != 0)
        return "period is neither an hour nor an even part of it";
    if (limit->align == RL_ALIGN_DAY && limit->period != RL_DAY)
        return "period is not a day";
    if (limit->align == RL_ALIGN_MONTH &&
        (limit->period < 28 * RL_DAY || limit->period > 31 * RL_DAY))
        return "period is not 28 to 31 days";
    if (limit->align < RL_ALIGN_DAY && (limit->zone != NULL || limit->day_start != 0))
        return "zone and day_start are for days and months";
    if (limit->day_start >= RL_DAY || limit->day_start % RL_SECOND != 0)
        return "day_start is not in whole seconds of a day";
    return NULL;
}

/* A zone whose offset never changes is UTC whose days begin at another time. */
static rl_status place(const rl_limit *limit, rl_plan *plan, const char **why)
{
    int64_t second = (int64_t)(wall_at(plan, limit->private_[RL__MADE_AT]) / RL_SECOND);
    uint64_t *zone = &plan->word[ZONE];
    rl_status st = rl__zone_find(limit->zone, second, zone, why);
    int32_t offset;

    if (st != RL_OK || !rl__zone_is_fixed(zone, &offset))
        return st;
    plan->word[SHAPE] =
        rl__shape(limit->align, rl__bits_of(plan), rl__day_start_of(plan) - offset) | RL__SHAPE_UTC;
    return rl__zone_find(NULL, second, zone, why);
}

static rl_status prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    const char *wrong = what_is_wrong(limit);
    rl_status st = rl__window_prepare(limit, plan, why);
    unsigned bits;

    if (wrong != NULL)
        *why = wrong;
    if (wrong != NULL || st != RL_OK)
        return RL_E_INVALID;
    plan->word[EPOCH] = limit->epoch == RL_EPOCH_1970 ? 0 : (uint64_t)limit->epoch;
    if ((st = choose_bits(limit, &bits, why)) != RL_OK)
        return st;
    plan->word[SHAPE] = rl__shape(limit->align, bits, (int64_t)(limit->day_start / RL_SECOND));
    return limit->align < RL_ALIGN_DAY ? RL_OK : place(limit, plan, why);
}

static size_t words_for(const rl_plan *plan)
{
    return rl__bits_of(plan) == 0 ? 2 : 1;
}

static int by_first(const rl_plan *plan)
{
    return rl__align_of(plan) == RL_ALIGN_FIRST;
}

/* ---- the algorithm ---- */

static void start(const rl_plan *plan, uint64_t *word, rl_time now)
{
    if (!by_first(plan)) /* there, zero is fresh */
        pack(plan, word, (struct window){ number_at(plan, now), 0, 0 });
}

/* The usual case: in the window that the state has reached. */
static int takes_at_once(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now)
{
    uint64_t bits = rl__bits_of(plan), most = plan->word[AMOUNT] - cost;

    if (word[0] >> bits != number_at(plan, now))
        return 0;
    if ((bits == 0 ? word[1] : word[0] & ((UINT64_C(1) << bits) - 1)) > most)
        return 0;
    word[bits == 0] += cost;
    return 1;
}

static rl_status take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                      rl_time *retry_at)
{
    struct window window;

    if (cost > plan->word[BURST])
        return RL_E_TOO_LARGE;
    if (by_first(plan))
        return rl__first_take(plan, word, cost, now, retry_at);
    if (takes_at_once(plan, word, cost, now))
        return RL_OK;
    window = roll(plan, word, now);
    if (window.ahead || window.used > plan->word[AMOUNT] - cost) {
        *retry_at = comes_down(plan, window, plan->word[AMOUNT] - cost);
        return RL_WAIT;
    }
    window.used += cost;
    pack(plan, word, window);
    return RL_OK;
}

static void give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    struct window window;

    if (by_first(plan)) {
        rl__first_give_back(plan, word, amount, now);
        return;
    }
    window = roll(plan, word, now);
    if (!window.ahead) /* it has not given any */
        window.used = rl__sub_sat(window.used, amount);
    pack(plan, word, window);
}

static void charge(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    struct window window;

    if (by_first(plan)) {
        rl__first_charge(plan, word, amount, now);
        return;
    }
    window = roll(plan, word, now);
    window.used = rl__add_sat(window.used, amount);
    pack(plan, word, window);
}

/* What belongs to a window that is over comes back no more. */
static void settle(const rl_plan *plan, uint64_t *word, uint64_t taken, uint64_t used, rl_time at,
                   rl_time now)
{
    struct window window;

    if (used > taken) {
        charge(plan, word, used - taken, now);
        return;
    }
    if (by_first(plan)) {
        if (!rl__first_is_over(plan, word, at, now))
            rl__first_give_back(plan, word, taken - used, now);
        return;
    }
    window = roll(plan, word, now);
    if (window.ahead || number_at(plan, at) < window.number)
        return;
    window.used = rl__sub_sat(window.used, taken - used);
    pack(plan, word, window);
}

static void set_level(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at)
{
    uint64_t used = rl__used_at_level(plan->word[BURST], level);

    if (by_first(plan))
        rl__first_set_level(plan, word, level, at);
    else
        pack(plan, word, (struct window){ number_at(plan, at), used, 0 });
}

static void snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level)
{
    struct window window;
    rl_time full_at;

    level->limit = plan->word[AMOUNT];
    level->burst = plan->word[BURST];
    if (by_first(plan)) {
        rl__first_snapshot(plan, word, now, level);
        return;
    }
    window = roll(plan, word, now);
    level->remaining = rl__level_when_used(plan->word[BURST], window.used);
    if (window.ahead && level->remaining > 0)
        level->remaining = 0;
    full_at = window.ahead || window.used > 0 ? comes_down(plan, window, 0) : now;
    level->full_in = full_at == RL_NEVER ? RL_NEVER : rl__sub_sat(full_at, now);
}

static int same_windows(const rl_plan *a, const rl_plan *b)
{
    return a->word[SHAPE] == b->word[SHAPE] && a->word[PERIOD] == b->word[PERIOD];
}

/* The wall clock may have been corrected: forward, the windows between are over; back, the one
 * reached stays, if it is not more than one ahead. One that was ahead before was meant to be. */
static struct window with_other_clock(struct window window, uint64_t number, uint64_t amount)
{
    if (number > window.number)
        return go_on(window, number, amount);
    if (!window.ahead)
        window.number = rl__min(window.number, number + 1);
    return window;
}

static void carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    struct window window;

    if (by_first(before) && by_first(after)) {
        rl__first_carry(before, after, word, now);
        return;
    }
    if (by_first(before)) {
        rl__first_carry(before, before, word, now); /* to what it is now */
        pack(after, word, (struct window){ number_at(after, now), word[1], 0 });
        return;
    }
    window = roll(before, word, now);
    if (by_first(after)) {
        word[0] = rl__add_sat(now, after->word[PERIOD]);
        word[1] = window.used;
        return;
    }
    if (same_windows(before, after))
        window = with_other_clock(window, number_at(after, now), before->word[AMOUNT]);
    else
        window.number = number_at(after, rl__max(now, begin_of(before, window.number)));
    pack(after, word, window);
}

const rl_algorithm rl__fixed_window = {
    .size = sizeof(rl_algorithm),
    .name = "fixed_window",
    .words = 1,
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
    .plan_words = RL_PLAN_WORDS,
};
