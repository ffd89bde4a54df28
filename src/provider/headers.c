/* SPDX-License-Identifier: MIT */
/* One pass over the headers: names are matched without regard to case, values parsed strictly. */
#include "provider/headers.h"

#include "base/arith.h"
#include "provider/date.h"

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

/* The RL_HAS_* bit of a header whose name fits the pattern, or 0. */
static uint32_t pattern_match(const char *pattern, const char *name, size_t length,
                              rl_duration *window)
{
    static const struct {
        const char *word;
        uint32_t has;
    } words[] = {
        { "limit", RL_HAS_LIMIT },
        { "remaining", RL_HAS_REMAINING },
        { "reset", RL_HAS_RESET },
        { "renewalperiod", RL_HAS_WINDOW },
    };
    size_t i = 0;
    uint32_t has = 0;

    for (; pattern[i] != '*'; i++)
        if (i >= length || rl__lower(name[i]) != pattern[i])
            return 0;
    name += i;
    length -= i;
    for (size_t w = 0; has == 0 && w < sizeof words / sizeof words[0]; w++)
        if (rl__starts_like(name, length, words[w].word)) {
            has = words[w].has;
            name += strlen(words[w].word);
            length -= strlen(words[w].word);
        }
    if (has == 0)
        return 0;
    pattern += i + 1;
    for (i = 0; pattern[i] != '\0' && pattern[i] != '~'; i++)
        if (i >= length || rl__lower(name[i]) != pattern[i])
            return 0;
    *window = 0;
    if (pattern[i] == '~')
        return name_window(name + i, length - i, window) ? has : 0;
    return i == length ? has : 0;
}

static const struct rl__series *series_find(const rl_dialect *dialect, const char *name,
                                            size_t length, uint32_t *has, rl_duration *window)
{
    for (uint32_t i = 0; i < dialect->series_count; i++)
        if ((*has = pattern_match(dialect->series[i].pattern, name, length, window)) != 0)
            return &dialect->series[i];
    return NULL;
}

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

static int value_read(const struct rl__reading *reading, struct rl__slot *slot, uint32_t has,
                      const char *value, size_t length)
{
    switch (has) {
    case RL_HAS_LIMIT:
        return limit_read(slot, value, length);
    case RL_HAS_REMAINING:
        return rl__count_read(value, length, &slot->remaining);
    case RL_HAS_RESET:
        return rl__when_read(value, length, slot->series->reset, reading->now, &slot->reset);
    default:
        return window_read(slot, value, length);
    }
}

void rl__headers_limit(struct rl__reading *reading, const char *name, size_t name_length,
                       const char *value, size_t value_length)
{
    const struct rl__series *series;
    struct rl__slot *slot;
    rl_duration window = 0;
    uint32_t has = 0;

    series = series_find(reading->dialect, name, name_length, &has, &window);
    if (series == NULL)
        series = series_find(&rl__dialects[0], name, name_length, &has, &window);
    if (series == NULL)
        return;
    slot = slot_of(reading, series, window);
    if (slot == NULL || (slot->has & has) != 0)
        return;
    if (value_length <= RL__VALUE_MAX && value_read(reading, slot, has, value, value_length))
        slot->has |= has;
    else
        reading->ignored++;
}

static void hint_raise(struct rl__hint *hint, const struct rl__when *when)
{
    if (when->absolute && (!hint->has_wall || when->wall > hint->wall)) {
        hint->has_wall = 1;
        hint->wall = when->wall;
    } else if (!when->absolute && (!hint->has_span || when->span > hint->span)) {
        hint->has_span = 1;
        hint->span = when->span;
    }
}

/* A list of numbers is several lines that somebody joined. A date has a comma of its own, behind a
 * letter. */
static void hint_read(struct rl__reading *reading, const struct rl__hint_row *row,
                      const char *value, size_t length)
{
    struct rl__slice left = rl__trim(value, length);
    int list = left.length > 0 && rl__is_digit(left.at[0]);

    if (length > RL__VALUE_MAX)
        left.length = 0;
    do {
        const char *comma = list ? memchr(left.at, ',', left.length) : NULL;
        size_t one = comma == NULL ? left.length : (size_t)(comma - left.at);
        struct rl__when when;

        if (rl__when_read(left.at, one, row->form, reading->now, &when))
            hint_raise(&reading->hint[row->rank], &when);
        else
            reading->ignored++;
        if (comma == NULL)
            return;
        left.at += one + 1;
        left.length -= one + 1;
    } while (left.length > 0);
}

static int hint_find(struct rl__reading *reading, const rl_dialect *dialect, const rl_header *line)
{
    for (uint32_t i = 0; i < dialect->hint_count; i++)
        if (rl__is_like(line->name, line->name_length, dialect->hints[i].name)) {
            hint_read(reading, &dialect->hints[i], line->value, line->value_length);
            return 1;
        }
    return 0;
}

static void should_retry_read(struct rl__reading *reading, const rl_header *line)
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
static int common_read(struct rl__reading *reading, const rl_header *line)
{
    const char *name = line->name;
    size_t length = line->name_length;
    uint64_t age;

    if (rl__is_like(name, length, "x-should-retry"))
        should_retry_read(reading, line);
    else if (rl__is_like(name, length, "age"))
        reading->from_cache |= rl__count_read(line->value, line->value_length, &age) && age > 0;
    else if (rl__is_like(name, length, "ratelimit") && line->value_length <= RL__VALUE_MAX)
        rl__field_add(&reading->structured.limit, line->value, line->value_length);
    else if (rl__is_like(name, length, "ratelimit-policy") && line->value_length <= RL__VALUE_MAX)
        rl__field_add(&reading->structured.policy, line->value, line->value_length);
    else
        return 0;
    return 1;
}

