/* SPDX-License-Identifier: MIT */
/*
 * What a cheap clock costs in exactness, at its stated bounds: a limiter asked with stamps that are
 * up to one tick early, and a counter read by a machine whose threads are put aside at any moment.
 * LLMRL_PROPERTY_STEPS: how many of each (default 10^6); LLMRL_SEED: replays a run.
 */
#include "base/cheap_clock.h"
#include "vclock.h"

#include <llmrl/limiter.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

__extension__ typedef unsigned __int128 exact;

#define TICK            (4 * RL_MILLISECOND)
#define GRANTS          64
#define SEQUENCE_LENGTH 500

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t roll(struct vclock *dice, uint64_t sides)
{
    return vclock_random(dice) % sides;
}

struct run {
    struct vclock dice;
    rl_limit limit;
    rl_limiter limiter;
    rl_time now, stamp;
    struct {
        rl_time at;
        uint64_t cost;
    } grant[GRANTS]; /* a ring */
    uint64_t grants, tight;
};

static void begin(struct run *run)
{
    run->limit = RL_LIMIT_INIT;
    run->limit.amount = 1 + roll(&run->dice, 2000);
    run->limit.period = RL_SECOND * (1 + roll(&run->dice, 3));
    run->limit.burst = 1 + roll(&run->dice, 20);
    run->now = RL_HOUR + roll(&run->dice, RL_HOUR);
    run->grants = 0;
    assert_int_equal(rl_limiter_init(&run->limiter, &run->limit, run->now), RL_OK);
}

/* Every window that ends with the last grant: at most burst + rate * (W + tick), and before
 * the division, as all is in whole numbers. */
static void check_windows(struct run *run)
{
    uint64_t sum = 0, oldest = run->grants > GRANTS ? run->grants - GRANTS : 0;

    for (uint64_t i = run->grants; i-- > oldest;) {
        rl_duration window = run->now - run->grant[i % GRANTS].at;
        exact most = (exact)run->limit.burst * run->limit.period +
                     (exact)(window + TICK) * run->limit.amount;

        sum += run->grant[i % GRANTS].cost;
        assert_true((exact)sum * run->limit.period <= most);
        run->tight += (exact)sum * run->limit.period + (exact)(TICK / 2) * run->limit.amount > most;
    }
}

/* The lazy caller: a stamp that is early by anything up to a tick, and goes back and forth. */
static void step(struct run *run)
{
    uint64_t cost = 1 + roll(&run->dice, roll(&run->dice, 4) ? 1 : run->limit.burst);

    run->now += roll(&run->dice, 3) ? roll(&run->dice, TICK / 4) : roll(&run->dice, 3 * TICK);
    run->stamp =
        run->now - (roll(&run->dice, 2) ? TICK * roll(&run->dice, 2) : roll(&run->dice, TICK + 1));
    if (rl_limiter_take(&run->limiter, cost, run->stamp, NULL) != RL_OK)
        return;
    run->grant[run->grants % GRANTS].at = run->now;
    run->grant[run->grants % GRANTS].cost = cost;
    run->grants++;
    check_windows(run);
}

static void early_stamps_earn_one_tick_at_most(void **ctx)
{
    uint64_t steps = number("LLMRL_PROPERTY_STEPS", 1000000);
    static struct run run;

    (void)ctx;
    run.dice.random = number("LLMRL_SEED", 20260101);
    for (uint64_t i = 0; i < steps; i++) {
        if (i % SEQUENCE_LENGTH == 0)
            begin(&run);
        step(&run);
    }
    assert_true(run.tight > 0); /* the bound is not an idle one */
}

/* One thread's life with the counter: it reads, and compares when the line does not reach; between
 * any two steps it may be put aside. */
static void the_counter_keeps_its_error(void **ctx)
{
    uint64_t steps = number("LLMRL_PROPERTY_STEPS", 1000000), counted = 0;
    struct vclock dice = { .random = number("LLMRL_SEED", 20260101) };
    struct rl__line line = { 0 };
    struct rl__check check = { 0 };
    uint64_t raw = vclock_random(&dice), slew = 0;
    rl_time now = RL_HOUR, got;

    (void)ctx;
    for (uint64_t i = 0; i < steps; i++) {
        uint64_t passed = roll(&dice, 50) ? roll(&dice, 20000) : roll(&dice, 5 * RL_MILLISECOND);
        uint64_t before, took = roll(&dice, 50) ? 60 : roll(&dice, 2 * RL__TSC_READ_MAX);

        if (i % 100000 == 0)
            slew = roll(&dice, 800); /* parts in a million, less 400 */
        now += passed;
        raw += 3 * passed * (1000400 - slew) / 1000000;
        if (rl__line_at(&line, raw, &got)) {
            counted++;
            assert_true(got + RL__TSC_ERROR >= now && got <= now + RL__TSC_ERROR);
            continue;
        }
        before = raw;
        raw += took;
        now += took / 3;
        rl__tsc_compare(&line, &check, before, now - roll(&dice, took / 3 + 1), raw);
        assert_int_equal(check.strikes, 0);
    }
    assert_true(steps < 10000 || counted > steps / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early_stamps_earn_one_tick_at_most),
        cmocka_unit_test(the_counter_keeps_its_error),
    };
    return cmocka_run_group_tests_name("prop_clock", tests, NULL, NULL);
}
