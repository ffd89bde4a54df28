/* SPDX-License-Identifier: MIT */
/* Limits that nobody names and that refusals teach: when there are any, in which dimensions, who
 * goes before them, and what is told of them. How well they do: prop_no_headers. */
#include "failing_alloc.h"

#include <llmrl/config.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START (1000 * RL_SECOND)

/* Begins with the clock. */
static struct failing_alloc memory;
#define the_clock memory.clock

struct heard {
    size_t count;
    struct {
        char name[32], why[160];
        rl_event event;
    } of[512];
};

static struct heard heard;

static void hear(void *user, const rl_event *event)
{
    (void)user;
    if (event->kind == RL_EVENT_GATE_CLOSED)
        return;
    assert_true(heard.count < 512);
    (void)snprintf(heard.of[heard.count].name, 32, "%s", event->name);
    (void)snprintf(heard.of[heard.count].why, 160, "%s", event->why);
    heard.of[heard.count++].event = *event;
}

static rl_context *open_with(const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    rl_hooks hooks;

    memory = (struct failing_alloc){ .clock = { .now = START, .random = 5 } };
    hooks = failing_alloc_hooks(&memory);
    heard.count = 0;
    options.hooks = &hooks;
    options.config_json = json;
    options.on_event = hear;
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    return rl;
}

static rl_request ask(void)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "openai";
    request.model = "m";
    request.input_tokens = 50;
    request.max_output_tokens = 50;
    request.max_wait_ms = RL_NEVER;
    return request;
}

/* One request, at once or when it may, and its answer a moment later. */
static void exchange(rl_context *rl, uint64_t status, const char *body, const rl_header *headers,
                     size_t header_count)
{
    rl_response response = RL_RESPONSE_INIT;
    rl_request request = ask();
    rl_permit permit;

    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    the_clock.now += 10 * RL_MILLISECOND;
    response.status = status;
    response.body = body;
    response.body_length = strlen(body);
    response.headers = headers;
    response.header_count = header_count;
    assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
}

static void succeed(rl_context *rl)
{
    exchange(rl, 200, "{\"usage\":{\"prompt_tokens\":50,\"completion_tokens\":50}}", NULL, 0);
}

static void be_refused(rl_context *rl)
{
    exchange(rl, 429, "{\"error\":{\"message\":\"Too many requests\"}}", NULL, 0);
}

/* One a second; or as fast as may be, if that is less. */
static void work(rl_context *rl, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        succeed(rl);
        the_clock.now += 990 * RL_MILLISECOND;
    }
}

/* As fast as may be. */
static void press(rl_context *rl, rl_duration span)
{
    for (rl_time end = the_clock.now + span; the_clock.now < end;)
        succeed(rl);
}

static void succeed_with_headers(rl_context *rl)
{
    static const rl_header headers[] = {
        { "x-ratelimit-limit-requests", 26, "500", 3 },
        { "x-ratelimit-remaining-requests", 30, "499", 3 },
    };

    exchange(rl, 200, "{}", headers, 2);
}

static size_t limits_of(rl_context *rl, rl_limit_status *out)
{
    rl_request request = ask();
    size_t count = 8;

    assert_int_equal(rl_limits_of(rl, &request, out, &count), RL_OK);
    assert_true(count <= 8);
    return count;
}

/* Those that are searched for, of that dimension; 0: none. */
static uint64_t searched(rl_context *rl, uint32_t dimension)
{
    rl_limit_status limit[8];
    size_t count = limits_of(rl, limit);

    for (size_t i = 0; i < count; i++)
        if (limit[i].source == RL_SOURCE_ADAPTIVE && limit[i].dimension == dimension) {
            assert_string_equal(limit[i].origin, "adaptive");
            assert_int_equal(limit[i].period, RL_MINUTE);
            return limit[i].amount;
        }
    return 0;
}

static void a_bare_refusal_begins_a_search_in_both_dimensions(void **state)
{
    rl_context *rl = open_with(NULL);

    (void)state;
    work(rl, 120);
    assert_int_equal(heard.count, 0);
    be_refused(rl);
    assert_in_range(searched(rl, RL_REQUESTS), 50, 57); /* 0.9 of what passed in a minute */
    assert_in_range(searched(rl, RL_TOKENS), 5000, 5700);
    assert_int_equal(heard.count, 2);
    assert_string_equal(heard.of[0].name, "rate_limit_detected");
    assert_int_equal(heard.of[0].event.kind, RL_EVENT_LIMIT_DETECTED);
    assert_int_equal(heard.of[0].event.limit, searched(rl, RL_REQUESTS));
    assert_non_null(strstr(heard.of[0].why, "a refusal came and names no limit"));
    rl_close(rl);
}

