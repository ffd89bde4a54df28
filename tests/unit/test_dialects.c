/* SPDX-License-Identifier: MIT */
/* Every dialect's documented forms and traps, from a whole answer to all that is read from it; who
 * speaks, recognised; dialects of one's own; and bodies that come in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arith.h"
#include "failing_alloc.h"
#include "provider/charge.h"
#include "provider/duration.h"

#include <llmrl/provider.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW          (INT64_C(1790000000) * (int64_t)RL_SECOND) /* 2026-09-21T14:13:20Z */
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* "name: value\nname: value" and a body (NULL: none) to a response. */
static rl_response response_of(uint64_t status, const char *lines, const char *body,
                               rl_header header[32])
{
    rl_response response = RL_RESPONSE_INIT;

    response.status = status;
    response.headers = header;
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n"), name = strcspn(lines, ":");

        header[response.header_count++] =
            (rl_header){ lines, name, lines + name + 1, length - name - 1 };
        lines += length + (lines[length] == '\n');
    }
    response.body = body;
    response.body_length = body == NULL ? 0 : strlen(body);
    return response;
}

struct text {
    char data[1024];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    text->used +=
        (size_t)vsnprintf(text->data + text->used, sizeof text->data - text->used, format, list);
    va_end(list);
    assert_true(text->used < sizeof text->data);
}

/* The number and what stands behind it, or '-'. */
static void add_number(struct text *text, int has, uint64_t value, const char *behind)
{
    if (has)
        add(text, "%llu%s", (unsigned long long)value, behind);
    else
        add(text, "-");
}

/* "requests 60s 59/60 1000ms; ..." */
static void add_reports(struct text *text, const rl_answer *answer)
{
    for (uint32_t i = 0; i < answer->report_count; i++) {
        const rl_limit_report *report = &answer->report[i];

        add(text, "%s%s%s ", i > 0 ? "; " : "", rl_dimension_name((rl_dimension)report->dimension),
            (report->has & RL_IS_UNCACHED) != 0 ? "*" : "");
        add_number(text, (report->has & RL_HAS_WINDOW) != 0, report->window / RL_SECOND, "s");
        add(text, " ");
        add_number(text, (report->has & RL_HAS_REMAINING) != 0, report->remaining, "");
        add(text, "/");
        add_number(text, (report->has & RL_HAS_LIMIT) != 0, report->limit, "");
        if ((report->has & RL_HAS_RESET) != 0)
            add(text, " %llums", (unsigned long long)(report->reset_after / RL_MILLISECOND));
    }
}

static void add_usage(struct text *text, const rl_usage *usage)
{
    if (usage->has == 0)
        return;
    add(text, " | ");
    add_number(text, (usage->has & RL_HAS_INPUT) != 0, usage->input_tokens, " ");
    add_number(text, (usage->has & RL_HAS_OUTPUT) != 0, usage->output_tokens, " ");
    add_number(text, (usage->has & RL_HAS_CACHED_INPUT) != 0, usage->cached_input_tokens, "");
}

/* "limited 5000ms retry | reports | tokens 60s 30000 | usage": the wait and what follows only where
 * they are there. */
static void print_answer(const rl_answer *answer, struct text *text)
{
    static const char *const outcomes[] = { "ok",     "limited", "quota", "large",    "overload",
                                            "server", "client",  "auth",  "transport" };

    text->used = 0;
    add(text, "%s", outcomes[answer->outcome]);
    if (answer->retry_after != RL_NEVER)
        add(text, " %llums", (unsigned long long)(answer->retry_after / RL_MILLISECOND));
    add(text, "%s | ", answer->retryable ? " retry" : "");
    add_reports(text, answer);
    if (answer->limited_mask != 0) {
        uint32_t dimension = 0;

        while ((answer->limited_mask >> dimension & 1) == 0)
            dimension++;
        add(text, " | by %s", rl_dimension_name((rl_dimension)dimension));
        if (answer->limited_window != 0)
            add(text, " %llus", (unsigned long long)(answer->limited_window / RL_SECOND));
        if (answer->limited_amount != 0)
            add(text, " %llu", (unsigned long long)answer->limited_amount);
    }
    if (answer->concurrency != 0)
        add(text, " | at once %llu", (unsigned long long)answer->concurrency);
    add_usage(text, &answer->usage);
}

struct row {
    const char *dialect;
    uint64_t status;
    const char *lines, *body, *want;
};

static unsigned check_rows(const struct row *row, size_t count)
{
    unsigned wrong = 0;

    for (size_t i = 0; i < count; i++) {
        rl_header header[32];
        rl_response response = response_of(row[i].status, row[i].lines, row[i].body, header);
        rl_answer answer;
        struct text text;

        assert_non_null(rl_dialect_find(row[i].dialect));
        assert_int_equal(rl_answer_read(rl_dialect_find(row[i].dialect), &response, NOW, &answer),
                         RL_OK);
        print_answer(&answer, &text);
        if (strcmp(text.data, row[i].want) != 0) {
            print_message("row %zu (%s): want \"%s\"\n  got \"%s\"\n", i, row[i].dialect,
                          row[i].want, text.data);
            wrong++;
        }
    }
    return wrong;
}

#define NAMED "x-ratelimit-"

