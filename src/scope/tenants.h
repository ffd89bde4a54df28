/* SPDX-License-Identifier: MIT */
/*
 * Limits for each of millions: organisations, API keys, users. All tenants of a tier share its
 * rules and plans; what each has of its own is a record of a few words, found by the keyed hash of
 * its id, which is all that is kept of the id. (Two ids that share the 64 bits share their limits:
 * among ten million, a chance of one in 300 000, that nobody without the key can bring about.)
 *
 * Records lie in shards, each under its own lock and growing by itself. A record that equals a
 * fresh one, and has no permit out, is dropped when its shard runs full.
 */
#ifndef LLMRL_SRC_TENANTS_H
#define LLMRL_SRC_TENANTS_H

#include "base/env.h"
#include "base/hash.h"
#include "base/sync.h"
#include "limiter/limiter.h"
#include "scope/rule.h"

#include <llmrl/llmrl.h>

enum rl__tenant_kind { RL__ORGANISATION, RL__API_KEY, RL__USER, RL__TENANT_KINDS };

#define RL__TENANT_ID_MAX    512
#define RL__TENANT_WORDS_MAX 128 /* of one record */
#define RL__TIERS_MAX        65535

/* One limit of a tier. */
struct rl__tier_limit {
    struct rl__rule rule;
    int is_plain; /* it holds back, sets nothing aside, and lends nothing */
    rl_limit limit;
    char *zone; /* owned copy of limit.zone; NULL: none */
    struct rl__made made;
    size_t first; /* word of a record */
    rl_time since;
};

struct rl__tier {
    char *name;
    char *label; /* "user tier premium": for sentences. Good as long as the tenants */
    int given;   /* the configuration speaks of it; else those who have it are "default" */
    uint64_t weight;
    size_t count, words;
    struct rl__tier_limit *limit;
};

/* Which tenant has which tier; those that are not named have tier 0. */
struct rl__assignment {
    uint64_t hash, tier;
};

/* All tiers of one kind: read-only once in use. */
struct rl__tier_set {
    struct rl__env *env;
    struct rl__tier *tier;
    size_t count, words;
    struct rl__assignment *assigned; /* by hash */
    size_t assigned_count;
    size_t borrowed;                   /* so many tiers have their names from the set before */
    int handed_on;                     /* the set after this one has the names */
    const struct rl__tier_set *before; /* while it is in the making: the present one; NULL: none */
    struct rl__tier_set *next_retired;
};

struct rl__record;
struct rl__shard;

struct rl__tenants {
    struct rl__env *env;
    const struct rl__hash_key *key;
    struct rl__tier_set *set;     /* owned; NULL: no limits for this kind */
    struct rl__tier_set *retired; /* replaced by one that memory ran out for */
    struct rl__shard *shard;      /* NULL until there is a set */
    void *shards_raw;             /* owned: what they lie in */
    uint64_t likely_stride;       /* bytes of a record of the set; atomic */
    uint64_t most;                /* tenants at once; atomic */
    uint64_t count;               /* atomic */
    uint64_t hand;                /* the shard to be searched next; atomic */
    struct rl__mutex changing;    /* one change of the set at a time */
    int ready;
};

static inline int rl__tenants_active(const struct rl__tenants *tenants)
{
    return __atomic_load_n(&tenants->set, __ATOMIC_ACQUIRE) != NULL;
}

/* Makes a set for rl__tier_add() and the rest to fill before it is put to use: with the tiers of
 * the present one, but none of their limits, so that an index means the same tier for ever; at
 * least with "default". Of one kind, only one may be in the making. NULL: out of memory. */
struct rl__tier_set *rl__tier_set_new(struct rl__tenants *tenants, const char *kind);
void rl__tier_set_free(struct rl__tier_set *set);
/* The tier of that name, made if need be. */
rl_status rl__tier_get(struct rl__tier_set *set, const char *kind, const char *name,
                       struct rl__tier **out);
/* RL_E_TABLE_FULL: more words than a record may have; or as rl_limiter_init(). */
rl_status rl__tier_add(struct rl__tier_set *set, struct rl__tier *tier, const struct rl__rule *rule,
                       const rl_limit *limit, rl_time now);
