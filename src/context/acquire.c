/* SPDX-License-Identifier: MIT */
/* Owns the way in: ask, and wait for one's turn. Blocked threads see to the queue
 * themselves: there is always one among them that sleeps until the next planned time at most, best
 * the one whose turn it is then. When a thread comes it guesses its turn from the prices of those
 * before it, and sleeps until then: if the guess holds, being granted is all that it is
 * woken for. */
#include "context/context.h"

#include "base/arith.h"

#include <string.h>

/* ---- granting ---- */

/* `refusal` NULL: it was not a limiter or a gate. */
static void refuse(rl_permit *permit, rl_time retry_at, const struct rl__refusal *refusal)
{
    memset(permit, 0, sizeof *permit);
    permit->retry_at = retry_at;
    if (refusal != NULL)
        rl__permit_refused(permit, refusal);
}

/* Asks without queueing. `rank` NULL: nobody waits. */
static rl_status try_now(const struct rl__ask *ask, const struct rl__rank *rank, rl_time now,
                         rl_permit *permit)
{
    struct rl__refusal refusal;
    struct rl__taken taken;
    rl_status st = rl__admit(ask->lane, &ask->who, &ask->cost, rank, now, &taken, &refusal);

    if (st == RL_OK)
        rl__permit_start(permit, ask->lane, &ask->who, &ask->cost, &taken, now);
    else
        refuse(permit, refusal.retry_at, &refusal);
    return st;
}

/* Somebody waits; under `lock`. */
static rl_status try_behind(rl_context *rl, const struct rl__ask *ask, rl_time now,
                            rl_permit *permit)
{
    struct rl__rank rank[RL__MODEL_SCOPE];
    rl_time until;

    if (rl->locked.closing) {
        refuse(permit, RL_NEVER, NULL);
        return RL_E_CLOSED;
    }
    if (!rl__queue_is_behind(&rl->locked.queue, ask->lane, &ask->who, ask->level, &until, rank))
        return try_now(ask, rank, now, permit);
    refuse(permit, rl__max(until, now), NULL);
    return RL_WAIT;
}

/* The usual case, nobody waiting, takes no lock. */
static rl_status try_quickly(rl_context *rl, const struct rl__ask *ask, rl_time now,
                             rl_permit *permit)
{
    rl_status st;

    if (rl__load(&rl->locked.queue.count) == 0)
        return try_now(ask, NULL, now, permit);
    if (!rl__is_ours(rl)) {
        refuse(permit, RL_NEVER, NULL);
        return RL_E_INVALID;
    }
    rl__lock(&rl->lock);
    st = try_behind(rl, ask, now, permit);
    rl__unlock(&rl->lock);
    return st;
}

/* ---- the queue's results ---- */

static struct rl__party *party_of(struct rl__waiter *waiter)
{
    return (struct rl__party *)(void *)((char *)waiter - offsetof(struct rl__party, waiter));
}

static void finish(rl_context *rl, struct rl__party *party, rl_time now)
{
    struct rl__waiter *waiter = &party->waiter;

    if (waiter->status == RL_OK)
        rl__permit_start(party->permit, waiter->lane, &waiter->who, &waiter->cost, &waiter->taken,
                         now);
    else
        refuse(party->permit, waiter->retry_at, &waiter->refusal);
    party->done = 1;
    if (party->blocking) {
        rl__wake_one(&party->wake);
        return;
    }
    party->next_ready = NULL;
    *rl->locked.ready_end = party;
    rl->locked.ready_end = &party->next_ready;
}

/* Returns how many. */
static size_t finish_all(rl_context *rl, struct rl__waiter *done, rl_time now)
{
    size_t count = 0;

    for (; done != NULL; count++) {
        struct rl__waiter *next = done->next_done;

        finish(rl, party_of(done), now);
        done = next;
    }
    return count;
}

static rl_time next_planned(const rl_context *rl)
{
    return rl->locked.ready != NULL ? 0 : rl__queue_next(&rl->locked.queue);
}

static void plan_wait_fd(rl_context *rl, int told)
{
    if (rl->locked.wait_fd != NULL)
        rl__wait_fd_plan(rl->locked.wait_fd, &rl->env, next_planned(rl), told);
}

