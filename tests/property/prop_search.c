/* SPDX-License-Identifier: MIT */
/*
 * What a search promises, whatever happens in whatever order: never below the floor, never above
 * the cap, one cut an episode at most, growth only while it binds and by successes of what was sent
 * after the cut, and never a cut for a success. Against a record of its own of what an episode is.
 * LLMRL_PROPERTY_STEPS: how many steps (default 10^6); LLMRL_SEED replays a run.
 */
#include "scope/search.h"
#include "vclock.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SENT 64 /* calls under way, at most */

enum branch { CUTS, REST_OF_BURST, ASKED_AGAIN, GROWTHS, IDLE, OLD, AT_FLOOR, AT_CAP, BRANCHES };

struct run {
    struct vclock dice;
    uint64_t seed, step;
    struct rl__search search;
    struct rl__search_rules rules;
    rl_time now;
    rl_time sent[SENT];
    /* The record: an episode lasts from a cut to a success of what was sent after it. */
    int episode;
    rl_time cut_at;
    uint64_t seen[BRANCHES];
};

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static uint64_t roll(struct run *run, uint64_t sides)
{
    return vclock_random(&run->dice) % sides;
}

static void law(const struct run *run, int holds, const char *what)
{
    if (holds)
        return;
    print_error("%s: seed %" PRIu64 ", step %" PRIu64 "\n", what, run->seed, run->step);
    fail();
}

/* From a few a minute to millions, tiny and equal ones as well. */
static uint64_t some_rate(struct run *run)
{
    return 1 + roll(run, UINT64_C(1) << (1 + roll(run, 36)));
}

static void start(struct run *run)
{
    run->rules.factor = 500000 + roll(run, 490001);
    run->rules.floor = some_rate(run);
    run->rules.cap = run->rules.floor + (roll(run, 4) == 0 ? 0 : some_rate(run));
    rl__search_start(&run->search, &run->rules, some_rate(run), some_rate(run), run->now);
    run->episode = 0;
    run->cut_at = 0;
    for (size_t i = 0; i < SENT; i++)
        run->sent[i] = run->now;
}

static void bounds(struct run *run)
{
    law(run, run->search.rate >= run->rules.floor, "below the floor");
    law(run, run->search.rate <= run->rules.cap, "above the cap");
    run->seen[AT_FLOOR] += run->search.rate == run->rules.floor;
    run->seen[AT_CAP] += run->search.rate == run->rules.cap;
}

static void refuse(struct run *run, rl_time sent_at)
{
    struct rl__search_refusal refusal = { .sent_at = sent_at,
                                          .measured = some_rate(run),
                                          .requests = some_rate(run),
                                          .bound = roll(run, 4) != 0,
                                          .first = roll(run, 16) == 0 };
    uint64_t before = run->search.rate;
    int known = run->cut_at != 0 && (run->episode || sent_at <= run->cut_at);
    enum rl__search_step step = rl__search_refused(&run->search, &run->rules, &refusal, run->now);

    law(run, run->search.rate <= before, "a refusal raised it");
    law(run, (step == RL__SEARCH_CUT) == (run->search.rate < before), "it did not say so");
    law(run,
        refusal.bound || run->search.rate >= before / 2 || run->search.rate == run->rules.floor,
        "more than half, though it held nobody back");
    if (known) {
        law(run, run->search.rate == before, "two cuts in one episode");
        run->seen[sent_at <= run->cut_at ? REST_OF_BURST : ASKED_AGAIN]++;
        return;
    }
    law(run,
        run->search.rate <= before - before / 101 || run->search.rate == run->rules.floor ||
            before < 202,
        "a new episode and no cut");
    run->seen[CUTS]++;
    run->episode = 1;
    run->cut_at = run->now;
}

static void pass(struct run *run, rl_time sent_at)
{
    uint64_t before = run->search.rate;
    int bound = roll(run, 3) != 0, is_old = run->cut_at != 0 && sent_at <= run->cut_at;
    enum rl__search_step step =
        rl__search_passed(&run->search, &run->rules, sent_at, bound, run->now);

    law(run, run->search.rate >= before, "a success cut it");
    law(run, (step == RL__SEARCH_GROWN) == (run->search.rate > before), "it did not say so");
    law(run, bound || run->search.rate == before, "it grew and held nobody back");
    law(run, !is_old || run->search.rate == before, "a success of before the cut counted");
    run->seen[GROWTHS] += run->search.rate > before;
    run->seen[IDLE] += !bound;
    run->seen[OLD] += (uint64_t)is_old;
    if (!is_old)
        run->episode = 0;
}

static void step(struct run *run)
{
    rl_time *call = &run->sent[roll(run, SENT)];

    run->now += roll(run, 64) == 0 ? roll(run, RL_HOUR) : roll(run, RL_SECOND);
    if (roll(run, 100) < 3)
        refuse(run, *call);
    else
        pass(run, *call);
    *call = run->now + roll(run, RL_MILLISECOND);
    run->now += RL_MILLISECOND;
    bounds(run);
    if (roll(run, 5000) == 0)
        start(run);
}

static void it_keeps_what_it_promises(void **state)
{
    uint64_t steps = number("LLMRL_PROPERTY_STEPS", 1000000);
    struct run run = { .seed = number("LLMRL_SEED", 20260101), .now = 1000 * RL_SECOND };

    (void)state;
    run.dice.random = run.seed;
    start(&run);
    for (; run.step < steps; run.step++)
        step(&run);
    print_message("seed %" PRIu64 ", branches:", run.seed);
    for (size_t i = 0; i < BRANCHES; i++)
        print_message(" %" PRIu64, run.seen[i]);
    print_message("\n");
    for (size_t i = 0; i < BRANCHES && steps >= 100000; i++)
        assert_true(run.seen[i] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(it_keeps_what_it_promises) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
