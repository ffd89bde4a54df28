/* SPDX-License-Identifier: MIT */
/**
 * @file retry.h
 * When to try again, usable on its own: it reads no clock and sleeps nowhere.
 *
 *     rl_retry retry;
 *     rl_retry_init(&retry, NULL, now);                 // six attempts, full jitter
 *     for (;;) {
 *         ... one attempt: `answer`, as rl_answer_read() wrote it ...
 *         rl_retry_result result = RL_RETRY_RESULT_INIT;
 *         rl_retry_result_of(&answer, http_status, failure, &result);
 *         if (rl_retry_next(&retry, &result, now, random, &when) != RL_OK)
 *             break;                                    // a success, or no use: the status says
 *         ... sleep until `when` ...
 *     }
 */
#ifndef LLMRL_RETRY_H
#define LLMRL_RETRY_H

#include <llmrl/base.h>
#include <llmrl/limiter.h>
#include <llmrl/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What to do after an answer. */
typedef enum rl_action {
    RL_DELIVER = 0, /* it is a success: hand it on */
    RL_RETRY = 1,   /* try again, at retry_at or later */
    RL_GIVE_UP = 2  /* hand the failure on: `status` says why */
} rl_action;

/** How delays are spread, c being min(cap, base x 2^(failures-1)). Source: "Exponential Backoff And
 * Jitter", AWS Architecture Blog, 2015. */
typedef enum rl_jitter {
    RL_JITTER_FULL = 0,     /* evenly over [0, c] */
    RL_JITTER_EQUAL,        /* [c/2, c] */
    RL_JITTER_DECORRELATED, /* [base, three times the delay before], and at most cap */
    RL_JITTER_NONE          /* c itself: who failed together comes back together */
} rl_jitter;

/** What became of one attempt, as far as trying again goes. */
typedef struct rl_retry_result {
    size_t size;          /* set by RL_RETRY_RESULT_INIT */
    uint64_t outcome;     /* an rl_outcome */
    uint64_t http_status; /* 0: none came */
    uint64_t failure;     /* an rl_failure */
    uint64_t retryable;   /* trying again may help; see rl_answer */
    rl_duration hint;     /* the provider's waiting time; 0: at once. RL_NEVER, as set by the macro:
                             none */
} rl_retry_result;

static inline rl_retry_result rl_retry_result_init_(void)
{
    rl_retry_result result = RL_ZERO_;
    result.size = sizeof result;
    result.hint = RL_NEVER;
    return result;
}
#define RL_RETRY_RESULT_INIT rl_retry_result_init_()

typedef struct rl_retry_budget rl_retry_budget;
typedef struct rl_retry_counters rl_retry_counters;

/** Zero means the default. */
typedef struct rl_retry_policy {
    size_t size;            /* set by RL_RETRY_POLICY_INIT */
    uint64_t max_attempts;  /* the first one included; 0: 6; RL_NEVER: no bound */
    uint64_t base_delay_ms; /* 0: 500 */
    uint64_t max_delay_ms;  /* cap of the back-off; 0: 30 000 */
    uint64_t max_hint_ms; /* a provider's hint above this fails at once; 0: 300 000; RL_NEVER: none
                             is too long */
    /* Refusals (429) of one request that do not count as attempts, as waiting is no failure; 0:
     * 100, but none where max_attempts is given: a bound that is asked for holds for all. */
    uint64_t max_refusals;
    uint64_t jitter; /* an rl_jitter */
    /* ---- what follows is looked at by rl_retry alone; a context has its own ---- */
    uint64_t deadline_ms; /* for everything, from rl_retry_init(); 0 or RL_NEVER: none */
    uint64_t idempotency; /* 1: rl_retry_idempotency_key() gives a key; 0: none */
    /* Has the last word on what is worth another try: gets what the library would do (an rl_action)
     * and gives what to do. It cannot lift a bound. NULL: the library's own opinion. */
    uint64_t (*classify)(void *user, const rl_retry_result *result, uint64_t action);
    void *user;              /* borrowed, as the next two: as long as a retry with this policy */
    rl_retry_budget *budget; /* shared by many requests; NULL: no bound of that kind */
    rl_retry_counters *counters; /* likewise; NULL: nobody counts */
} rl_retry_policy;

