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

static int slice_is(struct rl__slice slice, const char *text, size_t length)
{
    return slice.length == length && memcmp(slice.at, text, length) == 0;
}

/* A header with its name in lower case. */
struct line {
    char name[RL__NAME_MAX];
    size_t length;
    const char *value;
    size_t value_length;
};

static int line_is(const struct line *line, const char *name)
{
    return rl__is(line->name, line->length, name);
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
    if (length <= series->before.length + series->after.length ||
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
        if (names[i].at != NULL && slice_is(names[i], name, length))
            return has[i];
    return 0;
}

static const struct rl__series *series_find(const rl_dialect *dialect, const char *name,
                                            size_t length, uint32_t *has, rl_duration *window)
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

/* A value that a proxy repeats fills a gap; what the proxy says in its own name replaces it. */
static int slot_wants(struct rl__slot *slot, uint32_t has, int relayed)
{
    if ((slot->has & has) == 0)
        return 1;
    return !relayed && (slot->relayed & has) != 0;
}

/* `skip`: so much of the name is a proxy's prefix; 0: the proxy's own word, or the provider's. */
static void limit_take(struct rl__reading *reading, const struct line *line, size_t skip)
{
    const char *name = line->name + skip;
    size_t length = line->length - skip;
    const struct rl__series *series;
    struct rl__slot *slot;
    rl_duration window = 0;
    uint32_t has = 0;

    series = series_find(reading->dialect, name, length, &has, &window);
    if (series == NULL && reading->dialect != &rl__dialects[0])
        series = series_find(&rl__dialects[0], name, length, &has, &window);
    if (series == NULL)
        return;
    slot = slot_of(reading, series, window);
    if (slot == NULL || !slot_wants(slot, has, skip > 0))
        return;
    if (line->value_length > RL__VALUE_MAX ||
        !value_read(reading, slot, has, line->value, line->value_length)) {
        reading->ignored++;
        return;
    }
    slot->has |= has;
    slot->relayed = skip > 0 ? slot->relayed | has : slot->relayed & ~has;
    if (has == RL_HAS_RESET && (series->flags & RL__SERIES_WAIT) != 0)
        hint_raise(&reading->hint[RL__HINT_RANKS - 1], &slot->reset);
}

/* 0: it has no name, or one that is none of ours. */
static int line_make(struct line *line, const char *name, size_t name_length, const char *value,
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

void rl__headers_limit(struct rl__reading *reading, const char *name, size_t name_length,
                       const char *value, size_t value_length)
{
    struct line line;

    if (line_make(&line, name, name_length, value, value_length))
        limit_take(reading, &line, 0);
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

static int hint_find(struct rl__reading *reading, const rl_dialect *dialect,
                     const struct line *line)
{
    for (uint32_t i = 0; i < dialect->hint_count; i++)
        if (slice_is(dialect->hints[i].name, line->name, line->length)) {
            hint_read(reading, &dialect->hints[i], line->value, line->value_length);
            return 1;
        }
    return 0;
}

static void should_retry_read(struct rl__reading *reading, const struct line *line)
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

/* "ThrottlingException:http://internal...": the name alone. */
static void error_name_read(struct rl__reading *reading, const struct line *line)
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
static void limit_type_read(struct rl__reading *reading, const struct line *line)
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

static int tokens_read(struct rl__reading *reading, const struct line *line)
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
static int odd_read(struct rl__reading *reading, const struct line *line)
{
    struct rl__slice value = rl__trim(line->value, line->value_length);

    if (line_is(line, "x-amzn-errortype"))
        error_name_read(reading, line);
    else if (line_is(line, "x-ratelimit-type"))
        limit_type_read(reading, line);
    else if (line_is(line, "x-envoy-ratelimited"))
        reading->is_limited |= rl__is_like(value.at, value.length, "true");
    else
        return tokens_read(reading, line);
    return 1;
}

/* The headers that mean the same with every provider. 0: it is none of them. */
static int common_read(struct rl__reading *reading, const struct line *line)
{
    uint64_t age;

    if (line_is(line, "x-should-retry"))
        should_retry_read(reading, line);
    else if (line_is(line, "age"))
        reading->from_cache |= rl__count_read(line->value, line->value_length, &age) && age > 0;
    else if (line_is(line, "ratelimit") && line->value_length <= RL__VALUE_MAX)
        rl__field_add(&reading->structured.limit, line->value, line->value_length);
    else if (line_is(line, "ratelimit-policy") && line->value_length <= RL__VALUE_MAX)
        rl__field_add(&reading->structured.policy, line->value, line->value_length);
    else
        return odd_read(reading, line);
    return 1;
}

/* What a LiteLLM proxy repeats of the answer that it got. */
static int relayed_read(struct rl__reading *reading, const struct line *line)
{
    static const char start[] = "llm_provider-";

    if (!rl__starts_with(line->name, line->length, start))
        return 0;
    limit_take(reading, line, sizeof start - 1);
    return 1;
}

static void line_read(struct rl__reading *reading, const rl_header *header)
{
    const int any = (reading->dialect->flags & RL__DIALECT_ANY_NAMES) != 0;
    struct line line;

    /* age, anthropic-, llm_provider-, ratelimit, retry-after, x-: most lines end here. */
    if (header->name == NULL || header->name_length == 0 ||
        (!any && strchr("alrxALRX", header->name[0]) == NULL) ||
        !line_make(&line, header->name, header->name_length, header->value, header->value_length))
        return;
    if (!common_read(reading, &line) && !hint_find(reading, &rl__dialects[0], &line) &&
        !hint_find(reading, reading->dialect, &line) && !relayed_read(reading, &line))
        limit_take(reading, &line, 0);
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

/* How far `reset` is from what `used` units ask for, in 1/16 of `unit`; more than 16 and a
 * sixteenth of the whole is no fit. */
static uint64_t misfit(rl_duration reset, rl_duration full, rl_duration unit)
{
    rl_duration off = reset > full ? reset - full : full - reset;

    return off <= unit + full / 16 ? rl__mul_div(off, 16, unit) : UINT64_MAX;
}

/*
 * A reset of whole units, seconds or milliseconds, of a window that is known or one of a few. What
 * fits best is taken, the longer window first, since small numbers fit many. 0: none fits, and the
 * reset says nothing.
 */
static int units_find(const rl_limit_report *report, rl_duration *window, rl_duration *reset)
{
    static const rl_duration windows[] = { RL_MINUTE, 10 * RL_SECOND, RL_SECOND };
    rl_duration seconds = *reset, milliseconds = seconds / 1000, given = *window;

    if (report->remaining > report->limit || report->limit == 0)
        return 0;
    for (size_t i = 0; i < (given != 0 ? 1 : sizeof windows / sizeof windows[0]); i++) {
        rl_duration one = given != 0 ? given : windows[i];
        rl_duration full = rl__mul_div(report->limit - report->remaining, one, report->limit);
        uint64_t as_seconds = misfit(seconds, full, RL_SECOND);
        uint64_t as_milliseconds = misfit(milliseconds, full, RL_MILLISECOND);

        if (rl__min(as_seconds, as_milliseconds) == UINT64_MAX)
            continue;
        *reset = as_milliseconds <= as_seconds ? milliseconds : seconds;
        *window = one;
        return 1;
    }
    return 0;
}

/* Nothing in use, or a reset of 0: no window can be told, and 0 is 0 in every unit. */
static rl_duration units_apply(rl_limit_report *report, rl_duration window)
{
    const uint32_t all = RL_HAS_LIMIT | RL_HAS_REMAINING | RL_HAS_RESET;

    if ((report->has & RL_HAS_RESET) == 0 || report->reset_after == 0)
        return window;
    if ((report->has & all) != all || !units_find(report, &window, &report->reset_after)) {
        report->has &= ~(uint32_t)RL_HAS_RESET;
        report->reset_after = 0;
    }
    return window;
}

static void window_find(struct rl__reading *reading, const struct rl__slot *slot,
                        rl_limit_report *report)
{
    const uint32_t all = RL_HAS_LIMIT | RL_HAS_REMAINING | RL_HAS_RESET;
    rl_duration window = slot->named_window;

    if ((slot->has & RL_HAS_WINDOW) != 0)
        window = slot->window;
    else if (slot->series->window != 0)
        window = slot->series->window;
    else if (slot->series->rule == RL__WINDOW_BUCKET && (report->has & all) == all)
        window = bucket_window(report->limit, report->remaining, report->reset_after);
    else if (slot->series->rule == RL__WINDOW_POLICY && (slot->has & RL_HAS_LIMIT) != 0)
        window = rl__structured_window(&reading->structured, slot->limit) * RL_SECOND;
    if (slot->series->rule == RL__WINDOW_UNITS)
        window = units_apply(report, window);
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
    if ((slot->series->flags & RL__SERIES_UNCACHED) != 0)
        report->has |= RL_IS_UNCACHED;
    window_find(reading, slot, report);
}

/* A reset alone says nothing: of which limit? It is what remains of "-1, -1, 0", not reported. */
static int is_told(const struct rl__slot *slot)
{
    return (slot->has & (RL_HAS_LIMIT | RL_HAS_REMAINING)) != 0;
}

/* Whether another series of the same thing outranks this one. */
static int is_outranked(const struct rl__reading *reading, const struct rl__slot *slot)
{
    if ((slot->series->flags & RL__SERIES_PREFERRED) != 0)
        return 0;
    for (uint32_t i = 0; i < reading->slot_count; i++) {
        const struct rl__slot *other = &reading->slot[i];

        if ((other->series->flags & RL__SERIES_PREFERRED) != 0 && is_told(other) &&
            other->series->dimension == slot->series->dimension &&
            other->series->window == slot->series->window)
            return 1;
    }
    return 0;
}

uint32_t rl__headers_reports(struct rl__reading *reading, rl_limit_report *report, uint32_t max)
{
    uint32_t count = 0;

    if (reading->from_cache)
        return 0;
    for (uint32_t i = 0; i < reading->slot_count && count < max; i++)
        if (is_told(&reading->slot[i]) && !is_outranked(reading, &reading->slot[i]))
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
