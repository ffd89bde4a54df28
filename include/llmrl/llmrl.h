/* SPDX-License-Identifier: MIT */
/**
 * @file llmrl.h
 * The front page. Open a context, ask it before each request, tell it what came back:
 *
 *     rl_context *rl = NULL;
 *     rl_options options = RL_OPTIONS_INIT;
 *     options.config_path = "limits.json";             // or none: what the answers teach
 *     if (rl_open(&options, &rl) != RL_OK) ...
 *
 *     rl_request request = RL_REQUEST_INIT;
 *     request.provider = "openai";  request.model = "gpt-4o-mini";
 *     request.input_tokens = rl_estimate_tokens(rl, "gpt-4o-mini", prompt, strlen(prompt));
 *     request.max_output_tokens = 500;
 *
 *     rl_permit permit;
 *     if (rl_acquire(rl, &request, &permit) == RL_OK) {
 *         ... send it with any HTTP client ...
 *         rl_verdict verdict;
 *         rl_observe_response(rl, &permit, &response, &verdict);
 *     }
 */
#ifndef LLMRL_LLMRL_H
#define LLMRL_LLMRL_H

#include <llmrl/base.h>
#include <llmrl/breaker.h>
#include <llmrl/estimate.h>
#include <llmrl/limiter.h>
#include <llmrl/provider.h>
#include <llmrl/retry.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rl_context rl_context;

/**
 * Counts the tokens of a text with a tokenizer of your own; rl_estimate_tokens() asks it.
 *
 * @param model   not NULL; "" where none was named. Borrowed for the call, as is the text.
 * @param text    not NULL; `length` bytes, not terminated, perhaps no UTF-8.
 * @return        the tokens; RL_NEVER: this model is not yours, so it is estimated.
 *
 * Called from any thread that calls rl_estimate_tokens(), from several at once, and with no lock
 * held. It must not call into the context that it was asked by.
 */
typedef uint64_t rl_token_counter(void *user, const char *model, const char *text, size_t length);

/** What an answer changed; and what was chosen. */
typedef enum rl_event_kind {
    RL_EVENT_LIMIT_DETECTED = 1, /* a limit that nobody had named */
    RL_EVENT_LIMIT_CHANGED,      /* the provider's number is another now */
    RL_EVENT_LIMIT_SLOWED,   /* refused although our books said yes: a share of it is given up */
    RL_EVENT_LIMIT_RESTORED, /* some of that share is back */
    RL_EVENT_GATE_CLOSED,    /* nothing leaves until `until` */
    RL_EVENT_LIMIT_RAISED,  /* one that is searched for: it held us back, and nothing was refused */
    RL_EVENT_LIMIT_DROPPED, /* one that is searched for is needed no more */
    RL_EVENT_ROUTE_CHOSEN   /* of several routes, for an attempt that leaves now */
} rl_event_kind;

/** One event. The pointers are borrowed for the call. */
typedef struct rl_event {
    size_t size;        /* sizeof(rl_event), of the library */
    const char *name;   /* "rate_limit_detected", "rate_limit_changed", "rate_limit_slowed",
                         * "rate_limit_restored", "gate_closed", "rate_limit_raised",
                         * "rate_limit_dropped", "route_chosen" */
    const char *scope;  /* "openai", "openai/gpt-4o-mini"; of a route "openai#key/gpt-4o-mini" */
    const char *why;    /* one sentence */
    uint32_t kind;      /* an rl_event_kind */
    uint32_t dimension; /* an rl_dimension; of a gate or a route: RL_REQUESTS */
    uint64_t before;    /* units per period; 0: there was none */
    uint64_t limit;     /* now; of one that is slowed or restored: the pace, in units per period */
    rl_duration period;
    rl_time until; /* of a gate; of a route: when `instead` could have started, if it is the first
                    * of the chain and that is known; else 0 */
    /* Of a choice: what was taken, and in route->reason why; else NULL. */
    const struct rl_route *route;
    /* What would have been taken if all were well: the first of the chain, or the one whose answer
     * failed. NULL: none goes before the one that was taken. */
    const struct rl_route *instead;
} rl_event;

