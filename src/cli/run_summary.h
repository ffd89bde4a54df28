/* SPDX-License-Identifier: MIT */
/* What a run came to: in words, and as JSON for scripts. */
#ifndef LLMRL_CLI_RUN_SUMMARY_H
#define LLMRL_CLI_RUN_SUMMARY_H

#include "text.h"

struct run_summary {
    uint64_t total; /* lines that were read and not blank: the next four, and what is not done */
    uint64_t succeeded;
    uint64_t failed;        /* sent, or to be sent, and ended in an error */
    uint64_t invalid_lines; /* not sent, as something is wrong with the line */
    uint64_t skipped;       /* answered by an earlier run */
    uint64_t attempts;
    uint64_t refusals; /* 429 and its like */
    uint64_t retries;
    uint64_t input_tokens, output_tokens; /* as the answers report them */
    double duration_s;
    bool interrupted;
};

/* How many of the total are not done: cancelled, or their answer could not be written. */
uint64_t run_summary_open(const struct run_summary *summary);

/* Some lines for people. */
void run_summary_text(struct text *out, const struct run_summary *summary);

/* One object, with a newline. */
void run_summary_json(struct text *out, const struct run_summary *summary);

#endif
