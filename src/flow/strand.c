/* SPDX-License-Identifier: MIT */
/* Owns strands: which waiters belong together, and where a strand stands. */
#include "flow/queue_parts.h"

#include "base/arith.h"

#include <string.h>

/* A rank's first word: the level in the highest byte, the start of the share below. Level 0 is
 * those who waited too long, by since when. A step is 16 ns of a limiter's time. */
#define LEVEL_SHIFT 56
#define START_SHIFT 4
#define SINCE_SHIFT 8
#define START_MAX   ((UINT64_C(1) << LEVEL_SHIFT) - 1)

/* ---- finding and making ---- */

static uint64_t level_of(const struct rl__waiter *waiter)
{
    return waiter->level == 0 ? RL__LEVEL_NORMAL : waiter->level;
}

static uint64_t hash_of(const struct rl__waiter *waiter)
{
    uint64_t hash = rl__map_mix((uint64_t)(uintptr_t)waiter->lane, level_of(waiter));

    for (size_t k = 0; k < RL__TENANT_KINDS; k++)
        hash = rl__map_mix(hash, waiter->who.hash[k]);
    return rl__map_mix(hash, waiter->share);
}

static int is_of(const struct rl__strand *strand, const struct rl__waiter *waiter)
{
    return strand->lane == waiter->lane && strand->level == level_of(waiter) &&
           strand->share == waiter->share &&
           memcmp(strand->tenant, waiter->who.hash, sizeof strand->tenant) == 0;
}

/* Doubles with every 64 levels: high, normal and low are as 4 to 2 to 1. */
static uint64_t weight_of_level(uint64_t level)
{
    uint64_t steps = RL__LEVEL_LAST - level;

    return (UINT64_C(64) + (steps & 63)) << (steps >> 6);
}

static uint64_t weight_of(const struct rl__queue *queue, const struct rl__waiter *waiter)
{
    const struct rl__who *who = &waiter->who;
    uint64_t weight = 1;

    if (who->tenants != NULL && who->hash[RL__USER] != 0 && waiter->share == who->hash[RL__USER])
        weight =
            rl__tenant_weight(&who->tenants[RL__USER], who->hash[RL__USER], who->tier[RL__USER]);
    return rl__mul_sat(
        rl__max(weight, 1),
        weight_of_level(queue->rules.weighted ? level_of(waiter) : RL__LEVEL_NORMAL));
}

/* With weighted levels, all stand in one. */
static uint64_t class_of(const struct rl__queue *queue, const struct rl__strand *strand)
{
    return queue->rules.weighted ? 1 : strand->level;
}

static uint64_t account_key(const struct rl__queue *queue, const struct rl__strand *strand)
{
    return queue->rules.weighted ? rl__map_mix(strand->share, strand->level) : strand->share;
}

static struct rl__strand *make(struct rl__queue *queue, const struct rl__waiter *waiter,
                               uint64_t hash)
{
    struct rl__strand *strand =
        rl__kept_take(&queue->free_strands, queue->env, sizeof(struct rl__strand));

    if (strand == NULL)
        return NULL;
    strand->node.hash = hash;
    strand->lane = waiter->lane;
    strand->level = level_of(waiter);
    strand->share = waiter->share;
    memcpy(strand->tenant, waiter->who.hash, sizeof strand->tenant);
    strand->weight = weight_of(queue, waiter);
    rl__strand_stand(queue, strand, RL__PLACE_LANE);
    rl__map_add(&queue->strands, &strand->node);
    return strand;
}

struct rl__strand *rl__strand_join(struct rl__queue *queue, const struct rl__waiter *waiter)
{
    uint64_t hash = hash_of(waiter);
    struct rl__map_node *node = rl__map_find(&queue->strands, hash);
    struct rl__strand *strand;

    while (node != NULL && !is_of(RL__OWNER(node, struct rl__strand, node), waiter))
        node = rl__map_next(node);
    strand = node != NULL ? RL__OWNER(node, struct rl__strand, node) : make(queue, waiter, hash);
    if (strand != NULL)
        strand->members++;
    return strand;
}

void rl__strand_leave(struct rl__queue *queue, struct rl__strand *strand)
{
    if (--strand->members > 0)
        return;
    for (size_t p = 0; p < RL__PLACES; p++)
        rl__fair_leave(&queue->fair, strand->account[p]);
    rl__map_remove(&queue->strands, &strand->node);
    rl__kept_give(&queue->free_strands, &strand->node);
}

/* ---- ranks ---- */

/* Another strand of the same share may have been served meanwhile: its end moves this start. */
static uint64_t start_at(struct rl__strand *strand, size_t place)
{
    const struct rl__account *account = strand->account[place];

    if (account == NULL)
        return 0;
    if ((strand->started >> place & 1) == 0)
        strand->start[place] = rl__fair_start(account);
    strand->started |= 1u << place;
    strand->start[place] = rl__max(strand->start[place], account->end);
    return strand->start[place];
}

