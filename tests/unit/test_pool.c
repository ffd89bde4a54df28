/* SPDX-License-Identifier: MIT */
/* Never more than there are, each slot given back once, those who wait in order, and nothing lost
 * with those who die. Row 35 of the guide's bugs is answered here. */
#include "base/atomic.h"
#include "failing_alloc.h"

#include <llmrl/pool.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START (1000 * RL_SECOND)

static struct failing_alloc memory;

static rl_pool *make(uint64_t slots, rl_duration lease)
{
    rl_pool_options options = RL_POOL_OPTIONS_INIT;
    rl_pool *pool;
    rl_hooks hooks;

    memset(&memory, 0, sizeof memory);
    memory.clock.now = START;
    hooks = failing_alloc_hooks(&memory);
    options.hooks = &hooks;
    options.slots = slots;
    options.lease = lease;
    assert_int_equal(rl_pool_new(&options, &pool), RL_OK);
    return pool;
}

static void end(rl_pool *pool)
{
    rl_pool_free(pool);
    assert_int_equal(memory.alive, 0);
}

static rl_pool_state state_of(rl_pool *pool)
{
    rl_pool_state state = RL_POOL_STATE_INIT;

    assert_int_equal(rl_pool_state_get(pool, memory.clock.now, &state), RL_OK);
    return state;
}

static rl_status try_as(rl_pool *pool, uint64_t owner, rl_slot *slot)
{
    return rl_pool_try_acquire(pool, owner, memory.clock.now, slot, NULL);
}

static rl_status release(const rl_slot *slot)
{
    return rl_pool_release(slot, RL_SLOT_SUCCESS, 0, memory.clock.now);
}

/* ---- row 35 ---- */

/* SEED-BUGS 35: whatever is released twice, late, or without having been acquired, two stay two. */
static void row_35_a_release_too_many_raises_nothing(void **state)
{
    rl_pool *pool = make(2, 0);
    rl_slot slot[3], none = { NULL, 0 }, forged = { pool, 12345 };

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(release(&none), RL_E_ENDED);
        assert_int_equal(release(&forged), RL_E_ENDED);
    }
    assert_int_equal(try_as(pool, 1, &slot[0]), RL_OK);
    assert_int_equal(release(&slot[0]), RL_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(release(&slot[0]), RL_E_ENDED);
    assert_int_equal(try_as(pool, 1, &slot[1]), RL_OK); /* the same place, another holding */
    assert_int_equal(release(&slot[0]), RL_E_ENDED);
    assert_int_equal(state_of(pool).in_use, 1);
    assert_int_equal(try_as(pool, 1, &slot[0]), RL_OK);
    assert_int_equal(try_as(pool, 1, &slot[2]), RL_WAIT);
    assert_int_equal(slot[2].id, 0);
    assert_int_equal(release(&slot[2]), RL_E_ENDED);
    assert_int_equal(release(&slot[0]), RL_OK);
    assert_int_equal(release(&slot[1]), RL_OK);
    end(pool);
}

/* SEED-BUGS 35: a wait has an end, to the nanosecond. */
static void row_35_a_wait_times_out(void **state)
{
    rl_pool *pool = make(1, 0);
    rl_slot held, slot;

    (void)state;
    assert_int_equal(rl_pool_acquire(pool, 1, 0, &held), RL_OK);
    assert_int_equal(rl_pool_acquire(pool, 2, 3 * RL_SECOND, &slot), RL_E_TIMEOUT);
    assert_true(memory.clock.now == START + 3 * RL_SECOND);
    assert_int_equal(memory.clock.sleeps, 1);
    assert_int_equal(rl_pool_acquire(pool, 2, 0, &slot), RL_E_TIMEOUT);
    assert_int_equal(memory.clock.sleeps, 1);
    assert_int_equal(state_of(pool).waiting, 0);
    assert_int_equal(release(&held), RL_OK);
    assert_int_equal(rl_pool_acquire(pool, 2, 0, &slot), RL_OK);
    assert_int_equal(release(&slot), RL_OK);
    end(pool);
}

/* ---- leases ---- */

