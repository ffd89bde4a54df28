/* SPDX-License-Identifier: MIT */
/*
 * Amazon's binary event stream, application/vnd.amazon.eventstream, one byte at a time: frames of a
 * prelude (length of all, length of the headers, CRC-32 of both), headers, a payload and a CRC-32
 * of all before it. No payload is kept, and of the headers only what says what a frame is.
 *
 * Both checksums are checked: the prelude's before its lengths are believed, so that no length of
 * an attacker's or a broken body's is followed; the frame's at its end, where the caller can still
 * drop what the payload said. After a fault nothing more is read: where the next frame begins is
 * not known.
 */
#ifndef LLMRL_SRC_FRAMES_H
#define LLMRL_SRC_FRAMES_H

#include "provider/ascii.h"

#include <stdint.h>

enum rl__frame_step {
    RL__FRAME_MORE,
    RL__FRAME_BEGIN,   /* its headers are known; the payload follows */
    RL__FRAME_PAYLOAD, /* this byte is one of the payload */
    RL__FRAME_END,     /* all of it came, and the checksum is right */
    RL__FRAME_BROKEN   /* told once; RL__FRAME_MORE ever after */
};

struct rl__frames {
    uint32_t part;   /* what the next byte belongs to */
    uint32_t crc;    /* of the frame so far */
    uint32_t before; /* the same, without this part */
    uint32_t word;   /* the number that is being read */
    uint32_t taken;  /* bytes of this part so far */
    uint32_t total;
    uint32_t headers_left, payload_left, value_left;
    uint32_t target; /* which text below the value is for */
    uint32_t name_length;
    char name[16];    /* of the header at hand; a longer one is none of ours */
    char kind[16];    /* ":message-type": event, exception, error */
    char type[48];    /* ":event-type", ":exception-type" or ":error-code" */
    char message[96]; /* ":error-message" */
};

/* All zero is the beginning of a stream. The texts hold what the last RL__FRAME_BEGIN found. */
enum rl__frame_step rl__frames_byte(struct rl__frames *frames, unsigned char byte);

#endif
