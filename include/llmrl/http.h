/* SPDX-License-Identifier: MIT */
/**
 * @file http.h
 * The optional libcurl part: an engine that keeps hundreds of requests in flight on one thread,
 * takes a permit before each attempt and feeds each answer back; and rl_http_perform() for a handle
 * that the program has. Without libcurl every call says RL_E_NOT_BUILT.
 *
 * Security of the engine, not to be turned off: TLS is verified, 1.2 at least; redirects are not
 * followed; plain http goes to loopback addresses only; answers are bounded; the key goes to
 * `base_url` and nowhere else.
 */
#ifndef LLMRL_HTTP_H
#define LLMRL_HTTP_H

#include <llmrl/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rl_http_engine rl_http_engine;

/** Where an attempt goes, and with what; filled in for the route, for the program to complete. Its
 * strings are read, and copied, when the callback is back. */
typedef struct rl_http_target {
    size_t size;          /* sizeof(rl_http_target), of the library */
    const char *base_url; /* as the configuration has it for the route, else the engine's */
    const char *dialect;  /* how the key is sent: the name of the route's provider */
    const char *api_key;  /* NULL, and then none is sent: the engine's own is for its own door */
    const char *path;     /* the call's, like the body: where the route has another model, the body
                             must name that */
    const char *body;
    size_t body_length;
} rl_http_target;

typedef struct rl_http_options {
    size_t size;            /* set by RL_HTTP_OPTIONS_INIT */
    const char *base_url;   /* "https://api.openai.com"; not NULL; copied */
    const char *provider;   /* as in rl_request; not NULL; copied */
    const char *dialect;    /* how the key is sent; NULL: as the provider's name; copied */
    const char *api_key;    /* NULL: none is sent; copied, and wiped at the end */
    const char *ca_file;    /* PEM bundle instead of the system's; NULL: the system's; copied */
    uint64_t max_in_flight; /* transfers at once; 0: 256 */
    uint64_t attempt_timeout_ms; /* one attempt, all in all; 0: 600 000 */
    uint64_t connect_timeout_ms; /* 0: 30 000 */
    uint64_t max_body_bytes;     /* of one answer, decoded; 0: 16 MiB */
    uint64_t max_attempts;       /* overrides the configured retry.max_attempts; 0: as configured */
    /* Called before each attempt of a call whose request allows fallback, with the call's `user`;
     * it must not call the engine. Not RL_OK: the call ends with that. NULL: the engine has one
     * door, and no call falls back. */
    rl_status (*route)(void *route_user, void *user, const rl_route *route, rl_http_target *target);
    void *route_user; /* borrowed until the engine is freed */
} rl_http_options;

static inline rl_http_options rl_http_options_init_(void)
{
    rl_http_options options = RL_ZERO_;
    options.size = sizeof options;
    return options;
}
#define RL_HTTP_OPTIONS_INIT rl_http_options_init_()

/** How one call ended. All pointers are borrowed for the callback. */
typedef struct rl_http_result {
    rl_status status;     /* RL_OK: a 2xx came; else what `attempt->status` says */
    uint64_t http_status; /* of the last answer; 0: none came */
    const char *body;     /* of the last answer; may hold NULs; never NULL */
    size_t body_length;
    const char *request_id;  /* the provider's id of the last answer; "": none */
    const char *explanation; /* one sentence */
    const rl_attempt *attempt;
    void *user;
} rl_http_result;

typedef void (*rl_http_fn)(const rl_http_result *result);

typedef struct rl_http_call {
    size_t size; /* set by RL_HTTP_CALL_INIT */
    const rl_request
        *request;     /* what it costs; its provider is ignored: the engine has one. Copied, with
                       * its texts and its scope; a ticket is borrowed until `done` */
    const char *path; /* "/v1/chat/completions", with query if need be; copied */
    const char *body; /* JSON; copied; NULL or length 0: an empty one */
    size_t body_length;
    rl_http_fn done; /* called exactly once per accepted call, from rl_http_engine_step(), _drain()
                      * or _free(); it may submit and drain, but not step or free */
    void *user;
    const char *idempotency_key; /* sent as "Idempotency-Key" with each attempt, so that a server
                                  * that knows it does the work once; NULL: none. 1 to 255 visible
                                  * ASCII characters; copied. retry.h can make one */
} rl_http_call;

static inline rl_http_call rl_http_call_init_(void)
{
    rl_http_call call = RL_ZERO_;
    call.size = sizeof call;
    return call;
}
#define RL_HTTP_CALL_INIT rl_http_call_init_()

