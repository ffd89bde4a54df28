/* SPDX-License-Identifier: MIT */
/* How things stand in a run. */
#ifndef LLMRL_CLI_RUN_NOW_H
#define LLMRL_CLI_RUN_NOW_H

#include "run_batch.h"

/* Brings the live line up to date, if it is time to. */
void run_now_show(struct run *run);
/* What the context counted so far. */
rl_stats run_now_stats(const struct run *run);

#endif
