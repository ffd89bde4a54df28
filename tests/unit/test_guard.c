/* SPDX-License-Identifier: MIT */
/* What keeps a context from making an outage worse: the retry budget, and circuit breakers. */
#include "vclock.h"

#include <llmrl/config.h>
#include <llmrl/queue.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct vclock the_clock;
static char the_log[2000];

static pthread_mutex_t the_log_lock = PTHREAD_MUTEX_INITIALIZER;

static void keep_log(void *user, rl_log_level level, const char *line)
{
    size_t used;

    (void)user;
    (void)level;
    (void)pthread_mutex_lock(&the_log_lock);
    used = strlen(the_log);
    (void)snprintf(the_log + used, sizeof the_log - used, "%s\n", line);
    (void)pthread_mutex_unlock(&the_log_lock);
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

static rl_response answer(uint64_t status)
{
    rl_response response = RL_RESPONSE_INIT;

    response.status = status;
    response.body = status == 429 ? "{\"error\":{\"code\":\"rate_limit_exceeded\"}}" : "{}";
    response.body_length = strlen(response.body);
    return response;
}

static rl_stats stats_of(const rl_context *rl)
{
    rl_stats stats = { .size = sizeof stats };

    assert_int_equal(rl_stats_get(rl, &stats), RL_OK);
    return stats;
}

/* One request to its end, each answer being `status`. */
static rl_attempt run(rl_context *rl, const char *provider, uint64_t status)
{
    rl_request request = ask(provider);
    rl_response response = answer(status);
    rl_attempt attempt = RL_ATTEMPT_INIT;

    while (rl_next_attempt(rl, &request, &attempt))
        assert_int_equal(rl_attempt_done(rl, &attempt, &response), RL_OK);
    return attempt;
}

static void a_used_up_budget_ends_an_attempt_and_says_so(void **state)
{
    rl_context *rl = open_with("{\"retry\": {\"jitter\": \"none\", \"budget\": {\"ratio\": 0, "
                               "\"floor_per_minute\": 1, \"burst\": 2}}}");
    rl_attempt attempt = run(rl, "p", 503);
    char text[200];

    (void)state;
    assert_int_equal(attempt.status, RL_E_BUDGET);
    assert_int_equal(attempt.number, 3);
    assert_int_equal(attempt.verdict.http, 503); /* the last error stands */
    assert_int_equal(attempt.retry_at, 1060 * RL_SECOND);
    assert_string_equal(rl_explain(&attempt, text, sizeof text),
                        "HTTP 503: the retry budget is used up, after 3 attempts; the earliest "
                        "useful time is in 58.5 s");
    assert_int_equal(stats_of(rl).retries, 2);
    assert_int_equal(stats_of(rl).retries_over_budget, 1);
    attempt = run(rl, "other", 500); /* it is one for all */
    assert_int_equal(attempt.status, RL_E_BUDGET);
    assert_int_equal(attempt.number, 1);
    rl_close(rl);
}

static void requests_pay_into_the_budget(void **state)
{
    rl_context *rl = open_with("{\"retry\": {\"max_attempts\": 2, \"budget\": {\"ratio\": 0.5, "
                               "\"floor_per_minute\": 1, \"burst\": 1}}}");

    (void)state;
    assert_int_equal(run(rl, "p", 503).status, RL_E_ATTEMPTS);
    assert_int_equal(run(rl, "p", 503).status, RL_E_BUDGET);
    assert_int_equal(run(rl, "p", 503).status, RL_E_ATTEMPTS);
    rl_close(rl);
}

/* Refusals wait at the gate, which paces them: they are no storm. */
static void refusals_need_no_budget(void **state)
{
    rl_context *rl = open_with("{\"retry\": {\"budget\": {\"ratio\": 0, \"floor_per_minute\": 1, "
                               "\"burst\": 1}}}");
    rl_request request = ask("p");
    rl_response no = answer(429), ok = answer(200);
    rl_attempt attempt = RL_ATTEMPT_INIT;
    int sent = 0;

    (void)state;
    request.max_wait_ms = RL_NEVER;
    while (rl_next_attempt(rl, &request, &attempt))
        assert_int_equal(rl_attempt_done(rl, &attempt, ++sent < 10 ? &no : &ok), RL_OK);
    assert_int_equal(attempt.status, RL_OK);
    assert_int_equal(attempt.number, 10);
    rl_close(rl);
}

static void without_one_nothing_is_held_back(void **state)
{
    rl_context *rl = open_with(NULL);

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(run(rl, "p", 503).number, 6);
    assert_int_equal(stats_of(rl).retries_over_budget, 0);
    rl_close(rl);
}

static void a_reload_changes_the_budget_and_keeps_what_was_spent(void **state)
{
    const char *small = "{\"retry\": {\"max_attempts\": 2, \"budget\": {\"ratio\": 0, "
                        "\"floor_per_minute\": 1, \"burst\": 1}}}",
               *large = "{\"retry\": {\"max_attempts\": 2, \"budget\": {\"ratio\": 0, "
                        "\"floor_per_minute\": 1, \"burst\": 2}}}";
    rl_context *rl = open_with(small);

    (void)state;
    assert_int_equal(run(rl, "p", 503).status, RL_E_ATTEMPTS);
    assert_int_equal(run(rl, "p", 503).status, RL_E_BUDGET);
    assert_int_equal(rl_config_reload(rl, NULL, large, NULL, 0), RL_OK);
    assert_int_equal(run(rl, "p", 503).status, RL_E_ATTEMPTS); /* one more, not two */
    assert_int_equal(run(rl, "p", 503).status, RL_E_BUDGET);
    assert_int_equal(rl_config_reload(rl, NULL, "{}", NULL, 0), RL_OK);
    for (int i = 0; i < 50; i++)
        assert_int_equal(run(rl, "p", 503).status, RL_E_ATTEMPTS);
    rl_close(rl);
}

static void the_jitter_is_as_configured(void **state)
{
    rl_context *rl = open_with("{\"retry\": {\"jitter\": \"none\", \"base_delay_ms\": 1000}}");

    (void)state;
    assert_int_equal(run(rl, "p", 503).number, 6);
    assert_int_equal(the_clock.now, (1000 + 1 + 2 + 4 + 8 + 16) * RL_SECOND);
    rl_close(rl);
}

static uint64_t retry_teapots(void *user, const rl_retry_result *result, uint64_t action)
{
    ++*(int *)user;
    return result->http_status == 418                           ? RL_RETRY
           : result->http_status == 500                         ? RL_GIVE_UP
           : result->http_status == 404 && action == RL_GIVE_UP ? RL_DELIVER
                                                                : action;
}

/* SEED-BUGS 29: what is worth another try may be the user's to say. */
static void the_user_has_the_last_word_on_classes(void **state)
{
    static const struct {
        uint64_t http;
        rl_status status;
        uint32_t number;
    } row[] = { { 418, RL_E_ATTEMPTS, 6 }, { 500, RL_E_REJECTED, 1 }, { 503, RL_E_ATTEMPTS, 6 },
                { 404, RL_OK, 1 },         { 400, RL_E_REJECTED, 1 }, { 200, RL_OK, 1 } };
    rl_options options = RL_OPTIONS_INIT;
    rl_hooks hooks = vclock_hooks(&the_clock);
    rl_context *rl = NULL;
    int asked = 0;

    (void)state;
    options.hooks = &hooks;
    options.classify = retry_teapots;
    options.classify_user = &asked;
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_attempt attempt = run(rl, "p", row[i].http);

        if (attempt.status != row[i].status || attempt.number != row[i].number)
            fail_msg("row %zu: %s after %u", i, rl_status_name(attempt.status), attempt.number);
    }
    assert_int_equal(asked, 6 + 1 + 6 + 1 + 1 + 1);
    rl_close(rl);
}

