/* SPDX-License-Identifier: MIT */
/* The program's front door: finds the command and hands over; says the version and the commands. */
#include "commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <llmrl/base.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *does;
} commands[] = {
    { "run", cmd_run, "sends a batch of requests at full speed within the provider's limits" },
    { "explain", cmd_explain, "says what a provider's answer means, as JSON" },
    { "limits", cmd_limits, "lists the limits in force, and where each number comes from" },
#ifdef LLMRL_HAVE_HTTPD
    { "provider", cmd_provider, "is a stand-in provider on loopback that enforces limits" },
#endif
};

static void print_help(FILE *to)
{
    fputs("usage: llmrl COMMAND [OPTION...]\n\ncommands:\n", to);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].does);
    fputs("\nllmrl COMMAND --help explains a command; llmrl --version says the version.\n", to);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

/* "llmrl help run" is "llmrl run --help". */
static int help(int argc, char **argv)
{
    static char option[] = "--help";
    const struct command *command = argc > 0 ? find_command(argv[0]) : NULL;

    if (command != NULL)
        return command->run(2, (char *[]){ argv[0], option, NULL });
    print_help(argc > 0 ? stderr : stdout);
    return argc > 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
    const struct command *command;

    /* A reader that goes away must show as a failed write, not as our sudden end. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("llmrl %s\n", rl_version());
        return 0;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return help(argc - 2, argv + 2);
    command = find_command(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "llmrl: there is no command \"%s\"; llmrl help lists them\n", argv[1]);
        return 2;
    }
    return command->run(argc - 1, argv + 1);
}
