/* SPDX-License-Identifier: MIT */
/* The structured fields of the IETF's rate limit drafts. */
#include "provider/structured.h"

#include "provider/duration.h"

struct cursor {
    const char *at;
    const char *end;
};

static int peek(const struct cursor *c, char wanted)
{
    return c->at < c->end && *c->at == wanted;
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && rl__is_blank(*c->at))
        c->at++;
}

/* "text": the slice inside the quotes, escapes left as they are (names are compared with one
 * another only). */
static int string_read(struct cursor *c, struct rl__slice *out)
{
    c->at++;
    out->at = c->at;
    for (; c->at < c->end && *c->at != '"'; c->at++) {
        if (*c->at < ' ' || *c->at > '~')
            return 0;
        if (*c->at == '\\') {
            c->at++;
            if (!peek(c, '"') && !peek(c, '\\'))
                return 0;
        }
    }
    if (!peek(c, '"'))
        return 0;
    out->length = (size_t)(c->at - out->at);
    c->at++;
    return 1;
}

/* :base64: */
static int bytes_read(struct cursor *c, struct rl__slice *out)
{
    c->at++;
    out->at = c->at;
    while (c->at < c->end && (rl__is_alpha(*c->at) || rl__is_digit(*c->at) || *c->at == '+' ||
                              *c->at == '/' || *c->at == '='))
        c->at++;
    if (!peek(c, ':'))
        return 0;
    out->length = (size_t)(c->at - out->at);
    c->at++;
    return 1;
}

static int is_token_char(char c)
{
    return rl__is_alpha(c) || rl__is_digit(c) ||
           (c > ' ' && c < 127 && strchr("!#$%&'*+-.^_`|~:/", c));
}

static void token_read(struct cursor *c, struct rl__slice *out)
{
    out->at = c->at;
    while (c->at < c->end && is_token_char(*c->at))
        c->at++;
    out->length = (size_t)(c->at - out->at);
}

/* At most 15 digits, or 12 before and 1 to 3 after a point. */
static int number_read(struct cursor *c, struct rl__slice *out)
{
    size_t whole = 0, fraction = 0;

    out->at = c->at;
    if (peek(c, '-'))
        c->at++;
    for (; c->at < c->end && rl__is_digit(*c->at); c->at++)
        whole++;
    if (peek(c, '.')) {
        for (c->at++; c->at < c->end && rl__is_digit(*c->at); c->at++)
            fraction++;
        if (fraction < 1 || fraction > 3 || whole > 12)
            return 0;
    }
    out->length = (size_t)(c->at - out->at);
    return whole >= 1 && whole <= 15;
}

enum kind { NUMBER, STRING, TOKEN, OTHER };

/* A bare item; its text without the marks around it. */
static int bare_read(struct cursor *c, enum kind *kind, struct rl__slice *out)
{
    char first = c->at < c->end ? *c->at : '\0';

    *kind = OTHER;
    if (first == '"') {
        *kind = STRING;
        return string_read(c, out);
    }
    if (first == '-' || rl__is_digit(first)) {
        *kind = NUMBER;
        return number_read(c, out);
    }
    if (rl__is_alpha(first) || first == '*') {
        *kind = TOKEN;
        token_read(c, out);
        return 1;
    }
    if (first == ':')
        return bytes_read(c, out);
    if (first == '?') {
        c->at++;
        *out = (struct rl__slice){ c->at, 1 };
        return peek(c, '0') || peek(c, '1') ? (c->at++, 1) : 0;
    }
    if (first == '@') {
        c->at++;
        return number_read(c, out);
    }
    if (first == '%' && c->end - c->at > 1 && c->at[1] == '"') {
        c->at++;
        return string_read(c, out);
    }
    return 0;
}

/* Keys are lower case: "limit", "w", "partition-key". */
static int key_read(struct cursor *c, struct rl__slice *out)
{
    out->at = c->at;
    if (c->at == c->end || !((*c->at >= 'a' && *c->at <= 'z') || *c->at == '*'))
        return 0;
    while (c->at < c->end && ((*c->at >= 'a' && *c->at <= 'z') || rl__is_digit(*c->at) ||
                              (*c->at != '\0' && strchr("_-.*", *c->at) != NULL)))
        c->at++;
    out->length = (size_t)(c->at - out->at);
    return 1;
}

/* The parameters that carry numbers, in all drafts; and the keys of draft 07's dictionary. */
static int number_set(struct rl__item *item, struct rl__slice key, enum kind kind,
                      struct rl__slice text)
{
    static const struct {
        const char *key;
        uint32_t has;
    } numbers[] = {
        { "q", RL__ITEM_QUOTA },  { "l", RL__ITEM_QUOTA },     { "limit", RL__ITEM_QUOTA },
        { "w", RL__ITEM_WINDOW }, { "r", RL__ITEM_REMAINING }, { "remaining", RL__ITEM_REMAINING },
        { "t", RL__ITEM_TIME },   { "reset", RL__ITEM_TIME },
    };
    uint64_t value;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (!rl__is(key.at, key.length, numbers[i].key))
            continue;
        if (kind != NUMBER || !rl__count_read(text.at, text.length, &value))
            return 0;
        switch (numbers[i].has) {
        case RL__ITEM_QUOTA:
            item->quota = value;
            break;
        case RL__ITEM_WINDOW:
            if (value == 0)
                return 0;
            item->window_s = value;
            break;
        case RL__ITEM_REMAINING:
            item->remaining = value;
            break;
        default:
            item->time_s = value;
            break;
        }
        item->has |= numbers[i].has;
    }
    return 1;
}

