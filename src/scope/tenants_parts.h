/* SPDX-License-Identifier: MIT */
/* The table of tenants from inside. */
#ifndef LLMRL_SRC_TENANTS_PARTS_H
#define LLMRL_SRC_TENANTS_PARTS_H

#include "scope/tenants.h"

#define RL__SHARDS 1024

#define RL__RESET_UNIT (RL_SECOND / 16) /* 2^32 of them are eight years */

/* hash 0: free. */
struct rl__record {
    uint64_t hash;
    uint16_t tier;
    uint16_t permits; /* out; UINT16_MAX: too many to count, it stays */
    uint32_t
        reset; /* the last fresh start, in RL__RESET_UNIT: grants before it give nothing back */
    uint64_t word[];
};

struct rl__shard {
    struct rl__mutex lock;
    struct {
        const struct rl__tier_set *set;
        unsigned char *records;
        size_t capacity, count;
        rl_time swept; /* when a full table was last searched for room; 0: never */
    } locked;
};

/* The place of a hash, or the free one where it belongs. */
struct rl__record *rl__record_find(const struct rl__tier_set *set, unsigned char *records,
                                   size_t capacity, uint64_t hash);
void rl__record_start(const struct rl__tier_set *set, struct rl__record *record, uint64_t hash,
                      size_t tier, rl_time now);
/* Gives a record another tier; what was used stays used. */
void rl__record_move(const struct rl__tier_set *set, struct rl__record *record, size_t tier,
                     rl_time now);
/* Searches some shards of a full table for tenants that equal fresh ones. 1: there is room. No
 * shard of this kind is locked. */
int rl__tenants_sweep(struct rl__tenants *tenants, rl_time now);
/* Room for one more. RL_E_TABLE_FULL: as many are there as may be. */
rl_status rl__shard_make_room(struct rl__tenants *tenants, struct rl__shard *shard, rl_time now);

#endif
