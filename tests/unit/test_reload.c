/* SPDX-License-Identifier: MIT */
/* One configuration follows another: all of it or none, and what was used stays used. */
#include "vclock.h"

#include <llmrl/config.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START (1000 * RL_SECOND)

static struct vclock the_clock;

/* An algorithm that counts, and can be held up in the middle of giving back. */
static uint64_t hold_up, held_up;

static rl_status counter_prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    (void)why;
    plan->word[0] = plan->word[2] = limit->amount;
    plan->word[1] = limit->period;
    return RL_OK;
}
static void counter_start(const rl_plan *plan, uint64_t *word, rl_time now)
{
    (void)plan, (void)now;
    *word = 0;
}
static rl_status counter_take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                              rl_time *retry_at)
{
    (void)now;
    *retry_at = RL_NEVER;
    if (*word + cost > plan->word[0])
        return RL_WAIT;
    *word += cost;
    return RL_OK;
}
static void counter_give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    (void)plan, (void)now;
    while (rl__load(&hold_up) != 0) {
        rl__store(&held_up, 1);
        (void)sched_yield();
    }
    *word -= *word < amount ? *word : amount;
}
static void counter_charge(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    (void)plan, (void)now;
    *word += amount;
}
static void counter_set(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at)
{
    (void)at;
    *word = (uint64_t)((int64_t)plan->word[0] - level);
}
static void counter_snapshot(const rl_plan *plan, const uint64_t *word, rl_time now,
                             rl_level *level)
{
    (void)now;
    *level = (rl_level){ plan->word[0], plan->word[0], (int64_t)(plan->word[0] - *word), RL_NEVER };
}
static void counter_carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    (void)before, (void)after, (void)word, (void)now;
}
static const rl_algorithm counter = { .size = sizeof(rl_algorithm),
                                      .name = "counter",
                                      .words = 1,
                                      .prepare = counter_prepare,
                                      .start = counter_start,
                                      .take = counter_take,
                                      .give_back = counter_give_back,
                                      .charge = counter_charge,
                                      .set_level = counter_set,
                                      .snapshot = counter_snapshot,
                                      .carry = counter_carry };

static rl_context *open_with(const char *json)
{
    static const rl_algorithm *const own[] = { &counter, NULL };
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    rl_hooks hooks;
    char error[256] = "";

    the_clock = (struct vclock){ .now = START, .random = 5 };
    the_clock.epoch = INT64_C(1772841600) * (int64_t)RL_SECOND - (int64_t)START;
    hooks = vclock_hooks(&the_clock);
    options.hooks = &hooks;
    options.config_json = json;
    options.algorithms = own;
    options.error = error;
    options.error_size = sizeof error;
    if (rl_open(&options, &rl) != RL_OK)
        fail_msg("%s", error);
    return rl;
}

static rl_request ask(const char *model, const char *user)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "p";
    request.model = model;
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

static void reload(rl_context *rl, const char *json)
{
    char error[256] = "";

    if (rl_config_reload(rl, NULL, json, error, sizeof error) != RL_OK)
        fail_msg("%s", error);
}

static void patch(rl_context *rl, const char *json)
{
    char error[256] = "";

    if (rl_config_patch(rl, json, error, sizeof error) != RL_OK)
        fail_msg("%s", error);
}

#define P(text) "{\"providers\": {\"p\": {" text "}}}"

