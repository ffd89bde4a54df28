/* SPDX-License-Identifier: MIT */
/* llmrl explain: what a provider's answer says, as JSON. */
#include "commands.h"
#include "explain_input.h"
#include "explain_output.h"
#include "rfc3339.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Larger answers are no answers. */
#define INPUT_MAX ((size_t)256 << 20)

static const char help[] =
    "usage: llmrl explain FILE [OPTION...]\n"
    "\n"
    "Reads one answer of a provider and prints, as one JSON object, what it says: limits, what is\n"
    "left of them, waiting time, usage, and what to do next. FILE (\"-\" is standard input) holds\n"
    "raw HTTP as `curl -i` prints it, or JSON: {\"status\", \"headers\": [[name, value], ...],\n"
    "\"body\" or \"body_base64\", \"provider\", \"now\"}.\n"
    "\n"
    "      --dialect NAME  whose answer it is (default: the file's provider, else recognised)\n"
    "      --now TIME      when it came, RFC 3339; an answer's own Date outranks it (default: the\n"
    "                      file's, else now)\n"
    "      --help          this text\n"
    "\n"
    "Exit code: 0 it was read, whatever it says; 2 wrong usage or input.\n";

struct options {
    const char *file;
    const rl_dialect *dialect; /* NULL: not given */
    bool has_now;
    rl_wall_time now;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "llmrl explain: %s%s%s\n", what, why[0] != '\0' ? ": " : "", why);
    return 2;
}

/* 0: go on; else the exit code plus one. */
static int take_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case 'd':
        options->dialect = rl_dialect_find(value);
        return options->dialect != NULL ? 0
                                        : fail("--dialect: there is no such dialect", value) + 1;
    case 'n':
        options->has_now = rfc3339_read(value, strlen(value), &options->now);
        return options->has_now ? 0 : fail("--now is no time of RFC 3339", value) + 1;
    case 'h':
        fputs(help, stdout);
        return 1;
    default:
        return fail("llmrl explain --help lists the options", "") + 1;
    }
}

static int read_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = { { "dialect", required_argument, NULL, 'd' },
                                           { "now", required_argument, NULL, 'n' },
                                           { "help", no_argument, NULL, 'h' },
                                           { NULL, 0, NULL, 0 } };
    int option, stop;

    optind = 1;
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1)
        if ((stop = take_option(options, option, optarg)) != 0)
            return stop;
    if (optind + 1 != argc)
        return fail(optind == argc ? "FILE is missing" : "one FILE, not more", "") + 1;
    options->file = argv[optind];
    return 0;
}

static bool read_all(const char *path, struct text *content, struct text *error)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    char chunk[65536];
    ssize_t got = -1;

    while (fd >= 0 && content->length <= INPUT_MAX &&
           ((got = read(fd, chunk, sizeof chunk)) > 0 || (got < 0 && errno == EINTR)))
        if (got > 0)
            text_add(content, chunk, (size_t)got);
    if (got < 0)
        text_addf(error, "cannot be read: %s", strerror(errno));
    else if (content->length > INPUT_MAX)
        text_add_string(error, "is longer than 256 MiB");
    if (fd >= 0 && !standard)
        close(fd);
    return error->length == 0;
}

static rl_wall_time wall_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (rl_wall_time)now.tv_sec * (rl_wall_time)RL_SECOND + now.tv_nsec;
}

/* The option, else the file's provider, else what the answer looks like. A provider without a
 * dialect of its own may still speak one that can be recognised. */
static const rl_dialect *choose_dialect(const struct options *options,
                                        const struct explain_input *input)
{
    const rl_dialect *dialect = options->dialect;

    if (dialect == NULL && input->provider.length > 0)
        dialect = rl_dialect_find(input->provider.data);
    return dialect != NULL ? dialect : rl_dialect_recognise(&input->response);
}

static void explain(const struct options *options, const struct explain_input *input,
                    struct text *out)
{
    const rl_dialect *dialect = choose_dialect(options, input);
    rl_wall_time now = options->has_now ? options->now : input->has_now ? input->now : wall_now();
    rl_answer answer;
    rl_verdict verdict;

    if (rl_answer_read(dialect, &input->response, now, &answer) != RL_OK ||
        rl_verdict_of(&answer, input->response.status, input->response.failure, 0, &verdict) !=
            RL_OK)
        return; /* both refuse NULL pointers only */
    explain_output(out, rl_dialect_name(dialect), &verdict);
}

int cmd_explain(int argc, char **argv)
{
    struct options options = { 0 };
    struct explain_input input = { 0 };
    struct text content = { 0 }, error = { 0 }, out = { 0 };
    int stop = read_options(&options, argc, argv);
    const char *file;

    if (stop != 0)
        return stop - 1;
    file = strcmp(options.file, "-") == 0 ? "standard input" : options.file;
    if (!read_all(options.file, &content, &error) ||
        (text_add(&content, "", 0),
         !explain_input_read(&input, content.data, content.length, &error))) {
        stop = fail(file, error.data);
    } else {
        explain(&options, &input, &out);
        if (fwrite(out.data, 1, out.length, stdout) != out.length || fflush(stdout) != 0)
            stop = fail("standard output", strerror(errno));
    }
    explain_input_deinit(&input);
    text_free(&content);
    text_free(&error);
    text_free(&out);
    return stop;
}
