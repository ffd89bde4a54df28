/* SPDX-License-Identifier: MIT */
/* Owns the retry policy: defaults, delays, and the course of one request. */
#include "flow/retry.h"

#include "base/arith.h"
#include "base/atomic.h"
#include "base/sized.h"
#include "flow/verdict.h"

_Static_assert(sizeof(struct rl__retry) <= sizeof(rl_retry), "it must fit the caller's words");

static void fill_in(rl_retry_policy *policy)
{
    if (policy->max_refusals == 0)
        policy->max_refusals = policy->max_attempts == 0 ? 100 : 0;
    if (policy->max_attempts == 0)
        policy->max_attempts = 6;
    if (policy->base_delay_ms == 0)
        policy->base_delay_ms = 500;
    if (policy->max_delay_ms == 0)
        policy->max_delay_ms = rl__max(30000, policy->base_delay_ms);
    if (policy->max_hint_ms == 0)
        policy->max_hint_ms = 300000;
    if (policy->deadline_ms == 0)
        policy->deadline_ms = RL_NEVER;
}

rl_status rl_retry_policy_resolve(const rl_retry_policy *policy, rl_retry_policy *out)
{
    rl_retry_policy own;
    rl_status st;

    if (out == NULL)
        return RL_E_INVALID;
    own = RL_RETRY_POLICY_INIT;
    if (policy != NULL && (st = rl__copy_sized(&own, sizeof own, policy, policy->size)) != RL_OK)
        return st;
    own.size = sizeof own;
    fill_in(&own);
    if (own.base_delay_ms > own.max_delay_ms || own.jitter > RL_JITTER_NONE || own.idempotency > 1)
        return RL_E_INVALID;
    *out = own;
    return RL_OK;
}

/* ---- delays ---- */

/* min(cap, base * 2^doublings), in ns. */
static rl_duration ceiling(const rl_retry_policy *policy, uint64_t doublings)
{
    uint64_t cap = rl__mul_sat(policy->max_delay_ms, RL_MILLISECOND);
    uint64_t base = rl__mul_sat(policy->base_delay_ms, RL_MILLISECOND);

    if (doublings >= 63 || base > cap >> doublings)
        return cap;
    return base << doublings;
}

/* Evenly over [low, high]. */
static rl_duration between(rl_duration low, rl_duration high, uint64_t random)
{
    return low + (rl_duration)((rl__u128)random * ((rl__u128)(high - low) + 1) >> 64);
}

static rl_duration decorrelated(const rl_retry_policy *policy, rl_duration previous,
                                uint64_t random)
{
    rl_duration base = ceiling(policy, 0), cap = ceiling(policy, 63);

    return between(base, rl__min(cap, rl__mul_sat(3, rl__max(base, previous))), random);
}

rl_duration rl__retry_jitter(const rl_retry_policy *policy, uint64_t failures, rl_duration previous,
                             int hinted, uint64_t random)
{
    rl_duration most = ceiling(policy, failures == 0 ? 0 : failures - 1);

    if (policy->jitter == RL_JITTER_NONE)
        return hinted ? 0 : most;
    if (hinted || policy->jitter == RL_JITTER_FULL)
        return between(0, most, random);
    return policy->jitter == RL_JITTER_EQUAL ? between(most / 2, most, random)
                                             : decorrelated(policy, previous, random);
}

rl_duration rl_retry_delay(const rl_retry_policy *policy, uint64_t failures, rl_duration hint,
                           uint64_t random)
{
    int hinted = hint != RL_NEVER;
    rl_retry_policy own;

    if (rl_retry_policy_resolve(policy, &own) != RL_OK)
        (void)rl_retry_policy_resolve(NULL, &own); /* a contradiction was the caller's to check */
    return rl__add_sat(hinted ? hint : 0, rl__retry_jitter(&own, failures, 0, hinted, random));
}

/* ---- one request ---- */

static struct rl__retry *inside(rl_retry *retry)
{
    struct rl__retry *r = (struct rl__retry *)(void *)retry;

    return r != NULL && r->policy.size == sizeof r->policy ? r : NULL;
}

