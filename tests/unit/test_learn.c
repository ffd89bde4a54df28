/* SPDX-License-Identifier: MIT */
/* What answers teach about limits of which nothing, or only the number, was known: repayment,
 * noise, what was used before, and what a refusal leaves out for good. */
#include "context/context.h"
#include "provider/learn.h"
#include "vclock.h"

#include <llmrl/config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START (1000 * RL_SECOND)

static struct vclock the_clock;

static rl_context *open_with(const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    char error[256] = "";
    rl_hooks hooks;

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

static void take(rl_context *rl, rl_permit *permit)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "p";
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    assert_int_equal(rl_try_acquire(rl, &request, permit), RL_OK);
}

/* Of the one limit that there is. */
static rl_level level_of(rl_context *rl)
{
    rl_limit_status status;
    size_t count = 1;

    assert_int_equal(rl_limits_get(rl, &status, &count), RL_OK);
    assert_int_equal(count, 1);
    return status.level;
}

/* An answer that tells of requests: `limit`, of which `left` are left, until `reset` seconds. */
static void tell(rl_context *rl, rl_permit *permit, int64_t limit, int64_t left, int reset)
{
    char text[3][24];
    rl_header header[] = { { "x-ratelimit-limit-requests", 26, text[0], 0 },
                           { "x-ratelimit-remaining-requests", 30, text[1], 0 },
                           { "x-ratelimit-reset-requests", 26, text[2], 0 } };
    rl_response response = RL_RESPONSE_INIT;

    header[0].value_length = (size_t)snprintf(text[0], sizeof text[0], "%lld", (long long)limit);
    header[1].value_length = (size_t)snprintf(text[1], sizeof text[1], "%lld", (long long)left);
    header[2].value_length = (size_t)snprintf(text[2], sizeof text[2], "%d", reset);
    response.status = 200;
    response.headers = header;
    response.header_count = 3;
    assert_int_equal(rl_observe_response(rl, permit, &response, NULL), RL_OK);
}

/* ---- before it was known ---- */

static int64_t level_after_first(int64_t left)
{
    rl_context *rl = open_with("{}");
    rl_permit permit;
    int64_t level;

    take(rl, &permit);
    tell(rl, &permit, 600, left, 30);
    level = level_of(rl).remaining;
    rl_close(rl);
    return level;
}

/* One may go at once, less what is gone of the window that is on; of that a sixteenth of the limit
 * at most. */
static void what_was_used_before_counts_in_a_window(void **state)
{
    (void)state;
    assert_int_equal(level_after_first(600), 1);
    assert_int_equal(level_after_first(590), 1 - 10);
    assert_int_equal(level_after_first(100), 1 - 600 / 16);
}

/* ---- lowered, and repaid ---- */

#define DAY_LIMIT 86400 /* half of them are paced */
#define DAY_RESET 40000

/* A day's limit that was just found; then a report that takes `less` away. *most: that was ever
 * there, so far as reports say. */
static rl_context *open_lowered(int64_t less, int64_t *most)
{
    rl_context *rl = open_with("{}");
    rl_permit permit;

    take(rl, &permit);
    tell(rl, &permit, DAY_LIMIT, 1000, DAY_RESET);
    the_clock.now += RL_SECOND;
    take(rl, &permit);
    *most = level_of(rl).remaining + 1;
    tell(rl, &permit, DAY_LIMIT, *most - 1, DAY_RESET);
    the_clock.now += RL_SECOND;
    take(rl, &permit);
    tell(rl, &permit, DAY_LIMIT, level_of(rl).remaining - less, DAY_RESET);
    return rl;
}

/* How much a report gives back that shows `more` than our books. */
static int64_t given_back(rl_context *rl, int64_t more, int64_t *before)
{
    rl_permit permit;

    take(rl, &permit);
    *before = level_of(rl).remaining;
    tell(rl, &permit, DAY_LIMIT, *before + more, DAY_RESET);
    return level_of(rl).remaining - *before;
}

/* Some that left earlier, or later, than they arrive: four of them, and what comes in 50 ms. */
static void what_arrivals_explain_is_not_repaid(void **state)
{
    int64_t before, most;
    rl_context *rl = open_lowered(100, &most);

    (void)state;
    the_clock.now += RL_SECOND;
    assert_int_equal(given_back(rl, 5, &before), 0);
    the_clock.now += RL_SECOND;
    assert_int_equal(given_back(rl, 7, &before), 2);
    rl_close(rl);
}

/* What came back with the time is not given back again: no more than was lacking to be full. */
static void what_time_has_repaid_is_not_repaid(void **state)
{
    int64_t before, back, most;
    rl_context *rl = open_lowered(100, &most);

    (void)state;
    the_clock.now += 40 * RL_SECOND;
    back = given_back(rl, 500, &before);
    assert_true(back > 0 && back < 100);
    assert_int_equal(before + 1 + back, most); /* with what the request itself took */
    the_clock.now += RL_SECOND;
    assert_int_equal(given_back(rl, 500, &before), 0); /* and once */
    rl_close(rl);
    rl = open_lowered(100, &most);
    the_clock.now += 400 * RL_SECOND;
    assert_int_equal(given_back(rl, 500, &before), 0);
    rl_close(rl);
}

/* ---- refused though no period held more ---- */

static void refuse(rl_context *rl, rl_permit *permit)
{
    rl_header header[] = { { "x-ratelimit-limit-tokens", 24, "4000000", 7 },
                           { "x-ratelimit-remaining-tokens", 28, "0", 1 },
                           { "retry-after", 11, "1", 1 } };
    rl_response response = RL_RESPONSE_INIT;

    response.status = 429;
    response.headers = header;
    response.header_count = 3;
    assert_int_equal(rl_observe_response(rl, permit, &response, NULL), RL_OK);
}

/* The share of the limit in use, in millionths, an hour after so many refusals, with an answer in
 * each minute. */
static uint64_t pace_after(int refusals)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"tokens_per_minute\": 4000000}}}");
    rl_response ok = RL_RESPONSE_INIT;
    rl_permit permit;
    uint64_t pace;

    ok.status = 200;
    for (int i = 0; i < refusals; i++) {
        the_clock.now += 2 * RL_MINUTE;
        take(rl, &permit);
        the_clock.now += RL_SECOND;
        refuse(rl, &permit);
    }
    for (int minute = 0; minute < 60; minute++) {
        the_clock.now += RL_MINUTE;
        take(rl, &permit);
        assert_int_equal(rl_observe_response(rl, &permit, &ok, NULL), RL_OK);
    }
    pace = rl->registry.providers->scope.entry[0]->learned.pace;
    rl_close(rl);
    return pace;
}

/* A provider that weighs its periods: each refusal leaves a quarter of a hundredth out, and eight
 * of them at most. */
static void each_refusal_in_a_period_leaves_something_out(void **state)
{
    uint64_t once = pace_after(1);

    (void)state;
    assert_int_equal(pace_after(0), RL__PACE_WHOLE);
    assert_true(once < RL__PACE_WHOLE);
    assert_int_equal(once - pace_after(2), 2500);
    assert_int_equal(once - pace_after(8), 7 * 2500);
    assert_int_equal(pace_after(8), pace_after(12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_used_before_counts_in_a_window),
        cmocka_unit_test(what_arrivals_explain_is_not_repaid),
        cmocka_unit_test(what_time_has_repaid_is_not_repaid),
        cmocka_unit_test(each_refusal_in_a_period_leaves_something_out),
    };
    return cmocka_run_group_tests_name("learn", tests, NULL, NULL);
}
