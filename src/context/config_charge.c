/* SPDX-License-Identifier: MIT */
/* Owns what a configuration says of charge rules: weights of a request's amounts. */
#include "context/config_limit.h"

#include <string.h>

#define WEIGHT_MAX      1000000
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const struct {
    const char *name;
    size_t amount;
} weight_word[] = { { "requests", RL_REQUESTS },
                    { "input_tokens", RL__WHOLE_INPUT },
                    { "cached_input_tokens", RL__CACHED_INPUT },
                    { "output_tokens", RL_OUTPUT_TOKENS },
                    { "images", RL_IMAGES },
                    { "nano_dollars", RL_MONEY } };

static rl_status read_weight(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct rl__weights *weights = target;
    double number = cJSON_IsNumber(value) ? value->valuedouble : 0.5;

    if (!(number >= -WEIGHT_MAX && number <= WEIGHT_MAX) || (double)(int32_t)number != number)
        return rl__reader_fail(reader, "must be a whole number between -%d and %d", WEIGHT_MAX,
                               WEIGHT_MAX);
    for (size_t w = 0; w < COUNT_OF(weight_word); w++)
        if (strcmp(value->string, weight_word[w].name) == 0)
            weights->of[weight_word[w].amount] = (int32_t)number;
    return RL_OK;
}

static rl_status read_largest(struct rl__reader *reader, const cJSON *value, void *target)
{
    int largest = 0;
    rl_status st = rl__read_flag(reader, value, &largest);

    ((struct rl__weights *)target)->largest = largest;
    return st;
}

static const struct rl__key weight_keys[] = { { "requests", read_weight },
                                              { "input_tokens", read_weight },
                                              { "cached_input_tokens", read_weight },
                                              { "output_tokens", read_weight },
                                              { "images", read_weight },
                                              { "nano_dollars", read_weight },
                                              { "largest", read_largest },
                                              { NULL, NULL } };

struct charge {
    struct rl__rule *rule;
    int has_reserve, has_settle;
};

static rl_status read_reserve(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct charge *charge = target;

    charge->has_reserve = 1;
    return rl__read_object(reader, value, weight_keys, &charge->rule->reserve);
}

static rl_status read_settle(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct charge *charge = target;

    charge->has_settle = 1;
    return rl__read_object(reader, value, weight_keys, &charge->rule->settle);
}

static const struct rl__key charge_keys[] = { { "reserve", read_reserve },
                                              { "settle", read_settle },
                                              { NULL, NULL } };

rl_status rl__read_charge(struct rl__reader *reader, const cJSON *value, struct rl__rule *rule)
{
    struct charge charge = { rule, 0, 0 };
    rl_status st = rl__read_object(reader, value, charge_keys, &charge);

    if (st != RL_OK)
        return st;
    if (!charge.has_reserve || !charge.has_settle)
        return rl__reader_fail(reader, "needs both \"reserve\" and \"settle\"");
    charge.rule->weighed = 1;
    return RL_OK;
}
