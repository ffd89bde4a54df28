/* SPDX-License-Identifier: MIT */
/* Owns what a scope holds: adding, finding and correcting its limiters. */
#include "scope/scope.h"

#include "base/arith.h"
#include "base/rl_assert.h"
#include "limiter/prepared.h"
#include "scope/lease.h"
#include "scope/ledger.h"

#include <string.h>

#define SMALL_BURST (50 * RL_MILLISECOND)

uint64_t rl__small_burst(uint64_t amount, rl_duration period)
{
    uint64_t burst = rl__mul_div_up(amount, SMALL_BURST, period);

    return rl__min(rl__max(burst, 1), rl__max(amount, 1));
}

void rl__entry_free(struct rl__env *env, struct rl__entry *entry)
{
    if (entry == NULL)
        return;
    rl__free(env, entry->words);
    rl__free(env, entry->ledger);
    rl__free(env, entry->zone);
    rl__leases_free(entry->leases);
    rl__free(env, entry);
}

void rl__scope_deinit(struct rl__scope *scope)
{
    for (size_t i = 0; i < rl__scope_count(scope); i++)
        rl__entry_free(scope->env, scope->entry[i]);
    scope->entry_count = 0;
    scope->pool = NULL;
}

/* A small state lies in the limiter, a large one beside it. */
static rl_status start_limiter(struct rl__env *env, struct rl__entry *entry, rl_time now)
{
    size_t count;
    rl_status st = rl_limit_words(&entry->limit, &count);

    if (st != RL_OK)
        return st;
    if (rl_limiter_init(&entry->limiter, &entry->limit, now) == RL_OK)
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

rl_status rl__entry_new(struct rl__env *env, const struct rl__rule *rule, const rl_limit *limit,
                        uint32_t source, rl_time now, struct rl__entry **out)
{
    struct rl__entry *entry;
    rl_status st;

    if (rule->dimension >= RL_DIMENSION_COUNT)
        return RL_E_INVALID;
    if ((entry = rl__alloc_zeroed(env, 1, sizeof *entry)) == NULL)
        return RL_E_NOMEM;
    *entry = (struct rl__entry){ .rule = *rule, .source = source, .limit = *limit };
    entry->period = limit->period;
    entry->is_searched = source == RL_SOURCE_ADAPTIVE;
    entry->configured = source == RL_SOURCE_ANSWER || entry->is_searched ? RL_NEVER : limit->amount;
    entry->is_bucket = limit->algorithm == NULL;
    entry->plenty = rl__small_burst(limit->amount, limit->period);
    entry->learned.pace = 1000000;
    if ((st = fill_entry(env, entry, now)) != RL_OK) {
        rl__entry_free(env, entry);
        return st;
    }
    *out = entry;
    return RL_OK;
}

rl_status rl__entry_open_ledger(struct rl__env *env, struct rl__entry *entry, rl_duration period)
{
    if ((entry->ledger = rl__alloc_zeroed(env, 1, sizeof *entry->ledger)) == NULL)
        return RL_E_NOMEM;
    rl__ledger_start(entry->ledger, entry->limit.amount, period);
    return RL_OK;
}

int64_t rl__entry_left(const struct rl__entry *entry, rl_time now)
{
    return entry->ledger != NULL ? rl__ledger_left(entry->ledger, now)
                                 : rl__limiter_remaining(&entry->limiter, now);
}

void rl__scope_put(struct rl__scope *scope, struct rl__entry *entry)
{
    size_t count = rl__scope_count(scope);

    RL_ASSERT(count < RL__SCOPE_ENTRIES);
    scope->entry[count] = entry;
    /* release: pairs with rl__scope_count(); the entry is whole before anybody sees it. */
    rl__store_release(&scope->entry_count, count + 1);
}

rl_status rl__scope_add(struct rl__scope *scope, const struct rl__rule *rule, const rl_limit *limit,
                        uint32_t source, rl_time now, struct rl__entry **out)
{
    struct rl__entry *entry;
    rl_status st;

    if (rl__scope_count(scope) == RL__SCOPE_ENTRIES)
        return RL_E_TABLE_FULL;
    if ((st = rl__entry_new(scope->env, rule, limit, source, now, &entry)) != RL_OK)
        return st;
    rl__scope_put(scope, entry);
    if (out != NULL)
        *out = entry;
    return RL_OK;
}

struct rl__entry *rl__scope_find(struct rl__scope *scope, uint32_t dimension, rl_duration period)
{
    size_t count = rl__scope_count(scope);

    for (size_t i = 0; i < count; i++)
        if (!rl__entry_is_off(scope->entry[i]) && scope->entry[i]->rule.dimension == dimension &&
            !scope->entry[i]->rule.weighed && !scope->entry[i]->is_searched &&
            scope->entry[i]->period == period)
            return scope->entry[i];
    return NULL;
}

/* Who wins the exchange begins a span; the others' units go into that or the one before. */
void rl__recent_begin(struct rl__recent *recent, rl_duration span, rl_time now)
{
    rl_time since = rl__load(&recent->since);
    uint64_t units;

    if (rl__sub_sat(now, since) < span || !rl__exchange_if(&recent->since, &since, now))
        return;
    units = rl__swap(&recent->units, 0);
    rl__store(&recent->before, now - since < 2 * span ? units : 0);
}

uint64_t rl__recent_sum(const struct rl__recent *recent, rl_duration span, rl_time now)
{
    rl_duration age = rl__sub_sat(now, rl__load(&recent->since));

    if (age >= 2 * span)
        return 0;
    return rl__add_sat(rl__load(&recent->units), age < span ? rl__load(&recent->before) : 0);
}

static void take_out(uint64_t *word, uint64_t units)
{
    rl__store(word, rl__sub_sat(rl__load(word), units));
}

void rl__recent_drop(struct rl__recent *recent, uint64_t units, rl_duration span, rl_time at,
                     rl_time now)
{
    rl_time since = rl__load(&recent->since);

    if (rl__sub_sat(now, since) >= 2 * span)
        return;
    if (at >= since)
        take_out(&recent->units, units);
    else if (rl__sub_sat(now, at) < span) /* else it was in a span before that */
        take_out(&recent->before, units);
}

void rl__entry_correct(struct rl__entry *entry, int64_t delta, rl_time now)
{
    if (entry->ledger != NULL)
        rl__ledger_correct(entry->ledger, delta, now);
    else if (delta < 0)
        rl_limiter_charge(&entry->limiter, (uint64_t)-delta, now);
    else if (delta > 0)
        rl_limiter_give_back(&entry->limiter, (uint64_t)delta, now);
    rl__fetch_add(&entry->shift, (uint64_t)delta);
}
