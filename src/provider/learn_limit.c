/* SPDX-License-Identifier: MIT */
/* Owns which limit is in force: what a number comes to, and how the burst grows into proven room.
 */
#include "provider/learn_parts.h"

#include "base/arith.h"
#include "scope/ledger.h"

#define TRIAL_TIME  (2 * RL_SECOND) /* holds one whole second, wherever it starts */
#define TRIAL_SHARE 10              /* of the rate: 1/10 */

/* Where nobody has documented a continuous refill, "N per T" is read as a window: no T, wherever it
 * starts, holds more than N. A bucket keeps that if what it gives at once and what it refills in T
 * are N together. What arrives may have left a little longer ago than it seems: so T is longer. */
static void fit_window(rl_limit *limit, uint64_t amount, uint64_t at_once)
{
    limit->amount = rl__max(rl__sub_sat(amount, rl__max(at_once, 1) - 1), amount - amount / 2);
}

static rl_duration bunching_in(rl_duration period)
{
    return rl__min(RL__BUNCHING, period / 200);
}

rl_limit rl__limit_first(const struct rl__traits *traits, uint64_t amount, rl_duration period)
{
    rl_limit limit = RL_LIMIT_INIT;

    limit.amount = rl__min(amount, RL_AMOUNT_MAX);
    limit.period = period;
    limit.oversize = RL_OVERSIZE_BORROW;
    limit.burst = rl__small_burst(limit.amount, period);
    if (period >= RL__LONG_PERIOD) /* less a little: what is paced may arrive a little early */
        limit.burst =
            traits->continuous ? limit.amount - limit.amount / 1024 : limit.amount / 2 + 1;
    if (traits->continuous)
        return limit;
    fit_window(&limit, limit.amount, limit.burst);
    limit.period = rl__add_sat(period, bunching_in(period));
    return limit;
}

int rl__limit_wants_ledger(const struct rl__traits *traits, uint32_t dimension, rl_duration period)
{
    return !traits->continuous && dimension != RL_REQUESTS && period < RL__LONG_PERIOD;
}

rl_limit rl__limit_paced(uint64_t amount, rl_duration period)
{
    rl_limit limit = RL_LIMIT_INIT;

    limit.amount = rl__min(amount, RL_AMOUNT_MAX);
    limit.period = rl__add_sat(period, bunching_in(period));
    limit.oversize = RL_OVERSIZE_BORROW;
    limit.burst = rl__small_burst(limit.amount, period);
    return limit;
}

static int stands_for_window(const struct rl__entry *entry)
{
    return rl__load(&entry->in_windows) != 0;
}

/* What goes at once while nothing is proven: 50 ms of the rate; of tokens room for some requests
 * like those that were seen, or what comes back when they are settled would find no place. In a
 * window that room is lost to all others. Where a request is a large part of the limit, few are
 * under way: it has room for two if reports show that the provider's bucket has, or pays
 * afterwards. */
uint64_t rl__learn_small_burst_of(const struct rl__entry *entry, const rl_limit *limit)
{
    uint64_t small = rl__small_burst(limit->amount, limit->period);
    uint64_t largest = entry->rule.dimension == RL_REQUESTS ? 0 : entry->learned.largest;
    uint64_t most = entry->learned.most;

    if (entry->ledger != NULL) /* it costs nothing there: what comes back finds a place */
        return rl__min(rl__max(small, 2 * largest), rl__max(limit->amount, 1));
    if (stands_for_window(entry))
        return largest > limit->amount / 8 ? small : rl__max(small, 2 * largest);
    if (largest <= limit->amount / 32)
        return rl__max(small, 4 * largest);
    return 2 * largest <= most - most / 16 ? rl__max(small, 2 * largest) : small;
}

uint64_t rl__learn_small_burst(const struct rl__entry *entry)
{
    return rl__learn_small_burst_of(entry, &entry->limit);
}

uint64_t rl__learn_amount(const struct rl__entry *entry)
{
    uint64_t reported = rl__max(entry->learned.reported, entry->learned.proven);

    if (entry->is_searched)
        return rl__max((entry->search.rate + RL__SEARCH_UNIT / 2) / RL__SEARCH_UNIT, 1);
    return rl__min(entry->configured, entry->learned.reported != 0 ? reported : RL_NEVER);
}

