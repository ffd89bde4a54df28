/* SPDX-License-Identifier: MIT */
/*
 * "token_bucket", and "leaky_meter", which is the same seen from the other side: one word, the
 * generic cell rate algorithm.
 *
 * Bound: in any window T at most burst + T * amount / period units, plus one oversize request when
 * borrowing.
 *
 * The word is the moment at which the bucket is full again, on a clock that counts refill instead
 * of time: `scale` of its ticks are one unit. So a price is cost * scale, exactly, and all rounding
 * lies in reading the clock:
 *
 *     clock(now) = floor(now * rate / 2^shift),   rate / 2^shift = scale * amount / period
 *
 * Most limits in use allow a scale at which rate is a whole number and shift is 0 (500 a minute:
 * 120 000 000 ticks a unit, one tick a nanosecond): those are exact. For the others the reading is
 * less than SLACK ticks low. New usage begins at the reading plus SLACK, if not behind what is in
 * use, and later readings are low, if anything: so the word is never behind the exact moment, and
 * no error grows with time. A bucket that is full is asked first, so that rounding cannot refuse
 * `burst` for ever. A level that is given from outside (set_level, give_back up to full) counts
 * from the reading itself: what was set is what is shown.
 *
 * Ticks a nanosecond are at most 7 where the limit allows it: 64 bits then last for 73 years, so a
 * clock that counts from 1970 works until 2043. At the end of the clock the bucket refills no more.
 *
 * A change of the limit carries over the units in use (burst - level, more than burst when in
 * debt), rounded up.
 *
 * Source: ITU-T I.371 (GCRA, virtual scheduling). It differs in the clock: ticks, not time, so that
 * a price need not be rounded.
 */
#include "limiter/gcra.h"

#include "base/rl_assert.h"

#define TICKS_PER_NS       7  /* at most, if a unit is to be a tick or more at that */
#define UNITS_PER_NS_MAX   32 /* beyond, 64 bits of ticks would end within years */
#define SLACK_WHEN_INEXACT 3  /* floor: less than 1; rate cut to 63 bits or more: less than 2 */
#define SPAN_MAX           (UINT64_C(1) << 60) /* ticks of the largest grant */

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Ticks a unit, for amount / period in lowest terms: `period` if that makes the clock exact and
 * fits, else as fine as fits. */
static uint64_t choose_scale(uint64_t amount, uint64_t period, uint64_t largest_grant)
{
    uint64_t most = SPAN_MAX / largest_grant;

    if (amount <= TICKS_PER_NS && period <= most)
        return period;
    return rl__max(1, rl__min(most, rl__mul_div(TICKS_PER_NS, period, amount)));
}

/* rate / 2^shift = ticks / period, by long division: it ends when nothing is left, or with 64
 * significant bits. The slowest limit (128 ticks in ten years) needs a shift of 115 for that: below
 * 128, where rl__clock_at() would break. */
static void set_rate(rl_plan *plan, uint64_t ticks, uint64_t period)
{
    uint64_t rate, rest, shift = 0;

    RL_ASSERT(period > 0);
    rate = ticks / period;
    rest = ticks % period;
    for (; rest != 0 && rate < UINT64_C(1) << 63; shift++) {
        RL_ASSERT(shift < 127);
        rest *= 2; /* period is at most ten years: below 2^59 */
        rate = 2 * rate + (rest >= period);
        rest -= rest >= period ? period : 0;
    }
    plan->word[RATE] = rate;
    plan->word[SHIFT] = shift;
    plan->word[SLACK] = rest == 0 && shift == 0 ? 0 : SLACK_WHEN_INEXACT;
}

rl_status rl__ticks_prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    uint64_t burst = limit->burst != 0 ? limit->burst : limit->amount;
    uint64_t common = greatest_common_divisor(limit->amount, limit->period);
    uint64_t amount = limit->amount / common, period = limit->period / common;

    if (limit->amount > rl__mul_sat(limit->period, UNITS_PER_NS_MAX)) {
        *why = "amount is more than 32 units per nanosecond of the period";
        return RL_E_INVALID;
    }
    *plan = (rl_plan){ { 0 } };
    plan->word[AMOUNT] = limit->amount;
    plan->word[PERIOD] = limit->period;
    plan->word[SCALE] = 1;
    plan->word[BORROW] = limit->oversize == RL_OVERSIZE_BORROW;
    if (limit->amount == 0)
        return RL_OK; /* nothing, ever: no burst, and a clock that stands still */
    plan->word[BURST] = burst;
    plan->word[SCALE] = choose_scale(amount, period, rl__max(limit->amount, burst));
    set_rate(plan, amount * plan->word[SCALE], period);
    return RL_OK;
}

