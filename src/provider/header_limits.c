/* SPDX-License-Identifier: MIT */
/* The values of limit headers, collected limit by limit. */
#include "provider/headers_parts.h"

static struct rl__slot *slot_of(struct rl__reading *reading, const struct rl__series *series,
                                rl_duration window)
{
    struct rl__slot *slot = reading->slot;

    for (; slot < reading->slot + reading->slot_count; slot++)
        if (slot->series == series && slot->named_window == window)
            return slot;
    if (reading->slot_count == RL_REPORTS_MAX)
        return NULL;
    reading->slot_count++;
    *slot = (struct rl__slot){ .series = series, .named_window = window };
    return slot;
}

static int limit_read(struct rl__slot *slot, const char *value, size_t length)
{
    uint64_t window_s;

    if (!rl__limit_list_read(value, length, &slot->limit, &window_s))
        return 0;
    if (window_s > 0 && window_s <= RL__DURATION_MAX / RL_SECOND &&
        (slot->has & RL_HAS_WINDOW) == 0) {
        slot->has |= RL_HAS_WINDOW;
        slot->window = window_s * RL_SECOND;
    }
    return 1;
}

static int window_read(struct rl__slot *slot, const char *value, size_t length)
{
    uint64_t seconds;

    if (!rl__count_read(value, length, &seconds) || seconds == 0 ||
        seconds > RL__DURATION_MAX / RL_SECOND)
        return 0;
    slot->window = seconds * RL_SECOND;
    return 1;
}

/* Lines that somebody joined: of repeated values the first stands. A comma without a blank behind
 * it parts thousands; one behind a letter is a date's. */
static struct rl__slice first_value(const struct rl__line *line)
{
    struct rl__slice value = rl__trim(line->value, line->value_length);

    if (value.length == 0 || !rl__is_digit(value.at[0]))
        return value;
    for (size_t i = 1; i + 1 < value.length; i++)
        if (value.at[i] == ',') {
            value.length = rl__is_blank(value.at[i + 1]) ? i : value.length;
            break;
        }
    return value;
}

static int value_read(const struct rl__reading *reading, struct rl__slot *slot, uint32_t has,
                      const struct rl__line *line)
{
    struct rl__slice value = first_value(line);

    switch (has) {
    case RL_HAS_LIMIT: /* may be a list of policies */
        return limit_read(slot, line->value, line->value_length);
    case RL_HAS_REMAINING:
        return rl__count_read(value.at, value.length, &slot->remaining);
    case RL_HAS_RESET:
        return rl__when_read(value.at, value.length, slot->series->reset, reading->now,
                             &slot->reset);
    default:
        return window_read(slot, value.at, value.length);
    }
}

/* A value that a proxy repeats fills a gap; what the proxy says in its own name replaces it. */
static int slot_wants(struct rl__slot *slot, uint32_t has, int relayed)
{
    if ((slot->has & has) == 0)
        return 1;
    return !relayed && (slot->relayed & has) != 0;
}

void rl__limit_take(struct rl__reading *reading, const struct rl__line *line, size_t skip)
{
    const char *name = line->name + skip;
    size_t length = line->length - skip;
    const struct rl__series *series;
    struct rl__slot *slot;
    rl_duration window = 0;
    uint32_t has = 0;

    series = rl__series_find(reading->dialect, name, length, &has, &window);
    if (series == NULL && reading->dialect != &rl__dialects[0])
        series = rl__series_find(&rl__dialects[0], name, length, &has, &window);
    if (series == NULL)
        return;
    slot = slot_of(reading, series, window);
    if (slot == NULL || !slot_wants(slot, has, skip > 0))
        return;
    if (line->value_length > RL__VALUE_MAX || !value_read(reading, slot, has, line)) {
        reading->ignored++;
        return;
    }
    slot->has |= has;
    slot->relayed = skip > 0 ? slot->relayed | has : slot->relayed & ~has;
    if (has == RL_HAS_RESET && (series->flags & RL__SERIES_WAIT) != 0)
        rl__wait_raise(&reading->hint[RL__HINT_RANKS - 1], &slot->reset);
}

void rl__headers_limit(struct rl__reading *reading, const char *name, size_t name_length,
                       const char *value, size_t value_length)
{
    struct rl__line line;

    if (rl__line_make(&line, name, name_length, value, value_length))
        rl__limit_take(reading, &line, 0);
}
