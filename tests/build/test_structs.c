/* SPDX-License-Identifier: MIT */
/* The layout of public structs: what a caller compiled in must fit every later library. */
#include <llmrl/batch.h>
#include <llmrl/breaker.h>
#include <llmrl/config.h>
#include <llmrl/http.h>
#include <llmrl/limiter.h>
#include <llmrl/llmrl.h>
#include <llmrl/pool.h>
#include <llmrl/queue.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OF(type, member) sizeof(((type *)0)->member)

_Static_assert(sizeof(rl_ticket) == 16, "a ticket is 16 bytes, for ever");
_Static_assert(sizeof(rl_scope) == 64, "a scope is 64 bytes, for ever");
_Static_assert(sizeof(rl_permit) == 128, "a permit is 128 bytes, for ever");
_Static_assert(sizeof(rl_status) == sizeof(int), "a status is an int");
_Static_assert(sizeof(rl_limiter) % 8 == 0 && _Alignof(rl_limiter) == 8, "words may lie anywhere");
_Static_assert(offsetof(rl_permit, granted_at) == 0 && offsetof(rl_permit, retry_at) == 8 &&
                   offsetof(rl_permit, reserved_tokens) == 16,
               "the members of a permit that callers read");

/* No padding: an old caller's padding would be read as a new field. */
#define NO_PADDING(type, sum) _Static_assert(sizeof(type) == (sum), #type " has padding")

NO_PADDING(rl_hooks, OF(rl_hooks, size) + OF(rl_hooks, user) + OF(rl_hooks, now) +
                         OF(rl_hooks, wall) + OF(rl_hooks, random) + OF(rl_hooks, sleep_until) +
                         OF(rl_hooks, resize) + OF(rl_hooks, log));
NO_PADDING(rl_limit, OF(rl_limit, size) + OF(rl_limit, algorithm) + OF(rl_limit, amount) +
                         OF(rl_limit, period) + OF(rl_limit, burst) + OF(rl_limit, oversize) +
                         OF(rl_limit, start) + OF(rl_limit, carry) + OF(rl_limit, bookings) +
                         OF(rl_limit, parts) + OF(rl_limit, align) + OF(rl_limit, zone) +
                         OF(rl_limit, day_start) + OF(rl_limit, epoch) + OF(rl_limit, algorithms) +
                         OF(rl_limit, private_));
NO_PADDING(rl_limiter, OF(rl_limiter, algorithm) + OF(rl_limiter, revision) + OF(rl_limiter, plan) +
                           OF(rl_limiter, outside) + OF(rl_limiter, words) +
                           OF(rl_limiter, bookings) + OF(rl_limiter, plan_words) +
                           OF(rl_limiter, control) + OF(rl_limiter, word));
NO_PADDING(rl_share, OF(rl_share, limiter) + OF(rl_share, cost));
NO_PADDING(rl_clock, OF(rl_clock, precise) + OF(rl_clock, user) + OF(rl_clock, kind) +
                         OF(rl_clock, revision) + OF(rl_clock, line) + OF(rl_clock, check));
NO_PADDING(rl_level, OF(rl_level, limit) + OF(rl_level, burst) + OF(rl_level, remaining) +
                         OF(rl_level, full_in));
NO_PADDING(rl_algorithm, OF(rl_algorithm, size) + OF(rl_algorithm, name) + OF(rl_algorithm, words) +
                             OF(rl_algorithm, prepare) + OF(rl_algorithm, start) +
                             OF(rl_algorithm, take) + OF(rl_algorithm, give_back) +
                             OF(rl_algorithm, charge) + OF(rl_algorithm, set_level) +
                             OF(rl_algorithm, snapshot) + OF(rl_algorithm, carry) +
                             OF(rl_algorithm, settle) + OF(rl_algorithm, reserve) +
                             OF(rl_algorithm, words_for) + OF(rl_algorithm, plan_words));
NO_PADDING(rl_options, OF(rl_options, size) + OF(rl_options, config_path) +
                           OF(rl_options, config_json) + OF(rl_options, hooks) +
                           OF(rl_options, error) + OF(rl_options, error_size) +
                           OF(rl_options, algorithms) + OF(rl_options, classify) +
                           OF(rl_options, classify_user) + OF(rl_options, count_tokens) +
                           OF(rl_options, count_tokens_user) + OF(rl_options, on_event) +
                           OF(rl_options, event_user));
NO_PADDING(rl_prompt_parts, OF(rl_prompt_parts, size) + OF(rl_prompt_parts, messages) +
                                OF(rl_prompt_parts, tools) + OF(rl_prompt_parts, properties) +
                                OF(rl_prompt_parts, enum_values));
