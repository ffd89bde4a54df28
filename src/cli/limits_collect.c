/* SPDX-License-Identifier: MIT */
/* Owns finding out which limits there are: by asking a context about each model that it may know
 * of, which is when their limits come into being. */
#include "limits_collect.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 257

struct collecting {
    const struct limits_question *question;
    struct limits_list *list;
    rl_context *rl;
    struct text *error;
};

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* ---- providers ---- */

static void add_provider(struct limits_list *list, const char *name, const cJSON *settings)
{
    const char *dialect = cJSON_GetStringValue(member(settings, "dialect"));
    const char *tier = cJSON_GetStringValue(member(settings, "tier"));
    struct limits_provider *provider;

    list->provider =
        text_memory(list->provider, (list->provider_count + 1) * sizeof *list->provider);
    provider = &list->provider[list->provider_count++];
    provider->name = name;
    provider->dialect = dialect != NULL ? dialect : name;
    provider->tier[0] = '\0';
    if (tier != NULL) /* the library has accepted it */
        (void)rl_table_tier_name(tier, provider->tier, sizeof provider->tier);
}

static void add_all_of_tables(struct limits_list *list)
{
    const rl_table_row *row;
    const char *before = "";

    for (size_t i = 0; (row = rl_table_row_at(i)) != NULL; before = row->provider, i++)
        if (strcmp(row->provider, before) != 0)
            add_provider(list, row->provider, NULL);
}

static bool choose_providers(struct collecting *c)
{
    const cJSON *all = member(c->list->json, "providers"), *settings;
    const char *name = c->question->provider;

    if (name == NULL && c->question->json == NULL) {
        add_all_of_tables(c->list);
        return true;
    }
    if (name == NULL) {
        cJSON_ArrayForEach(settings, all) add_provider(c->list, settings->string, settings);
        return true;
    }
    settings = member(all, name);
    if (settings == NULL && rl_dialect_find(name) == NULL) {
        text_addf(c->error,
                  "there is no provider \"%s\": no dialect that is built in, and not in the "
                  "configuration",
                  name);
        return false;
    }
    add_provider(c->list, name, settings);
    return true;
}

/* ---- touching what a configuration or a table names ---- */

static bool ask(struct collecting *c, const rl_request *request, rl_limit_status *out,
                size_t *count)
{
    rl_status st = rl_limits_of(c->rl, request, out, count);

    if (st == RL_OK)
        return true;
    text_addf(c->error, "%s: %s", request->provider, rl_status_text(st));
    return false;
}

static bool touch(struct collecting *c, const char *provider, const char *model)
{
    rl_request request = RL_REQUEST_INIT;
    size_t count = 0;

    request.provider = provider;
    request.model = model;
    return ask(c, &request, NULL, &count);
}

/* Some name that the first of the patterns fits: their limits come with it. */
static bool touch_pattern(struct collecting *c, const char *provider, const char *patterns)
{
    char name[NAME_MAX_BYTES];
    size_t used = 0;

    for (; *patterns != '\0' && *patterns != ' ' && used + 1 < sizeof name; patterns++)
        if (*patterns != '*')
            name[used++] = *patterns;
    if (used == 0)
        name[used++] = '-';
    name[used] = '\0';
    return touch(c, provider, name);
}

static bool touch_file(struct collecting *c, const char *provider)
{
    const cJSON *settings = member(member(c->list->json, "providers"), provider), *model;

    cJSON_ArrayForEach(model, member(settings, "models"))
    {
        const char *name = cJSON_GetStringValue(member(model, "name"));

        if (strchr(name, '*') != NULL ? !touch_pattern(c, provider, name)
                                      : !touch(c, provider, name))
            return false;
    }
    return true;
}

static bool touch_table(struct collecting *c, const struct limits_provider *provider)
{
    const rl_table_row *row;

    for (size_t i = 0; (row = rl_table_row_at(i)) != NULL; i++)
        if (strcmp(row->provider, provider->dialect) == 0 &&
            strcmp(row->tier, provider->tier) == 0 && row->models[0] != '\0' &&
            !touch_pattern(c, provider->name, row->models))
            return false;
    return true;
}

