/* SPDX-License-Identifier: MIT */
/* Owns who holds which slot. See slots.h. */
#include "scope/slots.h"

#include "base/arith.h"

/* An id: the place's number from 1 in the low bits, its generation in the others. */
#define NUMBER_BITS 17
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)

size_t rl__slots_bytes(uint64_t capacity)
{
    return sizeof(struct rl__slots) + (size_t)capacity * sizeof(struct rl__slot);
}

static struct rl__slot *at(struct rl__slots *slots, uint64_t number)
{
    RL_ASSERT(number >= 1 && number <= slots->capacity);
    return &slots->slot[number - 1];
}

static uint64_t number_of(const struct rl__slots *slots, const struct rl__slot *slot)
{
    return (uint64_t)(slot - slots->slot) + 1;
}

static int is_held(const struct rl__slot *slot)
{
    return (int)(slot->generation & 1);
}

void rl__slots_start(struct rl__slots *slots, uint64_t capacity, uint64_t size)
{
    *slots = (struct rl__slots){ .size = size };
    rl__slots_extend(slots, capacity);
}

/* From the back: the first unused one is the lowest. */
void rl__slots_extend(struct rl__slots *slots, uint64_t capacity)
{
    uint64_t had = slots->capacity;

    slots->capacity = rl__max(had, capacity);
    for (uint64_t number = slots->capacity; number > had; number--) {
        *at(slots, number) = (struct rl__slot){ .next = slots->unused };
        slots->unused = number;
    }
}

/* ---- the held, by expiry ---- */

/* Leases are of one length, mostly: the place is at the end. */
static void link_held(struct rl__slots *slots, struct rl__slot *slot)
{
    uint64_t number = number_of(slots, slot), before = slots->last;

    while (before != 0 && at(slots, before)->expires > slot->expires)
        before = at(slots, before)->previous;
    slot->previous = before;
    slot->next = before == 0 ? slots->first : at(slots, before)->next;
    if (before == 0)
        slots->first = number;
    else
        at(slots, before)->next = number;
    if (slot->next == 0)
        slots->last = number;
    else
        at(slots, slot->next)->previous = number;
}

static void unlink_held(struct rl__slots *slots, const struct rl__slot *slot)
{
    if (slot->previous == 0)
        slots->first = slot->next;
    else
        at(slots, slot->previous)->next = slot->next;
    if (slot->next == 0)
        slots->last = slot->previous;
    else
        at(slots, slot->next)->previous = slot->previous;
}

static rl_time lease_end(rl_duration lease, rl_time now)
{
    return lease == 0 ? RL_NEVER : rl__add_sat(now, lease);
}

/* ---- events ---- */

rl_status rl__slots_take(struct rl__slots *slots, uint64_t owner, rl_duration lease, rl_time now,
                         uint64_t *id)
{
    struct rl__slot *slot;

    (void)rl__slots_expire(slots, now);
    if (slots->held >= slots->size || slots->unused == 0)
        return RL_WAIT;
    slot = at(slots, slots->unused);
    *id = (slot->generation + 1) << NUMBER_BITS | slots->unused;
    slots->unused = slot->next;
    slots->held++;
    *slot = (struct rl__slot){ .generation = slot->generation + 1,
                               .owner = owner,
                               .taken_at = now,
                               .expires = lease_end(lease, now),
                               .in_flight = slots->held,
                               .order = ++slots->order };
    link_held(slots, slot);
    return RL_OK;
}

struct rl__slot *rl__slots_find(struct rl__slots *slots, uint64_t id)
{
    uint64_t number = id & NUMBER_MASK;
    struct rl__slot *slot;

    if (number == 0 || number > slots->capacity)
        return NULL;
    slot = at(slots, number);
    return is_held(slot) && (slot->generation << NUMBER_BITS | number) == id ? slot : NULL;
}

void rl__slots_give_back(struct rl__slots *slots, struct rl__slot *slot)
{
    RL_ASSERT(is_held(slot));
    unlink_held(slots, slot);
    slot->generation++;
    slot->next = slots->unused;
    slots->unused = number_of(slots, slot);
    slots->held--;
}

void rl__slots_renew(struct rl__slots *slots, struct rl__slot *slot, rl_duration lease, rl_time now)
{
    unlink_held(slots, slot);
    slot->expires = rl__max(slot->expires, lease_end(lease, now));
    link_held(slots, slot);
}

uint64_t rl__slots_give_back_all(struct rl__slots *slots, uint64_t owner)
{
    uint64_t count = 0, next;

    for (uint64_t number = slots->first; number != 0; number = next) {
        struct rl__slot *slot = at(slots, number);

        next = slot->next;
        if (slot->owner != owner)
            continue;
        rl__slots_give_back(slots, slot);
        count++;
    }
    return count;
}

struct rl__slot *rl__slots_first_ended(struct rl__slots *slots, rl_time now)
{
    rl_time end = rl__slots_next_expiry(slots);

    return end != RL_NEVER && end <= now ? at(slots, slots->first) : NULL;
}

uint64_t rl__slots_expire(struct rl__slots *slots, rl_time now)
{
    struct rl__slot *slot;
    uint64_t count = 0;

    while ((slot = rl__slots_first_ended(slots, now)) != NULL) {
        rl__slots_give_back(slots, slot);
        count++;
    }
    slots->expired += count;
    return count;
}

rl_time rl__slots_next_expiry(const struct rl__slots *slots)
{
    return slots->first == 0 ? RL_NEVER : slots->slot[slots->first - 1].expires;
}

const struct rl__slot *rl__slots_taken_after(const struct rl__slots *slots, uint64_t order)
{
    const struct rl__slot *oldest = NULL;

    for (uint64_t i = 0; i < slots->capacity; i++) {
        const struct rl__slot *slot = &slots->slot[i];

        if (is_held(slot) && slot->order > order && (oldest == NULL || slot->order < oldest->order))
            oldest = slot;
    }
    return oldest;
}
