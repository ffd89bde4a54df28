/* SPDX-License-Identifier: MIT */
/*
 * The framework: finds an algorithm, checks a limit, and makes what the algorithm computed visible
 * in one step.
 *
 * One word of state: look at revision, plan and word; compute on copies; compare-exchange the word.
 * A change of the limit makes the revision odd, puts BUSY into the word, so that every exchange
 * begun before it fails, writes plan and word, and makes the revision even. More words: the odd
 * revision is a spin lock, and readers look without it.
 *
 * Every load of plan and word is an acquire, every store of them a release, on purpose instead of
 * fences: whoever sees a value that was stored under an odd revision sees that revision, too, in
 * the load that follows.
 *
 * A compare-exchange is fooled where a change leaves the very same word that a taker saw before it.
 * If both limits read that word alike (a new burst, say) nothing is wrong: the taker came before
 * the change. If not, one take is booked in the wrong measure. For the token bucket that needs one
 * call stalled across a change, and two clocks of ticks that agree to the nanosecond.
 */
#include "limiter/limiter.h"

#include "base/atomic.h"
#include "base/cheap_clock.h"
#include "base/rl_assert.h"
#include "base/sized.h"
#include "limiter/gcra.h"

#include <sched.h>
#include <string.h>

#define BUSY               UINT64_MAX
#define TEN_YEARS          (3653 * RL_DAY) /* with three leap days */
#define SPINS_BEFORE_YIELD 64

/* One line for each algorithm. */
static const rl_algorithm *const builtin[] = { &rl__token_bucket };

/* What a limiter was at one moment. */
struct view {
    uint64_t revision;
    rl_plan plan;
    uint64_t word[RL_STATE_WORDS];
};

struct step {
    enum { TAKE, GIVE_BACK, CHARGE, SET_LEVEL } kind;
    uint64_t amount;
    int64_t level;
    rl_time now;
};