void rl__ticks_start(const rl_plan *plan, uint64_t *word, rl_time now)
{
    *word = rl__clock_at(plan, now);
}

/* More than a full bucket: only when it is full, and then into debt. */
static rl_status take_oversize(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                               rl_time *retry_at)
{
    uint64_t clock = rl__clock_at(plan, now);

    if (plan->word[BORROW] == 0 || cost > plan->word[AMOUNT])
        return RL_E_TOO_LARGE;
    if (*word <= clock) {
        *word = rl__base_of(plan, *word, clock) + cost * plan->word[SCALE];
        return RL_OK;
    }
    *retry_at = rl__time_of(plan, *word);
    return RL_WAIT;
}

static rl_status take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                      rl_time *retry_at)
{
    uint64_t burst = plan->word[BURST], spare;
    rl_status st;

    if (cost > burst)
        return take_oversize(plan, word, cost, now, retry_at);
    st = rl__gcra_take(plan, word, cost, burst, now, &spare);
    if (st == RL_WAIT)
        *retry_at = rl__gcra_retry_at(plan, *word, spare);
    return st;
}

void rl__ticks_set_level(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at)
{
    uint64_t burst = plan->word[BURST], used;

    if (level < 0)
        used = burst + (0 - (uint64_t)level);
    else
        used = rl__sub_sat(burst, (uint64_t)level);
    *word = rl__later(rl__clock_at(plan, at), rl__ticks_of(plan, used));
}

/* Units above or below zero, rounded down, of a bucket that lacks `used` ticks. */
static int64_t level_of(const rl_plan *plan, uint64_t used)
{
    uint64_t scale = plan->word[SCALE], span = plan->word[BURST] * scale, debt;

    if (used <= span)
        return (int64_t)((span - used) / scale);
    debt = (used - span) / scale + ((used - span) % scale != 0);
    return debt > INT64_MAX ? INT64_MIN : -(int64_t)debt;
}

void rl__ticks_snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level)
{
    uint64_t clock = rl__clock_at(plan, now);
    uint64_t used =
        *word > clock ? rl__base_of(plan, *word, clock) - clock : 0; /* as take() sees it */
    rl_time full_at = *word > clock ? rl__time_of(plan, *word) : now;

    level->limit = plan->word[AMOUNT];
    level->burst = plan->word[BURST];
    level->remaining = level_of(plan, used);
    level->full_in = full_at == RL_NEVER ? RL_NEVER : rl__sub_sat(full_at, now);
}

static int same_clock(const rl_plan *a, const rl_plan *b)
{
    return a->word[SCALE] == b->word[SCALE] && a->word[RATE] == b->word[RATE] &&
           a->word[SHIFT] == b->word[SHIFT];
}

void rl__ticks_carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    uint64_t used = rl__sub_sat(*word, rl__clock_at(before, now));
    uint64_t clock = rl__clock_at(after, now);

    if (used == 0)
        *word = clock;
    else if (same_clock(before, after))
        *word = rl__base_of(after, *word, clock);
    else
        *word = rl__later(clock + after->word[SLACK],
                          rl__mul_div_up(used, after->word[SCALE], before->word[SCALE]));
}

const rl_algorithm rl__token_bucket = {
    .size = sizeof(rl_algorithm),
    .name = "token_bucket",
    .words = 1,
    .prepare = rl__ticks_prepare,
    .start = rl__ticks_start,
    .take = take,
    .give_back = rl__ticks_give_back,
    .charge = rl__ticks_charge,
    .set_level = rl__ticks_set_level,
    .snapshot = rl__ticks_snapshot,
    .carry = rl__ticks_carry,
};

const rl_algorithm rl__leaky_meter = {
    .size = sizeof(rl_algorithm),
    .name = "leaky_meter",
    .words = 1,
    .prepare = rl__ticks_prepare,
    .start = rl__ticks_start,
    .take = take,
    .give_back = rl__ticks_give_back,
    .charge = rl__ticks_charge,
    .set_level = rl__ticks_set_level,
    .snapshot = rl__ticks_snapshot,
    .carry = rl__ticks_carry,
};
