/* SPDX-License-Identifier: MIT */
/* The three dates of RFC 9110 5.6.7, those of RFC 3339 and of JavaScript, read strictly. */
#include "provider/date.h"

#include "provider/ascii.h"

/* Reads forward; the first surprise clears `ok`, and nothing is read any more. */
struct cursor {
    const char *at;
    const char *end;
    int ok;
};

struct fields {
    int64_t year;
    unsigned month; /* 1..12 */
    unsigned day;
    unsigned hour;
    unsigned minute;
    unsigned second; /* 60: a leap second, read as the next one */
};

static int next_is(const struct cursor *c, char wanted)
{
    return c->ok && c->at < c->end && *c->at == wanted;
}

static void literal(struct cursor *c, const char *text)
{
    if (!c->ok || !rl__starts_with(c->at, (size_t)(c->end - c->at), text)) {
        c->ok = 0;
        return;
    }
    c->at += strlen(text);
}

static unsigned number(struct cursor *c, unsigned digits)
{
    unsigned value = 0;

    for (; digits > 0; digits--) {
        if (!c->ok || c->at == c->end || !rl__is_digit(*c->at)) {
            c->ok = 0;
            return 0;
        }
        value = value * 10 + (unsigned)(*c->at++ - '0');
    }
    return value;
}

/* The index of the name that comes next. */
static unsigned name(struct cursor *c, const char *const *names, unsigned count)
{
    for (unsigned i = 0; c->ok && i < count; i++)
        if (rl__starts_with(c->at, (size_t)(c->end - c->at), names[i])) {
            c->at += strlen(names[i]);
            return i;
        }
    c->ok = 0;
    return 0;
}

static unsigned month_name(struct cursor *c)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

    return name(c, months, 12) + 1;
}

/* A wrong day of the week is a slip of the sender and changes nothing. */
static void short_weekday(struct cursor *c)
{
    static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

    (void)name(c, days, 7);
}

static void long_weekday(struct cursor *c)
{
    static const char *const days[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday" };

    (void)name(c, days, 7);
}

static void clock_time(struct cursor *c, struct fields *f)
{
    f->hour = number(c, 2);
    literal(c, ":");
    f->minute = number(c, 2);
    literal(c, ":");
    f->second = number(c, 2);
    if (f->hour > 23 || f->minute > 59 || f->second > 60)
        c->ok = 0;
}

static unsigned days_in_month(int64_t year, unsigned month)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
        return 29;
    return days[month - 1];
}

/* Days since 1970-01-01 of the Gregorian calendar, counted in years that begin in March.
 * Source: Howard Hinnant, "chrono-compatible low-level date algorithms". */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400; /* years 0..9999 only */
    int64_t of_era = y - era * 400;
    int64_t of_year =
        (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t)day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int rl__date_from_civil(int64_t year, unsigned month, unsigned day, int64_t second,
                        rl_wall_time *out)
{
    int64_t seconds;

    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month) || second < -100000 || second > 200000)
        return 0;
    seconds = days_from_civil(year, month, day) * 86400 + second;
    /* Room is left for a zone and a fraction: the sum must still fit. */
    if (seconds > INT64_MAX / (int64_t)RL_SECOND - 200000 ||
        seconds < INT64_MIN / (int64_t)RL_SECOND + 200000)
        return 0;
    *out = seconds * (int64_t)RL_SECOND;
    return 1;
}

