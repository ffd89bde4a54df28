/* SPDX-License-Identifier: MIT */
/*
 * What the algorithms that count units are, as plain lists of what happened, searched from end to
 * end for every question. Slow on purpose; the buckets have exact_bucket.h.
 */
#ifndef LLMRL_TEST_REFERENCE_H
#define LLMRL_TEST_REFERENCE_H

#include <llmrl/limiter.h>

#include <string.h>

#define REFERENCE_MOST 2000

__extension__ typedef unsigned __int128 ref_product;

enum kind { BY_EPOCH, BY_DAY, BY_MONTH, BY_FIRST, BY_LOG, BY_COUNTER, BY_HOLDERS, KINDS };

struct event {
    uint64_t at; /* number of the window or sub-window, or when the units are back */
    int64_t units;
};

struct reference {
    enum kind kind;
    uint64_t amount, period, parts, epoch;
    uint64_t reached;     /* the newest window or sub-window; the end of the open one */
    const int64_t *begin; /* of days or months, in seconds of wall time; ascending */
    size_t begins;
    struct event event[REFERENCE_MOST];
    size_t count;
};

static inline void ref_add(struct reference *r, uint64_t at, int64_t units)
{
    r->event[r->count++] = (struct event){ at, units };
}

static inline void ref_start(struct reference *r, enum kind kind, const rl_limit *limit)
{
    r->kind = kind;
    r->amount = limit->amount;
    r->period = limit->period;
    r->epoch = (uint64_t)limit->epoch;
    r->parts = limit->parts;
    r->reached = 0;
    r->count = 0;
}

/* Windows that have their numbers, and lie side by side. */
static inline int ref_is_fixed(const struct reference *r)
{
    return r->kind == BY_EPOCH || r->kind == BY_DAY || r->kind == BY_MONTH;
}

static inline uint64_t ref_length(const struct reference *r)
{
    return r->kind == BY_COUNTER ? r->period / r->parts + (r->period % r->parts != 0) : r->period;
}

/* How many days or months of the list have begun. */
static inline uint64_t ref_number_in_list(const struct reference *r, uint64_t wall)
{
    int64_t second = (int64_t)(wall / RL_SECOND);
    size_t low = 0, high = r->begins;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->begin[middle] <= second)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Of windows, and of sub-windows. */
static inline uint64_t ref_number(const struct reference *r, rl_time now)
{
    if (r->kind == BY_DAY || r->kind == BY_MONTH)
        return ref_number_in_list(r, r->epoch + now);
    return ((r->kind == BY_EPOCH ? r->epoch : 0) + now) / ref_length(r);
}

static inline rl_time ref_begin(const struct reference *r, uint64_t number)
{
    uint64_t wall = number * ref_length(r), epoch = ref_is_fixed(r) ? r->epoch : 0;

    if (r->begin != NULL)
        wall = (uint64_t)r->begin[number - 1] * RL_SECOND;
    return wall > epoch ? wall - epoch : 0;
}

/* Fixed windows: what happened, window by window; each that ends takes `amount` of what was used.
 */
static inline int64_t ref_used_in_window(const struct reference *r, uint64_t number)
{
    int64_t used = 0;
    uint64_t at = r->count > 0 ? r->event[0].at : number;

    for (size_t i = 0; i <= r->count; i++) {
        uint64_t next = i < r->count ? r->event[i].at : number;

        for (; at < next && used > 0; at++)
            used = used > (int64_t)r->amount ? used - (int64_t)r->amount : 0;
        at = next;
        if (i < r->count)
            used += r->event[i].units;
        if (used < 0)
            used = 0;
    }
    return used;
}

/* Windows from the first request: how long the open one goes on, and what is used in it. */
static inline int64_t ref_used_since_first(const struct reference *r, rl_time now, rl_time *end)
{
    int64_t used = r->count > 0 ? r->event[0].units : 0;

    *end = r->reached;
    while (*end <= now && used > 0) {
        used = used > (int64_t)r->amount ? used - (int64_t)r->amount : 0;
        if (used > 0)
            *end += r->period;
    }
    return used;
}

