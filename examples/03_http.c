/* SPDX-License-Identifier: MIT */
/*
 * The engine: many requests in flight on one thread, each with a permit, retried where that helps.
 *
 *     llmrl provider --port 8080 --dialect openai &
 *     example_03 http://127.0.0.1:8080
 *
 * The key, if the provider wants one, comes from the environment: OPENAI_API_KEY.
 */
#include <llmrl/http.h>
#include <llmrl/llmrl.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL "gpt-4o-mini"

static const char *const questions[] = {
    "What does EINTR mean?",         "Name a prime number above 100.",
    "Which planet has most moons?",  "Say hello in Danish.",
    "What is a token bucket?",       "How many days has February in 2028?",
    "What is the opposite of idle?", "Spell rhythm backwards.",
};
#define QUESTIONS (sizeof questions / sizeof questions[0])

struct tally {
    unsigned good;
    unsigned bad;
};

static int failed(const char *what, rl_status status)
{
    fprintf(stderr, "%s: %s (%s)\n", what, rl_status_text(status), rl_status_name(status));
    return 1;
}

/* Called once for each accepted request, from rl_http_engine_step(). */
static void answered(const rl_http_result *result)
{
    struct tally *tally = result->user;

    if (result->status == RL_OK) {
        tally->good++;
        printf("%" PRIu64 " after %" PRIu32 " attempt(s), %zu bytes\n", result->http_status,
               result->attempt->number, result->body_length);
    } else {
        tally->bad++;
        printf("failed: %s\n", result->explanation);
    }
}

static rl_status submit(rl_context *rl, rl_http_engine *engine, const char *question,
                        struct tally *tally)
{
    rl_request request = RL_REQUEST_INIT;
    rl_http_call call = RL_HTTP_CALL_INIT;
    char body[512];
    int length;

    length = snprintf(body, sizeof body,
                      "{\"model\":\"" MODEL "\",\"max_tokens\":40,"
                      "\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
                      question); /* ours need no escaping; yours may */
    if (length < 0 || (size_t)length >= sizeof body)
        return RL_E_INVALID;
    request.model = MODEL;
    request.input_tokens = rl_estimate_tokens(rl, MODEL, question, strlen(question));
    request.max_output_tokens = 40;
    request.deadline_ms = 60000;
    call.request = &request;
    call.path = "/v1/chat/completions";
    call.body = body;
    call.body_length = (size_t)length;
    call.done = answered;
    call.user = tally;
    return rl_http_engine_submit(engine, &call);
}

static rl_status run(rl_context *rl, const char *base_url, struct tally *tally)
{
    rl_http_options options = RL_HTTP_OPTIONS_INIT;
    rl_http_engine *engine = NULL;
    rl_status status;
    char error[256] = "";

    options.base_url = base_url;
    options.provider = "openai";
    options.api_key = getenv("OPENAI_API_KEY");
    if ((status = rl_http_engine_new(rl, &options, &engine, error, sizeof error)) != RL_OK) {
        fprintf(stderr, "%s\n", error);
        return status;
    }
    for (size_t i = 0; i < QUESTIONS && status == RL_OK; i++)
        status = submit(rl, engine, questions[i], tally);
    while (status == RL_OK && rl_http_engine_pending(engine) > 0)
        status = rl_http_engine_step(engine, 1000);
    rl_http_engine_free(engine); /* tells those that are left, if a step failed */
    return status;
}

int main(int argc, char **argv)
{
    struct tally tally = { 0, 0 };
    rl_context *rl = NULL;
    rl_status status;

    if (argc != 2) {
        fprintf(stderr, "usage: %s BASE_URL\n", argv[0]);
        return 2;
    }
    if ((status = rl_open(NULL, &rl)) != RL_OK) /* no file: limits are learned from the answers */
        return failed("rl_open", status);
    status = run(rl, argv[1], &tally);
    rl_close(rl);
    if (status != RL_OK)
        return failed("engine", status);
    printf("%u answered, %u failed\n", tally.good, tally.bad);
    return tally.bad == 0 ? 0 : 1;
}
