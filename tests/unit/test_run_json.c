/* SPDX-License-Identifier: MIT */
/* Tests of the JSON scanner and of the texts of the command line program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "json_scan.h"

static struct json read_json(const char *text)
{
    struct json json;

    assert_true(json_read(text, strlen(text), &json));
    return json;
}

static void accepts_json_and_nothing_else(void **ctx)
{
    static const struct {
        const char *text;
        bool good;
    } row[] = {
        { "{}", true },
        { " [1, -0.5e+3, \"a\\u00e9\\n\", true, null, {\"a\": []}]\t", true },
        { "\"\xc3\xa9\"", true },
        { "0", true },
        { "", false },
        { "{", false },
        { "[1,]", false },
        { "{\"a\":1,}", false },
        { "{\"a\" 1}", false },
        { "{a:1}", false },
        { "01", false },
        { "-", false },
        { "1.", false },
        { "1e", false },
        { "nul", false },
        { "NaN", false },
        { "[1] 2", false },
        { "\"\\x\"", false },
        { "\"\\u12g4\"", false },
        { "\"a\nb\"", false },
        { "\"\xff\"", false },
        { "\"\xed\xa0\x80\"", false },
        { "\"\xc0\x80\"", false },
        { "[1}", false },
        { "{]", false },
    };
    struct json json;

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        if (json_read(row[i].text, strlen(row[i].text), &json) != row[i].good)
            fail_msg("row %zu: %s", i, row[i].text);
    }
}

static void nesting_is_bounded(void **ctx)
{
    char text[2 * JSON_DEPTH_MAX + 4];
    struct json json;
    size_t depth = JSON_DEPTH_MAX;

    (void)ctx;
    /* The innermost is empty and needs no place of its own. */
    memset(text, '[', depth + 1);
    memset(text + depth + 1, ']', depth + 1);
    assert_true(json_read(text, 2 * depth + 2, &json));
    memset(text, '[', depth + 2);
    memset(text + depth + 2, ']', depth);
    assert_false(json_read(text, 2 * depth + 2, &json));
}

static void finds_members_by_meaning(void **ctx)
{
    struct json json = read_json(" {\"a\" : [1 , 2] ,\"b\\u0063\":{\"a\":9},\"a\": 3e2 } ");
    uint64_t value = 0;
    (void)ctx;

    assert_true(json_to_uint(json_get(json, "a"), &value)); /* the last of two */
    assert_int_equal(value, 300);
    assert_true(json_to_uint(json_get(json_get(json, "bc"), "a"), &value));
    assert_int_equal(value, 9);
    assert_null(json_get(json, "x").text);
    assert_null(json_get(json_get(json, "a"), "x").text);
    assert_false(json_to_uint(read_json("-1"), &value));
    assert_true(json_to_uint(read_json("1e99"), &value));
    assert_true(value == UINT64_C(1) << 53);
}

static void walks_as_far_as_a_cut_text_goes(void **ctx)
{
    static const char text[] = "{\"custom_id\":\"x\",\"body\":{\"m\":[1,2";
    struct json cut = { text, sizeof text - 1 };
    struct json_walk walk;
    struct json key, value;

    (void)ctx;
    assert_true(json_is(json_get(cut, "custom_id"), "x"));
    for (size_t length = 0; length < sizeof text; length++) {
        cut.length = length;
        walk = json_walk(cut);
        while (json_next(&walk, &key, &value))
            assert_true(value.text + value.length <= text + length);
    }
}

static void walks_nested_arrays(void **ctx)
{
    struct json_walk walk = json_walk(read_json("[[1],[ ],{},\"]\",5]"));
    struct json value;
    int count = 0;

    (void)ctx;
    while (json_next(&walk, NULL, &value))
        count++;
    assert_int_equal(count, 5);
    walk = json_walk(read_json("[]"));
    assert_false(json_next(&walk, NULL, &value));
    walk = json_walk(read_json("3"));
    assert_false(json_next(&walk, NULL, &value));
}

static void decodes_strings(void **ctx)
{
    static const struct {
        const char *json;
        const char *want;
        size_t length;
    } row[] = {
        { "\"\"", "", 0 },
        { "\"a\\n\\\"\\\\\\/\\t\"", "a\n\"\\/\t", 6 },
        { "\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac", 6 },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 4 },
        { "\"\\ud83d\"", "\xed\xa0\xbd", 3 },
        { "\"\\ud83d\\u0041\"",
          "\xed\xa0\xbd"
          "A",
          4 },
        { "\"a\\u0000b\"", "a\0b", 3 },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct text out = { 0 };
        assert_true(json_decode(read_json(row[i].json), &out));
        if (out.length != row[i].length || memcmp(out.data, row[i].want, out.length) != 0)
            fail_msg("row %zu", i);
        text_free(&out);
    }
}

static void writes_strings_that_json_can_hold(void **ctx)
{
    struct text out = { 0 };

    (void)ctx;
    text_add_json(&out, "a\"\\\n\x01\0\xff\xc3\xa9\xc3", 10);
    assert_string_equal(out.data, "\"a\\\"\\\\\\n\\u0001\\u0000\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\"");
    read_json(out.data);
    text_free(&out);
}

static void reads_seconds_and_numbers_strictly(void **ctx)
{
    static const struct {
        const char *text;
        uint64_t ms; /* 0: refused */
    } row[] = { { "1", 1000 },   { "0.25", 250 }, { "12.5", 12500 }, { "0.0019", 1 },  { "0", 0 },
                { "0.0004", 0 }, { ".5", 0 },     { "1.", 0 },       { "1.2.3", 0 },   { "-1", 0 },
                { "1e3", 0 },    { "", 0 },       { "100.001", 0 },  { "100", 100000 } };
    uint64_t value = 0;

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        value = 0;
        if (text_to_ms(row[i].text, 100000, &value) != (row[i].ms > 0) || value != row[i].ms)
            fail_msg("row %zu: %llu", i, (unsigned long long)value);
    }
    assert_true(text_to_uint("18446744073709551615", 0, UINT64_MAX, &value));
    assert_false(text_to_uint("18446744073709551616", 0, UINT64_MAX, &value));
    assert_false(text_to_uint("", 0, 9, &value));
    assert_false(text_to_uint(" 1", 0, 9, &value));
    assert_false(text_to_uint("10", 0, 9, &value));
}

static void shows_durations_and_counts(void **ctx)
{
    char out[TEXT_SHORT];

    (void)ctx;
    assert_string_equal(text_duration(-1, out), "0.0 s");
    assert_string_equal(text_duration(4.25, out), "4.2 s");
    assert_string_equal(text_duration(200, out), "3 min 20 s");
    assert_string_equal(text_duration(18720, out), "5 h 12 min");
    assert_string_equal(text_duration(1e300, out), "years");
    assert_string_equal(text_count(950, out), "950");
    assert_string_equal(text_count(12345, out), "12.3k");
    assert_string_equal(text_count(4.5e6, out), "4.5M");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_json_and_nothing_else),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(finds_members_by_meaning),
        cmocka_unit_test(walks_as_far_as_a_cut_text_goes),
        cmocka_unit_test(walks_nested_arrays),
        cmocka_unit_test(decodes_strings),
        cmocka_unit_test(writes_strings_that_json_can_hold),
        cmocka_unit_test(reads_seconds_and_numbers_strictly),
        cmocka_unit_test(shows_durations_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
