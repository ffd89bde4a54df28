/* SPDX-License-Identifier: MIT */
/* Owns the choice among routes. */
#include "flow/route.h"

#include "base/arith.h"

/* The candidates that are asked, in the order in which they are called. */
struct field {
    const struct rl__route_candidate *candidate;
    size_t count;
    const struct rl__route_rules *rules;
    int with_tried;
};

/* Who may be taken at all: of one rank, and of those who start then. */
struct wanted {
    uint64_t rank;
    rl_time start;
};

static int takes_part(const struct field *field, size_t i)
{
    const struct rl__route_candidate *candidate = &field->candidate[i];

    return !candidate->out && (field->with_tried || !candidate->tried);
}

static rl_time start_of(const struct field *field, size_t i)
{
    const struct rl__route_candidate *candidate = &field->candidate[i];
    rl_time start = rl__max(candidate->start, field->rules->now);

    return candidate->tried ? rl__max(start, field->rules->again) : start;
}

static int is_wanted(const struct field *field, size_t i, const struct wanted *wanted)
{
    return takes_part(field, i) && field->candidate[i].rank == wanted->rank &&
           start_of(field, i) == wanted->start;
}

/* ---- by weight ---- */

/* Returns of how many it was picked. */
static size_t pick(const struct field *field, const struct wanted *wanted, size_t *index)
{
    uint64_t total = 0, point;
    size_t many = 0;

    for (size_t i = 0; i < field->count; i++)
        if (is_wanted(field, i, wanted)) {
            total += field->candidate[i].weight;
            many++;
        }
    point = (uint64_t)((rl__u128)field->rules->draw * total >> 64);
    for (size_t i = 0; i < field->count; i++) {
        if (!is_wanted(field, i, wanted))
            continue;
        *index = i;
        if (point < field->candidate[i].weight)
            break;
        point -= field->candidate[i].weight;
    }
    return many;
}

/* ---- at home ---- */

#define LOG_BITS 20

/* 64 - log2(n), in units of 2^-LOG_BITS; n > 0. Squaring a number of [1, 2) moves the next bit of
 * its logarithm before the point. */
static uint64_t below_whole(uint64_t n)
{
    unsigned shift = (unsigned)__builtin_clzll(n);
    uint64_t part = n << shift, log = 63 - shift;

    for (int bit = 0; bit < LOG_BITS; bit++) {
        rl__u128 square = (rl__u128)part * part;
        unsigned carry = (unsigned)(square >> 127);

        log = log << 1 | carry;
        part = (uint64_t)(square >> (63 + carry));
    }
    return (UINT64_C(64) << LOG_BITS) - log;
}

/* SplitMix64's last step: each bit in moves all bits out. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Each candidate draws an exponential time with its weight as the rate; the shortest has the home.
 * So each has its share, and who comes or goes moves nobody else's. Source: weighted rendezvous
 * hashing, Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998). */
static int find_home(const struct field *field, uint64_t rank, size_t *home)
{
    uint64_t best = 0, best_weight = 0;

    for (size_t i = 0; i < field->count; i++) {
        const struct rl__route_candidate *candidate = &field->candidate[i];
        uint64_t length;

        if (!takes_part(field, i) || candidate->rank != rank)
            continue;
        length = below_whole(mix(field->rules->affinity + mix(candidate->id)) | 1);
        if (best_weight != 0 && length * best_weight >= best * candidate->weight)
            continue;
        best = length;
        best_weight = candidate->weight;
        *home = i;
    }
    return best_weight != 0;
}

/* ---- the choice ---- */

static int first_rank(const struct field *field, uint64_t *rank)
{
    int any = 0;

    for (size_t i = 0; i < field->count; i++)
        if (takes_part(field, i) && (!any || field->candidate[i].rank < *rank)) {
            *rank = field->candidate[i].rank;
            any = 1;
        }
    return any;
}

/* Of that rank, or of any; of several that start then, the lowest rank. */
static struct wanted earliest(const struct field *field, const uint64_t *rank)
{
    struct wanted best = { UINT64_MAX, RL_NEVER };

    for (size_t i = 0; i < field->count; i++) {
        struct wanted own = { field->candidate[i].rank, start_of(field, i) };

        if (!takes_part(field, i) || (rank != NULL && own.rank != *rank))
            continue;
        if (own.start < best.start || (own.start == best.start && own.rank < best.rank))
            best = own;
    }
    return best;
}

static void choose_in(const struct field *field, uint64_t rank, struct rl__route_choice *choice)
{
    rl_time soon = rl__add_sat(field->rules->now, field->rules->stay);
    struct wanted wanted = earliest(field, &rank);
    size_t home;

    if (field->rules->affinity != 0 && find_home(field, rank, &home) &&
        start_of(field, home) <= soon) {
        choice->index = home;
        choice->start = start_of(field, home);
        choice->reason = RL_ROUTE_AFFINITY;
        return;
    }
    choice->reason = RL_ROUTE_FIRST;
    if (wanted.start > soon) {
        wanted = earliest(field, NULL);
        choice->reason = RL_ROUTE_EARLIEST;
    }
    choice->start = wanted.start;
    if (pick(field, &wanted, &choice->index) > 1 && choice->reason == RL_ROUTE_FIRST)
        choice->reason = RL_ROUTE_WEIGHT;
}

static int any_tried(const struct field *field)
{
    for (size_t i = 0; i < field->count; i++)
        if (field->candidate[i].tried)
            return 1;
    return 0;
}

/* Nobody untried will start before somebody tried could, and none at once. */
static int is_round_over(const struct field *all, const struct rl__route_choice *untried)
{
    return untried->start > rl__add_sat(all->rules->now, all->rules->stay) &&
           earliest(all, NULL).start < untried->start;
}

int rl__route_choose(const struct rl__route_candidate *candidates, size_t count,
                     const struct rl__route_rules *rules, struct rl__route_choice *choice)
{
    struct field untried = { candidates, count, rules, 0 }, all = { candidates, count, rules, 1 };
    struct rl__route_choice own = { .first_start = RL_NEVER };
    uint64_t rank;

    if (count > 0 && !candidates[0].out)
        own.first_start = start_of(&all, 0);
    if (first_rank(&untried, &rank)) {
        choose_in(&untried, rank, &own);
        if (own.reason != RL_ROUTE_AFFINITY && any_tried(&all))
            own.reason = RL_ROUTE_NEXT;
        if (!is_round_over(&all, &own)) {
            *choice = own;
            return 1;
        }
    }
    if (!first_rank(&all, &rank))
        return 0;
    choose_in(&all, rank, &own);
    own.reason = RL_ROUTE_AGAIN;
    own.is_new_round = 1;
    *choice = own;
    return 1;
}

const char *rl_route_reason_name(uint64_t reason)
{
    static const char *const name[] = { "asked",    "first", "weight", "affinity",
                                        "earliest", "next",  "again" };

    return reason <= RL_ROUTE_AGAIN ? name[reason] : "?";
}

const char *rl__route_reason_text(uint64_t reason)
{
    static const char *const text[] = { "as asked by",
                                        "as the first of its chain by",
                                        "by its weight by",
                                        "to stay with its conversation by",
                                        "as the first that could start by",
                                        "as others had failed by",
                                        "once more by" };

    return reason <= RL_ROUTE_AGAIN ? text[reason] : "by";
}
