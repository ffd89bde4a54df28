/* SPDX-License-Identifier: MIT */
/* The pairing heap and the run beside it. No recursion: a million waiters must not need a deep
 * stack. */
#include "base/heap.h"
#include "base/rl_assert.h"

enum { IN_NOTHING, IN_TREE, IN_RUN };

static int before(const struct rl__heap_node *a, const struct rl__heap_node *b)
{
    return a->key[0] != b->key[0] ? a->key[0] < b->key[0] : a->key[1] < b->key[1];
}

/* Joins two trees without siblings; the larger root becomes the first child of the smaller. */
static struct rl__heap_node *join(struct rl__heap_node *a, struct rl__heap_node *b)
{
    struct rl__heap_node *top = a, *under = b;

    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    if (before(b, a)) {
        top = b;
        under = a;
    }
    under->previous = top;
    under->next = top->child;
    if (top->child != NULL)
        top->child->previous = under;
    top->child = under;
    return top;
}

/* Cuts the first tree off a list of siblings. */
static struct rl__heap_node *cut_first(struct rl__heap_node **list)
{
    struct rl__heap_node *first = *list;

    if (first != NULL) {
        *list = first->next;
        first->next = NULL;
        first->previous = NULL;
    }
    return first;
}

/* Makes one tree of a list of siblings: in pairs, then the pairs from the last to the first. The
 * pairs are stacked through `next`, which is what gives the amortised bound. */
static struct rl__heap_node *join_siblings(struct rl__heap_node *list)
{
    struct rl__heap_node *pairs = NULL, *tree = NULL;

    while (list != NULL) {
        struct rl__heap_node *elder = cut_first(&list);
        struct rl__heap_node *pair = join(elder, cut_first(&list));
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs != NULL)
        tree = join(cut_first(&pairs), tree);
    return tree;
}

static void append(struct rl__heap *heap, struct rl__heap_node *node)
{
    node->queued = IN_RUN;
    node->previous = heap->last;
    if (heap->last != NULL)
        heap->last->next = node;
    else
        heap->first = node;
    heap->last = node;
}

void rl__heap_push(struct rl__heap *heap, struct rl__heap_node *node)
{
    RL_ASSERT(node->queued == IN_NOTHING);
    node->child = NULL;
    node->next = NULL;
    node->previous = NULL;
    heap->count++;
    if (heap->last == NULL || !before(node, heap->last)) {
        append(heap, node);
        return;
    }
    node->queued = IN_TREE;
    heap->root = join(heap->root, node);
}

struct rl__heap_node *rl__heap_peek(const struct rl__heap *heap)
{
    if (heap->first == NULL || heap->root == NULL)
        return heap->first == NULL ? heap->root : heap->first;
    return before(heap->root, heap->first) ? heap->root : heap->first;
}

struct rl__heap_node *rl__heap_pop(struct rl__heap *heap)
{
    struct rl__heap_node *top = rl__heap_peek(heap);

    if (top != NULL)
        rl__heap_remove(heap, top);
    return top;
}

/* Unlinks a node that has a parent from it and its siblings. */
static void unlink_node(struct rl__heap_node *node)
{
    if (node->previous->child == node)
        node->previous->child = node->next;
    else
        node->previous->next = node->next;
    if (node->next != NULL)
        node->next->previous = node->previous;
}

static void remove_from_tree(struct rl__heap *heap, struct rl__heap_node *node)
{
    struct rl__heap_node *orphans = join_siblings(node->child);

    if (node == heap->root) {
        heap->root = orphans;
    } else {
        unlink_node(node);
        heap->root = join(heap->root, orphans);
    }
}

static void remove_from_run(struct rl__heap *heap, struct rl__heap_node *node)
{
    if (node->previous != NULL)
        node->previous->next = node->next;
    else
        heap->first = node->next;
    if (node->next != NULL)
        node->next->previous = node->previous;
    else
        heap->last = node->previous;
}

void rl__heap_remove(struct rl__heap *heap, struct rl__heap_node *node)
{
    if (node->queued == IN_NOTHING)
        return;
    if (node->queued == IN_TREE)
        remove_from_tree(heap, node);
    else
        remove_from_run(heap, node);
    node->child = NULL;
    node->next = NULL;
    node->previous = NULL;
    node->queued = IN_NOTHING;
    heap->count--;
}

/* In pre-order, without a stack: down, across, else up and across. */
static struct rl__heap_node *walk_tree(const struct rl__heap_node *node)
{
    if (node->child != NULL)
        return node->child;
    while (node->next == NULL) {
        /* Back to the first of these siblings; its elder is their parent. */
        while (node->previous != NULL && node->previous->child != node)
            node = node->previous;
        if (node->previous == NULL)
            return NULL;
        node = node->previous;
    }
    return node->next;
}

struct rl__heap_node *rl__heap_walk(const struct rl__heap *heap, const struct rl__heap_node *node)
{
    struct rl__heap_node *next;

    if (node != NULL && node->queued == IN_TREE)
        return walk_tree(node);
    next = node == NULL ? heap->first : node->next;
    return next != NULL ? next : heap->root;
}
