/* SPDX-License-Identifier: MIT */
/* Owns a breaker's defaults and ranges, and what an answer says about health. */
#include "base/arith.h"
#include "base/sized.h"

#include <llmrl/breaker.h>

static void or_default(uint64_t *value, uint64_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static void fill_in(rl_breaker_options *options)
{
    or_default(&options->failure_rate, 500);
    or_default(&options->window, 60 * RL_SECOND);
    or_default(&options->window_calls, 100);
    or_default(&options->minimum_calls,
               options->form == RL_BREAKER_COUNT_WINDOW ? rl__min(10, options->window_calls) : 10);
    or_default(&options->failures_in_a_row, 5);
    or_default(&options->slow_rate, 500);
    or_default(&options->open_for, 30 * RL_SECOND);
    or_default(&options->open_for_max, options->open_for);
    or_default(&options->open_jitter, 100);
    or_default(&options->half_open_probes, 1);
    or_default(&options->successes_to_close, options->half_open_probes);
    or_default(&options->probe_lease, 60 * RL_SECOND);
    or_default(&options->buckets, 10);
}

static int is_in_range(const rl_breaker_options *options)
{
    return options->form <= RL_BREAKER_CONSECUTIVE &&
           (options->failure_rate <= 1000 || options->failure_rate == RL_NEVER) &&
           options->slow_rate <= 1000 && options->open_jitter <= 1000 &&
           options->window_calls <= RL_BREAKER_WINDOW_CALLS_MAX &&
           options->buckets <= RL_BREAKER_BUCKETS_MAX && options->window >= options->buckets &&
           options->half_open_probes <= RL_BREAKER_PROBES_MAX &&
           options->open_for <= options->open_for_max &&
           (options->form != RL_BREAKER_COUNT_WINDOW ||
            options->minimum_calls <= options->window_calls);
}

rl_status rl_breaker_options_resolve(const rl_breaker_options *options, rl_breaker_options *out)
{
    rl_breaker_options own = RL_BREAKER_OPTIONS_INIT;
    rl_status st;

    if (out == NULL)
        return RL_E_INVALID;
    if (options != NULL && (st = rl__copy_sized(&own, sizeof own, options, options->size)) != RL_OK)
        return st;
    fill_in(&own);
    if (!is_in_range(&own))
        return RL_E_INVALID;
    *out = own;
    return RL_OK;
}

/* An answer that finds fault with the request comes from a provider that works. */
rl_breaker_outcome rl_breaker_outcome_of(uint64_t outcome, uint64_t failure)
{
    switch (outcome) {
    case RL_OUTCOME_OK:
    case RL_OUTCOME_CLIENT_ERROR:
    case RL_OUTCOME_TOO_LARGE:
        return RL_BREAKER_SUCCESS;
    case RL_OUTCOME_SERVER_ERROR:
    case RL_OUTCOME_OVERLOADED:
        return RL_BREAKER_FAILURE;
    case RL_OUTCOME_TRANSPORT:
        return failure == RL_FAILURE_ABORTED || failure == RL_FAILURE_TOO_BIG ? RL_BREAKER_NEUTRAL
                                                                              : RL_BREAKER_FAILURE;
    default:
        return RL_BREAKER_NEUTRAL;
    }
}
