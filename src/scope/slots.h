/* SPDX-License-Identifier: MIT */
/*
 * Who holds which of so many slots, and until when. Pure: (state, event, now) -> who holds. No
 * clock, no lock, no heap, and no pointers: the memory is the caller's, and may be a mapped file
 * that processes share, under a lock of theirs.
 *
 * A slot is a lease: an owner, and a time at which it comes back by itself. Its id names one
 * holding, not the place: who gives back twice, or late, gives back nothing that is somebody
 * else's.
 */
#ifndef LLMRL_SRC_SLOTS_H
#define LLMRL_SRC_SLOTS_H

#include <llmrl/base.h>

#define RL__SLOTS_MAX 65536

struct rl__slot {
    uint64_t generation; /* odd: held */
    uint64_t owner;
    rl_time taken_at;
    rl_time expires;    /* RL_NEVER: no lease */
    uint64_t in_flight; /* slots held when it was taken, itself included */
    uint64_t order;     /* of taking, from 1 */
    /* Numbers from 1, 0: none; among the held, by expiry, or among the unused. */
    uint64_t next, previous;
};

struct rl__slots {
    uint64_t capacity; /* places in `slot` */
    uint64_t size;     /* how many may be held; fewer may be than are, until enough come back */
    uint64_t held;
    uint64_t unused;      /* the first of them; a list by `next` */
    uint64_t first, last; /* of the held: the first to expire, and the last */
    uint64_t order;       /* of the latest taken */
    uint64_t expired;     /* how many came back by themselves, ever */
    struct rl__slot slot[];
};

/* capacity <= RL__SLOTS_MAX. */
size_t rl__slots_bytes(uint64_t capacity);
void rl__slots_start(struct rl__slots *slots, uint64_t capacity, uint64_t size);
/* The memory now has room for `capacity`. */
void rl__slots_extend(struct rl__slots *slots, uint64_t capacity);

/* Takes back what has expired first. `lease` 0: none. RL_WAIT: all are held. */
rl_status rl__slots_take(struct rl__slots *slots, uint64_t owner, rl_duration lease, rl_time now,
                         uint64_t *id);
/* NULL: that holding has ended. */
struct rl__slot *rl__slots_find(struct rl__slots *slots, uint64_t id);
/* One that rl__slots_find() gave. */
void rl__slots_give_back(struct rl__slots *slots, struct rl__slot *slot);
void rl__slots_renew(struct rl__slots *slots, struct rl__slot *slot, rl_duration lease,
                     rl_time now);
/* All of one owner's, as when it is known to be dead. Returns how many. */
uint64_t rl__slots_give_back_all(struct rl__slots *slots, uint64_t owner);
/* The first whose lease has ended by `now`; NULL: none has. */
struct rl__slot *rl__slots_first_ended(struct rl__slots *slots, rl_time now);
/* Returns how many came back. */
uint64_t rl__slots_expire(struct rl__slots *slots, rl_time now);
/* RL_NEVER: none will expire. */
rl_time rl__slots_next_expiry(const struct rl__slots *slots);
/* The first one that was taken after the one with this order; NULL: none. Slow: for reports. */
const struct rl__slot *rl__slots_taken_after(const struct rl__slots *slots, uint64_t order);

#endif
