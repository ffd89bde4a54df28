/* SPDX-License-Identifier: MIT */
/* Owns the limits of a scope as they are read: the words for them, shorthands, those of tables. */
#include "context/config_limit_parts.h"

#include "base/arith.h"

#include <string.h>

#define WEEK  (7 * RL_DAY)
#define MONTH (30 * RL_DAY) /* stands for a calendar month */

static const struct {
    const char *name;
    rl_dimension dimension;
} dimension_word[] = {
    { "requests", RL_REQUESTS },
    { "tokens", RL_TOKENS },
    { "input_tokens", RL_INPUT_TOKENS },
    { "output_tokens", RL_OUTPUT_TOKENS },
    { "images", RL_IMAGES },
    { "dollars", RL_MONEY },
};
static const struct {
    const char *suffix, *word;
    rl_duration period;
} period_word[] = { { "_per_second", "second", RL_SECOND }, { "_per_minute", "minute", RL_MINUTE },
                    { "_per_hour", "hour", RL_HOUR },       { "_per_day", "day", RL_DAY },
                    { "_per_week", "week", WEEK },          { "_per_month", "month", MONTH } };

int rl__dimension_called(const char *name, uint32_t *dimension)
{
    for (size_t w = 0; w < COUNT_OF(dimension_word); w++)
        if (strcmp(name, dimension_word[w].name) == 0) {
            *dimension = (uint32_t)dimension_word[w].dimension;
            return 1;
        }
    return 0;
}

rl_duration rl__period_called(const char *word)
{
    for (size_t p = 0; p < COUNT_OF(period_word); p++)
        if (strcmp(word, period_word[p].word) == 0)
            return period_word[p].period;
    return 0;
}

/* ---- adding one ---- */

void rl__limits_free(struct rl__env *env, struct rl__limits *limits)
{
    while (limits->first != NULL) {
        struct rl__limit_setting *next = limits->first->next;

        rl__free(env, limits->first->zone);
        rl__free(env, limits->first);
        limits->first = next;
    }
    rl__free(env, limits->day_zone);
    limits->day_zone = NULL;
}

/* Two of one dimension and period differ in how they charge. */
static int is_repeated(const struct rl__limits *limits, const struct rl__limit_setting *setting)
{
    for (const struct rl__limit_setting *other = limits->first; other != NULL; other = other->next)
        if (other != setting && other->limit.period == setting->limit.period &&
            rl__rule_counts_alike(&other->rule, &setting->rule))
            return 1;
    return 0;
}

/* At the end of the list: the order is the file's. */
struct rl__limit_setting *rl__limits_append(struct rl__limits_target *into)
{
    struct rl__limit_setting *setting = rl__alloc_zeroed(into->config->env, 1, sizeof *setting);
    struct rl__limit_setting **end = &into->limits->first;

    if (setting == NULL)
        return NULL;
    setting->limit = (rl_limit)RL_LIMIT_INIT;
    setting->limit.algorithms = into->config->algorithms;
    while (*end != NULL)
        end = &(*end)->next;
    *end = setting;
    return setting;
}

rl_status rl__limits_finish(struct rl__reader *reader, struct rl__limits_target *into,
                            const struct rl__limit_setting *setting)
{
    const char *why;

    if (is_repeated(into->limits, setting))
        return rl__reader_fail(reader, "there is another limit on %s for the same period",
                               rl_dimension_name((rl_dimension)setting->rule.dimension));
    if (!setting->shaped && rl_limit_check(&setting->limit, &why) != RL_OK)
        return rl__reader_fail(reader, "%s", why);
    return RL_OK;
}

/* ---- shorthands ---- */

/* "tokens_per_minute" or "daily_tokens". 0: neither. */
static int read_key(const char *key, struct rl__limit_setting *setting)
{
    int daily = strncmp(key, "daily_", 6) == 0;

    for (size_t w = 0; w < COUNT_OF(dimension_word); w++)
        for (size_t p = 0; p < COUNT_OF(period_word); p++) {
            size_t length = strlen(dimension_word[w].name);

            if (daily ? strcmp(key + 6, dimension_word[w].name) != 0 ||
                            period_word[p].period != RL_DAY
                      : strncmp(key, dimension_word[w].name, length) != 0 ||
                            strcmp(key + length, period_word[p].suffix) != 0)
                continue;
            setting->rule.dimension = (uint32_t)dimension_word[w].dimension;
            setting->limit.period = period_word[p].period;
            return 1;
        }
    return 0;
}

rl_status rl__read_short_limit(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct rl__limits_target *into = target;
    struct rl__limit_setting *setting;
    uint64_t amount = 0;
    rl_status st = rl__read_integer(reader, value, 0, RL_AMOUNT_MAX, &amount);

    if (st != RL_OK)
        return st;
    if ((setting = rl__limits_append(into)) == NULL)
        return RL_E_NOMEM;
    setting->limit.amount = amount;
    if (!read_key(value->string, setting))
        return rl__reader_fail(reader, "unknown key");
    return rl__limits_finish(reader, into, setting);
}

