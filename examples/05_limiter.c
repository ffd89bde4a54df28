/* SPDX-License-Identifier: MIT */
/* One limiter on its own: pure arithmetic on a few words. The time is an argument, so a day takes
 * no time at all. */
#include <llmrl/limiter.h>

#include <inttypes.h>
#include <stdio.h>

static int failed(const char *what, rl_status status)
{
    fprintf(stderr, "%s: %s (%s)\n", what, rl_status_text(status), rl_status_name(status));
    return 1;
}

int main(void)
{
    rl_limit limit = RL_LIMIT_INIT;
    const char *why = NULL;
    rl_limiter limiter;
    rl_level level;
    rl_status status;
    rl_time now = 0;
    rl_time retry_at;
    uint64_t granted = 0;

    limit.amount = 60; /* a minute, five of them at once */
    limit.period = RL_MINUTE;
    limit.burst = 5;
    if ((status = rl_limit_check(&limit, &why)) != RL_OK)
        return failed(why, status);
    if ((status = rl_limiter_init(&limiter, &limit, now)) != RL_OK)
        return failed("rl_limiter_init", status);

    /* As fast as it allows, for a day of virtual time. */
    while (now < RL_DAY) {
        status = rl_limiter_take(&limiter, 1, now, &retry_at);
        if (status == RL_OK)
            granted++;
        else if (status == RL_WAIT)
            now = retry_at;
        else
            return failed("rl_limiter_take", status);
    }
    printf("%" PRIu64 " granted in a day: 60 a minute and the burst\n", granted);
    if (granted < UINT64_C(60) * 24 * 60 || granted > UINT64_C(60) * 24 * 60 + limit.burst)
        return failed("more or fewer than the limit says", RL_E_INVALID);

    /* Given back is as if it had never been taken; a charge goes into debt if it must. */
    rl_limiter_give_back(&limiter, 2, now);
    rl_limiter_charge(&limiter, 4, now);
    rl_limiter_snapshot(&limiter, now, &level);
    printf("level %" PRId64 " of %" PRIu64 ", full again in %" PRIu64 " ms\n", level.remaining,
           level.burst, level.full_in / RL_MILLISECOND);

    /* More than fits at once: no waiting will help, and that is said at once. */
    status = rl_limiter_take(&limiter, 6, now, &retry_at);
    if (status != RL_E_TOO_LARGE)
        return failed("rl_limiter_take of more than the burst", status);
    printf("6 at once: %s\n", rl_status_text(status));
    return 0;
}
