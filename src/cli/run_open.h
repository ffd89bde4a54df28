/* SPDX-License-Identifier: MIT */
/* Beginning and end of what a run holds open. */
#ifndef LLMRL_CLI_RUN_OPEN_H
#define LLMRL_CLI_RUN_OPEN_H

#include "run_batch.h"

/* What can be wrong without touching a file comes first, what creates one last. False: `error` says
 * why; run_close() is due all the same. */
bool run_open(struct run *run, struct text *error);
void run_close(struct run *run);

#endif
