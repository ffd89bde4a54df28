/* SPDX-License-Identifier: MIT */
/* Owns the arithmetic of charge rules. */
#include "scope/rule.h"

#include "base/arith.h"

#include <llmrl/limiter.h>
#include <string.h>

/* Sums saturate; what is taken off never makes less than nothing. */
static uint64_t weigh(const struct rl__weights *weights, const struct rl__cost *cost,
                      uint64_t counted)
{
    uint64_t more = 0, less = 0, largest = 0;

    for (size_t i = 0; i < RL__AMOUNTS; i++) {
        int64_t weight = weights->of[i];
        uint64_t size = (uint64_t)(weight < 0 ? -weight : weight), product;

        if ((counted >> i & 1) == 0)
            continue;
        product = rl__mul_sat(size, cost->amount[i]);
        largest = rl__max(largest, weight > 0 ? product : 0);
        if (weight > 0)
            more = rl__add_sat(more, product);
        else
            less = rl__add_sat(less, product);
    }
    return rl__min(rl__sub_sat(weights->largest ? largest : more, less), RL_AMOUNT_MAX);
}

int rl__rule_counts_alike(const struct rl__rule *a, const struct rl__rule *b)
{
    return a->dimension == b->dimension && a->weighed == b->weighed &&
           memcmp(&a->reserve, &b->reserve, sizeof a->reserve) == 0 &&
           memcmp(&a->settle, &b->settle, sizeof a->settle) == 0;
}

uint64_t rl__rule_leave(const struct rl__rule *rule, const struct rl__cost *cost, uint64_t amount,
                        uint64_t full)
{
    uint64_t leave;

    leave = full / 1024 * rule->leave[cost->class - 1] +
            full % 1024 * rule->leave[cost->class - 1] / 1024;
    if (amount >= full)
        return 0;
    return leave <= full - amount ? leave : full - amount;
}

uint64_t rl__rule_weigh(const struct rl__rule *rule, const struct rl__cost *cost)
{
    return weigh(&rule->reserve, cost, UINT64_MAX);
}

uint64_t rl__rule_weigh_used(const struct rl__rule *rule, const struct rl__cost *used)
{
    return weigh(&rule->settle, used, rl__rule_counted(rule, used));
}
