/* SPDX-License-Identifier: MIT */
/* Usage of every dialect, from documents and from streams, however they are split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rl__stream *read_stream(const char *dialect, const char *text, size_t length)
{
    struct rl__stream *stream = malloc(sizeof *stream);

    assert_non_null(stream);
    rl__stream_init(stream, rl_dialect_find(dialect), 0);
    rl__stream_feed(stream, text, length);
    rl__stream_end(stream);
    return stream;
}

/* "input output cached", '-' for what is absent. */
static void print_usage(const char *dialect, const char *text, char *out, size_t size)
{
    struct rl__stream *stream = read_stream(dialect, text, strlen(text));
    rl_usage usage;
    char part[3][32] = { "-", "-", "-" };

    rl__usage_total(&stream->usage, stream->dialect, &usage);
    if (usage.has & RL_HAS_INPUT)
        (void)snprintf(part[0], 32, "%llu", (unsigned long long)usage.input_tokens);
    if (usage.has & RL_HAS_OUTPUT)
        (void)snprintf(part[1], 32, "%llu", (unsigned long long)usage.output_tokens);
    if (usage.has & RL_HAS_CACHED_INPUT)
        (void)snprintf(part[2], 32, "%llu", (unsigned long long)usage.cached_input_tokens);
    (void)snprintf(out, size, "%s %s %s", part[0], part[1], part[2]);
    free(stream);
}

