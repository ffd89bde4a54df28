/* SPDX-License-Identifier: MIT */
/* The delays, for those who keep their own course; and the private words of a retry, spelled out.
 */
#ifndef LLMRL_SRC_RETRY_H
#define LLMRL_SRC_RETRY_H

#include <llmrl/retry.h>

/* What comes on top of a hint, or of now. `policy` is resolved; `previous`: the last delay, 0 at
 * first. */
rl_duration rl__retry_jitter(const rl_retry_policy *policy, uint64_t failures, rl_duration previous,
                             int hinted, uint64_t random);

/* Other options for a budget that is in use; what was spent stays spent. They are in range. */
void rl__retry_budget_change(rl_retry_budget *budget, const rl_retry_budget_options *options,
                             rl_time now);

struct __attribute__((may_alias)) rl__retry { /* laid over plain words */
    rl_retry_policy policy;                   /* resolved; size 0: not begun */
    rl_time deadline;                         /* RL_NEVER: none */
    uint64_t attempts, failures, refusals;
    rl_duration previous; /* delay */
    uint64_t ended, has_key;
    uint64_t key[2];
};

#endif