static void a_dead_holders_slot_comes_back_to_the_next_who_asks(void **state)
{
    rl_pool *pool = make(1, 10 * RL_SECOND);
    rl_slot dead, slot;
    rl_time retry_at;

    (void)state;
    assert_int_equal(try_as(pool, 7, &dead), RL_OK);
    vclock_advance(&memory.clock, 10 * RL_SECOND - 1);
    assert_int_equal(rl_pool_try_acquire(pool, 8, memory.clock.now, &slot, &retry_at), RL_WAIT);
    assert_true(retry_at == START + 10 * RL_SECOND);
    vclock_advance(&memory.clock, 1);
    assert_int_equal(try_as(pool, 8, &slot), RL_OK);
    assert_int_equal(release(&dead), RL_E_ENDED); /* he was not dead: it is not his any more */
    assert_int_equal(rl_pool_renew(&dead, memory.clock.now), RL_E_ENDED);
    assert_int_equal(state_of(pool).expired, 1);
    assert_int_equal(state_of(pool).oldest_owner, 8);
    assert_int_equal(release(&slot), RL_OK);
    end(pool);
}

static void who_waits_gets_it_at_the_end_of_the_lease(void **state)
{
    rl_pool *pool = make(1, 10 * RL_SECOND);
    rl_slot dead, slot;

    (void)state;
    assert_int_equal(try_as(pool, 7, &dead), RL_OK);
    assert_int_equal(rl_pool_acquire(pool, 8, RL_MINUTE, &slot), RL_OK);
    assert_true(memory.clock.now == START + 10 * RL_SECOND);
    assert_int_equal(release(&slot), RL_OK);
    end(pool);
}

static void a_lease_that_is_renewed_goes_on(void **state)
{
    rl_pool *pool = make(2, 10 * RL_SECOND);
    rl_slot kept, other, slot;
    rl_time retry_at;

    (void)state;
    assert_int_equal(try_as(pool, 1, &kept), RL_OK);
    vclock_advance(&memory.clock, RL_SECOND);
    assert_int_equal(try_as(pool, 2, &other), RL_OK);
    vclock_advance(&memory.clock, 9 * RL_SECOND);
    assert_int_equal(rl_pool_renew(&kept, memory.clock.now),
                     RL_OK); /* late, and nobody has asked */
    assert_int_equal(rl_pool_try_acquire(pool, 3, memory.clock.now, &slot, &retry_at), RL_WAIT);
    assert_true(retry_at == START + 11 * RL_SECOND); /* the other one's */
    vclock_advance(&memory.clock, RL_SECOND);
    assert_int_equal(try_as(pool, 3, &slot), RL_OK);
    assert_int_equal(release(&other), RL_E_ENDED);
    assert_int_equal(release(&kept), RL_OK);
    assert_int_equal(release(&slot), RL_OK);
    end(pool);
}

/* The clock went back: whose lease ends first is not who took last. */
static void the_lease_that_ends_first_is_taken_back_first(void **state)
{
    rl_pool *pool = make(2, 10 * RL_SECOND);
    rl_slot late, early, slot;
    rl_time retry_at;

    (void)state;
    assert_int_equal(try_as(pool, 1, &late), RL_OK);
    memory.clock.now -= 50 * RL_SECOND;
    assert_int_equal(try_as(pool, 2, &early), RL_OK);
    assert_int_equal(rl_pool_try_acquire(pool, 3, memory.clock.now, &slot, &retry_at), RL_WAIT);
    assert_true(retry_at == START - 40 * RL_SECOND);
    memory.clock.now = retry_at;
    assert_int_equal(try_as(pool, 3, &slot), RL_OK);
    assert_int_equal(release(&early), RL_E_ENDED);
    assert_int_equal(release(&late), RL_OK);
    assert_int_equal(release(&slot), RL_OK);
    end(pool);
}

static void an_owner_known_to_be_dead_is_evicted(void **state)
{
    rl_pool *pool = make(3, 0);
    rl_slot slot[3];

    (void)state;
    assert_int_equal(try_as(pool, 7, &slot[0]), RL_OK);
    assert_int_equal(try_as(pool, 8, &slot[1]), RL_OK);
    assert_int_equal(try_as(pool, 7, &slot[2]), RL_OK);
    assert_int_equal(rl_pool_evict(pool, 7, memory.clock.now), 2);
    assert_int_equal(rl_pool_evict(pool, 7, memory.clock.now), 0);
    assert_int_equal(release(&slot[0]), RL_E_ENDED);
    assert_int_equal(state_of(pool).in_use, 1);
    assert_int_equal(release(&slot[1]), RL_OK);
    end(pool);
}

/* ---- size ---- */

