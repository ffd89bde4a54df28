/* SPDX-License-Identifier: MIT */
/* Owns sets of tiers: how they are built, and which tenant has which. */
#include "scope/tenants.h"

#include "base/arith.h"

#include <stdio.h>
#include <string.h>

#define LABEL_MAX 300

static void free_limits(struct rl__env *env, struct rl__tier *tier)
{
    for (size_t i = 0; i < tier->count; i++)
        rl__free(env, tier->limit[i].zone);
    rl__free(env, tier->limit);
}

static void free_names(struct rl__env *env, struct rl__tier *tier)
{
    rl__free(env, tier->name);
    rl__free(env, tier->label);
}

void rl__tier_set_free(struct rl__tier_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++) {
        free_limits(set->env, &set->tier[i]);
        if (!set->handed_on && i >= set->borrowed)
            free_names(set->env, &set->tier[i]);
    }
    rl__free(set->env, set->tier);
    rl__free(set->env, set->assigned);
    rl__free(set->env, set);
}

static long index_of(const struct rl__tier_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->tier[i].name, name) == 0)
            return (long)i;
    return -1;
}

long rl__tier_index(const struct rl__tier_set *set, const char *name)
{
    long index = index_of(set, name);

    return index >= 0 && set->tier[index].given ? index : -1;
}

static rl_status copy_names(struct rl__tier_set *set, const struct rl__tier_set *from)
{
    if ((set->tier = rl__alloc_zeroed(set->env, from->count, sizeof *set->tier)) == NULL)
        return RL_E_NOMEM;
    for (size_t i = 0; i < from->count; i++)
        set->tier[i] = (struct rl__tier){ .name = from->tier[i].name,
                                          .label = from->tier[i].label,
                                          .weight = 1 };
    set->count = set->borrowed = from->count;
    return RL_OK;
}

struct rl__tier_set *rl__tier_set_new(struct rl__tenants *tenants, const char *kind)
{
    struct rl__tier_set *set = rl__alloc_zeroed(tenants->env, 1, sizeof *set);
    struct rl__tier *first;

    if (set == NULL)
        return NULL;
    set->env = tenants->env;
    set->before = tenants->set;
    if ((tenants->set == NULL || copy_names(set, tenants->set) == RL_OK) &&
        rl__tier_get(set, kind, "default", &first) == RL_OK)
        return set;
    rl__tier_set_free(set);
    return NULL;
}

static rl_status name_tier(struct rl__env *env, struct rl__tier *tier, const char *kind,
                           const char *name)
{
    char label[LABEL_MAX];

    (void)snprintf(label, sizeof label, "%s tier %s", kind, name);
    tier->name = rl__copy_text(env, name, strlen(name));
    tier->label = rl__copy_text(env, label, strlen(label));
    tier->weight = 1;
    return tier->name == NULL || tier->label == NULL ? RL_E_NOMEM : RL_OK;
}

rl_status rl__tier_get(struct rl__tier_set *set, const char *kind, const char *name,
                       struct rl__tier **out)
{
    long known = index_of(set, name);
    struct rl__tier *grown, *tier;
    rl_status st;

    if (known >= 0) {
        *out = &set->tier[known];
        (*out)->given = 1;
        return RL_OK;
    }
    if (set->count == RL__TIERS_MAX)
        return RL_E_TABLE_FULL;
    if ((grown = rl__resize(set->env, set->tier, set->count + 1, sizeof *grown)) == NULL)
        return RL_E_NOMEM;
    set->tier = grown;
    tier = &grown[set->count];
    *tier = (struct rl__tier){ 0 };
    if ((st = name_tier(set->env, tier, kind, name)) != RL_OK) {
        free_names(set->env, tier);
        return st;
    }
    tier->given = 1;
    set->count++;
    *out = tier;
    return RL_OK;
}

