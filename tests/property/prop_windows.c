/* SPDX-License-Identifier: MIT */
/*
 * Windows and concurrency against plain lists of what happened, under the same random traffic.
 * LLMRL_PROPERTY_STEPS: how many decisions of each kind (default 10^6); LLMRL_SEED: replays a run.
 */
#include "reference.h"
#include "system_calendar.h"
#include "traffic.h"

#define SEQUENCE_LENGTH 150
#define WORDS           (1 + 2 * RL_STATE_WORDS_MAX)
#define WINDOW_LENGTH   24

__extension__ typedef __int128 exact;

enum branch {
    SAW_GRANT,
    SAW_WAIT,
    SAW_TOO_LARGE,
    SAW_STEP_BACK,
    SAW_GIVE_BACK,
    SAW_LATE_SETTLE,
    SAW_CHARGE,
    SAW_SET_LEVEL,
    SAW_SET_AHEAD,
    SAW_CHANGE,
    SAW_PERIOD,
    SAW_SHARE,
    SAW_DEBT,
    SAW_FULL,
    SAW_ZERO_LIMIT,
    SAW_ONE_WORD,
    SAW_INSIDE,
    SAW_OUTSIDE,
    BRANCHES
};

struct grant {
    rl_time at;
    uint64_t cost;
};

struct run {
    struct traffic t;
    uint64_t seen[KINDS][BRANCHES];
    enum kind kind;
    rl_limit limit;
    rl_limiter limiter;
    uint64_t words[WORDS];
    struct reference model;
    int takes_only;
    struct grant grant[WINDOW_LENGTH];
    uint64_t grants;
};

static void fail_here(const struct run *run, const char *law)
{
    print_error("law broken: %s\n  LLMRL_SEED=%" PRIu64 " kind %d amount %" PRIu64
                " period %" PRIu64 " parts %" PRIu64 " now %" PRIu64 "\n",
                law, run->t.seed, run->kind, run->limit.amount, run->limit.period, run->limit.parts,
                run->t.now);
    fail();
}

#define LAW(run, holds, text)                                                                      \
    do {                                                                                           \
        if (!(holds))                                                                              \
            fail_here((run), (text));                                                              \
    } while (0)

/* ---- days and months ---- */

/* By rules, so that no zone data is needed. At 01:30 a day begins that the clocks, set back from
 * 02:00 to 01:00, seem to leave again. */
static const struct place {
    const char *zone;
    uint64_t day_start; /* s */
} place[] = {
    { "UTC0", 0 },
    { "PST8PDT,M3.2.0,M11.1.0", 0 },
    { "PST8PDT,M3.2.0,M11.1.0", 5400 },
    { "NZST-12NZDT,M9.5.0,M4.1.0/3", 61200 },
    { "<+0545>-5:45", 86399 },
};
#define PLACES      (sizeof place / sizeof place[0])
#define FIRST_YEAR  1990
#define LAST_YEAR   2012
#define START_YEARS UINT64_C(8) /* the clock goes on for less than ten years */

static struct calendar calendar[PLACES];
static int64_t month_begin[PLACES][(LAST_YEAR - FIRST_YEAR + 2) * 12];
static size_t months[PLACES];

static void read_calendars(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        struct calendar *c = &calendar[i];

        c->first_year = FIRST_YEAR;
        c->last_year = LAST_YEAR;
        calendar_zone(place[i].zone);
        calendar_read(c, (int64_t)place[i].day_start);
        for (size_t k = 0; k < c->count; k++)
            if (c->day_of_month[k] == 1)
                month_begin[i][months[i]++] = c->begin[k];
    }
}

