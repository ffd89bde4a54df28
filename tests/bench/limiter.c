/* SPDX-License-Identifier: MIT */
/*
 * What a decision costs, as ratios to baselines of the same run:
 *
 *     clk    one clock_gettime(CLOCK_MONOTONIC)
 *     cas2   a bare compare-exchange loop by two threads on one word; total per second
 *
 * All rows take turns, so that a neighbour's hour is everybody's; each ratio is to the baseline of
 * the same turn, and the median of all turns is printed. LLMRL_BENCH_TURNS: how many (default 25,
 * at least 5); LLMRL_BENCH_SECONDS: of the last part (default 10).
 *
 * The second ratio of a row says what is ours and what is the machine's: of two threads it is to
 * the bare loop that reads the same clock and exchanges one word, which no exact limiter can pass.
 * Where two processors share a core, two threads are fast in both; where they do not, each exchange
 * moves a cache line, and the bare loop misses the goals, too.
 */
#include <llmrl/limiter.h>

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TURNS_MAX 1000
#define COUNT     100000 /* decisions in a turn and thread: some milliseconds */
#define ROWS_MAX  40
#define ONE_WORD  1000000 /* a minute: a fixed window has room for it beside its number */

/* Sanitizers have allocators of their own, and glibc alone has the names to call. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define COUNTS_ALLOCATIONS
#endif
#else
#define COUNTS_ALLOCATIONS
#endif
#endif

static uint64_t allocations;

#ifdef COUNTS_ALLOCATIONS
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);

/* A program's own definitions come before libc's, for the library, too. */
void *malloc(size_t size)
{
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_realloc(ptr, size);
}
#endif

static struct arena {
    _Alignas(64) rl_limiter limiter;
    _Alignas(64) uint64_t word;
    _Alignas(64) rl_clock clock[3];
    _Alignas(64) uint64_t state[1 + 2 * RL_STATE_WORDS_MAX];
} arena;

static rl_time read_clock(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts);
    return (rl_time)ts.tv_sec * RL_SECOND + (rl_time)ts.tv_nsec;
}

/* What a row does COUNT times. It gives something that depends on all of it. */
static uint64_t only_clock(rl_clock_kind kind)
{
    uint64_t sum = 0;

    (void)kind;
    for (int i = 0; i < COUNT; i++)
        sum += read_clock(CLOCK_MONOTONIC);
    return sum;
}

