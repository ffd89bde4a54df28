/* SPDX-License-Identifier: MIT */
/* What was collected, told as reports. */
#include "provider/headers_parts.h"

static void slot_report(struct rl__reading *reading, const struct rl__slot *slot,
                        rl_limit_report *report)
{
    *report = (rl_limit_report){
        .dimension = slot->series->dimension,
        .has = slot->has & (RL_HAS_LIMIT | RL_HAS_REMAINING),
        .limit = slot->limit,
        .remaining = slot->remaining,
    };
    if ((slot->has & RL_HAS_RESET) != 0) {
        if (rl__when_resolve(&slot->reset, reading->now, &report->reset_after))
            report->has |= RL_HAS_RESET;
        else
            reading->ignored++;
    }
    if ((slot->series->flags & RL__SERIES_UNCACHED) != 0)
        report->has |= RL_IS_UNCACHED;
    rl__window_find(reading, slot, report);
}

/* A reset alone says nothing: of which limit? It is what remains of "-1, -1, 0", not reported. */
static int is_told(const struct rl__slot *slot)
{
    return (slot->has & (RL_HAS_LIMIT | RL_HAS_REMAINING)) != 0;
}

/* Whether another series of the same thing outranks this one. */
static int is_outranked(const struct rl__reading *reading, const struct rl__slot *slot)
{
    if ((slot->series->flags & RL__SERIES_PREFERRED) != 0)
        return 0;
    for (uint32_t i = 0; i < reading->slot_count; i++) {
        const struct rl__slot *other = &reading->slot[i];

        if ((other->series->flags & RL__SERIES_PREFERRED) != 0 && is_told(other) &&
            other->series->dimension == slot->series->dimension &&
            other->series->window == slot->series->window)
            return 1;
    }
    return 0;
}

uint32_t rl__headers_reports(struct rl__reading *reading, rl_limit_report *report, uint32_t max)
{
    uint32_t count = 0;

    if (reading->from_cache)
        return 0;
    for (uint32_t i = 0; i < reading->slot_count && count < max; i++)
        if (is_told(&reading->slot[i]) && !is_outranked(reading, &reading->slot[i]))
            slot_report(reading, &reading->slot[i], &report[count++]);
    count += rl__structured_reports(&reading->structured, report + count, max - count);
    reading->ignored += reading->structured.ignored;
    return count;
}
