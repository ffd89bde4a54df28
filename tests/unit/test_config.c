/* SPDX-License-Identifier: MIT */
/* Every kind of mistake in a configuration has its message, with the place. */
#include <llmrl/config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT(text) "{\"global\": {\"limits\": [" text "]}}"
#define DAY         "{\"dimension\": \"tokens\", \"amount\": 5, \"period\": \"day\""

static void each_mistake_names_its_place(void **state)
{
    static const struct {
        const char *json, *error;
    } row[] = {
        { "", "line 1, column 1: this is not JSON" },
        { "[]", "must be an object" },
        { "{\n  \"queue\": {,}\n}", "line 2, column 14: this is not JSON" },
        { "{} {}", "line 1, column 4: this is not JSON" },
        { "{\"provider\": {}}", "provider: unknown key; did you mean \"providers\"?" },
        { "{\"xyzzy\": {}}", "xyzzy: unknown key" },
        { "{\"queue\": {}, \"queue\": {}}", "queue: this key is given twice" },
        { "{\"queue\": 7}", "queue: must be an object" },
        { "{\"queue\": {\"max_size\": -1}}", "queue.max_size: must be between 0 and 1000000000" },
        { "{\"queue\": {\"max_size\": \"7\"}}", "queue.max_size: must be a number" },
        { "{\"queue\": {\"max_size\": 1.5}}", "queue.max_size: must be a whole number" },
        { "{\"queue\": {\"max_wait\": 1}}",
          "queue.max_wait: unknown key; did you mean \"max_wait_ms\"?" },
        { "{\"retry\": {\"max_attempts\": 0}}",
          "retry.max_attempts: must be between 1 and 1000000" },
        { "{\"retry\": {\"base_delay_ms\": 9, \"max_delay_ms\": 8}}",
          "retry: base_delay_ms must not be above max_delay_ms" },
        { "{\"retry\": {\"jitter\": \"some\"}}",
          "retry.jitter: must be one of \"full\", \"equal\", \"decorrelated\", \"none\"" },
        { "{\"retry\": {\"jitter\": 1}}",
          "retry.jitter: must be one of \"full\", \"equal\", \"decorrelated\", \"none\"" },
        { "{\"retry\": {\"budget\": true}}", "retry.budget: must be an object" },
        { "{\"retry\": {\"budget\": {\"ratio\": 1.001}}}",
          "retry.budget.ratio: must be between 0 and 1" },
        { "{\"retry\": {\"budget\": {\"ratio\": -0.1}}}",
          "retry.budget.ratio: must be between 0 and 1" },
        { "{\"retry\": {\"budget\": {\"ratio\": \"0.1\"}}}",
          "retry.budget.ratio: must be a number" },
        { "{\"retry\": {\"budget\": {\"ratio\": 0.1234}}}",
          "retry.budget.ratio: must have three decimals at most" },
        { "{\"retry\": {\"budget\": {\"floor_per_minute\": 0}}}",
          "retry.budget.floor_per_minute: must be between 1 and 1000000000" },
        { "{\"retry\": {\"budget\": {\"burst\": 0}}}",
          "retry.budget.burst: must be between 1 and 1000000000" },
        { "{\"retry\": {\"jitter\": \"equal\", \"budget\": {\"ratio\": 0.123, "
          "\"floor_per_minute\": 1, \"burst\": 1}}}",
          NULL },
        { "{\"retry\": {\"budget\": {\"ratio\": 0}}}", NULL },
        { "{\"retry\": {\"budget\": {\"ratio\": 1}}}", NULL },
        { "{\"circuit_breaker\": {\"failure_rate\": 0}}",
          "circuit_breaker.failure_rate: must be between 0.001 and 1" },
        { "{\"circuit_breaker\": {\"half_open_probes\": 17}}",
          "circuit_breaker.half_open_probes: must be between 1 and 16" },
        { "{\"circuit_breaker\": {\"window_s\": 0}}",
          "circuit_breaker.window_s: must be between 1 and 315360000" },
        { "{\"circuit_breaker\": {\"open_ms\": 2, \"open_max_ms\": 1}}",
          "circuit_breaker: open_ms must not be above open_max_ms" },
        { "{\"adaptive\": {\"adjustment_factor\": 1}}",
          "adaptive.adjustment_factor: must be between 0.5 and 0.99" },
        { "{\"adaptive\": {\"adjustment_factor\": 0.499}}",
          "adaptive.adjustment_factor: must be between 0.5 and 0.99" },
        { "{\"adaptive\": {\"adjustment_factor\": \"0.9\"}}",
          "adaptive.adjustment_factor: must be a number" },
        { "{\"adaptive\": {\"adjustment_factor\": 0.9001}}",
          "adaptive.adjustment_factor: must have three decimals at most" },
        { "{\"adaptive\": {\"initial_rpm\": 0}}",
          "adaptive.initial_rpm: must be between 1 and 1000000000000" },
        { "{\"adaptive\": {\"minimum_tpm\": 0}}",
          "adaptive.minimum_tpm: must be between 1 and 1000000000000" },
        { "{\"adaptive\": {\"minimum_rpm\": 1.5}}",
          "adaptive.minimum_rpm: must be a whole number" },
        { "{\"adaptive\": {\"initial_rmp\": 60}}",
          "adaptive.initial_rmp: unknown key; did you mean \"initial_rpm\"?" },
        { "{\"adaptive\": {\"initial_rpm\": 5, \"minimum_rpm\": 6}}",
          "adaptive: initial_rpm must not be below minimum_rpm (default 1)" },
        { "{\"adaptive\": {\"initial_tpm\": 999}}",
          "adaptive: initial_tpm must not be below minimum_tpm (default 1000)" },
        { "{\"adaptive\": true}", "adaptive: must be an object" },
        { "{\"providers\": {\"a\": {\"adaptive\": {\"enabled\": 1}}}}",
          "providers.a.adaptive.enabled: must be true or false" },
        { "{\"adaptive\": {\"enabled\": true, \"adjustment_factor\": 0.5, \"initial_rpm\": 60, "
          "\"initial_tpm\": 60000, \"minimum_rpm\": 60, \"minimum_tpm\": 1}}",
          NULL },
        { "{\"adaptive\": {\"adjustment_factor\": 0.99}}", NULL },
        { "{\"providers\": {\"a\": {\"circuit_breaker\": {\"enabled\": 1}}}}",
          "providers.a.circuit_breaker.enabled: must be true or false" },
        { "{\"circuit_braker\": {}}",
          "circuit_braker: unknown key; did you mean \"circuit_breaker\"?" },
        { "{\"circuit_breaker\": {\"enabled\": true, \"failure_rate\": 0.001, "
          "\"minimum_calls\": 1, \"window_s\": 1, \"slow_call_ms\": 1, \"slow_rate\": 1, "
          "\"open_ms\": 1, \"open_max_ms\": 1, \"half_open_probes\": 16, "
          "\"probe_lease_ms\": 1}}",
          NULL },
        { "{\"global\": {\"requests_per_minit\": 1}}",
          "global.requests_per_minit: unknown key; did you mean \"requests_per_minute\"?" },
        { "{\"global\": {\"tokens_per_week\": 9007199254740993}}",
          NULL /* a double cannot tell it from 2^53, which is in range */ },
        { "{\"global\": {\"tokens_per_minute\": 9007199254740992}}",
          "global.tokens_per_minute: amount is more than 32 units per nanosecond of the period" },
        { "{\"global\": {\"tokens_per_minute\": 9007199254740994}}",
          "global.tokens_per_minute: must be between 0 and 9007199254740992" },
        { "{\"global\": {\"tokens_per_minute\": 1e999}}",
          "global.tokens_per_minute: must be between 0 and 9007199254740992" },
        { "{\"global\": {\"tokens_per_minute\": null}}",
          "global.tokens_per_minute: must be a number" },
        { "{\"providers\": []}", "providers: must be an object" },
        { "{\"providers\": {\"a\": {}, \"a\": {}}}", "providers.a: this key is given twice" },
        { "{\"providers\": {\"\": {}}}", "providers.: a provider's name must have 1 to 128 bytes" },
        { "{\"providers\": {\"a\": {\"dialect\": \"latin\"}}}",
          "providers.a.dialect: there is no such dialect" },
        { "{\"providers\": {\"a\": {\"auto_detect\": 1}}}",
          "providers.a.auto_detect: must be true or false" },
        { "{\"providers\": {\"a\": {\"base_url\": \"\"}}}",
          "providers.a.base_url: must have 1 to 256 bytes" },
        { "{\"providers\": {\"a\": {\"models\": {}}}}", "providers.a.models: must be an array" },
        { "{\"providers\": {\"a\": {\"models\": [{\"name\": \"m\"}, {\"requests_per_minute\": "
          "1}]}}}",
          "providers.a.models[1]: a model needs a \"name\"" },
        { "{\"providers\": {\"a\": {\"models\": [{\"name\": \"m\"}, {\"name\": \"m\"}]}}}",
          "providers.a.models[1]: this model is given twice" },
        { "{\"providers\": {\"openai\": {\"models\": [{\"name\": \"m\"}, {\"name\": \"n\"}, "
          "{\"name\": \"o\", \"tokens_per_minute\": true}]}}}",
          "providers.openai.models[2].tokens_per_minute: must be a number" },
        { "{\"providers\": {\"openai\": {\"tier\": \"Tier 3\"}}}", NULL },
        { "{\"providers\": {\"openai\": {\"tier\": 3}}}",
          "providers.openai.tier: must be a string" },
        { "{\"providers\": {\"groq\": {\"tier\": \"tier-3\"}}}",
          "providers.groq.tier: there is no such tier of \"groq\"; there are \"free\", "
          "\"developer\", \"guide\"" },
        { "{\"providers\": {\"groq\": {\"tier\": \"-\"}}}",
          "providers.groq.tier: there is no such tier of \"groq\"; there are \"free\", "
          "\"developer\", \"guide\"" },
        { "{\"providers\": {\"house\": {\"tier\": \"free\"}}}",
          "providers.house.tier: there is no built-in table for \"house\"" },
        { "{\"providers\": {\"house\": {\"tier\": \"free\", \"dialect\": \"groq\"}}}", NULL },
        { "{\"providers\": {\"openai\": {\"unknown\": \"requests_per_minute\"}}}",
          "providers.openai.unknown: must be an array" },
        { "{\"providers\": {\"openai\": {\"unknown\": [\"daily_tokens\", \"concurrency\", "
          "\"rpm\"]}}}",
          "providers.openai.unknown[2]: must be a limit, like \"requests_per_minute\"" },
        { "{\"global\": {\"tier\": \"free\"}}", "global.tier: unknown key" },
        { "{\"global\": {\"a\\u0007\\u001b[31m\": 1}}", "global.a??[31m: unknown key" },
        { "{\"global\": {\"requests_per_second\": 0}}", NULL },
        { "{\"global\": {\"tokens_per_day\": 1, \"daily_tokens\": 1}}",
          "global.daily_tokens: there is another limit on tokens for the same period" },
        { "{\"global\": {\"dollars_per_day\": 0.1}}", NULL },
        { "{\"global\": {\"dollars_per_day\": -0.1}}",
          "global.dollars_per_day: must be between 0 and 9000000 dollars" },
        { "{\"global\": {\"dollars_per_day\": \"1\"}}",
          "global.dollars_per_day: must be a number" },
        { "{\"global\": {\"concurrency\": 1.5}}", "global.concurrency: must be a whole number" },
        { "{\"global\": {\"day_zone\": \"Mars/Olympus\"}}",
          "global.day_zone: there is no data for this time zone in /usr/share/zoneinfo" },
        { "{\"global\": {\"day_zone\": \"local\"}}", NULL },
        { "{\"global\": {\"limits\": {}}}", "global.limits: must be an array" },
        { LIMIT("7"), "global.limits[0]: must be an object" },
        { LIMIT("{}"), "global.limits[0]: a limit needs a \"dimension\"" },
        { LIMIT("{\"dimension\": \"token\"}"),
          "global.limits[0].dimension: must be \"requests\", \"tokens\", \"input_tokens\", "
          "\"output_tokens\", \"images\", \"dollars\" or \"concurrency\"" },
        { LIMIT("{\"dimension\": \"tokens\"}"), "global.limits[0]: a limit needs an \"amount\"" },
        { LIMIT("{\"dimension\": \"tokens\", \"amount\": 5}"),
          "global.limits[0]: a limit needs a \"period\"" },
        { LIMIT("{\"dimension\": \"tokens\", \"amount\": 0.5, \"period\": \"day\"}"),
          "global.limits[0].amount: must be a whole number" },
        { LIMIT("{\"dimension\": \"tokens\", \"amount\": 5, \"period\": \"5 x\"}"),
          "global.limits[0].period: must be \"second\", \"minute\", \"hour\", \"day\", \"week\", "
          "\"month\", or a span like \"5h\" or \"90s\"" },
        { LIMIT("{\"dimension\": \"tokens\", \"amount\": 5, \"period\": 60}"),
          "global.limits[0].period: must be a string" },
        { LIMIT(DAY ", \"algorithm\": \"fixed-window\"}"),
          "global.limits[0].algorithm: there is no algorithm of that name" },
        { LIMIT(DAY ", \"algorithm\": \"fixed_window\", \"burst\": 2}"),
          "global.limits[0]: burst is neither 0 nor the amount: only buckets have one of their "
          "own" },
        { LIMIT(DAY ", \"align\": \"day\"}"),
          "global.limits[0]: \"align\" needs \"algorithm\": \"fixed_window\"" },
        { LIMIT(DAY ", \"align\": \"noon\"}"),
          "global.limits[0].align: must be \"epoch\", \"first\", \"hour\", \"day\" or \"month\"" },
        { LIMIT(DAY ", \"algorithm\": \"fixed_window\", \"align\": \"hour\"}"),
          "global.limits[0]: period is neither an hour nor an even part of it" },
        { LIMIT(DAY ", \"algorithm\": \"fixed_window\", \"align\": \"day\", \"zone\": "
                    "\"Mars/Olympus\"}"),
          "global.limits[0].zone: there is no data for this time zone in /usr/share/zoneinfo" },
        { LIMIT(DAY ", \"algorithm\": \"fixed_window\", \"zone\": \"Asia/Tokyo\"}"),
          "global.limits[0]: zone and day_start are for days and months" },
        { LIMIT(DAY ", \"day_start\": \"24:00\"}"),
          "global.limits[0].day_start: must be a time of day like \"09:30\"" },
        { LIMIT(DAY ", \"day_start\": \"9:30\"}"),
          "global.limits[0].day_start: must be a time of day like \"09:30\"" },
        { LIMIT(DAY ", \"algorithm\": \"fixed_window\", \"align\": \"day\", \"day_start\": "
                    "\"09:30\"}"),
          NULL },
        { LIMIT(DAY ", \"mode\": \"dark\"}"),
          "global.limits[0].mode: must be \"enforce\" or \"shadow\"" },
        { LIMIT(DAY ", \"oversize\": true}"), "global.limits[0].oversize: must be a string" },
        { LIMIT(DAY ", \"unknown_usage\": \"\"}"),
          "global.limits[0].unknown_usage: must have 1 to 256 bytes" },
        { LIMIT(DAY ", \"charge\": {\"reserve\": {}}}"),
          "global.limits[0].charge: needs both \"reserve\" and \"settle\"" },
        { LIMIT(DAY ", \"charge\": {\"reserve\": {\"input_tokens\": 0.5}}}"),
          "global.limits[0].charge.reserve.input_tokens: must be a whole number between -1000000 "
          "and 1000000" },
        { LIMIT(DAY ", \"charge\": {\"reserve\": {\"output_token\": 1}}}"),
          "global.limits[0].charge.reserve.output_token: unknown key; did you mean "
          "\"output_tokens\"?" },
        { LIMIT(
              DAY
              ", \"charge\": {\"reserve\": {\"requests\": 1}, \"settle\": {\"requests\": 1}}}, " DAY
              ", \"charge\": {\"reserve\": {\"requests\": 1}, \"settle\": {\"requests\": 1}}}"),
          "global.limits[1]: there is another limit on tokens for the same period" },
        { LIMIT(DAY ", \"headroom\": {\"low\": 0.1}}"),
          "global.limits[0].headroom.low: unknown key" },
        { LIMIT(DAY ", \"headroom\": {\"high\": 1}}"),
          "global.limits[0].headroom.high: must be a number between 0 and 0.9" },
        { LIMIT(DAY ", \"headroom\": {\"high\": 0.5, \"normal\": 0.5}}"),
          "global.limits[0].headroom: more than 0.9 of the limit is set aside" },
        { LIMIT(DAY "}, " DAY "}"),
          "global.limits[1]: there is another limit on tokens for the same period" },
        { "{\"estimates\": {\"quantile\": 1}}",
          "estimates.quantile: must be a number between 0.5 and 0.999" },
        { "{\"estimates\": {\"quantile\": 0.95}}", NULL },
        { "{\"users\": []}", "users: must be an object: tiers, \"ids\" and \"max_count\"" },
        { "{\"users\": {\"default\": {\"token_per_day\": 1}}}",
          "users.default.token_per_day: unknown key; did you mean \"tokens_per_day\"?" },
        { "{\"users\": {\"a\": {}, \"a\": {}}}", "users.a: this key is given twice" },
        { "{\"users\": {\"ids\": {\"bob\": \"gold\"}}}", "users.ids.bob: there is no such tier" },
        { "{\"users\": {\"ids\": {\"bob\": \"default\", \"al\": \"default\", \"bob\": \"default\"},"
          " \"default\": {}}}",
          "users.ids.bob: this key is given twice" },
        { "{\"users\": {\"ids\": {\"\": \"default\"}}}",
          "users.ids.: an id must have 1 to 512 bytes" },
        { "{\"users\": {\"max_count\": 0}}", "users.max_count: must be between 1 and 1000000000" },
        { "{\"users\": {\"ids\": {}, \"ids\": {}}}", "users.ids: this key is given twice" },
        { "{\"users\": {\"a\": {\"weight\": 0}}}",
          "users.a.weight: must be between 1 and 1000000" },
        { "{\"organisations\": 1}",
          "organisations: must be an object: tiers, \"ids\" and \"max_count\"" },
        { "{\"api_keys\": {\"default\": {\"requests_per_month\": 1}}}", NULL },
        { "{\"fallback\": 1}", "fallback: must be an array or an object" },
        { "{\"fallback\": [\"openai/gpt-4\", \"anthropic\"]}",
          "fallback[1]: must be \"provider/model\"" },
        { "{\"fallback\": [\"/gpt-4\"]}", "fallback[0]: must be \"provider/model\"" },
        { "{\"fallback\": [\"openai/\"]}", "fallback[0]: must be \"provider/model\"" },
        { "{\"fallback\": [7]}", "fallback[0]: must be a string" },
        { "{\"fallback\": [\"a/m\", \"b/m\", \"a/m\"]}",
          "fallback[2]: this route is in the chain already" },
        { "{\"fallback\": {\"a/m\": [\"b/m\", \"a/m\"]}}",
          "fallback.a/m[1]: this route is in the chain already" },
        { "{\"fallback\": {\"a/m\": \"b/m\"}}",
          "fallback.a/m: must be an array of \"provider/model\"" },
        { "{\"fallback\": {\"a/m\": [], \"a/m\": []}}", "fallback.a/m: this key is given twice" },
        { "{\"fallback\": {\"stay_within\": 5}}",
          "fallback.stay_within: must be \"provider/model\", or \"stay_within_ms\"" },
        { "{\"fallback\": {\"stay_within_ms\": 86400001}}",
          "fallback.stay_within_ms: must be between 0 and 86400000" },
        { "{\"fallback\": {\"a/m\\u0001\": []}}",
          "fallback.a/m?: must not hold control characters" },
        { "{\"fallback\": [\"a/1\", \"a/2\", \"a/3\", \"a/4\", \"a/5\", \"a/6\", \"a/7\", \"a/8\", "
          "\"a/9\", \"a/10\", \"a/11\", \"a/12\", \"a/13\", \"a/14\", \"a/15\", \"a/16\", "
          "\"a/17\"]}",
          "fallback[16]: a chain has 16 routes at most" },
        { "{\"providers\": {\"a\": {\"keys\": [{\"name\": \"1\"}, {\"name\": \"2\"}, {\"name\": "
          "\"3\"}, {\"name\": \"4\"}, {\"name\": \"5\"}, {\"name\": \"6\"}, {\"name\": \"7\"}, "
          "{\"name\": \"8\"}, {\"name\": \"9\"}, {\"name\": \"10\"}, {\"name\": \"11\"}]}}, "
          "\"fallback\": {\"a/m\": [\"a/n\", \"a/o\"]}}",
          "fallback.a/m: 33 routes with all keys; 32 at most" },
        { "{\"fallback\": {\"stay_within_ms\": 0, \"a/m/n\": [\"b/m\"], \"b/m\": []}}", NULL },
        { "{\"fallback\": []}", NULL },
        { "{\"providers\": {\"a\": {\"keys\": {}}}}", "providers.a.keys: must be an array" },
        { "{\"providers\": {\"a\": {\"keys\": [7]}}}", "providers.a.keys[0]: must be an object" },
        { "{\"providers\": {\"a\": {\"keys\": [{\"weight\": 1}]}}}",
          "providers.a.keys[0]: a key needs a \"name\"" },
        { "{\"providers\": {\"a\": {\"keys\": [{\"name\": \"k\"}, {\"name\": \"k\"}]}}}",
          "providers.a.keys[1]: there is a key or a provider \"a#k\" already" },
        { "{\"providers\": {\"a#k\": {}, \"a\": {\"keys\": [{\"name\": \"k\"}]}}}",
          "providers.a.keys[0]: there is a key or a provider \"a#k\" already" },
        { "{\"providers\": {\"a\": {\"keys\": [{\"name\": \"k\"}]}, \"a#k\": {}}}",
          "providers.a#k: there is a provider of this name already" },
        { "{\"providers\": {\"a\": {\"keys\": [{\"name\": \"k/1\"}]}}}",
          "providers.a.keys[0].name: must not hold '#' or '/'" },
        { "{\"providers\": {\"a\": {\"keys\": [{\"name\": \"k\", \"weight\": 0}]}}}",
          "providers.a.keys[0].weight: must be between 1 and 1000000" },
        { "{\"providers\": {\"a\": {\"keys\": [{\"name\": \"k\", \"weigth\": 1}]}}}",
          "providers.a.keys[0].weigth: unknown key; did you mean \"weight\"?" },
        { "{\"providers\": {\"a\": {\"keys\": [{\"name\": \"k\", \"keys\": []}]}}}",
          "providers.a.keys[0].keys: unknown key" },
        { "{\"providers\": {\"a\": {\"keys\": [{\"name\": \"k\", \"tier\": \"x\", \"tier\": "
          "\"y\"}]}}}",
          "providers.a.keys[0].tier: this key is given twice" },
        { "{\"providers\": {\"a\": {\"weight\": 1}}}", "providers.a.weight: unknown key" },
        { "{\"providers\": {\"a\": {\"requests_per_minute\": 5, \"keys\": [{\"name\": \"k\", "
          "\"requests_per_minute\": true}]}}}",
          "providers.a.keys[0].requests_per_minute: must be a number" },
        { "{\"providers\": {\"openai\": {\"tier\": \"tier-1\", \"requests_per_minute\": 5, "
          "\"keys\": [{\"name\": \"eu\", \"weight\": 3, \"tier\": \"tier-2\", \"base_url\": "
          "\"https://eu\", \"api_key_env\": \"EU\", \"requests_per_minute\": 7, \"models\": []}, "
          "{\"name\": \"us\"}]}}}",
          NULL },
        { "{}", NULL },
    };
    char error[256];

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_status st = rl_config_check(row[i].json, strlen(row[i].json), error, sizeof error);

        if (row[i].error == NULL ? st != RL_OK
                                 : st != RL_E_CONFIG || strcmp(error, row[i].error) != 0)
            fail_msg("row %zu: %s: \"%s\"", i, rl_status_name(st), error);
    }
}

