/* SPDX-License-Identifier: MIT */
/* The public way in and out, on a virtual clock: waiting, deadlines, retries, cancelling, closing.
 */
#include "context/context.h"
#include "vclock.h"

#include <llmrl/config.h>
#include <llmrl/queue.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct vclock the_clock;

static char the_log[512];

static void keep_log(void *user, rl_log_level level, const char *line)
{
    size_t used = strlen(the_log);

    (void)user;
    snprintf(the_log + used, sizeof the_log - used, "%d %s\n", (int)level, line);
}

static rl_context *open_with(const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    rl_hooks hooks;

    the_clock = (struct vclock){ .now = 1000 * RL_SECOND, .random = 5 };
    hooks = vclock_hooks(&the_clock);
    hooks.log = keep_log;
    the_log[0] = '\0';
    options.hooks = &hooks;
    options.config_json = json;
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    return rl;
}

static rl_request ask(const char *provider)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = provider;
    request.model = "m";
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    return request;
}

static rl_response answer(uint64_t status, const char *body)
{
    rl_response response = RL_RESPONSE_INIT;

    response.status = status;
    response.body = body;
    response.body_length = body == NULL ? 0 : strlen(body);
    return response;
}

/* Of a dialect that refills continuously: one each second, to the nanosecond. */
#define EVEN_60 "{\"providers\": {\"p\": {\"dialect\": \"openai\", \"requests_per_minute\": 60}}}"

static void blocking_waits_until_the_very_moment(void **state)
{
    rl_context *rl = open_with(EVEN_60);
    rl_request request = ask("p");
    rl_permit permit;

    (void)state;
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
        assert_int_equal(the_clock.now, (1000 + i) * RL_SECOND);
        assert_int_equal(permit.granted_at, the_clock.now);
    }
    assert_int_equal(the_clock.sleeps, 9); /* one for each grant: nobody polls */
    rl_close(rl);
}

static void trying_says_when_and_takes_nothing(void **state)
{
    rl_context *rl = open_with(EVEN_60);
    rl_request request = ask("p");
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
        assert_int_equal(permit.retry_at, 1001 * RL_SECOND);
        assert_int_equal(rl_cancel(rl, &permit), RL_E_ENDED);
    }
    the_clock.now = 1001 * RL_SECOND;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    rl_close(rl);
}

static rl_duration behind;

static rl_time slow_clock(void *user)
{
    (void)user;
    return the_clock.now - behind;
}

/* The clock of those who do not wait may be a little behind: that refuses nobody, and frees nobody.
 */
static void a_refusal_by_a_clock_that_is_behind_is_asked_again(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"limits\": [{\"dimension\": "
                               "\"requests\", \"amount\": 1, \"period\": \"second\", "
                               "\"algorithm\": \"token_bucket\"}]}}}");
    rl_request request = RL_REQUEST_INIT;
    rl_permit permit;

    (void)state;
    request.provider = "p";
    rl->clock.precise = slow_clock;
    behind = 0;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    behind = 2 * RL__TSC_ERROR;
    vclock_advance(&the_clock, RL_SECOND - 1);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_true(permit.retry_at == the_clock.now + 1);
    vclock_advance(&the_clock, 1);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_true(permit.granted_at == the_clock.now);
    rl_close(rl);
}

static void waits_and_deadlines_that_cannot_be_kept_end_at_once(void **state)
{
    rl_context *rl = open_with(EVEN_60);
    rl_request request = ask("p");
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    request.max_wait_ms = 999;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_E_TIMEOUT);
    assert_int_equal(permit.retry_at, 1001 * RL_SECOND);
    request.max_wait_ms = 0;
    request.deadline_ms = 999;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_E_DEADLINE);
    assert_int_equal(the_clock.now, 1000 * RL_SECOND);
    request.deadline_ms = 1000;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    rl_close(rl);
}

static void a_queue_of_no_places_admits_without_waiting(void **state)
{
    rl_context *rl =
        open_with("{\"queue\": {\"max_size\": 0}, \"providers\": {\"p\": {\"dialect\": "
                  "\"openai\", \"requests_per_minute\": 60}}}");
    rl_request request = ask("p");
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_E_QUEUE_FULL);
    assert_int_equal(permit.retry_at, 1001 * RL_SECOND);
    rl_close(rl);
}

