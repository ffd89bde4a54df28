/* SPDX-License-Identifier: MIT */
/* What a configuration says of users, organisations and their own API keys: tiers with limits, and
 * who has which. */
#ifndef LLMRL_SRC_CONFIG_TENANTS_H
#define LLMRL_SRC_CONFIG_TENANTS_H

#include "context/config_limit.h"

rl_status rl__read_tenants(struct rl__reader *reader, const cJSON *value, struct rl__config *config,
                           enum rl__tenant_kind kind);
void rl__tenant_settings_free(struct rl__env *env, struct rl__tenant_settings *tenants);

#endif
