/* SPDX-License-Identifier: MIT */
/* Random traffic for property tests: a seed, numbers of every size, a clock that goes where it
 * matters. */
#ifndef LLMRL_TEST_TRAFFIC_H
#define LLMRL_TEST_TRAFFIC_H

#include "vclock.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define FAR (UINT64_C(1) << 58)

struct traffic {
    struct vclock dice;
    uint64_t seed;
    rl_time start, now, hint; /* hint: the last retry_at; 0: none */
    rl_duration unit, period; /* typical steps */
    int steps_back;
};

static inline uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static inline void traffic_begin(struct traffic *t, uint64_t otherwise)
{
    t->seed = number_from("LLMRL_SEED", otherwise);
    t->dice.random = t->seed;
    print_message("LLMRL_SEED=%" PRIu64 "\n", t->seed);
}

static inline uint64_t roll(struct traffic *t, uint64_t sides)
{
    return sides == 0 ? 0 : vclock_random(&t->dice) % sides;
}

/* Evenly spread in its number of bits: 1 ... 2^bits. */
static inline uint64_t roll_bits(struct traffic *t, uint64_t bits)
{
    return 1 + roll(t, UINT64_C(1) << roll(t, bits + 1));
}

/* 1: the clock has stepped back. */
static inline int traffic_move(struct traffic *t)
{
    rl_time was = t->now;

    switch (roll(t, 9)) {
    case 0:
    case 1:
        break;
    case 2:
        t->now += roll(t, 2 * t->unit);
        break;
    case 3:
        t->now += roll(t, t->period / (1 + roll(t, 20)) + 1);
        break;
    case 4:
        t->now = t->hint > t->now && t->hint < FAR ? t->hint : t->now;
        break;
    case 5:
        t->now = t->hint > t->now && t->hint < FAR ? t->hint - 1 : t->now;
        break;
    case 6:
        t->now += roll_bits(t, 10);
        break;
    case 7:
        t->now += t->period - roll(t, 2);
        break;
    default:
        if (t->steps_back && roll(t, 2) == 0)
            t->now -= roll(t, (roll(t, 2) ? t->unit : t->now - t->start) + 1);
        break;
    }
    if (t->now < t->start || t->now > FAR)
        t->now = t->steps_back ? t->start : was;
    return t->now < was;
}

#endif