NO_PADDING(rl_event,
           sizeof(size_t) + 5 * sizeof(char *) + 2 * sizeof(uint32_t) + 4 * sizeof(uint64_t));
NO_PADDING(rl_request,
           OF(rl_request, size) + OF(rl_request, provider) + OF(rl_request, model) +
               OF(rl_request, input_tokens) + OF(rl_request, max_output_tokens) +
               OF(rl_request, max_wait_ms) + OF(rl_request, deadline_ms) + OF(rl_request, user) +
               OF(rl_request, organisation) + OF(rl_request, api_key) + OF(rl_request, user_tier) +
               OF(rl_request, images) + OF(rl_request, nano_dollars) + OF(rl_request, scope) +
               OF(rl_request, priority) + OF(rl_request, fair_key) + OF(rl_request, ticket) +
               OF(rl_request, allow_fallback) + OF(rl_request, affinity));
NO_PADDING(rl_response, OF(rl_response, size) + OF(rl_response, status) + OF(rl_response, headers) +
                            OF(rl_response, header_count) + OF(rl_response, body) +
                            OF(rl_response, body_length) + OF(rl_response, failure));
NO_PADDING(rl_limit_report, OF(rl_limit_report, dimension) + OF(rl_limit_report, has) +
                                OF(rl_limit_report, window) + OF(rl_limit_report, limit) +
                                OF(rl_limit_report, remaining) + OF(rl_limit_report, reset_after));
NO_PADDING(rl_dialect_limit, OF(rl_dialect_limit, limit) + OF(rl_dialect_limit, remaining) +
                                 OF(rl_dialect_limit, reset) + OF(rl_dialect_limit, dimension) +
                                 OF(rl_dialect_limit, reset_form) + OF(rl_dialect_limit, window));
NO_PADDING(rl_dialect_wait, OF(rl_dialect_wait, name) + OF(rl_dialect_wait, form));
NO_PADDING(rl_dialect_spec, OF(rl_dialect_spec, size) + OF(rl_dialect_spec, name) +
                                OF(rl_dialect_spec, limits) + OF(rl_dialect_spec, limit_count) +
                                OF(rl_dialect_spec, waits) + OF(rl_dialect_spec, wait_count));
NO_PADDING(rl_table_limit,
           OF(rl_table_limit, dimension) + OF(rl_table_limit, period) + OF(rl_table_limit, amount));
NO_PADDING(rl_table_row,
           OF(rl_table_row, provider) + OF(rl_table_row, tier) + OF(rl_table_row, models) +
               OF(rl_table_row, family) + OF(rl_table_row, source) + OF(rl_table_row, as_of) +
               OF(rl_table_row, origin) + OF(rl_table_row, is_guide) + OF(rl_table_row, limit));
_Static_assert(sizeof(rl_usage_reader) == 11264, "a reader is what callers compiled in");
NO_PADDING(rl_usage, OF(rl_usage, input_tokens) + OF(rl_usage, output_tokens) +
                         OF(rl_usage, cached_input_tokens) + OF(rl_usage, has) +
                         OF(rl_usage, reserved));
NO_PADDING(rl_answer, OF(rl_answer, outcome) + OF(rl_answer, report_count) + OF(rl_answer, report) +
                          OF(rl_answer, retry_after) + OF(rl_answer, retryable) +
                          OF(rl_answer, quota_exhausted) + OF(rl_answer, limited_mask) +
                          OF(rl_answer, ignored) + OF(rl_answer, limited_window) +
                          OF(rl_answer, usage) + OF(rl_answer, code) +
                          OF(rl_answer, limited_amount) + OF(rl_answer, concurrency));
NO_PADDING(rl_verdict, OF(rl_verdict, action) + OF(rl_verdict, outcome) + OF(rl_verdict, status) +
                           OF(rl_verdict, http) + OF(rl_verdict, retry_at) +
                           OF(rl_verdict, answer));
NO_PADDING(rl_attempt, OF(rl_attempt, size) + OF(rl_attempt, status) + OF(rl_attempt, number) +
                           OF(rl_attempt, timeout_ms) + OF(rl_attempt, retry_at) +
                           OF(rl_attempt, verdict) + OF(rl_attempt, permit) +
                           OF(rl_attempt, route) + OF(rl_attempt, private_));
