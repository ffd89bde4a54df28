/* SPDX-License-Identifier: MIT */
/* Owns the way in: read a request, ask, and wait for one's turn. Blocked threads choose one among
 * them that sleeps until the next planned time and runs the queue for all; the others sleep until
 * they are called. */
#include "context/context.h"

#include "base/arith.h"
#include "base/sized.h"
#include "provider/calibration.h"

#include <string.h>

/* ---- reading a request ---- */

static rl_time after_ms(rl_time from, uint64_t ms)
{
    return ms == RL_NEVER ? RL_NEVER : rl__add_sat(from, rl__mul_sat(ms, RL_MILLISECOND));
}

static void read_times(const rl_context *rl, const rl_request *request, rl_time started,
                       rl_time now, struct rl__ask *ask)
{
    uint64_t wait =
        request->max_wait_ms == 0 ? rl__settings(rl)->queue_max_wait_ms : request->max_wait_ms;

    ask->deadline = request->deadline_ms == 0 ? RL_NEVER : after_ms(started, request->deadline_ms);
    ask->expires = after_ms(now, wait);
    ask->expired = RL_E_TIMEOUT;
    if (ask->deadline < ask->expires) {
        ask->expires = ask->deadline;
        ask->expired = RL_E_DEADLINE;
    }
}

/* What was learned about estimates makes a reservation larger. It may not make it larger than a
 * limit: that would refuse for good what was never asked, and no answer could ever correct it. */
static struct rl__cost cost_of(const struct rl__traits *traits, const struct rl__lane *lane,
                               const rl_request *request)
{
    struct rl__calibration own = rl__calibration_of(traits, lane, request->max_output_tokens);
    struct rl__cost cost =
        rl__charge_reserve(traits, request->input_tokens, request->max_output_tokens, &own);

    if (own.input_ratio > RL__RATIO_EVEN && !rl__admit_fits(lane, &cost)) {
        own.input_ratio = RL__RATIO_EVEN;
        cost = rl__charge_reserve(traits, request->input_tokens, request->max_output_tokens, &own);
    }
    return cost;
}

/* An id that cannot be used is no request without an id: that would pass by all limits. */
static rl_status read_tenant(struct rl__registry *registry, const char *id, size_t kind,
                             struct rl__who *who)
{
    size_t length;

    who->tier[kind] = -1;
    if (id == NULL)
        return RL_OK;
    length = strnlen(id, RL__TENANT_ID_MAX + 1);
    if (length == 0 || length > RL__TENANT_ID_MAX)
        return RL_E_INVALID;
    who->hash[kind] = rl__tenant_hash(&registry->key, id, length);
    return RL_OK;
}

static rl_status read_who(struct rl__registry *registry, const rl_request *request,
                          struct rl__who *who)
{
    struct rl__tenants *users = &registry->tenants[RL__USER];
    rl_status st;

    *who = (struct rl__who){ .tenants = registry->tenants, .revision = &registry->revision };
    if ((st = read_tenant(registry, request->organisation, RL__ORGANISATION, who)) != RL_OK)
        return st;
    if ((st = read_tenant(registry, request->api_key, RL__API_KEY, who)) != RL_OK)
        return st;
    if ((st = read_tenant(registry, request->user, RL__USER, who)) != RL_OK)
        return st;
    if (request->user_tier == NULL)
        return RL_OK;
    if (request->user == NULL)
        return RL_E_INVALID;
    return rl__tenants_active(users) ? rl__tenant_tier(users, who->hash[RL__USER],
                                                       request->user_tier, &who->tier[RL__USER])
                                     : RL_E_NOT_FOUND;
}

static rl_status find_names(struct rl__registry *registry, const rl_request *request,
                            struct rl__who *who, struct rl__lane **lane)
{
    rl_status st = read_who(registry, request, who);

    return st == RL_OK ? rl__registry_lane(registry, request->provider, request->model, lane) : st;
}

/* ---- scopes resolved once ---- */

struct resolved {
    const rl_context *rl; /* whose it is */
    struct rl__lane *lane;
    uint64_t hash[RL__TENANT_KINDS];
    int32_t tier[RL__TENANT_KINDS];
};
_Static_assert(sizeof(struct resolved) <= sizeof(rl_scope), "what is resolved must fit its scope");

