/* SPDX-License-Identifier: MIT */
/* Counts, spans and moments: what is read, what is refused, and that nothing is read in part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/duration.h"

#include <string.h>

#define BAD UINT64_MAX

static void reads_counts_strictly(void **state)
{
    static const struct {
        const char *text;
        uint64_t want;
    } row[] = {
        { "0", 0 },
        { " 42\t", 42 },
        { "9007199254740992", UINT64_C(1) << 53 },
        { "0000000000000000000000000000001", 1 },
        { "9007199254740993", BAD },
        { "18446744073709551616", BAD },
        { "99999999999999999999999999", BAD },
        { "", BAD },
        { " ", BAD },
        { "-1", BAD },
        { "+1", BAD },
        { "1.0", BAD },
        { "1e3", BAD },
        { "0x10", BAD },
        { "1 2", BAD },
        { "nan", BAD },
        { "None", BAD },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint64_t got = BAD;

        if (rl__count_read(row[i].text, strlen(row[i].text), &got) != (row[i].want != BAD) ||
            got != row[i].want)
            fail_msg("row %zu \"%s\": got %llu", i, row[i].text, (unsigned long long)got);
    }
}

static void reads_durations_of_every_form(void **state)
{
    static const struct {
        const char *text;
        rl_duration want;
    } row[] = {
        { "6m0s", 6 * RL_MINUTE },
        { "1m30.951s", 90951 * RL_MILLISECOND },
        { "2ms", 2 * RL_MILLISECOND },
        { "7.66s", 7660 * RL_MILLISECOND },
        { "120ms", 120 * RL_MILLISECOND },
        { "17.399999999s", UINT64_C(17399999999) },
        { "1m0.363142857s", UINT64_C(60363142857) },
        { "9m38.016s", 578016 * RL_MILLISECOND },
        { "373.801628ms", UINT64_C(373801628) },
        { "1h2m3s", RL_HOUR + 2 * RL_MINUTE + 3 * RL_SECOND },
        { "24h", RL_DAY },
        { "1d", RL_DAY },
        { "15us", 15000 },
        { "15\xc2\xb5s", 15000 },
        { "7ns", 7 },
        { "0s", 0 },
        { "0", 0 },
        { "2", 2 * RL_SECOND },
        { "0.5", RL_SECOND / 2 },
        { "11.382867097854614", UINT64_C(11382867097) },
        { "0.00000000000000000000000001", 0 },
        { "366d", 366 * RL_DAY },
        { "367d", BAD },
        { "99999999999999999999h", BAD },
        { "1m30", BAD },
        { "1.5.5s", BAD },
        { "-5s", BAD },
        { "5 s", BAD },
        { "5x", BAD },
        { "s", BAD },
        { ".5s", BAD },
        { "5.s", BAD },
        { "1e3s", BAD },
        { "inf", BAD },
        { "", BAD },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_duration got = BAD;

        if (rl__duration_read(row[i].text, strlen(row[i].text), &got) != (row[i].want != BAD) ||
            got != row[i].want)
            fail_msg("row %zu \"%s\": got %llu", i, row[i].text, (unsigned long long)got);
    }
}

static void finds_the_duration_a_sentence_goes_on_with(void **state)
{
    static const struct {
        const char *text;
        size_t used;
        rl_duration want;
    } row[] = {
        { "634ms. Visit", 5, 634 * RL_MILLISECOND },
        { "12.441s.", 7, 12441 * RL_MILLISECOND },
        { "6m0s", 4, 6 * RL_MINUTE },
        { "86400 seconds. Please", 13, RL_DAY },
        { "1 minute", 8, RL_MINUTE },
        { "2 hours,", 7, 2 * RL_HOUR },
        { "20s", 3, 20 * RL_SECOND },
        { "5", 0, 0 },
        { "5 apples", 0, 0 },
        { "5 secondary", 0, 0 },
        { "5mm", 0, 0 },
        { "a while", 0, 0 },
        { "9999999 days", 0, 0 },
        { "", 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_duration got = 0;
        size_t used = rl__duration_prefix(row[i].text, strlen(row[i].text), &got);

        if (used != row[i].used || got != row[i].want)
            fail_msg("row %zu \"%s\": used %zu, got %llu", i, row[i].text, used,
                     (unsigned long long)got);
    }
}

static void tells_spans_from_moments(void **state)
{
    const rl_wall_time now = INT64_C(1790000000) * (int64_t)RL_SECOND;
    static const struct {
        const char *text;
        enum rl__when_form form;
        rl_duration after; /* from `now` */
    } row[] = {
        { "55", RL__WHEN_AUTO, 55 * RL_SECOND },
        { "0.25", RL__WHEN_AUTO, RL_SECOND / 4 },
        { "30 seconds", RL__WHEN_AUTO, 30 * RL_SECOND },
        { " 2 minutes ", RL__WHEN_MILLISECONDS, 2 * RL_MINUTE },
        { "30 seconds or so", RL__WHEN_AUTO, BAD },
        { "30 ", RL__WHEN_MILLISECONDS, 30 * RL_MILLISECOND },
        { "1790000030", RL__WHEN_AUTO, 30 * RL_SECOND },
        { "1790000030.5", RL__WHEN_AUTO, 30500 * RL_MILLISECOND },
        { "1790000030500", RL__WHEN_AUTO, 30500 * RL_MILLISECOND },
        { "1000000000", RL__WHEN_AUTO, 0 }, /* the past */
        { "31622400", RL__WHEN_AUTO, 366 * RL_DAY },
        { "31622401", RL__WHEN_AUTO, BAD },
        { "999999999", RL__WHEN_AUTO, BAD },  /* more than a year, less than an epoch */
        { "9999999999", RL__WHEN_AUTO, BAD }, /* 2286 */
        { "99999999999999999999", RL__WHEN_AUTO, BAD },
        { "2000", RL__WHEN_MILLISECONDS, 2 * RL_SECOND },
        { "1.5", RL__WHEN_MILLISECONDS, 1500000 },
        { "1790000030", RL__WHEN_SECONDS, BAD },
        { "1790000030", RL__WHEN_EPOCH, 30 * RL_SECOND },
        { "6m0s", RL__WHEN_AUTO, 6 * RL_MINUTE },
        { "2026-09-21T14:13:25Z", RL__WHEN_AUTO, 5 * RL_SECOND },
        { "Mon, 21 Sep 2026 14:13:25 GMT", RL__WHEN_AUTO, 5 * RL_SECOND },
        { "Fri, 31 Dec 9999 23:59:59 GMT", RL__WHEN_AUTO, BAD },
        { "1970-01-01T00:00:00Z", RL__WHEN_AUTO, 0 },
        { "soon", RL__WHEN_AUTO, BAD },
        { "", RL__WHEN_AUTO, BAD },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rl__when when;
        rl_duration got = BAD;

        if (rl__when_read(row[i].text, strlen(row[i].text), row[i].form, now, &when) &&
            !rl__when_resolve(&when, now, &got))
            got = BAD;
        if (got != row[i].after)
            fail_msg("row %zu \"%s\": got %llu", i, row[i].text, (unsigned long long)got);
    }
}

static void the_ends_of_time_do_not_overflow(void **state)
{
    struct rl__when when = { .absolute = 1, .wall = INT64_MAX };
    rl_duration after = 7;

    (void)state;
    assert_int_equal(rl__when_resolve(&when, INT64_MIN, &after), 0);
    assert_int_equal(after, 7);
    when.wall = INT64_MIN;
    assert_int_equal(rl__when_resolve(&when, INT64_MAX, &after), 1);
    assert_int_equal(after, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_counts_strictly),
        cmocka_unit_test(reads_durations_of_every_form),
        cmocka_unit_test(finds_the_duration_a_sentence_goes_on_with),
        cmocka_unit_test(tells_spans_from_moments),
        cmocka_unit_test(the_ends_of_time_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
