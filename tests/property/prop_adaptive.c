/* SPDX-License-Identifier: MIT */
/*
 * An adaptive pool before a server that announces nothing: so many places, a queue behind them, and
 * 503 where that is full. The client always has more to send than may leave. Judged is what comes
 * out: throughput against the server's capacity, latency against that without load, before and
 * after the server loses half of its places, gets them back, or becomes half as fast.
 *
 * Times are in units of one mean service. LLMRL_PROPERTY_STEPS: 20 000 of them are one server
 * (default 1 200 000, 60 servers); LLMRL_SEED: replays a run.
 */
#include "base/heap.h"
#include "traffic.h"

#include <llmrl/pool.h>

#include <string.h>

#define CALLS 1024

/* What the phases may take to settle, and how long they are watched then, in units. */
#define SETTLE 100
#define WATCH  200

enum spread { EVEN, BY_HALF, WILD, SPREADS };
static const char *const spread_name[] = { "even", "by half", "wild" };

struct call {
    struct rl__heap_node event; /* its answer, or the end of its service */
    rl_slot slot;
    rl_time sent;
    int refused, in_service;
    struct call *next; /* in the server's queue, or among the idle */
};

struct sim {
    struct traffic t;
    enum spread spread;
    rl_duration unit;
    uint64_t places, busy, queue_max, queued;
    uint64_t demand; /* calls that the client has at most, at once */
    struct rl__heap events;
    struct call call[CALLS], *idle, *first, **end;
    uint64_t on_their_way;
    rl_pool *pool;
    /* since the last look: */
    uint64_t answers, refusals, most_slots;
    rl_duration latency;
};

struct result {
    uint64_t throughput, latency; /* percent of the capacity, of one service */
    uint64_t refusals, slots;
};

/* ---- the server ---- */

/* Mean: one unit. Wild: nine of ten take half of it, the tenth eleven times as long as those. */
static rl_duration draw_service(struct sim *sim)
{
    switch (sim->spread) {
    case EVEN:
        return sim->unit;
    case BY_HALF:
        return sim->unit / 2 + roll(&sim->t, sim->unit);
    default:
        return roll(&sim->t, 10) == 0 ? sim->unit * 11 / 2 : sim->unit / 2;
    }
}

static void plan(struct sim *sim, struct call *call, rl_duration in)
{
    call->event.key[0] = sim->t.now + in;
    call->event.key[1] = (uint64_t)(call - sim->call);
    rl__heap_push(&sim->events, &call->event);
}

static void serve(struct sim *sim, struct call *call)
{
    sim->busy++;
    call->in_service = 1;
    plan(sim, call, draw_service(sim));
}

static void arrive(struct sim *sim, struct call *call)
{
    if (sim->busy < sim->places) {
        serve(sim, call);
    } else if (sim->queued < sim->queue_max) {
        call->next = NULL;
        *sim->end = call;
        sim->end = &call->next;
        sim->queued++;
    } else {
        call->refused = 1;
        plan(sim, call, sim->unit / 100);
    }
}

static void leave_server(struct sim *sim)
{
    sim->busy--;
    while (sim->busy < sim->places && sim->queued > 0) {
        struct call *call = sim->first;

        sim->first = call->next;
        if (--sim->queued == 0)
            sim->end = &sim->first;
        serve(sim, call);
    }
}

/* ---- the client ---- */

static void send_all(struct sim *sim)
{
    rl_slot slot;

    while (sim->on_their_way < sim->demand && sim->idle != NULL &&
           rl_pool_try_acquire(sim->pool, 1, sim->t.now, &slot, NULL) == RL_OK) {
        struct call *call = sim->idle;

        sim->idle = call->next;
        sim->on_their_way++;
        call->slot = slot;
        call->sent = sim->t.now;
        call->refused = call->in_service = 0;
        arrive(sim, call);
    }
}

static void answer(struct sim *sim, struct call *call)
{
    if (call->refused) {
        sim->refusals++;
    } else {
        sim->answers++;
        sim->latency += sim->t.now - call->sent;
    }
    if (rl_pool_release(&call->slot, call->refused ? RL_SLOT_OVERLOADED : RL_SLOT_SUCCESS, 0,
                        sim->t.now) != RL_OK)
        fail_msg("a slot that is held can be released");
    call->next = sim->idle;
    sim->idle = call;
    sim->on_their_way--;
}

static void run_until(struct sim *sim, rl_time until)
{
    struct rl__heap_node *node;

    send_all(sim);
    while ((node = rl__heap_peek(&sim->events)) != NULL && node->key[0] <= until) {
        struct call *call = (struct call *)(void *)node; /* its first member */

        rl__heap_pop(&sim->events);
        sim->t.now = node->key[0];
        if (call->in_service)
            leave_server(sim);
        answer(sim, call);
        send_all(sim);
    }
    sim->t.now = until;
}

static struct result watch(struct sim *sim, uint64_t settle, uint64_t units)
{
    rl_pool_state state = RL_POOL_STATE_INIT;

    run_until(sim, sim->t.now + settle * sim->unit);
    sim->answers = sim->refusals = 0;
    sim->latency = 0;
    run_until(sim, sim->t.now + units * sim->unit);
    (void)rl_pool_state_get(sim->pool, sim->t.now, &state);
    return (struct result){ sim->answers * 100 / (sim->places * units),
                            sim->answers == 0 ? 0 : sim->latency / sim->answers * 100 / sim->unit,
                            sim->refusals, state.slots };
}

