/* SPDX-License-Identifier: MIT */
/* Owns how names are matched with patterns. */
#include "provider/pattern.h"

#include <stdint.h>
#include <string.h>

/* Remembers the last star, which is enough: what an earlier one could match, the last one can as
 * well. */
static int matches(const char *pattern, const char *end, const char *name)
{
    const char *star = NULL, *resume = NULL;

    while (*name != '\0') {
        if (pattern != end && *pattern == '*') {
            star = pattern++;
            resume = name;
        } else if (pattern != end && *pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++resume;
        } else {
            return 0;
        }
    }
    while (pattern != end && *pattern == '*')
        pattern++;
    return pattern == end;
}

size_t rl__pattern_fit(const char *pattern, size_t length, const char *name)
{
    size_t letters = 0;

    if (strlen(name) == length && memcmp(pattern, name, length) == 0)
        return RL__PATTERN_EXACT;
    if (memchr(pattern, '*', length) == NULL || !matches(pattern, pattern + length, name))
        return 0;
    for (size_t i = 0; i < length; i++)
        letters += pattern[i] != '*';
    return letters + 1;
}

size_t rl__pattern_list_fit(const char *patterns, const char *name)
{
    size_t best = 0;

    while (*patterns != '\0') {
        size_t length = strcspn(patterns, " ");
        size_t fit = rl__pattern_fit(patterns, length, name);

        best = fit > best ? fit : best;
        patterns += length;
        patterns += *patterns == ' ';
    }
    return best;
}
