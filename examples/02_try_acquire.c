/* SPDX-License-Identifier: MIT */
/* Without blocking: try, do something else, and come back at the time that the library names. */
#define _POSIX_C_SOURCE 200809L

#include <llmrl/llmrl.h>
#include <llmrl/queue.h> /* rl_now() */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static int failed(const char *what, rl_status status)
{
    fprintf(stderr, "%s: %s (%s)\n", what, rl_status_text(status), rl_status_name(status));
    return 1;
}

/* Stands for other work that takes until `until`. */
static void do_something_else(rl_context *rl, rl_time until)
{
    rl_time now = rl_now(rl);
    rl_duration rest = until > now ? until - now : 0;
    struct timespec span = { (time_t)(rest / RL_SECOND), (long)(rest % RL_SECOND) };

    while (nanosleep(&span, &span) != 0)
        ; /* a signal: the rest is left in span */
}

static rl_status send_all(rl_context *rl, const rl_request *request, int count)
{
    rl_time start = rl_now(rl);
    int sent = 0;
    int refused = 0;

    while (sent < count) {
        rl_permit permit;
        rl_status status = rl_try_acquire(rl, request, &permit);

        if (status == RL_WAIT) { /* a normal day: nothing was taken */
            refused++;
            do_something_else(rl, permit.retry_at);
            continue;
        }
        if (status != RL_OK)
            return status;
        sent++;
        printf("%2d sent after %4" PRIu64 " ms; %d times too early so far\n", sent,
               (permit.granted_at - start) / RL_MILLISECOND, refused);
        /* ... send; here it counts as used exactly as reserved ... */
        if ((status = rl_settle(rl, &permit, &(rl_usage){ 0 })) != RL_OK)
            return status;
    }
    return RL_OK;
}

int main(void)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_request request = RL_REQUEST_INIT;
    rl_context *rl = NULL;
    rl_permit permit;
    rl_status status;

    options.config_json = "{ \"providers\": { \"anthropic\": { \"requests_per_second\": 8,"
                          " \"output_tokens_per_minute\": 6000 } } }";
    if ((status = rl_open(&options, &rl)) != RL_OK)
        return failed("rl_open", status);

    request.provider = "anthropic";
    request.model = "claude-sonnet-4-5";
    request.input_tokens = 100;
    request.max_output_tokens = 20;
    status = send_all(rl, &request, 12);

    /* What no waiting can satisfy is told apart from "not yet". */
    request.max_output_tokens = 50000;
    if (status == RL_OK && (status = rl_try_acquire(rl, &request, &permit)) == RL_E_TOO_LARGE) {
        printf("50000 output tokens at once: %s\n", rl_status_text(status));
        status = RL_OK;
    }
    rl_close(rl);
    return status == RL_OK ? 0 : failed("request", status);
}
