/* SPDX-License-Identifier: MIT */
/**
 * @file breaker.h
 * A circuit breaker, usable on its own: stop asking a provider that is ill, and find out with few
 * calls when it is well again. It judges health, not quota.
 *
 *     rl_breaker breaker;
 *     rl_breaker_init(&breaker, NULL);                  // half of 10 calls or more in 60 s failed
 *     ...
 *     rl_breaker_ticket ticket;
 *     if (rl_breaker_ask(&breaker, now, &ticket, &retry_at) == RL_OK) {
 *         ... call ...
 *         rl_breaker_record(&breaker, &ticket, RL_BREAKER_FAILURE, RL_NEVER, later);
 *     }
 *     ...
 *     rl_breaker_deinit(&breaker);
 *
 * Closed, it lets everything pass and counts. Open, it lets nothing pass until retry_at. Then it is
 * half-open: a few probes pass, and what comes of them closes it or opens it again. Each change
 * begins a new generation; results of an older one are counted as late and move nothing.
 */
#ifndef LLMRL_BREAKER_H
#define LLMRL_BREAKER_H

#include <llmrl/base.h>
#include <llmrl/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rl_breaker_state {
    RL_BREAKER_CLOSED = 0,
    RL_BREAKER_OPEN,
    RL_BREAKER_HALF_OPEN
} rl_breaker_state;

/** "closed", "open", "half-open"; static, never NULL: an unknown value gives "?". */
RL_API const char *rl_breaker_state_name(uint64_t state);

/** What a call says about the provider's health. */
typedef enum rl_breaker_outcome {
    RL_BREAKER_SUCCESS = 0,
    RL_BREAKER_FAILURE,
    RL_BREAKER_NEUTRAL /* nothing: it counts nowhere, and a probe's place is free again */
} rl_breaker_outcome;

/**
 * What an answer says about health. Failures: a server error, overload, no answer. Successes: an
 * answer, also one that refuses the request itself (400, too large). Neutral: rate limits, quota,
 * the key, and what we broke off ourselves.
 *
 * @param outcome  an rl_outcome, as in rl_answer and rl_verdict.
 * @param failure  an rl_failure; only looked at with RL_OUTCOME_TRANSPORT.
 * Threads: any.
 */
RL_API rl_breaker_outcome rl_breaker_outcome_of(uint64_t outcome, uint64_t failure);

/** What is counted while it is closed. */
typedef enum rl_breaker_form {
    RL_BREAKER_TIME_WINDOW = 0, /* the calls of the last `window` */
    RL_BREAKER_COUNT_WINDOW,    /* the last `window_calls` calls, exactly */
    RL_BREAKER_CONSECUTIVE      /* failures in a row */
} rl_breaker_form;

/** Why it changed. */
typedef enum rl_breaker_cause {
    RL_BREAKER_BY_FAILURES = 1, /* opened: too many failures */
    RL_BREAKER_BY_SLOW_CALLS,   /* opened: too many slow calls */
    RL_BREAKER_BY_PROBE,        /* opened again: a probe failed, or was slow */
    RL_BREAKER_BY_TIME,         /* half-open: the open time is over */
    RL_BREAKER_BY_SUCCESSES,    /* closed: enough probes succeeded */
    RL_BREAKER_BY_FORCE         /* rl_breaker_force() */
} rl_breaker_cause;

/** One change, told to rl_breaker_options.event. */
typedef struct rl_breaker_event {
    uint64_t from, to;   /* an rl_breaker_state each */
    uint64_t cause;      /* an rl_breaker_cause */
    uint64_t generation; /* that begins with it: the order, where several threads report */
    rl_time at;
    rl_time open_until; /* opened: when the first probe may leave; else 0 */
    /* What had been counted when it changed, as in rl_breaker_status. */
    uint64_t calls, failures, slow;
} rl_breaker_event;

#define RL_BREAKER_WINDOW_CALLS_MAX 1024
#define RL_BREAKER_BUCKETS_MAX      32
#define RL_BREAKER_PROBES_MAX       16

