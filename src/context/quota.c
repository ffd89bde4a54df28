/* SPDX-License-Identifier: MIT */
/* Owns what can be asked of limits: what is in force, what is left, and a fresh start. */
#include "base/text.h"
#include "context/context.h"
#include "provider/learn.h"
#include "scope/ledger.h"

#include <string.h>

struct listing {
    rl_limit_status *out;
    size_t room, count;
    rl_time now;
};

static void put(struct listing *list, const rl_limit_status *status)
{
    if (list->count < list->room)
        list->out[list->count] = *status;
    list->count++;
}

static const char *words_for(uint32_t source, const char *table)
{
    switch (source) {
    case RL_SOURCE_ANSWER:
        return "answers";
    case RL_SOURCE_CALL:
        return "set by the program";
    case RL_SOURCE_ADAPTIVE:
        return "adaptive";
    case RL_SOURCE_TABLE:
        return table;
    default:
        return "file";
    }
}

/* Adaptive: a share was given up after refusals. */
static void name_origin(rl_limit_status *status, const char *algorithm, const char *table,
                        int adaptive)
{
    struct rl__text text = rl__text_on(status->algorithm, sizeof status->algorithm);

    rl__text_add_foreign(&text, algorithm, strlen(algorithm));
    text = rl__text_on(status->origin, sizeof status->origin);
    rl__text_add(&text, "%s%s", words_for(status->source, table), adaptive ? ", adaptive" : "");
}

/* Whom the present number follows. */
static uint32_t source_of(const struct rl__entry *entry)
{
    return !entry->is_searched && rl__learn_amount(entry) < entry->configured ? RL_SOURCE_ANSWER
                                                                              : entry->source;
}

static void bound_by_ledger(const struct rl__ledger *ledger, rl_time now, rl_level *level)
{
    int64_t left = rl__ledger_left(ledger, now);
    rl_duration full_in = rl__ledger_full_in(ledger, now);

    level->remaining = left < level->remaining ? left : level->remaining;
    level->full_in = full_in > level->full_in ? full_in : level->full_in;
}

static void list_entry(struct listing *list, const struct rl__scope *scope,
                       const struct rl__entry *entry)
{
    rl_limit_status status = { .dimension = entry->rule.dimension, .source = source_of(entry) };
    struct rl__text name = rl__text_on(status.scope, sizeof status.scope);

    rl__text_add_foreign(&name, scope->name, strlen(scope->name));
    status.period = entry->period;
    status.amount = rl__learn_amount(entry);
    status.shadow = entry->rule.shadow;
    status.would_refuse = rl__load(&entry->shadowed);
    name_origin(&status, entry->limiter.algorithm->name, entry->origin,
                entry->learned.pace < RL__PACE_WHOLE || rl__entry_adapts(entry));
    status.closed_until = rl__load(&scope->closed_until);
    rl_limiter_snapshot(&entry->limiter, list->now, &status.level);
    if (entry->ledger != NULL)
        bound_by_ledger(entry->ledger, list->now, &status.level);
    if (rl__entry_adapts(entry))
        status.amount = status.level.limit;
    put(list, &status);
}

static void list_scope(struct listing *list, const struct rl__scope *scope)
{
    for (size_t i = 0; i < rl__scope_count(scope); i++)
        if (!rl__entry_is_off(scope->entry[i]) && rl__load(&scope->entry[i]->is_idle) == 0)
            list_entry(list, scope, scope->entry[i]);
}

static int is_known(const struct rl__lane *lane, const rl_table_limit *limit)
{
    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        if (lane->scope[s] != NULL &&
            rl__scope_find(lane->scope[s], (uint32_t)limit->dimension, limit->period) != NULL)
            return 1;
    return 0;
}

/* Holds nobody back, but may be what there is. */
static void list_guess(struct listing *list, const struct rl__lane *lane)
{
    const struct rl__scope *scope = lane->scope[RL__MODEL_SCOPE];

    for (size_t i = 0; lane->guess != NULL && i < RL_TABLE_LIMITS; i++) {
        const rl_table_limit *limit = &lane->guess->limit[i];
        rl_limit_status status = { .source = RL_SOURCE_TABLE, .period = limit->period };
        struct rl__text text = rl__text_on(status.scope, sizeof status.scope);

        if (limit->amount == 0 || is_known(lane, limit))
            continue;
        rl__text_add_foreign(&text, scope->name, strlen(scope->name));
        text = rl__text_on(status.origin, sizeof status.origin);
        rl__text_add(&text, "guess: %s", lane->guess->origin);
        status.dimension = (uint32_t)limit->dimension;
        status.amount = limit->amount;
        status.guess = 1;
        put(list, &status);
    }
}

/* A family that the configuration does not name any more has limits only for those who wait in it.
 */
static int is_configured(const struct rl__provider *provider, const struct rl__family *family)
{
    const struct rl__provider_settings *settings =
        __atomic_load_n(&provider->settings, __ATOMIC_ACQUIRE);
    const struct rl__model_settings *known = settings == NULL ? NULL : settings->models;

    while (known != NULL && (rl__family_name(known) == NULL ||
                             strcmp(rl__family_name(known), family->name + family->pattern) != 0))
        known = known->next;
    return known != NULL;
}

/* Entries are only ever added, so this needs the registry's lock for its lists, and the learning
 * lock for what an answer may be changing. */
