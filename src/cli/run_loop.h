/* SPDX-License-Identifier: MIT */
/* The loop of a run. */
#ifndef LLMRL_CLI_RUN_LOOP_H
#define LLMRL_CLI_RUN_LOOP_H

#include "run_batch.h"

/* Until all is done, a file is broken and the wire empty, or the second signal. */
void run_loop(struct run *run);

#endif
