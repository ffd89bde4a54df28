/* SPDX-License-Identifier: MIT */
/* Owns pools of scopes. See lease.h. */
#include "scope/lease.h"

#include "base/arith.h"

#include <string.h>

/* ---- making one ---- */

rl_status rl__leases_new(struct rl__env *env, const struct rl__lease_rule *rule, uint64_t room,
                         struct rl__leases **out)
{
    uint64_t capacity = rl__max(room, rule->adaptive ? rule->max : rule->slots);
    struct rl__leases *leases = rl__alloc_zeroed(env, 1, sizeof *leases);
    rl_status st = RL_E_NOMEM;

    *out = NULL;
    if (leases == NULL)
        return st;
    leases->env = env;
    leases->rule = *rule;
    leases->next = RL_NEVER;
    leases->locked.slots = rl__resize(env, NULL, 1, rl__slots_bytes(capacity));
    if (leases->locked.slots == NULL || (st = rl__mutex_init(&leases->lock)) != RL_OK) {
        rl__free(env, leases->locked.slots);
        rl__free(env, leases);
        return st;
    }
    rl__slots_start(leases->locked.slots, capacity, capacity);
    rl__adaptive_start(&leases->locked.adaptive, rule->min, rule->max, rule->slots);
    *out = leases;
    return RL_OK;
}

void rl__leases_free(struct rl__leases *leases)
{
    if (leases == NULL)
        return;
    rl__mutex_deinit(&leases->lock);
    rl__free(leases->env, leases->locked.slots);
    rl__free(leases->env, leases);
}

uint64_t rl__leases_room(const struct rl__leases *leases)
{
    return leases == NULL ? 0 : leases->locked.slots->capacity;
}

/* Holdings keep their ids and ends; what was learned is learned. */
static void go_on(struct rl__leases *leases, const struct rl__leases *before, rl_time now)
{
    struct rl__slots *slots = leases->locked.slots;
    uint64_t capacity = slots->capacity;

    memcpy(slots, before->locked.slots, rl__slots_bytes(before->locked.slots->capacity));
    rl__slots_extend(slots, capacity);
    slots->size = capacity;
    leases->next = before->next;
    if (!leases->rule.adaptive || !before->rule.adaptive)
        return;
    leases->locked.adaptive = before->locked.adaptive;
    rl__adaptive_bound(&leases->locked.adaptive, leases->rule.min, leases->rule.max, now);
}

/* Under the lock, so that the newest window is the last one. */
static void follow_window(struct rl__entry *entry, rl_time now)
{
    rl_limit limit = entry->limit;

    limit.amount = entry->leases->locked.adaptive.window;
    limit.burst = 0;                                       /* all of it */
    (void)rl_limiter_change(&entry->limiter, &limit, now); /* the same limit, but for its number */
}

void rl__entry_lease(struct rl__entry *entry, struct rl__leases *leases, rl_time now)
{
    struct rl__leases *before = entry->leases;

    if (before != NULL)
        go_on(leases, before, now);
    entry->leases = leases;
    rl__leases_free(before);
    if (leases->rule.adaptive)
        follow_window(entry, now);
}

int rl__entry_adapts(const struct rl__entry *entry)
{
    return entry->leases != NULL && entry->leases->rule.adaptive;
}

/* ---- taking and giving back ---- */

static struct rl__entry *pool_of(const struct rl__lane *lane, size_t s)
{
    return lane->scope[s] == NULL ? NULL : lane->scope[s]->pool;
}

static void plan_next(struct rl__leases *leases)
{
    rl__store(&leases->next, rl__slots_next_expiry(leases->locked.slots));
}

struct reclaimed {
    uint64_t slots;
    uint64_t units; /* of theirs: a reset of the limit has those that are older */
};

/* Under the lock. */
static struct reclaimed collect(struct rl__entry *entry, rl_time now)
{
    struct rl__slots *slots = entry->leases->locked.slots;
    struct reclaimed got = { 0, 0 };
    struct rl__slot *slot;

