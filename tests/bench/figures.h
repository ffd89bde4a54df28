/* SPDX-License-Identifier: MIT */
/* Figures of a benchmark: seconds, medians, rows with a ratio and its goal. */
#ifndef LLMRL_BENCH_FIGURES_H
#define LLMRL_BENCH_FIGURES_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double figures_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void figures_sleep(double seconds)
{
    struct timespec span = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

    (void)nanosleep(&span, NULL);
}

static inline int figures_compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Sorts them. */
static inline double figures_median(double *value, size_t count)
{
    qsort(value, count, sizeof *value, figures_compare);
    return value[count / 2];
}

static inline void figures_unit(const char *name, double seconds)
{
    printf("%-56s %10.1f ns\n", name, seconds * 1e9);
}

static inline void figures_row(const char *name, double seconds, double unit, const char *unit_name,
                               const char *goal)
{
    printf("%-56s %10.1f ns %8.2f %s, goal %s\n", name, seconds * 1e9, seconds / unit, unit_name,
           goal);
}

#endif
