/* SPDX-License-Identifier: MIT */
/* Owns admission over all limiters of a lane. First everybody is asked, and nothing written; only
 * if all agree is it taken, outermost scope first. A thread that was faster in between makes us
 * give back and wait. */
#include "scope/admit.h"

#include "base/arith.h"
#include "limiter/prepared.h"
#include "scope/holding.h"
#include "scope/lease.h"
#include "scope/ledger.h"

#include <string.h>

/* Entries outside the model's own belong to several lanes. */
static int is_shared(size_t scope_index)
{
    return scope_index < RL__MODEL_SCOPE;
}

static uint64_t amount_of(const struct rl__entry *entry)
{
    return rl__load(&entry->limiter.plan.word[0]); /* see rl_plan */
}

static void note(struct rl__refusal *refusal, enum rl__held_by by, struct rl__scope *scope,
                 struct rl__entry *entry, rl_time retry_at)
{
    if (refusal->by != RL__HELD_BY_NOTHING && retry_at <= refusal->retry_at)
        return;
    *refusal = (struct rl__refusal){ .by = by, .scope = scope, .entry = entry };
    refusal->retry_at = retry_at;
    if (scope != NULL)
        refusal->name = scope->name;
    if (entry != NULL) {
        refusal->dimension = entry->rule.dimension;
        refusal->amount = amount_of(entry);
        refusal->period = entry->period;
    }
}

/* Whatever else holds it back: this will never be. */
static void note_hopeless(struct rl__refusal *refusal, struct rl__scope *scope,
                          struct rl__entry *entry)
{
    refusal->by = RL__HELD_BY_NOTHING;
    note(refusal, RL__HELD_BY_LIMIT, scope, entry, RL_NEVER);
}

static void ask_gates(struct rl__lane *lane, rl_time now, struct rl__refusal *refusal)
{
    for (size_t i = 0; i < RL__LANE_SCOPES; i++) {
        struct rl__scope *scope = lane->scope[i];
        uint64_t until = scope != NULL ? rl__load(&scope->closed_until) : 0;

        if (until > now)
            note(refusal, RL__HELD_BY_GATE, scope, NULL, until);
    }
}

static void ask_queue(struct rl__entry *entry, struct rl__scope *scope, const struct rl__rank *rank,
                      struct rl__refusal *refusal)
{
    struct rl__rank parked = { { rl__load(&entry->parked.word[0]),
                                 rl__load(&entry->parked.word[1]) } };

    if (parked.word[1] != 0 && rl__rank_before(&parked, rank))
        note(refusal, RL__HELD_BY_QUEUE, scope, entry, rl__load(&entry->parked_until));
}

/* What has to be there for so much: of a limit that lends, no more than all of it. */
static uint64_t at_once(const struct rl__entry *entry, uint64_t amount)
{
    uint64_t whole = amount_of(entry);

    return entry->rule.borrow && whole > 0 ? rl__min(amount, whole) : amount;
}

/* What the asking found, for the taking: entries in the order of asking, outermost scope first. */
struct step {
    struct rl__entry *entry;
    uint64_t amount;
    int ready; /* to be had as `prepared` */
    struct rl__prepared prepared;
};
struct trial {
    size_t asked;
    uint8_t count[RL__LANE_SCOPES]; /* entries of each scope */
    struct step step[RL__LANE_SCOPES * RL__SCOPE_ENTRIES];
};

/* What is set aside for higher classes must stay, as far as nobody takes at the same moment. */
static rl_status ask_limiter(const struct step *step, const struct rl__cost *cost, rl_time now,
                             rl_time *retry_at)
{
    const struct rl__entry *entry = step->entry;
    uint64_t leave = 0;

    if (rl__rule_sets_aside(&entry->rule, cost))
        leave = rl__rule_leave(&entry->rule, cost, step->amount,
                               rl__load(&entry->limiter.plan.word[2])); /* the burst */
    return rl_limiter_peek(&entry->limiter, at_once(entry, step->amount) + leave, now, retry_at);
}

/* And what its bucket says is not all. */
static rl_status ask_ledger(const struct rl__entry *entry, uint64_t amount, rl_time now,
                            rl_status st, rl_time *retry_at)
{
    rl_time later;

    if (rl__ledger_peek(entry->ledger, at_once(entry, amount), now, &later) == RL_OK)
        return st;
    *retry_at = st == RL_WAIT ? rl__max(*retry_at, later) : later;
    return RL_WAIT;
}

static int holds_back(const struct rl__entry *entry)
{
    return !entry->rule.shadow && !rl__entry_is_off(entry);
}