static const struct row {
    const char *dialect, *text, *want;
} rows[] = {
    /* documents */
    { "openai", "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":12}}",
      "5 7 -" },
    { "openai",
      "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,"
      "\"prompt_tokens_details\":{\"cached_tokens\":4}}}",
      "5 7 4" },
    { "openai",
      "{\"usage\":{\"input_tokens\":5,\"input_tokens_details\":{\"cached_tokens\":2},"
      "\"output_tokens\":7,\"output_tokens_details\":{\"reasoning_tokens\":6}}}",
      "5 7 2" },
    { "openai", "{\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}", "8 - -" },
    { "openai", "\n \n{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}", "1 2 -" },
    { "openai", "\xef\xbb\xbf{\"usage\":{\"prompt_tokens\":1}}", "1 - -" },
    { "anthropic",
      "{\"usage\":{\"input_tokens\":4,\"cache_creation_input_tokens\":10,"
      "\"cache_read_input_tokens\":1163,\"output_tokens\":202}}",
      "1177 202 1163" },
    { "anthropic", "{\"usage\":{\"input_tokens\":4,\"cache_read_input_tokens\":null}}", "4 - -" },
    { "groq", "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7},\"x_groq\":{\"id\":\"x\"}}",
      "5 7 -" },
    { "gemini",
      "{\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":3,"
      "\"thoughtsTokenCount\":4,\"cachedContentTokenCount\":6,\"totalTokenCount\":16}}",
      "9 7 6" },
    { "gemini", "{\"usageMetadata\":{\"promptTokenCount\":9,\"toolUsePromptTokenCount\":2}}",
      "11 - -" },
    { "gemini", /* the OpenAI form: thoughts are in the total only */
      "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":32}}", "5 27 -" },
    { "openai", "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":32}}",
      "5 7 -" },
    { "generic", /* reasoning outside the completion: the total tells */
      "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":50,\"total_tokens\":400,"
      "\"completion_tokens_details\":{\"reasoning_tokens\":340}}}",
      "10 390 -" },
    { "generic", "{\"usage\":{\"billed_units\":{\"input_tokens\":5,\"output_tokens\":6}}}",
      "5 6 -" },
    { "generic",
      "{\"usage\":{\"inputTokens\":10,\"cacheWriteInputTokens\":90,\"cacheReadInputTokens\":5,"
      "\"outputTokens\":4}}",
      "105 4 5" },
    { "generic", /* one thing under two names, and under the other alone */
      "{\"usage\":{\"inputTokens\":10,\"cacheWriteInputTokens\":90,\"cacheReadInputTokens\":5,"
      "\"cacheWriteInputTokenCount\":90,\"cacheReadInputTokenCount\":5,\"outputTokens\":4}}",
      "105 4 5" },
    { "generic",
      "{\"usage\":{\"inputTokens\":3,\"outputTokens\":4,\"cacheReadInputTokenCount\":7,"
      "\"cacheWriteInputTokenCount\":1}}",
      "11 4 7" },
    { "generic", /* a proxy that writes both: the base that holds the cache already */
      "{\"usage\":{\"prompt_tokens\":1200,\"completion_tokens\":3,"
      "\"cache_read_input_tokens\":1163,\"prompt_tokens_details\":{\"cached_tokens\":1163}}}",
      "1200 3 1163" },
    { "generic", "{\"usage\":{\"prompt_tokens\":5,\"prompt_cache_hit_tokens\":9}}", "5 - 5" },
    { "generic", /* one thing under two names */
      "{\"usage\":{\"prompt_tokens\":9,\"prompt_cache_hit_tokens\":2,"
      "\"prompt_tokens_details\":{\"cached_tokens\":2}}}",
      "9 - 2" },
    { "gemini", /* a total that cannot be */
      "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":3}}", "5 7 -" },
    /* what is not a count */
    { "openai", "{\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":1.5}}", "- - -" },
    { "openai", "{\"usage\":{\"prompt_tokens\":1e300,\"completion_tokens\":\"7\"}}", "- - -" },
    { "openai", "{\"usage\":null}", "- - -" },
    { "openai", "{\"usage\":[1,2]}", "- - -" },
    { "openai", "{\"usage\":{\"prompt_tokens\":5", "- - -" },
    /* what only looks like it */
    { "openai", "{\"a\":{\"usage\":{\"prompt_tokens\":5}}}", "- - -" },
    { "openai", "{\"choices\":[{\"usage\":{\"prompt_tokens\":5}}]}", "- - -" },
    { "openai", "{\"text\":\"\\\"usage\\\":{\\\"prompt_tokens\\\":5}\"}", "- - -" },
    { "openai", "{\"a\":\"\\\"\",\"usage\":{\"prompt_tokens\":5}}", "5 - -" },
    { "openai", "{\"usage_\":{\"prompt_tokens\":5}}", "- - -" },
    { "openai", "{\"x\":\"usage\",\"y\":{\"prompt_tokens\":5}}", "- - -" },
    /* streams: the last usage stands, nothing is added up */
    { "openai",
      "data: {\"choices\":[{}],\"usage\":null}\n\n"
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\n"
      "data: [DONE]\n\n",
      "5 7 -" },
    { "openai",
      "event: response.created\ndata: {\"response\":{\"usage\":null}}\n\n"
      "event: response.completed\n"
      "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"usage\":1}],"
      "\"usage\":{\"input_tokens\":5,\"output_tokens\":7}}}\n\n",
      "5 7 -" },
    { "anthropic",
      "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":"
      "{\"input_tokens\":10,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\n\n"
      "event: message_delta\ndata: "
      "{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":20}}\n\n"
      "event: message_delta\ndata: "
      "{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":39}}\n\n",
      "13 39 3" },
    { "anthropic", /* cut before the end: the opening's count of output is none */
      "data: {\"message\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n", "10 - -" },
    { "groq",
      "data: {\"x_groq\":{\"id\":\"a\"}}\n\n"
      "data: {\"x_groq\":{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}},"
      "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\n",
      "5 7 -" },
    { "gemini",
      "data: {\"usageMetadata\":{\"promptTokenCount\":44}}\r\n\r\n"
      "data: {\"usageMetadata\":{\"promptTokenCount\":44,\"candidatesTokenCount\":18}}\r\n\r\n"
      "data: {\"usageMetadata\":{\"promptTokenCount\":44,\"candidatesTokenCount\":72,"
      "\"thoughtsTokenCount\":5}}\r\n\r\n",
      "44 77 -" },
    { "gemini", /* without alt=sse: an array of chunks */
      "[{\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":1}}\n,\r\n"
      "{\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":9}}]",
      "4 9 -" },
    { "openai", "data:{\"usage\":{\"prompt_tokens\":5}}", "5 - -" }, /* no blank, no line end */
    { "openai", "data: {\"usage\":\ndata: {\"prompt_tokens\":5}}\n\n",
      "5 - -" }, /* two data lines */
    { "openai", "data: {\"usage\":\r\ndata: {\"prompt_tokens\":5}}\r\n\r\n", "5 - -" },
    { "openai", "data: {\"usage\":{\"prompt_\rdata: tokens\":5}}\r\r", "- - -" },
    { "openai", ": ping\n\nid: 7\nretry: 10\ndata: {\"usage\":{\"prompt_tokens\":5}}\n\n",
      "5 - -" },
    { "openai", "datax: {\"usage\":{\"prompt_tokens\":5}}\n\n", "- - -" },
    { "openai", "data: {\"broken\":{\"\n\ndata: {\"usage\":{\"prompt_tokens\":5}}\n\n", "5 - -" },
    { "openai", "data: }}]]\ndata: {\"usage\":{\"prompt_tokens\":5}}\n\n", "5 - -" },
    /* servers with an API of their own: counts in the document itself, a document to a line */
    { "generic", /* Ollama */
      "{\"model\":\"m\",\"response\":\"\\\"eval_count\\\":1\",\"done\":true,\"context\":[1,2],"
      "\"total_duration\":1,\"prompt_eval_count\":26,\"eval_count\":259,\"eval_duration\":9}",
      "26 259 -" },
    { "generic",
      "{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n"
      "{\"message\":{\"content\":\"{\\\"eval_count\\\":5}\"},\"done\":false}\r\n"
      "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\","
      "\"prompt_eval_count\":26,\"eval_count\":282}\n",
      "26 282 -" },
    { "generic", "{\"done\":true,\"eval_count\":282}",
      "- 282 -" }, /* the prompt was in its cache */
    { "generic", "{\"embeddings\":[[0.1,-2e-3]],\"prompt_eval_count\":8}", "8 - -" },
    { "generic", "{\"prompt_eval_count\":null,\"eval_count\":-1}", "- - -" },
    { "generic", "{\"options\":{\"eval_count\":3}}", "- - -" },
    { "generic", "{\"done\":true,\"prompt_eval_count\":26,\"eval_count\":28", "26 - -" },
    { "generic", /* llama.cpp */
      "data: {\"content\":\"a\",\"tokens_predicted\":1,\"tokens_evaluated\":5}\n\n"
      "data: {\"content\":\"\",\"stop\":true,\"tokens_predicted\":9,\"tokens_evaluated\":5}\n\n",
      "5 9 -" },
    { "generic", /* TGI */
      "data:{\"token\":{\"id\":1},\"details\":null}\n\n"
      "data:{\"token\":{\"id\":2},\"generated_text\":\"ab\",\"details\":{\"finish_reason\":"
      "\"length\",\"generated_tokens\":20,\"input_length\":3,\"seed\":null}}\n\n",
      "3 20 -" },
    { "generic", "{\"error\":{\"details\":[{\"generated_tokens\":1}]},\"details\":[1]}", "- - -" },
    { "cohere", /* v1: lines without "data:" */
      "{\"is_finished\":false,\"event_type\":\"stream-start\",\"generation_id\":\"g\"}\n"
      "{\"is_finished\":false,\"event_type\":\"text-generation\",\"text\":\"a\"}\n"
      "{\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":\"COMPLETE\","
      "\"response\":{\"text\":\"a\",\"meta\":{\"api_version\":{\"version\":\"1\"},\"billed_units\":"
      "{"
      "\"input_tokens\":12,\"output_tokens\":7},\"tokens\":{\"input_tokens\":78,"
      "\"output_tokens\":7}}}}\n",
      "12 7 -" },
};

