/* SPDX-License-Identifier: MIT */
/* The usual way: ask before each request, send it, tell what it used. Sending is left to you here.
 */
#include <llmrl/llmrl.h>
#include <llmrl/queue.h> /* rl_now() */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char config[] = "{ \"providers\": { \"openai\": {"
                             "    \"requests_per_second\": 10,"
                             "    \"tokens_per_minute\": 60000 } } }";

static const char *const prompts[] = {
    "Translate to French: the parcel arrives on Monday.",
    "Name three uses of a priority queue.",
    "Summarise: the meeting moved to Thursday because the room was taken.",
};

static int failed(const char *what, rl_status status)
{
    fprintf(stderr, "%s: %s (%s)\n", what, rl_status_text(status), rl_status_name(status));
    return 1;
}

/* One request: the permit is ended on every path, so that nothing stays reserved. */
static rl_status ask(rl_context *rl, const char *prompt, rl_time start, int number)
{
    rl_request request = RL_REQUEST_INIT;
    rl_usage usage = { 0 };
    rl_permit permit;
    rl_status status;

    request.provider = "openai";
    request.model = "gpt-4o-mini";
    request.input_tokens = rl_estimate_tokens(rl, request.model, prompt, strlen(prompt));
    request.max_output_tokens = 50;
    request.max_wait_ms = 10000;
    if ((status = rl_acquire(rl, &request, &permit)) != RL_OK)
        return status;
    printf("request %2d may leave after %4" PRIu64 " ms, with %" PRIu64 " tokens reserved\n",
           number, (permit.granted_at - start) / RL_MILLISECOND, permit.reserved_tokens);

    /* ... here you send it. With the answer at hand, rl_observe_response() would read the usage,
     * the provider's limits and what to do next; we only know what it used. */
    usage.input_tokens = request.input_tokens;
    usage.output_tokens = 20;
    usage.has = RL_HAS_INPUT | RL_HAS_OUTPUT;
    return rl_settle(rl, &permit, &usage);
}

int main(void)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    rl_status status;
    rl_time start;
    char error[256] = "";

    options.config_json = config;
    options.error = error;
    options.error_size = sizeof error;
    if ((status = rl_open(&options, &rl)) != RL_OK)
        return failed(error[0] != '\0' ? error : "rl_open", status);

    start = rl_now(rl);
    for (int i = 0; i < 20 && status == RL_OK; i++)
        status = ask(rl, prompts[i % 3], start, i + 1);
    rl_close(rl);
    return status == RL_OK ? 0 : failed("request", status);
}
