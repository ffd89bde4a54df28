/* SPDX-License-Identifier: MIT */
/* Attempts that leave by one of several routes. */
#include "vclock.h"

#include <llmrl/config.h>
#include <llmrl/queue.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define START (1000 * RL_SECOND)

static struct vclock the_clock;

static rl_context *open_with(const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    rl_hooks hooks;
    char error[200] = "";

    the_clock = (struct vclock){ .now = START, .random = 5 };
    hooks = vclock_hooks(&the_clock);
    options.hooks = &hooks;
    options.config_json = json;
    options.error = error;
    options.error_size = sizeof error;
    if (rl_open(&options, &rl) != RL_OK)
        fail_msg("%s", error);
    return rl;
}

static rl_request ask(const char *provider, const char *model)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = provider;
    request.model = model;
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    request.allow_fallback = RL_FALLBACK_ON;
    return request;
}

static rl_response answer(uint64_t status)
{
    rl_response response = RL_RESPONSE_INIT;

    response.status = status;
    response.body = status == 429   ? "{\"error\":{\"code\":\"rate_limit_exceeded\"}}"
                    : status == 402 ? "{\"error\":{\"code\":\"insufficient_quota\"}}"
                                    : "{}";
    response.body_length = strlen(response.body);
    return response;
}

/* Tells one attempt that is under way how it went. */
static void tell(rl_context *rl, rl_attempt *attempt, uint64_t status)
{
    rl_response response = answer(status);

    assert_int_equal(rl_attempt_done(rl, attempt, &response), RL_OK);
}

static void check_route(const rl_attempt *attempt, const char *provider, const char *model,
                        const char *key, uint64_t reason)
{
    assert_string_equal(attempt->route.provider, provider);
    assert_string_equal(attempt->route.model, model);
    if (key == NULL)
        assert_null(attempt->route.key);
    else
        assert_string_equal(attempt->route.key, key);
    assert_string_equal(rl_route_reason_name(attempt->route.reason), rl_route_reason_name(reason));
}

/* One request that succeeds at once. */
static rl_attempt go(rl_context *rl, const rl_request *request)
{
    rl_attempt attempt = RL_ATTEMPT_INIT;

    assert_int_equal(rl_next_attempt(rl, request, &attempt), 1);
    tell(rl, &attempt, 200);
    assert_int_equal(attempt.status, RL_OK);
    return attempt;
}

static uint64_t fallbacks_of(const rl_context *rl)
{
    rl_stats stats = { .size = sizeof stats };

    assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
    return stats.fallbacks;
}

/* ---- chains ---- */

#define ONE_A_MINUTE "{\"dimension\": \"requests\", \"amount\": 1, \"period\": \"minute\"}"
#define CHAIN                                                                                      \
    "{\"providers\": {\"openai\": {\"base_url\": \"https://o\", \"api_key_env\": \"O\","           \
    "   \"limits\": [" ONE_A_MINUTE "]},"                                                          \
    "  \"anthropic\": {\"base_url\": \"https://a\", \"limits\": [{\"dimension\": \"requests\","    \
    "   \"amount\": 1000, \"period\": \"second\"}]}},"                                             \
    " \"retry\": {\"jitter\": \"none\"},"                                                          \
    " \"fallback\": {\"openai/gpt-4\": [\"anthropic/claude-3\"], \"stay_within_ms\": 2000}}"

static void a_limited_primary_is_left_and_comes_back_by_itself(void **state)
{
    rl_context *rl = open_with(CHAIN);
    rl_request request = ask("openai", "gpt-4");
    rl_attempt attempt = go(rl, &request);
    rl_time freed;
    char text[200];

    (void)state;
    check_route(&attempt, "openai", "gpt-4", NULL, RL_ROUTE_FIRST);
    assert_string_equal(attempt.route.base_url, "https://o");
    assert_string_equal(attempt.route.api_key_env, "O");
    attempt = go(rl, &request);
    check_route(&attempt, "anthropic", "claude-3", NULL, RL_ROUTE_EARLIEST);
    assert_string_equal(attempt.route.base_url, "https://a");
    assert_null(attempt.route.api_key_env);
    assert_string_equal(rl_explain(&attempt, text, sizeof text),
                        "HTTP 200: ok, after 1 attempt, as the first that could start by "
                        "anthropic/claude-3");
    assert_int_equal(the_clock.now, START); /* nobody waited */
    assert_int_equal(fallbacks_of(rl), 1);

    request.allow_fallback = RL_FALLBACK_OFF;
    request.max_wait_ms = 1;
    attempt = (rl_attempt)RL_ATTEMPT_INIT;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 0);
    assert_int_equal(attempt.status, RL_E_TIMEOUT);
    freed = attempt.retry_at;
    assert_true(freed > START + 2 * RL_SECOND && freed < START + 120 * RL_SECOND);

    /* Within two seconds of its time the primary is waited for, one nanosecond before it is not. */
    request = ask("openai", "gpt-4");
    the_clock.now = freed - 2 * RL_SECOND - 1;
    attempt = go(rl, &request);
    check_route(&attempt, "anthropic", "claude-3", NULL, RL_ROUTE_EARLIEST);
    the_clock.now = freed - 2 * RL_SECOND;
    attempt = go(rl, &request);
    check_route(&attempt, "openai", "gpt-4", NULL, RL_ROUTE_FIRST);
    assert_int_equal(the_clock.now, freed);
    rl_close(rl);
}

/* SEED-BUGS 31: the model goes with its provider; nothing of the request is changed; each route at
 * most once; one model's 429 leaves the provider's others alone. */
