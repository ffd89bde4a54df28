/* SPDX-License-Identifier: MIT */
/* Delays stay in their bounds, zero is a default and nothing else, and each outcome has its
 * decision. */
#include "flow/verdict.h"
#include "vclock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void defaults_live_in_one_place(void **state)
{
    rl_retry_policy policy;

    (void)state;
    assert_int_equal(rl_retry_policy_resolve(NULL, &policy), RL_OK);
    assert_int_equal(policy.max_attempts, 6);
    assert_int_equal(policy.base_delay_ms, 500);
    assert_int_equal(policy.max_delay_ms, 30000);
    assert_int_equal(policy.max_hint_ms, 300000);
    assert_int_equal(policy.max_refusals, 100);
}

/* SEED-BUGS 4: a bound that is asked for is kept: then refusals count as attempts, too. */
static void an_explicit_bound_counts_refusals(void **state)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT;

    (void)state;
    policy.max_attempts = 3;
    assert_int_equal(rl_retry_policy_resolve(&policy, &policy), RL_OK);
    assert_int_equal(policy.max_refusals, 0);
}

static void contradictions_are_refused(void **state)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT, out;

    (void)state;
    policy.base_delay_ms = 2000;
    policy.max_delay_ms = 1000;
    assert_int_equal(rl_retry_policy_resolve(&policy, &out), RL_E_INVALID);
    policy.size = sizeof policy + 8;
    assert_int_equal(rl_retry_policy_resolve(NULL, NULL), RL_E_INVALID);
}

static void jitter_is_full_and_stays_in_bounds(void **state)
{
    static const struct {
        uint64_t failures;
        rl_duration most;
    } row[] = { { 1, 500 * RL_MILLISECOND }, { 2, RL_SECOND },       { 3, 2 * RL_SECOND },
                { 7, 30 * RL_SECOND },       { 70, 30 * RL_SECOND }, { RL_NEVER, 30 * RL_SECOND } };
    struct vclock clock = { .random = 7 };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_duration low = RL_NEVER, high = 0;

        for (int n = 0; n < 2000; n++) {
            rl_duration delay =
                rl_retry_delay(NULL, row[i].failures, RL_NEVER, vclock_random(&clock));

            assert_true(delay <= row[i].most);
            low = delay < low ? delay : low;
            high = delay > high ? delay : high;
        }
        assert_true(low < row[i].most / 100);
        assert_true(high > row[i].most - row[i].most / 100);
        assert_int_equal(rl_retry_delay(NULL, row[i].failures, RL_NEVER, UINT64_MAX), row[i].most);
    }
}

/* SEED-BUGS 13 and 28: a hint of 0 is 0, and no hint is ever undercut. */
static void a_hint_is_never_undercut(void **state)
{
    (void)state;
    assert_int_equal(rl_retry_delay(NULL, 1, 0, 0), 0);
    assert_int_equal(rl_retry_delay(NULL, 1, 17 * RL_SECOND, 0), 17 * RL_SECOND);
    assert_true(rl_retry_delay(NULL, 1, 17 * RL_SECOND, UINT64_MAX) >= 17 * RL_SECOND);
    assert_int_equal(rl_retry_delay(NULL, 1, RL_NEVER - 1, UINT64_MAX), RL_NEVER);
}

static void base_equal_to_cap_is_fine(void **state)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT;

    (void)state;
    policy.base_delay_ms = policy.max_delay_ms = 1;
    for (uint64_t n = 1; n < 70; n++)
        assert_int_equal(rl_retry_delay(&policy, n, RL_NEVER, UINT64_MAX), RL_MILLISECOND);
}

#define NOW (1000 * RL_SECOND)

