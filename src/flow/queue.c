/* SPDX-License-Identifier: MIT */
/* Owns the order of waiting. See queue.h. */
#include "flow/queue_parts.h"

#include "base/arith.h"

#include <string.h>

/* A lane's stretch where prices say it all; and the most that is believed. */
#define STRETCH_NONE (UINT64_C(1) << 32)
#define STRETCH_MAX  (STRETCH_NONE << 16)

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

/* ---- lanes: due or sleeping ---- */

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

static void make_due(struct rl__queue *queue, struct rl__lane *lane)
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

static void learn_stretch(struct rl__lane *lane, rl_duration took, rl_duration by_price)
{
    uint64_t stretch = rl__min(rl__mul_div(took, STRETCH_NONE, rl__max(by_price, 1)), STRETCH_MAX);

    lane->stretch = lane->stretch == 0 ? stretch : lane->stretch - lane->stretch / 8 + stretch / 8;
}

/* Measured from one who could go after a sleep to the next such one: what was given back meanwhile,
 * and what others took, is in it. */
static void note_served(struct rl__lane *lane, rl_duration span, rl_time now)
{
    rl_time went_at = rl__min(lane->wake_at, now);

    lane->served += span;
    if (lane->slept_for == 0)
        return;
    if (lane->went_at != 0 && went_at > lane->went_at)
        learn_stretch(lane, went_at - lane->went_at, lane->served);
    lane->went_at = went_at;
    lane->served = lane->slept_for = 0;
}

static void make_sleep(struct rl__queue *queue, struct rl__lane *lane,
                       const struct rl__waiter *head)
{
    take_lane_out(queue, lane);
    lane->due = 0;
    lane->slept_for = head->span;
    lane->wake_at = head->refusal.retry_at;
    lane->turn.key[0] = lane->wake_at;
    lane->turn.key[1] = head->sequence;
    rl__heap_push(&queue->sleeping, &lane->turn);
}

/* Unless one who stands before it has taken that place since: it stays his. */
static void unpark(struct rl__lane *lane)
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
static void park(struct rl__queue *queue, struct rl__lane *lane, struct rl__strand *strand,
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

/* Makes those lanes due that are held back in that scope, for a reason that may pass before its
 * time. */
static void poke_scope(struct rl__queue *queue, const struct rl__scope *scope)
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
        make_due(queue, found);
}

void rl__queue_poke(struct rl__queue *queue)
{
    struct rl__hold *found = NULL;
    struct rl__heap_node *node;

    while ((node = rl__heap_pop(&queue->sleeping)) != NULL)
        make_due(queue, RL__OWNER(node, struct rl__lane, turn));
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
                poke_scope(queue, lane->scope[s]);
    if (rl__lane_peek(lane) != NULL && !lane->due && !lane->held_for_good)
        make_due(queue, lane);
    for (size_t k = 0; queue->holds_by_key.count > 0 && k < RL__TENANT_KINDS; k++)
        rl__hold_wake_tenant(queue, tenant[k], k);
}

/* ---- in and out ---- */

/* A strand comes to its lane, or stands there anew. */
static void line_up(struct rl__queue *queue, struct rl__strand *strand)
{
    struct rl__lane *lane = strand->lane;

    rl__strand_line_up(queue, strand);
    if (rl__lane_peek(lane) == strand) {
        unpark(lane);
        make_due(queue, lane);
    }
}

static void enter_strand(struct rl__queue *queue, struct rl__waiter *waiter, rl_time now)
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
    line_up(queue, strand);
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
    waiter->span = rl__admit_span(waiter->lane, &waiter->cost);
    waiter->lane->waiting++;
    waiter->lane->owed += waiter->span;
    /* Ordered against the look in rl__poke(): either it sees this waiter, or this waiter sees what
     * it announces. */
    rl__fetch_add_ordered(&queue->count, 1);
    plan_expiry(queue, waiter);
    if (waiter->not_before <= now) {
        enter_strand(queue, waiter, now);
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
            poke_scope(queue, lane->scope[lane->asked_at - 1]);
        unpark(lane);
    }
    if (rl__strand_head(strand) != NULL)
        rl__strand_line_up(queue, strand);
    if (was_first || rl__lane_peek(lane) == strand)
        make_due(queue, lane);
}

