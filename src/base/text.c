/* SPDX-License-Identifier: MIT */
/* Bounded text: for sentences, log lines and reports, without allocation. */
#include "base/text.h"

#include <llmrl/base.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct rl__text rl__text_on(char *buffer, size_t size)
{
    struct rl__text text = { buffer, size, 0 };

    if (size > 0)
        buffer[0] = '\0';
    return text;
}

/* Ends the text here. It is closed by taking away its room: nothing shorter may slip in behind a
 * cut. */
static void close_at(struct rl__text *text, size_t used)
{
    text->used = used;
    text->size = used + 1;
    text->at[used] = '\0';
}

/* The bytes of the character that begins with `lead`; 0: none does. */
static size_t character_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead < 0xe0)
        return 2;
    if (lead >= 0xe0 && lead < 0xf0)
        return 3;
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/* How much of `length` bytes ends with a whole character. */
static size_t whole_length(const char *bytes, size_t length)
{
    size_t start = length;

    while (start > 0 && length - start < 4 && ((unsigned char)bytes[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return length;
    return character_length((unsigned char)bytes[start - 1]) > length - start + 1 ? start - 1
                                                                                  : length;
}

void rl__text_add(struct rl__text *text, const char *format, ...)
{
    size_t room = text->size - text->used;
    va_list args;
    int wanted;

    if (text->size == 0)
        return;
    va_start(args, format);
    wanted = vsnprintf(text->at + text->used, room, format, args);
    va_end(args);
    if (wanted < 0)
        text->at[text->used] = '\0';
    else if ((size_t)wanted < room)
        text->used += (size_t)wanted;
    else
        close_at(text, text->used + whole_length(text->at + text->used, room - 1));
}

/* 1: a character that may be shown. Strict: no overlong form, no surrogate, no control character of
 * either set. */
static int is_clean(const unsigned char *at, size_t length)
{
    if (length == 1)
        return at[0] >= 0x20 && at[0] != 0x7f;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    switch (at[0]) {
    case 0xc2: /* below: U+0080 ... U+009F, controls */
    case 0xe0: /* below: overlong */
        return at[1] >= 0xa0;
    case 0xed:
        return at[1] < 0xa0;
    case 0xf0:
        return at[1] >= 0x90;
    case 0xf4:
        return at[1] < 0x90;
    default:
        return 1;
    }
}

void rl__text_add_foreign(struct rl__text *text, const char *bytes, size_t length)
{
    for (size_t i = 0, step; i < length && text->size > 0; i += step) {
        const char *from = bytes + i;

        step = character_length((unsigned char)*from);
        if (step == 0 || step > length - i || !is_clean((const unsigned char *)from, step)) {
            from = "?";
            step = 1;
        }
        if (step >= text->size - text->used) {
            close_at(text, text->used);
            return;
        }
        memcpy(text->at + text->used, from, step);
        text->used += step;
        text->at[text->used] = '\0';
    }
}

struct unit {
    uint64_t below; /* shown in these units when the rounded span is shorter */
    uint64_t large, small;
    const char *large_name, *small_name;
};

static void add_units(struct rl__text *text, const struct unit *unit, uint64_t rounded)
{
    uint64_t large = rounded / unit->large, small = rounded % unit->large / unit->small;

    rl__text_add(text, "%llu %s", (unsigned long long)large, unit->large_name);
    if (small > 0)
        rl__text_add(text, " %llu %s", (unsigned long long)small, unit->small_name);
}

/* Up to `step`; the caller has ruled out a span that would overflow. */
static uint64_t round_up(uint64_t span, uint64_t step)
{
    return span / step * step + (span % step != 0 ? step : 0);
}

static int add_short(struct rl__text *text, uint64_t ns)
{
    uint64_t ms = round_up(ns, RL_MILLISECOND) / RL_MILLISECOND;
    uint64_t tenths = round_up(ns, RL_SECOND / 10) / (RL_SECOND / 10);

    if (ms > 0 && ms < 1000)
        rl__text_add(text, "%llu ms", (unsigned long long)ms);
    else if (tenths >= 600)
        return 0;
    else if (tenths % 10 == 0)
        rl__text_add(text, "%llu s", (unsigned long long)(tenths / 10));
    else
        rl__text_add(text, "%llu.%llu s", (unsigned long long)(tenths / 10),
                     (unsigned long long)(tenths % 10));
    return 1;
}

void rl__text_add_duration(struct rl__text *text, uint64_t nanoseconds)
{
    static const struct unit unit[] = {
        { RL_HOUR, RL_MINUTE, RL_SECOND, "m", "s" },
        { RL_DAY, RL_HOUR, RL_MINUTE, "h", "m" },
        { RL_NEVER, RL_DAY, RL_HOUR, "d", "h" },
    };
    size_t i = 0;

    if (nanoseconds > RL_NEVER - RL_DAY) {
        rl__text_add(text, "for ever");
        return;
    }
    if (add_short(text, nanoseconds))
        return;
    while (round_up(nanoseconds, unit[i].small) >= unit[i].below)
        i++;
    add_units(text, &unit[i], round_up(nanoseconds, unit[i].small));
}
