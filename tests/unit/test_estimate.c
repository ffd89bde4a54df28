/* SPDX-License-Identifier: MIT */
/* Estimates: near what tokenizers count, on the high side, never out of bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/estimate.h"
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A range for each text: the rule of estimate.h, and some room above. */
static void is_near_and_rather_too_many(void **state)
{
    static const struct {
        const char *text;
        uint64_t least, most;
    } row[] = {
        { "", 0, 0 },
        { " ", 1, 1 },
        { "a", 1, 1 },
        { "Hello world", 2, 3 },
        { "The quick brown fox jumps over the lazy dog.", 10, 13 },
        { "Write a short poem about the sea and the people who live beside it.", 15, 20 },
        { "for (int i = 0; i < 10; i++) { sum += values[i]; }", 21, 34 },
        { "12345678901234567890", 7, 20 },
        { "{\"name\":\"value\",\"count\":42}", 9, 20 },
        { "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c", 2, 8 }, /* four characters */
        { "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", 2, 6 }, /* six letters */
        { "\xf0\x9f\x98\x80", 1, 4 },                                 /* an emoji */
        { "caf\xc3\xa9", 1, 3 },
        { "\xff\xfe\x80", 3, 3 },
        { "\xe0\x80\x80", 3, 3 }, /* longer than it need be */
        { "\n\n\n\n", 1, 2 },
        { "                ", 1, 2 },
        { "----------------", 1, 4 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint64_t got = rl__estimate_tokens(RL__ANY, row[i].text, strlen(row[i].text));

        if (got < row[i].least || got > row[i].most)
            fail_msg("row %zu: got %llu", i, (unsigned long long)got);
    }
}

static void prose_is_a_token_per_three_and_a_half_to_four_and_a_half_bytes(void **state)
{
    static const char prose[] =
        "A limiter decides when a request may leave. It keeps a few words of state and asks the "
        "clock once; the answer is either yes, or the moment at which to ask again. Everything "
        "else, the queue, the retries and the breaker, is built on top of that small decision.";
    uint64_t tokens = rl__estimate_tokens(RL__ANY, prose, strlen(prose));

    (void)state;
    assert_true(tokens * 9 >= strlen(prose) * 2);
    assert_true(tokens * 7 <= strlen(prose) * 2);
}

/* For any bytes: no read past the end, at most one token per byte, at least one for something. */
static void any_bytes_are_counted_within_bounds(void **state)
{
    uint64_t seed = UINT64_C(88172645463325252);

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t length = (size_t)(seed % 64);
        char *text = malloc(length > 0 ? length : 1);
        uint64_t tokens;

        assert_non_null(text);
        for (size_t i = 0; i < length; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            text[i] = (char)(seed >> 32);
        }
        tokens = rl__estimate_tokens((enum rl__vocabulary)(round % RL__VOCABULARIES), text, length);
        assert_true(tokens <= length && (tokens > 0 || length == 0));
        free(text);
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
    }
}

/* ---- the recorded counts of real tokenizers ---- */

static const enum rl__vocabulary column[] = { RL__O200K, RL__CL100K,   RL__CLAUDE, RL__LLAMA,
                                              RL__QWEN,  RL__DEEPSEEK, RL__GEMINI };
#define COLUMNS (sizeof column / sizeof column[0])
#define SAMPLES (sizeof truth / sizeof truth[0])

/* A sample on the heap, in a block of just its size. */
static char *sample(const char *name, size_t *length)
{
    char path[512], kept[8192], *text;
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", LLMRL_ESTIMATE_SAMPLES, name);
    assert_non_null(file = fopen(path, "rb"));
    *length = fread(kept, 1, sizeof kept, file);
    assert_true(*length > 100 && *length < sizeof kept);
    assert_int_equal(fclose(file), 0);
    assert_non_null(text = malloc(*length));
    memcpy(text, kept, *length);
    return text;
}

/* In percent of the truth. Claude's truth is that of Claude 2. */
static uint64_t in_percent(size_t row, size_t c)
{
    size_t length = 0;
    char *text = sample(truth[row].file, &length);
    uint64_t tokens = rl__estimate_tokens(column[c], text, length);

    free(text);
    return tokens * 100 / truth[row].tokens[c];
}

