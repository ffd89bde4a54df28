/* SPDX-License-Identifier: MIT */
/*
 * Pools of a provider and of one of its models, through the public face, against a model that is a
 * list of permits: who goes, when the next lease ends, and what comes back, while the file changes.
 * LLMRL_PROPERTY_STEPS: how many steps (default 100 000); LLMRL_SEED: replays a run.
 */
#include "traffic.h"

#include <llmrl/config.h>
#include <stdio.h>
#include <string.h>

#define STEPS_OF_ONE 300

enum pool { PROVIDER, MODEL, POOLS };
enum shape { NO_LIMIT, PLAIN, POOL, SHAPES };

struct held {
    rl_permit permit;
    int ended;
    struct {
        int counted;  /* it has a unit there */
        int free;     /* it went while there was no limit */
        rl_time ends; /* RL_NEVER: no lease */
    } in[POOLS];
};

enum branch {
    SAW_TAKEN,
    SAW_FULL,
    SAW_MODEL_FULL,
    SAW_OVERFULL,
    SAW_RECLAIMED,
    SAW_RECLAIMED_AND_REPORTED,
    SAW_LATE_AND_STILL_HIS,
    SAW_SHAPE_CHANGED,
    BRANCHES
};

struct run {
    struct traffic t;
    struct vclock clock;
    rl_context *rl;
    struct {
        enum shape shape;
        uint64_t slots;
        rl_duration lease;
    } is[POOLS];
    struct held held[STEPS_OF_ONE];
    size_t count;
    uint64_t seen[BRANCHES];
};

static void fail_here(const struct run *run, const char *law)
{
    print_error("law broken: %s\n  LLMRL_SEED=%" PRIu64 " now %" PRIu64 " permits %zu\n", law,
                run->t.seed, run->t.now, run->count);
    fail();
}

#define LAW(run, holds, text)                                                                      \
    do {                                                                                           \
        if (!(holds))                                                                              \
            fail_here((run), (text));                                                              \
    } while (0)

/* ---- the model ---- */

static uint64_t in_use(const struct run *run, enum pool p)
{
    uint64_t count = 0;

    for (size_t i = 0; i < run->count; i++)
        count += !run->held[i].ended && run->held[i].in[p].counted;
    return count;
}

static rl_time next_end(const struct run *run, enum pool p)
{
    rl_time next = RL_NEVER;

    for (size_t i = 0; i < run->count; i++) {
        const struct held *one = &run->held[i];

        if (!one->ended && one->in[p].counted && one->in[p].ends < next)
            next = one->in[p].ends;
    }
    return next;
}

/* Only who asks in a pool takes back there. */
static void reclaim(struct run *run, enum pool p)
{
    for (size_t i = 0; i < run->count && run->is[p].shape == POOL; i++) {
        struct held *one = &run->held[i];

        if (one->ended || !one->in[p].counted || one->in[p].ends > run->t.now)
            continue;
        one->in[p].counted = 0;
        run->seen[SAW_RECLAIMED]++;
    }
}

static int is_full(const struct run *run, enum pool p)
{
    return run->is[p].shape != NO_LIMIT && in_use(run, p) >= run->is[p].slots;
}

/* ---- steps ---- */

static void reload(struct run *run)
{
    char json[400], text[POOLS][120];

    for (int p = 0; p < POOLS; p++)
        if (run->is[p].shape == NO_LIMIT)
            text[p][0] = '\0';
        else if (run->is[p].shape == PLAIN)
            snprintf(text[p], sizeof text[p], ", \"concurrency\": %" PRIu64, run->is[p].slots);
        else if (run->is[p].lease == 0)
            snprintf(text[p], sizeof text[p], ", \"pool\": {\"slots\": %" PRIu64 "}",
                     run->is[p].slots);
        else
            snprintf(text[p], sizeof text[p],
                     ", \"pool\": {\"slots\": %" PRIu64 ", \"lease_ms\": %" PRIu64 "}",
                     run->is[p].slots, run->is[p].lease / RL_MILLISECOND);
    snprintf(json, sizeof json,
             "{\"providers\": {\"p\": {\"requests_per_second\": 1000000%s, \"models\": "
             "[{\"name\": \"m\"%s}]}}}",
             text[PROVIDER], text[MODEL]);
    LAW(run, rl_config_reload(run->rl, NULL, json, NULL, 0) == RL_OK, "the file is right");
}

/* A limit remembers the last time at which it was not there, and who went then without a unit. Of
 * the times before it does not: those permits end first. */
static void end_those_without(struct run *run, int p)
{
    for (size_t i = 0; i < run->count; i++) {
        struct held *one = &run->held[i];

        if (one->ended || !one->in[p].free)
            continue;
        LAW(run, rl_cancel(run->rl, &one->permit) == RL_OK, "a permit ends");
        one->ended = 1;
    }
}

static void change(struct run *run)
{
    int p = (int)roll(&run->t, POOLS);
    enum shape before = run->is[p].shape;

    run->is[p].shape = (enum shape)roll(&run->t, SHAPES);
    run->is[p].slots = 1 + roll(&run->t, p == PROVIDER ? 12 : 5);
    run->is[p].lease = roll(&run->t, 4) == 0 ? 0 : (1 + roll(&run->t, 5000)) * RL_MILLISECOND;
    run->seen[SAW_SHAPE_CHANGED] += before != run->is[p].shape;
    if (before != NO_LIMIT && run->is[p].shape == NO_LIMIT)
        end_those_without(run, p);
    reload(run);
}

