/* SPDX-License-Identifier: MIT */
/* Owns the one pass over a text that counts its units. */
#include "provider/makeup.h"

#include "provider/ascii.h"
#include "provider/utf8.h"

/* How many words a language is believed in after one of its own was seen. */
#define PROSE_WORDS 10

enum kind { LOWER, UPPER, DIGIT, BLANK, LINE, MARK, CONTROL, OTHER };

struct scan {
    const unsigned char *text;
    size_t length, at;
    struct rl__makeup *makeup;
    enum kind before;    /* of the byte before this one; LINE at the beginning */
    enum rl__unit prose; /* what words count as, as long as */
    unsigned believed;   /* words are left */
};

static enum kind kind_of(unsigned char c)
{
    if (c >= 0x80)
        return OTHER;
    if (c >= 'a' && c <= 'z')
        return LOWER;
    if (c >= 'A' && c <= 'Z')
        return UPPER;
    if (rl__is_digit((char)c))
        return DIGIT;
    if (c == '\n' || c == '\r')
        return LINE;
    if (rl__is_blank((char)c))
        return BLANK;
    return c < ' ' || c == 0x7f ? CONTROL : MARK;
}

static void count(struct scan *s, size_t unit, size_t n)
{
    s->makeup->count[unit] += n;
}

/* The run of one kind that begins here; goes behind it. */
static size_t run(struct scan *s, enum kind kind)
{
    size_t start = s->at;

    while (s->at < s->length && kind_of(s->text[s->at]) == kind)
        s->at++;
    return s->at - start;
}

/* ---- words ---- */

/* Words that are frequent in one language, and rare in others and in programs. */
static enum rl__unit language_of(const char *word, size_t length)
{
    static const char *const english[] = { "the", "of", "and", "that", "with", "this",
                                           "are", "to", "was", "you",  "it",   "have" };
    static const char *const western[] = {
        "der", "die",   "und", "den", "das", "ist", "ein", "mit", "nicht", "le",  "la",   "les",
        "et",  "une",   "des", "est", "du",  "el",  "los", "que", "una",   "por", "del",  "il",
        "che", "della", "per", "os",  "uma", "het", "een", "van", "para",  "con", "pour", "zu"
    };

    for (size_t i = 0; i < sizeof english / sizeof english[0]; i++)
        if (rl__is_like(word, length, english[i]))
            return RL__ENGLISH;
    for (size_t i = 0; i < sizeof western / sizeof western[0]; i++)
        if (rl__is_like(word, length, western[i]))
            return RL__WESTERN;
    return RL__WORD;
}

static enum rl__unit word_unit(struct scan *s, const char *word, size_t length)
{
    enum rl__unit seen = length >= 2 && length <= 5 ? language_of(word, length) : RL__WORD;

    if (seen != RL__WORD) {
        s->prose = seen;
        s->believed = PROSE_WORDS;
    } else if (s->believed > 0 && --s->believed == 0) {
        s->prose = RL__WORD;
    }
    return s->prose;
}

static void count_word(struct scan *s, const char *word, size_t letters)
{
    enum rl__unit unit = word_unit(s, word, letters);

    count(s, unit, 1);
    if (letters > 4)
        count(s, unit + 1, (letters < 8 ? letters : 8) - 4);
    if (letters > 8)
        count(s, unit + 2, letters - 8);
}

static void count_join(struct scan *s, size_t letters)
{
    if (s->before == MARK)
        count(s, RL__AFTER_MARK, 1);
    if (s->before == LOWER || s->before == UPPER)
        count(s, RL__AFTER_LETTER, 1);
    if (s->before == DIGIT)
        count(s, RL__MIXED, 1);
    if (letters <= 2 && (s->before == LOWER || s->before == UPPER || s->before == DIGIT))
        count(s, RL__SCRAP, 1);
}

/* Small letters, with accented ones among them, that begin here; goes behind them. */
static size_t small_letters(struct scan *s)
{
    size_t letters = 0;

    for (; s->at < s->length; letters++) {
        enum rl__script script;
        uint32_t code;
        size_t size = 1;

        if (s->text[s->at] >= 0x80) {
            size = rl__utf8_read(s->text + s->at, s->length - s->at, &code);
            script = rl__script_of(code);
            if (script != RL__LATIN && script != RL__VIETNAMESE)
                break;
            count(s, RL__SCRIPT_LETTER + script, 1);
        } else if (kind_of(s->text[s->at]) != LOWER) {
            break;
        }
        s->at += size;
    }
    return letters;
}

