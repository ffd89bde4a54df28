/* SPDX-License-Identifier: MIT */
/*
 * Every request ends exactly once: granted, timed out, cancelled, dropped or refused. Four threads
 * do at random what can be done with one queue, at once: block with and without a ticket, try,
 * submit, dispatch, cancel one, a ticket or all of a user, settle, change the rules. In the end
 * the books are balanced, and nothing is left. Written for ThreadSanitizer.
 *
 * LLMRL_OPERATIONS: by all of them together (default 200 000; the nightly form: 10^7).
 */
#include "vclock.h"

#include <llmrl/config.h>
#include <llmrl/queue.h>

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THREADS 4
#define SLOTS   64 /* submitted attempts of each thread */
#define TICKETS 8

#define CONFIG(when_full)                                                                          \
    "{\"providers\": {\"p\": {\"auto_detect\": false, \"requests_per_second\": 200000, "           \
    "\"concurrency\": 40}, \"q\": {\"auto_detect\": false, \"models\": [{\"name\": \"a\", "        \
    "\"requests_per_second\": 50000}]}}, \"users\": {\"default\": {\"concurrency\": 12}}, "        \
    "\"queue\": {\"max_size\": 40, \"max_size_per_user\": 15, \"max_age_ms\": 5, "                 \
    "\"when_full\": \"" when_full "\"}}"

struct slot {
    rl_attempt attempt;
    struct thread *thread;
    uint64_t pending; /* its callback has not been called */
};

struct thread {
    rl_context *rl;
    struct slot slot[SLOTS];
    uint64_t random, operations;
    uint64_t asked, ended[32]; /* by status, negated; RL_OK: granted */
    uint64_t called;
    pthread_t id;
};