static void draw_place(struct run *run, rl_limit *limit)
{
    struct traffic *t = &run->t;
    size_t i = roll(t, PLACES);
    uint64_t wall =
        (uint64_t)calendar_year(FIRST_YEAR + 1) * RL_SECOND + roll(t, START_YEARS * 365 * RL_DAY);

    limit->align = run->kind == BY_DAY ? RL_ALIGN_DAY : RL_ALIGN_MONTH;
    limit->period = run->kind == BY_DAY ? RL_DAY : (28 + roll(t, 4)) * RL_DAY;
    limit->zone = place[i].zone;
    limit->day_start = place[i].day_start * RL_SECOND;
    limit->epoch = (rl_wall_time)(wall - t->now);
    run->model.begin = run->kind == BY_DAY ? calendar[i].begin : month_begin[i];
    run->model.begins = run->kind == BY_DAY ? calendar[i].count : months[i];
}

/* ---- limits ---- */

static void draw_numbers(struct run *run, rl_limit *limit)
{
    struct traffic *t = &run->t;

    switch (roll(t, 4)) {
    case 0: /* tiny: here every rounding shows */
        limit->amount = roll(t, 12);
        limit->period = 1 + roll(t, 30);
        break;
    case 1: /* real */
        limit->amount = (1 + roll(t, 99)) * (uint64_t[]){ 1, 10, 500, 1000000 }[roll(t, 4)];
        limit->period =
            (uint64_t[]){ RL_SECOND, RL_MINUTE, RL_HOUR, RL_DAY, 30 * RL_DAY }[roll(t, 5)];
        break;
    case 2:
        limit->amount = roll_bits(t, 53);
        limit->amount -= limit->amount > RL_AMOUNT_MAX;
        limit->period = roll_bits(t, 48);
        break;
    default: /* the ends: one a month, 10^12 a minute, 2^53 */
        limit->amount = (uint64_t[]){ 1, UINT64_C(1000000000000), RL_AMOUNT_MAX }[roll(t, 3)];
        limit->period = (uint64_t[]){ 1, RL_MINUTE, 30 * RL_DAY, 366 * RL_DAY }[roll(t, 4)];
        break;
    }
}

static void draw_limit(struct run *run)
{
    static const char *const name[KINDS] = { "fixed_window", "fixed_window",   "fixed_window",
                                             "fixed_window", "sliding_window", "sliding_counter",
                                             "concurrency" };
    rl_limit limit = RL_LIMIT_INIT;

    limit.algorithm = name[run->kind];
    run->model.begin = NULL;
    draw_numbers(run, &limit);
    if (run->kind == BY_DAY || run->kind == BY_MONTH)
        draw_place(run, &limit);
    if (run->kind == BY_FIRST)
        limit.align = RL_ALIGN_FIRST;
    if (run->kind == BY_EPOCH && roll(&run->t, 2))
        limit.epoch = (rl_wall_time)roll_bits(&run->t, 60);
    if (run->kind == BY_EPOCH && limit.epoch != 0 && RL_HOUR % limit.period == 0)
        limit.align = RL_ALIGN_HOUR;
    if (run->kind == BY_LOG)
        limit.parts = roll(&run->t, 2) ? 2 + roll(&run->t, 8) : 255;
    if (run->kind == BY_COUNTER)
        limit.parts = roll(&run->t, 2) ? 1 + roll(&run->t, 2) : 1 + roll(&run->t, 30);
    run->limit = limit;
}

static void begin(struct run *run)
{
    struct traffic *t = &run->t;
    size_t words;

    t->start = t->now = roll_bits(t, 57);
    draw_limit(run);
    t->hint = 0;
    t->period = run->limit.period;
    t->unit = run->limit.amount > 0 ? t->period / run->limit.amount + 1 : 1;
    run->takes_only = (int)roll(t, 3) == 0;
    t->steps_back = !run->takes_only;
    run->grants = 0;
    LAW(run, rl_limit_words(&run->limit, &words) == RL_OK && words <= WORDS, "a limit has a size");
    if (rl_limiter_init(&run->limiter, &run->limit, t->now) == RL_OK && roll(t, 2)) {
        run->seen[run->kind][SAW_INSIDE]++;
    } else {
        LAW(run, rl_limiter_init_at(&run->limiter, &run->limit, run->words, words, t->now) == RL_OK,
            "a limit in range works");
        LAW(run,
            rl_limiter_init_at(&run->limiter, &run->limit, run->words, words - 1, t->now) ==
                RL_E_INVALID,
            "and not with a word less");
        run->seen[run->kind][SAW_OUTSIDE]++;
    }
    run->seen[run->kind][SAW_ONE_WORD] += run->limiter.words == 1;
    run->seen[run->kind][SAW_ZERO_LIMIT] += run->limit.amount == 0;
    ref_start(&run->model, run->kind, &run->limit);
    ref_forget(&run->model, t->now); /* the window it began in */
}

