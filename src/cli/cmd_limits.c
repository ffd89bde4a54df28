/* SPDX-License-Identifier: MIT */
/* llmrl limits: the limits in force, and where each number comes from. */
#include "commands.h"
#include "config_file.h"
#include "limits_output.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: llmrl limits [PROVIDER] [OPTION...]\n"
    "\n"
    "Lists the limits that a program would begin with: of each scope what is counted, how it is\n"
    "kept, what is left, and where the number comes from (the file, or a built-in table with its\n"
    "date). PROVIDER is one in the configuration, or openai, anthropic, ...; without it all in "
    "the\n"
    "configuration are listed, and without that what the built-in tables know. A table binds when\n"
    "its tier is named (\"tier\" in the configuration); else it is a guess, and answers say "
    "better.\n"
    "\n"
    "      --config FILE  limits and policies, JSON\n"
    "      --model NAME   only what a request for that model would have to pass\n"
    "      --json         one JSON object\n"
    "      --help         this text\n"
    "\n"
    "Exit code: 0 they were listed; 2 wrong usage or configuration.\n";

struct options {
    const char *provider, *config, *model;
    bool json;
};

static int fail(const char *what)
{
    fprintf(stderr, "llmrl limits: %s\n", what);
    return 2;
}

/* 0: go on; else the exit code plus one. */
static int take_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case 'c':
        options->config = value;
        return 0;
    case 'm':
        options->model = value;
        return value[0] != '\0' ? 0 : fail("--model: the name is empty") + 1;
    case 'j':
        options->json = true;
        return 0;
    case 'h':
        fputs(help, stdout);
        return 1;
    default:
        return fail("llmrl limits --help lists the options") + 1;
    }
}

static int read_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = { { "config", required_argument, NULL, 'c' },
                                           { "model", required_argument, NULL, 'm' },
                                           { "json", no_argument, NULL, 'j' },
                                           { "help", no_argument, NULL, 'h' },
                                           { NULL, 0, NULL, 0 } };
    int option, stop;

    optind = 1;
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1)
        if ((stop = take_option(options, option, optarg)) != 0)
            return stop;
    if (argc - optind > 1)
        return fail("one PROVIDER, not more") + 1;
    options->provider = optind < argc ? argv[optind] : NULL;
    if (options->model != NULL && options->provider == NULL)
        return fail("--model needs a PROVIDER") + 1;
    return 0;
}

static void write_down(const struct options *options, const struct limits_list *list,
                       struct text *out)
{
    if (options->json)
        limits_json(out, list);
    else if (options->provider == NULL && options->config == NULL)
        limits_tables(out);
    else
        limits_table(out, list);
}

static bool list(const struct options *options, struct text *out, struct text *error)
{
    struct limits_question question = { options->provider, options->model, NULL, options->config };
    struct limits_list list = { 0 };
    struct text file = { 0 };
    bool good = options->config == NULL || config_file_read(options->config, &file, error);

    question.json = file.data;
    good = good && limits_collect(&question, &list, error);
    if (good)
        write_down(options, &list, out);
    limits_free(&list);
    text_free(&file);
    return good;
}

int cmd_limits(int argc, char **argv)
{
    struct options options = { 0 };
    struct text out = { 0 }, error = { 0 };
    int stop = read_options(&options, argc, argv);

    if (stop != 0)
        return stop - 1;
    if (!list(&options, &out, &error)) {
        fprintf(stderr, "llmrl limits: %s\n", error.data);
        stop = 2;
    } else if (fwrite(out.data, 1, out.length, stdout) != out.length || fflush(stdout) != 0) {
        stop = fail(strerror(errno));
    }
    text_free(&out);
    text_free(&error);
    return stop;
}
