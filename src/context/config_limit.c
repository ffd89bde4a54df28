/* SPDX-License-Identifier: MIT */
/* Owns what a configuration says of limits. */
#include "context/config_limit.h"

#include "base/arith.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

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
static struct rl__limit_setting *append(struct rl__limits_target *into)
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

static rl_status finish(struct rl__reader *reader, struct rl__limits_target *into,
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
    if ((setting = append(into)) == NULL)
        return RL_E_NOMEM;
    setting->limit.amount = amount;
    if (!read_key(value->string, setting))
        return rl__reader_fail(reader, "unknown key");
    return finish(reader, into, setting);
}

/* Decimals are fine: money is counted in nano-dollars. */
static rl_status read_dollars(struct rl__reader *reader, const cJSON *value, uint64_t *nano)
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
    rl_status st = read_dollars(reader, value, &amount);

    if (st != RL_OK)
        return st;
    if ((setting = append(into)) == NULL)
        return RL_E_NOMEM;
    setting->limit.amount = amount;
    if (!read_key(value->string, setting))
        return rl__reader_fail(reader, "unknown key");
    return finish(reader, into, setting);
}

static void shape_concurrency(struct rl__limit_setting *setting)
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
    if ((setting = append(into)) == NULL)
        return RL_E_NOMEM;
    setting->limit.amount = amount;
    shape_concurrency(setting);
    return finish(reader, into, setting);
}

rl_status rl__limits_add_pool(struct rl__reader *reader, struct rl__limits_target *into,
                              const struct rl__lease_rule *rule)
{
    struct rl__limit_setting *setting = append(into);

    if (setting == NULL)
        return RL_E_NOMEM;
    setting->limit.amount = rule->slots;
    setting->is_pool = 1;
    setting->pool = *rule;
    shape_concurrency(setting);
    return finish(reader, into, setting);
}

static rl_status read_limit_name(struct rl__reader *reader, const cJSON *value,
                                 struct rl__limits_target *into)
{
    const char *name;
    struct rl__limit_setting *setting;
    rl_status st = rl__read_name(reader, value, &name);

    if (st != RL_OK)
        return st;
    if ((setting = append(into)) == NULL)
        return RL_E_NOMEM;
    if (strcmp(name, "concurrency") == 0)
        shape_concurrency(setting);
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
    struct rl__limit_setting *setting = append(into);

    if (setting == NULL)
        return RL_E_NOMEM;
    setting->rule.dimension = (uint32_t)limit->dimension;
    setting->limit.period = limit->period;
    setting->limit.amount = limit->amount;
    setting->origin = origin;
    if (limit->dimension == RL_CONCURRENCY)
        shape_concurrency(setting);
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

/* ---- time zones ---- */

void rl__local_zone(char *name, size_t size)
{
    static const char root[] = "zoneinfo/";
    const char *set = getenv("TZ"), *at;
    char path[256];
    ssize_t length;

    (void)snprintf(name, size, "UTC");
    if (set != NULL && set[0] != '\0') {
        (void)snprintf(name, size, "%s", set[0] == ':' ? set + 1 : set);
        return;
    }
    length = readlink("/etc/localtime", path, sizeof path - 1);
    if (length < 0)
        return;
    path[length] = '\0';
    at = strstr(path, root);
    if (at != NULL)
        (void)snprintf(name, size, "%s", at + strlen(root));
}

/* A limit with this zone is tried, so that a name without data is found out here. */
static rl_status check_zone(struct rl__reader *reader, const char *zone)
{
    rl_limit trial = RL_LIMIT_INIT;
    const char *why;

    trial.algorithm = "fixed_window";
    trial.amount = 1;
    trial.period = RL_DAY;
    trial.align = RL_ALIGN_DAY;
    trial.epoch = RL_EPOCH_1970;
    trial.zone = zone;
    if (rl_limit_check(&trial, &why) != RL_OK)
        return rl__reader_fail(reader, "%s", why);
    return RL_OK;
}

static rl_status read_zone(struct rl__reader *reader, const cJSON *value, struct rl__env *env,
                           char **out)
{
    char local[256];
    const char *name;
    rl_status st = rl__read_name(reader, value, &name);

    if (st != RL_OK)
        return st;
    if (strcmp(name, "local") == 0) {
        rl__local_zone(local, sizeof local);
        name = local;
    }
    if ((st = check_zone(reader, name)) != RL_OK)
        return st;
    rl__free(env, *out);
    *out = rl__copy_text(env, name, strlen(name));
    return *out == NULL ? RL_E_NOMEM : RL_OK;
}

rl_status rl__read_day_zone(struct rl__reader *reader, const cJSON *value, void *target)
{
    struct rl__limits_target *into = target;

    return read_zone(reader, value, into->config->env, &into->limits->day_zone);
}

/* ---- one element of "limits" ---- */

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
        shape_concurrency(e->setting);
        e->has_period = 1;
        return RL_OK;
    }
    for (size_t w = 0; w < COUNT_OF(dimension_word); w++)
        if (strcmp(name, dimension_word[w].name) == 0) {
            e->setting->rule.dimension = (uint32_t)dimension_word[w].dimension;
            return RL_OK;
        }
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
                 { "h", RL_HOUR },         { "d", RL_DAY },    { "w", WEEK } };
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
    e->setting->limit.period = parse_span(text);
    for (size_t p = 0; p < COUNT_OF(period_word); p++)
        if (strcmp(text, period_word[p].word) == 0)
            e->setting->limit.period = period_word[p].period;
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
    return read_zone(reader, value, e->into->config->env, &e->setting->zone);
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
            ? read_dollars(reader, e->amount, &e->setting->limit.amount)
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
    return finish(reader, e->into, e->setting);
}

static rl_status read_element(struct rl__reader *reader, const cJSON *value,
                              struct rl__limits_target *into)
{
    struct element element = { .into = into, .setting = append(into) };
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
