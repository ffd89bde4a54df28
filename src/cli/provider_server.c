/* SPDX-License-Identifier: MIT */
/* Owns the server: one thread of libmicrohttpd takes requests and sends answers; a request that has
 * to wait is suspended and the timer's thread wakes it. So hundreds wait at the price of a heap
 * entry each. */
#include "provider_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "provider_exchange.h"

#define CONNECTIONS_MAX 8192u
#define FILES_OWN       64u
#define BACKLOG         2048u

/* As many descriptors as we may have; the answer is how many connections they are enough for. */
static unsigned connection_limit(FILE *errors)
{
    struct rlimit files;
    rlim_t wanted = CONNECTIONS_MAX + FILES_OWN;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return CONNECTIONS_MAX;
    if (files.rlim_cur < wanted) {
        files.rlim_cur = wanted < files.rlim_max ? wanted : files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
        (void)getrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur >= wanted)
        return CONNECTIONS_MAX;
    if (files.rlim_cur < 2000 + FILES_OWN)
        fprintf(errors, "llmrl provider: only %llu open files are allowed, connections too\n",
                (unsigned long long)files.rlim_cur);
    return files.rlim_cur / 2 > FILES_OWN ? (unsigned)(files.rlim_cur - FILES_OWN) : FILES_OWN;
}

static struct MHD_Daemon *listen_on(struct provider_server *server, FILE *errors)
{
    struct sockaddr_in address;

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)server->options->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK,
        0, NULL, NULL, provider_http_request, server, MHD_OPTION_SOCK_ADDR,
        (const struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED, provider_http_completed,
        server, MHD_OPTION_CONNECTION_LIMIT, connection_limit(errors),
        MHD_OPTION_LISTEN_BACKLOG_SIZE, BACKLOG, MHD_OPTION_END);
}

static void server_free(struct provider_server *server)
{
    provider_timer_deinit(&server->timer);
    provider_score_deinit(&server->locked.score);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

struct provider_server *provider_server_start(const struct provider_options *options, FILE *errors)
{
    struct provider_server *server = calloc(1, sizeof *server);

    if (server == NULL || pthread_mutex_init(&server->lock, NULL) != 0) {
        free(server);
        fputs("llmrl provider: out of memory\n", errors);
        return NULL;
    }
    server->options = options;
    server->start = provider_monotonic();
    provider_limits_init(&server->locked.limits, &options->limits);
    provider_score_init(&server->locked.score);
    server->locked.random.state = (uint64_t)options->seed;
    if (!provider_timer_start(&server->timer, provider_exchange_wake)) {
        fputs("llmrl provider: cannot start the timer's thread\n", errors);
        (void)pthread_mutex_destroy(&server->lock);
        free(server);
        return NULL;
    }
    server->daemon = listen_on(server, errors);
    if (server->daemon != NULL)
        return server;
    fprintf(errors, "llmrl provider: cannot listen on 127.0.0.1:%lld: %s\n",
            (long long)options->port, strerror(errno));
    provider_timer_stop(&server->timer);
    server_free(server);
    return NULL;
}

unsigned provider_server_port(const struct provider_server *server)
{
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* The timer first: it wakes all that is suspended, as libmicrohttpd cannot stop before that. */
void provider_server_stop(struct provider_server *server, FILE *out)
{
    char *text;

    provider_timer_stop(&server->timer);
    MHD_stop_daemon(server->daemon);
    text = provider_score_json(&server->locked.score, server->options, &server->locked.limits,
                               provider_server_now(server));
    if (text != NULL)
        fprintf(out, "%s\n", text);
    (void)fflush(out);
    free(text);
    server_free(server);
}
