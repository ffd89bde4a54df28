/* SPDX-License-Identifier: MIT */
/* Names, windows, repetition and waits: what one pass over the headers finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/headers.h"

#include <stdio.h>
#include <string.h>

#define NOW (INT64_C(1790000000) * (int64_t)RL_SECOND) /* 2026-09-21T14:13:20Z */

/* "name: value\nname: value" to a reading. */
static void read_lines(const char *dialect, const char *lines, struct rl__reading *reading)
{
    rl_header header[64];
    size_t count = 0;

    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n"), name = strcspn(lines, ":");

        header[count++] = (rl_header){ lines, name, lines + name + 1, length - name - 1 };
        lines += length + (lines[length] == '\n');
    }
    rl__headers_read(rl_dialect_find(dialect), header, count, NOW, reading);
}

/* "requests 60s 59/60 1000ms; ..." in the order of the reports. */
static void print_reports(const char *dialect, const char *lines, char *out, size_t size)
{
    struct rl__reading reading;
    rl_limit_report report[RL_REPORTS_MAX];
    uint32_t count;
    size_t used = 0;

    out[0] = '\0';
    read_lines(dialect, lines, &reading);
    count = rl__headers_reports(&reading, report, RL_REPORTS_MAX);
    for (uint32_t i = 0; i < count && used < size; i++) {
        char part[4][32] = { "-", "-", "-", "-" };

        if (report[i].has & RL_HAS_WINDOW)
            (void)snprintf(part[0], 32, "%llus",
                           (unsigned long long)(report[i].window / RL_SECOND));
        if (report[i].has & RL_HAS_REMAINING)
            (void)snprintf(part[1], 32, "%llu", (unsigned long long)report[i].remaining);
        if (report[i].has & RL_HAS_LIMIT)
            (void)snprintf(part[2], 32, "%llu", (unsigned long long)report[i].limit);
        if (report[i].has & RL_HAS_RESET)
            (void)snprintf(part[3], 32, "%llums",
                           (unsigned long long)(report[i].reset_after / RL_MILLISECOND));
        used += (size_t)snprintf(out + used, size - used, "%s%s %s %s/%s %s", i > 0 ? "; " : "",
                                 rl_dimension_name((rl_dimension)report[i].dimension), part[0],
                                 part[1], part[2], part[3]);
    }
}

