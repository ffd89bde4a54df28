/* SPDX-License-Identifier: MIT */
/* The framework: checks, user algorithms of one and of two words, changes while others take. */
#include "base/atomic.h"
#include "limiter/prepared.h"

#include <llmrl/limiter.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static rl_limit per_minute(uint64_t amount, uint64_t burst)
{
    rl_limit limit = RL_LIMIT_INIT;

    limit.amount = amount;
    limit.period = RL_MINUTE;
    limit.burst = burst;
    return limit;
}

static void a_wrong_limit_is_named(void **ctx)
{
    static const struct {
        uint64_t amount, period, burst, oversize;
        const char *algorithm, *why;
        rl_status want;
    } row[] = {
        { 1, 1, 0, 0, NULL, "", RL_OK },
        { 1, 1, 0, 1, "token_bucket", "", RL_OK },
        { RL_AMOUNT_MAX, RL_DAY * 3653, RL_AMOUNT_MAX, 0, NULL, "", RL_OK },
        { RL_AMOUNT_MAX + 1, RL_DAY, 0, 0, NULL, "amount is more than 2^53", RL_E_INVALID },
        { 1, RL_DAY, RL_AMOUNT_MAX + 1, 0, NULL, "burst is more than 2^53", RL_E_INVALID },
        { 1, 0, 0, 0, NULL, "period is 0", RL_E_INVALID },
        { 1, RL_DAY * 3653 + 1, 0, 0, NULL, "period is longer than ten years", RL_E_INVALID },
        { 1, 1, 0, 2, NULL, "oversize is neither RL_OVERSIZE_REFUSE nor RL_OVERSIZE_BORROW",
          RL_E_INVALID },
        { 33, 1, 0, 0, NULL, "amount is more than 32 units per nanosecond of the period",
          RL_E_INVALID },
        { 1, 1, 0, 0, "tokens", "there is no algorithm of that name", RL_E_NOT_FOUND },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_limit limit = RL_LIMIT_INIT;
        rl_limiter limiter, untouched;
        const char *why = NULL;

        memset(&limiter, 0x5a, sizeof limiter);
        untouched = limiter;
        limit.amount = row[i].amount;
        limit.period = row[i].period;
        limit.burst = row[i].burst;
        limit.oversize = row[i].oversize;
        limit.algorithm = row[i].algorithm;
        assert_int_equal(rl_limit_check(&limit, &why), row[i].want);
        assert_string_equal(why, row[i].why);
        assert_int_equal(rl_limit_check(&limit, NULL), row[i].want);
        assert_int_equal(rl_limiter_init(&limiter, &limit, 5), row[i].want);
        if (row[i].want != RL_OK)
            assert_memory_equal(&limiter, &untouched, sizeof limiter);
    }
}

static void wrong_arguments_are_refused(void **ctx)
{
    rl_limiter limiter, zero = { 0 };
    rl_limit limit = per_minute(60, 0), other = limit;
    struct {
        rl_limit known;
        uint64_t unknown;
    } newer = { .known = limit, .unknown = 1 };
    rl_time retry_at = 1;
    rl_level level;

    (void)ctx;
    newer.known.size = sizeof newer;
    limit.size = 0;
    assert_int_equal(rl_limiter_init(&limiter, &limit, 0), RL_E_INVALID);
    assert_int_equal(rl_limiter_init(&limiter, NULL, 0), RL_E_INVALID);
    assert_int_equal(rl_limiter_init(NULL, &other, 0), RL_E_INVALID);
    assert_int_equal(rl_limiter_init(&limiter, &newer.known, 0), RL_E_TOO_NEW);
    assert_int_equal(rl_limit_check(NULL, NULL), RL_E_INVALID);
    assert_int_equal(rl_limiter_init(&limiter, &other, 0), RL_OK);
    other.algorithm = "fixed_window";
    assert_int_equal(rl_limiter_change(&limiter, &other, 0), RL_E_INVALID);
    assert_int_equal(rl_limiter_change(&limiter, &newer.known, 0), RL_E_TOO_NEW);
    assert_int_equal(rl_limiter_change(&zero, &newer.known, 0), RL_E_INVALID);
    assert_int_equal(rl_limiter_take(&zero, 1, 0, &retry_at), RL_E_INVALID);
    assert_true(retry_at == RL_NEVER);
    assert_int_equal(rl_limiter_take(NULL, 1, 0, NULL), RL_E_INVALID);
    rl_limiter_charge(&zero, 1, 0);
    rl_limiter_snapshot(&zero, 0, &level);
    assert_int_equal(level.burst, 0);
    rl_limiter_snapshot(&limiter, 0, NULL);
}

