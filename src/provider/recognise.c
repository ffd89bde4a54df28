/* SPDX-License-Identifier: MIT */
/* Whose answer it is, by marks that one provider alone leaves: headers first, then the body. */
#include "provider/dialect.h"

/* So much of a body is looked at. */
#define BODY_MAX  65536
#define LINES_MAX 1000

/* A header whose name begins so; with `value`, its value holds that, too. The first row that fits
 * counts: a host's marks stand before those of the models that it serves. */
struct mark {
    const char *name;  /* lower case */
    const char *value; /* lower case; NULL: any */
    const char *dialect;
};

static const struct mark marks[] = {
    { "x-ratelimit-type", "user", "github-models" },
    { "x-ratelimit-timeremaining", NULL, "github-models" },
    { "x-github-", NULL, "github-models" },
    { "x-amzn-bedrock-", NULL, "bedrock" },
    { "x-amzn-requestid", NULL, "bedrock" },
    { "x-amzn-errortype", NULL, "bedrock" },
    { "content-type", "application/vnd.amazon.eventstream", "bedrock" },
    { "apim-request-id", NULL, "azure-openai" },
    { "azureml-", NULL, "azure-openai" },
    { "ms-azureml-", NULL, "azure-openai" },
    { "azureai-", NULL, "azure-openai" },
    { "x-ms-", NULL, "azure-openai" },
    { "x-ratelimit-renewalperiod-", NULL, "azure-openai" },
    { "x-ratelimit-abusepenalty-", NULL, "azure-openai" },
    { "x-vertex-ai-", NULL, "vertex-ai" },
    { "internal-input-tokens", NULL, "vertex-ai" },
    { "x-gemini-service-tier", NULL, "gemini" },
    { "server-timing", "gfet4t7", "gemini" },
    { "x-generation-id", "gen-", "openrouter" },
    { "x-openrouter-", NULL, "openrouter" },
    { "x-groq-", NULL, "groq" },
    { "mistral-", NULL, "mistral" },
    { "ratelimitbysize-", NULL, "mistral" },
    { "x-ratelimitbysize-", NULL, "mistral" },
    { "x-ratelimit-limit-req-", NULL, "mistral" },
    { "x-ratelimit-remaining-req-", NULL, "mistral" },
    { "x-ratelimit-tokens-query-cost", NULL, "mistral" },
    { "x-trial-endpoint-call-", NULL, "cohere" },
    { "x-endpoint-monthly-call-", NULL, "cohere" },
    { "num-tokens", NULL, "cohere" },
    { "num-chars", NULL, "cohere" },
    { "num_tokens", NULL, "cohere" },
    { "num_chars", NULL, "cohere" },
    { "x-debug-trace-id", NULL, "cohere" },
    { "x-ds-trace-id", NULL, "deepseek" },
    { "x-zero-data-retention", NULL, "xai" },
    { "x-data-retention", NULL, "xai" },
    { "x-metrics-ttft-ms", NULL, "xai" },
    { "x-ppl-", NULL, "perplexity" },
    { "x-tokenlimit-", NULL, "together" },
    { "x-ratelimit-limit-dynamic", NULL, "together" },
    { "x-ratelimit-remaining-dynamic", NULL, "together" },
    { "x-inference-version", NULL, "together" },
    { "x-ratelimit-over-limit", NULL, "fireworks" },
    { "x-ratelimit-limit-tokens-prompt", NULL, "fireworks" },
    { "x-ratelimit-limit-tokens-generated", NULL, "fireworks" },
    { "x-ratelimit-limit-tokens-cache-adjusted-prompt", NULL, "fireworks" },
    { "fireworks-", NULL, "fireworks" },
    { "x-ratelimit-limit-requests-day", NULL, "cerebras" },
    { "x-ratelimit-remaining-requests-day", NULL, "cerebras" },
    { "ratelimit-policy", "\"fixed window\"", "huggingface" },
    { "x-repo-commit", NULL, "huggingface" },
    { "x-inference-provider", NULL, "huggingface" },
    { "anthropic-", NULL, "anthropic" },
    { "llm_provider-anthropic-", NULL, "anthropic" },
    { "openai-", NULL, "openai" },
    { "llm_provider-openai-", NULL, "openai" },
    { "x-openai-", NULL, "openai" },
    { "request-id", "req_", "anthropic" },
    { "server", "scaffolding on httpserver2", "vertex-ai" }, /* Gemini's, too: see the body */
};

