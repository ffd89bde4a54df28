/* SPDX-License-Identifier: MIT */
/* Owns events: what differs after an answer, in numbers and in a sentence. */
#include "context/events.h"

#include "base/arith.h"
#include "base/text.h"
#include "provider/learn.h"

#include <string.h>

#define PACE_WHOLE 1000000

static uint64_t amount_of(const struct rl__entry *entry)
{
    return rl__entry_is_off(entry) ? 0 : rl__learn_amount(entry);
}

static uint64_t rate_of(const struct rl__entry *entry)
{
    return entry->is_searched && rl__load(&entry->is_idle) == 0 ? entry->search.rate : 0;
}

void rl__events_before(const struct rl__lane *lane, struct rl__before *before)
{
    memset(before->count, 0, sizeof before->count);
    for (size_t s = RL__PROVIDER_SCOPE; s < RL__LANE_SCOPES; s++) {
        if (lane->scope[s] == NULL)
            continue;
        before->count[s] = rl__scope_count(lane->scope[s]);
        for (size_t i = 0; i < before->count[s]; i++) {
            before->entry[s][i].amount = amount_of(lane->scope[s]->entry[i]);
            before->entry[s][i].pace = lane->scope[s]->entry[i]->learned.pace;
            before->entry[s][i].rate = rate_of(lane->scope[s]->entry[i]);
        }
    }
}

static const char *reason_of(uint32_t kind)
{
    static const char *const reason[] = { "",
                                          "an answer names it",
                                          "an answer names another number",
                                          "a refusal came although our books said yes",
                                          "there has been no refusal for a while",
                                          "",
                                          "",
                                          "answers name the limits, or it is not wanted any more" };
    return reason[kind];
}

static void put(struct rl__changes *changes, const struct rl__change_seen *change)
{
    if (changes->count < RL__CHANGES_MAX)
        changes->of[changes->count++] = *change;
}

static void add(struct rl__changes *changes, const struct rl__scope *scope,
                const struct rl__entry *entry, uint32_t kind, uint64_t before, uint64_t after)
{
    struct rl__change_seen change = { .scope = scope->name,
                                      .reason = reason_of(kind),
                                      .kind = kind,
                                      .dimension = entry->rule.dimension,
                                      .before = before,
                                      .after = after,
                                      .period = entry->period };

    put(changes, &change);
}

static uint64_t paced(const struct rl__entry *entry, uint64_t pace)
{
    return rl__mul_div(amount_of(entry), pace, PACE_WHOLE);
}

static void compare(struct rl__changes *changes, const struct rl__scope *scope,
                    const struct rl__entry *entry, uint64_t amount, uint64_t pace)
{
    uint64_t now = amount_of(entry), pace_now = entry->learned.pace;

    if (now != amount)
        add(changes, scope, entry, RL_EVENT_LIMIT_CHANGED, amount, now);
    if (pace_now < pace)
        add(changes, scope, entry, RL_EVENT_LIMIT_SLOWED, paced(entry, pace),
            paced(entry, pace_now));
    else if (pace_now > pace)
        add(changes, scope, entry, RL_EVENT_LIMIT_RESTORED, paced(entry, pace),
            paced(entry, pace_now));
}

/* ---- limits that are searched for ---- */

static uint32_t kind_of_search(uint64_t before, uint64_t now)
{
    if (before == 0)
        return RL_EVENT_LIMIT_DETECTED;
    if (now == 0)
        return RL_EVENT_LIMIT_DROPPED;
    return now < before ? RL_EVENT_LIMIT_SLOWED : RL_EVENT_LIMIT_RAISED;
}

static const char *reason_of_search(const struct rl__search *search, uint32_t kind)
{
    switch (kind) {
    case RL_EVENT_LIMIT_DETECTED:
        return "a refusal came and names no limit: this is less than passed in the last minute";
    case RL_EVENT_LIMIT_SLOWED:
        return search->in_episode ? "a refusal came at that rate" : "the configuration caps it";
    case RL_EVENT_LIMIT_RAISED:
        return search->wall == 0              ? "it held us back, and nothing was refused"
               : search->rate <= search->wall ? "back towards the rate that was refused last"
                                              : "what was refused last is not refused any more";
    default:
        return reason_of(kind);
    }
}

static uint64_t units_of(uint64_t rate)
{
    return (rate + RL__SEARCH_UNIT / 2) / RL__SEARCH_UNIT;
}

