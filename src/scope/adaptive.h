/* SPDX-License-Identifier: MIT */
/*
 * How many calls at once a server takes that announces no limit: additive increase, multiplicative
 * decrease, led by refusals and by latency. Pure: (state, sample, now) -> window. No clock, no
 * lock, no heap, no pointers.
 *
 * The window is judged by epochs: as many samples as the window has places, twice, and 32 at least
 * (with fewer than 8 places four times, and 16 at least), all begun after the window last changed.
 * Their latency is the mean without the slowest eighth, so that one call that hangs says nothing.
 *
 *   refusal            at once: by an eighth, by one at least. Only a call begun after the last
 *                      change counts, so one burst of refusals cuts once. For 8 epochs the window
 *                      stays below where that was.
 *   latency > 1.8 x    the baseline: down in proportion, to where it would be 1.4 x, at most by
 * half. latency <= 1.4 x   if the window was in use: up by a sixteenth, by one at least; doubled
 * until something above happened for the first time. between            stays.
 *
 * The baseline is the latency at half the window, measured after the doubling, and then once in
 * 50 epochs, one "between" counting for three: it follows a server that gets slower or faster, and
 * cannot drift upwards with the load that we are ourselves. Where it comes out lower by more than a
 * fifth, the next measurement follows soon. It gives way to a lower latency by 1/32 of the
 * difference with each epoch. Where a cut did not help (the latency did not fall by half of the
 * part that was cut), half the window is measured at once: if that helps neither, the latency is
 * not of our making, and the cut is taken back. At the floor every latency is the baseline, and the
 * doubling begins anew.
 *
 * What that comes to (tests/property/prop_adaptive.c: a server of 4 to 64 places, always something
 * to send, watched from 100 service times after the start or after a change on): where service
 * times vary by half at most, 95 % of the capacity at no more than twice the latency without load
 * (2.01 times in one run of 7000); where one in ten takes eleven times as long as the others, 97 %
 * on average, in bad stretches 70 %.
 *
 * Source: Jain, Chiu: "Analysis of the Increase and Decrease Algorithms", 1989 (AIMD); Brakmo,
 * Peterson: "TCP Vegas", 1995 (two thresholds); Netflix/concurrency-limits (growth only in use);
 * Envoy's gradient controller (a baseline measured at a smaller window). Ours differs in that
 * latency is judged by epochs instead of single samples, and in taking back what did not help.
 */
#ifndef LLMRL_SRC_ADAPTIVE_H
#define LLMRL_SRC_ADAPTIVE_H

#include <llmrl/base.h>

#define RL__ADAPTIVE_KEPT 64

enum rl__adaptive_outcome {
    RL__ADAPTIVE_SUCCESS,
    RL__ADAPTIVE_OVERLOADED,
    RL__ADAPTIVE_NEUTRAL /* says nothing about load */
};

struct rl__adaptive_sample {
    enum rl__adaptive_outcome outcome;
    rl_time started_at;
    rl_duration latency;
    uint64_t in_flight; /* itself included; when it started or when it ended, whatever is more */
};

struct rl__adaptive {
    uint64_t min, max; /* 1 <= min <= max */
    uint64_t window;
    rl_duration baseline; /* 0: not known yet */
    rl_time since;        /* samples begun until then say nothing about this window */
    uint64_t seen, peak;  /* in this epoch: samples, and the most that were in flight */
    uint64_t kept;
    rl_duration latency[RL__ADAPTIVE_KEPT];
    uint64_t doubling;     /* 1: until the first sign of a limit */
    uint64_t probing;      /* the window to go back to; 0: not probing */
    uint64_t doubting;     /* 1: probing because a cut did not help */
    uint64_t next_probe;   /* in so many epochs */
    uint64_t refused_at;   /* the window of the last refusal */
    uint64_t refused_hold; /* for so many epochs it stays below */
    rl_duration cut_at;    /* the latency that led to the last cut; 0: the last epoch did not cut */
    uint64_t cut_from;     /* the window before that cut */
    uint64_t window_before; /* the first cut in a row */
    uint64_t cuts;          /* in all */
};

/* Starts at `initial`, or as near as [min, max] allows. */
void rl__adaptive_start(struct rl__adaptive *adaptive, uint64_t min, uint64_t max,
                        uint64_t initial);
/* Returns the new window. */
uint64_t rl__adaptive_sample(struct rl__adaptive *adaptive,
                             const struct rl__adaptive_sample *sample, rl_time now);
/* New bounds; the window moves into them. */
void rl__adaptive_bound(struct rl__adaptive *adaptive, uint64_t min, uint64_t max, rl_time now);

#endif
