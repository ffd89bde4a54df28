/* SPDX-License-Identifier: MIT */
/* Owns the life of a permit: started once, ended once. */
#include "scope/permit.h"

#include "base/arith.h"

#include <string.h>

_Static_assert(sizeof(struct rl__grant) <= sizeof(((rl_permit *)0)->private_),
               "a grant must fit its permit");

/* Snapshots 0-4 belong to the innermost scope, 5-7 to the provider's: these are what answers speak
 * of. */
static int snapshot_index(const struct rl__lane *lane, size_t scope, size_t entry)
{
    static const int first[RL__LANE_SCOPES] = { -1, 5, 0 };
    static const size_t room[RL__LANE_SCOPES] = { 0, 3, 5 };

    (void)lane;
    return entry < room[scope] ? first[scope] + (int)entry : -1;
}

static void take_snapshots(struct rl__grant *grant, const struct rl__taken *taken, rl_time now)
{
    for (size_t i = 0; i < RL__SNAPSHOTS; i++)
        grant->snapshot[i] = RL__NO_SNAPSHOT;
    for (size_t s = 1; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; i < taken->count[s]; i++) {
            int index = snapshot_index(grant->lane, s, i);
            const struct rl__entry *entry = &grant->lane->scope[s]->entry[i];
            rl_level level;

            if (index < 0)
                break;
            rl_limiter_snapshot(&entry->limiter, now, &level);
            grant->snapshot[index] = level.remaining - rl__entry_shift(entry);
        }
}

void rl__permit_start(rl_permit *permit, struct rl__lane *lane, const struct rl__cost *cost,
                      const struct rl__taken *taken, rl_time now)
{
    struct rl__grant grant = { .lane = lane, .taken = *taken };

    grant.input_ratio = (uint16_t)cost->input_ratio;
    grant.input = cost->amount[RL_INPUT_TOKENS];
    grant.output = cost->amount[RL_OUTPUT_TOKENS];
    take_snapshots(&grant, taken, now);
    permit->granted_at = now;
    permit->retry_at = RL_NEVER;
    permit->reserved_tokens = cost->amount[RL_TOKENS];
    memcpy(permit->private_, &grant, sizeof grant);
}

void rl__permit_refused(rl_permit *permit, const struct rl__refusal *refusal)
{
    struct rl__refused refused = { .by = (uint32_t)refusal->by };

    if (refusal->scope != NULL)
        refused.scope = refusal->scope->name;
    if (refusal->entry != NULL) {
        refused.dimension = refusal->entry->dimension;
        refused.amount = rl__load(&refusal->entry->limiter.plan.word[0]);
        refused.period = refusal->entry->period;
    }
    memcpy(permit->private_, &refused, sizeof refused);
}

/* A permit that was copied and ended twice would else wrap around, and a lane that counts 2^64 in
 * flight admits nobody. */
static void one_less(uint64_t *count)
{
    uint64_t seen = rl__load(count);

    while (seen > 0 && !rl__exchange_if(count, &seen, seen - 1))
        ;
}

int rl__permit_take(rl_permit *permit, struct rl__grant *grant, struct rl__cost *cost)
{
    memcpy(grant, permit->private_, sizeof *grant);
    if (grant->lane == NULL)
        return 0;
    cost->amount[RL_REQUESTS] = 1;
    cost->amount[RL_TOKENS] = permit->reserved_tokens;
    cost->amount[RL_INPUT_TOKENS] = grant->input;
    cost->amount[RL_OUTPUT_TOKENS] = grant->output;
    cost->input_ratio = grant->input_ratio;
    memset(permit->private_, 0, sizeof permit->private_);
    one_less(&grant->lane->in_flight);
    return 1;
}

/* What was used beyond the reservation becomes debt, but of one period at most: more than a whole
 * limit cannot have passed the provider, and a wrong number must not close us for years. */
static void book(struct rl__entry *entry, uint64_t reserved, uint64_t used, rl_time now)
{
    uint64_t most = rl__load(&entry->limiter.plan.word[0]); /* the amount; see rl_plan */

    if (used > reserved)
        rl_limiter_charge(&entry->limiter, rl__min(used - reserved, most), now);
    else if (used < reserved)
        rl_limiter_give_back(&entry->limiter, reserved - used, now);
}

void rl__grant_settle(const struct rl__grant *grant, const struct rl__cost *reserved,
                      const struct rl__cost *used, rl_time now)
{
    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; i < grant->taken.count[s]; i++) {
            struct rl__entry *entry = &grant->lane->scope[s]->entry[i];

            book(entry, reserved->amount[entry->dimension], used->amount[entry->dimension], now);
        }
}

int64_t rl__grant_level(const struct rl__grant *grant, const struct rl__entry *entry)
{
    for (size_t s = 1; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; i < grant->taken.count[s]; i++) {
            int index = snapshot_index(grant->lane, s, i);

            if (&grant->lane->scope[s]->entry[i] != entry)
                continue;
            if (index < 0 || grant->snapshot[index] == RL__NO_SNAPSHOT)
                return RL__NO_SNAPSHOT;
            return grant->snapshot[index] + rl__entry_shift(entry);
        }
    return RL__NO_SNAPSHOT;
}
