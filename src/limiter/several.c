/* SPDX-License-Identifier: MIT */
/* Several limiters as one: all or nothing. */
#include "limiter/limiter.h"

#include "base/arith.h"

/* What all of them say together. */
struct answer {
    rl_status status;
    rl_time retry_at;
    size_t index;
};

static rl_status report(const struct answer *answer, rl_time *retry_at, size_t *refused)
{
    if (retry_at != NULL)
        *retry_at = answer->retry_at;
    if (refused != NULL)
        *refused = answer->index;
    return answer->status;
}

/* An error is final, and the first one counts; of those that must wait, the longest. What is free
 * at a moment stays free while nobody takes, so at the latest of their times all agree. */
static void add(struct answer *sum, rl_status st, rl_time retry_at, size_t index)
{
    if (st == RL_OK || (sum->status != RL_OK && sum->status != RL_WAIT))
        return;
    if (st == RL_WAIT && sum->status == RL_WAIT && retry_at <= sum->retry_at)
        return;
    *sum = (struct answer){ st, st == RL_WAIT ? retry_at : RL_NEVER, index };
}

static struct answer ask(const rl_share *share, size_t count, rl_time now)
{
    struct answer sum = { RL_OK, now, count };

    for (size_t i = 0; i < count; i++) {
        rl_time retry_at;
        rl_status st = rl_limiter_peek(share[i].limiter, share[i].cost, now, &retry_at);

        add(&sum, st, retry_at, i);
    }
    return sum;
}

/* The one asked for twice may say no although each answer was a yes. */
static void take_all(const rl_share *share, size_t count, rl_time now, struct answer *sum)
{
    size_t taken = 0;

    for (; taken < count && sum->status == RL_OK; taken++) {
        rl_time retry_at;
        rl_status st = rl_limiter_take(share[taken].limiter, share[taken].cost, now, &retry_at);

        add(sum, st, retry_at, taken);
    }
    if (sum->status == RL_OK)
        return;
    for (taken--; taken > 0; taken--)
        rl_limiter_settle(share[taken - 1].limiter, share[taken - 1].cost, 0, now, now);
}

rl_status rl_limiters_take(const rl_share *share, size_t count, rl_time now, rl_time *retry_at,
                           size_t *refused)
{
    struct answer sum = { RL_E_INVALID, RL_NEVER, 0 };

    if (share == NULL && count > 0)
        return report(&sum, retry_at, refused);
    sum = ask(share, count, now);
    if (sum.status == RL_OK)
        take_all(share, count, now, &sum);
    return report(&sum, retry_at, refused);
}

rl_status rl_limiters_peek(const rl_share *share, size_t count, rl_time now, rl_time *retry_at,
                           size_t *refused)
{
    struct answer sum = { RL_E_INVALID, RL_NEVER, 0 };

    if (share != NULL || count == 0)
        sum = ask(share, count, now);
    return report(&sum, retry_at, refused);
}
