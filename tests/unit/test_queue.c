/* SPDX-License-Identifier: MIT */
/* Waiting is ordered: by arrival in a lane, nobody passes at a shared place, and each learns of its
 * end in time. */
#include "flow/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW (1000 * RL_SECOND)

struct world {
    struct rl__env env;
    struct rl__scope global, provider[2], model[4];
    struct rl__lane lane[4]; /* two of each provider */
    struct rl__queue queue;
};

/* Memory for one test, never freed: the next one begins anew. */
static struct {
    _Alignas(16) unsigned char bytes[1 << 20];
    size_t used;
} arena;

static void *from_arena(void *user, void *ptr, size_t size)
{
    unsigned char *fresh = &arena.bytes[arena.used];

    (void)user;
    (void)ptr;
    arena.used += (size + 15) / 16 * 16;
    assert_true(arena.used <= sizeof arena.bytes);
    return fresh;
}

static const struct rl__queue_rules plain = { .most = { RL_NEVER, RL_NEVER, RL_NEVER },
                                              .max_age = RL_NEVER };

static void lay(struct world *w)
{
    rl_hooks hooks = RL_HOOKS_INIT;

    memset(w, 0, sizeof *w);
    arena.used = 0;
    hooks.resize = from_arena;
    assert_int_equal(rl__env_init(&w->env, &hooks), RL_OK);
    w->global.env = &w->env;
    for (int i = 0; i < 4; i++)
        w->provider[i / 2].env = w->model[i].env = &w->env;
    rl__queue_init(&w->queue, &w->env, &plain);
    for (int i = 0; i < 4; i++) {
        w->lane[i].scope[0] = &w->global;
        w->lane[i].scope[1] = &w->provider[i / 2];
        w->lane[i].scope[RL__MODEL_SCOPE] = &w->model[i];
        w->lane[i].probe_window = RL_NEVER;
    }
}

static struct rl__entry *limit(struct rl__scope *scope, uint32_t dimension, uint64_t per_second,
                               uint64_t burst)
{
    rl_limit limit = RL_LIMIT_INIT;
    struct rl__entry *entry;

    limit.amount = per_second;
    limit.period = RL_SECOND;
    limit.burst = burst;
    limit.oversize = RL_OVERSIZE_BORROW;
    assert_int_equal(rl__scope_add(scope, &(struct rl__rule){ .dimension = dimension }, &limit,
                                   RL_SOURCE_CONFIG, NOW, &entry),
                     RL_OK);
    rl_limiter_set_level(&entry->limiter, 0, NOW);
    return entry;
}

static void enter(struct world *w, struct rl__waiter *waiter, int lane, uint64_t tokens,
                  rl_time expires)
{
    memset(waiter, 0, sizeof *waiter);
    waiter->lane = &w->lane[lane];
    waiter->cost = (struct rl__cost){ .amount = { 1, tokens, 0, 0 } };
    waiter->expires = expires;
    waiter->expired = RL_E_TIMEOUT;
    assert_int_equal(rl__queue_add(&w->queue, waiter, NOW), RL_OK);
}

static size_t run(struct world *w, rl_time now, struct rl__waiter **done, size_t room)
{
    size_t count = 0;

    for (struct rl__waiter *waiter = rl__queue_run(&w->queue, now); waiter != NULL;
         waiter = waiter->next_done)
        if (count < room)
            done[count++] = waiter;
    return count;
}

static void one_lane_leaves_in_order_of_arrival(void **state)
{
    struct rl__waiter waiter[10], *done[10];
    struct world w;

    (void)state;
    lay(&w);
    limit(&w.model[0], RL_REQUESTS, 10, 1);
    for (int i = 0; i < 10; i++)
        enter(&w, &waiter[i], 0, 0, RL_NEVER);
    assert_int_equal(run(&w, NOW, done, 10), 0);
    for (uint64_t i = 0; i < 10; i++) {
        rl_time next = rl__queue_next(&w.queue);

        assert_int_equal(next, NOW + (i + 1) * RL_SECOND / 10);
        assert_int_equal(run(&w, next - 1, done, 10), 0);
        assert_int_equal(run(&w, next, done, 10), 1);
        assert_ptr_equal(done[0], &waiter[i]);
        assert_int_equal(done[0]->status, RL_OK);
    }
    assert_int_equal(rl__queue_next(&w.queue), RL_NEVER);
    assert_int_equal(w.queue.count, 0);
}

