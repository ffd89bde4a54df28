/* SPDX-License-Identifier: MIT */
/*
 * Owns how one configuration follows another while requests flow. First everything is prepared that
 * can fail; then the limits change between two steps of registry.revision, so that no request is
 * admitted by some of the old and some of the new. What was used stays used.
 *
 * A limit that must become another limiter, or is gone, is switched off, not freed: permits that
 * are out hold its place in the scope, and settle in it, or in the one that has taken over.
 */
#include "base/arith.h"
#include "context/config_limit.h"
#include "context/context.h"
#include "flow/retry.h"
#include "provider/learn_parts.h"
#include "scope/visit.h"

#include <string.h>

/* What will happen to one limit. */
struct change {
    struct rl__scope *scope;
    struct rl__entry *before;  /* goes, or changes; NULL: there was none */
    struct rl__entry *from;    /* in force until now, and counts on in `before` or `after` */
    struct rl__entry *after;   /* owned until it is put; NULL: `before` changes or goes */
    struct rl__leases *leases; /* owned until it is put: of a pool; NULL: it is none */
    const struct rl__traits *traits;
    rl_limit limit;
    char *zone; /* owned until it is put: of the limit */
    uint64_t amount;
    uint32_t source;
    int stays;
    const char *origin;
    struct change *next;
};

/* A lane whose model belongs to another family now. */
struct leaving {
    struct rl__lane_node *node;
    struct leaving *next;
};

struct reload {
    rl_context *rl;
    struct rl__config *config;
    struct change *changes, **end;
    struct leaving *leaving;
    rl_time now;
    uint64_t generation; /* of the limits, once it is done */
};

static rl_status stage(struct reload *r, const struct change *like, struct change **out)
{
    struct change *change = rl__alloc_zeroed(&r->rl->env, 1, sizeof *change);

    if (change == NULL)
        return RL_E_NOMEM;
    *change = *like;
    change->next = NULL;
    *r->end = change;
    r->end = &change->next;
    if (out != NULL)
        *out = change;
    return RL_OK;
}

/* ---- what is the same ---- */

static int same_rule(const struct rl__rule *a, const struct rl__rule *b)
{
    return rl__rule_counts_alike(a, b) && a->shadow == b->shadow && a->borrow == b->borrow &&
           a->unknown_is_no == b->unknown_is_no && a->leave[0] == b->leave[0] &&
           a->leave[1] == b->leave[1];
}

/* Of one dimension and period there may be several that charge differently. */
static int speaks_of(const struct rl__entry *entry, const struct rl__limit_setting *setting)
{
    return !entry->is_searched && entry->period == setting->limit.period &&
           rl__rule_counts_alike(&entry->rule, &setting->rule);
}

/* Whether a limiter can go on under the new limit. */
static int same_shape(const struct rl__entry *entry, const struct rl__rule *rule,
                      const rl_limit *limit)
{
    size_t old_words, new_words;

    if (!same_rule(&entry->rule, rule) || (int)entry->is_bucket != (limit->algorithm == NULL) ||
        entry->limit.parts != limit->parts || entry->limit.bookings != limit->bookings)
        return 0;
    if (entry->is_bucket)
        return 1;
    return strcmp(entry->limiter.algorithm->name, limit->algorithm) == 0 &&
           rl_limit_words(&entry->limit, &old_words) == RL_OK &&
           rl_limit_words(limit, &new_words) == RL_OK && old_words == new_words;
}

/* The one in force; NULL: none. */
static struct rl__entry *entry_for(struct rl__scope *scope, const struct rl__limit_setting *setting)
{
    for (size_t i = 0; i < rl__scope_count(scope); i++)
        if (speaks_of(scope->entry[i], setting) && !rl__entry_is_off(scope->entry[i]))
            return scope->entry[i];
    return NULL;
}

/* One that was in force before, and would do. */
static struct rl__entry *spare_for(struct rl__scope *scope, const struct rl__limit_setting *setting,
                                   const rl_limit *limit)
{
    for (size_t i = 0; i < rl__scope_count(scope); i++) {
        struct rl__entry *entry = scope->entry[i];

        if (rl__entry_is_off(entry) && speaks_of(entry, setting) &&
            same_shape(entry, &setting->rule, limit))
            return entry;
    }
    return NULL;
}

