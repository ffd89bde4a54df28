/* SPDX-License-Identifier: MIT */
/* Tests of the line reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "run_input.h"

static FILE *file_with(const char *bytes, size_t length)
{
    FILE *file = tmpfile();

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    rewind(file);
    return file;
}

/* All lines as "number:text|", long ones as "number!text|". */
static void read_all(struct run_input *input, char *out, size_t size)
{
    const char *line;
    size_t length, used = 0;
    enum run_input_state state;

    out[0] = '\0';
    while ((state = run_input_next(input, &line, &length)) == RUN_INPUT_LINE ||
           state == RUN_INPUT_LONG)
        used += (size_t)snprintf(out + used, size - used, "%d%c%.*s|", (int)input->line,
                                 state == RUN_INPUT_LONG ? '!' : ':', (int)length, line);
    assert_int_equal(state, RUN_INPUT_END);
}

static void gives_lines_with_their_numbers(void **ctx)
{
    static const struct {
        const char *text;
        const char *want;
    } row[] = {
        { "", "" },
        { "\n\n", "" },
        { "a\nb\n", "1:a|2:b|" },
        { "a\nb", "1:a|2:b|" },
        { "a\r\n\r\n \t\r\nb\r", "1:a|4:b|" },
        { "\xef\xbb\xbf"
          "a\n\xef\xbb\xbf"
          "b",
          "1:a|2:\xef\xbb\xbf"
          "b|" },
        { "12345678\n123456789\nb\n", "1:12345678|2!123456789|3:b|" },
        { "123456789", "1!123456789|" },
        { " a \n", "1: a |" },
    };
    char out[256];

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        FILE *file = file_with(row[i].text, strlen(row[i].text));
        struct run_input input;
        run_input_init(&input, fileno(file), 8);
        read_all(&input, out, sizeof out);
        if (strcmp(out, row[i].want) != 0)
            fail_msg("row %zu: %s", i, out);
        assert_int_equal(input.offset, strlen(row[i].text));
        run_input_deinit(&input);
        fclose(file);
    }
}

static void keeps_nul_bytes_in_a_line(void **ctx)
{
    FILE *file = file_with("a\0b\nc\n", 6);
    struct run_input input;
    const char *line;
    size_t length;

    (void)ctx;
    run_input_init(&input, fileno(file), 100);
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_LINE);
    assert_int_equal(length, 3);
    assert_memory_equal(line, "a\0b", 3);
    assert_true(input.whole);
    assert_int_equal(input.offset, 4);
    run_input_deinit(&input);
    fclose(file);
}

/* 5 MB in a line that may have 1 MB: given once, cut, without the memory; and the next line is
 * found. */
static void drops_a_long_line_without_keeping_it(void **ctx)
{
    size_t limit = (size_t)1 << 20, size = (size_t)5 << 20;
    char *text = malloc(size + 3);
    struct run_input input;
    const char *line;
    size_t length;
    FILE *file;

    (void)ctx;
    assert_non_null(text);
    memset(text, 'x', size);
    memcpy(text + size, "\nb\n", 3);
    file = file_with(text, size + 3);
    free(text);
    run_input_init(&input, fileno(file), limit);
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_LONG);
    assert_int_equal(input.line, 1);
    assert_int_equal(length, limit);
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_LINE);
    assert_int_equal(input.line, 2);
    assert_int_equal(length, 1);
    assert_true(input.room <= limit + ((size_t)128 << 10));
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_END);
    assert_int_equal(input.offset, size + 3);
    run_input_deinit(&input);
    fclose(file);
}

/* Whatever the lengths of lines and however they meet the reader's chunks, each comes out whole. */
static void lines_of_all_lengths_come_out_whole(void **ctx)
{
    size_t lengths[] = { 1, 65535, 65536, 65537, 2, 131072, 200000, 7, 262143, 262144, 3 };
    size_t count = sizeof lengths / sizeof lengths[0];
    FILE *file = tmpfile();
    struct run_input input;
    const char *line;
    size_t length;

    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < lengths[i]; k++)
            fputc('a' + (int)i, file);
        fputc('\n', file);
    }
    rewind(file);
    run_input_init(&input, fileno(file), 262144);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_LINE);
        assert_int_equal(length, lengths[i]);
        assert_int_equal(line[0], 'a' + (int)i);
        assert_int_equal(line[length - 1], 'a' + (int)i);
    }
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_END);
    run_input_deinit(&input);
    fclose(file);
}

static void a_pipe_says_later_instead_of_blocking(void **ctx)
{
    struct run_input input;
    const char *line;
    size_t length;
    int ends[2];

    (void)ctx;
    assert_int_equal(pipe(ends), 0);
    run_input_init(&input, ends[0], 100);
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_LATER);
    assert_int_equal(write(ends[1], "ab", 2), 2);
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_LATER);
    assert_int_equal(write(ends[1], "c\nd", 3), 3);
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_LINE);
    assert_int_equal(length, 3);
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_LATER);
    close(ends[1]);
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_LINE);
    assert_false(input.whole);
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_END);
    run_input_deinit(&input);
    close(ends[0]);
}

static void a_read_error_is_told(void **ctx)
{
    struct run_input input;
    const char *line;
    size_t length;
    int fd = open("/", O_RDONLY | O_DIRECTORY);

    (void)ctx;
    run_input_init(&input, fd, 100);
    input.wait = true;
    assert_int_equal(run_input_next(&input, &line, &length), RUN_INPUT_ERROR);
    run_input_deinit(&input);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_lines_with_their_numbers),
        cmocka_unit_test(keeps_nul_bytes_in_a_line),
        cmocka_unit_test(drops_a_long_line_without_keeping_it),
        cmocka_unit_test(lines_of_all_lengths_come_out_whole),
        cmocka_unit_test(a_pipe_says_later_instead_of_blocking),
        cmocka_unit_test(a_read_error_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
