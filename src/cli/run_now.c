/* SPDX-License-Identifier: MIT */
/* Owns how things stand in a run: what is done, on its way and left, beside what the limits allow.
 */
#include "run_now.h"

#include <string.h>

#define LIMITS_SHOWN 64

/* Whether a limit's scope covers the whole provider (1) or one of its models (2); 0: neither. */
static int covers(const rl_limit_status *limit, const char *provider)
{
    size_t length = strlen(provider);

    if (strcmp(limit->scope, "global") == 0 || strcmp(limit->scope, provider) == 0)
        return 1;
    return strncmp(limit->scope, provider, length) == 0 && limit->scope[length] == '/' ? 2 : 0;
}

/* What a dimension allows per minute; 0: unknown. The tightest limit of the whole counts; where
 * there is none, the models' limits together. Limits on days say nothing about the next minute. */
static double limit_per_minute(const rl_limit_status *limit, size_t count, uint32_t dimension,
                               const char *provider)
{
    double tightest = 0, sum = 0;

    for (size_t i = 0; i < count; i++) {
        int kind = limit[i].dimension == dimension ? covers(&limit[i], provider) : 0;
        double value = (double)limit[i].level.limit * (double)RL_MINUTE / (double)limit[i].period;
        if (kind == 1 && limit[i].period <= RL_HOUR && (tightest <= 0 || value < tightest))
            tightest = value;
        if (kind == 2 && limit[i].period == RL_MINUTE)
            sum += value;
    }
    return tightest > 0 ? tightest : sum;
}

static void add_limits(const struct run *run, struct run_now *now)
{
    const char *provider = run->options.provider;
    rl_limit_status limits[LIMITS_SHOWN];
    size_t count = LIMITS_SHOWN;

    if (rl_limits_get(run->rl, limits, &count) != RL_OK)
        return;
    if (count > LIMITS_SHOWN)
        count = LIMITS_SHOWN;
    now->requests_limit = limit_per_minute(limits, count, RL_REQUESTS, provider);
    now->tokens_limit = limit_per_minute(limits, count, RL_TOKENS, provider);
}

rl_stats run_now_stats(const struct run *run)
{
    rl_stats stats;

    memset(&stats, 0, sizeof stats);
    stats.size = sizeof stats;
    (void)rl_stats_get(run->rl, &stats); /* zeros, should it fail */
    return stats;
}

/* UINT64_MAX: one of them is a pipe, so nobody knows. */
static uint64_t bytes_left(const struct run *run)
{
    uint64_t left = run->bytes_under_way;

    for (size_t i = 0; i < run->sources; i++) {
        const struct run_source *source = &run->source[i];

        if (source->size == UINT64_MAX)
            return UINT64_MAX;
        if (source->size > source->input.offset)
            left += source->size - source->input.offset;
    }
    return left;
}

void run_now_show(struct run *run)
{
    double clock = text_clock();
    struct run_now now = { 0 };
    rl_stats stats;

    if (!run_progress_due(&run->progress, clock))
        return;
    stats = run_now_stats(run);
    now.done = run->sum.succeeded;
    now.failed = run->sum.failed + run->sum.invalid_lines;
    now.on_wire = rl_http_engine_in_flight(run->engine);
    now.waiting = rl_http_engine_pending(run->engine) - now.on_wire;
    now.requests = stats.granted;
    now.tokens = stats.input_tokens + stats.output_tokens;
    now.bytes_done = run->bytes_done;
    now.bytes_left = bytes_left(run);
    add_limits(run, &now);
    run_progress_show(&run->progress, &now, clock);
}
