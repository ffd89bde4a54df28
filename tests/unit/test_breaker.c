/* SPDX-License-Identifier: MIT */
/* What opens a breaker and what does not; few probes; results of another time move nothing.
 * prop_breaker holds it against an exact model. */
#include <llmrl/breaker.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW (1000000 * RL_SECOND)

static rl_breaker the_breaker;

static void start(const rl_breaker_options *options)
{
    rl_breaker_deinit(&the_breaker);
    assert_int_equal(rl_breaker_init(&the_breaker, options), RL_OK);
}

static rl_breaker_status status_at(rl_time now)
{
    rl_breaker_status status = { .size = sizeof status };

    assert_int_equal(rl_breaker_get(&the_breaker, now, &status), RL_OK);
    return status;
}

static rl_status ask(rl_time now, rl_breaker_ticket *ticket)
{
    return rl_breaker_ask(&the_breaker, now, ticket, NULL);
}

static rl_status record(rl_breaker_ticket *ticket, uint64_t outcome, rl_time now)
{
    return rl_breaker_record(&the_breaker, ticket, outcome, 0, now);
}

static void call(uint64_t outcome, rl_time now)
{
    rl_breaker_ticket ticket;

    assert_int_equal(ask(now, &ticket), RL_OK);
    assert_int_equal(record(&ticket, outcome, now), RL_OK);
}

/* Ten failures with all defaults. */
static void trip(rl_time now)
{
    for (int i = 0; i < 10; i++)
        call(RL_BREAKER_FAILURE, now);
    assert_int_equal(status_at(now).state, RL_BREAKER_OPEN);
}

static void defaults_live_in_one_place(void **state)
{
    rl_breaker_options options;

    (void)state;
    assert_int_equal(rl_breaker_options_resolve(NULL, &options), RL_OK);
    assert_int_equal(options.form, RL_BREAKER_TIME_WINDOW);
    assert_int_equal(options.failure_rate, 500);
    assert_int_equal(options.minimum_calls, 10);
    assert_int_equal(options.window, 60 * RL_SECOND);
    assert_int_equal(options.window_calls, 100);
    assert_int_equal(options.failures_in_a_row, 5);
    assert_int_equal(options.slow_call, 0);
    assert_int_equal(options.slow_rate, 500);
    assert_int_equal(options.open_for, 30 * RL_SECOND);
    assert_int_equal(options.open_for_max, 30 * RL_SECOND);
    assert_int_equal(options.open_jitter, 100);
    assert_int_equal(options.half_open_probes, 1);
    assert_int_equal(options.successes_to_close, 1);
    assert_int_equal(options.probe_lease, 60 * RL_SECOND);
    assert_int_equal(options.buckets, 10);
}

#define WITH(...)                                                                                  \
    {                                                                                              \
        .size = sizeof(rl_breaker_options), __VA_ARGS__                                            \
    }

static void contradictions_are_refused(void **state)
{
    static const rl_breaker_options row[] = {
        WITH(.form = 3),
        WITH(.failure_rate = 1001),
        WITH(.slow_rate = 1001),
        WITH(.open_jitter = 1001),
        WITH(.window_calls = RL_BREAKER_WINDOW_CALLS_MAX + 1),
        WITH(.buckets = RL_BREAKER_BUCKETS_MAX + 1),
        WITH(.buckets = 10, .window = 9),
        WITH(.half_open_probes = RL_BREAKER_PROBES_MAX + 1),
        WITH(.open_for = 2 * RL_SECOND, .open_for_max = RL_SECOND),
        WITH(.form = RL_BREAKER_COUNT_WINDOW, .window_calls = 20, .minimum_calls = 21),
    };
    static rl_breaker untouched;
    rl_breaker_options newer = RL_BREAKER_OPTIONS_INIT;

    (void)state;
    rl_breaker_deinit(&the_breaker);
    memset(&the_breaker, 0, sizeof the_breaker);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (rl_breaker_init(&the_breaker, &row[i]) != RL_E_INVALID)
            fail_msg("row %zu was taken", i);
    newer.size = 5000;
    assert_int_equal(rl_breaker_init(&the_breaker, &newer), RL_E_TOO_NEW);
    newer.size = 0;
    assert_int_equal(rl_breaker_init(&the_breaker, &newer), RL_E_INVALID);
    assert_memory_equal(&the_breaker, &untouched, sizeof untouched);
}

static void the_ends_of_the_ranges_are_taken(void **state)
{
    static const rl_breaker_options row[] = {
        WITH(.failure_rate = 1000, .slow_rate = 1000, .open_jitter = 1000),
        WITH(.window_calls = RL_BREAKER_WINDOW_CALLS_MAX,
             .minimum_calls = RL_BREAKER_WINDOW_CALLS_MAX),
        WITH(.buckets = RL_BREAKER_BUCKETS_MAX, .window = RL_BREAKER_BUCKETS_MAX),
        WITH(.half_open_probes = RL_BREAKER_PROBES_MAX, .open_for = 1, .open_for_max = 1),
    };
    rl_breaker_options out;

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (rl_breaker_options_resolve(&row[i], &out) != RL_OK)
            fail_msg("row %zu was refused", i);
}

