/* SPDX-License-Identifier: MIT */
/* Laws of the order of waiting, on a virtual clock, from a printed seed (LLMRL_SEED replays one):
 * strict priority, fair shares by weight, and a short wait for who asks for little. */
#include "vclock.h"

#include <llmrl/queue.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EVENTS_DEFAULT 1000000
#define LANES          4
#define LEVELS         256

struct world;

struct job {
    rl_attempt attempt;
    struct world *world;
    struct job *next_free;
    uint64_t cost; /* tokens */
    rl_time since;
    uint32_t lane, level, user, cancelled;
};

struct world {
    struct vclock clock;
    rl_context *rl;
    struct job *free;
    uint64_t waiting[LANES][LEVELS]; /* the model: how many there are of each */
    uint64_t ended, granted, cancelled, overtaken;
    int shared; /* lanes of one provider meet at its limit only */
    uint64_t count[64], cost[64];
    rl_duration longest[64];
};

static uint64_t seed_of(void)
{
    const char *text = getenv("LLMRL_SEED");
    uint64_t seed = text == NULL ? UINT64_C(20261124) : strtoull(text, NULL, 10);

    printf("LLMRL_SEED=%" PRIu64 "\n", seed);
    return seed;
}

static uint64_t events_of(void)
{
    const char *text = getenv("LLMRL_EVENTS");

    return text == NULL ? EVENTS_DEFAULT : strtoull(text, NULL, 10);
}

static void open_world(struct world *w, const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    char error[200] = "";
    rl_hooks hooks;

    memset(w, 0, sizeof *w);
    w->clock = (struct vclock){ .now = 1000 * RL_SECOND, .random = seed_of() };
    hooks = vclock_hooks(&w->clock);
    options.hooks = &hooks;
    options.config_json = json;
    options.error = error;
    options.error_size = sizeof error;
    if (rl_open(&options, &w->rl) != RL_OK)
        fail_msg("%s", error);
}

static void close_world(struct world *w)
{
    rl_close(w->rl);
    while (w->free != NULL) {
        struct job *job = w->free;

        w->free = job->next_free;
        free(job);
    }
}

/* Whether somebody who is more urgent waits where this one was let through. */
static int overtakes(const struct world *w, const struct job *job)
{
    for (uint32_t lane = 0; lane < LANES; lane++) {
        if (lane != job->lane && !(w->shared && lane / 2 == job->lane / 2))
            continue;
        for (uint32_t level = 0; level < job->level; level++)
            if (w->waiting[lane][level] > 0)
                return 1;
    }
    return 0;
}

static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    struct job *job = user;
    struct world *w = job->world;
    rl_usage usage = { .has = 0 };

    w->ended++;
    w->waiting[job->lane][job->level]--;
    if (ready) {
        w->granted++;
        w->overtaken += (uint64_t)overtakes(w, job);
        w->count[job->user]++;
        w->cost[job->user] += job->cost;
        if (w->clock.now - job->since > w->longest[job->user])
            w->longest[job->user] = w->clock.now - job->since;
        (void)rl_settle(w->rl, &attempt->permit, &usage);
    } else {
        w->cancelled++;
    }
    job->next_free = w->free;
    w->free = job;
}

static struct job *submit(struct world *w, rl_request *request, uint32_t lane, uint32_t user)
{
    static const char *const provider[] = { "p", "p", "q", "q" };
    static const char *const model[] = { "a", "b", "a", "b" };
    struct job *job = w->free;

    if (job != NULL)
        w->free = job->next_free;
    else if ((job = malloc(sizeof *job)) == NULL)
        abort();
    *job = (struct job){ .world = w, .lane = lane, .user = user, .since = w->clock.now };
    job->attempt = RL_ATTEMPT_INIT;
    job->level = request->priority == 0 ? RL_PRIORITY_NORMAL : (uint32_t)request->priority;
    job->cost = request->input_tokens + request->max_output_tokens;
    request->provider = provider[lane];
    request->model = model[lane];
    request->max_wait_ms = RL_NEVER;
    w->waiting[lane][job->level]++;
    assert_int_equal(rl_attempt_submit(w->rl, request, &job->attempt, on_ready, job), RL_OK);
    return job;
}

