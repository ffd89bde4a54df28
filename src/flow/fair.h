/* SPDX-License-Identifier: MIT */
/*
 * Who is next, by share: start-time fair queueing by cost. At each place where somebody may have to
 * wait, each level of priority has a virtual time of its own; each key (a user, as a rule) has an
 * account there, which remembers the virtual time at which what it was granted is used up. Next is
 * who starts earliest: max(virtual time, end of the account). Pure.
 * Source: Goyal, Vin, Cheng: "Start-time Fair Queueing", IEEE/ACM Trans. Networking 5 (1997).
 * Bound: of two keys that always have somebody waiting at a place, what they were granted there,
 * each divided by its weight, differs by no more than the largest request of each, so divided.
 */
#ifndef LLMRL_SRC_FAIR_H
#define LLMRL_SRC_FAIR_H

#include "base/heap.h"
#include "base/map.h"

/* One level at one place, which any number may stand for; exists while somebody has joined. */
struct rl__fair_class {
    struct rl__map_node node;
    uint64_t place;
    uint64_t level;
    uint64_t now; /* virtual time: the latest start that was served */
    uint64_t joined;
    struct rl__heap idle; /* accounts that nobody has joined, by end: kept until it has passed */
};

struct rl__account {
    struct rl__map_node node;
    struct rl__fair_class *class;
    uint64_t key;
    uint64_t end;
    uint64_t joined;
    struct rl__heap_node idle;
};

struct rl__fair {
    struct rl__env *env; /* borrowed */
    struct rl__map classes, accounts;
    struct rl__map_node *free_classes, *free_accounts; /* for the next ones */
};

void rl__fair_init(struct rl__fair *fair, struct rl__env *env);
void rl__fair_deinit(struct rl__fair *fair);
/* The account of `key`, kept until it is left. NULL: out of memory; all that follows copes. */
struct rl__account *rl__fair_join(struct rl__fair *fair, uint64_t place, uint64_t level,
                                  uint64_t key);
/* The same, but only where somebody has joined that level already. */
struct rl__account *rl__fair_join_others(struct rl__fair *fair, uint64_t place, uint64_t level,
                                         uint64_t key);
void rl__fair_leave(struct rl__fair *fair, struct rl__account *account);
/* Where one who comes now starts. */
uint64_t rl__fair_start(const struct rl__account *account);
/* One who started there was granted what takes `span` of its share. */
void rl__fair_serve(struct rl__fair *fair, struct rl__account *account, uint64_t start,
                    uint64_t span);

#endif