#define ROW 8

/* All come at once; the guess of each, as it came. */
static void line_up(struct world *w, struct rl__waiter *waiter, rl_time now, rl_time *guess)
{
    for (int i = 0; i < ROW; i++) {
        enter(w, &waiter[i], 0, 30 + (uint64_t)i * 7 % 20, RL_NEVER);
        assert_null(rl__queue_run(&w->queue, now));
        guess[i] = rl__queue_guess(&waiter[i]);
    }
}

/* They leave one by one, and so much of each hundred tokens is given back at once. Returns the last
 * one's time. */
static rl_time leave_one_by_one(struct world *w, struct rl__waiter *waiter, struct rl__entry *entry,
                                uint64_t back)
{
    static const uint64_t nobody[RL__TENANT_KINDS];
    rl_time next = 0;

    for (int i = 0; i < ROW; i++) {
        uint64_t tokens = waiter[i].cost.amount[RL_TOKENS];
        struct rl__waiter *done;

        next = rl__queue_next(&w->queue);
        assert_int_equal(run(w, next, &done, 1), 1);
        assert_ptr_equal(done, &waiter[i]);
        rl_limiter_settle(&entry->limiter, tokens, tokens - tokens * back / 100, next, next);
        rl__queue_poke_lane(&w->queue, waiter[i].lane, nobody);
        assert_null(rl__queue_run(&w->queue, next));
    }
    return next;
}

/* A guess that holds is one wake-up for each thread. That nobody waits for an hour says nothing of
 * how long those take who wait. */
static void turns_are_guessed_by_the_prices_of_those_before(void **state)
{
    struct rl__waiter waiter[ROW];
    rl_time now = NOW, guess[ROW];
    struct rl__entry *entry;
    struct world w;

    (void)state;
    lay(&w);
    entry = limit(&w.model[0], RL_TOKENS, 1000, 100);
    for (int round = 0; round < 3; round++) {
        line_up(&w, waiter, now, guess);
        for (int i = 1; i < ROW; i++)
            assert_true(guess[i] - guess[i - 1] ==
                        waiter[i].cost.amount[RL_TOKENS] * RL_MILLISECOND);
        assert_true(guess[ROW - 1] == leave_one_by_one(&w, waiter, entry, 0));
        now = guess[ROW - 1] + RL_HOUR;
        rl_limiter_set_level(&entry->limiter, 0, now);
    }
}

static void a_guess_learns_what_is_given_back(void **state)
{
    struct rl__waiter waiter[ROW];
    rl_time now = NOW, guess[ROW];
    struct rl__entry *entry;
    struct world w;

    (void)state;
    lay(&w);
    entry = limit(&w.model[0], RL_TOKENS, 1000, 100);
    for (int round = 0; round < 8; round++) {
        rl_duration guessed, took;

        line_up(&w, waiter, now, guess);
        guessed = guess[ROW - 1] - now;
        took = leave_one_by_one(&w, waiter, entry, 50) - now;
        if (round == 0)
            assert_true(guessed > took + took / 2);
        else
            assert_true(guessed > took - took / 20 && guessed < took + took / 20);
        now += took + RL_HOUR;
        rl_limiter_set_level(&entry->limiter, 0, now);
    }
}

/* SEED-BUGS 17: no head-of-line blocking across providers. */
static void lanes_do_not_hold_each_other_back(void **state)
{
    struct rl__waiter slow, quick, *done[4];
    struct world w;

    (void)state;
    lay(&w);
    limit(&w.model[0], RL_REQUESTS, 1, 1);
    enter(&w, &slow, 0, 0, RL_NEVER);
    enter(&w, &quick, 2, 0, RL_NEVER);
    assert_int_equal(run(&w, NOW, done, 4), 1);
    assert_ptr_equal(done[0], &quick);
    assert_int_equal(run(&w, NOW + RL_SECOND, done, 4), 1);
    assert_ptr_equal(done[0], &slow);
}