static void every_outcome_has_its_decision(void **state)
{
    static const struct {
        rl_outcome outcome;
        uint32_t retryable;
        rl_failure failure;
        rl_duration hint;
        rl_action action;
        rl_status status;
        rl_time retry_at;
    } row[] = {
        { RL_OUTCOME_OK, 0, 0, RL_NEVER, RL_DELIVER, RL_OK, RL_NEVER },
        { RL_OUTCOME_RATE_LIMITED, 1, 0, RL_SECOND, RL_RETRY, RL_OK, NOW + RL_SECOND },
        { RL_OUTCOME_RATE_LIMITED, 1, 0, RL_NEVER, RL_RETRY, RL_OK, NOW },
        { RL_OUTCOME_RATE_LIMITED, 1, 0, RL_HOUR, RL_GIVE_UP, RL_E_TIMEOUT, NOW + RL_HOUR },
        { RL_OUTCOME_QUOTA_EXHAUSTED, 0, 0, RL_NEVER, RL_GIVE_UP, RL_E_QUOTA, RL_NEVER },
        { RL_OUTCOME_TOO_LARGE, 0, 0, RL_SECOND, RL_GIVE_UP, RL_E_TOO_LARGE, NOW + RL_SECOND },
        { RL_OUTCOME_OVERLOADED, 1, 0, RL_NEVER, RL_RETRY, RL_OK, NOW },
        { RL_OUTCOME_SERVER_ERROR, 1, 0, RL_NEVER, RL_RETRY, RL_OK, NOW },
        { RL_OUTCOME_SERVER_ERROR, 0, 0, RL_NEVER, RL_GIVE_UP, RL_E_REJECTED, RL_NEVER }, /* 501 */
        { RL_OUTCOME_CLIENT_ERROR, 0, 0, RL_NEVER, RL_GIVE_UP, RL_E_REJECTED, RL_NEVER },
        { RL_OUTCOME_CLIENT_ERROR, 1, 0, RL_NEVER, RL_RETRY, RL_OK, NOW }, /* 408 */
        { RL_OUTCOME_AUTH, 0, 0, RL_NEVER, RL_GIVE_UP, RL_E_REJECTED, RL_NEVER },
        { RL_OUTCOME_TRANSPORT, 0, RL_FAILURE_RESET, RL_NEVER, RL_RETRY, RL_OK, NOW },
        { RL_OUTCOME_TRANSPORT, 0, RL_FAILURE_CONNECT, RL_NEVER, RL_RETRY, RL_OK, NOW },
        { RL_OUTCOME_TRANSPORT, 0, RL_FAILURE_TIMEOUT, RL_NEVER, RL_RETRY, RL_OK, NOW },
        { RL_OUTCOME_TRANSPORT, 0, RL_FAILURE_TLS, RL_NEVER, RL_GIVE_UP, RL_E_TRANSPORT, RL_NEVER },
        { RL_OUTCOME_TRANSPORT, 0, RL_FAILURE_ABORTED, RL_NEVER, RL_GIVE_UP, RL_E_TRANSPORT,
          RL_NEVER },
        { RL_OUTCOME_TRANSPORT, 0, RL_FAILURE_TOO_BIG, RL_NEVER, RL_GIVE_UP, RL_E_TOO_BIG,
          RL_NEVER },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_answer answer;
        rl_verdict verdict;

        memset(&answer, 0, sizeof answer);
        answer.outcome = (uint32_t)row[i].outcome;
        answer.retryable = row[i].retryable;
        answer.retry_after = row[i].hint;
        rl__verdict(&answer, 429, row[i].failure, 5 * RL_MINUTE, NOW, &verdict);
        if (verdict.action != (uint32_t)row[i].action || verdict.status != row[i].status ||
            verdict.retry_at != row[i].retry_at)
            fail_msg("row %zu: action %u, status %d, retry_at %llu", i, verdict.action,
                     verdict.status, (unsigned long long)verdict.retry_at);
    }
}

/* ---- kinds of jitter ---- */

static void each_jitter_has_its_range(void **state)
{
    static const struct {
        rl_jitter jitter;
        uint64_t failures;
        rl_duration low, high;
    } row[] = {
        { RL_JITTER_FULL, 3, 0, 400 },           { RL_JITTER_EQUAL, 1, 50, 100 },
        { RL_JITTER_EQUAL, 3, 200, 400 },        { RL_JITTER_EQUAL, 99, 350, 700 },
        { RL_JITTER_DECORRELATED, 1, 100, 300 }, { RL_JITTER_DECORRELATED, 9, 100, 300 },
        { RL_JITTER_NONE, 1, 100, 100 },         { RL_JITTER_NONE, 4, 700, 700 },
    };
    rl_retry_policy policy = RL_RETRY_POLICY_INIT;

    (void)state;
    policy.base_delay_ms = 100;
    policy.max_delay_ms = 700;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        policy.jitter = (uint64_t)row[i].jitter;
        if (rl_retry_delay(&policy, row[i].failures, RL_NEVER, 0) != row[i].low * RL_MILLISECOND ||
            rl_retry_delay(&policy, row[i].failures, RL_NEVER, UINT64_MAX) !=
                row[i].high * RL_MILLISECOND)
            fail_msg("row %zu", i);
    }
}

