/* SPDX-License-Identifier: MIT */
/* Amazon's binary event stream: usage and errors out of frames, however they are split, and nothing
 * out of frames that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame.h"
#include "provider/stream.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* "input output cached error outcome", '-' for what is absent. */
static void print_answer(const char *body, size_t length, char *out, size_t size)
{
    rl_response response = RL_RESPONSE_INIT;
    rl_answer answer;
    char part[3][32] = { "-", "-", "-" };

    response.status = 200;
    response.body = body;
    response.body_length = length;
    assert_int_equal(rl_answer_read(rl_dialect_find("bedrock"), &response, 0, &answer), RL_OK);
    if (answer.usage.has & RL_HAS_INPUT)
        (void)snprintf(part[0], 32, "%llu", (unsigned long long)answer.usage.input_tokens);
    if (answer.usage.has & RL_HAS_OUTPUT)
        (void)snprintf(part[1], 32, "%llu", (unsigned long long)answer.usage.output_tokens);
    if (answer.usage.has & RL_HAS_CACHED_INPUT)
        (void)snprintf(part[2], 32, "%llu", (unsigned long long)answer.usage.cached_input_tokens);
    (void)snprintf(out, size, "%s %s %s %s %u", part[0], part[1], part[2],
                   answer.code[0] != '\0' ? answer.code : "-", answer.outcome);
}

static void expect(const struct frame_out *frames, const char *want)
{
    char got[256];
    char *exact = malloc(frames->length > 0 ? frames->length : 1);

    assert_non_null(exact);
    memcpy(exact, frames->bytes, frames->length);
    print_answer(exact, frames->length, got, sizeof got);
    assert_string_equal(got, want);
    free(exact);
}

static void converse(struct frame_out *out)
{
    out->length = 0;
    frame_add(out, "event", "messageStart", "{\"p\":\"abcd\",\"role\":\"assistant\"}");
    frame_add(
        out, "event", "contentBlockDelta",
        "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"\\\"usage\\\":{\\\"inputTokens\\\":9}\"},"
        "\"p\":\"abcdefghijklm\"}");
    frame_add(out, "event", "contentBlockStop", "{\"contentBlockIndex\":0,\"p\":\"ab\"}");
    frame_add(out, "event", "messageStop", "{\"p\":\"abc\",\"stopReason\":\"end_turn\"}");
    frame_add(out, "event", "metadata",
              "{\"metrics\":{\"latencyMs\":412},\"p\":\"abcde\",\"usage\":{\"inputTokens\":30,"
              "\"outputTokens\":628,\"totalTokens\":668,\"cacheReadInputTokens\":7,"
              "\"cacheWriteInputTokens\":3}}");
}

static void claude(struct frame_out *out)
{
    out->length = 0;
    frame_chunk(out, "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,"
                     "\"cache_read_input_tokens\":3,\"output_tokens\":1}}}");
    frame_chunk(out, "{\"type\":\"content_block_delta\",\"delta\":{\"text\":\"Hi?>~\"}}");
    frame_chunk(out, "{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":39}}");
    frame_chunk(out,
                "{\"type\":\"message_stop\",\"amazon-bedrock-invocationMetrics\":{"
                "\"inputTokenCount\":10,\"outputTokenCount\":39,\"cacheReadInputTokenCount\":3,"
                "\"invocationLatency\":4069,\"firstByteLatency\":1117}}");
}

static void reads_usage_of_converse_and_of_models(void **state)
{
    static struct frame_out out;

    (void)state;
    converse(&out);
    expect(&out, "40 628 7 - 0");
    claude(&out);
    expect(&out, "13 39 3 - 0");
    out.length = 0; /* a model that says nothing itself */
    frame_chunk(&out, "{\"outputText\":\"Hi\",\"index\":0}");
    frame_chunk(&out, "{\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":7,"
                      "\"outputTokenCount\":126,\"cacheReadInputTokenCount\":14,"
                      "\"cacheWriteInputTokenCount\":2}}");
    expect(&out, "23 126 14 - 0");
    out.length = 0;
    frame_chunk(&out,
                "{\"generation\":\"\",\"prompt_token_count\":15,\"generation_token_count\":1}");
    frame_chunk(&out,
                "{\"generation\":\".\",\"prompt_token_count\":null,\"generation_token_count\":8}");
    expect(&out, "15 8 - - 0");
}

