/* SPDX-License-Identifier: MIT */
/* Error bodies: OpenAI's, Anthropic's, Google's, flat ones, problem+json, bare strings, arrays of
 * one. */
#include "provider/body.h"

#include "base/arith.h"

/* So many members of a list are looked at. */
#define MEMBERS_MAX 32
/* So deep an error may lie within others. */
#define NESTED_MAX 4

void rl__facts_init(struct rl__facts *facts)
{
    memset(facts, 0, sizeof *facts);
    facts->message_wait = RL_NEVER;
    facts->stated_wait = RL_NEVER;
    facts->should_retry = -1;
}

void rl__name_copy(char *out, size_t size, const char *text, size_t length)
{
    size_t used = 0;

    for (size_t i = 0; i < length && used + 1 < size; i++)
        if (text[i] >= ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\')
            out[used++] = text[i];
    out[used] = '\0';
}

int rl__json_count(const cJSON *item, uint64_t *out)
{
    double value;

    if (!cJSON_IsNumber(item))
        return 0;
    value = item->valuedouble;
    if (!(value >= 0 && value <= (double)RL__COUNT_MAX) || (double)(uint64_t)value < value)
        return 0;
    *out = (uint64_t)value;
    return 1;
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

static const char *text_of(const cJSON *item)
{
    return cJSON_IsString(item) && item->valuestring != NULL ? item->valuestring : NULL;
}

/* The first name in a place stands; "None" and the like come from proxies that have none. A problem
 * type (RFC 9457) is an address whose fragment is the name. */
static void name_set(struct rl__facts *facts, int place, const char *text)
{
    const char *fragment = text == NULL ? NULL : strrchr(text, '#'); /* AWS's __type, too */

    if (fragment != NULL)
        text = fragment + 1;
    if (text == NULL || text[0] == '\0' || facts->name[place][0] != '\0' ||
        strcmp(text, "None") == 0 || strcmp(text, "null") == 0)
        return;
    rl__name_copy(facts->name[place], sizeof facts->name[place], text, strlen(text));
}

/* A count, as a number or as text. */
static int count_of(const cJSON *item, uint64_t *out)
{
    const char *text = text_of(item);

    return rl__json_count(item, out) || (text != NULL && rl__count_read(text, strlen(text), out));
}

/* "code": "slow_down", "429" or 429. */
static void name_or_number(struct rl__facts *facts, int place, const cJSON *item)
{
    const char *text = text_of(item);
    uint64_t number;

    if (count_of(item, &number)) {
        if (number >= 400 && number <= 599)
            facts->number = (uint32_t)number;
        else if (text != NULL)
            name_set(facts, place, text);
        return;
    }
    name_set(facts, place, text);
}

static void message_set(struct rl__reading *reading, struct rl__facts *facts, const char *text)
{
    if (text != NULL)
        rl__message_read(text, strlen(text), reading == NULL ? 0 : reading->now, facts);
}

/* Seconds as a number, or a span as text. */
static void wait_set(struct rl__facts *facts, const cJSON *item)
{
    const char *text = text_of(item);
    rl_duration wait;

    if (cJSON_IsNumber(item)) {
        double seconds = item->valuedouble;

        if (seconds >= 0 && seconds <= (double)(RL__DURATION_MAX / RL_SECOND))
            facts->stated_wait = (rl_duration)(seconds * 1e9);
        else
            facts->ignored++;
    } else if (text != NULL) {
        if (rl__duration_read(text, strlen(text), &wait))
            facts->stated_wait = wait;
        else
            facts->ignored++;
    }
}

static int contains(const char *text, const char *part)
{
    return text != NULL && strstr(text, part) != NULL;
}

static void violation_add(struct rl__facts *facts, uint32_t dimension, rl_duration window,
                          const cJSON *value)
{
    rl_limit_report report = { .dimension = dimension };
    uint64_t limit;

    if (value == NULL)
        return; /* it does not say how much */
    if (!count_of(value, &limit)) {
        facts->ignored++;
        return;
    }
    if (limit == 0)
        facts->says |= RL__SAYS_ZERO;
    report.has = RL_HAS_LIMIT | (window > 0 ? RL_HAS_WINDOW : 0);
    report.limit = limit;
    report.window = window;
    if (facts->violation_count < RL__VIOLATIONS_MAX)
        facts->violation[facts->violation_count++] = report;
}

/* Google's quota ids speak: "GenerateContentInputTokensPerModelPerMinute-FreeTier". */
static void quota_read(struct rl__facts *facts, const char *id, const char *metric,
                       const cJSON *value)
{
    uint32_t dimension = RL_REQUESTS;
    rl_duration window = 0;

    if (contains(id, "InputTokens") || contains(metric, "input_token"))
        dimension = RL_INPUT_TOKENS;
    else if (contains(id, "OutputTokens") || contains(metric, "output_token"))
        dimension = RL_OUTPUT_TOKENS;
    else if (contains(id, "Tokens") || contains(metric, "token_count"))
        dimension = RL_TOKENS;
    else if (contains(id, "Images") || contains(metric, "images"))
        dimension = RL_IMAGES;
    if (contains(id, "PerMinute") || contains(metric, "per_minute"))
        window = RL_MINUTE;
    else if (contains(id, "PerDay") || contains(id, "Daily") || contains(metric, "per_day"))
        window = RL_DAY;
    if (window == RL_DAY)
        facts->says |= RL__SAYS_DAY;
    facts->limited_mask |= UINT32_C(1) << dimension;
    facts->limited_window = rl__max(facts->limited_window, window);
    violation_add(facts, dimension, window, value);
}

static void violations_read(struct rl__facts *facts, const cJSON *list)
{
    const cJSON *one = cJSON_IsArray(list) ? list->child : NULL;

    for (int i = 0; one != NULL && i < MEMBERS_MAX; one = one->next, i++)
        quota_read(facts, text_of(member(one, "quotaId")), text_of(member(one, "quotaMetric")),
                   member(one, "quotaValue"));
}

/* ErrorInfo: a reason, and in older answers the quota as metadata. */
static void error_info_read(struct rl__facts *facts, const cJSON *info)
{
    const cJSON *metadata = member(info, "metadata");
    const char *quota = text_of(member(metadata, "quota_limit"));

    name_set(facts, RL__NAME_REASON, text_of(member(info, "reason")));
    if (quota != NULL)
        quota_read(facts, quota, text_of(member(metadata, "quota_metric")),
                   member(metadata, "quota_limit_value"));
    if (facts->stated_wait == RL_NEVER)
        wait_set(facts, member(metadata, "quotaResetDelay"));
}

/* RetryInfo: a span as text; as an object where a gateway wrote the message out by itself. */
static void retry_info_read(struct rl__facts *facts, const cJSON *delay)
{
    uint64_t seconds = 0, nanoseconds = 0;

    if (!cJSON_IsObject(delay)) {
        wait_set(facts, delay);
        return;
    }
    if (count_of(member(delay, "seconds"), &seconds) +
            count_of(member(delay, "nanos"), &nanoseconds) ==
        0)
        return; /* neither */
    if (seconds <= RL__DURATION_MAX / RL_SECOND && nanoseconds < RL_SECOND)
        facts->stated_wait = seconds * RL_SECOND + nanoseconds;
    else
        facts->ignored++;
}

/* Google's list of typed details. */
static void details_read(struct rl__facts *facts, const cJSON *list)
{
    const cJSON *one = list->child;

    for (int i = 0; one != NULL && i < MEMBERS_MAX; one = one->next, i++) {
        const char *type = text_of(member(one, "@type"));

        if (contains(type, "google.rpc.RetryInfo"))
            retry_info_read(facts, member(one, "retryDelay"));
        else if (contains(type, "google.rpc.QuotaFailure"))
            violations_read(facts, member(one, "violations"));
        else if (contains(type, "google.rpc.ErrorInfo"))
            error_info_read(facts, one);
    }
}

/* OpenRouter's metadata: what the provider behind it said, and the limit headers once more. */
static void metadata_read(struct rl__reading *reading, struct rl__facts *facts,
                          const cJSON *metadata)
{
    const cJSON *headers = member(metadata, "headers");
    const cJSON *one = cJSON_IsObject(headers) ? headers->child : NULL;

    name_set(facts, RL__NAME_DETAIL, text_of(member(metadata, "error_type")));
    for (int i = 0; one != NULL && i < MEMBERS_MAX; one = one->next, i++)
        if (reading != NULL && one->string != NULL && text_of(one) != NULL)
            rl__headers_limit(reading, one->string, strlen(one->string), one->valuestring,
                              strlen(one->valuestring));
}

/* Where OpenRouter knows more: whether and when another try would be served. */
static void availability_read(struct rl__facts *facts, const cJSON *availability)
{
    const cJSON *retryable = member(availability, "retryable");

    name_set(facts, RL__NAME_DETAIL, text_of(member(availability, "code")));
    wait_set(facts, member(availability, "retry_after"));
    if (cJSON_IsBool(retryable))
        facts->should_retry = cJSON_IsTrue(retryable) != 0;
}

/* The names and numbers of one error, which may be the body itself. */
static void fields_read(const cJSON *error, struct rl__reading *reading, struct rl__facts *facts)
{
    const cJSON *details = member(error, "details");
    const cJSON *errors = member(error, "errors");

    name_or_number(facts, RL__NAME_CODE, member(error, "code"));
    name_set(facts, RL__NAME_TYPE, text_of(member(error, "type")));
    name_set(facts, RL__NAME_TYPE, text_of(member(error, "__type")));
    name_set(facts, RL__NAME_TYPE, text_of(member(error, "error_type")));
    name_set(facts, RL__NAME_KIND, text_of(member(error, "error_type")));
    name_or_number(facts, RL__NAME_STATUS, member(error, "status"));
    name_set(facts, RL__NAME_REASON, text_of(member(error, "reason")));
    message_set(reading, facts, text_of(member(error, "message")));
    message_set(reading, facts, text_of(member(error, "detail")));
    message_set(reading, facts, text_of(member(error, "title")));
    if (cJSON_IsArray(details))
        details_read(facts, details);
    else
        name_set(facts, RL__NAME_DETAIL, text_of(member(details, "error_code")));
    if (cJSON_IsArray(errors) && errors->child != NULL)
        name_set(facts, RL__NAME_REASON, text_of(member(errors->child, "reason")));
    metadata_read(reading, facts, member(error, "metadata"));
    wait_set(facts, member(error, "retry_after"));
    availability_read(facts, member(error, "availability"));
}

void rl__error_name(struct rl__facts *facts, const char *text, size_t length)
{
    if (length == 0 || facts->name[RL__NAME_TYPE][0] != '\0')
        return;
    rl__name_copy(facts->name[RL__NAME_TYPE], sizeof facts->name[0], text, length);
}

void rl__error_read(const cJSON *error, struct rl__reading *reading, struct rl__facts *facts)
{
    if (cJSON_IsString(error))
        message_set(reading, facts, text_of(error));
    else if (cJSON_IsObject(error))
        fields_read(error, reading, facts);
    else
        return;
    facts->found = 1;
}

/* A gateway may put the whole body of another into its own error. */
static const cJSON *innermost(const cJSON *error)
{
    for (int i = 0; i < NESTED_MAX && cJSON_IsObject(member(error, "error")); i++)
        error = member(error, "error");
    return error;
}

static void tree_read(const cJSON *root, struct rl__reading *reading, struct rl__facts *facts)
{
    const cJSON *error;

    if (cJSON_IsArray(root)) /* a streaming call wraps its error in an array of one */
        root = root->child;
    error = innermost(member(root, "error"));
    if (!cJSON_IsObject(error)) {
        rl__error_read(root, reading, facts);
        if (cJSON_IsString(error))
            rl__error_read(error, reading, facts);
        return;
    }
    rl__error_read(error, reading, facts);
    name_set(facts, RL__NAME_KIND, text_of(member(root, "error_type")));
    wait_set(facts, member(root, "retry_after"));
}

/* Not JSON: "Too Many Requests" speaks, too. */
static void plain_read(const char *body, size_t length, struct rl__reading *reading,
                       struct rl__facts *facts)
{
    struct rl__slice text = rl__trim(body, length);

    if (text.length == 0 || strchr("<{[:", text.at[0]) != NULL ||
        rl__starts_with(text.at, text.length, "data:") ||
        rl__starts_with(text.at, text.length, "event:"))
        return; /* markup, JSON cut short, or a stream, which is read elsewhere */
    rl__message_read(text.at, text.length, reading == NULL ? 0 : reading->now, facts);
    facts->found = 1;
}

void rl__body_read(const char *body, size_t length, struct rl__reading *reading,
                   struct rl__facts *facts)
{
    char *copy;
    cJSON *root = NULL;

    if (body == NULL || length == 0 || length > RL__BODY_MAX)
        return;
    /* A copy with a NUL: cJSON before 1.7.18 may look one byte past what it was given. */
    copy = cJSON_malloc(length + 1);
    if (copy == NULL)
        return;
    memcpy(copy, body, length);
    copy[length] = '\0';
    root = cJSON_ParseWithLengthOpts(copy, length + 1, NULL, 0);
    if (root != NULL)
        tree_read(root, reading, facts);
    else
        plain_read(body, length, reading, facts);
    cJSON_Delete(root);
    cJSON_free(copy);
}
