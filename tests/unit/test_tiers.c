/* SPDX-License-Identifier: MIT */
/* Built-in tables at work: what a named tier binds, what goes before it, and what is only a guess.
 */
#include "failing_alloc.h"

#include <llmrl/config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START             (1000 * RL_SECOND)
#define P(provider, text) "{\"providers\": {\"" provider "\": {" text "}}}"
#define ORIGIN_TIER_1     "openai tier-1, as of 2024-11"

static struct vclock the_clock;

static rl_context *open_with(const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;
    rl_hooks hooks;
    char error[512] = "";

    the_clock = (struct vclock){ .now = START, .random = 5 };
    hooks = vclock_hooks(&the_clock);
    options.hooks = &hooks;
    options.config_json = json;
    options.error = error;
    options.error_size = sizeof error;
    if (rl_open(&options, &rl) != RL_OK)
        fail_msg("%s", error);
    return rl;
}

static rl_request ask(const char *provider, const char *model)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = provider;
    request.model = model;
    request.input_tokens = 1000;
    request.max_output_tokens = 100;
    return request;
}

/* The limit of that dimension and period that such a request passes: `found` is 0 without one. */
struct seen {
    int found;
    rl_limit_status status;
};
static struct seen see(rl_context *rl, const char *provider, const char *model, uint32_t dimension,
                       rl_duration period)
{
    rl_request request = ask(provider, model);
    rl_limit_status status[32];
    size_t count = 32;
    struct seen seen = { .found = 0 };

    assert_int_equal(rl_limits_of(rl, &request, status, &count), RL_OK);
    assert_in_range(count, 0, 32);
    for (size_t i = 0; i < count; i++)
        if (status[i].dimension == dimension && status[i].period == period) {
            seen.status = status[i];
            seen.found++;
        }
    return seen;
}

static void check(rl_context *rl, const char *provider, const char *model, uint32_t dimension,
                  uint64_t amount, const char *scope, const char *origin)
{
    struct seen seen = see(rl, provider, model, dimension, RL_MINUTE);

    assert_int_equal(seen.found, amount != 0);
    if (amount == 0)
        return;
    assert_int_equal(seen.status.amount, amount);
    assert_string_equal(seen.status.scope, scope);
    assert_string_equal(seen.status.origin, origin);
}

/* "amount" of `dimension` a minute, all of it left. */
static void answer(rl_context *rl, const char *provider, const char *model, const char *dimension,
                   const char *amount)
{
    rl_request request = ask(provider, model);
    rl_response response = RL_RESPONSE_INIT;
    rl_permit permit;
    char limit[64], remaining[64];
    rl_header header[2];

    (void)snprintf(limit, sizeof limit, "x-ratelimit-limit-%s", dimension);
    (void)snprintf(remaining, sizeof remaining, "x-ratelimit-remaining-%s", dimension);
    header[0] = (rl_header){ limit, strlen(limit), amount, strlen(amount) };
    header[1] = (rl_header){ remaining, strlen(remaining), amount, strlen(amount) };
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    response.status = 200;
    response.headers = header;
    response.header_count = 2;
    response.body = "{\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":100}}";
    response.body_length = strlen(response.body);
    assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
}

static void a_named_tier_binds(void **state)
{
    rl_context *rl = open_with(P("openai", "\"tier\": \"Tier 1\""));
    rl_request request = ask("openai", "gpt-4o-mini");
    struct seen day;
    rl_permit permit;

    (void)state;
    request.input_tokens = request.max_output_tokens = 1;
    check(rl, "openai", "gpt-4o-mini", RL_REQUESTS, 500, "openai/gpt-4o-mini", ORIGIN_TIER_1);
    check(rl, "openai", "gpt-4o-mini", RL_TOKENS, 200000, "openai/gpt-4o-mini", ORIGIN_TIER_1);
    day = see(rl, "openai", "gpt-4o-mini", RL_REQUESTS, RL_DAY);
    assert_int_equal(day.found, 1);
    assert_int_equal(day.status.amount, 10000);
    assert_int_equal(day.status.source, RL_SOURCE_TABLE);
    assert_int_equal(day.status.guess, 0);
    /* One leaves at once, the next when a 500th of a minute has passed. */
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    assert_int_equal(permit.retry_at, START + RL_MINUTE / 500);
    rl_close(rl);
}

