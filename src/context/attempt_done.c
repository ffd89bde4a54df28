/* SPDX-License-Identifier: MIT */
/* Owns what an answer means for the rest of the way: over, or once more, then and there. */
#include "context/attempt_parts.h"

#include "base/arith.h"
#include "context/attempt_route.h"
#include "context/guard.h"
#include "flow/retry.h"

#include <string.h>

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
    struct rl__course *course = rl__course_of(attempt);
    rl_retry_policy policy = rl__settings(rl)->retry;
    rl_time allowed;
    int counted;

    if (course->max_attempts != 0)
        policy.max_refusals = 0;
    counted = counts(&policy, course, attempt->verdict.outcome);
    if (counted && course->failures >= attempts_allowed(rl, course)) {
        rl__attempt_over(attempt, RL_E_ATTEMPTS, attempt->verdict.retry_at, now);
        return;
    }
    course->not_before = next_time(rl, course, &attempt->verdict, streak, now);
    if (course->not_before > course->deadline) {
        rl__attempt_over(attempt, RL_E_DEADLINE, course->not_before, now);
        return;
    }
    if (rl__take_budget(rl, counted, now, &allowed) != RL_OK) {
        rl__attempt_over(attempt, RL_E_BUDGET, rl__max(allowed, course->not_before), now);
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
    struct rl__course *course = rl__course_of(attempt);
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
    struct rl__course *course = rl__course_of(attempt);
    rl_retry_policy policy = rl__settings(rl)->retry;
    int is_over = course->max_attempts != 0 && attempt->number >= course->max_attempts;

    if (attempt->verdict.action != RL_RETRY) {
        if (is_over || !others_alive(course))
            rl__attempt_over(attempt, attempt->verdict.status, attempt->verdict.retry_at, now);
        course->dead |= UINT64_C(1) << course->at;
        return;
    }
    if (counts(&policy, course, attempt->verdict.outcome)) {
        course->owes = 1;
        is_over |= course->failures >= attempts_allowed(rl, course);
    }
    note_failure(rl, attempt, streak, now);
    if (is_over)
        rl__attempt_over(attempt, RL_E_ATTEMPTS, attempt->verdict.retry_at, now);
    else
        rl__fetch_add(&rl->count.retries, 1);
}

static void tell_breaker(rl_attempt *attempt, const rl_response *response, rl_time now)
{
    const rl_verdict *verdict = &attempt->verdict;
    uint64_t failure = response->size >= sizeof *response ? response->failure : 0;
    int hinted = verdict->answer.retry_after != RL_NEVER && verdict->status != RL_E_TIMEOUT;

    rl__guard_leave(rl__course_of(attempt), rl_breaker_outcome_of(verdict->outcome, failure),
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
        rl__guard_leave(rl__course_of(attempt), RL_BREAKER_NEUTRAL, 0, rl__now(&rl->env));
    if (st != RL_OK)
        return st;
    now = rl__now(&rl->env);
    tell_breaker(attempt, response, now);
    if (goes_on_elsewhere(rl, attempt, response))
        plan_next_route(rl, attempt, streak, now);
    else if (attempt->verdict.action == RL_RETRY)
        plan_retry(rl, attempt, streak, now);
    else
        rl__attempt_over(attempt, attempt->verdict.status, attempt->verdict.retry_at, now);
    return RL_OK;
}

void rl_attempt_abandon(rl_context *rl, rl_attempt *attempt)
{
    if (!rl__is_ours(rl) || attempt == NULL || attempt->size != sizeof *attempt)
        return;
    (void)rl_attempt_cancel(rl, attempt); /* it need not be queued */
    if (rl__permit_is_held(&attempt->permit))
        (void)rl_cancel(rl, &attempt->permit); /* just seen to be held */
    rl__guard_leave(rl__course_of(attempt), RL_BREAKER_NEUTRAL, 0, rl__now(&rl->env));
    if (attempt->status == RL_WAIT)
        rl__attempt_over(attempt, RL_E_CANCELLED, RL_NEVER, rl__now(&rl->env));
}

void rl_attempt_limit(rl_attempt *attempt, uint64_t max_attempts)
{
    if (attempt != NULL && attempt->size == sizeof *attempt)
        rl__course_of(attempt)->max_attempts = max_attempts;
}
