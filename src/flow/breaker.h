/* SPDX-License-Identifier: MIT */
/* The private words of a breaker, spelled out; and the window in which it counts. */
#ifndef LLMRL_SRC_BREAKER_H
#define LLMRL_SRC_BREAKER_H

#include "base/sync.h"

#include <llmrl/breaker.h>

struct rl__tally {
    uint64_t calls, failures, slow;
};

#define RL__RING_WORDS (RL_BREAKER_WINDOW_CALLS_MAX / 64)

/* Of the three forms; a bit or a bucket that is not in use is zero. */
struct rl__window {
    uint64_t form;
    uint64_t length;      /* calls, or buckets */
    rl_duration part;     /* length of a bucket */
    uint64_t newest;      /* number of the newest bucket; place of the next call */
    struct rl__tally sum; /* of all that follow; consecutive: all there is */
    union {
        struct {
            uint64_t failed[RL__RING_WORDS], slow[RL__RING_WORDS]; /* one bit for each call */
        } ring;
        struct rl__tally bucket[RL_BREAKER_BUCKETS_MAX];
    };
};

/* Empty. The options are resolved. */
void rl__window_start(struct rl__window *window, const rl_breaker_options *options);
void rl__window_clear(struct rl__window *window);
/* A clock that steps back counts into the newest bucket. */
void rl__window_add(struct rl__window *window, int failed, int slow, rl_time now);
/* What counts at `now`; changes nothing. */
struct rl__tally rl__window_at(const struct rl__window *window, rl_time now);

struct rl__probe {
    uint64_t ticket; /* 0: the place is free */
    rl_time expires; /* from then on somebody else may have it */
};

struct __attribute__((may_alias)) rl__breaker { /* laid over plain words */
    uint64_t ready;
    struct rl__mutex lock;
    rl_breaker_options options; /* resolved; never changes */
    struct {                    /* under `lock` */
        uint64_t state, mode, generation;
        uint64_t next_ticket;
        uint64_t openings; /* in a row, without having been closed */
        rl_time opened_at, open_until;
        struct rl__tally probed; /* of the present half-open */
        struct rl__probe probe[RL_BREAKER_PROBES_MAX];
        struct rl__window window;
        uint64_t times_opened, refused, neutral, late;
    } locked;
};

#endif
