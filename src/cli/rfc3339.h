/* SPDX-License-Identifier: MIT */
/* Times as RFC 3339 writes them, for options and files. */
#ifndef LLMRL_CLI_RFC3339_H
#define LLMRL_CLI_RFC3339_H

#include <stdbool.h>
#include <stddef.h>

#include <llmrl/base.h>

/* "2026-08-19T14:34:11Z", "...11.5+02:00": all of `text`, from 1970 to 2261. */
bool rfc3339_read(const char *text, size_t length, rl_wall_time *out);

#endif
