/* SPDX-License-Identifier: MIT */
/* Owns the retry budget: a token bucket in thousandths of a retry, which the floor fills by time
 * and each request by its share. */
#include "base/arith.h"
#include "base/atomic.h"
#include "base/sized.h"
#include "flow/retry.h"

#define PER_RETRY  1000
#define AMOUNT_MAX UINT64_C(1000000000)
#define ONLY_FLOOR 0

static rl_status read_options(const rl_retry_budget_options *options, rl_retry_budget_options *own)
{
    rl_status st;

    *own = RL_RETRY_BUDGET_OPTIONS_INIT;
    if (options != NULL && (st = rl__copy_sized(own, sizeof *own, options, options->size)) != RL_OK)
        return st;
    if (own->ratio == 0)
        own->ratio = 200;
    else if (own->ratio == RL_NEVER)
        own->ratio = ONLY_FLOOR;
    if (own->floor == 0)
        own->floor = 10;
    if (own->floor_period == 0)
        own->floor_period = RL_MINUTE;
    if (own->burst == 0)
        own->burst = 30;
    return own->ratio > 1000 || own->floor > AMOUNT_MAX || own->burst > AMOUNT_MAX ? RL_E_INVALID
                                                                                   : RL_OK;
}

static rl_limit limit_of(const rl_retry_budget_options *own)
{
    rl_limit limit = RL_LIMIT_INIT;

    limit.amount = own->floor * PER_RETRY;
    limit.period = own->floor_period;
    limit.burst = own->burst * PER_RETRY;
    return limit;
}

rl_status rl_retry_budget_init(rl_retry_budget *budget, const rl_retry_budget_options *options,
                               rl_time now)
{
    rl_retry_budget_options own;
    rl_limit limit;
    rl_status st;

    if (budget == NULL)
        return RL_E_INVALID;
    if ((st = read_options(options, &own)) != RL_OK)
        return st;
    limit = limit_of(&own);
    if ((st = rl_limiter_init(&budget->bucket, &limit, now)) != RL_OK)
        return st;
    budget->ratio = own.ratio;
    return RL_OK;
}

void rl__retry_budget_change(rl_retry_budget *budget, const rl_retry_budget_options *options,
                             rl_time now)
{
    rl_retry_budget_options own;
    rl_limit limit;

    if (read_options(options, &own) != RL_OK)
        return;
    limit = limit_of(&own);
    if (rl_limiter_change(&budget->bucket, &limit, now) == RL_OK)
        rl__store(&budget->ratio, own.ratio);
}

void rl_retry_budget_pay(rl_retry_budget *budget, rl_time now)
{
    if (budget != NULL)
        rl_limiter_give_back(&budget->bucket, rl__load(&budget->ratio), now);
}

rl_status rl_retry_budget_take(rl_retry_budget *budget, rl_time now, rl_time *retry_at)
{
    if (budget != NULL)
        return rl_limiter_take(&budget->bucket, PER_RETRY, now, retry_at);
    if (retry_at != NULL)
        *retry_at = RL_NEVER;
    return RL_E_INVALID;
}
