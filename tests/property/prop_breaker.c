/* SPDX-License-Identifier: MIT */
/*
 * The breaker against a plain list of what happened, under random traffic with late results, lost
 * probes and clocks that step back. LLMRL_PROPERTY_STEPS: how many steps (default 10^6);
 * LLMRL_SEED: replays a run.
 */
#include "vclock.h"

#include <llmrl/breaker.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEQUENCE_LENGTH 400
#define OUT_MOST        24

/* The branches that a run must have seen. */
enum branch {
    SAW_CLOSED,
    SAW_REFUSED,
    SAW_PROBE,
    SAW_ALL_PROBES_OUT,
    SAW_LEASE_TAKEN,
    SAW_LATE,
    SAW_LOST_PLACE,
    SAW_NEUTRAL_PROBE,
    SAW_BY_FAILURES,
    SAW_BY_SLOW_CALLS,
    SAW_BY_PROBE,
    SAW_BY_TIME,
    SAW_BY_SUCCESSES,
    SAW_BY_FORCE,
    SAW_DOUBLED,
    SAW_HOLD,
    SAW_TWICE,
    SAW_STEP_BACK,
    SAW_FULL_RING,
    SAW_OLD_BUCKET,
    BRANCHES
};

/* ---- the model: everything is found by searching lists ---- */

struct past_call {
    rl_time at;
    uint64_t bucket;
    int failed, slow;
};

struct lent { /* a ticket that was given out */
    rl_breaker_ticket ticket, copy;
    uint64_t generation, order;
    rl_time at, expires;
    int is_probe, lost; /* its place was given to another */
};

struct model {
    rl_breaker_options options;
    uint64_t state, mode, generation, openings, times_opened, successes, late, neutral, refused;
    rl_time open_until;
    struct past_call call[SEQUENCE_LENGTH]; /* of this generation */
    size_t calls;
    uint64_t newest; /* bucket */
    struct lent out[OUT_MOST];
    size_t outs;
};

struct run {
    struct vclock dice;
    uint64_t seed, step, order;
    rl_time now;
    int stepped_back, ill;
    rl_breaker breaker;
    struct model model;
    rl_breaker_event heard;
    uint64_t events;
    uint64_t seen[BRANCHES];
};

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static uint64_t roll(struct run *run, uint64_t sides)
{
    return vclock_random(&run->dice) % sides;
}

static void law(const struct run *run, int holds, const char *what)
{
    if (holds)
        return;
    print_error("%s: seed %" PRIu64 ", step %" PRIu64 ", now %" PRIu64 "\n", what, run->seed,
                run->step, run->now);
    fail();
}

static void count_model(const struct model *m, rl_time now, uint64_t tally[3])
{
    uint64_t newest = now / (m->options.window / m->options.buckets);
    size_t from = 0;

    tally[0] = tally[1] = tally[2] = 0;
    newest = newest > m->newest ? newest : m->newest;
    if (m->options.form == RL_BREAKER_COUNT_WINDOW && m->calls > m->options.window_calls)
        from = m->calls - m->options.window_calls;
    for (size_t i = from; i < m->calls; i++) {
        const struct past_call *c = &m->call[i];
        int in_row = m->options.form == RL_BREAKER_CONSECUTIVE;

        if (m->options.form == RL_BREAKER_TIME_WINDOW && newest - c->bucket >= m->options.buckets)
            continue;
        tally[0]++;
        tally[1] = c->failed ? tally[1] + 1 : in_row ? 0 : tally[1];
        tally[2] = c->slow ? tally[2] + 1 : in_row ? 0 : tally[2];
    }
}

static void change_model(struct run *run, uint64_t to, uint64_t cause)
{
    struct model *m = &run->model;
    rl_duration open = m->options.open_for;

    m->state = to;
    m->generation++;
    m->calls = 0;
    m->successes = 0;
    m->open_until = 0;
    run->seen[SAW_BY_FAILURES + cause - RL_BREAKER_BY_FAILURES]++;
    if (to == RL_BREAKER_CLOSED)
        m->openings = 0;
    if (to != RL_BREAKER_OPEN)
        return;
    for (uint64_t i = 0; i < m->openings && open < m->options.open_for_max; i++)
        open *= 2;
    if (open > m->options.open_for_max)
        open = m->options.open_for_max;
    run->seen[SAW_DOUBLED] += open > m->options.open_for;
    m->openings++;
    m->times_opened++;
    m->open_until = cause == RL_BREAKER_BY_FORCE ? RL_NEVER : run->now + open;
}

static uint64_t places_taken(const struct model *m, rl_time now)
{
    uint64_t taken = 0;

    for (size_t i = 0; i < m->outs; i++)
        taken += m->out[i].is_probe && !m->out[i].lost && m->out[i].generation == m->generation &&
                 m->out[i].expires > now;
    return taken;
}

