/* SPDX-License-Identifier: MIT */
/*
 * "sliding_window": a log of what was taken, each entry with the moment at which its units are
 * back.
 *
 * Bound: in any window of length T = period, half-open, at most `amount`.
 *
 * Words: how many entries there are, then pairs of end and units, the earliest end first. When
 * there is no place for another, the two neighbours become one for which that costs least (the
 * earlier one's units, times what it must wait longer), with the later end: so the log holds no
 * less than the exact one at any moment, and the bound stands. Units of one moment share an entry.
 *
 * The clock may step back: a new entry ends no earlier than the last. What is settled goes
 * from the entry that it was taken in; what is given back, from the earliest: whichever units they
 * were, the log holds no less than the truth then, at any later moment. Debt is units above the
 * amount, and is gone one period later. A level that is set for a moment replaces the log: one
 * entry holds back until then what the level has, and one what it lacks, for a period from then.
 *
 * A change of the limit leaves the units as they are; with another period they end as if that had
 * always been in force, but for those that had ended.
 */
#include "limiter/window.h"

#include "base/rl_assert.h"

#include <string.h>

enum { AMOUNT, PERIOD, BURST, PARTS };

#define PARTS_DEFAULT 60

struct entry {
    uint64_t end, units;
};

struct log {
    struct entry *entry;
    uint64_t count, most;
};

/* The words may have been written by others: no count leads outside. */
static struct log log_of(const rl_plan *plan, uint64_t *word)
{
    struct log log = { (struct entry *)(void *)&word[1], rl__min(word[0], plan->word[PARTS]),
                       plan->word[PARTS] };
    return log;
}

/* The same, to read only. */
static const struct entry *entries(const rl_plan *plan, const uint64_t *word, uint64_t *count)
{
    *count = rl__min(word[0], plan->word[PARTS]);
    return (const struct entry *)(const void *)&word[1];
}

static void drop(struct log *log, uint64_t index)
{
    log->count--;
    memmove(&log->entry[index], &log->entry[index + 1],
            (log->count - index) * sizeof log->entry[0]);
    log->entry[log->count] = (struct entry){ 0, 0 };
}

static void forget_ended(struct log *log, rl_time now)
{
    while (log->count > 0 && log->entry[0].end <= now)
        drop(log, 0);
}

/* What it costs to let the units of entry `index` wait until `end`. */
static rl__u128 cost_of(const struct log *log, uint64_t index, uint64_t end)
{
    return (rl__u128)log->entry[index].units * (end - log->entry[index].end);
}

/* Makes a place for an entry that ends at `end`; or makes the last entry that one. */
static void make_room(struct log *log, uint64_t end)
{
    uint64_t best = log->count - 1;
    rl__u128 least = cost_of(log, best, end);

    for (uint64_t i = 0; i + 1 < log->count; i++) {
        rl__u128 cost = cost_of(log, i, log->entry[i + 1].end);

        if (cost < least) {
            least = cost;
            best = i;
        }
    }
    if (best == log->count - 1) {
        log->entry[best].end = end;
        return;
    }
    log->entry[best + 1].units = rl__add_sat(log->entry[best + 1].units, log->entry[best].units);
    drop(log, best);
}

static void add(struct log *log, uint64_t end, uint64_t units)
{
    struct entry *last;

    RL_ASSERT(log->most >= 2);
    if (log->count > 0)
        end = rl__max(end, log->entry[log->count - 1].end);
    if (log->count == log->most && log->entry[log->count - 1].end != end)
        make_room(log, end);
    last = &log->entry[log->count > 0 ? log->count - 1 : 0];
    if (log->count > 0 && last->end == end)
        last->units = rl__add_sat(last->units, units);
    else
        log->entry[log->count++] = (struct entry){ end, units };
}

static uint64_t used_at(const struct entry *entry, uint64_t count, rl_time now)
{
    uint64_t used = 0;

    for (uint64_t i = 0; i < count; i++)
        used = rl__add_sat(used, entry[i].end > now ? entry[i].units : 0);
    return used;
}

static rl_status prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    uint64_t parts = limit->parts != 0 ? limit->parts : PARTS_DEFAULT;

    if (parts < 2 || parts > (RL_STATE_WORDS_MAX - 1) / 2) {
        *why = "parts is neither 0 nor 2 to 255";
        return RL_E_INVALID;
    }
    plan->word[PARTS] = parts;
    return rl__window_prepare(limit, plan, why);
}

static size_t words_for(const rl_plan *plan)
{
    return 1 + 2 * (size_t)plan->word[PARTS];
}

