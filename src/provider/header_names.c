/* SPDX-License-Identifier: MIT */
/* Which limit a header speaks of, by its name: the word, the series, the window at its end. */
#include "provider/headers_parts.h"

#include "base/arith.h"

/* "-minute", "-10-second", "": the window that ends a header's name. 0: something else stands
 * there. */
static int name_window(const char *text, size_t length, rl_duration *window)
{
    static const struct {
        const char *name;
        rl_duration length;
    } units[] = {
        { "second", RL_SECOND },
        { "minute", RL_MINUTE },
        { "hour", RL_HOUR },
        { "day", RL_DAY },
        { "month", UINT64_C(30) * RL_DAY }, /* calendar months differ; nobody says more */
    };
    uint64_t count = 0;

    *window = 0;
    if (length == 0)
        return 1;
    if (*text++ != '-')
        return 0;
    for (length--; length > 0 && rl__is_digit(*text); text++, length--)
        count = rl__min(count * 10 + (uint64_t)(*text - '0'), 1000000);
    if (count > 0 && length > 0 && *text == '-') {
        text++;
        length--;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (rl__is_like(text, length, units[i].name)) {
            *window = rl__mul_sat(count > 0 ? count : 1, units[i].length);
            return *window <= RL__DURATION_MAX;
        }
    return 0;
}

/* The RL_HAS_* bit of the word at `name`, and its length; or 0. */
static uint32_t word_find(const char *name, size_t length, size_t *used)
{
    static const struct {
        struct rl__slice word;
        uint32_t has;
    } words[] = {
        { { "limit", 5 }, RL_HAS_LIMIT },
        { { "remaining", 9 }, RL_HAS_REMAINING },
        { { "reset", 5 }, RL_HAS_RESET },
        { { "renewalperiod", 13 }, RL_HAS_WINDOW },
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (length >= words[i].word.length &&
            memcmp(name, words[i].word.at, words[i].word.length) == 0) {
            *used = words[i].word.length;
            return words[i].has;
        }
    return 0;
}

/* The RL_HAS_* bit of a header whose name is of this series, or 0. */
static uint32_t series_match(const struct rl__series *series, const char *name, size_t length,
                             rl_duration *window)
{
    size_t word = 0;
    uint32_t has;

    *window = 0;
    /* They end with a dash: where the name has none, a call is saved. */
    if (length <= series->before.length + series->after.length ||
        name[series->before.length - 1] != series->before.at[series->before.length - 1] ||
        memcmp(name, series->before.at, series->before.length) != 0)
        return 0;
    name += series->before.length;
    length -= series->before.length;
    has = word_find(name, length, &word);
    name += word;
    length -= word;
    if (has == 0 || length < series->after.length ||
        memcmp(name, series->after.at, series->after.length) != 0)
        return 0;
    name += series->after.length;
    length -= series->after.length;
    if (length == 0)
        return has;
    return series->windowed && name_window(name, length, window) ? has : 0;
}

/* The RL_HAS_* bit of a header that is one of three by its whole name, or 0. */
static uint32_t names_match(const struct rl__slice names[3], const char *name, size_t length)
{
    static const uint32_t has[] = { RL_HAS_LIMIT, RL_HAS_REMAINING, RL_HAS_RESET };

    for (size_t i = 0; i < sizeof has / sizeof has[0]; i++)
        if (names[i].at != NULL && rl__slice_is(names[i], name, length))
            return has[i];
    return 0;
}

const struct rl__series *rl__series_find(const rl_dialect *dialect, const char *name, size_t length,
                                         uint32_t *has, rl_duration *window)
{
    for (uint32_t i = 0; i < dialect->series_count; i++) {
        const struct rl__series *series = &dialect->series[i];

        *window = 0;
        *has = series->before.at != NULL ? series_match(series, name, length, window)
                                         : names_match(series->names, name, length);
        if (*has != 0)
            return series;
    }
    return NULL;
}
