/* SPDX-License-Identifier: MIT */
/* Frames of Amazon's event stream: a payload is a document, or has one inside, or is an error. */
#include "provider/stream_parts.h"

static void frame_begin(struct rl__stream *stream)
{
    struct rl__binary *binary = &stream->binary;
    const struct rl__frames *frames = &binary->frames;

    binary->before = stream->usage;
    binary->was_found = stream->facts.found != 0;
    binary->is_open = 1;
    memset(&binary->chunk, 0, sizeof binary->chunk);
    if (strcmp(frames->kind, "exception") == 0 || strcmp(frames->kind, "error") == 0)
        binary->content = RL__CONTENT_ERROR;
    else
        binary->content =
            strcmp(frames->type, "chunk") == 0 ? RL__CONTENT_CHUNK : RL__CONTENT_EVENT;
}

static void frame_payload(struct rl__stream *stream, char c)
{
    if (stream->binary.content != RL__CONTENT_CHUNK || rl__chunk_char(&stream->binary.chunk, c, &c))
        rl__sieve_char(stream, c);
}

static void frame_end(struct rl__stream *stream)
{
    rl__sieve_reset(stream);
    stream->binary.is_open = 0;
}

/* What it said is not believed. What came before it stands. */
static void frame_broken(struct rl__stream *stream)
{
    rl__sieve_reset(stream);
    stream->ignored++;
    if (!stream->binary.is_open)
        return; /* its lengths are the fault: it said nothing yet */
    stream->binary.is_open = 0;
    stream->usage = stream->binary.before;
    if (!stream->binary.was_found)
        rl__facts_init(&stream->facts);
}

void rl__binary_char(struct rl__stream *stream, char c)
{
    switch (rl__frames_byte(&stream->binary.frames, (unsigned char)c)) {
    case RL__FRAME_BEGIN:
        frame_begin(stream);
        break;
    case RL__FRAME_PAYLOAD:
        frame_payload(stream, c);
        break;
    case RL__FRAME_END:
        frame_end(stream);
        break;
    case RL__FRAME_BROKEN:
        frame_broken(stream);
        break;
    default:
        break;
    }
}
