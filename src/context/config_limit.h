/* SPDX-License-Identifier: MIT */
/* How a configuration writes limits: shorthands ("requests_per_minute"), and the list "limits". */
#ifndef LLMRL_SRC_CONFIG_LIMIT_H
#define LLMRL_SRC_CONFIG_LIMIT_H

#include "context/config.h"
#include "context/config_json.h"

/* What the keys of a scope are read into; every target that has limits begins with one. */
struct rl__limits_target {
    struct rl__config *config;
    struct rl__limits *limits;
};

/* Readers for struct rl__key; the target is an rl__limits_target. */
rl_status rl__read_short_limit(struct rl__reader *reader, const cJSON *value, void *target);
rl_status rl__read_money_limit(struct rl__reader *reader, const cJSON *value, void *target);
rl_status rl__read_concurrency(struct rl__reader *reader, const cJSON *value, void *target);
/* { "slots": 8, "lease_ms": 60000 }; not of tenants. config_pool.c */
rl_status rl__read_pool(struct rl__reader *reader, const cJSON *value, void *target);
rl_status rl__read_limit_list(struct rl__reader *reader, const cJSON *value, void *target);
rl_status rl__read_day_zone(struct rl__reader *reader, const cJSON *value, void *target);
/* { "reserve": { "input_tokens": 1, ... }, "settle": { ... } } */
rl_status rl__read_charge(struct rl__reader *reader, const cJSON *value, struct rl__rule *rule);
/* [ "requests_per_minute", ... ]: what shorthands there are, without amounts. */
rl_status rl__read_limit_names(struct rl__reader *reader, const cJSON *value, void *target);
/* The concurrency limit of a pool that was read. */
rl_status rl__limits_add_pool(struct rl__reader *reader, struct rl__limits_target *into,
                              const struct rl__lease_rule *rule);
/* A limit that no file has written; RL_E_NOMEM. `origin` is static. */
rl_status rl__limits_add(struct rl__limits_target *into, const rl_table_limit *limit,
                         const char *origin);
/* An rl_source. */
static inline uint32_t rl__limit_source(const struct rl__limit_setting *setting)
{
    return setting->origin != NULL ? RL_SOURCE_TABLE : RL_SOURCE_CONFIG;
}
/* Whether there is one for that dimension and period, charged as usual. */
int rl__limits_speak_of(const struct rl__limits *limits, const rl_table_limit *limit);
void rl__limits_free(struct rl__env *env, struct rl__limits *limits);

/* "America/Los_Angeles", as this machine has it; "UTC" if that cannot be told. */
void rl__local_zone(char *name, size_t size);

#define RL__LIMIT_KEYS_OF(word, read)                                                              \
    { word "_per_second", read }, { word "_per_minute", read }, { word "_per_hour", read },        \
        { word "_per_day", read }, { word "_per_week", read }, { word "_per_month", read },        \
    {                                                                                              \
        "daily_" word, read                                                                        \
    }
#define RL__LIMIT_KEYS                                                                             \
    RL__LIMIT_KEYS_OF("requests", rl__read_short_limit),                                           \
        RL__LIMIT_KEYS_OF("tokens", rl__read_short_limit),                                         \
        RL__LIMIT_KEYS_OF("input_tokens", rl__read_short_limit),                                   \
        RL__LIMIT_KEYS_OF("output_tokens", rl__read_short_limit),                                  \
        RL__LIMIT_KEYS_OF("images", rl__read_short_limit),                                         \
        RL__LIMIT_KEYS_OF("dollars", rl__read_money_limit),                                        \
        { "concurrency", rl__read_concurrency }, { "day_zone", rl__read_day_zone },                \
    {                                                                                              \
        "limits", rl__read_limit_list                                                              \
    }

#endif
