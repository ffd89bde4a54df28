/* SPDX-License-Identifier: MIT */
/*
 * Reservations: what is promised is kept, nobody is harmed by a cancellation, and with all that is
 * on its way no window holds more than its bound. A third of the traffic also gives back, settles,
 * changes the limit and steps back with the clock: there, a twin that is told of each departure
 * when it is due says what must be left. LLMRL_PROPERTY_STEPS: how many decisions of each kind
 * (default 10^6); LLMRL_SEED: replays a run.
 */
#include "exact_outflow.h"
#include "limiter/prepared.h"
#include "traffic.h"

#include <llmrl/limiter.h>

#include <string.h>

#define SEQUENCE_LENGTH 120
#define WORDS           (1 + 2 * RL_STATE_WORDS_MAX)
#define BOOKINGS        5

enum kind { BY_BUCKET, BY_METER, BY_EPOCH, BY_FIRST, BY_LOG, BY_COUNTER, BY_OUTFLOW, KINDS };

enum branch {
    SAW_NOW,
    SAW_LATER,
    SAW_TOO_LATE,
    SAW_TABLE_FULL,
    SAW_TOO_LARGE,
    SAW_TAKE,
    SAW_BEHIND,
    SAW_CANCEL_LAST,
    SAW_CANCEL_MIDDLE,
    SAW_GIVE_BACK,
    SAW_SETTLE_AHEAD,
    SAW_SETTLE_LATE,
    SAW_CHANGE,
    SAW_STEP_BACK,
    SAW_QUIET,
    BRANCHES
};

struct departure {
    rl_time at;
    uint64_t cost;
    int cancelled;
};

struct run {
    struct traffic t;
    uint64_t seen[KINDS][BRANCHES];
    enum kind kind;
    rl_limit limit;
    rl_limiter limiter, twin; /* the twin books nothing: it is told each departure when it is due */
    uint64_t words[WORDS], twin_words[WORDS];
    struct exact_outflow outflow;
    int is_exact;
    int cancels; /* 2: gives back and so on, too, and windows are not looked at */
    struct departure departure[SEQUENCE_LENGTH + 1];
    size_t count, told;
};

static void fail_here(const struct run *run, const char *law)
{
    print_error("law broken: %s\n  LLMRL_SEED=%" PRIu64 " kind %d amount %" PRIu64
                " period %" PRIu64 " burst %" PRIu64 " now %" PRIu64 "\n",
                law, run->t.seed, run->kind, run->limit.amount, run->limit.period, run->limit.burst,
                run->t.now);
    fail();
}

#define LAW(run, holds, text)                                                                      \
    do {                                                                                           \
        if (!(holds))                                                                              \
            fail_here((run), (text));                                                              \
    } while (0)

static void draw_limit(struct run *run)
{
    static const char *const name[KINDS] = { "token_bucket", "leaky_meter",    "fixed_window",
                                             "fixed_window", "sliding_window", "sliding_counter",
                                             "leaky_bucket" };
    rl_limit limit = RL_LIMIT_INIT;
    struct traffic *t = &run->t;

    limit.algorithm = name[run->kind];
    limit.amount = roll(t, 2) ? 1 + roll(t, 12) : roll_bits(t, 30);
    limit.period = roll(t, 2) ? 1 + roll(t, 40) : roll_bits(t, 45);
    if (limit.amount > 32 * limit.period)
        limit.amount = 32 * limit.period;
    if (run->kind == BY_BUCKET || run->kind == BY_METER || run->kind == BY_OUTFLOW)
        limit.burst = 1 + roll(t, 2 * limit.amount);
    if (run->kind == BY_FIRST)
        limit.align = RL_ALIGN_FIRST;
    if (run->kind == BY_COUNTER)
        limit.parts = 1 + roll(t, 6);
    if (run->kind == BY_LOG)
        limit.parts = 2 + roll(t, 200);
    if (run->kind != BY_OUTFLOW)
        limit.bookings = roll(t, BOOKINGS + 1);
    run->limit = limit;
}

static void begin(struct run *run)
{
    struct traffic *t = &run->t;
    rl_limit alone;

    draw_limit(run);
    alone = run->limit;
    alone.bookings = 0;
    t->start = t->now = roll_bits(t, 50);
    t->hint = 0;
    t->period = run->limit.period;
    t->unit = t->period / run->limit.amount + 1;
    run->count = run->told = 0;
    run->cancels = (int)roll(t, 3);
    t->steps_back = run->cancels == 2;
    LAW(run,
        ((roll(t, 2) && rl_limiter_init(&run->limiter, &run->limit, t->now) == RL_OK) ||
         rl_limiter_init_at(&run->limiter, &run->limit, run->words, WORDS, t->now) == RL_OK) &&
            rl_limiter_init_at(&run->twin, &alone, run->twin_words, WORDS, t->now) == RL_OK,
        "a limit in range works");
    outflow_start(&run->outflow, &run->limit, t->now);
    run->is_exact = run->kind == BY_OUTFLOW && run->limiter.plan.word[6] == 0;
}