static int parameter_set(struct rl__item *item, struct rl__slice key, enum kind kind,
                         struct rl__slice text)
{
    if (rl__is(key.at, key.length, "qu"))
        item->unit = text;
    else if (rl__is(key.at, key.length, "pk"))
        item->partition = text;
    return number_set(item, key, kind, text);
}

/* ";w=60;comment" and the nameless string of the Hub. */
static int parameters_read(struct cursor *c, struct rl__item *item)
{
    while (peek(c, ';')) {
        struct rl__slice key, text = { NULL, 0 };
        enum kind kind = OTHER;

        c->at++;
        while (peek(c, ' '))
            c->at++;
        if (peek(c, '"')) {
            if (!string_read(c, &item->name[1]))
                return 0;
            continue;
        }
        if (!key_read(c, &key))
            return 0;
        if (peek(c, '=')) {
            c->at++;
            if (!bare_read(c, &kind, &text))
                return 0;
        }
        if (!parameter_set(item, key, kind, text))
            return 0;
    }
    return 1;
}

/* One member: "name";q=1, 100;w=60, or limit=100. *dictionary says that it was the last. */
static int member_read(struct cursor *c, struct rl__item *item, int *dictionary)
{
    struct cursor start = *c;
    struct rl__slice text;
    enum kind kind;

    *dictionary = key_read(c, &text) && peek(c, '=');
    if (*dictionary) {
        struct rl__slice value;

        c->at++;
        /* NOLINTNEXTLINE(readability-suspicious-call-argument): the text is the key here */
        return bare_read(c, &kind, &value) && number_set(item, text, kind, value) &&
               parameters_read(c, item);
    }
    *c = start;
    if (!bare_read(c, &kind, &text) || kind == OTHER)
        return 0;
    if (kind == NUMBER) {
        if (!rl__count_read(text.at, text.length, &item->quota))
            return 0;
        item->has |= RL__ITEM_QUOTA;
    } else {
        item->name[0] = text;
    }
    return parameters_read(c, item);
}

static int list_read(struct rl__field *field, const char *value, size_t length)
{
    struct cursor c = { value, value + length };
    struct rl__item merged = { 0 }; /* of a dictionary: its members describe one thing */
    uint32_t listed = 0;
    int dictionary = 0, any_dictionary = 0;

    skip_blanks(&c);
    while (c.at < c.end) {
        struct rl__item item = { 0 };

        if (!member_read(&c, any_dictionary ? &merged : &item, &dictionary))
            return 0;
        if (dictionary && !any_dictionary)
            merged = item;
        any_dictionary |= dictionary;
        listed += !dictionary;
        if (any_dictionary && listed > 0)
            return 0; /* neither the one nor the other */
        if (!dictionary && field->count < RL__ITEMS_MAX)
            field->item[field->count++] = item;
        skip_blanks(&c);
        if (c.at == c.end)
            break;
        if (!peek(&c, ','))
            return 0;
        c.at++;
        skip_blanks(&c);
        if (c.at == c.end)
            return 0; /* a comma with nothing behind it */
    }
    if (any_dictionary && field->count < RL__ITEMS_MAX)
        field->item[field->count++] = merged;
    return 1;
}

void rl__field_add(struct rl__field *field, const char *value, size_t length)
{
    struct rl__slice slice = rl__trim(value, length);

    if (!list_read(field, slice.at, slice.length))
        field->malformed = 1;
    if (field->malformed)
        field->count = 0;
}

/* Of a list of numbers: the window of the one with this quota, or of the only one with a window. */
static const struct rl__item *policy_for(const struct rl__item *item, uint32_t count,
                                         uint64_t limit)
{
    const struct rl__item *only = NULL;
    uint32_t with_window = 0;

    for (uint32_t i = 0; i < count; i++) {
        if ((item[i].has & RL__ITEM_WINDOW) == 0)
            continue;
        if ((item[i].has & RL__ITEM_QUOTA) != 0 && item[i].quota == limit)
            return &item[i];
        only = &item[i];
        with_window++;
    }
    return with_window == 1 ? only : NULL;
}

int rl__limit_list_read(const char *value, size_t length, uint64_t *limit, uint64_t *window_s)
{
    struct rl__field field = { .count = 0 };
    const struct rl__item *policy;

    if (rl__count_read(value, length, limit)) { /* the usual case, at once */
        *window_s = 0;
        return 1;
    }
    rl__field_add(&field, value, length);
    if (field.count == 0 || field.item[0].name[0].at != NULL ||
        (field.item[0].has & RL__ITEM_QUOTA) == 0)
        return 0;
    /* "30,000" is a number in a form that we do not read, not a list. */
    for (uint32_t i = 1; i < field.count; i++)
        if ((field.item[i].has & RL__ITEM_WINDOW) == 0 &&
            field.item[i].quota != field.item[0].quota)
            return 0;
    *limit = field.item[0].quota;
    policy = policy_for(field.item, field.count, *limit);
    *window_s = policy == NULL ? 0 : policy->window_s;
    return 1;
}

