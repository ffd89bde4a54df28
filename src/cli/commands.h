/* SPDX-License-Identifier: MIT */
/* The commands of the program, each with the arguments that follow its name. */
#ifndef LLMRL_CLI_COMMANDS_H
#define LLMRL_CLI_COMMANDS_H

/* Each takes argv[0] as its own name and returns the exit code of the program. */
int cmd_run(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_limits(int argc, char **argv);
int cmd_provider(int argc, char **argv);

#endif