static void what_was_used_stays_used(void **state)
{
    static const char *const first[] = {
        P("\"requests_per_day\": 10"), /* a calendar day */
        P("\"limits\": [{\"dimension\": \"requests\", \"amount\": 10, \"period\": \"day\", "
          "\"algorithm\": \"sliding_counter\"}]"),
        P("\"limits\": [{\"dimension\": \"requests\", \"amount\": 10, \"period\": \"day\", "
          "\"algorithm\": \"token_bucket\"}]"),
        "{\"global\": {\"requests_per_day\": 10}}",
        P("\"models\": [{\"name\": \"m\", \"requests_per_day\": 10}]"),
        P("\"models\": [{\"name\": \"m*\", \"requests_per_day\": 10}]"),
        "{\"users\": {\"default\": {\"requests_per_day\": 10}}}",
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        rl_context *rl = open_with(first[i]);
        rl_request request = ask("m", "u");
        char *amount;

        assert_int_equal(granted(rl, &request, 4), 4);
        (void)snprintf(text, sizeof text, "%s", first[i]);
        amount = strstr(text, "10");
        memcpy(amount, " 6", 2);
        reload(rl, text);
        assert_int_equal(granted(rl, &request, 99), 2);
        memcpy(amount, "99", 2);
        reload(rl, text);
        assert_int_equal(granted(rl, &request, 3), 3);
        memcpy(amount, " 9", 2);
        reload(rl, text);
        assert_int_equal(granted(rl, &request, 99), 0);
        rl_close(rl);
    }
}

/* The same limit, kept otherwise. */
static void another_algorithm_counts_what_was_used(void **state)
{
    static const char *const algorithm[] = { "token_bucket", "fixed_window", "sliding_window",
                                             "sliding_counter" };
    char text[512];

    (void)state;
    for (size_t i = 0; i < 16; i++) {
        rl_context *rl;
        rl_request request = ask("m", "u");
        int scope = (int)(i % 2);

        for (size_t k = 0; k < 2; k++) {
            (void)snprintf(text, sizeof text,
                           "{\"%s\": %s{\"limits\": [{\"dimension\": \"requests\", \"amount\": 10, "
                           "\"period\": \"day\", \"algorithm\": \"%s\"}]}%s}",
                           scope ? "users" : "global", scope ? "{\"default\": " : "",
                           algorithm[k == 0 ? i / 4 : i % 4], scope ? "}" : "");
            if (k == 0) {
                rl = open_with(text);
                assert_int_equal(granted(rl, &request, 4), 4);
            } else {
                reload(rl, text);
                assert_int_equal(granted(rl, &request, 99), 6);
            }
        }
        rl_close(rl);
    }
}

static void a_wrong_file_changes_nothing(void **state)
{
    rl_context *rl = open_with(P("\"requests_per_day\": 5"));
    rl_request request = ask("m", NULL);
    char error[256];

    (void)state;
    assert_int_equal(granted(rl, &request, 1), 1);
    assert_int_equal(
        rl_config_reload(rl, NULL, P("\"requests_per_day\": 9, \"token\": 1"), error, sizeof error),
        RL_E_CONFIG);
    assert_non_null(strstr(error, "providers.p.token: unknown key"));
    assert_int_equal(rl_config_reload(rl, "/nonexistent/limits.json", NULL, error, sizeof error),
                     RL_E_IO);
    assert_int_equal(rl_config_patch(rl, "{\"queue\": {\"max_size\": -1}}", error, sizeof error),
                     RL_E_CONFIG);
    assert_string_equal(error, "queue.max_size: must be between 0 and 1000000000");
    assert_int_equal(rl_config_patch(rl, "{", error, sizeof error), RL_E_CONFIG);
    assert_int_equal(rl_config_reload(rl, NULL, NULL, NULL, 0), RL_E_INVALID);
    assert_int_equal(granted(rl, &request, 99), 4);
    rl_close(rl);
}

/* A permit from before a limit gives it nothing back. */
static void limits_come_and_go(void **state)
{
    rl_context *rl = open_with(P("\"requests_per_day\": 5, \"tokens_per_day\": 100000"));
    rl_request request = ask("m", NULL);
    rl_permit permit, other;

    (void)state;
    reload(rl, "{}");
    assert_int_equal(granted(rl, &request, 50), 50);
    reload(rl, P("\"requests_per_day\": 5"));
    assert_int_equal(granted(rl, &request, 99), 5);
    reload(rl, "{}");
    the_clock.now += RL_SECOND;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    the_clock.now += RL_SECOND;
    reload(rl, P("\"requests_per_day\": 5"));
    assert_int_equal(granted(rl, &request, 99), 0); /* the same day */
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &other), RL_WAIT);
    reload(rl, P("\"requests_per_day\": 5, \"concurrency\": 1"));
    the_clock.now += RL_DAY;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &other), RL_WAIT);
    patch(rl, P("\"concurrency\": null"));
    assert_int_equal(granted(rl, &request, 99), 4);
    rl_close(rl);
}

