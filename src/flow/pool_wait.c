/* SPDX-License-Identifier: MIT */
/* Owns the line of threads that wait for a slot. Who gives one back hands it to the first in line;
 * that one also watches the leases, the others only their own time. */
#include "flow/pool.h"

#include "base/arith.h"

static void link_waiter(rl_pool *pool, struct rl__pool_waiter *waiter)
{
    waiter->previous = pool->locked.last;
    if (waiter->previous != NULL)
        waiter->previous->next = waiter;
    else
        pool->locked.first = waiter;
    pool->locked.last = waiter;
    pool->locked.waiting++;
}

void rl__pool_end_waiter(rl_pool *pool, struct rl__pool_waiter *waiter, rl_status status)
{
    if (waiter->previous != NULL)
        waiter->previous->next = waiter->next;
    else
        pool->locked.first = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    else
        pool->locked.last = waiter->previous;
    pool->locked.waiting--;
    waiter->done = 1;
    waiter->status = status;
    rl__wake_one(&waiter->wake);
    if (pool->lease != 0 && waiter->previous == NULL && waiter->next != NULL)
        rl__wake_one(&waiter->next->wake); /* has to watch the leases now */
}

void rl__pool_serve(rl_pool *pool, rl_time now)
{
    struct rl__pool_waiter *first;

    while ((first = pool->locked.first) != NULL &&
           rl__slots_take(pool->locked.slots, first->owner, pool->lease, now, &first->id) == RL_OK)
        rl__pool_end_waiter(pool, first, RL_OK);
}

static void wait_for_turn(rl_pool *pool, struct rl__pool_waiter *waiter)
{
    rl_time now = rl__now(&pool->env), until = waiter->deadline;

    rl__pool_serve(pool, now);
    if (waiter->done)
        return;
    if (waiter->deadline <= now) {
        rl__pool_end_waiter(pool, waiter, RL_E_TIMEOUT);
        return;
    }
    if (pool->locked.first == waiter)
        until = rl__min(until, rl__slots_next_expiry(pool->locked.slots));
    rl__wait_until(&waiter->wake, &pool->lock, &pool->env, until);
}

static rl_status acquire_locked(rl_pool *pool, struct rl__pool_waiter *waiter)
{
    if (pool->locked.closed)
        return RL_E_CLOSED;
    if (pool->locked.waiting >= pool->max_waiting)
        return RL_E_QUEUE_FULL;
    link_waiter(pool, waiter);
    while (!waiter->done)
        wait_for_turn(pool, waiter);
    return waiter->status;
}

rl_status rl_pool_acquire(rl_pool *pool, uint64_t owner, rl_duration max_wait, rl_slot *slot)
{
    struct rl__pool_waiter waiter = { .owner = owner };
    rl_status st;

    if (slot == NULL)
        return RL_E_INVALID;
    *slot = (rl_slot){ NULL, 0 };
    if (!rl__pool_is_ours(pool))
        return RL_E_INVALID;
    if ((st = rl__condition_init(&waiter.wake)) != RL_OK)
        return st;
    waiter.deadline = rl__add_sat(rl__now(&pool->env), max_wait);
    rl__lock(&pool->lock);
    pool->locked.inside++;
    st = acquire_locked(pool, &waiter);
    if (st == RL_OK)
        *slot = (rl_slot){ pool, waiter.id };
    rl__pool_leave(pool);
    rl__condition_deinit(&waiter.wake);
    return st;
}
