/* SPDX-License-Identifier: MIT */
/* Owns who has to go: for others, with all of a user, at the end. */
#include "flow/queue_parts.h"

static struct rl__waiter *remove_crowd(struct rl__queue *queue, const struct rl__heap *crowd,
                                       size_t kind, rl_status status)
{
    struct rl__done_list done = { NULL, &done.first };
    size_t left = crowd == NULL ? 0 : crowd->count;

    for (; left > 0; left--) { /* the last one takes the crowd with it */
        struct rl__waiter *waiter = rl__crowd_any(crowd, kind);

        rl__queue_remove(queue, waiter);
        rl__tell(&done, waiter, status, RL_NEVER);
    }
    return done.first;
}

struct rl__waiter *rl__queue_remove_user(struct rl__queue *queue, uint64_t user, rl_status status)
{
    const struct rl__crowd *crowd = rl__crowd_of_user(queue, user);

    return remove_crowd(queue, crowd == NULL ? NULL : &crowd->waiters, RL__CROWD_USER, status);
}

struct rl__waiter *rl__queue_end(struct rl__queue *queue, rl_status status)
{
    return remove_crowd(queue, &queue->all, RL__CROWD_ALL, status);
}

rl_status rl__queue_make_room(struct rl__queue *queue, struct rl__waiter *waiter,
                              struct rl__waiter **dropped)
{
    struct rl__done_list done = { NULL, &done.first };
    struct rl__waiter *victim[RL__CROWDS];
    rl_status st = rl__crowds_victims(queue, waiter, victim);

    for (size_t k = 0; st == RL_OK && k < RL__CROWDS; k++)
        if (victim[k] != NULL) {
            rl__queue_remove(queue, victim[k]);
            rl__tell(&done, victim[k], RL_E_DROPPED, RL_NEVER);
        }
    *dropped = done.first;
    return st;
}
