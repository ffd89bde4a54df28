/* SPDX-License-Identifier: MIT */
/* Writes frames of Amazon's event stream, with a checksum of its own: bit by bit. */
#ifndef LLMRL_TESTS_FRAME_H
#define LLMRL_TESTS_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct frame_out {
    size_t length;
    char bytes[65536];
};

static inline uint32_t frame_crc(const char *bytes, size_t length)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < length; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ UINT32_C(0xedb88320) : crc >> 1;
    }
    return ~crc;
}

static inline void frame_word(char *at, uint32_t word)
{
    for (int i = 3; i >= 0; i--, word >>= 8)
        at[i] = (char)(unsigned char)(word & 0xff);
}

static inline size_t frame_header(char *at, const char *name, const char *value)
{
    size_t name_length = strlen(name), value_length = strlen(value);

    *at++ = (char)name_length;
    memcpy(at, name, name_length);
    at += name_length;
    *at++ = 7; /* text */
    *at++ = (char)(value_length >> 8);
    *at++ = (char)(value_length & 0xff);
    memcpy(at, value, value_length);
    return 4 + name_length + value_length;
}

/* A frame whose headers are given as bytes. */
static inline void frame_raw(struct frame_out *out, const char *headers, size_t headers_length,
                             const char *payload, size_t length)
{
    char *start = out->bytes + out->length, *at = start + 12;

    frame_word(start, (uint32_t)(16 + headers_length + length));
    frame_word(start + 4, (uint32_t)headers_length);
    frame_word(start + 8, frame_crc(start, 8));
    memcpy(at, headers, headers_length);
    at += headers_length;
    memcpy(at, payload, length);
    at += length;
    frame_word(at, frame_crc(start, (size_t)(at - start)));
    out->length += 16 + headers_length + length;
}

/* `kind`: "event" or "exception", whose type is `type`. */
static inline void frame_add(struct frame_out *out, const char *kind, const char *type,
                             const char *payload)
{
    char headers[512];
    size_t length =
        frame_header(headers, strcmp(kind, "event") == 0 ? ":event-type" : ":exception-type", type);

    length += frame_header(headers + length, ":content-type", "application/json");
    length += frame_header(headers + length, ":message-type", kind);
    frame_raw(out, headers, length, payload, strlen(payload));
}

/* A model's own event, as /invoke-with-response-stream wraps it. */
static inline void frame_chunk(struct frame_out *out, const char *event)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char payload[4096] = "{\"bytes\":\"";
    size_t length = strlen(event), at = strlen(payload);

    for (size_t i = 0; i < length; i += 3) {
        uint32_t bits = 0;

        for (size_t n = 0; n < 3; n++)
            bits = bits << 8 | (i + n < length ? (unsigned char)event[i + n] : 0);
        for (size_t n = 0; n < 4; n++)
            payload[at++] = n > length - i ? '=' : letters[bits >> (18 - 6 * n) & 63];
    }
    strcpy(payload + at, "\",\"p\":\"abcdefgh\"}");
    frame_add(out, "event", "chunk", payload);
}

#endif
