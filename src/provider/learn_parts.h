/* SPDX-License-Identifier: MIT */
/* What the files of learning share. Everything here is called with the learning lock held. */
#ifndef LLMRL_SRC_LEARN_PARTS_H
#define LLMRL_SRC_LEARN_PARTS_H

#include "provider/learn.h"

#define RL__LONG_PERIOD RL_HOUR /* from here on a whole period's worth may go at once */

#define RL__BUNCHING (50 * RL_MILLISECOND) /* arrivals may bunch by this much on their way */

/* ---- learn_limit.c ---- */

/* What goes at once while nothing is proven. */
uint64_t rl__learn_small_burst(const struct rl__entry *entry);
/* The same under a limit that it has not yet. */
uint64_t rl__learn_small_burst_of(const struct rl__entry *entry, const rl_limit *limit);
/* What the numbers known for an entry come to in its present state. */
rl_limit rl__learn_limit(const struct rl__entry *entry, const struct rl__traits *traits);
/* Puts it in force, and books the change of level as none of our own. */
void rl__learn_put(struct rl__entry *entry, const rl_limit *limit, rl_time now);
/* Lets the burst grow by what is due, into `room` at most. RL_NEVER: no report proves any, only
 * documents do. */
void rl__learn_grow(struct rl__entry *entry, uint64_t room, rl_time now);
/* Next to nothing is left. */
int rl__learn_is_binding(const struct rl__entry *entry, rl_time now);
/* The same growth for limits that no answer ever mentions. */
void rl__learn_grow_unreported(struct rl__scope *scope, rl_time now);
/* Makes a burst hold requests as large as the present one. */
void rl__learn_make_room(struct rl__scope *scope, const struct rl__lesson *lesson, rl_time now);

/* ---- learn_report.c ---- */

/* The period that a report is about, as far as that is to be believed. */
rl_duration rl__learn_window(const rl_limit_report *report, const struct rl__traits *traits);
/* Finds or makes the limiter that a report speaks of, and moves it. */
void rl__learn_report(struct rl__lane *lane, const struct rl__grant *grant,
                      const rl_limit_report *report, struct rl__lesson *lesson, rl_time now);

/* ---- learn_refusal.c ---- */

/* Whether a refusal speaks of this limiter. */
int rl__learn_was_hit(const rl_answer *answer, const struct rl__entry *entry,
                      const struct rl__traits *traits);
/* The level is `level` at most when the gate opens. */
void rl__learn_lower_to(struct rl__entry *entry, uint64_t level, rl_time opens, rl_time now);
/* Gives up a small share of the limit and the burst that had grown: once an episode. */
void rl__learn_cut(struct rl__entry *entry, const struct rl__lesson *lesson, rl_time now);
/* Of a ledger: what is not used any more, in millionths. Whom a period that holds no more than the
 * amount is too much weighs periods, and is never kept to the last unit. */
uint64_t rl__learn_left_out(const struct rl__entry *entry);
/* A share that was given up comes back slowly. */
void rl__learn_recover_pace(struct rl__entry *entry, const struct rl__lesson *lesson, rl_time now);

/* ---- learn_search.c ---- */

/* What a success, or a refusal, means for limits that nobody names. */
void rl__search_answer(struct rl__lane *lane, const rl_answer *answer,
                       const struct rl__lesson *lesson, rl_time now);
void rl__search_refusal(struct rl__lane *lane, const rl_answer *answer, struct rl__lesson *lesson,
                        rl_time now);

#endif
