/* SPDX-License-Identifier: MIT */
/* What the readers of limits share. */
#ifndef LLMRL_SRC_CONFIG_LIMIT_PARTS_H
#define LLMRL_SRC_CONFIG_LIMIT_PARTS_H

#include "context/config_limit.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* "tokens". 0: no such word. */
int rl__dimension_called(const char *name, uint32_t *dimension);
/* "minute"; 0: no such word. */
rl_duration rl__period_called(const char *word);
/* A limit at the end of the list, to be filled in; NULL: out of memory. */
struct rl__limit_setting *rl__limits_append(struct rl__limits_target *into);
/* The checks that every limit has to pass. */
rl_status rl__limits_finish(struct rl__reader *reader, struct rl__limits_target *into,
                            const struct rl__limit_setting *setting);
/* So many at once is a limit of its own shape. */
void rl__shape_concurrency(struct rl__limit_setting *setting);
rl_status rl__read_dollars(struct rl__reader *reader, const cJSON *value, uint64_t *nano);
/* *out is owned by the reader of it, and replaced. */
rl_status rl__read_zone(struct rl__reader *reader, const cJSON *value, struct rl__env *env,
                        char **out);

#endif
