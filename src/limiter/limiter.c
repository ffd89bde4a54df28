/* SPDX-License-Identifier: MIT */
/*
 * The framework: makes what an algorithm computed visible in one step. Here is the state of one
 * word; wide.c has those of several.
 *
 * Look at revision, plan and word; compute on copies; compare-exchange the word. A change of the
 * limit makes the revision odd, puts BUSY into the word, so that every exchange begun before it
 * fails, writes plan and word, and makes the revision even.
 *
 * Every load of plan and word is an acquire, every store of them a release, on purpose instead of
 * fences: whoever sees a value that was stored under an odd revision sees that revision, too, in
 * the load that follows.
 *
 * That bounds the ABA problem and does not exclude it. A compare-exchange is fooled where, after
 * its last look at the revision, a whole change passes, and the word comes to be the very one that
 * it saw before. If both limits read that word alike (another burst; other amounts in the same
 * windows) nothing is wrong: it is as if the call had come before the change. If not, the call does
 * what it would have done under the old limit, to the word of the new one. A take is granted that
 * the new limit might refuse, and books the cost that was computed with the old plan, as more or as
 * less than it is; if the old bucket was full, from where the old clock stood, so that the new one
 * may show full, or deep debt until its clock has come there or the level is set. It is that one
 * call: the next sees the new revision.
 *
 * How likely: a thread must be interrupted between two neighbouring instructions, for as long as a
 * change takes, and the new limit must put the same 64 bits there, which count in nanoseconds or
 * finer. To rule it out would take bits of the word (the token bucket has none
 * to spare: its clock would end too soon), an exchange of two words at once, which not every
 * processor has, or a word whose place depends on the revision, and so a longer way to it for every
 * acquire.
 */
#include "limiter/limiter.h"
#include "limiter/prepared.h"

#include "base/arith.h"
#include "base/atomic.h"
#include "base/cheap_clock.h"
#include "limiter/gcra.h"

#define BUSY UINT64_MAX

/* What a limiter of one word was at one moment. */
struct view {
    uint64_t revision;
    rl_plan plan; /* as much of it as the algorithm uses */
    uint64_t word;
};

static int is_wide(const rl_limiter *limiter)
{
    return limiter->words > 1 || limiter->bookings > 0;
}

static uint64_t *word_of(rl_limiter *limiter)
{
    return limiter->outside != NULL ? limiter->outside : limiter->word;
}

static const uint64_t *seen_word(const rl_limiter *limiter)
{
    return limiter->outside != NULL ? limiter->outside : limiter->word;
}

static void look(const rl_limiter *limiter, struct view *view)
{
    for (unsigned turn = 0;; rl__relax(&turn)) {
        view->revision = rl__load_acquire(&limiter->revision);
        if (view->revision % 2 != 0)
            continue;
        rl__copy_plan(&view->plan, limiter);
        view->word = rl__load_acquire(seen_word(limiter));
        if (rl__load(&limiter->revision) == view->revision)
            return;
    }
}

/* Makes the revision odd; gives the even one. Pairs with let_go(). */
static uint64_t hold(rl_limiter *limiter)
{
    uint64_t seen = rl__load(&limiter->revision);

    for (unsigned turn = 0;; rl__relax(&turn)) {
        if (seen % 2 != 0)
            seen = rl__load(&limiter->revision);
        else if (rl__exchange_if_acquire(&limiter->revision, &seen, seen + 1))
            return seen;
    }
}

static void let_go(rl_limiter *limiter, uint64_t revision)
{
    rl__store_release(&limiter->revision, revision);
}

/* The exchange alone keeps two threads from spending the same unit; if it fails, another was
 * served, or the limit is being changed. */
static rl_status act(rl_limiter *limiter, const struct rl__step *step, rl_time *at)
{
    uint64_t *word = word_of(limiter);
    struct view view;

    if (is_wide(limiter))
        return rl__wide_act(limiter, step, at);
    look(limiter, &view);
    for (;;) {
        uint64_t next = view.word;
        rl_status st =
            step->kind == RL__TAKE
                ? limiter->algorithm->take(&view.plan, &next, step->amount, step->now, at)
                : rl__step(limiter->algorithm, step, &view.plan, &next, at);

        if (st != RL_OK || next == view.word)
            return st;
        next -= next == BUSY;
        if (rl__exchange_if_acquire(word, &view.word, next))
            return RL_OK;
        if (rl__load(&limiter->revision) != view.revision)
            look(limiter, &view);
    }
}