static void reads_the_headers_of_each(void **state)
{
    static const struct row row[] = {
        /* Azure: ms and s by arithmetic, with the renewal period and without */
        { "azure-openai", 200,
          NAMED "limit-requests: 120\n" NAMED "remaining-requests: 119\n" NAMED
                "reset-requests: 500\n" NAMED "renewalperiod-requests: 60",
          NULL, "ok | requests 60s 119/120 500ms" },
        { "azure-openai", 200,
          NAMED "limit-requests: 50\n" NAMED "remaining-requests: 49\n" NAMED
                "reset-requests: 1\n" NAMED "renewalperiod-requests: 60",
          NULL, "ok | requests 60s 49/50 1000ms" },
        { "azure-openai", 200,
          NAMED "limit-requests: 120\n" NAMED "remaining-requests: 119\n" NAMED
                "reset-requests: 500",
          NULL, "ok | requests 60s 119/120 500ms" },
        { "azure-openai", 200,
          NAMED "limit-requests: 20\n" NAMED "remaining-requests: 10\n" NAMED "reset-requests: 5",
          NULL, "ok | requests 10s 10/20 5000ms" },
        { "azure-openai", 200,
          NAMED "limit-requests: 20\n" NAMED "remaining-requests: 19\n" NAMED "reset-requests: 500",
          NULL, "ok | requests 10s 19/20 500ms" },
        { "azure-openai", 200,
          NAMED "limit-requests: 60\n" NAMED "remaining-requests: 30\n" NAMED "reset-requests: 30",
          NULL, "ok | requests 60s 30/60 30000ms" },
        { "azure-openai", 200,
          NAMED "limit-tokens: 60000\n" NAMED "remaining-tokens: 30000\n" NAMED
                "reset-tokens: 30000",
          NULL, "ok | tokens 60s 30000/60000 30000ms" },
        /* nothing fits: no unit, no window, and so no reset */
        { "azure-openai", 200,
          NAMED "limit-requests: 60\n" NAMED "remaining-requests: 59\n" NAMED
                "reset-requests: 77777",
          NULL, "ok | requests - 59/60" },
        { "azure-openai", 200,
          NAMED "limit-requests: 60\n" NAMED "remaining-requests: 60\n" NAMED "reset-requests: 10",
          NULL, "ok | requests - 60/60" },
        { "azure-openai", 200,
          NAMED "limit-tokens: 100\n" NAMED "remaining-tokens: 101\n" NAMED "reset-tokens: 3", NULL,
          "ok | tokens 60s 101/100" },
        /* -1 is not reported */
        { "azure-openai", 429,
          NAMED "limit-tokens: -1\n" NAMED "remaining-tokens: -1\n" NAMED "reset-tokens: 0", NULL,
          "limited retry | " },
        { "azure-openai", 200, NAMED "limit-tokens: -1\n" NAMED "remaining-tokens: 5", NULL,
          "ok | tokens 60s 5/-" },
        { "azure-openai", 429, "Retry-After: 1\nRetry-After-Ms: 0", NULL,
          "limited 1000ms retry | " },
        { "azure-openai", 429, "retry-after-ms: 2000", NULL, "limited 2000ms retry | " },
        { "azure-openai", 429, "x-rate-limit-reset-tokens: 55", NULL, "limited 55000ms retry | " },

        /* Anthropic: the reset is a moment; in the past it is now */
        { "anthropic", 200,
          "anthropic-ratelimit-requests-limit: 50\nanthropic-ratelimit-requests-remaining: 49\n"
          "anthropic-ratelimit-requests-reset: 2026-09-21T14:13:21Z\n"
          "anthropic-ratelimit-input-tokens-limit: 80000\n"
          "anthropic-ratelimit-input-tokens-remaining: 59000\n"
          "anthropic-ratelimit-input-tokens-reset: 2026-09-21T14:13:10Z\nretry-after: 59",
          NULL, "ok | requests 60s 49/50 1000ms; input_tokens 60s 59000/80000 0ms" },
        { "anthropic", 429, "anthropic-ratelimit-unified-reset: 1790000100", NULL,
          "limited 100000ms retry | " },

        /* Mistral: windows in the names; cost is no limit; neither are pages */
        { "mistral", 200,
          NAMED "limit-req-10-second: 60\n" NAMED "remaining-req-10-second: 53\n" NAMED
                "limit-tokens-5-minute: 900\n" NAMED "tokens-query-cost: 5\n" NAMED
                "limit-ocr-pages-minute: 9\n" NAMED "limit-audio-seconds-minute: 7200",
          NULL, "ok | requests 10s 53/60; tokens 300s -/900" },
        { "mistral", 200,
          "ratelimitbysize-limit: 500\nratelimitbysize-remaining: 400\nratelimitbysize-reset: 28\n"
          "x-ratelimitbysize-limit-month: 9000",
          NULL, "ok | tokens 60s 400/500 28000ms; tokens 2592000s -/9000" },
        /* a month gone and a limit of nothing look like any other 429 */
        { "mistral", 429,
          NAMED "limit-tokens-month: 900\n" NAMED "remaining-tokens-month: 0\n" NAMED
                "remaining-req-minute: 3",
          "{\"object\":\"error\",\"type\":\"rate_limited\",\"code\":\"1300\"}",
          "quota | tokens 2592000s 0/900; requests 60s 3/- | by tokens 2592000s" },
        { "mistral", 429, NAMED "limit-req-minute: 0", "{\"message\":\"x\"}",
          "quota | requests 60s -/0" },
        { "mistral", 429, NAMED "limit-req-minute: 5\n" NAMED "remaining-req-minute: 0",
          "{\"message\":\"x\"}", "limited retry | requests 60s 0/5 | by requests 60s" },

        { "cohere", 200,
          "x-trial-endpoint-call-limit: 20\nX-Trial-Endpoint-Call-Remaining: 8\n"
          "x-endpoint-monthly-call-limit: 1000",
          NULL, "ok | requests 60s 8/20; requests 2592000s -/1000" },

        /* Together: by the second; the dynamic pair is what binds; the reset is the wait */
        { "together", 200,
          NAMED "limit: 2\n" NAMED "remaining: 1\n" NAMED "reset: 2\nx-tokenlimit-limit: 900\n"
                "x-tokenlimit-remaining: 5",
          NULL, "ok | requests 1s 1/2 2000ms; tokens 1s 5/900" },
        { "together", 200,
          NAMED "limit: 2\n" NAMED "remaining: 1\n" NAMED "limit-dynamic: 30\n" NAMED
                "remaining-dynamic: 29",
          NULL, "ok | requests 1s 29/30" },
        { "together", 429, NAMED "limit: 2\n" NAMED "remaining: 0\n" NAMED "reset: 2",
          "{\"error\":{\"message\":\"x\"},\"error_type\":\"dynamic_request_limited\"}",
          "limited 2000ms retry | requests 1s 0/2 2000ms | by requests" },
        { "together", 429, NAMED "reset: 2\nretry-after: 7", NULL, "limited 7000ms retry | " },

        { "fireworks", 200,
          NAMED "limit-tokens-prompt: 11250000\n" NAMED "remaining-tokens-prompt: 9\n" NAMED
                "limit-tokens-cache-adjusted-prompt: 5400000\n" NAMED
                "limit-tokens-generated: 36000\n" NAMED "remaining-tokens-generated: 0\n" NAMED
                "over-limit: no\n" NAMED "limit-requests: 60",
          NULL,
          "ok | input_tokens 60s 9/11250000; input_tokens* 60s -/5400000; output_tokens 60s "
          "0/36000; requests 60s -/60" },

        /* xAI: a minute's number; remaining may lag */
        { "xai", 200,
          NAMED "limit-requests: 1800\n" NAMED "remaining-requests: 1800\n" NAMED
                "limit-tokens: 100",
          NULL, "ok | requests 60s 1800/1800; tokens 60s -/100" },

        { "cerebras", 200,
          NAMED "limit-requests-day: 14400\n" NAMED "reset-requests-day: 33011.382867097855\n" NAMED
                "limit-tokens-minute: -1\n" NAMED "remaining-tokens-minute: 998\n" NAMED
                "reset-tokens-minute: 11.382867097854614\n" NAMED "remaining-tokens-hour: 7",
          NULL,
          "ok | requests 86400s -/14400 33011382ms; tokens 60s 998/- 11382ms; tokens 3600s 7/-" },

        /* OpenRouter: epoch milliseconds; the window is in the words; read in the body, too */
        { "openrouter", 429,
          "X-RateLimit-Limit: 20\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1790000040000",
          "{\"error\":{\"code\":429,\"message\":\"Rate limit exceeded: free-models-per-min. \"}}",
          "limited retry | requests 60s 0/20 40000ms | by requests 60s" },
        { "openrouter", 429, "",
          "{\"error\":{\"code\":429,\"message\":\"free-models-per-day\",\"metadata\":{\"headers\":"
          "{\"X-RateLimit-Limit\":\"50\",\"X-RateLimit-Remaining\":\"0\","
          "\"X-RateLimit-Reset\":\"1790000100000\"}}}}",
          "limited retry | requests 86400s 0/50 100000ms | by requests 86400s" },

        { "github-models", 200,
          NAMED "limit-requests: 20000\n" NAMED "remaining-requests: 19999\n" NAMED
                "renewalperiod-requests: 60\n" NAMED "limit-tokens: 2000000",
          NULL, "ok | requests 60s 19999/20000; tokens 60s -/2000000" },
        { "github-models", 429, NAMED "type: UserByMinute\n" NAMED "timeremaining: 55", NULL,
          "limited 55000ms retry | " },
        { "github-models", 429, NAMED "type: UserConcurrentRequests\nretry-after: 0", NULL,
          "limited retry | " },

        /* a structured field that is none */
        { "huggingface", 429,
          "RateLimit: \"api\";r=0;t=55\nRateLimit-Policy: \"fixed window\";\"api\";q=500;w=300",
          NULL, "limited retry | requests 300s 0/500 55000ms | by requests 300s" },

        /* Bedrock: no limits; usage and the error's name in headers */
        { "bedrock", 200,
          "x-amzn-bedrock-input-token-count: 10\nx-amzn-bedrock-output-token-count: 4\n"
          "x-amzn-bedrock-cache-read-input-token-count: 7\n"
          "x-amzn-bedrock-cache-write-input-token-count: 1",
          "{\"results\":[]}", "ok |  | 18 4 7" },
        { "bedrock", 200, "x-amzn-bedrock-input-token-count: x", "{\"usage\":{\"inputTokens\":3}}",
          "ok |  | 3 --" },
        { "bedrock", 429,
          "x-amzn-ErrorType: ThrottlingException:http://x/\nx-amz-retry-after: 1500",
          "{\"message\":\"Too many tokens, please wait before trying again.\"}",
          "limited 1500ms retry |  | by tokens" },

        /* whoever it is */
        { "generic", 200,
          "anthropic-ratelimit-requests-limit: 50\nx-trial-endpoint-call-limit: 20\n"
          "x-tokenlimit-limit: 3\nx-ratelimit-limit-req-minute: 4",
          NULL, "ok | requests 60s -/50; requests 60s -/20; tokens 1s -/3; requests 60s -/4" },
        { "openai", 200,
          "llm_provider-x-ratelimit-limit-requests: 7\nllm_provider-x-ratelimit-reset-requests: "
          "0s\n"
          "x-ratelimit-limit-requests: 9\nllm_provider-x-ratelimit-limit-requests: 8\n"
          "llm_provider-anthropic-ratelimit-requests-limit: 5",
          NULL, "ok | requests - -/9 0ms; requests 60s -/5" },
        { "generic", 503, "x-envoy-ratelimited: true", "local_rate_limited", "limited retry | " },
        { "generic", 429, "llm_provider-retry-after: 3", NULL, "limited 3000ms retry | " },
        { "generic", 429, "Retry-After: 0.5", NULL, "limited 500ms retry | " },
        { "generic", 429, "Retry-After: Mon, 21 Sep 2026 14:13:30 GMT", NULL,
          "limited 10000ms retry | " },
        { "generic", 429, "Retry-After: Monday, 21-Sep-26 14:13:30 GMT", NULL,
          "limited 10000ms retry | " },
        { "generic", 429, "Retry-After: Mon Sep 21 14:13:30 2026", NULL,
          "limited 10000ms retry | " },
        { "generic", 429, "Retry-After: 5\nx-should-retry: false", NULL, "limited 5000ms | " },
        { "generic", 400, "x-should-retry: true", NULL, "client retry | " },
        { "generic", 200, "Retry-After: 5", NULL, "ok | " },
        { "generic", 200,
          "X-RateLimit-Limit: 60\nX-RateLimit-Remaining: 9\nX-RateLimit-Reset: 1790000010", NULL,
          "ok | requests - 9/60 10000ms" },
        { "generic", 200, "X-RateLimit-Limit: 10, 10;w=1, 1000;w=3600\nX-RateLimit-Remaining: 3",
          NULL, "ok | requests 1s 3/10" },
        { "generic", 200, "RateLimit: limit=100, remaining=50, reset=5\nRateLimit-Policy: 100;w=60",
          NULL, "ok | requests 60s 50/100 5000ms" },
        { "generic", 200, "RateLimit-Limit: 100\nRateLimit-Remaining: 50\nRateLimit-Reset: 5", NULL,
          "ok | requests - 50/100 5000ms" },
        { "generic", 429, "Retry-After: 30 seconds", NULL, "limited 30000ms retry | " },
        { "generic", 200,
          "X-RateLimit-Limit: 60\nX-RateLimit-Reset: 2026-09-21 14:13:30 UTC\n"
          "X-RateLimit-Limit-Requests: 5\nX-RateLimit-Reset-Requests: 2026-09-21T16:13:21+0200",
          NULL, "ok | requests - -/60 10000ms; requests - -/5 1000ms" },
        /* Kong: a window and no word for what it counts */
        { "generic", 200,
          "X-RateLimit-Limit-Minute: 60\nX-RateLimit-Remaining-Minute: 59\n"
          "X-RateLimit-Remaining-Hour: 9",
          NULL, "ok | requests 60s 59/60; requests 3600s 9/-" },
        /* LiteLLM's own limits, whoever is behind it */
        { "openai", 200,
          "x-ratelimit-api_key-limit-requests: 100\nx-ratelimit-api_key-remaining-requests: 99\n"
          "x-ratelimit-model_per_key-limit-tokens: 500\n"
          "x-ratelimit-model_per_key-remaining-tokens: -5\n"
          "x-ratelimit-api_key-limit-max_parallel_requests: 5",
          NULL, "ok | requests 60s 99/100; tokens 60s -/500" },
    };

    (void)state;
    assert_int_equal(check_rows(row, COUNT(row)), 0);
}

