/* SPDX-License-Identifier: MIT */
/* Reading a struct whose size was compiled into the caller: an older one is shorter, a newer one
 * longer. */
#ifndef LLMRL_SRC_SIZED_H
#define LLMRL_SRC_SIZED_H

#include <llmrl/base.h>

#include <string.h>

/* No struct of ours comes near; a larger `size` is garbage, and is not followed into memory. */
#define RL__SIZED_MAX 4096

/*
 * Copies what both sides know from `src` into `dst`, zeroes the rest and sets dst's own size. Both
 * structs begin with `size_t size`; `src_size` is that of `src`. RL_E_INVALID: no size was set.
 * RL_E_TOO_NEW: fields are in use that we do not know. `dst` is written on RL_OK only.
 */
static inline rl_status rl__copy_sized(void *dst, size_t dst_size, const void *src, size_t src_size)
{
    const unsigned char *bytes = src;

    if (src_size == dst_size) { /* the usual case */
        memcpy(dst, src, dst_size);
        return RL_OK;
    }
    if (src_size < sizeof(size_t))
        return RL_E_INVALID;
    if (src_size > RL__SIZED_MAX)
        return RL_E_TOO_NEW;
    for (size_t i = dst_size; i < src_size; i++)
        if (bytes[i] != 0)
            return RL_E_TOO_NEW;
    memset(dst, 0, dst_size);
    memcpy(dst, src, src_size < dst_size ? src_size : dst_size);
    memcpy(dst, &dst_size, sizeof dst_size);
    return RL_OK;
}

#endif
