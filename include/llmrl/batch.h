/* SPDX-License-Identifier: MIT */
/**
 * @file batch.h
 * Many small items, few calls: collects items until enough are there or the first one has waited
 * long enough, hands them to your function as one batch, and gives each item its own result. Usable
 * without a context.
 *
 * With threads, each of which has one item and wants its result:
 *
 *     options.run = embed;                     // calls the provider, then rl_batch_done()
 *     rl_batcher_new(&options, &batcher);
 *     ...
 *     rl_batcher_submit_and_wait(batcher, &text, tokens, &vector);   // from any thread
 *
 * With a loop of your own:
 *
 *     rl_batcher_add(batcher, item, tokens, now, NULL, &next);   // sleep in your loop until `next`
 *     ...
 *     rl_batcher_dispatch(batcher, now);       // calls options.run for each batch that is due
 *     ...
 *     rl_batch_done(&batch, results, NULL, count);   // calls options.ended once for each item
 *     next = rl_batcher_next(batcher);
 *
 * A batch is due when it is full (as many items as fit, or the next one would pass the bound of
 * tokens), or when its first item has waited for max_wait. What arrived meanwhile and fills no
 * batch stays until one of these holds for it, too. Batches keep the order of arrival; none passes
 * max_items or max_tokens. Nobody waits longer than max_wait before being handed over, if somebody
 * dispatches at the times that rl_batcher_next() tells, but where max_in_flight batches are on
 * their way already: then until one of them ends.
 *
 * A child of fork() must not use the batcher: there, all that returns a status returns
 * RL_E_INVALID, and nothing else does anything.
 *
 * No thread is started, and no lock is held while `run` or `ended` is called: they may call the
 * batcher. All memory is taken by rl_batcher_new().
 */
#ifndef LLMRL_BATCH_H
#define LLMRL_BATCH_H

#include <llmrl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rl_batcher rl_batcher;

/** What one call of rl_batcher_dispatch() hands over. Copy it where the call outlives `run`. */
typedef struct rl_batch {
    rl_batcher *batcher;
    uint64_t id;
    void *const *items; /* in order of arrival; the array is the batcher's until the batch ends */
    size_t count;
    uint64_t tokens; /* of all of them */
} rl_batch;

/** Whose fault a failure is. */
typedef enum rl_batch_blame {
    /* It concerns all: a rate limit, a wrong key, no network. */
    RL_BATCH_BLAME_ALL = 0,
    /* One item or some of them are to blame, and it is not known which: the batch is halved. */
    RL_BATCH_BLAME_ITEM = 1
} rl_batch_blame;

/** Does the work, and ends the batch once: at once or later, on this thread or another one. */
typedef void (*rl_batch_run_fn)(const rl_batch *batch, void *user);

/** Called once for each item that was added, whatever happens; from then on the item is yours
 * again. `result` is what rl_batch_done() was given for it; NULL if `status` is not RL_OK. */
typedef void (*rl_batch_ended_fn)(void *item, rl_status status, void *result, void *user);

typedef struct rl_batcher_options {
    size_t size;                 /* set by RL_BATCHER_OPTIONS_INIT */
    const rl_hooks *hooks;       /* copied; NULL: the defaults */
    rl_batch_run_fn run;         /* not NULL */
    rl_batch_ended_fn ended;     /* NULL: only rl_batcher_submit_and_wait() is used */
    void *user;                  /* handed to both; borrowed */
    uint64_t max_items;          /* of a batch; 0: 10; at most 65 536 */
    uint64_t max_tokens;         /* of a batch; 0: no bound */
    rl_duration max_wait;        /* 0: 100 ms; RL_NEVER: until a batch is full, or flushed */
    uint64_t max_in_flight;      /* batches; 0: 1; at most 1024 */
    uint64_t max_waiting;        /* items; 0: 1024, or max_items if that is more; at most 2^20 */
    uint64_t max_waiting_tokens; /* 0: no bound */
} rl_batcher_options;

static inline rl_batcher_options rl_batcher_options_init_(void)
{
    rl_batcher_options options = RL_ZERO_;
    options.size = sizeof options;
    return options;
}
#define RL_BATCHER_OPTIONS_INIT rl_batcher_options_init_()

/**
 * Makes a batcher.
 * @param options  not NULL; borrowed for this call.
 * @param out      not NULL; written on every return: NULL but for RL_OK.
 * @retval RL_E_INVALID  no function, a number out of range, or fewer items or tokens may wait than
 *                       fill a batch.
 * @retval RL_E_TOO_NEW  the options have fields that this library does not know.
 * @retval RL_E_NOMEM    nothing was made.
 * Threads: any.  Blocks: no.  Allocates: all that it will ever need.  Since: 0.1.
 */
RL_API rl_status rl_batcher_new(const rl_batcher_options *options, rl_batcher **out);

/**
 * Adds an item. Never calls `run` or `ended` itself.
 *
 * @param item    yours; the batcher only carries it. Must stay until its `ended` was called.
 * @param tokens  0 is fine.
 * @param now     on the clock of rl_hooks.now, or any clock that all calls share. A time before one
 *                that was told already counts as that one.
 * @param ticket  for rl_batcher_cancel(); NULL: not wanted; 0 but for RL_OK.
 * @param next    as rl_batcher_next(), at or before `now` if a batch is due; NULL: not wanted.
 * @retval RL_OK            `ended` will be called exactly once.
 * @retval RL_E_TOO_LARGE   more tokens than any batch, or all that wait, may have.
 * @retval RL_E_QUEUE_FULL  as many items or tokens wait as may wait.
 * @retval RL_E_CLOSED      the batcher is closing.
 * @retval RL_E_INVALID     options.ended is NULL: nobody could be told.
 * Threads: any, at once too.  Blocks: no.  Allocates: no.  Since: 0.1.
 */
