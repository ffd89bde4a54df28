/* SPDX-License-Identifier: MIT */
/* Owns what a scope holds: adding, finding and correcting its limiters. */
#include "scope/scope.h"

#include "base/arith.h"

#define SMALL_BURST (50 * RL_MILLISECOND)

uint64_t rl__small_burst(uint64_t amount, rl_duration period)
{
    uint64_t burst = rl__mul_div_up(amount, SMALL_BURST, period);

    return rl__min(rl__max(burst, 1), rl__max(amount, 1));
}

rl_status rl__scope_add(struct rl__scope *scope, uint32_t dimension, const rl_limit *limit,
                        uint32_t source, rl_time now, struct rl__entry **out)
{
    size_t count = rl__scope_count(scope);
    struct rl__entry *entry;
    rl_status st;

    if (dimension >= RL__COSTS)
        return RL_E_INVALID;
    if (count == RL__SCOPE_ENTRIES)
        return RL_E_TABLE_FULL;
    entry = &scope->entry[count];
    *entry = (struct rl__entry){ .dimension = dimension, .source = source, .limit = *limit };
    entry->period = limit->period;
    entry->configured = source == RL_SOURCE_CONFIG ? limit->amount : RL_NEVER;
    entry->learned.pace = 1000000;
    if ((st = rl_limiter_init(&entry->limiter, limit, now)) != RL_OK)
        return st;
    /* release: pairs with rl__scope_count(); the entry is whole before anybody sees it. */
    rl__store_release(&scope->entry_count, count + 1);
    if (out != NULL)
        *out = entry;
    return RL_OK;
}

struct rl__entry *rl__scope_find(struct rl__scope *scope, uint32_t dimension, rl_duration period)
{
    size_t count = rl__scope_count(scope);

    for (size_t i = 0; i < count; i++)
        if (scope->entry[i].dimension == dimension && scope->entry[i].period == period)
            return &scope->entry[i];
    return NULL;
}

void rl__entry_correct(struct rl__entry *entry, int64_t delta, rl_time now)
{
    if (delta < 0)
        rl_limiter_charge(&entry->limiter, (uint64_t)-delta, now);
    else if (delta > 0)
        rl_limiter_give_back(&entry->limiter, (uint64_t)delta, now);
    rl__fetch_add(&entry->shift, (uint64_t)delta);
}
