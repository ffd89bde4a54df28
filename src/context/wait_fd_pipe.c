/* SPDX-License-Identifier: MIT */
/* A pipe, where there is no timerfd: it tells that the plan has become earlier than the loop was
 * told last. */
#include "context/wait_fd.h"

#include <fcntl.h>
#include <unistd.h>

struct rl__wait_fd {
    int end[2];
    int full;      /* one byte is in it */
    rl_time known; /* what the loop was told */
};

static int set_up(int number)
{
    return fcntl(number, F_SETFD, FD_CLOEXEC) == 0 && fcntl(number, F_SETFL, O_NONBLOCK) == 0;
}

struct rl__wait_fd *rl__wait_fd_new(struct rl__env *env)
{
    struct rl__wait_fd *fd = rl__alloc_zeroed(env, 1, sizeof *fd);

    if (fd == NULL)
        return NULL;
    fd->known = RL_NEVER;
    if (pipe(fd->end) != 0) {
        rl__free(env, fd);
        return NULL;
    }
    if (set_up(fd->end[0]) && set_up(fd->end[1]))
        return fd;
    rl__wait_fd_free(fd, env);
    return NULL;
}

void rl__wait_fd_free(struct rl__wait_fd *fd, struct rl__env *env)
{
    if (fd == NULL)
        return;
    (void)close(fd->end[0]); /* what was in it is of no use any more */
    (void)close(fd->end[1]);
    rl__free(env, fd);
}

int rl__wait_fd_number(const struct rl__wait_fd *fd)
{
    return fd->end[0];
}

static void set_full(struct rl__wait_fd *fd, int full)
{
    char byte = 0;

    if (full == fd->full)
        return;
    if ((full ? write(fd->end[1], &byte, 1) : read(fd->end[0], &byte, 1)) == 1)
        fd->full = full;
}

void rl__wait_fd_plan(struct rl__wait_fd *fd, const struct rl__env *env, rl_time next, int told)
{
    (void)env;
    if (told)
        fd->known = next;
    set_full(fd, next == 0 || next < fd->known);
}