static void seed_31_a_fallback_has_its_own_model_and_is_tried_once(void **state)
{
    rl_context *rl = open_with("{\"fallback\": [\"a/one\", \"b/two\", \"a/three\"],"
                               " \"retry\": {\"jitter\": \"none\"}}");
    rl_request request = ask("a", "one"), before;
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    before = request;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    check_route(&attempt, "a", "one", NULL, RL_ROUTE_FIRST);
    tell(rl, &attempt, 429);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    check_route(&attempt, "b", "two", NULL, RL_ROUTE_NEXT);
    tell(rl, &attempt, 429);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    check_route(&attempt, "a", "three", NULL, RL_ROUTE_NEXT);
    assert_int_equal(the_clock.now, START);
    tell(rl, &attempt, 429);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    check_route(&attempt, "a", "one", NULL, RL_ROUTE_AGAIN);
    assert_int_equal(the_clock.now, START + RL_SECOND); /* when its gate opens */
    tell(rl, &attempt, 200);
    assert_memory_equal(&request, &before, sizeof request);
    rl_close(rl);
}

static void who_is_in_a_list_falls_back_on_those_behind(void **state)
{
    rl_context *rl = open_with("{\"fallback\": [\"a/one\", \"b/two\", \"a/three\"]}");
    rl_request request = ask("b", "two");
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    check_route(&attempt, "b", "two", NULL, RL_ROUTE_FIRST);
    tell(rl, &attempt, 503);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    check_route(&attempt, "a", "three", NULL, RL_ROUTE_NEXT);
    tell(rl, &attempt, 200);
    request = ask("a", "three"); /* the last */
    attempt = go(rl, &request);
    check_route(&attempt, "a", "three", NULL, RL_ROUTE_ASKED);
    request = ask("c", "one"); /* in no chain */
    attempt = go(rl, &request);
    check_route(&attempt, "c", "one", NULL, RL_ROUTE_ASKED);
    rl_close(rl);
}

/* What ends it on each of two routes, and how it ends. */
static void endings_that_another_route_may_not_share_go_there(void **state)
{
    static const struct {
        uint64_t status[3]; /* 0: no further attempt */
        rl_status want;
        uint32_t attempts;
    } row[] = {
        { { 402, 200 }, RL_OK, 2 },      /* quota */
        { { 401, 200 }, RL_OK, 2 },      /* a wrong key of one is none of the other */
        { { 404, 200 }, RL_OK, 2 },      /* the model is not there */
        { { 400 }, RL_E_REJECTED, 1 },   /* the request is wrong wherever it goes */
        { { 402, 402 }, RL_E_QUOTA, 2 }, /* both are out for good */
        { { 402, 500, 200 }, RL_OK, 3 }, /* only the second is tried again */
        { { 500, 402, 200 }, RL_OK, 3 }, /* only the first is */
        { { 500, 401, 400 }, RL_E_REJECTED, 3 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_context *rl =
            open_with("{\"fallback\": {\"a/m\": [\"b/m\"]}, \"retry\": {\"jitter\": \"none\"}}");
        rl_request request = ask("a", "m");
        rl_attempt attempt = RL_ATTEMPT_INIT;

        while (rl_next_attempt(rl, &request, &attempt)) {
            assert_true(attempt.number <= 3);
            tell(rl, &attempt, row[i].status[attempt.number - 1]);
        }
        if (attempt.status != row[i].want || attempt.number != row[i].attempts)
            fail_msg("row %zu: %s after %u", i, rl_status_name(attempt.status),
                     (unsigned)attempt.number);
        rl_close(rl);
    }
}

static void a_round_begins_again_after_the_back_off(void **state)
{
    rl_context *rl = open_with("{\"fallback\": {\"a/m\": [\"b/m\"]}, \"retry\": {\"jitter\": "
                               "\"none\", \"max_attempts\": 5, \"base_delay_ms\": 500}}");
    static const char *const want[] = { "a", "b", "a", "b", "a" };
    static const uint64_t why[] = { RL_ROUTE_FIRST, RL_ROUTE_NEXT, RL_ROUTE_AGAIN, RL_ROUTE_NEXT,
                                    RL_ROUTE_AGAIN };
    rl_request request = ask("a", "m");
    rl_attempt attempt = RL_ATTEMPT_INIT;
    char text[200];

    (void)state;
    while (rl_next_attempt(rl, &request, &attempt)) {
        assert_string_equal(attempt.route.provider, want[attempt.number - 1]);
        assert_int_equal(attempt.route.reason, why[attempt.number - 1]);
        if (attempt.number == 2)
            assert_int_equal(the_clock.now, START);
        if (attempt.number == 3)
            assert_int_equal(the_clock.now, START + 500 * RL_MILLISECOND);
        tell(rl, &attempt, 500);
    }
    assert_int_equal(attempt.status, RL_E_ATTEMPTS);
    assert_int_equal(attempt.number, 5);
    assert_string_equal(rl_explain(&attempt, text, sizeof text),
                        "HTTP 500: the last attempt failed, too, after 5 attempts, once more by "
                        "a/m");
    rl_close(rl);
}

/* A hint that no gate keeps is kept all the same: the route is left for this request. */
static void a_route_that_asks_for_long_is_left(void **state)
{
    rl_context *rl = open_with("{\"fallback\": {\"a/m\": [\"b/m\"]}, \"retry\": {\"jitter\": "
                               "\"none\", \"base_delay_ms\": 500}}");
    static const rl_header header = { "retry-after", 11, "10", 2 };
    rl_request request = ask("a", "m");
    rl_response response = answer(500);
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    response.headers = &header;
    response.header_count = 1;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    assert_int_equal(rl_attempt_done(rl, &attempt, &response), RL_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
        assert_string_equal(attempt.route.provider, "b");
        tell(rl, &attempt, i == 0 ? 500 : 402);
    }
    assert_int_equal(attempt.status, RL_E_QUOTA); /* nobody is left */
    assert_in_range(the_clock.now, START + RL_MILLISECOND, START + 2 * RL_SECOND);

    /* Of the last that is left it is waited for. */
    attempt = (rl_attempt)RL_ATTEMPT_INIT;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    tell(rl, &attempt, 402);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    the_clock.now = START + 100 * RL_SECOND;
    assert_int_equal(rl_attempt_done(rl, &attempt, &response), RL_OK);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    assert_string_equal(attempt.route.provider, "b");
    assert_true(the_clock.now >= START + 110 * RL_SECOND);
    rl_attempt_abandon(rl, &attempt);
    rl_close(rl);
}

static uint64_t never_again(void *user, const rl_retry_result *result, uint64_t action)
{
    (void)user;
    return result->outcome == RL_OUTCOME_SERVER_ERROR ? RL_GIVE_UP : action;
}

/* The program's word, that it is not worth another try, holds on all routes. */
static void the_program_may_end_it(void **state)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    rl_request request = ask("a", "m");
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    options.config_json = "{\"fallback\": {\"a/m\": [\"b/m\"]}}";
    options.classify = never_again;
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    tell(rl, &attempt, 402); /* this is the library's own opinion */
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    tell(rl, &attempt, 500);
    assert_int_equal(attempt.status, RL_E_REJECTED);
    attempt = (rl_attempt)RL_ATTEMPT_INIT;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    tell(rl, &attempt, 500);
    assert_int_equal(attempt.status, RL_E_REJECTED);
    assert_int_equal(attempt.number, 1);
    rl_close(rl);
}

