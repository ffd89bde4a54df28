/* SPDX-License-Identifier: MIT */
/* Looking up dialects and dimensions by name. */
#include "provider/dialect.h"

#include <string.h>

const rl_dialect *rl_dialect_find(const char *name)
{
    for (const rl_dialect *dialect = rl__dialects; name != NULL && dialect->name != NULL; dialect++)
        if (strcmp(dialect->name, name) == 0)
            return dialect;
    return NULL;
}

const char *rl_dialect_name(const rl_dialect *dialect)
{
    return dialect == NULL ? rl__dialects[0].name : dialect->name;
}

const char *rl_dimension_name(rl_dimension dimension)
{
    static const char *const names[RL_DIMENSION_COUNT] = {
        "requests", "tokens", "input_tokens", "output_tokens", "images", "money", "concurrency",
    };
    size_t index = (size_t)dimension;

    return index < RL_DIMENSION_COUNT ? names[index] : "?";
}
