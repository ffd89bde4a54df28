/* SPDX-License-Identifier: MIT */
/*
 * A state of several words. It is kept twice, and `control` says which of both is valid:
 *
 *     bit 0: somebody is writing    bit 1: the valid one    the rest: how often it was switched
 *
 * A writer makes bit 0 odd, computes on a copy, writes the other state, and switches by one
 * exchange. So whoever dies meanwhile, a thread or a process that shares the memory, leaves a whole
 * state, and bit 0. That is taken over after HOLD_MOST by counting on: then the exchange of
 * the former owner, if it lives after all, fails, and it begins again with nothing taken. It looks
 * before each word it writes, so at most one word of the state that is not valid is at stake then,
 * and only if it slept between that look and the store.
 *
 * Readers wait for nobody: they copy the valid state and look whether it was switched meanwhile.
 * The plan is private to a process; it changes under an odd revision, beside the lock. Every load
 * of plan and words is an acquire and every store of them a release, on purpose instead of fences:
 * whoever sees a word that was stored after a switch sees that switch in the load that follows.
 */
#include "base/atomic.h"
#include "base/env.h"
#include "limiter/limiter.h"

#define LOCKED     UINT64_C(1)
#define SECOND     UINT64_C(2)
#define SWITCH     UINT64_C(4)
#define HOLD_MOST  (200 * RL_MILLISECOND) /* for some dozens of instructions */
#define TURNS_MOST 1024                   /* between looks at the clock */

/* ---- where it lies ---- */

static size_t words_of(const rl_limiter *limiter)
{
    return rl__state_words(limiter->words, limiter->bookings);
}

static uint64_t *control_of(rl_limiter *limiter)
{
    return limiter->outside != NULL ? limiter->outside : &limiter->control;
}

static uint64_t *state_of(rl_limiter *limiter, int second)
{
    uint64_t *first = limiter->outside != NULL ? limiter->outside + 1 : limiter->word;

    return second ? first + words_of(limiter) : first;
}

static const uint64_t *seen_control(const rl_limiter *limiter)
{
    return limiter->outside != NULL ? limiter->outside : &limiter->control;
}

static const uint64_t *seen_state(const rl_limiter *limiter, int second)
{
    const uint64_t *first = limiter->outside != NULL ? limiter->outside + 1 : limiter->word;

    return second ? first + words_of(limiter) : first;
}

/* ---- the lock ---- */

int rl__is_over(struct rl__patience *patience, uint64_t owner, rl_time now)
{
    if (patience->since == 0 || patience->owner != owner) {
        *patience = (struct rl__patience){ owner, now };
        return 0;
    }
    return now - patience->since > HOLD_MOST;
}

/* By the real clock: a virtual one may stand still while we wait. It is looked at now and then. */
static int is_over(struct rl__patience *patience, uint64_t seen, unsigned turn)
{
    return turn % TURNS_MOST == 0 && rl__is_over(patience, seen, rl__default_now(NULL));
}

/* Gives the odd value that makes us the owner. */
static uint64_t hold(uint64_t *control)
{
    struct rl__patience patience = { 0, 0 };
    uint64_t seen = rl__load(control);

    for (unsigned turn = 0;; rl__relax(&turn)) {
        uint64_t ours = seen | LOCKED;

        if ((seen & LOCKED) != 0 && !is_over(&patience, seen, turn)) {
            seen = rl__load(control);
            continue;
        }
        if (seen == ours)
            ours += SWITCH;
        if (rl__exchange_if_acquire(control, &seen, ours))
            return ours;
    }
}

static void let_go(uint64_t *control, uint64_t ours)
{
    (void)rl__exchange_once(control, ours, ours & ~LOCKED); /* if it fails, we are no owner */
}

/* 1: what `word` holds is the state now. 0: somebody took us for dead. */
static int publish(rl_limiter *limiter, uint64_t ours, const uint64_t *word)
{
    uint64_t *control = control_of(limiter), *to = state_of(limiter, (ours & SECOND) == 0);
    size_t count = words_of(limiter);

    for (size_t i = 0; i < count; i++) {
        if (rl__load(control) != ours)
            return 0;
        rl__store_release(&to[i], word[i]);
    }
    return rl__exchange_once(control, ours, ((ours & ~LOCKED) + SWITCH) ^ SECOND);
}

/* ---- what limiter.c calls ---- */

/* Before anybody else knows the limiter. */
void rl__wide_start(rl_limiter *limiter, const uint64_t *word)
{
    rl__store_words(state_of(limiter, 0), word, words_of(limiter));
    rl__store_words(state_of(limiter, 1), word, words_of(limiter));
    rl__store_release(control_of(limiter), 0);
}

void rl__wide_look(const rl_limiter *limiter, rl_plan *plan, uint64_t *word)
{
    for (unsigned turn = 0;; rl__relax(&turn)) {
        uint64_t revision = rl__load_acquire(&limiter->revision);
        uint64_t control = rl__load_acquire(seen_control(limiter));

        if (revision % 2 != 0)
            continue;
        rl__copy_plan(plan, limiter);
        rl__copy_words(word, seen_state(limiter, (control & SECOND) != 0), words_of(limiter));
        if (rl__load(&limiter->revision) == revision &&
            rl__load(seen_control(limiter)) / SWITCH == control / SWITCH)
            return;
    }
}

static int differs(const uint64_t *a, const uint64_t *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (a[i] != rl__load(&b[i]))
            return 1;
    return 0;
}

/* A step that changes nothing leaves everything as it was, and disturbs no reader. */
rl_status rl__wide_act(rl_limiter *limiter, const struct rl__step *step, rl_time *at)
{
    uint64_t *control = control_of(limiter), word[RL_STATE_WORDS_MAX];
    size_t count = words_of(limiter);
    rl_plan plan;

    for (;;) {
        uint64_t ours = hold(control), *state = state_of(limiter, (ours & SECOND) != 0);
        rl_status st;

        rl__copy_plan(&plan, limiter);
        rl__copy_words(word, state, count);
        st = rl__step_booked(limiter, step, &plan, word, at);
        if (st != RL_OK || (step->kind != RL__TAKE && !differs(word, state, count))) {
            let_go(control, ours);
            return st;
        }
        if (publish(limiter, ours, word))
            return st;
    }
}

/* Takers hold the lock while they read the plan, so they never meet a change; readers look at the
 * revision. */
void rl__wide_change(rl_limiter *limiter, const struct rl__change *change)
{
    uint64_t *control = control_of(limiter), word[RL_STATE_WORDS_MAX], revision;
    rl_plan before;

    for (;;) {
        uint64_t ours = hold(control);

        revision = rl__load(&limiter->revision) & ~UINT64_C(1);
        rl__copy_words(before.word, limiter->plan.word, RL_PLAN_WORDS);
        rl__copy_words(word, state_of(limiter, (ours & SECOND) != 0), words_of(limiter));
        rl__carry(&before, change->made, word, change->now);
        if (change->step != NULL)
            (void)rl__step_booked(limiter, change->step, &change->made->plan, word,
                                  &(rl_time){ 0 }); /* a level can always be set */
        rl__store_release(&limiter->revision, revision + 1);
        rl__store_words(limiter->plan.word, change->made->plan.word, RL_PLAN_WORDS);
        if (publish(limiter, ours, word))
            break;
        rl__store_words(limiter->plan.word, before.word, RL_PLAN_WORDS);
        rl__store_release(&limiter->revision, revision + 2);
    }
    rl__store_release(&limiter->revision, revision + 2);
}
