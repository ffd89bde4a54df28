/* SPDX-License-Identifier: MIT */
/* Each request for memory fails in turn, once and from then on: a clean error, nothing left behind,
 * and all that was there still works. (cJSON has memory of its own, beside the hook.) */
#include "failing_alloc.h"

#include <llmrl/config.h>
#include <llmrl/queue.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char config[] =
    "{\"global\": {\"requests_per_minute\": 1000, \"tokens_per_minute\": 100000},"
    " \"providers\": {"
    "  \"keyed\": {\"dialect\": \"openai\", \"requests_per_minute\": 600, \"keys\": ["
    "   {\"name\": \"eu\", \"weight\": 3}, {\"name\": \"us\", \"base_url\": \"https://us\"}]},"
    "  \"openai\": {\"dialect\": \"openai\", \"requests_per_minute\": 500, \"auto_detect\": true,"
    "   \"base_url\": \"https://api.openai.com\", \"api_key_env\": \"OPENAI_API_KEY\","
    "   \"models\": [{\"name\": \"a\", \"requests_per_minute\": 200},"
    "                {\"name\": \"b\", \"input_tokens_per_minute\": 2000}]},"
    "  \"own\": {\"requests_per_day\": 10}},"
    " \"users\": {\"default\": {\"requests_per_second\": 1, \"weight\": 2}},"
    " \"queue\": {\"max_size\": 100, \"max_wait_ms\": 30000},"
    " \"circuit_breaker\": {\"failure_rate\": 0.5},"
    " \"fallback\": {\"keyed/m\": [\"another/m\"], \"stay_within_ms\": 5},"
    " \"adaptive\": {\"initial_rpm\": 1000000, \"initial_tpm\": 100000000},"
    " \"retry\": {\"max_attempts\": 6, \"budget\": {}}}";

struct trial {
    struct failing_alloc memory;
    rl_context *rl;
    uint64_t persistent; /* each request from `fail_at` on fails */
    unsigned called;
};

/* failing_alloc fails one request; for "from then on" the next one is named after each. */
static void *resize(void *user, void *ptr, size_t size)
{
    struct trial *trial = user;
    void *got = failing_alloc_resize(&trial->memory, ptr, size);

    if (trial->persistent && size > 0 && got == NULL)
        trial->memory.fail_at = trial->memory.requests + 1;
    return got;
}

static rl_status open_context(struct trial *trial)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_hooks hooks = failing_alloc_hooks(&trial->memory);
    char error[128] = "";
    rl_status st;

    hooks.user = trial; /* begins with the memory, which begins with the clock */
    hooks.resize = resize;
    options.hooks = &hooks;
    options.config_json = config;
    options.error = error;
    options.error_size = sizeof error;
    st = rl_open(&options, &trial->rl);
    if (st != RL_OK) {
        assert_int_equal(st, RL_E_NOMEM);
        assert_null(trial->rl);
        assert_true(error[0] != '\0');
    }
    return st;
}

static rl_request ask(const char *provider, const char *model)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = provider;
    request.model = model;
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    return request;
}

/* Memory has come back. */
static void recover(struct trial *trial)
{
    trial->memory.fail_at = 0;
}

static void acquire_and_observe(struct trial *trial, const char *provider, const char *model)
{
    rl_request request = ask(provider, model);
    rl_response response = RL_RESPONSE_INIT;
    rl_permit permit;
    rl_status st = rl_acquire(trial->rl, &request, &permit);

    if (st != RL_OK) {
        assert_int_equal(st, RL_E_NOMEM);
        assert_int_equal(permit.retry_at, RL_NEVER);
        assert_int_equal(rl_cancel(trial->rl, &permit), RL_E_ENDED);
        recover(trial);
        assert_int_equal(rl_acquire(trial->rl, &request, &permit), RL_OK);
    }
    response.status = 200;
    response.body = "{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}";
    response.body_length = strlen(response.body);
    assert_int_equal(rl_observe_response(trial->rl, &permit, &response, NULL), RL_OK);
}

static void go_by_any_route(struct trial *trial)
{
    rl_request request = ask("keyed", "m");
    rl_response response = RL_RESPONSE_INIT;
    rl_attempt attempt = RL_ATTEMPT_INIT;

    request.allow_fallback = RL_FALLBACK_ON;
    if (!rl_next_attempt(trial->rl, &request, &attempt)) {
        assert_int_equal(attempt.status, RL_E_NOMEM);
        recover(trial);
        attempt = (rl_attempt)RL_ATTEMPT_INIT;
        assert_int_equal(rl_next_attempt(trial->rl, &request, &attempt), 1);
    }
    response.status = 200;
    assert_int_equal(rl_attempt_done(trial->rl, &attempt, &response), RL_OK);
    assert_int_equal(attempt.status, RL_OK);
}

static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    (void)attempt;
    ((struct trial *)user)->called += ready >= 0;
}

