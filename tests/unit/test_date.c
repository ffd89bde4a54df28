/* SPDX-License-Identifier: MIT */
/* HTTP dates and RFC 3339, checked against strftime(3) and by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define BAD INT64_MIN

static void reads_the_three_http_dates(void **state)
{
    const rl_wall_time now = INT64_C(784111777) * (int64_t)RL_SECOND; /* 1994-11-06 */
    static const struct {
        const char *text;
        int64_t want; /* seconds */
    } row[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Sun Nov  6 08:49:37 1994", 784111777 },
        { "Wed Nov 16 08:49:37 1994", 784975777 },
        { "Mon, 06 Nov 1994 08:49:37 GMT", 784111777 }, /* a wrong weekday is forgiven */
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Thu, 29 Feb 2024 12:00:00 GMT", 1709208000 },
        { "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 }, /* a leap second */
        { "Wed, 29 Feb 2023 12:00:00 GMT", BAD },
        { "Sun, 00 Nov 1994 08:49:37 GMT", BAD },
        { "Sun, 31 Nov 1994 08:49:37 GMT", BAD },
        { "Sun, 06 Nov 1994 24:00:00 GMT", BAD },
        { "Sun, 06 Nov 1994 08:60:00 GMT", BAD },
        { "Sun, 06 Nov 1994 08:49:61 GMT", BAD },
        { "Sun, 06 Nov 1994 08:49:37 UTC", BAD },
        { "Sun, 06 Nov 1994 08:49:37", BAD },
        { "Sun, 6 Nov 1994 08:49:37 GMT", BAD },
        { "Sun, 06 nov 1994 08:49:37 GMT", BAD },
        { "sun, 06 Nov 1994 08:49:37 GMT", BAD },
        { "Sun, 06 Nov 1994 08:49:37 GMT ", BAD },
        { "Sun, 06 Nov 9999 08:49:37 GMT", BAD }, /* rl_wall_time ends in 2262 */
        { "Sun Nov 6 08:49:37 1994", BAD },
        { "", BAD },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_wall_time got = BAD;
        int ok = rl__date_http(row[i].text, strlen(row[i].text), now, &got);

        if (ok != (row[i].want != BAD) || (ok && got != row[i].want * (int64_t)RL_SECOND))
            fail_msg("row %zu \"%s\": got %lld", i, row[i].text, (long long)got);
    }
}

