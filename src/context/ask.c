/* SPDX-License-Identifier: MIT */
/* Owns how a request is read: whose it is, what it costs, how long it may wait. */
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
static void cost_of(const struct rl__traits *traits, const struct rl__lane *lane,
                    const rl_request *request, struct rl__cost *cost)
{
    struct rl__calibration own = rl__calibration_of(traits, lane, request->max_output_tokens);

    rl__charge_reserve(traits, request->input_tokens, request->max_output_tokens, &own, cost);
    if (own.input_ratio > RL__RATIO_EVEN && !rl__admit_fits(lane, cost)) {
        own.input_ratio = RL__RATIO_EVEN;
        rl__charge_reserve(traits, request->input_tokens, request->max_output_tokens, &own, cost);
    }
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
    if (rl__tenants_active(&registry->tenants[kind]))
        rl__tenant_expect(&registry->tenants[kind], who->hash[kind]);
    return RL_OK;
}

static rl_status read_who(struct rl__registry *registry, const rl_request *request,
                          struct rl__who *who)
{
    struct rl__tenants *users = &registry->tenants[RL__USER];
    rl_status st;

    *who = (struct rl__who){ .tenants = registry->tenants };
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

    if (!rl__seems_ours(rl) || request == NULL || scope == NULL)
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

/* Where it stands among those who wait. */
static rl_status read_place(const rl_context *rl, const rl_request *request, struct rl__ask *ask)
{
    size_t length;

    if (request->priority > RL__LEVEL_LAST)
        return RL_E_INVALID;
    ask->level = request->priority;
    ask->share = ask->who.hash[RL__USER];
    ask->ticket = request->ticket;
    if (request->fair_key == NULL)
        return RL_OK;
    length = strnlen(request->fair_key, RL__TENANT_ID_MAX + 1);
    if (length == 0 || length > RL__TENANT_ID_MAX)
        return RL_E_INVALID;
    ask->share = rl__tenant_hash(&rl->registry.key, request->fair_key, length);
    return RL_OK;
}

/* How far it may go from what it names. */
static rl_status read_fallback(const rl_request *request, struct rl__ask *ask)
{
    static const struct rl__hash_key open_key = { { 0, 0 } };
    size_t length;

    if (request->allow_fallback > RL_FALLBACK_KEYS)
        return RL_E_INVALID;
    ask->fallback = request->scope == NULL ? request->allow_fallback : RL_FALLBACK_OFF;
    ask->affinity = 0;
    if (request->affinity == NULL)
        return RL_OK;
    length = strnlen(request->affinity, RL__TENANT_ID_MAX + 1);
    if (length == 0 || length > RL__TENANT_ID_MAX)
        return RL_E_INVALID;
    ask->affinity = rl__hash(&open_key, request->affinity, length) | 1;
    return RL_OK;
}

/* What is set aside, is set aside for classes. */
static uint64_t class_of(uint64_t level)
{
    uint64_t own = level == 0 ? RL_PRIORITY_NORMAL : level;

    return own <= RL_PRIORITY_HIGH ? 0 : own <= RL_PRIORITY_NORMAL ? 1 : 2;
}

static rl_status read_whole(rl_context *rl, const rl_request *request, rl_time started, rl_time now,
                            struct rl__ask *ask)
{
    rl_status st;

    if (request->input_tokens > RL_AMOUNT_MAX || request->max_output_tokens > RL_AMOUNT_MAX ||
        request->images > UINT8_MAX || request->nano_dollars > RL_AMOUNT_MAX)
        return RL_E_INVALID;
    st = request->scope != NULL ? recall(rl, request->scope, ask)
                                : find_names(&rl->registry, request, &ask->who, &ask->lane);
    if (st != RL_OK)
        return st;
    ask->traits = rl__provider_traits(ask->lane->provider);
    if ((st = read_place(rl, request, ask)) != RL_OK || (st = read_fallback(request, ask)) != RL_OK)
        return st;
    cost_of(ask->traits, ask->lane, request, &ask->cost);
    ask->cost.class = class_of(ask->level);
    ask->cost.amount[RL_IMAGES] = request->images;
    ask->cost.amount[RL_MONEY] = request->nano_dollars;
    read_times(rl, request, started, now, ask);
    return RL_OK;
}

/* Compiled against another version. Not inline: it would cost the others the room for a copy. */
__attribute__((noinline)) static rl_status read_copy(rl_context *rl, const rl_request *request,
                                                     rl_time started, rl_time now,
                                                     struct rl__ask *ask)
{
    rl_request own;
    rl_status st = rl__copy_sized(&own, sizeof own, request, request->size);

    return st == RL_OK ? read_whole(rl, &own, started, now, ask) : st;
}

rl_status rl__ask_read(rl_context *rl, const rl_request *request, rl_time started, rl_time now,
                       struct rl__ask *ask)
{
    if (!rl__seems_ours(rl) || request == NULL)
        return RL_E_INVALID;
    if (request->size == sizeof *request)
        return read_whole(rl, request, started, now, ask);
    return read_copy(rl, request, started, now, ask);
}
