/* SPDX-License-Identifier: MIT */
/* Owns the pool's doors: options, memory, the lock, and what a release teaches. */
#include "flow/pool.h"

#include "base/arith.h"
#include "base/sized.h"

#include <inttypes.h>

/* ---- making and freeing ---- */

static rl_status check_fixed(rl_pool_options *own)
{
    own->slots = own->slots == 0 ? 10 : own->slots;
    return own->slots > RL__SLOTS_MAX || own->min_slots != 0 || own->max_slots != 0 ? RL_E_INVALID
                                                                                    : RL_OK;
}

static rl_status check_adaptive(rl_pool_options *own)
{
    own->min_slots = own->min_slots == 0 ? 1 : own->min_slots;
    own->max_slots = own->max_slots == 0 ? rl__max(256, own->min_slots) : own->max_slots;
    if (own->slots == 0)
        own->slots = rl__max(own->min_slots, rl__min(4, own->max_slots));
    return own->min_slots > own->slots || own->slots > own->max_slots ||
                   own->max_slots > RL__SLOTS_MAX
               ? RL_E_INVALID
               : RL_OK;
}

static rl_status read_options(const rl_pool_options *options, rl_pool_options *own)
{
    rl_status st;

    *own = RL_POOL_OPTIONS_INIT;
    if (options != NULL && (st = rl__copy_sized(own, sizeof *own, options, options->size)) != RL_OK)
        return st;
    own->max_waiting = own->max_waiting == 0 ? 1024 : own->max_waiting;
    if (own->kind == RL_POOL_FIXED)
        return check_fixed(own);
    return own->kind == RL_POOL_ADAPTIVE ? check_adaptive(own) : RL_E_INVALID;
}

static void free_memory(rl_pool *pool)
{
    struct rl__env env = pool->env;

    rl__free(&env, pool->locked.slots);
    rl__free(&env, pool);
}

static rl_status start(rl_pool *pool, const rl_pool_options *own)
{
    uint64_t capacity = own->kind == RL_POOL_ADAPTIVE ? own->max_slots : own->slots;

    pool->lease = own->lease;
    pool->max_waiting = own->max_waiting;
    pool->is_adaptive = own->kind == RL_POOL_ADAPTIVE;
    pool->locked.slots = rl__resize(&pool->env, NULL, 1, rl__slots_bytes(capacity));
    if (pool->locked.slots == NULL)
        return RL_E_NOMEM;
    rl__slots_start(pool->locked.slots, capacity, own->slots);
    if (pool->is_adaptive)
        rl__adaptive_start(&pool->locked.adaptive, own->min_slots, own->max_slots, own->slots);
    return rl__mutex_init(&pool->lock);
}

rl_status rl_pool_new(const rl_pool_options *options, rl_pool **out)
{
    rl_pool_options own;
    struct rl__env env;
    rl_pool *pool;
    rl_status st;

    if (out == NULL)
        return RL_E_INVALID;
    *out = NULL;
    if ((st = read_options(options, &own)) != RL_OK ||
        (st = rl__env_init(&env, own.hooks)) != RL_OK)
        return st;
    if ((pool = rl__alloc_zeroed(&env, 1, sizeof *pool)) == NULL)
        return RL_E_NOMEM;
    pool->env = env;
    if ((st = start(pool, &own)) == RL_OK)
        *out = pool;
    else
        free_memory(pool);
    return st;
}

void rl__pool_leave(rl_pool *pool)
{
    int last = --pool->locked.inside == 0 && pool->locked.freed;

    rl__unlock(&pool->lock);
    if (!last)
        return;
    rl__mutex_deinit(&pool->lock);
    free_memory(pool);
}

static void close_locked(rl_pool *pool)
{
    pool->locked.closed = 1;
    while (pool->locked.first != NULL)
        rl__pool_end_waiter(pool, pool->locked.first, RL_E_CLOSED);
}

void rl_pool_close(rl_pool *pool)
{
    if (!rl__pool_is_ours(pool))
        return;
    rl__lock(&pool->lock);
    close_locked(pool);
    rl__unlock(&pool->lock);
}

/* Nobody else is inside but those who are leaving. */
static void name_forgotten(rl_pool *pool)
{
    const struct rl__slot *slot = NULL;
    rl_time now = rl__now(&pool->env);

    while ((slot = rl__slots_taken_after(pool->locked.slots, slot == NULL ? 0 : slot->order)) !=
           NULL)
        rl__log(&pool->env, RL_LOG_WARNING,
                "pool: a slot of owner %" PRIu64 ", held for %" PRIu64 " ms, was never released",
                slot->owner, rl__sub_sat(now, slot->taken_at) / RL_MILLISECOND);
}

