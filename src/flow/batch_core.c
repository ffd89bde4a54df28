/* SPDX-License-Identifier: MIT */
/* Owns which items make a batch, when it is due, and how it is halved. See batch.h. */
#include "flow/batch.h"

#include "base/arith.h"

/* A ticket: the place's number from 1 in the low bits, how often it was used in the others. */
#define PLACE_BITS 28

/* ---- lists ---- */

static void append(struct rl__batch_list *list, struct rl__batch_place *place)
{
    place->next = NULL;
    place->previous = list->last;
    if (list->last != NULL)
        list->last->next = place;
    else
        list->first = place;
    list->last = place;
}

static void prepend(struct rl__batch_list *list, struct rl__batch_place *place)
{
    place->previous = NULL;
    place->next = list->first;
    if (list->first != NULL)
        list->first->previous = place;
    else
        list->last = place;
    list->first = place;
}

static void unlink_from(struct rl__batch_list *list, struct rl__batch_place *place)
{
    if (place->previous != NULL)
        place->previous->next = place->next;
    else
        list->first = place->next;
    if (place->next != NULL)
        place->next->previous = place->previous;
    else
        list->last = place->previous;
    place->next = place->previous = NULL;
}

void rl__batch_core_start(struct rl__batch_core *core)
{
    for (size_t i = 0; i < core->places; i++)
        append(&core->unused, &core->place[i]);
}

/* ---- coming and waiting ---- */

static rl_status check_room(const struct rl__batch_core *core, uint64_t tokens)
{
    if (core->closed)
        return RL_E_CLOSED;
    if (tokens > core->max_tokens || tokens > core->max_waiting_tokens)
        return RL_E_TOO_LARGE;
    if (core->waiting_count >= core->max_waiting ||
        tokens > core->max_waiting_tokens - core->waiting_tokens)
        return RL_E_QUEUE_FULL;
    return RL_OK;
}

rl_status rl__batch_add(struct rl__batch_core *core, void *item, uint64_t tokens, rl_time now,
                        struct rl__batch_place **place)
{
    struct rl__batch_place *fresh = core->unused.first;
    rl_status st = check_room(core, tokens);

    core->now = rl__max(core->now, now);
    if (st != RL_OK)
        return st;
    RL_ASSERT(fresh != NULL);
    unlink_from(&core->unused, fresh);
    *fresh = (struct rl__batch_place){ .item = item,
                                       .tokens = tokens,
                                       .sequence = ++core->sequence,
                                       .generation = fresh->generation + 1,
                                       .arrived = core->now,
                                       .state = RL__BATCH_WAITING };
    append(&core->waiting, fresh);
    core->waiting_count++;
    core->waiting_tokens += tokens;
    core->left++;
    *place = fresh;
    return RL_OK;
}

/* Takes it out of the line in which it waits. */
static void stop_waiting(struct rl__batch_core *core, struct rl__batch_place *place)
{
    if (place->state == RL__BATCH_WAITING) {
        unlink_from(&core->waiting, place);
        core->waiting_count--;
        core->waiting_tokens -= place->tokens;
        return;
    }
    /* The one before it in the same half, if there is one, is the last now. */
    if (place->last_of_half && place->previous != NULL)
        place->previous->last_of_half = 1;
    unlink_from(&core->halved, place);
}

/* ---- when and what ---- */

/* What waits fills a batch just when it has as many items, or as many tokens, as a batch may: where
 * it has more tokens, the first that does not fit ends the batch before it. */
static int is_full(const struct rl__batch_core *core)
{
    return core->waiting_count >= core->max_items || core->waiting_tokens >= core->max_tokens;
}

rl_time rl__batch_next(const struct rl__batch_core *core)
{
    const struct rl__batch_place *first = core->waiting.first;

    if (core->in_flight >= core->max_in_flight || core->dropping)
        return RL_NEVER;
    if (core->halved.first != NULL)
        return 0;
    if (first == NULL)
        return RL_NEVER;
    if (is_full(core) || core->closed || first->sequence <= core->flushed)
        return 0;
    return rl__add_sat(first->arrived, core->max_wait);
}

static void join(struct rl__batch_core *core, struct rl__batch_record *record,
                 struct rl__batch_place *place)
{
    stop_waiting(core, place);
    place->state = RL__BATCH_RUNNING;
    record->item[record->count] = place->item;
    record->place[record->count++] = place;
    record->tokens += place->tokens;
}

static void fill_from_half(struct rl__batch_core *core, struct rl__batch_record *record)
{
    struct rl__batch_place *place;
    int last = 0;

    while (!last && (place = core->halved.first) != NULL) {
        last = place->last_of_half;
        join(core, record, place);
    }
}

