/* SPDX-License-Identifier: MIT */
/*
 * A limit that nobody names, searched for by what is refused. Pure: (state, what happened, now) ->
 * the rate to go at, and why. One search for each dimension of a scope.
 *
 * - While no rate was ever refused, it doubles each half minute.
 * - A refusal cuts it, once an episode: an episode begins with a refusal of what was sent after
 * the one before had ended, and ends with the first success of what was sent after its cut. So the
 * rest of a burst, and asking again and again at a window that is used up, cost nothing more.
 * - A cut leads below what has passed in the last minute, which no window and no bucket lets lie
 * far above its limit; and remembers the rate that was refused as a wall.
 * - Towards the wall it grows fast first and slowly at the end; then, if there is no wall any more,
 * ever faster: the cubic of CUBIC (RFC 9438), with the wall a little below what was refused, so
 * that it rests there. Back at the wall after `trial`, which takes 200 requests: a refusal each
 * time is less than 1 % of them. But it is 2 minutes at least, 15 at most. It is doubled 3.5
 * minutes after that.
 * - It grows for time in which it held somebody back, and by successes of what was sent after the
 * cut. Nothing but a refusal lowers it; never below the floor, never above the cap.
 *
 * Rates are in thousandths of a unit per minute.
 */
#ifndef LLMRL_SRC_SEARCH_H
#define LLMRL_SRC_SEARCH_H

#include <llmrl/base.h>

#define RL__SEARCH_UNIT   UINT64_C(1000) /* a rate of one unit a minute */
#define RL__SEARCH_MAX    (UINT64_C(1000000000000) * RL__SEARCH_UNIT)
#define RL__SEARCH_WHOLE  UINT64_C(1000000) /* rl__search_rules.factor */
#define RL__SEARCH_FACTOR UINT64_C(900000)

struct rl__search_rules {
    uint64_t factor; /* what a cut leaves, in millionths */
    uint64_t floor;
    uint64_t cap; /* goes before the floor */
};

struct rl__search {
    uint64_t rate;     /* in force */
    uint64_t base;     /* where growth began */
    uint64_t wall;     /* just below the rate that was refused last; 0: none ever was */
    uint64_t refused;  /* the rate that was refused last */
    uint64_t measured; /* what had passed in a minute, at the last cut; 0: none yet */
    rl_duration trial; /* of binding time, from the cut back to the wall */
    rl_duration held;  /* binding time since the cut */
    rl_time cut_at;    /* 0: never cut */
    rl_time seen_at;   /* the last success that counted */
    int in_episode;    /* nothing that was sent after the cut has passed yet */
};

/* What a refusal knows. */
struct rl__search_refusal {
    rl_time sent_at;
    uint64_t measured; /* what has passed in the last minute, whoever held it back */
    uint64_t requests; /* the same in requests: how long 200 of them take */
    int bound;         /* this limit held somebody back at that time */
    int first;         /* there was no limit before: no rate was refused */
};

enum rl__search_step { RL__SEARCH_STAYS, RL__SEARCH_CUT, RL__SEARCH_GROWN };

/* `requests`: a minute, as far as is known; 0: not known. */
void rl__search_start(struct rl__search *search, const struct rl__search_rules *rules,
                      uint64_t rate, uint64_t requests, rl_time now);
enum rl__search_step rl__search_refused(struct rl__search *search,
                                        const struct rl__search_rules *rules,
                                        const struct rl__search_refusal *refusal, rl_time now);
/* A success of what was sent at `sent_at`. `bound`: it has held somebody back lately, see below. */
enum rl__search_step rl__search_passed(struct rl__search *search,
                                       const struct rl__search_rules *rules, rl_time sent_at,
                                       int bound, rl_time now);
/* The rules may have changed. Between floor and cap, whatever happened. */
enum rl__search_step rl__search_bound(struct rl__search *search,
                                      const struct rl__search_rules *rules);
/* How long ago is lately; and the longest time between two successes that counts for growth. */
rl_duration rl__search_lately(const struct rl__search *search);
/* How long to wait after a refusal at least: where requests are few, to ask in vain is dear. */
rl_duration rl__search_pause(const struct rl__search *search);
/* Whether a refusal of what was sent then would be one more of the same episode. */
int rl__search_knows(const struct rl__search *search, rl_time sent_at);

/* ---- what passes ---- */

/* Samples of a counter of what has passed, of the last minute and a little more. Zeroed: new. */
#define RL__METER_SAMPLES 16
struct rl__meter {
    uint64_t count; /* samples that were ever taken */
    struct {
        rl_time at;
        uint64_t passed;
    } sample[RL__METER_SAMPLES];
};

/* Takes one, if it is time. */
void rl__meter_note(struct rl__meter *meter, uint64_t passed, rl_time now);
/* No sample is a minute old. */
int rl__meter_is_young(const struct rl__meter *meter, rl_time now);
/* Of the last `span`, a minute at most, or a little more, as a rate. */
uint64_t rl__meter_lately(const struct rl__meter *meter, uint64_t passed, rl_duration span,
                          rl_time now);
/* Of the last minute, as a rate; what is younger than a minute is not scaled up. */
uint64_t rl__meter_minute(const struct rl__meter *meter, uint64_t passed, rl_time now);

#endif
