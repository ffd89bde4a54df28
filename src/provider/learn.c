/* SPDX-License-Identifier: MIT */
/* Owns how answers move limiters. See learn.h for the ideas. */
#include "provider/learn.h"

#include "base/arith.h"

#define MARGIN_TIME    (50 * RL_MILLISECOND) /* arrivals may bunch by this much on their way */
#define MARGIN_SHARE   16                    /* of the most that was ever reported: 1/16 */
#define LONG_PERIOD    RL_HOUR         /* from here on a whole period's worth may go at once */
#define TRIAL_TIME     (2 * RL_SECOND) /* holds one whole second, wherever it starts */
#define TRIAL_SHARE    10              /* of the rate: 1/10 */
#define WATCH_TIME     (500 * RL_MILLISECOND) /* between two looks at what others take */
#define NO_GROWTH_TIME RL_MINUTE              /* after a first refusal; doubles */
#define PACE_WHOLE     1000000
#define PACE_FLOOR     800000
#define PACE_RECOVERED 995000
#define PACE_STEP      UINT64_C(1000)
#define PACE_DOUBLINGS 5

#define INPUT_RATIO_ONE 1024
#define INPUT_RATIO_MAX (8 * INPUT_RATIO_ONE)

/* ---- the limit in force ---- */

/* Where nobody has documented a continuous refill, "N per T" is read as a window: no T, wherever it
 * starts, holds more than N. A bucket keeps that if its burst and what it refills in T are N
 * together. */
static void fit_window(rl_limit *limit)
{
    uint64_t spare = limit->burst - 1;

    if (limit->amount > 2 * spare)
        limit->amount -= spare;
}

rl_limit rl__limit_first(const struct rl__traits *traits, uint64_t amount, rl_duration period)
{
    rl_limit limit = RL_LIMIT_INIT;

    limit.amount = rl__min(amount, RL_AMOUNT_MAX);
    limit.period = period;
    limit.oversize = RL_OVERSIZE_BORROW;
    limit.burst = rl__small_burst(limit.amount, period);
    if (period >= LONG_PERIOD)
        limit.burst = traits->continuous ? limit.amount : limit.amount / 2 + 1;
    if (!traits->continuous && limit.amount > 0)
        fit_window(&limit);
    return limit;
}

/* What goes at once while nothing is proven: 50 ms of the rate; of tokens room for some requests
 * like those that were seen, or what comes back when they are settled would find no place. Where a
 * request is a large part of the limit, few are under way, and it pays afterwards. */
static uint64_t small_burst(const struct rl__entry *entry)
{
    uint64_t small = rl__small_burst(entry->limit.amount, entry->limit.period);

    if (entry->dimension == RL_REQUESTS || entry->learned.largest > entry->limit.amount / 32)
        return small;
    return rl__max(small, 4 * entry->learned.largest);
}

/* What a reported or configured number comes to, for an entry in its present state. */
static rl_limit limit_for(const struct rl__entry *entry, const struct rl__traits *traits)
{
    uint64_t reported = rl__max(entry->learned.reported, entry->learned.proven);
    uint64_t amount =
        rl__min(entry->configured, entry->learned.reported != 0 ? reported : RL_NEVER);
    rl_limit limit = rl__limit_first(traits, amount, entry->period);

    /* A share of a small number would round to nothing much: the period grows instead. */
    limit.period = rl__mul_div_up(entry->period, PACE_WHOLE, entry->learned.pace);
    /* A burst that has grown stays; it never exceeds the whole limit. */
    limit.burst = rl__min(rl__max(rl__max(limit.burst, small_burst(entry)), entry->limit.burst),
                          rl__max(amount, 1));
    return limit;
}

static int64_t at_most(int64_t level, uint64_t most)
{
    return level < (int64_t)most ? level : (int64_t)most;
}

static int same_limit(const rl_limit *a, const rl_limit *b)
{
    return a->amount == b->amount && a->burst == b->burst && a->period == b->period;
}

static void put_in_force(struct rl__entry *entry, const rl_limit *limit, rl_time now)
{
    rl_level before, after;

    if (same_limit(limit, &entry->limit))
        return;
    rl_limiter_snapshot(&entry->limiter, now, &before);
    if (rl_limiter_change(&entry->limiter, limit, now) != RL_OK)
        return;
    /* What was used stays used. But a burst that is taken back was trust, not quota: giving it up
     * is no debt. */
    if (limit->burst < entry->limit.burst && entry->period < LONG_PERIOD)
        rl_limiter_set_level(&entry->limiter, at_most(before.remaining, limit->burst), now);
    rl_limiter_snapshot(&entry->limiter, now, &after);
    rl__fetch_add(&entry->shift, (uint64_t)(after.remaining - before.remaining));
    entry->limit = *limit;
}

