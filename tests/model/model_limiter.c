/* SPDX-License-Identifier: MIT */
/*
 * limiter.c under every interleaving of three threads: whoever takes, gives back or charges while
 * the limit changes, not one unit is lost or spent twice, and nobody waits for ever. The same
 * scenarios find each bug that is planted.
 */
#include "model.h"

#include "limiter/prepared.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW RL_HOUR /* time stands still: all that counts is the order */

static rl_limiter limiter;
static uint64_t taken[MODEL_THREADS];
static rl_level looked[MODEL_THREADS];

/* One tick a nanosecond, and three: a word of one limit is nonsense to the other. */
static rl_limit slow(void)
{
    rl_limit limit = RL_LIMIT_INIT;

    limit.amount = 1;
    limit.period = 1000;
    limit.burst = 3;
    return limit;
}

static rl_limit fast(void)
{
    rl_limit limit = slow();

    limit.amount = 3;
    limit.burst = 5;
    return limit;
}

static void take(int me, uint64_t cost)
{
    taken[me] = rl_limiter_take(&limiter, cost, NOW, NULL) == RL_OK ? cost : 0;
    model_note(taken[me]);
}

static void take_1_first(void)
{
    take(0, 1);
}

static void take_2_first(void)
{
    take(0, 2);
}

static void take_1_second(void)
{
    take(1, 1);
}

static void take_2_second(void)
{
    take(1, 2);
}

static void take_1_third(void)
{
    take(2, 1);
}

static void take_2_third(void)
{
    take(2, 2);
}

static void take_twice(void)
{
    uint64_t first;

    take(1, 1);
    first = taken[1];
    take(1, 1);
    taken[1] += first;
}

static void take_and_give_back(void)
{
    take(1, 2);
    if (taken[1] == 2)
        rl_limiter_give_back(&limiter, 1, NOW);
    model_note(0);
    taken[1] /= 2;
}

static void charge_4(void)
{
    rl_limiter_charge(&limiter, 4, NOW);
    model_note(0);
    taken[2] = 4;
}

static void change(rl_limit limit)
{
    model_note((uint64_t)rl_limiter_change(&limiter, &limit, NOW));
}

static void make_fast(void)
{
    change(fast());
}

static void make_fast_and_slow(void)
{
    change(fast());
    change(slow());
}

/* In two steps: whoever was faster in between, or changed the limit, has it. */
static void take_2_prepared(void)
{
    struct rl__prepared prepared;
    int done = rl__limiter_prepare(&limiter, 2, NOW, &prepared) &&
               rl__limiter_take_prepared(&limiter, &prepared);

    taken[0] = done ? 2 : 0;
    model_note(taken[0]);
}

static void take_and_look_quickly(void)
{
    take(1, 1);
    looked[1].remaining = rl__limiter_remaining(&limiter, NOW);
    model_note((uint64_t)looked[1].remaining);
}

/* Room for one at the pace of slow(); and one is taken. */
static void tighten_and_take(void)
{
    rl_limit tight = slow();

    tight.burst = 1;
    change(tight);
    take(2, 1);
}

static void look(int me)
{
    rl_limiter_snapshot(&limiter, NOW, &looked[me]);
    model_note(looked[me].burst);
    model_note((uint64_t)looked[me].remaining);
}

static void look_second(void)
{
    look(1);
}

static void look_third(void)
{
    look(2);
}

static uint64_t sum(void)
{
    return taken[0] + taken[1] + taken[2];
}

static int is_settled(void)
{
    return limiter.revision % 2 == 0 && limiter.word[0] != UINT64_MAX;
}

/* What is gone from the limiter is what the threads have. */
static int adds_up(void)
{
    rl_level level;

    rl_limiter_snapshot(&limiter, NOW, &level);
    return is_settled() && level.remaining + (int64_t)sum() == (int64_t)level.burst;
}

static int is_used_up(void)
{
    return adds_up() && sum() == 3;
}

