/* SPDX-License-Identifier: MIT */
/* The choice among routes, case by case. */
#include "flow/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW  (UINT64_C(100) * RL_SECOND)
#define STAY RL_SECOND
#define MOST 4

static struct rl__route_rules the_rules(void)
{
    return (struct rl__route_rules){ .now = NOW, .stay = STAY, .again = NOW };
}

/* A chain of single routes: `start` in ms from now; UINT64_MAX: not known. */
struct row {
    size_t count;
    uint64_t start[MOST];
    int tried[MOST], out[MOST];
    uint64_t again;
    size_t want;
    uint64_t want_start;
    uint32_t want_reason;
};

static size_t lay(const struct row *row, struct rl__route_candidate *candidate)
{
    for (size_t i = 0; i < row->count; i++)
        candidate[i] = (struct rl__route_candidate){
            .start = row->start[i] == UINT64_MAX ? RL_NEVER : NOW + row->start[i] * RL_MILLISECOND,
            .rank = i,
            .weight = 1,
            .id = i,
            .tried = row->tried[i],
            .out = row->out[i]
        };
    return row->count;
}

static void a_chain_is_followed_by_earliest_start(void **state)
{
    static const struct row rows[] = {
        /* the first, while it can start within a second */
        { 3, { 0, 0, 0 }, { 0 }, { 0 }, 0, 0, 0, RL_ROUTE_FIRST },
        { 3, { 1000, 0, 0 }, { 0 }, { 0 }, 0, 0, 1000, RL_ROUTE_FIRST },
        { 3, { 1001, 0, 0 }, { 0 }, { 0 }, 0, 1, 0, RL_ROUTE_EARLIEST },
        { 3, { 9000, 800, 700 }, { 0 }, { 0 }, 0, 2, 700, RL_ROUTE_EARLIEST },
        { 3, { 5000, 6000, 7000 }, { 0 }, { 0 }, 0, 0, 5000, RL_ROUTE_EARLIEST },
        { 3, { 5000, 5000, 5000 }, { 0 }, { 0 }, 0, 0, 5000, RL_ROUTE_EARLIEST },
        { 2, { UINT64_MAX, 3600000 }, { 0 }, { 0 }, 0, 1, 3600000, RL_ROUTE_EARLIEST },
        { 2, { UINT64_MAX, UINT64_MAX }, { 0 }, { 0 }, 0, 0, UINT64_MAX, RL_ROUTE_EARLIEST },
        /* who can never serve it is passed over */
        { 2, { 0, 0 }, { 0 }, { 1, 0 }, 0, 1, 0, RL_ROUTE_FIRST },
        /* after a failure the next at once; it may be waited for, too */
        { 3, { 0, 0, 0 }, { 1, 0, 0 }, { 0 }, 2000, 1, 0, RL_ROUTE_NEXT },
        { 3, { 0, 1000, 0 }, { 1, 0, 0 }, { 0 }, 2000, 1, 1000, RL_ROUTE_NEXT },
        { 3, { 0, 1500, 0 }, { 1, 0, 0 }, { 0 }, 2000, 2, 0, RL_ROUTE_NEXT },
        { 3, { 0, 9000, 0 }, { 1, 0, 1 }, { 0 }, 9500, 1, 9000, RL_ROUTE_NEXT },
        /* unless the first may be tried again before */
        { 3, { 0, 9000, 0 }, { 1, 0, 0 }, { 0, 0, 1 }, 2000, 0, 2000, RL_ROUTE_AGAIN },
        { 2, { 0, UINT64_MAX }, { 1, 0 }, { 0 }, 2000, 0, 2000, RL_ROUTE_AGAIN },
        /* a round is over when all have been tried */
        { 2, { 0, 0 }, { 1, 1 }, { 0 }, 500, 0, 500, RL_ROUTE_AGAIN },
        { 2, { 4000, 0 }, { 1, 1 }, { 0 }, 500, 1, 500, RL_ROUTE_AGAIN },
    };
    struct rl__route_candidate candidate[MOST];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rl__route_rules rules = the_rules();
        struct rl__route_choice choice;
        rl_time want =
            rows[i].want_start == UINT64_MAX ? RL_NEVER : NOW + rows[i].want_start * RL_MILLISECOND;

        rules.again = NOW + rows[i].again * RL_MILLISECOND;
        assert_int_equal(rl__route_choose(candidate, lay(&rows[i], candidate), &rules, &choice), 1);
        if (choice.index != rows[i].want || choice.start != want ||
            choice.reason != rows[i].want_reason ||
            choice.is_new_round != (choice.reason == RL_ROUTE_AGAIN)) {
            print_error("row %zu: route %zu, reason %u\n", i, choice.index,
                        (unsigned)choice.reason);
            fail();
        }
    }
}