static void a_small_count_window_needs_no_more_than_it_holds(void **state)
{
    rl_breaker_options options = WITH(.form = RL_BREAKER_COUNT_WINDOW, .window_calls = 4);

    (void)state;
    assert_int_equal(rl_breaker_options_resolve(&options, &options), RL_OK);
    assert_int_equal(options.minimum_calls, 4);
}

static void mistakes_get_a_status(void **state)
{
    rl_breaker_status status = { .size = 0 };
    rl_breaker_ticket ticket;
    rl_time retry_at = 0;
    static rl_breaker unstarted;

    (void)state;
    start(NULL);
    assert_int_equal(rl_breaker_init(NULL, NULL), RL_E_INVALID);
    assert_int_equal(rl_breaker_ask(NULL, NOW, &ticket, &retry_at), RL_E_INVALID);
    assert_true(retry_at == RL_NEVER);
    assert_int_equal(rl_breaker_ask(&the_breaker, NOW, NULL, NULL), RL_E_INVALID);
    assert_int_equal(rl_breaker_ask(&the_breaker, RL_NEVER, &ticket, NULL), RL_E_INVALID);
    assert_int_equal(rl_breaker_ask(&unstarted, NOW, &ticket, NULL), RL_E_INVALID);
    assert_int_equal(rl_breaker_peek(&unstarted, NOW, NULL), RL_E_INVALID);
    assert_int_equal(rl_breaker_record(&the_breaker, NULL, 0, 0, NOW), RL_E_INVALID);
    assert_int_equal(rl_breaker_record(&unstarted, &ticket, 0, 0, NOW), RL_E_INVALID);
    assert_int_equal(rl_breaker_hold(&unstarted, NOW), RL_E_INVALID);
    assert_int_equal(rl_breaker_force(&the_breaker, 3, NOW), RL_E_INVALID);
    assert_int_equal(rl_breaker_force(NULL, 0, NOW), RL_E_INVALID);
    assert_int_equal(rl_breaker_get(&the_breaker, NOW, &status), RL_E_INVALID);
    assert_int_equal(rl_breaker_get(&the_breaker, NOW, NULL), RL_E_INVALID);
    assert_int_equal(ask(NOW, &ticket), RL_OK);
    assert_int_equal(record(&ticket, 3, NOW), RL_E_INVALID);
    assert_int_equal(record(&ticket, RL_BREAKER_SUCCESS, NOW), RL_OK); /* it was still good */
    rl_breaker_deinit(&unstarted);
    rl_breaker_deinit(NULL);
    assert_string_equal(rl_breaker_state_name(RL_BREAKER_HALF_OPEN), "half-open");
    assert_string_equal(rl_breaker_state_name(3), "?");
    rl_breaker_deinit(&the_breaker);
    assert_int_equal(rl_breaker_ask(&the_breaker, NOW, &ticket, NULL), RL_E_INVALID);
}

static void a_ticket_ends_once_and_only_where_it_was_given(void **state)
{
    static rl_breaker other;
    rl_breaker_ticket ticket, fresh;

    (void)state;
    start(NULL);
    assert_int_equal(rl_breaker_init(&other, NULL), RL_OK);
    assert_int_equal(ask(NOW, &ticket), RL_OK);
    assert_int_equal(rl_breaker_record(&other, &ticket, RL_BREAKER_FAILURE, 0, NOW), RL_E_INVALID);
    assert_int_equal(record(&ticket, RL_BREAKER_FAILURE, NOW), RL_OK);
    assert_int_equal(record(&ticket, RL_BREAKER_FAILURE, NOW), RL_E_ENDED);
    assert_int_equal(status_at(NOW).failures, 1);
    assert_int_equal(rl_breaker_force(&the_breaker, RL_BREAKER_FORCED_OPEN, NOW), RL_OK);
    assert_int_equal(ask(NOW, &fresh), RL_WAIT);
    assert_int_equal(record(&fresh, RL_BREAKER_FAILURE, NOW), RL_E_ENDED);
    rl_breaker_deinit(&other);
}

/* SEED-BUGS 21: four failures in five never add up to five in a row; a rate sees them, once there
 * are enough calls to speak of one. */
