/* SPDX-License-Identifier: MIT */
/* Outcomes, through the public call: names first, then the status, words last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/classify.h"

#include <string.h>

#define ERROR(type, code, message)                                                                 \
    "{\"error\":{\"type\":\"" type "\",\"code\":\"" code "\",\"message\":\"" message "\"}}"

static rl_answer answer_of(uint64_t status, const char *body, const char *should_retry,
                           uint64_t failure)
{
    rl_header header = { "x-should-retry", 14, should_retry, 0 };
    rl_response response = RL_RESPONSE_INIT;
    rl_answer answer;

    response.status = status;
    response.failure = failure;
    response.body = body;
    response.body_length = body == NULL ? 0 : strlen(body);
    if (should_retry != NULL) {
        header.value_length = strlen(should_retry);
        response.headers = &header;
        response.header_count = 1;
    }
    assert_int_equal(rl_answer_read(NULL, &response, 1, &answer), RL_OK);
    return answer;
}

static void sorts_answers_by_kind(void **state)
{
    static const struct {
        uint64_t status;
        const char *body;
        rl_outcome outcome;
        uint32_t retryable;
        const char *code;
    } row[] = {
        { 200, "{\"id\":1}", RL_OUTCOME_OK, 0, "" },
        { 201, NULL, RL_OUTCOME_OK, 0, "" },
        { 429, NULL, RL_OUTCOME_RATE_LIMITED, 1, "" },
        { 429, ERROR("tokens", "rate_limit_exceeded", "m"), RL_OUTCOME_RATE_LIMITED, 1,
          "rate_limit_exceeded" },
        { 429, ERROR("insufficient_quota", "x", "m"), RL_OUTCOME_QUOTA_EXHAUSTED, 0, "x" },
        { 429, ERROR("rate_limit_error", "slow_down", "m"), RL_OUTCOME_OVERLOADED, 1, "slow_down" },
        { 429,
          ERROR("tokens", "rate_limit_exceeded", "Request too large for m. Limit 3, Requested 4"),
          RL_OUTCOME_TOO_LARGE, 0, "rate_limit_exceeded" },
        { 429,
          ERROR("tokens", "rate_limit_exceeded",
                "Rate limit reached: Limit 7, Used 0, Requested ~9."),
          RL_OUTCOME_TOO_LARGE, 0, "rate_limit_exceeded" },
        { 429, ERROR("tokens", "rate_limit_exceeded", "Limit 9, Used 9, Requested 9."),
          RL_OUTCOME_RATE_LIMITED, 1, "rate_limit_exceeded" },
        { 413, ERROR("tokens", "rate_limit_exceeded", "m"), RL_OUTCOME_TOO_LARGE, 0,
          "rate_limit_exceeded" },
        { 413, NULL, RL_OUTCOME_TOO_LARGE, 0, "" },
        { 498, NULL, RL_OUTCOME_OVERLOADED, 1, "" },
        { 400, ERROR("invalid_request_error", "context_length_exceeded", "m"), RL_OUTCOME_TOO_LARGE,
          0, "context_length_exceeded" },
        { 400, ERROR("invalid_request_error", "", "prompt is too long: 9 tokens > 8 maximum"),
          RL_OUTCOME_TOO_LARGE, 0, "invalid_request_error" },
        { 400,
          ERROR("invalid_request_error", "", "You have reached your specified API usage limits."),
          RL_OUTCOME_QUOTA_EXHAUSTED, 0, "invalid_request_error" },
        { 400, ERROR("invalid_request_error", "", "bad value: 'insufficient balance'"),
          RL_OUTCOME_CLIENT_ERROR, 0, "invalid_request_error" }, /* an echo of the prompt */
        { 400, ERROR("blocked_api_access", "", ""), RL_OUTCOME_QUOTA_EXHAUSTED, 0,
          "blocked_api_access" },
        { 400,
          "{\"error\":{\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"@type\":"
          "\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"API_KEY_INVALID\"}]}}",
          RL_OUTCOME_AUTH, 0, "API_KEY_INVALID" },
        { 401, NULL, RL_OUTCOME_AUTH, 0, "" },
        { 402, NULL, RL_OUTCOME_QUOTA_EXHAUSTED, 0, "" },
        { 403, NULL, RL_OUTCOME_AUTH, 0, "" },
        { 403, ERROR("", "rateLimitExceeded", ""), RL_OUTCOME_RATE_LIMITED, 1,
          "rateLimitExceeded" },
        { 404, NULL, RL_OUTCOME_CLIENT_ERROR, 0, "" },
        { 429, ERROR("permission_error", "", ""), RL_OUTCOME_RATE_LIMITED, 1, "permission_error" },
        { 404, ERROR("permission_error", "", ""), RL_OUTCOME_AUTH, 0, "permission_error" },
        { 408, NULL, RL_OUTCOME_CLIENT_ERROR, 1, "" },
        { 422, NULL, RL_OUTCOME_CLIENT_ERROR, 0, "" },
        { 301, NULL, RL_OUTCOME_CLIENT_ERROR, 0, "" },
        { 500, NULL, RL_OUTCOME_SERVER_ERROR, 1, "" },
        { 500, ERROR("api_error", "", "Overloaded"), RL_OUTCOME_OVERLOADED, 1, "api_error" },
        { 501, NULL, RL_OUTCOME_SERVER_ERROR, 0, "" },
        { 502, "<html>", RL_OUTCOME_SERVER_ERROR, 1, "" },
        { 503, NULL, RL_OUTCOME_OVERLOADED, 1, "" },
        { 503, "{\"error\":{\"status\":\"UNAVAILABLE\",\"code\":503}}", RL_OUTCOME_OVERLOADED, 1,
          "UNAVAILABLE" },
        { 529, NULL, RL_OUTCOME_OVERLOADED, 1, "" },
        { 429, "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}",
          RL_OUTCOME_OVERLOADED, 1, "overloaded" },
        { 429,
          "{\"type\":\"invalid_request_error\",\"message\":\"Service tier capacity exceeded\"}",
          RL_OUTCOME_OVERLOADED, 1, "invalid_request_error" },
        { 429, "{\"error\":{\"code\":\"rate_limit_error\",\"type\":\"invalid_request_error\"}}",
          RL_OUTCOME_RATE_LIMITED, 1, "rate_limit_error" },
        { 429, "\"used all available credits\"", RL_OUTCOME_QUOTA_EXHAUSTED, 0, "" },
        { 429,
          "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"You exceeded your current "
          "quota, please check your plan and billing details.\"}}",
          RL_OUTCOME_RATE_LIMITED, 1, "RESOURCE_EXHAUSTED" }, /* Gemini writes so every time */
        { 429,
          "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"* Quota exceeded for "
          "metric: m, limit: 0, model: m\"}}",
          RL_OUTCOME_QUOTA_EXHAUSTED, 0, "RESOURCE_EXHAUSTED" },
        { 429, "data: {\"error\":{\"code\":\"slow_down\"}}\n\n", RL_OUTCOME_OVERLOADED, 1,
          "slow_down" },
        /* inside a success */
        { 200, "data: {\"error\":{\"type\":\"overloaded_error\"}}\n\n", RL_OUTCOME_OVERLOADED, 1,
          "overloaded_error" },
        { 200, "data: {\"error\":{\"code\":429,\"message\":\"m\"}}\n\n", RL_OUTCOME_RATE_LIMITED, 1,
          "429" },
        { 200, /* the first error stands */
          "data: {\"error\":{\"code\":\"slow_down\"}}\n\ndata: "
          "{\"error\":{\"type\":\"billing_error\"}}\n\n",
          RL_OUTCOME_OVERLOADED, 1, "slow_down" },
        { 200, "data: {\"error\":{\"message\":\"m\"}}\n\n", RL_OUTCOME_SERVER_ERROR, 1, "" },
        { 200, "data: {\"error\":{\"type\":\"invalid_request_error\"}}\n\n",
          RL_OUTCOME_CLIENT_ERROR, 0, "invalid_request_error" },
        { 200, "{\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\"}}",
          RL_OUTCOME_RATE_LIMITED, 1, "rate_limit_exceeded" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_answer answer = answer_of(row[i].status, row[i].body, NULL, 0);

        if (answer.outcome != (uint32_t)row[i].outcome || answer.retryable != row[i].retryable ||
            answer.quota_exhausted != (row[i].outcome == RL_OUTCOME_QUOTA_EXHAUSTED) ||
            strcmp(answer.code, row[i].code) != 0)
            fail_msg("row %zu: outcome %u, retryable %u, code \"%s\"", i, answer.outcome,
                     answer.retryable, answer.code);
    }
}

