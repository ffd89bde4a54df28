/* SPDX-License-Identifier: MIT */
/* Owns the retry policy: defaults and delays. */
#include <llmrl/retry.h>

#include "base/arith.h"
#include "base/sized.h"

rl_status rl_retry_policy_resolve(const rl_retry_policy *policy, rl_retry_policy *out)
{
    rl_retry_policy own;
    rl_status st;

    if (out == NULL)
        return RL_E_INVALID;
    own = RL_RETRY_POLICY_INIT;
    if (policy != NULL && (st = rl__copy_sized(&own, sizeof own, policy, policy->size)) != RL_OK)
        return st;
    own.size = sizeof own;
    if (own.max_refusals == 0)
        own.max_refusals = own.max_attempts == 0 ? 100 : 0;
    if (own.max_attempts == 0)
        own.max_attempts = 6;
    if (own.base_delay_ms == 0)
        own.base_delay_ms = 500;
    if (own.max_delay_ms == 0)
        own.max_delay_ms = rl__max(30000, own.base_delay_ms);
    if (own.max_hint_ms == 0)
        own.max_hint_ms = 300000;
    if (own.base_delay_ms > own.max_delay_ms)
        return RL_E_INVALID;
    *out = own;
    return RL_OK;
}

/* min(cap, base * 2^doublings), in ns. */
static rl_duration ceiling(const rl_retry_policy *policy, uint64_t doublings)
{
    uint64_t cap = rl__mul_sat(policy->max_delay_ms, RL_MILLISECOND);
    uint64_t base = rl__mul_sat(policy->base_delay_ms, RL_MILLISECOND);

    if (doublings >= 63 || base > cap >> doublings)
        return cap;
    return base << doublings;
}

rl_duration rl_retry_delay(const rl_retry_policy *policy, uint64_t failures, rl_duration hint,
                           uint64_t random)
{
    rl_retry_policy own;
    rl_duration spread, jitter;

    if (rl_retry_policy_resolve(policy, &own) != RL_OK)
        (void)rl_retry_policy_resolve(NULL, &own); /* a contradiction was the caller's to check */
    spread = ceiling(&own, failures == 0 ? 0 : failures - 1);
    jitter = (rl_duration)((rl__u128)random * (rl__u128)(rl__add_sat(spread, 1)) >> 64);
    return hint == RL_NEVER ? jitter : rl__add_sat(hint, jitter);
}
