/* SPDX-License-Identifier: MIT */
/* Owns one element of "limits": a limit of any shape, key by key. */
#include "context/config_limit_parts.h"

#include "base/arith.h"

#include <stdlib.h>
#include <string.h>

struct element {
    struct rl__limits_target *into;
    struct rl__limit_setting *setting;
    const cJSON *amount;
    int has_dimension, has_period;
};

static rl_status read_dimension(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct element *e = target;
    const char *name;
    rl_status st = rl__read_name(reader, value, &name);

    if (st != RL_OK)
        return st;
    e->has_dimension = 1;
    if (strcmp(name, "concurrency") == 0) {
        rl__shape_concurrency(e->setting);
        e->has_period = 1;
        return RL_OK;
    }
    if (rl__dimension_called(name, &e->setting->rule.dimension))
        return RL_OK;
    return rl__reader_fail(reader, "must be \"requests\", \"tokens\", \"input_tokens\", "
                                   "\"output_tokens\", \"images\", \"dollars\" or \"concurrency\"");
}

static rl_status read_amount(struct rl__reader *reader, const cJSON *value, void *target)
{
    (void)reader;
    ((struct element *)target)->amount = value; /* its unit depends on the dimension */
    return RL_OK;
}

/* "5h", "90 s", "1d": a whole number and a unit. 0: not of that form. */
static rl_duration parse_span(const char *text)
{
    static const struct {
        const char *unit;
        rl_duration length;
    } unit[] = { { "ms", RL_MILLISECOND }, { "s", RL_SECOND }, { "m", RL_MINUTE },
                 { "h", RL_HOUR },         { "d", RL_DAY },    { "w", 7 * RL_DAY } };
    char *end;
    uint64_t count;

    if (text[0] < '0' || text[0] > '9')
        return 0;
    count = strtoull(text, &end, 10);
    end += *end == ' ';
    for (size_t u = 0; u < COUNT_OF(unit); u++)
        if (strcmp(end, unit[u].unit) == 0)
            return count == UINT64_MAX ? 0 : rl__mul_sat(count, unit[u].length);
    return 0;
}

static rl_status read_period(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct element *e = target;
    const char *text;
    rl_status st = rl__read_name(reader, value, &text);

    if (st != RL_OK)
        return st;
    e->has_period = 1;
    if ((e->setting->limit.period = rl__period_called(text)) == 0)
        e->setting->limit.period = parse_span(text);
    if (e->setting->limit.period == 0)
        return rl__reader_fail(reader, "must be \"second\", \"minute\", \"hour\", \"day\", "
                                       "\"week\", \"month\", or a span like \"5h\" or \"90s\"");
    return RL_OK;
}

static const char *own_name(const rl_algorithm *const *algorithms, const char *name)
{
    for (size_t i = 0; algorithms != NULL && algorithms[i] != NULL; i++)
        if (algorithms[i]->name != NULL && strcmp(algorithms[i]->name, name) == 0)
            return algorithms[i]->name;
    return NULL;
}

/* The limit keeps the algorithm's own, static name. */
static rl_status read_algorithm(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct element *e = target;
    const char *name;
    rl_status st = rl__read_name(reader, value, &name);

    if (st != RL_OK)
        return st;
    e->setting->shaped = 1;
    e->setting->limit.algorithm = own_name(e->into->config->algorithms, name);
    if (e->setting->limit.algorithm == NULL && rl_algorithm_find(name) != NULL)
        e->setting->limit.algorithm = rl_algorithm_find(name)->name;
    if (e->setting->limit.algorithm == NULL)
        return rl__reader_fail(reader, "there is no algorithm of that name");
    return RL_OK;
}

static rl_status read_number(struct rl__reader *reader, const cJSON *value, struct element *e,
                             uint64_t *out)
{
    e->setting->shaped = 1;
    return rl__read_integer(reader, value, 1, RL_AMOUNT_MAX, out);
}

static rl_status read_burst(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct element *e = target;

    return read_number(reader, value, e, &e->setting->limit.burst);
}

static rl_status read_parts(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct element *e = target;

    return read_number(reader, value, e, &e->setting->limit.parts);
}

static rl_status read_start(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct element *e = target;
    uint64_t units;
    rl_status st = rl__read_integer(reader, value, 0, RL_AMOUNT_MAX, &units);

    if (st != RL_OK)
        return st;
    e->setting->shaped = 1;
    e->setting->limit.start = units == 0 ? RL_START_EMPTY : units;
    return RL_OK;
}

