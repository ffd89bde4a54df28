/* SPDX-License-Identifier: MIT */
/* Owns the way of an answer to libmicrohttpd: headers, a whole body, a stream by and by. */
#include "provider_exchange.h"

#include <string.h>
#include <time.h>

#define BLOCK 16384u

static int64_t chunk_due(const struct provider_exchange *exchange, size_t chunk)
{
    int64_t steps = (int64_t)exchange->reply.chunk_count - 1;

    if (steps <= 0)
        return exchange->due;
    return exchange->first + (exchange->due - exchange->first) * (int64_t)chunk / steps;
}

/* Gives a stream's next chunk, or waits until it is due. The last one settles the account. */
static ssize_t read_stream(void *context, uint64_t position, char *buffer, size_t size)
{
    struct provider_exchange *exchange = context;
    const struct provider_reply *reply = &exchange->reply;
    size_t chunk = 0;
    size_t length;

    if (position >= reply->length)
        return MHD_CONTENT_READER_END_OF_STREAM;
    while (reply->chunk_end[chunk] <= position)
        chunk++;
    if (provider_timer_stopping(&exchange->server->timer) ||
        provider_peer_gone(provider_exchange_fd(exchange)))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (provider_server_now(exchange->server) < chunk_due(exchange, chunk)) {
        provider_exchange_suspend(exchange, chunk_due(exchange, chunk));
        return 0;
    }
    if (chunk + 1 == reply->chunk_count)
        provider_account_settle(exchange, exchange->request.output_tokens);
    length = reply->chunk_end[chunk] - (size_t)position;
    length = length < size ? length : size;
    memcpy(buffer, reply->body + position, length);
    exchange->sent = (size_t)position + length;
    return (ssize_t)length;
}

static void add_headers(const struct provider_exchange *exchange, struct MHD_Response *response)
{
    const struct provider_reply *reply = &exchange->reply;
    time_t seconds = (time_t)(provider_server_wall(exchange->server) / PROVIDER_SECOND);
    struct tm utc;
    char date[64];

    for (size_t i = 0; i < reply->header_count; i++)
        (void)MHD_add_response_header(response, reply->header[i].name, reply->header[i].value);
    (void)MHD_add_response_header(response, "content-type", reply->content_type);
    if (gmtime_r(&seconds, &utc) == NULL)
        return;
    (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    (void)MHD_add_response_header(response, "Date", date);
}

/* A whole body goes to libmicrohttpd; that of a stream stays ours while it is read. */
static struct MHD_Response *make_response(struct provider_exchange *exchange)
{
    struct provider_reply *reply = &exchange->reply;
    struct MHD_Response *response;

    if (reply->chunk_count != 0)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, exchange,
                                                 NULL);
    response = MHD_create_response_from_buffer(reply->length, reply->body, MHD_RESPMEM_MUST_FREE);
    if (response != NULL)
        reply->body = NULL;
    return response;
}

enum MHD_Result provider_send(struct provider_exchange *exchange)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (exchange->reply.body == NULL) /* memory ran out */
        return MHD_NO;
    response = make_response(exchange);
    if (response == NULL)
        return MHD_NO;
    add_headers(exchange, response);
    result = MHD_queue_response(exchange->connection, exchange->reply.status, response);
    MHD_destroy_response(response);
    return result;
}
