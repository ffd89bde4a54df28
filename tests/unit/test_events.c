/* SPDX-License-Identifier: MIT */
/* What answers change is told, with its numbers and its reason; and may be forbidden. */
#include "vclock.h"

#include <llmrl/config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START (1000 * RL_SECOND)

static struct vclock the_clock;

struct heard {
    rl_context *rl;
    size_t count;
    struct {
        char name[32], scope[64], why[160];
        rl_event event;
    } of[32];
};

static void hear(void *user, const rl_event *event)
{
    struct heard *heard = user;
    rl_stats stats = { .size = sizeof stats };

    assert_int_equal(rl_stats_get(heard->rl, &stats), RL_OK); /* it may call back */
    assert_true(heard->count < 32);
    (void)snprintf(heard->of[heard->count].name, 32, "%s", event->name);
    (void)snprintf(heard->of[heard->count].scope, 64, "%s", event->scope);
    (void)snprintf(heard->of[heard->count].why, 160, "%s", event->why);
    heard->of[heard->count++].event = *event;
}

static rl_context *open_with(const char *json, struct heard *heard)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_hooks hooks;

    the_clock = (struct vclock){ .now = START, .random = 5 };
    hooks = vclock_hooks(&the_clock);
    memset(heard, 0, sizeof *heard);
    options.hooks = &hooks;
    options.config_json = json;
    options.on_event = hear;
    options.event_user = heard;
    assert_int_equal(rl_open(&options, &heard->rl), RL_OK);
    return heard->rl;
}

static rl_request ask(void)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "openai";
    request.model = "m";
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    return request;
}

static void answer(rl_context *rl, uint64_t status, const char *limit, const char *left,
                   const char *retry_after)
{
    rl_header header[] = {
        { "x-ratelimit-limit-requests", 26, limit, strlen(limit) },
        { "x-ratelimit-remaining-requests", 30, left, strlen(left) },
        { "retry-after", 11, retry_after, strlen(retry_after) },
    };
    rl_response response = RL_RESPONSE_INIT;
    rl_request request = ask();
    rl_permit permit;

    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    the_clock.now += 100 * RL_MILLISECOND;
    response.status = status;
    response.headers = header;
    response.header_count = retry_after[0] == '\0' ? 2 : 3;
    assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
    the_clock.now += 2 * RL_SECOND;
}

static void a_limit_that_is_found_is_told_with_its_numbers(void **state)
{
    struct heard heard;
    rl_context *rl = open_with(NULL, &heard);

    (void)state;
    answer(rl, 200, "600", "599", "");
    assert_int_equal(heard.count, 1);
    assert_string_equal(heard.of[0].name, "rate_limit_detected");
    assert_string_equal(heard.of[0].scope, "openai/m");
    assert_int_equal(heard.of[0].event.kind, RL_EVENT_LIMIT_DETECTED);
    assert_int_equal(heard.of[0].event.dimension, RL_REQUESTS);
    assert_int_equal(heard.of[0].event.before, 0);
    assert_int_equal(heard.of[0].event.limit, 600);
    assert_int_equal(heard.of[0].event.period, RL_MINUTE);
    assert_non_null(strstr(heard.of[0].why, "600 requests per 1 m"));
    answer(rl, 200, "600", "599", ""); /* nothing new */
    assert_int_equal(heard.count, 1);
    answer(rl, 200, "500", "499", "");
    assert_int_equal(heard.count, 2);
    assert_string_equal(heard.of[1].name, "rate_limit_changed");
    assert_int_equal(heard.of[1].event.before, 600);
    assert_int_equal(heard.of[1].event.limit, 500);
    rl_close(rl);
}

static void a_refusal_is_told_once_for_each_thing_it_changes(void **state)
{
    struct heard heard;
    rl_context *rl = open_with(NULL, &heard);

    (void)state;
    answer(rl, 200, "600", "599", "");
    answer(rl, 429, "600", "0", "1");
    assert_int_equal(heard.count, 3);
    assert_string_equal(heard.of[1].name, "rate_limit_slowed");
    assert_int_equal(heard.of[1].event.before, 600);
    assert_int_equal(heard.of[1].event.limit, 594);
    assert_string_equal(heard.of[2].name, "gate_closed");
    assert_string_equal(heard.of[2].scope, "openai/m");
    assert_int_equal(heard.of[2].event.until, the_clock.now - 2 * RL_SECOND + RL_SECOND);
    assert_non_null(strstr(heard.of[2].why, "refused, and said until when"));
    the_clock.now += 3 * RL_MINUTE;
    answer(rl, 200, "600", "599", "");
    assert_int_equal(heard.count, 4);
    assert_string_equal(heard.of[3].name, "rate_limit_restored");
    assert_true(heard.of[3].event.limit >= heard.of[3].event.before);
    rl_close(rl);
}

static void answers_may_be_forbidden_to_move_limits(void **state)
{
    struct heard heard;
    rl_context *rl = open_with("{\"providers\": {\"openai\": {\"respect_provider_limits\": false, "
                               "\"requests_per_day\": 1000}}}",
                               &heard);
    rl_request request = ask();
    rl_limit_status status[4];
    size_t count = 4;
    rl_permit permit;

    (void)state;
    answer(rl, 200, "5", "0", "");
    assert_int_equal(rl_limits_of(rl, &request, status, &count), RL_OK);
    assert_int_equal(count, 1);
    assert_int_equal(status[0].level.limit, 1000);
    assert_int_equal(status[0].level.remaining, 999);
    answer(rl, 429, "5", "0", "60");
    assert_int_equal(heard.count, 1);
    assert_string_equal(heard.of[0].name, "gate_closed"); /* which holds all the same */
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    the_clock.now += RL_MINUTE;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    rl_close(rl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_that_is_found_is_told_with_its_numbers),
        cmocka_unit_test(a_refusal_is_told_once_for_each_thing_it_changes),
        cmocka_unit_test(answers_may_be_forbidden_to_move_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