static rl_status recall(rl_context *rl, const rl_scope *scope, struct rl__ask *ask)
{
    const struct resolved *resolved = (const struct resolved *)(const void *)scope->private_;

    if (resolved->rl != rl)
        return RL_E_INVALID;
    ask->who.tenants = rl->registry.tenants;
    ask->who.revision = &rl->registry.revision;
    memcpy(ask->who.hash, resolved->hash, sizeof ask->who.hash);
    memcpy(ask->who.tier, resolved->tier, sizeof ask->who.tier);
    return rl__registry_current(&rl->registry, resolved->lane, &ask->lane);
}

rl_status rl_scope_resolve(rl_context *rl, const rl_request *request, rl_scope *scope)
{
    struct resolved resolved = { .rl = rl };
    rl_request own = RL_REQUEST_INIT;
    struct rl__who who;
    rl_status st;

    if (rl == NULL || request == NULL || scope == NULL)
        return RL_E_INVALID;
    memset(scope, 0, sizeof *scope);
    if ((st = rl__copy_sized(&own, sizeof own, request, request->size)) != RL_OK)
        return st;
    if ((st = find_names(&rl->registry, &own, &who, &resolved.lane)) != RL_OK)
        return st;
    memcpy(resolved.hash, who.hash, sizeof resolved.hash);
    memcpy(resolved.tier, who.tier, sizeof resolved.tier);
    memcpy(scope->private_, &resolved, sizeof resolved);
    return RL_OK;
}

rl_status rl__ask_read(rl_context *rl, const rl_request *request, rl_time started, rl_time now,
                       struct rl__ask *ask)
{
    rl_request own = RL_REQUEST_INIT;
    rl_status st;

    if (rl == NULL || request == NULL)
        return RL_E_INVALID;
    if ((st = rl__copy_sized(&own, sizeof own, request, request->size)) != RL_OK)
        return st;
    if (own.input_tokens > RL_AMOUNT_MAX || own.max_output_tokens > RL_AMOUNT_MAX ||
        own.images > UINT8_MAX || own.nano_dollars > RL_AMOUNT_MAX)
        return RL_E_INVALID;
    st = own.scope != NULL ? recall(rl, own.scope, ask)
                           : find_names(&rl->registry, &own, &ask->who, &ask->lane);
    if (st != RL_OK)
        return st;
    ask->traits = rl__provider_traits(ask->lane->provider);
    ask->cost = cost_of(ask->traits, ask->lane, &own);
    ask->cost.amount[RL_IMAGES] = own.images;
    ask->cost.amount[RL_MONEY] = own.nano_dollars;
    read_times(rl, &own, started, now, ask);
    return RL_OK;
}

/* ---- granting ---- */

/* `refusal` NULL: it was not a limiter or a gate. */
static void refuse(rl_permit *permit, rl_time retry_at, const struct rl__refusal *refusal)
{
    memset(permit, 0, sizeof *permit);
    permit->retry_at = retry_at;
    if (refusal != NULL)
        rl__permit_refused(permit, refusal);
}

/* Asks without queueing. `sequence` 0: nobody waits; RL_NEVER: those who wait are not overtaken. */
static rl_status try_now(const struct rl__ask *ask, uint64_t sequence, rl_time now,
                         rl_permit *permit)
{
    struct rl__refusal refusal;
    struct rl__taken taken;
    rl_status st = rl__admit(ask->lane, &ask->who, &ask->cost, sequence, now, &taken, &refusal);

    if (st == RL_OK)
        rl__permit_start(permit, ask->lane, &ask->who, &ask->cost, &taken, now);
    else
        refuse(permit, refusal.retry_at, &refusal);
    return st;
}

/* Somebody waits; under `lock`. */
static rl_status try_behind(rl_context *rl, const struct rl__ask *ask, rl_time now,
                            rl_permit *permit)
{
    if (rl->locked.closing)
        return RL_E_CLOSED;
    if (rl__heap_peek(&ask->lane->waiters) == NULL)
        return try_now(ask, RL_NEVER, now, permit);
    refuse(permit, rl__max(ask->lane->wake_at, now), NULL);
    return RL_WAIT;
}

