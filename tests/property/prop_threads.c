/* SPDX-License-Identifier: MIT */
/*
 * Four threads on one limiter, of each algorithm: what all of them were granted, less what they
 * gave back, is exactly what the limiter lacks, whatever else went on; and in the end there is
 * nothing left that it should have granted. Written for ThreadSanitizer.
 *
 * They work in rounds. In a round the clock moves on within one window; all of them take more than
 * there is, give back, and one of them changes the limit to and fro. Between two rounds, while
 * nobody works, the books are compared, and the clock goes on until windows are fresh.
 *
 * LLMRL_PROPERTY_ACQUIRES: by all of them together, for each algorithm (default 10^6; the nightly
 * form: 10^7); LLMRL_SEED: other costs, in another order.
 */
#include "traffic.h"

#include "base/atomic.h"

#include <llmrl/limiter.h>

#include <pthread.h>
#include <string.h>

#define THREADS 4
#define ROUND   UINT64_C(2000) /* acquires of each thread */
#define START   (1000 * RL_DAY)
#define WORDS   (1 + 2 * RL_STATE_WORDS_MAX)

enum shape {
    WINDOW, /* fresh in each round; 6000 or 9000 units */
    BUCKET, /* 7000 units a second; never full, so that all that flows in counts */
    OUTFLOW /* one unit a nanosecond; never empty, so that it flows all the time */
};

struct form {
    const char *algorithm;
    uint64_t align, amount, bookings;
    enum shape shape;
    int with_another; /* rl_limiters_take(), with a limiter that lets two in at once */
};

static const struct form form[] = {
    { "token_bucket", 0, 7000, 0, BUCKET, 0 },
    { "token_bucket", 0, 7000, 3, BUCKET, 0 },
    { "token_bucket", 0, 7000, 0, BUCKET, 1 },
    { "leaky_meter", 0, 7000, 0, BUCKET, 0 },
    { "leaky_bucket", 0, RL_SECOND, 0, OUTFLOW, 0 },
    { "fixed_window", RL_ALIGN_EPOCH, 6000, 0, WINDOW, 0 },
    { "fixed_window", RL_ALIGN_FIRST, 6000, 0, WINDOW, 0 },
    { "sliding_window", 0, 6000, 0, WINDOW, 0 },
    { "sliding_counter", 0, 6000, 0, WINDOW, 0 },
    { "concurrency", 0, 6000, 0, WINDOW, 0 },
};
#define FORMS (sizeof form / sizeof form[0])

static struct crowd {
    const struct form *form;
    rl_limit limit, wider;
    rl_limiter limiter, another;
    uint64_t words[WORDS];
    struct vclock clock;
    pthread_barrier_t barrier;
    uint64_t rounds;
    int64_t held[THREADS]; /* units granted less units given back */
    uint64_t granted, refused, changed;
    const char *wrong; /* the law that was broken; NULL: none */
    int64_t left, want;
} crowd;

static uint64_t dice(uint64_t sides)
{
    return vclock_random(&crowd.clock) % sides;
}

/* ---- what a thread does ---- */

static int acquire(uint64_t cost, rl_time now)
{
    rl_share both[2] = { { &crowd.limiter, cost }, { &crowd.another, 1 } };
    rl_time at = now;

    if (crowd.form->shape == OUTFLOW)
        return rl_limiter_reserve(&crowd.limiter, cost, now, RL_NEVER, &at) == RL_OK;
    if (crowd.form->with_another) {
        if (rl_limiters_take(both, 2, now, NULL, NULL) != RL_OK)
            return 0;
        rl_limiter_give_back(&crowd.another, 1, now);
        return 1;
    }
    if (crowd.form->bookings == 0 || dice(2) == 0)
        return rl_limiter_take(&crowd.limiter, cost, now, NULL) == RL_OK;
    if (rl_limiter_reserve(&crowd.limiter, cost, now, RL_NEVER, &at) != RL_OK)
        return 0;
    if (at > now) /* it lies ahead, and is called off before its time can come */
        rl_limiter_cancel(&crowd.limiter, cost, at, now);
    return at <= now;
}

static void give_some_back(int64_t *held, rl_time now)
{
    int64_t some = 1 + (int64_t)dice(4);

    if (some > *held || crowd.form->shape == OUTFLOW)
        return;
    rl_limiter_give_back(&crowd.limiter, (uint64_t)some, now);
    *held -= some;
}

static void work(int me)
{
    uint64_t granted = 0, refused = 0;
    int64_t held = crowd.held[me];

    for (uint64_t i = 0; i < ROUND; i++) {
        uint64_t cost = 1 + dice(5);
        rl_time now = vclock_now(&crowd.clock);

        if (acquire(cost, now)) {
            held += (int64_t)cost;
            granted++;
        } else {
            refused++;
        }
        if (dice(8) == 0)
            give_some_back(&held, now);
        if (dice(8) == 0)
            vclock_advance(&crowd.clock, dice(10)); /* less than they ask for */
        if (me == 0 && dice(64) == 0)
            crowd.changed += rl_limiter_change(&crowd.limiter,
                                               dice(2) ? &crowd.limit : &crowd.wider, now) == RL_OK;
    }
    crowd.held[me] = held;
    (void)rl__fetch_add(&crowd.granted, granted);
    (void)rl__fetch_add(&crowd.refused, refused);
}

/* ---- the books ---- */

static int64_t held_by_all(void)
{
    int64_t sum = 0;

    for (int i = 0; i < THREADS; i++)
        sum += crowd.held[i];
    return sum;
}

static int64_t left_at(rl_time now)
{
    rl_level level;

    rl_limiter_snapshot(&crowd.limiter, now, &level);
    if (crowd.form->shape == OUTFLOW)
        return (int64_t)level.burst - (int64_t)level.full_in; /* one unit a nanosecond */
    return level.remaining;
}