static void list_provider(rl_context *rl, struct rl__provider *provider, struct listing *list)
{
    rl__lock(&provider->learning);
    list_scope(list, &provider->scope);
    for (struct rl__family *family = provider->families; family != NULL; family = family->next)
        if (is_configured(provider, family))
            list_scope(list, &family->scope);
    for (struct rl__lane_node *node = rl->registry.lanes; node != NULL; node = node->next)
        if (node->lane.provider == provider && node->lane.scope[RL__MODEL_SCOPE] == &node->scope) {
            list_scope(list, &node->scope);
            list_guess(list, &node->lane);
        }
    rl__unlock(&provider->learning);
}

rl_status rl_limits_get(rl_context *rl, rl_limit_status *out, size_t *count)
{
    struct listing list = { out, 0, 0, 0 };

    if (!rl__is_ours(rl) || count == NULL || (out == NULL && *count > 0))
        return RL_E_INVALID;
    list.room = *count;
    list.now = rl__now(&rl->env);
    rl__lock(&rl->registry.lock);
    list_scope(&list, &rl->registry.global);
    for (struct rl__provider *provider = rl->registry.providers; provider != NULL;
         provider = provider->next)
        list_provider(rl, provider, &list);
    rl__unlock(&rl->registry.lock);
    *count = list.count;
    return RL_OK;
}

/* ---- of one request ---- */

static void list_tenant(struct listing *list, struct rl__held_tenant *held)
{
    for (size_t i = 0; i < held->tier->count; i++) {
        const struct rl__tier_limit *limit = &held->tier->limit[i];
        rl_limit_status status = { .dimension = limit->rule.dimension,
                                   .source = RL_SOURCE_CONFIG,
                                   .period = limit->limit.period,
                                   .amount = limit->limit.amount };
        struct rl__text name = rl__text_on(status.scope, sizeof status.scope);

        rl__text_add_foreign(&name, held->tier->label, strlen(held->tier->label));
        name_origin(&status, limit->made.algorithm->name, NULL, 0);
        status.shadow = limit->rule.shadow;
        rl__tenant_level(held, i, list->now, &status.level);
        put(list, &status);
    }
}

static void list_tenants(const struct rl__who *who, struct listing *list)
{
    for (size_t k = 0; k < RL__TENANT_KINDS; k++) {
        struct rl__tenant_view view;

        if (who->hash[k] == 0 || !rl__tenants_active(&who->tenants[k]))
            continue;
        rl__tenant_look(&who->tenants[k], who->hash[k], who->tier[k], list->now, &view);
        list_tenant(list, &view.held);
        rl__tenant_let_go(&view.held);
    }
}

rl_status rl_limits_of(rl_context *rl, const rl_request *request, rl_limit_status *out,
                       size_t *count)
{
    struct listing list = { out, 0, 0, 0 };
    struct rl__provider *provider;
    struct rl__ask ask;
    rl_status st;

    if (!rl__is_ours(rl) || count == NULL || (out == NULL && *count > 0))
        return RL_E_INVALID;
    list.room = *count;
    list.now = rl__now(&rl->env);
    if ((st = rl__ask_read(rl, request, list.now, list.now, &ask)) != RL_OK)
        return st;
    provider = ask.lane->provider;
    rl__lock(&provider->learning);
    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        if (ask.lane->scope[s] != NULL)
            list_scope(&list, ask.lane->scope[s]);
    list_guess(&list, ask.lane);
    rl__unlock(&provider->learning);
    list_tenants(&ask.who, &list);
    *count = list.count;
    return RL_OK;
}

/* ---- a fresh start ---- */

static void reset_scope(struct rl__scope *scope, rl_time now)
{
    for (size_t i = 0; i < rl__scope_count(scope); i++) {
        struct rl__entry *entry = scope->entry[i];
        int64_t left = rl__entry_left(entry, now);
        rl_level level;

        rl_limiter_snapshot(&entry->limiter, now, &level);
        rl__store(&entry->reset_at, now);
        rl_limiter_set_level(&entry->limiter, (int64_t)level.burst, now);
        if (entry->ledger != NULL)
            rl__ledger_correct(entry->ledger, INT64_MAX, now);
        rl__fetch_add(&entry->shift, (uint64_t)rl__entry_left(entry, now) - (uint64_t)left);
    }
}

static int reset_tenants(const struct rl__who *who, rl_time now)
{
    int any = 0;

    for (size_t k = 0; k < RL__TENANT_KINDS; k++) {
        struct rl__held_tenant held;

        any |= who->hash[k] != 0;
        if (who->hash[k] == 0 || !rl__tenants_active(&who->tenants[k]) ||
            !rl__tenant_hold_known(&who->tenants[k], who->hash[k], &held))
            continue;
        rl__tenant_reset(&held, now);
        rl__tenant_let_go(&held);
    }
    return any;
}

rl_status rl_limits_reset(rl_context *rl, const rl_request *request)
{
    struct rl__provider *provider;
    struct rl__scope *scope;
    struct rl__ask ask;
    rl_time now;
    rl_status st;

    if (!rl__is_ours(rl))
        return RL_E_INVALID;
    now = rl__now(&rl->env);
    if ((st = rl__ask_read(rl, request, now, now, &ask)) != RL_OK)
        return st;
    if (!reset_tenants(&ask.who, now)) {
        provider = ask.lane->provider;
        scope = ask.lane->scope[RL__MODEL_SCOPE];
        rl__lock(&provider->learning);
        reset_scope(scope != NULL ? scope : ask.lane->scope[RL__PROVIDER_SCOPE], now);
        rl__unlock(&provider->learning);
    }
    rl__poke_all(rl);
    return RL_OK;
}
