/* SPDX-License-Identifier: MIT */
/* Owns what counts while a breaker is closed: a ring of calls, a ring of buckets, or a row. */
#include "flow/breaker.h"

#include "base/arith.h"

#include <string.h>

void rl__window_start(struct rl__window *window, const rl_breaker_options *options)
{
    memset(window, 0, sizeof *window);
    window->form = options->form;
    window->length =
        options->form == RL_BREAKER_COUNT_WINDOW ? options->window_calls : options->buckets;
    window->part = options->window / options->buckets; /* rounded down: never older than asked */
}

/* The newest bucket stays: a clock that stepped back must not fill an older one. */
void rl__window_clear(struct rl__window *window)
{
    window->sum = (struct rl__tally){ 0 };
    memset(window->bucket, 0, sizeof window->bucket);
    memset(&window->ring, 0, sizeof window->ring);
}

static void count(struct rl__tally *tally, int failed, int slow)
{
    tally->calls++;
    tally->failures += (uint64_t)failed;
    tally->slow += (uint64_t)slow;
}

static void discount(struct rl__tally *sum, const struct rl__tally *part)
{
    sum->calls -= part->calls;
    sum->failures -= part->failures;
    sum->slow -= part->slow;
}

/* ---- in a row ---- */

static void add_to_row(struct rl__tally *row, int failed, int slow)
{
    row->calls++;
    row->failures = failed ? row->failures + 1 : 0;
    row->slow = slow ? row->slow + 1 : 0;
}

/* ---- the last calls ---- */

/* Sets the bit of a place and gives what it was. */
static uint64_t exchange_bit(uint64_t *words, uint64_t place, int value)
{
    uint64_t *word = &words[place / 64], was = *word >> place % 64 & 1;

    *word = (*word & ~(UINT64_C(1) << place % 64)) | (uint64_t)value << place % 64;
    return was;
}

static void add_to_ring(struct rl__window *window, int failed, int slow)
{
    struct rl__tally gone = { .calls = window->sum.calls == window->length };

    gone.failures = exchange_bit(window->ring.failed, window->newest, failed);
    gone.slow = exchange_bit(window->ring.slow, window->newest, slow);
    count(&window->sum, failed, slow);
    discount(&window->sum, &gone);
    window->newest = (window->newest + 1) % window->length;
}

/* ---- the last buckets ---- */

/* Those that are older than `number` allows leave. */
static void move_on(struct rl__window *window, uint64_t number)
{
    uint64_t steps = rl__min(rl__sub_sat(number, window->newest), window->length);

    for (uint64_t i = 1; i <= steps; i++) {
        struct rl__tally *old = &window->bucket[(window->newest + i) % window->length];

        discount(&window->sum, old);
        *old = (struct rl__tally){ 0 };
    }
    window->newest = rl__max(window->newest, number);
}

static void add_to_bucket(struct rl__window *window, int failed, int slow, rl_time now)
{
    move_on(window, now / window->part);
    count(&window->bucket[window->newest % window->length], failed, slow);
    count(&window->sum, failed, slow);
}

void rl__window_add(struct rl__window *window, int failed, int slow, rl_time now)
{
    if (window->form == RL_BREAKER_CONSECUTIVE)
        add_to_row(&window->sum, failed, slow);
    else if (window->form == RL_BREAKER_COUNT_WINDOW)
        add_to_ring(window, failed, slow);
    else
        add_to_bucket(window, failed, slow, now);
}

struct rl__tally rl__window_at(const struct rl__window *window, rl_time now)
{
    struct rl__tally sum = window->sum;
    uint64_t steps;

    if (window->form != RL_BREAKER_TIME_WINDOW)
        return sum;
    steps = rl__min(rl__sub_sat(now / window->part, window->newest), window->length);
    for (uint64_t i = 1; i <= steps; i++)
        discount(&sum, &window->bucket[(window->newest + i) % window->length]);
    return sum;
}