/* What happens while nobody waits says nothing of how long those who wait take. */
static void leave_lane(struct rl__lane *lane, rl_duration span)
{
    lane->owed -= span;
    if (--lane->waiting == 0)
        lane->went_at = 0;
}

void rl__queue_remove(struct rl__queue *queue, struct rl__waiter *waiter)
{
    struct rl__strand *strand = waiter->strand;
    int was_head = waiter->in_lane && rl__strand_head(strand) == waiter;

    rl__heap_remove(waiter->in_lane ? &strand->waiters : &queue->delayed, &waiter->order);
    rl__heap_remove(&queue->expiries, &waiter->expiry);
    rl__crowds_leave(queue, waiter);
    rl__fetch_add_ordered(&queue->count, UINT64_MAX);
    leave_lane(waiter->lane, waiter->span);
    if (was_head)
        next_head(queue, strand);
    rl__strand_leave(queue, strand);
}

static struct rl__waiter *remove_crowd(struct rl__queue *queue, const struct rl__heap *crowd,
                                       size_t kind, rl_status status)
{
    struct done_list done = { NULL, &done.first };
    size_t left = crowd == NULL ? 0 : crowd->count;

    for (; left > 0; left--) { /* the last one takes the crowd with it */
        struct rl__waiter *waiter = rl__crowd_any(crowd, kind);

        rl__queue_remove(queue, waiter);
        tell(&done, waiter, status, RL_NEVER);
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
    struct done_list done = { NULL, &done.first };
    struct rl__waiter *victim[RL__CROWDS];
    rl_status st = rl__crowds_victims(queue, waiter, victim);

    for (size_t k = 0; st == RL_OK && k < RL__CROWDS; k++)
        if (victim[k] != NULL) {
            rl__queue_remove(queue, victim[k]);
            tell(&done, victim[k], RL_E_DROPPED, RL_NEVER);
        }
    *dropped = done.first;
    return st;
}

/* What was served, and how long who has waited, counts from here. */
struct rl__waiter *rl__queue_change(struct rl__queue *queue, const struct rl__queue_rules *rules,
                                    rl_time now)
{
    struct done_list failed = { NULL, &failed.first };
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
            tell(&failed, waiter, RL_E_NOMEM, RL_NEVER);
        waiter = next;
    }
    return failed.first;
}

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

/* ---- running ---- */

static void wake_up(struct rl__queue *queue, rl_time now)
{
    struct rl__heap_node *node;
    struct rl__strand *strand;

    while ((node = rl__heap_peek(&queue->delayed)) != NULL && node->key[0] <= now) {
        rl__heap_pop(&queue->delayed);
        enter_strand(queue, RL__OWNER(node, struct rl__waiter, order), now);
    }
    while ((node = rl__heap_peek(&queue->sleeping)) != NULL && node->key[0] <= now)
        make_due(queue, RL__OWNER(node, struct rl__lane, turn));
    while ((strand = rl__hold_next(queue, now)) != NULL)
        line_up(queue, strand);
}

/* When it could go, as far as its strand's place says. */
static rl_time known_start(const struct rl__waiter *waiter, rl_time now)
{
    const struct rl__hold *hold = waiter->strand->hold;

    return rl__max(hold != NULL ? hold->turn.key[0] : waiter->lane->wake_at, now);
}

/* Those whose time ended before `limit`. */
static void expire(struct rl__queue *queue, struct done_list *done, rl_time limit, rl_time now)
{
    struct rl__heap_node *node;

    while ((node = rl__heap_peek(&queue->expiries)) != NULL && node->key[0] < limit) {
        struct rl__waiter *waiter = RL__OWNER(node, struct rl__waiter, expiry);
        rl_time retry_at = known_start(waiter, now);

        rl__queue_remove(queue, waiter);
        tell(done, waiter, waiter->expired, retry_at);
    }
}

