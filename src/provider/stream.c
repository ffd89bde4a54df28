/* SPDX-License-Identifier: MIT */
/* The incremental reader: which form it is, and on to that. */
#include "provider/stream_parts.h"

/* A frame begins with a length of less than 32 MiB, text never with such a byte. */
static uint32_t mode_of(char first)
{
    if (first == '\0' || first == '\1')
        return RL__MODE_BINARY;
    return first == '{' || first == '[' || first == '"' ? RL__MODE_JSON : RL__MODE_SSE;
}

/* The first byte that is no blank, blank line or byte order mark tells. */
static void mode_find(struct rl__stream *stream, char c)
{
    if (rl__is_space(c) || c == '\xef' || c == '\xbb' || c == '\xbf')
        return;
    stream->mode = mode_of(c);
}

void rl__stream_init(struct rl__stream *stream, const rl_dialect *dialect, rl_wall_time now)
{
    /* All but the text of a capture, which is written before it is read. */
    memset(stream, 0, offsetof(struct rl__stream, sieve) + offsetof(struct rl__sieve, text));
    memset(&stream->event, 0, sizeof stream->event);
    memset(&stream->usage, 0, sizeof stream->usage);
    memset(&stream->binary, 0, sizeof stream->binary);
    stream->dialect = dialect;
    stream->now = now;
    rl__facts_init(&stream->facts);
}

/* Most of an answer is text: of a member of JSON, or of one in the data of a line. */
static size_t idle(const struct rl__stream *stream, const char *bytes, size_t length)
{
    if (stream->mode == RL__MODE_JSON || (stream->mode == RL__MODE_SSE && stream->in_value))
        return rl__sieve_idle(&stream->sieve, bytes, length);
    return 0;
}

static void take(struct rl__stream *stream, char c)
{
    if (stream->mode == RL__MODE_UNKNOWN)
        mode_find(stream, c);
    if (stream->mode == RL__MODE_JSON)
        rl__sieve_char(stream, c);
    else if (stream->mode == RL__MODE_SSE)
        rl__lines_char(stream, c);
    else if (stream->mode == RL__MODE_BINARY)
        rl__binary_char(stream, c);
}

void rl__stream_feed(struct rl__stream *stream, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        i += idle(stream, bytes + i, length - i);
        if (i < length)
            take(stream, bytes[i]);
    }
}

void rl__stream_end(struct rl__stream *stream)
{
    rl__sieve_reset(stream);
}
