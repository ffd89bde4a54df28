/* SPDX-License-Identifier: MIT */
/* Owns the bounds of an estimate: see estimate.h. */
#include "provider/estimate.h"

#include "base/arith.h"

uint64_t rl__estimate_tokens(enum rl__vocabulary family, const char *text, size_t length)
{
    struct rl__makeup makeup;
    uint64_t weighed;

    if (length == 0)
        return 0;
    rl__makeup_read(text, length, &makeup);
    weighed = rl__vocabulary_weigh(family, &makeup);
    return rl__min(rl__max(weighed / RL__TOKEN + (weighed % RL__TOKEN != 0), 1), length);
}