static void reads_usage_of_every_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char got[128];

        print_usage(rows[i].dialect, rows[i].text, got, sizeof got);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("row %zu: got \"%s\"", i, got);
    }
}

static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t length = strlen(rows[i].text);
        struct rl__stream *whole = read_stream(rows[i].dialect, rows[i].text, length);
        struct rl__stream *bytes = read_stream(rows[i].dialect, "", 0);

        rl__stream_init(bytes, whole->dialect, 0);
        for (size_t at = 0; at < length; at++)
            rl__stream_feed(bytes, rows[i].text + at, 1);
        rl__stream_end(bytes);
        assert_memory_equal(&whole->usage, &bytes->usage, sizeof whole->usage);
        assert_memory_equal(&whole->facts, &bytes->facts, sizeof whole->facts);
        free(whole);
        free(bytes);
    }
}

static void finds_errors_inside_a_success(void **state)
{
    static const struct {
        const char *text;
        const char *code; /* NULL: no error */
        int place;
    } row[] = {
        { "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
          "overloaded_error", RL__NAME_TYPE },
        { "data: {\"error\":{\"code\":\"rate_limit_exceeded\"},\"choices\":[]}\n\n",
          "rate_limit_exceeded", RL__NAME_CODE },
        { "data: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"m\"}\n\n",
          "rate_limit_exceeded", RL__NAME_CODE },
        { "data: {\"code\":\"server_error\",\"message\":\"m\",\"type\":\"error\"}", "server_error",
          RL__NAME_CODE },
        { "data: "
          "{\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\"}}}\n\n",
          "server_error", RL__NAME_CODE },
        { "data: {\"x_groq\":{\"error\":\"over capacity\"}}\n\n", "", RL__NAME_CODE },
        { "{\"status\":\"failed\",\"error\":{\"code\":\"server_error\"}}", "server_error",
          RL__NAME_CODE },
        { "[{\"a\":1},{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}]", "UNAVAILABLE",
          RL__NAME_STATUS },
        /* Ollama: a line of the stream, where it broke off */
        { "{\"response\":\"a\",\"done\":false}\n{\"error\":\"an error was encountered\"}\n", "",
          RL__NAME_CODE },
        { "[{\"id\":1},{\"error\":\"of an item\"}]", NULL, 0 },
        { "data: "
          "{\"object\":\"error\",\"message\":\"m\",\"type\":\"rate_limited\",\"code\":\"1300\"}"
          "\n\n",
          "rate_limited", RL__NAME_TYPE },
        { "{\"code\":\"slow_down\",\"object\":\"error\"}", "slow_down", RL__NAME_CODE },
        { "data: {\"object\":\"errors\",\"type\":\"rate_limited\"}\n\n", NULL, 0 },
        { "data: {\"object\":{\"object\":\"error\"}}\n\n", NULL, 0 },
        { "data: {\"error\":null}\n\n", NULL, 0 },
        { "{\"error\":null}", NULL, 0 },
        { "{\"error\":\"of a job, not of the answer\"}", NULL, 0 },
        { "data: {\"type\":\"message\",\"code\":\"x\"}\n\n", NULL, 0 },
        { "data: {\"type\":\"ping\"}\n\ndata: {\"code\":\"x\"}\n\n", NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rl__stream *stream = read_stream("generic", row[i].text, strlen(row[i].text));

        if ((stream->facts.found != 0) != (row[i].code != NULL) ||
            (row[i].code != NULL && strcmp(stream->facts.name[row[i].place], row[i].code) != 0))
            fail_msg("row %zu: %u \"%s\"", i, stream->facts.found,
                     stream->facts.name[row[i].place]);
        free(stream);
    }
}

/* Memory does not grow with the answer, and what follows something huge is still read. */
static void passes_over_what_is_too_large(void **state)
{
    size_t size = (size_t)1 << 21;
    char *text = malloc(size);
    struct rl__stream *stream;
    size_t at;

    (void)state;
    assert_non_null(text);
    at = (size_t)sprintf(text, "{\"usage\":{\"x\":\"");
    memset(text + at, 'a', (size_t)1 << 20);
    at += (size_t)1 << 20;
    at += (size_t)sprintf(text + at, "\"},\"error\":{\"message\":\"");
    memset(text + at, 'b', 100000);
    at += 100000;
    at += (size_t)sprintf(text + at, "\"}}{\"usage\":{\"prompt_tokens\":5}}");
    stream = read_stream("openai", text, at);
    assert_int_equal(stream->usage.value[0], 5);
    assert_true(stream->facts.found);
    free(stream);
    memset(text, '[', size);
    stream = read_stream("openai", text, size);
    assert_int_equal(stream->usage.fields, 0);
    free(stream);
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_usage_of_every_form),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(finds_errors_inside_a_success),
        cmocka_unit_test(passes_over_what_is_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
