/* SPDX-License-Identifier: MIT */
/*
 * What waiting costs and how late it is, through the public functions:
 *
 *   blocked      64 threads on 200 requests a second, beside threads that only sleep until each
 *                moment (clock_nanosleep; a condition's timed wait): lateness when the call is
 *                back, use of the limit, wake-ups (voluntary context switches) for each grant, of
 *                each thread between its own first grant and its last one; the same where each
 *                request has its own price
 *   submitted    100 000 attempts on one thread and a virtual clock: submit and grant each, medians
 *                of five rounds after a first one, in which the kernel finds the memory
 *   idle         10 000 that wait and cannot go: wake-ups and processor time
 *   cancel       of one, and one whose time ends, as the number of waiters doubles
 *
 * LLMRL_BENCH_SECONDS: of the first part (default 10). It prints, and fails only where a grant came
 * too early or was lost.
 */
#include "figures.h"

#include <llmrl/queue.h>

#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#define THREADS   64
#define RATE      200
#define SPACING   (RL_SECOND / RATE)
#define BURST     10
#define GRANTS    (1 << 20)
#define SUBMITTED 100000
#define IDLE      10000
#define IDLE_SELF 500 /* of them blocked threads */

#define BUCKET(amount, period, burst)                                                              \
    "{\"providers\": {\"p\": {\"auto_detect\": false, \"limits\": [{\"dimension\": \"requests\", " \
    "\"amount\": " amount ", \"period\": \"" period                                                \
    "\", \"algorithm\": \"token_bucket\", \"burst\": " burst "}]}}, \"queue\": {\"max_size\": "    \
    "1000000}}"

static int failed;

static uint64_t clock_of(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * RL_SECOND + (uint64_t)ts.tv_nsec;
}

static rl_context *open_with(const char *json, const rl_hooks *hooks)
{
    rl_options options = RL_OPTIONS_INIT;
    char error[200] = "";
    rl_context *rl;

    options.config_json = json;
    options.hooks = hooks;
    options.error = error;
    options.error_size = sizeof error;
    if (rl_open(&options, &rl) != RL_OK) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    return rl;
}

static rl_request ask(void)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "p";
    request.model = "m";
    request.input_tokens = 10;
    request.max_wait_ms = RL_NEVER;
    return request;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* ---- blocked threads ---- */

static struct {
    rl_context *rl;
    uint64_t end, count;
    int mixed;               /* of all prices */
    uint64_t slept, granted; /* by each thread from its first grant to its last one */
    uint64_t switches;       /* in all, its first steps and its end included */
    uint64_t at[GRANTS];
} crowd;

static uint64_t switches_of(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return (uint64_t)usage.ru_nvcsw;
}

static void *acquire_until_end(void *user)
{
    rl_request request = ask();
    uint64_t now = 0, granted = 0, first = 0, last = 0;
    unsigned seed = (unsigned)(uintptr_t)&request;

    (void)user;
    while (now < crowd.end) {
        rl_permit permit;

        if (crowd.mixed)
            request.input_tokens = 100 + (uint64_t)rand_r(&seed) % 1900;
        if (rl_acquire(crowd.rl, &request, &permit) != RL_OK)
            break;
        now = rl_now(crowd.rl);
        last = switches_of(RUSAGE_THREAD);
        first = granted++ == 0 ? last : first;
        crowd.at[__atomic_fetch_add(&crowd.count, 1, __ATOMIC_RELAXED)] = now;
        rl_settle(crowd.rl, &permit, &(rl_usage){ .has = 0 });
    }
    __atomic_fetch_add(&crowd.switches, switches_of(RUSAGE_THREAD), __ATOMIC_RELAXED);
    if (granted == 0)
        return NULL;
    __atomic_fetch_add(&crowd.slept, last - first, __ATOMIC_RELAXED);
    __atomic_fetch_add(&crowd.granted, granted - 1, __ATOMIC_RELAXED);
    return NULL;
}

struct sleeper {
    uint64_t begin, count, late[GRANTS / 64];
    int with_condition;
};

