/* SPDX-License-Identifier: MIT */
/* Every algorithm but the token bucket by hand-made examples, at its ends, and over ten years. */
#include <llmrl/limiter.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW (1000 * RL_DAY)

static uint64_t memory[1 + 2 * RL_STATE_WORDS_MAX];

static rl_limit limit_of(const char *algorithm, uint64_t amount, rl_duration period)
{
    rl_limit limit = RL_LIMIT_INIT;

    limit.algorithm = algorithm;
    limit.amount = amount;
    limit.period = period;
    return limit;
}

static rl_limiter started(const rl_limit *limit, rl_time now)
{
    rl_limiter limiter;

    assert_int_equal(
        rl_limiter_init_at(&limiter, limit, memory, sizeof memory / sizeof memory[0], now), RL_OK);
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

static const struct {
    const char *algorithm, *zone, *why;
    uint64_t amount, period, burst, parts, align, day_start, bookings, start, carry;
    rl_wall_time epoch;
    rl_status want;
} wrong[] = {
    { "fixed_window", NULL, "burst is neither 0 nor the amount: only buckets have one of their own",
      5, RL_DAY, 6, 0, 0, 0, 0, 0, 0, 0, RL_E_INVALID },
    { "fixed_window", NULL, "align is no rl_align", 5, RL_DAY, 5, 0, 5, 0, 0, 0, 0, 1,
      RL_E_INVALID },
    { "fixed_window", NULL, "epoch is needed: wall time at rl_time 0, or RL_EPOCH_1970", 5, RL_DAY,
      0, 0, RL_ALIGN_DAY, 0, 0, 0, 0, 0, RL_E_INVALID },
    { "fixed_window", NULL, "epoch lies before 1970", 5, RL_DAY, 0, 0, 0, 0, 0, 0, 0, -1,
      RL_E_INVALID },
    { "fixed_window", NULL, "period is neither an hour nor an even part of it", 5, 7 * RL_MINUTE, 0,
      0, RL_ALIGN_HOUR, 0, 0, 0, 0, 1, RL_E_INVALID },
    { "fixed_window", NULL, "", 5, 15 * RL_MINUTE, 0, 0, RL_ALIGN_HOUR, 0, 0, 0, 0, 1, RL_OK },
    { "fixed_window", NULL, "epoch is needed: wall time at rl_time 0, or RL_EPOCH_1970", 5, RL_HOUR,
      0, 0, RL_ALIGN_HOUR, 0, 0, 0, 0, 0, RL_E_INVALID },
    { "fixed_window", NULL, "period is not 28 to 31 days", 5, 28 * RL_DAY - 1, 0, 0, RL_ALIGN_MONTH,
      0, 0, 0, 0, 1, RL_E_INVALID },
    { "fixed_window", NULL, "period is not 28 to 31 days", 5, 31 * RL_DAY + 1, 0, 0, RL_ALIGN_MONTH,
      0, 0, 0, 0, 1, RL_E_INVALID },
    { "fixed_window", NULL, "", 5, 28 * RL_DAY, 0, 0, RL_ALIGN_MONTH, 0, 0, 0, 0, 1, RL_OK },
    { "fixed_window", NULL, "", 5, 31 * RL_DAY, 0, 0, RL_ALIGN_MONTH, 0, 0, 0, 0, 1, RL_OK },
    { "fixed_window", NULL, "period is not a day", 5, RL_HOUR, 0, 0, RL_ALIGN_DAY, 0, 0, 0, 0, 1,
      RL_E_INVALID },
    { "fixed_window", NULL, "period is not 28 to 31 days", 5, RL_DAY, 0, 0, RL_ALIGN_MONTH, 0, 0, 0,
      0, 1, RL_E_INVALID },
    { "fixed_window", "UTC", "zone and day_start are for days and months", 5, RL_DAY, 0, 0, 0, 0, 0,
      0, 0, 1, RL_E_INVALID },
    { "fixed_window", NULL, "day_start is not in whole seconds of a day", 5, RL_DAY, 0, 0,
      RL_ALIGN_DAY, RL_DAY, 0, 0, 0, 1, RL_E_INVALID },
    { "fixed_window", "../../etc/passwd", "zone is neither a name nor a rule of a time zone", 5,
      RL_DAY, 0, 0, RL_ALIGN_DAY, 0, 0, 0, 0, 1, RL_E_INVALID },
    { "fixed_window", "Mars/Olympus_Mons",
      "there is no data for this time zone in /usr/share/zoneinfo", 5, RL_DAY, 0, 0, RL_ALIGN_DAY,
      0, 0, 0, 0, 1, RL_E_NOT_FOUND },
    { "fixed_window", "PST8PDT,M13.2.0,M11.1.0", "zone is neither a name nor a rule of a time zone",
      5, RL_DAY, 0, 0, RL_ALIGN_DAY, 0, 0, 0, 0, 1, RL_E_INVALID },
    { "sliding_window", NULL, "parts is neither 0 nor 2 to 255", 5, RL_DAY, 0, 1, 0, 0, 0, 0, 0, 0,
      RL_E_INVALID },
    { "sliding_window", NULL, "parts is neither 0 nor 2 to 255", 5, RL_DAY, 0, 256, 0, 0, 0, 0, 0,
      0, RL_E_INVALID },
    { "sliding_window", NULL, "", 5, RL_DAY, 0, 255, 0, 0, 0, 0, 0, 0, RL_OK },
    { "sliding_counter", NULL, "parts is more than 510", 5, RL_DAY, 0, 511, 0, 0, 0, 0, 0, 0,
      RL_E_INVALID },
    { "sliding_window", NULL, "the state is more than RL_STATE_WORDS_MAX words", 5, RL_DAY, 0, 255,
      0, 0, 1, 0, 0, 0, RL_E_INVALID },
    { NULL, NULL, "bookings are more than a state has room for", 5, RL_DAY, 0, 0, 0, 0, 257, 0, 0,
      0, RL_E_INVALID },
    { NULL, NULL, "start is more than 2^53 and not RL_START_EMPTY", 5, RL_DAY, 0, 0, 0, 0, 0,
      RL_START_EMPTY - 1, 0, 0, RL_E_INVALID },
    { NULL, NULL, "carry is neither RL_CARRY_USED nor RL_CARRY_SHARE", 5, RL_DAY, 0, 0, 0, 0, 0, 0,
      2, 0, RL_E_INVALID },
};

static void a_wrong_limit_is_named(void **ctx)
{
    (void)ctx;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rl_limit limit = limit_of(wrong[i].algorithm, wrong[i].amount, wrong[i].period);
        const char *why = NULL;

        limit.burst = wrong[i].burst;
        limit.parts = wrong[i].parts;
        limit.align = wrong[i].align;
        limit.zone = wrong[i].zone;
        limit.day_start = wrong[i].day_start;
        limit.bookings = wrong[i].bookings;
        limit.start = wrong[i].start;
        limit.carry = wrong[i].carry;
        limit.epoch = wrong[i].epoch;
        assert_int_equal(rl_limit_check(&limit, &why), wrong[i].want);
        assert_string_equal(why, wrong[i].why);
    }
}

