/* SPDX-License-Identifier: MIT */
/*
 * The pool against a model that is a list of holdings: who gets a slot, until when it is his, and
 * what is left. LLMRL_PROPERTY_STEPS: how many steps (default 300 000); LLMRL_SEED: replays a run.
 */
#include "traffic.h"

#include <llmrl/pool.h>

#include <string.h>

#define STEPS_OF_ONE 500

struct holding {
    rl_slot slot;
    uint64_t owner;
    rl_time taken_at, expires;
    int held;
};

enum branch {
    SAW_TAKEN,
    SAW_FULL,
    SAW_OVERFULL,
    SAW_EXPIRED,
    SAW_RELEASED_LATE,
    SAW_RELEASED_TWICE,
    SAW_RENEWED,
    SAW_RENEWED_LATE,
    SAW_EVICTED,
    SAW_GROWN,
    BRANCHES
};

struct run {
    struct traffic t;
    rl_pool *pool;
    uint64_t size, expired;
    rl_duration lease;
    struct holding holding[STEPS_OF_ONE];
    size_t count;
    uint64_t seen[BRANCHES];
};

static void fail_here(const struct run *run, const char *law)
{
    print_error("law broken: %s\n  LLMRL_SEED=%" PRIu64 " size %" PRIu64 " lease %" PRIu64
                " now %" PRIu64 "\n",
                law, run->t.seed, run->size, run->lease, run->t.now);
    fail();
}

#define LAW(run, holds, text)                                                                      \
    do {                                                                                           \
        if (!(holds))                                                                              \
            fail_here((run), (text));                                                              \
    } while (0)

static uint64_t held(const struct run *run)
{
    uint64_t count = 0;

    for (size_t i = 0; i < run->count; i++)
        count += (uint64_t)run->holding[i].held;
    return count;
}

static rl_time next_expiry(const struct run *run)
{
    rl_time next = RL_NEVER;

    for (size_t i = 0; i < run->count; i++)
        if (run->holding[i].held && run->holding[i].expires < next)
            next = run->holding[i].expires;
    return next;
}

static void expire(struct run *run)
{
    for (size_t i = 0; i < run->count; i++)
        if (run->holding[i].held && run->holding[i].expires <= run->t.now) {
            run->holding[i].held = 0;
            run->expired++;
            run->seen[SAW_EXPIRED]++;
        }
}

static rl_time lease_end(const struct run *run)
{
    return run->lease == 0 ? RL_NEVER : run->t.now + run->lease;
}

static void take(struct run *run)
{
    struct holding *one = &run->holding[run->count];
    rl_status want, got;
    rl_time retry_at;

    *one = (struct holding){ .owner = roll(&run->t, 6), .taken_at = run->t.now };
    expire(run);
    want = held(run) < run->size ? RL_OK : RL_WAIT;
    got = rl_pool_try_acquire(run->pool, one->owner, run->t.now, &one->slot, &retry_at);
    LAW(run, got == want, "who has room gets a slot");
    LAW(run, retry_at == (got == RL_OK ? RL_NEVER : next_expiry(run)), "the next end is told");
    run->seen[want == RL_OK ? SAW_TAKEN : held(run) > run->size ? SAW_OVERFULL : SAW_FULL]++;
    if (got != RL_OK)
        return;
    for (size_t i = 0; i < run->count; i++)
        LAW(run, run->holding[i].slot.id != one->slot.id, "no id is used again");
    one->held = 1;
    one->expires = lease_end(run);
    run->count++;
}

static void give_back(struct run *run)
{
    struct holding *one = &run->holding[roll(&run->t, run->count)];
    int late = one->held && one->expires <= run->t.now;

    if (run->count == 0)
        return;
    run->seen[SAW_RELEASED_LATE] += (uint64_t)late;
    run->seen[SAW_RELEASED_TWICE] += !one->held;
    LAW(run,
        rl_pool_release(&one->slot, RL_SLOT_SUCCESS, 0, run->t.now) ==
            (one->held ? RL_OK : RL_E_ENDED),
        "a slot is given back once");
    one->held = 0;
}

static void renew(struct run *run)
{
    struct holding *one = &run->holding[roll(&run->t, run->count)];

    if (run->count == 0)
        return;
    LAW(run, rl_pool_renew(&one->slot, run->t.now) == (one->held ? RL_OK : RL_E_ENDED),
        "who holds may renew");
    run->seen[SAW_RENEWED] += (uint64_t)one->held;
    run->seen[SAW_RENEWED_LATE] += one->held && one->expires <= run->t.now;
    if (one->held)
        one->expires = lease_end(run);
}