void rl_pool_free(rl_pool *pool)
{
    if (!rl__pool_is_ours(pool))
        return;
    rl__lock(&pool->lock);
    pool->locked.inside++;
    close_locked(pool);
    rl__unlock(&pool->lock);
    name_forgotten(pool);
    rl__lock(&pool->lock);
    pool->locked.freed = 1;
    rl__pool_leave(pool);
}

rl_time rl_pool_now(const rl_pool *pool)
{
    return pool == NULL ? 0 : rl__now(&pool->env);
}

/* ---- taking and giving back ---- */

static rl_status try_locked(rl_pool *pool, uint64_t owner, rl_time now, uint64_t *id)
{
    if (pool->locked.closed)
        return RL_E_CLOSED;
    rl__pool_serve(pool, now); /* whoever waits still after this, there is no slot for him */
    return rl__slots_take(pool->locked.slots, owner, pool->lease, now, id);
}

rl_status rl_pool_try_acquire(rl_pool *pool, uint64_t owner, rl_time now, rl_slot *slot,
                              rl_time *retry_at)
{
    uint64_t id = 0;
    rl_status st;

    if (retry_at != NULL)
        *retry_at = RL_NEVER;
    if (slot == NULL)
        return RL_E_INVALID;
    *slot = (rl_slot){ NULL, 0 };
    if (!rl__pool_is_ours(pool))
        return RL_E_INVALID;
    rl__lock(&pool->lock);
    st = try_locked(pool, owner, now, &id);
    if (st == RL_OK)
        *slot = (rl_slot){ pool, id };
    else if (st == RL_WAIT && retry_at != NULL)
        *retry_at = rl__slots_next_expiry(pool->locked.slots);
    rl__unlock(&pool->lock);
    return st;
}

static void learn(rl_pool *pool, const struct rl__slot *slot, rl_slot_outcome outcome,
                  rl_duration latency, rl_time now)
{
    struct rl__adaptive_sample sample = {
        .outcome = outcome == RL_SLOT_SUCCESS      ? RL__ADAPTIVE_SUCCESS
                   : outcome == RL_SLOT_OVERLOADED ? RL__ADAPTIVE_OVERLOADED
                                                   : RL__ADAPTIVE_NEUTRAL,
        .started_at = slot->taken_at,
        .latency = latency != 0 ? latency : rl__sub_sat(now, slot->taken_at),
        .in_flight = rl__max(slot->in_flight, pool->locked.slots->held),
    };

    pool->locked.slots->size = rl__adaptive_sample(&pool->locked.adaptive, &sample, now);
}

rl_status rl_pool_release(const rl_slot *slot, rl_slot_outcome outcome, rl_duration latency,
                          rl_time now)
{
    struct rl__slot *held;
    rl_pool *pool;

    if (slot == NULL || (unsigned)outcome > RL_SLOT_NEUTRAL)
        return RL_E_INVALID;
    if ((pool = slot->pool) == NULL)
        return RL_E_ENDED; /* one that was never acquired */
    if (!rl__pool_is_ours(pool))
        return RL_E_INVALID;
    rl__lock(&pool->lock);
    held = rl__slots_find(pool->locked.slots, slot->id);
    if (held != NULL) {
        if (pool->is_adaptive)
            learn(pool, held, outcome, latency, now);
        rl__slots_give_back(pool->locked.slots, held);
        rl__pool_serve(pool, now);
    }
    rl__unlock(&pool->lock);
    return held != NULL ? RL_OK : RL_E_ENDED;
}

rl_status rl_pool_renew(const rl_slot *slot, rl_time now)
{
    struct rl__slot *held;

    if (slot == NULL)
        return RL_E_INVALID;
    if (slot->pool == NULL)
        return RL_E_ENDED;
    if (!rl__pool_is_ours(slot->pool))
        return RL_E_INVALID;
    rl__lock(&slot->pool->lock);
    held = rl__slots_find(slot->pool->locked.slots, slot->id);
    if (held != NULL)
        rl__slots_renew(slot->pool->locked.slots, held, slot->pool->lease, now);
    rl__unlock(&slot->pool->lock);
    return held != NULL ? RL_OK : RL_E_ENDED;
}

