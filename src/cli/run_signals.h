/* SPDX-License-Identifier: MIT */
/* SIGINT and SIGTERM, counted: the first asks to finish, the second to abort. */
#ifndef LLMRL_CLI_RUN_SIGNALS_H
#define LLMRL_CLI_RUN_SIGNALS_H

/* Begins to count, and ignores SIGPIPE. */
void run_signals_catch(void);
int run_signals_seen(void);

#endif