static void evict(struct run *run)
{
    uint64_t owner = roll(&run->t, 6);
    size_t count = 0;

    for (size_t i = 0; i < run->count; i++)
        if (run->holding[i].held && run->holding[i].owner == owner) {
            run->holding[i].held = 0;
            count++;
        }
    LAW(run, rl_pool_evict(run->pool, owner, run->t.now) == count, "all of an owner's come back");
    run->seen[SAW_EVICTED] += count > 1;
}

static void resize(struct run *run)
{
    uint64_t size = 1 + roll(&run->t, 40);

    LAW(run, rl_pool_resize(run->pool, size, run->t.now) == RL_OK, "a size in range is taken");
    run->seen[SAW_GROWN] += size > run->size;
    run->size = size;
}

static const struct holding *oldest_but(const struct run *run, size_t skip)
{
    for (size_t i = 0; i < run->count; i++) /* they were taken in this order */
        if (run->holding[i].held && skip-- == 0)
            return &run->holding[i];
    return NULL;
}

static void report(struct run *run)
{
    rl_pool_state state = RL_POOL_STATE_INIT;
    rl_pool_holder holder[8];
    size_t count = 8;

    expire(run);
    LAW(run, rl_pool_state_get(run->pool, run->t.now, &state) == RL_OK, "a report is given");
    LAW(run, state.in_use == held(run) && state.slots == run->size, "a report is right");
    LAW(run, state.expired == run->expired, "those that came back by themselves are counted");
    LAW(run, rl_pool_holders(run->pool, run->t.now, holder, &count) == RL_OK, "holders are told");
    LAW(run, count == (held(run) < 8 ? held(run) : 8), "as many as there are");
    for (size_t i = 0; i < count; i++) {
        const struct holding *one = oldest_but(run, i);

        LAW(run, holder[i].owner == one->owner && holder[i].age == run->t.now - one->taken_at,
            "the oldest first");
        LAW(run, holder[i].expires == one->expires, "and until when");
    }
    if (count > 0)
        LAW(run, state.oldest_owner == holder[0].owner && state.oldest_age == holder[0].age,
            "the oldest is named");
}

static void begin(struct run *run)
{
    rl_pool_options options = RL_POOL_OPTIONS_INIT;
    struct traffic *t = &run->t;

    run->count = 0;
    run->expired = 0;
    run->size = options.slots = 1 + roll(t, roll(t, 2) ? 3 : 20);
    run->lease = options.lease = roll(t, 4) == 0 ? 0 : roll_bits(t, 40);
    t->start = t->now = roll_bits(t, 50);
    t->period = run->lease == 0 ? RL_SECOND : run->lease;
    t->unit = t->period / 16 + 1;
    LAW(run, rl_pool_new(&options, &run->pool) == RL_OK, "options in range work");
}

static void step(struct run *run)
{
    (void)traffic_move(&run->t); /* this clock does not step back */
    switch (roll(&run->t, 16)) {
    case 0:
        resize(run);
        break;
    case 1:
        evict(run);
        break;
    case 2:
        renew(run);
        break;
    case 3:
        report(run);
        break;
    case 4:
    case 5:
    case 6:
        give_back(run);
        break;
    default:
        take(run);
        break;
    }
    run->t.hint = next_expiry(run);
}

static void a_slot_has_one_holder(void **ctx)
{
    uint64_t steps = number_from("LLMRL_PROPERTY_STEPS", 300000);
    static struct run run;

    (void)ctx;
    traffic_begin(&run.t, 20260111);
    begin(&run);
    for (uint64_t i = 0; i < steps; i++) {
        if (i % STEPS_OF_ONE == STEPS_OF_ONE - 1) {
            report(&run);
            rl_pool_free(run.pool);
            begin(&run);
        }
        step(&run);
    }
    rl_pool_free(run.pool);
    for (int k = 0; k < BRANCHES && steps >= 20000; k++)
        if (run.seen[k] == 0) {
            print_error("branch %d never ran\n", k);
            fail();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_has_one_holder),
    };
    return cmocka_run_group_tests_name("prop_pool", tests, NULL, NULL);
}