static bool touch_all(struct collecting *c)
{
    for (size_t p = 0; p < c->list->provider_count; p++) {
        const struct limits_provider *provider = &c->list->provider[p];

        if (!touch(c, provider->name, c->question->model))
            return false;
        if (c->question->model == NULL &&
            (!touch_file(c, provider->name) || !touch_table(c, provider)))
            return false;
    }
    return true;
}

/* ---- what is there now ---- */

static rl_limit_status *room_for(struct limits_list *list, size_t more)
{
    list->limit = text_memory(list->limit, (list->limit_count + more) * sizeof *list->limit);
    return list->limit + list->limit_count;
}

static int by_place(const void *a, const void *b)
{
    const rl_limit_status *left = a, *right = b;
    int global = strcmp(right->scope, "global") == 0, order = strcmp(left->scope, "global") == 0;

    if (global != order)
        return global - order;
    if ((order = strcmp(left->scope, right->scope)) != 0)
        return order;
    if (left->dimension != right->dimension)
        return left->dimension < right->dimension ? -1 : 1;
    return left->period < right->period ? -1 : left->period > right->period;
}

/* Guesses are about names that we have made up: see list_guesses(). */
static bool list_all(struct collecting *c)
{
    struct limits_list *list = c->list;
    size_t count = 0, kept = 0;
    rl_limit_status *limit;

    (void)rl_limits_get(c->rl, NULL, &count); /* refuses NULL pointers only */
    limit = room_for(list, count);
    (void)rl_limits_get(c->rl, limit, &count);
    for (size_t i = 0; i < count; i++)
        if (!limit[i].guess)
            limit[kept++] = limit[i];
    qsort(limit, kept, sizeof *limit, by_place);
    list->limit_count += kept;
    return true;
}

static bool list_model(struct collecting *c, const rl_request *request, size_t skip)
{
    struct limits_list *list = c->list;
    size_t count = 0;
    rl_limit_status *limit;

    if (!ask(c, request, NULL, &count))
        return false;
    limit = room_for(list, count);
    if (!ask(c, request, limit, &count))
        return false;
    memmove(limit, limit + skip, (count - skip) * sizeof *limit);
    list->limit_count += count - skip;
    return true;
}

static void add_guess(struct limits_list *list, const struct limits_provider *provider,
                      const rl_table_row *row)
{
    for (size_t i = 0; i < RL_TABLE_LIMITS && row->limit[i].amount != 0; i++) {
        rl_limit_status *limit = room_for(list, 1);

        *limit = (rl_limit_status){ .source = RL_SOURCE_TABLE, .guess = 1 };
        limit->dimension = (uint32_t)row->limit[i].dimension;
        limit->period = row->limit[i].period;
        limit->amount = row->limit[i].amount;
        (void)snprintf(limit->scope, sizeof limit->scope, "%s/%s", provider->name,
                       row->family != NULL ? row->family : row->models);
        (void)snprintf(limit->origin, sizeof limit->origin, "guess: %s", row->origin);
        list->limit_count++;
    }
}

/* What the library would guess while it knows nothing: of each model the lowest tier's row. */
static void list_guesses(struct limits_list *list, const struct limits_provider *provider)
{
    const rl_table_row *row;

    for (size_t i = 0; (row = rl_table_row_at(i)) != NULL; i++) {
        char name[NAME_MAX_BYTES];
        size_t length = strcspn(row->models, " ");

        if (strcmp(row->provider, provider->dialect) != 0 || row->is_guide || length == 0)
            continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)length, row->models);
        if (rl_table_find(row->provider, NULL, name) == row)
            add_guess(list, provider, row);
    }
}

static bool is_known(const struct limits_list *list, const char *provider)
{
    size_t length = strlen(provider);

    for (size_t i = 0; i < list->limit_count; i++)
        if (strncmp(list->limit[i].scope, provider, length) == 0 &&
            (list->limit[i].scope[length] == '\0' || list->limit[i].scope[length] == '/'))
            return true;
    return false;
}

/* ---- users, organisations, API keys ---- */