rl_status rl__tier_assign(struct rl__tier_set *set, uint64_t hash, long tier);
/* The one that a tenant has. */
size_t rl__tier_of(const struct rl__tier_set *set, uint64_t hash);
/* Whether the set names it. */
int rl__tier_is_assigned(const struct rl__tier_set *set, uint64_t hash);
/* The limit of that tier that counts the same; NULL: none. */
const struct rl__tier_limit *rl__tier_same_limit(const struct rl__tier *tier,
                                                 const struct rl__tier_limit *like);
/* By name; -1: none that is given. */
long rl__tier_index(const struct rl__tier_set *set, const char *name);

rl_status rl__tenants_init(struct rl__tenants *tenants, struct rl__env *env,
                           const struct rl__hash_key *key);
void rl__tenants_deinit(struct rl__tenants *tenants);
/* Puts a set in force, which is the tenants' from here on whatever comes of it; what was used stays
 * used. RL_E_NOMEM: the old one stays. */
rl_status rl__tenants_use(struct rl__tenants *tenants, struct rl__tier_set *set, rl_time now);

/* Until each who held a tenant of this kind when this began has let it go. */
void rl__tenants_pass(struct rl__tenants *tenants);

uint64_t rl__tenant_hash(const struct rl__hash_key *key, const char *id, size_t length);

/* ---- one tenant at a time, under the lock of its shard ---- */

struct rl__held_tenant {
    struct rl__shard *shard; /* NULL: not held */
    struct rl__record *record;
    const struct rl__tier *tier;
    uint64_t word[RL__TENANT_WORDS_MAX]; /* as the record will be, if all agree */
};

/* He will be asked for in a moment: his record, which is seldom near, is called for. */
void rl__tenant_expect(const struct rl__tenants *tenants, uint64_t hash);
/* The index of the tier that is so called now, for rl__tenant_hold(). RL_E_NOT_FOUND. */
rl_status rl__tenant_tier(struct rl__tenants *tenants, uint64_t hash, const char *name,
                          int32_t *tier);
/* The weight of the tier that a tenant has, or would have from `tier` on; at least 1. */
uint64_t rl__tenant_weight(struct rl__tenants *tenants, uint64_t hash, int32_t tier);
/* Finds or makes the record and locks its shard. `tier` -1: the assigned one, else the tenant has
 * that one from now on. RL_E_TABLE_FULL, RL_E_NOMEM: nothing is locked. */
rl_status rl__tenant_hold(struct rl__tenants *tenants, uint64_t hash, int32_t tier, rl_time now,
                          struct rl__held_tenant *held);
/* Only if it exists. 0: it does not, and nothing is locked. */
int rl__tenant_hold_known(struct rl__tenants *tenants, uint64_t hash, struct rl__held_tenant *held);
void rl__tenant_let_go(struct rl__held_tenant *held);

/* A look at a tenant, who need not exist: then as he would begin. To be let go as above. */
struct rl__tenant_view {
    struct rl__held_tenant held;
    uint64_t scratch[2 + RL__TENANT_WORDS_MAX]; /* a record */
};
void rl__tenant_look(struct rl__tenants *tenants, uint64_t hash, int32_t tier, rl_time now,
                     struct rl__tenant_view *view);

/* Takes in held->word, for all limits or up to the one that refuses: *by. Nothing is in force
 * before rl__tenant_commit(). */
rl_status rl__tenant_take(struct rl__held_tenant *held, const struct rl__cost *cost, rl_time now,
                          const struct rl__tier_limit **by, rl_time *retry_at);
void rl__tenant_commit(struct rl__held_tenant *held);
/* Settles what a permit had taken at `at`, in the record itself. 1: something was given back. */
int rl__tenant_settle(struct rl__held_tenant *held, const struct rl__cost *reserved,
                      const struct rl__cost *used, rl_time at, rl_time now);
/* What is left of limit `index`. */
void rl__tenant_level(const struct rl__held_tenant *held, size_t index, rl_time now,
                      rl_level *level);
/* As if it had never asked. */
void rl__tenant_reset(struct rl__held_tenant *held, rl_time now);

#endif
