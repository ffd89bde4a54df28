/* SPDX-License-Identifier: MIT */
/* How each dialect words its answers: status, headers, body, chunks of a stream. */
#ifndef LLMRL_CLI_PROVIDER_DIALECTS_H
#define LLMRL_CLI_PROVIDER_DIALECTS_H

#include <cjson/cJSON.h>

#include "provider_request.h"

#define PROVIDER_HEADERS_MAX 24u
#define PROVIDER_CHUNKS_MAX  16u

struct provider_header {
    const char *name; /* static */
    char value[96];
};

/* Made when the request arrives and sent when it is due. */
struct provider_reply {
    unsigned status;
    const char *content_type; /* static */
    struct provider_header header[PROVIDER_HEADERS_MAX];
    size_t header_count;
    char *body; /* owned; NULL if memory ran out */
    size_t length;
    size_t chunk_end[PROVIDER_CHUNKS_MAX]; /* a stream: offsets, the last one is `length` */
    size_t chunk_count;                    /* 0: not a stream */
};

/* What an answer may speak of. */
struct provider_occasion {
    const struct provider_options *options;
    const struct provider_request *request;
    const struct provider_verdict *verdict;
    int64_t now;     /* arrival, ns since the start */
    int64_t wall;    /* the same moment on the (skewed) wall clock, ns since 1970 */
    int64_t latency; /* ns until it will be answered */
    uint64_t serial; /* of the request, for its id */
};

enum provider_error {
    PROVIDER_ERROR_BAD_REQUEST,
    PROVIDER_ERROR_KEY,
    PROVIDER_ERROR_PATH,
    PROVIDER_ERROR_BODY, /* more than PROVIDER_BODY_MAX */
    PROVIDER_ERROR_500,
    PROVIDER_ERROR_503,
    PROVIDER_ERROR_529,
    PROVIDER_ERRORS
};

/* `text`: instead of the dialect's own message; may be NULL. */
void provider_reply_error(struct provider_reply *reply, const struct provider_occasion *occasion,
                          enum provider_error error, const char *text);
/* A refusal: its verdict says for how long, or that it is for ever. */
void provider_reply_refusal(struct provider_reply *reply, const struct provider_occasion *occasion);
void provider_reply_success(struct provider_reply *reply, const struct provider_occasion *occasion);
void provider_reply_free(struct provider_reply *reply);

/* From here on: shared by the files of the dialects. */

/* What a dialect calls an error. `code` is the status word in gemini. */
struct provider_wording {
    unsigned status;
    const char *type;
    const char *code;
    const char *message;
};

__attribute__((format(printf, 3, 4))) void provider_reply_header(struct provider_reply *reply,
                                                                 const char *name,
                                                                 const char *format, ...);
/* The request's id, what the dialect always sends, and the limits. */
void provider_reply_common(struct provider_reply *reply, const struct provider_occasion *occasion);
/* Takes `root` and makes it the body. */
void provider_reply_body(struct provider_reply *reply, unsigned status, cJSON *root);
cJSON *provider_error_json(const struct provider_occasion *occasion,
                           const struct provider_wording *wording);
cJSON *provider_gemini_error(const struct provider_wording *wording);
/* A new entry of the error's details, by the last part of its type; it belongs to `root`. */
cJSON *provider_gemini_detail(cJSON *root, const char *type);

int64_t provider_round_up(int64_t ns, int64_t unit);
/* Go's form of a duration: "6m0s", "1.234s", "20ms"; never less than a millisecond unless 0. */
void provider_duration_text(char *text, size_t size, int64_t ns);
/* The same with the digits that the dialect would give. */
void provider_dialect_duration(char *text, size_t size, int64_t ns, enum provider_dialect dialect);

#endif
