/* SPDX-License-Identifier: MIT */
/* Owns the life of a context, and what can be asked of it. */
#include "context/context.h"

#include "base/arith.h"
#include "base/fork_mark.h"
#include "base/sized.h"
#include "base/text.h"
#include "context/guard.h"

#include <llmrl/config.h>
#include <string.h>

static rl_status fail(const rl_options *options, rl_status st, const char *text)
{
    struct rl__text error =
        rl__text_on(options->error, options->error == NULL ? 0 : options->error_size);

    rl__text_add(&error, "%s", text);
    return st;
}

static rl_status read_config(rl_context *rl, const rl_options *options)
{
    if ((rl->config = rl__config_new(&rl->env, options->algorithms)) == NULL)
        return RL_E_NOMEM;
    if (options->config_path != NULL && options->config_json != NULL)
        return fail(options, RL_E_INVALID, "config_path and config_json exclude each other");
    if (options->config_path != NULL)
        return rl__config_read_file(rl->config, options->config_path, options->error,
                                    options->error_size);
    if (options->config_json != NULL)
        return rl__config_read(rl->config, options->config_json, strlen(options->config_json),
                               options->error, options->error_size);
    return RL_OK;
}

static rl_status start_locks(rl_context *rl)
{
    rl_status st = rl__mutex_init(&rl->lock);

    if (st != RL_OK)
        return st;
    if ((st = rl__condition_init(&rl->locked.left)) != RL_OK) {
        rl__mutex_deinit(&rl->lock);
        return st;
    }
    if ((st = rl__mutex_init(&rl->reloading)) != RL_OK) {
        rl__condition_deinit(&rl->locked.left);
        rl__mutex_deinit(&rl->lock);
        return st;
    }
    rl->lock_ready = 1;
    return RL_OK;
}

/* The user's clock is read as it is. */
static void start_clock(rl_context *rl)
{
    (void)rl_clock_init(
        &rl->clock, rl->env.own_clock ? RL_CLOCK_TSC : RL_CLOCK_PRECISE); /* both kinds are known */
    if (!rl->env.own_clock) {
        rl->clock.precise = rl->env.hooks.now;
        rl->clock.user = rl->env.hooks.user;
    }
}

static rl_status start(rl_context *rl, const rl_options *options)
{
    rl_status st;

    rl->locked.ready_end = &rl->locked.ready;
    if ((st = read_config(rl, options)) != RL_OK)
        return st;
    rl__queue_init(&rl->locked.queue, &rl->env, &rl->config->queue);
    if ((st = start_locks(rl)) != RL_OK)
        return st;
    if ((st = rl__registry_init(&rl->registry, &rl->env)) != RL_OK)
        return st;
    rl->registry_ready = 1;
    rl->on_event = options->on_event;
    rl->event_user = options->event_user;
    rl->registry.furnish_provider = rl__furnish_provider;
    rl->registry.furnish_lane = rl__furnish_lane;
    rl->registry.user = rl;
    st = rl_retry_budget_init(&rl->retry_budget, &rl->config->retry_budget, rl__now(&rl->env));
    if (st != RL_OK)
        return st;
    if ((st = rl__furnish_global(rl)) != RL_OK)
        return fail(options, st, "global: too many limits");
    if ((st = rl__furnish_tenants(rl, rl->config)) != RL_OK)
        return fail(options, st, "users, organisations, api_keys: too many limits in a tier");
    return RL_OK;
}

rl_status rl_open(const rl_options *options, rl_context **out)
{
    rl_options own = RL_OPTIONS_INIT;
    struct rl__env env;
    rl_context *rl;
    rl_status st;

    if (out == NULL)
        return RL_E_INVALID;
    *out = NULL;
    if (options != NULL && (st = rl__copy_sized(&own, sizeof own, options, options->size)) != RL_OK)
        return st;
    if ((st = rl__env_init(&env, own.hooks)) != RL_OK)
        return st;
    if ((rl = rl__alloc_zeroed(&env, 1, sizeof *rl)) == NULL)
        return fail(&own, RL_E_NOMEM, rl_status_text(RL_E_NOMEM));
    rl->env = env;
    start_clock(rl);
    rl->env.mark = rl__fork_mark_new();
    rl->classify = own.classify;
    rl->classify_user = own.classify_user;
    rl->count_tokens = own.count_tokens;
    rl->count_tokens_user = own.count_tokens_user;
    if ((st = start(rl, &own)) != RL_OK) {
        if (st == RL_E_NOMEM)
            (void)fail(&own, st, rl_status_text(st));
        rl_close(rl);
        return st;
    }
    *out = rl;
    return RL_OK;
}

