/* SPDX-License-Identifier: MIT */
/* Owns in which order tenants are locked. */
#include "scope/holding.h"

#include "scope/tenants_parts.h"

void rl__let_go_all(struct rl__holding *holding)
{
    while (holding->count > 0)
        rl__tenant_release(&holding->of[--holding->count]);
}

/* Most are there already, and have their tier. */
static inline rl_status hold(const struct rl__who *who, size_t kind, rl_time now,
                             struct rl__held_tenant *held)
{
    struct rl__tenants *tenants = &who->tenants[kind];

    if (who->tier[kind] < 0 && rl__tenant_hold_present(tenants, who->hash[kind], held))
        return RL_OK;
    return rl__tenant_hold(tenants, who->hash[kind], who->tier[kind], now, held);
}

rl_status rl__hold_all(const struct rl__who *who, rl_time now, struct rl__holding *holding)
{
    holding->count = 0;
    for (size_t k = 0; k < RL__TENANT_KINDS; k++) {
        rl_status st;

        if (who->hash[k] == 0 || !rl__tenants_active(&who->tenants[k]))
            continue;
        st = hold(who, k, now, &holding->of[holding->count]);
        if (st != RL_OK) {
            rl__let_go_all(holding);
            return st;
        }
        holding->kind[holding->count++] = (uint8_t)k;
    }
    return RL_OK;
}

void rl__hold_known(struct rl__tenants *tenants, const uint64_t hash[RL__TENANT_KINDS],
                    struct rl__holding *holding)
{
    holding->count = 0;
    for (size_t k = 0; k < RL__TENANT_KINDS; k++)
        if (hash[k] != 0 &&
            rl__tenant_hold_present(&tenants[k], hash[k], &holding->of[holding->count]))
            holding->kind[holding->count++] = (uint8_t)k;
}

int rl__holding_enter(struct rl__holding *holding, const struct rl__lane *lane,
                      struct rl__visit *visit)
{
    if (holding->count == 0) {
        *visit = rl__lane_enter(lane);
        return 1;
    }
    if (rl__lane_enter_held(lane, visit))
        return 1;
    rl__let_go_all(holding);
    rl__traffic_wait(lane->traffic);
    return 0;
}

void rl__holding_leave(struct rl__holding *holding, const struct rl__visit *visit)
{
    rl__let_go_all(holding);
    rl__lane_leave(visit);
}