static void models_change_their_family(void **state)
{
    rl_context *rl = open_with(P("\"models\": [{\"name\": \"gpt-*\", \"requests_per_day\": 5}, "
                                 "{\"name\": \"gpt-4\", \"requests_per_day\": 2}]"));
    rl_scope scope;
    rl_request four = ask("gpt-4", NULL), five = ask("gpt-5", NULL), other = ask("o1", NULL);
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_scope_resolve(rl, &four, &scope), RL_OK);
    four.scope = &scope; /* which follows */
    assert_int_equal(granted(rl, &four, 99), 2);
    assert_int_equal(granted(rl, &five, 3), 3);
    assert_int_equal(rl_try_acquire(rl, &five, &permit), RL_OK);
    assert_true(granted(rl, &other, 9) == 9);
    reload(rl, P("\"models\": [{\"name\": \"gpt-*\", \"requests_per_day\": 5}, "
                 "{\"name\": \"*\", \"requests_per_day\": 1}]"));
    assert_int_equal(granted(rl, &four, 99), 1); /* in the family now, where four are used */
    assert_int_equal(granted(rl, &other, 99), 1);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(granted(rl, &four, 99), 1);
    reload(rl, P("\"models\": [{\"name\": \"gpt-4\", \"requests_per_day\": 3}]"));
    assert_int_equal(granted(rl, &four, 99), 1); /* two of its own were used today */
    assert_int_equal(granted(rl, &five, 20), 20);
    rl_close(rl);
}

static void tiers_come_and_go(void **state)
{
    rl_context *rl = open_with("{\"users\": {\"default\": {\"requests_per_day\": 3}, \"gold\": "
                               "{\"requests_per_day\": 9}, \"ids\": {\"alice\": \"gold\"}}}");
    rl_request alice = ask("m", "alice"), bob = ask("m", "bob");

    (void)state;
    assert_int_equal(granted(rl, &alice, 5), 5);
    patch(rl, "{\"users\": {\"ids\": {\"alice\": null, \"bob\": \"gold\"}}}");
    assert_int_equal(granted(rl, &alice, 99), 0);
    assert_int_equal(granted(rl, &bob, 99), 9);
    patch(rl, "{\"users\": {\"gold\": null, \"ids\": null}}");
    assert_int_equal(granted(rl, &bob, 99), 0);
    /* A limit for one user alone. */
    patch(rl, "{\"users\": {\"alice's own\": {\"requests_per_day\": 7}, \"ids\": {\"alice\": "
              "\"alice's own\"}}}");
    assert_int_equal(granted(rl, &alice, 99), 2);
    bob.user_tier = "gold";
    assert_int_equal(rl_try_acquire(rl, &bob, &(rl_permit){ 0 }), RL_E_NOT_FOUND);
    reload(rl, "{}");
    bob.user_tier = NULL;
    assert_int_equal(granted(rl, &bob, 20), 20);
    rl_close(rl);
}

/* What was under way before settles after, wherever its limit has gone: nothing is lost for ever.
 */