static rl_status plan_limit(struct rl__env *env, struct rl__tier_limit *limit, rl_time now)
{
    const char *zone = limit->limit.zone, *why;
    rl_status st = rl__limit_make(&limit->made, &limit->limit, NULL, NULL, now, &why);

    if (st != RL_OK || zone == NULL)
        return st;
    limit->limit.zone = limit->zone = rl__copy_text(env, zone, strlen(zone));
    return limit->zone == NULL ? RL_E_NOMEM : RL_OK;
}

/* A limit that was there before is no younger for being read again: permits that are out settle. */
static rl_time in_force_since(const struct rl__tier_set *set, const struct rl__tier *tier,
                              const struct rl__tier_limit *limit)
{
    size_t index = (size_t)(tier - set->tier);
    const struct rl__tier_limit *same;

    if (limit->rule.dimension == RL_CONCURRENCY && !limit->rule.weighed)
        return 0; /* what was under way was counted in, see tenants.c */
    if (set->before == NULL || index >= set->before->count)
        return limit->since;
    same = rl__tier_same_limit(&set->before->tier[index], limit);
    return same == NULL ? limit->since : same->since;
}

rl_status rl__tier_add(struct rl__tier_set *set, struct rl__tier *tier, const struct rl__rule *rule,
                       const rl_limit *limit, rl_time now)
{
    /* Who asks may have read the clock a little before he is served: better that a permit gives
     * back once what this limit never lent than that it never does. */
    struct rl__tier_limit fresh = { .rule = *rule,
                                    .limit = *limit,
                                    .since = rl__sub_sat(now, RL_SECOND) },
                          *grown;
    rl_status st;

    fresh.is_plain = !rule->shadow && !rule->borrow && rule->leave[0] == 0 && rule->leave[1] == 0;
    fresh.limit.bookings = 0;
    if ((grown = rl__resize(set->env, tier->limit, tier->count + 1, sizeof *grown)) == NULL)
        return RL_E_NOMEM;
    tier->limit = grown;
    if ((st = plan_limit(set->env, &fresh, now)) != RL_OK)
        return st;
    fresh.since = in_force_since(set, tier, &fresh);
    fresh.first = tier->words;
    if (tier->words + fresh.made.words > RL__TENANT_WORDS_MAX) {
        rl__free(set->env, fresh.zone);
        return RL_E_TABLE_FULL;
    }
    tier->words += fresh.made.words;
    set->words = rl__max(set->words, tier->words);
    grown[tier->count++] = fresh;
    return RL_OK;
}

/* Where `hash` is, or would be. */
static size_t place_of(const struct rl__tier_set *set, uint64_t hash)
{
    size_t low = 0, high = set->assigned_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (set->assigned[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

rl_status rl__tier_assign(struct rl__tier_set *set, uint64_t hash, long tier)
{
    struct rl__assignment fresh = { hash, (uint64_t)tier }, *grown;
    size_t at = place_of(set, hash);

    if (at < set->assigned_count && set->assigned[at].hash == hash) {
        set->assigned[at] = fresh;
        return RL_OK;
    }
    /* In steps of a power of two: a file may name many. */
    if ((set->assigned_count & (set->assigned_count - 1)) == 0) {
        size_t room = set->assigned_count == 0 ? 1 : 2 * set->assigned_count;

        if ((grown = rl__resize(set->env, set->assigned, room, sizeof *grown)) == NULL)
            return RL_E_NOMEM;
        set->assigned = grown;
    }
    memmove(&set->assigned[at + 1], &set->assigned[at],
            (set->assigned_count - at) * sizeof set->assigned[0]);
    set->assigned[at] = fresh;
    set->assigned_count++;
    return RL_OK;
}

int rl__tier_is_assigned(const struct rl__tier_set *set, uint64_t hash)
{
    size_t at = place_of(set, hash);

    return at < set->assigned_count && set->assigned[at].hash == hash;
}

size_t rl__tier_of(const struct rl__tier_set *set, uint64_t hash)
{
    size_t at = place_of(set, hash);

    if (at < set->assigned_count && set->assigned[at].hash == hash)
        return (size_t)set->assigned[at].tier;
    return 0;
}
