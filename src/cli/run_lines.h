/* SPDX-License-Identifier: MIT */
/* Lines of the files of requests, taken while there is room for them. */
#ifndef LLMRL_CLI_RUN_LINES_H
#define LLMRL_CLI_RUN_LINES_H

#include "run_batch.h"

/* Takes lines while there is room, of each file. Returns how long the engine may then wait for
 * something to happen. */
uint64_t run_lines_take(struct run *run);
/* How many files may still give a line. */
size_t run_lines_sources_left(const struct run *run);

#endif
