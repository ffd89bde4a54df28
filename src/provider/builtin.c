/* SPDX-License-Identifier: MIT */
/* The dialects that are built in: data only. */
#include "provider/dialect.h"

#define MINUTE_S     60
#define DAY_S        86400
#define COUNT(array) (uint32_t)(sizeof(array) / sizeof(array)[0])

/* Spellings met at gateways, self-hosted servers and providers without a dialect of their own.
 * A reset is a number of seconds, an epoch, a span or a date, which its form tells. */
static const struct rl__series generic_series[] = {
    { "ratelimit-*", RL_REQUESTS, 0, RL__WINDOW_POLICY, RL__WHEN_AUTO },
    { "x-ratelimit-*", RL_REQUESTS, 0, RL__WINDOW_POLICY, RL__WHEN_AUTO },
    { "x-rate-limit-*", RL_REQUESTS, 0, RL__WINDOW_POLICY, RL__WHEN_AUTO },
    { "x-ratelimit-*-requests~", RL_REQUESTS, 0, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "x-ratelimit-*-req~", RL_REQUESTS, 0, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "x-ratelimit-*-tokens~", RL_TOKENS, 0, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "x-ratelimit-*-input-tokens~", RL_INPUT_TOKENS, 0, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "x-ratelimit-*-output-tokens~", RL_OUTPUT_TOKENS, 0, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "x-ratelimit-*-images~", RL_IMAGES, 0, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "x-rate-limit-*-requests~", RL_REQUESTS, 0, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "x-rate-limit-*-tokens~", RL_TOKENS, 0, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "ratelimit-*-requests~", RL_REQUESTS, 0, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "ratelimit-*-tokens~", RL_TOKENS, 0, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
};

static const struct rl__hint_row generic_hints[] = {
    { "retry-after-ms", 0, RL__WHEN_MILLISECONDS },
    { "retry-after", 1, RL__WHEN_AUTO },
    { "x-ratelimit-retry-after", 2, RL__WHEN_AUTO },
    /* A LiteLLM proxy repeats what the provider behind it said, at times only there. */
    { "llm_provider-retry-after-ms", 2, RL__WHEN_MILLISECONDS },
    { "llm_provider-retry-after", 2, RL__WHEN_AUTO },
};

/* The headers do not tell minute from day; both refill evenly, so the arithmetic of the reset does.
 */
static const struct rl__series openai_series[] = {
    { "x-ratelimit-*-requests", RL_REQUESTS, 0, RL__WINDOW_BUCKET, RL__WHEN_AUTO },
    { "x-ratelimit-*-tokens", RL_TOKENS, 0, RL__WINDOW_BUCKET, RL__WHEN_AUTO },
    { "x-ratelimit-*-project-requests", RL_REQUESTS, 0, RL__WINDOW_BUCKET, RL__WHEN_AUTO },
    { "x-ratelimit-*-project-tokens", RL_TOKENS, 0, RL__WINDOW_BUCKET, RL__WHEN_AUTO },
    { "x-ratelimit-*-input-images", RL_IMAGES, 0, RL__WINDOW_BUCKET, RL__WHEN_AUTO },
};

/* Not here: anthropic-priority-* and anthropic-fast-*. Those pools serve only requests that ask for
 * them, and a report cannot say so: the limit 0 of a fast mode that is off would stop all the rest.
 */
static const struct rl__series anthropic_series[] = {
    { "anthropic-ratelimit-requests-*", RL_REQUESTS, MINUTE_S, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "anthropic-ratelimit-tokens-*", RL_TOKENS, MINUTE_S, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "anthropic-ratelimit-input-tokens-*", RL_INPUT_TOKENS, MINUTE_S, RL__WINDOW_UNKNOWN,
      RL__WHEN_AUTO },
    { "anthropic-ratelimit-output-tokens-*", RL_OUTPUT_TOKENS, MINUTE_S, RL__WINDOW_UNKNOWN,
      RL__WHEN_AUTO },
};

/* A subscription's share of five hours or a week has no limit in numbers, but says when it is full
 * again. */
static const struct rl__hint_row anthropic_hints[] = {
    { "anthropic-ratelimit-unified-reset", 2, RL__WHEN_EPOCH },
};

/* Documented: -requests is always the day, -tokens always the minute. */
static const struct rl__series groq_series[] = {
    { "x-ratelimit-*-requests", RL_REQUESTS, DAY_S, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
    { "x-ratelimit-*-tokens", RL_TOKENS, MINUTE_S, RL__WINDOW_UNKNOWN, RL__WHEN_AUTO },
};

const rl_dialect rl__dialects[] = {
    { .name = "generic",
      .series = generic_series,
      .series_count = COUNT(generic_series),
      .hints = generic_hints,
      .hint_count = COUNT(generic_hints) },
    { .name = "openai", .series = openai_series, .series_count = COUNT(openai_series) },
    { .name = "anthropic",
      .series = anthropic_series,
      .series_count = COUNT(anthropic_series),
      .hints = anthropic_hints,
      .hint_count = COUNT(anthropic_hints) },
    { .name = "groq", .series = groq_series, .series_count = COUNT(groq_series) },
    /* Sends no limits in headers: all that it says is in its bodies. */
    { .name = "gemini", .flags = RL__DIALECT_OUTPUT_FROM_TOTAL },
    { .name = NULL },
};
