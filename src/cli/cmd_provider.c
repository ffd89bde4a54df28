/* SPDX-License-Identifier: MIT */
/* `llmrl provider`: a stand-in LLM provider on loopback that enforces limits and keeps the score.
 */
#include "commands.h"

#include "provider.h"
#include "provider_server.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* Blocked before any thread exists, so that every thread inherits it and only sigwait() sees them.
 */
static void block_signals(sigset_t *ends)
{
    (void)sigemptyset(ends);
    (void)sigaddset(ends, SIGTERM);
    (void)sigaddset(ends, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, ends, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static int serve(const struct provider_options *options)
{
    struct provider_server *server;
    sigset_t ends;
    int got = 0;

    block_signals(&ends);
    server = provider_server_start(options, stderr);
    if (server == NULL)
        return EXIT_FAILURE;
    printf("{\"port\":%u,\"base_url\":\"http://127.0.0.1:%u\",\"dialect\":\"%s\"}\n",
           provider_server_port(server), provider_server_port(server),
           provider_dialect_name(options->dialect));
    (void)fflush(stdout);
    (void)sigwait(&ends, &got);
    provider_server_stop(server, stdout);
    return EXIT_SUCCESS;
}

int cmd_provider(int argc, char **argv)
{
    struct provider_options options;

    switch (provider_options_read(&options, argc, argv, stderr)) {
    case PROVIDER_OPTIONS_HELP:
        provider_options_help(stdout);
        return EXIT_SUCCESS;
    case PROVIDER_OPTIONS_WRONG:
        return 2;
    case PROVIDER_OPTIONS_OK:
        break;
    }
    return serve(&options);
}
