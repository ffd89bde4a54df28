/* SPDX-License-Identifier: MIT */
/* Tests of reading input lines: what is sent, and what it is said to cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "run_request.h"

#define LINE(body) "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/x\",\"body\":" body "}"

static bool read_line(struct run_request *request, const char *line, struct run_problem *problem)
{
    return run_request_read(request, line, strlen(line), false, problem);
}

static void names_what_is_wrong_and_keeps_the_id(void **ctx)
{
    static const struct {
        const char *line;
        const char *code; /* NULL: it is good */
        const char *id;   /* NULL: unknown */
    } row[] = {
        { LINE("{}"), NULL, "\"a\"" },
        { "{\"custom_id\":\"a\",\"url\":\"/v1/x\",\"body\":{}}", NULL, "\"a\"" },
        { "x", "invalid_json", NULL },
        { "[]", "invalid_json", NULL },
        { "{\"custom_id\":\"a\"", "invalid_json", NULL },
        { "{\"url\":\"/v1/x\",\"body\":{}}", "missing_custom_id", NULL },
        { "{\"custom_id\":7}", "missing_custom_id", NULL },
        { "{\"custom_id\":\"\"}", "missing_custom_id", NULL },
        { "{\"custom_id\":\"a\",\"method\":\"GET\",\"url\":\"/\",\"body\":{}}", "invalid_method",
          "\"a\"" },
        { "{\"custom_id\":\"a\",\"method\":null,\"url\":\"/\",\"body\":{}}", "invalid_method",
          "\"a\"" },
        { "{\"custom_id\":\"\\u0061\",\"body\":{}}", "invalid_url", "\"\\u0061\"" },
        { "{\"custom_id\":\"a\",\"url\":\"http://evil/\",\"body\":{}}", "invalid_url", "\"a\"" },
        { "{\"custom_id\":\"a\",\"url\":\"//evil/\",\"body\":{}}", "invalid_url", "\"a\"" },
        { "{\"custom_id\":\"a\",\"url\":\"v1/x\",\"body\":{}}", "invalid_url", "\"a\"" },
        { "{\"custom_id\":\"a\",\"url\":\"/v1 /x\",\"body\":{}}", "invalid_url", "\"a\"" },
        { "{\"custom_id\":\"a\",\"url\":\"/v1\\r\\nX: y\",\"body\":{}}", "invalid_url", "\"a\"" },
        { "{\"custom_id\":\"a\",\"url\":\"/v1\\u0000\",\"body\":{}}", "invalid_url", "\"a\"" },
        { "{\"custom_id\":\"a\",\"url\":\"/v1/x\"}", "invalid_body", "\"a\"" },
        { LINE("[]"), "invalid_body", "\"a\"" },
        { LINE("\"x\""), "invalid_body", "\"a\"" },
    };
    struct run_request request = { 0 };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct run_problem problem = { NULL, NULL };
        bool good = read_line(&request, row[i].line, &problem);
        if (good != (row[i].code == NULL) || (!good && strcmp(problem.code, row[i].code) != 0))
            fail_msg("row %zu: %s", i, problem.code);
        if (row[i].id == NULL)
            assert_null(request.id.text);
        else
            assert_memory_equal(request.id.text, row[i].id, request.id.length);
    }
    run_request_deinit(&request);
}

/* Numbers beyond a double, spellings, escapes, white space: what the user wrote is what is sent. */
static void the_body_keeps_its_bytes(void **ctx)
{
    static const char body[] =
        "{ \"seed\":12345678901234567890123, \"t\":1.10e0,\"u\":\"\\u00e9\\/\" ,\"t\":2}";
    struct run_request request = { 0 };
    struct run_problem problem;
    char line[256];

    (void)ctx;
    strcpy(line, "{\"body\": ");
    strcat(line, body);
    strcat(line, " ,\"custom_id\":\"a\",\"url\":\"/v1/x\"}");
    assert_true(read_line(&request, line, &problem));
    assert_int_equal(request.body.length, sizeof body - 1);
    assert_memory_equal(request.body.text, body, sizeof body - 1);
    run_request_deinit(&request);
}

static void finds_the_id_of_a_line_that_is_too_long(void **ctx)
{
    static const char line[] = " {\"custom_id\":\"a\",\"body\":{\"x\":\"yyyy";
    struct run_request request = { 0 };
    struct run_problem problem;

    (void)ctx;
    assert_false(run_request_read(&request, line, sizeof line - 1, true, &problem));
    assert_string_equal(problem.code, "line_too_long");
    assert_string_equal(request.id_text.data, "a");
    assert_false(run_request_read(&request, line, 10, true, &problem));
    assert_null(request.id.text);
    run_request_deinit(&request);
}

