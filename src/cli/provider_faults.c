/* SPDX-License-Identifier: MIT */
/* Draws are seeded and in order of admission: the same arrivals meet the same luck. */
#include "provider_faults.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* splitmix64: small, seedable with any number, and good enough to choose a latency. */
static uint64_t next(struct provider_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

enum provider_fault provider_fault_draw(struct provider_random *random,
                                        const struct provider_options *options)
{
    int64_t drawn = (int64_t)(next(random) % (uint64_t)PROVIDER_MILLION);

    for (int fault = 0; fault < PROVIDER_FAULTS; fault++) {
        drawn -= options->fault_ppm[fault];
        if (drawn < 0)
            return (enum provider_fault)fault;
    }
    return PROVIDER_FAULT_NONE;
}

int64_t provider_latency_draw(struct provider_random *random, const struct provider_range *range)
{
    uint64_t span = (uint64_t)((range->high_ms - range->low_ms) * PROVIDER_MILLISECOND);

    return range->low_ms * PROVIDER_MILLISECOND + (int64_t)(next(random) % (span + 1));
}

/* Closing with SO_LINGER 0 alone would not do: the HTTP server shuts its side down first, and the
 * client would see an orderly end. Dissolving the association sends the reset at once. */
void provider_connection_reset(int fd)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    struct sockaddr nowhere;

    memset(&nowhere, 0, sizeof nowhere);
    nowhere.sa_family = AF_UNSPEC;
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    (void)connect(fd, &nowhere, sizeof nowhere); /* a client that is gone already is fine too */
}

/* Not by reading: a client may have sent its next request already and closed after that. */
bool provider_peer_gone(int fd)
{
    struct pollfd peer = { .fd = fd, .events = POLLRDHUP, .revents = 0 };

    return poll(&peer, 1, 0) > 0 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}