static struct timespec as_timespec(uint64_t at)
{
    return (struct timespec){ (time_t)(at / RL_SECOND), (long)(at % RL_SECOND) };
}

static void sleep_until(int with_condition, pthread_mutex_t *mutex, pthread_cond_t *condition,
                        uint64_t at)
{
    struct timespec ts = as_timespec(at);

    if (!with_condition)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
    else
        while (clock_of(CLOCK_MONOTONIC) < at)
            pthread_cond_timedwait(condition, mutex, &ts);
}

static void *sleep_many(void *user)
{
    struct sleeper *sleeper = user;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_condattr_t attributes;
    pthread_cond_t condition;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&condition, &attributes);
    pthread_mutex_lock(&mutex);
    for (uint64_t i = 0; i < sleeper->count; i++) {
        uint64_t at = sleeper->begin + (i + 1) * SPACING;

        sleep_until(sleeper->with_condition, &mutex, &condition, at);
        sleeper->late[i] = clock_of(CLOCK_MONOTONIC) - at;
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void print_lateness(const char *what, uint64_t *late, size_t n, const uint64_t *base)
{
    uint64_t p50, p99;

    qsort(late, n, sizeof *late, by_size);
    p50 = late[n / 2];
    p99 = late[n * 99 / 100];
    printf("  %-28s p50 %8.1f us  p99 %8.1f us", what, (double)p50 / 1e3, (double)p99 / 1e3);
    if (base != NULL)
        printf("   %.2f x, %.2f x", (double)p50 / (double)base[0], (double)p99 / (double)base[1]);
    printf("\n");
}

static void run_crowd(const char *json, uint64_t seconds, pthread_t *thread)
{
    crowd.count = crowd.slept = crowd.granted = crowd.switches = 0;
    crowd.rl = open_with(json, NULL);
    crowd.end = rl_now(crowd.rl) + seconds * RL_SECOND;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, acquire_until_end, NULL);
}

static void print_wakeups(void)
{
    printf("; wake-ups for each grant: %.3f (first and last of each thread included: %.3f)\n",
           (double)crowd.slept / (double)crowd.granted,
           (double)crowd.switches / (double)crowd.count);
}

/* As many of these leave in a second, but no two cost the same. */
static void blocked_mixed(uint64_t seconds)
{
    pthread_t thread[THREADS];

    crowd.mixed = 1;
    run_crowd("{\"providers\": {\"p\": {\"auto_detect\": false, \"limits\": [{\"dimension\": "
              "\"input_tokens\", \"amount\": 210000, \"period\": \"second\", \"algorithm\": "
              "\"token_bucket\", \"burst\": 10000}]}}}",
              seconds, thread);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    printf("%d blocked threads, prices of 1 to 20: %" PRIu64 " grants", THREADS, crowd.count);
    print_wakeups();
    rl_close(crowd.rl);
}

static void blocked(uint64_t seconds)
{
    static struct sleeper bare, condition = { .with_condition = 1 };
    static uint64_t late[GRANTS];
    uint64_t base[2], n, first, early = 0;
    pthread_t thread[THREADS], other[2];

    bare.begin = condition.begin = clock_of(CLOCK_MONOTONIC) + SPACING / 2;
    bare.count = condition.count = seconds * RATE;
    pthread_create(&other[0], NULL, sleep_many, &bare);
    pthread_create(&other[1], NULL, sleep_many, &condition);
    run_crowd(BUCKET("200", "second", "10"), seconds, thread);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(other[i], NULL);
    qsort(crowd.at, crowd.count, sizeof crowd.at[0], by_size);
    first = crowd.at[0];
    n = 0;
    for (uint64_t i = 0; i < crowd.count && crowd.at[i] <= crowd.end; i++) {
        uint64_t due = first + (i < BURST ? 0 : (i - BURST + 1) * SPACING);

        /* the first one's own moment was a little before it was seen to be back */
        early += crowd.at[i] + 200000 < due;
        if (i >= BURST)
            late[n++] = crowd.at[i] > due ? crowd.at[i] - due : 0;
    }
    printf("%d blocked threads, %d/s, %" PRIu64 " s\n", THREADS, RATE, seconds);
    qsort(bare.late, bare.count, sizeof bare.late[0], by_size);
    base[0] = bare.late[bare.count / 2];
    base[1] = bare.late[bare.count * 99 / 100];
    print_lateness("clock_nanosleep", bare.late, bare.count, NULL);
    print_lateness("pthread_cond_timedwait", condition.late, condition.count, base);
    print_lateness("rl_acquire", late, n, base);
    printf("  granted %" PRIu64 " of %" PRIu64 ": %.2f %%; too early: %" PRIu64, n,
           (crowd.end - first) / SPACING,
           100.0 * (double)n / (double)((crowd.end - first) / SPACING), early);
    print_wakeups();
    failed |= early > 0;
    rl_close(crowd.rl);
}

