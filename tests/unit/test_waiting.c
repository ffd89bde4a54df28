/* SPDX-License-Identifier: MIT */
/* The order of those who wait, through the public face on a virtual clock: priorities, shares,
 * tenants, bounds, cancelling. */
#include "vclock.h"

#include <llmrl/config.h>
#include <llmrl/queue.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define JOBS 512
/* One a second, one at a time. */
#define ONE_A_SECOND                                                                               \
    "\"providers\": {\"p\": {\"auto_detect\": false, \"limits\": [{\"dimension\": \"requests\", "  \
    "\"amount\": 1, \"period\": \"second\", \"algorithm\": \"token_bucket\", \"burst\": 1}]}}"

struct job {
    rl_attempt attempt;
    int index;
};

static struct vclock the_clock;
static struct {
    rl_context *rl;
    struct job job[JOBS];
    int count, ended, order[JOBS];
} world;

static void begin(const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    char error[200] = "";
    rl_hooks hooks;

    memset(&world, 0, sizeof world);
    the_clock = (struct vclock){ .now = 1000 * RL_SECOND, .random = 5 };
    hooks = vclock_hooks(&the_clock);
    options.hooks = &hooks;
    options.config_json = json;
    options.error = error;
    options.error_size = sizeof error;
    if (rl_open(&options, &world.rl) != RL_OK)
        fail_msg("%s", error);
}

static rl_request ask(const char *user, uint64_t priority)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "p";
    request.model = "m";
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    request.max_wait_ms = RL_NEVER;
    request.user = user;
    request.priority = priority;
    return request;
}

static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    struct job *job = user;

    assert_true(ready == (attempt->status == RL_WAIT));
    world.order[world.ended++] = job->index;
}

static rl_status submit(const rl_request *request)
{
    struct job *job = &world.job[world.count];
    rl_status st;

    job->attempt = RL_ATTEMPT_INIT;
    job->index = world.count;
    if ((st = rl_attempt_submit(world.rl, request, &job->attempt, on_ready, job)) == RL_OK)
        world.count++;
    return st;
}

static void submit_many(const char *user, uint64_t priority, int count)
{
    rl_request request = ask(user, priority);

    for (int i = 0; i < count; i++)
        assert_int_equal(submit(&request), RL_OK);
}

static void give_back(int index)
{
    if (world.job[index].attempt.status == RL_WAIT)
        rl_attempt_abandon(world.rl, &world.job[index].attempt);
}

/* Takes what is ready now, then one moment after the other; each grant is over at once, but what it
 * took stays taken. */
static void run_until(rl_time end)
{
    rl_usage usage = { .has = 0 };

    for (;;) {
        int before = world.ended;
        rl_time next;

        (void)rl_dispatch(world.rl);
        for (int i = before; i < world.ended; i++)
            if (world.job[world.order[i]].attempt.status == RL_WAIT)
                (void)rl_settle(world.rl, &world.job[world.order[i]].attempt.permit, &usage);
        next = rl_next_wakeup(world.rl);
        if (next > end)
            return;
        the_clock.now = next > the_clock.now ? next : the_clock.now;
    }
}

static void finish(void)
{
    for (int i = 0; i < world.count; i++)
        give_back(i);
    rl_close(world.rl);
}

