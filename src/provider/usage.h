/* SPDX-License-Identifier: MIT */
/* Token counts of all dialects, brought into the one form of rl_usage. */
#ifndef LLMRL_SRC_USAGE_H
#define LLMRL_SRC_USAGE_H

#include "provider/dialect.h"

#include <cjson/cJSON.h>

#define RL__USAGE_FIELDS 32

/* What the usage objects of one answer held so far: of each field the last value stands. */
struct rl__usage_seen {
    uint64_t value[RL__USAGE_FIELDS];
    uint32_t fields;  /* bit n: value[n] was there */
    uint32_t ignored; /* values that are no counts */
};

/* Takes one usage object. `prompt_only`: its output counts are not final (the opening of a stream).
 */
void rl__usage_take(struct rl__usage_seen *seen, const cJSON *object, int prompt_only);

/* The sum of what was seen. */
void rl__usage_total(const struct rl__usage_seen *seen, const rl_dialect *dialect, rl_usage *usage);

#endif
