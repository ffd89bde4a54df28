/* SPDX-License-Identifier: MIT */
/*
 * Delays in their bounds for every policy, requests that end as promised, and the budget against
 * exact sums over every window. LLMRL_PROPERTY_STEPS: how many steps (default 10^6); LLMRL_SEED:
 * replays a run.
 */
#include "vclock.h"

#include <llmrl/retry.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

__extension__ typedef __int128 exact;

struct run {
    struct vclock dice;
    uint64_t seed, step;
};

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static struct run begin(void)
{
    struct run run = { .seed = number("LLMRL_SEED", 20260101) };

    run.dice.random = run.seed;
    return run;
}

static uint64_t roll(struct run *run, uint64_t sides)
{
    return vclock_random(&run->dice) % sides;
}

static void law(const struct run *run, int holds, const char *what)
{
    if (holds)
        return;
    print_error("%s: seed %" PRIu64 ", step %" PRIu64 "\n", what, run->seed, run->step);
    fail();
}

static void all_seen(const struct run *run, const uint64_t *seen, size_t count)
{
    print_message("seed %" PRIu64 ", branches:", run->seed);
    for (size_t i = 0; i < count; i++)
        print_message(" %" PRIu64, seen[i]);
    print_message("\n");
    for (size_t i = 0; i < count; i++)
        if (seen[i] == 0) {
            print_error("branch %zu never ran\n", i);
            fail();
        }
}

/* Any number of bits, so that tiny and absurd values come as often as usual ones. */
static uint64_t any_size(struct run *run)
{
    return vclock_random(&run->dice) >> roll(run, 64);
}

static uint64_t any_random(struct run *run)
{
    uint64_t which = roll(run, 8);

    return which == 0 ? 0 : which == 1 ? UINT64_MAX : vclock_random(&run->dice);
}

/* ---- delays ---- */

/* min(cap, base x 2^(failures-1)) in ns, by doubling. */
static exact slow_ceiling(const rl_retry_policy *policy, uint64_t failures)
{
    exact cap = (exact)policy->max_delay_ms * 1000000, c = (exact)policy->base_delay_ms * 1000000;

    if (cap > (exact)UINT64_MAX)
        cap = UINT64_MAX;
    for (uint64_t i = 1; i < failures && c < cap; i++)
        c *= 2;
    return c < cap ? c : cap;
}

enum { SAW_BASE_IS_CAP, SAW_CAPPED, SAW_BELOW_CAP, SAW_HINT, SAW_HUGE, SAW_DELAYS };

static void check_delay(struct run *run, const rl_retry_policy *policy, uint64_t *seen)
{
    uint64_t failures = roll(run, 4) ? 1 + roll(run, 70) : any_size(run);
    int hinted = roll(run, 2) == 0, jitter = (int)policy->jitter;
    rl_duration hint = hinted ? any_size(run) / 2 : RL_NEVER;
    exact c = slow_ceiling(policy, failures), base = slow_ceiling(policy, 1), low = 0, high = c;
    exact cap = slow_ceiling(policy, RL_NEVER), delay;

    delay = (exact)rl_retry_delay(policy, failures, hint, any_random(run));
    if (!hinted && jitter == RL_JITTER_EQUAL)
        low = c / 2;
    if (!hinted && jitter == RL_JITTER_DECORRELATED) {
        low = base;
        high = 3 * base < cap ? 3 * base : cap;
    }
    if (jitter == RL_JITTER_NONE)
        low = high = hinted ? 0 : c;
    low += hinted ? (exact)hint : 0;
    high += hinted ? (exact)hint : 0;
    if (high > (exact)UINT64_MAX)
        high = UINT64_MAX;
    law(run, delay >= low && delay <= high, "a delay keeps its range");
    seen[SAW_BASE_IS_CAP] += base == cap;
    seen[SAW_CAPPED] += c == cap && c > base;
    seen[SAW_BELOW_CAP] += c < cap;
    seen[SAW_HINT] += (uint64_t)hinted;
    seen[SAW_HUGE] += cap == (exact)UINT64_MAX;
}

static void delays_keep_their_ranges(void **ctx)
{
    uint64_t steps = number("LLMRL_PROPERTY_STEPS", 1000000) / 4, seen[SAW_DELAYS] = { 0 };
    struct run run = begin();

    (void)ctx;
    for (run.step = 0; run.step < steps; run.step++) {
        rl_retry_policy policy = RL_RETRY_POLICY_INIT;

        policy.base_delay_ms = 1 + any_size(&run) / 2;
        policy.max_delay_ms = policy.base_delay_ms + (roll(&run, 3) ? any_size(&run) / 2 : 0);
        policy.jitter = roll(&run, 4);
        check_delay(&run, &policy, seen);
    }
    all_seen(&run, seen, SAW_DELAYS);
}

/* ---- requests ---- */

enum { SAW_OK, SAW_ATTEMPTS, SAW_TIMEOUT, SAW_DEADLINE, SAW_FREE_REFUSAL, SAW_REQUESTS };

