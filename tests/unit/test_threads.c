/* SPDX-License-Identifier: MIT */
/* Many threads on one context, on the real clock: nobody is forgotten, no limit is passed, closing
 * frees all. Written for ThreadSanitizer, so no figure of speed is looked at. */
#include "base/atomic.h"

#include <llmrl/queue.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define THREADS 16

struct crowd {
    rl_context *rl;
    uint64_t granted, closed, other;
    int rounds;
};

static void *acquire_and_settle(void *user)
{
    struct crowd *crowd = user;
    rl_request request = RL_REQUEST_INIT;

    request.provider = "generic";
    request.model = "m";
    request.input_tokens = 5;
    request.max_output_tokens = 5;
    request.max_wait_ms = RL_NEVER;
    for (int i = 0; i < crowd->rounds; i++) {
        rl_response response = RL_RESPONSE_INIT;
        rl_permit permit;
        rl_status st = rl_acquire(crowd->rl, &request, &permit);

        rl__fetch_add(st == RL_OK         ? &crowd->granted
                      : st == RL_E_CLOSED ? &crowd->closed
                                          : &crowd->other,
                      1);
        if (st != RL_OK)
            break;
        response.status = 200;
        response.body =
            "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}}";
        response.body_length = strlen(response.body);
        if (i % 3 == 1)
            (void)rl_cancel(crowd->rl, &permit);
        else
            (void)rl_observe_response(crowd->rl, &permit, &response, NULL);
    }
    return NULL;
}

static void *acquire_and_cancel(void *user)
{
    struct crowd *crowd = user;
    rl_request request = RL_REQUEST_INIT;

    request.provider = "generic";
    request.model = "m";
    request.max_wait_ms = RL_NEVER;
    for (int i = 0; i < crowd->rounds; i++) {
        rl_permit permit;

        if (rl_acquire(crowd->rl, &request, &permit) != RL_OK)
            break;
        rl__fetch_add(&crowd->granted, 1);
        (void)rl_cancel(crowd->rl, &permit);
    }
    return NULL;
}

static void open_crowd(struct crowd *crowd, const char *json, int rounds)
{
    rl_options options = RL_OPTIONS_INIT;

    memset(crowd, 0, sizeof *crowd);
    options.config_json = json;
    assert_int_equal(rl_open(&options, &crowd->rl), RL_OK);
    crowd->rounds = rounds;
}

static void start(struct crowd *crowd, pthread_t *thread)
{
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, acquire_and_settle, crowd), 0);
}

static void join(pthread_t *thread)
{
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
}

static void everybody_gets_a_turn(void **state)
{
    rl_stats stats = { .size = sizeof stats };
    pthread_t thread[THREADS];
    struct crowd crowd;

    (void)state;
    open_crowd(&crowd,
               "{\"providers\": {\"generic\": {\"requests_per_second\": 400, "
               "\"tokens_per_second\": 9000}}}",
               20);
    start(&crowd, thread);
    join(thread);
    assert_int_equal(crowd.granted, THREADS * 20);
    assert_int_equal(rl_stats_get(crowd.rl, &stats), RL_OK);
    assert_int_equal(stats.granted, THREADS * 20);
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(stats.waiting, 0);
    rl_close(crowd.rl);
}

/* The counting is what orders a finished call before the closing of its context: calls still under
 * way are the only ones that rl_close() waits for. */
static void *acquire_once(void *user)
{
    struct crowd *crowd = user;
    rl_request request = RL_REQUEST_INIT;
    rl_permit permit;
    rl_status st;

    request.provider = "generic";
    request.max_wait_ms = RL_NEVER;
    st = rl_acquire(crowd->rl, &request, &permit);
    __atomic_fetch_add(st == RL_OK ? &crowd->granted : &crowd->closed, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void closing_frees_all_who_are_blocked(void **state)
{
    rl_stats stats = { .size = sizeof stats };
    pthread_t thread[THREADS];
    struct crowd crowd;

    (void)state;
    open_crowd(&crowd, "{\"providers\": {\"generic\": {\"requests_per_day\": 6}}}", 1);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, acquire_once, &crowd), 0);
    do { /* until all but the admitted ones wait */
        assert_int_equal(rl_stats_get(crowd.rl, &stats), RL_OK);
    } while (stats.waiting + __atomic_load_n(&crowd.granted, __ATOMIC_ACQUIRE) < THREADS);
    rl_close(crowd.rl);
    join(thread);
    assert_int_equal(crowd.granted + crowd.closed, THREADS);
    assert_true(crowd.granted >= 1 && crowd.granted <= 6);
}