static void a_hint_is_only_moved_upwards(void **state)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT;

    (void)state;
    for (policy.jitter = 0; policy.jitter < RL_JITTER_NONE; policy.jitter++) {
        assert_int_equal(rl_retry_delay(&policy, 1, RL_SECOND, 0), RL_SECOND);
        assert_int_equal(rl_retry_delay(&policy, 1, RL_SECOND, UINT64_MAX),
                         RL_SECOND + 500 * RL_MILLISECOND);
    }
    assert_int_equal(rl_retry_delay(&policy, 5, RL_SECOND, 77), RL_SECOND);
    assert_int_equal(rl_retry_delay(&policy, 5, 0, 77), 0); /* 13: at once is at once */
}

static void options_out_of_range_are_refused(void **state)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT, out;
    rl_retry retry;

    (void)state;
    policy.jitter = RL_JITTER_NONE + 1;
    assert_int_equal(rl_retry_policy_resolve(&policy, &out), RL_E_INVALID);
    assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_E_INVALID);
    policy.jitter = RL_JITTER_NONE;
    policy.idempotency = 2;
    assert_int_equal(rl_retry_policy_resolve(&policy, &out), RL_E_INVALID);
    policy.idempotency = 1;
    assert_int_equal(rl_retry_policy_resolve(&policy, &out), RL_OK);
    assert_true(out.deadline_ms == RL_NEVER);
}

/* ---- one request ---- */

static rl_retry_result failed(rl_outcome outcome, rl_duration hint)
{
    rl_retry_result result = RL_RETRY_RESULT_INIT;

    result.outcome = (uint64_t)outcome;
    result.retryable = 1;
    result.hint = hint;
    return result;
}

/* An older caller's policy is shorter: what it does not know is as by default. */
static void an_older_policy_is_read(void **state)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT, out;

    (void)state;
    memset(&policy.jitter, 0xff, sizeof policy - offsetof(rl_retry_policy, jitter));
    policy.size = offsetof(rl_retry_policy, jitter);
    assert_int_equal(rl_retry_policy_resolve(&policy, &out), RL_OK);
    assert_int_equal(out.jitter, RL_JITTER_FULL);
    assert_null(out.budget);
    assert_int_equal(out.size, sizeof out);
}

/* SEED-BUGS 28: attempts are attempts, and nobody sleeps after the last one. */
static void row_28_three_attempts_are_two_waits(void **state)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT;
    rl_retry_result broken = failed(RL_OUTCOME_SERVER_ERROR, RL_NEVER);
    rl_retry retry;
    rl_time when;

    (void)state;
    policy.max_attempts = 3;
    assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
    assert_int_equal(rl_retry_next(&retry, &broken, NOW, 9, &when), RL_OK);
    assert_int_equal(rl_retry_next(&retry, &broken, NOW, 9, &when), RL_OK);
    assert_int_equal(rl_retry_attempts(&retry), 3);
    assert_int_equal(rl_retry_next(&retry, &broken, NOW, 9, &when), RL_E_ATTEMPTS);
    assert_true(when == RL_NEVER);
    assert_int_equal(rl_retry_attempts(&retry), 3);
    assert_int_equal(rl_retry_next(&retry, &broken, NOW, 9, &when), RL_E_ENDED);
}

/* SEED-BUGS 28: a day is not slept; a date is a hint like any other. */
static void row_28_a_hint_is_kept_or_refused_at_once(void **state)
{
    static const struct {
        rl_duration hint;
        uint64_t deadline_ms;
        rl_status status;
    } row[] = {
        { 0, 0, RL_OK },
        { RL_MINUTE, 0, RL_OK },
        { 5 * RL_MINUTE, 0, RL_OK },
        { 5 * RL_MINUTE + 1, 0, RL_E_TIMEOUT },
        { RL_DAY, 0, RL_E_TIMEOUT },
        { RL_NEVER - 1, RL_NEVER, RL_E_TIMEOUT },
        { 9 * RL_SECOND, 10000, RL_OK },
        { 10 * RL_SECOND, 10000, RL_E_DEADLINE },
        { RL_MINUTE, 10000, RL_E_DEADLINE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_retry_policy policy = RL_RETRY_POLICY_INIT;
        rl_retry_result refused = failed(RL_OUTCOME_OVERLOADED, row[i].hint);
        rl_time when = 0;
        rl_retry retry;
        rl_status st;

        policy.deadline_ms = row[i].deadline_ms;
        assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
        st = rl_retry_next(&retry, &refused, NOW, 0, &when);
        if (st != row[i].status ||
            when != (row[i].hint > RL_NEVER - NOW ? RL_NEVER : NOW + row[i].hint))
            fail_msg("row %zu: %s, %llu", i, rl_status_name(st), (unsigned long long)(when - NOW));
    }
}

static void the_deadline_runs_from_the_beginning(void **state)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT;
    rl_retry_result broken = failed(RL_OUTCOME_SERVER_ERROR, RL_NEVER);
    rl_retry retry;
    rl_time when;

    (void)state;
    policy.deadline_ms = 1000;
    assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
    assert_int_equal(rl_retry_left(&retry, NOW), RL_SECOND);
    assert_int_equal(rl_retry_left(&retry, NOW + 2 * RL_SECOND), 0);
    assert_int_equal(rl_retry_next(&retry, &broken, NOW + 900 * RL_MILLISECOND, 0, NULL), RL_OK);
    assert_int_equal(rl_retry_next(&retry, &broken, NOW + RL_SECOND, 0, &when), RL_E_DEADLINE);
    assert_int_equal(when, NOW + RL_SECOND);
    assert_int_equal(rl_retry_init(&retry, NULL, NOW), RL_OK);
    assert_true(rl_retry_left(&retry, NOW) == RL_NEVER);
}

