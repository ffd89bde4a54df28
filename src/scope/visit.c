/* SPDX-License-Identifier: MIT */
/* Owns the count of who is inside. */
#include "scope/visit.h"

#include "limiter/limiter.h"

/* Threads have stacks apart: so they mostly count in places apart. */
static uint64_t *slot_of_thread(struct rl__traffic *traffic)
{
    uint64_t here = (uint64_t)(uintptr_t)&traffic >> 12;

    return &traffic->slot[here * UINT64_C(0x9e3779b97f4a7c15) >> 60].inside;
}
_Static_assert(RL__TRAFFIC_SLOTS == 16, "four bits choose one");

struct rl__visit rl__lane_enter(const struct rl__lane *lane)
{
    struct rl__traffic *traffic = lane->traffic;
    struct rl__visit visit = { 0, NULL };

    if (traffic == NULL)
        return visit;
    visit.slot = slot_of_thread(traffic);
    for (;;) {
        uint64_t revision;

        (void)rl__count_ordered(visit.slot, 1);
        revision = rl__load_ordered(&traffic->revision);
        visit.generation = rl__generation_of(revision);
        if (revision % 2 == 0)
            return visit;
        (void)rl__count_ordered(visit.slot, UINT64_MAX);
        rl__traffic_wait(traffic);
    }
}

void rl__lane_leave_counted(const struct rl__visit *visit)
{
    (void)rl__count_ordered(visit->slot, UINT64_MAX);
}

void rl__traffic_wait(const struct rl__traffic *traffic)
{
    unsigned turn = 0;

    while (rl__load_acquire(&traffic->revision) % 2 != 0)
        rl__relax(&turn);
}

void rl__traffic_clear(const struct rl__traffic *traffic, struct rl__tenants *tenants)
{
    unsigned turn = 0;

    for (size_t i = 0; i < RL__TRAFFIC_SLOTS; i++)
        while (rl__load_ordered(&traffic->slot[i].inside) != 0)
            rl__relax(&turn);
    for (size_t k = 0; k < RL__TENANT_KINDS; k++)
        rl__tenants_pass(&tenants[k]);
}
