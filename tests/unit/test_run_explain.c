/* SPDX-License-Identifier: MIT */
/* `llmrl explain`: what files it takes, what it says of those that it does not, and its JSON. */
#include "explain_input.h"
#include "explain_output.h"
#include "rfc3339.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* In a block of exactly its size: it has no NUL. */
static char *exact(const char *text)
{
    char *copy = malloc(strlen(text) + 1);

    assert_non_null(copy);
    return memcpy(copy, text, strlen(text) + 1);
}

/* "200 name=value;name=value; body" */
static void print_input(const struct explain_input *input, struct text *out)
{
    text_clear(out, 4096);
    text_addf(out, "%llu ", (unsigned long long)input->response.status);
    for (size_t i = 0; i < input->header_count; i++) {
        text_add(out, input->headers[i].name, input->headers[i].name_length);
        text_add_string(out, "=");
        text_add(out, input->headers[i].value, input->headers[i].value_length);
        text_add_string(out, ";");
    }
    text_add_string(out, " ");
    for (size_t i = 0; i < input->response.body_length; i++)
        if (input->response.body[i] != '\0') /* or the comparison would end here */
            text_add(out, input->response.body + i, 1);
}

static void reads_an_answer_in_both_forms(void **state)
{
    static const struct {
        const char *text, *want;
    } row[] = {
        { "HTTP/1.1 200 OK\r\na: 1\r\nB:2 \r\n\r\nbody\r\n", "200 a=1;B=2 ; body\r\n" },
        { "HTTP/2 429 \na: 1\n\n{}", "429 a=1; {}" },
        { "HTTP/2 204", "204  " },
        { "\r\n\nHTTP/1.1 503 Service Unavailable\n", "503  " },
        /* interim answers, a proxy's, a redirect's: the last counts */
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Connection established\r\np: 1\r\n\r\n"
          "HTTP/2 302\r\nlocation: x\r\n\r\nHTTP/2 200\r\na: 1\r\n\r\nx",
          "200 a=1; x" },
        { "HTTP/1.1 200 OK\r\na: 1\r\n  2\r\n\r\n", "200 a=1    2; " }, /* folded */
        { "HTTP/1.1 200 OK\na:\n\nHTTP/2 is nice", "200 a=; HTTP/2 is nice" },
        { "{\"status\":200,\"headers\":[[\"a\",\"1\"],[\"B\",\"\\u00e9\"]],\"body\":\"x\\ny\"}",
          "200 a=1;B=\xc3\xa9; x\ny" },
        { " {\"status\":429}", "429  " },
        { "{\"status\":429,\"headers\":{\"a\":\"1\"},\"body\":null,\"now\":null}", "429 a=1; " },
        { "{\"status\":429,\"body\":{\"error\": 1}}", "429  {\"error\": 1}" },
        { "\xef\xbb\xbf{\"status\":429}", "429  " },
        /* bytes that JSON cannot hold as they are */
        { "{\"status\":200,\"body_base64\":\"AP9h\\nYg==\"}", "200  \xff"
                                                              "ab" },
        { "{\"status\":200,\"body\":null,\"body_base64\":\"YQ\"}", "200  a" },
        { "{\"status\":200,\"body\":\"\\u0000\\u0001\\u00c3\\u00ffa\"}", "200  \x01\xc3\xff"
                                                                         "a" },
        { "{\"status\":200,\"body\":\"\\u0000\\u00c3\\u20ac\"}", "200  \xc3\x83\xe2\x82\xac" },
    };
    struct text got = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        struct explain_input input;
        struct text error = { 0 };
        char *text = exact(row[i].text);

        if (!explain_input_read(&input, text, strlen(row[i].text), &error))
            print_message("row %zu: %s\n", i, error.data);
        assert_int_equal(error.length, 0);
        print_input(&input, &got);
        assert_string_equal(got.data, row[i].want);
        explain_input_deinit(&input);
        text_free(&error);
        free(text);
    }
    text_free(&got);
}