static void submit_and_dispatch(struct trial *trial)
{
    rl_request request = ask("keyed", "m");
    static const char *const user[] = { "a", NULL, "a" };
    rl_attempt attempt[3];
    unsigned before = trial->called;

    for (int i = 0; i < 3; i++) {
        rl_status st;

        attempt[i] = RL_ATTEMPT_INIT;
        request.user = user[i];
        request.allow_fallback = RL_FALLBACK_ON;
        st = rl_attempt_submit(trial->rl, &request, &attempt[i], on_ready, trial);
        if (st != RL_OK) {
            assert_int_equal(st, RL_E_NOMEM);
            assert_int_equal(attempt[i].status, RL_E_NOMEM);
            assert_int_equal(rl_attempt_cancel(trial->rl, &attempt[i]), RL_E_NOT_FOUND);
            recover(trial);
            attempt[i] = RL_ATTEMPT_INIT;
            st = rl_attempt_submit(trial->rl, &request, &attempt[i], on_ready, trial);
            assert_int_equal(st, RL_OK);
        }
    }
    assert_int_equal(rl_attempt_cancel(trial->rl, &attempt[1]), RL_OK);
    while (trial->called - before < 3) {
        rl_time next = rl_next_wakeup(trial->rl);

        assert_int_not_equal(next, RL_NEVER);
        rl__raise_to(&trial->memory.clock.now, next);
        (void)rl_dispatch(trial->rl);
    }
    for (int i = 0; i < 3; i++)
        rl_attempt_abandon(trial->rl, &attempt[i]);
}

/* ---- changes ---- */

static const char changed[] =
    "{\"global\": {\"tokens_per_minute\": 90000},"
    " \"providers\": {"
    "  \"openai\": {\"dialect\": \"openai\", \"requests_per_minute\": 400,"
    "   \"models\": [{\"name\": \"a\", \"tokens_per_minute\": 20000},"
    "                {\"name\": \"a-*\", \"requests_per_minute\": 5}]},"
    "  \"new\": {\"limits\": [{\"dimension\": \"tokens\", \"amount\": 50, \"period\": \"1h\","
    "   \"algorithm\": \"sliding_window\", \"parts\": 100}]}},"
    " \"users\": {\"default\": {\"requests_per_second\": 3}, \"gold\": {\"requests_per_day\": 9},"
    "  \"ids\": {\"alice\": \"gold\"}},"
    " \"organisations\": {\"default\": {\"tokens_per_day\": 1000}}}";

struct seen {
    size_t count;
    rl_limit_status limit[16];
};

static struct seen look(struct trial *trial, const char *user, const char *organisation)
{
    rl_request request = ask("openai", "a");
    struct seen seen = { .count = 16 };

    request.user = user;
    request.organisation = organisation;
    assert_int_equal(rl_limits_of(trial->rl, &request, seen.limit, &seen.count), RL_OK);
    assert_in_range(seen.count, 1, 16);
    return seen;
}

/* Nothing has changed; of tenants, some may have. */
static void expect_the_same(const struct seen *before, const struct seen *now)
{
    assert_int_equal(before->count, now->count);
    for (size_t i = 0; i < now->count; i++) {
        assert_int_equal(before->limit[i].amount, now->limit[i].amount);
        assert_int_equal(before->limit[i].level.remaining, now->limit[i].level.remaining);
        assert_int_equal(before->limit[i].period, now->limit[i].period);
    }
}

static rl_status change(struct trial *trial, int by_patch)
{
    char error[128] = "";
    rl_status st = by_patch ? rl_config_patch(trial->rl,
                                              "{\"users\": {\"gold\": {\"requests_per_day\":"
                                              " 8, \"tokens_per_day\": 70}}}",
                                              error, sizeof error)
                            : rl_config_reload(trial->rl, NULL, changed, error, sizeof error);

    if (st != RL_OK && st != RL_E_NOMEM)
        fail_msg("%s", error);
    assert_int_equal(st == RL_OK, error[0] == '\0');
    return st;
}

static void change_all(struct trial *trial, int by_patch)
{
    struct seen before = look(trial, NULL, NULL), now;

    if (change(trial, by_patch) == RL_OK)
        return;
    recover(trial);
    now = look(trial, NULL, NULL);
    expect_the_same(&before, &now);
    assert_int_equal(change(trial, by_patch), RL_OK);
}

static void expect_the_changed(struct trial *trial)
{
    struct seen now = look(trial, "alice", "some");
    uint64_t expected[] = { 90000, 400, 20000, 1000, 8, 70 };

    assert_int_equal(now.count, 6);
    for (size_t i = 0; i < now.count; i++)
        assert_int_equal(now.limit[i].amount, expected[i]);
}

static void one_trial(struct trial *trial)
{
    rl_request request = ask("own", "");
    rl_attempt waiting = RL_ATTEMPT_INIT;
    rl_stats stats = { .size = sizeof stats };

    if (open_context(trial) == RL_OK) {
        acquire_and_observe(trial, "openai", "a");
        acquire_and_observe(trial, "openai", "new");
        acquire_and_observe(trial, "unknown", NULL);
        go_by_any_route(trial);
        submit_and_dispatch(trial);
        change_all(trial, 0);
        acquire_and_observe(trial, "new", "a");
        change_all(trial, 1);
        expect_the_changed(trial);
        assert_int_equal(rl_stats_get(trial->rl, &stats), RL_OK);
        assert_int_equal(stats.in_flight, 0);
        assert_int_equal(stats.waiting, 0);
        (void)rl_attempt_submit(trial->rl, &request, &waiting, on_ready, trial);
        rl_close(trial->rl);
    }
    assert_int_equal(trial->memory.alive, 0);
}

static void fail_each(uint64_t persistent)
{
    uint64_t n = 1;

    for (;; n++) {
        struct trial trial = { .memory = { .clock = { .now = 1000 * RL_SECOND, .random = n },
                                           .fail_at = n },
                               .persistent = persistent };

        one_trial(&trial);
        if (trial.memory.failed == 0)
            break;
    }
    assert_true(n > 20); /* or it tried nothing */
}

static void each_request_fails_once(void **state)
{
    (void)state;
    fail_each(0);
}

static void each_request_fails_and_those_after_it(void **state)
{
    (void)state;
    fail_each(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_fails_once),
        cmocka_unit_test(each_request_fails_and_those_after_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