static void reads_the_errors_of_each(void **state)
{
    static const struct row row[] = {
        /* a family shares it, and the refusal alone says so */
        { "openai", 429, "",
          "{\"error\":{\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\",\"message\":\"for "
          "limit x "
          "on tokens per min (TPM): Limit 30000, Used 14567, Requested 24754. Please try again in "
          "18.642s.\"}}",
          "limited 18642ms retry |  | by tokens 60s 30000" },
        { "openai", 429, "",
          "{\"error\":{\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\",\"message\":\"Request "
          "too "
          "large on tokens per min (TPM): Limit 30000, Requested 31000.\"}}",
          "large | " },
        /* a ramp limit */
        { "openai", 429, "", "{\"error\":{\"type\":\"rate_limit_error\",\"code\":\"slow_down\"}}",
          "overload retry | " },
        { "openai", 429, "", "{\"error\":{\"type\":\"insufficient_quota\",\"code\":\"x\"}}",
          "quota | " },
        { "openai", 429, "retry-after: 5",
          "{\"error\":{\"type\":\"x\",\"code\":\"project_spend_limit_exceeded\"}}",
          "quota 5000ms | " },
        { "openai", 200, "",
          "data: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"Please try "
          "again in "
          "6ms\"}\n\n",
          "limited 6ms retry | " },
        { "openai", 200, "",
          "{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"x\"},"
          "\"usage\":null}",
          "server retry | " },

        { "azure-openai", 429, "",
          "{\"error\":{\"code\":\"429\",\"message\":\"Requests to the x have exceeded token rate "
          "limit "
          "of your current OpenAI S0 pricing tier. Please retry after 7 seconds.\"}}",
          "limited 7000ms retry |  | by tokens" },
        { "azure-openai", 429, "",
          "{\"error\":{\"code\":\"429\",\"message\":\"have exceeded call rate limit. Please retry "
          "after "
          "86400 seconds.\"}}",
          "limited 86400000ms retry |  | by requests" },
        { "azure-openai", 429, "retry-after-ms: 9",
          "{\"error\":{\"code\":\"429\",\"message\":\"we are temporarily unable to process your "
          "request\"}}",
          "overload 9ms retry | " },

        { "anthropic", 429, "retry-after: 20",
          "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"exceed the "
          "rate "
          "limit of 20,000 input tokens per minute\"}}",
          "limited 20000ms retry |  | by input_tokens 60s 20000" },
        { "anthropic", 429, "",
          "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"x\","
          "\"details\":{"
          "\"error_code\":\"enforced_spend_limit_reached\"}}}",
          "quota | " },
        { "anthropic", 400, "",
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"You "
          "have "
          "reached your specified API usage limits.\"}}",
          "quota | " },
        { "anthropic", 529, "", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}",
          "overload retry | " },
        { "anthropic", 500, "",
          "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"Overloaded\"}}",
          "overload retry | " },
        { "anthropic", 200, "",
          "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
          "overload retry | " },

        /* larger than the limit: the same code as a 429's */
        { "groq", 413, "",
          "{\"error\":{\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\",\"message\":\"Request "
          "too "
          "large on tokens per minute (TPM): Limit 6000, Requested 7000\"}}",
          "large | " },
        { "groq", 429, "",
          "{\"error\":{\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\",\"message\":\"on "
          "tokens per "
          "day (TPD): Limit 100000, Used 97050, Requested ~3619. Please try again in "
          "9m38.016s.\"}}",
          "limited 578016ms retry |  | by tokens 86400s 100000" },
        { "groq", 498, "", "{\"error\":{\"code\":\"capacity_exceeded\"}}", "overload retry | " },
        { "groq", 400, "", "{\"error\":{\"code\":\"blocked_api_access\"}}", "quota | " },

        /* rounded down in the field, whole in the words */
        /* in a stream, without a member "error"; vLLM's code is a status */
        { "mistral", 200, "",
          "data: {\"object\":\"error\",\"message\":\"Rate limit "
          "exceeded\",\"type\":\"rate_limited\","
          "\"code\":\"1300\",\"raw_status_code\":429}\n\n",
          "limited retry | " },
        { "generic", 200, "",
          "data: "
          "{\"object\":\"error\",\"message\":\"x\",\"type\":\"BadRequestError\",\"param\":null,"
          "\"code\":400}\n\n",
          "client | " },
        { "gemini", 429, "",
          "{\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"Please retry "
          "in "
          "48.94s.\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
          "\"retryDelay\":\"48s\"}]}}",
          "limited 48940ms retry | " },
        /* a day's quota, and none at all: a hint is there and does not help */
        { "gemini", 429, "",
          "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"Please retry in "
          "47s.\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\","
          "\"violations\":[{\"quotaId\":\"GenerateRequestsPerDayPerProjectPerModel-FreeTier\","
          "\"quotaValue\":\"50\"}]}]}}",
          "quota 47000ms | requests 86400s -/50 | by requests 86400s" },
        { "gemini", 429, "",
          "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"* Quota exceeded for "
          "metric: x, "
          "limit: 0, model: y\\nPlease retry in 6.8s.\"}}",
          "quota 6800ms | " },
        { "gemini", 429, "",
          "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"prepayment credits are "
          "depleted\"}"
          "}",
          "quota | " },
        { "gemini", 400, "",
          "{\"error\":{\"status\":\"INVALID_ARGUMENT\",\"message\":\"input token count (9) exceeds "
          "the "
          "maximum number of tokens allowed (8)\"}}",
          "large | " },

        /* capacity that all share is no limit of ours; a quota is */
        { "vertex-ai", 429, "",
          "[{\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"Resource "
          "exhausted, "
          "please try again later.\"}}]",
          "overload retry | " },
        { "vertex-ai", 429, "",
          "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"Quota exceeded for "
          "aiplatform.googleapis.com/"
          "global_online_prediction_input_tokens_per_minute_per_base_model "
          "with base model: x.\"}}",
          "limited retry |  | by input_tokens 60s" },
        { "vertex-ai", 429, "",
          "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"Quota exceeded for "
          "aiplatform.googleapis.com/online_prediction_requests_per_base_model with base model: "
          "x.\"}}",
          "limited retry |  | by requests 60s" },
        { "vertex-ai", 403, "", "{\"error\":{\"status\":\"PERMISSION_DENIED\"}}", "auth | " },

        { "bedrock", 429, "x-amzn-errortype: ModelNotReadyException", "{\"message\":\"x\"}",
          "overload retry | " },
        { "bedrock", 400, "x-amzn-errortype: ServiceQuotaExceededException:http://x",
          "{\"message\":\"x\"}", "quota | " },
        { "bedrock", 400, "",
          "{\"__type\":\"com.x#ValidationException\",\"message\":\"Input Tokens "
          "Exceeded: x\"}",
          "large | " },
        { "bedrock", 403, "x-amzn-errortype: InvalidSignatureException:x",
          "{\"message\":\"Signature expired\"}", "auth | " },
        { "bedrock", 503, "x-amzn-errortype: ServiceUnavailableException", NULL,
          "overload retry | " },

        { "mistral", 429, "",
          "{\"object\":\"error\",\"message\":\"Service tier capacity exceeded for this "
          "model.\",\"type\":\"invalid_request_error\",\"code\":null}",
          "overload retry | " },
        { "mistral", 429, "", "{\"detail\":\"Custom connector rate limit reached.\"}",
          "limited retry | " },

        { "cohere", 429, "",
          "{\"message\":\"a Trial key, which is limited to 40 API calls / minute.\"}",
          "limited retry |  | by requests 60s 40" },
        { "cohere", 429, "", "{\"message\":\"a Trial key, limited to 1000 API calls / month.\"}",
          "quota | " },
        { "cohere", 429, "",
          "{\"message\":\"trial token rate limit exceeded, limit is 100000 tokens per minute\"}",
          "limited retry |  | by tokens 60s 100000" },
        { "cohere", 429, "",
          "{\"message\":\"You are past the per minute request limit, please wait and try again "
          "later.\"}",
          "limited retry |  | by requests 60s" },
        { "cohere", 402, "", "{\"message\":\"Maximum billing reached for this API key\"}",
          "quota | " },
        { "cohere", 400, "",
          "{\"message\":\"too many tokens: size limit exceeded by 5 tokens\",\"error_type\":"
          "\"TOO_MANY_TOKENS\"}",
          "large | " },
        { "cohere", 499, "", "{\"message\":\"request cancelled\"}", "client retry | " },

        /* retryable, and no reason to slow down */
        { "together", 503, "", "{\"error\":{\"message\":\"x\",\"type\":\"service_unavailable\"}}",
          "overload retry | " },
        { "together", 429, "",
          "{\"error\":{\"message\":\"You have reached the rate limit specific to this model x. The "
          "maximum rate limit for this model is 9.0 queries per minute\"}}",
          "limited retry |  | by requests 60s 9" },
        { "together", 429, "",
          "{\"error\":{\"message\":\"x\",\"error_type\":\"dynamic_token_limited\"}}",
          "limited retry |  | by tokens" },
        { "together", 400, "", "{\"error\":{\"message\":\"x\",\"code\":\"rate_limit\"}}",
          "limited retry | " },
        { "together", 403, "",
          "{\"error\":{\"message\":\"`inputs` tokens + `max_new_tokens` must be <= 8193\"}}",
          "large | " },
        { "together", 402, "", NULL, "quota | " },

        { "fireworks", 412, "",
          "{\"error\":{\"code\":\"PRECONDITION_FAILED\",\"type\":\"error\",\"message\":\"suspended,"
          " "
          "possibly due to reaching the monthly spending limit\"}}",
          "quota | " },
        { "fireworks", 503, "", "{\"error\":{\"message\":\"Service Overloaded\"}}",
          "overload retry | " },

        { "openrouter", 429, "",
          "{\"error\":{\"code\":429,\"message\":\"x\",\"availability\":{\"code\":\"capacity_"
          "exhausted\","
          "\"retryable\":true,\"retry_after\":30}}}",
          "overload 30000ms retry | " },
        { "openrouter", 503, "",
          "{\"error\":{\"code\":503,\"message\":\"x\",\"availability\":{\"code\":"
          "\"temporarily_unavailable\",\"retryable\":false}}}",
          "overload | " },
        { "openrouter", 402, "", "{\"error\":{\"code\":402,\"message\":\"x\"}}", "quota | " },
        { "openrouter", 200, "", "{\"error\":{\"code\":429,\"message\":\"x\"},\"user_id\":\"u\"}",
          "limited retry | " },
        { "openrouter", 200, "",
          "{\"id\":\"gen-1\",\"choices\":[{\"message\":{\"content\":\"half\"},\"finish_reason\":"
          "\"error\","
          "\"error\":{\"code\":502,\"message\":\"x\"}}],\"usage\":{\"prompt_tokens\":3,"
          "\"completion_tokens\":4}}",
          "server retry |  | 3 4 -" },
        { "openrouter", 400, "",
          "{\"error\":{\"message\":\"x\",\"metadata\":{\"error_type\":\"max_tokens_exceeded\"}}}",
          "large | " },

        { "xai", 429, "",
          "{\"code\":\"Some resource has been exhausted\",\"error\":\"Too many tokens for team t "
          "and "
          "model m. Your team's rate limit is - Tokens per Minute (actual/limit): 65605/16000.\"}",
          "limited retry |  | by tokens 60s 16000" },
        { "xai", 429, "",
          "{\"code\":\"x\",\"error\":\"Too many requests for team t and model m. Your team's rate "
          "limit is: Requests per Second (actual/limit): 9/8, Requests per Minute (actual/limit): "
          "100/480, Tokens per Minute (actual/limit): 21/2000000\"}",
          "limited retry |  | by requests 1s 8" },
        { "xai", 429, "",
          "{\"code\":\"x\",\"error\":\"Your team's rate limit is: Tokens per Minute "
          "(actual/limit): "
          "21/20, Requests per Second (actual/limit): 9/8\"}",
          "limited retry |  | by tokens 60s 20" },
        { "xai", 429, "",
          "{\"code\":\"x\",\"error\":\"Too many requests for team t and model m.\"}",
          "limited retry |  | by requests" },
        { "xai", 403, "",
          "{\"code\":\"x\",\"error\":\"You have run out of credits or need a Grok subscription\"}",
          "quota | " },
        { "xai", 403, "",
          "{\"code\":\"x\",\"error\":\"team doesn't have any credits or licenses\"}", "quota | " },
        { "xai", 403, "", "{\"code\":\"x\",\"error\":\"Content violates usage guidelines.\"}",
          "auth | " },
        { "xai", 429, "", "\"has either used all available credits or reached\"", "quota | " },

        /* concurrency, told by the refusal alone; its words on money are a hint, not a bill */
        { "deepseek", 429, "",
          "{\"error\":{\"message\":\"Your current concurrency is 40, which exceeds your "
          "concurrency "
          "limit of 39 based on your remaining balance. Please top up your balance to restore your "
          "concurrency.\"}}",
          "limited retry |  | at once 39" },
        { "deepseek", 402, "",
          "{\"error\":{\"message\":\"Insufficient Balance\",\"code\":\"invalid_request_error\"}}",
          "quota | " },

        { "cerebras", 429, "",
          "{\"message\":\"Tokens per minute limit exceeded - too many tokens processed.\",\"type\":"
          "\"too_many_requests_error\",\"param\":\"quota\",\"code\":\"token_quota_exceeded\"}",
          "limited retry |  | by tokens 60s" },
        { "cerebras", 429, "",
          "{\"message\":\"Requests per day limit exceeded\",\"type\":\"too_many_requests_error\"}",
          "limited retry |  | by requests 86400s" },
        { "cerebras", 429, "",
          "{\"message\":\"We're experiencing high traffic right now\",\"type\":"
          "\"too_many_requests_error\",\"code\":\"queue_exceeded\"}",
          "overload retry | " },
        { "cerebras", 200, "",
          "data: {\"error\":{\"message\":\"x\",\"type\":\"t\"},\"status_code\":429}\n\n",
          "limited retry | " },

        { "perplexity", 429, "", "{\"error\":{\"message\":\"x\",\"type\":\"t\",\"code\":429}}",
          "limited retry | " },

        { "github-models", 429, "",
          "{\"error\":{\"code\":\"RateLimitReached\",\"message\":\"Rate limit of 8 per 86400s "
          "exceeded "
          "for UserByModelByDay. Please wait 85841 seconds before retrying.\"}}",
          "limited 85841000ms retry |  | by requests 86400s 8" },
        /* "0 seconds" is no "now" */
        { "github-models", 429, "retry-after: 0",
          "{\"error\":{\"code\":\"RateLimitReached\",\"message\":\"Rate limit of 5 per 0s exceeded "
          "for "
          "UserConcurrentRequests. Please wait 0 seconds before retrying.\"}}",
          "limited retry |  | at once 5" },
        { "github-models", 413, "", "{\"error\":{\"code\":\"tokens_limit_reached\"}}", "large | " },
        { "generic", 403, "Retry-After: 60",
          "{\"message\":\"You have exceeded a secondary rate limit.\"}",
          "limited 60000ms retry | " },
        { "generic", 403, "", "{\"message\":\"You have no right to this.\"}", "auth | " },
        { "generic", 429, "", "{\"detail\":\"Your rate limit resets in ~30s.\"}",
          "limited 30000ms retry | " },
        /* a gateway's error around the provider's */
        { "anthropic", 429, "",
          "{\"error\":{\"error\":{\"type\":\"rate_limit_error\",\"message\":\"try again in 3s\"}}}",
          "limited 3000ms retry | " },
        { "gemini", 429, "",
          "{\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\","
          "\"message\":\"Your project has exceeded its monthly spending cap.\"}}",
          "quota | " },
        { "bedrock", 429, "x-amzn-errortype: ThrottlingException",
          "{\"message\":\"Too many tokens per day, please wait before trying again.\"}",
          "quota |  | by tokens 86400s" },
        /* OpenRouter's refusals inside a 200 have their limits with them */
        { "openrouter", 200, "",
          "{\"error\":{\"code\":429,\"message\":\"Rate limit exceeded: free-models-per-min. \","
          "\"metadata\":{\"headers\":{\"X-RateLimit-Limit\":\"20\",\"X-RateLimit-Remaining\":\"0\","
          "\"X-RateLimit-Reset\":\"1790000040000\"}}}}",
          "limited retry | requests 60s 0/20 40000ms | by requests 60s" },

        { "huggingface", 402, "",
          "{\"error\":\"You have exceeded your monthly included credits for Inference "
          "Providers.\"}",
          "quota | " },
        { "huggingface", 429, "",
          "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}",
          "overload retry | " },
        { "generic", 503, "", "{\"error\":\"server busy, please try again.  maximum pending\"}",
          "overload retry | " },
        { "generic", 429, "",
          "{\"error\":{\"message\":\"No deployments available, Try again in 60 "
          "seconds\",\"type\":\"None\",\"param\":\"None\",\"code\":\"429\"}}",
          "limited 60000ms retry | " },
    };

    (void)state;
    assert_int_equal(check_rows(row, COUNT(row)), 0);
}

