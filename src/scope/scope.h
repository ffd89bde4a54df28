/* SPDX-License-Identifier: MIT */
/*
 * Scopes and the limiters they hold; lanes, which join the scopes that one kind of request passes.
 *
 * A scope never dies before its context, and an entry never moves: pointers to both stay good.
 * Entries are added at the end and announced by `entry_count` (release), so readers need no lock;
 * whoever adds, or changes a limit, holds the provider's learning lock (provider/learn.h).
 */
#ifndef LLMRL_SRC_SCOPE_H
#define LLMRL_SRC_SCOPE_H

#include "base/arith.h"
#include "base/atomic.h"
#include "base/env.h"
#include "base/heap.h"
#include "scope/rule.h"
#include "scope/search.h"
#include "scope/tenants.h"

#include <llmrl/limiter.h>
#include <llmrl/llmrl.h>

#define RL__SCOPE_ENTRIES 32

/* The scopes of a lane, outermost first. A family is a pattern of models that share its limits. */
enum rl__lane_scope {
    RL__GLOBAL_SCOPE,
    RL__PROVIDER_SCOPE,
    RL__FAMILY_SCOPE,
    RL__MODEL_SCOPE,
    RL__LANE_SCOPES
};

/* Somebody's place in an order, compared like the keys of a heap: level and share, then arrival. */
struct rl__rank {
    uint64_t word[2];
};
static inline int rl__rank_before(const struct rl__rank *a, const struct rl__rank *b)
{
    return a->word[0] != b->word[0] ? a->word[0] < b->word[0] : a->word[1] < b->word[1];
}

struct rl__leases;
struct rl__ledger;

/* What was taken of late: in the present span of time, and in the one before. Atomic. */
struct rl__recent {
    rl_time since;
    uint64_t units, before;
};

/* One limit at work in a scope, with what was learned about it. */
struct rl__entry {
    struct rl__rule rule;
    uint32_t source;    /* an rl_source */
    uint32_t is_bucket; /* a token bucket whose burst learning may move; else only the amount */
    /* That bucket stands for "no more in any period": what comes back late comes back in part.
     * Atomic. */
    uint64_t in_windows;
    rl_duration period;  /* as named; the one in force may be longer */
    uint64_t configured; /* amount that the user set as a cap; RL_NEVER: none */
    const char *origin;  /* static: the built-in table; NULL: none */
    rl_time reset_at;    /* grants made before give nothing back; atomic */
    /* The configuration drops limits, and brings them back; only while registry.revision is odd.
     * Atomic. Generations are those of the registry: a grant of [gap, on) took nothing here, and,
     * while it is off, none from `off` on. Of earlier gaps nothing is remembered. */
    uint64_t is_off;
    uint64_t gap_generation, on_generation, off_generation;
    struct rl__entry *successor; /* while it is off: who counts what it counted; NULL: nobody */
    uint64_t shadowed; /* requests that a limit in shadow mode would have held back; atomic */
    uint64_t *words;   /* owned: a state that is larger than a limiter; else NULL */
    /* Owned: no period, wherever it starts, holds more than the amount, and the limiter is a bucket
     * that paces. NULL: there is the limiter alone. Set before anybody sees the entry. */
    struct rl__ledger *ledger;
    char *zone;                /* owned copy of limit.zone; NULL: none */
    struct rl__leases *leases; /* owned: of a concurrency limit that is, or was, a pool; or NULL */
    rl_limiter limiter;
    rl_limit limit; /* in force; learning lock */
    /* Level changes that were not our own takes and gives: corrections and growth. Signed; atomic.
     */
    uint64_t shift;
    /* Lowered by reports, by so much that may still be given back: no more than it has lacked to be
     * full since. Atomic. */
    uint64_t owes;
    /* Of a bucket that gets something back: what was taken of late; counted only while it is, or
     * has just been, an eighth full, as elsewhere what comes back finds room. */
    rl_time near_full_at;
    struct rl__recent taken;
    /* Where reports are compared: what has left at once, out of more than trickles in. Kept while
     * there is more than `plenty`. */
    uint64_t plenty; /* atomic */
    struct rl__recent rush;
    /* How much the provider's own bucket holds, as reports show; 0: none has yet. Atomic. */
    uint64_t holds;
    /* Who waits here first, so that later ones of other lanes do not pass; all 0: nobody. Queue
     * lock writes, anybody reads. */
    struct rl__rank parked;
    uint64_t parked_until;
    /* A limit that is searched for, beside those that are known: provider/learn_search.c. Learning
     * lock, but for the atomic ones. */
    struct rl__search search;
    int is_searched;   /* it is one; for good */
    uint64_t is_idle;  /* it holds nobody back, and is not shown; atomic */
    uint64_t bound_at; /* when it last held somebody back; atomic */
    /* What learning knows; see learn.c. Learning lock. */
    struct {
        uint64_t reported;     /* the provider's number; 0: none yet */
        uint64_t largest;      /* cost of one request that was seen; 0: none */
        uint64_t doubted;      /* a much smaller one, seen once; 0: none */
        uint64_t proven;       /* the largest cost that the provider let pass */
        uint64_t most;         /* that a report ever showed, the request itself included */
        uint64_t room;         /* what the last report proved beyond our books */
        uint64_t owed;         /* lowered by reports, and not given back yet; see `owes` */
        rl_time owed_at;       /* when it was last lowered */
        uint64_t pace;         /* share of the limit in use, in millionths */
        rl_time growing_since; /* 0: the burst has not begun to grow */
        rl_time grown_at;
        rl_time grow_not_before;
        rl_time cut_at;
        rl_time recovered_at;
        uint64_t cuts;
        int64_t gap;      /* what a report showed above our own books alone */
        rl_time gap_at;   /* when that request was sent; 0: none yet */
        uint64_t drain;   /* units a second that others take */
        int refills;      /* reports show a continuous refill */
        uint64_t watched; /* reports in the present look at it */
        uint64_t watched_from, watched_cost;
        rl_time watched_at;
    } learned;
};