static uint64_t draw_cost(struct run *run)
{
    uint64_t amount = run->limit.amount;

    switch (roll(&run->t, 6)) {
    case 0:
        return amount + roll(&run->t, 2) + (amount == 0);
    case 1:
        return 1 + roll(&run->t, amount / 8 + 1);
    case 2:
        return 1 + roll(&run->t, amount + 1);
    default:
        return 1 + roll(&run->t, amount / 3 + 1);
    }
}

/* The last grants, in each window that ends now. */
static void check_windows(struct run *run, uint64_t cost)
{
    uint64_t sum = 0, count = run->grants < WINDOW_LENGTH ? run->grants + 1 : WINDOW_LENGTH;
    exact most;

    run->grant[run->grants++ % WINDOW_LENGTH] = (struct grant){ run->t.now, cost };
    for (uint64_t i = 0; i < count; i++) {
        const struct grant *g = &run->grant[(run->grants - 1 - i) % WINDOW_LENGTH];
        uint64_t span = run->t.now - g->at;

        sum += g->cost;
        most = (exact)run->limit.amount;
        if (run->kind == BY_EPOCH || run->kind == BY_FIRST)
            most *= 2 + span / run->limit.period;
        else if (run->kind == BY_DAY || run->kind == BY_MONTH)
            most *= 1 + ref_number(&run->model, run->t.now) - ref_number(&run->model, g->at);
        else if (span >= run->limit.period)
            break; /* half-open: that one is back */
        LAW(run, run->kind == BY_HOLDERS || (exact)sum <= most,
            "no window holds more than its bound");
    }
}

static void check_retry(struct run *run, uint64_t cost, rl_time retry_at)
{
    run->t.hint = retry_at;
    LAW(run, retry_at > run->t.now, "retry_at lies ahead");
    LAW(run, (retry_at == RL_NEVER) == (run->kind == BY_HOLDERS), "it comes, or it never does");
    if (retry_at == RL_NEVER)
        return;
    LAW(run, rl_limiter_peek(&run->limiter, cost, retry_at - 1, NULL) == RL_WAIT,
        "one nanosecond before retry_at is a no");
    LAW(run, rl_limiter_peek(&run->limiter, cost, retry_at, NULL) == RL_OK, "retry_at is a yes");
    LAW(run, ref_ask(&run->model, cost, retry_at - 1) == RL_WAIT, "the list says no before");
    LAW(run, ref_ask(&run->model, cost, retry_at) == RL_OK, "and yes at it");
}

static void decide(struct run *run)
{
    uint64_t cost = draw_cost(run), *seen = run->seen[run->kind];
    rl_limiter before = run->limiter;
    rl_time retry_at;
    rl_status want = ref_ask(&run->model, cost, run->t.now), got;

    got = rl_limiter_peek(&run->limiter, cost, run->t.now, NULL);
    LAW(run, got == want, "peek says what the list says");
    LAW(run, rl_limiter_take(&run->limiter, cost, run->t.now, &retry_at) == want,
        "and so does take");
    if (got == RL_WAIT)
        check_retry(run, cost, retry_at);
    else
        LAW(run, retry_at == (got == RL_OK ? run->t.now : RL_NEVER), "retry_at is written always");
    if (got != RL_OK)
        LAW(run, memcmp(&before, &run->limiter, sizeof before) == 0, "a refusal writes nothing");
    if (got == RL_OK) {
        ref_charge(&run->model, cost, run->t.now);
        if (run->takes_only)
            check_windows(run, cost);
    }
    seen[got == RL_OK ? SAW_GRANT : got == RL_WAIT ? SAW_WAIT : SAW_TOO_LARGE]++;
}

