/* SPDX-License-Identifier: MIT */
/* Owns the models of how providers keep limits. */
#include "sim_provider.h"

#include <stdlib.h>

typedef __typeof__(((struct sim_limit *)0)->level) exact;

/* ---- the list of what was charged ---- */

static void append(struct sim_limit *l, uint64_t units, rl_time now)
{
    if (l->first + l->count == l->room) {
        size_t keep = 0;

        for (size_t i = 0; i < l->count; i++)
            l->charge[keep++] = l->charge[l->first + i];
        l->first = 0;
        if (2 * l->count >= l->room) {
            l->room = 2 * l->room + 64;
            l->charge = realloc(l->charge, l->room * sizeof *l->charge);
            if (l->charge == NULL)
                abort();
        }
    }
    l->charge[l->first + l->count++] = (struct sim_charge){ now, units };
}

static uint64_t drop_before(struct sim_limit *l, rl_time begin)
{
    uint64_t units = 0;

    for (; l->count > 0 && l->charge[l->first].at < begin; l->first++, l->count--)
        units += l->charge[l->first].units;
    return units;
}

/* ---- time passes ---- */

static void refill(struct sim_limit *l, rl_time now)
{
    exact full = (exact)l->burst * l->period;

    l->level += (exact)(now - l->level_at) * l->amount;
    if (l->level > full)
        l->level = full;
    l->level_at = now;
}

static void next_window(struct sim_limit *l, rl_time now)
{
    rl_time begin = l->phase + (now - l->phase) / l->period * l->period;

    if (begin == l->window)
        return;
    l->in_last = begin - l->window == l->period ? l->in_window : 0;
    l->in_window = 0;
    l->window = begin;
}

static void pass(struct sim_limit *l, rl_time now)
{
    switch (l->keeping) {
    case SIM_KEEPS_BUCKET:
        refill(l, now);
        break;
    case SIM_KEEPS_WINDOW:
    case SIM_KEEPS_COUNTER:
        next_window(l, now);
        break;
    case SIM_KEEPS_FIRST:
        if (l->window != 0 && now - l->window >= l->period) {
            l->window = 0; /* none is on */
            l->in_window = 0;
        }
        break;
    case SIM_KEEPS_LOG: /* what came at t counts until t + period */
        l->in_window -= drop_before(l, now >= l->period ? now - l->period + 1 : 0);
        break;
    }
}

/* ---- the five of them ---- */

/* Of the last window the share that a period up to now still reaches, rounded down: those that keep
 * such counters either do that or compare the fraction as it is ("estimate < limit"), which is the
 * same to whole requests. Rounded up, the one last request of a limit that was used to the full in
 * the window before could never pass, however it is spaced. */
static uint64_t counted(const struct sim_limit *l, rl_time now)
{
    exact rest = l->period - (now - l->window);

    return l->in_window + (uint64_t)(l->in_last * rest / l->period);
}

static rl_duration missing_in_bucket(const struct sim_limit *l, uint64_t cost)
{
    exact need = (exact)cost * l->period;

    if (l->level >= need)
        return 0;
    return (rl_duration)((need - l->level + l->amount - 1) / l->amount);
}

static rl_duration missing_in_log(const struct sim_limit *l, uint64_t cost, rl_time now)
{
    uint64_t counts = l->in_window;

    for (size_t i = 0; i < l->count; i++) {
        if (counts + cost <= l->amount)
            return i == 0 ? 0 : l->charge[l->first + i - 1].at + l->period - now;
        counts -= l->charge[l->first + i].units;
    }
    return l->count == 0 ? 0 : l->charge[l->first + l->count - 1].at + l->period - now;
}

/* Sought by halving: within a window the count only falls. */
static rl_duration missing_in_counter(struct sim_limit *l, uint64_t cost, rl_time now)
{
    rl_time low = now, high = l->window + 2 * l->period;

    if (counted(l, now) + cost <= l->amount)
        return 0;
    while (low < high) {
        rl_time middle = low + (high - low) / 2;
        struct sim_limit then = *l;

        next_window(&then, middle);
        if (counted(&then, middle) + cost <= l->amount)
            high = middle;
        else
            low = middle + 1;
    }
    return low - now;
}

