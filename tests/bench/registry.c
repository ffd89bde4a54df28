/* SPDX-License-Identifier: MIT */
/*
 * What whole admissions cost: composite, by handle and by names, for one user and for a million.
 * Ratios to `clk`, one reading of CLOCK_MONOTONIC, and `load`, one dependent random load from 64
 * MiB, both of the same run. Medians of five. bench_registry [USERS]
 */
#include "figures.h"

#include <llmrl/config.h>

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define REPEATS 5
#define ROUNDS  200000

/* Limits that never refuse: what is measured is a grant. One unit a nanosecond, so that they are
 * reckoned as those in use are (500 a minute, 30 000 a minute), exactly. */
static const char config[] =
    "{\"global\": {\"requests_per_minute\": 60000000000, \"tokens_per_minute\": 60000000000},"
    " \"providers\": {\"p\": {\"auto_detect\": false, \"requests_per_minute\": 60000000000,"
    "   \"tokens_per_minute\": 60000000000}},"
    " \"users\": {\"default\": {\"requests_per_minute\": 1000000000, "
    "\"tokens_per_day\": 1000000000000}}}";

static rl_context *open_it(void)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;

    options.config_json = config;
    if (rl_open(&options, &rl) != RL_OK)
        abort();
    return rl;
}

static rl_request ask(const char *user)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "p";
    request.model = "gpt-4o-mini";
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    request.user = user;
    return request;
}

/* ---- yardsticks ---- */

static double clk(void)
{
    double start = figures_now();

    for (int i = 0; i < ROUNDS; i++)
        (void)figures_now();
    return (figures_now() - start) / ROUNDS;
}

#define LOADS (64u * 1024 * 1024 / 64)
struct line {
    uint64_t next, unused[7];
};

/* One cycle through all lines, in random order. */
static struct line *lay_lines(void)
{
    struct line *line = calloc(LOADS, sizeof *line);
    uint64_t random = 88172645463325252u, *order = malloc(LOADS * sizeof *order);

    if (line == NULL || order == NULL)
        abort();
    for (uint64_t i = 0; i < LOADS; i++)
        order[i] = i;
    for (uint64_t i = LOADS - 1; i > 0; i--) {
        uint64_t k, other;

        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        k = random % (i + 1);
        other = order[i];
        order[i] = order[k];
        order[k] = other;
    }
    for (uint64_t i = 0; i < LOADS; i++)
        line[order[i]].next = order[(i + 1) % LOADS];
    free(order);
    return line;
}

static double load(const struct line *line)
{
    static uint64_t at;
    double start = figures_now();

    for (int i = 0; i < ROUNDS; i++)
        at = line[at].next;
    return (figures_now() - start) / ROUNDS + (double)(at == LOADS); /* so that it is used */
}

/* ---- one user ---- */

static double acquire(rl_context *rl, const rl_request *request, int settle)
{
    rl_usage usage = { .input_tokens = 10, .output_tokens = 5 };
    rl_permit permit;
    double start;

    usage.has = RL_HAS_INPUT | RL_HAS_OUTPUT;
    start = figures_now();
    for (int i = 0; i < ROUNDS; i++) {
        if (rl_try_acquire(rl, request, &permit) != RL_OK)
            abort();
        if (settle && rl_settle(rl, &permit, &usage) != RL_OK)
            abort();
    }
    return (figures_now() - start) / ROUNDS;
}

/* ---- many users ---- */

static void name_user(char *name, uint64_t number)
{
    static const char digit[] = "0123456789abcdef";

    *name++ = 'u';
    do
        *name++ = digit[number % 16];
    while ((number /= 16) > 0);
    *name = '\0';
}

struct crowd {
    double first, again, longest, bytes;
};

static double heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return (double)(info.uordblks + info.hblkhd);
}

static struct crowd measure_crowd(uint64_t users)
{
    rl_context *rl = open_it();
    struct crowd crowd = { 0 };
    rl_request request = ask("warm");
    double before, start, last;
    uint64_t number = 1;
    rl_permit permit;
    char name[20];

