/* SPDX-License-Identifier: MIT */
/* Owns the keys "users", "organisations" and "api_keys". */
#include "context/config_tenants.h"

#include "base/hash.h"

#include <string.h>

#define TENANTS_MAX 1000000000

struct tier_target {
    struct rl__limits_target limits;
    struct rl__tier_settings *tier;
};

static rl_status read_weight(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 1, 1000000,
                            &((struct tier_target *)target)->tier->weight);
}

static const struct rl__key tier_keys[] = { { "weight", read_weight },
                                            RL__LIMIT_KEYS,
                                            { NULL, NULL } };

static struct rl__tier_settings *find_tier(const struct rl__tenant_settings *tenants,
                                           const char *name)
{
    for (struct rl__tier_settings *tier = tenants->tiers; tier != NULL; tier = tier->next)
        if (strcmp(tier->name, name) == 0)
            return tier;
    return NULL;
}

static rl_status add_tier(struct rl__reader *reader, struct rl__config *config,
                          struct rl__tenant_settings *tenants, const char *name,
                          struct rl__tier_settings **out)
{
    struct rl__tier_settings *tier;

    if (name[0] == '\0' || strlen(name) > 128)
        return rl__reader_fail(reader, "a tier's name must have 1 to 128 bytes");
    if ((tier = rl__alloc_zeroed(config->env, 1, sizeof *tier)) == NULL)
        return RL_E_NOMEM;
    tier->weight = 1;
    tier->next = tenants->tiers;
    tenants->tiers = tier;
    tier->name = rl__copy_text(config->env, name, strlen(name));
    *out = tier;
    return tier->name == NULL ? RL_E_NOMEM : RL_OK;
}

static rl_status read_tier(struct rl__reader *reader, const cJSON *value, struct rl__config *config,
                           struct rl__tenant_settings *tenants)
{
    struct rl__tier_settings *tier;
    struct tier_target target;
    rl_status st;

    if (find_tier(tenants, value->string) != NULL)
        return rl__reader_fail(reader, "this key is given twice");
    if ((st = add_tier(reader, config, tenants, value->string, &tier)) != RL_OK)
        return st;
    target = (struct tier_target){ { config, &tier->limits }, tier };
    return rl__read_object(reader, value, tier_keys, &target);
}

/* Who writes the file chooses the ids: no key is needed. */
static uint64_t hash_of(const char *id)
{
    static const struct rl__hash_key no_key = { { 0, 0 } };

    return rl__hash(&no_key, id, strlen(id));
}

static int is_known(const struct rl__map *known, const char *id)
{
    const struct rl__map_node *node = rl__map_find(known, hash_of(id));

    for (; node != NULL; node = rl__map_next(node))
        if (strcmp(((const struct rl__tenant_id *)(const void *)node)->id, id) == 0)
            return 1;
    return 0;
}
_Static_assert(offsetof(struct rl__tenant_id, node) == 0, "a node is its owner");

static rl_status add_id(struct rl__config *config, struct rl__tenant_settings *tenants,
                        struct rl__map *known, const char *id, const struct rl__tier_settings *tier)
{
    struct rl__tenant_id *entry = rl__alloc_zeroed(config->env, 1, sizeof *entry);

    if (entry == NULL)
        return RL_E_NOMEM;
    entry->next = tenants->ids;
    entry->tier = tier;
    tenants->ids = entry;
    if ((entry->id = rl__copy_text(config->env, id, strlen(id))) == NULL)
        return RL_E_NOMEM;
    entry->node.hash = hash_of(id);
    rl__map_add(known, &entry->node);
    return RL_OK;
}

static rl_status read_id(struct rl__reader *reader, const cJSON *value, struct rl__config *config,
                         struct rl__tenant_settings *tenants, struct rl__map *known)
{
    const struct rl__tier_settings *tier;
    const char *name;
    rl_status st = rl__read_name(reader, value, &name);

