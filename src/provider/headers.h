/* SPDX-License-Identifier: MIT */
/* What the headers of one answer say, collected in one pass and then told as reports. */
#ifndef LLMRL_SRC_HEADERS_H
#define LLMRL_SRC_HEADERS_H

#include "provider/dialect.h"
#include "provider/structured.h"

/* What is longer is no value of ours; and so many lines of an answer are looked at. */
#define RL__VALUE_MAX 4096
#define RL__LINES_MAX 1000

/* One limit while its headers come in. */
struct rl__slot {
    const struct rl__series *series;
    rl_duration named_window; /* from the header's name: two windows are two limits */
    uint32_t has;             /* RL_HAS_* */
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
    int from_cache;   /* Age: the limits are of an earlier moment */
    int should_retry; /* x-should-retry: 1, 0; -1: absent */
    uint32_t ignored;
    uint32_t slot_count;
    struct rl__slot slot[RL_REPORTS_MAX];
    struct rl__hint hint[RL__HINT_RANKS];
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

/* The wait that headers ask for, or RL_NEVER. */
rl_duration rl__headers_wait(struct rl__reading *reading);

#endif