static int finish(const struct cursor *c, const struct fields *f, rl_wall_time *out)
{
    if (!c->ok || c->at != c->end)
        return 0;
    return rl__date_from_civil(
        f->year, f->month, f->day,
        (int64_t)f->hour * 3600 + (int64_t)f->minute * 60 + (int64_t)f->second, out);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static int imf_fixdate(const char *text, size_t length, rl_wall_time *out)
{
    struct cursor c = { text, text + length, 1 };
    struct fields f = { 0 };

    short_weekday(&c);
    literal(&c, ", ");
    f.day = number(&c, 2);
    literal(&c, " ");
    f.month = month_name(&c);
    literal(&c, " ");
    f.year = number(&c, 4);
    literal(&c, " ");
    clock_time(&c, &f);
    literal(&c, " GMT");
    return finish(&c, &f, out);
}

/* The year that is nearest: at most 50 ahead, less than 50 back (RFC 9110 asks for the first half).
 */
static int64_t full_year(unsigned two_digits, rl_wall_time now)
{
    int64_t this_year = 1970 + now / ((int64_t)RL_DAY * 365 + (int64_t)RL_HOUR * 6);
    int64_t year = this_year / 100 * 100 + (int64_t)two_digits;

    if (year > this_year + 50)
        year -= 100;
    else if (year <= this_year - 50)
        year += 100;
    return year;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static int rfc850_date(const char *text, size_t length, rl_wall_time now, rl_wall_time *out)
{
    struct cursor c = { text, text + length, 1 };
    struct fields f = { 0 };

    long_weekday(&c);
    literal(&c, ", ");
    f.day = number(&c, 2);
    literal(&c, "-");
    f.month = month_name(&c);
    literal(&c, "-");
    f.year = full_year(number(&c, 2), now);
    literal(&c, " ");
    clock_time(&c, &f);
    literal(&c, " GMT");
    return finish(&c, &f, out);
}

/* "Sun Nov  6 08:49:37 1994": no zone, and it means UTC. */
static int asctime_date(const char *text, size_t length, rl_wall_time *out)
{
    struct cursor c = { text, text + length, 1 };
    struct fields f = { 0 };

    short_weekday(&c);
    literal(&c, " ");
    f.month = month_name(&c);
    literal(&c, " ");
    if (next_is(&c, ' ')) {
        literal(&c, " ");
        f.day = number(&c, 1);
    } else {
        f.day = number(&c, 2);
    }
    literal(&c, " ");
    clock_time(&c, &f);
    literal(&c, " ");
    f.year = number(&c, 4);
    return finish(&c, &f, out);
}

int rl__date_http(const char *text, size_t length, rl_wall_time now, rl_wall_time *out)
{
    return imf_fixdate(text, length, out) || rfc850_date(text, length, now, out) ||
           asctime_date(text, length, out);
}

/* ".123456789123": nanoseconds, the rest is cut. */
static int64_t fraction(struct cursor *c)
{
    int64_t value = 0, weight = (int64_t)RL_SECOND;

    if (!next_is(c, '.'))
        return 0;
    c->at++;
    value = (int64_t)number(c, 1) * (weight /= 10);
    while (c->ok && c->at < c->end && rl__is_digit(*c->at))
        value += (int64_t)(*c->at++ - '0') * (weight /= 10);
    return value;
}

/* "+02:00", or "+0200" with an empty separator: seconds east of Greenwich. */
static int64_t hours_east(struct cursor *c, const char *separator)
{
    int64_t sign = next_is(c, '-') ? -1 : 1;
    int64_t hours, minutes;

    if (!next_is(c, '+') && !next_is(c, '-')) {
        c->ok = 0;
        return 0;
    }
    c->at++;
    hours = number(c, 2);
    literal(c, separator);
    minutes = number(c, 2);
    if (hours > 23 || minutes > 59)
        c->ok = 0;
    return sign * (hours * 3600 + minutes * 60);
}

/* "Z" or hours; and as those write who follow no standard: " UTC", "+0200". */
static int64_t offset(struct cursor *c)
{
    size_t left = (size_t)(c->end - c->at);

    if (next_is(c, 'Z') || next_is(c, 'z')) {
        c->at++;
        return 0;
    }
    if (rl__is(c->at, left, " UTC") || rl__is(c->at, left, " GMT")) {
        c->at = c->end;
        return 0;
    }
    return hours_east(c, left == 5 ? "" : ":");
}

int rl__date_rfc3339(const char *text, size_t length, rl_wall_time *out)
{
    struct cursor c = { text, text + length, 1 };
    struct fields f = { 0 };
    int64_t nanoseconds, east;

    f.year = number(&c, 4);
    literal(&c, "-");
    f.month = number(&c, 2);
    literal(&c, "-");
    f.day = number(&c, 2);
    if (!next_is(&c, 'T') && !next_is(&c, 't') && !next_is(&c, ' '))
        return 0;
    c.at++;
    clock_time(&c, &f);
    nanoseconds = fraction(&c);
    east = offset(&c);
    if (!finish(&c, &f, out))
        return 0;
    *out += nanoseconds - east * (int64_t)RL_SECOND;
    return 1;
}

int rl__date_script(const char *text, size_t length, rl_wall_time *out)
{
    struct cursor c = { text, text + length, 1 };
    struct fields f = { 0 };
    int64_t east;

    short_weekday(&c);
    literal(&c, " ");
    f.month = month_name(&c);
    literal(&c, " ");
    f.day = number(&c, 2);
    literal(&c, " ");
    f.year = number(&c, 4);
    literal(&c, " ");
    clock_time(&c, &f);
    literal(&c, " GMT");
    east = hours_east(&c, "");
    if (c.ok && rl__starts_with(c.at, (size_t)(c.end - c.at), " (") && c.end[-1] == ')')
        c.at = c.end; /* the zone once more, in words */
    if (!finish(&c, &f, out))
        return 0;
    *out -= east * (int64_t)RL_SECOND;
    return 1;
}