static void resizing_takes_nobodys_slot(void **state)
{
    rl_pool *pool = make(2, 0);
    rl_slot slot[5];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(try_as(pool, 1, &slot[i]), RL_OK);
    assert_int_equal(rl_pool_resize(pool, 4, memory.clock.now), RL_OK);
    for (int i = 2; i < 4; i++)
        assert_int_equal(try_as(pool, 1, &slot[i]), RL_OK);
    assert_int_equal(rl_pool_resize(pool, 3, memory.clock.now), RL_OK);
    assert_int_equal(state_of(pool).in_use, 4);
    assert_int_equal(release(&slot[0]), RL_OK);
    assert_int_equal(try_as(pool, 1, &slot[4]), RL_WAIT);
    assert_int_equal(release(&slot[1]), RL_OK);
    assert_int_equal(try_as(pool, 1, &slot[4]), RL_OK);
    assert_int_equal(try_as(pool, 1, &slot[0]), RL_WAIT);
    for (int i = 2; i < 5; i++)
        assert_int_equal(release(&slot[i]), RL_OK);
    assert_int_equal(rl_pool_resize(pool, 0, memory.clock.now), RL_E_INVALID);
    assert_int_equal(rl_pool_resize(pool, 65537, memory.clock.now), RL_E_INVALID);
    assert_int_equal(rl_pool_resize(pool, 65536, memory.clock.now), RL_OK);
    end(pool);
}

static void growing_without_memory_changes_nothing(void **state)
{
    rl_pool *pool = make(2, 0);
    rl_slot slot;

    (void)state;
    assert_int_equal(try_as(pool, 1, &slot), RL_OK);
    memory.fail_at = memory.requests + 1;
    assert_int_equal(rl_pool_resize(pool, 5, memory.clock.now), RL_E_NOMEM);
    assert_int_equal(state_of(pool).slots, 2);
    assert_int_equal(release(&slot), RL_OK);
    assert_int_equal(rl_pool_resize(pool, 5, memory.clock.now), RL_OK);
    assert_int_equal(state_of(pool).slots, 5);
    end(pool);
}

/* ---- who holds ---- */

static char logged[2][200];
static size_t lines;

static void note(void *user, rl_log_level level, const char *line)
{
    (void)user;
    assert_int_equal(level, RL_LOG_WARNING);
    assert_true(lines < 2);
    (void)snprintf(logged[lines++], sizeof logged[0], "%s", line);
}

static void a_forgotten_slot_is_found_and_named(void **state)
{
    struct vclock clock = { .now = START };
    rl_pool_options options = RL_POOL_OPTIONS_INIT;
    rl_hooks hooks = vclock_hooks(&clock);
    rl_pool_state now = RL_POOL_STATE_INIT;
    rl_pool_holder holder[4];
    size_t count = 4;
    rl_slot slot[3];
    rl_pool *pool;

    (void)state;
    hooks.log = note;
    options.hooks = &hooks;
    assert_int_equal(rl_pool_new(&options, &pool), RL_OK);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(rl_pool_try_acquire(pool, 40 + i, clock.now, &slot[i], NULL), RL_OK);
        clock.now += RL_SECOND;
    }
    assert_int_equal(rl_pool_release(&slot[1], RL_SLOT_SUCCESS, 0, clock.now), RL_OK);
    assert_int_equal(rl_pool_holders(pool, clock.now, holder, &count), RL_OK);
    assert_int_equal(count, 2);
    assert_int_equal(holder[0].owner, 40);
    assert_true(holder[0].age == 3 * RL_SECOND && holder[0].expires == RL_NEVER);
    assert_int_equal(holder[1].owner, 42);
    count = 1;
    assert_int_equal(rl_pool_holders(pool, clock.now, holder, &count), RL_OK);
    assert_int_equal(count, 1);
    assert_int_equal(rl_pool_holders(pool, clock.now, NULL, &count), RL_E_INVALID);
    assert_int_equal(rl_pool_state_get(pool, clock.now, &now), RL_OK);
    assert_int_equal(now.oldest_owner, 40);
    assert_true(now.oldest_age == 3 * RL_SECOND);
    rl_pool_free(pool);
    assert_int_equal(lines, 2);
    assert_string_equal(logged[0],
                        "pool: a slot of owner 40, held for 3000 ms, was never released");
    assert_string_equal(logged[1],
                        "pool: a slot of owner 42, held for 1000 ms, was never released");
}

