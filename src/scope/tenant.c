/* SPDX-License-Identifier: MIT */
/* Owns what happens to one tenant while its shard is locked. */
#include "base/arith.h"
#include "base/atomic.h"
#include "limiter/gcra.h"
#include "scope/tenants_parts.h"

#include <string.h>

static rl_status make(struct rl__tenants *tenants, struct rl__shard *shard, uint64_t hash,
                      size_t tier, rl_time now, struct rl__record **out)
{
    const struct rl__tier_set *set = shard->locked.set;
    rl_status st = rl__shard_make_room(tenants, shard, now);

    if (st != RL_OK)
        return st;
    *out = rl__record_find(set, shard->locked.records, shard->locked.capacity, hash);
    rl__record_start(set, *out, hash, tier, now);
    shard->locked.count++;
    rl__fetch_add(&tenants->count, 1);
    return RL_OK;
}

static int is_given(const struct rl__tier_set *set, int32_t tier)
{
    return tier >= 0 && (size_t)tier < set->count && set->tier[tier].given;
}

/* The tier asked for counts from now on, unless it is gone; else the one that the tenant has. */
static rl_status hold_locked(struct rl__tenants *tenants, struct rl__shard *shard, uint64_t hash,
                             int32_t tier, rl_time now, struct rl__held_tenant *held)
{
    const struct rl__tier_set *set = shard->locked.set;
    struct rl__record *record = rl__shard_find(shard, hash);
    int asked = is_given(set, tier);
    rl_status st = RL_OK;

    if (record == NULL)
        st =
            make(tenants, shard, hash, asked ? (size_t)tier : rl__tier_of(set, hash), now, &record);
    if (st != RL_OK)
        return st;
    if (RL__RARE(asked && record->tier != tier))
        rl__record_move(set, record, (size_t)tier, now);
    rl__tenant_show(held, shard, record);
    return RL_OK;
}

/* A guess without the lock, maybe of records that are gone: nothing is read there, so it does no
 * harm. */
void rl__tenant_expect(const struct rl__tenants *tenants, uint64_t hash)
{
    const struct rl__shard *shard = &tenants->shard[hash % RL__SHARDS];
    uint64_t capacity = rl__load(&shard->likely_capacity);
    uint64_t index = (uint64_t)((rl__u128)hash * capacity >> 64);
    uint64_t stride = rl__load(&tenants->likely_stride);
    uint64_t at = rl__load(&shard->likely_records) + index * stride;

    /* NOLINTBEGIN(performance-no-int-to-ptr): it may point nowhere, so it is no sum of pointers */
    __builtin_prefetch((const void *)(uintptr_t)at, 1);
    __builtin_prefetch((const void *)(uintptr_t)(at + stride - 1), 1);
    /* NOLINTEND(performance-no-int-to-ptr) */
}

rl_status rl__tenant_tier(struct rl__tenants *tenants, uint64_t hash, const char *name,
                          int32_t *tier)
{
    struct rl__shard *shard = rl__shard_of(tenants, hash);
    long index;

    rl__spin_lock(&shard->lock); /* so that nobody frees its set */
    index = rl__tier_index(shard->locked.set, name);
    rl__spin_unlock(&shard->lock);
    *tier = (int32_t)index;
    return index < 0 ? RL_E_NOT_FOUND : RL_OK;
}

static size_t tier_now(const struct rl__shard *shard, uint64_t hash, int32_t tier)
{
    const struct rl__tier_set *set = shard->locked.set;
    const struct rl__record *record;

    if (is_given(set, tier))
        return (size_t)tier;
    record = rl__shard_find(shard, hash);
    return record != NULL ? record->tier : rl__tier_of(set, hash);
}

uint64_t rl__tenant_weight(struct rl__tenants *tenants, uint64_t hash, int32_t tier)
{
    struct rl__shard *shard;
    uint64_t weight;

    if (!rl__tenants_active(tenants))
        return 1;
    shard = rl__shard_of(tenants, hash);
    rl__spin_lock(&shard->lock);
    weight = shard->locked.set->tier[tier_now(shard, hash, tier)].weight;
    rl__spin_unlock(&shard->lock);
    return rl__max(weight, 1);
}

