/* SPDX-License-Identifier: MIT */
/* Owns the engine's options: copied, checked, defaults filled in. */
#include "http/http.h"

#include <stdlib.h>
#include <string.h>

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value == 0 ? otherwise : value;
}

/* An older caller's struct is shorter; a newer one's must hold nothing that we do not know. */
static rl_status copy_options(const rl_http_options *from, rl_http_options *to)
{
    const unsigned char *bytes = (const unsigned char *)from;

    *to = RL_HTTP_OPTIONS_INIT;
    if (from->size < sizeof from->size || from->size > 4096)
        return from->size > 4096 ? RL_E_TOO_NEW : RL_E_INVALID;
    for (size_t i = sizeof *to; i < from->size; i++)
        if (bytes[i] != 0)
            return RL_E_TOO_NEW;
    memcpy(to, from, from->size < sizeof *to ? from->size : sizeof *to);
    to->size = sizeof *to;
    return RL_OK;
}

static rl_status copy_text(char **to, const char *from)
{
    *to = from == NULL ? NULL : strdup(from);
    return from != NULL && *to == NULL ? RL_E_NOMEM : RL_OK;
}

static rl_status copy_texts(struct settings *settings, const rl_http_options *options,
                            const char **why)
{
    rl_status st;

    if ((st = copy_text(&settings->provider, options->provider)) != RL_OK)
        return st;
    if ((st = copy_text(&settings->ca_file, options->ca_file)) != RL_OK)
        return st;
    if ((st = secret_set(&settings->key, options->api_key)) == RL_E_INVALID)
        *why = "the API key holds a space or a control character";
    return st;
}

rl_status settings_read(struct settings *settings, const rl_http_options *options, const char **why)
{
    rl_http_options own;
    rl_status st;

    *why = "";
    *settings =
        (struct settings){ { NULL, 0 }, { NULL, 0 }, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL };
    if ((st = copy_options(options, &own)) != RL_OK)
        return st;
    if (own.provider == NULL || own.provider[0] == '\0') {
        *why = "a provider must be named";
        return RL_E_INVALID;
    }
    if ((st = door_set(&settings->door, own.base_url, why)) != RL_OK)
        return st;
    if ((st = copy_texts(settings, &own, why)) != RL_OK)
        return st;
    settings->max_in_flight = or_default(own.max_in_flight, 256);
    settings->attempt_timeout_ms = or_default(own.attempt_timeout_ms, 600000);
    settings->connect_timeout_ms = or_default(own.connect_timeout_ms, 30000);
    settings->max_body_bytes = or_default(own.max_body_bytes, UINT64_C(16) * 1024 * 1024);
    settings->max_attempts = own.max_attempts;
    settings->route = own.route;
    settings->route_user = own.route_user;
    settings->headers =
        secret_headers(&settings->key, own.dialect != NULL ? own.dialect : own.provider);
    return settings->headers == NULL ? RL_E_NOMEM : RL_OK;
}

void settings_free(struct settings *settings)
{
    secret_free_headers(settings->headers);
    settings->headers = NULL;
    secret_wipe(&settings->key);
    door_free(&settings->door);
    free(settings->provider);
    free(settings->ca_file);
    settings->provider = settings->ca_file = NULL;
}