/* SEED-BUGS 29: what is tried again, from the answer to the decision. */
static void row_29_classes_decide(void **state)
{
    static const struct {
        uint64_t http;
        const char *body;
        rl_failure failure;
        rl_status status;
    } row[] = {
        { 429, "{\"error\":{\"code\":\"rate_limit_exceeded\"}}", 0, RL_OK },
        { 429, "{\"error\":{\"code\":\"insufficient_quota\"}}", 0, RL_E_QUOTA },
        { 400, "{}", 0, RL_E_REJECTED },
        { 401, "{}", 0, RL_E_REJECTED },
        { 408, "{}", 0, RL_OK },
        { 409, "{}", 0, RL_OK },
        { 425, "{}", 0, RL_OK },
        { 500, "{}", 0, RL_OK },
        { 501, "{}", 0, RL_E_REJECTED },
        { 503, "{}", 0, RL_OK },
        { 505, "{}", 0, RL_E_REJECTED },
        { 529, "{}", 0, RL_OK },
        { 0, "", RL_FAILURE_CONNECT, RL_OK }, /* ECONNREFUSED */
        { 0, "", RL_FAILURE_RESET, RL_OK },   /* EPIPE */
        { 0, "", RL_FAILURE_RESOLVE, RL_OK }, /* EAI_AGAIN */
        { 0, "", RL_FAILURE_TLS, RL_E_TRANSPORT },
        { 0, "", RL_FAILURE_TOO_BIG, RL_E_TOO_BIG },
        { 200, "{}", 0, RL_E_ENDED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_response response = RL_RESPONSE_INIT;
        rl_retry_result result = RL_RETRY_RESULT_INIT;
        rl_answer answer;
        rl_retry retry;
        rl_status st;

        response.status = row[i].http;
        response.failure = row[i].failure;
        response.body = row[i].body;
        response.body_length = strlen(row[i].body);
        assert_int_equal(rl_answer_read(NULL, &response, 0, &answer), RL_OK);
        assert_int_equal(rl_retry_result_of(&answer, row[i].http, row[i].failure, &result), RL_OK);
        assert_int_equal(rl_retry_init(&retry, NULL, NOW), RL_OK);
        st = rl_retry_next(&retry, &result, NOW, 0, NULL);
        if (st != row[i].status)
            fail_msg("row %zu: %s", i, rl_status_name(st));
    }
}

/* SEED-BUGS 29: jitter that grows with the delay, not 0 to 1 s on 30 s. */
static void row_29_late_delays_are_spread_widely(void **state)
{
    (void)state;
    assert_true(rl_retry_delay(NULL, 9, RL_NEVER, UINT64_MAX) -
                    rl_retry_delay(NULL, 9, RL_NEVER, 0) >=
                30 * RL_SECOND);
}

static void a_result_is_what_the_answer_says(void **state)
{
    struct {
        rl_retry_result result;
    } room;
    rl_retry_result result = RL_RETRY_RESULT_INIT;
    rl_answer answer;

    (void)state;
    memset(&answer, 0, sizeof answer);
    answer.outcome = RL_OUTCOME_OVERLOADED;
    answer.retryable = 1;
    answer.retry_after = 7 * RL_SECOND;
    assert_int_equal(rl_retry_result_of(&answer, 503, RL_FAILURE_OTHER, &result), RL_OK);
    assert_int_equal(result.outcome, RL_OUTCOME_OVERLOADED);
    assert_int_equal(result.http_status, 503);
    assert_int_equal(result.failure, RL_FAILURE_OTHER);
    assert_int_equal(result.retryable, 1);
    assert_int_equal(result.hint, 7 * RL_SECOND);
    memset(&room, 0xa5, sizeof room); /* an older caller's struct is shorter */
    room.result.size = offsetof(rl_retry_result, failure);
    assert_int_equal(rl_retry_result_of(&answer, 503, 0, &room.result), RL_OK);
    assert_int_equal(room.result.size, offsetof(rl_retry_result, failure));
    assert_int_equal(room.result.http_status, 503);
    assert_true(room.result.hint == UINT64_C(0xa5a5a5a5a5a5a5a5));
}

/* Also when it is no use, the provider's time is handed on. */
static void giving_up_tells_the_earliest_time(void **state)
{
    rl_retry_result result = failed(RL_OUTCOME_QUOTA_EXHAUSTED, RL_HOUR);
    rl_time when = 0;
    rl_retry retry;

    (void)state;
    assert_int_equal(rl_retry_init(&retry, NULL, NOW), RL_OK);
    assert_int_equal(rl_retry_next(&retry, &result, NOW, 0, &when), RL_E_QUOTA);
    assert_int_equal(when, NOW + RL_HOUR);
    result.hint = RL_NEVER;
    assert_int_equal(rl_retry_init(&retry, NULL, NOW), RL_OK);
    assert_int_equal(rl_retry_next(&retry, &result, NOW, 0, &when), RL_E_QUOTA);
    assert_true(when == RL_NEVER);
}

struct judge {
    uint64_t says, heard, calls;
};

static uint64_t judge(void *user, const rl_retry_result *result, uint64_t action)
{
    struct judge *j = user;

    j->heard = action;
    j->calls++;
    return result->http_status == 418 ? j->says : action;
}

static void the_user_has_the_last_word_on_classes(void **state)
{
    static const struct {
        rl_outcome outcome;
        uint64_t says, library;
        rl_status status;
    } row[] = {
        { RL_OUTCOME_CLIENT_ERROR, RL_RETRY, RL_GIVE_UP, RL_OK },
        { RL_OUTCOME_OK, RL_RETRY, RL_DELIVER, RL_OK }, /* an empty answer, say */
        { RL_OUTCOME_OK, RL_GIVE_UP, RL_DELIVER, RL_E_REJECTED },
        { RL_OUTCOME_SERVER_ERROR, RL_GIVE_UP, RL_RETRY, RL_E_REJECTED },
        { RL_OUTCOME_RATE_LIMITED, RL_GIVE_UP, RL_RETRY, RL_E_REJECTED },
        { RL_OUTCOME_SERVER_ERROR, RL_DELIVER, RL_RETRY, RL_E_ENDED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_retry_policy policy = RL_RETRY_POLICY_INIT;
        rl_retry_result result = failed(row[i].outcome, RL_NEVER);
        struct judge j = { .says = row[i].says };
        rl_retry retry;
        rl_status st;

        result.retryable = row[i].library == RL_RETRY;
        result.http_status = 418;
        policy.classify = judge;
        policy.user = &j;
        policy.max_attempts = 2;
        assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
        st = rl_retry_next(&retry, &result, NOW, 0, NULL);
        if (st != row[i].status || j.heard != row[i].library)
            fail_msg("row %zu: %s", i, rl_status_name(st));
        if (st == RL_OK) /* and lifts no bound */
            assert_int_equal(rl_retry_next(&retry, &result, NOW, 0, NULL), RL_E_ATTEMPTS);
    }
}

static void refusals_do_not_count_as_attempts_within_a_bound(void **state)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT;
    rl_retry_result refused = failed(RL_OUTCOME_RATE_LIMITED, 0);
    rl_retry retry;

    (void)state;
    assert_int_equal(rl_retry_init(&retry, NULL, NOW), RL_OK);
    for (int i = 0; i < 100 + 5; i++)
        assert_int_equal(rl_retry_next(&retry, &refused, NOW, 0, NULL), RL_OK);
    assert_int_equal(rl_retry_next(&retry, &refused, NOW, 0, NULL), RL_E_ATTEMPTS);
    policy.max_attempts = 2;
    assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
    assert_int_equal(rl_retry_next(&retry, &refused, NOW, 0, NULL), RL_OK);
    assert_int_equal(rl_retry_next(&retry, &refused, NOW, 0, NULL), RL_E_ATTEMPTS);
}

static void delays_grow_with_each_failure(void **state)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT;
    rl_retry_result broken = failed(RL_OUTCOME_SERVER_ERROR, RL_NEVER);
    rl_retry retry;
    rl_time when;

    (void)state;
    policy.jitter = RL_JITTER_NONE;
    assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(rl_retry_next(&retry, &broken, NOW, 0, &when), RL_OK);
        assert_int_equal(when - NOW, 500 * RL_MILLISECOND << i);
    }
    policy.jitter = RL_JITTER_DECORRELATED; /* three times the one before */
    assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
    for (uint64_t i = 0, most = 1500; i < 4; i++, most *= 3) {
        assert_int_equal(rl_retry_next(&retry, &broken, NOW, UINT64_MAX, &when), RL_OK);
        assert_int_equal(when - NOW, (most < 30000 ? most : 30000) * RL_MILLISECOND);
    }
}

