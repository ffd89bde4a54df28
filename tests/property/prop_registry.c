/* SPDX-License-Identifier: MIT */
/*
 * Composite admissions at random: tenants, models, families, dimensions, cancelled and settled
 * otherwise than reserved, in one thread against a plain reference, and in four threads with the
 * books compared at the end.
 *
 * Time stands still, so nothing comes back by itself, and each limit's level is exactly its amount
 * less what is in use: reserved by permits that are out, and used by those that have ended.
 */
#include "base/atomic.h"
#include "vclock.h"

#include <llmrl/config.h>

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START   (1000 * RL_SECOND)
#define USERS   40
#define MODELS  4
#define OUT     64 /* permits of one thread */
#define THREADS 4

static const char config[] =
    "{\"global\": {\"requests_per_day\": 900000000, \"tokens_per_day\": 80000000000},"
    " \"providers\": {\"p\": {\"auto_detect\": false, \"tokens_per_day\": 70000000000,"
    "  \"concurrency\": 200,"
    "  \"models\": [{\"name\": \"m0\", \"requests_per_day\": 300000000},"
    "   {\"name\": \"m1\", \"limits\": [{\"dimension\": \"output_tokens\", \"amount\": 9000000000,"
    "     \"period\": \"day\", \"algorithm\": \"token_bucket\"}]},"
    "   {\"name\": \"*\", \"tokens_per_day\": 60000000000}]}},"
    " \"users\": {\"default\": {\"tokens_per_day\": 30000000, \"requests_per_day\": 60000,"
    "   \"concurrency\": 9}, \"small\": {\"tokens_per_day\": 500000, \"dollars_per_day\": 0.5},"
    "   \"ids\": {\"u0\": \"small\", \"u7\": \"small\"}},"
    " \"organisations\": {\"default\": {\"tokens_per_day\": 900000000}}}";

static struct vclock the_clock;

static rl_context *open_it(void)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    rl_hooks hooks;
    char error[256] = "";

    the_clock = (struct vclock){ .now = START, .random = 5 };
    the_clock.epoch = INT64_C(1772841600) * (int64_t)RL_SECOND - (int64_t)START;
    hooks = vclock_hooks(&the_clock);
    options.hooks = &hooks;
    options.config_json = config;
    options.error = error;
    options.error_size = sizeof error;
    if (rl_open(&options, &rl) != RL_OK)
        fail_msg("%s", error);
    return rl;
}

static uint64_t seed_of_run(void)
{
    const char *text = getenv("LLMRL_SEED");

    return text != NULL ? strtoull(text, NULL, 10) : 20261124;
}

static uint64_t steps_of_run(uint64_t usual)
{
    const char *text = getenv("LLMRL_PROPERTY_STEPS");

    return text != NULL ? strtoull(text, NULL, 10) : usual;
}

static uint64_t draw(uint64_t *random, uint64_t below)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*random >> 33) % below;
}

/* What one request uses, where. */
struct use {
    uint64_t requests, tokens, output, concurrency, money;
};

/* The books: one line for each limiter that there is. */
enum book { GLOBAL, PROVIDER, MODEL_0, MODEL_1, FAMILY, ORGANISATION, FIRST_USER };
#define BOOKS (FIRST_USER + USERS)

struct books {
    struct use of[BOOKS];
};

static void add(uint64_t *sum, uint64_t more, int sign)
{
    rl__fetch_add(sum, sign > 0 ? more : 0 - more);
}

static void write_down(struct books *books, size_t user, size_t model, struct use use, int sign)
{
    size_t line[] = { GLOBAL, PROVIDER,
                      model == 0   ? MODEL_0
                      : model == 1 ? MODEL_1
                                   : FAMILY,
                      ORGANISATION, FIRST_USER + user };

    for (size_t i = 0; i < sizeof line / sizeof line[0]; i++) {
        struct use *of = &books->of[line[i]];

        add(&of->requests, use.requests, sign);
        add(&of->tokens, use.tokens, sign);
        add(&of->output, use.output, sign);
        add(&of->concurrency, use.concurrency, sign);
        add(&of->money, use.money, sign);
    }
}

struct held {
    rl_permit permit;
    struct use use;
    size_t user, model;
};

struct worker {
    rl_context *rl;
    struct books *books;
    struct held held[OUT];
    size_t count;
    uint64_t random, steps, granted, refused, passed, wrong;
};

static rl_request request_of(size_t user, size_t model, char name[2][8])
{
    rl_request request = RL_REQUEST_INIT;

    (void)snprintf(name[0], 8, "u%zu", user);
    (void)snprintf(name[1], 8, "m%zu", model);
    request.provider = "p";
    request.user = name[0];
    request.model = name[1];
    request.organisation = "o";
    return request;
}

/* A grant is written down after it was made, and struck out before it ends: so the books never say
 * more than what is in use, and what they say must be within the limits at any moment. Assertions
 * work in the main thread alone. */
static uint64_t passed_limits(const struct books *books, size_t user)
{
    const struct use *use = &books->of[FIRST_USER + user];
    int is_small = user == 0 || user == 7;

    return (!is_small && rl__load(&use->concurrency) > 9) ||
           (is_small && rl__load(&use->money) > 500000000) ||
           rl__load(&books->of[PROVIDER].concurrency) > 200;
}