/* A gate never opens early: who cannot outlast it is told now. Walks the lane's waiters once for
 * each new gate time. */
static void tell_hopeless(struct rl__queue *queue, struct rl__lane *lane, struct done_list *done,
                          rl_time opens)
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
        tell(done, hopeless, hopeless->expired, opens);
        hopeless = next;
    }
}

/* The head cannot outlast that: it is told now, and the lane goes on with the next. */
static int give_up(struct rl__queue *queue, struct rl__waiter *head, struct done_list *done,
                   rl_time until)
{
    if (until == RL_NEVER || until <= head->expires)
        return 0;
    rl__queue_remove(queue, head);
    tell(done, head, head->expired, until);
    return 1;
}

/* Without memory to stand aside, it holds up its lane. */
static int step_aside(struct rl__queue *queue, struct rl__strand *strand, size_t kind,
                      rl_time until)
{
    struct rl__lane *lane = strand->lane;

    if (rl__hold_enter(queue, strand, kind, until) != RL_OK)
        return 0;
    make_due(queue, lane);
    return 1;
}

static void hold_back(struct rl__queue *queue, struct rl__strand *strand, struct done_list *done,
                      rl_time now)
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
    park(queue, lane, strand, refusal);
    lane->held_at = refusal->scope;
    lane->held_for_good = refusal->by == RL__HELD_BY_GATE;
    make_sleep(queue, lane, head);
    if (lane->held_for_good)
        tell_hopeless(queue, lane, done, until);
}

/* Somebody of its own tenant stands before it, and is held back. */
static int wait_behind(struct rl__queue *queue, struct rl__strand *strand, struct done_list *done)
{
    size_t kind;
    struct rl__hold *hold = rl__hold_before(queue, strand, &kind);
    rl_time until = hold == NULL ? RL_NEVER : hold->turn.key[0];

    return hold != NULL && (give_up(queue, rl__strand_head(strand), done, until) ||
                            step_aside(queue, strand, kind, until));
}

static void serve(struct rl__queue *queue, struct rl__lane *lane, struct done_list *done,
                  rl_time now)
{
    struct rl__strand *strand = rl__lane_first(queue, lane, now);
    struct rl__rank rank[RL__MODEL_SCOPE];
    struct rl__waiter *head;
    rl_status st;

    unpark(lane);
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
        note_served(lane, head->span, now);
    }
    rl__queue_remove(queue, head);
    tell(done, head, st, st == RL_OK ? now : RL_NEVER);
}

/* Who leaves a hold may let out the next one. */
static struct rl__lane *next_due(struct rl__queue *queue, rl_time now)
{
    struct rl__heap_node *node;
    struct rl__strand *strand;

    while ((strand = rl__hold_next(queue, now)) != NULL)
        line_up(queue, strand);
    node = rl__heap_peek(&queue->due);
    return node == NULL ? NULL : RL__OWNER(node, struct rl__lane, turn);
}

struct rl__waiter *rl__queue_run(struct rl__queue *queue, rl_time now)
{
    struct done_list done = { NULL, &done.first };
    struct rl__lane *lane;

    expire(queue, &done, now, now);
    wake_up(queue, now);
    while ((lane = next_due(queue, now)) != NULL)
        serve(queue, lane, &done, now);
    expire(queue, &done, rl__add_sat(now, 1),
           now); /* at the very end of one's time one may still go */
    return done.first;
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

static rl_duration stretched(const struct rl__lane *lane, rl_duration span)
{
    return lane->stretch == 0 ? span : rl__mul_div(span, lane->stretch, STRETCH_NONE);
}

rl_duration rl__queue_length(const struct rl__lane *lane)
{
    return stretched(lane, lane->owed);
}

rl_time rl__queue_guess(const struct rl__waiter *waiter)
{
    const struct rl__lane *lane = waiter->lane;

    if (lane->due || lane->wake_at == RL_NEVER || !waiter->in_lane)
        return RL_NEVER;
    return rl__add_sat(lane->wake_at, stretched(lane, rl__sub_sat(lane->owed, lane->slept_for)));
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