/* ---- submitted attempts, on a virtual clock ---- */

static struct {
    uint64_t now, grants, over;
} loop;

static rl_time loop_now(void *user)
{
    (void)user;
    return loop.now;
}

static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    rl_context *rl = user;

    loop.grants += (uint64_t)ready;
    loop.over += (uint64_t)!ready;
    if (ready)
        rl_settle(rl, &attempt->permit, &(rl_usage){ .has = 0 });
}

static rl_context *open_virtual(const char *json)
{
    rl_hooks hooks = RL_HOOKS_INIT;

    hooks.now = loop_now;
    memset(&loop, 0, sizeof loop);
    loop.now = 1000 * RL_SECOND;
    return open_with(json, &hooks);
}

static rl_attempt *submit_many(rl_context *rl, const rl_request *request, size_t count)
{
    rl_attempt *attempt = malloc(count * sizeof *attempt);

    for (size_t i = 0; attempt != NULL && i < count; i++) {
        attempt[i] = RL_ATTEMPT_INIT;
        if (rl_attempt_submit(rl, request, &attempt[i], on_ready, rl) != RL_OK)
            abort();
    }
    return attempt;
}

static struct {
    rl_attempt attempt[SUBMITTED];
    char user[SUBMITTED][16];
} many;

static void submit_all(rl_context *rl, int users)
{
    rl_request request = ask();

    for (int i = 0; i < SUBMITTED; i++) {
        many.attempt[i] = RL_ATTEMPT_INIT;
        request.user = users > 0 ? many.user[i] : NULL;
        if (rl_attempt_submit(rl, &request, &many.attempt[i], on_ready, rl) != RL_OK)
            abort();
    }
}

static uint64_t grant_all(rl_context *rl)
{
    uint64_t wakeups = 0;

    for (; loop.grants < SUBMITTED; wakeups++) {
        uint64_t next = rl_next_wakeup(rl);

        loop.now = next > loop.now ? next : loop.now;
        rl_dispatch(rl);
    }
    return wakeups;
}

/* Each round has a context of its own; in the first one the kernel finds the memory. */
static void submitted(int users)
{
    enum { ROUNDS = 6 };
    double submit[ROUNDS], grant[ROUNDS], both[ROUNDS], first;
    uint64_t wakeups = 0;

    memset(&many, 1, sizeof many);
    for (int i = 0; users > 0 && i < SUBMITTED; i++)
        snprintf(many.user[i], sizeof many.user[i], "u%d", i % users);
    for (int i = 0; i < ROUNDS; i++) {
        rl_context *rl = open_virtual(BUCKET("1000", "second", "1"));
        uint64_t begin = clock_of(CLOCK_THREAD_CPUTIME_ID), between;

        submit_all(rl, users);
        between = clock_of(CLOCK_THREAD_CPUTIME_ID);
        wakeups = grant_all(rl);
        both[i] = (double)(clock_of(CLOCK_THREAD_CPUTIME_ID) - begin) / SUBMITTED / 1e3;
        submit[i] = (double)(between - begin) / SUBMITTED / 1e3;
        grant[i] = both[i] - submit[i];
        rl_close(rl);
    }
    first = both[0];
    printf(
        "%d submitted attempts of %d users: submit %.2f us, grant %.2f us, together %.2f us, the "
        "first time %.2f us; wake-ups %" PRIu64 " for %" PRIu64 " grants\n",
        SUBMITTED, users, figures_median(submit + 1, ROUNDS - 1),
        figures_median(grant + 1, ROUNDS - 1), figures_median(both + 1, ROUNDS - 1), first, wakeups,
        loop.grants);
}

