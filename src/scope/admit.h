/* SPDX-License-Identifier: MIT */
/* All or nothing: a request passes every limiter of its lane, or leaves each word as it was. */
#ifndef LLMRL_SRC_ADMIT_H
#define LLMRL_SRC_ADMIT_H

#include "scope/scope.h"

enum rl__held_by {
    RL__HELD_BY_NOTHING = 0,
    RL__HELD_BY_GATE,   /* the provider said so */
    RL__HELD_BY_LIMIT,  /* a limiter */
    RL__HELD_BY_QUEUE,  /* somebody who came earlier waits at a limiter that is shared */
    RL__HELD_BY_PROBE,  /* nothing is known yet: few at a time */
    RL__HELD_BY_BREAKER /* the context's, before anybody is asked here */
};

struct rl__refusal {
    enum rl__held_by by;
    struct rl__scope *scope; /* of the gate or the limiter; NULL: neither, or a tenant's */
    struct rl__entry *entry; /* NULL: not a limiter, or a tenant's */
    rl_time retry_at; /* when all would agree, as far as is known; RL_NEVER: after an answer */
    /* Of a limiter: */
    const char *name;
    uint64_t amount;
    rl_duration period;
    uint32_t dimension;
    uint32_t is_tenant; /* it holds back this one tenant, and nobody else */
    uint32_t tenant;    /* an rl__tenant_kind: which, if is_tenant */
    uint32_t sooner;    /* it may be before retry_at: when somebody gives a slot back */
};

#define RL__SNAPSHOTS   5
#define RL__NO_SNAPSHOT INT64_MIN

/* From how many entries of each scope a grant was taken: one that is found later owes nothing to
 * it. */
#define RL__LEASED_AT 4
struct rl__taken {
    uint64_t generation; /* of the limits; see rl__generation_of() */
    uint8_t count[RL__LANE_SCOPES];
    uint8_t tenants; /* bit n: from the tenant of kind n; RL__LEASED_AT + s: scope s gave a slot */
    uint64_t slot[RL__LANE_SCOPES]; /* its id, where it gave one */
    /* The level of each limiter right after the grant, less the corrections made until then: what a
     * report on this request's arrival has to be compared with. The innermost scope's first, then
     * the provider's, as far as there is room. */
    int64_t snapshot[RL__SNAPSHOTS]; /* twice that; odd: in a rush, see rl__grant_in_rush() */
};
_Static_assert(RL__TENANT_KINDS <= RL__LEASED_AT && RL__LEASED_AT + RL__LANE_SCOPES <= 8,
               "tenants and scopes have bits of one byte");

/*
 * Takes `cost` everywhere: from the tenants in `who`, and in the lane. `rank` is the
 * asker's at each shared scope of the lane: those who wait there with a smaller one are not
 * overtaken; NULL: nobody waits. RL_OK, RL_WAIT or RL_E_TOO_LARGE; RL_E_TABLE_FULL or RL_E_NOMEM
 * for a tenant there is no room for. *refusal is written unless RL_OK.
 */
rl_status rl__admit(struct rl__lane *lane, const struct rl__who *who, const struct rl__cost *cost,
                    const struct rl__rank *rank, rl_time now, struct rl__taken *taken,
                    struct rl__refusal *refusal);
/* As rl__admit(), but takes nothing; what has ended is given back. */
rl_status rl__admit_when(struct rl__lane *lane, const struct rl__who *who,
                         const struct rl__cost *cost, const struct rl__rank *rank, rl_time now,
                         struct rl__refusal *refusal);
/* How long the lane's limits need to give so much: the longest of them counts. Some
 * time, the same for all, where no limit is known. */
rl_duration rl__admit_span(const struct rl__lane *lane, const struct rl__cost *cost);
/* Whether no limit of the lane is smaller than `cost`, so that waiting may help. */
int rl__admit_fits(const struct rl__lane *lane, const struct rl__cost *cost);

#endif
