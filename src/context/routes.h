/* SPDX-License-Identifier: MIT */
/* The routes of one request within a context: which there are, when each could start, and which is
 * taken. flow/route.h owns the rule. */
#ifndef LLMRL_SRC_ROUTES_H
#define LLMRL_SRC_ROUTES_H

#include "context/attempt.h"
#include "context/config_route.h"
#include "context/context.h"
#include "flow/route.h"

struct rl__way {
    struct rl__ask ask;
    uint64_t rank, weight, id; /* see struct rl__route_candidate */
};

struct rl__routes {
    rl_duration stay;
    uint64_t affinity;
    size_t count; /* at least 1: the first is what the request names, or a key of that */
    struct rl__way of[RL__ROUTES_MAX];
};

/* The request, or it with the first of the keys that it may leave by, in *own: so nobody asks where
 * nothing leaves. */
const rl_request *rl__route_named(const rl_context *rl, const rl_request *request, rl_request *own);
/* Which there are. What of its course speaks of others than these is forgotten. */
rl_status rl__routes_read(rl_context *rl, const rl_request *request, struct rl__course *course,
                          rl_time now, struct rl__routes *routes);
/* The back-off comes before the wait in the queue, and does not count as that. */
void rl__routes_delay(struct rl__routes *routes, rl_duration by);
/* A copy as large as need be, to be freed; NULL: out of memory. */
struct rl__routes *rl__routes_keep(rl_context *rl, const struct rl__routes *routes);
/* Bit n of `skip`: not the nth. 0: there is none. */
int rl__routes_choose(rl_context *rl, const struct rl__routes *routes,
                      const struct rl__course *course, uint64_t skip, rl_time now,
                      struct rl__route_choice *choice);
/* By which an attempt leaves. The strings are the context's. */
void rl__route_of(const struct rl__lane *lane, uint64_t reason, rl_route *route);
/* Whether an answer that ends the matter on one route leaves hope on another. */
int rl__route_may_help(const rl_verdict *verdict, uint64_t failure, rl_duration max_hint);

#endif