static void row_21_a_failure_rate_opens_it(void **state)
{
    static const uint64_t form[] = { RL_BREAKER_TIME_WINDOW, RL_BREAKER_COUNT_WINDOW };

    (void)state;
    for (size_t f = 0; f < 2; f++) {
        rl_breaker_options options = WITH(.form = form[f]);
        int calls = 0;

        start(&options);
        for (; calls < 1000 && status_at(NOW).state == RL_BREAKER_CLOSED; calls++)
            call(calls % 5 == 4 ? RL_BREAKER_SUCCESS : RL_BREAKER_FAILURE, NOW);
        assert_int_equal(calls, 10); /* the minimum volume */
    }
}

static void few_calls_do_not_make_a_rate(void **state)
{
    rl_breaker_options options = WITH(.minimum_calls = 20, .failure_rate = 100);

    (void)state;
    start(&options);
    for (int i = 0; i < 19; i++)
        call(RL_BREAKER_FAILURE, NOW);
    assert_int_equal(status_at(NOW).state, RL_BREAKER_CLOSED);
    call(RL_BREAKER_SUCCESS, NOW); /* the volume alone was missing, whatever this one says */
    assert_int_equal(status_at(NOW).state, RL_BREAKER_OPEN);
}

static void a_rate_just_below_the_threshold_stays_closed(void **state)
{
    rl_breaker_options options =
        WITH(.form = RL_BREAKER_COUNT_WINDOW, .window_calls = 1000, .failure_rate = 100);

    (void)state;
    start(&options);
    for (int i = 0; i < 1000; i++)
        call(i >= 901 ? RL_BREAKER_FAILURE : RL_BREAKER_SUCCESS, NOW);
    assert_int_equal(status_at(NOW).failures, 99);
    assert_int_equal(status_at(NOW).state, RL_BREAKER_CLOSED);
    call(RL_BREAKER_FAILURE, NOW); /* a success leaves for it: 100 of the last 1000 */
    assert_int_equal(status_at(NOW).state, RL_BREAKER_OPEN);
}

static void old_failures_leave_the_time_window(void **state)
{
    (void)state;
    start(NULL); /* 60 s in parts of 6 */
    for (int i = 0; i < 9; i++)
        call(RL_BREAKER_FAILURE, NOW);
    assert_int_equal(status_at(NOW + 53 * RL_SECOND).failures, 9);
    assert_int_equal(status_at(NOW + 60 * RL_SECOND).failures, 0);
    call(RL_BREAKER_FAILURE, NOW + 60 * RL_SECOND);
    assert_int_equal(status_at(NOW + 60 * RL_SECOND).failures, 1);
    assert_int_equal(status_at(NOW + 60 * RL_SECOND).state, RL_BREAKER_CLOSED);
}

static void one_success_ends_a_row(void **state)
{
    rl_breaker_options options = WITH(.form = RL_BREAKER_CONSECUTIVE, .failures_in_a_row = 3);

    (void)state;
    start(&options);
    for (int i = 0; i < 30; i++)
        call(i % 3 == 2 ? RL_BREAKER_SUCCESS : RL_BREAKER_FAILURE, NOW);
    assert_int_equal(status_at(NOW).state, RL_BREAKER_CLOSED);
    call(RL_BREAKER_FAILURE, NOW);
    call(RL_BREAKER_NEUTRAL, NOW); /* says nothing: the row goes on */
    call(RL_BREAKER_FAILURE, NOW);
    call(RL_BREAKER_FAILURE, NOW);
    assert_int_equal(status_at(NOW).state, RL_BREAKER_OPEN);
}

static void failures_may_be_switched_off(void **state)
{
    rl_breaker_options options = WITH(.failure_rate = RL_NEVER);

    (void)state;
    start(&options);
    for (int i = 0; i < 100; i++)
        call(RL_BREAKER_FAILURE, NOW);
    assert_int_equal(status_at(NOW).state, RL_BREAKER_CLOSED);
}

/* SEED-BUGS 22: five hundred come at once when the open time is over. */
static void row_22_half_open_admits_few_probes(void **state)
{
    rl_breaker_options options = WITH(.half_open_probes = 3);
    rl_breaker_ticket ticket[500];
    rl_time retry_at, later = NOW + 30 * RL_SECOND;
    int passed = 0;

    (void)state;
    start(&options);
    trip(NOW);
    assert_int_equal(rl_breaker_ask(&the_breaker, later - 1, &ticket[0], &retry_at), RL_WAIT);
    assert_int_equal(retry_at, later);
    for (int i = 0; i < 500; i++)
        passed += rl_breaker_ask(&the_breaker, later, &ticket[i], &retry_at) == RL_OK;
    assert_int_equal(passed, 3);
    assert_int_equal(retry_at, later + 60 * RL_SECOND); /* the leases */
    assert_int_equal(status_at(later).state, RL_BREAKER_HALF_OPEN);
    for (int i = 0; i < 3; i++)
        assert_int_equal(record(&ticket[i], RL_BREAKER_SUCCESS, later), RL_OK);
    assert_int_equal(status_at(later).state, RL_BREAKER_CLOSED);
}

