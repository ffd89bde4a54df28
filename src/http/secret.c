/* SPDX-License-Identifier: MIT */
/* Owns API keys: kept in one place, sent in one header, overwritten at the end. */
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rl_status secret_set(struct secret *secret, const char *text)
{
    size_t length = text == NULL ? 0 : strlen(text);

    *secret = (struct secret){ NULL, 0 };
    if (length == 0)
        return RL_OK;
    for (size_t i = 0; i < length; i++) /* it becomes a header value */
        if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f)
            return RL_E_INVALID;
    if ((secret->text = strdup(text)) == NULL)
        return RL_E_NOMEM;
    secret->length = length;
    return RL_OK;
}

void secret_wipe(struct secret *secret)
{
    if (secret->text != NULL)
        explicit_bzero(secret->text, secret->length);
    free(secret->text);
    *secret = (struct secret){ NULL, 0 };
}

/* Shorter ones are placeholders ("x", "none"): they would be found everywhere. */
#define MASKED_FROM 8

void secret_mask(const struct secret *secret, char *bytes, size_t length)
{
    char *at;

    if (secret->length < MASKED_FROM || bytes == NULL)
        return;
    for (size_t from = 0;
         (at = memmem(bytes + from, length - from, secret->text, secret->length)) != NULL;
         from = (size_t)(at - bytes) + secret->length)
        memset(at, '*', secret->length);
}

static int append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer =
        *list == NULL && line == NULL ? NULL : curl_slist_append(*list, line);

    if (longer == NULL)
        return 0;
    *list = longer;
    return 1;
}

static const struct {
    const char *dialect, *before_key, *also;
} key_form[] = { { "anthropic", "x-api-key: ", "anthropic-version: 2023-06-01" },
                 { "gemini", "x-goog-api-key: ", NULL },
                 { NULL, "Authorization: Bearer ", NULL } };

static int append_key(struct curl_slist **list, const struct secret *secret, const char *before)
{
    size_t size = strlen(before) + secret->length + 1;
    char *line = malloc(size);
    int ok;

    if (line == NULL)
        return 0;
    (void)snprintf(line, size, "%s%s", before, secret->text);
    ok = append(list, line);
    explicit_bzero(line, size);
    free(line);
    return ok;
}

struct curl_slist *secret_headers(const struct secret *secret, const char *dialect)
{
    struct curl_slist *list = NULL;
    size_t form = 0;
    int ok = append(&list, "Content-Type: application/json") && append(&list, "Expect:") &&
             append(&list, "Accept: application/json, text/event-stream");

    while (key_form[form].dialect != NULL && strcmp(key_form[form].dialect, dialect) != 0)
        form++;
    if (ok && key_form[form].also != NULL)
        ok = append(&list, key_form[form].also);
    if (ok && secret->length > 0)
        ok = append_key(&list, secret, key_form[form].before_key);
    if (ok)
        return list;
    secret_free_headers(list);
    return NULL;
}

void secret_free_headers(struct curl_slist *headers)
{
    for (struct curl_slist *line = headers; line != NULL; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(headers);
}
