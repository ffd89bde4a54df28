/* SPDX-License-Identifier: MIT */
/* Owns the table of providers and lanes. Nodes are announced with release and read with acquire;
 * they are freed only with the table, so a reader never needs a lock. */
#include "scope/registry.h"

#include "base/quantile.h"
#include <string.h>

_Static_assert(offsetof(struct rl__lane_node, lane) == 0, "a lane is the beginning of its node");

rl_status rl__registry_init(struct rl__registry *registry, struct rl__env *env)
{
    rl_status st;

    registry->env = env;
    registry->key.word[0] = rl__random(env);
    registry->key.word[1] = rl__random(env);
    registry->global.name = "global";
    registry->global.env = env;
    for (size_t k = 0; k < RL__TENANT_KINDS; k++)
        if ((st = rl__tenants_init(&registry->tenants[k], env, &registry->key)) != RL_OK)
            return st;
    if ((st = rl__mutex_init(&registry->lock)) == RL_OK)
        registry->ready = 1;
    return st;
}

static void free_families(struct rl__registry *registry, struct rl__provider *provider)
{
    while (provider->families != NULL) {
        struct rl__family *family = provider->families;

        provider->families = family->next;
        rl__scope_deinit(&family->scope);
        rl__free(registry->env, family->name);
        rl__free(registry->env, family);
    }
}

static void free_provider(struct rl__registry *registry, struct rl__provider *provider)
{
    free_families(registry, provider);
    rl__mutex_deinit(&provider->learning);
    rl__scope_deinit(&provider->scope);
    rl__free(registry->env, provider->name);
    rl__free(registry->env, provider);
}

static void free_node(struct rl__registry *registry, struct rl__lane_node *node)
{
    rl__scope_deinit(&node->scope);
    rl__free(registry->env, node->name);
    rl__free(registry->env, node);
}

void rl__registry_deinit(struct rl__registry *registry)
{
    while (registry->lanes != NULL) {
        struct rl__lane_node *node = registry->lanes;

        registry->lanes = node->next;
        free_node(registry, node);
    }
    while (registry->providers != NULL) {
        struct rl__provider *provider = registry->providers;

        registry->providers = provider->next;
        free_provider(registry, provider);
    }
    rl__scope_deinit(&registry->global);
    for (size_t k = 0; k < RL__TENANT_KINDS; k++)
        rl__tenants_deinit(&registry->tenants[k]);
    if (registry->ready)
        rl__mutex_deinit(&registry->lock);
    registry->ready = 0;
}

/* Names go into log lines, explanations and, with a provider's key beside them, into requests. */
static int name_is_good(const char *name, size_t length, size_t longest)
{
    if (length > longest)
        return 0;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return 0;
    return 1;
}

struct lane_name {
    const char *provider, *model;
    size_t provider_length, model_length;
    size_t bucket;
};

static rl_status read_name(const struct rl__registry *registry, const char *provider,
                           const char *model, struct lane_name *name)
{
    uint64_t hash;

    if (provider == NULL || provider[0] == '\0')
        return RL_E_INVALID;
    *name = (struct lane_name){ .provider = provider, .model = model != NULL ? model : "" };
    name->provider_length = strnlen(provider, RL__PROVIDER_NAME_MAX + 1);
    name->model_length = strnlen(name->model, RL__MODEL_NAME_MAX + 1);
    if (!name_is_good(provider, name->provider_length, RL__PROVIDER_NAME_MAX) ||
        !name_is_good(name->model, name->model_length, RL__MODEL_NAME_MAX))
        return RL_E_INVALID;
    hash = rl__hash(&registry->key, provider, name->provider_length);
    hash = hash * 31 + rl__hash(&registry->key, name->model, name->model_length);
    name->bucket = (size_t)(hash % RL__BUCKETS);
    return RL_OK;
}

static int is_lane(const struct rl__lane_node *node, const struct lane_name *name)
{
    const char *rest = node->name + node->provider_length;

    if (node->provider_length != name->provider_length ||
        memcmp(node->name, name->provider, name->provider_length) != 0)
        return 0;
    if (name->model_length == 0)
        return rest[0] == '\0';
    return rest[0] == '/' && strcmp(rest + 1, name->model) == 0;
}