static inline int64_t ref_used(const struct reference *r, rl_time now)
{
    uint64_t number = ref_number(r, now), newest = number > r->reached ? number : r->reached;
    int64_t used = 0;
    rl_time end;

    if (ref_is_fixed(r))
        return ref_used_in_window(r, newest);
    if (r->kind == BY_FIRST)
        return ref_used_since_first(r, now, &end);
    for (size_t i = 0; i < r->count; i++)
        if (r->kind == BY_HOLDERS || (r->kind == BY_LOG && r->event[i].at > now) ||
            (r->kind == BY_COUNTER && r->event[i].at + r->parts >= newest))
            used += r->event[i].units;
    return used;
}

/* A window that was reached and has not begun. */
static inline int ref_is_ahead(const struct reference *r, rl_time now)
{
    return (ref_is_fixed(r) || r->kind == BY_COUNTER) && ref_number(r, now) < r->reached;
}

static inline rl_status ref_ask(const struct reference *r, uint64_t cost, rl_time now)
{
    if (cost > r->amount)
        return RL_E_TOO_LARGE;
    return ref_is_ahead(r, now) || ref_used(r, now) + (int64_t)cost > (int64_t)r->amount ? RL_WAIT
                                                                                         : RL_OK;
}

/* What has ended by now is gone for good, even if the clock steps back. */
static inline void ref_forget(struct reference *r, rl_time now)
{
    uint64_t number = ref_number(r, now);
    rl_time end;
    int64_t used;
    size_t kept = 0;

    if (r->kind == BY_LOG) {
        for (size_t i = 0; i < r->count; i++)
            if (r->event[i].at > now && r->event[i].units > 0)
                r->event[kept++] = r->event[i];
        r->count = kept;
    } else if (r->kind == BY_FIRST) {
        used = ref_used_since_first(r, now, &end);
        r->count = 0;
        if (end > now || used > 0)
            r->reached = end;
        ref_add(r, 0, used);
    } else if (r->kind != BY_HOLDERS && number > r->reached) {
        r->reached = number;
    }
}

/* What it costs to let those of event `i` wait until the next one, or until `back`. */
static inline ref_product ref_wait(const struct reference *r, size_t i, uint64_t back)
{
    uint64_t until = i + 1 < r->count ? r->event[i + 1].at : back;

    return (ref_product)r->event[i].units * (until - r->event[i].at);
}

static inline void ref_charge_log(struct reference *r, int64_t units, uint64_t back)
{
    size_t best = r->count - 1;

    for (size_t i = 0; i < r->count; i++) {
        if (r->event[i].at > back)
            back = r->event[i].at; /* not before those that came before */
    }
    if (r->count > 0 && r->event[r->count - 1].at == back) {
        r->event[r->count - 1].units += units;
        return;
    }
    if (r->count == r->parts) { /* of equal ones the last, or else the first */
        for (size_t i = 0; i + 1 < r->count; i++)
            if (ref_wait(r, i, back) < ref_wait(r, best, back))
                best = i;
        if (best == r->count - 1) {
            r->event[best].units += units;
            r->event[best].at = back;
            return;
        }
        r->event[best + 1].units += r->event[best].units;
        memmove(&r->event[best], &r->event[best + 1], (--r->count - best) * sizeof r->event[0]);
    }
    ref_add(r, back, units);
}

static inline void ref_charge(struct reference *r, uint64_t units, rl_time now)
{
    ref_forget(r, now);
    if (r->kind == BY_LOG) {
        ref_charge_log(r, (int64_t)units, now + r->period);
    } else if (r->kind == BY_FIRST) {
        if (r->reached <= now)
            r->reached = now + r->period;
        r->event[0].units += (int64_t)units;
    } else {
        ref_add(r, r->reached, (int64_t)units);
    }
}

/* From the oldest on. */
static inline void ref_give_back(struct reference *r, uint64_t units, rl_time now)
{
    int64_t left = (int64_t)units;

    ref_forget(r, now);
    if (ref_is_ahead(r, now))
        return;
    if (ref_is_fixed(r)) {
        ref_add(r, r->reached, -left);
        return;
    }
    for (size_t i = 0; i < r->count; i++) {
        int64_t some = r->event[i].units < left ? r->event[i].units : left;

        if (r->kind == BY_COUNTER && r->event[i].at + r->parts < r->reached)
            continue; /* that one is gone already */
        r->event[i].units -= some;
        left -= some;
    }
}

