/* SPDX-License-Identifier: MIT */
/**
 * @file limiter.h
 * One limiter on its own: a limit (what is allowed), a state (a few 64-bit words), and the
 * algorithm that turns both and the time into a yes or a "not before". No context, no clock, no
 * allocation; with one word of state no lock.
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

/*
 * The algorithms, and what they promise. Each counts in units, takes any number of them at once,
 * and never admits more than its bound:
 *
 * token_bucket: in any window of length T at most burst + T * amount / period, and one oversize
 * request when borrowing. One word.
 *
 * leaky_meter: the same bucket, seen from the other side: it fills with each request, runs out at
 * amount / period, and refuses what would make it overflow `burst`. One word.
 *
 * leaky_bucket: constant outflow. A request of n units leaves, and the next one leaves no earlier
 * than n * period / amount after it. So in any window of length T at most
 * (T + 1 ns) * amount / period and the last request. `burst` bounds the backlog: what is booked
 * ahead and still flowing out. A take is a departure now; rl_limiter_reserve() gives the time. One
 * word.
 *
 * fixed_window: in each window at most `amount`; so in any window of length T at most
 * amount * (2 + T / period). Debt is carried into the windows that follow. A clock that steps back
 * finds no window again: it waits for the one that had begun. One word (window and units used), two
 * where amount is too large for that or with RL_ALIGN_FIRST.
 *
 * sliding_window: in any window of length T = period at most `amount`. A log of what was taken,
 * with rl_limit.parts entries. When they run out, the two that lie closest (in time and weight)
 * become one with the later time: then it may refuse what the exact log would grant, and never the
 * other way. 1 + 2 * parts words.
 *
 * sliding_counter: in any window of length T = period at most `amount`. Counts per sub-window: it
 * refuses too long, by less than ceil(period / parts), as a unit returns between one period and one
 * period and a sub-window after it was taken. 2 + parts words.
 *
 * concurrency: at most `amount` at once. Comes back only by rl_limiter_give_back() or _settle(), so
 * retry_at is RL_NEVER: ask again after a release. `period` means nothing, and must be in range.
 * One word.
 *
 * In windows and for concurrency, burst must be 0 or `amount`. The reading of a window is
 * half-open: what was taken at t is back at t + period.
 */

/** Amounts, bursts and costs go up to 2^53: what a JSON number holds exactly. */
#define RL_AMOUNT_MAX (UINT64_C(1) << 53)

/** What to do with a cost above the burst. */
typedef enum rl_oversize {
    RL_OVERSIZE_REFUSE = 0, /* RL_E_TOO_LARGE */
    RL_OVERSIZE_BORROW = 1  /* up to `amount`: wait until the bucket is full, then go into debt */
} rl_oversize;

/** What rl_limiter_change() carries over. */
typedef enum rl_carry {
    RL_CARRY_USED = 0, /* the units in use: new level = new burst - used */
    RL_CARRY_SHARE = 1 /* the level as a share of full, rounded down to a unit */
} rl_carry;

/** Where the windows of "fixed_window" begin. Of a zone whose changes follow no rule for ever (as
 * of Morocco) a limit knows the next seven: after those, give it to rl_limiter_change() again. */
typedef enum rl_align {
    RL_ALIGN_EPOCH = 0, /* at multiples of the period since 1970 (with epoch 0: since rl_time 0) */
    RL_ALIGN_FIRST = 1, /* with the first request after the window before has ended */
    RL_ALIGN_HOUR = 2,  /* at the full hour of UTC; the period is an hour, or 1/n of it */
    RL_ALIGN_DAY = 3,   /* each day at `day_start` in `zone`; the period is RL_DAY */
    RL_ALIGN_MONTH = 4  /* so on the first of each month; the period is 28 to 31 days */
} rl_align;

/** rl_limit.start: nothing is there at first. */
#define RL_START_EMPTY UINT64_MAX
/** rl_limit.epoch: rl_time itself counts from 1970. */
#define RL_EPOCH_1970 INT64_MIN

struct rl_algorithm;