static void draw_policy(struct run *run, rl_retry_policy *policy)
{
    policy->max_attempts = roll(run, 3) ? 1 + roll(run, 8) : 0;
    policy->max_refusals = roll(run, 2) ? roll(run, 5) : 0;
    policy->base_delay_ms = 1 + roll(run, 1000);
    policy->max_delay_ms = policy->base_delay_ms + roll(run, 20000);
    policy->max_hint_ms = roll(run, 4) ? 1 + roll(run, 60000) : RL_NEVER;
    policy->jitter = roll(run, 4);
    policy->deadline_ms = roll(run, 2) ? 1 + roll(run, 120000) : 0;
}

/* One request to its end; every retry comes when it was promised, or later. */
static void check_request(struct run *run, uint64_t *seen)
{
    rl_retry_policy policy = RL_RETRY_POLICY_INIT, known;
    rl_time begun = roll(run, 2) ? any_size(run) / 4 : 0, now = begun, when;
    uint64_t failures = 0, refusals = 0, attempts = 1;
    rl_duration previous = 0;
    rl_retry retry;
    rl_status st = RL_OK;

    draw_policy(run, &policy);
    law(run, rl_retry_init(&retry, &policy, begun) == RL_OK, "a policy is taken");
    (void)rl_retry_policy_resolve(&policy, &known);
    while (st == RL_OK) {
        rl_retry_result result = RL_RETRY_RESULT_INIT;
        int refused = roll(run, 3) == 0, is_free = refused && refusals < known.max_refusals;
        rl_duration hint = roll(run, 3) ? RL_NEVER : roll(run, 80) * RL_SECOND;

        result.outcome = refused ? RL_OUTCOME_RATE_LIMITED : RL_OUTCOME_SERVER_ERROR;
        result.retryable = 1;
        result.hint = hint;
        refusals += (uint64_t)is_free;
        failures += (uint64_t)!is_free;
        st = rl_retry_next(&retry, &result, now, any_random(run), &when);
        law(run, (st == RL_E_ATTEMPTS) == (!is_free && failures == known.max_attempts),
            "attempts end exactly at their bound");
        if (st == RL_OK) {
            rl_duration delay = when - now - (hint == RL_NEVER ? 0 : hint);

            law(run, hint == RL_NEVER || when >= now + hint, "a hint is never undercut");
            law(run,
                known.deadline_ms == RL_NEVER || when - begun < known.deadline_ms * RL_MILLISECOND,
                "nothing is planned for after the deadline");
            law(run, delay <= known.max_delay_ms * RL_MILLISECOND, "the cap holds");
            if (known.jitter == RL_JITTER_DECORRELATED && hint == RL_NEVER) {
                rl_duration base = known.base_delay_ms * RL_MILLISECOND;

                law(run, delay >= base && delay <= 3 * (previous > base ? previous : base),
                    "decorrelated: at most three times the one before");
            }
            previous = delay;
            attempts++;
            now = when + roll(run, 2) * roll(run, RL_SECOND);
        }
        law(run, rl_retry_attempts(&retry) == attempts, "attempts are counted");
        law(run, st != RL_E_TIMEOUT || hint > known.max_hint_ms * RL_MILLISECOND,
            "only a hint that is too long is one");
        law(run, st != RL_E_DEADLINE || when - begun >= known.deadline_ms * RL_MILLISECOND,
            "only what would be late is late");
        seen[SAW_FREE_REFUSAL] += (uint64_t)is_free;
    }
    seen[SAW_OK] += attempts > 1;
    seen[SAW_ATTEMPTS] += st == RL_E_ATTEMPTS;
    seen[SAW_TIMEOUT] += st == RL_E_TIMEOUT;
    seen[SAW_DEADLINE] += st == RL_E_DEADLINE;
    law(run, failures <= known.max_attempts && refusals <= known.max_refusals, "bounds hold");
}

static void requests_end_as_promised(void **ctx)
{
    uint64_t steps = number("LLMRL_PROPERTY_STEPS", 1000000) / 16, seen[SAW_REQUESTS] = { 0 };
    struct run run = begin();

    (void)ctx;
    for (run.step = 0; run.step < steps; run.step++)
        check_request(&run, seen);
    all_seen(&run, seen, SAW_REQUESTS);
}

/* ---- the budget ---- */

#define EVENTS 200

struct happened {
    rl_duration at;
    int is_retry;
};

struct books {
    uint64_t ratio, floor, period, burst; /* resolved */
    struct happened event[EVENTS];
    size_t count;
    exact level; /* in 1/(1000 x period) of a retry; what a bucket without any rounding holds */
    rl_time last;
    rl_duration elapsed; /* all that the clock went forward, also where it had stepped back */
    int stepped_back;
};

enum { SAW_TAKEN, SAW_REFUSED, SAW_BY_FLOOR, SAW_BY_SHARE, SAW_TIGHT, SAW_BACK, SAW_BUDGET };

static void pass_time(struct books *b, rl_time now)
{
    exact full = (exact)b->burst * 1000 * b->period;

    if (now > b->last) {
        b->level += (exact)(now - b->last) * b->floor * 1000;
        b->elapsed += now - b->last;
    }
    b->last = now;
    if (b->level > full)
        b->level = full;
}