/* A large request is not starved at a limit that other lanes share; when it gives up, the others go
 * on. */
static void small_ones_do_not_pass_a_large_one_at_a_shared_limit(void **state)
{
    struct rl__waiter large, small, *done[4];
    struct world w;

    (void)state;
    lay(&w);
    limit(&w.provider[0], RL_TOKENS, 10, 100);
    enter(&w, &large, 0, 50, RL_NEVER);
    enter(&w, &small, 1, 10, RL_NEVER);
    assert_int_equal(run(&w, NOW, done, 4), 0);
    assert_int_equal(run(&w, NOW + 2 * RL_SECOND, done, 4),
                     0); /* 20 tokens: enough for the small one */
    rl__queue_remove(&w.queue, &large);
    rl__queue_poke(&w.queue);
    assert_int_equal(run(&w, NOW + 2 * RL_SECOND, done, 4), 1);
    assert_ptr_equal(done[0], &small);
}

/* A retry keeps its old place in the order: it takes the place at a shared limit from a younger one
 * of another lane, which must not clear it when it moves on. */
static void a_retry_is_not_passed_at_a_shared_limit(void **state)
{
    struct rl__waiter again, young[3], *done[4];
    struct world w;

    (void)state;
    lay(&w);
    limit(&w.provider[0], RL_TOKENS, 10, 100);
    memset(&again, 0, sizeof again);
    again = (struct rl__waiter){ .lane = &w.lane[0],
                                 .cost = { .amount = { 1, 50, 0, 0 } },
                                 .sequence = w.queue.next_sequence++,
                                 .expires = RL_NEVER };
    for (int i = 0; i < 3; i++)
        enter(&w, &young[i], 1, 10, RL_NEVER);
    assert_int_equal(run(&w, NOW, done, 4), 0);
    assert_int_equal(rl__queue_add(&w.queue, &again, NOW), RL_OK);
    for (rl_time now = NOW; now < NOW + 5 * RL_SECOND; now += RL_SECOND / 10)
        assert_int_equal(run(&w, now, done, 4), 0);
    assert_int_equal(run(&w, NOW + 5 * RL_SECOND, done, 4), 1);
    assert_ptr_equal(done[0], &again);
    assert_int_equal(run(&w, NOW + 6 * RL_SECOND, done, 4), 1);
    assert_ptr_equal(done[0], &young[0]);
}

static void who_leaves_a_shared_limit_wakes_those_behind(void **state)
{
    struct rl__waiter large, small, *done[4];
    struct world w;

    (void)state;
    lay(&w);
    limit(&w.provider[0], RL_TOKENS, 10, 100);
    enter(&w, &large, 0, 50, RL_NEVER);
    enter(&w, &small, 1, 10, RL_NEVER);
    assert_int_equal(run(&w, NOW, done, 4), 0);
    assert_int_equal(rl__queue_next(&w.queue), NOW + 5 * RL_SECOND);
    rl__queue_remove(&w.queue, &large);
    assert_int_equal(run(&w, NOW, done, 4), 0);
    assert_int_equal(rl__queue_next(&w.queue), NOW + RL_SECOND);
}

static void both_sides_of_a_shared_limit_leave_in_order(void **state)
{
    struct rl__waiter waiter[20], *done[20];
    struct world w;
    size_t seen = 0;

    (void)state;
    lay(&w);
    limit(&w.provider[0], RL_REQUESTS, 10, 1);
    for (int i = 0; i < 20; i++)
        enter(&w, &waiter[i], i % 2, 0, RL_NEVER);
    for (rl_time now = NOW; seen < 20 && now < NOW + 10 * RL_SECOND;) {
        size_t count = run(&w, now, done, 20);

        for (size_t i = 0; i < count; i++)
            assert_ptr_equal(done[i], &waiter[seen++]);
        now = rl__queue_next(&w.queue) == RL_NEVER ? now : rl__queue_next(&w.queue);
    }
    assert_int_equal(seen, 20);
}

