/* SPDX-License-Identifier: MIT */
/* RateLimit and RateLimit-Policy in the forms of all drafts, and what makes a field invalid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/structured.h"

#include <stdio.h>
#include <string.h>

/* "requests 60s 50/100 t30; ...": a report in one line, '-' for what is absent. */
static void print_reports(const char *policy, const char *limit, char *out, size_t size)
{
    struct rl__structured structured = { .limit = { .count = 0 } };
    rl_limit_report report[16];
    uint32_t count;
    size_t used = 0;

    out[0] = '\0';
    if (policy != NULL)
        rl__field_add(&structured.policy, policy, strlen(policy));
    if (limit != NULL)
        rl__field_add(&structured.limit, limit, strlen(limit));
    count = rl__structured_reports(&structured, report, 16);
    for (uint32_t i = 0; i < count && used < size; i++) {
        char part[4][32] = { "-", "-", "-", "-" };

        if (report[i].has & RL_HAS_WINDOW)
            (void)snprintf(part[0], 32, "%llus",
                           (unsigned long long)(report[i].window / RL_SECOND));
        if (report[i].has & RL_HAS_REMAINING)
            (void)snprintf(part[1], 32, "%llu", (unsigned long long)report[i].remaining);
        if (report[i].has & RL_HAS_LIMIT)
            (void)snprintf(part[2], 32, "%llu", (unsigned long long)report[i].limit);
        if (report[i].has & RL_HAS_RESET)
            (void)snprintf(part[3], 32, "%llu",
                           (unsigned long long)(report[i].reset_after / RL_SECOND));
        used += (size_t)snprintf(out + used, size - used, "%s%u %s %s/%s t%s", i > 0 ? "; " : "",
                                 (unsigned)report[i].dimension, part[0], part[1], part[2], part[3]);
    }
}

