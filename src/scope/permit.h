/* SPDX-License-Identifier: MIT */
/* What a permit remembers, and how it ends. */
#ifndef LLMRL_SRC_PERMIT_H
#define LLMRL_SRC_PERMIT_H

#include "scope/lease.h"

/* The private words of a permit, spelled out. */
struct rl__grant {
    struct rl__lane *lane; /* NULL: no grant, or ended */
    uint64_t input;        /* reserved; the top ten bits of these three are the generation's */
    uint64_t output;
    uint64_t money;
    uint16_t calibration;           /* the ratio and the share of struct rl__cost */
    uint8_t count[RL__LANE_SCOPES]; /* as in struct rl__taken */
    uint8_t tenants;                /* likewise */
    uint8_t images;
    uint64_t tenant[RL__TENANT_KINDS]; /* hashes; 0: none */
    /* As in struct rl__taken. From the last one back: the slots of pools. */
    int64_t snapshot[RL__SNAPSHOTS];
};

/* What a permit without a grant remembers: who said no. Names stay good as long as the context. */
struct rl__refused {
    struct rl__lane *no_lane; /* NULL */
    const char *scope;        /* NULL: nobody in particular */
    uint32_t by;              /* an rl__held_by */
    uint32_t dimension;
    uint64_t amount;
    rl_duration period;
};
void rl__permit_refused(rl_permit *permit, const struct rl__refusal *refusal);

/* Fills a permit after rl__admit() said yes. */
void rl__permit_start(rl_permit *permit, struct rl__lane *lane, const struct rl__who *who,
                      const struct rl__cost *cost, const struct rl__taken *taken, rl_time now);
/* Takes the grant out of the permit: from here on the permit has ended. 0: it had ended before. */
int rl__permit_take(rl_permit *permit, struct rl__grant *grant, struct rl__cost *cost);
/* Books the difference between what was reserved at `at` and what was used, in every limiter that
 * was charged; `tenants` as in struct rl__who. Pools learn the `outcome`. 1: something came back
 * that others may wait for. */
int rl__grant_settle(const struct rl__grant *grant, struct rl__tenants *tenants,
                     const struct rl__cost *reserved, const struct rl__cost *used,
                     enum rl__adaptive_outcome outcome, rl_time at, rl_time now);
/* The level that our own books show for that entry at the time of the grant, corrections made since
 * then included. RL__NO_SNAPSHOT: the entry is younger than the grant. */
int64_t rl__grant_level(const struct rl__grant *grant, const struct rl__entry *entry);
/* Whether others had left just before, and not at the pace of the limit: who of them arrived first,
 * and so what a report on this one counts in, is not known. */
int rl__grant_in_rush(const struct rl__grant *grant, const struct rl__entry *entry);

#endif
