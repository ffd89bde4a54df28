/* SPDX-License-Identifier: MIT */
/*
 * What constant outflow is, in exact arithmetic: the moment at which all has flowed out, in
 * nanoseconds * amount, so that a unit takes exactly `period` of it. A departure is told in whole
 * nanoseconds; the outflow of the next goes on from the exact moment if it left at the first one.
 */
#ifndef LLMRL_TEST_EXACT_OUTFLOW_H
#define LLMRL_TEST_EXACT_OUTFLOW_H

#include "exact_bucket.h"

struct exact_outflow {
    exact amount, period, burst;
    exact empty; /* ns * amount */
};

static inline void outflow_start(struct exact_outflow *o, const rl_limit *limit, rl_time now)
{
    o->amount = (exact)limit->amount;
    o->period = (exact)limit->period;
    o->burst = (exact)(limit->burst != 0 ? limit->burst : limit->amount);
    o->empty = (exact)now * o->amount;
}

/* The first whole nanosecond at which nothing flows. */
static inline rl_time outflow_departure(const struct exact_outflow *o, rl_time now)
{
    exact at = (o->empty + o->amount - 1) / o->amount;

    return at > (exact)now ? (rl_time)at : now;
}

static inline void outflow_leave(struct exact_outflow *o, uint64_t cost, rl_time at)
{
    if (o->empty <= ((exact)at - 1) * o->amount)
        o->empty = (exact)at * o->amount; /* it had been empty for a while */
    o->empty += (exact)cost * o->period;
}

/* Whether `cost` has room in the backlog. */
static inline int outflow_has_room(const struct exact_outflow *o, uint64_t cost, rl_time now)
{
    exact backlog = o->empty - (exact)now * o->amount;

    return backlog <= 0 || backlog + (exact)cost * o->period <= o->burst * o->period;
}

#endif
