/* SPDX-License-Identifier: MIT */
/* Delays stay in their bounds, zero is a default and nothing else, and each outcome has its
 * decision. */
#include "flow/verdict.h"
#include "vclock.h"

#include <setjmp.h>
#include <stdarg.h>
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
