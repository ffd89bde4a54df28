/* SPDX-License-Identifier: MIT */
/* Each choice among routes is told: what was taken, instead of what, and why. */
#include "vclock.h"

#include <llmrl/config.h>
#include <llmrl/queue.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START (1000 * RL_SECOND)

static struct vclock the_clock;

/* The last event, and how many there were. */
static struct {
    rl_context *rl;
    size_t count;
    char line[512]; /* "scope (reason) instead of provider/model until +ms: why" */
} heard;

static void hear(void *user, const rl_event *event)
{
    rl_stats stats = { .size = sizeof stats };
    char instead[128] = "-";

    (void)user;
    if (event->kind != RL_EVENT_ROUTE_CHOSEN)
        return;
    assert_int_equal(rl_stats_get(heard.rl, &stats), RL_OK); /* it may call back */
    assert_string_equal(event->name, "route_chosen");
    assert_int_equal(event->size, sizeof *event);
    if (event->instead != NULL)
        (void)snprintf(instead, sizeof instead, "%s%s%s/%s", event->instead->provider,
                       event->instead->key != NULL ? "#" : "",
                       event->instead->key != NULL ? event->instead->key : "",
                       event->instead->model);
    (void)snprintf(heard.line, sizeof heard.line, "%s (%s) %s %llu: %s", event->scope,
                   rl_route_reason_name(event->route->reason), instead,
                   (unsigned long long)(event->until == 0
                                            ? 0
                                            : (event->until - the_clock.now) / RL_MILLISECOND),
                   event->why);
    heard.count++;
}

static void open_with(const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_hooks hooks;

    the_clock = (struct vclock){ .now = START, .random = 5 };
    hooks = vclock_hooks(&the_clock);
    memset(&heard, 0, sizeof heard);
    options.hooks = &hooks;
    options.config_json = json;
    options.on_event = hear;
    assert_int_equal(rl_open(&options, &heard.rl), RL_OK);
}

static rl_request ask(void)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "a";
    request.model = "m";
    request.input_tokens = 10;
    request.allow_fallback = RL_FALLBACK_ON;
    return request;
}

static void done(rl_attempt *attempt, uint64_t status)
{
    rl_response response = RL_RESPONSE_INIT;

    response.status = status;
    response.body = "{}";
    response.body_length = 2;
    assert_int_equal(rl_attempt_done(heard.rl, attempt, &response), RL_OK);
}

static void go(rl_attempt *attempt, const rl_request *request, const char *want)
{
    size_t before = heard.count;

    assert_int_equal(rl_next_attempt(heard.rl, request, attempt), 1);
    assert_int_equal(heard.count, before + 1);
    assert_string_equal(heard.line, want);
}

#define CHAIN                                                                                      \
    "{\"providers\": {\"a\": {\"limits\": [{\"dimension\": \"requests\", \"amount\": 1,"           \
    " \"period\": \"minute\"}]}, \"b\": {\"tokens_per_minute\": 100000}},"                         \
    " \"retry\": {\"jitter\": \"none\"}, \"fallback\": {\"a/m\": [\"b/n\"], \"stay_within_ms\": "  \
    "500}}"

static void tells_the_first_and_who_goes_before_it(void **state)
{
    rl_request request = ask();
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    open_with(CHAIN);
    go(&attempt, &request,
       "a/m (first) - 0: it is the first that may be taken, and can start soon");
    done(&attempt, 200);
    attempt = (rl_attempt)RL_ATTEMPT_INIT;
    the_clock.now += 18 * RL_SECOND;
    go(&attempt, &request,
       "b/n (earliest) a/m 42050: it can start before all others; instead of a/m, which could "
       "start in 42.1 s"); /* and what the way there may vary by */
    done(&attempt, 200);
    rl_close(heard.rl);
}