static inline rl_retry_policy rl_retry_policy_init_(void)
{
    rl_retry_policy policy = RL_ZERO_;
    policy.size = sizeof policy;
    return policy;
}
#define RL_RETRY_POLICY_INIT rl_retry_policy_init_()

/** Fills zero members with the defaults above. RL_E_INVALID: base above cap, an unknown jitter,
 * idempotency above 1. */
RL_API rl_status rl_retry_policy_resolve(const rl_retry_policy *policy, rl_retry_policy *out);

/**
 * The delay after `failures` failed attempts (1: the first failed), spread as policy->jitter says.
 * With a hint evenly over [hint, hint + c], without jitter the hint itself: it is never undercut.
 * Decorrelated jitter needs the delay before, which rl_retry_next() keeps; here it is that of a
 * first failure.
 *
 * @param hint    the provider's waiting time; RL_NEVER: none.
 * @param random  64 random bits.
 * Threads: any.
 */
RL_API rl_duration rl_retry_delay(const rl_retry_policy *policy, uint64_t failures,
                                  rl_duration hint, uint64_t random);

/* ---- one request ---- */

/** The retries of one request. Yours, on the stack if you like; nothing needs to be freed. */
typedef struct rl_retry {
    uint64_t private_[32];
} rl_retry;

/**
 * Begins a request: its deadline runs from `now`, and it pays its share into the budget.
 *
 * @param policy  NULL: all defaults. Copied, but for what it points to.
 * @retval RL_E_INVALID, RL_E_TOO_NEW  as rl_retry_policy_resolve(); or retry is NULL.
 * Threads: one at a time for each retry.  Blocks: no.  Allocates: no.  Since: 0.2.
 */
RL_API rl_status rl_retry_init(rl_retry *retry, const rl_retry_policy *policy, rl_time now);

/** Reads what matters here out of an answer. RL_E_INVALID: a NULL pointer, no size. Threads: any.
 */
RL_API rl_status rl_retry_result_of(const rl_answer *answer, uint64_t http_status, uint64_t failure,
                                    rl_retry_result *result);

/**
 * Decides after an attempt whether there is a next one, and when.
 *
 * Nobody waits in vain: what could not be kept is told at once, with its time. Any status but RL_OK
 * and RL_E_INVALID ends the request; then it has taken nothing from the budget.
 *
 * @param result  not NULL; borrowed.
 * @param random  64 random bits.
 * @param when    NULL: not wanted; written on every return. With RL_OK the time of the next
 *                attempt, never before a hint; else the earliest useful time, RL_NEVER: none is
 *                known.
 * @retval RL_OK            try again at *when.
 * @retval RL_E_ATTEMPTS    that was the last one allowed.
 * @retval RL_E_TIMEOUT     the hint is longer than max_hint_ms.
 * @retval RL_E_DEADLINE    the next attempt would begin at the deadline or after it.
 * @retval RL_E_BUDGET      too many have retried lately. A refusal that does not count as an
 *                          attempt needs no budget.
 * @retval RL_E_REJECTED, RL_E_QUOTA, RL_E_TOO_LARGE, RL_E_TRANSPORT, RL_E_TOO_BIG  not worth it.
 * @retval RL_E_ENDED       it was a success, or there was an end before.
 * @retval RL_E_INVALID     a NULL pointer, no size, a retry that was not begun.
 * Threads: as above.  Blocks: no.  Allocates: no.  Since: 0.2.
 */
RL_API rl_status rl_retry_next(rl_retry *retry, const rl_retry_result *result, rl_time now,
                               uint64_t random, rl_time *when);

