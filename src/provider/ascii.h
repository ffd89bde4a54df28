/* SPDX-License-Identifier: MIT */
/* Text of the wire: ASCII without regard to the locale, slices without a NUL. */
#ifndef LLMRL_SRC_ASCII_H
#define LLMRL_SRC_ASCII_H

#include <stddef.h>
#include <string.h>

struct rl__slice {
    const char *at;
    size_t length;
};

static inline int rl__is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline char rl__lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline int rl__is_alpha(char c)
{
    return rl__lower(c) >= 'a' && rl__lower(c) <= 'z';
}

static inline int rl__is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline int rl__starts_with(const char *text, size_t length, const char *start)
{
    size_t wanted = strlen(start);

    return length >= wanted && memcmp(text, start, wanted) == 0;
}

/* The same without regard to case; `start` is in lower case. */
static inline int rl__starts_like(const char *text, size_t length, const char *start)
{
    size_t i = 0;

    for (; start[i] != '\0'; i++)
        if (i >= length || rl__lower(text[i]) != start[i])
            return 0;
    return 1;
}

static inline int rl__is_like(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && rl__starts_like(text, length, word);
}

static inline int rl__is(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

static inline int rl__is_space(char c)
{
    return rl__is_blank(c) || c == '\r' || c == '\n';
}

/* Without blanks and line ends around it. */
static inline struct rl__slice rl__trim(const char *text, size_t length)
{
    struct rl__slice slice = { text, length };

    while (slice.length > 0 && rl__is_space(slice.at[0])) {
        slice.at++;
        slice.length--;
    }
    while (slice.length > 0 && rl__is_space(slice.at[slice.length - 1]))
        slice.length--;
    return slice;
}

#endif
