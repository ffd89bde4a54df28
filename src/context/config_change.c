/* SPDX-License-Identifier: MIT */
/* Owns the doors by which a configuration changes: another one, or a patch. reload.c does it. */
#include "base/text.h"
#include "context/config_json.h"
#include "context/context.h"

#include <string.h>

static rl_status fail(char *error, size_t error_size, rl_status st, const char *what)
{
    struct rl__text text = rl__text_on(error, error == NULL ? 0 : error_size);

    rl__text_add(&text, "%s", what);
    return st;
}

/* Reads by `path`, or `json` where that is NULL. */
static rl_status read_and_follow(rl_context *rl, const char *path, const char *json, char *error,
                                 size_t error_size)
{
    struct rl__config *config = rl__config_new(&rl->env, rl->config->algorithms);
    rl_status st;

    if (config == NULL)
        return fail(error, error_size, RL_E_NOMEM, rl_status_text(RL_E_NOMEM));
    st = path != NULL ? rl__config_read_file(config, path, error, error_size)
                      : rl__config_read(config, json, strlen(json), error, error_size);
    if (st != RL_OK)
        rl__config_free(config);
    if (st == RL_OK)
        st = rl__config_follow(rl, config);
    else if (st != RL_E_NOMEM)
        return st; /* the reader has said what is wrong, and where */
    return st == RL_OK ? RL_OK : fail(error, error_size, st, rl_status_text(st));
}

rl_status rl_config_reload(rl_context *rl, const char *path, const char *json, char *error,
                           size_t error_size)
{
    rl_status st;

    if (!rl__is_ours(rl) || (path == NULL) == (json == NULL))
        return RL_E_INVALID;
    rl__lock(&rl->reloading);
    st = read_and_follow(rl, path, json, error, error_size);
    rl__unlock(&rl->reloading);
    if (st == RL_OK)
        rl__poke_all(rl);
    return st;
}

/* ---- patches ---- */

/* NOLINTBEGIN(misc-no-recursion) as deep as the patch, whose depth cJSON bounds */
/* RFC 7396: objects merge, null takes away, all else replaces. The caller's `target` is changed or
 * replaced; NULL: out of memory, and it is freed. */
static cJSON *merge(cJSON *target, const cJSON *patch)
{
    if (!cJSON_IsObject(patch)) {
        cJSON_Delete(target);
        return cJSON_Duplicate(patch, 1);
    }
    if (!cJSON_IsObject(target)) {
        cJSON_Delete(target);
        target = cJSON_CreateObject();
    }
    for (const cJSON *member = patch->child; member != NULL && target != NULL;
         member = member->next) {
        cJSON *old = cJSON_DetachItemFromObjectCaseSensitive(target, member->string);
        cJSON *merged;

        if (cJSON_IsNull(member)) {
            cJSON_Delete(old);
            continue;
        }
        merged = merge(old, member);
        if (merged == NULL || !cJSON_AddItemToObject(target, member->string, merged)) {
            cJSON_Delete(merged);
            cJSON_Delete(target);
            target = NULL;
        }
    }
    return target;
}
/* NOLINTEND(misc-no-recursion) */

static rl_status merged_text(const char *before, const cJSON *patch, char **out)
{
    cJSON *present = cJSON_Parse(before);
    cJSON *document = present == NULL ? NULL : merge(present, patch);

    *out = document == NULL ? NULL : cJSON_PrintUnformatted(document);
    cJSON_Delete(document);
    return *out == NULL ? RL_E_NOMEM : RL_OK;
}

static rl_status patch_and_follow(rl_context *rl, const char *json, char *error, size_t error_size)
{
    struct rl__reader reader;
    cJSON *patch;
    char *text;
    rl_status st;

    rl__reader_init(&reader, error, error_size);
    if ((st = rl__read_document(&reader, json, strlen(json), &patch)) != RL_OK)
        return st;
    st = merged_text(rl->config->text == NULL ? "{}" : rl->config->text, patch, &text);
    cJSON_Delete(patch);
    if (st != RL_OK)
        return fail(error, error_size, st, rl_status_text(st));
    st = read_and_follow(rl, NULL, text, error, error_size);
    cJSON_free(text);
    return st;
}

rl_status rl_config_patch(rl_context *rl, const char *json, char *error, size_t error_size)
{
    rl_status st;

    if (!rl__is_ours(rl) || json == NULL)
        return RL_E_INVALID;
    rl__lock(&rl->reloading);
    st = patch_and_follow(rl, json, error, error_size);
    rl__unlock(&rl->reloading);
    if (st == RL_OK)
        rl__poke_all(rl);
    return st;
}
