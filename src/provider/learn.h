/* SPDX-License-Identifier: MIT */
/*
 * Learning from answers. Pure: state in the lane and its scopes, the grant, the answer, the time.
 * The caller holds the provider's learning lock; admission goes on meanwhile.
 *
 * How it follows a provider:
 *
 * - A report that names a limit creates a limiter for it, or moves the one that is there: at once,
 * never above a cap that the user set.
 * - `remaining` speaks of the moment at which the request arrived. It is compared with what our own
 * books showed right after that request's grant, corrections since then included: so what we have
 * in flight, and what was sent later, is accounted for by send order. What is missing has been used
 * by a neighbour on the same key, and is charged.
 * - The burst begins small. It grows only into room that reports prove, while the limit binds: in
 * the first two seconds by 10 % of the rate, which shows whether a minute's limit is in truth
 * enforced by the second; then ever faster. A refusal ends that, and it is tried again only minutes
 * later.
 * - A refusal closes the gate; when it opens, each limiter that was hit holds just enough for one
 * request, so the traffic reopens paced. If the books had said yes, our share of the limit shrinks
 * by 1 %: once for all refusals of requests that were sent before that cut.
 * - While nothing is known, few requests are in flight: the number grows with each answer, halves
 * with each episode of refusals; after one it begins again with a single request.
 * - Where refusals come and nobody names a limit, one is searched for: scope/search.h. It ends as
 * soon as an answer names one.
 */
#ifndef LLMRL_SRC_LEARN_H
#define LLMRL_SRC_LEARN_H

#include "provider/charge.h"
#include "scope/permit.h"

#define RL__PROBE_WINDOW_FIRST 4
#define RL__PACE_WHOLE         1000000 /* the whole limit is in use; see rl__entry.learned.pace */

/* What the user says of limits that are searched for. */
struct rl__searching {
    int given; /* the configuration speaks of it: then beside limits that it names, too */
    int enabled;
    uint64_t factor;                   /* what a cut leaves, in millionths */
    uint64_t minimum_rpm, minimum_tpm; /* units a minute */
    uint64_t initial_rpm, initial_tpm; /* 0: none before the first refusal */
};

struct rl__lesson {
    const struct rl__traits *traits;
    int auto_detect; /* create limiters from reports */
    int sole_model;  /* the provider's own limits speak of this one model */
    rl_time sent_at;
    struct rl__cost cost; /* what was reserved */
    const struct rl__searching *searching;
    int is_searched;  /* refusals move a limit that is searched for; rl__learn_refusal() sets it */
    int passed;       /* it was a success; rl__learn_answer() sets it */
    uint64_t learned; /* out: limits found or changed */
};

/* The limit to put in force for `amount` units per `period` before anything is known of bursts. */
rl_limit rl__limit_first(const struct rl__traits *traits, uint64_t amount, rl_duration period);

/* Where no provider's documents say how its tokens are kept, none of them may be refused: whether
 * it is by a bucket that refills and holds the whole amount, or hardly more than two requests; by
 * windows, wherever those begin; or by a log. A ledger keeps it in any period to the amount, and a
 * bucket before that paces. Nothing less would do, and it gives the whole amount in each period,
 * but for the 1/300 by which a ledger is late and what arrivals may bunch by. A provider that
 * weighs its last window by the share of it that is near may refuse a little even then: it does so
 * to who keeps its limit, and a refusal slows the pace. Of requests, a unit each, a bucket alone
 * does. */
int rl__limit_wants_ledger(const struct rl__traits *traits, uint32_t dimension, rl_duration period);
/* The limit to put in force before it, and the period of the ledger. */
rl_limit rl__limit_paced(uint64_t amount, rl_duration period);

/* The number itself: what was set or reported, the smaller of both. */
uint64_t rl__learn_amount(const struct rl__entry *entry);

void rl__learn_answer(struct rl__lane *lane, const struct rl__grant *grant, const rl_answer *answer,
                      struct rl__lesson *lesson, rl_time now);
/* A refusal; the gate stays closed until `opens`. */
void rl__learn_refusal(struct rl__lane *lane, const struct rl__grant *grant,
                       const rl_answer *answer, struct rl__lesson *lesson, rl_time opens,
                       rl_time now);

/* Limits that the configuration has begun with; nobody uses the lane yet. The statuses are those of
 * rl__scope_add(). Under the learning lock, as the next one. */
rl_status rl__search_initial(struct rl__lane *lane, const struct rl__searching *searching,
                             rl_time now);
/* How long to wait at least after a refusal that says no time; under the learning lock. */
rl_duration rl__search_pause_of(const struct rl__lane *lane);
/* Ends those that are not wanted any more. */
void rl__search_review(struct rl__lane *lane, const struct rl__searching *searching,
                       int auto_detect, rl_time now);

#endif