static void expect_order(const int *order, int count)
{
    assert_int_equal(world.ended, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(world.order[i], order[i]);
}

/* ---- priorities ---- */

/* SEED-BUGS 20: whoever is more urgent goes first, also if it came after others had begun to wait.
 */
static void the_more_urgent_goes_first(void **state)
{
    static const int order[] = { 0, 6, 5, 3, 4, 1, 2 };

    (void)state;
    begin("{" ONE_A_SECOND "}");
    submit_many("a", 0, 1); /* goes at once */
    (void)rl_dispatch(world.rl);
    submit_many("a", RL_PRIORITY_LOW, 2);
    submit_many("a", RL_PRIORITY_NORMAL, 1);
    submit_many("a", 0, 1);
    submit_many("a", RL_PRIORITY_HIGH, 1);
    submit_many("a", 1, 1);
    run_until(the_clock.now + 10 * RL_SECOND);
    expect_order(order, 7);
    finish();
}

static void a_priority_out_of_range_is_refused(void **state)
{
    rl_request request = ask("a", 256);

    (void)state;
    begin(NULL);
    assert_int_equal(submit(&request), RL_E_INVALID);
    request.priority = 255;
    request.fair_key = "";
    assert_int_equal(submit(&request), RL_E_INVALID);
    rl_close(world.rl);
}

/* One of them comes first, then the high ones again, until the next has stood there so long. */
static void who_has_waited_too_long_comes_first(void **state)
{
    int low_at[2] = { 0, 0 }, seen = 0;

    (void)state;
    begin("{" ONE_A_SECOND ", \"queue\": {\"max_age_ms\": 10000}}");
    submit_many("a", 0, 1);
    (void)rl_dispatch(world.rl);
    submit_many("low", RL_PRIORITY_LOW, 2);
    submit_many("high", RL_PRIORITY_HIGH, 60);
    run_until(the_clock.now + 40 * RL_SECOND);
    for (int i = 0; i < world.ended; i++)
        if (world.order[i] == 1 || world.order[i] == 2)
            low_at[seen++] = i;
    assert_int_equal(seen, 2);
    assert_int_equal(low_at[0], 10);
    assert_int_equal(low_at[1], 20);
    finish();
}

static void without_ageing_it_waits_for_all_others(void **state)
{
    (void)state;
    begin("{" ONE_A_SECOND ", \"queue\": {\"max_age_ms\": 0}}");
    submit_many("a", 0, 1);
    (void)rl_dispatch(world.rl);
    submit_many("low", RL_PRIORITY_LOW, 1);
    submit_many("high", RL_PRIORITY_HIGH, 200);
    run_until(the_clock.now + 300 * RL_SECOND);
    assert_int_equal(world.ended, 202);
    assert_int_equal(world.order[201], 1);
    finish();
}

static void weighted_priorities_are_shares(void **state)
{
    int count[3] = { 0 };

    (void)state;
    begin("{" ONE_A_SECOND ", \"queue\": {\"priorities\": \"weighted\"}}");
    submit_many("a", RL_PRIORITY_LOW, 100);
    submit_many("a", RL_PRIORITY_NORMAL, 100);
    submit_many("a", RL_PRIORITY_HIGH, 100);
    run_until(the_clock.now + 70 * RL_SECOND);
    for (int i = 0; i < world.ended; i++)
        count[world.order[i] / 100]++;
    assert_in_range(count[0], 9, 11);
    assert_in_range(count[1], 19, 21);
    assert_in_range(count[2], 39, 41);
    finish();
}

/* ---- shares ---- */

static void users_take_turns(void **state)
{
    static const int order[] = { 0, 4, 6, 1, 5, 7, 2, 8, 3, 9 };

    (void)state;
    begin("{" ONE_A_SECOND "}");
    submit_many("a", 0, 4);
    submit_many("b", 0, 2);
    submit_many("c", 0, 4);
    run_until(the_clock.now + 20 * RL_SECOND);
    expect_order(order, 10);
    finish();
}

static void without_users_the_order_is_that_of_arrival(void **state)
{
    (void)state;
    begin("{" ONE_A_SECOND "}");
    submit_many(NULL, 0, 30);
    run_until(the_clock.now + 40 * RL_SECOND);
    assert_int_equal(world.ended, 30);
    for (int i = 0; i < 30; i++)
        assert_int_equal(world.order[i], i);
    finish();
}

/* The caller may name who shares: two users of one key are one. */
static void a_fair_key_stands_for_its_users(void **state)
{
    static const int order[] = { 0, 4, 1, 5, 2, 3 };
    rl_request request = ask("a", 0);

    (void)state;
    begin("{" ONE_A_SECOND "}");
    request.fair_key = "team";
    assert_int_equal(submit(&request), RL_OK);
    assert_int_equal(submit(&request), RL_OK);
    request.user = "b";
    assert_int_equal(submit(&request), RL_OK);
    assert_int_equal(submit(&request), RL_OK);
    submit_many("c", 0, 2);
    run_until(the_clock.now + 20 * RL_SECOND);
    expect_order(order, 6);
    finish();
}

static void a_share_is_weighed_by_the_tier(void **state)
{
    int count[3] = { 0 };

    (void)state;
    begin("{" ONE_A_SECOND ", \"users\": {\"default\": {}, \"two\": {\"weight\": 2}, "
          "\"four\": {\"weight\": 4}, \"ids\": {\"b\": \"two\", \"c\": \"four\"}}}");
    submit_many("a", 0, 100);
    submit_many("b", 0, 100);
    submit_many("c", 0, 100);
    run_until(the_clock.now + 139 * RL_SECOND);
    for (int i = 0; i < world.ended; i++)
        count[world.order[i] / 100]++;
    assert_in_range(count[0], 19, 21);
    assert_in_range(count[1], 39, 41);
    assert_in_range(count[2], 79, 81);
    finish();
}

/* Users share what two models share, though each model has a queue of its own. */
static void shares_hold_across_models(void **state)
{
    rl_request request = ask("many", 0);
    int few = 0;

    (void)state;
    begin("{" ONE_A_SECOND "}");
    for (int i = 0; i < 50; i++)
        assert_int_equal(submit(&request), RL_OK);
    run_until(the_clock.now + 5 * RL_SECOND);
    request = ask("few", 0);
    request.model = "other";
    for (int i = 0; i < 5; i++)
        assert_int_equal(submit(&request), RL_OK);
    run_until(the_clock.now + 11 * RL_SECOND);
    for (int i = 0; i < world.ended; i++)
        few += world.order[i] >= 50;
    assert_int_equal(few, 5);
    finish();
}

static int grants_between(int from, int to, int first)
{
    int count = 0;

    for (int i = from; i < to; i++)
        count += world.order[i] >= first;
    return count;
}

static void who_comes_late_has_no_credit(void **state)
{
    (void)state;
    begin("{" ONE_A_SECOND "}");
    submit_many("a", 0, 60);
    run_until(the_clock.now + 30 * RL_SECOND);
    submit_many("b", 0, 30);
    run_until(the_clock.now + 20 * RL_SECOND);
    assert_int_equal(world.ended, 51);
    assert_in_range(grants_between(31, 51, 60), 9, 11);
    finish();
}

/* ---- tenants ---- */

static void who_is_held_back_by_his_own_limit_holds_up_nobody(void **state)
{
    static const int order[] = { 0, 2, 3, 4, 1 };

    (void)state;
    begin("{\"users\": {\"default\": {\"requests_per_minute\": 1}, \"rich\": {}, "
          "\"ids\": {\"b\": \"rich\"}}, " ONE_A_SECOND "}");
    submit_many("a", 0, 2); /* the second one has to wait for a minute */
    submit_many("b", 0, 3);
    run_until(1059 * RL_SECOND);
    expect_order(order, 4);
    run_until(1060 * RL_SECOND);
    expect_order(order, 5);
    finish();
}

static void a_tenants_waiters_keep_their_order(void **state)
{
    (void)state;
    begin("{\"users\": {\"default\": {\"limits\": [{\"dimension\": \"requests\", \"amount\": 1, "
          "\"period\": \"second\"}]}}, \"providers\": {\"p\": {\"auto_detect\": false}}}");
    submit_many("a", 0, 20);
    submit_many("b", 0, 20);
    run_until(the_clock.now + 30 * RL_SECOND);
    assert_int_equal(world.ended, 40);
    for (int i = 0, a = 0, b = 20; i < 40; i++)
        assert_int_equal(world.order[i], world.order[i] < 20 ? a++ : b++);
    for (int i = 0; i < 20; i++) /* side by side, each at his own pace */
        assert_true((world.order[2 * i] < 20) != (world.order[2 * i + 1] < 20));
    finish();
}

/* What is held at once comes back with an answer, and at no time that could be planned. */
static void a_tenants_place_is_taken_as_it_is_given_back(void **state)
{
    (void)state;
    begin("{\"users\": {\"default\": {\"concurrency\": 1}}, "
          "\"providers\": {\"p\": {\"auto_detect\": false}}}");
    submit_many("a", 0, 3);
    submit_many("b", 0, 1);
    assert_int_equal(rl_dispatch(world.rl), 2);
    assert_int_equal(world.order[1], 3);
    assert_int_equal(rl_next_wakeup(world.rl), RL_NEVER);
    give_back(3); /* another's */
    assert_int_equal(rl_dispatch(world.rl), 0);
    for (int i = 0; i < 2; i++) {
        give_back(i);
        assert_int_equal(rl_dispatch(world.rl), 1);
        assert_int_equal(world.order[2 + i], 1 + i);
    }
    finish();
}

/* An organisation's users share its limit as they share a provider's. */
static void users_of_one_organisation_take_turns(void **state)
{
    rl_request request;

    (void)state;
    begin("{\"organisations\": {\"default\": {\"limits\": [{\"dimension\": \"requests\", "
          "\"amount\": 1, \"period\": \"second\"}]}}, "
          "\"providers\": {\"p\": {\"auto_detect\": false}}}");
    for (int i = 0; i < 40; i++) {
        request = ask(i < 20 ? "a" : "b", 0);
        request.organisation = "o";
        assert_int_equal(submit(&request), RL_OK);
    }
    run_until(the_clock.now + 19 * RL_SECOND);
    assert_int_equal(world.ended, 20);
    for (int i = 2, b = 0; i < 20; i++) {
        b += world.order[i] >= 20;
        assert_in_range(b, (i - 2) / 2, i / 2 + 1);
    }
    finish();
}

/* What its own limit kept it from for long, a user may not take from others at one go. */
static void who_was_held_by_his_own_limit_has_no_credit(void **state)
{
    (void)state;
    begin("{\"users\": {\"default\": {}, \"held\": {\"limits\": [{\"dimension\": \"requests\", "
          "\"amount\": 10, \"period\": \"100s\", \"algorithm\": \"fixed_window\", \"align\": "
          "\"first\"}]}, \"ids\": {\"b\": \"held\"}}, " ONE_A_SECOND "}");
    submit_many("a", 0, 200);
    submit_many("b", 0, 30);
    run_until(1101 * RL_SECOND);
    assert_in_range(world.ended, 101, 103);
    run_until(1110 * RL_SECOND);
    assert_in_range(grants_between(102, 111, 200), 3, 6);
    finish();
}

/* Each has but one request: whoever goes lets out the next, whose strand is another. */
static void an_organisation_of_many_users_goes_on(void **state)
{
    (void)state;
    begin("{\"organisations\": {\"default\": {\"limits\": [{\"dimension\": \"requests\", "
          "\"amount\": 1, \"period\": \"second\"}]}}, "
          "\"providers\": {\"p\": {\"auto_detect\": false}}}");
    for (int i = 0; i < 50; i++) {
        char user[8];
        rl_request request;

        snprintf(user, sizeof user, "u%d", i);
        request = ask(user, 0);
        request.organisation = "o";
        assert_int_equal(submit(&request), RL_OK);
    }
    for (int i = 10; i < 20; i++) /* and who gives up does so, too */
        assert_int_equal(rl_attempt_cancel(world.rl, &world.job[i].attempt), RL_OK);
    run_until(the_clock.now + 60 * RL_SECOND);
    assert_int_equal(world.ended, 50);
    for (int i = 11; i < 50; i++)
        assert_true(world.order[i] > world.order[i - 1]);
    finish();
}

/* A small one of the same user does not pass a large one for ever. */
static void a_tenants_large_one_is_not_passed(void **state)
{
    rl_request large = ask("a", 0), small = ask("a", 0);
    rl_permit permit;

    (void)state;
    begin("{\"users\": {\"default\": {\"limits\": [{\"dimension\": \"tokens\", \"amount\": 100, "
          "\"period\": \"second\", \"burst\": 100}]}}, "
          "\"providers\": {\"p\": {\"auto_detect\": false}}}");
    large.input_tokens = 80;
    assert_int_equal(submit(&large), RL_OK);
    assert_int_equal(submit(&large), RL_OK);
    assert_int_equal(submit(&small), RL_OK);
    assert_int_equal(rl_dispatch(world.rl), 1);
    the_clock.now += RL_SECOND / 2;   /* enough for a small one */
    small.priority = RL_PRIORITY_LOW; /* in a strand of its own */
    assert_int_equal(submit(&small), RL_OK);
    assert_int_equal(rl_dispatch(world.rl), 0);
    assert_int_equal(rl_try_acquire(world.rl, &small, &permit), RL_WAIT);
    run_until(the_clock.now + 10 * RL_SECOND);
    assert_int_equal(world.order[1], 1);
    assert_int_equal(world.order[2], 2);
    assert_int_equal(world.order[3], 3);
    finish();
}

static void a_tenants_deadline_that_cannot_be_kept_is_told_now(void **state)
{
    rl_request request = ask("a", 0);

    (void)state;
    begin("{\"users\": {\"default\": {\"requests_per_minute\": 1}}, " ONE_A_SECOND "}");
    request.max_wait_ms = 10000;
    assert_int_equal(submit(&request), RL_OK);
    assert_int_equal(submit(&request), RL_OK);
    assert_int_equal(submit(&request), RL_OK);
    assert_int_equal(rl_dispatch(world.rl), 3);
    assert_int_equal(world.job[1].attempt.status, RL_E_TIMEOUT);
    assert_int_equal(world.job[1].attempt.retry_at, 1060 * RL_SECOND);
    assert_int_equal(world.job[2].attempt.status, RL_E_TIMEOUT);
    finish();
}

/* ---- bounds ---- */

static void each_bound_holds(void **state)
{
    rl_request request = ask("c", 0);

    (void)state;
    begin("{\"providers\": {\"p\": {\"requests_per_minute\": 0}, \"q\": {\"requests_per_minute\": "
          "0}}, \"queue\": {\"max_size\": 5, \"max_size_per_provider\": 4, "
          "\"max_size_per_user\": 2}}");
    submit_many("a", 0, 2);
    request.user = "a";
    assert_int_equal(submit(&request), RL_E_QUEUE_FULL);
    submit_many("b", 0, 2);
    request.user = "c";
    assert_int_equal(submit(&request), RL_E_QUEUE_FULL);
    request.provider = "q";
    assert_int_equal(submit(&request), RL_OK);
    request.user = NULL;
    assert_int_equal(submit(&request), RL_E_QUEUE_FULL);
    finish();
}

static void the_lowest_makes_room(void **state)
{
    rl_request request = ask("a", RL_PRIORITY_LOW);

    (void)state;
    begin("{" ONE_A_SECOND ", \"queue\": {\"max_size\": 3, \"when_full\": \"drop_lowest\"}}");
    submit_many("a", 0, 1);
    (void)rl_dispatch(world.rl);
    submit_many("a", RL_PRIORITY_LOW, 2);
    submit_many("a", 0, 1);
    assert_int_equal(submit(&request), RL_E_QUEUE_FULL); /* it would be the lowest itself */
    submit_many("a", RL_PRIORITY_HIGH, 2);
    assert_int_equal(rl_dispatch(world.rl), 2);
    assert_int_equal(world.order[1], 2); /* the younger one first */
    assert_int_equal(world.order[2], 1);
    assert_int_equal(world.job[1].attempt.status, RL_E_DROPPED);
    request.priority = 0;
    assert_int_equal(submit(&request), RL_E_QUEUE_FULL); /* not for one as urgent */
    finish();
}

static void the_oldest_makes_room(void **state)
{
    (void)state;
    begin("{" ONE_A_SECOND ", \"queue\": {\"max_size_per_user\": 2, "
          "\"when_full\": \"drop_oldest\"}}");
    submit_many("b", 0, 1);
    (void)rl_dispatch(world.rl);
    submit_many("b", 0, 1);
    submit_many("a", 0, 3);
    assert_int_equal(rl_dispatch(world.rl), 1);
    assert_int_equal(world.order[1], 2);
    assert_int_equal(world.job[2].attempt.status, RL_E_DROPPED);
    finish();
}

static void other_rules_order_those_who_wait_anew(void **state)
{
    /* strict would be 0 5 6 1 2 3 4 */
    static const int order[] = { 0, 1, 5, 6, 2, 3, 4 };

    (void)state;
    begin("{" ONE_A_SECOND ", \"queue\": {\"max_age_ms\": 0}}");
    submit_many("a", 0, 1);
    (void)rl_dispatch(world.rl);
    submit_many("a", RL_PRIORITY_LOW, 4);
    submit_many("a", RL_PRIORITY_HIGH, 2);
    assert_int_equal(rl_config_reload(world.rl, NULL,
                                      "{" ONE_A_SECOND
                                      ", \"queue\": {\"when_full\": \"drop_lowest\", "
                                      "\"max_size\": 30, \"priorities\": \"weighted\"}}",
                                      NULL, 0),
                     RL_OK);
    run_until(the_clock.now + 20 * RL_SECOND);
    expect_order(order, 7);
    finish();
}

/* ---- cancelling ---- */

static void all_of_a_user_are_cancelled_at_once(void **state)
{
    (void)state;
    begin("{" ONE_A_SECOND ", \"users\": {\"default\": {\"requests_per_minute\": 2}}}");
    submit_many("a", 0, 10);
    submit_many("b", 0, 3);
    (void)rl_dispatch(world.rl);
    assert_int_equal(rl_cancel_user(world.rl, "a"), 9);
    assert_int_equal(rl_cancel_user(world.rl, "a"), 0);
    assert_int_equal(rl_cancel_user(world.rl, ""), 0);
    assert_int_equal(rl_cancel_user(world.rl, NULL), 0);
    assert_int_equal(rl_dispatch(world.rl), 9);
    for (int i = 1; i < 10; i++)
        assert_int_equal(world.job[i].attempt.status, RL_E_CANCELLED);
    run_until(the_clock.now + RL_MINUTE);
    assert_int_equal(world.ended, 13);
    finish();
}

/* ---- real time: what a virtual clock cannot show ---- */

#define NOTHING_GOES "{\"providers\": {\"p\": {\"requests_per_minute\": 0}}}"

struct blocked {
    rl_context *rl;
    rl_ticket ticket;
    uint64_t max_wait_ms; /* 0: RL_NEVER */
    rl_status status;
};

static void *wait_for_ever(void *user)
{
    struct blocked *blocked = user;
    rl_request request = ask("a", 0);
    rl_permit permit;

    request.ticket = &blocked->ticket;
    if (blocked->max_wait_ms != 0)
        request.max_wait_ms = blocked->max_wait_ms;
    blocked->status = rl_acquire(blocked->rl, &request, &permit);
    return NULL;
}

static void wait_until_waiting(rl_context *rl, uint64_t count)
{
    rl_stats stats = { .size = sizeof stats };

    do {
        (void)poll(NULL, 0, 1);
        assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
    } while (stats.waiting != count);
}

static rl_context *open_real(const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl;

    options.config_json = json;
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    return rl;
}

/* A limit of 0 says that no waiting will help; a place that is taken may come back. */
#define ONE_AT_ONCE "{\"providers\": {\"p\": {\"auto_detect\": false, \"concurrency\": 1}}}"

static void on_signal(int number)
{
    (void)number;
}

static void a_blocked_call_is_cancelled_by_its_ticket(void **state)
{
    struct blocked blocked[3] = { { .rl = open_real(ONE_AT_ONCE) } };
    rl_request request = ask(NULL, 0);
    pthread_t thread[3];
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_acquire(blocked[0].rl, &request, &permit), RL_OK);
    for (int i = 0; i < 3; i++) {
        blocked[i].rl = blocked[0].rl;
        assert_int_equal(pthread_create(&thread[i], NULL, wait_for_ever, &blocked[i]), 0);
    }
    wait_until_waiting(blocked[0].rl, 3);
    assert_int_equal(rl_ticket_cancel(blocked[0].rl, &blocked[1].ticket), RL_OK);
    assert_int_equal(pthread_join(thread[1], NULL), 0);
    assert_int_equal(blocked[1].status, RL_E_CANCELLED);
    assert_int_equal(rl_ticket_cancel(blocked[0].rl, &blocked[1].ticket), RL_E_NOT_FOUND);
    assert_int_equal(rl_cancel_user(blocked[0].rl, "a"), 2);
    assert_int_equal(pthread_join(thread[0], NULL), 0);
    assert_int_equal(pthread_join(thread[2], NULL), 0);
    assert_int_equal(blocked[0].status, RL_E_CANCELLED);
    (void)wait_for_ever(&blocked[1]); /* a used ticket does not wait */
    assert_int_equal(blocked[1].status, RL_E_CANCELLED);
    rl_close(blocked[0].rl);
}