/* The usual case, nobody waiting, takes no lock. */
static rl_status try_quickly(rl_context *rl, const struct rl__ask *ask, rl_time now,
                             rl_permit *permit)
{
    rl_status st;

    if (rl__load(&rl->locked.queue.count) == 0)
        return try_now(ask, 0, now, permit);
    rl__lock(&rl->lock);
    st = try_behind(rl, ask, now, permit);
    rl__unlock(&rl->lock);
    return st;
}

/* ---- the queue's results ---- */

static void finish(rl_context *rl, struct rl__party *party, rl_time now)
{
    struct rl__waiter *waiter = &party->waiter;

    if (waiter->status == RL_OK)
        rl__permit_start(party->permit, waiter->lane, &waiter->who, &waiter->cost, &waiter->taken,
                         now);
    else
        refuse(party->permit, waiter->retry_at, &waiter->refusal);
    party->done = 1;
    if (party->blocking) {
        rl__wake_one(&party->wake);
        return;
    }
    party->next_ready = NULL;
    *rl->locked.ready_end = party;
    rl->locked.ready_end = &party->next_ready;
}

void rl__run_queue_locked(rl_context *rl, rl_time now)
{
    struct rl__waiter *done = rl->locked.closing ? rl__queue_end(&rl->locked.queue, RL_E_CLOSED)
                                                 : rl__queue_run(&rl->locked.queue, now);

    while (done != NULL) {
        struct rl__waiter *next = done->next_done;

        finish(rl, (struct rl__party *)(void *)((char *)done - offsetof(struct rl__party, waiter)),
               now);
        done = next;
    }
}

/* A plan may have become earlier: whoever sleeps for all must look again. */
void rl__call_leader(rl_context *rl)
{
    struct rl__party *sleeper = rl->locked.leader != NULL ? rl->locked.leader : rl->locked.blocked;

    if (sleeper != NULL)
        rl__wake_one(&sleeper->wake);
}

/* Adding nothing is no mere look: see rl__queue_add(). A waiter that counted itself before is seen
 * here; one that does so later sees what the caller has changed. */
void rl__poke(rl_context *rl)
{
    if (rl__fetch_add_ordered(&rl->locked.queue.count, 0) == 0)
        return;
    rl__lock(&rl->lock);
    rl__queue_poke(&rl->locked.queue);
    rl__call_leader(rl);
    rl__unlock(&rl->lock);
}

/* ---- blocking ---- */

static void link_blocked(rl_context *rl, struct rl__party *party)
{
    party->next_blocked = rl->locked.blocked;
    if (party->next_blocked != NULL)
        party->next_blocked->previous_blocked = party;
    rl->locked.blocked = party;
    rl->locked.inside++;
}

static void unlink_blocked(rl_context *rl, struct rl__party *party)
{
    if (party->previous_blocked != NULL)
        party->previous_blocked->next_blocked = party->next_blocked;
    else
        rl->locked.blocked = party->next_blocked;
    if (party->next_blocked != NULL)
        party->next_blocked->previous_blocked = party->previous_blocked;
    if (--rl->locked.inside == 0 && rl->locked.closing)
        rl__wake_all(&rl->locked.left);
}

static void wait_for_turn(rl_context *rl, struct rl__party *party)
{
    rl_time next;

    if (rl->locked.leader != NULL && rl->locked.leader != party) {
        rl__wait_until(&party->wake, &rl->lock, &rl->env, RL_NEVER);
        return;
    }
    rl->locked.leader = party;
    next = rl__queue_next(&rl->locked.queue);
    if (next > rl__now(&rl->env))
        rl__wait_until(&party->wake, &rl->lock, &rl->env, next);
    if (!party->done)
        rl__run_queue_locked(rl, rl__now(&rl->env));
}

static rl_status check_room(const rl_context *rl)
{
    if (rl->locked.closing)
        return RL_E_CLOSED;
    return rl__load(&rl->locked.queue.count) >= rl__settings(rl)->queue_max_size ? RL_E_QUEUE_FULL
                                                                                 : RL_OK;
}

