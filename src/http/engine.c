/* SPDX-License-Identifier: MIT */
/* Owns the engine: many calls on one thread, each taking its permits and giving back its answers.
 */
#include "http/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/timerfd.h>
#endif

/* ---- opening and closing ---- */

/* The clock of rl_now(), which both count the time asleep. */
static int open_timer(void)
{
#ifdef __linux__
    return timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
#else
    return -1;
#endif
}

static rl_status open_multi(rl_http_engine *engine)
{
    long most = (long)engine->settings.max_in_flight;

    if ((engine->multi = curl_multi_init()) == NULL)
        return RL_E_NOMEM;
    /* Keep every connection that was needed once: a handshake costs more than an idle socket. */
    curl_multi_setopt(engine->multi, CURLMOPT_MAXCONNECTS, most);
    return RL_OK;
}

rl_status rl_http_engine_new(rl_context *rl, const rl_http_options *options, rl_http_engine **out,
                             char *error, size_t error_size)
{
    rl_http_engine *engine;
    const char *why = "";
    rl_status st;

    if (out == NULL)
        return RL_E_INVALID;
    *out = NULL;
    if (rl == NULL || options == NULL)
        return RL_E_INVALID;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return RL_E_NOMEM;
    if ((engine = calloc(1, sizeof *engine)) == NULL) {
        curl_global_cleanup();
        return RL_E_NOMEM;
    }
    engine->rl = rl;
    engine->timer = -1;
    st = settings_read(&engine->settings, options, &why);
    if (st == RL_OK)
        st = open_multi(engine);
    if (st != RL_OK) {
        if (error != NULL && error_size > 0)
            (void)snprintf(error, error_size, "%s", why[0] != '\0' ? why : rl_status_text(st));
        rl_http_engine_free(engine);
        return st;
    }
    engine->timer = open_timer();
    *out = engine;
    return RL_OK;
}

static void free_call(struct call *call)
{
    target_free(&call->target);
    for (size_t i = 0; i < CALL_TEXTS; i++)
        free(call->text[i]);
    free(call->path);
    free(call->body);
    free(call->key_line);
    free(call->reply.body);
    free(call);
}

static void unlink_call(struct call *call)
{
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        call->engine->calls = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    call->engine->pending--;
}

static void finish(struct call *call)
{
    char explanation[512];
    rl_http_result result = { .status = call->attempt.status,
                              .http_status = call->attempt.verdict.http,
                              .body = call->reply.body == NULL ? "" : call->reply.body,
                              .body_length = call->reply.body_length,
                              .request_id = call->reply.request_id,
                              .attempt = &call->attempt,
                              .user = call->user };

    result.explanation = rl_explain(&call->attempt, explanation, sizeof explanation);
    unlink_call(call);
    call->engine->finished++;
    call->done(&result);
    free_call(call);
}

static void cancel_all(rl_http_engine *engine, int on_wire_too)
{
    struct call *call = engine->calls;

    while (call != NULL) {
        struct call *next = call->next;

        if (call->stage == STAGE_WAITING || on_wire_too) {
            transfer_abort(call);
            /* Cancelling one that is queued finishes it through on_ready(). */
            if (rl_attempt_cancel(engine->rl, &call->attempt) != RL_OK) {
                rl_attempt_abandon(engine->rl, &call->attempt);
                finish(call);
            }
        }
        call = next;
    }
}

void rl_http_engine_free(rl_http_engine *engine)
{
    if (engine == NULL)
        return;
    engine->draining = 1;
    cancel_all(engine, 1);
    if (engine->multi != NULL)
        curl_multi_cleanup(engine->multi);
    if (engine->timer >= 0)
        (void)close(engine->timer);
    settings_free(&engine->settings);
    free(engine);
    curl_global_cleanup();
}

/* ---- a call's way ---- */

static void ask(struct call *call);

/* Nothing could be sent: the permit goes back. */
static void fail_start(struct call *call, rl_status st)
{
    rl_attempt_abandon(call->engine->rl, &call->attempt);
    call->attempt.status = st;
    finish(call);
}

static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    struct call *call = user;
    rl_status st;

    (void)attempt;
    if (!ready) {
        finish(call);
        return;
    }
    if ((st = transfer_start(call)) != RL_OK)
        fail_start(call, st);
}

