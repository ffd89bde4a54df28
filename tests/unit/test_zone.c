/* SPDX-License-Identifier: MIT */
/* Days and dates against counting them, rules of zones against the C library, and files of the zone
 * database that were made here: whole ones and damaged ones. */
#include "limiter/zone.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY  INT64_C(86400)
#define HOUR INT64_C(3600)

/* A program's own read() comes before libc's: here it gives a little at a time, and is interrupted
 * in between; errno stays at that. */
static size_t reads, room;

ssize_t read(int fd, void *buffer, size_t size) /* NOLINT: libc's own names are reserved ones */
{
    if (room == 0)
        return syscall(SYS_read, fd, buffer, size);
    assert_true(size <= room);
    if (++reads % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    size = (size_t)syscall(SYS_read, fd, buffer, size < 7 ? size : 7);
    room -= size;
    return (ssize_t)size;
}

/* ---- dates ---- */

static unsigned days_in(int64_t year, unsigned month)
{
    static const unsigned usual[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int leap = year % 400 == 0 || (year % 100 != 0 && year % 4 == 0);

    return usual[month - 1] + (month == 2 && leap);
}

static void days_are_counted(void **ctx)
{
    int64_t day = -135140; /* 1600-01-01 */

    (void)ctx;
    for (int64_t year = 1600; year < 2801; year++)
        for (unsigned month = 1; month <= 12; month++)
            for (unsigned of_month = 1; of_month <= days_in(year, month); of_month++, day++) {
                int64_t y;
                unsigned m, d;

                rl__civil_from_days(day, &y, &m, &d);
                if (y != year || m != month || d != of_month ||
                    rl__days_from_civil(year, month, of_month) != day)
                    fail_msg("day %lld is not %lld-%u-%u", (long long)day, (long long)year, month,
                             of_month);
            }
    assert_int_equal(day, 303517); /* 2801-01-01 */
}

/* Before 1970, too: wall time may be near it, and the zone west. */
static void days_begin_where_the_local_clock_says(void **ctx)
{
    static const int32_t offset[] = { -12 * 3600, -5400, 0, 1, 14 * 3600 };

    (void)ctx;
    for (size_t i = 0; i < sizeof offset / sizeof offset[0]; i++)
        for (int64_t t = -5 * DAY; t < 5 * DAY; t += 450) {
            struct rl__zone_rule rule = { .standard = offset[i] };
            int64_t local = t + offset[i] - HOUR, day = (local + 10 * DAY) / DAY - 10;
            uint64_t zone[RL__ZONE_WORDS] = { 0 };

            rl__zone_pack(zone, rule.standard, NULL, 0, &rule);
            assert_int_equal(rl__zone_day(zone, t, HOUR), day);
            assert_true(rl__zone_next(zone, t) == INT64_MAX);
            assert_int_equal(rl__zone_reaches(zone, t + offset[i]), t);
        }
}

/* With a rule it is the rule's offset that lasts, without one the base. */
static void a_zone_that_never_changes_is_known(void **ctx)
{
    struct rl__zone_rule rule = { .standard = 2 * HOUR, .summer = 3 * HOUR };
    struct rl__zone_change change = { DAY, 5 * HOUR };
    uint64_t without[RL__ZONE_WORDS] = { 0 }, with[RL__ZONE_WORDS] = { 0 };
    uint64_t later[RL__ZONE_WORDS] = { 0 }, summer[RL__ZONE_WORDS] = { 0 };
    int32_t offset;

    (void)ctx;
    rl__zone_pack(without, -HOUR, NULL, 0, NULL);
    assert_true(rl__zone_is_fixed(without, &offset));
    assert_int_equal(offset, -HOUR);
    assert_int_equal(offset, rl__zone_offset(without, 9 * DAY));
    rl__zone_pack(with, -HOUR, NULL, 0, &rule);
    assert_true(rl__zone_is_fixed(with, &offset));
    assert_int_equal(offset, 2 * HOUR);
    assert_int_equal(offset, rl__zone_offset(with, 9 * DAY));
    rl__zone_pack(later, -HOUR, &change, 1, NULL);
    assert_false(rl__zone_is_fixed(later, &offset));
    rule.has_summer = 1;
    rl__zone_pack(summer, -HOUR, NULL, 0, &rule);
    assert_false(rl__zone_is_fixed(summer, &offset));
}

/* ---- rules ---- */

#define DATE(k, m, w, d, t)                                                                        \
    {                                                                                              \
        .kind = (k), .month = (m), .week = (w), .day = (d), .time = (t)                            \
    }

static void rules_are_read(void **ctx)
{
    static const struct {
        const char *text;
        struct rl__zone_rule rule;
    } row[] = {
        { "UTC0", { .standard = 0 } },
        { "AZaz1", { .standard = -3600 } },
        { "zaZA-1", { .standard = 3600 } },
        { "ABC+1:30", { .standard = -5400 } },
        { "ABC-1:30:15", { .standard = 5415 } },
        { "ABC24:59:59", { .standard = -89999 } },
        { "<-03>3", { .standard = -10800 } },
        { "<+0545>-5:45", { .standard = 20700 } },
        { "<aZ9>0", { .standard = 0 } },
        { "AAA3BBB,M3.2.0,M11.1.6",
          { -10800, -7200, 1, DATE('M', 3, 2, 0, 7200), DATE('M', 11, 1, 6, 7200) } },
        { "AAA3BBB1:30,M1.1.0/-167,M12.5.0/167",
          { -10800, -5400, 1, DATE('M', 1, 1, 0, -601200), DATE('M', 12, 5, 0, 601200) } },
        { "AAA0<BB+>,J1/0,J365/23:59:58",
          { 0, 3600, 1, DATE('J', 0, 0, 1, 0), DATE('J', 0, 0, 365, 86398) } },
        { "AAA0BBB,0/+1,365/24",
          { 0, 3600, 1, DATE('N', 0, 0, 0, 3600), DATE('N', 0, 0, 365, 86400) } },
    };
    struct rl__zone_rule rule;

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        const struct rl__zone_rule *want = &row[i].rule;

        memset(&rule, 0x5a, sizeof rule);
        if (!rl__zone_parse_rule(row[i].text, &rule))
            fail_msg("%s is a rule", row[i].text);
        assert_int_equal(rule.standard, want->standard);
        assert_int_equal(rule.summer, want->summer);
        assert_int_equal(rule.has_summer, want->has_summer);
        assert_memory_equal(&rule.start, &want->start, sizeof rule.start);
        assert_memory_equal(&rule.end, &want->end, sizeof rule.end);
    }
}

static void what_is_no_rule_is_refused(void **ctx)
{
    static const char *const text[] = {
        "",
        "ABC",
        "AB1",
        "1",
        "[BC1",
        "@BC1",
        "`bc1",
        "{bc1",
        "A[C1",
        "A@C1",
        "a`c1",
        "a{c1",
        "<AB>3",
        "<>3",
        "<ABC3",
        "<A_C>3",
        "ABCx",
        "ABC-",
        "ABC25",
        "ABC-25",
        "ABC240",
        "ABC1:60",
        "ABC1:59:60",
        "ABC1:",
        "ABC1:1:",
        "ABC1x",
        "AAA0BB,J60,J300",
        "AAA0BBB",
        "AAA0BBB1",
        "AAA0BBB,J60",
        "AAA0BBB,J60,",
        "AAA0BBBJ60,J300",
        "AAA0BBB,J60J300",
        "AAA0BBB,J60,J300x",
        "AAA0BBB25,J60,J300",
        "AAA0BBB,J0,J300",
        "AAA0BBB,J60,J366",
        "AAA0BBB,J60,J3650",
        "AAA0BBB,60,366",
        "AAA0BBB,-1,300",
        "AAA0BBB,M0.1.0,J300",
        "AAA0BBB,M13.1.0,J300",
        "AAA0BBB,M3.0.0,J300",
        "AAA0BBB,M3.6.0,J300",
        "AAA0BBB,M3.1.7,J300",
        "AAA0BBB,M3-1.0,J300",
        "AAA0BBB,M3.1-0,J300",
        "AAA0BBB,M3.1,J300",
        "AAA0BBB,J60/168,J300",
        "AAA0BBB,J60/-168,J300",
        "AAA0BBB,J60/,J300",
        "AAA0BBB,J60/1:60,J300",
    };
    struct rl__zone_rule rule;

    (void)ctx;
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        if (rl__zone_parse_rule(text[i], &rule))
            fail_msg("%s is no rule", text[i]);
}

static uint64_t dice_state = 20260108;

static unsigned dice(unsigned sides)
{
    dice_state = dice_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(dice_state >> 33) % sides;
}

/* A date of spring (or of autumn); not near New Year, where libraries differ. */
static void write_date(char *text, size_t size, int autumn)
{
    unsigned of_year = (autumn ? 245 : 35) + dice(75);

    switch (dice(4)) {
    case 0:
        (void)snprintf(text, size, ",J%u/%u", of_year, dice(24));
        break;
    case 1:
        (void)snprintf(text, size, ",%u", of_year);
        break;
    default:
        (void)snprintf(text, size, ",M%u.%u.%u/%u:%u", (autumn ? 9 : 2) + dice(3), 1 + dice(5),
                       dice(7), dice(24), dice(60));
        break;
    }
}

static void write_rule(char *text, size_t size)
{
    static const char *const summer[] = { "BBB", "BBB-3", "BBB4:30" };
    char first[32], second[32];
    unsigned s = dice(3);
    int autumn = (int)dice(2);

    write_date(first, sizeof first, autumn);
    write_date(second, sizeof second, !autumn);
    (void)snprintf(text, size, "AAA%s%s%s%s",
                   s == 1   ? "-2"
                   : s == 2 ? "5"
                            : (const char *[]){ "0", "11", "-12:45" }[dice(3)],
                   summer[s], first, second);
}

static int64_t system_offset(int64_t t)
{
    time_t moment = (time_t)t;
    struct tm tm;

    assert_non_null(localtime_r(&moment, &tm));
    return tm.tm_gmtoff;
}

/* From change to change for a while, and each time half-way between. */
static void follow(const char *text, int64_t t)
{
    struct rl__zone_rule rule;
    uint64_t zone[RL__ZONE_WORDS] = { 0 };

    assert_true(rl__zone_parse_rule(text, &rule));
    rl__zone_pack(zone, rule.standard, NULL, 0, &rule);
    for (int i = 0; i < 12; i++) {
        int64_t next = rl__zone_next(zone, t), middle = t + (next - t) / 2;

        if (next <= t || next > t + 300 * DAY || system_offset(t) != rl__zone_offset(zone, t) ||
            system_offset(middle) != rl__zone_offset(zone, middle) ||
            system_offset(next - 1) != rl__zone_offset(zone, next - 1) ||
            system_offset(next) != rl__zone_offset(zone, next) ||
            system_offset(next) == system_offset(next - 1))
            fail_msg("%s: at %lld, next %lld", text, (long long)t, (long long)next);
        t = next;
    }
}

static void rules_agree_with_the_system(void **ctx)
{
    (void)ctx;
    for (int i = 0; i < 400; i++) {
        char text[128];

        write_rule(text, sizeof text);
        assert_int_equal(setenv("TZ", text, 1), 0);
        tzset();
        follow(text, INT64_C(31536000) + dice(2000000000));
        follow(text, INT64_C(4070908800) + dice(100000000)); /* around 2100, no leap year */
        follow(text, INT64_C(951000000) + dice(10000000));   /* and 2000, which is one */
        follow(text, INT64_C(3500000000) + dice(10000000));
    }
    for (unsigned month = 1; month <= 12; month++) { /* the last week of each, leap year or not */
        char text[128];

        (void)snprintf(text, sizeof text, "AAA0BBB,M%u.5.%u,M%u.%u.3", month, dice(7),
                       (month + 5) % 12 + 1, 1 + dice(5));
        assert_int_equal(setenv("TZ", text, 1), 0);
        tzset();
        follow(text, INT64_C(1600000000) + dice(100000000));
    }
}

/* Summer that ends with the year there, when it is already the next one here. */
static void a_year_is_that_of_the_place(void **ctx)
{
    struct rl__zone_rule rule;
    int64_t new_year = rl__days_from_civil(2031, 1, 1) * DAY, end = new_year + 10 * HOUR;

    (void)ctx;
    assert_true(rl__zone_parse_rule("AAA12BBB,J60,J365/23", &rule));
    assert_int_equal(rl__zone_rule_offset(&rule, new_year - 4 * HOUR), -11 * HOUR);
    assert_int_equal(rl__zone_rule_offset(&rule, end - 1), -11 * HOUR);
    assert_int_equal(rl__zone_rule_offset(&rule, end), -12 * HOUR);
    assert_true(rl__zone_parse_rule("AAA0BBB,J60/1,J60/2", &rule)); /* not one second long */
    assert_int_equal(rl__zone_rule_offset(&rule, new_year), 0);
    assert_int_equal(rl__zone_rule_offset(&rule, new_year + 200 * DAY), 0);
}

/* The clock shows 00:30, then 23:30: the day stays. */
static void a_day_does_not_end_twice(void **ctx)
{
    struct rl__zone_rule rule;
    uint64_t zone[RL__ZONE_WORDS] = { 0 };
    int64_t change, day;

    (void)ctx;
    assert_true(rl__zone_parse_rule("AAA0BBB,M3.5.0/0,M10.1.0/0:30", &rule));
    rl__zone_pack(zone, rule.standard, NULL, 0, &rule);
    change = rl__zone_next(zone, rl__days_from_civil(2030, 7, 1) * DAY);
    day = (change + HOUR) / DAY;
    assert_int_equal((change + HOUR) % DAY, HOUR / 2);
    assert_int_equal(rl__zone_day(zone, change - HOUR / 2 - 1, 0), day - 1);
    assert_int_equal(rl__zone_day(zone, change - HOUR / 2, 0), day);
    assert_int_equal(rl__zone_day(zone, change, 0), day);
    assert_int_equal(rl__zone_day(zone, change + HOUR / 2 - 1, 0), day);
    assert_int_equal(rl__zone_day(zone, change + HOUR / 2, 0), day);
    assert_int_equal(rl__zone_day(zone, change - 12 * HOUR, 0), day - 1);
}

/* ---- files ---- */

#define FILE_MOST 2000

struct file {
    uint8_t byte[FILE_MOST];
    size_t length;
};

static void put(struct file *f, uint64_t value, size_t bytes)
{
    while (bytes-- > 0)
        f->byte[f->length++] = (uint8_t)(value >> 8 * bytes);
}

struct change {
    int64_t at;
    int32_t offset;
};

/* A block with one type for each change, and something in every part that is skipped. */
#define BEHIND (5 + 3 * 12 + 2 + 1) /* bytes after the types in a block of wide times */

static void put_block(struct file *f, const struct change *change, size_t count, size_t wide)
{
    static const uint32_t universals = 1, standards = 2, leaps = 3, letters = 5;

    memcpy(f->byte + f->length, "TZif2", 5);
    memset(f->byte + f->length + 5, 0, 15);
    f->length += 20;
    put(f, universals, 4);
    put(f, standards, 4);
    put(f, leaps, 4);
    put(f, count, 4);
    put(f, count + 1, 4);
    put(f, letters, 4);
    for (size_t i = 0; i < count; i++)
        put(f, (uint64_t)change[i].at, wide);
    for (size_t i = 0; i < count; i++)
        put(f, i + 1, 1);
    put(f, 7200, 4); /* before the first */
    put(f, 0, 2);
    for (size_t i = 0; i < count; i++) {
        put(f, (uint32_t)change[i].offset, 4);
        put(f, 0x1ff, 2);
    }
    for (size_t i = 0; i < letters + leaps * (wide + 4) + standards + universals; i++)
        put(f, 0xee, 1);
}

static struct file file_of(const struct change *change, size_t count, const char *rule)
{
    static const struct change old[] = { { 5, 60 }, { 6, 120 } };
    struct file f = { .length = 0 };

    put_block(&f, old, 2, 4);
    put_block(&f, change, count, 8);
    put(&f, '\n', 1);
    memcpy(f.byte + f.length, rule, strlen(rule));
    f.length += strlen(rule);
    put(&f, '\n', 1);
    return f;
}

static int read_file(const struct file *f, int64_t now, uint64_t *zone)
{
    uint8_t *copy = malloc(f->length + 1); /* so that AddressSanitizer sees the end */
    int is_read;

    assert_non_null(copy);
    memset(zone, 0, RL__ZONE_WORDS * sizeof *zone);
    memcpy(copy, f->byte, f->length);
    copy = realloc(copy, f->length > 0 ? f->length : 1);
    assert_non_null(copy);
    is_read = rl__zone_read(copy, f->length, now, zone);
    free(copy);
    return is_read;
}

/* What the file says: the last change that is not after t; those before `now` do not matter. */
static int32_t listed(const struct change *change, size_t count, int64_t t)
{
    int32_t offset = 7200;

    for (size_t i = 0; i < count && change[i].at <= t; i++)
        offset = change[i].offset;
    return offset;
}

static void changes_are_kept_as_they_are_listed(void **ctx)
{
    static const struct change change[] = {
        { 1000, 3600 }, { 2000, -3600 }, { 3000, 93600 }, { 4000, -93600 }, { 5000, 1 },
        { 6000, -1 },   { 7000, 0 },     { 8000, 5400 },  { 9000, 60 },
    };

    (void)ctx;
    for (size_t count = 0; count <= 9; count++)
        for (int64_t now = 0; now < 9500; now += 500) {
            struct file f = file_of(change, count, "");
            uint64_t zone[RL__ZONE_WORDS];
            size_t passed = (size_t)(now / 1000), last = passed + RL__ZONE_CHANGES;

            passed = passed < count ? passed : count;
            last = last < count ? last : count;
            assert_true(read_file(&f, now, zone));
            for (int64_t t = now; t < 10000; t += 250)
                assert_int_equal(rl__zone_offset(zone, t), listed(change, last, t));
            for (size_t i = passed; i < last; i++) {
                assert_int_equal(rl__zone_next(zone, change[i].at - 1), change[i].at);
                assert_int_equal(rl__zone_offset(zone, change[i].at - 1),
                                 listed(change, count, change[i].at - 1));
            }
            assert_true(rl__zone_next(zone, 9000) == INT64_MAX);
        }
}

/* The list goes on as the rule does: only what does not follow it is kept, and one more. */
static void the_rule_takes_over_where_it_holds(void **ctx)
{
    static const char text[] = "AAA0BBB,M3.5.0/1,M10.5.0";
    struct change change[40] = { { 100000000, 1800 }, { 110000000, -1800 } };
    uint64_t zone[RL__ZONE_WORDS], by_rule[RL__ZONE_WORDS] = { 0 };
    struct rl__zone_rule rule;
    int64_t t = 120000000;
    struct file f;

    (void)ctx;
    assert_true(rl__zone_parse_rule(text, &rule));
    rl__zone_pack(by_rule, rule.standard, NULL, 0, &rule);
    for (size_t i = 2; i < 40; i++) {
        t = rl__zone_next(by_rule, t);
        change[i] = (struct change){ t, rl__zone_offset(by_rule, t) };
    }
    f = file_of(change, 40, text);
    for (int64_t now = 0; now < t + DAY * 1000; now += 37 * DAY) {
        assert_true(read_file(&f, now, zone));
        for (int64_t at = now; at < t + DAY * 2000; at += 29 * DAY)
            assert_int_equal(rl__zone_offset(zone, at), at < change[39].at
                                                            ? listed(change, 40, at)
                                                            : rl__zone_offset(by_rule, at));
    }
    assert_true(read_file(&f, 0, zone));
    assert_int_equal(rl__zone_next(zone, 0), change[0].at); /* not what the rule says for then */
    assert_int_equal(rl__zone_next(zone, change[0].at), change[1].at);
    assert_int_equal(rl__zone_next(zone, change[1].at), change[2].at);
    change[39].offset = 12345; /* the rule does not say that: those before are kept, if they fit */
    f = file_of(change, 40, text);
    assert_true(read_file(&f, change[34].at, zone));
    for (int64_t at = change[34].at; at < change[39].at; at += DAY / 2)
        assert_int_equal(rl__zone_offset(zone, at), listed(change, 40, at));
    assert_true(read_file(&f, 0, zone)); /* they do not: no rule after the seventh */
    assert_int_equal(rl__zone_offset(zone, t + 1000 * DAY), change[6].offset);
    assert_true(rl__zone_next(zone, change[6].at) == INT64_MAX);
    f = file_of(change, 0, text);
    assert_true(read_file(&f, 0, zone));
    assert_int_equal(rl__zone_offset(zone, t + 100 * DAY), rl__zone_offset(by_rule, t + 100 * DAY));
}

static void a_damaged_file_is_refused(void **ctx)
{
    static const struct change change[] = { { 1000, 3600 }, { 2000, -3600 }, { 3000, 7200 } };
    static const char rule[] = "AAA0BBB,M3.5.0/1,M10.5.0";
    struct file whole = file_of(change, 3, rule), f;
    uint64_t zone[RL__ZONE_WORDS];
    enum {
        SECOND = 44 + 2 * 5 + 3 * 6 + 5 + 3 * 8 + 2 + 1,
        TIMES = SECOND + 44
    }; /* the second block */
    size_t second = SECOND, index = TIMES + 3 * 8, type = index + 3;

    (void)ctx;
    assert_memory_equal(whole.byte + second, "TZif", 4);
    for (f = whole; f.length-- > 0;) {
        assert_false(read_file(&f, 0, zone));
        assert_false(rl__zone_read(whole.byte, f.length, 0, zone)); /* whatever stands behind */
    }
#define DAMAGED(at, value) (f = whole, f.byte[at] = (uint8_t)(value), !read_file(&f, 0, zone))
    for (size_t block = 0; block <= second; block += second) {
        assert_true(DAMAGED(block, 'X') && DAMAGED(block + 3, 'X'));
        assert_true(DAMAGED(block + 4, '1') && DAMAGED(block + 4, 0) && !DAMAGED(block + 4, '3'));
        for (size_t count = 20; count < 44; count += 4) {
            assert_true(DAMAGED(block + count, 0x80) && DAMAGED(block + count + 1, 1));
            assert_true(DAMAGED(block + count + 2, 0x41)); /* more than there is */
        }
        f = whole;
        f.byte[block + 39] = 0; /* no type at all */
        assert_false(read_file(&f, 0, zone));
    }
    assert_true(DAMAGED(index, 4) && DAMAGED(index + 2, 255) && !DAMAGED(index, 0));
    assert_true(DAMAGED(type, 0x7f) && DAMAGED(type, 0x80) && DAMAGED(type + 18, 0x7f));
    f = whole;
    memcpy(f.byte + second + 44 + 8, f.byte + second + 44, 8); /* twice the same time */
    assert_false(read_file(&f, 0, zone));
    f.byte[second + 44 + 15]++;
    assert_true(read_file(&f, 0, zone));
    assert_true(DAMAGED(whole.length - 1, 'x') && DAMAGED(whole.length - 2, 'x'));
    assert_true(DAMAGED(whole.length - sizeof rule, ' ') &&
                DAMAGED(whole.length - sizeof rule - 1, ' '));
}

/* Where all changes lie behind, the rule holds, and what stands after them is no change. */
static void the_last_change_is_the_last(void **ctx)
{
    static const struct change change[] = { { 1000, 0 }, { 2000, 0 }, { 3000, 0 } };
    struct file f = file_of(change, 3, "AAA0");
    size_t index = f.length - 1 - 4 - 1 - BEHIND - 24 - 3; /* four types, three changes */
    uint64_t zone[RL__ZONE_WORDS];

    (void)ctx;
    memset(f.byte + index, 0, 3);              /* all the first type */
    assert_true(read_file(&f, 2000000, zone)); /* as a time, what stands there is before that */
    assert_int_equal(rl__zone_offset(zone, 2000000), 0);
}

static void write_file(const char *path, const void *bytes, size_t length)
{
    FILE *out = fopen(path, "wb");

    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, length, out), length);
    assert_int_equal(fclose(out), 0);
}