static void each_change_is_told_with_its_reason(void **state)
{
    rl_context *rl = open_with(NULL);
    size_t first;
    uint64_t before;

    (void)state;
    work(rl, 120);
    be_refused(rl);
    first = heard.count;
    press(rl, 30 * RL_SECOND);
    assert_true(heard.count > first + 4);
    assert_string_equal(heard.of[first].name, "rate_limit_raised");
    assert_int_equal(heard.of[first].event.kind, RL_EVENT_LIMIT_RAISED);
    assert_non_null(strstr(heard.of[first].why, "it held us back, and nothing was refused"));
    for (size_t i = first; i < heard.count; i++) {
        assert_int_equal(heard.of[i].event.kind, RL_EVENT_LIMIT_RAISED);
        assert_true(heard.of[i].event.limit >= heard.of[i].event.before);
    }
    before = searched(rl, RL_REQUESTS);
    first = heard.count;
    be_refused(rl);
    assert_true(heard.count > first);
    assert_string_equal(heard.of[first].name, "rate_limit_slowed");
    assert_int_equal(heard.of[first].event.before, before);
    assert_int_equal(heard.of[first].event.limit, searched(rl, RL_REQUESTS));
    assert_non_null(strstr(heard.of[first].why, "a refusal came at that rate"));
    first = heard.count;
    press(rl, RL_MINUTE);
    assert_true(heard.count > first);
    assert_non_null(strstr(heard.of[first].why, "back towards the rate that was refused last"));
    rl_close(rl);
}

static void in_the_first_minute_fewer_in_flight_are_enough(void **state)
{
    rl_context *rl = open_with(NULL);

    (void)state;
    work(rl, 20);
    be_refused(rl);
    assert_int_equal(searched(rl, RL_REQUESTS), 0);
    rl_close(rl);
}

static void as_soon_as_headers_teach_they_win(void **state)
{
    rl_context *rl = open_with(NULL);
    rl_limit_status limit[8];

    (void)state;
    work(rl, 120);
    be_refused(rl);
    assert_int_equal(limits_of(rl, limit), 2);
    heard.count = 0;
    succeed_with_headers(rl);
    assert_int_equal(limits_of(rl, limit), 1);
    assert_int_equal(limit[0].source, RL_SOURCE_ANSWER);
    assert_int_equal(limit[0].amount, 500);
    assert_int_equal(heard.count, 3);
    assert_string_equal(heard.of[0].name, "rate_limit_dropped");
    assert_int_equal(heard.of[0].event.limit, 0);
    assert_string_equal(heard.of[2].name, "rate_limit_detected");
    be_refused(rl); /* nor does a refusal begin it again */
    work(rl, 100);
    be_refused(rl);
    assert_int_equal(searched(rl, RL_REQUESTS), 0);
    press(rl, 10 * RL_SECOND);
    assert_true(the_clock.now > START);
    rl_close(rl);
}

static void headers_win_over_a_search_that_was_asked_for(void **state)
{
    rl_context *rl = open_with("{\"adaptive\": {\"initial_rpm\": 600}}");
    rl_limit_status limit[8];

    (void)state;
    succeed(rl);
    assert_int_equal(searched(rl, RL_REQUESTS), 600);
    succeed_with_headers(rl);
    assert_int_equal(limits_of(rl, limit), 1);
    assert_int_equal(limit[0].source, RL_SOURCE_ANSWER);
    work(rl, 80);
    be_refused(rl);
    assert_int_equal(searched(rl, RL_REQUESTS), 0);
    rl_close(rl);
}

static void what_holds_nobody_back_is_not_suspected(void **state)
{
    rl_context *rl = open_with("{\"adaptive\": {\"initial_rpm\": 60, \"initial_tpm\": 1000000}}");
    uint64_t before;

    (void)state;
    press(rl, 20 * RL_SECOND);
    before = searched(rl, RL_REQUESTS);
    be_refused(rl);
    assert_true(searched(rl, RL_REQUESTS) < before);
    assert_int_equal(searched(rl, RL_TOKENS), 1000000);
    press(rl, RL_MINUTE); /* nor does it grow */
    assert_int_equal(searched(rl, RL_TOKENS), 1000000);
    rl_close(rl);
}

static void a_refusal_that_names_tokens_is_about_tokens(void **state)
{
    rl_context *rl = open_with(NULL);

    (void)state;
    work(rl, 120);
    exchange(rl, 429,
             "{\"error\":{\"message\":\"Rate limit reached for m on tokens per min (TPM).\","
             "\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}",
             NULL, 0);
    assert_int_equal(searched(rl, RL_REQUESTS), 0);
    assert_in_range(searched(rl, RL_TOKENS), 5000, 5700);
    rl_close(rl);
}