/* No entry: zero is fresh. */
static void start(const rl_plan *plan, uint64_t *word, rl_time now)
{
    (void)plan;
    (void)now;
    word[0] = 0;
}

static void charge(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    struct log log = log_of(plan, word);

    forget_ended(&log, now);
    add(&log, rl__add_sat(now, plan->word[PERIOD]), amount);
    word[0] = log.count;
}

/* When all but `most` units are back: there are more at `now`. */
static rl_time comes_down(const struct entry *entry, uint64_t count, uint64_t most, rl_time now)
{
    uint64_t used = used_at(entry, count, now);

    for (uint64_t i = 0; i < count; i++) {
        if (entry[i].end <= now)
            continue;
        used = used == UINT64_MAX ? used_at(entry, count, entry[i].end) : used - entry[i].units;
        if (used <= most)
            return entry[i].end;
    }
    return RL_NEVER;
}

static rl_status take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                      rl_time *retry_at)
{
    uint64_t count;
    const struct entry *entry = entries(plan, word, &count);

    if (cost > plan->word[BURST])
        return RL_E_TOO_LARGE;
    if (used_at(entry, count, now) > plan->word[AMOUNT] - cost) {
        *retry_at = comes_down(entry, count, plan->word[AMOUNT] - cost, now);
        return RL_WAIT;
    }
    charge(plan, word, cost, now);
    return RL_OK;
}

/* Takes up to `amount` units out of an entry; returns how many it did not have. */
static uint64_t take_out(struct log *log, uint64_t index, uint64_t amount)
{
    uint64_t units = rl__min(amount, log->entry[index].units);

    log->entry[index].units -= units;
    if (log->entry[index].units == 0)
        drop(log, index);
    return amount - units;
}

static void give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    struct log log = log_of(plan, word);

    forget_ended(&log, now);
    while (log.count > 0 && amount > 0)
        amount = take_out(&log, 0, amount);
    word[0] = log.count;
}

/* Of the entry that those units are in: no other ends so early, and not before them. */
static void give_back_to(const rl_plan *plan, uint64_t *word, uint64_t amount, uint64_t end,
                         rl_time now)
{
    struct log log = log_of(plan, word);
    uint64_t index = 0;

    while (index < log.count && log.entry[index].end < end)
        index++;
    if (index < log.count)
        amount = take_out(&log, index, amount);
    word[0] = log.count;
    give_back(plan, word, amount, now);
}

static void settle(const rl_plan *plan, uint64_t *word, uint64_t taken, uint64_t used, rl_time at,
                   rl_time now)
{
    if (used > taken)
        charge(plan, word, used - taken, now);
    else if (rl__add_sat(at, plan->word[PERIOD]) > now)
        give_back_to(plan, word, taken - used, rl__add_sat(at, plan->word[PERIOD]), now);
}

static void set_level(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at)
{
    struct log log = log_of(plan, word);
    uint64_t used = rl__used_at_level(plan->word[BURST], level);

    log.count = 0;
    if (used < plan->word[AMOUNT])
        add(&log, at, plan->word[AMOUNT] - used);
    if (used > 0)
        add(&log, rl__add_sat(at, plan->word[PERIOD]), used);
    word[0] = log.count;
}

static void snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level)
{
    uint64_t count;
    const struct entry *entry = entries(plan, word, &count);
    rl_time full_at = count > 0 ? entry[count - 1].end : 0;

    level->limit = plan->word[AMOUNT];
    level->burst = plan->word[BURST];
    level->remaining = rl__level_when_used(plan->word[BURST], used_at(entry, count, now));
    level->full_in = full_at == RL_NEVER ? RL_NEVER : rl__sub_sat(full_at, now);
}

static void carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    uint64_t was = before->word[PERIOD], is = after->word[PERIOD];
    struct log log = log_of(after, word);

    forget_ended(&log, now);
    for (uint64_t i = 0; i < log.count; i++)
        log.entry[i].end = is > was ? rl__add_sat(log.entry[i].end, is - was)
                                    : rl__sub_sat(log.entry[i].end, was - is);
    forget_ended(&log, now);
    word[0] = log.count;
}

const rl_algorithm rl__sliding_window = {
    .size = sizeof(rl_algorithm),
    .name = "sliding_window",
    .words = 1 + 2 * PARTS_DEFAULT,
    .prepare = prepare,
    .start = start,
    .take = take,
    .give_back = give_back,
    .charge = charge,
    .set_level = set_level,
    .snapshot = snapshot,
    .carry = carry,
    .settle = settle,
    .words_for = words_for,
};