/* ---- following reports ---- */

/* How much less than reported we count on: what arrivals may bunch by on the way, and four requests
 * that may have overtaken this one; but a small share of the most that was ever there, or a small
 * bucket would never count as full. */
static uint64_t margin_of(const struct rl__entry *entry, const struct rl__traits *traits,
                          uint64_t cost)
{
    uint64_t margin = rl__mul_div_up(entry->limit.amount, MARGIN_TIME, entry->limit.period);

    margin = rl__add_sat(margin, rl__mul_sat(4, cost));
    if (entry->dimension != RL_REQUESTS && traits->step > 1)
        margin = rl__add_sat(margin, traits->step);
    return rl__min(margin, entry->learned.most / MARGIN_SHARE);
}

static rl_duration interval_of(const struct rl__entry *entry)
{
    return rl__mul_div_up(1, entry->limit.period, rl__max(entry->limit.amount, 1));
}

/* The time that counts since the burst last grew: what passed unseen proves nothing. */
static rl_duration growing_step(struct rl__entry *entry, rl_time now)
{
    rl_duration longest = rl__max(RL_SECOND, rl__mul_sat(2, interval_of(entry)));
    rl_duration step;

    if (entry->learned.growing_since == 0)
        entry->learned.growing_since = entry->learned.grown_at = now;
    step = rl__sub_sat(now, entry->learned.grown_at);
    if (step <= longest)
        return step;
    entry->learned.growing_since += step - longest;
    entry->learned.grown_at = now - longest;
    return longest;
}

/* How far the burst may grow by now: a tenth of the rate while it is on trial, and at least one
 * unit; then it doubles twice a second where reports prove the room, and grows by a quarter a
 * second where they do not. */
static uint64_t growth_allowed(struct rl__entry *entry, int proven, rl_time now)
{
    uint64_t rate = rl__mul_div(entry->limit.amount, RL_SECOND, entry->limit.period);
    rl_duration trial = rl__max(TRIAL_TIME, rl__mul_sat(2, interval_of(entry))), step;
    uint64_t growth;

    if (now < entry->learned.grow_not_before)
        return 0;
    step = growing_step(entry, now);
    if (rl__sub_sat(now, entry->learned.growing_since) < trial)
        growth = rl__max(rl__mul_div(rate, step, TRIAL_SHARE * RL_SECOND), step >= trial / 2);
    else
        growth = rl__mul_div(entry->limit.burst, (proven ? 28 : 5) * step, 20 * RL_SECOND);
    if (growth > 0)
        entry->learned.grown_at = now;
    return growth;
}

/* `room` is what reports prove; RL_NEVER: there are none, only the documents say that there is
 * some. */
static void grow(struct rl__entry *entry, uint64_t room, rl_time now)
{
    rl_limit limit = entry->limit;
    uint64_t reported = entry->learned.reported != 0 ? entry->learned.reported : RL_NEVER;
    uint64_t growth = rl__min(room, growth_allowed(entry, room != RL_NEVER, now));

    limit.burst =
        rl__min(rl__add_sat(limit.burst, growth), rl__max(rl__min(entry->configured, reported), 1));
    if (limit.burst > entry->limit.burst)
        put_in_force(entry, &limit, now);
}

/* The limit binds if next to nothing is left. */
static int is_binding(const struct rl__entry *entry, rl_time now)
{
    rl_level level;

    rl_limiter_snapshot(&entry->limiter, now, &level);
    return level.remaining <= (int64_t)rl__max(small_burst(entry), entry->limit.burst / 16);
}

static void lower(struct rl__entry *entry, uint64_t missing, rl_time now)
{
    rl__entry_correct(entry, -(int64_t)missing, now);
    entry->learned.owed = rl__add_sat(entry->learned.owed, missing);
}

static void repay(struct rl__entry *entry, uint64_t *room, rl_time now)
{
    uint64_t back = rl__min(*room, entry->learned.owed);

    if (back == 0)
        return;
    rl__entry_correct(entry, (int64_t)back, now);
    entry->learned.owed -= back;
    *room -= back;
}

static int is_continuous(const struct rl__entry *entry, const struct rl__traits *traits)
{
    return traits->continuous || entry->learned.refills;
}

/* Where nobody has documented how a limit refills, the reports show it: in a fixed window each
 * request leaves less, in a bucket what was used is back soon. Looked at over twenty reports and a
 * second at least. */
