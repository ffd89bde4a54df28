/* SPDX-License-Identifier: MIT */
/* Local time in a few words of a plan. Seconds here are of wall time, since 1970, UTC. */
#ifndef LLMRL_SRC_LIMITER_ZONE_H
#define LLMRL_SRC_LIMITER_ZONE_H

#include <llmrl/base.h>

/* One head, the two offsets of the rule, its two dates, and the next changes that it does not
 * explain. */
#define RL__ZONE_CHANGES 7
#define RL__ZONE_WORDS   (4 + RL__ZONE_CHANGES)

/* A zone while it is being read. */
struct rl__zone_change {
    int64_t at;
    int32_t offset; /* seconds east of Greenwich from then on */
};
struct rl__zone_date {
    uint8_t kind; /* 'M': week `week` of month `month`, `day` of the week; 'J': day 1 ... 365, never
                   * February 29; 'N': day 0 ... 365 */
    uint8_t month, week;
    uint16_t day;
    int32_t time; /* seconds after local midnight */
};
struct rl__zone_rule {
    int32_t standard, summer; /* offsets */
    int has_summer;
    struct rl__zone_date start, end;
};

/* ---- zone.c: the words ---- */

void rl__zone_pack(uint64_t *zone, int32_t base, const struct rl__zone_change *change, size_t count,
                   const struct rl__zone_rule *rule); /* rule NULL: none after the last change */
int32_t rl__zone_offset(const uint64_t *zone, int64_t t);
/* The first moment after `t` at which the offset may change; INT64_MAX: none. */
int64_t rl__zone_next(const uint64_t *zone, int64_t t);
int32_t rl__zone_rule_offset(const struct rl__zone_rule *rule, int64_t t);

/* Whether the offset is the same for ever: then *offset is it. */
int rl__zone_is_fixed(const uint64_t *zone, int32_t *offset);

/* ---- calendar.c: days and months ---- */

int64_t rl__days_from_civil(int64_t year, unsigned month, unsigned day);
void rl__civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);
/* The first moment at which the local clock shows `local` seconds since 1970 or more. */
int64_t rl__zone_reaches(const uint64_t *zone, int64_t local);
/* The day, counted from 1970, that began last, if days begin `day_start` seconds after midnight. A
 * day whose beginning does not exist begins with the next moment that does; one that seems to begin
 * twice begins with the first. So it never goes back. */
int64_t rl__zone_day(const uint64_t *zone, int64_t t, int64_t day_start);

/* ---- zone_rule.c, zone_file.c: reading ---- */

/* "PST8PDT,M3.2.0,M11.1.0", to the end of the text. 0: it is no rule. */
int rl__zone_parse_rule(const char *text, struct rl__zone_rule *rule);
/* Reads a whole file of less than `most` bytes. 0: there is none, or it has more. */
size_t rl__zone_load(const char *path, uint8_t *buffer, size_t most);
/* The bytes of a file of the zone database. 0: they are damaged. `now`: as below. */
int rl__zone_read(const uint8_t *byte, size_t length, int64_t now, uint64_t *zone);
/* A name of the zone database or a rule; NULL: UTC. `now`: changes before that do not matter. */
rl_status rl__zone_find(const char *name, int64_t now, uint64_t *zone, const char **why);

#endif
