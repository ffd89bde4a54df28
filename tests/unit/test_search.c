/* SPDX-License-Identifier: MIT */
/* The rules of a search, one by one. What they come to together: prop_search, prop_no_headers. */
#include "scope/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define START    (1000 * RL_SECOND)
#define RPM(n)   ((uint64_t)(n)*RL__SEARCH_UNIT)
#define ONE_UNIT 1 /* of rounding */

static const struct rl__search_rules usual = { .factor = RL__SEARCH_FACTOR,
                                               .floor = RPM(1),
                                               .cap = RL__SEARCH_MAX };

struct bench {
    struct rl__search search;
    rl_time now;
};

static struct bench begin(uint64_t rpm)
{
    struct bench bench = { .now = START };

    rl__search_start(&bench.search, &usual, RPM(rpm), RPM(rpm), START);
    return bench;
}

/* Of what was sent just now, at a rate that all held it back to. */
static enum rl__search_step refuse(struct bench *bench, uint64_t measured)
{
    struct rl__search_refusal refusal = { .measured = measured, .requests = measured, .bound = 1 };

    refusal.sent_at = ++bench->now;
    return rl__search_refused(&bench->search, &usual, &refusal, ++bench->now);
}

/* Successes at each second of what was sent the moment before, for so long. */
static void pass(struct bench *bench, rl_duration span, int bound)
{
    for (rl_time end = bench->now + span; bench->now < end;) {
        bench->now += RL_SECOND;
        (void)rl__search_passed(&bench->search, &usual, bench->now - 1, bound, bench->now);
    }
}

static void assert_near(uint64_t got, uint64_t want, uint64_t percent)
{
    assert_in_range(got, want - want * percent / 100 - ONE_UNIT,
                    want + want * percent / 100 + ONE_UNIT);
}

static void it_doubles_each_half_minute_while_nothing_was_refused(void **state)
{
    struct bench bench = begin(60);

    (void)state;
    pass(&bench, 30 * RL_SECOND, 1);
    assert_near(bench.search.rate, RPM(120), 1);
    pass(&bench, 60 * RL_SECOND, 1);
    assert_near(bench.search.rate, RPM(480), 1);
}

static void it_grows_only_while_it_binds(void **state)
{
    struct bench bench = begin(60);

    (void)state;
    pass(&bench, RL_HOUR, 0);
    assert_int_equal(bench.search.rate, RPM(60));
}

static void time_that_passed_unseen_proves_nothing(void **state)
{
    struct bench bench = begin(600);

    (void)state;
    bench.now += RL_HOUR;
    (void)rl__search_passed(&bench.search, &usual, bench.now - 1, 1, bench.now);
    assert_near(bench.search.rate, RPM(600), 6); /* lately() of half an hour's doubling */
}

static void a_cut_leads_below_what_passed(void **state)
{
    struct bench bench = begin(1000);

    (void)state;
    assert_int_equal(refuse(&bench, RPM(400)), RL__SEARCH_CUT);
    assert_int_equal(bench.search.rate, RPM(360));
    assert_int_equal(bench.search.wall, RPM(980));
    bench = begin(1000);
    assert_int_equal(refuse(&bench, RPM(1200)), RL__SEARCH_CUT); /* a bucket that was full */
    assert_int_equal(bench.search.rate, RPM(900));
}

static void one_episode_is_one_cut(void **state)
{
    struct rl__search_refusal late = { .measured = RPM(900), .requests = RPM(900), .bound = 1 };
    struct bench bench = begin(1000);
    rl_time before_cut = bench.now;

    (void)state;
    assert_int_equal(refuse(&bench, RPM(900)), RL__SEARCH_CUT);
    late.sent_at = before_cut;
    for (int i = 0; i < 20; i++) /* the rest of the burst */
        assert_int_equal(rl__search_refused(&bench.search, &usual, &late, ++bench.now),
                         RL__SEARCH_STAYS);
    for (int i = 0; i < 20; i++) { /* asked again and again, and nothing passes */
        bench.now += RL_SECOND;
        assert_int_equal(refuse(&bench, RPM(900)), RL__SEARCH_STAYS);
    }
    assert_int_equal(bench.search.rate, RPM(810));
    pass(&bench, RL_SECOND, 0);
    assert_int_equal(refuse(&bench, RPM(810)), RL__SEARCH_CUT); /* the next one */
    assert_int_equal(bench.search.rate, RPM(729));
}

