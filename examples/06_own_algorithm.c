/* SPDX-License-Identifier: MIT */
/* An algorithm of your own: "every_other" lets one request pass in each half of a period, however
 * large, and one only. It needs no change in the library: a limit finds it by name. */
#include <llmrl/limiter.h>

#include <inttypes.h>
#include <stdio.h>

/* One word of state: the moment from which the next may leave. */

static rl_status prepare(const rl_limit *limit, rl_plan *plan, const char **why)
{
    if (limit->amount == 0) {
        *why = "every_other lets something pass, always";
        return RL_E_INVALID;
    }
    plan->word[0] = limit->amount;
    plan->word[1] = limit->period;
    plan->word[2] = limit->burst != 0 ? limit->burst : limit->amount;
    plan->word[3] = limit->period / 2; /* the rest is ours */
    return RL_OK;
}

static void start(const rl_plan *plan, uint64_t *word, rl_time now)
{
    (void)plan;
    *word = now;
}

static rl_status take(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                      rl_time *retry_at)
{
    if (cost > plan->word[2])
        return RL_E_TOO_LARGE;
    if (now < *word) { /* a clock that steps back earns nothing */
        *retry_at = *word;
        return RL_WAIT;
    }
    *word = now + plan->word[3];
    return RL_OK;
}

static void give_back(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    (void)plan, (void)amount;
    *word = now < *word ? now : *word;
}

static void charge(const rl_plan *plan, uint64_t *word, uint64_t amount, rl_time now)
{
    (void)amount;
    *word = (now > *word ? now : *word) + plan->word[3];
}

static void set_level(const rl_plan *plan, uint64_t *word, int64_t level, rl_time at)
{
    *word = level > 0 ? at : at + plan->word[3];
}

static void snapshot(const rl_plan *plan, const uint64_t *word, rl_time now, rl_level *level)
{
    level->limit = plan->word[0];
    level->burst = plan->word[2];
    level->remaining = now < *word ? 0 : (int64_t)plan->word[2];
    level->full_in = now < *word ? *word - now : 0;
}

static void carry(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    (void)before, (void)after, (void)word, (void)now; /* the moment stays as it is */
}

static const rl_algorithm every_other = {
    .size = sizeof(rl_algorithm),
    .name = "every_other",
    .words = 1,
    .prepare = prepare,
    .start = start,
    .take = take,
    .give_back = give_back,
    .charge = charge,
    .set_level = set_level,
    .snapshot = snapshot,
    .carry = carry,
};

static int failed(const char *what, rl_status status)
{
    fprintf(stderr, "%s: %s (%s)\n", what, rl_status_text(status), rl_status_name(status));
    return 1;
}

int main(void)
{
    static const rl_algorithm *const own[] = { &every_other, NULL };
    rl_limit limit = RL_LIMIT_INIT;
    const char *why = NULL;
    uint64_t words[16];
    rl_limiter limiter;
    rl_status status;
    rl_time at = 0;

    limit.algorithm = "every_other";
    limit.algorithms = own; /* by name; rl_limiter_init_with() takes it directly */
    limit.amount = 10;
    limit.period = RL_SECOND;
    limit.bookings = 3; /* works with every algorithm: the library keeps the list */
    if ((status = rl_limit_check(&limit, &why)) != RL_OK)
        return failed(why, status);
    if ((status = rl_limiter_init_at(&limiter, &limit, words, 16, 0)) != RL_OK)
        return failed("rl_limiter_init_at", status);
    for (int i = 0; i < 4; i++) {
        if ((status = rl_limiter_reserve(&limiter, 7, 0, RL_NEVER, &at)) != RL_OK)
            return failed("rl_limiter_reserve", status);
        printf("request %d leaves at %" PRIu64 " ms\n", i + 1, at / RL_MILLISECOND);
    }
    if (at != 3 * RL_SECOND / 2)
        return failed("not the time that the algorithm says", RL_E_INVALID);
    status = rl_limiter_reserve(&limiter, 7, 0, RL_NEVER, &at);
    if (status != RL_E_TABLE_FULL)
        return failed("a fourth booking", status);

    limit.algorithms = NULL; /* nobody else knows it: nothing is global */
    if (rl_limit_check(&limit, &why) != RL_E_NOT_FOUND)
        return failed("without the list", RL_E_INVALID);
    printf("without the list: %s\n", why);
    return 0;
}