static void reads_exceptions_in_place_of_events(void **state)
{
    static const struct {
        const char *kind, *type, *payload, *want;
    } row[] = {
        { "exception", "throttlingException",
          "{\"message\":\"Too many tokens, please wait before trying again.\"}",
          "- - - throttlingException 1" },
        { "exception", "modelTimeoutException", /* only the message tells */
          "{\"p\":\"ab\",\"message\":\"Rate limit reached\"}", "- - - modelTimeoutException 1" },
        { "exception", "modelStreamErrorException",
          "{\"message\":\"broke\",\"originalStatusCode\":424,\"originalMessage\":\"x\"}",
          "- - - modelStreamErrorException 5" },
        { "exception", "internalServerException", "{\"message\":\"m\"}",
          "- - - internalServerException 5" },
        { "exception", "serviceUnavailableException", "{}", "- - - serviceUnavailableException 4" },
        { "exception", "validationException", "", "- - - validationException 6" },
        { "exception", "modelTimeoutException", "not JSON", "- - - modelTimeoutException 5" },
        { "event", "exceptions", "{\"message\":\"of an event\"}", "- - - - 0" },
    };
    static struct frame_out out;

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        out.length = 0;
        frame_add(&out, row[i].kind, row[i].type, row[i].payload);
        expect(&out, row[i].want);
    }
}

static void reads_an_error_that_is_headers_alone(void **state)
{
    static struct frame_out out;
    char headers[256];
    size_t length = frame_header(headers, ":message-type", "error");

    (void)state;
    out.length = 0;
    length += frame_header(headers + length, ":error-code", "Slowdown");
    length += frame_header(headers + length, ":error-message", "Too many requests");
    frame_raw(&out, headers, length, "", 0);
    expect(&out, "- - - Slowdown 1");
}

/* What was used before an exception is paid for all the same. */
static void keeps_usage_that_came_before_an_error(void **state)
{
    static struct frame_out out;

    (void)state;
    out.length = 0;
    frame_chunk(&out, "{\"message\":{\"usage\":{\"input_tokens\":10}}}");
    frame_chunk(&out, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}");
    frame_add(&out, "exception", "throttlingException", "{\"message\":\"later\"}");
    expect(&out, "10 - - overloaded_error 4"); /* the first error stands */
}

static void knows_every_type_of_header(void **state)
{
    /* Names of one letter: true, false, 1, 2, 4, 8 bytes, bytes, text, time, id. */
    static const char odd[] = "\1a\0\1b\1\1c\2x\1d\3xx\1e\4xxxx\1f\5xxxxxxxx\1g\6\0\2xx\1h\7\0\0"
                              "\1i\10xxxxxxxx\1j\11xxxxxxxxxxxxxxxx";
    static struct frame_out out;
    char headers[512];
    size_t length = sizeof odd - 1;

    (void)state;
    memcpy(headers, odd, length);
    length += frame_header(headers + length, "a-name-that-is-longer-than-any-of-ours", "x");
    length += frame_header(headers + length, ":message-type", "exception");
    length += frame_header(headers + length, ":exception-type", "throttlingException");
    out.length = 0;
    length += frame_header(headers + length, "another-name-as-long", "x");
    frame_raw(&out, headers, length, "", 0);
    expect(&out, "- - - throttlingException 1");
    headers[2] = 10; /* no type */
    out.length = 0;
    frame_raw(&out, headers, length, "", 0);
    expect(&out, "- - - - 0");
}

/* Nothing is left of the frame before, and a payload may be as short as can be. */
static void each_frame_stands_alone(void **state)
{
    static struct frame_out out;
    struct rl__stream *stream;

    (void)state;
    out.length = 0;
    frame_chunk(&out, "{}");
    frame_raw(&out, "", 0, "{\"usage\":{\"inputTokens\":5}}", 27);
    frame_raw(&out, "", 0, "x", 1);
    frame_raw(&out, "", 0, "{\"usage\":{\"inputTokens\":6}}", 27);
    expect(&out, "6 - - - 0");
    stream = malloc(sizeof *stream);
    assert_non_null(stream);
    rl__stream_init(stream, NULL, 0);
    rl__stream_feed(stream, out.bytes, out.length);
    assert_int_equal(stream->ignored, 0);
    free(stream);
}

static void cuts_what_is_longer_than_any_name(void **state)
{
    static struct frame_out out;
    struct rl__frames frames = { 0 };
    char name[101], headers[256];
    size_t length;

    (void)state;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    length = frame_header(headers, ":error-message", name);
    length += frame_header(headers + length, ":event-type", name);
    out.length = 0;
    frame_raw(&out, headers, length, "", 0);
    for (size_t i = 0; i < out.length; i++)
        assert_int_not_equal(rl__frames_byte(&frames, (unsigned char)out.bytes[i]),
                             RL__FRAME_BROKEN);
    assert_int_equal(strlen(frames.type), sizeof frames.type - 1);
    assert_int_equal(strlen(frames.message), sizeof frames.message - 1);
}

