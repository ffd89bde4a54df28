/* SPDX-License-Identifier: MIT */
/* Owns the window of a server that announces no limit. See adaptive.h. */
#include "scope/adaptive.h"

#include "base/arith.h"

#define EPOCH_MIN    32
#define PROBE_EVERY  50
#define REFUSED_HOLD 8
/* An epoch from which nothing follows counts for so many: the baseline is looked at sooner. */
#define BETWEEN_COUNTS 3

/* Thresholds in percent of the baseline. */
#define GROW_UP_TO 140
#define CUT_ABOVE  180
#define CUT_TO     140

/* Parts. */
#define TRIMMED   8  /* the slowest samples, which are not looked at */
#define GIVES_WAY 32 /* of the difference, to a lower latency, with each epoch */
#define LOWER     5  /* a probe is far lower */

static uint64_t clamp(uint64_t value, uint64_t min, uint64_t max)
{
    return rl__max(min, rl__min(max, value));
}

static void begin_epoch(struct rl__adaptive *a, rl_time now)
{
    a->since = now;
    a->seen = a->peak = a->kept = 0;
}

static void move_to(struct rl__adaptive *a, uint64_t window)
{
    a->window = clamp(window, a->min, a->max);
}

void rl__adaptive_start(struct rl__adaptive *a, uint64_t min, uint64_t max, uint64_t initial)
{
    *a = (struct rl__adaptive){ .min = min, .max = max, .doubling = 1, .next_probe = PROBE_EVERY };
    move_to(a, initial);
}

void rl__adaptive_bound(struct rl__adaptive *a, uint64_t min, uint64_t max, rl_time now)
{
    a->min = min;
    a->max = max;
    if (a->probing != 0)
        a->probing = clamp(a->probing, min, max);
    move_to(a, a->window);
    begin_epoch(a, now);
}

static void probe_soon(struct rl__adaptive *a)
{
    a->next_probe = 1;
}

/* ---- refusals ---- */

/* Where far less was in flight than the window allows, that little was too much. */
static void cut_for_refusal(struct rl__adaptive *a, uint64_t in_flight, rl_time now)
{
    uint64_t level = clamp(in_flight, a->window - a->window / 2, a->window);

    if (a->doubling)
        probe_soon(a);
    a->doubling = 0;
    a->probing = a->doubting = 0;
    a->cut_at = 0;
    a->refused_at = level;
    a->refused_hold = REFUSED_HOLD;
    a->cuts++;
    move_to(a, rl__min(level - 1, level - level / 8));
    begin_epoch(a, now);
}

/* ---- latency ---- */

static uint64_t epoch_length(const struct rl__adaptive *a)
{
    return rl__max(2 * a->window, clamp(4 * a->window, EPOCH_MIN / 2, EPOCH_MIN));
}

/* Evenly over the epoch, as the quick ones come first. */
static void keep(struct rl__adaptive *a, rl_duration latency)
{
    uint64_t stride = (epoch_length(a) + RL__ADAPTIVE_KEPT - 1) / RL__ADAPTIVE_KEPT;
    uint64_t i = a->kept;

    if (a->seen++ % stride != 0 || i == RL__ADAPTIVE_KEPT)
        return;
    for (; i > 0 && a->latency[i - 1] > latency; i--)
        a->latency[i] = a->latency[i - 1];
    a->latency[i] = latency;
    a->kept++;
}

/* At least 1, as a baseline of 0 means none. */
static rl_duration trimmed_mean(const struct rl__adaptive *a)
{
    uint64_t count = a->kept - a->kept / TRIMMED, sum = 0;

    for (uint64_t i = 0; i < count; i++)
        sum = rl__add_sat(sum, a->latency[i]);
    return count == 0 ? 1 : rl__max(1, sum / count);
}

static int is_above(const struct rl__adaptive *a, rl_duration latency, uint64_t percent)
{
    return latency > rl__mul_div(a->baseline, percent, 100);
}

/* A queue gets shorter by as much as the window does: half of that is enough to believe it. */
static int is_helped(const struct rl__adaptive *a, rl_duration latency)
{
    return latency <= a->cut_at / 2 + rl__mul_div(a->cut_at / 2, a->window, a->cut_from);
}

/* After a cut that did not help: if half of that window does not, either, it is not our load. */
static void end_doubt(struct rl__adaptive *a, rl_duration latency)
{
    a->doubling = (uint64_t)is_helped(a, latency);
    move_to(a, a->doubling ? a->probing : a->window_before);
    a->baseline = latency;
    a->doubting = 0;
    a->cut_at = 0;
}

