/* SPDX-License-Identifier: MIT */
/* Owns the keys of "retry", of "circuit_breaker" and of "adaptive". */
#include "context/config_flow.h"

#include "scope/search.h"

#include <string.h>

#define SPAN_MS_MAX (UINT64_C(10) * 365 * 86400 * 1000)
#define COUNT_MAX   UINT64_C(1000000000)

/* A share of one, with three decimals at most, as thousandths. */
static rl_status read_share(struct rl__reader *reader, const cJSON *value, uint64_t low,
                            uint64_t *out)
{
    double scaled = cJSON_IsNumber(value) ? value->valuedouble * 1000 : -1, rest;

    if (!cJSON_IsNumber(value))
        return rl__reader_fail(reader, "must be a number");
    if (!(scaled >= (double)low - 0.0005 && scaled <= 1000.0005))
        return rl__reader_fail(reader, "must be between %s and 1", low == 0 ? "0" : "0.001");
    *out = (uint64_t)(scaled + 0.5);
    rest = scaled - (double)*out;
    if (rest > 0.0005 || rest < -0.0005)
        return rl__reader_fail(reader, "must have three decimals at most");
    return RL_OK;
}

/* Which of `count` words; the message lists them. */
static rl_status read_word(struct rl__reader *reader, const cJSON *value, const char *const *words,
                           size_t count, const char *list, uint64_t *out)
{
    for (size_t i = 0; i < count; i++)
        if (cJSON_IsString(value) && strcmp(value->valuestring, words[i]) == 0) {
            *out = i;
            return RL_OK;
        }
    return rl__reader_fail(reader, "must be one of %s", list);
}

/* ---- retry.budget ---- */

static rl_status read_ratio(struct rl__reader *reader, const cJSON *value, void *target)
{
    rl_retry_budget_options *budget = target;
    rl_status st = read_share(reader, value, 0, &budget->ratio);

    if (st == RL_OK && budget->ratio == 0)
        budget->ratio = RL_NEVER; /* only the floor */
    return st;
}

static rl_status read_floor(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, COUNT_MAX,
                            &((rl_retry_budget_options *)target)->floor);
}

static rl_status read_burst(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, COUNT_MAX,
                            &((rl_retry_budget_options *)target)->burst);
}

static const struct rl__key budget_keys[] = { { "ratio", read_ratio },
                                              { "floor_per_minute", read_floor },
                                              { "burst", read_burst },
                                              { NULL, NULL } };

/* ---- retry ---- */

struct retry_target {
    rl_retry_policy policy;
    struct rl__config *config;
};

static rl_status read_max_attempts(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, 1000000,
                            &((struct retry_target *)target)->policy.max_attempts);
}

static rl_status read_base_delay(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, SPAN_MS_MAX,
                            &((struct retry_target *)target)->policy.base_delay_ms);
}

static rl_status read_max_delay(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, SPAN_MS_MAX,
                            &((struct retry_target *)target)->policy.max_delay_ms);
}

static rl_status read_max_hint(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, SPAN_MS_MAX,
                            &((struct retry_target *)target)->policy.max_hint_ms);
}

static rl_status read_jitter(struct rl__reader *reader, const cJSON *value, void *target)
{
    static const char *const words[] = { "full", "equal", "decorrelated", "none" };

    return read_word(reader, value, words, sizeof words / sizeof words[0],
                     "\"full\", \"equal\", \"decorrelated\", \"none\"",
                     &((struct retry_target *)target)->policy.jitter);
}

static rl_status read_budget(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct rl__config *config = ((struct retry_target *)target)->config;

    config->has_retry_budget = 1;
    return rl__read_object(reader, value, budget_keys, &config->retry_budget);
}

static const struct rl__key retry_keys[] = { { "max_attempts", read_max_attempts },
                                             { "base_delay_ms", read_base_delay },
                                             { "max_delay_ms", read_max_delay },
                                             { "max_hint_ms", read_max_hint },
                                             { "jitter", read_jitter },
                                             { "budget", read_budget },
                                             { NULL, NULL } };

rl_status rl__read_retry(struct rl__reader *reader, const cJSON *value, struct rl__config *config)
{
    struct retry_target read = { RL_RETRY_POLICY_INIT, config };
    rl_status st = rl__read_object(reader, value, retry_keys, &read);

    if (st != RL_OK)
        return st;
    if (rl_retry_policy_resolve(&read.policy, &config->retry) != RL_OK)
        return rl__reader_fail(reader, "base_delay_ms must not be above max_delay_ms");
    return RL_OK;
}

/* ---- circuit_breaker ---- */

static rl_breaker_options *options_of(void *target)
{
    return &((struct rl__breaker_settings *)target)->options;
}

static rl_status read_enabled(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_flag(reader, value, &((struct rl__breaker_settings *)target)->enabled);
}

static rl_status read_failure_rate(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_share(reader, value, 1, &options_of(target)->failure_rate);
}

static rl_status read_slow_rate(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_share(reader, value, 1, &options_of(target)->slow_rate);
}

static rl_status read_minimum_calls(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, COUNT_MAX, &options_of(target)->minimum_calls);
}

