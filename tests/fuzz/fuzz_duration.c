/* SPDX-License-Identifier: MIT */
/* Counts, spans and moments of any text. */
#include "fuzz.h"
#include "provider/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const rl_wall_time now = INT64_C(1790000000000000000);
    char *text = fuzz_copy(data, size);
    struct rl__when when;
    rl_duration span = 0;
    rl_wall_time wall;
    uint64_t value = 0;

    if (rl__count_read(text, size, &value))
        FUZZ_CHECK(value <= RL__COUNT_MAX);
    if (rl__duration_read(text, size, &span))
        FUZZ_CHECK(span <= RL__DURATION_MAX);
    FUZZ_CHECK(rl__duration_prefix(text, size, &span) <= size && span <= RL__DURATION_MAX);
    for (int form = RL__WHEN_AUTO; form <= RL__WHEN_EPOCH; form++)
        if (rl__when_read(text, size, (enum rl__when_form)form, now, &when) &&
            rl__when_resolve(&when, now, &span))
            FUZZ_CHECK(span <= RL__DURATION_MAX);
    (void)rl__date_http(text, size, now, &wall);
    (void)rl__date_rfc3339(text, size, &wall);
    free(text);
    return 0;
}
