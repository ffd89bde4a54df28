/* SPDX-License-Identifier: MIT */
/* Owns holds: where strands stand aside while a limit of their own tenant holds them back. */
#include "flow/queue_parts.h"

#include "base/arith.h"

#include <string.h>

uint64_t rl__hold_key(uint64_t tenant, size_t kind)
{
    return tenant == 0 ? 0 : rl__max(rl__map_mix(tenant, kind + 1), 1);
}

struct rl__hold *rl__hold_find(const struct rl__queue *queue, uint64_t key,
                               const struct rl__lane *lane)
{
    struct rl__map_node *node = key == 0 ? NULL : rl__map_find(&queue->holds_by_key, key);

    while (node != NULL && RL__OWNER(node, struct rl__hold, node)->lane != lane)
        node = rl__map_next(node);
    return node == NULL ? NULL : RL__OWNER(node, struct rl__hold, node);
}

static struct rl__strand *first_of(const struct rl__hold *hold)
{
    struct rl__heap_node *node = rl__heap_peek(&hold->strands);

    return node == NULL ? NULL : RL__OWNER(node, struct rl__strand, turn);
}

static struct rl__hold *find_or_make(struct rl__queue *queue, uint64_t key, struct rl__lane *lane)
{
    struct rl__hold *hold = rl__hold_find(queue, key, lane);

    if (hold != NULL)
        return hold;
    if ((hold = rl__kept_take(&queue->free_holds, queue->env, sizeof *hold)) == NULL)
        return NULL;
    hold->node.hash = key;
    hold->lane = lane;
    rl__map_add(&queue->holds_by_key, &hold->node);
    return hold;
}

static void plan(struct rl__queue *queue, struct rl__hold *hold, rl_time until)
{
    rl__heap_remove(&queue->holds, &hold->turn);
    hold->turn.key[0] = until;
    hold->turn.key[1] = hold->node.hash;
    rl__heap_push(&queue->holds, &hold->turn);
}

static void drop_if_empty(struct rl__queue *queue, struct rl__hold *hold)
{
    if (hold->strands.count > 0 || hold->out != NULL)
        return;
    rl__heap_remove(&queue->holds, &hold->turn);
    rl__map_remove(&queue->holds_by_key, &hold->node);
    rl__kept_give(&queue->free_holds, &hold->node);
}

void rl__hold_wake(struct rl__queue *queue, struct rl__hold *hold)
{
    if (hold->out == NULL && hold->strands.count > 0)
        plan(queue, hold, 0);
}

struct rl__hold *rl__hold_before(struct rl__queue *queue, struct rl__strand *strand, size_t *kind)
{
    for (size_t k = 0; queue->holds_by_key.count > 0 && k < RL__TENANT_KINDS; k++) {
        struct rl__hold *hold =
            rl__hold_find(queue, rl__hold_key(strand->tenant[k], k), strand->lane);
        struct rl__strand *first = hold == NULL ? NULL : first_of(hold);
        struct rl__rank own, other;

        if (first == NULL || strand->out_of == hold)
            continue;
        rl__strand_stand(queue, strand, RL__PLACE_TENANT + k);
        own = rl__strand_rank(strand, RL__PLACE_TENANT + k);
        other = rl__strand_rank(first, RL__PLACE_TENANT + k);
        if (rl__rank_before(&other, &own)) {
            *kind = k;
            return hold;
        }
    }
    return NULL;
}

rl_status rl__hold_enter(struct rl__queue *queue, struct rl__strand *strand, size_t kind,
                         rl_time until)
{
    struct rl__hold *hold =
        find_or_make(queue, rl__hold_key(strand->tenant[kind], kind), strand->lane);
    struct rl__rank rank;

    if (hold == NULL)
        return RL_E_NOMEM;
    if (strand->out_of == hold) {
        strand->out_of = NULL;
        hold->out = NULL;
    }
    rl__hold_answered(queue, strand);
    rl__strand_step_out(strand);
    rl__strand_stand(queue, strand, RL__PLACE_TENANT + kind);
    rank = rl__strand_rank(strand, RL__PLACE_TENANT + kind);
    memcpy(strand->turn.key, rank.word, sizeof strand->turn.key);
    rl__heap_push(&hold->strands, &strand->turn);
    strand->hold = hold;
    if (first_of(hold) == strand)
        plan(queue, hold, until);
    return RL_OK;
}

void rl__hold_leave(struct rl__queue *queue, struct rl__strand *strand)
{
    struct rl__hold *hold = strand->hold;
    int was_first = first_of(hold) == strand;

    rl__heap_remove(&hold->strands, &strand->turn);
    strand->hold = NULL;
    if (hold->strands.count == 0)
        plan(queue, hold, RL_NEVER);
    else if (was_first)
        rl__hold_wake(queue, hold);
    drop_if_empty(queue, hold);
}

void rl__hold_wake_tenant(struct rl__queue *queue, uint64_t tenant, size_t kind)
{
    uint64_t key = rl__hold_key(tenant, kind);
    struct rl__map_node *node = key == 0 ? NULL : rl__map_find(&queue->holds_by_key, key);

    for (; node != NULL; node = rl__map_next(node))
        rl__hold_wake(queue, RL__OWNER(node, struct rl__hold, node));
}

void rl__hold_answered(struct rl__queue *queue, struct rl__strand *strand)
{
    struct rl__hold *hold = strand->out_of;

    if (hold == NULL)
        return;
    strand->out_of = NULL;
    hold->out = NULL;
    rl__hold_wake(queue, hold);
    drop_if_empty(queue, hold);
}

struct rl__strand *rl__hold_next(struct rl__queue *queue, rl_time now)
{
    struct rl__heap_node *node = rl__heap_peek(&queue->holds);
    struct rl__strand *strand;
    struct rl__hold *hold;

    if (node == NULL || node->key[0] > now)
        return NULL;
    hold = RL__OWNER(node, struct rl__hold, turn);
    strand = first_of(hold);
    rl__heap_remove(&hold->strands, &strand->turn);
    strand->hold = NULL;
    strand->out_of = hold;
    hold->out = strand;
    strand->since = now;
    plan(queue, hold, RL_NEVER);
    return strand;
}