static void windows_stand_side_by_side(void **ctx)
{
    rl_limit limit = limit_of("fixed_window", 10, RL_MINUTE);
    static const struct ask row[] = {
        { NOW + 1, 7, RL_OK, NOW + 1 },
        { NOW + 2, 4, RL_WAIT, NOW + RL_MINUTE },
        { NOW + 2, 11, RL_E_TOO_LARGE, RL_NEVER },
        { NOW + RL_MINUTE - 1, 4, RL_WAIT, NOW + RL_MINUTE },
        { NOW + RL_MINUTE, 4, RL_OK, NOW + RL_MINUTE },
        { NOW + 2, 1, RL_WAIT, NOW + RL_MINUTE }, /* the clock went back: that one is over */
        { NOW + RL_MINUTE, 6, RL_OK, NOW + RL_MINUTE },
    };
    rl_limiter limiter = started(&limit, NOW);

    (void)ctx;
    assert_int_equal(limiter.words, 1);
    ASK_ALL(&limiter, row);
    rl_limiter_charge(&limiter, 25, NOW + RL_MINUTE); /* 35 used: this window, and two more */
    assert_int_equal(remaining(&limiter, NOW + RL_MINUTE), -25);
    assert_int_equal(remaining(&limiter, NOW + 3 * RL_MINUTE), -5);
    assert_true(rl_limiter_when(&limiter, 5, NOW + RL_MINUTE) == NOW + 4 * RL_MINUTE);
    assert_true(rl_limiter_when(&limiter, 6, NOW + RL_MINUTE) == NOW + 5 * RL_MINUTE);
}

static void what_belongs_to_a_window_that_is_over_stays(void **ctx)
{
    rl_limit limit = limit_of("fixed_window", 10, RL_MINUTE);
    rl_limiter limiter = started(&limit, NOW);

    (void)ctx;
    assert_int_equal(rl_limiter_take(&limiter, 8, NOW, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 6, NOW + RL_MINUTE, NULL), RL_OK);
    rl_limiter_settle(&limiter, 8, 1, NOW, NOW + RL_MINUTE);
    assert_int_equal(remaining(&limiter, NOW + RL_MINUTE), 4);
    rl_limiter_settle(&limiter, 6, 1, NOW + RL_MINUTE, NOW + RL_MINUTE + 5);
    assert_int_equal(remaining(&limiter, NOW + RL_MINUTE + 5), 9);
    rl_limiter_settle(&limiter, 1, 3, NOW,
                      NOW + RL_MINUTE + 5); /* but more than taken is charged */
    assert_int_equal(remaining(&limiter, NOW + RL_MINUTE + 5), 7);
}

static void a_large_amount_takes_two_words(void **ctx)
{
    rl_limit limit = limit_of("fixed_window", RL_AMOUNT_MAX, RL_MINUTE);
    rl_limiter limiter = started(&limit, NOW), small;

    (void)ctx;
    assert_int_equal(limiter.words, 2);
    assert_int_equal(rl_limiter_take(&limiter, RL_AMOUNT_MAX, NOW, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, NOW, NULL), RL_WAIT);
    limit.amount = 10; /* it keeps its words */
    assert_int_equal(rl_limiter_change(&limiter, &limit, NOW), RL_OK);
    assert_int_equal(limiter.words, 2);
    assert_int_equal(remaining(&limiter, NOW), 10 - (int64_t)RL_AMOUNT_MAX);
    assert_int_equal(rl_limiter_init(&small, &limit, NOW), RL_OK);
    assert_int_equal(small.words, 1);
    limit.amount = RL_AMOUNT_MAX;
    assert_int_equal(rl_limiter_change(&small, &limit, NOW), RL_E_INVALID);
    assert_int_equal(remaining(&small, NOW), 10);
}

static void a_level_ahead_closes_until_then(void **ctx)
{
    static const char *const name[] = { "token_bucket", "fixed_window", "sliding_window",
                                        "sliding_counter" };

    (void)ctx;
    for (size_t i = 0; i < 4; i++) {
        rl_limit limit = limit_of(name[i], 10, RL_MINUTE);
        rl_limiter limiter = started(&limit, NOW);
        rl_time opens = NOW + 5 * RL_MINUTE;

        rl_limiter_set_level(&limiter, 4, opens);
        assert_int_equal(rl_limiter_take(&limiter, 1, opens - 2 * RL_MINUTE, NULL), RL_WAIT);
        assert_int_equal(remaining(&limiter, opens), 4);
        assert_int_equal(rl_limiter_take(&limiter, 4, opens, NULL), RL_OK);
        assert_int_equal(rl_limiter_take(&limiter, 1, opens, NULL), RL_WAIT);
    }
}

/* The wall clock is corrected: forward a new day begins; back none begins twice. */
static void a_corrected_clock_resets_nothing_early(void **ctx)
{
    rl_limit limit = limit_of("fixed_window", 10, RL_DAY);
    rl_limiter limiter;
    const int64_t midnight = 20000 * (int64_t)RL_DAY;
    const rl_time now = 5 * RL_HOUR;

    (void)ctx;
    limit.align = RL_ALIGN_DAY;
    limit.epoch = midnight - 3 * (int64_t)RL_HOUR; /* two hours after midnight now */
    limiter = started(&limit, 0);
    assert_int_equal(rl_limiter_take(&limiter, 9, now, NULL), RL_OK);
    limit.epoch -= 4 * (int64_t)RL_HOUR; /* no, two hours before it */
    assert_int_equal(rl_limiter_change(&limiter, &limit, now), RL_OK);
    assert_int_equal(remaining(&limiter, now), 0);
    assert_int_equal(remaining(&limiter, now + 2 * RL_HOUR), 1); /* the same day */
    assert_int_equal(remaining(&limiter, now + 26 * RL_HOUR - 1), 1);
    limit.epoch += 30 * (int64_t)RL_HOUR;
    assert_int_equal(rl_limiter_change(&limiter, &limit, now), RL_OK);
    assert_int_equal(remaining(&limiter, now), 10);
    assert_int_equal(rl_limiter_take(&limiter, 9, now, NULL), RL_OK);
    limit.epoch -= 700 * (int64_t)RL_DAY; /* however far: no more than a window is waited */
    assert_int_equal(rl_limiter_change(&limiter, &limit, now), RL_OK);
    assert_true(rl_limiter_when(&limiter, 1, now) <= now + RL_DAY);
}