static void a_file_is_loaded_whole_or_not(void **ctx)
{
    char path[] = "/tmp/test_zone.XXXXXX";
    uint8_t bytes[100], buffer[100];
    int fd = mkstemp(path), input;

    (void)ctx;
    assert_true(fd >= 0 && close(fd) == 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i + 1);
    for (size_t length = 0; length <= sizeof bytes; length++) {
        write_file(path, bytes, length);
        for (size_t most = 30; most <= 90; most += 30) {
            memset(buffer, 0, sizeof buffer);
            room = most;
            assert_int_equal(rl__zone_load(path, buffer, most), length < most ? length : 0);
            assert_memory_equal(buffer, bytes, length < most ? length : most);
            assert_int_equal(buffer[most], 0);
        }
    }
    write_file(path, bytes, 10);
    input = dup(0); /* whose number is not 0; -1: it is closed already */
    (void)close(0);
    room = 90;
    assert_int_equal(rl__zone_load(path, buffer, 90), 10); /* by that number, which is a good one */
    room = 0;
    if (input >= 0)
        assert_true(dup2(input, 0) == 0 && close(input) == 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rl__zone_load(path, buffer, 90), 0);
    assert_int_equal(rl__zone_load("/tmp", buffer, 90), 0);
}

static void a_name_leads_nowhere_else(void **ctx)
{
    static const struct {
        const char *name;
        rl_status want;
    } row[] = {
        { "", RL_E_INVALID },
        { "/Etc", RL_E_INVALID },
        { "./UTC", RL_E_INVALID },
        { "Etc/../Etc", RL_E_INVALID },
        { "Nowhere/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          RL_E_NOT_FOUND }, /* 63 */
        { "Nowhere/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", RL_E_INVALID },
        { "Nowhere/No-Where_+09", RL_E_NOT_FOUND },
    };
    uint64_t zone[RL__ZONE_WORDS];
    const char *why;

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        assert_int_equal(rl__zone_find(row[i].name, 0, zone, &why), row[i].want);
    if (access("/usr/share/zoneinfo/leapseconds", R_OK) == 0) { /* which is a text */
        assert_int_equal(rl__zone_find("leapseconds", 0, zone, &why), RL_E_INVALID);
        assert_string_equal(why, "the data for this time zone in /usr/share/zoneinfo is damaged");
    }
}

static void offsets_have_a_bound(void **ctx)
{
    static const struct {
        int32_t offset;
        int sound;
    } row[] = { { 93600, 1 }, { 93601, 0 }, { -93600, 1 }, { -93601, 0 } };
    uint64_t zone[RL__ZONE_WORDS];

    (void)ctx;
    for (size_t i = 0; i < 4; i++) {
        struct change change = { 1000, row[i].offset };
        struct file f = file_of(&change, 1, "");

        assert_int_equal(read_file(&f, 0, zone), row[i].sound);
        if (row[i].sound)
            assert_int_equal(rl__zone_offset(zone, 1000), row[i].offset);
    }
}

/* A line of 64 bytes with its newline is the longest. */
static void a_rule_has_a_length(void **ctx)
{
    char text[80];
    uint64_t zone[RL__ZONE_WORDS];
    struct file f;

    (void)ctx;
    for (size_t length = 60; length < 70; length++) {
        memset(text, 'A', length);
        text[length - 1] = '0';
        text[length] = '\0';
        f = file_of(NULL, 0, text);
        assert_int_equal(read_file(&f, 0, zone), length <= 63);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_are_counted),
        cmocka_unit_test(days_begin_where_the_local_clock_says),
        cmocka_unit_test(a_zone_that_never_changes_is_known),
        cmocka_unit_test(rules_are_read),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(rules_agree_with_the_system),
        cmocka_unit_test(a_year_is_that_of_the_place),
        cmocka_unit_test(a_day_does_not_end_twice),
        cmocka_unit_test(changes_are_kept_as_they_are_listed),
        cmocka_unit_test(the_rule_takes_over_where_it_holds),
        cmocka_unit_test(a_damaged_file_is_refused),
        cmocka_unit_test(the_last_change_is_the_last),
        cmocka_unit_test(a_file_is_loaded_whole_or_not),
        cmocka_unit_test(a_name_leads_nowhere_else),
        cmocka_unit_test(offsets_have_a_bound),
        cmocka_unit_test(a_rule_has_a_length),
    };
    return cmocka_run_group_tests_name("zone", tests, NULL, NULL);
}