static void a_bound_on_attempts_bounds_routes_too(void **state)
{
    rl_context *rl = open_with("{\"fallback\": [\"a/m\", \"b/m\", \"c/m\"]}");
    rl_request request = ask("a", "m");
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    rl_attempt_limit(&attempt, 2);
    while (rl_next_attempt(rl, &request, &attempt))
        tell(rl, &attempt, 402);
    assert_int_equal(attempt.number, 2);
    assert_int_equal(attempt.status, RL_E_QUOTA);
    rl_close(rl);
}

/* A round costs of the budget once, a route that was not tried yet nothing. */
static void the_budget_pays_for_rounds(void **state)
{
    rl_context *rl = open_with(
        "{\"fallback\": [\"a/m\", \"b/m\"], \"retry\": {\"jitter\": \"none\", \"max_attempts\": "
        "100, \"budget\": {\"ratio\": 0, \"floor_per_minute\": 1, \"burst\": 1}}}");
    rl_request request = ask("a", "m");
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    while (rl_next_attempt(rl, &request, &attempt))
        tell(rl, &attempt, 500);
    assert_int_equal(attempt.status, RL_E_BUDGET);
    assert_int_equal(attempt.number, 4);
    assert_int_equal(attempt.retry_at, START + RL_MINUTE);
    rl_close(rl);
}

/* Rounds of nothing but refusals cost nothing, also after one that did. */
static void the_budget_does_not_pay_for_refusals(void **state)
{
    rl_context *rl =
        open_with("{\"fallback\": [\"a/m\", \"b/m\"], \"retry\": {\"jitter\": \"none\", "
                  "\"budget\": {\"ratio\": 0, \"floor_per_minute\": 1, \"burst\": 1}}}");
    rl_request request = ask("a", "m");
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    while (rl_next_attempt(rl, &request, &attempt))
        tell(rl, &attempt, attempt.number < 3 ? 500 : attempt.number < 9 ? 429 : 200);
    assert_int_equal(attempt.number, 9);
    assert_int_equal(attempt.status, RL_OK);
    rl_close(rl);
}

/* The longest wait is one in the queue: the back-off between rounds comes before it. */
static void a_short_wait_outlasts_the_back_off(void **state)
{
    rl_context *rl = open_with("{\"fallback\": {\"a/m\": [\"b/m\"]}, \"retry\": {\"jitter\": "
                               "\"none\", \"base_delay_ms\": 500}}");
    rl_request request = ask("a", "m");
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    request.max_wait_ms = 1;
    while (rl_next_attempt(rl, &request, &attempt))
        tell(rl, &attempt, attempt.number < 5 ? 500 : 200);
    assert_int_equal(attempt.status, RL_OK);

    /* But not the deadline. */
    attempt = (rl_attempt)RL_ATTEMPT_INIT;
    request.deadline_ms = 499;
    while (rl_next_attempt(rl, &request, &attempt))
        tell(rl, &attempt, 500);
    assert_int_equal(attempt.status, RL_E_DEADLINE);
    assert_int_equal(attempt.number, 2);
    assert_true(attempt.retry_at >= the_clock.now + 500 * RL_MILLISECOND);
    rl_close(rl);
}

/* What is known of some routes says nothing of others, or of none. */
static void a_request_may_change_its_mind(void **state)
{
    rl_context *rl = open_with("{\"fallback\": {\"a/m\": [\"b/m\"], \"c/m\": [\"d/m\"]}}");
    rl_request request = ask("a", "m");
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    tell(rl, &attempt, 500);
    request.provider = "c";
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    check_route(&attempt, "c", "m", NULL, RL_ROUTE_FIRST);
    tell(rl, &attempt, 500);
    request.allow_fallback = RL_FALLBACK_OFF;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    check_route(&attempt, "c", "m", NULL, RL_ROUTE_ASKED);
    tell(rl, &attempt, 402);
    assert_int_equal(attempt.status, RL_E_QUOTA);
    rl_close(rl);
}

