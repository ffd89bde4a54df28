/* SPDX-License-Identifier: MIT */
/* Owns the count of what was taken in the last period. */
#include "scope/ledger.h"

#include "base/arith.h"
#include "base/atomic.h"
#include "base/rl_assert.h"
#include <llmrl/limiter.h>

void rl__ledger_start(struct rl__ledger *ledger, uint64_t amount, rl_duration period)
{
    *ledger = (struct rl__ledger){ .amount = amount };
    ledger->length = rl__max(rl__mul_div_up(1, period, RL__LEDGER_PARTS), 1);
}

/* Without a division, the dearest step of a take: mostly it is that of the take before. */
static uint64_t number_near(const struct rl__ledger *ledger, uint64_t guess, rl_time now)
{
    uint64_t begin;

    RL_ASSERT(ledger->length > 0);
    if (!__builtin_mul_overflow(guess, ledger->length, &begin) && now >= begin &&
        now - begin < ledger->length)
        return guess;
    return now / ledger->length;
}

static uint64_t *part_of(struct rl__ledger *ledger, uint64_t number)
{
    return &ledger->part[number % RL__LEDGER_RING];
}

static uint64_t seen_in(const struct rl__ledger *ledger, uint64_t number)
{
    return rl__load(&ledger->part[number % RL__LEDGER_RING]);
}

/* ---- new parts ---- */

/* Each takes the place of the oldest. By swaps: a unit is dropped once, whoever else gives some
 * back. */
static void begin_parts(struct rl__ledger *ledger, uint64_t from, uint64_t to)
{
    uint64_t count = rl__min(to - from, RL__LEDGER_RING);

    for (uint64_t n = to + 1 - count; n <= to; n++)
        rl__fetch_add(&ledger->used, 0 - rl__swap(part_of(ledger, n), 0));
    /* release: who sees the number finds its part empty. */
    rl__store_release(&ledger->newest, to);
}

/* Up to the part of `now`; returns the newest. One thread does it, the others wait those few
 * steps, or they would book in a part that ends too early. */
static uint64_t roll(struct rl__ledger *ledger, rl_time now)
{
    uint64_t newest = rl__load_acquire(&ledger->newest);
    uint64_t number = number_near(ledger, newest, now);

    if (number <= newest)
        return newest;
    rl__spin_lock(&ledger->rolling);
    newest = rl__load(&ledger->newest);
    if (number > newest)
        begin_parts(ledger, newest, number);
    rl__spin_unlock(&ledger->rolling);
    return rl__max(newest, number);
}

/* What still is in `used` and would be dropped now. */
static uint64_t ended_by(const struct rl__ledger *ledger, uint64_t newest, uint64_t number)
{
    uint64_t sum = 0, count = number > newest ? rl__min(number - newest, RL__LEDGER_RING) : 0;

    for (uint64_t i = 1; i <= count; i++)
        sum = rl__add_sat(sum, seen_in(ledger, newest + i));
    return sum;
}

/* Our own. */
static uint64_t used_at(const struct rl__ledger *ledger, rl_time now)
{
    uint64_t newest = rl__load_acquire(&ledger->newest);

    return rl__sub_sat(rl__load(&ledger->used),
                       ended_by(ledger, newest, number_near(ledger, newest, now)));
}

static uint64_t foreign_at(const struct rl__ledger *ledger, rl_time now)
{
    return now < rl__load(&ledger->foreign_until) ? rl__load(&ledger->foreign) : 0;
}

/* So much may be used where `cost` is to fit. */
static uint64_t most_beside(const struct rl__ledger *ledger, uint64_t cost, rl_time now)
{
    return rl__sub_sat(rl__sub_sat(rl__load(&ledger->amount), cost), foreign_at(ledger, now));
}

/* ---- taking ---- */

/* When no more than `most` units count. */
static rl_time comes_down(const struct rl__ledger *ledger, uint64_t most, rl_time now)
{
    uint64_t newest = rl__load_acquire(&ledger->newest), left = 0;

    for (uint64_t i = 0; i < RL__LEDGER_RING && i <= newest; i++) {
        left = rl__add_sat(left, seen_in(ledger, newest - i));
        if (left > most)
            return rl__max(rl__mul_sat(newest - i + RL__LEDGER_RING, ledger->length), now + 1);
    }
    return now + 1; /* somebody is just booking */
}