/* As a cap of the user's own: answers lower it, and raise it no further. */
static void a_named_tier_is_a_cap(void **state)
{
    rl_context *rl = open_with(P("openai", "\"tier\": \"tier-1\""));

    (void)state;
    answer(rl, "openai", "gpt-4o-mini", "requests", "300");
    check(rl, "openai", "gpt-4o-mini", RL_REQUESTS, 300, "openai/gpt-4o-mini", "answers");
    the_clock.now += RL_MINUTE;
    answer(rl, "openai", "gpt-4o-mini", "requests", "30000");
    check(rl, "openai", "gpt-4o-mini", RL_REQUESTS, 500, "openai/gpt-4o-mini", ORIGIN_TIER_1);
    rl_close(rl);
}

/* The guide's tables speak of the provider as a whole, and say whose they are. */
static void the_guides_tiers_can_be_named(void **state)
{
    rl_context *rl = open_with(P("openai", "\"tier\": \"guide-tier-3\""));

    (void)state;
    check(rl, "openai", "anything", RL_REQUESTS, 3000, "openai",
          "openai guide-tier-3, the guide's own, undated");
    check(rl, "openai", "other", RL_TOKENS, 160000, "openai",
          "openai guide-tier-3, the guide's own, undated");
    check(rl, "openai", "other", RL_IMAGES, 50, "openai",
          "openai guide-tier-3, the guide's own, undated");
    rl_close(rl);
}

/* Limits that models share are one limiter: who comes first takes from all of them. */
static void a_family_is_one_limiter(void **state)
{
    rl_context *rl = open_with(P("anthropic", "\"tier\": \"start\""));
    rl_request five = ask("anthropic", "claude-opus-4-5"),
               eight = ask("anthropic", "claude-opus-4-8"),
               sonnet = ask("anthropic", "claude-sonnet-4-5");
    struct seen before = see(rl, "anthropic", "claude-opus-4-8", RL_REQUESTS, RL_MINUTE), after;
    rl_permit permit, other;

    (void)state;
    assert_string_equal(before.status.scope, "anthropic/opus-4.x");
    assert_string_equal(before.status.origin, "anthropic start, as of 2026-10");
    assert_int_equal(before.status.amount, 1000);
    assert_int_equal(rl_try_acquire(rl, &five, &permit), RL_OK);
    after = see(rl, "anthropic", "claude-opus-4-8", RL_REQUESTS, RL_MINUTE);
    assert_int_equal(after.status.level.remaining, before.status.level.remaining - 1);
    assert_int_equal(rl_try_acquire(rl, &eight, &other), RL_WAIT);
    assert_int_equal(other.retry_at, START + RL_MINUTE / 1000);
    assert_int_equal(rl_try_acquire(rl, &sonnet, &other), RL_OK); /* another family */
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &eight, &permit), RL_OK);
    rl_close(rl);
}

static void a_pool_of_named_models_is_one_limiter(void **state)
{
    rl_context *rl = open_with(P("mistral", "\"tier\": \"free\""));

    (void)state;
    check(rl, "mistral", "codestral-2508", RL_TOKENS, 50000, "mistral/free-pool-1",
          "mistral free, as of 2026-02-23");
    assert_int_equal(see(rl, "mistral", "codestral-2508", RL_REQUESTS, RL_SECOND).found, 1);
    assert_int_equal(see(rl, "mistral", "another", RL_REQUESTS, RL_SECOND).found, 1);
    assert_int_equal(see(rl, "mistral", "another", RL_TOKENS, RL_MINUTE).found, 0);
    rl_close(rl);
}