static void a_day_that_is_used_up_is_no_minutes_limit(void **state)
{
    static const rl_header hour = { "retry-after", 11, "3000", 4 };
    rl_context *rl = open_with("{\"retry\": {\"max_hint_ms\": 1000}}");

    (void)state;
    work(rl, 120);
    exchange(rl, 429,
             "{\"error\":{\"message\":\"Rate limit reached for m on requests per day (RPD).\","
             "\"type\":\"requests\",\"code\":\"rate_limit_exceeded\"}}",
             NULL, 0);
    exchange(rl, 429, "{}", &hour, 1);
    assert_int_equal(searched(rl, RL_REQUESTS), 0);
    rl_close(rl);
}

static void a_limit_that_is_configured_needs_no_search(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"openai\": {\"requests_per_minute\": 600}}}");

    (void)state;
    work(rl, 120);
    be_refused(rl);
    assert_int_equal(searched(rl, RL_REQUESTS), 0);
    rl_close(rl);
}

static void below_a_configured_cap_it_searches_if_asked_to(void **state)
{
    rl_context *rl = open_with("{\"adaptive\": {},"
                               " \"providers\": {\"openai\": {\"requests_per_minute\": 600}}}");
    rl_limit_status limit[8];

    (void)state;
    work(rl, 120);
    be_refused(rl);
    assert_in_range(searched(rl, RL_REQUESTS), 50, 57);
    press(rl, 20 * RL_MINUTE);
    assert_in_range(searched(rl, RL_REQUESTS), 500, 600);
    for (size_t i = 0; i < heard.count; i++)
        if (heard.of[i].event.dimension == RL_REQUESTS)
            assert_true(heard.of[i].event.limit <= 600);
    assert_int_equal(limits_of(rl, limit), 3);
    assert_int_equal(limit[0].source, RL_SOURCE_CONFIG);
    assert_int_equal(limit[0].amount, 600); /* the cap itself stays as it is */
    assert_string_equal(limit[0].origin, "file");
    rl_close(rl);
}

static void it_may_be_switched_off_for_all_or_one(void **state)
{
    static const char *const off[] = {
        "{\"adaptive\": {\"enabled\": false}}",
        "{\"providers\": {\"openai\": {\"adaptive\": {\"enabled\": false}}}}",
        "{\"adaptive\": {}, \"providers\": {\"openai\": {\"adaptive\": {\"enabled\": false}}}}",
        "{\"providers\": {\"openai\": {\"auto_detect\": false}}}",
        "{\"adaptive\": {}, \"providers\": {\"openai\": {\"respect_provider_limits\": false}}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
        rl_context *rl = open_with(off[i]);

        work(rl, 120);
        be_refused(rl);
        assert_int_equal(searched(rl, RL_REQUESTS), 0);
        rl_close(rl);
    }
}

static void initial_rates_hold_from_the_first_request_on(void **state)
{
    rl_context *rl = open_with("{\"adaptive\": {\"initial_rpm\": 60, \"initial_tpm\": 60000}}");
    rl_request request = ask();
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(searched(rl, RL_REQUESTS), 60);
    assert_int_equal(searched(rl, RL_TOKENS), 60000);
    assert_int_equal(heard.count, 0); /* nobody found them */
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_in_range(permit.retry_at - the_clock.now, RL_SECOND * 9 / 10, RL_SECOND);
    press(rl, 2 * RL_MINUTE); /* it doubles each half minute */
    assert_in_range(searched(rl, RL_REQUESTS), 700, 1100);
    be_refused(rl); /* what held us back is what was refused */
    assert_in_range(searched(rl, RL_REQUESTS), 300, 800);
    rl_close(rl);
}

static void the_factor_and_the_floor_are_the_users(void **state)
{
    rl_context *rl = open_with("{\"adaptive\": {\"adjustment_factor\": 0.5, \"minimum_rpm\": 10,"
                               " \"minimum_tpm\": 4000}}");

    (void)state;
    work(rl, 120);
    be_refused(rl);
    assert_in_range(searched(rl, RL_REQUESTS), 28, 32);
    assert_int_equal(searched(rl, RL_TOKENS), 4000);
    for (int i = 0; i < 10; i++) {
        succeed(rl);
        be_refused(rl);
    }
    assert_int_equal(searched(rl, RL_REQUESTS), 10);
    rl_close(rl);
}

