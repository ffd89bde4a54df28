/* SPDX-License-Identifier: MIT */
/*
 * Who waits, in which order, and until when. Pure: (state, event, now) -> who is done. No clock and
 * no lock; memory only for a kind of waiter that was not there before.
 *
 * Waiters of one lane, level, share and tenants form a strand, in order of arrival. A lane asks for
 * the head of its first strand: by level, then share (flow/fair.h), then arrival. If that one is
 * held back by a limit of the lane, the lane sleeps until its time; nobody looks at it before,
 * unless something happened there (rl__queue_poke_lane). Where it is held back at a limiter that
 * other lanes share, those behind it in rank do not pass it there. If it is held back by a limit of
 * its own tenant, its strand steps aside into a hold, and the lane goes on with the next: all
 * strands of that tenant come back one after the other, first the one whose time it is.
 */
#ifndef LLMRL_SRC_QUEUE_H
#define LLMRL_SRC_QUEUE_H

#include "flow/fair.h"
#include "scope/admit.h"

#define RL__LEVEL_NORMAL 128 /* 1 is the first, 255 the last */
#define RL__LEVEL_LAST   255

/* Where a strand may have a rank: the shared scopes, its lane, the holds of its tenants. */
enum rl__place {
    RL__PLACE_LANE = RL__MODEL_SCOPE,
    RL__PLACE_TENANT,
    RL__PLACES = RL__PLACE_TENANT + RL__TENANT_KINDS
};

/* All who are alike to a bound on the number of waiters. */
enum rl__crowd_kind { RL__CROWD_ALL, RL__CROWD_PROVIDER, RL__CROWD_USER, RL__CROWDS };

enum rl__when_full { RL__REJECT_NEW, RL__DROP_LOWEST, RL__DROP_OLDEST };

struct rl__queue_rules {
    uint64_t most[RL__CROWDS]; /* waiters; RL_NEVER: no bound */
    enum rl__when_full when_full;
    int weighted;        /* levels are weights of shares; else strict */
    rl_duration max_age; /* so long behind others, and one comes before them; RL_NEVER: never */
};

struct rl__hold;

struct rl__strand {
    struct rl__map_node node;
    struct rl__lane *lane;
    uint64_t tenant[RL__TENANT_KINDS];
    uint64_t level, share;
    uint64_t weight;
    uint64_t members; /* delayed ones included */
    struct rl__heap waiters;
    struct rl__heap_node turn; /* in its lane, or its hold */
    struct rl__heap_node age;  /* in its lane */
    rl_time since;             /* its head stands before others' since then */
    int aged;
    struct rl__account *account[RL__PLACES]; /* NULL: not needed there yet */
    uint64_t start[RL__PLACES];
    unsigned started;        /* bit n: start[n] is settled */
    struct rl__hold *hold;   /* where it has stepped aside; NULL: it has not */
    struct rl__hold *out_of; /* from where it was let out */
};

/* The strands of one lane that one tenant's limits hold back. */
struct rl__hold {
    struct rl__map_node node;
    struct rl__lane *lane;
    struct rl__heap strands;   /* by rank */
    struct rl__heap_node turn; /* in the queue, by when the first may come out */
    struct rl__strand *out;    /* the one that was let out last; it is still waiting */
    struct rl__hold *next_poked;
};

struct rl__crowd {
    struct rl__map_node node;
    struct rl__heap waiters; /* who is dropped first */
};

struct rl__waiter {
    struct rl__heap_node order;             /* in its strand, or among the delayed */
    struct rl__heap_node expiry;            /* among those whose time ends */
    struct rl__heap_node crowd[RL__CROWDS]; /* each in one, who is dropped first */
    struct rl__crowd *of_user;              /* NULL: nobody's */
    struct rl__strand *strand;
    struct rl__lane *lane;
    struct rl__who who;
    struct rl__cost cost;
    uint64_t level;     /* 0: normal */
    uint64_t share;     /* with whom it shares its share; 0: all those who have none */
    uint64_t sequence;  /* order of arrival; kept over retries */
    rl_time not_before; /* 0: at once */
    rl_time expires;    /* RL_NEVER: never */
    rl_status expired;  /* what to say then */
    int in_lane;        /* in its strand; else delayed, or not queued at all */
    rl_duration span;   /* by its price, when it came */
    /* When it is done: */
    rl_status status;
    rl_time retry_at;
    struct rl__taken taken;
    struct rl__refusal refusal;
    struct rl__waiter *next_done;
};

