/* SPDX-License-Identifier: MIT */
/* Owns the steps of a running quantile. */
#include "base/quantile.h"

#include "base/arith.h"

#define STEP_FIRST (RL__QUANTILE_ONE / 8)
#define STEP_LEAST (RL__QUANTILE_ONE / 64)
#define STEP_MOST  (RL__QUANTILE_ONE / 2)
#define STEP_ONE   (UINT64_C(1024) * RL__QUANTILE_ONE) /* the units of step and share */
#define RUN_MAX    1023

enum side { BELOW, ABOVE };

struct walk {
    uint64_t ratio, step;
    enum side side;
    uint64_t run;
};

static struct walk unpack(uint64_t word)
{
    return (struct walk){ .ratio = word >> 32,
                          .step = word >> 11 & 0xffff,
                          .side = (word >> 10 & 1) != 0 ? ABOVE : BELOW,
                          .run = word & RUN_MAX };
}

static uint64_t pack(const struct walk *walk)
{
    return walk->ratio << 32 | (uint64_t)RL__QUANTILE_TRIAL << 27 | walk->step << 11 |
           (walk->side == ABOVE ? UINT64_C(1) << 10 : 0) | walk->run;
}

/* How many in a row on one side are more than chance: four times what is usual there. */
static uint64_t long_run(const struct rl__quantile *rule, enum side side)
{
    uint64_t other = side == ABOVE ? rule->share : 1024 - rule->share;

    return rl__min(UINT64_C(4096) / other, RUN_MAX);
}

static void follow_runs(const struct rl__quantile *rule, struct walk *walk, enum side side)
{
    if (side != walk->side) {
        walk->side = side;
        walk->run = 1;
        walk->step = rl__max(walk->step - walk->step / 8, STEP_LEAST);
        return;
    }
    if (++walk->run < long_run(rule, side))
        return;
    walk->run = 0;
    walk->step = rl__min(walk->step * 2, STEP_MOST);
}

static uint64_t walk_on(const struct rl__quantile *rule, uint64_t word, uint64_t seen)
{
    struct walk walk = unpack(word);
    enum side side = seen > walk.ratio ? ABOVE : BELOW;

    if (side == BELOW && seen >= walk.ratio - walk.ratio / 256)
        return word;
    follow_runs(rule, &walk, side);
    if (side == ABOVE)
        walk.ratio += rl__mul_div_up(walk.ratio * walk.step, rule->share, STEP_ONE);
    else
        walk.ratio -= rl__mul_div(walk.ratio * walk.step, 1024 - rule->share, STEP_ONE);
    walk.ratio = rl__min(rl__max(walk.ratio, rule->least), rule->most);
    return pack(&walk);
}

static uint64_t try_on(const struct rl__quantile *rule, uint64_t word, uint64_t seen)
{
    uint64_t ratio = word >> 32, tried = (word >> 27 & 31) + 1;
    uint64_t largest = rl__max(word & ((UINT64_C(1) << 27) - 1), seen);

    if (tried == RL__QUANTILE_TRIAL)
        return pack(&(struct walk){ .ratio = largest, .step = STEP_FIRST });
    if (rule->at_once)
        ratio = rl__max(ratio, seen);
    return ratio << 32 | tried << 27 | largest;
}

uint64_t rl__quantile_learn(const struct rl__quantile *rule, uint64_t word, uint64_t expected,
                            uint64_t actual)
{
    uint64_t seen;

    if (expected == 0 || actual == 0)
        return word;
    seen = rl__mul_div_up(actual, RL__QUANTILE_ONE, expected);
    seen = rl__min(rl__max(seen, rule->least), rule->most);
    if ((word >> 27 & 31) < RL__QUANTILE_TRIAL)
        return try_on(rule, word, seen);
    return walk_on(rule, word, seen);
}
