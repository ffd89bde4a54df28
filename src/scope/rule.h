/* SPDX-License-Identifier: MIT */
/* What a request costs, and how one limit counts that: integer weights over its amounts, at the
 * reservation and at the settlement. */
#ifndef LLMRL_SRC_RULE_H
#define LLMRL_SRC_RULE_H

#include <llmrl/base.h>
#include <llmrl/provider.h>

/* The amounts of a request: one for each dimension, as its provider counts; the whole input,
 * whatever the provider leaves out; and the part of it that came from a cache, which is known only
 * afterwards. */
#define RL__WHOLE_INPUT  RL_DIMENSION_COUNT
#define RL__CACHED_INPUT (RL_DIMENSION_COUNT + 1)
#define RL__AMOUNTS      (RL_DIMENSION_COUNT + 2)

/* Coarse, as a permit has 16 bits for both: ratios of 1 to 8, shares of 1/64 to 1. */
#define RL__RATIO_EVEN  128
#define RL__SHARE_WHOLE 64

struct rl__cost {
    uint64_t amount[RL__AMOUNTS];
    uint64_t input_ratio;  /* what the estimate of the input was multiplied by, in 1/128 */
    uint64_t output_share; /* of the declared maximum that was reserved, in 1/64 */
    uint64_t class;        /* of priority: 0 high, 1 normal, 2 low */
    uint64_t unknown;      /* bit n: amount n was not reported, and stands as it was reserved */
};

struct rl__weights {
    int32_t of[RL__AMOUNTS];
    int32_t largest; /* the largest of the products counts, instead of their sum */
};

struct rl__rule {
    uint32_t dimension;
    uint8_t shadow; /* counts, and never holds back */
    uint8_t borrow; /* what is larger than the whole limit waits for full and goes into debt */
    uint8_t unknown_is_no; /* what was not reported counts as not used; else as reserved */
    uint8_t weighed;       /* by the weights below; else by the provider's own rule */
    /* What a request of class 1, 2 must leave of a full limiter, in 1/1024. */
    uint16_t leave[2];
    struct rl__weights reserve, settle;
};

/* Whether such a request has to leave something. */
static inline int rl__rule_sets_aside(const struct rl__rule *rule, const struct rl__cost *cost)
{
    return cost->class != 0 && rule->leave[cost->class - 1] != 0;
}
/* Then: units that have to be there beside what it takes; `full` is what a rested limiter gives at
 * once. Never so much that it could never be. */
uint64_t rl__rule_leave(const struct rl__rule *rule, const struct rl__cost *cost, uint64_t amount,
                        uint64_t full);

/* What this limit counts of a reservation, and of what was used in the end. At most RL_AMOUNT_MAX.
 */
uint64_t rl__rule_weigh(const struct rl__rule *rule, const struct rl__cost *cost);
static inline uint64_t rl__rule_reserve(const struct rl__rule *rule, const struct rl__cost *cost)
{
    return rule->weighed ? rl__rule_weigh(rule, cost) : cost->amount[rule->dimension];
}
uint64_t rl__rule_weigh_used(const struct rl__rule *rule, const struct rl__cost *used);
/* Bit n: amount n counts. */
static inline uint64_t rl__rule_counted(const struct rl__rule *rule, const struct rl__cost *used)
{
    return rule->unknown_is_no ? ~used->unknown : UINT64_MAX;
}
static inline uint64_t rl__rule_settle(const struct rl__rule *rule, const struct rl__cost *used)
{
    if (rule->weighed)
        return rl__rule_weigh_used(rule, used);
    return (rl__rule_counted(rule, used) >> rule->dimension & 1) != 0
               ? used->amount[rule->dimension]
               : 0;
}

/* Whether both count a request alike. */
int rl__rule_counts_alike(const struct rl__rule *a, const struct rl__rule *b);

#endif
