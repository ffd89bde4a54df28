/* SPDX-License-Identifier: MIT */
/*
 * A provider that says nothing of its limits but no, against the whole library, on a virtual clock:
 * how much is refused, how much of the limit is used, and how soon a raised limit is found. The
 * client always has more to send. LLMRL_SEED replays one seed, LLMRL_SIM_SEEDS sets how many.
 */
#include "vclock.h"

#include <inttypes.h>
#include <llmrl/llmrl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START    (1000 * RL_SECOND)
#define LEARNING 10 /* minutes, after which the promises hold */
#define BEFORE   30 /* minutes, after which the limit is raised */
#define AFTER    20
#define MINUTES  (BEFORE + AFTER)

enum model { BUCKET, FIXED_WINDOW, SLIDING_WINDOW };

struct scenario {
    const char *name;
    enum model model;
    uint64_t per_minute;    /* requests, or tokens */
    uint64_t burst_seconds; /* of a bucket */
    int tokens;             /* it counts tokens; else requests */
    uint64_t input_low, input_high, max_output;
    uint64_t latency_low_ms, latency_high_ms;
    const char *config_json;
    uint64_t raise_percent; /* to so much of the limit */
    int hints;              /* a refusal says how long, in seconds as Retry-After does */
    /* What has to hold. */
    double refused_most, used_least;
    double found_within; /* minutes after the raise; AFTER: not promised */
    double whole_refused_most, refused_raised_most, used_raised_least;
    uint64_t seeds; /* fewer than usual, as it is large */
};

/* ---- the provider's arithmetic, exact and its own ---- */

struct arrival {
    rl_time at;
    uint64_t units;
};

struct provider {
    const struct scenario *s;
    uint64_t per_minute;
    /* bucket: levels in units of 1 / RL_MINUTE */
    rl_time at;
    unsigned __int128 level;
    /* windows */
    rl_time offset, window;
    uint64_t used;
    struct arrival *log;
    size_t first, count, room;
};

static unsigned __int128 capacity(const struct provider *p)
{
    uint64_t units = p->per_minute * p->s->burst_seconds / 60;

    return (unsigned __int128)(units > 0 ? units : 1) * RL_MINUTE;
}

static int bucket_takes(struct provider *p, uint64_t units, rl_time now)
{
    unsigned __int128 need = (unsigned __int128)units * RL_MINUTE;

    p->level += (unsigned __int128)(now - p->at) * p->per_minute;
    p->level = p->level > capacity(p) ? capacity(p) : p->level;
    p->at = now;
    if (p->level < need)
        return 0;
    p->level -= need;
    return 1;
}

static int window_takes(struct provider *p, uint64_t units, rl_time now)
{
    rl_time window = (now + p->offset) / RL_MINUTE;

    if (window != p->window)
        p->used = 0;
    p->window = window;
    if (p->used + units > p->per_minute)
        return 0;
    p->used += units;
    return 1;
}

static int log_takes(struct provider *p, uint64_t units, rl_time now)
{
    while (p->count > 0 && p->log[p->first].at + RL_MINUTE <= now) {
        p->used -= p->log[p->first].units;
        p->first = (p->first + 1) % p->room;
        p->count--;
    }
    if (p->used + units > p->per_minute)
        return 0;
    assert_true(p->count < p->room);
    p->log[(p->first + p->count++) % p->room] = (struct arrival){ now, units };
    p->used += units;
    return 1;
}

static int takes(struct provider *p, uint64_t units, rl_time now)
{
    switch (p->s->model) {
    case BUCKET:
        return bucket_takes(p, units, now);
    case FIXED_WINDOW:
        return window_takes(p, units, now);
    default:
        return log_takes(p, units, now);
    }
}

/* Seconds until a window moves on. */
static uint64_t wait_of(const struct provider *p, rl_time now)
{
    rl_time until = p->s->model == FIXED_WINDOW
                        ? (p->window + 1) * RL_MINUTE - p->offset
                        : (p->count > 0 ? p->log[p->first].at + RL_MINUTE : now);

    return until > now ? (until - now + RL_SECOND - 1) / RL_SECOND : 1;
}