size_t rl_pool_cancel(rl_pool *pool, uint64_t owner)
{
    struct rl__pool_waiter *next;
    size_t count = 0;

    if (!rl__pool_is_ours(pool))
        return 0;
    rl__lock(&pool->lock);
    for (struct rl__pool_waiter *waiter = pool->locked.first; waiter != NULL; waiter = next) {
        next = waiter->next;
        if (waiter->owner != owner)
            continue;
        rl__pool_end_waiter(pool, waiter, RL_E_CANCELLED);
        count++;
    }
    rl__unlock(&pool->lock);
    return count;
}

size_t rl_pool_evict(rl_pool *pool, uint64_t owner, rl_time now)
{
    size_t count;

    if (!rl__pool_is_ours(pool))
        return 0;
    rl__lock(&pool->lock);
    count = (size_t)rl__slots_give_back_all(pool->locked.slots, owner);
    rl__pool_serve(pool, now);
    rl__unlock(&pool->lock);
    return count;
}

/* ---- size ---- */

static rl_status make_room(rl_pool *pool, uint64_t capacity)
{
    struct rl__slots *slots;

    if (capacity <= pool->locked.slots->capacity)
        return RL_OK;
    slots = rl__resize(&pool->env, pool->locked.slots, 1, rl__slots_bytes(capacity));
    if (slots == NULL)
        return RL_E_NOMEM;
    pool->locked.slots = slots;
    rl__slots_extend(slots, capacity);
    return RL_OK;
}

static rl_status resize_locked(rl_pool *pool, uint64_t slots, rl_time now)
{
    struct rl__adaptive *adaptive = &pool->locked.adaptive;
    rl_status st;

    if (pool->is_adaptive && slots < adaptive->min)
        return RL_E_INVALID;
    if ((st = make_room(pool, slots)) != RL_OK)
        return st;
    if (pool->is_adaptive) {
        rl__adaptive_bound(adaptive, adaptive->min, slots, now);
        pool->locked.slots->size = adaptive->window;
    } else {
        pool->locked.slots->size = slots;
    }
    rl__pool_serve(pool, now);
    return RL_OK;
}

rl_status rl_pool_resize(rl_pool *pool, uint64_t slots, rl_time now)
{
    rl_status st;

    if (!rl__pool_is_ours(pool) || slots == 0 || slots > RL__SLOTS_MAX)
        return RL_E_INVALID;
    rl__lock(&pool->lock);
    st = resize_locked(pool, slots, now);
    rl__unlock(&pool->lock);
    return st;
}

/* ---- reports ---- */

static void fill_state(rl_pool *pool, rl_time now, rl_pool_state *state)
{
    const struct rl__slot *oldest;

    (void)rl__slots_expire(pool->locked.slots, now);
    rl__pool_serve(pool, now);
    oldest = rl__slots_taken_after(pool->locked.slots, 0);
    state->slots = pool->locked.slots->size;
    state->in_use = pool->locked.slots->held;
    state->waiting = pool->locked.waiting;
    state->expired = pool->locked.slots->expired;
    state->oldest_owner = oldest == NULL ? 0 : oldest->owner;
    state->oldest_age = oldest == NULL ? 0 : rl__sub_sat(now, oldest->taken_at);
    state->latency = pool->locked.adaptive.baseline;
}

rl_status rl_pool_state_get(rl_pool *pool, rl_time now, rl_pool_state *state)
{
    rl_pool_state own = RL_POOL_STATE_INIT;
    size_t size;

    if (!rl__pool_is_ours(pool) || state == NULL || state->size < sizeof(size_t))
        return RL_E_INVALID;
    rl__lock(&pool->lock);
    fill_state(pool, now, &own);
    rl__unlock(&pool->lock);
    size = state->size;
    memcpy(state, &own, size < sizeof own ? size : sizeof own);
    state->size = size;
    return RL_OK;
}

rl_status rl_pool_holders(rl_pool *pool, rl_time now, rl_pool_holder *holders, size_t *count)
{
    const struct rl__slot *slot = NULL;
    size_t room, written = 0;

    if (!rl__pool_is_ours(pool) || count == NULL || (holders == NULL && *count > 0))
        return RL_E_INVALID;
    room = *count;
    rl__lock(&pool->lock);
    (void)rl__slots_expire(pool->locked.slots, now);
    rl__pool_serve(pool, now);
    while (written < room && (slot = rl__slots_taken_after(pool->locked.slots,
                                                           slot == NULL ? 0 : slot->order)) != NULL)
        holders[written++] =
            (rl_pool_holder){ slot->owner, rl__sub_sat(now, slot->taken_at), slot->expires };
    rl__unlock(&pool->lock);
    *count = written;
    return RL_OK;
}
