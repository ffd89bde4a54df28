/* SPDX-License-Identifier: MIT */
/* Owns the life of a permit: started once, ended once. */
#include "scope/permit.h"

#include "base/arith.h"
#include "limiter/prepared.h"
#include "scope/holding.h"
#include "scope/ledger.h"

#include <string.h>

_Static_assert(sizeof(struct rl__grant) <= sizeof(((rl_permit *)0)->private_),
               "a grant must fit its permit");

/* Ten bits for the ratio beyond even, six for the share less one. */
static uint16_t pack_calibration(const struct rl__cost *cost)
{
    uint64_t ratio = rl__min(rl__sub_sat(cost->input_ratio, RL__RATIO_EVEN), 1023);
    uint64_t share = rl__min(rl__max(cost->output_share, 1), RL__SHARE_WHOLE);

    return (uint16_t)(ratio << 6 | (share - 1));
}

static void unpack_calibration(uint16_t packed, struct rl__cost *cost)
{
    cost->input_ratio = (uint64_t)(packed >> 6) + RL__RATIO_EVEN;
    cost->output_share = (uint64_t)(packed & 63) + 1;
}

/* An amount has 54 bits, as RL_AMOUNT_MAX is one of them; the ten above hold a part of the
 * generation. */
#define PART_BITS (RL__GENERATION_BITS / 3)
#define PART_AT   (64 - PART_BITS)
_Static_assert(RL_AMOUNT_MAX >> PART_AT == 0 && 3 * PART_BITS == RL__GENERATION_BITS,
               "an amount and a part fit a word");

static uint64_t with_part(uint64_t amount, uint64_t generation)
{
    return rl__min(amount, RL_AMOUNT_MAX) | generation << PART_AT;
}

static uint64_t amount_in(uint64_t word)
{
    return word & ((UINT64_C(1) << PART_AT) - 1);
}

static uint64_t generation_of(const struct rl__grant *grant)
{
    return grant->input >> PART_AT | grant->output >> PART_AT << PART_BITS |
           grant->money >> PART_AT << 2 * PART_BITS;
}

static unsigned leased(const struct rl__grant *grant)
{
    return grant->tenants >> RL__LEASED_AT;
}

/* Of so many limiters the grant knows the level. */
static size_t snapshots_of(const struct rl__grant *grant)
{
    size_t count = RL__SNAPSHOTS;

    for (unsigned left = leased(grant); left != 0; left &= left - 1)
        count--;
    return count;
}

/* Each pool costs a level that is known. */
static void keep_slots(struct rl__grant *grant, const struct rl__taken *taken)
{
    size_t place = RL__SNAPSHOTS;

    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        if ((leased(grant) >> s & 1) != 0)
            memcpy(&grant->snapshot[--place], &taken->slot[s], sizeof taken->slot[s]);
}
_Static_assert(RL__LANE_SCOPES < RL__SNAPSHOTS, "each scope may have a pool");

void rl__permit_start(rl_permit *permit, struct rl__lane *lane, const struct rl__who *who,
                      const struct rl__cost *cost, const struct rl__taken *taken, rl_time now)
{
    struct rl__grant grant;

    grant.lane = lane;
    grant.input = with_part(cost->amount[RL_INPUT_TOKENS], taken->generation);
    grant.output = with_part(cost->amount[RL_OUTPUT_TOKENS], taken->generation >> PART_BITS);
    grant.money = with_part(cost->amount[RL_MONEY], taken->generation >> 2 * PART_BITS);
    grant.calibration = pack_calibration(cost);
    memcpy(grant.count, taken->count, sizeof grant.count);
    grant.tenants = taken->tenants;
    grant.images = (uint8_t)cost->amount[RL_IMAGES];
    for (size_t k = 0; k < RL__TENANT_KINDS; k++)
        grant.tenant[k] = (taken->tenants >> k & 1) != 0 ? who->hash[k] : 0;
    memcpy(grant.snapshot, taken->snapshot, sizeof grant.snapshot);
    if (leased(&grant) != 0)
        keep_slots(&grant, taken);
    permit->granted_at = now;
    permit->retry_at = RL_NEVER;
    permit->reserved_tokens = cost->amount[RL_TOKENS];
    memcpy(permit->private_, &grant, sizeof grant);
}

void rl__permit_refused(rl_permit *permit, const struct rl__refusal *refusal)
{
    struct rl__refused refused = { .scope = refusal->name,
                                   .by = (uint32_t)refusal->by,
                                   .dimension = refusal->dimension,
                                   .amount = refusal->amount,
                                   .period = refusal->period };

    memcpy(permit->private_, &refused, sizeof refused);
}

/* A permit that was copied and ended twice is counted once too often, unless nothing is in flight:
 * a lane would else seem to have 2^64 in flight. */
static void one_more_ended(struct rl__lane *lane)
{
    uint64_t seen = rl__load(&lane->ended);

    while (seen < rl__load(&lane->granted) && !rl__exchange_if(&lane->ended, &seen, seen + 1))
        ;
}