    while ((slot = rl__slots_first_ended(slots, now)) != NULL) {
        got.units += slot->taken_at >= rl__load(&entry->reset_at);
        rl__slots_give_back(slots, slot);
        got.slots++;
    }
    return got;
}

static void hand_back(const struct rl__lane *lane, struct rl__entry *entry, struct reclaimed got,
                      rl_time now)
{
    if (got.slots == 0)
        return;
    rl_limiter_give_back(&entry->limiter, got.units, now);
    rl__fetch_add(&lane->traffic->leases_ended, got.slots);
}

static void reclaim(const struct rl__lane *lane, struct rl__entry *entry, rl_time now)
{
    struct rl__leases *leases = entry->leases;
    struct reclaimed got;

    if (rl__load(&leases->next) > now)
        return;
    rl__lock(&leases->lock);
    got = collect(entry, now);
    plan_next(leases);
    rl__unlock(&leases->lock);
    hand_back(lane, entry, got, now);
}

void rl__lane_reclaim(const struct rl__lane *lane, rl_time now)
{
    for (size_t s = 0; s < RL__LANE_SCOPES; s++) {
        struct rl__entry *entry = pool_of(lane, s);

        if (entry != NULL)
            reclaim(lane, entry, now);
    }
}

/* What has ended since is collected first: rl__slots_take() would take it back unseen. */
static rl_status lease(const struct rl__lane *lane, struct rl__entry *entry, uint64_t owner,
                       rl_time now, uint64_t *id)
{
    struct rl__leases *leases = entry->leases;
    struct reclaimed got;
    rl_status st;

    rl__lock(&leases->lock);
    got = collect(entry, now);
    st = rl__slots_take(leases->locked.slots, owner, leases->rule.lease, now, id);
    plan_next(leases);
    rl__unlock(&leases->lock);
    hand_back(lane, entry, got, now);
    return st;
}

void rl__lane_lease(const struct rl__lane *lane, uint64_t owner, rl_time now,
                    struct rl__taken *taken)
{
    for (size_t s = 0; s < RL__LANE_SCOPES; s++) {
        struct rl__entry *entry = pool_of(lane, s);

        if (entry != NULL && lease(lane, entry, owner, now, &taken->slot[s]) == RL_OK)
            taken->tenants |= (uint8_t)(1u << (RL__LEASED_AT + s));
    }
}

void rl__lease_plan(struct rl__refusal *refusal)
{
    const struct rl__entry *entry = refusal->entry;

    if (entry == NULL || refusal->scope->pool != entry)
        return;
    refusal->sooner = 1;
    if (refusal->retry_at == RL_NEVER)
        refusal->retry_at = rl__load(&entry->leases->next);
}

/* What the holding teaches. */
static void learn(struct rl__entry *entry, const struct rl__slot *slot,
                  enum rl__adaptive_outcome outcome, rl_time now)
{
    struct rl__adaptive *adaptive = &entry->leases->locked.adaptive;
    uint64_t before = adaptive->window;
    struct rl__adaptive_sample sample = {
        .outcome = outcome,
        .started_at = slot->taken_at,
        .latency = rl__sub_sat(now, slot->taken_at),
        .in_flight = rl__max(slot->in_flight, entry->leases->locked.slots->held),
    };

    if (rl__adaptive_sample(adaptive, &sample, now) != before)
        follow_window(entry, now);
}

int rl__lease_end(struct rl__entry *entry, uint64_t id, enum rl__adaptive_outcome outcome,
                  rl_time now)
{
    struct rl__leases *leases = entry->leases;
    struct rl__slot *slot;

    rl__lock(&leases->lock);
    slot = rl__slots_find(leases->locked.slots, id);
    if (slot != NULL) {
        if (leases->rule.adaptive)
            learn(entry, slot, outcome, now);
        rl__slots_give_back(leases->locked.slots, slot);
        plan_next(leases);
    }
    rl__unlock(&leases->lock);
    return slot != NULL;
}
