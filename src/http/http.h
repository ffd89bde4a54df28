/* SPDX-License-Identifier: MIT */
/* The inside of the libcurl engine. It is built on the public headers alone, as a stranger would
 * build it. */
#ifndef LLMRL_SRC_HTTP_H
#define LLMRL_SRC_HTTP_H

#include <curl/curl.h>
#include <llmrl/http.h>

/* A key: the only place that knows one. Never printed, wiped at the end. */
struct secret {
    char *text;
    size_t length;
};
rl_status secret_set(struct secret *secret, const char *text);
void secret_wipe(struct secret *secret);
/* Overwrites it with stars wherever it occurs. */
void secret_mask(const struct secret *secret, char *bytes, size_t length);
/* The request headers, with the key in the form of that dialect. NULL: no memory. */
struct curl_slist *secret_headers(const struct secret *secret, const char *dialect);
/* Frees a header list, overwriting it first. */
void secret_free_headers(struct curl_slist *headers);

/* A base URL that has been checked. */
struct door {
    char *url;    /* without a slash at the end */
    int is_plain; /* http, so loopback */
};
/* RL_E_INVALID with a static sentence in *why. */
rl_status door_set(struct door *door, const char *url, const char **why);
void door_free(struct door *door);
/* NULL: fine; else what is wrong with a path. */
const char *path_problem(const char *path);

/* Options with defaults filled in, strings owned. */
struct settings {
    struct door door;
    struct secret key;
    char *provider, *ca_file;
    uint64_t max_in_flight, attempt_timeout_ms, connect_timeout_ms, max_body_bytes, max_attempts;
    struct curl_slist *headers;
    rl_status (*route)(void *route_user, void *user, const rl_route *route, rl_http_target *target);
    void *route_user;
};
rl_status settings_read(struct settings *settings, const rl_http_options *options,
                        const char **why);
void settings_free(struct settings *settings);

#define HEADERS_MAX      48
#define HEADER_BYTES_MAX 6144

/* What has come of one answer so far. */
struct reply {
    rl_header header[HEADERS_MAX];
    size_t header_count;
    char bytes[HEADER_BYTES_MAX]; /* the headers' text */
    size_t bytes_used;
    char *body;
    size_t body_length, body_room;
    int began; /* a first byte has come */
    int too_big;
    char request_id[128];
};

/* Where one attempt goes that is not the engine's own way; all NULL: it is. */
struct target {
    struct door door;
    struct secret key;
    struct curl_slist *headers;
    char *path, *body;
    size_t body_length;
};

/* Of a request: model, user, user_tier, organisation, api_key, fair_key, affinity. */
#define CALL_TEXTS 7

enum stage { STAGE_WAITING, STAGE_ON_WIRE };

/* One accepted call. */
struct call {
    rl_http_engine *engine;
    struct call *next, *previous;
    enum stage stage;
    rl_request request; /* its texts and its scope are the copies below */
    char *text[CALL_TEXTS];
    rl_scope scope;
    char *path, *body;
    struct target target;
    char *key_line;            /* a header; NULL: none */
    struct curl_slist headers; /* that one, before the engine's */
    size_t body_length, body_sent;
    rl_http_fn done;
    void *user;
    rl_attempt attempt;
    CURL *easy;
    struct reply reply;
};

struct rl_http_engine {
    rl_context *rl;
    struct settings settings;
    CURLM *multi;
    int timer; /* timerfd; -1: none, so milliseconds have to do */
    struct call *calls;
    size_t pending, in_flight;
    uint64_t finished; /* counts callbacks, for step() to notice */
    int draining;
};

/* target.c: asks the program, if the call may go by several routes. What it says of a route is
 * checked as the engine's options are. */
rl_status target_read(struct call *call);
void target_free(struct target *target);

/* transfer.c: one attempt on the wire. */
rl_status transfer_start(struct call *call);
/* Reads the outcome of a transfer that libcurl says is over, and takes it off the engine. */
void transfer_end(struct call *call, CURLcode result, rl_response *response);
void transfer_abort(struct call *call);
/* Whether a header may speak of limits, waiting or time. */
int transfer_wants(const char *name, size_t length);
/* What an end means; `began`: a first byte of the answer had come. */
rl_failure transfer_failure(CURLcode result, int began);
void reply_reset(struct reply *reply);

#endif
