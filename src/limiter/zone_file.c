/* SPDX-License-Identifier: MIT */
/*
 * Reads a zone of the system's zone database. Source: RFC 8536 (TZif), version 2 and later. The
 * file is read whole, with a bound, and every count in it is checked against what was read. The
 * environment (TZ, TZDIR) plays no part.
 */
#include "limiter/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONE_ROOT   "/usr/share/zoneinfo/"
#define ZONE_MOST   16384 /* bytes; those in use have less than 4000 */
#define NAME_MOST   64
#define HEADER      44
#define RULE_MOST   64
#define OFFSET_MOST (26 * 3600)

struct data {
    const uint8_t *byte;
    size_t length;
};

/* One block of the file: its counts, and where its parts lie. */
struct block {
    uint32_t leaps, times, types, letters, standards, universals;
    const uint8_t *time, *index, *type;
    size_t size; /* with the header */
};

struct zone_file {
    struct block block;
    struct rl__zone_rule rule;
    int has_rule;
};

static uint32_t big32(const uint8_t *byte)
{
    return (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 | (uint32_t)byte[2] << 8 | byte[3];
}

static int64_t big64(const uint8_t *byte)
{
    return (int64_t)((uint64_t)big32(byte) << 32 | big32(byte + 4));
}

/* `wide`: bytes of a time. 0: it is not whole. */
static int find_block(struct data data, size_t wide, struct block *block)
{
    const uint8_t *h = data.byte;

    if (data.length < HEADER || memcmp(h, "TZif", 4) != 0 || h[4] < '2')
        return 0;
    block->universals = big32(h + 20);
    block->standards = big32(h + 24);
    block->leaps = big32(h + 28);
    block->times = big32(h + 32);
    block->types = big32(h + 36);
    block->letters = big32(h + 40);
    block->size = HEADER + block->times * (wide + 1) + (size_t)block->types * 6 + block->letters +
                  block->leaps * (wide + 4) + block->standards + block->universals;
    if (block->types == 0 || block->size > data.length) /* 64 bits hold that sum */
        return 0;
    block->time = h + HEADER;
    block->index = block->time + block->times * wide;
    block->type = block->index + block->times;
    return 1;
}
_Static_assert(sizeof(size_t) == 8, "a block that 32 bits could not count must not seem small");

static int64_t time_in(const struct block *block, size_t index)
{
    return big64(block->time + 8 * index);
}

/* The offset from that change on. */
static int32_t offset_in(const struct block *block, size_t index)
{
    return (int32_t)big32(block->type + (size_t)6 * block->index[index]);
}

static int32_t offset_before(const struct block *block, size_t index)
{
    return index > 0 ? offset_in(block, index - 1) : (int32_t)big32(block->type);
}

static int is_sound(const struct block *block)
{
    for (size_t i = 0; i < block->types; i++) {
        int32_t offset = (int32_t)big32(block->type + 6 * i);

        if (offset < -OFFSET_MOST || offset > OFFSET_MOST)
            return 0;
    }
    for (size_t i = 0; i < block->times; i++)
        if (block->index[i] >= block->types ||
            (i > 0 && time_in(block, i) <= time_in(block, i - 1)))
            return 0;
    return 1;
}

/* The rule stands between the last two newlines; it may be empty. */
static int read_rule(struct data data, struct zone_file *file)
{
    const uint8_t *end;
    char text[RULE_MOST];
    size_t length;

    if (data.length < 2 || data.byte[0] != '\n')
        return 0;
    end = memchr(data.byte + 1, '\n', data.length - 1);
    if (end == NULL || end - data.byte > RULE_MOST)
        return 0;
    length = (size_t)(end - data.byte) - 1;
    memcpy(text, data.byte + 1, length);
    text[length] = '\0';
    file->has_rule = length > 0;
    return length == 0 || rl__zone_parse_rule(text, &file->rule);
}

static int parse(struct data data, struct zone_file *file)
{
    struct block old;

    if (!find_block(data, 4, &old))
        return 0;
    data.byte += old.size;
    data.length -= old.size;
    if (!find_block(data, 8, &file->block) || !is_sound(&file->block))
        return 0;
    data.byte += file->block.size;
    data.length -= file->block.size;
    return read_rule(data, file);
}

static int follows_rule(const struct zone_file *file, size_t index)
{
    int64_t at = time_in(&file->block, index);

    return file->has_rule &&
           rl__zone_rule_offset(&file->rule, at) == offset_in(&file->block, index) &&
           rl__zone_rule_offset(&file->rule, at - 1) == offset_before(&file->block, index);
}

/* The changes after `now` but those at the end that the rule explains, and the first of these:
 * until then the rule may not hold yet. If there are more than the words hold, the zone stays as it
 * is after the last of them. */
static void pack(const struct zone_file *file, int64_t now, uint64_t *zone)
{
    struct rl__zone_change change[RL__ZONE_CHANGES];
    size_t first = 0, end = file->block.times, count = 0;

    while (first < end && time_in(&file->block, first) <= now)
        first++;
    while (end > first && follows_rule(file, end - 1))
        end--;
    end += end < file->block.times;
    for (; count < RL__ZONE_CHANGES && first + count < end; count++)
        change[count] = (struct rl__zone_change){ time_in(&file->block, first + count),
                                                  offset_in(&file->block, first + count) };
    rl__zone_pack(zone, offset_before(&file->block, first), change, count,
                  file->has_rule && first + count == end ? &file->rule : NULL);
}

/* No way out of the folder, and nothing hidden: no dot at all. */
static int is_name(const char *name)
{
    size_t length = strnlen(name, NAME_MOST);

    if (length == 0 || length == NAME_MOST || name[0] == '/')
        return 0;
    for (size_t i = 0; i < length; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-_/", name[i]) ==
            NULL)
            return 0;
    return 1;
}

size_t rl__zone_load(const char *path, uint8_t *buffer, size_t most)
{
    size_t length = 0;
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return 0;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode))
        while (length < most) {
            ssize_t got = read(fd, buffer + length, most - length);

            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                break;
            length += (size_t)got;
        }
    (void)close(fd); /* nothing was written */
    return length < most ? length : 0;
}