void rl__run_queue_locked(rl_context *rl, rl_time now)
{
    (void)finish_all(rl,
                     rl->locked.closing ? rl__queue_end(&rl->locked.queue, RL_E_CLOSED)
                                        : rl__queue_run(&rl->locked.queue, now),
                     now); /* nobody asks how many */
    plan_wait_fd(rl, 0);
}

/* Best the thread whose turn comes next: it needs no other to be woken by. */
static struct rl__party *sleeper_for(const rl_context *rl)
{
    struct rl__waiter *first = rl__queue_first(&rl->locked.queue);

    return first != NULL && party_of(first)->blocking ? party_of(first) : rl->locked.blocked;
}

/* So much later is cheaper than being woken only to sleep again. */
#define NEAR_ENOUGH (RL_MILLISECOND / 200)

static void see_to(struct rl__party *party, rl_time when)
{
    if (when == RL_NEVER || party->armed <= rl__add_sat(when, NEAR_ENOUGH))
        return;
    party->armed = 0;
    rl__wake_one(&party->wake);
}

/* Whoever would sleep too long is woken, to look again. */
void rl__plan_changed(rl_context *rl)
{
    struct rl__waiter *ends;
    rl_time end;

    plan_wait_fd(rl, 0);
    if (rl->locked.blocked == NULL)
        return;
    see_to(sleeper_for(rl), rl__queue_next_turn(&rl->locked.queue));
    end = rl__queue_next_end(&rl->locked.queue, &ends);
    if (ends != NULL)
        see_to(party_of(ends)->blocking && rl->env.hooks.sleep_until == NULL ? party_of(ends)
                                                                             : sleeper_for(rl),
               end);
}

void rl__loop_told(rl_context *rl)
{
    plan_wait_fd(rl, 1);
    rl__plan_changed(rl);
}

static void lock_if_any_waits(rl_context *rl, int *any)
{
    /* Adding nothing is no mere look: see rl__queue_add(). A waiter that counted itself before is
     * seen here; one that does so later sees what the caller has changed. */
    *any = rl__fetch_add_ordered(&rl->locked.queue.count, 0) != 0 && rl__is_ours(rl);
    if (*any)
        rl__lock(&rl->lock);
}

/* Blocked threads are served here, so that only those are woken who may go. Submitted ones are not:
 * their loop may come to them much later, and what they take counts from the grant. */
static void poked(rl_context *rl)
{
    if (rl->locked.blocked != NULL)
        rl__run_queue_locked(rl, rl__now(&rl->env));
    rl__plan_changed(rl);
    rl__unlock(&rl->lock);
}

void rl__poke(rl_context *rl, struct rl__lane *lane, const uint64_t tenant[RL__TENANT_KINDS])
{
    int any;

    lock_if_any_waits(rl, &any);
    if (!any)
        return;
    rl__queue_poke_lane(&rl->locked.queue, lane, tenant);
    poked(rl);
}

void rl__poke_all(rl_context *rl)
{
    rl_time now = rl__now(&rl->env);

    rl__lock(&rl->lock);
    (void)finish_all(rl, rl__queue_change(&rl->locked.queue, &rl__settings(rl)->queue, now),
                     now); /* nobody asks how many */
    rl__queue_poke(&rl->locked.queue);
    poked(rl);
}

/* ---- blocking ---- */

static void link_blocked(rl_context *rl, struct rl__party *party)
{
    party->next_blocked = rl->locked.blocked;
    if (party->next_blocked != NULL)
        party->next_blocked->previous_blocked = party;
    rl->locked.blocked = party;
    rl->locked.inside++;
}

static void unlink_blocked(rl_context *rl, struct rl__party *party)
{
    if (party->previous_blocked != NULL)
        party->previous_blocked->next_blocked = party->next_blocked;
    else
        rl->locked.blocked = party->next_blocked;
    if (party->next_blocked != NULL)
        party->next_blocked->previous_blocked = party->previous_blocked;
    if (--rl->locked.inside == 0 && rl->locked.closing)
        rl__wake_all(&rl->locked.left);
}

