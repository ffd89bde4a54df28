/* SPDX-License-Identifier: MIT */
/*
 * Several limiters as one against the same limiters asked one by one, under random traffic: all are
 * taken from or none, who refuses is named, and the time told is the first at which all agree.
 * LLMRL_PROPERTY_STEPS: how many decisions (default 10^6); LLMRL_SEED: replays a run.
 */
#include "traffic.h"

#include <llmrl/limiter.h>

#include <string.h>

#define SEQUENCE_LENGTH 100
#define MOST            4
#define WORDS           64

static const char *const algorithm[] = { "token_bucket", "leaky_meter",    "leaky_bucket",
                                         "fixed_window", "sliding_window", "sliding_counter",
                                         "concurrency" };
#define ALGORITHMS (sizeof algorithm / sizeof algorithm[0])

enum branch {
    SAW_GRANT,
    SAW_WAIT,
    SAW_TOO_LARGE,
    SAW_FIRST,
    SAW_LATER_ONE,
    SAW_TWICE,
    SAW_UNDONE,
    SAW_GIVE_BACK,
    SAW_CHANGE,
    SAW_STEP_BACK,
    BRANCHES
};

/* One limiter, and all that there is of it. */
struct member {
    rl_limit limit;
    rl_limiter limiter;
    uint64_t words[WORDS];
};

struct run {
    struct traffic t;
    uint64_t seen[BRANCHES];
    struct member member[MOST], twin[MOST]; /* each twin is told what became of it */
    rl_share share[MOST];
    size_t count;
    int twice; /* the last one is the first once more */
};

static void fail_here(const struct run *run, const char *law)
{
    print_error("law broken: %s\n  LLMRL_SEED=%" PRIu64 " now %" PRIu64 ", %zu of them:\n", law,
                run->t.seed, run->t.now, run->count);
    for (size_t i = 0; i < run->count; i++)
        print_error("  %s amount %" PRIu64 " period %" PRIu64 " cost %" PRIu64 "\n",
                    run->member[i].limit.algorithm, run->member[i].limit.amount,
                    run->member[i].limit.period, run->share[i].cost);
    fail();
}

#define LAW(run, holds, text)                                                                      \
    do {                                                                                           \
        if (!(holds))                                                                              \
            fail_here((run), (text));                                                              \
    } while (0)

static void begin_one(struct run *run, size_t i)
{
    struct traffic *t = &run->t;
    struct member *both[2] = { &run->member[i], &run->twin[i] };
    rl_limit limit = RL_LIMIT_INIT;

    limit.algorithm = algorithm[roll(t, ALGORITHMS)];
    limit.amount = 1 + roll(t, 40);
    limit.period = 1 + (roll(t, 2) ? roll(t, 100) : roll_bits(t, 40));
    if (limit.amount > 32 * limit.period)
        limit.amount = 32 * limit.period;
    limit.parts = 2 + roll(t, 12);
    t->period = limit.period;
    t->unit = limit.period / limit.amount + 1;
    for (int k = 0; k < 2; k++) {
        memset(both[k]->words, 0, sizeof both[k]->words);
        both[k]->limit = limit;
        LAW(run,
            rl_limiter_init_at(&both[k]->limiter, &limit, both[k]->words, WORDS, t->now) == RL_OK,
            "a limit in range works");
    }
}

static void begin(struct run *run)
{
    struct traffic *t = &run->t;

    t->start = t->now = roll_bits(t, 50);
    t->hint = 0;
    t->steps_back = (int)roll(t, 2);
    run->count = 1 + roll(t, MOST);
    run->twice = run->count > 1 && roll(t, 4) == 0;
    for (size_t i = 0; i < run->count; i++)
        begin_one(run, i);
}

static void draw_shares(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        uint64_t amount = run->member[i].limit.amount;
        uint64_t cost = roll(&run->t, 40) == 0 ? amount + 1 : roll(&run->t, amount / 2 + 2);

        run->share[i] = (rl_share){ &run->member[i].limiter, cost };
    }
    if (run->twice)
        run->share[run->count - 1].limiter = &run->member[0].limiter;
}

static rl_limiter *twin_of(struct run *run, size_t i)
{
    return &run->twin[run->twice && i == run->count - 1 ? 0 : i].limiter;
}

/* By asking each: the first that can never, else the one that takes longest. */
static rl_status ask_each(struct run *run, rl_time now, rl_time *retry_at, size_t *refused)
{
    rl_status sum = RL_OK;

    *retry_at = now;
    *refused = run->count;
    for (size_t i = 0; i < run->count; i++) {
        rl_time at;
        rl_status st = rl_limiter_peek(twin_of(run, i), run->share[i].cost, now, &at);

        if (st == RL_OK || (st == RL_WAIT && sum == RL_WAIT && at <= *retry_at))
            continue;
        sum = st;
        *retry_at = at;
        *refused = i;
        if (st != RL_WAIT)
            break;
    }
    return sum;
}

static int same_levels(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        rl_level a, b;

        rl_limiter_snapshot(&run->member[i].limiter, run->t.now, &a);
        rl_limiter_snapshot(&run->twin[i].limiter, run->t.now, &b);
        if (a.remaining != b.remaining || a.full_in != b.full_in)
            return 0;
    }
    return 1;
}