/* Among those that still have their place, whose time is over: the one whose was first. */
static struct lent *first_to_lose(struct model *m, uint64_t *holding)
{
    struct lent *first = NULL;

    *holding = 0;
    for (size_t i = 0; i < m->outs; i++) {
        struct lent *l = &m->out[i];

        if (!l->is_probe || l->lost || l->generation != m->generation)
            continue;
        ++*holding;
        if (first == NULL || l->expires < first->expires ||
            (l->expires == first->expires && l->order < first->order))
            first = l;
    }
    return first;
}

/* ---- the steps ---- */

static void hear(void *user, const rl_breaker_event *event)
{
    struct run *run = user;

    run->heard = *event;
    run->events++;
}

static void draw_options(struct run *run, rl_breaker_options *o)
{
    *o = RL_BREAKER_OPTIONS_INIT;
    o->form = roll(run, 3);
    o->failure_rate = roll(run, 4) ? 1 + roll(run, 1000) : RL_NEVER;
    o->slow_rate = 1 + roll(run, 1000);
    o->slow_call = roll(run, 2) * 50;
    o->window_calls = 1 + roll(run, roll(run, 2) ? 8 : 150);
    o->minimum_calls = 1 + roll(run, o->form == RL_BREAKER_COUNT_WINDOW ? o->window_calls : 20);
    o->failures_in_a_row = 1 + roll(run, 6);
    o->buckets = 1 + roll(run, RL_BREAKER_BUCKETS_MAX);
    o->window = o->buckets + roll(run, 2000);
    o->open_for = 1 + roll(run, 300);
    o->open_for_max = roll(run, 2) ? o->open_for + roll(run, 3000) : 0;
    o->half_open_probes = 1 + roll(run, roll(run, 2) ? 3 : RL_BREAKER_PROBES_MAX);
    o->successes_to_close = roll(run, 2) ? 1 + roll(run, 20) : 0;
    o->probe_lease = roll(run, 4) ? 1 + roll(run, 200) : RL_NEVER;
    o->event = hear;
    o->user = run;
}

static void begin(struct run *run)
{
    rl_breaker_options options;

    rl_breaker_deinit(&run->breaker);
    memset(&run->model, 0, sizeof run->model);
    draw_options(run, &options);
    assert_int_equal(rl_breaker_init(&run->breaker, &options), RL_OK);
    assert_int_equal(rl_breaker_options_resolve(&options, &run->model.options), RL_OK);
    run->model.generation = 1;
    run->now = 1000000 + roll(run, 5000);
    run->stepped_back = 0;
}

static void move_clock(struct run *run)
{
    if (roll(run, 60) == 0) {
        run->now -= roll(run, 1000);
        run->stepped_back = 1;
        run->seen[SAW_STEP_BACK]++;
    } else if (roll(run, 2)) {
        run->now += roll(run, roll(run, 10) ? 30 : 1500);
    }
    if (roll(run, 100) == 0)
        run->ill = (int)roll(run, 3);
}

static void model_admits(struct run *run, struct lent *lent)
{
    struct model *m = &run->model;
    uint64_t holding;
    struct lent *loser;

    if (m->state == RL_BREAKER_OPEN)
        change_model(run, RL_BREAKER_HALF_OPEN, RL_BREAKER_BY_TIME);
    *lent = (struct lent){ .generation = m->generation, .at = run->now, .order = run->order++ };
    if (m->state != RL_BREAKER_HALF_OPEN)
        return;
    loser = first_to_lose(m, &holding);
    if (holding == m->options.half_open_probes) {
        loser->lost = 1;
        run->seen[SAW_LEASE_TAKEN]++;
    }
    lent->is_probe = 1;
    lent->expires =
        m->options.probe_lease == RL_NEVER ? RL_NEVER : run->now + m->options.probe_lease;
    run->seen[SAW_PROBE]++;
}

/* When the model lets the next one go. */
static rl_time model_when(struct run *run)
{
    struct model *m = &run->model;
    uint64_t holding;
    const struct lent *first;

    if (m->state == RL_BREAKER_CLOSED)
        return run->now;
    if (m->state == RL_BREAKER_OPEN)
        return m->open_until > run->now ? m->open_until : run->now;
    first = first_to_lose(m, &holding);
    return holding < m->options.half_open_probes || first->expires <= run->now ? run->now
                                                                               : first->expires;
}