/* Where not even the body tells: spans as Go writes them come from OpenAI, or from one who refills
 * as it does. */
static const struct mark weak_marks[] = {
    { "x-ratelimit-reset-requests", "s", "openai" },
    { "x-ratelimit-reset-tokens", "s", "openai" },
    { "llm_provider-x-ratelimit-reset-requests", "s", "openai" },
};

/* What a body holds, letter by letter but without regard to case. */
static const struct {
    const char *text; /* lower case */
    const char *dialect;
} words[] = {
    { "exceeded for userby", "github-models" },
    { "exceeded for userconcurrent", "github-models" },
    { "openrouter.ai", "openrouter" },
    { "free-models-per-", "openrouter" },
    { "\"id\":\"gen-", "openrouter" },
    { "\"provider_name\"", "openrouter" },
    { "openrouter_shared_capacity", "openrouter" },
    { "aiplatform.googleapis.com", "vertex-ai" },
    { "cloud.google.com/vertex-ai", "vertex-ai" },
    { "\"traffictype\"", "vertex-ai" },
    { "provisioned throughput", "vertex-ai" },
    { "[{\"error\":{\"code\":", "vertex-ai" },
    { "type.googleapis.com/", "gemini" },
    { "ai.google.dev", "gemini" },
    { "generativelanguage.googleapis.com", "gemini" },
    { "\"usagemetadata\"", "gemini" },
    { "\"resource_exhausted\"", "gemini" },
    { "azure openai", "azure-openai" },
    { "\"content_filter_results\"", "azure-openai" },
    { "\"prompt_filter_results\"", "azure-openai" },
    { "current openai s0", "azure-openai" },
    { "aiservices s0", "azure-openai" },
    { "s0 pricing tier", "azure-openai" },
    { "\"deploymentnotfound\"", "azure-openai" },
    { "\"x_groq\"", "groq" },
    { "service tier `", "groq" },
    { "console.groq.com", "groq" },
    { "in organization `org", "groq" },
    { "\"tool_use_failed\"", "groq" },
    { "\"billed_units\"", "cohere" },
    { "dashboard.cohere.com", "cohere" },
    { "a trial key", "cohere" },
    { "trial token rate limit", "cohere" },
    { "maximum billing reached for this api key", "cohere" },
    { "\"prompt_cache_hit_tokens\"", "deepseek" },
    { "your concurrency limit of", "deepseek" },
    { "\"insufficient balance\"", "deepseek" },
    { "\"cost_in_usd_ticks\"", "xai" },
    { "\"num_sources_used\"", "xai" },
    { "console.x.ai", "xai" },
    { "used all available credits or reached its monthly spending limit", "xai" },
    { "tokens per minute (actual/limit)", "xai" },
    { "\"search_context_size\"", "perplexity" },
    { "\"time_info\"", "cerebras" },
    { "too_many_requests_error", "cerebras" },
    { "\"dynamic_request_limited\"", "together" },
    { "\"dynamic_token_limited\"", "together" },
    { "together.ai", "together" },
    { "accounts/fireworks/", "fireworks" },
    { "fireworks.ai", "fireworks" },
    { "inference providers", "huggingface" },
    { "\"cachewriteinputtokens\"", "bedrock" },
    { "\"latencyms\"", "bedrock" },
    { "\"rate_limited\"", "mistral" },
    { "\"raw_status_code\"", "mistral" },
    { "mistral.ai", "mistral" },
    { "service tier capacity exceeded", "mistral" },
    { "\"type\":\"error\",\"error\":{", "anthropic" },
    { "\"type\":\"message\"", "anthropic" },
    { "\"type\":\"message_start\"", "anthropic" },
    { "\"type\":\"rate_limit_error\"", "anthropic" },
    { "\"type\":\"overloaded_error\"", "anthropic" },
    { "\"request_id\":\"req_", "anthropic" },
    { "platform.openai.com", "openai" },
    { "\"id\":\"chatcmpl-", "openai" },
    { "\"id\":\"resp_", "openai" },
    { "per min (tpm)", "openai" },
    { "per min (rpm)", "openai" },
    { "per day (rpd)", "openai" },
    { "per day (tpd)", "openai" },
    { "\"insufficient_quota\"", "openai" },
    { "\"invalid_api_key\"", "openai" },
    { "\"context_length_exceeded\"", "openai" },
};

