/* SPDX-License-Identifier: MIT */
/* The dialects that are built in: data only. */
#include "provider/dialect.h"

#define COUNT(array) (uint32_t)(sizeof(array) / sizeof(array)[0])

#define SLICE(text)                                                                                \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define LIMIT_WITH(flags_, before_, after_, windowed_, dimension_, window_, rule_, reset_)         \
    {                                                                                              \
        .before = SLICE(before_), .after = SLICE(after_), .windowed = (windowed_),                 \
        .dimension = (dimension_), .window = (window_), .rule = (rule_), .reset = (reset_),        \
        .flags = (flags_)                                                                          \
    }
#define LIMIT(before, after, dimension, window, rule, reset)                                       \
    LIMIT_WITH(0, before, after, 0, dimension, window, rule, reset)
/* What says its window, or has none that is known. */
#define PLAIN(before, after, dimension, window)                                                    \
    LIMIT(before, after, dimension, window, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO)
/* Whose name may say the window. */
#define NAMED(before, after, dimension)                                                            \
    LIMIT_WITH(0, before, after, 1, dimension, 0, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO)

#define ANTHROPIC_SERIES                                                                           \
    PLAIN("anthropic-ratelimit-requests-", "", RL_REQUESTS, RL_MINUTE),                            \
        PLAIN("anthropic-ratelimit-tokens-", "", RL_TOKENS, RL_MINUTE),                            \
        PLAIN("anthropic-ratelimit-input-tokens-", "", RL_INPUT_TOKENS, RL_MINUTE),                \
        PLAIN("anthropic-ratelimit-output-tokens-", "", RL_OUTPUT_TOKENS, RL_MINUTE)

/* Those of Anthropic, Cohere, Together, Fireworks and Mistral that nobody else could mean: they are
 * read in every dialect, as the provider behind a gateway or another host may be unknown. */
#define DISTINCT_SERIES                                                                            \
    ANTHROPIC_SERIES, PLAIN("x-trial-endpoint-call-", "", RL_REQUESTS, RL_MINUTE),                 \
        PLAIN("x-endpoint-monthly-call-", "", RL_REQUESTS, 30 * RL_DAY),                           \
        PLAIN("x-tokenlimit-", "", RL_TOKENS, RL_SECOND),                                          \
        PLAIN("x-ratelimit-", "-tokens-prompt", RL_INPUT_TOKENS, RL_MINUTE),                       \
        LIMIT_WITH(RL__SERIES_UNCACHED, "x-ratelimit-", "-tokens-cache-adjusted-prompt", 0,        \
                   RL_INPUT_TOKENS, RL_MINUTE, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO),                 \
        PLAIN("x-ratelimit-", "-tokens-generated", RL_OUTPUT_TOKENS, RL_MINUTE),                   \
        LIMIT("ratelimitbysize-", "", RL_TOKENS, RL_MINUTE, RL__WINDOW_UNKNOWN, RL__WHEN_SECONDS), \
        NAMED("x-ratelimitbysize-", "", RL_TOKENS)

/* A LiteLLM proxy's own limits, each for a minute from the first request on. */
#define LITELLM(whose)                                                                             \
    PLAIN("x-ratelimit-" whose "-", "-requests", RL_REQUESTS, RL_MINUTE),                          \
        PLAIN("x-ratelimit-" whose "-", "-tokens", RL_TOKENS, RL_MINUTE)

/* Spellings met at gateways, self-hosted servers and providers without a dialect of their own.
 * A reset is a number of seconds, an epoch, a span or a date, which its form tells. */
