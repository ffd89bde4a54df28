/* SPDX-License-Identifier: MIT */
/* Owns how settings become limiters: when a context opens, and when a provider or model first
 * appears. */
#include "base/arith.h"
#include "context/config_limit.h"
#include "context/context.h"
#include "context/guard.h"
#include "provider/learn.h"
#include "provider/pattern.h"

#include <string.h>

#define HOUR_PARTS                                                                                 \
    60 /* a sliding hour returns a unit a minute late at most, a week three hours                  \
        */
#define WEEK_PARTS 56

/* Wall time at rl_time 0, as calendar windows want it. */
static rl_wall_time epoch_of(const rl_context *rl, rl_time now)
{
    rl_wall_time wall = rl__wall(&rl->env);

    return wall <= 0 || (uint64_t)wall <= now ? RL_EPOCH_1970 : wall - (rl_wall_time)now;
}

struct furnishing {
    struct rl__traffic *traffic;
    const struct rl__traits *traits;
    const struct rl__limits *limits;
    rl_time now;
    rl_wall_time epoch;
    int of_provider; /* it is a provider that holds to these limits; else they are our own */
};

static struct furnishing furnishing_of(rl_context *rl, const struct rl__traits *traits,
                                       const struct rl__limits *limits)
{
    struct furnishing f = { .traffic = &rl->registry.traffic,
                            .traits = traits,
                            .limits = limits,
                            .of_provider = limits != &rl__settings(rl)->global };

    f.now = rl__now(&rl->env);
    f.epoch = epoch_of(rl, f.now);
    return f;
}

/* Days and months begin where the file says; else where the provider's do. */
static void shape_calendar(const struct furnishing *f, rl_limit *limit, uint64_t align)
{
    limit->algorithm = "fixed_window";
    limit->align = align;
    limit->epoch = f->epoch;
    limit->zone = f->limits->day_zone != NULL ? f->limits->day_zone : f->traits->day_zone;
}

static void shape_sliding(rl_limit *limit, uint64_t parts)
{
    limit->algorithm = "sliding_counter";
    limit->parts = parts;
}

/* How a limit is kept that the file says nothing more of: as documented where that is known to
 * refill continuously; else no more than so much in any such period, or from midnight to midnight.
 */
static rl_limit shape_of(const struct furnishing *f, const struct rl__limit_setting *setting)
{
    rl_limit limit = setting->limit;

    if (setting->shaped) {
        if (limit.algorithm != NULL && strcmp(limit.algorithm, "fixed_window") == 0)
            limit.epoch = f->epoch;
        limit.oversize = limit.algorithm == NULL ? RL_OVERSIZE_BORROW : limit.oversize;
        limit.algorithm = limit.algorithm == NULL ? rl_algorithm_find(NULL)->name : limit.algorithm;
        return limit;
    }
    if (limit.period <= RL_MINUTE && f->of_provider &&
        rl__limit_wants_ledger(f->traits, setting->rule.dimension, limit.period))
        return rl__limit_paced(limit.amount, limit.period);
    if (limit.period <= RL_MINUTE || (f->traits->continuous && limit.period <= RL_DAY))
        return rl__limit_first(f->traits, limit.amount, limit.period);
    if (limit.period == RL_DAY)
        shape_calendar(f, &limit, RL_ALIGN_DAY);
    else if (limit.period > 7 * RL_DAY)
        shape_calendar(f, &limit, RL_ALIGN_MONTH);
    else
        shape_sliding(&limit, limit.period > RL_DAY ? WEEK_PARTS : HOUR_PARTS);
    return limit;
}

rl_limit rl__limit_shape(rl_context *rl, const struct rl__traits *traits,
                         const struct rl__limits *limits, const struct rl__limit_setting *setting,
                         int of_provider)
{
    struct furnishing f = furnishing_of(rl, traits, limits);

    f.of_provider = of_provider;
    return shape_of(&f, setting);
}

rl_status rl__entry_furnish(struct rl__env *env, struct rl__entry *entry,
                            const struct rl__traits *traits,
                            const struct rl__limit_setting *setting, int of_provider)
{
    int in_ledger = entry->is_bucket && of_provider &&
                    rl__limit_wants_ledger(traits, entry->rule.dimension, setting->limit.period);

    entry->period = setting->limit.period;
    entry->in_windows = entry->is_bucket && !traits->continuous && !in_ledger;
    entry->configured = setting->limit.amount;
    entry->origin = setting->origin;
    return in_ledger ? rl__entry_open_ledger(env, entry, entry->limit.period) : RL_OK;
}

