/* SPDX-License-Identifier: MIT */
/* What a text is made of: words, numbers, marks, blanks, and letters of other scripts, counted. */
#ifndef LLMRL_SRC_MAKEUP_H
#define LLMRL_SRC_MAKEUP_H

#include "provider/script.h"

#include <stddef.h>

/*
 * The units of which a family's weights speak (vocabulary.h). A tokenizer splits text into words,
 * numbers and runs of marks first, and each of them by itself; so the number of tokens is close to
 * a sum over these. Words are counted apart in English and in other great languages, told by their
 * commonest words among the last few: vocabularies know those languages best.
 */
enum rl__unit {
    RL__ENGLISH,   /* a word where English is written */
    RL__ENGLISH_5, /* its letters from the fifth to the eighth */
    RL__ENGLISH_9, /* and from the ninth on */
    RL__WESTERN,   /* German, French, Spanish, Italian, Portuguese, Dutch */
    RL__WESTERN_5,
    RL__WESTERN_9,
    RL__WORD, /* of no known language: code, names, all other languages */
    RL__WORD_5,
    RL__WORD_9,
    RL__CAPITALS,     /* two capitals or more in a row */
    RL__CAPITALS_3,   /* from the third on */
    RL__AFTER_MARK,   /* words right behind a mark, without a blank */
    RL__AFTER_LETTER, /* words right behind another: someName */
    RL__SCRAP,        /* words of one or two letters right behind another, or a digit: base64 */
    RL__MIXED,        /* a letter right behind a digit, or a digit behind a letter */
    RL__NUMBER,       /* three digits, or what is left */
    RL__DIGIT,
    RL__BLANK_NUMBER, /* a blank before a number */
    RL__MARK,         /* a run of ASCII punctuation */
    RL__MARK_OTHER,   /* a further one in it that differs from the one before */
    RL__MARK_SAME,    /* a further one that repeats it */
    RL__BLANKS,       /* two blanks or more, or a tab */
    RL__BLANKS_3,     /* from the third on */
    RL__LINE,         /* an end of line */
    RL__LINE_MARK,    /* the same behind a mark, with which many vocabularies join it */
    RL__LINE_MORE,    /* further ones right behind */
    RL__CONTROL,      /* other bytes below a blank */
    RL__SCRIPT_WORD,  /* a run of letters of one script beyond ASCII: RL__SCRIPTS units */
    RL__SCRIPT_LETTER = RL__SCRIPT_WORD + RL__SCRIPTS, /* such letters: RL__SCRIPTS units */
    RL__UNITS = RL__SCRIPT_LETTER + RL__SCRIPTS
};

struct rl__makeup {
    uint64_t count[RL__UNITS];
};

/* In one pass over exactly `length` bytes, whatever they are. No count exceeds `length`. */
void rl__makeup_read(const char *text, size_t length, struct rl__makeup *makeup);

#endif