/* The empty message that Amazon's own libraries test with. */
static void knows_the_published_checksums(void **state)
{
    static const unsigned char bytes[] = { 0, 0,    0,    0x10, 0,    0,    0,    0,
                                           5, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff };
    struct rl__frames frames = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        assert_int_equal(rl__frames_byte(&frames, bytes[i]), i == 11   ? RL__FRAME_BEGIN
                                                             : i == 15 ? RL__FRAME_END
                                                                       : RL__FRAME_MORE);
}

static struct rl__stream *read_stream(const char *bytes, size_t length, size_t split)
{
    struct rl__stream *stream = malloc(sizeof *stream);
    rl_usage usage;

    assert_non_null(stream);
    rl__stream_init(stream, rl_dialect_find("bedrock"), 0);
    rl__stream_feed(stream, bytes, split);
    rl__usage_total(&stream->usage, stream->dialect, &usage); /* asking changes nothing */
    rl__stream_feed(stream, bytes + split, length - split);
    rl__stream_end(stream);
    return stream;
}

static void every_split_tells_the_same(void **state)
{
    void (*const make[])(struct frame_out *) = { converse, claude };
    static struct frame_out out;

    (void)state;
    for (size_t form = 0; form < COUNT(make); form++) {
        struct rl__stream *whole;

        make[form](&out);
        frame_add(&out, "exception", "throttlingException", "{\"message\":\"Too many tokens\"}");
        whole = read_stream(out.bytes, out.length, out.length);
        assert_true(whole->facts.found);
        for (size_t split = 0; split < out.length; split++) {
            struct rl__stream *parts = read_stream(out.bytes, out.length, split);

            assert_memory_equal(&whole->usage, &parts->usage, sizeof whole->usage);
            assert_memory_equal(&whole->facts, &parts->facts, sizeof whole->facts);
            free(parts);
        }
        free(whole);
    }
}

/* Through the public door, a byte at a time, and asked for the usage between two frames. */
static void a_reader_takes_frames(void **state)
{
    static struct frame_out out;
    rl_response response = RL_RESPONSE_INIT;
    rl_usage_reader reader;
    rl_answer answer;
    rl_usage usage;
    size_t events;

    (void)state;
    claude(&out);
    events = out.length;
    frame_add(&out, "exception", "throttlingException", "{\"message\":\"Too many tokens\"}");
    assert_int_equal(rl_usage_reader_init(&reader, rl_dialect_find("bedrock"), 0), RL_OK);
    for (size_t i = 0; i < out.length; i++) {
        assert_int_equal(rl_usage_reader_feed(&reader, out.bytes + i, 1), RL_OK);
        if (i + 1 == events)
            assert_int_equal(rl_usage_reader_end(&reader, &usage), RL_OK);
    }
    assert_int_equal(rl_usage_reader_end(&reader, &usage), RL_OK);
    response.status = 200;
    assert_int_equal(rl_answer_read_fed(NULL, &response, &reader, 0, &answer), RL_OK);
    assert_int_equal(answer.outcome, RL_OUTCOME_RATE_LIMITED);
    assert_int_equal(answer.usage.input_tokens, 13);
    assert_int_equal(answer.usage.output_tokens, 39);
}

/* What an earlier frame said stands, and no prefix makes up anything. */
static void every_prefix_tells_what_was_whole(void **state)
{
    static struct frame_out out;
    size_t last;

    (void)state;
    converse(&out);
    last = out.length;
    frame_add(&out, "exception", "throttlingException", "{\"message\":\"Too many tokens\"}");
    for (size_t length = 0; length <= out.length; length++) {
        struct rl__stream *stream = read_stream(out.bytes, length, length / 2);
        rl_usage usage;

        rl__usage_total(&stream->usage, stream->dialect, &usage);
        if (length >= last)
            assert_int_equal(usage.output_tokens, 628);
        else
            assert_int_equal(stream->facts.found, 0);
        if (length == out.length)
            assert_int_equal(stream->facts.found, 1);
        assert_int_equal(stream->ignored, 0);
        free(stream);
    }
}

/* Any one byte that is not as it was sent: the frame is not believed, what came before it is, and
 * no error is made up. */
