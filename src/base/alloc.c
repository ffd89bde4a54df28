/* SPDX-License-Identifier: MIT */
/* Memory: the only file that names realloc and free; everything else goes through the hook. */
#include "base/env.h"

#include <stdlib.h>
#include <string.h>

void *rl__default_resize(void *user, void *ptr, size_t size)
{
    (void)user;
    if (size > 0)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

/* 0: it overflows. A product of 0 becomes 1, since the hook frees at 0. */
static size_t bytes_of(size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        return 0;
    return bytes > 0 ? bytes : 1;
}

void *rl__resize(struct rl__env *env, void *ptr, size_t count, size_t size)
{
    size_t bytes = bytes_of(count, size);

    return bytes > 0 ? env->hooks.resize(env->hooks.user, ptr, bytes) : NULL;
}

void *rl__alloc_zeroed(struct rl__env *env, size_t count, size_t size)
{
    void *ptr = rl__resize(env, NULL, count, size);

    if (ptr != NULL)
        memset(ptr, 0, bytes_of(count, size));
    return ptr;
}

char *rl__copy_text(struct rl__env *env, const char *text, size_t length)
{
    char *copy = length < SIZE_MAX ? rl__resize(env, NULL, length + 1, 1) : NULL;

    if (copy == NULL)
        return NULL;
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void rl__free(struct rl__env *env, void *ptr)
{
    if (ptr != NULL)
        (void)env->hooks.resize(env->hooks.user, ptr, 0);
}
