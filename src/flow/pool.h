/* SPDX-License-Identifier: MIT */
/* A pool: slots, the window, and the threads that wait for them. */
#ifndef LLMRL_SRC_POOL_H
#define LLMRL_SRC_POOL_H

#include <llmrl/pool.h>

#include "base/sync.h"
#include "scope/adaptive.h"
#include "scope/slots.h"

/* A thread in rl_pool_acquire(), on its stack. */
struct rl__pool_waiter {
    struct rl__condition wake;
    struct rl__pool_waiter *next, *previous;
    uint64_t owner;
    rl_time deadline;
    uint64_t id; /* the slot, once there is one */
    int done;    /* not in line any more; `status` says why */
    rl_status status;
};

struct rl_pool {
    struct rl__env env;
    rl_duration lease;
    uint64_t max_waiting;
    int is_adaptive;
    struct rl__mutex lock;
    struct {
        struct rl__slots *slots;
        struct rl__adaptive adaptive; /* only if is_adaptive */
        struct rl__pool_waiter *first, *last;
        uint64_t waiting;
        uint64_t inside; /* threads that will touch this struct again */
        int closed;
        int freed; /* the last one inside gives the memory back */
    } locked;
};

/* Not NULL, and no copy in a child of fork(), where nobody may be left to open the lock. */
static inline int rl__pool_is_ours(const rl_pool *pool)
{
    return pool != NULL && !rl__env_is_forked(&pool->env);
}

/* All under the lock. */
/* Gives slots to those who wait, in order, as long as there are any. */
void rl__pool_serve(rl_pool *pool, rl_time now);
/* Takes a waiter out of the line. */
void rl__pool_end_waiter(rl_pool *pool, struct rl__pool_waiter *waiter, rl_status status);
/* Unlocks, and may free the pool. */
void rl__pool_leave(rl_pool *pool);

#endif
