/* SPDX-License-Identifier: MIT */
/* A whole answer: two bytes of status and dialect, lines of headers, an empty line, a body. */
#include "fuzz.h"

#define LINES 32

/* The headers up to an empty line; returns where the body begins. */
static size_t headers_make(const uint8_t *data, size_t size, rl_header *header, size_t *count)
{
    size_t at = 0;

    *count = 0;
    while (at < size && data[at] != '\n' && *count < LINES) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t length = end == NULL ? size - at : (size_t)(end - (data + at));
        const uint8_t *colon = memchr(data + at, ':', length);
        size_t name = colon == NULL ? length : (size_t)(colon - (data + at));
        size_t skip = colon == NULL ? name : name + 1;
        const char *line = (const char *)data + at;

        header[(*count)++] = (rl_header){ line, name, line + skip, length - skip };
        at += length + (end != NULL);
    }
    return at < size ? at + 1 : size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t statuses[] = { 200, 429, 400, 503, 529, 413, 402, 401, 500, 201, 0, 404 };
    rl_header header[LINES];
    rl_response response = RL_RESPONSE_INIT;
    rl_answer answer;
    char *body;
    size_t count, at;

    if (size < 2)
        return 0;
    at = headers_make(data + 2, size - 2, header, &count) + 2;
    body = fuzz_copy(data + at, size - at);
    response.status = statuses[data[0] % (sizeof statuses / sizeof statuses[0])];
    response.failure = data[0] >= 0xf0 ? data[0] & 0xfu : 0;
    response.headers = header;
    response.header_count = count;
    response.body = body;
    response.body_length = size - at;
    FUZZ_CHECK(rl_answer_read(fuzz_dialect(data[1]), &response, INT64_C(1790000000000000000),
                              &answer) == RL_OK);
    fuzz_check_answer(&answer);
    free(body);
    return 0;
}
