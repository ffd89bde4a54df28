/* SPDX-License-Identifier: MIT */
/*
 * The choice among routes against one that is written down as the rule is said, and the shares that
 * weights and homes give. LLMRL_PROPERTY_STEPS: how many steps (default 10^6); LLMRL_SEED: replays
 * a run.
 */
#include "flow/route.h"
#include "vclock.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST 6

struct run {
    struct vclock dice;
    uint64_t seed, step;
};

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static struct run begin(void)
{
    struct run run = { .seed = number("LLMRL_SEED", 20260101) };

    run.dice.random = run.seed;
    print_message("seed %" PRIu64 "\n", run.seed);
    return run;
}

static uint64_t roll(struct run *run, uint64_t sides)
{
    return vclock_random(&run->dice) % sides;
}

static void law(const struct run *run, int holds, const char *what)
{
    if (holds)
        return;
    print_error("%s: seed %" PRIu64 ", step %" PRIu64 "\n", what, run->seed, run->step);
    fail();
}

/* Few values, so that ties and bounds that are just met are usual. */
static rl_time any_start(struct run *run, rl_time now)
{
    uint64_t which = roll(run, 8);

    return which == 0 ? RL_NEVER : which < 3 ? now - roll(run, 2) : now + roll(run, 6);
}

static size_t any_field(struct run *run, rl_time now, struct rl__route_candidate *candidate)
{
    size_t count = (size_t)roll(run, MOST + 1);
    uint64_t rank = 0;

    for (size_t i = 0; i < count; i++) {
        rank += roll(run, 2);
        candidate[i] = (struct rl__route_candidate){ .start = any_start(run, now),
                                                     .rank = rank,
                                                     .weight = 1 + roll(run, 4),
                                                     .id = vclock_random(&run->dice),
                                                     .tried = roll(run, 3) == 0,
                                                     .out = roll(run, 5) == 0 };
    }
    return count;
}

/* ---- the rule as it is said ---- */

struct said {
    int any, is_new_round;
    int may[MOST]; /* the choice is among these */
    rl_time start;
};

static rl_time start_of(const struct rl__route_candidate *c, const struct rl__route_rules *rules)
{
    rl_time start = c->start < rules->now ? rules->now : c->start;

    return c->tried && start < rules->again ? rules->again : start;
}

/* Of those in `in`: the first rank within `stay`, else whoever is first, the lower rank before. */
static struct said say_among(const struct rl__route_candidate *c, size_t count, const int *in,
                             const struct rl__route_rules *rules)
{
    struct said said = { 0 };
    rl_time soon = rules->now + rules->stay;
    uint64_t first = UINT64_MAX, rank = UINT64_MAX;
    int within = 0;

    said.start = RL_NEVER;
    for (size_t i = 0; i < count; i++)
        if (in[i] && c[i].rank < first)
            first = c[i].rank;
    for (size_t i = 0; i < count; i++)
        within |= in[i] && c[i].rank == first && start_of(&c[i], rules) <= soon;
    for (size_t i = 0; i < count; i++)
        if (in[i] && (!within || c[i].rank == first) && start_of(&c[i], rules) < said.start)
            said.start = start_of(&c[i], rules);
    for (size_t i = 0; i < count; i++)
        if (in[i] && (!within || c[i].rank == first) && start_of(&c[i], rules) == said.start &&
            c[i].rank < rank)
            rank = c[i].rank;
    for (size_t i = 0; i < count; i++) {
        said.may[i] = in[i] && c[i].rank == rank && start_of(&c[i], rules) == said.start;
        said.any |= said.may[i];
    }
    return said;
}

static struct said say(const struct rl__route_candidate *c, size_t count,
                       const struct rl__route_rules *rules)
{
    int untried[MOST], all[MOST];
    struct said said, sooner;

    for (size_t i = 0; i < count; i++) {
        all[i] = !c[i].out;
        untried[i] = !c[i].out && !c[i].tried;
    }
    said = say_among(c, count, untried, rules);
    sooner = say_among(c, count, all, rules);
    for (size_t i = 0; i < count; i++)
        if (said.any && all[i] && start_of(&c[i], rules) < said.start &&
            said.start > rules->now + rules->stay)
            said.any = 0;
    if (said.any)
        return said;
    sooner.is_new_round = 1;
    return sooner;
}

