/* SPDX-License-Identifier: MIT */
/* SipHash-1-3: one round per word, three at the end. */
#include "base/hash.h"

struct sip {
    uint64_t v[4];
};

static uint64_t rotate(uint64_t word, unsigned by)
{
    return word << by | word >> (64 - by);
}

static void sip_round(struct sip *s)
{
    s->v[0] += s->v[1];
    s->v[1] = rotate(s->v[1], 13) ^ s->v[0];
    s->v[0] = rotate(s->v[0], 32);
    s->v[2] += s->v[3];
    s->v[3] = rotate(s->v[3], 16) ^ s->v[2];
    s->v[0] += s->v[3];
    s->v[3] = rotate(s->v[3], 21) ^ s->v[0];
    s->v[2] += s->v[1];
    s->v[1] = rotate(s->v[1], 17) ^ s->v[2];
    s->v[2] = rotate(s->v[2], 32);
}

static void absorb(struct sip *s, uint64_t word)
{
    s->v[3] ^= word;
    sip_round(s);
    s->v[0] ^= word;
}

/* Up to eight bytes, little-endian on every machine. */
static uint64_t word_of(const unsigned char *bytes, size_t length)
{
    uint64_t word = 0;

    for (size_t i = 0; i < length; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

uint64_t rl__hash(const struct rl__hash_key *key, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    struct sip s = {
        { key->word[0] ^ UINT64_C(0x736f6d6570736575), key->word[1] ^ UINT64_C(0x646f72616e646f6d),
          key->word[0] ^ UINT64_C(0x6c7967656e657261), key->word[1] ^ UINT64_C(0x7465646279746573) }
    };
    size_t left = length;

    for (; left >= 8; left -= 8, at += 8)
        absorb(&s, word_of(at, 8));
    absorb(&s, word_of(at, left) | (uint64_t)length << 56);
    s.v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}