static void what_is_too_large_for_the_first_takes_the_next(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"a\": {\"tokens_per_minute\": 15}},"
                               " \"fallback\": {\"a/m\": [\"b/m\"]}}");
    rl_request request = ask("a", "m");
    rl_attempt attempt = go(rl, &request);

    (void)state;
    check_route(&attempt, "b", "m", NULL, RL_ROUTE_FIRST);
    request.allow_fallback = RL_FALLBACK_KEYS;
    attempt = (rl_attempt)RL_ATTEMPT_INIT;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 0);
    assert_int_equal(attempt.status, RL_E_TOO_LARGE);
    rl_close(rl);
}

static void an_open_breaker_is_gone_around_and_closes_by_itself(void **state)
{
    rl_context *rl =
        open_with("{\"fallback\": {\"a/m\": [\"b/m\"]}, \"providers\": {\"a\": {"
                  "\"circuit_breaker\": {\"minimum_calls\": 2, \"open_ms\": 30000}}}}");
    rl_request request = ask("a", "m");
    rl_attempt attempt, probe;
    rl_time before;

    (void)state;
    for (int i = 0; i < 2; i++) {
        attempt = (rl_attempt)RL_ATTEMPT_INIT;
        assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
        tell(rl, &attempt, 500);
        rl_attempt_abandon(rl, &attempt);
    }
    attempt = go(rl, &request);
    check_route(&attempt, "b", "m", NULL, RL_ROUTE_EARLIEST);
    vclock_advance(&the_clock, 60 * RL_SECOND);
    probe = (rl_attempt)RL_ATTEMPT_INIT;
    assert_int_equal(rl_next_attempt(rl, &request, &probe), 1);
    check_route(&probe, "a", "m", NULL, RL_ROUTE_FIRST);
    before = the_clock.now;
    attempt = go(rl, &request); /* nobody waits for what the probe will show */
    check_route(&attempt, "b", "m", NULL, RL_ROUTE_EARLIEST);
    assert_int_equal(the_clock.now, before);
    tell(rl, &probe, 200);
    attempt = go(rl, &request);
    check_route(&attempt, "a", "m", NULL, RL_ROUTE_FIRST);
    assert_int_equal(rl_circuit_force(rl, "a", RL_BREAKER_FORCED_OPEN), RL_OK);
    attempt = go(rl, &request);
    check_route(&attempt, "b", "m", NULL, RL_ROUTE_FIRST); /* the other is out of the question */
    rl_close(rl);
}

/* When a place becomes free nobody knows: the next route is not kept waiting for it. */
static void full_concurrency_is_gone_around(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"a\": {\"concurrency\": 1}},"
                               " \"fallback\": {\"a/m\": [\"b/m\"]}}");
    rl_request request = ask("a", "m");
    rl_attempt first = RL_ATTEMPT_INIT, attempt;

    (void)state;
    assert_int_equal(rl_next_attempt(rl, &request, &first), 1);
    attempt = go(rl, &request);
    check_route(&attempt, "b", "m", NULL, RL_ROUTE_EARLIEST);
    assert_int_equal(the_clock.now, START);
    tell(rl, &first, 200);
    attempt = go(rl, &request);
    check_route(&attempt, "a", "m", NULL, RL_ROUTE_FIRST);
    rl_close(rl);
}

/* Its holder may be dead: the first is used again when the lease of its slot has ended. */
static void a_lease_that_ends_brings_the_first_back(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"a\": {\"pool\": {\"slots\": 1, \"lease_ms\": "
                               "5000}}}, \"fallback\": {\"a/m\": [\"b/m\"]}}");
    rl_request request = ask("a", "m");
    rl_attempt first = RL_ATTEMPT_INIT, attempt;

    (void)state;
    assert_int_equal(rl_next_attempt(rl, &request, &first), 1);
    the_clock.now = START + 4 * RL_SECOND - 1; /* more than a second before */
    attempt = go(rl, &request);
    check_route(&attempt, "b", "m", NULL, RL_ROUTE_EARLIEST);
    the_clock.now = START + 4 * RL_SECOND; /* known, and near: it is waited for */
    attempt = go(rl, &request);
    check_route(&attempt, "a", "m", NULL, RL_ROUTE_FIRST);
    assert_int_equal(the_clock.now, START + 5 * RL_SECOND);
    attempt = go(rl, &request);
    check_route(&attempt, "a", "m", NULL, RL_ROUTE_FIRST);
    rl_attempt_abandon(rl, &first);
    rl_close(rl);
}

/* Both closed for longer than it can wait: at once, with the time of the earlier. */
static void who_cannot_wait_is_told_the_earliest_time(void **state)
{
    rl_context *rl =
        open_with("{\"fallback\": {\"a/m\": [\"b/m\"]}, \"providers\": {"
                  "\"a\": {\"requests_per_day\": 1}, \"b\": {\"limits\": [" ONE_A_MINUTE "]}}}");
    rl_request request = ask("a", "m");
    rl_attempt attempt;

    (void)state;
    request.max_wait_ms = 5000;
    (void)go(rl, &request);
    (void)go(rl, &request);
    attempt = (rl_attempt)RL_ATTEMPT_INIT;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 0);
    assert_int_equal(attempt.status, RL_E_TIMEOUT);
    assert_int_equal(the_clock.now, START);
    assert_in_range(attempt.retry_at, START + RL_MINUTE, START + 2 * RL_MINUTE);
    check_route(&attempt, "b", "m", NULL, RL_ROUTE_EARLIEST);
    rl_close(rl);
}

/* ---- keys ---- */

#define KEYS(fallback)                                                                             \
    "{\"providers\": {\"p\": {\"base_url\": \"https://p\", \"keys\": ["                            \
    "  {\"name\": \"eu\", \"weight\": 3, \"base_url\": \"https://eu\", \"api_key_env\": \"EU\"},"  \
    "  {\"name\": \"us\", \"api_key_env\": \"US\"}]}}" fallback "}"