/* ---- nothing can go ---- */

static void *acquire_once(void *user)
{
    rl_request request = ask();
    rl_permit permit;

    (void)rl_acquire(user, &request, &permit); /* ends with the context */
    return NULL;
}

static void idle(void)
{
    rl_context *rl = open_with(BUCKET("1", "day", "1"), NULL);
    rl_stats stats = { .size = sizeof stats };
    rl_request request = ask();
    struct pollfd fd = { .fd = rl_wait_fd(rl), .events = POLLIN };
    pthread_t thread[IDLE_SELF];
    rl_attempt *attempt;
    uint64_t switches, cpu;
    rl_permit permit;
    int events;

    if (rl_acquire(rl, &request, &permit) != RL_OK)
        abort();
    for (int i = 0; i < IDLE_SELF; i++)
        pthread_create(&thread[i], NULL, acquire_once, rl);
    attempt = submit_many(rl, &request, IDLE - IDLE_SELF);
    rl_dispatch(rl);
    do {
        poll(NULL, 0, 200);
        rl_stats_get(rl, &stats);
    } while (stats.waiting < IDLE);
    switches = switches_of(RUSAGE_SELF);
    cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    events = poll(&fd, 1, 3000);
    cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    switches = switches_of(RUSAGE_SELF) - switches;
    printf("%d wait (%d of them blocked threads), nothing can go for 3 s: %" PRIu64
           " wake-ups beside our own poll, %d of the descriptor, %.3f ms of processor time\n",
           IDLE, IDLE_SELF, switches - 1, events, (double)cpu / 1e6);
    rl_settle(rl, &permit, &(rl_usage){ .has = 0 });
    rl_close(rl);
    for (int i = 0; i < IDLE_SELF; i++)
        pthread_join(thread[i], NULL);
    free(attempt);
}

/* ---- as n doubles ---- */

static void take_out(size_t count)
{
    enum { SOME = 2000 };
    rl_context *rl = open_virtual(BUCKET("1", "day", "1"));
    rl_request request = ask();
    rl_attempt *attempt, *timed;
    uint64_t cancel, expire, seed = 1;

    request.max_wait_ms = UINT64_C(30) * 86400 * 1000; /* each has an end */
    attempt = submit_many(rl, &request, count);
    rl_dispatch(rl);
    cancel = clock_of(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < SOME; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
        (void)rl_attempt_cancel(rl, &attempt[1 + (seed >> 33) % (count - 1)]);
    }
    cancel = clock_of(CLOCK_THREAD_CPUTIME_ID) - cancel;
    request.max_wait_ms = 1000;
    timed = submit_many(rl, &request, SOME);
    loop.now += 2 * RL_SECOND;
    expire = clock_of(CLOCK_THREAD_CPUTIME_ID);
    rl_dispatch(rl);
    expire = clock_of(CLOCK_THREAD_CPUTIME_ID) - expire;
    printf("  of %7zu: cancel one %.3f us, time one out %.3f us\n", count,
           (double)cancel / SOME / 1e3, (double)expire / SOME / 1e3);
    rl_close(rl);
    free(attempt);
    free(timed);
}

int main(void)
{
    const char *text = getenv("LLMRL_BENCH_SECONDS");
    uint64_t seconds = text == NULL ? 10 : strtoull(text, NULL, 10);

    mallopt(M_TRIM_THRESHOLD, 1 << 30); /* what it has had, it keeps */
    blocked(seconds == 0 ? 1 : seconds);
    blocked_mixed(seconds < 3 ? seconds + 1 : 3);
    submitted(0);
    submitted(1);
    submitted(1000);
    submitted(SUBMITTED);
    idle();
    for (size_t count = 12500; count <= 400000; count *= 2)
        take_out(count);
    return failed;
}