static void a_two_digit_year_is_the_nearest(void **state)
{
    static const struct {
        int64_t now_year; /* since 1970, roughly */
        const char *text;
        int year;
    } row[] = {
        { 1994, "Sunday, 06-Nov-94 08:49:37 GMT", 1994 },
        { 2026, "Sunday, 06-Nov-94 08:49:37 GMT", 1994 },
        { 2026, "Friday, 06-Nov-26 08:49:37 GMT", 2026 },
        { 2026, "Friday, 06-Nov-76 08:49:37 GMT", 2076 },
        { 2026, "Friday, 06-Nov-77 08:49:37 GMT", 1977 },
        { 2099, "Friday, 06-Nov-01 08:49:37 GMT", 2101 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_wall_time now, got = 0;
        struct tm tm;
        time_t seconds;

        assert_true(rl__date_from_civil(row[i].now_year, 7, 1, 0, &now));
        assert_true(rl__date_http(row[i].text, strlen(row[i].text), now, &got));
        seconds = (time_t)(got / (int64_t)RL_SECOND);
        assert_non_null(gmtime_r(&seconds, &tm));
        if (tm.tm_year + 1900 != row[i].year)
            fail_msg("row %zu: got %d", i, tm.tm_year + 1900);
    }
}

static void reads_rfc3339(void **state)
{
    static const struct {
        const char *text;
        int64_t want; /* nanoseconds */
    } row[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-06-08T18:45:44Z", INT64_C(1780944344000000000) },
        { "2026-06-08t18:45:44z", INT64_C(1780944344000000000) },
        { "2026-06-08 18:45:44Z", INT64_C(1780944344000000000) },
        { "2026-06-08T20:45:44+02:00", INT64_C(1780944344000000000) },
        { "2026-06-08T18:15:44-00:30", INT64_C(1780944344000000000) },
        { "2026-06-08T18:45:44.5Z", INT64_C(1780944344500000000) },
        { "2026-06-08T18:45:44.123456789999Z", INT64_C(1780944344123456789) },
        { "1969-12-31T23:59:59Z", -INT64_C(1000000000) },
        { "2026-06-08T20:45:44+0200", INT64_C(1780944344000000000) },
        { "2026-06-08 18:45:44 UTC", INT64_C(1780944344000000000) },
        { "2026-06-08 18:45:44.5 GMT", INT64_C(1780944344500000000) },
        { "2026-06-08 18:45:44 CET", BAD },
        { "2026-06-08T18:45:44 UTC+1", BAD },
        { "2026-06-08T18:45:44+020", BAD },
        { "2026-06-08T18:45:44+02000", BAD },
        { "2026-06-08T18:45:44", BAD },
        { "2026-06-08T18:45:44.Z", BAD },
        { "2026-06-08T18:45Z", BAD },
        { "2026-6-8T18:45:44Z", BAD },
        { "2026-13-08T18:45:44Z", BAD },
        { "2026-06-31T18:45:44Z", BAD },
        { "2026-06-08T18:45:44+2:00", BAD },
        { "2026-06-08T18:45:44+24:00", BAD },
        { "2026-06-08T18:45:44Zx", BAD },
        { "9999-12-31T23:59:59Z", BAD },
        { "0000-01-01T00:00:00Z", BAD },
        { "0001-01-01T00:00:00Z", BAD },
        { "", BAD },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_wall_time got = BAD;
        int ok = rl__date_rfc3339(row[i].text, strlen(row[i].text), &got);

        if (ok != (row[i].want != BAD) || (ok && got != row[i].want))
            fail_msg("row %zu \"%s\": got %lld", i, row[i].text, (long long)got);
    }
}

static void reads_dates_of_javascript(void **state)
{
    static const struct {
        const char *text;
        int64_t want; /* seconds */
    } row[] = {
        { "Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard Time)", 1613462562 },
        { "Tue Feb 16 2021 09:02:42 GMT+0100", 1613462562 },
        { "Tue Feb 16 2021 03:32:42 GMT-0430 (x)", 1613462562 },
        { "Tue Feb 16 2021 09:02:42 GMT+01:00", BAD },
        { "Tue Feb 16 2021 09:02:42 GMT+0100 (x", BAD },
        { "Tue Feb 16 2021 09:02:42 GMT+0100 x", BAD },
        { "Tue Feb 16 2021 09:02:42 GMT", BAD },
        { "Tue Feb 16 2021 09:02:42", BAD },
        { "", BAD },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_wall_time got = BAD;
        int ok = rl__date_script(row[i].text, strlen(row[i].text), &got);

        if (ok != (row[i].want != BAD) || (ok && got != row[i].want * (int64_t)RL_SECOND))
            fail_msg("row %zu \"%s\": got %lld", i, row[i].text, (long long)got);
    }
}

static void agrees_with_strftime_all_along(void **state)
{
    (void)state;
    for (int64_t seconds = -INT64_C(9000000000); seconds < INT64_C(9000000000);
         seconds += 86400 * 3 + 3661) {
        time_t at = (time_t)seconds;
        struct tm tm;
        char text[64];
        rl_wall_time got;

        assert_non_null(gmtime_r(&at, &tm));
        assert_true(strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0);
        assert_true(rl__date_http(text, strlen(text), 0, &got));
        assert_true(got == seconds * (int64_t)RL_SECOND);
        assert_true(strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
        assert_true(rl__date_rfc3339(text, strlen(text), &got));
        assert_true(got == seconds * (int64_t)RL_SECOND);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_three_http_dates),
        cmocka_unit_test(a_two_digit_year_is_the_nearest),
        cmocka_unit_test(reads_rfc3339),
        cmocka_unit_test(reads_dates_of_javascript),
        cmocka_unit_test(agrees_with_strftime_all_along),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
