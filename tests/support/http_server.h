/* SPDX-License-Identifier: MIT */
/*
 * A server on loopback that behaves, or does not, as the path of each request says. It counts whole
 * requests, which is what a provider would charge for.
 *
 *     /ok            200, with a body and a usage, after a few ms
 *     /echo          200, with all that was sent as the body
 *     /reset         RST when the request is whole
 *     /reset-late    RST after the first bytes of the answer
 *     /hang          never answers
 *     /drip          one byte of the body every 20 ms, for ever
 *     /big           64 MiB of body
 *     /gzip          says Content-Encoding: gzip, and sends something that is not
 *     /headers       headers without end
 *     /interim       "100 Continue" without end
 *     /redirect      307 to where the server was told, see http_server_redirect()
 *     /once          200 to the first request of a connection; the second one is read whole, and
 *                    the connection closed
 */
#ifndef LLMRL_TEST_HTTP_SERVER_H
#define LLMRL_TEST_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

struct http_server;

struct http_server *http_server_start(void);
void http_server_stop(struct http_server *server);
/* "http://127.0.0.1:PORT"; belongs to the server. */
const char *http_server_url(const struct http_server *server);
void http_server_redirect(struct http_server *server, const char *location);
/* Whole requests so far, and connections. */
uint64_t http_server_requests(const struct http_server *server);
uint64_t http_server_connections(const struct http_server *server);
/* The head of the last request, with a NUL; copied. */
void http_server_last_head(struct http_server *server, char *out, size_t size);

#endif
