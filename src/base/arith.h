/* SPDX-License-Identifier: MIT */
/* Saturating steps and 128-bit multiply-divide, rounded down or up. All inline: the core is made of
 * them. */
#ifndef LLMRL_SRC_ARITH_H
#define LLMRL_SRC_ARITH_H

#include "base/rl_assert.h"

#include <stdint.h>

__extension__ typedef unsigned __int128 rl__u128;

/* A condition that hardly ever holds: what follows from it costs the others nothing. */
#define RL__RARE(condition) __builtin_expect((condition) != 0, 0)

static inline uint64_t rl__add_sat(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint64_t rl__sub_sat(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static inline uint64_t rl__mul_sat(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static inline uint64_t rl__narrow_sat(rl__u128 value)
{
    return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

/* floor(a * b / c), saturated; c > 0. */
static inline uint64_t rl__mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    RL_ASSERT(c > 0);
    return rl__narrow_sat((rl__u128)a * b / c);
}

/* ceil(a * b / c), saturated; c > 0. */
static inline uint64_t rl__mul_div_up(uint64_t a, uint64_t b, uint64_t c)
{
    rl__u128 product = (rl__u128)a * b;

    RL_ASSERT(c > 0);
    return rl__narrow_sat(product / c + (product % c != 0));
}

static inline uint64_t rl__min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t rl__max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
