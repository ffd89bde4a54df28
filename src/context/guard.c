/* SPDX-License-Identifier: MIT */
/* Owns a provider's circuit breaker within a context. */
#include "context/guard.h"

#include "base/arith.h"

#include <string.h>

struct rl__guard {
    rl_breaker breaker;
    rl_context *rl;
    const char *name; /* of the provider */
};

/* No lock is held: the line goes to the user's function. */
static void report(void *user, const rl_breaker_event *event)
{
    const struct rl__guard *guard = user;

    if (event->to == RL_BREAKER_OPEN && event->cause != RL_BREAKER_BY_FORCE)
        rl__log(&guard->rl->env, RL_LOG_WARNING,
                "%s: circuit breaker open for %llu ms: of %llu calls %llu failed, %llu were slow",
                guard->name, (unsigned long long)((event->open_until - event->at) / RL_MILLISECOND),
                (unsigned long long)event->calls, (unsigned long long)event->failures,
                (unsigned long long)event->slow);
    else
        rl__log(&guard->rl->env, RL_LOG_INFO, "%s: circuit breaker %s", guard->name,
                rl_breaker_state_name(event->to));
}

static const struct rl__breaker_settings *settings_of(const rl_context *rl,
                                                      const struct rl__provider *provider)
{
    const struct rl__provider_settings *own = provider->settings;

    return own != NULL && own->breaker.given ? &own->breaker : &rl__settings(rl)->breaker;
}

rl_status rl__guard_new(rl_context *rl, struct rl__provider *provider)
{
    const struct rl__breaker_settings *settings = settings_of(rl, provider);
    rl_breaker_options options = settings->options;
    struct rl__guard *guard;
    rl_status st;

    if (!settings->enabled)
        return RL_OK;
    if ((guard = rl__alloc_zeroed(&rl->env, 1, sizeof *guard)) == NULL)
        return RL_E_NOMEM;
    guard->rl = rl;
    guard->name = provider->name;
    options.event = report;
    options.user = guard;
    options.random = rl__random(&rl->env);
    if ((st = rl_breaker_init(&guard->breaker, &options)) != RL_OK) {
        rl__free(&rl->env, guard);
        return st;
    }
    provider->guard = guard;
    return RL_OK;
}

void rl__guards_free(rl_context *rl)
{
    for (struct rl__provider *p = rl->registry.providers; p != NULL; p = p->next) {
        if (p->guard != NULL)
            rl_breaker_deinit(&p->guard->breaker);
        rl__free(&rl->env, p->guard);
        p->guard = NULL;
    }
}

static struct rl__guard *guard_of(const struct rl__lane *lane)
{
    return ((const struct rl__provider *)lane->provider)->guard;
}

static int is_half_open(struct rl__guard *guard, rl_time now)
{
    rl_breaker_status status = { .size = sizeof status };

    return rl_breaker_get(&guard->breaker, now, &status) == RL_OK &&
           status.state == RL_BREAKER_HALF_OPEN;
}

rl_time rl__guard_when(const struct rl__lane *lane, rl_time now)
{
    struct rl__guard *guard = guard_of(lane);
    rl_time when = now;

    if (guard != NULL && rl_breaker_peek(&guard->breaker, now, &when) == RL_WAIT &&
        is_half_open(guard, now))
        when = rl__min(when, rl__add_sat(now, RL__GUARD_LOOK));
    return when;
}

rl_time rl__guard_start(const struct rl__lane *lane, rl_time now, int *by_hand)
{
    struct rl__guard *guard = guard_of(lane);
    rl_time when = now;

    *by_hand = 0;
    if (guard == NULL || rl_breaker_peek(&guard->breaker, now, &when) != RL_WAIT)
        return now;
    if (is_half_open(guard, now))
        return RL_NEVER;
    *by_hand = when == RL_NEVER;
    return when;
}

int rl__guard_enter(const struct rl__lane *lane, struct rl__course *course, rl_time now)
{
    struct rl__guard *guard = guard_of(lane);

    if (guard == NULL)
        return 1;
    rl__guard_leave(course, RL_BREAKER_NEUTRAL, 0, now); /* if the one before was never told */
    if (rl_breaker_ask(&guard->breaker, now, &course->ticket, NULL) != RL_OK)
        return 0;
    course->guard = guard;
    return 1;
}

void rl__guard_leave(struct rl__course *course, rl_breaker_outcome outcome, rl_time open_until,
                     rl_time now)
{
    struct rl__guard *guard = course->guard;

    if (guard == NULL)
        return;
    course->guard = NULL;
    (void)rl_breaker_record(&guard->breaker, &course->ticket, outcome, RL_NEVER,
                            now); /* it is ours */
    if (outcome == RL_BREAKER_FAILURE && open_until != 0)
        (void)rl_breaker_hold(&guard->breaker, open_until);
}

/* ---- the public doors ---- */

static rl_status find(rl_context *rl, const char *provider, struct rl__guard **guard)
{
    struct rl__lane *lane;
    rl_status st;

    if (!rl__is_ours(rl) || provider == NULL)
        return RL_E_INVALID;
    if ((st = rl__registry_lane(&rl->registry, provider, NULL, &lane)) != RL_OK)
        return st;
    *guard = guard_of(lane);
    return *guard == NULL ? RL_E_NOT_FOUND : RL_OK;
}

rl_status rl_circuit_get(rl_context *rl, const char *provider, rl_breaker_status *out)
{
    struct rl__guard *guard;
    rl_status st = find(rl, provider, &guard);

    return st == RL_OK ? rl_breaker_get(&guard->breaker, rl__now(&rl->env), out) : st;
}

rl_status rl_circuit_force(rl_context *rl, const char *provider, uint64_t mode)
{
    struct rl__guard *guard;
    rl_status st = find(rl, provider, &guard);

    return st == RL_OK ? rl_breaker_force(&guard->breaker, mode, rl__now(&rl->env)) : st;
}
