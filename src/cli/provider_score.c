/* SPDX-License-Identifier: MIT */
/* Counts what happened and tells it as JSON. */
#include "provider_score.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERED_MAX ((size_t)1 << 23) /* places; half of them are used at most */

void provider_score_init(struct provider_score *score)
{
    memset(score, 0, sizeof *score);
    score->first_request = -1;
    score->last_answer = -1;
}

void provider_score_deinit(struct provider_score *score)
{
    free(score->answered);
    score->answered = NULL;
    score->answered_room = 0;
}

void provider_score_reset(struct provider_score *score)
{
    int64_t in_flight = score->in_flight;

    provider_score_deinit(score);
    provider_score_init(score);
    score->in_flight = in_flight;
    score->in_flight_max = in_flight;
}

void provider_score_arrival(struct provider_score *score, int64_t now)
{
    int64_t second = now / PROVIDER_SECOND;

    if (score->first_request < 0)
        score->first_request = now;
    score->seen++;
    score->second_arrivals = second == score->second ? score->second_arrivals + 1 : 1;
    score->second = second;
    if (score->second_arrivals > score->peak_rps)
        score->peak_rps = score->second_arrivals;
    if (++score->in_flight > score->in_flight_max)
        score->in_flight_max = score->in_flight;
}

static uint64_t *place(uint64_t *table, size_t room, uint64_t hash)
{
    size_t i = hash & (room - 1);

    while (table[i] != 0 && table[i] != hash)
        i = (i + 1) & (room - 1);
    return &table[i];
}

/* Keeps the table at most half full; false if it cannot grow any more. */
static bool make_room(struct provider_score *score)
{
    size_t room = score->answered_room == 0 ? 1024 : 2 * score->answered_room;
    uint64_t *table;

    if ((size_t)score->distinct_200 < score->answered_room / 2)
        return true;
    table = room <= ANSWERED_MAX ? calloc(room, sizeof *table) : NULL;
    if (table == NULL)
        return false;
    for (size_t i = 0; i < score->answered_room; i++)
        if (score->answered[i] != 0)
            *place(table, room, score->answered[i]) = score->answered[i];
    free(score->answered);
    score->answered = table;
    score->answered_room = room;
    return true;
}

void provider_score_answered(struct provider_score *score, uint64_t hash, int64_t now)
{
    uint64_t *found;

    score->answered_200++;
    score->last_answer = now;
    hash += hash == 0;
    if (!make_room(score)) {
        score->answered_full = true;
        return;
    }
    found = place(score->answered, score->answered_room, hash);
    if (*found != 0) {
        score->answered_twice++;
        return;
    }
    *found = hash;
    score->distinct_200++;
}

static void add_number(cJSON *object, const char *name, int64_t number)
{
    cJSON_AddNumberToObject(object, name, (double)number);
}

static void add_seconds(cJSON *object, const char *name, int64_t ns)
{
    if (ns < 0)
        cJSON_AddNullToObject(object, name);
    else
        cJSON_AddNumberToObject(object, name, (double)(ns / PROVIDER_MILLISECOND) / 1000);
}

static void add_limits(cJSON *parent, const struct provider_limits *limits,
                       const struct provider_model *model)
{
    static const char *const names[] = { "rpm", "tpm", "itpm", "otpm", "rpd" };
    cJSON *array = cJSON_AddObjectToObject(parent, "limits");

    for (int kind = 0; kind < PROVIDER_KINDS; kind++) {
        const struct provider_meter *meter = &model->limit[kind].meter;
        cJSON *limit;

        if (limits->spec.amount[kind] == 0)
            continue;
        limit = cJSON_AddObjectToObject(array, names[kind]);
        add_number(limit, "limit", meter->spec.amount);
        add_number(limit, "capacity", provider_meter_capacity(meter));
        add_number(limit, "level", provider_meter_left(meter));
    }
}

static void add_models(cJSON *root, struct provider_limits *limits, int64_t now)
{
    cJSON *models = cJSON_AddObjectToObject(root, "models");

    for (size_t i = 0; i < limits->model_count; i++) {
        provider_limits_advance(limits, &limits->model[i], now);
        add_limits(cJSON_AddObjectToObject(models, limits->model[i].name), limits,
                   &limits->model[i]);
    }
}

static void add_faults(cJSON *root, const struct provider_score *score)
{
    static const char *const names[] = { NULL, "500", "503", "529", "reset", "hang", "slow" };
    cJSON *faults = cJSON_AddObjectToObject(root, "faults");

    for (int fault = PROVIDER_FAULT_NONE + 1; fault < PROVIDER_FAULTS; fault++)
        add_number(faults, names[fault], score->fault[fault]);
}

static void add_counts(cJSON *root, const struct provider_score *score)
{
    add_number(root, "seen", score->seen);
    add_number(root, "admitted", score->admitted);
    add_number(root, "refused", score->refused);
    add_number(root, "refused_wait", score->refused_wait);
    add_number(root, "refused_too_large", score->refused_too_large);
    add_number(root, "refused_early", score->refused_early);
    add_number(root, "early", score->early);
    add_number(root, "errors", score->errors);
    add_faults(root, score);
    add_number(root, "answered_200", score->answered_200);
    add_number(root, "answered_twice", score->answered_twice);
    add_number(root, "distinct_200", score->distinct_200);
    cJSON_AddBoolToObject(root, "distinct_200_full", score->answered_full);
    add_number(root, "cut_short", score->cut_short);
    add_number(root, "in_flight", score->in_flight);
    add_number(root, "in_flight_max", score->in_flight_max);
    add_number(root, "input_tokens", score->input_tokens);
    add_number(root, "output_tokens", score->output_tokens);
    add_seconds(root, "first_request_s", score->first_request);
    add_seconds(root, "last_answer_s", score->last_answer);
    add_number(root, "peak_rps", score->peak_rps);
}

char *provider_score_json(const struct provider_score *score,
                          const struct provider_options *options, struct provider_limits *limits,
                          int64_t now)
{
    cJSON *root = cJSON_CreateObject();
    char *text;

    cJSON_AddStringToObject(root, "dialect", provider_dialect_name(options->dialect));
    add_seconds(root, "now_s", now);
    add_counts(root, score);
    add_models(root, limits, now);
    text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}
