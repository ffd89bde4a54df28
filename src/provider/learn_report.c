/* SPDX-License-Identifier: MIT */
/* Owns how a report moves a limiter: which one it speaks of, its number, and what is left. */
#include "provider/learn_parts.h"

#include "base/arith.h"
#include "limiter/prepared.h"
#include "scope/ledger.h"

#define MARGIN_SHARE 16                     /* of the most that was ever reported: 1/16 */
#define ROUGHLY      (5 * RL_SECOND)        /* a reset may be rounded up, or of another clock */
#define WATCH_TIME   (500 * RL_MILLISECOND) /* between two looks at what others take */

static int is_continuous(const struct rl__entry *entry, const struct rl__traits *traits)
{
    return entry->is_bucket && entry->ledger == NULL &&
           (traits->continuous || entry->learned.refills);
}

/* Periods have an end here, or a share that is over: what was taken then may count no more. */
static int has_periods(const struct rl__entry *entry)
{
    return !entry->is_bucket || entry->ledger != NULL;
}

static int still_counts(const struct rl__entry *entry, rl_time at, rl_time now)
{
    return entry->ledger != NULL ? rl__ledger_counts(entry->ledger, at, now)
                                 : rl__limiter_counts(&entry->limiter, at, now);
}

/* What arrivals may bunch by on the way, and four requests that may have overtaken this one. */
static uint64_t bunching_of(const struct rl__entry *entry, uint64_t cost)
{
    return rl__add_sat(rl__mul_div_up(entry->limit.amount, RL__BUNCHING, entry->limit.period),
                       rl__mul_sat(4, cost));
}

/* How much less than reported we count on: that, but a small share of the most that was ever there,
 * or a small bucket would never count as full. In a window what is set aside would never be used:
 * none, but a share for each refusal there, see rl__learn_left_out(). */
static uint64_t margin_of(const struct rl__entry *entry, const struct rl__traits *traits,
                          uint64_t cost)
{
    uint64_t margin = bunching_of(entry, cost);

    if (entry->ledger != NULL)
        return rl__mul_div(entry->limit.amount, rl__learn_left_out(entry), RL__PACE_WHOLE);
    if (!is_continuous(entry, traits))
        return 0;
    if (entry->rule.dimension != RL_REQUESTS && traits->step > 1)
        margin = rl__add_sat(margin, traits->step);
    return rl__min(margin, entry->learned.most / MARGIN_SHARE);
}

static void lower(struct rl__entry *entry, uint64_t missing, rl_time now)
{
    rl__entry_correct(entry, -(int64_t)missing, now);
    entry->learned.owed = rl__add_sat(entry->learned.owed, missing);
    entry->learned.owed_at = now;
    rl__store(&entry->owes, entry->learned.owed);
}

/* What was lowered and has come back by itself must not be given back again: no more is owed than
 * the limiter lacked to be full since, and nothing if its window is over. */
static void forget_owed(struct rl__entry *entry, rl_time now)
{
    entry->learned.owed = rl__min(entry->learned.owed, rl__load(&entry->owes));
    if ((has_periods(entry) && !still_counts(entry, entry->learned.owed_at, now)))
        entry->learned.owed = 0;
}

static void repay(struct rl__entry *entry, uint64_t *room, rl_time now)
{
    uint64_t back = rl__min(*room, entry->learned.owed);

    if (back == 0)
        return;
    rl__entry_correct(entry, (int64_t)back, now);
    entry->learned.owed -= back;
    rl__store(&entry->owes, entry->learned.owed);
    *room -= back;
}

/* Where nobody has documented how a limit refills, the reports show it: in a fixed window each
 * request leaves less, in a bucket what was used is back soon. So it seems in a sliding window,
 * too, of which all may go at once and then nothing: one that was ever seen nearly full is none of
 * those buckets that hold much less than the limit. Looked at over twenty reports and a second at
 * least.
 */
static void watch_refill(struct rl__entry *entry, const rl_limit_report *report,
                         const struct rl__lesson *lesson, rl_time now)
{
    uint64_t cost = lesson->cost.amount[entry->rule.dimension], gone;

    if (entry->learned.watched == 0 || report->remaining > entry->learned.watched_from) {
        entry->learned.watched = 1; /* the first one, or a new window */
        entry->learned.watched_from = report->remaining;
        entry->learned.watched_cost = 0;
        entry->learned.watched_at = now;
        return;
    }
    entry->learned.watched++;
    entry->learned.watched_cost = rl__add_sat(entry->learned.watched_cost, cost);
    if (entry->learned.watched < 20 || rl__sub_sat(now, entry->learned.watched_at) < RL_SECOND)
        return;
    gone = entry->learned.watched_from - report->remaining;
    entry->learned.refills = gone < entry->learned.watched_cost / 2 &&
                             entry->learned.most <= rl__learn_amount(entry) / 2;
    entry->learned.watched = 0;
    rl__store(&entry->in_windows, entry->is_bucket && !entry->learned.refills);
}

/* How fast others on the same key use it up. Our books without any correction follow our own use
 * alone; so what the reports show above them shrinks as fast as others take. */
