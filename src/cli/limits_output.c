/* SPDX-License-Identifier: MIT */
/* Owns how limits are written down. */
#include "limits_output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tiers ---- */

/* Rows of one tier stand together. False: no table knows the dialect. */
static bool add_tiers(struct text *out, const char *dialect, const char *separator,
                      void (*add)(struct text *out, const char *tier))
{
    const rl_table_row *row;
    const char *before = NULL;

    for (size_t i = 0; (row = rl_table_row_at(i)) != NULL; i++) {
        if (strcmp(row->provider, dialect) != 0 ||
            (before != NULL && strcmp(row->tier, before) == 0))
            continue;
        if (before != NULL)
            text_add_string(out, separator);
        add(out, row->tier);
        before = row->tier;
    }
    return before != NULL;
}

static void add_json_string(struct text *out, const char *string)
{
    text_add_json(out, string, strlen(string));
}

static void add_provider(struct text *out, const struct limits_provider *provider)
{
    struct text tiers = { 0 };

    if (provider->tier[0] != '\0')
        text_addf(out, "%s: tier %s of the built-in tables", provider->name, provider->tier);
    else
        text_addf(out, "%s: no tier named", provider->name);
    if (add_tiers(&tiers, provider->dialect, ", ", text_add_string))
        text_addf(out, "; there are %s\n", tiers.data);
    else
        text_add_string(out, "; no built-in table\n");
    text_free(&tiers);
}

void limits_tables(struct text *out)
{
    const rl_table_row *row;
    const char *before = "";

    text_add_string(out, "built-in tables:\n");
    for (size_t i = 0; (row = rl_table_row_at(i)) != NULL; i++) {
        if (strcmp(row->provider, before) == 0)
            continue;
        before = row->provider;
        text_addf(out, "  %-13s", before);
        (void)add_tiers(out, before, ", ", text_add_string);
        text_add_string(out, "\n");
    }
}

/* ---- a table ---- */

#define COLUMNS 7
struct line {
    struct text cell[COLUMNS];
};

static void add_amount(struct text *out, const rl_limit_status *limit, int64_t amount)
{
    if (limit->dimension == RL_MONEY)
        text_addf(out, "$%.2f", (double)amount / 1e9);
    else
        text_addf(out, "%lld", (long long)amount);
}

static void add_period(struct text *out, const rl_limit_status *limit)
{
    static const struct {
        rl_duration period;
        const char *words;
    } known[] = {
        { RL_SECOND, "a second" }, { RL_MINUTE, "a minute" }, { RL_HOUR, "an hour" },
        { RL_DAY, "a day" },       { 7 * RL_DAY, "a week" },  { 30 * RL_DAY, "a month" }
    };
    char text[TEXT_SHORT];

    if (limit->dimension == RL_CONCURRENCY) {
        text_add_string(out, " at once");
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].period == limit->period) {
            text_addf(out, " %s", known[i].words);
            return;
        }
    text_addf(out, " in %s", text_duration((double)limit->period / (double)RL_SECOND, text));
}

static void fill_line(struct line *line, const rl_limit_status *limit)
{
    text_add_string(&line->cell[0], limit->scope);
    text_add_string(&line->cell[1], rl_dimension_name((rl_dimension)limit->dimension));
    add_amount(&line->cell[2], limit, (int64_t)limit->amount);
    add_period(&line->cell[2], limit);
    text_add_string(&line->cell[3], limit->guess ? "-" : limit->algorithm);
    if (limit->guess) {
        text_add_string(&line->cell[4], "-");
        text_add_string(&line->cell[5], "-");
    } else {
        add_amount(&line->cell[4], limit, (int64_t)limit->level.burst);
        add_amount(&line->cell[5], limit, limit->level.remaining);
    }
    text_addf(&line->cell[6], "%s%s", limit->origin, limit->shadow ? ", shadow" : "");
}

static void widen(size_t *width, const struct line *line)
{
    for (size_t i = 0; i < COLUMNS; i++)
        width[i] = line->cell[i].length > width[i] ? line->cell[i].length : width[i];
}

/* Numbers to the right. */
static void add_line(struct text *out, const struct line *line, const size_t *width)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        int field = i + 1 == COLUMNS ? 0 : (int)width[i];

        text_addf(out, "%s%*s", i > 0 ? "  " : "", i == 4 || i == 5 ? field : -field,
                  line->cell[i].data);
    }
    text_add_string(out, "\n");
}

static void free_line(struct line *line)
{
    for (size_t i = 0; i < COLUMNS; i++)
        text_free(&line->cell[i]);
}

static bool is_first_of_source(const struct limits_list *list, size_t index)
{
    const rl_table_row *row = limits_row(&list->limit[index]);

    for (size_t i = 0; row != NULL && i < index; i++) {
        const rl_table_row *other = limits_row(&list->limit[i]);

        if (other != NULL && strcmp(other->origin, row->origin) == 0)
            return false;
    }
    return row != NULL;
}

