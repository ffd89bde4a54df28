/* SPDX-License-Identifier: MIT */
/* Tests of the command line of `run`, and of the configuration made from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "run_options.h"

#define ARGS_MAX 40

/* Splits `line` at blanks and reads it behind "run in -o out". */
static bool read_args(struct run_options *options, const char *line, struct text *error)
{
    static char copy[512];
    static char first[] = "run in -o out";
    char *argv[ARGS_MAX];
    int argc = 0;

    strcpy(copy, first);
    strcat(copy, line[0] != '\0' ? " " : "");
    strcat(copy, line);
    for (char *word = strtok(copy, " "); word != NULL && argc < ARGS_MAX; word = strtok(NULL, " "))
        argv[argc++] = word;
    return run_options_read(options, argc, argv, error);
}

static void zero_arguments_mean_the_defaults(void **ctx)
{
    struct run_options options;
    struct text error = { 0 };

    (void)ctx;
    assert_true(read_args(&options, "", &error));
    assert_string_equal(options.file[0].path, "in");
    assert_string_equal(options.output, "out");
    assert_string_equal(options.provider, "openai");
    assert_int_equal(options.concurrency, 256);
    assert_int_equal(options.max_attempts, 0);
    assert_int_equal(options.timeout_ms, 0);
    for (int i = 0; i < RUN_LIMITS; i++)
        assert_true(options.limit[i] == RUN_LIMIT_UNSET);
    assert_false(options.resume || options.quiet || options.help);
    assert_null(options.base_url);
}

static void every_option_is_read_in_both_spellings(void **ctx)
{
    struct run_options options;
    struct text error = { 0 };

    (void)ctx;
    assert_true(read_args(
        &options,
        "--base-url http://x --provider=groq --config c --rpm 0 --tpm=2 --itpm 3 --otpm 4 "
        "--concurrency 5 --max-attempts 6 --timeout 0.25 --resume --progress none "
        "--summary-json s",
        &error));
    assert_true(read_args(
        &options,
        "--output=o2 --api-key-env K --ca-file=f --timeout=1.5 --progress=auto --base-url=u",
        &error));
    assert_string_equal(options.output, "o2");
    assert_string_equal(options.api_key_env, "K");
    assert_string_equal(options.ca_file, "f");
    assert_int_equal(options.timeout_ms, 1500);
    assert_true(read_args(
        &options, "--rpm 0 --tpm=2 --itpm 3 --otpm 9007199254740992 --progress none", &error));
    assert_int_equal(options.limit[RUN_RPM], 0);
    assert_int_equal(options.limit[RUN_TPM], 2);
    assert_int_equal(options.limit[RUN_ITPM], 3);
    assert_true(options.limit[RUN_OTPM] == RL_AMOUNT_MAX);
    assert_true(options.quiet);
}

static void a_wrong_value_names_its_option(void **ctx)
{
    static const struct {
        const char *args;
        const char *named;
    } row[] = {
        { "--rpm x", "--rpm" },
        { "--rpm -1", "--rpm" },
        { "--rpm=", "--rpm" },
        { "--tpm 1.5", "--tpm" },
        { "--itpm 9007199254740993", "--itpm" },
        { "--otpm 1e9", "--otpm" },
        { "--concurrency 0", "--concurrency" },
        { "--concurrency 65537", "--concurrency" },
        { "--max-attempts 0", "--max-attempts" },
        { "--timeout 0", "--timeout" },
        { "--timeout 1s", "--timeout" },
        { "--timeout 86401", "--timeout" },
        { "--progress loud", "--progress" },
        { "--resume=yes", "--resume" },
        { "--base-url=", "--base-url" },
        { "--provider=", "--provider" },
        { "--config", "--config" },
        { "--summary-json", "--summary-json" },
        { "--nonsense=secret", "--nonsense" },
        { "-x", "-x" },
        { "--rp 5", "--rp" },
        { "in", "in" },
        { "--priority 0", "--priority" },
        { "--priority 256", "--priority" },
        { "--priority urgent", "--priority" },
        { "--user=", "--user" },
        { "second --user u", "--user" },
        { "-o -", "-o" },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct run_options options;
        struct text error = { 0 };
        if (read_args(&options, row[i].args, &error) || strstr(error.data, row[i].named) == NULL)
            fail_msg("row %zu: %s", i, error.data != NULL ? error.data : "accepted");
        assert_null(strstr(error.data, "secret"));
        text_free(&error);
    }
}

static void each_file_has_the_place_that_was_named_before_it(void **ctx)
{
    char run[] = "run", low[] = "--priority=low", seven[] = "--priority=7", ann[] = "--user=ann",
         a[] = "a", b[] = "b", c[] = "c", out[] = "out", dash_o[] = "-o";
    struct run_options options;
    struct text error = { 0 };

    (void)ctx;
    assert_true(run_options_read(&options, 9,
                                 (char *[]){ run, a, low, b, ann, seven, c, dash_o, out }, &error));
    assert_int_equal(options.file_count, 3);
    assert_int_equal(options.file[0].priority, RL_PRIORITY_NORMAL);
    assert_null(options.file[0].user);
    assert_int_equal(options.file[1].priority, RL_PRIORITY_LOW);
    assert_null(options.file[1].user);
    assert_int_equal(options.file[2].priority, 7);
    assert_string_equal(options.file[2].user, "ann");
    assert_true(run_options_read(&options, 6, (char *[]){ run, a, low, ann, dash_o, out }, &error));
    assert_int_equal(options.file[0].priority, RL_PRIORITY_LOW); /* a single one: wherever */
    assert_string_equal(options.file[0].user, "ann");
}

