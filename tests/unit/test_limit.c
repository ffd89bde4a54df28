/* SPDX-License-Identifier: MIT */
/* From a limit to a plan: who is asked, what is refused and why, and what a change must keep. */
#include "limiter/limiter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static rl_limit limit_of(const char *algorithm, uint64_t amount, rl_duration period)
{
    rl_limit limit = RL_LIMIT_INIT;

    limit.algorithm = algorithm;
    limit.amount = amount;
    limit.period = period;
    return limit;
}

static const char *why_not(const rl_limit *limit, rl_status want)
{
    const char *why = NULL;

    assert_int_equal(rl_limit_check(limit, &why), want);
    assert_non_null(why);
    return why;
}

/* ---- algorithms of one's own ---- */

/* Refuses without a word, unless the amount is 1; and looks whether its plan came zeroed. */
static rl_status prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    (void)why;
    for (size_t i = 0; i < RL_PLAN_WORDS; i++)
        assert_int_equal(plan->word[i], 0);
    return limit->amount == 1 ? RL_OK : RL_E_INVALID;
}

static rl_algorithm own(const char *name)
{
    rl_algorithm algorithm = *rl_algorithm_find("concurrency");

    algorithm.name = name;
    algorithm.prepare = prepare;
    return algorithm;
}

static void ones_own_are_found_first(void **ctx)
{
    rl_algorithm a = own("a"), b = own("b"), nameless = own(NULL), ours = own("token_bucket");
    const rl_algorithm *const list[] = { &a, &nameless, &b, &ours, NULL };
    rl_limit limit = limit_of("b", 1, RL_SECOND);
    rl_limiter limiter;

    (void)ctx;
    assert_string_equal(why_not(&limit, RL_E_NOT_FOUND), "there is no algorithm of that name");
    limit.algorithms = list;
    assert_int_equal(rl_limiter_init(&limiter, &limit, 0), RL_OK);
    assert_ptr_equal(limiter.algorithm, &b);
    limit.algorithm = "token_bucket";
    assert_int_equal(rl_limiter_init(&limiter, &limit, 0), RL_OK);
    assert_ptr_equal(limiter.algorithm, &ours);
    limit.algorithm = NULL;
    assert_int_equal(rl_limiter_init(&limiter, &limit, 0), RL_OK);
    assert_ptr_equal(limiter.algorithm, rl_algorithm_find(NULL));
    limit.algorithm = "fixed_window";
    assert_int_equal(rl_limiter_init(&limiter, &limit, 0), RL_OK);
    assert_ptr_equal(limiter.algorithm, rl_algorithm_find("fixed_window"));
    limit.algorithm = "c";
    assert_string_equal(why_not(&limit, RL_E_NOT_FOUND), "there is no algorithm of that name");
    limit = limit_of("a", 2, RL_SECOND);
    limit.algorithms = list;
    assert_string_equal(why_not(&limit, RL_E_INVALID), "the algorithm refuses this limit");
}

static void only_what_may_be_left_out_is(void **ctx)
{
    static const char why[] = "the algorithm lacks a member, or has one out of range";
    rl_algorithm a = own("a");
    const rl_algorithm *const list[] = { &a, NULL };
    rl_limit limit = limit_of("a", 1, RL_SECOND);

    (void)ctx;
    limit.algorithms = list;
    a.size = offsetof(rl_algorithm, settle); /* that of an older header */
    assert_string_equal(why_not(&limit, RL_OK), "");
    a.size--;
    assert_string_equal(why_not(&limit, RL_E_INVALID), why);
#define WITHOUT(member) (a = own("a"), a.member = NULL, why_not(&limit, RL_E_INVALID))
    assert_string_equal(WITHOUT(prepare), why);
    assert_string_equal(WITHOUT(start), why);
    assert_string_equal(WITHOUT(take), why);
    assert_string_equal(WITHOUT(give_back), why);
    assert_string_equal(WITHOUT(charge), why);
    assert_string_equal(WITHOUT(set_level), why);
    assert_string_equal(WITHOUT(snapshot), why);
    assert_string_equal(WITHOUT(carry), why);
    a = own("a");
    a.plan_words = RL_PLAN_WORDS;
    assert_string_equal(why_not(&limit, RL_OK), "");
    a.plan_words++;
    assert_string_equal(why_not(&limit, RL_E_INVALID), why);
}

/* ---- numbers ---- */

static void the_last_number_in_range_is_in_range(void **ctx)
{
    rl_limit limit = limit_of(NULL, 5, RL_DAY);
    size_t words = 7;

    (void)ctx;
    limit.start = RL_AMOUNT_MAX;
    assert_string_equal(why_not(&limit, RL_OK), "");
    limit.start = RL_START_EMPTY;
    assert_string_equal(why_not(&limit, RL_OK), "");
    limit.start++;
    limit.carry = RL_CARRY_SHARE;
    assert_string_equal(why_not(&limit, RL_OK), "");
    limit.bookings = (RL_STATE_WORDS_MAX - 1) / 2; /* and one word */
    assert_string_equal(why_not(&limit, RL_OK), "");
    limit.bookings++;
    assert_string_equal(why_not(&limit, RL_E_INVALID),
                        "the state is more than RL_STATE_WORDS_MAX words");
    limit.bookings = RL_STATE_WORDS_MAX / 2 + 1;
    assert_string_equal(why_not(&limit, RL_E_INVALID),
                        "bookings are more than a state has room for");
    assert_int_equal(rl_limit_words(&limit, &words), RL_E_INVALID);
    assert_int_equal(words, 0);
    assert_int_equal(rl_limit_words(&limit, NULL), RL_E_INVALID);
    limit = limit_of("sliding_counter", 5, RL_DAY);
    limit.parts = RL_STATE_WORDS_MAX - 2; /* all the words that there may be */
    assert_int_equal(rl_limit_words(&limit, &words), RL_OK);
    assert_int_equal(words, 1 + 2 * RL_STATE_WORDS_MAX);
}

