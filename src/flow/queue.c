/* SPDX-License-Identifier: MIT */
/* Owns the order of waiting. See queue.h. */
#include "flow/queue.h"

#include "base/arith.h"

#define OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

struct done_list {
    struct rl__waiter *first, **end;
};

static void tell(struct done_list *done, struct rl__waiter *waiter, rl_status status,
                 rl_time retry_at)
{
    waiter->status = status;
    waiter->retry_at = retry_at;
    waiter->next_done = NULL;
    *done->end = waiter;
    done->end = &waiter->next_done;
}

static struct rl__waiter *head_of(const struct rl__lane *lane)
{
    struct rl__heap_node *node = rl__heap_peek(&lane->waiters);

    return node == NULL ? NULL : OWNER(node, struct rl__waiter, order);
}

void rl__queue_init(struct rl__queue *queue)
{
    *queue = (struct rl__queue){ .next_sequence = 1 };
}

/* ---- lanes: due or sleeping ---- */

static void take_lane_out(struct rl__queue *queue, struct rl__lane *lane)
{
    rl__heap_remove(lane->due ? &queue->due : &queue->sleeping, &lane->turn);
}

static void make_due(struct rl__queue *queue, struct rl__lane *lane)
{
    const struct rl__waiter *head = head_of(lane);

    take_lane_out(queue, lane);
    if (head == NULL)
        return;
    lane->due = 1;
    lane->turn.key[0] = head->sequence;
    lane->turn.key[1] = 0;
    rl__heap_push(&queue->due, &lane->turn);
}

static void make_sleep(struct rl__queue *queue, struct rl__lane *lane, rl_time until)
{
    take_lane_out(queue, lane);
    lane->due = 0;
    lane->wake_at = until;
    lane->turn.key[0] = until;
    lane->turn.key[1] = head_of(lane)->sequence;
    rl__heap_push(&queue->sleeping, &lane->turn);
}

/* Unless one who came earlier has taken that place since: it stays his. */
static void unpark(struct rl__lane *lane)
{
    if (lane->parked_at == NULL)
        return;
    if (rl__load(&lane->parked_at->parked_sequence) == lane->parked_as)
        rl__store(&lane->parked_at->parked_sequence, 0);
    lane->parked_at = NULL;
}

/* Only the first in order parks; those behind it come back at their own time and look again. */
static void park(struct rl__lane *lane, const struct rl__waiter *head, rl_time until)
{
    struct rl__entry *entry = head->refusal.entry;
    uint64_t there;

    if (head->refusal.by != RL__HELD_BY_LIMIT ||
        head->refusal.scope == lane->scope[RL__MODEL_SCOPE])
        return;
    there = rl__load(&entry->parked_sequence);
    if (there != 0 && there < head->sequence)
        return;
    rl__store(&entry->parked_until, until);
    rl__store(&entry->parked_sequence, head->sequence);
    lane->parked_at = entry;
    lane->parked_as = head->sequence;
}

/* ---- in and out ---- */

static void enter_lane(struct rl__queue *queue, struct rl__waiter *waiter)
{
    waiter->in_lane = 1;
    waiter->order.key[0] = waiter->sequence;
    waiter->order.key[1] = 0;
    rl__heap_push(&waiter->lane->waiters, &waiter->order);
    if (head_of(waiter->lane) == waiter) {
        unpark(waiter->lane);
        make_due(queue, waiter->lane);
    }
}

void rl__queue_add(struct rl__queue *queue, struct rl__waiter *waiter, rl_time now)
{
    if (waiter->sequence == 0)
        waiter->sequence = rl__fetch_add(&queue->next_sequence, 1);
    waiter->in_lane = 0;
    /* Ordered against the look in rl__poke(): either it sees this waiter, or this waiter sees what
     * it announces. */
    rl__fetch_add_ordered(&queue->count, 1);
    if (waiter->expires != RL_NEVER) {
        /* Behind a gate that it cannot outlast: told at the next run. */
        waiter->expiry.key[0] =
            waiter->expires < waiter->lane->hopeless_checked ? 0 : waiter->expires;
        waiter->expiry.key[1] = waiter->sequence;
        rl__heap_push(&queue->expiries, &waiter->expiry);
    }
    if (waiter->not_before <= now) {
        enter_lane(queue, waiter);
        return;
    }
    waiter->order.key[0] = waiter->not_before;
    waiter->order.key[1] = waiter->sequence;
    rl__heap_push(&queue->delayed, &waiter->order);
}

void rl__queue_remove(struct rl__queue *queue, struct rl__waiter *waiter)
{
    struct rl__lane *lane = waiter->lane;
    int was_head = waiter->in_lane && head_of(lane) == waiter;

    rl__heap_remove(waiter->in_lane ? &lane->waiters : &queue->delayed, &waiter->order);
    rl__heap_remove(&queue->expiries, &waiter->expiry);
    rl__fetch_add_ordered(&queue->count, UINT64_MAX);
    if (!was_head)
        return;
    /* Those behind it at a shared place planned for its time, which is no longer theirs. */
    if (lane->parked_at != NULL)
        rl__queue_poke(queue);
    unpark(lane);
    make_due(queue, lane);
}

void rl__queue_poke(struct rl__queue *queue)
{
    struct rl__heap_node *node;

    while ((node = rl__heap_pop(&queue->sleeping)) != NULL)
        make_due(queue, OWNER(node, struct rl__lane, turn));
}

