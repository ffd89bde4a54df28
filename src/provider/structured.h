/* SPDX-License-Identifier: MIT */
/*
 * RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers 03 to 10), RFC 9651 lists,
 * read strictly: a field with one fault says nothing. Two forms beyond the text are read: the
 * dictionary of draft 07
 * ("limit=100, remaining=50, reset=5"), and a string where a parameter name belongs ("fixed
 * window";"api";q=500), which the Hugging Face Hub sends and which then is a further name of the
 * item.
 */
#ifndef LLMRL_SRC_STRUCTURED_H
#define LLMRL_SRC_STRUCTURED_H

#include "provider/ascii.h"

#include <llmrl/provider.h>

#define RL__ITEMS_MAX 16

enum { RL__ITEM_QUOTA = 1, RL__ITEM_WINDOW = 2, RL__ITEM_REMAINING = 4, RL__ITEM_TIME = 8 };

struct rl__item {
    struct rl__slice name[2]; /* borrowed from the header's value */
    struct rl__slice partition;
    struct rl__slice unit;
    uint32_t has;  /* RL__ITEM_* */
    uint32_t used; /* joined to a report already */
    uint64_t quota, window_s, remaining, time_s;
};

/* One field, all of its lines. */
struct rl__field {
    struct rl__item item[RL__ITEMS_MAX]; /* more are checked and dropped */
    uint32_t count;
    uint32_t malformed;
};

struct rl__structured {
    struct rl__field limit;  /* RateLimit */
    struct rl__field policy; /* RateLimit-Policy */
    uint32_t ignored;        /* values left out of reports because they are absurd */
};

void rl__field_add(struct rl__field *field, const char *value, size_t length);

/* The first number of "100, 100;w=60", and the window of the policy behind it that has the same
 * quota or is the only one; *window_s is 0 without one. 0: not such a list. */
int rl__limit_list_read(const char *value, size_t length, uint64_t *limit, uint64_t *window_s);

/* The window of RateLimit-Policy for a limit of `limit`; 0: none fits. */
uint64_t rl__structured_window(struct rl__structured *structured, uint64_t limit);

/* Writes up to `max` reports: first what has a current value, then the bare policies. */
uint32_t rl__structured_reports(struct rl__structured *structured, rl_limit_report *report,
                                uint32_t max);

#endif
