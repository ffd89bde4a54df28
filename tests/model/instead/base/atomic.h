/* SPDX-License-Identifier: MIT */
/*
 * Stands in for src/base/atomic.h: each access to a shared word is a step that the explorer in
 * model.c may delay. The orders are not modelled, every step is seen by all at once; TSan and the
 * comments in limiter.c are about orders.
 */
#ifndef LLMRL_SRC_ATOMIC_H
#define LLMRL_SRC_ATOMIC_H

#include <stdint.h>

enum model_op {
    MODEL_LOAD,
    MODEL_LOAD_AGAIN,
    MODEL_STORE,
    MODEL_EXCHANGE_IF,
    MODEL_SWAP,
    MODEL_ADD
};

/* What the word was; EXCHANGE_IF writes `value` only if that was `seen`. */
uint64_t model_access(enum model_op op, const uint64_t *word, uint64_t seen, uint64_t value);

static inline uint64_t rl__load(const uint64_t *word)
{
    return model_access(MODEL_LOAD_AGAIN, word, 0, 0);
}

static inline uint64_t rl__load_acquire(const uint64_t *word)
{
    return model_access(MODEL_LOAD, word, 0, 0);
}

static inline void rl__store(uint64_t *word, uint64_t value)
{
    (void)model_access(MODEL_STORE, word, 0, value);
}

static inline void rl__store_release(uint64_t *word, uint64_t value)
{
    (void)model_access(MODEL_STORE, word, 0, value);
}

static inline uint64_t rl__fetch_add(uint64_t *word, uint64_t value)
{
    return model_access(MODEL_ADD, word, 0, value);
}

static inline int rl__exchange_if(uint64_t *word, uint64_t *seen, uint64_t value)
{
    uint64_t was = model_access(MODEL_EXCHANGE_IF, word, *seen, value);
    int done = was == *seen;

    *seen = was;
    return done;
}

static inline int rl__exchange_if_acquire(uint64_t *word, uint64_t *seen, uint64_t value)
{
    return rl__exchange_if(word, seen, value);
}

static inline int rl__exchange_once(uint64_t *word, uint64_t expected, uint64_t value)
{
    return rl__exchange_if(word, &expected, value);
}

static inline uint64_t rl__swap(uint64_t *word, uint64_t value)
{
    return model_access(MODEL_SWAP, word, 0, value);
}

static inline void rl__raise_to(uint64_t *word, uint64_t value)
{
    uint64_t seen = rl__load(word);

    while (seen < value && !rl__exchange_if(word, &seen, value))
        ;
}

#endif
