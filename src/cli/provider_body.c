/* SPDX-License-Identifier: MIT */
/* Owns the body of a request while it is being received. */
#include "provider_exchange.h"

#include <stdlib.h>
#include <string.h>

#define BODIES_MAX ((size_t)1 << 30) /* of all requests that are being received, together */

void provider_body_drop(struct provider_exchange *exchange)
{
    exchange->server->body_bytes -= exchange->body_room;
    free(exchange->body);
    exchange->body = NULL;
    exchange->body_length = 0;
    exchange->body_room = 0;
}

static bool body_grow(struct provider_exchange *exchange, size_t needed)
{
    size_t room = exchange->body_room == 0 ? 1024 : exchange->body_room;
    char *grown;

    while (room < needed)
        room *= 2;
    if (room == exchange->body_room)
        return true;
    if (exchange->server->body_bytes + room - exchange->body_room > BODIES_MAX)
        return false;
    grown = realloc(exchange->body, room);
    if (grown == NULL)
        return false;
    exchange->server->body_bytes += room - exchange->body_room;
    exchange->body = grown;
    exchange->body_room = room;
    return true;
}

void provider_body_receive(struct provider_exchange *exchange, const char *data, size_t length)
{
    if (exchange->too_big || exchange->no_room)
        return;
    exchange->too_big = length > PROVIDER_BODY_MAX - exchange->body_length;
    if (!exchange->too_big)
        exchange->no_room = !body_grow(exchange, exchange->body_length + length);
    if (exchange->too_big || exchange->no_room) {
        provider_body_drop(exchange);
        return;
    }
    memcpy(exchange->body + exchange->body_length, data, length);
    exchange->body_length += length;
}