static size_t load_name(const char *name, uint8_t *buffer)
{
    char path[sizeof ZONE_ROOT + NAME_MOST] = ZONE_ROOT;

    memcpy(path + sizeof ZONE_ROOT - 1, name, strlen(name) + 1);
    return rl__zone_load(path, buffer, ZONE_MOST);
}

int rl__zone_read(const uint8_t *byte, size_t length, int64_t now, uint64_t *zone)
{
    struct zone_file file = { .has_rule = 0 };
    struct data data = { byte, length };

    if (!parse(data, &file))
        return 0;
    pack(&file, now, zone);
    return 1;
}

static rl_status find_file(const char *name, int64_t now, uint64_t *zone, const char **why)
{
    uint8_t buffer[ZONE_MOST];
    size_t length;

    *why = "zone is neither a name nor a rule of a time zone";
    if (!is_name(name))
        return RL_E_INVALID;
    *why = "there is no data for this time zone in /usr/share/zoneinfo";
    if ((length = load_name(name, buffer)) == 0)
        return RL_E_NOT_FOUND;
    *why = "the data for this time zone in /usr/share/zoneinfo is damaged";
    return rl__zone_read(buffer, length, now, zone) ? RL_OK : RL_E_INVALID;
}

rl_status rl__zone_find(const char *name, int64_t now, uint64_t *zone, const char **why)
{
    struct rl__zone_rule rule = { .standard = 0 };

    if (name == NULL || strcmp(name, "UTC") == 0 || rl__zone_parse_rule(name, &rule)) {
        rl__zone_pack(zone, rule.standard, NULL, 0, &rule);
        return RL_OK;
    }
    return find_file(name, now, zone, why);
}
