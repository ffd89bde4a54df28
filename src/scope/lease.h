/* SPDX-License-Identifier: MIT */
/*
 * A pool of a scope: its concurrency limit, with a memory of who holds a unit and until when, and
 * with a number that may follow what the server takes (scope/adaptive.h). The limiter counts, holds
 * back and is waited at as any other. A unit whose lease has ended goes back to the limiter with
 * the next who asks in one of the scope's lanes; its holder, should it live, gives back none then.
 *
 * Slots are taken last, when the limiters have agreed, and can then not fail: a slot is free for
 * each unit. (Only where the limit was set back by hand it may be that none is: then that one
 * holding has no lease.)
 */
#ifndef LLMRL_SRC_LEASE_H
#define LLMRL_SRC_LEASE_H

#include "base/sync.h"
#include "scope/adaptive.h"
#include "scope/admit.h"
#include "scope/slots.h"

struct rl__lease_rule {
    uint64_t adaptive; /* 1: `slots` is where it begins, between `min` and `max` */
    uint64_t slots, min, max;
    rl_duration lease; /* 0: none */
};

struct rl__leases {
    struct rl__env *env;
    struct rl__lease_rule rule; /* only a change of the limits writes */
    uint64_t next; /* when the first lease ends; RL_NEVER: none will. `lock` writes; atomic */
    struct rl__mutex lock; /* the innermost of all */
    struct {
        struct rl__slots *slots; /* owned */
        struct rl__adaptive adaptive;
    } locked;
};

/* With room for `room` slots at least, whatever the rule says. */
rl_status rl__leases_new(struct rl__env *env, const struct rl__lease_rule *rule, uint64_t room,
                         struct rl__leases **out);
/* NULL is fine. */
void rl__leases_free(struct rl__leases *leases);
/* How many slots it has room for; NULL: 0. */
uint64_t rl__leases_room(const struct rl__leases *leases);
/* Gives a concurrency entry its pool, or another one, which goes on with the holders of the first
 * and frees it. Nobody is inside, and the new one has at least its room. `leases` is the entry's
 * then. */
void rl__entry_lease(struct rl__entry *entry, struct rl__leases *leases, rl_time now);
/* Whether its number moves. */
int rl__entry_adapts(const struct rl__entry *entry);

/* ---- by whoever is inside a lane ---- */

/* Some lane may have a pool; else none of these has anything to do. */
static inline int rl__lane_may_lease(const struct rl__lane *lane)
{
    return lane->traffic != NULL && rl__load(&lane->traffic->pools) != 0;
}
/* Gives back what has ended by `now`. */
void rl__lane_reclaim(const struct rl__lane *lane, rl_time now);
/* After the limiters have given: takes the slots, for `owner`, and notes them in `taken`. */
void rl__lane_lease(const struct rl__lane *lane, uint64_t owner, rl_time now,
                    struct rl__taken *taken);
/* Held back by a pool: that may end with a lease, or sooner. */
void rl__lease_plan(struct rl__refusal *refusal);
/* A holding of `entry` is over, and was as `outcome` says. 0: its lease had ended, and its unit is
 * the limiter's already. */
int rl__lease_end(struct rl__entry *entry, uint64_t id, enum rl__adaptive_outcome outcome,
                  rl_time now);

#endif
