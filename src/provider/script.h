/* SPDX-License-Identifier: MIT */
/* Which writing a character belongs to, as far as tokenizers make a difference. */
#ifndef LLMRL_SRC_SCRIPT_H
#define LLMRL_SRC_SCRIPT_H

#include <stdint.h>

enum rl__script {
    RL__LATIN,      /* beyond ASCII: accents, and the marks that combine */
    RL__VIETNAMESE, /* Latin with two accents: three bytes a letter */
    RL__CYRILLIC,
    RL__CYRILLIC_MORE, /* letters that Russian does without */
    RL__GREEK,
    RL__ARABIC,
    RL__HEBREW,
    RL__DEVANAGARI,
    RL__INDIC, /* Bengali to Sinhala */
    RL__THAI,  /* and Lao */
    RL__GEORGIAN,
    RL__ETHIOPIC,
    RL__HAN,
    RL__KANA,
    RL__HANGUL,
    RL__WIDE,    /* punctuation of Chinese and Japanese, full-width forms */
    RL__QUOTES,  /* dashes, quotation marks, the euro */
    RL__SYMBOLS, /* arrows, mathematics, boxes, dingbats */
    RL__EMOJI,
    RL__RARE_SHORT, /* all others, by their bytes: two, three, four */
    RL__RARE,
    RL__RARE_LONG,
    RL__INVALID, /* no character at all */
    RL__SCRIPTS
};

/* Of a character beyond ASCII; `code` 0: of a byte that is none. */
enum rl__script rl__script_of(uint32_t code);

#endif
