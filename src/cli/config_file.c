/* SPDX-License-Identifier: MIT */
/* Owns reading a configuration file. */
#include "config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_MAX ((size_t)1 << 20) /* the library takes no more */

bool config_file_read(const char *path, struct text *content, struct text *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char chunk[16384];
    ssize_t got = -1;

    if (fd >= 0) {
        while ((got = read(fd, chunk, sizeof chunk)) > 0 && content->length <= CONFIG_MAX)
            text_add(content, chunk, (size_t)got);
    }
    if (got < 0)
        text_addf(error, "%s: cannot be read: %s", path, strerror(errno));
    else if (content->length > CONFIG_MAX)
        text_addf(error, "%s: is longer than 1 MiB", path);
    if (fd >= 0)
        close(fd);
    text_add(content, "", 0);
    return got >= 0 && content->length <= CONFIG_MAX;
}
