/* SPDX-License-Identifier: MIT */
/* Owns the short way to a level. */
#include "limiter/prepared.h"

static int64_t remaining_of(const rl_limiter *limiter, rl_time now)
{
    rl_level level;

    rl_limiter_snapshot(limiter, now, &level);
    return level.remaining;
}

/* Of a bucket that is in debt, or whose limit is being changed, the long way tells. */
static int64_t remaining_in_place(const rl_limiter *limiter, rl_time now)
{
    uint64_t revision = rl__load_acquire(&limiter->revision);
    uint64_t word = rl__load_acquire(&limiter->word[0]);
    uint64_t clock = rl__clock_at(&limiter->plan, now);
    uint64_t used = word > clock ? rl__base_of(&limiter->plan, word, clock) - clock : 0;
    uint64_t scale = rl__load_acquire(&limiter->plan.word[SCALE]);
    uint64_t span = rl__load_acquire(&limiter->plan.word[BURST]) * scale;

    if (revision % 2 != 0 || used > span || scale == 0 || rl__load(&limiter->revision) != revision)
        return remaining_of(limiter, now);
    return (int64_t)((span - used) / scale);
}

int64_t rl__limiter_remaining(const rl_limiter *limiter, rl_time now)
{
    if (limiter->algorithm != &rl__token_bucket || limiter->outside != NULL ||
        limiter->bookings != 0)
        return remaining_of(limiter, now);
    return remaining_in_place(limiter, now);
}
