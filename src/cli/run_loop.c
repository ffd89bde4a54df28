/* SPDX-License-Identifier: MIT */
/* Owns the loop of a run: it keeps the engine busy until all is done or a signal asks to end. */
#include "run_loop.h"

#include <poll.h>

#include "run_lines.h"
#include "run_now.h"
#include "run_signals.h"

/* Begins the end: what is on the wire goes on, the rest stays open. */
static void drain(struct run *run)
{
    run->draining = true;
    if (run_signals_seen() > 0)
        run_progress_note(&run->progress,
                          "finishing %zu requests on the wire; once more aborts them",
                          rl_http_engine_in_flight(run->engine));
    rl_http_engine_drain(run->engine);
}

/* Nothing is under way: what can happen is a line on the pipe, or a signal. */
static void wait_for_input(const struct run *run, uint64_t wait_ms)
{
    struct pollfd ready[RUN_FILES_MAX];
    nfds_t count = 0;

    for (size_t i = 0; i < run->sources; i++)
        if (!run->source[i].all_read)
            ready[count++] = (struct pollfd){ run->source[i].input.fd, POLLIN, 0 };
    if (wait_ms > 0 && count > 0)
        (void)poll(ready, count, RUN_STEP_MS);
}

void run_loop(struct run *run)
{
    uint64_t wait_ms;
    rl_status status;

    while (run_signals_seen() < 2) {
        if ((run_signals_seen() > 0 || run->broken) && !run->draining)
            drain(run);
        wait_ms = run_lines_take(run);
        if (rl_http_engine_pending(run->engine) > 0) {
            status = rl_http_engine_step(run->engine, wait_ms);
            if (status < 0) {
                run_progress_note(&run->progress, "the engine stopped: %s", rl_status_text(status));
                run->broken = true;
                return;
            }
        } else if (run_lines_sources_left(run) == 0 || run->draining) {
            return;
        } else {
            wait_for_input(run, wait_ms);
        }
        run_now_show(run);
    }
}
