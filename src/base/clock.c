/* SPDX-License-Identifier: MIT */
/*
 * The default clocks, and the cheap ones. Only this file and provider/ know the calendar.
 *
 * A cheap clock's line is read by anybody and written by one: the odd revision is his lock, and who
 * finds it taken reads the precise clock instead of waiting. The orders are those of
 * limiter/limiter.c.
 */
#include "base/arith.h"
#include "base/atomic.h"
#include "base/cheap_clock.h"
#include "base/env.h"

#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static rl_time as_time(const struct timespec *ts)
{
    return (rl_time)ts->tv_sec * RL_SECOND + (rl_time)ts->tv_nsec;
}

/* BOOTTIME goes on while the machine sleeps, as the provider's windows do. A kernel that lacks it
 * always does, so the two are never mixed. */
static inline rl_time precise_time(void)
{
    struct timespec ts;

#ifdef CLOCK_BOOTTIME
    if (clock_gettime(CLOCK_BOOTTIME, &ts) == 0)
        return as_time(&ts);
#endif
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail: POSIX demands this clock */
    return as_time(&ts);
}

rl_time rl__default_now(void *user)
{
    (void)user;
    return precise_time();
}

rl_wall_time rl__default_wall(void *user)
{
    struct timespec ts = { 0, 0 };

    (void)user;
    (void)clock_gettime(CLOCK_REALTIME, &ts); /* likewise */
    return (rl_wall_time)ts.tv_sec * (rl_wall_time)RL_SECOND + (rl_wall_time)ts.tv_nsec;
}

rl_time rl__now(const struct rl__env *env)
{
    return env->hooks.now(env->hooks.user);
}

rl_wall_time rl__wall(const struct rl__env *env)
{
    return env->hooks.wall(env->hooks.user);
}

/* The length of the kernel's tick; 0: there is no coarse clock. */
static rl_duration coarse_tick(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    struct timespec tick;

    if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0)
        return as_time(&tick);
#endif
    return 0;
}

/* Only asked whether it has moved: it counts no suspend. */
static uint64_t coarse_raw(void)
{
    struct timespec ts = { 0, 0 };

#ifdef CLOCK_MONOTONIC_COARSE
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts); /* coarse_tick() has tried it */
#endif
    return as_time(&ts);
}

/* 1: counts at one pace whatever the processor does (CPUID 8000_0007h, EDX bit 8). */
static int has_counter(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;

    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1U << 8) != 0;
#else
    return 0;
#endif
}

static uint64_t counter(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

static inline rl_time precise(const rl_clock *clock)
{
    return clock->precise == NULL ? precise_time() : clock->precise(clock->user);
}

static int look(const rl_clock *clock, uint64_t raw, rl_time *now)
{
    uint64_t revision = rl__load_acquire(&clock->revision);
    struct rl__line line = {
        .start = rl__load_acquire(&clock->line[0]),
        .time = rl__load_acquire(&clock->line[1]),
        .pace = rl__load_acquire(&clock->line[2]),
        .reach = rl__load_acquire(&clock->line[3]),
    };

    return revision % 2 == 0 && rl__load(&clock->revision) == revision &&
           rl__line_at(&line, raw, now);
}

static void draw_line(rl_clock *clock, const struct rl__line *line)
{
    rl__store_release(&clock->line[0], line->start);
    rl__store_release(&clock->line[1], line->time);
    rl__store_release(&clock->line[2], line->pace);
    rl__store_release(&clock->line[3], line->reach);
}

static rl_time next_tick(rl_clock *clock)
{
    struct rl__line line = { .start = coarse_raw(), .reach = 1 };

    line.time = precise(clock); /* after the raw one: a line is never ahead */
    draw_line(clock, &line);
    return line.time;
}

static rl_time compare_counter(rl_clock *clock)
{
    struct rl__line line = { clock->line[0], clock->line[1], clock->line[2], clock->line[3] };
    struct rl__check check = { clock->check[0], clock->check[1], clock->check[2], clock->check[3] };
    uint64_t before = counter();
    rl_time now = precise(clock);

    rl__tsc_compare(&line, &check, before, now, counter());
    draw_line(clock, &line);
    clock->check[0] = check.raw;
    clock->check[1] = check.time;
    clock->check[2] = check.strikes;
    clock->check[3] = check.quiet;
    if (rl__tsc_is_given_up(&check))
        rl__store(&clock->kind, RL_CLOCK_PRECISE);
    return now;
}

/* Out of line: it makes the usual way cheaper. */
__attribute__((noinline)) static rl_time refresh(rl_clock *clock)
{
    uint64_t revision = rl__load(&clock->revision);
    rl_time now;

    if (revision % 2 != 0 || !rl__exchange_if_acquire(&clock->revision, &revision, revision + 1))
        return precise(clock);
    now = rl__load(&clock->kind) == RL_CLOCK_COARSE ? next_tick(clock) : compare_counter(clock);
    rl__store_release(&clock->revision, revision + 2);
    return now;
}

rl_time rl__clock_now(rl_clock *clock)
{
    uint64_t kind = rl__load(&clock->kind);
    rl_time now;

    if (kind == RL_CLOCK_PRECISE)
        return precise(clock);
    if (look(clock, kind == RL_CLOCK_COARSE ? coarse_raw() : counter(), &now))
        return now;
    return refresh(clock);
}

rl_time rl__clock_floor(rl_clock *clock)
{
    rl_time now;

    if (rl__load(&clock->kind) == RL_CLOCK_TSC) {
        if (!look(clock, counter(), &now))
            return refresh(clock);
        return rl__sub_sat(now, RL__TSC_ERROR);
    }
    return rl__clock_now(clock);
}

rl_time rl_clock_now(rl_clock *clock)
{
    return rl__clock_now(clock);
}

rl_time rl_clock_precise(const rl_clock *clock)
{
    return precise(clock);
}

rl_status rl_clock_init(rl_clock *clock, rl_clock_kind kind)
{
    rl_clock made = { .kind = kind };

    if (clock == NULL || (unsigned)kind > RL_CLOCK_TSC)
        return RL_E_INVALID;
    if (kind == RL_CLOCK_COARSE)
        made.check[0] = coarse_tick();
    /* cppcheck-suppress knownConditionTrueFalse; always true only where there is no counter */
    if ((kind == RL_CLOCK_COARSE && made.check[0] == 0) || (kind == RL_CLOCK_TSC && !has_counter()))
        made.kind = RL_CLOCK_PRECISE;
    *clock = made;
    return RL_OK;
}

static inline rl_clock_kind in_use(const rl_clock *clock)
{
    uint64_t kind = rl__load(&clock->kind);

    if (kind == RL_CLOCK_TSC && rl__load(&clock->line[3]) == 0)
        return RL_CLOCK_PRECISE;
    return (rl_clock_kind)kind;
}

rl_clock_kind rl_clock_in_use(const rl_clock *clock)
{
    return in_use(clock);
}

rl_duration rl__clock_error(const rl_clock *clock)
{
    switch (in_use(clock)) {
    case RL_CLOCK_COARSE:
        return clock->check[0];
    case RL_CLOCK_TSC:
        return RL__TSC_ERROR;
    default:
        return 0;
    }
}

rl_duration rl_clock_error(const rl_clock *clock)
{
    return rl__clock_error(clock);
}