static const struct rl__series generic_series[] = {
    LIMIT("ratelimit-", "", RL_REQUESTS, 0, RL__WINDOW_POLICY, RL__WHEN_AUTO),
    LIMIT("x-ratelimit-", "", RL_REQUESTS, 0, RL__WINDOW_POLICY, RL__WHEN_AUTO),
    LIMIT("x-rate-limit-", "", RL_REQUESTS, 0, RL__WINDOW_POLICY, RL__WHEN_AUTO),
    NAMED("x-ratelimit-", "-requests", RL_REQUESTS),
    NAMED("x-ratelimit-", "-req", RL_REQUESTS),
    NAMED("x-ratelimit-", "-tokens", RL_TOKENS),
    NAMED("x-ratelimit-", "-input-tokens", RL_INPUT_TOKENS),
    NAMED("x-ratelimit-", "-output-tokens", RL_OUTPUT_TOKENS),
    NAMED("x-ratelimit-", "-images", RL_IMAGES),
    NAMED("x-rate-limit-", "-requests", RL_REQUESTS),
    NAMED("x-rate-limit-", "-tokens", RL_TOKENS),
    NAMED("ratelimit-", "-requests", RL_REQUESTS),
    NAMED("ratelimit-", "-tokens", RL_TOKENS),
    NAMED("x-ratelimit-", "", RL_REQUESTS), /* Kong's: "x-ratelimit-limit-minute" */
    LITELLM("api_key"),
    LITELLM("user"),
    LITELLM("team"),
    LITELLM("team_member"),
    LITELLM("end_user"),
    LITELLM("model_per_key"),
    DISTINCT_SERIES,
};

static const struct rl__hint_row generic_hints[] = {
    { SLICE("retry-after-ms"), 0, RL__WHEN_MILLISECONDS },
    { SLICE("retry-after"), 1, RL__WHEN_AUTO },
    { SLICE("x-ratelimit-retry-after"), 2, RL__WHEN_AUTO },
    /* A LiteLLM proxy repeats what the provider behind it said, at times only there. */
    { SLICE("llm_provider-retry-after-ms"), 2, RL__WHEN_MILLISECONDS },
    { SLICE("llm_provider-retry-after"), 2, RL__WHEN_AUTO },
};

/* The headers do not tell minute from day; both refill evenly, so the arithmetic of the reset does.
 */
#define EVEN(after, dimension)                                                                     \
    LIMIT("x-ratelimit-", after, dimension, 0, RL__WINDOW_BUCKET, RL__WHEN_AUTO)
static const struct rl__series openai_series[] = {
    EVEN("-requests", RL_REQUESTS),         EVEN("-tokens", RL_TOKENS),
    EVEN("-project-requests", RL_REQUESTS), EVEN("-project-tokens", RL_TOKENS),
    EVEN("-input-images", RL_IMAGES),
};

/* Models of OpenAI reset in milliseconds, others in seconds; requests are counted by the minute, by
 * ten seconds or by the second, tokens by the minute. GitHub's models stand behind the same door.
 */
static const struct rl__series azure_series[] = {
    LIMIT("x-ratelimit-", "-requests", RL_REQUESTS, 0, RL__WINDOW_UNITS, RL__WHEN_SECONDS),
    LIMIT("x-ratelimit-", "-tokens", RL_TOKENS, RL_MINUTE, RL__WINDOW_UNITS, RL__WHEN_SECONDS),
};

static const struct rl__hint_row azure_hints[] = {
    /* At times a refusal's only hint. */
    { SLICE("x-rate-limit-reset-tokens"), 2, RL__WHEN_SECONDS },
    { SLICE("x-rate-limit-reset-requests"), 2, RL__WHEN_SECONDS },
};

static const struct rl__hint_row github_hints[] = {
    { SLICE("x-ratelimit-timeremaining"), 2, RL__WHEN_SECONDS },
};

/* Not here: anthropic-priority-* and anthropic-fast-*. Those pools serve only requests that ask for
 * them, and a report cannot say so: the limit 0 of a fast mode that is off would stop all the rest.
 */
static const struct rl__series anthropic_series[] = { ANTHROPIC_SERIES };

/* A subscription's share of five hours or a week has no limit in numbers, but says when it is full
 * again. */