static void mistakes_get_a_status(void **state)
{
    rl_retry_result result = RL_RETRY_RESULT_INIT, sizeless = RL_RETRY_RESULT_INIT;
    static rl_retry unstarted;
    rl_retry retry;
    rl_answer answer;
    rl_time when = 0;
    uint64_t random[2] = { 1, 2 };
    char key[37];

    (void)state;
    sizeless.size = 0;
    memset(&answer, 0, sizeof answer);
    assert_int_equal(rl_retry_init(NULL, NULL, NOW), RL_E_INVALID);
    assert_int_equal(rl_retry_init(&retry, NULL, NOW), RL_OK);
    assert_int_equal(rl_retry_next(&unstarted, &result, NOW, 0, &when), RL_E_INVALID);
    assert_true(when == RL_NEVER);
    assert_int_equal(rl_retry_next(NULL, &result, NOW, 0, NULL), RL_E_INVALID);
    assert_int_equal(rl_retry_next(&retry, NULL, NOW, 0, NULL), RL_E_INVALID);
    assert_int_equal(rl_retry_next(&retry, &sizeless, NOW, 0, NULL), RL_E_INVALID);
    assert_int_equal(rl_retry_result_of(NULL, 200, 0, &result), RL_E_INVALID);
    assert_int_equal(rl_retry_result_of(&answer, 200, 0, NULL), RL_E_INVALID);
    assert_int_equal(rl_retry_result_of(&answer, 200, 0, &sizeless), RL_E_INVALID);
    assert_int_equal(rl_retry_attempts(&unstarted), 0);
    assert_int_equal(rl_retry_attempts(NULL), 0);
    assert_true(rl_retry_left(NULL, NOW) == RL_NEVER);
    assert_int_equal(rl_retry_idempotency_key(&unstarted, random, key), RL_E_INVALID);
    assert_int_equal(rl_retry_idempotency_key(&retry, random, NULL), RL_E_INVALID);
    assert_int_equal(rl_retry_idempotency_key(&retry, NULL, key), RL_E_INVALID);
    assert_string_equal(key, "");
    assert_int_equal(rl_retry_next(&retry, &result, NOW, 0, NULL), RL_E_ENDED); /* a success */
}

