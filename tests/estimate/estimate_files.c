/* SPDX-License-Identifier: MIT */
/* Prints, for each file named, the estimate by each tokenizer's own column, or with --makeup first
 * what the text is made of. For measure.js and fit.js. */
#include "provider/estimate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *name, size_t *length)
{
    FILE *file = fopen(name, "rb");
    char *text = NULL;
    long size;

    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0 && (text = malloc((size_t)size + 1)) != NULL)
        *length = fread(text, 1, (size_t)size, file);
    (void)fclose(file);
    return text;
}

static void print_makeup(const char *text, size_t length)
{
    struct rl__makeup makeup;

    rl__makeup_read(text, length, &makeup);
    for (size_t i = 0; i < RL__UNITS; i++)
        printf("%llu%c", (unsigned long long)makeup.count[i], i + 1 < RL__UNITS ? ' ' : '\n');
}

static void print_estimates(const char *text, size_t length)
{
    /* Claude's is shown as it was measured, for Claude 2, and not as it is used. */
    static const enum rl__vocabulary shown[] = { RL__O200K, RL__CL100K,   RL__CLAUDE, RL__LLAMA,
                                                 RL__QWEN,  RL__DEEPSEEK, RL__GEMINI, RL__ANY };

    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        uint64_t tokens = rl__estimate_tokens(shown[i], text, length);

        if (shown[i] == RL__CLAUDE)
            tokens = (tokens * 100 + 114) / 115;
        printf("%llu%c", (unsigned long long)tokens,
               i + 1 < sizeof shown / sizeof shown[0] ? ' ' : '\n');
    }
}

int main(int argc, char **argv)
{
    int makeup = argc > 1 && strcmp(argv[1], "--makeup") == 0;

    for (int i = 1 + makeup; i < argc; i++) {
        size_t length = 0;
        char *text = read_file(argv[i], &length);

        if (text == NULL) {
            fprintf(stderr, "%s: cannot be read\n", argv[i]);
            return 1;
        }
        if (makeup)
            print_makeup(text, length);
        else
            print_estimates(text, length);
        free(text);
    }
    return 0;
}
