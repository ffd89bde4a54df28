/* SPDX-License-Identifier: MIT */
/* Owns the time zones that a configuration names. */
#include "context/config_limit_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

rl_status rl__read_zone(struct rl__reader *reader, const cJSON *value, struct rl__env *env,
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

    return rl__read_zone(reader, value, into->config->env, &into->limits->day_zone);
}