static const struct rl__retry *look_inside(const rl_retry *retry)
{
    const struct rl__retry *r = (const struct rl__retry *)(const void *)retry;

    return r != NULL && r->policy.size == sizeof r->policy ? r : NULL;
}

static rl_duration from_ms(uint64_t ms)
{
    return ms == RL_NEVER ? RL_NEVER : rl__mul_sat(ms, RL_MILLISECOND);
}

rl_status rl_retry_init(rl_retry *retry, const rl_retry_policy *policy, rl_time now)
{
    struct rl__retry *r = (struct rl__retry *)(void *)retry;
    rl_retry_policy own;
    rl_status st;

    if (retry == NULL)
        return RL_E_INVALID;
    if ((st = rl_retry_policy_resolve(policy, &own)) != RL_OK)
        return st;
    *r = (struct rl__retry){ .policy = own,
                             .deadline = rl__add_sat(now, from_ms(own.deadline_ms)),
                             .attempts = 1 };
    if (own.counters != NULL)
        rl__fetch_add(&own.counters->requests, 1);
    if (own.budget != NULL)
        rl_retry_budget_pay(own.budget, now);
    return RL_OK;
}

rl_status rl_retry_result_of(const rl_answer *answer, uint64_t http_status, uint64_t failure,
                             rl_retry_result *result)
{
    rl_retry_result own = RL_RETRY_RESULT_INIT;

    if (answer == NULL || result == NULL || result->size < sizeof result->size)
        return RL_E_INVALID;
    own.outcome = answer->outcome;
    own.http_status = http_status;
    own.failure = failure;
    own.retryable = answer->retryable;
    own.hint = answer->retry_after;
    own.size = result->size;
    memcpy(result, &own, rl__min(result->size, sizeof own));
    return RL_OK;
}

/* What the library would do, and the user's last word. */
static uint64_t action_for(const struct rl__retry *r, const rl_retry_result *result)
{
    uint64_t action = result->outcome == RL_OUTCOME_OK ? RL_DELIVER
                      : rl__worth_trying(result->outcome, result->failure, result->retryable)
                          ? RL_RETRY
                          : RL_GIVE_UP;

    return r->policy.classify != NULL ? r->policy.classify(r->policy.user, result, action) : action;
}

/* Being told to wait is no failure, within a bound. */
static int count_failure(struct rl__retry *r, const rl_retry_result *result)
{
    if (result->outcome == RL_OUTCOME_RATE_LIMITED && r->refusals < r->policy.max_refusals) {
        r->refusals++;
        return 0;
    }
    r->failures++;
    return 1;
}

/* Not before all else is settled: who gives up takes nothing. */
static rl_status take_budget(const struct rl__retry *r, rl_time now, rl_time *when)
{
    rl_time allowed;

    if (r->policy.budget == NULL || rl_retry_budget_take(r->policy.budget, now, &allowed) == RL_OK)
        return RL_OK;
    *when = rl__max(*when, allowed);
    return RL_E_BUDGET;
}

/* RL_OK: there is a next attempt, at *when. */
static rl_status plan(struct rl__retry *r, const rl_retry_result *result, rl_time now,
                      uint64_t random, rl_time *when)
{
    int hinted = result->hint != RL_NEVER, counts = count_failure(r, result);
    rl_duration delay;
    rl_status st;

    *when = hinted ? rl__add_sat(now, result->hint) : RL_NEVER;
    if (counts && r->failures >= r->policy.max_attempts)
        return RL_E_ATTEMPTS;
    if (hinted && result->hint > from_ms(r->policy.max_hint_ms))
        return RL_E_TIMEOUT;
    delay = rl__retry_jitter(&r->policy, r->attempts, r->previous, hinted, random);
    *when = rl__add_sat(hinted ? *when : now, delay);
    if (*when >= r->deadline)
        return RL_E_DEADLINE;
    if (counts && (st = take_budget(r, now, when)) != RL_OK)
        return st;
    r->previous = delay;
    r->attempts++;
    return RL_OK;
}

