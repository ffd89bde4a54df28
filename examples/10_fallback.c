/* SPDX-License-Identifier: MIT */
/* Fallback: a chain of models, two keys of one provider, and each attempt says where it goes, and
 * why. */
#include <llmrl/llmrl.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char config[] =
    "{"
    "  \"providers\": {"
    "    \"openai\": {"
    "      \"base_url\": \"https://api.openai.com\","
    "      \"limits\": [ { \"dimension\": \"requests\", \"amount\": 3, \"period\": \"minute\","
    "                    \"algorithm\": \"sliding_window\" } ]," /* of each key */
    "      \"keys\": ["
    "        { \"name\": \"main\", \"weight\": 3, \"api_key_env\": \"OPENAI_API_KEY\" },"
    "        { \"name\": \"spare\", \"api_key_env\": \"OPENAI_SPARE_KEY\" } ] },"
    "    \"anthropic\": {"
    "      \"base_url\": \"https://api.anthropic.com\", \"api_key_env\": \"ANTHROPIC_API_KEY\" }"
    "  },"
    "  \"fallback\": { \"openai/gpt-4\": [ \"anthropic/claude-3-opus\" ],"
    "                  \"stay_within_ms\": 500 }"
    "}";

static int failed(const char *what, rl_status status)
{
    fprintf(stderr, "%s: %s (%s)\n", what, rl_status_text(status), rl_status_name(status));
    return 1;
}

/* Stands for a client: the URL and the key are the route's, the body names the route's model. This
 * one lets every fifth call fail, so that something is to be seen. */
static rl_response send_by(const rl_route *route)
{
    static unsigned calls;
    rl_response response = RL_RESPONSE_INIT;

    response.status = ++calls % 5 == 0 ? 503 : 200;
    response.body = "{}";
    response.body_length = strlen(response.body);
    printf("  %s, model %s, key in %s: %s -> %" PRIu64 "\n", route->base_url, route->model,
           route->api_key_env, rl_route_reason_name(route->reason), response.status);
    return response;
}

static int ask(rl_context *rl, int number)
{
    rl_request request = RL_REQUEST_INIT;
    rl_attempt attempt = RL_ATTEMPT_INIT;
    rl_status status;
    char text[200];

    request.provider = "openai";
    request.model = "gpt-4";
    request.input_tokens = 100;
    request.max_output_tokens = 50;
    request.allow_fallback = RL_FALLBACK_ON;
    printf("request %d\n", number);
    while (rl_next_attempt(rl, &request, &attempt)) {
        rl_response response = send_by(&attempt.route);

        if ((status = rl_attempt_done(rl, &attempt, &response)) != RL_OK)
            return failed("rl_attempt_done", status);
    }
    if (attempt.status != RL_OK) {
        fprintf(stderr, "%s\n", rl_explain(&attempt, text, sizeof text));
        return 1;
    }
    return 0;
}

int main(void)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    char error[256] = "";
    rl_status status;
    int wrong = 0;

    options.config_json = config;
    options.error = error;
    options.error_size = sizeof error;
    if ((status = rl_open(&options, &rl)) != RL_OK) {
        fprintf(stderr, "%s\n", error);
        return failed("rl_open", status);
    }
    for (int number = 1; number <= 10 && !wrong; number++)
        wrong = ask(rl, number);
    rl_close(rl);
    return wrong;
}