struct rl__scope {
    const char *name;    /* "global", "openai", "openai/gpt-4o-mini" */
    struct rl__env *env; /* of the registry */
    uint64_t entry_count;
    struct rl__entry *entry[RL__SCOPE_ENTRIES]; /* owned */
    struct rl__entry *pool;  /* the one whose units are leases; NULL: none. Changes as limits do */
    uint64_t closed_until;   /* the gate; 0: open. Only ever raised */
    struct rl__heap waiters; /* of a provider: all who wait, who is dropped first. Queue lock */
};

/* Dimensions that are searched: requests and those of tokens. */
#define RL__SEARCHED (RL_OUTPUT_TOKENS + 1)

#define RL__OUTPUT_CLASSES 21 /* the last one: 2^20 tokens and more */

/* A request's way: the scopes it passes, and who waits for it. */
struct rl__lane {
    struct rl__scope
        *scope[RL__LANE_SCOPES]; /* the last two may be NULL: no family, no model named */
    void *provider;              /* context's; opaque here */
    const rl_table_row *guess;   /* what its limits may be while none is known; NULL: no idea */
    struct rl__traffic *traffic; /* of the registry; NULL: the limits never change */
    /* Permits: written for each request, and in no cache line with what is only read then. Atomic.
     * What lies between them is in flight. */
    uint64_t apart[7], granted, ended, apart_as_well[7];
    /* How many may be in flight while no limit is known; RL_NEVER: as many as like. Learning lock
     * writes. */
    uint64_t probe_window;
    /* After a refusal, one is sent to see whether more may: no further grant from this count on,
     * while any is in flight; 0: no bound. Learning lock writes; atomic. */
    uint64_t probe_granted;
    uint64_t probe_credit;    /* answers towards the next step of the window; learning lock */
    rl_time probe_refused_at; /* last refusal; learning lock */
    rl_time probe_cut_at;     /* last narrowing; 0: none yet; learning lock */
    uint64_t failures;        /* in a row, of whatever request; atomic */
    /* For limits that are searched for; learning lock. A request's tokens are in 1/256. */
    struct rl__meter meter;
    uint64_t refused; /* of those granted */
    uint64_t mean[RL__SEARCHED];
    uint64_t blocked;    /* refused so often in a row, each sent after the one before was known */
    rl_time blocked_at;  /* when the last of them was noticed */
    rl_time reopened_at; /* the first success after a window was used up; 0: never */
    uint64_t reopened;   /* what had passed by then */
    uint64_t bare_episodes; /* of refusals, in a row without a success; learning lock */
    rl_time bare_at;        /* when the last of them was noticed; learning lock */
    /* Words of base/quantile.h; learning lock writes. Actual over estimated input; actual over
     * declared output, by the power of two of what was declared. */
    uint64_t input_quantile;
    uint64_t output_quantile[RL__OUTPUT_CLASSES];
    /* Queue lock: */
    struct rl__heap strands;     /* of those who may be asked, by rank */
    struct rl__heap ageing;      /* the same strands, by when they come before all others */
    struct rl__heap_node turn;   /* in the queue's heap of sleeping or due lanes */
    struct rl__entry *parked_at; /* where the head was held back, if a shared place */
    struct rl__rank parked_as;   /* its rank there */
    uint64_t asked_at;         /* the scope that held the head back, + 1; 0: none that is shared */
    struct rl__scope *held_at; /* the scope that has to change before the time; NULL: the lane */
    int held_for_good;         /* until wake_at, whatever happens */
    rl_time wake_at;
    rl_time hopeless_checked; /* waiters that cannot outlast this gate have been told */
    struct rl__lane *next_poked;
    uint64_t waiting; /* in all its strands */
    /* For guesses. Time by price (rl__admit_span()): of those who wait, modulo 2^64; of those
     * served after the first one since it slept; of the one for whom it sleeps, 0: it does not. */
    rl_duration owed, served, slept_for;
    rl_time went_at;  /* when that first one could go; 0: nobody has waited since */
    uint64_t stretch; /* how much longer it takes than by price, lately; 0: not known */
    int due;          /* in the heap of due lanes, else of sleeping ones */
};