static void note_holding(struct run *run, struct held *one, enum pool p, int asked)
{
    one->in[p].counted = asked && run->is[p].shape != NO_LIMIT;
    one->in[p].free = asked && run->is[p].shape == NO_LIMIT;
    one->in[p].ends = run->is[p].shape == POOL && run->is[p].lease != 0
                          ? run->t.now + run->is[p].lease
                          : RL_NEVER;
}

static void check_refusal(struct run *run, const rl_permit *permit, int asks_model)
{
    enum pool by = is_full(run, PROVIDER) ? PROVIDER : MODEL;

    LAW(run, is_full(run, by) && (by == PROVIDER || asks_model), "somebody said no");
    LAW(run, permit->retry_at == (run->is[by].shape == POOL ? next_end(run, by) : RL_NEVER),
        "the next end is told");
    run->seen[SAW_FULL] += by == PROVIDER;
    run->seen[SAW_MODEL_FULL] += by == MODEL;
    run->seen[SAW_OVERFULL] += in_use(run, by) > run->is[by].slots;
}

static void take(struct run *run)
{
    struct held *one = &run->held[run->count];
    int asks_model = (int)roll(&run->t, 2);
    rl_request request = RL_REQUEST_INIT;
    rl_status want, got;

    request.provider = "p";
    request.model = asks_model ? "m" : "n";
    reclaim(run, PROVIDER);
    if (asks_model)
        reclaim(run, MODEL);
    want = is_full(run, PROVIDER) || (asks_model && is_full(run, MODEL)) ? RL_WAIT : RL_OK;
    got = rl_try_acquire(run->rl, &request, &one->permit);
    LAW(run, got == want, "who has room in each pool goes");
    if (got != RL_OK) {
        check_refusal(run, &one->permit, asks_model);
        return;
    }
    run->seen[SAW_TAKEN]++;
    one->ended = 0;
    note_holding(run, one, PROVIDER, 1);
    note_holding(run, one, MODEL, asks_model);
    run->count++;
}

static void end_one(struct run *run)
{
    struct held *one = &run->held[roll(&run->t, run->count)];

    if (run->count == 0)
        return;
    LAW(run, rl_cancel(run->rl, &one->permit) == (one->ended ? RL_E_ENDED : RL_OK),
        "a permit ends once");
    if (one->ended)
        return;
    for (int p = 0; p < POOLS; p++)
        if (one->in[p].ends <= run->t.now) {
            run->seen[SAW_RECLAIMED_AND_REPORTED] += !one->in[p].counted;
            run->seen[SAW_LATE_AND_STILL_HIS] += one->in[p].counted != 0;
        }
    one->ended = 1;
}

static void check_levels(struct run *run)
{
    rl_limit_status status[8];
    size_t count = 8;

    LAW(run, rl_limits_get(run->rl, status, &count) == RL_OK, "levels are told");
    for (size_t i = 0; i < count; i++) {
        enum pool p = strcmp(status[i].scope, "p") == 0 ? PROVIDER : MODEL;

        if (status[i].dimension != RL_CONCURRENCY)
            continue;
        LAW(run, status[i].amount == run->is[p].slots, "the number is the file's");
        LAW(run, status[i].level.remaining == (int64_t)run->is[p].slots - (int64_t)in_use(run, p),
            "what is left is what nobody holds");
    }
}

static void begin(struct run *run)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_hooks hooks = vclock_hooks(&run->clock);
    struct traffic *t = &run->t;

    run->count = 0;
    t->start = t->now = RL_SECOND + roll_bits(t, 40);
    run->clock = (struct vclock){ .now = t->now, .random = 1 };
    t->period = 5 * RL_SECOND;
    t->unit = t->period / 16 + 1;
    options.hooks = &hooks;
    options.config_json = "{\"providers\": {\"p\": {\"requests_per_second\": 1000000}}}";
    LAW(run, rl_open(&options, &run->rl) == RL_OK, "a context opens");
    for (int p = 0; p < POOLS; p++) {
        run->is[p].shape = POOL;
        run->is[p].slots = 1 + roll(t, 6);
        run->is[p].lease = roll(t, 4) == 0 ? 0 : (1 + roll(t, 5000)) * RL_MILLISECOND;
    }
    reload(run);
}

static void step(struct run *run)
{
    (void)traffic_move(&run->t); /* this clock does not step back */
    run->clock.now = run->t.now;
    switch (roll(&run->t, 12)) {
    case 0:
        change(run);
        break;
    case 1:
        check_levels(run);
        break;
    case 2:
    case 3:
    case 4:
        end_one(run);
        break;
    default:
        take(run);
        break;
    }
    run->t.hint = next_end(run, (enum pool)roll(&run->t, POOLS));
}

static void a_unit_has_one_holder(void **ctx)
{
    uint64_t steps = number_from("LLMRL_PROPERTY_STEPS", 100000);
    static struct run run;

    (void)ctx;
    traffic_begin(&run.t, 20260117);
    begin(&run);
    for (uint64_t i = 0; i < steps; i++) {
        if (i % STEPS_OF_ONE == STEPS_OF_ONE - 1) {
            rl_close(run.rl);
            begin(&run);
        }
        step(&run);
    }
    rl_close(run.rl);
    for (int k = 0; k < BRANCHES && steps >= 20000; k++)
        if (run.seen[k] == 0) {
            print_error("branch %d never ran\n", k);
            fail();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_has_one_holder),
    };
    return cmocka_run_group_tests_name("prop_lease", tests, NULL, NULL);
}