/* `rank` NULL: nobody waits here, or it is the lane's own, and the lane keeps the order. Not
 * inline: it is the way of few. */
__attribute__((noinline)) static rl_status ask_entry(struct rl__scope *scope,
                                                     const struct step *step,
                                                     const struct rl__rank *rank,
                                                     const struct rl__cost *cost, rl_time now,
                                                     struct rl__refusal *refusal)
{
    rl_time retry_at;
    rl_status st;

    if (!holds_back(step->entry))
        return RL_OK;
    if (rank != NULL)
        ask_queue(step->entry, scope, rank, refusal);
    st = ask_limiter(step, cost, now, &retry_at);
    if (step->entry->ledger != NULL && (st == RL_OK || st == RL_WAIT))
        st = ask_ledger(step->entry, step->amount, now, st, &retry_at);
    if (st == RL_WAIT && step->entry->is_searched)
        rl__store(&step->entry->bound_at, now);
    if (st == RL_WAIT)
        note(refusal, RL__HELD_BY_LIMIT, scope, step->entry, retry_at);
    else if (st != RL_OK)
        note_hopeless(refusal, scope, step->entry);
    return st == RL_WAIT ? RL_OK : st;
}

/* The usual case, without a call. 0: it has to be asked with all that there is to it. */
static inline int is_ready(struct step *step, const struct rl__rank *rank,
                           const struct rl__cost *cost, rl_time now)
{
    const struct rl__entry *entry = step->entry;

    rl_time unused;

    return rank == NULL && holds_back(entry) && !rl__rule_sets_aside(&entry->rule, cost) &&
           rl__limiter_prepare(&entry->limiter, step->amount, now, &step->prepared) &&
           (entry->ledger == NULL ||
            rl__ledger_peek(entry->ledger, step->amount, now, &unused) == RL_OK);
}

static inline rl_status ask_scope(struct rl__scope *scope, size_t count,
                                  const struct rl__rank *rank, const struct rl__cost *cost,
                                  rl_time now, struct trial *trial, struct rl__refusal *refusal)
{
    struct step *step = &trial->step[trial->asked];
    rl_status st = RL_OK;

    trial->asked += count;
    for (size_t i = 0; i < count && st == RL_OK; i++, step++) {
        step->entry = scope->entry[i];
        step->amount = rl__rule_reserve(&step->entry->rule, cost);
        step->ready = step->amount != 0 && is_ready(step, rank, cost, now);
        if (step->amount != 0 && !step->ready)
            st = ask_entry(scope, step, rank, cost, now, refusal);
    }
    return st;
}

static int is_probing(const struct rl__lane *lane)
{
    uint64_t window = rl__load(&lane->probe_window), in_flight, most;

    if (window == RL_NEVER)
        return 0;
    in_flight = rl__lane_in_flight(lane);
    most = rl__load(&lane->probe_granted);
    return in_flight >= window || (most != 0 && in_flight > 0 && rl__load(&lane->granted) >= most);
}

/* Asks the lane and takes nothing; what tenants said is in `refusal`. */
static rl_status ask_lane(struct rl__lane *lane, const struct rl__cost *cost,
                          const struct rl__rank *rank, rl_time now, struct trial *trial,
                          struct rl__refusal *refusal)
{
    uint64_t closed_until = 0;

    trial->asked = 0;
    for (size_t i = 0; i < RL__LANE_SCOPES; i++) {
        struct rl__scope *scope = lane->scope[i];
        rl_status st;

        trial->count[i] = 0;
        if (scope == NULL)
            continue;
        closed_until = rl__max(closed_until, rl__load(&scope->closed_until));
        trial->count[i] = (uint8_t)rl__scope_count(scope);
        st = ask_scope(scope, trial->count[i], rank != NULL && is_shared(i) ? &rank[i] : NULL, cost,
                       now, trial, refusal);
        if (st != RL_OK)
            return st;
    }
    if (RL__RARE(closed_until > now))
        ask_gates(lane, now, refusal);
    if (refusal->by == RL__HELD_BY_NOTHING && is_probing(lane))
        note(refusal, RL__HELD_BY_PROBE, NULL, NULL, RL_NEVER);
    return refusal->by == RL__HELD_BY_NOTHING ? RL_OK : RL_WAIT;
}

/* What is held at once has no pace. */
static rl_duration span_of(const struct rl__entry *entry, const struct rl__cost *cost)
{
    uint64_t amount = amount_of(entry);

    if (entry->rule.shadow || rl__entry_is_off(entry) || entry->rule.dimension == RL_CONCURRENCY ||
        amount == 0)
        return 0;
    return rl__mul_div_up(rl__rule_reserve(&entry->rule, cost), entry->period, amount);
}