static void permits_outlive_a_change(void **state)
{
    static const char *const json[][3] = {
        /* a user's, not changed at all; another mode of counting; gone for a while */
        { "{\"users\": {\"default\": {\"concurrency\": 2}}}",
          "{\"users\": {\"default\": {\"concurrency\": 2}}, \"retry\": {\"max_attempts\": 3}}" },
        { P("\"limits\": [{\"dimension\": \"concurrency\", \"amount\": 2}]"),
          P("\"limits\": [{\"dimension\": \"concurrency\", \"amount\": 2, \"headroom\": "
            "{\"high\": 0.1}}]") },
        { P("\"concurrency\": 2"), "{}", P("\"concurrency\": 2") },
    };

    (void)state;
    for (size_t i = 0; i < sizeof json / sizeof json[0]; i++) {
        rl_context *rl = open_with(json[i][0]);
        rl_request request = ask("m", "u");
        rl_permit permit[3];

        for (int k = 0; k < 2; k++)
            assert_int_equal(rl_try_acquire(rl, &request, &permit[k]), RL_OK);
        for (int k = 1; k < 3 && json[i][k] != NULL; k++) {
            the_clock.now += RL_SECOND;
            reload(rl, json[i][k]);
        }
        the_clock.now += RL_SECOND;
        request.priority = RL_PRIORITY_HIGH;
        assert_int_equal(rl_try_acquire(rl, &request, &permit[2]), RL_WAIT);
        for (int k = 0; k < 2; k++)
            assert_int_equal(rl_cancel(rl, &permit[k]), RL_OK);
        assert_int_equal(granted(rl, &request, 2), 2);
        rl_close(rl);
    }
}

/* The same where they end while the limit is gone; where its mode has changed first; and where all
 * of that happens in one tick. */
static void permits_end_while_their_limit_is_gone(void **state)
{
    static const char plain[] = P("\"concurrency\": 2"),
                      shadow[] = P("\"limits\": [{\"dimension\": \"concurrency\", \"amount\": 2, "
                                   "\"mode\": \"shadow\"}]"),
                      headroom[] = P("\"limits\": [{\"dimension\": \"concurrency\", \"amount\": 2, "
                                     "\"headroom\": {\"high\": 0.1}}]");
    static const char *const way[][3] = { { "{}" }, { shadow, "{}" }, { headroom, shadow, "{}" } };

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        rl_duration tick = i % 2 == 0 ? RL_SECOND : 0;
        rl_context *rl = open_with(plain);
        rl_request request = ask("m", NULL);
        rl_permit permit[3];

        for (int k = 0; k < 2; k++)
            assert_int_equal(rl_try_acquire(rl, &request, &permit[k]), RL_OK);
        for (int k = 0; k < 3 && way[i / 2][k] != NULL; k++) {
            the_clock.now += tick;
            reload(rl, way[i / 2][k]);
        }
        assert_int_equal(rl_cancel(rl, &permit[0]), RL_OK);
        the_clock.now += tick;
        reload(rl, plain);
        the_clock.now += tick;
        assert_int_equal(rl_try_acquire(rl, &request, &permit[0]), RL_OK);
        assert_int_equal(rl_try_acquire(rl, &request, &permit[2]), RL_WAIT);
        assert_int_equal(rl_cancel(rl, &permit[1]), RL_OK);
        assert_int_equal(rl_try_acquire(rl, &request, &permit[1]), RL_OK);
        assert_int_equal(rl_try_acquire(rl, &request, &permit[2]), RL_WAIT);
        rl_close(rl);
    }
}

/* What is under way when a user gets a limit on that counts in it. */
static void a_new_tier_counts_what_is_under_way(void **state)
{
    rl_context *rl = open_with("{\"users\": {\"default\": {}, \"g\": {\"concurrency\": 2}}}");
    rl_request request = ask("m", "alice");
    rl_permit permit[3];

    (void)state;
    for (int k = 0; k < 2; k++)
        assert_int_equal(rl_try_acquire(rl, &request, &permit[k]), RL_OK);
    the_clock.now += RL_SECOND;
    patch(rl, "{\"users\": {\"ids\": {\"alice\": \"g\"}}}");
    assert_int_equal(rl_try_acquire(rl, &request, &permit[2]), RL_WAIT);
    assert_int_equal(rl_cancel(rl, &permit[0]), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit[2]), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit[0]), RL_WAIT);
    rl_close(rl);
}

/* What answers have said outlives a reload: a smaller number stays in force, and one that only they
 * speak of now holds back, whatever the file had made of it. */
