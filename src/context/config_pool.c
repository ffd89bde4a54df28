/* SPDX-License-Identifier: MIT */
/* Owns the key "pool": how many at once, fixed or adaptive, and for how long each may hold. */
#include "context/config_limit.h"

#include "base/arith.h"

#include <string.h>

#define LEASE_MS_MAX (UINT64_C(365) * 86400 * 1000)
/* As in pool.h. */
#define SLOTS_FIXED    10
#define SLOTS_ADAPTIVE 4
#define SLOTS_MOST     256

static rl_status read_count(struct rl__reader *reader, const cJSON *value, uint64_t *out)
{
    return rl__read_integer(reader, value, 1, RL__SLOTS_MAX, out);
}

static rl_status read_slots(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_count(reader, value, &((struct rl__lease_rule *)target)->slots);
}

static rl_status read_min(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_count(reader, value, &((struct rl__lease_rule *)target)->min);
}

static rl_status read_max(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_count(reader, value, &((struct rl__lease_rule *)target)->max);
}

static rl_status read_kind(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct rl__lease_rule *rule = target;
    const char *word;
    rl_status st = rl__read_name(reader, value, &word);

    if (st != RL_OK)
        return st;
    rule->adaptive = strcmp(word, "adaptive") == 0;
    if (!rule->adaptive && strcmp(word, "fixed") != 0)
        return rl__reader_fail(reader, "must be \"fixed\" or \"adaptive\"");
    return RL_OK;
}

static rl_status read_lease(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct rl__lease_rule *rule = target;
    uint64_t ms = 0;
    rl_status st = rl__read_integer(reader, value, 1, LEASE_MS_MAX, &ms);

    rule->lease = ms * RL_MILLISECOND;
    return st;
}

static const struct rl__key pool_keys[] = { { "kind", read_kind },      { "slots", read_slots },
                                            { "min_slots", read_min },  { "max_slots", read_max },
                                            { "lease_ms", read_lease }, { NULL, NULL } };

static rl_status finish_fixed(struct rl__reader *reader, struct rl__lease_rule *rule)
{
    if (rule->min != 0 || rule->max != 0)
        return rl__reader_fail(reader,
                               "\"min_slots\" and \"max_slots\" need \"kind\": \"adaptive\"");
    rule->slots = rule->slots == 0 ? SLOTS_FIXED : rule->slots;
    rule->min = rule->max = rule->slots;
    return RL_OK;
}

static rl_status finish_adaptive(struct rl__reader *reader, struct rl__lease_rule *rule)
{
    rule->min = rule->min == 0 ? 1 : rule->min;
    rule->max = rule->max == 0 ? rl__max(SLOTS_MOST, rule->min) : rule->max;
    if (rule->min > rule->max)
        return rl__reader_fail(reader, "\"min_slots\" is more than \"max_slots\"");
    if (rule->slots == 0)
        rule->slots = rl__max(rule->min, rl__min(SLOTS_ADAPTIVE, rule->max));
    if (rule->slots < rule->min || rule->slots > rule->max)
        return rl__reader_fail(reader,
                               "\"slots\" must lie between \"min_slots\" and \"max_slots\"");
    return RL_OK;
}

rl_status rl__read_pool(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct rl__lease_rule rule = { .adaptive = 0 };
    rl_status st = rl__read_object(reader, value, pool_keys, &rule);

    if (st == RL_OK)
        st = rule.adaptive ? finish_adaptive(reader, &rule) : finish_fixed(reader, &rule);
    return st == RL_OK ? rl__limits_add_pool(reader, target, &rule) : st;
}