/* A counter that never refills, one word: what is used. */
static rl_status count_prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    if (limit->amount == 13) {
        *why = "thirteen is bad luck";
        return RL_E_INVALID;
    }
    plan->word[0] = plan->word[2] = limit->amount;
    plan->word[1] = limit->period;
    return RL_OK;
}

static void count_start(const rl_plan *plan, uint64_t *word, rl_time now)
{
    (void)plan;
    word[0] = 0;
    word[1] = now;
}

static rl_status count_take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                            rl_time *retry_at)
{
    if (word[0] + cost > plan->word[2]) {
        *retry_at = now + plan->word[1];
        return RL_WAIT;
    }
    word[0] += cost;
    return RL_OK;
}

static void count_give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    (void)plan;
    (void)now;
    word[0] -= amount < word[0] ? amount : word[0];
}

static void count_charge(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    (void)plan;
    (void)now;
    word[0] += amount;
}

static void count_set_level(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at)
{
    (void)at;
    word[0] = plan->word[2] - (uint64_t)level;
}

static void count_snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level)
{
    (void)now;
    level->limit = plan->word[0];
    level->burst = plan->word[2];
    level->remaining = (int64_t)(plan->word[2] - word[0]);
}

static void count_carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    (void)before;
    (void)after;
    (void)word;
    (void)now;
}

static const rl_algorithm count_in_one = {
    .size = sizeof(rl_algorithm),
    .name = "count",
    .words = 1,
    .prepare = count_prepare,
    .start = count_start,
    .take = count_take,
    .give_back = count_give_back,
    .charge = count_charge,
    .set_level = count_set_level,
    .snapshot = count_snapshot,
    .carry = count_carry,
};

/* The same in two words: the second must always be the double of the first (and starts so). */
static void pair_start(const rl_plan *plan, uint64_t *word, rl_time now)
{
    count_start(plan, word, now);
    word[1] = 0;
}

static rl_status pair_take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                           rl_time *retry_at)
{
    rl_status st;

    if (word[1] != 2 * word[0])
        return RL_E_TOO_LARGE; /* seen half-way */
    st = count_take(plan, word, cost, now, retry_at);
    word[1] = 2 * word[0];
    return st;
}

static void pair_snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level)
{
    count_snapshot(plan, word, now, level);
    level->full_in = word[1] - 2 * word[0];
}

static rl_algorithm pair(void)
{
    rl_algorithm algorithm = count_in_one;

    algorithm.name = "pair";
    algorithm.words = 2;
    algorithm.start = pair_start;
    algorithm.take = pair_take;
    algorithm.snapshot = pair_snapshot;
    return algorithm;
}

static void an_algorithm_of_the_users_works_like_ours(void **ctx)
{
    rl_limit limit = per_minute(10, 0);
    rl_limiter limiter;
    rl_level level;
    rl_time retry_at;

    (void)ctx;
    assert_int_equal(rl_limiter_init_with(&limiter, &count_in_one, &limit, 0), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 8, 1, NULL), RL_OK);
    assert_int_equal(rl_limiter_peek(&limiter, 3, 1, &retry_at), RL_WAIT);
    assert_true(retry_at == 1 + RL_MINUTE);
    rl_limiter_give_back(&limiter, 1, 1);
    rl_limiter_charge(&limiter, 5, 1);
    rl_limiter_snapshot(&limiter, 1, &level);
    assert_int_equal(level.remaining, -2);
    limit.amount = 20;
    assert_int_equal(rl_limiter_change(&limiter, &limit, 1), RL_OK); /* no name: the same */
    rl_limiter_snapshot(&limiter, 1, &level);
    assert_int_equal(level.remaining, 8);
    rl_limiter_set_level(&limiter, 20 - INT64_MAX, 1);
    rl_limiter_charge(&limiter, INT64_MAX, 1);
    rl_limiter_charge(&limiter, 1, 1);
    assert_true(limiter.word[0] == UINT64_MAX - 1); /* never the mark of the library */
    limit.amount = 13;
    assert_int_equal(rl_limiter_change(&limiter, &limit, 1), RL_E_INVALID);
    assert_int_equal(limiter.plan.word[0], 20);
    assert_int_equal(limiter.revision, 2); /* of the one change */
    limit.amount = 14;
    limit.algorithm = "token_bucket";
    assert_int_equal(rl_limiter_change(&limiter, &limit, 1), RL_E_INVALID);
    assert_int_equal(rl_limiter_init_with(&limiter, &count_in_one, &limit, 1), RL_E_NOT_FOUND);
}

