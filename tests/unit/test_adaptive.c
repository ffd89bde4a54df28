/* SPDX-License-Identifier: MIT */
/* The rules of the window, one by one. What they come to together: prop_adaptive. */
#include "scope/adaptive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct bench {
    struct rl__adaptive adaptive;
    rl_time now;
};

static void begin(struct bench *bench, uint64_t min, uint64_t max, uint64_t initial)
{
    bench->now = 1000 * RL_SECOND;
    rl__adaptive_start(&bench->adaptive, min, max, initial);
}

/* One that was sent alone, or with as many as may be, and came back after `latency`. */
static uint64_t tell(struct bench *bench, enum rl__adaptive_outcome outcome, rl_duration latency,
                     uint64_t in_flight)
{
    struct rl__adaptive_sample sample = { outcome, bench->now + 1, latency, in_flight };

    bench->now += 1 + latency;
    return rl__adaptive_sample(&bench->adaptive, &sample, bench->now);
}

/* Until the next epoch begins, or something else changes it. */
static uint64_t epoch(struct bench *bench, rl_duration latency, int in_use)
{
    rl_time since = bench->adaptive.since;

    while (bench->adaptive.since == since)
        (void)tell(bench, RL__ADAPTIVE_SUCCESS, latency, in_use ? bench->adaptive.window : 1);
    return bench->adaptive.window;
}

static uint64_t refuse(struct bench *bench)
{
    return tell(bench, RL__ADAPTIVE_OVERLOADED, 1, bench->adaptive.window);
}

static void it_doubles_until_the_first_sign(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 1, 100, 4);
    assert_int_equal(epoch(&bench, RL_SECOND, 1), 8);
    assert_int_equal(epoch(&bench, RL_SECOND, 1), 16);
    assert_int_equal(refuse(&bench), 14);
    assert_int_equal(epoch(&bench, RL_SECOND, 1), 7); /* measures at half of 15 */
    assert_int_equal(epoch(&bench, RL_SECOND, 1), 15);
    assert_int_equal(epoch(&bench, RL_SECOND, 1), 15); /* below 16, where it was refused */
    begin(&bench, 1, 100, 4);
    (void)epoch(&bench, RL_SECOND, 1);
    assert_int_equal(epoch(&bench, RL_SECOND + RL_SECOND / 2, 1), 4); /* stays at 8, and measures */
    assert_int_equal(epoch(&bench, RL_SECOND, 1), 8);
    assert_int_equal(epoch(&bench, RL_SECOND, 1), 9);
}

static void one_burst_of_refusals_cuts_once(void **state)
{
    struct bench bench;
    struct rl__adaptive_sample burst;

    (void)state;
    begin(&bench, 1, 100, 64);
    burst = (struct rl__adaptive_sample){ RL__ADAPTIVE_OVERLOADED, bench.now, RL_SECOND, 64 };
    for (int i = 0; i < 64; i++)
        (void)rl__adaptive_sample(&bench.adaptive, &burst, bench.now + RL_SECOND + (rl_time)i);
    assert_int_equal(bench.adaptive.window, 56);
    assert_int_equal(bench.adaptive.cuts, 1);
    burst.started_at = bench.now + 2 * RL_SECOND; /* begun with 56, and still too many */
    assert_int_equal(rl__adaptive_sample(&bench.adaptive, &burst, bench.now + 3 * RL_SECOND), 49);
}

static void a_refusal_of_few_is_a_cut_from_few(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 1, 100, 64);
    assert_int_equal(tell(&bench, RL__ADAPTIVE_OVERLOADED, 1, 40), 35);
    begin(&bench, 1, 100, 64);
    assert_int_equal(tell(&bench, RL__ADAPTIVE_OVERLOADED, 1, 2), 28); /* not below half at once */
}

static void it_stays_within_its_bounds(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 3, 10, 100);
    assert_int_equal(bench.adaptive.window, 10);
    for (int i = 0; i < 30; i++)
        assert_true(refuse(&bench) >= 3);
    assert_int_equal(bench.adaptive.window, 3);
    for (int i = 0; i < 300; i++)
        assert_true(epoch(&bench, RL_SECOND, 1) <= 10);
    assert_int_equal(bench.adaptive.window, 10);
    rl__adaptive_bound(&bench.adaptive, 2, 5, bench.now);
    assert_int_equal(bench.adaptive.window, 5);
    begin(&bench, 5, 10, 1);
    assert_int_equal(bench.adaptive.window, 5);
}

static void what_is_not_in_use_does_not_grow(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 1, 100, 10);
    for (int i = 0; i < 20; i++)
        assert_int_equal(epoch(&bench, RL_SECOND, 0), 10);
    assert_int_equal(epoch(&bench, RL_SECOND, 1), 20);
}