static void watch_refill(struct rl__entry *entry, const rl_limit_report *report,
                         const struct rl__lesson *lesson, rl_time now)
{
    uint64_t cost = lesson->cost.amount[entry->dimension], gone;

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
    entry->learned.refills = gone < entry->learned.watched_cost / 2;
    entry->learned.watched = 0;
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
    return rl__mul_div(entry->learned.drain, rl__min(rl__sub_sat(now, sent_at), RL_SECOND),
                       RL_SECOND);
}

/* Our books at that request's grant against what the provider saw when it arrived. */
static void follow_remaining(struct rl__entry *entry, const rl_limit_report *report, int64_t level,
                             const struct rl__lesson *lesson, rl_time now)
{
    uint64_t cost = lesson->cost.amount[entry->dimension], room;
    int64_t reported;

    entry->learned.most = rl__max(entry->learned.most, rl__add_sat(report->remaining, cost));
    if (!lesson->traits->continuous)
        watch_refill(entry, report, lesson, now);
    watch_others(entry, (int64_t)report->remaining - (level - rl__entry_shift(entry)),
                 lesson->sent_at);
    reported = (int64_t)report->remaining - (int64_t)margin_of(entry, lesson->traits, cost) -
               (int64_t)taken_since(entry, lesson->sent_at, now);

    entry->learned.room = 0;
    if (reported < level) {
        lower(entry, (uint64_t)(level - reported), now);
        return;
    }
    room = (uint64_t)(reported - level);
    entry->learned.room = room;
    repay(entry, &room, now);
    if (is_continuous(entry, lesson->traits) && lesson->sole_model && is_binding(entry, now))
        grow(entry, room, now);
}

/* A limiter that was just found starts with what the answer left, for long periods; else nearly
 * empty: the pace alone lets the first ones go. */
static void start_level(struct rl__entry *entry, const rl_limit_report *report,
                        const struct rl__lane *lane, rl_time now)
{
    int64_t level = 1;

    if (entry->period >= LONG_PERIOD && (report->has & RL_HAS_REMAINING) != 0)
        level = (int64_t)rl__sub_sat(report->remaining, rl__load(&lane->in_flight));
    rl_limiter_set_level(&entry->limiter, level, now);
}

/* Where a dialect does not name the period, it was found by arithmetic, which a bucket smaller than
 * the limit misleads towards seconds. None of those who refill continuously reports less than a
 * minute's limit. */
static rl_duration window_of(const rl_limit_report *report, const struct rl__traits *traits)
{
    rl_duration reset = (report->has & RL_HAS_RESET) != 0 ? report->reset_after : 0;
    rl_duration window = (report->has & RL_HAS_WINDOW) != 0 ? report->window : 0;

    if (traits->continuous)
        return rl__max(window, RL_MINUTE);
    if (window != 0)
        return window;
    if (reset <= RL_MINUTE)
        return RL_MINUTE;
    return reset <= RL_HOUR ? RL_HOUR : RL_DAY;
}

/* What the provider has just let pass proves that its limit is no smaller, whatever it says. Else a
 * number that is wrong once would make every request too large, and nothing would ever be sent that
 * could put it right. */
static uint64_t passed(const rl_limit_report *report, const struct rl__lesson *lesson)
{
    return lesson->passed ? lesson->cost.amount[report->dimension] : 0;
}

/* The entry that a report speaks of; NULL: none, and none was to be made. */
static struct rl__entry *entry_for(struct rl__lane *lane, const rl_limit_report *report,
                                   struct rl__lesson *lesson, int *is_new, rl_time now)
{
    rl_duration window = window_of(report, lesson->traits);
    struct rl__scope *inner = lane->scope[2] != NULL ? lane->scope[2] : lane->scope[1];
    struct rl__entry *entry = rl__scope_find(inner, report->dimension, window);
    rl_limit limit;

    *is_new = 0;
    if (entry == NULL && lesson->sole_model)
        entry = rl__scope_find(lane->scope[1], report->dimension, window);
    if (entry != NULL || !lesson->auto_detect || (report->has & RL_HAS_LIMIT) == 0)
        return entry;
    limit = rl__limit_first(lesson->traits, rl__max(report->limit, passed(report, lesson)), window);
    if (rl__scope_add(inner, report->dimension, &limit, RL_SOURCE_ANSWER, now, &entry) != RL_OK)
        return NULL;
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
    limit = limit_for(entry, lesson->traits);
    put_in_force(entry, &limit, now);
}

