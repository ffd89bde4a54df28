/* SPDX-License-Identifier: MIT */
/* From a limit to a plan: finds the algorithm, checks the numbers, and lets the algorithm prepare.
 */
#include "limiter/limiter.h"

#include "base/rl_assert.h"
#include "base/sized.h"

#include <string.h>

#define TEN_YEARS (3653 * RL_DAY) /* with three leap days */

/* One line for each algorithm. */
static const rl_algorithm *const builtin[] = {
    &rl__token_bucket,   &rl__leaky_meter,     &rl__leaky_bucket, &rl__fixed_window,
    &rl__sliding_window, &rl__sliding_counter, &rl__concurrency,
};

const rl_algorithm *rl_algorithm_find(const char *name)
{
    if (name == NULL)
        return &rl__token_bucket;
    for (size_t i = 0; i < sizeof builtin / sizeof builtin[0]; i++)
        if (strcmp(builtin[i]->name, name) == 0)
            return builtin[i];
    return NULL;
}

static const rl_algorithm *find_for(const rl_limit *limit)
{
    for (size_t i = 0; limit->algorithms != NULL && limit->algorithms[i] != NULL; i++)
        if (limit->algorithm != NULL && limit->algorithms[i]->name != NULL &&
            strcmp(limit->algorithms[i]->name, limit->algorithm) == 0)
            return limit->algorithms[i];
    return rl_algorithm_find(limit->algorithm);
}

/* A limit may leave the name of a foreign algorithm out: no other can be meant. */
static int is_named(const rl_limit *limit, const rl_algorithm *algorithm)
{
    if (limit->algorithm == NULL && rl_algorithm_find(algorithm->name) == algorithm)
        return algorithm == rl_algorithm_find(NULL);
    return limit->algorithm == NULL || strcmp(limit->algorithm, algorithm->name) == 0;
}

static int is_complete(const rl_algorithm *a)
{
    return a->size >= offsetof(rl_algorithm, settle) && a->name != NULL && a->words >= 1 &&
           a->prepare != NULL && a->start != NULL && a->take != NULL && a->give_back != NULL &&
           a->charge != NULL && a->set_level != NULL && a->snapshot != NULL && a->carry != NULL &&
           (!RL__HAS(a, plan_words) || a->plan_words <= RL_PLAN_WORDS);
}

/* NULL: within the ranges that limiter.h names. */
static const char *out_of_range(const rl_limit *limit)
{
    if (limit->amount > RL_AMOUNT_MAX)
        return "amount is more than 2^53";
    if (limit->burst > RL_AMOUNT_MAX)
        return "burst is more than 2^53";
    if (limit->period == 0)
        return "period is 0";
    if (limit->period > TEN_YEARS)
        return "period is longer than ten years";
    if (limit->oversize > RL_OVERSIZE_BORROW)
        return "oversize is neither RL_OVERSIZE_REFUSE nor RL_OVERSIZE_BORROW";
    if (limit->start > RL_AMOUNT_MAX && limit->start != RL_START_EMPTY)
        return "start is more than 2^53 and not RL_START_EMPTY";
    if (limit->carry > RL_CARRY_SHARE)
        return "carry is neither RL_CARRY_USED nor RL_CARRY_SHARE";
    if (limit->bookings > RL_STATE_WORDS_MAX / 2)
        return "bookings are more than a state has room for";
    return NULL;
}

/* The size of the state, as the plan has it. */
static const char *measure(struct rl__made *made, const rl_limit *limit)
{
    const rl_algorithm *algorithm = made->algorithm;
    size_t words =
        RL__HAS(algorithm, words_for) ? algorithm->words_for(&made->plan) : algorithm->words;

    if (words == 0 || words + 2 * limit->bookings > RL_STATE_WORDS_MAX)
        return "the state is more than RL_STATE_WORDS_MAX words";
    made->words = (uint32_t)words;
    made->bookings = (uint16_t)limit->bookings;
    made->plan_words =
        RL__HAS(algorithm, plan_words) ? (uint16_t)algorithm->plan_words : RL__PLAN_FEW;
    made->start = limit->start;
    made->carry = limit->carry;
    return NULL;
}

