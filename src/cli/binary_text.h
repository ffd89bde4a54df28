/* SPDX-License-Identifier: MIT */
/* Bytes that JSON cannot hold as they are, in the two ways in which recordings write them. */
#ifndef LLMRL_CLI_BINARY_TEXT_H
#define LLMRL_CLI_BINARY_TEXT_H

#include "text.h"

/* Appends what `encoded` stands for; line ends within it do not matter. False: it is no base64. */
bool base64_decode(const struct text *encoded, struct text *out);

/* A character for each byte, U+0000 to U+00FF: makes bytes of them, in place. False: other
 * characters are among them, and nothing was changed. */
bool characters_to_bytes(struct text *text);

#endif
