/* SPDX-License-Identifier: MIT */
/*
 * Reads usage and errors out of an answer that comes in pieces of any size: one JSON document,
 * several in a row (NDJSON), an array of them, an SSE stream of any dialect, or Amazon's binary
 * event stream. Which of them, its first byte tells. Bounded memory: only the few members of
 * interest are kept, and one that is larger than the buffer is passed over. How the bytes are split
 * makes no difference.
 */
#ifndef LLMRL_SRC_STREAM_H
#define LLMRL_SRC_STREAM_H

#include "provider/body.h"
#include "provider/chunk.h"
#include "provider/frames.h"
#include "provider/usage.h"

#define RL__CAPTURE_MAX 8192
#define RL__KEYS        3 /* the depths at which members are told apart: the document's, and one below */

/* Follows the structure of JSON and captures the members that matter, as text. */
struct rl__sieve {
    uint32_t base;  /* 1: documents are the elements of an array */
    uint32_t depth; /* open brackets; beyond RL__KEYS only counted */
    uint8_t in_string, escaped, is_key, expect_key, in_scalar;
    uint8_t object[RL__KEYS + 1]; /* what is open at a depth is an object */
    uint8_t key_length[RL__KEYS + 1];
    char key[RL__KEYS + 1][40];
    uint32_t capture; /* which member, 0: none */
    uint32_t capture_depth;
    size_t capture_length; /* > RL__CAPTURE_MAX: too long */
    char text[RL__CAPTURE_MAX + 1];
};

/* The names at the top of one event; told at its end, when its type says that it is an error. */
struct rl__event {
    char type[24];
    char code[48];
    char message[512];
    uint64_t status; /* "status_code", or "code" if that is a number */
    int is_error;    /* "object" is "error", beside its names */
    int told;        /* an error was found in it already */
};

/* The binary event stream: what the frame at hand is, and what to go back to if it is broken. */
struct rl__binary {
    struct rl__frames frames;
    struct rl__chunk chunk;
    uint32_t content; /* what its payload is */
    int is_open;      /* it began, and did not end */
    int was_found;    /* facts.found before it */
    struct rl__usage_seen before;
};

struct rl__stream {
    const rl_dialect *dialect;
    rl_wall_time now;
    uint32_t mode;      /* not known yet, JSON, lines of SSE, or binary */
    uint32_t documents; /* that ended */
    uint32_t ignored;   /* broken frames */
    uint8_t last_was_cr, in_value, skip_blank, field_length;
    char field[8];
    struct rl__sieve sieve;
    struct rl__event event;
    struct rl__usage_seen usage;
    struct rl__binary binary;
    struct rl__facts facts; /* of the first error inside; facts.found */
};

/* What a public reader holds; NULL if it was not begun. */
const struct rl__stream *rl__stream_of(const rl_usage_reader *reader);

void rl__stream_init(struct rl__stream *stream, const rl_dialect *dialect, rl_wall_time now);
void rl__stream_feed(struct rl__stream *stream, const char *bytes, size_t length);
/* No more bytes come: what stands in an event without its end counts, too. */
void rl__stream_end(struct rl__stream *stream);

#endif