static void keys_share_by_weight(void **state)
{
    rl_context *rl = open_with(KEYS(""));
    rl_request request = ask("p", "m");
    uint64_t eu = 0;

    (void)state;
    request.allow_fallback = RL_FALLBACK_KEYS;
    for (int i = 0; i < 10000; i++) {
        rl_attempt attempt = go(rl, &request);

        assert_string_equal(attempt.route.provider, "p");
        assert_int_equal(attempt.route.reason, RL_ROUTE_WEIGHT);
        if (strcmp(attempt.route.key, "eu") == 0) {
            assert_string_equal(attempt.route.base_url, "https://eu");
            assert_string_equal(attempt.route.api_key_env, "EU");
            eu++;
        } else {
            assert_string_equal(attempt.route.base_url, "https://p");
            assert_string_equal(attempt.route.api_key_env, "US");
        }
    }
    assert_in_range(eu, 7490, 7510);
    assert_int_equal(fallbacks_of(rl), 0);
    rl_close(rl);
}

/* One key's refusal closes that key's gate alone. */
static void a_refused_key_leaves_the_other(void **state)
{
    rl_context *rl = open_with(KEYS(", \"fallback\": {\"p/m\": [\"q/m\"]}"));
    rl_request request = ask("p", "m");
    rl_attempt attempt = RL_ATTEMPT_INIT;
    const char *first;

    (void)state;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    first = attempt.route.key;
    tell(rl, &attempt, 429);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    assert_string_equal(attempt.route.provider, "p"); /* the other key before the other model */
    assert_string_not_equal(attempt.route.key, first);
    assert_int_equal(attempt.route.reason, RL_ROUTE_NEXT);
    tell(rl, &attempt, 200);
    vclock_advance(&the_clock, 30 * RL_SECOND);
    for (int i = 0; i < 100; i++) { /* both are used again */
        attempt = go(rl, &request);
        assert_int_equal(attempt.route.reason, RL_ROUTE_WEIGHT);
    }
    rl_close(rl);
}

static void without_leave_a_provider_is_taken_as_named(void **state)
{
    rl_context *rl = open_with(KEYS(", \"fallback\": {\"p/m\": [\"q/m\"]}"));
    rl_request request = ask("p", "m");
    rl_attempt attempt;

    (void)state;
    request.allow_fallback = RL_FALLBACK_OFF;
    attempt = go(rl, &request);
    check_route(&attempt, "p", "m", NULL, RL_ROUTE_ASKED);
    assert_string_equal(attempt.route.base_url, "https://p");
    request.provider = "p#us";
    attempt = go(rl, &request);
    check_route(&attempt, "p", "m", "us", RL_ROUTE_ASKED);
    rl_close(rl);
}

/* The provider that is none of its keys is not listed among the limits, as nothing leaves there. */
static void nobody_asks_where_nothing_leaves(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"requests_per_minute\": 100, \"keys\": "
                               "[{\"name\": \"eu\"}]}}}");
    rl_request request = ask("p", "m");
    rl_limit_status status[4];
    size_t count = 4;

    (void)state;
    (void)go(rl, &request);
    assert_int_equal(rl_limits_get(rl, status, &count), RL_OK);
    assert_int_equal(count, 1);
    assert_string_equal(status[0].scope, "p#eu");
    rl_close(rl);
}

static void a_conversation_keeps_its_key_within_the_bound(void **state)
{
    rl_context *rl = open_with(
        "{\"providers\": {\"p\": {\"limits\": [{\"dimension\": \"requests\", \"amount\": 60,"
        "  \"period\": \"minute\", \"algorithm\": \"token_bucket\", \"burst\": 1}], \"keys\": ["
        "   {\"name\": \"1\"}, {\"name\": \"2\"}, {\"name\": \"3\"}]}},"
        " \"fallback\": {\"stay_within_ms\": 1500}}");
    rl_request request = ask("p", "m");
    rl_attempt attempt;
    const char *home;

    (void)state;
    request.affinity = "conversation 7";
    attempt = go(rl, &request);
    assert_int_equal(attempt.route.reason, RL_ROUTE_AFFINITY);
    home = attempt.route.key;
    attempt = go(rl, &request); /* a second to wait: it stays */
    assert_string_equal(attempt.route.key, home);
    assert_int_equal(the_clock.now, START + RL_SECOND);

    request.max_wait_ms = 1000; /* nobody stays for longer than it may wait */
    attempt = go(rl, &request);
    assert_string_equal(attempt.route.key, home);
    request.max_wait_ms = 999;
    attempt = go(rl, &request);
    assert_string_not_equal(attempt.route.key, home);
    assert_int_equal(attempt.route.reason, RL_ROUTE_WEIGHT);

    assert_int_equal(rl_config_patch(rl, "{\"fallback\": {\"stay_within_ms\": 999}}", NULL, 0),
                     RL_OK);
    request.max_wait_ms = 0;
    attempt = go(rl, &request); /* longer than the bound: it goes */
    assert_string_not_equal(attempt.route.key, home);
    vclock_advance(&the_clock, RL_SECOND);
    attempt = go(rl, &request);
    assert_string_equal(attempt.route.key, home);
    rl_close(rl);
}

/* ---- by events ---- */

static void note_ready(rl_attempt *attempt, int ready, void *user)
{
    (void)attempt;
    *(int *)user = ready;
}

