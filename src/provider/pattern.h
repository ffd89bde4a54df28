/* SPDX-License-Identifier: MIT */
/* Names of models, and patterns for them: '*' stands for any characters, also none. */
#ifndef LLMRL_SRC_PATTERN_H
#define LLMRL_SRC_PATTERN_H

#include <stddef.h>

#define RL__PATTERN_EXACT SIZE_MAX

/* How well a name or pattern fits `name`: 0: not at all; RL__PATTERN_EXACT: it is that name; else
 * one more than the characters of the pattern that are no stars. `length` bytes of `pattern` count.
 */
size_t rl__pattern_fit(const char *pattern, size_t length, const char *name);
/* The same for several, with a space between them: the best fit. */
size_t rl__pattern_list_fit(const char *patterns, const char *name);

#endif
