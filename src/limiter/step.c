/* SPDX-License-Identifier: MIT */
/*
 * One step on the words of a state, and the list of bookings that any algorithm may have behind its
 * own words: pairs of departure and units, the earliest first; no units: a free place.
 *
 * A booking is charged when its time has come. Until then, who comes later is answered as if all of
 * them had left already: on a copy each is charged at its time, and the answer is asked for no
 * earlier than the last of them. So nobody overtakes, what is promised is kept, and a booking that
 * is cancelled leaves no trace.
 */
#include "base/arith.h"
#include "limiter/limiter.h"

#include <string.h>

static void settle(const rl_algorithm *algorithm, const struct rl__step *step, const rl_plan *plan,
                   uint64_t *word)
{
    if (RL__HAS(algorithm, settle))
        algorithm->settle(plan, word, step->amount, step->used, step->at, step->now);
    else if (step->used > step->amount)
        algorithm->charge(plan, word, step->used - step->amount, step->now);
    else if (step->used < step->amount)
        algorithm->give_back(plan, word, step->amount - step->used, step->now);
}

static rl_status reserve(const rl_algorithm *algorithm, const struct rl__step *step,
                         const rl_plan *plan, uint64_t *word, rl_time *at)
{
    rl_status st;

    if (RL__HAS(algorithm, reserve))
        return algorithm->reserve(plan, word, step->amount, step->now, step->at, at);
    st = algorithm->take(plan, word, step->amount, step->now, at);
    if (st == RL_OK)
        *at = step->now;
    if (st == RL_WAIT && *at <= step->at)
        return RL_E_TABLE_FULL; /* it would be in time, but there is no list */
    return st;
}

rl_status rl__step(const rl_algorithm *algorithm, const struct rl__step *step, const rl_plan *plan,
                   uint64_t *word, rl_time *at)
{
    switch (step->kind) {
    case RL__TAKE:
        return algorithm->take(plan, word, step->amount, step->now, at);
    case RL__RESERVE:
        return reserve(algorithm, step, plan, word, at);
    case RL__GIVE_BACK:
        algorithm->give_back(plan, word, step->amount, step->now);
        break;
    case RL__CHARGE:
        algorithm->charge(plan, word, step->amount, step->now);
        break;
    case RL__SETTLE:
    case RL__CANCEL:
        settle(algorithm, step, plan, word);
        break;
    case RL__SET_LEVEL:
        algorithm->set_level(plan, word, step->level, step->now);
        break;
    }
    return RL_OK;
}

struct booking {
    uint64_t at, units;
};

struct list {
    struct booking *booking;
    size_t count, most;
};

/* The words are memory that other processes may have written: what is no list is an empty one. */
static struct list list_of(const rl_limiter *limiter, uint64_t *word)
{
    struct list list = { (struct booking *)(void *)&word[limiter->words], 0, limiter->bookings };

    while (list.count < list.most && list.booking[list.count].units != 0)
        list.count++;
    return list;
}

static void drop(struct list *list, size_t index)
{
    list->count--;
    memmove(&list->booking[index], &list->booking[index + 1],
            (list->count - index) * sizeof list->booking[0]);
    list->booking[list->count] = (struct booking){ 0, 0 };
}

static void charge_due(const rl_algorithm *algorithm, const rl_plan *plan, uint64_t *word,
                       struct list *list, rl_time now)
{
    while (list->count > 0 && list->booking[0].at <= now) {
        algorithm->charge(plan, word, list->booking[0].units, list->booking[0].at);
        drop(list, 0);
    }
}

/* The last departure that is promised; with all of them charged to the words. */
static rl_time charge_all(const rl_algorithm *algorithm, const rl_plan *plan, uint64_t *word,
                          const struct list *list, rl_time now)
{
    for (size_t i = 0; i < list->count; i++) {
        now = rl__max(now, list->booking[i].at);
        algorithm->charge(plan, word, list->booking[i].units, list->booking[i].at);
    }
    return now;
}

/* When `cost` may leave behind all that are promised. RL_OK: at *at; RL_WAIT: never. */
static rl_status ask_behind(const rl_limiter *limiter, const rl_plan *plan, const uint64_t *word,
                            const struct list *list, const struct rl__step *step, rl_time *at)
{
    uint64_t copy[RL_STATE_WORDS_MAX];
    rl_status st;
    rl_time last;

    memcpy(copy, word, limiter->words * sizeof copy[0]);
    last = charge_all(limiter->algorithm, plan, copy, list, step->now);
    st = limiter->algorithm->take(plan, copy, step->amount, last, at);
    if (st == RL_OK)
        *at = last;
    return st == RL_WAIT && *at != RL_NEVER ? RL_OK : st;
}

