/* SPDX-License-Identifier: MIT */
/*
 * Whoever takes or settles is inside while he does; whoever changes limits waits until nobody is:
 * so each sees all of a change, or nothing.
 *
 * Who holds no tenant counts himself in, and then looks whether the limits are changing. Who does
 * is inside by the lock of that shard, and only looks: the changer passes through all these locks.
 * Nobody inside waits for the registry's lock or a learning lock.
 */
#ifndef LLMRL_SRC_VISIT_H
#define LLMRL_SRC_VISIT_H

#include "scope/scope.h"

struct rl__visit {
    uint64_t generation; /* of the limits */
    uint64_t *slot;      /* where it is counted; NULL: nowhere */
};

/* Waits while the limits change. */
struct rl__visit rl__lane_enter(const struct rl__lane *lane);
/* For who holds a tenant. 0: the limits are changing. Let it go, rl__traffic_wait(), and hold it
 * anew. */
static inline int rl__lane_enter_held(const struct rl__lane *lane, struct rl__visit *visit)
{
    uint64_t revision = lane->traffic == NULL ? 0 : rl__load_acquire(&lane->traffic->revision);

    visit->generation = rl__generation_of(revision);
    visit->slot = NULL;
    return revision % 2 == 0;
}
void rl__lane_leave_counted(const struct rl__visit *visit);
static inline void rl__lane_leave(const struct rl__visit *visit)
{
    if (visit->slot != NULL)
        rl__lane_leave_counted(visit);
}

/* Until the limits are not being changed. */
void rl__traffic_wait(const struct rl__traffic *traffic);
/* For who has just made the revision odd: until those who came in before are out. `tenants`: of
 * each kind. */
void rl__traffic_clear(const struct rl__traffic *traffic, struct rl__tenants *tenants);

#endif