static void a_success_of_before_the_cut_does_not_count(void **state)
{
    struct bench bench = begin(1000);
    rl_time before_cut = bench.now;

    (void)state;
    assert_int_equal(refuse(&bench, RPM(900)), RL__SEARCH_CUT);
    for (int i = 0; i < 1000; i++) {
        bench.now += RL_SECOND;
        assert_int_equal(rl__search_passed(&bench.search, &usual, before_cut, 1, bench.now),
                         RL__SEARCH_STAYS);
    }
    assert_int_equal(refuse(&bench, RPM(900)), RL__SEARCH_STAYS); /* nor ends it the episode */
}

static void it_is_back_at_the_wall_after_the_trial_and_rests_there(void **state)
{
    struct bench bench = begin(1000);

    (void)state;
    (void)refuse(&bench, RPM(1000)); /* 900; the wall is 980 */
    pass(&bench, 40 * RL_SECOND, 1);
    assert_in_range(bench.search.rate, RPM(945), RPM(970)); /* fast at first */
    pass(&bench, 80 * RL_SECOND, 1);
    assert_near(bench.search.rate, RPM(980), 1);
    pass(&bench, 40 * RL_SECOND, 1);
    assert_near(bench.search.rate, RPM(980), 2);
}

static void a_raised_limit_is_doubled_within_six_minutes(void **state)
{
    struct bench bench = begin(1000);

    (void)state;
    (void)refuse(&bench, RPM(1000));
    pass(&bench, 5 * RL_MINUTE + 40 * RL_SECOND, 1);
    assert_in_range(bench.search.rate, RPM(1900), RPM(2200));
}

static void few_requests_are_tried_for_longer(void **state)
{
    static const struct {
        uint64_t rpm;
        rl_duration trial, pause;
    } row[] = {
        { 10000, 2 * RL_MINUTE, 0 },
        { 100, 2 * RL_MINUTE, 0 },
        { 60, 200 * RL_SECOND, 3 * RL_SECOND },
        { 20, 10 * RL_MINUTE, 6 * RL_SECOND },
        { 10, 15 * RL_MINUTE, 6 * RL_SECOND },
        { 1, 15 * RL_MINUTE, 6 * RL_SECOND },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct bench bench = begin(row[i].rpm);

        (void)refuse(&bench, RPM(row[i].rpm));
        assert_int_equal(bench.search.trial, row[i].trial);
        assert_int_equal(rl__search_pause(&bench.search), row[i].pause);
    }
}

/* The same 300 a minute, twice, far below the rate: that is the window's size. */
static void a_window_shows_its_size_at_the_second_refusal(void **state)
{
    struct bench bench = begin(1000);

    (void)state;
    (void)refuse(&bench, RPM(300));
    assert_int_equal(bench.search.wall, RPM(980));
    pass(&bench, 30 * RL_SECOND, 1);
    assert_true(bench.search.rate > RPM(500));
    (void)refuse(&bench, RPM(310));
    assert_near(bench.search.wall, RPM(304), 1);
    assert_int_equal(bench.search.rate, RPM(279));
}

/* Refused for six seconds of the minute: the rate was a tenth too high. */
static void a_window_that_stays_shut_lowers_the_wall_and_not_the_rate(void **state)
{
    struct bench bench = begin(1000);

    (void)state;
    (void)refuse(&bench, RPM(1000));
    bench.now += 6 * RL_SECOND;
    assert_int_equal(refuse(&bench, RPM(1000)), RL__SEARCH_STAYS);
    assert_int_equal(bench.search.rate, RPM(900));
    assert_near(bench.search.wall, RPM(882), 1);
    pass(&bench, RL_MINUTE, 1);
    assert_int_equal(bench.search.rate, RPM(900)); /* a success never cuts */
    pass(&bench, 5 * RL_MINUTE, 1);
    assert_true(bench.search.rate > RPM(1000));
}

/* Little passed because little was asked for: that is no measure of the limit. */
static void what_held_nobody_back_gives_up_half_at_most(void **state)
{
    struct rl__search_refusal refusal = { .measured = RPM(5), .requests = RPM(5) };
    struct bench bench = begin(1000);

    (void)state;
    refusal.sent_at = bench.now + 1;
    assert_int_equal(rl__search_refused(&bench.search, &usual, &refusal, bench.now + 2),
                     RL__SEARCH_CUT);
    assert_int_equal(bench.search.rate, RPM(500));
}