static void a_key_is_kept_over_attempts(void **state)
{
    static const uint64_t ones[2] = { UINT64_MAX, UINT64_MAX }, zeros[2] = { 0, 0 };
    static const uint64_t some[2] = { UINT64_C(0x0123456789abcdef), UINT64_C(0x0011223344556677) };
    rl_retry_policy policy = RL_RETRY_POLICY_INIT;
    rl_retry_result broken = failed(RL_OUTCOME_SERVER_ERROR, RL_NEVER);
    char key[37];
    rl_retry retry;

    (void)state;
    assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
    assert_int_equal(rl_retry_idempotency_key(&retry, some, key), RL_E_NOT_FOUND);
    assert_string_equal(key, "");
    policy.idempotency = 1;
    assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rl_retry_idempotency_key(&retry, i == 0 ? some : ones, key), RL_OK);
        assert_string_equal(key, "01234567-89ab-4def-8011-223344556677");
        assert_int_equal(rl_retry_next(&retry, &broken, NOW, 0, NULL), RL_OK);
    }
    assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK); /* another request */
    assert_int_equal(rl_retry_idempotency_key(&retry, ones, key), RL_OK);
    assert_string_equal(key, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
    assert_int_equal(rl_retry_idempotency_key(&retry, zeros, key), RL_OK);
    assert_string_equal(key, "00000000-0000-4000-8000-000000000000");
}

/* ---- many requests ---- */