static void the_file_goes_before(void **state)
{
    static const struct {
        const char *json, *model;
        uint64_t requests, input;
        const char *scope; /* of the requests */
    } row[] = {
        /* of the provider: that dimension, of all models */
        { "\"requests_per_minute\": 7", "claude-opus-4-5", 7, 2000000, "anthropic" },
        { "\"requests_per_day\": 7", "claude-opus-4-5", 1000, 2000000, "anthropic/opus-4.x" },
        /* of a model: its family no more */
        { "\"models\": [{\"name\": \"claude-opus-4-5\", \"requests_per_minute\": 7}]",
          "claude-opus-4-5", 7, 2000000, "anthropic/claude-opus-4-5" },
        { "\"models\": [{\"name\": \"claude-opus-4-5\", \"requests_per_minute\": 7}]",
          "claude-opus-4-6", 0, 2000000, NULL },
        { "\"models\": [{\"name\": \"claude-opus-4-5\", \"requests_per_minute\": 7}]",
          "claude-sonnet-4-5", 1000, 2000000, "anthropic/sonnet-4.x" },
        /* of a model that the table names alone: one list */
        { "\"models\": [{\"name\": \"claude-opus-5\", \"requests_per_minute\": 7}]",
          "claude-opus-5", 7, 2000000, "anthropic/claude-opus-5" },
        /* by a pattern: it takes the row's place */
        { "\"models\": [{\"name\": \"claude-*\", \"requests_per_minute\": 7}]", "claude-opus-4-5",
          7, 0, "anthropic/claude-*" },
        /* what is to be learned */
        { "\"unknown\": [\"requests_per_minute\"]", "claude-opus-4-5", 0, 2000000, NULL },
        { "\"unknown\": [\"requests_per_minute\", \"input_tokens_per_minute\", \"concurrency\"]",
          "claude-opus-4-5", 0, 0, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char json[512];
        rl_context *rl;
        struct seen seen;

        (void)snprintf(json, sizeof json, P("anthropic", "\"tier\": \"start\", %s"), row[i].json);
        rl = open_with(json);
        seen = see(rl, "anthropic", row[i].model, RL_REQUESTS, RL_MINUTE);
        if (seen.found != (row[i].requests != 0) ||
            (seen.found && (seen.status.amount != row[i].requests ||
                            strcmp(seen.status.scope, row[i].scope) != 0)))
            fail_msg("row %zu: %d, %llu in %s", i, seen.found,
                     (unsigned long long)seen.status.amount, seen.status.scope);
        seen = see(rl, "anthropic", row[i].model, RL_INPUT_TOKENS, RL_MINUTE);
        if (seen.found != (row[i].input != 0) || (seen.found && seen.status.amount != row[i].input))
            fail_msg("row %zu: input", i);
        rl_close(rl);
    }
}

/* The order of the keys in the file makes no difference. */
static void a_dialect_chooses_the_tables(void **state)
{
    rl_context *rl = open_with(P("house", "\"tier\": \"tier-1\", \"dialect\": \"openai\""));

    (void)state;
    check(rl, "house", "gpt-4o-mini", RL_REQUESTS, 500, "house/gpt-4o-mini", ORIGIN_TIER_1);
    rl_close(rl);
}

static void a_limit_at_once_is_kept_so(void **state)
{
    rl_context *rl = open_with(P("deepseek", "\"tier\": \"default\""));
    struct seen seen = see(rl, "deepseek", "deepseek-v4-pro", RL_CONCURRENCY, RL_SECOND);

    (void)state;
    assert_int_equal(seen.found, 1);
    assert_string_equal(seen.status.algorithm, "concurrency");
    assert_int_equal(seen.status.amount, 500);
    rl_close(rl);
}

static void reload(rl_context *rl, const char *json)
{
    char error[512] = "";

    if (rl_config_reload(rl, NULL, json, error, sizeof error) != RL_OK)
        fail_msg("%s", error);
}

/* What was used stays used. */
static void tiers_change_while_requests_flow(void **state)
{
    rl_context *rl = open_with(P("anthropic", "\"tier\": \"start\""));
    rl_request opus = ask("anthropic", "claude-opus-4-8"),
               single = ask("anthropic", "claude-opus-5");
    rl_permit permit, other;
    char error[512];

    (void)state;
    assert_int_equal(rl_try_acquire(rl, &opus, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &single, &other), RL_OK);
    reload(rl, P("anthropic", "\"tier\": \"scale\""));
    check(rl, "anthropic", "claude-opus-4-8", RL_REQUESTS, 10000, "anthropic/opus-4.x",
          "anthropic scale, as of 2026-09");
    check(rl, "anthropic", "claude-opus-5", RL_REQUESTS, 10000, "anthropic/claude-opus-5",
          "anthropic scale, as of 2026-09");
    assert_int_equal(
        rl_config_reload(rl, NULL, P("anthropic", "\"tier\": \"gold\""), error, sizeof error),
        RL_E_CONFIG);
    assert_string_equal(error, "providers.anthropic.tier: there is no such tier of \"anthropic\"; "
                               "there are \"start\", \"build\", \"scale\", \"tier-1\", \"tier-2\", "
                               "\"tier-3\", \"tier-4\", \"guide\"");
    check(rl, "anthropic", "claude-opus-4-8", RL_REQUESTS, 10000, "anthropic/opus-4.x",
          "anthropic scale, as of 2026-09");
    reload(rl, P("anthropic", "\"requests_per_minute\": 60"));
    check(rl, "anthropic", "claude-opus-4-8", RL_REQUESTS, 60, "anthropic", "file");
    assert_int_equal(see(rl, "anthropic", "claude-opus-4-8", RL_INPUT_TOKENS, RL_MINUTE).found, 0);
    reload(rl, P("anthropic", "\"tier\": \"start\""));
    check(rl, "anthropic", "claude-opus-4-8", RL_REQUESTS, 1000, "anthropic/opus-4.x",
          "anthropic start, as of 2026-10");
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &other), RL_OK);
    rl_close(rl);
}