/** So much of one dimension per period, kept by one algorithm. Read-only once a limiter has it. */
typedef struct rl_limit {
    size_t size;           /* set by RL_LIMIT_INIT */
    const char *algorithm; /* a static string; NULL: "token_bucket" */
    uint64_t amount;       /* units per period, 0 ... RL_AMOUNT_MAX; 0: nothing, ever */
    rl_duration period; /* 1 ns ... 10 years; the token bucket does up to 32 units per nanosecond */
    uint64_t burst; /* 0: as `amount`; at most RL_AMOUNT_MAX: what a rested limiter gives at once */
    uint64_t oversize; /* an rl_oversize */

    uint64_t start;    /* units that are there at first; 0: full; RL_START_EMPTY: none */
    uint64_t carry;    /* an rl_carry: for rl_limiter_change() to this limit */
    uint64_t bookings; /* as many as rl_limiter_reserve() may have ahead at once; 0: none */
    uint64_t parts;    /* sliding_counter: sub-windows, 0: 10; sliding_window: entries, 0: 60 */

    /* Only for "fixed_window". */
    uint64_t align;   /* an rl_align */
    const char *zone; /* "America/Los_Angeles", or a rule as TZ has it: "PST8PDT,M3.2.0,M11.1.0";
                       * NULL: UTC. Only read by the calls that are given the limit. */
    rl_duration day_start; /* after midnight, whole seconds, less than a day */
    rl_wall_time epoch; /* wall time at rl_time 0, 1970 or later; needed by HOUR, DAY and MONTH */

    /* NULL, or algorithms of your own, ended by a NULL: found by name before the built-in ones. */
    const struct rl_algorithm *const *algorithms;
    uint64_t private_[2]; /* 0 */
} rl_limit;

static inline rl_limit rl_limit_init_(void)
{
    rl_limit limit = RL_ZERO_;
    limit.size = sizeof limit;
    return limit;
}
#define RL_LIMIT_INIT rl_limit_init_()

/** Words of state that an rl_limiter has room for: a state that needs more gets its memory from the
 * caller, see rl_limiter_init_at(). */
#define RL_STATE_WORDS 4
/** And the most that any state may need. */
#define RL_STATE_WORDS_MAX 512

/** A limit made ready for arithmetic by its algorithm; words whose meaning is the algorithm's own,
 * except that word 0 is the amount, word 1 the period and word 2 the burst, 0 resolved. */
#define RL_PLAN_WORDS 16
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
 *
 * A limit finds yours through rl_limit.algorithms; rl_limiter_init_with() takes it directly. See
 * examples/06_own_algorithm.c.
 */
typedef struct rl_algorithm {
    size_t size;      /* sizeof(rl_algorithm) */
    const char *name; /* as rl_limit.algorithm names it; static */
    size_t words;     /* of state that it uses, 1 or more; 1 is lock-free */

    /* Fills `plan`, which comes zeroed, from `limit`, whose numbers are in the ranges of rl_limit.
     * RL_OK, or RL_E_INVALID with a static sentence in *why: the algorithm cannot do this one. */
    rl_status (*prepare)(const rl_limit *limit, rl_plan *plan, const char **why);
    /* A fresh state: full, as if nobody had ever asked. `word` comes zeroed. */
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

    /* ---- what follows may be left NULL or 0 ---- */

    /* `taken` units, taken at `at` (no later than `now`), turn out to be `used`. NULL: the
     * difference is given back or charged at `now`. */
    void (*settle)(const rl_plan *plan, uint64_t *word, uint64_t taken, uint64_t used, rl_time at,
                   rl_time now);
    /* Books a departure ahead: see rl_limiter_reserve(). NULL: the library keeps a list. */
    rl_status (*reserve)(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                         rl_time latest, rl_time *at);
    /* Words of state under this plan, at most RL_STATE_WORDS_MAX. NULL: `words`. */
    size_t (*words_for)(const rl_plan *plan);
    size_t plan_words; /* that prepare() fills; 0: 8. The fewer, the faster */
} rl_algorithm;