static void joins_policies_and_current_values(void **state)
{
    static const struct {
        const char *policy, *limit, *want;
    } row[] = {
        /* drafts 08 to 10: by name; a policy without a current value comes last */
        { "\"burst\";q=100;w=60,\"daily\";q=1000;w=86400", "\"burst\";r=50;t=30",
          "0 60s 50/100 t30; 0 86400s -/1000 t-" },
        { "\"a\";q=10;w=1", "\"a\";r=3", "0 1s 3/10 t-" },
        { "\"a\";q=10", "\"a\";r=3;t=0", "0 - 3/10 t0" },
        { "\"a\";q=10;w=60", "\"b\";r=3", "0 - 3/- t-; 0 60s -/10 t-" },
        { "\"a\";q=10;w=60;pk=:YQ==:,\"a\";q=20;w=60;pk=:Yg==:", "\"a\";r=3;pk=:Yg==:",
          "0 60s 3/20 t-; 0 60s -/10 t-" },
        { "\"t\";q=9;w=60;qu=\"tokens\"", "\"t\";r=3", "1 60s 3/9 t-" },
        { "\"t\";q=9;w=60;qu=\"content-bytes\"", "\"t\";r=3", "" },
        { "\"a\" ; q=10", "\"a\";r=3", "0 - 3/- t-" }, /* a blank before ';' spoils the field */
        { "\"a\"; q=10;w=60;comment=\"x, y; z\"", "\"a\"; r=3", "0 60s 3/10 t-" },
        { "\"a\";q=10;q=20", "\"a\";r=3", "0 - 3/20 t-" }, /* the last of equals */
        { "\"a\";q=10;flag;d=?1;e=@1;f=1.25;g=%\"x\"", "\"a\";r=1", "0 - 1/10 t-" },
        { "\"q\\\"x\";q=10", "\"q\\\"x\";r=1", "0 - 1/10 t-" },
        /* before 08: tokens for names, l for q */
        { "default;l=100;w=10", "default;r=50;t=30", "0 10s 50/100 t30" },
        /* draft 07: a dictionary, policies by number */
        { "100;w=60;burst=1000, 5000;w=3600", "limit=100, remaining=50, reset=5",
          "0 60s 50/100 t5; 0 3600s -/5000 t-" },
        { NULL, "limit=100, remaining=50, reset=5", "0 - 50/100 t5" },
        { "10;w=20", "limit=100,remaining=50", "0 20s 50/100 t-" },
        /* the Hugging Face Hub: a further name where a parameter belongs */
        { "\"fixed window\";\"api\";q=500;w=300", "\"api\";r=0;t=55", "0 300s 0/500 t55" },
        { "\"fixed window\";\"resolvers\";q=9;w=300", "\"api\";r=0;t=55",
          "0 - 0/- t55; 0 300s -/9 t-" },
        { NULL, "\"api\";r=0;t=55", "0 - 0/- t55" },
        { "", "", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char got[512];

        print_reports(row[i].policy, row[i].limit, got, sizeof got);
        if (strcmp(got, row[i].want) != 0)
            fail_msg("row %zu: got \"%s\"", i, got);
    }
}

static void one_fault_spoils_the_field(void **state)
{
    static const char *const row[] = {
        "\"a\";r=1,",
        "\"a\";r=-1",
        "\"a\";r=1.5",
        "\"a\";r=\"1\"",
        "\"a\";r=",
        "\"a\";R=1",
        "\"a\";r =1",
        "\"a\";r=1x",
        "\"a",
        "\"a\\x\";r=1",
        "\"\xc3\xa4\";r=1",
        ";r=1",
        "\"a\";r=1 \"b\";r=2",
        "\"a\";w=0;r=1",
        "limit=1, \"a\"",
        "\"a\", limit=1",
        "\"a\";r=1234567890123456",
        "limit=x",
        ":YQ==:;r=1",
        "\"a\";r=1;f=1.2345",
        "\"a\";r=1;f=1.",
        ",",
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rl__field field = { .count = 0 };

        rl__field_add(&field, row[i], strlen(row[i]));
        if (!field.malformed || field.count != 0)
            fail_msg("row %zu: \"%s\" was read", i, row[i]);
    }
}

static void a_list_may_come_in_several_lines(void **state)
{
    struct rl__field field = { .count = 0 };

    (void)state;
    rl__field_add(&field, "\"a\";q=1", 7);
    rl__field_add(&field, "\"b\";q=2, \"c\";q=3", 16);
    assert_int_equal(field.count, 3);
    rl__field_add(&field, "?", 1);
    assert_int_equal(field.count, 0);
    rl__field_add(&field, "\"d\";q=4", 7); /* the fault stays */
    assert_int_equal(field.count, 0);
}

static void reads_limits_with_policies_behind(void **state)
{
    static const struct {
        const char *text;
        int ok;
        uint64_t limit, window_s;
    } row[] = {
        { "100", 1, 100, 0 },
        { "100, 100;w=60", 1, 100, 60 },
        { "10, 10;w=1, 50;w=60, 1000;w=3600", 1, 10, 1 },
        { "10, 100;w=60", 1, 10, 60 }, /* a dynamic limit below its policy */
        { "0, 15;w=20", 1, 0, 20 },
        { "10, 10;w=1;name=\"per-ip\", 1000;w=3600", 1, 10, 1 },
        { "7, 10;w=1, 1000;w=3600", 1, 7, 0 }, /* which of the two? */
        { "100;w=60", 1, 100, 60 },
        { "100, 100", 1, 100, 0 },
        { "30,000", 0, 0, 0 },
        { "100, 50", 0, 0, 0 },
        { "-1", 0, 0, 0 },
        { "unlimited", 0, 0, 0 },
        { "\"a\";q=1", 0, 0, 0 },
        { "", 0, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint64_t limit = 0, window_s = 0;
        int ok = rl__limit_list_read(row[i].text, strlen(row[i].text), &limit, &window_s);

        if (ok != row[i].ok || (ok && (limit != row[i].limit || window_s != row[i].window_s)))
            fail_msg("row %zu \"%s\": %d %llu %llu", i, row[i].text, ok, (unsigned long long)limit,
                     (unsigned long long)window_s);
    }
}

static void more_items_than_room_are_dropped(void **state)
{
    struct rl__field field = { .count = 0 };
    char text[2000] = "1";

    (void)state;
    for (int i = 0; i < 100; i++)
        strcat(text, ",1;w=1");
    rl__field_add(&field, text, strlen(text));
    assert_int_equal(field.count, RL__ITEMS_MAX);
    assert_int_equal(field.malformed, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_policies_and_current_values),
        cmocka_unit_test(one_fault_spoils_the_field),
        cmocka_unit_test(a_list_may_come_in_several_lines),
        cmocka_unit_test(reads_limits_with_policies_behind),
        cmocka_unit_test(more_items_than_room_are_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