/** Everything has a default; zero means the default. */
typedef struct rl_options {
    size_t size;             /* set by RL_OPTIONS_INIT */
    const char *config_path; /* a JSON file, read once by rl_open(); NULL: none. See config.h */
    const char
        *config_json; /* the same as text, instead of a path; NULL: none. Both is RL_E_INVALID */
    const rl_hooks *hooks; /* copied; NULL: the defaults of base.h */
    char *error; /* where a failing rl_open() writes what is wrong and where; NULL: nowhere */
    size_t error_size;
    /* Algorithms of your own, which the configuration may name; ended by a NULL, borrowed until
     * rl_close(). NULL: none. */
    const rl_algorithm *const *algorithms;
    /* Has the last word on what is worth another try, as in rl_retry_policy: gets what the library
     * would do (an rl_action) and gives what to do. It cannot lift a bound. Called by whoever
     * reports an answer, no lock held; it must not call the context. NULL: nobody is asked. */
    uint64_t (*classify)(void *user, const rl_retry_result *result, uint64_t action);
    void *classify_user;            /* borrowed until rl_close() */
    rl_token_counter *count_tokens; /* a tokenizer of your own; NULL: estimates */
    void *count_tokens_user;        /* handed to it; must live as long as the context */
    /* Called for what answers change, on the thread that brought the answer, and for the choice
     * among several routes, on the thread that learns of it, before the attempt begins. No lock is
     * held; it may call the library, but for rl_close(). NULL: nobody wants to know. */
    void (*on_event)(void *user, const rl_event *event);
    void *event_user;
} rl_options;

static inline rl_options rl_options_init_(void)
{
    rl_options options = RL_ZERO_;
    options.size = sizeof options;
    return options;
}
#define RL_OPTIONS_INIT rl_options_init_()

/**
 * Opens a context: one for a program is usual, several never meet.
 *
 * @param options  NULL: all defaults. Borrowed for the call.
 * @param out      not NULL; set to NULL on failure. Yours: give it to rl_close().
 * @retval RL_E_CONFIG   the file is wrong: options->error names the place.
 * @retval RL_E_IO       the file could not be read.
 * @retval RL_E_INVALID, RL_E_NOMEM, RL_E_TOO_NEW.
 * Threads: any.  Blocks: while the file is read.  Since: 0.1.
 */
RL_API rl_status rl_open(const rl_options *options, rl_context **out);

/**
 * Closes it. Whoever waits gets RL_E_CLOSED, submitted requests through their callback, here; then
 * blocked threads are waited for. No other call may begin once this one has. NULL is fine. Permits
 * that have not ended are a warning in the log, with their number and model: some may be forgotten.
 *
 * A child of fork() must not use the context, as the threads that hold its locks are the parent's.
 * There this does nothing, and calls return RL_E_INVALID (0, -1 or RL_NEVER where they return no
 * status) and change nothing; what only reads what never changes, as rl_now() and
 * rl_estimate_tokens(), answers as ever. A context of the child's own is as good as any.
 *
 * To see that costs a load: the context keeps one page of memory, not of the memory hook's, that
 * Linux (since 4.14) hands to the child empty. Elsewhere it costs a system call, and there
 * rl_try_acquire(), an rl_acquire() that need not wait, rl_settle(), rl_cancel(),
 * rl_scope_resolve() and rl_stats_get() do not look: they count in a copy that nobody shares, and
 * may hang where users, organisations or API keys have limits.
 */
RL_API void rl_close(rl_context *rl);

/** Whose limits a request passes, resolved once by rl_scope_resolve(). Yours; the members are
 * private. It may be copied, and used by any number of threads at once. */
typedef struct rl_scope {
    uint64_t private_[8];
} rl_scope;