static void samples_of_every_script_are_near_the_truth(void **state)
{
    size_t low = 0, within = 0;

    (void)state;
    for (size_t row = 0; row < SAMPLES; row++)
        for (size_t c = 0; c < COLUMNS; c++) {
            uint64_t percent = in_percent(row, c);

            if (percent < 80 || percent > 145)
                fail_msg("%s, tokenizer %zu: %llu %% of the truth", truth[row].file, c,
                         (unsigned long long)percent);
            low += percent < 90;
            within += percent >= 90 && percent <= 120;
        }
    assert_true(low * 20 <= SAMPLES * COLUMNS); /* 19 in 20 */
    assert_true(within * 100 >= SAMPLES * COLUMNS * 85);
}

/* The sum over samples of all kinds, as a day's traffic would be. */
static void a_mixture_is_nearly_exact_and_not_too_little(void **state)
{
    (void)state;
    for (size_t c = 0; c < COLUMNS; c++) {
        uint64_t estimated = 0, counted = 0;

        for (size_t row = 0; row < SAMPLES; row++) {
            size_t length = 0;
            char *text = sample(truth[row].file, &length);

            estimated += rl__estimate_tokens(column[c], text, length);
            counted += truth[row].tokens[c];
            free(text);
        }
        if (estimated * 100 < counted * 98 ||
            estimated * 100 > counted * (column[c] == RL__CLAUDE ? 122 : 110))
            fail_msg("tokenizer %zu: %llu for %llu", c, (unsigned long long)estimated,
                     (unsigned long long)counted);
    }
}

/* Of no other tokenizer is anything known: not below any that is. */
static void an_unknown_model_gets_the_highest(void **state)
{
    uint64_t estimated = 0, highest = 0;

    (void)state;
    for (size_t row = 0; row < SAMPLES; row++) {
        size_t length = 0;
        char *text = sample(truth[row].file, &length);
        uint64_t most = 0;

        for (size_t c = 0; c < COLUMNS; c++)
            if (column[c] != RL__CLAUDE && truth[row].tokens[c] > most)
                most = truth[row].tokens[c];
        estimated += rl__estimate_tokens(RL__ANY, text, length);
        highest += most;
        free(text);
    }
    assert_true(estimated * 100 >= highest * 98 && estimated * 100 <= highest * 110);
}

/* Every beginning of every sample, cut in the midst of characters too. */
static void every_beginning_is_counted_within_its_bytes(void **state)
{
    (void)state;
    for (size_t row = 0; row < SAMPLES; row++) {
        size_t length = 0;
        char *text = sample(truth[row].file, &length);

        for (size_t cut = 1; cut <= length; cut++) {
            char *part = malloc(cut);
            uint64_t tokens;

            assert_non_null(part);
            memcpy(part, text, cut);
            tokens = rl__estimate_tokens(RL__O200K, part, cut);
            assert_true(tokens > 0 && tokens <= cut);
            free(part);
        }
        free(text);
    }
}

/* ---- what is no UTF-8 ---- */

