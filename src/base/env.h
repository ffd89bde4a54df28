/* SPDX-License-Identifier: MIT */
/* The outside world as one struct, hooks resolved. It holds no pointer to itself: it may be copied.
 */
#ifndef LLMRL_SRC_ENV_H
#define LLMRL_SRC_ENV_H

#include <llmrl/base.h>
#include <sys/types.h>
#include <unistd.h>

struct rl__env {
    rl_hooks hooks;   /* now, wall and resize are set; random, sleep_until and log may be NULL */
    int own_clock;    /* hooks.now is the default one: a wait may use the kernel's timers */
    uint64_t seed[4]; /* of the default generator; only random.c knows what they mean */
    pid_t owner;      /* the process that resolved them */
    uint64_t *mark;   /* of base/fork_mark.h; borrowed; NULL: the system is asked */
};

/* Resolves `hooks` (NULL: all defaults). RL_E_TOO_NEW if it has fields that we do not know,
 * RL_E_INVALID if it was never initialised; `env` is written on RL_OK only. */
rl_status rl__env_init(struct rl__env *env, const rl_hooks *hooks);

/* Whether this is a child of fork(): it has the memory, but not the threads that held the locks in
 * it. Without a mark this is a system call. */
static inline int rl__env_is_forked(const struct rl__env *env)
{
    return env->mark != NULL ? *env->mark == 0 : getpid() != env->owner;
}

/* The same for who decides without a lock: that is not worth a system call, so without a mark it
 * never seems so. */
static inline int rl__env_seems_forked(const struct rl__env *env)
{
    return env->mark != NULL && *env->mark == 0;
}

/* clock.c */
rl_time rl__now(const struct rl__env *env);
rl_wall_time rl__wall(const struct rl__env *env);
rl_time rl__default_now(void *user);
rl_wall_time rl__default_wall(void *user);
/* random.c; threads: any. */
uint64_t rl__random(struct rl__env *env);
void rl__random_seed(struct rl__env *env);
/* alloc.c: as calloc, realloc, free; NULL also when count * size overflows, and never for a size of
 * 0. */
void *rl__alloc_zeroed(struct rl__env *env, size_t count, size_t size);
void *rl__resize(struct rl__env *env, void *ptr, size_t count, size_t size);
/* A copy with a NUL behind it. */
char *rl__copy_text(struct rl__env *env, const char *text, size_t length);
void rl__free(struct rl__env *env, void *ptr);
void *rl__default_resize(void *user, void *ptr, size_t size);
/* log.c: one line, cut at 512 bytes; control characters become '?'. */
void rl__log(struct rl__env *env, rl_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
