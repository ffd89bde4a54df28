/* SPDX-License-Identifier: MIT */
/* A list of limits as a table for people, and as JSON. */
#ifndef LLMRL_CLI_LIMITS_OUTPUT_H
#define LLMRL_CLI_LIMITS_OUTPUT_H

#include "limits_collect.h"

void limits_table(struct text *out, const struct limits_list *list);
void limits_json(struct text *out, const struct limits_list *list);
/* Whom the built-in tables know: each provider and its tiers. */
void limits_tables(struct text *out);

#endif
