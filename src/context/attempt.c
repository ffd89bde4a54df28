/* SPDX-License-Identifier: MIT */
/* Owns the attempt iterator: it joins admission, back-off and settling, blocking or driven by
 * events. */
#include "context/context.h"

#include "base/arith.h"
#include "context/attempt_route.h"
#include "context/events.h"
#include "context/guard.h"
#include "flow/retry.h"

#include <string.h>

static struct rl__course *course_of(rl_attempt *attempt)
{
    return (struct rl__course *)(void *)attempt->private_;
}

_Static_assert(sizeof(struct rl__course) <= sizeof(((rl_attempt *)0)->private_),
               "a course must fit its attempt");

static void over(rl_attempt *attempt, rl_status status, rl_time retry_at, rl_time now)
{
    attempt->status = status;
    attempt->retry_at = retry_at;
    course_of(attempt)->ended_at = now;
}

static int is_held(const rl_permit *permit)
{
    return permit->private_[0] != 0;
}

/* The first call starts the deadline and takes a place in the order of arrival, which retries keep.
 */
static void start_course(rl_context *rl, rl_attempt *attempt, rl_time now)
{
    struct rl__course *course = course_of(attempt);

    if (course->sequence != 0)
        return;
    course->started_at = now;
    course->sequence = rl__fetch_add(&rl->locked.queue.next_sequence, 1);
    if (rl__settings(rl)->has_retry_budget)
        rl_retry_budget_pay(&rl->retry_budget, now);
}