/* SEED-BUGS 23: a call begun before it opened changes nothing afterwards, however it ends; and one
 * failed probe opens it again. */
static void row_23_late_results_move_nothing(void **state)
{
    rl_breaker_ticket early[2], probe;
    rl_breaker_status before, after;
    rl_time later = NOW + 30 * RL_SECOND;

    (void)state;
    start(NULL);
    assert_int_equal(ask(NOW, &early[0]), RL_OK);
    assert_int_equal(ask(NOW, &early[1]), RL_OK);
    trip(NOW);
    before = status_at(NOW);
    assert_int_equal(record(&early[0], RL_BREAKER_SUCCESS, NOW), RL_OK);
    assert_int_equal(record(&early[1], RL_BREAKER_FAILURE, NOW + RL_SECOND), RL_OK);
    after = status_at(NOW + RL_SECOND);
    assert_int_equal(after.late, 2);
    after.late = 0;
    assert_memory_equal(&after, &before, sizeof after); /* open_until, too */
    assert_int_equal(ask(later, &probe), RL_OK);
    assert_int_equal(record(&probe, RL_BREAKER_FAILURE, later), RL_OK);
    assert_int_equal(status_at(later).state, RL_BREAKER_OPEN);
    assert_int_equal(ask(later, &probe), RL_WAIT);
}

static void late_results_do_not_close_or_open_a_half_open_one(void **state)
{
    rl_breaker_ticket early[2], probe;
    rl_time later = NOW + 30 * RL_SECOND;

    (void)state;
    start(NULL);
    assert_int_equal(ask(NOW, &early[0]), RL_OK);
    assert_int_equal(ask(NOW, &early[1]), RL_OK);
    trip(NOW);
    assert_int_equal(ask(later, &probe), RL_OK);
    assert_int_equal(record(&early[0], RL_BREAKER_SUCCESS, later), RL_OK);
    assert_int_equal(record(&early[1], RL_BREAKER_FAILURE, later), RL_OK);
    assert_int_equal(status_at(later).state, RL_BREAKER_HALF_OPEN);
    assert_int_equal(status_at(later).probes, 1); /* and free no place */
}

/* SEED-BUGS 24: what is counted how; slow calls are; and a refusal says until when. */
static void row_24_outcomes_are_classified(void **state)
{
    static const struct {
        rl_outcome outcome;
        rl_failure failure;
        rl_breaker_outcome want;
    } row[] = {
        { RL_OUTCOME_OK, 0, RL_BREAKER_SUCCESS },
        { RL_OUTCOME_CLIENT_ERROR, 0, RL_BREAKER_SUCCESS }, /* 400: it works, and says so */
        { RL_OUTCOME_TOO_LARGE, 0, RL_BREAKER_SUCCESS },
        { RL_OUTCOME_RATE_LIMITED, 0, RL_BREAKER_NEUTRAL },    /* 429 */
        { RL_OUTCOME_QUOTA_EXHAUSTED, 0, RL_BREAKER_NEUTRAL }, /* 402 */
        { RL_OUTCOME_AUTH, 0, RL_BREAKER_NEUTRAL },            /* 401, 403 */
        { RL_OUTCOME_SERVER_ERROR, 0, RL_BREAKER_FAILURE },
        { RL_OUTCOME_OVERLOADED, 0, RL_BREAKER_FAILURE }, /* 503, 529 */
        { RL_OUTCOME_TRANSPORT, RL_FAILURE_RESOLVE, RL_BREAKER_FAILURE },
        { RL_OUTCOME_TRANSPORT, RL_FAILURE_CONNECT, RL_BREAKER_FAILURE },
        { RL_OUTCOME_TRANSPORT, RL_FAILURE_TLS, RL_BREAKER_FAILURE },
        { RL_OUTCOME_TRANSPORT, RL_FAILURE_TIMEOUT, RL_BREAKER_FAILURE },
        { RL_OUTCOME_TRANSPORT, RL_FAILURE_RESET_LATE, RL_BREAKER_FAILURE },
        { RL_OUTCOME_TRANSPORT, RL_FAILURE_TOO_BIG, RL_BREAKER_NEUTRAL },
        { RL_OUTCOME_TRANSPORT, RL_FAILURE_ABORTED, RL_BREAKER_NEUTRAL }, /* cancelled */
        { (rl_outcome)99, 0, RL_BREAKER_NEUTRAL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (rl_breaker_outcome_of(row[i].outcome, row[i].failure) != row[i].want)
            fail_msg("row %zu", i);
}

static void row_24_neutral_results_never_open_it(void **state)
{
    (void)state;
    start(NULL);
    for (int i = 0; i < 1000; i++)
        call(RL_BREAKER_NEUTRAL, NOW);
    assert_int_equal(status_at(NOW).state, RL_BREAKER_CLOSED);
    assert_int_equal(status_at(NOW).calls, 0);
    assert_int_equal(status_at(NOW).neutral, 1000);
}

static void row_24_slow_calls_open_it(void **state)
{
    rl_breaker_options options = WITH(.slow_call = 5 * RL_SECOND);
    rl_breaker_ticket ticket;

    (void)state;
    start(&options);
    for (int i = 0; i < 20; i++) { /* measured by itself */
        rl_time begun = NOW - (i % 2 ? 5 * RL_SECOND : 5 * RL_SECOND - 1);

        if (ask(begun, &ticket) != RL_OK)
            break;
        assert_int_equal(
            rl_breaker_record(&the_breaker, &ticket, RL_BREAKER_SUCCESS, RL_NEVER, NOW), RL_OK);
        assert_true(i < 9 || status_at(NOW).state == RL_BREAKER_OPEN);
    }
    assert_int_equal(status_at(NOW).state, RL_BREAKER_OPEN);
}

static void slow_calls_in_a_row_open_it(void **state)
{
    rl_breaker_options options = WITH(.form = RL_BREAKER_CONSECUTIVE, .slow_call = RL_SECOND);

    (void)state;
    start(&options);
    for (int i = 0; i < 5; i++) {
        rl_breaker_ticket ticket;

        assert_int_equal(ask(NOW, &ticket), RL_OK);
        assert_int_equal(
            rl_breaker_record(&the_breaker, &ticket, RL_BREAKER_SUCCESS, RL_SECOND, NOW), RL_OK);
    }
    assert_int_equal(status_at(NOW).state, RL_BREAKER_OPEN);
}

static void without_a_length_no_call_is_slow(void **state)
{
    rl_breaker_ticket ticket;

    (void)state;
    start(NULL);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ask(NOW, &ticket), RL_OK);
        assert_int_equal(rl_breaker_record(&the_breaker, &ticket, RL_BREAKER_SUCCESS, RL_HOUR, NOW),
                         RL_OK);
    }
    assert_int_equal(status_at(NOW).slow, 0);
    assert_int_equal(status_at(NOW).state, RL_BREAKER_CLOSED);
}