static void a_permit_ends_once(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"tokens_per_minute\": 6000}}}");
    rl_request request = ask("p");
    rl_response ok = answer(
        200, "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1,\"total_tokens\":11}}");
    rl_usage usage = { 5, 5, 0, RL_HAS_INPUT | RL_HAS_OUTPUT, 0 };
    rl_stats stats = { .size = sizeof stats };
    rl_verdict verdict;
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(permit.reserved_tokens, 20);
    assert_int_equal(rl_observe_response(rl, &permit, &ok, &verdict), RL_OK);
    assert_int_equal(verdict.action, RL_DELIVER);
    assert_int_equal(rl_observe_response(rl, &permit, &ok, &verdict), RL_E_ENDED);
    assert_int_equal(rl_cancel(rl, &permit), RL_E_ENDED);
    assert_int_equal(rl_settle(rl, &permit, &usage), RL_E_ENDED);
    assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(stats.granted, 1);
    assert_int_equal(stats.output_tokens, 2);
    rl_close(rl);
}

/* Copying one is forbidden; who does it anyway must not be locked out for ever. */
static void a_copied_permit_does_not_close_the_lane(void **state)
{
    rl_context *rl = open_with(NULL);
    rl_request request = ask("p");
    rl_permit permit, copy;

    (void)state;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    copy = permit;
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    (void)rl_cancel(rl, &copy);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    rl_close(rl);
}

static int64_t left(rl_context *rl)
{
    rl_limit_status status[4];
    size_t count = 4;

    assert_int_equal(rl_limits_get(rl, status, &count), RL_OK);
    assert_int_equal(count, 1);
    return status[0].level.remaining;
}

/* SEED-BUGS 5: reserve, then settle. */
static void what_was_not_used_comes_back(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"openai\": {\"tokens_per_day\": 1000}}}");
    rl_request request = ask("openai");
    rl_response ok = answer(
        200, "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":40,\"total_tokens\":50}}");
    rl_response broken = answer(500, "{}");
    rl_permit permit;

    (void)state;
    request.max_output_tokens = 90;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(left(rl), 900);
    assert_int_equal(rl_observe_response(rl, &permit, &ok, NULL), RL_OK);
    assert_int_equal(left(rl), 950);
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_observe_response(rl, &permit, &broken, NULL), RL_OK);
    assert_int_equal(left(rl), 950);
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(left(rl), 950);
    broken.failure = RL_FAILURE_RESET; /* nobody knows what it cost: the reservation stands */
    broken.status = 0;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_observe_response(rl, &permit, &broken, NULL), RL_OK);
    assert_int_equal(left(rl), 850);
    rl_close(rl);
}

static rl_response refusal(const rl_header *header)
{
    rl_response response = answer(429, "{\"error\":{\"code\":\"rate_limit_exceeded\"}}");

    response.headers = header;
    response.header_count = 1;
    return response;
}

/* SEED-BUGS 12 and 30: the gate is everybody's, and only extends. */
static void a_refusal_closes_the_gate_for_everybody(void **state)
{
    static const rl_header ten = { "retry-after", 11, "10", 2 },
                           two = { "Retry-After", 11, "2", 1 };
    rl_context *rl = open_with("{\"providers\": {\"openai\": {\"requests_per_second\": 100}}}");
    rl_request request = ask("openai"), other = ask("openai");
    rl_response first = refusal(&ten), second = refusal(&two);
    rl_permit permit[2];
    rl_verdict verdict;

    (void)state;
    other.model = "n";
    assert_int_equal(rl_acquire(rl, &request, &permit[0]), RL_OK);
    assert_int_equal(rl_acquire(rl, &request, &permit[1]), RL_OK);
    assert_int_equal(rl_observe_response(rl, &permit[0], &first, &verdict), RL_OK);
    assert_int_equal(verdict.action, RL_RETRY);
    assert_int_equal(verdict.retry_at, 1010 * RL_SECOND);
    assert_int_equal(rl_observe_response(rl, &permit[1], &second, NULL), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit[0]), RL_WAIT);
    assert_int_equal(permit[0].retry_at, 1010 * RL_SECOND);
    assert_int_equal(rl_try_acquire(rl, &other, &permit[1]),
                     RL_WAIT); /* its limit was emptied, its gate is open */
    assert_true(permit[1].retry_at > 1000 * RL_SECOND);
    assert_int_equal(rl_acquire(rl, &request, &permit[0]), RL_OK);
    assert_int_equal(the_clock.now, 1010 * RL_SECOND);
    rl_close(rl);
}

