/* SPDX-License-Identifier: MIT */
/* Growing texts, JSON strings, strict numbers and readable durations, for the commands. */
#ifndef LLMRL_CLI_TEXT_H
#define LLMRL_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Says that there is no memory, and ends the program with 2. Whatever it has written by then
 * consists of whole lines, so that --resume continues from there. */
_Noreturn void text_no_memory(void);

/* As realloc(3), but never NULL. */
void *text_memory(void *old, size_t size);

/* A text that grows. All zero is an empty one; `data` is NUL-terminated once something was added.
 */
struct text {
    char *data;
    size_t length;
    size_t room;
};

void text_add(struct text *text, const char *bytes, size_t length);
void text_add_string(struct text *text, const char *string);
__attribute__((format(printf, 2, 3))) void text_addf(struct text *text, const char *format, ...);

/* Adds a JSON string, quotes included. What is not UTF-8 becomes U+FFFD, as JSON cannot hold it. */
void text_add_json(struct text *text, const char *bytes, size_t length);

/* Forgets the text and keeps the memory, unless that has become more than `keep` bytes. */
void text_clear(struct text *text, size_t keep);
void text_free(struct text *text);

/* The length of the well-formed UTF-8 character at `bytes`; 0: there is none. */
size_t text_utf8(const char *bytes, size_t length);

/* A whole number in decimal digits and nothing else, within [min, max]. */
bool text_to_uint(const char *string, uint64_t min, uint64_t max, uint64_t *out);

/* "12.5" seconds as milliseconds: digits with at most one point, 1 ms ... max_ms; below 1 ms is no.
 */
bool text_to_ms(const char *string, uint64_t max_ms, uint64_t *out);

#define TEXT_SHORT 32
/* "4.2 s", "3 min 20 s", "5 h 12 min"; returns `out`. */
const char *text_duration(double seconds, char out[TEXT_SHORT]);
/* "950", "12.3k", "4.5M"; returns `out`. */
const char *text_count(double value, char out[TEXT_SHORT]);

/* Seconds since an arbitrary start; never runs backwards. */
double text_clock(void);

#endif
