/* SPDX-License-Identifier: MIT */
/* A configuration, read and checked; see <llmrl/config.h> for the format. */
#ifndef LLMRL_SRC_CONFIG_H
#define LLMRL_SRC_CONFIG_H

#include "base/env.h"
#include "base/map.h"
#include "flow/queue.h"
#include "provider/learn.h"
#include "scope/lease.h"
#include "scope/tenants.h"

#include <llmrl/config.h>

struct rl__limit_setting {
    struct rl__rule rule;
    rl_limit limit; /* as written; its epoch is still to come */
    char *zone;     /* owned; limit.zone */
    int shaped;     /* the file says how it is kept; else it is left to us */
    int is_pool;    /* its units are leases: */
    struct rl__lease_rule pool;
    const char *origin; /* static: the built-in table; NULL: the file */
    struct rl__limit_setting *next;
};

struct rl__limits {
    struct rl__limit_setting *first; /* in the order of the file */
    char *day_zone;                  /* of days and months without one; NULL: as usual */
};

struct rl__model_settings {
    char *name;         /* or a pattern: '*' for any characters; a table's also several */
    const char *family; /* static: what a table calls them together; NULL: as `name` */
    int is_table;       /* the file does not speak of it */
    struct rl__limits limits;
    struct rl__model_settings *next;
};

struct rl__breaker_settings {
    int given, enabled;
    rl_breaker_options options;
};

struct rl__chain;

/* Each of a provider's "keys" is a provider of its own, whose name is "openai#eu". */
struct rl__provider_settings {
    char *name;
    char *key_of, *key; /* "openai", "eu"; NULL: it is no key */
    uint64_t weight;    /* of a key */
    char *dialect;      /* NULL: by the provider's name */
    char *base_url, *api_key_env;
    char *tier; /* whose built-in tables bind; NULL: none do */
    int auto_detect, respect_limits;
    struct rl__breaker_settings breaker; /* else that of the whole file */
    struct rl__searching searching;      /* so, too */
    struct rl__limits unknown;           /* what tables do not count for */
    struct rl__limits limits;
    struct rl__model_settings *models;
    struct rl__provider_settings *next;
};

struct rl__tier_settings {
    char *name;
    uint64_t weight;
    struct rl__limits limits;
    struct rl__tier_settings *next;
};

struct rl__tenant_id {
    struct rl__map_node node; /* while the file is being read */
    char *id;
    const struct rl__tier_settings *tier;
    struct rl__tenant_id *next;
};

struct rl__tenant_settings {
    struct rl__tier_settings *tiers; /* NULL: the file does not speak of this kind */
    struct rl__tenant_id *ids;
    uint64_t max_count;
};

struct rl__config {
    struct rl__config *older;
    char *text; /* as it was read; NULL: nothing was, or a newer one is in force */
    struct rl__env *env;
    const rl_algorithm *const *algorithms; /* the user's own; NULL: none */
    struct rl__limits global;
    struct rl__provider_settings *providers;
    struct rl__tenant_settings tenants[RL__TENANT_KINDS];
    uint32_t estimate_share; /* of requests that are to find enough reserved, in 1/1024 */
    struct rl__queue_rules queue;
    uint64_t queue_max_wait_ms;
    rl_retry_policy retry;
    int has_retry_budget;
    rl_retry_budget_options retry_budget;
    struct rl__breaker_settings breaker;
    struct rl__chain *chains;
    rl_duration stay_within; /* so long a route is waited for rather than left */
    struct rl__searching searching;
};

void rl__config_init(struct rl__config *config, struct rl__env *env,
                     const rl_algorithm *const *algorithms);
void rl__config_deinit(struct rl__config *config);
struct rl__config *rl__config_new(struct rl__env *env, const rl_algorithm *const *algorithms);
void rl__config_free(struct rl__config *config); /* NULL is fine */
/* Reads `length` bytes of JSON into a fresh config. On failure `error` says where and what. */
rl_status rl__config_read(struct rl__config *config, const char *json, size_t length, char *error,
                          size_t error_size);
rl_status rl__config_read_file(struct rl__config *config, const char *path, char *error,
                               size_t error_size);
/* NULL: the file does not speak of it. */
const struct rl__provider_settings *rl__config_provider(const struct rl__config *config,
                                                        const char *name);

#endif