/* One event after the other, but nothing later than `end`. */
static void run_until(struct world *w, rl_time end)
{
    for (;;) {
        rl_time next;

        (void)rl_dispatch(w->rl);
        next = rl_next_wakeup(w->rl);
        if (next > end)
            break;
        w->clock.now = next > w->clock.now ? next : w->clock.now;
    }
    w->clock.now = end > w->clock.now ? end : w->clock.now;
}

#define BUCKET(dimension, amount, burst)                                                           \
    "{\"dimension\": \"" dimension "\", \"amount\": " amount                                       \
    ", \"period\": \"second\", \"algorithm\": \"token_bucket\", \"burst\": " burst "}"
#define QUEUE(more) "\"queue\": {\"max_size\": 1000000000, \"max_age_ms\": 0" more "}"

/* Requests of random levels, costs and users come at random, a little faster than they can go;
 * the queue runs full and empty by turns. */
static void strict_order(const char *json, int shared)
{
    static const uint64_t level[] = { 0, RL_PRIORITY_HIGH, RL_PRIORITY_LOW, 1, 255, 100, 128, 129 };
    uint64_t events = events_of();
    struct world *w = malloc(sizeof *w);
    struct job *last = NULL;

    assert_non_null(w);
    open_world(w, json);
    w->shared = shared;
    for (uint64_t i = 0; i < events; i++) {
        uint64_t r = vclock_random(&w->clock);
        rl_request request = RL_REQUEST_INIT;
        char user[] = { (char)('a' + r % 5), '\0' };

        request.priority = level[r >> 8 & 7];
        request.input_tokens = 1 + (r >> 16 & 63);
        request.user = user;
        last = submit(w, &request, (uint32_t)(r >> 24 & 3), 0);
        if ((r >> 32) % 16 == 0) /* not yet dispatched, so it waits */
            assert_int_equal(rl_attempt_cancel(w->rl, &last->attempt), RL_OK);
        run_until(w, w->clock.now + (i / 1000 % 3 == 0 ? r >> 40 & 0xffff : r >> 40 & 0x3ffff));
    }
    run_until(w, w->clock.now + RL_DAY);
    assert_int_equal(w->overtaken, 0);
    assert_int_equal(w->ended, events);
    assert_int_equal(w->granted + w->cancelled, events);
    assert_true(w->cancelled > events / 32);
    close_world(w);
    free(w);
}

static void nobody_passes_a_more_urgent_one_in_its_lane(void **state)
{
    (void)state;
    strict_order("{\"providers\": {\"p\": {\"auto_detect\": false, \"limits\": [" BUCKET(
                     "tokens", "250000",
                     "2000") "]}, \"q\": {\"auto_detect\": false, \"models\": "
                             "[{\"name\": \"a\", \"limits\": [" BUCKET("requests", "3000",
                                                                       "5") "]}]}}, " QUEUE("") "}",
                 0);
}

static void nobody_passes_a_more_urgent_one_at_a_shared_limit(void **state)
{
    (void)state;
    strict_order(
        "{\"providers\": {\"p\": {\"auto_detect\": false, \"limits\": [" BUCKET(
            "requests", "4000", "5") "]}, \"q\": {\"auto_detect\": false, \"limits\": "
                                     "[" BUCKET("tokens", "250000", "2000") "]}}, " QUEUE("") "}",
        1);
}

/* ---- shares ---- */

