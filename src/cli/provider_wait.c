/* SPDX-License-Identifier: MIT */
/* Owns the time of an exchange: the clocks, being suspended until it is due, being woken. */
#include "provider_exchange.h"

#include <time.h>

int64_t provider_server_now(const struct provider_server *server)
{
    return provider_monotonic() - server->start;
}

int64_t provider_server_wall(const struct provider_server *server)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * PROVIDER_SECOND + now.tv_nsec + server->options->skew_us * 1000;
}

int provider_exchange_fd(const struct provider_exchange *exchange)
{
    return MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
        ->connect_fd;
}

void provider_exchange_suspend(struct provider_exchange *exchange, int64_t until)
{
    struct provider_server *server = exchange->server;
    struct MHD_Connection *connection = exchange->connection;

    MHD_suspend_connection(connection);
    if (!provider_timer_add(&server->timer, server->start + until, exchange))
        MHD_resume_connection(connection);
}

void provider_exchange_wake(void *item)
{
    struct provider_exchange *exchange = item;
    struct provider_server *server = exchange->server;

    if (exchange->fault == PROVIDER_FAULT_HANG &&
        !provider_peer_gone(provider_exchange_fd(exchange)) &&
        provider_timer_add(&server->timer, provider_monotonic() + PROVIDER_HANG_CHECK, exchange))
        return;
    MHD_resume_connection(exchange->connection);
}
