/* SPDX-License-Identifier: MIT */
/* Estimates: near what tokenizers count, on the high side, never out of bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/estimate.h"

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
        { "12345678901234567890", 7, 12 },
        { "{\"name\":\"value\",\"count\":42}", 9, 20 },
        { "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c", 2, 5 }, /* four characters */
        { "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", 2, 6 }, /* six letters */
        { "\xf0\x9f\x98\x80", 1, 2 },                                 /* an emoji */
        { "caf\xc3\xa9", 1, 2 },
        { "\xff\xfe\x80", 3, 3 },
        { "\xe0\x80\x80", 3, 3 }, /* longer than it need be */
        { "\n\n\n\n", 1, 2 },
        { "                ", 1, 2 },
        { "----------------", 1, 4 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint64_t got = rl__estimate_tokens(row[i].text, strlen(row[i].text));

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
    uint64_t tokens = rl__estimate_tokens(prose, strlen(prose));

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
        tokens = rl__estimate_tokens(text, length);
        assert_true(tokens <= length && (tokens > 0 || length == 0));
        free(text);
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_near_and_rather_too_many),
        cmocka_unit_test(prose_is_a_token_per_three_and_a_half_to_four_and_a_half_bytes),
        cmocka_unit_test(any_bytes_are_counted_within_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