/* ---- running ---- */

static void wake_up(struct rl__queue *queue, rl_time now)
{
    struct rl__heap_node *node;

    while ((node = rl__heap_peek(&queue->delayed)) != NULL && node->key[0] <= now) {
        rl__heap_pop(&queue->delayed);
        enter_lane(queue, OWNER(node, struct rl__waiter, order));
    }
    while ((node = rl__heap_peek(&queue->sleeping)) != NULL && node->key[0] <= now)
        make_due(queue, OWNER(node, struct rl__lane, turn));
}

/* Those whose time ended before `limit`. */
static void expire(struct rl__queue *queue, struct done_list *done, rl_time limit, rl_time now)
{
    struct rl__heap_node *node;

    while ((node = rl__heap_peek(&queue->expiries)) != NULL && node->key[0] < limit) {
        struct rl__waiter *waiter = OWNER(node, struct rl__waiter, expiry);

        rl__queue_remove(queue, waiter);
        tell(done, waiter, waiter->expired, rl__max(waiter->lane->wake_at, now));
    }
}

/* A gate never opens early: who cannot outlast it is told now. Walks the lane's waiters once for
 * each new gate time. */
static void tell_hopeless(struct rl__queue *queue, struct rl__lane *lane, struct done_list *done,
                          rl_time opens)
{
    struct rl__heap_node *node = queue->expiries.root;
    struct rl__waiter *hopeless = NULL, **end = &hopeless;

    if (opens <= lane->hopeless_checked || node == NULL)
        return;
    lane->hopeless_checked = opens;
    while (node != NULL) { /* in pre-order, without a stack: down, across, else up and across */
        struct rl__waiter *waiter = OWNER(node, struct rl__waiter, expiry);

        if (waiter->lane == lane && waiter->in_lane && waiter->expires < opens) {
            waiter->next_done = NULL;
            *end = waiter;
            end = &waiter->next_done;
        }
        node = rl__heap_walk(node);
    }
    while (hopeless != NULL) {
        struct rl__waiter *next = hopeless->next_done;

        rl__queue_remove(queue, hopeless);
        tell(done, hopeless, hopeless->expired, opens);
        hopeless = next;
    }
}

static void hold_back(struct rl__queue *queue, struct rl__lane *lane, struct rl__waiter *head,
                      struct done_list *done)
{
    rl_time until = head->refusal.retry_at;

    if (until != RL_NEVER && until > head->expires) {
        rl__queue_remove(queue, head);
        tell(done, head, head->expired, until);
        return; /* the lane is due again, with its next head */
    }
    park(lane, head, until);
    make_sleep(queue, lane, until);
    if (head->refusal.by == RL__HELD_BY_GATE)
        tell_hopeless(queue, lane, done, until);
}

static void serve(struct rl__queue *queue, struct rl__lane *lane, struct done_list *done,
                  rl_time now)
{
    struct rl__waiter *head = head_of(lane);
    rl_status st;

    unpark(lane);
    st = rl__admit(lane, &head->who, &head->cost, head->sequence, now, &head->taken, &head->refusal);
    if (st == RL_WAIT) {
        hold_back(queue, lane, head, done);
        return;
    }
    rl__queue_remove(queue, head);
    tell(done, head, st, st == RL_OK ? now : RL_NEVER);
}

struct rl__waiter *rl__queue_run(struct rl__queue *queue, rl_time now)
{
    struct done_list done = { NULL, &done.first };
    struct rl__heap_node *node;

    expire(queue, &done, now, now);
    wake_up(queue, now);
    while ((node = rl__heap_peek(&queue->due)) != NULL)
        serve(queue, OWNER(node, struct rl__lane, turn), &done, now);
    expire(queue, &done, rl__add_sat(now, 1),
           now); /* at the very end of one's time one may still go */
    return done.first;
}

rl_time rl__queue_next(const struct rl__queue *queue)
{
    const struct rl__heap *heap[] = { &queue->delayed, &queue->expiries, &queue->sleeping };
    rl_time next = rl__heap_peek(&queue->due) != NULL ? 0 : RL_NEVER;

    for (size_t i = 0; i < sizeof heap / sizeof heap[0]; i++) {
        const struct rl__heap_node *node = rl__heap_peek(heap[i]);

        if (node != NULL)
            next = rl__min(next, node->key[0]);
    }
    return next;
}

static struct rl__waiter *any_waiter(const struct rl__queue *queue)
{
    const struct rl__heap *lanes[] = { &queue->due, &queue->sleeping };
    struct rl__heap_node *node = rl__heap_peek(&queue->delayed);

    if (node != NULL)
        return OWNER(node, struct rl__waiter, order);
    for (size_t i = 0; i < 2; i++)
        if ((node = rl__heap_peek(lanes[i])) != NULL)
            return head_of(OWNER(node, struct rl__lane, turn));
    return NULL;
}

struct rl__waiter *rl__queue_end(struct rl__queue *queue, rl_status status)
{
    struct done_list done = { NULL, &done.first };
    struct rl__waiter *waiter;

    while ((waiter = any_waiter(queue)) != NULL) {
        rl__queue_remove(queue, waiter);
        tell(&done, waiter, status, RL_NEVER);
    }
    return done.first;
}
