/* SPDX-License-Identifier: MIT */
/*
 * The leaky bucket against exact outflow, under random traffic: takes, reservations, part of them
 * given up, charges, levels from outside, other limits, a clock that steps back. Where the ticks of
 * the limiter are exact, so is every answer; where they are not, it is off by a few of them.
 * LLMRL_PROPERTY_STEPS: how many decisions (default 10^6); LLMRL_SEED: replays a run.
 */
#include "exact_outflow.h"
#include "traffic.h"

#include <llmrl/limiter.h>

#include <string.h>

#define SEQUENCE_LENGTH 200
#define TICKS_OFF_MAX   9 /* slack 3, reading 3, leeway 3, as in prop_token_bucket */

enum branch {
    SAW_GRANT,
    SAW_WAIT,
    SAW_TOO_LARGE,
    SAW_NOW,
    SAW_LATER,
    SAW_NOT_BY_THEN,
    SAW_BACKLOG_FULL,
    SAW_UNDONE,
    SAW_PARTLY,
    SAW_NOT_THE_LAST,
    SAW_CHARGE,
    SAW_SET_LEVEL,
    SAW_STEP_BACK,
    SAW_CHANGE,
    SAW_EXACT,
    SAW_INEXACT,
    SAW_OFF,
    BRANCHES
};

struct run {
    struct traffic t;
    uint64_t seen[BRANCHES];
    rl_limit limit;
    rl_limiter limiter;
    struct exact_outflow model;
    int is_exact;
    rl_duration off; /* ns that a moment may be early or late */
    rl_time last_at; /* the last departure */
    uint64_t last_cost;
};

static void fail_here(const struct run *run, const char *law)
{
    print_error("law broken: %s\n  LLMRL_SEED=%" PRIu64 " amount %" PRIu64 " period %" PRIu64
                " burst %" PRIu64 " now %" PRIu64 " word %" PRIu64 "\n",
                law, run->t.seed, run->limit.amount, run->limit.period, run->limit.burst,
                run->t.now, run->limiter.word[0]);
    fail();
}

#define LAW(run, holds, text)                                                                      \
    do {                                                                                           \
        if (!(holds))                                                                              \
            fail_here((run), (text));                                                              \
    } while (0)

/* So much that it would flow for longer than there is time. */
static int flows_for_ever(const rl_limit *limit)
{
    return (exact)limit->burst * (exact)limit->period / (exact)limit->amount > (exact)FAR;
}

static void draw_limit(struct run *run)
{
    struct traffic *t = &run->t;
    rl_limit limit = RL_LIMIT_INIT;

    limit.algorithm = "leaky_bucket";
    switch (roll(t, 4)) {
    case 0: /* tiny: here every rounding shows */
        limit.amount = 1 + roll(t, 12);
        limit.period = 1 + roll(t, 40);
        limit.burst = 1 + roll(t, 12);
        break;
    case 1: /* real */
        limit.amount = (1 + roll(t, 99)) * (uint64_t[]){ 1, 10, 500, 1000000 }[roll(t, 4)];
        limit.period = (uint64_t[]){ RL_SECOND, RL_MINUTE, RL_HOUR, RL_DAY }[roll(t, 4)];
        limit.burst = roll(t, 2) ? 0 : 1 + roll(t, limit.amount);
        break;
    case 2: /* the ends: one a month, 10^12 a minute, 2^53 */
        limit.amount = (uint64_t[]){ 1, UINT64_C(1000000000000), RL_AMOUNT_MAX }[roll(t, 3)];
        limit.period = (uint64_t[]){ RL_MINUTE, 30 * RL_DAY, 3650 * RL_DAY }[roll(t, 3)];
        break;
    default:
        limit.amount = roll_bits(t, 40);
        limit.period = roll_bits(t, 50);
        limit.burst = roll_bits(t, 40);
        break;
    }
    if (limit.amount > 32 * limit.period)
        limit.amount = 32 * limit.period;
    if (flows_for_ever(&limit))
        limit.burst = 0;
    run->limit = limit;
}

/* Nanoseconds of so many ticks, rounded up, and one for the rounding of a departure. */
static rl_duration in_time(const struct run *run, uint64_t ticks)
{
    const uint64_t *plan = run->limiter.plan.word; /* 0 amount, 1 period, 3 ticks a unit */
    exact per_tick = (exact)plan[3] * (exact)plan[0];

    return (rl_duration)(((exact)ticks * (exact)plan[1] + per_tick - 1) / per_tick) + 1;
}

static void look_at_plan(struct run *run)
{
    run->is_exact = run->limiter.plan.word[6] == 0;
    run->off = run->is_exact ? 0 : in_time(run, TICKS_OFF_MAX);
    run->t.period = run->limit.period;
    run->t.unit = run->limit.period / run->limit.amount + 1;
    run->last_cost = 0;
    run->seen[run->is_exact ? SAW_EXACT : SAW_INEXACT]++;
}

