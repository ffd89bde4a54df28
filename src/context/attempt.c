/* SPDX-License-Identifier: MIT */
/* Owns how an attempt begins, and the front that waits. */
#include "context/attempt_parts.h"

#include "base/arith.h"
#include "context/attempt_route.h"
#include "context/events.h"
#include "context/guard.h"
#include "flow/retry.h"

#include <string.h>

void rl__attempt_over(rl_attempt *attempt, rl_status status, rl_time retry_at, rl_time now)
{
    attempt->status = status;
    attempt->retry_at = retry_at;
    rl__course_of(attempt)->ended_at = now;
}

/* The first call starts the deadline and takes a place in the order of arrival, which retries keep.
 */
static void start_course(rl_context *rl, rl_attempt *attempt, rl_time now)
{
    struct rl__course *course = rl__course_of(attempt);

    if (course->sequence != 0)
        return;
    course->started_at = now;
    course->sequence = rl__fetch_add(&rl->locked.queue.next_sequence, 1);
    if (rl__settings(rl)->has_retry_budget)
        rl_retry_budget_pay(&rl->retry_budget, now);
}

void rl__attempt_begin(rl_context *rl, rl_attempt *attempt, const struct rl__ask *ask, rl_time now)
{
    struct rl__course *course = rl__course_of(attempt);

    if (course->count > 1) {
        rl__events_tell_route(rl, attempt, now);
        course->tried |= UINT64_C(1) << course->at;
        course->left_by = (uint16_t)(course->at + 1);
    }
    course->begins = 0;
    if (course->is_fallback)
        rl__fetch_add(&rl->count.fallbacks, 1);
    attempt->number++;
    attempt->timeout_ms = RL_NEVER;
    if (ask->deadline != RL_NEVER)
        attempt->timeout_ms = rl__max(rl__sub_sat(ask->deadline, now) / RL_MILLISECOND, 1);
}

rl_status rl__attempt_prepare(rl_context *rl, const rl_request *request, rl_attempt *attempt,
                              struct rl__ask *ask)
{
    struct rl__course *course;
    rl_request own;
    rl_time now;
    rl_status st;

    if (rl == NULL || request == NULL || attempt == NULL || attempt->size != sizeof *attempt)
        return RL_E_INVALID;
    if (attempt->status != RL_WAIT)
        return attempt->status == RL_OK ? RL_E_ENDED : attempt->status;
    if (!rl__is_ours(rl)) {
        rl__attempt_over(attempt, RL_E_INVALID, RL_NEVER, 0);
        return RL_E_INVALID;
    }
    course = rl__course_of(attempt);
    if (rl__permit_is_held(&attempt->permit) || course->party != NULL)
        return RL_E_INVALID; /* the last one has not been reported, or is still queued */
    now = rl__now(&rl->env);
    start_course(rl, attempt, now);
    st = rl__ask_read(rl, rl__route_named(rl, request, &own), course->started_at,
                      rl__max(now, course->not_before), ask);
    if (st == RL_OK && course->not_before > ask->expires)
        st = ask->expired;
    course->deadline = st == RL_OK ? ask->deadline : RL_NEVER;
    if (st != RL_OK)
        rl__attempt_over(attempt, st, course->not_before == 0 ? RL_NEVER : course->not_before, now);
    return st;
}

/* ---- the breaker ---- */

/* What the permit of an attempt says that the breaker does not let go. */
static void held_by_breaker(rl_permit *permit, const struct rl__lane *lane, rl_time retry_at)
{
    const struct rl__refusal refusal = { .by = RL__HELD_BY_BREAKER,
                                         .name = lane->scope[RL__PROVIDER_SCOPE]->name };

    memset(permit, 0, sizeof *permit);
    permit->retry_at = retry_at;
    rl__permit_refused(permit, &refusal);
}

rl_status rl__attempt_wait_for_breaker(const struct rl__lane *lane, rl_attempt *attempt,
                                       rl_time expires, rl_time now)
{
    struct rl__course *course = rl__course_of(attempt);
    rl_time when = rl__guard_when(lane, now);

    if (when > now && (when == RL_NEVER || when > expires)) {
        held_by_breaker(&attempt->permit, lane, when);
        return RL_E_CIRCUIT_OPEN;
    }
    if (when > now)
        course->not_before = rl__max(course->not_before, when);
    return RL_OK;
}

