/* SPDX-License-Identifier: MIT */
/* Days and months of a time zone. */
#include "limiter/zone.h"

#define DAY         INT64_C(86400)
#define OFFSET_MOST INT64_C(93600) /* 26 h: no zone is further from Greenwich, either way */
#define SETBACK     INT64_C(14400) /* 4 h: no clock has been set back by more since 1970 */

/* Years begin in March here, so that February 29 is the last day. Source: H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms"; for days after 0000-03-01. */
int64_t rl__days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2), era = y / 400, year_of_era = y % 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

void rl__civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    int64_t z = days + 719468, era = z / 146097, of_era = z % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march = (5 * of_year + 2) / 153;

    *day = (unsigned)(of_year - (153 * march + 2) / 5 + 1);
    *month = (unsigned)(march < 10 ? march + 3 : march - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

/* The local clock runs between changes of the offset and jumps at them: the moment lies in the
 * first stretch that reaches it, or at the jump that passes it. */
int64_t rl__zone_reaches(const uint64_t *zone, int64_t local)
{
    int64_t t = local - OFFSET_MOST;

    for (;;) {
        int64_t next = rl__zone_next(zone, t), then = local - rl__zone_offset(zone, t);

        if (then <= t)
            return t;
        if (then < next)
            return then;
        t = next;
    }
}

int64_t rl__zone_day(const uint64_t *zone, int64_t t, int64_t day_start)
{
    int32_t offset;
    int is_fixed = rl__zone_is_fixed(zone, &offset);
    int64_t local = t + (is_fixed ? offset : rl__zone_offset(zone, t)) - day_start;
    int64_t day = local >= 0 ? local / DAY : -1 - (-1 - local) / DAY;
    int64_t left = (day + 1) * DAY - local;

    if (!is_fixed && left <= SETBACK && rl__zone_reaches(zone, (day + 1) * DAY + day_start) <= t)
        return day + 1; /* it had begun before the clock was set back */
    return day;
}
