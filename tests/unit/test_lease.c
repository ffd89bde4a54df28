/* SPDX-License-Identifier: MIT */
/* "pool" in a configuration: slots of a provider or a model that are leases, and a number that
 * follows the server. */
#include "failing_alloc.h"
#include "scope/permit.h"
#include "scope/registry.h"

#include <llmrl/config.h>
#include <llmrl/queue.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START (1000 * RL_SECOND)

static struct failing_alloc memory;
static char the_log[2000];

static void keep_log(void *user, rl_log_level level, const char *line)
{
    size_t used = strlen(the_log);

    (void)user;
    (void)level;
    snprintf(the_log + used, sizeof the_log - used, "%s\n", line);
}

static rl_status open_at(const char *json, uint64_t fail_at, rl_context **rl)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_hooks hooks;

    memset(&memory, 0, sizeof memory);
    memory.clock = (struct vclock){ .now = START, .random = 5 };
    memory.fail_at = fail_at;
    hooks = failing_alloc_hooks(&memory);
    hooks.log = keep_log;
    the_log[0] = '\0';
    options.hooks = &hooks;
    options.config_json = json;
    return rl_open(&options, rl);
}

static rl_context *open_with(const char *json)
{
    rl_context *rl;

    assert_int_equal(open_at(json, 0, &rl), RL_OK);
    return rl;
}

static rl_request ask(const char *model)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "p";
    request.model = model;
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    request.max_wait_ms = RL_NEVER;
    return request;
}

static rl_status try(rl_context *rl, const char *model, rl_permit *permit)
{
    rl_request request = ask(model);

    return rl_try_acquire(rl, &request, permit);
}

static int64_t left_in(rl_context *rl, const char *scope, uint64_t *amount, char *origin)
{
    rl_limit_status status[16];
    size_t count = 16;

    assert_int_equal(rl_limits_get(rl, status, &count), RL_OK);
    for (size_t i = 0; i < count && i < 16; i++)
        if (strcmp(status[i].scope, scope) == 0 && status[i].dimension == RL_CONCURRENCY) {
            if (amount != NULL)
                *amount = status[i].amount;
            if (origin != NULL)
                memcpy(origin, status[i].origin, sizeof status[i].origin);
            return status[i].level.remaining;
        }
    fail_msg("no pool in %s", scope);
    return 0;
}

#define POOL(members) "{\"providers\": {\"p\": {\"auto_detect\": false, \"pool\": {" members "}}}}"

/* ---- leases ---- */

static void so_many_go_at_once(void **state)
{
    rl_context *rl = open_with(POOL("\"slots\": 2"));
    rl_permit permit[3];

    (void)state;
    assert_int_equal(try(rl, "m", &permit[0]), RL_OK);
    assert_int_equal(try(rl, "n", &permit[1]), RL_OK);
    assert_int_equal(try(rl, "m", &permit[2]), RL_WAIT);
    assert_true(permit[2].retry_at == RL_NEVER);
    assert_int_equal(rl_cancel(rl, &permit[0]), RL_OK);
    assert_int_equal(try(rl, "m", &permit[2]), RL_OK);
    assert_int_equal(left_in(rl, "p", NULL, NULL), 0);
    assert_int_equal(rl_cancel(rl, &permit[1]), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit[2]), RL_OK);
    assert_int_equal(left_in(rl, "p", NULL, NULL), 2);
    rl_close(rl);
}

static void a_dead_holders_slot_is_the_next_ones_who_asks(void **state)
{
    rl_context *rl = open_with(POOL("\"slots\": 1, \"lease_ms\": 5000"));
    rl_stats stats = { .size = sizeof stats };
    rl_permit dead, permit, more;

    (void)state;
    assert_int_equal(try(rl, "m", &dead), RL_OK);
    memory.clock.now += 5 * RL_SECOND - 1;
    assert_int_equal(try(rl, "m", &permit), RL_WAIT);
    assert_true(permit.retry_at == START + 5 * RL_SECOND);
    memory.clock.now++;
    assert_int_equal(try(rl, "m", &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &dead), RL_OK); /* it was not dead: it frees nothing */
    assert_int_equal(left_in(rl, "p", NULL, NULL), 0);
    assert_int_equal(try(rl, "m", &more), RL_WAIT);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(left_in(rl, "p", NULL, NULL), 1);
    assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
    assert_int_equal(stats.leases_ended, 1);
    rl_close(rl);
}

