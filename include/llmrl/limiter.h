/* SPDX-License-Identifier: MIT */
/**
 * @file limiter.h
 * One limiter on its own: a limit (what is allowed), a state (a few 64-bit words), and the
 * algorithm that turns both and the time into a yes or a "not before". No context, no clock, no
 * allocation, no lock.
 *
 *     rl_limit limit = RL_LIMIT_INIT;          // 500 requests a minute, 20 of them at once
 *     limit.amount = 500; limit.period = RL_MINUTE; limit.burst = 20;
 *     rl_limiter limiter;
 *     if (rl_limiter_init(&limiter, &limit, now) != RL_OK) ...
 *     if (rl_limiter_take(&limiter, 1, now, &retry_at) == RL_OK) send();
 */
#ifndef LLMRL_LIMITER_H
#define LLMRL_LIMITER_H

#include <llmrl/base.h>
#include <llmrl/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Amounts, bursts and costs go up to 2^53: what a JSON number holds exactly. */
#define RL_AMOUNT_MAX (UINT64_C(1) << 53)

/** What to do with a cost above the burst. */
typedef enum rl_oversize {
    RL_OVERSIZE_REFUSE = 0, /* RL_E_TOO_LARGE */
    RL_OVERSIZE_BORROW = 1  /* up to `amount`: wait until the bucket is full, then go into debt */
} rl_oversize;

/** So much of one dimension per period, kept by one algorithm. Read-only once a limiter has it. */
typedef struct rl_limit {
    size_t size;           /* set by RL_LIMIT_INIT */
    const char *algorithm; /* a static string; NULL: "token_bucket" */
    uint64_t amount;       /* units per period, 0 ... RL_AMOUNT_MAX; 0: nothing, ever */
    rl_duration period; /* 1 ns ... 10 years; the token bucket does up to 32 units per nanosecond */
    uint64_t burst; /* 0: as `amount`; at most RL_AMOUNT_MAX: what a rested limiter gives at once */
    uint64_t oversize; /* an rl_oversize */
} rl_limit;

static inline rl_limit rl_limit_init_(void)
{
    rl_limit limit = RL_ZERO_;
    limit.size = sizeof limit;
    return limit;
}
#define RL_LIMIT_INIT rl_limit_init_()

/** Room for the state of any built-in algorithm: words only, they may lie in memory that processes
 * share. */
#define RL_STATE_WORDS 4

/** A limit made ready for arithmetic by its algorithm; eight words whose meaning is the algorithm's
 * own, except that word 0 is the amount, word 1 the period and word 2 the burst, 0 resolved. */
#define RL_PLAN_WORDS 8
typedef struct rl_plan {
    uint64_t word[RL_PLAN_WORDS];
} rl_plan;

/** What a limiter holds at one moment. */
typedef struct rl_level {
    uint64_t limit;      /* units per period */
    uint64_t burst;      /* units when full */
    int64_t remaining;   /* whole units that could be taken now; negative: debt */
    rl_duration full_in; /* until the limiter is full again, if nothing more is taken */
} rl_level;

/**
 * An algorithm: the plug-in face, and what the built-in ones implement. Every function is plain
 * arithmetic on a few words that nobody else sees meanwhile: the library makes the result visible
 * in one step (one word: by compare-exchange, and calls again if another thread was faster; more
 * words: under a lock). So none may have side effects. `now` may step back; nothing may be earned
 * by that. With one word, its value UINT64_MAX is the library's own mark ("busy"): a result of that
 * value is stored as one less.
 */
typedef struct rl_algorithm {
    size_t size;      /* sizeof(rl_algorithm) */
    const char *name; /* as rl_limit.algorithm names it; static */
    size_t words;     /* of state that it uses: 1 ... RL_STATE_WORDS; 1 is lock-free */

    /* Fills `plan`, which comes zeroed, from `limit`, whose numbers are in the ranges of rl_limit.
     * RL_OK, or RL_E_INVALID with a static sentence in *why: the algorithm cannot do this one. */
    rl_status (*prepare)(const rl_limit *limit, rl_plan *plan, const char **why);
    /* A fresh state: full, as if nobody had ever asked. */
    void (*start)(const rl_plan *plan, uint64_t *word, rl_time now);
    /* Takes `cost` units (never 0), or leaves the words alone and says RL_WAIT with the earliest
     * useful time in *retry_at, or RL_E_TOO_LARGE. */
    rl_status (*take)(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                      rl_time *retry_at);
    /* Gives `amount` units back; never beyond full. */
    void (*give_back)(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now);
    /* Charges `amount` units whatever the level: into debt. */
    void (*charge)(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now);
    /* Makes the level at the moment `at` exactly `level` units (at most full; negative: debt). `at`
     * may lie in the future: until then nothing is to be had beyond what refills by then. */
    void (*set_level)(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at);
    void (*snapshot)(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level);
    /* The state of `before` at `now`, carried over to `after`: what was used stays used. */
    void (*carry)(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now);
} rl_algorithm;