static int is_within_budget(void)
{
    return adds_up() && sum() <= 3;
}

/* There is enough before and after: a change is no reason to refuse. */
static int is_all_granted(void)
{
    return adds_up() && taken[0] == 1 && taken[1] == 1;
}

/* If two came first, there is none left for who tightens the limit; if not, two are too many. */
static int is_in_order(void)
{
    return adds_up() && !(taken[0] == 2 && taken[2] == 1);
}

/* One is taken, perhaps two, of three or of five. */
static int is_less_by_one(void)
{
    return adds_up() && looked[1].remaining >= 1 && looked[1].remaining <= 4;
}

static int is_seen_whole(void)
{
    const rl_level *level = looked[1].limit != 0 ? &looked[1] : &looked[2];

    return adds_up() && level->burst == (level->limit == 1 ? 3 : 5) && level->remaining >= 0 &&
           level->remaining <= (int64_t)level->burst;
}

/* A counter in two words, the second the double of the first. */
static rl_status pair_prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    (void)why;
    plan->word[0] = limit->amount;
    plan->word[1] = limit->period;
    plan->word[2] = limit->burst;
    return RL_OK;
}

static void pair_set(uint64_t *word, uint64_t used)
{
    word[0] = used;
    word[1] = 2 * used;
}

static void pair_start(const rl_plan *plan, uint64_t *word, rl_time now)
{
    (void)plan;
    (void)now;
    pair_set(word, 0);
}

static rl_status pair_take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                           rl_time *retry_at)
{
    if (word[1] != 2 * word[0])
        return RL_E_TOO_LARGE;
    if (word[0] + cost > plan->word[2]) {
        *retry_at = now + plan->word[1];
        return RL_WAIT;
    }
    pair_set(word, word[0] + cost);
    return RL_OK;
}

static void pair_give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    (void)plan;
    (void)now;
    pair_set(word, word[0] - amount);
}

static void pair_charge(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    (void)plan;
    (void)now;
    pair_set(word, word[0] + amount);
}

static void pair_set_level(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at)
{
    (void)at;
    pair_set(word, plan->word[2] - (uint64_t)level);
}

static void pair_snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level)
{
    (void)now;
    level->limit = plan->word[0];
    level->burst = plan->word[2];
    level->remaining = word[1] == 2 * word[0] ? (int64_t)(plan->word[2] - word[0]) : INT64_MIN;
}

static void pair_carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    (void)before;
    (void)after;
    (void)word;
    (void)now;
}

static const rl_algorithm pair = {
    .size = sizeof(rl_algorithm),
    .name = "pair",
    .words = 2,
    .prepare = pair_prepare,
    .start = pair_start,
    .take = pair_take,
    .give_back = pair_give_back,
    .charge = pair_charge,
    .set_level = pair_set_level,
    .snapshot = pair_snapshot,
    .carry = pair_carry,
};

struct scenario {
    const char *name;
    const rl_algorithm *algorithm;
    void (*thread[MODEL_THREADS])(void);
    int (*is_right)(void);
    int in_pieces; /* see joins() */
};