/* What a reported or configured number comes to, for an entry in its present state. */
rl_limit rl__learn_limit(const struct rl__entry *entry, const struct rl__traits *traits)
{
    uint64_t amount = rl__learn_amount(entry);
    rl_limit limit = entry->limit;

    if (!entry->is_bucket) {
        limit.amount = rl__min(amount, RL_AMOUNT_MAX);
        limit.burst = rl__min(limit.burst, limit.amount);
        return limit;
    }
    limit = entry->ledger != NULL ? rl__limit_paced(amount, entry->period)
                                  : rl__limit_first(traits, amount, entry->period);
    /* A share of a small number would round to nothing much: the period grows instead. */
    limit.period = rl__mul_div_up(limit.period, RL__PACE_WHOLE, entry->learned.pace);
    /* A burst that has grown stays; it never exceeds the whole limit. */
    limit.burst =
        rl__min(rl__max(rl__max(limit.burst, rl__learn_small_burst(entry)), entry->limit.burst),
                rl__max(amount, 1));
    if (stands_for_window(entry))
        fit_window(&limit, rl__min(amount, RL_AMOUNT_MAX),
                   rl__max(limit.burst, entry->learned.largest));
    return limit;
}

static int64_t at_most(int64_t level, uint64_t most)
{
    return level < (int64_t)most ? level : (int64_t)most;
}

static int same_limit(const rl_limit *a, const rl_limit *b)
{
    return a->amount == b->amount && a->burst == b->burst && a->period == b->period;
}

void rl__learn_put(struct rl__entry *entry, const rl_limit *limit, rl_time now)
{
    int64_t left = rl__entry_left(entry, now);
    rl_level before;

    if (same_limit(limit, &entry->limit))
        return;
    rl_limiter_snapshot(&entry->limiter, now, &before);
    if (rl_limiter_change(&entry->limiter, limit, now) != RL_OK)
        return;
    if (entry->ledger != NULL)
        rl__store(&entry->ledger->amount, limit->amount);
    /* What was used stays used. But a burst that is taken back was trust, not quota: giving it up
     * is no debt. */
    if (entry->is_bucket && limit->burst < entry->limit.burst && entry->period < RL__LONG_PERIOD)
        rl_limiter_set_level(&entry->limiter, at_most(before.remaining, limit->burst), now);
    rl__fetch_add(&entry->shift, (uint64_t)(rl__entry_left(entry, now) - left));
    rl__store(&entry->plenty, rl__learn_small_burst_of(entry, limit));
    entry->limit = *limit;
}

static rl_duration interval_of(const struct rl__entry *entry)
{
    return rl__mul_div_up(1, entry->limit.period, rl__max(entry->limit.amount, 1));
}

/* The time that counts since the burst last grew: what passed unseen proves nothing. */
static rl_duration growing_step(struct rl__entry *entry, rl_time now)
{
    rl_duration longest = rl__max(RL_SECOND, rl__mul_sat(2, interval_of(entry)));
    rl_duration step;

    if (entry->learned.growing_since == 0)
        entry->learned.growing_since = entry->learned.grown_at = now;
    step = rl__sub_sat(now, entry->learned.grown_at);
    if (step <= longest)
        return step;
    entry->learned.growing_since += step - longest;
    entry->learned.grown_at = now - longest;
    return longest;
}

/* How far the burst may grow by now: a tenth of the rate while it is on trial, and at least one
 * unit; then it doubles twice a second where reports prove the room, and grows by a quarter a
 * second where they do not. */
static uint64_t growth_allowed(struct rl__entry *entry, int proven, rl_time now)
{
    uint64_t rate = rl__mul_div(entry->limit.amount, RL_SECOND, entry->limit.period);
    rl_duration trial = rl__max(TRIAL_TIME, rl__mul_sat(2, interval_of(entry))), step;
    uint64_t growth;

    if (!entry->is_bucket || now < entry->learned.grow_not_before)
        return 0;
    step = growing_step(entry, now);
    if (rl__sub_sat(now, entry->learned.growing_since) < trial)
        growth = rl__max(rl__mul_div(rate, step, TRIAL_SHARE * RL_SECOND), step >= trial / 2);
    else
        growth = rl__mul_div(entry->limit.burst, (proven ? 28 : 5) * step, 20 * RL_SECOND);
    if (growth > 0)
        entry->learned.grown_at = now;
    return growth;
}

