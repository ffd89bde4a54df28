/* SPDX-License-Identifier: MIT */
/* A provider's circuit breaker within a context. Attempts ask it; a bare rl_acquire() does not. */
#ifndef LLMRL_SRC_GUARD_H
#define LLMRL_SRC_GUARD_H

#include "context/attempt.h"
#include "context/context.h"

/* While all probes are out, who waits looks again after this long: a report may free a place, or
 * close it, at any time. */
#define RL__GUARD_LOOK (100 * RL_MILLISECOND)

/* Gives a new provider its breaker, if the configuration asks for one. */
rl_status rl__guard_new(rl_context *rl, struct rl__provider *provider);
/* Ends all of them. Before the registry's providers go. */
void rl__guards_free(rl_context *rl);
/* When an attempt may leave as far as the breaker goes: `now`, later, or RL_NEVER. */
rl_time rl__guard_when(const struct rl__lane *lane, rl_time now);
/* The same for whoever may go elsewhere, and need not look again: RL_NEVER while all probes are
 * out, as nobody knows. *by_hand: it is held open, for ever as it seems. */
rl_time rl__guard_start(const struct rl__lane *lane, rl_time now, int *by_hand);
/* An attempt that has its permit takes its leave from the breaker. 0: no, see rl__guard_when(). */
int rl__guard_enter(const struct rl__lane *lane, struct rl__course *course, rl_time now);
/* What came of it; nothing if it never entered. `open_until`: what a failure said of that; 0:
 * nothing. */
void rl__guard_leave(struct rl__course *course, rl_breaker_outcome outcome, rl_time open_until,
                     rl_time now);

#endif
