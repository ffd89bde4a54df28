/* SPDX-License-Identifier: MIT */
/* The cheap clocks: their arithmetic on readings made up here, then the real ones against the
 * precise clock. */
#include "base/cheap_clock.h"
#include "vclock.h"

#include <llmrl/limiter.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_line_ends_at_its_reach(void **ctx)
{
    const struct rl__line line = {
        .start = 100, .time = 7000, .pace = UINT64_C(3) << 31, .reach = 10
    };
    static const struct {
        uint64_t raw;
        int known;
        rl_time now;
    } row[] = {
        { 100, 1, 7000 }, { 101, 1, 7001 }, { 102, 1, 7003 }, { 109, 1, 7013 },
        { 110, 0, 0 },    { 99, 0, 0 },     { 0, 0, 0 },      /* back */ { UINT64_MAX, 0, 0 },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_time now = 0;

        assert_int_equal(rl__line_at(&line, row[i].raw, &now), row[i].known);
        assert_true(now == row[i].now);
    }
}

/* A machine with a counter of 2 GHz, compared once in each millisecond. */
struct machine {
    struct rl__line line;
    struct rl__check check;
    uint64_t raw;
    rl_time now;
};

static void run(struct machine *m, rl_duration span)
{
    for (rl_time end = m->now + span; m->now < end;) {
        m->now += RL_MILLISECOND;
        m->raw += 2 * RL_MILLISECOND;
        rl__tsc_compare(&m->line, &m->check, m->raw - 50, m->now, m->raw);
    }
}

static int is_counting(const struct machine *m)
{
    return m->line.reach != 0;
}

static struct machine calibrated(void)
{
    struct machine m = { .raw = UINT64_MAX - 3 * RL_SECOND, .now = 5 * RL_SECOND };

    run(&m, 11 * RL_MILLISECOND);
    assert_true(is_counting(&m));
    return m;
}

static void ten_milliseconds_calibrate_the_counter(void **ctx)
{
    struct machine m = { .raw = 1, .now = 5 * RL_SECOND };

    (void)ctx;
    run(&m, 10 * RL_MILLISECOND);
    assert_false(is_counting(&m));
    run(&m, RL_MILLISECOND);
    assert_true(m.line.pace == UINT64_C(1) << 31);
    assert_true(m.line.reach == 2 * RL_MILLISECOND);
    assert_true(m.line.start == m.raw && m.line.time == m.now);
    assert_int_equal(m.check.strikes, 0);
}

/* Each of these takes the counter out of service for ten milliseconds. */
static void a_counter_that_disagrees_is_put_aside(void **ctx)
{
    static const struct {
        uint64_t raw, now; /* how far each moves on */
        int agrees;
    } row[] = {
        { 0, RL_HOUR, 0 },                                   /* it stood still in a suspend */
        { (uint64_t)0 - RL_SECOND, 0, 0 },                   /* it stepped back */
        { 2 * RL_SECOND, 0, 0 },                             /* it jumped ahead */
        { 2 * RL_SECOND, RL_SECOND, 1 },                     /* a pause */
        { 2 * RL_HOUR, RL_HOUR + RL_HOUR / 1024 + 1000, 1 }, /* allowed, just so */
        { 2 * RL_HOUR, RL_HOUR + RL_HOUR / 1000, 0 },        /* too slow */
        { 2 * RL_HOUR, RL_HOUR - RL_HOUR / 1000, 0 },        /* too fast */
        { 2 * RL_MILLISECOND, RL_MILLISECOND + 1970, 1 },    /* 1000 ns and 1/1024 */
        { 2 * RL_MILLISECOND, RL_MILLISECOND + 1990, 0 },
        { 2 * RL_MILLISECOND, RL_MILLISECOND - 1970, 1 },
        { 2 * RL_MILLISECOND, RL_MILLISECOND - 1990, 0 },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct machine m = calibrated();

        m.raw += row[i].raw;
        m.now += row[i].now;
        rl__tsc_compare(&m.line, &m.check, m.raw, m.now, m.raw);
        if (is_counting(&m) != row[i].agrees)
            print_error("row %zu\n", i);
        assert_int_equal(is_counting(&m), row[i].agrees);
        assert_int_equal(m.check.strikes, !row[i].agrees);
        if (row[i].agrees)
            assert_true(m.line.time == m.now); /* the precise clock is right */
        run(&m, 9 * RL_MILLISECOND);
        assert_int_equal(is_counting(&m), row[i].agrees);
        run(&m, RL_MILLISECOND);
        assert_true(is_counting(&m) && !rl__tsc_is_given_up(&m.check));
    }
}

