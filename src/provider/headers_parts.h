/* SPDX-License-Identifier: MIT */
/* What the files that read headers share. */
#ifndef LLMRL_SRC_HEADERS_PARTS_H
#define LLMRL_SRC_HEADERS_PARTS_H

#include "provider/headers.h"

/* A header with its name in lower case. */
struct rl__line {
    char name[RL__NAME_MAX];
    size_t length;
    const char *value;
    size_t value_length;
};

static inline int rl__line_is(const struct rl__line *line, const char *name)
{
    return rl__is(line->name, line->length, name);
}

static inline int rl__slice_is(struct rl__slice slice, const char *text, size_t length)
{
    return slice.length == length && memcmp(slice.at, text, length) == 0;
}

/* ---- headers.c ---- */

/* 0: it has no name, or one that is none of ours. */
int rl__line_make(struct rl__line *line, const char *name, size_t name_length, const char *value,
                  size_t value_length);

/* ---- header_names.c ---- */

/* The series that a name belongs to, in *has the RL_HAS_* bit of what it tells, and the window that
 * it ends with, or 0. NULL: none of this dialect. */
const struct rl__series *rl__series_find(const rl_dialect *dialect, const char *name, size_t length,
                                         uint32_t *has, rl_duration *window);

/* ---- header_limits.c ---- */

/* `skip`: so much of the name is a proxy's prefix; 0: the proxy's own word, or the provider's. */
void rl__limit_take(struct rl__reading *reading, const struct rl__line *line, size_t skip);

/* ---- header_waits.c ---- */

void rl__wait_raise(struct rl__hint *hint, const struct rl__when *when);
/* 0: that dialect knows no such header. */
int rl__wait_take(struct rl__reading *reading, const rl_dialect *dialect,
                  const struct rl__line *line);

/* ---- header_marks.c ---- */

/* 0: it is none of them. */
int rl__mark_take(struct rl__reading *reading, const struct rl__line *line);

/* ---- header_window.c ---- */

/* Sets the window of a report, where it can be told. */
void rl__window_find(struct rl__reading *reading, const struct rl__slot *slot,
                     rl_limit_report *report);

#endif
