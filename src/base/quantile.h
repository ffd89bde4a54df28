/* SPDX-License-Identifier: MIT */
/* A running quantile of ratios, in one word. */
#ifndef LLMRL_SRC_QUANTILE_H
#define LLMRL_SRC_QUANTILE_H

#include <stdint.h>

/*
 * Follows the ratio below which a given share of (actual / expected) lies.
 *
 * The first RL__QUANTILE_TRIAL pairs are only looked at: what they need most is where it begins, as
 * nothing is known of their distribution yet. From then on a pair above moves it up by `step` times
 * the share, one below moves it down by `step` times the rest: it rests where both balance, which
 * is at the quantile. Pairs within 1/256 below count as met, so that a ratio which is always the
 * same is not left. Steps shrink to 1/64 while pairs alternate, and double when so many in a row
 * lie on one side as chance hardly explains: so a new truth, eight times as large or as small, is
 * found again within some 200 pairs. Single outliers move it by one step at most.
 *
 * Bound, which prop_quantile checks: of ratios that spread like those of real estimates, the share
 * at or below it is within 0.03 of the one asked for. Source: stochastic approximation, H. Robbins
 * and S. Monro, 1951, with the steps of H. Kesten, 1958.
 *
 * The word: ratio 32 bits; then 5 bits for how many of the trial were seen, and 27 for the largest
 * of them or, after the trial, for the step (16), the side (1) and the length (10) of the last run.
 */
#define RL__QUANTILE_ONE   65536u
#define RL__QUANTILE_TRIAL 16

struct rl__quantile {
    uint32_t share;       /* in 1/1024; 1 ... 1023 */
    uint32_t least, most; /* of the ratio, in 1/65536; `most` below 2^27 */
    int at_once;          /* during the trial, too, it is never below what was seen */
};

static inline uint64_t rl__quantile_start(uint32_t ratio)
{
    return (uint64_t)ratio << 32;
}

/* In 1/65536. */
static inline uint32_t rl__quantile_ratio(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/* The word after one more pair; as it was if either is 0. */
uint64_t rl__quantile_learn(const struct rl__quantile *rule, uint64_t word, uint64_t expected,
                            uint64_t actual);

#endif