static void a_window_begins_with_its_first_request(void **ctx)
{
    rl_limit limit = limit_of("fixed_window", 10, RL_MINUTE);
    static const struct ask row[] = {
        { NOW + 7, 9, RL_OK, NOW + 7 },
        { NOW + RL_MINUTE, 2, RL_WAIT, NOW + 7 + RL_MINUTE },
        { NOW + 9 * RL_MINUTE, 2, RL_OK, NOW + 9 * RL_MINUTE },
        { NOW + 9 * RL_MINUTE + 5, 9, RL_WAIT, NOW + 10 * RL_MINUTE },
    };
    rl_limiter limiter;

    (void)ctx;
    limit.align = RL_ALIGN_FIRST;
    limiter = started(&limit, NOW);
    ASK_ALL(&limiter, row);
    limit.period = 2 * RL_MINUTE;
    assert_int_equal(rl_limiter_change(&limiter, &limit, NOW + 9 * RL_MINUTE + 5), RL_OK);
    assert_true(rl_limiter_when(&limiter, 9, NOW + 9 * RL_MINUTE + 5) == NOW + 11 * RL_MINUTE);
    limit.period = RL_SECOND;
    assert_int_equal(rl_limiter_change(&limiter, &limit, NOW + 9 * RL_MINUTE + 5), RL_OK);
    assert_true(rl_limiter_when(&limiter, 9, NOW + 9 * RL_MINUTE + 5) ==
                NOW + 9 * RL_MINUTE + 5 + RL_SECOND);
}

static void hours_begin_at_the_full_hour(void **ctx)
{
    rl_limit limit = limit_of("fixed_window", 1, RL_HOUR);
    rl_limiter limiter;

    (void)ctx;
    limit.align = RL_ALIGN_HOUR;
    limit.epoch = 20000 * (int64_t)RL_DAY + 17 * (int64_t)RL_MINUTE;
    limiter = started(&limit, 0);
    assert_int_equal(rl_limiter_take(&limiter, 1, 0, NULL), RL_OK);
    assert_true(rl_limiter_when(&limiter, 1, 0) == 43 * RL_MINUTE);
}

/* Two entries: the third take merges the two that cost least, to the later end. */
static void a_full_log_errs_on_the_safe_side(void **ctx)
{
    rl_limit limit = limit_of("sliding_window", 10, 100);
    static const struct ask row[] = {
        { 1000, 2, RL_OK, 1000 },   { 1010, 3, RL_OK, 1010 },
        { 1050, 1, RL_OK, 1050 }, /* 2 units wait 10 more: they end at 1110, too */
        { 1099, 6, RL_WAIT, 1110 }, { 1100, 6, RL_WAIT, 1110 }, /* the exact log would say yes */
        { 1110, 6, RL_OK, 1110 },
    };
    rl_limiter limiter;

    (void)ctx;
    limit.parts = 2;
    limiter = started(&limit, 0);
    ASK_ALL(&limiter, row);
}

/* Of ten, five at 0 s and five at 30 s, of which one was used: at 60 s the first five are back. */
static void what_is_settled_comes_back_where_it_was_taken(void **ctx)
{
    static const char *const algorithm[] = { "sliding_window", "sliding_counter" };

    (void)ctx;
    for (size_t i = 0; i < 2; i++) {
        rl_limit limit = limit_of(algorithm[i], 10, RL_MINUTE);
        rl_limiter limiter;

        limit.parts = 60;
        limiter = started(&limit, NOW);
        assert_int_equal(rl_limiter_take(&limiter, 5, NOW, NULL), RL_OK);
        assert_int_equal(rl_limiter_take(&limiter, 5, NOW + 30 * RL_SECOND, NULL), RL_OK);
        rl_limiter_settle(&limiter, 5, 1, NOW + 30 * RL_SECOND, NOW + 40 * RL_SECOND);
        assert_int_equal(remaining(&limiter, NOW + 40 * RL_SECOND), 4);
        assert_int_equal(remaining(&limiter, NOW + 61 * RL_SECOND), 9);
    }
}

static void concurrency_comes_back_by_release_only(void **ctx)
{
    rl_limit limit = limit_of("concurrency", 3, RL_SECOND);
    static const struct ask row[] = {
        { 5, 2, RL_OK, 5 },
        { 5, 2, RL_WAIT, RL_NEVER },
        { RL_DAY, 2, RL_WAIT, RL_NEVER },
        { RL_DAY, 4, RL_E_TOO_LARGE, RL_NEVER },
        { RL_DAY, 1, RL_OK, RL_DAY },
    };
    rl_limiter limiter = started(&limit, 0);

    (void)ctx;
    ASK_ALL(&limiter, row);
    rl_limiter_settle(&limiter, 2, 0, 5, RL_DAY);
    assert_int_equal(remaining(&limiter, RL_DAY), 2);
    limit.amount = 0;
    assert_int_equal(rl_limiter_change(&limiter, &limit, RL_DAY), RL_OK);
    assert_int_equal(remaining(&limiter, RL_DAY), -1);
}

/* What is in use counts up to the end of the word, and what is shown to the end of its type. */
static void concurrency_is_counted_to_the_end(void **ctx)
{
    rl_limit limit = limit_of("concurrency", 3, RL_SECOND);
    rl_limiter limiter = started(&limit, 0);
    rl_time retry_at = 1;
    rl_level level;

    (void)ctx;
    rl_limiter_snapshot(&limiter, 5, &level);
    assert_true(level.full_in == 0 && level.remaining == 3);
    assert_int_equal(limiter.algorithm->take(&limiter.plan, (uint64_t[]){ 3 }, 1, 5, &retry_at),
                     RL_WAIT);
    assert_true(retry_at == RL_NEVER);
    rl_limiter_charge(&limiter, 3 + (uint64_t)INT64_MAX, 0);
    rl_limiter_snapshot(&limiter, 5, &level);
    assert_true(level.full_in == RL_NEVER && level.remaining == -INT64_MAX);
    rl_limiter_charge(&limiter, 1, 0);
    assert_true(remaining(&limiter, 5) == INT64_MIN);
    rl_limiter_charge(&limiter, UINT64_MAX, 0);
    assert_true(remaining(&limiter, 5) == INT64_MIN);
    rl_limiter_charge(&limiter, UINT64_MAX, 0);
    assert_true(remaining(&limiter, 5) == INT64_MIN);
}

