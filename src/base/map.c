/* SPDX-License-Identifier: MIT */
/* The hash table with chains. See map.h. */
#include "base/map.h"

#define SIZE_FIRST 16

void rl__map_init(struct rl__map *map, struct rl__env *env)
{
    *map = (struct rl__map){ .env = env, .bucket = NULL, .size = 1 };
}

void rl__map_deinit(struct rl__map *map)
{
    if (map->env != NULL)
        rl__free(map->env, map->bucket);
    *map = (struct rl__map){ .env = map->env, .size = 1 };
}

static struct rl__map_node **chain_of(struct rl__map *map, uint64_t hash)
{
    return map->bucket == NULL ? &map->few : &map->bucket[hash & (map->size - 1)];
}

static void link_in(struct rl__map *map, struct rl__map_node *node)
{
    struct rl__map_node **chain = chain_of(map, node->hash);

    node->next = *chain;
    *chain = node;
}

static struct rl__map_node *all_of(struct rl__map *map)
{
    struct rl__map_node *all = map->few;

    map->few = NULL;
    for (size_t i = 0; map->bucket != NULL && i < map->size; i++)
        while (map->bucket[i] != NULL) {
            struct rl__map_node *node = map->bucket[i];

            map->bucket[i] = node->next;
            node->next = all;
            all = node;
        }
    return all;
}

static void grow(struct rl__map *map)
{
    size_t size = map->bucket == NULL ? SIZE_FIRST : map->size * 2;
    struct rl__map_node **bucket = rl__alloc_zeroed(map->env, size, sizeof(struct rl__map_node *));
    struct rl__map_node *all;

    if (bucket == NULL)
        return;
    all = all_of(map);
    rl__free(map->env, map->bucket);
    map->bucket = bucket;
    map->size = size;
    while (all != NULL) {
        struct rl__map_node *next = all->next;

        link_in(map, all);
        all = next;
    }
}

void rl__map_add(struct rl__map *map, struct rl__map_node *node)
{
    if (map->count >= map->size && map->count >= 4)
        grow(map);
    link_in(map, node);
    map->count++;
}

void rl__map_remove(struct rl__map *map, struct rl__map_node *node)
{
    struct rl__map_node **at = chain_of(map, node->hash);

    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    map->count--;
}

static struct rl__map_node *same_hash(struct rl__map_node *node, uint64_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct rl__map_node *rl__map_find(const struct rl__map *map, uint64_t hash)
{
    if (map->count == 0)
        return NULL;
    return same_hash(map->bucket == NULL ? map->few : map->bucket[hash & (map->size - 1)], hash);
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
