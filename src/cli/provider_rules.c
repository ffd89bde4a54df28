/* SPDX-License-Identifier: MIT */
/* Owns the rules of answering: what is wrong with a request, whether the limits let it in, what is
 * answered and when. */
#include "provider_exchange.h"

#include <string.h>

static const char *header_of(const struct provider_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

static bool key_is_right(const struct provider_exchange *exchange)
{
    static const char bearer[] = "Bearer ";
    const char *wanted = exchange->server->options->require_key;
    const char *given = header_of(exchange, "Authorization");

    if (wanted == NULL)
        return true;
    if (given != NULL && strncmp(given, bearer, sizeof bearer - 1) == 0)
        return strcmp(given + sizeof bearer - 1, wanted) == 0;
    given = header_of(exchange, "x-api-key");
    if (given == NULL)
        given = header_of(exchange, "x-goog-api-key");
    if (given == NULL)
        given = MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "key");
    return given != NULL && strcmp(given, wanted) == 0;
}

/* The first thing that is wrong with it, or PROVIDER_ERRORS. */
static enum provider_error check(struct provider_exchange *exchange, const char *path)
{
    const struct provider_options *options = exchange->server->options;

    if (exchange->request.endpoint == PROVIDER_NOWHERE)
        return PROVIDER_ERROR_PATH;
    if (exchange->too_big)
        return PROVIDER_ERROR_BODY;
    if (exchange->no_room)
        return PROVIDER_ERROR_503;
    if (!key_is_right(exchange))
        return PROVIDER_ERROR_KEY;
    if (!provider_request_read(&exchange->request, options, path, exchange->body,
                               exchange->body_length))
        return PROVIDER_ERROR_BAD_REQUEST;
    return PROVIDER_ERRORS;
}

/* Under the lock: asks the limits and draws the luck. */
static void admit(struct provider_exchange *exchange)
{
    struct provider_server *server = exchange->server;
    struct provider_demand demand;

    provider_request_demand(&exchange->request, server->options->dialect, &demand);
    exchange->model =
        provider_limits_model(&server->locked.limits, exchange->request.model, exchange->arrival);
    provider_limits_admit(&server->locked.limits, exchange->model, &demand, exchange->arrival,
                          &exchange->verdict);
    provider_account_verdict(exchange);
    exchange->announces = exchange->verdict.outcome == PROVIDER_WAIT && server->options->headers;
    exchange->charged = exchange->verdict.outcome == PROVIDER_ADMITTED;
    if (!exchange->charged)
        return;
    exchange->fault = provider_fault_draw(&server->locked.random, server->options);
    server->locked.score.fault[exchange->fault]++;
}

/* Sets when the answer is due and returns the latency. A stream begins after a quarter of it. */
static int64_t schedule(struct provider_exchange *exchange)
{
    struct provider_server *server = exchange->server;
    bool admitted = exchange->charged;
    int64_t latency =
        provider_latency_draw(&server->locked.random, admitted ? &server->options->latency
                                                               : &server->options->refusal_latency);
    int64_t late = 0;

    if (exchange->fault == PROVIDER_FAULT_SLOW)
        late = server->options->slow_ms * PROVIDER_MILLISECOND;
    exchange->due = exchange->arrival + latency + late;
    exchange->first = exchange->due;
    if (admitted && exchange->request.stream &&
        (exchange->fault == PROVIDER_FAULT_NONE || exchange->fault == PROVIDER_FAULT_SLOW))
        exchange->first = exchange->arrival + latency / 4 + late;
    if (exchange->fault == PROVIDER_FAULT_HANG)
        exchange->first = exchange->arrival + PROVIDER_HANG_CHECK;
    return latency + late;
}

static void make_reply(struct provider_exchange *exchange, const struct provider_occasion *occasion,
                       enum provider_error error)
{
    struct provider_reply *reply = &exchange->reply;

    if (error != PROVIDER_ERRORS)
        provider_reply_error(reply, occasion, error, exchange->request.error);
    else if (exchange->verdict.outcome != PROVIDER_ADMITTED)
        provider_reply_refusal(reply, occasion);
    else if (exchange->fault == PROVIDER_FAULT_500)
        provider_reply_error(reply, occasion, PROVIDER_ERROR_500, NULL);
    else if (exchange->fault == PROVIDER_FAULT_503)
        provider_reply_error(reply, occasion, PROVIDER_ERROR_503, NULL);
    else if (exchange->fault == PROVIDER_FAULT_529)
        provider_reply_error(reply, occasion, PROVIDER_ERROR_529, NULL);
    else if (exchange->fault == PROVIDER_FAULT_NONE || exchange->fault == PROVIDER_FAULT_SLOW)
        provider_reply_success(reply, occasion);
}

enum MHD_Result provider_rules_arrive(struct provider_exchange *exchange, const char *path)
{
    struct provider_server *server = exchange->server;
    struct provider_occasion occasion = { .options = server->options,
                                          .request = &exchange->request };
    enum provider_error error;

    exchange->arrival = occasion.now = provider_server_now(server);
    occasion.wall = provider_server_wall(server);
    exchange->arrived = true;
    exchange->scored = true;
    error = check(exchange, path);
    provider_body_drop(exchange);
    (void)pthread_mutex_lock(&server->lock);
    provider_score_arrival(&server->locked.score, exchange->arrival);
    occasion.serial = ++server->locked.serial;
    if (error == PROVIDER_ERRORS) {
        admit(exchange);
        occasion.verdict = &exchange->verdict;
    } else {
        server->locked.score.errors++;
    }
    occasion.latency = schedule(exchange);
    (void)pthread_mutex_unlock(&server->lock);
    make_reply(exchange, &occasion, error);
    provider_exchange_suspend(exchange, exchange->first);
    return MHD_YES;
}