/* Never to the last unit: what leaves after a burst may arrive a little early, or overtake. */
static uint64_t less_a_little(const struct rl__entry *entry, uint64_t burst)
{
    uint64_t little = rl__mul_div_up(entry->limit.amount, RL__BUNCHING, entry->limit.period);
    uint64_t largest = entry->rule.dimension == RL_REQUESTS ? 1 : entry->learned.largest;

    little = rl__min(rl__add_sat(little, rl__mul_sat(4, largest)), burst / 16);
    return rl__max(rl__sub_sat(burst, rl__max(little, 1)), 1);
}

/* `room` is what reports prove; RL_NEVER: there are none, only the documents say that there is
 * some. */
void rl__learn_grow(struct rl__entry *entry, uint64_t room, rl_time now)
{
    rl_limit limit = entry->limit;
    uint64_t reported = entry->learned.reported != 0 ? entry->learned.reported : RL_NEVER;
    uint64_t most = entry->learned.most != 0 ? entry->learned.most : RL_NEVER;
    uint64_t growth = rl__min(room, growth_allowed(entry, room != RL_NEVER, now));

    limit.burst =
        rl__min(rl__add_sat(limit.burst, growth),
                less_a_little(entry, rl__min(rl__min(entry->configured, reported), most)));
    if (limit.burst > entry->limit.burst)
        rl__learn_put(entry, &limit, now);
}

/* The limit binds if next to nothing is left. */
int rl__learn_is_binding(const struct rl__entry *entry, rl_time now)
{
    rl_level level;

    rl_limiter_snapshot(&entry->limiter, now, &level);
    return level.remaining <=
           (int64_t)rl__max(rl__learn_small_burst(entry), entry->limit.burst / 16);
}

/* Limits that no answer ever mentions, of providers that are documented to keep a whole period's
 * worth. */
void rl__learn_grow_unreported(struct rl__scope *scope, rl_time now)
{
    for (size_t i = 0; scope != NULL && i < rl__scope_count(scope); i++) {
        struct rl__entry *entry = scope->entry[i];

        if (!entry->is_searched && entry->learned.most == 0 && entry->period < RL__LONG_PERIOD &&
            rl__learn_is_binding(entry, now))
            rl__learn_grow(entry, RL_NEVER, now);
    }
}

/* A limit on tokens makes room for requests as large as this one: filled if a report proves it,
 * else only what comes back may fill it. */
void rl__learn_make_room(struct rl__scope *scope, const struct rl__lesson *lesson, rl_time now)
{
    for (size_t i = 0; scope != NULL && i < rl__scope_count(scope); i++) {
        struct rl__entry *entry = scope->entry[i];
        uint64_t cost = lesson->cost.amount[entry->rule.dimension];
        rl_limit limit = entry->limit;
        rl_level before, after;

        if (!entry->is_bucket || entry->rule.dimension == RL_REQUESTS ||
            entry->period >= RL__LONG_PERIOD || cost <= entry->learned.largest)
            continue;
        entry->learned.largest = cost;
        limit.burst = rl__max(limit.burst, rl__learn_small_burst(entry));
        if (stands_for_window(entry))
            limit = rl__learn_limit(entry, lesson->traits);
        rl_limiter_snapshot(&entry->limiter, now, &before);
        rl__learn_put(entry, &limit, now);
        rl_limiter_snapshot(&entry->limiter, now, &after);
        if (entry->ledger != NULL && after.remaining > before.remaining)
            rl_limiter_charge(&entry->limiter, (uint64_t)(after.remaining - before.remaining), now);
        else if (after.remaining - before.remaining > (int64_t)entry->learned.room)
            rl__entry_correct(entry, before.remaining - after.remaining, now);
    }
}