static rl_duration midpoint(rl_duration a, rl_duration b)
{
    return rl__min(a, b) + (rl__max(a, b) - rl__min(a, b)) / 2;
}

/* What one measurement alone may be off by is halved; where it is far lower, it is looked at again:
 * half the window may still have been too much. */
static void end_probe(struct rl__adaptive *a, rl_duration latency)
{
    int lower = latency < a->baseline - a->baseline / LOWER;

    if (a->doubting) {
        end_doubt(a, latency);
    } else {
        a->baseline = lower ? latency : midpoint(a->baseline, latency);
        move_to(a, a->probing);
    }
    a->probing = 0;
    a->next_probe = lower ? 2 : PROBE_EVERY;
}

static void begin_probe(struct rl__adaptive *a)
{
    a->next_probe = PROBE_EVERY;
    if (a->window / 2 < a->min)
        return;
    a->probing = a->window;
    a->window /= 2;
}

static void learn_baseline(struct rl__adaptive *a, rl_duration latency)
{
    if (a->baseline == 0)
        a->baseline = latency;
    else if (latency < a->baseline)
        a->baseline -= (a->baseline - latency) / GIVES_WAY;
}

static void doubt(struct rl__adaptive *a, rl_duration latency)
{
    a->doubting = 1;
    begin_probe(a);
    if (a->probing != 0)
        return;
    a->probing = a->window;
    end_probe(a, latency);
}

static void cut_for_latency(struct rl__adaptive *a, rl_duration latency)
{
    rl_duration target = rl__mul_div(a->baseline, CUT_TO, 100);

    if (a->cut_at == 0)
        a->window_before = a->window;
    a->cut_at = latency;
    a->cut_from = a->window;
    a->cuts++;
    if (a->doubling)
        probe_soon(a);
    a->doubling = 0;
    move_to(a, rl__max(a->window / 2, rl__mul_div(a->window, target, latency)));
}

static void grow(struct rl__adaptive *a)
{
    uint64_t step = a->doubling ? a->window : rl__max(1, a->window / 16);
    uint64_t top = a->refused_hold > 0 ? rl__max(a->window, a->refused_at - 1) : a->max;

    move_to(a, rl__min(a->window + step, top));
}

/* Neither a cut nor a doubt. */
static void go_on(struct rl__adaptive *a, int may_grow)
{
    a->cut_at = 0;
    if (may_grow && a->peak >= a->window)
        grow(a);
    if (!may_grow && a->doubling) {
        a->doubling = 0;
        probe_soon(a);
    }
    a->next_probe = rl__sub_sat(a->next_probe, may_grow ? 1 : BETWEEN_COUNTS);
    if (a->next_probe == 0)
        begin_probe(a);
}

/* With as few as there may be, no latency is of our making. */
static void believe_floor(struct rl__adaptive *a, rl_duration latency)
{
    a->baseline = latency;
    a->doubling = 1;
    go_on(a, 1);
}

static void judge(struct rl__adaptive *a, rl_time now)
{
    rl_duration latency = trimmed_mean(a);
    int may_grow;

    if (a->probing != 0) {
        end_probe(a, latency);
    } else {
        learn_baseline(a, latency);
        a->refused_hold -= a->refused_hold > 0;
        may_grow = !is_above(a, latency, GROW_UP_TO);
        if (!may_grow && a->cut_at != 0 && !is_helped(a, latency))
            doubt(a, latency);
        else if (!may_grow && a->window == a->min)
            believe_floor(a, latency);
        else if (is_above(a, latency, CUT_ABOVE))
            cut_for_latency(a, latency);
        else
            go_on(a, may_grow);
    }
    begin_epoch(a, now);
}

uint64_t rl__adaptive_sample(struct rl__adaptive *a, const struct rl__adaptive_sample *sample,
                             rl_time now)
{
    if (sample->outcome == RL__ADAPTIVE_NEUTRAL || sample->started_at <= a->since)
        return a->window;
    a->peak = rl__max(a->peak, sample->in_flight);
    if (sample->outcome == RL__ADAPTIVE_OVERLOADED) {
        cut_for_refusal(a, sample->in_flight, now);
        return a->window;
    }
    keep(a, sample->latency);
    if (a->seen >= epoch_length(a))
        judge(a, now);
    return a->window;
}
