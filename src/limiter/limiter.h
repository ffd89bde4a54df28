/* SPDX-License-Identifier: MIT */
/* The inner face of the limiter layer: the built-in algorithms for the table in limit.c, and what
 * its files share. */
#ifndef LLMRL_SRC_LIMITER_H
#define LLMRL_SRC_LIMITER_H

#include "base/atomic.h"
#include "base/sync.h"

#include <llmrl/limiter.h>

extern const rl_algorithm rl__token_bucket;    /* gcra.c */
extern const rl_algorithm rl__leaky_meter;     /* gcra.c */
extern const rl_algorithm rl__leaky_bucket;    /* leaky_bucket.c */
extern const rl_algorithm rl__fixed_window;    /* fixed_window.c */
extern const rl_algorithm rl__sliding_window;  /* sliding_window.c */
extern const rl_algorithm rl__sliding_counter; /* sliding_counter.c */
extern const rl_algorithm rl__concurrency;     /* concurrency.c */

/* Whether an algorithm has an optional member: one that was compiled with an older header is
 * shorter. */
#define RL__HAS(algorithm, member)                                                                 \
    ((algorithm)->size >=                                                                          \
         offsetof(rl_algorithm, member) + sizeof(((const rl_algorithm *)0)->member) &&             \
     (algorithm)->member != 0)

/* What a plan without plan_words may use: all that the hot path copies. */
#define RL__PLAN_FEW 8

/* The word of rl_limit.private_ in which prepare() finds the moment for which a plan is made, and
 * the one with the words of the limiter that is being changed; 0: it is new. */
enum { RL__MADE_AT, RL__MADE_WORDS };

/* ---- limit.c ---- */

/* A limit checked and planned: what a limiter is made of. */
struct rl__made {
    const rl_algorithm *algorithm;
    rl_plan plan;
    uint32_t words;
    uint16_t bookings, plan_words;
    uint64_t start, carry;
};

/* `algorithm` NULL: find it by name. `limiter` NULL: a new one; else the one that is to have the
 * new limit. *why is a static sentence, unless RL_OK. */
rl_status rl__limit_make(struct rl__made *made, const rl_limit *limit,
                         const rl_algorithm *algorithm, const rl_limiter *limiter, rl_time now,
                         const char **why);

/* Words of a whole state: the algorithm's, and two for each booking. */
static inline size_t rl__state_words(uint32_t words, uint16_t bookings)
{
    return words + 2 * (size_t)bookings;
}

/* ---- step.c ---- */

struct rl__step {
    enum {
        RL__TAKE,
        RL__GIVE_BACK,
        RL__CHARGE,
        RL__SETTLE,
        RL__RESERVE,
        RL__CANCEL,
        RL__SET_LEVEL
    } kind;
    uint64_t amount, used;
    int64_t level;
    rl_time now;
    rl_time at; /* when it was taken; the latest departure */
};

/* A state without bookings ahead. *at: retry_at of a take, the departure of a reservation. */
rl_status rl__step(const rl_algorithm *algorithm, const struct rl__step *step, const rl_plan *plan,
                   uint64_t *word, rl_time *at);
/* One with a list of them behind the algorithm's words. */
rl_status rl__step_booked(const rl_limiter *limiter, const struct rl__step *step,
                          const rl_plan *plan, uint64_t *word, rl_time *at);
void rl__snapshot_booked(const rl_limiter *limiter, const rl_plan *plan, uint64_t *word,
                         rl_time now, rl_level *level);
/* The algorithm's words from one plan to the next; `made` has the new one. */
void rl__carry(const rl_plan *before, const struct rl__made *made, uint64_t *word, rl_time now);

/* The level of a limiter that holds `burst` when it is full, if as much of it is used as of the old
 * one. Debt beyond all that amounts can add up to in years counts as that much. */
static inline int64_t rl__level_carried(const rl_level *old, uint64_t burst)
{
    const int64_t most = INT64_MAX / 4;
    int64_t left = old->remaining < -most ? -most : old->remaining;

    return (int64_t)burst - ((int64_t)old->burst - left);
}

/* ---- plan words of a limiter, and its spin; limiter.c ---- */

static inline void rl__copy_words(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = rl__load_acquire(&from[i]);
}

static inline void rl__store_words(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rl__store_release(&to[i], from[i]);
}

/* As much of the plan as the algorithm uses. */
static inline void rl__copy_plan(rl_plan *to, const rl_limiter *limiter)
{
    rl__copy_words(to->word, limiter->plan.word, RL__PLAN_FEW);
    if (limiter->plan_words > RL__PLAN_FEW)
        rl__copy_words(to->word + RL__PLAN_FEW, limiter->plan.word + RL__PLAN_FEW,
                       RL_PLAN_WORDS - RL__PLAN_FEW);
}

/* ---- wide.c ---- */

/* A change of the limit, and of the level if `step` is not NULL. */
struct rl__change {
    const struct rl__made *made;
    const struct rl__step *step;
    rl_time now;
};

/* How long the lock of a state has had the same owner; all zero at first. */
struct rl__patience {
    uint64_t owner;
    rl_time since; /* 0: not looked yet */
};

/* 1: for so long that it must be dead. */
int rl__is_over(struct rl__patience *patience, uint64_t owner, rl_time now);

void rl__wide_start(rl_limiter *limiter, const uint64_t *word);
void rl__wide_look(const rl_limiter *limiter, rl_plan *plan, uint64_t *word);
rl_status rl__wide_act(rl_limiter *limiter, const struct rl__step *step, rl_time *at);
void rl__wide_change(rl_limiter *limiter, const struct rl__change *change);

#endif