static void what_answers_said_outlives_a_reload(void **state)
{
    static const char day[] =
        P("\"dialect\": \"openai\", \"limits\": [{\"dimension\": \"requests\", "
          "\"amount\": 1000, \"period\": \"minute\", \"algorithm\": "
          "\"fixed_window\"}]"),
                      shadow[] =
                          P("\"dialect\": \"openai\", \"limits\": [{\"dimension\": "
                            "\"requests\", \"amount\": 1000, \"period\": \"minute\", \"mode\": "
                            "\"shadow\"}]");
    rl_header header[] = { { "x-ratelimit-limit-requests", 26, "100", 3 },
                           { "x-ratelimit-remaining-requests", 30, "99", 2 } };
    rl_response response = RL_RESPONSE_INIT;

    (void)state;
    response.status = 200;
    response.headers = header;
    response.header_count = 2;
    for (int i = 0; i < 2; i++) {
        rl_context *rl = open_with(i == 0 ? day : shadow);
        rl_request request = ask(NULL, NULL);
        rl_limit_status status[4];
        size_t count = 4;
        rl_permit permit;

        assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
        assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
        reload(rl, i == 0 ? day : P("\"dialect\": \"openai\""));
        assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
        assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
        assert_int_equal(rl_limits_of(rl, &request, status, &count), RL_OK);
        assert_int_equal(count, 1);
        assert_int_equal(status[0].level.limit, 100);
        assert_int_equal(status[0].shadow, 0);
        assert_true(granted(rl, &request, 200) <= 100);
        rl_close(rl);
    }
}

static void a_tier_that_a_request_named_stays(void **state)
{
    rl_context *rl = open_with("{\"users\": {\"premium\": {\"requests_per_day\": 5}}}");
    rl_request request = ask("m", "u");

    (void)state;
    request.user_tier = "premium";
    assert_int_equal(granted(rl, &request, 99), 5);
    patch(rl, "{\"retry\": {\"max_attempts\": 3}}");
    assert_int_equal(granted(rl, &request, 99), 0);
    rl_close(rl);
}

/* Limits that charge differently are told apart, and a mode may change as often as one likes. */
static void nothing_grows_by_reloading(void **state)
{
    static const char weighed[] =
        P("\"limits\": [{\"dimension\": \"tokens\", \"period\": \"day\", \"amount\": 100, "
          "\"charge\": "
          "{\"reserve\": {\"requests\": 10}, \"settle\": {\"requests\": 10}}}, {\"dimension\": "
          "\"tokens\", \"period\": \"day\", \"amount\": 1000, \"charge\": {\"reserve\": "
          "{\"requests\": "
          "1}, \"settle\": {\"requests\": 1}}}]");
    static const char *const mode[] = {
        P("\"limits\": [{\"dimension\": \"requests\", \"period\": \"day\", \"amount\": 5}]"),
        P("\"limits\": [{\"dimension\": \"requests\", \"period\": \"day\", \"amount\": 5, "
          "\"mode\": \"shadow\"}]")
    };
    rl_context *rl = open_with(weighed);
    rl_request request = ask("m", NULL);

    (void)state;
    assert_int_equal(granted(rl, &request, 99), 10);
    for (int i = 0; i < 100; i++)
        reload(rl, weighed);
    assert_int_equal(granted(rl, &request, 99), 0);
    reload(rl, P("\"limits\": [{\"dimension\": \"tokens\", \"period\": \"day\", \"amount\": 100, "
                 "\"headroom\": {\"high\": 0.1}, \"charge\": {\"reserve\": {\"requests\": 10}, "
                 "\"settle\": {\"requests\": 10}}}]"));
    assert_int_equal(granted(rl, &request, 99), 0);
    for (int i = 0; i < 101; i++) {
        the_clock.now += RL_SECOND;
        reload(rl, mode[i % 2]);
    }
    assert_int_equal(granted(rl, &request, 99), 5);
    rl_close(rl);
}