/* ---- circuit breakers ---- */

/* One attempt for each request, so that each answer is one call; a second of open time. */
#define BREAKER                                                                                    \
    "\"retry\": {\"max_attempts\": 1}, \"circuit_breaker\": {\"minimum_calls\": 5, "               \
    "\"open_ms\": 1000}"

static rl_breaker_status circuit(rl_context *rl, const char *provider)
{
    rl_breaker_status status = { .size = sizeof status };

    assert_int_equal(rl_circuit_get(rl, provider, &status), RL_OK);
    return status;
}

static void trip(rl_context *rl, const char *provider)
{
    for (int i = 0; i < 5; i++)
        assert_int_equal(run(rl, provider, 503).status, RL_E_ATTEMPTS);
    assert_int_equal(circuit(rl, provider).state, RL_BREAKER_OPEN);
}

static rl_attempt next_attempt(rl_context *rl, const char *provider, uint64_t max_wait_ms)
{
    rl_request request = ask(provider);
    rl_attempt attempt = RL_ATTEMPT_INIT;

    request.max_wait_ms = max_wait_ms;
    (void)rl_next_attempt(rl, &request, &attempt);
    return attempt;
}

static void done(rl_context *rl, rl_attempt *attempt, uint64_t status)
{
    rl_response response = answer(status);

    assert_int_equal(rl_attempt_done(rl, attempt, &response), RL_OK);
}