static void counts_the_tokens_of_each(void **state)
{
    static const struct row row[] = {
        /* spoken input beside the prompt, and within it */
        { "mistral", 200, "",
          "{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":248,\"total_tokens\":632,"
          "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":375}}}",
          "ok |  | 384 248 0" },
        { "openai", 200, "",
          "{\"usage\":{\"prompt_tokens\":400,\"completion_tokens\":5,\"total_tokens\":405,"
          "\"prompt_tokens_details\":{\"audio_tokens\":375}}}",
          "ok |  | 400 5 -" },
        { "mistral", 200, "",
          "{\"usage\":{\"prompt_tokens\":394,\"completion_tokens\":10,"
          "\"prompt_token_details\":{\"cached_tokens\":128}}}",
          "ok |  | 394 10 128" },
        { "mistral", 200, "",
          "{\"usage\":{\"prompt_tokens\":394,\"completion_tokens\":10,\"num_cached_tokens\":7}}",
          "ok |  | 394 10 7" },
        { "xai", 200, "",
          "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":50,\"total_tokens\":400,"
          "\"completion_tokens_details\":{\"reasoning_tokens\":340}}}",
          "ok |  | 10 390 -" },
        /* xAI's chunks are cumulative */
        { "xai", 200, "",
          "data: {\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1,\"total_tokens\":11}}\n\n"
          "data: "
          "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":9,\"total_tokens\":19}}\n\n",
          "ok |  | 10 9 -" },
        { "deepseek", 200, "",
          ": keep-alive\n\ndata: {\"usage\":{\"prompt_tokens\":416,\"completion_tokens\":48,"
          "\"total_tokens\":464,\"prompt_cache_hit_tokens\":256,\"prompt_cache_miss_tokens\":160}}"
          "\n\n"
          "data: [DONE]\n\n",
          "ok |  | 416 48 256" },
        { "deepseek", 200, "",
          "\n\n\n{\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":8,\"total_tokens\":12}}",
          "ok |  | 4 8 -" },
        /* cached is a part of the tokens, not of what is billed */
        { "cohere", 200, "",
          "{\"usage\":{\"billed_units\":{\"input_tokens\":8.0,\"output_tokens\":5},\"tokens\":{"
          "\"input_tokens\":503,\"output_tokens\":5},\"cached_tokens\":448}}",
          "ok |  | 8 5 -" },
        { "cohere", 200, "",
          "event: message-end\ndata: "
          "{\"type\":\"message-end\",\"delta\":{\"usage\":{\"billed_units\":{"
          "\"input_tokens\":8,\"output_tokens\":5}}}}\n\n",
          "ok |  | 8 5 -" },
        { "cohere", 200, "",
          "{\"embeddings\":[],\"meta\":{\"api_version\":{\"version\":\"2\"},\"billed_units\":{"
          "\"input_tokens\":12}}}",
          "ok |  | 12 --" },
        { "cohere", 200, "",
          "{\"event_type\":\"text\"}\n{\"event_type\":\"stream-end\",\"response\":{\"meta\":{"
          "\"billed_units\":{\"input_tokens\":3,\"output_tokens\":2}}}}\n",
          "ok |  | 3 2 -" },
        /* Vertex: events without counts; a stream that broke off has none */
        { "vertex-ai", 200, "",
          "data: {\"usageMetadata\":{\"trafficType\":\"ON_DEMAND\"}}\r\n\r\n"
          "data: {\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":5,"
          "\"thoughtsTokenCount\":6,\"totalTokenCount\":15,\"trafficType\":\"ON_DEMAND\"}}\r\n\r\n",
          "ok |  | 4 11 -" },
        { "vertex-ai", 200, "", "data: {\"usageMetadata\":{\"trafficType\":\"ON_DEMAND\"}}\r\n\r\n",
          "ok | " },
        /* Gemini: early events have the prompt alone, later ones are cumulative */
        { "gemini", 200, "",
          "data: {\"usageMetadata\":{\"promptTokenCount\":7,\"totalTokenCount\":7}}\n\n"
          "data: {\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":18,"
          "\"thoughtsTokenCount\":44,\"cachedContentTokenCount\":3}}\n\n",
          "ok |  | 7 62 3" },
        { "bedrock", 200, "",
          "{\"usage\":{\"inputTokens\":10,\"outputTokens\":4,\"totalTokens\":7365,"
          "\"cacheReadInputTokens\":1,\"cacheWriteInputTokens\":7350}}",
          "ok |  | 7361 4 1" },
        { "perplexity", 200, "",
          "{\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":62,\"total_tokens\":73,"
          "\"citation_tokens\":9,\"cost\":{\"total_cost\":0.005}}}",
          "ok |  | 11 62 -" },
        { "perplexity", 200, "",
          "{\"usage\":{\"input_tokens\":11,\"output_tokens\":6,\"input_tokens_details\":{"
          "\"cache_creation_input_tokens\":1,\"cache_read_input_tokens\":5}}}",
          "ok |  | 11 6 5" },
        { "huggingface", 200, "",
          "{\"usage\":{\"prompt_tokens\":16,\"completion_tokens\":2,\"cached_tokens\":4}}",
          "ok |  | 16 2 4" },
        { "groq", 200, "",
          "data: {\"x_groq\":{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6}},\"usage\":{"
          "\"prompt_tokens\":5,\"completion_tokens\":6}}\n\ndata: [DONE]\n\n",
          "ok |  | 5 6 -" },
        { "anthropic", 200, "",
          "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,"
          "\"cache_creation_input_tokens\":4,\"cache_read_input_tokens\":5,\"output_tokens\":1}}}"
          "\n\n"
          "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":7}}\n\n"
          "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":9}}\n\n",
          "ok |  | 12 9 5" },
    };

    (void)state;
    assert_int_equal(check_rows(row, COUNT(row)), 0);
}

