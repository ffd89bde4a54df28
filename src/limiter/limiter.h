/* SPDX-License-Identifier: MIT */
/* The built-in algorithms, for the table in limiter.c. */
#ifndef LLMRL_SRC_LIMITER_H
#define LLMRL_SRC_LIMITER_H

#include <llmrl/limiter.h>

/* gcra.c */
extern const rl_algorithm rl__token_bucket;

#endif