/* A span in units of `unit`, none of them 0. */
static rl_status read_span(struct rl__reader *reader, const cJSON *value, rl_duration unit,
                           rl_duration *out)
{
    rl_status st = rl__read_integer(reader, value, 1, SPAN_MS_MAX / (unit / RL_MILLISECOND), out);

    if (st == RL_OK)
        *out *= unit;
    return st;
}

static rl_status read_window(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_span(reader, value, RL_SECOND, &options_of(target)->window);
}

static rl_status read_slow_call(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_span(reader, value, RL_MILLISECOND, &options_of(target)->slow_call);
}

static rl_status read_open(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_span(reader, value, RL_MILLISECOND, &options_of(target)->open_for);
}

static rl_status read_open_max(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_span(reader, value, RL_MILLISECOND, &options_of(target)->open_for_max);
}

static rl_status read_probes(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, RL_BREAKER_PROBES_MAX,
                            &options_of(target)->half_open_probes);
}

static rl_status read_probe_lease(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_span(reader, value, RL_MILLISECOND, &options_of(target)->probe_lease);
}

static const struct rl__key breaker_keys[] = { { "enabled", read_enabled },
                                               { "failure_rate", read_failure_rate },
                                               { "minimum_calls", read_minimum_calls },
                                               { "window_s", read_window },
                                               { "slow_call_ms", read_slow_call },
                                               { "slow_rate", read_slow_rate },
                                               { "open_ms", read_open },
                                               { "open_max_ms", read_open_max },
                                               { "half_open_probes", read_probes },
                                               { "probe_lease_ms", read_probe_lease },
                                               { NULL, NULL } };

rl_status rl__read_breaker(struct rl__reader *reader, const cJSON *value,
                           struct rl__breaker_settings *settings)
{
    rl_status st;

    settings->given = settings->enabled = 1;
    settings->options = RL_BREAKER_OPTIONS_INIT;
    if ((st = rl__read_object(reader, value, breaker_keys, settings)) != RL_OK)
        return st;
    if (rl_breaker_options_resolve(&settings->options, &settings->options) != RL_OK)
        return rl__reader_fail(reader, "open_ms must not be above open_max_ms");
    return RL_OK;
}

/* ---- adaptive ---- */

#define RATE_MAX     UINT64_C(1000000000000)
#define FLOOR_RPM    1
#define FLOOR_TPM    1000
#define FACTOR_LEAST 0.5 /* half is the most that a refusal is worth */
#define FACTOR_MOST  0.99

static struct rl__searching *searching_of(void *target)
{
    return target;
}

static rl_status read_searching_enabled(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_flag(reader, value, &searching_of(target)->enabled);
}

static rl_status read_factor(struct rl__reader *reader, const cJSON *value, void *target)
{
    double number = cJSON_IsNumber(value) ? value->valuedouble : FACTOR_LEAST;
    uint64_t thousandths = 0;
    rl_status st;

    if (!(number >= FACTOR_LEAST && number <= FACTOR_MOST))
        return rl__reader_fail(reader, "must be between 0.5 and 0.99");
    if ((st = read_share(reader, value, 0, &thousandths)) == RL_OK)
        searching_of(target)->factor = thousandths * (RL__SEARCH_WHOLE / 1000);
    return st;
}

static rl_status read_minimum_rpm(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, RATE_MAX, &searching_of(target)->minimum_rpm);
}

static rl_status read_minimum_tpm(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, RATE_MAX, &searching_of(target)->minimum_tpm);
}

static rl_status read_initial_rpm(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, RATE_MAX, &searching_of(target)->initial_rpm);
}

static rl_status read_initial_tpm(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, RATE_MAX, &searching_of(target)->initial_tpm);
}

static const struct rl__key searching_keys[] = { { "enabled", read_searching_enabled },
                                                 { "adjustment_factor", read_factor },
                                                 { "initial_rpm", read_initial_rpm },
                                                 { "initial_tpm", read_initial_tpm },
                                                 { "minimum_rpm", read_minimum_rpm },
                                                 { "minimum_tpm", read_minimum_tpm },
                                                 { NULL, NULL } };

void rl__searching_init(struct rl__searching *searching)
{
    *searching = (struct rl__searching){ .enabled = 1,
                                         .factor = RL__SEARCH_FACTOR,
                                         .minimum_rpm = FLOOR_RPM,
                                         .minimum_tpm = FLOOR_TPM };
}

rl_status rl__read_searching(struct rl__reader *reader, const cJSON *value,
                             struct rl__searching *searching)
{
    rl_status st;

    rl__searching_init(searching);
    searching->given = 1;
    if ((st = rl__read_object(reader, value, searching_keys, searching)) != RL_OK)
        return st;
    if (searching->initial_rpm != 0 && searching->initial_rpm < searching->minimum_rpm)
        return rl__reader_fail(reader, "initial_rpm must not be below minimum_rpm (default 1)");
    if (searching->initial_tpm != 0 && searching->initial_tpm < searching->minimum_tpm)
        return rl__reader_fail(reader, "initial_tpm must not be below minimum_tpm (default 1000)");
    return RL_OK;
}
