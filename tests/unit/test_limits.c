/* SPDX-License-Identifier: MIT */
/* Limits as a configuration shapes them: algorithm, calendar, charge, mode, family. */
#include "vclock.h"

#include <llmrl/config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START (1000 * RL_SECOND)

static struct vclock the_clock;

/* 2026-03-07T00:00:00Z at the start: a day before Pacific time moves to summer. */
#define MARCH_7 INT64_C(1772841600)

static rl_context *open_with(const char *json, const rl_algorithm *const *algorithms)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    rl_hooks hooks;
    char error[256] = "";

    the_clock = (struct vclock){ .now = START, .random = 5 };
    the_clock.epoch = MARCH_7 * (int64_t)RL_SECOND - (int64_t)START;
    hooks = vclock_hooks(&the_clock);
    options.hooks = &hooks;
    options.config_json = json;
    options.algorithms = algorithms;
    options.error = error;
    options.error_size = sizeof error;
    if (rl_open(&options, &rl) != RL_OK)
        fail_msg("%s", error);
    return rl;
}

static rl_request ask(const char *model)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "p";
    request.model = model;
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    return request;
}

/* So many are let go at this moment; each is settled as it was reserved. */
static int granted(rl_context *rl, const rl_request *request, int most)
{
    int count = 0;
    rl_permit permit;
    rl_usage usage = { .has = 0 };

    for (; count < most && rl_try_acquire(rl, request, &permit) == RL_OK; count++)
        assert_int_equal(rl_settle(rl, &permit, &usage), RL_OK);
    return count;
}

/* ---- an algorithm of one's own: one in each period, at its very beginning or later ---- */

static rl_status own_prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    (void)why;
    plan->word[0] = limit->amount;
    plan->word[1] = limit->period;
    plan->word[2] = limit->amount;
    return RL_OK;
}
static void own_start(const rl_plan *plan, uint64_t *word, rl_time now)
{
    (void)plan, (void)now;
    *word = 0;
}
static rl_status own_take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                          rl_time *retry_at)
{
    (void)cost;
    if (now < *word) {
        *retry_at = *word;
        return RL_WAIT;
    }
    *word = now + plan->word[1];
    return RL_OK;
}
static void own_change(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    (void)plan, (void)word, (void)amount, (void)now;
}
static void own_set(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at)
{
    (void)plan, (void)word, (void)level, (void)at;
}
static void own_snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level)
{
    *level = (rl_level){ plan->word[0], plan->word[0], now >= *word, 0 };
}
static void own_carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    (void)before, (void)after, (void)word, (void)now;
}
static const rl_algorithm own = { .size = sizeof(rl_algorithm),
                                  .name = "one_each",
                                  .words = 1,
                                  .prepare = own_prepare,
                                  .start = own_start,
                                  .take = own_take,
                                  .give_back = own_change,
                                  .charge = own_change,
                                  .set_level = own_set,
                                  .snapshot = own_snapshot,
                                  .carry = own_carry };

static void ones_own_algorithm_works_everywhere(void **state)
{
    static const rl_algorithm *const list[] = { &own, NULL };
    static const char *const json[][2] = {
        { "{\"global\": {", "}}" },
        { "{\"providers\": {\"p\": {", "}}}" },
        { "{\"providers\": {\"p\": {\"models\": [{\"name\": \"m\", ", "}]}}}" },
        { "{\"providers\": {\"p\": {\"models\": [{\"name\": \"m*\", ", "}]}}}" },
        { "{\"users\": {\"default\": {", "}}}" },
        { "{\"organisations\": {\"default\": {", "}}}" },
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof json / sizeof json[0]; i++) {
        rl_request request = ask("m");
        rl_permit permit;
        rl_context *rl;

        (void)snprintf(text, sizeof text,
                       "%s\"limits\": [{\"dimension\": \"requests\", \"amount\": 1, "
                       "\"period\": \"7s\", \"algorithm\": \"one_each\"}]%s",
                       json[i][0], json[i][1]);
        rl = open_with(text, list);
        request.user = request.organisation = "alice";
        assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
        assert_int_equal(rl_cancel(rl, &permit), RL_OK);
        assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
        assert_int_equal(permit.retry_at, START + 7 * RL_SECOND);
        the_clock.now += 7 * RL_SECOND;
        assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
        rl_close(rl);
    }
}

