/* SPDX-License-Identifier: MIT */
/* Which limits a configuration and the built-in tables put in force. */
#ifndef LLMRL_CLI_LIMITS_COLLECT_H
#define LLMRL_CLI_LIMITS_COLLECT_H

#include <llmrl/config.h>

#include "text.h"

struct limits_question {
    const char *provider; /* NULL: all that the configuration names, or without one the tables */
    const char *model;    /* NULL: all that the configuration or the tier's table names */
    const char *json;     /* the configuration; NULL: none */
    const char *file;     /* where that came from */
};

struct limits_provider {
    const char *name;
    const char *dialect;           /* whose tables there may be */
    char tier[RL_TABLE_TIER_SIZE]; /* as tables have it; "": none is named */
};

/* Filled by limits_collect(), freed with limits_free(). */
struct limits_list {
    struct limits_provider *provider;
    size_t provider_count;
    rl_limit_status *limit; /* the program's first, the users' last */
    size_t limit_count;
    void *json; /* where names lie */
};

/* False: `error` says what is wrong, with the place in the configuration. */
bool limits_collect(const struct limits_question *question, struct limits_list *list,
                    struct text *error);
void limits_free(struct limits_list *list);

/* The row that a limit's number was taken from; NULL: from none. */
const rl_table_row *limits_row(const rl_limit_status *limit);

#endif
