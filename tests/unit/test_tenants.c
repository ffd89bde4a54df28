/* SPDX-License-Identifier: MIT */
/* Users, organisations and API keys: each has limits of its own, by tier; the table is bounded and
 * loses nothing. */
#include "vclock.h"

#include <llmrl/config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START (1000 * RL_SECOND)

static struct vclock the_clock;

static rl_context *open_with(const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    rl_hooks hooks;
    char error[256] = "";

    the_clock = (struct vclock){ .now = START, .random = 5 };
    the_clock.epoch = INT64_C(1772841600) * (int64_t)RL_SECOND - (int64_t)START;
    hooks = vclock_hooks(&the_clock);
    options.hooks = &hooks;
    options.config_json = json;
    options.error = error;
    options.error_size = sizeof error;
    if (rl_open(&options, &rl) != RL_OK)
        fail_msg("%s", error);
    return rl;
}

static rl_request ask(const char *user)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "p";
    request.model = "m";
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    request.user = user;
    return request;
}

static int granted(rl_context *rl, const rl_request *request, int most)
{
    int count = 0;
    rl_permit permit;
    rl_usage usage = { .has = 0 };

    for (; count < most && rl_try_acquire(rl, request, &permit) == RL_OK; count++)
        assert_int_equal(rl_settle(rl, &permit, &usage), RL_OK);
    return count;
}

static const char guide[] = "{\"users\": {\"default\": {\"requests_per_minute\": 10, "
                            "\"tokens_per_day\": 1000}, "
                            "\"premium\": {\"requests_per_minute\": 20}, \"blocked\": "
                            "{\"requests_per_minute\": 0}, "
                            "\"ids\": {\"alice\": \"premium\", \"mallory\": \"blocked\"}}}";

static void each_user_has_the_limits_of_his_tier(void **state)
{
    rl_context *rl = open_with(guide);
    rl_request request = ask("bob");
    rl_permit permit;

    (void)state;
    assert_int_equal(granted(rl, &request, 99), 10);
    request = ask("carol");
    assert_int_equal(granted(rl, &request, 99), 10);
    request = ask("alice");
    assert_int_equal(granted(rl, &request, 99), 20);
    request = ask("dave");
    request.user_tier = "premium";
    assert_int_equal(granted(rl, &request, 99), 20);
    request.user_tier = "gold";
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_E_NOT_FOUND);
    request = ask(NULL);
    assert_int_equal(granted(rl, &request, 50), 50);
    rl_close(rl);
}

/* Changing the tier keeps what was used. */
static void a_better_tier_counts_what_was_used(void **state)
{
    rl_context *rl = open_with(guide);
    rl_request request = ask("bob");

    (void)state;
    assert_int_equal(granted(rl, &request, 99), 10);
    request.user_tier = "premium";
    assert_int_equal(granted(rl, &request, 99), 10);
    request.user_tier = NULL; /* he has that one now */
    the_clock.now += RL_MINUTE;
    assert_int_equal(granted(rl, &request, 99), 20);
    rl_close(rl);
}

static void row_4_zero_blocks(void **state)
{
    rl_context *rl = open_with(guide);
    rl_request request = ask("mallory");
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_E_TOO_LARGE);
    the_clock.now += RL_DAY;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_E_TOO_LARGE);
    rl_close(rl);
}

static void row_1_a_day_comes_back_by_the_clock(void **state)
{
    rl_context *rl = open_with("{\"users\": {\"default\": {\"tokens_per_day\": 60}}}");
    rl_request request = ask("bob");
    rl_permit permit;

    (void)state;
    assert_int_equal(granted(rl, &request, 99), 3);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_int_equal(permit.retry_at, START + RL_DAY);
    the_clock.now += 2 * RL_DAY;
    assert_int_equal(granted(rl, &request, 99), 3);
    rl_close(rl);
}

static void row_2_tokens_of_a_tenant_are_enforced(void **state)
{
    rl_context *rl = open_with("{\"users\": {\"default\": {\"tokens_per_minute\": 1000}}}");
    rl_request request = ask("bob");

    (void)state;
    request.input_tokens = 90;
    assert_int_equal(granted(rl, &request, 50), 10);
    rl_close(rl);
}

/* No request overshoots: what is reserved is taken before it goes, and the rest comes back. */
static void row_5_reserve_then_settle(void **state)
{
    rl_context *rl = open_with("{\"users\": {\"default\": {\"tokens_per_day\": 1000}}}");
    rl_request request = ask("bob");
    rl_usage usage = { .input_tokens = 10, .output_tokens = 40 };
    rl_permit a, b;

    (void)state;
    usage.has = RL_HAS_INPUT | RL_HAS_OUTPUT;
    request.max_output_tokens = 590;
    assert_int_equal(rl_try_acquire(rl, &request, &a), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &b), RL_WAIT);
    assert_int_equal(rl_settle(rl, &a, &usage), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &b), RL_OK);
    assert_int_equal(rl_cancel(rl, &b), RL_OK);
    request.max_output_tokens = 940;
    assert_int_equal(rl_try_acquire(rl, &request, &b), RL_OK); /* 950 are left, to the last one */
    rl_close(rl);
}