RL_API rl_status rl_batcher_add(rl_batcher *batcher, void *item, uint64_t tokens, rl_time now,
                                uint64_t *ticket, rl_time *next);

/** When rl_batcher_dispatch() will next have something to do, if nothing happens before; 0: at
 * once; RL_NEVER: nothing is planned, as where max_in_flight batches are on their way. After each
 * add, flush, close and end of a batch it may be earlier. Threads: any. */
RL_API rl_time rl_batcher_next(rl_batcher *batcher);

/** Hands over all batches that are due, as long as no more than max_in_flight are on their way:
 * calls `run` for each. Returns how many. Threads: any, at once too. */
RL_API size_t rl_batcher_dispatch(rl_batcher *batcher, rl_time now);

/** Makes all that waits now due at once, full or not. Threads: any. */
RL_API void rl_batcher_flush(rl_batcher *batcher);

/**
 * Takes an item back.
 * @retval RL_OK           it waited; `ended` was called, with RL_E_CANCELLED, before this returns.
 * @retval RL_WAIT         it is on its way; its result will be dropped. `ended` is called with
 *                         RL_E_CANCELLED when its batch ends, as until then `run` may look at it.
 * @retval RL_E_NOT_FOUND  it has ended, or is being told so on another thread.
 * Threads: any.  Blocks: no.  Since: 0.1.
 */
RL_API rl_status rl_batcher_cancel(rl_batcher *batcher, uint64_t ticket);

/**
 * Ends a batch that succeeded: each item gets the result at its index. Calls `ended` for each; does
 * not hand over another batch: ask rl_batcher_next() again.
 *
 * @param results   as many as batch->count; the batcher only carries them. NULL: all are NULL.
 * @param statuses  one for each item, where some failed and it is known which; NULL: all RL_OK.
 * @param count     must be batch->count. If it is not, nobody knows whose result is missing: all
 *                  items end with RL_E_TRANSPORT ("no usable answer").
 * @retval RL_E_INVALID  the count is wrong; the batch has ended all the same.
 * @retval RL_E_ENDED    this batch has ended before; nothing happened.
 * Threads: any.  Blocks: no, but for what `ended` does.  Allocates: no.  Since: 0.1.
 */
RL_API rl_status rl_batch_done(const rl_batch *batch, void *const *results,
                               const rl_status *statuses, size_t count);

/**
 * Ends a batch that failed. With RL_BATCH_BLAME_ITEM and more than one item left in it, nobody is
 * told yet: both halves become batches of their own, due at once and before all others, until the
 * items to blame stand alone. A batch of n items with b of them to blame takes 1 + 2b x
 * ceil(log2 n) calls of `run` at most, and never more than 2n - 1. After
 * rl_batcher_close(RL_BATCHER_DROP) nothing is halved.
 *
 * @param status  what the items are told; negative.
 * @retval RL_E_INVALID  no such failure or blame; nothing happened.
 * @retval RL_E_ENDED    this batch has ended before; nothing happened.
 * Threads: any.  Blocks: no, but for what `ended` does.  Allocates: no.  Since: 0.1.
 */
RL_API rl_status rl_batch_fail(const rl_batch *batch, rl_status status, rl_batch_blame blame);

/**
 * Adds an item and waits until it has ended; `ended` is not called for it. Waiting threads do the
 * dispatching: one of them sleeps until the next batch is due, and `run` is called on one of them.
 * A `run` that ends its batch later, on another thread, is fine, too.
 *
 * @param result  not NULL; what rl_batch_done() was given for this item; NULL but for RL_OK.
 * @return what the item was told, or a status of rl_batcher_add(); or RL_E_NOMEM.
 * Threads: any, at once too.  Blocks: until the item's batch has ended.  Allocates: no.  Since:
 * 0.1.
 */
RL_API rl_status rl_batcher_submit_and_wait(rl_batcher *batcher, void *item, uint64_t tokens,
                                            void **result);

typedef enum rl_batcher_close_how {
    RL_BATCHER_FLUSH = 0, /* all that waits is due at once */
    RL_BATCHER_DROP = 1   /* all that waits ends now, with RL_E_CLOSED */
} rl_batcher_close_how;

/** Takes no more items. Batches on their way end as ever. May be called again: flush, and drop when
 * that takes too long. Threads: any. */
RL_API void rl_batcher_close(rl_batcher *batcher, rl_batcher_close_how how);

/** How many items were added and have not ended. Threads: any. */
RL_API uint64_t rl_batcher_left(rl_batcher *batcher);

/** Closes (RL_BATCHER_DROP), then gives the memory back: as soon as the last batch on its way has
 * ended and the last blocked thread has left, so it never blocks. NULL is fine. Threads: one, the
 * last to call anything but rl_batch_done() and rl_batch_fail(). */
RL_API void rl_batcher_free(rl_batcher *batcher);

#ifdef __cplusplus
}
#endif
#endif