static void files_are_required(void **ctx)
{
    char run[] = "run", in[] = "in", o[] = "-o", out[] = "out", dash[] = "-", help[] = "--help",
         end[] = "--", odd[] = "-x";
    struct run_options options;
    struct text error = { 0 };

    (void)ctx;
    assert_false(run_options_read(&options, 1, (char *[]){ run }, &error));
    assert_false(run_options_read(&options, 2, (char *[]){ run, in }, &error));
    assert_false(run_options_read(&options, 3, (char *[]){ run, o, out }, &error));
    assert_true(run_options_read(&options, 2, (char *[]){ run, help }, &error));
    assert_true(run_options_read(&options, 4, (char *[]){ run, dash, o, out }, &error));
    assert_string_equal(options.file[0].path, "-");
    assert_true(run_options_read(&options, 5, (char *[]){ run, o, out, end, odd }, &error));
    assert_string_equal(options.file[0].path, "-x");
    text_free(&error);
}

static void flags_are_merged_into_the_configuration(void **ctx)
{
    static const struct {
        const char *args;
        const char *config; /* NULL: none */
        const char *want;
        const char *dialect;
    } row[] = {
        { "", NULL,
          "{\"providers\":{\"openai\":{\"auto_detect\":true}},\"queue\":{\"max_size\":256},"
          "\"retry\":{\"max_hint_ms\":3600000}}",
          "openai" },
        { "--rpm 5 --tpm 9007199254740992 --max-attempts 2", NULL,
          "{\"providers\":{\"openai\":{\"auto_detect\":true,\"requests_per_minute\":5,\"tokens_per_"
          "minute\":"
          "9007199254740992}},\"queue\":{\"max_size\":256},\"retry\":{\"max_attempts\":2,\"max_"
          "hint_ms\":3600000}}",
          "openai" },
        { "--rpm 0 --concurrency 5",
          "{\"queue\":{\"max_size\":10},\"providers\":{\"openai\":{\"requests_per_minute\":7,"
          "\"tokens_per_minute\":"
          "8,\"models\":[{\"name\":\"m\",\"requests_per_minute\":3}]}}}",
          "{\"queue\":{\"max_size\":10},\"providers\":{\"openai\":{\"tokens_per_minute\":8,"
          "\"models\":[{\"name\":"
          "\"m\"}],\"auto_detect\":true}},"
          "\"retry\":{\"max_hint_ms\":3600000}}",
          "openai" },
        { "--provider mine --itpm 1 --otpm 2",
          "{\"providers\":{\"mine\":{\"dialect\":\"anthropic\"}}}",
          "{\"providers\":{\"mine\":{\"dialect\":\"anthropic\",\"input_tokens_per_minute\":1,"
          "\"output_tokens_per_minute\":2}},\"queue\":{\"max_size\":256},"
          "\"retry\":{\"max_hint_ms\":3600000}}",
          "anthropic" },
        { "", "{\"retry\":{\"max_hint_ms\":7}}",
          "{\"retry\":{\"max_hint_ms\":7},\"providers\":{\"openai\":{\"auto_detect\":true}},"
          "\"queue\":{\"max_size\":256}}",
          "openai" },
        /* A tier's table counts as little as the file for what is unknown. */
        { "--rpm 0 --tpm 0", "{\"providers\":{\"openai\":{\"tier\":\"tier-1\"}}}",
          "{\"providers\":{\"openai\":{\"tier\":\"tier-1\",\"unknown\":[\"requests_per_minute\","
          "\"tokens_per_minute\"],\"auto_detect\":true}},\"queue\":{\"max_size\":256},"
          "\"retry\":{\"max_hint_ms\":3600000}}",
          "openai" },
        { "--provider mine", "{\"providers\":{\"mine\":{}}}",
          "{\"providers\":{\"mine\":{}},\"queue\":{\"max_size\":256},"
          "\"retry\":{\"max_hint_ms\":3600000}}",
          "generic" },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct run_setup setup = { 0 };
        struct run_options options;
        struct text error = { 0 };
        assert_true(read_args(&options, row[i].args, &error));
        assert_true(run_setup_merge(&setup, &options, row[i].config,
                                    row[i].config != NULL ? strlen(row[i].config) : 0, &error));
        assert_string_equal(setup.config_json.data, row[i].want);
        assert_string_equal(setup.dialect.data, row[i].dialect);
        run_setup_deinit(&setup);
    }
}

static void an_unknown_provider_is_named(void **ctx)
{
    struct run_setup setup = { 0 };
    struct run_options options;
    struct text error = { 0 };

    (void)ctx;
    assert_true(read_args(&options, "--provider opneai", &error));
    assert_false(run_setup_merge(&setup, &options, NULL, 0, &error));
    assert_non_null(strstr(error.data, "--provider: \"opneai\""));
    run_setup_deinit(&setup);
    text_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_arguments_mean_the_defaults),
        cmocka_unit_test(every_option_is_read_in_both_spellings),
        cmocka_unit_test(a_wrong_value_names_its_option),
        cmocka_unit_test(each_file_has_the_place_that_was_named_before_it),
        cmocka_unit_test(files_are_required),
        cmocka_unit_test(flags_are_merged_into_the_configuration),
        cmocka_unit_test(an_unknown_provider_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
