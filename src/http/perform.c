/* SPDX-License-Identifier: MIT */
/* Owns one request over a handle of the program's: the loop that everybody would write. */
#include "http/http.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MOST ((uint64_t)16 << 20)

struct job {
    CURL *easy;
    rl_http_reply *reply;
    size_t room;
    int sent, sent_again, too_big, handed_on;
    rl_header header[HEADERS_MAX];
};

static uint64_t most_of(const rl_http_reply *reply)
{
    return reply->max_body_bytes != 0 ? reply->max_body_bytes : BODY_MOST;
}

/* With room for a NUL. */
static int make_room(struct job *job, size_t needed)
{
    size_t room = job->room == 0 ? 4096 : job->room;
    char *longer;

    while (room < needed + 1)
        room *= 2;
    if (room == job->room)
        return 1;
    if ((longer = realloc(job->reply->body, room)) == NULL)
        return 0;
    job->reply->body = longer;
    job->room = room;
    return 1;
}

static uint64_t status_of(CURL *easy)
{
    long status = 0;

    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status); /* stays 0 where none came */
    return status >= 200 ? (uint64_t)status : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
    struct job *job = user;
    rl_http_reply *reply = job->reply;
    size_t length = size * count;
    uint64_t status;

    if (length > most_of(reply) - reply->body_length) {
        job->too_big = 1;
        return 0;
    }
    if (!make_room(job, reply->body_length + length))
        return 0;
    memcpy(reply->body + reply->body_length, bytes, length);
    reply->body_length += length;
    status = status_of(job->easy);
    if (reply->on_body != NULL && status >= 200 && status < 300) {
        job->handed_on = 1;
        reply->on_body(bytes, length, reply->user);
    }
    return length;
}

/* libcurl sends again by itself if a kept connection breaks. A second sending needs a second
 * permit: so it is stopped, and we decide. What follows an answer (a redirect, a login) goes its
 * way. */
static int before_sending(void *user, char *peer, char *own, int peer_port, int own_port)
{
    struct job *job = user;

    (void)peer, (void)own, (void)peer_port, (void)own_port;
    job->sent_again = job->sent && status_of(job->easy) == 0;
    job->sent = 1;
    return job->sent_again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* The headers of the last answer; libcurl keeps them until the next transfer. */
static size_t take_headers(struct job *job)
{
    struct curl_header *from = NULL;
    size_t count = 0;

    while (count < HEADERS_MAX &&
           (from = curl_easy_nextheader(job->easy, CURLH_HEADER, -1, from)) != NULL) {
        if (!transfer_wants(from->name, strlen(from->name)))
            continue;
        job->header[count++] = (rl_header){ .name = from->name,
                                            .name_length = strlen(from->name),
                                            .value = from->value,
                                            .value_length = strlen(from->value) };
    }
    return count;
}

static long milliseconds(uint64_t span)
{
    return span > 2000000000 ? 2000000000L : (long)span;
}

static void begin_attempt(struct job *job)
{
    rl_http_reply *reply = job->reply;

    reply->body_length = 0;
    reply->http_status = 0;
    job->too_big = job->sent = job->sent_again = 0;
    curl_easy_setopt(job->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(job->easy, CURLOPT_PREREQFUNCTION, before_sending);
    curl_easy_setopt(job->easy, CURLOPT_PREREQDATA, job);
    curl_easy_setopt(job->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(job->easy, CURLOPT_WRITEDATA, job);
    if (reply->attempt.timeout_ms != RL_NEVER)
        curl_easy_setopt(job->easy, CURLOPT_TIMEOUT_MS, milliseconds(reply->attempt.timeout_ms));
}

static rl_failure failure_of(const struct job *job, CURLcode result)
{
    if (job->too_big)
        return RL_FAILURE_TOO_BIG;
    if (job->sent_again)
        return RL_FAILURE_RESET;
    return transfer_failure(result, job->reply->http_status != 0);
}

/* Nothing of ours stays in the handle. */
static void leave(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, NULL);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, NULL);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, NULL);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, NULL);
}

static void end_attempt(rl_context *rl, struct job *job, CURLcode result)
{
    rl_http_reply *reply = job->reply;
    rl_response response = RL_RESPONSE_INIT;

    reply->http_status = status_of(job->easy);
    if (reply->body != NULL)
        reply->body[reply->body_length] = '\0';
    response.status = reply->http_status;
    response.headers = job->header;
    response.header_count = take_headers(job);
    response.body = reply->body;
    response.body_length = reply->body_length;
    response.failure = failure_of(job, result);
    (void)rl_attempt_done(rl, &reply->attempt, &response); /* the permit is held: it cannot fail */
}

static void give_up(rl_context *rl, rl_http_reply *reply, rl_status st)
{
    rl_attempt_abandon(rl, &reply->attempt);
    reply->attempt.status = st;
}

/* Where nobody prepares the handle for it, nothing may leave by another route. Requests of older
 * programs are shorter, and allow nothing. */
static const rl_request *as_named(const rl_request *request, rl_request *own)
{
    size_t size = request->size < sizeof *own ? request->size : sizeof *own;

    if (size < offsetof(rl_request, affinity) || request->allow_fallback == RL_FALLBACK_OFF)
        return request;
    *own = RL_REQUEST_INIT;
    memcpy(own, request, size);
    own->size = sizeof *own;
    own->allow_fallback = RL_FALLBACK_OFF;
    return own;
}

rl_status rl_http_perform(rl_context *rl, const rl_request *request, void *easy,
                          rl_http_reply *reply)
{
    struct job job = { .easy = easy, .reply = reply };
    rl_request own;

    if (rl == NULL || request == NULL || easy == NULL || reply == NULL ||
        reply->size != sizeof *reply || reply->body != NULL)
        return RL_E_INVALID;
    rl_attempt_limit(&reply->attempt, reply->max_attempts);
    if (reply->prepare == NULL)
        request = as_named(request, &own);
    while (rl_next_attempt(rl, request, &reply->attempt)) {
        if (reply->prepare != NULL && reply->prepare(easy, &reply->attempt, reply->user) != 0) {
            give_up(rl, reply, RL_E_CANCELLED);
            break;
        }
        begin_attempt(&job);
        end_attempt(rl, &job, curl_easy_perform(easy));
        if (job.handed_on && reply->attempt.status == RL_WAIT) {
            give_up(rl, reply, RL_E_TRANSPORT);
            break;
        }
    }
    leave(easy);
    return reply->attempt.status;
}

void rl_http_reply_free(rl_http_reply *reply)
{
    if (reply == NULL)
        return;
    free(reply->body);
    reply->body = NULL;
    reply->body_length = 0;
    reply->http_status = 0;
    reply->attempt = RL_ATTEMPT_INIT;
}