rl_duration rl__admit_span(const struct rl__lane *lane, const struct rl__cost *cost)
{
    rl_duration longest = 0;

    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; lane->scope[s] != NULL && i < rl__scope_count(lane->scope[s]); i++)
            longest = rl__max(longest, span_of(lane->scope[s]->entry[i], cost));
    return longest == 0 ? RL_MILLISECOND : longest;
}

int rl__admit_fits(const struct rl__lane *lane, const struct rl__cost *cost)
{
    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; lane->scope[s] != NULL && i < rl__scope_count(lane->scope[s]); i++) {
            const struct rl__entry *entry = lane->scope[s]->entry[i];
            uint64_t amount = rl__rule_reserve(&entry->rule, cost);

            if (!entry->rule.shadow && !rl__entry_is_off(entry) &&
                at_once(entry, amount) > amount_of(entry))
                return 0;
        }
    return 1;
}

static rl_status take_at_once(struct rl__entry *entry, uint64_t first, rl_time now,
                              rl_time *retry_at)
{
    rl_status st = rl_limiter_take(&entry->limiter, first, now, retry_at);

    if (st != RL_OK || entry->ledger == NULL)
        return st;
    if ((st = rl__ledger_take(entry->ledger, first, now, retry_at)) != RL_OK)
        rl_limiter_settle(&entry->limiter, first, 0, now, now);
    return st;
}

static void charge_entry(struct rl__entry *entry, uint64_t units, rl_time now)
{
    rl_limiter_charge(&entry->limiter, units, now);
    if (entry->ledger != NULL)
        rl__ledger_charge(entry->ledger, units, now);
}

static rl_status take_entry(struct rl__entry *entry, uint64_t amount, rl_time now,
                            rl_time *retry_at)
{
    uint64_t first = at_once(entry, amount);
    rl_status st;

    if (rl__entry_is_off(entry))
        return RL_OK;
    st = take_at_once(entry, first, now, retry_at);
    if (st == RL_OK) {
        if (first < amount)
            charge_entry(entry, amount - first, now);
        return RL_OK;
    }
    if (!entry->rule.shadow)
        return st;
    charge_entry(entry, rl__min(amount, amount_of(entry)), now);
    rl__fetch_add(&entry->shadowed, 1);
    return RL_OK;
}

static void give_back(const struct step *step, size_t count, rl_time now)
{
    for (; count > 0; step++, count--) {
        if (rl__entry_is_off(step->entry))
            continue;
        rl_limiter_settle(&step->entry->limiter, step->amount, 0, now, now);
        if (step->entry->ledger != NULL)
            rl__ledger_settle(step->entry->ledger, step->amount, 0, now, now);
    }
}

static struct rl__scope *scope_of(const struct rl__lane *lane, const struct trial *trial,
                                  size_t index)
{
    size_t s = 0;

    for (; index >= trial->count[s]; s++)
        index -= trial->count[s];
    return lane->scope[s];
}

/* 0: somebody was faster, at the bucket or behind it. */
static inline int take_ready(const struct step *step, rl_time now)
{
    struct rl__entry *entry = step->entry;
    rl_time unused;

    if (!rl__limiter_take_prepared(&entry->limiter, &step->prepared))
        return 0;
    if (entry->ledger == NULL ||
        rl__ledger_take(entry->ledger, step->amount, now, &unused) == RL_OK)
        return 1;
    rl_limiter_settle(&entry->limiter, step->amount, 0, now, now);
    return 0;
}

/* A scope may have grown since it was asked: what is new is not taken from. */
static rl_status take_all(struct rl__lane *lane, struct trial *trial, rl_time now,
                          struct rl__taken *taken, struct rl__refusal *refusal)
{
    for (size_t i = 0; i < trial->asked; i++) {
        const struct step *step = &trial->step[i];
        rl_time retry_at;
        rl_status st;

        if (step->ready && take_ready(step, now))
            continue;
        if ((st = take_entry(step->entry, step->amount, now, &retry_at)) == RL_OK)
            continue;
        give_back(trial->step, i, now);
        refusal->by = RL__HELD_BY_NOTHING;
        note(refusal, RL__HELD_BY_LIMIT, scope_of(lane, trial, i), step->entry, retry_at);
        return st;
    }
    memcpy(taken->count, trial->count, sizeof taken->count);
    return RL_OK;
}

/* ---- tenants ---- */