static rl_status take_behind(const rl_limiter *limiter, const struct rl__step *step,
                             const rl_plan *plan, uint64_t *word, const struct list *list,
                             rl_time *at)
{
    rl_status st;

    if (list->count == 0)
        return limiter->algorithm->take(plan, word, step->amount, step->now, at);
    st = ask_behind(limiter, plan, word, list, step, at);
    return st == RL_OK ? RL_WAIT : st;
}

static rl_status book(const rl_limiter *limiter, const struct rl__step *step, const rl_plan *plan,
                      uint64_t *word, struct list *list, rl_time *at)
{
    rl_status st = ask_behind(limiter, plan, word, list, step, at);

    if (st != RL_OK)
        return st;
    if (*at > step->at)
        return RL_WAIT;
    if (*at <= step->now)
        return limiter->algorithm->take(plan, word, step->amount, step->now, at);
    if (list->count == list->most)
        return RL_E_TABLE_FULL;
    list->booking[list->count++] = (struct booking){ *at, step->amount };
    return RL_OK;
}

/* A booking that lies ahead shrinks or goes; else it has been charged, and is settled. */
static void unbook(const rl_limiter *limiter, const struct rl__step *step, const rl_plan *plan,
                   uint64_t *word, struct list *list)
{
    if (step->at <= step->now) {
        settle(limiter->algorithm, step, plan, word);
        return;
    }
    for (size_t i = list->count; i > 0; i--) {
        struct booking *booking = &list->booking[i - 1];

        if (booking->at != step->at || booking->units != step->amount)
            continue;
        booking->units = step->used;
        if (step->used == 0)
            drop(list, i - 1);
        return;
    }
}

rl_status rl__step_booked(const rl_limiter *limiter, const struct rl__step *step,
                          const rl_plan *plan, uint64_t *word, rl_time *at)
{
    struct list list = list_of(limiter, word);

    if (limiter->bookings == 0)
        return rl__step(limiter->algorithm, step, plan, word, at);
    charge_due(limiter->algorithm, plan, word, &list, step->now);
    switch (step->kind) {
    case RL__TAKE:
        return take_behind(limiter, step, plan, word, &list, at);
    case RL__RESERVE:
        return book(limiter, step, plan, word, &list, at);
    case RL__SETTLE:
    case RL__CANCEL:
        unbook(limiter, step, plan, word, &list);
        return RL_OK;
    default:
        return rl__step(limiter->algorithm, step, plan, word, at);
    }
}

/* What is promised is not there for others; full is when all have left and all is back. */
void rl__snapshot_booked(const rl_limiter *limiter, const rl_plan *plan, uint64_t *word,
                         rl_time now, rl_level *level)
{
    struct list list = list_of(limiter, word);
    uint64_t promised = 0;
    rl_level behind;
    rl_time last;

    charge_due(limiter->algorithm, plan, word, &list, now);
    limiter->algorithm->snapshot(plan, word, now, level);
    if (list.count == 0)
        return;
    for (size_t i = 0; i < list.count; i++)
        promised = rl__add_sat(promised, list.booking[i].units);
    promised = rl__min(promised, INT64_MAX / 2);
    level->remaining =
        level->remaining < INT64_MIN / 2 ? INT64_MIN : level->remaining - (int64_t)promised;
    last = charge_all(limiter->algorithm, plan, word, &list, now);
    limiter->algorithm->snapshot(plan, word, last, &behind);
    level->full_in = rl__add_sat(behind.full_in, last - now);
}

/* The level as a share of full: towards less. */
static int64_t share_of(int64_t level, uint64_t burst, uint64_t full)
{
    uint64_t debt = level < 0 ? 0 - (uint64_t)level : 0;

    if (full == 0)
        return level < 0 ? level : 0;
    if (level >= 0)
        return (int64_t)rl__min(rl__mul_div((uint64_t)level, burst, full), INT64_MAX);
    return -(int64_t)rl__min(rl__mul_div_up(debt, burst, full), INT64_MAX);
}

void rl__carry(const rl_plan *before, const struct rl__made *made, uint64_t *word, rl_time now)
{
    rl_level old, fresh;

    made->algorithm->snapshot(before, word, now, &old);
    made->algorithm->carry(before, &made->plan, word, now);
    if (made->carry != RL_CARRY_SHARE)
        return;
    made->algorithm->snapshot(&made->plan, word, now, &fresh);
    made->algorithm->set_level(&made->plan, word, share_of(old.remaining, fresh.burst, old.burst),
                               now);
}
