/* SPDX-License-Identifier: MIT */
/*
 * A time zone in eleven words: the changes of its offset that lie ahead and follow no rule, and the
 * rule for all others. So a plan needs no file and no memory beside it, and processes agree.
 */
#include "limiter/zone.h"

#include "base/rl_assert.h"

#define DAY INT64_C(86400)

/* The words. */
enum { HEAD, OFFSETS, START, END, CHANGES };

/* HEAD: the offset before the first change, flags, and how many changes. */
#define COUNT_MASK UINT64_C(0xff)
#define HAS_RULE   UINT64_C(0x100)
#define HAS_SUMMER UINT64_C(0x200)

/* A change: its time, and its offset in the low bits. */
#define OFFSET_BITS 18
#define OFFSET_BIAS (1 << (OFFSET_BITS - 1))

/* A date: its time in the low half, then day, week, month and kind. */
static uint64_t pack_date(const struct rl__zone_date *date)
{
    return (uint64_t)date->kind << 56 | (uint64_t)date->month << 52 | (uint64_t)date->week << 48 |
           (uint64_t)date->day << 32 | (uint32_t)date->time;
}

static struct rl__zone_date unpack_date(uint64_t word)
{
    struct rl__zone_date date = { .kind = (uint8_t)(word >> 56),
                                  .month = (uint8_t)(word >> 52 & 0xf),
                                  .week = (uint8_t)(word >> 48 & 0xf),
                                  .day = (uint16_t)(word >> 32 & 0xffff),
                                  .time = (int32_t)(uint32_t)word };
    return date;
}

void rl__zone_pack(uint64_t *zone, int32_t base, const struct rl__zone_change *change, size_t count,
                   const struct rl__zone_rule *rule)
{
    RL_ASSERT(count <= RL__ZONE_CHANGES);
    zone[HEAD] = (uint64_t)(uint32_t)base << 32 | count;
    for (size_t i = 0; i < count; i++)
        zone[CHANGES + i] =
            (uint64_t)change[i].at << OFFSET_BITS | (uint64_t)(change[i].offset + OFFSET_BIAS);
    if (rule == NULL)
        return;
    zone[HEAD] |= HAS_RULE | (rule->has_summer ? HAS_SUMMER : 0);
    zone[OFFSETS] = (uint64_t)(uint32_t)rule->summer << 32 | (uint32_t)rule->standard;
    zone[START] = pack_date(&rule->start);
    zone[END] = pack_date(&rule->end);
}

static struct rl__zone_rule unpack_rule(const uint64_t *zone)
{
    struct rl__zone_rule rule = { .standard = (int32_t)(uint32_t)zone[OFFSETS],
                                  .summer = (int32_t)(uint32_t)(zone[OFFSETS] >> 32),
                                  .has_summer = (zone[HEAD] & HAS_SUMMER) != 0,
                                  .start = unpack_date(zone[START]),
                                  .end = unpack_date(zone[END]) };
    return rule;
}

static struct rl__zone_change change_at(const uint64_t *zone, size_t index)
{
    uint64_t word = zone[CHANGES + index];
    struct rl__zone_change change = {
        .at = (int64_t)(word >> OFFSET_BITS),
        .offset = (int32_t)(word & ((UINT64_C(1) << OFFSET_BITS) - 1)) - OFFSET_BIAS
    };
    return change;
}

static int is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Local seconds since 1970 of a rule's date in a year. */
static int64_t date_in(const struct rl__zone_date *date, int64_t year)
{
    int64_t first = rl__days_from_civil(year, 1, 1);

    if (date->kind == 'J') /* day 60 is March 1 in every year */
        return (first + date->day - 1 + (date->day >= 60 && is_leap(year))) * DAY + date->time;
    if (date->kind == 'N')
        return (first + date->day) * DAY + date->time;
    first = rl__days_from_civil(year, date->month, 1);
    first += (date->day + 7 - (first + 4) % 7) % 7; /* 1970-01-01 was a Thursday */
    first += INT64_C(7) * (date->week - 1);
    if (first >= (date->month == 12 ? rl__days_from_civil(year + 1, 1, 1)
                                    : rl__days_from_civil(year, date->month + 1U, 1)))
        first -= 7; /* week 5: the last */
    return first * DAY + date->time;
}

static int64_t summer_begins(const struct rl__zone_rule *rule, int64_t year)
{
    return date_in(&rule->start, year) - rule->standard;
}

static int64_t summer_ends(const struct rl__zone_rule *rule, int64_t year)
{
    return date_in(&rule->end, year) - rule->summer;
}

static int64_t year_of(int64_t t)
{
    int64_t year;
    unsigned month, day;

    rl__civil_from_days(t / DAY, &year, &month, &day);
    return year;
}

int32_t rl__zone_rule_offset(const struct rl__zone_rule *rule, int64_t t)
{
    int64_t year, begins, ends;

    if (!rule->has_summer)
        return rule->standard;
    year = year_of(t + rule->standard);
    begins = summer_begins(rule, year);
    ends = summer_ends(rule, year);
    if (begins <= ends) /* without a second between them: never summer */
        return t >= begins && t < ends ? rule->summer : rule->standard;
    return t >= ends && t < begins ? rule->standard : rule->summer;
}

int rl__zone_is_fixed(const uint64_t *zone, int32_t *offset)
{
    uint64_t head = zone[HEAD];

    *offset = (int32_t)(uint32_t)((head & HAS_RULE) != 0 ? zone[OFFSETS] : head >> 32);
    return (head & (COUNT_MASK | HAS_SUMMER)) == 0;
}

int32_t rl__zone_offset(const uint64_t *zone, int64_t t)
{
    size_t count = zone[HEAD] & COUNT_MASK;
    int32_t offset = (int32_t)(uint32_t)(zone[HEAD] >> 32);
    struct rl__zone_rule rule;

    for (size_t i = 0; i < count; i++) {
        struct rl__zone_change change = change_at(zone, i);

        if (t < change.at)
            return offset;
        offset = change.offset;
    }
    if ((zone[HEAD] & HAS_RULE) == 0)
        return offset;
    rule = unpack_rule(zone);
    return rule.has_summer ? rl__zone_rule_offset(&rule, t) : rule.standard;
}

static void nearer(int64_t *next, int64_t candidate, int64_t after)
{
    if (candidate > after && candidate < *next)
        *next = candidate;
}

int64_t rl__zone_next(const uint64_t *zone, int64_t t)
{
    size_t count = zone[HEAD] & COUNT_MASK;
    struct rl__zone_rule rule;
    int64_t next = INT64_MAX, year;

    for (size_t i = 0; i < count; i++)
        nearer(&next, change_at(zone, i).at, t);
    if (next != INT64_MAX || (zone[HEAD] & HAS_RULE) == 0 || (zone[HEAD] & HAS_SUMMER) == 0)
        return next;
    rule = unpack_rule(zone);
    year = year_of(t);
    for (int64_t y = year - 1; y <= year + 1; y++) {
        nearer(&next, summer_begins(&rule, y), t);
        nearer(&next, summer_ends(&rule, y), t);
    }
    return next;
}