static void begin(struct run *run)
{
    struct traffic *t = &run->t;

    draw_limit(run);
    t->start = t->now = roll_bits(t, 50);
    t->hint = 0;
    t->steps_back = (int)roll(t, 2);
    LAW(run, rl_limiter_init(&run->limiter, &run->limit, t->now) == RL_OK,
        "a limit in range works");
    look_at_plan(run);
    outflow_start(&run->model, &run->limit, t->now);
}

static uint64_t draw_cost(struct run *run)
{
    uint64_t most = run->limiter.plan.word[2];

    return roll(&run->t, 10) == 0 ? most + roll(&run->t, 2) : 1 + roll(&run->t, most / 3 + 1);
}

static int is_that(struct run *run, rl_time got, rl_time want)
{
    run->seen[SAW_OFF] += got != want;
    return got <= want + run->off && want <= got + run->off;
}

/* Where the outflow begins at a rounded moment, all that is off is off from there. */
static void leaves(struct run *run, uint64_t cost, rl_time at)
{
    outflow_leave(&run->model, cost, at);
    run->last_at = at;
    run->last_cost = cost;
}

static void take(struct run *run)
{
    uint64_t cost = draw_cost(run);
    rl_time want = outflow_departure(&run->model, run->t.now), retry_at;
    rl_limiter before = run->limiter;
    rl_status got = rl_limiter_take(&run->limiter, cost, run->t.now, &retry_at);

    if (got != RL_OK)
        LAW(run, memcmp(&before, &run->limiter, sizeof before) == 0, "a refusal writes nothing");
    LAW(run, (got == RL_E_TOO_LARGE) == ((exact)cost > run->model.burst), "too large is too large");
    run->seen[got == RL_OK ? SAW_GRANT : got == RL_WAIT ? SAW_WAIT : SAW_TOO_LARGE]++;
    if (got == RL_E_TOO_LARGE)
        return;
    LAW(run, is_that(run, retry_at, want), "it leaves when all has flowed out, or is told when");
    if (got == RL_OK) {
        leaves(run, cost, run->t.now);
        return;
    }
    LAW(run, retry_at > run->t.now, "retry_at lies ahead");
    LAW(run, rl_limiter_peek(&run->limiter, cost, retry_at - 1, NULL) == RL_WAIT,
        "one nanosecond before retry_at is a no");
    LAW(run, rl_limiter_peek(&run->limiter, cost, retry_at, NULL) == RL_OK, "retry_at is a yes");
    run->t.hint = retry_at;
}

/* The first moment from `now` on at which the backlog has room. */
static rl_time room_at(const struct run *run, uint64_t cost)
{
    const struct exact_outflow *m = &run->model;
    exact over = m->empty + ((exact)cost - m->burst) * m->period - (exact)run->t.now * m->amount;

    if (outflow_has_room(m, cost, run->t.now))
        return run->t.now;
    return run->t.now + (rl_time)((over + m->amount - 1) / m->amount);
}

static void check_reserved(struct run *run, uint64_t cost, rl_time at, rl_time latest)
{
    LAW(run, at <= latest, "it leaves in time");
    LAW(run, is_that(run, at, outflow_departure(&run->model, run->t.now)),
        "it leaves as soon as it can");
    LAW(run, room_at(run, cost) <= run->t.now + run->off, "there was room for it");
    run->seen[at == run->t.now ? SAW_NOW : SAW_LATER]++;
    leaves(run, cost, at);
}

static void reserve(struct run *run)
{
    uint64_t cost = draw_cost(run);
    rl_time want = outflow_departure(&run->model, run->t.now), room = room_at(run, cost), at = 1;
    rl_time latest = roll(&run->t, 3) || want == run->t.now ? RL_NEVER : want - roll(&run->t, 2);
    rl_status got = rl_limiter_reserve(&run->limiter, cost, run->t.now, latest, &at);

    LAW(run, (got == RL_E_TOO_LARGE) == ((exact)cost > run->model.burst), "too large is too large");
    if (got == RL_OK) {
        check_reserved(run, cost, at, latest);
    } else if (got == RL_WAIT && at > latest && room <= run->t.now + run->off) {
        LAW(run, is_that(run, at, want), "it is told when it could leave");
        run->seen[SAW_NOT_BY_THEN]++;
    } else if (got == RL_WAIT) {
        LAW(run, room > run->t.now || run->off > 0, "without room it waits");
        LAW(run, is_that(run, at, room), "it is told when there is room");
        run->t.hint = at;
        run->seen[SAW_BACKLOG_FULL]++;
    }
}

/* Whether what left at `at` is the last. Where units flow out within a nanosecond, nobody can tell.
 */
static int was_last(const struct run *run, uint64_t cost, rl_time at)
{
    const struct exact_outflow *m = &run->model;
    exact begun = m->empty - (exact)cost * m->period;

    return m->amount < m->period && begun <= (exact)at * m->amount &&
           (at == 0 || begun > ((exact)at - 1) * m->amount);
}