static void fill_from_waiting(struct rl__batch_core *core, struct rl__batch_record *record)
{
    struct rl__batch_place *place;

    while ((place = core->waiting.first) != NULL && record->count < core->max_items &&
           place->tokens <= core->max_tokens - record->tokens)
        join(core, record, place);
}

static struct rl__batch_record *free_record(struct rl__batch_core *core)
{
    struct rl__batch_record *record = core->record;

    while (record->id != 0)
        record++;
    return record;
}

struct rl__batch_record *rl__batch_take(struct rl__batch_core *core, rl_time now)
{
    rl_time next = rl__batch_next(core);
    struct rl__batch_record *record;

    core->now = rl__max(core->now, now);
    if (next == RL_NEVER || next > core->now)
        return NULL;
    record = free_record(core);
    core->in_flight++;
    record->id = ++core->next_id;
    record->ending = 0;
    record->count = 0;
    record->tokens = 0;
    if (core->halved.first != NULL)
        fill_from_half(core, record);
    else
        fill_from_waiting(core, record);
    return record;
}

/* ---- ending ---- */

static void let_end(struct rl__batch_place *place, rl_status status)
{
    place->state = RL__BATCH_ENDING;
    place->status = place->cancelled ? RL_E_CANCELLED : status;
}

uint64_t rl__batch_ticket(const struct rl__batch_core *core, const struct rl__batch_place *place)
{
    return place->generation << PLACE_BITS | ((uint64_t)(place - core->place) + 1);
}

rl_status rl__batch_cancel(struct rl__batch_core *core, uint64_t ticket,
                           struct rl__batch_place **place)
{
    uint64_t number = ticket & ((UINT64_C(1) << PLACE_BITS) - 1);
    struct rl__batch_place *found;

    if (number == 0 || number > core->places)
        return RL_E_NOT_FOUND;
    found = &core->place[number - 1];
    if (rl__batch_ticket(core, found) != ticket || found->state == RL__BATCH_FREE ||
        found->state == RL__BATCH_ENDING)
        return RL_E_NOT_FOUND;
    found->cancelled = 1;
    if (found->state == RL__BATCH_RUNNING)
        return RL_WAIT;
    stop_waiting(core, found);
    let_end(found, RL_E_CANCELLED);
    *place = found;
    return RL_OK;
}

struct rl__batch_record *rl__batch_find(struct rl__batch_core *core, uint64_t id)
{
    for (uint64_t i = 0; id != 0 && i < core->max_in_flight; i++)
        if (core->record[i].id == id && !core->record[i].ending)
            return &core->record[i];
    return NULL;
}

void rl__batch_end(struct rl__batch_record *record, rl_status status, const rl_status *statuses)
{
    record->ending = 1;
    for (size_t i = 0; i < record->count; i++)
        let_end(record->place[i], statuses != NULL ? statuses[i] : status);
}

static size_t count_live(const struct rl__batch_record *record)
{
    size_t live = 0;

    for (size_t i = 0; i < record->count; i++)
        live += !record->place[i]->cancelled;
    return live;
}

/* From the back, each to the front: they stand there in their order, before all other halves. */
int rl__batch_halve(struct rl__batch_core *core, struct rl__batch_record *record)
{
    size_t live = count_live(record), behind = 0, kept = record->count;

    if (live < 2 || core->dropping)
        return 0;
    record->ending = 1;
    for (size_t i = record->count; i-- > 0;) {
        struct rl__batch_place *place = record->place[i];

        if (place->cancelled) {
            let_end(place, RL_E_CANCELLED);
            record->place[--kept] = place;
            continue;
        }
        place->state = RL__BATCH_HALVED;
        place->last_of_half = behind == 0 || behind == live / 2;
        behind++;
        prepend(&core->halved, place);
    }
    record->count -= kept;
    for (size_t i = 0; i < record->count; i++)
        record->place[i] = record->place[kept + i];
    return 1;
}

void rl__batch_release(struct rl__batch_core *core, struct rl__batch_place *place)
{
    place->state = RL__BATCH_FREE;
    append(&core->unused, place);
    core->left--;
}

void rl__batch_release_record(struct rl__batch_core *core, struct rl__batch_record *record)
{
    for (size_t i = 0; i < record->count; i++)
        rl__batch_release(core, record->place[i]);
    record->id = 0;
    core->in_flight--;
}

void rl__batch_flush(struct rl__batch_core *core)
{
    core->flushed = core->sequence;
}

struct rl__batch_place *rl__batch_drop(struct rl__batch_core *core, rl_status status)
{
    struct rl__batch_place *place =
        core->halved.first != NULL ? core->halved.first : core->waiting.first;

    if (place == NULL)
        return NULL;
    stop_waiting(core, place);
    let_end(place, status);
    return place;
}
