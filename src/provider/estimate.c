/* SPDX-License-Identifier: MIT */
/* Token counts estimated from runs of bytes of one kind. */
#include "provider/estimate.h"

#include "provider/ascii.h"

/* Sums are kept in eighths of a token. */
#define ONE 8

/* The bytes of the UTF-8 character at `text`, and its code; 1 and 0 if there is none. */
static size_t utf8_read(const unsigned char *text, size_t length, uint32_t *code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t size = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

    *code = 0;
    if (text[0] < 0xc2 || text[0] > 0xf4 || size > length)
        return 1;
    *code = text[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            *code = 0;
            return 1;
        }
        *code = *code << 6 | (text[i] & 0x3fu);
    }
    if (*code < least[size] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff)) {
        *code = 0;
        return 1;
    }
    return size;
}

/* Chinese, Japanese, Korean. */
static int is_cjk(uint32_t code)
{
    return (code >= 0x2e80 && code <= 0x9fff) || (code >= 0xac00 && code <= 0xd7af) ||
           (code >= 0xf900 && code <= 0xfaff) || (code >= 0xff00 && code <= 0xffef) ||
           (code >= 0x20000 && code <= 0x3ffff);
}

enum kind { LOWER, UPPER, DIGIT, BLANK, LINE, MARK };

static enum kind kind_of(char c)
{
    if (c >= 'a' && c <= 'z')
        return LOWER;
    if (c >= 'A' && c <= 'Z')
        return UPPER;
    if (rl__is_digit(c))
        return DIGIT;
    if (c == '\n' || c == '\r')
        return LINE;
    return rl__is_blank(c) ? BLANK : MARK;
}

static size_t ceil_div(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

/* The length of the run of one kind that begins here. Marks run on only while they repeat. */
static size_t run_length(const char *text, size_t length)
{
    enum kind kind = kind_of(text[0]);
    size_t i = 1;

    while (i < length && (unsigned char)text[i] < 0x80 && kind_of(text[i]) == kind &&
           (kind != MARK || text[i] == text[0]))
        i++;
    if (kind == UPPER && i == 1) /* "Word": the capital belongs to the word behind it */
        while (i < length && kind_of(text[i]) == LOWER)
            i++;
    return i;
}

/* Eighths of tokens for a run of `size` bytes of one kind. */
static uint64_t run_cost(const char *text, size_t size)
{
    switch (kind_of(text[0])) {
    case LOWER:
        return ONE * ceil_div(size, 5);
    case UPPER: /* capitals alone are rare in vocabularies */
        return ONE *
               (size > 1 && kind_of(text[1]) == LOWER ? ceil_div(size, 5) : ceil_div(size, 3));
    case DIGIT:
        return ONE * ceil_div(size, 2);
    case BLANK: /* one goes with the word behind it; an indentation is a token or few */
        return size == 1 ? 0 : ONE * ceil_div(size - 1, 8);
    case LINE:
        return ONE * ceil_div(size, 2);
    default:
        return ONE * ceil_div(size, 4);
    }
}

uint64_t rl__estimate_tokens(const char *text, size_t length)
{
    uint64_t eighths = 0;
    size_t at = 0;

    while (at < length) {
        uint32_t code;
        size_t size;

        if ((unsigned char)text[at] < 0x80) {
            size = run_length(text + at, length - at);
            eighths += run_cost(text + at, size);
        } else {
            size = utf8_read((const unsigned char *)text + at, length - at, &code);
            if (is_cjk(code))
                eighths += ONE + ONE / 8;
            else
                eighths += size == 1 ? ONE : size * ONE / 2;
        }
        at += size;
    }
    if (length > 0 && eighths < ONE)
        eighths = ONE;
    return eighths / ONE + (eighths % ONE != 0);
}