/* A larger request than a minute's worth must not be refused for good: only an answer to it could
 * tell that the number is wrong. */
static void a_request_larger_than_the_rate_passes_alone(void **state)
{
    rl_context *rl = open_with("{\"adaptive\": {\"initial_tpm\": 1000}}");
    rl_request request = ask();
    rl_permit permit;

    (void)state;
    request.input_tokens = 50000;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    rl_close(rl);
}

static void a_reload_ends_it_or_moves_its_bounds(void **state)
{
    rl_context *rl = open_with("{\"adaptive\": {\"initial_rpm\": 60}}");

    (void)state;
    succeed(rl);
    assert_int_equal(searched(rl, RL_REQUESTS), 60);
    assert_int_equal(rl_config_reload(rl, NULL, "{\"adaptive\": {\"minimum_rpm\": 90}}", NULL, 0),
                     RL_OK);
    assert_int_equal(searched(rl, RL_REQUESTS), 60); /* until an answer comes */
    succeed(rl);
    assert_int_equal(searched(rl, RL_REQUESTS), 90);
    assert_int_equal(
        rl_config_reload(rl, NULL,
                         "{\"adaptive\": {},"
                         " \"providers\": {\"openai\": {\"requests_per_minute\": 30}}}",
                         NULL, 0),
        RL_OK);
    succeed(rl);
    assert_int_equal(searched(rl, RL_REQUESTS), 30); /* a cap */
    assert_int_equal(rl_config_reload(rl, NULL, "{\"adaptive\": {\"enabled\": false}}", NULL, 0),
                     RL_OK);
    assert_int_equal(searched(rl, RL_REQUESTS), 0); /* at once */
    press(rl, RL_SECOND);
    assert_int_equal(searched(rl, RL_REQUESTS), 0);
    assert_int_equal(rl_config_reload(rl, NULL, "{\"adaptive\": {}}", NULL, 0), RL_OK);
    assert_int_equal(searched(rl, RL_REQUESTS), 0);
    work(rl, 120);
    be_refused(rl); /* and anew */
    assert_in_range(searched(rl, RL_REQUESTS), 50, 57);
    assert_int_equal(
        rl_config_reload(rl, NULL, "{\"providers\": {\"openai\": {\"requests_per_minute\": 30}}}",
                         NULL, 0),
        RL_OK);
    assert_int_equal(searched(rl, RL_REQUESTS), 0); /* one is named, and nobody asks */
    rl_close(rl);
}

static void memory_that_runs_out_begins_no_search_and_harms_nothing(void **state)
{
    rl_context *rl = open_with(NULL);

    (void)state;
    work(rl, 120);
    memory.fail_at = memory.requests + 1;
    be_refused(rl);
    assert_int_equal(memory.failed, 1);
    assert_int_equal(searched(rl, RL_REQUESTS), 0);
    assert_true(searched(rl, RL_TOKENS) > 0);
    work(rl, 10);
    be_refused(rl);
    work(rl, 10);
    rl_close(rl);
    assert_int_equal(memory.alive, 0);
}

/* Seed bug: TPM never rose again, and each answer above 80 % of use cut. */
static void row_10_and_11_each_dimension_comes_back_and_no_success_cuts(void **state)
{
    rl_context *rl = open_with("{\"adaptive\": {\"initial_rpm\": 600, \"initial_tpm\": 30000}}");
    uint64_t tokens;

    (void)state;
    press(rl, 30 * RL_SECOND);
    be_refused(rl);
    tokens = searched(rl, RL_TOKENS);
    heard.count = 0;
    press(rl, 3 * RL_MINUTE);
    assert_true(searched(rl, RL_TOKENS) > tokens * 11 / 10);
    for (size_t i = 0; i < heard.count; i++)
        assert_int_equal(heard.of[i].event.kind, RL_EVENT_LIMIT_RAISED);
    rl_close(rl);
}

/* Twenty in flight are refused: one cut. */
static void row_11_one_burst_is_one_cut(void **state)
{
    enum { COUNT = 20 };
    rl_context *rl = open_with("{\"adaptive\": {\"initial_rpm\": 60000}}");
    rl_response no = RL_RESPONSE_INIT;
    rl_request request = ask();
    rl_permit permit[COUNT];

    (void)state;
    no.status = 429;
    press(rl, RL_SECOND);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(rl_acquire(rl, &request, &permit[i]), RL_OK);
    heard.count = 0;
    for (int i = 0; i < COUNT; i++) {
        the_clock.now += RL_MILLISECOND;
        assert_int_equal(rl_observe_response(rl, &permit[i], &no, NULL), RL_OK);
    }
    assert_int_equal(heard.count, 2); /* tokens are suspected, too */
    assert_int_equal(heard.of[0].event.kind, RL_EVENT_LIMIT_SLOWED);
    assert_int_equal(heard.of[0].event.dimension, RL_REQUESTS);
    assert_int_equal(heard.of[1].event.dimension, RL_TOKENS);
    rl_close(rl);
}

