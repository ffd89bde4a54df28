/* SPDX-License-Identifier: MIT */
/* The structure of JSON, char by char: which member one is in, and the text of those that matter.
 */
#include "provider/stream_parts.h"

/* A value begins with `first`. A "message" that is no text is looked into, not kept. */
static void value_begin(struct rl__sieve *sieve, char first)
{
    enum rl__capture capture;

    if (sieve->capture != RL__CAPTURE_NONE)
        return;
    capture = rl__member_find(sieve);
    if (capture >= RL__CAPTURE_TYPE && first != '"')
        return;
    sieve->capture = capture;
    sieve->capture_depth = sieve->depth;
    sieve->capture_length = 0;
}

static void keep(struct rl__sieve *sieve, char c)
{
    if (sieve->capture == RL__CAPTURE_NONE || sieve->capture_length > RL__CAPTURE_MAX)
        return;
    if (sieve->capture_length < RL__CAPTURE_MAX)
        sieve->text[sieve->capture_length] = c;
    sieve->capture_length++;
}

void rl__sieve_reset(struct rl__stream *stream)
{
    /* A number without what ends it may have lost its last digits: it does not count. */
    rl__document_end(stream);
    memset(&stream->sieve, 0, offsetof(struct rl__sieve, text));
}

static void string_char(struct rl__stream *stream, char c)
{
    struct rl__sieve *sieve = &stream->sieve;

    keep(sieve, c);
    if (sieve->escaped) {
        sieve->escaped = 0;
    } else if (c == '\\') {
        sieve->escaped = 1;
    } else if (c == '"') {
        sieve->in_string = 0;
        sieve->is_key = 0;
        if (sieve->capture != RL__CAPTURE_NONE && sieve->capture_depth == sieve->depth &&
            sieve->text[0] == '"')
            rl__capture_end(stream);
        return;
    }
    /* What does not fit is longer than any name of ours, and so none of them. */
    if (sieve->is_key && sieve->key_length[sieve->depth] < sizeof sieve->key[0])
        sieve->key[sieve->depth][sieve->key_length[sieve->depth]++] = c;
}

static void string_begin(struct rl__sieve *sieve)
{
    sieve->in_string = 1;
    if (sieve->expect_key) {
        sieve->is_key = 1;
        sieve->key_length[sieve->depth] = 0;
    } else {
        value_begin(sieve, '"');
    }
    keep(sieve, '"');
}

static void open_bracket(struct rl__sieve *sieve, char c)
{
    value_begin(sieve, c);
    keep(sieve, c);
    if (sieve->depth == 0)
        sieve->base = c == '[';
    if (sieve->depth == UINT32_MAX)
        return;
    sieve->depth++;
    sieve->expect_key = c == '{' && sieve->depth <= RL__KEYS;
    if (sieve->depth <= RL__KEYS) {
        sieve->object[sieve->depth] = c == '{';
        sieve->key_length[sieve->depth] = 0;
    }
}

/* A number, true, false or null ends at whatever follows it. */
static void scalar_end(struct rl__stream *stream)
{
    struct rl__sieve *sieve = &stream->sieve;

    if (!sieve->in_scalar)
        return;
    sieve->in_scalar = 0;
    if (sieve->capture != RL__CAPTURE_NONE && sieve->capture_depth == sieve->depth)
        rl__capture_end(stream);
}

static void close_bracket(struct rl__stream *stream, char c)
{
    struct rl__sieve *sieve = &stream->sieve;

    sieve->expect_key = 0;
    keep(sieve, c);
    if (sieve->depth > 0)
        sieve->depth--;
    if (sieve->capture != RL__CAPTURE_NONE && sieve->capture_depth == sieve->depth)
        rl__capture_end(stream);
    if (sieve->depth <= sieve->base)
        rl__document_end(stream);
}

size_t rl__sieve_idle(const struct rl__sieve *sieve, const char *bytes, size_t length)
{
    size_t at = 0;

    if (!sieve->in_string || sieve->escaped || sieve->is_key || sieve->capture != RL__CAPTURE_NONE)
        return 0;
    while (at < length && bytes[at] != '"' && bytes[at] != '\\' && bytes[at] != '\n' &&
           bytes[at] != '\r')
        at++;
    return at;
}

void rl__sieve_char(struct rl__stream *stream, char c)
{
    struct rl__sieve *sieve = &stream->sieve;

    if (sieve->in_string) {
        string_char(stream, c);
        return;
    }
    if (strchr("{}[],:\" \t\r\n", c) != NULL) /* NUL, too */
        scalar_end(stream);
    switch (c) {
    case '"':
        string_begin(sieve);
        break;
    case '{':
    case '[':
        open_bracket(sieve, c);
        break;
    case '}':
    case ']':
        close_bracket(stream, c);
        break;
    case ',':
        sieve->expect_key = sieve->depth <= RL__KEYS && sieve->object[sieve->depth];
        keep(sieve, c);
        break;
    case ':':
        sieve->expect_key = 0;
        keep(sieve, c);
        break;
    case ' ':
    case '\t':
    case '\r':
    case '\n':
    case '\0':
        keep(sieve, ' ');
        break;
    default:
        if (!sieve->in_scalar) {
            sieve->in_scalar = 1;
            value_begin(sieve, c);
        }
        keep(sieve, c);
        break;
    }
}
