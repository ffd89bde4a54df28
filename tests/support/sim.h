/* SPDX-License-Identifier: MIT */
/*
 * A provider and a batch on a virtual clock, driving the whole stack through its public face. The
 * provider's arithmetic is its own: levels in units of 1/period, so every decision is exact.
 */
#ifndef LLMRL_TEST_SIM_H
#define LLMRL_TEST_SIM_H

#include "vclock.h"

#include <llmrl/queue.h>

enum sim_refill { SIM_BUCKET, SIM_WINDOW, SIM_QUANTUM };

/* What is wrong with an answer now and then. */
enum sim_lie {
    SIM_TRUTH,
    SIM_LIMIT_ONE,
    SIM_LIMIT_ZERO,
    SIM_LIMIT_TENTH, /* as if a smaller tier had answered */
    SIM_LEFT_NONE,
    SIM_LEFT_HUGE,   /* 2^53 */
    SIM_RESET_YEARS, /* and nothing left */
    SIM_USAGE_HUGE,
    SIM_USAGE_EIGHTFOLD /* true for that one request, says nothing about others */
};

struct sim_scenario {
    const char *name;
    const char *provider;    /* a dialect that speaks OpenAI's headers, or "generic" */
    const char *model;       /* NULL: one that no table knows */
    const char *config_json; /* what the client knows; NULL: nothing */
    uint64_t seed;
    uint64_t rpm, tpm; /* 0: not limited */
    enum sim_refill refill;
    uint64_t burst_seconds; /* of a bucket */
    uint64_t requests, concurrency;
    uint64_t input, max_output; /* per request; half of max_output is used */
    int badly_estimated;        /* the client guesses the input up to a third too low */
    uint64_t latency_low_ms, latency_high_ms;
    uint64_t wire_high_us; /* spread of the way there */
    unsigned fault_500_ppm, fault_503_ppm, fault_reset_ppm;
    int bare;                            /* no headers, no hints */
    uint64_t neighbour_rpm;              /* somebody else on the key */
    uint64_t neighbour_until_s;          /* who leaves then; 0: never */
    uint64_t change_at_s, change_to_rpm; /* 0: never */
    uint64_t change_back_at_s;           /* 0: never */
    enum sim_lie lie;
    unsigned lie_ppm;       /* how many answers are wrong */
    unsigned fault_429_ppm; /* refused for no reason, with "retry-after: 0" */
    uint64_t step_at_s;     /* when the client's clock is set; 0: never */
    int64_t step_ms;        /* by so much */
};

struct sim_result {
    double seconds, ideal;
    uint64_t refused, refused_early, lost, twice, granted, peak_in_flight;
    uint64_t used_requests, used_tokens;
};

/* Runs to the end, or aborts the test if virtual time runs away. */
void sim_run(const struct sim_scenario *scenario, struct sim_result *result);

#endif
