/* SPDX-License-Identifier: MIT */
/* Tests of the set of custom_ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "run_ids.h"

/* The first vectors of the reference implementation: key 00 01 ... 0f, message 00 01 ... */
static void hashes_as_the_reference_does(void **ctx)
{
    static const uint64_t key[2] = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
    static const unsigned char want[3][16] = {
        { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
          0x93 },
        { 0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
          0x45 },
        { 0x81, 0x77, 0x22, 0x8d, 0xa4, 0xa4, 0x5d, 0xc7, 0xfc, 0xa3, 0x8b, 0xde, 0xf6, 0x0a, 0xff,
          0xe4 },
    };
    static const char message[] = { 0, 1, 2 };

    (void)ctx;
    for (size_t length = 0; length < 3; length++) {
        uint64_t hash[2];
        run_ids_hash(key, message, length, hash);
        for (size_t i = 0; i < 16; i++)
            assert_int_equal((hash[i / 8] >> (8 * (i % 8))) & 0xFF, want[length][i]);
    }
}

static void remembers_each_flag_of_each_id(void **ctx)
{
    struct run_ids *ids = run_ids_new();

    (void)ctx;
    assert_int_equal(run_ids_flags(ids, "a", 1), 0);
    assert_int_equal(run_ids_mark(ids, "a", 1, RUN_ID_ANSWERED), 0);
    assert_int_equal(run_ids_mark(ids, "a", 1, RUN_ID_SEEN), RUN_ID_ANSWERED);
    assert_int_equal(run_ids_mark(ids, "a", 1, RUN_ID_SEEN), RUN_ID_ANSWERED | RUN_ID_SEEN);
    assert_int_equal(run_ids_mark(ids, "a\0", 2, RUN_ID_SEEN), 0);
    assert_int_equal(run_ids_mark(ids, "", 0, RUN_ID_KEPT), 0);
    assert_int_equal(run_ids_flags(ids, "", 0), RUN_ID_KEPT);
    run_ids_free(ids);
    run_ids_free(NULL);
}

static void holds_many_in_32_bytes_each(void **ctx)
{
    struct run_ids *ids = run_ids_new();
    char id[32];
    size_t count = 200000;

    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        int length = snprintf(id, sizeof id, "request-%zu", i);
        assert_int_equal(run_ids_mark(ids, id, (size_t)length, RUN_ID_SEEN), 0);
    }
    for (size_t i = 0; i < count; i++) {
        int length = snprintf(id, sizeof id, "request-%zu", i);
        assert_int_equal(run_ids_flags(ids, id, (size_t)length), RUN_ID_SEEN);
    }
    assert_true(run_ids_memory(ids) < 32 * count);
    run_ids_free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_the_reference_does),
        cmocka_unit_test(remembers_each_flag_of_each_id),
        cmocka_unit_test(holds_many_in_32_bytes_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
