/* SPDX-License-Identifier: MIT */
/*
 * What the guide's snippets get wrong, row by row of its list of bugs, where no test beside the
 * code in question answers it already. Those that do carry the row's number:
 *
 *     2 test_admit   4 test_config, test_retry   5 12 18 30 test_acquire   13 28 test_retry
 *     15 17 test_queue
 *     9 prop_simulation: nothing_known_*; test_headers, test_corpus for each dialect
 *     21 22 23 24 test_breaker: row_*
 *     20 test_waiting: priority, ageing, bounds and cancelling; prop_waiting: strict order
 *     29 test_retry: row_29_*; test_classify for each name and status
 *     35 test_pool   36 test_batch
 *     37 test_config: unknown keys, duplicates and contradictions are refused
 *     38 test_tiers: tables have dates and are starting values; answers go before
 *
 * Of parts that come later: 25 to 27 (Redis), 31 (routes), 33 and 34 (monitor).
 */
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

/* "60" of a limit of 60 a minute, `left` of them unused. */
static rl_response answer(uint64_t status, rl_header header[2], const char *left)
{
    rl_response response = RL_RESPONSE_INIT;

    header[0] = (rl_header){ "x-ratelimit-limit-requests", 26, "60", 2 };
    header[1] = (rl_header){ "x-ratelimit-remaining-requests", 30, left, strlen(left) };
    response.status = status;
    response.headers = header;
    response.header_count = 2;
    response.body = status == 200 ? "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":10}}"
                                  : "{\"error\":{\"code\":\"rate_limit_exceeded\"}}";
    response.body_length = strlen(response.body);
    return response;
}

static rl_limit_status only_limit(rl_context *rl)
{
    rl_limit_status status[2];
    size_t count = 2;

    assert_int_equal(rl_limits_get(rl, status, &count), RL_OK);
    assert_int_equal(count, 1);
    return status[0];
}

/* An exhausted day comes back by the clock, asked or not. */
static void row_1_nobody_is_locked_out_for_ever(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"requests_per_day\": 3}}}");
    rl_request request = ask("p");
    rl_permit permit;
    int granted = 0;

    (void)state;
    while (rl_try_acquire(rl, &request, &permit) == RL_OK)
        granted++;
    assert_true(granted >= 1 && granted <= 3);
    the_clock.now += 2 * RL_DAY;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    rl_close(rl);
}

/* Who says nothing about his tokens is charged an assumption, and the limit stays on. */
static void row_3_unknown_amounts_are_assumed(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"tokens_per_day\": 10000}}}");
    rl_request request = RL_REQUEST_INIT;
    rl_permit permit;
    uint64_t reserved = 0;

    (void)state;
    request.provider = "p";
    while (rl_try_acquire(rl, &request, &permit) == RL_OK) {
        assert_true(permit.reserved_tokens > 0);
        reserved += permit.reserved_tokens;
    }
    assert_true(reserved > 0 && reserved <= 10000);
    rl_close(rl);
}

/* Names from outside do not make the tables grow without end. */
static void row_6_tables_are_bounded(void **state)
{
    rl_context *rl = open_with(NULL);
    rl_request request = ask(NULL);
    rl_permit permit;
    rl_status st = RL_OK;
    char name[16];
    int i;

    (void)state;
    for (i = 0; i < 100000 && st == RL_OK; i++) {
        (void)snprintf(name, sizeof name, "p%d", i);
        request.provider = name;
        st = rl_try_acquire(rl, &request, &permit);
        assert_true(st != RL_OK || rl_cancel(rl, &permit) == RL_OK);
    }
    assert_int_equal(st, RL_E_TABLE_FULL);
    request.provider = "p0"; /* who was there is served on */
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    rl_close(rl);
}

/* A provider's name is one word, whatever it holds, and what is counted of it is a number. */
static void row_32_names_stay_whole(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"azure:eastus\": {\"tokens_per_day\": 100000}, "
                               "\"azure:westus\": {\"tokens_per_day\": 200000}}}");
    rl_limit_status status[4];
    rl_request request = ask("azure:eastus");
    rl_usage usage = { .has = 0 }; /* nothing was told */
    rl_stats stats = { .size = sizeof stats };
    size_t count = 4;
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_settle(rl, &permit, &usage), RL_OK);
    request.provider = "azure:westus";
    assert_int_equal(rl_limits_of(rl, &request, status, &count), RL_OK);
    assert_int_equal(count, 1);
    assert_string_equal(status[0].scope, "azure:westus");
    assert_int_equal(status[0].level.remaining, 200000);
    count = 4;
    request.provider = "azure:eastus";
    assert_int_equal(rl_limits_of(rl, &request, status, &count), RL_OK);
    assert_int_equal(status[0].level.remaining, 100000 - 20);
    assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
    assert_int_equal(stats.granted, 1);
    assert_int_equal(stats.input_tokens + stats.output_tokens, 0);
    rl_close(rl);
}

