/* SPDX-License-Identifier: MIT */
/* The set of custom_ids that a run has met. It holds 125 bits of a keyed hash of each, not the ids:
 * about 25 bytes of memory for a line, whatever its length; nobody can prepare two ids that meet in
 * it. */
#ifndef LLMRL_CLI_RUN_IDS_H
#define LLMRL_CLI_RUN_IDS_H

#include <stddef.h>
#include <stdint.h>

enum {
    RUN_ID_ANSWERED = 1, /* OUT has an answer */
    RUN_ID_SEEN = 2,     /* IN had a line */
    RUN_ID_KEPT = 4      /* its answer was copied when OUT was rewritten */
};

struct run_ids;

/* With a fresh random key. */
struct run_ids *run_ids_new(void);
void run_ids_free(struct run_ids *ids);

/* Adds `flag` (one of the above) to the id and returns the flags that it had before; 0: it is new.
 */
unsigned run_ids_mark(struct run_ids *ids, const char *id, size_t length, unsigned flag);

/* The flags of an id; 0: it is unknown. */
unsigned run_ids_flags(const struct run_ids *ids, const char *id, size_t length);

/* Bytes in use. */
size_t run_ids_memory(const struct run_ids *ids);

/* SipHash-2-4 with 128 bits of result. Source: Aumasson and Bernstein, "SipHash: a fast short-input
 * PRF". */
void run_ids_hash(const uint64_t key[2], const char *bytes, size_t length, uint64_t out[2]);

#endif