/* It reopens through the limiter: paced, not released. */
static void after_a_refusal_traffic_is_paced(void **state)
{
    static const rl_header ten = { "retry-after", 11, "10", 2 };
    rl_context *rl = open_with("{\"providers\": {\"openai\": {\"requests_per_minute\": 60}}}");
    rl_request request = ask("openai");
    rl_response no = refusal(&ten);
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_observe_response(rl, &permit, &no, NULL), RL_OK);
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(the_clock.now, 1010 * RL_SECOND);
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_true(the_clock.now >= 1011 * RL_SECOND);
    assert_true(the_clock.now <= 1011 * RL_SECOND + RL_SECOND / 50);
    rl_close(rl);
}

static void what_happened_is_logged_without_any_secret(void **state)
{
    static const rl_header two = { "retry-after", 11, "2", 1 };
    static const rl_header limits[] = { { "x-ratelimit-limit-requests", 26, "500", 3 },
                                        { "x-ratelimit-remaining-requests", 30, "499", 3 } };
    rl_context *rl = open_with(NULL);
    rl_request request = ask("openai");
    rl_response no = refusal(&two), ok = answer(200, "{}");
    rl_permit permit;

    (void)state;
    ok.headers = limits;
    ok.header_count = 2;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_observe_response(rl, &permit, &ok, NULL), RL_OK);
    assert_string_equal(the_log, "3 openai/m: 1 limits found or changed by an answer\n");
    the_log[0] = '\0';
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_observe_response(rl, &permit, &no, NULL), RL_OK);
    assert_string_equal(the_log, "2 openai/m: refused, closed for 2000 ms\n");
    rl_close(rl);
}

static void of_two_limits_of_one_kind_the_smaller_binds(void **state)
{
    static const rl_header limits[] = { { "x-ratelimit-limit-tokens", 24, "60000", 5 },
                                        { "x-ratelimit-remaining-tokens", 28, "59980", 5 },
                                        { "x-ratelimit-limit-project-tokens", 32, "30000", 5 },
                                        { "x-ratelimit-remaining-project-tokens", 36, "29980",
                                          5 } };
    rl_context *rl = open_with(NULL);
    rl_request request = ask("openai");
    rl_response ok = answer(200, "{}");
    rl_limit_status status[4];
    rl_permit permit;

    (void)state;
    ok.headers = limits;
    ok.header_count = 4;
    for (int i = 0; i < 3; i++) {
        size_t count = 4;

        assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
        assert_int_equal(rl_observe_response(rl, &permit, &ok, NULL), RL_OK);
        assert_int_equal(rl_limits_get(rl, status, &count), RL_OK);
        assert_int_equal(count, 1);
        assert_int_equal(status[0].level.limit, 30000);
    }
    rl_close(rl);
}

static void a_refusal_without_a_hint_closes_it_longer_each_time(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"requests_per_second\": 100}}}");
    rl_request request = ask("p");
    rl_response no = answer(429, "{}");
    rl_permit permit[2];
    rl_time before;

    (void)state;
    request.max_wait_ms = 100000;
    for (uint64_t wait = 1; wait <= 32; wait *= 2) {
        assert_int_equal(rl_acquire(rl, &request, &permit[0]), RL_OK);
        assert_int_equal(rl_acquire(rl, &request, &permit[1]), RL_OK);
        before = the_clock.now;
        assert_int_equal(rl_observe_response(rl, &permit[0], &no, NULL), RL_OK);
        assert_int_equal(rl_observe_response(rl, &permit[1], &no, NULL),
                         RL_OK); /* the same episode */
        assert_int_equal(rl_acquire(rl, &request, &permit[0]), RL_OK);
        assert_int_equal(the_clock.now, before + wait * RL_SECOND);
        assert_int_equal(rl_cancel(rl, &permit[0]), RL_OK);
        the_clock.now += RL_SECOND;
    }
    rl_close(rl);
}