/** The built-in algorithm with that name, NULL: none. NULL asks for "token_bucket". Static.
 * Threads: any. */
RL_API const rl_algorithm *rl_algorithm_find(const char *name);

/** One limiter at work. Yours: put it anywhere that is 8-byte aligned; the members are private. It
 * must not move while another thread uses it. There is nothing to free. */
typedef struct rl_limiter {
    const rl_algorithm *algorithm;
    uint64_t revision; /* odd while the limit is being changed */
    uint64_t *outside; /* the caller's words, NULL: `word` */
    uint32_t words;    /* that the algorithm uses */
    uint16_t bookings;
    uint16_t plan_words;
    rl_plan plan;
    /* What is written by each take, and in no cache line with what it only reads. */
    uint64_t control;                  /* guards a state of several words; see src/limiter/wide.c */
    uint64_t word[2 * RL_STATE_WORDS]; /* several words are kept twice */
} rl_limiter;

/**
 * Starts a limiter, full unless limit->start says otherwise.
 *
 * @param limiter  not NULL; yours, written only on RL_OK.
 * @param limit    not NULL; copied.
 * @retval RL_E_INVALID    a number out of range, or no RL_LIMIT_INIT. rl_limit_check() says which.
 *                         Or the state does not fit: see rl_limiter_init_at().
 * @retval RL_E_NOT_FOUND  no such algorithm, or no data for limit->zone.
 * @retval RL_E_TOO_NEW    `limit` has fields that this library does not know.
 * Threads: one, before the others see the limiter.  Blocks: no (a time zone's file is read).
 * Allocates: no.  Since: 0.1.
 */
RL_API rl_status rl_limiter_init(rl_limiter *limiter, const rl_limit *limit, rl_time now);

/** How many words of memory rl_limiter_init_at() wants for this limit. *words is 0 unless RL_OK;
 * the statuses are those of rl_limiter_init(). */
RL_API rl_status rl_limit_words(const rl_limit *limit, size_t *words);

/**
 * Starts a limiter whose state lies in memory of yours: any state, small or large.
 *
 * Processes that share the memory may share the limiter: one calls this, the others
 * rl_limiter_attach() with the same limit. One word is changed by compare-exchange; several are
 * kept twice and switched by one, so that a process that dies at any instruction leaves a whole
 * state, old or new. A lock that its owner left behind is taken over after 0.2 s; an owner that was
 * merely stopped for so long finds that out, and has taken nothing.
 * rl_limiter_change() is for one process alone with the words.
 *
 * @param words  8-byte aligned, at least as many as rl_limit_words() says; used until the limiter
 *               is used no more.
 * @retval RL_E_INVALID  also: too few words.
 */
RL_API rl_status rl_limiter_init_at(rl_limiter *limiter, const rl_limit *limit, uint64_t *words,
                                    size_t count, rl_time now);
/** The same for words that rl_limiter_init_at() has started: their state stays. */
RL_API rl_status rl_limiter_attach(rl_limiter *limiter, const rl_limit *limit, uint64_t *words,
                                   size_t count, rl_time now);

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
/** The earliest time at which `cost` units could be taken, if nobody was faster: `now`, later, or
 * RL_NEVER. Writes nothing. Threads: any. */
RL_API rl_time rl_limiter_when(const rl_limiter *limiter, uint64_t cost, rl_time now);
/** Gives back units that were taken and not used, as if taken just now; never beyond full. Where
 * the moment matters (a window that has ended since), rl_limiter_settle() knows better.
 * Threads: any. */
RL_API void rl_limiter_give_back(rl_limiter *limiter, uint64_t amount, rl_time now);
/** Charges units that were used although nobody had asked; goes into debt if need be, without end.
 * Threads: any. */
RL_API void rl_limiter_charge(rl_limiter *limiter, uint64_t amount, rl_time now);
/** `taken` units, taken at `at`, turn out to be `used`: gives back or charges the difference. What
 * belonged to a window that is over is not given back. With `used` 0 it undoes a take.
 * Threads: any. */