static void tells_whose_failure_it_follows(void **state)
{
    rl_request request = ask();
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    open_with("{\"retry\": {\"jitter\": \"none\"}, \"fallback\": {\"a/m\": [\"b/n\", \"c/o\"]}}");
    go(&attempt, &request,
       "a/m (first) - 0: it is the first that may be taken, and can start soon");
    done(&attempt, 503);
    go(&attempt, &request, "b/n (next) a/m 0: what was tried before failed; instead of a/m");
    done(&attempt, 503);
    go(&attempt, &request, "c/o (next) b/n 0: what was tried before failed; instead of b/n");
    done(&attempt, 503);
    go(&attempt, &request,
       "a/m (again) c/o 0: all others failed or start later: a further round; instead of c/o");
    done(&attempt, 200);
    rl_close(heard.rl);
}

static void tells_why_a_dead_route_is_passed_over(void **state)
{
    rl_request request = ask();
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    open_with("{\"providers\": {\"a\": {\"limits\": [{\"dimension\": \"tokens\", \"amount\": 5,"
              " \"period\": \"minute\"}]}}, \"fallback\": {\"a/m\": [\"b/n\"]}}");
    go(&attempt, &request,
       "b/n (first) a/m 0: it is the first that may be taken, and can start soon; instead of a/m, "
       "which cannot serve it now");
    done(&attempt, 200);
    rl_close(heard.rl);
}

static void tells_of_keys_by_name(void **state)
{
    rl_request request = ask();
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    open_with("{\"providers\": {\"a\": {\"keys\": [{\"name\": \"k1\", \"weight\": 1},"
              " {\"name\": \"k2\", \"weight\": 1}]}}}");
    go(&attempt, &request, "a#k1/m (weight) - 0: by the weights of those that can start at once");
    done(&attempt, 500);
    go(&attempt, &request,
       "a#k2/m (next) a#k1/m 0: what was tried before failed; instead of a#k1/m");
    done(&attempt, 200);
    attempt = (rl_attempt)RL_ATTEMPT_INIT;
    request.affinity = "conversation";
    assert_int_equal(rl_next_attempt(heard.rl, &request, &attempt), 1);
    assert_non_null(strstr(heard.line, "(affinity) - 0: its conversation is at home there"));
    done(&attempt, 200);
    rl_close(heard.rl);
}

static void is_silent_where_there_is_no_choice(void **state)
{
    rl_request request = ask();
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    open_with(CHAIN);
    request.allow_fallback = RL_FALLBACK_OFF;
    assert_int_equal(rl_next_attempt(heard.rl, &request, &attempt), 1);
    done(&attempt, 200);
    attempt = (rl_attempt)RL_ATTEMPT_INIT;
    request.allow_fallback = RL_FALLBACK_ON;
    request.provider = "b"; /* with no chain */
    assert_int_equal(rl_next_attempt(heard.rl, &request, &attempt), 1);
    done(&attempt, 200);
    assert_int_equal(heard.count, 0);
    rl_close(heard.rl);
}

static void ready(rl_attempt *attempt, int is_ready, void *user)
{
    (void)attempt;
    assert_int_equal(is_ready, 1);
    assert_int_equal(heard.count, 1); /* told before */
    ++*(int *)user;
}

static void a_submitted_attempt_is_told_when_it_is_dispatched(void **state)
{
    rl_request request = ask();
    rl_attempt attempt = RL_ATTEMPT_INIT;
    int calls = 0;

    (void)state;
    open_with(CHAIN);
    assert_int_equal(rl_attempt_submit(heard.rl, &request, &attempt, ready, &calls), RL_OK);
    assert_int_equal(heard.count, 0);
    assert_int_equal(rl_dispatch(heard.rl), 1);
    assert_int_equal(calls, 1);
    done(&attempt, 200);
    rl_close(heard.rl);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_first_and_who_goes_before_it),
        cmocka_unit_test(tells_whose_failure_it_follows),
        cmocka_unit_test(tells_why_a_dead_route_is_passed_over),
        cmocka_unit_test(tells_of_keys_by_name),
        cmocka_unit_test(is_silent_where_there_is_no_choice),
        cmocka_unit_test(a_submitted_attempt_is_told_when_it_is_dispatched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
