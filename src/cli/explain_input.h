/* SPDX-License-Identifier: MIT */
/* One answer out of a file: raw HTTP as `curl -i` prints it, or JSON. */
#ifndef LLMRL_CLI_EXPLAIN_INPUT_H
#define LLMRL_CLI_EXPLAIN_INPUT_H

#include "text.h"

#include <llmrl/provider.h>

/* What `response` points to is held by the rest, and by the text that was read. */
struct explain_input {
    rl_response response;
    struct text provider; /* the name in the file; length 0: none */
    bool has_now;
    rl_wall_time now;
    rl_header *headers;
    size_t header_count, header_room;
    struct text strings; /* decoded names and values */
    struct text body;
};

/* Reads `text`, which is changed in place and stays borrowed. False: *error says what is wrong, and
 * on which line. */
bool explain_input_read(struct explain_input *input, char *text, size_t length, struct text *error);
void explain_input_deinit(struct explain_input *input);

#endif