static void finds_model_and_caps(void **ctx)
{
    static const struct {
        const char *url, *body, *model;
        uint64_t output;
    } row[] = {
        { "/v1/chat/completions", "{\"model\":\"m\"}", "m", 0 },
        { "/v1/chat/completions", "{\"model\":\"m\",\"max_tokens\":10}", "m", 10 },
        { "/v1/chat/completions", "{\"max_tokens\":10,\"max_completion_tokens\":20,\"n\":3}", "",
          60 },
        { "/v1/responses", "{\"max_output_tokens\":7,\"n\":null}", "", 7 },
        { "/v1/x", "{\"max_tokens\":\"10\"}", "", 0 },
        { "/v1/x", "{\"max_tokens\":9007199254740992,\"n\":9007199254740992}", "", RL_AMOUNT_MAX },
        { "/v1beta/models/gemini-pro:generateContent",
          "{\"generationConfig\":{\"maxOutputTokens\":5,\"candidateCount\":2}}", "gemini-pro", 10 },
        { "/v1/embeddings", "{\"model\":\"e\",\"input\":\"x\"}", "e", 1 },
        { "/v1/images/generations", "{\"model\":\"i\",\"n\":4}", "i", 1 },
    };
    struct run_request request = { 0 };
    struct run_problem problem;

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct text line = { 0 };
        text_addf(&line, "{\"custom_id\":\"a\",\"url\":\"%s\",\"body\":%s}", row[i].url,
                  row[i].body);
        assert_true(read_line(&request, line.data, &problem));
        run_request_measure(&request, NULL);
        if (strcmp(request.model.data, row[i].model) != 0 ||
            request.max_output_tokens != row[i].output)
            fail_msg("row %zu: %s %llu", i, request.model.data,
                     (unsigned long long)request.max_output_tokens);
        text_free(&line);
    }
    run_request_deinit(&request);
}

static uint64_t estimate(const char *line)
{
    struct run_request request = { 0 };
    struct run_problem problem;
    uint64_t tokens;

    assert_true(read_line(&request, line, &problem));
    run_request_measure(&request, NULL);
    tokens = request.input_tokens;
    run_request_deinit(&request);
    return tokens;
}

#define TEXT_60 "the quick brown fox jumps over the lazy dog, and then rests."

static void estimates_text_in_every_form(void **ctx)
{
    uint64_t text = rl_estimate_tokens(NULL, "", TEXT_60, 60);

    (void)ctx;
    assert_true(text > 0);
    assert_int_equal(estimate(LINE("{}")), 0);
    assert_int_equal(estimate(LINE("{\"prompt\":\"" TEXT_60 "\"}")), text);
    assert_int_equal(estimate(LINE("{\"input\":[\"" TEXT_60 "\",\"" TEXT_60 "\"]}")), 2 * text);
    assert_int_equal(estimate(LINE("{\"input\":[1,2,3]}")), 3);
    assert_int_equal(
        estimate(LINE("{\"messages\":[{\"role\":\"user\",\"content\":\"" TEXT_60 "\"}]}")),
        text + 4);
    assert_int_equal(
        estimate(LINE("{\"system\":\"" TEXT_60 "\",\"messages\":[{\"role\":\"user\",\"content\":"
                      "[{\"type\":\"text\",\"text\":\"" TEXT_60 "\"}]}]}")),
        2 * text + 4);
    assert_int_equal(estimate(LINE("{\"contents\":[{\"parts\":[{\"text\":\"" TEXT_60 "\"}]}]}")),
                     text);
    /* An escape is one letter, not six. */
    assert_int_equal(estimate(LINE("{\"prompt\":\"\\u0074"
                                   "he quick brown fox jumps over the lazy dog, and "
                                   "then rests.\"}")),
                     text);
}

static void a_picture_is_priced_by_the_piece(void **ctx)
{
    struct text line = { 0 };
    uint64_t tokens;

    (void)ctx;
    text_add_string(
        &line, "{\"custom_id\":\"a\",\"url\":\"/v1/x\",\"body\":{\"messages\":[{\"role\":\"user\","
               "\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:");
    for (int i = 0; i < 100000; i++)
        text_add_string(&line, "A");
    text_add_string(&line, "\"}}]}]}}");
    tokens = estimate(line.data);
    assert_in_range(tokens, 500, 2000);
    text_free(&line);
}

static void the_version_is_not_doubled(void **ctx)
{
    static const struct {
        const char *base, *url, *want;
    } row[] = {
        { "https://h", "/v1/x", "/v1/x" },
        { "https://h/v1", "/v1/x", "/x" },
        { "https://h/openai/v1", "/v1/x", "/x" },
        { "https://h/v1", "/v1beta/x", "/v1beta/x" },
        { "https://h/v1", "/x", "/x" },
        { "https://h/v1beta", "/v1beta/models/m:go", "/models/m:go" },
        { "https://v1", "/v1/x", "/v1/x" },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        assert_string_equal(run_request_path(row[i].base, row[i].url), row[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_is_wrong_and_keeps_the_id),
        cmocka_unit_test(the_body_keeps_its_bytes),
        cmocka_unit_test(finds_the_id_of_a_line_that_is_too_long),
        cmocka_unit_test(finds_model_and_caps),
        cmocka_unit_test(estimates_text_in_every_form),
        cmocka_unit_test(a_picture_is_priced_by_the_piece),
        cmocka_unit_test(the_version_is_not_doubled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