static void recognises_who_speaks(void **state)
{
    static const struct {
        const char *lines, *body, *want;
    } row[] = {
        { "Openai-Version: x", NULL, "openai" },
        { "apim-request-id: x", "{\"type\":\"message\"}", "azure-openai" },
        { "Anthropic-Ratelimit-Requests-Limit: 1", NULL, "anthropic" },
        { "x-groq-region: x", NULL, "groq" },
        { "", "{\"x_groq\":{\"id\":\"x\"}}", "groq" },
        { "Server: scaffolding on HTTPServer2\nServer-Timing: gfet4t7; dur=5", NULL, "gemini" },
        { "Server: scaffolding on HTTPServer2", "{ \"usageMetadata\": {} }", "gemini" },
        { "Server: scaffolding on HTTPServer2",
          "{\"usageMetadata\":{\"trafficType\":\"ON_DEMAND\"}}", "vertex-ai" },
        { "Server: scaffolding on HTTPServer2\ninternal-input-tokens: 1", "{\"type\":\"message\"}",
          "vertex-ai" },
        { "x-amzn-RequestId: x", "{\"type\":\"message\"}", "bedrock" },
        { "mistral-correlation-id: x", NULL, "mistral" },
        { "x-ratelimit-remaining-req-10-second: 1", NULL, "mistral" },
        { "x-ratelimit-tokens-query-cost: 7", NULL, "mistral" },
        { "x-trial-endpoint-call-limit: 1", NULL, "cohere" },
        { "", "{\"usage\": {\"billed_units\": {}}}", "cohere" },
        { "num_tokens: 7", NULL, "cohere" },
        { "X-Debug-Trace-Id: x", NULL, "cohere" },
        { "Server: scaffolding on HTTPServer2",
          "{\"error\":{\"message\":\"Exceeded the Provisioned Throughput.\","
          "\"status\":\"RESOURCE_EXHAUSTED\"}}",
          "vertex-ai" },
        { "Content-Type: application/vnd.amazon.eventstream", NULL, "bedrock" },
        { "x-tokenlimit-limit: 1", NULL, "together" },
        { "x-ratelimit-over-limit: no", NULL, "fireworks" },
        { "x-generation-id: gen-1", NULL, "openrouter" },
        { "", "\n\n {\"id\": \"gen-1\"}", "openrouter" },
        { "x-zero-data-retention: false", NULL, "xai" },
        { "x-ds-trace-id: x", NULL, "deepseek" },
        { "x-ratelimit-limit-requests-day: 1", NULL, "cerebras" },
        { "x-ppl-region: x", NULL, "perplexity" },
        { "x-ratelimit-type: UserByMinute\napim-request-id: x", NULL, "github-models" },
        { "RateLimit-Policy: \"fixed window\";\"api\";q=1;w=300", NULL, "huggingface" },
        { "x-ratelimit-reset-tokens: 6m0s", NULL, "openai" },
        { "x-ratelimit-reset-tokens: 6", NULL, "generic" },
        { "", "", "generic" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        rl_header header[32];
        rl_response response = response_of(200, row[i].lines, row[i].body, header);
        const char *got = rl_dialect_name(rl_dialect_recognise(&response));

        if (strcmp(got, row[i].want) != 0)
            print_message("row %zu: want %s, got %s\n", i, row[i].want, got);
        assert_string_equal(got, row[i].want);
    }
    assert_string_equal(rl_dialect_name(rl_dialect_recognise(NULL)), "generic");
}

/* A mark that lies across any two of the pieces in which a body is looked at. */
static void recognises_a_mark_anywhere(void **state)
{
    static const char mark[] = "\"prompt_cache_hit_tokens\"";
    static char body[10000];

    (void)state;
    for (size_t at = 0; at + sizeof mark < sizeof body; at += 7) {
        rl_header header[32];
        rl_response response;

        memset(body, 'x', sizeof body);
        memcpy(body + at, mark, sizeof mark - 1);
        response = response_of(200, "", NULL, header);
        response.body = body;
        response.body_length = sizeof body;
        assert_string_equal(rl_dialect_name(rl_dialect_recognise(&response)), "deepseek");
    }
}

static const rl_dialect_limit own_limits[] = {
    { "X-Acme-Budget", "X-Acme-Left", "X-Acme-Refill", RL_TOKENS, RL_TIME_MILLISECONDS,
      10 * RL_SECOND },
    { NULL, "X-Acme-Calls-Left", NULL, RL_REQUESTS, RL_TIME_AUTO, 0 },
};
static const rl_dialect_wait own_waits[] = { { "X-Acme-Come-Back", RL_TIME_EPOCH } };

static rl_dialect_spec own_spec(void)
{
    rl_dialect_spec spec = RL_DIALECT_SPEC_INIT;

    spec.name = "acme";
    spec.limits = own_limits;
    spec.limit_count = COUNT(own_limits);
    spec.waits = own_waits;
    spec.wait_count = COUNT(own_waits);
    return spec;
}

static void a_dialect_of_ones_own_is_read(void **state)
{
    rl_dialect_spec spec = own_spec();
    rl_dialect *dialect = NULL;
    rl_header header[32];
    rl_response response = response_of(429,
                                       "x-acme-budget: 500\nX-ACME-LEFT: 0\nx-acme-refill: 250\n"
                                       "x-acme-calls-left: 3\nx-acme-come-back: 1790000007\n"
                                       "x-ratelimit-limit-requests-minute: 9",
                                       NULL, header);
    rl_answer answer;
    struct text text;

    (void)state;
    assert_int_equal(rl_dialect_new(&spec, NULL, &dialect), RL_OK);
    memset(&spec, 0x55, sizeof spec); /* it was copied */
    assert_string_equal(rl_dialect_name(dialect), "acme");
    assert_int_equal(rl_answer_read(dialect, &response, NOW, &answer), RL_OK);
    print_answer(&answer, &text);
    assert_string_equal(text.data, "limited 7000ms retry | tokens 10s 0/500 250ms; requests - 3/-; "
                                   "requests 60s -/9 | by tokens 10s");
    rl_dialect_free(dialect);
    rl_dialect_free(NULL);
}

static void a_wrong_dialect_is_refused(void **state)
{
    static const rl_dialect_limit bad_limits[] = {
        { NULL, NULL, "x", RL_TOKENS, RL_TIME_AUTO, 0 },
        { "", NULL, NULL, RL_TOKENS, RL_TIME_AUTO, 0 },
        { "x", NULL, NULL, RL_DIMENSION_COUNT, RL_TIME_AUTO, 0 },
        { "x", NULL, NULL, RL_TOKENS, RL_TIME_EPOCH + 1, 0 },
        { "x", NULL, NULL, RL_TOKENS, RL_TIME_AUTO, RL_NEVER },
    };
    rl_dialect_spec spec;
    rl_dialect *dialect = (rl_dialect *)&spec;

    (void)state;
    for (size_t i = 0; i < COUNT(bad_limits); i++) {
        spec = own_spec();
        spec.limits = &bad_limits[i];
        spec.limit_count = 1;
        assert_int_equal(rl_dialect_new(&spec, NULL, &dialect), RL_E_INVALID);
        assert_null(dialect);
    }
    spec = own_spec();
    spec.name = NULL;
    assert_int_equal(rl_dialect_new(&spec, NULL, &dialect), RL_E_INVALID);
    spec = own_spec();
    spec.limit_count = 65;
    assert_int_equal(rl_dialect_new(&spec, NULL, &dialect), RL_E_INVALID);
    spec = own_spec();
    spec.waits = NULL;
    assert_int_equal(rl_dialect_new(&spec, NULL, &dialect), RL_E_INVALID);
    spec = own_spec();
    spec.size = 0;
    assert_int_equal(rl_dialect_new(&spec, NULL, &dialect), RL_E_INVALID);
    assert_int_equal(rl_dialect_new(NULL, NULL, &dialect), RL_E_INVALID);
    assert_int_equal(rl_dialect_new(&spec, NULL, NULL), RL_E_INVALID);
}

static void a_dialect_copes_without_memory(void **state)
{
    struct failing_alloc memory = { .fail_at = 1 };
    rl_hooks hooks = failing_alloc_hooks(&memory);
    rl_dialect_spec spec = own_spec();
    rl_dialect *dialect;

    (void)state;
    assert_int_equal(rl_dialect_new(&spec, &hooks, &dialect), RL_E_NOMEM);
    assert_null(dialect);
    memory.fail_at = 0;
    assert_int_equal(rl_dialect_new(&spec, &hooks, &dialect), RL_OK);
    assert_int_equal(memory.alive, 1);
    rl_dialect_free(dialect);
    assert_int_equal(memory.alive, 0);
}

static const char stream[] =
    ": hello\n\n"
    "data: "
    "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}"
    "\n\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":9}}\n\n";