static void lay_waiter(struct rl__party *party, const struct rl__ask *ask, rl_time not_before,
                       uint64_t sequence)
{
    party->waiter.lane = ask->lane;
    party->waiter.who = ask->who;
    party->waiter.cost = ask->cost;
    party->waiter.sequence = sequence;
    party->waiter.not_before = not_before;
    party->waiter.expires = ask->expires;
    party->waiter.expired = ask->expired;
}

static void sit_out(rl_context *rl, struct rl__party *party)
{
    rl_time now = rl__now(&rl->env);

    link_blocked(rl, party);
    rl__queue_add(&rl->locked.queue, &party->waiter, now);
    rl__run_queue_locked(rl, now);
    if (!party->done)
        rl__call_leader(rl);
    while (!party->done)
        wait_for_turn(rl, party);
    if (rl->locked.leader == party)
        rl->locked.leader = NULL;
    unlink_blocked(rl, party);
    rl__call_leader(rl); /* if we led, somebody else has to */
}

static rl_status acquire_blocking(rl_context *rl, const struct rl__ask *ask, rl_time not_before,
                                  uint64_t sequence, rl_permit *permit, rl_time *now)
{
    struct rl__party party = { .blocking = 1, .permit = permit };
    rl_status st;

    if ((st = rl__condition_init(&party.wake)) != RL_OK)
        return st;
    lay_waiter(&party, ask, not_before, sequence);
    rl__lock(&rl->lock);
    if ((st = check_room(rl)) == RL_OK) {
        sit_out(rl, &party);
        st = party.waiter.status;
        *now = rl__now(&rl->env);
    }
    rl__unlock(&rl->lock);
    rl__condition_deinit(&party.wake);
    return st;
}

rl_status rl__acquire(rl_context *rl, const struct rl__ask *ask, rl_time not_before,
                      uint64_t sequence, rl_permit *permit, rl_time *now)
{
    rl_status st = RL_WAIT;

    if (not_before <= *now)
        st = try_quickly(rl, ask, *now, permit);
    return st == RL_WAIT ? acquire_blocking(rl, ask, not_before, sequence, permit, now) : st;
}

/* ---- the public doors ---- */

rl_status rl_try_acquire(rl_context *rl, const rl_request *request, rl_permit *permit)
{
    struct rl__ask ask;
    rl_time now;
    rl_status st;

    if (rl == NULL || permit == NULL)
        return RL_E_INVALID;
    refuse(permit, RL_NEVER, NULL);
    now = rl__now(&rl->env);
    if ((st = rl__ask_read(rl, request, now, now, &ask)) != RL_OK)
        return st;
    return try_quickly(rl, &ask, now, permit);
}

rl_status rl_acquire(rl_context *rl, const rl_request *request, rl_permit *permit)
{
    struct rl__ask ask;
    rl_time now;
    rl_status st;

    if (rl == NULL || permit == NULL)
        return RL_E_INVALID;
    refuse(permit, RL_NEVER, NULL);
    now = rl__now(&rl->env);
    if ((st = rl__ask_read(rl, request, now, now, &ask)) != RL_OK)
        return st;
    return rl__acquire(rl, &ask, 0, 0, permit, &now);
}

rl_status rl__acquire_submit(rl_context *rl, const struct rl__ask *ask, rl_time not_before,
                             struct rl__party *party)
{
    uint64_t sequence = party->waiter.sequence;
    rl_status st;

    lay_waiter(party, ask, not_before, sequence);
    rl__lock(&rl->lock);
    if ((st = check_room(rl)) == RL_OK) {
        rl__queue_add(&rl->locked.queue, &party->waiter, rl__now(&rl->env));
        rl__call_leader(rl);
    }
    rl__unlock(&rl->lock);
    return st;
}

rl_time rl_next_wakeup(rl_context *rl)
{
    rl_time next;

    if (rl == NULL)
        return RL_NEVER;
    rl__lock(&rl->lock);
    next = rl->locked.ready != NULL ? 0 : rl__queue_next(&rl->locked.queue);
    rl__unlock(&rl->lock);
    return next;
}
