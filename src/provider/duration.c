/* SPDX-License-Identifier: MIT */
/* Counts, Go durations ("6m0s", "17.399999999s"), bare seconds, and everything that says when. */
#include "provider/duration.h"

#include "base/arith.h"
#include "provider/ascii.h"
#include "provider/date.h"

#include <string.h>

int rl__count_read(const char *text, size_t length, uint64_t *out)
{
    struct rl__slice slice = rl__trim(text, length);
    uint64_t value = 0;

    if (slice.length == 0)
        return 0;
    for (size_t i = 0; i < slice.length; i++) {
        if (!rl__is_digit(slice.at[i]))
            return 0;
        value = rl__add_sat(rl__mul_sat(value, 10), (uint64_t)(slice.at[i] - '0'));
    }
    if (value > RL__COUNT_MAX)
        return 0;
    *out = value;
    return 1;
}

/* "12", "0.5": a decimal in whole numbers. Digits beyond the 15th of the fraction weigh nothing. */
struct decimal {
    uint64_t whole;
    uint64_t fraction;
    uint64_t scale; /* fraction / scale < 1 */
};

/* The bytes it takes, or 0. A digit stands on both sides of a point, or there is no point. */
static size_t decimal_read(const char *text, size_t length, struct decimal *out)
{
    size_t at = 0;

    *out = (struct decimal){ .scale = 1 };
    for (; at < length && rl__is_digit(text[at]); at++)
        out->whole = rl__add_sat(rl__mul_sat(out->whole, 10), (uint64_t)(text[at] - '0'));
    if (at == 0 || at + 1 >= length || text[at] != '.' || !rl__is_digit(text[at + 1]))
        return at;
    for (at++; at < length && rl__is_digit(text[at]); at++) {
        if (out->scale >= UINT64_C(1000000000000000))
            continue;
        out->scale *= 10;
        out->fraction = out->fraction * 10 + (uint64_t)(text[at] - '0');
    }
    return at;
}

static rl_duration decimal_times(const struct decimal *decimal, rl_duration unit)
{
    return rl__add_sat(rl__mul_sat(decimal->whole, unit),
                       rl__mul_div(decimal->fraction, unit, decimal->scale));
}

struct unit {
    const char *name;
    rl_duration length;
};

/* Longer names before those that they begin with. */
static const struct unit units[] = {
    { "ns", 1 },
    { "us", 1000 },
    { "\xc2\xb5s", 1000 }, /* micro sign */
    { "\xce\xbcs", 1000 }, /* Greek mu */
    { "ms", RL_MILLISECOND },
    { "s", RL_SECOND },
    { "m", RL_MINUTE },
    { "h", RL_HOUR },
    { "d", RL_DAY },
};

/* Units as people write them, after a blank or not. */
static const struct unit words[] = {
    { "milliseconds", RL_MILLISECOND },
    { "millisecond", RL_MILLISECOND },
    { "seconds", RL_SECOND },
    { "second", RL_SECOND },
    { "secs", RL_SECOND },
    { "sec", RL_SECOND },
    { "minutes", RL_MINUTE },
    { "minute", RL_MINUTE },
    { "mins", RL_MINUTE },
    { "min", RL_MINUTE },
    { "hours", RL_HOUR },
    { "hour", RL_HOUR },
    { "hrs", RL_HOUR },
    { "days", RL_DAY },
    { "day", RL_DAY },
};

static const struct unit *unit_find(const struct unit *table, size_t count, const char *text,
                                    size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (rl__starts_with(text, length, table[i].name))
            return &table[i];
    return NULL;
}

/* "1m30.951s": pairs of number and unit. The bytes it takes, or 0. */
static size_t go_prefix(const char *text, size_t length, rl_duration *out)
{
    rl_duration sum = 0;
    size_t at = 0;

    while (at < length) {
        struct decimal decimal;
        size_t digits = decimal_read(text + at, length - at, &decimal);
        const struct unit *unit;

        if (digits == 0)
            break;
        unit = unit_find(units, sizeof units / sizeof units[0], text + at + digits,
                         length - at - digits);
        if (unit == NULL)
            break;
        sum = rl__add_sat(sum, decimal_times(&decimal, unit->length));
        at += digits + strlen(unit->name);
    }
    if (at > 0)
        *out = sum;
    return at;
}