static void leaves(struct run *run, uint64_t cost, rl_time at)
{
    run->departure[run->count++] = (struct departure){ at, cost, 0 };
    if (run->kind == BY_OUTFLOW)
        outflow_leave(&run->outflow, cost, at);
}

static rl_time last_promise(const struct run *run)
{
    rl_time last = 0;

    for (size_t i = run->told; i < run->count; i++)
        if (!run->departure[i].cancelled && run->departure[i].at > last)
            last = run->departure[i].at;
    return last;
}

static uint64_t promises(const struct run *run)
{
    uint64_t ahead = 0;

    for (size_t i = run->told; i < run->count; i++)
        ahead += !run->departure[i].cancelled && run->departure[i].at > run->t.now;
    return ahead;
}

static uint64_t draw_cost(struct run *run)
{
    uint64_t most = run->limit.burst != 0 ? run->limit.burst : run->limit.amount;

    return roll(&run->t, 12) == 0 ? most + roll(&run->t, 2) : 1 + roll(&run->t, most / 2 + 1);
}

static void check_reserved(struct run *run, uint64_t cost, rl_time latest, rl_time at)
{
    LAW(run, at >= run->t.now && at <= latest, "a departure lies between now and the latest");
    LAW(run, at >= last_promise(run), "nobody is overtaken");
    if (run->is_exact && !run->cancels)
        LAW(run, at == outflow_departure(&run->outflow, run->t.now), "it leaves as soon as it can");
    run->seen[run->kind][at == run->t.now ? SAW_NOW : SAW_LATER]++;
    leaves(run, cost, at);
}

static void check_not_reserved(struct run *run, uint64_t cost, rl_time latest, rl_status got,
                               rl_time at)
{
    uint64_t *seen = run->seen[run->kind];

    LAW(run, got == RL_WAIT || at == RL_NEVER, "an error names no time");
    LAW(run, got != RL_WAIT || run->kind == BY_OUTFLOW || at > latest, "what is in time is booked");
    if (got == RL_E_TOO_LARGE)
        LAW(run, rl_limiter_peek(&run->limiter, cost, run->t.now, NULL) == got, "too large is so");
    if (got == RL_E_TABLE_FULL)
        LAW(run,
            rl_limiter_when(&run->limiter, cost, run->t.now) <= latest &&
                promises(run) == run->limit.bookings,
            "a list that is full is the reason, and the only one");
    if (run->is_exact && !run->cancels && got == RL_WAIT && at <= latest)
        LAW(run,
            !outflow_has_room(&run->outflow, cost, at - 1) &&
                outflow_has_room(&run->outflow, cost, at),
            "the backlog has room when told");
    run->t.hint = got == RL_WAIT ? at : run->t.hint;
    seen[got == RL_E_TOO_LARGE ? SAW_TOO_LARGE : got == RL_WAIT ? SAW_TOO_LATE : SAW_TABLE_FULL]++;
}

static void reserve(struct run *run)
{
    uint64_t cost = draw_cost(run);
    rl_time at = 1, when = rl_limiter_when(&run->limiter, cost, run->t.now);
    rl_time latest = roll(&run->t, 2) ? RL_NEVER : run->t.now + roll(&run->t, 3 * run->t.period);
    rl_status got;

    if (roll(&run->t, 3) == 0 && when > run->t.now)
        latest = when - roll(&run->t, 2); /* just in time, or just not */
    got = rl_limiter_reserve(&run->limiter, cost, run->t.now, latest, &at);
    if (got == RL_OK) {
        LAW(run, at == when, "the earliest time is that of a reservation");
        check_reserved(run, cost, latest, at);
    } else {
        check_not_reserved(run, cost, latest, got, at);
    }
}

