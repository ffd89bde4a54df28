/* SPDX-License-Identifier: MIT */
/* Owns the strict JSON scanner: validation, walking through containers, decoding strings. */
#include "json_scan.h"

#include <stdlib.h>
#include <string.h>

struct scan {
    const char *at;
    const char *end;
};

static bool scan_char(struct scan *scan, char wanted)
{
    if (scan->at == scan->end || *scan->at != wanted)
        return false;
    scan->at++;
    return true;
}

static void scan_space(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
        scan->at++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t scan_digits(struct scan *scan)
{
    const char *start = scan->at;

    while (scan->at < scan->end && is_digit(*scan->at))
        scan->at++;
    return (size_t)(scan->at - start);
}

static bool scan_number(struct scan *scan)
{
    const char *first;
    size_t digits;

    (void)scan_char(scan, '-');
    first = scan->at;
    digits = scan_digits(scan);
    if (digits == 0 || (digits > 1 && *first == '0'))
        return false;
    if (scan_char(scan, '.') && scan_digits(scan) == 0)
        return false;
    if (scan_char(scan, 'e') || scan_char(scan, 'E')) {
        if (!scan_char(scan, '+'))
            (void)scan_char(scan, '-');
        return scan_digits(scan) > 0;
    }
    return true;
}

static bool scan_word(struct scan *scan, const char *word)
{
    size_t length = strlen(word);

    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
        return false;
    scan->at += length;
    return true;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Behind the backslash. */
static bool scan_escape(struct scan *scan)
{
    if (scan->at == scan->end || *scan->at == '\0' || strchr("\"\\/bfnrtu", *scan->at) == NULL)
        return false;
    if (*scan->at++ != 'u')
        return true;
    for (int i = 0; i < 4; i++, scan->at++) {
        if (scan->at == scan->end || hex_value(*scan->at) < 0)
            return false;
    }
    return true;
}

static bool scan_string(struct scan *scan)
{
    if (!scan_char(scan, '"'))
        return false;
    while (scan->at < scan->end) {
        unsigned char c = (unsigned char)*scan->at;
        size_t step = c < 0x80 ? 1 : text_utf8(scan->at, (size_t)(scan->end - scan->at));
        if (c < 0x20 || step == 0)
            return false;
        scan->at += step;
        if (c == '"')
            return true;
        if (c == '\\' && !scan_escape(scan))
            return false;
    }
    return false;
}

static bool scan_scalar(struct scan *scan)
{
    if (scan->at == scan->end)
        return false;
    switch (*scan->at) {
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        return scan_number(scan);
    }
}

/* A key, its colon, and the space before the value. */
static bool scan_key(struct scan *scan)
{
    scan_space(scan);
    if (!scan_string(scan))
        return false;
    scan_space(scan);
    if (!scan_char(scan, ':'))
        return false;
    scan_space(scan);
    return true;
}

/* What is open around the place where we are: the closing signs, innermost last. */
struct nest {
    char close[JSON_DEPTH_MAX];
    size_t depth;
};

/* At the start of a value. False: malformed. *inside: it is a container and has something in it,
 * whose value comes next. */
static bool begin_value(struct scan *scan, struct nest *nest, bool *inside)
{
    char close = scan->at == scan->end ? 0 : *scan->at == '{' ? '}' : *scan->at == '[' ? ']' : 0;

    *inside = false;
    if (close == 0)
        return scan_scalar(scan);
    scan->at++;
    scan_space(scan);
    if (scan_char(scan, close))
        return true;
    if (nest->depth == JSON_DEPTH_MAX)
        return false;
    nest->close[nest->depth++] = close;
    *inside = true;
    return close == ']' || scan_key(scan);
}

/* Behind a value: leaves what ends here. False: malformed. At depth 0 all is read; else a value
 * comes next. */
static bool end_value(struct scan *scan, struct nest *nest)
{
    while (nest->depth > 0) {
        char close = nest->close[nest->depth - 1];
        scan_space(scan);
        if (scan_char(scan, ',')) {
            scan_space(scan);
            return close == ']' || scan_key(scan);
        }
        if (!scan_char(scan, close))
            return false;
        nest->depth--;
    }
    return true;
}

/* One value, from its first byte to behind its last. A loop, as the nesting is the sender's choice.
 */
static bool scan_value(struct scan *scan)
{
    struct nest nest;
    bool inside;

    nest.depth = 0;
    do {
        if (!begin_value(scan, &nest, &inside))
            return false;
        if (!inside && !end_value(scan, &nest))
            return false;
    } while (nest.depth > 0);
    return true;
}

bool json_read(const char *text, size_t length, struct json *out)
{
    struct scan scan = { text, text + length };
    const char *start;

    *out = (struct json){ NULL, 0 };
    scan_space(&scan);
    start = scan.at;
    if (!scan_value(&scan))
        return false;
    *out = (struct json){ start, (size_t)(scan.at - start) };
    scan_space(&scan);
    if (scan.at == scan.end)
        return true;
    *out = (struct json){ NULL, 0 };
    return false;
}

enum json_kind json_kind(struct json value)
{
    if (value.text == NULL || value.length == 0)
        return JSON_NONE;
    switch (value.text[0]) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
    case 'n':
        return JSON_WORD;
    default:
        return JSON_NUMBER;
    }
}

struct json_walk json_walk(struct json container)
{
    enum json_kind kind = json_kind(container);
    struct json_walk walk = { NULL, NULL, 0 };

    if (kind != JSON_OBJECT && kind != JSON_ARRAY)
        return walk;
    walk.at = container.text;
    walk.end = container.text + container.length;
    walk.close = kind == JSON_OBJECT ? '}' : ']';
    return walk;
}

/* From the opening sign or from behind a value to the next key or value. */
static bool walk_on(struct json_walk *walk, struct scan *scan)
{
    bool first = scan->at < scan->end && (*scan->at == '{' || *scan->at == '[');

    if (first)
        scan->at++;
    scan_space(scan);
    if (scan->at == scan->end || *scan->at == walk->close || (!first && !scan_char(scan, ',')))
        return false;
    scan_space(scan);
    return true;
}

bool json_next(struct json_walk *walk, struct json *key, struct json *value)
{
    struct scan scan = { walk->at, walk->end };
    struct json name = { NULL, 0 };
    bool whole = walk->close != 0 && walk_on(walk, &scan);

    if (whole && walk->close == '}') {
        name.text = scan.at;
        whole = scan_string(&scan);
        name.length = (size_t)(scan.at - name.text);
        scan_space(&scan);
        whole = whole && scan_char(&scan, ':');
        scan_space(&scan);
    }
    value->text = scan.at;
    if (!whole || !scan_value(&scan)) {
        walk->close = 0;
        return false;
    }
    value->length = (size_t)(scan.at - value->text);
    if (key != NULL)
        *key = name;
    scan_space(&scan); /* behind it stands a comma or the end, never an opening sign */
    walk->at = scan.at;
    return true;
}

struct json json_get(struct json object, const char *name)
{
    struct json found = { NULL, 0 }, key, value;

    if (json_kind(object) != JSON_OBJECT)
        return found;
    for (struct json_walk walk = json_walk(object); json_next(&walk, &key, &value);) {
        if (json_is(key, name))
            found = value;
    }
    return found;
}

bool json_is(struct json string, const char *text)
{
    size_t length = strlen(text);
    struct text decoded = { 0 };
    bool same;

    if (json_kind(string) != JSON_STRING || string.length < length + 2)
        return false;
    if (memchr(string.text, '\\', string.length) == NULL)
        return string.length == length + 2 && memcmp(string.text + 1, text, length) == 0;
    json_decode(string, &decoded);
    same = decoded.length == length && (length == 0 || memcmp(decoded.data, text, length) == 0);
    text_free(&decoded);
    return same;
}

static uint32_t decode_hex(const char *at)
{
    uint32_t unit = 0;

    for (int i = 0; i < 4; i++)
        unit = unit << 4 | (uint32_t)hex_value(at[i]);
    return unit;
}

static void add_code_point(struct text *out, uint32_t code)
{
    char bytes[4];
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0x00, 0xC0, 0xE0, 0xF0 };

    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3F));
    bytes[0] = (char)(lead[length - 1] | code);
    text_add(out, bytes, length);
}

