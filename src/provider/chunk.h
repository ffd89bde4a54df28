/* SPDX-License-Identifier: MIT */
/* A model's own event as Bedrock wraps it: {"bytes":"<base64>","p":"abc"}. Of a wrapper that comes
 * byte by byte, the bytes inside. */
#ifndef LLMRL_SRC_CHUNK_H
#define LLMRL_SRC_CHUNK_H

#include <stdint.h>

/* All zero is the beginning of one. */
struct rl__chunk {
    uint32_t depth;    /* open brackets */
    uint32_t bits;     /* of base64 not yet whole bytes */
    uint8_t bit_count; /* how many of them */
    uint8_t matched;   /* letters of the key that are those of "bytes"; more: another key */
    uint8_t in_string, escaped, expect_key, is_key;
    uint8_t is_payload; /* the string at hand is the value of "bytes" */
    uint8_t is_over;    /* it ended, or it is no base64 */
};

/* 1: *out is the next byte of the event. */
int rl__chunk_char(struct rl__chunk *chunk, char c, char *out);

#endif