static void what_is_no_limit_is_named(void **ctx)
{
    rl_limit limit = limit_of(NULL, 5, RL_DAY);

    (void)ctx;
    assert_string_equal(why_not(NULL, RL_E_INVALID), "limit is NULL");
    limit = limit_of(NULL, 33, 1);
    assert_string_equal(why_not(&limit, RL_E_INVALID),
                        "amount is more than 32 units per nanosecond of the period");
    limit.size = 0;
    assert_string_equal(why_not(&limit, RL_E_INVALID), "limit.size is not what RL_LIMIT_INIT sets");
    for (int i = 0; i < 2; i++) {
        limit = limit_of(NULL, 5, RL_DAY);
        limit.private_[i] = 1;
        assert_string_equal(why_not(&limit, RL_E_TOO_NEW), "limit.private_ is not 0");
    }
}

/* ---- changes ---- */

static void a_change_keeps_the_shape_of_the_state(void **ctx)
{
    rl_limit limit = limit_of("sliding_counter", 5, RL_DAY), other;
    uint64_t words[80];
    rl_limiter limiter;
    const char *why;
    struct rl__made made;

    (void)ctx;
    limit.parts = 4;
    limit.bookings = 2;
    assert_int_equal(rl_limiter_init_at(&limiter, &limit, words, 80, 0), RL_OK);
    other = limit;
    other.parts = 5;
    assert_int_equal(rl_limiter_change(&limiter, &other, 0), RL_E_INVALID);
    assert_int_equal(rl__limit_make(&made, &other, limiter.algorithm, &limiter, 0, &why),
                     RL_E_INVALID);
    assert_string_equal(why, "the state would need another number of words");
    other = limit;
    other.bookings = 1;
    assert_int_equal(rl_limiter_change(&limiter, &other, 0), RL_E_INVALID);
    assert_int_equal(rl__limit_make(&made, &other, limiter.algorithm, &limiter, 0, &why),
                     RL_E_INVALID);
    assert_string_equal(why, "bookings cannot be changed");
    other = limit;
    other.amount = RL_AMOUNT_MAX + 1;
    assert_int_equal(rl_limiter_change(&limiter, &other, 0), RL_E_INVALID);
    assert_int_equal(limiter.plan.word[0], 5);
    other.amount = 6;
    assert_int_equal(rl_limiter_change(&limiter, &other, 0), RL_OK);
    assert_int_equal(limiter.plan.word[0], 6);
}

/* What began with two words goes on with two, and what began with one cannot have more. */
static void a_fixed_window_keeps_its_words(void **ctx)
{
    rl_limit small = limit_of("fixed_window", 5, RL_DAY), large = small;
    rl_limiter one, two;
    struct rl__made made;
    rl_level level;
    const char *why;
    size_t words;

    (void)ctx;
    large.amount = RL_AMOUNT_MAX;
    assert_int_equal(rl_limiter_init(&one, &small, RL_DAY), RL_OK);
    assert_int_equal(rl_limiter_init(&two, &large, RL_DAY), RL_OK);
    assert_true(one.words == 1 && two.words == 2);
    assert_int_equal(rl_limiter_take(&two, 3, RL_DAY, NULL), RL_OK);
    assert_int_equal(rl_limiter_change(&two, &small, RL_DAY), RL_OK);
    rl_limiter_snapshot(&two, RL_DAY, &level);
    assert_int_equal(level.remaining, 2);
    assert_int_equal(rl_limiter_change(&one, &large, RL_DAY), RL_E_INVALID);
    assert_int_equal(rl__limit_make(&made, &large, one.algorithm, &one, RL_DAY, &why),
                     RL_E_INVALID);
    assert_string_equal(why, "amount is too large for a limiter that began with one word");
    /* 54 bits for the number, 10 for the units; one of them for debt, when it was one word. */
    small = limit_of("fixed_window", 0, 1024);
    assert_int_equal(rl_limit_words(&small, &words), RL_OK);
    assert_int_equal(words, 1);
    assert_int_equal(rl_limiter_init(&one, &small, RL_DAY), RL_OK);
    small.amount = 511;
    assert_int_equal(rl_limiter_change(&one, &small, RL_DAY), RL_OK);
    small.amount = 512;
    assert_int_equal(rl_limiter_change(&one, &small, RL_DAY), RL_E_INVALID);
    small = limit_of("fixed_window", (UINT64_C(1) << 34) - 1, RL_DAY); /* 20 and 44 */
    small.align = RL_ALIGN_DAY;
    small.epoch = RL_EPOCH_1970;
    assert_int_equal(rl_limit_words(&small, &words), RL_OK);
    assert_int_equal(words, 1);
    small.amount++;
    assert_int_equal(rl_limit_words(&small, &words), RL_OK);
    assert_int_equal(words, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ones_own_are_found_first),
        cmocka_unit_test(only_what_may_be_left_out_is),
        cmocka_unit_test(the_last_number_in_range_is_in_range),
        cmocka_unit_test(what_is_no_limit_is_named),
        cmocka_unit_test(a_change_keeps_the_shape_of_the_state),
        cmocka_unit_test(a_fixed_window_keeps_its_words),
    };
    return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