/* SEED-BUGS 13: "0" is 0. But a server that says so each time is not asked as fast as it refuses.
 */
static void a_hint_of_nothing_is_believed_only_so_often(void **state)
{
    static const rl_header zero = { "retry-after", 11, "0", 1 };
    rl_context *rl = open_with(NULL);
    rl_request request = ask("openai");
    rl_response no = refusal(&zero), ok = answer(200, "{}");
    rl_attempt attempt = RL_ATTEMPT_INIT;
    uint32_t at_once = 0, in_a_minute = 0;

    (void)state;
    request.max_wait_ms = RL_NEVER;
    while (rl_next_attempt(rl, &request, &attempt)) {
        at_once += the_clock.now < 1000 * RL_SECOND + RL_MILLISECOND;
        in_a_minute += the_clock.now < 1060 * RL_SECOND;
        assert_int_equal(rl_attempt_done(rl, &attempt, attempt.number < 30 ? &no : &ok), RL_OK);
        the_clock.now += 1; /* the next one is sent later than this was noticed */
    }
    assert_int_equal(attempt.status, RL_OK);
    assert_int_equal(at_once, 4);
    assert_true(in_a_minute <= 10);
    rl_close(rl);
}

static void the_loop_ends_with_the_answer(void **state)
{
    rl_context *rl = open_with(NULL);
    rl_request request = ask("openai");
    rl_response bad = answer(503, "{}"), good = answer(200, "{}");
    rl_attempt attempt = RL_ATTEMPT_INIT;
    uint32_t sent = 0;
    char text[200];

    (void)state;
    while (rl_next_attempt(rl, &request, &attempt)) {
        sent++;
        assert_int_equal(attempt.number, sent);
        assert_int_equal(attempt.timeout_ms, RL_NEVER);
        assert_int_equal(rl_attempt_done(rl, &attempt, sent < 3 ? &bad : &good), RL_OK);
    }
    assert_int_equal(attempt.status, RL_OK);
    assert_int_equal(sent, 3);
    assert_true(the_clock.now > 1000 * RL_SECOND);
    assert_true(the_clock.now <= 1000 * RL_SECOND + 1500 * RL_MILLISECOND);
    assert_string_equal(rl_explain(&attempt, text, sizeof text), "HTTP 200: ok, after 3 attempts");
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 0);
    rl_close(rl);
}

static void the_last_attempt_sleeps_no_more(void **state)
{
    rl_context *rl = open_with("{\"retry\": {\"max_attempts\": 3}}");
    rl_request request = ask("openai");
    rl_response bad = answer(500, "{\"error\":{\"type\":\"server_error\"}}");
    rl_attempt attempt = RL_ATTEMPT_INIT;
    uint64_t sleeps = 0;

    (void)state;
    while (rl_next_attempt(rl, &request, &attempt)) {
        sleeps = the_clock.sleeps;
        assert_int_equal(rl_attempt_done(rl, &attempt, &bad), RL_OK);
    }
    assert_int_equal(attempt.status, RL_E_ATTEMPTS);
    assert_int_equal(attempt.number, 3);
    assert_int_equal(the_clock.sleeps, sleeps);
    rl_close(rl);
}

static void a_retry_that_misses_the_deadline_ends_at_once(void **state)
{
    static const rl_header ten = { "retry-after", 11, "10", 2 };
    rl_context *rl = open_with(NULL);
    rl_request request = ask("openai");
    rl_response no = refusal(&ten);
    rl_attempt attempt = RL_ATTEMPT_INIT;
    char text[200];

    (void)state;
    request.deadline_ms = 5000;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    assert_int_equal(attempt.timeout_ms, 5000);
    the_clock.now += RL_SECOND;
    assert_int_equal(rl_attempt_done(rl, &attempt, &no), RL_OK);
    assert_int_equal(attempt.status, RL_E_DEADLINE);
    assert_int_equal(attempt.retry_at, 1011 * RL_SECOND);
    assert_string_equal(
        rl_explain(&attempt, text, sizeof text),
        "HTTP 429 (rate_limit_exceeded): the deadline has passed, or could not be kept, after 1 "
        "attempt; the earliest useful time is in 10 s");
    rl_close(rl);
}

