/* SPDX-License-Identifier: MIT */
/* Owns what can be told of the order without changing it: who is next, when, and before whom. */
#include "flow/queue_parts.h"

#include "base/arith.h"

static int is_held(const struct rl__queue *queue, const struct rl__lane *lane,
                   const struct rl__who *who, rl_time *until)
{
    for (size_t k = 0; queue->holds_by_key.count > 0 && k < RL__TENANT_KINDS; k++) {
        const struct rl__hold *hold = rl__hold_find(queue, rl__hold_key(who->hash[k], k), lane);

        if (hold != NULL) {
            *until = hold->turn.key[0];
            return 1;
        }
    }
    return 0;
}

/* It has no start yet: of its level it is the last. */
int rl__queue_is_behind(const struct rl__queue *queue, const struct rl__lane *lane,
                        const struct rl__who *who, uint64_t level, rl_time *until,
                        struct rl__rank rank[RL__MODEL_SCOPE])
{
    const struct rl__strand *first = rl__lane_peek(lane);
    struct rl__rank last = rl__strand_last_rank(queue, level);

    for (size_t s = 0; s < RL__MODEL_SCOPE; s++)
        rank[s] = last;
    if (is_held(queue, lane, who, until))
        return 1;
    if (first == NULL || first->turn.key[0] > last.word[0])
        return 0;
    *until = lane->wake_at;
    return 1;
}

rl_time rl__queue_next_turn(const struct rl__queue *queue)
{
    const struct rl__heap *heap[] = { &queue->delayed, &queue->sleeping, &queue->holds };
    rl_time next = rl__heap_peek(&queue->due) != NULL ? 0 : RL_NEVER;

    for (size_t i = 0; i < sizeof heap / sizeof heap[0]; i++) {
        const struct rl__heap_node *node = rl__heap_peek(heap[i]);

        if (node != NULL)
            next = rl__min(next, node->key[0]);
    }
    return next;
}

rl_time rl__queue_next_end(const struct rl__queue *queue, struct rl__waiter **whose)
{
    struct rl__heap_node *node = rl__heap_peek(&queue->expiries);

    *whose = node == NULL ? NULL : RL__OWNER(node, struct rl__waiter, expiry);
    return node == NULL ? RL_NEVER : node->key[0];
}

rl_time rl__queue_next(const struct rl__queue *queue)
{
    struct rl__waiter *whose;

    return rl__min(rl__queue_next_turn(queue), rl__queue_next_end(queue, &whose));
}

/* Of those whose place says when: others can but be told that their time is over. */
struct rl__waiter *rl__queue_first(const struct rl__queue *queue)
{
    struct rl__heap_node *node = rl__heap_peek(&queue->due);

    if (node == NULL)
        node = rl__heap_peek(&queue->sleeping);
    return node == NULL ? NULL
                        : rl__strand_head(rl__lane_peek(RL__OWNER(node, struct rl__lane, turn)));
}