static uint64_t requests_per_minute(rl_context *rl, const char *provider)
{
    rl_request request = RL_REQUEST_INIT;
    rl_limit_status status[8];
    size_t count = 8;

    request.provider = provider;
    request.model = "m";
    assert_int_equal(rl_limits_of(rl, &request, status, &count), RL_OK);
    assert_true(count <= 8);
    for (size_t i = 0; i < count; i++)
        if (status[i].dimension == RL_REQUESTS && status[i].period == RL_MINUTE)
            return status[i].amount;
    return 0;
}

static void a_key_has_what_its_provider_has_but_for_what_it_says(void **state)
{
    static const char json[] =
        "{\"providers\": {\"p\": {\"requests_per_minute\": 50, \"base_url\": \"https://p\","
        "  \"api_key_env\": \"P\", \"keys\": ["
        "   {\"name\": \"a\", \"api_key_env\": \"A\"},"
        "   {\"name\": \"b\", \"requests_per_minute\": 7, \"base_url\": \"https://b\"}]}}}";
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl;

    (void)state;
    options.config_json = json;
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    assert_string_equal(rl_config_base_url(rl, "p#a"), "https://p");
    assert_string_equal(rl_config_base_url(rl, "p#b"), "https://b");
    assert_string_equal(rl_config_api_key_env(rl, "p#a"), "A");
    assert_string_equal(rl_config_api_key_env(rl, "p#b"), "P");
    assert_int_equal(requests_per_minute(rl, "p"), 50);
    assert_int_equal(requests_per_minute(rl, "p#a"), 50);
    assert_int_equal(requests_per_minute(rl, "p#b"), 7);
    assert_int_equal(
        rl_config_patch(rl, "{\"providers\": {\"p\": {\"requests_per_minute\": 60}}}", NULL, 0),
        RL_OK);
    assert_int_equal(requests_per_minute(rl, "p#a"), 60);
    assert_int_equal(requests_per_minute(rl, "p#b"), 7);
    rl_close(rl);
}

