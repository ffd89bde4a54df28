/* SPDX-License-Identifier: MIT */
/* Pages that a child of fork() finds empty: Linux has them since 4.14. */
#include "base/fork_mark.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef MADV_WIPEONFORK

static size_t page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);

    return size > 0 ? (size_t)size : 4096;
}

/* Some emulators take any advice, and follow none. */
static int heeds_advice(void *page, size_t size)
{
    return madvise(page, size, -1) != 0 && madvise(page, size, MADV_WIPEONFORK) == 0;
}

uint64_t *rl__fork_mark_new(void)
{
    size_t size = page_size();
    uint64_t *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if ((void *)page == MAP_FAILED)
        return NULL;
    if (!heeds_advice(page, size)) {
        (void)munmap(page, size); /* ours, and whole */
        return NULL;
    }
    *page = 1;
    return page;
}

void rl__fork_mark_free(uint64_t *mark)
{
    if (mark != NULL)
        (void)munmap(mark, page_size()); /* ours, and whole */
}

#else

uint64_t *rl__fork_mark_new(void)
{
    return NULL;
}

void rl__fork_mark_free(uint64_t *mark)
{
    (void)mark;
}

#endif
