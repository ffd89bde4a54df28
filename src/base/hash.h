/* SPDX-License-Identifier: MIT */
/* SipHash-1-3, 64 bits: a keyed hash, so that nobody outside can choose names that collide.
 * Source: Aumasson, Bernstein: "SipHash: a fast short-input PRF" (2012); 1-3 as used by several
 * runtimes. */
#ifndef LLMRL_SRC_HASH_H
#define LLMRL_SRC_HASH_H

#include <stddef.h>
#include <stdint.h>

struct rl__hash_key {
    uint64_t word[2];
};

uint64_t rl__hash(const struct rl__hash_key *key, const void *bytes, size_t length);

#endif
