/* SPDX-License-Identifier: MIT */
/* A timerfd: it tells of planned times by itself, and of what is due at once as of a moment in the
 * past. Setting it anew makes it unreadable. */
#include "context/wait_fd.h"

#include "base/arith.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct rl__wait_fd {
    int number;
    rl_time armed; /* 0: not yet; else what it stands at */
};

struct rl__wait_fd *rl__wait_fd_new(struct rl__env *env)
{
    struct rl__wait_fd *fd = rl__alloc_zeroed(env, 1, sizeof *fd);

    if (fd == NULL)
        return NULL;
    /* the clock of rl__default_now(), which both count suspend */
    fd->number = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd->number >= 0)
        return fd;
    rl__free(env, fd);
    return NULL;
}

void rl__wait_fd_free(struct rl__wait_fd *fd, struct rl__env *env)
{
    if (fd == NULL)
        return;
    (void)close(fd->number); /* nothing was written to it */
    rl__free(env, fd);
}

int rl__wait_fd_number(const struct rl__wait_fd *fd)
{
    return fd->number;
}

/* As time of CLOCK_BOOTTIME; a user's clock is asked how long from now. 0 would stop the timer. */
static rl_time on_boot_clock(const struct rl__env *env, rl_time next)
{
    rl_time now;

    if (env->own_clock)
        return rl__max(next, 1);
    now = rl__now(env);
    return rl__add_sat(rl__default_now(NULL), rl__sub_sat(next, now));
}

void rl__wait_fd_plan(struct rl__wait_fd *fd, const struct rl__env *env, rl_time next, int told)
{
    struct itimerspec spec = { { 0, 0 }, { 0, 0 } };
    rl_time at;

    next = rl__max(next, 1);
    if (next == fd->armed && !(told && !env->own_clock))
        return;
    fd->armed = next;
    if (next != RL_NEVER) {
        at = on_boot_clock(env, next);
        spec.it_value.tv_sec = (time_t)(at / RL_SECOND);
        spec.it_value.tv_nsec = (long)(at % RL_SECOND);
    }
    (void)timerfd_settime(fd->number, TFD_TIMER_ABSTIME, &spec,
                          NULL); /* cannot fail: the descriptor is ours, the time in range */
}