static void watch_others(struct rl__entry *entry, int64_t gap, rl_time sent_at)
{
    rl_duration span = rl__sub_sat(sent_at, entry->learned.gap_at);
    uint64_t taken = gap < entry->learned.gap ? (uint64_t)(entry->learned.gap - gap) : 0, rate;

    if (entry->learned.gap_at != 0 && span < WATCH_TIME)
        return;
    rate = rl__mul_div(entry->limit.amount, RL_SECOND, entry->limit.period);
    if (entry->learned.gap_at == 0 || span > 8 * WATCH_TIME)
        rate = 0; /* the first one, or too long ago */
    else
        rate = rl__min(rate, rl__mul_div(taken, RL_SECOND, span));
    entry->learned.drain = (entry->learned.drain + rate) / 2;
    entry->learned.gap = gap;
    entry->learned.gap_at = sent_at;
}

/* What others have taken while the answer was on its way; of a second at most, as more is no more
 * than a guess. */
static uint64_t taken_since(const struct rl__entry *entry, rl_time sent_at, rl_time now)
{
    if (has_periods(entry) || rl__load(&entry->in_windows) != 0)
        return 0; /* it would be gone for the whole of a window */
    return rl__mul_div(entry->learned.drain, rl__min(rl__sub_sat(now, sent_at), RL_SECOND),
                       RL_SECOND);
}

/* Our books at that request's grant against what the provider saw when it arrived. Of one in a rush
 * nothing is believed but that more is gone than any order of arrivals explains. */
static void follow_remaining(struct rl__entry *entry, const rl_limit_report *report,
                             const struct rl__grant *grant, const struct rl__lesson *lesson,
                             rl_time now)
{
    int64_t level = rl__grant_level(grant, entry);
    int in_rush = rl__grant_in_rush(grant, entry);
    uint64_t cost = lesson->cost.amount[entry->rule.dimension], room;
    int64_t reported;

    entry->learned.most = rl__max(entry->learned.most, rl__add_sat(report->remaining, cost));
    rl__store(&entry->holds, entry->learned.most);
    if (!lesson->traits->continuous && entry->ledger == NULL)
        watch_refill(entry, report, lesson, now);
    watch_others(entry, (int64_t)report->remaining - (level - rl__entry_shift(entry)),
                 lesson->sent_at);
    reported = (int64_t)report->remaining - (int64_t)margin_of(entry, lesson->traits, cost) -
               (int64_t)taken_since(entry, lesson->sent_at, now);

    entry->learned.room = 0;
    forget_owed(entry, now);
    if (in_rush && reported + (int64_t)entry->limit.burst >= level)
        return;
    if (reported < level) {
        lower(entry, (uint64_t)(level - reported), now);
        return;
    }
    room = (uint64_t)(reported - level);
    entry->learned.room = room;
    if (rl__load(&entry->in_windows) != 0)
        room = rl__sub_sat(room, bunching_of(entry, cost));
    repay(entry, &room, now);
    if (is_continuous(entry, lesson->traits) && lesson->sole_model &&
        rl__learn_is_binding(entry, now))
        rl__learn_grow(entry, room, now);
}

/* What was used of a limit before it was known: of the period that is on, and by those under way.
 */
static uint64_t used_before(const struct rl__entry *entry, const rl_limit_report *report,
                            const struct rl__lane *lane, uint64_t cost)
{
    uint64_t under_way = rl__mul_sat(rl__lane_in_flight(lane), cost);

    if ((report->has & RL_HAS_REMAINING) == 0)
        return 0;
    return rl__sub_sat(entry->limit.amount, rl__sub_sat(report->remaining, under_way));
}

#define BEFORE_MOST 16 /* 1/16 of the limit: what else is gone, a window's end gives back */

/* A limiter that was just found starts with what the answer left, for long periods; else nearly
 * empty: the pace alone lets the first ones go. Where no period may hold more, what was used before
 * counts. */
static void start_level(struct rl__entry *entry, const rl_limit_report *report,
                        const struct rl__lane *lane, uint64_t cost, rl_time now)
{
    uint64_t used = used_before(entry, report, lane, cost);
    int64_t level = 1;

    if (entry->period >= RL__LONG_PERIOD && (report->has & RL_HAS_REMAINING) != 0)
        level = (int64_t)rl__sub_sat(report->remaining, rl__lane_in_flight(lane));
    else if (rl__load(&entry->in_windows) != 0)
        level -= (int64_t)rl__min(used, entry->limit.amount / BEFORE_MOST);
    rl_limiter_set_level(&entry->limiter, level, now);
    if (entry->ledger != NULL)
        lower(entry, used, now);
}

/* Where a dialect does not name the period, it was found by arithmetic, which a bucket smaller than
 * the limit misleads towards seconds. None of those who refill continuously reports less than a
 * minute's limit. */
