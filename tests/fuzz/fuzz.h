/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share: exact copies, and the laws that hold for every answer. */
#ifndef LLMRL_TESTS_FUZZ_H
#define LLMRL_TESTS_FUZZ_H

#include "provider/duration.h"

#include <llmrl/provider.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Holds in every build, unlike assert(). */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : abort())

/* A block of exactly this size: a byte read past the end is seen by AddressSanitizer. */
static inline char *fuzz_copy(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    FUZZ_CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

static inline const rl_dialect *fuzz_dialect(uint8_t choice)
{
    static const char *const names[] = {
        "openai",        "anthropic",  "groq",     "gemini",      "generic",
        "azure-openai",  "vertex-ai",  "bedrock",  "mistral",     "cohere",
        "together",      "fireworks",  "xai",      "deepseek",    "openrouter",
        "github-models", "perplexity", "cerebras", "huggingface",
    };

    return rl_dialect_find(names[choice % (sizeof names / sizeof names[0])]);
}

static inline void fuzz_check_report(const rl_limit_report *report)
{
    FUZZ_CHECK(report->dimension < RL_DIMENSION_COUNT);
    FUZZ_CHECK((report->has & (RL_HAS_LIMIT | RL_HAS_REMAINING)) != 0);
    FUZZ_CHECK((report->has & RL_HAS_LIMIT) == 0 || report->limit <= RL__COUNT_MAX);
    FUZZ_CHECK((report->has & RL_HAS_REMAINING) == 0 || report->remaining <= RL__COUNT_MAX);
    FUZZ_CHECK((report->has & RL_HAS_RESET) == 0 || report->reset_after <= RL__DURATION_MAX);
    FUZZ_CHECK((report->has & RL_HAS_WINDOW) == 0 ||
               (report->window > 0 && report->window <= RL__DURATION_MAX));
}

static inline void fuzz_check_answer(const rl_answer *answer)
{
    FUZZ_CHECK(answer->outcome <= RL_OUTCOME_TRANSPORT);
    FUZZ_CHECK(answer->report_count <= RL_REPORTS_MAX);
    for (uint32_t i = 0; i < answer->report_count; i++)
        fuzz_check_report(&answer->report[i]);
    FUZZ_CHECK(answer->retry_after == RL_NEVER || answer->retry_after <= RL__DURATION_MAX);
    FUZZ_CHECK(answer->outcome != RL_OUTCOME_OK || answer->retry_after == RL_NEVER);
    FUZZ_CHECK(answer->limited_window <= RL__DURATION_MAX);
    FUZZ_CHECK(memchr(answer->code, '\0', sizeof answer->code) != NULL);
    FUZZ_CHECK((answer->usage.has & RL_HAS_INPUT) == 0 ||
               answer->usage.cached_input_tokens <= answer->usage.input_tokens);
}

#endif