static void ask(struct run *run)
{
    struct model *m = &run->model;
    rl_time want = model_when(run), peeked, got;
    uint64_t before = m->state;
    rl_breaker_ticket ticket;
    rl_status st;

    st = rl_breaker_peek(&run->breaker, run->now, &peeked);
    law(run, rl_breaker_ask(&run->breaker, run->now, &ticket, &got) == st && got == peeked,
        "a peek says what asking says");
    law(run, got == want && st == (want == run->now ? RL_OK : RL_WAIT), "who may leave, and when");
    if (st == RL_WAIT) {
        m->refused++;
        run->seen[before == RL_BREAKER_OPEN ? SAW_REFUSED : SAW_ALL_PROBES_OUT]++;
        law(run, rl_breaker_record(&run->breaker, &ticket, 0, 0, run->now) == RL_E_ENDED,
            "a no gives no ticket");
        return;
    }
    run->seen[SAW_CLOSED] += before == RL_BREAKER_CLOSED;
    model_admits(run, &m->out[m->outs]);
    m->out[m->outs++].ticket = ticket;
    law(run, places_taken(m, run->now) <= m->options.half_open_probes, "no more probes than N");
}

static void model_counts(struct run *run, int failed, int slow)
{
    struct model *m = &run->model;
    uint64_t bucket = run->now / (m->options.window / m->options.buckets), tally[3];
    const rl_breaker_options *o = &m->options;

    m->newest = bucket > m->newest ? bucket : m->newest;
    m->call[m->calls++] = (struct past_call){ run->now, m->newest, failed, slow };
    count_model(m, run->now, tally);
    if (m->mode != RL_BREAKER_AUTOMATIC)
        return;
    if (o->form == RL_BREAKER_CONSECUTIVE) {
        if (tally[1] >= o->failures_in_a_row)
            change_model(run, RL_BREAKER_OPEN, RL_BREAKER_BY_FAILURES);
        else if (tally[2] >= o->failures_in_a_row)
            change_model(run, RL_BREAKER_OPEN, RL_BREAKER_BY_SLOW_CALLS);
    } else if (tally[0] >= o->minimum_calls) {
        if (o->failure_rate != RL_NEVER && tally[1] * 1000 >= tally[0] * o->failure_rate)
            change_model(run, RL_BREAKER_OPEN, RL_BREAKER_BY_FAILURES);
        else if (o->slow_call != 0 && tally[2] * 1000 >= tally[0] * o->slow_rate)
            change_model(run, RL_BREAKER_OPEN, RL_BREAKER_BY_SLOW_CALLS);
    }
}

static void model_hears(struct run *run, const struct lent *lent, uint64_t outcome, int slow)
{
    struct model *m = &run->model;
    int failed = outcome == RL_BREAKER_FAILURE;

    if (lent->generation != m->generation || lent->lost) {
        m->late++;
        run->seen[lent->generation != m->generation ? SAW_LATE : SAW_LOST_PLACE]++;
    } else if (outcome == RL_BREAKER_NEUTRAL) {
        m->neutral++;
        run->seen[SAW_NEUTRAL_PROBE] += (uint64_t)lent->is_probe;
    } else if (!lent->is_probe) {
        model_counts(run, failed, slow);
    } else if (failed || slow) {
        change_model(run, RL_BREAKER_OPEN, RL_BREAKER_BY_PROBE);
    } else if (++m->successes >= m->options.successes_to_close) {
        change_model(run, RL_BREAKER_CLOSED, RL_BREAKER_BY_SUCCESSES);
    }
}

static void report(struct run *run)
{
    struct model *m = &run->model;
    size_t which = roll(run, m->outs);
    struct lent lent = m->out[which];
    rl_breaker_ticket *ticket = &m->out[which].ticket;
    uint64_t outcome = roll(run, 8) == 0                             ? RL_BREAKER_NEUTRAL
                       : roll(run, run->ill == 2 ? 10 : 4) == 0      ? (uint64_t)(run->ill != 2)
                       : run->ill == 2 || (run->ill && roll(run, 2)) ? RL_BREAKER_FAILURE
                                                                     : RL_BREAKER_SUCCESS;
    rl_duration taken = roll(run, 2) ? RL_NEVER : roll(run, 80);
    rl_duration length = taken != RL_NEVER ? taken : run->now > lent.at ? run->now - lent.at : 0;
    int slow = m->options.slow_call != 0 && length >= m->options.slow_call;

    law(run, rl_breaker_record(&run->breaker, ticket, outcome, taken, run->now) == RL_OK,
        "a report is taken");
    if (roll(run, 8) == 0) {
        law(run, rl_breaker_record(&run->breaker, ticket, outcome, taken, run->now) == RL_E_ENDED,
            "a ticket ends once");
        run->seen[SAW_TWICE]++;
    }
    m->out[which] = m->out[--m->outs];
    model_hears(run, &lent, outcome, slow);
}

