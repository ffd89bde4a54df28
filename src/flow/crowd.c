/* SPDX-License-Identifier: MIT */
/* Owns bounds on how many wait: in all, for a provider, of a user. */
#include "flow/queue_parts.h"

/* The waiter of a node in a crowd of that kind. */
#define WAITER_OF(node, kind) RL__OWNER((node) - (kind), struct rl__waiter, crowd)

static struct rl__heap *provider_crowd(const struct rl__waiter *waiter)
{
    return &waiter->lane->scope[RL__PROVIDER_SCOPE]->waiters;
}

struct rl__crowd *rl__crowd_of_user(const struct rl__queue *queue, uint64_t user)
{
    struct rl__map_node *node = user == 0 ? NULL : rl__map_find(&queue->users, user);

    return node == NULL ? NULL : RL__OWNER(node, struct rl__crowd, node);
}

struct rl__waiter *rl__crowd_any(const struct rl__heap *crowd, size_t kind)
{
    struct rl__heap_node *node = rl__heap_peek(crowd);

    return node == NULL ? NULL : WAITER_OF(node, kind);
}

static rl_status join_user(struct rl__queue *queue, struct rl__waiter *waiter)
{
    uint64_t user = waiter->who.hash[RL__USER];
    struct rl__crowd *crowd = rl__crowd_of_user(queue, user);

    waiter->of_user = NULL;
    if (user == 0)
        return RL_OK;
    if (crowd == NULL) {
        if ((crowd = rl__kept_take(&queue->free_users, queue->env, sizeof *crowd)) == NULL)
            return RL_E_NOMEM;
        crowd->node.hash = user;
        rl__map_add(&queue->users, &crowd->node);
    }
    waiter->of_user = crowd;
    return RL_OK;
}

static uint64_t level_of(const struct rl__waiter *waiter)
{
    return waiter->level == 0 ? RL__LEVEL_NORMAL : waiter->level;
}

/* The lowest, and of those the youngest; or the oldest. */
static void push(const struct rl__queue *queue, struct rl__heap *crowd, struct rl__waiter *waiter,
                 size_t kind)
{
    struct rl__heap_node *node = &waiter->crowd[kind];
    int lowest = queue->rules.when_full == RL__DROP_LOWEST;

    node->key[0] = lowest ? RL__LEVEL_LAST - level_of(waiter) : waiter->sequence;
    node->key[1] = UINT64_MAX - waiter->sequence;
    rl__heap_push(crowd, node);
}

rl_status rl__crowds_join(struct rl__queue *queue, struct rl__waiter *waiter)
{
    rl_status st = join_user(queue, waiter);

    if (st != RL_OK)
        return st;
    push(queue, &queue->all, waiter, RL__CROWD_ALL);
    push(queue, provider_crowd(waiter), waiter, RL__CROWD_PROVIDER);
    if (waiter->of_user != NULL)
        push(queue, &waiter->of_user->waiters, waiter, RL__CROWD_USER);
    return RL_OK;
}

void rl__crowds_leave(struct rl__queue *queue, struct rl__waiter *waiter)
{
    struct rl__crowd *crowd = waiter->of_user;

    rl__heap_remove(&queue->all, &waiter->crowd[RL__CROWD_ALL]);
    rl__heap_remove(provider_crowd(waiter), &waiter->crowd[RL__CROWD_PROVIDER]);
    if (crowd == NULL)
        return;
    rl__heap_remove(&crowd->waiters, &waiter->crowd[RL__CROWD_USER]);
    waiter->of_user = NULL;
    if (crowd->waiters.count > 0)
        return;
    rl__map_remove(&queue->users, &crowd->node);
    rl__kept_give(&queue->free_users, &crowd->node);
}

/* Whoever has to go for others counts no more for the bounds that follow. */
static uint64_t without(const struct rl__heap *crowd, struct rl__waiter *const *victim,
                        const struct rl__waiter *waiter, size_t kind)
{
    uint64_t count = crowd->count;

    for (size_t k = RL__CROWDS; k-- > kind + 1;)
        if (victim[k] != NULL &&
            (kind == RL__CROWD_ALL || provider_crowd(victim[k]) == provider_crowd(waiter)))
            count--;
    return count;
}

static rl_status find_victim(const struct rl__queue *queue, const struct rl__heap *crowd,
                             const struct rl__waiter *waiter, size_t kind,
                             struct rl__waiter **victim)
{
    struct rl__heap_node *node = rl__heap_peek(crowd);

    if (queue->rules.when_full == RL__REJECT_NEW || node == NULL)
        return RL_E_QUEUE_FULL;
    *victim = WAITER_OF(node, kind);
    return queue->rules.when_full == RL__DROP_LOWEST && level_of(*victim) <= level_of(waiter)
               ? RL_E_QUEUE_FULL
               : RL_OK;
}

/* The narrowest first. */
rl_status rl__crowds_victims(const struct rl__queue *queue, const struct rl__waiter *waiter,
                             struct rl__waiter *victim[RL__CROWDS])
{
    static const struct rl__heap nobody;
    const struct rl__crowd *user = rl__crowd_of_user(queue, waiter->who.hash[RL__USER]);
    const struct rl__heap *crowd[RL__CROWDS] = { &queue->all, provider_crowd(waiter),
                                                 user == NULL ? &nobody : &user->waiters };

    for (size_t k = 0; k < RL__CROWDS; k++)
        victim[k] = NULL;
    for (size_t k = RL__CROWDS; k-- > 0;) {
        rl_status st = RL_OK;

        if (k == RL__CROWD_USER && waiter->who.hash[RL__USER] == 0)
            continue;
        if (without(crowd[k], victim, waiter, k) >= queue->rules.most[k])
            st = find_victim(queue, crowd[k], waiter, k, &victim[k]);
        if (st != RL_OK)
            return st;
    }
    return RL_OK;
}