static void what_is_no_character_counts_byte_by_byte(void **state)
{
    static const struct {
        const char *text;
        size_t length, invalid;
    } row[] = {
        { "\xc0\x80", 2, 2 }, /* NUL, longer than it need be */
        { "\xc1\xbf", 2, 2 },
        { "\xe0\x9f\xbf", 3, 3 },
        { "\xf0\x8f\xbf\xbf", 4, 4 },
        { "\xed\xa0\x80", 3, 3 },     /* the first surrogate */
        { "\xed\xbf\xbf", 3, 3 },     /* the last */
        { "\xed\x9f\xbf", 3, 0 },     /* the character before them */
        { "\xf4\x90\x80\x80", 4, 4 }, /* beyond Unicode */
        { "\xf4\x8f\xbf\xbf", 4, 0 },
        { "\xf5\x80\x80\x80", 4, 4 },
        { "\xfe\xff", 2, 2 },
        { "\x80\x80\x80", 3, 3 },         /* what follows, without a beginning */
        { "\xe4\xbd", 2, 2 },             /* a beginning alone */
        { "\xe4\xbd\xe4\xbd\xa0", 5, 2 }, /* the same before a whole one */
        { "\xf0\x9f\x98", 3, 3 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rl__makeup makeup;

        rl__makeup_read(row[i].text, row[i].length, &makeup);
        if (makeup.count[RL__SCRIPT_LETTER + RL__INVALID] != row[i].invalid)
            fail_msg("row %zu: %llu", i,
                     (unsigned long long)makeup.count[RL__SCRIPT_LETTER + RL__INVALID]);
        if (row[i].invalid == row[i].length)
            assert_int_equal(rl__estimate_tokens(RL__O200K, row[i].text, row[i].length),
                             row[i].length);
    }
}

static void a_zero_byte_is_a_byte_like_others(void **state)
{
    (void)state;
    assert_int_equal(rl__estimate_tokens(RL__O200K, "\0\0\0\0", 4), 4);
    assert_true(rl__estimate_tokens(RL__O200K, "one\0two three", 13) >
                rl__estimate_tokens(RL__O200K, "one", 3));
}

/* ---- units ---- */

static void words_numbers_and_marks_are_told_apart(void **state)
{
    static const char text[] = "The quick getValueFrom(12345) x1 HTTPServer, --- \n\n\tcaf\xc3\xa9";
    static const struct {
        size_t unit;
        uint64_t count;
    } row[] = {
        { RL__ENGLISH, 8 },   /* The quick get Value From x erver caf+e */
        { RL__ENGLISH_5, 3 }, /* quick, Value, erver */
        { RL__CAPITALS, 1 },  /* HTTPS */
        { RL__CAPITALS_3, 3 },
        { RL__AFTER_LETTER, 3 }, /* Value, From, erver */
        { RL__NUMBER, 3 },       /* 123 45 1 */
        { RL__DIGIT, 6 },
        { RL__MIXED, 1 }, /* x1 */
        { RL__MARK, 4 },  /* ( ) , --- */
        { RL__MARK_SAME, 2 },
        { RL__LINE, 1 },
        { RL__LINE_MORE, 1 },
        { RL__BLANKS, 1 }, /* the tab */
        { RL__SCRIPT_LETTER + RL__LATIN, 1 },
        { RL__SCRIPT_LETTER + RL__INVALID, 0 },
    };
    struct rl__makeup makeup;

    (void)state;
    rl__makeup_read(text, sizeof text - 1, &makeup);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (makeup.count[row[i].unit] != row[i].count)
            fail_msg("row %zu: %llu", i, (unsigned long long)makeup.count[row[i].unit]);
}

static void a_language_is_believed_for_ten_words_itself_among_them(void **state)
{
    struct rl__makeup makeup;

    (void)state;
    rl__makeup_read("xa the xb xc xd xe xf xg xh xi xj xk xl", 39, &makeup);
    assert_int_equal(makeup.count[RL__WORD], 3);     /* xa, xk, xl */
    assert_int_equal(makeup.count[RL__ENGLISH], 10); /* the, xb to xj */
    rl__makeup_read("the nine twelve123 seventeen antidisestablish", 45, &makeup);
    assert_int_equal(makeup.count[RL__ENGLISH_5], 2 + 4 + 4); /* twelve, seventeen, the last */
    assert_int_equal(makeup.count[RL__ENGLISH_9], 1 + 8);
    rl__makeup_read("the xa und xb", 13, &makeup);
    assert_int_equal(makeup.count[RL__ENGLISH], 2);
    assert_int_equal(makeup.count[RL__WESTERN], 2);
}

/* Each writing's first and last letter, and what lies beside it. */
static void scripts_end_where_they_end(void **state)
{
    static const struct {
        uint32_t code;
        enum rl__script script;
    } row[] = {
        { 0, RL__INVALID },         { 0x80, RL__QUOTES },         { 0xc0, RL__LATIN },
        { 0x24f, RL__LATIN },       { 0x250, RL__RARE_SHORT },    { 0x3b1, RL__GREEK },
        { 0x416, RL__CYRILLIC },    { 0x456, RL__CYRILLIC_MORE }, { 0x5d0, RL__HEBREW },
        { 0x627, RL__ARABIC },      { 0x915, RL__DEVANAGARI },    { 0x995, RL__INDIC },
        { 0xe01, RL__THAI },        { 0x10d0, RL__GEORGIAN },     { 0x1000, RL__RARE },
        { 0x1ea1, RL__VIETNAMESE }, { 0x2014, RL__QUOTES },       { 0x2192, RL__SYMBOLS },
        { 0x3002, RL__WIDE },       { 0x3042, RL__KANA },         { 0x4e00, RL__HAN },
        { 0x9fff, RL__HAN },        { 0xa000, RL__RARE },         { 0xac00, RL__HANGUL },
        { 0xd7af, RL__HANGUL },     { 0xff01, RL__WIDE },         { 0x1f600, RL__EMOJI },
        { 0x1fb00, RL__RARE_LONG }, { 0x20000, RL__HAN },         { 0x10ffff, RL__RARE_LONG },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (rl__script_of(row[i].code) != row[i].script)
            fail_msg("row %zu: %d", i, (int)rl__script_of(row[i].code));
}

static void a_name_tells_the_family(void **state)
{
    static const struct {
        const char *model;
        enum rl__vocabulary family;
    } row[] = {
        { NULL, RL__ANY },
        { "", RL__ANY },
        { "gpt-4o-mini", RL__O200K },
        { "openai/gpt-4.1-nano", RL__O200K },
        { "ft:gpt-4o-2024-08-06:acme::x", RL__O200K },
        { "gpt-5.4-mini", RL__O200K },
        { "o3", RL__O200K },
        { "openai/o4-mini", RL__O200K },
        { "openai/gpt-oss-120b", RL__O200K },
        { "gpt-4", RL__CL100K },
        { "gpt-4-turbo", RL__CL100K },
        { "gpt-4-1106-preview", RL__CL100K },
        { "gpt-35-turbo", RL__CL100K },
        { "gpt-3.5-turbo-0125", RL__CL100K },
        { "text-embedding-3-small", RL__CL100K },
        { "claude-3-5-sonnet-20241022", RL__CLAUDE },
        { "claude-sonnet-4-20250514", RL__CLAUDE },
        { "claude-opus-4-6", RL__CLAUDE },
        { "anthropic/claude-opus-4.7", RL__CLAUDE_NEW },
        { "us.anthropic.claude-haiku-4-5-20251001-v1:0", RL__CLAUDE },
        { "claude-sonnet-5", RL__CLAUDE_NEW },
        { "Claude-Fable-5-1", RL__CLAUDE_NEW },
        { "meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo", RL__LLAMA },
        { "accounts/fireworks/models/llama-v3p1-405b-instruct", RL__LLAMA },
        { "llama-2-70b-chat", RL__ANY },
        { "deepseek-r1-distill-llama-70b", RL__LLAMA },
        { "deepseek-ai/DeepSeek-V3.1", RL__DEEPSEEK },
        { "Qwen/Qwen2.5-72B-Instruct", RL__QWEN },
        { "models/gemini-2.5-flash", RL__GEMINI },
        { "gemma-3-27b-it", RL__GEMINI },
        { "mistral-large-latest", RL__ANY },
        { "foo1-large", RL__ANY }, /* "o1" inside a word is none */
        { "grok-4", RL__ANY },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (rl__vocabulary_of(row[i].model) != row[i].family)
            fail_msg("row %zu: %d", i, (int)rl__vocabulary_of(row[i].model));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_near_and_rather_too_many),
        cmocka_unit_test(prose_is_a_token_per_three_and_a_half_to_four_and_a_half_bytes),
        cmocka_unit_test(any_bytes_are_counted_within_bounds),
        cmocka_unit_test(samples_of_every_script_are_near_the_truth),
        cmocka_unit_test(a_mixture_is_nearly_exact_and_not_too_little),
        cmocka_unit_test(an_unknown_model_gets_the_highest),
        cmocka_unit_test(every_beginning_is_counted_within_its_bytes),
        cmocka_unit_test(what_is_no_character_counts_byte_by_byte),
        cmocka_unit_test(a_zero_byte_is_a_byte_like_others),
        cmocka_unit_test(words_numbers_and_marks_are_told_apart),
        cmocka_unit_test(a_language_is_believed_for_ten_words_itself_among_them),
        cmocka_unit_test(scripts_end_where_they_end),
        cmocka_unit_test(a_name_tells_the_family),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