static int is_started(const rl_limiter *limiter)
{
    return limiter != NULL && limiter->algorithm != NULL;
}

/* ---- starting ---- */

static void fresh_state(const struct rl__made *made, uint64_t *word, rl_time now)
{
    uint64_t level = made->start == RL_START_EMPTY ? 0 : made->start;

    made->algorithm->start(&made->plan, word, now);
    if (made->start != 0)
        made->algorithm->set_level(&made->plan, word, (int64_t)level, now);
    if (made->words == 1)
        word[0] -= word[0] == BUSY;
}

static rl_limiter limiter_of(const struct rl__made *made, uint64_t *outside)
{
    rl_limiter limiter = { .algorithm = made->algorithm,
                           .plan = made->plan,
                           .outside = outside,
                           .words = made->words,
                           .bookings = made->bookings,
                           .plan_words = made->plan_words };
    return limiter;
}

/* `outside` NULL: in the limiter itself. */
static rl_status place(rl_limiter *limiter, const struct rl__made *made, uint64_t *outside,
                       size_t count)
{
    size_t words = rl__state_words(made->words, made->bookings);

    if (outside == NULL ? words > RL_STATE_WORDS : count < (words == 1 ? 1 : 1 + 2 * words))
        return RL_E_INVALID;
    *limiter = limiter_of(made, outside);
    return RL_OK;
}

static rl_status begin(rl_limiter *limiter, const struct rl__made *made, uint64_t *outside,
                       size_t count, rl_time now)
{
    uint64_t word[RL_STATE_WORDS_MAX] = { 0 };
    rl_status st = place(limiter, made, outside, count);

    if (st != RL_OK)
        return st;
    fresh_state(made, word, now);
    if (is_wide(limiter))
        rl__wide_start(limiter, word);
    else
        rl__store_release(word_of(limiter), word[0]);
    return RL_OK;
}

rl_status rl_limiter_init(rl_limiter *limiter, const rl_limit *limit, rl_time now)
{
    const char *why;
    struct rl__made made;
    rl_status st = rl__limit_make(&made, limit, NULL, NULL, now, &why);

    if (limiter == NULL)
        return RL_E_INVALID;
    return st == RL_OK ? begin(limiter, &made, NULL, 0, now) : st;
}

rl_status rl_limiter_init_with(rl_limiter *limiter, const rl_algorithm *algorithm,
                               const rl_limit *limit, rl_time now)
{
    const char *why;
    struct rl__made made;
    rl_status st;

    if (limiter == NULL || algorithm == NULL)
        return RL_E_INVALID;
    st = rl__limit_make(&made, limit, algorithm, NULL, now, &why);
    return st == RL_OK ? begin(limiter, &made, NULL, 0, now) : st;
}

rl_status rl_limiter_init_at(rl_limiter *limiter, const rl_limit *limit, uint64_t *words,
                             size_t count, rl_time now)
{
    const char *why;
    struct rl__made made;
    rl_status st = rl__limit_make(&made, limit, NULL, NULL, now, &why);

    if (limiter == NULL || words == NULL)
        return RL_E_INVALID;
    return st == RL_OK ? begin(limiter, &made, words, count, now) : st;
}

rl_status rl_limiter_attach(rl_limiter *limiter, const rl_limit *limit, uint64_t *words,
                            size_t count, rl_time now)
{
    const char *why;
    struct rl__made made;
    rl_status st = rl__limit_make(&made, limit, NULL, NULL, now, &why);

    if (limiter == NULL || words == NULL)
        return RL_E_INVALID;
    return st == RL_OK ? place(limiter, &made, words, count) : st;
}

/* ---- asking and taking ---- */

/* What rl_limiter_take() and _peek() answer without asking the algorithm. RL_WAIT: it must be
 * asked. */
static rl_status answer_early(const rl_limiter *limiter, uint64_t cost)
{
    if (!is_started(limiter))
        return RL_E_INVALID;
    if (cost == 0)
        return RL_OK;
    return cost > RL_AMOUNT_MAX ? RL_E_TOO_LARGE : RL_WAIT;
}