/* Of those that sleep, the one with the books: nobody has taken over from it. */
static struct rl__entry *sleeper_for(struct rl__scope *scope,
                                     const struct rl__limit_setting *setting)
{
    for (size_t i = 0; i < rl__scope_count(scope); i++) {
        struct rl__entry *entry = scope->entry[i];

        if (rl__entry_is_off(entry) && rl__entry_successor(entry) == NULL &&
            speaks_of(entry, setting))
            return entry;
    }
    return NULL;
}

static int is_named(const struct rl__limits *limits, const struct rl__entry *entry)
{
    for (const struct rl__limit_setting *s = limits->first; s != NULL; s = s->next)
        if (speaks_of(entry, s))
            return 1;
    return 0;
}

/* ---- preparing ---- */

static rl_status copy_zone(struct reload *r, struct change *change)
{
    const char *zone = change->limit.zone;

    if (zone == NULL)
        return RL_OK;
    if ((change->zone = rl__copy_text(&r->rl->env, zone, strlen(zone))) == NULL)
        return RL_E_NOMEM;
    change->limit.zone = change->zone;
    return RL_OK;
}

/* With room for all who hold a unit now. */
static rl_status prepare_pool(struct reload *r, struct change *change,
                              const struct rl__limit_setting *setting)
{
    uint64_t room = change->stays ? rl__leases_room(change->before->leases) : 0;

    return setting->is_pool ? rl__leases_new(&r->rl->env, &setting->pool, room, &change->leases)
                            : RL_OK;
}

static rl_status prepare_one(struct reload *r, struct change *like,
                             const struct rl__limit_setting *setting)
{
    struct rl__entry *after = NULL;
    struct change *change = NULL;
    rl_status st;

    like->before = entry_for(like->scope, setting);
    like->amount = setting->limit.amount;
    like->source = rl__limit_source(setting);
    like->origin = setting->origin;
    like->from = like->before != NULL ? like->before : sleeper_for(like->scope, setting);
    if (like->before == NULL || !same_shape(like->before, &setting->rule, &like->limit))
        like->before = spare_for(like->scope, setting, &like->limit);
    like->stays = like->before != NULL;
    if ((st = stage(r, like, &change)) != RL_OK || (st = prepare_pool(r, change, setting)) != RL_OK)
        return st;
    if (change->stays)
        return copy_zone(r, change);
    st = rl__entry_new(&r->rl->env, &setting->rule, &change->limit, change->source,
                       change->limit.algorithm == NULL ? 0 : r->now, &after);
    if (st != RL_OK)
        return st;
    change->after = after;
    return rl__entry_furnish(&r->rl->env, after, change->traits, setting,
                             change->scope != &r->rl->registry.global);
}

static size_t fresh_in(const struct reload *r, const struct rl__scope *scope)
{
    size_t count = 0;

    for (const struct change *c = r->changes; c != NULL; c = c->next)
        count += c->scope == scope && c->after != NULL;
    return count;
}

static rl_status prepare_scope(struct reload *r, struct rl__scope *scope,
                               const struct rl__traits *traits, const struct rl__limits *limits)
{
    rl_status st = RL_OK;

    for (size_t i = 0; i < rl__scope_count(scope) && st == RL_OK; i++) {
        struct rl__entry *entry = scope->entry[i];
        struct change gone = { .scope = scope, .before = entry, .traits = traits };

        if (entry->source != RL_SOURCE_ANSWER && !entry->is_searched && !rl__entry_is_off(entry) &&
            !is_named(limits, entry))
            st = stage(r, &gone, NULL);
    }
    for (const struct rl__limit_setting *s = limits->first; s != NULL && st == RL_OK; s = s->next) {
        struct change like = { .scope = scope, .traits = traits };

        like.limit = rl__limit_shape(r->rl, traits, limits, s, scope != &r->rl->registry.global);
        st = prepare_one(r, &like, s);
    }
    if (st == RL_OK && rl__scope_count(scope) + fresh_in(r, scope) > RL__SCOPE_ENTRIES)
        return RL_E_TABLE_FULL;
    return st;
}