/* Or when what others have used counts no more, if that is earlier. */
static rl_status wait_for(const struct rl__ledger *ledger, uint64_t cost, rl_time now,
                          rl_time *retry_at)
{
    rl_time until = rl__load(&ledger->foreign_until);

    *retry_at = comes_down(ledger, most_beside(ledger, cost, now), now);
    if (foreign_at(ledger, now) != 0 && until < *retry_at)
        *retry_at = rl__max(until, comes_down(ledger, most_beside(ledger, cost, until), now));
    return RL_WAIT;
}

rl_status rl__ledger_peek(const struct rl__ledger *ledger, uint64_t cost, rl_time now,
                          rl_time *retry_at)
{
    return used_at(ledger, now) <= most_beside(ledger, cost, now)
               ? RL_OK
               : wait_for(ledger, cost, now, retry_at);
}

rl_status rl__ledger_take(struct rl__ledger *ledger, uint64_t cost, rl_time now, rl_time *retry_at)
{
    uint64_t newest = roll(ledger, now), most = most_beside(ledger, cost, now);
    uint64_t used = rl__load(&ledger->used);

    do
        if (used > most)
            return wait_for(ledger, cost, now, retry_at);
    while (!rl__exchange_if(&ledger->used, &used, used + cost));
    rl__fetch_add(part_of(ledger, newest), cost);
    return RL_OK;
}

void rl__ledger_charge(struct rl__ledger *ledger, uint64_t units, rl_time now)
{
    uint64_t newest = roll(ledger, now);

    units = rl__min(units, RL_AMOUNT_MAX); /* some hundred of those are no overflow */
    rl__fetch_add(&ledger->used, units);
    rl__fetch_add(part_of(ledger, newest), units);
}

/* ---- giving back ---- */

/* Up to `units` of one part; returns how many it did not have. */
static uint64_t take_out(struct rl__ledger *ledger, uint64_t number, uint64_t units)
{
    uint64_t *part = part_of(ledger, number), seen = rl__load(part), some;

    do
        some = rl__min(seen, units);
    while (some > 0 && !rl__exchange_if(part, &seen, seen - some));
    rl__fetch_add(&ledger->used, 0 - some);
    return units - some;
}

void rl__ledger_give_back(struct rl__ledger *ledger, uint64_t units, rl_time now)
{
    uint64_t newest = roll(ledger, now);

    for (uint64_t i = 1; i <= RL__LEDGER_RING && units > 0; i++)
        units = take_out(ledger, newest + i, units);
}

void rl__ledger_settle(struct rl__ledger *ledger, uint64_t taken, uint64_t used, rl_time at,
                       rl_time now)
{
    if (used > taken)
        rl__ledger_charge(ledger, used - taken, now);
    else if (used < taken && rl__ledger_counts(ledger, at, now))
        rl__ledger_give_back(ledger, take_out(ledger, at / ledger->length, taken - used), now);
}

void rl__ledger_correct(struct rl__ledger *ledger, int64_t delta, rl_time now)
{
    uint64_t foreign = foreign_at(ledger, now), back = delta > 0 ? (uint64_t)delta : 0;
    uint64_t more = delta < 0 ? rl__min(0 - (uint64_t)delta, RL_AMOUNT_MAX) : 0;

    rl__store(&ledger->foreign, rl__sub_sat(foreign, back) + more);
    if (more > 0)
        rl__store(&ledger->foreign_until,
                  rl__add_sat(now, rl__mul_sat(RL__LEDGER_RING, ledger->length)));
    rl__ledger_give_back(ledger, rl__sub_sat(back, foreign), now);
}

/* ---- looking ---- */

int64_t rl__ledger_left(const struct rl__ledger *ledger, rl_time now)
{
    return (int64_t)rl__load(&ledger->amount) -
           (int64_t)rl__add_sat(used_at(ledger, now), foreign_at(ledger, now));
}

rl_duration rl__ledger_full_in(const struct rl__ledger *ledger, rl_time now)
{
    rl_time own = used_at(ledger, now) == 0 ? now : comes_down(ledger, 0, now);
    rl_time until = foreign_at(ledger, now) == 0 ? now : rl__load(&ledger->foreign_until);

    return rl__max(own, until) - now;
}

int rl__ledger_counts(const struct rl__ledger *ledger, rl_time at, rl_time now)
{
    uint64_t newest = rl__max(now / ledger->length, rl__load(&ledger->newest));

    return newest - rl__min(newest, at / ledger->length) < RL__LEDGER_RING;
}