/**
 * @param rl   outlives the engine.
 * @param error  receives what is wrong with an option; NULL: not wanted.
 * @retval RL_E_INVALID  a URL that is not https (or http to loopback), carries user info, a query
 * or a control character, ...
 * Threads: one uses an engine. All engines of a context, and rl_dispatch() on it, belong to one
 * thread, as each hands over whatever is ready in the context; rl_acquire() and its like are
 * anybody's.
 */
RL_API rl_status rl_http_engine_new(rl_context *rl, const rl_http_options *options,
                                    rl_http_engine **out, char *error, size_t error_size);

/** Accepts a call (POST). RL_E_QUEUE_FULL: more than max_in_flight are accepted and not done. Never
 * calls `done` itself. RL_E_INVALID: the path does not begin with one '/', or holds a control
 * character, space or fragment. */
RL_API rl_status rl_http_engine_submit(rl_http_engine *engine, const rl_http_call *call);

/** Works until something is done, `timeout_ms` has passed, or rl_http_engine_wake() is called. */
RL_API rl_status rl_http_engine_step(rl_http_engine *engine, uint64_t timeout_ms);

/** Ends rl_http_engine_step() early. Threads: any. Not from a signal handler. */
RL_API void rl_http_engine_wake(rl_http_engine *engine);

/** Accepted and not done. */
RL_API size_t rl_http_engine_pending(const rl_http_engine *engine);
/** On the wire. */
RL_API size_t rl_http_engine_in_flight(const rl_http_engine *engine);

/** Ends all that is not on the wire: each gets RL_E_CANCELLED through `done`, now. What is on the
 * wire goes on, without further retries. */
RL_API void rl_http_engine_drain(rl_http_engine *engine);

/** Aborts what is left, through `done` with RL_E_CANCELLED, and frees. NULL is fine. */
RL_API void rl_http_engine_free(rl_http_engine *engine);

/* ---- a handle of your own ---- */

/** What you want of rl_http_perform(), and what came of it. */
typedef struct rl_http_reply {
    size_t size; /* set by RL_HTTP_REPLY_INIT */
    /* Wishes; all may stay 0. */
    int (*prepare)(void *easy, const rl_attempt *attempt,
                   void *user); /* before each attempt, to
                                 * change the handle; not 0: give up, with RL_E_CANCELLED */
    void (*on_body)(const char *bytes, size_t length,
                    void *user); /* the body of a 2xx as it comes.
                                  * Once it was called, nothing is tried again */
    void *user;
    uint64_t max_body_bytes; /* of one answer, decoded; 0: 16 MiB */
    uint64_t max_attempts;   /* overrides the configured retry.max_attempts; 0: as configured */
    /* What came; yours, and for rl_http_reply_free(). */
    char *body; /* of the last answer, with a NUL behind it; NULL: none came */
    size_t body_length;
    uint64_t http_status; /* of the last answer; 0: none came */
    rl_attempt attempt;   /* its verdict, and words for rl_explain() */
} rl_http_reply;

static inline rl_http_reply rl_http_reply_init_(void)
{
    rl_http_reply reply = RL_ZERO_;
    reply.size = sizeof reply;
    reply.attempt = RL_ATTEMPT_INIT;
    return reply;
}
#define RL_HTTP_REPLY_INIT rl_http_reply_init_()

/**
 * Sends one request with a handle that the program has set up (URL, headers, body, TLS), each
 * attempt with its permit, and again where that helps: rl_next_attempt(), curl_easy_perform(),
 * rl_attempt_done().
 *
 * Uses WRITEFUNCTION, WRITEDATA, PREREQFUNCTION and PREREQDATA of the handle, which are libcurl's
 * defaults afterwards, and sets NOSIGNAL and, where the request has a deadline, TIMEOUT_MS; all
 * else is yours, so what the top of this file says of security is in your hands here. A body from a
 * READFUNCTION needs a SEEKFUNCTION, to be sent twice. What libcurl would send again by itself, as
 * a kept connection broke, is an attempt of its own.
 *
 * A request that allows fallback needs `prepare`, which sets URL, key and body as attempt->route
 * says; without it the request goes as it is named.
 *
 * @param easy   a CURL *; nobody else uses it meanwhile.
 * @param reply  from RL_HTTP_REPLY_INIT; of an earlier call only after rl_http_reply_free().
 * @retval RL_OK  a 2xx came; else as reply->attempt.status says.
 * @retval RL_E_INVALID, RL_E_NOT_BUILT  nothing was sent.
 * Threads: any, one per handle.  Blocks: as the request and the handle allow.  Since: 0.2.
 */
RL_API rl_status rl_http_perform(rl_context *rl, const rl_request *request, void *easy,
                                 rl_http_reply *reply);

/** Frees the body, and makes the struct ready for another call. NULL is fine. */
RL_API void rl_http_reply_free(rl_http_reply *reply);

#ifdef __cplusplus
}
#endif
#endif
