/* SPDX-License-Identifier: MIT */
/* The parts of the configuration that have files of their own. Each reads one member of the top;
 * `target` is the struct rl__config. */
#ifndef LLMRL_SRC_CONFIG_PARTS_H
#define LLMRL_SRC_CONFIG_PARTS_H

#include "context/config.h"
#include "context/config_json.h"

rl_status rl__read_providers(struct rl__reader *reader, const cJSON *value, void *target);
rl_status rl__read_queue(struct rl__reader *reader, const cJSON *value, void *target);

#endif
