/* SPDX-License-Identifier: MIT */
/* Refusals because of limits: which limit, how much of it is used, when to come back. */
#include "provider_dialects.h"

#define MINUTE_LIMITS "https://platform.openai.com/account/rate-limits"

static const char *kind_text(enum provider_kind kind, enum provider_dialect dialect)
{
    static const char *const openai[] = { "requests per min (RPM)", "tokens per min (TPM)",
                                          "input tokens per min (ITPM)",
                                          "output tokens per min (OTPM)",
                                          "requests per day (RPD)" };
    static const char *const groq[] = { "requests per minute (RPM)", "tokens per minute (TPM)",
                                        "input tokens per minute (ITPM)",
                                        "output tokens per minute (OTPM)",
                                        "requests per day (RPD)" };
    static const char *const anthropic[] = { "requests per minute", "tokens per minute",
                                             "input tokens per minute", "output tokens per minute",
                                             "requests per day" };

    if (dialect == PROVIDER_ANTHROPIC)
        return anthropic[kind];
    return dialect == PROVIDER_GROQ ? groq[kind] : openai[kind];
}

/* "20,000", as anthropic writes numbers in its messages. */
static void grouped(char *text, size_t size, int64_t number)
{
    char digits[24];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)number);
    size_t out = 0;

    for (size_t i = 0; i < length && out + 2 < size; i++) {
        text[out++] = digits[i];
        if ((length - i - 1) % 3 == 0 && i + 1 < length)
            text[out++] = ',';
    }
    text[out] = '\0';
}

static void anthropic_message(char *text, size_t size, const struct provider_verdict *verdict)
{
    char limit[40];

    grouped(limit, sizeof limit, verdict->shown[verdict->kind].limit);
    (void)snprintf(text, size,
                   "This request would exceed the rate limit for your organization of %s %s. For "
                   "details, refer to: https://docs.anthropic.com/en/api/rate-limits. You can see "
                   "the response headers for current usage. Please reduce the prompt length or the "
                   "maximum tokens requested, or try again later.",
                   limit, kind_text(verdict->kind, PROVIDER_ANTHROPIC));
}

static void wait_message(char *text, size_t size, const struct provider_occasion *occasion)
{
    const struct provider_verdict *verdict = occasion->verdict;
    enum provider_dialect dialect = occasion->options->dialect;
    bool groq = dialect == PROVIDER_GROQ;
    char wait[48];

    provider_dialect_duration(wait, sizeof wait, verdict->ready_at - occasion->now, dialect);
    (void)snprintf(text, size,
                   "Rate limit reached for %s%s%s in organization %s on %s: Limit %lld, Used %lld, "
                   "Requested %lld. Please try again in %s. %s",
                   groq ? "model `" : "", occasion->request->model, groq ? "`" : "",
                   groq ? "`org_PLACEHOLDER` service tier `on_demand`" : "org-PLACEHOLDER",
                   kind_text(verdict->kind, dialect),
                   (long long)verdict->shown[verdict->kind].limit, (long long)verdict->used,
                   (long long)verdict->requested, wait,
                   groq ? "Need more tokens? Upgrade to Dev Tier today at "
                          "https://console.groq.com/settings/billing"
                        : "Visit " MINUTE_LIMITS " to learn more.");
}

/* No "Used" and no time: this is how a client tells that waiting is in vain. */
static void too_large_message(char *text, size_t size, const struct provider_occasion *occasion)
{
    const struct provider_verdict *verdict = occasion->verdict;
    enum provider_dialect dialect = occasion->options->dialect;
    bool groq = dialect == PROVIDER_GROQ;

    (void)snprintf(text, size,
                   "Request too large for %s%s%s in organization %s on %s: Limit %lld, Requested "
                   "%lld%s",
                   groq ? "model `" : "", occasion->request->model, groq ? "`" : "",
                   groq ? "`org_PLACEHOLDER` service tier `on_demand`" : "org-PLACEHOLDER",
                   kind_text(verdict->kind, dialect), (long long)verdict->capacity,
                   (long long)verdict->requested,
                   groq ? ", please reduce your message size and try again."
                        : ". The input or output tokens must be reduced in order to run "
                          "successfully. Visit " MINUTE_LIMITS " to learn more.");
}

/* The type that goes with the limit, and the status: only openai says 429 to what can never pass.
 */
static struct provider_wording refusal_wording(const struct provider_occasion *occasion,
                                               const char *message)
{
    const struct provider_verdict *verdict = occasion->verdict;
    enum provider_dialect dialect = occasion->options->dialect;
    bool requests = verdict->kind == PROVIDER_RPM || verdict->kind == PROVIDER_RPD;
    bool too_large = verdict->outcome == PROVIDER_TOO_LARGE;
    struct provider_wording wording = { 429, requests ? "requests" : "tokens",
                                        "rate_limit_exceeded", message };

    if (too_large && dialect != PROVIDER_OPENAI)
        wording.status = 413;
    if (dialect == PROVIDER_ANTHROPIC)
        wording.type = too_large ? "request_too_large" : "rate_limit_error";
    return wording;
}

