/* SPDX-License-Identifier: MIT */
/* How an attempt takes one of several routes; the fronts are attempt.c's, which waits, and
 * attempt_submit.c's, which is driven by events. */
#ifndef LLMRL_SRC_ATTEMPT_ROUTE_H
#define LLMRL_SRC_ATTEMPT_ROUTE_H

#include "context/routes.h"

/* So often it looks for a better way, when it has waited in vain. */
#define RL__TURNS 8

/* Where it is about to ask. */
void rl__set_out(rl_attempt *attempt, const struct rl__routes *routes,
                 const struct rl__route_choice *choice);
void rl__set_out_as_named(rl_attempt *attempt, const struct rl__ask *ask);
/* What uses up no attempt needs no budget either: after a refusal the gate paces all of them. */
rl_status rl__take_budget(rl_context *rl, int counted, rl_time now, rl_time *retry_at);
/* Which way now. RL_OK: choice->index; a round that begins again begins here. RL_E_NOT_FOUND: all
 * are in `skip`. RL_E_BUDGET. */
rl_status rl__choose(rl_context *rl, struct rl__routes *routes, rl_attempt *attempt, uint64_t skip,
                     rl_time now, struct rl__route_choice *choice);
/* How long it may wait there, before it looks around again. RL_OK: *ask is what to ask. */
rl_status rl__set_bounds(const struct rl__routes *routes, const struct rl__route_choice *choice,
                         unsigned turn, rl_attempt *attempt, rl_time now, struct rl__ask *ask);
/* Ends that another route may not share. */
int rl__ends_on_route(rl_status st);
/* Those of them that more time might have kept away. */
int rl__ends_on_time(rl_status st);

/* Of several ends the one that speaks of the earliest time. */
struct rl__ending {
    rl_status status; /* RL_OK: none yet */
    rl_permit permit; /* holds nothing */
    rl_route route;
};
void rl__ending_keep(struct rl__ending *ending, const rl_attempt *attempt, rl_status st);
rl_status rl__ending_use(const struct rl__ending *ending, rl_attempt *attempt);

#endif