static void the_choice_is_as_the_rule_says(void **state)
{
    struct run run = begin();
    uint64_t steps = number("LLMRL_PROPERTY_STEPS", 1000000);
    uint64_t seen[RL_ROUTE_AGAIN + 1] = { 0 }, none = 0;

    (void)state;
    for (run.step = 0; run.step < steps; run.step++) {
        struct rl__route_candidate candidate[MOST];
        struct rl__route_rules rules = { .now = 1000, .stay = roll(&run, 4) };
        size_t count = any_field(&run, rules.now, candidate);
        struct rl__route_choice choice = { 99, 99, 99, 99, 99 };
        struct said said;

        rules.again = rules.now + roll(&run, 5);
        rules.draw = vclock_random(&run.dice);
        said = say(candidate, count, &rules);
        law(&run, rl__route_choose(candidate, count, &rules, &choice) == said.any,
            "there is a choice if, and only if, somebody may be chosen");
        if (!said.any) {
            none++;
            law(&run, choice.index == 99, "no choice writes nothing");
            continue;
        }
        law(&run, choice.index < count && said.may[choice.index], "one of those that may be");
        law(&run, choice.start == said.start, "it starts as the rule says");
        law(&run, (int)choice.is_new_round == said.is_new_round, "a round ends when it is over");
        seen[choice.reason]++;
        /* With a home: the same, or the home, soon. */
        rules.affinity = 1 + roll(&run, 1000);
        law(&run, rl__route_choose(candidate, count, &rules, &choice), "a home takes no choice");
        law(&run,
            said.may[choice.index] || choice.start <= rules.now + rules.stay ||
                choice.is_new_round != 0,
            "at home it starts soon");
        law(&run, !candidate[choice.index].out, "who is out is out");
        law(&run, !candidate[choice.index].tried || choice.is_new_round, "once in a round");
        seen[choice.reason]++;
    }
    print_message("none %" PRIu64 ", reasons:", none);
    for (size_t i = 0; i <= RL_ROUTE_AGAIN; i++)
        print_message(" %" PRIu64, seen[i]);
    print_message("\n");
    for (size_t i = RL_ROUTE_FIRST; i <= RL_ROUTE_AGAIN; i++)
        assert_true(seen[i] > 0);
    assert_true(none > 0);
}

/* Of requests that follow at any distance, as where several providers share one count. */
static void weights_hold_for_every_stride(void **state)
{
    struct run run = begin();

    (void)state;
    for (run.step = 0; run.step < 200; run.step++) {
        uint64_t stride = 1 + roll(&run, 64), first = roll(&run, 1000000), got = 0;
        uint64_t total, heavy;
        struct rl__route_candidate candidate[2] = { { .weight = 1 + roll(&run, 9), .id = 1 },
                                                    { .weight = 1 + roll(&run, 9), .id = 2 } };
        struct rl__route_rules rules = { .now = 1 };

        total = candidate[0].weight + candidate[1].weight;
        heavy = 10000 * candidate[0].weight / total;
        for (uint64_t n = 0; n < 10000; n++) {
            struct rl__route_choice choice;

            rules.draw = rl__route_draw(first + n * stride);
            (void)rl__route_choose(candidate, 2, &rules, &choice); /* nobody is out */
            got += choice.index == 0;
        }
        law(&run, got + 200 > heavy && got < heavy + 200, "within two percent of the share");
    }
}

#define KEYS  4
#define HOMES 40000

static void lay_keys(struct rl__route_candidate *candidate, const uint64_t *weight, struct run *run)
{
    for (size_t i = 0; i < KEYS; i++)
        candidate[i] =
            (struct rl__route_candidate){ .weight = weight[i], .id = vclock_random(&run->dice) };
}

static size_t home_of(const struct rl__route_candidate *candidate, uint64_t affinity)
{
    struct rl__route_rules rules = { .now = 1, .affinity = affinity };
    struct rl__route_choice choice = { 0 };

    (void)rl__route_choose(candidate, KEYS, &rules, &choice); /* somebody is there */
    return choice.index;
}

/* Homes by weight: a binomial's standard deviation is 100 at most; seven of them. And whoever goes
 * moves nobody but those who were at home there. */
static void homes_are_shared_by_weight_and_stay(void **state)
{
    static const uint64_t weight[KEYS] = { 1, 2, 3, 4 };
    struct run run = begin();
    struct rl__route_candidate candidate[KEYS];
    uint64_t seen[KEYS] = { 0 }, moved = 0;

    (void)state;
    lay_keys(candidate, weight, &run);
    for (run.step = 1; run.step <= HOMES; run.step++) {
        uint64_t affinity = vclock_random(&run.dice) | 1;
        size_t home = home_of(candidate, affinity), after;

        seen[home]++;
        candidate[1].out = 1;
        after = home_of(candidate, affinity);
        candidate[1].out = 0;
        law(&run, home == 1 || after == home, "who was elsewhere stays");
        moved += after != home;
    }
    for (size_t i = 0; i < KEYS; i++)
        law(&run, seen[i] + 700 > HOMES / 10 * weight[i] && seen[i] < HOMES / 10 * weight[i] + 700,
            "homes by weight");
    assert_int_equal(moved, seen[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_choice_is_as_the_rule_says),
        cmocka_unit_test(weights_hold_for_every_stride),
        cmocka_unit_test(homes_are_shared_by_weight_and_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