/* Takes, answers, refusals and looks from several threads at once: for the sanitizers, and that it
 * ends in a state that makes sense. */
static void *hammer(void *user)
{
    rl_context *rl = user;
    rl_response response = RL_RESPONSE_INIT;
    rl_request request = ask();
    rl_permit permit;
    rl_limit_status limit[8];

    for (int i = 0; i < 2000; i++) {
        vclock_advance(&the_clock, 50 * RL_MILLISECOND);
        if (rl_try_acquire(rl, &request, &permit) != RL_OK)
            continue;
        vclock_advance(&the_clock, RL_MILLISECOND);
        response.status = i % 50 == 49 ? 429 : 200;
        assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
        if (i % 16 == 0)
            (void)limits_of(rl, limit);
    }
    return NULL;
}

/* Requests without a model are held back by limits of the provider's, which those with one pass,
 * too: so these may move them as well. */
static void what_all_models_pass_grows_by_the_answers_of_each(void **state)
{
    rl_context *rl = open_with("{\"adaptive\": {\"initial_rpm\": 60}}");
    rl_request request = ask();
    rl_limit_status limit[8];
    rl_permit permit;
    size_t count = 8;

    (void)state;
    request.model = NULL;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    press(rl, RL_MINUTE);
    assert_int_equal(rl_limits_of(rl, &request, limit, &count), RL_OK);
    assert_int_equal(count, 1);
    assert_string_equal(limit[0].scope, "openai");
    assert_in_range(limit[0].amount, 180, 260);
    be_refused(rl);
    count = 8;
    assert_int_equal(rl_limits_of(rl, &request, limit, &count), RL_OK);
    assert_in_range(limit[0].amount, 150, 235);
    succeed_with_headers(rl);
    count = 8;
    assert_int_equal(rl_limits_of(rl, &request, limit, &count), RL_OK);
    assert_int_equal(count, 0);
    rl_close(rl);
}

static void threads_may_search_together(void **state)
{
    enum { THREADS = 4 };
    rl_context *rl = NULL;
    rl_options options = RL_OPTIONS_INIT;
    pthread_t thread[THREADS];
    rl_hooks hooks;

    (void)state;
    memory = (struct failing_alloc){ .clock = { .now = START, .random = 5 } };
    hooks = failing_alloc_hooks(&memory);
    options.hooks = &hooks;
    options.config_json = "{\"adaptive\": {\"initial_rpm\": 600}}";
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, hammer, rl), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_in_range(searched(rl, RL_REQUESTS), 1, UINT64_C(1000000000000));
    rl_close(rl);
    assert_int_equal(memory.alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_refusal_begins_a_search_in_both_dimensions),
        cmocka_unit_test(each_change_is_told_with_its_reason),
        cmocka_unit_test(in_the_first_minute_fewer_in_flight_are_enough),
        cmocka_unit_test(as_soon_as_headers_teach_they_win),
        cmocka_unit_test(headers_win_over_a_search_that_was_asked_for),
        cmocka_unit_test(what_holds_nobody_back_is_not_suspected),
        cmocka_unit_test(a_refusal_that_names_tokens_is_about_tokens),
        cmocka_unit_test(a_day_that_is_used_up_is_no_minutes_limit),
        cmocka_unit_test(a_limit_that_is_configured_needs_no_search),
        cmocka_unit_test(below_a_configured_cap_it_searches_if_asked_to),
        cmocka_unit_test(it_may_be_switched_off_for_all_or_one),
        cmocka_unit_test(initial_rates_hold_from_the_first_request_on),
        cmocka_unit_test(the_factor_and_the_floor_are_the_users),
        cmocka_unit_test(a_request_larger_than_the_rate_passes_alone),
        cmocka_unit_test(a_reload_ends_it_or_moves_its_bounds),
        cmocka_unit_test(memory_that_runs_out_begins_no_search_and_harms_nothing),
        cmocka_unit_test(row_10_and_11_each_dimension_comes_back_and_no_success_cuts),
        cmocka_unit_test(row_11_one_burst_is_one_cut),
        cmocka_unit_test(what_all_models_pass_grows_by_the_answers_of_each),
        cmocka_unit_test(threads_may_search_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