static void open_provider(struct provider *p, const struct scenario *s, uint64_t random)
{
    *p = (struct provider){ .s = s, .per_minute = s->per_minute, .at = START };
    p->level = capacity(p);
    p->offset = random % RL_MINUTE;
    p->room = (size_t)(s->tokens ? 20000 : s->per_minute * 8) + 16;
    p->log = calloc(p->room, sizeof *p->log);
    assert_non_null(p->log);
}

/* ---- what is under way ---- */

enum stage { ARRIVES, ANSWERED };

struct call {
    rl_time at;
    uint64_t order;
    enum stage stage;
    int refused;
    uint64_t wait_s; /* until it would not be */
    uint64_t input, output;
    rl_permit permit;
};

struct minute {
    uint64_t sent, refused, units;
};

struct run {
    const struct scenario *s;
    struct vclock clock;
    struct provider provider;
    rl_context *rl;
    struct call **heap; /* by time */
    size_t count, room;
    uint64_t order;
    struct call *next; /* not sent yet */
    struct minute minute[MINUTES];
    uint64_t units[6 * MINUTES]; /* that passed, of ten seconds each */
};

static int is_before(const struct call *a, const struct call *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct run *run, struct call *call)
{
    size_t i = run->count++;

    if (i == run->room) {
        run->room = 2 * run->room + 64;
        run->heap = realloc(run->heap, run->room * sizeof *run->heap);
        assert_non_null(run->heap);
    }
    call->order = run->order++;
    for (; i > 0 && is_before(call, run->heap[(i - 1) / 2]); i = (i - 1) / 2)
        run->heap[i] = run->heap[(i - 1) / 2];
    run->heap[i] = call;
}

static struct call *pop(struct run *run)
{
    struct call *top = run->heap[0], *last = run->heap[--run->count];
    size_t i = 0;

    for (size_t child = 1; child < run->count; child = 2 * i + 1) {
        child += child + 1 < run->count && is_before(run->heap[child + 1], run->heap[child]);
        if (!is_before(run->heap[child], last))
            break;
        run->heap[i] = run->heap[child];
        i = child;
    }
    run->heap[i] = last;
    return top;
}

static uint64_t draw_between(struct run *run, uint64_t low, uint64_t high)
{
    return low + (high > low ? vclock_random(&run->clock) % (high - low + 1) : 0);
}

/* ---- what happens ---- */

static struct minute *minute_of(struct run *run)
{
    size_t index = (size_t)((run->clock.now - START) / RL_MINUTE);

    return &run->minute[index < MINUTES ? index : MINUTES - 1];
}

static void count(struct run *run, uint64_t units)
{
    size_t index = (size_t)((run->clock.now - START) / (10 * RL_SECOND));

    minute_of(run)->units += units;
    if (index < 6 * MINUTES)
        run->units[index] += units;
}

static uint64_t units_of(const struct call *call, const struct scenario *s)
{
    return s->tokens ? call->input + call->output : 1;
}

static void arrive(struct run *run, struct call *call)
{
    struct minute *minute = minute_of(run);
    uint64_t units = units_of(call, run->s);

    call->refused = !takes(&run->provider, units, run->clock.now);
    call->wait_s = wait_of(&run->provider, run->clock.now);
    call->stage = ANSWERED;
    minute->sent++;
    if (call->refused)
        minute->refused++;
    else
        count(run, units);
    call->at =
        run->clock.now + RL_MILLISECOND * (call->refused ? 2
                                                         : draw_between(run, run->s->latency_low_ms,
                                                                        run->s->latency_high_ms));
    push(run, call);
}

