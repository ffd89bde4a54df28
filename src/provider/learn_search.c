/* SPDX-License-Identifier: MIT */
/* Owns limits that no answer names and that are searched for by what is refused: when there are
 * any, in which dimensions, and which of them a refusal is about. The arithmetic: scope/search.h.
 */
#include "provider/learn_parts.h"

#include "base/arith.h"

#define MEAN_ONE        256 /* a unit, in rl__lane.mean */
#define MEAN_SHARE      16
#define HINT_OF_MINUTE  (2 * RL_MINUTE) /* who asks for more does not speak of a minute's limit */
#define WINDOW_EPISODES 3  /* refused so often in a row, while 7 s went by: no bucket, a window */
#define LATELY_SHARE    10 /* of the trial: 12 s at least */
#define NEARLY_SHARE    10
#define UNNAMED         (UINT32_C(1) << RL_REQUESTS | UINT32_C(1) << RL_TOKENS)
#define SEARCHED_MASK   ((UINT32_C(1) << RL__SEARCHED) - 1)

static struct rl__scope *inner_scope(const struct rl__lane *lane)
{
    struct rl__scope *model = lane->scope[RL__MODEL_SCOPE];

    return model != NULL ? model : lane->scope[RL__PROVIDER_SCOPE];
}

/* The one for that dimension, idle ones included; NULL: none. */
static struct rl__entry *searched_for(const struct rl__scope *scope, uint32_t dimension)
{
    for (size_t i = 0; i < rl__scope_count(scope); i++)
        if (scope->entry[i]->is_searched && scope->entry[i]->rule.dimension == dimension)
            return scope->entry[i];
    return NULL;
}

static int is_active(const struct rl__entry *entry)
{
    return entry != NULL && rl__load(&entry->is_idle) == 0;
}

/* Those that hold back a lane. Requests without a model begin theirs in the provider's scope, which
 * those with one pass, too. */
struct active {
    size_t count;
    struct rl__entry *of[RL__LANE_SCOPES * RL__SEARCHED];
};

static int in_mask(uint32_t mask, uint32_t dimension)
{
    return (mask >> dimension & 1) != 0;
}

static struct active active_in(const struct rl__lane *lane, uint32_t mask)
{
    struct active active = { 0 };

    for (size_t s = RL__PROVIDER_SCOPE; s < RL__LANE_SCOPES; s++)
        for (uint32_t d = 0; lane->scope[s] != NULL && d < RL__SEARCHED; d++) {
            struct rl__entry *entry = searched_for(lane->scope[s], d);

            if (in_mask(mask, d) && is_active(entry))
                active.of[active.count++] = entry;
        }
    return active;
}

/* What passes in this lane is all that passes there. */
static int is_own(const struct rl__lane *lane, const struct rl__entry *entry)
{
    return searched_for(inner_scope(lane), entry->rule.dimension) == entry;
}

/* ---- whether there are any ---- */

struct known {
    int taught, named;
};

/* What an answer has reported, and what anybody has named, of minutes and shorter. */
static struct known what_is_known(const struct rl__lane *lane)
{
    struct known known = { 0, 0 };

    for (size_t s = RL__PROVIDER_SCOPE; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; lane->scope[s] != NULL && i < rl__scope_count(lane->scope[s]); i++) {
            const struct rl__entry *entry = lane->scope[s]->entry[i];

            if (entry->is_searched || !rl__entry_paces(entry) || entry->period >= RL__LONG_PERIOD)
                continue;
            known.named = 1;
            known.taught |= entry->learned.reported != 0;
        }
    return known;
}

static int is_wanted(const struct rl__lane *lane, const struct rl__searching *searching,
                     int auto_detect)
{
    struct known known = what_is_known(lane);

    if (searching == NULL || !searching->enabled || known.taught)
        return 0;
    return searching->given || (auto_detect && !known.named);
}

/* ---- putting a rate in force ---- */

static void put_rate(struct rl__entry *entry, rl_time now)
{
    rl_limit limit = entry->limit;

    limit.amount = (entry->search.rate + RL__SEARCH_UNIT - 1) / RL__SEARCH_UNIT;
    limit.period = rl__mul_div_up(limit.amount * RL__SEARCH_UNIT, RL_MINUTE, entry->search.rate);
    limit.burst = rl__min(rl__learn_small_burst_of(entry, &limit), limit.amount);
    rl__learn_put(entry, &limit, now);
}

