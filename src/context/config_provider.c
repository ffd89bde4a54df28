/* SPDX-License-Identifier: MIT */
/* Owns what the configuration says of providers, their models and their keys. A target begins with
 * its limits, so that one reader of limits serves all. */
#include "context/config_parts.h"

#include "base/text.h"
#include "context/config_flow.h"
#include "context/config_limit.h"
#include "context/config_route.h"
#include "context/config_table.h"
#include "flow/route.h"
#include "scope/registry.h"

#include <string.h>

struct model_target {
    struct rl__limits_target limits;
    struct rl__model_settings *model;
};

static rl_status copy_name(struct rl__config *config, struct rl__reader *reader, const cJSON *value,
                           char **out)
{
    const char *name;
    rl_status st = rl__read_name(reader, value, &name);

    if (st != RL_OK)
        return st;
    *out = rl__copy_text(config->env, name, strlen(name));
    return *out == NULL ? RL_E_NOMEM : RL_OK;
}

static rl_status read_model_name(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct model_target *into = target;

    return copy_name(into->limits.config, reader, value, &into->model->name);
}

static const struct rl__key model_keys[] = {
    { "name", read_model_name }, { "pool", rl__read_pool }, RL__LIMIT_KEYS, { NULL, NULL }
};

struct provider_target {
    struct rl__limits_target limits;
    struct rl__provider_settings *provider;
    const cJSON *keys; /* to be read last: they have what the provider has; NULL: none */
};

static int has_model(const struct rl__model_settings *models,
                     const struct rl__model_settings *model)
{
    for (; models != NULL; models = models->next)
        if (models != model && strcmp(models->name, model->name) == 0)
            return 1;
    return 0;
}

static rl_status read_model(struct rl__reader *reader, const cJSON *value,
                            struct provider_target *into)
{
    struct rl__config *config = into->limits.config;
    struct rl__model_settings *model = rl__alloc_zeroed(config->env, 1, sizeof *model);
    struct model_target target = { { config, NULL }, model };
    rl_status st;

    if (model == NULL)
        return RL_E_NOMEM;
    target.limits.limits = &model->limits;
    model->next = into->provider->models;
    into->provider->models = model; /* so that it is freed whatever happens next */
    if ((st = rl__read_object(reader, value, model_keys, &target)) != RL_OK)
        return st;
    if (model->name == NULL)
        return rl__reader_fail(reader, "a model needs a \"name\"");
    if (has_model(model->next, model))
        return rl__reader_fail(reader, "this model is given twice");
    return RL_OK;
}

static rl_status read_models(struct rl__reader *reader, const cJSON *value, void *target)
{
    size_t index = 0;

    if (!cJSON_IsArray(value))
        return rl__reader_fail(reader, "must be an array");
    for (const cJSON *element = value->child; element != NULL; element = element->next) {
        size_t mark = rl__reader_enter_element(reader, index++);
        rl_status st = read_model(reader, element, target);

        if (st != RL_OK)
            return st;
        rl__reader_leave(reader, mark);
    }
    return RL_OK;
}

static rl_status read_dialect(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct provider_target *into = target;
    rl_status st;

    rl__free(into->limits.config->env, into->provider->dialect); /* a key has its provider's */
    into->provider->dialect = NULL;
    st = copy_name(into->limits.config, reader, value, &into->provider->dialect);

    if (st == RL_OK && rl_dialect_find(into->provider->dialect) == NULL)
        return rl__reader_fail(reader, "there is no such dialect");
    return st;
}

static rl_status read_base_url(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct provider_target *into = target;

    return copy_name(into->limits.config, reader, value, &into->provider->base_url);
}

static rl_status read_api_key_env(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct provider_target *into = target;

    return copy_name(into->limits.config, reader, value, &into->provider->api_key_env);
}

static rl_status read_auto_detect(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct provider_target *into = target;

    return rl__read_flag(reader, value, &into->provider->auto_detect);
}