/* `at` is behind the backslash of an escape that was found well-formed; returns what is behind it
 * all. */
static const char *decode_escape(const char *at, const char *end, struct text *out)
{
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    const char *simple = strchr(from, *at);
    uint32_t code, low;

    if (*at != 'u') {
        text_add(out, simple != NULL ? &to[simple - from] : at, 1);
        return at + 1;
    }
    code = decode_hex(at + 1);
    at += 5;
    if (code >= 0xD800 && code < 0xDC00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        low = decode_hex(at + 2);
        if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
    }
    add_code_point(out, code);
    return at;
}

bool json_decode(struct json string, struct text *out)
{
    const char *at, *end;

    if (json_kind(string) != JSON_STRING)
        return false;
    at = string.text + 1;
    end = string.text + string.length - 1;
    text_add(out, "", 0);
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        const char *stop = escape != NULL ? escape : end;
        text_add(out, at, (size_t)(stop - at));
        at = escape != NULL ? decode_escape(escape + 1, end, out) : end;
    }
    return true;
}

bool json_to_uint(struct json number, uint64_t *out)
{
    char copy[64];
    double value;

    if (json_kind(number) != JSON_NUMBER || number.length >= sizeof copy)
        return false;
    memcpy(copy, number.text, number.length);
    copy[number.length] = '\0';
    value = strtod(copy, NULL);
    if (!(value >= 0))
        return false;
    *out = value < 9007199254740992.0 ? (uint64_t)value : UINT64_C(9007199254740992);
    return true;
}