static void a_changed_byte_is_found_out(void **state)
{
    static struct frame_out out;
    size_t second;

    (void)state;
    out.length = 0;
    frame_chunk(&out, "{\"message\":{\"usage\":{\"input_tokens\":10}}}");
    second = out.length;
    frame_chunk(&out, "{\"error\":{\"code\":\"x\"},\"usage\":{\"output_tokens\":39}}");
    for (size_t i = second; i < out.length; i++) {
        struct rl__stream *stream;
        rl_usage usage;

        out.bytes[i] ^= 0x10;
        stream = read_stream(out.bytes, out.length, i);
        rl__usage_total(&stream->usage, stream->dialect, &usage);
        if (usage.has != RL_HAS_INPUT || usage.input_tokens != 10 || stream->facts.found)
            fail_msg("byte %zu of %zu was believed", i, out.length);
        assert_true(stream->ignored == 1 || i < second + 4); /* a length may become too long */
        free(stream);
        out.bytes[i] ^= 0x10;
    }
}

/* An exception that is not as it was sent is none; one that came before stays. */
static void a_broken_frame_changes_nothing(void **state)
{
    static struct frame_out out;
    struct rl__stream *stream;

    (void)state;
    out.length = 0;
    frame_add(&out, "exception", "throttlingException", "{\"message\":\"Too many tokens\"}");
    out.bytes[out.length - 1] ^= 1;
    stream = read_stream(out.bytes, out.length, out.length);
    assert_int_equal(stream->ignored, 1);
    assert_int_equal(stream->facts.found, 0);
    free(stream);
    out.bytes[out.length - 1] ^= 1;
    frame_chunk(&out, "{\"usage\":{\"output_tokens\":39}}");
    out.bytes[out.length - 1] ^= 1;
    stream = read_stream(out.bytes, out.length, out.length);
    assert_int_equal(stream->ignored, 1);
    assert_int_equal(stream->facts.found, 1);
    assert_int_equal(stream->usage.fields, 0);
    free(stream);
}

/* Lengths that cannot be, with a checksum that is right. */
static void lengths_that_lie_are_refused(void **state)
{
    static const struct {
        uint32_t total, headers;
    } row[] = {
        { 0, 0 },
        { 15, 0 },
        { 16, 1 },
        { 100, 85 },
        { 16, UINT32_MAX },
        { 0x1ffffff, UINT32_MAX },
        { 0x1000000, 0xfffff1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        char prelude[12];
        struct rl__frames frames = { 0 };
        enum rl__frame_step step = RL__FRAME_MORE;

        frame_word(prelude, row[i].total);
        frame_word(prelude + 4, row[i].headers);
        frame_word(prelude + 8, frame_crc(prelude, 8));
        for (size_t n = 0; n < sizeof prelude; n++)
            step = rl__frames_byte(&frames, (unsigned char)prelude[n]);
        if (step != RL__FRAME_BROKEN)
            fail_msg("row %zu: %d", i, (int)step);
        for (int n = 0; n < 100; n++)
            assert_int_equal(rl__frames_byte(&frames, 0), RL__FRAME_MORE);
    }
}

static void a_header_longer_than_its_frame_says_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } row[] = {
        { "\5ab", 3 },     { "\1a", 2 },       { "\1a\7\0", 4 }, { "\1a\7\0\5x", 6 },
        { "\1a\5xxx", 6 }, { "\0\7\0\1x", 5 }, { "\0a\0", 3 },
    };
    static struct frame_out out;

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rl__stream *stream;

        out.length = 0;
        frame_raw(&out, row[i].bytes, row[i].length, "{\"usage\":{\"inputTokens\":1}}", 27);
        stream = read_stream(out.bytes, out.length, 1);
        if (stream->ignored != 1 || stream->usage.fields != 0)
            fail_msg("row %zu", i);
        free(stream);
    }
}