/* In every window that ends here, by counting. */
static int keeps_the_bound(const struct books *b)
{
    exact spent = 0, requests = 0;
    rl_duration end = b->event[b->count - 1].at;

    for (size_t i = b->count; i-- > 0;) {
        spent += b->event[i].is_retry;
        requests += !b->event[i].is_retry;
        if (spent * 1000 * b->period > (exact)b->burst * 1000 * b->period +
                                           requests * b->ratio * b->period +
                                           (exact)(end - b->event[i].at) * b->floor * 1000)
            return 0;
    }
    return 1;
}

static void draw_budget(struct run *run, rl_retry_budget *budget, struct books *b, rl_time now)
{
    rl_retry_budget_options options = RL_RETRY_BUDGET_OPTIONS_INIT;

    options.ratio = roll(run, 5) ? 1 + roll(run, 1000) : RL_NEVER;
    options.floor = 1 + roll(run, roll(run, 2) ? 3 : 1000);
    options.floor_period = roll(run, 2) ? RL_SECOND : 1000 + roll(run, RL_HOUR);
    options.burst = 1 + roll(run, roll(run, 2) ? 2 : 20);
    *b = (struct books){ .ratio = options.ratio == RL_NEVER ? 0 : options.ratio,
                         .floor = options.floor,
                         .period = options.floor_period,
                         .burst = options.burst,
                         .last = now };
    b->level = (exact)b->burst * 1000 * b->period;
    law(run, rl_retry_budget_init(budget, &options, now) == RL_OK, "options are taken");
}

/* A bucket may be a tick late, never early. */
static void take(struct run *run, rl_retry_budget *budget, struct books *b, rl_time now,
                 uint64_t *seen)
{
    exact price = (exact)1000 * b->period, tick = b->period + 8 * (exact)b->floor * 1000;
    rl_time retry_at;
    rl_status st = rl_retry_budget_take(budget, now, &retry_at);

    if (st == RL_OK) {
        law(run, b->level >= price, "nobody spends what was never paid in");
        b->level -= price;
        b->event[b->count++] = (struct happened){ b->elapsed, 1 };
        law(run, keeps_the_bound(b), "floor x T + ratio x requests + burst");
        seen[SAW_TAKEN]++;
        seen[SAW_TIGHT] += b->level < tick;
        return;
    }
    seen[SAW_REFUSED]++;
    law(run, st == RL_WAIT && retry_at > now, "a refusal says until when");
    law(run, b->stepped_back || b->level < price + tick, "nobody is refused what was paid in");
    if (retry_at < now + RL_DAY && roll(run, 4) == 0) {
        law(run, rl_retry_budget_take(budget, retry_at - 1, NULL) == RL_WAIT, "not a ns earlier");
        law(run, rl_retry_budget_take(budget, retry_at, NULL) == RL_OK, "and then it may");
        pass_time(b, retry_at);
        law(run, b->level >= price, "by the floor alone");
        b->level -= price;
        b->event[b->count++] = (struct happened){ b->elapsed, 1 };
        law(run, keeps_the_bound(b), "floor x T + ratio x requests + burst");
        seen[SAW_BY_FLOOR]++;
    }
}

static void budget_sequence(struct run *run, uint64_t *seen)
{
    static struct books b;
    rl_time now = RL_HOUR;
    rl_retry_budget budget;
    uint64_t pace = roll(run, 3);

    draw_budget(run, &budget, &b, now);
    while (b.count + 2 < EVENTS) {
        if (roll(run, b.stepped_back ? 50 : 500) == 0 && now > 2 * RL_SECOND) {
            now -= roll(run, RL_SECOND);
            b.stepped_back = 1;
            seen[SAW_BACK]++;
        } else if (pace > 0) {
            now += roll(run, pace == 1 ? RL_MILLISECOND : b.period / b.floor + 1);
        }
        pass_time(&b, now);
        if (roll(run, 3)) {
            exact before = b.level;

            rl_retry_budget_pay(&budget, now);
            b.level += (exact)b.ratio * b.period;
            b.event[b.count++] = (struct happened){ b.elapsed, 0 };
            pass_time(&b, now);
            seen[SAW_BY_SHARE] += b.level > before;
        } else {
            take(run, &budget, &b, now, seen);
            now = b.last; /* it may have waited */
        }
    }
}

static void the_budget_keeps_its_bound_in_every_window(void **ctx)
{
    uint64_t steps = number("LLMRL_PROPERTY_STEPS", 1000000) / EVENTS, seen[SAW_BUDGET] = { 0 };
    struct run run = begin();

    (void)ctx;
    for (run.step = 0; run.step < steps; run.step++)
        budget_sequence(&run, seen);
    all_seen(&run, seen, SAW_BUDGET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_keep_their_ranges),
        cmocka_unit_test(requests_end_as_promised),
        cmocka_unit_test(the_budget_keeps_its_bound_in_every_window),
    };

    return cmocka_run_group_tests_name("prop_retry", tests, NULL, NULL);
}