static void a_neutral_probe_gives_its_place_back(void **state)
{
    rl_breaker_ticket ticket;
    rl_time later = NOW + 30 * RL_SECOND;

    (void)state;
    start(NULL);
    trip(NOW);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ask(later, &ticket), RL_OK);
        assert_int_equal(record(&ticket, RL_BREAKER_NEUTRAL, later), RL_OK);
    }
    assert_int_equal(status_at(later).state, RL_BREAKER_HALF_OPEN);
    call(RL_BREAKER_SUCCESS, later);
    assert_int_equal(status_at(later).state, RL_BREAKER_CLOSED);
}

struct listener {
    rl_breaker_event event[16];
    size_t count;
};

/* It may call the breaker: no lock is held. */
static void listen(void *user, const rl_breaker_event *event)
{
    struct listener *listener = user;

    assert_true(listener->count < 16);
    listener->event[listener->count++] = *event;
    assert_int_equal(status_at(event->at).generation, event->generation);
}

static void a_slow_probe_is_no_recovery(void **state)
{
    struct listener heard = { .count = 0 };
    rl_breaker_options options = WITH(.slow_call = RL_SECOND, .event = listen, .user = &heard);
    rl_breaker_ticket ticket;
    rl_time later = NOW + 30 * RL_SECOND;

    (void)state;
    start(&options);
    trip(NOW);
    assert_int_equal(ask(later, &ticket), RL_OK);
    assert_int_equal(rl_breaker_record(&the_breaker, &ticket, RL_BREAKER_SUCCESS, RL_SECOND, later),
                     RL_OK);
    assert_int_equal(status_at(later).state, RL_BREAKER_OPEN);
    assert_int_equal(heard.event[2].cause, RL_BREAKER_BY_PROBE);
    assert_int_equal(heard.event[2].slow, 1);
    assert_int_equal(heard.event[2].failures, 0);
    rl_breaker_deinit(&the_breaker); /* before its listener goes */
}

static void closing_may_need_more_successes_than_probes_at_once(void **state)
{
    rl_breaker_options options = WITH(.half_open_probes = 1, .successes_to_close = 3);
    rl_time later = NOW + 30 * RL_SECOND;

    (void)state;
    start(&options);
    trip(NOW);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(status_at(later).calls, i);
        call(RL_BREAKER_SUCCESS, later);
    }
    assert_int_equal(status_at(later).state, RL_BREAKER_CLOSED);
    assert_int_equal(status_at(later).calls, 0); /* it begins anew */
}