static int holds(struct rl__slice text, const char *part)
{
    size_t length = strlen(part);

    for (; text.length >= length; text.at++, text.length--)
        if (rl__starts_like(text.at, length, part))
            return 1;
    return 0;
}

static int header_fits(const rl_header *line, const struct mark *mark)
{
    struct rl__slice value = { line->value, line->value == NULL ? 0 : line->value_length };

    if (line->name == NULL || !rl__starts_like(line->name, line->name_length, mark->name))
        return 0;
    return mark->value == NULL || holds(value, mark->value);
}

static const char *by_headers(const rl_response *response, const struct mark *mark, size_t rows)
{
    size_t count = response->headers == NULL ? 0 : (size_t)response->header_count;

    if (count > LINES_MAX)
        count = LINES_MAX;
    for (; rows > 0; mark++, rows--)
        for (size_t i = 0; i < count; i++)
            if (header_fits(&response->headers[i], mark))
                return mark->dialect;
    return NULL;
}

/* A body may be indented: blanks outside of words are left out of the copy that is compared. */
static struct rl__slice squeeze(const char *body, size_t length, char *out, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < length && used < size; i++) {
        int between = used > 0 && (out[used - 1] == ':' || out[used - 1] == ',');

        if (!rl__is_space(body[i]) || !between)
            out[used++] = rl__lower(body[i]);
    }
    return (struct rl__slice){ out, used };
}

static const char *by_body(const rl_response *response)
{
    char copy[4096];
    size_t length = response->body == NULL ? 0 : response->body_length;
    const char *found = NULL;
    size_t best = sizeof words / sizeof words[0];

    if (length > BODY_MAX)
        length = BODY_MAX;
    /* In overlapping pieces: no mark is longer than half of one. */
    for (size_t at = 0; at < length; at += sizeof copy / 2) {
        size_t piece = length - at < sizeof copy ? length - at : sizeof copy;
        struct rl__slice text = squeeze(response->body + at, piece, copy, sizeof copy);

        for (size_t row = 0; row < best; row++)
            if (holds(text, words[row].text)) {
                best = row;
                found = words[row].dialect;
            }
    }
    return found;
}

const rl_dialect *rl_dialect_recognise(const rl_response *response)
{
    rl_response copy;
    const char *name, *body;

    if (response == NULL)
        return &rl__dialects[0];
    memset(&copy, 0, sizeof copy);
    memcpy(&copy, response, response->size < sizeof copy ? response->size : sizeof copy);
    name = by_headers(&copy, marks, sizeof marks / sizeof marks[0]);
    if (name == NULL || strcmp(name, "vertex-ai") == 0) {
        body = by_body(&copy);
        /* One server for both of Google's doors: only a plain mark of the other one counts. */
        if (name == NULL || (body != NULL && strcmp(body, "gemini") == 0))
            name = body;
    }
    if (name == NULL)
        name = by_headers(&copy, weak_marks, sizeof weak_marks / sizeof weak_marks[0]);
    return name == NULL ? &rl__dialects[0] : rl_dialect_find(name);
}
