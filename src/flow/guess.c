/* SPDX-License-Identifier: MIT */
/* Owns guesses of when one's turn comes: the prices of those before, stretched by how long such
 * prices took lately. Nothing is decided by them but until when a thread sleeps, and which route is
 * tried. */
#include "flow/queue_parts.h"

#include "base/arith.h"

/* A lane's stretch where prices say it all; and the most that is believed. */
#define STRETCH_NONE (UINT64_C(1) << 32)
#define STRETCH_MAX  (STRETCH_NONE << 16)

void rl__guess_came(struct rl__waiter *waiter)
{
    struct rl__lane *lane = waiter->lane;

    waiter->span = rl__admit_span(lane, &waiter->cost);
    lane->waiting++;
    lane->owed += waiter->span;
}

/* What happens while nobody waits says nothing of how long those who wait take. */
void rl__guess_left(const struct rl__waiter *waiter)
{
    struct rl__lane *lane = waiter->lane;

    lane->owed -= waiter->span;
    if (--lane->waiting == 0)
        lane->went_at = 0;
}

static void learn_stretch(struct rl__lane *lane, rl_duration took, rl_duration by_price)
{
    uint64_t stretch = rl__min(rl__mul_div(took, STRETCH_NONE, rl__max(by_price, 1)), STRETCH_MAX);

    lane->stretch = lane->stretch == 0 ? stretch : lane->stretch - lane->stretch / 8 + stretch / 8;
}

/* Measured from one who could go after a sleep to the next such one: what was given back meanwhile,
 * and what others took, is in it. */
void rl__guess_served(struct rl__lane *lane, rl_duration span, rl_time now)
{
    rl_time went_at = rl__min(lane->wake_at, now);

    lane->served += span;
    if (lane->slept_for == 0)
        return;
    if (lane->went_at != 0 && went_at > lane->went_at)
        learn_stretch(lane, went_at - lane->went_at, lane->served);
    lane->went_at = went_at;
    lane->served = lane->slept_for = 0;
}

static rl_duration stretched(const struct rl__lane *lane, rl_duration span)
{
    return lane->stretch == 0 ? span : rl__mul_div(span, lane->stretch, STRETCH_NONE);
}

rl_duration rl__queue_length(const struct rl__lane *lane)
{
    return stretched(lane, lane->owed);
}

rl_time rl__queue_guess(const struct rl__waiter *waiter)
{
    const struct rl__lane *lane = waiter->lane;

    if (lane->due || lane->wake_at == RL_NEVER || !waiter->in_lane)
        return RL_NEVER;
    return rl__add_sat(lane->wake_at, stretched(lane, rl__sub_sat(lane->owed, lane->slept_for)));
}