struct rl__rank rl__strand_rank(struct rl__strand *strand, size_t place)
{
    uint64_t start = rl__min(start_at(strand, place) >> START_SHIFT, START_MAX);
    uint64_t level =
        strand->account[place] != NULL ? strand->account[place]->class->level : strand->level;
    struct rl__rank rank = { { level << LEVEL_SHIFT | start, rl__strand_head(strand)->sequence } };

    if (strand->aged)
        rank.word[0] = rl__min(strand->since >> SINCE_SHIFT, START_MAX);
    return rank;
}

struct rl__rank rl__strand_last_rank(const struct rl__queue *queue, uint64_t level)
{
    uint64_t own = queue->rules.weighted ? 1 : level == 0 ? RL__LEVEL_NORMAL : level;

    return (struct rl__rank){ { own << LEVEL_SHIFT | START_MAX, UINT64_MAX } };
}

/* 0: there is no such place. */
static uint64_t place_of(const struct rl__strand *strand, size_t place)
{
    if (place < RL__PLACE_LANE)
        return (uint64_t)(uintptr_t)strand->lane->scope[place];
    if (place == RL__PLACE_LANE)
        return (uint64_t)(uintptr_t)strand->lane;
    return rl__hold_key(strand->tenant[place - RL__PLACE_TENANT], place - RL__PLACE_TENANT);
}

/* Where nobody is held back, nobody needs a share. */
static void stand_with_others(struct rl__queue *queue, struct rl__strand *strand, size_t place)
{
    uint64_t where = strand->account[place] == NULL ? place_of(strand, place) : 0;

    if (where != 0)
        strand->account[place] = rl__fair_join_others(&queue->fair, where, class_of(queue, strand),
                                                      account_key(queue, strand));
}

void rl__strand_ranks(struct rl__queue *queue, struct rl__strand *strand,
                      struct rl__rank rank[RL__MODEL_SCOPE])
{
    for (size_t s = 0; s < RL__MODEL_SCOPE; s++) {
        stand_with_others(queue, strand, s);
        rank[s] = rl__strand_rank(strand, s);
    }
}

void rl__strand_stand(struct rl__queue *queue, struct rl__strand *strand, size_t place)
{
    if (strand->account[place] == NULL)
        strand->account[place] =
            rl__fair_join(&queue->fair, place_of(strand, place), class_of(queue, strand),
                          account_key(queue, strand)); /* NULL: it starts with the first */
}

void rl__strand_pay(struct rl__queue *queue, struct rl__strand *strand, rl_time now)
{
    rl_duration span = rl__admit_span(strand->lane, &rl__strand_head(strand)->cost);

    span = rl__mul_div(span, weight_of_level(RL__LEVEL_NORMAL), strand->weight);
    for (size_t p = 0; p < RL__PLACES; p++) {
        if (p >= RL__PLACE_TENANT && queue->holds_by_key.count > 0)
            stand_with_others(queue, strand, p);
        if (strand->account[p] != NULL)
            rl__fair_serve(&queue->fair, strand->account[p], start_at(strand, p), span);
    }
    strand->started = 0;
    strand->since = now;
    strand->aged = 0;
}

/* ---- in the lane ---- */

static void age(struct rl__queue *queue, struct rl__strand *strand)
{
    if (queue->rules.max_age == RL_NEVER || strand->aged)
        return;
    strand->age.key[0] = rl__add_sat(strand->since, queue->rules.max_age);
    strand->age.key[1] = rl__strand_head(strand)->sequence;
    rl__heap_push(&strand->lane->ageing, &strand->age);
}

void rl__strand_step_out(struct rl__strand *strand)
{
    rl__heap_remove(&strand->lane->strands, &strand->turn);
    rl__heap_remove(&strand->lane->ageing, &strand->age);
}

static void line_up(struct rl__strand *strand)
{
    struct rl__rank rank = rl__strand_rank(strand, RL__PLACE_LANE);

    rl__heap_remove(&strand->lane->strands, &strand->turn);
    memcpy(strand->turn.key, rank.word, sizeof strand->turn.key);
    rl__heap_push(&strand->lane->strands, &strand->turn);
}

void rl__strand_line_up(struct rl__queue *queue, struct rl__strand *strand)
{
    rl__strand_step_out(strand);
    line_up(strand);
    age(queue, strand);
}

static void promote(struct rl__lane *lane, rl_time now)
{
    struct rl__heap_node *node;

    while ((node = rl__heap_peek(&lane->ageing)) != NULL && node->key[0] <= now) {
        struct rl__strand *strand = RL__OWNER(node, struct rl__strand, age);

        rl__heap_remove(&lane->ageing, node);
        strand->aged = 1;
        line_up(strand);
    }
}

struct rl__strand *rl__lane_first(struct rl__queue *queue, struct rl__lane *lane, rl_time now)
{
    struct rl__strand *strand;

    if (queue->rules.max_age != RL_NEVER)
        promote(lane, now);
    while ((strand = rl__lane_peek(lane)) != NULL) {
        struct rl__rank rank = rl__strand_rank(strand, RL__PLACE_LANE);

        if (rank.word[0] == strand->turn.key[0])
            break;
        line_up(strand); /* it fell back */
    }
    return strand;
}
