/* SPDX-License-Identifier: MIT */
/* In a loop of libuv: a uv_poll_t on rl_wait_fd() dispatches. Built where libuv is found. */
#define _GNU_SOURCE /* uv.h needs pthread_rwlock_t */

#include <llmrl/queue.h>

#include <stdio.h>
#include <uv.h>

#define JOBS 5

struct job {
    rl_context *rl;
    rl_attempt attempt; /* stays where it is while the job lives */
    uv_poll_t *poll;
    int *left;
};

/* Called by rl_dispatch(): this attempt may leave, or is over. */
static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    struct job *job = user;

    printf("%s\n", ready ? "leaves" : rl_status_text(attempt->status));
    if (ready) /* a program would send it now, and report the answer to rl_attempt_done() */
        rl_attempt_abandon(job->rl, attempt);
    if (--*job->left == 0)
        (void)uv_poll_stop(job->poll); /* the loop ends, as nothing else is in it */
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    (void)rl_dispatch(poll->data); /* how many left does not matter here */
}

int main(void)
{
    static struct job job[JOBS];
    rl_options options = RL_OPTIONS_INIT;
    rl_request request = RL_REQUEST_INIT;
    int left = 0;
    rl_context *rl;
    uv_loop_t loop;
    uv_poll_t poll;

    options.config_json = "{ \"providers\": { \"openai\": { \"requests_per_second\": 20 } } }";
    request.provider = "openai";
    request.model = "gpt-4o-mini";
    if (uv_loop_init(&loop) != 0 || rl_open(&options, &rl) != RL_OK)
        return 1;
    if (uv_poll_init(&loop, &poll, rl_wait_fd(rl)) != 0)
        return 1;
    poll.data = rl;
    if (uv_poll_start(&poll, UV_READABLE, on_readable) != 0)
        return 1;
    for (int i = 0; i < JOBS; i++) {
        job[i] = (struct job){ rl, RL_ATTEMPT_INIT, &poll, &left };
        if (rl_attempt_submit(rl, &request, &job[i].attempt, on_ready, &job[i]) == RL_OK)
            left++;
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT); /* until nothing is in it any more */
    uv_close((uv_handle_t *)&poll, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    rl_close(rl);
    return uv_loop_close(&loop) == 0 && left == 0 ? 0 : 1;
}
