/* SPDX-License-Identifier: MIT */
/*
 * By which of several routes a request leaves. Pure: (what is known of each, now) -> which, when,
 * and why. No state, no clock, no memory.
 *
 * Of the first rank that has anybody untried in this round, whoever can start within `stay` is
 * taken: the one at home first, then by weight among those that start now, then the earliest. If
 * none can, whoever is first of all ranks. The round is over when nobody untried is left, or none
 * that starts before those who were tried might start again.
 */
#ifndef LLMRL_SRC_ROUTE_H
#define LLMRL_SRC_ROUTE_H

#include <llmrl/llmrl.h>

#define RL__ROUTE_WEIGHT_MAX UINT64_C(1000000)

struct rl__route_candidate {
    rl_time start;   /* its earliest, as far as is known; RL_NEVER: not known */
    uint64_t rank;   /* 0: the first in the chain; keys of one provider have the same */
    uint64_t weight; /* its share among those of its rank: 1 ... RL__ROUTE_WEIGHT_MAX */
    uint64_t id;     /* a hash of what it is called: who is at home there stays so */
    int tried;       /* in this round */
    int out;         /* it can never serve this request */
};

struct rl__route_rules {
    rl_time now;
    rl_duration stay;  /* so long a start is waited for rather than going elsewhere */
    rl_time again;     /* those who were tried may not start before */
    uint64_t draw;     /* spread evenly over all requests: see rl__route_draw() */
    uint64_t affinity; /* a hash of whose conversation it is; 0: nobody's */
};

struct rl__route_choice {
    size_t index;
    rl_time start; /* not before `now`; RL_NEVER: not known */
    uint32_t reason;
    uint32_t is_new_round;
    rl_time first_start; /* when the first of all could; RL_NEVER: never, or not known */
};

/* 0: all are out, and *choice is as it was. */
int rl__route_choose(const struct rl__route_candidate *candidates, size_t count,
                     const struct rl__route_rules *rules, struct rl__route_choice *choice);

/* Goes before the route's name: "as the first that could start by", ... */
const char *rl__route_reason_text(uint64_t reason);

/* The nth request's place in [0, 2^64): of any requests that follow one another at one distance,
 * each share of that range gets its share, up to a few. Source: Weyl's equidistribution of the
 * multiples of the golden ratio. */
static inline uint64_t rl__route_draw(uint64_t sequence)
{
    return sequence * UINT64_C(0x9e3779b97f4a7c15);
}

#endif
