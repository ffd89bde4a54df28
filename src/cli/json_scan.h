/* SPDX-License-Identifier: MIT */
/* Finds values in JSON text without building a tree: what is passed on keeps its very bytes, so
 * that no number loses a digit, and a line of 32 MiB costs no more memory than itself. */
#ifndef LLMRL_CLI_JSON_SCAN_H
#define LLMRL_CLI_JSON_SCAN_H

#include "text.h"

/* Deeper nesting counts as malformed. */
#define JSON_DEPTH_MAX 512

/* The bytes of one value, without white space around it; text NULL: there is none. Borrowed. */
struct json {
    const char *text;
    size_t length;
};

/* Whether `text` is exactly one JSON value (RFC 8259; UTF-8), which is then in *out. */
bool json_read(const char *text, size_t length, struct json *out);

enum json_kind {
    JSON_NONE,
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_WORD /* true, false, null */
};
enum json_kind json_kind(struct json value);

/* Goes through the members of an object or the elements of an array; nothing else has any. The text
 * may be malformed or cut off: the walk ends there. */
struct json_walk {
    const char *at;
    const char *end;
    char close; /* what ends it; 0: it is over */
};
struct json_walk json_walk(struct json container);
/* `key` (may be NULL) is the string with its quotes; in an array it has no text. */
bool json_next(struct json_walk *walk, struct json *key, struct json *value);

/* The member of that name (the last one, as most readers take it); without text if there is none.
 */
struct json json_get(struct json object, const char *name);

/* Whether a string value says just that. */
bool json_is(struct json string, const char *text);

/* Adds what a string means. Half of a surrogate pair becomes three bytes of its own, so that
 * different strings stay different. False, and nothing added: not a string. */
bool json_decode(struct json string, struct text *out);

/* A number that is at least 0, cut to a whole one and to 2^53. */
bool json_to_uint(struct json number, uint64_t *out);

#endif