static void a_submitted_attempt_goes_by_a_route_too(void **state)
{
    rl_context *rl = open_with(CHAIN);
    rl_request request = ask("openai", "gpt-4");
    rl_attempt attempt = RL_ATTEMPT_INIT;
    int ready = -1;

    (void)state;
    (void)go(rl, &request);
    assert_int_equal(rl_attempt_submit(rl, &request, &attempt, note_ready, &ready), RL_OK);
    (void)rl_dispatch(rl);
    assert_int_equal(ready, 1);
    check_route(&attempt, "anthropic", "claude-3", NULL, RL_ROUTE_EARLIEST);
    tell(rl, &attempt, 500);
    assert_int_equal(attempt.status, RL_WAIT);
    ready = -1;
    /* The first is not tried yet, but closed for long: the round begins again before. */
    assert_int_equal(rl_attempt_submit(rl, &request, &attempt, note_ready, &ready), RL_OK);
    (void)rl_dispatch(rl);
    assert_int_equal(ready, -1);
    vclock_advance(&the_clock, 500 * RL_MILLISECOND);
    (void)rl_dispatch(rl);
    assert_int_equal(ready, 1);
    check_route(&attempt, "anthropic", "claude-3", NULL, RL_ROUTE_AGAIN);
    tell(rl, &attempt, 200);
    assert_int_equal(attempt.status, RL_OK);
    assert_int_equal(fallbacks_of(rl), 2);
    rl_close(rl);
}

/* ---- lines ---- */

/* Ten a second, of which each waits for those before: the eleventh would wait longer than it
 * stays. */
static void a_long_line_is_not_joined(void **state)
{
    rl_context *rl = open_with(
        "{\"providers\": {\"a\": {\"limits\": [{\"dimension\": \"requests\", \"amount\": 600,"
        "  \"period\": \"minute\", \"algorithm\": \"token_bucket\", \"burst\": 1}]}},"
        " \"fallback\": {\"a/m\": [\"b/m\"], \"stay_within_ms\": 1000}}");
    rl_request request = ask("a", "m");
    rl_attempt attempt[30];
    int ready[30], at_first = 0;

    (void)state;
    for (int i = 0; i < 30; i++) {
        attempt[i] = (rl_attempt)RL_ATTEMPT_INIT;
        ready[i] = -1;
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], note_ready, &ready[i]),
                         RL_OK);
        at_first += strcmp(attempt[i].route.provider, "a") == 0;
    }
    assert_in_range(at_first, 8, 12);
    rl_close(rl);
}

/* Of a provider that nothing is known of yet a few are let go at first: no reason to leave it. */
static void what_is_not_known_yet_is_not_left(void **state)
{
    rl_context *rl = open_with("{\"fallback\": {\"a/m\": [\"b/m\"]}}");
    rl_request request = ask("a", "m");
    rl_attempt attempt[40];
    int ready[40], waiting = 0;

    (void)state;
    for (int i = 0; i < 40; i++) {
        attempt[i] = (rl_attempt)RL_ATTEMPT_INIT;
        ready[i] = -1;
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], note_ready, &ready[i]),
                         RL_OK);
        (void)rl_dispatch(rl);
        assert_string_equal(attempt[i].route.provider, "a");
        waiting += ready[i] < 0;
    }
    assert_true(waiting > 0);
    rl_close(rl);
}

static void refuse_for(rl_context *rl, rl_attempt *attempt, const char *seconds)
{
    rl_header header = { "retry-after", 11, seconds, strlen(seconds) };
    rl_response response = answer(429);

    response.headers = &header;
    response.header_count = 1;
    assert_int_equal(rl_attempt_done(rl, attempt, &response), RL_OK);
}

#define ONE_A_SECOND                                                                               \
    "{\"providers\": {\"a\": {\"limits\": [{\"dimension\": \"requests\", \"amount\": 1, "          \
    "\"period\": \"second\"}]}}, \"fallback\": {\"a/m\": [\"b/m\"], \"stay_within_ms\": 2000}}"

/* It waits for the first, whose gate closes for a minute meanwhile. */
static void who_waits_in_vain_goes_elsewhere(void **state)
{
    rl_context *rl = open_with(ONE_A_SECOND);
    rl_request request = ask("a", "m");
    rl_attempt first = RL_ATTEMPT_INIT, second = RL_ATTEMPT_INIT;
    int ready = -1;

    (void)state;
    assert_int_equal(rl_next_attempt(rl, &request, &first), 1);
    assert_int_equal(rl_attempt_submit(rl, &request, &second, note_ready, &ready), RL_OK);
    (void)rl_dispatch(rl);
    assert_int_equal(ready, -1);
    check_route(&second, "a", "m", NULL, RL_ROUTE_FIRST);
    refuse_for(rl, &first, "60");
    for (int i = 0; i < 3 && ready < 0; i++) {
        assert_true(rl_next_wakeup(rl) <= the_clock.now);
        (void)rl_dispatch(rl);
    }
    assert_int_equal(ready, 1);
    check_route(&second, "b", "m", NULL, RL_ROUTE_EARLIEST);
    tell(rl, &second, 200);
    assert_int_equal(second.status, RL_OK);
    rl_attempt_abandon(rl, &first);
    rl_close(rl);
}

static void move_to_next(rl_context *rl)
{
    rl_time next = rl_next_wakeup(rl);

    assert_true(next != RL_NEVER);
    if (next > the_clock.now)
        the_clock.now = next;
}

/* Others of a higher priority come before it, one after the other: it has waited for as long as it
 * stays. */
static void who_is_overtaken_for_too_long_goes_elsewhere(void **state)
{
    rl_context *rl = open_with(ONE_A_SECOND);
    rl_request request = ask("a", "m"), high = ask("a", "m");
    rl_attempt attempt = RL_ATTEMPT_INIT, other[8];
    int ready = -1, others[8];

    (void)state;
    high.priority = RL_PRIORITY_HIGH;
    high.allow_fallback = RL_FALLBACK_OFF;
    (void)go(rl, &request);
    assert_int_equal(rl_attempt_submit(rl, &request, &attempt, note_ready, &ready), RL_OK);
    for (int i = 0; i < 8; i++) {
        other[i] = (rl_attempt)RL_ATTEMPT_INIT;
        assert_int_equal(rl_attempt_submit(rl, &high, &other[i], note_ready, &others[i]), RL_OK);
    }
    while (ready < 0) {
        move_to_next(rl);
        (void)rl_dispatch(rl);
    }
    assert_int_equal(ready, 1);
    check_route(&attempt, "b", "m", NULL, RL_ROUTE_EARLIEST);
    assert_in_range(the_clock.now, START + 3 * RL_SECOND, START + 4 * RL_SECOND);
    rl_close(rl);
}