static void ask(struct worker *w)
{
    struct held *held = &w->held[w->count];
    char name[2][8];
    rl_request request;
    rl_status st;

    held->user = draw(&w->random, USERS);
    held->model = draw(&w->random, MODELS);
    request = request_of(held->user, held->model, name);
    request.input_tokens = draw(&w->random, 2000);
    request.max_output_tokens = 1 + draw(&w->random, 2000);
    request.nano_dollars = draw(&w->random, 1000000);
    held->use = (struct use){ 1, request.input_tokens + request.max_output_tokens,
                              request.max_output_tokens, 1, request.nano_dollars };
    st = rl_try_acquire(w->rl, &request, &held->permit);
    w->wrong += st != RL_OK && st != RL_WAIT;
    if (st != RL_OK) {
        w->refused++;
        return;
    }
    write_down(w->books, held->user, held->model, held->use, 1);
    w->passed += passed_limits(w->books, held->user);
    w->granted++;
    w->count++;
}

static void finish(struct worker *w, size_t index)
{
    struct held *held = &w->held[index];
    struct use used = { 0 };
    rl_usage usage = { .has = RL_HAS_INPUT | RL_HAS_OUTPUT };

    write_down(w->books, held->user, held->model, held->use, -1);
    if (draw(&w->random, 4) == 0) {
        w->wrong += rl_cancel(w->rl, &held->permit) != RL_OK;
    } else {
        usage.input_tokens = draw(&w->random, 2500);
        usage.output_tokens = draw(&w->random, 2500);
        used = (struct use){ 1, usage.input_tokens + usage.output_tokens, usage.output_tokens, 0,
                             held->use.money };
        w->wrong += rl_settle(w->rl, &held->permit, &usage) != RL_OK;
    }
    if (draw(&w->random, 16) == 0)
        w->wrong += rl_cancel(w->rl, &held->permit) != RL_E_ENDED;
    write_down(w->books, held->user, held->model, used, 1);
    *held = w->held[--w->count];
}

static void *work(void *argument)
{
    struct worker *w = argument;

    for (uint64_t i = 0; i < w->steps; i++)
        if (w->count == 0 || (w->count < OUT && draw(&w->random, 2) == 0))
            ask(w);
        else
            finish(w, draw(&w->random, w->count));
    while (w->count > 0)
        finish(w, w->count - 1);
    return NULL;
}

/* ---- comparing ---- */

static uint64_t used_of(const struct use *use, uint32_t dimension)
{
    return dimension == RL_REQUESTS        ? use->requests
           : dimension == RL_TOKENS        ? use->tokens
           : dimension == RL_OUTPUT_TOKENS ? use->output
           : dimension == RL_MONEY         ? use->money
                                           : use->concurrency;
}

static size_t line_of(const rl_limit_status *status, size_t user)
{
    return strcmp(status->scope, "global") == 0             ? GLOBAL
           : strcmp(status->scope, "p") == 0                ? PROVIDER
           : strcmp(status->scope, "p/m0") == 0             ? MODEL_0
           : strcmp(status->scope, "p/m1") == 0             ? MODEL_1
           : strcmp(status->scope, "p/*") == 0              ? FAMILY
           : strncmp(status->scope, "organisation", 5) == 0 ? ORGANISATION
                                                            : FIRST_USER + user;
}

static void compare(rl_context *rl, const struct books *books, uint64_t seed)
{
    for (size_t user = 0; user < USERS; user++)
        for (size_t model = 0; model < MODELS; model++) {
            rl_limit_status status[16];
            size_t count = 16;
            char name[2][8];
            rl_request request = request_of(user, model, name);

            assert_int_equal(rl_limits_of(rl, &request, status, &count), RL_OK);
            assert_true(count >= 7);
            for (size_t i = 0; i < count; i++) {
                const struct use *use = &books->of[line_of(&status[i], user)];
                int64_t left =
                    (int64_t)status[i].level.limit - (int64_t)used_of(use, status[i].dimension);

                if (status[i].level.remaining != left)
                    fail_msg("seed %" PRIu64 ": %s %s of u%zu, m%zu: %" PRId64 " left, books say "
                             "%" PRId64,
                             seed, status[i].scope,
                             rl_dimension_name((rl_dimension)status[i].dimension), user, model,
                             status[i].level.remaining, left);
            }
        }
}

static void each_step_changes_each_book_exactly(void **state)
{
    static struct books books;
    static struct worker worker;
    uint64_t seed = seed_of_run(), steps = steps_of_run(1000000);
    rl_context *rl = open_it();

    (void)state;
    memset(&books, 0, sizeof books);
    worker = (struct worker){ .rl = rl, .books = &books, .random = seed };
    for (int i = 0; i < 20; i++) {
        worker.steps = steps / 20;
        (void)work(&worker);
        compare(rl, &books, seed);
    }
    assert_true(worker.granted > steps / 10 || worker.granted > 1000000); /* the day ends */
    assert_true(worker.refused > 0);
    assert_int_equal(worker.passed + worker.wrong, 0);
    rl_close(rl);
}

static void at_rest_the_books_balance(void **state)
{
    static struct books books;
    static struct worker worker[THREADS];
    uint64_t seed = seed_of_run(), steps = steps_of_run(1000000);
    rl_context *rl = open_it();
    pthread_t thread[THREADS];

    (void)state;
    memset(&books, 0, sizeof books);
    for (int t = 0; t < THREADS; t++) {
        worker[t] = (struct worker){ .rl = rl, .books = &books, .random = seed + (uint64_t)t };
        worker[t].steps = steps / THREADS;
        assert_int_equal(pthread_create(&thread[t], NULL, work, &worker[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(thread[t], NULL), 0);
        assert_int_equal(worker[t].passed + worker[t].wrong, 0);
        assert_true(worker[t].granted > 0);
    }
    compare(rl, &books, seed);
    rl_close(rl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_changes_each_book_exactly),
        cmocka_unit_test(at_rest_the_books_balance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
