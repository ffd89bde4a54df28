/* SPDX-License-Identifier: MIT */
/*
 * The default generator: SplitMix64 over an atomic counter, whitened with three more secret words.
 * For jitter, hash keys and shuffling; not for secrets that must last. Source: Steele, Lea, Flood:
 * "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
 */
#include "base/atomic.h"
#include "base/env.h"

#include <sys/random.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void rl__random_seed(struct rl__env *env)
{
    uint64_t weak = (uint64_t)rl__default_wall(NULL);

    if (getrandom(env->seed, sizeof env->seed, GRND_NONBLOCK) == (ssize_t)sizeof env->seed)
        return;
    /* Early at boot, or a sandbox without the call: clock and address still keep two processes
     * apart. */
    for (size_t i = 0; i < 4; i++)
        env->seed[i] = mix(weak + i * GOLDEN) ^ mix(rl__default_now(NULL) + (uintptr_t)env);
}

/* The counter gives each caller its own number, whatever the order; the other words never change.
 */
uint64_t rl__random(struct rl__env *env)
{
    uint64_t z;

    if (env->hooks.random != NULL)
        return env->hooks.random(env->hooks.user);
    z = rl__fetch_add(&env->seed[0], GOLDEN);
    return mix(mix(z ^ env->seed[1]) + env->seed[2]) ^ env->seed[3];
}