/* All in exact numbers: a limit of 7 units a millisecond, and one of a unit a nanosecond. */
static int64_t should_be_left(rl_time now)
{
    int64_t passed = (int64_t)(now - START);

    switch (crowd.form->shape) {
    case BUCKET: /* this and the next began empty */
        return passed * 7 / (int64_t)RL_MILLISECOND - held_by_all();
    case OUTFLOW:
        return passed - held_by_all();
    default:
        return (int64_t)crowd.limit.amount - held_by_all();
    }
}

/* cmocka hears of it when all have come home. */
static void compare_books(rl_time now, const char *law)
{
    int64_t left = left_at(now), want = should_be_left(now);

    if (left == want || crowd.wrong != NULL)
        return;
    crowd.wrong = law;
    crowd.left = left;
    crowd.want = want;
}

static void close_the_books(void)
{
    rl_time now = vclock_now(&crowd.clock);
    rl_level other;

    if (rl_limiter_change(&crowd.limiter, &crowd.limit, now) != RL_OK)
        crowd.wrong = "the limit can be changed";
    compare_books(now, "what is gone is what they hold");
    while (acquire(1, now))
        crowd.held[0]++;
    compare_books(now, "and when all is taken");
    if (left_at(now) > 0)
        crowd.wrong = "nothing is kept back";
    rl_limiter_snapshot(&crowd.another, now, &other);
    if (other.remaining != (int64_t)other.burst)
        crowd.wrong = "nothing is held of the other";
}

static void open_the_next_round(void)
{
    if (crowd.form->shape == OUTFLOW)
        return;
    vclock_advance(&crowd.clock,
                   2 * RL_SECOND - (vclock_now(&crowd.clock) - START) % (2 * RL_SECOND));
    if (crowd.form->shape == BUCKET)
        return;
    if (strcmp(crowd.form->algorithm, "concurrency") == 0)
        rl_limiter_give_back(&crowd.limiter, (uint64_t)held_by_all(), 0);
    memset(crowd.held, 0, sizeof crowd.held);
}

static void *work_in_rounds(void *arg)
{
    int me = *(int *)arg;

    for (uint64_t i = 0; i < crowd.rounds && crowd.wrong == NULL; i++) {
        work(me);
        (void)pthread_barrier_wait(&crowd.barrier);
        if (me == 0) {
            close_the_books();
            open_the_next_round();
        }
        (void)pthread_barrier_wait(&crowd.barrier);
    }
    return NULL;
}

static void open_the_books(const struct form *f, uint64_t acquires)
{
    rl_limit two = RL_LIMIT_INIT;

    memset(&crowd, 0, sizeof crowd);
    crowd.form = f;
    crowd.rounds = acquires / (THREADS * ROUND) + 1;
    crowd.clock.random = number_from("LLMRL_SEED", 20260105);
    crowd.clock.now = START;
    crowd.limit = RL_LIMIT_INIT;
    crowd.limit.algorithm = f->algorithm;
    crowd.limit.amount = f->amount;
    crowd.limit.period = RL_SECOND;
    crowd.limit.align = f->align;
    crowd.limit.bookings = f->bookings;
    crowd.limit.burst = f->shape == BUCKET ? 100000 : f->shape == OUTFLOW ? 10000 : 0;
    crowd.limit.start = f->shape == WINDOW ? 0 : RL_START_EMPTY;
    crowd.wider = crowd.limit;
    if (f->shape == WINDOW)
        crowd.wider.amount += crowd.limit.amount / 2;
    else
        crowd.wider.burst += crowd.limit.burst / 5;
    two.algorithm = "concurrency";
    two.amount = 2;
    two.period = RL_SECOND;
    assert_int_equal(rl_limiter_init(&crowd.another, &two, START), RL_OK);
    assert_int_equal(rl_limiter_init_at(&crowd.limiter, &crowd.limit, crowd.words, WORDS, START),
                     RL_OK);
    if (f->algorithm == form[0].algorithm && f->bookings == 0) /* the short way */
        assert_int_equal(rl_limiter_init(&crowd.limiter, &crowd.limit, START), RL_OK);
}

static void threads_share_exactly_one_budget(void **ctx)
{
    uint64_t acquires = number_from("LLMRL_PROPERTY_ACQUIRES", 1000000);
    int me[THREADS] = { 0, 1, 2, 3 };
    pthread_t thread[THREADS];

    (void)ctx;
    for (size_t i = 0; i < FORMS; i++) {
        open_the_books(&form[i], acquires);
        assert_int_equal(pthread_barrier_init(&crowd.barrier, NULL, THREADS), 0);
        for (int k = 0; k < THREADS; k++)
            assert_int_equal(pthread_create(&thread[k], NULL, work_in_rounds, &me[k]), 0);
        for (int k = 0; k < THREADS; k++)
            assert_int_equal(pthread_join(thread[k], NULL), 0);
        assert_int_equal(pthread_barrier_destroy(&crowd.barrier), 0);
        print_message("%-15s %" PRIu64 " acquires: %" PRIu64 " granted, %" PRIu64
                      " refused, %" PRIu64 " changes of the limit\n",
                      form[i].algorithm, crowd.granted + crowd.refused, crowd.granted,
                      crowd.refused, crowd.changed);
        if (crowd.wrong != NULL)
            fail_msg("law broken: %s: %" PRId64 " left, not %" PRId64, crowd.wrong, crowd.left,
                     crowd.want);
        assert_true(crowd.granted > 0 && crowd.refused > 0 && crowd.changed > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_exactly_one_budget),
    };
    return cmocka_run_group_tests_name("prop_threads", tests, NULL, NULL);
}
