/* SPDX-License-Identifier: MIT */
/* The context from inside. It owns the order of steps and no arithmetic.
 *
 * Locks nest: context.reloading, context.lock, registry.lock, a provider's learning lock, a
 * shard of tenants. None is
 * held in a callback of the user's. */
#ifndef LLMRL_SRC_CONTEXT_H
#define LLMRL_SRC_CONTEXT_H

#include "base/cheap_clock.h"
#include "base/sync.h"
#include "context/config.h"
#include "context/wait_fd.h"
#include "flow/queue.h"
#include "provider/charge.h"
#include "scope/permit.h"
#include "scope/registry.h"

#include <llmrl/queue.h>

/* Somebody who waits: a thread that is blocked, or a submitted attempt. */
struct rl__party {
    struct rl__waiter waiter;
    struct rl__condition wake; /* of a blocked thread */
    int blocking, done;
    rl_time turn;  /* of a blocked thread: when it may be its turn, as was guessed when it came */
    rl_time armed; /* until when it sleeps at most; 0: it is awake, or being woken */
    rl_permit *permit;
    struct rl__party *next_blocked, *previous_blocked;
    /* Of a submitted attempt: */
    rl_attempt *attempt;
    rl_attempt_fn fn;
    void *user;
    rl_time ask_deadline;
    struct rl__routes *routes; /* owned; NULL: there is but one */
    unsigned turns;            /* how often it was sent elsewhere */
    struct rl__party *next_ready;
};

struct rl_context {
    struct rl__env env;
    rl_clock clock;                 /* rl__about_now() */
    rl_token_counter *count_tokens; /* the user's; NULL: none */
    void *count_tokens_user;
    struct rl__config *config;  /* in force: rl__settings(). Older ones behind it, until the end */
    struct rl__mutex reloading; /* one change of the configuration at a time */
    struct rl__registry registry;
    void (*on_event)(void *user, const rl_event *event); /* NULL: none */
    void *event_user;
    uint64_t (*classify)(void *user, const rl_retry_result *result, uint64_t action);
    void *classify_user;
    rl_retry_budget retry_budget; /* asked if the settings say so */
    struct rl__mutex lock;
    int lock_ready, registry_ready;
    struct { /* under `lock` */
        struct rl__queue queue;
        struct rl__party *blocked;            /* threads in rl_acquire(), newest first */
        struct rl__wait_fd *wait_fd;          /* NULL: nobody has asked for it */
        struct rl__party *ready, **ready_end; /* submitted ones that are done, in order */
        size_t inside;                        /* blocked threads that have not left yet */
        int closing;
        struct rl__condition left; /* the last one has */
    } locked;
    struct { /* each atomic */
        uint64_t answers, successes, refusals, errors, retries;
        uint64_t over_budget, fallbacks;
        uint64_t input_tokens, output_tokens, ignored, learned;
    } count;
};

/* acquire: pairs with rl__config_publish(). Good until rl_close(). */
static inline const struct rl__config *rl__settings(const rl_context *rl)
{
    return __atomic_load_n(&rl->config, __ATOMIC_ACQUIRE);
}

/* Not NULL, and no copy in a child of fork(). Doors that may meet a lock ask the first, those of
 * each request the second. */
static inline int rl__is_ours(const rl_context *rl)
{
    return rl != NULL && !rl__env_is_forked(&rl->env);
}
static inline int rl__seems_ours(const rl_context *rl)
{
    return rl != NULL && !rl__env_seems_forked(&rl->env);
}

/* For those who neither wait nor plan. Never ahead of rl__now(), and behind by RL__NOW_BEHIND at
 * most: so who is refused for no longer than that asks again by the precise time. */
#define RL__NOW_BEHIND (UINT64_C(2) * RL__TSC_ERROR)
static inline rl_time rl__about_now(rl_context *rl)
{
    return rl__clock_floor(&rl->clock);
}