static rl_status report(rl_status st, rl_time now, rl_time planned, rl_time *retry_at)
{
    if (retry_at != NULL)
        *retry_at = st == RL_OK ? now : st == RL_WAIT ? planned : RL_NEVER;
    return st;
}

/* One word in the limiter itself, and nothing booked ahead. */
static inline int has_short_way(const rl_limiter *limiter)
{
    return limiter->algorithm == &rl__token_bucket && limiter->outside == NULL &&
           limiter->bookings == 0;
}

enum short_way { GRANTED, BEATEN, CLOSED };

/* The short way of a take from a token bucket: look() and act() without copies and calls, which are
 * half of their time. The plan is used while it may change; whether it has is asked before anything
 * comes of it. BEATEN: another thread was faster. CLOSED: not granted, or not so easily. */
__attribute__((always_inline)) static inline enum short_way take_short_way(rl_limiter *limiter,
                                                                           uint64_t cost,
                                                                           rl_time now)
{
    uint64_t revision = rl__load_acquire(&limiter->revision);
    uint64_t burst = rl__load_acquire(&limiter->plan.word[BURST]);
    uint64_t seen = rl__load_acquire(&limiter->word[0]), next = seen, spare;

    if (revision % 2 != 0 || cost == 0 || cost > burst ||
        rl__gcra_take(&limiter->plan, &next, cost, burst, now, &spare) != RL_OK ||
        rl__load(&limiter->revision) != revision)
        return CLOSED;
    return rl__exchange_if_acquire(&limiter->word[0], &seen, next) ? GRANTED : BEATEN;
}

static inline int takes_at_once(rl_limiter *limiter, uint64_t cost, rl_time now)
{
    return limiter != NULL && has_short_way(limiter) &&
           take_short_way(limiter, cost, now) == GRANTED;
}

/* 1: the token bucket refuses, until *retry_at. Writes nothing. */
static int is_refused(const rl_limiter *limiter, uint64_t cost, rl_time now, rl_time *retry_at)
{
    uint64_t revision = rl__load_acquire(&limiter->revision);
    uint64_t burst = rl__load_acquire(&limiter->plan.word[BURST]);
    uint64_t seen = rl__load_acquire(&limiter->word[0]), next = seen, spare;

    if (revision % 2 != 0 || cost == 0 || cost > burst ||
        rl__gcra_take(&limiter->plan, &next, cost, burst, now, &spare) == RL_OK)
        return 0;
    *retry_at = rl__gcra_retry_at(&limiter->plan, seen, spare);
    return rl__load(&limiter->revision) == revision;
}

/* What act() would say, without copies and calls as long as that goes. */
static rl_status take_again(rl_limiter *limiter, const struct rl__step *step, rl_time *planned)
{
    enum short_way way;

    if (!has_short_way(limiter))
        return act(limiter, step, planned);
    if (is_refused(limiter, step->amount, step->now, planned))
        return RL_WAIT;
    do
        way = take_short_way(limiter, step->amount, step->now);
    while (way == BEATEN);
    return way == GRANTED ? RL_OK : act(limiter, step, planned);
}

/* What is left when nothing was granted at once. Not inline: in front it would cost registers. */
__attribute__((noinline)) static rl_status take(rl_limiter *limiter, uint64_t cost, rl_time now,
                                                rl_time *retry_at)
{
    struct rl__step step = { .kind = RL__TAKE, .amount = cost, .now = now };
    rl_time planned = RL_NEVER;
    rl_status st = answer_early(limiter, cost);

    if (st == RL_WAIT)
        st = take_again(limiter, &step, &planned);
    return report(st, now, planned, retry_at);
}

rl_status rl_limiter_take(rl_limiter *limiter, uint64_t cost, rl_time now, rl_time *retry_at)
{
    if (takes_at_once(limiter, cost, now))
        return report(RL_OK, now, now, retry_at);
    return take(limiter, cost, now, retry_at);
}