/* Before anybody sees the scope. */
static rl_status add_pool(struct rl__scope *scope, struct rl__entry *entry,
                          const struct furnishing *f, const struct rl__lease_rule *rule)
{
    struct rl__leases *leases;
    rl_status st = rl__leases_new(scope->env, rule, 0, &leases);

    if (st != RL_OK)
        return st;
    rl__entry_lease(entry, leases, f->now);
    scope->pool = entry;
    rl__store(&f->traffic->pools, 1);
    return RL_OK;
}

/* Buckets are full since the beginning of time: a caller's clock reading may be older than the
 * scope it asks for. */
static rl_status add_limits(struct rl__scope *scope, const struct furnishing *f)
{
    for (const struct rl__limit_setting *s = f->limits->first; s != NULL; s = s->next) {
        rl_limit limit = shape_of(f, s);
        struct rl__entry *entry;
        rl_status st = rl__scope_add(scope, &s->rule, &limit, rl__limit_source(s),
                                     limit.algorithm == NULL ? 0 : f->now, &entry);

        if (st != RL_OK)
            return st;
        if ((st = rl__entry_furnish(scope->env, entry, f->traits, s, f->of_provider)) != RL_OK)
            return st;
        if (s->is_pool && (st = add_pool(scope, entry, f, &s->pool)) != RL_OK)
            return st;
    }
    return RL_OK;
}

rl_status rl__furnish_global(rl_context *rl)
{
    struct furnishing f = furnishing_of(rl, rl__traits_find(NULL), &rl__settings(rl)->global);

    return add_limits(&rl->registry.global, &f);
}

/* ---- tenants: our own rules, not a provider's ---- */

static const char *const kind_name[RL__TENANT_KINDS] = { "organisation", "api key", "user" };

/* Rate, not window: what a user has not used is there at once. Of longer periods each is kept from
 * its own beginning on. */
static rl_limit tenant_shape_of(const struct furnishing *f, const struct rl__limit_setting *setting)
{
    rl_limit limit = setting->limit;

    if (setting->shaped)
        return shape_of(f, setting);
    limit.oversize = RL_OVERSIZE_BORROW;
    if (limit.period == RL_DAY)
        shape_calendar(f, &limit, RL_ALIGN_DAY);
    else if (limit.period > 7 * RL_DAY)
        shape_calendar(f, &limit, RL_ALIGN_MONTH);
    return limit;
}

static rl_status fill_tier(struct rl__tier_set *set, rl_context *rl, const char *kind,
                           const struct rl__tier_settings *settings)
{
    struct furnishing f = furnishing_of(rl, rl__traits_find(NULL), &settings->limits);
    struct rl__tier *tier;
    rl_status st = rl__tier_get(set, kind, settings->name, &tier);

    if (st != RL_OK)
        return st;
    tier->weight = settings->weight;
    for (const struct rl__limit_setting *s = settings->limits.first; s != NULL; s = s->next) {
        rl_limit limit = tenant_shape_of(&f, s);

        if ((st = rl__tier_add(set, tier, &s->rule, &limit, f.now)) != RL_OK)
            return st;
    }
    return RL_OK;
}

static rl_status fill_set(struct rl__tier_set *set, rl_context *rl,
                          const struct rl__tenant_settings *settings, size_t kind)
{
    rl_status st = RL_OK;

    for (const struct rl__tier_settings *t = settings->tiers; t != NULL && st == RL_OK; t = t->next)
        st = fill_tier(set, rl, kind_name[kind], t);
    for (const struct rl__tenant_id *id = settings->ids; id != NULL && st == RL_OK; id = id->next)
        st = rl__tier_assign(set, rl__tenant_hash(&rl->registry.key, id->id, strlen(id->id)),
                             rl__tier_index(set, id->tier->name));
    return st;
}

/* NULL in *out, too, where there is nothing to put in force. */
static rl_status make_set(rl_context *rl, const struct rl__config *config, size_t kind,
                          struct rl__tier_set **out)
{
    const struct rl__tenant_settings *settings = &config->tenants[kind];
    struct rl__tenants *tenants = &rl->registry.tenants[kind];
    rl_status st;

    /* No limits are limits, too, once there were others. */
    *out = NULL;
    if (settings->tiers == NULL && !rl__tenants_active(tenants))
        return RL_OK;
    if ((*out = rl__tier_set_new(tenants, kind_name[kind])) == NULL)
        return RL_E_NOMEM;
    if ((st = fill_set(*out, rl, settings, kind)) != RL_OK) {
        rl__tier_set_free(*out);
        *out = NULL;
    }
    return st;
}