static rl_status make_plan(struct rl__made *made, const rl_limit *limit, const char **why)
{
    rl_status st;

    *why = out_of_range(limit);
    if (*why != NULL)
        return RL_E_INVALID;
    *why = "the algorithm refuses this limit"; /* unless it knows better */
    made->plan = (rl_plan){ { 0 } };
    if ((st = made->algorithm->prepare(limit, &made->plan, why)) != RL_OK)
        return st;
    *why = measure(made, limit);
    return *why == NULL ? RL_OK : RL_E_INVALID;
}

static rl_status copy_limit(rl_limit *copy, const rl_limit *limit, const char **why)
{
    rl_status st;

    *why = "limit is NULL";
    if (limit == NULL)
        return RL_E_INVALID;
    *why = "limit.size is not what RL_LIMIT_INIT sets";
    if ((st = rl__copy_sized(copy, sizeof *copy, limit, limit->size)) != RL_OK)
        return st;
    *why = "limit.private_ is not 0";
    return copy->private_[0] == 0 && copy->private_[1] == 0 ? RL_OK : RL_E_TOO_NEW;
}

static rl_status choose_algorithm(struct rl__made *made, const rl_limit *limit,
                                  const rl_algorithm *algorithm, const char **why)
{
    *why = "there is no algorithm of that name";
    made->algorithm = algorithm != NULL ? algorithm : find_for(limit);
    if (made->algorithm == NULL)
        return RL_E_NOT_FOUND;
    if (!is_named(limit, made->algorithm))
        return RL_E_NOT_FOUND;
    *why = "the algorithm lacks a member, or has one out of range";
    return is_complete(made->algorithm) ? RL_OK : RL_E_INVALID;
}

/* A change keeps the shape of the state. */
static const char *has_other_shape(const struct rl__made *made, const rl_limiter *limiter)
{
    if (made->bookings != limiter->bookings)
        return "bookings cannot be changed";
    if (made->words != limiter->words)
        return "the state would need another number of words";
    return NULL;
}

rl_status rl__limit_make(struct rl__made *made, const rl_limit *limit,
                         const rl_algorithm *algorithm, const rl_limiter *limiter, rl_time now,
                         const char **why)
{
    rl_limit copy;
    rl_status st = copy_limit(&copy, limit, why);

    if (st != RL_OK)
        return st;
    if ((st = choose_algorithm(made, &copy, algorithm, why)) != RL_OK)
        return st;
    copy.private_[RL__MADE_AT] = now;
    copy.private_[RL__MADE_WORDS] = limiter != NULL ? limiter->words : 0;
    if ((st = make_plan(made, &copy, why)) != RL_OK || limiter == NULL)
        return st;
    *why = has_other_shape(made, limiter);
    return *why == NULL ? RL_OK : RL_E_INVALID;
}

rl_status rl_limit_check(const rl_limit *limit, const char **why)
{
    const char *sentence = NULL;
    struct rl__made made;
    rl_status st = rl__limit_make(&made, limit, NULL, NULL, 0, &sentence);

    if (why != NULL)
        *why = st == RL_OK ? "" : sentence;
    return st;
}

/* One word needs no lock beside it. */
rl_status rl_limit_words(const rl_limit *limit, size_t *words)
{
    const char *why;
    struct rl__made made;
    rl_status st = rl__limit_make(&made, limit, NULL, NULL, 0, &why);
    size_t state;

    if (words == NULL)
        return RL_E_INVALID;
    *words = 0;
    if (st != RL_OK)
        return st;
    state = rl__state_words(made.words, made.bookings);
    *words = state == 1 ? 1 : 1 + 2 * state;
    return RL_OK;
}
