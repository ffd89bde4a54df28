/* SPDX-License-Identifier: MIT */
/* Tests of where requests go and which key goes with them, and of the words on the way and at the
 * end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "run_options.h"
#include "run_progress.h"
#include "run_summary.h"

static const struct {
    const char *provider, *base_url, *api_key_env; /* flags */
    const char *config;                            /* NULL: none */
    const char *want_url, *want_key;               /* NULL: refused; no key */
} row[] = {
    { "openai", NULL, NULL, NULL, "https://api.openai.com", "usual" },
    { "openai", NULL, "OTHER_KEY", NULL, "https://api.openai.com", "other" },
    /* A key never goes to a host that it was not paired with. */
    { "openai", "http://127.0.0.1:1/v1/", NULL, NULL, "http://127.0.0.1:1/v1", NULL },
    { "openai", "https://h", "OTHER_KEY", NULL, "https://h", "other" },
    { "openai", NULL, NULL, "{\"providers\":{\"openai\":{\"base_url\":\"https://c\"}}}",
      "https://c", NULL },
    { "openai", NULL, NULL,
      "{\"providers\":{\"openai\":{\"base_url\":\"https://c\",\"api_key_env\":\"OTHER_KEY\"}}}",
      "https://c", "other" },
    { "openai", "https://h", NULL,
      "{\"providers\":{\"openai\":{\"base_url\":\"https://c\",\"api_key_env\":\"OTHER_KEY\"}}}",
      "https://h", NULL },
    { "openai", NULL, NULL,
      "{\"providers\":{\"openai\":{\"base_url\":\"https://api.openai.com\"}}}",
      "https://api.openai.com", "usual" },
    { "openai", NULL, "UNSET_KEY", NULL, NULL, NULL },
    { "openai", NULL, "EMPTY_KEY", NULL, NULL, NULL },
    { "groq", NULL, NULL, NULL, NULL, NULL }, /* its usual variable is not set */
    { "generic", NULL, NULL, NULL, NULL, NULL },
    { "generic", "https://h", NULL, NULL, "https://h", NULL },
};

static void check_door(size_t i)
{
    struct run_options options = { .provider = row[i].provider,
                                   .base_url = row[i].base_url,
                                   .api_key_env = row[i].api_key_env };
    rl_options open = RL_OPTIONS_INIT;
    struct run_setup setup = { 0 };
    struct text error = { 0 };
    rl_context *rl = NULL;
    bool good;

    open.config_json = row[i].config != NULL ? row[i].config : "{}";
    assert_int_equal(rl_open(&open, &rl), RL_OK);
    good = run_setup_door(&setup, &options, rl, &error);
    if (good != (row[i].want_url != NULL))
        fail_msg("row %zu: %s", i, error.data);
    if (good) {
        assert_string_equal(setup.base_url.data, row[i].want_url);
        assert_int_equal(setup.api_key == NULL, row[i].want_key == NULL);
        if (row[i].want_key != NULL)
            assert_string_equal(setup.api_key, row[i].want_key);
    } else if (row[i].api_key_env != NULL) {
        assert_null(strstr(error.data, row[i].api_key_env)); /* it may be a key, pasted */
    }
    run_setup_deinit(&setup);
    text_free(&error);
    rl_close(rl);
}

static void a_key_goes_only_where_it_belongs(void **ctx)
{
    (void)ctx;
    setenv("OPENAI_API_KEY", "usual", 1);
    setenv("OTHER_KEY", "other", 1);
    setenv("EMPTY_KEY", "", 1);
    unsetenv("UNSET_KEY");
    unsetenv("GROQ_API_KEY");
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        check_door(i);
}

static void the_live_line_shows_the_last_minute(void **ctx)
{
    struct run_progress progress;
    struct run_now now = { .done = 100,
                           .failed = 2,
                           .waiting = 7,
                           .on_wire = 3,
                           .requests = 100,
                           .tokens = 50000,
                           .requests_limit = 500,
                           .bytes_done = 1000,
                           .bytes_left = 9000 };
    struct text line = { 0 };

    (void)ctx;
    run_progress_init(&progress, true);
    assert_false(run_progress_due(&progress, 1e18));
    progress.sample[0] = (struct run_sample){ 10, 50, 0, 500 };
    progress.sample[1] = (struct run_sample){ 50, 60, 10000, 600 };
    progress.samples = 2;
    run_progress_format(&line, &progress, &now, 90); /* the first is older than a minute */
    assert_string_equal(
        line.data, "100 done, 2 failed, 7 waiting, 3 on the wire | last minute: 40/500 requests, "
                   "40.0k tokens | 15 min 0 s left");
    line.length = 0;
    progress.live = true;
    now.done = 12345;
    now.tokens_limit = 600000;
    run_progress_format(&line, &progress, &now, 90);
    assert_string_equal(line.data, "12345 done, 2 failed, 7 waiting, 15 min 0 s left | 40/500 rpm, "
                                   "40.0k/600.0k tpm");
    assert_true(line.length < 80);
    text_free(&line);
}

static void the_summary_adds_up(void **ctx)
{
    struct run_summary sum = { .total = 20,
                               .succeeded = 10,
                               .failed = 2,
                               .invalid_lines = 1,
                               .skipped = 3,
                               .attempts = 15,
                               .refusals = 1,
                               .retries = 2,
                               .input_tokens = 100,
                               .output_tokens = 20,
                               .duration_s = 60,
                               .interrupted = true };
    struct text json = { 0 }, words = { 0 };

    (void)ctx;
    assert_int_equal(run_summary_open(&sum), 4);
    run_summary_json(&json, &sum);
    assert_string_equal(
        json.data, "{\"total\":20,\"succeeded\":10,\"failed\":2,\"invalid_lines\":1,\"skipped\":3,"
                   "\"attempts\":15,\"refusals_429\":1,\"retries\":2,\"input_tokens\":100,"
                   "\"output_tokens\":20,\"duration_s\":60.000,\"requests_per_minute\":12.0,"
                   "\"tokens_per_minute\":120.0,\"interrupted\":true}\n");
    run_summary_text(&words, &sum);
    assert_non_null(strstr(words.data, "10 answered, 2 failed, 1 bad lines, 3 answered before"));
    assert_non_null(strstr(words.data, "--resume"));
    text_free(&json);
    text_free(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_goes_only_where_it_belongs),
        cmocka_unit_test(the_live_line_shows_the_last_minute),
        cmocka_unit_test(the_summary_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