NO_PADDING(rl_route, 5 * sizeof(char *) + sizeof(uint64_t));
NO_PADDING(rl_stats, sizeof(size_t) + 15 * sizeof(uint64_t));
NO_PADDING(rl_limit_status, OF(rl_limit_status, scope) + OF(rl_limit_status, dimension) +
                                OF(rl_limit_status, source) + OF(rl_limit_status, period) +
                                OF(rl_limit_status, level) + OF(rl_limit_status, closed_until) +
                                OF(rl_limit_status, shadow) + OF(rl_limit_status, would_refuse) +
                                OF(rl_limit_status, algorithm) + OF(rl_limit_status, origin) +
                                OF(rl_limit_status, amount) + OF(rl_limit_status, guess));
NO_PADDING(rl_retry_policy, sizeof(size_t) + 8 * sizeof(uint64_t) + OF(rl_retry_policy, classify) +
                                OF(rl_retry_policy, user) + OF(rl_retry_policy, budget) +
                                OF(rl_retry_policy, counters));
NO_PADDING(rl_retry_result, sizeof(size_t) + 5 * sizeof(uint64_t));
NO_PADDING(rl_retry_budget_options, sizeof(size_t) + 4 * sizeof(uint64_t));
NO_PADDING(rl_retry_budget, sizeof(uint64_t) + sizeof(rl_limiter));
NO_PADDING(rl_retry_counters, 7 * sizeof(uint64_t));
_Static_assert(sizeof(rl_retry) == 256, "a retry is what callers compiled in");
NO_PADDING(rl_breaker_options, sizeof(size_t) + 16 * sizeof(uint64_t) +
                                   OF(rl_breaker_options, event) + OF(rl_breaker_options, user));
NO_PADDING(rl_breaker_event, 9 * sizeof(uint64_t));
NO_PADDING(rl_breaker_status, sizeof(size_t) + 13 * sizeof(uint64_t));
_Static_assert(sizeof(rl_breaker) == 2048 && sizeof(rl_breaker_ticket) == 32,
               "a breaker and a ticket are what callers compiled in");
NO_PADDING(rl_batch, OF(rl_batch, batcher) + OF(rl_batch, id) + OF(rl_batch, items) +
                         OF(rl_batch, count) + OF(rl_batch, tokens));
NO_PADDING(rl_batcher_options,
           OF(rl_batcher_options, size) + OF(rl_batcher_options, hooks) +
               OF(rl_batcher_options, run) + OF(rl_batcher_options, ended) +
               OF(rl_batcher_options, user) + OF(rl_batcher_options, max_items) +
               OF(rl_batcher_options, max_tokens) + OF(rl_batcher_options, max_wait) +
               OF(rl_batcher_options, max_in_flight) + OF(rl_batcher_options, max_waiting) +
               OF(rl_batcher_options, max_waiting_tokens));
NO_PADDING(rl_slot, OF(rl_slot, pool) + OF(rl_slot, id));
NO_PADDING(rl_pool_options, OF(rl_pool_options, size) + OF(rl_pool_options, hooks) +
                                OF(rl_pool_options, slots) + OF(rl_pool_options, kind) +
                                OF(rl_pool_options, min_slots) + OF(rl_pool_options, max_slots) +
                                OF(rl_pool_options, lease) + OF(rl_pool_options, max_waiting));
NO_PADDING(rl_pool_state, sizeof(size_t) + 7 * sizeof(uint64_t));
NO_PADDING(rl_pool_holder,
           OF(rl_pool_holder, owner) + OF(rl_pool_holder, age) + OF(rl_pool_holder, expires));
NO_PADDING(rl_http_options,
           OF(rl_http_options, size) + OF(rl_http_options, base_url) +
               OF(rl_http_options, provider) + OF(rl_http_options, dialect) +
               OF(rl_http_options, api_key) + OF(rl_http_options, ca_file) +
               OF(rl_http_options, max_in_flight) + OF(rl_http_options, attempt_timeout_ms) +
               OF(rl_http_options, connect_timeout_ms) + OF(rl_http_options, max_body_bytes) +
               OF(rl_http_options, max_attempts) + OF(rl_http_options, route) +
               OF(rl_http_options, route_user));
NO_PADDING(rl_http_target, 2 * sizeof(size_t) + 5 * sizeof(char *));
NO_PADDING(rl_http_reply, OF(rl_http_reply, size) + OF(rl_http_reply, prepare) +
                              OF(rl_http_reply, on_body) + OF(rl_http_reply, user) +
                              OF(rl_http_reply, max_body_bytes) + OF(rl_http_reply, max_attempts) +
                              OF(rl_http_reply, body) + OF(rl_http_reply, body_length) +
                              OF(rl_http_reply, http_status) + OF(rl_http_reply, attempt));