/* ---- options and memory ---- */

static void defaults_and_contradictions(void **state)
{
    static const struct {
        uint64_t slots, kind, min, max, waiting;
        rl_status want;
        uint64_t slots_then;
    } row[] = {
        { 0, RL_POOL_FIXED, 0, 0, 0, RL_OK, 10 },
        { 65536, RL_POOL_FIXED, 0, 0, 1, RL_OK, 65536 },
        { 65537, RL_POOL_FIXED, 0, 0, 0, RL_E_INVALID, 0 },
        { 5, RL_POOL_FIXED, 1, 0, 0, RL_E_INVALID, 0 },
        { 5, RL_POOL_FIXED, 0, 9, 0, RL_E_INVALID, 0 },
        { 5, 2, 0, 0, 0, RL_E_INVALID, 0 },
        { 0, RL_POOL_ADAPTIVE, 0, 0, 0, RL_OK, 4 },
        { 0, RL_POOL_ADAPTIVE, 9, 0, 0, RL_OK, 9 },
        { 0, RL_POOL_ADAPTIVE, 300, 0, 0, RL_OK, 300 },
        { 0, RL_POOL_ADAPTIVE, 1, 3, 0, RL_OK, 3 },
        { 2, RL_POOL_ADAPTIVE, 3, 9, 0, RL_E_INVALID, 0 },
        { 10, RL_POOL_ADAPTIVE, 3, 9, 0, RL_E_INVALID, 0 },
        { 0, RL_POOL_ADAPTIVE, 9, 3, 0, RL_E_INVALID, 0 },
        { 0, RL_POOL_ADAPTIVE, 1, 65537, 0, RL_E_INVALID, 0 },
    };
    rl_pool_options too_new = RL_POOL_OPTIONS_INIT;
    rl_pool *pool;

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_pool_options options = RL_POOL_OPTIONS_INIT;

        options.slots = row[i].slots;
        options.kind = row[i].kind;
        options.min_slots = row[i].min;
        options.max_slots = row[i].max;
        options.max_waiting = row[i].waiting;
        if (rl_pool_new(&options, &pool) != row[i].want ||
            (pool != NULL) != (row[i].want == RL_OK) ||
            (pool != NULL && state_of(pool).slots != row[i].slots_then))
            fail_msg("row %zu", i);
        rl_pool_free(pool);
    }
    too_new.size = 0;
    assert_int_equal(rl_pool_new(&too_new, &pool), RL_E_INVALID);
    assert_int_equal(rl_pool_new(NULL, NULL), RL_E_INVALID);
    assert_int_equal(rl_pool_new(NULL, &pool), RL_OK);
    rl_pool_free(pool);
}

static void each_allocation_may_fail(void **state)
{
    int failed = 0;

    (void)state;
    for (uint64_t n = 1;; n++) {
        struct failing_alloc own = { .fail_at = n };
        rl_hooks hooks = failing_alloc_hooks(&own);
        rl_pool_options options = RL_POOL_OPTIONS_INIT;
        rl_pool *pool;
        rl_status st;

        options.hooks = &hooks;
        st = rl_pool_new(&options, &pool);
        rl_pool_free(pool);
        assert_int_equal(own.alive, 0);
        if (own.failed == 0)
            break;
        assert_int_equal(st, RL_E_NOMEM);
        failed++;
    }
    assert_int_equal(failed, 2);
}

static void bad_input_is_refused(void **state)
{
    rl_pool *pool = make(1, 0);
    rl_pool_state unset = { 0 };
    rl_slot slot = { pool, 1 };
    size_t count = 0;

    (void)state;
    assert_int_equal(try_as(NULL, 1, &slot), RL_E_INVALID);
    assert_null(slot.pool);
    assert_int_equal(try_as(pool, 1, NULL), RL_E_INVALID);
    assert_int_equal(rl_pool_acquire(NULL, 1, 0, &slot), RL_E_INVALID);
    assert_int_equal(rl_pool_acquire(pool, 1, 0, NULL), RL_E_INVALID);
    assert_int_equal(try_as(pool, 1, &slot), RL_OK);
    assert_int_equal(rl_pool_release(&slot, (rl_slot_outcome)3, 0, START), RL_E_INVALID);
    assert_int_equal(rl_pool_release(NULL, RL_SLOT_SUCCESS, 0, START), RL_E_INVALID);
    assert_int_equal(release(&slot), RL_OK);
    assert_int_equal(rl_pool_renew(NULL, START), RL_E_INVALID);
    assert_int_equal(rl_pool_state_get(pool, START, &unset), RL_E_INVALID);
    assert_int_equal(rl_pool_holders(pool, START, NULL, NULL), RL_E_INVALID);
    assert_int_equal(rl_pool_holders(pool, START, NULL, &count), RL_OK);
    assert_int_equal(rl_pool_resize(NULL, 1, START), RL_E_INVALID);
    rl_pool_close(pool);
    assert_int_equal(try_as(pool, 1, &slot), RL_E_CLOSED);
    assert_int_equal(rl_pool_acquire(pool, 1, 0, &slot), RL_E_CLOSED);
    end(pool);
}

