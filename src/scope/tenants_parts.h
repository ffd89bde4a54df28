/* SPDX-License-Identifier: MIT */
/* The table of tenants from inside. */
#ifndef LLMRL_SRC_TENANTS_PARTS_H
#define LLMRL_SRC_TENANTS_PARTS_H

#include "base/arith.h"
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

/* Its lock is held for some hundred instructions; longer while it grows. */
struct rl__shard {
    struct rl__spin lock;
    struct {
        const struct rl__tier_set *set;
        unsigned char *records;
        size_t capacity, count;
        rl_time swept; /* when a full table was last searched for room; 0: never */
    } locked;
    /* Of the records above, for those who only guess where one will be; each atomic. */
    uint64_t likely_records, likely_capacity;
};
_Static_assert(sizeof(struct rl__shard) == 64, "a shard is a cache line");

static inline size_t rl__record_stride(const struct rl__tier_set *set)
{
    return sizeof(struct rl__record) + set->words * sizeof(uint64_t);
}

static inline struct rl__record *rl__record_at(const struct rl__tier_set *set,
                                               unsigned char *records, size_t index)
{
    return (struct rl__record *)(void *)(records + index * rl__record_stride(set));
}

/* The place of a hash, or the free one where it belongs. Low bits choose the shard, so the high
 * ones the place. */
static inline struct rl__record *rl__record_find(const struct rl__tier_set *set,
                                                 unsigned char *records, size_t capacity,
                                                 uint64_t hash)
{
    size_t index = (size_t)((rl__u128)hash * capacity >> 64);

    for (;;) {
        struct rl__record *record = rl__record_at(set, records, index);

        if (record->hash == hash || record->hash == 0)
            return record;
        index = index + 1 == capacity ? 0 : index + 1;
    }
}

static inline struct rl__shard *rl__shard_of(struct rl__tenants *tenants, uint64_t hash)
{
    return &tenants->shard[hash % RL__SHARDS];
}

/* NULL: it is not there. */
static inline struct rl__record *rl__shard_find(const struct rl__shard *shard, uint64_t hash)
{
    struct rl__record *record;

    if (shard->locked.capacity == 0)
        return NULL;
    record =
        rl__record_find(shard->locked.set, shard->locked.records, shard->locked.capacity, hash);
    return record->hash == hash ? record : NULL;
}

static inline void rl__tenant_show(struct rl__held_tenant *held, struct rl__shard *shard,
                                   struct rl__record *record)
{
    held->shard = shard;
    held->record = record;
    held->tier = &shard->locked.set->tier[record->tier];
    for (size_t i = 0; i < held->tier->words; i++) /* a few: no call */
        held->word[i] = record->word[i];
}

/* rl__tenant_hold_known(), without a call. */
static inline int rl__tenant_hold_present(struct rl__tenants *tenants, uint64_t hash,
                                          struct rl__held_tenant *held)
{
    struct rl__shard *shard = rl__shard_of(tenants, hash);
    struct rl__record *record;

    rl__spin_lock(&shard->lock);
    if ((record = rl__shard_find(shard, hash)) == NULL) {
        rl__spin_unlock(&shard->lock);
        return 0;
    }
    rl__tenant_show(held, shard, record);
    return 1;
}

static inline void rl__tenant_release(const struct rl__held_tenant *held)
{
    rl__spin_unlock(&held->shard->lock);
}

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