static rl_status use_set(rl_context *rl, const struct rl__config *config, size_t kind,
                         struct rl__tier_set *set)
{
    uint64_t most = config->tenants[kind].max_count;

    if (set == NULL)
        return RL_OK;
    rl__store(&rl->registry.tenants[kind].most, most > 0 ? most : UINT64_MAX);
    return rl__tenants_use(&rl->registry.tenants[kind], set, rl__now(&rl->env));
}

rl_status rl__furnish_tenants(rl_context *rl, const struct rl__config *config)
{
    struct rl__tier_set *set[RL__TENANT_KINDS] = { NULL };
    rl_status st = RL_OK;

    for (size_t k = 0; k < RL__TENANT_KINDS && st == RL_OK; k++)
        st = make_set(rl, config, k, &set[k]);
    for (size_t k = 0; k < RL__TENANT_KINDS; k++)
        if (st == RL_OK)
            st = use_set(rl, config, k, set[k]);
        else
            rl__tier_set_free(set[k]);
    return st;
}

/* ---- providers and models ---- */

/* Another reload may put new ones there. */
static const struct rl__provider_settings *settings_of(const struct rl__provider *provider)
{
    return __atomic_load_n(&provider->settings, __ATOMIC_ACQUIRE);
}

static const char *dialect_name(const struct rl__provider *provider)
{
    const struct rl__provider_settings *settings = settings_of(provider);
    const char *name =
        settings != NULL && settings->dialect != NULL ? settings->dialect : provider->name;

    return rl_dialect_find(name) != NULL ? name : "generic";
}

const struct rl__traits *rl__provider_traits(const struct rl__provider *provider)
{
    return provider->traits;
}

int rl__provider_respects(const struct rl__provider *provider)
{
    const struct rl__provider_settings *settings = settings_of(provider);

    return settings == NULL || settings->respect_limits;
}

int rl__provider_auto_detect(const struct rl__provider *provider)
{
    const struct rl__provider_settings *settings = settings_of(provider);

    return settings == NULL || settings->auto_detect;
}

const struct rl__searching *rl__provider_searching(const rl_context *rl,
                                                   const struct rl__provider *provider)
{
    const struct rl__provider_settings *settings = settings_of(provider);

    return settings != NULL && settings->searching.given ? &settings->searching
                                                         : &rl__settings(rl)->searching;
}

rl_status rl__furnish_provider(void *user, struct rl__provider *provider)
{
    rl_context *rl = user;
    const struct rl__provider_settings *settings =
        rl__config_provider(rl__settings(rl), provider->name);
    struct furnishing f;
    rl_status st;

    provider->settings = settings;
    provider->dialect = rl_dialect_find(dialect_name(provider));
    provider->traits = rl__traits_find(rl_dialect_name(provider->dialect));
    if (settings != NULL) {
        f = furnishing_of(rl, rl__provider_traits(provider), &settings->limits);
        if ((st = add_limits(&provider->scope, &f)) != RL_OK)
            return st;
    }
    return rl__guard_new(rl, provider); /* last: nobody else frees it if this fails */
}

const char *rl__family_name(const struct rl__model_settings *settings)
{
    const char *many = settings->is_table ? " *" : "*";

    if (settings->family != NULL)
        return settings->family;
    return strpbrk(settings->name, many) != NULL ? settings->name : NULL;
}

static size_t fit_of(const struct rl__model_settings *settings, const char *model)
{
    return settings->is_table ? rl__pattern_list_fit(settings->name, model)
                              : rl__pattern_fit(settings->name, strlen(settings->name), model);
}

/* The name itself before any pattern; else the pattern with the most characters that are no stars;
 * of two alike, the one that the file names first. */
static const struct rl__model_settings *best_of(const struct rl__model_settings *models,
                                                int is_table, const char *model)
{
    const struct rl__model_settings *best = NULL;
    size_t best_fit = 1;

    for (; models != NULL; models = models->next) {
        size_t fit = models->is_table == is_table ? fit_of(models, model) : 0;

        /* The list has the last one first. */
        if (fit >= best_fit) {
            best = models;
            best_fit = fit;
        }
    }
    return best;
}

/* A pattern of the file's takes the place of the tables'; a model that it names may belong to a
 * family of theirs. */
