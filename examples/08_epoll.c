/* SPDX-License-Identifier: MIT */
/*
 * In a loop on epoll(7): rl_wait_fd() is readable when there is something to dispatch, so the loop
 * needs no timeout and asks for no time. Requests of two priorities are submitted; those of the
 * higher one leave first. Here they are "answered" at once, so that no network is needed.
 */
#define _GNU_SOURCE

#include <llmrl/queue.h>

#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define JOBS 8

struct job {
    rl_context *rl;
    rl_attempt attempt; /* stays where it is while the job lives */
    const char *name;
    int *left;
};

static void answer(struct job *job)
{
    static const char body[] = "{\"usage\":{\"prompt_tokens\":80,\"completion_tokens\":30}}";
    rl_response response = RL_RESPONSE_INIT;

    response.status = 200;
    response.body = body;
    response.body_length = sizeof body - 1;
    if (rl_attempt_done(job->rl, &job->attempt, &response) != RL_OK)
        fprintf(stderr, "%s: not reported\n", job->name);
}

/* Called by rl_dispatch(): this attempt may leave, or is over. */
static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    struct job *job = user;

    if (ready) {
        printf("%s leaves\n", job->name);
        answer(job);
    } else {
        fprintf(stderr, "%s: %s\n", job->name, rl_status_text(attempt->status));
    }
    --*job->left;
}

static rl_status submit(struct job *job, uint64_t priority)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "openai";
    request.model = "gpt-4o-mini";
    request.input_tokens = 80;
    request.max_output_tokens = 60;
    request.priority = priority;
    return rl_attempt_submit(job->rl, &request, &job->attempt, on_ready, job);
}

static int submit_all(rl_context *rl, struct job *job, int *left)
{
    for (int i = 0; i < JOBS; i++) {
        job[i] = (struct job){ rl, RL_ATTEMPT_INIT,
                               i < JOBS / 2 ? "a batch's request" : "a user's request", left };
        if (submit(&job[i], i < JOBS / 2 ? RL_PRIORITY_LOW : RL_PRIORITY_HIGH) != RL_OK)
            return 0;
        ++*left;
    }
    return 1;
}

static int watch(int loop, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };

    event.data.fd = fd;
    return fd >= 0 && epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Your sockets would be in the same loop. */
static int run(rl_context *rl, int loop, const int *left)
{
    struct epoll_event event;

    while (*left > 0) {
        if (epoll_wait(loop, &event, 1, -1) < 0)
            return 0;
        (void)rl_dispatch(rl); /* how many left does not matter here */
    }
    return 1;
}

int main(void)
{
    static struct job job[JOBS];
    rl_options options = RL_OPTIONS_INIT;
    int loop = epoll_create1(EPOLL_CLOEXEC), left = 0, good;
    rl_context *rl;

    options.config_json = "{ \"providers\": { \"openai\": { \"requests_per_second\": 20 } } }";
    if (loop < 0 || rl_open(&options, &rl) != RL_OK) {
        fprintf(stderr, "cannot begin\n");
        return 1;
    }
    good = watch(loop, rl_wait_fd(rl)) && submit_all(rl, job, &left) && run(rl, loop, &left);
    rl_close(rl);      /* calls on_ready() for whatever still waits; closes the descriptor */
    (void)close(loop); /* nothing was written to it */
    return good ? 0 : 1;
}