/* (sum x)^2 / (n * sum x^2): 1 if all have the same. */
static double jain(const uint64_t *x, int n)
{
    double sum = 0, squares = 0;

    for (int i = 0; i < n; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    return sum * sum / (n * squares);
}

/* A fair share is one a second; user n asks for 1 + 2n a second. */
static void equal_weights_get_equal_shares(void **state)
{
    enum { USERS = 50, SECONDS = 40 };
    struct world *w = malloc(sizeof *w);
    rl_time begin;
    double index;

    (void)state;
    assert_non_null(w);
    open_world(w, "{\"providers\": {\"p\": {\"auto_detect\": false, \"limits\": [" BUCKET(
                      "requests", "50", "1") "]}}, " QUEUE("") "}");
    begin = w->clock.now;
    for (uint64_t tick = 0; tick < SECONDS * 100; tick++) {
        for (uint32_t u = 0; u < USERS; u++)
            if (tick % 100 * (1 + 2 * u) / 100 != (tick % 100 + 1) * (1 + 2 * u) / 100) {
                rl_request request = RL_REQUEST_INIT;
                char user[8];

                snprintf(user, sizeof user, "u%u", (unsigned)u);
                request.user = user;
                (void)submit(w, &request, 0, u);
            }
        run_until(w, begin + (tick + 1) * (RL_SECOND / 100));
    }
    index = jain(w->count, USERS);
    printf("Jain index over %d users: %.5f\n", USERS, index);
    assert_true(index >= 0.99);
    close_world(w);
    free(w);
}

/* Costs differ, too: shares are of tokens then. */
static void weights_divide_the_cost(void **state)
{
    static const char *const tier[] = { "a", "b", "c" };
    struct world *w = malloc(sizeof *w);
    uint64_t all;

    (void)state;
    assert_non_null(w);
    open_world(w, "{\"providers\": {\"p\": {\"auto_detect\": false, \"limits\": [" BUCKET(
                      "tokens", "10000", "1000") "]}}, \"users\": {\"default\": {}, \"a\": "
                                                 "{\"weight\": 1}, \"b\": {\"weight\": 2}, \"c\": "
                                                 "{\"weight\": 4}}, " QUEUE("") "}");
    for (int i = 0; i < 20000; i++)
        for (uint32_t u = 0; u < 3; u++) {
            uint64_t r = vclock_random(&w->clock);
            rl_request request = RL_REQUEST_INIT;

            request.user = request.user_tier = tier[u];
            request.input_tokens = 50 + r % 100 * (u + 1);
            request.max_output_tokens = 10;
            (void)submit(w, &request, 0, u);
        }
    run_until(w, w->clock.now + 150 * RL_SECOND);
    all = w->cost[0] + w->cost[1] + w->cost[2];
    printf("shares of %" PRIu64 " tokens: %.4f %.4f %.4f\n", all,
           (double)w->cost[0] / (double)all * 7, (double)w->cost[1] / (double)all * 7,
           (double)w->cost[2] / (double)all * 7);
    for (int u = 0; u < 3; u++) {
        double want = (double)all * (double)(1 << u) / 7;

        assert_true((double)w->cost[u] > want * 0.98 && (double)w->cost[u] < want * 1.02);
    }
    close_world(w);
    free(w);
}

/* One has 10 000 waiting, the other brings one every second. */
static void who_asks_for_little_hardly_waits(void **state)
{
    struct world *w = malloc(sizeof *w);
    rl_request request = RL_REQUEST_INIT;

    (void)state;
    assert_non_null(w);
    open_world(w, "{\"providers\": {\"p\": {\"auto_detect\": false, \"limits\": [" BUCKET(
                      "requests", "10", "1") "]}}, " QUEUE("") "}");
    request.user = "many";
    for (int i = 0; i < 10000; i++)
        (void)submit(w, &request, 0, 0);
    request.user = "few";
    for (int i = 0; i < 300; i++) {
        run_until(w, w->clock.now + RL_SECOND + vclock_random(&w->clock) % (RL_SECOND / 10));
        (void)submit(w, &request, 0, 1);
    }
    run_until(w, w->clock.now + RL_SECOND);
    printf("longest wait: %.1f ms, at 100 ms each\n", (double)w->longest[1] / 1e6);
    assert_int_equal(w->count[1], 300);
    assert_true(w->longest[1] <= 2 * RL_SECOND / 10);
    close_world(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_passes_a_more_urgent_one_in_its_lane),
        cmocka_unit_test(nobody_passes_a_more_urgent_one_at_a_shared_limit),
        cmocka_unit_test(equal_weights_get_equal_shares),
        cmocka_unit_test(weights_divide_the_cost),
        cmocka_unit_test(who_asks_for_little_hardly_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