/* Whose a request is, beside its lane: hashes of ids, 0: nobody's; tiers that it names, -1: none.
 */
struct rl__who {
    struct rl__tenants *tenants; /* of each kind */
    uint64_t hash[RL__TENANT_KINDS];
    int32_t tier[RL__TENANT_KINDS];
};

/* Who is inside: taking, or settling. Counted in several places, each on a cache line of its own,
 * so that threads do not meet there. */
#define RL__TRAFFIC_SLOTS 16
struct rl__traffic {
    uint64_t revision;     /* of all limits: odd while they are being changed; atomic */
    uint64_t pools;        /* 1: some scope has a pool, or had one; atomic */
    uint64_t leases_ended; /* and their slots taken back, ever; atomic */
    uint64_t unused[5];
    struct {
        uint64_t inside; /* atomic */
        uint64_t unused[7];
    } slot[RL__TRAFFIC_SLOTS];
};

/* The generation of the limits at an even revision. */
#define RL__GENERATION_BITS 30
static inline uint64_t rl__generation_of(uint64_t revision)
{
    return revision / 2 & ((UINT64_C(1) << RL__GENERATION_BITS) - 1);
}
/* Whether `a` is older than `b`, which lie less than half of all generations apart. */
static inline int rl__generation_before(uint64_t a, uint64_t b)
{
    return ((a - b) >> (RL__GENERATION_BITS - 1) & 1) != 0;
}

/* Adds a limiter. RL_E_TABLE_FULL, RL_E_NOMEM, or as rl_limiter_init(). */
rl_status rl__scope_add(struct rl__scope *scope, const struct rl__rule *rule, const rl_limit *limit,
                        uint32_t source, rl_time now, struct rl__entry **out);
/* The same in two steps, of which the second cannot fail while there is room. */
rl_status rl__entry_new(struct rl__env *env, const struct rl__rule *rule, const rl_limit *limit,
                        uint32_t source, rl_time now, struct rl__entry **out);