/* Decimals are fine: money is counted in nano-dollars. */
rl_status rl__read_dollars(struct rl__reader *reader, const cJSON *value, uint64_t *nano)
{
    double number = cJSON_IsNumber(value) ? value->valuedouble : -1;

    if (!cJSON_IsNumber(value))
        return rl__reader_fail(reader, "must be a number");
    if (!(number >= 0 && number <= 9000000))
        return rl__reader_fail(reader, "must be between 0 and 9000000 dollars");
    *nano = (uint64_t)(number * 1e9 + 0.5);
    return RL_OK;
}

rl_status rl__read_money_limit(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct rl__limits_target *into = target;
    struct rl__limit_setting *setting;
    uint64_t amount = 0;
    rl_status st = rl__read_dollars(reader, value, &amount);

    if (st != RL_OK)
        return st;
    if ((setting = rl__limits_append(into)) == NULL)
        return RL_E_NOMEM;
    setting->limit.amount = amount;
    if (!read_key(value->string, setting))
        return rl__reader_fail(reader, "unknown key");
    return rl__limits_finish(reader, into, setting);
}

void rl__shape_concurrency(struct rl__limit_setting *setting)
{
    setting->rule.dimension = RL_CONCURRENCY;
    setting->limit.algorithm = "concurrency";
    setting->limit.period = RL_SECOND; /* means nothing */
    setting->shaped = 1;
}

rl_status rl__read_concurrency(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct rl__limits_target *into = target;
    struct rl__limit_setting *setting;
    uint64_t amount = 0;
    rl_status st = rl__read_integer(reader, value, 0, 1000000, &amount);

    if (st != RL_OK)
        return st;
    if ((setting = rl__limits_append(into)) == NULL)
        return RL_E_NOMEM;
    setting->limit.amount = amount;
    rl__shape_concurrency(setting);
    return rl__limits_finish(reader, into, setting);
}

rl_status rl__limits_add_pool(struct rl__reader *reader, struct rl__limits_target *into,
                              const struct rl__lease_rule *rule)
{
    struct rl__limit_setting *setting = rl__limits_append(into);

    if (setting == NULL)
        return RL_E_NOMEM;
    setting->limit.amount = rule->slots;
    setting->is_pool = 1;
    setting->pool = *rule;
    rl__shape_concurrency(setting);
    return rl__limits_finish(reader, into, setting);
}

static rl_status read_limit_name(struct rl__reader *reader, const cJSON *value,
                                 struct rl__limits_target *into)
{
    const char *name;
    struct rl__limit_setting *setting;
    rl_status st = rl__read_name(reader, value, &name);

    if (st != RL_OK)
        return st;
    if ((setting = rl__limits_append(into)) == NULL)
        return RL_E_NOMEM;
    if (strcmp(name, "concurrency") == 0)
        rl__shape_concurrency(setting);
    else if (!read_key(name, setting))
        return rl__reader_fail(reader, "must be a limit, like \"requests_per_minute\"");
    return RL_OK;
}

rl_status rl__read_limit_names(struct rl__reader *reader, const cJSON *value, void *target)
{
    size_t index = 0;

    if (!cJSON_IsArray(value))
        return rl__reader_fail(reader, "must be an array");
    for (const cJSON *element = value->child; element != NULL; element = element->next) {
        size_t mark = rl__reader_enter_element(reader, index++);
        rl_status st = read_limit_name(reader, element, target);

        if (st != RL_OK)
            return st;
        rl__reader_leave(reader, mark);
    }
    return RL_OK;
}

/* ---- of no file ---- */

rl_status rl__limits_add(struct rl__limits_target *into, const rl_table_limit *limit,
                         const char *origin)
{
    struct rl__limit_setting *setting = rl__limits_append(into);

    if (setting == NULL)
        return RL_E_NOMEM;
    setting->rule.dimension = (uint32_t)limit->dimension;
    setting->limit.period = limit->period;
    setting->limit.amount = limit->amount;
    setting->origin = origin;
    if (limit->dimension == RL_CONCURRENCY)
        rl__shape_concurrency(setting);
    return RL_OK;
}

int rl__limits_speak_of(const struct rl__limits *limits, const rl_table_limit *limit)
{
    for (const struct rl__limit_setting *s = limits->first; s != NULL; s = s->next)
        if (s->rule.dimension == limit->dimension && !s->rule.weighed &&
            (s->limit.period == limit->period || limit->dimension == RL_CONCURRENCY))
            return 1;
    return 0;
}
