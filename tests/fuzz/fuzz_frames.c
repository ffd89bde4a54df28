/* SPDX-License-Identifier: MIT */
/*
 * Frames of Amazon's event stream with checksums that are right, or almost: the first byte sizes
 * the pieces in which they are fed. Each frame is two lengths, headers and payload; an odd first
 * byte of the headers' length changes a bit on the way.
 */
#include "frame.h"
#include "fuzz.h"
#include "provider/stream.h"

static size_t part_take(const uint8_t **data, size_t *size, uint8_t wanted, const char **out)
{
    size_t length = wanted < *size ? wanted : *size;

    *out = (const char *)*data;
    *data += length;
    *size -= length;
    return length;
}

static void frames_make(const uint8_t *data, size_t size, struct frame_out *out)
{
    out->length = 0;
    while (size > 2 && out->length < sizeof out->bytes - 600) {
        const uint8_t *head = data;
        const char *headers, *payload;
        size_t before = out->length, headers_length, length;

        data += 2;
        size -= 2;
        headers_length = part_take(&data, &size, head[0], &headers);
        length = part_take(&data, &size, head[1], &payload);
        frame_raw(out, headers, headers_length, payload, length);
        if (head[0] % 16 == 15)
            out->bytes[before + head[1] % (out->length - before)] ^= 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rl__stream whole, pieces;
    static struct frame_out frames;
    size_t piece;

    if (size == 0)
        return 0;
    piece = 1 + data[0] % 17u;
    frames_make(data + 1, size - 1, &frames);
    rl__stream_init(&whole, NULL, 0);
    rl__stream_feed(&whole, frames.bytes, frames.length);
    rl__stream_end(&whole);
    rl__stream_init(&pieces, NULL, 0);
    for (size_t at = 0; at < frames.length; at += piece) {
        size_t length = frames.length - at < piece ? frames.length - at : piece;
        char *copy = fuzz_copy((const uint8_t *)frames.bytes + at, length);

        rl__stream_feed(&pieces, copy, length);
        free(copy);
    }
    rl__stream_end(&pieces);
    FUZZ_CHECK(memcmp(&whole.usage, &pieces.usage, sizeof whole.usage) == 0);
    FUZZ_CHECK(memcmp(&whole.facts, &pieces.facts, sizeof whole.facts) == 0);
    FUZZ_CHECK(whole.ignored == pieces.ignored && whole.ignored <= 1);
    return 0;
}