void rl__entry_free(struct rl__env *env, struct rl__entry *entry);
/* Gives it a ledger; before anybody uses it. */
rl_status rl__entry_open_ledger(struct rl__env *env, struct rl__entry *entry, rl_duration period);
void rl__scope_put(struct rl__scope *scope, struct rl__entry *entry);
/* Frees what it holds. */
void rl__scope_deinit(struct rl__scope *scope);
/* The entry for that dimension and period, none that is searched for; NULL: none. */
struct rl__entry *rl__scope_find(struct rl__scope *scope, uint32_t dimension, rl_duration period);
static inline size_t rl__scope_count(const struct rl__scope *scope)
{
    return (size_t)rl__load_acquire(&scope->entry_count);
}

/* The burst that a limit starts with before anything is known: what 50 ms of its rate give, at
 * least one unit, so that a late wake-up costs nothing. */
uint64_t rl__small_burst(uint64_t amount, rl_duration period);

/* acquire: pairs with the release of whoever switched it. */
static inline int rl__entry_is_off(const struct rl__entry *entry)
{
    return rl__load_acquire(&entry->is_off) != 0;
}

static inline struct rl__entry *rl__entry_successor(const struct rl__entry *entry)
{
    return __atomic_load_n(&entry->successor, __ATOMIC_ACQUIRE);
}

/* Whether it holds back what a provider would refuse for its rate: answers speak of such. */
static inline int rl__entry_paces(const struct rl__entry *entry)
{
    return !entry->rule.shadow && !entry->rule.weighed && entry->rule.dimension <= RL_IMAGES &&
           !rl__entry_is_off(entry) && rl__load(&entry->is_idle) == 0;
}

static inline uint64_t rl__lane_in_flight(const struct rl__lane *lane)
{
    uint64_t ended = rl__load(&lane->ended); /* first: so it is never more than was granted */
    uint64_t granted = rl__load_acquire(&lane->granted);

    return granted > ended ? granted - ended : 0;
}

static inline int64_t rl__entry_shift(const struct rl__entry *entry)
{
    return (int64_t)rl__load(&entry->shift);
}
/* What is left of the amount, where that is kept in a ledger; else what the limiter holds. Reports
 * speak of this. */
int64_t rl__entry_left(const struct rl__entry *entry, rl_time now);
/* How much the bucket holds that a provider keeps, as far as is known: of one whose burst is ours
 * to find, the whole amount is what documents say. */
static inline uint64_t rl__entry_provider_holds(const struct rl__entry *entry)
{
    uint64_t holds = rl__load(&entry->holds);

    return holds != 0 ? holds : rl__load(&entry->limiter.plan.word[entry->is_bucket ? 0 : 2]);
}
/* So long, we think, a request and its answer are on their way at most; and so shortly before one
 * another requests leave that arrive in another order. */
#define RL__ON_THE_WAY (200 * RL_MILLISECOND)
#define RL__OVERTAKEN  (50 * RL_MILLISECOND)
/* What was taken within the last `span` at least, and not long before. */
uint64_t rl__recent_sum(const struct rl__recent *recent, rl_duration span, rl_time now);
void rl__recent_begin(struct rl__recent *recent, rl_duration span, rl_time now);
/* Without a locked instruction: this lies on the way of every acquire. Of two threads that meet
 * here one may be forgotten. */
static inline void rl__recent_add(struct rl__recent *recent, uint64_t units, rl_duration span,
                                  rl_time now)
{
    if (rl__sub_sat(now, rl__load(&recent->since)) >= span)
        rl__recent_begin(recent, span, now);
    rl__store(&recent->units, rl__load(&recent->units) + units);
}
/* What was taken at `at` is not to count any more. */
void rl__recent_drop(struct rl__recent *recent, uint64_t units, rl_duration span, rl_time at,
                     rl_time now);
/* Changes the level by `delta` units, and remembers that it was no take of ours. */
void rl__entry_correct(struct rl__entry *entry, int64_t delta, rl_time now);

#endif
