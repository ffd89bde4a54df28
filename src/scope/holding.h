/* SPDX-License-Identifier: MIT */
/* The tenants of one request, held together. Always in the order of kinds: so their locks nest. */
#ifndef LLMRL_SRC_HOLDING_H
#define LLMRL_SRC_HOLDING_H

#include "scope/visit.h"

struct rl__holding {
    size_t count;
    uint8_t kind[RL__TENANT_KINDS];
    struct rl__held_tenant of[RL__TENANT_KINDS];
};

/* Those that have limits, made if need be; as rl__tenant_hold(). None is held unless RL_OK. */
rl_status rl__hold_all(const struct rl__who *who, rl_time now, struct rl__holding *holding);
/* Those that are there, of these hashes (0: nobody's). */
void rl__hold_known(struct rl__tenants *tenants, const uint64_t hash[RL__TENANT_KINDS],
                    struct rl__holding *holding);
void rl__let_go_all(struct rl__holding *holding);
/* With them into the lane: by holding them, or counted if there are none. 0: its limits were
 * changing, and all were let go: hold them anew. */
int rl__holding_enter(struct rl__holding *holding, const struct rl__lane *lane,
                      struct rl__visit *visit);
/* Out of it, and lets all go. */
void rl__holding_leave(struct rl__holding *holding, const struct rl__visit *visit);

#endif
