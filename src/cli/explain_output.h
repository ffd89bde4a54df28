/* SPDX-License-Identifier: MIT */
/* What an answer means, as one JSON object. */
#ifndef LLMRL_CLI_EXPLAIN_OUTPUT_H
#define LLMRL_CLI_EXPLAIN_OUTPUT_H

#include "text.h"

#include <llmrl/llmrl.h>

/* Adds one line. What the answer does not say is left out. */
void explain_output(struct text *out, const char *dialect, const rl_verdict *verdict);

#endif
