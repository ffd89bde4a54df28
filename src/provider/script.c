/* SPDX-License-Identifier: MIT */
/* Owns the table of blocks of Unicode. */
#include "provider/script.h"

#include <stddef.h>

/* In order; what lies between is rare. */
static const struct {
    uint32_t first, last;
    enum rl__script script;
} block[] = {
    { 0x0080, 0x00bf, RL__QUOTES },        { 0x00c0, 0x024f, RL__LATIN },
    { 0x0300, 0x036f, RL__LATIN },         { 0x0370, 0x03ff, RL__GREEK },
    { 0x0400, 0x040f, RL__CYRILLIC_MORE }, { 0x0410, 0x044f, RL__CYRILLIC },
    { 0x0450, 0x052f, RL__CYRILLIC_MORE }, { 0x0590, 0x05ff, RL__HEBREW },
    { 0x0600, 0x06ff, RL__ARABIC },        { 0x0750, 0x077f, RL__ARABIC },
    { 0x0900, 0x097f, RL__DEVANAGARI },    { 0x0980, 0x0dff, RL__INDIC },
    { 0x0e00, 0x0eff, RL__THAI },          { 0x10a0, 0x10ff, RL__GEORGIAN },
    { 0x1100, 0x11ff, RL__HANGUL },        { 0x1200, 0x139f, RL__ETHIOPIC },
    { 0x1e00, 0x1eff, RL__VIETNAMESE },    { 0x1f00, 0x1fff, RL__GREEK },
    { 0x2000, 0x206f, RL__QUOTES },        { 0x20a0, 0x20bf, RL__QUOTES },
    { 0x2100, 0x2bff, RL__SYMBOLS },       { 0x2e80, 0x2fff, RL__HAN },
    { 0x3000, 0x303f, RL__WIDE },          { 0x3040, 0x30ff, RL__KANA },
    { 0x3130, 0x318f, RL__HANGUL },        { 0x3400, 0x9fff, RL__HAN },
    { 0xac00, 0xd7af, RL__HANGUL },        { 0xf900, 0xfaff, RL__HAN },
    { 0xfe00, 0xfe0f, RL__EMOJI },         { 0xff00, 0xffef, RL__WIDE },
    { 0x1f000, 0x1faff, RL__EMOJI },       { 0x20000, 0x3ffff, RL__HAN },
};

enum rl__script rl__script_of(uint32_t code)
{
    size_t low = 0, high = sizeof block / sizeof block[0];

    if (code == 0)
        return RL__INVALID;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (code > block[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < sizeof block / sizeof block[0] && code >= block[low].first)
        return block[low].script;
    return code < 0x800 ? RL__RARE_SHORT : code < 0x10000 ? RL__RARE : RL__RARE_LONG;
}
