/* SPDX-License-Identifier: MIT */
/* Owns the way from a line to a request: which files may give one, what a line is taken for, and
 * its submission. */
#include "run_lines.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "run_answers.h"
#include "run_signals.h"

/* Lines taken between two looks at the network, so that skipping a million of them starves nobody.
 */
#define LINES_AT_ONCE 512
/* What all requests under way may hold; one alone may hold more. */
#define BYTES_UNDER_WAY ((uint64_t)256 << 20)
#define PIPE_STEP_MS    10

static rl_status submit(struct run *run, struct run_call *call)
{
    const struct run_request *request = &run->request;
    rl_http_call http = RL_HTTP_CALL_INIT;
    rl_request cost = RL_REQUEST_INIT;
    rl_status status;

    cost.provider = run->options.provider;
    cost.model = request->model.data;
    cost.input_tokens = request->input_tokens;
    cost.max_output_tokens = request->max_output_tokens;
    cost.max_wait_ms = RL_NEVER;
    cost.user = run->at->file->user;
    cost.priority = run->at->file->priority;
    http.request = &cost;
    http.path = run_request_path(run->setup.base_url.data, request->url.data);
    http.body = request->body.text;
    http.body_length = request->body.length;
    http.done = run_answers_done;
    http.user = call;
    /* Full cannot be, as we count as well; but should it be, waiting is right and dropping is not.
     */
    while ((status = rl_http_engine_submit(run->engine, &http)) == RL_E_QUEUE_FULL &&
           run_signals_seen() < 2) {
        if (rl_http_engine_step(run->engine, RUN_STEP_MS) < 0)
            break;
    }
    return status;
}

/* Why a line was not even accepted. What else could be invalid has been looked at before. */
static const char *why_not(rl_status status)
{
    if (status == RL_E_INVALID)
        return "its url is longer than 2048 bytes, or its model's name is longer than 256 bytes or "
               "has a control character";
    return rl_status_text(status);
}

static void send_line(struct run *run, size_t length)
{
    struct run_call *call = text_memory(NULL, sizeof *call);
    struct run_result result = { .id = run->request.id };
    rl_status status;

    *call = (struct run_call){ .run = run, .source = run->at, .bytes = length };
    run->at->pending++;
    text_add(&call->id, run->request.id.text, run->request.id.length);
    run->bytes_under_way += length;
    run_request_measure(&run->request, run->rl);
    status = submit(run, call);
    if (status == RL_OK)
        return;
    run_answers_end_call(call);
    if (status != RL_E_QUEUE_FULL)
        run_answers_fail(run, &result, status, why_not(status));
}

static void take_line(struct run *run, const char *line, size_t length, bool too_long)
{
    static const struct run_problem repeated = { "duplicate_custom_id",
                                                 "its custom_id occurred before" };
    struct run_problem problem;
    const struct text *id = &run->request.id_text;
    bool good = run_request_read(&run->request, line, length, too_long, &problem);
    unsigned flags = 0;

    run->sum.total++;
    if (run->request.id.text != NULL)
        flags = run_ids_mark(run->ids, id->data, id->length, RUN_ID_SEEN);
    if ((flags & RUN_ID_SEEN) != 0)
        run_answers_bad_line(run, &repeated);
    else if ((flags & RUN_ID_ANSWERED) != 0)
        run->sum.skipped++;
    else if (!good)
        run_answers_bad_line(run, &problem);
    else
        send_line(run, length);
}

size_t run_lines_sources_left(const struct run *run)
{
    size_t left = 0;

    for (size_t i = 0; i < run->sources; i++)
        left += !run->source[i].all_read;
    return left;
}

/* Files share the places, so that none keeps another from being waited for. */
static bool has_room(const struct run *run, const struct run_source *source)
{
    size_t pending = rl_http_engine_pending(run->engine), left = run_lines_sources_left(run);
    uint64_t share = run->options.concurrency / (left == 0 ? 1 : left);

    return pending < run->options.concurrency && source->pending < (share == 0 ? 1 : share) &&
           (pending == 0 || run->bytes_under_way < BYTES_UNDER_WAY);
}

/* Takes one line of run->at. False: there is none at the moment. */
static bool take_next(struct run *run, uint64_t *wait_ms)
{
    struct run_source *source = run->at;
    const char *line;
    size_t length;
    enum run_input_state state = run_input_next(&source->input, &line, &length);

    if (state == RUN_INPUT_LATER) {
        *wait_ms = PIPE_STEP_MS;
        return false;
    }
    if (state == RUN_INPUT_ERROR) {
        run_progress_note(&run->progress, "%s: cannot be read behind line %" PRIu64 ": %s",
                          source->file->path, source->input.line, strerror(errno));
        run->broken = true;
    } else if (state == RUN_INPUT_END) {
        source->all_read = true;
    } else {
        take_line(run, line, length, state == RUN_INPUT_LONG);
    }
    return true;
}

/* As many as it has room for, of one file. False: there may be more. */
static bool take_lines_of(struct run *run, uint64_t *wait_ms)
{
    for (int i = 0; i < LINES_AT_ONCE; i++) {
        if (run->at->all_read || run->draining || run->broken || run_signals_seen() > 0 ||
            !has_room(run, run->at))
            return true;
        if (!take_next(run, wait_ms))
            return true;
    }
    return false;
}

uint64_t run_lines_take(struct run *run)
{
    uint64_t wait_ms = RUN_STEP_MS;

    for (size_t i = 0; i < run->sources; i++) {
        run->at = &run->source[i];
        if (!take_lines_of(run, &wait_ms))
            wait_ms = 0;
    }
    return wait_ms;
}
