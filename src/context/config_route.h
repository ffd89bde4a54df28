/* SPDX-License-Identifier: MIT */
/* What a configuration says of routes: chains of fallback, and a provider's keys. */
#ifndef LLMRL_SRC_CONFIG_ROUTE_H
#define LLMRL_SRC_CONFIG_ROUTE_H

#include "context/config.h"
#include "context/config_json.h"

#define RL__HOPS_MAX   16 /* of a chain, the first included */
#define RL__ROUTES_MAX 32 /* of a request: hops, each with each of its keys */

#define RL__KEY_MARK '#' /* "openai#eu": the key "eu" of "openai" */

/* One step of a chain: "openai/gpt-4". */
struct rl__hop {
    char *provider, *model; /* owned */
    struct rl__hop *next;
};

struct rl__chain {
    struct rl__hop *first;
    int is_list; /* each of its hops falls back on those behind it; else the first alone does */
    struct rl__chain *next;
};

rl_status rl__read_fallback(struct rl__reader *reader, const cJSON *value,
                            struct rl__config *config);
/* Once all is read: no request may have more than RL__ROUTES_MAX routes. */
rl_status rl__check_routes(struct rl__reader *reader, const struct rl__config *config);
void rl__chains_free(struct rl__config *config);
/* What the provider has, but for what the key itself says; to be deleted. NULL: out of memory. */
cJSON *rl__key_overlay(const cJSON *provider, const cJSON *key);
rl_status rl__key_check_repeated(struct rl__reader *reader, const cJSON *object);
/* Names it, and has its answers read as its provider's. */
rl_status rl__key_name(struct rl__config *config, struct rl__provider_settings *key,
                       const char *provider, const char *name);
/* What a request falls back on; NULL: nothing. */
const struct rl__hop *rl__config_fallback(const struct rl__config *config, const char *provider,
                                          const char *model);
/* The next key of that provider behind `previous` (NULL: the first); NULL: no more. */
const struct rl__provider_settings *rl__config_key(const struct rl__config *config,
                                                   const char *provider,
                                                   const struct rl__provider_settings *previous);

#endif