static void it_stays_between_the_floor_and_the_cap(void **state)
{
    struct rl__search_rules rules = { .factor = 500000, .floor = RPM(50), .cap = RPM(70) };
    struct rl__search_refusal refusal = { .measured = RPM(5), .requests = RPM(5), .bound = 1 };
    struct bench bench = { .now = START };

    (void)state;
    rl__search_start(&bench.search, &rules, RPM(1000), RPM(60), START);
    assert_int_equal(bench.search.rate, RPM(70));
    refusal.sent_at = ++bench.now;
    (void)rl__search_refused(&bench.search, &rules, &refusal, ++bench.now);
    assert_int_equal(bench.search.rate, RPM(50));
    for (int i = 0; i < 3000; i++) {
        bench.now += RL_SECOND;
        (void)rl__search_passed(&bench.search, &rules, bench.now - 1, 1, bench.now);
    }
    assert_int_equal(bench.search.rate, RPM(70));
    rules.cap = RPM(40); /* the user has changed his mind: the cap goes before the floor */
    assert_int_equal(rl__search_bound(&bench.search, &rules), RL__SEARCH_CUT);
    assert_int_equal(bench.search.rate, RPM(40));
}

static void a_first_refusal_is_of_no_rate(void **state)
{
    struct rl__search_refusal refusal = {
        .measured = RPM(300), .requests = RPM(300), .bound = 1, .first = 1
    };
    struct bench bench = begin(300);

    (void)state;
    refusal.sent_at = ++bench.now;
    assert_int_equal(rl__search_refused(&bench.search, &usual, &refusal, ++bench.now),
                     RL__SEARCH_CUT);
    assert_int_equal(bench.search.wall, 0);
    pass(&bench, 31 * RL_SECOND, 1);
    assert_near(bench.search.rate, RPM(540), 4); /* it doubles */
}

/* ---- the meter ---- */

static void a_minute_is_scaled_once_it_has_passed(void **state)
{
    struct rl__meter meter = { 0 };
    rl_time now = START;
    uint64_t passed = 0;

    (void)state;
    assert_int_equal(rl__meter_minute(&meter, 0, now), 0);
    assert_true(rl__meter_is_young(&meter, now));
    for (int i = 0; i < 30; i++, now += RL_SECOND)
        rl__meter_note(&meter, passed += 10, now);
    assert_near(rl__meter_minute(&meter, passed, now), RPM(290), 0); /* as many as there were */
    assert_true(rl__meter_is_young(&meter, now));
    for (int i = 0; i < 300; i++, now += RL_SECOND)
        rl__meter_note(&meter, passed += 10, now);
    assert_false(rl__meter_is_young(&meter, now));
    assert_near(rl__meter_minute(&meter, passed, now), RPM(600), 2);
    now += RL_HOUR; /* a long rest */
    assert_in_range(rl__meter_minute(&meter, passed + 7, now), RPM(7), RPM(57));
    now -= RL_MINUTE; /* the clock steps back */
    rl__meter_note(&meter, passed, now);
    now -= RL_HOUR;
    rl__meter_note(&meter, passed, now);
    assert_in_range(rl__meter_minute(&meter, passed, now), 0, RPM(800));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_doubles_each_half_minute_while_nothing_was_refused),
        cmocka_unit_test(it_grows_only_while_it_binds),
        cmocka_unit_test(time_that_passed_unseen_proves_nothing),
        cmocka_unit_test(a_cut_leads_below_what_passed),
        cmocka_unit_test(one_episode_is_one_cut),
        cmocka_unit_test(a_success_of_before_the_cut_does_not_count),
        cmocka_unit_test(it_is_back_at_the_wall_after_the_trial_and_rests_there),
        cmocka_unit_test(a_raised_limit_is_doubled_within_six_minutes),
        cmocka_unit_test(few_requests_are_tried_for_longer),
        cmocka_unit_test(a_window_shows_its_size_at_the_second_refusal),
        cmocka_unit_test(a_window_that_stays_shut_lowers_the_wall_and_not_the_rate),
        cmocka_unit_test(what_held_nobody_back_gives_up_half_at_most),
        cmocka_unit_test(it_stays_between_the_floor_and_the_cap),
        cmocka_unit_test(a_first_refusal_is_of_no_rate),
        cmocka_unit_test(a_minute_is_scaled_once_it_has_passed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