static void reads_limits_of_each_dialect(void **state)
{
    static const struct {
        const char *dialect, *lines, *want;
    } row[] = {
        { "openai",
          "X-RateLimit-Limit-Requests: 60\nx-ratelimit-remaining-requests: 59\n"
          "x-ratelimit-reset-requests: 1s",
          "requests 60s 59/60 1000ms" },
        { "openai",
          "x-ratelimit-limit-project-tokens: 60000\nx-ratelimit-remaining-project-tokens: 57000\n"
          "x-ratelimit-reset-project-tokens: 3s",
          "tokens 60s 57000/60000 3000ms" },
        { "openai", /* a family of its own, not the tokens */
          "x-ratelimit-limit-tokens_usage_based: 5\nx-ratelimit-limit-tokens: 7",
          "tokens - -/7 -" },
        { "groq", "x-ratelimit-limit-requests: 10\nx-ratelimit-limit-tokens: 20",
          "requests 86400s -/10 -; tokens 60s -/20 -" },
        { "anthropic",
          "anthropic-ratelimit-input-tokens-limit: 8\nanthropic-ratelimit-input-tokens-remaining: "
          "3\n"
          "Anthropic-RateLimit-Input-Tokens-Reset: 2026-09-21T14:13:23Z",
          "input_tokens 60s 3/8 3000ms" },
        { "anthropic", /* pools that only requests that ask for them use */
          "anthropic-fast-input-tokens-limit: 0\nanthropic-priority-output-tokens-limit: 5", "" },
        { "gemini", "x-ratelimit-limit-tokens: 20", "tokens - -/20 -" }, /* read as generic */
        { "generic", "RateLimit-Limit: 100, 100;w=60\nRatelimit-Remaining: 50\nRateLimit-Reset: 5",
          "requests 60s 50/100 5000ms" },
        { "generic", "RateLimit-Limit: 100\nRateLimit-Policy: 100;w=60", "requests 60s -/100 -" },
        { "generic", "x-ratelimit-limit: 10, 10;w=1;name=\"ip\", 9;w=3600", "requests 1s -/10 -" },
        { "generic", "x-ratelimit-limit-req-10-second: 6\nx-ratelimit-remaining-req-10-second: 5",
          "requests 10s 5/6 -" },
        { "generic", "x-ratelimit-limit-tokens-minute: 6\nx-ratelimit-limit-tokens-day: 99",
          "tokens 60s -/6 -; tokens 86400s -/99 -" },
        { "generic", "x-ratelimit-limit-tokens: 6\nx-ratelimit-renewalperiod-tokens: 60",
          "tokens 60s -/6 -" },
        { "generic", "X-Rate-Limit-Limit: 9\nX-Rate-Limit-Reset: 1790000007",
          "requests - -/9 7000ms" },
        { "generic", "x-ratelimit-limit-fortnight: 6\nx-ratelimit-limit-tokens-0-second: 7", "" },
        { "generic", "x-ratelimit-reset-tokens: 55", "" }, /* of which limit? */
        { "generic", "x-ratelimit-limit: 5\nage: 1", "" },
        { "generic", "x-ratelimit-limit: 5\nage: 0", "requests - -/5 -" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char got[512];

        print_reports(row[i].dialect, row[i].lines, got, sizeof got);
        if (strcmp(got, row[i].want) != 0)
            fail_msg("row %zu: got \"%s\"", i, got);
    }
}

static void infers_the_window_from_an_even_refill(void **state)
{
    static const struct {
        const char *limit, *remaining, *reset;
        const char *window;
    } row[] = {
        { "60", "59", "1s", "60s" },
        { "500", "499", "120ms", "60s" },
        { "30000", "29996", "8ms", "60s" },
        { "150000", "149984", "6m0s", "-" },
        { "30000", "29999", "2ms", "60s" },
        { "2000000", "1999235", "22ms", "60s" },
        { "250000", "249979", "4ms", "60s" },
        { "50000", "49999", "1ms", "60s" },
        { "100", "98", "14m24s", "86400s" }, /* one of the two is back already */
        { "10000", "9999", "8.64s", "86400s" },
        { "200", "199", "7m12s", "86400s" },
        { "3000", "0", "1m0s", "60s" },
        { "3000", "1500", "30m0s", "3600s" },
        { "10", "5", "500ms", "1s" },
        { "31000", "30999", "1ms", "60s" },
        { "60", "59", "1.5s", "-" },
        { "10", "10", "0s", "-" },
        { "10", "10", "1s", "-" },
        { "10", "11", "1s", "-" },
        { "150000000", "149998385", "0s", "-" },
        { "0", "0", "1s", "-" },
        { "1", "0", "17s", "-" },
        { "9007199254740992", "0", "24h", "86400s" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char lines[256], got[256];

        (void)snprintf(lines, sizeof lines,
                       "x-ratelimit-limit-tokens:%s\nx-ratelimit-remaining-tokens:%s\n"
                       "x-ratelimit-reset-tokens:%s",
                       row[i].limit, row[i].remaining, row[i].reset);
        print_reports("openai", lines, got, sizeof got);
        if (strncmp(got + strlen("tokens "), row[i].window, strlen(row[i].window)) != 0)
            fail_msg("row %zu: got \"%s\"", i, got);
    }
}

static void leaves_out_and_counts_what_cannot_be(void **state)
{
    static const char *const bad[] = {
        "-1",  "nan", "inf",  "1e9", "9007199254740993", "99999999999999999999",
        "0x5", "",    "None", "5.5", "30,000",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rl__reading reading;
        rl_limit_report report[RL_REPORTS_MAX];
        char lines[128];

        (void)snprintf(lines, sizeof lines,
                       "x-ratelimit-limit: %s\nx-ratelimit-remaining: %s\nx-ratelimit-reset: 0",
                       bad[i], bad[i]);
        read_lines("generic", lines, &reading);
        assert_int_equal(rl__headers_reports(&reading, report, RL_REPORTS_MAX), 0);
        assert_int_equal(reading.ignored, 2);
    }
}

static void the_first_valid_of_repeated_limits_stands(void **state)
{
    char got[256];

    (void)state;
    print_reports("openai",
                  "x-ratelimit-limit-tokens: x\nx-ratelimit-limit-tokens: 9\n"
                  "x-ratelimit-limit-tokens: 8\nx-ratelimit-reset-tokens: 3s\n"
                  "x-ratelimit-reset-tokens: req_1",
                  got, sizeof got);
    assert_string_equal(got, "tokens - -/9 3000ms");
    /* lines that somebody joined: the same; but thousands are none */
    print_reports("generic",
                  "x-ratelimit-remaining-tokens: 7, 9\nx-ratelimit-reset-tokens: 3s, req_1\n"
                  "x-ratelimit-remaining-requests: 7,900",
                  got, sizeof got);
    assert_string_equal(got, "tokens - 7/- 3000ms");
    print_reports("generic",
                  "x-ratelimit-limit: 9\nx-ratelimit-reset: Mon, 21 Sep 2026 14:13:30 GMT\n"
                  "x-ratelimit-remaining: 7,",
                  got, sizeof got);
    assert_string_equal(got, "requests - -/9 10000ms");
}

static void reads_dates_against_the_answers_own(void **state)
{
    char got[256];

    (void)state;
    print_reports("anthropic",
                  "anthropic-ratelimit-requests-limit: 5\n"
                  "anthropic-ratelimit-requests-reset: 2024-04-07T07:31:00Z\n"
                  "date: garbage\nDate: Sun, 07 Apr 2024 07:30:05 GMT",
                  got, sizeof got);
    assert_string_equal(got, "requests 60s -/5 55000ms");
    print_reports("anthropic",
                  "anthropic-ratelimit-requests-limit: 5\n"
                  "anthropic-ratelimit-requests-reset: 2024-04-07T07:30:04Z\n"
                  "Date: Sun, 07 Apr 2024 07:30:05 GMT\nDate: Sun, 07 Apr 2024 07:30:00 GMT",
                  got, sizeof got);
    assert_string_equal(got, "requests 60s -/5 0ms");
}

static void finds_the_wait(void **state)
{
    static const struct {
        const char *lines;
        rl_duration want;
        uint32_t ignored;
    } row[] = {
        { "Retry-After: 7", 7 * RL_SECOND, 0 },
        { "retry-after: 0.5", RL_SECOND / 2, 0 },
        { "retry-after: 0", 0, 0 },
        { "retry-after: 7\nretry-after: 30\nretry-after: 9", 30 * RL_SECOND, 0 },
        { "retry-after: 7, 30, 9", 30 * RL_SECOND, 0 },
        { "retry-after: 7\nretry-after: Mon, 21 Sep 2026 14:14:20 GMT", RL_MINUTE, 0 },
        { "retry-after: Mon, 21 Sep 2026 14:14:20 GMT\nretry-after: 90", 90 * RL_SECOND, 0 },
        { "retry-after: Mon, 21 Sep 2026 14:14:20 GMT\nretry-after: Mon, 21 Sep 2026 14:13:30 GMT",
          RL_MINUTE, 0 },
        { "retry-after: Mon, 21 Sep 2026 14:13:00 GMT", 0, 0 },
        { "retry-after: Fri, 31 Dec 9999 23:59:59 GMT", RL_NEVER, 1 },
        { "retry-after: Tue, 31 Dec 2199 23:59:59 GMT", RL_NEVER, 1 },
        { "retry-after: 99999999999999999999", RL_NEVER, 1 },
        { "retry-after: -1\nretry-after: 5", 5 * RL_SECOND, 1 },
        { "retry-after: nan", RL_NEVER, 1 },
        { "retry-after:", RL_NEVER, 1 },
        { "retry-after-ms: 2000\nretry-after: 9", 2 * RL_SECOND, 0 },
        { "retry-after-ms: 0\nretry-after: 1", RL_SECOND, 0 }, /* rounded away */
        { "retry-after-ms: x\nretry-after: 1", RL_SECOND, 1 },
        { "x-ratelimit-retry-after: 4", 4 * RL_SECOND, 0 },
        { "llm_provider-retry-after: 4", 4 * RL_SECOND, 0 },
        { "retry-after: 3\nllm_provider-retry-after: 4", 3 * RL_SECOND, 0 },
        { "x-other: 4", RL_NEVER, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rl__reading reading;
        rl_duration got;

        read_lines("openai", row[i].lines, &reading);
        got = rl__headers_wait(&reading);
        if (got != row[i].want || reading.ignored != row[i].ignored)
            fail_msg("row %zu: got %llu, %u ignored", i, (unsigned long long)got, reading.ignored);
    }
}

static void a_flood_of_headers_is_bounded(void **state)
{
    static rl_header header[5000];
    struct rl__reading reading;
    rl_limit_report report[RL_REPORTS_MAX];
    char names[40][64];

    (void)state;
    for (size_t i = 0; i < 40; i++)
        (void)snprintf(names[i], sizeof names[i], "x-ratelimit-limit-tokens-%zu-second", i + 1);
    for (size_t i = 0; i < 5000; i++)
        header[i] = (rl_header){ names[i % 40], strlen(names[i % 40]), "5", 1 };
    rl__headers_read(NULL, header, 5000, NOW, &reading);
    assert_int_equal(rl__headers_reports(&reading, report, RL_REPORTS_MAX), RL_REPORTS_MAX);
    header[RL__LINES_MAX] = (rl_header){ "retry-after", 11, "5", 1 };
    rl__headers_read(NULL, header, 5000, NOW, &reading);
    assert_true(rl__headers_wait(&reading) == RL_NEVER);
    header[RL__LINES_MAX - 1] = header[RL__LINES_MAX];
    rl__headers_read(NULL, header, 5000, NOW, &reading);
    assert_true(rl__headers_wait(&reading) == 5 * RL_SECOND);
}

static void a_value_beyond_the_bound_is_not_read(void **state)
{
    static char zeros[RL__VALUE_MAX + 1];
    rl_header header[] = { { "retry-after", 11, zeros, RL__VALUE_MAX + 1 },
                           { "x-ratelimit-limit", 17, zeros, RL__VALUE_MAX + 1 } };
    struct rl__reading reading;
    rl_limit_report report[RL_REPORTS_MAX];

    (void)state;
    memset(zeros, '0', sizeof zeros);
    rl__headers_read(NULL, header, 2, NOW, &reading);
    assert_true(rl__headers_wait(&reading) == RL_NEVER);
    assert_int_equal(rl__headers_reports(&reading, report, RL_REPORTS_MAX), 0);
    assert_int_equal(reading.ignored, 2);
    header[0].value_length = header[1].value_length = RL__VALUE_MAX;
    rl__headers_read(NULL, header, 2, NOW, &reading);
    assert_true(rl__headers_wait(&reading) == 0);
    assert_int_equal(rl__headers_reports(&reading, report, RL_REPORTS_MAX), 1);
}

static void the_first_word_on_retrying_stands(void **state)
{
    struct rl__reading reading;

    (void)state;
    read_lines("openai", "x-should-retry: x\nx-should-retry: false\nx-should-retry: true",
               &reading);
    assert_int_equal(reading.should_retry, 0);
}

static void missing_pointers_are_harmless(void **state)
{
    rl_header header[] = { { NULL, 0, NULL, 0 },
                           { "retry-after", 11, NULL, 0 },
                           { "date", 4, NULL, 3 } };
    struct rl__reading reading;

    (void)state;
    rl__headers_read(NULL, NULL, 3, NOW, &reading);
    rl__headers_read(NULL, header, 3, NOW, &reading);
    assert_true(rl__headers_wait(&reading) == RL_NEVER);
}

static void dialects_are_found_by_name(void **state)
{
    static const char *const names[] = { "openai", "anthropic", "groq", "gemini", "generic" };

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        const rl_dialect *dialect = rl_dialect_find(names[i]);

        assert_non_null(dialect);
        assert_string_equal(rl_dialect_name(dialect), names[i]);
    }
    assert_null(rl_dialect_find("nobody"));
    assert_null(rl_dialect_find(NULL));
    assert_string_equal(rl_dialect_name(NULL), "generic");
    assert_string_equal(rl_dimension_name(RL_IMAGES), "images");
    assert_string_equal(rl_dimension_name((rl_dimension)99), "?");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_limits_of_each_dialect),
        cmocka_unit_test(infers_the_window_from_an_even_refill),
        cmocka_unit_test(leaves_out_and_counts_what_cannot_be),
        cmocka_unit_test(the_first_valid_of_repeated_limits_stands),
        cmocka_unit_test(reads_dates_against_the_answers_own),
        cmocka_unit_test(finds_the_wait),
        cmocka_unit_test(a_flood_of_headers_is_bounded),
        cmocka_unit_test(a_value_beyond_the_bound_is_not_read),
        cmocka_unit_test(the_first_word_on_retrying_stands),
        cmocka_unit_test(missing_pointers_are_harmless),
        cmocka_unit_test(dialects_are_found_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