static void an_open_breaker_ends_what_cannot_wait(void **state)
{
    rl_context *rl = open_with("{" BREAKER "}");
    rl_time begun = the_clock.now, until;
    rl_attempt attempt;
    char text[200];

    (void)state;
    trip(rl, "p");
    until = circuit(rl, "p").open_until;
    /* With jitter, upwards. */
    assert_in_range(until, begun + RL_SECOND + 1, begun + RL_SECOND + RL_SECOND / 10);
    attempt = next_attempt(rl, "p", 999);
    assert_int_equal(attempt.status, RL_E_CIRCUIT_OPEN);
    assert_int_equal(attempt.number, 0);
    assert_int_equal(attempt.retry_at, until);
    assert_int_equal(the_clock.now, begun); /* at once */
    (void)rl_explain(&attempt, text, sizeof text);
    assert_non_null(
        strstr(text, "p: the circuit breaker is open; the earliest useful time is in 1"));
    assert_int_equal(run(rl, "other", 200).status, RL_OK); /* each provider has its own */
    (void)snprintf(text, sizeof text,
                   "p: circuit breaker open for %u ms: of 5 calls 5 failed, 0 were slow\n",
                   (unsigned)((until - begun) / RL_MILLISECOND));
    assert_non_null(strstr(the_log, text));
    rl_close(rl);
}

static void who_can_wait_is_the_probe(void **state)
{
    rl_context *rl = open_with("{" BREAKER "}");
    rl_time until;

    (void)state;
    trip(rl, "p");
    until = circuit(rl, "p").open_until;
    assert_int_equal(run(rl, "p", 200).status, RL_OK);
    assert_int_equal(the_clock.now, until);
    assert_int_equal(circuit(rl, "p").state, RL_BREAKER_CLOSED);
    assert_int_equal(the_clock.sleeps, 1);
    assert_non_null(strstr(the_log, "\np: circuit breaker half-open\np: circuit breaker closed\n"));
    trip(rl, "p");
    assert_int_equal(run(rl, "p", 503).status, RL_E_ATTEMPTS);
    assert_int_equal(circuit(rl, "p").state, RL_BREAKER_OPEN); /* the probe failed */
    assert_int_equal(circuit(rl, "p").times_opened, 3);
    rl_close(rl);
}

/* SEED-BUGS 24: quota is not health. */
static void refusals_do_not_open_it(void **state)
{
    rl_context *rl = open_with("{" BREAKER "}");

    (void)state;
    for (int i = 0; i < 50; i++) {
        (void)run(rl, "p", i % 2 ? 429 : 401);
        the_clock.now += RL_MINUTE; /* the gate opens */
    }
    assert_int_equal(circuit(rl, "p").state, RL_BREAKER_CLOSED);
    assert_int_equal(circuit(rl, "p").calls, 0);
    assert_int_equal(circuit(rl, "p").neutral, 50);
    for (int i = 0; i < 50; i++)
        (void)run(rl, "p", 400);
    assert_int_equal(circuit(rl, "p").failures, 0);
    rl_close(rl);
}

