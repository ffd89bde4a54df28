/* SPDX-License-Identifier: MIT */
/* Owns the table of tenants: shards of records in open addressing, each under its own lock. */
#include "scope/tenants_parts.h"

#include "base/arith.h"
#include "base/atomic.h"

#include <string.h>

#define CAPACITY_FIRST 8
#define SWEEP_PAUSE    RL_SECOND /* a shard is not searched for room more often */
#define SWEEPS_AT_ONCE 16        /* shards that one who asks for room searches */

/* ---- a shard ---- */

static void start_limit(const struct rl__tier_limit *limit, uint64_t *word, rl_time now)
{
    uint64_t level = limit->made.start == RL_START_EMPTY ? 0 : limit->made.start;

    memset(word, 0, limit->made.words * sizeof *word);
    limit->made.algorithm->start(&limit->made.plan, word, now);
    if (limit->made.start != 0)
        limit->made.algorithm->set_level(&limit->made.plan, word, (int64_t)level, now);
}

void rl__record_start(const struct rl__tier_set *set, struct rl__record *record, uint64_t hash,
                      size_t tier, rl_time now)
{
    record->hash = hash;
    record->tier = (uint16_t)tier;
    record->permits = 0;
    memset(record->word, 0, set->words * sizeof record->word[0]);
    for (size_t i = 0; i < set->tier[tier].count; i++)
        start_limit(&set->tier[tier].limit[i], &record->word[set->tier[tier].limit[i].first], now);
}

/* Nobody would notice if it went: nothing is used, and nothing will be settled. */
static int is_as_fresh(const struct rl__tier_set *set, const struct rl__record *record, rl_time now)
{
    const struct rl__tier *tier = &set->tier[record->tier];

    if (record->permits > 0)
        return 0;
    for (size_t i = 0; i < tier->count; i++) {
        const struct rl__tier_limit *limit = &tier->limit[i];
        rl_level level;

        limit->made.algorithm->snapshot(&limit->made.plan, &record->word[limit->first], now,
                                        &level);
        if (level.remaining < 0 || (uint64_t)level.remaining < level.burst)
            return 0;
        if (limit->made.start != 0)
            return 0; /* a fresh one would begin with less, or another time */
    }
    return 1;
}

/* ---- growing ---- */

struct rebuilt {
    unsigned char *records;
    size_t capacity, count;
};

static rl_status room_for(struct rl__env *env, const struct rl__tier_set *set, size_t capacity,
                          struct rebuilt *to)
{
    *to = (struct rebuilt){ .capacity = capacity };
    to->records = rl__alloc_zeroed(env, capacity, rl__record_stride(set));
    return to->records == NULL ? RL_E_NOMEM : RL_OK;
}

static void put_in_force(struct rl__tenants *tenants, struct rl__shard *shard,
                         const struct rebuilt *to)
{
    rl__fetch_add(&tenants->count, (uint64_t)to->count - (uint64_t)shard->locked.count);
    rl__free(tenants->env, shard->locked.records);
    shard->locked.records = to->records;
    shard->locked.capacity = to->capacity;
    rl__store(&shard->likely_records, (uint64_t)(uintptr_t)to->records);
    rl__store(&shard->likely_capacity, to->capacity);
    shard->locked.count = to->count;
}

static size_t count_stale(const struct rl__shard *shard, rl_time now)
{
    size_t stale = 0;

    for (size_t i = 0; i < shard->locked.capacity; i++) {
        const struct rl__record *record =
            rl__record_at(shard->locked.set, shard->locked.records, i);

        stale += record->hash != 0 && is_as_fresh(shard->locked.set, record, now);
    }
    return stale;
}

/* With room for one more in seven eighths; in small steps, so that memory stays near what is used.
 */
static size_t capacity_for(size_t count)
{
    size_t capacity = CAPACITY_FIRST;

    while (count + 1 > capacity / 8 * 7)
        capacity += capacity / 32 * 8 + 8;
    return capacity;
}

/* Leaves out those that are as fresh. */
static rl_status rebuild(struct rl__tenants *tenants, struct rl__shard *shard, rl_time now)
{
    const struct rl__tier_set *set = shard->locked.set;
    size_t stays = shard->locked.count - count_stale(shard, now);
    struct rebuilt to;
    rl_status st = room_for(tenants->env, set, capacity_for(stays + stays / 8), &to);

    if (st != RL_OK)
        return st;
    for (size_t i = 0; i < shard->locked.capacity; i++) {
        const struct rl__record *record = rl__record_at(set, shard->locked.records, i);

        if (record->hash == 0 || is_as_fresh(set, record, now))
            continue;
        memcpy(rl__record_find(set, to.records, to.capacity, record->hash), record,
               rl__record_stride(set));
        to.count++;
    }
    put_in_force(tenants, shard, &to);
    return RL_OK;
}

