/* SPDX-License-Identifier: MIT */
/*
 * Whole requests over random routes, on a virtual clock: blocked ones and submitted ones, with
 * answers of every kind. What must hold whatever happens: no route's limit is passed, each route is
 * taken once in a round, hints are kept, nothing is held in the end, everybody ends.
 * LLMRL_PROPERTY_STEPS: a thousand for each context (default 10^6); LLMRL_SEED: replays a
 * run.
 */
#include "vclock.h"

#include <llmrl/config.h>
#include <llmrl/queue.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUTES   4
#define REQUESTS 24
#define TAKEN    512

struct route {
    uint64_t amount; /* a second; 0: no limit */
    rl_time taken[TAKEN];
    size_t count;
    rl_time closed_until; /* by a refusal */
};

struct world {
    struct vclock clock; /* first: the hooks' user */
    uint64_t seed, number;
    rl_context *rl;
    struct route route[ROUTES];
    uint64_t limit; /* on attempts, of the configuration */
};

struct party {
    struct world *world;
    rl_request request;
    rl_attempt attempt;
    uint64_t in_round; /* bit n: route n */
    uint64_t dead;
    int waits, over;
};

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static uint64_t roll(struct world *world, uint64_t sides)
{
    return vclock_random(&world->clock) % sides;
}

static void law(const struct world *world, int holds, const char *what)
{
    if (holds)
        return;
    print_error("%s: seed %" PRIu64 ", world %" PRIu64 "\n", what, world->seed, world->number);
    fail();
}

/* Provider "r0" ... of a chain; the last two may be keys of one. */
static void open_world(struct world *world)
{
    char json[2000];
    size_t used = 0;
    rl_options options = RL_OPTIONS_INIT;
    rl_hooks hooks;
    char error[200] = "";

    used += (size_t)snprintf(json, sizeof json, "{\"providers\": {");
    for (size_t i = 0; i < ROUTES; i++) {
        world->route[i].amount = roll(world, 3) == 0 ? 0 : 1 + roll(world, 3);
        world->route[i].count = 0;
        world->route[i].closed_until = 0;
        used += (size_t)snprintf(json + used, sizeof json - used, "%s\"r%zu\": {",
                                 i == 0 ? "" : ", ", i);
        if (world->route[i].amount != 0)
            used += (size_t)snprintf(json + used, sizeof json - used,
                                     "\"limits\": [{\"dimension\": \"requests\", \"amount\": "
                                     "%" PRIu64 ", \"period\": \"second\", \"algorithm\": "
                                     "\"sliding_window\"}]",
                                     world->route[i].amount);
        used += (size_t)snprintf(json + used, sizeof json - used, "}");
    }
    world->limit = 1 + roll(world, 8);
    (void)snprintf(json + used, sizeof json - used,
                   "}, \"fallback\": {\"r0/m\": [\"r1/m\", \"r2/m\", \"r3/m\"], "
                   "\"stay_within_ms\": %" PRIu64 "}, \"retry\": {\"max_attempts\": %" PRIu64 "}}",
                   roll(world, 3) * 700, world->limit);
    hooks = vclock_hooks(&world->clock);
    options.hooks = &hooks;
    options.config_json = json;
    options.error = error;
    options.error_size = sizeof error;
    if (rl_open(&options, &world->rl) != RL_OK)
        fail_msg("%s", error);
}

/* So many left by it within any second that ends now? */
static void check_limit(struct world *world, struct route *route)
{
    rl_time now = vclock_now(&world->clock);
    uint64_t recent = 0;

    law(world, route->count < TAKEN, "bounded");
    route->taken[route->count++] = now;
    for (size_t i = 0; i < route->count; i++)
        recent += now - route->taken[i] < RL_SECOND;
    law(world, route->amount == 0 || recent <= route->amount, "no route's limit is passed");
    law(world, now >= route->closed_until, "nothing leaves through a gate that is closed");
}

static void check_leave(struct party *party)
{
    struct world *world = party->world;
    size_t index = (size_t)(party->attempt.route.provider[1] - '0');
    uint64_t bit = UINT64_C(1) << index;

    law(world, index < ROUTES, "one of the routes");
    if (party->attempt.route.reason == RL_ROUTE_AGAIN)
        party->in_round = 0;
    law(world, (party->in_round & bit) == 0, "once in a round");
    law(world, (party->dead & bit) == 0, "never where it ended for good");
    party->in_round |= bit;
    check_limit(world, &world->route[index]);
}