/** Attempts begun, the first one included; 0: not begun. */
RL_API uint64_t rl_retry_attempts(const rl_retry *retry);
/** What the deadline leaves for the present attempt; RL_NEVER: there is none. */
RL_API rl_duration rl_retry_left(const rl_retry *retry, rl_time now);

/**
 * A key by which the provider knows the attempts of one request as one: a UUID (version 4), drawn
 * with the first call and the same from then on.
 *
 * @param random  not NULL; 128 random bits. Only looked at by the first call.
 * @param key     not NULL; written on every return, "" unless RL_OK.
 * @retval RL_E_NOT_FOUND  the policy asks for none.
 * @retval RL_E_INVALID    a NULL pointer, or a retry that was not begun.
 * Source: RFC 9562, section 5.4.
 */
RL_API rl_status rl_retry_idempotency_key(rl_retry *retry, const uint64_t random[2], char key[37]);

/* ---- many requests ---- */

/** Zero means the default. */
typedef struct rl_retry_budget_options {
    size_t size;              /* set by RL_RETRY_BUDGET_OPTIONS_INIT */
    uint64_t ratio;           /* retries per thousand requests; 0: 200; RL_NEVER: only the floor */
    uint64_t floor;           /* so many more in each floor_period, whatever the traffic; 0: 10 */
    rl_duration floor_period; /* 0: one minute; at most ten years */
    uint64_t burst;           /* what may be saved up; full at first; 0: 30 */
} rl_retry_budget_options;

static inline rl_retry_budget_options rl_retry_budget_options_init_(void)
{
    rl_retry_budget_options options = RL_ZERO_;
    options.size = sizeof options;
    return options;
}
#define RL_RETRY_BUDGET_OPTIONS_INIT rl_retry_budget_options_init_()

/** A bound on the retries of all requests together, so that they do not drown a provider that is
 * ill. In any window T at most burst + ratio/1000 x requests + floor x T / floor_period retries,
 * the requests being those of the window. Yours; the members are private. Nothing needs to be
 * freed. */
struct rl_retry_budget {
    uint64_t ratio;
    rl_limiter bucket;
};

/**
 * @param options  NULL: all defaults.
 * @retval RL_E_INVALID  a NULL pointer, no size; a ratio above 1000, floor or burst above 10^9, a
 *                       floor of more than 0.03 per nanosecond.
 * @retval RL_E_TOO_NEW  `options` has fields that this library does not know.
 * Threads: one, before the others see it.  Blocks: no.  Allocates: no.  Since: 0.2.
 */
RL_API rl_status rl_retry_budget_init(rl_retry_budget *budget,
                                      const rl_retry_budget_options *options, rl_time now);
/** A request begins: its share is paid in. rl_retry_init() does so. Threads: any, at once too. */
RL_API void rl_retry_budget_pay(rl_retry_budget *budget, rl_time now);
/** Takes one retry, or nothing.
 * @param retry_at  NULL: not wanted; else as in rl_limiter_take(): when the floor alone would allow
 *                  it.
 * @retval RL_OK, RL_WAIT, RL_E_INVALID.  Threads: any, at once too. */
RL_API rl_status rl_retry_budget_take(rl_retry_budget *budget, rl_time now, rl_time *retry_at);

/** What came of it, over all requests that share these counters. Yours: zero them, and read them
 * with rl_retry_counters_get() while others count. */
struct rl_retry_counters {
    uint64_t requests;      /* begun */
    uint64_t retries;       /* decided */
    uint64_t not_retryable; /* retries there were none, for want of: a chance, */
    uint64_t attempts;      /* attempts, */
    uint64_t hint;          /* patience for the provider's hint, */
    uint64_t deadline;      /* time, */
    uint64_t budget;        /* budget */
};

/** Threads: any. */
RL_API rl_retry_counters rl_retry_counters_get(const rl_retry_counters *counters);

#ifdef __cplusplus
}
#endif
#endif