static uint64_t only_exchange(rl_clock_kind kind)
{
    (void)kind;
    for (int i = 0; i < COUNT; i++) {
        uint64_t seen = __atomic_load_n(&arena.word, __ATOMIC_RELAXED);

        while (!__atomic_compare_exchange_n(&arena.word, &seen, seen + 1, 1, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
            ;
    }
    return 0;
}

/* The least that an exact decision on one word can be. */
static uint64_t clock_and_exchange(rl_clock_kind kind)
{
    (void)kind;
    for (int i = 0; i < COUNT; i++) {
        rl_time now = read_clock(CLOCK_MONOTONIC);
        uint64_t seen = __atomic_load_n(&arena.word, __ATOMIC_RELAXED);

        while (!__atomic_compare_exchange_n(&arena.word, &seen, seen + now, 1, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
            ;
    }
    return 0;
}

static uint64_t rl_clock_and_exchange(rl_clock_kind kind)
{
    for (int i = 0; i < COUNT; i++) {
        rl_time now = rl_clock_now(&arena.clock[kind]);
        uint64_t seen = __atomic_load_n(&arena.word, __ATOMIC_RELAXED);

        while (!__atomic_compare_exchange_n(&arena.word, &seen, seen + now, 1, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
            ;
    }
    return 0;
}

static uint64_t take(rl_clock_kind kind)
{
    uint64_t granted = 0;
    rl_time retry_at;

    (void)kind;
    for (int i = 0; i < COUNT; i++)
        granted +=
            rl_limiter_take(&arena.limiter, 1, read_clock(CLOCK_BOOTTIME), &retry_at) == RL_OK;
    return granted;
}

static uint64_t take_with_clock(rl_clock_kind kind)
{
    uint64_t granted = 0;
    rl_time retry_at;

    for (int i = 0; i < COUNT; i++)
        granted +=
            rl_limiter_take_with_clock(&arena.limiter, 1, &arena.clock[kind], &retry_at) == RL_OK;
    return granted;
}

enum level { NO_LIMITER, FULL, EMPTY };

struct row {
    const char *name, *algorithm;
    uint64_t (*work)(rl_clock_kind kind);
    uint64_t align, amount;   /* amount 0: more than can be taken */
    const char *beside;       /* the row of the second ratio, with as many threads */
    double most, most_beside; /* goals; 0: none. Times: */
    double least;             /* and speed, with two threads */
    rl_clock_kind kind;
    enum level level;
    int threads;
    int left_out; /* no such algorithm, or no second processor */
    double ns[TURNS_MAX], ratio[TURNS_MAX], second[TURNS_MAX];
};

#define BARE_CLOCK "bare clock and exchange"
#define BARE(kind) "bare rl_clock " kind " and exchange"
#define ALONE      .threads = 1, .level = FULL, .work = take, .beside = "granted"

static struct row row[ROWS_MAX] = {
    { .name = "clk", .work = only_clock, .threads = 1 },
    { .name = "bare exchange", .work = only_exchange, .threads = 1 },
    { .name = BARE_CLOCK, .work = clock_and_exchange, .threads = 1 },
    { .name = "granted", .work = take, .threads = 1, .level = FULL, .most = 1.3 },
    { .name = "granted, rl_clock precise", .work = take_with_clock, .threads = 1, .level = FULL },
    { .name = "granted, rl_clock coarse",
      .work = take_with_clock,
      .kind = RL_CLOCK_COARSE,
      .threads = 1,
      .level = FULL,
      .most = 0.6 },
    { .name = "granted, rl_clock tsc",
      .work = take_with_clock,
      .kind = RL_CLOCK_TSC,
      .threads = 1,
      .level = FULL,
      .most = 0.6 },
    { .name = "refused",
      .work = take,
      .threads = 1,
      .level = EMPTY,
      .beside = "granted",
      .most_beside = 1 },
    { .name = "refused, rl_clock coarse",
      .work = take_with_clock,
      .kind = RL_CLOCK_COARSE,
      .threads = 1,
      .level = EMPTY },
    { .name = "refused, rl_clock tsc",
      .work = take_with_clock,
      .kind = RL_CLOCK_TSC,
      .threads = 1,
      .level = EMPTY },
    { .name = "fixed_window, one word",
      .algorithm = "fixed_window",
      .amount = ONE_WORD,
      ALONE,
      .most_beside = 2 },
    { .name = "fixed_window, two words",
      .algorithm = "fixed_window",
      .align = RL_ALIGN_FIRST,
      ALONE,
      .most_beside = 2 },
    { .name = "sliding_counter", .algorithm = "sliding_counter", ALONE, .most_beside = 2 },
    { .name = "leaky_bucket", .algorithm = "leaky_bucket", ALONE },
    { .name = "concurrency", .algorithm = "concurrency", ALONE },
    { .name = "sliding_window, log is full", .algorithm = "sliding_window", ALONE },

    { .name = "cas2", .work = only_exchange, .threads = 2 },
    { .name = BARE_CLOCK, .work = clock_and_exchange, .threads = 2 },
    { .name = BARE("coarse"),
      .work = rl_clock_and_exchange,
      .kind = RL_CLOCK_COARSE,
      .threads = 2 },
    { .name = BARE("tsc"), .work = rl_clock_and_exchange, .kind = RL_CLOCK_TSC, .threads = 2 },
    { .name = "granted",
      .work = take,
      .threads = 2,
      .level = FULL,
      .beside = BARE_CLOCK,
      .least = 0.45 },
    { .name = "granted, rl_clock coarse",
      .work = take_with_clock,
      .kind = RL_CLOCK_COARSE,
      .threads = 2,
      .level = FULL,
      .beside = BARE("coarse"),
      .least = 0.7 },
    { .name = "granted, rl_clock tsc",
      .work = take_with_clock,
      .kind = RL_CLOCK_TSC,
      .threads = 2,
      .level = FULL,
      .beside = BARE("tsc"),
      .least = 0.7 },
    { .name = "refused", .work = take, .threads = 2, .level = EMPTY, .beside = BARE_CLOCK },
    { .name = "fixed_window, one word",
      .algorithm = "fixed_window",
      .amount = ONE_WORD,
      .work = take,
      .threads = 2,
      .level = FULL,
      .beside = BARE_CLOCK },
    { .name = "sliding_counter",
      .algorithm = "sliding_counter",
      .work = take,
      .threads = 2,
      .level = FULL,
      .beside = BARE_CLOCK },
};

static int set_up(const struct row *r)
{
    rl_limit limit = RL_LIMIT_INIT;
    rl_time now = read_clock(CLOCK_BOOTTIME);
    rl_status st;

    limit.algorithm = r->algorithm;
    limit.amount = r->level == EMPTY ? 500 : r->amount != 0 ? r->amount : UINT64_C(60000000000);
    limit.period = RL_MINUTE;
    limit.align = r->align;
    if (r->level == FULL && r->algorithm == NULL)
        limit.burst = UINT64_C(1) << 43;
    st = rl_limiter_init(&arena.limiter, &limit, now);
    if (st != RL_OK) /* it does not fit into the limiter */
        st = rl_limiter_init_at(&arena.limiter, &limit, arena.state,
                                sizeof arena.state / sizeof arena.state[0], now);
    if (st != RL_OK)
        return 0;
    if (r->level == EMPTY)
        rl_limiter_charge(&arena.limiter, 5000, now); /* none for nine minutes */
    return 1;
}

static struct {
    const struct row *row;
    int arrived;
    size_t cpu[2];
    rl_time from[2], to[2];
    uint64_t granted[2];
} team;

static void *member(void *arg)
{
    int me = *(int *)arg;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(team.cpu[me], &set);
    (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    __atomic_fetch_add(&team.arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&team.arrived, __ATOMIC_ACQUIRE) < 2)
        ;
    team.from[me] = read_clock(CLOCK_MONOTONIC);
    team.granted[me] = team.row->work(team.row->kind);
    team.to[me] = read_clock(CLOCK_MONOTONIC);
    return NULL;
}

static rl_duration run_team(const struct row *r)
{
    pthread_t thread[2];
    int me[2] = { 0, 1 };

    team.row = r;
    team.arrived = 0;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&thread[i], NULL, member, &me[i]) != 0)
            abort();
    for (int i = 0; i < 2; i++)
        (void)pthread_join(thread[i], NULL);
    return (team.to[0] > team.to[1] ? team.to[0] : team.to[1]) -
           (team.from[0] < team.from[1] ? team.from[0] : team.from[1]);
}

static rl_duration run_alone(const struct row *r)
{
    rl_time from = read_clock(CLOCK_MONOTONIC);

    team.granted[0] = r->work(r->kind);
    team.granted[1] = 0;
    return read_clock(CLOCK_MONOTONIC) - from;
}

/* A number of the table that is not what it says would be worse than none. */
static void check(const struct row *r, const rl_limiter *before)
{
    uint64_t granted = team.granted[0] + team.granted[1];

    if (r->level == FULL && granted != (uint64_t)r->threads * COUNT)
        printf("! %s: %" PRIu64 " granted only\n", r->name, granted);
    if (r->level == EMPTY && (granted != 0 || memcmp(before, &arena.limiter, sizeof *before) != 0))
        printf("! %s: granted, or written to\n", r->name);
}

static void measure(struct row *r, int turn)
{
    rl_limiter before;
    rl_duration span;

    if (r->level != NO_LIMITER && !set_up(r))
        r->left_out = 1;
    if (r->left_out)
        return;
    before = arena.limiter;
    span = r->threads == 2 ? run_team(r) : run_alone(r);
    check(r, &before);
    r->ns[turn] = (double)span / (COUNT * r->threads);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *value, int turns)
{
    qsort(value, (size_t)turns, sizeof *value, ascending);
    return value[turns / 2];
}

static const struct row *row_of(const char *name, int threads)
{
    const struct row *r = row;

    while (r->name != NULL && (r->threads != threads || strcmp(r->name, name) != 0))
        r++;
    return r;
}

/* Times as a share of the baseline's, or speed of two threads. */
static void compare(struct row *r, int turns, const struct row *base, double *ratio)
{
    for (int i = 0; i < turns; i++)
        ratio[i] = r->threads == 1 ? r->ns[i] / base->ns[i] : base->ns[i] / r->ns[i];
}

static void print_goal(const struct row *r, double ratio, double second)
{
    int met = (r->most == 0 || ratio <= r->most) && ratio >= r->least &&
              (r->most_beside == 0 || second <= r->most_beside);

    if (r->most != 0)
        printf("  <= %.2f", r->most);
    else if (r->least != 0)
        printf("  >= %.2f", r->least);
    else if (r->most_beside != 0)
        printf("  <= %.0f x %s", r->most_beside, r->beside);
    else
        met = -1;
    printf("%s\n", met < 0 ? "" : met ? ": met" : ": MISSED");
}

static void print_row(struct row *r, int turns)
{
    double ratio = median(r->ratio, turns), second = 0;

    printf("%-31s %8.1f %8.1f %8.2f", r->name, r->ns[turns / 2], r->ns[0], ratio);
    if (r->beside != NULL)
        printf(" %8.2f", second = median(r->second, turns));
    else
        printf(" %8s", "");
    print_goal(r, ratio, second);
}

static void print_rows(int turns, int threads, const char *baseline)
{
    printf("%-31s %8s %8s %8s %8s  %s\n", threads == 1 ? "one thread" : "two threads, total", "ns",
           "(min)", threads == 1 ? "x clk" : "x cas2", threads == 1 ? "xgranted" : "x bare",
           "goal");
    for (struct row *r = row; r->name != NULL; r++) {
        if (r->threads != threads || r->left_out)
            continue;
        compare(r, turns, row_of(baseline, threads), r->ratio);
        if (r->beside != NULL)
            compare(r, turns, row_of(r->beside, threads), r->second);
    }
    for (struct row *r = row; r->name != NULL; r++) {
        if (r->threads != threads)
            continue;
        if (r->left_out) {
            printf("%-31s %8s\n", r->name, "-");
            continue;
        }
        (void)median(r->ns, turns); /* sorts: no ratio can be made after that */
        print_row(r, turns);
    }
}

static struct {
    rl_limiter limiter;
    rl_time end;
    uint64_t granted;
} crowd;

static void *hammer(void *arg)
{
    uint64_t granted = 0;
    rl_time now;

    (void)arg;
    while ((now = read_clock(CLOCK_BOOTTIME)) < crowd.end)
        granted += rl_limiter_take(&crowd.limiter, 1, now, NULL) == RL_OK;
    __atomic_fetch_add(&crowd.granted, granted, __ATOMIC_RELAXED);
    return NULL;
}

/* Two threads at 1 000 a second, burst 10: is all of it used, and not one too many? */
static void measure_admitted(rl_duration seconds)
{
    rl_limit limit = RL_LIMIT_INIT;
    rl_time start = read_clock(CLOCK_BOOTTIME);
    uint64_t budget = 10 + seconds * 1000;
    pthread_t thread[2];

    limit.amount = 1000;
    limit.period = RL_SECOND;
    limit.burst = 10;
    if (rl_limiter_init(&crowd.limiter, &limit, start) != RL_OK)
        return;
    crowd.end = start + seconds * RL_SECOND;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&thread[i], NULL, hammer, NULL) != 0)
            abort();
    for (int i = 0; i < 2; i++)
        (void)pthread_join(thread[i], NULL);
    printf("admitted by two threads in %" PRIu64 " s: %" PRIu64 " of %" PRIu64
           " = %.3f %%%s  (goal: >= 99.9 %%, never above)\n",
           seconds, crowd.granted, budget, 100.0 * (double)crowd.granted / (double)budget,
           crowd.granted > budget ? " ABOVE" : "");
}

static void measure_allocations(void)
{
    uint64_t before = allocations;
    struct row r = { .name = "", .level = FULL };

    if (set_up(&r))
        (void)take(RL_CLOCK_PRECISE);
    r.level = EMPTY;
    if (set_up(&r))
        (void)take_with_clock(RL_CLOCK_COARSE);
#ifdef COUNTS_ALLOCATIONS
    printf("allocations in %d decisions: %" PRIu64 "  (goal: 0)\n", 2 * COUNT,
           allocations - before);
#else
    printf("allocations: not counted in this build (%" PRIu64 ")\n", allocations - before);
#endif
}

static void find_processors(void)
{
    cpu_set_t set;
    int found = 0;

    CPU_ZERO(&set);
    (void)sched_getaffinity(0, sizeof set, &set);
    for (size_t i = 0; i < CPU_SETSIZE && found < 2; i++)
        if (CPU_ISSET(i, &set))
            team.cpu[found++] = i;
    for (struct row *r = row; r->name != NULL; r++)
        r->left_out = r->threads == 2 && found < 2;
}

static void start_clocks(void)
{
    for (int kind = 0; kind < 3; kind++)
        if (rl_clock_init(&arena.clock[kind], (rl_clock_kind)kind) != RL_OK)
            abort();
    for (rl_time end = read_clock(CLOCK_MONOTONIC) + RL_SECOND / 20;
         read_clock(CLOCK_MONOTONIC) < end;)
        (void)rl_clock_now(&arena.clock[RL_CLOCK_TSC]); /* until it is calibrated */
}

static int number(const char *name, int otherwise, int least, int most)
{
    const char *text = getenv(name);
    long value = text != NULL ? strtol(text, NULL, 10) : otherwise;

    return value < least ? least : value > most ? most : (int)value;
}

int main(void)
{
    int turns = number("LLMRL_BENCH_TURNS", 25, 5, TURNS_MAX);

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    find_processors();
    start_clocks();
    for (int turn = 0; turn < turns; turn++)
        for (struct row *r = row; r->name != NULL; r++)
            measure(r, turn);
    printf("llmrl %s; %d turns; rl_clock tsc is %s\n\n", rl_version(), turns,
           rl_clock_in_use(&arena.clock[RL_CLOCK_TSC]) == RL_CLOCK_TSC ? "in use"
                                                                       : "not to be had");
    print_rows(turns, 1, "clk");
    printf("\n");
    print_rows(turns, 2, "cas2");
    printf("\n");
    measure_allocations();
    measure_admitted((rl_duration)number("LLMRL_BENCH_SECONDS", 10, 1, 3600));
    return 0;
}