/* One of a few words. */
static rl_status read_word(struct rl__reader *reader, const cJSON *value, const char *const *words,
                           size_t count, size_t *index)
{
    const char *text;
    rl_status st = rl__read_name(reader, value, &text);

    if (st != RL_OK)
        return st;
    for (*index = 0; *index < count; ++*index)
        if (strcmp(text, words[*index]) == 0)
            return RL_OK;
    if (count == 2)
        return rl__reader_fail(reader, "must be \"%s\" or \"%s\"", words[0], words[1]);
    return rl__reader_fail(reader, "must be \"%s\", \"%s\", \"%s\", \"%s\" or \"%s\"", words[0],
                           words[1], words[2], words[3], words[4]);
}

static rl_status read_align(struct rl__reader *reader, const cJSON *value, void *target)
{
    static const char *const word[] = { "epoch", "first", "hour", "day", "month" }; /* rl_align */
    struct element *e = target;
    size_t index;
    rl_status st = read_word(reader, value, word, COUNT_OF(word), &index);

    if (st != RL_OK)
        return st;
    e->setting->shaped = 1;
    e->setting->limit.align = index;
    return RL_OK;
}

static rl_status read_limit_zone(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct element *e = target;

    e->setting->shaped = 1;
    return rl__read_zone(reader, value, e->into->config->env, &e->setting->zone);
}

/* Two digits; 100: none. */
static unsigned two_digits(const char *text)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return 100;
    return (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
}

/* "09:30" or "09:30:15", in seconds; RL_NEVER: neither. */
static uint64_t parse_time_of_day(const char *text)
{
    size_t length = strlen(text);
    unsigned hour, minute, second = 0;

    if ((length != 5 && length != 8) || text[2] != ':' || (length == 8 && text[5] != ':'))
        return RL_NEVER;
    hour = two_digits(text);
    minute = two_digits(text + 3);
    if (length == 8)
        second = two_digits(text + 6);
    if (hour > 23 || minute > 59 || second > 59)
        return RL_NEVER;
    return hour * UINT64_C(3600) + minute * UINT64_C(60) + second;
}

static rl_status read_day_start(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct element *e = target;
    uint64_t seconds;
    const char *text;
    rl_status st = rl__read_name(reader, value, &text);

    if (st != RL_OK)
        return st;
    if ((seconds = parse_time_of_day(text)) == RL_NEVER)
        return rl__reader_fail(reader, "must be a time of day like \"09:30\"");
    e->setting->shaped = 1;
    e->setting->limit.day_start = seconds * RL_SECOND;
    return RL_OK;
}

static rl_status read_flag_word(struct rl__reader *reader, const cJSON *value,
                                const char *const *words, uint8_t *out)
{
    size_t index;
    rl_status st = read_word(reader, value, words, 2, &index);

    if (st == RL_OK)
        *out = (uint8_t)index;
    return st;
}

static rl_status read_mode(struct rl__reader *reader, const cJSON *value, void *target)
{
    static const char *const word[] = { "enforce", "shadow" };

    return read_flag_word(reader, value, word, &((struct element *)target)->setting->rule.shadow);
}

static rl_status read_oversize(struct rl__reader *reader, const cJSON *value, void *target)
{
    static const char *const word[] = { "refuse", "borrow" };

    return read_flag_word(reader, value, word, &((struct element *)target)->setting->rule.borrow);
}

static rl_status read_unknown(struct rl__reader *reader, const cJSON *value, void *target)
{
    static const char *const word[] = { "as_reserved", "as_nothing" };

    return read_flag_word(reader, value, word,
                          &((struct element *)target)->setting->rule.unknown_is_no);
}

static rl_status read_share(struct rl__reader *reader, const cJSON *value, uint16_t *out)
{
    double number = cJSON_IsNumber(value) ? value->valuedouble : -1;

    if (!(number >= 0 && number <= 0.9))
        return rl__reader_fail(reader, "must be a number between 0 and 0.9");
    *out = (uint16_t)(number * 1024);
    return RL_OK;
}

static rl_status read_for_high(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_share(reader, value, &((struct rl__rule *)target)->leave[0]);
}

static rl_status read_for_normal(struct rl__reader *reader, const cJSON *value, void *target)
{
    return read_share(reader, value, &((struct rl__rule *)target)->leave[1]);
}