static void who_blocks_sleeps_until_the_lease_ends(void **state)
{
    rl_context *rl = open_with(POOL("\"slots\": 1, \"lease_ms\": 5000"));
    rl_request request = ask("m");
    rl_permit dead, permit;

    (void)state;
    assert_int_equal(try(rl, "m", &dead), RL_OK);
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_true(permit.granted_at == START + 5 * RL_SECOND);
    assert_int_equal(memory.clock.sleeps, 1);
    rl_close(rl);
}

static void count_ready(rl_attempt *attempt, int ready, void *user)
{
    assert_true(ready == (attempt->status == RL_WAIT));
    *(int *)user += ready ? 1 : 100;
}

/* The end of a lease is the latest moment: a slot may come back before, so nobody is sent away for
 * a wait that is shorter than that. */
static void who_cannot_wait_for_the_lease_waits_for_a_release(void **state)
{
    rl_context *rl = open_with(POOL("\"slots\": 1, \"lease_ms\": 5000"));
    rl_attempt attempt[2] = { RL_ATTEMPT_INIT, RL_ATTEMPT_INIT };
    rl_request request = ask("m");
    rl_permit held;
    int ready = 0;

    (void)state;
    request.max_wait_ms = 2000;
    assert_int_equal(try(rl, "m", &held), RL_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], count_ready, &ready), RL_OK);
    assert_int_equal(rl_dispatch(rl), 0);
    memory.clock.now += RL_SECOND;
    assert_int_equal(rl_dispatch(rl), 0);
    assert_int_equal(rl_cancel(rl, &held), RL_OK);
    assert_int_equal(rl_dispatch(rl), 1);
    assert_int_equal(ready, 1);
    assert_true(rl_next_wakeup(rl) == START + 2 * RL_SECOND);
    memory.clock.now = START + 2 * RL_SECOND;
    assert_int_equal(rl_dispatch(rl), 1);
    assert_int_equal(ready, 101);
    assert_int_equal(attempt[1].status, RL_E_TIMEOUT);
    rl_attempt_abandon(rl, &attempt[0]);
    rl_close(rl);
}

/* Behind one of another model who waits for the provider's slot. */
static void models_wait_for_a_providers_slot_in_order(void **state)
{
    rl_context *rl = open_with(POOL("\"slots\": 1, \"lease_ms\": 5000"));
    rl_attempt attempt[3] = { RL_ATTEMPT_INIT, RL_ATTEMPT_INIT, RL_ATTEMPT_INIT };
    rl_request request = ask("m");
    int ready[3] = { 0, 0, 0 };
    rl_permit held;

    (void)state;
    assert_int_equal(try(rl, "m", &held), RL_OK);
    for (int i = 0; i < 3; i++) {
        request.model = i == 1 ? "n" : "m";
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], count_ready, &ready[i]),
                         RL_OK);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rl_dispatch(rl), i == 0 ? 0 : 1);
        assert_true(rl_next_wakeup(rl) == memory.clock.now + 5 * RL_SECOND);
        memory.clock.now += 5 * RL_SECOND;
    }
    assert_int_equal(rl_dispatch(rl), 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ready[i], 1);
        assert_true(attempt[i].permit.granted_at == START + (rl_time)(i + 1) * 5 * RL_SECOND);
        rl_attempt_abandon(rl, &attempt[i]);
    }
    rl_close(rl);
}

