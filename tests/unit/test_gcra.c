/* SPDX-License-Identifier: MIT */
/* The token bucket by hand-made examples, at its ends, and over the whole range of limits. */
#include <llmrl/limiter.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static rl_limiter bucket(uint64_t amount, rl_duration period, uint64_t burst, uint64_t oversize,
                         rl_time now)
{
    rl_limit limit = RL_LIMIT_INIT;
    rl_limiter limiter;

    limit.amount = amount;
    limit.period = period;
    limit.burst = burst;
    limit.oversize = oversize;
    assert_int_equal(rl_limiter_init(&limiter, &limit, now), RL_OK);
    return limiter;
}

static int64_t remaining(const rl_limiter *limiter, rl_time now)
{
    rl_level level;

    rl_limiter_snapshot(limiter, now, &level);
    return level.remaining;
}

struct ask {
    rl_time at;
    uint64_t cost;
    rl_status want;
    rl_time retry_at;
};

static void ask_all(rl_limiter *limiter, const struct ask *row, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        rl_time retry_at = 1;
        rl_status got = rl_limiter_take(limiter, row[i].cost, row[i].at, &retry_at);

        if (got != row[i].want || retry_at != row[i].retry_at)
            print_error("row %zu: %s, retry_at %llu\n", i, rl_status_name(got),
                        (unsigned long long)retry_at);
        assert_int_equal(got, row[i].want);
        assert_true(retry_at == row[i].retry_at);
    }
}
#define ASK_ALL(limiter, row) ask_all((limiter), (row), sizeof(row) / sizeof(row)[0])

static void refills_one_unit_per_interval(void **ctx)
{
    rl_limiter limiter = bucket(60, 60 * RL_SECOND, 10, RL_OVERSIZE_REFUSE, 0);
    static const struct ask row[] = {
        { 0, 10, RL_OK, 0 },                      /* the whole burst at once */
        { RL_SECOND - 1, 1, RL_WAIT, RL_SECOND }, /* one nanosecond early is early */
        { RL_SECOND, 1, RL_OK, RL_SECOND },
        { 0, 1, RL_WAIT, 2 * RL_SECOND }, /* the clock went back: nothing earned */
        { RL_SECOND, 0, RL_OK, RL_SECOND },
        { RL_SECOND, 11, RL_E_TOO_LARGE, RL_NEVER },
        { RL_SECOND, UINT64_MAX, RL_E_TOO_LARGE, RL_NEVER },
        { 11 * RL_SECOND, 10, RL_OK, 11 * RL_SECOND },
        { 11 * RL_SECOND, 10, RL_WAIT, 21 * RL_SECOND },
    };

    (void)ctx;
    ASK_ALL(&limiter, row);
}

/* 3 per 10 ns: a unit every 3 1/3 ns. Rounding up each time would lose the third for ever. */
static void thirds_add_up(void **ctx)
{
    rl_limiter limiter = bucket(3, 10, 1, RL_OVERSIZE_REFUSE, 100);
    static const struct ask row[] = {
        { 100, 1, RL_OK, 100 },
        { 103, 1, RL_WAIT, 104 },
        { 104, 1, RL_OK, 104 },
        { 104, 1, RL_WAIT, 108 }, /* full at 103 1/3: the start is 104, not earlier */
    };

    (void)ctx;
    ASK_ALL(&limiter, row);
    limiter = bucket(3, 10, 3, RL_OVERSIZE_REFUSE, 100);
    assert_int_equal(rl_limiter_take(&limiter, 3, 100, NULL), RL_OK);
    for (rl_time at = 100, taken = 0; at <= 10100; at++) {
        taken += rl_limiter_take(&limiter, 1, at, NULL) == RL_OK;
        assert_true(taken == (at - 100) * 3 / 10);
    }
}

static void borrowing_waits_for_full_and_goes_into_debt(void **ctx)
{
    rl_limiter limiter = bucket(60, 60 * RL_SECOND, 10, RL_OVERSIZE_BORROW, 0);
    static const struct ask row[] = {
        { 0, 1, RL_OK, 0 },
        { 0, 60, RL_WAIT, RL_SECOND },
        { RL_SECOND, 61, RL_E_TOO_LARGE, RL_NEVER },
        { RL_SECOND, 60, RL_OK, RL_SECOND },
        { RL_SECOND, 1, RL_WAIT, 52 * RL_SECOND },
        { 52 * RL_SECOND, 1, RL_OK, 52 * RL_SECOND },
    };

    (void)ctx;
    ASK_ALL(&limiter, row);
    assert_int_equal(remaining(&limiter, RL_SECOND), -51);
}