static void *try_for_a_while(void *user)
{
    struct crowd *crowd = user;
    rl_request request = RL_REQUEST_INIT;

    request.provider = "generic";
    for (int i = 0; i < crowd->rounds; i++) {
        rl_permit permit;

        if (rl_try_acquire(crowd->rl, &request, &permit) == RL_OK)
            rl__fetch_add(&crowd->granted, 1);
    }
    return NULL;
}

static void a_days_budget_is_never_passed(void **state)
{
    pthread_t thread[THREADS];
    struct crowd crowd;

    (void)state;
    open_crowd(&crowd, "{\"providers\": {\"generic\": {\"requests_per_day\": 1000}}}", 500);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, try_for_a_while, &crowd), 0);
    join(thread);
    assert_true(crowd.granted >= 501 && crowd.granted <= 1000);
    rl_close(crowd.rl);
}

/* Two threads share the one place that is left while no limit is known: whoever waits for it is
 * woken by the other, or both would hang. */
static void the_last_wake_up_is_not_lost(void **state)
{
    enum { PLACES = 4 };
    rl_request request = RL_REQUEST_INIT;
    rl_permit held[PLACES - 1];
    pthread_t thread[2];
    struct crowd crowd;

    (void)state;
    open_crowd(&crowd, "{}", 20000);
    request.provider = "generic";
    request.model = "m";
    for (int i = 0; i < PLACES - 1; i++)
        assert_int_equal(rl_try_acquire(crowd.rl, &request, &held[i]), RL_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, acquire_and_cancel, &crowd), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(crowd.granted, 2 * crowd.rounds);
    for (int i = 0; i < PLACES - 1; i++)
        assert_int_equal(rl_cancel(crowd.rl, &held[i]), RL_OK);
    rl_close(crowd.rl);
}

/* The context may be gone when the last call returns: nothing of it may be touched then. */
static void *one_attempt(void *user)
{
    struct crowd *crowd = user;
    rl_request request = RL_REQUEST_INIT;
    rl_attempt attempt = RL_ATTEMPT_INIT;

    request.provider = "generic";
    request.max_wait_ms = RL_NEVER;
    if (!rl_next_attempt(crowd->rl, &request, &attempt))
        rl__fetch_add(attempt.status == RL_E_CLOSED ? &crowd->closed : &crowd->other, 1);
    else
        rl__fetch_add(&crowd->granted, 1);
    return NULL;
}

static void closing_is_not_outlived_by_an_attempt(void **state)
{
    rl_stats stats = { .size = sizeof stats };
    rl_request request = RL_REQUEST_INIT;
    pthread_t thread[THREADS];
    struct crowd crowd;
    rl_permit permit;

    (void)state;
    open_crowd(&crowd, "{\"providers\": {\"generic\": {\"requests_per_day\": 2}}}", 1);
    request.provider = "generic";
    while (rl_try_acquire(crowd.rl, &request, &permit) == RL_OK) /* so all others have to wait */
        ;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, one_attempt, &crowd), 0);
    do {
        assert_int_equal(rl_stats_get(crowd.rl, &stats), RL_OK);
    } while (stats.waiting < THREADS);
    rl_close(crowd.rl);
    join(thread);
    assert_int_equal(crowd.closed, THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_gets_a_turn),
        cmocka_unit_test(closing_frees_all_who_are_blocked),
        cmocka_unit_test(a_days_budget_is_never_passed),
        cmocka_unit_test(the_last_wake_up_is_not_lost),
        cmocka_unit_test(closing_is_not_outlived_by_an_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