static struct rl__lane_node *find_lane(struct rl__registry *registry, const struct lane_name *name)
{
    /* acquire: pairs with publish(). */
    struct rl__lane_node *node = __atomic_load_n(&registry->bucket[name->bucket], __ATOMIC_ACQUIRE);

    while (node != NULL && !is_lane(node, name))
        node = __atomic_load_n(&node->next_in_bucket, __ATOMIC_ACQUIRE);
    return node;
}

static void publish(struct rl__registry *registry, struct rl__lane_node *node, size_t bucket)
{
    node->bucket = bucket;
    node->next_in_bucket = registry->bucket[bucket];
    node->next = registry->lanes;
    __atomic_store_n(&registry->lanes, node, __ATOMIC_RELEASE);
    rl__fetch_add(&registry->lane_count, 1);
    __atomic_store_n(&registry->bucket[bucket], node, __ATOMIC_RELEASE);
}

static struct rl__lane_node *retired_twin(const struct rl__registry *registry,
                                          const struct rl__lane_node *like)
{
    struct rl__lane_node *node = registry->lanes;

    while (node != NULL &&
           !(rl__load(&node->retired) != 0 && node->provider_length == like->provider_length &&
             strcmp(node->name, like->name) == 0))
        node = node->next;
    return node;
}

void rl__registry_retire(struct rl__registry *registry, struct rl__lane_node *node)
{
    struct rl__lane_node **link = &registry->bucket[node->bucket];

    while (*link != node)
        link = &(*link)->next_in_bucket;
    /* release: as in publish(); who stands on this node still finds the rest of the chain. */
    __atomic_store_n(link, node->next_in_bucket, __ATOMIC_RELEASE);
    rl__store_release(&node->retired, 1);
    rl__fetch_add(&registry->lane_count, UINT64_MAX);
}

static rl_status new_provider(struct rl__registry *registry, const struct lane_name *name,
                              struct rl__provider **out)
{
    struct rl__provider *provider;
    rl_status st;

    if (registry->provider_count == RL__PROVIDERS_MAX)
        return RL_E_TABLE_FULL;
    if ((provider = rl__alloc_zeroed(registry->env, 1, sizeof *provider)) == NULL)
        return RL_E_NOMEM;
    if ((st = rl__mutex_init(&provider->learning)) != RL_OK) {
        rl__free(registry->env, provider);
        return st;
    }
    provider->name = rl__copy_text(registry->env, name->provider, name->provider_length);
    provider->scope.name = provider->name;
    provider->scope.env = registry->env;
    st = provider->name == NULL ? RL_E_NOMEM : registry->furnish_provider(registry->user, provider);
    if (st != RL_OK) {
        free_provider(registry, provider);
        return st;
    }
    provider->next = registry->providers;
    registry->providers = provider;
    registry->provider_count++;
    *out = provider;
    return RL_OK;
}

static rl_status find_provider(struct rl__registry *registry, const struct lane_name *name,
                               struct rl__provider **out)
{
    for (struct rl__provider *p = registry->providers; p != NULL; p = p->next)
        if (strcmp(p->name, name->provider) == 0) {
            *out = p;
            return RL_OK;
        }
    return new_provider(registry, name, out);
}

static char *joined_name(struct rl__registry *registry, const struct lane_name *name)
{
    size_t length = name->provider_length + (name->model_length > 0 ? 1 + name->model_length : 0);
    char *text = rl__alloc_zeroed(registry->env, 1, length + 1);

    if (text == NULL)
        return NULL;
    memcpy(text, name->provider, name->provider_length);
    if (name->model_length > 0) {
        text[name->provider_length] = '/';
        memcpy(text + name->provider_length + 1, name->model, name->model_length);
    }
    return text;
}