/* ---- one server ---- */

static void begin(struct sim *sim)
{
    rl_pool_options options = RL_POOL_OPTIONS_INIT;

    sim->unit = 10 * RL_MILLISECOND + roll(&sim->t, 10 * RL_SECOND);
    sim->t.now = 1000 * RL_SECOND;
    sim->places = 8 + 2 * roll(&sim->t, 29);
    sim->queue_max = sim->places / 4 + roll(&sim->t, 4 * sim->places);
    sim->demand = UINT64_MAX;
    sim->busy = sim->queued = sim->on_their_way = 0;
    sim->events = (struct rl__heap){ .count = 0 };
    sim->end = &sim->first;
    sim->idle = NULL;
    memset(sim->call, 0, sizeof sim->call);
    for (size_t i = 0; i < CALLS; i++) {
        sim->call[i].next = sim->idle;
        sim->idle = &sim->call[i];
    }
    options.kind = RL_POOL_ADAPTIVE;
    options.max_slots = CALLS;
    assert_int_equal(rl_pool_new(&options, &sim->pool), RL_OK);
}

struct score {
    uint64_t runs, throughput_sum, throughput_min, latency_max;
};

static void note(struct score *score, const struct result *result)
{
    score->throughput_min = score->runs == 0 || result->throughput < score->throughput_min
                                ? result->throughput
                                : score->throughput_min;
    score->latency_max =
        result->latency > score->latency_max ? result->latency : score->latency_max;
    score->throughput_sum += result->throughput;
    score->runs++;
}

static void judge(struct sim *sim, struct score *score, const char *phase, uint64_t settle)
{
    struct result result = watch(sim, settle, WATCH);
    uint64_t least = sim->spread == WILD ? 60 : 95, most = sim->spread == WILD ? 300 : 210;

    note(score, &result);
    if (result.throughput < least || result.latency > most) {
        print_error("%s, %s: %" PRIu64 " %% of the capacity at %" PRIu64 " %% of the latency\n"
                    "  LLMRL_SEED=%" PRIu64 " places %" PRIu64 " queue %" PRIu64 " slots %" PRIu64
                    " refusals %" PRIu64 "\n",
                    phase, spread_name[sim->spread], result.throughput, result.latency, sim->t.seed,
                    sim->places, sim->queue_max, result.slots, result.refusals);
        fail();
    }
}

enum phase { STEADY, HALVED, RESTORED, SLOWER, PHASES };
static const char *const phase_name[] = { "steady", "half the places", "all places again",
                                          "half as fast" };

static void one_server(struct sim *sim, struct score score[PHASES])
{
    begin(sim);
    judge(sim, &score[STEADY], phase_name[STEADY], SETTLE);
    sim->places /= 2;
    judge(sim, &score[HALVED], phase_name[HALVED], SETTLE);
    sim->places *= 2;
    judge(sim, &score[RESTORED], phase_name[RESTORED], SETTLE);
    sim->unit *= 2;
    judge(sim, &score[SLOWER], phase_name[SLOWER], SETTLE);
    rl_pool_free(sim->pool);
}

static void the_window_finds_the_knee(void **ctx)
{
    uint64_t servers = number_from("LLMRL_PROPERTY_STEPS", 1200000) / 20000;
    static struct sim sim;
    static struct score score[SPREADS][PHASES];

    (void)ctx;
    traffic_begin(&sim.t, 20260112);
    for (uint64_t i = 0; i < (servers < SPREADS ? SPREADS : servers); i++) {
        sim.spread = (enum spread)(i % SPREADS);
        one_server(&sim, score[sim.spread]);
    }
    for (int s = 0; s < SPREADS; s++)
        for (int p = 0; p < PHASES; p++) {
            const struct score *one = &score[s][p];

            print_message("%-8s %-17s %3" PRIu64 " %% of the capacity (least %" PRIu64
                          "), latency at most %" PRIu64 " %%\n",
                          spread_name[s], phase_name[p], one->throughput_sum / one->runs,
                          one->throughput_min, one->latency_max);
            assert_true(servers < 30 || one->throughput_sum / one->runs >= (s == WILD ? 90 : 97));
        }
}

/* Who sends little learns nothing about much: the window does not grow beyond what was tried. */
static void a_window_that_is_not_in_use_does_not_grow(void **ctx)
{
    static struct sim sim;
    struct result result;

    (void)ctx;
    traffic_begin(&sim.t, 20260113);
    sim.spread = BY_HALF;
    begin(&sim);
    sim.places = 64;
    sim.demand = 5;
    result = watch(&sim, 100, 400);
    assert_true(result.slots <= 8);
    assert_int_equal(result.refusals, 0);
    sim.demand = UINT64_MAX;
    result = watch(&sim, SETTLE, WATCH);
    assert_true(result.throughput >= 95);
    rl_pool_free(sim.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_finds_the_knee),
        cmocka_unit_test(a_window_that_is_not_in_use_does_not_grow),
    };
    return cmocka_run_group_tests_name("prop_adaptive", tests, NULL, NULL);
}