static void answer(struct run *run, struct call *call)
{
    static const char no[] = "{\"error\":{\"message\":\"Too many requests\"}}";
    rl_response response = RL_RESPONSE_INIT;
    rl_header hint = { .name = "retry-after", .name_length = 11 };
    char yes[128], seconds[24];

    (void)snprintf(yes, sizeof yes,
                   "{\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64 "}}",
                   call->input, call->output);
    if (call->refused && run->s->hints) {
        (void)snprintf(seconds, sizeof seconds, "%" PRIu64, call->wait_s);
        hint.value = seconds;
        hint.value_length = strlen(seconds);
        response.headers = &hint;
        response.header_count = 1;
    }
    response.status = call->refused ? 429 : 200;
    response.body = call->refused ? no : yes;
    response.body_length = strlen(response.body);
    assert_int_equal(rl_observe_response(run->rl, &call->permit, &response, NULL), RL_OK);
    free(call);
}

static struct call *prepare(struct run *run)
{
    struct call *call = calloc(1, sizeof *call);

    assert_non_null(call);
    call->input = draw_between(run, run->s->input_low, run->s->input_high);
    call->output = run->s->max_output;
    return call;
}

/* Sends until it is told to wait. The time at which to ask again. */
static rl_time send(struct run *run)
{
    rl_request request = RL_REQUEST_INIT;
    rl_status st;

    request.provider = "some";
    request.model = "m";
    for (;;) {
        rl_time retry_at;

        run->next = run->next != NULL ? run->next : prepare(run);
        request.input_tokens = run->next->input;
        request.max_output_tokens = run->next->output;
        st = rl_try_acquire(run->rl, &request, &run->next->permit);
        if (st != RL_OK) {
            assert_int_equal(st, RL_WAIT);
            retry_at = run->next->permit.retry_at;
            return retry_at > run->clock.now ? retry_at : run->clock.now + 1;
        }
        run->next->stage = ARRIVES;
        run->next->at = run->clock.now + draw_between(run, 0, 3000) * (RL_MILLISECOND / 1000);
        push(run, run->next);
        run->next = NULL;
    }
}

static void step(struct run *run)
{
    rl_time ask = send(run);

    if (run->count == 0 || run->heap[0]->at > ask) {
        assert_true(ask != RL_NEVER);
        run->clock.now = ask;
        return;
    }
    run->clock.now = run->heap[0]->at > run->clock.now ? run->heap[0]->at : run->clock.now;
    if (run->heap[0]->stage == ARRIVES)
        arrive(run, pop(run));
    else
        answer(run, pop(run));
}

static void tell_event(void *user, const rl_event *event)
{
    const struct run *run = user;

    printf("%8.1f s %s %s: %s\n", (double)(run->clock.now - START) / 1e9, event->name, event->scope,
           event->why);
}

static void run_until(struct run *run, rl_time end)
{
    while (run->clock.now < end)
        step(run);
}

static void open_run(struct run *run, const struct scenario *s, uint64_t seed)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_hooks hooks;

    *run = (struct run){ .s = s, .clock = { .now = START, .random = seed } };
    hooks = vclock_hooks(&run->clock);
    options.hooks = &hooks;
    options.config_json = s->config_json;
    if (getenv("LLMRL_SIM_EVENTS") != NULL) {
        options.on_event = tell_event;
        options.event_user = run;
    }
    assert_int_equal(rl_open(&options, &run->rl), RL_OK);
    open_provider(&run->provider, s, vclock_random(&run->clock));
}

static void close_run(struct run *run)
{
    rl_close(run->rl);
    while (run->count > 0)
        free(pop(run));
    free(run->next);
    free(run->heap);
    free(run->provider.log);
}

/* ---- what it came to ---- */

struct outcome {
    double refused, whole_refused, used; /* shares */
    double found; /* minutes after the raise, until one of them has used 95 %; AFTER: never */
    double refused_raised, used_raised; /* from ten minutes after the raise on */
};

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static struct minute sum(const struct run *run, size_t from, size_t to)
{
    struct minute all = { 0, 0, 0 };

    for (size_t i = from; i < to; i++) {
        all.sent += run->minute[i].sent;
        all.refused += run->minute[i].refused;
        all.units += run->minute[i].units;
    }
    return all;
}

