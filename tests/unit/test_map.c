/* SPDX-License-Identifier: MIT */
/* The hash table against a plain search of an array, with memory and without. */
#include "base/map.h"
#include "failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NODES 400
#define STEPS 60000

struct item {
    struct rl__map_node node; /* first */
    int is_in;
    int seen;
};

static struct item item[NODES];

/* Every node of that hash once, and no other. */
static void expect_all_of(const struct rl__map *map, uint64_t hash)
{
    for (struct rl__map_node *node = rl__map_find(map, hash); node != NULL;
         node = rl__map_next(node)) {
        struct item *found = (struct item *)(void *)node;

        assert_true(node->hash == hash);
        assert_int_equal(found->seen, 0);
        found->seen = 1;
    }
    for (size_t i = 0; i < NODES; i++) {
        assert_int_equal(item[i].seen, item[i].is_in && item[i].node.hash == hash);
        item[i].seen = 0;
    }
}

/* Of few kinds, so that several share a hash; and near each other, so that they stand in each
 * other's way, also round the end of the table. */
static uint64_t draw_hash(struct vclock *dice, uint64_t kinds)
{
    return (vclock_random(dice) % kinds) - kinds / 2;
}

static void come_and_go(struct rl__map *map, struct vclock *dice, uint64_t kinds, uint64_t most)
{
    for (uint64_t step = 0; step < STEPS; step++) {
        struct item *one = &item[vclock_random(dice) % most];
        uint64_t hash = one->node.hash;

        if (one->is_in) {
            rl__map_remove(map, &one->node);
        } else {
            one->node.hash = hash = draw_hash(dice, kinds);
            rl__map_add(map, &one->node);
        }
        one->is_in = !one->is_in;
        if (step % 16 == 0) {
            expect_all_of(map, hash);
            expect_all_of(map, draw_hash(dice, kinds));
        }
    }
}

static void take_all_out(struct rl__map *map)
{
    for (size_t i = 0; i < NODES; i++) {
        if (item[i].is_in)
            rl__map_remove(map, &item[i].node);
        item[i].is_in = 0;
    }
    assert_int_equal(map->count, 0);
    assert_int_equal(map->used, 0);
    assert_null(map->few);
}

static void begin(struct failing_alloc *memory, struct rl__env *env, struct rl__map *map)
{
    rl_hooks hooks = failing_alloc_hooks(memory);

    memset(item, 0, sizeof item);
    assert_int_equal(rl__env_init(env, &hooks), RL_OK);
    rl__map_init(map, env);
}

static void agrees_with_a_plain_search(void **ctx)
{
    static const struct {
        uint64_t kinds, most;
    } row[] = { { 3, 8 }, { 40, NODES }, { 300, NODES }, { 100000, NODES } };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct failing_alloc memory = { .clock = { .random = 3 + i } };
        struct rl__env env;
        struct rl__map map;

        begin(&memory, &env, &map);
        come_and_go(&map, &memory.clock, row[i].kinds, row[i].most);
        take_all_out(&map);
        rl__map_deinit(&map);
        assert_int_equal(memory.alive, 0);
    }
}

struct drought {
    struct vclock dice; /* first: the clock's hooks get the same `user` */
    uint64_t requests, begin, end;
};

static void *resize_in_drought(void *user, void *ptr, size_t size)
{
    struct drought *drought = user;

    if (size == 0) {
        free(ptr);
        return NULL;
    }
    drought->requests++;
    return drought->requests >= drought->begin && drought->requests < drought->end
               ? NULL
               : realloc(ptr, size);
}

/* From whichever request on, and for however long: all are found, and with memory again all find
 * their slots. */
static void without_memory_all_are_found(void **ctx)
{
    static const uint64_t length[] = { 1, 100, UINT64_MAX / 2 };

    (void)ctx;
    for (uint64_t i = 0; i < 18; i++) {
        struct drought drought = { .dice = { .random = i + 1 }, .begin = 1 + i / 3 };
        rl_hooks hooks = vclock_hooks(&drought.dice);
        struct rl__env env;
        struct rl__map map;

        memset(item, 0, sizeof item);
        drought.end = drought.begin + length[i % 3];
        hooks.user = &drought;
        hooks.resize = resize_in_drought;
        assert_int_equal(rl__env_init(&env, &hooks), RL_OK);
        rl__map_init(&map, &env);
        come_and_go(&map, &drought.dice, 1000, NODES);
        assert_true(drought.requests > drought.begin);
        assert_int_equal(map.few != NULL, drought.requests < drought.end);
        take_all_out(&map);
        rl__map_deinit(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_plain_search),
        cmocka_unit_test(without_memory_all_are_found),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