/* A sleep of the user's moves his clock, maybe: only the one whose turn is next may do that. */
static rl_time bed_time(const rl_context *rl, const struct rl__party *party, rl_time now)
{
    if (sleeper_for(rl) == party)
        return rl__queue_next(&rl->locked.queue);
    if (rl->env.hooks.sleep_until != NULL)
        return RL_NEVER;
    return rl__min(party->turn > now ? party->turn : RL_NEVER, party->waiter.expires);
}

static void wait_for_turn(rl_context *rl, struct rl__party *party)
{
    rl_time now = rl__now(&rl->env), until;

    if (rl__queue_next(&rl->locked.queue) <= now) {
        rl__run_queue_locked(rl, now);
        return;
    }
    party->armed = until = bed_time(rl, party, now);
    rl__plan_changed(rl);
    if (party->armed != 0)
        rl__wait_until(&party->wake, &rl->lock, &rl->env, until);
    party->armed = 0;
}

void rl__party_lay(struct rl__party *party, const struct rl__ask *ask, rl_time not_before,
                   uint64_t sequence)
{
    party->waiter.lane = ask->lane;
    party->waiter.who = ask->who;
    party->waiter.cost = ask->cost;
    party->waiter.level = ask->level;
    party->waiter.share = ask->share;
    party->waiter.sequence = sequence;
    party->waiter.not_before = not_before;
    party->waiter.expires = ask->expires;
    party->waiter.expired = ask->expired;
}

/* Into the queue, if it has room. */
static rl_status enter(rl_context *rl, struct rl__party *party, rl_time now)
{
    struct rl__waiter *dropped;
    rl_status st;

    if (rl->locked.closing)
        return RL_E_CLOSED;
    if ((st = rl__queue_make_room(&rl->locked.queue, &party->waiter, &dropped)) != RL_OK)
        return st;
    (void)finish_all(rl, dropped, now); /* nobody asks how many */
    return rl__queue_add(&rl->locked.queue, &party->waiter, now);
}

static rl_status sit_out(rl_context *rl, struct rl__party *party)
{
    rl_time now = rl__now(&rl->env);
    rl_status st = enter(rl, party, now);

    if (st != RL_OK) {
        rl__plan_changed(rl); /* others may have gone for it */
        return st;
    }
    link_blocked(rl, party);
    rl__run_queue_locked(rl, now);
    party->turn = rl__queue_guess(&party->waiter);
    while (!party->done)
        wait_for_turn(rl, party);
    unlink_blocked(rl, party);
    rl__plan_changed(rl); /* for those who stay */
    return party->waiter.status;
}

/* A ticket is looked at and written under `lock` alone. */
static rl_status sit_out_with(rl_context *rl, struct rl__party *party, rl_ticket *ticket)
{
    void *place = party;
    rl_status st;

    if (ticket == NULL)
        return sit_out(rl, party);
    if (ticket->private_[1] != 0)
        return RL_E_CANCELLED;
    if (ticket->private_[0] != 0)
        return RL_E_INVALID; /* another one waits with it */
    memcpy(&ticket->private_[0], &place, sizeof place);
    st = sit_out(rl, party);
    ticket->private_[0] = 0;
    return st;
}

static rl_status acquire_blocking(rl_context *rl, const struct rl__ask *ask, rl_time not_before,
                                  uint64_t sequence, rl_permit *permit, rl_time *now)
{
    struct rl__party party = { .blocking = 1, .permit = permit };
    rl_status st;

    if (!rl__is_ours(rl))
        return RL_E_INVALID;
    if ((st = rl__condition_init(&party.wake)) != RL_OK)
        return st;
    rl__party_lay(&party, ask, not_before, sequence);
    rl__lock(&rl->lock);
    st = sit_out_with(rl, &party, ask->ticket);
    *now = rl__now(&rl->env);
    rl__unlock(&rl->lock);
    rl__condition_deinit(&party.wake);
    if (st == RL_E_NOMEM)
        refuse(permit, RL_NEVER, NULL); /* it has not come to waiting */
    return st;
}

rl_status rl__acquire(rl_context *rl, const struct rl__ask *ask, rl_time not_before,
                      uint64_t sequence, rl_permit *permit, rl_time *now)
{
    rl_status st = RL_WAIT;

    if (not_before <= *now)
        st = try_quickly(rl, ask, *now, permit);
    return st == RL_WAIT ? acquire_blocking(rl, ask, not_before, sequence, permit, now) : st;
}