/** Levels of priority. By default they are strict: whoever could go, and is of a higher one, goes
 * before all of a lower one, but for those who have waited for others longer than "max_age_ms" of
 * the configuration's "queue" allows. With "priorities": "weighted" a high one gets twice the share
 * of a normal one, and that twice the share of a low one. */
typedef enum rl_priority {
    RL_PRIORITY_HIGH = 64,
    RL_PRIORITY_NORMAL = 128,
    RL_PRIORITY_LOW = 192
} rl_priority;

/** For cancelling one blocked call from another thread. Zeroed before its first use; for one
 * request. It must stay where it is until the call is back. */
typedef struct rl_ticket {
    uint64_t private_[2];
} rl_ticket;

/** How far a request may go from what it names. Whoever allows anything sends each attempt as
 * rl_attempt.route says. */
typedef enum rl_fallback {
    RL_FALLBACK_OFF = 0, /* the named provider and model; its "keys" are not looked at */
    RL_FALLBACK_ON = 1,  /* any key of the provider, and what "fallback" names behind it */
    RL_FALLBACK_KEYS = 2 /* any key of the provider, but the named model alone */
} rl_fallback;

/** What asks to leave. */
typedef struct rl_request {
    size_t size;                /* set by RL_REQUEST_INIT */
    const char *provider;       /* as in the configuration; not NULL, 1 ... 128 bytes */
    const char *model;          /* NULL or "": the provider as a whole; at most 256 bytes */
    uint64_t input_tokens;      /* of the prompt, estimated; see rl_estimate_tokens() */
    uint64_t max_output_tokens; /* the declared cap; 0: none declared, so the provider's default is
                                   assumed */
    uint64_t max_wait_ms;       /* in the queue; 0: the configured default; RL_NEVER: no bound */
    uint64_t deadline_ms; /* for everything, counted from the first call; 0 or RL_NEVER: none */

    /* Whose request it is: ids of 1 ... 512 bytes, any but NUL; NULL: nobody's, so that no limits
     * of that kind apply. Nothing but a keyed hash is kept of them. */
    const char *user;
    const char *organisation;
    const char *api_key; /* of your own callers, not the provider's */
    const char
        *user_tier;  /* he has this one from now on, unless a change of the configuration names
                        another for him; NULL: the one that he has, "default" at first */
    uint64_t images; /* to be made or read; at most 255 */
    uint64_t nano_dollars; /* what it will cost, at most; 0: limits of money pass it by */

    /* NULL, or whose it is, instead of provider, model and the ids above, which are not looked at
     * then; borrowed for the call. */
    const rl_scope *scope;

    /* Where it stands among those who wait: */
    uint64_t priority; /* 1, the first, ... 255, the last; an rl_priority, or any between; 0:
                          normal. A larger number leaves later, as with nice(1) */
    const char
        *fair_key;     /* with whom it shares its share, 1 ... 512 bytes; NULL: with its user's */
    rl_ticket *ticket; /* NULL, or by which another thread may cancel the waiting */

    /* By which routes an attempt of it may leave; see rl_attempt.route. Other calls than those of
     * attempts, and requests with a `scope`, know the named provider and model alone. */
    uint64_t allow_fallback; /* an rl_fallback; 0: only as named */
    const char *affinity;    /* whose conversation it is, 1 ... 512 bytes: it keeps its key, and the
                                provider's prompt cache, where that can start soon; NULL: nobody's */
} rl_request;

static inline rl_request rl_request_init_(void)
{
    rl_request request = RL_ZERO_;
    request.size = sizeof request;
    return request;
}
#define RL_REQUEST_INIT rl_request_init_()

/**
 * Finds whose limits `request` passes, so that later requests need not look it up by names. It
 * follows every change of the configuration.
 *
 * @param request  not NULL; its names and ids count, and must be as for rl_acquire().
 * @param scope    not NULL; yours, good until rl_close().
 * The statuses are those of rl_try_acquire() for names that cannot be used.
 * Threads: any.  Blocks: no.  Allocates: when a provider or model is new.  Since: 0.2.
 */