    if (st != RL_OK)
        return st;
    if (value->string[0] == '\0' || strlen(value->string) > RL__TENANT_ID_MAX)
        return rl__reader_fail(reader, "an id must have 1 to %d bytes", RL__TENANT_ID_MAX);
    if ((tier = find_tier(tenants, name)) == NULL)
        return rl__reader_fail(reader, "there is no such tier");
    if (is_known(known, value->string))
        return rl__reader_fail(reader, "this key is given twice");
    return add_id(config, tenants, known, value->string, tier);
}

static rl_status read_ids(struct rl__reader *reader, const cJSON *value, struct rl__config *config,
                          struct rl__tenant_settings *tenants)
{
    struct rl__map known;
    rl_status st = RL_OK;

    if (!cJSON_IsObject(value))
        return rl__reader_fail(reader, "must be an object: ids and the names of their tiers");
    rl__map_init(&known, config->env);
    for (const cJSON *member = value->child; member != NULL && st == RL_OK; member = member->next) {
        size_t mark = rl__reader_enter(reader, member->string);

        if ((st = read_id(reader, member, config, tenants, &known)) == RL_OK)
            rl__reader_leave(reader, mark);
    }
    rl__map_deinit(&known);
    return st;
}

/* Tiers first: ids speak of them. */
static rl_status read_member(struct rl__reader *reader, const cJSON *member,
                             struct rl__config *config, struct rl__tenant_settings *tenants,
                             int first)
{
    int is_ids = strcmp(member->string, "ids") == 0;
    int is_count = strcmp(member->string, "max_count") == 0;

    if (is_ids != !first)
        return RL_OK;
    if (is_ids)
        return read_ids(reader, member, config, tenants);
    if (is_count)
        return rl__read_integer(reader, member, 1, TENANTS_MAX, &tenants->max_count);
    return read_tier(reader, member, config, tenants);
}

static int is_repeated(const cJSON *object, const cJSON *member)
{
    for (const cJSON *other = object->child; other != member; other = other->next)
        if (strcmp(other->string, member->string) == 0)
            return 1;
    return 0;
}

static rl_status read_members(struct rl__reader *reader, const cJSON *value,
                              struct rl__config *config, struct rl__tenant_settings *tenants,
                              int first)
{
    for (const cJSON *member = value->child; member != NULL; member = member->next) {
        size_t mark = rl__reader_enter(reader, member->string);
        rl_status st = first && is_repeated(value, member)
                           ? rl__reader_fail(reader, "this key is given twice")
                           : read_member(reader, member, config, tenants, first);

        if (st != RL_OK)
            return st;
        rl__reader_leave(reader, mark);
    }
    return RL_OK;
}

/* Everybody who is not named has "default": where the file leaves it out, it has no limits. */
rl_status rl__read_tenants(struct rl__reader *reader, const cJSON *value, struct rl__config *config,
                           enum rl__tenant_kind kind)
{
    struct rl__tenant_settings *tenants = &config->tenants[kind];
    struct rl__tier_settings *unnamed;
    rl_status st;

    if (!cJSON_IsObject(value))
        return rl__reader_fail(reader, "must be an object: tiers, \"ids\" and \"max_count\"");
    if ((st = read_members(reader, value, config, tenants, 1)) != RL_OK)
        return st;
    if (find_tier(tenants, "default") == NULL &&
        (st = add_tier(reader, config, tenants, "default", &unnamed)) != RL_OK)
        return st;
    return read_members(reader, value, config, tenants, 0);
}

void rl__tenant_settings_free(struct rl__env *env, struct rl__tenant_settings *tenants)
{
    while (tenants->ids != NULL) {
        struct rl__tenant_id *next = tenants->ids->next;

        rl__free(env, tenants->ids->id);
        rl__free(env, tenants->ids);
        tenants->ids = next;
    }
    while (tenants->tiers != NULL) {
        struct rl__tier_settings *next = tenants->tiers->next;

        rl__limits_free(env, &tenants->tiers->limits);
        rl__free(env, tenants->tiers->name);
        rl__free(env, tenants->tiers);
        tenants->tiers = next;
    }
}