static const struct rl__limits no_limits;

/* "" in the lane of the provider as a whole. */
static const char *model_of(const struct rl__lane_node *node)
{
    const char *model = node->name + node->provider_length;

    return model[0] == '\0' ? model : model + 1;
}

/* The family that a lane should have: its pattern, or NULL. */
static const char *family_pattern(const struct rl__provider_settings *settings,
                                  const struct rl__lane_node *node)
{
    struct rl__model_choice choice = rl__model_settings(settings, model_of(node));

    return choice.shared != NULL ? rl__family_name(choice.shared) : NULL;
}

static const char *present_pattern(const struct rl__provider *provider,
                                   const struct rl__lane_node *node)
{
    for (const struct rl__family *f = provider->families; f != NULL; f = f->next)
        if (&f->scope == node->lane.scope[RL__FAMILY_SCOPE])
            return f->name + f->pattern;
    return NULL;
}

/* NULL is the same as NULL. */
static int is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static rl_status prepare_lane(struct reload *r, const struct rl__provider *provider,
                              const struct rl__provider_settings *settings,
                              struct rl__lane_node *node)
{
    const char *has = present_pattern(provider, node), *needs = family_pattern(settings, node);
    const struct rl__model_settings *own = rl__model_settings(settings, model_of(node)).own;
    struct leaving *leaving;

    if (rl__load(&node->retired) == 0 && !is_same_text(has, needs)) {
        if ((leaving = rl__alloc_zeroed(&r->rl->env, 1, sizeof *leaving)) == NULL)
            return RL_E_NOMEM;
        *leaving = (struct leaving){ node, r->leaving };
        r->leaving = leaving;
    }
    if (node->lane.scope[RL__MODEL_SCOPE] != &node->scope)
        return RL_OK; /* its twin's */
    return prepare_scope(r, &node->scope, rl__provider_traits(provider),
                         own != NULL ? &own->limits : &no_limits);
}

static rl_status prepare_provider(struct reload *r, struct rl__provider *provider)
{
    const struct rl__provider_settings *settings = rl__config_provider(r->config, provider->name);
    const struct rl__traits *traits = rl__provider_traits(provider);
    rl_status st = prepare_scope(r, &provider->scope, traits,
                                 settings != NULL ? &settings->limits : &no_limits);

    for (struct rl__family *f = provider->families; f != NULL && st == RL_OK; f = f->next) {
        const struct rl__model_settings *known = settings == NULL ? NULL : settings->models;

        while (known != NULL && !is_same_text(rl__family_name(known), f->name + f->pattern))
            known = known->next;
        if (known != NULL && f->furnished) /* else those who wait in it go on under its limits */
            st = prepare_scope(r, &f->scope, traits, &known->limits);
    }
    for (struct rl__lane_node *n = r->rl->registry.lanes; n != NULL && st == RL_OK; n = n->next)
        if (n->lane.provider == provider)
            st = prepare_lane(r, provider, settings, n);
    return st;
}

static rl_status prepare(struct reload *r)
{
    struct rl__registry *registry = &r->rl->registry;
    rl_status st = prepare_scope(r, &registry->global, rl__traits_find(NULL), &r->config->global);

    for (struct rl__provider *p = registry->providers; p != NULL && st == RL_OK; p = p->next)
        st = prepare_provider(r, p);
    return st;
}

/* ---- changing ---- */

static void change_bucket(const struct change *change, rl_time now)
{
    struct rl__entry *entry = change->before;
    rl_limit limit;

    entry->configured = change->amount;
    entry->limit.burst = rl__min(entry->limit.burst, change->amount);
    limit = rl__learn_limit(entry, change->traits);
    rl__learn_put(entry, &limit, now);
}