static void follow_report(struct rl__lane *lane, const struct rl__grant *grant,
                          const rl_limit_report *report, struct rl__lesson *lesson, rl_time now)
{
    int is_new;
    struct rl__entry *entry;
    int64_t level;

    if (report->dimension >= RL__COSTS)
        return;
    if ((entry = entry_for(lane, report, lesson, &is_new, now)) == NULL)
        return;
    if (is_new) {
        entry->learned.reported = report->limit;
        entry->learned.proven = passed(report, lesson);
        start_level(entry, report, lane, now);
        return;
    }
    follow_limit(entry, report, lesson, now);
    level = rl__grant_level(grant, entry);
    if ((report->has & RL_HAS_REMAINING) != 0 && level != RL__NO_SNAPSHOT)
        follow_remaining(entry, report, level, lesson, now);
}

/* ---- the window of those in flight while nothing is known ---- */

static int anything_known(const struct rl__lane *lane)
{
    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        if (lane->scope[s] != NULL)
            for (size_t i = 0; i < rl__scope_count(lane->scope[s]); i++)
                if (lane->scope[s]->entry[i].period < LONG_PERIOD)
                    return 1;
    return 0;
}

static void widen_probe(struct rl__lane *lane)
{
    uint64_t window = rl__load(&lane->probe_window);

    if (window == RL_NEVER)
        return;
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

    if (window == RL_NEVER || (lane->probe_cut_at != 0 && sent_at <= lane->probe_cut_at))
        return;
    rl__store(&lane->probe_window, rl__max(window / 2, 1));
    lane->probe_cut_at = now;
    lane->probe_credit = 0;
}

/* ---- refusals ---- */

static int report_says_empty(const rl_answer *answer, const struct rl__entry *entry,
                             const struct rl__traits *traits)
{
    for (uint32_t i = 0; i < answer->report_count; i++) {
        const rl_limit_report *report = &answer->report[i];

        if (report->dimension == entry->dimension && window_of(report, traits) == entry->period &&
            (report->has & RL_HAS_REMAINING) != 0 && report->remaining == 0)
            return 1;
    }
    return 0;
}

/* Whether the refusal speaks of this limiter: by name, else by an empty report, else every short
 * one is suspect. */
static int was_hit(const rl_answer *answer, const struct rl__entry *entry,
                   const struct rl__traits *traits)
{
    rl_duration window = answer->limited_window;

    if (window != 0 && traits->continuous)
        window = rl__max(window, RL_MINUTE); /* as in window_of() */
    if (window != 0 && window != entry->period)
        return 0;
    if (answer->limited_mask != 0)
        return (answer->limited_mask >> entry->dimension & 1) != 0;
    return report_says_empty(answer, entry, traits) || entry->period < LONG_PERIOD;
}

static void lower_to(struct rl__entry *entry, uint64_t level, rl_time opens, rl_time now)
{
    rl_level before, then, after;

    rl_limiter_snapshot(&entry->limiter, opens, &then);
    if (then.remaining <= (int64_t)level)
        return;
    rl_limiter_snapshot(&entry->limiter, now, &before);
    rl_limiter_set_level(&entry->limiter, (int64_t)rl__min(level, entry->limit.burst), opens);
    rl_limiter_snapshot(&entry->limiter, now, &after);
    rl__fetch_add(&entry->shift, (uint64_t)(after.remaining - before.remaining));
}

static void cut(struct rl__entry *entry, const struct rl__lesson *lesson, rl_time now)
{
    rl_limit limit;

    if (entry->learned.cut_at != 0 && lesson->sent_at <= entry->learned.cut_at)
        return; /* sent before we knew: the same episode */
    entry->learned.cut_at = now;
    entry->learned.grow_not_before =
        rl__add_sat(now, NO_GROWTH_TIME << rl__min(entry->learned.cuts, 6));
    entry->learned.growing_since = 0;
    entry->learned.cuts++;
    entry->learned.pace = rl__max(entry->learned.pace * 99 / 100, PACE_FLOOR);
    limit = limit_for(entry, lesson->traits);
    if (entry->period < LONG_PERIOD)
        limit.burst = small_burst(entry);
    put_in_force(entry, &limit, now);
}

/* A share that was given up comes back, and not quite: a thousandth after the first minute without
 * a cut, then twice as much each minute. */