static void an_incomplete_algorithm_is_refused(void **ctx)
{
    rl_limit limit = per_minute(10, 0);
    rl_algorithm algorithm = pair();
    rl_limiter limiter;

    (void)ctx;
    assert_int_equal(rl_limiter_init_with(&limiter, NULL, &limit, 0), RL_E_INVALID);
    algorithm.words = RL_STATE_WORDS + 1;
    assert_int_equal(rl_limiter_init_with(&limiter, &algorithm, &limit, 0), RL_E_INVALID);
    algorithm.words = 0;
    assert_int_equal(rl_limiter_init_with(&limiter, &algorithm, &limit, 0), RL_E_INVALID);
    algorithm = pair();
    algorithm.size = offsetof(rl_algorithm, carry);
    assert_int_equal(rl_limiter_init_with(&limiter, &algorithm, &limit, 0), RL_E_INVALID);
    algorithm = pair();
    algorithm.carry = NULL;
    assert_int_equal(rl_limiter_init_with(&limiter, &algorithm, &limit, 0), RL_E_INVALID);
}

static void start_at_the_mark(const rl_plan *plan, uint64_t *word, rl_time now)
{
    (void)plan;
    (void)now;
    word[0] = UINT64_MAX;
}

static void carry_to_the_mark(const rl_plan *before, const rl_plan *after, uint64_t *word,
                              rl_time now)
{
    (void)before;
    start_at_the_mark(after, word, now);
}

/* One word that is all ones means "busy" to the library; of two words, each may be. */
static void no_result_is_taken_for_the_mark(void **ctx)
{
    rl_limit limit = per_minute(10, 0);
    rl_algorithm algorithm = count_in_one;
    rl_limiter limiter;

    (void)ctx;
    algorithm.start = start_at_the_mark;
    algorithm.carry = carry_to_the_mark;
    assert_int_equal(rl_limiter_init_with(&limiter, &algorithm, &limit, 0), RL_OK);
    assert_true(limiter.word[0] == UINT64_MAX - 1);
    rl_limiter_set_level(&limiter, 10, 0);
    assert_int_equal(limiter.word[0], 0);
    assert_int_equal(rl_limiter_change(&limiter, &limit, 0), RL_OK);
    assert_true(limiter.word[0] == UINT64_MAX - 1);
    algorithm.words = 2;
    assert_int_equal(rl_limiter_init_with(&limiter, &algorithm, &limit, 0), RL_OK);
    assert_true(limiter.word[0] == UINT64_MAX);
}

static void nothing_is_charged_for_nothing(void **ctx)
{
    rl_limit limit = per_minute(11, 5); /* its ticks are not even: new usage begins later */
    rl_limiter limiter, before;
    uint64_t words[9];

    (void)ctx;
    assert_int_equal(rl_limiter_init(&limiter, &limit, 1000), RL_OK);
    before = limiter;
    rl_limiter_charge(&limiter, 0, 2000);
    rl_limiter_settle(&limiter, 3, 3, 1000, 2000);
    assert_int_equal(rl_limiter_take(&limiter, 0, 2000, NULL), RL_OK);
    assert_memory_equal(&limiter, &before, sizeof limiter);
    assert_int_equal(rl_limiter_init_at(NULL, &limit, words, 9, 0), RL_E_INVALID);
    assert_int_equal(rl_limiter_init_at(&limiter, &limit, NULL, 9, 0), RL_E_INVALID);
    assert_int_equal(rl_limiter_attach(NULL, &limit, words, 9, 0), RL_E_INVALID);
    assert_int_equal(rl_limiter_attach(&limiter, &limit, NULL, 9, 0), RL_E_INVALID);
    assert_memory_equal(&limiter, &before, sizeof limiter);
}