static void the_outflow_is_constant(void **ctx)
{
    rl_limit limit = limit_of("leaky_bucket", 10, RL_SECOND);
    const rl_duration gap = RL_SECOND / 10;
    rl_limiter limiter;
    rl_time at;

    (void)ctx;
    limit.burst = 4;
    limiter = started(&limit, NOW);
    assert_int_equal(rl_limiter_reserve(&limiter, 1, NOW, RL_NEVER, &at), RL_OK);
    assert_true(at == NOW);
    assert_int_equal(rl_limiter_reserve(&limiter, 2, NOW, RL_NEVER, &at), RL_OK);
    assert_true(at == NOW + gap);
    assert_int_equal(rl_limiter_reserve(&limiter, 1, NOW, NOW + 2 * gap, &at), RL_WAIT);
    assert_true(at == NOW + 3 * gap); /* too late for us */
    assert_int_equal(rl_limiter_reserve(&limiter, 1, NOW, RL_NEVER, &at), RL_OK);
    assert_int_equal(rl_limiter_reserve(&limiter, 1, NOW, RL_NEVER, &at), RL_WAIT);
    assert_true(at == NOW + gap); /* the backlog has room then */
    rl_limiter_cancel(&limiter, 1, NOW + 3 * gap, NOW);
    assert_int_equal(rl_limiter_reserve(&limiter, 1, NOW, RL_NEVER, &at), RL_OK);
    assert_true(at == NOW + 3 * gap); /* the last place went to another */
    rl_limiter_cancel(&limiter, 2, NOW + gap, NOW);
    assert_true(rl_limiter_when(&limiter, 1, NOW) == NOW + 4 * gap); /* nobody moves up */
}

/* At the beginning of time, and where ticks are no even part of a nanosecond or last for days. */
static void the_last_departure_is_undone_anywhere(void **ctx)
{
    rl_limit limit = limit_of("leaky_bucket", 11, RL_MINUTE);
    rl_limiter limiter = started(&limit, 0);
    rl_time first = 1, second;

    (void)ctx;
    for (rl_time now = 0; now <= NOW; now += NOW) {
        assert_int_equal(rl_limiter_take(&limiter, 2, now, NULL), RL_OK);
        rl_limiter_settle(&limiter, 2, 0, now, now);
        assert_int_equal(rl_limiter_take(&limiter, 2, now + 1, NULL), RL_OK); /* but for a tick */
        assert_int_equal(rl_limiter_take(&limiter, 2, now + 1, NULL), RL_WAIT);
    }
    limit = limit_of("leaky_bucket", 10, RL_SECOND);
    limiter = started(&limit, 0);
    assert_int_equal(rl_limiter_take(&limiter, 1, 0, NULL), RL_OK);
    rl_limiter_settle(&limiter, 5, 0, 0, 0); /* never taken */
    assert_int_equal(rl_limiter_take(&limiter, 1, RL_SECOND / 10 - 1, NULL), RL_WAIT);
    assert_int_equal(rl_limiter_peek(&limiter, 1, RL_SECOND / 10, NULL), RL_OK);
    rl_limiter_give_back(&limiter, 1, 0);
    assert_int_equal(rl_limiter_take(&limiter, 1, 0, NULL), RL_OK);
    limit = limit_of("leaky_bucket", 8, 3650 * RL_DAY - 1); /* a tick is about four days */
    limit.burst = RL_AMOUNT_MAX;
    limiter = started(&limit, NOW);
    assert_int_equal(
        limiter.algorithm->reserve(&limiter.plan, limiter.outside, 1, NOW, RL_NEVER, &first),
        RL_OK);
    assert_true(first == NOW);
    assert_int_equal(rl_limiter_reserve(&limiter, 1, NOW, RL_NEVER, &second), RL_OK);
    assert_true(second - first >= limit.period / 8);
}

static void limiters_start_as_full_as_asked(void **ctx)
{
    static const char *const name[] = { "token_bucket", "leaky_meter",    "leaky_bucket",
                                        "fixed_window", "sliding_window", "sliding_counter",
                                        "concurrency" };

    (void)ctx;
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        rl_limit limit = limit_of(name[i], 10, RL_MINUTE);
        rl_limiter limiter = started(&limit, NOW);

        assert_int_equal(remaining(&limiter, NOW), 10);
        limit.start = 3;
        limiter = started(&limit, NOW);
        assert_int_equal(remaining(&limiter, NOW), 3);
        limit.start = RL_START_EMPTY;
        limiter = started(&limit, NOW);
        assert_int_equal(remaining(&limiter, NOW), 0);
        limit.start = 11;
        limiter = started(&limit, NOW);
        assert_int_equal(remaining(&limiter, NOW), 10);
    }
}

static void a_change_carries_units_or_the_share(void **ctx)
{
    static const char *const name[] = { "token_bucket",   "leaky_meter",     "fixed_window",
                                        "sliding_window", "sliding_counter", "concurrency" };

    (void)ctx;
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        rl_limit limit = limit_of(name[i], 10, RL_MINUTE), after = limit;
        rl_limiter limiter = started(&limit, NOW);

        assert_int_equal(rl_limiter_take(&limiter, 3, NOW, NULL), RL_OK);
        after.amount = 25;
        assert_int_equal(rl_limiter_change(&limiter, &after, NOW), RL_OK);
        assert_int_equal(remaining(&limiter, NOW), 22);
        limit.carry = RL_CARRY_SHARE;
        assert_int_equal(rl_limiter_change(&limiter, &limit, NOW), RL_OK);
        assert_int_equal(remaining(&limiter, NOW), 8); /* 8.8 */
        rl_limiter_charge(&limiter, 11, NOW);
        limit.amount = 15;
        assert_int_equal(rl_limiter_change(&limiter, &limit, NOW), RL_OK);
        assert_int_equal(remaining(&limiter, NOW), -5); /* -4.5 */
        assert_int_equal(rl_limiter_set(&limiter, &after, 9, NOW, NOW), RL_OK);
        assert_int_equal(remaining(&limiter, NOW), 9);
    }
}

#define DECADE (3653 * RL_DAY)

struct decade {
    const char *algorithm;
    uint64_t amount, cost;
    rl_duration period;
    uint64_t align, parts;
};

