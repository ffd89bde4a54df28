/* SPDX-License-Identifier: MIT */
/* Owns what a refusal costs: which limiters it hit, their level when the gate opens, their pace. */
#include "provider/learn_parts.h"

#include "base/arith.h"

#define NO_GROWTH_TIME RL_MINUTE /* after a first refusal; doubles */
#define PACE_FLOOR     800000
#define PACE_RECOVERED 995000
#define PACE_STEP      UINT64_C(1000)
#define PACE_DOUBLINGS 5
/* Who is refused again although no period held more has one who weighs periods: what each such cut
 * leaves out for good, and how often. */
#define LEFT_OUT      2500
#define LEFT_OUT_MOST 8

static int report_says_empty(const rl_answer *answer, const struct rl__entry *entry,
                             const struct rl__traits *traits)
{
    for (uint32_t i = 0; i < answer->report_count; i++) {
        const rl_limit_report *report = &answer->report[i];

        if (report->dimension == entry->rule.dimension &&
            rl__learn_window(report, traits) == entry->period &&
            (report->has & RL_HAS_REMAINING) != 0 && report->remaining == 0)
            return 1;
    }
    return 0;
}

/* Whether the refusal speaks of this limiter: by name, else by an empty report, else every short
 * one is suspect. A day's limit is named with its day, or not meant: to empty it for a minute's
 * sake would cost the day. */
int rl__learn_was_hit(const rl_answer *answer, const struct rl__entry *entry,
                      const struct rl__traits *traits)
{
    rl_duration window = answer->limited_window;

    if (!rl__entry_paces(entry))
        return 0;
    if (window != 0 && traits->continuous)
        window = rl__max(window, RL_MINUTE); /* as in rl__learn_window() */
    if (window != 0 && window != entry->period)
        return 0;
    if (answer->limited_mask != 0 && (answer->limited_mask >> entry->rule.dimension & 1) == 0)
        return 0;
    return window != 0 || entry->period < RL__LONG_PERIOD ||
           report_says_empty(answer, entry, traits);
}

void rl__learn_lower_to(struct rl__entry *entry, uint64_t level, rl_time opens, rl_time now)
{
    int64_t left = rl__entry_left(entry, now);
    rl_level then;

    rl_limiter_snapshot(&entry->limiter, opens, &then);
    if (then.remaining <= (int64_t)level)
        return;
    rl_limiter_set_level(&entry->limiter, (int64_t)rl__min(level, entry->limit.burst), opens);
    rl__fetch_add(&entry->shift, (uint64_t)(rl__entry_left(entry, now) - left));
}

void rl__learn_cut(struct rl__entry *entry, const struct rl__lesson *lesson, rl_time now)
{
    rl_limit limit;

    if (entry->is_searched || lesson->is_searched)
        return; /* another one gives way */
    if (entry->learned.cut_at != 0 && lesson->sent_at <= entry->learned.cut_at)
        return; /* sent before we knew: the same episode */
    entry->learned.cut_at = now;
    entry->learned.grow_not_before =
        rl__add_sat(now, NO_GROWTH_TIME << rl__min(entry->learned.cuts, 6));
    entry->learned.growing_since = 0;
    entry->learned.cuts++;
    if (!entry->is_bucket)
        return; /* the user has said how it is kept: only its amount is the provider's to say */
    entry->learned.pace = rl__max(entry->learned.pace * 99 / 100, PACE_FLOOR);
    limit = rl__learn_limit(entry, lesson->traits);
    if (entry->period < RL__LONG_PERIOD)
        limit.burst = rl__learn_small_burst(entry);
    rl__learn_put(entry, &limit, now);
}

uint64_t rl__learn_left_out(const struct rl__entry *entry)
{
    return entry->ledger != NULL ? LEFT_OUT * rl__min(entry->learned.cuts, LEFT_OUT_MOST) : 0;
}

static uint64_t recovered_of(const struct rl__entry *entry)
{
    return PACE_RECOVERED - rl__learn_left_out(entry);
}

/* A share that was given up comes back, and not quite: a thousandth after the first minute without
 * a cut, then twice as much each minute. */
void rl__learn_recover_pace(struct rl__entry *entry, const struct rl__lesson *lesson, rl_time now)
{
    uint64_t minutes = rl__sub_sat(now, entry->learned.cut_at) / RL_MINUTE;
    rl_limit limit;

    if (entry->learned.pace >= recovered_of(entry) || minutes == 0 ||
        rl__sub_sat(now, entry->learned.recovered_at) < RL_MINUTE)
        return;
    entry->learned.pace =
        rl__min(entry->learned.pace + (PACE_STEP << rl__min(minutes - 1, PACE_DOUBLINGS)),
                recovered_of(entry));
    entry->learned.recovered_at = now;
    limit = rl__learn_limit(entry, lesson->traits);
    rl__learn_put(entry, &limit, now);
}