/* What no tier can hold is refused before any other kind has changed. */
static void too_many_limits_change_nothing(void **state)
{
    rl_context *rl = open_with("{\"organisations\": {\"default\": {\"requests_per_day\": 2}}, "
                               "\"users\": {\"default\": {\"requests_per_day\": 100}}}");
    rl_request request = ask("m", "u");
    char big[2000] = "{\"organisations\": {\"default\": {\"requests_per_day\": 50}}, \"users\": "
                     "{\"default\": {\"limits\": [";
    size_t length = strlen(big);

    (void)state;
    request.organisation = "o";
    assert_int_equal(granted(rl, &request, 99), 2);
    for (int i = 1; i < 6; i++)
        length += (size_t)snprintf(big + length, sizeof big - length,
                                   "%s{\"dimension\": \"requests\", \"amount\": 100, \"period\": "
                                   "\"%dh\", \"algorithm\": \"sliding_counter\", \"parts\": 58}",
                                   i > 1 ? ", " : "", i);
    (void)snprintf(big + length, sizeof big - length, "]}}}");
    assert_int_equal(rl_config_reload(rl, NULL, big, NULL, 0), RL_E_TABLE_FULL);
    assert_int_equal(granted(rl, &request, 99), 0);
    rl_close(rl);
}

/* A fresh start owes nothing to those who were under way. */
static void a_fresh_start_takes_nothing_back_twice(void **state)
{
    static const char *const json[] = {
        P("\"respect_provider_limits\": false, \"concurrency\": 3"),
        "{\"providers\": {\"p\": {\"respect_provider_limits\": false}}, "
        "\"users\": {\"default\": {\"requests_per_day\": 3}}}"
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rl_context *rl = open_with(json[i]);
        rl_request request = ask(i == 0 ? NULL : "m", i == 0 ? NULL : "u");
        rl_permit permit[6], other;

        for (int k = 0; k < 3; k++)
            assert_int_equal(rl_try_acquire(rl, &request, &permit[k]), RL_OK);
        the_clock.now += 2 * RL_SECOND;
        assert_int_equal(rl_limits_reset(rl, &request), RL_OK);
        the_clock.now += 2 * RL_SECOND;
        for (int k = 3; k < 6; k++)
            assert_int_equal(rl_try_acquire(rl, &request, &permit[k]), RL_OK);
        for (int k = 0; k < 3; k++)
            assert_int_equal(rl_cancel(rl, &permit[k]), RL_OK);
        assert_int_equal(rl_try_acquire(rl, &request, &other), RL_WAIT);
        assert_int_equal(rl_cancel(rl, &permit[3]), RL_OK);
        assert_int_equal(rl_try_acquire(rl, &request, &other), RL_OK);
        rl_close(rl);
    }
}

/* ---- at one moment ---- */

#define OTHERS 40 /* providers whose limits change between those two */

/* Each request is also of a user who has limits of his own: then it comes in by another door. */
static const char *with_users(const char *json)
{
    static char text[2][OTHERS * 64 + 100];
    static unsigned turn;
    char *own = text[turn++ % 2];

    (void)snprintf(own, sizeof text[0],
                   "{\"users\": {\"default\": {\"requests_per_minute\": 1000000000}}%s%s",
                   json[1] == '}' ? "" : ", ", json + 1);
    return own;
}

static const char *for_crowd(int users, const char *json)
{
    return users ? with_users(json) : json;
}

/* Closed for everybody, here (0) or there (1). */
static const char *closed(int where)
{
    static char text[2][OTHERS * 64];
    size_t length = 0;

    length += (size_t)snprintf(text[where], sizeof text[0],
                               "{\"global\": {\"requests_per_day\": %d}, \"providers\": {",
                               where == 0 ? 0 : 1000000);
    for (int i = 0; i < OTHERS; i++)
        length += (size_t)snprintf(text[where] + length, sizeof text[0] - length,
                                   "\"o%d\": {\"requests_per_day\": %d}, ", i, 5 + where);
    (void)snprintf(text[where] + length, sizeof text[0] - length,
                   "\"p\": {\"requests_per_day\": %d}}}", where == 0 ? 1000000 : 0);
    return text[where];
}

