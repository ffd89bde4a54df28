/* SPDX-License-Identifier: MIT */
/* Owns attempts that are driven by events: submitted, handed over, taken back. */
#include "context/attempt_parts.h"

#include "context/attempt_route.h"
#include "context/guard.h"

#include <string.h>

/* `kept` is the party's once this is RL_OK; from then on another thread may have it already. */
static rl_status submit_there(rl_context *rl, const struct rl__ask *ask, struct rl__routes *kept,
                              rl_attempt *attempt, rl_attempt_fn fn, void *user)
{
    struct rl__course *course = rl__course_of(attempt);
    rl_status st =
        rl__attempt_wait_for_breaker(ask->lane, attempt, ask->expires, rl__now(&rl->env));
    struct rl__party *party;

    if (st != RL_OK)
        return st;
    if ((party = rl__alloc_zeroed(&rl->env, 1, sizeof *party)) == NULL)
        return RL_E_NOMEM;
    *party = (struct rl__party){
        .permit = &attempt->permit, .attempt = attempt, .fn = fn, .user = user, .routes = kept
    };
    party->ask_deadline = ask->deadline;
    party->waiter.sequence = course->sequence;
    if ((st = rl__acquire_submit(rl, ask, course->not_before, party, &course->party)) != RL_OK)
        rl__free(&rl->env, party);
    return st;
}

static rl_status submit_any(rl_context *rl, struct rl__routes *kept, rl_attempt *attempt,
                            rl_attempt_fn fn, void *user)
{
    struct rl__ending ending = { .status = RL_OK };
    rl_time now = rl__now(&rl->env);
    uint64_t skip = 0;

    for (;;) {
        struct rl__route_choice choice;
        struct rl__ask ask;
        rl_status st = rl__choose(rl, kept, attempt, skip, now, &choice);

        if (st == RL_E_NOT_FOUND)
            return rl__ending_use(&ending, attempt);
        if (st == RL_OK)
            st = rl__set_bounds(kept, &choice, 0, attempt, now, &ask);
        if (st == RL_OK)
            st = submit_there(rl, &ask, kept, attempt, fn, user);
        if (!rl__ends_on_route(st))
            return st;
        rl__ending_keep(&ending, attempt, st);
        skip |= UINT64_C(1) << choice.index;
    }
}

static rl_status submit_by_route(rl_context *rl, const rl_request *request,
                                 const struct rl__ask *named, rl_attempt *attempt, rl_attempt_fn fn,
                                 void *user)
{
    struct rl__routes routes, *kept;
    rl_status st;

    if (named->fallback == RL_FALLBACK_OFF) {
        rl__set_out_as_named(attempt, named);
        return submit_there(rl, named, NULL, attempt, fn, user);
    }
    st = rl__routes_read(rl, request, rl__course_of(attempt), rl__now(&rl->env), &routes);
    if (st != RL_OK)
        return st;
    if (routes.count == 1) {
        rl__set_out(attempt, &routes, &(struct rl__route_choice){ .reason = RL_ROUTE_ASKED });
        return submit_there(rl, &routes.of[0].ask, NULL, attempt, fn, user);
    }
    if ((kept = rl__routes_keep(rl, &routes)) == NULL)
        return RL_E_NOMEM;
    if ((st = submit_any(rl, kept, attempt, fn, user)) != RL_OK)
        rl__free(&rl->env, kept);
    return st;
}

rl_status rl_attempt_submit(rl_context *rl, const rl_request *request, rl_attempt *attempt,
                            rl_attempt_fn fn, void *user)
{
    struct rl__ask ask;
    rl_status st;

    if (fn == NULL)
        return RL_E_INVALID;
    if ((st = rl__attempt_prepare(rl, request, attempt, &ask)) != RL_OK)
        return st;
    attempt->permit.retry_at = RL_NEVER; /* should it not even come to asking */
    if ((st = submit_by_route(rl, request, &ask, attempt, fn, user)) != RL_OK)
        rl__attempt_over(attempt, st, attempt->permit.retry_at, rl__now(&rl->env));
    return st;
}

/* Hands a result to its owner; no lock is held, the party is nobody's any more. */
static void hand_over(rl_context *rl, struct rl__party *party)
{
    rl_attempt *attempt = party->attempt;
    struct rl__ask ask = { .deadline = party->ask_deadline };
    rl_attempt_fn fn = party->fn;
    void *user = party->user;
    rl_status st = party->waiter.status;
    rl_time retry_at = party->waiter.retry_at;
    rl_time now = rl__now(&rl->env);

    rl__free(&rl->env, party->routes);
    rl__free(&rl->env, party);
    if (st == RL_OK)
        rl__attempt_begin(rl, attempt, &ask, now);
    else
        rl__attempt_over(attempt, st, retry_at, now);
    fn(attempt, st == RL_OK, user);
}

static struct rl__party *next_ready(rl_context *rl)
{
    struct rl__party *party = rl->locked.ready;

    if (party == NULL)
        return NULL;
    rl->locked.ready = party->next_ready;
    if (rl->locked.ready == NULL)
        rl->locked.ready_end = &rl->locked.ready;
    rl__course_of(party->attempt)->party = NULL;
    return party;
}

