/* SPDX-License-Identifier: MIT */
/* RL_ASSERT states our own invariants; on in the dev, sanitizer and fuzz builds, never in a user's.
 */
#ifndef LLMRL_SRC_RL_ASSERT_H
#define LLMRL_SRC_RL_ASSERT_H

#ifdef RL_ASSERTIONS
#include <assert.h>
#define RL_ASSERT(condition) assert(condition)
#else
#define RL_ASSERT(condition) ((void)sizeof(condition))
#endif

#endif
