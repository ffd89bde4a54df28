/* SPDX-License-Identifier: MIT */
/* Owns the key "fallback", and of a provider's "keys" what is no limit. */
#include "context/config_route.h"

#include "scope/registry.h"

#include <string.h>

#define STAY_MS_MAX (UINT64_C(86400) * 1000)

static void free_hops(struct rl__env *env, struct rl__hop *hop)
{
    while (hop != NULL) {
        struct rl__hop *next = hop->next;

        rl__free(env, hop->provider);
        rl__free(env, hop->model);
        rl__free(env, hop);
        hop = next;
    }
}

void rl__chains_free(struct rl__config *config)
{
    while (config->chains != NULL) {
        struct rl__chain *next = config->chains->next;

        free_hops(config->env, config->chains->first);
        rl__free(config->env, config->chains);
        config->chains = next;
    }
}

/* ---- reading ---- */

static int is_hop(const struct rl__hop *hop, const char *provider, const char *model)
{
    return strcmp(hop->provider, provider) == 0 && strcmp(hop->model, model) == 0;
}

static rl_status check_hop(struct rl__reader *reader, const struct rl__chain *chain,
                           const struct rl__hop *hop)
{
    size_t count = 0;

    for (const struct rl__hop *h = chain->first; h != NULL; h = h->next, count++)
        if (h != hop && is_hop(h, hop->provider, hop->model))
            return rl__reader_fail(reader, "this route is in the chain already");
    if (count > RL__HOPS_MAX)
        return rl__reader_fail(reader, "a chain has %d routes at most", RL__HOPS_MAX);
    return RL_OK;
}

/* The provider's name ends at the first slash; a model's may hold more. */
static rl_status check_text(struct rl__reader *reader, const char *text)
{
    const char *slash = strchr(text, '/');

    if (slash == NULL || slash == text || slash[1] == '\0')
        return rl__reader_fail(reader, "must be \"provider/model\"");
    if (slash - text > RL__PROVIDER_NAME_MAX || strlen(slash + 1) > RL__MODEL_NAME_MAX)
        return rl__reader_fail(reader, "names have at most %d bytes, a model's %d",
                               RL__PROVIDER_NAME_MAX, RL__MODEL_NAME_MAX);
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return rl__reader_fail(reader, "must not hold control characters");
    return RL_OK;
}

static rl_status add_hop(struct rl__reader *reader, struct rl__config *config, const char *text,
                         struct rl__chain *chain)
{
    const char *slash = strchr(text, '/');
    struct rl__hop **end = &chain->first, *hop;
    rl_status st = check_text(reader, text);

    if (st != RL_OK)
        return st;
    if ((hop = rl__alloc_zeroed(config->env, 1, sizeof *hop)) == NULL)
        return RL_E_NOMEM;
    while (*end != NULL)
        end = &(*end)->next;
    *end = hop; /* so that it is freed whatever happens next */
    hop->provider = rl__copy_text(config->env, text, (size_t)(slash - text));
    hop->model = rl__copy_text(config->env, slash + 1, strlen(slash + 1));
    return hop->provider == NULL || hop->model == NULL ? RL_E_NOMEM : check_hop(reader, chain, hop);
}

static rl_status read_hops(struct rl__reader *reader, const cJSON *value, struct rl__config *config,
                           struct rl__chain *chain)
{
    size_t index = 0;

    if (!cJSON_IsArray(value))
        return rl__reader_fail(reader, "must be an array of \"provider/model\"");
    for (const cJSON *element = value->child; element != NULL; element = element->next) {
        size_t mark = rl__reader_enter_element(reader, index++);
        const char *text;
        rl_status st = rl__read_name(reader, element, &text);

        if (st == RL_OK)
            st = add_hop(reader, config, text, chain);
        if (st != RL_OK)
            return st;
        rl__reader_leave(reader, mark);
    }
    return RL_OK;
}

static struct rl__chain *new_chain(struct rl__config *config)
{
    struct rl__chain *chain = rl__alloc_zeroed(config->env, 1, sizeof *chain);

    if (chain != NULL) {
        chain->next = config->chains;
        config->chains = chain;
    }
    return chain;
}

static rl_status read_chain(struct rl__reader *reader, const cJSON *value,
                            struct rl__config *config)
{
    struct rl__chain *chain = new_chain(config);
    rl_status st;

    if (chain == NULL)
        return RL_E_NOMEM;
    st = add_hop(reader, config, value->string, chain);
    return st == RL_OK ? read_hops(reader, value, config, chain) : st;
}

static rl_status read_stay(struct rl__reader *reader, const cJSON *value, struct rl__config *config)
{
    uint64_t ms;
    rl_status st = rl__read_integer(reader, value, 0, STAY_MS_MAX, &ms);

    if (st == RL_OK)
        config->stay_within = ms * RL_MILLISECOND;
    return st;
}

static int is_repeated(const cJSON *object, const cJSON *member)
{
    for (const cJSON *other = object->child; other != member; other = other->next)
        if (strcmp(other->string, member->string) == 0)
            return 1;
    return 0;
}

