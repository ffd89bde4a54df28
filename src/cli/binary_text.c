/* SPDX-License-Identifier: MIT */
/* Base64, and one byte to a character. */
#include "binary_text.h"

#include <string.h>

bool base64_decode(const struct text *encoded, struct text *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int count = 0;
    size_t at = 0;

    for (; at < encoded->length && encoded->data[at] != '='; at++) {
        char c = encoded->data[at];
        const char *letter = c == '\0' ? NULL : strchr(letters, c);

        if (c == '\r' || c == '\n')
            continue;
        if (letter == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(letter - letters);
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        c = (char)(unsigned char)(bits >> count & 0xff);
        text_add(out, &c, 1);
    }
    while (at < encoded->length && strchr("=\r\n", encoded->data[at]) != NULL &&
           encoded->data[at] != '\0')
        at++;
    return at == encoded->length;
}

/* The byte that the UTF-8 at `at` stands for, and how long it is; 0: more than a byte. */
static size_t byte_at(const struct text *text, size_t at, unsigned char *byte)
{
    unsigned char lead = (unsigned char)text->data[at];

    if (lead < 0x80) {
        *byte = lead;
        return 1;
    }
    if ((lead != 0xc2 && lead != 0xc3) || at + 1 == text->length)
        return 0;
    *byte = (unsigned char)((lead & 3) << 6 | ((unsigned char)text->data[at + 1] & 0x3f));
    return 2;
}

bool characters_to_bytes(struct text *text)
{
    unsigned char byte = 0;
    size_t used, length = 0;

    for (size_t at = 0; at < text->length; at += used)
        if ((used = byte_at(text, at, &byte)) == 0)
            return false;
    for (size_t at = 0; at < text->length; at += used) {
        used = byte_at(text, at, &byte);
        text->data[length++] = (char)byte;
    }
    text->length = length;
    return true;
}
