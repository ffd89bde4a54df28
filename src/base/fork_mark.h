/* SPDX-License-Identifier: MIT */
/* A word that is 1 in the process that made it and 0 in a child of fork(): the kernel hands the
 * child an empty page. To look at it costs a load; nothing is registered, and nobody is called. */
#ifndef LLMRL_SRC_FORK_MARK_H
#define LLMRL_SRC_FORK_MARK_H

#include <stdint.h>

/* NULL: this system has no such pages, or no memory. Yours: give it to rl__fork_mark_free(). */
uint64_t *rl__fork_mark_new(void);
/* NULL is fine. */
void rl__fork_mark_free(uint64_t *mark);

#endif