RL_API rl_status rl_scope_resolve(rl_context *rl, const rl_request *request, rl_scope *scope);

/** The grant: what was reserved, and from where. Yours, on the stack if you like; the members up to
 * the line are for reading. It ends once: by rl_observe_response(), rl_settle() or rl_cancel(). Do
 * not copy it. */
typedef struct rl_permit {
    rl_time granted_at; /* RL_OK: when it was granted */
    rl_time retry_at;   /* no RL_OK: the earliest useful time; RL_NEVER: none is known */
    uint64_t reserved_tokens;
    /* ---- */
    uint64_t private_[13];
} rl_permit;

/**
 * Waits until every limit that covers `request` allows it, then takes from all of them at once.
 *
 * A call that does not return RL_OK has taken nothing anywhere. Those who wait leave by
 * priority; of one priority each user gets a fair share, by cost and the weight of the user's tier;
 * of one user they leave in order of arrival. Waiters that different limits hold back do not wait
 * for each other.
 *
 * Neither a signal nor a wake-up for no reason ends the waiting; a handler runs meanwhile, and must
 * not call the library. A permit is no lock: one of low priority, however long it is held, keeps
 * nobody from asking, and what it gives back goes to the first in order, whichever thread wakes.
 *
 * @param request  not NULL; borrowed for this call, nothing in it is kept.
 * @param permit   not NULL; yours, written on every return.
 * @retval RL_OK            send it now.
 * @retval RL_E_TIMEOUT     max_wait_ms passed, or the earliest start is known to lie beyond it.
 * @retval RL_E_DEADLINE    the same for deadline_ms.
 * @retval RL_E_TOO_LARGE   more than a whole limit: no waiting will ever help.
 * @retval RL_E_QUEUE_FULL  as many wait as queue.max_size (or "max_size_per_provider", or
 * "max_size_per_user") allows.
 * @retval RL_E_DROPPED     it waited, and had to make room for another ("when_full").
 * @retval RL_E_CANCELLED   by rl_ticket_cancel() or rl_cancel_user().
 * @retval RL_E_NOT_FOUND   there is no such user_tier.
 * @retval RL_E_TABLE_FULL  too many providers or models, or as many users (organisations, keys)
 * have used some of their limits as "max_count" allows.
 * @retval RL_E_CLOSED, RL_E_INVALID, RL_E_NOMEM.
 * Threads: any, at once too.  Blocks: up to max_wait_ms.  Allocates: only when a provider, a model
 * or a user is new. Since: 0.1.
 */
RL_API rl_status rl_acquire(rl_context *rl, const rl_request *request, rl_permit *permit);

/** Ends the waiting with that ticket: the call returns RL_E_CANCELLED. RL_E_NOT_FOUND: nothing
 * waits with it; what would later is refused likewise, what was granted already stays. Threads:
 * any. */
RL_API rl_status rl_ticket_cancel(rl_context *rl, rl_ticket *ticket);

/** Ends all that wait for that user, with RL_E_CANCELLED: blocked calls return, of submitted
 * attempts the next rl_dispatch() tells. Returns how many. Threads: any. */
RL_API size_t rl_cancel_user(rl_context *rl, const char *user);

/** As rl_acquire() without waiting: RL_WAIT instead, with permit->retry_at. It does not overtake
 * those who wait, but for those of a lower priority. */
RL_API rl_status rl_try_acquire(rl_context *rl, const rl_request *request, rl_permit *permit);

/** What an answer means for the request. */
typedef struct rl_verdict {
    uint32_t action;  /* an rl_action */
    uint32_t outcome; /* an rl_outcome */
    rl_status status; /* RL_OK, or with RL_GIVE_UP the reason */
    uint32_t http;    /* the HTTP status; 0: none */
    rl_time retry_at; /* earliest useful time, also with RL_GIVE_UP; RL_NEVER: none is known */
    rl_answer answer; /* all that was read */
} rl_verdict;

