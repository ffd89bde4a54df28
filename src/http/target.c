/* SPDX-License-Identifier: MIT */
/* Owns where an attempt goes by its route: what the program says of it, checked and copied. */
#include "http/http.h"

#include <stdlib.h>
#include <string.h>

void target_free(struct target *target)
{
    secret_free_headers(target->headers);
    secret_wipe(&target->key);
    door_free(&target->door);
    free(target->path);
    free(target->body);
    *target = (struct target){ { NULL, 0 }, { NULL, 0 }, NULL, NULL, NULL, 0 };
}

/* The engine's own key is not filled in: it is for its own door. */
static rl_http_target target_for(const struct call *call)
{
    const rl_route *route = &call->attempt.route;
    rl_http_target target = { .size = sizeof target,
                              .base_url = route->base_url,
                              .dialect = route->provider,
                              .path = call->path,
                              .body = call->body,
                              .body_length = call->body_length };

    if (target.base_url == NULL)
        target.base_url = call->engine->settings.door.url;
    return target;
}

static char *copy_body(const rl_http_target *from)
{
    char *copy = malloc(from->body_length + 1);

    if (copy != NULL && from->body_length > 0)
        memcpy(copy, from->body, from->body_length);
    return copy;
}

static rl_status copy_target(struct target *to, const rl_http_target *from)
{
    const char *why;
    rl_status st;

    if (from->dialect == NULL || path_problem(from->path) != NULL || from->base_url == NULL ||
        (from->body == NULL && from->body_length > 0))
        return RL_E_INVALID;
    if ((st = door_set(&to->door, from->base_url, &why)) != RL_OK)
        return st;
    if ((st = secret_set(&to->key, from->api_key)) != RL_OK)
        return st;
    to->headers = secret_headers(&to->key, from->dialect);
    to->path = strdup(from->path);
    to->body = copy_body(from);
    to->body_length = from->body_length;
    return to->headers == NULL || to->path == NULL || to->body == NULL ? RL_E_NOMEM : RL_OK;
}

rl_status target_read(struct call *call)
{
    const struct settings *settings = &call->engine->settings;
    rl_http_target target;
    rl_status st;

    target_free(&call->target);
    if (settings->route == NULL || call->request.allow_fallback == RL_FALLBACK_OFF)
        return RL_OK;
    target = target_for(call);
    st = settings->route(settings->route_user, call->user, &call->attempt.route, &target);
    if (st == RL_OK)
        st = copy_target(&call->target, &target);
    if (st != RL_OK)
        target_free(&call->target);
    return st;
}
