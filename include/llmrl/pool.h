/* SPDX-License-Identifier: MIT */
/**
 * @file pool.h
 * So many calls at once, and no more: slots that are taken and given back. With a fixed number, or
 * one that follows what the server takes, for servers that announce no limits. Usable without a
 * context.
 *
 *     if (rl_pool_acquire(pool, my_id, 30 * RL_SECOND, &slot) != RL_OK) ...
 *     ... one call ...
 *     rl_pool_release(&slot, RL_SLOT_SUCCESS, 0, rl_pool_now(pool));
 *
 * A slot is held by an owner, a number of yours, and may be a lease: then one whose holder died
 * comes back at its end, to the next who asks. It can be given back once: who does it again, or too
 * late, changes nothing. Those who wait are served in order; who asks without waiting does not pass
 * them. Neither a signal nor a wake-up for no reason ends the waiting, and a lease goes on while
 * the machine is suspended.
 *
 * A child of fork() must not use the pool: there, all that returns a status returns RL_E_INVALID,
 * and nothing else does anything.
 */
#ifndef LLMRL_POOL_H
#define LLMRL_POOL_H

#include <llmrl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rl_pool rl_pool;

/** A slot that you hold; a value, may be copied. */
typedef struct rl_slot {
    rl_pool *pool;
    uint64_t id; /* never used again; 0: none */
} rl_slot;

/** What a call tells about the load of the server. */
typedef enum rl_slot_outcome {
    RL_SLOT_SUCCESS = 0,
    RL_SLOT_OVERLOADED = 1, /* 429, 503, 529, or a timeout of the server's */
    RL_SLOT_NEUTRAL = 2     /* nothing: cancelled, a bad request, no network */
} rl_slot_outcome;

typedef enum rl_pool_kind {
    RL_POOL_FIXED = 0,
    /* The number follows refusals and latency; src/scope/adaptive.h says how. For servers whose
     * limit is not known: where it is, say it. */
    RL_POOL_ADAPTIVE = 1
} rl_pool_kind;

typedef struct rl_pool_options {
    size_t size;           /* set by RL_POOL_OPTIONS_INIT */
    const rl_hooks *hooks; /* copied; NULL: the defaults */
    uint64_t slots;        /* 0: 10, adaptive: 4 or as near as the bounds allow; at most 65 536 */
    uint64_t kind;         /* rl_pool_kind */
    uint64_t min_slots;    /* adaptive: never fewer; 0: 1 */
    uint64_t max_slots;    /* adaptive: never more; 0: 256, or min_slots if that is more */
    rl_duration lease;     /* 0: none, a slot is held until it is released */
    uint64_t max_waiting;  /* threads; 0: 1024 */
} rl_pool_options;

static inline rl_pool_options rl_pool_options_init_(void)
{
    rl_pool_options options = RL_ZERO_;
    options.size = sizeof options;
    return options;
}
#define RL_POOL_OPTIONS_INIT rl_pool_options_init_()

/**
 * Makes a pool.
 * @param options  NULL: all defaults; borrowed for this call.
 * @param out      not NULL; written on every return: NULL but for RL_OK.
 * @retval RL_E_INVALID  a number out of range, bounds that contradict each other or the number of
 *                       slots, or bounds for a fixed pool.
 * @retval RL_E_TOO_NEW  the options have fields that this library does not know.
 * @retval RL_E_NOMEM    nothing was made.
 * Threads: any.  Blocks: no.  Allocates: yes; later only rl_pool_resize() does.  Since: 0.1.
 */
RL_API rl_status rl_pool_new(const rl_pool_options *options, rl_pool **out);

/** The pool's clock. All times of one pool are of one clock: this one, or another that is given to
 * all calls, where rl_pool_acquire() is not used. */
RL_API rl_time rl_pool_now(const rl_pool *pool);

/**
 * Takes a slot if one is free and nobody waits for it.
 *
 * @param owner     yours, for rl_pool_holders(), rl_pool_cancel() and rl_pool_evict().
 * @param slot      not NULL; written on every return; id 0 but for RL_OK.
 * @param retry_at  when the first lease ends, if no slot comes back before; RL_NEVER: no lease
 * will; NULL: not wanted.
 * @retval RL_WAIT      none is free.
 * @retval RL_E_CLOSED  the pool is closing.
 * Threads: any, at once too.  Blocks: no.  Allocates: no.  Since: 0.1.
 */
RL_API rl_status rl_pool_try_acquire(rl_pool *pool, uint64_t owner, rl_time now, rl_slot *slot,
                                     rl_time *retry_at);