static rl_status read_tier(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct provider_target *into = target;

    return copy_name(into->limits.config, reader, value, &into->provider->tier);
}

static rl_status read_unknown(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct provider_target *into = target;
    struct rl__limits_target unknown = { into->limits.config, &into->provider->unknown };

    return rl__read_limit_names(reader, value, &unknown);
}

static rl_status read_provider_breaker(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct provider_target *into = target;

    return rl__read_breaker(reader, value, &into->provider->breaker);
}

static rl_status read_provider_searching(struct rl__reader *reader, const cJSON *value,
                                         void *target)
{
    struct provider_target *into = target;

    return rl__read_searching(reader, value, &into->provider->searching);
}

static rl_status read_respect(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct provider_target *into = target;

    return rl__read_flag(reader, value, &into->provider->respect_limits);
}

static rl_status keep_keys(struct rl__reader *reader, const cJSON *value, void *target)
{
    if (!cJSON_IsArray(value))
        return rl__reader_fail(reader, "must be an array");
    ((struct provider_target *)target)->keys = value;
    return RL_OK;
}

/* clang-format off */
#define PROVIDER_KEYS                                                                              \
    { "circuit_breaker", read_provider_breaker },                                                  \
    { "adaptive", read_provider_searching },                                                       \
    { "dialect", read_dialect },                                                                   \
    { "base_url", read_base_url },                                                                 \
    { "api_key_env", read_api_key_env },                                                           \
    { "auto_detect", read_auto_detect },                                                           \
    { "respect_provider_limits", read_respect },                                                   \
    { "models", read_models },                                                                     \
    { "pool", rl__read_pool },                                                                     \
    { "tier", read_tier },                                                                         \
    { "unknown", read_unknown },                                                                   \
    RL__LIMIT_KEYS
/* clang-format on */

static const struct rl__key provider_keys[] = { PROVIDER_KEYS,
                                                { "keys", keep_keys },
                                                { NULL, NULL } };

static int is_repeated_name(const cJSON *object, const cJSON *member)
{
    for (const cJSON *other = object->child; other != member; other = other->next)
        if (strcmp(other->string, member->string) == 0)
            return 1;
    return 0;
}

/* `name` is not kept. */
static rl_status add_provider(struct rl__reader *reader, struct rl__config *config,
                              const char *name, struct rl__provider_settings **out)
{
    struct rl__provider_settings *provider = rl__alloc_zeroed(config->env, 1, sizeof *provider);
    int is_known = rl__config_provider(config, name) != NULL;

    if (provider == NULL)
        return RL_E_NOMEM;
    *out = provider;
    provider->auto_detect = 1;
    provider->respect_limits = 1;
    if ((provider->name = rl__copy_text(config->env, name, strlen(name))) == NULL) {
        rl__free(config->env, provider);
        return RL_E_NOMEM;
    }
    provider->next = config->providers;
    config->providers = provider;
    if (name[0] == '\0' || strlen(name) > RL__PROVIDER_NAME_MAX)
        return rl__reader_fail(reader, "a provider's name must have 1 to 128 bytes");
    return is_known ? rl__reader_fail(reader, "there is a provider of this name already") : RL_OK;
}

/* ---- keys of a provider ---- */

static rl_status read_key_name(struct rl__reader *reader, const cJSON *value, void *target)
{
    const char *name;
    rl_status st = rl__read_name(reader, value, &name);

    (void)target; /* it has been given that name */
    if (st == RL_OK && (strchr(name, RL__KEY_MARK) != NULL || strchr(name, '/') != NULL))
        return rl__reader_fail(reader, "must not hold '#' or '/'");
    return st;
}

static rl_status read_weight(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, RL__ROUTE_WEIGHT_MAX,
                            &((struct provider_target *)target)->provider->weight);
}