static int64_t shown(const struct run *run)
{
    int64_t left = (int64_t)run->limit.amount - ref_used(&run->model, run->t.now);

    return ref_is_ahead(&run->model, run->t.now) && left > 0 ? 0 : left;
}

static void check_full(struct run *run, rl_duration full_in)
{
    rl_level later;

    rl_limiter_snapshot(&run->limiter, run->t.now + full_in, &later);
    LAW(run, later.full_in == 0 && later.remaining == (int64_t)later.burst, "full when told");
    rl_limiter_snapshot(&run->limiter, run->t.now + full_in - 1, &later);
    LAW(run, later.full_in == 1, "and not before");
}

static void check_snapshot(struct run *run)
{
    int64_t left = shown(run);
    uint64_t *seen = run->seen[run->kind];
    rl_level now;

    rl_limiter_snapshot(&run->limiter, run->t.now, &now);
    LAW(run, now.remaining == left, "what is shown is there");
    LAW(run, now.limit == run->limit.amount && now.burst == run->limit.amount, "and of what");
    LAW(run,
        (now.full_in == 0) ==
            (ref_used(&run->model, run->t.now) <= 0 && !ref_is_ahead(&run->model, run->t.now)),
        "full is where nothing is used, and nowhere else");
    LAW(run,
        now.full_in != RL_NEVER || run->kind == BY_HOLDERS ||
            (run->limit.amount == 0 && ref_used(&run->model, run->t.now) > 0),
        "it becomes full again, unless nothing comes back");
    if (now.full_in != RL_NEVER && now.full_in > 0)
        check_full(run, now.full_in);
    seen[SAW_DEBT] += now.remaining < 0;
    seen[SAW_FULL] += now.full_in == 0;
}

static void settle(struct run *run, uint64_t amount)
{
    rl_time now = run->t.now,
            at = now - roll(&run->t, roll(&run->t, 2) ? 2 : 3 * run->limit.period);

    if (at > now)
        at = now;
    if (roll(&run->t, 4) == 0 && ref_used(&run->model, now) <= (int64_t)run->limit.amount) {
        rl_limiter_settle(&run->limiter, 3, amount + 3, at, now); /* it was more */
        ref_charge(&run->model, amount, now);
        return;
    }
    if (ref_counts(&run->model, at, now))
        ref_settle(&run->model, amount, at, now);
    else
        run->seen[run->kind][SAW_LATE_SETTLE]++;
    rl_limiter_settle(&run->limiter, amount + 3, 3, at, now);
}

static void set_level(struct run *run)
{
    uint64_t ahead = roll(&run->t, 3) ? 0 : roll(&run->t, 2 * run->limit.period);
    int64_t level = (int64_t)roll(&run->t, run->limit.amount + 3);

    level = roll(&run->t, 3) ? level : -level / 2;
    rl_limiter_set_level(&run->limiter, level, run->t.now + ahead);
    ref_set_level(&run->model, level, run->t.now + ahead);
    run->seen[run->kind][ahead > 0 ? SAW_SET_AHEAD : SAW_SET_LEVEL]++;
}

/* The level as a share of full, rounded down. */
static int64_t share_of(int64_t level, uint64_t burst, uint64_t full)
{
    exact product = (exact)level * (exact)burst;

    if (full == 0)
        return level < 0 ? level : 0;
    return (int64_t)(product / (exact)full - (product % (exact)full < 0));
}

/* What a packed word may hold is test_windows' business, and so is debt of a thousand windows. */
static int goes_too_far(const struct run *run, const rl_limit *after)
{
    uint64_t used = (uint64_t)ref_used(&run->model, run->t.now), upper = UINT64_MAX / after->period;

    if (after->amount > 0 && used / after->amount > 20)
        return 1;
    if (run->kind != BY_EPOCH || run->limiter.words > 1)
        return 0;
    return (double)upper * (double)(used + 4 * after->amount) > 9e18;
}