static void a_tier_comes_by_a_patch(void **state)
{
    rl_context *rl = open_with("{}");
    struct seen seen = see(rl, "openai", "gpt-4o-mini", RL_REQUESTS, RL_MINUTE);

    (void)state;
    assert_true(seen.found && seen.status.guess);
    assert_int_equal(rl_config_patch(rl, P("openai", "\"tier\": \"tier-1\""), NULL, 0), RL_OK);
    check(rl, "openai", "gpt-4o-mini", RL_REQUESTS, 500, "openai/gpt-4o-mini", ORIGIN_TIER_1);
    assert_int_equal(rl_config_patch(rl, P("openai", "\"tier\": null"), NULL, 0), RL_OK);
    seen = see(rl, "openai", "gpt-4o-mini", RL_REQUESTS, RL_MINUTE);
    assert_true(!seen.found || seen.status.guess);
    rl_close(rl);
}

/* No tier: as many as like, but few at first where the lowest tier is small. */
static void a_guess_holds_nobody_back(void **state)
{
    static const struct {
        const char *provider, *model;
        int at_once;
    } row[] = { { "openai", "gpt-4o-mini", 4 }, /* 500 a minute */
                { "openai", "unheard-of", 4 },
                { "gemini", "gemini-2.5-flash", 1 },   /* 5 a minute */
                { "groq", "llama-3.1-8b-instant", 1 }, /* 30 a minute */
                { "xai", "grok-4.3", 4 },              /* 30 a second */
                { "cohere", "rerank-v3.5", 1 } };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_context *rl = open_with("{}");
        rl_request request = ask(row[i].provider, row[i].model);
        rl_permit permit[5];
        int count = 0;

        while (count < 5 && rl_try_acquire(rl, &request, &permit[count]) == RL_OK)
            count++;
        if (count != row[i].at_once)
            fail_msg("row %zu: %d at once", i, count);
        request.input_tokens = 100000000; /* larger than any table's limit is not too large */
        assert_int_equal(rl_try_acquire(rl, &request, &permit[4]), RL_WAIT);
        assert_int_equal(permit[4].retry_at, RL_NEVER);
        while (count > 0)
            assert_int_equal(rl_cancel(rl, &permit[--count]), RL_OK);
        rl_close(rl);
    }
}

/* SEED-BUGS 38: tables carry a date and are starting values; what an answer says goes before, and
 * without a tier in both directions. */
static void row_38_answers_go_before_tables(void **state)
{
    static const char *const reported[] = { "300", "30000" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rl_context *rl = open_with("{}");
        struct seen seen = see(rl, "openai", "gpt-4o-mini", RL_REQUESTS, RL_MINUTE);

        assert_int_equal(seen.found, 1);
        assert_int_equal(seen.status.guess, 1);
        assert_int_equal(seen.status.source, RL_SOURCE_TABLE);
        assert_string_equal(seen.status.origin, "guess: " ORIGIN_TIER_1);
        assert_int_equal(seen.status.amount, 500);
        answer(rl, "openai", "gpt-4o-mini", "requests", reported[i]);
        seen = see(rl, "openai", "gpt-4o-mini", RL_REQUESTS, RL_MINUTE);
        assert_int_equal(seen.found, 1);
        assert_int_equal(seen.status.guess, 0);
        assert_int_equal(seen.status.source, RL_SOURCE_ANSWER);
        assert_int_equal(seen.status.amount, i == 0 ? 300 : 30000);
        /* What no answer has spoken of is a guess still. */
        assert_int_equal(see(rl, "openai", "gpt-4o-mini", RL_TOKENS, RL_MINUTE).status.guess, 1);
        rl_close(rl);
    }
}

static void guesses_are_listed_once(void **state)
{
    rl_context *rl = open_with("{}");
    rl_limit_status status[16];
    size_t count = 16;

    (void)state;
    assert_int_equal(see(rl, "openai", "gpt-4o-mini", RL_REQUESTS, RL_MINUTE).found, 1);
    assert_int_equal(rl_limits_get(rl, status, &count), RL_OK);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(status[i].guess, 1);
        assert_string_equal(status[i].scope, "openai/gpt-4o-mini");
    }
    rl_close(rl);
}