struct crowd {
    rl_context *rl;
    const char *user;
    uint64_t stop, admitted, asked;
    rl_permit *permit;
};

static void *ask_all_the_time(void *argument)
{
    struct crowd *crowd = argument;
    rl_request request = ask("m", crowd->user);
    rl_permit permit;

    while (!rl__load(&crowd->stop)) {
        rl_status st = rl_try_acquire(crowd->rl, &request, &permit);

        rl__fetch_add(&crowd->asked, 1);
        if (st == RL_OK)
            rl__fetch_add(&crowd->admitted, 1);
        (void)sched_yield(); /* the one who reloads needs a turn, too */
    }
    return NULL;
}

/* Either file closes everything, each at another place: nobody may slip through between them. */
static void change_before_a_crowd(int users)
{
    struct crowd crowd = { .rl = open_with(for_crowd(users, closed(0))),
                           .user = users ? "u" : NULL };
    rl_request request = ask("m", crowd.user);
    pthread_t thread[2];
    rl_permit permit;
    char name[16];

    assert_int_equal(rl_try_acquire(crowd.rl, &request, &permit), RL_E_TOO_LARGE);
    for (int i = 0; i < OTHERS; i++) {
        (void)snprintf(name, sizeof name, "o%d", i);
        request.provider = name;
        (void)rl_try_acquire(crowd.rl, &request, &permit); /* now there is such a provider */
    }
    for (int t = 0; t < 2; t++)
        assert_int_equal(pthread_create(&thread[t], NULL, ask_all_the_time, &crowd), 0);
    for (int i = 1; i < 100 || rl__load(&crowd.asked) < 2000; i++)
        reload(crowd.rl, for_crowd(users, closed(i % 2)));
    rl__store(&crowd.stop, 1);
    for (int t = 0; t < 2; t++)
        assert_int_equal(pthread_join(thread[t], NULL), 0);
    assert_int_equal(rl__load(&crowd.admitted), 0);
    rl_close(crowd.rl);
}

static void nobody_sees_half_of_a_change(void **state)
{
    (void)state;
    change_before_a_crowd(0);
    change_before_a_crowd(1);
}

/* ---- permits come and go meanwhile ---- */

static void *take_and_cancel(void *argument)
{
    struct crowd *crowd = argument;
    rl_request request = ask("m", "u");

    for (uint64_t i = 0; !rl__load(&crowd->stop); i++) {
        rl_permit permit[2];
        int held = 0;

        while (held < 2 && rl_try_acquire(crowd->rl, &request, &permit[held]) == RL_OK)
            held++;
        rl__fetch_add(&crowd->admitted, (uint64_t)held);
        if (i % 8 == 0)
            (void)sched_yield();
        while (held > 0)
            (void)rl_cancel(crowd->rl, &permit[--held]);
    }
    return NULL;
}

/* However often the limit becomes another limiter, or none: in the end as many may go as it says.
 */
static void change_under_permits(int users)
{
    static const char *const json[] = {
        P("\"concurrency\": 3"),
        P("\"limits\": [{\"dimension\": \"concurrency\", \"amount\": 3, \"headroom\": {\"high\": "
          "0.1}}]"),
        P("\"limits\": [{\"dimension\": \"concurrency\", \"amount\": 3, \"mode\": \"shadow\"}]"),
        "{}",
    };
    struct crowd crowd = { .rl = open_with(for_crowd(users, json[0])) };
    rl_request request = ask("m", "u");
    pthread_t thread[2];
    rl_permit permit[4];

    for (int t = 0; t < 2; t++)
        assert_int_equal(pthread_create(&thread[t], NULL, take_and_cancel, &crowd), 0);
    for (unsigned i = 1; i < 2000 || rl__load(&crowd.admitted) < 2000; i++) {
        reload(crowd.rl, for_crowd(users, json[i * 7 % 13 % 4]));
        if (i % 16 == 0)
            (void)sched_yield();
    }
    rl__store(&crowd.stop, 1);
    for (int t = 0; t < 2; t++)
        assert_int_equal(pthread_join(thread[t], NULL), 0);
    reload(crowd.rl, for_crowd(users, json[0]));
    for (int i = 0; i < 3; i++)
        assert_int_equal(rl_try_acquire(crowd.rl, &request, &permit[i]), RL_OK);
    assert_int_equal(rl_try_acquire(crowd.rl, &request, &permit[3]), RL_WAIT);
    rl_close(crowd.rl);
}

