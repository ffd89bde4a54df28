/* SPDX-License-Identifier: MIT */
/* What the files of the incremental reader share. */
#ifndef LLMRL_SRC_STREAM_PARTS_H
#define LLMRL_SRC_STREAM_PARTS_H

#include "provider/stream.h"

/* rl__stream.mode */
enum { RL__MODE_UNKNOWN, RL__MODE_JSON, RL__MODE_SSE, RL__MODE_BINARY };

/* rl__binary.content: the payload of a binary frame. */
enum { RL__CONTENT_EVENT, RL__CONTENT_CHUNK, RL__CONTENT_ERROR };

/* What is captured. Scalars are kept for the end of the event, where its type is known. */
enum rl__capture {
    RL__CAPTURE_NONE,
    RL__CAPTURE_USAGE,
    RL__CAPTURE_PROMPT_USAGE, /* Anthropic's message_start: its output count is only a beginning */
    RL__CAPTURE_ERROR,
    RL__CAPTURE_STATUS, /* Cerebras: beside the error of a stream, its HTTP status */
    RL__CAPTURE_COUNT,  /* a token count in the document itself */
    RL__CAPTURE_CODE,   /* a name, or once more the status */
    RL__CAPTURE_TYPE,   /* from here on only texts */
    RL__CAPTURE_OBJECT,
    RL__CAPTURE_MESSAGE
};

/* ---- stream_members.c ---- */

/* Which member the sieve is in. */
enum rl__capture rl__member_find(const struct rl__sieve *sieve);
void rl__capture_end(struct rl__stream *stream);
void rl__document_end(struct rl__stream *stream);

/* ---- stream_json.c ---- */

void rl__sieve_char(struct rl__stream *stream, char c);
/* How many of these bytes are text that nobody keeps, within a line: they change nothing. */
size_t rl__sieve_idle(const struct rl__sieve *sieve, const char *bytes, size_t length);
/* Whatever was open is over. */
void rl__sieve_reset(struct rl__stream *stream);

/* ---- stream_lines.c, stream_binary.c ---- */

void rl__lines_char(struct rl__stream *stream, char c);
void rl__binary_char(struct rl__stream *stream, char c);

#endif