static void a_reader_takes_any_pieces(void **state)
{
    static rl_usage_reader reader;

    (void)state;
    for (size_t step = 1; step < sizeof stream; step++) {
        rl_usage usage;

        memset(&reader, 0xa5, sizeof reader);
        assert_int_equal(rl_usage_reader_init(&reader, NULL, NOW), RL_OK);
        for (size_t at = 0; at < sizeof stream - 1; at += step)
            assert_int_equal(
                rl_usage_reader_feed(&reader, stream + at, rl__min(step, sizeof stream - 1 - at)),
                RL_OK);
        assert_int_equal(rl_usage_reader_end(&reader, &usage), RL_OK);
        assert_int_equal(usage.input_tokens, 3);
        assert_int_equal(usage.output_tokens, 9);
    }
}

static void a_reader_tells_what_a_cut_stream_told(void **state)
{
    static rl_usage_reader reader;
    rl_usage usage;

    (void)state;
    assert_int_equal(rl_usage_reader_init(&reader, NULL, NOW), RL_OK);
    assert_int_equal(rl_usage_reader_end(&reader, &usage), RL_OK);
    assert_int_equal(usage.has, 0);
    assert_int_equal(rl_usage_reader_feed(&reader, stream, 120), RL_OK);
    assert_int_equal(rl_usage_reader_end(&reader, &usage), RL_OK);
    assert_int_equal(usage.has, RL_HAS_INPUT); /* the first output count is only a beginning */
    assert_int_equal(usage.input_tokens, 3);
}