static void a_counter_that_never_agrees_is_given_up(void **ctx)
{
    struct machine m = calibrated();

    (void)ctx;
    for (int i = 0; i < RL__TSC_STRIKES; i++) {
        assert_false(rl__tsc_is_given_up(&m.check));
        m.now += RL_SECOND;
        run(&m, 12 * RL_MILLISECOND);
    }
    assert_true(rl__tsc_is_given_up(&m.check));
    assert_false(is_counting(&m));
    run(&m, RL_HOUR / 60);
    assert_false(is_counting(&m));
}

static void a_quiet_minute_forgives(void **ctx)
{
    struct machine m = calibrated();

    (void)ctx;
    for (int i = 0; i < 3 * RL__TSC_STRIKES; i++) {
        m.now += 8 * RL_HOUR; /* a laptop at night */
        run(&m, RL_MINUTE - 2 * RL_MILLISECOND);
        assert_int_equal(m.check.strikes, 1);
        run(&m, 4 * RL_MILLISECOND);
        assert_int_equal(m.check.strikes, 0);
        assert_true(is_counting(&m));
    }
}

/* One that took long (the thread was put aside in between) says nothing, whatever it says. */
static void a_slow_comparison_says_nothing(void **ctx)
{
    struct machine m = calibrated(), before = m;

    (void)ctx;
    rl__tsc_compare(&m.line, &m.check, m.raw, m.now + RL_HOUR, m.raw + RL__TSC_READ_MAX + 1);
    assert_memory_equal(&m, &before, sizeof m);
    rl__tsc_compare(&m.line, &m.check, m.raw, m.now, m.raw + RL__TSC_READ_MAX);
    assert_true(m.line.start == m.raw + RL__TSC_READ_MAX);
}

static void what_is_no_counter_is_not_believed(void **ctx)
{
    static const uint64_t counts[] = { 0, 1, 90000, UINT64_C(360000000) }; /* in 11 ms */

    (void)ctx;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct machine m = { .raw = 5, .now = RL_SECOND };

        rl__tsc_compare(&m.line, &m.check, m.raw, m.now, m.raw);
        m.raw += counts[i];
        m.now += 11 * RL_MILLISECOND;
        rl__tsc_compare(&m.line, &m.check, m.raw, m.now, m.raw);
        assert_false(is_counting(&m));
        assert_int_equal(m.check.strikes, 1);
    }
}

/* The clock's hand is slewed by 500 parts in a million, as NTP may; the counter follows. */
static void a_slewed_clock_is_followed(void **ctx)
{
    struct machine m = calibrated();

    (void)ctx;
    for (int i = 0; i < 20000; i++) {
        rl_time now = 0;

        m.raw += 2 * RL_MILLISECOND;
        m.now += i < 10000 ? RL_MILLISECOND + 500 : RL_MILLISECOND - 500;
        m.line.reach *= 2; /* what would it have said? */
        assert_true(rl__line_at(&m.line, m.raw, &now));
        assert_true(now + 1100 >= m.now && now <= m.now + 1100);
        if (i > 2000 && i < 10000) /* the pace is measured once a second */
            assert_true(now + 5 >= m.now && now <= m.now + 5);
        rl__tsc_compare(&m.line, &m.check, m.raw, m.now, m.raw);
    }
    assert_int_equal(m.check.strikes, 0);
}

static void clocks_are_started_by_kind(void **ctx)
{
    rl_clock clock;

    (void)ctx;
    assert_int_equal(rl_clock_init(NULL, RL_CLOCK_PRECISE), RL_E_INVALID);
    assert_int_equal(rl_clock_init(&clock, (rl_clock_kind)3), RL_E_INVALID);
    assert_int_equal(rl_clock_init(&clock, (rl_clock_kind)-1), RL_E_INVALID);
    assert_int_equal(rl_clock_init(&clock, RL_CLOCK_PRECISE), RL_OK);
    assert_int_equal(rl_clock_in_use(&clock), RL_CLOCK_PRECISE);
    assert_int_equal(rl_clock_error(&clock), 0);
    assert_int_equal(rl_clock_init(&clock, RL_CLOCK_COARSE), RL_OK);
    assert_int_equal(rl_clock_in_use(&clock), RL_CLOCK_COARSE);
    assert_in_range(rl_clock_error(&clock), RL_MILLISECOND, 10 * RL_MILLISECOND);
    assert_int_equal(rl_clock_init(&clock, RL_CLOCK_TSC), RL_OK);
    assert_int_equal(rl_clock_in_use(&clock), RL_CLOCK_PRECISE); /* not yet */
    assert_int_equal(rl_clock_error(&clock), 0);
}