static uint64_t *counter_for(rl_retry_counters *counters, rl_status status)
{
    switch (status) {
    case RL_OK:
        return &counters->retries;
    case RL_E_ATTEMPTS:
        return &counters->attempts;
    case RL_E_TIMEOUT:
        return &counters->hint;
    case RL_E_DEADLINE:
        return &counters->deadline;
    case RL_E_BUDGET:
        return &counters->budget;
    default:
        return &counters->not_retryable;
    }
}

static rl_status decide(struct rl__retry *r, const rl_retry_result *result, rl_time now,
                        uint64_t random, rl_time *when)
{
    uint64_t action = action_for(r, result);
    rl_status st;

    if (action == RL_DELIVER)
        return RL_E_ENDED;
    if (action == RL_RETRY) {
        st = plan(r, result, now, random, when);
    } else {
        st = rl__reason(result->outcome, result->failure);
        *when = result->hint == RL_NEVER ? RL_NEVER : rl__add_sat(now, result->hint);
    }
    if (r->policy.counters != NULL)
        rl__fetch_add(counter_for(r->policy.counters, st), 1);
    return st;
}

rl_status rl_retry_next(rl_retry *retry, const rl_retry_result *result, rl_time now,
                        uint64_t random, rl_time *when)
{
    struct rl__retry *r = inside(retry);
    rl_retry_result own = RL_RETRY_RESULT_INIT;
    rl_time at = RL_NEVER;
    rl_status st = RL_E_INVALID;

    if (r != NULL && result != NULL)
        st = rl__copy_sized(&own, sizeof own, result, result->size);
    if (st == RL_OK) {
        st = r->ended ? RL_E_ENDED : decide(r, &own, now, random, &at);
        r->ended = st != RL_OK;
    }
    if (when != NULL)
        *when = at;
    return st;
}

uint64_t rl_retry_attempts(const rl_retry *retry)
{
    const struct rl__retry *r = look_inside(retry);

    return r == NULL ? 0 : r->attempts;
}

rl_duration rl_retry_left(const rl_retry *retry, rl_time now)
{
    const struct rl__retry *r = look_inside(retry);

    return r == NULL || r->deadline == RL_NEVER ? RL_NEVER : rl__sub_sat(r->deadline, now);
}

/* ---- the key ---- */

static void draw_key(struct rl__retry *r, const uint64_t random[2])
{
    const uint64_t version = UINT64_C(4) << 12, variant = UINT64_C(2) << 62;

    if (r->has_key)
        return;
    r->key[0] = (random[0] & ~(UINT64_C(15) << 12)) | version;
    r->key[1] = (random[1] & ~(UINT64_C(3) << 62)) | variant;
    r->has_key = 1;
}

/* "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx" */
static void write_key(const uint64_t words[2], char key[37])
{
    char *to = key;

    for (size_t digit = 0; digit < 32; digit++) {
        if (digit == 8 || digit == 12 || digit == 16 || digit == 20)
            *to++ = '-';
        *to++ = "0123456789abcdef"[words[digit / 16] >> (60 - digit % 16 * 4) & 15];
    }
    *to = '\0';
}

rl_status rl_retry_idempotency_key(rl_retry *retry, const uint64_t random[2], char key[37])
{
    struct rl__retry *r = inside(retry);

    if (key != NULL)
        key[0] = '\0';
    if (r == NULL || random == NULL || key == NULL)
        return RL_E_INVALID;
    if (!r->policy.idempotency)
        return RL_E_NOT_FOUND;
    draw_key(r, random);
    write_key(r->key, key);
    return RL_OK;
}

rl_retry_counters rl_retry_counters_get(const rl_retry_counters *counters)
{
    rl_retry_counters out = { .requests = 0 };

    if (counters == NULL)
        return out;
    out.requests = rl__load(&counters->requests);
    out.retries = rl__load(&counters->retries);
    out.not_retryable = rl__load(&counters->not_retryable);
    out.attempts = rl__load(&counters->attempts);
    out.hint = rl__load(&counters->hint);
    out.deadline = rl__load(&counters->deadline);
    out.budget = rl__load(&counters->budget);
    return out;
}