static void algorithms_are_found_by_name(void **ctx)
{
    (void)ctx;
    assert_string_equal(rl_algorithm_find(NULL)->name, "token_bucket");
    assert_ptr_equal(rl_algorithm_find("token_bucket"), rl_algorithm_find(NULL));
    assert_null(rl_algorithm_find(""));
}

static void a_refusal_of_several_words_disturbs_nobody(void **ctx)
{
    rl_limit limit = per_minute(10, 0);
    rl_algorithm algorithm = pair();
    rl_limiter limiter, before;

    (void)ctx;
    assert_int_equal(rl_limiter_init_with(&limiter, &algorithm, &limit, 0), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 4, 1, NULL), RL_OK);
    before = limiter;
    assert_int_equal(rl_limiter_take(&limiter, 7, 1, NULL), RL_WAIT);
    assert_int_equal(rl_limiter_peek(&limiter, 6, 1, NULL), RL_OK);
    assert_memory_equal(&limiter, &before, sizeof limiter);
}

#define THREADS 3
#define CHANGES 300
#define NOW     (1000 * RL_DAY)

struct crowd {
    rl_limiter limiter;
    uint64_t taken, wrong, stop;
};

/* What a thread finds wrong it counts: cmocka's assertions belong to the main thread. */
static void *take_and_look(void *arg)
{
    struct crowd *crowd = arg;
    rl_level level;
    uint64_t mine = 0, wrong = 0;

    for (int i = 0; !rl__load(&crowd->stop); i++) {
        rl_status st = rl_limiter_take(&crowd->limiter, 2, NOW, NULL);

        mine += st == RL_OK ? 2 : 0;
        wrong += st != RL_OK && st != RL_WAIT;
        rl_limiter_snapshot(&crowd->limiter, NOW, &level);
        /* Amount and burst always belong together. */
        wrong += level.burst != level.limit / 2 || level.full_in > 30 * RL_DAY;
        if (i % 4 != 0 && mine > 0) {
            rl_limiter_give_back(&crowd->limiter, 1, NOW);
            mine--;
        }
    }
    (void)rl__fetch_add(&crowd->taken, mine);
    (void)rl__fetch_add(&crowd->wrong, wrong);
    return NULL;
}

/* Time stands still, so at the end the level is the burst less what the threads hold: not a unit
 * lost. Each amount has its own ticks per nanosecond (1, 7, 3, 4, 2, 6): while time stands still,
 * two limits with the same could leave the very same word, which fools a compare-exchange (see
 * limiter.c). */
static void change_while_others_take(struct crowd *crowd)
{
    static const uint64_t amount[] = { 50000, 7000, 90000, 1024000, 512000, 4608000 };
    pthread_t thread[THREADS];
    rl_level level;

    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_and_look, crowd), 0);
    for (size_t i = 0; i < CHANGES; i++) {
        rl_limit limit = per_minute(amount[i % 6], amount[i % 6] / 2);
        assert_int_equal(rl_limiter_change(&crowd->limiter, &limit, NOW), RL_OK);
        (void)sched_yield(); /* only to let the others take in between */
    }
    rl__store(&crowd->stop, 1);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    rl_limiter_snapshot(&crowd->limiter, NOW, &level);
    assert_int_equal(crowd->wrong, 0);
    assert_int_equal(level.remaining, (int64_t)level.burst - (int64_t)crowd->taken);
}

static void a_token_bucket_changes_while_others_take(void **ctx)
{
    static struct crowd crowd;
    rl_limit limit = per_minute(1024000, 512000);

    (void)ctx;
    assert_int_equal(rl_limiter_init(&crowd.limiter, &limit, NOW), RL_OK);
    change_while_others_take(&crowd);
}

static rl_status half_prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    rl_status st = count_prepare(limit, plan, why);

    plan->word[2] = limit->burst;
    return st;
}