static void let_go(const struct rl__lane *lane, rl_time now)
{
    struct active active = active_in(lane, SEARCHED_MASK);

    for (size_t i = 0; i < active.count; i++) {
        active.of[i]->search = (struct rl__search){ .rate = RL__SEARCH_MAX };
        put_rate(active.of[i], now);
        rl__store(&active.of[i]->is_idle, 1);
    }
}

void rl__search_review(struct rl__lane *lane, const struct rl__searching *searching,
                       int auto_detect, rl_time now)
{
    if (!is_wanted(lane, searching, auto_detect))
        let_go(lane, now);
}

/* A cap that the user named for this dimension, of a minute or less. */
static uint64_t cap_of(const struct rl__lane *lane, uint32_t dimension)
{
    uint64_t cap = RL__SEARCH_MAX;

    for (size_t s = RL__PROVIDER_SCOPE; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; lane->scope[s] != NULL && i < rl__scope_count(lane->scope[s]); i++) {
            const struct rl__entry *entry = lane->scope[s]->entry[i];

            if (entry->rule.dimension != dimension || entry->configured == RL_NEVER ||
                !rl__entry_paces(entry) || entry->period > RL_MINUTE)
                continue;
            cap = rl__min(cap, rl__mul_div(rl__mul_sat(entry->configured, RL__SEARCH_UNIT),
                                           RL_MINUTE, entry->period));
        }
    return cap;
}

static struct rl__search_rules rules_of(const struct rl__lane *lane,
                                        const struct rl__searching *searching, uint32_t dimension)
{
    uint64_t floor = dimension == RL_REQUESTS ? searching->minimum_rpm : searching->minimum_tpm;

    return (struct rl__search_rules){ .factor = searching->factor,
                                      .floor = floor * RL__SEARCH_UNIT,
                                      .cap = cap_of(lane, dimension) };
}

/* One that is there already starts anew. Requests larger than a minute's worth may pass alone: no
 * answer could correct it if none ever did. */
static rl_status begin(struct rl__lane *lane, const struct rl__searching *searching,
                       uint32_t dimension, uint64_t rate, uint64_t requests, rl_time now)
{
    struct rl__search_rules rules = rules_of(lane, searching, dimension);
    struct rl__rule rule = { .dimension = dimension, .borrow = 1 };
    struct rl__entry *entry = searched_for(inner_scope(lane), dimension);
    rl_limit limit = RL_LIMIT_INIT;
    rl_status st;

    limit.amount = limit.burst = 1;
    limit.period = RL_MINUTE;
    limit.oversize = RL_OVERSIZE_BORROW;
    if (entry == NULL && (st = rl__scope_add(inner_scope(lane), &rule, &limit, RL_SOURCE_ADAPTIVE,
                                             now, &entry)) != RL_OK)
        return st;
    rl__search_start(&entry->search, &rules, rate, requests, now);
    put_rate(entry, now);
    rl__store(&entry->is_idle, 0);
    return RL_OK;
}

rl_status rl__search_initial(struct rl__lane *lane, const struct rl__searching *searching,
                             rl_time now)
{
    const uint64_t initial[] = { searching->initial_rpm, searching->initial_tpm };
    rl_status st = RL_OK;

    if (!searching->enabled || what_is_known(lane).taught)
        return RL_OK;
    for (uint32_t d = RL_REQUESTS; d <= RL_TOKENS && st == RL_OK; d++)
        if (initial[d] != 0 && searched_for(inner_scope(lane), d) == NULL)
            st = begin(lane, searching, d, initial[d] * RL__SEARCH_UNIT,
                       searching->initial_rpm * RL__SEARCH_UNIT, now);
    return st;
}

/* ---- what passes ---- */

static uint64_t passed(const struct rl__lane *lane)
{
    return rl__sub_sat(rl__load(&lane->granted), lane->refused);
}

/* In the last minute, and the one that is refused now; but not before a window that was used up had
 * moved on: a minute would see two of them. */