/* A caller that never comes back does not keep it half-open for ever. */
static void an_unreported_probe_gives_its_place_to_another(void **state)
{
    rl_breaker_ticket lost, next;
    rl_time later = NOW + 30 * RL_SECOND, end = later + 60 * RL_SECOND, retry_at;

    (void)state;
    start(NULL);
    trip(NOW);
    assert_int_equal(ask(later, &lost), RL_OK);
    assert_int_equal(rl_breaker_ask(&the_breaker, end - 1, &next, &retry_at), RL_WAIT);
    assert_int_equal(retry_at, end);
    assert_int_equal(ask(end, &next), RL_OK);
    assert_int_equal(record(&lost, RL_BREAKER_FAILURE, end), RL_OK); /* late, and no matter */
    assert_int_equal(status_at(end).state, RL_BREAKER_HALF_OPEN);
    assert_int_equal(status_at(end).late, 1);
    assert_int_equal(record(&next, RL_BREAKER_SUCCESS, end), RL_OK);
    assert_int_equal(status_at(end).state, RL_BREAKER_CLOSED);
}

static void a_lease_that_nobody_wanted_still_counts(void **state)
{
    rl_breaker_ticket slow;
    rl_time later = NOW + 30 * RL_SECOND;

    (void)state;
    start(NULL);
    trip(NOW);
    assert_int_equal(ask(later, &slow), RL_OK);
    assert_int_equal(record(&slow, RL_BREAKER_SUCCESS, later + RL_HOUR), RL_OK);
    assert_int_equal(status_at(later).state, RL_BREAKER_CLOSED);
}

static rl_time fail_probe(rl_time at)
{
    rl_breaker_ticket ticket;
    rl_time retry_at;

    assert_int_equal(ask(at, &ticket), RL_OK);
    assert_int_equal(record(&ticket, RL_BREAKER_FAILURE, at), RL_OK);
    assert_int_equal(rl_breaker_peek(&the_breaker, at, &retry_at), RL_WAIT);
    return retry_at;
}

static void the_open_time_doubles_up_to_its_cap(void **state)
{
    static const uint64_t seconds[] = { 20, 40, 70, 70, 70 };
    rl_breaker_options options = WITH(.open_for = 10 * RL_SECOND, .open_for_max = 70 * RL_SECOND);
    rl_time at = NOW + 10 * RL_SECOND;

    (void)state;
    start(&options);
    trip(NOW);
    assert_int_equal(status_at(NOW).open_until, at);
    assert_int_equal(status_at(NOW).opened_at, NOW);
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        rl_time next = fail_probe(at);

        assert_int_equal(next - at, seconds[i] * RL_SECOND);
        at = next;
    }
    call(RL_BREAKER_SUCCESS, at); /* closed: the next illness begins small */
    trip(at);
    assert_int_equal(status_at(at).open_until, at + 10 * RL_SECOND);
}

static void jitter_only_lengthens_and_differs(void **state)
{
    rl_duration least = RL_NEVER, most = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        rl_breaker_options options =
            WITH(.open_for = RL_SECOND, .open_jitter = 250, .random = seed * UINT64_C(0x9e37));
        rl_duration open;

        start(&options);
        trip(NOW);
        open = status_at(NOW).open_until - NOW;
        assert_in_range(open, RL_SECOND, RL_SECOND + RL_SECOND / 4);
        least = open < least ? open : least;
        most = open > most ? open : most;
    }
    assert_true(least < RL_SECOND + RL_SECOND / 40);
    assert_true(most > RL_SECOND + RL_SECOND / 5);
}

static void an_open_time_without_end_ends_by_force(void **state)
{
    rl_breaker_options options = WITH(.open_for = RL_NEVER, .random = 7);
    rl_breaker_ticket ticket;

    (void)state;
    start(&options);
    trip(NOW);
    assert_true(status_at(NOW).open_until == RL_NEVER);
    assert_int_equal(ask(RL_NEVER - 1, &ticket), RL_WAIT);
    assert_int_equal(rl_breaker_force(&the_breaker, RL_BREAKER_FORCED_CLOSED, NOW), RL_OK);
    assert_int_equal(ask(NOW, &ticket), RL_OK);
}

static void a_hint_extends_the_open_time_and_nothing_else(void **state)
{
    (void)state;
    start(NULL);
    assert_int_equal(rl_breaker_hold(&the_breaker, NOW + RL_HOUR), RL_OK);
    assert_int_equal(status_at(NOW).state, RL_BREAKER_CLOSED);
    trip(NOW);
    assert_int_equal(rl_breaker_hold(&the_breaker, NOW + RL_SECOND), RL_OK);
    assert_int_equal(status_at(NOW).open_until, NOW + 30 * RL_SECOND);
    assert_int_equal(rl_breaker_hold(&the_breaker, NOW + RL_MINUTE), RL_OK);
    assert_int_equal(status_at(NOW).open_until, NOW + RL_MINUTE);
    assert_int_equal(rl_breaker_peek(&the_breaker, NOW + RL_MINUTE, NULL), RL_OK);
}