rl_status rl__tenant_hold(struct rl__tenants *tenants, uint64_t hash, int32_t tier, rl_time now,
                          struct rl__held_tenant *held)
{
    struct rl__shard *shard = rl__shard_of(tenants, hash);
    rl_status st;

    held->shard = NULL;
    do {
        rl__spin_lock(&shard->lock);
        if ((st = hold_locked(tenants, shard, hash, tier, now, held)) != RL_OK)
            rl__spin_unlock(&shard->lock);
    } while (st == RL_E_TABLE_FULL && rl__tenants_sweep(tenants, now));
    return st;
}

int rl__tenant_hold_known(struct rl__tenants *tenants, uint64_t hash, struct rl__held_tenant *held)
{
    held->shard = NULL;
    return rl__tenant_hold_present(tenants, hash, held);
}

void rl__tenant_look(struct rl__tenants *tenants, uint64_t hash, int32_t tier, rl_time now,
                     struct rl__tenant_view *view)
{
    struct rl__record *record = (struct rl__record *)(void *)view->scratch;
    struct rl__shard *shard = rl__shard_of(tenants, hash);
    const struct rl__tier_set *set;

    if (rl__tenant_hold_known(tenants, hash, &view->held)) {
        set = shard->locked.set;
        if (!is_given(set, tier) || view->held.record->tier == tier)
            return;
        /* As it would be, if that request came. */
        memcpy(record, view->held.record, sizeof *record + set->words * sizeof record->word[0]);
        rl__record_move(set, record, (size_t)tier, now);
    } else {
        rl__spin_lock(&shard->lock);
        set = shard->locked.set;
        rl__record_start(set, record, hash,
                         is_given(set, tier) ? (size_t)tier : rl__tier_of(set, hash), now);
    }
    rl__tenant_show(&view->held, shard, record);
}

void rl__tenant_let_go(struct rl__held_tenant *held)
{
    if (held->shard != NULL)
        rl__spin_unlock(&held->shard->lock);
    held->shard = NULL;
}

/* Whether, on a copy, so much could be taken that what is set aside for higher classes stays. */
static rl_status leaves_enough(const struct rl__tier_limit *limit, const uint64_t *word,
                               const struct rl__cost *cost, uint64_t amount, rl_time now,
                               rl_time *retry_at)
{
    uint64_t leave =
        rl__rule_leave(&limit->rule, cost, amount, limit->made.plan.word[2]); /* the burst */
    uint64_t copy[RL__TENANT_WORDS_MAX];

    memcpy(copy, word, limit->made.words * sizeof copy[0]);
    return limit->made.algorithm->take(&limit->made.plan, copy, amount + leave, now, retry_at);
}

static rl_status take_one(const struct rl__tier_limit *limit, uint64_t *word, uint64_t amount,
                          rl_time now, rl_time *retry_at)
{
    const rl_algorithm *algorithm = limit->made.algorithm;
    const rl_plan *plan = &limit->made.plan;
    uint64_t whole = plan->word[0]; /* the amount; see rl_plan */
    uint64_t first = limit->rule.borrow && whole > 0 ? rl__min(amount, whole) : amount;
    rl_status st;

    st = first > RL_AMOUNT_MAX ? RL_E_TOO_LARGE : algorithm->take(plan, word, first, now, retry_at);
    if (st == RL_OK && amount > first)
        algorithm->charge(plan, word, amount - first, now);
    if (st == RL_OK || !limit->rule.shadow)
        return st;
    algorithm->charge(plan, word, rl__min(amount, whole), now);
    return RL_OK;
}

static rl_status take_from(const struct rl__tier_limit *limit, uint64_t *word,
                           const struct rl__cost *cost, uint64_t amount, rl_time now,
                           rl_time *retry_at)
{
    rl_status st = RL_OK;

    if (rl__rule_sets_aside(&limit->rule, cost) && !limit->rule.shadow)
        st = leaves_enough(limit, word, cost, amount, now, retry_at);
    return st == RL_OK ? take_one(limit, word, amount, now, retry_at) : st;
}

