/* SPDX-License-Identifier: MIT */
/* Headers and errors as the real providers send them: names and words follow recorded answers.
 * Refusals are in provider_refusals.c, what a 200 says in provider_answers.c. */
#include "provider_dialects.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void provider_reply_header(struct provider_reply *reply, const char *name, const char *format, ...)
{
    struct provider_header *header = &reply->header[reply->header_count];
    va_list arguments;

    if (reply->header_count == PROVIDER_HEADERS_MAX)
        return;
    header->name = name;
    va_start(arguments, format);
    (void)vsnprintf(header->value, sizeof header->value, format, arguments);
    va_end(arguments);
    reply->header_count++;
}

void provider_reply_free(struct provider_reply *reply)
{
    free(reply->body);
    memset(reply, 0, sizeof *reply);
}

/* Digits after the point without the zeros at their end; nothing for a whole number. */
static void fraction_text(char *text, size_t size, int64_t part, int digits)
{
    if (part == 0) {
        text[0] = '\0';
        return;
    }
    for (; part % 10 == 0; digits--)
        part /= 10;
    (void)snprintf(text, size, ".%0*lld", digits, (long long)part);
}

void provider_duration_text(char *text, size_t size, int64_t ns)
{
    char part[24];
    long long s = ns / PROVIDER_SECOND;

    if (ns > 0 && ns < PROVIDER_MILLISECOND)
        ns = PROVIDER_MILLISECOND;
    if (ns > 0 && ns < PROVIDER_SECOND) {
        fraction_text(part, sizeof part, ns % PROVIDER_MILLISECOND, 6);
        (void)snprintf(text, size, "%lld%sms", (long long)(ns / PROVIDER_MILLISECOND), part);
        return;
    }
    fraction_text(part, sizeof part, ns % PROVIDER_SECOND, 9);
    if (s >= 3600)
        (void)snprintf(text, size, "%lldh%lldm%lld%ss", s / 3600, s / 60 % 60, s % 60, part);
    else if (s >= 60)
        (void)snprintf(text, size, "%lldm%lld%ss", s / 60, s % 60, part);
    else
        (void)snprintf(text, size, "%lld%ss", s, part);
}

int64_t provider_round_up(int64_t ns, int64_t unit)
{
    return ns / unit + (ns % unit > 0 ? 1 : 0);
}

/* openai tells whole milliseconds, groq all that it knows. */
void provider_dialect_duration(char *text, size_t size, int64_t ns, enum provider_dialect dialect)
{
    if (dialect != PROVIDER_GROQ)
        ns = provider_round_up(ns, PROVIDER_MILLISECOND) * PROVIDER_MILLISECOND;
    provider_duration_text(text, size, ns);
}

static void openai_limit(struct provider_reply *reply, const struct provider_shown *shown,
                         const char *const names[3], enum provider_dialect dialect)
{
    char reset[48];

    if (shown->limit == 0)
        return;
    provider_dialect_duration(reset, sizeof reset, shown->full_in, dialect);
    provider_reply_header(reply, names[0], "%lld", (long long)shown->limit);
    provider_reply_header(reply, names[1], "%lld", (long long)shown->remaining);
    provider_reply_header(reply, names[2], "%s", reset);
}

/* openai does not say whether its requests are of the minute or of the day; groq's are of the day,
 * and its limit per minute shows in refusals only. */
static void openai_limits(struct provider_reply *reply, const struct provider_occasion *occasion)
{
    static const char *const requests[] = { "x-ratelimit-limit-requests",
                                            "x-ratelimit-remaining-requests",
                                            "x-ratelimit-reset-requests" };
    static const char *const tokens[] = { "x-ratelimit-limit-tokens",
                                          "x-ratelimit-remaining-tokens",
                                          "x-ratelimit-reset-tokens" };
    const struct provider_shown *shown = occasion->verdict->shown;
    enum provider_dialect dialect = occasion->options->dialect;
    enum provider_kind kind = PROVIDER_RPM;

    if (dialect == PROVIDER_GROQ || shown[PROVIDER_RPM].limit == 0)
        kind = PROVIDER_RPD;
    openai_limit(reply, &shown[kind], requests, dialect);
    openai_limit(reply, &shown[PROVIDER_TPM], tokens, dialect);
}