/* Eight hours at once, as after a sleep of the machine: whoever is blocked learns of it, whichever
 * thread looks first; they are worth a burst, and end who would not have waited so long. */
static void a_leap_of_hours_is_seen_by_all_who_are_blocked(void **state)
{
    static const struct {
        uint64_t max_wait_ms;
        rl_status status;
    } row[] = { { RL_NEVER, RL_OK },
                { RL_NEVER, RL_OK },
                { RL_NEVER, RL_OK },
                { RL_NEVER, RL_OK },
                { 10 * 3600 * 1000, RL_E_TIMEOUT } };
    enum { BLOCKED = sizeof row / sizeof row[0] };
    struct vclock clock = { .now = 1000 * RL_SECOND };
    rl_hooks hooks = vclock_hooks(&clock);
    rl_options options = RL_OPTIONS_INIT;
    struct blocked blocked[BLOCKED];
    pthread_t thread[BLOCKED];
    rl_request request = ask("a", 0);
    rl_permit permit;
    rl_context *rl;

    (void)state;
    hooks.sleep_until = NULL; /* a clock that nobody's sleep moves */
    options.hooks = &hooks;
    options.config_json =
        "{\"providers\": {\"p\": {\"auto_detect\": false, \"limits\": [{\"dimension\": "
        "\"requests\", \"amount\": 1, \"period\": \"5h\", \"algorithm\": \"token_bucket\", "
        "\"burst\": 1}]}}}";
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    for (int i = 0; i < BLOCKED; i++) {
        blocked[i] = (struct blocked){ .rl = rl, .max_wait_ms = row[i].max_wait_ms };
        assert_int_equal(pthread_create(&thread[i], NULL, wait_for_ever, &blocked[i]), 0);
        wait_until_waiting(rl, (uint64_t)i + 1);
    }
    vclock_advance(&clock, 8 * RL_HOUR);
    wait_until_waiting(rl, BLOCKED - 1);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_true(permit.retry_at == 1000 * RL_SECOND + 13 * RL_HOUR);
    vclock_advance(&clock, 5 * RL_HOUR - 1);
    wait_until_waiting(rl, BLOCKED - 2); /* the one whose time is over, and no other */
    assert_int_equal(rl_dispatch(rl), 0);
    wait_until_waiting(rl, BLOCKED - 2);
    vclock_advance(&clock, 1);
    wait_until_waiting(rl, BLOCKED - 3);
    vclock_advance(&clock, 8 * RL_HOUR);
    wait_until_waiting(rl, BLOCKED - 4);
    vclock_advance(&clock, 8 * RL_HOUR);
    for (int i = 0; i < BLOCKED; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(blocked[i].status, row[i].status);
    }
    rl_close(rl);
}