/**
 * Tells what came back: learns the limits it reports, closes the gate on a refusal, settles the
 * permit with the usage, and decides what happens next.
 *
 * @param permit   not NULL; ends here.
 * @param verdict  NULL: not wanted. It speaks of this answer alone, not of how often one has tried.
 * @retval RL_E_ENDED  the permit had ended before: the answer was read, nothing was settled.
 * Threads: any.  Blocks: no.  Allocates: only while a JSON body is read.  Since: 0.1.
 */
RL_API rl_status rl_observe_response(rl_context *rl, rl_permit *permit, const rl_response *response,
                                     rl_verdict *verdict);

/**
 * What follows from an answer alone, as rl_observe_response() would say: without a context, and
 * without a bound on how long a hint may be.
 *
 * @param answer       not NULL; as rl_answer_read() wrote it.
 * @param http_status  0: none came.
 * @param failure      an rl_failure.
 * @param now          what retry_at counts from.
 * @param verdict      not NULL; written on every return but the first one below.
 * @retval RL_E_INVALID  a NULL pointer.
 * Threads: any.  Blocks: no.  Allocates: no.  Since: 0.2.
 */
RL_API rl_status rl_verdict_of(const rl_answer *answer, uint64_t http_status, uint64_t failure,
                               rl_time now, rl_verdict *verdict);

/** Ends a permit with the true usage, when there is no answer to show. Members not in usage->has
 * count as reserved. RL_E_ENDED if it had ended before. */
RL_API rl_status rl_settle(rl_context *rl, rl_permit *permit, const rl_usage *usage);

/** Ends a permit whose request was never sent: everything is given back. RL_E_ENDED as above. */
RL_API rl_status rl_cancel(rl_context *rl, rl_permit *permit);

/**
 * Estimates the tokens in a text, by the script it is written in and the family of the model, or
 * asks options.count_tokens. Rather too many than too few: README says how near it comes. Never
 * reads past `length`; invalid UTF-8 counts byte by byte. An estimate is never more than a token
 * per byte, and 0 for an empty text only. Images, and what messages and tools cost beside their
 * texts: estimate.h.
 *
 * @param rl     NULL: without a tokenizer of yours.
 * @param model  as in a request; NULL or not known: the highest of all families.
 * @param text   NULL: 0.
 * Threads: any.  Blocks: no.  Allocates: no.  Since: 0.1.
 */
RL_API uint64_t rl_estimate_tokens(const rl_context *rl, const char *model, const char *text,
                                   size_t length);

/** Why a route was chosen. "Soon" is within "stay_within_ms" of the configuration's "fallback". */
typedef enum rl_route_reason {
    RL_ROUTE_ASKED = 0, /* the request names it, and there is no other */
    RL_ROUTE_FIRST,     /* the first of its chain: it can start soon */
    RL_ROUTE_WEIGHT,    /* of several keys that can start at once, by their weights */
    RL_ROUTE_AFFINITY,  /* the conversation is at home there, and it can start soon */
    RL_ROUTE_EARLIEST,  /* the first of the chain could not start soon: this one starts earliest */
    RL_ROUTE_NEXT,      /* others failed, and it was not tried since */
    RL_ROUTE_AGAIN      /* all others failed, or would start later: a further round begins */
} rl_route_reason;

/** "first", "weight", ...; static, never NULL. */
RL_API const char *rl_route_reason_name(uint64_t reason);

/** The way an attempt takes. The strings are the context's, good until rl_close(). */
typedef struct rl_route {
    const char *provider;    /* as in the request, or in the configuration's "fallback" */
    const char *model;       /* ""; none was named */
    const char *key;         /* which of the provider's "keys"; NULL: it has none, or none was
                              * chosen */
    const char *base_url;    /* as configured, of the key or of its provider; NULL: not said */
    const char *api_key_env; /* where the program finds the key itself; NULL: not said */
    uint64_t reason;         /* an rl_route_reason */
} rl_route;

