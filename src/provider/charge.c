/* SPDX-License-Identifier: MIT */
/* Owns the rules by which requests are charged. Sources: shared facts on each provider, see README
 * "Providers". */
#include "provider/charge.h"

#include "base/arith.h"

#include <string.h>

/* Where nothing is documented, or documents and answers disagree (Azure's minute, Cerebras' bucket,
 * Perplexity's), the cautious reading stands. Output as it is produced: Anthropic says so since
 * 2026; Gemini does not limit it at all, so only a limit of the user's can. Mistral charges what
 * was produced, but what it asks at admission is not known. That what they refuse counts towards
 * the minute, too, is documented by OpenAI ("unsuccessful requests contribute to your per-minute
 * limit") and Azure. */
static const struct rl__traits known[] = {
    { "openai", 1, 1, 0, 0, 1, NULL, 1 },
    { "anthropic", 1, 1, 1, 1, 1000, NULL, 0 },
    { "groq", 1, 1, 1, 0, 1, NULL, 0 },
    { "gemini", 0, 0, 0, 1, 1, "America/Los_Angeles", 0 },
    { "azure-openai", 0, 1, 0, 0, 1, NULL, 1 },
    { "vertex-ai", 0, 1, 0, 0, 1, NULL, 0 },
    { "bedrock", 0, 1, 1, 0, 1, NULL, 0 },
    { "mistral", 0, 1, 1, 0, 1, NULL, 0 }, /* charged: total less cached, as its
                            cost header says */
    { "cohere", 0, 1, 0, 0, 1, NULL, 0 },
    { "together", 0, 1, 0, 0, 1, NULL, 0 },
    { "fireworks", 0, 1, 0, 0, 1, NULL, 0 },
    { "openrouter", 0, 1, 0, 0, 1, NULL, 0 },
    { "xai", 0, 1, 0, 0, 1, NULL, 0 },
    { "deepseek", 0, 1, 0, 0, 1, NULL, 0 },
    { "cerebras", 0, 1, 0, 0, 1, NULL, 0 },
    { "perplexity", 0, 1, 0, 0, 1, NULL, 0 },
    { "github-models", 0, 1, 0, 0, 1, NULL, 0 },
    { "huggingface", 0, 1, 0, 0, 1, NULL, 0 },
    { "generic", 0, 1, 0, 0, 1, NULL, 0 }, /* the last one is what everybody else
                            is */
};

const struct rl__traits *rl__traits_find(const char *dialect)
{
    size_t last = sizeof known / sizeof known[0] - 1;

    for (size_t i = 0; i < last; i++)
        if (dialect != NULL && strcmp(known[i].dialect, dialect) == 0)
            return &known[i];
    return &known[last];
}

static void lay_cost(const struct rl__traits *traits, uint64_t input, uint64_t output,
                     struct rl__cost *cost)
{
    *cost = (struct rl__cost){ .amount = { 0 } };
    cost->amount[RL_REQUESTS] = 1;
    cost->amount[RL_CONCURRENCY] = 1;
    cost->amount[RL_INPUT_TOKENS] = input;
    cost->amount[RL__WHOLE_INPUT] = input;
    cost->amount[RL_OUTPUT_TOKENS] = output;
    cost->amount[RL_TOKENS] = traits->output_in_tokens ? rl__add_sat(input, output) : input;
}

/* Most often all of it. */
static uint64_t share_of(uint64_t amount, uint64_t part, uint64_t whole)
{
    return part == whole ? amount : rl__mul_div_up(amount, part, whole);
}

void rl__charge_reserve(const struct rl__traits *traits, uint64_t input, uint64_t max_output,
                        const struct rl__calibration *calibration, struct rl__cost *cost)
{
    uint64_t expected =
        share_of(rl__min(input, RL_AMOUNT_MAX), calibration->input_ratio, RL__RATIO_EVEN);
    uint64_t declared = max_output == 0 ? RL__OUTPUT_DEFAULT : rl__min(max_output, RL_AMOUNT_MAX);

    lay_cost(traits, rl__min(expected, RL_AMOUNT_MAX),
             share_of(declared, calibration->output_share, RL__SHARE_WHOLE), cost);
    cost->input_ratio = calibration->input_ratio;
    cost->output_share = calibration->output_share;
}

/* Marks what the answer does not tell; the reservation is all there is to go by. */
static uint64_t unknown_of(const struct rl__traits *traits, const rl_usage *usage)
{
    uint64_t unknown = 0;

    if ((usage->has & RL_HAS_INPUT) == 0)
        unknown |= UINT64_C(1) << RL_INPUT_TOKENS | UINT64_C(1) << RL_TOKENS |
                   UINT64_C(1) << RL__WHOLE_INPUT;
    if ((usage->has & RL_HAS_OUTPUT) == 0)
        unknown |= UINT64_C(1) << RL_OUTPUT_TOKENS;
    if ((usage->has & RL_HAS_OUTPUT) == 0 && traits->output_in_tokens)
        unknown |= UINT64_C(1) << RL_TOKENS;
    return unknown;
}

/* Images and money are as they were reserved: no answer tells them. */
static void keep_the_rest(struct rl__cost *cost, const struct rl__cost *reserved)
{
    cost->amount[RL_CONCURRENCY] = 0;
    cost->amount[RL_IMAGES] = reserved->amount[RL_IMAGES];
    cost->amount[RL_MONEY] = reserved->amount[RL_MONEY];
}

void rl__charge_used(const struct rl__traits *traits, const struct rl__cost *reserved,
                     const rl_usage *usage, struct rl__cost *cost)
{
    uint64_t input = reserved->amount[RL_INPUT_TOKENS], cached = 0;
    uint64_t output = reserved->amount[RL_OUTPUT_TOKENS];

    if ((usage->has & RL_HAS_INPUT) != 0 && usage->input_tokens <= RL__USAGE_MAX)
        input = usage->input_tokens;
    if ((usage->has & RL_HAS_OUTPUT) != 0 && usage->output_tokens <= RL__USAGE_MAX)
        output = usage->output_tokens;
    if ((usage->has & RL_HAS_CACHED_INPUT) != 0)
        cached = rl__min(usage->cached_input_tokens, input);
    lay_cost(traits, traits->cached_is_free ? input - cached : input, output, cost);
    cost->amount[RL__WHOLE_INPUT] = input;
    cost->amount[RL__CACHED_INPUT] = cached;
    cost->unknown = unknown_of(traits, usage);
    keep_the_rest(cost, reserved);
}

/* Where no provider says what a failed request costs, the cautious reading holds: it was counted,
 * unless it was refused. */
void rl__charge_failed(const struct rl__traits *traits, const struct rl__cost *reserved,
                       uint32_t outcome, uint64_t failure, struct rl__cost *cost)
{
    if (outcome == RL_OUTCOME_TRANSPORT && failure != RL_FAILURE_RESOLVE &&
        failure != RL_FAILURE_CONNECT && failure != RL_FAILURE_TLS) {
        *cost = *reserved;
        cost->amount[RL_CONCURRENCY] = 0;
        return;
    }
    *cost = (struct rl__cost){ .amount = { 0 } };
    cost->amount[RL_REQUESTS] = 1;
    if (outcome == RL_OUTCOME_TRANSPORT ||
        (outcome == RL_OUTCOME_RATE_LIMITED && !traits->refused_counts))
        cost->amount[RL_REQUESTS] = 0;
}