/** Everything has a default; zero means the default. Rates are in thousandths, 1 ... 1000. */
typedef struct rl_breaker_options {
    size_t size;            /* set by RL_BREAKER_OPTIONS_INIT */
    uint64_t form;          /* an rl_breaker_form */
    uint64_t failure_rate;  /* opens at this share of failures; 0: 500; RL_NEVER: failures do not
                               open it */
    uint64_t minimum_calls; /* with fewer in the window nothing opens it; 0: 10 */
    rl_duration window;     /* RL_BREAKER_TIME_WINDOW; 0: 60 s; from `buckets` ns on */
    uint64_t window_calls;  /* RL_BREAKER_COUNT_WINDOW; 0: 100; at most 1024 */
    uint64_t failures_in_a_row; /* RL_BREAKER_CONSECUTIVE: opens at so many; slow calls in a row
                                   likewise; 0: 5 */

    rl_duration slow_call; /* a call of this length is slow, a failed one, too; 0: none is */
    uint64_t slow_rate;    /* opens at this share of slow calls; 0: 500 */

    rl_duration open_for;     /* 0: 30 s; RL_NEVER: until it is forced */
    rl_duration open_for_max; /* each opening in a row doubles open_for up to this; 0: it stays */
    uint64_t open_jitter;     /* lengthens the open time by up to this share; 0: 100 */
    uint64_t random;          /* 64 random bits, from which the jitter comes; 0: no jitter */

    uint64_t half_open_probes;   /* out at once; 0: 1; at most 16 */
    uint64_t successes_to_close; /* 0: as many as half_open_probes */
    rl_duration probe_lease; /* a probe not reported after so long gives its place to another; 0:
                                60 s; RL_NEVER: none does */

    /* The window is cut into so many parts, which leave it one after the other: nothing older than
     * `window` counts, and what is older than window - window/buckets may no longer do so. 0: 10;
     * at most 32. */
    uint64_t buckets;

    /* Called after each change, by the thread that caused it, no lock held: it may call the breaker
     * again. NULL: nobody is told. */
    void (*event)(void *user, const rl_breaker_event *event);
    void *user; /* borrowed as long as the breaker is used */
} rl_breaker_options;

static inline rl_breaker_options rl_breaker_options_init_(void)
{
    rl_breaker_options options = RL_ZERO_;
    options.size = sizeof options;
    return options;
}
#define RL_BREAKER_OPTIONS_INIT rl_breaker_options_init_()

/** A breaker. Yours: put it anywhere that is 8-byte aligned; the members are private. It must not
 * move. */
typedef struct rl_breaker {
    uint64_t private_[256];
} rl_breaker;

/** The leave to make one call. Yours, on the stack if you like. It ends once, by
 * rl_breaker_record(). Do not copy it. */
typedef struct rl_breaker_ticket {
    uint64_t private_[4];
} rl_breaker_ticket;

/** Fills zero members with the defaults above.
 * @retval RL_E_INVALID  out is NULL; a number out of range; minimum_calls above window_calls;
 *                       open_for above open_for_max.
 * @retval RL_E_TOO_NEW  `options` has fields that this library does not know. */
RL_API rl_status rl_breaker_options_resolve(const rl_breaker_options *options,
                                            rl_breaker_options *out);

/**
 * Starts a breaker, closed.
 *
 * @param breaker  not NULL; yours, until rl_breaker_deinit().
 * @param options  NULL: all defaults. Copied.
 * @retval RL_E_INVALID, RL_E_TOO_NEW  as above; there is nothing to end.
 * @retval RL_E_NOMEM    the system has no mutex left.
 * Threads: one, before the others see it.  Blocks: no.  Allocates: no.  Since: 0.2.
 */
RL_API rl_status rl_breaker_init(rl_breaker *breaker, const rl_breaker_options *options);

/** Ends it. Nobody may be using it. NULL, and one that was never started but zeroed, are fine. */
RL_API void rl_breaker_deinit(rl_breaker *breaker);

