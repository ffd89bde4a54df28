/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic behind the cheap clocks: it gets the readings as arguments, so that tests can hand
 * in any. `raw` is what costs little to read, and is in units of its own.
 *
 * A line is a moment at which both clocks were read, a pace, and how far it reaches:
 *
 *     now = time + (raw - start) * pace / 2^32,   if raw - start < reach, else unknown
 *
 * The coarse clock is a line of pace 0 that reaches to the next tick.
 */
#ifndef LLMRL_SRC_CHEAP_CLOCK_H
#define LLMRL_SRC_CHEAP_CLOCK_H

#include <llmrl/clock.h>

struct rl__line {
    uint64_t start, time, pace, reach;
};

/* How the counter is judged. All zero: nothing is known yet. */
struct rl__check {
    uint64_t raw, time; /* where the pace is measured from; time 0: nowhere yet */
    uint64_t strikes;   /* how often it was wrong */
    uint64_t quiet;     /* since when it has been right */
};

#define RL__TSC_CALIBRATION   (10 * RL_MILLISECOND)
#define RL__TSC_RECALIBRATION RL_SECOND
#define RL__TSC_REACH         RL_MILLISECOND
#define RL__TSC_READ_MAX      2000 /* counts: a comparison that took longer says nothing */
#define RL__TSC_OFF_MAX       1000 /* ns, and 1/1024 of the time since the last comparison */
#define RL__TSC_ERROR         3000 /* ns: twice that at the end of its reach, and the reading */
#define RL__TSC_STRIKES       8
#define RL__TSC_FORGIVEN      RL_MINUTE

/* 1: *now is the time. 0: the line does not reach. */
static inline int rl__line_at(const struct rl__line *line, uint64_t raw, rl_time *now)
{
    uint64_t passed = raw - line->start; /* a raw clock that stepped back is beyond any reach */

    if (passed >= line->reach)
        return 0;
    *now = line->time + (passed * line->pace >> 32);
    return 1;
}

/* The counter was `before`, then the precise clock `now`, then the counter `after`: the next line,
 * of reach 0 if there is none. */
void rl__tsc_compare(struct rl__line *line, struct rl__check *check, uint64_t before, rl_time now,
                     uint64_t after);

/* The counter has been wrong too often. */
int rl__tsc_is_given_up(const struct rl__check *check);

/* clock.c: the public ones without the detour through the table of public names. */
rl_time rl__clock_now(rl_clock *clock);
/* The same, made earlier by what it may be off: never ahead of the precise one, and behind by twice
 * rl__clock_error() at most. */
rl_time rl__clock_floor(rl_clock *clock);
rl_duration rl__clock_error(const rl_clock *clock);

#endif