rl_status rl__registry_family(struct rl__registry *registry, struct rl__provider *provider,
                              const char *pattern, struct rl__family **out)
{
    struct lane_name name = { .provider = provider->name, .model = pattern };
    struct rl__family *family = provider->families;

    while (family != NULL && strcmp(family->name + family->pattern, pattern) != 0)
        family = family->next;
    if (family == NULL) {
        name.provider_length = strlen(provider->name);
        name.model_length = strlen(pattern);
        if ((family = rl__alloc_zeroed(registry->env, 1, sizeof *family)) == NULL)
            return RL_E_NOMEM;
        if ((family->name = joined_name(registry, &name)) == NULL) {
            rl__free(registry->env, family);
            return RL_E_NOMEM;
        }
        family->scope.name = family->name;
        family->scope.env = registry->env;
        family->pattern = name.provider_length + 1;
        family->next = provider->families;
        provider->families = family;
    }
    *out = family;
    return RL_OK;
}

static void lay_lane(struct rl__registry *registry, struct rl__provider *provider,
                     struct rl__lane_node *node, const struct lane_name *name)
{
    node->provider_length = name->provider_length;
    node->scope.name = node->name;
    node->scope.env = registry->env;
    node->lane.scope[RL__GLOBAL_SCOPE] = &registry->global;
    node->lane.scope[RL__PROVIDER_SCOPE] = &provider->scope;
    node->lane.scope[RL__MODEL_SCOPE] = name->model_length > 0 ? &node->scope : NULL;
    node->lane.provider = provider;
    node->lane.traffic = &registry->traffic;
    node->lane.probe_window = RL_NEVER;
    node->lane.input_quantile = rl__quantile_start(RL__QUANTILE_ONE);
    for (size_t i = 0; i < RL__OUTPUT_CLASSES; i++)
        node->lane.output_quantile[i] = rl__quantile_start(RL__QUANTILE_ONE);
}

static rl_status new_lane(struct rl__registry *registry, const struct lane_name *name,
                          struct rl__lane_node **out)
{
    struct rl__provider *provider = NULL;
    struct rl__lane_node *node, *twin;
    rl_status st;

    if (registry->lane_count == RL__MODELS_MAX)
        return RL_E_TABLE_FULL;
    if ((st = find_provider(registry, name, &provider)) != RL_OK)
        return st;
    if ((node = rl__alloc_zeroed(registry->env, 1, sizeof *node)) == NULL)
        return RL_E_NOMEM;
    if ((node->name = joined_name(registry, name)) == NULL) {
        free_node(registry, node);
        return RL_E_NOMEM;
    }
    lay_lane(registry, provider, node, name);
    if ((twin = retired_twin(registry, node)) != NULL && name->model_length > 0)
        node->lane.scope[RL__MODEL_SCOPE] = twin->lane.scope[RL__MODEL_SCOPE];
    if ((st = registry->furnish_lane(registry->user, provider, node, name->model)) != RL_OK) {
        free_node(registry, node);
        return st;
    }
    if (name->model_length > 0 && twin == NULL)
        rl__fetch_add(&provider->model_count, 1);
    publish(registry, node, name->bucket);
    *out = node;
    return RL_OK;
}

rl_status rl__registry_lane(struct rl__registry *registry, const char *provider, const char *model,
                            struct rl__lane **out)
{
    struct lane_name name;
    struct rl__lane_node *node;
    rl_status st = read_name(registry, provider, model, &name);

    if (st != RL_OK)
        return st;
    if ((node = find_lane(registry, &name)) == NULL) {
        if (rl__env_is_forked(registry->env))
            return RL_E_INVALID;
        rl__lock(&registry->lock);
        if ((node = find_lane(registry, &name)) == NULL)
            st = new_lane(registry, &name, &node);
        rl__unlock(&registry->lock);
    }
    if (st == RL_OK)
        *out = &node->lane;
    return st;
}

rl_status rl__registry_current(struct rl__registry *registry, struct rl__lane *lane,
                               struct rl__lane **out)
{
    const struct rl__lane_node *node = (const struct rl__lane_node *)(const void *)lane;
    char provider[RL__PROVIDER_NAME_MAX + 1];
    const char *rest = node->name + node->provider_length;

    *out = lane;
    if (rl__load(&node->retired) == 0)
        return RL_OK;
    memcpy(provider, node->name, node->provider_length);
    provider[node->provider_length] = '\0';
    return rl__registry_lane(registry, provider, rest[0] == '/' ? rest + 1 : NULL, out);
}