static void the_deadline_shrinks_each_attempts_timeout(void **state)
{
    rl_context *rl = open_with(NULL);
    rl_request request = ask("openai");
    rl_response bad = answer(500, "{}");
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    request.deadline_ms = 60000;
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    the_clock.now += 20 * RL_SECOND;
    assert_int_equal(rl_attempt_done(rl, &attempt, &bad), RL_OK);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    assert_true(attempt.timeout_ms <= 40000 && attempt.timeout_ms >= 39499);
    rl_attempt_abandon(rl, &attempt);
    assert_int_equal(attempt.status, RL_E_CANCELLED);
    rl_close(rl);
}

static void permanent_failures_are_not_retried(void **state)
{
    static const struct {
        uint64_t status;
        const char *body;
        rl_status want;
    } row[] = {
        { 400, "{\"error\":{\"code\":\"context_length_exceeded\"}}", RL_E_REJECTED },
        { 401, "{\"error\":{\"code\":\"invalid_api_key\"}}", RL_E_REJECTED },
        { 429, "{\"error\":{\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}",
          RL_E_QUOTA },
    };
    rl_context *rl = open_with(NULL);
    rl_request request = ask("openai");

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_response no = answer(row[i].status, row[i].body);
        rl_attempt attempt = RL_ATTEMPT_INIT;

        assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
        assert_int_equal(rl_attempt_done(rl, &attempt, &no), RL_OK);
        if (row[i].status == 400)
            assert_true(attempt.status == RL_E_REJECTED || attempt.status == RL_E_TOO_LARGE);
        else
            assert_int_equal(attempt.status, row[i].want);
        assert_int_equal(rl_next_attempt(rl, &request, &attempt), 0);
    }
    rl_close(rl);
}

static void a_bound_for_one_request_counts_refusals(void **state)
{
    static const rl_header one = { "retry-after", 11, "1", 1 };
    rl_context *rl = open_with(NULL);
    rl_request request = ask("openai");
    rl_response no = refusal(&one);
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    rl_attempt_limit(&attempt, 2);
    while (rl_next_attempt(rl, &request, &attempt))
        assert_int_equal(rl_attempt_done(rl, &attempt, &no), RL_OK);
    assert_int_equal(attempt.status, RL_E_ATTEMPTS);
    assert_int_equal(attempt.number, 2);
    rl_close(rl);
}

/* ---- the event-driven front ---- */

struct seen {
    int ready, over, order[64], count;
};

static struct seen seen;

static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    (void)attempt;
    seen.ready += ready;
    seen.over += !ready;
    seen.order[seen.count++] = (int)(intptr_t)user;
}

static void events_come_in_order_and_on_time(void **state)
{
    rl_context *rl = open_with(EVEN_60);
    rl_request request = ask("p");
    rl_attempt attempt[5];

    (void)state;
    seen = (struct seen){ 0 };
    for (intptr_t i = 0; i < 5; i++) {
        attempt[i] = RL_ATTEMPT_INIT;
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], on_ready, (void *)i), RL_OK);
    }
    assert_int_equal(seen.count, 0);
    assert_int_equal(rl_next_wakeup(rl), 0);
    assert_int_equal(rl_dispatch(rl), 1);
    for (int i = 1; i < 5; i++) {
        the_clock.now = rl_next_wakeup(rl);
        assert_int_equal(the_clock.now, (1000 + (uint64_t)i) * RL_SECOND);
        assert_int_equal(rl_dispatch(rl), 1);
        assert_int_equal(seen.order[i], i);
    }
    assert_int_equal(rl_next_wakeup(rl), RL_NEVER);
    for (int i = 0; i < 5; i++)
        rl_attempt_abandon(rl, &attempt[i]);
    rl_close(rl);
}

