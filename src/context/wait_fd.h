/* SPDX-License-Identifier: MIT */
/* What an event loop can poll: readable when there is something to dispatch. One of two files is
 * built: wait_fd_timer.c (Linux), wait_fd_pipe.c (elsewhere). Under the context's lock. */
#ifndef LLMRL_SRC_WAIT_FD_H
#define LLMRL_SRC_WAIT_FD_H

#include "base/env.h"

struct rl__wait_fd;

/* NULL: no memory, or no descriptors left. */
struct rl__wait_fd *rl__wait_fd_new(struct rl__env *env);
/* NULL is fine. */
void rl__wait_fd_free(struct rl__wait_fd *fd, struct rl__env *env);
int rl__wait_fd_number(const struct rl__wait_fd *fd);
/* There will be something to do at `next`; `told`: the loop has just been at it, and asks anew. */
void rl__wait_fd_plan(struct rl__wait_fd *fd, const struct rl__env *env, rl_time next, int told);

#endif
