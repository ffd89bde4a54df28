/* SPDX-License-Identifier: MIT */
/* Saturation and rounding at the ends. */
#include "base/arith.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void sums_saturate(void **ctx)
{
    (void)ctx;
    assert_true(rl__add_sat(1, 2) == 3);
    assert_true(rl__add_sat(UINT64_MAX, 0) == UINT64_MAX);
    assert_true(rl__add_sat(UINT64_MAX - 1, 1) == UINT64_MAX);
    assert_true(rl__add_sat(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    assert_true(rl__sub_sat(3, 2) == 1);
    assert_true(rl__sub_sat(2, 2) == 0);
    assert_true(rl__sub_sat(2, 3) == 0);
}

static void products_saturate(void **ctx)
{
    (void)ctx;
    assert_true(rl__mul_sat(UINT64_C(1) << 32, (UINT64_C(1) << 32) - 1) == UINT64_MAX - UINT32_MAX);
    assert_true(rl__mul_sat(UINT64_C(1) << 32, UINT64_C(1) << 32) == UINT64_MAX);
    assert_true(rl__narrow_sat((rl__u128)UINT64_MAX + 1) == UINT64_MAX);
    assert_true(rl__narrow_sat(UINT64_MAX - 1) == UINT64_MAX - 1);
}

static void quotients_round_as_they_say(void **ctx)
{
    static const struct {
        uint64_t a, b, c, down, up;
    } row[] = {
        { 0, 5, 3, 0, 0 },
        { 1, 1, 3, 0, 1 },
        { 2, 3, 3, 2, 2 },
        { 10, 10, 3, 33, 34 },
        { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
        { UINT64_MAX, 2, 3, UINT64_C(12297829382473034410), UINT64_C(12297829382473034410) },
        { UINT64_MAX, 2, 1, UINT64_MAX, UINT64_MAX },
        { UINT64_MAX - 1, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX, UINT64_MAX },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        assert_true(rl__mul_div(row[i].a, row[i].b, row[i].c) == row[i].down);
        assert_true(rl__mul_div_up(row[i].a, row[i].b, row[i].c) == row[i].up);
    }
    assert_true(rl__min(1, 2) == 1 && rl__max(1, 2) == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_saturate),
        cmocka_unit_test(products_saturate),
        cmocka_unit_test(quotients_round_as_they_say),
    };
    return cmocka_run_group_tests_name("arith", tests, NULL, NULL);
}