/* Whole seconds, cut off: a full limit resets "now" or a moment ago, as recorded. */
static void anthropic_limit(struct provider_reply *reply, const struct provider_shown *shown,
                            const char *const names[3], int64_t wall)
{
    time_t full = (time_t)((wall + shown->full_in) / PROVIDER_SECOND);
    struct tm utc;
    char reset[32];

    if (shown->limit == 0 || gmtime_r(&full, &utc) == NULL)
        return;
    (void)strftime(reset, sizeof reset, "%Y-%m-%dT%H:%M:%SZ", &utc);
    provider_reply_header(reply, names[0], "%lld", (long long)shown->limit);
    provider_reply_header(reply, names[1], "%lld", (long long)shown->remaining);
    provider_reply_header(reply, names[2], "%s", reset);
}

/* Without a limit on tokens as such, input and output are shown added, with the earlier reset. */
static struct provider_shown anthropic_tokens(const struct provider_shown *shown)
{
    const struct provider_shown *in = &shown[PROVIDER_ITPM];
    const struct provider_shown *out = &shown[PROVIDER_OTPM];
    struct provider_shown sum = shown[PROVIDER_TPM];

    if (sum.limit != 0 || in->limit == 0 || out->limit == 0)
        return sum;
    sum.limit = in->limit + out->limit;
    sum.remaining = in->remaining + out->remaining;
    sum.full_in = in->full_in < out->full_in ? in->full_in : out->full_in;
    return sum;
}

#define ANTHROPIC(what)                                                                            \
    {                                                                                              \
        "anthropic-ratelimit-" what "-limit", "anthropic-ratelimit-" what "-remaining",            \
            "anthropic-ratelimit-" what "-reset"                                                   \
    }

static void anthropic_limits(struct provider_reply *reply, const struct provider_occasion *occasion)
{
    static const char *const requests[] = ANTHROPIC("requests");
    static const char *const input[] = ANTHROPIC("input-tokens");
    static const char *const output[] = ANTHROPIC("output-tokens");
    static const char *const tokens[] = ANTHROPIC("tokens");
    const struct provider_shown *shown = occasion->verdict->shown;
    struct provider_shown sum = anthropic_tokens(shown);

    anthropic_limit(reply, &shown[PROVIDER_RPM], requests, occasion->wall);
    anthropic_limit(reply, &shown[PROVIDER_ITPM], input, occasion->wall);
    anthropic_limit(reply, &shown[PROVIDER_OTPM], output, occasion->wall);
    anthropic_limit(reply, &sum, tokens, occasion->wall);
}

/* One unnamed limit: the requests, or else the tokens. What else is enforced stays unseen. */
static void generic_limits(struct provider_reply *reply, const struct provider_occasion *occasion)
{
    static const enum provider_kind order[] = { PROVIDER_RPM, PROVIDER_TPM, PROVIDER_ITPM,
                                                PROVIDER_OTPM };
    const struct provider_shown *shown = occasion->verdict->shown;
    size_t i = 0;

    while (i < 3 && shown[order[i]].limit == 0)
        i++;
    shown += order[i];
    if (shown->limit == 0)
        return;
    provider_reply_header(reply, "X-RateLimit-Limit", "%lld", (long long)shown->limit);
    provider_reply_header(reply, "X-RateLimit-Remaining", "%lld", (long long)shown->remaining);
    provider_reply_header(reply, "X-RateLimit-Reset", "%lld",
                          (long long)provider_round_up(shown->full_in, PROVIDER_SECOND));
}