static void take(struct run *run)
{
    uint64_t cost = draw_cost(run);
    rl_time retry_at;
    int short_way = run->kind == BY_BUCKET && run->limit.bookings == 0 &&
                    run->limiter.outside == NULL && cost <= run->limiter.plan.word[2];
    struct rl__prepared prepared;
    int ready = cost > 0 && rl__limiter_prepare(&run->limiter, cost, run->t.now, &prepared);
    rl_status got;

    LAW(run,
        ready == (cost > 0 && short_way &&
                  rl_limiter_peek(&run->limiter, cost, run->t.now, NULL) == RL_OK),
        "only a bucket of one word in place is prepared");
    got = rl_limiter_take(&run->limiter, cost, run->t.now, &retry_at);
    if (last_promise(run) > run->t.now) {
        LAW(run, got != RL_OK, "nobody overtakes a promise");
        run->seen[run->kind][SAW_BEHIND]++;
    }
    if (got == RL_WAIT) {
        LAW(run, rl_limiter_peek(&run->limiter, cost, retry_at - 1, NULL) == RL_WAIT,
            "one nanosecond before retry_at is a no");
        LAW(run, rl_limiter_peek(&run->limiter, cost, retry_at, NULL) == RL_OK,
            "retry_at is a yes");
        run->t.hint = retry_at;
    }
    if (got == RL_OK) {
        run->seen[run->kind][SAW_TAKE]++;
        leaves(run, cost, run->t.now);
    }
}

static void cancel(struct run *run)
{
    size_t index = run->count - 1 - roll(&run->t, run->count < 4 ? run->count : 4);
    struct departure *d = &run->departure[index];

    if (d->cancelled || d->at < run->t.now || index < run->told)
        return;
    if (d->at == run->t.now && run->kind != BY_OUTFLOW) /* it has left: the twin knows, too */
        return;
    d->cancelled = 1;
    rl_limiter_cancel(&run->limiter, d->cost, d->at, run->t.now);
    run->seen[run->kind][index == run->count - 1 ? SAW_CANCEL_LAST : SAW_CANCEL_MIDDLE]++;
}

/* What is promised is not shown as there; and full is when all have left and all is back. */
static void check_promises(struct run *run)
{
    static uint64_t words[WORDS];
    rl_limiter later = run->twin;
    rl_level shown, now, behind;
    rl_time last = last_promise(run);
    int64_t promised = 0;

    memcpy(words, run->twin_words, sizeof words);
    later.outside = words;
    rl_limiter_snapshot(&run->limiter, run->t.now, &shown);
    rl_limiter_snapshot(&run->twin, run->t.now, &now);
    for (size_t i = run->told; i < run->count; i++)
        if (!run->departure[i].cancelled) {
            promised += (int64_t)run->departure[i].cost;
            rl_limiter_charge(&later, run->departure[i].cost, run->departure[i].at);
        }
    rl_limiter_snapshot(&later, last, &behind);
    LAW(run, shown.remaining == now.remaining - promised, "what is promised is taken off");
    LAW(run, rl__limiter_remaining(&run->limiter, run->t.now) == shown.remaining,
        "by the short way, too");
    LAW(run, shown.full_in == last - run->t.now + behind.full_in, "full when all is back");
}

/* Tells the twin what is due; then both must show the same, if nothing lies ahead. */
static void compare_with_twin(struct run *run)
{
    rl_level a, b;

    if (run->cancels == 2 && run->kind != BY_OUTFLOW) /* so that what has left stays so */
        rl_limiter_give_back(&run->limiter, 0, run->t.now);
    for (; run->told < run->count; run->told++) {
        const struct departure *next = &run->departure[run->told];

        if (!next->cancelled && next->at > run->t.now)
            break;
        if (!next->cancelled)
            rl_limiter_charge(&run->twin, next->cost, next->at);
    }
    if (run->kind == BY_OUTFLOW)
        return;
    if (run->cancels == 2)
        rl_limiter_give_back(&run->twin, 0, run->t.now); /* as above */
    if (last_promise(run) > run->t.now) {
        check_promises(run);
        return;
    }
    rl_limiter_snapshot(&run->limiter, run->t.now, &a);
    rl_limiter_snapshot(&run->twin, run->t.now, &b);
    LAW(run, a.remaining == b.remaining && a.full_in == b.full_in,
        "what was cancelled leaves no trace");
    LAW(run, rl__limiter_remaining(&run->limiter, run->t.now) == a.remaining,
        "by the short way, too");
    run->seen[run->kind][SAW_QUIET]++;
}

static void give_back(struct run *run)
{
    uint64_t units = 1 + roll(&run->t, run->limit.amount);

    if (run->kind == BY_OUTFLOW || run->cancels < 2)
        return;
    compare_with_twin(run);
    rl_limiter_give_back(&run->limiter, units, run->t.now);
    rl_limiter_give_back(&run->twin, units, run->t.now);
    run->seen[run->kind][SAW_GIVE_BACK]++;
}

