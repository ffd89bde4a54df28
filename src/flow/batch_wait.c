/* SPDX-License-Identifier: MIT */
/* Owns the threads that wait for their items. One of them, the leader, sleeps until the next batch
 * is due; the others sleep until they are called. Who finds a batch due hands it over himself, and
 * is not in the line of those who can be called meanwhile. */
#include "flow/batch.h"

#include "base/arith.h"

static void link_blocked(rl_batcher *batcher, struct rl__batch_party *party)
{
    party->previous = NULL;
    party->next = batcher->locked.blocked;
    if (party->next != NULL)
        party->next->previous = party;
    batcher->locked.blocked = party;
}

static void unlink_blocked(rl_batcher *batcher, struct rl__batch_party *party)
{
    if (party->previous != NULL)
        party->previous->next = party->next;
    else
        batcher->locked.blocked = party->next;
    if (party->next != NULL)
        party->next->previous = party->previous;
    if (batcher->locked.leader == party)
        batcher->locked.leader = NULL;
}

void rl__batcher_call_leader(rl_batcher *batcher)
{
    struct rl__batch_party *sleeper =
        batcher->locked.leader != NULL ? batcher->locked.leader : batcher->locked.blocked;

    if (sleeper != NULL)
        rl__wake_one(&sleeper->wake);
}

/* While this one is at work somebody else has to look after the next batch. */
static void work(rl_batcher *batcher, struct rl__batch_party *party, rl_time now)
{
    unlink_blocked(batcher, party);
    rl__batcher_call_leader(batcher);
    (void)rl__batcher_run_one(batcher, now);
    link_blocked(batcher, party);
}

static void wait_for_turn(rl_batcher *batcher, struct rl__batch_party *party)
{
    rl_time next = rl__batch_next(&batcher->locked.core);
    rl_time now = rl__max(rl__now(&batcher->env), batcher->locked.core.now);

    if (next != RL_NEVER && next <= now) {
        work(batcher, party, now);
    } else if (batcher->locked.leader != NULL && batcher->locked.leader != party) {
        rl__wait_until(&party->wake, &batcher->lock, &batcher->env, RL_NEVER);
    } else {
        batcher->locked.leader = party;
        rl__wait_until(&party->wake, &batcher->lock, &batcher->env, next);
    }
}

/* Inside, under the lock. */
static void sit_out(rl_batcher *batcher, struct rl__batch_party *party)
{
    link_blocked(batcher, party);
    rl__batcher_call_leader(batcher);
    while (!party->done)
        wait_for_turn(batcher, party);
    unlink_blocked(batcher, party);
    rl__batcher_call_leader(batcher); /* if we led, somebody else has to */
}

rl_status rl_batcher_submit_and_wait(rl_batcher *batcher, void *item, uint64_t tokens,
                                     void **result)
{
    struct rl__batch_party party = { .done = 0 };
    struct rl__batch_place *place;
    rl_status st;

    if (result != NULL)
        *result = NULL;
    if (!rl__batcher_is_ours(batcher) || result == NULL)
        return RL_E_INVALID;
    if ((st = rl__condition_init(&party.wake)) != RL_OK)
        return st;
    rl__batcher_enter(batcher);
    st = rl__batch_add(&batcher->locked.core, item, tokens, rl__now(&batcher->env), &place);
    if (st == RL_OK) {
        place->party = &party;
        sit_out(batcher, &party);
        st = party.status;
        *result = party.result;
    }
    rl__batcher_leave(batcher);
    rl__condition_deinit(&party.wake);
    return st;
}
