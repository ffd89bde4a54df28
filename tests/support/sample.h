/* SPDX-License-Identifier: MIT */
/* One recorded answer, read from a JSON file, with every text in a block of exactly its size: a
 * byte read past the end is seen by AddressSanitizer. Include after cmocka.h. */
#ifndef LLMRL_TESTS_SAMPLE_H
#define LLMRL_TESTS_SAMPLE_H

#include "provider/date.h"

#include <cjson/cJSON.h>
#include <llmrl/provider.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_HEADERS 100

struct sample {
    cJSON *root;
    const char *id;
    const char *provider;
    const cJSON *expect;
    rl_header header[SAMPLE_HEADERS];
    rl_response response;
    char *body;
    rl_wall_time now;
};

/* A copy without a NUL. */
static inline char *sample_exact(const char *text, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);

    assert_non_null(copy);
    memcpy(copy, text, length);
    return copy;
}

static inline char *sample_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size = 0, room = (size_t)1 << 20;
    char *text = malloc(room);

    assert_non_null(text);
    if (file != NULL) {
        size = fread(text, 1, room - 1, file);
        (void)fclose(file);
    }
    text[size] = '\0';
    return text;
}

static inline void sample_headers(struct sample *sample, const cJSON *headers)
{
    size_t count = 0;

    for (const cJSON *line = headers->child; line != NULL && count < SAMPLE_HEADERS;
         line = line->next) {
        const char *name = line->child->valuestring, *value = line->child->next->valuestring;

        sample->header[count++] = (rl_header){
            .name = sample_exact(name, strlen(name)),
            .name_length = strlen(name),
            .value = sample_exact(value, strlen(value)),
            .value_length = strlen(value),
        };
    }
    sample->response.headers = sample->header;
    sample->response.header_count = count;
}

/* 0: the file is no sample. */
static inline int sample_load(struct sample *sample, const char *path)
{
    char *text = sample_file(path);
    const cJSON *body;
    const char *now;

    memset(sample, 0, sizeof *sample);
    sample->response = RL_RESPONSE_INIT;
    sample->root = cJSON_Parse(text);
    free(text);
    if (sample->root == NULL || cJSON_GetObjectItem(sample->root, "expect") == NULL)
        return 0;
    sample->id = cJSON_GetObjectItem(sample->root, "id")->valuestring;
    sample->provider = cJSON_GetObjectItem(sample->root, "provider")->valuestring;
    sample->expect = cJSON_GetObjectItem(sample->root, "expect");
    sample->response.status = (uint64_t)cJSON_GetObjectItem(sample->root, "status")->valuedouble;
    sample_headers(sample, cJSON_GetObjectItem(sample->root, "headers"));
    body = cJSON_GetObjectItem(sample->root, "body");
    if (cJSON_IsString(body)) {
        sample->response.body_length = strlen(body->valuestring);
        sample->body = sample_exact(body->valuestring, sample->response.body_length);
        sample->response.body = sample->body;
    }
    now = cJSON_GetObjectItem(sample->root, "now")->valuestring;
    assert_true(rl__date_rfc3339(now, strlen(now), &sample->now));
    return 1;
}

static inline void sample_free(struct sample *sample)
{
    for (size_t i = 0; i < (size_t)sample->response.header_count; i++) {
        free((void *)(uintptr_t)sample->header[i].name);
        free((void *)(uintptr_t)sample->header[i].value);
    }
    free(sample->body);
    cJSON_Delete(sample->root);
}

#endif