/* EINTR is none of the caller's business, whether the program restarts its calls or not. */
static void signals_do_not_end_the_waiting(void **state)
{
    static const int flags[] = { 0, SA_RESTART };

    (void)state;
    for (size_t row = 0; row < 2; row++) {
        struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags[row] }, old;
        struct blocked blocked = { .rl = open_real(ONE_AT_ONCE) };
        rl_request request = ask(NULL, 0);
        pthread_t thread;
        rl_permit permit;

        assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
        assert_int_equal(rl_acquire(blocked.rl, &request, &permit), RL_OK);
        assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, &blocked), 0);
        wait_until_waiting(blocked.rl, 1);
        for (int i = 0; i < 20; i++) {
            assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
            wait_until_waiting(blocked.rl, 1);
        }
        assert_int_equal(rl_cancel(blocked.rl, &permit), RL_OK);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(blocked.status, RL_OK);
        assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
        rl_close(blocked.rl);
    }
}

struct polling {
    int fd, interrupted; /* atomic: interrupted */
};

static void *poll_until_readable(void *user)
{
    struct polling *polling = user;
    struct pollfd one = { .fd = polling->fd, .events = POLLIN };

    while (poll(&one, 1, -1) != 1) {
        assert_int_equal(errno, EINTR);
        __atomic_fetch_add(&polling->interrupted, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* Which poll(2) is, always: it asks again, and has missed nothing. */
static void signals_interrupt_the_poll_and_nothing_else(void **state)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, old;
    rl_request request = ask(NULL, 0);
    struct polling polling = { .interrupted = 0 };
    pthread_t thread;
    rl_permit permit;

    (void)state;
    memset(&world, 0, sizeof world);
    world.rl = open_real(ONE_AT_ONCE);
    polling.fd = rl_wait_fd(world.rl);
    assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
    assert_int_equal(rl_acquire(world.rl, &request, &permit), RL_OK);
    assert_int_equal(submit(&request), RL_OK);
    assert_int_equal(rl_dispatch(world.rl), 0);
    assert_int_equal(pthread_create(&thread, NULL, poll_until_readable, &polling), 0);
    while (__atomic_load_n(&polling.interrupted, __ATOMIC_RELAXED) < 5) {
        assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
        wait_until_waiting(world.rl, 1);
    }
    assert_int_equal(rl_next_wakeup(world.rl), RL_NEVER);
    assert_int_equal(rl_cancel(world.rl, &permit), RL_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rl_dispatch(world.rl), 1);
    assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
    finish();
}

/* ---- priority inversion ---- */

struct runner {
    rl_context *rl;
    uint64_t priority;
    rl_permit permit;
    pthread_t thread;
};

static void *run_once(void *user)
{
    struct runner *runner = user;
    rl_request request = ask(NULL, runner->priority);

    assert_int_equal(rl_acquire(runner->rl, &request, &runner->permit), RL_OK);
    return NULL;
}

static void start_runner(struct runner *runner, rl_context *rl, uint64_t priority, uint64_t waiting)
{
    *runner = (struct runner){ .rl = rl, .priority = priority };
    assert_int_equal(pthread_create(&runner->thread, NULL, run_once, runner), 0);
    wait_until_waiting(rl, waiting);
}

static void join_runner(struct runner *runner)
{
    assert_int_equal(pthread_join(runner->thread, NULL), 0);
}

/* The low one came first and sleeps for all: the moment is the high one's all the same. */
static void the_sleeper_for_all_does_not_go_for_it(void **state)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_request request = ask(NULL, 0);
    struct runner low, high;
    rl_permit permit;
    rl_hooks hooks;
    rl_context *rl;

    (void)state;
    the_clock = (struct vclock){ .now = 1000 * RL_SECOND, .random = 5 };
    hooks = vclock_hooks(&the_clock);
    hooks.sleep_until = NULL;
    options.hooks = &hooks;
    options.config_json = "{" ONE_A_SECOND "}";
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    start_runner(&low, rl, RL_PRIORITY_LOW, 1);
    start_runner(&high, rl, RL_PRIORITY_HIGH, 2);
    vclock_advance(&the_clock, RL_SECOND);
    join_runner(&high);
    wait_until_waiting(rl, 1);
    vclock_advance(&the_clock, RL_SECOND);
    join_runner(&low);
    assert_int_equal(high.permit.granted_at, 1001 * RL_SECOND);
    assert_int_equal(low.permit.granted_at, 1002 * RL_SECOND);
    rl_close(rl);
}

/* A permit is no lock: while a low one has the only place, everybody may ask, others may go, and
 * the place goes to the high one. */
static void who_holds_a_permit_keeps_nobody_from_asking(void **state)
{
    rl_context *rl = open_real(ONE_AT_ONCE);
    rl_request request = ask(NULL, RL_PRIORITY_LOW), other = ask(NULL, 0);
    rl_permit held, permit;
    struct runner low, high;

    (void)state;
    other.provider = "q";
    assert_int_equal(rl_acquire(rl, &request, &held), RL_OK);
    start_runner(&low, rl, RL_PRIORITY_LOW, 1);
    start_runner(&high, rl, RL_PRIORITY_HIGH, 2);
    assert_int_equal(rl_try_acquire(rl, &other, &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &held), RL_OK);
    join_runner(&high);
    wait_until_waiting(rl, 1);
    assert_int_equal(rl_cancel(rl, &high.permit), RL_OK);
    join_runner(&low);
    assert_int_equal(rl_cancel(rl, &low.permit), RL_OK);
    rl_close(rl);
}

static int is_readable(int fd)
{
    struct pollfd one = { .fd = fd, .events = POLLIN };

    return poll(&one, 1, 0) == 1;
}

static void the_descriptor_tells_of_each_thing_to_do(void **state)
{
    rl_request request = ask(NULL, 0);
    int fd;

    (void)state;
    begin("{" ONE_A_SECOND "}");
    fd = rl_wait_fd(world.rl);
    assert_true(fd >= 0);
    assert_int_equal(rl_wait_fd(world.rl), fd);
    assert_false(is_readable(fd));
    assert_int_equal(submit(&request), RL_OK);
    assert_int_equal(submit(&request), RL_OK);
    assert_true(is_readable(fd));
    assert_int_equal(rl_dispatch(world.rl), 1);
    assert_false(is_readable(fd)); /* the second one is planned */
    the_clock.now += RL_SECOND;
    assert_int_equal(rl_cancel_user(world.rl, "x"), 0);
    assert_int_equal(rl_dispatch(world.rl), 1);
    assert_false(is_readable(fd));
    assert_int_equal(submit(&request), RL_OK);
    assert_true(is_readable(fd));
    assert_int_equal(rl_attempt_cancel(world.rl, &world.job[2].attempt), RL_OK);
    assert_false(is_readable(fd));
    assert_int_equal(rl_wait_fd(NULL), -1);
    finish();
}

static void the_descriptor_keeps_time(void **state)
{
    rl_context *rl = open_real("{\"providers\": {\"p\": {\"auto_detect\": false, \"limits\": "
                               "[{\"dimension\": \"requests\", \"amount\": 100, \"period\": "
                               "\"second\", \"algorithm\": \"token_bucket\", \"burst\": 1}]}}}");
    struct pollfd one = { .fd = rl_wait_fd(rl), .events = POLLIN };
    rl_request request = ask(NULL, 0);

    (void)state;
    memset(&world, 0, sizeof world);
    world.rl = rl;
    for (int i = 0; i < 5; i++)
        assert_int_equal(submit(&request), RL_OK);
    while (world.ended < 5) {
        rl_time next;

        assert_int_equal(poll(&one, 1, -1), 1);
        next = rl_next_wakeup(rl);
        assert_true(next <= rl_now(rl)); /* never too early */
        assert_int_equal(rl_dispatch(rl), 1);
    }
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_more_urgent_goes_first),
        cmocka_unit_test(a_priority_out_of_range_is_refused),
        cmocka_unit_test(who_has_waited_too_long_comes_first),
        cmocka_unit_test(without_ageing_it_waits_for_all_others),
        cmocka_unit_test(weighted_priorities_are_shares),
        cmocka_unit_test(users_take_turns),
        cmocka_unit_test(without_users_the_order_is_that_of_arrival),
        cmocka_unit_test(a_fair_key_stands_for_its_users),
        cmocka_unit_test(a_share_is_weighed_by_the_tier),
        cmocka_unit_test(shares_hold_across_models),
        cmocka_unit_test(who_comes_late_has_no_credit),
        cmocka_unit_test(who_was_held_by_his_own_limit_has_no_credit),
        cmocka_unit_test(an_organisation_of_many_users_goes_on),
        cmocka_unit_test(who_is_held_back_by_his_own_limit_holds_up_nobody),
        cmocka_unit_test(a_tenants_waiters_keep_their_order),
        cmocka_unit_test(a_tenants_place_is_taken_as_it_is_given_back),
        cmocka_unit_test(users_of_one_organisation_take_turns),
        cmocka_unit_test(a_tenants_large_one_is_not_passed),
        cmocka_unit_test(a_tenants_deadline_that_cannot_be_kept_is_told_now),
        cmocka_unit_test(each_bound_holds),
        cmocka_unit_test(the_lowest_makes_room),
        cmocka_unit_test(the_oldest_makes_room),
        cmocka_unit_test(other_rules_order_those_who_wait_anew),
        cmocka_unit_test(all_of_a_user_are_cancelled_at_once),
        cmocka_unit_test(a_blocked_call_is_cancelled_by_its_ticket),
        cmocka_unit_test(a_leap_of_hours_is_seen_by_all_who_are_blocked),
        cmocka_unit_test(signals_do_not_end_the_waiting),
        cmocka_unit_test(signals_interrupt_the_poll_and_nothing_else),
        cmocka_unit_test(the_sleeper_for_all_does_not_go_for_it),
        cmocka_unit_test(who_holds_a_permit_keeps_nobody_from_asking),
        cmocka_unit_test(the_descriptor_tells_of_each_thing_to_do),
        cmocka_unit_test(the_descriptor_keeps_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