static void one_probe_at_a_time_and_an_abandoned_one_is_none(void **state)
{
    rl_context *rl = open_with("{" BREAKER "}");
    rl_attempt probe, other;

    (void)state;
    trip(rl, "p");
    probe = next_attempt(rl, "p", 0);
    assert_int_equal(probe.number, 1);
    assert_int_equal(circuit(rl, "p").probes, 1);
    other = next_attempt(rl, "p", 50);
    assert_int_equal(other.status, RL_E_CIRCUIT_OPEN);
    rl_attempt_abandon(rl, &probe);
    assert_int_equal(circuit(rl, "p").probes, 0);
    probe = next_attempt(rl, "p", 50);
    assert_int_equal(probe.number, 1);
    done(rl, &probe, 200);
    assert_int_equal(circuit(rl, "p").state, RL_BREAKER_CLOSED);
    assert_int_equal(stats_of(rl).in_flight, 0);
    rl_close(rl);
}

static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    *(int *)user += ready ? 1 : 100;
    (void)attempt;
}

/* The clock goes from one planned time to the next, and everything is dispatched there. */
static void go_on(rl_context *rl, int rounds)
{
    while (rounds-- > 0) {
        rl_time next = rl_next_wakeup(rl);

        if (next == RL_NEVER)
            return;
        the_clock.now = next > the_clock.now ? next : the_clock.now;
        (void)rl_dispatch(rl);
    }
}

static void submitted_ones_wait_and_go_one_by_one(void **state)
{
    rl_context *rl = open_with("{" BREAKER ", \"providers\": {\"p\": {\"requests_per_second\": "
                               "1000}}}");
    rl_request request = ask("p");
    rl_attempt attempt[3] = { RL_ATTEMPT_INIT, RL_ATTEMPT_INIT, RL_ATTEMPT_INIT };
    int ready = 0;
    rl_time until;

    (void)state;
    trip(rl, "p");
    until = circuit(rl, "p").open_until;
    for (int i = 0; i < 3; i++)
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], on_ready, &ready), RL_OK);
    assert_int_equal(rl_dispatch(rl), 0);
    assert_int_equal(rl_next_wakeup(rl), until);
    the_clock.now = until;
    (void)rl_dispatch(rl);
    go_on(rl, 4);
    assert_int_equal(ready, 1); /* the probe; the others look again */
    assert_int_equal(attempt[0].number, 1);
    assert_int_equal(stats_of(rl).in_flight, 1);
    done(rl, &attempt[0], 200);
    go_on(rl, 4);
    assert_int_equal(ready, 3);
    assert_true(the_clock.now < until + RL_SECOND);
    done(rl, &attempt[1], 200);
    done(rl, &attempt[2], 200);
    rl_close(rl);
}

static void submitting_to_an_open_one_without_time_fails_at_once(void **state)
{
    rl_context *rl = open_with("{" BREAKER "}");
    rl_request request = ask("p");
    rl_attempt attempt = RL_ATTEMPT_INIT, late = RL_ATTEMPT_INIT, probe;
    int ready = 0;

    (void)state;
    trip(rl, "p");
    request.max_wait_ms = 500;
    assert_int_equal(rl_attempt_submit(rl, &request, &attempt, on_ready, &ready),
                     RL_E_CIRCUIT_OPEN);
    assert_int_equal(attempt.status, RL_E_CIRCUIT_OPEN);
    probe = next_attempt(rl, "p", 0);
    assert_int_equal(probe.number, 1);
    assert_int_equal(rl_attempt_submit(rl, &request, &late, on_ready, &ready), RL_OK);
    go_on(rl, 20);
    assert_int_equal(ready, 100); /* told that it is over */
    assert_int_equal(late.status, RL_E_CIRCUIT_OPEN);
    rl_attempt_abandon(rl, &probe);
    rl_close(rl);
}

