/* SPDX-License-Identifier: MIT */
/* Owns the HTTP side: what libmicrohttpd calls for each request, from its first line to its end. */
#include "provider_exchange.h"

#include <stdlib.h>
#include <string.h>

/* Its time has come (or the server stops). What would be sent to a client that has gone is not
 * sent, or the system would take it and it would count as answered; it is charged all the same. */
static enum MHD_Result answer(struct provider_exchange *exchange)
{
    int fd = provider_exchange_fd(exchange);

    if (provider_timer_stopping(&exchange->server->timer) || exchange->fault == PROVIDER_FAULT_HANG)
        return MHD_NO;
    if (exchange->reply.chunk_count == 0)
        provider_account_settle(
            exchange, exchange->reply.status == 200 ? exchange->request.output_tokens : 0);
    if (provider_peer_gone(fd))
        return MHD_NO;
    if (exchange->fault == PROVIDER_FAULT_RESET) {
        provider_connection_reset(fd);
        return MHD_NO;
    }
    return provider_send(exchange);
}

/* Asked of the server itself: answered at once and not counted. */
static enum MHD_Result serve_stats(struct provider_exchange *exchange)
{
    struct provider_server *server = exchange->server;

    exchange->arrived = true;
    (void)pthread_mutex_lock(&server->lock);
    if (exchange->request.endpoint == PROVIDER_RESET)
        provider_score_reset(&server->locked.score);
    exchange->reply.body = provider_score_json(&server->locked.score, server->options,
                                               &server->locked.limits, provider_server_now(server));
    (void)pthread_mutex_unlock(&server->lock);
    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
    exchange->reply.length = exchange->reply.body == NULL ? 0 : strlen(exchange->reply.body);
    return provider_send(exchange);
}

static enum MHD_Result begin(struct provider_server *server, struct MHD_Connection *connection,
                             const char *method, const char *path, void **context)
{
    struct provider_exchange *exchange = calloc(1, sizeof *exchange);

    if (exchange == NULL)
        return MHD_NO;
    exchange->server = server;
    exchange->connection = connection;
    provider_request_route(&exchange->request, server->options->dialect, method, path);
    *context = exchange;
    return MHD_YES;
}

enum MHD_Result provider_http_request(void *context, struct MHD_Connection *connection,
                                      const char *path, const char *method, const char *version,
                                      const char *data, size_t *length, void **kept)
{
    struct provider_exchange *exchange = *kept;

    (void)version;
    if (exchange == NULL)
        return begin(context, connection, method, path, kept);
    if (*length != 0) {
        provider_body_receive(exchange, data, *length);
        *length = 0;
        return MHD_YES;
    }
    if (exchange->arrived)
        return answer(exchange);
    if (exchange->request.endpoint >= PROVIDER_STATS)
        return serve_stats(exchange);
    return provider_rules_arrive(exchange, path);
}

void provider_http_completed(void *context, struct MHD_Connection *connection, void **kept,
                             enum MHD_RequestTerminationCode code)
{
    struct provider_exchange *exchange = *kept;
    struct provider_server *server = context;

    (void)connection;
    if (exchange == NULL)
        return;
    *kept = NULL;
    provider_account_settle(exchange, provider_account_produced(exchange));
    if (exchange->scored) {
        (void)pthread_mutex_lock(&server->lock);
        provider_account_end(exchange, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
        (void)pthread_mutex_unlock(&server->lock);
    }
    provider_body_drop(exchange);
    provider_reply_free(&exchange->reply);
    free(exchange);
}
