/* SPDX-License-Identifier: MIT */
/*
 * Items on their way through a batcher. The functions of batch_core.c are pure: (state, event, now)
 * -> who is due; no clock, no lock, no heap. The others add the lock, the callbacks and the threads
 * that wait.
 *
 * An item lies in one place from its coming to its end: waiting -> running (-> halved -> running)*
 * -> ending. There is always a free place for one that may wait: new batches start only while
 * nothing is halved, so that running and halved ones together are never more than in_flight x
 * items.
 */
#ifndef LLMRL_SRC_BATCH_H
#define LLMRL_SRC_BATCH_H

#include <llmrl/batch.h>

#include "base/sync.h"

enum rl__batch_state {
    RL__BATCH_FREE,
    RL__BATCH_WAITING,
    RL__BATCH_HALVED,  /* waits to be tried again in a smaller batch */
    RL__BATCH_RUNNING, /* in a batch that was handed over */
    RL__BATCH_ENDING   /* is being told */
};

struct rl__batch_place {
    void *item;
    struct rl__batch_party *party; /* the thread that waits for it; NULL: options.ended is called */
    uint64_t tokens;
    uint64_t sequence; /* order of arrival, from 1 */
    uint64_t generation;
    rl_time arrived;
    struct rl__batch_place *next, *previous; /* among the waiting, the halved or the unused */
    enum rl__batch_state state;
    int cancelled;
    int last_of_half;
    rl_status status; /* when ending */
};

struct rl__batch_list {
    struct rl__batch_place *first, *last;
};

/* A batch that was handed over. */
struct rl__batch_record {
    uint64_t id; /* 0: free */
    int ending;  /* its items are being told */
    size_t count;
    struct rl__batch_place **place; /* count of max_items */
    void **item;                    /* the same; what the caller sees */
    uint64_t tokens;
};

struct rl__batch_core {
    uint64_t max_items, max_tokens, max_in_flight, max_waiting, max_waiting_tokens;
    rl_duration max_wait;
    struct rl__batch_place *place; /* `places` of them */
    size_t places;
    struct rl__batch_record *record; /* max_in_flight of them */
    struct rl__batch_list waiting, halved, unused;
    uint64_t waiting_count, waiting_tokens;
    uint64_t in_flight; /* records in use */
    uint64_t left;      /* items that have not ended */
    uint64_t sequence;  /* of the latest item */
    uint64_t flushed;   /* all up to this sequence are due */
    uint64_t next_id;
    rl_time now; /* the latest that was told */
    int closed, dropping;
};

/* The memory is the caller's: `places` of core->places, records with their arrays. */
void rl__batch_core_start(struct rl__batch_core *core);
rl_status rl__batch_add(struct rl__batch_core *core, void *item, uint64_t tokens, rl_time now,
                        struct rl__batch_place **place);
rl_time rl__batch_next(const struct rl__batch_core *core);
/* The next batch that is due, now running; NULL: none. */
struct rl__batch_record *rl__batch_take(struct rl__batch_core *core, rl_time now);
uint64_t rl__batch_ticket(const struct rl__batch_core *core, const struct rl__batch_place *place);
/* RL_OK: *place is ending, with RL_E_CANCELLED: tell it, then release it. */
rl_status rl__batch_cancel(struct rl__batch_core *core, uint64_t ticket,
                           struct rl__batch_place **place);
/* NULL: it has ended. */
struct rl__batch_record *rl__batch_find(struct rl__batch_core *core, uint64_t id);
/* All of them end: those that are not cancelled with `status`, or with the one at their index of
 * `statuses` unless NULL. Tell them, then release the record. */
void rl__batch_end(struct rl__batch_record *record, rl_status status, const rl_status *statuses);
/* Moves the items to two halves; the cancelled ones stay in the record and end. Tell them, then
 * release it. 0: there is nothing to halve, nothing has happened. */
int rl__batch_halve(struct rl__batch_core *core, struct rl__batch_record *record);
void rl__batch_release(struct rl__batch_core *core, struct rl__batch_place *place);
void rl__batch_release_record(struct rl__batch_core *core, struct rl__batch_record *record);
void rl__batch_flush(struct rl__batch_core *core);
/* One that waits or is halved, now ending with `status`; NULL: none is left. */
struct rl__batch_place *rl__batch_drop(struct rl__batch_core *core, rl_status status);

/* A thread in rl_batcher_submit_and_wait(), on its stack. */
struct rl__batch_party {
    struct rl__condition wake;
    struct rl__batch_party *next, *previous; /* among the blocked */
    int done;
    rl_status status;
    void *result;
};

struct rl_batcher {
    struct rl__env env;
    rl_batch_run_fn run;
    rl_batch_ended_fn ended;
    void *user;
    struct rl__mutex lock; /* never held in a callback */
    struct {
        struct rl__batch_core core;
        struct rl__batch_party *blocked; /* threads that wait */
        struct rl__batch_party *leader;  /* the one that sleeps until the next batch is due */
        uint64_t inside;                 /* calls that will touch this struct again */
        int freed;                       /* the last one inside gives the memory back */
    } locked;
    struct rl__batch_place **place_memory;
    void **item_memory;
};

/* Not NULL, and no copy in a child of fork(), where nobody may be left to open the lock. */
static inline int rl__batcher_is_ours(const rl_batcher *batcher)
{
    return batcher != NULL && !rl__env_is_forked(&batcher->env);
}

/* Each call that lets go of the lock and takes it again is inside meanwhile. rl__batcher_leave()
 * unlocks, and may free the batcher. */
void rl__batcher_enter(rl_batcher *batcher);
void rl__batcher_leave(rl_batcher *batcher);
/* Tells one that is ending; without the lock. */
void rl__batcher_tell(rl_batcher *batcher, const struct rl__batch_place *place, void *result);
/* Hands over one batch that is due, under the lock, which is free while `run` is at it. 0: none. */
int rl__batcher_run_one(rl_batcher *batcher, rl_time now);
/* A batch may be due earlier than planned: the thread that sleeps for all must look again. */
void rl__batcher_call_leader(rl_batcher *batcher);

#endif