static rl_status read_member(struct rl__reader *reader, const cJSON *object, const cJSON *member,
                             struct rl__config *config)
{
    if (is_repeated(object, member))
        return rl__reader_fail(reader, "this key is given twice");
    if (strcmp(member->string, "stay_within_ms") == 0)
        return read_stay(reader, member, config);
    if (strchr(member->string, '/') == NULL)
        return rl__reader_fail(reader, "must be \"provider/model\", or \"stay_within_ms\"");
    return read_chain(reader, member, config);
}

rl_status rl__read_fallback(struct rl__reader *reader, const cJSON *value,
                            struct rl__config *config)
{
    struct rl__chain *chain;

    if (cJSON_IsArray(value)) {
        if ((chain = new_chain(config)) == NULL)
            return RL_E_NOMEM;
        chain->is_list = 1;
        return read_hops(reader, value, config, chain);
    }
    if (!cJSON_IsObject(value))
        return rl__reader_fail(reader, "must be an array or an object");
    for (const cJSON *member = value->child; member != NULL; member = member->next) {
        size_t mark = rl__reader_enter(reader, member->string);
        rl_status st = read_member(reader, value, member, config);

        if (st != RL_OK)
            return st;
        rl__reader_leave(reader, mark);
    }
    return RL_OK;
}

/* ---- keys of a provider ---- */

cJSON *rl__key_overlay(const cJSON *provider, const cJSON *key)
{
    cJSON *both = cJSON_Duplicate(provider, 1);

    if (both == NULL)
        return NULL;
    cJSON_DeleteItemFromObjectCaseSensitive(both, "keys");
    for (const cJSON *member = key->child; member != NULL; member = member->next) {
        cJSON *copy = cJSON_Duplicate(member, 1);

        cJSON_DeleteItemFromObjectCaseSensitive(both, member->string);
        if (copy == NULL || !cJSON_AddItemToObject(both, member->string, copy)) {
            cJSON_Delete(copy);
            cJSON_Delete(both);
            return NULL;
        }
    }
    return both;
}

rl_status rl__key_check_repeated(struct rl__reader *reader, const cJSON *object)
{
    for (const cJSON *member = object->child; member != NULL; member = member->next)
        if (is_repeated(object, member)) {
            (void)rl__reader_enter(reader, member->string); /* nobody reads on */
            return rl__reader_fail(reader, "this key is given twice");
        }
    return RL_OK;
}

rl_status rl__key_name(struct rl__config *config, struct rl__provider_settings *key,
                       const char *provider, const char *name)
{
    key->weight = 1;
    key->key_of = rl__copy_text(config->env, provider, strlen(provider));
    key->key = rl__copy_text(config->env, name, strlen(name));
    if (rl_dialect_find(provider) != NULL)
        key->dialect = rl__copy_text(config->env, provider, strlen(provider));
    return key->key_of == NULL || key->key == NULL ||
                   (rl_dialect_find(provider) != NULL && key->dialect == NULL)
               ? RL_E_NOMEM
               : RL_OK;
}

/* ---- how many ---- */

const struct rl__provider_settings *rl__config_key(const struct rl__config *config,
                                                   const char *provider,
                                                   const struct rl__provider_settings *previous)
{
    const struct rl__provider_settings *next =
        previous == NULL ? config->providers : previous->next;

    while (next != NULL && (next->key == NULL || strcmp(next->key_of, provider) != 0))
        next = next->next;
    return next;
}

static size_t count_keys(const struct rl__config *config, const char *provider)
{
    const struct rl__provider_settings *key = NULL;
    size_t count = 0;

    while ((key = rl__config_key(config, provider, key)) != NULL)
        count++;
    return count;
}

static rl_status check_chain(struct rl__reader *reader, const struct rl__config *config,
                             const struct rl__chain *chain)
{
    size_t count = 0, keys;

    for (const struct rl__hop *hop = chain->first; hop != NULL; hop = hop->next) {
        keys = count_keys(config, hop->provider);
        count += keys == 0 ? 1 : keys;
    }
    if (count <= RL__ROUTES_MAX)
        return RL_OK;
    if (!chain->is_list) {
        char name[RL__CONFIG_NAME_MAX + 1];
        struct rl__text text = rl__text_on(name, sizeof name);

        rl__text_add(&text, "%s/%s", chain->first->provider, chain->first->model);
        (void)rl__reader_enter(reader, name); /* nobody reads on */
    }
    return rl__reader_fail(reader, "%zu routes with all keys; %d at most", count, RL__ROUTES_MAX);
}

rl_status rl__check_routes(struct rl__reader *reader, const struct rl__config *config)
{
    size_t mark = rl__reader_enter(reader, "fallback");

    for (const struct rl__chain *chain = config->chains; chain != NULL; chain = chain->next) {
        rl_status st = check_chain(reader, config, chain);

        if (st != RL_OK)
            return st;
    }
    rl__reader_leave(reader, mark);
    return RL_OK;
}

/* ---- asking ---- */

const struct rl__hop *rl__config_fallback(const struct rl__config *config, const char *provider,
                                          const char *model)
{
    for (const struct rl__chain *chain = config->chains; chain != NULL; chain = chain->next)
        for (const struct rl__hop *hop = chain->first; hop != NULL; hop = hop->next) {
            if (is_hop(hop, provider, model))
                return hop->next;
            if (!chain->is_list)
                break;
        }
    return NULL;
}
