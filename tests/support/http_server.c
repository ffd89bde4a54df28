/* SPDX-License-Identifier: MIT */
/* Owns the loopback server: plain sockets and a thread for each connection, so that it can do what
 * no proper server does. */
#include "http_server.h"

#include "base/atomic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER      ((size_t)64 << 10)
#define CONNECTIONS 4096

struct connection {
    struct http_server *server;
    pthread_t thread;
    int fd;
    char buffer[BUFFER];
    size_t used;
    unsigned served;
};

struct http_server {
    int fd;
    char url[64], location[256], head[4096];
    pthread_t thread;
    pthread_mutex_t lock; /* location, head, and each connection's fd while it may be closed */
    struct connection *connection[CONNECTIONS];
    uint64_t connections, requests, stop;
};

/* 0: the other side is gone, or it is over. */
static int put(struct connection *c, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(c->fd, bytes, length, MSG_NOSIGNAL);

        if (sent <= 0 || rl__load(&c->server->stop))
            return 0;
        bytes += sent;
        length -= (size_t)sent;
    }
    return 1;
}

static int put_text(struct connection *c, const char *text)
{
    return put(c, text, strlen(text));
}

/* Until the other side hangs up, or the test is over. */
static void wait_for_the_end(const struct connection *c, int ms)
{
    struct pollfd ready = { c->fd, POLLIN, 0 };

    for (int waited = 0; waited < ms && !rl__load(&c->server->stop); waited += 10)
        if (poll(&ready, 1, 10) > 0)
            return;
}

static void nap(const struct connection *c, long ms)
{
    struct timespec span = { 0, ms * 1000000 };

    (void)c;
    (void)nanosleep(&span, NULL);
}

static int answer(struct connection *c, const char *status, const char *headers, const char *body,
                  size_t length)
{
    char head[1024];

    (void)snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status,
                   headers, length);
    return put_text(c, head) && put(c, body, length);
}

static int answer_ok(struct connection *c)
{
    static const char body[] =
        "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}";

    nap(c, 5);
    return answer(c, "200 OK", "Content-Type: application/json\r\nx-request-id: req_7\r\n", body,
                  sizeof body - 1);
}

/* ---- one for each path: 1 keeps the connection ---- */

static int reset(struct connection *c)
{
    struct linger now = { 1, 0 };

    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    return 0;
}

static int reset_late(struct connection *c)
{
    if (put_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\""))
        nap(c, 50); /* or the reset overtakes the bytes */
    return reset(c);
}

static int hang(struct connection *c)
{
    wait_for_the_end(c, 60000);
    return 0;
}

static int drip(struct connection *c)
{
    int on = put_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");

    for (; on; on = put_text(c, "x"))
        nap(c, 20);
    return 0;
}

static int big(struct connection *c)
{
    static const char chunk[65536];
    int on = put_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");

    for (int i = 0; on && i < 1024; i++)
        on = put(c, chunk, sizeof chunk);
    return on;
}

static int not_gzip(struct connection *c)
{
    return answer(c, "200 OK", "Content-Encoding: gzip\r\n", "\x1f\x8b\x08 and no more", 16);
}