rl_duration rl__learn_window(const rl_limit_report *report, const struct rl__traits *traits)
{
    rl_duration reset = (report->has & RL_HAS_RESET) != 0 ? report->reset_after : 0;
    rl_duration window = (report->has & RL_HAS_WINDOW) != 0 ? report->window : 0;

    if (traits->continuous)
        return rl__max(window, RL_MINUTE);
    if (window != 0)
        return window;
    if (reset <= RL_MINUTE + ROUGHLY)
        return RL_MINUTE;
    return reset <= RL_HOUR + ROUGHLY ? RL_HOUR : RL_DAY;
}

/* What the provider has just let pass proves that its limit is no smaller, whatever it says. Else a
 * number that is wrong once would make every request too large, and nothing would ever be sent that
 * could put it right. */
static uint64_t passed(const rl_limit_report *report, const struct rl__lesson *lesson)
{
    return lesson->passed ? lesson->cost.amount[report->dimension] : 0;
}

/* NULL: there is no room, or no memory. */
static struct rl__entry *make_entry(const struct rl__scope *scope, const rl_limit_report *report,
                                    rl_duration window, const struct rl__lesson *lesson,
                                    rl_time now)
{
    int in_ledger = rl__limit_wants_ledger(lesson->traits, report->dimension, window);
    uint64_t amount = rl__max(report->limit, passed(report, lesson));
    struct rl__rule rule = { .dimension = report->dimension };
    rl_limit limit = in_ledger ? rl__limit_paced(amount, window)
                               : rl__limit_first(lesson->traits, amount, window);
    struct rl__entry *entry;

    if (rl__scope_count(scope) == RL__SCOPE_ENTRIES ||
        rl__entry_new(scope->env, &rule, &limit, RL_SOURCE_ANSWER, now, &entry) != RL_OK)
        return NULL;
    if (in_ledger && rl__entry_open_ledger(scope->env, entry, limit.period) != RL_OK) {
        rl__entry_free(scope->env, entry);
        return NULL;
    }
    entry->period = window;
    entry->in_windows = !lesson->traits->continuous && !in_ledger;
    return entry;
}

/* The entry that a report speaks of; NULL: none, and none was to be made. */
static struct rl__entry *entry_for(struct rl__lane *lane, const rl_limit_report *report,
                                   struct rl__lesson *lesson, int *is_new, rl_time now)
{
    rl_duration window = rl__learn_window(report, lesson->traits);
    struct rl__scope *provider = lane->scope[RL__PROVIDER_SCOPE];
    struct rl__scope *family = lane->scope[RL__FAMILY_SCOPE];
    struct rl__scope *model = lane->scope[RL__MODEL_SCOPE];
    struct rl__scope *inner = model != NULL ? model : provider;
    struct rl__entry *entry = rl__scope_find(inner, report->dimension, window);

    *is_new = 0;
    if (entry == NULL && family != NULL)
        entry = rl__scope_find(family, report->dimension, window);
    if (entry == NULL && lesson->sole_model)
        entry = rl__scope_find(provider, report->dimension, window);
    if (entry != NULL || !lesson->auto_detect || (report->has & RL_HAS_LIMIT) == 0)
        return entry;
    if ((entry = make_entry(inner, report, window, lesson, now)) == NULL)
        return NULL;
    rl__scope_put(inner, entry);
    *is_new = 1;
    lesson->learned++;
    return entry;
}

/* Less than half, all of a sudden: believed when the next report says the same. Until then
 * `remaining`, which cannot be more, holds us back. */
static int is_doubtful(struct rl__entry *entry, const rl_limit_report *report)
{
    uint64_t before = entry->learned.doubted;
    int small = report->limit < entry->learned.reported / 2;

    entry->learned.doubted = small ? report->limit : 0;
    return small && report->limit != before;
}

static void follow_limit(struct rl__entry *entry, const rl_limit_report *report,
                         struct rl__lesson *lesson, rl_time now)
{
    rl_limit limit;

    entry->learned.proven = rl__max(entry->learned.proven, passed(report, lesson));
    if ((report->has & RL_HAS_LIMIT) == 0 || report->limit == 0 || is_doubtful(entry, report) ||
        report->limit == entry->learned.reported)
        return;
    lesson->learned += entry->learned.reported != 0;
    entry->learned.reported = report->limit;
    limit = rl__learn_limit(entry, lesson->traits);
    rl__learn_put(entry, &limit, now);
}

void rl__learn_report(struct rl__lane *lane, const struct rl__grant *grant,
                      const rl_limit_report *report, struct rl__lesson *lesson, rl_time now)
{
    int is_new;
    struct rl__entry *entry;

    if (report->dimension > RL_IMAGES)
        return;
    if ((entry = entry_for(lane, report, lesson, &is_new, now)) == NULL)
        return;
    if (is_new) {
        entry->learned.reported = report->limit;
        entry->learned.proven = passed(report, lesson);
        start_level(entry, report, lane, lesson->cost.amount[report->dimension], now);
        return;
    }
    follow_limit(entry, report, lesson, now);
    if (has_periods(entry) && !still_counts(entry, lesson->sent_at, now))
        return; /* it speaks of a window that is over */
    if ((report->has & RL_HAS_REMAINING) != 0 && rl__grant_level(grant, entry) != RL__NO_SNAPSHOT)
        follow_remaining(entry, report, grant, lesson, now);
}
