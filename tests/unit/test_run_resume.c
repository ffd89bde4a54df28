/* SPDX-License-Identifier: MIT */
/* Tests of going on with a file: whatever state it was left in, no answer in it is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_resume.h"

#define HEAD(id) "{\"id\":\"batch_req_0123456789abcdef\",\"custom_id\":\"" id "\","
#define ANSWER(id)                                                                                 \
    HEAD(id)                                                                                       \
    "\"response\":{\"status_code\":200,\"request_id\":\"r\",\"body\":{\"t\":\"a}\\\"b\"}},"        \
    "\"error\":null}"
#define REFUSAL(id)                                                                                \
    HEAD(id)                                                                                       \
    "\"response\":{\"status_code\":400,\"request_id\":null,\"body\":{}},\"error\":{\"code\":"      \
    "\"c\"}}"
#define FAILURE(id) HEAD(id) "\"response\":null,\"error\":{\"code\":\"c\",\"message\":\"m\"}}"

static char directory[] = "/tmp/llmrl-resume-XXXXXX";
static char path[64];

static int make_directory(void **ctx)
{
    (void)ctx;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/out", directory);
    return 0;
}

static int remove_directory(void **ctx)
{
    (void)ctx;
    unlink(path);
    return rmdir(directory);
}

static void put(const char *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
}

static void expect(const char *bytes, size_t length)
{
    char buffer[4096];
    int fd = open(path, O_RDONLY);
    ssize_t got = read(fd, buffer, sizeof buffer);

    close(fd);
    assert_int_equal(got, length);
    assert_memory_equal(buffer, bytes, length);
}

/* Resumes on the file as it is; returns whether that worked. */
static bool resume(struct run_resume *found, struct run_ids *ids, struct text *error)
{
    int fd = run_resume_open(path, true, ids, found, error);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void a_line_torn_at_any_byte_is_cut_off(void **ctx)
{
    static const char first[] = ANSWER("a") "\n";
    static const char text[] = ANSWER("a") "\n" ANSWER("b") "\n";
    size_t start = sizeof first - 1, whole = sizeof text - 1;

    (void)ctx;
    for (size_t length = start; length <= whole; length++) {
        struct run_ids *ids = run_ids_new();
        struct run_resume found;
        struct text error = { 0 };
        bool answered =
            length >= whole - 1; /* all there but for the newline: an answer, and paid for */
        put(text, length);
        assert_true(resume(&found, ids, &error));
        assert_int_equal(found.answered, answered ? 2 : 1);
        assert_int_equal(run_ids_flags(ids, "a", 1), RUN_ID_ANSWERED);
        assert_int_equal(run_ids_flags(ids, "b", 1), answered ? RUN_ID_ANSWERED : 0);
        expect(text, answered ? whole : start);
        run_ids_free(ids);
        text_free(&error);
    }
}

/* The same when errors have to be taken out as well, which goes by way of a new file. */
static void a_torn_line_goes_with_the_errors(void **ctx)
{
    static const char before[] = FAILURE("x") "\n" ANSWER("a") "\n";
    static const char text[] = FAILURE("x") "\n" ANSWER("a") "\n" ANSWER("b") "\n";
    static const char left[] = ANSWER("a") "\n" ANSWER("b") "\n";
    size_t start = sizeof before - 1, whole = sizeof text - 1;

    (void)ctx;
    for (size_t length = start; length <= whole; length++) {
        struct run_ids *ids = run_ids_new();
        struct run_resume found;
        struct text error = { 0 };
        bool answered = length >= whole - 1;
        put(text, length);
        assert_true(resume(&found, ids, &error));
        assert_int_equal(found.removed, 1);
        expect(left, answered ? sizeof left - 1 : sizeof ANSWER("a"));
        run_ids_free(ids);
        text_free(&error);
    }
}

static void errors_and_repeated_answers_are_taken_out(void **ctx)
{
    static const char text[] =
        FAILURE("a") "\n" ANSWER("b") "\n" REFUSAL("c") "\n" ANSWER("a") "\n" ANSWER(
            "b") "\n{\"id\":\"batch_req_1\",\"custom_id\":null,\"response\":null,\"error\":{}}\n";
    static const char left[] = ANSWER("b") "\n" ANSWER("a") "\n";
    struct run_ids *ids = run_ids_new();
    struct run_resume found;
    struct text error = { 0 };
    struct stat status;

    (void)ctx;
    put(text, sizeof text - 1);
    assert_int_equal(chmod(path, 0640), 0);
    assert_true(resume(&found, ids, &error));
    assert_int_equal(found.answered, 2);
    assert_int_equal(found.removed, 4);
    expect(left, sizeof left - 1);
    assert_int_equal(run_ids_flags(ids, "c", 1), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    run_ids_free(ids);
}

static void a_strange_file_is_left_as_it_is(void **ctx)
{
    static const char *const row[] = {
        ANSWER("a") "\nnonsense\n" ANSWER("b") "\n",
        FAILURE("a") "\n" HEAD("b") "\n",
        /* A file of requests, with and without its last newline. */
        "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/x\",\"body\":{}}\n",
        "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/x\",\"body\":{}}",
        "my diary",
        ANSWER("a") "\n7\n",
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct run_ids *ids = run_ids_new();
        struct run_resume found;
        struct text error = { 0 };
        put(row[i], strlen(row[i]));
        assert_false(resume(&found, ids, &error));
        if (strstr(error.data, i == 0 || i == 1 || i == 5 ? "line 2 " : "line 1 ") == NULL)
            fail_msg("row %zu: %s", i, error.data);
        expect(row[i], strlen(row[i]));
        run_ids_free(ids);
        text_free(&error);
    }
}

static void zeros_after_a_power_cut_are_cut_off(void **ctx)
{
    static const char text[] = ANSWER("a") "\n\0\0\0\0";
    struct run_ids *ids = run_ids_new();
    struct run_resume found;
    struct text error = { 0 };

    (void)ctx;
    put(text, sizeof text - 1);
    assert_true(resume(&found, ids, &error));
    expect(text, sizeof text - 5);
    run_ids_free(ids);
}

static void answers_are_never_overwritten(void **ctx)
{
    static const char text[] = ANSWER("a") "\n";
    struct run_ids *ids = run_ids_new();
    struct run_resume found;
    struct text error = { 0 };
    int fd;

    (void)ctx;
    put(text, sizeof text - 1);
    assert_int_equal(run_resume_open(path, false, ids, &found, &error), -1);
    assert_non_null(strstr(error.data, "--resume"));
    expect(text, sizeof text - 1);
    put("", 0);
    fd = run_resume_open(path, false, ids, &found, &error);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    assert_true(resume(&found, ids, &error)); /* nothing to go on with is fine */
    run_ids_free(ids);
    text_free(&error);
}

static void two_runs_cannot_share_a_file(void **ctx)
{
    static const char text[] = FAILURE("a") "\n" ANSWER("b") "\n";
    struct run_ids *ids = run_ids_new();
    struct run_resume found;
    struct text error = { 0 };
    int fd;

    (void)ctx;
    put(text, sizeof text - 1);
    fd = run_resume_open(path, true, ids, &found,
                         &error); /* replaces the file, and holds the new one */
    assert_true(fd >= 0);
    assert_false(resume(&found, ids, &error));
    assert_string_equal(error.data, "another run is writing to it");
    close(fd);
    run_ids_free(ids);
    text_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_torn_at_any_byte_is_cut_off),
        cmocka_unit_test(a_torn_line_goes_with_the_errors),
        cmocka_unit_test(errors_and_repeated_answers_are_taken_out),
        cmocka_unit_test(a_strange_file_is_left_as_it_is),
        cmocka_unit_test(zeros_after_a_power_cut_are_cut_off),
        cmocka_unit_test(answers_are_never_overwritten),
        cmocka_unit_test(two_runs_cannot_share_a_file),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
