/* SPDX-License-Identifier: MIT */
/* Owns the batcher's doors: options, memory, the lock, and who is told what. */
#include "flow/batch.h"

#include "base/arith.h"
#include "base/sized.h"

#define MAX_ITEMS     65536
#define MAX_IN_FLIGHT 1024
#define MAX_WAITING   (UINT64_C(1) << 20)

/* ---- making and freeing ---- */

static uint64_t bound_or_none(uint64_t bound)
{
    return bound == 0 ? UINT64_MAX : bound;
}

static rl_status read_options(const rl_batcher_options *options, rl_batcher_options *own)
{
    rl_status st;

    if (options == NULL)
        return RL_E_INVALID;
    *own = RL_BATCHER_OPTIONS_INIT;
    if ((st = rl__copy_sized(own, sizeof *own, options, options->size)) != RL_OK)
        return st;
    own->max_items = own->max_items == 0 ? 10 : own->max_items;
    own->max_tokens = bound_or_none(own->max_tokens);
    own->max_wait = own->max_wait == 0 ? 100 * RL_MILLISECOND : own->max_wait;
    own->max_in_flight = own->max_in_flight == 0 ? 1 : own->max_in_flight;
    own->max_waiting = own->max_waiting == 0 ? rl__max(1024, own->max_items) : own->max_waiting;
    own->max_waiting_tokens = bound_or_none(own->max_waiting_tokens);
    if (own->run == NULL || own->max_items > MAX_ITEMS || own->max_in_flight > MAX_IN_FLIGHT ||
        own->max_waiting > MAX_WAITING || own->max_waiting < own->max_items)
        return RL_E_INVALID;
    if (own->max_tokens != UINT64_MAX && own->max_waiting_tokens < own->max_tokens)
        return RL_E_INVALID;
    return RL_OK;
}

static void lay_core(struct rl__batch_core *core, const rl_batcher_options *own)
{
    core->max_items = own->max_items;
    core->max_tokens = own->max_tokens;
    core->max_wait = own->max_wait;
    core->max_in_flight = own->max_in_flight;
    core->max_waiting = own->max_waiting;
    core->max_waiting_tokens = own->max_waiting_tokens;
    core->places = (size_t)(own->max_waiting + own->max_in_flight * own->max_items);
}

static rl_status take_memory(rl_batcher *batcher)
{
    struct rl__batch_core *core = &batcher->locked.core;
    size_t in_batches = (size_t)(core->max_in_flight * core->max_items);

    core->place = rl__alloc_zeroed(&batcher->env, core->places, sizeof *core->place);
    core->record =
        rl__alloc_zeroed(&batcher->env, (size_t)core->max_in_flight, sizeof *core->record);
    batcher->place_memory = rl__alloc_zeroed(&batcher->env, in_batches, sizeof(void *));
    batcher->item_memory = rl__alloc_zeroed(&batcher->env, in_batches, sizeof(void *));
    if (core->place == NULL || core->record == NULL || batcher->place_memory == NULL ||
        batcher->item_memory == NULL)
        return RL_E_NOMEM;
    for (size_t i = 0; i < core->max_in_flight; i++) {
        core->record[i].place = batcher->place_memory + i * (size_t)core->max_items;
        core->record[i].item = batcher->item_memory + i * (size_t)core->max_items;
    }
    rl__batch_core_start(core);
    return RL_OK;
}

static void free_memory(rl_batcher *batcher)
{
    struct rl__env env = batcher->env;

    rl__free(&env, batcher->locked.core.place);
    rl__free(&env, batcher->locked.core.record);
    rl__free(&env, batcher->place_memory);
    rl__free(&env, batcher->item_memory);
    rl__free(&env, batcher);
}

rl_status rl_batcher_new(const rl_batcher_options *options, rl_batcher **out)
{
    rl_batcher_options own;
    struct rl__env env;
    rl_batcher *batcher;
    rl_status st;

    if (out == NULL)
        return RL_E_INVALID;
    *out = NULL;
    if ((st = read_options(options, &own)) != RL_OK ||
        (st = rl__env_init(&env, own.hooks)) != RL_OK)
        return st;
    if ((batcher = rl__alloc_zeroed(&env, 1, sizeof *batcher)) == NULL)
        return RL_E_NOMEM;
    batcher->env = env;
    batcher->run = own.run;
    batcher->ended = own.ended;
    batcher->user = own.user;
    lay_core(&batcher->locked.core, &own);
    if ((st = take_memory(batcher)) == RL_OK)
        st = rl__mutex_init(&batcher->lock);
    if (st != RL_OK)
        free_memory(batcher);
    else
        *out = batcher;
    return st;
}