/* Never above what answers have reported. */
static void change_other(struct reload *r, struct change *change)
{
    struct rl__entry *entry = change->before;
    rl_level before, after;

    entry->configured = change->amount;
    change->limit.amount = rl__min(change->limit.amount, rl__learn_amount(entry));
    change->limit.burst = rl__min(change->limit.burst, change->limit.amount);
    rl_limiter_snapshot(&entry->limiter, r->now, &before);
    if (rl_limiter_change(&entry->limiter, &change->limit, r->now) != RL_OK)
        return; /* only if the data of its time zone is gone since it was checked */
    rl_limiter_snapshot(&entry->limiter, r->now, &after);
    rl__fetch_add(&entry->shift, (uint64_t)after.remaining - (uint64_t)before.remaining);
    rl__free(&r->rl->env, entry->zone);
    entry->zone = change->zone;
    change->zone = NULL;
    entry->limit = change->limit;
}

/* It is the scope's pool from now on, or is none any more. */
static void change_pool(const struct reload *r, struct change *change, struct rl__entry *entry)
{
    if (change->leases != NULL) {
        rl__entry_lease(entry, change->leases, r->now);
        change->leases = NULL;
        change->scope->pool = entry;
        rl__store(&r->rl->registry.traffic.pools, 1);
    } else if (change->scope->pool == entry || change->scope->pool == change->from) {
        change->scope->pool = NULL;
    }
}

static void switch_on(const struct reload *r, struct rl__entry *entry)
{
    if (!rl__entry_is_off(entry))
        return;
    __atomic_store_n(&entry->successor, NULL, __ATOMIC_RELEASE);
    rl__store(&entry->gap_generation, rl__load(&entry->off_generation));
    rl__store(&entry->on_generation, r->generation);
    /* release: pairs with rl__entry_is_off() */
    rl__store_release(&entry->is_off, 0);
}

/* Its books stay open for those who took from it. */
static void switch_off(const struct reload *r, struct rl__entry *entry, struct rl__entry *successor)
{
    __atomic_store_n(&entry->successor, successor, __ATOMIC_RELEASE);
    if (rl__entry_is_off(entry))
        return;
    rl__store(&entry->off_generation, r->generation);
    rl__store_release(&entry->is_off, 1);
}

/* What is gone from the file lives on if answers speak of it: then as they do, and enforced. */
static void drop(const struct reload *r, struct rl__entry *entry, const struct rl__traits *traits)
{
    const struct rl__rule plain = { .dimension = entry->rule.dimension };
    rl_limit limit;

    if (entry->learned.reported == 0 || !entry->is_bucket || !same_rule(&entry->rule, &plain)) {
        switch_off(r, entry, NULL);
        return;
    }
    entry->source = RL_SOURCE_ANSWER;
    entry->configured = RL_NEVER;
    limit = rl__learn_limit(entry, traits);
    rl__learn_put(entry, &limit, r->now);
}

static rl_level level_of(const struct rl__entry *entry, rl_time now)
{
    rl_level level;

    rl_limiter_snapshot(&entry->limiter, now, &level);
    if (entry->ledger != NULL) {
        level.burst = level.limit;
        level.remaining = rl__entry_left(entry, now);
    }
    return level;
}

/* Another limiter takes over: what was used of the old one is used of the new one, and what is
 * under way will be settled there. */
static void take_over(const struct reload *r, struct rl__entry *from, struct rl__entry *to)
{
    rl_level old, fresh;

    if (from == NULL || from == to)
        return;
    old = level_of(from, r->now);
    fresh = level_of(to, r->now);
    if (to->ledger != NULL)
        rl__entry_correct(to, rl__level_carried(&old, fresh.burst) - fresh.remaining, r->now);
    else
        rl_limiter_set_level(&to->limiter, rl__level_carried(&old, fresh.burst), r->now);
    rl__store(&to->reset_at, rl__load(&from->reset_at));
    switch_off(r, from, to);
}

static void replace(const struct reload *r, struct change *change)
{
    rl__store(&change->after->on_generation, r->generation);
    take_over(r, change->from, change->after);
    change_pool(r, change, change->after);
    rl__scope_put(change->scope, change->after);
    change->after = NULL;
}

static void apply_one(struct reload *r, struct change *change)
{
    if (change->after != NULL) {
        replace(r, change);
    } else if (!change->stays) {
        change_pool(r, change, change->before);
        drop(r, change->before, change->traits);
    } else {
        change->before->source = change->source;
        change->before->origin = change->origin;
        if (change->before->is_bucket)
            change_bucket(change, r->now);
        else
            change_other(r, change);
        change_pool(r, change, change->before);
        switch_on(r, change->before);
        take_over(r, change->from, change->before);
    }
}

