/* SPDX-License-Identifier: MIT */
/* What a request costs in each dimension, before it is sent and after: how each provider counts, as
 * data. */
#ifndef LLMRL_SRC_CHARGE_H
#define LLMRL_SRC_CHARGE_H

#include "scope/scope.h"

struct rl__traits {
    const char *dialect;
    int continuous;         /* documented to refill continuously, with room for a whole period */
    int output_in_tokens;   /* "tokens" are input and output; else input alone */
    int cached_is_free;     /* tokens read from a cache do not count */
    int output_as_produced; /* it counts when it is there; else the declared maximum, at once */
    uint64_t step;          /* reported numbers of tokens are rounded to this; 1: not rounded */
    const char *day_zone;   /* where its days begin at midnight; NULL: UTC */
    int refused_counts;     /* a request that it refused counts as a request all the same */
};

/* Never NULL: what is not known counts as "generic". */
const struct rl__traits *rl__traits_find(const char *dialect);

/* What is assumed when a request declares no cap on its output. */
#define RL__OUTPUT_DEFAULT 1024

/* No single request uses more tokens; a number above is a mistake, and not believed. */
#define RL__USAGE_MAX (UINT64_C(1) << 30)

/* What answers have taught: see calibration.h. */
struct rl__calibration {
    uint64_t input_ratio;  /* to multiply the estimate of the input by, in 1/128 */
    uint64_t output_share; /* of the declared maximum, in 1/64 */
};
void rl__charge_reserve(const struct rl__traits *traits, uint64_t input, uint64_t max_output,
                        const struct rl__calibration *calibration, struct rl__cost *cost);
/* What was used: members that `usage` does not have stay as reserved. */
void rl__charge_used(const struct rl__traits *traits, const struct rl__cost *reserved,
                     const rl_usage *usage, struct rl__cost *cost);
/* What an attempt without a usable answer costs. */
void rl__charge_failed(const struct rl__traits *traits, const struct rl__cost *reserved,
                       uint32_t outcome, uint64_t failure, struct rl__cost *cost);

#endif