static void compare_search(struct rl__changes *changes, const struct rl__scope *scope,
                           const struct rl__entry *entry, uint64_t before)
{
    uint64_t now = rate_of(entry);
    uint32_t kind = kind_of_search(before, now);
    struct rl__change_seen change = { .scope = scope->name,
                                      .reason = reason_of_search(&entry->search, kind),
                                      .kind = kind,
                                      .dimension = entry->rule.dimension,
                                      .before = units_of(before),
                                      .after = units_of(now),
                                      .rate_before = before,
                                      .rate_after = now,
                                      .period = entry->period };

    if (now != before)
        put(changes, &change);
}

void rl__events_after(const struct rl__lane *lane, const struct rl__before *before,
                      struct rl__changes *changes)
{
    changes->count = 0;
    for (size_t s = RL__PROVIDER_SCOPE; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; lane->scope[s] != NULL && i < rl__scope_count(lane->scope[s]); i++) {
            const struct rl__entry *entry = lane->scope[s]->entry[i];
            int is_new = i >= before->count[s];

            if (entry->is_searched)
                compare_search(changes, lane->scope[s], entry,
                               is_new ? 0 : before->entry[s][i].rate);
            else if (is_new)
                add(changes, lane->scope[s], entry, RL_EVENT_LIMIT_DETECTED, 0, amount_of(entry));
            else
                compare(changes, lane->scope[s], entry, before->entry[s][i].amount,
                        before->entry[s][i].pace);
        }
}

/* ---- telling ---- */

static const char *name_of(uint32_t kind)
{
    static const char *const name[] = { "",
                                        "rate_limit_detected",
                                        "rate_limit_changed",
                                        "rate_limit_slowed",
                                        "rate_limit_restored",
                                        "gate_closed",
                                        "rate_limit_raised",
                                        "rate_limit_dropped" };
    return name[kind];
}

/* A small rate that is searched for has one decimal, or its steps would not show. */
static void add_amount(struct rl__text *text, uint64_t units, uint64_t rate)
{
    if (rate == 0 || units >= 100)
        rl__text_add(text, "%llu", (unsigned long long)units);
    else
        rl__text_add(text, "%llu.%llu", (unsigned long long)(rate / RL__SEARCH_UNIT),
                     (unsigned long long)(rate % RL__SEARCH_UNIT * 10 / RL__SEARCH_UNIT));
}

static void explain(const struct rl__change_seen *change, char *why, size_t size)
{
    struct rl__text text = rl__text_on(why, size);

    add_amount(&text, change->after, change->rate_after);
    rl__text_add(&text, " %s per ", rl_dimension_name((rl_dimension)change->dimension));
    rl__text_add_duration(&text, change->period);
    if (change->before > 0) {
        rl__text_add(&text, " instead of ");
        add_amount(&text, change->before, change->rate_before);
    }
    rl__text_add(&text, ": %s", change->reason);
}

static void tell(const rl_context *rl, const rl_event *event)
{
    rl->on_event(rl->event_user, event);
}

void rl__events_tell(const rl_context *rl, const struct rl__changes *changes)
{
    char why[256];

    for (size_t i = 0; i < changes->count; i++) {
        const struct rl__change_seen *change = &changes->of[i];
        rl_event event = { .size = sizeof event, .scope = change->scope, .why = why };

        explain(change, why, sizeof why);
        event.name = name_of(change->kind);
        event.kind = change->kind;
        event.dimension = change->dimension;
        event.before = change->before;
        event.limit = change->after;
        event.period = change->period;
        tell(rl, &event);
    }
}

void rl__events_tell_gate(const rl_context *rl, const char *scope, const rl_answer *answer,
                          rl_time until)
{
    rl_event event = { .size = sizeof event, .scope = scope, .kind = RL_EVENT_GATE_CLOSED };
    char why[256];
    struct rl__text text = rl__text_on(why, sizeof why);

    rl__text_add(&text, "the provider %s",
                 answer->outcome == RL_OUTCOME_RATE_LIMITED ? "refused" : "is overloaded");
    rl__text_add(&text, "%s",
                 answer->retry_after != RL_NEVER ? ", and said until when" : ", and said no time");
    event.name = name_of(RL_EVENT_GATE_CLOSED);
    event.why = why;
    event.until = until;
    tell(rl, &event);
}
