/* SPDX-License-Identifier: MIT */
/*
 * The token bucket, and the leaky bucket as a meter, against the exact bucket, under the same
 * random traffic. LLMRL_PROPERTY_STEPS: how many decisions of each (default 10^6); LLMRL_SEED:
 * replays a run.
 */
#include "exact_bucket.h"
#include "limiter/prepared.h"
#include "vclock.h"

#include <llmrl/limiter.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEQUENCE_LENGTH 250
#define TICKS_OFF_MAX   9 /* slack 3, reading 3, leeway 3 */
#define WINDOW_LENGTH   24

/* The branches that a run must have seen. */
enum branch {
    SAW_GRANT,
    SAW_WAIT,
    SAW_TOO_LARGE,
    SAW_BORROW,
    SAW_BORROW_WAIT,
    SAW_STEP_BACK,
    SAW_FREE,
    SAW_GIVE_BACK,
    SAW_CHARGE,
    SAW_SET_LEVEL,
    SAW_CHANGE,
    SAW_DEBT,
    SAW_FULL,
    SAW_ZERO_LIMIT,
    SAW_EXACT,
    SAW_INEXACT,
    SAW_ROUNDING,
    SAW_LARGE_SHIFT,
    SAW_WINDOW_TIGHT,
    BRANCHES
};

struct grant {
    rl_time at;
    uint64_t cost;
};

struct run {
    struct vclock dice;
    uint64_t seed;
    const char *algorithm;
    uint64_t seen[BRANCHES];
    /* one sequence */
    rl_limit limit;
    rl_limiter limiter;
    struct exact_bucket model;
    rl_time start, now, retry_at; /* retry_at of the last refusal; 0: none */
    int identical;                /* no rounding on either side so far */
    exact off;                    /* units * period that rounding may have cost */
    int takes_only;               /* then the windows can be checked */
    struct grant grant[WINDOW_LENGTH];
    uint64_t grants;
};

static uint64_t roll(struct run *run, uint64_t sides)
{
    return sides == 0 ? 0 : vclock_random(&run->dice) % sides;
}

