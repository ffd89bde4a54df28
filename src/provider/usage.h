/* SPDX-License-Identifier: MIT */
/* Token counts of all dialects, brought into the one form of rl_usage. */
#ifndef LLMRL_SRC_USAGE_H
#define LLMRL_SRC_USAGE_H

#include "provider/dialect.h"

#include <cjson/cJSON.h>

#define RL__USAGE_FIELDS 48

/* What the usage objects of one answer held so far: of each field the last value stands. */
struct rl__usage_seen {
    uint64_t value[RL__USAGE_FIELDS];
    uint64_t fields;  /* bit n: value[n] was there */
    uint64_t ignored; /* values that are no counts */
};

/* Takes one usage object. `prompt_only`: its output counts are not final (the opening of a stream).
 */
void rl__usage_take(struct rl__usage_seen *seen, const cJSON *object, int prompt_only);

/* Takes one count that stands in the document itself, under that name. */
void rl__usage_count(struct rl__usage_seen *seen, const char *name, size_t length,
                     const cJSON *item);

/* The sum of what was seen. */
void rl__usage_total(const struct rl__usage_seen *seen, const rl_dialect *dialect, rl_usage *usage);

#endif
