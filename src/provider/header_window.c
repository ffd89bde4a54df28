/* SPDX-License-Identifier: MIT */
/* The window of a limit whose headers do not name it, and the unit of a reset: by arithmetic. */
#include "provider/headers_parts.h"

#include "base/arith.h"

/*
 * A bucket that refills evenly is full again after used * window / limit. `remaining` is rounded
 * down, so up to one unit less is used; a reset is cut to whole milliseconds and is a moment old.
 * So it must lie between what one unit less asks for (of a single unit: 3/4) and a little more than
 * what all of it asks for. The windows are at least 24 apart, so at most one of them fits.
 */
static rl_duration bucket_window(uint64_t limit, uint64_t remaining, rl_duration reset)
{
    static const rl_duration windows[] = { RL_SECOND, RL_MINUTE, RL_HOUR, RL_DAY };
    rl_duration cut = reset < RL_MILLISECOND ? 0 : RL_MILLISECOND / 2;

    if (remaining >= limit || reset == 0)
        return 0;
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        uint64_t used = limit - remaining;
        rl_duration full = rl__mul_div(used, windows[i], limit);
        rl_duration least = full / 4 * 3;

        if (used > 1)
            least = rl__min(least, rl__mul_div(used - 1, windows[i] / 16 * 15, limit));
        if (reset + cut >= least && reset <= full + full / 4)
            return windows[i];
    }
    return 0;
}

/* How far `reset` is from what `used` units ask for, in 1/16 of `unit`; more than 16 and a
 * sixteenth of the whole is no fit. */
static uint64_t misfit(rl_duration reset, rl_duration full, rl_duration unit)
{
    rl_duration off = reset > full ? reset - full : full - reset;

    return off <= unit + full / 16 ? rl__mul_div(off, 16, unit) : UINT64_MAX;
}

/*
 * A reset of whole units, seconds or milliseconds, of a window that is known or one of a few. What
 * fits best is taken, the longer window first, since small numbers fit many. 0: none fits, and the
 * reset says nothing.
 */
static int units_find(const rl_limit_report *report, rl_duration *window, rl_duration *reset)
{
    static const rl_duration windows[] = { RL_MINUTE, 10 * RL_SECOND, RL_SECOND };
    rl_duration seconds = *reset, milliseconds = seconds / 1000, given = *window;

    if (report->remaining > report->limit || report->limit == 0)
        return 0;
    for (size_t i = 0; i < (given != 0 ? 1 : sizeof windows / sizeof windows[0]); i++) {
        rl_duration one = given != 0 ? given : windows[i];
        rl_duration full = rl__mul_div(report->limit - report->remaining, one, report->limit);
        uint64_t as_seconds = misfit(seconds, full, RL_SECOND);
        uint64_t as_milliseconds = misfit(milliseconds, full, RL_MILLISECOND);

        if (rl__min(as_seconds, as_milliseconds) == UINT64_MAX)
            continue;
        *reset = as_milliseconds <= as_seconds ? milliseconds : seconds;
        *window = one;
        return 1;
    }
    return 0;
}

/* Nothing in use, or a reset of 0: no window can be told, and 0 is 0 in every unit. */
static rl_duration units_apply(rl_limit_report *report, rl_duration window)
{
    const uint32_t all = RL_HAS_LIMIT | RL_HAS_REMAINING | RL_HAS_RESET;

    if ((report->has & RL_HAS_RESET) == 0 || report->reset_after == 0)
        return window;
    if ((report->has & all) != all || !units_find(report, &window, &report->reset_after)) {
        report->has &= ~(uint32_t)RL_HAS_RESET;
        report->reset_after = 0;
    }
    return window;
}

void rl__window_find(struct rl__reading *reading, const struct rl__slot *slot,
                     rl_limit_report *report)
{
    const uint32_t all = RL_HAS_LIMIT | RL_HAS_REMAINING | RL_HAS_RESET;
    rl_duration window = slot->named_window;

    if ((slot->has & RL_HAS_WINDOW) != 0)
        window = slot->window;
    else if (slot->series->window != 0)
        window = slot->series->window;
    else if (slot->series->rule == RL__WINDOW_BUCKET && (report->has & all) == all)
        window = bucket_window(report->limit, report->remaining, report->reset_after);
    else if (slot->series->rule == RL__WINDOW_POLICY && (slot->has & RL_HAS_LIMIT) != 0)
        window = rl__structured_window(&reading->structured, slot->limit) * RL_SECOND;
    if (slot->series->rule == RL__WINDOW_UNITS)
        window = units_apply(report, window);
    if (window == 0 || window > RL__DURATION_MAX)
        return;
    report->has |= RL_HAS_WINDOW;
    report->window = window;
}
