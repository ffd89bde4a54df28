/* SPDX-License-Identifier: MIT */
/* The built-in tables of limits. */
#ifndef LLMRL_SRC_TABLES_H
#define LLMRL_SRC_TABLES_H

#include <llmrl/provider.h>

/* table_data.c: ends with a row whose provider is NULL. Rows of one provider and tier stand
 * together, the provider's lowest tier first, the guide's after the documented ones. */
extern const rl_table_row rl__table_rows[];

/* Whether it speaks of one model alone, by its name; else of several, or of the provider. */
int rl__table_is_single(const rl_table_row *row);

#endif