int rl__permit_take(rl_permit *permit, struct rl__grant *grant, struct rl__cost *cost)
{
    memcpy(grant, permit->private_, sizeof *grant);
    if (grant->lane == NULL)
        return 0;
    *cost = (struct rl__cost){ .amount = { 0 } };
    unpack_calibration(grant->calibration, cost);
    cost->amount[RL_REQUESTS] = 1;
    cost->amount[RL_CONCURRENCY] = 1;
    cost->amount[RL_TOKENS] = permit->reserved_tokens;
    cost->amount[RL_INPUT_TOKENS] = amount_in(grant->input);
    cost->amount[RL__WHOLE_INPUT] = amount_in(grant->input);
    cost->amount[RL_OUTPUT_TOKENS] = amount_in(grant->output);
    cost->amount[RL_MONEY] = amount_in(grant->money);
    cost->amount[RL_IMAGES] = grant->images;
    memset(permit->private_, 0, sizeof permit->private_);
    one_more_ended(grant->lane);
    return 1;
}

/* What was used beyond the reservation becomes debt, but of one period at most: more than a whole
 * limit cannot have passed the provider, and a wrong number must not close us for years. */
static void book(struct rl__entry *entry, uint64_t reserved, uint64_t used, rl_time at, rl_time now)
{
    uint64_t most = rl__load(&entry->limiter.plan.word[0]); /* the amount; see rl_plan */

    used = rl__min(used, rl__add_sat(reserved, most));
    rl_limiter_settle(&entry->limiter, reserved, used, at, now);
    if (entry->ledger != NULL)
        rl__ledger_settle(entry->ledger, reserved, used, at, now);
}

static int settle_tenants(struct rl__holding *holding, const struct rl__cost *reserved,
                          const struct rl__cost *used, rl_time at, rl_time now)
{
    int gave = 0;

    for (size_t i = 0; i < holding->count; i++)
        gave |= rl__tenant_settle(&holding->of[i], reserved, used, at, now);
    return gave;
}

/* Whether a grant of that generation took from this entry. */
static int took_from(const struct rl__entry *entry, uint64_t generation)
{
    if (rl__entry_is_off(entry) &&
        !rl__generation_before(generation, rl__load(&entry->off_generation)))
        return 0;
    return !rl__generation_before(generation, rl__load(&entry->on_generation)) ||
           rl__generation_before(generation, rl__load(&entry->gap_generation));
}

/* Who counts now what this entry counted: it may sleep, and keeps its books. */
static struct rl__entry *keeper_of(struct rl__entry *entry)
{
    struct rl__entry *next;

    while (rl__entry_is_off(entry) && (next = rl__entry_successor(entry)) != NULL)
        entry = next;
    return entry;
}

/* What a bucket has, of a unit that is there in part the whole. */
static int64_t level_up(const struct rl__entry *entry, rl_time now)
{
    rl_level level;

    rl_limiter_snapshot(&entry->limiter, now, &level);
    return (int64_t)level.burst -
           (int64_t)rl__min(rl__mul_div(level.full_in, level.limit, entry->limiter.plan.word[1]),
                            RL_AMOUNT_MAX);
}

/* How much of `back` finds no room beside `lately`. The level is reckoned exactly only where a unit
 * matters. */
static uint64_t beyond(const struct rl__entry *entry, uint64_t back, uint64_t lately, rl_time now)
{
    int64_t most = (int64_t)rl__entry_provider_holds(entry) - (int64_t)lately;
    int64_t level = rl__limiter_remaining(&entry->limiter, now);

    if (level + 1 + (int64_t)back <= most)
        return 0;
    if (level >= most)
        return back;
    level = level_up(entry, now);
    return level >= most ? back : rl__sub_sat(back, (uint64_t)(most - level));
}

/* What comes back to a provider's bucket comes before those that are still on their way there have
 * taken theirs, and finds the less room: what would have overflowed there is not given back here.
 * So our level is never above the provider's. Who is answered has arrived, of course. */
static uint64_t overflow(struct rl__entry *entry, uint64_t reserved, uint64_t used, rl_time at,
                         rl_time now)
{
    uint64_t lately;

    if (RL__HAS(entry->limiter.algorithm, settle) || entry->rule.dimension == RL_CONCURRENCY)
        return 0;
    rl__recent_drop(&entry->taken, reserved, RL__ON_THE_WAY, at, now);
    lately = rl__min(rl__recent_sum(&entry->taken, RL__ON_THE_WAY, now), RL_AMOUNT_MAX);
    return lately == 0 ? 0 : beyond(entry, reserved - used, lately, now);
}

/* Where no period may hold more, what was reserved counts in each that was on while the answer was
 * under way, and only in the rest it does not: a bucket gets that share back. */