/* What was taken at `at`, so many units of it: from where it was taken, the rest from the oldest
 * on.
 */
static inline void ref_settle(struct reference *r, uint64_t units, rl_time at, rl_time now)
{
    int64_t left = (int64_t)units;

    ref_forget(r, now);
    if (ref_is_ahead(r, now))
        return;
    for (size_t i = 0; i < r->count && left > 0; i++) {
        int64_t some = r->event[i].units < left ? r->event[i].units : left;

        if ((r->kind != BY_LOG || r->event[i].at < at + r->period) &&
            (r->kind != BY_COUNTER || r->event[i].at != ref_number(r, at)))
            continue;
        r->event[i].units -= some;
        left -= some;
        if (r->kind == BY_LOG)
            break; /* it is in no other */
    }
    ref_give_back(r, (uint64_t)left, now);
}

/* Whether units taken at `at` still count at `now`. */
static inline int ref_counts(const struct reference *r, rl_time at, rl_time now)
{
    uint64_t number = ref_number(r, now);
    rl_time end;

    number = number > r->reached ? number : r->reached;
    switch (r->kind) {
    case BY_EPOCH:
    case BY_DAY:
    case BY_MONTH:
        return ref_number(r, at) >= number;
    case BY_FIRST:
        (void)ref_used_since_first(r, now, &end);
        return now < end && at + r->period >= end;
    case BY_LOG:
        return at + r->period > now;
    case BY_COUNTER:
        return ref_number(r, at) + r->parts >= number;
    default:
        return 1;
    }
}

static inline void ref_set_level(struct reference *r, int64_t level, rl_time at)
{
    int64_t amount = (int64_t)r->amount, used = level > amount ? 0 : amount - level;

    r->count = 0;
    r->reached = ref_number(r, at);
    if (r->kind == BY_FIRST) { /* all used up to then */
        r->reached = at;
        ref_add(r, 0, amount + used);
    } else if (r->kind == BY_LOG) {
        ref_add(r, at, used < amount ? amount - used : 0);
        ref_add(r, at + r->period, used);
    } else {
        ref_add(r, r->reached, used);
    }
}

/* Another period for what ends at a moment of its own: as if it had always been in force. */
static inline void ref_change_ends(struct reference *r, uint64_t was, rl_time now)
{
    uint64_t is = r->period;

    if (r->kind == BY_FIRST && now < r->reached && is > was)
        r->reached += is - was;
    if (r->kind == BY_FIRST && now < r->reached && is < was && r->reached > now + is)
        r->reached = now + is;
    if (r->kind != BY_LOG)
        return;
    for (size_t i = 0; i < r->count; i++)
        r->event[i].at = r->event[i].at + is > was ? r->event[i].at + is - was : 0;
    ref_forget(r, now); /* what would have ended by now, too */
}

/* And for windows side by side, and counts: it was all used just now. */
static inline void ref_change_windows(struct reference *r, const struct reference *before,
                                      rl_time now)
{
    rl_time begin = r->begin == NULL ? ref_begin(before, r->reached) : 0;
    int64_t used = ref_used(before, now);

    if (r->begin == NULL)
        r->reached = ref_number(r, begin > now ? begin : now);
    r->count = 0;
    ref_add(r, r->reached, used);
}

/* Another amount and period. What is used is used; windows that ended took their old amount. */
static inline void ref_change(struct reference *r, const rl_limit *limit, rl_time now)
{
    struct reference after = *r, before;
    int is_moved = ref_is_fixed(r);

    after.period = limit->period;
    if (r->kind == BY_COUNTER)
        is_moved = ref_length(&after) != ref_length(r);
    if (r->kind != BY_COUNTER || is_moved)
        ref_forget(r, now);
    before = *r;
    r->amount = limit->amount;
    r->period = limit->period;
    if (is_moved)
        ref_change_windows(r, &before, now);
    else
        ref_change_ends(r, before.period, now);
}

#endif
