/* SPDX-License-Identifier: MIT */
/*
 * Memory that fails at the nth request and counts what is alive. Fail every request in turn:
 *
 *     struct failing_alloc memory = { .fail_at = n };       n = 1, 2, ... until memory.failed stays
 * 0 rl_hooks hooks = failing_alloc_hooks(&memory);        with the virtual clock memory.clock
 *     ...
 *     assert_int_equal(memory.alive, 0);
 */
#ifndef LLMRL_TEST_FAILING_ALLOC_H
#define LLMRL_TEST_FAILING_ALLOC_H

#include "vclock.h"

#include <stdlib.h>

struct failing_alloc {
    struct vclock clock; /* first: the clock's hooks get the same `user` */
    uint64_t fail_at;    /* the request that fails, from 1; 0: none */
    uint64_t requests;   /* that wanted memory, so far */
    uint64_t failed;
    uint64_t alive; /* blocks */
};

static inline void *failing_alloc_resize(void *user, void *ptr, size_t size)
{
    struct failing_alloc *memory = user;
    void *got;

    if (size == 0) {
        if (ptr != NULL)
            (void)rl__fetch_add(&memory->alive, UINT64_MAX);
        free(ptr);
        return NULL;
    }
    if (rl__fetch_add(&memory->requests, 1) + 1 == memory->fail_at) {
        (void)rl__fetch_add(&memory->failed, 1);
        return NULL;
    }
    got = realloc(ptr, size);
    if (ptr == NULL && got != NULL)
        (void)rl__fetch_add(&memory->alive, 1);
    return got;
}

static inline rl_hooks failing_alloc_hooks(struct failing_alloc *memory)
{
    rl_hooks hooks = vclock_hooks(&memory->clock);

    hooks.user = memory;
    hooks.resize = failing_alloc_resize;
    return hooks;
}

#endif