/* Wrappers of other makes: blanks, other members first, '/' escaped, no base64. */
static void unwraps_what_is_inside_a_chunk(void **state)
{
    static const struct {
        const char *payload, *want;
    } row[] = {
        { "{\"bytes\":\"eyJ1c2FnZSI6eyJpbnB1dF90b2tlbnMiOjd9fQ==\"}", "7 - -" },
        { "{ \"p\" : \"\\\"bytes\\\":\" , \"bytes\" : \"eyJ1c2FnZSI6eyJpbnB1dF90b2tlbnMiOjd9fQ\" }",
          "7 - -" },
        { "{\"x\":{\"bytes\":\"AAAA\"},\"bytes\":\"eyJ1c2FnZSI6eyJpbnB1dF90b2tlbnMiOjd9fQ==\"}",
          "7 - -" },
        { "{\"bytes\":\"eyJ4IjoiPz8/IiwidXNhZ2UiOnsiaW5wdXRfdG9rZW5zIjo3fX0=\"}", "7 - -" },
        { "{\"bytes\":\"eyJ4IjoiPz8\\/IiwidXNhZ2UiOnsiaW5wdXRfdG9rZW5zIjo3fX0=\"}", "7 - -" },
        { "{\"byte\":\"eyJ1c2FnZSI6eyJpbnB1dF90b2tlbnMiOjd9fQ==\"}", "- - -" },
        { "{\"bytes_\":\"eyJ1c2FnZSI6eyJpbnB1dF90b2tlbnMiOjd9fQ==\"}", "- - -" },
        { "{\"bytes\":\"!eyJ1c2FnZSI6eyJpbnB1dF90b2tlbnMiOjd9fQ==\"}", "- - -" },
        { "{\"bytes\":7,\"x\":\"eyJ1c2FnZSI6eyJpbnB1dF90b2tlbnMiOjd9fQ==\"}", "- - -" },
        { "[\"bytes\",\"eyJ1c2FnZSI6eyJpbnB1dF90b2tlbnMiOjd9fQ==\"]", "- - -" },
        { "\"bytes\"", "- - -" },
        { "", "- - -" },
    };
    static struct frame_out out;
    char want[64];

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        out.length = 0;
        frame_add(&out, "event", "chunk", row[i].payload);
        (void)snprintf(want, sizeof want, "%s - 0", row[i].want);
        expect(&out, want);
    }
}

static void decodes_base64_to_the_last_byte(void **state)
{
    static const struct {
        const char *payload, *want;
    } row[] = {
        { "{\"bytes\":\"Zg==\"}", "f" },
        { "{\"bytes\":\"Zm8=\"}", "fo" },
        { "{\"bytes\":\"Zm9v\"}", "foo" },
        { "{\"bytes\":\"Zm9vYmFy\"}", "foobar" },
        { "{\"bytes\":\"Zm9v=YmFy\"}", "foo" }, /* it ended */
        { "{\"bytes\":\"Zm9v YmFy\"}", "foo" },
        { "{\"bytes\":\"+/+/\"}", "\xfb\xff\xbf" },
        { "{\"bytes\":\"Zm9v\",\"bytes\":\"YmFy\"}", "foo" },
        { "{\"p\":[{\"bytes\":\"YmFy\"}],\"bytes\":\"Zm9v\"}", "foo" },
        { "}}{\"bytes\":\"Zm9v\"}", "foo" },
        { "{\"p\":[\"bytes\",\"YmFy\"]}", "" },
        { "{\"bytesx\":\"YmFy\"}", "" },
        { "{\"xbytes\":\"YmFy\"}", "" },
        { "{\"bytebytes\":\"YmFy\"}", "" },
        { "{\"byte\":\"YmFy\"}", "" },
        { "{\"bxtes\":\"YmFy\"}", "" },
        { "{\"bytes\":{\"a\":\"YmFy\"}}", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rl__chunk chunk = { 0 };
        char got[32] = "";
        size_t used = 0;

        for (const char *at = row[i].payload; *at != '\0'; at++)
            used += rl__chunk_char(&chunk, *at, &got[used]) != 0;
        got[used] = '\0';
        if (strcmp(got, row[i].want) != 0)
            fail_msg("row %zu: \"%s\"", i, got);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_usage_of_converse_and_of_models),
        cmocka_unit_test(reads_exceptions_in_place_of_events),
        cmocka_unit_test(reads_an_error_that_is_headers_alone),
        cmocka_unit_test(keeps_usage_that_came_before_an_error),
        cmocka_unit_test(knows_every_type_of_header),
        cmocka_unit_test(knows_the_published_checksums),
        cmocka_unit_test(every_split_tells_the_same),
        cmocka_unit_test(a_reader_takes_frames),
        cmocka_unit_test(every_prefix_tells_what_was_whole),
        cmocka_unit_test(a_changed_byte_is_found_out),
        cmocka_unit_test(lengths_that_lie_are_refused),
        cmocka_unit_test(a_header_longer_than_its_frame_says_is_refused),
        cmocka_unit_test(unwraps_what_is_inside_a_chunk),
        cmocka_unit_test(decodes_base64_to_the_last_byte),
        cmocka_unit_test(each_frame_stands_alone),
        cmocka_unit_test(cuts_what_is_longer_than_any_name),
        cmocka_unit_test(a_broken_frame_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
