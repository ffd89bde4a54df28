/* SPDX-License-Identifier: MIT */
/* Owns learning from one answer: the order of its steps, and how many may be in flight while
 * nothing is known. See learn.h for the ideas. */
#include "provider/learn_parts.h"

#include "base/arith.h"

static int anything_known(const struct rl__lane *lane)
{
    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        if (lane->scope[s] != NULL)
            for (size_t i = 0; i < rl__scope_count(lane->scope[s]); i++)
                if (rl__entry_paces(lane->scope[s]->entry[i]) &&
                    lane->scope[s]->entry[i]->period < RL__LONG_PERIOD)
                    return 1;
    return 0;
}

/* Each success lets two more go, until there are as many as may be. */
static void reopen_probe(struct rl__lane *lane, uint64_t window, rl_time sent_at)
{
    if (rl__load(&lane->probe_granted) == 0 || sent_at <= lane->probe_refused_at)
        return;
    rl__store(&lane->probe_granted,
              rl__lane_in_flight(lane) + 2 >= window ? 0 : rl__load(&lane->granted) + 2);
}

static void widen_probe(struct rl__lane *lane, rl_time sent_at)
{
    uint64_t window = rl__load(&lane->probe_window);

    if (window == RL_NEVER)
        return;
    reopen_probe(lane, window, sent_at);
    if (anything_known(lane)) {
        rl__store(&lane->probe_window, RL_NEVER);
        return;
    }
    lane->probe_credit++;
    if (lane->probe_cut_at != 0 && lane->probe_credit < window)
        return; /* once it was too wide: one more for each full window of answers */
    lane->probe_credit = 0;
    rl__store(&lane->probe_window, window + 1);
}

static void narrow_probe(struct rl__lane *lane, rl_time sent_at, rl_time now)
{
    uint64_t window = rl__load(&lane->probe_window);

    if (window == RL_NEVER)
        return;
    /* Or all that may be in flight would go at once when the gate opens. */
    rl__store(&lane->probe_granted, rl__load(&lane->granted) + 1);
    lane->probe_refused_at = now;
    if (lane->probe_cut_at != 0 && sent_at <= lane->probe_cut_at)
        return;
    rl__store(&lane->probe_window, rl__max(window / 2, 1));
    lane->probe_cut_at = now;
    lane->probe_credit = 0;
}

/* Two limits of one kind in one answer, an organisation's and its project's: the smaller one binds.
 * Those that leave out what came from a cache are beside the others, and would be taken for them.
 */
static int is_for_another(const rl_answer *answer, uint32_t index, const struct rl__traits *traits)
{
    const rl_limit_report *own = &answer->report[index];

    if ((own->has & RL_IS_UNCACHED) != 0)
        return 1;
    for (uint32_t i = 0; i < answer->report_count; i++) {
        const rl_limit_report *other = &answer->report[i];

        if (i == index || other->dimension != own->dimension || (other->has & RL_HAS_LIMIT) == 0 ||
            (other->has & RL_IS_UNCACHED) != 0 ||
            rl__learn_window(other, traits) != rl__learn_window(own, traits))
            continue;
        if (other->limit < own->limit || (other->limit == own->limit && i < index))
            return 1;
    }
    return 0;
}

static void follow_reports(struct rl__lane *lane, const struct rl__grant *grant,
                           const rl_answer *answer, struct rl__lesson *lesson, rl_time now)
{
    for (uint32_t i = 0; i < answer->report_count; i++)
        if (!is_for_another(answer, i, lesson->traits))
            rl__learn_report(lane, grant, &answer->report[i], lesson, now);
}

void rl__learn_answer(struct rl__lane *lane, const struct rl__grant *grant, const rl_answer *answer,
                      struct rl__lesson *lesson, rl_time now)
{
    lesson->passed = answer->outcome == RL_OUTCOME_OK;
    follow_reports(lane, grant, answer, lesson, now);
    for (size_t s = 1; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; lane->scope[s] != NULL && i < rl__scope_count(lane->scope[s]); i++)
            rl__learn_recover_pace(lane->scope[s]->entry[i], lesson, now);
    rl__search_answer(lane, answer, lesson, now);
    if (answer->outcome != RL_OUTCOME_OK)
        return;
    widen_probe(lane, lesson->sent_at);
    for (size_t s = RL__PROVIDER_SCOPE; s < RL__LANE_SCOPES;
         s++) /* global ones are all providers' */
        rl__learn_make_room(lane->scope[s], lesson, now);
    if (lesson->traits->continuous && lesson->sole_model)
        rl__learn_grow_unreported(lane->scope[RL__PROVIDER_SCOPE], now);
    if (lesson->traits->continuous)
        for (size_t s = RL__FAMILY_SCOPE; s <= RL__MODEL_SCOPE; s++)
            rl__learn_grow_unreported(lane->scope[s], now);
}

void rl__learn_refusal(struct rl__lane *lane, const struct rl__grant *grant,
                       const rl_answer *answer, struct rl__lesson *lesson, rl_time opens,
                       rl_time now)
{
    /* Of what it had reserved, the rest will come back when it is settled: together that is enough
     * for one like it. */
    struct rl__cost kept;

    rl__charge_failed(lesson->traits, &lesson->cost, RL_OUTCOME_RATE_LIMITED, RL_FAILURE_NONE,
                      &kept);
    follow_reports(lane, grant, answer, lesson, now);
    rl__search_refusal(lane, answer, lesson, now);
    for (size_t s = 1; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; lane->scope[s] != NULL && i < rl__scope_count(lane->scope[s]); i++) {
            struct rl__entry *entry = lane->scope[s]->entry[i];

            if (!rl__learn_was_hit(answer, entry, lesson->traits))
                continue;
            rl__learn_cut(entry, lesson, now);
            rl__learn_lower_to(entry, kept.amount[entry->rule.dimension], opens, now);
        }
    narrow_probe(lane, lesson->sent_at, now);
}
