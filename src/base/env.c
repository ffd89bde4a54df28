/* SPDX-License-Identifier: MIT */
/* Resolves the hooks: what the user left open gets its default. */
#include "base/env.h"
#include "base/sized.h"

rl_status rl__env_init(struct rl__env *env, const rl_hooks *hooks)
{
    struct rl__env made = { .hooks = RL_HOOKS_INIT };

    if (hooks != NULL) {
        rl_status st = rl__copy_sized(&made.hooks, sizeof made.hooks, hooks, hooks->size);
        if (st != RL_OK)
            return st;
    }
    made.owner = getpid();
    made.own_clock = made.hooks.now == NULL;
    if (made.hooks.now == NULL)
        made.hooks.now = rl__default_now;
    if (made.hooks.wall == NULL)
        made.hooks.wall = rl__default_wall;
    if (made.hooks.resize == NULL)
        made.hooks.resize = rl__default_resize;
    rl__random_seed(&made);
    *env = made;
    return RL_OK;
}
