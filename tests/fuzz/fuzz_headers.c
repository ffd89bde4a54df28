/* SPDX-License-Identifier: MIT */
/* Any headers: the input is "name: value" lines, the first byte chooses the dialect. */
#include "fuzz.h"
#include "provider/headers.h"

#define LINES 64

/* Lines of the input as headers; their texts are in blocks of exactly their size. */
static size_t headers_make(const uint8_t *data, size_t size, rl_header *header)
{
    size_t count = 0, at = 0;

    while (at < size && count < LINES) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t length = end == NULL ? size - at : (size_t)(end - (data + at));
        const uint8_t *colon = memchr(data + at, ':', length);
        size_t name = colon == NULL ? length : (size_t)(colon - (data + at));
        size_t skip = colon == NULL ? name : name + 1;

        header[count++] = (rl_header){
            .name = fuzz_copy(data + at, name),
            .name_length = name,
            .value = fuzz_copy(data + at + skip, length - skip),
            .value_length = length - skip,
        };
        at += length + 1;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const rl_wall_time now = INT64_C(1790000000000000000);
    static struct rl__reading reading;
    rl_header header[LINES];
    rl_limit_report report[RL_REPORTS_MAX];
    rl_duration wait;
    size_t lines;
    uint32_t count;

    if (size == 0)
        return 0;
    lines = headers_make(data + 1, size - 1, header);
    rl__headers_read(fuzz_dialect(data[0]), header, lines, now, &reading);
    count = rl__headers_reports(&reading, report, RL_REPORTS_MAX);
    FUZZ_CHECK(count <= RL_REPORTS_MAX);
    for (uint32_t i = 0; i < count; i++)
        fuzz_check_report(&report[i]);
    wait = rl__headers_wait(&reading);
    FUZZ_CHECK(wait == RL_NEVER || wait <= RL__DURATION_MAX);
    for (size_t i = 0; i < lines; i++) {
        free((void *)(uintptr_t)header[i].name);
        free((void *)(uintptr_t)header[i].value);
    }
    return 0;
}