static void the_answers_own_word_outranks_the_status(void **state)
{
    (void)state;
    assert_int_equal(answer_of(429, NULL, "false", 0).retryable, 0);
    assert_int_equal(answer_of(400, NULL, "true", 0).retryable, 1);
    assert_int_equal(answer_of(500, NULL, " FALSE ", 0).retryable, 0);
    assert_int_equal(answer_of(500, NULL, "perhaps", 0).retryable, 1);
    assert_int_equal(answer_of(500, NULL, "perhaps", 0).ignored, 1);
    assert_int_equal(answer_of(200, NULL, "true", 0).retryable, 0);
    assert_int_equal(answer_of(402, NULL, "true", 0).retryable, 0); /* it would be in vain */
    assert_int_equal(answer_of(413, NULL, "true", 0).retryable, 0);
}

static void no_answer_is_transport(void **state)
{
    (void)state;
    for (uint64_t failure = 0; failure <= RL_FAILURE_OTHER; failure++) {
        rl_answer answer = answer_of(0, NULL, NULL, failure);

        assert_int_equal(answer.outcome, RL_OUTCOME_TRANSPORT);
        assert_int_equal(answer.retryable, failure != RL_FAILURE_TLS &&
                                               failure != RL_FAILURE_TOO_BIG &&
                                               failure != RL_FAILURE_ABORTED);
        assert_true(answer.retry_after == RL_NEVER);
    }
    assert_int_equal(answer_of(200, NULL, NULL, RL_FAILURE_RESET_LATE).outcome,
                     RL_OUTCOME_TRANSPORT);
    assert_int_equal(answer_of(429, NULL, NULL, RL_FAILURE_RESET_LATE).outcome,
                     RL_OUTCOME_RATE_LIMITED);
    assert_int_equal(answer_of(200, "data: {\"error\":{\"code\":\"slow_down\"}}\n\n", NULL,
                               RL_FAILURE_RESET_LATE)
                         .outcome,
                     RL_OUTCOME_OVERLOADED);
}

