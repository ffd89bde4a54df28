/* SPDX-License-Identifier: MIT */
/* Owns looking things up in the built-in tables. */
#include "provider/tables.h"

#include "provider/ascii.h"
#include "provider/pattern.h"

#include <string.h>

/* Whether a hyphen stands between the two: "Tier 3", "tier_3" and "tier3" are "tier-3". */
static int is_gap(char before, int skipped, char next)
{
    return skipped || (rl__is_alpha(before) && rl__is_digit(next));
}

rl_status rl_table_tier_name(const char *text, char *name, size_t size)
{
    size_t used = 0;
    int skipped = 0;

    if (text == NULL || name == NULL || size == 0)
        return RL_E_INVALID;
    name[0] = '\0';
    for (; *text != '\0'; text++) {
        if (!rl__is_alpha(*text) && !rl__is_digit(*text)) {
            skipped = 1;
            continue;
        }
        if (used + 2 >= size)
            return RL_E_TOO_LARGE;
        if (used > 0 && is_gap(name[used - 1], skipped, *text))
            name[used++] = '-';
        name[used++] = rl__lower(*text);
        name[used] = '\0';
        skipped = 0;
    }
    return used > 0 ? RL_OK : RL_E_INVALID;
}

const rl_table_row *rl_table_row_at(size_t index)
{
    for (size_t i = 0; rl__table_rows[i].provider != NULL; i++)
        if (i == index)
            return &rl__table_rows[i];
    return NULL;
}

static size_t fit_of(const rl_table_row *row, const char *model)
{
    if (model[0] == '\0')
        return row->models[0] == '\0' ? RL__PATTERN_EXACT : 0;
    return rl__pattern_list_fit(row->models, model);
}

/* Of two that fit alike the first one. */
static const rl_table_row *best_of_tier(const char *provider, const char *tier, const char *model)
{
    const rl_table_row *best = NULL;
    size_t fit = 0;

    for (const rl_table_row *row = rl__table_rows; row->provider != NULL; row++)
        if (strcmp(row->provider, provider) == 0 && strcmp(row->tier, tier) == 0 &&
            fit_of(row, model) > fit) {
            best = row;
            fit = fit_of(row, model);
        }
    return best;
}

static const rl_table_row *first_guess(const char *provider, const char *model)
{
    for (const rl_table_row *row = rl__table_rows; row->provider != NULL; row++)
        if (strcmp(row->provider, provider) == 0 && !row->is_guide && fit_of(row, model) > 0)
            return best_of_tier(provider, row->tier, model);
    return NULL;
}

const rl_table_row *rl_table_find(const char *provider, const char *tier, const char *model)
{
    char name[RL_TABLE_TIER_SIZE];

    if (provider == NULL)
        return NULL;
    model = model == NULL ? "" : model;
    if (tier == NULL)
        return first_guess(provider, model);
    if (rl_table_tier_name(tier, name, sizeof name) != RL_OK)
        return NULL;
    return best_of_tier(provider, name, model);
}

int rl__table_is_single(const rl_table_row *row)
{
    return row->models[0] != '\0' && strpbrk(row->models, " *") == NULL;
}
