/* SPDX-License-Identifier: MIT */
/* How many tokens a text will be, without any tokenizer. */
#ifndef LLMRL_SRC_ESTIMATE_H
#define LLMRL_SRC_ESTIMATE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Rather too many than too few: prose and code about a token per 3.5 to 4 bytes, digits and
 * punctuation denser, Chinese, Japanese and Korean a little over one per character, other scripts
 * one per two bytes. Bytes that are no UTF-8 count one each. Never more than one per byte; never 0
 * for a text that is not empty.
 */
uint64_t rl__estimate_tokens(const char *text, size_t length);

#endif
