/* SPDX-License-Identifier: MIT */
/* Owns the configuration as a whole: its top, its defaults, and where it is read from. */
#include "context/config_parts.h"

#include "base/text.h"
#include "context/config_flow.h"
#include "context/config_limit.h"
#include "context/config_route.h"
#include "context/config_tenants.h"
#include "provider/calibration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <llmrl/limiter.h>

static const struct rl__key global_keys[] = { { "pool", rl__read_pool },
                                              RL__LIMIT_KEYS,
                                              { NULL, NULL } };

static rl_status read_global(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct rl__config *config = target;
    struct rl__limits_target limits = { config, &config->global };

    return rl__read_object(reader, value, global_keys, &limits);
}

static rl_status read_users(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_tenants(reader, value, target, RL__USER);
}

static rl_status read_organisations(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_tenants(reader, value, target, RL__ORGANISATION);
}

static rl_status read_api_keys(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_tenants(reader, value, target, RL__API_KEY);
}

static rl_status read_breaker(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_breaker(reader, value, &((struct rl__config *)target)->breaker);
}

static rl_status read_searching(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_searching(reader, value, &((struct rl__config *)target)->searching);
}

static rl_status read_retry(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_retry(reader, value, target);
}

static rl_status read_quantile(struct rl__reader *reader, const cJSON *value, void *target)
{
    double number = cJSON_IsNumber(value) ? value->valuedouble : -1;

    if (!(number >= 0.5 && number <= 0.999))
        return rl__reader_fail(reader, "must be a number between 0.5 and 0.999");
    ((struct rl__config *)target)->estimate_share = (uint32_t)(number * 1024);
    return RL_OK;
}

static const struct rl__key estimate_keys[] = { { "quantile", read_quantile }, { NULL, NULL } };

static rl_status read_estimates(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_object(reader, value, estimate_keys, target);
}

static rl_status read_fallback(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_fallback(reader, value, target);
}

static const struct rl__key top_keys[] = { { "global", read_global },
                                           { "estimates", read_estimates },
                                           { "providers", rl__read_providers },
                                           { "users", read_users },
                                           { "organisations", read_organisations },
                                           { "api_keys", read_api_keys },
                                           { "queue", rl__read_queue },
                                           { "retry", read_retry },
                                           { "circuit_breaker", read_breaker },
                                           { "fallback", read_fallback },
                                           { "adaptive", read_searching },
                                           { NULL, NULL } };

void rl__config_init(struct rl__config *config, struct rl__env *env,
                     const rl_algorithm *const *algorithms)
{
    *config = (struct rl__config){ .env = env,
                                   .algorithms = algorithms,
                                   .estimate_share = RL__CALIBRATION_SHARE,
                                   .queue_max_wait_ms = 30000,
                                   .stay_within = RL_SECOND };
    config->queue =
        (struct rl__queue_rules){ .most = { 10000, RL_NEVER, RL_NEVER }, .max_age = RL_MINUTE };
    config->retry_budget = RL_RETRY_BUDGET_OPTIONS_INIT;
    rl__searching_init(&config->searching);
    (void)rl_retry_policy_resolve(NULL, &config->retry);
}

static void free_models(struct rl__env *env, struct rl__model_settings *models)
{
    while (models != NULL) {
        struct rl__model_settings *next = models->next;

        rl__limits_free(env, &models->limits);
        rl__free(env, models->name);
        rl__free(env, models);
        models = next;
    }
}

void rl__config_deinit(struct rl__config *config)
{
    while (config->providers != NULL) {
        struct rl__provider_settings *provider = config->providers;

        config->providers = provider->next;
        rl__limits_free(config->env, &provider->limits);
        rl__limits_free(config->env, &provider->unknown);
        free_models(config->env, provider->models);
        rl__free(config->env, provider->name);
        rl__free(config->env, provider->key_of);
        rl__free(config->env, provider->key);
        rl__free(config->env, provider->dialect);
        rl__free(config->env, provider->tier);
        rl__free(config->env, provider->base_url);
        rl__free(config->env, provider->api_key_env);
        rl__free(config->env, provider);
    }
    for (size_t k = 0; k < RL__TENANT_KINDS; k++)
        rl__tenant_settings_free(config->env, &config->tenants[k]);
    rl__chains_free(config);
    rl__limits_free(config->env, &config->global);
    rl__free(config->env, config->text);
    config->text = NULL;
}

struct rl__config *rl__config_new(struct rl__env *env, const rl_algorithm *const *algorithms)
{
    struct rl__config *config = rl__alloc_zeroed(env, 1, sizeof *config);

    if (config != NULL)
        rl__config_init(config, env, algorithms);
    return config;
}

void rl__config_free(struct rl__config *config)
{
    if (config == NULL)
        return;
    rl__config_deinit(config);
    rl__free(config->env, config);
}

rl_status rl__config_read(struct rl__config *config, const char *json, size_t length, char *error,
                          size_t error_size)
{
    struct rl__reader reader;
    cJSON *document;
    rl_status st;

    rl__reader_init(&reader, error, error_size);
    if ((st = rl__read_document(&reader, json, length, &document)) != RL_OK)
        return st;
    st = rl__read_object(&reader, document, top_keys, config);
    if (st == RL_OK)
        st = rl__check_routes(&reader, config);
    cJSON_Delete(document);
    if (st == RL_OK && (config->text = rl__copy_text(config->env, json, length)) == NULL)
        return RL_E_NOMEM;
    return st;
}

static rl_status fail_file(char *error, size_t error_size, const char *path, const char *what)
{
    struct rl__text text = rl__text_on(error, error == NULL ? 0 : error_size);

    rl__text_add_foreign(&text, path, strnlen(path, 200));
    rl__text_add(&text, ": %s", what);
    return RL_E_IO;
}

static const char *reason_text(int number, char *buffer, size_t size)
{
    return strerror_r(number, buffer, size); /* the GNU form: may return a static text */
}

rl_status rl__config_read_file(struct rl__config *config, const char *path, char *error,
                               size_t error_size)
{
    char *bytes = rl__alloc_zeroed(config->env, 1, RL__CONFIG_BYTES_MAX + 2), reason[128];
    FILE *file = bytes == NULL ? NULL : fopen(path, "rbe");
    size_t length;
    rl_status st;

    if (bytes == NULL)
        return RL_E_NOMEM;
    if (file == NULL) {
        rl__free(config->env, bytes);
        return fail_file(error, error_size, path, reason_text(errno, reason, sizeof reason));
    }
    length = fread(bytes, 1, RL__CONFIG_BYTES_MAX + 1, file);
    st = ferror(file) ? fail_file(error, error_size, path, "could not be read")
                      : rl__config_read(config, bytes, length, error, error_size);
    (void)fclose(file); /* it was only read */
    rl__free(config->env, bytes);
    return st;
}

const struct rl__provider_settings *rl__config_provider(const struct rl__config *config,
                                                        const char *name)
{
    const struct rl__provider_settings *provider = config->providers;

    while (provider != NULL && strcmp(provider->name, name) != 0)
        provider = provider->next;
    return provider;
}