/* Reads `clock` for 40 ms, each time between two precise readings. Gives the share in a thousand
 * that was outside of what it promises; *ahead: how many were ahead by more than `ahead_max`. */
static unsigned outside(rl_clock *clock, rl_duration ahead_max, unsigned *ahead)
{
    rl_time before = rl_clock_precise(clock), end = before + 40 * RL_MILLISECOND;
    unsigned all = 0, behind = 0;

    for (*ahead = 0; before < end; all++) {
        rl_time now = rl_clock_now(clock);

        behind += now + rl_clock_error(clock) < before;
        before = rl_clock_precise(clock);
        *ahead += now > before + ahead_max;
    }
    return behind * 1000 / all;
}

static void the_coarse_clock_is_a_tick_behind_at_most(void **ctx)
{
    rl_clock clock;
    unsigned ahead;

    (void)ctx;
    assert_int_equal(rl_clock_init(&clock, RL_CLOCK_COARSE), RL_OK);
    /* A kernel that is late with its tick makes it late, too: hence not 0. */
    assert_true(outside(&clock, 0, &ahead) < 500);
    assert_int_equal(ahead, 0);
}

static void the_counter_is_within_its_error(void **ctx)
{
    rl_clock clock;
    unsigned ahead;

    (void)ctx;
    assert_int_equal(rl_clock_init(&clock, RL_CLOCK_TSC), RL_OK);
    if (clock.kind != RL_CLOCK_TSC)
        skip(); /* no invariant counter */
    assert_int_equal(outside(&clock, RL__TSC_ERROR, &ahead), 0);
    assert_int_equal(ahead, 0);
    if (clock.check[2] > 0)
        return; /* this machine was put to sleep meanwhile: it is being calibrated anew */
    assert_int_equal(rl_clock_in_use(&clock), RL_CLOCK_TSC);
    assert_int_equal(rl_clock_error(&clock), RL__TSC_ERROR);
}

/* For who must not be early. */
static void the_floor_is_never_ahead(void **ctx)
{
    rl_clock clock;
    rl_time end;

    (void)ctx;
    assert_int_equal(rl_clock_init(&clock, RL_CLOCK_TSC), RL_OK);
    end = rl_clock_precise(&clock) + 50 * RL_MILLISECOND;
    for (rl_time before = 0; before < end;) {
        rl_time now;

        before = rl_clock_precise(&clock);
        now = rl__clock_floor(&clock);
        assert_true(now <= rl_clock_precise(&clock));
        assert_true(now + 2 * RL__TSC_ERROR >= before);
    }
    assert_int_equal(rl_clock_init(&clock, RL_CLOCK_PRECISE), RL_OK);
    end = rl_clock_precise(&clock);
    assert_true(rl__clock_floor(&clock) >= end);
}

static void the_floor_leaves_out_what_it_may_be_off(void **ctx)
{
    rl_clock clock;

    (void)ctx;
    assert_int_equal(rl_clock_init(&clock, RL_CLOCK_TSC), RL_OK);
    if (clock.kind != RL_CLOCK_TSC)
        skip();              /* no invariant counter */
    clock.line[1] = RL_HOUR; /* whatever the counter says */
    clock.line[3] = UINT64_MAX;
    assert_true(rl_clock_now(&clock) == RL_HOUR);
    assert_true(rl__clock_floor(&clock) == RL_HOUR - RL__TSC_ERROR);
}

static rl_time gallop(void *user)
{
    rl_time *now = user;

    return *now += 5 * RL_MILLISECOND;
}

static void a_counter_that_the_clock_contradicts_is_left(void **ctx)
{
    rl_time reference = RL_HOUR;
    rl_clock clock;

    (void)ctx;
    assert_int_equal(rl_clock_init(&clock, RL_CLOCK_TSC), RL_OK);
    clock.precise = gallop;
    clock.user = &reference;
    for (int i = 0; i < 1000; i++)
        assert_true(rl_clock_now(&clock) == reference);
    assert_int_equal(clock.kind, RL_CLOCK_PRECISE);
}

