/* SPDX-License-Identifier: MIT */
/* Numbers, spans and moments as answers write them. Nothing here reads past `length` or allocates.
 */
#ifndef LLMRL_SRC_DURATION_H
#define LLMRL_SRC_DURATION_H

#include <llmrl/base.h>

#include <stddef.h>
#include <stdint.h>

/* What is longer is taken for garbage: no limit that we know of lasts longer than a year. */
#define RL__DURATION_MAX (UINT64_C(366) * RL_DAY)
/* The largest count that survives a detour through a double. */
#define RL__COUNT_MAX (UINT64_C(1) << 53)

/* When something happens, as stated: a span from the answer on, or a moment of the calendar. */
struct rl__when {
    int absolute; /* 1: `wall` holds; 0: `span` */
    rl_duration span;
    rl_wall_time wall;
};

/* How a bare number is to be read. What carries a unit or is a date says so itself. */
enum rl__when_form {
    RL__WHEN_AUTO, /* seconds from now; from 10^9 on epoch seconds, from 10^11 on epoch milliseconds
                    */
    RL__WHEN_SECONDS,      /* seconds from now, whatever their number */
    RL__WHEN_MILLISECONDS, /* milliseconds from now */
    RL__WHEN_EPOCH         /* epoch seconds */
};

/* All of `text` but blanks around it, or nothing: 1 and *out, or 0 and *out untouched. */
int rl__count_read(const char *text, size_t length, uint64_t *out);
int rl__duration_read(const char *text, size_t length, rl_duration *out);
int rl__when_read(const char *text, size_t length, enum rl__when_form form, rl_wall_time now,
                  struct rl__when *out);

/* The longest "6m0s" or "2 minutes" at the start of `text`; its length, or 0 if there is none. */
size_t rl__duration_prefix(const char *text, size_t length, rl_duration *out);

/* The span from `base` to `when`, 0 for the past. 0 is returned if it is absurd. */
int rl__when_resolve(const struct rl__when *when, rl_wall_time base, rl_duration *after);

#endif
