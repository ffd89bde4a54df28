/* SPDX-License-Identifier: MIT */
/* Names, texts and values of the statuses. */
#include <llmrl/base.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_status_has_its_own_name_value_and_text(void **ctx)
{
    static const struct {
        rl_status status;
        const char *name;
    } row[] = {
#define ROW(name, value, text) { name, #name },
        RL_STATUS_LIST(ROW)
#undef ROW
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        assert_string_equal(rl_status_name(row[i].status), row[i].name);
        assert_true(strlen(rl_status_text(row[i].status)) > 0);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(row[i].status, row[j].status);
            assert_string_not_equal(rl_status_text(row[i].status), rl_status_text(row[j].status));
        }
    }
}

static void values_are_for_ever(void **ctx)
{
    (void)ctx;
    assert_int_equal(RL_OK, 0);
    assert_int_equal(RL_WAIT, 1);
    assert_int_equal(RL_E_INVALID, -1);
    assert_int_equal(RL_E_TIMEOUT, -3);
    assert_int_equal(RL_E_TOO_LARGE, -5);
    assert_int_equal(RL_E_NOT_FOUND, -13);
    assert_int_equal(RL_E_IO, -20);
}

static void a_status_from_elsewhere_still_has_a_name(void **ctx)
{
    (void)ctx;
    assert_string_equal(rl_status_name((rl_status)-999), "RL_E_?");
    assert_string_equal(rl_status_text((rl_status)2), "an unknown status");
}

static void the_version_is_one_text(void **ctx)
{
    (void)ctx;
    assert_string_equal(rl_version(), RL_VERSION_STRING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_own_name_value_and_text),
        cmocka_unit_test(values_are_for_ever),
        cmocka_unit_test(a_status_from_elsewhere_still_has_a_name),
        cmocka_unit_test(the_version_is_one_text),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
