/* SPDX-License-Identifier: MIT */
/* Owns the way in and the way out of those who wait. See queue.h. */
#include "flow/queue_parts.h"

void rl__queue_init(struct rl__queue *queue, struct rl__env *env,
                    const struct rl__queue_rules *rules)
{
    *queue = (struct rl__queue){ .env = env, .rules = *rules, .next_sequence = 1 };
    rl__fair_init(&queue->fair, env);
    rl__map_init(&queue->strands, env);
    rl__map_init(&queue->holds_by_key, env);
    rl__map_init(&queue->users, env);
}

void rl__queue_deinit(struct rl__queue *queue)
{
    if (queue->env == NULL)
        return;
    rl__kept_free(&queue->free_strands, queue->env);
    rl__kept_free(&queue->free_holds, queue->env);
    rl__kept_free(&queue->free_users, queue->env);
    rl__map_deinit(&queue->strands);
    rl__map_deinit(&queue->holds_by_key);
    rl__map_deinit(&queue->users);
    rl__fair_deinit(&queue->fair);
}

void rl__queue_line_up(struct rl__queue *queue, struct rl__strand *strand)
{
    struct rl__lane *lane = strand->lane;

    rl__strand_line_up(queue, strand);
    if (rl__lane_peek(lane) == strand) {
        rl__lane_unpark(lane);
        rl__lane_due(queue, lane);
    }
}

void rl__queue_enter(struct rl__queue *queue, struct rl__waiter *waiter, rl_time now)
{
    struct rl__strand *strand = waiter->strand;
    int was_empty = rl__strand_head(strand) == NULL;

    waiter->in_lane = 1;
    waiter->order.key[0] = waiter->sequence;
    waiter->order.key[1] = 0;
    rl__heap_push(&strand->waiters, &waiter->order);
    if (was_empty)
        strand->since = now;
    if (rl__strand_head(strand) != waiter)
        return;
    if (strand->hold != NULL) /* it may be smaller than the one before */
        rl__hold_leave(queue, strand);
    rl__queue_line_up(queue, strand);
}

static void plan_expiry(struct rl__queue *queue, struct rl__waiter *waiter)
{
    if (waiter->expires == RL_NEVER)
        return;
    /* Behind a gate that it cannot outlast: told at the next run. */
    waiter->expiry.key[0] = waiter->expires < waiter->lane->hopeless_checked ? 0 : waiter->expires;
    waiter->expiry.key[1] = waiter->sequence;
    rl__heap_push(&queue->expiries, &waiter->expiry);
}

rl_status rl__queue_add(struct rl__queue *queue, struct rl__waiter *waiter, rl_time now)
{
    if ((waiter->strand = rl__strand_join(queue, waiter)) == NULL)
        return RL_E_NOMEM;
    if (waiter->sequence == 0)
        waiter->sequence = rl__fetch_add(&queue->next_sequence, 1);
    if (rl__crowds_join(queue, waiter) != RL_OK) {
        rl__strand_leave(queue, waiter->strand);
        return RL_E_NOMEM;
    }
    waiter->in_lane = 0;
    rl__guess_came(waiter);
    /* Ordered against the look in rl__poke(): either it sees this waiter, or this waiter sees what
     * it announces. */
    rl__fetch_add_ordered(&queue->count, 1);
    plan_expiry(queue, waiter);
    if (waiter->not_before <= now) {
        rl__queue_enter(queue, waiter, now);
        return RL_OK;
    }
    waiter->order.key[0] = waiter->not_before;
    waiter->order.key[1] = waiter->sequence;
    rl__heap_push(&queue->delayed, &waiter->order);
    return RL_OK;
}

/* The head of a strand is gone. */
static void next_head(struct rl__queue *queue, struct rl__strand *strand)
{
    struct rl__lane *lane = strand->lane;
    int was_first = rl__lane_peek(lane) == strand;

    rl__hold_answered(queue, strand);
    if (strand->hold != NULL) {
        rl__hold_leave(queue, strand);
        was_first = 0;
    }
    rl__strand_step_out(strand);
    if (was_first) {
        /* Those behind it at a shared place planned for its time, which is no longer theirs. */
        if (lane->parked_at != NULL)
            rl__lane_poke(queue, lane->scope[lane->asked_at - 1]);
        rl__lane_unpark(lane);
    }
    if (rl__strand_head(strand) != NULL)
        rl__strand_line_up(queue, strand);
    if (was_first || rl__lane_peek(lane) == strand)
        rl__lane_due(queue, lane);
}

void rl__queue_remove(struct rl__queue *queue, struct rl__waiter *waiter)
{
    struct rl__strand *strand = waiter->strand;
    int was_head = waiter->in_lane && rl__strand_head(strand) == waiter;

    rl__heap_remove(waiter->in_lane ? &strand->waiters : &queue->delayed, &waiter->order);
    rl__heap_remove(&queue->expiries, &waiter->expiry);
    rl__crowds_leave(queue, waiter);
    rl__fetch_add_ordered(&queue->count, UINT64_MAX);
    rl__guess_left(waiter);
    if (was_head)
        next_head(queue, strand);
    rl__strand_leave(queue, strand);
}

/* What was served, and how long who has waited, counts from here. */
struct rl__waiter *rl__queue_change(struct rl__queue *queue, const struct rl__queue_rules *rules,
                                    rl_time now)
{
    struct rl__done_list failed = { NULL, &failed.first };
    struct rl__waiter *waiter;

    if (queue->rules.when_full == rules->when_full && queue->rules.weighted == rules->weighted &&
        queue->rules.max_age == rules->max_age) {
        queue->rules = *rules;
        return NULL;
    }
    waiter = rl__queue_end(queue, RL_WAIT);
    queue->rules = *rules;
    while (waiter != NULL) {
        struct rl__waiter *next = waiter->next_done;

        if (rl__queue_add(queue, waiter, now) != RL_OK)
            rl__tell(&failed, waiter, RL_E_NOMEM, RL_NEVER);
        waiter = next;
    }
    return failed.first;
}
