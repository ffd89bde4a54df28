/* SPDX-License-Identifier: MIT */
/* What an error body says, whatever its shape: names of the error, waits, limits, and what its
 * words hint at. */
#ifndef LLMRL_SRC_BODY_H
#define LLMRL_SRC_BODY_H

#include "provider/headers.h"

#include <cjson/cJSON.h>

/* Larger error bodies are not parsed, and of a message so much is looked at. */
#define RL__BODY_MAX       (UINT64_C(1) << 20)
#define RL__MESSAGE_MAX    8192
#define RL__VIOLATIONS_MAX 8

/* What words say, where no code does. */
enum {
    RL__SAYS_QUOTA = 1,      /* credit or spend is used up */
    RL__SAYS_TOO_LARGE = 2,  /* this request never fits */
    RL__SAYS_OVERLOADED = 4, /* the provider has no room */
    RL__SAYS_RATE = 8,       /* a rate limit */
    RL__SAYS_ZERO = 16,      /* the limit is zero: not for this account */
    RL__SAYS_DAY = 32,       /* a day's or a month's fixed quota is used up */
    RL__SAYS_CAPACITY = 64   /* no room with the provider, though it is named a rate limit */
};

/* Where an error's names stand; the more precise, the earlier. */
enum {
    RL__NAME_DETAIL,
    RL__NAME_CODE,
    RL__NAME_REASON,
    RL__NAME_TYPE,
    RL__NAME_STATUS,
    RL__NAME_KIND, /* error_type, in or beside the error */
    RL__NAMES
};

struct rl__facts {
    uint32_t found;  /* there is an error */
    uint32_t says;   /* RL__SAYS_*: anywhere in the message */
    uint32_t opens;  /* RL__SAYS_*: the message begins so, which no echo of a prompt does */
    uint32_t number; /* an HTTP status in the body; 0: none */
    char name[RL__NAMES][48];
    rl_duration message_wait; /* "try again in 6m0s"; RL_NEVER: none */
    rl_duration stated_wait;  /* a field that says it: RetryInfo, retry_after; RL_NEVER: none */
    uint32_t limited_mask;
    uint32_t ignored;
    rl_duration limited_window;
    uint64_t limited_amount; /* the limit, in words; 0: not said */
    uint64_t concurrency;    /* so many requests at once, in words; 0: not said */
    int should_retry;        /* a field says whether to try again: 1, 0; -1: absent */
    uint32_t violation_count;
    rl_limit_report violation[RL__VIOLATIONS_MAX]; /* limits that the body states in fields */
};

void rl__facts_init(struct rl__facts *facts);

/* A whole body of an error answer. `reading` (may be NULL) takes limit headers that are repeated
 * inside. */
void rl__body_read(const char *body, size_t length, struct rl__reading *reading,
                   struct rl__facts *facts);

/* One error object or string, as found inside a stream. */
void rl__error_read(const cJSON *error, struct rl__reading *reading, struct rl__facts *facts);

/* message.c: what the words of a message say. `now` is what a date in it is read against. */
void rl__message_read(const char *text, size_t length, rl_wall_time now, struct rl__facts *facts);

/* What the name of an error, as a header tells it, adds to what the body says. */
void rl__error_name(struct rl__facts *facts, const char *text, size_t length);

/* Copies a name, cut to fit, control characters and quotes left out. */
void rl__name_copy(char *out, size_t size, const char *text, size_t length);

/* A whole number in [0, 2^53]. 0: it is none. */
int rl__json_count(const cJSON *item, uint64_t *out);

#endif