static void answer(struct party *party)
{
    static const uint64_t status[] = { 200, 200, 200, 429, 429, 500, 503, 401, 402, 400 };
    struct world *world = party->world;
    size_t index = (size_t)(party->attempt.route.provider[1] - '0');
    rl_response response = RL_RESPONSE_INIT;
    rl_header header = { "retry-after", 11, "2", 1 };

    response.status = status[roll(world, sizeof status / sizeof status[0])];
    response.body = response.status == 402 ? "{\"error\":{\"code\":\"insufficient_quota\"}}" : "{}";
    response.body_length = strlen(response.body);
    response.headers = &header;
    response.header_count = response.status == 429 && roll(world, 2) == 0;
    vclock_advance(&world->clock, roll(world, 300) * RL_MILLISECOND);
    assert_int_equal(rl_attempt_done(world->rl, &party->attempt, &response), RL_OK);
    if (response.header_count == 1)
        world->route[index].closed_until = vclock_now(&world->clock) + 2 * RL_SECOND;
    if (response.status == 401 || response.status == 402)
        party->dead |= UINT64_C(1) << index;
    law(world, party->attempt.status != RL_OK || response.status == 200, "a success is one");
    law(world, response.status != 200 || party->attempt.status == RL_OK, "and ends it");
    party->over = party->attempt.status != RL_WAIT;
}

static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    struct party *party = user;

    (void)attempt;
    party->waits = 0;
    party->over = !ready;
    if (ready)
        check_leave(party);
}

static void begin(struct world *world, struct party *party)
{
    *party = (struct party){ .world = world, .request = RL_REQUEST_INIT };
    party->attempt = (rl_attempt)RL_ATTEMPT_INIT;
    party->request.provider = "r0";
    party->request.model = "m";
    party->request.allow_fallback = RL_FALLBACK_ON;
    party->request.max_wait_ms = 1 + roll(world, 3) * 4000;
    party->request.deadline_ms = roll(world, 3) == 0 ? 1 + roll(world, 20000) : 0;
}

static void step_blocking(struct party *party)
{
    if (rl_next_attempt(party->world->rl, &party->request, &party->attempt)) {
        check_leave(party);
        answer(party);
    } else {
        party->over = 1;
    }
}

static void end_well(struct world *world, struct party *party)
{
    law(world, party->attempt.status != RL_WAIT, "everybody ends");
    law(world, party->attempt.status != RL_E_INVALID && party->attempt.status != RL_E_ENDED,
        "for a reason");
}

static void run_blocking(struct world *world, uint64_t *ends)
{
    for (size_t i = 0; i < REQUESTS; i++) {
        struct party party;

        begin(world, &party);
        for (int steps = 0; !party.over; steps++) {
            law(world, steps < 500, "it does not go on for ever");
            step_blocking(&party);
        }
        end_well(world, &party);
        ends[party.attempt.status == RL_OK]++;
    }
}

static size_t count_over(const struct party *party)
{
    size_t count = 0;

    for (size_t i = 0; i < REQUESTS; i++)
        count += party[i].over != 0;
    return count;
}

static void submit(struct party *party)
{
    party->waits = 1;
    if (rl_attempt_submit(party->world->rl, &party->request, &party->attempt, on_ready, party) !=
        RL_OK) {
        party->waits = 0;
        party->over = 1;
    }
}

/* All at once, as a loop would. */
static void run_events(struct world *world, uint64_t *ends)
{
    static struct party party[REQUESTS];

    for (size_t i = 0; i < REQUESTS; i++) {
        begin(world, &party[i]);
        submit(&party[i]);
    }
    for (int steps = 0; count_over(party) < REQUESTS; steps++) {
        rl_time next;

        law(world, steps < 5000, "it does not go on for ever");
        (void)rl_dispatch(world->rl);
        for (size_t i = 0; i < REQUESTS; i++)
            if (!party[i].over && !party[i].waits) {
                answer(&party[i]);
                if (!party[i].over)
                    submit(&party[i]);
            }
        next = rl_next_wakeup(world->rl);
        if (next != RL_NEVER && next > vclock_now(&world->clock))
            rl__store(&world->clock.now, next);
    }
    for (size_t i = 0; i < REQUESTS; i++) {
        end_well(world, &party[i]);
        ends[party[i].attempt.status == RL_OK]++;
    }
}

static void routes_keep_their_promises(void **state)
{
    static struct world world;
    uint64_t worlds = number("LLMRL_PROPERTY_STEPS", 1000000) / 1000, ends[2] = { 0, 0 }, gone = 0;

    (void)state;
    world.seed = number("LLMRL_SEED", 20260101);
    world.clock = (struct vclock){ .now = 1000 * RL_SECOND, .random = world.seed };
    for (world.number = 0; world.number < worlds; world.number++) {
        rl_stats stats = { .size = sizeof stats };

        open_world(&world);
        if (world.number % 2 == 0)
            run_blocking(&world, ends);
        else
            run_events(&world, ends);
        assert_int_equal(rl_stats_get(world.rl, &stats), RL_OK);
        law(&world, stats.in_flight == 0 && stats.waiting == 0, "nothing is held in the end");
        gone += stats.fallbacks;
        rl_close(world.rl);
    }
    print_message("seed %" PRIu64 ": %" PRIu64 " succeeded, %" PRIu64 " did not, %" PRIu64
                  " left by a fallback\n",
                  world.seed, ends[1], ends[0], gone);
    assert_true(ends[0] > 0 && ends[1] > 0 && gone > 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_keep_their_promises),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