/**
 * One request's whole way: admission, back-off, retries. In the usual loop:
 *
 *     rl_attempt attempt = RL_ATTEMPT_INIT;
 *     while (rl_next_attempt(rl, &request, &attempt)) {
 *         ... send with a timeout of attempt.timeout_ms ...
 *         rl_attempt_done(rl, &attempt, &response);
 *     }
 *     if (attempt.status != RL_OK)
 *         fputs(rl_explain(&attempt, text, sizeof text), stderr);
 */
typedef struct rl_attempt {
    size_t size;         /* set by RL_ATTEMPT_INIT */
    rl_status status;    /* how it ended; RL_WAIT: not yet */
    uint32_t number;     /* attempts begun: 1 for the first */
    uint64_t timeout_ms; /* what the deadline leaves for this attempt; RL_NEVER: no deadline */
    rl_time
        retry_at; /* the earliest useful time, when it failed and that is known; else RL_NEVER */
    rl_verdict verdict; /* of the last answer */
    rl_permit permit;   /* of the attempt under way */
    rl_route route;     /* by which it leaves, left, or was last to leave; all zero before */
    uint64_t private_[24];
} rl_attempt;

static inline rl_attempt rl_attempt_init_(void)
{
    rl_attempt attempt = RL_ZERO_;
    attempt.size = sizeof attempt;
    attempt.status = RL_WAIT;
    attempt.retry_at = RL_NEVER;
    return attempt;
}
#define RL_ATTEMPT_INIT rl_attempt_init_()

/**
 * Waits until the next attempt may leave: for limits, the back-off, and a circuit breaker if the
 * configuration gives the provider one. What cannot be kept within the request's longest wait or
 * deadline ends at once, of a breaker with RL_E_CIRCUIT_OPEN; attempt->retry_at is the time.
 *
 * Where the request allows fallback and the configuration has several routes for it, this chooses
 * one: send by attempt->route. The same amounts are reserved on each. It looks for a better one
 * again, some times, when its turn does not come as was expected. Those whose answers failed are
 * left until all others have been tried, too; those that refused for good (quota, key, no such
 * model) for the rest of this request.
 *
 * @return 1: send now; then call rl_attempt_done(). 0: it is over, attempt->status says how. An
 * int, as C and C++ differ about bool. Threads: any, one per attempt.  Blocks: as the request
 * allows.
 */
RL_API int rl_next_attempt(rl_context *rl, const rl_request *request, rl_attempt *attempt);

/** Tells how an attempt went: rl_observe_response(), and the decision whether there is a next one.
 */
RL_API rl_status rl_attempt_done(rl_context *rl, rl_attempt *attempt, const rl_response *response);

/** Bounds this one request's attempts, instead of the configured retry.max_attempts; refusals count
 * then, too. To be called before the first attempt. 0: as configured. */
RL_API void rl_attempt_limit(rl_attempt *attempt, uint64_t max_attempts);

/** Ends an attempt early: its permit is given back as unsent. Harmless when it is over. */
RL_API void rl_attempt_abandon(rl_context *rl, rl_attempt *attempt);

/** How an attempt ended, or stands, as one sentence with its numbers. Returns `text`, always
 * terminated. */
RL_API const char *rl_explain(const rl_attempt *attempt, char *text, size_t size);

/** How the circuit breaker of a provider stands; see "circuit_breaker" in config.h.
 * @retval RL_E_NOT_FOUND  the configuration gives it none.
 * @retval RL_E_INVALID    a NULL pointer, no size, a bad name. RL_E_TABLE_FULL, RL_E_NOMEM. */
RL_API rl_status rl_circuit_get(rl_context *rl, const char *provider, rl_breaker_status *out);
/** Takes it in hand, or gives it back: `mode` is an rl_breaker_mode. Who waits already looks again
 * when planned. The statuses are those above. Threads: any. */