static const struct scenario scenario[] = {
    { "three takers of one each",
      NULL,
      { take_1_first, take_1_second, take_1_third },
      is_used_up,
      0 },
    { "more than there is", NULL, { take_1_first, take_twice, take_1_third }, is_used_up, 0 },
    { "weights", NULL, { take_1_first, take_2_second, take_2_third }, is_within_budget, 0 },
    { "give back", NULL, { take_1_first, take_and_give_back, take_1_third }, is_within_budget, 0 },
    { "charge", NULL, { take_1_first, take_1_second, charge_4 }, adds_up, 0 },
    { "a change", NULL, { take_2_first, take_1_second, make_fast }, adds_up, 0 },
    { "two changes", NULL, { take_2_first, take_and_give_back, make_fast_and_slow }, adds_up, 1 },
    { "two who change", NULL, { take_1_first, make_fast, make_fast_and_slow }, adds_up, 1 },
    { "charge and change", NULL, { make_fast, take_1_second, charge_4 }, adds_up, 0 },
    { "nobody is refused", NULL, { take_1_first, take_1_second, make_fast }, is_all_granted, 0 },
    { "before or after", NULL, { take_2_first, NULL, tighten_and_take }, is_in_order, 0 },
    { "prepared", NULL, { take_2_prepared, NULL, tighten_and_take }, is_in_order, 0 },
    { "prepared, and takers", NULL, { take_2_prepared, take_1_second, take_1_third }, adds_up, 0 },
    { "short look and change",
      NULL,
      { take_1_first, take_and_look_quickly, make_fast },
      is_less_by_one,
      0 },
    { "look and change", NULL, { take_1_first, look_second, make_fast }, is_seen_whole, 0 },
    { "pair: takers", &pair, { take_1_first, take_twice, take_1_third }, is_used_up, 1 },
    { "pair: give back", &pair, { take_1_first, take_and_give_back, charge_4 }, adds_up, 1 },
    { "pair: a change", &pair, { take_2_first, take_1_second, make_fast }, adds_up, 1 },
    { "pair: look", &pair, { take_1_first, make_fast, look_third }, is_seen_whole, 1 },
};
#define SCENARIOS (sizeof scenario / sizeof scenario[0])

static int never_joins(const uint64_t *word)
{
    (void)word;
    return 0;
}

/* Where there would be too many states, the eight words of a plan are read and written in three
 * pieces. */
static int joins(const uint64_t *word)
{
    const uint64_t *plan = limiter.plan.word;

    return word >= plan && word < plan + RL_PLAN_WORDS && word != plan + 2 && word != plan + 5;
}

static uint64_t explore(const struct scenario *s, enum model_bug bug)
{
    rl_limit limit = slow();
    struct model model = {
        .shared = &limiter.revision,
        .words = (sizeof limiter - offsetof(rl_limiter, revision)) / sizeof(uint64_t),
        .joins = s->in_pieces ? joins : never_joins,
        .revision = &limiter.revision,
        .is_right = s->is_right,
        .bug = bug,
    };

    memcpy(model.thread, s->thread, sizeof model.thread);
    memset(taken, 0, sizeof taken);
    memset(looked, 0, sizeof looked);
    if (s->algorithm != NULL)
        assert_int_equal(rl_limiter_init_with(&limiter, s->algorithm, &limit, NOW), RL_OK);
    else
        assert_int_equal(rl_limiter_init(&limiter, &limit, NOW), RL_OK);
    return model_explore(&model);
}

static void nothing_goes_wrong_in_any_order(void **ctx)
{
    (void)ctx;
    for (size_t i = 0; i < SCENARIOS; i++) {
        uint64_t states = explore(&scenario[i], MODEL_SOUND);

        print_message("%-26s %8" PRIu64 " states\n", scenario[i].name, states);
        assert_true(states > 0);
    }
}

static void every_planted_bug_is_found(void **ctx)
{
    (void)ctx;
    for (int bug = MODEL_EXCHANGE_WITHOUT_LOOKING; bug <= MODEL_NO_LOCK; bug++) {
        int found = 0;

        for (size_t i = 0; i < SCENARIOS; i++)
            found += explore(&scenario[i], (enum model_bug)bug) == 0;
        print_message("bug %d: found by %d of %zu scenarios\n", bug, found, SCENARIOS);
        assert_true(found > 0);
    }
}

/* With any argument only the first: tests/mutants.sh plants its own bugs. */
int main(int count, char **argument)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes_wrong_in_any_order),
        cmocka_unit_test(every_planted_bug_is_found),
    };
    const struct CMUnitTest first[] = { tests[0] };

    (void)argument;
    if (count > 1)
        return cmocka_run_group_tests_name("model_limiter", first, NULL, NULL);
    return cmocka_run_group_tests_name("model_limiter", tests, NULL, NULL);
}
