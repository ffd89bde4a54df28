/* SPDX-License-Identifier: MIT */
/* Mutex and condition. The waits are the only place where the library sleeps. */
#include "base/sync.h"

#include "base/arith.h"
#include "base/rl_assert.h"

#include <sched.h>
#include <time.h>

/* The condition's clock stands still while the machine sleeps, ours does not: looking once a minute
 * bounds the lateness after that. A clock of the user's may run at any speed, so it is looked at
 * more often. */
#define WAIT_MAX_OWN_CLOCK  RL_MINUTE
#define WAIT_MAX_USER_CLOCK (20 * RL_MILLISECOND)

/* Both can only fail through a mistake of ours; the statement is checked in the builds with
 * assertions. */
static void must_be_zero(int result)
{
    (void)result;
    RL_ASSERT(result == 0);
}

rl_status rl__mutex_init(struct rl__mutex *mutex)
{
    return pthread_mutex_init(&mutex->raw, NULL) == 0 ? RL_OK : RL_E_NOMEM;
}

void rl__mutex_deinit(struct rl__mutex *mutex)
{
    must_be_zero(pthread_mutex_destroy(&mutex->raw));
}

void rl__lock(struct rl__mutex *mutex)
{
    must_be_zero(pthread_mutex_lock(&mutex->raw));
}

void rl__unlock(struct rl__mutex *mutex)
{
    must_be_zero(pthread_mutex_unlock(&mutex->raw));
}

#define SPINS_BEFORE_YIELD 64
#define YIELDS_BEFORE_NAP  16
#define NAP_NS             50000

/* Who has the processor by his priority alone does not leave it by yielding. */
static void make_way(unsigned turn)
{
    const struct timespec nap = { 0, NAP_NS };

    if (turn > SPINS_BEFORE_YIELD * YIELDS_BEFORE_NAP)
        (void)nanosleep(&nap, NULL); /* shorter, for a signal: as well */
    else if (turn % SPINS_BEFORE_YIELD == 0)
        (void)sched_yield(); /* a hint; it cannot fail on Linux */
}

void rl__relax(unsigned *turn)
{
    make_way(++*turn);
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

void rl__spin_wait(struct rl__spin *spin)
{
    unsigned turn = 0;

    do {
        while (rl__load(&spin->held) != 0)
            rl__relax(&turn);
    } while (rl__swap(&spin->held, 1) != 0);
}

rl_status rl__condition_init(struct rl__condition *condition)
{
    pthread_condattr_t attributes;
    int failed;

    if (pthread_condattr_init(&attributes) != 0)
        return RL_E_NOMEM;
    failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0 ||
             pthread_cond_init(&condition->raw, &attributes) != 0;
    (void)pthread_condattr_destroy(&attributes); /* nothing to do about it */
    return failed ? RL_E_NOMEM : RL_OK;
}

void rl__condition_deinit(struct rl__condition *condition)
{
    must_be_zero(pthread_cond_destroy(&condition->raw));
}

void rl__wake_one(struct rl__condition *condition)
{
    must_be_zero(pthread_cond_signal(&condition->raw));
}

void rl__wake_all(struct rl__condition *condition)
{
    must_be_zero(pthread_cond_broadcast(&condition->raw));
}

/* Waits for `span` of real time; a timeout is one of the ways to return. */
static void wait_for(struct rl__condition *condition, struct rl__mutex *mutex, rl_duration span)
{
    struct timespec ts = { 0, 0 };
    uint64_t ns;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail: POSIX demands this clock */
    ns = (uint64_t)ts.tv_nsec + span % RL_SECOND;
    ts.tv_sec += (time_t)(span / RL_SECOND + ns / RL_SECOND);
    ts.tv_nsec = (long)(ns % RL_SECOND);
    (void)pthread_cond_timedwait(&condition->raw, &mutex->raw, &ts);
}

/* The sleep of the user's hears no waking, so it is only asked when there is an end to it. */
void rl__wait_until(struct rl__condition *condition, struct rl__mutex *mutex,
                    const struct rl__env *env, rl_time until)
{
    rl_duration longest = env->own_clock ? WAIT_MAX_OWN_CLOCK : WAIT_MAX_USER_CLOCK;
    rl_duration left = rl__sub_sat(until, rl__now(env));

    if (left == 0)
        return;
    if (env->hooks.sleep_until != NULL && until != RL_NEVER) {
        rl__unlock(mutex);
        env->hooks.sleep_until(env->hooks.user, until);
        rl__lock(mutex);
        return;
    }
    wait_for(condition, mutex, rl__min(left, longest));
}
