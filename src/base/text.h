/* SPDX-License-Identifier: MIT */
/* A bounded text under construction: what does not fit is cut, between two characters, and nothing
 * more is added after that; the end is always a NUL. */
#ifndef LLMRL_SRC_TEXT_H
#define LLMRL_SRC_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct rl__text {
    char *at;
    size_t size; /* 0: nothing is written, not even the NUL; less than at first once it was cut */
    size_t used;
};

struct rl__text rl__text_on(char *buffer, size_t size);
void rl__text_add(struct rl__text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `length` bytes that came from outside: control characters and broken UTF-8 become '?'. */
void rl__text_add_foreign(struct rl__text *text, const char *bytes, size_t length);
/* "5 h 12 m", "3.2 s", "40 ms": two units at most, rounded up; 0 is "0 s", RL_NEVER is "for ever".
 */
void rl__text_add_duration(struct rl__text *text, uint64_t nanoseconds);

#endif
