/* SPDX-License-Identifier: MIT */
/*
 * A priority queue whose nodes lie in their owners: no allocation. Nodes that come in order form a
 * run beside the tree, a plain list: what arrives and leaves in order costs O(1), and reads no
 * memory but that of its neighbours. The rest is a pairing heap: push and peek O(1), pop and remove
 * O(log n) amortised. Equal keys leave in an order of their second key.
 * Source: Fredman, Sedgewick, Sleator, Tarjan: "The Pairing Heap", Algorithmica 1 (1986).
 */
#ifndef LLMRL_SRC_HEAP_H
#define LLMRL_SRC_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct rl__heap_node {
    uint64_t key[2]; /* compared in this order; smallest first */
    struct rl__heap_node *child, *next,
        *previous; /* previous: the elder sibling, or the parent of a first child */
    int queued;    /* 0: it is not; else where */
};

struct rl__heap {
    struct rl__heap_node *root;         /* of the tree; NULL: empty */
    struct rl__heap_node *first, *last; /* of the run; NULL: empty */
    size_t count;
};

void rl__heap_push(struct rl__heap *heap, struct rl__heap_node *node);
struct rl__heap_node *rl__heap_peek(const struct rl__heap *heap);
struct rl__heap_node *rl__heap_pop(struct rl__heap *heap);
/* All nodes in no order: NULL gives the first one, NULL comes after the last. The heap must not
 * change meanwhile. */
struct rl__heap_node *rl__heap_walk(const struct rl__heap *heap, const struct rl__heap_node *node);
/* Takes a node out wherever it is; nothing happens when it is not queued. */
void rl__heap_remove(struct rl__heap *heap, struct rl__heap_node *node);

#endif