static void says_what_is_wrong_and_where(void **state)
{
    static const struct {
        const char *text, *want;
    } row[] = {
        { "", "there is nothing in it" },
        { " \n", "there is nothing in it" },
        { "hello", "line 1: this is no status line (\"HTTP/1.1 200 OK\")" },
        { "\n\nHTTP/1.1 20 OK\n", "line 3: this is no status line (\"HTTP/1.1 200 OK\")" },
        { "HTTP/1.1 200 OK\na: 1\nb\n\n", "line 3: this is no header (\"name: value\")" },
        { "HTTP/1.1 200 OK\nno name: 1\n", "line 2: this is no header (\"name: value\")" },
        { "HTTP/1.1 200 OK\n a: 1\n", "line 2: a header cannot begin with a blank" },
        { "HTTP/1.1 100 Continue\n\n",
          "line 3: only interim answers (1xx): the answer itself is missing" },
        { "{\n\"status\": 200,\n}", "line 3: malformed JSON" },
        { "[1]", "line 1: this is no JSON object" },
        { "\n{}", "line 2: \"status\" is missing" },
        { "{\n\"status\": \"200\"}", "line 2: \"status\" is no HTTP status" },
        { "{\"status\": 1000}", "line 1: \"status\" is no HTTP status" },
        { "{\"status\":200,\n\"headers\":[[\"a\",\"b\"],\n[\"a\"]]}",
          "line 3: a header is a list of two strings: [name, value]" },
        { "{\"status\":200,\"headers\":[[\"a\",\"b\",\"c\"]]}",
          "line 1: a header is a list of two strings: [name, value]" },
        { "{\"status\":200,\"headers\":[[\"a\",\n1]]}", "line 2: a header's value is no string" },
        { "{\"status\":200,\"headers\":[[1,\"a\"]]}", "line 1: a header's name is no string" },
        { "{\"status\":200,\"headers\":\"a\"}", "line 1: \"headers\" is no list" },
        { "{\"status\":200,\"body\":1}", "line 1: \"body\" is no string" },
        { "{\"status\":200,\n\"body_base64\":\"a*==\"}", "line 2: \"body_base64\" is no base64" },
        { "{\"status\":200,\"body_base64\":\"YQ==YQ==\"}", "line 1: \"body_base64\" is no base64" },
        { "{\"status\":200,\"body_base64\":7}", "line 1: \"body_base64\" is no base64" },
        { "{\"status\":200,\n\n\"now\":\"noon\"}", "line 3: \"now\" is no time of RFC 3339" },
        { "{\"status\":200,\"now\":5}", "line 1: \"now\" is no time of RFC 3339" },
        { "{\"status\":200,\"provider\":5}", "line 1: \"provider\" is no string" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        struct explain_input input;
        struct text error = { 0 };
        char *text = exact(row[i].text);

        assert_false(explain_input_read(&input, text, strlen(row[i].text), &error));
        if (strcmp(error.data, row[i].want) != 0)
            print_message("row %zu\n", i);
        assert_string_equal(error.data, row[i].want);
        explain_input_deinit(&input);
        text_free(&error);
        free(text);
    }
}

static void every_prefix_is_read_or_refused(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/2 429 x\r\na: 1\r\n  2\r\n\r\n{}",
        "{\"status\":429,\"headers\":[[\"a\",\"b\"]],\"body\":\"x\",\"now\":\"2026-01-01T00:00:"
        "00Z\","
        "\"provider\":\"openai\"}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        for (size_t length = 0; length <= strlen(texts[i]); length++) {
            struct explain_input input;
            struct text error = { 0 };
            char *text = malloc(length > 0 ? length : 1);

            assert_non_null(text);
            memcpy(text, texts[i], length);
            assert_true(explain_input_read(&input, text, length, &error) == (error.length == 0));
            explain_input_deinit(&input);
            text_free(&error);
            free(text);
        }
}