/* 2026-03-07 ends at 08:00 UTC in Los Angeles, the 8th has 23 hours. */
static void a_day_ends_at_its_own_midnight(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"dialect\": \"gemini\", "
                               "\"requests_per_day\": 3}}}",
                               NULL);
    rl_request request = ask("m");
    rl_permit permit;

    (void)state;
    assert_int_equal(granted(rl, &request, 9), 3);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_int_equal(permit.retry_at, START + 8 * RL_HOUR);
    the_clock.now = START + 8 * RL_HOUR - 1;
    assert_int_equal(granted(rl, &request, 9), 0);
    the_clock.now++;
    assert_int_equal(granted(rl, &request, 9), 3);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_int_equal(permit.retry_at, START + 32 * RL_HOUR);
    the_clock.now = START + 32 * RL_HOUR;
    assert_int_equal(granted(rl, &request, 9), 3);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_int_equal(permit.retry_at, START + 55 * RL_HOUR);
    rl_close(rl);
}

/* Windows stand as they were drawn, until a reload draws them anew: ahead a new day has begun then,
 * back no day begins twice. */
static void a_wall_clock_that_is_set_moves_days_at_the_next_reload(void **state)
{
    static const char json[] = "{\"providers\": {\"p\": {\"requests_per_day\": 3}}}";
    rl_context *rl = open_with(json, NULL);
    rl_request request = ask("m");
    rl_permit permit;

    (void)state;
    assert_int_equal(granted(rl, &request, 9), 3);
    the_clock.epoch += (int64_t)(48 * RL_HOUR);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_int_equal(permit.retry_at, START + 24 * RL_HOUR);
    assert_int_equal(rl_config_reload(rl, NULL, json, NULL, 0), RL_OK);
    assert_int_equal(granted(rl, &request, 9), 3);
    the_clock.epoch -= (int64_t)(47 * RL_HOUR);
    assert_int_equal(rl_config_reload(rl, NULL, json, NULL, 0), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_int_equal(permit.retry_at, START + 47 * RL_HOUR);
    the_clock.now = START + 23 * RL_HOUR; /* midnight, by the clock as it is now */
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    the_clock.now = START + 47 * RL_HOUR;
    assert_int_equal(granted(rl, &request, 9), 3);
    rl_close(rl);
}

static void row_8_each_limit_has_its_zone(void **state)
{
    rl_context *rl = open_with("{\"users\": {\"default\": {\"day_zone\": \"Asia/Tokyo\", "
                               "\"requests_per_day\": 1}}}",
                               NULL);
    rl_request request = ask("m");
    rl_permit permit;

    (void)state;
    request.user = "u";
    assert_int_equal(granted(rl, &request, 9), 1);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_int_equal(permit.retry_at, START + 15 * RL_HOUR);
    rl_close(rl);
}

static void every_period_has_its_reading(void **state)
{
    static const struct {
        const char *key;
        rl_duration within; /* after a burst of all, this long nothing more than N passes */
    } row[] = { { "requests_per_hour", RL_HOUR },
                { "requests_per_day", 12 * RL_HOUR },
                { "requests_per_week", 7 * RL_DAY },
                { "requests_per_month", 20 * RL_DAY },
                { "daily_requests", 12 * RL_HOUR } };
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_request request = ask("m");
        rl_context *rl;
        int count = 0;

        (void)snprintf(text, sizeof text, "{\"providers\": {\"p\": {\"%s\": 100}}}", row[i].key);
        rl = open_with(text, NULL);
        for (int k = 0; k < 50; k++) {
            count += granted(rl, &request, 1000);
            the_clock.now += row[i].within / 50 - 1;
        }
        assert_int_equal(count, 100);
        the_clock.now += 31 * RL_DAY;
        assert_int_equal(granted(rl, &request, 1000), 100);
        rl_close(rl);
    }
}

static void concurrency_comes_back_however_it_ends(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"concurrency\": 2}}}", NULL);
    rl_request request = ask("m");
    rl_response response = RL_RESPONSE_INIT;
    rl_usage usage = { .has = 0 };
    rl_permit a, b, c;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rl_try_acquire(rl, &request, &a), RL_OK);
        assert_int_equal(rl_try_acquire(rl, &request, &b), RL_OK);
        assert_int_equal(rl_try_acquire(rl, &request, &c), RL_WAIT);
        assert_int_equal(c.retry_at, RL_NEVER);
        if (i == 0)
            assert_int_equal(rl_cancel(rl, &a), RL_OK);
        else if (i == 1)
            assert_int_equal(rl_settle(rl, &a, &usage), RL_OK);
        else {
            response.status = i == 2 ? 200 : i == 3 ? 400 : 500;
            assert_int_equal(rl_observe_response(rl, &a, &response, NULL), RL_OK);
        }
        assert_int_equal(rl_cancel(rl, &a), RL_E_ENDED); /* twice gives nothing twice */
        assert_int_equal(rl_try_acquire(rl, &request, &c), RL_OK);
        assert_int_equal(rl_cancel(rl, &b), RL_OK);
        assert_int_equal(rl_cancel(rl, &c), RL_OK);
    }
    rl_close(rl);
}