static uint64_t used_in_periods(struct rl__entry *entry, uint64_t reserved, uint64_t used,
                                rl_time at, rl_time now)
{
    rl_duration gone = rl__min(rl__sub_sat(now, at), entry->period);

    if (used >= reserved || entry->ledger != NULL)
        return used;
    if (rl__load(&entry->in_windows) == 0)
        return used + overflow(entry, reserved, used, at, now);
    if (used == 0)
        return 0; /* it never counted there */
    /* To the nearest: of small requests a unit each would add up. */
    return reserved -
           (rl__mul_div(2 * (reserved - used), entry->period - gone, entry->period) + 1) / 2;
}

/* 1: something came back. */
static int settle_entry(struct rl__entry *entry, const struct rl__cost *reserved,
                        const struct rl__cost *used, rl_time at, rl_time now)
{
    uint64_t before = rl__rule_reserve(&entry->rule, reserved);
    uint64_t after = rl__rule_settle(&entry->rule, used);

    if (before == after)
        return 0;
    if (at < rl__load(&entry->reset_at))
        after = rl__max(after, before);
    after = used_in_periods(entry, before, after, at, now);
    book(entry, before, after, at, now);
    return after < before;
}

static int settle_entries(const struct rl__grant *grant, const struct rl__cost *reserved,
                          const struct rl__cost *used, rl_time at, rl_time now)
{
    uint64_t generation = generation_of(grant);
    int gave = 0;

    for (size_t s = 0; s < RL__LANE_SCOPES; s++)
        for (size_t i = 0; i < grant->count[s]; i++) {
            struct rl__entry *entry = grant->lane->scope[s]->entry[i];

            if (took_from(entry, generation))
                gave |= settle_entry(keeper_of(entry), reserved, used, at, now);
        }
    return gave;
}

/* ---- slots ---- */

/* The entry of that scope that gave it. */
static struct rl__entry *lender_of(const struct rl__grant *grant, size_t s)
{
    uint64_t generation = generation_of(grant);

    for (size_t i = 0; i < grant->count[s]; i++) {
        struct rl__entry *entry = grant->lane->scope[s]->entry[i];

        if (entry->leases != NULL && took_from(entry, generation))
            return entry;
    }
    return NULL;
}

/* Whose lease had ended gets the unit once more, for the settling to give back: so that is as if it
 * did nothing. */
static void end_slots(const struct rl__grant *grant, enum rl__adaptive_outcome outcome, rl_time at,
                      rl_time now)
{
    size_t place = RL__SNAPSHOTS;

    for (size_t s = 0; s < RL__LANE_SCOPES; s++) {
        struct rl__entry *entry, *keeper;
        uint64_t id;

        if ((leased(grant) >> s & 1) == 0)
            continue;
        memcpy(&id, &grant->snapshot[--place], sizeof id);
        if ((entry = lender_of(grant, s)) == NULL || rl__lease_end(entry, id, outcome, now))
            continue;
        keeper = keeper_of(entry);
        if (at >= rl__load(&keeper->reset_at))
            rl_limiter_charge(&keeper->limiter, 1, now);
    }
}

int rl__grant_settle(const struct rl__grant *grant, struct rl__tenants *tenants,
                     const struct rl__cost *reserved, const struct rl__cost *used,
                     enum rl__adaptive_outcome outcome, rl_time at, rl_time now)
{
    int gave = rl__load(&grant->lane->probe_window) != RL_NEVER;
    struct rl__holding holding;
    struct rl__visit visit;

    do
        rl__hold_known(tenants, grant->tenant, &holding);
    while (!rl__holding_enter(&holding, grant->lane, &visit));
    if (leased(grant) != 0)
        end_slots(grant, outcome, at, now);
    gave |= settle_entries(grant, reserved, used, at, now);
    gave |= settle_tenants(&holding, reserved, used, at, now);
    rl__holding_leave(&holding, &visit);
    return gave;
}

static int64_t snapshot_of(const struct rl__grant *grant, const struct rl__entry *entry)
{
    size_t index = 0, known = snapshots_of(grant);

    for (size_t s = RL__LANE_SCOPES - 1; s > RL__GLOBAL_SCOPE; s--)
        for (size_t i = 0; i < grant->count[s] && index < known; i++, index++)
            if (grant->lane->scope[s]->entry[i] == entry)
                return grant->snapshot[index];
    return RL__NO_SNAPSHOT;
}

int64_t rl__grant_level(const struct rl__grant *grant, const struct rl__entry *entry)
{
    int64_t snapshot = snapshot_of(grant, entry);

    if (snapshot == RL__NO_SNAPSHOT)
        return RL__NO_SNAPSHOT;
    return (snapshot - (snapshot & 1)) / 2 + rl__entry_shift(entry);
}

int rl__grant_in_rush(const struct rl__grant *grant, const struct rl__entry *entry)
{
    int64_t snapshot = snapshot_of(grant, entry);

    return snapshot != RL__NO_SNAPSHOT && (snapshot & 1) != 0;
}