static void note_tenant(struct rl__refusal *refusal, const struct rl__held_tenant *held,
                        size_t kind, const struct rl__tier_limit *limit, rl_time retry_at)
{
    if (refusal->by != RL__HELD_BY_NOTHING && retry_at <= refusal->retry_at)
        return;
    *refusal = (struct rl__refusal){ .by = RL__HELD_BY_LIMIT,
                                     .retry_at = retry_at,
                                     .name = held->tier->label,
                                     .amount = limit->made.plan.word[0],
                                     .period = limit->limit.period,
                                     .dimension = limit->rule.dimension,
                                     .is_tenant = 1,
                                     .tenant = (uint32_t)kind };
}

/* Takes on copies: nothing is in force before commit_all(). */
static rl_status take_tenants(struct rl__holding *holding, const struct rl__cost *cost, rl_time now,
                              struct rl__refusal *refusal)
{
    for (size_t i = 0; i < holding->count; i++) {
        const struct rl__tier_limit *by = NULL;
        rl_time retry_at;
        rl_status st = rl__tenant_take(&holding->of[i], cost, now, &by, &retry_at);

        if (st == RL_E_TOO_LARGE)
            refusal->by = RL__HELD_BY_NOTHING;
        if (st != RL_OK)
            note_tenant(refusal, &holding->of[i], holding->kind[i], by, retry_at);
        if (st == RL_E_TOO_LARGE)
            return st;
    }
    return RL_OK;
}

static void commit_all(struct rl__holding *holding, struct rl__taken *taken)
{
    for (size_t i = 0; i < holding->count; i++) {
        rl__tenant_commit(&holding->of[i]);
        taken->tenants |= (uint8_t)(1u << holding->kind[i]);
    }
}

/* What he was lowered by has come back with the time to who was full before this grant, and more
 * than full he cannot be: so he owes nothing any more, and who was less than full, no more than he
 * lacked. Who has next to nothing uses all that comes, and nothing has come back. Full as the
 * provider is: our own burst may be a small part of that. */
static void note_owed(struct rl__entry *entry, uint64_t took, int64_t level)
{
    uint64_t was = level + (int64_t)took > 0 ? (uint64_t)(level + (int64_t)took) : 0;
    uint64_t burst = rl__load(&entry->limiter.plan.word[entry->ledger != NULL ? 0 : 2]);
    uint64_t holds = rl__entry_provider_holds(entry);
    uint64_t lacked = was >= burst ? 0 : rl__sub_sat(holds, was);

    if (was < holds / 4 && was < burst)
        return;
    if (lacked < rl__load(&entry->owes))
        rl__store(&entry->owes, lacked);
}

#define NEAR_SHARE 8
#define NEAR_ANEW  RL_MILLISECOND /* noted no oftener, so that threads need not meet there */

/* From when on it counts see rl__entry.taken. */
static inline void note_taken(struct rl__entry *entry, uint64_t took, int64_t level, rl_time now)
{
    int near_full =
        level + (int64_t)took >= (int64_t)(rl__entry_provider_holds(entry) / NEAR_SHARE);
    rl_duration ago = rl__sub_sat(now, rl__load(&entry->near_full_at));

    if (!near_full && ago >= 2 * RL__ON_THE_WAY)
        return;
    if (near_full && ago >= NEAR_ANEW)
        rl__store(&entry->near_full_at, now);
    rl__recent_add(&entry->taken, took, RL__ON_THE_WAY, now);
}

/* What leaves at the pace of the limit is little in that time; only what has been saved up goes in
 * a rush. Not inline: reports speak of few. */
__attribute__((noinline)) static int is_in_rush(struct rl__entry *entry, uint64_t took,
                                                int64_t level, rl_time now)
{
    uint64_t plenty = rl__load(&entry->plenty);
    uint64_t before = rl__recent_sum(&entry->rush, RL__OVERTAKEN, now);

    if (level + (int64_t)took > (int64_t)plenty)
        rl__recent_add(&entry->rush, took, RL__OVERTAKEN, now);
    return before > plenty;
}

static inline int note_grant(struct rl__entry *entry, uint64_t took, int64_t level, rl_time now)
{
    if (rl__load(&entry->owes) != 0)
        note_owed(entry, took, level);
    if (entry->ledger != NULL)
        return 0; /* it paces before that */
    if (entry->rule.dimension != RL_REQUESTS)
        note_taken(entry, took, level, now);
    return rl__load(&entry->holds) != 0 && is_in_rush(entry, took, level, now);
}

static int64_t snapshot_of(const struct step *step, rl_time now)
{
    struct rl__entry *entry = step->entry;
    int64_t level = step->ready && entry->ledger == NULL ? rl__prepared_left(&step->prepared)
                                                         : rl__entry_left(entry, now);

    return 2 * (level - rl__entry_shift(entry)) + note_grant(entry, step->amount, level, now);
}