/* A refusal that ends within what the clock may be off is asked again, precisely. */
__attribute__((noinline)) static rl_status take_by(rl_limiter *limiter, uint64_t cost, rl_time now,
                                                   rl_clock *clock, rl_time *retry_at)
{
    rl_time planned;
    rl_status st = take(limiter, cost, now, &planned);

    if (st == RL_WAIT && planned - now <= rl__clock_error(clock))
        return take(limiter, cost, rl_clock_precise(clock), retry_at);
    if (retry_at != NULL)
        *retry_at = planned;
    return st;
}

rl_status rl_limiter_take_with_clock(rl_limiter *limiter, uint64_t cost, rl_clock *clock,
                                     rl_time *retry_at)
{
    rl_time now = rl__clock_now(clock);

    if (takes_at_once(limiter, cost, now))
        return report(RL_OK, now, now, retry_at);
    return take_by(limiter, cost, now, clock, retry_at);
}

static rl_status peek_wide(const rl_limiter *limiter, uint64_t cost, rl_time now, rl_time *planned)
{
    struct rl__step step = { .kind = RL__TAKE, .amount = cost, .now = now };
    uint64_t word[RL_STATE_WORDS_MAX];
    rl_plan plan;

    rl__wide_look(limiter, &plan, word);
    return rl__step_booked(limiter, &step, &plan, word, planned);
}

rl_status rl_limiter_peek(const rl_limiter *limiter, uint64_t cost, rl_time now, rl_time *retry_at)
{
    rl_time planned = RL_NEVER;
    rl_status st = answer_early(limiter, cost);
    struct view view;

    if (st == RL_WAIT && is_wide(limiter)) {
        st = peek_wide(limiter, cost, now, &planned);
    } else if (st == RL_WAIT) {
        look(limiter, &view);
        st = limiter->algorithm->take(&view.plan, &view.word, cost, now, &planned);
    }
    return report(st, now, planned, retry_at);
}

rl_time rl_limiter_when(const rl_limiter *limiter, uint64_t cost, rl_time now)
{
    rl_time at;

    (void)rl_limiter_peek(limiter, cost, now, &at); /* *at says it all */
    return at;
}

rl_status rl_limiter_reserve(rl_limiter *limiter, uint64_t cost, rl_time now, rl_time latest,
                             rl_time *at)
{
    struct rl__step step = { .kind = RL__RESERVE, .amount = cost, .now = now, .at = latest };
    rl_time planned = now;
    rl_status st = answer_early(limiter, cost);

    if (at == NULL)
        return RL_E_INVALID;
    if (st == RL_WAIT)
        st = act(limiter, &step, &planned);
    *at = st == RL_OK || st == RL_WAIT ? rl__max(planned, now) : RL_NEVER;
    return st;
}

/* ---- what cannot be refused ---- */

static void act_always(rl_limiter *limiter, const struct rl__step *step)
{
    rl_time unused;

    if (is_started(limiter))
        (void)act(limiter, step, &unused); /* only a take can be refused */
}

void rl_limiter_cancel(rl_limiter *limiter, uint64_t cost, rl_time at, rl_time now)
{
    if (cost > 0)
        act_always(limiter,
                   &(struct rl__step){ .kind = RL__CANCEL, .amount = cost, .at = at, .now = now });
}

/* The short way of what cannot be refused. 0: the long one is needed. */
static int settles_at_once(rl_limiter *limiter, uint64_t taken, uint64_t used, rl_time now)
{
    uint64_t revision = rl__load_acquire(&limiter->revision);
    uint64_t seen = rl__load_acquire(&limiter->word[0]), next = seen;

    if (revision % 2 != 0)
        return 0;
    if (used < taken)
        rl__ticks_give_back(&limiter->plan, &next, taken - used, now);
    else
        rl__ticks_charge(&limiter->plan, &next, used - taken, now);
    return rl__load(&limiter->revision) == revision &&
           (next == seen || rl__exchange_if_acquire(&limiter->word[0], &seen, next));
}

void rl_limiter_settle(rl_limiter *limiter, uint64_t taken, uint64_t used, rl_time at, rl_time now)
{
    if (taken == used || limiter == NULL)
        return;
    if (!has_short_way(limiter) || !settles_at_once(limiter, taken, used, now))
        act_always(limiter,
                   &(struct rl__step){
                       .kind = RL__SETTLE, .amount = taken, .used = used, .at = at, .now = now });
}