struct rl__queue {
    struct rl__env *env;
    struct rl__queue_rules rules;
    struct rl__heap delayed;  /* waiters, by not_before */
    struct rl__heap expiries; /* waiters, by expires */
    struct rl__heap sleeping; /* lanes, by wake_at */
    struct rl__heap due;      /* lanes, by the rank of their heads */
    struct rl__heap holds;    /* by when the first may come out */
    struct rl__heap all;      /* waiters, who is dropped first */
    struct rl__fair fair;
    struct rl__map strands, holds_by_key, users;
    struct rl__map_node *free_strands, *free_holds, *free_users; /* for the next ones */
    uint64_t count;         /* waiters in all; also read without the lock */
    uint64_t next_sequence; /* starts at 1; atomic */
};

/* `env` is borrowed. */
void rl__queue_init(struct rl__queue *queue, struct rl__env *env,
                    const struct rl__queue_rules *rules);
void rl__queue_deinit(struct rl__queue *queue);
/* Whether there is room for it, by the rules; those who have to go for it are taken out, with
 * RL_E_DROPPED, and listed in *dropped. RL_E_QUEUE_FULL: nobody was. */
rl_status rl__queue_make_room(struct rl__queue *queue, struct rl__waiter *waiter,
                              struct rl__waiter **dropped);
/* Other rules from now on; those who wait are ordered anew by them. Returns those for whom memory
 * ran out meanwhile. */
struct rl__waiter *rl__queue_change(struct rl__queue *queue, const struct rl__queue_rules *rules,
                                    rl_time now);
/* Puts a waiter in; a sequence of 0 gives it the next one. It is not looked at before
 * rl__queue_run(). RL_E_NOMEM: it is not in. */
rl_status rl__queue_add(struct rl__queue *queue, struct rl__waiter *waiter, rl_time now);
/* Takes it out, wherever it is. */
void rl__queue_remove(struct rl__queue *queue, struct rl__waiter *waiter);
/* Takes out all of a user, with `status`. */
struct rl__waiter *rl__queue_remove_user(struct rl__queue *queue, uint64_t user, rl_status status);
/* Whether one who is not queued would have to wait behind others, and until when at least: *until.
 * Else *rank is where it would stand, at each shared scope. */
int rl__queue_is_behind(const struct rl__queue *queue, const struct rl__lane *lane,
                        const struct rl__who *who, uint64_t level, rl_time *until,
                        struct rl__rank rank[RL__MODEL_SCOPE]);
/* Something happened that may let somebody go earlier than planned: anybody; or those who are held
 * back in a scope of that lane, or by one of these tenants (0: none). */
void rl__queue_poke(struct rl__queue *queue);
void rl__queue_poke_lane(struct rl__queue *queue, struct rl__lane *lane,
                         const uint64_t tenant[RL__TENANT_KINDS]);
/* Lets go who may, tells who cannot; returns the list of those who are done, linked by next_done.
 */
struct rl__waiter *rl__queue_run(struct rl__queue *queue, rl_time now);
/* When rl__queue_run() will next have something to do; RL_NEVER: only after an event. */
rl_time rl__queue_next(const struct rl__queue *queue);
/* The two parts of that: when somebody may go, and when somebody's time ends. */
rl_time rl__queue_next_turn(const struct rl__queue *queue);
rl_time rl__queue_next_end(const struct rl__queue *queue, struct rl__waiter **whose);
/* When the last one of its lane may go, by the prices of those before it, if all goes on as lately;
 * RL_NEVER: no idea. */
rl_time rl__queue_guess(const struct rl__waiter *waiter);
/* How long all who wait in a lane will take in the same way. */
rl_duration rl__queue_length(const struct rl__lane *lane);
/* Who would go then, as far as is known; NULL: nobody is planned. */
struct rl__waiter *rl__queue_first(const struct rl__queue *queue);
/* Ends all of them with `status`. */
struct rl__waiter *rl__queue_end(struct rl__queue *queue, rl_status status);

#endif