static void line_read(struct rl__reading *reading, const rl_header *header)
{
    rl_header line = *header;

    if (line.name == NULL || (line.value == NULL && line.value_length > 0))
        return;
    if (line.value == NULL)
        line.value = ""; /* an empty value may come without an address */
    if (!common_read(reading, &line) && !hint_find(reading, &rl__dialects[0], &line) &&
        !hint_find(reading, reading->dialect, &line))
        rl__headers_limit(reading, line.name, line.name_length, line.value, line.value_length);
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
    memset(reading, 0, sizeof *reading);
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

/*
 * A bucket that refills evenly is full again after used * window / limit. `remaining` is rounded
 * down, so up to one unit less is used; a reset is cut to whole milliseconds and is a moment old.
 * So it must lie between what one unit less asks for (of a single unit: 3/4) and a little more than
 * what all of it asks for. The windows are at least 24 apart, so at most one of them fits.
 */
static rl_duration bucket_window(uint64_t limit, uint64_t remaining, rl_duration reset)
{
    static const rl_duration windows[] = { RL_SECOND, RL_MINUTE, RL_HOUR, RL_DAY };
    rl_duration cut = reset < RL_MILLISECOND ? 0 : RL_MILLISECOND / 2;

    if (remaining >= limit || reset == 0)
        return 0;
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        uint64_t used = limit - remaining;
        rl_duration full = rl__mul_div(used, windows[i], limit);
        rl_duration least = full / 4 * 3;

        if (used > 1)
            least = rl__min(least, rl__mul_div(used - 1, windows[i] / 16 * 15, limit));
        if (reset + cut >= least && reset <= full + full / 4)
            return windows[i];
    }
    return 0;
}

static void window_find(struct rl__reading *reading, const struct rl__slot *slot,
                        rl_limit_report *report)
{
    const uint32_t all = RL_HAS_LIMIT | RL_HAS_REMAINING | RL_HAS_RESET;
    rl_duration window = slot->named_window;

    if (slot->series->window_s != 0)
        window = slot->series->window_s * RL_SECOND;
    else if ((slot->has & RL_HAS_WINDOW) != 0)
        window = slot->window;
    else if (slot->series->rule == RL__WINDOW_BUCKET && (report->has & all) == all)
        window = bucket_window(report->limit, report->remaining, report->reset_after);
    else if (slot->series->rule == RL__WINDOW_POLICY && (slot->has & RL_HAS_LIMIT) != 0)
        window = rl__structured_window(&reading->structured, slot->limit) * RL_SECOND;
    if (window == 0 || window > RL__DURATION_MAX)
        return;
    report->has |= RL_HAS_WINDOW;
    report->window = window;
}

static void slot_report(struct rl__reading *reading, const struct rl__slot *slot,
                        rl_limit_report *report)
{
    *report = (rl_limit_report){
        .dimension = slot->series->dimension,
        .has = slot->has & (RL_HAS_LIMIT | RL_HAS_REMAINING),
        .limit = slot->limit,
        .remaining = slot->remaining,
    };
    if ((slot->has & RL_HAS_RESET) != 0) {
        if (rl__when_resolve(&slot->reset, reading->now, &report->reset_after))
            report->has |= RL_HAS_RESET;
        else
            reading->ignored++;
    }
    window_find(reading, slot, report);
}

uint32_t rl__headers_reports(struct rl__reading *reading, rl_limit_report *report, uint32_t max)
{
    uint32_t count = 0;

    if (reading->from_cache)
        return 0;
    /* A reset alone says nothing: of which limit? It is what remains of "-1, -1, 0", not reported.
     */
    for (uint32_t i = 0; i < reading->slot_count && count < max; i++)
        if ((reading->slot[i].has & (RL_HAS_LIMIT | RL_HAS_REMAINING)) != 0)
            slot_report(reading, &reading->slot[i], &report[count++]);
    count += rl__structured_reports(&reading->structured, report + count, max - count);
    reading->ignored += reading->structured.ignored;
    return count;
}

/* The longer of span and date, or RL_NEVER. */
static rl_duration hint_resolve(struct rl__reading *reading, const struct rl__hint *hint)
{
    struct rl__when when = { .absolute = 1, .wall = hint->wall };
    rl_duration after, wait = hint->has_span ? hint->span : RL_NEVER;

    if (!hint->has_wall)
        return wait;
    if (!rl__when_resolve(&when, reading->now, &after)) {
        reading->ignored++;
        return wait;
    }
    return hint->has_span ? rl__max(wait, after) : after;
}

rl_duration rl__headers_wait(struct rl__reading *reading)
{
    rl_duration wait = RL_NEVER;

    /* A zero of a finer header is a wait rounded away: the next one knows more. */
    for (int i = 0; i < RL__HINT_RANKS && (wait == RL_NEVER || wait == 0); i++) {
        rl_duration next = hint_resolve(reading, &reading->hint[i]);

        if (next != RL_NEVER)
            wait = next;
    }
    return wait;
}
