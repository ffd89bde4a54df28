/* SPDX-License-Identifier: MIT */
/* Estimates of any bytes, by every family, whole and cut short anywhere. */
#include "fuzz.h"
#include "provider/estimate.h"

/* Cuts of longer texts say nothing new, and cost the square of their length. */
#define CUT_MAX 512

/* The bytes lie alone on the heap: a read beyond their end is seen by the sanitizer. */
static void check(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);

    for (int family = 0; family < RL__VOCABULARIES; family++) {
        uint64_t tokens = rl__estimate_tokens((enum rl__vocabulary)family, text, size);

        FUZZ_CHECK(tokens <= size && (tokens > 0) == (size > 0));
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *name;

    for (size_t cut = 0; cut < size && cut < CUT_MAX; cut++)
        check(data, cut);
    check(data, size);

    name = malloc(size + 1); /* the same bytes as a model's name */
    FUZZ_CHECK(name != NULL);
    if (size > 0)
        memcpy(name, data, size);
    name[size] = '\0';
    FUZZ_CHECK(rl__vocabulary_of(name) < RL__VOCABULARIES);
    free(name);
    return 0;
}