static void who_cannot_make_it_is_told_now(void **state)
{
    struct rl__waiter patient, hasty, *done[4];
    struct world w;

    (void)state;
    lay(&w);
    limit(&w.model[0], RL_REQUESTS, 1, 1);
    enter(&w, &hasty, 0, 0, NOW + RL_SECOND / 2);
    enter(&w, &patient, 0, 0, RL_NEVER);
    assert_int_equal(run(&w, NOW, done, 4), 1);
    assert_ptr_equal(done[0], &hasty);
    assert_int_equal(hasty.status, RL_E_TIMEOUT);
    assert_int_equal(hasty.retry_at, NOW + RL_SECOND);
}

/* SEED-BUGS 15: one that expires is removed by identity, exactly once, and never runs. */
static void expiry_behind_a_head_is_noticed_in_time(void **state)
{
    struct rl__waiter head, behind, *done[4];
    struct world w;

    (void)state;
    lay(&w);
    limit(&w.model[0], RL_TOKENS, 10, 10);
    enter(&w, &head, 0, 10, RL_NEVER);
    enter(&w, &behind, 0, 10, NOW + RL_SECOND / 4);
    assert_int_equal(run(&w, NOW, done, 4), 0);
    assert_int_equal(rl__queue_next(&w.queue), NOW + RL_SECOND / 4);
    assert_int_equal(run(&w, NOW + RL_SECOND / 4, done, 4), 1);
    assert_ptr_equal(done[0], &behind);
    assert_int_equal(run(&w, NOW + RL_SECOND, done, 4), 1);
    assert_ptr_equal(done[0], &head);
    assert_int_equal(w.queue.count, 0);
}

static void a_gate_that_closes_for_too_long_is_told_to_all_who_cannot_wait(void **state)
{
    struct rl__waiter waiter[6], late, *done[8];
    struct world w;

    (void)state;
    lay(&w);
    w.provider[0].closed_until = NOW + 10 * RL_SECOND;
    for (int i = 0; i < 6; i++)
        enter(&w, &waiter[i], 0, 0, i % 2 == 1 ? NOW + 5 * RL_SECOND : NOW + 20 * RL_SECOND);
    assert_int_equal(run(&w, NOW, done, 8), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(done[i]->status, RL_E_TIMEOUT);
        assert_int_equal(done[i]->retry_at, NOW + 10 * RL_SECOND);
    }
    assert_int_equal(rl__queue_next(&w.queue), NOW + 10 * RL_SECOND);
    enter(&w, &late, 0, 0, NOW + 6 * RL_SECOND); /* who comes later learns it, too */
    assert_int_equal(run(&w, NOW, done, 8), 1);
    assert_ptr_equal(done[0], &late);
    assert_int_equal(late.retry_at, NOW + 10 * RL_SECOND);
    assert_int_equal(run(&w, NOW + 10 * RL_SECOND, done, 8), 3);
    assert_ptr_equal(done[0], &waiter[0]);
}

static void a_delayed_one_keeps_its_place(void **state)
{
    struct rl__waiter first, again, *done[4];
    struct world w;

    (void)state;
    lay(&w);
    limit(&w.model[0], RL_REQUESTS, 1, 1);
    memset(&again, 0, sizeof again);
    again = (struct rl__waiter){ .lane = &w.lane[0],
                                 .cost = { .amount = { 1, 0, 0, 0 } },
                                 .expires = RL_NEVER };
    again.sequence = w.queue.next_sequence++;
    again.not_before = NOW + RL_SECOND / 2;
    assert_int_equal(rl__queue_add(&w.queue, &again, NOW), RL_OK);
    enter(&w, &first, 0, 0, RL_NEVER);
    assert_int_equal(rl__queue_next(&w.queue), 0);
    assert_int_equal(run(&w, NOW, done, 4), 0);
    assert_int_equal(run(&w, NOW + RL_SECOND / 2, done, 4), 0);
    assert_int_equal(run(&w, NOW + RL_SECOND, done, 4), 1);
    assert_ptr_equal(done[0], &again);
}

