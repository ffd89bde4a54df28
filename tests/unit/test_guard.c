/* SPDX-License-Identifier: MIT */
/* What keeps a context from making an outage worse: the retry budget. */
#include "vclock.h"

#include <llmrl/config.h>
#include <llmrl/queue.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct vclock the_clock;

static rl_context *open_with(const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    rl_hooks hooks;

    the_clock = (struct vclock){ .now = 1000 * RL_SECOND, .random = 5 };
    hooks = vclock_hooks(&the_clock);
    options.hooks = &hooks;
    options.config_json = json;
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    return rl;
}

static rl_request ask(const char *provider)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = provider;
    request.model = "m";
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    return request;
}

static rl_response answer(uint64_t status)
{
    rl_response response = RL_RESPONSE_INIT;

    response.status = status;
    response.body = status == 429 ? "{\"error\":{\"code\":\"rate_limit_exceeded\"}}" : "{}";
    response.body_length = strlen(response.body);
    return response;
}

static rl_stats stats_of(const rl_context *rl)
{
    rl_stats stats = { .size = sizeof stats };

    assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
    return stats;
}

/* One request to its end, each answer being `status`. */
static rl_attempt run(rl_context *rl, const char *provider, uint64_t status)
{
    rl_request request = ask(provider);
    rl_response response = answer(status);
    rl_attempt attempt = RL_ATTEMPT_INIT;

    while (rl_next_attempt(rl, &request, &attempt))
        assert_int_equal(rl_attempt_done(rl, &attempt, &response), RL_OK);
    return attempt;
}

static void a_used_up_budget_ends_an_attempt_and_says_so(void **state)
{
    rl_context *rl = open_with("{\"retry\": {\"jitter\": \"none\", \"budget\": {\"ratio\": 0, "
                               "\"floor_per_minute\": 1, \"burst\": 2}}}");
    rl_attempt attempt = run(rl, "p", 503);
    char text[200];

    (void)state;
    assert_int_equal(attempt.status, RL_E_BUDGET);
    assert_int_equal(attempt.number, 3);
    assert_int_equal(attempt.verdict.http, 503); /* the last error stands */
    assert_int_equal(attempt.retry_at, 1060 * RL_SECOND);
    assert_string_equal(rl_explain(&attempt, text, sizeof text),
                        "HTTP 503: the retry budget is used up, after 3 attempts; the earliest "
                        "useful time is in 58.5 s");
    assert_int_equal(stats_of(rl).retries, 2);
    assert_int_equal(stats_of(rl).retries_over_budget, 1);
    attempt = run(rl, "other", 500); /* it is one for all */
    assert_int_equal(attempt.status, RL_E_BUDGET);
    assert_int_equal(attempt.number, 1);
    rl_close(rl);
}

static void requests_pay_into_the_budget(void **state)
{
    rl_context *rl = open_with("{\"retry\": {\"max_attempts\": 2, \"budget\": {\"ratio\": 0.5, "
                               "\"floor_per_minute\": 1, \"burst\": 1}}}");

    (void)state;
    assert_int_equal(run(rl, "p", 503).status, RL_E_ATTEMPTS);
    assert_int_equal(run(rl, "p", 503).status, RL_E_BUDGET);
    assert_int_equal(run(rl, "p", 503).status, RL_E_ATTEMPTS);
    rl_close(rl);
}

/* Refusals wait at the gate, which paces them: they are no storm. */
static void refusals_need_no_budget(void **state)
{
    rl_context *rl = open_with("{\"retry\": {\"budget\": {\"ratio\": 0, \"floor_per_minute\": 1, "
                               "\"burst\": 1}}}");
    rl_request request = ask("p");
    rl_response no = answer(429), ok = answer(200);
    rl_attempt attempt = RL_ATTEMPT_INIT;
    int sent = 0;

    (void)state;
    request.max_wait_ms = RL_NEVER;
    while (rl_next_attempt(rl, &request, &attempt))
        assert_int_equal(rl_attempt_done(rl, &attempt, ++sent < 10 ? &no : &ok), RL_OK);
    assert_int_equal(attempt.status, RL_OK);
    assert_int_equal(attempt.number, 10);
    rl_close(rl);
}

static void without_one_nothing_is_held_back(void **state)
{
    rl_context *rl = open_with(NULL);

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(run(rl, "p", 503).number, 6);
    assert_int_equal(stats_of(rl).retries_over_budget, 0);
    rl_close(rl);
}

static void the_jitter_is_as_configured(void **state)
{
    rl_context *rl = open_with("{\"retry\": {\"jitter\": \"none\", \"base_delay_ms\": 1000}}");

    (void)state;
    assert_int_equal(run(rl, "p", 503).number, 6);
    assert_int_equal(the_clock.now, (1000 + 1 + 2 + 4 + 8 + 16) * RL_SECOND);
    rl_close(rl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_used_up_budget_ends_an_attempt_and_says_so),
        cmocka_unit_test(requests_pay_into_the_budget),
        cmocka_unit_test(refusals_need_no_budget),
        cmocka_unit_test(without_one_nothing_is_held_back),
        cmocka_unit_test(the_jitter_is_as_configured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