int rl__duration_read(const char *text, size_t length, rl_duration *out)
{
    struct rl__slice slice = rl__trim(text, length);
    struct decimal decimal;
    rl_duration span = 0;

    if (slice.length == 0)
        return 0;
    if (decimal_read(slice.at, slice.length, &decimal) == slice.length)
        span = decimal_times(&decimal, RL_SECOND);
    else if (go_prefix(slice.at, slice.length, &span) != slice.length)
        return 0;
    if (span > RL__DURATION_MAX)
        return 0;
    *out = span;
    return 1;
}

/* "85841 seconds", "2 minutes", "1 hour". */
static size_t words_prefix(const char *text, size_t length, rl_duration *out)
{
    struct decimal decimal;
    size_t at = decimal_read(text, length, &decimal);
    const struct unit *unit;

    if (at == 0)
        return 0;
    if (at < length && text[at] == ' ')
        at++;
    unit = unit_find(words, sizeof words / sizeof words[0], text + at, length - at);
    if (unit == NULL)
        return 0;
    at += strlen(unit->name);
    if (at < length && rl__is_alpha(text[at]))
        return 0;
    *out = decimal_times(&decimal, unit->length);
    return at;
}

size_t rl__duration_prefix(const char *text, size_t length, rl_duration *out)
{
    rl_duration span = 0;
    size_t used = words_prefix(text, length, &span);

    if (used == 0) {
        used = go_prefix(text, length, &span);
        if (used > 0 && used < length && rl__is_alpha(text[used]))
            return 0; /* "5mm": not what we know */
    }
    if (used == 0 || span > RL__DURATION_MAX)
        return 0;
    *out = span;
    return used;
}

static int epoch(const struct decimal *decimal, rl_duration unit, struct rl__when *out)
{
    rl_duration since = decimal_times(decimal, unit);

    if (since > INT64_MAX)
        return 0;
    *out = (struct rl__when){ .absolute = 1, .wall = (rl_wall_time)since };
    return 1;
}

static int number_when(const struct decimal *decimal, enum rl__when_form form, struct rl__when *out)
{
    rl_duration unit = form == RL__WHEN_MILLISECONDS ? RL_MILLISECOND : RL_SECOND;
    rl_duration span;

    if (form == RL__WHEN_EPOCH)
        return epoch(decimal, RL_SECOND, out);
    if (form == RL__WHEN_AUTO && decimal->whole >= UINT64_C(100000000000))
        return epoch(decimal, RL_MILLISECOND, out);
    if (form == RL__WHEN_AUTO && decimal->whole >= UINT64_C(1000000000))
        return epoch(decimal, RL_SECOND, out);
    span = decimal_times(decimal, unit);
    if (span > RL__DURATION_MAX)
        return 0;
    *out = (struct rl__when){ .span = span };
    return 1;
}

int rl__when_read(const char *text, size_t length, enum rl__when_form form, rl_wall_time now,
                  struct rl__when *out)
{
    struct rl__slice slice = rl__trim(text, length);
    struct decimal decimal;
    rl_duration span;
    rl_wall_time wall;

    if (slice.length == 0)
        return 0;
    if (decimal_read(slice.at, slice.length, &decimal) == slice.length)
        return number_when(&decimal, form, out);
    if (rl__duration_read(slice.at, slice.length, &span)) {
        *out = (struct rl__when){ .span = span };
        return 1;
    }
    if (rl__date_rfc3339(slice.at, slice.length, &wall) ||
        rl__date_http(slice.at, slice.length, now, &wall) ||
        rl__date_script(slice.at, slice.length, &wall)) {
        *out = (struct rl__when){ .absolute = 1, .wall = wall };
        return 1;
    }
    if (rl__duration_prefix(slice.at, slice.length, &span) != slice.length)
        return 0;
    *out = (struct rl__when){ .span = span }; /* "30 seconds" */
    return 1;
}

int rl__when_resolve(const struct rl__when *when, rl_wall_time base, rl_duration *after)
{
    rl_duration span = when->span;

    if (when->absolute) /* unsigned: the difference of two int64_t always fits */
        span = when->wall <= base ? 0 : (uint64_t)when->wall - (uint64_t)base;
    if (span > RL__DURATION_MAX)
        return 0;
    *after = span;
    return 1;
}
