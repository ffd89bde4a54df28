/* SPDX-License-Identifier: MIT */
/* Owns the arithmetic of searching for a limit; see search.h for the idea. */
#include "scope/search.h"

#include "base/arith.h"

#define DOUBLING       (30 * RL_SECOND) /* while no rate was ever refused */
#define TRIAL_REQUESTS 200
#define TRIAL_MIN      (2 * RL_MINUTE)
#define TRIAL_MAX      (15 * RL_MINUTE)
#define AGAIN_AS_MUCH  (210 * RL_SECOND) /* beyond the wall, until it is doubled */
#define BELOW_WALL     UINT64_C(980000)
#define BLOCKED_MAX    (30 * RL_SECOND)
#define STEP_SHARE     100 /* a smaller step than 1/100 is not worth a change */
#define PAUSE_REQUESTS 3
#define PAUSE_MAX      (6 * RL_SECOND)
#define SAMPLE_TIME    (5 * RL_SECOND)
#define SAMPLE_OLD     (90 * RL_SECOND)

static uint64_t share(uint64_t rate, uint64_t millionths)
{
    return rl__mul_div(rate, millionths, RL__SEARCH_WHOLE);
}

static uint64_t within(const struct rl__search_rules *rules, uint64_t rate)
{
    uint64_t cap = rl__max(rl__min(rules->cap, RL__SEARCH_MAX), 1);

    return rl__min(rl__max(rl__max(rate, rules->floor), 1), cap);
}

static rl_duration trial_of(uint64_t requests)
{
    rl_duration all =
        rl__mul_div(TRIAL_REQUESTS * RL__SEARCH_UNIT, RL_MINUTE, rl__max(requests, 1));

    return rl__max(rl__min(all, TRIAL_MAX), TRIAL_MIN);
}

void rl__search_start(struct rl__search *search, const struct rl__search_rules *rules,
                      uint64_t rate, uint64_t requests, rl_time now)
{
    *search = (struct rl__search){ .rate = within(rules, rate), .seen_at = now };
    search->base = search->rate;
    search->trial = trial_of(requests);
}

rl_duration rl__search_lately(const struct rl__search *search)
{
    return rl__max(RL_SECOND, search->trial / (TRIAL_REQUESTS / 2));
}

rl_duration rl__search_pause(const struct rl__search *search)
{
    return search->trial <= TRIAL_MIN
               ? 0
               : rl__min(search->trial / TRIAL_REQUESTS * PAUSE_REQUESTS, PAUSE_MAX);
}

int rl__search_knows(const struct rl__search *search, rl_time sent_at)
{
    return search->cut_at != 0 && (search->in_episode || sent_at <= search->cut_at);
}

/* ---- refused ---- */

static int is_alike(uint64_t a, uint64_t b)
{
    return rl__max(a, b) - rl__min(a, b) <= rl__max(a, b) / 8;
}

/* The rate that was refused; unless the same amount in a minute, far below the rate, is refused for
 * the second time: that is a window, and its size. */
static uint64_t refused_rate(const struct rl__search *search, uint64_t measured)
{
    int is_far_below = measured < search->rate - search->rate / 8;

    return is_far_below && is_alike(measured, search->measured) ? measured : search->rate;
}

/* If it held nobody back, what passed is what was asked for and no measure of the limit: then half
 * is the most that is given up at once. */
static uint64_t cut_rate(const struct rl__search *search, const struct rl__search_rules *rules,
                         const struct rl__search_refusal *refusal)
{
    uint64_t rate = share(rl__min(search->rate, refusal->measured), rules->factor);

    return refusal->bound ? rate : rl__max(rate, search->rate / 2);
}

/* Refused again, so long after the cut: a window that was used up before its end, by so much was
 * the rate too high. The wall is remembered lower; the cut was made. */
static void lower_wall(struct rl__search *search, rl_time now)
{
    rl_duration blocked = rl__min(rl__sub_sat(now, search->cut_at), BLOCKED_MAX);
    uint64_t rate = rl__mul_div(search->refused, RL_MINUTE - blocked, RL_MINUTE);

    if (search->wall == 0)
        return;
    search->wall = rl__max(rl__min(search->wall, share(rate, BELOW_WALL)), 1);
    search->base = rl__min(search->base, search->wall);
}

enum rl__search_step rl__search_refused(struct rl__search *search,
                                        const struct rl__search_rules *rules,
                                        const struct rl__search_refusal *refusal, rl_time now)
{
    uint64_t wall = share(refused_rate(search, refusal->measured), BELOW_WALL);
    uint64_t before = search->rate, cut;

    if (rl__search_knows(search, refusal->sent_at)) {
        if (refusal->sent_at > search->cut_at)
            lower_wall(search, now);
        return RL__SEARCH_STAYS;
    }
    search->refused = before;
    cut = within(rules, cut_rate(search, rules, refusal));
    search->rate = search->base = rl__min(cut, before);
    search->wall = refusal->first ? 0 : rl__max(wall, search->rate);
    search->measured = refusal->measured;
    search->trial = trial_of(refusal->requests);
    search->held = 0;
    search->cut_at = search->seen_at = now;
    search->in_episode = 1;
    return search->rate < before ? RL__SEARCH_CUT : RL__SEARCH_STAYS;
}