static void without_anybody_there_is_no_choice(void **state)
{
    struct rl__route_candidate candidate[2] = { { .weight = 1, .out = 1 },
                                                { .weight = 1, .out = 1, .tried = 1 } };
    struct rl__route_rules rules = the_rules();
    struct rl__route_choice choice = { 7, 8, 9, 1, 5 };

    (void)state;
    assert_int_equal(rl__route_choose(candidate, 0, &rules, &choice), 0);
    assert_int_equal(rl__route_choose(candidate, 2, &rules, &choice), 0);
    assert_int_equal(choice.index, 7);
    assert_int_equal(choice.reason, 9);
}

static void says_when_the_first_could_start(void **state)
{
    struct rl__route_candidate candidate[2] = { { .weight = 1, .start = NOW + RL_MINUTE },
                                                { .weight = 1, .rank = 1 } };
    struct rl__route_rules rules = the_rules();
    struct rl__route_choice choice;

    (void)state;
    assert_int_equal(rl__route_choose(candidate, 2, &rules, &choice), 1);
    assert_int_equal(choice.index, 1);
    assert_int_equal(choice.first_start, NOW + RL_MINUTE);
    candidate[0].out = 1;
    assert_int_equal(rl__route_choose(candidate, 2, &rules, &choice), 1);
    assert_int_equal(choice.first_start, RL_NEVER);
}

/* Keys of one provider. */
static void lay_keys(struct rl__route_candidate *candidate, const uint64_t *weight, size_t count)
{
    for (size_t i = 0; i < count; i++)
        candidate[i] =
            (struct rl__route_candidate){ .start = NOW, .weight = weight[i], .id = 1000 + i };
}

static void keys_share_by_weight(void **state)
{
    static const uint64_t weight[] = { 3, 1 };
    struct rl__route_candidate candidate[2];
    struct rl__route_rules rules = the_rules();
    struct rl__route_choice choice;
    uint64_t seen[2] = { 0 };

    (void)state;
    lay_keys(candidate, weight, 2);
    for (uint64_t n = 1; n <= 10000; n++) {
        rules.draw = rl__route_draw(n);
        assert_int_equal(rl__route_choose(candidate, 2, &rules, &choice), 1);
        assert_int_equal(choice.reason, RL_ROUTE_WEIGHT);
        seen[choice.index]++;
    }
    assert_in_range(seen[0], 7495, 7505);
}

static void a_key_that_must_wait_is_not_waited_for(void **state)
{
    static const uint64_t weight[] = { 1000, 1 };
    struct rl__route_candidate candidate[2];
    struct rl__route_rules rules = the_rules();
    struct rl__route_choice choice;

    (void)state;
    lay_keys(candidate, weight, 2);
    candidate[0].start = NOW + 1;
    assert_int_equal(rl__route_choose(candidate, 2, &rules, &choice), 1);
    assert_int_equal(choice.index, 1);
    assert_int_equal(choice.reason, RL_ROUTE_FIRST);
}

static void a_conversation_stays_at_home_while_that_starts_soon(void **state)
{
    static const uint64_t weight[] = { 1, 1, 1 };
    struct rl__route_candidate candidate[3];
    struct rl__route_rules rules = the_rules();
    struct rl__route_choice choice;
    size_t home;

    (void)state;
    lay_keys(candidate, weight, 3);
    rules.affinity = 4711;
    assert_int_equal(rl__route_choose(candidate, 3, &rules, &choice), 1);
    assert_int_equal(choice.reason, RL_ROUTE_AFFINITY);
    home = choice.index;
    candidate[home].start = NOW + STAY;
    assert_int_equal(rl__route_choose(candidate, 3, &rules, &choice), 1);
    assert_int_equal(choice.index, home);
    assert_int_equal(choice.start, NOW + STAY);
    candidate[home].start++;
    assert_int_equal(rl__route_choose(candidate, 3, &rules, &choice), 1);
    assert_int_not_equal(choice.index, home);
    assert_int_equal(choice.reason, RL_ROUTE_WEIGHT);
}

static void each_reason_has_a_name(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= RL_ROUTE_AGAIN; i++)
        assert_string_not_equal(rl_route_reason_name(i), "?");
    assert_string_equal(rl_route_reason_name(RL_ROUTE_AGAIN), "again");
    assert_string_equal(rl_route_reason_name(RL_ROUTE_AGAIN + 1), "?");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_is_followed_by_earliest_start),
        cmocka_unit_test(without_anybody_there_is_no_choice),
        cmocka_unit_test(says_when_the_first_could_start),
        cmocka_unit_test(keys_share_by_weight),
        cmocka_unit_test(a_key_that_must_wait_is_not_waited_for),
        cmocka_unit_test(a_conversation_stays_at_home_while_that_starts_soon),
        cmocka_unit_test(each_reason_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