static int is_full(const struct rl__tenants *tenants)
{
    return rl__load(&tenants->count) >= rl__load(&tenants->most);
}

rl_status rl__shard_make_room(struct rl__tenants *tenants, struct rl__shard *shard, rl_time now)
{
    if (is_full(tenants))
        return RL_E_TABLE_FULL;
    if (shard->locked.count + 1 <= shard->locked.capacity / 8 * 7)
        return RL_OK;
    return rebuild(tenants, shard, now);
}

/* 1: this shard was searched. */
static int sweep(struct rl__tenants *tenants, struct rl__shard *shard, rl_time now)
{
    int due;

    rl__spin_lock(&shard->lock);
    due = shard->locked.count > 0 && (shard->locked.swept == 0 || now < shard->locked.swept ||
                                      now - shard->locked.swept >= SWEEP_PAUSE);
    if (due) {
        shard->locked.swept = rl__max(now, 1);
        if (count_stale(shard, now) > 0)
            (void)rebuild(tenants, shard, now); /* no memory for less: then it stays as it is */
    }
    rl__spin_unlock(&shard->lock);
    return due;
}

int rl__tenants_sweep(struct rl__tenants *tenants, rl_time now)
{
    int searched = 0;

    for (size_t i = 0; i < RL__SHARDS && searched < SWEEPS_AT_ONCE && is_full(tenants); i++)
        searched +=
            sweep(tenants, &tenants->shard[rl__fetch_add(&tenants->hand, 1) % RL__SHARDS], now);
    return !is_full(tenants);
}

/* ---- changing the set ---- */

const struct rl__tier_limit *rl__tier_same_limit(const struct rl__tier *tier,
                                                 const struct rl__tier_limit *like)
{
    for (size_t i = 0; i < tier->count; i++)
        if (tier->limit[i].rule.dimension == like->rule.dimension &&
            tier->limit[i].limit.period == like->limit.period &&
            rl__rule_counts_alike(&tier->limit[i].rule, &like->rule))
            return &tier->limit[i];
    return NULL;
}

/* What was used stays used: by the algorithm where it stays the same, else as a number. */
static void carry_limit(const struct rl__tier_limit *before, const uint64_t *from,
                        const struct rl__tier_limit *after, uint64_t *to, rl_time now)
{
    rl_level old, fresh;

    if (before->made.algorithm == after->made.algorithm &&
        before->made.words == after->made.words) {
        memcpy(to, from, after->made.words * sizeof *to);
        rl__carry(&before->made.plan, &after->made, to, now);
        return;
    }
    before->made.algorithm->snapshot(&before->made.plan, from, now, &old);
    after->made.algorithm->snapshot(&after->made.plan, to, now, &fresh);
    after->made.algorithm->set_level(&after->made.plan, to, rl__level_carried(&old, fresh.burst),
                                     now);
}

/* What is under way is in use, also of a limit that has just come. */
static void count_in(const struct rl__tier_limit *limit, const struct rl__record *record,
                     uint64_t *to, rl_time now)
{
    if (limit->rule.dimension == RL_CONCURRENCY && !limit->rule.weighed && record->permits > 0)
        limit->made.algorithm->charge(&limit->made.plan, to, record->permits, now);
}

static void carry_record(const struct rl__tier *before, const uint64_t *from,
                         const struct rl__tier *after, struct rl__record *record, rl_time now)
{
    uint64_t *to = record->word;

    for (size_t i = 0; i < after->count; i++) {
        const struct rl__tier_limit *limit = &after->limit[i],
                                    *old = rl__tier_same_limit(before, limit);

        if (old != NULL)
            carry_limit(old, &from[old->first], limit, &to[limit->first], now);
        else
            count_in(limit, record, &to[limit->first], now);
    }
}

void rl__record_move(const struct rl__tier_set *set, struct rl__record *record, size_t tier,
                     rl_time now)
{
    uint64_t before[RL__TENANT_WORDS_MAX];
    const struct rl__tier *old = &set->tier[record->tier];
    uint16_t permits = record->permits;

    memcpy(before, record->word, set->words * sizeof before[0]);
    rl__record_start(set, record, record->hash, tier, now);
    record->permits = permits;
    carry_record(old, before, &set->tier[tier], record, now);
}

/* The tier that the file gives, or else the one that a request has named, if it is still there. */
static size_t tier_in(const struct rl__tier_set *set, const struct rl__tier_set *old,
                      const struct rl__record *record)
{
    if (rl__tier_is_assigned(set, record->hash) || rl__tier_is_assigned(old, record->hash) ||
        !set->tier[record->tier].given)
        return rl__tier_of(set, record->hash);
    return record->tier;
}

