/* SPDX-License-Identifier: MIT */
/* One run at work: what the files of the command `run` share. */
#ifndef LLMRL_CLI_RUN_BATCH_H
#define LLMRL_CLI_RUN_BATCH_H

#include <llmrl/http.h>

#include "run_ids.h"
#include "run_input.h"
#include "run_options.h"
#include "run_output.h"
#include "run_progress.h"
#include "run_request.h"
#include "run_summary.h"

/* How long the engine or a pipe is waited for before everything is looked at again. */
#define RUN_STEP_MS 100

/* A file of requests at work. */
struct run_source {
    const struct run_file *file;
    struct run_input input;
    uint64_t size;    /* UINT64_MAX: a pipe */
    uint64_t pending; /* of its requests, not done */
    bool all_read;
};

struct run {
    struct run_options options;
    struct run_setup setup;
    rl_context *rl;
    rl_http_engine *engine;
    struct run_ids *ids;
    struct run_source source[RUN_FILES_MAX]; /* the most urgent first */
    size_t sources;
    struct run_source *at; /* of the line at hand */
    struct run_output output;
    struct run_request request; /* the line at hand */
    struct run_progress progress;
    struct run_summary sum;
    uint64_t bytes_under_way; /* of IN, in requests that are not done */
    uint64_t bytes_done;      /* of IN, in requests that are */
    double started;
    int summary_fd;
    bool draining;
    bool broken; /* a file cannot be read or written: exit code 2 */
};

/* One request under way. */
struct run_call {
    struct run *run;
    struct run_source *source;
    struct text id;
    uint64_t bytes;
};

#endif
