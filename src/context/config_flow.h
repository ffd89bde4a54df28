/* SPDX-License-Identifier: MIT */
/* What a configuration says of retries, of circuit breakers and of limits that are searched for. */
#ifndef LLMRL_SRC_CONFIG_FLOW_H
#define LLMRL_SRC_CONFIG_FLOW_H

#include "context/config.h"
#include "context/config_json.h"

rl_status rl__read_retry(struct rl__reader *reader, const cJSON *value, struct rl__config *config);
rl_status rl__read_breaker(struct rl__reader *reader, const cJSON *value,
                           struct rl__breaker_settings *settings);
void rl__searching_init(struct rl__searching *searching);
rl_status rl__read_searching(struct rl__reader *reader, const cJSON *value,
                             struct rl__searching *searching);

#endif
