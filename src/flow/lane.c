/* SPDX-License-Identifier: MIT */
/* Owns lanes: due to be asked, or asleep until their heads may go, and parked where they meet
 * others. */
#include "flow/queue_parts.h"

#include <string.h>

static void take_lane_out(struct rl__queue *queue, struct rl__lane *lane)
{
    rl__heap_remove(lane->due ? &queue->due : &queue->sleeping, &lane->turn);
}

/* Among lanes that are due at once, the one goes first that stands first where they meet. */
static struct rl__rank rank_among_lanes(const struct rl__lane *lane, struct rl__strand *first)
{
    if (lane->asked_at != 0)
        return rl__strand_rank(first, (size_t)lane->asked_at - 1);
    return (struct rl__rank){ { first->aged ? 0 : first->level << 56,
                                rl__strand_head(first)->sequence } };
}

void rl__lane_due(struct rl__queue *queue, struct rl__lane *lane)
{
    struct rl__strand *first = rl__lane_peek(lane);
    struct rl__rank rank;

    take_lane_out(queue, lane);
    if (first == NULL)
        return;
    lane->due = 1;
    rank = rank_among_lanes(lane, first);
    memcpy(lane->turn.key, rank.word, sizeof lane->turn.key);
    rl__heap_push(&queue->due, &lane->turn);
}

void rl__lane_sleep(struct rl__queue *queue, struct rl__lane *lane, const struct rl__waiter *head)
{
    take_lane_out(queue, lane);
    lane->due = 0;
    lane->slept_for = head->span;
    lane->wake_at = head->refusal.retry_at;
    lane->turn.key[0] = lane->wake_at;
    lane->turn.key[1] = head->sequence;
    rl__heap_push(&queue->sleeping, &lane->turn);
}

/* ---- where lanes meet ---- */

/* Unless one who stands before it has taken that place since: it stays his. */
void rl__lane_unpark(struct rl__lane *lane)
{
    struct rl__entry *entry = lane->parked_at;

    if (entry == NULL)
        return;
    if (rl__load(&entry->parked.word[0]) == lane->parked_as.word[0] &&
        rl__load(&entry->parked.word[1]) == lane->parked_as.word[1])
        rl__store(&entry->parked.word[1], 0);
    lane->parked_at = NULL;
}

static size_t shared_index(const struct rl__lane *lane, const struct rl__scope *scope)
{
    size_t s = 0;

    while (s < RL__MODEL_SCOPE && lane->scope[s] != scope)
        s++;
    return s;
}

/* Only the first in rank parks; those behind it come back at their own time and look again. */
void rl__lane_park(struct rl__queue *queue, struct rl__lane *lane, struct rl__strand *strand,
                   const struct rl__refusal *refusal)
{
    struct rl__entry *entry = refusal->entry;
    size_t scope = entry == NULL ? RL__MODEL_SCOPE : shared_index(lane, refusal->scope);
    struct rl__rank rank, there;

    lane->asked_at = 0;
    if (scope == RL__MODEL_SCOPE)
        return;
    rl__strand_stand(queue, strand, scope);
    lane->asked_at = scope + 1;
    if (refusal->by != RL__HELD_BY_LIMIT)
        return;
    rank = rl__strand_rank(strand, scope);
    there =
        (struct rl__rank){ { rl__load(&entry->parked.word[0]), rl__load(&entry->parked.word[1]) } };
    if (there.word[1] != 0 && rl__rank_before(&there, &rank))
        return;
    rl__store(&entry->parked_until, refusal->retry_at);
    rl__store(&entry->parked.word[0], rank.word[0]);
    rl__store(&entry->parked.word[1], rank.word[1]);
    lane->parked_at = entry;
    lane->parked_as = rank;
}

/* ---- something happened ---- */

void rl__lane_poke(struct rl__queue *queue, const struct rl__scope *scope)
{
    struct rl__lane *found = NULL;
    struct rl__heap_node *n = NULL;

    while ((n = rl__heap_walk(&queue->sleeping, n)) != NULL) {
        struct rl__lane *other = RL__OWNER(n, struct rl__lane, turn);

        if (other->held_for_good || other->held_at != scope)
            continue;
        other->next_poked = found;
        found = other;
    }
    for (; found != NULL; found = found->next_poked)
        rl__lane_due(queue, found);
}

void rl__queue_poke(struct rl__queue *queue)
{
    struct rl__hold *found = NULL;
    struct rl__heap_node *node;

    while ((node = rl__heap_pop(&queue->sleeping)) != NULL)
        rl__lane_due(queue, RL__OWNER(node, struct rl__lane, turn));
    for (node = NULL; (node = rl__heap_walk(&queue->holds, node)) != NULL;) {
        struct rl__hold *hold = RL__OWNER(node, struct rl__hold, turn);

        hold->next_poked = found;
        found = hold;
    }
    for (; found != NULL; found = found->next_poked)
        rl__hold_wake(queue, found);
}

void rl__queue_poke_lane(struct rl__queue *queue, struct rl__lane *lane,
                         const uint64_t tenant[RL__TENANT_KINDS])
{
    if (queue->sleeping.count > 0)
        for (size_t s = 0; s < RL__LANE_SCOPES; s++)
            if (lane->scope[s] != NULL && (s == 0 || lane->scope[s] != lane->scope[s - 1]))
                rl__lane_poke(queue, lane->scope[s]);
    if (rl__lane_peek(lane) != NULL && !lane->due && !lane->held_for_good)
        rl__lane_due(queue, lane);
    for (size_t k = 0; queue->holds_by_key.count > 0 && k < RL__TENANT_KINDS; k++)
        rl__hold_wake_tenant(queue, tenant[k], k);
}
