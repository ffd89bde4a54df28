/* SPDX-License-Identifier: MIT */
/*
 * A whole world on a virtual clock: a provider, the way to it, and a program that has requests to
 * send. The program asks the library, or, for comparison, is all-knowing: it sends each request at
 * the very moment at which the provider would let it pass, and the way there takes no time.
 */
#ifndef LLMRL_TEST_SIM_WORLD_H
#define LLMRL_TEST_SIM_WORLD_H

#include "sim_provider.h"

#include <llmrl/base.h>

#define WORLD_MODELS 3
#define WORLD_LIMITS 3
#define WORLD_PHASES 8

enum world_dimension { WORLD_REQUESTS, WORLD_TOKENS };

/* What the program has to send for a while. */
enum world_demand {
    WORLD_IDLE,
    WORLD_STEADY,   /* at random moments, `share` thousandths of what the limits would let pass */
    WORLD_BURSTS,   /* the same, many at once */
    WORLD_SATURATED /* there are always some that wait */
};
struct world_phase {
    enum world_demand demand;
    rl_duration length;
    uint64_t share;
    rl_duration measure_after; /* of a saturated one: use counts from here ... */
    rl_duration measure_for;   /* ... for so long; 0: it does not count */
};

enum world_lie {
    WORLD_LIMIT_TENTH,
    WORLD_LEFT_NONE,
    WORLD_LEFT_HUGE,
    WORLD_RESET_YEARS,
    WORLD_LIES
};

struct world_scenario {
    uint64_t seed;
    int all_knowing;
    const char *provider; /* "openai", or "generic" */
    const char *config;   /* JSON; NULL: the client knows nothing */
    unsigned models, users;
    unsigned limits; /* of each model; none of another's */
    struct {
        struct sim_limit keeps; /* not started */
        enum world_dimension dimension;
        int reported;             /* in headers */
        uint64_t reported_amount; /* 0: the true one; else this, of a minute */
    } limit[WORLD_LIMITS];
    int absolute_times; /* resets and Retry-After are dates of the provider's clock */
    int no_hints;       /* a 429 says nothing but 429 */
    uint64_t input_low, input_high, output_low, output_high; /* output: the declared maximum */
    uint64_t large_ppm, large_factor;                        /* a few are so many times larger */
    uint64_t wire_low_us, wire_high_us;                      /* the way there, and back */
    uint64_t latency_low_ms, latency_high_ms;                /* of the work */
    int64_t skew_ms;                                         /* the client's calendar is ahead */
    uint64_t fault_500_ppm, lost_request_ppm, lost_answer_ppm;
    rl_duration outage_at, outage_for; /* all are answered with 503 */
    enum world_lie lie;
    uint64_t lie_ppm;
    uint64_t neighbour_share; /* thousandths of the first limit that another one asks for */
    rl_duration change_at;    /* 0: never */
    uint64_t change_share;    /* all limits, in thousandths of the first */
    unsigned phases;
    struct world_phase phase[WORLD_PHASES];
};

struct world_result {
    rl_duration length;
    uint64_t submitted, ended, failed, granted, arrived, refused;
    uint64_t late_arrived, late_refused; /* after the first minute */
    uint64_t lost, twice, early;         /* each has to be 0 */
    uint64_t early_gate, early_retry;    /* of which: into a closed gate; before its own time */
    uint64_t spent[WORLD_LIMITS];        /* in the time that is measured, of all models */
};

/* Runs to the end, or aborts if nothing moves any more. */
void world_run(const struct world_scenario *scenario, struct world_result *result);

#endif
