/* SPDX-License-Identifier: MIT */
/* The descriptor where there is no timerfd: a pipe that is readable when the plan has become
 * earlier than the loop was told. (The one with a timerfd: test_waiting.) */
#include "context/wait_fd.h"

#include "failing_alloc.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int is_readable(const struct rl__wait_fd *fd)
{
    struct pollfd one = { .fd = rl__wait_fd_number(fd), .events = POLLIN };

    return poll(&one, 1, 0) == 1;
}

static void it_tells_of_earlier_plans_only(void **state)
{
    struct rl__wait_fd *fd;
    struct rl__env env;

    (void)state;
    assert_int_equal(rl__env_init(&env, NULL), RL_OK);
    fd = rl__wait_fd_new(&env);
    assert_non_null(fd);
    rl__wait_fd_plan(fd, &env, RL_NEVER, 1);
    assert_false(is_readable(fd));
    rl__wait_fd_plan(fd, &env, 500, 0); /* news */
    assert_true(is_readable(fd));
    rl__wait_fd_plan(fd, &env, 500, 0);
    assert_true(is_readable(fd));
    rl__wait_fd_plan(fd, &env, 500, 1); /* now the loop knows */
    assert_false(is_readable(fd));
    rl__wait_fd_plan(fd, &env, 600, 0); /* it may come too early, that is no harm */
    assert_false(is_readable(fd));
    rl__wait_fd_plan(fd, &env, 400, 0);
    assert_true(is_readable(fd));
    rl__wait_fd_plan(fd, &env, RL_NEVER, 0); /* and back again */
    assert_false(is_readable(fd));
    rl__wait_fd_plan(fd, &env, 0, 1); /* something is ready */
    assert_true(is_readable(fd));
    rl__wait_fd_free(fd, &env);
    rl__wait_fd_free(NULL, &env);
}

static void without_memory_there_is_none(void **state)
{
    struct failing_alloc memory = { .fail_at = 1 };
    rl_hooks hooks = failing_alloc_hooks(&memory);
    struct rl__env env;

    (void)state;
    assert_int_equal(rl__env_init(&env, &hooks), RL_OK);
    assert_null(rl__wait_fd_new(&env));
    assert_int_equal(memory.alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_tells_of_earlier_plans_only),
        cmocka_unit_test(without_memory_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