static rl_level level_of(rl_context *rl, size_t index)
{
    rl_limit_status status[8];
    size_t count = 8;

    assert_int_equal(rl_limits_get(rl, status, &count), RL_OK);
    assert_true(index < count && count <= 8);
    return status[index].level;
}

/* As Bedrock does: an output token burns five, and what came from a cache nothing. */
static void charge_rules_are_data(void **state)
{
    rl_context *rl = open_with(
        "{\"providers\": {\"p\": {\"limits\": [{\"dimension\": \"tokens\", \"amount\": 100000, "
        "\"period\": \"day\", \"algorithm\": \"fixed_window\", \"charge\": {"
        "\"reserve\": {\"input_tokens\": 1, \"output_tokens\": 1}, "
        "\"settle\": {\"input_tokens\": 1, \"cached_input_tokens\": -1, \"output_tokens\": 5}}}, "
        "{\"dimension\": \"tokens\", \"amount\": 100000, \"period\": \"day\", "
        "\"algorithm\": \"fixed_window\", \"charge\": {"
        "\"reserve\": {\"input_tokens\": 1, \"output_tokens\": 2, \"largest\": true}, "
        "\"settle\": {\"requests\": 1000}}}]}}}",
        NULL);
    rl_request request = ask("m");
    rl_usage usage = { .input_tokens = 1000, .output_tokens = 300, .cached_input_tokens = 400 };
    rl_permit permit;

    (void)state;
    request.input_tokens = 1000;
    request.max_output_tokens = 700;
    usage.has = RL_HAS_INPUT | RL_HAS_OUTPUT | RL_HAS_CACHED_INPUT;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(level_of(rl, 0).remaining, 100000 - 1700);
    assert_int_equal(level_of(rl, 1).remaining, 100000 - 1400);
    assert_int_equal(rl_settle(rl, &permit, &usage), RL_OK);
    assert_int_equal(level_of(rl, 0).remaining, 100000 - (600 + 1500));
    assert_int_equal(level_of(rl, 1).remaining, 100000 - 1000);
    rl_close(rl);
}

static void unknown_usage_counts_as_the_limit_says(void **state)
{
    rl_context *rl = open_with(
        "{\"providers\": {\"p\": {\"limits\": [{\"dimension\": \"tokens\", \"amount\": 1000, "
        "\"period\": \"5h\", \"algorithm\": \"fixed_window\"}, {\"dimension\": \"tokens\", "
        "\"amount\": 1000, \"period\": \"6h\", \"algorithm\": \"fixed_window\", "
        "\"unknown_usage\": \"as_nothing\"}]}}}",
        NULL);
    rl_request request = ask("m");
    rl_usage usage = { .has = 0 };
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_settle(rl, &permit, &usage), RL_OK);
    assert_int_equal(level_of(rl, 0).remaining, 980);
    assert_int_equal(level_of(rl, 1).remaining, 1000);
    rl_close(rl);
}

static void report(rl_context *rl, const rl_request *request, const char *left, const char *reset)
{
    rl_header header[] = { { "x-ratelimit-limit-requests", 26, "100", 3 },
                           { "x-ratelimit-remaining-requests", 30, left, strlen(left) },
                           { "x-ratelimit-reset-requests", 26, reset, strlen(reset) } };
    rl_response response = RL_RESPONSE_INIT;
    rl_permit permit;

    assert_int_equal(rl_try_acquire(rl, request, &permit), RL_OK);
    response.status = 200;
    response.headers = header;
    response.header_count = sizeof header / sizeof header[0];
    assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
}

/* Whole seconds of another clock: 61 of them are left of a minute. */
static void a_reset_that_is_rounded_up_is_of_the_same_minute(void **state)
{
    rl_context *rl = open_with("{}", NULL);
    rl_request request = ask("m");
    size_t count;

    (void)state;
    report(rl, &request, "99", "60");
    the_clock.now += RL_SECOND;
    report(rl, &request, "98", "61");
    assert_int_equal(level_of(rl, 0).limit, 100);
    count = 0;
    assert_int_equal(rl_limits_get(rl, NULL, &count), RL_OK);
    assert_int_equal(count, 1);
    rl_close(rl);
}

