/* SPDX-License-Identifier: MIT */
/* Mutex, condition, and the ways in which a wait ends. */
#include "base/sync.h"
#include "vclock.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct room {
    struct rl__mutex lock;
    struct rl__condition turned;
    struct rl__env env;
    struct {
        uint64_t count;
        int open;
    } locked;
};

static void open_room(struct room *room, const rl_hooks *hooks)
{
    memset(room, 0, sizeof *room);
    assert_int_equal(rl__env_init(&room->env, hooks), RL_OK);
    assert_int_equal(rl__mutex_init(&room->lock), RL_OK);
    assert_int_equal(rl__condition_init(&room->turned), RL_OK);
}

static void close_room(struct room *room)
{
    rl__condition_deinit(&room->turned);
    rl__mutex_deinit(&room->lock);
}

static void *count_up(void *arg)
{
    struct room *room = arg;

    for (int i = 0; i < 10000; i++) {
        rl__lock(&room->lock);
        room->locked.count++;
        rl__unlock(&room->lock);
    }
    rl__lock(&room->lock);
    while (!room->locked.open)
        rl__wait_until(&room->turned, &room->lock, &room->env, RL_NEVER);
    rl__unlock(&room->lock);
    return NULL;
}

static void a_lock_excludes_and_a_wake_reaches_all(void **ctx)
{
    struct room room;
    pthread_t thread[2];

    (void)ctx;
    open_room(&room, NULL);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, count_up, &room), 0);
    rl__lock(&room.lock);
    room.locked.open = 1;
    rl__wake_one(&room.turned);
    rl__wake_all(&room.turned);
    rl__unlock(&room.lock);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(room.locked.count, 20000);
    close_room(&room);
}

/* ---- spinning ---- */

struct narrow {
    struct rl__spin lock;
    uint64_t count, waiting; /* `count` is nobody's without the lock */
};

static void *count_narrowly(void *arg)
{
    struct narrow *narrow = arg;

    rl__fetch_add(&narrow->waiting, 1);
    for (int i = 0; i < 10000; i++) {
        rl__spin_lock(&narrow->lock);
        narrow->count++;
        rl__spin_unlock(&narrow->lock);
    }
    return NULL;
}

/* However long it is held: who waits comes to sleep, and goes on when it is free. */
static void a_spin_excludes_and_outlasts_its_holder(void **ctx)
{
    struct narrow narrow = { { 0 }, 0, 0 };
    const struct timespec pause = { 0, 2000000 };
    pthread_t thread[3];

    (void)ctx;
    rl__spin_lock(&narrow.lock);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, count_narrowly, &narrow), 0);
    while (rl__load(&narrow.waiting) < 3)
        (void)sched_yield();
    assert_int_equal(nanosleep(&pause, NULL), 0); /* long enough for them to nap; not needed */
    assert_int_equal(narrow.count, 0);
    rl__spin_unlock(&narrow.lock);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(narrow.count, 30000);
}

/* Two milliseconds of real time: the one thing here that needs the kernel's timer. */
static void a_wait_ends_at_its_time(void **ctx)
{
    struct room room;
    rl_time until;

    (void)ctx;
    open_room(&room, NULL);
    until = rl__now(&room.env) + 2 * RL_MILLISECOND;
    rl__lock(&room.lock);
    while (rl__now(&room.env) < until)
        rl__wait_until(&room.turned, &room.lock, &room.env, until);
    rl__wait_until(&room.turned, &room.lock, &room.env, until); /* past: returns at once */
    rl__unlock(&room.lock);
    close_room(&room);
}

static void a_sleep_of_the_users_is_asked_with_the_lock_free(void **ctx)
{
    struct vclock clock = { .now = 10 };
    rl_hooks hooks = vclock_hooks(&clock);
    struct room room;

    (void)ctx;
    open_room(&room, &hooks);
    rl__lock(&room.lock);
    rl__wait_until(&room.turned, &room.lock, &room.env, 5);
    assert_int_equal(clock.sleeps, 0);
    rl__wait_until(&room.turned, &room.lock, &room.env, 50 * RL_DAY);
    assert_int_equal(clock.sleeps, 1);
    assert_true(clock.now == 50 * RL_DAY);
    assert_int_equal(pthread_mutex_trylock(&room.lock.raw) != 0, 1); /* held again */
    rl__unlock(&room.lock);
    close_room(&room);
}

/* No sleep hook, and a clock that nobody moves: the wait returns early instead of hanging. */
static void a_clock_of_the_users_alone_is_looked_at_again(void **ctx)
{
    struct vclock clock = { .now = 10 };
    rl_hooks hooks = vclock_hooks(&clock);
    struct room room;

    (void)ctx;
    hooks.sleep_until = NULL;
    open_room(&room, &hooks);
    rl__lock(&room.lock);
    rl__wait_until(&room.turned, &room.lock, &room.env, RL_DAY);
    rl__unlock(&room.lock);
    assert_true(clock.now == 10);
    close_room(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_excludes_and_a_wake_reaches_all),
        cmocka_unit_test(a_spin_excludes_and_outlasts_its_holder),
        cmocka_unit_test(a_wait_ends_at_its_time),
        cmocka_unit_test(a_sleep_of_the_users_is_asked_with_the_lock_free),
        cmocka_unit_test(a_clock_of_the_users_alone_is_looked_at_again),
    };
    return cmocka_run_group_tests_name("sync", tests, NULL, NULL);
}