/* Evenly spread in its number of bits: 1 ... 2^bits. */
static uint64_t roll_bits(struct run *run, uint64_t bits)
{
    return 1 + roll(run, UINT64_C(1) << roll(run, bits + 1));
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void fail_here(const struct run *run, const char *law)
{
    print_error("law broken: %s\n  LLMRL_SEED=%" PRIu64 " amount %" PRIu64 " period %" PRIu64
                " burst %" PRIu64 " oversize %" PRIu64 "\n  now %" PRIu64 " word %" PRIu64 "\n",
                law, run->seed, run->limit.amount, run->limit.period, run->limit.burst,
                run->limit.oversize, run->now, run->limiter.word[0]);
    fail();
}

#define LAW(run, holds, text)                                                                      \
    do {                                                                                           \
        if (!(holds))                                                                              \
            fail_here((run), (text));                                                              \
    } while (0)

static void draw_limit(struct run *run, rl_limit *limit)
{
    static const rl_duration usual[] = { RL_SECOND, RL_MINUTE, RL_HOUR, RL_DAY, 30 * RL_DAY };

    *limit = RL_LIMIT_INIT;
    limit->algorithm = run->algorithm;
    switch (roll(run, 5)) {
    case 0: /* tiny: here every rounding shows */
        limit->amount = roll(run, 12);
        limit->period = 1 + roll(run, 30);
        limit->burst = roll(run, 12);
        break;
    case 1: /* real */
        limit->amount =
            (1 + roll(run, 99)) * (uint64_t[]){ 1, 10, 500, 10000, 1000000 }[roll(run, 5)];
        limit->period = usual[roll(run, 5)];
        limit->burst = roll(run, 2) ? 0 : 1 + roll(run, limit->amount);
        break;
    case 2: /* odd */
        limit->amount = roll_bits(run, 20);
        limit->period = roll_bits(run, 40);
        limit->burst = roll_bits(run, 20);
        break;
    case 3: /* the ends: one a month, 10^12 a minute, 2^53 */
        limit->amount = (uint64_t[]){ 1, UINT64_C(1000000000000), RL_AMOUNT_MAX }[roll(run, 3)];
        limit->period = (uint64_t[]){ RL_MINUTE, 30 * RL_DAY, 3650 * RL_DAY }[roll(run, 3)];
        limit->burst = roll(run, 2) ? 0 : 1 + roll(run, limit->amount);
        break;
    default: /* anything */
        limit->amount = roll_bits(run, 53);
        limit->period = roll_bits(run, 58);
        limit->burst = roll_bits(run, 53);
        break;
    }
    if (limit->amount > 32 * limit->period)
        limit->amount = 32 * limit->period;
    if (limit->amount > RL_AMOUNT_MAX)
        limit->amount = RL_AMOUNT_MAX;
    limit->oversize = roll(run, 2);
}

/* Units * period in `ticks` of the limiter's clock, rounded up. */
static exact from_ticks(const struct run *run, exact ticks)
{
    exact scale = (exact)run->limiter.plan.word[3];
    return (ticks * run->model.period + scale - 1) / scale;
}

static int is_exact(const struct run *run)
{
    return run->limiter.plan.word[6] == 0;
}

static void begin(struct run *run)
{
    draw_limit(run, &run->limit);
    run->start = run->now = roll_bits(run, 57);
    run->retry_at = 0;
    run->grants = 0;
    run->takes_only = (int)roll(run, 3) == 0;
    LAW(run, rl_limiter_init(&run->limiter, &run->limit, run->now) == RL_OK,
        "a limit in range works");
    run->model = (struct exact_bucket){ .period = (exact)run->limit.period };
    run->model.leeway = is_exact(run) ? 0 : from_ticks(run, 3);
    exact_start(&run->model, &run->limit, run->now);
    run->identical = is_exact(run);
    run->off = is_exact(run) ? 0 : from_ticks(run, TICKS_OFF_MAX);
    run->seen[is_exact(run) ? SAW_EXACT : SAW_INEXACT]++;
    run->seen[SAW_ZERO_LIMIT] += run->limit.amount == 0;
    run->seen[SAW_LARGE_SHIFT] += run->limiter.plan.word[5] > 64;
}

/* Around the times that matter: the last retry_at, one unit's worth, one period; now and then a
 * step back. */
static void move_clock(struct run *run)
{
    uint64_t unit = run->limit.amount > 0 ? run->limit.period / run->limit.amount + 1 : 1;
    rl_time retry_at = run->retry_at;

    switch (roll(run, 8)) {
    case 0:
    case 1:
        break;
    case 2:
        run->now += roll(run, 2 * unit);
        break;
    case 3:
        run->now += roll(run, run->limit.period / (1 + roll(run, 20)) + 1);
        break;
    case 4:
        if (retry_at > run->now && retry_at < UINT64_C(1) << 58)
            run->now = retry_at;
        break;
    case 5:
        if (retry_at > run->now && retry_at < UINT64_C(1) << 58)
            run->now = retry_at - 1;
        break;
    case 6:
        run->now += roll_bits(run, 10);
        break;
    default:
        if (run->takes_only || roll(run, 2) == 0)
            break;
        run->now -= roll(run, (roll(run, 2) ? unit : run->now - run->start) + 1);
        run->seen[SAW_STEP_BACK]++;
        break;
    }
    if (run->now < run->start || run->now > UINT64_C(1) << 58) /* the exact model would overflow */
        run->now = run->start;
}

static uint64_t draw_cost(struct run *run)
{
    uint64_t burst = run->limiter.plan.word[2];

    switch (roll(run, 9)) {
    case 0:
        return 0;
    case 1:
        return burst;
    case 2:
        return burst + 1;
    case 3:
        return run->limit.amount + roll(run, 2);
    case 4:
        return 1 + roll(run, burst / 8 + 1);
    case 5:
        return 1 + roll(run, burst + 1);
    case 6:
        return burst + 1 + roll(run, run->limit.amount + 1);
    default:
        return 1 + roll(run, 3);
    }
}

/* The last grants, in each window that ends now: sum <= burst + T * amount / period, and one
 * oversize beside. */
static void check_windows(struct run *run, uint64_t cost)
{
    exact sum = 0, oversize = 0, most;
    uint64_t count = run->grants < WINDOW_LENGTH ? run->grants : WINDOW_LENGTH;

    run->grant[run->grants++ % WINDOW_LENGTH] = (struct grant){ run->now, cost };
    for (uint64_t i = 0; i < count + (count < WINDOW_LENGTH); i++) {
        const struct grant *g = &run->grant[(run->grants - 1 - i) % WINDOW_LENGTH];

        sum += (exact)g->cost;
        if ((exact)g->cost > run->model.burst && (exact)g->cost > oversize)
            oversize = (exact)g->cost;
        most = (run->model.burst + oversize) * run->model.period +
               (exact)(run->now - g->at) * run->model.amount;
        LAW(run, sum * run->model.period <= most, "no window holds more than its bound");
        run->seen[SAW_WINDOW_TIGHT] += i > 0 && most - sum * run->model.period < run->model.period;
    }
}

static void check_retry(struct run *run, uint64_t cost, rl_time retry_at)
{
    run->retry_at = retry_at;
    LAW(run, retry_at > run->now, "retry_at lies ahead");
    LAW(run, rl_limiter_peek(&run->limiter, cost, retry_at - 1, NULL) == RL_WAIT,
        "one nanosecond before retry_at is a no");
    if (retry_at != RL_NEVER)
        LAW(run, rl_limiter_peek(&run->limiter, cost, retry_at, NULL) == RL_OK,
            "retry_at is a yes");
}

static void compare(struct run *run, uint64_t cost, rl_status got)
{
    rl_status want = cost == 0 ? RL_OK : exact_ask(&run->model, cost, run->now);
    exact spare = exact_level(&run->model, run->now) - (exact)cost * run->model.period;

    if (got == want)
        return;
    LAW(run, got != RL_OK, "what the exact bucket refuses is never granted");
    LAW(run, !run->identical, "without rounding the answers are the same");
    LAW(run, got == RL_WAIT && want == RL_OK, "too large is too large");
    if ((exact)cost > run->model.burst)
        spare = exact_level(&run->model, run->now) - run->model.burst * run->model.period;
    LAW(run, spare <= run->off, "a wrong no is wrong by a few ticks");
    run->seen[SAW_ROUNDING]++;
}

/* Nobody else may have come between, nor a change. */
static void check_taken_as_prepared(struct run *run, uint64_t cost, struct rl__prepared *prepared)
{
    rl_limiter copy = run->limiter, other = run->limiter;
    int64_t left = rl__prepared_left(prepared), remaining;
    int by_slack = prepared->answer.used > prepared->answer.spare; /* it was full, and is inexact */

    LAW(run, rl__limiter_take_prepared(&copy, prepared), "nobody was faster");
    (void)rl_limiter_take(&other, cost, run->now, NULL);
    LAW(run, memcmp(&copy, &other, sizeof copy) == 0, "what was prepared is taken");
    remaining = rl__limiter_remaining(&copy, run->now);
    LAW(run, by_slack ? left == 0 && remaining < 0 : left == remaining, "and leaves what it said");
    LAW(run, !rl__limiter_take_prepared(&copy, prepared), "and only once");
    copy = run->limiter;
    copy.revision += 2;
    LAW(run, !rl__limiter_take_prepared(&copy, prepared), "and not after a change");
    copy.revision--;
    LAW(run, !rl__limiter_prepare(&copy, cost, run->now, prepared), "nor during one");
}

/* Asked in two steps, it says the same, and does the same. */
static void check_prepared(struct run *run, uint64_t cost, rl_status want)
{
    struct rl__prepared prepared;
    rl_limiter copy = run->limiter;
    int got = rl__limiter_prepare(&copy, cost, run->now, &prepared);

    LAW(run, memcmp(&copy, &run->limiter, sizeof copy) == 0, "preparing writes nothing");
    if ((exact)cost > run->model.burst || copy.algorithm != &rl__token_bucket) {
        LAW(run, !got, "the long way for all others");
        return;
    }
    LAW(run, got == (want == RL_OK), "prepared as peeked");
    if (got)
        check_taken_as_prepared(run, cost, &prepared);
}

static void note(struct run *run, uint64_t cost, rl_status got)
{
    run->seen[got == RL_OK ? SAW_GRANT : got == RL_WAIT ? SAW_WAIT : SAW_TOO_LARGE]++;
    run->seen[SAW_FREE] += cost == 0;
    if ((exact)cost > run->model.burst)
        run->seen[got == RL_OK ? SAW_BORROW : SAW_BORROW_WAIT] += got != RL_E_TOO_LARGE;
}

static void decide(struct run *run)
{
    uint64_t cost = draw_cost(run);
    rl_limiter before = run->limiter;
    rl_time peeked_at, retry_at;
    rl_status peeked = rl_limiter_peek(&run->limiter, cost, run->now, &peeked_at), got;

    LAW(run, memcmp(&before, &run->limiter, sizeof before) == 0, "peek writes nothing");
    if (cost > 0)
        check_prepared(run, cost, peeked);
    got = rl_limiter_take(&run->limiter, cost, run->now, &retry_at);
    LAW(run, peeked == got && peeked_at == retry_at, "peek says what take does");
    compare(run, cost, got);
    if (got != RL_OK || cost == 0)
        LAW(run, memcmp(&before, &run->limiter, sizeof before) == 0, "a refusal writes nothing");
    if (got == RL_WAIT)
        check_retry(run, cost, retry_at);
    else
        LAW(run, retry_at == (got == RL_OK ? run->now : RL_NEVER), "retry_at is written always");
    if (got == RL_OK && cost > 0) {
        exact_charge(&run->model, cost, run->now);
        if (run->takes_only)
            check_windows(run, cost);
    }
    note(run, cost, got);
}

static void check_snapshot(struct run *run)
{
    rl_level now, later;
    exact level = exact_level(&run->model, run->now);

    rl_limiter_snapshot(&run->limiter, run->now, &now);
    LAW(run, (exact)now.remaining * run->model.period <= level, "not more is shown than is there");
    LAW(run, rl__limiter_remaining(&run->limiter, run->now) == now.remaining,
        "nor by the short way");
    LAW(run, level - (exact)now.remaining * run->model.period < run->model.period + run->off,
        "nor a unit less");
    if (now.remaining > 0)
        LAW(run, rl_limiter_peek(&run->limiter, (uint64_t)now.remaining, run->now, NULL) == RL_OK,
            "what is shown can be taken");
    if (now.full_in != RL_NEVER && now.full_in > 0) {
        rl_limiter_snapshot(&run->limiter, run->now + now.full_in, &later);
        LAW(run, later.full_in == 0 && (exact)later.remaining == run->model.burst,
            "full when told");
        rl_limiter_snapshot(&run->limiter, run->now + now.full_in - 1, &later);
        LAW(run, later.full_in == 1, "and not before");
    }
    run->seen[SAW_DEBT] += now.remaining < 0;
    run->seen[SAW_FULL] += now.full_in == 0;
}

static void change_limit(struct run *run)
{
    rl_limit before = run->limit;
    exact old = run->model.period;

    if (roll(run, 2))
        draw_limit(run, &run->limit);
    else
        run->limit.burst = 1 + roll(run, 2 * run->limit.amount + 1);
    if (run->limit.burst > RL_AMOUNT_MAX || run->limit.amount == 0)
        run->limit = before;
    LAW(run, rl_limiter_change(&run->limiter, &run->limit, run->now) == RL_OK, "a change works");
    exact_change(&run->model, &run->limit, run->now);
    run->model.leeway = is_exact(run) ? 0 : from_ticks(run, 3);
    run->model.level += run->model.leeway;
    run->off =
        run->off / old * run->model.period + run->model.period + from_ticks(run, TICKS_OFF_MAX);
    run->identical = 0;
    run->seen[SAW_CHANGE]++;
    if (run->limiter.word[0] ==
        UINT64_MAX - 1) /* the debt of a coarse limit is too much for a fine one: */
        begin(run);     /* that saturates, which test_gcra looks at */
}

/* A model that becomes full gets its leeway, too, even if it has some of it already: that much more
 * the limiter may lack. */
static void give_back(struct run *run, uint64_t amount)
{
    exact before = run->model.level + ((exact)run->now - run->model.last) * run->model.amount;
    exact most = before + (exact)amount * run->model.period;

    rl_limiter_give_back(&run->limiter, amount, run->now);
    exact_give_back(&run->model, amount, run->now);
    if (run->model.last == (exact)run->now && run->model.level > most)
        run->off += run->model.level - most;
    run->seen[SAW_GIVE_BACK]++;
}

static void disturb(struct run *run)
{
    uint64_t burst = run->limiter.plan.word[2],
             amount = 1 + roll(run, burst / (1 + roll(run, 9)) + 1);
    int64_t level = (int64_t)roll(run, burst + 3);
    int owes = exact_level(&run->model, run->now) < 0;

    switch (roll(run, 8)) {
    case 0:
    case 1:
    case 2:
        give_back(run, amount);
        break;
    case 3:
    case 4:
        if (owes) /* saturation has its own test */
            break;
        rl_limiter_charge(&run->limiter, amount, run->now);
        exact_charge(&run->model, amount, run->now);
        run->seen[SAW_CHARGE]++;
        break;
    case 5:
    case 6:
        level = roll(run, 3) ? level : -level;
        rl_limiter_set_level(&run->limiter, level, run->now);
        exact_set_level(&run->model, level, run->now);
        run->seen[SAW_SET_LEVEL]++;
        break;
    default:
        change_limit(run);
        break;
    }
}

static void print_seen(const struct run *run)
{
    print_message("seed %" PRIu64 ", branches:", run->seed);
    for (int i = 0; i < BRANCHES; i++)
        print_message(" %" PRIu64, run->seen[i]);
    print_message("\n");
}

static void run_algorithm(struct run *run, const char *algorithm)
{
    uint64_t steps = number("LLMRL_PROPERTY_STEPS", 1000000);

    *run = (struct run){ .algorithm = algorithm, .seed = number("LLMRL_SEED", 20260101) };
    run->dice.random = run->seed;
    for (uint64_t i = 0; i < steps; i++) {
        if (i % SEQUENCE_LENGTH == 0)
            begin(run);
        move_clock(run);
        decide(run);
        if (!run->takes_only && roll(run, 8) == 0)
            disturb(run);
        if (roll(run, 4) == 0)
            check_snapshot(run);
    }
    print_seen(run);
    for (int i = 0; i < BRANCHES && steps >= 200000; i++) /* a short run may miss the rarest */
        if (run->seen[i] == 0) {
            print_error("branch %d never ran\n", i);
            fail();
        }
}

static void agrees_with_the_exact_bucket(void **ctx)
{
    static struct run run;

    (void)ctx;
    run_algorithm(&run, "token_bucket");
}

static void a_meter_agrees_with_it_too(void **ctx)
{
    static struct run run;

    (void)ctx;
    run_algorithm(&run, "leaky_meter");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_exact_bucket),
        cmocka_unit_test(a_meter_agrees_with_it_too),
    };
    return cmocka_run_group_tests_name("prop_token_bucket", tests, NULL, NULL);
}