/* A booking that lies ahead shrinks or grows; one that has left is settled. */
static void settle(struct run *run)
{
    size_t index = run->count - 1 - roll(&run->t, run->count < 4 ? run->count : 4);
    struct departure *d = &run->departure[index];
    uint64_t used = roll(&run->t, d->cost + 3);

    if (run->kind == BY_OUTFLOW || run->cancels < 2 || d->cancelled)
        return;
    compare_with_twin(run);
    if (index < run->told && d->at > run->t.now)
        return; /* the clock has stepped back before it */
    rl_limiter_settle(&run->limiter, d->cost, used, d->at, run->t.now);
    if (index < run->told)
        rl_limiter_settle(&run->twin, d->cost, used, d->at, run->t.now);
    run->seen[run->kind][index < run->told ? SAW_SETTLE_LATE : SAW_SETTLE_AHEAD]++;
    d->cost = used;
    d->cancelled = used == 0;
}

static void change(struct run *run)
{
    rl_limit after = run->limit, alone;

    if (run->kind == BY_OUTFLOW || run->cancels < 2)
        return;
    after.amount = after.amount / 2 + 1 + roll(&run->t, after.amount);
    if (after.amount > 32 * after.period)
        return;
    compare_with_twin(run);
    alone = after;
    alone.bookings = 0;
    if (rl_limiter_change(&run->limiter, &after, run->t.now) != RL_OK)
        return; /* too much for one word */
    LAW(run, rl_limiter_change(&run->twin, &alone, run->t.now) == RL_OK, "a change works");
    run->limit = after;
    run->seen[run->kind][SAW_CHANGE]++;
}

static exact most_in(const struct run *run, rl_duration span, uint64_t last)
{
    exact amount = (exact)run->limit.amount, period = (exact)run->limit.period;

    switch (run->kind) {
    case BY_BUCKET:
    case BY_METER:
        return (exact)run->limit.burst * period + (exact)span * amount;
    case BY_OUTFLOW:
        return (exact)last * period + ((exact)span + 1) * amount;
    case BY_EPOCH:
    case BY_FIRST:
        return amount * (2 + (exact)(span / run->limit.period)) * period;
    default:
        return span < run->limit.period ? amount * period : INT64_MAX * period;
    }
}

/* All that has left or will leave, in order of time: that is the order in which it was promised. */
static void check_windows(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        exact sum = 0;

        for (size_t k = i; k < run->count; k++) {
            const struct departure *from = &run->departure[i], *to = &run->departure[k];

            if (from->cancelled || to->cancelled)
                continue;
            sum += (exact)to->cost * (exact)run->limit.period;
            LAW(run, sum <= most_in(run, to->at - from->at, to->cost),
                "no window holds more than its bound");
        }
    }
}

static void run_kind(struct run *run, uint64_t steps)
{
    begin(run);
    for (uint64_t i = 0; i < steps; i++) {
        if (i % SEQUENCE_LENGTH == SEQUENCE_LENGTH - 1) {
            if (run->cancels < 2)
                check_windows(run);
            begin(run);
        }
        run->seen[run->kind][SAW_STEP_BACK] += (uint64_t)traffic_move(&run->t);
        compare_with_twin(run);
        if (roll(&run->t, 2))
            reserve(run);
        else
            take(run);
        compare_with_twin(run); /* what left now has left, even if the clock steps back */
        if (roll(&run->t, 4) == 0 && run->count > 0 && run->cancels)
            cancel(run);
        if (roll(&run->t, 30) == 0)
            give_back(run);
        if (roll(&run->t, 20) == 0 && run->count > 0)
            settle(run);
        if (roll(&run->t, 50) == 0)
            change(run);
    }
}

static void bookings_are_kept(void **ctx)
{
    uint64_t steps = number_from("LLMRL_PROPERTY_STEPS", 1000000);
    static struct run run;

    (void)ctx;
    traffic_begin(&run.t, 20260103);
    for (int kind = 0; kind < KINDS; kind++) {
        run.kind = (enum kind)kind;
        run_kind(&run, steps);
    }
    for (int kind = 0; kind < KINDS && steps >= 50000; kind++)
        for (int k = 0; k < BRANCHES; k++) {
            int other = kind == BY_OUTFLOW &&
                        (k == SAW_TABLE_FULL || k == SAW_GIVE_BACK || k == SAW_QUIET ||
                         k == SAW_SETTLE_AHEAD || k == SAW_SETTLE_LATE || k == SAW_CHANGE);

            if (run.seen[kind][k] == 0 && !other) {
                print_error("kind %d: branch %d never ran\n", kind, k);
                fail();
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bookings_are_kept),
    };
    return cmocka_run_group_tests_name("prop_bookings", tests, NULL, NULL);
}