static rl_status move_shard(struct rl__tenants *tenants, struct rl__shard *shard,
                            const struct rl__tier_set *set, rl_time now)
{
    const struct rl__tier_set *old = shard->locked.set;
    struct rebuilt to = { NULL, 0, 0 };
    rl_status st;

    if (shard->locked.capacity > 0 &&
        (st = room_for(tenants->env, set, capacity_for(shard->locked.count), &to)) != RL_OK)
        return st;
    for (size_t i = 0; i < shard->locked.capacity; i++) {
        const struct rl__record *record = rl__record_at(old, shard->locked.records, i);
        struct rl__record *copy;

        if (record->hash == 0)
            continue;
        copy = rl__record_find(set, to.records, to.capacity, record->hash);
        rl__record_start(set, copy, record->hash, tier_in(set, old, record), now);
        copy->permits = record->permits;
        copy->reset = record->reset;
        carry_record(&old->tier[record->tier], record->word, &set->tier[copy->tier], copy, now);
        to.count++;
    }
    put_in_force(tenants, shard, &to);
    shard->locked.set = set;
    return RL_OK;
}

static rl_status move_all(struct rl__tenants *tenants, const struct rl__tier_set *set, rl_time now,
                          size_t *moved)
{
    for (*moved = 0; *moved < RL__SHARDS; ++*moved) {
        struct rl__shard *shard = &tenants->shard[*moved];
        rl_status st;

        rl__spin_lock(&shard->lock);
        st = move_shard(tenants, shard, set, now);
        rl__spin_unlock(&shard->lock);
        if (st != RL_OK)
            return st;
    }
    return RL_OK;
}

/* Each shard on a cache line of its own. */
static rl_status first_use(struct rl__tenants *tenants)
{
    unsigned char *raw = rl__alloc_zeroed(tenants->env, RL__SHARDS + 1, sizeof(struct rl__shard));
    size_t over = (size_t)((uintptr_t)raw % sizeof(struct rl__shard));

    if (raw == NULL)
        return RL_E_NOMEM;
    tenants->shards_raw = raw;
    tenants->shard = (struct rl__shard *)(void *)(raw + (sizeof(struct rl__shard) - over));
    return RL_OK;
}

/* Should memory run out half way, those that were moved stay with the new set, and both sets live
 * on. */
rl_status rl__tenants_use(struct rl__tenants *tenants, struct rl__tier_set *set, rl_time now)
{
    struct rl__tier_set *old;
    size_t moved = 0;
    rl_status st = RL_OK;

    rl__lock(&tenants->changing);
    old = tenants->set;
    if (tenants->shard == NULL)
        st = first_use(tenants);
    if (st == RL_OK && (st = move_all(tenants, set, now, &moved)) == RL_OK) {
        set->borrowed = 0;
        rl__store(&tenants->likely_stride, rl__record_stride(set));
        if (old != NULL)
            old->handed_on = 1;
        /* release: pairs with rl__tenants_active(); the shards are whole before anybody asks. */
        __atomic_store_n(&tenants->set, set, __ATOMIC_RELEASE);
    }
    if (st != RL_OK && moved > 0) {
        set->next_retired = tenants->retired;
        tenants->retired = set;
        set = NULL;
    }
    rl__unlock(&tenants->changing);
    rl__tier_set_free(st == RL_OK ? old : set);
    return st;
}

void rl__tenants_pass(struct rl__tenants *tenants)
{
    for (size_t i = 0; rl__tenants_active(tenants) && i < RL__SHARDS; i++) {
        rl__spin_lock(&tenants->shard[i].lock);
        rl__spin_unlock(&tenants->shard[i].lock);
    }
}

rl_status rl__tenants_init(struct rl__tenants *tenants, struct rl__env *env,
                           const struct rl__hash_key *key)
{
    rl_status st;

    *tenants = (struct rl__tenants){ .env = env, .key = key, .most = UINT64_MAX };
    if ((st = rl__mutex_init(&tenants->changing)) == RL_OK)
        tenants->ready = 1;
    return st;
}

void rl__tenants_deinit(struct rl__tenants *tenants)
{
    if (tenants->env == NULL)
        return;
    for (size_t i = 0; tenants->shard != NULL && i < RL__SHARDS; i++)
        rl__free(tenants->env, tenants->shard[i].locked.records);
    rl__free(tenants->env, tenants->shards_raw);
    rl__tier_set_free(tenants->set);
    while (tenants->retired != NULL) {
        struct rl__tier_set *set = tenants->retired;

        tenants->retired = set->next_retired;
        rl__tier_set_free(set);
    }
    if (tenants->ready)
        rl__mutex_deinit(&tenants->changing);
    *tenants = (struct rl__tenants){ 0 };
}

uint64_t rl__tenant_hash(const struct rl__hash_key *key, const char *id, size_t length)
{
    return rl__max(rl__hash(key, id, length), 1);
}