static void pair_give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    count_give_back(plan, word, amount, now);
    word[1] = 2 * word[0];
}

static void two_words_change_together(void **ctx)
{
    static struct crowd crowd;
    rl_algorithm algorithm = pair();
    rl_limit limit = per_minute(1024000, 512000);

    (void)ctx;
    algorithm.prepare = half_prepare;
    algorithm.give_back = pair_give_back;
    assert_int_equal(rl_limiter_init_with(&crowd.limiter, &algorithm, &limit, NOW), RL_OK);
    change_while_others_take(&crowd);
    assert_true(crowd.limiter.word[1] == 2 * crowd.limiter.word[0]);
}

static rl_limiter made(const char *algorithm, uint64_t align)
{
    rl_limit limit = per_minute(10, 0);
    rl_limiter limiter;

    limit.algorithm = algorithm;
    limit.align = align;
    assert_int_equal(rl_limiter_init(&limiter, &limit, 0), RL_OK);
    return limiter;
}

/* Whether what was taken at a time would still come back: in a window until that is over, in a
 * bucket for a period. */
static void a_limiter_knows_for_how_long_it_counts(void **ctx)
{
    rl_limiter bucket = made("token_bucket", 0);
    rl_limiter window = made("fixed_window", RL_ALIGN_EPOCH);
    rl_limiter ahead = made("fixed_window", RL_ALIGN_EPOCH), fresh = ahead;

    (void)ctx;
    assert_true(rl__limiter_counts(&bucket, RL_SECOND, RL_MINUTE));
    assert_true(rl__limiter_counts(&bucket, RL_MINUTE, RL_SECOND)); /* the clock stepped back */
    assert_false(rl__limiter_counts(&bucket, RL_SECOND, RL_SECOND + RL_MINUTE));
    assert_true(rl__limiter_counts(&window, RL_MINUTE, 2 * RL_MINUTE - 1));
    assert_false(rl__limiter_counts(&window, RL_MINUTE - 1, RL_MINUTE));
    rl_limiter_set_level(&ahead, 5, 3 * RL_MINUTE); /* it speaks of a window to come */
    assert_true(rl__limiter_counts(&fresh, RL_SECOND, RL_SECOND)); /* and is not taken for this */
    assert_false(rl__limiter_counts(&ahead, RL_SECOND, RL_SECOND));
    assert_true(rl__limiter_counts(&ahead, 3 * RL_MINUTE, 3 * RL_MINUTE));
}

static void *give_one_back(void *limiter)
{
    rl_limiter_settle(limiter, 1, 0, 0, 0);
    return NULL;
}

/* While a limit is being changed, its revision is odd: a settlement that comes then is not lost. */
static void a_settlement_outlasts_a_change(void **ctx)
{
    rl_limit limit = per_minute(60, 60);
    rl_limiter limiter;
    pthread_t thread;
    rl_level level;
    rl_time unused;

    (void)ctx;
    assert_int_equal(rl_limiter_init(&limiter, &limit, 0), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 10, 0, &unused), RL_OK);
    (void)rl__fetch_add(&limiter.revision, 1);
    assert_int_equal(pthread_create(&thread, NULL, give_one_back, &limiter), 0);
    for (int i = 0; i < 100; i++)
        (void)sched_yield();
    (void)rl__fetch_add(&limiter.revision, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    rl_limiter_snapshot(&limiter, 0, &level);
    assert_int_equal(level.remaining, 51);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_settlement_outlasts_a_change),
        cmocka_unit_test(a_limiter_knows_for_how_long_it_counts),
        cmocka_unit_test(a_wrong_limit_is_named),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(an_algorithm_of_the_users_works_like_ours),
        cmocka_unit_test(an_incomplete_algorithm_is_refused),
        cmocka_unit_test(no_result_is_taken_for_the_mark),
        cmocka_unit_test(nothing_is_charged_for_nothing),
        cmocka_unit_test(algorithms_are_found_by_name),
        cmocka_unit_test(a_refusal_of_several_words_disturbs_nobody),
        cmocka_unit_test(a_token_bucket_changes_while_others_take),
        cmocka_unit_test(two_words_change_together),
    };
    return cmocka_run_group_tests_name("limiter", tests, NULL, NULL);
}