static void every_key_is_accepted(void **state)
{
    static const char json[] =
        "{\"global\": {\"requests_per_minute\": 1000, \"tokens_per_minute\": 100000},"
        " \"providers\": {\"openai\": {\"dialect\": \"openai\", \"requests_per_second\": 1, "
        "\"requests_per_minute\": 2,"
        "  \"requests_per_hour\": 3, \"requests_per_day\": 4, \"tokens_per_minute\": 60000,"
        "  \"input_tokens_per_minute\": 5, \"output_tokens_per_minute\": 6, \"auto_detect\": true,"
        "  \"base_url\": \"https://api.openai.com\", \"api_key_env\": \"OPENAI_API_KEY\","
        "  \"models\": [{\"name\": \"gpt-4o-mini\", \"requests_per_minute\": 200}]}},"
        " \"queue\": {\"max_size\": 10000, \"max_wait_ms\": 30000},"
        " \"retry\": {\"max_attempts\": 6, \"base_delay_ms\": 500, \"max_delay_ms\": 30000, "
        "\"max_hint_ms\": 300000}}";
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl;
    char error[256];

    (void)state;
    options.config_json = json;
    options.error = error;
    options.error_size = sizeof error;
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    assert_string_equal(rl_config_base_url(rl, "openai"), "https://api.openai.com");
    assert_string_equal(rl_config_api_key_env(rl, "openai"), "OPENAI_API_KEY");
    assert_null(rl_config_base_url(rl, "groq"));
    rl_close(rl);
}