static void neutral_ones_say_nothing(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 1, 100, 10);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(tell(&bench, RL__ADAPTIVE_NEUTRAL, RL_HOUR, 10), 10);
    assert_int_equal(bench.adaptive.baseline, 0);
}

/* After the doubling, at a known baseline. */
static void settle(struct bench *bench)
{
    begin(bench, 1, 1000, 40);
    (void)epoch(bench, RL_SECOND, 0);
    (void)epoch(bench, RL_SECOND + RL_SECOND / 2, 1);
    (void)epoch(bench, RL_SECOND, 1);
    assert_int_equal(bench->adaptive.window, 40);
    assert_int_equal(bench->adaptive.doubling, 0);
    assert_true(bench->adaptive.baseline == RL_SECOND);
}

static void latency_leads_it(void **state)
{
    struct bench bench;

    (void)state;
    settle(&bench);
    assert_int_equal(epoch(&bench, RL_SECOND * 14 / 10, 1), 42);     /* up by a sixteenth */
    assert_int_equal(epoch(&bench, RL_SECOND * 14 / 10 + 1, 1), 42); /* between */
    assert_int_equal(epoch(&bench, RL_SECOND * 18 / 10, 1), 42);
    assert_int_equal(epoch(&bench, 2 * RL_SECOND, 1), 29); /* 42 x 1.4 / 2 */
    assert_int_equal(epoch(&bench, RL_SECOND * 14 / 10, 1), 30);
    assert_int_equal(epoch(&bench, 10 * RL_SECOND, 1), 15); /* by half at most */
}

static void one_that_hangs_says_nothing(void **state)
{
    struct bench bench;

    (void)state;
    settle(&bench);
    for (int i = 0; i < 4; i++)
        (void)tell(&bench, RL__ADAPTIVE_SUCCESS, RL_HOUR, 40);
    assert_int_equal(epoch(&bench, RL_SECOND, 1), 42);
}

/* A server that became slower is slow with fewer, too: the window comes back. */
static void a_cut_that_does_not_help_is_taken_back(void **state)
{
    struct bench bench;

    (void)state;
    settle(&bench);
    assert_int_equal(epoch(&bench, 3 * RL_SECOND, 1), 20);
    assert_int_equal(epoch(&bench, 3 * RL_SECOND, 1), 10); /* measures */
    assert_int_equal(epoch(&bench, 3 * RL_SECOND, 1), 40);
    assert_true(bench.adaptive.baseline == 3 * RL_SECOND);
    assert_int_equal(epoch(&bench, 3 * RL_SECOND, 1), 42);
}

/* At the floor there is no half to measure at. */
static void at_the_floor_it_is_taken_back_at_once(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 4, 100, 5);
    (void)epoch(&bench, RL_SECOND, 0);
    bench.adaptive.doubling = 0;
    assert_int_equal(epoch(&bench, 3 * RL_SECOND, 1), 4);
    assert_int_equal(epoch(&bench, 3 * RL_SECOND, 1), 5);
    assert_true(bench.adaptive.baseline == 3 * RL_SECOND);
}

/* Alone, slow is what the server is; from there it doubles again. */
static void at_the_floor_every_latency_is_the_baseline(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, 1, 100, 1);
    (void)epoch(&bench, RL_SECOND, 1);
    bench.adaptive.doubling = 0;
    bench.adaptive.window = 1;
    assert_int_equal(epoch(&bench, 3 * RL_SECOND, 1), 2);
    assert_true(bench.adaptive.baseline == 3 * RL_SECOND);
    assert_int_equal(epoch(&bench, 3 * RL_SECOND, 1), 4);
}

static void a_baseline_is_measured_again(void **state)
{
    struct bench bench;
    int probes = 0;

    (void)state;
    settle(&bench);
    for (int i = 0; i < 120; i++) {
        int probing = bench.adaptive.probing != 0;

        (void)epoch(&bench, probing ? RL_SECOND : RL_SECOND * 14 / 10, 0);
        probes += probing;
    }
    assert_int_equal(probes, 2);
    assert_int_equal(bench.adaptive.window, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_doubles_until_the_first_sign),
        cmocka_unit_test(one_burst_of_refusals_cuts_once),
        cmocka_unit_test(a_refusal_of_few_is_a_cut_from_few),
        cmocka_unit_test(it_stays_within_its_bounds),
        cmocka_unit_test(what_is_not_in_use_does_not_grow),
        cmocka_unit_test(neutral_ones_say_nothing),
        cmocka_unit_test(latency_leads_it),
        cmocka_unit_test(one_that_hangs_says_nothing),
        cmocka_unit_test(a_cut_that_does_not_help_is_taken_back),
        cmocka_unit_test(at_the_floor_it_is_taken_back_at_once),
        cmocka_unit_test(at_the_floor_every_latency_is_the_baseline),
        cmocka_unit_test(a_baseline_is_measured_again),
    };
    return cmocka_run_group_tests_name("adaptive", tests, NULL, NULL);
}