static void what_is_to_be_learned_is_not_guessed(void **state)
{
    rl_context *rl = open_with(P("gemini", "\"unknown\": [\"requests_per_minute\"]"));
    rl_request request = ask("gemini", "gemini-2.5-flash");
    rl_permit permit;

    (void)state;
    assert_int_equal(see(rl, "gemini", "gemini-2.5-flash", RL_REQUESTS, RL_DAY).found, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    rl_close(rl);
}

/* Who comes next begins as if there had never been any. */
static void what_a_reload_has_dropped_is_not_known(void **state)
{
    rl_context *rl = open_with(P("openai", "\"requests_per_day\": 1000000"));
    rl_request known = ask("openai", "before"), request = ask("openai", "after");
    rl_limit_status status[4];
    rl_permit permit;
    size_t count = 4;

    (void)state;
    for (int i = 0; i < 9; i++)
        assert_int_equal(rl_try_acquire(rl, &known, &permit), RL_OK);
    reload(rl, "{}");
    assert_int_equal(rl_limits_get(rl, status, &count), RL_OK);
    assert_int_equal(count, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_WAIT);
    rl_close(rl);
}

static void pace_given_up_shows(void **state)
{
    rl_context *rl = open_with(P("openai", "\"tier\": \"tier-1\""));
    rl_request request = ask("openai", "gpt-4o-mini");
    rl_response response = RL_RESPONSE_INIT;
    rl_permit permit;

    (void)state;
    response.status = 429;
    the_clock.now += RL_SECOND;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
    assert_string_equal(see(rl, "openai", "gpt-4o-mini", RL_REQUESTS, RL_MINUTE).status.origin,
                        ORIGIN_TIER_1 ", adaptive");
    rl_close(rl);
}

static void memory_may_fail_anywhere(void **state)
{
    static const char json[] =
        "{\"providers\": {\"mistral\": {\"tier\": \"free\"}, \"anthropic\": {\"tier\": \"scale\", "
        "\"unknown\": [\"output_tokens_per_minute\"], \"models\": [{\"name\": \"claude-opus-5\", "
        "\"requests_per_minute\": 7}]}}}";
    uint64_t n = 0;
    int failed;

    (void)state;
    do {
        struct failing_alloc memory = { .fail_at = ++n };
        rl_options options = RL_OPTIONS_INIT;
        rl_request request = ask("anthropic", "claude-opus-4-5");
        rl_hooks hooks = failing_alloc_hooks(&memory);
        rl_context *rl;
        rl_permit permit;
        rl_status st;

        memory.clock = (struct vclock){ .now = START, .random = 5 };
        options.hooks = &hooks;
        options.config_json = json;
        if ((st = rl_open(&options, &rl)) == RL_OK) {
            st = rl_try_acquire(rl, &request, &permit);
            if (st == RL_OK)
                assert_int_equal(rl_cancel(rl, &permit), RL_OK);
        }
        assert_int_equal(st, memory.failed ? RL_E_NOMEM : RL_OK);
        rl_close(rl);
        assert_int_equal(memory.alive, 0);
        failed = memory.failed != 0;
    } while (failed);
    assert_in_range(n, 40, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_named_tier_binds),
        cmocka_unit_test(a_named_tier_is_a_cap),
        cmocka_unit_test(the_guides_tiers_can_be_named),
        cmocka_unit_test(a_family_is_one_limiter),
        cmocka_unit_test(a_pool_of_named_models_is_one_limiter),
        cmocka_unit_test(the_file_goes_before),
        cmocka_unit_test(a_dialect_chooses_the_tables),
        cmocka_unit_test(a_limit_at_once_is_kept_so),
        cmocka_unit_test(tiers_change_while_requests_flow),
        cmocka_unit_test(a_tier_comes_by_a_patch),
        cmocka_unit_test(a_guess_holds_nobody_back),
        cmocka_unit_test(row_38_answers_go_before_tables),
        cmocka_unit_test(guesses_are_listed_once),
        cmocka_unit_test(what_is_to_be_learned_is_not_guessed),
        cmocka_unit_test(what_a_reload_has_dropped_is_not_known),
        cmocka_unit_test(pace_given_up_shows),
        cmocka_unit_test(memory_may_fail_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
