/* SPDX-License-Identifier: MIT */
/* Chance and mischief of the stand-in provider: latencies, faults, broken connections. */
#ifndef LLMRL_CLI_PROVIDER_FAULTS_H
#define LLMRL_CLI_PROVIDER_FAULTS_H

#include "provider.h"

struct provider_random {
    uint64_t state;
};

/* At most one fault for a request; the shares are those of all admitted requests. */
enum provider_fault provider_fault_draw(struct provider_random *random,
                                        const struct provider_options *options);
/* Nanoseconds, uniform over the range, both ends included. */
int64_t provider_latency_draw(struct provider_random *random, const struct provider_range *range);
/* Ends the connection with a reset; the descriptor stays open and is its owner's to close. */
void provider_connection_reset(int fd);
/* Whether the client has closed its side. */
bool provider_peer_gone(int fd);

#endif
