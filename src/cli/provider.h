/* SPDX-License-Identifier: MIT */
/* The options of the stand-in provider, read once from the command line and never changed. */
#ifndef LLMRL_CLI_PROVIDER_H
#define LLMRL_CLI_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "provider_limits.h"

#define PROVIDER_MILLISECOND INT64_C(1000000)
#define PROVIDER_BODY_MAX    (32u << 20)

enum provider_dialect {
    PROVIDER_OPENAI,
    PROVIDER_ANTHROPIC,
    PROVIDER_GROQ,
    PROVIDER_GEMINI,
    PROVIDER_GENERIC,
    PROVIDER_DIALECTS
};

enum provider_fault {
    PROVIDER_FAULT_NONE,
    PROVIDER_FAULT_500,
    PROVIDER_FAULT_503,
    PROVIDER_FAULT_529,
    PROVIDER_FAULT_RESET,
    PROVIDER_FAULT_HANG,
    PROVIDER_FAULT_SLOW,
    PROVIDER_FAULTS
};

/* Both ends belong to it. */
struct provider_range {
    int64_t low_ms;
    int64_t high_ms;
};

/* Numbers that end in _ppm are millionths, so that "0.05" is exact. */
struct provider_options {
    enum provider_dialect dialect;
    int64_t port; /* 0: any */
    struct provider_limits_spec limits;
    struct provider_range latency;
    struct provider_range refusal_latency;
    int64_t output_ppm;
    int64_t seed;
    int64_t fault_ppm[PROVIDER_FAULTS];
    int64_t slow_ms;
    int64_t skew_us;
    bool headers;
    const char *require_key; /* borrowed from argv; NULL: no key needed */
};

enum provider_options_result { PROVIDER_OPTIONS_OK, PROVIDER_OPTIONS_HELP, PROVIDER_OPTIONS_WRONG };

/* What is wrong goes to `errors`, with the option and its value. */
enum provider_options_result provider_options_read(struct provider_options *options, int argc,
                                                   char **argv, FILE *errors);
void provider_options_help(FILE *out);
const char *provider_dialect_name(enum provider_dialect dialect);

#endif