static const struct rl__key headroom_keys[] = { { "high", read_for_high },
                                                { "normal", read_for_normal },
                                                { NULL, NULL } };

/* Low leaves what is set aside for both others. */
static rl_status read_headroom(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct rl__rule *rule = &((struct element *)target)->setting->rule;
    rl_status st = rl__read_object(reader, value, headroom_keys, rule);

    if (st != RL_OK)
        return st;
    rule->leave[1] = (uint16_t)(rule->leave[1] + rule->leave[0]);
    if (rule->leave[1] > 922)
        return rl__reader_fail(reader, "more than 0.9 of the limit is set aside");
    return RL_OK;
}

static rl_status read_charge(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_charge(reader, value, &((struct element *)target)->setting->rule);
}

static const struct rl__key element_keys[] = { { "dimension", read_dimension },
                                               { "amount", read_amount },
                                               { "period", read_period },
                                               { "algorithm", read_algorithm },
                                               { "burst", read_burst },
                                               { "parts", read_parts },
                                               { "start", read_start },
                                               { "align", read_align },
                                               { "zone", read_limit_zone },
                                               { "day_start", read_day_start },
                                               { "mode", read_mode },
                                               { "oversize", read_oversize },
                                               { "unknown_usage", read_unknown },
                                               { "charge", read_charge },
                                               { "headroom", read_headroom },
                                               { NULL, NULL } };

static rl_status read_amount_in_place(struct rl__reader *reader, struct element *e)
{
    size_t mark = rl__reader_enter(reader, "amount");
    rl_status st =
        e->setting->rule.dimension == RL_MONEY
            ? rl__read_dollars(reader, e->amount, &e->setting->limit.amount)
            : rl__read_integer(reader, e->amount, 0, RL_AMOUNT_MAX, &e->setting->limit.amount);

    if (st == RL_OK)
        rl__reader_leave(reader, mark);
    return st;
}

/* A limit of that shape is tried: who says what is wrong is the algorithm. */
static rl_status check_shape(struct rl__reader *reader, const struct rl__limit_setting *setting)
{
    rl_limit trial = setting->limit;
    const char *why;

    trial.epoch = trial.align == RL_ALIGN_EPOCH ? 0 : RL_EPOCH_1970;
    if (trial.align != RL_ALIGN_EPOCH &&
        (trial.algorithm == NULL || strcmp(trial.algorithm, "fixed_window") != 0))
        return rl__reader_fail(reader, "\"align\" needs \"algorithm\": \"fixed_window\"");
    if (rl_limit_check(&trial, &why) != RL_OK)
        return rl__reader_fail(reader, "%s", why);
    return RL_OK;
}

static rl_status finish_element(struct rl__reader *reader, struct element *e)
{
    rl_status st;

    if (!e->has_dimension)
        return rl__reader_fail(reader, "a limit needs a \"dimension\"");
    if (e->amount == NULL)
        return rl__reader_fail(reader, "a limit needs an \"amount\"");
    if (!e->has_period)
        return rl__reader_fail(reader, "a limit needs a \"period\"");
    if ((st = read_amount_in_place(reader, e)) != RL_OK)
        return st;
    e->setting->limit.zone = e->setting->zone;
    if (e->setting->shaped && (st = check_shape(reader, e->setting)) != RL_OK)
        return st;
    return rl__limits_finish(reader, e->into, e->setting);
}

static rl_status read_element(struct rl__reader *reader, const cJSON *value,
                              struct rl__limits_target *into)
{
    struct element element = { .into = into, .setting = rl__limits_append(into) };
    rl_status st;

    if (element.setting == NULL)
        return RL_E_NOMEM;
    if ((st = rl__read_object(reader, value, element_keys, &element)) != RL_OK)
        return st;
    return finish_element(reader, &element);
}

rl_status rl__read_limit_list(struct rl__reader *reader, const cJSON *value, void *target)
{
    size_t index = 0;

    if (!cJSON_IsArray(value))
        return rl__reader_fail(reader, "must be an array");
    for (const cJSON *element = value->child; element != NULL; element = element->next) {
        size_t mark = rl__reader_enter_element(reader, index++);
        rl_status st = read_element(reader, element, target);

        if (st != RL_OK)
            return st;
        rl__reader_leave(reader, mark);
    }
    return RL_OK;
}