/* What a report of one window takes away is there again in the next. */
static void a_report_of_a_window_that_is_over_changes_nothing(void **state)
{
    rl_context *rl = open_with(
        "{\"providers\": {\"p\": {\"limits\": [{\"dimension\": \"requests\", \"amount\": 100, "
        "\"period\": \"minute\", \"algorithm\": \"fixed_window\"}]}}}",
        NULL);
    rl_header header[] = { { "x-ratelimit-limit-requests", 26, "100", 3 },
                           { "x-ratelimit-remaining-requests", 30, "7", 1 } };
    rl_request request = ask("");
    rl_response response = RL_RESPONSE_INIT;
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    the_clock.now += RL_MINUTE;
    response.status = 200;
    response.headers = header;
    response.header_count = sizeof header / sizeof header[0];
    assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
    assert_int_equal(level_of(rl, 0).remaining, 100);
    rl_close(rl);
}

/* Our books said that there was more. What the refused one had reserved comes back, and is all. */
static void a_refusal_leaves_enough_for_one(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"limits\": [{\"dimension\": \"tokens\", "
                               "\"amount\": 6000, \"period\": \"minute\", \"algorithm\": "
                               "\"token_bucket\", \"burst\": 1000}]}}}",
                               NULL);
    rl_header header = { "retry-after-ms", 14, "1", 1 };
    rl_request request = ask("");
    rl_response response = RL_RESPONSE_INIT;
    rl_permit permit;

    (void)state;
    request.max_output_tokens = 390;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    response.status = 429;
    response.headers = &header;
    response.header_count = 1;
    assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
    the_clock.now += RL_MILLISECOND;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    rl_close(rl);
}

/* OpenAI counts what it refuses. */
static void what_a_refusal_costs_is_the_dialects_to_say(void **state)
{
    static const struct {
        const char *dialect;
        int64_t left;
    } row[] = { { "openai", 9 }, { "azure-openai", 9 }, { "groq", 10 }, { "generic", 10 } };
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_request request = ask("m");
        rl_response response = RL_RESPONSE_INIT;
        rl_permit permit;
        rl_context *rl;

        (void)snprintf(text, sizeof text,
                       "{\"providers\": {\"p\": {\"dialect\": \"%s\", \"requests_per_day\": 10}}}",
                       row[i].dialect);
        rl = open_with(text, NULL);
        assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
        response.status = 429;
        assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
        assert_int_equal(level_of(rl, 0).remaining, row[i].left);
        rl_close(rl);
    }
}

static void a_shadow_measures_and_never_holds_back(void **state)
{
    rl_context *rl =
        open_with("{\"providers\": {\"p\": {\"limits\": [{\"dimension\": \"requests\", "
                  "\"amount\": 2, \"period\": \"day\", \"mode\": \"shadow\"}]}}}",
                  NULL);
    rl_request request = ask("m");
    rl_limit_status status;
    size_t count = 1;

    (void)state;
    /* It is no limit: few are in flight while nothing is known. */
    assert_int_equal(granted(rl, &request, 5), 5);
    assert_int_equal(rl_limits_get(rl, &status, &count), RL_OK);
    assert_int_equal(count, 1);
    assert_int_equal(status.level.remaining, -3);
    assert_int_equal(status.shadow, 1);
    assert_int_equal(status.would_refuse, 3);
    rl_close(rl);
}

static void what_is_larger_than_a_limit_fails_or_borrows(void **state)
{
    rl_context *rl = open_with(
        "{\"providers\": {\"p\": {\"limits\": [{\"dimension\": \"tokens\", \"amount\": 100, "
        "\"period\": \"minute\", \"algorithm\": \"token_bucket\", \"oversize\": \"borrow\"}]}, "
        "\"q\": {\"limits\": [{\"dimension\": \"tokens\", \"amount\": 100, "
        "\"period\": \"minute\", \"algorithm\": \"token_bucket\"}]}}}",
        NULL);
    rl_request request = ask("m");
    rl_permit permit;

    (void)state;
    request.input_tokens = 240;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(level_of(rl, 0).remaining, -150);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_int_equal(permit.retry_at, START + 150 * RL_SECOND); /* until it is full again */
    request.provider = "q";
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_E_TOO_LARGE);
    rl_close(rl);
    /* Of nothing, nothing can be borrowed. */
    rl = open_with("{\"global\": {\"limits\": [{\"dimension\": \"tokens\", \"amount\": 0, "
                   "\"period\": \"minute\", \"oversize\": \"borrow\"}]}}",
                   NULL);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_E_TOO_LARGE);
    rl_close(rl);
}

