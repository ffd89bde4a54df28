/* SPDX-License-Identifier: MIT */
/*
 * Days and months of time zones against the C library's own reading of the zone data: each day of
 * 2000 to 2060. Exits with 77, which is shown as skipped, where there is no zone data.
 */
#include "system_calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST_YEAR 2000
#define UPTIME     (1000 * RL_DAY) /* rl_time when a limiter begins */
#define LAST_YEAR  2060

/* With and without summer time, on both sides of the equator, days without midnight (Santiago,
 * Havana, Cairo, Sao_Paulo), clocks set back over midnight (Havana, St_Johns until 2011), half an
 * hour (Lord_Howe), a day left out (Apia 2011), changes that follow no rule (Casablanca, Gaza). */
static const char *const zone[] = {
    "UTC",
    "America/Los_Angeles",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "America/Havana",
    "America/Sao_Paulo",
    "Europe/London",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Auckland",
};
#define ZONES (sizeof zone / sizeof zone[0])

static rl_limit day_limit(const char *name, int64_t wall, int64_t day_start)
{
    rl_limit limit = RL_LIMIT_INIT;

    limit.algorithm = "fixed_window";
    limit.amount = 1;
    limit.period = RL_DAY;
    limit.align = RL_ALIGN_DAY;
    limit.zone = name;
    limit.day_start = (rl_duration)day_start * RL_SECOND;
    limit.epoch = wall * (int64_t)RL_SECOND - (int64_t)UPTIME;
    return limit;
}

static rl_time rl_time_of(int64_t t, int64_t epoch)
{
    return (rl_time)(t - epoch) * RL_SECOND + UPTIME;
}

/* One request a day: at its beginning it is a yes, and the next is told for the next beginning. */
static void check_day(rl_limiter *limiter, const char *name, int64_t begin, int64_t next,
                      int64_t epoch)
{
    rl_time retry_at, now = rl_time_of(begin, epoch);

    if (begin > epoch && rl_limiter_peek(limiter, 1, now - 1, NULL) != RL_WAIT)
        fail_msg("%s: a day began before %lld", name, (long long)begin);
    if (rl_limiter_take(limiter, 1, now, NULL) != RL_OK)
        fail_msg("%s: no day began at %lld", name, (long long)begin);
    assert_int_equal(rl_limiter_take(limiter, 1, now, &retry_at), RL_WAIT);
    if (retry_at != rl_time_of(next, epoch))
        fail_msg("%s: after %lld comes %lld, not %llu s later", name, (long long)begin,
                 (long long)next, (unsigned long long)((retry_at - now) / RL_SECOND));
}

/* `years`: how long a plan is used; those with changes that follow no rule need a new one. */
static void check_zone(const struct calendar *c, const char *name, int64_t day_start, int years)
{
    rl_limiter limiter = { 0 };
    int64_t epoch = 0, until = 0;
    int year = FIRST_YEAR;

    for (size_t i = 0; i + 1 < c->count; i++) {
        if (c->begin[i] >= until) {
            rl_limit limit = day_limit(name, c->begin[i], day_start);

            for (epoch = c->begin[i]; calendar_year(year) <= epoch; year++)
                ;
            until = calendar_year(year + years - 1);
            assert_int_equal(rl_limiter_init(&limiter, &limit, UPTIME), RL_OK);
        }
        check_day(&limiter, name, c->begin[i], c->begin[i + 1], epoch);
    }
}

static struct calendar calendar = { .first_year = FIRST_YEAR, .last_year = LAST_YEAR };

static void each_day_begins_when_the_system_says(void **ctx)
{
    (void)ctx;
    for (size_t i = 0; i < ZONES; i++) {
        calendar_zone(zone[i]);
        calendar_read(&calendar, 0);
        check_zone(&calendar, zone[i], 0, 1);
    }
}

static void days_may_begin_at_another_hour(void **ctx)
{
    static const int64_t hour[] = { 2 * 3600 + 1800, 17 * 3600, 86399 };

    (void)ctx;
    for (size_t i = 0; i < sizeof hour / sizeof hour[0]; i++) {
        calendar_zone("America/New_York");
        calendar_read(&calendar, hour[i]);
        check_zone(&calendar, "America/New_York", hour[i], 1);
    }
}

/* From 2008 on these have kept their rules: one plan lasts. */
static void a_rule_lasts_for_ever(void **ctx)
{
    static const char *const name[][2] = {
        { "America/Los_Angeles", "PST8PDT,M3.2.0,M11.1.0" },
        { "Pacific/Auckland", "NZST-12NZDT,M9.5.0,M4.1.0/3" },
        { "Asia/Kathmandu", "<+0545>-5:45" },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        size_t skipped = 0;

        calendar_zone(name[i][0]);
        calendar_read(&calendar, 0);
        while (calendar.begin[skipped] < calendar_year(2008))
            skipped++;
        calendar.count -= skipped;
        for (size_t k = 0; k < calendar.count; k++)
            calendar.begin[k] = calendar.begin[k + skipped];
        check_zone(&calendar, name[i][0], 0, 100);
        check_zone(&calendar, name[i][1], 0, 100);
    }
}

static void each_month_begins_with_its_first_day(void **ctx)
{
    rl_limit limit = day_limit("America/Sao_Paulo", 0, 0);
    rl_limiter limiter = { 0 };
    int64_t epoch = 0;

    (void)ctx;
    calendar_zone("America/Sao_Paulo");
    calendar_read(&calendar, 0);
    limit.align = RL_ALIGN_MONTH;
    limit.period = 30 * RL_DAY;
    for (size_t i = 0, months = 0; i + 32 < calendar.count; i++) {
        size_t next = i + 1;

        if (calendar.day_of_month[i] != 1)
            continue;
        while (calendar.day_of_month[next] != 1)
            next++;
        if (months++ % 12 == 0) {
            epoch = calendar.begin[i];
            limit.epoch = epoch * (int64_t)RL_SECOND - (int64_t)UPTIME;
            assert_int_equal(rl_limiter_init(&limiter, &limit, UPTIME), RL_OK);
        }
        check_day(&limiter, "month", calendar.begin[i], calendar.begin[next], epoch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_day_begins_when_the_system_says),
        cmocka_unit_test(days_may_begin_at_another_hour),
        cmocka_unit_test(a_rule_lasts_for_ever),
        cmocka_unit_test(each_month_begins_with_its_first_day),
    };

    for (size_t i = 1; i < ZONES; i++) {
        char path[128];

        (void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", zone[i]);
        if (access(path, R_OK) != 0)
            return 77;
    }
    return cmocka_run_group_tests_name("prop_calendar", tests, NULL, NULL);
}