static void a_limit_of_nothing_gives_nothing(void **ctx)
{
    rl_limiter limiter = bucket(0, RL_SECOND, 5, RL_OVERSIZE_BORROW, 7);
    static const struct ask row[] = { { 9, 1, RL_E_TOO_LARGE, RL_NEVER }, { 9, 0, RL_OK, 9 } };
    rl_level level;

    (void)ctx;
    ASK_ALL(&limiter, row);
    rl_limiter_charge(&limiter, 3, 9);
    rl_limiter_snapshot(&limiter, 9, &level);
    assert_int_equal(level.burst, 0);
    assert_int_equal(level.remaining, -3);
    assert_true(level.full_in == RL_NEVER);
}

static void levels_are_given_back_charged_and_set(void **ctx)
{
    rl_limiter limiter = bucket(60, 60 * RL_SECOND, 10, RL_OVERSIZE_REFUSE, RL_HOUR);
    rl_time now = RL_HOUR;
    rl_level level;

    (void)ctx;
    assert_int_equal(rl_limiter_take(&limiter, 7, now, NULL), RL_OK);
    rl_limiter_give_back(&limiter, 2, now);
    assert_int_equal(remaining(&limiter, now), 5);
    rl_limiter_give_back(&limiter, UINT64_MAX, now);
    assert_int_equal(remaining(&limiter, now), 10);
    assert_int_equal(remaining(&limiter, now - 3 * RL_SECOND), 7); /* full now, not before */
    rl_limiter_charge(&limiter, 25, now);
    rl_limiter_snapshot(&limiter, now, &level);
    assert_int_equal(level.remaining, -15);
    assert_true(level.full_in == 25 * RL_SECOND && level.limit == 60 && level.burst == 10);
    assert_int_equal(remaining(&limiter, now + 1), -15); /* rounded down */
    rl_limiter_set_level(&limiter, 4, now + 10 * RL_SECOND);
    assert_int_equal(remaining(&limiter, now + 10 * RL_SECOND), 4);
    assert_int_equal(remaining(&limiter, now), -6); /* until then: what refills by then */
    rl_limiter_set_level(&limiter, 99, now);
    assert_int_equal(remaining(&limiter, now), 10);
    rl_limiter_set_level(&limiter, -3, now);
    assert_int_equal(remaining(&limiter, now), -3);
}

