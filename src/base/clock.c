/* SPDX-License-Identifier: MIT */
/* The default clocks. Only this file and provider/ know the calendar. */
#include "base/env.h"

#include <time.h>

static rl_time as_time(const struct timespec *ts)
{
    return (rl_time)ts->tv_sec * RL_SECOND + (rl_time)ts->tv_nsec;
}

/* BOOTTIME goes on while the machine sleeps, as the provider's windows do. A kernel that lacks it
 * always does, so the two are never mixed. */
rl_time rl__default_now(void *user)
{
    struct timespec ts = { 0, 0 };

    (void)user;
#ifdef CLOCK_BOOTTIME
    if (clock_gettime(CLOCK_BOOTTIME, &ts) == 0)
        return as_time(&ts);
#endif
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail: POSIX demands this clock */
    return as_time(&ts);
}

rl_wall_time rl__default_wall(void *user)
{
    struct timespec ts = { 0, 0 };

    (void)user;
    (void)clock_gettime(CLOCK_REALTIME, &ts); /* likewise */
    return (rl_wall_time)ts.tv_sec * (rl_wall_time)RL_SECOND + (rl_wall_time)ts.tv_nsec;
}

rl_time rl__now(const struct rl__env *env)
{
    return env->hooks.now(env->hooks.user);
}

rl_wall_time rl__wall(const struct rl__env *env)
{
    return env->hooks.wall(env->hooks.user);
}
