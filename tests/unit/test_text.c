/* SPDX-License-Identifier: MIT */
/* Bounded text: cutting, cleaning, durations. */
#include "base/text.h"

#include <llmrl/base.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void what_does_not_fit_is_cut(void **ctx)
{
    char buffer[8] = "xxxxxxx";
    struct rl__text text = rl__text_on(buffer, sizeof buffer);

    (void)ctx;
    assert_string_equal(buffer, "");
    rl__text_add(&text, "%d", 1234);
    rl__text_add(&text, "%s", "567");
    assert_string_equal(buffer, "1234567");
    assert_int_equal(text.used, 7);
    rl__text_add(&text, "8");
    assert_string_equal(buffer, "1234567");
}

static void nothing_slips_in_behind_a_cut(void **ctx)
{
    char buffer[8];
    struct rl__text text = rl__text_on(buffer, sizeof buffer);

    (void)ctx;
    rl__text_add(&text, "abcde\xe2\x82\xac"); /* the euro sign does not fit */
    assert_string_equal(buffer, "abcde");
    rl__text_add(&text, "f");
    rl__text_add_foreign(&text, "f", 1);
    assert_string_equal(buffer, "abcde");
    text = rl__text_on(buffer, sizeof buffer);
    rl__text_add_foreign(&text, "abcdef\xc3\xa9", 8);
    rl__text_add_foreign(&text, "f", 1);
    assert_string_equal(buffer, "abcdef");
    text = rl__text_on(buffer, 3);
    rl__text_add(&text, "\xe2\x82\xac");
    assert_string_equal(buffer, "");
}

static void a_buffer_without_room_is_left_alone(void **ctx)
{
    char buffer[1] = { 'x' };
    struct rl__text text = rl__text_on(buffer, 0);

    (void)ctx;
    rl__text_add(&text, "a");
    rl__text_add_foreign(&text, "a", 1);
    rl__text_add_duration(&text, 5);
    assert_int_equal(buffer[0], 'x');
    text = rl__text_on(buffer, 1);
    rl__text_add(&text, "a");
    assert_int_equal(buffer[0], 0);
}

static void foreign_bytes_come_out_clean(void **ctx)
{
    static const struct {
        const char *in, *want;
    } row[] = {
        { "plain", "plain" },
        { "a\nb\tc\x7f"
          "d",
          "a?b?c?d" },
        { "\x1b[31m", "?[31m" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "\xc2\x9b", "??" },      /* a control character of the second set */
        { "\xc0\xaf", "??" },      /* overlong */
        { "\xe0\x80\xaf", "???" }, /* overlong */
        { "\xf0\x80\x80\xaf", "????" },
        { "\xed\xa0\x80", "???" },      /* a surrogate */
        { "\xf4\x90\x80\x80", "????" }, /* beyond the last character */
        { "\xf8z", "?z" },
        { "\xe2\x82", "??" }, /* cut short */
        { "\xe2(\xa1", "?(?" },
    };
    char buffer[64];

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rl__text text = rl__text_on(buffer, sizeof buffer);
        rl__text_add_foreign(&text, row[i].in, strlen(row[i].in));
        assert_string_equal(buffer, row[i].want);
    }
}

static void durations_round_up_and_keep_two_units(void **ctx)
{
    static const struct {
        uint64_t ns;
        const char *want;
    } row[] = {
        { 0, "0 s" },
        { 1, "1 ms" },
        { 40 * RL_MILLISECOND, "40 ms" },
        { 40 * RL_MILLISECOND + 1, "41 ms" },
        { 999 * RL_MILLISECOND, "999 ms" },
        { 999 * RL_MILLISECOND + 1, "1 s" },
        { 3200 * RL_MILLISECOND, "3.2 s" },
        { 3200 * RL_MILLISECOND + 1, "3.3 s" },
        { 59900 * RL_MILLISECOND, "59.9 s" },
        { 59900 * RL_MILLISECOND + 1, "1 m" },
        { 61 * RL_SECOND, "1 m 1 s" },
        { RL_HOUR - 1, "1 h" },
        { 5 * RL_HOUR + 11 * RL_MINUTE + 1, "5 h 12 m" },
        { RL_DAY - 1, "1 d" },
        { 3 * RL_DAY + 4 * RL_HOUR, "3 d 4 h" },
        { RL_NEVER - RL_DAY, "213503 d" },
        { RL_NEVER, "for ever" },
    };
    char buffer[64];

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rl__text text = rl__text_on(buffer, sizeof buffer);
        rl__text_add_duration(&text, row[i].ns);
        assert_string_equal(buffer, row[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_cut),
        cmocka_unit_test(nothing_slips_in_behind_a_cut),
        cmocka_unit_test(a_buffer_without_room_is_left_alone),
        cmocka_unit_test(foreign_bytes_come_out_clean),
        cmocka_unit_test(durations_round_up_and_keep_two_units),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