static void the_right_numbers_reach_the_right_limits(void **state)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_request request = RL_REQUEST_INIT;
    rl_limit_status status[8];
    size_t count = 8;
    rl_permit permit;
    rl_context *rl;

    (void)state;
    options.config_json =
        "{\"global\": {\"requests_per_hour\": 7}, \"providers\": {\"openai\": "
        "{\"tokens_per_minute\": "
        "600, \"models\": [{\"name\": \"m\", \"output_tokens_per_day\": 50000}]}}}";
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    request.provider = "openai";
    request.model = "m";
    request.input_tokens = 5;
    request.max_output_tokens = 5;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_limits_get(rl, status, &count), RL_OK);
    assert_int_equal(count, 3);
    assert_string_equal(status[0].scope, "global");
    assert_int_equal(status[0].dimension, RL_REQUESTS);
    assert_int_equal(status[0].period, RL_HOUR);
    assert_string_equal(status[1].scope, "openai");
    assert_int_equal(status[1].dimension, RL_TOKENS);
    assert_int_equal(status[1].level.limit, 600);
    assert_string_equal(status[2].scope, "openai/m");
    assert_int_equal(status[2].dimension, RL_OUTPUT_TOKENS);
    assert_int_equal(status[2].level.limit, 50000);
    assert_int_equal(status[2].level.remaining, 50000 - 50000 / 1024 - 5);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    rl_close(rl);
}

