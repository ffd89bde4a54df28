/* SPDX-License-Identifier: MIT */
/*
 * In a loop of your own: submit, ask when to come back, dispatch. Here poll(2) waits for the
 * library's next moment and for the "sockets" at once; a timer stands in for each socket, so that
 * no network is needed. The first answer is a 429 that asks for patience: everybody else is held
 * back with it.
 */
#define _GNU_SOURCE

#include <llmrl/llmrl.h>
#include <llmrl/queue.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define JOBS 6

struct job {
    struct loop *loop;
    rl_attempt attempt; /* stays where it is while the job lives */
    int socket;         /* -1: nothing is on the wire */
};

struct loop {
    rl_context *rl;
    rl_request request;
    rl_time start;
    struct job job[JOBS];
    int left; /* jobs that are not over */
    int answers;
    int failures;
};

static void say(const struct job *job, const char *what)
{
    const struct loop *loop = job->loop;

    printf("%5" PRIu64 " ms  job %d: %s\n", (rl_now(loop->rl) - loop->start) / RL_MILLISECOND,
           (int)(job - loop->job), what);
}

static void end(struct job *job)
{
    char text[256];

    job->loop->left--;
    if (job->attempt.status != RL_OK)
        job->loop->failures++;
    say(job, job->attempt.status == RL_OK ? "done" : rl_explain(&job->attempt, text, sizeof text));
}

/* "Sends": the answer will be there in 50 ms. */
static int open_socket(void)
{
    struct itimerspec in_50_ms = { .it_value = { .tv_sec = 0, .tv_nsec = 50000000 } };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd >= 0 && timerfd_settime(fd, 0, &in_50_ms, NULL) != 0) {
        (void)close(fd); /* nothing was written to it */
        return -1;
    }
    return fd;
}

/* Called by rl_dispatch(): this attempt may leave, or is over. */
static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    struct job *job = user;

    if (ready && (job->socket = open_socket()) >= 0) {
        say(job, attempt->number > 1 ? "sent again" : "sent");
        return;
    }
    if (ready) { /* we cannot send it: give the permit back */
        rl_attempt_abandon(job->loop->rl, attempt);
        attempt->status = RL_E_TRANSPORT;
    }
    end(job);
}

static void submit(struct job *job)
{
    struct loop *loop = job->loop;

    if (rl_attempt_submit(loop->rl, &loop->request, &job->attempt, on_ready, job) != RL_OK)
        end(job);
}

static void on_answer(struct job *job)
{
    static const rl_header patience[] = { { "retry-after", 11, "1", 1 } };
    static const char body[] = "{\"usage\":{\"prompt_tokens\":80,\"completion_tokens\":30}}";
    rl_response response = RL_RESPONSE_INIT;
    struct loop *loop = job->loop;

    (void)close(job->socket); /* a timer: nothing can be lost */
    job->socket = -1;
    response.status = 200;
    response.body = body;
    response.body_length = sizeof body - 1;
    if (++loop->answers == 1) {
        response.status = 429;
        response.headers = patience;
        response.header_count = 1;
        response.body = NULL;
        response.body_length = 0;
        say(job, "refused for a second");
    }
    if (rl_attempt_done(loop->rl, &job->attempt, &response) != RL_OK) {
        job->attempt.status = RL_E_INVALID;
        end(job);
    } else if (job->attempt.status == RL_WAIT) { /* there will be another attempt */
        submit(job);
    } else {
        end(job);
    }
}

/* Milliseconds until `next`, rounded up: early would only mean to ask again. */
static int poll_timeout(const struct loop *loop, rl_time next)
{
    rl_time now = rl_now(loop->rl);

    if (next == RL_NEVER)
        return -1;
    if (next <= now)
        return 0;
    if (next - now > RL_MINUTE)
        return 60000;
    return (int)((next - now + RL_MILLISECOND - 1) / RL_MILLISECOND);
}

static int turn(struct loop *loop)
{
    struct pollfd fds[JOBS];

    (void)rl_dispatch(loop->rl); /* how many left does not matter here */
    for (int i = 0; i < JOBS; i++)
        fds[i] =
            (struct pollfd){ .fd = loop->job[i].socket, .events = POLLIN }; /* -1 is passed over */
    if (loop->left == 0)
        return 0;
    if (poll(fds, JOBS, poll_timeout(loop, rl_next_wakeup(loop->rl))) < 0)
        return -1;
    for (int i = 0; i < JOBS; i++)
        if (fds[i].revents != 0)
            on_answer(&loop->job[i]);
    return 0;
}

int main(void)
{
    static struct loop loop;
    rl_options options = RL_OPTIONS_INIT;
    rl_status status;
    int result = 0;

    options.config_json = "{ \"providers\": { \"openai\": { \"requests_per_second\": 20 } } }";
    if ((status = rl_open(&options, &loop.rl)) != RL_OK) {
        fprintf(stderr, "rl_open: %s\n", rl_status_text(status));
        return 1;
    }
    loop.request = RL_REQUEST_INIT;
    loop.request.provider = "openai";
    loop.request.model = "gpt-4o-mini";
    loop.request.input_tokens = 80;
    loop.request.max_output_tokens = 60;
    loop.request.deadline_ms = 20000;
    loop.start = rl_now(loop.rl);
    loop.left = JOBS;
    for (int i = 0; i < JOBS; i++) {
        loop.job[i] = (struct job){ .loop = &loop, .attempt = RL_ATTEMPT_INIT, .socket = -1 };
        submit(&loop.job[i]);
    }
    while (loop.left > 0 && result == 0)
        result = turn(&loop);
    if (result != 0)
        perror("poll");
    rl_close(loop.rl); /* calls on_ready() for whatever still waits */
    return result == 0 && loop.failures == 0 ? 0 : 1;
}