/* One who is refused leaves the words of all others as they were. */
static void all_or_nothing_over_all_kinds(void **state)
{
    rl_context *rl = open_with("{\"users\": {\"default\": {\"requests_per_day\": 100}}, "
                               "\"organisations\": {\"default\": {\"requests_per_day\": 5}}, "
                               "\"api_keys\": {\"default\": {\"requests_per_day\": 3}}, "
                               "\"providers\": {\"p\": {\"requests_per_day\": 50}}}");
    rl_request request = ask("bob");
    rl_limit_status status[8];
    size_t count = 8;

    (void)state;
    request.organisation = "o";
    request.api_key = "k1";
    assert_int_equal(granted(rl, &request, 99), 3);
    request.api_key = "k2";
    assert_int_equal(granted(rl, &request, 99), 2);
    request.api_key = "k3";
    request.organisation = "other";
    assert_int_equal(granted(rl, &request, 99), 3);
    assert_int_equal(rl_limits_of(rl, &request, status, &count), RL_OK);
    assert_int_equal(count, 4);
    assert_string_equal(status[0].scope, "p");
    assert_int_equal(status[0].level.remaining, 50 - 8);
    assert_string_equal(status[1].scope, "organisation tier default");
    assert_int_equal(status[1].level.remaining, 5 - 3);
    assert_int_equal(status[2].level.remaining, 0);
    assert_string_equal(status[3].scope, "user tier default");
    assert_int_equal(status[3].level.remaining, 100 - 8);
    assert_int_equal(rl_limits_reset(rl, &request), RL_OK);
    assert_int_equal(granted(rl, &request, 99), 3);
    rl_close(rl);
}

static void ids_that_cannot_be_used_are_refused(void **state)
{
    rl_context *rl = open_with(guide);
    char *huge = malloc(1 << 20);
    rl_request request = ask("");
    rl_permit permit;

    (void)state;
    assert_non_null(huge);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_E_INVALID);
    memset(huge, 'x', 1 << 20);
    huge[(1 << 20) - 1] = '\0';
    request.user = huge;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_E_INVALID);
    huge[513] = '\0';
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_E_INVALID);
    huge[512] = '\0';
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    request.user = "\xff\xfe\x80 not UTF-8 \x01";
    assert_int_equal(granted(rl, &request, 99), 10);
    request.user = NULL;
    request.user_tier = "premium"; /* whose? */
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_E_INVALID);
    free(huge);
    rl_close(rl);
}

/* Those who have used nothing that is not back are forgotten; the others stay, and the table says
 * when it is full of them. */
static void row_6_the_table_is_bounded_and_loses_nothing(void **state)
{
    rl_context *rl = open_with("{\"users\": {\"default\": {\"requests_per_minute\": 2}, "
                               "\"keeper\": {\"requests_per_day\": 2}, \"max_count\": 5000}}");
    rl_request request;
    rl_permit permit;
    char name[32];
    int full = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "keeper %d", i);
        request = ask(name);
        request.user_tier = "keeper";
        assert_int_equal(granted(rl, &request, 1), 1);
    }
    for (int i = 0; i < 20000; i++) {
        rl_status st;

        (void)snprintf(name, sizeof name, "guest %d", i);
        request = ask(name);
        st = rl_try_acquire(rl, &request, &permit);
        if (st == RL_OK)
            assert_int_equal(rl_settle(rl, &permit, &(rl_usage){ .has = 0 }), RL_OK);
        else
            assert_int_equal(st, RL_E_TABLE_FULL);
        full += st != RL_OK;
    }
    assert_int_equal(full, 20000 - 4000);
    the_clock.now += 2 * RL_MINUTE; /* all is back, but for the keepers' */
    full = 0;
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof name, "late guest %d", i);
        request = ask(name);
        full += granted(rl, &request, 1) == 0;
    }
    assert_int_equal(full, 0);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "keeper %d", i);
        request = ask(name);
        assert_int_equal(granted(rl, &request, 9), 1);
    }
    rl_close(rl);
}

/* A permit that is out keeps its user: what it gives back finds him. */
static void a_permit_keeps_its_user(void **state)
{
    rl_context *rl = open_with("{\"users\": {\"default\": {\"concurrency\": 1, "
                               "\"requests_per_minute\": 1000}, \"max_count\": 50}}");
    rl_request request = ask("bob");
    rl_permit permit, other;
    char name[32];

    (void)state;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    for (int i = 0; i < 1000; i++) {
        the_clock.now += RL_SECOND;
        (void)snprintf(name, sizeof name, "guest %d", i);
        request = ask(name);
        (void)granted(rl, &request, 1);
    }
    request = ask("bob");
    assert_int_equal(rl_try_acquire(rl, &request, &other), RL_WAIT);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &other), RL_OK);
    rl_close(rl);
}

static void a_refusal_names_the_tenant(void **state)
{
    rl_context *rl = open_with(guide);
    rl_attempt attempt = RL_ATTEMPT_INIT;
    rl_request request = ask("bob");
    char text[256];

    (void)state;
    assert_int_equal(granted(rl, &request, 99), 10);
    request.max_wait_ms = 1;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 0);
    assert_int_equal(attempt.status, RL_E_TIMEOUT);
    (void)rl_explain(&attempt, text, sizeof text);
    assert_non_null(strstr(text, "user tier default: 10 requests per minute"));
    rl_close(rl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_user_has_the_limits_of_his_tier),
        cmocka_unit_test(a_better_tier_counts_what_was_used),
        cmocka_unit_test(row_4_zero_blocks),
        cmocka_unit_test(row_1_a_day_comes_back_by_the_clock),
        cmocka_unit_test(row_2_tokens_of_a_tenant_are_enforced),
        cmocka_unit_test(row_5_reserve_then_settle),
        cmocka_unit_test(all_or_nothing_over_all_kinds),
        cmocka_unit_test(ids_that_cannot_be_used_are_refused),
        cmocka_unit_test(row_6_the_table_is_bounded_and_loses_nothing),
        cmocka_unit_test(a_permit_keeps_its_user),
        cmocka_unit_test(a_refusal_names_the_tenant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