RL_API void rl_limiter_settle(rl_limiter *limiter, uint64_t taken, uint64_t used, rl_time at,
                              rl_time now);

/**
 * Books `cost` units for the earliest time at which they may leave, now or later.
 *
 * A booking is a promise: nothing that others do later moves it. Who comes later, to take or to
 * reserve, comes behind. Of every algorithm, as many as limit.bookings may lie ahead (each needs
 * two words of state); "leaky_bucket" needs no list, and has room for limit.burst units.
 *
 * @param latest  the departure must not be later; RL_NEVER: any.
 * @param at      not NULL; with RL_OK the departure; with RL_WAIT when it would be, or when it is
 *                worth another try; else RL_NEVER.
 * @retval RL_OK            booked; leave at *at, or hand it back to rl_limiter_cancel().
 * @retval RL_WAIT          not by `latest`, or the backlog is full; nothing is booked.
 * @retval RL_E_TOO_LARGE   more than this limit ever gives at once.
 * @retval RL_E_TABLE_FULL  it would have to wait, and limit.bookings do already.
 * Threads: any.  Blocks: no.  Allocates: no.
 */
RL_API rl_status rl_limiter_reserve(rl_limiter *limiter, uint64_t cost, rl_time now, rl_time latest,
                                    rl_time *at);
/** Takes back a booking of `cost` units for `at`. Those behind keep their times; the units go to
 * who comes next. (Of "leaky_bucket" only the last booking leaves its place to others.) After `at`
 * it is rl_limiter_settle() with nothing used. Threads: any. */
RL_API void rl_limiter_cancel(rl_limiter *limiter, uint64_t cost, rl_time at, rl_time now);

/** Sets the level from outside; see rl_algorithm.set_level. Threads: any. */
RL_API void rl_limiter_set_level(rl_limiter *limiter, int64_t level, rl_time at);
/** What is left at `now`; all zero if the limiter was never started. Threads: any. */
RL_API void rl_limiter_snapshot(const rl_limiter *limiter, rl_time now, rl_level *level);
/**
 * Changes the limit while others use it; limit->carry says what happens to the level. The algorithm
 * must stay the same, and so must bookings and parts.
 * @retval RL_E_INVALID  a number out of range or another algorithm; nothing has changed.
 * @retval RL_E_TOO_NEW  `limit` has fields that this library does not know; nothing has changed.
 * Threads: any, beside any number of the calls above, which wait the few steps that it takes.
 * Blocks: no.
 */
RL_API rl_status rl_limiter_change(rl_limiter *limiter, const rl_limit *limit, rl_time now);
/** rl_limiter_change() and rl_limiter_set_level() in one step: limit, remaining and the time it
 * holds for, as a provider reported them. */
RL_API rl_status rl_limiter_set(rl_limiter *limiter, const rl_limit *limit, int64_t level,
                                rl_time at, rl_time now);

/** One of several limiters that a request must pass, and what it costs there. */
typedef struct rl_share {
    rl_limiter *limiter; /* not NULL */
    uint64_t cost;
} rl_share;

/**
 * Takes from all of them, or from none.
 *
 * All are asked first; then they are taken in order, and if one was emptied meanwhile, those before
 * it are undone. For that moment others may see the units as gone.
 *
 * @param retry_at  NULL: not wanted; with RL_WAIT the earliest time at which all would agree.
 * @param refused   NULL: not wanted; the index of the limiter whose status this is, with RL_WAIT
 *                  the one that takes longest; `count` after RL_OK.
 * The statuses are those of rl_limiter_take(); what is too large for one is too large for all.
 * Threads: any.
 */
RL_API rl_status rl_limiters_take(const rl_share *share, size_t count, rl_time now,
                                  rl_time *retry_at, size_t *refused);
/** What rl_limiters_take() would say; writes nothing. */
RL_API rl_status rl_limiters_peek(const rl_share *share, size_t count, rl_time now,
                                  rl_time *retry_at, size_t *refused);

#ifdef __cplusplus
}
#endif
#endif