static void an_answer_is_finished_with_what_was_fed(void **state)
{
    static const char error[] = "data: {\"error\":{\"code\":\"rate_limit_exceeded\"}}\n\n";
    static rl_usage_reader reader;
    rl_header header[32];
    rl_response response = response_of(200, "x-ratelimit-remaining-requests: 5", NULL, header);
    rl_answer answer;
    rl_usage usage;
    struct text text;

    (void)state;
    rl_usage_reader_init(&reader, NULL, NOW);
    rl_usage_reader_feed(&reader, stream, sizeof stream - 1);
    rl_usage_reader_feed(&reader, error, sizeof error - 1);
    rl_usage_reader_end(&reader, &usage);
    assert_int_equal(rl_answer_read_fed(NULL, &response, &reader, NOW, &answer), RL_OK);
    print_answer(&answer, &text);
    assert_string_equal(text.data, "limited retry | requests - 5/- | 3 9 -");
    response = response_of(429, "", "{\"error\":{\"code\":\"insufficient_quota\"}}", header);
    assert_int_equal(rl_answer_read_fed(NULL, &response, &reader, NOW, &answer), RL_OK);
    assert_int_equal(answer.outcome, RL_OUTCOME_QUOTA_EXHAUSTED);
}

static void a_reader_refuses_what_it_must(void **state)
{
    static rl_usage_reader reader;
    rl_header header[32];
    rl_response response = response_of(200, "", NULL, header);
    rl_usage usage = { .has = 7 };
    rl_answer answer;

    (void)state;
    memset(&reader, 0, sizeof reader);
    assert_int_equal(rl_usage_reader_init(NULL, NULL, NOW), RL_E_INVALID);
    assert_int_equal(rl_usage_reader_feed(&reader, "x", 1), RL_E_INVALID);
    assert_int_equal(rl_usage_reader_end(&reader, &usage), RL_E_INVALID);
    assert_int_equal(usage.has, 0);
    assert_int_equal(rl_answer_read_fed(NULL, &response, &reader, NOW, &answer), RL_E_INVALID);
    assert_true(answer.retry_after == RL_NEVER);
    rl_usage_reader_init(&reader, NULL, NOW);
    assert_int_equal(rl_usage_reader_feed(&reader, NULL, 1), RL_E_INVALID);
    assert_int_equal(rl_usage_reader_feed(&reader, NULL, 0), RL_OK);
    assert_int_equal(rl_usage_reader_end(&reader, NULL), RL_E_INVALID);
}

