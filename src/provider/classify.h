/* SPDX-License-Identifier: MIT */
/* What kind of outcome an answer is. */
#ifndef LLMRL_SRC_CLASSIFY_H
#define LLMRL_SRC_CLASSIFY_H

#include "provider/body.h"

/* `in_stream`: the error stands inside a success, so `status` says nothing about it. */
rl_outcome rl__classify(uint64_t status, int in_stream, const struct rl__facts *facts);

/* May another try help? should_retry is the answer's own word: 1, 0, or -1. */
uint32_t rl__retryable(rl_outcome outcome, uint64_t status, uint64_t failure, int should_retry);

/* The provider's own name for the error, cut to fit; "": none. */
void rl__code_name(const struct rl__facts *facts, char *out, size_t size);

#endif
