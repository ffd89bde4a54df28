/* SPDX-License-Identifier: MIT */
/* From a line of IN to a request: what to send, where to, and what it will cost. */
#ifndef LLMRL_CLI_RUN_REQUEST_H
#define LLMRL_CLI_RUN_REQUEST_H

#include <llmrl/llmrl.h>

#include "json_scan.h"
#include "text.h"

/* Why a line cannot be sent. */
struct run_problem {
    const char *code;    /* static: "invalid_json", "missing_custom_id", ... */
    const char *message; /* static */
};

/* All zero at first; reusable, one line after the other. What is marked borrowed points into the
 * line. */
struct run_request {
    struct json line; /* borrowed */
    struct json id;   /* borrowed: custom_id as it is spelled, with its quotes; no text: unknown */
    struct text id_text; /* what it means */
    struct json body;    /* borrowed; goes out byte for byte */
    struct text url;
    struct text model; /* "": unknown */
    uint64_t input_tokens, max_output_tokens;
};

/**
 * Reads a line's form. The id is set whenever it is known, on failure too.
 * A line that was cut (`truncated`) always fails; only its id is looked for.
 */
bool run_request_read(struct run_request *request, const char *line, size_t length, bool truncated,
                      struct run_problem *problem);

/* Fills in the model and the amounts. `rl` may be NULL. */
void run_request_measure(struct run_request *request, const rl_context *rl);

/* The part of `url` that goes behind `base_url`: without the version ("/v1") with which the base
 * ends. */
const char *run_request_path(const char *base_url, const char *url);

void run_request_deinit(struct run_request *request);

#endif
