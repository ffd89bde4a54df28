/* SPDX-License-Identifier: MIT */
/* Dialects of the user's own: one block of memory that holds rows and names. */
#include "provider/dialect.h"

#include "base/env.h"
#include "base/sized.h"

#define LIMITS_MAX 64
#define WAITS_MAX  16

/* What a dialect of the user's consists of, in one block; the public part comes first. */
struct made {
    rl_dialect dialect;
    struct rl__env env; /* gives the block back */
    struct rl__series series[LIMITS_MAX];
    struct rl__hint_row hint[WAITS_MAX];
    char name[RL__NAME_MAX];
    char names[]; /* of headers, each with a NUL */
};

static int is_name(const char *text)
{
    size_t length = text == NULL ? 0 : strnlen(text, RL__NAME_MAX);

    return length > 0 && length < RL__NAME_MAX;
}

static int limit_is_sane(const rl_dialect_limit *limit)
{
    return (limit->limit == NULL || is_name(limit->limit)) &&
           (limit->remaining == NULL || is_name(limit->remaining)) &&
           (limit->reset == NULL || is_name(limit->reset)) &&
           (limit->limit != NULL || limit->remaining != NULL) &&
           limit->dimension < RL_DIMENSION_COUNT && limit->reset_form <= RL_TIME_EPOCH &&
           limit->window <= RL__DURATION_MAX;
}

static int spec_is_sane(const rl_dialect_spec *spec)
{
    if (!is_name(spec->name) || spec->limit_count > LIMITS_MAX || spec->wait_count > WAITS_MAX ||
        (spec->limits == NULL && spec->limit_count > 0) ||
        (spec->waits == NULL && spec->wait_count > 0))
        return 0;
    for (size_t i = 0; i < spec->limit_count; i++)
        if (!limit_is_sane(&spec->limits[i]))
            return 0;
    for (size_t i = 0; i < spec->wait_count; i++)
        if (!is_name(spec->waits[i].name) || spec->waits[i].form > RL_TIME_EPOCH)
            return 0;
    return 1;
}

/* In lower case, as names of ours are; moves *at on. NULL stays NULL. */
static const char *name_copy(const char *name, char **at)
{
    char *copy = *at;

    if (name == NULL)
        return NULL;
    do
        *(*at)++ = rl__lower(*name);
    while (*name++ != '\0');
    return copy;
}

static struct rl__slice slice_of(const char *name)
{
    return (struct rl__slice){ name, name == NULL ? 0 : strlen(name) };
}

static void rows_fill(struct made *made, const rl_dialect_spec *spec)
{
    /* The public form is ours: AUTO, SECONDS, MILLISECONDS, EPOCH. */
    static const enum rl__when_form forms[] = { RL__WHEN_AUTO, RL__WHEN_SECONDS,
                                                RL__WHEN_MILLISECONDS, RL__WHEN_EPOCH };
    char *at = made->names;

    for (size_t i = 0; i < spec->limit_count; i++) {
        const rl_dialect_limit *limit = &spec->limits[i];
        struct rl__series *series = &made->series[i];

        series->dimension = limit->dimension;
        series->window = limit->window;
        series->reset = forms[limit->reset_form];
        series->names[0] = slice_of(name_copy(limit->limit, &at));
        series->names[1] = slice_of(name_copy(limit->remaining, &at));
        series->names[2] = slice_of(name_copy(limit->reset, &at));
    }
    for (size_t i = 0; i < spec->wait_count; i++) {
        made->hint[i].name = slice_of(name_copy(spec->waits[i].name, &at));
        made->hint[i].rank = RL__HINT_RANKS - 1;
        made->hint[i].form = forms[spec->waits[i].form];
    }
}

static void made_fill(struct made *made, const struct rl__env *env, const rl_dialect_spec *spec)
{
    made->env = *env;
    memcpy(made->name, spec->name, strlen(spec->name) + 1);
    rows_fill(made, spec);
    made->dialect = (rl_dialect){ .name = made->name,
                                  .series = made->series,
                                  .series_count = (uint32_t)spec->limit_count,
                                  .hints = made->hint,
                                  .hint_count = (uint32_t)spec->wait_count,
                                  .flags = RL__DIALECT_ANY_NAMES };
}

rl_status rl_dialect_new(const rl_dialect_spec *spec, const rl_hooks *hooks, rl_dialect **out)
{
    rl_dialect_spec own;
    struct rl__env env;
    struct made *made;
    rl_status st;

    if (out == NULL)
        return RL_E_INVALID;
    *out = NULL;
    if (spec == NULL)
        return RL_E_INVALID;
    if ((st = rl__copy_sized(&own, sizeof own, spec, spec->size)) != RL_OK ||
        (st = rl__env_init(&env, hooks)) != RL_OK)
        return st;
    if (!spec_is_sane(&own))
        return RL_E_INVALID;
    made = rl__alloc_zeroed(&env, 1,
                            sizeof *made + (own.limit_count * 3 + own.wait_count) * RL__NAME_MAX);
    if (made == NULL)
        return RL_E_NOMEM;
    made_fill(made, &env, &own);
    *out = &made->dialect;
    return RL_OK;
}

void rl_dialect_free(rl_dialect *dialect)
{
    struct made *made = (struct made *)(void *)dialect; /* its first member */
    struct rl__env env;

    if (made == NULL)
        return;
    env = made->env;
    rl__free(&env, made);
}