/* As fast as it allows, for ten years: exactly what the limit says. */
static uint64_t ten_years_of(const struct decade *d, rl_time start)
{
    rl_limit limit = limit_of(d->algorithm, d->amount, d->period);
    rl_time now = start;
    rl_limiter limiter;
    uint64_t taken = 0;

    limit.start = RL_START_EMPTY;
    limit.align = d->align;
    limit.epoch = d->align >= RL_ALIGN_HOUR ? RL_EPOCH_1970 : 0;
    limit.parts = d->parts;
    limiter = started(&limit, start);
    while (now < start + DECADE) {
        rl_time retry_at;

        if (rl_limiter_take(&limiter, d->cost, now, &retry_at) == RL_OK)
            taken += d->cost;
        now = retry_at;
    }
    return taken;
}

/* What comes back at once comes every so often: a month, or a period and a sub-window. */
static uint64_t most_in_ten_years(const struct decade *d)
{
    rl_duration period = d->period;

    if (d->align == RL_ALIGN_MONTH)
        return 121 * d->amount;
    if (d->parts != 0)
        period = (d->parts + 1) * (period / d->parts + (period % d->parts != 0));
    return DECADE / period * d->amount + d->amount + DECADE % period * d->amount / period;
}

static void ten_years_bring_no_drift(void **ctx)
{
    static const struct decade row[] = {
        { "token_bucket", 1, 1, 30 * RL_DAY, 0, 0 },
        { "token_bucket", 7, 1, 3 * RL_HOUR, 0, 0 },
        { "token_bucket", 1000003, 350, RL_DAY, 0, 0 },
        { "leaky_bucket", 1, 1, 30 * RL_DAY, 0, 0 },
        { "leaky_bucket", 7, 1, 3 * RL_HOUR, 0, 0 },
        { "leaky_bucket", 1000003, 350, RL_DAY, 0, 0 },
        { "leaky_meter", 7, 1, 3 * RL_HOUR, 0, 0 },
        { "fixed_window", 1, 1, 30 * RL_DAY, 0, 0 },
        { "fixed_window", 7, 1, 3 * RL_HOUR, 0, 0 },
        { "fixed_window", 7, 1, 3 * RL_HOUR + 1, RL_ALIGN_FIRST, 0 },
        { "fixed_window", 7, 1, RL_HOUR / 3, RL_ALIGN_HOUR, 0 },
        { "fixed_window", 1000000, 100000, RL_DAY, RL_ALIGN_DAY, 0 },
        { "fixed_window", 3, 1, 30 * RL_DAY, RL_ALIGN_MONTH, 0 },
        { "sliding_window", 1, 1, 30 * RL_DAY, 0, 0 },
        { "sliding_window", 7, 1, 3 * RL_HOUR, 0, 0 },
        { "sliding_counter", 1, 1, 30 * RL_DAY, 0, 10 },
        { "sliding_counter", 7, 1, 3 * RL_HOUR, 0, 10 },
        { "sliding_counter", 7, 1, 3 * RL_HOUR + 1, 0, 7 }, /* no even part of it */
        { "sliding_counter", 1000000, 100000, RL_DAY, 0, 24 },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint64_t taken = ten_years_of(&row[i], 90 * RL_DAY), most = most_in_ten_years(&row[i]);
        /* From empty: what flows in within ten years, in whole requests, and a window's rest. */
        uint64_t least = most - 2 * row[i].amount - row[i].cost;

        if (taken > most || taken < least)
            print_error("row %zu: %llu, not %llu\n", i, (unsigned long long)taken,
                        (unsigned long long)most);
        assert_true(taken <= most && taken >= least);
    }
}

/* More units than a word counts are as many as it counts: none becomes few by wrapping. */
static void sums_saturate(void **ctx)
{
    static const struct {
        const char *algorithm;
        uint64_t align;
    } row[] = { { "fixed_window", RL_ALIGN_EPOCH },
                { "fixed_window", RL_ALIGN_FIRST },
                { "sliding_window", 0 },
                { "sliding_counter", 0 } };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        for (rl_duration later = 0; later <= 20 * RL_SECOND; later += 20 * RL_SECOND) {
            rl_limit limit = limit_of(row[i].algorithm, RL_AMOUNT_MAX, 100 * RL_SECOND);
            rl_limiter limiter;
            rl_time retry_at = 1;

            limit.align = row[i].align;
            limit.parts = i == 2 ? 2 : 0; /* so that entries of the log become one */
            limiter = started(&limit, NOW);
            rl_limiter_charge(&limiter, 5, NOW - later);
            rl_limiter_charge(&limiter, UINT64_MAX, NOW);
            rl_limiter_charge(&limiter, 5, NOW + later);
            rl_limiter_charge(&limiter, 5, NOW + later);
            assert_true(remaining(&limiter, NOW + later) == INT64_MIN);
            assert_int_equal(rl_limiter_take(&limiter, 1, NOW + later, &retry_at), RL_WAIT);
            assert_true(retry_at >= NOW + 100 * RL_SECOND);
            if (i == 2 && later > 0) { /* with the last ten there is no place for so many */
                assert_int_equal(
                    rl_limiter_take(&limiter, RL_AMOUNT_MAX - 5, NOW + later, &retry_at), RL_WAIT);
                assert_true(retry_at == NOW + later + 100 * RL_SECOND);
                retry_at = NOW + 100 * RL_SECOND;
            }
            if (i >= 2) { /* the others carry it on */
                assert_true(retry_at <= NOW + 110 * RL_SECOND);
                assert_int_equal(remaining(&limiter, retry_at),
                                 (int64_t)RL_AMOUNT_MAX - (later > 0 ? 10 : 0));
            }
        }
}

/* Of 2048 windows of 2^53 units each, and after. */
static void a_long_rest_pays_all_debt(void **ctx)
{
    (void)ctx;
    for (uint64_t align = RL_ALIGN_EPOCH; align <= RL_ALIGN_FIRST; align++)
        for (rl_duration rest = 2040; rest < 2060; rest++) {
            rl_limit limit = limit_of("fixed_window", RL_AMOUNT_MAX, 1);
            rl_limiter limiter;

            limit.align = align;
            limiter = started(&limit, NOW);
            rl_limiter_charge(&limiter, 2 * RL_AMOUNT_MAX, NOW);
            assert_int_equal(remaining(&limiter, NOW + rest), (int64_t)RL_AMOUNT_MAX);
        }
}

