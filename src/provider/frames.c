/* SPDX-License-Identifier: MIT */
/* The frames of Amazon's event stream, as one machine over bytes. */
#include "provider/frames.h"

/* Lengths and checksum of the prelude, and the checksum at the end. */
#define OVERHEAD 16

enum part {
    TOTAL, /* zero, so that zeroed memory is a beginning */
    HEADERS,
    PRELUDE_CRC,
    NAME_LENGTH,
    NAME,
    TYPE,
    VALUE_LENGTH,
    VALUE,
    PAYLOAD,
    CRC,
    BROKEN
};

enum target { NOWHERE, KIND, KEY, MESSAGE };

/* CRC-32 as of gzip, four bits at a time: half a kilobyte less than a table of bytes needs, and no
 * table to be built. */
static uint32_t crc_add(uint32_t crc, unsigned char byte)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };

    crc = ~crc;
    crc = table[(crc ^ byte) & 15] ^ crc >> 4;
    crc = table[(crc ^ (uint32_t)byte >> 4) & 15] ^ crc >> 4;
    return ~crc;
}

static enum rl__frame_step enter(struct rl__frames *frames, enum part part)
{
    frames->part = part;
    frames->before = frames->crc; /* of all that came before this part */
    frames->word = 0;
    frames->taken = 0;
    return part == BROKEN ? RL__FRAME_BROKEN : RL__FRAME_MORE;
}

/* Big-endian; 1: `size` bytes are together. */
static int word_add(struct rl__frames *frames, unsigned char byte, uint32_t size)
{
    frames->word = frames->word << 8 | byte;
    return ++frames->taken == size;
}

static void text_add(char *text, size_t size, uint32_t at, unsigned char byte)
{
    if (at < size - 1) {
        text[at] = (char)byte;
        text[at + 1] = '\0';
    }
}

static enum rl__frame_step headers_end(struct rl__frames *frames)
{
    enter(frames, frames->payload_left > 0 ? PAYLOAD : CRC);
    return RL__FRAME_BEGIN;
}

/* The next header, if there is one. */
static enum rl__frame_step header_next(struct rl__frames *frames)
{
    return frames->headers_left > 0 ? enter(frames, NAME_LENGTH) : headers_end(frames);
}

static enum rl__frame_step prelude_end(struct rl__frames *frames)
{
    if (frames->word != frames->before || frames->total < OVERHEAD ||
        frames->headers_left > frames->total - OVERHEAD)
        return enter(frames, BROKEN);
    frames->payload_left = frames->total - OVERHEAD - frames->headers_left;
    frames->kind[0] = frames->type[0] = frames->message[0] = '\0';
    return header_next(frames);
}

static enum rl__frame_step prelude_byte(struct rl__frames *frames, unsigned char byte)
{
    if (!word_add(frames, byte, 4))
        return RL__FRAME_MORE;
    if (frames->part == PRELUDE_CRC)
        return prelude_end(frames);
    if (frames->part == TOTAL) {
        frames->total = frames->word;
        return enter(frames, HEADERS);
    }
    frames->headers_left = frames->word;
    return enter(frames, PRELUDE_CRC);
}

static enum target target_of(const struct rl__frames *frames)
{
    static const struct {
        const char *name;
        enum target target;
    } names[] = {
        { ":message-type", KIND }, { ":event-type", KEY },        { ":exception-type", KEY },
        { ":error-code", KEY },    { ":error-message", MESSAGE },
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (rl__is(frames->name, frames->name_length, names[i].name))
            return names[i].target;
    return NOWHERE;
}

/* Two types are their own value, the others have a length: fixed, or before the value. */
static enum rl__frame_step type_byte(struct rl__frames *frames, unsigned char type)
{
    static const uint32_t lengths[] = { 0, 0, 1, 2, 4, 8, 0, 0, 8, 16 };

    frames->target = NOWHERE;
    if (type >= sizeof lengths / sizeof lengths[0])
        return enter(frames, BROKEN);
    if (type == 6 || type == 7) { /* bytes, text */
        frames->target = type == 7 ? (uint32_t)target_of(frames) : NOWHERE;
        return enter(frames, VALUE_LENGTH);
    }
    frames->value_left = lengths[type];
    return frames->value_left > 0 ? enter(frames, VALUE) : header_next(frames);
}

static enum rl__frame_step value_byte(struct rl__frames *frames, unsigned char byte)
{
    uint32_t at = frames->taken++;

    if (frames->target == KIND)
        text_add(frames->kind, sizeof frames->kind, at, byte);
    else if (frames->target == KEY)
        text_add(frames->type, sizeof frames->type, at, byte);
    else if (frames->target == MESSAGE)
        text_add(frames->message, sizeof frames->message, at, byte);
    return --frames->value_left > 0 ? RL__FRAME_MORE : header_next(frames);
}

static enum rl__frame_step name_byte(struct rl__frames *frames, unsigned char byte)
{
    if (frames->part == NAME_LENGTH) {
        frames->name_length = byte;
        return enter(frames, byte > 0 ? NAME : BROKEN);
    }
    if (frames->taken < sizeof frames->name)
        frames->name[frames->taken] = (char)byte;
    return ++frames->taken < frames->name_length ? RL__FRAME_MORE : enter(frames, TYPE);
}

static enum rl__frame_step header_part(struct rl__frames *frames, unsigned char byte)
{
    switch (frames->part) {
    case NAME_LENGTH:
    case NAME:
        return name_byte(frames, byte);
    case TYPE:
        return type_byte(frames, byte);
    case VALUE_LENGTH:
        if (!word_add(frames, byte, 2))
            return RL__FRAME_MORE;
        frames->value_left = frames->word;
        return frames->value_left > 0 ? enter(frames, VALUE) : header_next(frames);
    default:
        return value_byte(frames, byte);
    }
}

/* A header that is not done when their bytes are is a lie about its length. */
static enum rl__frame_step header_byte(struct rl__frames *frames, unsigned char byte)
{
    enum rl__frame_step step;

    frames->headers_left--;
    step = header_part(frames, byte);
    if (frames->headers_left == 0 && step == RL__FRAME_MORE)
        return enter(frames, BROKEN);
    return step;
}

static enum rl__frame_step end_byte(struct rl__frames *frames, unsigned char byte)
{
    if (!word_add(frames, byte, 4))
        return RL__FRAME_MORE;
    if (frames->word != frames->before)
        return enter(frames, BROKEN);
    frames->crc = 0;
    enter(frames, TOTAL);
    return RL__FRAME_END;
}

enum rl__frame_step rl__frames_byte(struct rl__frames *frames, unsigned char byte)
{
    frames->crc = crc_add(frames->crc, byte);
    switch (frames->part) {
    case TOTAL:
    case HEADERS:
    case PRELUDE_CRC:
        return prelude_byte(frames, byte);
    case PAYLOAD:
        if (--frames->payload_left == 0)
            enter(frames, CRC);
        return RL__FRAME_PAYLOAD;
    case CRC:
        return end_byte(frames, byte);
    case BROKEN:
        return RL__FRAME_MORE;
    default:
        return header_byte(frames, byte);
    }
}
