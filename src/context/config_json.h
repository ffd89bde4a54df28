/* SPDX-License-Identifier: MIT */
/* Walking a JSON document with a path, so that each error names its place. */
#ifndef LLMRL_SRC_CONFIG_JSON_H
#define LLMRL_SRC_CONFIG_JSON_H

#include "base/text.h"

#include <cjson/cJSON.h>
#include <llmrl/base.h>

#define RL__CONFIG_BYTES_MAX ((size_t)1024 * 1024)
#define RL__CONFIG_NAME_MAX  256

struct rl__reader {
    char place[512];
    size_t place_length;
    char *error;
    size_t error_size;
};

/* One key that an object may have, and what reads its value. */
struct rl__key {
    const char *name;
    rl_status (*read)(struct rl__reader *reader, const cJSON *value, void *target);
};

void rl__reader_init(struct rl__reader *reader, char *error, size_t error_size);
/* Reports what is wrong at the present place; returns RL_E_CONFIG. */
rl_status rl__reader_fail(struct rl__reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Steps into a member or an element, and back. */
size_t rl__reader_enter(struct rl__reader *reader, const char *name);
size_t rl__reader_enter_element(struct rl__reader *reader, size_t index);
void rl__reader_leave(struct rl__reader *reader, size_t mark);
/* Calls the reader of each member; unknown and duplicate keys fail, a near one is suggested. `keys`
 * ends with NULL. */
rl_status rl__read_object(struct rl__reader *reader, const cJSON *object,
                          const struct rl__key *keys, void *target);
/* An integer in [low, high]. */
rl_status rl__read_integer(struct rl__reader *reader, const cJSON *value, uint64_t low,
                           uint64_t high, uint64_t *out);
rl_status rl__read_flag(struct rl__reader *reader, const cJSON *value, int *out);
/* A string of 1 ... RL__CONFIG_NAME_MAX bytes without control characters; borrowed from the
 * document. */
rl_status rl__read_name(struct rl__reader *reader, const cJSON *value, const char **out);
/* The parsed document; free with cJSON_Delete. Syntax errors name line and column. */
rl_status rl__read_document(struct rl__reader *reader, const char *json, size_t length,
                            cJSON **out);

#endif
