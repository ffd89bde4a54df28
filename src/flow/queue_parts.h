/* SPDX-License-Identifier: MIT */
/* The queue from inside: those who are alike (strand.c), where their limits hold them (lane.c),
 * where their own do (hold.c), how many there may be (crowd.c); the ways in and out (queue.c,
 * queue_evict.c), a run (queue_run.c), and what is planned (queue_plan.c) or guessed (guess.c). */
#ifndef LLMRL_SRC_QUEUE_PARTS_H
#define LLMRL_SRC_QUEUE_PARTS_H

#include "flow/queue.h"

#define RL__OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* ---- those who are done ---- */
struct rl__done_list {
    struct rl__waiter *first, **end;
};

static inline void rl__tell(struct rl__done_list *done, struct rl__waiter *waiter, rl_status status,
                            rl_time retry_at)
{
    waiter->status = status;
    waiter->retry_at = retry_at;
    waiter->next_done = NULL;
    *done->end = waiter;
    done->end = &waiter->next_done;
}

/* ---- queue.c ---- */
/* A delayed waiter, or a new one, comes to its strand. */
void rl__queue_enter(struct rl__queue *queue, struct rl__waiter *waiter, rl_time now);
/* A strand comes to its lane, or stands there anew. */
void rl__queue_line_up(struct rl__queue *queue, struct rl__strand *strand);

/* ---- lane.c ---- */
/* It is asked in this run, or the next; if nobody stands in it, never. */
void rl__lane_due(struct rl__queue *queue, struct rl__lane *lane);
/* It is not asked before the time that its head was told. */
void rl__lane_sleep(struct rl__queue *queue, struct rl__lane *lane, const struct rl__waiter *head);
/* The strand was held back: it takes the place where its lane meets others. */
void rl__lane_park(struct rl__queue *queue, struct rl__lane *lane, struct rl__strand *strand,
                   const struct rl__refusal *refusal);
/* The place is given up. */
void rl__lane_unpark(struct rl__lane *lane);
/* Makes those lanes due that are held back in that scope, for a reason that may pass before its
 * time. */
void rl__lane_poke(struct rl__queue *queue, const struct rl__scope *scope);

/* ---- guess.c ---- */
/* It counts among those who wait in its lane; not any more. */
void rl__guess_came(struct rl__waiter *waiter);
void rl__guess_left(const struct rl__waiter *waiter);
/* One of that price was granted. */
void rl__guess_served(struct rl__lane *lane, rl_duration span, rl_time now);

/* ---- strand.c ---- */
/* The strand of a waiter, joined. NULL: out of memory. */
struct rl__strand *rl__strand_join(struct rl__queue *queue, const struct rl__waiter *waiter);
/* One member less; the last frees it. */
void rl__strand_leave(struct rl__queue *queue, struct rl__strand *strand);
static inline struct rl__waiter *rl__strand_head(const struct rl__strand *strand)
{
    struct rl__heap_node *node = rl__heap_peek(&strand->waiters);

    return node == NULL ? NULL : RL__OWNER(node, struct rl__waiter, order);
}
struct rl__rank rl__strand_rank(struct rl__strand *strand, size_t place);
/* After all that wait at a level; 0: the normal one. */
struct rl__rank rl__strand_last_rank(const struct rl__queue *queue, uint64_t level);
/* At each shared scope of its lane. */
void rl__strand_ranks(struct rl__queue *queue, struct rl__strand *strand,
                      struct rl__rank rank[RL__MODEL_SCOPE]);
/* So that it has a rank at that place, and others there have one against it. */
void rl__strand_stand(struct rl__queue *queue, struct rl__strand *strand, size_t place);
/* Its head was granted: its share pays. */
void rl__strand_pay(struct rl__queue *queue, struct rl__strand *strand, rl_time now);
/* Into the order of its lane, from nowhere or anew; out of it. */
void rl__strand_line_up(struct rl__queue *queue, struct rl__strand *strand);
void rl__strand_step_out(struct rl__strand *strand);
/* Whose turn it is in a lane; NULL: nobody's. */
struct rl__strand *rl__lane_first(struct rl__queue *queue, struct rl__lane *lane, rl_time now);
/* As it stands, without bringing the order up to date. */
static inline struct rl__strand *rl__lane_peek(const struct rl__lane *lane)
{
    struct rl__heap_node *node = rl__heap_peek(&lane->strands);

    return node == NULL ? NULL : RL__OWNER(node, struct rl__strand, turn);
}

/* ---- hold.c ---- */
/* 0: nobody's. */
uint64_t rl__hold_key(uint64_t tenant, size_t kind);
struct rl__hold *rl__hold_find(const struct rl__queue *queue, uint64_t key,
                               const struct rl__lane *lane);
/* The hold in which somebody of the same tenant waits before this strand; NULL: there is none. */
struct rl__hold *rl__hold_before(struct rl__queue *queue, struct rl__strand *strand, size_t *kind);
/* Steps aside, out of the lane, because of that tenant. RL_E_NOMEM: it stays where it is. */
rl_status rl__hold_enter(struct rl__queue *queue, struct rl__strand *strand, size_t kind,
                         rl_time until);
/* Out of its hold, into nowhere. */
void rl__hold_leave(struct rl__queue *queue, struct rl__strand *strand);
/* It was granted, stands aside elsewhere, or is gone: the next one may come out. */
void rl__hold_answered(struct rl__queue *queue, struct rl__strand *strand);
/* The first one is looked at in the next run. */
void rl__hold_wake(struct rl__queue *queue, struct rl__hold *hold);
/* The same for all of a tenant. */
void rl__hold_wake_tenant(struct rl__queue *queue, uint64_t tenant, size_t kind);
/* Takes out the first strand of the first hold whose time has come; NULL: none. */
struct rl__strand *rl__hold_next(struct rl__queue *queue, rl_time now);

/* ---- crowd.c ---- */
/* RL_E_NOMEM. */
rl_status rl__crowds_join(struct rl__queue *queue, struct rl__waiter *waiter);
void rl__crowds_leave(struct rl__queue *queue, struct rl__waiter *waiter);
/* Who has to go for it, at most one for each bound. RL_E_QUEUE_FULL: nobody will. */
rl_status rl__crowds_victims(const struct rl__queue *queue, const struct rl__waiter *waiter,
                             struct rl__waiter *victim[RL__CROWDS]);
struct rl__waiter *rl__crowd_any(const struct rl__heap *crowd, size_t kind);
struct rl__crowd *rl__crowd_of_user(const struct rl__queue *queue, uint64_t user);

#endif