/* ---- the public doors ---- */

rl_status rl_try_acquire(rl_context *rl, const rl_request *request, rl_permit *permit)
{
    struct rl__ask ask;
    rl_time now;
    rl_status st;

    if (rl == NULL || permit == NULL)
        return RL_E_INVALID;
    now = rl__about_now(rl);
    if ((st = rl__ask_read(rl, request, now, now, &ask)) != RL_OK) {
        refuse(permit, RL_NEVER, NULL);
        return st;
    }
    st = try_quickly(rl, &ask, now, permit);
    if (st == RL_WAIT && permit->retry_at <= now + RL__NOW_BEHIND)
        return try_quickly(rl, &ask, rl__now(&rl->env), permit);
    return st;
}

rl_status rl_acquire(rl_context *rl, const rl_request *request, rl_permit *permit)
{
    struct rl__ask ask;
    rl_time now;
    rl_status st;

    if (rl == NULL || permit == NULL)
        return RL_E_INVALID;
    now = rl__about_now(rl);
    if ((st = rl__ask_read(rl, request, now, now, &ask)) != RL_OK) {
        refuse(permit, RL_NEVER, NULL);
        return st;
    }
    return rl__acquire(rl, &ask, 0, 0, permit, &now);
}

rl_status rl__acquire_submit(rl_context *rl, const struct rl__ask *ask, rl_time not_before,
                             struct rl__party *party, struct rl__party **place)
{
    uint64_t sequence = party->waiter.sequence;
    rl_status st;

    if (!rl__is_ours(rl))
        return RL_E_INVALID;
    rl__party_lay(party, ask, not_before, sequence);
    rl__lock(&rl->lock);
    if ((st = enter(rl, party, rl__now(&rl->env))) == RL_OK)
        *place = party;
    rl__plan_changed(rl);
    rl__unlock(&rl->lock);
    return st;
}

rl_time rl_next_wakeup(rl_context *rl)
{
    rl_time next;

    if (!rl__is_ours(rl))
        return RL_NEVER;
    rl__lock(&rl->lock);
    next = next_planned(rl);
    rl__unlock(&rl->lock);
    return next;
}

/* ---- cancelling ---- */

rl_status rl_ticket_cancel(rl_context *rl, rl_ticket *ticket)
{
    struct rl__party *party;
    void *place;
    int waits;

    if (!rl__is_ours(rl) || ticket == NULL)
        return RL_E_INVALID;
    rl__lock(&rl->lock);
    ticket->private_[1] = 1;
    memcpy(&place, &ticket->private_[0], sizeof place);
    party = place;
    waits = party != NULL && !party->done;
    if (waits) {
        rl__queue_remove(&rl->locked.queue, &party->waiter);
        party->waiter.status = RL_E_CANCELLED;
        party->waiter.retry_at = RL_NEVER;
        finish(rl, party, rl__now(&rl->env));
        poked(rl);
    } else {
        rl__unlock(&rl->lock);
    }
    return waits ? RL_OK : RL_E_NOT_FOUND;
}

size_t rl_cancel_user(rl_context *rl, const char *user)
{
    size_t length = user == NULL ? 0 : strnlen(user, RL__TENANT_ID_MAX + 1), count;
    uint64_t hash;

    if (!rl__is_ours(rl) || length == 0 || length > RL__TENANT_ID_MAX)
        return 0;
    hash = rl__tenant_hash(&rl->registry.key, user, length);
    rl__lock(&rl->lock);
    count = finish_all(rl, rl__queue_remove_user(&rl->locked.queue, hash, RL_E_CANCELLED),
                       rl__now(&rl->env));
    poked(rl);
    return count;
}

int rl_wait_fd(rl_context *rl)
{
    int fd = -1;

    if (!rl__is_ours(rl))
        return -1;
    rl__lock(&rl->lock);
    if (rl->locked.wait_fd == NULL && !rl->locked.closing)
        rl->locked.wait_fd = rl__wait_fd_new(&rl->env);
    if (rl->locked.wait_fd != NULL) {
        fd = rl__wait_fd_number(rl->locked.wait_fd);
        plan_wait_fd(rl, 1);
    }
    rl__unlock(&rl->lock);
    return fd;
}
