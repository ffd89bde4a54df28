/* SPDX-License-Identifier: MIT */
/* Whose limits apply: finds, or makes, the lane of a provider and a model. Looking up takes no
 * lock. */
#ifndef LLMRL_SRC_REGISTRY_H
#define LLMRL_SRC_REGISTRY_H

#include "base/env.h"
#include "base/hash.h"
#include "base/sync.h"
#include "scope/scope.h"

#define RL__PROVIDERS_MAX     256
#define RL__MODELS_MAX        4096 /* of all providers together */
#define RL__PROVIDER_NAME_MAX 128
#define RL__MODEL_NAME_MAX    256

struct rl__provider {
    char *name;
    const void *settings; /* the configuration's, or a default; opaque here */
    const void *dialect;
    const void *traits;        /* how it counts; opaque here */
    uint64_t model_count;      /* lanes with a model; atomic */
    struct rl__mutex learning; /* guards what scope.h says it does, in this provider's scopes */
    struct rl__scope scope;
    struct rl__family *families;
    struct rl__guard *guard; /* the context's; NULL: none */
    struct rl__provider *next;
};

/* Models that share limits. */
struct rl__family {
    struct rl__scope scope;
    char *name;     /* "openai/gpt-4o-*" */
    size_t pattern; /* where the pattern begins in it */
    int furnished;  /* it has its limits */
    struct rl__family *next;
};

struct rl__lane_node {
    struct rl__lane lane;
    struct rl__scope scope; /* of the model; unused in the lane of the provider as a whole */
    char *name;             /* "openai/gpt-4o-mini", or "openai" */
    size_t provider_length; /* of name */
    size_t bucket;
    uint64_t retired; /* 1: another one has taken its place. The lock writes; atomic */
    struct rl__lane_node *next_in_bucket; /* atomic */
    struct rl__lane_node *next;
};

#define RL__BUCKETS 1024
struct rl__registry {
    struct rl__env *env;
    struct rl__hash_key key;
    struct rl__scope global;
    struct rl__tenants tenants[RL__TENANT_KINDS];
    struct rl__traffic traffic;
    struct rl__mutex lock; /* for adding; published nodes never change place */
    struct rl__lane_node *bucket[RL__BUCKETS];
    struct rl__lane_node *lanes; /* all, newest first */
    struct rl__provider *providers;
    uint64_t provider_count, lane_count;
    int ready;
    /* Called under the lock when a provider or a model first appears, to give it its settings and
     * limits. */
    rl_status (*furnish_provider)(void *user, struct rl__provider *provider);
    rl_status (*furnish_lane)(void *user, struct rl__provider *provider, struct rl__lane_node *node,
                              const char *model);
    void *user;
};

rl_status rl__registry_init(struct rl__registry *registry, struct rl__env *env);
void rl__registry_deinit(struct rl__registry *registry);
/* The provider's family of that pattern, made if need be. Under the registry's lock. */
rl_status rl__registry_family(struct rl__registry *registry, struct rl__provider *provider,
                              const char *pattern, struct rl__family **out);
/* All lanes, newest first; without the lock. acquire: pairs with publish(). */
static inline const struct rl__lane_node *rl__registry_lanes(const struct rl__registry *registry)
{
    return __atomic_load_n(&registry->lanes, __ATOMIC_ACQUIRE);
}
/* The lane that has taken the place of this one, or itself. */
rl_status rl__registry_current(struct rl__registry *registry, struct rl__lane *lane,
                               struct rl__lane **out);
/* Takes a lane out of the table, so that the next who asks gets a new one, with the same scope for
 * its model. Whoever has the old one may go on with it. Under the registry's lock. */
void rl__registry_retire(struct rl__registry *registry, struct rl__lane_node *node);
/* model NULL or "": the provider as a whole. RL_E_INVALID: a name is missing, too long or has
 * control characters; RL_E_TABLE_FULL, RL_E_NOMEM, or what furnishing says. */
rl_status rl__registry_lane(struct rl__registry *registry, const char *provider, const char *model,
                            struct rl__lane **out);

#endif