static void every_end_is_counted_with_its_reason(void **state)
{
    rl_retry_counters counters = { .requests = 0 }, got;
    rl_retry_budget_options small = RL_RETRY_BUDGET_OPTIONS_INIT;
    rl_retry_policy policy = RL_RETRY_POLICY_INIT;
    rl_retry_budget budget;
    static const struct {
        rl_outcome outcome;
        uint32_t retryable;
        rl_duration hint;
        rl_status status;
    } row[] = {
        { RL_OUTCOME_SERVER_ERROR, 1, RL_NEVER, RL_OK },
        { RL_OUTCOME_SERVER_ERROR, 1, RL_NEVER, RL_E_BUDGET },
        { RL_OUTCOME_RATE_LIMITED, 1, RL_NEVER, RL_OK }, /* needs none */
        { RL_OUTCOME_CLIENT_ERROR, 0, RL_NEVER, RL_E_REJECTED },
        { RL_OUTCOME_QUOTA_EXHAUSTED, 0, RL_NEVER, RL_E_QUOTA },
        { RL_OUTCOME_OVERLOADED, 1, RL_HOUR, RL_E_TIMEOUT },
        { RL_OUTCOME_OVERLOADED, 1, RL_MINUTE, RL_E_DEADLINE },
        { RL_OUTCOME_OK, 0, RL_NEVER, RL_E_ENDED },
    };

    (void)state;
    small.burst = 1;
    small.ratio = RL_NEVER;
    small.floor = 1;
    assert_int_equal(rl_retry_budget_init(&budget, &small, NOW), RL_OK);
    policy.budget = &budget;
    policy.counters = &counters;
    policy.deadline_ms = 60000;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_retry_result result = failed(row[i].outcome, row[i].hint);
        rl_time when;
        rl_retry retry;
        rl_status st;

        result.retryable = row[i].retryable;
        assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
        st = rl_retry_next(&retry, &result, NOW, 0, &when);
        if (st != row[i].status || (st == RL_E_BUDGET && when != NOW + RL_MINUTE))
            fail_msg("row %zu: %s", i, rl_status_name(st));
    }
    policy.max_attempts = 1;
    for (int i = 0; i < 3; i++) {
        rl_retry_result result = failed(RL_OUTCOME_SERVER_ERROR, RL_NEVER);
        rl_retry retry;

        assert_int_equal(rl_retry_init(&retry, &policy, NOW), RL_OK);
        assert_int_equal(rl_retry_next(&retry, &result, NOW, 0, NULL), RL_E_ATTEMPTS);
    }
    got = rl_retry_counters_get(&counters);
    assert_int_equal(got.requests, 11);
    assert_int_equal(got.retries, 2);
    assert_int_equal(got.not_retryable, 2);
    assert_int_equal(got.attempts, 3);
    assert_int_equal(got.hint, 1);
    assert_int_equal(got.deadline, 1);
    assert_int_equal(got.budget, 1);
    assert_int_equal(rl_retry_counters_get(NULL).requests, 0);
}

/* All fail: what goes out is the share and the floor, not five times the traffic. */
static void an_outage_is_not_answered_with_a_storm(void **state)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT;
    rl_retry_result broken = failed(RL_OUTCOME_SERVER_ERROR, RL_NEVER);
    rl_retry_budget budget;
    uint64_t retries = 0;

    (void)state;
    assert_int_equal(rl_retry_budget_init(&budget, NULL, NOW), RL_OK);
    policy.budget = &budget;
    for (uint64_t i = 0; i < 10000; i++) { /* 100 a second */
        rl_time now = NOW + i * 10 * RL_MILLISECOND;
        rl_retry retry;

        assert_int_equal(rl_retry_init(&retry, &policy, now), RL_OK);
        while (rl_retry_next(&retry, &broken, now, 0, NULL) == RL_OK)
            retries++;
    }
    assert_in_range(retries, 2000, 2000 + 30 + 17);
}

static void a_quiet_caller_may_still_retry(void **state)
{
    rl_retry_budget budget;
    uint64_t retries = 0;

    (void)state;
    assert_int_equal(rl_retry_budget_init(&budget, NULL, NOW), RL_OK);
    for (int i = 0; i < 30; i++)
        assert_int_equal(rl_retry_budget_take(&budget, NOW, NULL), RL_OK);
    assert_int_equal(rl_retry_budget_take(&budget, NOW, NULL), RL_WAIT);
    for (rl_time now = NOW; now < NOW + RL_MINUTE; now += RL_SECOND)
        retries += rl_retry_budget_take(&budget, now, NULL) == RL_OK;
    assert_int_equal(retries, 9); /* ten a minute; the tenth at its end */
}