static void force_overrides_and_gives_back(void **state)
{
    rl_breaker_ticket ticket;
    rl_time retry_at = 0;

    (void)state;
    start(NULL);
    assert_int_equal(rl_breaker_force(&the_breaker, RL_BREAKER_FORCED_OPEN, NOW), RL_OK);
    assert_int_equal(rl_breaker_ask(&the_breaker, NOW + 999 * RL_DAY, &ticket, &retry_at), RL_WAIT);
    assert_true(retry_at == RL_NEVER);
    assert_int_equal(rl_breaker_force(&the_breaker, RL_BREAKER_FORCED_CLOSED, NOW), RL_OK);
    for (int i = 0; i < 50; i++)
        call(RL_BREAKER_FAILURE, NOW);
    assert_int_equal(status_at(NOW).state, RL_BREAKER_CLOSED);
    assert_int_equal(status_at(NOW).failures, 50); /* it goes on counting */
    assert_int_equal(rl_breaker_force(&the_breaker, RL_BREAKER_AUTOMATIC, NOW), RL_OK);
    assert_int_equal(status_at(NOW).failures, 0);
    trip(NOW);
    assert_int_equal(rl_breaker_force(&the_breaker, RL_BREAKER_AUTOMATIC, NOW), RL_OK);
    assert_int_equal(status_at(NOW).state, RL_BREAKER_OPEN); /* it was: nothing changes */
}

static void every_change_is_told(void **state)
{
    static const struct {
        uint64_t from, to, cause, failures;
        rl_time at, open_until;
    } want[] = {
        { RL_BREAKER_CLOSED, RL_BREAKER_OPEN, RL_BREAKER_BY_FAILURES, 10, NOW,
          NOW + 30 * RL_SECOND },
        { RL_BREAKER_OPEN, RL_BREAKER_HALF_OPEN, RL_BREAKER_BY_TIME, 0, NOW + 30 * RL_SECOND, 0 },
        { RL_BREAKER_HALF_OPEN, RL_BREAKER_OPEN, RL_BREAKER_BY_PROBE, 1, NOW + 30 * RL_SECOND,
          NOW + 60 * RL_SECOND },
        { RL_BREAKER_OPEN, RL_BREAKER_HALF_OPEN, RL_BREAKER_BY_TIME, 0, NOW + 60 * RL_SECOND, 0 },
        { RL_BREAKER_HALF_OPEN, RL_BREAKER_CLOSED, RL_BREAKER_BY_SUCCESSES, 0, NOW + 60 * RL_SECOND,
          0 },
        { RL_BREAKER_CLOSED, RL_BREAKER_OPEN, RL_BREAKER_BY_FORCE, 0, NOW + RL_HOUR, RL_NEVER },
    };
    struct listener heard = { .count = 0 };
    rl_breaker_options options = WITH(.event = listen, .user = &heard);

    (void)state;
    start(&options);
    trip(NOW);
    (void)fail_probe(NOW + 30 * RL_SECOND);
    call(RL_BREAKER_SUCCESS, NOW + 60 * RL_SECOND);
    (void)rl_breaker_force(&the_breaker, RL_BREAKER_FORCED_OPEN, NOW + RL_HOUR);
    assert_int_equal(heard.count, sizeof want / sizeof want[0]);
    for (size_t i = 0; i < heard.count; i++) {
        const rl_breaker_event *event = &heard.event[i];

        if (event->from != want[i].from || event->to != want[i].to ||
            event->cause != want[i].cause || event->failures != want[i].failures ||
            event->at != want[i].at || event->open_until != want[i].open_until ||
            event->generation != i + 2)
            fail_msg("event %zu", i);
    }
    rl_breaker_deinit(&the_breaker); /* before its listener goes */
}

static void a_clock_that_steps_back_is_harmless(void **state)
{
    rl_breaker_ticket probe;

    (void)state;
    start(NULL);
    for (int i = 0; i < 9; i++)
        call(RL_BREAKER_FAILURE, NOW);
    call(RL_BREAKER_FAILURE, NOW - RL_HOUR); /* counts as if now */
    assert_int_equal(status_at(NOW - RL_HOUR).state, RL_BREAKER_OPEN);
    assert_int_equal(status_at(NOW - RL_HOUR).open_until, NOW - RL_HOUR + 30 * RL_SECOND);
    assert_int_equal(ask(NOW - 2 * RL_HOUR, &probe), RL_WAIT);
    assert_int_equal(ask(NOW, &probe), RL_OK);
    assert_int_equal(/* a negative duration is none */
                     rl_breaker_record(&the_breaker, &probe, RL_BREAKER_SUCCESS, RL_NEVER,
                                       NOW - RL_DAY),
                     RL_OK);
    assert_int_equal(status_at(NOW).state, RL_BREAKER_CLOSED);
}

