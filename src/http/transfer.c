/* SPDX-License-Identifier: MIT */
/* Owns one attempt on the wire: how it is sent, what is kept of its answer, what its end means. */
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- what comes in ---- */

void reply_reset(struct reply *reply)
{
    reply->header_count = 0;
    reply->bytes_used = 0;
    reply->body_length = 0;
    reply->began = reply->too_big = 0;
    reply->request_id[0] = '\0';
}

/* Only what may speak of limits, waiting and time is kept, so a flood of headers costs nothing. */
int transfer_wants(const char *name, size_t length)
{
    static const char *const part[] = { "ratelimit",  "rate-limit", "retry",
                                        "request-id", "quota",      "limit-" };

    if (length == 4 && strncasecmp(name, "date", 4) == 0)
        return 1;
    for (size_t p = 0; p < sizeof part / sizeof part[0]; p++) {
        size_t size = strlen(part[p]);

        for (size_t i = 0; i + size <= length; i++)
            if (strncasecmp(name + i, part[p], size) == 0)
                return 1;
    }
    return 0;
}

static void keep_request_id(struct reply *reply, const rl_header *header)
{
    static const char *const names[] = { "x-request-id", "request-id" };

    for (size_t n = 0; n < 2; n++)
        if (header->name_length == strlen(names[n]) &&
            strncasecmp(header->name, names[n], header->name_length) == 0 &&
            header->value_length < sizeof reply->request_id) {
            memcpy(reply->request_id, header->value, header->value_length);
            reply->request_id[header->value_length] = '\0';
        }
}

static void keep_header(struct reply *reply, const char *line, size_t length, size_t colon)
{
    rl_header *header = &reply->header[reply->header_count];
    size_t start = colon + 1;

    if (reply->header_count == HEADERS_MAX || length > HEADER_BYTES_MAX - reply->bytes_used)
        return;
    while (start < length && (line[start] == ' ' || line[start] == '\t'))
        start++;
    memcpy(reply->bytes + reply->bytes_used, line, length);
    header->name = reply->bytes + reply->bytes_used;
    header->name_length = colon;
    header->value = header->name + start;
    header->value_length = length - start;
    reply->bytes_used += length;
    reply->header_count++;
    keep_request_id(reply, header);
}

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
    struct reply *reply = &((struct call *)user)->reply;
    size_t whole = size * count, length = whole;
    const char *colon;

    reply->began = 1;
    if (whole >= 5 &&
        memcmp(line, "HTTP/", 5) == 0) { /* an interim answer has headers of its own: forget them */
        reply->header_count = 0;
        reply->bytes_used = 0;
        return whole;
    }
    while (length > 0 && strchr("\r\n \t", line[length - 1]) != NULL)
        length--;
    colon = memchr(line, ':', length);
    if (colon != NULL && transfer_wants(line, (size_t)(colon - line)))
        keep_header(reply, line, length, (size_t)(colon - line));
    return whole;
}

static int make_room(struct reply *reply, size_t needed)
{
    size_t room = reply->body_room == 0 ? 4096 : reply->body_room;
    char *longer;

    while (room < needed)
        room *= 2;
    if (room == reply->body_room)
        return 1;
    if ((longer = realloc(reply->body, room)) == NULL)
        return 0;
    reply->body = longer;
    reply->body_room = room;
    return 1;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
    struct call *call = user;
    struct reply *reply = &call->reply;
    size_t length = size * count;

    reply->began = 1;
    if (length > call->engine->settings.max_body_bytes - reply->body_length) {
        reply->too_big = 1;
        return 0;
    }
    if (!make_room(reply, reply->body_length + length + 1))
        return 0;
    memcpy(reply->body + reply->body_length, bytes, length);
    reply->body_length += length;
    return length;
}

/* ---- what goes out ---- */

static int is_by_route(const struct call *call)
{
    return call->target.door.url != NULL;
}

static const struct door *door_of(const struct call *call)
{
    return is_by_route(call) ? &call->target.door : &call->engine->settings.door;
}

static size_t length_of(const struct call *call)
{
    return is_by_route(call) ? call->target.body_length : call->body_length;
}

static size_t on_send(char *out, size_t size, size_t count, void *user)
{
    struct call *call = user;
    const char *body = is_by_route(call) ? call->target.body : call->body;
    size_t room = size * count, left = length_of(call) - call->body_sent;
    size_t length = left < room ? left : room;

    memcpy(out, body + call->body_sent, length);
    call->body_sent += length;
    return length;
}

/* libcurl would send a request again on its own if a kept connection breaks. A second sending needs
 * a second permit, so it may not rewind: the attempt fails, and we decide. Without a body there is
 * nothing to rewind, so such a request gets a connection of its own. */
