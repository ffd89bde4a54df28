/* SPDX-License-Identifier: MIT */
/* The built-in tables: each row is whole, and a name finds its row. */
#include "provider/pattern.h"
#include "provider/tables.h"

#include <llmrl/llmrl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int is_date(const char *text)
{
    static const char form[] = "dddd-dd-dd";
    size_t length = strlen(text);

    if (strcmp(text, "undated") == 0)
        return 1;
    if (length != 4 && length != 7 && length != 10)
        return 0;
    for (size_t i = 0; i < length; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return 0;
    return 1;
}

static size_t limits_of(const rl_table_row *row)
{
    size_t count = 0;

    while (count < RL_TABLE_LIMITS && row->limit[count].amount != 0)
        count++;
    return count;
}

static void check_limits(const rl_table_row *row)
{
    size_t count = limits_of(row);

    assert_in_range(count, 1, RL_TABLE_LIMITS);
    for (size_t i = 0; i < count; i++) {
        assert_true(row->limit[i].dimension < RL_DIMENSION_COUNT);
        assert_in_range(row->limit[i].period, RL_SECOND, 30 * RL_DAY);
        assert_in_range(row->limit[i].amount, 1, RL_AMOUNT_MAX);
        for (size_t k = 0; k < i; k++)
            assert_false(row->limit[k].dimension == row->limit[i].dimension &&
                         row->limit[k].period == row->limit[i].period);
    }
    for (size_t i = count; i < RL_TABLE_LIMITS; i++)
        assert_int_equal(row->limit[i].amount, 0);
}

static void every_row_says_whose_and_when(void **state)
{
    char name[RL_TABLE_TIER_SIZE], origin[sizeof((rl_limit_status *)0)->origin];
    const rl_table_row *row;
    size_t count = 0;

    (void)state;
    for (; (row = rl_table_row_at(count)) != NULL; count++) {
        assert_non_null(rl_dialect_find(row->provider));
        assert_true(strlen(row->source) > 0 && is_date(row->as_of));
        assert_int_equal(rl_table_tier_name(row->tier, name, sizeof name), RL_OK);
        assert_string_equal(name, row->tier);
        assert_non_null(strstr(row->origin, row->provider));
        assert_non_null(strstr(row->origin, row->tier));
        assert_non_null(strstr(row->origin, row->as_of));
        assert_true(strlen("guess: ") + strlen(row->origin) < sizeof origin);
        assert_true(strlen(", adaptive") + strlen(row->origin) < sizeof origin);
        check_limits(row);
    }
    assert_true(count > 300);
}

/* One name at a time, no empty one, and no two stars side by side. */
static void every_pattern_is_one(void **state)
{
    const rl_table_row *row;

    (void)state;
    for (size_t i = 0; (row = rl_table_row_at(i)) != NULL; i++) {
        assert_null(strstr(row->models, "  "));
        assert_null(strstr(row->models, "**"));
        assert_true(row->models[0] != ' ' && strcmp(row->models, "*") != 0);
        assert_true(row->models[0] == '\0' || row->models[strlen(row->models) - 1] != ' ');
        assert_true(strlen(row->models) < 256);
        assert_true(row->family != NULL || strchr(row->models, ' ') == NULL);
        if (row->family != NULL) /* or it would be taken for a pattern, or for a model */
            assert_true(strchr(row->family, '*') == NULL && !rl__table_is_single(row));
    }
}

static int same_tier(const rl_table_row *a, const rl_table_row *b)
{
    return strcmp(a->provider, b->provider) == 0 && strcmp(a->tier, b->tier) == 0;
}

/* Of one tier no two rows fit a name equally well, and rows that belong together stand together. */
static void no_row_is_there_twice(void **state)
{
    const rl_table_row *a, *b;

    (void)state;
    for (size_t i = 0; (a = rl_table_row_at(i)) != NULL; i++)
        for (size_t k = 0; k < i; k++) {
            b = rl_table_row_at(k);
            if (!same_tier(a, b))
                continue;
            assert_string_not_equal(a->models, b->models);
            assert_true(a->family == NULL || b->family == NULL ||
                        strcmp(a->family, b->family) != 0);
            assert_true(k + 1 == i || same_tier(rl_table_row_at(k + 1), a));
        }
}

static uint64_t amount(const rl_table_row *row, uint64_t dimension, rl_duration period)
{
    for (size_t i = 0; row != NULL && i < RL_TABLE_LIMITS; i++)
        if (row->limit[i].dimension == dimension && row->limit[i].period == period)
            return row->limit[i].amount;
    return 0;
}

/* As the guide prints them. */
static void the_guides_tables_are_there_and_marked(void **state)
{
    static const struct {
        const char *tier;
        uint64_t requests, tokens, images;
    } openai[] = { { "guide-free", 3, 40000, 1 },         { "guide-tier-1", 60, 60000, 5 },
                   { "guide-tier-2", 500, 80000, 10 },    { "guide-tier-3", 3000, 160000, 50 },
                   { "guide-tier-4", 5000, 600000, 100 }, { "guide-tier-5", 10000, 2000000, 250 } };
    static const struct {
        const char *provider, *model;
        uint64_t requests, tokens, daily;
    } other[] = { { "anthropic", "claude-3-opus-20240229", 20, 100000, 5000000 },
                  { "anthropic", "claude-3-sonnet-20240229", 40, 200000, 10000000 },
                  { "anthropic", "claude-3-haiku-20240307", 100, 400000, 25000000 },
                  { "anthropic", "claude-2.1", 50, 300000, 15000000 },
                  { "groq", "mixtral-8x7b-32768", 30, 5000, 0 },
                  { "groq", "llama2-70b-4096", 30, 3000, 0 },
                  { "groq", "gemma-7b-it", 30, 15000, 0 } };
    const rl_table_row *row;
    size_t guides = 0;

    (void)state;
    for (size_t i = 0; i < sizeof openai / sizeof openai[0]; i++) {
        row = rl_table_find("openai", openai[i].tier, NULL);
        assert_non_null(row);
        assert_int_equal(amount(row, RL_REQUESTS, RL_MINUTE), openai[i].requests);
        assert_int_equal(amount(row, RL_TOKENS, RL_MINUTE), openai[i].tokens);
        assert_int_equal(amount(row, RL_IMAGES, RL_MINUTE), openai[i].images);
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        row = rl_table_find(other[i].provider, "guide", other[i].model);
        assert_non_null(row);
        assert_int_equal(amount(row, RL_REQUESTS, RL_MINUTE), other[i].requests);
        assert_int_equal(amount(row, RL_TOKENS, RL_MINUTE), other[i].tokens);
        assert_int_equal(amount(row, RL_TOKENS, RL_DAY), other[i].daily);
    }
    for (size_t i = 0; (row = rl_table_row_at(i)) != NULL; i++) {
        assert_int_equal(row->is_guide, strncmp(row->tier, "guide", 5) == 0);
        if (row->is_guide) {
            assert_string_equal(row->as_of, "undated");
            assert_non_null(strstr(row->origin, "guide's own"));
        }
        guides += row->is_guide;
    }
    assert_int_equal(guides, sizeof openai / sizeof openai[0] + sizeof other / sizeof other[0]);
}

static void a_name_finds_its_row(void **state)
{
    static const struct {
        const char *provider, *tier, *model, *models; /* models NULL: none */
    } row[] = {
        { "openai", "tier-3", "gpt-4o", "gpt-4o gpt-4o-20*" },
        { "openai", "Tier 3", "gpt-4o-2024-08-06", "gpt-4o gpt-4o-20*" },
        { "openai", "tier3", "gpt-4o-mini", NULL },
        { "openai", "tier_4", "gpt-4o-mini", "gpt-4o-mini*" },
        { "openai", "launch", "gpt-7-luna", "gpt-*-luna" },
        { "openai", "tier-9", "gpt-4o", NULL },
        { "openai", "", "gpt-4o", NULL },
        { "openai", "tier-3", NULL, NULL },
        { "openai", "guide-free", "", "" },
        { "openai", "guide-free", "gpt-4o", NULL }, /* the provider's as a whole */
        { "anthropic", "scale", "claude-opus-5", "claude-opus-5" },
        { "anthropic", "start", "claude-opus-5-5-20261001", "claude-opus-5-5*" },
        { "anthropic", "scale", "claude-sonnet-4-6", "claude-sonnet-4-5* claude-sonnet-4-6*" },
        { "anthropic", "scale", "claude-sonnet-4-7", NULL },
        { "nobody", "tier-1", "gpt-4o", NULL },
        { NULL, "tier-1", "gpt-4o", NULL },
        /* No tier: the lowest documented one that speaks of it. */
        { "openai", NULL, "gpt-7-luna", "gpt-*-luna" },
        { "openai", NULL, "nothing-like-it", NULL },
        { "openai", NULL, "", NULL }, /* the guide's are no guess */
        { "anthropic", NULL, "claude-2.1", NULL },
        { "openrouter", NULL, "a/b:free", "*:free" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        const rl_table_row *found = rl_table_find(row[i].provider, row[i].tier, row[i].model);

        if (found == NULL ? row[i].models != NULL
                          : row[i].models == NULL || strcmp(found->models, row[i].models) != 0)
            fail_msg("row %zu: found \"%s\"", i, found == NULL ? "nothing" : found->models);
    }
    assert_string_equal(rl_table_find("openai", NULL, "gpt-7-luna")->tier, "build");
    assert_string_equal(rl_table_find("openai", NULL, "gpt-4o-mini")->tier, "tier-1");
    assert_string_equal(rl_table_find("anthropic", NULL, "claude-opus-4-8")->tier, "start");
    assert_string_equal(rl_table_find("groq", NULL, "llama-3.1-8b-instant")->tier, "free");
}

static void tier_names_are_spelt_one_way(void **state)
{
    static const struct {
        const char *text, *name; /* NULL: refused */
    } row[] = { { "tier-3", "tier-3" },
                { "Tier 3", "tier-3" },
                { "TIER_3", "tier-3" },
                { "tier3", "tier-3" },
                { "  tier - 3. ", "tier-3" },
                { "free", "free" },
                { "Pay-as-you-go", "pay-as-you-go" },
                { "", NULL },
                { " -_ ", NULL } };
    char name[RL_TABLE_TIER_SIZE], small[7], smaller[6];

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_status st = rl_table_tier_name(row[i].text, name, sizeof name);

        assert_int_equal(st, row[i].name != NULL ? RL_OK : RL_E_INVALID);
        if (row[i].name != NULL)
            assert_string_equal(name, row[i].name);
    }
    assert_int_equal(rl_table_tier_name(NULL, name, sizeof name), RL_E_INVALID);
    assert_int_equal(rl_table_tier_name("a", NULL, sizeof name), RL_E_INVALID);
    assert_int_equal(rl_table_tier_name("a", name, 0), RL_E_INVALID);
    assert_int_equal(rl_table_tier_name("tier3", small, sizeof small), RL_OK);
    assert_string_equal(small, "tier-3");
    assert_int_equal(rl_table_tier_name("tier3", smaller, sizeof smaller), RL_E_TOO_LARGE);
}

static void patterns_fit_as_they_should(void **state)
{
    static const struct {
        const char *patterns, *name;
        size_t fit;
    } row[] = {
        { "a", "a", RL__PATTERN_EXACT },
        { "a", "ab", 0 },
        { "a*", "a", 2 },
        { "a*", "ab", 2 },
        { "*", "anything", 1 },
        { "*", "", 1 },
        { "a*c", "abc", 3 },
        { "a*c", "abcd", 0 },
        { "a*b*c", "aXbYbZc", 4 },
        { "*:free", "x:free", 6 },
        { "b a* abc*", "abcd", 4 },
        { "b abc* a*", "abcd", 4 },
        { "b a*", "b", RL__PATTERN_EXACT },
        { "", "a", 0 },
        { "a*", "a*", RL__PATTERN_EXACT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (rl__pattern_list_fit(row[i].patterns, row[i].name) != row[i].fit)
            fail_msg("row %zu: %zu", i, rl__pattern_list_fit(row[i].patterns, row[i].name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_says_whose_and_when),
        cmocka_unit_test(every_pattern_is_one),
        cmocka_unit_test(no_row_is_there_twice),
        cmocka_unit_test(the_guides_tables_are_there_and_marked),
        cmocka_unit_test(a_name_finds_its_row),
        cmocka_unit_test(tier_names_are_spelt_one_way),
        cmocka_unit_test(patterns_fit_as_they_should),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
