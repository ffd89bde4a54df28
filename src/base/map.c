/* SPDX-License-Identifier: MIT */
/* The hash table with open addressing. See map.h. */
#include "base/map.h"

#include <string.h>

#define SIZE_FIRST 16
#define FEW        4

void rl__map_init(struct rl__map *map, struct rl__env *env)
{
    *map = (struct rl__map){ .env = env };
}

void rl__map_deinit(struct rl__map *map)
{
    if (map->env != NULL)
        rl__free(map->env, map->slot);
    *map = (struct rl__map){ .env = map->env };
}

/* The slot of that hash, or the free one where it would go. There is a free one. */
static struct rl__map_slot *slot_for(const struct rl__map *map, uint64_t hash)
{
    size_t i = hash & (map->size - 1);

    while (map->slot[i].first != NULL && map->slot[i].hash != hash)
        i = (i + 1) & (map->size - 1);
    return &map->slot[i];
}

/* A quarter stays free, so that a free one is near. */
static size_t most_of(size_t size)
{
    return size - size / 4;
}

static void add_to_slot(struct rl__map *map, struct rl__map_slot *slot, struct rl__map_node *node)
{
    map->used += slot->first == NULL;
    slot->hash = node->hash;
    node->next = slot->first;
    slot->first = node;
}

static size_t size_for(const struct rl__map *map)
{
    size_t size = map->size == 0 ? SIZE_FIRST : map->size;

    while (map->count >= most_of(size))
        size *= 2;
    return size;
}

/* The nodes of a slot move with it, unseen. */
static void grow(struct rl__map *map)
{
    struct rl__map more = { .env = map->env, .size = size_for(map), .count = map->count };

    more.slot = rl__alloc_zeroed(map->env, more.size, sizeof *more.slot);
    if (more.slot == NULL)
        return;
    for (size_t i = 0; map->slot != NULL && i < map->size; i++)
        if (map->slot[i].first != NULL)
            *slot_for(&more, map->slot[i].hash) = map->slot[i];
    more.used = map->used;
    while (map->few != NULL) {
        struct rl__map_node *node = map->few;

        map->few = node->next;
        add_to_slot(&more, slot_for(&more, node->hash), node);
    }
    rl__free(map->env, map->slot);
    *map = more;
}

/* A hash is in a slot or among the few, never in both: who is there stays there. */
void rl__map_add(struct rl__map *map, struct rl__map_node *node)
{
    struct rl__map_slot *slot;

    if (map->slot == NULL ? map->count >= FEW : map->few != NULL || map->used >= most_of(map->size))
        grow(map);
    map->count++;
    slot = map->slot == NULL ? NULL : slot_for(map, node->hash);
    if (slot != NULL &&
        (slot->first != NULL || (map->few == NULL && map->used < most_of(map->size)))) {
        add_to_slot(map, slot, node);
        return;
    }
    node->next = map->few;
    map->few = node;
}

/* Those behind it that had to go on because of it move up. */
static void free_slot(struct rl__map *map, const struct rl__map_slot *slot)
{
    size_t mask = map->size - 1, gap = (size_t)(slot - map->slot), i = gap;

    while (map->slot[i = (i + 1) & mask].first != NULL)
        if (((i - map->slot[i].hash) & mask) >= ((i - gap) & mask)) {
            map->slot[gap] = map->slot[i];
            gap = i;
        }
    map->slot[gap].first = NULL;
    map->used--;
}

static int is_unlinked(struct rl__map_node **at, const struct rl__map_node *node)
{
    while (*at != NULL && *at != node)
        at = &(*at)->next;
    if (*at == NULL)
        return 0;
    *at = node->next;
    return 1;
}

void rl__map_remove(struct rl__map *map, struct rl__map_node *node)
{
    struct rl__map_slot *slot = map->slot == NULL ? NULL : slot_for(map, node->hash);

    map->count--;
    if (slot == NULL || !is_unlinked(&slot->first, node))
        (void)is_unlinked(&map->few, node); /* it is in there */
    else if (slot->first == NULL)
        free_slot(map, slot);
}

static struct rl__map_node *same_hash(struct rl__map_node *node, uint64_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct rl__map_node *rl__map_find(const struct rl__map *map, uint64_t hash)
{
    struct rl__map_node *found = map->used == 0 ? NULL : slot_for(map, hash)->first;

    return found != NULL ? found : same_hash(map->few, hash);
}

struct rl__map_node *rl__map_next(const struct rl__map_node *node)
{
    return same_hash(node->next, node->hash);
}

uint64_t rl__map_mix(uint64_t a, uint64_t b)
{
    uint64_t z = a * UINT64_C(0x9e3779b97f4a7c15) + b;

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- nodes for the next use ---- */

void *rl__kept_take(struct rl__map_node **list, struct rl__env *env, size_t size)
{
    struct rl__map_node *node = *list;

    if (node == NULL)
        return rl__alloc_zeroed(env, 1, size);
    *list = node->next;
    memset(node, 0, size);
    return node;
}

void rl__kept_give(struct rl__map_node **list, struct rl__map_node *node)
{
    node->next = *list;
    *list = node;
}

/* A node is the first member of what it is in. */
void rl__kept_free(struct rl__map_node **list, struct rl__env *env)
{
    while (*list != NULL) {
        struct rl__map_node *next = (*list)->next;

        rl__free(env, *list);
        *list = next;
    }
}