void rl_limiter_give_back(rl_limiter *limiter, uint64_t amount, rl_time now)
{
    act_always(limiter, &(struct rl__step){ .kind = RL__GIVE_BACK, .amount = amount, .now = now });
}

void rl_limiter_charge(rl_limiter *limiter, uint64_t amount, rl_time now)
{
    if (amount > 0)
        act_always(limiter, &(struct rl__step){ .kind = RL__CHARGE, .amount = amount, .now = now });
}

void rl_limiter_set_level(rl_limiter *limiter, int64_t level, rl_time at)
{
    act_always(limiter, &(struct rl__step){ .kind = RL__SET_LEVEL, .level = level, .now = at });
}

void rl_limiter_snapshot(const rl_limiter *limiter, rl_time now, rl_level *level)
{
    uint64_t word[RL_STATE_WORDS_MAX];
    struct view view;

    if (level == NULL)
        return;
    *level = (rl_level){ 0 };
    if (!is_started(limiter))
        return;
    if (is_wide(limiter)) {
        rl__wide_look(limiter, &view.plan, word);
        rl__snapshot_booked(limiter, &view.plan, word, now, level);
    } else {
        look(limiter, &view);
        limiter->algorithm->snapshot(&view.plan, &view.word, now, level);
    }
}

/* Tried on a copy: whether a unit taken then would come back now. */
int rl__limiter_counts(const rl_limiter *limiter, rl_time at, rl_time now)
{
    const rl_algorithm *algorithm = limiter->algorithm;
    uint64_t word[RL_STATE_WORDS_MAX];
    struct view view;
    rl_level before, after;

    if (is_wide(limiter)) {
        rl__wide_look(limiter, &view.plan, word);
    } else {
        look(limiter, &view);
        word[0] = view.word;
    }
    if (!RL__HAS(algorithm, settle))
        return rl__sub_sat(now, at) < view.plan.word[1]; /* the period */
    algorithm->charge(&view.plan, word, 1, now);
    algorithm->snapshot(&view.plan, word, now, &before);
    algorithm->settle(&view.plan, word, 1, 0, at, now);
    algorithm->snapshot(&view.plan, word, now, &after);
    return after.remaining != before.remaining;
}

/* ---- changing the limit ---- */

/* Swaps the plan under an odd revision. BUSY is what stops the takers meanwhile. */
static void change_narrow(rl_limiter *limiter, const struct rl__change *change)
{
    uint64_t *word = word_of(limiter), revision = hold(limiter), next;
    rl_time unused;
    rl_plan before;

    rl__copy_words(before.word, limiter->plan.word, RL_PLAN_WORDS);
    next = rl__swap(word, BUSY);
    rl__carry(&before, change->made, &next, change->now);
    if (change->step != NULL)
        (void)rl__step(limiter->algorithm, change->step, &change->made->plan, &next,
                       &unused); /* a level can always be set */
    next -= next == BUSY;
    rl__store_words(limiter->plan.word, change->made->plan.word, RL_PLAN_WORDS);
    rl__store_release(word, next);
    let_go(limiter, revision + 2);
}

static rl_status change(rl_limiter *limiter, const rl_limit *limit, const struct rl__step *step,
                        rl_time now)
{
    struct rl__made made;
    struct rl__change what = { &made, step, now };
    const char *why;
    rl_status st;

    if (!is_started(limiter))
        return RL_E_INVALID;
    if ((st = rl__limit_make(&made, limit, limiter->algorithm, limiter, now, &why)) != RL_OK)
        return st == RL_E_NOT_FOUND ? RL_E_INVALID : st;
    if (is_wide(limiter))
        rl__wide_change(limiter, &what);
    else
        change_narrow(limiter, &what);
    return RL_OK;
}

rl_status rl_limiter_change(rl_limiter *limiter, const rl_limit *limit, rl_time now)
{
    return change(limiter, limit, NULL, now);
}

rl_status rl_limiter_set(rl_limiter *limiter, const rl_limit *limit, int64_t level, rl_time at,
                         rl_time now)
{
    return change(limiter, limit,
                  &(struct rl__step){ .kind = RL__SET_LEVEL, .level = level, .now = at }, now);
}