    if (rl_try_acquire(rl, &request, &permit) != RL_OK || rl_cancel(rl, &permit) != RL_OK)
        abort();
    before = heap_bytes();
    request.user = name;
    start = last = figures_now();
    for (uint64_t i = 0; i < users; i++) {
        double now;

        name_user(name, i);
        if (rl_try_acquire(rl, &request, &permit) != RL_OK)
            abort();
        now = figures_now();
        if (now - last > crowd.longest)
            crowd.longest = now - last;
        last = now;
    }
    crowd.first = (last - start) / (double)users;
    crowd.bytes = (heap_bytes() - before) / (double)users;
    start = figures_now();
    for (int i = 0; i < ROUNDS; i++) {
        number = number * 6364136223846793005u + 1442695040888963407u;
        name_user(name, (number >> 20) % users);
        if (rl_try_acquire(rl, &request, &permit) != RL_OK)
            abort();
    }
    crowd.again = (figures_now() - start) / ROUNDS;
    rl_close(rl);
    return crowd;
}

/* ---- two threads ---- */

struct runner {
    rl_context *rl;
    const char *user;
    _Atomic int *go;
};

static void *run(void *argument)
{
    struct runner *runner = argument;
    rl_request request = ask(runner->user);
    rl_scope scope;

    if (rl_scope_resolve(runner->rl, &request, &scope) != RL_OK)
        abort();
    request.scope = &scope;
    while (!atomic_load(runner->go))
        ;
    (void)acquire(runner->rl, &request, 0);
    return NULL;
}

/* Seconds for `count` threads that do ROUNDS each. */
static double together(int count)
{
    rl_context *rl = open_it();
    _Atomic int go = 0;
    struct runner runner[2] = { { rl, "alice", &go }, { rl, "bob", &go } };
    pthread_t thread[2];
    double start;

    for (int i = 0; i < count; i++)
        if (pthread_create(&thread[i], NULL, run, &runner[i]) != 0)
            abort();
    figures_sleep(0.01);
    start = figures_now();
    atomic_store(&go, 1);
    for (int i = 0; i < count; i++)
        (void)pthread_join(thread[i], NULL);
    start = figures_now() - start;
    rl_close(rl);
    return start;
}

int main(int argc, char **argv)
{
    uint64_t users = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    double handle[REPEATS], settled[REPEATS], names[REPEATS], one[REPEATS], two[REPEATS];
    double clock[REPEATS], loads[REPEATS];
    struct line *line = lay_lines();
    rl_context *rl = open_it();
    rl_request by_names = ask("alice"), by_handle = ask("alice");
    struct crowd crowd;
    rl_scope scope;

    if (users == 0 || rl_scope_resolve(rl, &by_names, &scope) != RL_OK)
        return 2;
    by_handle.scope = &scope;
    for (int i = 0; i < REPEATS; i++) {
        clock[i] = clk();
        loads[i] = load(line);
        handle[i] = acquire(rl, &by_handle, 0);
        settled[i] = acquire(rl, &by_handle, 1);
        names[i] = acquire(rl, &by_names, 0);
        one[i] = together(1);
        two[i] = together(2);
    }
    rl_close(rl);
    crowd = measure_crowd(users);
    figures_unit("clk", figures_median(clock, REPEATS));
    figures_unit("load", figures_median(loads, REPEATS));
    figures_row("composite acquire by handle, 3 scopes x 2 dimensions",
                figures_median(handle, REPEATS), figures_median(clock, REPEATS), "clk", "<= 3");
    figures_row("the same, settled", figures_median(settled, REPEATS),
                figures_median(clock, REPEATS), "clk", "<= 5");
    figures_row("by names", figures_median(names, REPEATS), figures_median(handle, REPEATS),
                "by handle", "<= 2.5");
    figures_row("many users, random order, by name", crowd.again, figures_median(loads, REPEATS),
                "load", "<= 2.0");
    figures_row("two threads, two users: total", 2 * figures_median(one, REPEATS),
                figures_median(two, REPEATS), "one thread", ">= 1.2");
    printf("%-56s %10.1f bytes             goal <= 96\n", "memory per user", crowd.bytes);
    printf("%-56s %10.2f ms                goal <= 5\n", "longest pause while the table grows",
           crowd.longest * 1e3);
    printf("%-56s %10.0f ns, %" PRIu64 " users\n", "a user's first request", crowd.first * 1e9,
           users);
    free(line);
    return 0;
}