/* ---- growing ---- */

/* rate * (part / whole)^3 */
static uint64_t cubed(uint64_t rate, rl_duration part, rl_duration whole)
{
    return rl__mul_div(rl__mul_div(rl__mul_div(rate, part, whole), part, whole), part, whole);
}

static uint64_t doubled(uint64_t rate, rl_duration held)
{
    uint64_t times = rl__min(held / DOUBLING, 40);
    uint64_t whole = rl__mul_sat(rate, UINT64_C(1) << times);

    return rl__add_sat(whole, rl__mul_div(whole, held % DOUBLING, DOUBLING));
}

static uint64_t curve(const struct rl__search *search)
{
    if (search->wall == 0)
        return doubled(search->base, search->held);
    if (search->held < search->trial)
        return search->wall -
               cubed(search->wall - search->base, search->trial - search->held, search->trial);
    return rl__add_sat(search->wall,
                       cubed(search->wall, search->held - search->trial, AGAIN_AS_MUCH));
}

static enum rl__search_step grow(struct rl__search *search, const struct rl__search_rules *rules)
{
    uint64_t rate = within(rules, curve(search));

    if (rate <= rl__add_sat(search->rate, search->rate / STEP_SHARE) &&
        !(rate > search->rate && rate == within(rules, RL__SEARCH_MAX)))
        return RL__SEARCH_STAYS;
    search->rate = rate;
    return RL__SEARCH_GROWN;
}

enum rl__search_step rl__search_passed(struct rl__search *search,
                                       const struct rl__search_rules *rules, rl_time sent_at,
                                       int bound, rl_time now)
{
    rl_duration step = rl__min(rl__sub_sat(now, search->seen_at), rl__search_lately(search));

    if (search->cut_at != 0 && sent_at <= search->cut_at)
        return RL__SEARCH_STAYS;
    search->in_episode = 0;
    search->seen_at = rl__max(search->seen_at, now);
    if (!bound || search->rate >= within(rules, RL__SEARCH_MAX))
        return RL__SEARCH_STAYS;
    search->held = rl__add_sat(search->held, step);
    return grow(search, rules);
}

enum rl__search_step rl__search_bound(struct rl__search *search,
                                      const struct rl__search_rules *rules)
{
    uint64_t before = search->rate;

    search->rate = within(rules, search->rate);
    if (search->rate < before)
        return RL__SEARCH_CUT;
    return search->rate > before ? RL__SEARCH_GROWN : RL__SEARCH_STAYS;
}

/* ---- what passes ---- */

static size_t index_of(uint64_t number)
{
    return (size_t)(number % RL__METER_SAMPLES);
}

void rl__meter_note(struct rl__meter *meter, uint64_t passed, rl_time now)
{
    rl_time last = meter->count > 0 ? meter->sample[index_of(meter->count - 1)].at : 0;

    if (meter->count > 0 && now >= last && now - last < SAMPLE_TIME)
        return;
    meter->sample[index_of(meter->count)].at = now;
    meter->sample[index_of(meter->count)].passed = passed;
    meter->count++;
}

/* The youngest sample that is `age` old, or the oldest that there is; there is one. */
static size_t sample_of(const struct rl__meter *meter, rl_duration age, rl_time now)
{
    uint64_t first = rl__sub_sat(meter->count, RL__METER_SAMPLES), n = meter->count - 1;

    while (n > first && rl__sub_sat(now, meter->sample[index_of(n)].at) < age)
        n--;
    return index_of(n);
}

int rl__meter_is_young(const struct rl__meter *meter, rl_time now)
{
    return meter->count == 0 ||
           rl__sub_sat(now, meter->sample[sample_of(meter, RL_MINUTE, now)].at) < RL_MINUTE;
}

static uint64_t units_since(const struct rl__meter *meter, size_t index, uint64_t passed)
{
    return rl__mul_sat(rl__sub_sat(passed, meter->sample[index].passed), RL__SEARCH_UNIT);
}

uint64_t rl__meter_minute(const struct rl__meter *meter, uint64_t passed, rl_time now)
{
    size_t i = meter->count > 0 ? sample_of(meter, RL_MINUTE, now) : 0;
    rl_duration age = rl__sub_sat(now, meter->sample[i].at);
    uint64_t units = units_since(meter, i, passed);

    /* After a long rest, nobody knows how long before now they passed. */
    return age > RL_MINUTE && age <= SAMPLE_OLD ? rl__mul_div(units, RL_MINUTE, age) : units;
}

uint64_t rl__meter_lately(const struct rl__meter *meter, uint64_t passed, rl_duration span,
                          rl_time now)
{
    size_t i = meter->count > 0 ? sample_of(meter, span, now) : 0;
    rl_duration age = rl__max(rl__sub_sat(now, meter->sample[i].at), RL_SECOND);

    return rl__mul_div(units_since(meter, i, passed), RL_MINUTE, age);
}
