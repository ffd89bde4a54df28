/* SPDX-License-Identifier: MIT */
/* The whole stack against a simulated provider, from many seeds: nothing lost, nothing twice, few
 * refusals, and the limit used. Bounds are those that the documentation promises. LLMRL_SEED
 * replays one seed, LLMRL_SIM_SEEDS sets how many. */
#include "sim.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct bound {
    struct sim_scenario scenario;
    double ratio;
    uint64_t refused;
};

/* What a scenario leaves at 0 and cannot do without. */
static void fill_in(struct sim_scenario *s)
{
    s->requests = s->requests != 0 ? s->requests : 1500;
    s->concurrency = s->concurrency != 0 ? s->concurrency : 256;
    s->input = s->input != 0 ? s->input : 100;
    s->max_output = s->max_output != 0 ? s->max_output : 200;
    if (s->latency_high_ms == 0) {
        s->latency_low_ms = 200;
        s->latency_high_ms = 400;
    }
    s->wire_high_us = 3000;
}

#define OPENAI(key, value)  "{\"providers\":{\"openai\":{\"" key "\":" value "}}}"
#define GENERIC(key, value) "{\"providers\":{\"generic\":{\"" key "\":" value "}}}"

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

/* What is faster than the ideal shows a mistake in the simulation; but a neighbour may be refused,
 * too, and leaves us more than his share then. */
static double fastest(const struct sim_scenario *s)
{
    return s->neighbour_rpm != 0 ? 0.5 : 0.99;
}

struct worst {
    double ratio;
    uint64_t refused, seed;
};

static void check(const struct bound *bound, const struct sim_scenario *scenario,
                  const struct sim_result *r, struct worst *worst)
{
    double ratio = r->seconds / r->ideal;

    worst->ratio = ratio > worst->ratio ? ratio : worst->ratio;
    worst->refused = r->refused > worst->refused ? r->refused : worst->refused;
    if (r->lost != 0 || r->twice != 0 || r->refused > bound->refused || ratio > bound->ratio ||
        ratio < fastest(scenario)) {
        worst->seed = scenario->seed;
        print_error("%s: LLMRL_SEED=%" PRIu64 ": %.2f s, %.3f of ideal (at most %.2f), %" PRIu64
                    " refused (at most %" PRIu64 "), %" PRIu64 " lost, %" PRIu64 " twice\n",
                    scenario->name, scenario->seed, r->seconds, ratio, bound->ratio, r->refused,
                    bound->refused, r->lost, r->twice);
    }
}

static void hold(const struct bound *bound)
{
    uint64_t seeds = number_from("LLMRL_SIM_SEEDS", 5), only = number_from("LLMRL_SEED", 0);
    struct worst worst = { 0 };

    for (uint64_t n = 1; n <= (only != 0 ? 1 : seeds); n++) {
        struct sim_scenario scenario = bound->scenario;
        struct sim_result r;

        fill_in(&scenario);
        scenario.seed = only != 0 ? only : n * UINT64_C(0x9e3779b97f4a7c15) >> 16;
        sim_run(&scenario, &r);
        check(bound, &scenario, &r, &worst);
    }
    print_message("%s: at worst %.3f of ideal, %" PRIu64 " refused\n", bound->scenario.name,
                  worst.ratio, worst.refused);
    assert_int_equal(worst.seed, 0);
}

