/* SPDX-License-Identifier: MIT */
/*
 * What a token bucket is, in exact arithmetic: a level that rises by `amount` per `period` up to
 * `burst`. The level is kept in units * period, so that one nanosecond adds exactly `amount` and
 * nothing is ever rounded. Where the clock steps back, the level is read back down the same slope.
 * Slow and plain on purpose.
 */
#ifndef LLMRL_TEST_EXACT_BUCKET_H
#define LLMRL_TEST_EXACT_BUCKET_H

#include <llmrl/limiter.h>

__extension__ typedef __int128 exact;

struct exact_bucket {
    exact amount, period, burst; /* burst resolved */
    int borrow;
    exact level; /* units * period, at `last` */
    exact last;
    exact leeway; /* units * period that a level given from outside may be read too high by */
};

static inline exact exact_level(const struct exact_bucket *b, rl_time now)
{
    exact level = b->level + ((exact)now - b->last) * b->amount;

    return (exact)now >= b->last && level > b->burst * b->period ? b->burst * b->period : level;
}

static inline void exact_set(struct exact_bucket *b, exact level, rl_time now)
{
    b->level = level;
    b->last = (exact)now;
}

static inline void exact_start(struct exact_bucket *b, const rl_limit *limit, rl_time now)
{
    b->amount = (exact)limit->amount;
    b->period = (exact)limit->period;
    b->burst = (exact)(limit->amount == 0 ? 0 : limit->burst != 0 ? limit->burst : limit->amount);
    b->borrow = limit->oversize == RL_OVERSIZE_BORROW;
    exact_set(b, b->burst * b->period + b->leeway, now);
}

static inline rl_status exact_ask(const struct exact_bucket *b, uint64_t cost, rl_time now)
{
    exact want = (exact)cost;

    if (want > b->burst) {
        if (!b->borrow || want > b->amount)
            return RL_E_TOO_LARGE;
        want = b->burst; /* full is enough */
    }
    return exact_level(b, now) >= want * b->period ? RL_OK : RL_WAIT;
}

static inline void exact_charge(struct exact_bucket *b, uint64_t units, rl_time now)
{
    exact_set(b, exact_level(b, now) - (exact)units * b->period, now);
}

static inline void exact_give_back(struct exact_bucket *b, uint64_t units, rl_time now)
{
    exact full = b->burst * b->period, level = exact_level(b, now);

    if (level >= full && (exact)now >= b->last) {
        /* Nothing is in use: as if nobody had asked, or as if it had become full just now. */
        if (b->level + ((exact)now - b->last) * b->amount < full + b->leeway)
            exact_set(b, full + b->leeway, now);
        return;
    }
    level += (exact)units * b->period;
    exact_set(b, level >= full ? full + b->leeway : level, now);
}

static inline void exact_set_level(struct exact_bucket *b, int64_t units, rl_time at)
{
    exact level = (exact)units < b->burst ? (exact)units : b->burst;

    exact_set(b, level * b->period + b->leeway, at);
}

/* Used units stay used. The one rounding here, to the user's side, is of less than 1 / period of a
 * unit. The leeway is 0 afterwards: it belongs to a limit. */
static inline void exact_change(struct exact_bucket *b, const rl_limit *limit, rl_time now)
{
    exact used = b->burst * b->period - exact_level(b, now);
    exact whole = used / b->period, rest = used % b->period;
    struct exact_bucket after = { .leeway = 0 };

    exact_start(&after, limit, now);
    after.level -= whole * after.period + rest * after.period / b->period;
    *b = after;
}

#endif