RL_API rl_status rl_circuit_force(rl_context *rl, const char *provider, uint64_t mode);

/** Counters since rl_open(), and what is going on now. */
typedef struct rl_stats {
    size_t size;        /* set by the caller: sizeof(rl_stats) */
    uint64_t granted;   /* permits */
    uint64_t waiting;   /* now, in the queue */
    uint64_t in_flight; /* permits not ended now */
    uint64_t answers;   /* observed */
    uint64_t successes;
    uint64_t refusals;                    /* 429 and its like */
    uint64_t errors;                      /* all other failures */
    uint64_t retries;                     /* decided by the attempt iterator */
    uint64_t input_tokens, output_tokens; /* reported by the answers */
    uint64_t ignored;                     /* values in answers that could not be believed */
    uint64_t limits_learned;              /* limits found or changed by answers */
    uint64_t retries_over_budget;         /* not made, as retry.budget was used up */
    uint64_t leases_ended; /* slots of pools taken back, as their permits were held for too long */
    uint64_t fallbacks;    /* attempts that left for another provider or model than was asked for */
} rl_stats;

/** Threads: any. */
RL_API rl_status rl_stats_get(const rl_context *rl, rl_stats *stats);

/** One limit in force. */
typedef struct rl_limit_status {
    char scope[160];    /* "global", "openai", "openai/gpt-4o-mini" */
    uint32_t dimension; /* an rl_dimension */
    uint32_t source;    /* an rl_source */
    rl_duration period;
    rl_level level;
    rl_time closed_until;  /* the gate of the scope; 0: open */
    uint64_t shadow;       /* 1: it measures, and never holds back */
    uint64_t would_refuse; /* requests that it would have held back, in shadow mode */
    char algorithm[24];    /* "token_bucket" */
    char origin[64]; /* where the number comes from, in words: "file", "answers", "adaptive", or a
                      * built-in table with its date; ", adaptive" where refusals have lowered the
                      * pace */
    uint64_t amount; /* as set or reported. level.limit is what is in force: less where it is kept
                      * with a margin */
    uint64_t guess;  /* 1: a built-in table's, for want of a "tier"; it holds nobody back, and goes
                      * when an answer says better */
} rl_limit_status;

/** Where a number comes from. */
typedef enum rl_source {
    RL_SOURCE_CONFIG = 1,
    RL_SOURCE_ANSWER = 2,
    RL_SOURCE_TABLE = 3,   /* built in: see rl_limit_status.origin */
    RL_SOURCE_CALL = 4,    /* set by the program */
    RL_SOURCE_ADAPTIVE = 5 /* nobody names it: searched for by what is refused; see "adaptive" in
                            * config.h */
} rl_source;

/**
 * Lists the limits in force, the outermost scope first.
 * @param count  in: room in `out`; out: how many there are, which may be more.
 */
RL_API rl_status rl_limits_get(rl_context *rl, rl_limit_status *out, size_t *count);

/**
 * The limits that `request` would have to pass, and what is left in each: the provider's and the
 * model's, then those of its organisation, API key and user. Reserves nothing; a user who was never
 * seen has all of his. Each limit is read at once, the list one after the other.
 * @param count  in: room in `out`; out: how many there are, which may be more.
 * The statuses are those of rl_try_acquire() for a bad request.
 * Threads: any.  Blocks: no.  Since: 0.2.
 */
RL_API rl_status rl_limits_of(rl_context *rl, const rl_request *request, rl_limit_status *out,
                              size_t *count);

/**
 * Gives a fresh start: as if the organisation, API key and user that `request` names had used
 * nothing yet; if it names none of them, its model; if it names no model either, its provider.
 * Requests under way count no more, but for what they use beyond their reservations.
 * Threads: any.  Since: 0.2.
 */
RL_API rl_status rl_limits_reset(rl_context *rl, const rl_request *request);

#ifdef __cplusplus
}
#endif
#endif
