/* SPDX-License-Identifier: MIT */
/* Error bodies of every shape: names, waits, limits and words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/body.h"

#include <stdlib.h>
#include <string.h>

#define NOW (INT64_C(1787227200) * (int64_t)RL_SECOND) /* 2026-08-20T12:00:00Z */

static struct rl__facts facts_of(const char *body)
{
    struct rl__reading reading;
    struct rl__facts facts;

    rl__headers_read(NULL, NULL, 0, NOW, &reading);
    rl__facts_init(&facts);
    rl__body_read(body, strlen(body), &reading, &facts);
    return facts;
}

static void finds_names_in_every_shape(void **state)
{
    static const struct {
        const char *body;
        int place;
        const char *want;
    } row[] = {
        { "{\"error\":{\"type\":\"t\",\"code\":\"c\",\"message\":\"m\"}}", RL__NAME_CODE, "c" },
        { "{\"error\":{\"type\":\"t\",\"code\":null}}", RL__NAME_TYPE, "t" },
        { "{\"error\":{\"type\":\"None\",\"code\":\"slow_down\"}}", RL__NAME_TYPE, "" },
        { "{\"type\":\"error\",\"error\":{\"type\":\"a\",\"details\":{\"error_code\":\"d\"}}}",
          RL__NAME_DETAIL, "d" },
        { "[{\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\"}}]", RL__NAME_STATUS,
          "RESOURCE_EXHAUSTED" },
        { "{\"error\":{\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\","
          "\"reason\":\"R\"}]}}",
          RL__NAME_REASON, "R" },
        { "{\"error\":{\"errors\":[{\"reason\":\"rateLimitExceeded\"}]}}", RL__NAME_REASON,
          "rateLimitExceeded" },
        { "{\"error\":\"busy\",\"error_type\":\"overloaded\"}", RL__NAME_TYPE, "overloaded" },
        { "{\"message\":\"m\",\"type\":\"too_many_requests_error\",\"code\":\"q\"}", RL__NAME_CODE,
          "q" },
        { "{\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\"}",
          RL__NAME_TYPE, "quota-exceeded" },
        { "\n \n\r\n{\"error\":{\"code\":\"c\"}}", RL__NAME_CODE, "c" },
        { "\xef\xbb\xbf{\"error\":{\"code\":\"c\"}}", RL__NAME_CODE, "c" },
        { "{\"error\":{\"code\":\"1300\"}}", RL__NAME_CODE, "1300" },
        { "{\"error\":{\"code\":\"a\\nb\\\"c\"}}", RL__NAME_CODE, "abc" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rl__facts facts = facts_of(row[i].body);

        if (!facts.found || strcmp(facts.name[row[i].place], row[i].want) != 0)
            fail_msg("row %zu: got \"%s\"", i, facts.name[row[i].place]);
    }
    assert_int_equal(facts_of("{\"error\":{\"code\":429}}").number, 429);
    assert_int_equal(facts_of("{\"error\":{\"code\":\"429\"}}").number, 429);
    assert_int_equal(facts_of("{\"error\":{\"code\":-429}}").number, 0);
    assert_int_equal(facts_of("{\"error\":{\"code\":4.29e2}}").number, 429);
    assert_int_equal(facts_of("{\"error\":{\"code\":1e300}}").number, 0);
}

static void what_is_no_error_says_nothing(void **state)
{
    static const char *const row[] = { "",   "null", "7",
                                       "[]", "[1]",  "<html>rate limit</html>",
                                       "{",  "[[]]", "{\"error" };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (facts_of(row[i]).found)
            fail_msg("row %zu: \"%s\"", i, row[i]);
    assert_true(facts_of("Too Many Requests").says & RL__SAYS_RATE);
    assert_true(facts_of("\"used all available credits\"").says & RL__SAYS_QUOTA);
}

static void finds_the_wait_in_words(void **state)
{
    static const struct {
        const char *text;
        rl_duration want;
    } row[] = {
        { "Please try again in 634ms. Visit", 634 * RL_MILLISECOND },
        { "Please try again in 6m0s.", 6 * RL_MINUTE },
        { "try again in 1m0.363142857s.", UINT64_C(60363142857) },
        { "Try again in 60 seconds", RL_MINUTE },
        { "Please retry in 48.939935699s.", UINT64_C(48939935699) },
        { "* Quota exceeded, limit: 1\\nPlease retry in 900ms", 900 * RL_MILLISECOND },
        { "Please retry after 86400 seconds.", RL_DAY },
        { "Please wait 85841 seconds before retrying", UINT64_C(85841) * RL_SECOND },
        { "quota will reset after 12s.", 12 * RL_SECOND },
        { "try again in 5s, or try again in 9s", 9 * RL_SECOND },
        { "try again in 9s, or try again in 5s", 9 * RL_SECOND },
        { "try again in 5s. You will regain access on 2026-09-01", 5 * RL_SECOND },
        { "try again in a moment", RL_NEVER },
        { "try again in 999999h", RL_NEVER },
        { "try again in ", RL_NEVER },
        { "You will regain access on 2026-09-01 at 00:00 UTC.", UINT64_C(993600) * RL_SECOND },
        { "regain access on 2026-08-21", UINT64_C(43200) * RL_SECOND },
        { "regain access on 2026-99-01", RL_NEVER },
        { "regain access on", RL_NEVER },
        { "regain access on 2026-09-01 at", UINT64_C(993600) * RL_SECOND },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char body[256] = "{\"error\":{\"message\":\"";
        struct rl__facts facts;

        strcat(strcat(body, row[i].text), "\"}}");
        facts = facts_of(body);
        if (facts.message_wait != row[i].want)
            fail_msg("row %zu: got %llu", i, (unsigned long long)facts.message_wait);
    }
}

#define RETRY_INFO(delay)                                                                          \
    "{\"error\":{\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","            \
    "\"retryDelay\":" delay "}]}}"

static void finds_the_wait_in_fields(void **state)
{
    static const struct {
        const char *body;
        rl_duration want;
        uint32_t ignored;
    } row[] = {
        { "{\"error\":{\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
          "\"retryDelay\":\"48s\"}]}}",
          48 * RL_SECOND, 0 },
        { "{\"error\":{\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
          "\"retryDelay\":\"-48s\"}]}}",
          RL_NEVER, 1 },
        { "{\"error\":{\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\","
          "\"metadata\":{\"quotaResetDelay\":\"373.801628ms\"}}]}}",
          UINT64_C(373801628), 0 },
        { "{\"error\":{\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
          "\"retryDelay\":\"48s\"},{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\","
          "\"metadata\":{\"quotaResetDelay\":\"3s\"}}]}}",
          48 * RL_SECOND, 0 },
        { RETRY_INFO("{\"seconds\":12,\"nanos\":500000000}"), 12500 * RL_MILLISECOND, 0 },
        { RETRY_INFO("{\"seconds\":\"12\"}"), 12 * RL_SECOND, 0 },
        { RETRY_INFO("{\"nanos\":5}"), 5, 0 },
        { RETRY_INFO("{}"), RL_NEVER, 0 },
        { RETRY_INFO("{\"seconds\":-1}"), RL_NEVER, 0 },
        { RETRY_INFO("{\"seconds\":9007199254740992}"), RL_NEVER, 1 },
        { RETRY_INFO("{\"seconds\":1,\"nanos\":1000000000}"), RL_NEVER, 1 },
        { "{\"error\":{\"retry_after\":2.5}}", 2500 * RL_MILLISECOND, 0 },
        { "{\"retry_after\":3,\"error\":{}}", 3 * RL_SECOND, 0 },
        { "{\"retry_after\":3}", 3 * RL_SECOND, 0 },
        { "{\"error\":{\"availability\":{\"retry_after\":7}}}", 7 * RL_SECOND, 0 },
        { "{\"error\":{\"retry_after\":-1}}", RL_NEVER, 1 },
        { "{\"error\":{\"retry_after\":1e300}}", RL_NEVER, 1 },
        { "{\"error\":{\"retry_after\":true}}", RL_NEVER, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rl__facts facts = facts_of(row[i].body);

        if (facts.stated_wait != row[i].want || facts.ignored != row[i].ignored)
            fail_msg("row %zu: got %llu", i, (unsigned long long)facts.stated_wait);
    }
}

#define QUOTA(members)                                                                             \
    "{\"error\":{\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\","         \
    "\"violations\":[{" members "}]}]}}"

static void reads_googles_violations(void **state)
{
    struct rl__facts facts =
        facts_of(QUOTA("\"quotaId\":\"GenerateContentPaidTierInputTokensPerModelPerMinute\","
                       "\"quotaValue\":\"1000000\""));

    (void)state;
    assert_int_equal(facts.violation_count, 1);
    assert_int_equal(facts.violation[0].dimension, RL_INPUT_TOKENS);
    assert_int_equal(facts.violation[0].has, RL_HAS_LIMIT | RL_HAS_WINDOW);
    assert_int_equal(facts.violation[0].limit, 1000000);
    assert_true(facts.violation[0].window == RL_MINUTE);
    assert_int_equal(facts.limited_mask, 1u << RL_INPUT_TOKENS);
    assert_true(facts.limited_window == RL_MINUTE);
    assert_int_equal(facts.says & RL__SAYS_DAY, 0);

    facts = facts_of(QUOTA("\"quotaId\":\"GenerateRequestsPerDayPerProjectPerModel-FreeTier\","
                           "\"quotaValue\":\"50\""));
    assert_int_equal(facts.violation[0].dimension, RL_REQUESTS);
    assert_true(facts.limited_window == RL_DAY);
    assert_true(facts.says & RL__SAYS_DAY);

    facts = facts_of(QUOTA("\"quotaId\":\"GenerateRequestsPerMinute\"")); /* how many? */
    assert_int_equal(facts.violation_count, 0);
    assert_int_equal(facts.limited_mask, 1u << RL_REQUESTS);

    facts = facts_of(QUOTA("\"quotaId\":\"GenerateRequestsPerMinute\",\"quotaValue\":\"-5\""));
    assert_int_equal(facts.violation_count, 0);
    assert_int_equal(facts.ignored, 1);
    facts = facts_of(QUOTA("\"quotaId\":7,\"quotaMetric\":[],\"quotaValue\":\"5\""));
    assert_int_equal(facts.violation_count, 1);
}

static void names_the_limit_that_is_used_up(void **state)
{
    static const struct {
        const char *text;
        uint32_t mask;
        rl_duration window;
    } row[] = {
        { "on tokens per min (TPM): Limit 3, Used 3, Requested 1.", 1u << RL_TOKENS, RL_MINUTE },
        { "on tokens per day (TPD): Limit 3", 1u << RL_TOKENS, RL_DAY },
        { "on requests per min (RPM): Limit 3", 1u << RL_REQUESTS, RL_MINUTE },
        { "limit of 20,000 input tokens per minute.", 1u << RL_INPUT_TOKENS, RL_MINUTE },
        { "limit of 20,000 output tokens per minute.", 1u << RL_OUTPUT_TOKENS, RL_MINUTE },
        { "limited to 40 API calls / minute", 1u << RL_REQUESTS, RL_MINUTE },
        { "spend-based rate limit", 0, 10 * RL_MINUTE },
        { "tokens per request", 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rl__facts facts;

        rl__facts_init(&facts);
        rl__message_read(row[i].text, strlen(row[i].text), NOW, &facts);
        if (facts.limited_mask != row[i].mask || facts.limited_window != row[i].window)
            fail_msg("row %zu: got %u, %llu", i, facts.limited_mask,
                     (unsigned long long)facts.limited_window);
    }
}

static void takes_limit_headers_that_stand_inside(void **state)
{
    static const char body[] =
        "{\"error\":{\"metadata\":{\"headers\":{\"X-RateLimit-Limit\":\"50\","
        "\"X-RateLimit-Remaining\":\"0\","
        "\"X-RateLimit-Reset\":\"1787227260000\",\"Retry-After\":\"9\"}}}}";
    struct rl__reading reading;
    struct rl__facts facts;
    rl_limit_report report[RL_REPORTS_MAX];

    (void)state;
    rl__headers_read(NULL, NULL, 0, NOW, &reading);
    rl__facts_init(&facts);
    rl__body_read(body, strlen(body), &reading, &facts);
    assert_int_equal(rl__headers_reports(&reading, report, RL_REPORTS_MAX), 1);
    assert_int_equal(report[0].limit, 50);
    assert_true(report[0].reset_after == RL_MINUTE);
}

static void a_body_beyond_the_bound_is_not_parsed(void **state)
{
    size_t size = (size_t)RL__BODY_MAX + 1;
    char *body = malloc(size);
    struct rl__facts facts;

    (void)state;
    assert_non_null(body);
    memset(body, ' ', size);
    memcpy(body, "{\"error\":{\"code\":\"c\"}}", 22);
    rl__facts_init(&facts);
    rl__body_read(body, size - 1, NULL, &facts);
    assert_true(facts.found);
    rl__facts_init(&facts);
    rl__body_read(body, size, NULL, &facts);
    assert_false(facts.found);
    memset(body, '[', size); /* deeper than cJSON goes */
    rl__body_read(body, size - 1, NULL, &facts);
    assert_false(facts.found);
    free(body);
}

static void a_nul_inside_is_no_end(void **state)
{
    static const char body[] = "{\"error\":{\"code\":\"c\"},\0\"x\":1}";
    struct rl__facts facts;

    (void)state;
    rl__facts_init(&facts);
    for (size_t length = 0; length < sizeof body; length++)
        rl__body_read(body, length, NULL, &facts);
    assert_true(facts.found);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_names_in_every_shape),
        cmocka_unit_test(what_is_no_error_says_nothing),
        cmocka_unit_test(finds_the_wait_in_words),
        cmocka_unit_test(finds_the_wait_in_fields),
        cmocka_unit_test(reads_googles_violations),
        cmocka_unit_test(names_the_limit_that_is_used_up),
        cmocka_unit_test(takes_limit_headers_that_stand_inside),
        cmocka_unit_test(a_body_beyond_the_bound_is_not_parsed),
        cmocka_unit_test(a_nul_inside_is_no_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