/* One that is asked for twice can say yes to each and no to both: then nothing is taken. What was
 * is given back, up to the rounding of a bucket's ticks; an outflow too fast to tell the last is
 * lost.
 */
static void check_twice(struct run *run, rl_status got, size_t refused)
{
    rl_level a, b;

    run->seen[SAW_UNDONE]++;
    LAW(run, run->twice && got == RL_WAIT && refused == run->count - 1, "nobody else was faster");
    for (size_t i = 0; i < run->count; i++) {
        rl_limiter_snapshot(&run->member[i].limiter, run->t.now, &a);
        rl_limiter_snapshot(&run->twin[i].limiter, run->t.now, &b);
        LAW(run,
            a.remaining <= b.remaining &&
                (a.remaining + 3 >= b.remaining ||
                 strcmp(run->member[i].limit.algorithm, "leaky_bucket") == 0),
            "what was taken is undone");
        run->twin[i] = run->member[i]; /* an idle one may have been moved to now */
        run->twin[i].limiter.outside =
            run->member[i].limiter.outside != NULL ? run->twin[i].words : NULL;
    }
}

static void check_peek(struct run *run, rl_status want, rl_time want_at, size_t want_refused)
{
    static struct member before[MOST];
    rl_time at = 1;
    size_t refused = 99;

    memcpy(before, run->member, sizeof before);
    LAW(run, rl_limiters_peek(run->share, run->count, run->t.now, &at, &refused) == want,
        "peek says what each says");
    LAW(run, at == want_at && refused == want_refused, "and when, and who");
    LAW(run, memcmp(before, run->member, sizeof before) == 0, "peek writes nothing");
}

static void check_taken(struct run *run)
{
    for (size_t i = 0; i < run->count; i++)
        LAW(run, rl_limiter_take(twin_of(run, i), run->share[i].cost, run->t.now, NULL) == RL_OK,
            "all of them agreed");
    LAW(run, same_levels(run), "all were taken from");
    run->seen[SAW_GRANT]++;
    run->seen[SAW_TWICE] += (uint64_t)run->twice;
}

static void check_refused(struct run *run, rl_status got, rl_time at, size_t refused)
{
    LAW(run, same_levels(run), "none was taken from");
    run->seen[got == RL_WAIT ? SAW_WAIT : SAW_TOO_LARGE]++;
    run->seen[refused == 0 ? SAW_FIRST : SAW_LATER_ONE]++;
    if (got != RL_WAIT || at == RL_NEVER)
        return;
    run->t.hint = at;
    LAW(run, rl_limiters_peek(run->share, run->count, at, NULL, NULL) == RL_OK,
        "at the time told all agree");
    LAW(run, rl_limiters_peek(run->share, run->count, at - 1, NULL, NULL) == RL_WAIT,
        "and not a nanosecond before");
}

static void decide(struct run *run)
{
    static struct member before[MOST];
    rl_time want_at, at = 1;
    size_t want_refused, refused = 99;
    rl_status want, got;

    draw_shares(run);
    want = ask_each(run, run->t.now, &want_at, &want_refused);
    check_peek(run, want, want_at, want_refused);
    memcpy(before, run->member, sizeof before);
    got = rl_limiters_take(run->share, run->count, run->t.now, &at, &refused);
    if (want != RL_OK)
        LAW(run, memcmp(before, run->member, sizeof before) == 0, "a refusal writes nothing");
    if (got != want) {
        check_twice(run, got, refused);
        return;
    }
    LAW(run, at == want_at && refused == want_refused, "take says when, and who");
    if (got == RL_OK)
        check_taken(run);
    else
        check_refused(run, got, at, refused);
}

static void disturb(struct run *run)
{
    size_t i = roll(&run->t, run->count);
    rl_limit limit = run->member[i].limit;
    uint64_t units = 1 + roll(&run->t, limit.amount);

    if (roll(&run->t, 4) > 0) {
        rl_limiter_give_back(&run->member[i].limiter, units, run->t.now);
        rl_limiter_give_back(&run->twin[i].limiter, units, run->t.now);
        run->seen[SAW_GIVE_BACK]++;
        return;
    }
    limit.amount = limit.amount / 2 + units;
    if (limit.amount > 32 * limit.period)
        return;
    LAW(run,
        rl_limiter_change(&run->member[i].limiter, &limit, run->t.now) ==
            rl_limiter_change(&run->twin[i].limiter, &limit, run->t.now),
        "the same change");
    run->member[i].limit = limit;
    run->seen[SAW_CHANGE]++;
}

static void all_or_none(void **ctx)
{
    uint64_t steps = number_from("LLMRL_PROPERTY_STEPS", 1000000);
    static struct run run;

    (void)ctx;
    traffic_begin(&run.t, 20260107);
    for (uint64_t i = 0; i < steps; i++) {
        if (i % SEQUENCE_LENGTH == 0)
            begin(&run);
        run.seen[SAW_STEP_BACK] += (uint64_t)traffic_move(&run.t);
        decide(&run);
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
        cmocka_unit_test(all_or_none),
    };
    return cmocka_run_group_tests_name("prop_several", tests, NULL, NULL);
}
