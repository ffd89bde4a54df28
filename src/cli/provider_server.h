/* SPDX-License-Identifier: MIT */
/* The HTTP server of the stand-in provider. */
#ifndef LLMRL_CLI_PROVIDER_SERVER_H
#define LLMRL_CLI_PROVIDER_SERVER_H

#include "provider.h"

struct provider_server;

/* Listens on 127.0.0.1 from here on. NULL: it could not, and `errors` was told why. The options are
 * borrowed until provider_server_stop(). */
struct provider_server *provider_server_start(const struct provider_options *options, FILE *errors);
unsigned provider_server_port(const struct provider_server *server);
/* Cuts off what is in flight, writes the final statistics as one line and frees the server. */
void provider_server_stop(struct provider_server *server, FILE *out);

#endif