static void every_dialect_has_its_rules_of_charge(void **state)
{
    static const char *const names[] = {
        "openai",    "azure-openai", "anthropic",     "groq",        "gemini",
        "vertex-ai", "bedrock",      "mistral",       "cohere",      "together",
        "fireworks", "openrouter",   "xai",           "deepseek",    "cerebras",
        "generic",   "perplexity",   "github-models", "huggingface",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_non_null(rl_dialect_find(names[i]));
        assert_string_equal(rl_dialect_name(rl_dialect_find(names[i])), names[i]);
        assert_string_equal(rl__traits_find(names[i])->dialect, names[i]);
    }
    assert_null(rl_dialect_find("acme"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_headers_of_each),
        cmocka_unit_test(reads_the_errors_of_each),
        cmocka_unit_test(counts_the_tokens_of_each),
        cmocka_unit_test(recognises_who_speaks),
        cmocka_unit_test(recognises_a_mark_anywhere),
        cmocka_unit_test(a_dialect_of_ones_own_is_read),
        cmocka_unit_test(a_wrong_dialect_is_refused),
        cmocka_unit_test(a_dialect_copes_without_memory),
        cmocka_unit_test(a_reader_takes_any_pieces),
        cmocka_unit_test(a_reader_tells_what_a_cut_stream_told),
        cmocka_unit_test(an_answer_is_finished_with_what_was_fed),
        cmocka_unit_test(a_reader_refuses_what_it_must),
        cmocka_unit_test(every_dialect_has_its_rules_of_charge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