static void limits(struct provider_reply *reply, const struct provider_occasion *occasion)
{
    if (!occasion->options->headers || occasion->verdict == NULL)
        return;
    switch (occasion->options->dialect) {
    case PROVIDER_OPENAI:
    case PROVIDER_GROQ:
        openai_limits(reply, occasion);
        break;
    case PROVIDER_ANTHROPIC:
        anthropic_limits(reply, occasion);
        break;
    case PROVIDER_GENERIC:
        generic_limits(reply, occasion);
        break;
    case PROVIDER_GEMINI: /* no answer of it has ever had any */
    case PROVIDER_DIALECTS:
        break;
    }
}

void provider_reply_common(struct provider_reply *reply, const struct provider_occasion *occasion)
{
    const char *id = "x-request-id";

    switch (occasion->options->dialect) {
    case PROVIDER_OPENAI:
        provider_reply_header(reply, "openai-organization", "org-PLACEHOLDER");
        provider_reply_header(reply, "openai-processing-ms", "%lld",
                              (long long)(occasion->latency / PROVIDER_MILLISECOND));
        provider_reply_header(reply, "openai-version", "2020-10-01");
        break;
    case PROVIDER_ANTHROPIC:
        id = "request-id";
        provider_reply_header(reply, "anthropic-organization-id",
                              "00000000-0000-0000-0000-000000000000");
        break;
    case PROVIDER_GROQ:
        provider_reply_header(reply, "x-groq-region", "local");
        break;
    case PROVIDER_GEMINI:
        id = "x-goog-request-id";
        provider_reply_header(reply, "x-gemini-service-tier", "standard");
        break;
    case PROVIDER_GENERIC:
    case PROVIDER_DIALECTS:
        break;
    }
    provider_reply_header(reply, id, "req_%016llx", (unsigned long long)occasion->serial);
    limits(reply, occasion);
}

#define FROM_OPENAI                                                                                \
    {                                                                                              \
        { 400, "invalid_request_error", NULL, "Invalid request" },                                 \
            { 401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided." },    \
            { 404, "invalid_request_error", "unknown_url", "Unknown request URL" },                \
            { 413, "invalid_request_error", NULL, "Request body too large" },                      \
            { 500, "server_error", NULL,                                                           \
              "The server had an error while processing your request" },                           \
            { 503, "service_unavailable_error", "server_is_overloaded",                            \
              "The engine is currently overloaded, please try again later" },                      \
        {                                                                                          \
            529, "server_error", "server_is_overloaded", "Overloaded"                              \
        }                                                                                          \
    }

static const struct provider_wording wordings[PROVIDER_DIALECTS][PROVIDER_ERRORS] = {
    [PROVIDER_OPENAI] = FROM_OPENAI,
    [PROVIDER_GROQ] = FROM_OPENAI,
    [PROVIDER_GENERIC] = FROM_OPENAI,
    [PROVIDER_ANTHROPIC] = { { 400, "invalid_request_error", NULL, "invalid request" },
                             { 401, "authentication_error", NULL, "invalid x-api-key" },
                             { 404, "not_found_error", NULL, "Not found" },
                             { 413, "request_too_large", NULL,
                               "Request exceeds the maximum allowed number of bytes." },
                             { 500, "api_error", NULL, "Internal server error" },
                             { 503, "api_error", NULL, "Service unavailable" },
                             { 529, "overloaded_error", NULL, "Overloaded" } },
    [PROVIDER_GEMINI] = { { 400, NULL, "INVALID_ARGUMENT", "Invalid JSON payload received." },
                          { 400, NULL, "INVALID_ARGUMENT",
                            "API key not valid. Please pass a valid API key." },
                          { 404, NULL, "NOT_FOUND", "Requested entity was not found." },
                          { 413, NULL, "INVALID_ARGUMENT",
                            "Request payload size exceeds the limit" },
                          { 500, NULL, "INTERNAL", "An internal error has occurred." },
                          { 503, NULL, "UNAVAILABLE",
                            "The model is overloaded. Please try again later." },
                          { 529, NULL, "UNAVAILABLE", "Overloaded" } },
};

static void add_text_or_null(cJSON *object, const char *name, const char *text)
{
    if (text == NULL)
        cJSON_AddNullToObject(object, name);
    else
        cJSON_AddStringToObject(object, name, text);
}

static cJSON *openai_error(const struct provider_wording *wording, bool param)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *error = cJSON_AddObjectToObject(root, "error");

    cJSON_AddStringToObject(error, "message", wording->message);
    cJSON_AddStringToObject(error, "type", wording->type);
    if (param)
        cJSON_AddNullToObject(error, "param");
    add_text_or_null(error, "code", wording->code);
    return root;
}

static cJSON *anthropic_error(const struct provider_wording *wording, uint64_t serial)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *error;
    char id[32];

    (void)snprintf(id, sizeof id, "req_%016llx", (unsigned long long)serial);
    cJSON_AddStringToObject(root, "type", "error");
    error = cJSON_AddObjectToObject(root, "error");
    cJSON_AddStringToObject(error, "type", wording->type);
    cJSON_AddStringToObject(error, "message", wording->message);
    cJSON_AddStringToObject(root, "request_id", id);
    return root;
}