static void the_end_tells_everybody_once(void **state)
{
    struct rl__waiter waiter[9];
    struct world w;
    size_t count = 0;

    (void)state;
    lay(&w);
    limit(&w.provider[0], RL_REQUESTS, 1, 1);
    limit(&w.provider[1], RL_REQUESTS, 1, 1);
    for (int i = 0; i < 8; i++)
        enter(&w, &waiter[i], i % 4, 0, NOW + RL_MINUTE);
    waiter[8] =
        (struct rl__waiter){ .lane = &w.lane[0], .not_before = NOW + RL_HOUR, .expires = RL_NEVER };
    assert_int_equal(rl__queue_add(&w.queue, &waiter[8], NOW), RL_OK);
    for (struct rl__waiter *d = rl__queue_end(&w.queue, RL_E_CLOSED); d != NULL;
         d = d->next_done, count++)
        assert_int_equal(d->status, RL_E_CLOSED);
    assert_int_equal(count, 9);
    assert_int_equal(w.queue.count, 0);
    assert_int_equal(rl__queue_next(&w.queue), RL_NEVER);
}

/* Random traffic: within a lane the order holds, everybody ends exactly once, nothing is left over.
 */
static void random_traffic_keeps_order_and_loses_nobody(void **state)
{
    enum { COUNT = 4000 };
    static struct rl__waiter waiter[COUNT], *done[COUNT];
    static int ended[COUNT];
    unsigned seed = 20261124;
    uint64_t last[4] = { 0 };
    struct world w;
    size_t next = 0, total = 0;
    rl_time now = NOW;

    (void)state;
    lay(&w);
    memset(ended, 0, sizeof ended);
    limit(&w.global, RL_REQUESTS, 500, 3);
    limit(&w.provider[0], RL_TOKENS, 5000, 60);
    limit(&w.model[2], RL_REQUESTS, 50, 2);
    while (total < COUNT) {
        size_t count;

        for (int burst = (int)((unsigned)rand_r(&seed) % 4); burst > 0 && next < COUNT; burst--) {
            rl_time expires = rand_r(&seed) % 3 == 0
                                  ? now + (rl_time)(rand_r(&seed) % 3000) * RL_MILLISECOND
                                  : RL_NEVER;

            enter(&w, &waiter[next], rand_r(&seed) % 4, (uint64_t)(rand_r(&seed) % 100), expires);
            next++;
        }
        if (next > 20 && rand_r(&seed) % 8 == 0) {
            size_t victim = (size_t)rand_r(&seed) % next;

            if (!ended[victim]) {
                rl__queue_remove(&w.queue, &waiter[victim]);
                ended[victim] = 1;
                total++;
            }
        }
        now += (rl_time)(rand_r(&seed) % 20) * RL_MILLISECOND;
        if (rand_r(&seed) % 16 == 0)
            rl__queue_poke(&w.queue);
        count = run(&w, now, done, COUNT);
        for (size_t i = 0; i < count; i++) {
            size_t index = (size_t)(done[i] - waiter), lane = (size_t)(done[i]->lane - w.lane);

            assert_false(ended[index]);
            ended[index] = 1;
            total++;
            if (done[i]->status == RL_OK) {
                assert_true(done[i]->sequence > last[lane]);
                last[lane] = done[i]->sequence;
            }
        }
    }
    assert_int_equal(w.queue.count, 0);
    assert_int_equal(rl__queue_next(&w.queue), RL_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_lane_leaves_in_order_of_arrival),
        cmocka_unit_test(turns_are_guessed_by_the_prices_of_those_before),
        cmocka_unit_test(a_guess_learns_what_is_given_back),
        cmocka_unit_test(lanes_do_not_hold_each_other_back),
        cmocka_unit_test(small_ones_do_not_pass_a_large_one_at_a_shared_limit),
        cmocka_unit_test(a_retry_is_not_passed_at_a_shared_limit),
        cmocka_unit_test(who_leaves_a_shared_limit_wakes_those_behind),
        cmocka_unit_test(both_sides_of_a_shared_limit_leave_in_order),
        cmocka_unit_test(who_cannot_make_it_is_told_now),
        cmocka_unit_test(expiry_behind_a_head_is_noticed_in_time),
        cmocka_unit_test(a_gate_that_closes_for_too_long_is_told_to_all_who_cannot_wait),
        cmocka_unit_test(a_delayed_one_keeps_its_place),
        cmocka_unit_test(the_end_tells_everybody_once),
        cmocka_unit_test(random_traffic_keeps_order_and_loses_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
