/* SPDX-License-Identifier: MIT */
/* The heap, tree and run, against a plain search of an array. */
#include "base/heap.h"
#include "vclock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NODES 200
#define STEPS 200000

static int is_less(const struct rl__heap_node *a, const struct rl__heap_node *b)
{
    return a->key[0] < b->key[0] || (a->key[0] == b->key[0] && a->key[1] < b->key[1]);
}

static struct rl__heap_node *smallest(struct rl__heap_node *node)
{
    struct rl__heap_node *best = NULL;

    for (size_t i = 0; i < NODES; i++)
        if (node[i].queued && (best == NULL || is_less(&node[i], best)))
            best = &node[i];
    return best;
}

static void expect_walk_of_all(const struct rl__heap *heap, const struct rl__heap_node *node)
{
    unsigned char seen[NODES] = { 0 };
    struct rl__heap_node *one = NULL;

    while ((one = rl__heap_walk(heap, one)) != NULL) {
        assert_int_equal(seen[one - node], 0);
        seen[one - node] = 1;
    }
    for (size_t i = 0; i < NODES; i++)
        assert_int_equal(seen[i], node[i].queued != 0);
}

/* The second keys are all different, so there is one right answer. */
static void agrees_with_a_plain_search(void **ctx)
{
    static struct rl__heap_node node[NODES];
    struct vclock dice = { .random = 7 };
    struct rl__heap heap = { .count = 0 };
    size_t count = 0;

    (void)ctx;
    for (uint64_t i = 0; i < STEPS; i++) {
        struct rl__heap_node *one = &node[vclock_random(&dice) % NODES], *top = smallest(node);

        assert_ptr_equal(rl__heap_peek(&heap), top);
        if (vclock_random(&dice) % 8 == 0) {
            assert_ptr_equal(rl__heap_pop(&heap), top);
            count -= top != NULL;
        } else if (one->queued) {
            rl__heap_remove(&heap, one);
            count--;
        } else {
            one->key[0] = vclock_random(&dice) % 16;
            one->key[1] = i;
            rl__heap_push(&heap, one);
            count++;
        }
        assert_int_equal(heap.count, count);
        if (i % 64 == 0)
            expect_walk_of_all(&heap, node);
    }
}

/* Most come in order, a few before others: each leaves at its place, whichever way it came in. */
static void who_comes_out_of_order_still_leaves_in_order(void **ctx)
{
    static struct rl__heap_node node[NODES];
    struct vclock dice = { .random = 11 };
    struct rl__heap heap = { .count = 0 };

    (void)ctx;
    for (uint64_t i = 0; i < STEPS; i++) {
        struct rl__heap_node *one = &node[i % NODES], *top = smallest(node);
        uint64_t back = vclock_random(&dice) % 16 == 0 ? vclock_random(&dice) % NODES : 0;

        assert_ptr_equal(rl__heap_peek(&heap), top);
        rl__heap_remove(&heap, vclock_random(&dice) % 4 == 0 ? one : top == NULL ? one : top);
        if (one->queued)
            continue;
        one->key[0] = i > back ? i - back : 0;
        one->key[1] = i;
        rl__heap_push(&heap, one);
        if (i % 64 == 0)
            expect_walk_of_all(&heap, node);
    }
}

static void removing_what_is_not_queued_changes_nothing(void **ctx)
{
    struct rl__heap_node a = { .key = { 1, 1 } }, b = { .key = { 1, 2 } };
    struct rl__heap heap = { .count = 0 };

    (void)ctx;
    assert_null(rl__heap_pop(&heap));
    rl__heap_push(&heap, &b);
    rl__heap_push(&heap, &a);
    rl__heap_remove(&heap, &a);
    rl__heap_remove(&heap, &a);
    assert_int_equal(heap.count, 1);
    assert_ptr_equal(rl__heap_pop(&heap), &b);
    assert_int_equal(b.queued, 0);
    assert_null(rl__heap_peek(&heap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_plain_search),
        cmocka_unit_test(who_comes_out_of_order_still_leaves_in_order),
        cmocka_unit_test(removing_what_is_not_queued_changes_nothing),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
