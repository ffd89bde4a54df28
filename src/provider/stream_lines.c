/* SPDX-License-Identifier: MIT */
/* Lines of SSE: the data of an event is a document. */
#include "provider/stream_parts.h"

static void line_end(struct rl__stream *stream)
{
    if (stream->field_length == 0 && !stream->in_value)
        rl__sieve_reset(stream); /* an empty line ends the event */
    else if (stream->in_value && rl__is(stream->field, stream->field_length, "data"))
        rl__sieve_char(stream, '\n');
    stream->field_length = 0;
    stream->in_value = 0;
}

static void field_char(struct rl__stream *stream, char c)
{
    if (c == ':') {
        stream->in_value = 1;
        stream->skip_blank = 1;
    } else if (stream->field_length < sizeof stream->field) {
        stream->field[stream->field_length++] = c; /* a longer name is none of ours */
    }
}

void rl__lines_char(struct rl__stream *stream, char c)
{
    int after_cr = stream->last_was_cr;

    stream->last_was_cr = c == '\r';
    if (c == '\n' && after_cr)
        return; /* the line ended with the CR */
    if (c == '\r' || c == '\n') {
        line_end(stream);
    } else if (!stream->in_value) {
        field_char(stream, c);
    } else if (stream->skip_blank && c == ' ') {
        stream->skip_blank = 0;
    } else {
        stream->skip_blank = 0;
        if (rl__is(stream->field, stream->field_length, "data"))
            rl__sieve_char(stream, c);
    }
}