uint64_t rl__structured_window(struct rl__structured *structured, uint64_t limit)
{
    struct rl__field *field = &structured->policy;
    const struct rl__item *policy = policy_for(field->item, field->count, limit);

    if (policy == NULL)
        return 0;
    field->item[policy - field->item].used = 1;
    return policy->window_s;
}

static int same(struct rl__slice a, struct rl__slice b)
{
    return a.at != NULL && b.at != NULL && a.length == b.length &&
           memcmp(a.at, b.at, a.length) == 0;
}

/* A policy may carry two names (the Hub's); the item is joined by either. */
static int joined(const struct rl__item *item, const struct rl__item *policy)
{
    if (item->partition.at != NULL && policy->partition.at != NULL &&
        !same(item->partition, policy->partition))
        return 0;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++)
            if (same(item->name[i], policy->name[k]))
                return 1;
    return 0;
}

static struct rl__item *policy_of(struct rl__structured *structured, const struct rl__item *item)
{
    struct rl__field *field = &structured->policy;
    const struct rl__item *found = NULL;

    for (uint32_t i = 0; i < field->count; i++)
        if (joined(item, &field->item[i]))
            return &field->item[i];
    if (item->name[0].at != NULL) /* its policy is not told */
        return NULL;
    found = policy_for(field->item, field->count,
                       (item->has & RL__ITEM_QUOTA) != 0 ? item->quota : UINT64_MAX);
    return found == NULL ? NULL : &field->item[found - field->item];
}

/* What is counted: -1 is nothing that we keep (bytes, concurrency). */
static int dimension_of(struct rl__slice unit)
{
    if (unit.at == NULL || rl__is_like(unit.at, unit.length, "requests") ||
        rl__is_like(unit.at, unit.length, "request"))
        return RL_REQUESTS;
    if (rl__is_like(unit.at, unit.length, "tokens") || rl__is_like(unit.at, unit.length, "token"))
        return RL_TOKENS;
    if (rl__is_like(unit.at, unit.length, "input-tokens"))
        return RL_INPUT_TOKENS;
    if (rl__is_like(unit.at, unit.length, "output-tokens"))
        return RL_OUTPUT_TOKENS;
    if (rl__is_like(unit.at, unit.length, "images"))
        return RL_IMAGES;
    return -1;
}

/* Returns how many values were absurd. */
static uint32_t take(rl_limit_report *report, const struct rl__item *item)
{
    uint32_t absurd = 0;

    if ((item->has & RL__ITEM_QUOTA) != 0) {
        report->has |= RL_HAS_LIMIT;
        report->limit = item->quota;
    }
    if ((item->has & RL__ITEM_WINDOW) != 0 && item->window_s > RL__DURATION_MAX / RL_SECOND) {
        absurd++;
    } else if ((item->has & RL__ITEM_WINDOW) != 0) {
        report->has |= RL_HAS_WINDOW;
        report->window = item->window_s * RL_SECOND;
    }
    if ((item->has & RL__ITEM_REMAINING) != 0) {
        report->has |= RL_HAS_REMAINING;
        report->remaining = item->remaining;
    }
    if ((item->has & RL__ITEM_TIME) != 0 && item->time_s > RL__DURATION_MAX / RL_SECOND) {
        absurd++;
    } else if ((item->has & RL__ITEM_TIME) != 0) {
        report->has |= RL_HAS_RESET;
        report->reset_after = item->time_s * RL_SECOND;
    }
    return absurd;
}

uint32_t rl__structured_reports(struct rl__structured *structured, rl_limit_report *report,
                                uint32_t max)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < structured->limit.count && count < max; i++) {
        const struct rl__item *item = &structured->limit.item[i];
        struct rl__item *policy = policy_of(structured, item);
        int dimension =
            dimension_of(policy != NULL && policy->unit.at != NULL ? policy->unit : item->unit);

        if (policy != NULL)
            policy->used = 1;
        if (dimension < 0 || (item->has & (RL__ITEM_REMAINING | RL__ITEM_QUOTA)) == 0)
            continue;
        report[count] = (rl_limit_report){ .dimension = (uint32_t)dimension };
        if (policy != NULL)
            structured->ignored += take(&report[count], policy);
        structured->ignored += take(&report[count++], item);
    }
    for (uint32_t i = 0; i < structured->policy.count && count < max; i++) {
        const struct rl__item *policy = &structured->policy.item[i];
        int dimension = dimension_of(policy->unit);

        if (policy->used || dimension < 0 || (policy->has & RL__ITEM_QUOTA) == 0)
            continue;
        report[count] = (rl_limit_report){ .dimension = (uint32_t)dimension };
        structured->ignored += take(&report[count++], policy);
    }
    return count;
}
