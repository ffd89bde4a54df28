/* SPDX-License-Identifier: MIT */
/* What a provider's "tier" brings into a configuration. */
#ifndef LLMRL_SRC_CONFIG_TABLE_H
#define LLMRL_SRC_CONFIG_TABLE_H

#include "context/config.h"
#include "context/config_json.h"

/* Adds the rows of the provider's tier as if the file had said so, where it says nothing else. The
 * file's part has been read; a tier that no table knows is an error at its place. */
rl_status rl__config_tables(struct rl__reader *reader, struct rl__config *config,
                            struct rl__provider_settings *provider);

#endif