#define SCENARIO(function, most_ratio, most_refused, ...)                                          \
    static void function(void **state)                                                             \
    {                                                                                              \
        static const struct bound bound = { { .name = #function, __VA_ARGS__ },                    \
                                            most_ratio,                                            \
                                            most_refused };                                        \
                                                                                                   \
        (void)state;                                                                               \
        hold(&bound);                                                                              \
    }

SCENARIO(requests_known_small_bucket, 1.02, 0, .provider = "openai", .rpm = 3000,
         .burst_seconds = 2, .config_json = OPENAI("requests_per_minute", "3000"))
SCENARIO(requests_known_whole_minute, 1.02, 0, .provider = "openai", .rpm = 3000,
         .burst_seconds = 60, .config_json = OPENAI("requests_per_minute", "3000"),
         .requests = 4500)
SCENARIO(tokens_known_half_unused, 1.02, 0, .provider = "openai", .tpm = 600000,
         .burst_seconds = 60, .config_json = OPENAI("tokens_per_minute", "600000"),
         .requests = 6000)
SCENARIO(tokens_known_small_bucket, 1.02, 0, .provider = "openai", .tpm = 600000,
         .burst_seconds = 2, .config_json = OPENAI("tokens_per_minute", "600000"), .requests = 2000)
SCENARIO(tokens_badly_estimated, 1.02, 0, .provider = "openai", .tpm = 600000, .burst_seconds = 2,
         .config_json = OPENAI("tokens_per_minute", "600000"), .requests = 4000,
         .badly_estimated = 1)
SCENARIO(nothing_known_one_second_quantum, 1.06, 10, .provider = "openai", .rpm = 3000,
         .refill = SIM_QUANTUM)
SCENARIO(nothing_known_whole_minute, 1.03, 0, .provider = "openai", .rpm = 3000,
         .burst_seconds = 60, .requests = 4500)
/* The built-in tables' lowest tier: as much as any, or 100 a minute. */
SCENARIO(nothing_known_and_a_fair_guess, 1.06, 10, .provider = "openai", .rpm = 3000,
         .model = "gpt-4o-mini", .refill = SIM_QUANTUM)
SCENARIO(nothing_known_and_a_guess_far_too_low, 1.04, 0, .provider = "openai", .rpm = 3000,
         .model = "gpt-4o-realtime-preview", .burst_seconds = 60, .requests = 4500)
SCENARIO(
    a_day_beside_the_minute, 1.10, 6, .provider = "openai", .rpm = 300, .burst_seconds = 2,
    .config_json =
        "{\"providers\":{\"openai\":{\"requests_per_minute\":500,\"requests_per_day\":10000}}}",
    .requests = 600)
SCENARIO(a_tier_that_is_too_high, 1.10, 6, .provider = "openai", .rpm = 300, .burst_seconds = 2,
         .model = "gpt-4o-mini", .config_json = OPENAI("tier", "\"tier-1\""), .requests = 600)
SCENARIO(nothing_known_both_limits, 1.04, 0, .provider = "openai", .rpm = 3000, .tpm = 600000,
         .burst_seconds = 60, .requests = 4500)
SCENARIO(faults, 1.15, 0, .provider = "openai", .rpm = 3000, .burst_seconds = 2,
         .config_json = OPENAI("requests_per_minute", "3000"), .fault_500_ppm = 30000,
         .fault_503_ppm = 20000, .fault_reset_ppm = 10000)
SCENARIO(generic_headers_show_the_refill, 1.02, 0, .provider = "generic", .rpm = 3000,
         .burst_seconds = 2, .config_json = GENERIC("requests_per_minute", "3000"))
SCENARIO(fixed_window_without_headers, 1.02, 0, .provider = "generic", .rpm = 3000,
         .refill = SIM_WINDOW, .bare = 1, .config_json = GENERIC("requests_per_minute", "3000"),
         .requests = 4500)
SCENARIO(small_limit_small_bucket, 1.02, 4, .provider = "openai", .rpm = 60, .burst_seconds = 2,
         .config_json = OPENAI("requests_per_minute", "60"), .requests = 200)
SCENARIO(tiny_limit, 1.02, 3, .provider = "openai", .rpm = 3, .burst_seconds = 60,
         .config_json = OPENAI("requests_per_minute", "3"), .requests = 100)
SCENARIO(fast_limit, 1.05, 0, .provider = "openai", .rpm = 60000, .burst_seconds = 2,
         .requests = 20000, .concurrency = 1000)
SCENARIO(bare_refusals_alone_teach, 1.10, 40, .provider = "openai", .rpm = 3000, .burst_seconds = 2,
         .bare = 1)

/* Bad luck and bad answers: whatever a provider says, nothing is lost, and the work goes on. */
SCENARIO(a_neighbour_takes_two_fifths, 1.02, 8, .provider = "openai", .rpm = 3000,
         .burst_seconds = 2, .neighbour_rpm = 1200,
         .config_json = OPENAI("requests_per_minute", "3000"))
SCENARIO(a_neighbour_and_nothing_known, 1.02, 15, .provider = "openai", .rpm = 3000,
         .burst_seconds = 2, .neighbour_rpm = 1200)
SCENARIO(a_neighbour_on_a_whole_minute, 1.02, 8, .provider = "openai", .rpm = 3000,
         .burst_seconds = 60, .neighbour_rpm = 1200, .requests = 4500)
SCENARIO(a_neighbour_on_a_fixed_window, 1.02, 3, .provider = "generic", .rpm = 3000,
         .refill = SIM_WINDOW, .neighbour_rpm = 1200, .requests = 4500,
         .config_json = GENERIC("requests_per_minute", "3000"))
SCENARIO(a_neighbour_who_leaves, 1.06, 15, .provider = "openai", .rpm = 3000, .burst_seconds = 2,
         .neighbour_rpm = 1200, .neighbour_until_s = 60, .requests = 20000)
SCENARIO(a_share_that_was_given_up_comes_back, 1.12, 65, .provider = "openai", .rpm = 3000,
         .refill = SIM_QUANTUM, .neighbour_rpm = 1200, .neighbour_until_s = 60, .requests = 40000)
SCENARIO(the_limit_is_halved, 1.06, 5, .provider = "openai", .rpm = 3000, .burst_seconds = 2,
         .change_at_s = 10, .change_to_rpm = 1500)
SCENARIO(the_limit_is_halved_and_nobody_says_so, 1.04, 20, .provider = "openai", .rpm = 3000,
         .burst_seconds = 2, .change_at_s = 10, .change_to_rpm = 1500, .bare = 1,
         .config_json = OPENAI("requests_per_minute", "3000"))
SCENARIO(the_limit_is_doubled, 1.03, 2, .provider = "openai", .rpm = 3000, .burst_seconds = 2,
         .change_at_s = 10, .change_to_rpm = 6000, .requests = 3000)
SCENARIO(the_limit_is_halved_and_restored, 1.06, 5, .provider = "openai", .rpm = 3000,
         .burst_seconds = 2, .change_at_s = 10, .change_to_rpm = 1500, .change_back_at_s = 20,
         .requests = 2500)
SCENARIO(answers_take_a_minute, 1.30, 4, .provider = "openai", .rpm = 600, .burst_seconds = 2,
         .latency_low_ms = 30000, .latency_high_ms = 60000, .concurrency = 1000, .requests = 3000,
         .config_json = OPENAI("requests_per_minute", "600"))
SCENARIO(answers_take_a_minute_and_nothing_is_known, 2.3, 10, .provider = "openai", .rpm = 3000,
         .burst_seconds = 2, .latency_low_ms = 30000, .latency_high_ms = 60000, .concurrency = 4000,
         .requests = 6000)
SCENARIO(answers_come_in_any_order, 1.60, 30, .provider = "openai", .rpm = 3000, .burst_seconds = 2,
         .latency_low_ms = 1, .latency_high_ms = 20000, .concurrency = 2000, .requests = 4500)
SCENARIO(a_tenth_of_the_answers_is_lost, 1.30, 0, .provider = "openai", .rpm = 3000,
         .burst_seconds = 2, .fault_reset_ppm = 100000)
SCENARIO(the_clock_is_set_back, 1.35, 30, .provider = "openai", .rpm = 3000, .burst_seconds = 2,
         .step_at_s = 10, .step_ms = -5000)
SCENARIO(the_clock_is_set_forward, 1.15, 110, .provider = "openai", .rpm = 3000, .burst_seconds = 2,
         .step_at_s = 10, .step_ms = 3600000)
SCENARIO(refused_for_no_reason_and_no_time, 1.35, 45, .provider = "openai", .rpm = 3000,
         .burst_seconds = 2, .fault_429_ppm = 20000)
SCENARIO(lies_about_limit_one, 1.03, 0, .provider = "openai", .rpm = 3000, .tpm = 900000,
         .burst_seconds = 2, .lie = SIM_LIMIT_ONE, .lie_ppm = 100000, .requests = 3000)
SCENARIO(lies_about_limit_zero, 1.03, 0, .provider = "openai", .rpm = 3000, .tpm = 900000,
         .burst_seconds = 2, .lie = SIM_LIMIT_ZERO, .lie_ppm = 100000, .requests = 3000)
SCENARIO(lies_about_limit_tenth, 1.03, 0, .provider = "openai", .rpm = 3000, .tpm = 900000,
         .burst_seconds = 2, .lie = SIM_LIMIT_TENTH, .lie_ppm = 100000, .requests = 3000)
SCENARIO(lies_about_left_none, 1.03, 5, .provider = "openai", .rpm = 3000, .tpm = 900000,
         .burst_seconds = 2, .lie = SIM_LEFT_NONE, .lie_ppm = 100000, .requests = 3000)
SCENARIO(lies_about_left_huge, 1.06, 25, .provider = "openai", .rpm = 3000, .tpm = 900000,
         .burst_seconds = 2, .lie = SIM_LEFT_HUGE, .lie_ppm = 100000, .requests = 3000)
SCENARIO(lies_about_reset_years, 1.03, 5, .provider = "openai", .rpm = 3000, .tpm = 900000,
         .burst_seconds = 2, .lie = SIM_RESET_YEARS, .lie_ppm = 100000, .requests = 3000)
SCENARIO(lies_about_usage_huge, 1.03, 0, .provider = "openai", .rpm = 3000, .tpm = 900000,
         .burst_seconds = 2, .lie = SIM_USAGE_HUGE, .lie_ppm = 100000, .requests = 3000)
/* Nobody can know better: the largest request that passed, each minute. */
SCENARIO(always_lies_about_the_limit, 6.50, 0, .provider = "openai", .tpm = 60000,
         .burst_seconds = 60, .lie = SIM_LIMIT_ONE, .lie_ppm = 1000000, .requests = 300,
         .input = 8000, .max_output = 2000)
SCENARIO(one_estimate_was_far_too_low, 1.20, 8, .provider = "openai", .tpm = 60000,
         .burst_seconds = 60, .lie = SIM_USAGE_EIGHTFOLD, .lie_ppm = 10000, .requests = 500,
         .input = 8000, .max_output = 2000, .config_json = OPENAI("tokens_per_minute", "60000"))

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_known_small_bucket),
        cmocka_unit_test(requests_known_whole_minute),
        cmocka_unit_test(tokens_known_half_unused),
        cmocka_unit_test(tokens_known_small_bucket),
        cmocka_unit_test(tokens_badly_estimated),
        cmocka_unit_test(nothing_known_one_second_quantum),
        cmocka_unit_test(nothing_known_whole_minute),
        cmocka_unit_test(nothing_known_and_a_fair_guess),
        cmocka_unit_test(nothing_known_and_a_guess_far_too_low),
        cmocka_unit_test(a_day_beside_the_minute),
        cmocka_unit_test(a_tier_that_is_too_high),
        cmocka_unit_test(nothing_known_both_limits),
        cmocka_unit_test(faults),
        cmocka_unit_test(generic_headers_show_the_refill),
        cmocka_unit_test(fixed_window_without_headers),
        cmocka_unit_test(small_limit_small_bucket),
        cmocka_unit_test(tiny_limit),
        cmocka_unit_test(fast_limit),
        cmocka_unit_test(bare_refusals_alone_teach),
        cmocka_unit_test(a_neighbour_takes_two_fifths),
        cmocka_unit_test(a_neighbour_and_nothing_known),
        cmocka_unit_test(a_neighbour_on_a_whole_minute),
        cmocka_unit_test(a_neighbour_on_a_fixed_window),
        cmocka_unit_test(a_neighbour_who_leaves),
        cmocka_unit_test(a_share_that_was_given_up_comes_back),
        cmocka_unit_test(the_limit_is_halved),
        cmocka_unit_test(the_limit_is_halved_and_nobody_says_so),
        cmocka_unit_test(the_limit_is_doubled),
        cmocka_unit_test(the_limit_is_halved_and_restored),
        cmocka_unit_test(answers_take_a_minute),
        cmocka_unit_test(answers_take_a_minute_and_nothing_is_known),
        cmocka_unit_test(answers_come_in_any_order),
        cmocka_unit_test(a_tenth_of_the_answers_is_lost),
        cmocka_unit_test(the_clock_is_set_back),
        cmocka_unit_test(the_clock_is_set_forward),
        cmocka_unit_test(refused_for_no_reason_and_no_time),
        cmocka_unit_test(lies_about_limit_one),
        cmocka_unit_test(lies_about_limit_zero),
        cmocka_unit_test(lies_about_limit_tenth),
        cmocka_unit_test(lies_about_left_none),
        cmocka_unit_test(lies_about_left_huge),
        cmocka_unit_test(lies_about_reset_years),
        cmocka_unit_test(lies_about_usage_huge),
        cmocka_unit_test(always_lies_about_the_limit),
        cmocka_unit_test(one_estimate_was_far_too_low),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