/* ---- acquire.c ---- */
struct rl__ask { /* a request, read and checked */
    struct rl__lane *lane;
    const struct rl__traits *traits;
    struct rl__who who;
    struct rl__cost cost;
    uint64_t level, share; /* see struct rl__waiter */
    rl_ticket *ticket;     /* NULL: none */
    rl_time expires;
    rl_status expired;
    rl_time deadline;  /* RL_NEVER: none */
    uint64_t fallback; /* an rl_fallback */
    uint64_t affinity; /* a hash, the same in every process; 0: none */
};
/* Reads a request; `started` is when its deadline began to run. */
rl_status rl__ask_read(rl_context *rl, const rl_request *request, rl_time started, rl_time now,
                       struct rl__ask *ask);
/* Asks, and waits as the request allows; `not_before` and `sequence` come from earlier attempts, 0:
 * none. `now` comes in as the time, and goes out as it is then: after RL_E_CLOSED the context may
 * be gone already, and must not be asked for it. */
rl_status rl__acquire(rl_context *rl, const struct rl__ask *ask, rl_time not_before,
                      uint64_t sequence, rl_permit *permit, rl_time *now);
/* Queues a submitted attempt; on RL_OK it will end up among the ready ones, and *place, which is
 * written under `lock`, leads to it. */
rl_status rl__acquire_submit(rl_context *rl, const struct rl__ask *ask, rl_time not_before,
                             struct rl__party *party, struct rl__party **place);
/* What a party asks for. */
void rl__party_lay(struct rl__party *party, const struct rl__ask *ask, rl_time not_before,
                   uint64_t sequence);
/* Something was given back or learned in that lane; by these tenants, too (0: none). */
void rl__poke(rl_context *rl, struct rl__lane *lane, const uint64_t tenant[RL__TENANT_KINDS]);
/* Something has changed for everybody, the configuration included. */
void rl__poke_all(rl_context *rl);
/* Puts `config` in force, whose owner the context is then whatever comes of it: all of it at one
 * moment, or nothing. Under `reloading`. */
rl_status rl__config_follow(rl_context *rl, struct rl__config *config);
/* The plan may have become earlier, or nobody sleeps for all. Under `lock`. */
void rl__plan_changed(rl_context *rl);
/* The same at the end of a dispatch. */
void rl__loop_told(rl_context *rl);
/* Runs the queue and hands out the results. Under `lock`. */
void rl__run_queue_locked(rl_context *rl, rl_time now);

/* ---- observe.c ---- */
/* *streak: how many answers in a row, this one included, were failures of the provider's. */
rl_status rl__observe(rl_context *rl, rl_permit *permit, const rl_response *response,
                      rl_verdict *verdict, uint64_t *streak);

/* ---- options.c ---- */
const struct rl__traits *rl__provider_traits(const struct rl__provider *provider);
int rl__provider_auto_detect(const struct rl__provider *provider);
int rl__provider_respects(const struct rl__provider *provider); /* what answers say of limits */
/* What the configuration in force says of limits that are searched for. */
const struct rl__searching *rl__provider_searching(const rl_context *rl,
                                                   const struct rl__provider *provider);
rl_status rl__furnish_provider(void *user, struct rl__provider *provider);
rl_status rl__furnish_lane(void *user, struct rl__provider *provider, struct rl__lane_node *node,
                           const char *model);
rl_status rl__furnish_global(rl_context *rl);
/* All kinds, or none; but for memory that runs out on the way. */
rl_status rl__furnish_tenants(rl_context *rl, const struct rl__config *config);
/* How the limits of a scope are kept; `setting` is one of `limits`. */
rl_limit rl__limit_shape(rl_context *rl, const struct rl__traits *traits,
                         const struct rl__limits *limits, const struct rl__limit_setting *setting,
                         int of_provider);
/* What the configuration says of a new entry, beside its limit. RL_OK or RL_E_NOMEM. */
rl_status rl__entry_furnish(struct rl__env *env, struct rl__entry *entry,
                            const struct rl__traits *traits,
                            const struct rl__limit_setting *setting, int of_provider);
/* Which settings speak of a model: its own, and those that it shares with others. NULL: none. */
struct rl__model_choice {
    const struct rl__model_settings *own, *shared;
};
struct rl__model_choice rl__model_settings(const struct rl__provider_settings *provider,
                                           const char *model);
/* What a family with those settings is called; NULL: they are of one model. */
const char *rl__family_name(const struct rl__model_settings *settings);

#endif