/**
 * Asks for leave to make one call.
 *
 * @param ticket    not NULL; written on every return. After RL_OK to be handed to
 *                  rl_breaker_record(), once.
 * @param retry_at  NULL: not wanted. With RL_WAIT the earliest time at which it may be worth
 *                  asking again; RL_NEVER: when somebody reports, or forces it. With RL_OK `now`.
 * @retval RL_OK         call.
 * @retval RL_WAIT       it is open; or half-open, and all probes are out: the first of their leases
 *                       ends at *retry_at, and a report may free a place earlier.
 * @retval RL_E_INVALID  a NULL pointer, a breaker that was not started, or `now` is RL_NEVER.
 * Threads: any, at once too.  Blocks: for a few steps under a lock.  Allocates: no.  Since: 0.2.
 */
RL_API rl_status rl_breaker_ask(rl_breaker *breaker, rl_time now, rl_breaker_ticket *ticket,
                                rl_time *retry_at);
/** What rl_breaker_ask() would say; changes nothing. */
RL_API rl_status rl_breaker_peek(rl_breaker *breaker, rl_time now, rl_time *retry_at);

/**
 * Reports what came of a call.
 *
 * @param ticket    not NULL; ends here.
 * @param outcome   an rl_breaker_outcome; see rl_breaker_outcome_of().
 * @param duration  how long the call took; RL_NEVER: the time since rl_breaker_ask().
 * @retval RL_OK         counted; or late, that is of an older generation or by a probe whose place
 *                       was given to another: that is counted apart, and moves nothing.
 * @retval RL_E_ENDED    the ticket had ended before, or rl_breaker_ask() had said no: nothing
 *                       happens.
 * @retval RL_E_INVALID  a NULL pointer, an unknown outcome, another breaker's ticket, or as above.
 * Threads: any, at once too.  Blocks: as above.  Allocates: no.  Since: 0.2.
 */
RL_API rl_status rl_breaker_record(rl_breaker *breaker, rl_breaker_ticket *ticket, uint64_t outcome,
                                   rl_duration duration, rl_time now);

/** The provider said how long it will be ill (Retry-After): if it is open, it stays so at least
 * until then. It never shortens, and never opens. RL_E_INVALID as above. Threads: any. */
RL_API rl_status rl_breaker_hold(rl_breaker *breaker, rl_time until);

typedef enum rl_breaker_mode {
    RL_BREAKER_AUTOMATIC = 0,
    RL_BREAKER_FORCED_OPEN,  /* nothing passes */
    RL_BREAKER_FORCED_CLOSED /* everything passes; it counts and never opens */
} rl_breaker_mode;

/**
 * Takes it in hand, or gives it back: back to automatic it begins closed, with nothing counted. The
 * mode that it has already changes nothing.
 * @param mode  an rl_breaker_mode. RL_E_INVALID: another number, or as above.
 * Threads: any.
 */
RL_API rl_status rl_breaker_force(rl_breaker *breaker, uint64_t mode, rl_time now);

/** How it stands. */
typedef struct rl_breaker_status {
    size_t size;         /* set by the caller: sizeof(rl_breaker_status) */
    uint64_t state;      /* an rl_breaker_state. Open stays open until somebody asks */
    uint64_t mode;       /* an rl_breaker_mode */
    uint64_t generation; /* 1 at first */
    /* In the window, since it closed. Consecutive: the calls since then, and the failures and slow
     * calls in a row. Half-open: the probes reported. */
    uint64_t calls, failures, slow;
    uint64_t probes;       /* out now; 0 unless half-open */
    rl_time opened_at;     /* the last time; 0: never */
    rl_time open_until;    /* while it is open; else 0 */
    uint64_t times_opened; /* in all, also by force; likewise below */
    uint64_t refused;      /* said no to */
    uint64_t neutral;
    uint64_t late;
} rl_breaker_status;

/** RL_E_INVALID: a NULL pointer, no size, a breaker that was not started. Threads: any. */
RL_API rl_status rl_breaker_get(rl_breaker *breaker, rl_time now, rl_breaker_status *out);

#ifdef __cplusplus
}
#endif
#endif