static void hint(struct provider_reply *reply, const struct provider_occasion *occasion)
{
    enum provider_dialect dialect = occasion->options->dialect;
    int64_t wait = occasion->verdict->ready_at - occasion->now;

    if (dialect == PROVIDER_ANTHROPIC)
        provider_reply_header(reply, "x-should-retry", "%s",
                              occasion->verdict->outcome == PROVIDER_WAIT ? "true" : "false");
    if (!occasion->options->headers || occasion->verdict->outcome != PROVIDER_WAIT)
        return;
    provider_reply_header(reply, "retry-after", "%lld",
                          (long long)provider_round_up(wait, PROVIDER_SECOND));
    if (dialect == PROVIDER_OPENAI)
        provider_reply_header(reply, "retry-after-ms", "%lld",
                              (long long)provider_round_up(wait, PROVIDER_MILLISECOND));
}

static void gemini_violation(cJSON *violations, const struct provider_occasion *occasion,
                             enum provider_kind kind)
{
    bool requests = kind == PROVIDER_RPM;
    cJSON *violation = cJSON_CreateObject();
    cJSON *dimensions;
    char value[24];

    (void)snprintf(value, sizeof value, "%lld", (long long)occasion->verdict->shown[kind].limit);
    cJSON_AddStringToObject(violation, "quotaMetric",
                            requests ? "generativelanguage.googleapis.com/"
                                       "generate_requests_per_model"
                                     : "generativelanguage.googleapis.com/"
                                       "generate_content_paid_tier_input_token_count");
    cJSON_AddStringToObject(violation, "quotaId",
                            requests ? "GenerateRequestsPerMinutePerProjectPerModel"
                                     : "GenerateContentPaidTierInputTokensPerModelPerMinute");
    dimensions = cJSON_AddObjectToObject(violation, "quotaDimensions");
    cJSON_AddStringToObject(dimensions, "model", occasion->request->model);
    cJSON_AddStringToObject(dimensions, "location", "global");
    cJSON_AddStringToObject(violation, "quotaValue", value);
    if (!cJSON_AddItemToArray(violations, violation))
        cJSON_Delete(violation);
}

/* A prompt larger than the limit gets a hint all the same, to the end of the minute. */
static int64_t gemini_wait(const struct provider_occasion *occasion)
{
    if (occasion->verdict->outcome == PROVIDER_TOO_LARGE)
        return PROVIDER_MINUTE - occasion->now % PROVIDER_MINUTE;
    return occasion->verdict->ready_at - occasion->now;
}

static void gemini_message(char *text, size_t size, const struct provider_occasion *occasion)
{
    int used = snprintf(text, size,
                        "You exceeded your current quota, please check your plan and billing "
                        "details. For more information on this error, head to: "
                        "https://ai.google.dev/gemini-api/docs/rate-limits. ");
    char wait[48];

    for (int kind = 0; kind < PROVIDER_KINDS; kind++)
        if ((occasion->verdict->over & 1u << kind) != 0)
            used +=
                snprintf(text + used, size - (size_t)used,
                         "\n* Quota exceeded for metric: generativelanguage.googleapis.com/%s, "
                         "limit: %lld, model: %s",
                         kind == PROVIDER_RPM ? "generate_requests_per_model"
                                              : "generate_content_paid_tier_input_token_count",
                         (long long)occasion->verdict->shown[kind].limit, occasion->request->model);
    provider_duration_text(wait, sizeof wait, gemini_wait(occasion));
    (void)snprintf(text + used, size - (size_t)used, "\nPlease retry in %s.", wait);
}

/* RetryInfo is cut off to whole seconds, as recorded: who waits for that alone comes too early. */
static cJSON *gemini_refusal(const struct provider_occasion *occasion, const char *message)
{
    struct provider_wording wording = { 429, NULL, "RESOURCE_EXHAUSTED", message };
    cJSON *root = provider_gemini_error(&wording);
    cJSON *violations;
    char delay[32];

    if (!occasion->options->headers)
        return root;
    violations = cJSON_AddArrayToObject(provider_gemini_detail(root, "QuotaFailure"), "violations");
    for (int kind = 0; kind < PROVIDER_KINDS; kind++)
        if ((occasion->verdict->over & 1u << kind) != 0)
            gemini_violation(violations, occasion, (enum provider_kind)kind);
    (void)snprintf(delay, sizeof delay, "%llds",
                   (long long)(gemini_wait(occasion) / PROVIDER_SECOND));
    cJSON_AddStringToObject(provider_gemini_detail(root, "RetryInfo"), "retryDelay", delay);
    return root;
}

static void refusal_message(char *text, size_t size, const struct provider_occasion *occasion)
{
    enum provider_dialect dialect = occasion->options->dialect;
    bool wait = occasion->verdict->outcome == PROVIDER_WAIT;

    if (!occasion->options->headers && (wait || dialect == PROVIDER_GEMINI))
        (void)snprintf(text, size, "Rate limit exceeded");
    else if (dialect == PROVIDER_GEMINI)
        gemini_message(text, size, occasion);
    else if (!wait)
        too_large_message(text, size, occasion);
    else if (dialect == PROVIDER_ANTHROPIC)
        anthropic_message(text, size, occasion->verdict);
    else
        wait_message(text, size, occasion);
}

void provider_reply_refusal(struct provider_reply *reply, const struct provider_occasion *occasion)
{
    struct provider_wording wording;
    char message[2048];

    refusal_message(message, sizeof message, occasion);
    wording = refusal_wording(occasion, message);
    provider_reply_common(reply, occasion);
    if (occasion->options->dialect == PROVIDER_GEMINI) {
        provider_reply_body(reply, 429, gemini_refusal(occasion, message));
        return;
    }
    hint(reply, occasion);
    provider_reply_body(reply, wording.status, provider_error_json(occasion, &wording));
}
