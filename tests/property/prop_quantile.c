/* SPDX-License-Identifier: MIT */
/*
 * The running quantile against the law that it promises: of ratios that spread as real ones do, the
 * share of those at or below it comes to the one asked for, and again after the truth has changed.
 * LLMRL_SEED replays a run.
 */
#include "base/quantile.h"
#include "vclock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define EXPECTED  1000
#define TOLERANCE 31 /* of 1024: 0.03 */

static uint64_t seed_of_run(void)
{
    const char *given = getenv("LLMRL_SEED");

    return given != NULL ? strtoull(given, NULL, 0) : 20261124;
}

static uint64_t below(struct vclock *dice, uint64_t bound)
{
    return vclock_random(dice) % bound;
}

/* 2^(x / 256), 0 <= x < 256, in 1/1024: exact enough for dice. */
static uint64_t power_of_two(uint64_t x)
{
    uint64_t y = x * 4; /* 2^t is close to 1 + 0.656 t + 0.344 t^2 on [0, 1] */

    return 1024 + y * 672 / 1024 + y * y / 1024 * 352 / 1024;
}

/* Lognormal, nearly: the logarithm is a sum of twelve. `spread`: of it, in 1/256 octaves. */
static uint64_t draw(struct vclock *dice, uint64_t median, uint64_t spread)
{
    int64_t sum = 0;
    uint64_t octaves, part;

    for (int i = 0; i < 12; i++)
        sum += (int64_t)below(dice, 1025) - 512;
    sum = sum * (int64_t)spread / 1024 + INT64_C(16) * 256; /* sixteen octaves up, to be positive */
    octaves = (uint64_t)sum / 256;
    part = power_of_two((uint64_t)sum % 256);
    return (median << octaves) / 65536 * part / 1024;
}

/* Of `pairs`, how many in 1024 the ratio of that moment would have covered. */
static uint64_t covered(struct vclock *dice, const struct rl__quantile *rule, uint64_t *word,
                        uint64_t median, uint64_t spread, uint64_t pairs)
{
    uint64_t met = 0;

    for (uint64_t i = 0; i < pairs; i++) {
        uint64_t actual = draw(dice, median, spread);

        met += actual * RL__QUANTILE_ONE <= EXPECTED * (uint64_t)rl__quantile_ratio(*word);
        *word = rl__quantile_learn(rule, *word, EXPECTED, actual);
    }
    return met * 1024 / pairs;
}

static void must_be_near(uint64_t share, uint64_t got, uint64_t spread, const char *when)
{
    if (got + TOLERANCE < share || got > share + TOLERANCE)
        fail_msg("%s: asked for %llu, got %llu of 1024; spread %llu, seed %llu", when,
                 (unsigned long long)share, (unsigned long long)got, (unsigned long long)spread,
                 (unsigned long long)seed_of_run());
}

static const struct rl__quantile wide = { .share = 922,
                                          .least = RL__QUANTILE_ONE / 64,
                                          .most = RL__QUANTILE_ONE * 64 };

static void the_share_comes_to_what_was_asked(void **state)
{
    static const uint32_t shares[] = { 512, 768, 922, 973 };
    struct vclock dice = { .random = seed_of_run() };

    (void)state;
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        for (uint64_t spread = 20; spread <= 160; spread += 20) {
            struct rl__quantile rule = wide;
            uint64_t word = rl__quantile_start(RL__QUANTILE_ONE);

            rule.share = shares[i];
            (void)covered(&dice, &rule, &word, 1400, spread, 500);
            must_be_near(shares[i], covered(&dice, &rule, &word, 1400, spread, 20000), spread,
                         "at rest");
        }
}

