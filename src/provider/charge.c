/* SPDX-License-Identifier: MIT */
/* Owns the rules by which requests are charged. Sources: shared facts on each provider, see README
 * "Providers". */
#include "provider/charge.h"

#include "base/arith.h"

#include <string.h>

/* Where nothing is documented, or documents and answers disagree (Azure's minute, Cerebras' bucket,
 * Perplexity's), the cautious reading stands. */
static const struct rl__traits known[] = {
    { "openai", 1, 1, 0, 1 },      { "anthropic", 1, 1, 1, 1000 }, { "groq", 1, 1, 1, 1 },
    { "gemini", 0, 0, 0, 1 },      { "azure-openai", 0, 1, 0, 1 }, { "vertex-ai", 0, 1, 0, 1 },
    { "bedrock", 0, 1, 1, 1 },     { "mistral", 0, 1, 1, 1 }, /* charged: total less cached, as its
                                                                 cost header says */
    { "cohere", 0, 1, 0, 1 },      { "together", 0, 1, 0, 1 },     { "fireworks", 0, 1, 0, 1 },
    { "openrouter", 0, 1, 0, 1 },  { "xai", 0, 1, 0, 1 },          { "deepseek", 0, 1, 0, 1 },
    { "cerebras", 0, 1, 0, 1 },    { "perplexity", 0, 1, 0, 1 },   { "github-models", 0, 1, 0, 1 },
    { "huggingface", 0, 1, 0, 1 }, { "generic", 0, 1, 0, 1 }, /* the last one is what everybody else
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

static struct rl__cost cost_of(const struct rl__traits *traits, uint64_t input, uint64_t output)
{
    struct rl__cost cost = { .amount = { 0 } };

    cost.amount[RL_REQUESTS] = 1;
    cost.amount[RL_INPUT_TOKENS] = input;
    cost.amount[RL_OUTPUT_TOKENS] = output;
    cost.amount[RL_TOKENS] = traits->output_in_tokens ? rl__add_sat(input, output) : input;
    return cost;
}

struct rl__cost rl__charge_reserve(const struct rl__traits *traits, uint64_t input,
                                   uint64_t max_output, uint64_t ratio)
{
    uint64_t at_least = rl__max(ratio, 1024);
    uint64_t expected = rl__mul_div_up(rl__min(input, RL_AMOUNT_MAX), at_least, 1024);
    uint64_t output = max_output == 0 ? RL__OUTPUT_DEFAULT : max_output;
    struct rl__cost cost =
        cost_of(traits, rl__min(expected, RL_AMOUNT_MAX), rl__min(output, RL_AMOUNT_MAX));

    cost.input_ratio = at_least;
    return cost;
}

struct rl__cost rl__charge_used(const struct rl__traits *traits, const struct rl__cost *reserved,
                                const rl_usage *usage)
{
    uint64_t input = reserved->amount[RL_INPUT_TOKENS];
    uint64_t output = reserved->amount[RL_OUTPUT_TOKENS];

    if ((usage->has & RL_HAS_INPUT) != 0 && usage->input_tokens <= RL__USAGE_MAX)
        input = usage->input_tokens;
    if (traits->cached_is_free && (usage->has & RL_HAS_CACHED_INPUT) != 0)
        input = rl__sub_sat(input, usage->cached_input_tokens);
    if ((usage->has & RL_HAS_OUTPUT) != 0 && usage->output_tokens <= RL__USAGE_MAX)
        output = usage->output_tokens;
    return cost_of(traits, input, output);
}

/* Where no provider says what a failed request costs, the cautious reading holds: it was counted.
 */
struct rl__cost rl__charge_failed(const struct rl__cost *reserved, uint32_t outcome,
                                  uint64_t failure)
{
    struct rl__cost cost = *reserved;

    if (outcome == RL_OUTCOME_TRANSPORT && failure != RL_FAILURE_RESOLVE &&
        failure != RL_FAILURE_CONNECT && failure != RL_FAILURE_TLS)
        return cost;
    if (outcome == RL_OUTCOME_RATE_LIMITED || outcome == RL_OUTCOME_TRANSPORT)
        return (struct rl__cost){ .amount = { 0 } };
    cost.amount[RL_TOKENS] = 0;
    cost.amount[RL_INPUT_TOKENS] = 0;
    cost.amount[RL_OUTPUT_TOKENS] = 0;
    return cost;
}
