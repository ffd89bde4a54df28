/* SPDX-License-Identifier: MIT */
/* One request as the stand-in provider understands it: where it goes, what it costs. */
#ifndef LLMRL_CLI_PROVIDER_REQUEST_H
#define LLMRL_CLI_PROVIDER_REQUEST_H

#include "provider.h"

enum provider_endpoint {
    PROVIDER_NOWHERE,
    PROVIDER_CHAT,
    PROVIDER_EMBEDDINGS,
    PROVIDER_GENERATE,        /* gemini: the model is in the path */
    PROVIDER_GENERATE_STREAM, /* the same, and the answer is a stream */
    PROVIDER_STATS,
    PROVIDER_RESET
};

struct provider_request {
    enum provider_endpoint endpoint;
    char model[PROVIDER_NAME_MAX];
    int64_t input_tokens;
    int64_t output_max;    /* 0: embeddings */
    int64_t output_tokens; /* what the answer will use */
    int64_t items;         /* embeddings: how many vectors */
    bool stream;
    bool include_usage;
    uint64_t hash;     /* of path and body: the same request again has the same */
    const char *error; /* static text if the request was wrong */
};

/* Where a path leads in this dialect; gemini's path gives the model too. */
void provider_request_route(struct provider_request *request, enum provider_dialect dialect,
                            const char *method, const char *path);
/* Reads the body. False: the request is wrong and `error` says why. */
bool provider_request_read(struct provider_request *request, const struct provider_options *options,
                           const char *path, const char *body, size_t length);
/* What the dialect asks of each limit before it lets the request in. */
void provider_request_demand(const struct provider_request *request, enum provider_dialect dialect,
                             struct provider_demand *demand);
/* What is charged on top (or given back, below 0) when `output` tokens were made in the end. */
void provider_request_settlement(const struct provider_request *request,
                                 enum provider_dialect dialect, int64_t output,
                                 int64_t extra[PROVIDER_KINDS]);

#endif
