/* SPDX-License-Identifier: MIT */
/**
 * @file clock.h
 * Cheaper clocks, for a program that decides millions of times a second. Reading the system's clock
 * is three quarters of the cost of a decision; these read it once for many decisions, and say by
 * how much they may be off. A limiter is asked at the time that you give; how a context reads the
 * time, rl_hooks.now says.
 *
 *     rl_clock clock;
 *     if (rl_clock_init(&clock, RL_CLOCK_COARSE) != RL_OK) ...
 *     if (rl_limiter_take_with_clock(&limiter, 1, &clock, &retry_at) == RL_OK) send();
 */
#ifndef LLMRL_CLOCK_H
#define LLMRL_CLOCK_H

#include <llmrl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rl_clock_kind {
    /* What rl_hooks.now does by default: CLOCK_BOOTTIME, else CLOCK_MONOTONIC. Its error is 0. */
    RL_CLOCK_PRECISE = 0,
    /* The precise clock, read once in each tick of the kernel (1 to 10 ms); until the next tick
     * that reading stands. So it counts suspend and never steps back. It is never ahead, and at
     * most one tick behind. A tick that the kernel is late with, as where a host lends a virtual
     * processor to somebody else, is late here, too. */
    RL_CLOCK_COARSE = 1,
    /* The processor's time stamp counter: x86-64 where it is invariant, elsewhere precise. Until it
     * is calibrated (10 ms after the first reading), and for good when it has disagreed with the
     * precise clock again and again, it gives the precise clock. Both are compared once in each
     * millisecond of use, and after a pause before the counter is used again; there a reading may
     * be less than one before it, by rl_clock_error() at most. A counter that changes its pace or
     * jumps ahead (a virtual machine that moves to another host) is believed for 1 ms at most. */
    RL_CLOCK_TSC = 2
} rl_clock_kind;

/** Yours; the members are private. It must not move while another thread uses it. Nothing to free.
 */
typedef struct rl_clock {
    rl_time (*precise)(void *user);
    void *user;
    uint64_t kind;
    uint64_t revision;
    uint64_t line[4];
    uint64_t check[4];
} rl_clock;

/**
 * Starts a clock.
 * @param clock  not NULL; yours, written only on RL_OK.
 * @retval RL_E_INVALID  no such kind.
 * Threads: one, before the others see the clock.  Blocks: no.  Allocates: no.  Since: 0.1.
 */
RL_API rl_status rl_clock_init(rl_clock *clock, rl_clock_kind kind);

/** The time by this clock, on the scale of rl_hooks.now. Threads: any, at once too. */
RL_API rl_time rl_clock_now(rl_clock *clock);

/** The precise time, whatever the kind. Threads: any. */
RL_API rl_time rl_clock_precise(const rl_clock *clock);

/** What it is now: the kind it was started as, or RL_CLOCK_PRECISE where that one is not to be had
 * (any more, or yet). Threads: any. */
RL_API rl_clock_kind rl_clock_in_use(const rl_clock *clock);

/** By how much a reading may be off: 0; one tick, behind only; 3 us, either way. Threads: any. */
RL_API rl_duration rl_clock_error(const rl_clock *clock);

#ifdef __cplusplus
}
#endif
#endif
