/* SPDX-License-Identifier: MIT */
/*
 * A dialect as data: how one provider names its limits, waits and token counts. Adding a provider
 * is one entry in builtin.c. What a dialect does not name is read by the rows of "generic".
 */
#ifndef LLMRL_SRC_DIALECT_H
#define LLMRL_SRC_DIALECT_H

#include "provider/duration.h"

#include <llmrl/provider.h>

/* How to find the window of a limit whose name does not tell it. */
enum rl__window_rule {
    RL__WINDOW_UNKNOWN, /* not at all */
    RL__WINDOW_BUCKET,  /* a bucket that refills evenly: reset = used * window / limit */
    RL__WINDOW_POLICY   /* RateLimit-Policy, or the policies in the limit header itself */
};

/*
 * One limit, told by up to four headers. In `pattern` one '*' stands for the word "limit",
 * "remaining", "reset" or "renewalperiod" (seconds), and a '~' at the end for an optional window:
 * "-minute", "-10-second".
 */
struct rl__series {
    const char *pattern; /* lower case */
    uint32_t dimension;  /* an rl_dimension */
    uint32_t window_s;   /* 0: not fixed */
    enum rl__window_rule rule;
    enum rl__when_form reset;
};

/* A header that says how long to wait. Of several the lowest rank that holds a credible value
 * counts. */
#define RL__HINT_RANKS 3
struct rl__hint_row {
    const char *name; /* lower case */
    uint32_t rank;
    enum rl__when_form form;
};

enum {
    /* total_tokens of an OpenAI-style usage holds what completion_tokens leaves out (thoughts). */
    RL__DIALECT_OUTPUT_FROM_TOTAL = 1
};

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