static void add_sources(struct text *out, const struct limits_list *list)
{
    for (size_t i = 0; i < list->limit_count; i++)
        if (is_first_of_source(list, i))
            text_addf(out, "%s: from %s\n", limits_row(&list->limit[i])->origin,
                      limits_row(&list->limit[i])->source);
}

static bool any_guess(const struct limits_list *list)
{
    for (size_t i = 0; i < list->limit_count; i++)
        if (list->limit[i].guess)
            return true;
    return false;
}

static void add_lines(struct text *out, const struct limits_list *list)
{
    static const char *const title[COLUMNS] = { "SCOPE", "COUNTS", "LIMIT", "KEPT BY",
                                                "BURST", "LEFT",   "FROM" };
    struct line *line = text_memory(NULL, (list->limit_count + 1) * sizeof *line);
    size_t width[COLUMNS] = { 0 };

    memset(line, 0, (list->limit_count + 1) * sizeof *line);
    for (size_t i = 0; i < COLUMNS; i++)
        text_add_string(&line[0].cell[i], title[i]);
    for (size_t i = 0; i < list->limit_count; i++)
        fill_line(&line[i + 1], &list->limit[i]);
    for (size_t i = 0; i <= list->limit_count; i++)
        widen(width, &line[i]);
    for (size_t i = 0; i <= list->limit_count; i++) {
        add_line(out, &line[i], width);
        free_line(&line[i]);
    }
    free(line);
}

void limits_table(struct text *out, const struct limits_list *list)
{
    for (size_t i = 0; i < list->provider_count; i++)
        add_provider(out, &list->provider[i]);
    if (list->limit_count == 0) {
        text_add_string(out, "no limits: what there is, answers teach\n");
        return;
    }
    text_add_string(out, "\n");
    add_lines(out, list);
    text_add_string(out, "\n");
    add_sources(out, list);
    if (any_guess(list))
        text_add_string(out, "A guess holds nobody back: answers say better, or \"tier\" in the "
                             "configuration.\n");
}

/* ---- JSON ---- */

static const char *source_of(const rl_limit_status *limit)
{
    return limit->guess                          ? "guess"
           : limit->source == RL_SOURCE_TABLE    ? "table"
           : limit->source == RL_SOURCE_ANSWER   ? "answers"
           : limit->source == RL_SOURCE_CALL     ? "program"
           : limit->source == RL_SOURCE_ADAPTIVE ? "adaptive"
                                                 : "file";
}

static void add_json_provider(struct text *out, const struct limits_provider *provider)
{
    text_add_string(out, "{\"name\":");
    add_json_string(out, provider->name);
    if (provider->tier[0] != '\0') {
        text_add_string(out, ",\"tier\":");
        add_json_string(out, provider->tier);
    }
    text_add_string(out, ",\"tiers\":[");
    (void)add_tiers(out, provider->dialect, ",", add_json_string);
    text_add_string(out, "]}");
}

static void add_json_limit(struct text *out, const rl_limit_status *limit)
{
    const rl_table_row *row = limits_row(limit);

    text_add_string(out, "{\"scope\":");
    add_json_string(out, limit->scope);
    text_addf(out, ",\"dimension\":\"%s\",\"amount\":%llu",
              rl_dimension_name((rl_dimension)limit->dimension), (unsigned long long)limit->amount);
    if (limit->dimension != RL_CONCURRENCY)
        text_addf(out, ",\"period_s\":%.3f", (double)limit->period / (double)RL_SECOND);
    if (!limit->guess) {
        text_addf(out, ",\"in_force\":%llu,\"burst\":%llu,\"remaining\":%lld,\"algorithm\":",
                  (unsigned long long)limit->level.limit, (unsigned long long)limit->level.burst,
                  (long long)limit->level.remaining);
        add_json_string(out, limit->algorithm);
    }
    text_addf(out, ",\"source\":\"%s\",\"origin\":", source_of(limit));
    add_json_string(out, limit->origin);
    if (row != NULL) {
        text_addf(out, ",\"as_of\":\"%s\",\"page\":", row->as_of);
        add_json_string(out, row->source);
    }
    text_addf(out, ",\"shadow\":%s}", limit->shadow ? "true" : "false");
}

void limits_json(struct text *out, const struct limits_list *list)
{
    text_add_string(out, "{\"providers\":[");
    for (size_t i = 0; i < list->provider_count; i++) {
        text_add_string(out, i > 0 ? "," : "");
        add_json_provider(out, &list->provider[i]);
    }
    text_add_string(out, "],\"limits\":[");
    for (size_t i = 0; i < list->limit_count; i++) {
        text_add_string(out, i > 0 ? "," : "");
        add_json_limit(out, &list->limit[i]);
    }
    text_add_string(out, "]}\n");
}