/* SEED-BUGS 18: by ticket, not by likeness; place and reservation come back at once. */
static void cancelling_takes_out_just_that_one(void **state)
{
    rl_context *rl = open_with(EVEN_60);
    rl_request request = ask("p");
    rl_attempt attempt[3];
    rl_stats stats = { .size = sizeof stats };

    (void)state;
    seen = (struct seen){ 0 };
    for (intptr_t i = 0; i < 3; i++) {
        attempt[i] = RL_ATTEMPT_INIT;
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], on_ready, (void *)i), RL_OK);
    }
    assert_int_equal(rl_dispatch(rl), 1);
    assert_int_equal(rl_attempt_cancel(rl, &attempt[1]), RL_OK);
    assert_int_equal(rl_attempt_cancel(rl, &attempt[1]), RL_E_NOT_FOUND);
    assert_int_equal(attempt[1].status, RL_E_CANCELLED);
    assert_int_equal(rl_attempt_cancel(rl, &attempt[0]), RL_E_NOT_FOUND);
    assert_int_equal(rl_dispatch(rl), 0);
    the_clock.now = rl_next_wakeup(rl);
    assert_int_equal(the_clock.now, 1001 * RL_SECOND);
    assert_int_equal(rl_dispatch(rl), 1);
    assert_int_equal(seen.order[2], 2);
    assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
    assert_int_equal(stats.waiting, 0);
    assert_int_equal(stats.in_flight, 2);
    rl_attempt_abandon(rl, &attempt[0]);
    rl_attempt_abandon(rl, &attempt[2]);
    rl_close(rl);
}

static void closing_tells_all_who_wait(void **state)
{
    rl_context *rl = open_with(EVEN_60);
    rl_request request = ask("p");
    rl_attempt attempt[4];

    (void)state;
    seen = (struct seen){ 0 };
    for (intptr_t i = 0; i < 4; i++) {
        attempt[i] = RL_ATTEMPT_INIT;
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], on_ready, (void *)i), RL_OK);
    }
    assert_int_equal(rl_dispatch(rl), 1);
    rl_close(rl);
    assert_int_equal(seen.over, 3);
    for (int i = 1; i < 4; i++)
        assert_int_equal(attempt[i].status, RL_E_CLOSED);
}

static void attempt_blocking(rl_context *rl, const rl_request *request)
{
    rl_attempt attempt = RL_ATTEMPT_INIT;

    assert_int_equal(rl_next_attempt(rl, request, &attempt), 1); /* waits behind the two */
    rl_attempt_abandon(rl, &attempt);
}

/* A dispatch that runs while the context closes hands over nothing that would then be sent. */
static void closing_takes_back_what_was_granted_and_not_told(void **state)
{
    rl_context *rl = open_with(NULL);
    rl_request request = ask("p");
    rl_attempt attempt[2] = { RL_ATTEMPT_INIT, RL_ATTEMPT_INIT };

    (void)state;
    seen = (struct seen){ 0 };
    for (intptr_t i = 0; i < 2; i++)
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], on_ready, (void *)i), RL_OK);
    /* A blocking call runs the queue for all: both are granted now, and nobody has told them. */
    attempt_blocking(rl, &request);
    rl_close(rl);
    assert_int_equal(seen.ready, 0);
    assert_int_equal(seen.over, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(attempt[i].status, RL_E_CLOSED);
        assert_int_equal(attempt[i].permit.private_[0], 0);
    }
}

/* A queue without places is no reason to refuse an attempt that need not wait. */
static void attempts_need_no_place_to_go_at_once(void **state)
{
    rl_context *rl =
        open_with("{\"queue\": {\"max_size\": 0}, \"providers\": {\"p\": {\"dialect\": "
                  "\"openai\", \"requests_per_minute\": 60}}}");
    rl_request request = ask("p");
    rl_attempt first = RL_ATTEMPT_INIT, second = RL_ATTEMPT_INIT;

    (void)state;
    assert_int_equal(rl_next_attempt(rl, &request, &first), 1);
    assert_int_equal(rl_next_attempt(rl, &request, &second), 0);
    assert_int_equal(second.status, RL_E_QUEUE_FULL);
    assert_int_equal(second.retry_at, 1001 * RL_SECOND);
    rl_attempt_abandon(rl, &first);
    rl_close(rl);
}