static void deliver_closing(rl_context *rl)
{
    rl__lock(&rl->lock);
    rl->locked.closing = 1;
    rl__run_queue_locked(rl, rl__now(&rl->env));
    while (rl->locked.inside > 0)
        rl__wait_until(&rl->locked.left, &rl->lock, &rl->env, RL_NEVER);
    rl__unlock(&rl->lock);
    (void)rl_dispatch(rl);
}

static void name_forgotten(rl_context *rl)
{
    for (const struct rl__lane_node *node = rl__registry_lanes(&rl->registry); node != NULL;
         node = node->next) {
        unsigned long long count = rl__lane_in_flight(&node->lane);

        if (count > 0)
            rl__log(&rl->env, RL_LOG_WARNING, "%s: %llu permit%s never ended", node->name, count,
                    count == 1 ? " has" : "s have");
    }
}

void rl_close(rl_context *rl)
{
    struct rl__env env;

    if (!rl__is_ours(rl))
        return; /* in a child: the parent's threads may hold anything */
    env = rl->env;
    if (rl->registry_ready) {
        deliver_closing(rl);
        name_forgotten(rl);
    }
    rl__wait_fd_free(rl->locked.wait_fd, &rl->env);
    rl__queue_deinit(&rl->locked.queue);
    rl__guards_free(rl);
    rl__registry_deinit(&rl->registry);
    while (rl->config != NULL) {
        struct rl__config *older = rl->config->older;

        rl__config_free(rl->config);
        rl->config = older;
    }
    if (rl->lock_ready) {
        rl__mutex_deinit(&rl->reloading);
        rl__condition_deinit(&rl->locked.left);
        rl__mutex_deinit(&rl->lock);
    }
    rl__fork_mark_free(env.mark);
    rl__free(&env, rl);
}

rl_time rl_now(const rl_context *rl)
{
    return rl == NULL ? 0 : rl__now(&rl->env);
}

/* Lanes are only ever added: those that are not in the list yet have granted nothing to speak of.
 */
static void count_permits(const rl_context *rl, rl_stats *stats)
{
    for (const struct rl__lane_node *node = rl__registry_lanes(&rl->registry); node != NULL;
         node = node->next) {
        stats->in_flight += rl__lane_in_flight(&node->lane);
        stats->granted += rl__load(&node->lane.granted);
    }
}

rl_status rl_stats_get(const rl_context *rl, rl_stats *stats)
{
    rl_stats own = { .size = sizeof own };

    if (!rl__seems_ours(rl) || stats == NULL || stats->size < sizeof stats->size)
        return RL_E_INVALID;
    count_permits(rl, &own);
    own.waiting = rl__load(&rl->locked.queue.count);
    own.answers = rl__load(&rl->count.answers);
    own.successes = rl__load(&rl->count.successes);
    own.refusals = rl__load(&rl->count.refusals);
    own.errors = rl__load(&rl->count.errors);
    own.retries = rl__load(&rl->count.retries);
    own.input_tokens = rl__load(&rl->count.input_tokens);
    own.output_tokens = rl__load(&rl->count.output_tokens);
    own.ignored = rl__load(&rl->count.ignored);
    own.limits_learned = rl__load(&rl->count.learned);
    own.leases_ended = rl__load(&rl->registry.traffic.leases_ended);
    own.retries_over_budget = rl__load(&rl->count.over_budget);
    own.fallbacks = rl__load(&rl->count.fallbacks);
    own.size = stats->size;
    memcpy(stats, &own, rl__min(stats->size, sizeof own));
    return RL_OK;
}

/* ---- what the configuration says, for front ends ---- */

const char *rl_config_base_url(const rl_context *rl, const char *provider)
{
    const struct rl__provider_settings *settings =
        rl == NULL || provider == NULL ? NULL : rl__config_provider(rl__settings(rl), provider);

    return settings == NULL ? NULL : settings->base_url;
}

const char *rl_config_api_key_env(const rl_context *rl, const char *provider)
{
    const struct rl__provider_settings *settings =
        rl == NULL || provider == NULL ? NULL : rl__config_provider(rl__settings(rl), provider);

    return settings == NULL ? NULL : settings->api_key_env;
}

rl_status rl_config_check(const char *json, size_t length, char *error, size_t error_size)
{
    struct rl__config config;
    struct rl__env env;
    rl_status st;

    if (json == NULL)
        return RL_E_INVALID;
    if ((st = rl__env_init(&env, NULL)) != RL_OK)
        return st;
    rl__config_init(&config, &env, NULL);
    st = rl__config_read(&config, json, length, error, error_size);
    rl__config_deinit(&config);
    return st;
}