static void lock_providers(struct rl__registry *registry)
{
    for (struct rl__provider *p = registry->providers; p != NULL; p = p->next)
        rl__lock(&p->learning);
}

static void unlock_providers(struct rl__registry *registry)
{
    for (struct rl__provider *p = registry->providers; p != NULL; p = p->next)
        rl__unlock(&p->learning);
}

static void publish(struct reload *r)
{
    rl__retry_budget_change(&r->rl->retry_budget, &r->config->retry_budget, r->now);
    r->config->older = r->rl->config;
    rl__free(&r->rl->env, r->rl->config->text); /* only the newest is ever patched */
    r->rl->config->text = NULL;
    /* release: pairs with rl__settings(). */
    __atomic_store_n(&r->rl->config, r->config, __ATOMIC_RELEASE);
    for (struct rl__provider *p = r->rl->registry.providers; p != NULL; p = p->next)
        __atomic_store_n(&p->settings, rl__config_provider(r->config, p->name), __ATOMIC_RELEASE);
    r->config = NULL;
}

/* What is searched for ends where the new configuration does not want it. */
static void review_searches(const struct reload *r)
{
    for (struct rl__lane_node *n = r->rl->registry.lanes; n != NULL; n = n->next) {
        const struct rl__provider *provider = n->lane.provider;

        rl__search_review(&n->lane,
                          rl__provider_respects(provider) ? rl__provider_searching(r->rl, provider)
                                                          : NULL,
                          rl__provider_auto_detect(provider), r->now);
    }
}

/* Who has a pool now need not feel his way any more. */
static void end_probing(struct rl__registry *registry)
{
    for (struct rl__lane_node *n = registry->lanes; n != NULL; n = n->next)
        for (size_t s = 0; s < RL__LANE_SCOPES; s++)
            if (n->lane.scope[s] != NULL && n->lane.scope[s]->pool != NULL)
                rl__store(&n->lane.probe_window, RL_NEVER);
}

static void apply(struct reload *r)
{
    struct rl__registry *registry = &r->rl->registry;

    (void)rl__count_ordered(&registry->traffic.revision, 1);
    rl__traffic_clear(&registry->traffic, registry->tenants);
    r->now = rl__now(&r->rl->env);
    r->generation = rl__generation_of(rl__load(&registry->traffic.revision) + 1);
    for (struct change *c = r->changes; c != NULL; c = c->next)
        apply_one(r, c);
    end_probing(registry);
    publish(r);
    review_searches(r);
    for (struct leaving *l = r->leaving; l != NULL; l = l->next)
        rl__registry_retire(registry, l->node);
    (void)rl__count_ordered(&registry->traffic.revision, 1);
}

/* ---- all of it ---- */

static void clean_up(struct reload *r)
{
    struct rl__env *env = &r->rl->env;

    while (r->changes != NULL) {
        struct change *next = r->changes->next;

        rl__entry_free(env, r->changes->after);
        rl__leases_free(r->changes->leases);
        rl__free(env, r->changes->zone);
        rl__free(env, r->changes);
        r->changes = next;
    }
    while (r->leaving != NULL) {
        struct leaving *next = r->leaving->next;

        rl__free(env, r->leaving);
        r->leaving = next;
    }
    rl__config_free(r->config);
}

static rl_status change_limits(struct reload *r)
{
    struct rl__registry *registry = &r->rl->registry;
    rl_status st;

    rl__lock(&registry->lock);
    lock_providers(registry); /* so that no answer changes meanwhile what was looked at */
    st = prepare(r);
    if (st == RL_OK)
        st = rl__furnish_tenants(r->rl, r->config);
    if (st == RL_OK)
        apply(r);
    unlock_providers(registry);
    rl__unlock(&registry->lock);
    return st;
}

rl_status rl__config_follow(rl_context *rl, struct rl__config *config)
{
    struct reload r = { .rl = rl, .config = config, .now = rl__now(&rl->env) };
    rl_status st;

    r.end = &r.changes;
    st = change_limits(&r);
    clean_up(&r);
    return st;
}
