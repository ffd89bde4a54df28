/* SPDX-License-Identifier: MIT */
/* A configuration, read and checked; see <llmrl/config.h> for the format. */
#ifndef LLMRL_SRC_CONFIG_H
#define LLMRL_SRC_CONFIG_H

#include "base/env.h"

#include <llmrl/config.h>

struct rl__limit_setting {
    uint32_t dimension;
    rl_duration period;
    uint64_t amount;
    struct rl__limit_setting *next;
};

struct rl__model_settings {
    char *name;
    struct rl__limit_setting *limits;
    struct rl__model_settings *next;
};

struct rl__provider_settings {
    char *name;
    char *dialect; /* NULL: by the provider's name */
    char *base_url, *api_key_env;
    int auto_detect;
    struct rl__limit_setting *limits;
    struct rl__model_settings *models;
    struct rl__provider_settings *next;
};

struct rl__config {
    struct rl__env *env;
    struct rl__limit_setting *global;
    struct rl__provider_settings *providers;
    uint64_t queue_max_size;
    uint64_t queue_max_wait_ms;
    rl_retry_policy retry;
};

void rl__config_init(struct rl__config *config, struct rl__env *env);
void rl__config_deinit(struct rl__config *config);
/* Reads `length` bytes of JSON into a fresh config. On failure `error` says where and what. */
rl_status rl__config_read(struct rl__config *config, const char *json, size_t length, char *error,
                          size_t error_size);
rl_status rl__config_read_file(struct rl__config *config, const char *path, char *error,
                               size_t error_size);
/* NULL: the file does not speak of it. */
const struct rl__provider_settings *rl__config_provider(const struct rl__config *config,
                                                        const char *name);

#endif
