/* SPDX-License-Identifier: MIT */
/* When days begin, as the C library reads the zone in TZ: found by walking through time. */
#ifndef LLMRL_TEST_SYSTEM_CALENDAR_H
#define LLMRL_TEST_SYSTEM_CALENDAR_H

#include <llmrl/limiter.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define CALENDAR_DAYS (61 * 366)
#define CALENDAR_STEP 900

/* What the C library says: moments at which a new day has begun. */
struct calendar {
    int first_year, last_year;
    int64_t begin[CALENDAR_DAYS];
    int day_of_month[CALENDAR_DAYS];
    size_t count;
};

static inline void calendar_zone(const char *name)
{
    assert_int_equal(setenv("TZ", name, 1), 0);
    tzset();
}

/* The local clock in seconds since 1970, less the time of day at which days begin. */
static inline int64_t calendar_local_at(int64_t t, int64_t day_start)
{
    time_t moment = (time_t)t;
    struct tm tm;

    assert_non_null(localtime_r(&moment, &tm));
    return t + tm.tm_gmtoff - day_start;
}

static inline int64_t calendar_day_at(int64_t t, int64_t day_start)
{
    return calendar_local_at(t, day_start) / 86400;
}

static inline int calendar_day_of_month(int64_t day)
{
    time_t moment = (time_t)(day * 86400);
    struct tm tm;

    assert_non_null(gmtime_r(&moment, &tm));
    return tm.tm_mday;
}

static inline int64_t calendar_year(int year)
{
    struct tm tm = { .tm_year = year - 1900, .tm_mday = 1 };

    return (int64_t)timegm(&tm);
}

/* The first second within the last step at which the day is `day` or later. */
static inline int64_t calendar_exact_begin(int64_t t, int64_t day, int64_t day_start)
{
    int64_t before = t - CALENDAR_STEP, at = t;

    while (at - before > 1) {
        int64_t middle = before + (at - before) / 2;

        if (calendar_day_at(middle, day_start) < day)
            before = middle;
        else
            at = middle;
    }
    return at;
}

static inline void calendar_read(struct calendar *c, int64_t day_start)
{
    int64_t from = calendar_year(c->first_year) - 2 * 86400, end = calendar_year(c->last_year + 1);
    int64_t newest = calendar_day_at(from, day_start);

    c->count = 0;
    for (int64_t t = from, day; t < end; t += CALENDAR_STEP) {
        day = calendar_day_at(t, day_start);

        if (day <= newest)
            continue;
        newest = day;
        c->begin[c->count] = calendar_exact_begin(t, day, day_start);
        c->day_of_month[c->count++] = calendar_day_of_month(day);
        t += 20 * 3600; /* no day is shorter */
    }
}

#endif