static void ask(struct call *call)
{
    call->stage = STAGE_WAITING;
    if (rl_attempt_submit(call->engine->rl, &call->request, &call->attempt, on_ready, call) !=
        RL_OK)
        finish(call);
}

static void on_answer(struct call *call, CURLcode result)
{
    rl_response response;

    transfer_end(call, result, &response);
    (void)rl_attempt_done(call->engine->rl, &call->attempt,
                          &response); /* the permit is held: it cannot fail */
    if (call->attempt.status != RL_WAIT) {
        finish(call);
        return;
    }
    if (call->engine->draining) {
        rl_attempt_abandon(call->engine->rl, &call->attempt);
        finish(call);
        return;
    }
    ask(call);
}

/* ---- accepting ---- */

static char *copy_bytes(const char *bytes, size_t length)
{
    char *copy = malloc(length + 1);

    if (copy == NULL)
        return NULL;
    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

#define KEY_NAME "Idempotency-Key: "
#define KEY_MOST 255

static int key_is_sound(const char *key)
{
    size_t length = strnlen(key, KEY_MOST + 1);

    for (size_t i = 0; i < length; i++)
        if (key[i] <= ' ' || key[i] > '~')
            return 0;
    return length > 0 && length <= KEY_MOST;
}

static rl_status fill_key(struct call *call, const char *key)
{
    size_t size = sizeof KEY_NAME + KEY_MOST;

    if (key == NULL)
        return RL_OK;
    if ((call->key_line = malloc(size)) == NULL)
        return RL_E_NOMEM;
    (void)snprintf(call->key_line, size, "%s%s", KEY_NAME, key);
    return RL_OK;
}

/* The caller's texts need not live as long as the call. */
static rl_status fill_request(struct call *call, const rl_request *from)
{
    rl_request *own = &call->request;
    const char **place[CALL_TEXTS] = { &own->model,        &own->user,    &own->user_tier,
                                       &own->organisation, &own->api_key, &own->fair_key,
                                       &own->affinity };

    *own = *from;
    for (size_t i = 0; i < CALL_TEXTS; i++) {
        if (*place[i] == NULL)
            continue;
        call->text[i] = copy_bytes(*place[i], strlen(*place[i]));
        if ((*place[i] = call->text[i]) == NULL)
            return RL_E_NOMEM;
    }
    if (from->scope != NULL) {
        call->scope = *from->scope;
        own->scope = &call->scope;
    }
    own->provider = call->engine->settings.provider;
    if (call->engine->settings.route == NULL)
        own->allow_fallback = RL_FALLBACK_OFF; /* there is one door only */
    return RL_OK;
}

static rl_status fill_call(struct call *call, const rl_http_call *from)
{
    call->path = copy_bytes(from->path, strlen(from->path));
    call->body = copy_bytes(from->body, from->body_length);
    if (call->path == NULL || call->body == NULL || fill_request(call, from->request) != RL_OK ||
        fill_key(call, from->idempotency_key) != RL_OK)
        return RL_E_NOMEM;
    call->body_length = from->body_length;
    call->done = from->done;
    call->user = from->user;
    call->attempt = RL_ATTEMPT_INIT;
    rl_attempt_limit(&call->attempt, call->engine->settings.max_attempts);
    return RL_OK;
}

static int is_sound(const rl_http_call *call)
{
    return call->size == sizeof *call && call->request != NULL &&
           call->request->size == sizeof *call->request && call->done != NULL &&
           path_problem(call->path) == NULL && (call->body != NULL || call->body_length == 0) &&
           (call->idempotency_key == NULL || key_is_sound(call->idempotency_key));
}

rl_status rl_http_engine_submit(rl_http_engine *engine, const rl_http_call *from)
{
    struct call *call;
    rl_status st;

    if (engine == NULL || from == NULL || !is_sound(from))
        return RL_E_INVALID;
    if (engine->draining)
        return RL_E_CLOSED;
    if (engine->pending >= engine->settings.max_in_flight)
        return RL_E_QUEUE_FULL;
    if ((call = calloc(1, sizeof *call)) == NULL)
        return RL_E_NOMEM;
    call->engine = engine;
    if ((st = fill_call(call, from)) == RL_OK)
        st = rl_attempt_submit(engine->rl, &call->request, &call->attempt, on_ready, call);
    if (st != RL_OK) {
        free_call(call);
        return st;
    }
    call->next = engine->calls;
    if (call->next != NULL)
        call->next->previous = call;
    engine->calls = call;
    engine->pending++;
    return RL_OK;
}

/* ---- working ---- */

static void read_finished(rl_http_engine *engine)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(engine->multi, &left)) != NULL) {
        CURLcode result = message->data.result;
        struct call *call = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                                &call); /* set by us for each */
        on_answer(call, result);
    }
}

