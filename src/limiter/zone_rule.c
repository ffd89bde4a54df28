/* SPDX-License-Identifier: MIT */
/* The text form of a zone's rule. Source: POSIX.1-2017, 8.3 (TZ), with the hours -167 ... 167 of
 * RFC 8536. Locale plays no part. */
#include "limiter/zone.h"

#include <string.h>

struct reader {
    const char *at;
    int failed;
};

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static int skip(struct reader *reader, char c)
{
    if (*reader->at != c)
        return 0;
    reader->at++;
    return 1;
}

/* "PST" or "<-03>": at least three characters, not kept. */
static void read_name(struct reader *reader)
{
    const char *begin = reader->at;

    if (skip(reader, '<')) {
        while (is_letter(*reader->at) || is_digit(*reader->at) || *reader->at == '+' ||
               *reader->at == '-')
            reader->at++;
        reader->failed |= reader->at - begin < 4 || !skip(reader, '>');
        return;
    }
    while (is_letter(*reader->at))
        reader->at++;
    reader->failed |= reader->at - begin < 3;
}

static int32_t read_number(struct reader *reader, int32_t least, int32_t most)
{
    int32_t value = 0;

    reader->failed |= !is_digit(*reader->at);
    for (; is_digit(*reader->at) && value <= most; reader->at++)
        value = value * 10 + (*reader->at - '0');
    reader->failed |= value < least || value > most;
    return value;
}

/* [+-]hh[:mm[:ss]] in seconds */
static int32_t read_time(struct reader *reader, int32_t hours_most)
{
    int negative = skip(reader, '-');
    int32_t seconds;

    if (!negative)
        (void)skip(reader, '+'); /* a sign that changes nothing */
    seconds = read_number(reader, 0, hours_most) * 3600;
    if (skip(reader, ':'))
        seconds += read_number(reader, 0, 59) * 60;
    if (skip(reader, ':'))
        seconds += read_number(reader, 0, 59);
    return negative ? -seconds : seconds;
}

static struct rl__zone_date read_date(struct reader *reader)
{
    struct rl__zone_date date = { .kind = 'N', .time = 2 * 3600 };

    reader->failed |= !skip(reader, ',');
    if (skip(reader, 'M')) {
        date.kind = 'M';
        date.month = (uint8_t)read_number(reader, 1, 12);
        reader->failed |= !skip(reader, '.');
        date.week = (uint8_t)read_number(reader, 1, 5);
        reader->failed |= !skip(reader, '.');
        date.day = (uint16_t)read_number(reader, 0, 6);
    } else if (skip(reader, 'J')) {
        date.kind = 'J';
        date.day = (uint16_t)read_number(reader, 1, 365);
    } else {
        date.day = (uint16_t)read_number(reader, 0, 365);
    }
    if (skip(reader, '/'))
        date.time = read_time(reader, 167);
    return date;
}

int rl__zone_parse_rule(const char *text, struct rl__zone_rule *rule)
{
    struct reader reader = { text, 0 };

    memset(rule, 0, sizeof *rule);
    read_name(&reader);
    rule->standard = -read_time(&reader, 24); /* west is positive there */
    if (reader.failed || *reader.at == '\0')
        return !reader.failed;
    rule->has_summer = 1;
    rule->summer = rule->standard + 3600;
    read_name(&reader);
    if (*reader.at != ',')
        rule->summer = -read_time(&reader, 24);
    rule->start = read_date(&reader);
    rule->end = read_date(&reader);
    return !reader.failed && *reader.at == '\0';
}
