/* SPDX-License-Identifier: MIT */
/* The headers that say how long to wait, by rank, and the wait that they come to. */
#include "provider/headers_parts.h"

#include "base/arith.h"

void rl__wait_raise(struct rl__hint *hint, const struct rl__when *when)
{
    if (when->absolute && (!hint->has_wall || when->wall > hint->wall)) {
        hint->has_wall = 1;
        hint->wall = when->wall;
    } else if (!when->absolute && (!hint->has_span || when->span > hint->span)) {
        hint->has_span = 1;
        hint->span = when->span;
    }
}

/* A list of numbers is several lines that somebody joined. A date has a comma of its own, behind a
 * letter. */
static void hint_read(struct rl__reading *reading, const struct rl__hint_row *row,
                      const char *value, size_t length)
{
    struct rl__slice left = rl__trim(value, length);
    int list = left.length > 0 && rl__is_digit(left.at[0]);

    if (length > RL__VALUE_MAX)
        left.length = 0;
    do {
        const char *comma = list ? memchr(left.at, ',', left.length) : NULL;
        size_t one = comma == NULL ? left.length : (size_t)(comma - left.at);
        struct rl__when when;

        if (rl__when_read(left.at, one, row->form, reading->now, &when))
            rl__wait_raise(&reading->hint[row->rank], &when);
        else
            reading->ignored++;
        if (comma == NULL)
            return;
        left.at += one + 1;
        left.length -= one + 1;
    } while (left.length > 0);
}

int rl__wait_take(struct rl__reading *reading, const rl_dialect *dialect,
                  const struct rl__line *line)
{
    for (uint32_t i = 0; i < dialect->hint_count; i++)
        if (rl__slice_is(dialect->hints[i].name, line->name, line->length)) {
            hint_read(reading, &dialect->hints[i], line->value, line->value_length);
            return 1;
        }
    return 0;
}

/* The longer of span and date, or RL_NEVER. */
static rl_duration hint_resolve(struct rl__reading *reading, const struct rl__hint *hint)
{
    struct rl__when when = { .absolute = 1, .wall = hint->wall };
    rl_duration after, wait = hint->has_span ? hint->span : RL_NEVER;

    if (!hint->has_wall)
        return wait;
    if (!rl__when_resolve(&when, reading->now, &after)) {
        reading->ignored++;
        return wait;
    }
    return hint->has_span ? rl__max(wait, after) : after;
}

rl_duration rl__headers_wait(struct rl__reading *reading)
{
    rl_duration wait = RL_NEVER;

    /* A zero of a finer header is a wait rounded away: the next one knows more. */
    for (int i = 0; i < RL__HINT_RANKS && (wait == RL_NEVER || wait == 0); i++) {
        rl_duration next = hint_resolve(reading, &reading->hint[i]);

        if (next != RL_NEVER)
            wait = next;
    }
    return wait;
}