static void read_word(struct scan *s)
{
    const char *word = (const char *)s->text + s->at;
    size_t capitals = run(s, UPPER), letters;

    if (capitals > 1) { /* "HTTP"; should small ones follow, they are a word of their own */
        count_join(s, capitals);
        count(s, RL__CAPITALS, 1);
        count(s, RL__CAPITALS_3, capitals - 2);
        s->before = UPPER;
        return;
    }
    letters = capitals + small_letters(s);
    count_join(s, letters);
    count_word(s, word, letters);
    s->before = LOWER;
}

/* ---- all else ---- */

static void read_digits(struct scan *s)
{
    size_t n = run(s, DIGIT);

    if (s->before == LOWER || s->before == UPPER)
        count(s, RL__MIXED, 1);
    if (s->before == BLANK)
        count(s, RL__BLANK_NUMBER, 1);
    count(s, RL__NUMBER, n / 3 + (n % 3 != 0));
    count(s, RL__DIGIT, n);
    s->before = DIGIT;
}

static void read_marks(struct scan *s)
{
    size_t first = s->at, n = run(s, MARK);

    count(s, RL__MARK, 1);
    for (size_t i = first + 1; i < first + n; i++)
        count(s, s->text[i] == s->text[i - 1] ? RL__MARK_SAME : RL__MARK_OTHER, 1);
    s->before = MARK;
}

static void read_blanks(struct scan *s)
{
    int tab = s->text[s->at] == '\t';
    size_t n = run(s, BLANK);

    if (n > 1 || tab)
        count(s, RL__BLANKS, 1);
    if (n > 2)
        count(s, RL__BLANKS_3, n - 2);
    s->before = BLANK;
}

static void read_lines(struct scan *s)
{
    size_t n = run(s, LINE);

    count(s, s->before == MARK ? RL__LINE_MARK : RL__LINE, 1);
    count(s, RL__LINE_MORE, n - 1);
    s->before = LINE;
}

/* The script that words are written in. */
static enum rl__script writing(enum rl__script script)
{
    return script == RL__CYRILLIC_MORE ? RL__CYRILLIC : script;
}

/* Letters of one script beyond ASCII. */
static void read_script(struct scan *s)
{
    uint32_t code;
    size_t size = rl__utf8_read(s->text + s->at, s->length - s->at, &code);
    enum rl__script script = rl__script_of(code);

    if (script == RL__LATIN || script == RL__VIETNAMESE) {
        read_word(s);
        return;
    }
    count(s, RL__SCRIPT_WORD + writing(script), 1);
    for (enum rl__script next = script; writing(next) == writing(script);) {
        count(s, RL__SCRIPT_LETTER + next, 1);
        s->at += size;
        if (s->at == s->length || s->text[s->at] < 0x80)
            break;
        size = rl__utf8_read(s->text + s->at, s->length - s->at, &code);
        next = rl__script_of(code);
    }
    s->before = OTHER;
}

static void read_next(struct scan *s)
{
    switch (kind_of(s->text[s->at])) {
    case LOWER:
    case UPPER:
        read_word(s);
        break;
    case DIGIT:
        read_digits(s);
        break;
    case BLANK:
        read_blanks(s);
        break;
    case LINE:
        read_lines(s);
        break;
    case MARK:
        read_marks(s);
        break;
    case CONTROL:
        count(s, RL__CONTROL, run(s, CONTROL));
        s->before = CONTROL;
        break;
    default:
        read_script(s);
    }
}

void rl__makeup_read(const char *text, size_t length, struct rl__makeup *makeup)
{
    struct scan s = { .text = (const unsigned char *)text,
                      .length = length,
                      .makeup = makeup,
                      .before = LINE,
                      .prose = RL__WORD };

    *makeup = (struct rl__makeup){ .count = { 0 } };
    while (s.at < length)
        read_next(&s);
}
