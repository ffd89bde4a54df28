/* SPDX-License-Identifier: MIT */
/* What an answer changed: the limits of a lane before and after. */
#ifndef LLMRL_SRC_EVENTS_H
#define LLMRL_SRC_EVENTS_H

#include "context/context.h"

struct rl__before {
    size_t count[RL__LANE_SCOPES];
    struct {
        uint64_t amount, pace;
        uint64_t rate; /* of one that is searched for; 0: idle, or none */
    } entry[RL__LANE_SCOPES][RL__SCOPE_ENTRIES];
};

#define RL__CHANGES_MAX 16
struct rl__change_seen {
    const char *scope;
    uint32_t kind, dimension;
    uint64_t before, after;
    rl_duration period;
    uint64_t rate_before, rate_after; /* of one that is searched for; see scope/search.h */
    const char *reason;               /* static */
};
struct rl__changes {
    size_t count; /* at most RL__CHANGES_MAX are kept */
    struct rl__change_seen of[RL__CHANGES_MAX];
};

/* Both under the learning lock. The family's and the model's scopes, and the provider's. */
void rl__events_before(const struct rl__lane *lane, struct rl__before *before);
void rl__events_after(const struct rl__lane *lane, const struct rl__before *before,
                      struct rl__changes *changes);
/* Without any lock: calls rl_options.on_event. */
void rl__events_tell(const rl_context *rl, const struct rl__changes *changes);
void rl__events_tell_gate(const rl_context *rl, const char *scope, const rl_answer *answer,
                          rl_time until);
/* Without any lock: which of several routes an attempt takes that leaves now. */
void rl__events_tell_route(const rl_context *rl, const rl_attempt *attempt, rl_time now);

#endif