/* Asks at a moment of which the coarse clock does not know yet; again, if a tick came between. */
static rl_status ask_late(rl_duration interval, rl_duration late)
{
    rl_limit limit = RL_LIMIT_INIT;
    struct vclock virtual;
    rl_limiter limiter;
    rl_clock clock;
    rl_status st;

    limit.amount = 1;
    limit.period = interval;
    for (;;) {
        virtual.now = RL_HOUR;
        assert_int_equal(rl_clock_init(&clock, RL_CLOCK_COARSE), RL_OK);
        clock.precise = vclock_now;
        clock.user = &virtual;
        clock.check[0] = 4 * RL_MILLISECOND;
        assert_int_equal(rl_limiter_init(&limiter, &limit, RL_HOUR), RL_OK);
        assert_int_equal(rl_limiter_take_with_clock(&limiter, 1, &clock, NULL), RL_OK);
        vclock_advance(&virtual, late);
        st = rl_limiter_take_with_clock(&limiter, 1, &clock, NULL);
        if (rl_clock_now(&clock) == RL_HOUR)
            return st;
    }
}

static void a_refusal_within_the_error_is_asked_again(void **ctx)
{
    (void)ctx;
    assert_int_equal(ask_late(3 * RL_MILLISECOND, 3 * RL_MILLISECOND), RL_OK);
    assert_int_equal(ask_late(3 * RL_MILLISECOND, 3 * RL_MILLISECOND - 1), RL_WAIT);
    assert_int_equal(ask_late(4 * RL_MILLISECOND, 4 * RL_MILLISECOND), RL_OK);
    assert_int_equal(ask_late(5 * RL_MILLISECOND, 5 * RL_MILLISECOND), RL_WAIT); /* it knows */
}

static void a_take_with_a_clock_answers_as_any(void **ctx)
{
    rl_limit limit = RL_LIMIT_INIT;
    rl_limiter limiter, zero = { 0 };
    struct vclock virtual = { .now = RL_HOUR };
    rl_time retry_at;
    rl_clock clock;

    (void)ctx;
    limit.amount = 60;
    limit.period = RL_MINUTE;
    assert_int_equal(rl_clock_init(&clock, RL_CLOCK_PRECISE), RL_OK);
    clock.precise = vclock_now;
    clock.user = &virtual;
    assert_int_equal(rl_limiter_init(&limiter, &limit, RL_HOUR), RL_OK);
    assert_int_equal(rl_limiter_take_with_clock(&limiter, 59, &clock, &retry_at), RL_OK);
    assert_true(retry_at == RL_HOUR);
    assert_int_equal(rl_limiter_take_with_clock(&limiter, 0, &clock, &retry_at), RL_OK);
    assert_int_equal(rl_limiter_take_with_clock(&limiter, 3, &clock, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_HOUR + 2 * RL_SECOND);
    assert_int_equal(rl_limiter_take_with_clock(&limiter, 3, &clock, NULL), RL_WAIT);
    assert_int_equal(rl_limiter_take_with_clock(&limiter, 61, &clock, &retry_at), RL_E_TOO_LARGE);
    assert_true(retry_at == RL_NEVER);
    assert_int_equal(rl_limiter_take_with_clock(&zero, 1, &clock, &retry_at), RL_E_INVALID);
    assert_int_equal(rl_limiter_take_with_clock(NULL, 1, &clock, NULL), RL_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_ends_at_its_reach),
        cmocka_unit_test(ten_milliseconds_calibrate_the_counter),
        cmocka_unit_test(a_counter_that_disagrees_is_put_aside),
        cmocka_unit_test(a_counter_that_never_agrees_is_given_up),
        cmocka_unit_test(a_quiet_minute_forgives),
        cmocka_unit_test(a_slow_comparison_says_nothing),
        cmocka_unit_test(what_is_no_counter_is_not_believed),
        cmocka_unit_test(a_slewed_clock_is_followed),
        cmocka_unit_test(clocks_are_started_by_kind),
        cmocka_unit_test(the_coarse_clock_is_a_tick_behind_at_most),
        cmocka_unit_test(the_counter_is_within_its_error),
        cmocka_unit_test(the_floor_is_never_ahead),
        cmocka_unit_test(the_floor_leaves_out_what_it_may_be_off),
        cmocka_unit_test(a_counter_that_the_clock_contradicts_is_left),
        cmocka_unit_test(a_refusal_within_the_error_is_asked_again),
        cmocka_unit_test(a_take_with_a_clock_answers_as_any),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
