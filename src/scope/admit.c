/* SPDX-License-Identifier: MIT */
/* Owns admission over all limiters of a lane. First everybody is asked, and nothing written; only
 * if all agree is it taken, outermost scope first. A thread that was faster in between makes us
 * give back and wait. */
#include "scope/admit.h"

#include "base/arith.h"

/* The innermost of the shared scopes is the provider's: entries in it and outside it belong to
 * several lanes. */
static int is_shared(size_t scope_index)
{
    return scope_index + 1 < RL__LANE_SCOPES;
}

static void note(struct rl__refusal *refusal, enum rl__held_by by, struct rl__scope *scope,
                 struct rl__entry *entry, rl_time retry_at)
{
    if (refusal->by != RL__HELD_BY_NOTHING && retry_at <= refusal->retry_at)
        return;
    *refusal = (struct rl__refusal){ by, scope, entry, retry_at };
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

static void ask_queue(struct rl__entry *entry, struct rl__scope *scope, uint64_t sequence,
                      struct rl__refusal *refusal)
{
    uint64_t parked = rl__load(&entry->parked_sequence);

    if (parked != 0 && parked < sequence)
        note(refusal, RL__HELD_BY_QUEUE, scope, entry, rl__load(&entry->parked_until));
}

static rl_status ask_scope(struct rl__scope *scope, int shared, const struct rl__cost *cost,
                           uint64_t sequence, rl_time now, struct rl__refusal *refusal)
{
    size_t count = rl__scope_count(scope);

    for (size_t i = 0; i < count; i++) {
        struct rl__entry *entry = &scope->entry[i];
        uint64_t amount = cost->amount[entry->dimension];
        rl_time retry_at;
        rl_status st;

        if (amount == 0)
            continue;
        if (shared)
            ask_queue(entry, scope, sequence, refusal);
        st = rl_limiter_peek(&entry->limiter, amount, now, &retry_at);
        if (st == RL_E_TOO_LARGE) {
            *refusal = (struct rl__refusal){ RL__HELD_BY_LIMIT, scope, entry, RL_NEVER };
            return st;
        }
        if (st == RL_WAIT)
            note(refusal, RL__HELD_BY_LIMIT, scope, entry, retry_at);
    }
    return RL_OK;
}

rl_status rl__admit_peek(struct rl__lane *lane, const struct rl__cost *cost, uint64_t sequence,
                         rl_time now, struct rl__refusal *refusal)
{
    *refusal = (struct rl__refusal){ RL__HELD_BY_NOTHING, NULL, NULL, 0 };
    for (size_t i = 0; i < RL__LANE_SCOPES; i++) {
        rl_status st = lane->scope[i] == NULL
                           ? RL_OK
                           : ask_scope(lane->scope[i], is_shared(i), cost, sequence, now, refusal);

        if (st != RL_OK)
            return st;
    }
    ask_gates(lane, now, refusal);
    if (refusal->by == RL__HELD_BY_NOTHING &&
        rl__load(&lane->in_flight) >= rl__load(&lane->probe_window))
        note(refusal, RL__HELD_BY_PROBE, NULL, NULL, RL_NEVER);
    return refusal->by == RL__HELD_BY_NOTHING ? RL_OK : RL_WAIT;
}

int rl__admit_fits(const struct rl__lane *lane, const struct rl__cost *cost)
{
    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; lane->scope[s] != NULL && i < rl__scope_count(lane->scope[s]); i++) {
            const struct rl__entry *entry = &lane->scope[s]->entry[i];

            if (cost->amount[entry->dimension] > rl__load(&entry->limiter.plan.word[0]))
                return 0; /* the amount; see rl_plan */
        }
    return 1;
}

static void give_back(struct rl__lane *lane, const struct rl__cost *cost,
                      const struct rl__taken *taken, rl_time now)
{
    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; i < taken->count[s]; i++) {
            struct rl__entry *entry = &lane->scope[s]->entry[i];

            rl_limiter_give_back(&entry->limiter, cost->amount[entry->dimension], now);
        }
}

static rl_status take_scope(struct rl__scope *scope, const struct rl__cost *cost, rl_time now,
                            uint8_t *taken, struct rl__refusal *refusal)
{
    size_t count = rl__scope_count(scope);

    for (size_t i = 0; i < count; i++) {
        struct rl__entry *entry = &scope->entry[i];
        rl_time retry_at;
        rl_status st =
            rl_limiter_take(&entry->limiter, cost->amount[entry->dimension], now, &retry_at);

        if (st != RL_OK) {
            *refusal = (struct rl__refusal){ RL__HELD_BY_LIMIT, scope, entry, retry_at };
            return st;
        }
        *taken = (uint8_t)(i + 1);
    }
    return RL_OK;
}

static rl_status take_all(struct rl__lane *lane, const struct rl__cost *cost, rl_time now,
                          struct rl__taken *taken, struct rl__refusal *refusal)
{
    *taken = (struct rl__taken){ { 0 } };
    for (size_t s = 0; s < RL__LANE_SCOPES; s++) {
        rl_status st = lane->scope[s] == NULL
                           ? RL_OK
                           : take_scope(lane->scope[s], cost, now, &taken->count[s], refusal);

        if (st != RL_OK) {
            give_back(lane, cost, taken, now);
            return st;
        }
    }
    return RL_OK;
}

rl_status rl__admit(struct rl__lane *lane, const struct rl__cost *cost, uint64_t sequence,
                    rl_time now, struct rl__taken *taken, struct rl__refusal *refusal)
{
    rl_status st = rl__admit_peek(lane, cost, sequence, now, refusal);

    if (st == RL_OK)
        st = take_all(lane, cost, now, taken, refusal);
    if (st == RL_OK)
        rl__fetch_add(&lane->in_flight, 1);
    return st;
}