/* SEED-BUGS 4: 0 is a value. */
static void zero_blocks(void **state)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_request request = RL_REQUEST_INIT;
    rl_permit permit;
    rl_context *rl;

    (void)state;
    options.config_json = "{\"providers\": {\"openai\": {\"requests_per_minute\": 0}}}";
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    request.provider = "openai";
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_E_TOO_LARGE);
    request.provider = "groq";
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    rl_close(rl);
}

static void files_are_read_and_their_mistakes_told(void **state)
{
    char path[] = "/tmp/llmrl-config-XXXXXX", error[256];
    rl_options options = RL_OPTIONS_INIT;
    int fd = mkstemp(path);
    rl_context *rl;

    (void)state;
    assert_true(fd >= 0);
    options.error = error;
    options.error_size = sizeof error;
    options.config_path = path;
    assert_int_equal(write(fd, "{\"queue\": 3}", 12), 12);
    assert_int_equal(rl_open(&options, &rl), RL_E_CONFIG);
    assert_string_equal(error, "queue: must be an object");
    assert_null(rl);
    assert_int_equal(ftruncate(fd, 2 * 1024 * 1024), 0);
    assert_int_equal(rl_open(&options, &rl), RL_E_CONFIG);
    assert_non_null(strstr(error, "longer than"));
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rl_open(&options, &rl), RL_E_IO);
    assert_non_null(strstr(error, "No such file"));
    options.config_json = "{}";
    assert_int_equal(rl_open(&options, &rl), RL_E_INVALID);
}

static void an_error_text_fits_any_buffer(void **state)
{
    static const char json[] = "{\"provider\": {}}";
    char error[64];

    (void)state;
    for (size_t size = 0; size <= sizeof error; size++) {
        memset(error, 'x', sizeof error);
        assert_int_equal(rl_config_check(json, strlen(json), error, size), RL_E_CONFIG);
        if (size > 0)
            assert_true(strlen(error) < size);
        if (size < sizeof error)
            assert_int_equal(error[size], 'x');
    }
    assert_int_equal(rl_config_check(json, strlen(json), NULL, 0), RL_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_names_its_place),
        cmocka_unit_test(a_key_has_what_its_provider_has_but_for_what_it_says),
        cmocka_unit_test(every_key_is_accepted),
        cmocka_unit_test(the_right_numbers_reach_the_right_limits),
        cmocka_unit_test(zero_blocks),
        cmocka_unit_test(files_are_read_and_their_mistakes_told),
        cmocka_unit_test(an_error_text_fits_any_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