static void debt_saturates_without_wrapping(void **ctx)
{
    rl_limiter limiter = bucket(60, 60 * RL_SECOND, 10, RL_OVERSIZE_REFUSE, RL_HOUR);
    rl_time retry_at;

    (void)ctx;
    rl_limiter_charge(&limiter, UINT64_MAX, RL_HOUR);
    rl_limiter_charge(&limiter, UINT64_MAX, RL_HOUR);
    assert_int_equal(rl_limiter_take(&limiter, 1, RL_HOUR, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
    assert_true(limiter.word[0] == UINT64_MAX - 1);
    /* Without the framework, too: stores call the algorithm on words of their own. */
    limiter.algorithm->charge(&limiter.plan, limiter.word, 1, RL_HOUR);
    assert_true(limiter.word[0] == UINT64_MAX - 1);
    rl_limiter_set_level(&limiter, INT64_MIN, RL_HOUR);
    assert_int_equal(rl_limiter_take(&limiter, 1, RL_HOUR, NULL), RL_WAIT);
    rl_limiter_set_level(&limiter, INT64_MAX, RL_HOUR);
    assert_int_equal(rl_limiter_take(&limiter, 10, RL_HOUR, NULL), RL_OK);
}

/* Beyond the end of the clock there is no refill, but no overflow either. */
static void the_clock_ends_in_silence(void **ctx)
{
    rl_limiter limiter = bucket(7, 1, 5, RL_OVERSIZE_REFUSE, UINT64_MAX);
    rl_time retry_at;

    (void)ctx;
    assert_int_equal(rl_limiter_take(&limiter, 5, UINT64_MAX, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, UINT64_MAX, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
}

/* A clock that counts from 1970 is a natural choice for a hook: any limit up to 7 units a
 * nanosecond must do. */
static void calendar_time_is_within_the_clock(void **ctx)
{
    const rl_time year_2040 = UINT64_C(2208988800) * RL_SECOND;
    rl_limiter broken = bucket(8, 3, 8, RL_OVERSIZE_REFUSE, year_2040); /* 5 1/3 ticks */
    rl_limiter limiter = bucket(7, 1, 7, RL_OVERSIZE_REFUSE, year_2040);

    (void)ctx;
    assert_int_equal(rl_limiter_take(&limiter, 7, year_2040, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, year_2040, NULL), RL_WAIT);
    assert_int_equal(rl_limiter_take(&limiter, 7, year_2040 + 1, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&broken, 8, year_2040, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&broken, 8, year_2040 + 4, NULL), RL_OK);
}

static void the_whole_range_of_limits_works(void **ctx)
{
    static const struct {
        uint64_t amount;
        rl_duration period;
        uint64_t burst;
    } row[] = {
        { 1, 30 * RL_DAY, 0 },
        { 1, 3652 * RL_DAY, RL_AMOUNT_MAX },
        { 1, 3652 * RL_DAY, 0 },
        { 1, 1, RL_AMOUNT_MAX },
        { 32, 1, RL_AMOUNT_MAX },
        { UINT64_C(1000000000000), RL_MINUTE, 0 },
        { RL_AMOUNT_MAX, 3652 * RL_DAY, 0 },
        { RL_AMOUNT_MAX - 1, 3652 * RL_DAY - 1, 1 },
        { 1, 1, 1 },
        { 500, RL_MINUTE, 20 },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        const rl_time now = 400 * RL_DAY;
        rl_limiter limiter = bucket(row[i].amount, row[i].period, row[i].burst, 0, now);
        uint64_t burst = row[i].burst != 0 ? row[i].burst : row[i].amount;
        uint64_t unit;
        rl_time retry_at;

        assert_true(limiter.plan.word[0] == row[i].amount && limiter.plan.word[1] == row[i].period);
        assert_true(limiter.plan.word[2] == burst && limiter.plan.word[5] < 128);
        assert_int_equal(remaining(&limiter, now), burst);
        assert_int_equal(rl_limiter_take(&limiter, burst, now, NULL), RL_OK);
        assert_int_equal(rl_limiter_take(&limiter, 1, now, &retry_at), RL_WAIT);
        assert_int_equal(rl_limiter_take(&limiter, 1, retry_at - 1, NULL), RL_WAIT);
        assert_int_equal(rl_limiter_take(&limiter, 1, retry_at, NULL), RL_OK);
        /* One unit's time; at most 3 ticks and a nanosecond of rounding. */
        unit = row[i].period / row[i].amount;
        assert_in_range(retry_at - now, (row[i].period - 1) / row[i].amount,
                        unit + 2 + 3 * (unit / limiter.plan.word[3] + 1));
    }
}

static void common_limits_are_exact(void **ctx)
{
    static const uint64_t per_minute[] = { 1,       3,       20,       60,       500,    3500,
                                           5000,    10000,   30000,    90000,    150000, 450000,
                                           1000000, 2000000, 10000000, 150000000 };

    (void)ctx;
    for (size_t i = 0; i < sizeof per_minute / sizeof per_minute[0]; i++) {
        rl_limiter limiter = bucket(per_minute[i], RL_MINUTE, 0, 0, 0);
        assert_int_equal(limiter.plan.word[6], 0);
    }
}

static void a_change_keeps_what_was_used(void **ctx)
{
    rl_limiter limiter = bucket(60, 60 * RL_SECOND, 10, RL_OVERSIZE_REFUSE, RL_HOUR);
    rl_limit limit = RL_LIMIT_INIT;

    (void)ctx;
    assert_int_equal(rl_limiter_take(&limiter, 4, RL_HOUR, NULL), RL_OK);
    limit.amount = 7001; /* not exact */
    limit.period = RL_HOUR;
    limit.burst = 1000;
    assert_int_equal(rl_limiter_change(&limiter, &limit, RL_HOUR), RL_OK);
    assert_int_equal(remaining(&limiter, RL_HOUR), 995); /* 996 less a few ticks */
    limit.amount = 60;
    limit.period = RL_MINUTE;
    limit.burst = 3;
    assert_int_equal(rl_limiter_change(&limiter, &limit, RL_HOUR), RL_OK);
    assert_int_equal(remaining(&limiter, RL_HOUR), -2);
    limit.burst = 10;
    assert_int_equal(rl_limiter_change(&limiter, &limit, RL_HOUR), RL_OK);
    assert_int_equal(remaining(&limiter, RL_HOUR), 5);
    limit.amount = 0; /* paused: used units are kept, and not refilled */
    assert_int_equal(rl_limiter_change(&limiter, &limit, RL_HOUR), RL_OK);
    limit.amount = 60;
    assert_int_equal(rl_limiter_change(&limiter, &limit, 2 * RL_HOUR), RL_OK);
    assert_int_equal(remaining(&limiter, 2 * RL_HOUR), 5);
}

#define CLOCK_END (UINT64_MAX - (UINT64_C(1) << 61))

/* Where the product wraps, and where it only passes the end; with a whole rate and a broken one. */
static void the_clock_stands_still_at_its_end(void **ctx)
{
    static const struct {
        uint64_t amount, period;
        rl_time now;
    } row[] = {
        { 2, 1, UINT64_C(1) << 63 },
        { 1, 1, UINT64_MAX },
        { 1, 1, CLOCK_END + 1 },
        { 1, 1, CLOCK_END },
        { 8, 3, UINT64_MAX },
        { 8, 3, UINT64_MAX / 11 * 2 },
        { 7, 1, UINT64_MAX / 7 * 4 + 9 },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        assert_true(bucket(row[i].amount, row[i].period, 8, 0, row[i].now).word[0] == CLOCK_END);
    assert_true(bucket(1, 1, 8, 0, CLOCK_END - 1).word[0] == CLOCK_END - 1);
}

static void the_last_tick_is_reached(void **ctx)
{
    rl_limiter limiter = bucket(1, 1, 5, 0, CLOCK_END - 10);
    rl_time retry_at;

    (void)ctx;
    rl_limiter_set_level(&limiter, 5, CLOCK_END);
    assert_int_equal(rl_limiter_take(&limiter, 5, CLOCK_END - 10, &retry_at), RL_WAIT);
    assert_true(retry_at == CLOCK_END);
    rl_limiter_set_level(&limiter, 4, CLOCK_END);
    assert_int_equal(rl_limiter_take(&limiter, 5, CLOCK_END - 10, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
}

/* Half a tick a nanosecond: the clock would go on for longer than time does. */
static void time_ends_before_the_clock(void **ctx)
{
    const rl_time now = UINT64_MAX - 5000;
    uint64_t last = 0, never = 0;

    (void)ctx;
    for (rl_duration period = 129; period < 400; period++)
        for (rl_time at = UINT64_MAX - 400; at >= UINT64_MAX - 400; at++) {
            rl_limiter limiter = bucket(1, period, RL_AMOUNT_MAX, 0, now);
            rl_time retry_at;

            rl_limiter_set_level(&limiter, (int64_t)RL_AMOUNT_MAX - 1, at);
            assert_int_equal(rl_limiter_take(&limiter, RL_AMOUNT_MAX, now, &retry_at), RL_WAIT);
            assert_true(retry_at == RL_NEVER || retry_at > at);
            never += retry_at == RL_NEVER;
            last += retry_at != RL_NEVER;
            if (at == UINT64_MAX)
                break;
        }
    assert_true(last > 0 && never > 0);
}

/* Every small limit: a refusal names the very first moment at which it would be a yes. */
static void the_announced_time_is_the_earliest(void **ctx)
{
    (void)ctx;
    for (uint64_t amount = 1; amount <= 40; amount++)
        for (rl_duration period = 1 + amount / 32; period <= 30; period++)
            for (uint64_t burst = 1; burst <= 4; burst++)
                for (uint64_t cost = 1; cost <= burst; cost++) {
                    rl_limiter limiter = bucket(amount, period, burst, 0, 1000);
                    rl_time retry_at;

                    while (rl_limiter_take(&limiter, 1, 1000, &retry_at) == RL_OK)
                        ;
                    if (rl_limiter_take(&limiter, cost, 1000, &retry_at) == RL_OK)
                        continue;
                    for (rl_time at = 1000; at < retry_at; at++)
                        assert_int_equal(rl_limiter_peek(&limiter, cost, at, NULL), RL_WAIT);
                    assert_int_equal(rl_limiter_peek(&limiter, cost, retry_at, NULL), RL_OK);
                }
}

/* Not even where its price, in ticks, is 2^64 and so would seem to be nothing. */
static void too_large_is_too_large(void **ctx)
{
    rl_limiter limiter = bucket(1, UINT64_C(1) << 40, 1, 0, 1000);
    rl_time retry_at = 1;

    (void)ctx;
    assert_int_equal(limiter.plan.word[3], UINT64_C(1) << 40);
    assert_int_equal(rl_limiter_take(&limiter, 1, 1000, NULL), RL_OK);
    for (uint64_t cost = 2; cost <= UINT64_C(1) << 53; cost = 1 + 2 * (cost - 1)) {
        assert_int_equal(rl_limiter_take(&limiter, cost, 1000, &retry_at), RL_E_TOO_LARGE);
        assert_true(retry_at == RL_NEVER);
    }
}

static void a_fresh_bucket_is_full_from_its_start_on(void **ctx)
{
    rl_limiter limiter = bucket(60, 60 * RL_SECOND, 10, 0, RL_HOUR), none;
    rl_level level;

    (void)ctx;
    assert_int_equal(remaining(&limiter, RL_HOUR), 10);
    assert_int_equal(remaining(&limiter, RL_HOUR - 3 * RL_SECOND), 7);
    none = bucket(0, RL_SECOND, 0, 0, RL_HOUR);
    rl_limiter_snapshot(&none, RL_HOUR, &level);
    assert_true(level.full_in == 0);
}

static void units_that_are_too_many_do_not_wrap(void **ctx)
{
    rl_limiter limiter = bucket(60, 60 * RL_SECOND, 10, 0, RL_HOUR);

    (void)ctx;
    rl_limiter_charge(&limiter, UINT64_C(1) << 63, RL_HOUR); /* times a tick a nanosecond: 0 */
    assert_true(limiter.word[0] == UINT64_MAX - 1);
    limiter = bucket(7, 1, 5, 0, 0);
    rl_limiter_set_level(&limiter, -INT64_MAX, 0);
    assert_true(remaining(&limiter, 0) == -INT64_MAX);
    rl_limiter_set_level(&limiter, INT64_MIN, 0);
    assert_true(remaining(&limiter, 0) == INT64_MIN);
}

/* Where the ticks stay the same, so does the word; but for what is within the slack. */
static void a_change_of_the_burst_alone_rounds_nothing(void **ctx)
{
    rl_limiter limiter = bucket(7001, RL_HOUR, 100, 0, RL_HOUR);
    rl_limit limit = RL_LIMIT_INIT;
    uint64_t word;

    (void)ctx;
    assert_int_equal(rl_limiter_take(&limiter, 30, RL_HOUR, NULL), RL_OK);
    word = limiter.word[0];
    limit.amount = 7001;
    limit.period = RL_HOUR;
    limit.burst = 50;
    assert_int_equal(rl_limiter_change(&limiter, &limit, RL_HOUR + RL_SECOND), RL_OK);
    assert_true(limiter.word[0] == word);
    limiter = bucket(1, RL_DAY, RL_AMOUNT_MAX, 0, 0); /* a tick is 675 s */
    rl_limiter_set_level(&limiter, (int64_t)RL_AMOUNT_MAX, 700 * RL_SECOND);
    assert_int_equal(limiter.word[0], 1);
    limit.amount = 1;
    limit.period = RL_DAY;
    limit.burst = RL_AMOUNT_MAX - 1;
    assert_int_equal(rl_limiter_change(&limiter, &limit, 0), RL_OK);
    assert_int_equal(limiter.word[0], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_stands_still_at_its_end),
        cmocka_unit_test(the_last_tick_is_reached),
        cmocka_unit_test(time_ends_before_the_clock),
        cmocka_unit_test(the_announced_time_is_the_earliest),
        cmocka_unit_test(a_fresh_bucket_is_full_from_its_start_on),
        cmocka_unit_test(units_that_are_too_many_do_not_wrap),
        cmocka_unit_test(a_change_of_the_burst_alone_rounds_nothing),
        cmocka_unit_test(refills_one_unit_per_interval),
        cmocka_unit_test(thirds_add_up),
        cmocka_unit_test(borrowing_waits_for_full_and_goes_into_debt),
        cmocka_unit_test(a_limit_of_nothing_gives_nothing),
        cmocka_unit_test(levels_are_given_back_charged_and_set),
        cmocka_unit_test(debt_saturates_without_wrapping),
        cmocka_unit_test(the_clock_ends_in_silence),
        cmocka_unit_test(calendar_time_is_within_the_clock),
        cmocka_unit_test(the_whole_range_of_limits_works),
        cmocka_unit_test(common_limits_are_exact),
        cmocka_unit_test(too_large_is_too_large),
        cmocka_unit_test(a_change_keeps_what_was_used),
    };
    return cmocka_run_group_tests_name("gcra", tests, NULL, NULL);
}