/* RL_WAIT: the breaker had opened when the permit was there. */
static rl_status acquire_guarded(rl_context *rl, const struct rl__ask *ask, rl_attempt *attempt,
                                 rl_time *now)
{
    struct rl__course *course = rl__course_of(attempt);
    rl_status st = rl__attempt_wait_for_breaker(ask->lane, attempt, ask->expires, *now);

    if (st != RL_OK)
        return st;
    st = rl__acquire(rl, ask, course->not_before, course->sequence, &attempt->permit, now);
    if (st != RL_OK || rl__guard_enter(ask->lane, course, attempt->permit.granted_at))
        return st;
    *now = rl__now(&rl->env);
    (void)rl_cancel(rl, &attempt->permit); /* just granted: it is held */
    return RL_WAIT;
}

static rl_status acquire_one(rl_context *rl, const struct rl__ask *ask, rl_attempt *attempt,
                             rl_time *now)
{
    rl_status st;

    do
        st = acquire_guarded(rl, ask, attempt, now);
    while (st == RL_WAIT);
    return st;
}

/* ---- by one of several routes ---- */

/* On one route, and not for longer than until another may be better. RL_WAIT: look again. */
static rl_status acquire_there(rl_context *rl, const struct rl__routes *routes,
                               const struct rl__route_choice *choice, unsigned turn,
                               rl_attempt *attempt, rl_time *now)
{
    rl_time last = routes->of[choice->index].ask.expires;
    struct rl__ask ask;
    rl_status st = rl__set_bounds(routes, choice, turn, attempt, *now, &ask);

    if (st != RL_OK)
        return st;
    st = acquire_guarded(rl, &ask, attempt, now);
    return rl__ends_on_time(st) && ask.expires < last && *now < last ? RL_WAIT : st;
}

static rl_status acquire_any(rl_context *rl, struct rl__routes *routes, rl_attempt *attempt,
                             rl_time *now)
{
    struct rl__ending ending = { .status = RL_OK };
    uint64_t skip = 0;

    for (unsigned turn = 0;; turn++) {
        struct rl__route_choice choice;
        rl_status st = rl__choose(rl, routes, attempt, skip, *now, &choice);

        if (st == RL_E_NOT_FOUND)
            return rl__ending_use(&ending, attempt);
        if (st == RL_OK)
            st = acquire_there(rl, routes, &choice, turn, attempt, now);
        if (st == RL_WAIT)
            continue;
        if (!rl__ends_on_route(st))
            return st;
        rl__ending_keep(&ending, attempt, st);
        skip |= UINT64_C(1) << choice.index;
        if (*now >= routes->of[choice.index].ask.expires)
            return rl__ending_use(&ending,
                                  attempt); /* its time is over, whatever else there may be */
    }
}

static rl_status acquire_by_route(rl_context *rl, const rl_request *request,
                                  const struct rl__ask *named, rl_attempt *attempt, rl_time *now)
{
    struct rl__routes routes;
    rl_status st;

    if (named->fallback == RL_FALLBACK_OFF) {
        rl__set_out_as_named(attempt, named);
        return acquire_one(rl, named, attempt, now);
    }
    if ((st = rl__routes_read(rl, request, rl__course_of(attempt), *now, &routes)) != RL_OK)
        return st;
    if (routes.count > 1)
        return acquire_any(rl, &routes, attempt, now);
    rl__set_out(attempt, &routes, &(struct rl__route_choice){ .reason = RL_ROUTE_ASKED });
    return acquire_one(rl, &routes.of[0].ask, attempt, now);
}

int rl_next_attempt(rl_context *rl, const rl_request *request, rl_attempt *attempt)
{
    struct rl__ask ask;
    rl_time now;
    rl_status st;

    if (rl__attempt_prepare(rl, request, attempt, &ask) != RL_OK)
        return 0;
    attempt->permit.retry_at = RL_NEVER; /* should it not even come to asking */
    now = rl__now(&rl->env);
    st = acquire_by_route(rl, request, &ask, attempt, &now);
    if (st == RL_OK) {
        rl__attempt_begin(rl, attempt, &ask, attempt->permit.granted_at);
        return 1;
    }
    rl__attempt_over(attempt, st, attempt->permit.retry_at, now);
    return 0;
}
