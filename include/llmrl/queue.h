/* SPDX-License-Identifier: MIT */
/**
 * @file queue.h
 * The event-driven front, for programs with a loop of their own: submit, wait until there is
 * something to do, dispatch. It shares one queue, and one order, with the blocking calls.
 *
 *     rl_attempt_submit(rl, &request, &attempt, on_ready, self);
 *     ...
 *     in the loop: until rl_wait_fd(rl) is readable, or until rl_next_wakeup(rl), or until
 *     something happens, then
 *     rl_dispatch(rl);          calls on_ready() for all that may leave now
 */
#ifndef LLMRL_QUEUE_H
#define LLMRL_QUEUE_H

#include <llmrl/llmrl.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Called by rl_dispatch(), rl_attempt_cancel() or rl_close(), on that thread, once per submit,
 * with no lock held: it may call the library. attempt->permit is held if `ready` is 1; else it is
 * over: attempt->status. */
typedef void (*rl_attempt_fn)(rl_attempt *attempt, int ready, void *user);

/**
 * Asks for the next attempt without blocking: the event-driven form of rl_next_attempt(). Never
 * calls `fn` itself.
 *
 * @param request  borrowed for this call.
 * @param attempt  yours; must stay where it is until `fn` was called.
 * @retval RL_OK    queued (or ready): `fn` will be called exactly once.
 * @retval another  it is over; `fn` will not be called; attempt->status has the same value.
 * Threads: any.  Blocks: no.  Allocates: one small record, and some for a user of whom nobody waits
 * yet.  Since: 0.1.
 */
RL_API rl_status rl_attempt_submit(rl_context *rl, const rl_request *request, rl_attempt *attempt,
                                   rl_attempt_fn fn, void *user);

/** Takes a submitted attempt out of the queue: its `fn` is called now, with RL_E_CANCELLED.
 * One that was granted and not yet dispatched gives its permit back. RL_E_NOT_FOUND: it is not
 * queued (any more). Threads: any, at any moment while the attempt exists; of a cancellation and a
 * dispatch at once, one gets it. */
RL_API rl_status rl_attempt_cancel(rl_context *rl, rl_attempt *attempt);

/** When rl_dispatch() will next have something to do, if nothing happens before; RL_NEVER: nothing
 * is planned. A time in the past: at once. After each submit, answer or cancellation it may be
 * earlier. */
RL_API rl_time rl_next_wakeup(rl_context *rl);

/** Lets go all that may leave now, and tells those whose time is over. Returns how many callbacks
 * it made. */
RL_API size_t rl_dispatch(rl_context *rl);

/**
 * A descriptor for poll(2), epoll, libuv, libevent or glib: readable when rl_dispatch() has
 * something to do, which also makes it unreadable again. Do not read from it. The context's, closed
 * by rl_close(); made at the first call. -1: there are no descriptors left.
 *
 * On Linux it is a timer and tells of planned times, too, on the system's clock or, with a clock of
 * your own, after as long as that one has to go now. Elsewhere it only tells that rl_next_wakeup()
 * has become earlier: give that to poll(2) as the timeout. A signal may end poll(2) with EINTR:
 * call it again, nothing is lost. Threads: any. Since: 0.2.
 */
RL_API int rl_wait_fd(rl_context *rl);

/** The context's clock. */
RL_API rl_time rl_now(const rl_context *rl);

#ifdef __cplusplus
}
#endif
#endif
