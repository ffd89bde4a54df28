/* SPDX-License-Identifier: MIT */
/* A virtual clock: time moves when a test says so, or when somebody sleeps. All from one seed, so
 * every run is alike. */
#ifndef LLMRL_TEST_VCLOCK_H
#define LLMRL_TEST_VCLOCK_H

#include <llmrl/base.h>

#include "base/atomic.h"

#include <stdlib.h>

/* Zero is a fine start but for `now`: at 0, a moment in the past cannot be written. */
struct vclock {
    uint64_t now;     /* any thread may read and move it through the functions below */
    int64_t epoch;    /* the calendar at now == 0, ns */
    uint64_t random;  /* the state of the generator: a seed */
    uint64_t sleeps;  /* how often somebody slept */
    rl_time slept_to; /* and until when, the last time */
};

static inline rl_time vclock_now(void *user)
{
    return rl__load(&((struct vclock *)user)->now);
}

static inline rl_wall_time vclock_wall(void *user)
{
    struct vclock *clock = user;
    return clock->epoch + (rl_wall_time)rl__load(&clock->now);
}

/* SplitMix64 */
static inline uint64_t vclock_random(void *user)
{
    const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = rl__fetch_add(&((struct vclock *)user)->random, golden) + golden;

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Moves the clock to `until`; a sleep without end is a mistake that must show, not hang. */
static inline void vclock_sleep_until(void *user, rl_time until)
{
    struct vclock *clock = user;

    if (until == RL_NEVER)
        abort();
    (void)rl__fetch_add(&clock->sleeps, 1);
    rl__store(&clock->slept_to, until);
    rl__raise_to(&clock->now, until);
}

static inline void vclock_advance(struct vclock *clock, rl_duration span)
{
    (void)rl__fetch_add(&clock->now, span);
}

static inline rl_hooks vclock_hooks(struct vclock *clock)
{
    rl_hooks hooks = RL_HOOKS_INIT;

    hooks.user = clock;
    hooks.now = vclock_now;
    hooks.wall = vclock_wall;
    hooks.random = vclock_random;
    hooks.sleep_until = vclock_sleep_until;
    return hooks;
}

#endif
