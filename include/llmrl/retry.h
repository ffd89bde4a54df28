/* SPDX-License-Identifier: MIT */
/**
 * @file retry.h
 * When to try again: a policy usable on its own. It keeps no state and reads no clock.
 */
#ifndef LLMRL_RETRY_H
#define LLMRL_RETRY_H

#include <llmrl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rl_retry_policy {
    size_t size;            /* set by RL_RETRY_POLICY_INIT */
    uint64_t max_attempts;  /* the first one included; 0: 6; RL_NEVER: no bound */
    uint64_t base_delay_ms; /* 0: 500 */
    uint64_t max_delay_ms;  /* cap of the back-off; 0: 30 000 */
    uint64_t max_hint_ms; /* a provider's hint above this fails at once; 0: 300 000; RL_NEVER: none
                             is too long */
    /* Refusals (429) of one request that do not count as attempts, as waiting is no failure; 0:
     * 100, but none where max_attempts is given: a bound that is asked for holds for all. */
    uint64_t max_refusals;
} rl_retry_policy;

static inline rl_retry_policy rl_retry_policy_init_(void)
{
    rl_retry_policy policy = RL_ZERO_;
    policy.size = sizeof policy;
    return policy;
}
#define RL_RETRY_POLICY_INIT rl_retry_policy_init_()

/**
 * The delay after `failures` failed attempts (1: the first failed): full jitter, that is evenly
 * spread over [0, min(cap, base x 2^(failures-1))]; with a hint evenly over [hint, hint + that], so
 * that a hint is never undercut.
 *
 * @param hint    the provider's waiting time; RL_NEVER: none.
 * @param random  64 random bits.
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
 * Threads: any.
 */
RL_API rl_duration rl_retry_delay(const rl_retry_policy *policy, uint64_t failures,
                                  rl_duration hint, uint64_t random);

/** Fills zero members with the defaults above. RL_E_INVALID: base above cap. */
RL_API rl_status rl_retry_policy_resolve(const rl_retry_policy *policy, rl_retry_policy *out);

#ifdef __cplusplus
}
#endif
#endif
