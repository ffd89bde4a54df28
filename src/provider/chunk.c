/* SPDX-License-Identifier: MIT */
/* A small JSON walker that knows one key, and base64. */
#include "provider/chunk.h"

#include <stddef.h>
#include <string.h>

static const char key[] = "bytes";
#define KEY_LENGTH (sizeof key - 1)

/* The six bits of a letter, or 64. */
static uint32_t sextet(char c)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(letters, c);

    return at == NULL ? 64 : (uint32_t)(at - letters);
}

static int base64_char(struct rl__chunk *chunk, char c, char *out)
{
    uint32_t six = sextet(c);

    if (six == 64) { /* '=', the end; or garbage, and what follows could be anything */
        chunk->is_over = 1;
        return 0;
    }
    chunk->bits = chunk->bits << 6 | six;
    chunk->bit_count = (uint8_t)(chunk->bit_count + 6);
    if (chunk->bit_count < 8)
        return 0;
    chunk->bit_count = (uint8_t)(chunk->bit_count - 8);
    *out = (char)(unsigned char)(chunk->bits >> chunk->bit_count);
    chunk->bits &= 0xff;
    return 1;
}

static void key_char(struct rl__chunk *chunk, char c)
{
    if (chunk->matched < KEY_LENGTH && c == key[chunk->matched])
        chunk->matched++;
    else
        chunk->matched = KEY_LENGTH + 1;
}

static int string_char(struct rl__chunk *chunk, char c, char *out)
{
    if (!chunk->escaped && c == '"') {
        chunk->in_string = 0;
        chunk->is_over |= chunk->is_payload;
        return 0;
    }
    if (!chunk->escaped && c == '\\') {
        chunk->escaped = 1; /* '/' may be written so */
        return 0;
    }
    chunk->escaped = 0;
    if (chunk->is_key)
        key_char(chunk, c);
    return chunk->is_payload && !chunk->is_over ? base64_char(chunk, c, out) : 0;
}

static void string_begin(struct rl__chunk *chunk)
{
    chunk->in_string = 1;
    chunk->is_key = chunk->expect_key;
    chunk->is_payload = !chunk->is_key && chunk->depth == 1 && chunk->matched == KEY_LENGTH;
    if (chunk->is_key || chunk->is_payload)
        chunk->matched = 0;
}

int rl__chunk_char(struct rl__chunk *chunk, char c, char *out)
{
    if (chunk->in_string)
        return string_char(chunk, c, out);
    switch (c) {
    case '"':
        string_begin(chunk);
        break;
    case '{':
    case '[':
        chunk->depth += chunk->depth < UINT32_MAX;
        chunk->expect_key = chunk->depth == 1 && c == '{';
        break;
    case '}':
    case ']':
        chunk->depth -= chunk->depth > 0;
        break;
    case ',':
        chunk->expect_key = chunk->depth == 1;
        break;
    case ':':
        chunk->expect_key = 0;
        break;
    default:
        break;
    }
    return 0;
}
