/* SPDX-License-Identifier: MIT */
/*
 * How a provider keeps a limit, in the plainest form that is right: a list of all that was charged,
 * or a level counted exactly. Nothing of the library is used, so that a mistake of its arithmetic
 * cannot be here, too.
 */
#ifndef LLMRL_TEST_SIM_PROVIDER_H
#define LLMRL_TEST_SIM_PROVIDER_H

#include <llmrl/base.h>

#include <stddef.h>

enum sim_keeping {
    SIM_KEEPS_BUCKET, /* refills continuously, holds `burst` */
    SIM_KEEPS_WINDOW, /* windows that begin at `phase` and each period after */
    SIM_KEEPS_FIRST,  /* a window begins with the first request after the last one ended */
    SIM_KEEPS_LOG,    /* no period, wherever it starts, holds more */
    SIM_KEEPS_COUNTER /* this window's count, and of the last one's the share that is still near */
};

struct sim_charge {
    rl_time at;
    uint64_t units;
};

struct sim_limit {
    enum sim_keeping keeping;
    uint64_t amount; /* per period */
    rl_duration period;
    uint64_t burst; /* of a bucket, in units */
    rl_time phase;  /* of windows; at most the time of the first call */

    /* A bucket: what is there, in units of 1/period. */
    __extension__ unsigned __int128 level;
    rl_time level_at;

    /* All others: what was charged, oldest first; kept as long as it counts. */
    struct sim_charge *charge;
    size_t first, count, room;
    uint64_t in_window; /* the units of those in the window that is on; of a log: of all */
    uint64_t in_last;   /* a counter's: of the window before */
    rl_time window;     /* when the window that is on began */
    uint64_t spent;     /* all that was ever charged, less what was given back */
};

void sim_limit_start(struct sim_limit *limit, rl_time now);
void sim_limit_free(struct sim_limit *limit);
/* 0: `cost` would pass now. Else how long until it would, if nothing else comes; RL_NEVER: it never
 * would. */
rl_duration sim_limit_missing(struct sim_limit *limit, uint64_t cost, rl_time now);
void sim_limit_charge(struct sim_limit *limit, uint64_t cost, rl_time now);
/* Of what was charged at `at`, so much was not used: it counts no more, as far as it still does. */
void sim_limit_give_back(struct sim_limit *limit, uint64_t units, rl_time at, rl_time now);
/* Another number from now on; what was used stays used. */
void sim_limit_change(struct sim_limit *limit, uint64_t amount, uint64_t burst, rl_time now);
/* What a header says: whole units that are left, and how long until nothing counts any more. */
uint64_t sim_limit_left(struct sim_limit *limit, rl_time now);
rl_duration sim_limit_full_in(struct sim_limit *limit, rl_time now);

#endif
