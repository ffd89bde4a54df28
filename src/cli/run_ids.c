/* SPDX-License-Identifier: MIT */
/* Owns the set of custom_ids: keyed hashes in tables with open addressing that grow one after the
 * other. */
#include "run_ids.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Many small tables grow by themselves, so no growth copies everything at once or holds it twice.
 */
#define SHARDS 256
#define FLAGS  7u

/* Three low bits of `low` are the flags. An entry has at least one, so all zero means free. */
struct slot {
    uint64_t high;
    uint64_t low;
};

struct shard {
    struct slot *slot;
    size_t room;
    size_t used;
};

struct run_ids {
    uint64_t key[2];
    struct shard shard[SHARDS];
};

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int rounds)
{
    for (; rounds > 0; rounds--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static uint64_t little_endian(const char *bytes, size_t count)
{
    uint64_t word = 0;

    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return word;
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
}

void run_ids_hash(const uint64_t key[2], const char *bytes, size_t length, uint64_t out[2])
{
    uint64_t v[4] = { key[0] ^ UINT64_C(0x736f6d6570736575),
                      key[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
                      key[0] ^ UINT64_C(0x6c7967656e657261),
                      key[1] ^ UINT64_C(0x7465646279746573) };
    size_t whole = length & ~(size_t)7;

    for (size_t at = 0; at < whole; at += 8)
        sip_word(v, little_endian(bytes + at, 8));
    sip_word(v, little_endian(bytes + whole, length & 7) | (uint64_t)length << 56);
    v[2] ^= 0xee;
    sip_rounds(v, 4);
    out[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    sip_rounds(v, 4);
    out[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct run_ids *run_ids_new(void)
{
    struct run_ids *ids = text_memory(NULL, sizeof *ids);

    memset(ids, 0, sizeof *ids);
    /* 16 bytes come whole or not at all. */
    if (getrandom(ids->key, sizeof ids->key, 0) != (ssize_t)sizeof ids->key) {
        fputs("llmrl: the system gives no random numbers\n", stderr);
        exit(2);
    }
    return ids;
}

void run_ids_free(struct run_ids *ids)
{
    if (ids == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        free(ids->shard[i].slot);
    free(ids);
}

/* Where the entry is, or the free place where it would go. The upper half of `high` chooses the
 * place, so any table size will do; its lower bits chose the shard. */
static struct slot *find_slot(const struct shard *shard, uint64_t high, uint64_t low)
{
    size_t at = (size_t)((high >> 32) * (uint64_t)shard->room >> 32);

    while (shard->slot[at].low != 0 &&
           (shard->slot[at].high != high || ((shard->slot[at].low ^ low) & ~(uint64_t)FLAGS) != 0))
        at = at + 1 < shard->room ? at + 1 : 0;
    return &shard->slot[at];
}

/* Keeps a table at most four fifths full, and at least 64 % once it has grown. */
static void make_room(struct shard *shard)
{
    struct shard grown = { NULL, shard->room < 16 ? 16 : shard->room + shard->room / 4,
                           shard->used };

    if (shard->used + 1 <= shard->room - shard->room / 5 && shard->room > 0)
        return;
    grown.slot = text_memory(NULL, grown.room * sizeof *grown.slot);
    memset(grown.slot, 0, grown.room * sizeof *grown.slot);
    for (size_t i = 0; i < shard->room; i++) {
        if (shard->slot[i].low != 0)
            *find_slot(&grown, shard->slot[i].high, shard->slot[i].low) = shard->slot[i];
    }
    free(shard->slot);
    *shard = grown;
}

unsigned run_ids_mark(struct run_ids *ids, const char *id, size_t length, unsigned flag)
{
    uint64_t hash[2];
    struct shard *shard;
    struct slot *slot;
    unsigned before;

    run_ids_hash(ids->key, id, length, hash);
    shard = &ids->shard[hash[0] % SHARDS];
    make_room(shard);
    slot = find_slot(shard, hash[0], hash[1]);
    before = (unsigned)(slot->low & FLAGS);
    if (before == 0)
        shard->used++;
    slot->high = hash[0];
    slot->low = (hash[1] & ~(uint64_t)FLAGS) | before | (flag & FLAGS);
    return before;
}

unsigned run_ids_flags(const struct run_ids *ids, const char *id, size_t length)
{
    uint64_t hash[2];
    const struct shard *shard;

    run_ids_hash(ids->key, id, length, hash);
    shard = &ids->shard[hash[0] % SHARDS];
    return shard->room == 0 ? 0 : (unsigned)(find_slot(shard, hash[0], hash[1])->low & FLAGS);
}

size_t run_ids_memory(const struct run_ids *ids)
{
    size_t bytes = sizeof *ids;

    for (size_t i = 0; i < SHARDS; i++)
        bytes += ids->shard[i].room * sizeof(struct slot);
    return bytes;
}
