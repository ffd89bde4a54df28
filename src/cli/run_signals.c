/* SPDX-License-Identifier: MIT */
/* Owns the signals that ask a run to end. */
#include "run_signals.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t signals_seen;

/* The first asks to finish, the second to abort; should the program be stuck by then, the third
 * ends it. */
static void on_signal(int number)
{
    (void)number;
    if (signals_seen >= 2)
        _exit(130);
    signals_seen = signals_seen + 1;
}

void run_signals_catch(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal; /* no SA_RESTART: a blocked read or poll ends */
    sigemptyset(&action.sa_mask);
    signals_seen = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

int run_signals_seen(void)
{
    return signals_seen;
}
