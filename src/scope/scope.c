/* SPDX-License-Identifier: MIT */
/* Owns what a scope holds: adding, finding and correcting its limiters. */
#include "scope/scope.h"

#include "base/arith.h"

#include <string.h>

#define SMALL_BURST (50 * RL_MILLISECOND)

uint64_t rl__small_burst(uint64_t amount, rl_duration period)
{
    uint64_t burst = rl__mul_div_up(amount, SMALL_BURST, period);

    return rl__min(rl__max(burst, 1), rl__max(amount, 1));
}

static void free_entry(struct rl__env *env, struct rl__entry *entry)
{
    if (entry == NULL)
        return;
    rl__free(env, entry->words);
    rl__free(env, entry->zone);
    rl__free(env, entry);
}

void rl__scope_deinit(struct rl__scope *scope)
{
    for (size_t i = 0; i < rl__scope_count(scope); i++)
        free_entry(scope->env, scope->entry[i]);
    scope->entry_count = 0;
}

/* A small state lies in the limiter, a large one beside it. */
static rl_status start_limiter(struct rl__env *env, struct rl__entry *entry, rl_time now)
{
    size_t count;
    rl_status st = rl_limit_words(&entry->limit, &count);

    if (st != RL_OK)
        return st;
    if ((st = rl_limiter_init(&entry->limiter, &entry->limit, now)) == RL_OK)
        return RL_OK;
    if ((entry->words = rl__alloc_zeroed(env, count, sizeof *entry->words)) == NULL)
        return RL_E_NOMEM;
    return rl_limiter_init_at(&entry->limiter, &entry->limit, entry->words, count, now);
}

static rl_status fill_entry(struct rl__env *env, struct rl__entry *entry, rl_time now)
{
    const char *zone = entry->limit.zone;

    if (zone != NULL && (entry->zone = rl__copy_text(env, zone, strlen(zone))) == NULL)
        return RL_E_NOMEM;
    entry->limit.zone = entry->zone;
    return start_limiter(env, entry, now);
}

static rl_status new_entry(struct rl__env *env, const struct rl__entry *like, rl_time now,
                           struct rl__entry **out)
{
    struct rl__entry *entry = rl__alloc_zeroed(env, 1, sizeof *entry);
    rl_status st;

    if (entry == NULL)
        return RL_E_NOMEM;
    *entry = *like;
    if ((st = fill_entry(env, entry, now)) != RL_OK) {
        free_entry(env, entry);
        return st;
    }
    *out = entry;
    return RL_OK;
}

rl_status rl__scope_add(struct rl__scope *scope, const struct rl__rule *rule, const rl_limit *limit,
                        uint32_t source, rl_time now, struct rl__entry **out)
{
    size_t count = rl__scope_count(scope);
    struct rl__entry like = { .rule = *rule, .source = source, .limit = *limit }, *entry;
    rl_status st;

    if (rule->dimension >= RL_DIMENSION_COUNT)
        return RL_E_INVALID;
    if (count == RL__SCOPE_ENTRIES)
        return RL_E_TABLE_FULL;
    like.period = limit->period;
    like.configured = source == RL_SOURCE_CONFIG ? limit->amount : RL_NEVER;
    like.is_bucket = limit->algorithm == NULL;
    like.learned.pace = 1000000;
    if ((st = new_entry(scope->env, &like, now, &entry)) != RL_OK)
        return st;
    scope->entry[count] = entry;
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
        if (scope->entry[i]->rule.dimension == dimension && !scope->entry[i]->rule.weighed &&
            scope->entry[i]->period == period)
            return scope->entry[i];
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