/* Arms the timer for the next planned departure, to the nanosecond, or for an hour, so that a
 * longer sleep of the machine ends the wait; returns how long poll may take at most, in ms. */
static int plan_wait(rl_http_engine *engine, rl_time until, struct curl_waitfd *timer)
{
    rl_time next = rl_next_wakeup(engine->rl), now = rl_now(engine->rl);
    rl_duration left;

    timer->fd = -1;
    if (next > until)
        next = until;
    left = next > now ? next - now : 0;
#ifdef __linux__
    if (left > 0 && engine->timer >= 0) {
        rl_duration armed = left < RL_HOUR ? left : RL_HOUR;
        struct itimerspec spec = { .it_value = { (time_t)(armed / RL_SECOND),
                                                 (long)(armed % RL_SECOND) } };

        if (timerfd_settime(engine->timer, 0, &spec, NULL) == 0) {
            *timer = (struct curl_waitfd){ .fd = engine->timer, .events = CURL_WAIT_POLLIN };
            if (left < RL_HOUR)
                left += RL_MILLISECOND; /* the timer is what ends the wait */
        }
    }
#endif
    left = left / RL_MILLISECOND + (left % RL_MILLISECOND != 0);
    return left > 1000000 ? 1000000 : (int)left;
}

static rl_status wait_for_something(rl_http_engine *engine, rl_time until)
{
    struct curl_waitfd timer;
    int ms = plan_wait(engine, until, &timer);

    if (ms == 0)
        return RL_OK;
    if (curl_multi_poll(engine->multi, timer.fd >= 0 ? &timer : NULL, timer.fd >= 0 ? 1 : 0, ms,
                        NULL) != CURLM_OK)
        return RL_E_NOMEM;
    return RL_OK;
}

static rl_status work_once(rl_http_engine *engine)
{
    int running;

    (void)rl_dispatch(engine->rl);
    if (curl_multi_perform(engine->multi, &running) != CURLM_OK)
        return RL_E_NOMEM;
    read_finished(engine);
    return RL_OK;
}

rl_status rl_http_engine_step(rl_http_engine *engine, uint64_t timeout_ms)
{
    uint64_t before;
    rl_time until, start;
    rl_status st;

    if (engine == NULL)
        return RL_E_INVALID;
    before = engine->finished;
    start = rl_now(engine->rl);
    until = timeout_ms > (RL_NEVER - start) / RL_MILLISECOND ? RL_NEVER
                                                             : start + timeout_ms * RL_MILLISECOND;
    if ((st = work_once(engine)) != RL_OK || engine->finished != before)
        return st;
    if ((st = wait_for_something(engine, until)) != RL_OK)
        return st;
    return work_once(engine);
}

void rl_http_engine_wake(rl_http_engine *engine)
{
    if (engine != NULL)
        (void)curl_multi_wakeup(engine->multi); /* fails only where there is nobody to wake */
}

void rl_http_engine_drain(rl_http_engine *engine)
{
    /* From within `done` it may be called again: whoever came first goes through the whole list,
     * which must not change behind his back. Nothing waits anew once it has begun. */
    if (engine == NULL || engine->draining)
        return;
    engine->draining = 1;
    cancel_all(engine, 0);
}

size_t rl_http_engine_pending(const rl_http_engine *engine)
{
    return engine == NULL ? 0 : engine->pending;
}

size_t rl_http_engine_in_flight(const rl_http_engine *engine)
{
    return engine == NULL ? 0 : engine->in_flight;
}
