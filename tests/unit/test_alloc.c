/* SPDX-License-Identifier: MIT */
/* The environment: hooks, memory, randomness, log lines, and structs of another size. */
#include "base/env.h"
#include "base/sized.h"
#include "failing_alloc.h"

#include <pthread.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void defaults_work(void **ctx)
{
    struct rl__env env;
    char *text;

    (void)ctx;
    assert_int_equal(rl__env_init(&env, NULL), RL_OK);
    assert_true(env.own_clock);
    assert_true(rl__now(&env) > 0 && rl__now(&env) <= rl__now(&env) + RL_SECOND);
    assert_true(rl__wall(&env) > INT64_C(1700000000) * (int64_t)RL_SECOND);
    assert_true(rl__random(&env) != rl__random(&env));
    text = rl__copy_text(&env, "abcdef", 3);
    assert_string_equal(text, "abc");
    rl__free(&env, text);
    rl__free(&env, NULL);
    rl__log(&env, RL_LOG_ERROR, "nowhere %d", 1);
}

static void hooks_are_asked(void **ctx)
{
    struct vclock clock = { .now = 5, .epoch = 100, .random = 1 };
    struct vclock same = clock;
    rl_hooks hooks = vclock_hooks(&clock);
    struct rl__env env;

    (void)ctx;
    assert_int_equal(rl__env_init(&env, &hooks), RL_OK);
    assert_false(env.own_clock);
    assert_true(rl__now(&env) == 5 && rl__wall(&env) == 105);
    assert_true(rl__random(&env) == vclock_random(&same));
}

static void older_and_newer_structs_are_told_apart(void **ctx)
{
    struct {
        rl_hooks known;
        uint64_t unknown;
    } newer = { .known = RL_HOOKS_INIT };
    struct rl__env env;

    (void)ctx;
    newer.known.size = sizeof newer;
    assert_int_equal(rl__env_init(&env, &newer.known), RL_OK);
    assert_int_equal(env.hooks.size, sizeof(rl_hooks));
    newer.unknown = UINT64_C(1) << 63;
    assert_int_equal(rl__env_init(&env, &newer.known), RL_E_TOO_NEW);
    newer.known.size = 0;
    assert_int_equal(rl__env_init(&env, &newer.known), RL_E_INVALID);
    newer.known.size = SIZE_MAX; /* never initialised: must not be followed */
    assert_int_equal(rl__env_init(&env, &newer.known), RL_E_TOO_NEW);
    newer.known.user = &env;
    newer.known.size = offsetof(rl_hooks, user); /* from before there was a user */
    assert_int_equal(rl__env_init(&env, &newer.known), RL_OK);
    assert_null(env.hooks.user);
}

static void sizes_that_overflow_give_nothing(void **ctx)
{
    struct rl__env env;

    (void)ctx;
    assert_int_equal(rl__env_init(&env, NULL), RL_OK);
    assert_null(rl__alloc_zeroed(&env, SIZE_MAX / 2, 3));
    assert_null(rl__resize(&env, NULL, SIZE_MAX, SIZE_MAX));
    assert_null(rl__copy_text(&env, "", SIZE_MAX));
}

static void every_block_goes_through_the_hook(void **ctx)
{
    struct failing_alloc memory = { .fail_at = 3 };
    rl_hooks hooks = failing_alloc_hooks(&memory);
    struct rl__env env;
    unsigned char *zeroed;
    void *empty;

    (void)ctx;
    assert_int_equal(rl__env_init(&env, &hooks), RL_OK);
    zeroed = rl__alloc_zeroed(&env, 3, 5);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(zeroed[i], 0);
    empty = rl__alloc_zeroed(&env, 0, 5);
    assert_non_null(empty);
    assert_null(rl__resize(&env, zeroed, 100, 5)); /* the third; the block stays */
    assert_int_equal(zeroed[14], 0);
    zeroed = rl__resize(&env, zeroed, 0, 5); /* not freed */
    assert_non_null(zeroed);
    assert_int_equal(memory.alive, 2);
    rl__free(&env, zeroed);
    rl__free(&env, empty);
    assert_int_equal(memory.alive, 0);
    assert_int_equal(memory.failed, 1);
}

static char logged[1024];

static void keep_line(void *user, rl_log_level level, const char *line)
{
    (void)user;
    (void)level;
    assert_true(strlen(line) < sizeof logged);
    memcpy(logged, line, strlen(line) + 1);
}

static void log_lines_are_short_and_clean(void **ctx)
{
    rl_hooks hooks = RL_HOOKS_INIT;
    struct rl__env env;
    char text[1000];

    (void)ctx;
    hooks.log = keep_line;
    assert_int_equal(rl__env_init(&env, &hooks), RL_OK);
    rl__log(&env, RL_LOG_WARNING, "%s %d", "a\r\nb", 7);
    assert_string_equal(logged, "a??b 7");
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    rl__log(&env, RL_LOG_WARNING, "%s", text);
    assert_int_equal(strlen(logged), 512);
}

#define DRAWS 20000

struct draws {
    struct rl__env *env;
    uint64_t number[DRAWS];
};

static void *draw(void *arg)
{
    struct draws *draws = arg;

    for (size_t i = 0; i < DRAWS; i++)
        draws->number[i] = rl__random(draws->env);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void threads_never_draw_the_same_number(void **ctx)
{
    static struct draws draws[2];
    static uint64_t all[2 * DRAWS];
    struct rl__env env;
    pthread_t thread[2];
    uint64_t ones = 0;

    (void)ctx;
    assert_int_equal(rl__env_init(&env, NULL), RL_OK);
    for (size_t i = 0; i < 2; i++) {
        draws[i].env = &env;
        assert_int_equal(pthread_create(&thread[i], NULL, draw, &draws[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        memcpy(all + i * DRAWS, draws[i].number, sizeof draws[i].number);
    }
    qsort(all, 2 * DRAWS, sizeof all[0], by_size);
    for (size_t i = 0; i < 2 * DRAWS; i++) {
        assert_true(i == 0 || all[i] != all[i - 1]);
        ones += (uint64_t)__builtin_popcountll(all[i]);
    }
    assert_in_range(ones, 32 * 2 * DRAWS - 10000, 32 * 2 * DRAWS + 10000); /* 12 sigma */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_work),
        cmocka_unit_test(hooks_are_asked),
        cmocka_unit_test(older_and_newer_structs_are_told_apart),
        cmocka_unit_test(sizes_that_overflow_give_nothing),
        cmocka_unit_test(every_block_goes_through_the_hook),
        cmocka_unit_test(log_lines_are_short_and_clean),
        cmocka_unit_test(threads_never_draw_the_same_number),
    };
    return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
