/* SPDX-License-Identifier: MIT */
/* Owns growing texts, JSON string escapes, strict numbers and readable durations. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn void text_no_memory(void)
{
    fputs("llmrl: out of memory\n", stderr);
    exit(2);
}

void *text_memory(void *old, size_t size)
{
    void *memory = realloc(old, size > 0 ? size : 1);

    if (memory == NULL)
        text_no_memory();
    return memory;
}

static void text_reserve(struct text *text, size_t more)
{
    size_t need = text->length + more + 1;

    if (need <= text->room)
        return;
    text->room = need < 2 * text->room ? 2 * text->room : need;
    text->data = text_memory(text->data, text->room);
}

void text_add(struct text *text, const char *bytes, size_t length)
{
    text_reserve(text, length);
    if (length > 0)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void text_add_string(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_addf(struct text *text, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return;
    text_reserve(text, (size_t)length);
    va_start(args, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
}

size_t text_utf8(const char *bytes, size_t length)
{
    const unsigned char *b = (const unsigned char *)bytes;
    size_t need;

    if (length == 0)
        return 0;
    need = b[0] < 0x80 ? 1 : b[0] < 0xC2 ? 0 : b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : 4;
    if (need == 0 || b[0] > 0xF4 || need > length)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if ((b[i] & 0xC0) != 0x80)
            return 0;
    }
    /* Overlong forms, UTF-16 halves, and what lies beyond U+10FFFF. */
    if ((b[0] == 0xE0 && b[1] < 0xA0) || (b[0] == 0xED && b[1] > 0x9F) ||
        (b[0] == 0xF0 && b[1] < 0x90) || (b[0] == 0xF4 && b[1] > 0x8F))
        return 0;
    return need;
}

static void text_add_escape(struct text *text, unsigned char byte)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *at = byte == 0 ? NULL : strchr(from, byte);

    if (at != NULL) {
        text_add(text, "\\", 1);
        text_add(text, &to[at - from], 1);
    } else {
        text_addf(text, "\\u%04x", byte);
    }
}

/* How many bytes from `at` on can stand in a JSON string as they are. */
static size_t plain_run(const char *bytes, size_t at, size_t length)
{
    size_t start = at;

    while (at < length) {
        unsigned char byte = (unsigned char)bytes[at];
        size_t step = text_utf8(bytes + at, length - at);
        if (byte < 0x20 || byte == '"' || byte == '\\' || step == 0)
            break;
        at += step;
    }
    return at - start;
}

void text_add_json(struct text *text, const char *bytes, size_t length)
{
    size_t at = 0;

    text_add(text, "\"", 1);
    while (at < length) {
        size_t run = plain_run(bytes, at, length);
        text_add(text, bytes + at, run);
        at += run;
        if (at == length)
            break;
        if ((unsigned char)bytes[at] < 0x80)
            text_add_escape(text, (unsigned char)bytes[at]);
        else
            text_add_string(text, "\xEF\xBF\xBD");
        at++;
    }
    text_add(text, "\"", 1);
}

void text_clear(struct text *text, size_t keep)
{
    if (text->room > keep)
        text_free(text);
    text->length = 0;
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){ 0 };
}

bool text_to_uint(const char *string, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (*string == '\0')
        return false;
    for (; *string != '\0'; string++) {
        uint64_t digit = (uint64_t)(*string - '0');
        if (*string < '0' || *string > '9' || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

bool text_to_ms(const char *string, uint64_t max_ms, uint64_t *out)
{
    uint64_t value = 0;

    if (*string < '0' || *string > '9')
        return false;
    for (; *string >= '0' && *string <= '9' && value <= max_ms; string++)
        value = value * 10 + 1000 * (uint64_t)(*string - '0');
    if (*string == '.' && string[1] != '\0') {
        string++;
        for (uint64_t worth = 100; *string >= '0' && *string <= '9'; worth /= 10)
            value += worth * (uint64_t)(*string++ - '0');
    }
    if (*string != '\0' || value == 0 || value > max_ms)
        return false;
    *out = value;
    return true;
}

const char *text_duration(double seconds, char out[TEXT_SHORT])
{
    if (!(seconds > 0))
        seconds = 0;
    if (seconds < 10)
        snprintf(out, TEXT_SHORT, "%.1f s", seconds);
    else if (seconds < 60)
        snprintf(out, TEXT_SHORT, "%.0f s", seconds);
    else if (seconds < 3600)
        snprintf(out, TEXT_SHORT, "%u min %u s", (unsigned)seconds / 60, (unsigned)seconds % 60);
    else if (seconds < 1e9)
        snprintf(out, TEXT_SHORT, "%u h %u min", (unsigned)seconds / 3600,
                 (unsigned)seconds / 60 % 60);
    else
        snprintf(out, TEXT_SHORT, "years");
    return out;
}

const char *text_count(double value, char out[TEXT_SHORT])
{
    if (value < 9999.5)
        snprintf(out, TEXT_SHORT, "%.0f", value);
    else if (value < 999950)
        snprintf(out, TEXT_SHORT, "%.1fk", value / 1e3);
    else if (value < 999.95e6)
        snprintf(out, TEXT_SHORT, "%.1fM", value / 1e6);
    else
        snprintf(out, TEXT_SHORT, "%.1fG", value / 1e9);
    return out;
}

double text_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