static void change(struct run *run)
{
    rl_limit after = run->limit;
    int64_t left = shown(run);
    uint64_t *seen = run->seen[run->kind];

    after.amount = after.amount / 2 + roll(&run->t, after.amount + 2);
    if (after.amount > RL_AMOUNT_MAX)
        after.amount = RL_AMOUNT_MAX;
    if (after.align < RL_ALIGN_HOUR && roll(&run->t, 2))
        after.period = after.period / 2 + 1 + roll(&run->t, after.period);
    after.carry = roll(&run->t, 3) == 0 ? RL_CARRY_SHARE : RL_CARRY_USED;
    if (goes_too_far(run, &after) || rl_limiter_change(&run->limiter, &after, run->t.now) != RL_OK)
        return;
    ref_change(&run->model, &after, run->t.now);
    if (after.carry == RL_CARRY_SHARE)
        ref_set_level(&run->model, share_of(left, after.amount, run->limit.amount), run->t.now);
    seen[SAW_CHANGE]++;
    seen[SAW_SHARE] += after.carry == RL_CARRY_SHARE;
    seen[SAW_PERIOD] += after.period != run->limit.period;
    run->limit = after;
    run->t.period = after.period;
}

static void disturb(struct run *run)
{
    uint64_t amount = 1 + roll(&run->t, run->limit.amount / (1 + roll(&run->t, 9)) + 1);
    int owes = ref_used(&run->model, run->t.now) > (int64_t)run->limit.amount;

    switch (roll(&run->t, 6)) {
    case 0:
        rl_limiter_give_back(&run->limiter, amount, run->t.now);
        ref_give_back(&run->model, amount, run->t.now);
        run->seen[run->kind][SAW_GIVE_BACK]++;
        break;
    case 1:
        settle(run, amount);
        break;
    case 2:
    case 3:
        if (owes) /* saturation has its own test */
            break;
        rl_limiter_charge(&run->limiter, amount, run->t.now);
        ref_charge(&run->model, amount, run->t.now);
        run->seen[run->kind][SAW_CHARGE]++;
        break;
    case 4:
        set_level(run);
        break;
    default:
        change(run);
        break;
    }
}

static void check_seen(const struct run *run)
{
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < BRANCHES; i++) {
            int other =
                (i == SAW_ONE_WORD && (kind == BY_FIRST || kind == BY_LOG || kind == BY_COUNTER)) ||
                (i == SAW_INSIDE && kind == BY_LOG) ||
                (i == SAW_LATE_SETTLE && kind == BY_HOLDERS) ||
                (i == SAW_PERIOD && (kind == BY_DAY || kind == BY_MONTH));

            if (run->seen[kind][i] == 0 && !other) {
                print_error("kind %d: branch %d never ran\n", kind, i);
                fail();
            }
        }
}

static void run_kind(struct run *run, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        if (i % SEQUENCE_LENGTH == 0)
            begin(run);
        run->seen[run->kind][SAW_STEP_BACK] += (uint64_t)traffic_move(&run->t);
        decide(run);
        if (!run->takes_only && roll(&run->t, 8) == 0)
            disturb(run);
        if (roll(&run->t, 4) == 0)
            check_snapshot(run);
    }
}

static void agree_with_the_list_of_events(void **ctx)
{
    uint64_t steps = number_from("LLMRL_PROPERTY_STEPS", 1000000);
    static struct run run;

    (void)ctx;
    traffic_begin(&run.t, 20260102);
    read_calendars();
    for (int kind = 0; kind < KINDS; kind++) {
        run.kind = (enum kind)kind;
        run_kind(&run, steps);
    }
    if (steps >= 500000) /* fewer need not come across all */
        check_seen(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agree_with_the_list_of_events),
    };
    return cmocka_run_group_tests_name("prop_windows", tests, NULL, NULL);
}
