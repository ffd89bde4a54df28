/* SPDX-License-Identifier: MIT */
/* Owns how the built-in tables become part of a configuration. */
#include "context/config_table.h"

#include "context/config_limit.h"
#include "provider/pattern.h"
#include "provider/tables.h"

#include <string.h>

struct joining {
    struct rl__config *config;
    struct rl__provider_settings *provider;
    const char *dialect;
    char tier[RL_TABLE_TIER_SIZE];
};

static int is_of_tier(const struct joining *j, const rl_table_row *row)
{
    return strcmp(row->provider, j->dialect) == 0 && strcmp(row->tier, j->tier) == 0;
}

/* ---- a tier that there is not ---- */

/* Rows of one tier stand together. */
static void name_tiers(struct rl__text *text, const char *dialect)
{
    const char *before = "";

    for (const rl_table_row *row = rl__table_rows; row->provider != NULL; row++) {
        if (strcmp(row->provider, dialect) != 0 || strcmp(row->tier, before) == 0)
            continue;
        rl__text_add(text, "%s\"%s\"", before[0] == '\0' ? "" : ", ", row->tier);
        before = row->tier;
    }
}

static rl_status fail(struct rl__reader *reader, const char *dialect)
{
    char list[400];
    struct rl__text text = rl__text_on(list, sizeof list);

    name_tiers(&text, dialect);
    if (list[0] == '\0')
        return rl__reader_fail(reader, "there is no built-in table for \"%s\"", dialect);
    return rl__reader_fail(reader, "there is no such tier of \"%s\"; there are %s", dialect, list);
}

static rl_status check_tier(struct rl__reader *reader, const struct joining *j)
{
    size_t mark = rl__reader_enter(reader, "tier");

    for (const rl_table_row *row = rl__table_rows; row->provider != NULL; row++)
        if (is_of_tier(j, row)) {
            rl__reader_leave(reader, mark);
            return RL_OK;
        }
    return fail(reader, j->dialect);
}

/* ---- what the file says goes before ---- */

/* A model that the file names belongs to the row: what it says of a limit says so for the row. */
static int models_speak_of(const struct joining *j, const rl_table_row *row,
                           const rl_table_limit *limit)
{
    for (const struct rl__model_settings *m = j->provider->models; m != NULL; m = m->next)
        if (!m->is_table && rl__pattern_list_fit(row->models, m->name) > 0 &&
            rl__limits_speak_of(&m->limits, limit))
            return 1;
    return 0;
}

static int is_overridden(const struct joining *j, const rl_table_row *row,
                         const rl_table_limit *limit)
{
    return rl__limits_speak_of(&j->provider->limits, limit) ||
           rl__limits_speak_of(&j->provider->unknown, limit) || models_speak_of(j, row, limit);
}

static rl_status add_limits(const struct joining *j, const rl_table_row *row,
                            struct rl__limits *limits)
{
    struct rl__limits_target into = { j->config, limits };
    rl_status st = RL_OK;

    for (size_t i = 0; i < RL_TABLE_LIMITS && row->limit[i].amount != 0 && st == RL_OK; i++)
        if (!is_overridden(j, row, &row->limit[i]))
            st = rl__limits_add(&into, &row->limit[i], row->origin);
    return st;
}

/* ---- rows become settings ---- */

static rl_status new_models(const struct joining *j, const rl_table_row *row,
                            struct rl__model_settings **out)
{
    struct rl__env *env = j->config->env;
    struct rl__model_settings *models = rl__alloc_zeroed(env, 1, sizeof *models);

    if (models == NULL)
        return RL_E_NOMEM;
    models->next = j->provider->models;
    j->provider->models = models; /* so that it is freed whatever happens next */
    models->is_table = 1;
    models->family = row->family;
    models->name = rl__copy_text(env, row->models, strlen(row->models));
    *out = models;
    return models->name == NULL ? RL_E_NOMEM : RL_OK;
}

/* A model that the file names, too, has one list of limits. */
static struct rl__model_settings *named_in_file(const struct joining *j, const rl_table_row *row)
{
    struct rl__model_settings *m = j->provider->models;

    while (m != NULL && (m->is_table || strcmp(m->name, row->models) != 0))
        m = m->next;
    return rl__table_is_single(row) ? m : NULL;
}

static rl_status add_row(const struct joining *j, const rl_table_row *row)
{
    struct rl__model_settings *models = named_in_file(j, row);
    rl_status st;

    if (row->models[0] == '\0')
        return add_limits(j, row, &j->provider->limits);
    if (models == NULL && (st = new_models(j, row, &models)) != RL_OK)
        return st;
    return add_limits(j, row, &models->limits);
}

rl_status rl__config_tables(struct rl__reader *reader, struct rl__config *config,
                            struct rl__provider_settings *provider)
{
    struct joining j = { .config = config, .provider = provider };
    rl_status st;

    if (provider->tier == NULL)
        return RL_OK;
    j.dialect = provider->dialect != NULL ? provider->dialect : provider->name;
    if (rl_table_tier_name(provider->tier, j.tier, sizeof j.tier) != RL_OK)
        j.tier[0] = '\0'; /* no row has that */
    if ((st = check_tier(reader, &j)) != RL_OK)
        return st;
    for (const rl_table_row *row = rl__table_rows; row->provider != NULL && st == RL_OK; row++)
        if (is_of_tier(&j, row))
            st = add_row(&j, row);
    return st;
}