static void row_10_full_use_is_not_punished(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"openai\": {\"requests_per_minute\": 60}}}");
    rl_request request = ask("openai");
    rl_header header[2];
    rl_response ok = answer(200, header, "6"); /* 90 % in use */
    rl_permit permit;

    (void)state;
    request.max_wait_ms = RL_NEVER;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
        assert_int_equal(rl_observe_response(rl, &permit, &ok, NULL), RL_OK);
    }
    assert_int_equal(only_limit(rl).level.limit, 60);
    assert_true(the_clock.now <= 1101 * RL_SECOND); /* at the full rate */
    rl_close(rl);
}

/* Twenty in flight are refused: one episode, and a share that comes back. */
static void row_11_one_burst_of_refusals_is_one_cut(void **state)
{
    enum { COUNT = 20 };
    rl_context *rl = open_with("{\"providers\": {\"openai\": {\"requests_per_second\": 400}}}");
    rl_request request = ask("openai");
    rl_header header[2];
    rl_response no = answer(429, header, "0");
    rl_permit permit[COUNT];
    rl_time start;

    (void)state;
    no.header_count = 0;
    request.max_wait_ms = RL_NEVER;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(rl_try_acquire(rl, &request, &permit[i]), RL_OK);
    the_clock.now += RL_MILLISECOND;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(rl_observe_response(rl, &permit[i], &no, NULL), RL_OK);
    assert_int_equal(rl_acquire(rl, &request, &permit[0]), RL_OK); /* when the gate opens */
    start = the_clock.now;
    assert_true(start <= 1002 * RL_SECOND);
    for (int i = 0; i < 400; i++)
        assert_int_equal(rl_acquire(rl, &request, &permit[0]), RL_OK);
    assert_true(the_clock.now - start <= RL_SECOND + RL_SECOND / 50);
    rl_close(rl);
}

/* Admission is in order, but nobody waits for another's answer. */
static void row_14_what_no_limit_holds_back_does_not_wait(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"requests_per_second\": 1000}}}");
    rl_request request = ask("p");
    rl_permit permit[20];

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(rl_acquire(rl, &request, &permit[i]), RL_OK);
    assert_int_equal(the_clock.now, 1000 * RL_SECOND);
    rl_close(rl);
}

/* What goes wrong for one leaves nothing behind for the others. */
static void row_16_an_error_wedges_nothing(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"requests_per_second\": 1}}}");
    rl_request good = ask("p"), bad = ask("p");
    rl_response broken = RL_RESPONSE_INIT;
    rl_permit permit;

    (void)state;
    bad.model = "control\ncharacter";
    broken.size = 1;
    good.max_wait_ms = RL_NEVER;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rl_acquire(rl, &bad, &permit), RL_E_INVALID);
        assert_int_equal(rl_acquire(rl, &good, &permit), RL_OK);
        assert_int_equal(rl_observe_response(rl, &permit, &broken, NULL), RL_E_INVALID);
        assert_int_equal(rl_cancel(rl, &permit), RL_OK); /* it was still held */
    }
    rl_close(rl);
}

static void count_ready(rl_attempt *attempt, int ready, void *user)
{
    (void)attempt;
    *(int *)user += ready;
}

static void row_19_each_is_served_once(void **state)
{
    rl_context *rl = open_with(NULL);
    rl_request request = ask("p");
    rl_stats stats = { .size = sizeof stats };
    rl_attempt attempt[4];
    int ready = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        attempt[i] = RL_ATTEMPT_INIT;
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], count_ready, &ready), RL_OK);
        (void)rl_dispatch(rl);
        (void)rl_dispatch(rl);
    }
    assert_int_equal(ready, 4);
    assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
    assert_int_equal(stats.granted, 4);
    for (int i = 0; i < 4; i++)
        rl_attempt_abandon(rl, &attempt[i]);
    rl_close(rl);
}

/* To end twice gives back once. */
static void row_35_releasing_twice_makes_no_room(void **state)
{
    rl_context *rl = open_with(NULL); /* four at once, as nothing is known */
    rl_request request = ask("p");
    rl_permit permit[5];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(rl_try_acquire(rl, &request, &permit[i]), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit[0]), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit[0]), RL_E_ENDED);
    assert_int_equal(rl_try_acquire(rl, &request, &permit[0]), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit[4]), RL_WAIT);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rl_cancel(rl, &permit[i]), RL_OK);
    rl_close(rl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_1_nobody_is_locked_out_for_ever),
        cmocka_unit_test(row_3_unknown_amounts_are_assumed),
        cmocka_unit_test(row_6_tables_are_bounded),
        cmocka_unit_test(row_32_names_stay_whole),
        cmocka_unit_test(row_10_full_use_is_not_punished),
        cmocka_unit_test(row_11_one_burst_of_refusals_is_one_cut),
        cmocka_unit_test(row_14_what_no_limit_holds_back_does_not_wait),
        cmocka_unit_test(row_16_an_error_wedges_nothing),
        cmocka_unit_test(row_19_each_is_served_once),
        cmocka_unit_test(row_35_releasing_twice_makes_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