static void recover_pace(struct rl__entry *entry, const struct rl__lesson *lesson, rl_time now)
{
    uint64_t minutes = rl__sub_sat(now, entry->learned.cut_at) / RL_MINUTE;
    rl_limit limit;

    if (entry->learned.pace >= PACE_RECOVERED || minutes == 0 ||
        rl__sub_sat(now, entry->learned.recovered_at) < RL_MINUTE)
        return;
    entry->learned.pace = rl__min(
        entry->learned.pace + (PACE_STEP << rl__min(minutes - 1, PACE_DOUBLINGS)), PACE_RECOVERED);
    entry->learned.recovered_at = now;
    limit = limit_for(entry, lesson->traits);
    put_in_force(entry, &limit, now);
}

/* Limits that no answer ever mentions, of providers that are documented to keep a whole period's
 * worth. */
static void grow_unreported(struct rl__scope *scope, rl_time now)
{
    for (size_t i = 0; scope != NULL && i < rl__scope_count(scope); i++) {
        struct rl__entry *entry = &scope->entry[i];

        if (entry->learned.most == 0 && entry->period < LONG_PERIOD && is_binding(entry, now))
            grow(entry, RL_NEVER, now);
    }
}

/* A limit on tokens makes room for requests as large as this one: filled if a report proves it,
 * else only what comes back may fill it. */
static void make_room(struct rl__scope *scope, const struct rl__lesson *lesson, rl_time now)
{
    for (size_t i = 0; scope != NULL && i < rl__scope_count(scope); i++) {
        struct rl__entry *entry = &scope->entry[i];
        uint64_t cost = lesson->cost.amount[entry->dimension];
        rl_limit limit = entry->limit;
        rl_level before, after;

        if (entry->dimension == RL_REQUESTS || entry->period >= LONG_PERIOD ||
            cost <= entry->learned.largest)
            continue;
        entry->learned.largest = cost;
        limit.burst = rl__max(limit.burst, small_burst(entry));
        rl_limiter_snapshot(&entry->limiter, now, &before);
        put_in_force(entry, &limit, now);
        rl_limiter_snapshot(&entry->limiter, now, &after);
        if (after.remaining - before.remaining > (int64_t)entry->learned.room)
            rl__entry_correct(entry, before.remaining - after.remaining, now);
    }
}

/* ---- the doors ---- */

void rl__learn_answer(struct rl__lane *lane, const struct rl__grant *grant, const rl_answer *answer,
                      struct rl__lesson *lesson, rl_time now)
{
    lesson->passed = answer->outcome == RL_OUTCOME_OK;
    for (uint32_t i = 0; i < answer->report_count; i++)
        follow_report(lane, grant, &answer->report[i], lesson, now);
    for (size_t s = 1; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; lane->scope[s] != NULL && i < rl__scope_count(lane->scope[s]); i++)
            recover_pace(&lane->scope[s]->entry[i], lesson, now);
    if (answer->outcome != RL_OUTCOME_OK)
        return;
    widen_probe(lane);
    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        make_room(lane->scope[s], lesson, now);
    if (lesson->traits->continuous && lesson->sole_model)
        grow_unreported(lane->scope[1], now);
    if (lesson->traits->continuous)
        grow_unreported(lane->scope[2], now);
}

void rl__learn_refusal(struct rl__lane *lane, const struct rl__grant *grant,
                       const rl_answer *answer, struct rl__lesson *lesson, rl_time opens,
                       rl_time now)
{
    for (uint32_t i = 0; i < answer->report_count; i++)
        follow_report(lane, grant, &answer->report[i], lesson, now);
    for (size_t s = 1; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; lane->scope[s] != NULL && i < rl__scope_count(lane->scope[s]); i++) {
            struct rl__entry *entry = &lane->scope[s]->entry[i];

            if (!was_hit(answer, entry, lesson->traits))
                continue;
            cut(entry, lesson, now);
            lower_to(entry, lesson->cost.amount[entry->dimension], opens, now);
        }
    narrow_probe(lane, lesson->sent_at, now);
}

void rl__learn_input(struct rl__lane *lane, const struct rl__grant *grant, uint64_t actual)
{
    uint64_t ratio = rl__load(&lane->input_ratio), seen;

    if (grant->input == 0 || actual == 0 || actual > RL__USAGE_MAX)
        return;
    /* Against the ratio that this very request was reserved with: others are under way with older
     * ones. Up at once, as too little means a refusal; down slowly. */
    seen = rl__mul_div_up(rl__max(grant->input_ratio, INPUT_RATIO_ONE), actual, grant->input);
    seen = rl__min(rl__max(seen, INPUT_RATIO_ONE), INPUT_RATIO_MAX);
    ratio = seen > ratio ? seen : ratio - (ratio - seen) / 64;
    rl__store(&lane->input_ratio, ratio);
}