/* Innermost scope first. */
static void take_snapshots(const struct trial *trial, rl_time now, struct rl__taken *taken)
{
    const struct step *first = trial->step + trial->asked;
    size_t count = 0;

    for (size_t s = RL__LANE_SCOPES - 1; s > RL__GLOBAL_SCOPE; s--) {
        first -= trial->count[s];
        for (size_t i = 0; i < trial->count[s] && count < RL__SNAPSHOTS; i++)
            taken->snapshot[count++] = snapshot_of(&first[i], now);
    }
    while (count < RL__SNAPSHOTS)
        taken->snapshot[count++] = RL__NO_SNAPSHOT;
}

static rl_status admit_held(struct rl__lane *lane, struct rl__holding *holding,
                            const struct rl__cost *cost, const struct rl__rank *rank, rl_time now,
                            struct rl__taken *taken, struct rl__refusal *refusal)
{
    rl_status st = holding->count == 0 ? RL_OK : take_tenants(holding, cost, now, refusal);
    struct trial trial;

    if (st == RL_OK)
        st = ask_lane(lane, cost, rank, now, &trial, refusal);
    if (st == RL_OK)
        st = take_all(lane, &trial, now, taken, refusal);
    if (st == RL_OK)
        take_snapshots(&trial, now, taken);
    return st;
}

/* With pools around it. They are the last to be taken, and cannot fail. */
static rl_status admit_leased(struct rl__lane *lane, struct rl__holding *holding,
                              const struct rl__who *who, const struct rl__cost *cost,
                              const struct rl__rank *rank, rl_time now, struct rl__taken *taken,
                              struct rl__refusal *refusal)
{
    rl_status st;

    rl__lane_reclaim(lane, now);
    st = admit_held(lane, holding, cost, rank, now, taken, refusal);
    if (st == RL_OK)
        rl__lane_lease(lane, who->hash[RL__USER], now, taken);
    else if (st == RL_WAIT)
        rl__lease_plan(refusal);
    return st;
}

/* Holds all tenants, and is inside. */
static rl_status enter(const struct rl__lane *lane, const struct rl__who *who, rl_time now,
                       struct rl__holding *holding, struct rl__visit *visit)
{
    rl_status st;

    do
        st = rl__hold_all(who, now, holding);
    while (st == RL_OK && !rl__holding_enter(holding, lane, visit));
    return st;
}

rl_status rl__admit(struct rl__lane *lane, const struct rl__who *who, const struct rl__cost *cost,
                    const struct rl__rank *rank, rl_time now, struct rl__taken *taken,
                    struct rl__refusal *refusal)
{
    struct rl__holding holding;
    struct rl__visit visit;
    rl_status st;

    refusal->by = RL__HELD_BY_NOTHING;
    refusal->retry_at = RL_NEVER;
    if ((st = enter(lane, who, now, &holding, &visit)) != RL_OK)
        return st;
    taken->generation = visit.generation;
    taken->tenants = 0;
    if (RL__RARE(rl__lane_may_lease(lane)))
        st = admit_leased(lane, &holding, who, cost, rank, now, taken, refusal);
    else
        st = admit_held(lane, &holding, cost, rank, now, taken, refusal);
    if (st == RL_OK) {
        commit_all(&holding, taken);
        rl__fetch_add(&lane->granted, 1);
    }
    rl__holding_leave(&holding, &visit);
    return st;
}

rl_status rl__admit_when(struct rl__lane *lane, const struct rl__who *who,
                         const struct rl__cost *cost, const struct rl__rank *rank, rl_time now,
                         struct rl__refusal *refusal)
{
    struct rl__holding holding;
    struct rl__visit visit;
    struct trial trial;
    int may_lease;
    rl_status st;

    *refusal = (struct rl__refusal){ .by = RL__HELD_BY_NOTHING, .retry_at = RL_NEVER };
    if ((st = enter(lane, who, now, &holding, &visit)) != RL_OK)
        return st;
    may_lease = rl__lane_may_lease(lane);
    if (RL__RARE(may_lease))
        rl__lane_reclaim(lane, now);
    st = take_tenants(&holding, cost, now, refusal);
    if (st == RL_OK)
        st = ask_lane(lane, cost, rank, now, &trial, refusal);
    if (RL__RARE(may_lease) && st == RL_WAIT)
        rl__lease_plan(refusal);
    rl__holding_leave(&holding, &visit); /* what was taken on copies is forgotten */
    return st;
}
