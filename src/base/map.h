/* SPDX-License-Identifier: MIT */
/*
 * A hash table whose nodes lie in their owners. The caller brings the hashes, well spread and not
 * for others to choose, and compares the owners: nodes of one hash are given out one after the
 * other. It never fails: without memory for more slots it gets slower.
 *
 * A slot holds a hash beside its nodes, and a hash that is taken goes to the next free slot: to
 * find, add or remove reads one piece of the table, and no other node.
 */
#ifndef LLMRL_SRC_MAP_H
#define LLMRL_SRC_MAP_H

#include "base/env.h"

struct rl__map_node {
    uint64_t hash;
    struct rl__map_node *next; /* of the same hash, as long as it is in a slot */
};

struct rl__map_slot {
    uint64_t hash;
    struct rl__map_node *first; /* NULL: free */
};

struct rl__map {
    struct rl__env *env;      /* borrowed */
    struct rl__map_node *few; /* of hashes that are in no slot, while there are few, or no memory */
    struct rl__map_slot *slot; /* owned; NULL: none yet */
    size_t size, used;         /* slots; a power of two, and never all of them */
    size_t count;              /* nodes */
};

void rl__map_init(struct rl__map *map, struct rl__env *env);
/* Frees the slots; the nodes are their owners'. */
void rl__map_deinit(struct rl__map *map);
/* `node->hash` is set. */
void rl__map_add(struct rl__map *map, struct rl__map_node *node);
/* It is in there. */
void rl__map_remove(struct rl__map *map, struct rl__map_node *node);
/* The first of that hash, and the next; NULL: none. */
struct rl__map_node *rl__map_find(const struct rl__map *map, uint64_t hash);
struct rl__map_node *rl__map_next(const struct rl__map_node *node);
/* Spreads the bits of two numbers over one; not keyed. */
uint64_t rl__map_mix(uint64_t a, uint64_t b);

/* ---- what was used once is kept for the next: a list of nodes that are in no map, each the first
 * member of what it is in ---- */

/* `size` bytes, all zero. NULL: out of memory. */
void *rl__kept_take(struct rl__map_node **list, struct rl__env *env, size_t size);
void rl__kept_give(struct rl__map_node **list, struct rl__map_node *node);
/* Frees all of them. */
void rl__kept_free(struct rl__map_node **list, struct rl__env *env);

#endif