/* Granted, and nobody was told yet: nothing may begin any more. */
static void take_back(rl_context *rl, struct rl__party *party)
{
    if (party->waiter.status != RL_OK)
        return;
    (void)rl_cancel(rl, party->permit); /* just granted: it is held */
    party->waiter.status = RL_E_CLOSED;
    party->waiter.retry_at = RL_NEVER;
}

/* Back into the queue: RL_E_CLOSED, should the context close meanwhile; RL_E_NOMEM. */
static rl_status queue_again(rl_context *rl, struct rl__party *party, rl_time now)
{
    rl_status st = RL_E_CLOSED;

    party->done = 0;
    rl__lock(&rl->lock);
    party->waiter.not_before = rl__course_of(party->attempt)->not_before;
    if (!rl->locked.closing)
        st = rl__queue_add(&rl->locked.queue, &party->waiter, now);
    if (st == RL_OK) {
        rl__course_of(party->attempt)->party = party;
        rl__plan_changed(rl);
    }
    rl__unlock(&rl->lock);
    return st;
}

/* The breaker had opened when the permit was there. 1: it waits on; 0: hand it over. */
static int is_sent_back(rl_context *rl, struct rl__party *party)
{
    struct rl__lane *lane = party->waiter.lane;
    rl_attempt *attempt = party->attempt;
    rl_time now = rl__now(&rl->env);
    rl_status st;

    if (party->waiter.status != RL_OK ||
        rl__guard_enter(lane, rl__course_of(attempt), attempt->permit.granted_at))
        return 0;
    (void)rl_cancel(rl, &attempt->permit); /* just granted: it is held */
    party->waiter.status = rl__attempt_wait_for_breaker(lane, attempt, party->waiter.expires, now);
    party->waiter.retry_at = attempt->permit.retry_at;
    if (party->waiter.status != RL_OK)
        return 0;
    if ((st = queue_again(rl, party, now)) == RL_OK)
        return 1; /* another thread may have it already */
    party->waiter.status = st;
    party->waiter.retry_at = RL_NEVER;
    return 0;
}

/* It has waited there in vain for as long as was expected: another route may be better by now. 1:
 * it waits on; 0: hand it over. */
static int is_sent_elsewhere(rl_context *rl, struct rl__party *party)
{
    struct rl__routes *routes = party->routes;
    rl_attempt *attempt = party->attempt;
    rl_time now = rl__now(&rl->env);
    struct rl__route_choice choice;
    struct rl__ask ask;
    rl_status st;

    if (routes == NULL || !rl__ends_on_time(party->waiter.status) || party->turns == RL__TURNS ||
        now >= routes->of[rl__course_of(attempt)->at].ask.expires)
        return 0;
    st = rl__choose(rl, routes, attempt, 0, now, &choice);
    if (st == RL_OK)
        st = rl__set_bounds(routes, &choice, ++party->turns, attempt, now, &ask);
    if (st == RL_OK)
        st = rl__attempt_wait_for_breaker(ask.lane, attempt, ask.expires, now);
    if (st == RL_OK) {
        rl__party_lay(party, &ask, rl__course_of(attempt)->not_before,
                      rl__course_of(attempt)->sequence);
        st = queue_again(rl, party, now);
    }
    if (st == RL_OK)
        return 1; /* another thread may have it already */
    party->waiter.status = st;
    party->waiter.retry_at = attempt->permit.retry_at;
    return 0;
}

size_t rl_dispatch(rl_context *rl)
{
    struct rl__party *party;
    size_t count = 0;
    int closing;

    if (!rl__is_ours(rl))
        return 0;
    rl__lock(&rl->lock);
    rl__run_queue_locked(rl, rl__now(&rl->env));
    while ((party = next_ready(rl)) != NULL) {
        closing = rl->locked.closing;
        rl__unlock(&rl->lock);
        if (closing)
            take_back(rl, party);
        if (!is_sent_back(rl, party) && !is_sent_elsewhere(rl, party)) {
            hand_over(rl, party);
            count++;
        }
        rl__lock(&rl->lock);
    }
    rl__loop_told(rl);
    rl__unlock(&rl->lock);
    return count;
}

/* Takes a party out of the queue, or out of those that are done and not told yet. Under `lock`. */
static void take_out(rl_context *rl, struct rl__party *party)
{
    struct rl__party **at = &rl->locked.ready;

    rl__course_of(party->attempt)->party = NULL;
    if (!party->done) {
        rl__queue_remove(&rl->locked.queue, &party->waiter);
        rl__plan_changed(rl);
        return;
    }
    while (*at != party)
        at = &(*at)->next_ready;
    *at = party->next_ready;
    if (*at == NULL)
        rl->locked.ready_end = at;
}

rl_status rl_attempt_cancel(rl_context *rl, rl_attempt *attempt)
{
    struct rl__party *party;

    if (!rl__is_ours(rl) || attempt == NULL || attempt->size != sizeof *attempt)
        return RL_E_INVALID;
    rl__lock(&rl->lock);
    if ((party = rl__course_of(attempt)->party) != NULL)
        take_out(rl, party);
    rl__unlock(&rl->lock);
    if (party == NULL)
        return RL_E_NOT_FOUND;
    if (party->done && party->waiter.status == RL_OK)
        (void)rl_cancel(rl, &attempt->permit); /* just granted: it is held */
    party->waiter.status = RL_E_CANCELLED;
    party->waiter.retry_at = RL_NEVER;
    hand_over(rl, party);
    return RL_OK;
}