struct rl__model_choice rl__model_settings(const struct rl__provider_settings *provider,
                                           const char *model)
{
    struct rl__model_choice choice = { NULL, NULL };
    const struct rl__model_settings *own, *table;

    if (provider == NULL || model[0] == '\0')
        return choice;
    own = best_of(provider->models, 0, model);
    table = best_of(provider->models, 1, model);
    if (own == NULL || (rl__family_name(own) == NULL && table != NULL))
        choice.shared = table;
    if (own != NULL && rl__family_name(own) != NULL)
        choice.shared = own;
    else
        choice.own = own;
    if (choice.shared != NULL && rl__family_name(choice.shared) == NULL) {
        choice.own = choice.own != NULL ? choice.own : choice.shared;
        choice.shared = NULL;
    }
    return choice;
}

static rl_status join_family(rl_context *rl, struct rl__provider *provider,
                             struct rl__lane_node *node, const struct rl__model_settings *settings)
{
    struct furnishing f = furnishing_of(rl, rl__provider_traits(provider), &settings->limits);
    struct rl__family *family;
    rl_status st = rl__registry_family(&rl->registry, provider, rl__family_name(settings), &family);

    if (st == RL_OK && !family->furnished && (st = add_limits(&family->scope, &f)) != RL_OK)
        rl__scope_deinit(&family->scope); /* nobody has seen it: the next one tries again */
    if (st != RL_OK)
        return st;
    family->furnished = 1;
    node->lane.scope[RL__FAMILY_SCOPE] = &family->scope;
    return RL_OK;
}

static int knows_limits(const struct rl__lane *lane)
{
    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; lane->scope[s] != NULL && i < rl__scope_count(lane->scope[s]); i++)
            if (rl__entry_paces(lane->scope[s]->entry[i]) || lane->scope[s]->pool != NULL)
                return 1;
    return 0;
}

/* While nothing is known, a small tier's table lets fewer go at first than would else; a large
 * one's is not relied on. */
static uint64_t first_window(const rl_table_row *guess)
{
    rl_table_limit limit;

    for (size_t i = 0; guess != NULL && i < RL_TABLE_LIMITS; i++) {
        limit = guess->limit[i];
        if (limit.dimension == RL_REQUESTS && limit.amount != 0 && limit.period <= RL_MINUTE)
            return rl__max(1, rl__min(rl__mul_div(limit.amount, RL_SECOND, limit.period),
                                      RL__PROBE_WINDOW_FIRST));
    }
    return RL__PROBE_WINDOW_FIRST;
}

static void guess(struct rl__lane *lane, const struct rl__provider *provider, const char *model)
{
    const struct rl__provider_settings *settings = settings_of(provider);

    if (model[0] != '\0' && (settings == NULL || settings->unknown.first == NULL))
        lane->guess = rl_table_find(rl_dialect_name(provider->dialect), NULL, model);
    lane->probe_window = first_window(lane->guess);
}

/* Where the file names models, nothing is to hold them all back together that nobody named. */
static int is_searched(const struct rl__provider *provider, const char *model)
{
    const struct rl__provider_settings *settings = settings_of(provider);
    const struct rl__model_settings *named = settings != NULL ? settings->models : NULL;

    while (named != NULL && named->is_table)
        named = named->next;
    return model[0] != '\0' || named == NULL;
}

/* The provider's own scope may be in use already. */
static rl_status begin_searching(rl_context *rl, struct rl__provider *provider,
                                 struct rl__lane *lane)
{
    rl_status st;

    if (!rl__provider_respects(provider))
        return RL_OK;
    rl__lock(&provider->learning);
    st = rl__search_initial(lane, rl__provider_searching(rl, provider), rl__now(&rl->env));
    rl__unlock(&provider->learning);
    return st;
}

rl_status rl__furnish_lane(void *user, struct rl__provider *provider, struct rl__lane_node *node,
                           const char *model)
{
    rl_context *rl = user;
    struct rl__model_choice choice = rl__model_settings(settings_of(provider), model);
    struct furnishing f;
    rl_status st = RL_OK;

    if (choice.shared != NULL)
        st = join_family(rl, provider, node, choice.shared);
    /* else its twin's: done */
    if (st == RL_OK && choice.own != NULL && node->lane.scope[RL__MODEL_SCOPE] == &node->scope) {
        f = furnishing_of(rl, rl__provider_traits(provider), &choice.own->limits);
        st = add_limits(&node->scope, &f);
    }
    if (st == RL_OK && rl__provider_respects(provider) && !knows_limits(&node->lane))
        guess(&node->lane, provider, model);
    return st == RL_OK && is_searched(provider, model) ? begin_searching(rl, provider, &node->lane)
                                                       : st;
}
