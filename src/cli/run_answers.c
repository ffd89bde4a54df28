/* SPDX-License-Identifier: MIT */
/* Owns what becomes of a request: its line in OUT, its place in the counts, its end. */
#include "run_answers.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Failures that are told on stderr; OUT has them all. */
#define FAILURES_TOLD 3

/* "RL_E_TOO_LARGE" as "too_large". */
static const char *error_code(rl_status status, char out[TEXT_SHORT])
{
    const char *name = rl_status_name(status);
    size_t i = 0;

    if (strncmp(name, "RL_E_", 5) == 0)
        name += 5;
    for (; name[i] != '\0' && i + 1 < TEXT_SHORT; i++)
        out[i] = (char)tolower((unsigned char)name[i]);
    out[i] = '\0';
    return out;
}

static bool write_result(struct run *run, const struct run_result *result)
{
    if (run_output_write(&run->output, result))
        return true;
    if (run->output.lost == 1)
        run_progress_note(&run->progress,
                          "%s: cannot be written: %s; finishing what is on the wire",
                          run->options.output, strerror(run->output.error));
    run->broken = true;
    return false;
}

void run_answers_fail(struct run *run, struct run_result *result, rl_status status,
                      const char *message)
{
    char code[TEXT_SHORT];

    run->sum.failed++;
    if (run->sum.failed <= FAILURES_TOLD)
        run_progress_note(
            &run->progress, "%.*s failed: %s%s",
            (int)(result->id.length < 100 ? result->id.length : 100), result->id.text, message,
            run->sum.failed == FAILURES_TOLD ? " (further failures: see the answers)" : "");
    /* A success that did not arrive whole is none: --resume has to ask for it again. */
    if (result->http_status >= 200 && result->http_status < 300)
        result->http_status = 0;
    result->error_code = error_code(status, code);
    result->error_message = message;
    (void)write_result(run, result);                   /* it is told, and counted as lost */
    result->error_code = result->error_message = NULL; /* they live no longer than this */
}

void run_answers_end_call(struct run_call *call)
{
    call->source->pending--;
    call->run->bytes_under_way -= call->bytes;
    call->run->bytes_done += call->bytes;
    text_free(&call->id);
    free(call);
}

void run_answers_done(const rl_http_result *answer)
{
    struct run_call *call = answer->user;
    struct run *run = call->run;
    struct run_result result = { { call->id.data, call->id.length },
                                 answer->http_status,
                                 answer->request_id,
                                 answer->body,
                                 answer->body_length,
                                 NULL,
                                 NULL };

    if (answer->attempt != NULL)
        run->sum.attempts += answer->attempt->number;
    if (answer->status == RL_OK) {
        run->sum.succeeded += write_result(run, &result) ? 1 : 0;
    } else if (answer->status != RL_E_CANCELLED && answer->status != RL_E_CLOSED) {
        /* A cancelled one gets no line: it is open, and --resume sends it. */
        run_answers_fail(run, &result, answer->status, answer->explanation);
    }
    run_answers_end_call(call);
}

void run_answers_bad_line(struct run *run, const struct run_problem *problem)
{
    struct run_result result = { .id = run->request.id, .error_code = problem->code };
    const struct run_source *source = run->at;
    struct text message = { 0 };

    run->sum.invalid_lines++;
    text_addf(&message, "line %" PRIu64 ": %s", source->input.line, problem->message);
    run_progress_note(&run->progress, "%s: %s", source->file->path, message.data);
    result.error_message = message.data;
    (void)write_result(run, &result); /* it is told, and counted as lost */
    text_free(&message);
}