cJSON *provider_gemini_error(const struct provider_wording *wording)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *error = cJSON_AddObjectToObject(root, "error");

    cJSON_AddNumberToObject(error, "code", wording->status);
    cJSON_AddStringToObject(error, "message", wording->message);
    cJSON_AddStringToObject(error, "status", wording->code);
    return root;
}

/* A detail of a gemini error, by the last part of its type. */
cJSON *provider_gemini_detail(cJSON *root, const char *type)
{
    cJSON *error = cJSON_GetObjectItemCaseSensitive(root, "error");
    cJSON *details = cJSON_GetObjectItemCaseSensitive(error, "details");
    cJSON *detail = cJSON_CreateObject();
    char name[64];

    if (details == NULL)
        details = cJSON_AddArrayToObject(error, "details");
    (void)snprintf(name, sizeof name, "type.googleapis.com/google.rpc.%s", type);
    cJSON_AddStringToObject(detail, "@type", name);
    if (!cJSON_AddItemToArray(details, detail)) {
        cJSON_Delete(detail);
        return NULL;
    }
    return detail;
}

cJSON *provider_error_json(const struct provider_occasion *occasion,
                           const struct provider_wording *wording)
{
    switch (occasion->options->dialect) {
    case PROVIDER_ANTHROPIC:
        return anthropic_error(wording, occasion->serial);
    case PROVIDER_GEMINI:
        return provider_gemini_error(wording);
    default:
        return openai_error(wording, occasion->options->dialect != PROVIDER_GROQ);
    }
}

void provider_reply_body(struct provider_reply *reply, unsigned status, cJSON *root)
{
    reply->status = status;
    reply->content_type = "application/json";
    reply->body = cJSON_PrintUnformatted(root);
    reply->length = reply->body == NULL ? 0 : strlen(reply->body);
    cJSON_Delete(root);
}

void provider_reply_error(struct provider_reply *reply, const struct provider_occasion *occasion,
                          enum provider_error error, const char *text)
{
    enum provider_dialect dialect = occasion->options->dialect;
    struct provider_wording wording = wordings[dialect][error];
    cJSON *root;

    if (text != NULL)
        wording.message = text;
    root = provider_error_json(occasion, &wording);
    if (dialect == PROVIDER_GEMINI && error == PROVIDER_ERROR_KEY) {
        cJSON *detail = provider_gemini_detail(root, "ErrorInfo");

        cJSON_AddStringToObject(detail, "reason", "API_KEY_INVALID");
        cJSON_AddStringToObject(detail, "domain", "googleapis.com");
    }
    if (dialect == PROVIDER_ANTHROPIC)
        provider_reply_header(reply, "x-should-retry",
                              error >= PROVIDER_ERROR_500 ? "true" : "false");
    provider_reply_common(reply, occasion);
    provider_reply_body(reply, wording.status, root);
}
