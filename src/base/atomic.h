/* SPDX-License-Identifier: MIT */
/*
 * Atomic access to plain 64-bit words: public structs hold no _Atomic, so that C++ sees the same
 * types, and the same words may lie in memory that processes share. The orders in use: relaxed for
 * a word that carries all it means, acquire/release for one that announces others.
 */
#ifndef LLMRL_SRC_ATOMIC_H
#define LLMRL_SRC_ATOMIC_H

#include <stdint.h>

static inline uint64_t rl__load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline uint64_t rl__load_acquire(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void rl__store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline void rl__store_release(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline uint64_t rl__fetch_add(uint64_t *word, uint64_t value)
{
    return __atomic_fetch_add(word, value, __ATOMIC_RELAXED);
}

/* The same, where two threads meet: each writes something, then counts here, then looks at what the
 * other has written. Of the two, the later one sees it. */
static inline uint64_t rl__fetch_add_ordered(uint64_t *word, uint64_t value)
{
    return __atomic_fetch_add(word, value, __ATOMIC_ACQ_REL);
}

/* The same for two who each count in one place and then look into the other's: at least one of them
 * sees the other. */
static inline uint64_t rl__count_ordered(uint64_t *word, uint64_t value)
{
    return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
}
static inline uint64_t rl__load_ordered(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* 1: it was *seen and is `value` now. 0: *seen holds what it is instead; may fail for no reason. */
static inline int rl__exchange_if(uint64_t *word, uint64_t *seen, uint64_t value)
{
    return __atomic_compare_exchange_n(word, seen, value, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* The same with acquire, whatever comes of it: for taking a lock word, and where *seen must not be
 * newer than what is looked at next. */
static inline int rl__exchange_if_acquire(uint64_t *word, uint64_t *seen, uint64_t value)
{
    return __atomic_compare_exchange_n(word, seen, value, 1, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
}

/* The same, once only, and never failing for no reason; release as well: for giving a lock word
 * back that somebody may have taken over. */
static inline int rl__exchange_once(uint64_t *word, uint64_t expected, uint64_t value)
{
    return __atomic_compare_exchange_n(word, &expected, value, 0, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

/* Puts `value` in and gives what was there. */
static inline uint64_t rl__swap(uint64_t *word, uint64_t value)
{
    return __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL);
}

/* Moves a word up to `value`; never down. */
static inline void rl__raise_to(uint64_t *word, uint64_t value)
{
    uint64_t seen = rl__load(word);

    while (seen < value && !rl__exchange_if(word, &seen, value))
        ;
}

#endif