static void closing_ends_those_who_wait_for_it(void **state)
{
    rl_context *rl = open_with("{" BREAKER "}");
    rl_request request = ask("p");
    rl_attempt attempt = RL_ATTEMPT_INIT;
    int ready = 0;

    (void)state;
    trip(rl, "p");
    assert_int_equal(rl_attempt_submit(rl, &request, &attempt, on_ready, &ready), RL_OK);
    rl_close(rl);
    assert_int_equal(ready, 100);
    assert_int_equal(attempt.status, RL_E_CLOSED);
}

static void a_hint_keeps_it_open(void **state)
{
    static const rl_header header = { "retry-after", 11, "20", 2 };
    rl_context *rl = open_with("{" BREAKER "}");
    rl_attempt attempt;
    rl_response ill = answer(503);

    (void)state;
    for (int i = 0; i < 4; i++)
        (void)run(rl, "p", 503);
    attempt = next_attempt(rl, "p", 0);
    ill.headers = &header;
    ill.header_count = 1;
    assert_int_equal(rl_attempt_done(rl, &attempt, &ill), RL_OK);
    assert_int_equal(circuit(rl, "p").open_until, the_clock.now + 20 * RL_SECOND);
    rl_close(rl);
}

static void slow_answers_open_it_if_asked_for(void **state)
{
    rl_context *rl =
        open_with("{\"circuit_breaker\": {\"minimum_calls\": 2, \"slow_call_ms\": 5000, "
                  "\"slow_rate\": 1}}");

    (void)state;
    for (int i = 0; i < 2; i++) {
        rl_attempt attempt = next_attempt(rl, "p", 0);

        the_clock.now += 5 * RL_SECOND;
        done(rl, &attempt, 200);
    }
    assert_int_equal(circuit(rl, "p").state, RL_BREAKER_OPEN);
    rl_close(rl);
}

static void there_is_none_unless_configured(void **state)
{
    rl_context *rl = open_with("{\"circuit_breaker\": {}, \"providers\": {\"a\": "
                               "{\"circuit_breaker\": {\"enabled\": false}}, \"b\": "
                               "{\"circuit_breaker\": {\"minimum_calls\": 3}}}}");
    rl_breaker_status status = { .size = sizeof status };

    (void)state;
    assert_int_equal(rl_circuit_get(rl, "a", &status), RL_E_NOT_FOUND);
    for (int i = 0; i < 3; i++)
        (void)run(rl, "b", 500);
    assert_int_equal(circuit(rl, "b").state, RL_BREAKER_OPEN);
    assert_int_equal(circuit(rl, "c").state, RL_BREAKER_CLOSED);
    assert_int_equal(rl_circuit_get(rl, NULL, &status), RL_E_INVALID);
    assert_int_equal(rl_circuit_get(NULL, "c", &status), RL_E_INVALID);
    assert_int_equal(rl_circuit_get(rl, "c", NULL), RL_E_INVALID);
    rl_close(rl);
    rl = open_with(NULL);
    for (int i = 0; i < 50; i++)
        assert_int_equal(run(rl, "p", 503).status, RL_E_ATTEMPTS);
    assert_int_equal(rl_circuit_get(rl, "p", &status), RL_E_NOT_FOUND);
    assert_int_equal(rl_circuit_force(rl, "p", RL_BREAKER_FORCED_OPEN), RL_E_NOT_FOUND);
    rl_close(rl);
}

/* Providers that are in use keep theirs. */
static void a_reload_is_for_providers_to_come(void **state)
{
    rl_context *rl = open_with("{" BREAKER "}");
    rl_breaker_status status = { .size = sizeof status };

    (void)state;
    trip(rl, "p");
    assert_int_equal(rl_config_reload(rl, NULL, "{}", NULL, 0), RL_OK);
    assert_int_equal(circuit(rl, "p").state, RL_BREAKER_OPEN);
    assert_int_equal(rl_circuit_get(rl, "q", &status), RL_E_NOT_FOUND);
    rl_close(rl);
}