static void reads_times(void **state)
{
    static const struct {
        const char *text;
        int64_t want; /* seconds; -1: refused */
    } row[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-08-19T14:34:11Z", 1787150051 },
        { "2026-08-19t16:34:11.999+02:00", 1787150051 },
        { "2024-02-29 00:00:00z", 1709164800 },
        { "2023-02-29T00:00:00Z", -1 },
        { "2026-13-01T00:00:00Z", -1 },
        { "2026-08-19T24:00:00Z", -1 },
        { "2026-08-19T14:34:11", -1 },
        { "2026-08-19T14:34:11.Z", -1 },
        { "2026-08-19T14:34:11Zx", -1 },
        { "1969-12-31T23:59:59Z", -1 },
        { "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        rl_wall_time got = -1;

        assert_int_equal(rfc3339_read(row[i].text, strlen(row[i].text), &got), row[i].want >= 0);
        if (row[i].want >= 0)
            assert_int_equal(got / (rl_wall_time)RL_SECOND, row[i].want);
    }
}

/* From a file to the line that is printed. */
static void explain(const char *dialect, const char *file, struct text *out)
{
    struct explain_input input;
    struct text error = { 0 };
    char *text = exact(file);
    rl_answer answer;
    rl_verdict verdict;

    text_clear(out, 4096);
    assert_true(explain_input_read(&input, text, strlen(file), &error));
    assert_int_equal(rl_answer_read(rl_dialect_find(dialect), &input.response, 0, &answer), RL_OK);
    assert_int_equal(rl_verdict_of(&answer, input.response.status, 0, 0, &verdict), RL_OK);
    explain_output(out, dialect, &verdict);
    explain_input_deinit(&input);
    text_free(&error);
    free(text);
}

static void says_it_in_json(void **state)
{
    static const struct {
        const char *dialect, *text, *want;
    } row[] = {
        { "openai",
          "HTTP/2 200\nx-ratelimit-limit-requests: 60\nx-ratelimit-remaining-requests: 59\n"
          "x-ratelimit-reset-requests: 1s\n\n{\"usage\":{\"prompt_tokens\":5,"
          "\"completion_tokens\":7,\"prompt_tokens_details\":{\"cached_tokens\":4}}}",
          "{\"dialect\":\"openai\",\"limits\":[{\"dimension\":\"requests\",\"window_s\":60,"
          "\"limit\":60,"
          "\"remaining\":59,\"reset_after_ms\":1000}],\"retryable\":false,\"quota_exhausted\":"
          "false,"
          "\"usage\":{\"input_tokens\":5,\"output_tokens\":7,\"cached_input_tokens\":4},"
          "\"verdict\":"
          "\"deliver\",\"explanation\":\"openai: HTTP 200: a success; 5 tokens in (4 cached), 7 "
          "tokens "
          "out; left: 59 of 60 requests per minute.\"}\n" },
        { "generic", "HTTP/2 429\nretry-after: 0.5\n\n",
          "{\"dialect\":\"generic\",\"limits\":[],\"retry_after_ms\":500,\"retryable\":true,"
          "\"quota_exhausted\":false,\"verdict\":\"retry\",\"explanation\":\"generic: HTTP 429: a "
          "rate "
          "limit; try again in 500 ms.\"}\n" },
        { "openai", "HTTP/2 429\n\n{\"error\":{\"code\":\"insufficient_quota\"}}",
          "{\"dialect\":\"openai\",\"limits\":[],\"retryable\":false,\"quota_exhausted\":true,"
          "\"verdict\":\"give_up\",\"explanation\":\"openai: HTTP 429 (insufficient_quota): the "
          "quota or "
          "credit is used up, or the account has none; do not send it again as it is.\"}\n" },
        { "deepseek", "HTTP/2 429\n\n{\"error\":{\"message\":\"your concurrency limit of 39\"}}",
          "{\"dialect\":\"deepseek\",\"limits\":[],\"retryable\":true,\"quota_exhausted\":false,"
          "\"verdict\":\"retry\",\"explanation\":\"deepseek: HTTP 429: a rate limit of 39 requests "
          "at "
          "once; try again when a request of yours has ended.\"}\n" },
        { "mistral", "HTTP/2 200\nx-ratelimit-limit-tokens-month: 9\n\n",
          "{\"dialect\":\"mistral\",\"limits\":[{\"dimension\":\"tokens\",\"window_s\":2592000,"
          "\"limit\":9}],"
          "\"retryable\":false,\"quota_exhausted\":false,\"verdict\":\"deliver\",\"explanation\":"
          "\"mistral: HTTP 200: a success.\"}\n" },
    };
    struct text got = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        explain(row[i].dialect, row[i].text, &got);
        assert_string_equal(got.data, row[i].want);
    }
    text_free(&got);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_an_answer_in_both_forms),
        cmocka_unit_test(says_what_is_wrong_and_where),
        cmocka_unit_test(every_prefix_is_read_or_refused),
        cmocka_unit_test(reads_times),
        cmocka_unit_test(says_it_in_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