/* The same, cancelled or closed meanwhile: told once, nothing held. */
static void who_waits_by_a_route_can_be_cancelled(void **state)
{
    rl_context *rl = open_with(ONE_A_SECOND);
    rl_request request = ask("a", "m");
    rl_attempt attempt[3];
    int ready[3] = { -1, -1, -1 };

    (void)state;
    (void)go(rl, &request);
    for (int i = 0; i < 3; i++) {
        attempt[i] = (rl_attempt)RL_ATTEMPT_INIT;
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], note_ready, &ready[i]),
                         RL_OK);
    }
    assert_int_equal(rl_attempt_cancel(rl, &attempt[0]), RL_OK);
    assert_int_equal(ready[0], 0);
    assert_int_equal(attempt[0].status, RL_E_CANCELLED);
    rl_close(rl);
    assert_int_equal(ready[1], 0);
    assert_int_equal(ready[2], 0);
    assert_int_equal(attempt[2].status, RL_E_CLOSED);
}

/* Two routes of a hundred a minute carry two hundred in a minute. */
static void routes_carry_together_what_each_carries(void **state)
{
    rl_context *rl = open_with(
        "{\"providers\": {\"p\": {\"limits\": [{\"dimension\": \"requests\", \"amount\": 100,"
        "  \"period\": \"minute\", \"algorithm\": \"token_bucket\", \"burst\": 1}], \"keys\": ["
        "   {\"name\": \"1\"}, {\"name\": \"2\"}]}}}");
    rl_request request = ask("p", "m");

    (void)state;
    for (int i = 0; i < 200; i++)
        (void)go(rl, &request);
    assert_true(the_clock.now < START + 60 * RL_SECOND);
    assert_true(the_clock.now > START + 58 * RL_SECOND);
    rl_close(rl);
}

/* A blocked thread's queue is full: the others' is not. */
static void a_full_queue_is_gone_around(void **state)
{
    rl_context *rl =
        open_with("{\"providers\": {\"a\": {\"limits\": [{\"dimension\": \"requests\", "
                  "\"amount\": 1, \"period\": \"second\"}]}},"
                  " \"queue\": {\"max_size_per_provider\": 0},"
                  " \"fallback\": {\"a/m\": [\"b/m\"], \"stay_within_ms\": 2000}}");
    rl_request request = ask("a", "m");
    rl_attempt attempt;

    (void)state;
    (void)go(rl, &request);
    attempt = go(rl, &request);
    check_route(&attempt, "b", "m", NULL, RL_ROUTE_FIRST);
    rl_close(rl);
}

/* ---- threads ---- */

struct waiter {
    rl_context *rl;
    rl_attempt attempt;
    int got;
};

static void *wait_for_first(void *user)
{
    struct waiter *waiter = user;
    rl_request request = ask("a", "m");

    waiter->got = rl_next_attempt(waiter->rl, &request, &waiter->attempt);
    return NULL;
}

static uint64_t waiting_in(const rl_context *rl)
{
    rl_stats stats = { .size = sizeof stats };

    return rl_stats_get(rl, &stats) == RL_OK ? stats.waiting : 0;
}

/* As above, on the system's clock: the blocked thread is told, and goes elsewhere. */
static void a_blocked_thread_that_waits_in_vain_goes_elsewhere(void **state)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_request request = ask("a", "m");
    struct waiter waiter = { .attempt = RL_ATTEMPT_INIT };
    rl_attempt first = RL_ATTEMPT_INIT;
    pthread_t thread;

    (void)state;
    options.config_json =
        "{\"providers\": {\"a\": {\"limits\": [{\"dimension\": \"requests\", \"amount\": 1, "
        "\"period\": \"hour\", \"algorithm\": \"token_bucket\"}]}},"
        " \"queue\": {\"max_wait_ms\": 7200000}, \"retry\": {\"max_hint_ms\": 86400000},"
        " \"fallback\": {\"a/m\": [\"b/m\"], \"stay_within_ms\": 7200000}}";
    assert_int_equal(rl_open(&options, &waiter.rl), RL_OK);
    assert_int_equal(rl_next_attempt(waiter.rl, &request, &first), 1);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_first, &waiter), 0);
    while (waiting_in(waiter.rl) == 0)
        (void)sched_yield();
    refuse_for(waiter.rl, &first, "9000");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(waiter.got, 1);
    assert_string_equal(waiter.attempt.route.provider, "b");
    tell(waiter.rl, &waiter.attempt, 200);
    rl_attempt_abandon(waiter.rl, &first);
    rl_close(waiter.rl);
}

#define THREADS 4

static void *go_often(void *user)
{
    rl_context *rl = user;
    rl_request request = ask("p", "m");
    uintptr_t good = 0;

    for (int i = 0; i < 300; i++) {
        rl_attempt attempt = RL_ATTEMPT_INIT;
        rl_response response = answer(i % 5 == 0 ? 402 : 200);

        while (rl_next_attempt(rl, &request, &attempt))
            (void)rl_attempt_done(rl, &attempt, &response); /* held: it cannot fail */
        good += attempt.status == (i % 5 == 0 ? RL_E_QUOTA : RL_OK);
    }
    return (void *)good; /* NOLINT(performance-no-int-to-ptr) a number, not a place */
}

