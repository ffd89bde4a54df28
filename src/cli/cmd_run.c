/* SPDX-License-Identifier: MIT */
/* Owns the command `run`: from its arguments to its exit code, and the final numbers. */
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run_batch.h"
#include "run_lines.h"
#include "run_loop.h"
#include "run_now.h"
#include "run_open.h"
#include "run_signals.h"

static int usage_error(const struct text *error)
{
    fprintf(stderr, "llmrl: %s\n", error->data != NULL ? error->data : "out of memory");
    return 2;
}

static void write_summary(struct run *run)
{
    struct text words = { 0 }, json = { 0 };

    run_summary_text(&words, &run->sum);
    run_summary_json(&json, &run->sum);
    if (!run->options.quiet)
        fputs(words.data, stderr);
    /* A pipe or a terminal cannot be cut, and need not be. */
    if (run->summary_fd >= 0 && ((ftruncate(run->summary_fd, 0) != 0 && errno != EINVAL) ||
                                 !run_output_bytes(run->summary_fd, json.data, json.length))) {
        run_progress_note(&run->progress, "--summary-json: %s: %s", run->options.summary_json,
                          strerror(errno));
        run->broken = true;
    }
    text_free(&words);
    text_free(&json);
}

/* Ends the engine first: what it aborts is counted, and the numbers are final. */
static int finish(struct run *run)
{
    rl_stats stats;

    rl_http_engine_free(run->engine);
    run->engine = NULL;
    stats = run_now_stats(run);
    run->sum.refusals = stats.refusals;
    run->sum.retries = stats.retries;
    run->sum.input_tokens = stats.input_tokens;
    run->sum.output_tokens = stats.output_tokens;
    run->sum.duration_s = text_clock() - run->started;
    /* Who asked to stop when all was done already has interrupted nothing. */
    run->sum.interrupted = run_signals_seen() > 0 &&
                           (run_lines_sources_left(run) > 0 || run_summary_open(&run->sum) > 0);
    run_progress_clear(&run->progress);
    if (run->output.lost > 0)
        run_progress_note(&run->progress,
                          "%s: %" PRIu64
                          " lines could not be written: %s; --resume sends them again",
                          run->options.output, run->output.lost, strerror(run->output.error));
    if (!run_output_close(&run->output)) {
        run_progress_note(&run->progress, "%s: %s", run->options.output, strerror(errno));
        run->broken = true;
    }
    write_summary(run);
    if (run->broken)
        return 2;
    if (run->sum.interrupted)
        return 130;
    return run->sum.failed + run->sum.invalid_lines > 0 ? 1 : 0;
}

static int run_batch(struct run *run)
{
    struct text error = { 0 };
    int code;

    run->ids = run_ids_new();
    if (!run_open(run, &error)) {
        code = usage_error(&error);
    } else {
        run_progress_init(&run->progress, run->options.quiet);
        if (run->setup.key_withheld && !run->options.quiet)
            run_progress_note(&run->progress, "%s is not sent to this URL; --api-key-env %s would",
                              run->setup.usual_env, run->setup.usual_env);
        run_signals_catch();
        run->started = text_clock();
        run_loop(run);
        code = finish(run);
    }
    run_close(run);
    text_free(&error);
    return code;
}

int cmd_run(int argc, char **argv)
{
    struct run run = { .summary_fd = -1 };
    struct text error = { 0 };
    int code = 0;

    if (!run_options_read(&run.options, argc, argv, &error)) {
        text_add_string(&error, "\n(llmrl run --help lists the options)");
        code = usage_error(&error);
    } else if (run.options.help) {
        fputs(run_options_help, stdout);
    } else {
        code = run_batch(&run);
    }
    text_free(&error);
    return code;
}
