/* SPDX-License-Identifier: MIT */
/* The public door to the incremental reader: the caller's memory, and a mark that it was begun. */
#include "provider/stream.h"

#define BEGUN UINT64_C(0x6c6c6d726c2d7265)

struct begun {
    uint64_t mark;
    struct rl__stream stream;
};

_Static_assert(sizeof(struct begun) <= sizeof(rl_usage_reader), "it fits what callers compiled in");
_Static_assert(_Alignof(struct begun) <= _Alignof(rl_usage_reader), "and lies as it must");

static struct rl__stream *stream_of(rl_usage_reader *reader)
{
    struct begun *begun = (struct begun *)(void *)reader;

    return begun == NULL || begun->mark != BEGUN ? NULL : &begun->stream;
}

const struct rl__stream *rl__stream_of(const rl_usage_reader *reader)
{
    const struct begun *begun = (const struct begun *)(const void *)reader;

    return begun == NULL || begun->mark != BEGUN ? NULL : &begun->stream;
}

rl_status rl_usage_reader_init(rl_usage_reader *reader, const rl_dialect *dialect, rl_wall_time now)
{
    struct begun *begun = (struct begun *)(void *)reader;

    if (begun == NULL)
        return RL_E_INVALID;
    begun->mark = BEGUN;
    rl__stream_init(&begun->stream, dialect, now);
    return RL_OK;
}

rl_status rl_usage_reader_feed(rl_usage_reader *reader, const char *bytes, size_t length)
{
    struct rl__stream *stream = stream_of(reader);

    if (stream == NULL || (bytes == NULL && length > 0))
        return RL_E_INVALID;
    rl__stream_feed(stream, bytes, length);
    return RL_OK;
}

rl_status rl_usage_reader_end(rl_usage_reader *reader, rl_usage *usage)
{
    struct rl__stream *stream = stream_of(reader);

    if (usage == NULL)
        return RL_E_INVALID;
    memset(usage, 0, sizeof *usage);
    if (stream == NULL)
        return RL_E_INVALID;
    rl__stream_end(stream);
    rl__usage_total(&stream->usage, stream->dialect, usage);
    return RL_OK;
}