static void books_balance_whatever_changes_meanwhile(void **state)
{
    (void)state;
    change_under_permits(0);
    change_under_permits(1);
}

#define COUNTED(more)                                                                              \
    P("\"limits\": [{\"dimension\": \"concurrency\", \"amount\": 2, \"algorithm\": "               \
      "\"counter\"" more "}]")

static void *reload_meanwhile(void *argument)
{
    struct crowd *crowd = argument;

    rl__store(&crowd->asked, 1);
    (void)rl_config_reload(
        crowd->rl, NULL, for_crowd(crowd->user != NULL, COUNTED(", \"headroom\": {\"high\": 0.1}")),
        NULL, 0);
    rl__store(&crowd->stop, 1);
    return NULL;
}

static void *cancel_one(void *argument)
{
    struct crowd *crowd = argument;

    (void)rl_cancel(crowd->rl, crowd->permit);
    return NULL;
}

/* Who is giving back when the limit becomes another one is waited for, or it would be lost. */
static void settle_while_it_changes(int users)
{
    rl_permit permit, other;
    struct crowd crowd = { .rl = open_with(for_crowd(users, COUNTED(""))),
                           .user = users ? "u" : NULL,
                           .permit = &permit };
    rl_request request = ask("m", crowd.user);
    pthread_t settler, changer;

    assert_int_equal(rl_try_acquire(crowd.rl, &request, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(crowd.rl, &request, &other), RL_OK);
    rl__store(&held_up, 0);
    rl__store(&hold_up, 1);
    assert_int_equal(pthread_create(&settler, NULL, cancel_one, &crowd), 0);
    while (rl__load(&held_up) == 0)
        (void)sched_yield();
    assert_int_equal(pthread_create(&changer, NULL, reload_meanwhile, &crowd), 0);
    while (rl__load(&crowd.asked) == 0)
        (void)sched_yield();
    for (int i = 0; i < 20000 && rl__load(&crowd.stop) == 0; i++)
        (void)sched_yield(); /* time enough to be wrong */
    rl__store(&hold_up, 0);
    assert_int_equal(pthread_join(settler, NULL), 0);
    assert_int_equal(pthread_join(changer, NULL), 0);
    request.priority = RL_PRIORITY_HIGH;
    assert_int_equal(rl_try_acquire(crowd.rl, &request, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(crowd.rl, &request, &other), RL_WAIT);
    rl_close(crowd.rl);
}

static void a_change_waits_for_who_is_settling(void **state)
{
    (void)state;
    settle_while_it_changes(0);
    settle_while_it_changes(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_used_stays_used),
        cmocka_unit_test(another_algorithm_counts_what_was_used),
        cmocka_unit_test(a_wrong_file_changes_nothing),
        cmocka_unit_test(limits_come_and_go),
        cmocka_unit_test(models_change_their_family),
        cmocka_unit_test(tiers_come_and_go),
        cmocka_unit_test(permits_outlive_a_change),
        cmocka_unit_test(permits_end_while_their_limit_is_gone),
        cmocka_unit_test(a_new_tier_counts_what_is_under_way),
        cmocka_unit_test(what_answers_said_outlives_a_reload),
        cmocka_unit_test(a_change_waits_for_who_is_settling),
        cmocka_unit_test(books_balance_whatever_changes_meanwhile),
        cmocka_unit_test(a_tier_that_a_request_named_stays),
        cmocka_unit_test(nothing_grows_by_reloading),
        cmocka_unit_test(too_many_limits_change_nothing),
        cmocka_unit_test(a_fresh_start_takes_nothing_back_twice),
        cmocka_unit_test(nobody_sees_half_of_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
