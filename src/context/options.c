/* SPDX-License-Identifier: MIT */
/* Owns how settings become limiters: when a context opens, and when a provider or model first
 * appears. */
#include "context/context.h"
#include "provider/learn.h"

#include <string.h>

/* They are full since the beginning of time: a caller's clock reading may be older than the scope
 * it asks for. */
static rl_status add_limits(struct rl__scope *scope, const struct rl__limit_setting *setting,
                            const struct rl__traits *traits)
{
    for (; setting != NULL; setting = setting->next) {
        rl_limit limit = rl__limit_first(traits, setting->amount, setting->period);
        struct rl__entry *entry;
        rl_status st =
            rl__scope_add(scope, setting->dimension, &limit, RL_SOURCE_CONFIG, 0, &entry);

        if (st != RL_OK)
            return st;
        entry->configured = setting->amount;
    }
    return RL_OK;
}

rl_status rl__furnish_global(rl_context *rl)
{
    return add_limits(&rl->registry.global, rl->config.global, rl__traits_find(NULL));
}

static const char *dialect_name(const struct rl__provider *provider)
{
    const struct rl__provider_settings *settings = provider->settings;
    const char *name =
        settings != NULL && settings->dialect != NULL ? settings->dialect : provider->name;

    return rl_dialect_find(name) != NULL ? name : "generic";
}

const struct rl__traits *rl__provider_traits(const struct rl__provider *provider)
{
    return rl__traits_find(rl_dialect_name(provider->dialect));
}

int rl__provider_auto_detect(const struct rl__provider *provider)
{
    const struct rl__provider_settings *settings = provider->settings;

    return settings == NULL || settings->auto_detect;
}

rl_status rl__furnish_provider(void *user, struct rl__provider *provider)
{
    rl_context *rl = user;
    const struct rl__provider_settings *settings = rl__config_provider(&rl->config, provider->name);

    provider->settings = settings;
    provider->dialect = rl_dialect_find(dialect_name(provider));
    return settings == NULL
               ? RL_OK
               : add_limits(&provider->scope, settings->limits, rl__provider_traits(provider));
}

static int knows_limits(const struct rl__lane *lane)
{
    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        if (lane->scope[s] != NULL && rl__scope_count(lane->scope[s]) > 0)
            return 1;
    return 0;
}

rl_status rl__furnish_lane(void *user, struct rl__provider *provider, struct rl__lane_node *node,
                           const char *model)
{
    const struct rl__provider_settings *settings = provider->settings;
    const struct rl__model_settings *known = settings == NULL ? NULL : settings->models;
    rl_status st = RL_OK;

    (void)user;
    while (known != NULL && strcmp(known->name, model) != 0)
        known = known->next;
    if (known != NULL)
        st = add_limits(&node->scope, known->limits, rl__provider_traits(provider));
    if (st == RL_OK && !knows_limits(&node->lane))
        node->lane.probe_window = RL__PROBE_WINDOW_FIRST;
    return st;
}