static void it_may_be_forced(void **state)
{
    rl_context *rl = open_with("{" BREAKER "}");
    rl_attempt attempt;

    (void)state;
    assert_int_equal(rl_circuit_force(rl, "p", RL_BREAKER_FORCED_OPEN), RL_OK);
    attempt = next_attempt(rl, "p", RL_NEVER); /* nobody knows when: it does not wait */
    assert_int_equal(attempt.status, RL_E_CIRCUIT_OPEN);
    assert_true(attempt.retry_at == RL_NEVER);
    assert_int_equal(rl_circuit_force(rl, "p", RL_BREAKER_FORCED_CLOSED), RL_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(run(rl, "p", 503).status, RL_E_ATTEMPTS);
    assert_int_equal(rl_circuit_force(rl, "p", RL_BREAKER_AUTOMATIC), RL_OK);
    trip(rl, "p");
    assert_int_equal(rl_circuit_force(rl, "p", 7), RL_E_INVALID);
    rl_close(rl);
}

/* The permit of a plain rl_acquire() has no ticket, and is not asked for one. */
static void without_an_attempt_nobody_asks_it(void **state)
{
    rl_context *rl = open_with("{" BREAKER "}");
    rl_request request = ask("p");
    rl_permit permit;

    (void)state;
    trip(rl, "p");
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    rl_close(rl);
}

struct worker {
    rl_context *rl;
    uint64_t ok, refused, failed;
};

/* Ill for a while, well for a while; every attempt has an end. */
static void *work(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; i < 300; i++) {
        rl_attempt attempt = run(w->rl, "p", i % 60 < 30 ? 503 : 200);

        w->ok += attempt.status == RL_OK;
        w->refused += attempt.status == RL_E_CIRCUIT_OPEN || attempt.status == RL_E_TIMEOUT;
        w->failed += attempt.status == RL_E_ATTEMPTS || attempt.status == RL_E_BUDGET;
    }
    return NULL;
}

static void threads_share_one_breaker(void **state)
{
    enum { THREADS = 4 };
    rl_context *rl = open_with("{\"retry\": {\"max_attempts\": 2, \"budget\": {}}, "
                               "\"circuit_breaker\": {\"open_ms\": 500}, \"providers\": "
                               "{\"p\": {\"requests_per_second\": 1000}}}");
    struct worker worker[THREADS];
    pthread_t thread[THREADS];
    uint64_t ends = 0;

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        worker[i] = (struct worker){ .rl = rl };
        assert_int_equal(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        ends += worker[i].ok + worker[i].refused + worker[i].failed;
    }
    assert_int_equal(ends, THREADS * 300);
    assert_true(circuit(rl, "p").times_opened > 0);
    assert_int_equal(circuit(rl, "p").probes, 0);
    assert_int_equal(stats_of(rl).in_flight, 0);
    rl_close(rl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_used_up_budget_ends_an_attempt_and_says_so),
        cmocka_unit_test(requests_pay_into_the_budget),
        cmocka_unit_test(refusals_need_no_budget),
        cmocka_unit_test(without_one_nothing_is_held_back),
        cmocka_unit_test(a_reload_changes_the_budget_and_keeps_what_was_spent),
        cmocka_unit_test(the_jitter_is_as_configured),
        cmocka_unit_test(the_user_has_the_last_word_on_classes),
        cmocka_unit_test(an_open_breaker_ends_what_cannot_wait),
        cmocka_unit_test(who_can_wait_is_the_probe),
        cmocka_unit_test(refusals_do_not_open_it),
        cmocka_unit_test(one_probe_at_a_time_and_an_abandoned_one_is_none),
        cmocka_unit_test(submitted_ones_wait_and_go_one_by_one),
        cmocka_unit_test(submitting_to_an_open_one_without_time_fails_at_once),
        cmocka_unit_test(closing_ends_those_who_wait_for_it),
        cmocka_unit_test(a_hint_keeps_it_open),
        cmocka_unit_test(slow_answers_open_it_if_asked_for),
        cmocka_unit_test(there_is_none_unless_configured),
        cmocka_unit_test(a_reload_is_for_providers_to_come),
        cmocka_unit_test(it_may_be_forced),
        cmocka_unit_test(without_an_attempt_nobody_asks_it),
        cmocka_unit_test(threads_share_one_breaker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