static void a_settled_request_lets_the_next_one_go_earlier(void **state)
{
    rl_context *rl = open_with(
        "{\"providers\": {\"p\": {\"dialect\": \"openai\", \"tokens_per_minute\": 600}}}");
    rl_request request = ask("p");
    rl_response ok = answer(
        200, "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":0,\"total_tokens\":10}}");
    rl_attempt attempt[2] = { RL_ATTEMPT_INIT, RL_ATTEMPT_INIT };

    (void)state;
    seen = (struct seen){ 0 };
    request.max_output_tokens = 90;
    for (intptr_t i = 0; i < 2; i++)
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], on_ready, (void *)i), RL_OK);
    assert_int_equal(rl_dispatch(rl), 1);
    assert_true(rl_next_wakeup(rl) >= 1009 * RL_SECOND);
    the_clock.now += RL_SECOND;
    assert_int_equal(rl_attempt_done(rl, &attempt[0], &ok), RL_OK);
    (void)rl_dispatch(rl);
    assert_true(seen.count == 2 || rl_next_wakeup(rl) <= 1001 * RL_SECOND + RL_SECOND / 5);
    rl_attempt_abandon(rl, &attempt[1]);
    rl_close(rl);
}

static void wrong_arguments_are_said_so(void **state)
{
    rl_context *rl = open_with(NULL), *none;
    rl_request request = ask("openai");
    rl_response response = answer(200, NULL);
    rl_attempt attempt = RL_ATTEMPT_INIT;
    rl_options options = RL_OPTIONS_INIT;
    rl_permit permit;
    char text[8];

    (void)state;
    assert_int_equal(rl_acquire(NULL, &request, &permit), RL_E_INVALID);
    assert_int_equal(rl_acquire(rl, NULL, &permit), RL_E_INVALID);
    assert_int_equal(rl_acquire(rl, &request, NULL), RL_E_INVALID);
    request.size = 0;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_E_INVALID);
    request = ask(NULL);
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_E_INVALID);
    request = ask("openai");
    request.input_tokens = RL_AMOUNT_MAX + 1;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_E_INVALID);
    request = ask("openai");
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    response.header_count = 3;
    assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_E_INVALID);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(rl_attempt_submit(rl, &request, &attempt, NULL, NULL), RL_E_INVALID);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt), 1);
    assert_int_equal(rl_next_attempt(rl, &request, &attempt),
                     0); /* the last one has not been reported */
    rl_attempt_abandon(rl, &attempt);
    options.size = 4;
    assert_int_equal(rl_open(&options, &none), RL_E_INVALID);
    assert_string_equal(rl_explain(NULL, text, sizeof text), "");
    assert_int_equal(rl_explain(&attempt, text, sizeof text)[7], '\0');
    rl_close(rl);
    rl_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocking_waits_until_the_very_moment),
        cmocka_unit_test(trying_says_when_and_takes_nothing),
        cmocka_unit_test(a_refusal_by_a_clock_that_is_behind_is_asked_again),
        cmocka_unit_test(waits_and_deadlines_that_cannot_be_kept_end_at_once),
        cmocka_unit_test(a_queue_of_no_places_admits_without_waiting),
        cmocka_unit_test(a_permit_ends_once),
        cmocka_unit_test(a_copied_permit_does_not_close_the_lane),
        cmocka_unit_test(what_was_not_used_comes_back),
        cmocka_unit_test(a_refusal_closes_the_gate_for_everybody),
        cmocka_unit_test(after_a_refusal_traffic_is_paced),
        cmocka_unit_test(what_happened_is_logged_without_any_secret),
        cmocka_unit_test(of_two_limits_of_one_kind_the_smaller_binds),
        cmocka_unit_test(a_refusal_without_a_hint_closes_it_longer_each_time),
        cmocka_unit_test(a_hint_of_nothing_is_believed_only_so_often),
        cmocka_unit_test(the_loop_ends_with_the_answer),
        cmocka_unit_test(the_last_attempt_sleeps_no_more),
        cmocka_unit_test(a_retry_that_misses_the_deadline_ends_at_once),
        cmocka_unit_test(the_deadline_shrinks_each_attempts_timeout),
        cmocka_unit_test(permanent_failures_are_not_retried),
        cmocka_unit_test(a_bound_for_one_request_counts_refusals),
        cmocka_unit_test(events_come_in_order_and_on_time),
        cmocka_unit_test(cancelling_takes_out_just_that_one),
        cmocka_unit_test(closing_tells_all_who_wait),
        cmocka_unit_test(closing_takes_back_what_was_granted_and_not_told),
        cmocka_unit_test(attempts_need_no_place_to_go_at_once),
        cmocka_unit_test(a_settled_request_lets_the_next_one_go_earlier),
        cmocka_unit_test(wrong_arguments_are_said_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