static void a_limit_that_refuses_costs_no_slot(void **state)
{
    rl_context *rl =
        open_with("{\"providers\": {\"p\": {\"auto_detect\": false, \"pool\": "
                  "{\"slots\": 2, \"lease_ms\": 90000}, \"models\": [{\"name\": \"m\", "
                  "\"requests_per_minute\": 1}]}}}");
    rl_permit permit[3];

    (void)state;
    assert_int_equal(try(rl, "m", &permit[0]), RL_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(try(rl, "m", &permit[1]), RL_WAIT);
    assert_int_equal(left_in(rl, "p", NULL, NULL), 1);
    assert_int_equal(try(rl, "n", &permit[1]), RL_OK);
    assert_int_equal(try(rl, "n", &permit[2]), RL_WAIT);
    rl_close(rl);
}

static void a_request_holds_a_slot_of_each_pool_on_its_way(void **state)
{
    rl_context *rl =
        open_with("{\"global\": {\"pool\": {\"slots\": 9, \"lease_ms\": 7000}}, \"providers\": "
                  "{\"p\": {\"auto_detect\": false, \"pool\": {\"slots\": 3, \"lease_ms\": 5000}, "
                  "\"models\": [{\"name\": \"m\", \"pool\": {\"slots\": 1, \"lease_ms\": 3000}}, "
                  "{\"name\": \"x*\", \"pool\": {\"slots\": 2}}]}}}");
    rl_permit permit[4];

    (void)state;
    for (int round = 0; round < 100; round++) {
        assert_int_equal(try(rl, "m", &permit[0]), RL_OK);
        assert_int_equal(try(rl, "m", &permit[1]), RL_WAIT);
        assert_int_equal(try(rl, "xa", &permit[1]), RL_OK);
        assert_int_equal(try(rl, "xb", &permit[2]), RL_OK);
        assert_int_equal(try(rl, "n", &permit[3]), RL_WAIT);
        assert_int_equal(left_in(rl, "global", NULL, NULL), 6);
        for (int i = 0; i < 3; i++)
            assert_int_equal(rl_cancel(rl, &permit[i]), RL_OK);
        assert_int_equal(left_in(rl, "global", NULL, NULL), 9);
        assert_int_equal(left_in(rl, "p", NULL, NULL), 3);
        assert_int_equal(left_in(rl, "p/m", NULL, NULL), 1);
        assert_int_equal(left_in(rl, "p/x*", NULL, NULL), 2);
    }
    /* Each lease ends by itself: the model's first. */
    assert_int_equal(try(rl, "m", &permit[0]), RL_OK);
    memory.clock.now += 3 * RL_SECOND;
    assert_int_equal(try(rl, "m", &permit[1]), RL_OK);
    assert_int_equal(left_in(rl, "p", NULL, NULL), 1);
    memory.clock.now += 2 * RL_SECOND;
    assert_int_equal(try(rl, "n", &permit[2]), RL_OK);
    assert_int_equal(left_in(rl, "p", NULL, NULL), 1);
    assert_int_equal(rl_cancel(rl, &permit[0]), RL_OK); /* only the outermost is still his */
    assert_int_equal(left_in(rl, "global", NULL, NULL), 7);
    assert_int_equal(left_in(rl, "p", NULL, NULL), 1);
    assert_int_equal(left_in(rl, "p/m", NULL, NULL), 0);
    rl_close(rl);
}

/* What a reset has given back, neither a lease nor its holder gives back once more. */
static void a_reset_frees_slots_once(void **state)
{
    rl_context *rl =
        open_with("{\"providers\": {\"p\": {\"auto_detect\": false, \"models\": "
                  "[{\"name\": \"m\", \"pool\": {\"slots\": 1, \"lease_ms\": 5000}}]}}}");
    rl_permit before, permit, more;
    rl_request request = ask("m");

    (void)state;
    assert_int_equal(try(rl, "m", &before), RL_OK);
    memory.clock.now += RL_SECOND;
    assert_int_equal(rl_limits_reset(rl, &request), RL_OK);
    assert_int_equal(try(rl, "m", &permit), RL_OK); /* without a lease: the slot is still held */
    memory.clock.now += 4 * RL_SECOND;
    assert_int_equal(try(rl, "m", &more), RL_WAIT);
    assert_int_equal(rl_cancel(rl, &before), RL_OK);
    assert_int_equal(try(rl, "m", &more), RL_WAIT);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(try(rl, "m", &more), RL_OK);
    assert_int_equal(try(rl, "m", &permit), RL_WAIT);
    rl_close(rl);
}

static void a_permit_that_is_forgotten_is_named(void **state)
{
    rl_context *rl = open_with(POOL("\"slots\": 3"));
    rl_permit permit;

    (void)state;
    assert_int_equal(try(rl, "m", &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(try(rl, "n", &permit), RL_OK);
    assert_int_equal(try(rl, "o", &permit), RL_OK);
    assert_int_equal(try(rl, "o", &permit), RL_OK);
    rl_close(rl);
    assert_string_equal(the_log,
                        "p/o: 2 permits have never ended\np/n: 1 permit has never ended\n");
    assert_int_equal(memory.alive, 0);
}

/* ---- adaptive ---- */

static void answer(rl_context *rl, rl_permit *permit, uint64_t status, uint64_t failure)
{
    rl_response response = RL_RESPONSE_INIT;

    response.status = status;
    response.failure = failure;
    assert_int_equal(rl_observe_response(rl, permit, &response, NULL), RL_OK);
}

/* As many as go, all answered after a second. Returns how many went. */
static uint64_t one_wave(rl_context *rl, uint64_t status, uint64_t failure)
{
    static rl_permit permit[300];
    uint64_t count = 0;

    while (count < 300 && try(rl, "m", &permit[count]) == RL_OK)
        count++;
    memory.clock.now += RL_SECOND;
    for (uint64_t i = 0; i < count; i++)
        answer(rl, &permit[i], status, failure);
    return count;
}

static void the_number_grows_while_it_is_used_and_nothing_is_slower(void **state)
{
    rl_context *rl = open_with(POOL("\"kind\": \"adaptive\", \"max_slots\": 40"));
    uint64_t amount = 0;
    char origin[64];
    int64_t left;

    (void)state;
    assert_int_equal(one_wave(rl, 200, 0), 4);
    for (int i = 0; i < 40; i++)
        (void)one_wave(rl, 200, 0);
    left = left_in(rl, "p", &amount, origin);
    assert_int_equal(left, amount);
    assert_in_range(amount, 20, 40); /* half of it while it measures */
    assert_string_equal(origin, "file, adaptive");
    rl_close(rl);
}

#define PLACES 8

/* A server that works on so many at once, each for 0.8 to 1.2 s, and lets the others queue. */
static struct {
    rl_time free_at[PLACES];
    struct {
        rl_permit permit;
        rl_time done_at;
    } call[300];
    size_t count;
} server;

static void send_all(rl_context *rl)
{
    while (server.count < 300 && try(rl, "m", &server.call[server.count].permit) == RL_OK) {
        rl_time *place = &server.free_at[0], now = memory.clock.now;

        for (size_t i = 1; i < PLACES; i++)
            place = server.free_at[i] < *place ? &server.free_at[i] : place;
        *place = (*place > now ? *place : now) + 800 * RL_MILLISECOND +
                 vclock_random(&memory.clock) % (400 * RL_MILLISECOND);
        server.call[server.count++].done_at = *place;
    }
}

/* Returns how long it took. */
static rl_duration next_answer(rl_context *rl)
{
    size_t first = 0;
    rl_duration took;

    for (size_t i = 1; i < server.count; i++)
        first = server.call[i].done_at < server.call[first].done_at ? i : first;
    memory.clock.now = server.call[first].done_at;
    took = memory.clock.now - server.call[first].permit.granted_at;
    answer(rl, &server.call[first].permit, 200, 0);
    memcpy(&server.call[first], &server.call[--server.count], sizeof server.call[0]);
    return took;
}

/* Nobody says how many there are. */
static void it_finds_what_the_server_takes(void **state)
{
    rl_context *rl = open_with(POOL("\"kind\": \"adaptive\", \"lease_ms\": 60000"));
    rl_duration latency = 0;
    rl_time since;

    (void)state;
    memset(&server, 0, sizeof server);
    for (int i = 0; i < 3000; i++) {
        send_all(rl);
        (void)next_answer(rl);
    }
    since = memory.clock.now;
    for (int i = 0; i < 8000; i++) {
        send_all(rl);
        latency += next_answer(rl) / 8000;
    }
    assert_true(memory.clock.now - since <= 8000 * RL_SECOND / PLACES * 100 / 93); /* 93 % busy */
    assert_true(latency < 2 * RL_SECOND);
    print_message("%u ms each, %u s for %u s of work\n", (unsigned)(latency / RL_MILLISECOND),
                  (unsigned)((memory.clock.now - since) / RL_SECOND), 8000 / PLACES);
    while (server.count > 0)
        (void)next_answer(rl);
    rl_close(rl);
}

static void refusals_and_timeouts_cut_it_and_nothing_else_does(void **state)
{
    static const struct {
        uint64_t status, failure;
        int cuts;
    } row[] = { { 503, 0, 1 },
                { 0, RL_FAILURE_TIMEOUT, 1 },
                { 0, RL_FAILURE_TIMEOUT_LATE, 1 },
                { 400, 0, 0 },
                { 500, 0, 0 },
                { 0, RL_FAILURE_ABORTED, 0 },
                { 0, RL_FAILURE_CONNECT, 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_context *rl = open_with(POOL("\"kind\": \"adaptive\", \"slots\": 16"));
        uint64_t amount = 0;

        memory.clock.now++; /* what begins at the moment of a change says nothing about it */
        assert_int_equal(one_wave(rl, row[i].status, row[i].failure), 16);
        (void)left_in(rl, "p", &amount, NULL);
        if (amount != (row[i].cuts ? 14 : 16))
            fail_msg("row %zu: %d", i, (int)amount);
        rl_close(rl);
    }
}

static void cancelling_teaches_nothing(void **state)
{
    rl_context *rl = open_with(POOL("\"kind\": \"adaptive\", \"slots\": 4"));
    uint64_t amount = 0;
    rl_permit permit;

    (void)state;
    for (int i = 0; i < 200; i++) {
        memory.clock.now += RL_SECOND;
        assert_int_equal(try(rl, "m", &permit), RL_OK);
        assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    }
    (void)left_in(rl, "p", &amount, NULL);
    assert_int_equal(amount, 4);
    rl_close(rl);
}

/* Nothing is known of the server but its pool: that alone holds back. */
static void a_pool_takes_the_place_of_probing(void **state)
{
    static const char json[] = "{\"providers\": {\"p\": {\"pool\": {\"slots\": 50}}}}";
    rl_context *rl = open_with(json);

    (void)state;
    assert_int_equal(one_wave(rl, 200, 0), 50);
    rl_close(rl);
    rl = open_with("{}");
    assert_true(one_wave(rl, 400, 0) < 50);
    assert_int_equal(rl_config_reload(rl, NULL, json, NULL, 0), RL_OK);
    assert_int_equal(one_wave(rl, 200, 0), 50);
    rl_close(rl);
}

static void who_is_refused_hears_of_the_pool(void **state)
{
    rl_context *rl = open_with(POOL("\"slots\": 1, \"lease_ms\": 5000"));
    rl_attempt attempt = RL_ATTEMPT_INIT;
    rl_request request = ask("m");
    rl_limit_status limit[4];
    rl_permit held;
    char text[200];
    size_t count = 4;

    (void)state;
    request.max_wait_ms = 1000;
    assert_int_equal(try(rl, "m", &held), RL_OK);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 0);
    assert_int_equal(attempt.status, RL_E_TIMEOUT);
    (void)rl_explain(&attempt, text, sizeof text);
    if (strstr(text, "p: 1 request at once; ") != text)
        fail_msg("%s", text);
    assert_int_equal(rl_limits_of(rl, &request, limit, &count), RL_OK);
    assert_int_equal(count, 1);
    assert_string_equal(limit[0].scope, "p");
    assert_int_equal(limit[0].level.remaining, 0);
    rl_close(rl);
}

/* ---- reload ---- */

static void reload(rl_context *rl, const char *json)
{
    char error[200] = "";

    if (rl_config_reload(rl, NULL, json, error, sizeof error) != RL_OK)
        fail_msg("%s", error);
}

static void a_reload_takes_nobodys_slot(void **state)
{
    rl_context *rl = open_with(POOL("\"slots\": 2, \"lease_ms\": 5000"));
    rl_permit permit[6];

    (void)state;
    assert_int_equal(try(rl, "m", &permit[0]), RL_OK);
    memory.clock.now += RL_SECOND;
    assert_int_equal(try(rl, "m", &permit[1]), RL_OK);
    reload(rl, POOL("\"slots\": 4, \"lease_ms\": 60000"));
    assert_int_equal(try(rl, "m", &permit[2]), RL_OK);
    assert_int_equal(try(rl, "m", &permit[3]), RL_OK);
    assert_int_equal(try(rl, "m", &permit[4]), RL_WAIT);
    assert_true(permit[4].retry_at == START + 5 * RL_SECOND); /* the lease that it was given */
    reload(rl, POOL("\"slots\": 1, \"lease_ms\": 60000"));
    memory.clock.now = START + 5 * RL_SECOND;
    assert_int_equal(try(rl, "m", &permit[4]), RL_WAIT);
    assert_int_equal(left_in(rl, "p", NULL, NULL), -2);
    for (int i = 0; i < 3; i++) /* the first one's lease has ended */
        assert_int_equal(rl_cancel(rl, &permit[i]), RL_OK);
    assert_int_equal(try(rl, "m", &permit[4]), RL_WAIT);
    assert_int_equal(rl_cancel(rl, &permit[3]), RL_OK);
    assert_int_equal(try(rl, "m", &permit[4]), RL_OK);
    assert_int_equal(try(rl, "m", &permit[5]), RL_WAIT);
    rl_close(rl);
}

static void a_pool_may_come_and_go(void **state)
{
    static const char none[] =
        "{\"providers\": {\"p\": {\"auto_detect\": false, \"requests_per_second\": 100000}}}";
    static const char plain[] =
        "{\"providers\": {\"p\": {\"auto_detect\": false, \"concurrency\": 2}}}";
    rl_context *rl = open_with(none);
    rl_permit permit[4];

    (void)state;
    assert_int_equal(try(rl, "m", &permit[0]), RL_OK);
    reload(rl, POOL("\"slots\": 2, \"lease_ms\": 5000"));
    assert_int_equal(try(rl, "m", &permit[1]), RL_OK);
    assert_int_equal(try(rl, "m", &permit[2]), RL_OK);
    assert_int_equal(try(rl, "m", &permit[3]), RL_WAIT);
    assert_int_equal(rl_cancel(rl, &permit[0]), RL_OK); /* it had taken none */
    assert_int_equal(try(rl, "m", &permit[3]), RL_WAIT);
    reload(rl, plain);
    memory.clock.now += 9 * RL_SECOND;
    assert_int_equal(try(rl, "m", &permit[3]), RL_WAIT); /* leases end no more */
    assert_true(permit[3].retry_at == RL_NEVER);
    assert_int_equal(rl_cancel(rl, &permit[1]), RL_OK);
    assert_int_equal(try(rl, "m", &permit[1]), RL_OK);
    reload(rl, POOL("\"slots\": 2, \"lease_ms\": 5000"));
    assert_int_equal(try(rl, "m", &permit[3]), RL_OK); /* one had ended long ago */
    reload(rl, none);
    for (int i = 1; i < 4; i++)
        assert_int_equal(rl_cancel(rl, &permit[i]), RL_OK);
    assert_int_equal(one_wave(rl, 200, 0), 300);
    reload(rl, POOL("\"slots\": 2, \"lease_ms\": 5000"));
    assert_int_equal(left_in(rl, "p", NULL, NULL), 2);
    rl_close(rl);
}

static void what_was_learned_stays_within_new_bounds(void **state)
{
    rl_context *rl = open_with(POOL("\"kind\": \"adaptive\", \"slots\": 16"));
    uint64_t amount = 0;

    (void)state;
    memory.clock.now++;
    (void)one_wave(rl, 503, 0);
    reload(rl, POOL("\"kind\": \"adaptive\", \"slots\": 20, \"max_slots\": 30"));
    (void)left_in(rl, "p", &amount, NULL);
    assert_int_equal(amount, 14);
    reload(rl, POOL("\"kind\": \"adaptive\", \"max_slots\": 9"));
    (void)left_in(rl, "p", &amount, NULL);
    assert_int_equal(amount, 9);
    reload(rl, POOL("\"slots\": 12"));
    (void)left_in(rl, "p", &amount, NULL);
    assert_int_equal(amount, 12);
    reload(rl, POOL("\"kind\": \"adaptive\", \"slots\": 5"));
    (void)left_in(rl, "p", &amount, NULL);
    assert_int_equal(amount, 5); /* a fixed one forgets */
    rl_close(rl);
}

/* ---- what cannot be ---- */

static void a_wrong_pool_is_named(void **state)
{
    static const char *const row[][2] = {
        { "\"slots\": 0", "providers.p.pool.slots: must be between 1 and 65536" },
        { "\"slots\": 65537", "providers.p.pool.slots: must be between 1 and 65536" },
        { "\"slots\": \"8\"", "providers.p.pool.slots: must be a number" },
        { "\"lease_ms\": 0", "providers.p.pool.lease_ms: must be between 1 and 31536000000" },
        { "\"kind\": \"elastic\"", "providers.p.pool.kind: must be \"fixed\" or \"adaptive\"" },
        { "\"lease\": 5", "providers.p.pool.lease: unknown key; did you mean \"lease_ms\"?" },
        { "\"max_slots\": 5",
          "providers.p.pool: \"min_slots\" and \"max_slots\" need \"kind\": \"adaptive\"" },
        { "\"kind\": \"adaptive\", \"min_slots\": 5, \"max_slots\": 4",
          "providers.p.pool: \"min_slots\" is more than \"max_slots\"" },
        { "\"kind\": \"adaptive\", \"min_slots\": 5, \"slots\": 4",
          "providers.p.pool: \"slots\" must lie between \"min_slots\" and \"max_slots\"" },
    };
    char json[300], error[200];

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        snprintf(json, sizeof json, "{\"providers\": {\"p\": {\"pool\": {%s}}}}", row[i][0]);
        if (rl_config_check(json, strlen(json), error, sizeof error) != RL_E_CONFIG ||
            strcmp(error, row[i][1]) != 0)
            fail_msg("row %zu: %s", i, error);
    }
}

static void two_numbers_at_once_are_one_too_many(void **state)
{
    static const char both[] = "{\"providers\": {\"p\": {\"concurrency\": 4, \"pool\": {}}}}";
    static const char user[] = "{\"users\": {\"default\": {\"pool\": {}}}}";
    char error[200];

    (void)state;
    assert_int_equal(rl_config_check(both, sizeof both - 1, error, sizeof error), RL_E_CONFIG);
    assert_string_equal(
        error, "providers.p.pool: there is another limit on concurrency for the same period");
    assert_int_equal(rl_config_check(user, sizeof user - 1, error, sizeof error), RL_E_CONFIG);
}

static rl_status all_of_it(uint64_t fail_at)
{
    rl_context *rl;
    rl_permit permit;
    rl_status st = open_at(POOL("\"slots\": 2, \"lease_ms\": 5000"), fail_at, &rl);

    if (st != RL_OK)
        return st;
    if ((st = try(rl, "m", &permit)) == RL_OK) {
        st = rl_config_reload(rl, NULL, POOL("\"kind\": \"adaptive\", \"slots\": 1"), NULL, 0);
        assert_int_equal(left_in(rl, "p", NULL, NULL), st == RL_OK ? 0 : 1);
        assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    }
    rl_close(rl);
    return st;
}

static void each_allocation_may_fail(void **state)
{
    uint64_t n = 0;
    rl_status st;

    (void)state;
    do {
        st = all_of_it(++n);
        assert_int_equal(memory.alive, 0);
        assert_true(st == RL_OK || memory.failed == 1);
    } while (memory.failed > 0);
    assert_int_equal(st, RL_OK);
    assert_true(n > 20);
}

/* ---- the permit ---- */

static rl_status nothing_for_provider(void *user, struct rl__provider *provider)
{
    (void)user;
    (void)provider;
    return RL_OK;
}

static rl_status nothing_for_lane(void *user, struct rl__provider *provider,
                                  struct rl__lane_node *node, const char *model)
{
    (void)user;
    (void)provider;
    (void)node;
    (void)model;
    return RL_OK;
}

static struct rl__entry *add(struct rl__scope *scope, const char *algorithm, uint32_t dimension,
                             rl_duration period)
{
    struct rl__rule rule = { .dimension = dimension };
    rl_limit limit = RL_LIMIT_INIT;
    struct rl__entry *entry;

    limit.amount = 100;
    limit.period = period;
    limit.algorithm = algorithm;
    assert_int_equal(rl__scope_add(scope, &rule, &limit, RL_SOURCE_CONFIG, START, &entry), RL_OK);
    return entry;
}

/* The ids of slots lie where levels would: of those nothing is known then, and no id is one. */
static void a_slot_in_the_permit_costs_a_level(void **state)
{
    static const struct rl__lease_rule rule = { 0, 100, 100, 100, RL_SECOND };
    struct rl__cost cost = { .amount = { [RL_REQUESTS] = 1, [RL_CONCURRENCY] = 1 } }, back;
    static struct rl__registry registry; /* all zero: not started */
    struct rl__entry *entry[6];
    struct rl__refusal refusal;
    struct rl__leases *leases;
    struct rl__taken taken;
    struct rl__grant grant;
    struct rl__lane *lane;
    struct rl__who nobody = { .tenants = registry.tenants };
    struct rl__env env;
    rl_permit permit;

    (void)state;
    assert_int_equal(rl__env_init(&env, NULL), RL_OK);
    assert_int_equal(rl__registry_init(&registry, &env), RL_OK);
    registry.furnish_provider = nothing_for_provider;
    registry.furnish_lane = nothing_for_lane;
    assert_int_equal(rl__registry_lane(&registry, "p", "m", &lane), RL_OK);
    entry[0] = add(lane->scope[RL__MODEL_SCOPE], "concurrency", RL_CONCURRENCY, RL_SECOND);
    for (size_t i = 1; i < 6; i++)
        entry[i] = add(lane->scope[RL__MODEL_SCOPE], NULL, RL_REQUESTS, i * RL_MINUTE);
    assert_int_equal(rl__leases_new(&env, &rule, 0, &leases), RL_OK);
    rl__entry_lease(entry[0], leases, START);
    lane->scope[RL__MODEL_SCOPE]->pool = entry[0];
    registry.traffic.pools = 1;
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, START, &taken, &refusal), RL_OK);
    rl__permit_start(&permit, lane, &nobody, &cost, &taken, START);
    assert_int_equal(rl__permit_take(&permit, &grant, &back), 1);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rl__grant_level(&grant, entry[i]), 99);
    assert_true(rl__grant_level(&grant, entry[4]) == RL__NO_SNAPSHOT);
    assert_true(rl__grant_level(&grant, entry[5]) == RL__NO_SNAPSHOT);
    assert_int_equal(leases->locked.slots->held, 1);
    (void)rl__grant_settle(&grant, nobody.tenants, &back, &back, RL__ADAPTIVE_NEUTRAL, START,
                           START);
    assert_int_equal(leases->locked.slots->held, 0);
    rl__registry_deinit(&registry);
}