void rl__batcher_enter(rl_batcher *batcher)
{
    rl__lock(&batcher->lock);
    batcher->locked.inside++;
}

void rl__batcher_leave(rl_batcher *batcher)
{
    int last = --batcher->locked.inside == 0 && batcher->locked.freed &&
               batcher->locked.core.in_flight == 0;

    rl__unlock(&batcher->lock);
    if (!last)
        return;
    rl__mutex_deinit(&batcher->lock);
    free_memory(batcher);
}

/* ---- telling ---- */

void rl__batcher_tell(rl_batcher *batcher, const struct rl__batch_place *place, void *result)
{
    struct rl__batch_party *party = place->party;
    void *own = place->status == RL_OK ? result : NULL;

    if (party == NULL) {
        batcher->ended(place->item, place->status, own, batcher->user);
        return;
    }
    rl__lock(&batcher->lock);
    party->done = 1;
    party->status = place->status;
    party->result = own;
    rl__wake_one(&party->wake);
    rl__unlock(&batcher->lock);
}

/* Under the lock, which is free while somebody is told. */
static void tell_one(rl_batcher *batcher, struct rl__batch_place *place)
{
    rl__unlock(&batcher->lock);
    rl__batcher_tell(batcher, place, NULL);
    rl__lock(&batcher->lock);
    rl__batch_release(&batcher->locked.core, place);
}

static void tell_all(rl_batcher *batcher, struct rl__batch_record *record, void *const *results)
{
    rl__unlock(&batcher->lock);
    for (size_t i = 0; i < record->count; i++)
        rl__batcher_tell(batcher, record->place[i], results != NULL ? results[i] : NULL);
    rl__lock(&batcher->lock);
    rl__batch_release_record(&batcher->locked.core, record);
    rl__batcher_call_leader(batcher);
}

/* ---- the public doors ---- */

rl_status rl_batcher_add(rl_batcher *batcher, void *item, uint64_t tokens, rl_time now,
                         uint64_t *ticket, rl_time *next)
{
    struct rl__batch_place *place;
    rl_status st;

    if (ticket != NULL)
        *ticket = 0;
    if (next != NULL)
        *next = RL_NEVER;
    if (!rl__batcher_is_ours(batcher) || batcher->ended == NULL)
        return RL_E_INVALID;
    rl__lock(&batcher->lock);
    st = rl__batch_add(&batcher->locked.core, item, tokens, now, &place);
    if (st == RL_OK && ticket != NULL)
        *ticket = rl__batch_ticket(&batcher->locked.core, place);
    if (next != NULL)
        *next = rl__batch_next(&batcher->locked.core);
    rl__batcher_call_leader(batcher);
    rl__unlock(&batcher->lock);
    return st;
}

rl_time rl_batcher_next(rl_batcher *batcher)
{
    rl_time next;

    if (!rl__batcher_is_ours(batcher))
        return RL_NEVER;
    rl__lock(&batcher->lock);
    next = rl__batch_next(&batcher->locked.core);
    rl__unlock(&batcher->lock);
    return next;
}

int rl__batcher_run_one(rl_batcher *batcher, rl_time now)
{
    const struct rl__batch_record *record = rl__batch_take(&batcher->locked.core, now);
    rl_batch batch;

    if (record == NULL)
        return 0;
    batch = (rl_batch){ batcher, record->id, record->item, record->count, record->tokens };
    rl__unlock(&batcher->lock);
    batcher->run(&batch, batcher->user);
    rl__lock(&batcher->lock);
    return 1;
}

size_t rl_batcher_dispatch(rl_batcher *batcher, rl_time now)
{
    size_t count = 0;

    if (!rl__batcher_is_ours(batcher))
        return 0;
    rl__batcher_enter(batcher);
    while (rl__batcher_run_one(batcher, now))
        count++;
    rl__batcher_leave(batcher);
    return count;
}