static void an_older_caller_gets_what_it_knows(void **state)
{
    struct {
        rl_breaker_status status;
    } room;

    (void)state;
    start(NULL);
    memset(&room, 0xa5, sizeof room);
    room.status.size = offsetof(rl_breaker_status, calls);
    assert_int_equal(rl_breaker_get(&the_breaker, NOW, &room.status), RL_OK);
    assert_int_equal(room.status.generation, 1);
    assert_int_equal(room.status.size, offsetof(rl_breaker_status, calls));
    assert_true(room.status.calls == UINT64_C(0xa5a5a5a5a5a5a5a5));
}

#define THREADS 4
#define ROUNDS  2000

static uint64_t probes_out, probes_most;

/* Everybody asks at once, again and again, at the moment when it becomes half-open. */
static void *crowd(void *arg)
{
    rl_time now = *(const rl_time *)arg;
    rl_breaker_ticket ticket;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t out;

        if (ask(now, &ticket) != RL_OK)
            continue;
        out = __atomic_add_fetch(&probes_out, 1, __ATOMIC_RELAXED);
        if (out > __atomic_load_n(&probes_most, __ATOMIC_RELAXED))
            __atomic_store_n(&probes_most, out, __ATOMIC_RELAXED);
        (void)__atomic_sub_fetch(&probes_out, 1, __ATOMIC_RELAXED);
        (void)record(&ticket, RL_BREAKER_NEUTRAL, now);
    }
    return NULL;
}

static void threads_share_the_probes(void **state)
{
    rl_breaker_options options = WITH(.half_open_probes = 2, .probe_lease = RL_NEVER);
    rl_time later = NOW + 30 * RL_SECOND;
    pthread_t thread[THREADS];
    rl_breaker_status status;

    (void)state;
    start(&options);
    trip(NOW);
    probes_out = probes_most = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, crowd, &later), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    status = status_at(later);
    assert_true(probes_most >= 1 && probes_most <= 2);
    assert_int_equal(status.probes, 0);
    assert_int_equal(status.refused + status.neutral, (uint64_t)THREADS * ROUNDS);
}

static int stop(void **state)
{
    (void)state;
    rl_breaker_deinit(&the_breaker);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_live_in_one_place),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(the_ends_of_the_ranges_are_taken),
        cmocka_unit_test(a_small_count_window_needs_no_more_than_it_holds),
        cmocka_unit_test(mistakes_get_a_status),
        cmocka_unit_test(a_ticket_ends_once_and_only_where_it_was_given),
        cmocka_unit_test(row_21_a_failure_rate_opens_it),
        cmocka_unit_test(few_calls_do_not_make_a_rate),
        cmocka_unit_test(a_rate_just_below_the_threshold_stays_closed),
        cmocka_unit_test(old_failures_leave_the_time_window),
        cmocka_unit_test(one_success_ends_a_row),
        cmocka_unit_test(failures_may_be_switched_off),
        cmocka_unit_test(row_22_half_open_admits_few_probes),
        cmocka_unit_test(row_23_late_results_move_nothing),
        cmocka_unit_test(late_results_do_not_close_or_open_a_half_open_one),
        cmocka_unit_test(row_24_outcomes_are_classified),
        cmocka_unit_test(row_24_neutral_results_never_open_it),
        cmocka_unit_test(row_24_slow_calls_open_it),
        cmocka_unit_test(slow_calls_in_a_row_open_it),
        cmocka_unit_test(without_a_length_no_call_is_slow),
        cmocka_unit_test(a_neutral_probe_gives_its_place_back),
        cmocka_unit_test(a_slow_probe_is_no_recovery),
        cmocka_unit_test(closing_may_need_more_successes_than_probes_at_once),
        cmocka_unit_test(an_unreported_probe_gives_its_place_to_another),
        cmocka_unit_test(a_lease_that_nobody_wanted_still_counts),
        cmocka_unit_test(the_open_time_doubles_up_to_its_cap),
        cmocka_unit_test(jitter_only_lengthens_and_differs),
        cmocka_unit_test(an_open_time_without_end_ends_by_force),
        cmocka_unit_test(a_hint_extends_the_open_time_and_nothing_else),
        cmocka_unit_test(force_overrides_and_gives_back),
        cmocka_unit_test(every_change_is_told),
        cmocka_unit_test(a_clock_that_steps_back_is_harmless),
        cmocka_unit_test(an_older_caller_gets_what_it_knows),
        cmocka_unit_test(threads_share_the_probes),
    };

    return cmocka_run_group_tests(tests, NULL, stop);
}