/**
 * Takes a slot, and waits for it: in order of coming, until it is there or `max_wait` has passed.
 *
 * @param max_wait  0: not at all; RL_NEVER: for ever.
 * @retval RL_E_TIMEOUT     max_wait has passed; at its very end one may still be served.
 * @retval RL_E_CANCELLED   rl_pool_cancel() was called for this owner.
 * @retval RL_E_QUEUE_FULL  as many wait as may wait.
 * @retval RL_E_CLOSED      the pool is closing.
 * @retval RL_E_NOMEM       the system has no more condition variables.
 * Threads: any, at once too.  Blocks: up to max_wait.  Allocates: no.  Since: 0.1.
 */
RL_API rl_status rl_pool_acquire(rl_pool *pool, uint64_t owner, rl_duration max_wait,
                                 rl_slot *slot);

/**
 * Gives a slot back, to the first who waits.
 *
 * @param slot     not NULL; left as it is, and may be released again without harm.
 * @param outcome  an adaptive pool learns from it; a fixed one does not look at it.
 * @param latency  what an adaptive pool judges the load by; 0: the time for which the slot was
 * held. Where the work of calls differs much, as the length of answers does, a latency that does
 * not (the time to the first token, the time for each token) is better.
 * @retval RL_E_ENDED  it has been released before, or its lease has ended and it was taken back.
 *                     Nothing happened: what somebody else holds now is his.
 * Threads: any, at once too.  Blocks: no.  Allocates: no.  Since: 0.1.
 */
RL_API rl_status rl_pool_release(const rl_slot *slot, rl_slot_outcome outcome, rl_duration latency,
                                 rl_time now);

/** Begins the lease anew, now. A lease whose end has passed can be renewed as long as nobody has
 * asked for its slot. RL_E_ENDED: it was taken back, or released. Threads: any. */
RL_API rl_status rl_pool_renew(const rl_slot *slot, rl_time now);

/** Ends all waiting of this owner, with RL_E_CANCELLED. Returns how many there were. Threads: any.
 */
RL_API size_t rl_pool_cancel(rl_pool *pool, uint64_t owner);

/** Takes back all slots of an owner that is known to be dead. Returns how many. Threads: any. */
RL_API size_t rl_pool_evict(rl_pool *pool, uint64_t owner, rl_time now);

/**
 * Changes the number of slots, or, of an adaptive pool, the most there may be. Nobody loses a slot:
 * where more are held than there may be, nobody gets one until enough have come back.
 *
 * @retval RL_E_INVALID  0, more than 65 536, or fewer than min_slots.
 * @retval RL_E_NOMEM    nothing has changed.
 * Threads: any.  Blocks: no.  Allocates: to grow.  Since: 0.1.
 */
RL_API rl_status rl_pool_resize(rl_pool *pool, uint64_t slots, rl_time now);

typedef struct rl_pool_state {
    size_t size;            /* set by RL_POOL_STATE_INIT */
    uint64_t slots;         /* that may be held now */
    uint64_t in_use;        /* that are held; may be more after a resize */
    uint64_t waiting;       /* threads */
    uint64_t expired;       /* leases that ended and were taken back, ever */
    uint64_t oldest_owner;  /* who has held a slot for the longest time; 0 if nobody does */
    rl_duration oldest_age; /* and for how long */
    rl_duration latency;    /* adaptive: without load, as measured; 0: not known yet */
} rl_pool_state;

static inline rl_pool_state rl_pool_state_init_(void)
{
    rl_pool_state state = RL_ZERO_;
    state.size = sizeof state;
    return state;
}
#define RL_POOL_STATE_INIT rl_pool_state_init_()

/** Leases that have ended by `now` are taken back first. RL_E_INVALID: state->size is not set.
 * Threads: any. */
RL_API rl_status rl_pool_state_get(rl_pool *pool, rl_time now, rl_pool_state *state);

typedef struct rl_pool_holder {
    uint64_t owner;
    rl_duration age;
    rl_time expires; /* RL_NEVER: no lease */
} rl_pool_holder;

/** Who holds slots, the oldest first: where one is forgotten, its owner stands at the top. `count`:
 * in, the room; out, how many were written. Slow: each one looks at all slots. Threads: any. */
RL_API rl_status rl_pool_holders(rl_pool *pool, rl_time now, rl_pool_holder *holders,
                                 size_t *count);

/** Ends all waiting, with RL_E_CLOSED; nobody gets a slot any more. Those held may be released.
 * Threads: any. */
RL_API void rl_pool_close(rl_pool *pool);

/** Closes, and gives the memory back once the last blocked thread has left; never blocks. Slots
 * that are still held are forgotten ones: each is a warning in the log, with its owner and age;
 * they must not be used after this. NULL is fine. Threads: one, the last to call anything. */
RL_API void rl_pool_free(rl_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