/** The built-in algorithm with that name, NULL: none. NULL asks for "token_bucket". Static.
 * Threads: any. */
RL_API const rl_algorithm *rl_algorithm_find(const char *name);

/** One limiter at work. Yours: put it anywhere that is 8-byte aligned; the members are private. It
 * must not move while another thread uses it. There is nothing to free. */
typedef struct rl_limiter {
    const rl_algorithm *algorithm;
    uint64_t
        revision; /* odd while the limit is being changed, or a state of several words is in use */
    rl_plan plan;
    uint64_t word[RL_STATE_WORDS];
} rl_limiter;

/**
 * Starts a limiter, full.
 *
 * @param limiter  not NULL; yours, written only on RL_OK.
 * @param limit    not NULL; copied.
 * @retval RL_E_INVALID    a number out of range, or no RL_LIMIT_INIT. rl_limit_check() says which.
 * @retval RL_E_NOT_FOUND  no such algorithm.
 * @retval RL_E_TOO_NEW    `limit` has fields that this library does not know.
 * Threads: one, before the others see the limiter.  Blocks: no.  Allocates: no.  Since: 0.1.
 */
RL_API rl_status rl_limiter_init(rl_limiter *limiter, const rl_limit *limit, rl_time now);

/** The same with an algorithm of your own; `algorithm` is borrowed for as long as the limiter is
 * used. The limit may leave its name out. RL_E_INVALID also for a member that is missing,
 * RL_E_NOT_FOUND if the limit names another. */
RL_API rl_status rl_limiter_init_with(rl_limiter *limiter, const rl_algorithm *algorithm,
                                      const rl_limit *limit, rl_time now);

/** Says what is wrong with a limit, as a static sentence in *why (NULL: not wanted; "": nothing).
 * The statuses are those of rl_limiter_init(). Threads: any. */
RL_API rl_status rl_limit_check(const rl_limit *limit, const char **why);

/**
 * Takes `cost` units now, or nothing.
 *
 * One nanosecond before *retry_at the answer is still no; at *retry_at it is yes, if nobody was
 * faster. A refusal leaves the state as it was, to the bit. A cost of 0 is always granted.
 *
 * @param retry_at  NULL: not wanted; with RL_WAIT the earliest useful time (RL_NEVER: beyond 64
 * bits of nanoseconds), with RL_OK `now`, else RL_NEVER.
 * @retval RL_OK           taken.
 * @retval RL_WAIT         not now.
 * @retval RL_E_TOO_LARGE  more than this limit ever gives at once.
 * @retval RL_E_INVALID    this limiter was never started.
 * Threads: any, at once too.  Blocks: no.  Allocates: no.  Since: 0.1.
 */
RL_API rl_status rl_limiter_take(rl_limiter *limiter, uint64_t cost, rl_time now,
                                 rl_time *retry_at);
/**
 * The same at the time of a clock, which may be a cheap one. A grant is stamped with that clock's
 * time; a refusal whose end lies within its error is asked again of the precise clock, so a yes is
 * never late. With a stamp that may be `error` early, in any window W at most what the algorithm
 * allows in W + error: for the token bucket burst + (W + error) * amount / period.
 *
 * @param clock  not NULL; started by rl_clock_init().
 * Threads: any, at once too.  Blocks: no.  Allocates: no.  Since: 0.1.
 */
RL_API rl_status rl_limiter_take_with_clock(rl_limiter *limiter, uint64_t cost, rl_clock *clock,
                                            rl_time *retry_at);
/** What rl_limiter_take() would say; writes nothing. */
RL_API rl_status rl_limiter_peek(const rl_limiter *limiter, uint64_t cost, rl_time now,
                                 rl_time *retry_at);
/** Gives back units that were taken and not used; never beyond full. Threads: any. */
RL_API void rl_limiter_give_back(rl_limiter *limiter, uint64_t amount, rl_time now);
/** Charges units that were used although nobody had asked; goes into debt if need be, without end.
 * Threads: any. */
RL_API void rl_limiter_charge(rl_limiter *limiter, uint64_t amount, rl_time now);
/** Sets the level from outside; see rl_algorithm.set_level. Threads: any. */
RL_API void rl_limiter_set_level(rl_limiter *limiter, int64_t level, rl_time at);
/** What is left at `now`; all zero if the limiter was never started. Threads: any. */
RL_API void rl_limiter_snapshot(const rl_limiter *limiter, rl_time now, rl_level *level);
/**
 * Changes the limit while others use it; what was used stays used. The algorithm must stay the
 * same.
 * @retval RL_E_INVALID  a number out of range or another algorithm; nothing has changed.
 * @retval RL_E_TOO_NEW  `limit` has fields that this library does not know; nothing has changed.
 * Threads: any, beside any number of the calls above, which wait the few steps that it takes.
 * Blocks: no.
 */
RL_API rl_status rl_limiter_change(rl_limiter *limiter, const rl_limit *limit, rl_time now);

#ifdef __cplusplus
}
#endif
#endif