static const struct rl__key key_keys[] = {
    { "name", read_key_name }, { "weight", read_weight }, PROVIDER_KEYS, { NULL, NULL }
};

static rl_status read_whole_key(struct rl__reader *reader, const cJSON *whole, const char *provider,
                                struct rl__config *config)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(whole, "name");
    struct provider_target target = { { config, NULL }, NULL, NULL };
    char full[RL__PROVIDER_NAME_MAX + RL__CONFIG_NAME_MAX + 2];
    struct rl__text text = rl__text_on(full, sizeof full);
    rl_status st;

    if (!cJSON_IsString(name) || name->valuestring[0] == '\0')
        return rl__reader_fail(reader, "a key needs a \"name\"");
    rl__text_add(&text, "%s%c%s", provider, RL__KEY_MARK, name->valuestring);
    if (rl__config_provider(config, full) != NULL)
        return rl__reader_fail(reader, "there is a key or a provider \"%s\" already", full);
    if ((st = add_provider(reader, config, full, &target.provider)) != RL_OK)
        return st;
    target.limits.limits = &target.provider->limits;
    if ((st = rl__key_name(config, target.provider, provider, name->valuestring)) != RL_OK)
        return st;
    if ((st = rl__read_object(reader, whole, key_keys, &target)) != RL_OK)
        return st;
    return rl__config_tables(reader, config, target.provider);
}

static rl_status read_key(struct rl__reader *reader, const cJSON *value, const cJSON *provider,
                          struct rl__config *config)
{
    cJSON *whole;
    rl_status st;

    if (!cJSON_IsObject(value))
        return rl__reader_fail(reader, "must be an object");
    if ((st = rl__key_check_repeated(reader, value)) != RL_OK)
        return st;
    if ((whole = rl__key_overlay(provider, value)) == NULL)
        return RL_E_NOMEM;
    st = read_whole_key(reader, whole, provider->string, config);
    cJSON_Delete(whole);
    return st;
}

static rl_status read_keys(struct rl__reader *reader, const cJSON *keys, const cJSON *provider,
                           struct rl__config *config)
{
    size_t outer = rl__reader_enter(reader, "keys"), index = 0;

    if (cJSON_GetArraySize(keys) > RL__ROUTES_MAX)
        return rl__reader_fail(reader, "%d keys at most", RL__ROUTES_MAX);
    for (const cJSON *element = keys->child; element != NULL; element = element->next) {
        size_t mark = rl__reader_enter_element(reader, index++);
        rl_status st = read_key(reader, element, provider, config);

        if (st != RL_OK)
            return st;
        rl__reader_leave(reader, mark);
    }
    rl__reader_leave(reader, outer);
    return RL_OK;
}

static rl_status read_provider(struct rl__reader *reader, const cJSON *value,
                               struct rl__config *config)
{
    struct provider_target target = { { config, NULL }, NULL, NULL };
    rl_status st = add_provider(reader, config, value->string, &target.provider);

    if (st != RL_OK)
        return st;
    target.limits.limits = &target.provider->limits;
    if ((st = rl__read_object(reader, value, provider_keys, &target)) != RL_OK)
        return st;
    if ((st = rl__config_tables(reader, config, target.provider)) != RL_OK || target.keys == NULL)
        return st;
    return read_keys(reader, target.keys, value, config);
}

rl_status rl__read_providers(struct rl__reader *reader, const cJSON *value, void *target)
{
    if (!cJSON_IsObject(value))
        return rl__reader_fail(reader, "must be an object");
    for (const cJSON *member = value->child; member != NULL; member = member->next) {
        size_t mark = rl__reader_enter(reader, member->string);
        rl_status st = is_repeated_name(value, member)
                           ? rl__reader_fail(reader, "this key is given twice")
                           : read_provider(reader, member, target);

        if (st != RL_OK)
            return st;
        rl__reader_leave(reader, mark);
    }
    return RL_OK;
}