/* ---- an adaptive pool ---- */

static void an_adaptive_pool_follows_what_it_is_told(void **state)
{
    rl_pool_options options = RL_POOL_OPTIONS_INIT;
    rl_slot slot[8];
    rl_pool *pool;

    (void)state;
    memory.clock.now = START;
    options.kind = RL_POOL_ADAPTIVE;
    options.slots = 8;
    assert_int_equal(rl_pool_new(&options, &pool), RL_OK);
    for (int i = 0; i < 8; i++)
        assert_int_equal(try_as(pool, 1, &slot[i]), RL_OK);
    vclock_advance(&memory.clock, RL_SECOND);
    assert_int_equal(rl_pool_release(&slot[0], RL_SLOT_NEUTRAL, 0, memory.clock.now), RL_OK);
    assert_int_equal(state_of(pool).slots, 8);
    assert_int_equal(rl_pool_release(&slot[1], RL_SLOT_OVERLOADED, 0, memory.clock.now), RL_OK);
    assert_int_equal(state_of(pool).slots, 6); /* 7 were on their way */
    assert_int_equal(rl_pool_release(&slot[2], RL_SLOT_OVERLOADED, 0, memory.clock.now), RL_OK);
    assert_int_equal(state_of(pool).slots, 6); /* the same burst */
    assert_int_equal(rl_pool_resize(pool, 4, memory.clock.now), RL_OK);
    assert_int_equal(state_of(pool).slots, 4);
    for (int i = 3; i < 8; i++)
        assert_int_equal(release(&slot[i]), RL_OK);
    for (int i = 0; i < 200; i++) { /* one at a time: it is not in use, and does not grow */
        assert_int_equal(try_as(pool, 1, &slot[0]), RL_OK);
        vclock_advance(&memory.clock, RL_SECOND);
        assert_int_equal(
            rl_pool_release(&slot[0], RL_SLOT_SUCCESS, 7 * RL_SECOND, memory.clock.now), RL_OK);
    }
    assert_int_equal(state_of(pool).slots, 4);
    assert_true(state_of(pool).latency == 7 * RL_SECOND);
    rl_pool_free(pool);
}

/* ---- threads ---- */

#define THREADS 4

struct crowd {
    rl_pool *pool;
    uint64_t seed, in_use, most, taken, wrong, ended[8];
    rl_slot held;
};

static void note_end(struct crowd *crowd, rl_status status)
{
    rl__fetch_add(&crowd->ended[status == RL_OK             ? 0
                                : status == RL_E_TIMEOUT    ? 1
                                : status == RL_E_CANCELLED  ? 2
                                : status == RL_E_CLOSED     ? 3
                                : status == RL_WAIT         ? 4
                                : status == RL_E_QUEUE_FULL ? 5
                                                            : 6],
                  1);
}

static void *take_and_give_back(void *user)
{
    struct crowd *crowd = user;
    struct vclock dice = { .random = rl__fetch_add(&crowd->seed, 1) };

    for (int i = 0; i < 3000; i++) {
        uint64_t choice = vclock_random(&dice) % 8;
        rl_slot slot;
        rl_status st =
            choice == 0 ? rl_pool_try_acquire(crowd->pool, 1, rl_pool_now(crowd->pool), &slot, NULL)
                        : rl_pool_acquire(crowd->pool, choice, RL_MINUTE, &slot);

        note_end(crowd, st);
        if (st != RL_OK)
            continue;
        rl__raise_to(&crowd->most, rl__fetch_add(&crowd->in_use, 1) + 1);
        rl__fetch_add(&crowd->taken, 1);
        rl__fetch_add(&crowd->in_use, UINT64_MAX);
        if (rl_pool_release(&slot, RL_SLOT_SUCCESS, 0, rl_pool_now(crowd->pool)) != RL_OK ||
            rl_pool_release(&slot, RL_SLOT_SUCCESS, 0, rl_pool_now(crowd->pool)) != RL_E_ENDED)
            rl__fetch_add(&crowd->wrong, 1);
    }
    return NULL;
}