/* Debt that outlasts time, and a window that is shorter or longer than what is left of it. */
static void first_windows_end_with_time(void **ctx)
{
    rl_limit limit = limit_of("fixed_window", 5, 7);
    rl_time retry_at = 1, end = UINT64_MAX;
    rl_limiter limiter;

    (void)ctx;
    limit.align = RL_ALIGN_FIRST;
    limiter = started(&limit, end - 20);
    rl_limiter_charge(&limiter, 50, end - 20);
    assert_int_equal(rl_limiter_take(&limiter, 1, end - 20, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
    assert_int_equal(rl_limiter_take(&limiter, 1, end - 1, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
    limit.period = 3650 * RL_DAY;
    limiter = started(&limit, 0);
    rl_limiter_charge(&limiter, 5000, 0);
    assert_int_equal(rl_limiter_take(&limiter, 1, end - 1, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
    rl_limiter_charge(&limiter, RL_AMOUNT_MAX, 0);
    assert_int_equal(rl_limiter_take(&limiter, 1, 0, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
    limiter = started(&limit, 0);
    rl_limiter_set_level(&limiter, -289, 1); /* all but four of it is paid by then */
    assert_int_equal(rl_limiter_take(&limiter, 5, end - 1, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
    for (rl_duration period = 5; period <= 50; period += 45) { /* shorter, and longer */
        limit.period = 9;
        limiter = started(&limit, end - 12);
        assert_int_equal(rl_limiter_take(&limiter, 5, end - 12, NULL), RL_OK);
        limit.period = period;
        assert_int_equal(rl_limiter_change(&limiter, &limit, end - 4), RL_OK);
        assert_int_equal(rl_limiter_take(&limiter, 1, end - 4, &retry_at), RL_WAIT);
        assert_true(retry_at == (period < 9 ? end - 3 : RL_NEVER));
    }
    limit.period = 100; /* a level set for a moment within the first period */
    limiter = started(&limit, 0);
    rl_limiter_set_level(&limiter, 3, 50);
    assert_int_equal(remaining(&limiter, 10), -2);
    rl_limiter_settle(&limiter, 2, 0, 5, 10);
    assert_int_equal(remaining(&limiter, 10), 0);
}

/* The words of a log are those that belong to it: what lies around them says nothing, and stays. */
static void a_log_ends_with_its_words(void **ctx)
{
    rl_limit limit = limit_of("sliding_window", 1000, 100), longer = limit;
    rl_limiter limiter, other;
    const rl_algorithm *algorithm;
    rl_level level;
    uint64_t empty[8] = { UINT64_MAX / 2, 0, UINT64_MAX / 2, 7, UINT64_MAX / 2, 7 };
    uint64_t full[8] = { 2, NOW + 10, 1, NOW + 11, 100, NOW + 11, 99, 99 };
    uint64_t carried[8] = { 2, NOW + 10, 1, NOW + 11, 100, NOW + 12, 99, 99 };

    (void)ctx;
    limit.parts = longer.parts = 2;
    longer.period = 150;
    limiter = started(&limit, NOW);
    other = started(&longer, NOW);
    algorithm = limiter.algorithm;
    algorithm->snapshot(&limiter.plan, &empty[1], NOW, &level);
    assert_true(level.full_in == 0 && level.remaining == 1000);
    algorithm->charge(&limiter.plan, full, 5, NOW);
    assert_int_equal(full[0], 2);
    assert_true(full[1] == NOW + 11 && full[2] == 101); /* the two that lay closest */
    assert_true(full[3] == NOW + 100 && full[4] == 5);
    assert_true(full[5] == NOW + 11 && full[6] == 99);
    algorithm->carry(&limiter.plan, &other.plan, carried, NOW);
    assert_true(carried[1] == NOW + 60 && carried[3] == NOW + 61 && carried[5] == NOW + 12);
}

/* All 255 entries are in use, and each goes in its turn. */
static void the_longest_log_fits(void **ctx)
{
    rl_limit limit = limit_of("sliding_window", 1000, 1000);
    rl_limiter limiter;

    (void)ctx;
    limit.parts = 255;
    limiter = started(&limit, NOW);
    for (uint64_t i = 0; i < 400; i++)
        assert_int_equal(rl_limiter_take(&limiter, 1, NOW + i, NULL), RL_OK);
    assert_int_equal(remaining(&limiter, NOW + 400), 600);
    for (uint64_t i = 0; i <= 400; i++)
        assert_true(remaining(&limiter, NOW + 1000 + i) <= (int64_t)(601 + i));
    assert_int_equal(rl_limiter_take(&limiter, 1, NOW + 1399, NULL), RL_OK);
    assert_int_equal(remaining(&limiter, NOW + 1400), 999);
}

/* Where wall time begins, and where it ends. */
static void walls_have_two_ends(void **ctx)
{
    rl_limit limit = limit_of("fixed_window", 5, RL_MINUTE);
    rl_time end = UINT64_MAX, retry_at = 1;
    rl_limiter limiter;

    (void)ctx;
    limit.epoch = INT64_MAX; /* the wall stands still from half of the time on */
    limiter = started(&limit, end - 5);
    assert_int_equal(rl_limiter_take(&limiter, 5, end - 5, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, end - 4, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
    limit.epoch = 1000;
    limit.period = 1;
    limiter = started(&limit, end - 1001);
    assert_int_equal(rl_limiter_take(&limiter, 5, end - 1001, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, end - 1001, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER); /* the last window goes on until then */
    limiter = started(&limit, end - 1002);
    assert_int_equal(rl_limiter_take(&limiter, 5, end - 1002, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, end - 1002, &retry_at), RL_WAIT);
    assert_true(retry_at == end - 1001);
    limit.epoch = 0;
    limiter = started(&limit, end - 3);
    rl_limiter_charge(&limiter, 50, end - 3);
    assert_int_equal(rl_limiter_take(&limiter, 1, end - 3, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
    limit.period = 1000;
    limit.epoch = 99; /* in the first window, which began before rl_time did */
    limiter = started(&limit, 0);
    limit.period = 100;
    assert_int_equal(rl_limiter_change(&limiter, &limit, 0), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 5, 0, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, 0, &retry_at), RL_WAIT);
    assert_true(retry_at == 1);
    limit.align = RL_ALIGN_DAY; /* there it is still the day before 1970 */
    limit.period = RL_DAY;
    limit.zone = "AAA12";
    limit.epoch = 1;
    limiter = started(&limit, 0);
    assert_int_equal(rl_limiter_take(&limiter, 5, 0, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, 0, &retry_at), RL_WAIT);
    assert_true(retry_at == 36 * RL_HOUR - 1);
    limit = limit_of("fixed_window", 5, RL_HOUR);
    limit.align = RL_ALIGN_HOUR;
    limit.epoch = RL_EPOCH_1970;
    limiter = started(&limit, NOW);
    assert_int_equal(rl_limiter_take(&limiter, 5, NOW, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, NOW, &retry_at), RL_WAIT);
    assert_true(retry_at == NOW + RL_HOUR);
}

/* Between windows that lie side by side and those that a first request begins. */
static void another_alignment_keeps_what_is_used(void **ctx)
{
    const rl_duration second = RL_SECOND, full = (rl_duration)RL_AMOUNT_MAX;
    rl_limit side = limit_of("fixed_window", RL_AMOUNT_MAX, 100 * RL_SECOND), first = side;
    rl_time end = UINT64_MAX;
    rl_limiter limiter;

    (void)ctx;
    first.align = RL_ALIGN_FIRST;
    limiter = started(&first, NOW);
    assert_int_equal(rl_limiter_take(&limiter, 10, NOW + 30 * second, NULL), RL_OK);
    assert_int_equal(rl_limiter_change(&limiter, &side, NOW + 40 * second), RL_OK);
    assert_int_equal(remaining(&limiter, NOW + 99 * second), full - 10);
    assert_int_equal(remaining(&limiter, NOW + 100 * second), full);
    assert_int_equal(rl_limiter_take(&limiter, 7, NOW + 140 * second, NULL), RL_OK);
    assert_int_equal(rl_limiter_change(&limiter, &first, NOW + 150 * second), RL_OK);
    assert_int_equal(remaining(&limiter, NOW + 249 * second), full - 7);
    assert_int_equal(remaining(&limiter, NOW + 250 * second), full);
    limiter = started(&side, NOW);
    assert_int_equal(rl_limiter_take(&limiter, 7, NOW, NULL), RL_OK);
    assert_int_equal(rl_limiter_change(&limiter, &first, NOW + 150 * second), RL_OK);
    assert_int_equal(remaining(&limiter, NOW + 150 * second), full); /* that window has ended */
    limiter = started(&side, end - 3);
    assert_int_equal(rl_limiter_take(&limiter, RL_AMOUNT_MAX, end - 3, NULL), RL_OK);
    assert_int_equal(rl_limiter_change(&limiter, &first, end - 2), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, end - 2, NULL), RL_WAIT);
}

/* ---- bookings ---- */

/* What cannot wait is not booked, and what was not booked is not called off. */
static void only_bookings_are_bookings(void **ctx)
{
    rl_limit limit = limit_of("concurrency", 2, RL_SECOND);
    rl_limiter limiter;
    rl_time at = 1;

    (void)ctx;
    limit.bookings = 1;
    limiter = started(&limit, NOW);
    assert_int_equal(rl_limiter_reserve(&limiter, 3, NOW, RL_NEVER, &at), RL_E_TOO_LARGE);
    assert_int_equal(rl_limiter_reserve(&limiter, 2, NOW, RL_NEVER, &at), RL_OK);
    assert_int_equal(rl_limiter_reserve(&limiter, 1, NOW, RL_NEVER, &at), RL_WAIT);
    assert_true(at == RL_NEVER);
    rl_limiter_give_back(&limiter, 1, NOW);
    assert_int_equal(remaining(&limiter, NOW), 1); /* nothing was promised */
    limit = limit_of("fixed_window", 5, RL_MINUTE);
    limit.bookings = 2;
    limiter = started(&limit, NOW);
    assert_int_equal(rl_limiter_reserve(&limiter, 2, NOW, RL_NEVER, &at), RL_OK);
    assert_true(at == NOW);
    rl_limiter_cancel(&limiter, 2, NOW, NOW - 1); /* it has left, and the clock stepped back */
    assert_int_equal(remaining(&limiter, NOW), 3);
    limit.bookings = 0;
    limiter = started(&limit, NOW);
    assert_int_equal(rl_limiter_reserve(&limiter, 5, NOW, NOW, &at), RL_OK);
    assert_true(at == NOW);
    assert_int_equal(rl_limiter_reserve(&limiter, 1, NOW, NOW + RL_MINUTE - 1, &at), RL_WAIT);
    assert_true(at == NOW + RL_MINUTE);
    assert_int_equal(rl_limiter_reserve(&limiter, 1, NOW, NOW + RL_MINUTE, &at), RL_E_TABLE_FULL);
    assert_true(at == RL_NEVER);
    assert_int_equal(rl_limiter_reserve(&limiter, 6, NOW, RL_NEVER, &at), RL_E_TOO_LARGE);
}

/* Promises of more than can be shown, beside debt that can just be, and beside what never ends. */
static void promises_saturate(void **ctx)
{
    rl_limit limit = limit_of("fixed_window", RL_AMOUNT_MAX, RL_MINUTE);
    rl_limiter limiter;
    rl_level level;
    rl_time at[3];

    (void)ctx;
    limit.bookings = 3;
    limiter = started(&limit, NOW);
    assert_int_equal(rl_limiter_take(&limiter, RL_AMOUNT_MAX, NOW, NULL), RL_OK);
    assert_int_equal(rl_limiter_reserve(&limiter, 1, NOW, RL_NEVER, &at[0]), RL_OK);
    rl_limiter_set_level(&limiter, INT64_MIN / 2, NOW);
    assert_true(remaining(&limiter, NOW) == INT64_MIN / 2 - 1);
    rl_limiter_set_level(&limiter, INT64_MIN / 2 - 1, NOW);
    assert_true(remaining(&limiter, NOW) == INT64_MIN);
    rl_limiter_set_level(&limiter, 0, NOW);
    for (int i = 1; i < 3; i++)
        assert_int_equal(rl_limiter_reserve(&limiter, 2, NOW, RL_NEVER, &at[i]), RL_OK);
    rl_limiter_settle(&limiter, 2, UINT64_MAX, at[2], NOW);
    assert_true(remaining(&limiter, NOW) == -(INT64_MAX / 2));
    rl_limiter_settle(&limiter, 2, UINT64_MAX, at[1], NOW);
    assert_true(remaining(&limiter, NOW) == -(INT64_MAX / 2));
    limit = limit_of("token_bucket", 1, RL_DAY);
    limit.bookings = 1;
    limiter = started(&limit, NOW);
    assert_int_equal(rl_limiter_take(&limiter, 1, NOW, NULL), RL_OK);
    assert_int_equal(rl_limiter_reserve(&limiter, 1, NOW, RL_NEVER, &at[0]), RL_OK);
    rl_limiter_snapshot(&limiter, NOW, &level);
    assert_true(level.full_in == 2 * RL_DAY && level.remaining == -1);
    rl_limiter_charge(&limiter, RL_AMOUNT_MAX, NOW);
    rl_limiter_snapshot(&limiter, NOW, &level);
    assert_true(level.full_in == RL_NEVER);
}

/* Entries whose end moves before the first moment, or behind the last one. */
static void a_log_ends_with_time(void **ctx)
{
    rl_limit limit = limit_of("sliding_window", 5, 100);
    rl_limiter limiter = started(&limit, 0);
    rl_time end = UINT64_MAX, retry_at = 1;
    rl_level level;

    (void)ctx;
    rl_limiter_snapshot(&limiter, 0, &level);
    assert_true(level.full_in == 0);
    rl_limiter_set_level(&limiter, 2, 10);
    limit.period = 5;
    assert_int_equal(rl_limiter_change(&limiter, &limit, 0), RL_OK);
    assert_int_equal(remaining(&limiter, 20), 5);
    limiter = started(&limit, end - 3);
    assert_int_equal(rl_limiter_take(&limiter, 5, end - 3, NULL), RL_OK);
    limit.period = 40;
    assert_int_equal(rl_limiter_change(&limiter, &limit, end - 2), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, end - 2, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
    rl_limiter_settle(&limiter, 5, 3, end - 3, end - 2);
    assert_int_equal(remaining(&limiter, end - 2), 2);
    rl_limiter_set_level(&limiter, 1, end - 2);
    assert_int_equal(rl_limiter_take(&limiter, 2, end - 2, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
}

/* What would be back after the last moment is never back. */
static void time_has_an_end(void **ctx)
{
    static const struct {
        const char *algorithm;
        uint64_t align;
    } row[] = { { "fixed_window", RL_ALIGN_EPOCH },
                { "fixed_window", RL_ALIGN_FIRST },
                { "sliding_window", 0 },
                { "sliding_counter", 0 } };
    static const rl_duration period[] = { 7, 20, RL_MINUTE, 30 * RL_DAY };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        for (size_t k = 0; k < 4; k++)
            for (rl_time now = UINT64_MAX - 3; now != 0; now++) {
                rl_limit limit = limit_of(row[i].algorithm, 5, period[k]);
                rl_limiter limiter;
                rl_time retry_at = 1;
                rl_level level;

                limit.align = row[i].align;
                limiter = started(&limit, now - 1);
                assert_int_equal(rl_limiter_take(&limiter, 5, now - 1, NULL), RL_OK);
                assert_int_equal(rl_limiter_take(&limiter, 1, now - 1, &retry_at), RL_WAIT);
                assert_true(retry_at > now - 1);
                rl_limiter_snapshot(&limiter, now - 1, &level);
                assert_true(level.full_in > 0);
                if (i >= 1)
                    assert_true(retry_at == RL_NEVER && level.full_in == RL_NEVER);
            }
}

static void limits_go_to_their_ends(void **ctx)
{
    static const char *const name[] = { "token_bucket", "leaky_meter",    "leaky_bucket",
                                        "fixed_window", "sliding_window", "sliding_counter",
                                        "concurrency" };
    static const struct {
        uint64_t amount;
        rl_duration period;
    } row[] = { { 1, 30 * RL_DAY },
                { UINT64_C(1000000000000), RL_MINUTE },
                { RL_AMOUNT_MAX, RL_DAY * 3653 },
                { RL_AMOUNT_MAX, 4 * RL_DAY } };

    (void)ctx;
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++)
        for (size_t k = 0; k < sizeof row / sizeof row[0]; k++) {
            rl_limit limit = limit_of(name[i], row[k].amount, row[k].period);
            rl_limiter limiter = started(&limit, NOW);
            rl_time retry_at;

            assert_int_equal(rl_limiter_take(&limiter, row[k].amount, NOW, NULL), RL_OK);
            assert_int_equal(rl_limiter_take(&limiter, row[k].amount, NOW, &retry_at), RL_WAIT);
            if (i < 6)
                assert_int_equal(rl_limiter_peek(&limiter, row[k].amount, retry_at, NULL), RL_OK);
            rl_limiter_charge(&limiter, RL_AMOUNT_MAX, NOW);
            rl_limiter_charge(&limiter, UINT64_MAX, NOW);
            rl_limiter_charge(&limiter, UINT64_MAX, NOW);
            assert_true(remaining(&limiter, NOW) < 0);
            assert_int_equal(rl_limiter_take(&limiter, 1, NOW, NULL), RL_WAIT);
            rl_limiter_set_level(&limiter, INT64_MIN, NOW);
            assert_true(remaining(&limiter, NOW) < 0);
            rl_limiter_set_level(&limiter, INT64_MAX, NOW);
            assert_int_equal(remaining(&limiter, NOW), (int64_t)row[k].amount);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_limit_is_named),
        cmocka_unit_test(windows_stand_side_by_side),
        cmocka_unit_test(what_belongs_to_a_window_that_is_over_stays),
        cmocka_unit_test(a_large_amount_takes_two_words),
        cmocka_unit_test(a_level_ahead_closes_until_then),
        cmocka_unit_test(a_corrected_clock_resets_nothing_early),
        cmocka_unit_test(a_window_begins_with_its_first_request),
        cmocka_unit_test(hours_begin_at_the_full_hour),
        cmocka_unit_test(a_full_log_errs_on_the_safe_side),
        cmocka_unit_test(what_is_settled_comes_back_where_it_was_taken),
        cmocka_unit_test(concurrency_comes_back_by_release_only),
        cmocka_unit_test(concurrency_is_counted_to_the_end),
        cmocka_unit_test(the_outflow_is_constant),
        cmocka_unit_test(the_last_departure_is_undone_anywhere),
        cmocka_unit_test(limiters_start_as_full_as_asked),
        cmocka_unit_test(a_change_carries_units_or_the_share),
        cmocka_unit_test(ten_years_bring_no_drift),
        cmocka_unit_test(sums_saturate),
        cmocka_unit_test(a_long_rest_pays_all_debt),
        cmocka_unit_test(first_windows_end_with_time),
        cmocka_unit_test(a_log_ends_with_time),
        cmocka_unit_test(a_log_ends_with_its_words),
        cmocka_unit_test(the_longest_log_fits),
        cmocka_unit_test(walls_have_two_ends),
        cmocka_unit_test(another_alignment_keeps_what_is_used),
        cmocka_unit_test(only_bookings_are_bookings),
        cmocka_unit_test(promises_saturate),
        cmocka_unit_test(time_has_an_end),
        cmocka_unit_test(limits_go_to_their_ends),
    };
    return cmocka_run_group_tests_name("windows", tests, NULL, NULL);
}