static uint64_t requests_of(const struct rl__lane *lane, rl_time now)
{
    uint64_t requests = rl__meter_minute(&lane->meter, passed(lane), now);
    uint64_t since = rl__sub_sat(passed(lane), lane->reopened) * RL__SEARCH_UNIT;

    if (lane->reopened_at != 0 && rl__sub_sat(now, lane->reopened_at) < RL_MINUTE)
        requests = rl__min(requests, since);
    return requests == 0 ? 0 : rl__add_sat(requests, RL__SEARCH_UNIT);
}

static void note_reopening(struct rl__lane *lane, const struct rl__lesson *lesson, rl_time now)
{
    if (lesson->sent_at <= lane->blocked_at)
        return;
    if (lane->blocked >= WINDOW_EPISODES) {
        lane->reopened_at = now;
        lane->reopened = rl__sub_sat(passed(lane), 1);
    }
    lane->blocked = 0;
}

static void note_refusal(struct rl__lane *lane, const struct rl__lesson *lesson, rl_time now)
{
    lane->refused++;
    rl__meter_note(&lane->meter, passed(lane), now);
    if (lesson->sent_at <= lane->blocked_at)
        return;
    lane->blocked++;
    lane->blocked_at = now;
}

static void follow_mean(uint64_t *mean, uint64_t units)
{
    uint64_t own = rl__min(units, RL_AMOUNT_MAX / MEAN_ONE) * MEAN_ONE;

    if (*mean == 0)
        *mean = own;
    else
        *mean = (*mean * (MEAN_SHARE - 1) + own) / MEAN_SHARE;
}

static void follow_costs(struct rl__lane *lane, const rl_answer *answer,
                         const struct rl__lesson *lesson)
{
    struct rl__cost used;

    rl__charge_used(lesson->traits, &lesson->cost, &answer->usage, &used);
    for (size_t d = 0; d < RL__SEARCHED; d++)
        follow_mean(&lane->mean[d], used.amount[d]);
}

static int held_back(const struct rl__entry *entry, rl_time now)
{
    rl_time at = rl__load(&entry->bound_at);

    return at != 0 && rl__sub_sat(now, at) <= rl__search_lately(&entry->search);
}

static int any_held_back(const struct rl__lane *lane, rl_time now)
{
    struct active active = active_in(lane, SEARCHED_MASK);

    for (size_t i = 0; i < active.count; i++)
        if (held_back(active.of[i], now))
            return 1;
    return 0;
}

/* Where each request costs the same, two limits lie so near each other that one hides the other:
 * both bind if what passes comes to nearly as much. Else they would grow by turns, and each at half
 * the speed. */
static int is_bound(const struct rl__lane *lane, const struct rl__entry *entry, rl_time now)
{
    rl_duration span = rl__min(entry->search.trial / LATELY_SHARE, RL_MINUTE);
    uint64_t rate;

    if (held_back(entry, now))
        return 1;
    if (!any_held_back(lane, now))
        return 0;
    rate = rl__mul_div(rl__meter_lately(&lane->meter, passed(lane), span, now),
                       lane->mean[entry->rule.dimension], MEAN_ONE);
    return rate >= entry->search.rate - entry->search.rate / NEARLY_SHARE;
}

static void grow(struct rl__lane *lane, const struct rl__lesson *lesson, struct rl__entry *entry,
                 rl_time now)
{
    struct rl__search_rules rules = rules_of(lane, lesson->searching, entry->rule.dimension);
    enum rl__search_step step = rl__search_bound(&entry->search, &rules);

    if (rl__search_passed(&entry->search, &rules, lesson->sent_at, is_bound(lane, entry, now),
                          now) != RL__SEARCH_STAYS)
        step = RL__SEARCH_GROWN;
    if (step != RL__SEARCH_STAYS)
        put_rate(entry, now);
}

void rl__search_answer(struct rl__lane *lane, const rl_answer *answer,
                       const struct rl__lesson *lesson, rl_time now)
{
    struct active active = active_in(lane, SEARCHED_MASK);

    rl__meter_note(&lane->meter, passed(lane), now);
    if (active.count > 0 && !is_wanted(lane, lesson->searching, lesson->auto_detect))
        let_go(lane, now);
    if (answer->outcome != RL_OUTCOME_OK)
        return;
    note_reopening(lane, lesson, now);
    follow_costs(lane, answer, lesson);
    for (size_t i = 0; i < active.count; i++)
        if (is_active(active.of[i]))
            grow(lane, lesson, active.of[i], now);
}

/* ---- what is refused ---- */