/* Chains, weights and addresses change while threads read them. */
static void threads_go_by_routes_while_they_change(void **state)
{
    static const char *const json[] = { KEYS(", \"fallback\": {\"p/m\": [\"q/m\", \"r/m\"]}"),
                                        KEYS(", \"fallback\": [\"p/m\", \"s/m\"]"),
                                        "{\"fallback\": [\"p/m\", \"q/m\"]}" };
    rl_options options = RL_OPTIONS_INIT;
    rl_stats stats = { .size = sizeof stats };
    pthread_t thread[THREADS];
    rl_context *rl = NULL;

    (void)state;
    options.config_json = json[0];
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, go_often, rl), 0);
    for (size_t i = 0; i < 60; i++)
        assert_int_equal(rl_config_reload(rl, NULL, json[i % 3], NULL, 0), RL_OK);
    for (size_t i = 0; i < THREADS; i++) {
        void *good;

        assert_int_equal(pthread_join(thread[i], &good), 0);
        assert_int_equal((uintptr_t)good, 300);
    }
    assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
    assert_int_equal(stats.in_flight, 0);
    rl_close(rl);
}

/* ---- mistakes ---- */

static void a_request_that_makes_no_sense_is_refused(void **state)
{
    rl_context *rl = open_with(KEYS(""));
    rl_request request = ask("p", "m");
    rl_attempt attempt = RL_ATTEMPT_INIT;
    char long_name[514];

    (void)state;
    request.allow_fallback = RL_FALLBACK_KEYS + 1;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 0);
    assert_int_equal(attempt.status, RL_E_INVALID);
    request = ask("p", "m");
    request.affinity = "";
    attempt = (rl_attempt)RL_ATTEMPT_INIT;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 0);
    assert_int_equal(attempt.status, RL_E_INVALID);
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    request.affinity = long_name;
    attempt = (rl_attempt)RL_ATTEMPT_INIT;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 0);
    assert_int_equal(attempt.status, RL_E_INVALID);
    rl_close(rl);
}

/* An old program's request is shorter: it allows nothing. */
static void an_older_request_goes_as_named(void **state)
{
    rl_context *rl = open_with(KEYS(""));
    rl_request request = ask("p", "m");
    rl_attempt attempt;

    (void)state;
    request.size = offsetof(rl_request, allow_fallback);
    attempt = go(rl, &request);
    check_route(&attempt, "p", "m", NULL, RL_ROUTE_ASKED);
    rl_close(rl);
}

/* Chains follow a change of the configuration, also that of a request under way. */
static void a_reload_changes_the_chain(void **state)
{
    rl_context *rl = open_with("{\"fallback\": {\"a/m\": [\"b/m\"], \"stay_within_ms\": 0}}");
    rl_request request = ask("a", "m");
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    assert_int_equal(rl_config_patch(rl, "{\"fallback\": {\"a/m\": [\"c/m\"]}}", NULL, 0), RL_OK);
    tell(rl, &attempt, 429); /* closes its gate */
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    assert_string_equal(attempt.route.provider, "c");
    tell(rl, &attempt, 200);
    rl_close(rl);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limited_primary_is_left_and_comes_back_by_itself),
        cmocka_unit_test(seed_31_a_fallback_has_its_own_model_and_is_tried_once),
        cmocka_unit_test(who_is_in_a_list_falls_back_on_those_behind),
        cmocka_unit_test(endings_that_another_route_may_not_share_go_there),
        cmocka_unit_test(a_round_begins_again_after_the_back_off),
        cmocka_unit_test(a_route_that_asks_for_long_is_left),
        cmocka_unit_test(the_program_may_end_it),
        cmocka_unit_test(a_bound_on_attempts_bounds_routes_too),
        cmocka_unit_test(the_budget_pays_for_rounds),
        cmocka_unit_test(the_budget_does_not_pay_for_refusals),
        cmocka_unit_test(a_short_wait_outlasts_the_back_off),
        cmocka_unit_test(a_request_may_change_its_mind),
        cmocka_unit_test(what_is_too_large_for_the_first_takes_the_next),
        cmocka_unit_test(an_open_breaker_is_gone_around_and_closes_by_itself),
        cmocka_unit_test(full_concurrency_is_gone_around),
        cmocka_unit_test(a_lease_that_ends_brings_the_first_back),
        cmocka_unit_test(who_cannot_wait_is_told_the_earliest_time),
        cmocka_unit_test(keys_share_by_weight),
        cmocka_unit_test(a_refused_key_leaves_the_other),
        cmocka_unit_test(without_leave_a_provider_is_taken_as_named),
        cmocka_unit_test(nobody_asks_where_nothing_leaves),
        cmocka_unit_test(a_conversation_keeps_its_key_within_the_bound),
        cmocka_unit_test(a_submitted_attempt_goes_by_a_route_too),
        cmocka_unit_test(a_long_line_is_not_joined),
        cmocka_unit_test(what_is_not_known_yet_is_not_left),
        cmocka_unit_test(who_waits_in_vain_goes_elsewhere),
        cmocka_unit_test(who_is_overtaken_for_too_long_goes_elsewhere),
        cmocka_unit_test(who_waits_by_a_route_can_be_cancelled),
        cmocka_unit_test(routes_carry_together_what_each_carries),
        cmocka_unit_test(a_full_queue_is_gone_around),
        cmocka_unit_test(a_blocked_thread_that_waits_in_vain_goes_elsewhere),
        cmocka_unit_test(threads_go_by_routes_while_they_change),
        cmocka_unit_test(a_request_that_makes_no_sense_is_refused),
        cmocka_unit_test(an_older_request_goes_as_named),
        cmocka_unit_test(a_reload_changes_the_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