static int headers_without_end(struct connection *c)
{
    int on = put_text(c, "HTTP/1.1 200 OK\r\n");

    while (on)
        on = put_text(c, "x-ratelimit-limit-requests: 1\r\nx-other: "
                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    return 0;
}

static int interim_without_end(struct connection *c)
{
    int on = 1;

    while (on)
        on = put_text(c, "HTTP/1.1 100 Continue\r\nx-a: b\r\n\r\n");
    return 0;
}

static int redirect(struct connection *c)
{
    char header[320];

    (void)pthread_mutex_lock(&c->server->lock);
    (void)snprintf(header, sizeof header, "Location: %s\r\n", c->server->location);
    (void)pthread_mutex_unlock(&c->server->lock);
    return answer(c, "307 Temporary Redirect", header, "{}", 2);
}

static int once(struct connection *c)
{
    return c->served == 1 && answer_ok(c);
}

static int echo(struct connection *c)
{
    char copy[BUFFER];

    memcpy(copy, c->buffer, c->used);
    return answer(c, "200 OK", "", copy, c->used);
}

static int act(struct connection *c)
{
    static const struct {
        const char *path;
        int (*act)(struct connection *c);
    } row[] = {
        { "/ok ", answer_ok },
        { "/echo ", echo },
        { "/reset ", reset },
        { "/reset-late ", reset_late },
        { "/hang ", hang },
        { "/drip ", drip },
        { "/big ", big },
        { "/gzip ", not_gzip },
        { "/headers ", headers_without_end },
        { "/interim ", interim_without_end },
        { "/redirect ", redirect },
        { "/once ", once },
    };

    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (strncmp(c->buffer, "POST ", 5) == 0 &&
            strncmp(c->buffer + 5, row[i].path, strlen(row[i].path)) == 0)
            return row[i].act(c);
    return answer(c, "404 Not Found", "", "{}", 2);
}

/* ---- connections ---- */

static void note(struct connection *c, size_t head)
{
    struct http_server *server = c->server;
    size_t length = head < sizeof server->head ? head : sizeof server->head - 1;

    (void)pthread_mutex_lock(&server->lock);
    memcpy(server->head, c->buffer, length);
    server->head[length] = '\0';
    (void)pthread_mutex_unlock(&server->lock);
    (void)rl__fetch_add(&server->requests, 1);
    c->served++;
}

/* The length of a whole request; 0: there is more to come. */
static size_t whole_request(const struct connection *c, size_t *head)
{
    const char *end = memmem(c->buffer, c->used, "\r\n\r\n", 4);
    const char *at = end == NULL ? NULL : strcasestr(c->buffer, "\r\ncontent-length:");
    size_t body = at == NULL || at > end ? 0 : strtoul(at + 17, NULL, 10);

    if (end == NULL)
        return 0;
    *head = (size_t)(end - c->buffer) + 4;
    return *head + body <= c->used ? *head + body : 0;
}

static int read_request(struct connection *c, size_t *head, size_t *whole)
{
    c->buffer[c->used] = '\0';
    while ((*whole = whole_request(c, head)) == 0) {
        ssize_t got =
            c->used + 1 < BUFFER ? recv(c->fd, c->buffer + c->used, BUFFER - 1 - c->used, 0) : 0;

        if (got <= 0)
            return 0;
        c->used += (size_t)got;
        c->buffer[c->used] = '\0';
    }
    return 1;
}

static void *serve(void *user)
{
    struct connection *c = user;
    size_t head, whole;

    while (read_request(c, &head, &whole)) {
        note(c, head);
        if (!act(c))
            break;
        memmove(c->buffer, c->buffer + whole, c->used - whole);
        c->used -= whole;
    }
    (void)pthread_mutex_lock(&c->server->lock);
    (void)close(c->fd);
    c->fd = -1;
    (void)pthread_mutex_unlock(&c->server->lock);
    return NULL;
}

static void *accept_all(void *user)
{
    struct http_server *server = user;
    int fd;

    while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
        uint64_t n = rl__load(&server->connections);
        struct connection *c = n < CONNECTIONS ? calloc(1, sizeof *c) : NULL;

        if (c == NULL) {
            (void)close(fd);
            continue;
        }
        c->server = server;
        c->fd = fd;
        server->connection[n] = c;
        rl__store(&server->connections, n + 1);
        if (pthread_create(&c->thread, NULL, serve, c) != 0)
            abort();
    }
    return NULL;
}

struct http_server *http_server_start(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof address;
    struct http_server *server = calloc(1, sizeof *server);

    if (server == NULL)
        abort();
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->fd < 0 || bind(server->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->fd, 1024) != 0 ||
        getsockname(server->fd, (struct sockaddr *)&address, &length) != 0 ||
        pthread_mutex_init(&server->lock, NULL) != 0 ||
        pthread_create(&server->thread, NULL, accept_all, server) != 0)
        abort();
    (void)snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u",
                   (unsigned)ntohs(address.sin_port));
    return server;
}

void http_server_stop(struct http_server *server)
{
    rl__store(&server->stop, 1);
    (void)shutdown(server->fd, SHUT_RDWR);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->fd);
    for (uint64_t i = 0; i < server->connections; i++) {
        struct connection *c = server->connection[i];

        (void)pthread_mutex_lock(&server->lock);
        (void)shutdown(c->fd, SHUT_RDWR); /* -1 if it has gone by itself */
        (void)pthread_mutex_unlock(&server->lock);
        (void)pthread_join(c->thread, NULL);
        free(c);
    }
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *http_server_url(const struct http_server *server)
{
    return server->url;
}

void http_server_redirect(struct http_server *server, const char *location)
{
    (void)pthread_mutex_lock(&server->lock);
    (void)snprintf(server->location, sizeof server->location, "%s", location);
    (void)pthread_mutex_unlock(&server->lock);
}

uint64_t http_server_requests(const struct http_server *server)
{
    return rl__load(&server->requests);
}

uint64_t http_server_connections(const struct http_server *server)
{
    return rl__load(&server->connections);
}

void http_server_last_head(struct http_server *server, char *out, size_t size)
{
    (void)pthread_mutex_lock(&server->lock);
    (void)snprintf(out, size, "%s", server->head);
    (void)pthread_mutex_unlock(&server->lock);
}
