/* SPDX-License-Identifier: MIT */
/* Dates of HTTP and of RFC 3339. No locale, no time zone of this machine, no allocation. */
#ifndef LLMRL_SRC_DATE_H
#define LLMRL_SRC_DATE_H

#include <llmrl/base.h>

#include <stddef.h>

/* All of `text`, or nothing: 1 and *out, or 0. What rl_wall_time cannot hold (1677..2262) is not
 * read. `now` settles the century of a two-digit year. */
int rl__date_http(const char *text, size_t length, rl_wall_time now, rl_wall_time *out);
int rl__date_rfc3339(const char *text, size_t length, rl_wall_time *out);
/* What JavaScript makes of a date: "Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard
 * Time)". */
int rl__date_script(const char *text, size_t length, rl_wall_time *out);

/* Midnight and so many seconds of a day of the calendar; 0 if there is no such day. */
int rl__date_from_civil(int64_t year, unsigned month, unsigned day, int64_t second,
                        rl_wall_time *out);

#endif