static void never_more_than_there_are(void **state)
{
    rl_pool_options options = RL_POOL_OPTIONS_INIT;
    struct crowd crowd = { .seed = 1 };
    rl_pool_state after = RL_POOL_STATE_INIT;
    pthread_t thread[THREADS];

    (void)state;
    options.slots = 2;
    assert_int_equal(rl_pool_new(&options, &crowd.pool), RL_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_and_give_back, &crowd), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_true(crowd.most <= 2);
    assert_int_equal(crowd.wrong, 0);
    assert_int_equal(crowd.ended[0] + crowd.ended[4], THREADS * 3000);
    assert_int_equal(crowd.ended[0], crowd.taken);
    assert_int_equal(rl_pool_state_get(crowd.pool, rl_pool_now(crowd.pool), &after), RL_OK);
    assert_int_equal(after.in_use, 0);
    assert_int_equal(after.waiting, 0);
    rl_pool_free(crowd.pool);
}

struct waiting {
    struct crowd *crowd;
    uint64_t owner, turn; /* which one in line was served, from 1 */
    rl_status status;
    pthread_t thread;
};

static void *wait_once(void *user)
{
    struct waiting *one = user;
    rl_slot slot;

    one->status = rl_pool_acquire(one->crowd->pool, one->owner, RL_NEVER, &slot);
    note_end(one->crowd, one->status);
    if (one->status != RL_OK)
        return NULL;
    one->turn = rl__fetch_add(&one->crowd->taken, 1) + 1;
    (void)rl_pool_release(&slot, RL_SLOT_SUCCESS, 0, rl_pool_now(one->crowd->pool));
    return NULL;
}

/* Each stands in line before the next one comes. */
static void line_up(struct crowd *crowd, struct waiting *one, uint64_t count)
{
    rl_pool_options options = RL_POOL_OPTIONS_INIT;
    rl_pool_state now = RL_POOL_STATE_INIT;

    memset(crowd, 0, sizeof *crowd);
    options.slots = 1;
    options.max_waiting = count;
    assert_int_equal(rl_pool_new(&options, &crowd->pool), RL_OK);
    assert_int_equal(rl_pool_acquire(crowd->pool, 99, 0, &crowd->held), RL_OK);
    for (uint64_t i = 0; i < count; i++) {
        one[i] = (struct waiting){ .crowd = crowd, .owner = i };
        assert_int_equal(pthread_create(&one[i].thread, NULL, wait_once, &one[i]), 0);
        do {
            assert_int_equal(rl_pool_state_get(crowd->pool, rl_pool_now(crowd->pool), &now), RL_OK);
        } while (now.waiting != i + 1);
    }
}

static void join(struct waiting *one, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(one[i].thread, NULL), 0);
}

static void those_who_wait_are_served_in_order(void **state)
{
    struct waiting one[6];
    struct crowd crowd;
    rl_slot slot;

    (void)state;
    line_up(&crowd, one, 6);
    assert_int_equal(rl_pool_acquire(crowd.pool, 50, RL_NEVER, &slot), RL_E_QUEUE_FULL);
    assert_int_equal(rl_pool_cancel(crowd.pool, 2), 1);
    assert_int_equal(rl_pool_cancel(crowd.pool, 2), 0);
    assert_int_equal(rl_pool_release(&crowd.held, RL_SLOT_SUCCESS, 0, rl_pool_now(crowd.pool)),
                     RL_OK);
    join(one, 6);
    for (uint64_t i = 0; i < 6; i++) {
        assert_int_equal(one[i].status, i == 2 ? RL_E_CANCELLED : RL_OK);
        assert_int_equal(one[i].turn, i < 2 ? i + 1 : i == 2 ? 0 : i);
    }
    rl_pool_free(crowd.pool);
}