static const char *id_of(const cJSON *kind, const char *tier)
{
    const cJSON *id;

    cJSON_ArrayForEach(id, member(kind, "ids"))
    {
        const char *its = cJSON_GetStringValue(id);

        if (its != NULL && strcmp(its, tier) == 0)
            return id->string;
    }
    return strcmp(tier, "default") == 0 ? "\x1f" : NULL; /* an id that nobody has */
}

static bool list_tier(struct collecting *c, const char *kind, const char *tier, const char *id,
                      size_t skip)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = c->list->provider_count > 0 ? c->list->provider[0].name : "generic";
    if (strcmp(kind, "users") == 0) {
        request.user = "\x1f";
        request.user_tier = tier;
    } else if (id == NULL) {
        return true; /* nobody is in it */
    } else if (strcmp(kind, "organisations") == 0) {
        request.organisation = id;
    } else {
        request.api_key = id;
    }
    return list_model(c, &request, skip);
}

static bool list_tenants(struct collecting *c)
{
    static const char *const kind[] = { "organisations", "api_keys", "users" };
    const cJSON *tier;
    rl_request bare = RL_REQUEST_INIT;
    size_t skip = 0;

    bare.provider = c->list->provider_count > 0 ? c->list->provider[0].name : "generic";
    if (!ask(c, &bare, NULL, &skip))
        return false;
    for (size_t k = 0; k < sizeof kind / sizeof kind[0]; k++) {
        const cJSON *settings = member(c->list->json, kind[k]);

        cJSON_ArrayForEach(
            tier, settings) if (cJSON_IsObject(tier) && strcmp(tier->string, "ids") != 0 &&
                                !list_tier(c, kind[k], tier->string, id_of(settings, tier->string),
                                           skip)) return false;
    }
    return true;
}

/* ---- all of it ---- */

static bool list_what_is_asked(struct collecting *c)
{
    rl_request request = RL_REQUEST_INIT;

    if (c->question->model != NULL) {
        request.provider = c->question->provider;
        request.model = c->question->model;
        return list_model(c, &request, 0);
    }
    if (!list_all(c))
        return false;
    for (size_t p = 0; p < c->list->provider_count; p++) {
        const struct limits_provider *provider = &c->list->provider[p];

        if (provider->tier[0] == '\0' && !is_known(c->list, provider->name))
            list_guesses(c->list, provider);
    }
    return list_tenants(c);
}

static bool open_context(struct collecting *c)
{
    rl_options options = RL_OPTIONS_INIT;
    char problem[512] = "";
    rl_status st;

    options.config_json = c->question->json;
    options.error = problem;
    options.error_size = sizeof problem;
    if ((st = rl_open(&options, &c->rl)) != RL_OK)
        text_addf(c->error, "%s%s%s", c->question->file != NULL ? c->question->file : "",
                  c->question->file != NULL ? ": " : "",
                  problem[0] != '\0' ? problem : rl_status_text(st));
    return st == RL_OK;
}

bool limits_collect(const struct limits_question *question, struct limits_list *list,
                    struct text *error)
{
    struct collecting c = { question, list, NULL, error };
    bool good;

    *list = (struct limits_list){ 0 };
    if (!open_context(&c))
        return false;
    list->json = question->json != NULL ? cJSON_Parse(question->json) : cJSON_CreateObject();
    if (list->json == NULL)
        text_no_memory(); /* the library has accepted it */
    good = choose_providers(&c) && touch_all(&c) && list_what_is_asked(&c);
    rl_close(c.rl);
    return good;
}

void limits_free(struct limits_list *list)
{
    cJSON_Delete(list->json);
    free(list->provider);
    free(list->limit);
    *list = (struct limits_list){ 0 };
}

const rl_table_row *limits_row(const rl_limit_status *limit)
{
    static const char mark[] = "guess: ";
    const char *origin = limit->origin;
    const rl_table_row *row;

    if (limit->source != RL_SOURCE_TABLE)
        return NULL;
    if (strncmp(origin, mark, sizeof mark - 1) == 0)
        origin += sizeof mark - 1;
    for (size_t i = 0; (row = rl_table_row_at(i)) != NULL; i++)
        if (strcmp(row->origin, origin) == 0)
            return row;
    return NULL;
}