static const struct rl__hint_row anthropic_hints[] = {
    { SLICE("anthropic-ratelimit-unified-reset"), 2, RL__WHEN_EPOCH },
};

/* Documented: -requests is always the day, -tokens always the minute. */
static const struct rl__series groq_series[] = {
    PLAIN("x-ratelimit-", "-requests", RL_REQUESTS, RL_DAY),
    PLAIN("x-ratelimit-", "-tokens", RL_TOKENS, RL_MINUTE),
};

static const struct rl__hint_row bedrock_hints[] = {
    { SLICE("x-amz-retry-after"), 2, RL__WHEN_MILLISECONDS },
};

/* Documented by the second; the pair without "dynamic" is the older, static one. */
static const struct rl__series together_series[] = {
    LIMIT_WITH(RL__SERIES_PREFERRED, "x-ratelimit-", "-dynamic", 0, RL_REQUESTS, RL_SECOND,
               RL__WINDOW_UNKNOWN, RL__WHEN_SECONDS),
    LIMIT_WITH(RL__SERIES_WAIT, "x-ratelimit-", "", 0, RL_REQUESTS, RL_SECOND, RL__WINDOW_UNKNOWN,
               RL__WHEN_SECONDS),
};

static const struct rl__series fireworks_series[] = {
    PLAIN("x-ratelimit-", "-requests", RL_REQUESTS, RL_MINUTE),
};

/* The numbers are a minute's, whatever the second allows. */
static const struct rl__series xai_series[] = {
    PLAIN("x-ratelimit-", "-requests", RL_REQUESTS, RL_MINUTE),
    PLAIN("x-ratelimit-", "-tokens", RL_TOKENS, RL_MINUTE),
};

/* The window ends the name; a reset is seconds, whatever their number. */
static const struct rl__series cerebras_series[] = {
    LIMIT_WITH(0, "x-ratelimit-", "-requests", 1, RL_REQUESTS, 0, RL__WINDOW_UNKNOWN,
               RL__WHEN_SECONDS),
    LIMIT_WITH(0, "x-ratelimit-", "-tokens", 1, RL_TOKENS, 0, RL__WINDOW_UNKNOWN, RL__WHEN_SECONDS),
};

#define SERIES(rows) .series = (rows), .series_count = COUNT(rows)
#define HINTS(rows)  .hints = (rows), .hint_count = COUNT(rows)

/* One without rows says all that it says in bodies, or in the forms of "generic". */
const rl_dialect rl__dialects[] = {
    { .name = "generic", SERIES(generic_series), HINTS(generic_hints) },
    { .name = "openai", SERIES(openai_series) },
    { .name = "azure-openai", SERIES(azure_series), HINTS(azure_hints) },
    { .name = "anthropic", SERIES(anthropic_series), HINTS(anthropic_hints) },
    { .name = "groq", SERIES(groq_series) },
    { .name = "gemini", .flags = RL__DIALECT_OUTPUT_FROM_TOTAL },
    { .name = "vertex-ai", .flags = RL__DIALECT_OUTPUT_FROM_TOTAL },
    { .name = "bedrock", HINTS(bedrock_hints) },
    { .name = "mistral", .flags = RL__DIALECT_LONG_IS_QUOTA },
    { .name = "cohere" },
    { .name = "together", SERIES(together_series) },
    { .name = "fireworks", SERIES(fireworks_series) },
    { .name = "openrouter", .flags = RL__DIALECT_WINDOW_IN_WORDS },
    { .name = "xai", SERIES(xai_series), .flags = RL__DIALECT_OUTPUT_FROM_TOTAL },
    { .name = "deepseek" },
    { .name = "cerebras", SERIES(cerebras_series) },
    { .name = "perplexity" },
    { .name = "github-models", SERIES(azure_series), HINTS(github_hints) },
    { .name = "huggingface" },
    { .name = NULL },
};