/* Of the token bucket, which most limits are, without a call. */
static inline rl_status take_plain(const struct rl__tier_limit *limit, uint64_t *word,
                                   uint64_t amount, rl_time now, rl_time *retry_at)
{
    const rl_plan *plan = &limit->made.plan;
    uint64_t spare;

    if (limit->made.algorithm == &rl__token_bucket && amount <= plan->word[BURST] &&
        rl__gcra_take(plan, word, amount, plan->word[BURST], now, &spare) == RL_OK)
        return RL_OK;
    return limit->made.algorithm->take(plan, word, amount, now, retry_at);
}

/* Of several that refuse, the one that takes longest counts; what can never be comes first. */
rl_status rl__tenant_take(struct rl__held_tenant *held, const struct rl__cost *cost, rl_time now,
                          const struct rl__tier_limit **by, rl_time *retry_at)
{
    rl_status sum = RL_OK;

    *retry_at = 0;
    for (size_t i = 0; i < held->tier->count; i++) {
        const struct rl__tier_limit *limit = &held->tier->limit[i];
        uint64_t amount = rl__rule_reserve(&limit->rule, cost);
        uint64_t *word = &held->word[limit->first];
        rl_time then = RL_NEVER;
        rl_status st;

        if (amount == 0)
            continue;
        st = limit->is_plain ? take_plain(limit, word, amount, now, &then)
                             : take_from(limit, word, cost, amount, now, &then);
        if (st == RL_OK || (st == RL_WAIT && sum == RL_WAIT && then <= *retry_at))
            continue;
        sum = st;
        *by = limit;
        *retry_at = st == RL_WAIT ? then : RL_NEVER;
        if (st != RL_WAIT)
            break;
    }
    return sum;
}

void rl__tenant_commit(struct rl__held_tenant *held)
{
    for (size_t i = 0; i < held->tier->words; i++)
        held->record->word[i] = held->word[i];
    if (held->record->permits < UINT16_MAX)
        held->record->permits++;
}

int rl__tenant_settle(struct rl__held_tenant *held, const struct rl__cost *reserved,
                      const struct rl__cost *used, rl_time at, rl_time now)
{
    int gave = 0;

    for (size_t i = 0; i < held->tier->count; i++) {
        const struct rl__tier_limit *limit = &held->tier->limit[i];
        struct rl__step step = { .kind = RL__SETTLE, .now = now, .at = at };
        rl_time unused;

        step.amount = rl__rule_reserve(&limit->rule, reserved);
        /* More than a whole limit at once cannot be, and must not close us for years. */
        step.used = rl__min(rl__rule_settle(&limit->rule, used),
                            rl__add_sat(step.amount, limit->made.plan.word[0]));
        if (at / RL__RESET_UNIT < held->record->reset)
            step.used = rl__max(step.used, step.amount);
        if (limit->since > at || step.amount == step.used)
            continue;
        (void)rl__step(limit->made.algorithm, &step, &limit->made.plan,
                       &held->record->word[limit->first], &unused); /* only a take is refused */
        gave |= step.used < step.amount;
    }
    if (held->record->permits > 0 && held->record->permits < UINT16_MAX)
        held->record->permits--;
    return gave;
}

void rl__tenant_level(const struct rl__held_tenant *held, size_t index, rl_time now,
                      rl_level *level)
{
    const struct rl__tier_limit *limit = &held->tier->limit[index];

    limit->made.algorithm->snapshot(&limit->made.plan, &held->record->word[limit->first], now,
                                    level);
}

void rl__tenant_reset(struct rl__held_tenant *held, rl_time now)
{
    uint16_t permits = held->record->permits;

    rl__record_start(held->shard->locked.set, held->record, held->record->hash, held->record->tier,
                     now);
    held->record->permits = permits;
    held->record->reset = (uint32_t)rl__min(now / RL__RESET_UNIT, UINT32_MAX);
}