/* ---- many threads ---- */

#define THREADS 4
#define ROUNDS  400

static struct {
    rl_context *rl;
    uint64_t inside, most, served; /* atomic */
} room;

static void *come_and_go(void *user)
{
    rl_request request = ask(user);

    for (int i = 0; i < ROUNDS; i++) {
        rl_permit permit;

        assert_int_equal(rl_acquire(room.rl, &request, &permit), RL_OK);
        rl__raise_to(&room.most, rl__fetch_add(&room.inside, 1) + 1);
        (void)rl__fetch_add(&room.inside, UINT64_MAX);
        (void)rl__fetch_add(&room.served, 1);
        answer(room.rl, &permit, 200, 0);
    }
    return NULL;
}

/* While the file changes again and again, and with it the memory of who holds what. */
static void never_more_threads_than_slots(void **state)
{
    static char model[THREADS][2] = { "m", "n", "m", "o" };
    rl_options options = RL_OPTIONS_INIT;
    pthread_t thread[THREADS];
    uint64_t reloads = 0;

    (void)state;
    memset(&room, 0, sizeof room);
    options.config_json = POOL("\"slots\": 2, \"lease_ms\": 600000");
    assert_int_equal(rl_open(&options, &room.rl), RL_OK);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, model[i]), 0);
    do {
        reload(room.rl, reloads % 2 == 0
                            ? POOL("\"kind\": \"adaptive\", \"slots\": 1, \"max_slots\": 2")
                            : POOL("\"slots\": 2, \"lease_ms\": 700000"));
        reloads++;
    } while (rl__load(&room.served) < (uint64_t)THREADS * ROUNDS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_in_range(room.most, 1, 2);
    reload(room.rl, POOL("\"slots\": 2"));
    assert_int_equal(left_in(room.rl, "p", NULL, NULL), 2);
    rl_close(room.rl);
}

