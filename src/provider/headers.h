/* SPDX-License-Identifier: MIT */
/* What the headers of one answer say, collected in one pass and then told as reports. */
#ifndef LLMRL_SRC_HEADERS_H
#define LLMRL_SRC_HEADERS_H

#include "provider/dialect.h"
#include "provider/structured.h"

/* What is longer is no value of ours; and so many lines of an answer are looked at. */
#define RL__VALUE_MAX 4096
#define RL__LINES_MAX 1000

/* Usage that stands in headers, as Bedrock tells it of models whose bodies have none. */
enum { RL__TOKENS_INPUT, RL__TOKENS_OUTPUT, RL__TOKENS_READ, RL__TOKENS_WRITTEN, RL__TOKEN_COUNTS };

/* One limit while its headers come in. */
struct rl__slot {
    const struct rl__series *series;
    rl_duration named_window; /* from the header's name: two windows are two limits */
    uint32_t has;             /* RL_HAS_* */
    uint32_t relayed;         /* which of them a proxy repeated: its own word outranks them */
    rl_duration window;
    uint64_t limit;
    uint64_t remaining;
    struct rl__when reset;
};

/* The longest wait that one rank of hint headers asks for, spans and dates apart until Date is
 * known. */
struct rl__hint {
    int has_span, has_wall;
    rl_duration span;
    rl_wall_time wall;
};

struct rl__reading {
    const rl_dialect *dialect;
    rl_wall_time now; /* what absolute times are read against: Date, or the caller's clock */
    int has_date;
    int from_cache;    /* Age: the limits are of an earlier moment */
    int should_retry;  /* x-should-retry: 1, 0; -1: absent */
    int is_limited;    /* a gateway says that the status is its rate limit's */
    int is_concurrent; /* the limit that refused is one of requests at once */
    uint32_t ignored;
    rl_duration limited_window;  /* of the limit that a header names as the one that refused */
    struct rl__slice error_name; /* borrowed */
    uint64_t tokens[RL__TOKEN_COUNTS];
    uint32_t tokens_has; /* bit n: tokens[n] was there */
    uint32_t slot_count;
    struct rl__hint hint[RL__HINT_RANKS];
    struct rl__slot slot[RL_REPORTS_MAX]; /* from here on only what is counted is written */
    struct rl__structured structured;
};

/* Repeated headers: for a limit the first valid value stands, for a wait the longest, for Date the
 * first valid. */
void rl__headers_read(const rl_dialect *dialect, const rl_header *headers, size_t count,
                      rl_wall_time now, struct rl__reading *reading);

/* One limit header that stands elsewhere (in a body): limits only, no waits. */
void rl__headers_limit(struct rl__reading *reading, const char *name, size_t name_length,
                       const char *value, size_t value_length);

/* Writes up to `max` reports. Counts what cannot be in reading->ignored. */
uint32_t rl__headers_reports(struct rl__reading *reading, rl_limit_report *report, uint32_t max);

/* What the headers tell of usage, if anything. */
void rl__headers_usage(const struct rl__reading *reading, rl_usage *usage);

/* The wait that headers ask for, or RL_NEVER. */
rl_duration rl__headers_wait(struct rl__reading *reading);

#endif