static int on_rewind(void *user, curl_off_t offset, int origin)
{
    struct call *call = user;

    if (call->body_sent == 0 && offset == 0 && origin == SEEK_SET)
        return CURL_SEEKFUNC_OK;
    return CURL_SEEKFUNC_FAIL;
}

static long smaller(uint64_t a, uint64_t b)
{
    uint64_t least = a < b ? a : b;

    return least > 2000000000 ? 2000000000L : (long)least;
}

static void set_safety(CURL *easy, const struct settings *settings, const struct door *door)
{
    const char *protocol = door->is_plain ? "http" : "https";

    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocol);
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, protocol);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    if (settings->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);
    if (door->is_plain) /* a proxy from the environment would read the key */
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

static rl_status set_url(CURL *easy, const struct call *call)
{
    const char *base = door_of(call)->url;
    const char *path = is_by_route(call) ? call->target.path : call->path;
    size_t size = strlen(base) + strlen(path) + 1;
    char *url = malloc(size);
    CURLcode set;

    if (url == NULL)
        return RL_E_NOMEM;
    (void)snprintf(url, size, "%s%s", base, path);
    set = curl_easy_setopt(easy, CURLOPT_URL, url);
    free(url);
    return set == CURLE_OK ? RL_OK : RL_E_NOMEM;
}

static struct curl_slist *headers_of(struct call *call)
{
    struct curl_slist *headers =
        is_by_route(call) ? call->target.headers : call->engine->settings.headers;

    if (call->key_line == NULL)
        return headers;
    call->headers = (struct curl_slist){ call->key_line, headers };
    return &call->headers;
}

static rl_status set_options(CURL *easy, struct call *call)
{
    const struct settings *settings = &call->engine->settings;

    set_safety(easy, settings, door_of(call));
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "libllmrl/" RL_VERSION_STRING);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_of(call));
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length_of(call));
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(easy, CURLOPT_READDATA, call);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, call);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, length_of(call) == 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     smaller(settings->attempt_timeout_ms, call->attempt.timeout_ms));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     smaller(settings->connect_timeout_ms, call->attempt.timeout_ms));
    return set_url(easy, call);
}

rl_status transfer_start(struct call *call)
{
    rl_status st;

    reply_reset(&call->reply);
    call->body_sent = 0;
    if ((st = target_read(call)) != RL_OK)
        return st;
    if ((call->easy = curl_easy_init()) == NULL)
        return RL_E_NOMEM;
    st = set_options(call->easy, call);
    if (st == RL_OK && curl_multi_add_handle(call->engine->multi, call->easy) != CURLM_OK)
        st = RL_E_NOMEM;
    if (st != RL_OK) {
        curl_easy_cleanup(call->easy);
        call->easy = NULL;
        return st;
    }
    call->stage = STAGE_ON_WIRE;
    call->engine->in_flight++;
    return RL_OK;
}

/* ---- the end ---- */

void transfer_abort(struct call *call)
{
    if (call->easy == NULL)
        return;
    curl_multi_remove_handle(call->engine->multi, call->easy);
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
    call->stage = STAGE_WAITING;
    call->engine->in_flight--;
}

rl_failure transfer_failure(CURLcode result, int began)
{
    switch (result) {
    case CURLE_OK:
        return RL_FAILURE_NONE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return RL_FAILURE_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return RL_FAILURE_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
        return RL_FAILURE_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return began ? RL_FAILURE_TIMEOUT_LATE : RL_FAILURE_TIMEOUT;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return began ? RL_FAILURE_RESET_LATE : RL_FAILURE_RESET;
    default:
        return RL_FAILURE_OTHER;
    }
}

/* A server may echo what it was sent. What it says goes into files and log lines; the key does not.
 */
static void mask_key(const struct secret *key, struct reply *reply)
{
    secret_mask(key, reply->body, reply->body_length);
    secret_mask(key, reply->bytes, reply->bytes_used);
    secret_mask(key, reply->request_id, strlen(reply->request_id));
}

void transfer_end(struct call *call, CURLcode result, rl_response *response)
{
    struct reply *reply = &call->reply;
    long status = 0;

    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE,
                            &status); /* stays 0 where there was none */
    transfer_abort(call);
    if (reply->body != NULL)
        reply->body[reply->body_length] = '\0';
    mask_key(&call->engine->settings.key, reply);
    mask_key(&call->target.key, reply);
    *response = RL_RESPONSE_INIT;
    response->failure =
        reply->too_big ? RL_FAILURE_TOO_BIG : transfer_failure(result, reply->began);
    response->headers = reply->header;
    response->header_count = reply->header_count;
    response->body = reply->body;
    response->body_length = reply->body_length;
    response->status = status >= 200 ? (uint64_t)status : 0; /* 1xx alone is no answer */
}