static void headroom_is_for_those_of_higher_priority(void **state)
{
    static const char *const json[] = {
        "{\"global\": {\"limits\": [{\"dimension\": \"requests\", \"amount\": 100, \"period\": "
        "\"day\", \"algorithm\": \"fixed_window\", \"headroom\": {\"high\": 0.25, \"normal\": "
        "0.25}}]}}",
        "{\"users\": {\"default\": {\"limits\": [{\"dimension\": \"requests\", \"amount\": 100, "
        "\"period\": \"day\", \"algorithm\": \"token_bucket\", \"headroom\": {\"high\": 0.25, "
        "\"normal\": 0.25}}]}}}"
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rl_context *rl = open_with(json[i], NULL);
        rl_request request = ask("m");

        request.user = "u";
        request.priority = RL_PRIORITY_LOW;
        assert_int_equal(granted(rl, &request, 999), 50);
        request.priority = 0; /* normal */
        assert_int_equal(granted(rl, &request, 999), 25);
        request.priority = RL_PRIORITY_HIGH;
        assert_int_equal(granted(rl, &request, 999), 25);
        rl_close(rl);
    }
}

static void images_and_money_are_counted(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"images_per_minute\": 600, "
                               "\"dollars_per_day\": 0.5}}}",
                               NULL);
    rl_request request = ask("m");
    rl_permit permit;

    (void)state;
    request.nano_dollars = 200000000;
    assert_int_equal(granted(rl, &request, 9), 2);
    request.nano_dollars = 100000001;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    request.nano_dollars = 100000000;
    request.images = 255;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    request.nano_dollars = 0;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT); /* images */
    request.images = 0;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    request.images = 256;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_E_INVALID);
    rl_close(rl);
}

static void models_of_a_pattern_share_its_limits(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"models\": ["
                               "{\"name\": \"gpt-*\", \"requests_per_day\": 7},"
                               "{\"name\": \"gpt-4o-*\", \"requests_per_day\": 5},"
                               "{\"name\": \"gpt-4o-mini\", \"requests_per_day\": 3},"
                               "{\"name\": \"*-4o-x*\", \"requests_per_day\": 4}]}}}",
                               NULL);
    rl_request request = ask("gpt-4o-mini");

    (void)state;
    assert_int_equal(granted(rl, &request, 9), 3); /* the name itself */
    request = ask("gpt-4o-2024");
    assert_int_equal(granted(rl, &request, 2), 2);
    request = ask("gpt-4o-x1"); /* seven letters each: the first in the file */
    assert_int_equal(granted(rl, &request, 9), 3);
    request = ask("gpt-5");
    assert_int_equal(granted(rl, &request, 9), 7);
    request = ask("o1-4o-x2");
    assert_int_equal(granted(rl, &request, 9), 4);
    request = ask("gpt");
    assert_true(granted(rl, &request, 9) == 9); /* nobody's */
    rl_close(rl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ones_own_algorithm_works_everywhere),
        cmocka_unit_test(a_day_ends_at_its_own_midnight),
        cmocka_unit_test(a_wall_clock_that_is_set_moves_days_at_the_next_reload),
        cmocka_unit_test(row_8_each_limit_has_its_zone),
        cmocka_unit_test(every_period_has_its_reading),
        cmocka_unit_test(concurrency_comes_back_however_it_ends),
        cmocka_unit_test(charge_rules_are_data),
        cmocka_unit_test(unknown_usage_counts_as_the_limit_says),
        cmocka_unit_test(a_reset_that_is_rounded_up_is_of_the_same_minute),
        cmocka_unit_test(a_report_of_a_window_that_is_over_changes_nothing),
        cmocka_unit_test(a_refusal_leaves_enough_for_one),
        cmocka_unit_test(what_a_refusal_costs_is_the_dialects_to_say),
        cmocka_unit_test(a_shadow_measures_and_never_holds_back),
        cmocka_unit_test(what_is_larger_than_a_limit_fails_or_borrows),
        cmocka_unit_test(headroom_is_for_those_of_higher_priority),
        cmocka_unit_test(images_and_money_are_counted),
        cmocka_unit_test(models_of_a_pattern_share_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