static void relax(unsigned *turn)
{
    if (++*turn % SPINS_BEFORE_YIELD == 0)
        (void)sched_yield(); /* a hint; it cannot fail on Linux */
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void copy_words(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = rl__load_acquire(&from[i]);
}

static void store_words(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rl__store_release(&to[i], from[i]);
}

static void look(const rl_limiter *limiter, struct view *view)
{
    for (unsigned turn = 0;; relax(&turn)) {
        view->revision = rl__load_acquire(&limiter->revision);
        if (view->revision % 2 != 0)
            continue;
        copy_words(view->plan.word, limiter->plan.word, RL_PLAN_WORDS);
        copy_words(view->word, limiter->word, limiter->algorithm->words);
        if (rl__load(&limiter->revision) == view->revision)
            return;
    }
}

/* Makes the revision odd; gives the even one. Pairs with let_go(). */
static uint64_t hold(rl_limiter *limiter)
{
    uint64_t seen = rl__load(&limiter->revision);

    for (unsigned turn = 0;; relax(&turn)) {
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

static rl_status apply(const rl_algorithm *algorithm, const struct step *step, const rl_plan *plan,
                       uint64_t *word, rl_time *retry_at)
{
    switch (step->kind) {
    case TAKE:
        return algorithm->take(plan, word, step->amount, step->now, retry_at);
    case GIVE_BACK:
        algorithm->give_back(plan, word, step->amount, step->now);
        break;
    case CHARGE:
        algorithm->charge(plan, word, step->amount, step->now);
        break;
    case SET_LEVEL:
        algorithm->set_level(plan, word, step->level, step->now);
        break;
    }
    return RL_OK;
}

/* Several words. A step that changes nothing leaves the revision as it was, and disturbs no reader.
 */
static rl_status act_held(rl_limiter *limiter, const struct step *step, rl_time *retry_at)
{
    size_t words = limiter->algorithm->words;
    rl_plan plan;
    uint64_t word[RL_STATE_WORDS];
    uint64_t revision = hold(limiter);
    rl_status st;

    copy_words(plan.word, limiter->plan.word, RL_PLAN_WORDS);
    copy_words(word, limiter->word, words);
    st = apply(limiter->algorithm, step, &plan, word, retry_at);
    if (st == RL_OK)
        store_words(limiter->word, word, words);
    let_go(limiter, st == RL_OK ? revision + 2 : revision);
    return st;
}

/* One word. The exchange alone keeps two threads from spending the same unit; if it fails, another
 * was served, or the limit is being changed. */
static rl_status act(rl_limiter *limiter, const struct step *step, rl_time *retry_at)
{
    struct view view;

    if (limiter->algorithm->words > 1)
        return act_held(limiter, step, retry_at);
    look(limiter, &view);
    for (;;) {
        uint64_t next = view.word[0];
        rl_status st = apply(limiter->algorithm, step, &view.plan, &next, retry_at);

        if (st != RL_OK || next == view.word[0])
            return st;
        next -= next == BUSY;
        if (rl__exchange_if_acquire(&limiter->word[0], &view.word[0], next))
            return RL_OK;
        if (rl__load(&limiter->revision) != view.revision)
            look(limiter, &view);
    }
}

static int is_started(const rl_limiter *limiter)
{
    return limiter != NULL && limiter->algorithm != NULL;
}

const rl_algorithm *rl_algorithm_find(const char *name)
{
    if (name == NULL)
        return &rl__token_bucket;
    for (size_t i = 0; i < sizeof builtin / sizeof builtin[0]; i++)
        if (strcmp(builtin[i]->name, name) == 0)
            return builtin[i];
    return NULL;
}

/* NULL: within the ranges that limiter.h names. */
static const char *out_of_range(const rl_limit *limit)
{
    if (limit->amount > RL_AMOUNT_MAX)
        return "amount is more than 2^53";
    if (limit->burst > RL_AMOUNT_MAX)
        return "burst is more than 2^53";
    if (limit->period == 0)
        return "period is 0";
    if (limit->period > TEN_YEARS)
        return "period is longer than ten years";
    if (limit->oversize > RL_OVERSIZE_BORROW)
        return "oversize is neither RL_OVERSIZE_REFUSE nor RL_OVERSIZE_BORROW";
    return NULL;
}

static int is_complete(const rl_algorithm *a)
{
    return a->size >= sizeof *a && a->name != NULL && a->words >= 1 && a->words <= RL_STATE_WORDS &&
           a->prepare != NULL && a->start != NULL && a->take != NULL && a->give_back != NULL &&
           a->charge != NULL && a->set_level != NULL && a->snapshot != NULL && a->carry != NULL;
}

static rl_status make_plan(const rl_algorithm *algorithm, const rl_limit *limit, rl_plan *plan,
                           const char **why)
{
    *why = out_of_range(limit);
    if (*why != NULL)
        return RL_E_INVALID;
    *why = "the algorithm refuses this limit"; /* unless it knows better */
    *plan = (rl_plan){ { 0 } };
    return algorithm->prepare(limit, plan, why);
}

static rl_status copy_limit(rl_limit *copy, const rl_limit *limit, const char **why)
{
    *why = "limit is NULL";
    if (limit == NULL)
        return RL_E_INVALID;
    *why = "limit.size is not what RL_LIMIT_INIT sets";
    return rl__copy_sized(copy, sizeof *copy, limit, limit->size);
}

static rl_status check(const rl_limit *limit, const char **why)
{
    rl_limit copy;
    rl_plan plan;
    rl_status st = copy_limit(&copy, limit, why);

    if (st != RL_OK)
        return st;
    *why = "there is no algorithm of that name";
    if (rl_algorithm_find(copy.algorithm) == NULL)
        return RL_E_NOT_FOUND;
    return make_plan(rl_algorithm_find(copy.algorithm), &copy, &plan, why);
}

rl_status rl_limit_check(const rl_limit *limit, const char **why)
{
    const char *sentence = NULL;
    rl_status st = check(limit, &sentence);

    if (why != NULL)
        *why = st == RL_OK ? "" : sentence;
    return st;
}

/* `limit` is our own copy. */
static rl_status begin(rl_limiter *limiter, const rl_algorithm *algorithm, const rl_limit *limit,
                       rl_time now)
{
    rl_limiter made = { .algorithm = algorithm };
    const char *why;
    rl_status st = make_plan(algorithm, limit, &made.plan, &why);

    if (st != RL_OK)
        return st;
    algorithm->start(&made.plan, made.word, now);
    if (algorithm->words == 1)
        made.word[0] -= made.word[0] == BUSY;
    *limiter = made;
    return RL_OK;
}

rl_status rl_limiter_init(rl_limiter *limiter, const rl_limit *limit, rl_time now)
{
    rl_limit copy;
    const char *why;
    rl_status st = copy_limit(&copy, limit, &why);

    if (limiter == NULL)
        return RL_E_INVALID;
    if (st != RL_OK)
        return st;
    if (rl_algorithm_find(copy.algorithm) == NULL)
        return RL_E_NOT_FOUND;
    return begin(limiter, rl_algorithm_find(copy.algorithm), &copy, now);
}

/* A limit may leave the name of a foreign algorithm out: no other can be meant. */
static int is_named(const rl_limit *limit, const rl_algorithm *algorithm)
{
    if (limit->algorithm == NULL && rl_algorithm_find(algorithm->name) == algorithm)
        return algorithm == rl_algorithm_find(NULL);
    return limit->algorithm == NULL || strcmp(limit->algorithm, algorithm->name) == 0;
}

rl_status rl_limiter_init_with(rl_limiter *limiter, const rl_algorithm *algorithm,
                               const rl_limit *limit, rl_time now)
{
    rl_limit copy;
    const char *why;
    rl_status st = copy_limit(&copy, limit, &why);

    if (limiter == NULL || algorithm == NULL || !is_complete(algorithm))
        return RL_E_INVALID;
    if (st != RL_OK)
        return st;
    return is_named(&copy, algorithm) ? begin(limiter, algorithm, &copy, now) : RL_E_NOT_FOUND;
}

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

/* The short way of a take from a token bucket: look() and act() without copies and calls, which are
 * half of their time. The plan is used while it may change; whether it has is asked before anything
 * comes of it. 0: not granted, or not so easily. */
static inline int takes_at_once(rl_limiter *limiter, uint64_t cost, rl_time now)
{
    uint64_t revision, burst, seen, next, spare;

    if (limiter == NULL || limiter->algorithm != &rl__token_bucket)
        return 0;
    revision = rl__load_acquire(&limiter->revision);
    burst = rl__load_acquire(&limiter->plan.word[BURST]);
    next = seen = rl__load_acquire(&limiter->word[0]);
    return revision % 2 == 0 && cost != 0 && cost <= burst &&
           rl__gcra_take(&limiter->plan, &next, cost, burst, now, &spare) == RL_OK &&
           rl__load(&limiter->revision) == revision &&
           rl__exchange_if_acquire(&limiter->word[0], &seen, next);
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

/* What is left when nothing was granted at once. Not inline: in front it would cost registers. */
__attribute__((noinline)) static rl_status take(rl_limiter *limiter, uint64_t cost, rl_time now,
                                                rl_time *retry_at)
{
    struct step step = { .kind = TAKE, .amount = cost, .now = now };
    rl_time planned = RL_NEVER;
    rl_status st = answer_early(limiter, cost);

    if (st == RL_WAIT &&
        (limiter->algorithm != &rl__token_bucket || !is_refused(limiter, cost, now, &planned)))
        st = act(limiter, &step, &planned);
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

rl_status rl_limiter_peek(const rl_limiter *limiter, uint64_t cost, rl_time now, rl_time *retry_at)
{
    rl_time planned = RL_NEVER;
    rl_status st = answer_early(limiter, cost);
    struct view view;

    if (st == RL_WAIT) {
        look(limiter, &view);
        st = limiter->algorithm->take(&view.plan, view.word, cost, now, &planned);
    }
    return report(st, now, planned, retry_at);
}

static void act_always(rl_limiter *limiter, const struct step *step)
{
    rl_time unused;

    if (is_started(limiter))
        (void)act(limiter, step, &unused); /* only a take can be refused */
}

void rl_limiter_give_back(rl_limiter *limiter, uint64_t amount, rl_time now)
{
    act_always(limiter, &(struct step){ .kind = GIVE_BACK, .amount = amount, .now = now });
}

void rl_limiter_charge(rl_limiter *limiter, uint64_t amount, rl_time now)
{
    if (amount > 0)
        act_always(limiter, &(struct step){ .kind = CHARGE, .amount = amount, .now = now });
}

void rl_limiter_set_level(rl_limiter *limiter, int64_t level, rl_time at)
{
    act_always(limiter, &(struct step){ .kind = SET_LEVEL, .level = level, .now = at });
}

void rl_limiter_snapshot(const rl_limiter *limiter, rl_time now, rl_level *level)
{
    struct view view;

    if (level == NULL)
        return;
    *level = (rl_level){ 0 };
    if (!is_started(limiter))
        return;
    look(limiter, &view);
    limiter->algorithm->snapshot(&view.plan, view.word, now, level);
}

/* Swaps the plan under an odd revision. With one word, BUSY is what stops the takers meanwhile. */
static void swap_plan(rl_limiter *limiter, const rl_plan *after, rl_time now)
{
    size_t words = limiter->algorithm->words;
    uint64_t revision = hold(limiter);
    rl_plan before;
    uint64_t word[RL_STATE_WORDS];

    copy_words(before.word, limiter->plan.word, RL_PLAN_WORDS);
    copy_words(word, limiter->word, words);
    if (words == 1)
        word[0] = rl__swap(&limiter->word[0], BUSY);
    limiter->algorithm->carry(&before, after, word, now);
    if (words == 1)
        word[0] -= word[0] == BUSY;
    store_words(limiter->plan.word, after->word, RL_PLAN_WORDS);
    store_words(limiter->word, word, words);
    let_go(limiter, revision + 2);
}

rl_status rl_limiter_change(rl_limiter *limiter, const rl_limit *limit, rl_time now)
{
    rl_limit copy;
    rl_plan after;
    const char *why;
    rl_status st = copy_limit(&copy, limit, &why);

    if (!is_started(limiter))
        return RL_E_INVALID;
    if (st != RL_OK)
        return st;
    if (!is_named(&copy, limiter->algorithm))
        return RL_E_INVALID;
    if ((st = make_plan(limiter->algorithm, &copy, &after, &why)) != RL_OK)
        return st;
    swap_plan(limiter, &after, now);
    return RL_OK;
}