static void begin(rl_context *rl, rl_attempt *attempt, const struct rl__ask *ask, rl_time now)
{
    struct rl__course *course = course_of(attempt);

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

/* Everything before waiting. RL_OK: ask now; else the attempt is over. */
static rl_status prepare(rl_context *rl, const rl_request *request, rl_attempt *attempt,
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
        over(attempt, RL_E_INVALID, RL_NEVER, 0);
        return RL_E_INVALID;
    }
    course = course_of(attempt);
    if (is_held(&attempt->permit) || course->party != NULL)
        return RL_E_INVALID; /* the last one has not been reported, or is still queued */
    now = rl__now(&rl->env);
    start_course(rl, attempt, now);
    st = rl__ask_read(rl, rl__route_named(rl, request, &own), course->started_at,
                      rl__max(now, course->not_before), ask);
    if (st == RL_OK && course->not_before > ask->expires)
        st = ask->expired;
    course->deadline = st == RL_OK ? ask->deadline : RL_NEVER;
    if (st != RL_OK)
        over(attempt, st, course->not_before == 0 ? RL_NEVER : course->not_before, now);
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

/* The breaker may make it wait; longer than it can, and it is over. */
static rl_status wait_for_breaker(const struct rl__lane *lane, rl_attempt *attempt, rl_time expires,
                                  rl_time now)
{
    struct rl__course *course = course_of(attempt);
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
    struct rl__course *course = course_of(attempt);
    rl_status st = wait_for_breaker(ask->lane, attempt, ask->expires, *now);

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
    if ((st = rl__routes_read(rl, request, course_of(attempt), *now, &routes)) != RL_OK)
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

    if (prepare(rl, request, attempt, &ask) != RL_OK)
        return 0;
    attempt->permit.retry_at = RL_NEVER; /* should it not even come to asking */
    now = rl__now(&rl->env);
    st = acquire_by_route(rl, request, &ask, attempt, &now);
    if (st == RL_OK) {
        begin(rl, attempt, &ask, attempt->permit.granted_at);
        return 1;
    }
    over(attempt, st, attempt->permit.retry_at, now);
    return 0;
}

/* ---- what an answer means for the rest of the way ---- */

/* Whether this failure uses up an attempt. Being told to wait is no failure, within a bound. */
static int counts(const rl_retry_policy *policy, struct rl__course *course, uint32_t outcome)
{
    if (outcome == RL_OUTCOME_RATE_LIMITED && course->refusals < policy->max_refusals) {
        course->refusals++;
        return 0;
    }
    course->failures++;
    return 1;
}

/* The back-off doubles with this request's failures, but not beyond what the provider's failures in
 * a row show: one unlucky request among many that succeed need not wait for an outage to end. */
static rl_time next_time(rl_context *rl, struct rl__course *course, const rl_verdict *verdict,
                         uint64_t streak, rl_time now)
{
    uint64_t failures = rl__min(course->failures, rl__max(streak, 1));

    /* After a refusal the gate, and behind it the limiter, say when: both hold for everybody. */
    if (verdict->outcome == RL_OUTCOME_RATE_LIMITED)
        return verdict->retry_at;
    course->delay = rl__retry_jitter(&rl__settings(rl)->retry, failures, course->delay,
                                     verdict->answer.retry_after != RL_NEVER, rl__random(&rl->env));
    return rl__add_sat(rl__max(verdict->retry_at, now), course->delay);
}

static uint64_t attempts_allowed(const rl_context *rl, const struct rl__course *course)
{
    return course->max_attempts != 0 ? course->max_attempts : rl__settings(rl)->retry.max_attempts;
}

static void plan_retry(rl_context *rl, rl_attempt *attempt, uint64_t streak, rl_time now)
{
    struct rl__course *course = course_of(attempt);
    rl_retry_policy policy = rl__settings(rl)->retry;
    rl_time allowed;
    int counted;

    if (course->max_attempts != 0)
        policy.max_refusals = 0;
    counted = counts(&policy, course, attempt->verdict.outcome);
    if (counted && course->failures >= attempts_allowed(rl, course)) {
        over(attempt, RL_E_ATTEMPTS, attempt->verdict.retry_at, now);
        return;
    }
    course->not_before = next_time(rl, course, &attempt->verdict, streak, now);
    if (course->not_before > course->deadline) {
        over(attempt, RL_E_DEADLINE, course->not_before, now);
        return;
    }
    if (rl__take_budget(rl, counted, now, &allowed) != RL_OK) {
        over(attempt, RL_E_BUDGET, rl__max(allowed, course->not_before), now);
        rl__fetch_add(&rl->count.over_budget, 1);
        return;
    }
    rl__fetch_add(&rl->count.retries, 1);
}

/* ---- the same, where there are several routes ---- */

static int is_gated(const rl_verdict *verdict)
{
    return verdict->outcome == RL_OUTCOME_RATE_LIMITED ||
           (verdict->outcome == RL_OUTCOME_OVERLOADED && verdict->answer.retry_after != RL_NEVER);
}

static int others_alive(const struct rl__course *course)
{
    uint64_t all = (UINT64_C(1) << course->count) - 1;

    return (course->dead | UINT64_C(1) << course->at) != all;
}

/* When those who were tried may be again: their gates say the rest. A hint that no gate keeps is
 * kept by all, unless it is long: then this request does without that route. */
static void note_failure(rl_context *rl, rl_attempt *attempt, uint64_t streak, rl_time now)
{
    struct rl__course *course = course_of(attempt);
    const rl_verdict *verdict = &attempt->verdict;
    rl_time again = verdict->outcome == RL_OUTCOME_RATE_LIMITED
                        ? now
                        : next_time(rl, course, verdict, streak, now);

    if (!is_gated(verdict) && verdict->answer.retry_after != RL_NEVER &&
        verdict->answer.retry_after > rl__settings(rl)->stay_within && others_alive(course))
        course->dead |= UINT64_C(1) << course->at;
    else
        course->again_at = rl__max(course->again_at, again);
}

/* A route that was not tried yet costs no attempt but those that failed, and nothing of the budget;
 * who has bounded the attempts themselves has bounded all of them. */
static void plan_next_route(rl_context *rl, rl_attempt *attempt, uint64_t streak, rl_time now)
{
    struct rl__course *course = course_of(attempt);
    rl_retry_policy policy = rl__settings(rl)->retry;
    int is_over = course->max_attempts != 0 && attempt->number >= course->max_attempts;

    if (attempt->verdict.action != RL_RETRY) {
        if (is_over || !others_alive(course))
            over(attempt, attempt->verdict.status, attempt->verdict.retry_at, now);
        course->dead |= UINT64_C(1) << course->at;
        return;
    }
    if (counts(&policy, course, attempt->verdict.outcome)) {
        course->owes = 1;
        is_over |= course->failures >= attempts_allowed(rl, course);
    }
    note_failure(rl, attempt, streak, now);
    if (is_over)
        over(attempt, RL_E_ATTEMPTS, attempt->verdict.retry_at, now);
    else
        rl__fetch_add(&rl->count.retries, 1);
}

static void tell_breaker(rl_attempt *attempt, const rl_response *response, rl_time now)
{
    const rl_verdict *verdict = &attempt->verdict;
    uint64_t failure = response->size >= sizeof *response ? response->failure : 0;
    int hinted = verdict->answer.retry_after != RL_NEVER && verdict->status != RL_E_TIMEOUT;

    rl__guard_leave(course_of(attempt), rl_breaker_outcome_of(verdict->outcome, failure),
                    hinted ? verdict->retry_at : 0, now);
}

static int goes_on_elsewhere(rl_context *rl, const rl_attempt *attempt, const rl_response *response)
{
    struct rl__course course;
    uint64_t failure = response->size >= sizeof *response ? response->failure : 0;
    rl_duration max_hint = rl__mul_sat(rl__settings(rl)->retry.max_hint_ms, RL_MILLISECOND);

    memcpy(&course, attempt->private_, sizeof course);
    return course.count > 1 && rl__route_may_help(&attempt->verdict, failure, max_hint);
}

rl_status rl_attempt_done(rl_context *rl, rl_attempt *attempt, const rl_response *response)
{
    uint64_t streak = 0;
    rl_time now;
    rl_status st;

    if (!rl__is_ours(rl) || attempt == NULL || attempt->size != sizeof *attempt)
        return RL_E_INVALID;
    st = rl__observe(rl, &attempt->permit, response, &attempt->verdict, &streak);
    if (st == RL_E_ENDED) /* somebody else has, and did not say how it went */
        rl__guard_leave(course_of(attempt), RL_BREAKER_NEUTRAL, 0, rl__now(&rl->env));
    if (st != RL_OK)
        return st;
    now = rl__now(&rl->env);
    tell_breaker(attempt, response, now);
    if (goes_on_elsewhere(rl, attempt, response))
        plan_next_route(rl, attempt, streak, now);
    else if (attempt->verdict.action == RL_RETRY)
        plan_retry(rl, attempt, streak, now);
    else
        over(attempt, attempt->verdict.status, attempt->verdict.retry_at, now);
    return RL_OK;
}

void rl_attempt_abandon(rl_context *rl, rl_attempt *attempt)
{
    if (!rl__is_ours(rl) || attempt == NULL || attempt->size != sizeof *attempt)
        return;
    (void)rl_attempt_cancel(rl, attempt); /* it need not be queued */
    if (is_held(&attempt->permit))
        (void)rl_cancel(rl, &attempt->permit); /* just seen to be held */
    rl__guard_leave(course_of(attempt), RL_BREAKER_NEUTRAL, 0, rl__now(&rl->env));
    if (attempt->status == RL_WAIT)
        over(attempt, RL_E_CANCELLED, RL_NEVER, rl__now(&rl->env));
}

void rl_attempt_limit(rl_attempt *attempt, uint64_t max_attempts)
{
    if (attempt != NULL && attempt->size == sizeof *attempt)
        course_of(attempt)->max_attempts = max_attempts;
}

/* ---- driven by events ---- */

/* `kept` is the party's once this is RL_OK; from then on another thread may have it already. */
static rl_status submit_there(rl_context *rl, const struct rl__ask *ask, struct rl__routes *kept,
                              rl_attempt *attempt, rl_attempt_fn fn, void *user)
{
    struct rl__course *course = course_of(attempt);
    rl_status st = wait_for_breaker(ask->lane, attempt, ask->expires, rl__now(&rl->env));
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
    st = rl__routes_read(rl, request, course_of(attempt), rl__now(&rl->env), &routes);
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
    if ((st = prepare(rl, request, attempt, &ask)) != RL_OK)
        return st;
    attempt->permit.retry_at = RL_NEVER; /* should it not even come to asking */
    if ((st = submit_by_route(rl, request, &ask, attempt, fn, user)) != RL_OK)
        over(attempt, st, attempt->permit.retry_at, rl__now(&rl->env));
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
        begin(rl, attempt, &ask, now);
    else
        over(attempt, st, retry_at, now);
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
    course_of(party->attempt)->party = NULL;
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
    party->waiter.not_before = course_of(party->attempt)->not_before;
    if (!rl->locked.closing)
        st = rl__queue_add(&rl->locked.queue, &party->waiter, now);
    if (st == RL_OK) {
        course_of(party->attempt)->party = party;
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
        rl__guard_enter(lane, course_of(attempt), attempt->permit.granted_at))
        return 0;
    (void)rl_cancel(rl, &attempt->permit); /* just granted: it is held */
    party->waiter.status = wait_for_breaker(lane, attempt, party->waiter.expires, now);
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
        now >= routes->of[course_of(attempt)->at].ask.expires)
        return 0;
    st = rl__choose(rl, routes, attempt, 0, now, &choice);
    if (st == RL_OK)
        st = rl__set_bounds(routes, &choice, ++party->turns, attempt, now, &ask);
    if (st == RL_OK)
        st = wait_for_breaker(ask.lane, attempt, ask.expires, now);
    if (st == RL_OK) {
        rl__party_lay(party, &ask, course_of(attempt)->not_before, course_of(attempt)->sequence);
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

    course_of(party->attempt)->party = NULL;
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
    if ((party = course_of(attempt)->party) != NULL)
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