static void a_stream_cut_short_keeps_its_usage(void **state)
{
    rl_answer answer = answer_of(200, "data: {\"usage\":{\"prompt_tokens\":5}}\n\ndata: {\"cho",
                                 NULL, RL_FAILURE_RESET_LATE);

    (void)state;
    assert_int_equal(answer.usage.has, RL_HAS_INPUT);
    assert_int_equal(answer.usage.input_tokens, 5);
}

static rl_answer headed(const char *dialect, uint64_t status, const char *body,
                        const rl_header *headers, size_t count)
{
    rl_response response = RL_RESPONSE_INIT;
    rl_answer answer;

    response.status = status;
    response.headers = headers;
    response.header_count = count;
    response.body = body;
    response.body_length = body == NULL ? 0 : strlen(body);
    assert_int_equal(rl_answer_read(rl_dialect_find(dialect), &response, 1, &answer), RL_OK);
    return answer;
}

static void the_wait_comes_from_headers_first(void **state)
{
    static const rl_header after = { "Retry-After", 11, "2", 1 };
    static const char words[] = "{\"error\":{\"message\":\"Please retry in 48.9s.\",\"details\":[{"
                                "\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
                                "\"retryDelay\":\"48s\"}]}}";
    static const char field[] = "{\"error\":{\"details\":[{"
                                "\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
                                "\"retryDelay\":\"48s\"}]}}";

    (void)state;
    assert_true(headed("gemini", 429, words, &after, 1).retry_after == 2 * RL_SECOND);
    assert_true(headed("gemini", 429, words, NULL, 0).retry_after == 48900 * RL_MILLISECOND);
    assert_true(headed("gemini", 429, field, NULL, 0).retry_after == 48 * RL_SECOND);
    assert_true(headed("gemini", 200, NULL, &after, 1).retry_after == RL_NEVER);
    assert_true(
        headed("gemini", 200, "data: {\"error\":{\"message\":\"try again in 3s\"}}\n\n", &after, 1)
            .retry_after == 3 * RL_SECOND);
}

static void tells_whose_limit_it_is(void **state)
{
    static const rl_header used_up[] = {
        { "anthropic-ratelimit-requests-limit", 34, "5", 1 },
        { "anthropic-ratelimit-requests-remaining", 38, "0", 1 },
        { "anthropic-ratelimit-tokens-remaining", 36, "9", 1 },
    };
    rl_answer answer = headed("anthropic", 429, NULL, used_up, 3);

    (void)state;
    assert_int_equal(answer.limited_mask, 1u << RL_REQUESTS);
    assert_true(answer.limited_window == RL_MINUTE);
    answer = headed("anthropic", 200, NULL, used_up, 3);
    assert_int_equal(answer.limited_mask, 0);
    answer = headed("openai", 429, ERROR("tokens", "rate_limit_exceeded", "per day"), NULL, 0);
    assert_int_equal(answer.limited_mask, 1u << RL_TOKENS);
    assert_true(answer.limited_window == 0);
    answer = headed("openai", 429,
                    ERROR("requests", "rate_limit_exceeded", "on requests per day (RPD)"), NULL, 0);
    assert_int_equal(answer.limited_mask, 1u << RL_REQUESTS);
    assert_true(answer.limited_window == RL_DAY);
}

static void wrong_arguments_are_told(void **state)
{
    rl_response response = RL_RESPONSE_INIT;
    rl_answer answer;

    (void)state;
    memset(&answer, 0xff, sizeof answer);
    assert_int_equal(rl_answer_read(NULL, NULL, 0, &answer), RL_E_INVALID);
    assert_true(answer.retry_after == RL_NEVER && answer.report_count == 0);
    assert_int_equal(rl_answer_read(NULL, &response, 0, NULL), RL_E_INVALID);
    response.header_count = 7; /* but no headers */
    response.body_length = 7;  /* but no body */
    assert_int_equal(rl_answer_read(NULL, &response, INT64_MIN, &answer), RL_OK);
    assert_int_equal(answer.outcome, RL_OUTCOME_TRANSPORT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_answers_by_kind),
        cmocka_unit_test(the_answers_own_word_outranks_the_status),
        cmocka_unit_test(no_answer_is_transport),
        cmocka_unit_test(a_stream_cut_short_keeps_its_usage),
        cmocka_unit_test(the_wait_comes_from_headers_first),
        cmocka_unit_test(tells_whose_limit_it_is),
        cmocka_unit_test(wrong_arguments_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