rl_duration rl__search_pause_of(const struct rl__lane *lane)
{
    struct active active = active_in(lane, SEARCHED_MASK);
    rl_duration pause = 0;

    for (size_t i = 0; i < active.count; i++)
        pause = rl__max(pause, rl__search_pause(&active.of[i]->search));
    return pause;
}

/* What it may be about; 0: no minute's limit. */
static uint32_t mask_of(const rl_answer *answer)
{
    if (answer->limited_window > RL_MINUTE || answer->concurrency != 0 ||
        (answer->retry_after != RL_NEVER && answer->retry_after > HINT_OF_MINUTE))
        return 0;
    return answer->limited_mask == 0 ? UNNAMED : answer->limited_mask & SEARCHED_MASK;
}

/* In the first minute nobody can tell a bucket from a window; unless even one at a time is too
 * many, it is enough that fewer are in flight then. */
static int is_too_early(const struct rl__lane *lane, rl_time now)
{
    uint64_t window = rl__load(&lane->probe_window);

    return rl__meter_is_young(&lane->meter, now) && window > 1 && window != RL_NEVER;
}

static struct rl__search_refusal refusal_of(const struct rl__lane *lane,
                                            const struct rl__lesson *lesson, uint32_t dimension,
                                            rl_time now)
{
    struct rl__search_refusal refusal = { .sent_at = lesson->sent_at };

    refusal.requests = requests_of(lane, now);
    refusal.measured = rl__mul_div(refusal.requests, lane->mean[dimension], MEAN_ONE);
    return refusal;
}

static void cut(struct rl__lane *lane, const struct rl__lesson *lesson, struct rl__entry *entry,
                int bound, rl_time now)
{
    struct rl__search_rules rules = rules_of(lane, lesson->searching, entry->rule.dimension);
    struct rl__search_refusal refusal = refusal_of(lane, lesson, entry->rule.dimension, now);

    refusal.bound = bound;
    if (!is_own(lane, entry))
        refusal.measured = RL__SEARCH_MAX; /* others pass there, too */
    (void)rl__search_refused(&entry->search, &rules, &refusal, now);
    put_rate(entry, now);
}

/* If nothing has passed, or there is no room for it, it is as if nobody searched. */
static void begin_below(struct rl__lane *lane, const struct rl__lesson *lesson, uint32_t dimension,
                        rl_time now)
{
    struct rl__search_rules rules = rules_of(lane, lesson->searching, dimension);
    struct rl__search_refusal refusal = refusal_of(lane, lesson, dimension, now);
    struct rl__entry *entry;

    if (refusal.measured == 0 || is_too_early(lane, now) ||
        begin(lane, lesson->searching, dimension, refusal.measured, refusal.requests, now) != RL_OK)
        return;
    entry = searched_for(inner_scope(lane), dimension);
    refusal.bound = refusal.first = 1;
    (void)rl__search_refused(&entry->search, &rules, &refusal, now);
    put_rate(entry, now);
}

/* Those that held somebody back explain a refusal. Without any, all that are there may; and it may
 * be about what nobody has searched for yet. */
static void cut_or_begin(struct rl__lane *lane, const struct rl__lesson *lesson, uint32_t mask,
                         rl_time now)
{
    struct active active = active_in(lane, mask);
    int bound[RL__LANE_SCOPES * RL__SEARCHED], any = 0;

    for (size_t i = 0; i < active.count; i++)
        any |= bound[i] = is_bound(lane, active.of[i], now);
    for (size_t i = 0; i < active.count; i++) {
        mask &= ~(UINT32_C(1) << active.of[i]->rule.dimension);
        if (bound[i] || !any)
            cut(lane, lesson, active.of[i], bound[i], now);
    }
    for (uint32_t d = 0; d < RL__SEARCHED; d++)
        if (in_mask(mask, d) && !any)
            begin_below(lane, lesson, d, now);
}

void rl__search_refusal(struct rl__lane *lane, const rl_answer *answer, struct rl__lesson *lesson,
                        rl_time now)
{
    uint32_t mask = mask_of(answer);

    note_refusal(lane, lesson, now);
    if (!is_wanted(lane, lesson->searching, lesson->auto_detect)) {
        let_go(lane, now);
        return;
    }
    lesson->is_searched = mask != 0;
    cut_or_begin(lane, lesson, mask, now);
}
