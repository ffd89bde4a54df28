/* SPDX-License-Identifier: MIT */
/* One pass over the headers: names are matched without regard to case, values parsed strictly. */
#include "provider/headers_parts.h"

#include "provider/date.h"

int rl__line_make(struct rl__line *line, const char *name, size_t name_length, const char *value,
                  size_t value_length)
{
    if (name == NULL || name_length == 0 || name_length >= RL__NAME_MAX ||
        (value == NULL && value_length > 0))
        return 0;
    for (size_t i = 0; i < name_length; i++)
        line->name[i] = rl__lower(name[i]);
    line->name[name_length] = '\0';
    line->length = name_length;
    line->value = value == NULL ? "" : value; /* an empty value may come without an address */
    line->value_length = value_length;
    return 1;
}

static void should_retry_read(struct rl__reading *reading, const struct rl__line *line)
{
    struct rl__slice value = rl__trim(line->value, line->value_length);

    if (reading->should_retry >= 0)
        return;
    if (rl__is_like(value.at, value.length, "true"))
        reading->should_retry = 1;
    else if (rl__is_like(value.at, value.length, "false"))
        reading->should_retry = 0;
    else
        reading->ignored++;
}

/* The headers that mean the same with every provider. 0: it is none of them. */
static int common_read(struct rl__reading *reading, const struct rl__line *line)
{
    uint64_t age;

    if (rl__line_is(line, "x-should-retry"))
        should_retry_read(reading, line);
    else if (rl__line_is(line, "age"))
        reading->from_cache |= rl__count_read(line->value, line->value_length, &age) && age > 0;
    else if (rl__line_is(line, "ratelimit") && line->value_length <= RL__VALUE_MAX)
        rl__field_add(&reading->structured.limit, line->value, line->value_length);
    else if (rl__line_is(line, "ratelimit-policy") && line->value_length <= RL__VALUE_MAX)
        rl__field_add(&reading->structured.policy, line->value, line->value_length);
    else
        return rl__mark_take(reading, line);
    return 1;
}

/* What a LiteLLM proxy repeats of the answer that it got. */
static int relayed_read(struct rl__reading *reading, const struct rl__line *line)
{
    static const char start[] = "llm_provider-";

    if (!rl__starts_with(line->name, line->length, start))
        return 0;
    rl__limit_take(reading, line, sizeof start - 1);
    return 1;
}

static void line_read(struct rl__reading *reading, const rl_header *header)
{
    const int any = (reading->dialect->flags & RL__DIALECT_ANY_NAMES) != 0;
    struct rl__line line;

    /* age, anthropic-, llm_provider-, ratelimit, retry-after, x-: most lines end here. */
    if (header->name == NULL || header->name_length == 0 ||
        (!any && strchr("alrxALRX", header->name[0]) == NULL) ||
        !rl__line_make(&line, header->name, header->name_length, header->value,
                       header->value_length))
        return;
    if (!common_read(reading, &line) && !rl__wait_take(reading, &rl__dialects[0], &line) &&
        !rl__wait_take(reading, reading->dialect, &line) && !relayed_read(reading, &line))
        rl__limit_take(reading, &line, 0);
}

/* Before all else: every other date is read against it. */
static void date_read(struct rl__reading *reading, const rl_header *headers, size_t count)
{
    for (size_t i = 0; i < count && !reading->has_date; i++) {
        struct rl__slice value;

        if (headers[i].name == NULL || headers[i].value == NULL ||
            !rl__is_like(headers[i].name, headers[i].name_length, "date"))
            continue;
        value = rl__trim(headers[i].value, headers[i].value_length);
        reading->has_date = rl__date_http(value.at, value.length, reading->now, &reading->now);
        reading->ignored += !reading->has_date;
    }
}

void rl__headers_read(const rl_dialect *dialect, const rl_header *headers, size_t count,
                      rl_wall_time now, struct rl__reading *reading)
{
    /* The slots and the items are written before they are counted. */
    memset(reading, 0, offsetof(struct rl__reading, slot));
    reading->structured.limit.count = reading->structured.policy.count = 0;
    reading->structured.limit.malformed = reading->structured.policy.malformed = 0;
    reading->structured.ignored = 0;
    reading->dialect = dialect == NULL ? &rl__dialects[0] : dialect;
    reading->now = now;
    reading->should_retry = -1;
    if (headers == NULL)
        return;
    if (count > RL__LINES_MAX)
        count = RL__LINES_MAX;
    date_read(reading, headers, count);
    for (size_t i = 0; i < count; i++)
        line_read(reading, &headers[i]);
    reading->ignored += reading->structured.limit.malformed + reading->structured.policy.malformed;
}