/* Three kinds of holders: one that ends at once, one that ends when its lease may have, and one
 * that never does. */
static void *hold_and_forget(void *user)
{
    rl_permit late;
    int is_late = 0;

    for (int i = 0; i < 4 * ROUNDS; i++) {
        rl_permit permit;

        vclock_advance(&memory.clock, RL_MILLISECOND);
        if (try(room.rl, user, &permit) != RL_OK)
            continue;
        if (i % 3 == 0) {
            assert_int_equal(rl_cancel(room.rl, &permit), RL_OK);
        } else if (i % 3 == 1) {
            if (is_late)
                assert_int_equal(rl_cancel(room.rl, &late), RL_OK);
            memcpy(&late, &permit, sizeof late); /* the only one from here on */
            is_late = 1;
        }
    }
    if (is_late)
        assert_int_equal(rl_cancel(room.rl, &late), RL_OK);
    return NULL;
}

static void each_unit_comes_back_once_whoever_is_faster(void **state)
{
    static char model[THREADS][2] = { "m", "n", "m", "o" };
    rl_stats stats = { .size = sizeof stats };
    pthread_t thread[THREADS];
    rl_permit permit;

    (void)state;
    memset(&room, 0, sizeof room);
    room.rl = open_with(POOL("\"slots\": 3, \"lease_ms\": 7"));
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, hold_and_forget, model[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    vclock_advance(&memory.clock, RL_SECOND);
    assert_int_equal(try(room.rl, "m", &permit), RL_OK);
    assert_int_equal(left_in(room.rl, "p", NULL, NULL), 2);
    assert_int_equal(rl_stats_get(room.rl, &stats), RL_OK);
    assert_true(stats.leases_ended > 0);
    rl_close(room.rl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_go_at_once),
        cmocka_unit_test(a_dead_holders_slot_is_the_next_ones_who_asks),
        cmocka_unit_test(who_blocks_sleeps_until_the_lease_ends),
        cmocka_unit_test(who_cannot_wait_for_the_lease_waits_for_a_release),
        cmocka_unit_test(models_wait_for_a_providers_slot_in_order),
        cmocka_unit_test(a_limit_that_refuses_costs_no_slot),
        cmocka_unit_test(a_request_holds_a_slot_of_each_pool_on_its_way),
        cmocka_unit_test(a_reset_frees_slots_once),
        cmocka_unit_test(a_permit_that_is_forgotten_is_named),
        cmocka_unit_test(the_number_grows_while_it_is_used_and_nothing_is_slower),
        cmocka_unit_test(it_finds_what_the_server_takes),
        cmocka_unit_test(refusals_and_timeouts_cut_it_and_nothing_else_does),
        cmocka_unit_test(cancelling_teaches_nothing),
        cmocka_unit_test(a_pool_takes_the_place_of_probing),
        cmocka_unit_test(who_is_refused_hears_of_the_pool),
        cmocka_unit_test(a_reload_takes_nobodys_slot),
        cmocka_unit_test(a_pool_may_come_and_go),
        cmocka_unit_test(what_was_learned_stays_within_new_bounds),
        cmocka_unit_test(a_wrong_pool_is_named),
        cmocka_unit_test(two_numbers_at_once_are_one_too_many),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(a_slot_in_the_permit_costs_a_level),
        cmocka_unit_test(never_more_threads_than_slots),
        cmocka_unit_test(each_unit_comes_back_once_whoever_is_faster),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
