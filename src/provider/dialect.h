/* SPDX-License-Identifier: MIT */
/*
 * A dialect as data: how one provider names its limits, waits and token counts. Adding a provider
 * is one entry in builtin.c. What a dialect does not name is read by the rows of "generic".
 */
#ifndef LLMRL_SRC_DIALECT_H
#define LLMRL_SRC_DIALECT_H

#include "provider/ascii.h"
#include "provider/duration.h"

#include <llmrl/provider.h>

/* How to find the window of a limit whose name does not tell it. */
enum rl__window_rule {
    RL__WINDOW_UNKNOWN, /* not at all */
    RL__WINDOW_BUCKET,  /* a bucket that refills evenly: reset = used * window / limit */
    RL__WINDOW_POLICY,  /* RateLimit-Policy, or the policies in the limit header itself */
    RL__WINDOW_UNITS    /* by the same arithmetic, and so is the unit of the reset: ms or s */
};

enum {
    RL__SERIES_UNCACHED = 1,  /* counts what was not read from a cache */
    RL__SERIES_PREFERRED = 2, /* where it is, others of its dimension and window are not told */
    RL__SERIES_WAIT = 4       /* its reset is also how long to wait after a refusal */
};

/*
 * One limit, told by up to four headers. Between `before` and `after` stands the word "limit",
 * "remaining", "reset" or "renewalperiod" (seconds); behind `after`, if `windowed`, an optional
 * window: "-minute", "-10-second". Without `before`, `names` are the whole names of limit,
 * remaining and reset. All in lower case.
 */
struct rl__series {
    struct rl__slice before, after;
    int windowed;
    uint32_t dimension; /* an rl_dimension */
    rl_duration window; /* 0: not fixed */
    enum rl__window_rule rule;
    enum rl__when_form reset;
    uint32_t flags; /* RL__SERIES_* */
    struct rl__slice names[3];
};

/* A header that says how long to wait. Of several the lowest rank that holds a credible value
 * counts. */
#define RL__HINT_RANKS 3
struct rl__hint_row {
    struct rl__slice name; /* lower case */
    uint32_t rank;
    enum rl__when_form form;
};

enum {
    /* total_tokens of an OpenAI-style usage holds what completion_tokens leaves out (thoughts). */
    RL__DIALECT_OUTPUT_FROM_TOTAL = 1,
    /* On a refusal a day or a month of which nothing remains, or a limit of 0, is a quota gone. */
    RL__DIALECT_LONG_IS_QUOTA = 2,
    /* The window of a limit stands in the message alone. */
    RL__DIALECT_WINDOW_IN_WORDS = 4,
    /* Its names may begin with any letter. */
    RL__DIALECT_ANY_NAMES = 8
};

/* Longer names of headers are none of ours. */
#define RL__NAME_MAX 64

struct rl_dialect {
    const char *name;
    const struct rl__series *series;
    uint32_t series_count;
    uint32_t hint_count;
    const struct rl__hint_row *hints;
    uint32_t flags; /* RL__DIALECT_* */
};

/* builtin.c: ends with a NULL name; the first is "generic". */
extern const rl_dialect rl__dialects[];

#endif