rl_duration sim_limit_missing(struct sim_limit *l, uint64_t cost, rl_time now)
{
    uint64_t most = l->keeping == SIM_KEEPS_BUCKET ? l->burst : l->amount;

    pass(l, now);
    if (cost > most)
        return RL_NEVER;
    switch (l->keeping) {
    case SIM_KEEPS_BUCKET:
        return missing_in_bucket(l, cost);
    case SIM_KEEPS_LOG:
        return missing_in_log(l, cost, now);
    case SIM_KEEPS_COUNTER:
        return missing_in_counter(l, cost, now);
    case SIM_KEEPS_WINDOW:
    case SIM_KEEPS_FIRST:
        break;
    }
    return l->in_window + cost <= l->amount ? 0 : l->window + l->period - now;
}

void sim_limit_charge(struct sim_limit *l, uint64_t cost, rl_time now)
{
    pass(l, now);
    l->spent += cost;
    if (l->keeping == SIM_KEEPS_BUCKET) {
        l->level -= (exact)cost * l->period;
        return;
    }
    if (l->keeping == SIM_KEEPS_FIRST && l->window == 0)
        l->window = now;
    if (l->keeping == SIM_KEEPS_LOG)
        append(l, cost, now);
    l->in_window += cost;
}

/* Of those that came at that moment, whichever they are. */
static void give_back_to_log(struct sim_limit *l, uint64_t units, rl_time at)
{
    for (size_t i = l->count; i > 0 && l->charge[l->first + i - 1].at >= at; i--) {
        struct sim_charge *charge = &l->charge[l->first + i - 1];
        uint64_t some = charge->units < units ? charge->units : units;

        if (charge->at != at)
            continue;
        charge->units -= some;
        l->in_window -= some;
        units -= some;
    }
}

void sim_limit_give_back(struct sim_limit *l, uint64_t units, rl_time at, rl_time now)
{
    pass(l, now);
    l->spent -= units;
    switch (l->keeping) {
    case SIM_KEEPS_BUCKET:
        l->level += (exact)units * l->period;
        refill(l, now);
        break;
    case SIM_KEEPS_LOG:
        give_back_to_log(l, units, at);
        break;
    case SIM_KEEPS_WINDOW:
    case SIM_KEEPS_FIRST:
    case SIM_KEEPS_COUNTER:
        if (l->window != 0 && at >= l->window)
            l->in_window -= units;
        else if (l->keeping == SIM_KEEPS_COUNTER && at + l->period >= l->window)
            l->in_last -= units < l->in_last ? units : l->in_last;
        break;
    }
}

void sim_limit_change(struct sim_limit *l, uint64_t amount, uint64_t burst, rl_time now)
{
    exact full = (exact)burst * l->period;

    pass(l, now);
    l->amount = amount;
    l->burst = burst;
    if (l->level > full)
        l->level = full;
}

uint64_t sim_limit_left(struct sim_limit *l, rl_time now)
{
    uint64_t used;

    pass(l, now);
    if (l->keeping == SIM_KEEPS_BUCKET)
        return (uint64_t)(l->level / l->period);
    used = l->keeping == SIM_KEEPS_COUNTER ? counted(l, now) : l->in_window;
    return used < l->amount ? l->amount - used : 0;
}

rl_duration sim_limit_full_in(struct sim_limit *l, rl_time now)
{
    pass(l, now);
    switch (l->keeping) {
    case SIM_KEEPS_BUCKET:
        return missing_in_bucket(l, l->burst);
    case SIM_KEEPS_LOG:
        return l->count == 0 ? 0 : l->charge[l->first + l->count - 1].at + l->period - now;
    case SIM_KEEPS_WINDOW:
    case SIM_KEEPS_COUNTER:
    case SIM_KEEPS_FIRST:
        break;
    }
    return l->window == 0 ? 0 : l->window + l->period - now;
}

void sim_limit_start(struct sim_limit *l, rl_time now)
{
    l->level = (exact)l->burst * l->period;
    l->level_at = now;
    l->window = l->keeping == SIM_KEEPS_FIRST || l->keeping == SIM_KEEPS_LOG
                    ? 0
                    : l->phase + (now - l->phase) / l->period * l->period;
}

void sim_limit_free(struct sim_limit *l)
{
    free(l->charge);
    l->charge = NULL;
}
