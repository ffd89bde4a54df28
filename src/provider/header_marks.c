/* SPDX-License-Identifier: MIT */
/* Headers that one provider alone sends, and that say more than a limit: names of errors and of
 * limits, tokens used. */
#include "provider/headers_parts.h"

/* "ThrottlingException:http://internal...": the name alone. */
static void error_name_read(struct rl__reading *reading, const struct rl__line *line)
{
    struct rl__slice value = rl__trim(line->value, line->value_length);
    const char *colon = value.length > 0 ? memchr(value.at, ':', value.length) : NULL;

    if (reading->error_name.length > 0)
        return;
    if (colon != NULL)
        value.length = (size_t)(colon - value.at);
    reading->error_name = value;
}

/* GitHub's names of its limits: UserByModelByDay, UserByMinute, UserConcurrentRequests. */
static void limit_type_read(struct rl__reading *reading, const struct rl__line *line)
{
    static const struct {
        const char *end;
        rl_duration window;
    } ends[] = { { "byminute", RL_MINUTE }, { "byhour", RL_HOUR }, { "byday", RL_DAY } };
    struct rl__slice value = rl__trim(line->value, line->value_length);

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t length = strlen(ends[i].end);

        if (value.length >= length &&
            rl__is_like(value.at + value.length - length, length, ends[i].end))
            reading->limited_window = ends[i].window;
    }
    reading->is_concurrent |= value.length >= 18 && rl__starts_like(value.at + value.length - 18,
                                                                    18, "concurrentrequests");
}

static int tokens_read(struct rl__reading *reading, const struct rl__line *line)
{
    static const char start[] = "x-amzn-bedrock-";
    static const char *const names[RL__TOKEN_COUNTS] = {
        "input-token-count",
        "output-token-count",
        "cache-read-input-token-count",
        "cache-write-input-token-count",
    };
    size_t skip = sizeof start - 1;

    if (!rl__starts_with(line->name, line->length, start))
        return 0;
    for (uint32_t i = 0; i < RL__TOKEN_COUNTS; i++) {
        if (!rl__is(line->name + skip, line->length - skip, names[i]))
            continue;
        if (rl__count_read(line->value, line->value_length, &reading->tokens[i]))
            reading->tokens_has |= UINT32_C(1) << i;
        else
            reading->ignored++;
        return 1;
    }
    return 0;
}

/* Names that one provider alone uses, and that say more than a limit. */
int rl__mark_take(struct rl__reading *reading, const struct rl__line *line)
{
    struct rl__slice value = rl__trim(line->value, line->value_length);

    if (rl__line_is(line, "x-amzn-errortype"))
        error_name_read(reading, line);
    else if (rl__line_is(line, "x-ratelimit-type"))
        limit_type_read(reading, line);
    else if (rl__line_is(line, "x-envoy-ratelimited"))
        reading->is_limited |= rl__is_like(value.at, value.length, "true");
    else
        return tokens_read(reading, line);
    return 1;
}

void rl__headers_usage(const struct rl__reading *reading, rl_usage *usage)
{
    const uint64_t *tokens = reading->tokens;

    memset(usage, 0, sizeof *usage);
    if ((reading->tokens_has & 1u << RL__TOKENS_INPUT) != 0) {
        usage->has |= RL_HAS_INPUT;
        usage->input_tokens =
            tokens[RL__TOKENS_INPUT] + tokens[RL__TOKENS_READ] + tokens[RL__TOKENS_WRITTEN];
        if ((reading->tokens_has & 1u << RL__TOKENS_READ) != 0) {
            usage->has |= RL_HAS_CACHED_INPUT;
            usage->cached_input_tokens = tokens[RL__TOKENS_READ];
        }
    }
    if ((reading->tokens_has & 1u << RL__TOKENS_OUTPUT) != 0) {
        usage->has |= RL_HAS_OUTPUT;
        usage->output_tokens = tokens[RL__TOKENS_OUTPUT];
    }
}