void rl_batcher_flush(rl_batcher *batcher)
{
    if (!rl__batcher_is_ours(batcher))
        return;
    rl__lock(&batcher->lock);
    rl__batch_flush(&batcher->locked.core);
    rl__batcher_call_leader(batcher);
    rl__unlock(&batcher->lock);
}

rl_status rl_batcher_cancel(rl_batcher *batcher, uint64_t ticket)
{
    struct rl__batch_place *place;
    rl_status st;

    if (!rl__batcher_is_ours(batcher))
        return RL_E_INVALID;
    rl__batcher_enter(batcher);
    st = rl__batch_cancel(&batcher->locked.core, ticket, &place);
    if (st == RL_OK)
        tell_one(batcher, place);
    rl__batcher_leave(batcher);
    return st;
}

rl_status rl_batch_done(const rl_batch *batch, void *const *results, const rl_status *statuses,
                        size_t count)
{
    struct rl__batch_record *record;
    rl_status st = RL_OK;

    if (batch == NULL || !rl__batcher_is_ours(batch->batcher))
        return RL_E_INVALID;
    rl__batcher_enter(batch->batcher);
    record = rl__batch_find(&batch->batcher->locked.core, batch->id);
    if (record == NULL) {
        st = RL_E_ENDED;
    } else if (record->count != count) {
        st = RL_E_INVALID;
        rl__batch_end(record, RL_E_TRANSPORT, NULL);
        tell_all(batch->batcher, record, NULL);
    } else {
        rl__batch_end(record, RL_OK, statuses);
        tell_all(batch->batcher, record, results);
    }
    rl__batcher_leave(batch->batcher);
    return st;
}

static rl_status fail_record(rl_batcher *batcher, struct rl__batch_record *record, rl_status status,
                             rl_batch_blame blame)
{
    if (record == NULL)
        return RL_E_ENDED;
    if (blame == RL_BATCH_BLAME_ALL || !rl__batch_halve(&batcher->locked.core, record))
        rl__batch_end(record, status, NULL);
    tell_all(batcher, record, NULL);
    return RL_OK;
}

rl_status rl_batch_fail(const rl_batch *batch, rl_status status, rl_batch_blame blame)
{
    rl_status st;

    if (batch == NULL || !rl__batcher_is_ours(batch->batcher) || status >= 0 ||
        (blame != RL_BATCH_BLAME_ALL && blame != RL_BATCH_BLAME_ITEM))
        return RL_E_INVALID;
    rl__batcher_enter(batch->batcher);
    st = fail_record(batch->batcher, rl__batch_find(&batch->batcher->locked.core, batch->id),
                     status, blame);
    rl__batcher_leave(batch->batcher);
    return st;
}

/* Inside, under the lock. */
static void close_locked(rl_batcher *batcher, rl_batcher_close_how how)
{
    struct rl__batch_place *place;

    batcher->locked.core.closed = 1;
    if (how == RL_BATCHER_DROP) {
        batcher->locked.core.dropping = 1;
        while ((place = rl__batch_drop(&batcher->locked.core, RL_E_CLOSED)) != NULL)
            tell_one(batcher, place);
    }
    rl__batcher_call_leader(batcher);
}

void rl_batcher_close(rl_batcher *batcher, rl_batcher_close_how how)
{
    if (!rl__batcher_is_ours(batcher))
        return;
    rl__batcher_enter(batcher);
    close_locked(batcher, how);
    rl__batcher_leave(batcher);
}

uint64_t rl_batcher_left(rl_batcher *batcher)
{
    uint64_t left;

    if (!rl__batcher_is_ours(batcher))
        return 0;
    rl__lock(&batcher->lock);
    left = batcher->locked.core.left;
    rl__unlock(&batcher->lock);
    return left;
}

void rl_batcher_free(rl_batcher *batcher)
{
    if (!rl__batcher_is_ours(batcher))
        return;
    rl__batcher_enter(batcher);
    close_locked(batcher, RL_BATCHER_DROP);
    batcher->locked.freed = 1;
    rl__batcher_leave(batcher);
}