static void interfere(struct run *run)
{
    struct model *m = &run->model;
    uint64_t mode = roll(run, 4);
    rl_time until = run->now + roll(run, 500);

    if (mode == 3) {
        law(run, rl_breaker_hold(&run->breaker, until) == RL_OK, "a hold is taken");
        if (m->state == RL_BREAKER_OPEN && until > m->open_until) {
            m->open_until = until;
            run->seen[SAW_HOLD]++;
        }
        return;
    }
    law(run, rl_breaker_force(&run->breaker, mode, run->now) == RL_OK, "force is taken");
    if (mode == m->mode)
        return;
    m->mode = mode;
    change_model(run, mode == RL_BREAKER_FORCED_OPEN ? RL_BREAKER_OPEN : RL_BREAKER_CLOSED,
                 RL_BREAKER_BY_FORCE);
}

/* Nothing older than the window counts; and all does that is younger than it less one part. */
static void check_bounds(struct run *run, const rl_breaker_status *status)
{
    const struct model *m = &run->model;
    rl_duration part = m->options.window / m->options.buckets;
    uint64_t most = 0, least = 0;

    if (m->options.form == RL_BREAKER_COUNT_WINDOW)
        run->seen[SAW_FULL_RING] += m->calls > m->options.window_calls;
    if (m->options.form != RL_BREAKER_TIME_WINDOW || run->stepped_back ||
        m->state != RL_BREAKER_CLOSED)
        return;
    for (size_t i = 0; i < m->calls; i++) {
        rl_duration age = run->now - m->call[i].at;

        most += age < m->options.window;
        least += age + part < m->options.window - m->options.window % m->options.buckets;
    }
    law(run, status->calls <= most && status->calls >= least, "the window's stated error");
    run->seen[SAW_OLD_BUCKET] += status->calls < m->calls;
}

static void check_status(struct run *run)
{
    struct model *m = &run->model;
    rl_breaker_status status = { .size = sizeof status };
    uint64_t tally[3] = { m->successes, 0, 0 };

    law(run, rl_breaker_get(&run->breaker, run->now, &status) == RL_OK, "it can be looked at");
    if (m->state != RL_BREAKER_HALF_OPEN)
        count_model(m, run->now, tally);
    law(run, status.state == m->state && status.mode == m->mode, "the state");
    law(run, status.generation == m->generation, "generations only grow");
    law(run, status.calls == tally[0] && status.failures == tally[1] && status.slow == tally[2],
        "what counts");
    law(run, status.open_until == m->open_until && status.times_opened == m->times_opened,
        "how long it is open");
    law(run, status.late == m->late && status.neutral == m->neutral && status.refused == m->refused,
        "what does not count");
    law(run, m->state != RL_BREAKER_HALF_OPEN || status.probes == places_taken(m, run->now),
        "who is out");
    check_bounds(run, &status);
}

static void check_events(struct run *run, uint64_t state, uint64_t generation, uint64_t events)
{
    const struct model *m = &run->model;

    law(run, run->events - events == m->generation - generation, "each change is told, once");
    if (m->generation == generation)
        return;
    law(run, run->heard.from == state || m->generation > generation + 1, "from where");
    law(run,
        run->heard.to == m->state && run->heard.generation == m->generation &&
            run->heard.open_until == (m->state == RL_BREAKER_OPEN ? m->open_until : 0),
        "to where");
}

static void step(struct run *run)
{
    struct model *m = &run->model;
    uint64_t state = m->state, generation = m->generation, events = run->events;

    move_clock(run);
    if (roll(run, 200) == 0)
        interfere(run);
    else if (m->outs == 0 || (m->outs < OUT_MOST && roll(run, 20) < 11))
        ask(run);
    else
        report(run);
    check_events(run, state, generation, events);
    check_status(run);
}

static void agrees_with_the_list_of_calls(void **ctx)
{
    uint64_t steps = number("LLMRL_PROPERTY_STEPS", 1000000);
    static struct run run;

    (void)ctx;
    run.seed = number("LLMRL_SEED", 20260101);
    run.dice.random = run.seed;
    for (run.step = 0; run.step < steps; run.step++) {
        if (run.step % SEQUENCE_LENGTH == 0)
            begin(&run);
        step(&run);
    }
    rl_breaker_deinit(&run.breaker);
    print_message("seed %" PRIu64 ", branches:", run.seed);
    for (int i = 0; i < BRANCHES; i++)
        print_message(" %" PRIu64, run.seen[i]);
    print_message("\n");
    for (int i = 0; i < BRANCHES; i++)
        if (run.seen[i] == 0) {
            print_error("branch %d never ran\n", i);
            fail();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(agrees_with_the_list_of_calls) };

    return cmocka_run_group_tests_name("prop_breaker", tests, NULL, NULL);
}