static struct vclock spread = { .random = 7 };
static rl_ticket *tickets[TICKETS]; /* that somebody waits with; guarded */
static pthread_mutex_t tickets_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t draw(struct thread *t, uint64_t below)
{
    uint64_t z = (t->random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static void count_end(struct thread *t, rl_status st)
{
    t->ended[-(int)st]++;
}

static void end_permit(struct thread *t, rl_permit *permit)
{
    rl_usage usage = { .has = 0 };

    if (draw(t, 2) == 0)
        assert_int_equal(rl_cancel(t->rl, permit), RL_OK);
    else
        assert_int_equal(rl_settle(t->rl, permit, &usage), RL_OK);
}

static rl_request some_request(struct thread *t)
{
    static const char *const user[] = { NULL, "a", "b", "c" };
    rl_request request = RL_REQUEST_INIT;

    request.provider = draw(t, 2) == 0 ? "p" : "q";
    request.model = draw(t, 2) == 0 ? "a" : "b";
    request.user = user[draw(t, 4)];
    request.priority = draw(t, 4) * 60;
    request.max_wait_ms = 1 + draw(t, 3);
    return request;
}

static rl_ticket *show_ticket(struct thread *t, rl_ticket *ticket)
{
    size_t place = draw(t, TICKETS);

    pthread_mutex_lock(&tickets_lock);
    if (tickets[place] == NULL)
        tickets[place] = ticket;
    else
        ticket = NULL;
    pthread_mutex_unlock(&tickets_lock);
    return ticket;
}

static void hide_ticket(const rl_ticket *ticket)
{
    pthread_mutex_lock(&tickets_lock);
    for (size_t i = 0; i < TICKETS; i++)
        if (tickets[i] == ticket)
            tickets[i] = NULL;
    pthread_mutex_unlock(&tickets_lock);
}

static void block(struct thread *t)
{
    rl_request request = some_request(t);
    rl_ticket ticket = { { 0 } };
    rl_permit permit;
    rl_status st;

    request.ticket = show_ticket(t, &ticket);
    t->asked++;
    st = rl_acquire(t->rl, &request, &permit);
    hide_ticket(&ticket);
    count_end(t, st);
    if (st == RL_OK)
        end_permit(t, &permit);
}

static void cancel_some_ticket(struct thread *t)
{
    size_t place = draw(t, TICKETS);

    pthread_mutex_lock(&tickets_lock);
    if (tickets[place] != NULL)
        (void)rl_ticket_cancel(t->rl, tickets[place]);
    pthread_mutex_unlock(&tickets_lock);
}

static void try_once(struct thread *t)
{
    rl_request request = some_request(t);
    rl_permit permit;

    if (rl_try_acquire(t->rl, &request, &permit) == RL_OK)
        end_permit(t, &permit);
}

/* On whichever thread dispatches: the slot is its owner's again only by `pending`. */
static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    struct slot *slot = user;

    (void)ready;
    (void)attempt;
    assert_int_equal(__atomic_exchange_n(&slot->pending, 0, __ATOMIC_ACQ_REL), 1);
}

static void clear_slot(struct thread *t, struct slot *slot)
{
    if (slot->attempt.size == 0 || __atomic_load_n(&slot->pending, __ATOMIC_ACQUIRE) != 0)
        return;
    if (slot->attempt.status == RL_WAIT) {
        count_end(t, RL_OK);
        end_permit(t, &slot->attempt.permit);
    } else {
        count_end(t, slot->attempt.status);
    }
    slot->attempt.size = 0;
}

static void submit_one(struct thread *t)
{
    struct slot *slot = &t->slot[draw(t, SLOTS)];
    rl_request request = some_request(t);
    rl_status st;

    clear_slot(t, slot);
    if (slot->attempt.size != 0)
        return;
    slot->attempt = RL_ATTEMPT_INIT;
    slot->thread = t;
    __atomic_store_n(&slot->pending, 1, __ATOMIC_RELEASE);
    t->asked++;
    st = rl_attempt_submit(t->rl, &request, &slot->attempt, on_ready, slot);
    if (st == RL_OK)
        return;
    __atomic_store_n(&slot->pending, 0, __ATOMIC_RELEASE);
    count_end(t, st);
    slot->attempt.size = 0;
}

static void cancel_one(struct thread *t)
{
    struct slot *slot = &t->slot[draw(t, SLOTS)];

    if (slot->attempt.size != 0 && __atomic_load_n(&slot->pending, __ATOMIC_ACQUIRE) != 0)
        (void)rl_attempt_cancel(t->rl, &slot->attempt);
}

static void change_rules(struct thread *t)
{
    static const char *const json[] = { CONFIG("reject_new"), CONFIG("drop_lowest"),
                                        CONFIG("drop_oldest") };

    assert_int_equal(rl_config_reload(t->rl, NULL, json[draw(t, 3)], NULL, 0), RL_OK);
}

static void *work(void *user)
{
    struct thread *t = user;

    for (uint64_t i = 0; i < t->operations; i++) {
        uint64_t what = draw(t, 1000);

        if (what < 50)
            block(t);
        else if (what < 150)
            try_once(t);
        else if (what < 550)
            submit_one(t);
        else if (what < 850)
            (void)rl_dispatch(t->rl);
        else if (what < 950)
            cancel_one(t);
        else if (what < 980)
            cancel_some_ticket(t);
        else if (what < 999)
            (void)rl_cancel_user(t->rl, what % 2 == 0 ? "a" : "b");
        else if (draw(t, 20) == 0)
            change_rules(t);
    }
    return NULL;
}

static void everybody_ends_exactly_once(void **state)
{
    static struct thread thread[THREADS];
    const char *text = getenv("LLMRL_OPERATIONS");
    uint64_t operations = text == NULL ? 200000 : strtoull(text, NULL, 10);
    uint64_t asked = 0, ended[32] = { 0 }, sum = 0;
    rl_stats stats = { .size = sizeof stats };
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl;

    (void)state;
    options.config_json = CONFIG("reject_new");
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    for (int i = 0; i < THREADS; i++) {
        thread[i].rl = rl;
        thread[i].random = vclock_random(&spread);
        thread[i].operations = operations / THREADS;
        assert_int_equal(pthread_create(&thread[i].id, NULL, work, &thread[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i].id, NULL), 0);
    for (uint64_t left = 1; left > 0;) { /* what is held by the last ones lets the others go */
        (void)rl_dispatch(rl);
        assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
        for (int i = 0; i < THREADS; i++)
            for (int s = 0; s < SLOTS; s++)
                clear_slot(&thread[i], &thread[i].slot[s]);
        left = stats.waiting;
    }
    (void)rl_dispatch(rl);
    for (int i = 0; i < THREADS; i++) {
        for (int s = 0; s < SLOTS; s++)
            clear_slot(&thread[i], &thread[i].slot[s]);
        asked += thread[i].asked;
        for (int e = 0; e < 32; e++)
            ended[e] += thread[i].ended[e];
    }
    for (int e = 0; e < 32; e++) {
        if (ended[e] > 0)
            printf("%-18s %" PRIu64 "\n", rl_status_name((rl_status)-e), ended[e]);
        sum += ended[e];
    }
    assert_int_equal(sum, asked);
    assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
    assert_int_equal(stats.waiting, 0);
    assert_int_equal(stats.in_flight, 0);
    assert_true(ended[0] > 0 && ended[-RL_E_CANCELLED] > 0 && ended[-RL_E_TIMEOUT] > 0);
    rl_close(rl);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(everybody_ends_exactly_once) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
