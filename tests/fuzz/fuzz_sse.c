/* SPDX-License-Identifier: MIT */
/* A stream in pieces: the first byte sizes them, and the result must not depend on it. */
#include "fuzz.h"
#include "provider/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rl__stream whole, pieces;
    size_t piece;

    if (size == 0)
        return 0;
    piece = 1 + data[0] % 17u;
    data++;
    size--;
    rl__stream_init(&whole, NULL, 0);
    rl__stream_feed(&whole, (const char *)data, size);
    rl__stream_end(&whole);
    rl__stream_init(&pieces, NULL, 0);
    for (size_t at = 0; at < size; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        char *copy = fuzz_copy(data + at, length);

        rl__stream_feed(&pieces, copy, length);
        free(copy);
    }
    rl__stream_end(&pieces);
    FUZZ_CHECK(memcmp(&whole.usage, &pieces.usage, sizeof whole.usage) == 0);
    FUZZ_CHECK(memcmp(&whole.facts, &pieces.facts, sizeof whole.facts) == 0);
    return 0;
}