NO_PADDING(rl_http_call, OF(rl_http_call, size) + OF(rl_http_call, request) +
                             OF(rl_http_call, path) + OF(rl_http_call, body) +
                             OF(rl_http_call, body_length) + OF(rl_http_call, done) +
                             OF(rl_http_call, user) + OF(rl_http_call, idempotency_key));

/* The struct is zero behind its size: zero means default. */
#define INIT_SETS_ONLY_SIZE(type, init)                                                            \
    do {                                                                                           \
        static const type zero;                                                                    \
        type fresh = init;                                                                         \
        assert_int_equal(offsetof(type, size), 0);                                                 \
        assert_int_equal(fresh.size, sizeof(type));                                                \
        assert_memory_equal((const char *)&fresh + sizeof(size_t),                                 \
                            (const char *)&zero + sizeof(size_t), sizeof(type) - sizeof(size_t));  \
    } while (0)

static void every_init_sets_the_size_and_nothing_else(void **state)
{
    (void)state;
    INIT_SETS_ONLY_SIZE(rl_hooks, RL_HOOKS_INIT);
    INIT_SETS_ONLY_SIZE(rl_limit, RL_LIMIT_INIT);
    INIT_SETS_ONLY_SIZE(rl_options, RL_OPTIONS_INIT);
    INIT_SETS_ONLY_SIZE(rl_request, RL_REQUEST_INIT);
    INIT_SETS_ONLY_SIZE(rl_response, RL_RESPONSE_INIT);
    INIT_SETS_ONLY_SIZE(rl_dialect_spec, RL_DIALECT_SPEC_INIT);
    INIT_SETS_ONLY_SIZE(rl_retry_policy, RL_RETRY_POLICY_INIT);
    INIT_SETS_ONLY_SIZE(rl_retry_budget_options, RL_RETRY_BUDGET_OPTIONS_INIT);
    INIT_SETS_ONLY_SIZE(rl_breaker_options, RL_BREAKER_OPTIONS_INIT);
    INIT_SETS_ONLY_SIZE(rl_batcher_options, RL_BATCHER_OPTIONS_INIT);
    INIT_SETS_ONLY_SIZE(rl_pool_options, RL_POOL_OPTIONS_INIT);
    INIT_SETS_ONLY_SIZE(rl_pool_state, RL_POOL_STATE_INIT);
    INIT_SETS_ONLY_SIZE(rl_http_options, RL_HTTP_OPTIONS_INIT);
    INIT_SETS_ONLY_SIZE(rl_http_call, RL_HTTP_CALL_INIT);
}

static void a_fresh_attempt_is_not_over(void **state)
{
    rl_attempt attempt = RL_ATTEMPT_INIT;

    (void)state;
    assert_int_equal(attempt.size, sizeof attempt);
    assert_int_equal(attempt.status, RL_WAIT);
    assert_int_equal(attempt.number, 0);
    assert_true(attempt.retry_at == RL_NEVER);
}

/* Values are for ever: a program compiled long ago compares with them. */
static void statuses_keep_their_values(void **state)
{
    static const rl_status row[] = {
        RL_OK,          RL_E_INVALID,    RL_E_NOMEM,        RL_E_TIMEOUT,   RL_E_DEADLINE,
        RL_E_TOO_LARGE, RL_E_QUEUE_FULL, RL_E_CANCELLED,    RL_E_CLOSED,    RL_E_ENDED,
        RL_E_TOO_NEW,   RL_E_NOT_BUILT,  RL_E_CONFIG,       RL_E_NOT_FOUND, RL_E_TABLE_FULL,
        RL_E_REJECTED,  RL_E_QUOTA,      RL_E_ATTEMPTS,     RL_E_TRANSPORT, RL_E_TOO_BIG,
        RL_E_IO,        RL_E_BUDGET,     RL_E_CIRCUIT_OPEN, RL_E_DROPPED,
    };

    (void)state;
    assert_int_equal(RL_WAIT, 1);
    for (int i = 0; i < (int)(sizeof row / sizeof row[0]); i++)
        assert_int_equal(row[i], i == 0 ? 0 : -i);
}

static void the_version_macros_agree(void **state)
{
    char text[32];

    (void)state;
    (void)snprintf(text, sizeof text, "%d.%d.%d", RL_VERSION_MAJOR, RL_VERSION_MINOR,
                   RL_VERSION_PATCH);
    assert_string_equal(text, RL_VERSION_STRING);
    assert_string_equal(rl_version(), RL_VERSION_STRING);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_init_sets_the_size_and_nothing_else),
        cmocka_unit_test(a_fresh_attempt_is_not_over),
        cmocka_unit_test(statuses_keep_their_values),
        cmocka_unit_test(the_version_macros_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