/* A slot that comes free while somebody waits is his, even if he has not woken up yet. */
static void who_asks_without_waiting_passes_nobody(void **state)
{
    struct waiting one[1];
    struct crowd crowd;
    rl_slot slot;

    (void)state;
    line_up(&crowd, one, 1);
    assert_int_equal(rl_pool_try_acquire(crowd.pool, 1, rl_pool_now(crowd.pool), &slot, NULL),
                     RL_WAIT);
    assert_int_equal(rl_pool_release(&crowd.held, RL_SLOT_SUCCESS, 0, rl_pool_now(crowd.pool)),
                     RL_OK);
    join(one, 1);
    assert_int_equal(one[0].status, RL_OK);
    assert_int_equal(rl_pool_try_acquire(crowd.pool, 1, rl_pool_now(crowd.pool), &slot, NULL),
                     RL_OK);
    assert_int_equal(rl_pool_release(&slot, RL_SLOT_SUCCESS, 0, rl_pool_now(crowd.pool)), RL_OK);
    rl_pool_free(crowd.pool);
}

/* Nor does he where a lease has ended that the one who waits does not know of yet. */
static void a_lease_that_has_ended_is_for_who_waits(void **state)
{
    rl_pool_options options = RL_POOL_OPTIONS_INIT;
    rl_pool_state now = RL_POOL_STATE_INIT;
    struct vclock clock = { .now = START };
    rl_hooks hooks = vclock_hooks(&clock);
    struct crowd crowd = { .seed = 1 };
    struct waiting one = { .crowd = &crowd };
    rl_slot slot;

    (void)state;
    hooks.sleep_until = NULL;
    options.hooks = &hooks;
    options.slots = 1;
    options.lease = 10 * RL_SECOND;
    assert_int_equal(rl_pool_new(&options, &crowd.pool), RL_OK);
    assert_int_equal(rl_pool_try_acquire(crowd.pool, 1, START, &slot, NULL), RL_OK);
    assert_int_equal(pthread_create(&one.thread, NULL, wait_once, &one), 0);
    do {
        assert_int_equal(rl_pool_state_get(crowd.pool, START, &now), RL_OK);
    } while (now.waiting != 1);
    assert_int_equal(rl_pool_try_acquire(crowd.pool, 1, START + options.lease, &slot, NULL),
                     RL_WAIT);
    join(&one, 1);
    assert_int_equal(one.status, RL_OK);
    rl_pool_free(crowd.pool);
}

static void freeing_lets_all_who_wait_go(void **state)
{
    struct waiting one[4];
    struct crowd crowd;

    (void)state;
    line_up(&crowd, one, 4);
    rl_pool_free(crowd.pool);
    join(one, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(one[i].status, RL_E_CLOSED);
}

static void a_larger_pool_serves_those_who_wait(void **state)
{
    struct waiting one[3];
    struct crowd crowd;

    (void)state;
    line_up(&crowd, one, 3);
    assert_int_equal(rl_pool_resize(crowd.pool, 2, rl_pool_now(crowd.pool)), RL_OK);
    join(one, 3);
    assert_int_equal(crowd.taken, 3);
    assert_int_equal(rl_pool_release(&crowd.held, RL_SLOT_SUCCESS, 0, rl_pool_now(crowd.pool)),
                     RL_OK);
    rl_pool_free(crowd.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_35_a_release_too_many_raises_nothing),
        cmocka_unit_test(row_35_a_wait_times_out),
        cmocka_unit_test(a_dead_holders_slot_comes_back_to_the_next_who_asks),
        cmocka_unit_test(who_waits_gets_it_at_the_end_of_the_lease),
        cmocka_unit_test(a_lease_that_is_renewed_goes_on),
        cmocka_unit_test(the_lease_that_ends_first_is_taken_back_first),
        cmocka_unit_test(an_owner_known_to_be_dead_is_evicted),
        cmocka_unit_test(resizing_takes_nobodys_slot),
        cmocka_unit_test(growing_without_memory_changes_nothing),
        cmocka_unit_test(a_forgotten_slot_is_found_and_named),
        cmocka_unit_test(defaults_and_contradictions),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(an_adaptive_pool_follows_what_it_is_told),
        cmocka_unit_test(never_more_than_there_are),
        cmocka_unit_test(those_who_wait_are_served_in_order),
        cmocka_unit_test(who_asks_without_waiting_passes_nobody),
        cmocka_unit_test(a_lease_that_has_ended_is_for_who_waits),
        cmocka_unit_test(freeing_lets_all_who_wait_go),
        cmocka_unit_test(a_larger_pool_serves_those_who_wait),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
