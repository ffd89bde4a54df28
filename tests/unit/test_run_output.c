/* SPDX-License-Identifier: MIT */
/* Tests of the output lines and of writing them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_output.h"

static const struct json id_a = { "\"\\u0061\"", 8 };

static void lines_have_the_batch_form(void **ctx)
{
    static const struct {
        struct run_result result;
        const char *want;
    } row[] = {
        { { { NULL, 0 }, 0, NULL, NULL, 0, "invalid_json", "line 1: no \"JSON\"" },
          "\"custom_id\":null,\"response\":null,\"error\":{\"code\":\"invalid_json\",\"message\":"
          "\"line 1: no "
          "\\\"JSON\\\"\"}}\n" },
        { { { "\"\\u0061\"", 8 }, 200, "req_1", "{\"x\":1}", 7, NULL, NULL },
          "\"custom_id\":\"\\u0061\",\"response\":{\"status_code\":200,\"request_id\":\"req_1\","
          "\"body\":"
          "{\"x\":1}},\"error\":null}\n" },
        { { { "\"a\"", 3 }, 400, "", "", 0, "rejected", "no" },
          "\"custom_id\":\"a\",\"response\":{\"status_code\":400,\"request_id\":null,\"body\":\"\"}"
          ",\"error\":"
          "{\"code\":\"rejected\",\"message\":\"no\"}}\n" },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct text line = { 0 };
        struct json json;
        run_output_format(&line, &row[i].result, 0xABC);
        assert_memory_equal(line.data, "{\"id\":\"batch_req_0000000000000abc\",", 35);
        assert_string_equal(line.data + 35, row[i].want);
        assert_true(json_read(line.data, line.length, &json));
        text_free(&line);
    }
}

static void bodies_keep_their_bytes_on_one_line(void **ctx)
{
    static const struct {
        const char *body;
        size_t length;
        const char *want;
    } row[] = {
        { " {\n  \"n\": 12345678901234567890.10,\r\n\t\"s\": \"a\\n\" }\n ", 49,
          "{  \"n\": 12345678901234567890.10,\t\"s\": \"a\\n\" }" },
        { "<html>\n", 7, "\"<html>\\n\"" },
        { "a\0b", 3, "\"a\\u0000b\"" },
        { "{\"a\":\"\xff\"}", 9, "\"{\\\"a\\\":\\\"\xef\xbf\xbd\\\"}\"" },
        { "{} {}", 5, "\"{} {}\"" },
        { "\n\n", 2, "\"\\n\\n\"" },
        { "\r\n1\n", 4, "1" },
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct run_result result = { id_a, 200, "", row[i].body, row[i].length, NULL, NULL };
        struct text line = { 0 };
        const char *body;
        run_output_format(&line, &result, 1);
        body = strstr(line.data, "\"body\":") + 7;
        if (strncmp(body, row[i].want, strlen(row[i].want)) != 0 ||
            strcmp(body + strlen(row[i].want), "},\"error\":null}\n") != 0)
            fail_msg("row %zu: %s", i, body);
        assert_ptr_equal(strchr(line.data, '\n'), line.data + line.length - 1);
        text_free(&line);
    }
}

static void lines_are_appended_whole(void **ctx)
{
    char path[] = "/tmp/llmrl-output-XXXXXX";
    struct run_result result = { id_a, 200, "", "{}", 2, NULL, NULL };
    struct run_output output;
    struct stat status;
    int fd = mkstemp(path);

    (void)ctx;
    assert_int_equal(write(fd, "x\n", 2), 2);
    close(fd);
    run_output_init(&output, open(path, O_WRONLY | O_APPEND));
    assert_int_equal(output.end, 2);
    assert_true(run_output_write(&output, &result));
    assert_true(run_output_write(&output, &result));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, output.end);
    assert_true(run_output_close(&output));
    unlink(path);
}

static void a_full_disk_is_told_and_counted(void **ctx)
{
    struct run_result result = { id_a, 200, "", "{}", 2, NULL, NULL };
    struct run_output output;
    int fd = open("/dev/full", O_WRONLY | O_APPEND);

    (void)ctx;
    if (fd < 0)
        skip();
    run_output_init(&output, fd);
    assert_false(run_output_write(&output, &result));
    assert_false(run_output_write(&output, &result));
    assert_int_equal(output.lost, 2);
    assert_int_equal(output.error, ENOSPC);
    (void)run_output_close(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_the_batch_form),
        cmocka_unit_test(bodies_keep_their_bytes_on_one_line),
        cmocka_unit_test(lines_are_appended_whole),
        cmocka_unit_test(a_full_disk_is_told_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
