/* SPDX-License-Identifier: MIT */
/* Owns a run of the queue: asks for one head after the other, until none is due. */
#include "flow/queue_parts.h"

#include "base/arith.h"

static void wake_up(struct rl__queue *queue, rl_time now)
{
    struct rl__heap_node *node;
    struct rl__strand *strand;

    while ((node = rl__heap_peek(&queue->delayed)) != NULL && node->key[0] <= now) {
        rl__heap_pop(&queue->delayed);
        rl__queue_enter(queue, RL__OWNER(node, struct rl__waiter, order), now);
    }
    while ((node = rl__heap_peek(&queue->sleeping)) != NULL && node->key[0] <= now)
        rl__lane_due(queue, RL__OWNER(node, struct rl__lane, turn));
    while ((strand = rl__hold_next(queue, now)) != NULL)
        rl__queue_line_up(queue, strand);
}

/* ---- whose time ends ---- */

/* When it could go, as far as its strand's place says. */
static rl_time known_start(const struct rl__waiter *waiter, rl_time now)
{
    const struct rl__hold *hold = waiter->strand->hold;

    return rl__max(hold != NULL ? hold->turn.key[0] : waiter->lane->wake_at, now);
}

/* Those whose time ended before `limit`. */
static void expire(struct rl__queue *queue, struct rl__done_list *done, rl_time limit, rl_time now)
{
    struct rl__heap_node *node;

    while ((node = rl__heap_peek(&queue->expiries)) != NULL && node->key[0] < limit) {
        struct rl__waiter *waiter = RL__OWNER(node, struct rl__waiter, expiry);
        rl_time retry_at = known_start(waiter, now);

        rl__queue_remove(queue, waiter);
        rl__tell(done, waiter, waiter->expired, retry_at);
    }
}

/* A gate never opens early: who cannot outlast it is told now. Walks the lane's waiters once for
 * each new gate time. */
static void tell_hopeless(struct rl__queue *queue, struct rl__lane *lane,
                          struct rl__done_list *done, rl_time opens)
{
    struct rl__waiter *hopeless = NULL, **end = &hopeless;
    struct rl__heap_node *node = NULL;

    if (opens <= lane->hopeless_checked || queue->expiries.count == 0)
        return;
    lane->hopeless_checked = opens;
    while ((node = rl__heap_walk(&queue->expiries, node)) != NULL) {
        struct rl__waiter *waiter = RL__OWNER(node, struct rl__waiter, expiry);

        if (waiter->lane == lane && waiter->in_lane && waiter->expires < opens) {
            waiter->next_done = NULL;
            *end = waiter;
            end = &waiter->next_done;
        }
    }
    while (hopeless != NULL) {
        struct rl__waiter *next = hopeless->next_done;

        rl__queue_remove(queue, hopeless);
        rl__tell(done, hopeless, hopeless->expired, opens);
        hopeless = next;
    }
}

/* The head cannot outlast that: it is told now, and the lane goes on with the next. */
static int give_up(struct rl__queue *queue, struct rl__waiter *head, struct rl__done_list *done,
                   rl_time until)
{
    if (until == RL_NEVER || until <= head->expires)
        return 0;
    rl__queue_remove(queue, head);
    rl__tell(done, head, head->expired, until);
    return 1;
}

/* ---- whose turn it is ---- */

/* Without memory to stand aside, it holds up its lane. */
static int step_aside(struct rl__queue *queue, struct rl__strand *strand, size_t kind,
                      rl_time until)
{
    struct rl__lane *lane = strand->lane;

    if (rl__hold_enter(queue, strand, kind, until) != RL_OK)
        return 0;
    rl__lane_due(queue, lane);
    return 1;
}

static void hold_back(struct rl__queue *queue, struct rl__strand *strand,
                      struct rl__done_list *done, rl_time now)
{
    struct rl__lane *lane = strand->lane;
    struct rl__waiter *head = rl__strand_head(strand);
    const struct rl__refusal *refusal = &head->refusal;
    rl_time until = refusal->retry_at;

    if (!refusal->sooner && give_up(queue, head, done, until))
        return;
    if (refusal->is_tenant &&
        step_aside(queue, strand, refusal->tenant, rl__max(until, rl__add_sat(now, 1))))
        return;
    rl__lane_park(queue, lane, strand, refusal);
    lane->held_at = refusal->scope;
    lane->held_for_good = refusal->by == RL__HELD_BY_GATE;
    rl__lane_sleep(queue, lane, head);
    if (lane->held_for_good)
        tell_hopeless(queue, lane, done, until);
}

/* Somebody of its own tenant stands before it, and is held back. */
static int wait_behind(struct rl__queue *queue, struct rl__strand *strand,
                       struct rl__done_list *done)
{
    size_t kind;
    struct rl__hold *hold = rl__hold_before(queue, strand, &kind);
    rl_time until = hold == NULL ? RL_NEVER : hold->turn.key[0];

    return hold != NULL && (give_up(queue, rl__strand_head(strand), done, until) ||
                            step_aside(queue, strand, kind, until));
}

static void serve(struct rl__queue *queue, struct rl__lane *lane, struct rl__done_list *done,
                  rl_time now)
{
    struct rl__strand *strand = rl__lane_first(queue, lane, now);
    struct rl__rank rank[RL__MODEL_SCOPE];
    struct rl__waiter *head;
    rl_status st;

    rl__lane_unpark(lane);
    if (wait_behind(queue, strand, done))
        return;
    head = rl__strand_head(strand);
    rl__strand_ranks(queue, strand, rank);
    st = rl__admit(lane, &head->who, &head->cost, rank, now, &head->taken, &head->refusal);
    if (st == RL_WAIT) {
        hold_back(queue, strand, done, now);
        return;
    }
    if (st == RL_OK) {
        rl__strand_pay(queue, strand, now);
        rl__guess_served(lane, head->span, now);
    }
    rl__queue_remove(queue, head);
    rl__tell(done, head, st, st == RL_OK ? now : RL_NEVER);
}

/* Who leaves a hold may let out the next one. */
static struct rl__lane *next_due(struct rl__queue *queue, rl_time now)
{
    struct rl__heap_node *node;
    struct rl__strand *strand;

    while ((strand = rl__hold_next(queue, now)) != NULL)
        rl__queue_line_up(queue, strand);
    node = rl__heap_peek(&queue->due);
    return node == NULL ? NULL : RL__OWNER(node, struct rl__lane, turn);
}

struct rl__waiter *rl__queue_run(struct rl__queue *queue, rl_time now)
{
    struct rl__done_list done = { NULL, &done.first };
    struct rl__lane *lane;

    expire(queue, &done, now, now);
    wake_up(queue, now);
    while ((lane = next_due(queue, now)) != NULL)
        serve(queue, lane, &done, now);
    expire(queue, &done, rl__add_sat(now, 1),
           now); /* at the very end of one's time one may still go */
    return done.first;
}
