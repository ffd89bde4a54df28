/* SPDX-License-Identifier: MIT */
/* Feeds every file of the folders given to a fuzz target, for builds without libFuzzer. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>

#define INPUT_MAX ((size_t)1 << 20)

/* 0: the file could not be read. */
static int file_feed(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);
    size_t size;

    if (file == NULL || data == NULL) {
        if (file != NULL)
            (void)fclose(file);
        free(data);
        return 0;
    }
    size = fread(data, 1, INPUT_MAX, file);
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

static unsigned folder_feed(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    unsigned count = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[4096];

        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        count += (unsigned)file_feed(path);
    }
    if (dir != NULL)
        (void)closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    unsigned count = 0;

    for (int i = 1; i < argc; i++)
        count += folder_feed(argv[i]);
    (void)printf("%u inputs\n", count);
    return count > 0 ? 0 : 1; /* nothing to feed is a mistake in the call */
}
