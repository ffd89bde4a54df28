/* SPDX-License-Identifier: MIT */
/* A mutex, and a condition with a deadline on the clock of rl__now(). */
#ifndef LLMRL_SRC_SYNC_H
#define LLMRL_SRC_SYNC_H

#include "base/atomic.h"
#include "base/env.h"

#include <pthread.h>

struct rl__mutex {
    pthread_mutex_t raw;
};
struct rl__condition {
    pthread_cond_t raw; /* on CLOCK_MONOTONIC */
};

rl_status rl__mutex_init(struct rl__mutex *mutex);
void rl__mutex_deinit(struct rl__mutex *mutex);
void rl__lock(struct rl__mutex *mutex);
void rl__unlock(struct rl__mutex *mutex);

/* One word, for what is held for less than a microsecond. All zero: free. */
struct rl__spin {
    uint64_t held;
};
void rl__spin_wait(struct rl__spin *spin);
static inline void rl__spin_lock(struct rl__spin *spin)
{
    if (rl__swap(&spin->held, 1) != 0)
        rl__spin_wait(spin);
}
static inline void rl__spin_unlock(struct rl__spin *spin)
{
    rl__store_release(&spin->held, 0);
}
/* Once more in vain; *turn is 0 at first. Asks again, then lets others run, then sleeps: so whoever
 * was interrupted gets the processor, whatever the priorities are. */
void rl__relax(unsigned *turn);

rl_status rl__condition_init(struct rl__condition *condition);
void rl__condition_deinit(struct rl__condition *condition);
void rl__wake_one(struct rl__condition *condition);
void rl__wake_all(struct rl__condition *condition);
/* Waits until woken or `until`; may return early for no reason. RL_NEVER: until woken. With a clock
 * or a sleep of the user's (env->hooks) it asks that instead, the mutex released. */
void rl__wait_until(struct rl__condition *condition, struct rl__mutex *mutex,
                    const struct rl__env *env, rl_time until);

#endif