/* Any minute, wherever it starts. */
static double found_after(const struct run *run, double limit)
{
    for (size_t i = 6 * BEFORE; i + 6 <= 6 * MINUTES; i++) {
        uint64_t units = 0;

        for (size_t k = i; k < i + 6; k++)
            units += run->units[k];
        if ((double)units >= 0.95 * limit)
            return (double)(i + 6) / 6 - BEFORE;
    }
    return AFTER;
}

static void measure(const struct scenario *s, uint64_t seed, struct outcome *out)
{
    struct run run;
    struct minute whole, learned, raised;
    double limit = (double)s->per_minute, higher = limit * (double)s->raise_percent / 100;

    open_run(&run, s, seed);
    run_until(&run, START + BEFORE * RL_MINUTE);
    run.provider.per_minute = s->per_minute * s->raise_percent / 100;
    run_until(&run, START + MINUTES * RL_MINUTE);
    whole = sum(&run, 0, BEFORE);
    learned = sum(&run, LEARNING, BEFORE);
    raised = sum(&run, BEFORE + 10, MINUTES);
    *out = (struct outcome){ .refused = share((double)learned.refused, (double)learned.sent),
                             .whole_refused = share((double)whole.refused, (double)whole.sent),
                             .used = share((double)learned.units, limit * (BEFORE - LEARNING)),
                             .found = found_after(&run, higher),
                             .refused_raised = share((double)raised.refused, (double)raised.sent),
                             .used_raised = share((double)raised.units, higher * (AFTER - 10)) };
    if (getenv("LLMRL_SIM_MINUTES") != NULL)
        for (size_t i = 0; i < MINUTES; i++)
            printf("%3zu: %6.1f %% used, %" PRIu64 " of %" PRIu64 " refused\n", i,
                   100 * (double)run.minute[i].units / (i < BEFORE ? limit : higher),
                   run.minute[i].refused, run.minute[i].sent);
    close_run(&run);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static double worse(double a, double b)
{
    return a > b ? a : b;
}

static int holds(const struct scenario *s, const struct outcome *o)
{
    return o->refused <= s->refused_most && o->used >= s->used_least &&
           o->whole_refused <= s->whole_refused_most && o->found <= s->found_within &&
           o->refused_raised <= s->refused_raised_most && o->used_raised >= s->used_raised_least;
}

static void hold(const struct scenario *s)
{
    uint64_t seeds = number_from("LLMRL_SIM_SEEDS", s->seeds > 0 ? s->seeds : 3);
    uint64_t only = number_from("LLMRL_SEED", 0);
    struct outcome worst = { .used = 2, .used_raised = 2 };
    unsigned failed = 0;

    for (uint64_t n = 1; n <= (only != 0 ? 1 : seeds); n++) {
        uint64_t seed = only != 0 ? only : n * UINT64_C(0x9e3779b97f4a7c15) >> 16;
        struct outcome o;

        measure(s, seed, &o);
        if (!holds(s, &o)) {
            failed++;
            print_error(
                "%s: LLMRL_SEED=%" PRIu64 ": %.2f %% refused (%.2f %% with the beginning), "
                "%.1f %% used, found after %.1f minutes, then %.2f %% refused and %.1f %% used\n",
                s->name, seed, 100 * o.refused, 100 * o.whole_refused, 100 * o.used, o.found,
                100 * o.refused_raised, 100 * o.used_raised);
        }
        worst.refused = worse(worst.refused, o.refused);
        worst.whole_refused = worse(worst.whole_refused, o.whole_refused);
        worst.used = -worse(-worst.used, -o.used);
        worst.used_raised = -worse(-worst.used_raised, -o.used_raised);
        worst.found = worse(worst.found, o.found);
    }
    print_message(
        "%-44s refused %.2f %% (all: %.2f %%), used %.1f %%; raised: found in %.1f min, then "
        "used %.1f %%\n",
        s->name, 100 * worst.refused, 100 * worst.whole_refused, 100 * worst.used, worst.found,
        100 * worst.used_raised);
    assert_int_equal(failed, 0);
}

/* What a scenario leaves at 0 and cannot do without. */
static struct scenario filled_in(const struct scenario *s)
{
    struct scenario full = *s;

    full.refused_most = s->refused_most > 0 ? s->refused_most : 0.01;
    full.used_least = s->used_least > 0 ? s->used_least : 0.90;
    full.whole_refused_most = s->per_minute >= 600 ? 0.01 : 0.10;
    full.refused_raised_most = s->refused_raised_most > 0 ? s->refused_raised_most : 0.015;
    full.latency_low_ms = s->latency_high_ms > 0 ? s->latency_low_ms : 200;
    full.latency_high_ms = s->latency_high_ms > 0 ? s->latency_high_ms : 400;
    full.input_low = s->input_high > 0 ? s->input_low : 100;
    full.input_high = s->input_high > 0 ? s->input_high : 100;
    full.max_output = s->max_output > 0 ? s->max_output : 100;
    full.found_within = s->found_within > 0 ? s->found_within : 10;
    full.used_raised_least = s->used_raised_least > 0 ? s->used_raised_least : 0.90;
    full.raise_percent = s->raise_percent > 0 ? s->raise_percent : 200;
    return full;
}

#define SCENARIO(function, ...)                                                                    \
    static void function(void **state)                                                             \
    {                                                                                              \
        static const struct scenario bare = { .name = #function, __VA_ARGS__ };                    \
        struct scenario scenario = filled_in(&bare);                                               \
                                                                                                   \
        (void)state;                                                                               \
        hold(&scenario);                                                                           \
    }

/* One refusal in 100 requests of 10 a minute is one in ten minutes: who probes no more often than
 * that finds a raised limit no sooner. */
#define SLOW                                                                                       \
    .refused_most = 0.026, .found_within = AFTER, .refused_raised_most = 0.05,                     \
    .used_raised_least = 0.5

SCENARIO(bucket_of_10_requests, .model = BUCKET, .per_minute = 10, .burst_seconds = 6, SLOW)
SCENARIO(bucket_of_30_requests, .model = BUCKET, .per_minute = 30, .burst_seconds = 2,
         .refused_most = 0.015, .found_within = 12)
SCENARIO(bucket_of_60_requests, .model = BUCKET, .per_minute = 60, .burst_seconds = 2)
SCENARIO(bucket_of_600_requests, .model = BUCKET, .per_minute = 600, .burst_seconds = 2)
SCENARIO(bucket_of_3000_requests, .model = BUCKET, .per_minute = 3000, .burst_seconds = 2,
         .seeds = 1)
SCENARIO(bucket_of_10000_requests, .model = BUCKET, .per_minute = 10000, .burst_seconds = 2,
         .seeds = 1)
SCENARIO(whole_minute_of_600_requests, .model = BUCKET, .per_minute = 600, .burst_seconds = 60)
SCENARIO(whole_minute_of_10000_requests, .model = BUCKET, .per_minute = 10000, .burst_seconds = 60,
         .seeds = 1)
SCENARIO(fixed_window_of_10_requests, .model = FIXED_WINDOW, .per_minute = 10, SLOW)
SCENARIO(fixed_window_of_30_requests, .model = FIXED_WINDOW, .per_minute = 30,
         .refused_most = 0.015, .found_within = 12)
SCENARIO(fixed_window_of_60_requests, .model = FIXED_WINDOW, .per_minute = 60)
SCENARIO(fixed_window_of_600_requests, .model = FIXED_WINDOW, .per_minute = 600)
SCENARIO(fixed_window_of_10000_requests, .model = FIXED_WINDOW, .per_minute = 10000, .seeds = 1)
SCENARIO(sliding_window_of_10_requests, .model = SLIDING_WINDOW, .per_minute = 10, SLOW)
SCENARIO(sliding_window_of_30_requests, .model = SLIDING_WINDOW, .per_minute = 30,
         .refused_most = 0.015, .found_within = 12)
SCENARIO(sliding_window_of_60_requests, .model = SLIDING_WINDOW, .per_minute = 60)
SCENARIO(sliding_window_of_600_requests, .model = SLIDING_WINDOW, .per_minute = 600)
SCENARIO(sliding_window_of_10000_requests, .model = SLIDING_WINDOW, .per_minute = 10000, .seeds = 1)
SCENARIO(bucket_of_tokens, .model = BUCKET, .per_minute = 200000, .burst_seconds = 2, .tokens = 1,
         .input_low = 50, .input_high = 450)
SCENARIO(fixed_window_of_tokens, .model = FIXED_WINDOW, .per_minute = 200000, .tokens = 1,
         .input_low = 50, .input_high = 450)
SCENARIO(sliding_window_of_tokens, .model = SLIDING_WINDOW, .per_minute = 200000, .tokens = 1,
         .input_low = 50, .input_high = 450)
SCENARIO(a_lower_limit, .model = BUCKET, .per_minute = 3000, .burst_seconds = 2,
         .raise_percent = 40)
SCENARIO(a_lower_fixed_window, .model = FIXED_WINDOW, .per_minute = 3000, .raise_percent = 40)
SCENARIO(a_lower_sliding_window, .model = SLIDING_WINDOW, .per_minute = 3000, .raise_percent = 40)
SCENARIO(fixed_window_with_hints, .model = FIXED_WINDOW, .per_minute = 600, .hints = 1)
SCENARIO(sliding_window_with_hints, .model = SLIDING_WINDOW, .per_minute = 600, .hints = 1)
SCENARIO(a_raise_by_a_fifth, .model = SLIDING_WINDOW, .per_minute = 600, .raise_percent = 120)
SCENARIO(a_raise_fivefold, .model = BUCKET, .per_minute = 600, .burst_seconds = 2,
         .raise_percent = 500)
SCENARIO(below_a_cap, .model = BUCKET, .per_minute = 600, .burst_seconds = 2,
         .config_json = "{\"adaptive\":{},\"providers\":{\"some\":{\"requests_per_minute\":2000}}}")
SCENARIO(from_initial_rates, .model = FIXED_WINDOW, .per_minute = 3000,
         .config_json = "{\"adaptive\":{\"initial_rpm\":60,\"initial_tpm\":60000}}")
SCENARIO(slow_answers, .model = SLIDING_WINDOW, .per_minute = 600, .latency_low_ms = 10000,
         .latency_high_ms = 40000)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bucket_of_10_requests),
        cmocka_unit_test(bucket_of_30_requests),
        cmocka_unit_test(bucket_of_60_requests),
        cmocka_unit_test(bucket_of_600_requests),
        cmocka_unit_test(bucket_of_3000_requests),
        cmocka_unit_test(bucket_of_10000_requests),
        cmocka_unit_test(whole_minute_of_600_requests),
        cmocka_unit_test(whole_minute_of_10000_requests),
        cmocka_unit_test(fixed_window_of_10_requests),
        cmocka_unit_test(fixed_window_of_30_requests),
        cmocka_unit_test(fixed_window_of_60_requests),
        cmocka_unit_test(fixed_window_of_600_requests),
        cmocka_unit_test(fixed_window_of_10000_requests),
        cmocka_unit_test(sliding_window_of_10_requests),
        cmocka_unit_test(sliding_window_of_30_requests),
        cmocka_unit_test(sliding_window_of_60_requests),
        cmocka_unit_test(sliding_window_of_600_requests),
        cmocka_unit_test(sliding_window_of_10000_requests),
        cmocka_unit_test(bucket_of_tokens),
        cmocka_unit_test(fixed_window_of_tokens),
        cmocka_unit_test(sliding_window_of_tokens),
        cmocka_unit_test(a_lower_limit),
        cmocka_unit_test(a_lower_fixed_window),
        cmocka_unit_test(a_lower_sliding_window),
        cmocka_unit_test(fixed_window_with_hints),
        cmocka_unit_test(sliding_window_with_hints),
        cmocka_unit_test(a_raise_by_a_fifth),
        cmocka_unit_test(a_raise_fivefold),
        cmocka_unit_test(below_a_cap),
        cmocka_unit_test(from_initial_rates),
        cmocka_unit_test(slow_answers),
    };

    cmocka_set_test_filter(getenv("CMOCKA_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