static void budgets_out_of_range_are_refused(void **state)
{
    static const rl_retry_budget_options row[] = {
        { .size = sizeof row[0], .ratio = 1001 },
        { .size = sizeof row[0], .floor = 1000000001 },
        { .size = sizeof row[0], .burst = 1000000001 },
        { .size = sizeof row[0], .floor_period = RL_NEVER },
        { .size = 0 },
    };
    rl_time retry_at = 0;
    rl_retry_budget budget;

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (rl_retry_budget_init(&budget, &row[i], NOW) != RL_E_INVALID)
            fail_msg("row %zu was taken", i);
    assert_int_equal(rl_retry_budget_init(NULL, NULL, NOW), RL_E_INVALID);
    assert_int_equal(rl_retry_budget_take(NULL, NOW, &retry_at), RL_E_INVALID);
    assert_true(retry_at == RL_NEVER);
    rl_retry_budget_pay(NULL, NOW);
}

static void a_verdict_may_be_changed_within_the_bounds(void **state)
{
    static const struct {
        rl_outcome outcome;
        rl_duration hint;
        uint64_t says;
        rl_action action;
        rl_status status;
        rl_time retry_at;
    } row[] = {
        { RL_OUTCOME_CLIENT_ERROR, RL_NEVER, RL_RETRY, RL_RETRY, RL_OK, NOW },
        { RL_OUTCOME_CLIENT_ERROR, RL_SECOND, RL_RETRY, RL_RETRY, RL_OK, NOW + RL_SECOND },
        { RL_OUTCOME_CLIENT_ERROR, RL_HOUR, RL_RETRY, RL_GIVE_UP, RL_E_TIMEOUT, NOW + RL_HOUR },
        { RL_OUTCOME_CLIENT_ERROR, RL_NEVER, RL_DELIVER, RL_DELIVER, RL_OK, RL_NEVER },
        { RL_OUTCOME_CLIENT_ERROR, RL_NEVER, 9, RL_GIVE_UP, RL_E_REJECTED, RL_NEVER },
        { RL_OUTCOME_OK, RL_NEVER, RL_GIVE_UP, RL_GIVE_UP, RL_E_REJECTED, RL_NEVER },
        { RL_OUTCOME_RATE_LIMITED, RL_SECOND, RL_GIVE_UP, RL_GIVE_UP, RL_E_REJECTED,
          NOW + RL_SECOND },
        { RL_OUTCOME_TRANSPORT, RL_NEVER, RL_GIVE_UP, RL_GIVE_UP, RL_E_TRANSPORT, RL_NEVER },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_answer answer;
        rl_verdict verdict;

        memset(&answer, 0, sizeof answer);
        answer.outcome = (uint32_t)row[i].outcome;
        answer.retryable = row[i].outcome == RL_OUTCOME_RATE_LIMITED;
        answer.retry_after = row[i].hint;
        rl__verdict(&answer, 429, 0, 5 * RL_MINUTE, NOW, &verdict);
        rl__verdict_change(&verdict, row[i].says, 0, 5 * RL_MINUTE, NOW);
        if (verdict.action != (uint32_t)row[i].action || verdict.status != row[i].status ||
            verdict.retry_at != row[i].retry_at)
            fail_msg("row %zu: action %u, status %d, retry_at %llu", i, verdict.action,
                     verdict.status, (unsigned long long)verdict.retry_at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_live_in_one_place),
        cmocka_unit_test(an_explicit_bound_counts_refusals),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(jitter_is_full_and_stays_in_bounds),
        cmocka_unit_test(a_hint_is_never_undercut),
        cmocka_unit_test(base_equal_to_cap_is_fine),
        cmocka_unit_test(every_outcome_has_its_decision),
        cmocka_unit_test(each_jitter_has_its_range),
        cmocka_unit_test(a_hint_is_only_moved_upwards),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(an_older_policy_is_read),
        cmocka_unit_test(row_28_three_attempts_are_two_waits),
        cmocka_unit_test(row_28_a_hint_is_kept_or_refused_at_once),
        cmocka_unit_test(the_deadline_runs_from_the_beginning),
        cmocka_unit_test(row_29_classes_decide),
        cmocka_unit_test(row_29_late_delays_are_spread_widely),
        cmocka_unit_test(a_result_is_what_the_answer_says),
        cmocka_unit_test(giving_up_tells_the_earliest_time),
        cmocka_unit_test(the_user_has_the_last_word_on_classes),
        cmocka_unit_test(refusals_do_not_count_as_attempts_within_a_bound),
        cmocka_unit_test(delays_grow_with_each_failure),
        cmocka_unit_test(mistakes_get_a_status),
        cmocka_unit_test(a_key_is_kept_over_attempts),
        cmocka_unit_test(every_end_is_counted_with_its_reason),
        cmocka_unit_test(an_outage_is_not_answered_with_a_storm),
        cmocka_unit_test(a_quiet_caller_may_still_retry),
        cmocka_unit_test(budgets_out_of_range_are_refused),
        cmocka_unit_test(a_verdict_may_be_changed_within_the_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