/* From the very first pair on, the share is never far below. */
static void the_beginning_is_cautious(void **state)
{
    struct vclock dice = { .random = seed_of_run() };
    uint64_t met = 0;

    (void)state;
    for (int run = 0; run < 400; run++) {
        struct rl__quantile rule = wide;
        uint64_t word = rl__quantile_start(RL__QUANTILE_ONE);

        rule.at_once = 1;
        met += covered(&dice, &rule, &word, 1400, 80, 100);
    }
    must_be_near(922, met / 400, 80, "the first hundred");
}

static void a_new_truth_is_found_again(void **state)
{
    static const uint64_t medians[] = { 1000, 3000, 400, 3200, 1000 };
    struct vclock dice = { .random = seed_of_run() };
    uint64_t word = rl__quantile_start(RL__QUANTILE_ONE);

    (void)state;
    for (size_t i = 0; i < sizeof medians / sizeof medians[0]; i++) {
        uint64_t soon, late;

        (void)covered(&dice, &wide, &word, medians[i], 60, 250);
        soon = rl__quantile_ratio(word);
        must_be_near(wide.share, covered(&dice, &wide, &word, medians[i], 60, 5000), 60, "drift");
        late = rl__quantile_ratio(word);
        if (soon * 4 > late * 5 || late * 4 > soon * 5)
            fail_msg("median %llu: %llu soon, %llu late; seed %llu", (unsigned long long)medians[i],
                     (unsigned long long)soon, (unsigned long long)late,
                     (unsigned long long)seed_of_run());
    }
}

static void a_constant_ratio_is_met_and_kept(void **state)
{
    uint64_t word = rl__quantile_start(RL__QUANTILE_ONE);

    (void)state;
    for (int i = 0; i < 10000; i++)
        word = rl__quantile_learn(&wide, word, EXPECTED, 1234);
    assert_true(rl__quantile_ratio(word) >= 1234 * UINT64_C(65536) / EXPECTED);
    assert_true(rl__quantile_ratio(word) <= 1234 * UINT64_C(66600) / EXPECTED);
}

/* One pair in a hundred that says eight times as much is noise below the quantile. */
static void outliers_do_not_carry_it_away(void **state)
{
    struct vclock dice = { .random = seed_of_run() };
    uint64_t word = rl__quantile_start(RL__QUANTILE_ONE);

    (void)state;
    (void)covered(&dice, &wide, &word, 1000, 30, 500);
    for (int i = 0; i < 20000; i++) {
        uint64_t actual = draw(&dice, 1000, 30);

        word =
            rl__quantile_learn(&wide, word, EXPECTED, below(&dice, 100) == 0 ? 8 * actual : actual);
        assert_true(rl__quantile_ratio(word) < RL__QUANTILE_ONE * 3 / 2);
    }
}

static void garbage_is_ignored_and_bounds_hold(void **state)
{
    struct vclock dice = { .random = seed_of_run() };
    uint64_t word = rl__quantile_start(RL__QUANTILE_ONE);

    (void)state;
    assert_true(rl__quantile_learn(&wide, word, 0, 5) == word);
    assert_true(rl__quantile_learn(&wide, word, 5, 0) == word);
    for (int i = 0; i < 100000; i++) {
        uint64_t expected = vclock_random(&dice) >> below(&dice, 64);
        uint64_t actual = vclock_random(&dice) >> below(&dice, 64);

        word = rl__quantile_learn(&wide, word, expected, actual);
        assert_true(rl__quantile_ratio(word) >= wide.least || i < RL__QUANTILE_TRIAL);
        assert_true(rl__quantile_ratio(word) <= wide.most);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_share_comes_to_what_was_asked),
        cmocka_unit_test(the_beginning_is_cautious),
        cmocka_unit_test(a_new_truth_is_found_again),
        cmocka_unit_test(a_constant_ratio_is_met_and_kept),
        cmocka_unit_test(outliers_do_not_carry_it_away),
        cmocka_unit_test(garbage_is_ignored_and_bounds_hold),
    };

    printf("LLMRL_SEED=%llu\n", (unsigned long long)seed_of_run());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
