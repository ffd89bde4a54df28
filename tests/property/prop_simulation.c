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
    s->input = 100;
    s->max_output = 200;
    s->latency_low_ms = 200;
    s->latency_high_ms = 400;
    s->wire_high_us = 3000;
}

#define OPENAI(key, value)  "{\"providers\":{\"openai\":{\"" key "\":" value "}}}"
#define GENERIC(key, value) "{\"providers\":{\"generic\":{\"" key "\":" value "}}}"

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void hold(const struct bound *bound)
{
    uint64_t seeds = number_from("LLMRL_SIM_SEEDS", 5), only = number_from("LLMRL_SEED", 0);

    for (uint64_t n = 1; n <= seeds; n++) {
        struct sim_scenario scenario = bound->scenario;
        struct sim_result r;
        double ratio;

        fill_in(&scenario);
        scenario.seed = only != 0 ? only : n * UINT64_C(0x9e3779b97f4a7c15) >> 16;
        sim_run(&scenario, &r);
        ratio = r.seconds / r.ideal;
        if (r.lost != 0 || r.twice != 0 || r.refused > bound->refused || ratio > bound->ratio ||
            ratio < 0.99)
            fail_msg("%s: LLMRL_SEED=%" PRIu64 ": %.2f s, %.3f of ideal (at most %.2f), %" PRIu64
                     " refused (at most %" PRIu64 "), %" PRIu64 " lost, %" PRIu64 " twice",
                     scenario.name, scenario.seed, r.seconds, ratio, bound->ratio, r.refused,
                     bound->refused, r.lost, r.twice);
        if (only != 0)
            break;
    }
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
        cmocka_unit_test(nothing_known_both_limits),
        cmocka_unit_test(faults),
        cmocka_unit_test(generic_headers_show_the_refill),
        cmocka_unit_test(fixed_window_without_headers),
        cmocka_unit_test(small_limit_small_bucket),
        cmocka_unit_test(tiny_limit),
        cmocka_unit_test(fast_limit),
        cmocka_unit_test(bare_refusals_alone_teach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
