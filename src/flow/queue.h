/* SPDX-License-Identifier: MIT */
/*
 * Who waits, in which order, and until when. Pure: (state, event, now) -> who is done. No clock, no
 * lock, no heap.
 *
 * Each lane has its waiters in order of arrival. A lane whose head is held back sleeps until the
 * time at which that head may go; nobody looks at it before, unless something happened
 * (rl__queue_poke). Where a head is held back at a limiter that other lanes share, those who came
 * later do not pass it there.
 */
#ifndef LLMRL_SRC_QUEUE_H
#define LLMRL_SRC_QUEUE_H

#include "scope/admit.h"

struct rl__waiter {
    struct rl__heap_node order;  /* in its lane, or among the delayed */
    struct rl__heap_node expiry; /* among those whose time ends */
    struct rl__lane *lane;
    struct rl__who who;
    struct rl__cost cost;
    uint64_t sequence;  /* order of arrival; kept over retries */
    rl_time not_before; /* 0: at once */
    rl_time expires;    /* RL_NEVER: never */
    rl_status expired;  /* what to say then */
    int in_lane;        /* else delayed, or not queued at all */
    /* When it is done: */
    rl_status status;
    rl_time retry_at;
    struct rl__taken taken;
    struct rl__refusal refusal;
    struct rl__waiter *next_done;
};

struct rl__queue {
    struct rl__heap delayed;  /* waiters, by not_before */
    struct rl__heap expiries; /* waiters, by expires */
    struct rl__heap sleeping; /* lanes, by wake_at */
    struct rl__heap due;      /* lanes, by the arrival of their heads */
    uint64_t count;           /* waiters in all; also read without the lock */
    uint64_t next_sequence;   /* starts at 1; atomic */
};

void rl__queue_init(struct rl__queue *queue);
/* Puts a waiter in; a sequence of 0 gives it the next one. It is not looked at before
 * rl__queue_run(). */
void rl__queue_add(struct rl__queue *queue, struct rl__waiter *waiter, rl_time now);
/* Takes it out, wherever it is. */
void rl__queue_remove(struct rl__queue *queue, struct rl__waiter *waiter);
/* Something happened that may let somebody go earlier than planned. */
void rl__queue_poke(struct rl__queue *queue);
/* Lets go who may, tells who cannot; returns the list of those who are done, linked by next_done.
 */
struct rl__waiter *rl__queue_run(struct rl__queue *queue, rl_time now);
/* When rl__queue_run() will next have something to do; RL_NEVER: only after an event. */
rl_time rl__queue_next(const struct rl__queue *queue);
/* Ends all of them with `status`. */
struct rl__waiter *rl__queue_end(struct rl__queue *queue, rl_status status);

#endif
