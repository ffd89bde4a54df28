/* SPDX-License-Identifier: MIT */
/* Reads RFC 3339 by hand: no locale, no time zone of this machine. */
#include "rfc3339.h"

#include <string.h>

struct cursor {
    const char *at;
    const char *end;
};

static bool digits(struct cursor *c, int count, int64_t min, int64_t max, int64_t *out)
{
    int64_t value = 0;

    for (; count > 0; count--, c->at++) {
        if (c->at == c->end || *c->at < '0' || *c->at > '9')
            return false;
        value = value * 10 + (*c->at - '0');
    }
    *out = value;
    return value >= min && value <= max;
}

static bool one_of(struct cursor *c, const char *wanted)
{
    if (c->at == c->end || *c->at == '\0' || strchr(wanted, *c->at) == NULL)
        return false;
    c->at++;
    return true;
}

/* Days since 1970-01-01 (Howard Hinnant's days_from_civil). */
static int64_t day_number(int64_t year, int64_t month, int64_t day)
{
    int64_t y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool date_read(struct cursor *c, int64_t *days)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int64_t year, month, day;
    bool leap;

    if (!digits(c, 4, 1970, 2261, &year) || !one_of(c, "-") || !digits(c, 2, 1, 12, &month) ||
        !one_of(c, "-") || !digits(c, 2, 1, 31, &day))
        return false;
    leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    *days = day_number(year, month, day);
    return day <= lengths[month - 1] + (month == 2 && leap);
}

static bool clock_read(struct cursor *c, int64_t *seconds, int64_t *nanoseconds)
{
    int64_t hour, minute, second, unit = 100000000;

    if (!digits(c, 2, 0, 23, &hour) || !one_of(c, ":") || !digits(c, 2, 0, 59, &minute) ||
        !one_of(c, ":") || !digits(c, 2, 0, 60, &second))
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    *nanoseconds = 0;
    if (!one_of(c, "."))
        return true;
    if (c->at == c->end || *c->at < '0' || *c->at > '9')
        return false;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, unit /= 10)
        *nanoseconds += (*c->at - '0') * unit;
    return true;
}

static bool offset_read(struct cursor *c, int64_t *seconds)
{
    int64_t hour, minute;
    bool west;

    *seconds = 0;
    if (one_of(c, "Zz"))
        return true;
    west = c->at < c->end && *c->at == '-';
    if (!one_of(c, "+-") || !digits(c, 2, 0, 23, &hour) || !one_of(c, ":") ||
        !digits(c, 2, 0, 59, &minute))
        return false;
    *seconds = (hour * 3600 + minute * 60) * (west ? -1 : 1);
    return true;
}

bool rfc3339_read(const char *text, size_t length, rl_wall_time *out)
{
    struct cursor c = { text, text + length };
    int64_t days, seconds, nanoseconds, offset;

    if (!date_read(&c, &days) || !one_of(&c, "Tt ") || !clock_read(&c, &seconds, &nanoseconds) ||
        !offset_read(&c, &offset) || c.at != c.end)
        return false;
    *out = (days * 86400 + seconds - offset) * INT64_C(1000000000) + nanoseconds;
    return true;
}