/* What the last one does not use is the next one's; of any other it is lost. */
static void give_up(struct run *run)
{
    uint64_t cost = run->last_cost, used = roll(&run->t, 2) ? 0 : roll(&run->t, cost + 1);
    uint64_t before = run->limiter.word[0];
    rl_time at = run->last_at + (roll(&run->t, 4) == 0 ? 1 + roll(&run->t, 9) : 0);
    int is_last;

    if (at > 9 && roll(&run->t, 4) == 0)
        at -= roll(&run->t, 9);
    is_last = was_last(run, cost, at);
    if (cost == 0 || used == cost || !run->is_exact)
        return;
    if (used == 0 && at == run->t.now && roll(&run->t, 2))
        rl_limiter_give_back(&run->limiter, cost, at);
    else
        rl_limiter_settle(&run->limiter, cost, used, at, run->t.now);
    LAW(run, (run->limiter.word[0] != before) == is_last, "the last one alone is undone");
    run->seen[!is_last ? SAW_NOT_THE_LAST : used > 0 ? SAW_PARTLY : SAW_UNDONE]++;
    if (is_last)
        run->model.empty -= (exact)(cost - used) * run->model.period;
    run->last_cost = 0;
}

static void charge(struct run *run)
{
    uint64_t units = 1 + roll(&run->t, run->limiter.plan.word[2] / 4 + 1);
    exact now = (exact)run->t.now * run->model.amount;

    if (run->model.empty - now > 4 * run->model.burst * run->model.period)
        return; /* saturation has its own test */
    if (roll(&run->t, 2))
        rl_limiter_charge(&run->limiter, units, run->t.now);
    else /* it was more than was taken */
        rl_limiter_settle(&run->limiter, 2, 2 + units, run->t.now, run->t.now);
    if (run->model.empty < now)
        run->model.empty = now;
    run->model.empty += (exact)units * run->model.period;
    run->last_cost = 0;
    run->seen[SAW_CHARGE]++;
}

static void set_level(struct run *run)
{
    int64_t burst = (int64_t)run->limiter.plan.word[2];
    int64_t level = (int64_t)roll(&run->t, (uint64_t)burst + 3) - (int64_t)roll(&run->t, 2) * burst;
    exact used = level > burst ? 0 : (exact)burst - level;

    rl_limiter_set_level(&run->limiter, level, run->t.now);
    run->model.empty = (exact)run->t.now * run->model.amount + used * run->model.period;
    run->last_cost = 0;
    run->seen[SAW_SET_LEVEL]++;
}

/* What flows or waits stays, and flows as the new limit has it. */
static void change(struct run *run)
{
    rl_limit after = run->limit;
    struct exact_outflow *m = &run->model;
    exact used = m->empty - (exact)run->t.now * m->amount, old = m->period;
    int was_exact = run->is_exact;

    after.burst = 1 + roll(&run->t, 2 * run->limiter.plan.word[2] + 1);
    if (roll(&run->t, 2))
        after.period = 1 + roll(&run->t, 2 * after.period);
    if (after.burst > RL_AMOUNT_MAX || after.amount > 32 * after.period ||
        after.period > 3650 * RL_DAY || flows_for_ever(&after) || used > 4 * m->burst * m->period)
        return;
    LAW(run, rl_limiter_change(&run->limiter, &after, run->t.now) == RL_OK, "a change works");
    run->limit = after;
    look_at_plan(run);
    outflow_start(m, &run->limit, run->t.now);
    if (used > 0)
        m->empty += used / old * m->period + used % old * m->period / old;
    if (!was_exact || !run->is_exact || (exact)after.period != old)
        run->off = 2 * run->off + in_time(run, TICKS_OFF_MAX) + after.period / after.amount + 2;
    run->is_exact = run->is_exact && run->off == 0;
    run->seen[SAW_CHANGE]++;
}

static void disturb(struct run *run)
{
    switch (roll(&run->t, 8)) {
    case 0:
        charge(run);
        break;
    case 1:
        set_level(run);
        break;
    case 2:
        change(run);
        break;
    default:
        give_up(run);
        break;
    }
}

static void agrees_with_exact_outflow(void **ctx)
{
    uint64_t steps = number_from("LLMRL_PROPERTY_STEPS", 1000000);
    static struct run run;

    (void)ctx;
    traffic_begin(&run.t, 20260106);
    for (uint64_t i = 0; i < steps; i++) {
        if (i % SEQUENCE_LENGTH == 0)
            begin(&run);
        run.seen[SAW_STEP_BACK] += (uint64_t)traffic_move(&run.t);
        if (roll(&run.t, 2))
            take(&run);
        else
            reserve(&run);
        if (roll(&run.t, 6) == 0)
            disturb(&run);
    }
    for (int i = 0; i < BRANCHES && steps >= 20000; i++)
        if (run.seen[i] == 0) {
            print_error("branch %d never ran\n", i);
            fail();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_exact_outflow),
    };
    return cmocka_run_group_tests_name("prop_outflow", tests, NULL, NULL);
}
