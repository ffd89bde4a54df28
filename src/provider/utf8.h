/* SPDX-License-Identifier: MIT */
/* One character of UTF-8, read with mistrust. */
#ifndef LLMRL_SRC_UTF8_H
#define LLMRL_SRC_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * The bytes of the character that begins at `text`, of which `length` (> 0) bytes may be read, and
 * its code. Whatever Unicode does not allow (a form longer than need be, a surrogate, a code above
 * 0x10ffff, an end in the midst) is one byte that is no character: 1, and `code` 0. A NUL byte
 * gives that too, and is ASCII: ask for that first.
 */
static inline size_t rl__utf8_read(const unsigned char *text, size_t length, uint32_t *code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t size = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    uint32_t read = text[0] & (0x7fu >> size);

    *code = text[0] < 0x80 ? text[0] : 0;
    if (text[0] < 0xc2 || text[0] > 0xf4 || size > length)
        return 1;
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 1;
        read = read << 6 | (text[i] & 0x3fu);
    }
    if (read < least[size] || read > 0x10ffff || (read >= 0xd800 && read <= 0xdfff))
        return 1;
    *code = read;
    return size;
}

#endif
