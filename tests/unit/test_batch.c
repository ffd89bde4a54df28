/* SPDX-License-Identifier: MIT */
/* Batches are full or in time, each item ends once with what is its own, and one bad item harms
 * nobody else. Row 36 of the guide's bugs is answered here. */
#include "base/atomic.h"
#include "failing_alloc.h"

#include <llmrl/batch.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS   64
#define BATCHES 128

struct item {
    int bad, times;
    rl_status status;
    void *result;
};

/* What the function of the user's has seen, and what it does. */
struct bench {
    rl_batcher *batcher;
    struct failing_alloc memory;
    struct item item[ITEMS];
    rl_batch batch[BATCHES];
    size_t count[BATCHES]; /* of items, each time */
    size_t batches;
    enum { KEEP, SUCCEED, BLAME_ITEM, BLAME_ALL } then;
};

static void ended(void *item, rl_status status, void *result, void *user)
{
    struct item *one = item;

    (void)user;
    one->times++;
    one->status = status;
    one->result = result;
}

static int is_bad(const rl_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (((struct item *)batch->items[i])->bad)
            return 1;
    return 0;
}

/* Each item's result is the item itself. */
static void run(const rl_batch *batch, void *user)
{
    struct bench *bench = user;

    assert_true(bench->batches < BATCHES);
    bench->batch[bench->batches] = *batch;
    bench->count[bench->batches++] = batch->count;
    if (bench->then == KEEP)
        return;
    if (bench->then != SUCCEED && is_bad(batch))
        assert_int_equal(
            rl_batch_fail(batch, RL_E_REJECTED,
                          bench->then == BLAME_ITEM ? RL_BATCH_BLAME_ITEM : RL_BATCH_BLAME_ALL),
            RL_OK);
    else
        assert_int_equal(rl_batch_done(batch, batch->items, NULL, batch->count), RL_OK);
}

static rl_batcher_options plain(struct bench *bench, const rl_hooks *hooks)
{
    rl_batcher_options options = RL_BATCHER_OPTIONS_INIT;

    options.hooks = hooks;
    options.run = run;
    options.ended = ended;
    options.user = bench;
    return options;
}

/* `change` may set what the test is about. */
static void begin(struct bench *bench, void (*change)(rl_batcher_options *))
{
    rl_hooks hooks;
    rl_batcher_options options;

    memset(bench, 0, sizeof *bench);
    bench->memory.clock.now = 1000 * RL_SECOND;
    bench->then = SUCCEED;
    hooks = failing_alloc_hooks(&bench->memory);
    options = plain(bench, &hooks);
    if (change != NULL)
        change(&options);
    assert_int_equal(rl_batcher_new(&options, &bench->batcher), RL_OK);
}

static void end(struct bench *bench)
{
    rl_batcher_free(bench->batcher);
    assert_int_equal(bench->memory.alive, 0);
}

static rl_status add(struct bench *bench, size_t i, uint64_t tokens, uint64_t *ticket)
{
    return rl_batcher_add(bench->batcher, &bench->item[i], tokens, bench->memory.clock.now, ticket,
                          NULL);
}

static void add_all(struct bench *bench, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        assert_int_equal(add(bench, i, 1, NULL), RL_OK);
}

static size_t dispatch(struct bench *bench)
{
    return rl_batcher_dispatch(bench->batcher, bench->memory.clock.now);
}

static void check(const struct bench *bench, size_t from, size_t to, rl_status status)
{
    for (size_t i = from; i < to; i++) {
        const struct item *item = &bench->item[i];

        if (item->times != 1 || item->status != status ||
            item->result != (status == RL_OK ? item : NULL))
            fail_msg("item %zu: ended %d times, with %s", i, item->times,
                     rl_status_name(item->status));
    }
}

static void nobody_was_told(const struct bench *bench)
{
    for (size_t i = 0; i < ITEMS; i++)
        assert_int_equal(bench->item[i].times, 0);
}

/* ---- when ---- */

static void a_full_batch_is_due_at_once_and_a_part_after_its_wait(void **state)
{
    struct bench bench;
    rl_time start, next;

    (void)state;
    begin(&bench, NULL);
    start = bench.memory.clock.now;
    assert_true(rl_batcher_next(bench.batcher) == RL_NEVER);
    add_all(&bench, 0, 9);
    assert_true(rl_batcher_next(bench.batcher) == start + 100 * RL_MILLISECOND);
    assert_int_equal(dispatch(&bench), 0);
    assert_int_equal(rl_batcher_add(bench.batcher, &bench.item[9], 1, start, NULL, &next), RL_OK);
    assert_true(next <= start);
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(bench.count[0], 10);
    check(&bench, 0, 10, RL_OK);
    end(&bench);
}

/* SEED-BUGS 36: what arrived while a batch was on its way goes when it is full, or has waited. */
static void row_36_no_ragged_batches_after_a_full_one(void **state)
{
    struct bench bench;
    rl_time start;

    (void)state;
    begin(&bench, NULL);
    bench.then = KEEP;
    add_all(&bench, 0, 13); /* three more than fit */
    assert_int_equal(dispatch(&bench), 1);
    start = bench.memory.clock.now;
    assert_int_equal(rl_batch_done(&bench.batch[0], bench.batch[0].items, NULL, 10), RL_OK);
    assert_int_equal(dispatch(&bench), 0);
    assert_true(rl_batcher_next(bench.batcher) == start + 100 * RL_MILLISECOND);
    vclock_advance(&bench.memory.clock, 100 * RL_MILLISECOND - 1);
    assert_int_equal(dispatch(&bench), 0);
    add_all(&bench, 13, 14); /* does not begin the wait anew */
    vclock_advance(&bench.memory.clock, 1);
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(bench.count[1], 4);
    assert_int_equal(rl_batch_done(&bench.batch[1], bench.batch[1].items, NULL, 4), RL_OK);
    check(&bench, 0, 14, RL_OK);
    end(&bench);
}

static void of_a_thousand_tokens(rl_batcher_options *options)
{
    options->max_tokens = 1000;
    options->max_items = 8;
    options->max_waiting_tokens = 1500;
}

/* SEED-BUGS 36: a batch has a bound of tokens. */
static void row_36_tokens_are_bounded(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, of_a_thousand_tokens);
    assert_int_equal(add(&bench, 0, 1001, NULL), RL_E_TOO_LARGE);
    assert_int_equal(add(&bench, 0, 600, NULL), RL_OK);
    assert_int_equal(dispatch(&bench), 0);
    assert_int_equal(add(&bench, 1, 500, NULL), RL_OK); /* does not fit: the first one leaves */
    assert_int_equal(add(&bench, 2, 401, NULL), RL_E_QUEUE_FULL);
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(bench.count[0], 1);
    assert_int_equal(bench.batch[0].tokens, 600);
    assert_int_equal(add(&bench, 2, 500, NULL), RL_OK); /* just full */
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(bench.count[1], 2);
    assert_int_equal(bench.batch[1].tokens, 1000);
    check(&bench, 0, 3, RL_OK);
    end(&bench);
}

static void small(rl_batcher_options *options)
{
    options->max_items = 4;
    options->max_waiting = 6;
    options->max_in_flight = 2;
}

static void as_many_wait_as_may_and_as_many_are_on_their_way(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, small);
    bench.then = KEEP;
    for (size_t i = 0; i < 2; i++) {
        add_all(&bench, 4 * i, 4 * i + 4);
        assert_int_equal(dispatch(&bench), 1);
    }
    add_all(&bench, 8, 14);
    assert_int_equal(add(&bench, 14, 1, NULL), RL_E_QUEUE_FULL);
    assert_int_equal(rl_batcher_left(bench.batcher), 14);
    vclock_advance(&bench.memory.clock, RL_HOUR);
    assert_true(rl_batcher_next(bench.batcher) == RL_NEVER);
    assert_int_equal(dispatch(&bench), 0);
    assert_int_equal(rl_batch_done(&bench.batch[1], bench.batch[1].items, NULL, 4), RL_OK);
    assert_true(rl_batcher_next(bench.batcher) == 0);
    assert_int_equal(dispatch(&bench), 1); /* and not two */
    assert_ptr_equal(bench.batch[2].items[0], &bench.item[8]);
    assert_int_equal(rl_batch_done(&bench.batch[0], bench.batch[0].items, NULL, 4), RL_OK);
    bench.then = SUCCEED;
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(rl_batch_done(&bench.batch[2], bench.batch[2].items, NULL, 4), RL_OK);
    check(&bench, 0, 14, RL_OK);
    end(&bench);
}

static void forever(rl_batcher_options *options)
{
    options->max_wait = RL_NEVER;
}

static void a_flush_lets_go_what_waits_now(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, forever);
    add_all(&bench, 0, 3);
    assert_true(rl_batcher_next(bench.batcher) == RL_NEVER);
    rl_batcher_flush(bench.batcher);
    assert_true(rl_batcher_next(bench.batcher) == 0);
    assert_int_equal(dispatch(&bench), 1);
    add_all(&bench, 3, 4); /* and nothing after it */
    assert_int_equal(dispatch(&bench), 0);
    check(&bench, 0, 3, RL_OK);
    end(&bench);
    check(&bench, 3, 4, RL_E_CLOSED);
}

static void a_time_before_one_told_counts_as_that_one(void **state)
{
    struct bench bench;
    uint64_t ticket;
    rl_time start;

    (void)state;
    begin(&bench, NULL);
    start = bench.memory.clock.now;
    assert_int_equal(add(&bench, 0, 1, &ticket), RL_OK);
    bench.memory.clock.now = start + 90 * RL_MILLISECOND;
    assert_int_equal(dispatch(&bench), 0);
    bench.memory.clock.now = start - 500 * RL_SECOND;
    add_all(&bench, 1, 2);
    assert_true(rl_batcher_next(bench.batcher) == start + 100 * RL_MILLISECOND);
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket), RL_OK);
    assert_true(rl_batcher_next(bench.batcher) == start + 190 * RL_MILLISECOND);
    assert_int_equal(rl_batcher_dispatch(bench.batcher, start + 190 * RL_MILLISECOND), 1);
    add_all(&bench, 2, 12); /* full: goes whatever the time */
    assert_int_equal(dispatch(&bench), 1);
    end(&bench);
}

/* ---- how it ends ---- */

/* SEED-BUGS 36: a short answer is no answer: nobody gets somebody else's result, or none. */
static void row_36_the_count_of_results_is_checked(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, NULL);
    bench.then = KEEP;
    add_all(&bench, 0, 10);
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(rl_batch_done(&bench.batch[0], bench.batch[0].items, NULL, 9), RL_E_INVALID);
    check(&bench, 0, 10, RL_E_TRANSPORT);
    assert_int_equal(rl_batch_done(&bench.batch[0], bench.batch[0].items, NULL, 10), RL_E_ENDED);
    check(&bench, 0, 10, RL_E_TRANSPORT);
    end(&bench);
}

static void of_64(rl_batcher_options *options)
{
    options->max_items = 64;
}

/* SEED-BUGS 36: one bad item fails alone, wherever it stands; 1 + 2 x 6 calls find it among 64. */
static void row_36_one_bad_item_fails_alone(void **state)
{
    (void)state;
    for (size_t bad = 0; bad < ITEMS; bad++) {
        struct bench bench;

        begin(&bench, of_64);
        bench.then = BLAME_ITEM;
        bench.item[bad].bad = 1;
        add_all(&bench, 0, ITEMS);
        assert_int_equal(dispatch(&bench), 13);
        check(&bench, bad, bad + 1, RL_E_REJECTED);
        check(&bench, 0, bad, RL_OK);
        check(&bench, bad + 1, ITEMS, RL_OK);
        end(&bench);
    }
}

static void all_of_them_bad_end_within_the_bound(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, of_64);
    bench.then = BLAME_ITEM;
    for (size_t i = 0; i < ITEMS; i++)
        bench.item[i].bad = 1;
    add_all(&bench, 0, ITEMS);
    assert_int_equal(dispatch(&bench), 2 * ITEMS - 1);
    check(&bench, 0, ITEMS, RL_E_REJECTED);
    end(&bench);
}

/* SEED-BUGS 36: what concerns all is not asked again and again. */
static void row_36_a_failure_of_all_is_not_halved(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, NULL);
    bench.then = BLAME_ALL;
    bench.item[3].bad = 1;
    add_all(&bench, 0, 10);
    assert_int_equal(dispatch(&bench), 1);
    check(&bench, 0, 10, RL_E_REJECTED);
    end(&bench);
}

static void who_knows_the_bad_one_says_so(void **state)
{
    static const rl_status status[4] = { RL_OK, RL_E_TOO_LARGE, RL_OK, RL_OK };
    struct bench bench;

    (void)state;
    begin(&bench, small);
    bench.then = KEEP;
    add_all(&bench, 0, 4);
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(rl_batch_done(&bench.batch[0], bench.batch[0].items, status, 4), RL_OK);
    check(&bench, 0, 1, RL_OK);
    check(&bench, 1, 2, RL_E_TOO_LARGE);
    check(&bench, 2, 4, RL_OK);
    end(&bench);
}

static void a_batch_ends_once_and_only_with_a_failure(void **state)
{
    struct bench bench;
    rl_batch nobodys = { NULL, 1, NULL, 0, 0 };

    (void)state;
    begin(&bench, small);
    bench.then = KEEP;
    add_all(&bench, 0, 4);
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(rl_batch_fail(&bench.batch[0], RL_OK, RL_BATCH_BLAME_ALL), RL_E_INVALID);
    assert_int_equal(rl_batch_fail(&bench.batch[0], RL_WAIT, RL_BATCH_BLAME_ALL), RL_E_INVALID);
    assert_int_equal(rl_batch_fail(&bench.batch[0], RL_E_QUOTA, (rl_batch_blame)7), RL_E_INVALID);
    nobody_was_told(&bench);
    assert_int_equal(rl_batch_fail(&bench.batch[0], RL_E_QUOTA, RL_BATCH_BLAME_ALL), RL_OK);
    assert_int_equal(rl_batch_fail(&bench.batch[0], RL_E_QUOTA, RL_BATCH_BLAME_ALL), RL_E_ENDED);
    assert_int_equal(rl_batch_done(&bench.batch[0], NULL, NULL, 4), RL_E_ENDED);
    assert_int_equal(rl_batch_done(&nobodys, NULL, NULL, 0), RL_E_INVALID);
    assert_int_equal(rl_batch_fail(NULL, RL_E_QUOTA, RL_BATCH_BLAME_ALL), RL_E_INVALID);
    check(&bench, 0, 4, RL_E_QUOTA);
    end(&bench);
}

/* ---- taking back ---- */

static void who_waits_is_taken_back_at_once(void **state)
{
    struct bench bench;
    uint64_t ticket[3];

    (void)state;
    begin(&bench, small);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(add(&bench, i, 1, &ticket[i]), RL_OK);
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket[1]), RL_OK);
    check(&bench, 1, 2, RL_E_CANCELLED);
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket[1]), RL_E_NOT_FOUND);
    assert_int_equal(rl_batcher_cancel(bench.batcher, 0), RL_E_NOT_FOUND);
    assert_int_equal(rl_batcher_cancel(bench.batcher, UINT64_MAX), RL_E_NOT_FOUND);
    add_all(&bench, 3, 5); /* the place is free, and the ticket is not theirs */
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket[1]), RL_E_NOT_FOUND);
    assert_int_equal(dispatch(&bench), 1);
    assert_ptr_equal(bench.batch[0].items[1], &bench.item[2]);
    check(&bench, 2, 5, RL_OK);
    check(&bench, 1, 2, RL_E_CANCELLED);
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket[0]), RL_E_NOT_FOUND);
    end(&bench);
}

static void who_is_on_the_way_ends_with_its_batch(void **state)
{
    struct bench bench;
    uint64_t ticket;

    (void)state;
    begin(&bench, small);
    bench.then = KEEP;
    add_all(&bench, 0, 3);
    assert_int_equal(add(&bench, 3, 1, &ticket), RL_OK);
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket), RL_WAIT);
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket), RL_WAIT);
    nobody_was_told(&bench);
    assert_int_equal(rl_batch_done(&bench.batch[0], bench.batch[0].items, NULL, 4), RL_OK);
    check(&bench, 0, 3, RL_OK);
    check(&bench, 3, 4, RL_E_CANCELLED);
    end(&bench);
}

/* Not sent again, neither when it was taken back on its way nor when it was between two ways. */
static void who_is_taken_back_is_in_no_half(void **state)
{
    struct bench bench;
    uint64_t ticket[8];

    (void)state;
    begin(&bench, of_64);
    bench.then = KEEP;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(add(&bench, i, 1, &ticket[i]), RL_OK);
    rl_batcher_flush(bench.batcher);
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket[2]), RL_WAIT);
    assert_int_equal(rl_batch_fail(&bench.batch[0], RL_E_REJECTED, RL_BATCH_BLAME_ITEM), RL_OK);
    check(&bench, 2, 3, RL_E_CANCELLED); /* halves: 0 1 3 4 | 5 6 7 */
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket[4]), RL_OK);
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket[5]), RL_OK);
    bench.then = SUCCEED;
    assert_int_equal(dispatch(&bench), 2);
    assert_int_equal(bench.count[1], 3);
    assert_int_equal(bench.count[2], 2);
    assert_ptr_equal(bench.batch[2].items[0], &bench.item[6]);
    check(&bench, 4, 6, RL_E_CANCELLED);
    check(&bench, 6, 8, RL_OK);
    end(&bench);
}

/* Both of a half of two: the half is gone, and the other one stays what it was. */
static void a_half_without_items_is_no_batch(void **state)
{
    struct bench bench;
    uint64_t ticket[4];

    (void)state;
    begin(&bench, small);
    bench.then = KEEP;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(add(&bench, i, 1, &ticket[i]), RL_OK);
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(rl_batch_fail(&bench.batch[0], RL_E_REJECTED, RL_BATCH_BLAME_ITEM), RL_OK);
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket[1]), RL_OK);
    assert_int_equal(rl_batcher_cancel(bench.batcher, ticket[0]), RL_OK);
    bench.then = SUCCEED;
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(bench.count[1], 2);
    check(&bench, 2, 4, RL_OK);
    end(&bench);
}

/* ---- the end of all ---- */

static void a_close_that_flushes_lets_all_go(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, forever);
    add_all(&bench, 0, 3);
    rl_batcher_close(bench.batcher, RL_BATCHER_FLUSH);
    assert_int_equal(add(&bench, 3, 1, NULL), RL_E_CLOSED);
    assert_int_equal(dispatch(&bench), 1);
    check(&bench, 0, 3, RL_OK);
    assert_int_equal(rl_batcher_left(bench.batcher), 0);
    end(&bench);
}

/* What is on its way ends as ever, but is not halved; what waits, or was halved, ends now. */
static void a_close_that_drops_ends_all_that_waits(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, small);
    bench.then = KEEP;
    add_all(&bench, 0, 4);
    assert_int_equal(dispatch(&bench), 1);
    add_all(&bench, 4, 8);
    assert_int_equal(dispatch(&bench), 1);
    assert_int_equal(rl_batch_fail(&bench.batch[1], RL_E_REJECTED, RL_BATCH_BLAME_ITEM), RL_OK);
    add_all(&bench, 8, 9);
    rl_batcher_close(bench.batcher, RL_BATCHER_FLUSH);
    rl_batcher_close(bench.batcher, RL_BATCHER_DROP);
    check(&bench, 4, 9, RL_E_CLOSED);
    assert_int_equal(rl_batcher_left(bench.batcher), 4);
    assert_int_equal(rl_batch_fail(&bench.batch[0], RL_E_REJECTED, RL_BATCH_BLAME_ITEM), RL_OK);
    check(&bench, 0, 4, RL_E_REJECTED);
    assert_int_equal(dispatch(&bench), 0);
    end(&bench);
}

static void a_batch_on_its_way_outlives_the_freeing(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, small);
    bench.then = KEEP;
    add_all(&bench, 0, 4);
    assert_int_equal(dispatch(&bench), 1);
    add_all(&bench, 4, 5);
    rl_batcher_free(bench.batcher);
    check(&bench, 4, 5, RL_E_CLOSED);
    assert_true(bench.memory.alive > 0);
    assert_ptr_equal(bench.batch[0].items[3], &bench.item[3]);
    assert_int_equal(rl_batch_done(&bench.batch[0], bench.batch[0].items, NULL, 4), RL_OK);
    check(&bench, 0, 4, RL_OK);
    assert_int_equal(bench.memory.alive, 0);
}

/* ---- the functions of the user's may call the batcher ---- */

static void add_another(void *item, rl_status status, void *result, void *user)
{
    struct bench *bench = user;
    size_t i = (size_t)((struct item *)item - bench->item);

    ended(item, status, result, user);
    if (i + 10 < ITEMS)
        assert_int_equal(add(bench, i + 10, 1, NULL), RL_OK);
}

static void adds_more(rl_batcher_options *options)
{
    options->ended = add_another;
}

static void whoever_is_told_may_add(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, adds_more);
    add_all(&bench, 0, 10);
    assert_int_equal(dispatch(&bench), 6); /* 4 are left, which fill none */
    check(&bench, 0, 60, RL_OK);
    assert_int_equal(rl_batcher_left(bench.batcher), 4);
    end(&bench);
}

static void dispatch_too(void *item, rl_status status, void *result, void *user)
{
    ended(item, status, result, user);
    assert_int_equal(dispatch(user), 0);
}

static void dispatches_too(rl_batcher_options *options)
{
    options->ended = dispatch_too;
}

/* In the middle of dropping, those that come next are not handed over. */
static void who_is_dropped_is_not_handed_over(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, dispatches_too);
    add_all(&bench, 0, 5);
    rl_batcher_close(bench.batcher, RL_BATCHER_DROP);
    check(&bench, 0, 5, RL_E_CLOSED);
    assert_int_equal(bench.batches, 0);
    end(&bench);
}

/* ---- bad input and no memory ---- */

static void contradictions_are_refused(void **state)
{
    struct bench bench;
    rl_batcher_options good = plain(&bench, NULL), options[8];
    rl_batcher *batcher;

    (void)state;
    for (size_t i = 0; i < 8; i++)
        options[i] = good;
    options[0].run = NULL;
    options[1].max_items = 65537;
    options[2].max_in_flight = 1025;
    options[3].max_waiting = (1 << 20) + 1;
    options[4].max_waiting = 9; /* would never fill one */
    options[5].max_tokens = 1000;
    options[5].max_waiting_tokens = 999;
    options[6].max_items = UINT64_MAX;
    options[7].size = 0;
    for (size_t i = 0; i < 8; i++) {
        batcher = (rl_batcher *)&bench;
        if (rl_batcher_new(&options[i], &batcher) != RL_E_INVALID || batcher != NULL)
            fail_msg("row %zu", i);
    }
    assert_int_equal(rl_batcher_new(NULL, &batcher), RL_E_INVALID);
    assert_int_equal(rl_batcher_new(&good, NULL), RL_E_INVALID);
    good.max_items = 65536;
    good.max_in_flight = 1;
    assert_int_equal(rl_batcher_new(&good, &batcher), RL_OK);
    rl_batcher_free(batcher);
    rl_batcher_free(NULL);
}

static void without_anybody_to_tell_nothing_is_added(void **state)
{
    struct bench bench;
    rl_batcher_options options = plain(&bench, NULL);
    rl_batcher *batcher;
    uint64_t ticket = 1;
    rl_time next = 1;

    (void)state;
    options.ended = NULL;
    assert_int_equal(rl_batcher_new(&options, &batcher), RL_OK);
    assert_int_equal(rl_batcher_add(batcher, &bench, 1, 0, &ticket, &next), RL_E_INVALID);
    assert_int_equal(ticket, 0);
    assert_true(next == RL_NEVER);
    rl_batcher_free(batcher);
}

static void each_allocation_may_fail(void **state)
{
    int failed = 0;

    (void)state;
    for (uint64_t n = 1;; n++) {
        struct failing_alloc memory = { .fail_at = n };
        rl_hooks hooks = failing_alloc_hooks(&memory);
        struct bench bench;
        rl_batcher_options options = plain(&bench, &hooks);
        rl_batcher *batcher;
        rl_status st = rl_batcher_new(&options, &batcher);

        if (st == RL_OK)
            rl_batcher_free(batcher);
        assert_int_equal(memory.alive, 0);
        if (memory.failed == 0)
            break;
        assert_int_equal(st, RL_E_NOMEM);
        failed++;
    }
    assert_int_equal(failed, 5);
}

static void nothing_is_allocated_after_the_start(void **state)
{
    struct bench bench;
    uint64_t before;

    (void)state;
    begin(&bench, of_64);
    before = bench.memory.requests;
    bench.then = BLAME_ITEM;
    bench.item[7].bad = 1;
    add_all(&bench, 0, ITEMS);
    (void)dispatch(&bench);
    assert_int_equal(bench.memory.requests, before);
    end(&bench);
}

/* ---- threads that wait ---- */

static void one_thread_sleeps_until_its_batch_is_due(void **state)
{
    struct bench bench;
    void *result;
    rl_time start;

    (void)state;
    begin(&bench, NULL);
    start = bench.memory.clock.now;
    assert_int_equal(rl_batcher_submit_and_wait(bench.batcher, &bench.item[0], 5, &result), RL_OK);
    assert_ptr_equal(result, &bench.item[0]);
    assert_int_equal(bench.item[0].times, 0); /* `ended` is for those who do not wait */
    assert_int_equal(bench.memory.clock.sleeps, 1);
    assert_true(bench.memory.clock.now == start + 100 * RL_MILLISECOND);
    bench.then = BLAME_ITEM;
    bench.item[1].bad = 1;
    assert_int_equal(rl_batcher_submit_and_wait(bench.batcher, &bench.item[1], 5, &result),
                     RL_E_REJECTED);
    assert_null(result);
    assert_int_equal(rl_batcher_submit_and_wait(bench.batcher, &bench.item[1], 5, NULL),
                     RL_E_INVALID);
    rl_batcher_close(bench.batcher, RL_BATCHER_FLUSH);
    assert_int_equal(rl_batcher_submit_and_wait(bench.batcher, &bench.item[1], 5, &result),
                     RL_E_CLOSED);
    end(&bench);
}

#define THREADS 8
#define ROUNDS  40

struct crowd {
    rl_batcher *batcher;
    uint64_t batches, items, largest, at_once, most_at_once, right, closed, other;
};

/* Numbers from 1; each 7th is bad; the result of n is n + 1. */
static void add_one_to_each(const rl_batch *batch, void *user)
{
    struct crowd *crowd = user;
    void *result[4];
    int bad = 0;

    rl__raise_to(&crowd->most_at_once, rl__fetch_add(&crowd->at_once, 1) + 1);
    rl__raise_to(&crowd->largest, batch->count);
    rl__fetch_add(&crowd->batches, 1);
    for (size_t i = 0; i < batch->count; i++) {
        uintptr_t n = (uintptr_t)batch->items[i];

        bad |= n % 7 == 0;
        result[i] = (void *)(n + 1);
    }
    rl__fetch_add(&crowd->at_once, UINT64_MAX);
    if (bad)
        (void)rl_batch_fail(batch, RL_E_REJECTED, RL_BATCH_BLAME_ITEM);
    else
        (void)rl_batch_done(batch, result, NULL, batch->count);
}

static void *submit_many(void *user)
{
    struct crowd *crowd = user;

    for (int i = 0; i < ROUNDS; i++) {
        uintptr_t n = (uintptr_t)rl__fetch_add(&crowd->items, 1) + 1;
        void *result;
        rl_status st = rl_batcher_submit_and_wait(crowd->batcher, (void *)n, 1, &result);
        int right = n % 7 == 0 ? st == RL_E_REJECTED : st == RL_OK && (uintptr_t)result == n + 1;

        rl__fetch_add(right ? &crowd->right : &crowd->other, 1);
    }
    return NULL;
}

static void open_crowd(struct crowd *crowd, rl_batch_run_fn fn, rl_duration max_wait)
{
    rl_batcher_options options = RL_BATCHER_OPTIONS_INIT;

    memset(crowd, 0, sizeof *crowd);
    options.run = fn;
    options.user = crowd;
    options.max_items = 4;
    options.max_in_flight = 2;
    options.max_wait = max_wait;
    assert_int_equal(rl_batcher_new(&options, &crowd->batcher), RL_OK);
}

static void each_thread_gets_its_own_result(void **state)
{
    pthread_t thread[THREADS];
    struct crowd crowd;

    (void)state;
    open_crowd(&crowd, add_one_to_each, RL_MILLISECOND);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, submit_many, &crowd), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(crowd.right, THREADS * ROUNDS);
    assert_int_equal(crowd.other, 0);
    assert_true(crowd.largest <= 4 && crowd.most_at_once <= 2);
    assert_int_equal(rl_batcher_left(crowd.batcher), 0);
    rl_batcher_free(crowd.batcher);
}

static void *submit_one(void *user)
{
    struct crowd *crowd = user;
    void *result;
    rl_status st = rl_batcher_submit_and_wait(crowd->batcher, user, 1, &result);

    rl__fetch_add(st == RL_E_CLOSED ? &crowd->closed : &crowd->other, 1);
    return NULL;
}

/* Three wait for a fourth that never comes. */
static void freeing_lets_all_threads_go(void **state)
{
    pthread_t thread[3];
    struct crowd crowd;

    (void)state;
    open_crowd(&crowd, add_one_to_each, RL_NEVER);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, submit_one, &crowd), 0);
    while (rl_batcher_left(crowd.batcher) < 3)
        ;
    rl_batcher_free(crowd.batcher);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(crowd.closed, 3);
    assert_int_equal(crowd.batches, 0);
}

/* The batch is ended by somebody else than who handed it over. */
struct handed {
    struct crowd crowd; /* first: submit_one() wants it */
    rl_batch batch;
    uint64_t ready;
};

static void keep_it(const rl_batch *batch, void *user)
{
    struct handed *handed = user;

    handed->batch = *batch;
    rl__store_release(&handed->ready, 1);
}

static void a_batch_may_end_on_another_thread(void **state)
{
    pthread_t thread[4];
    struct handed handed = { .ready = 0 };

    (void)state;
    open_crowd(&handed.crowd, keep_it, RL_NEVER);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, submit_one, &handed), 0);
    while (rl__load_acquire(&handed.ready) == 0)
        ;
    assert_int_equal(handed.batch.count, 4);
    assert_int_equal(rl_batch_fail(&handed.batch, RL_E_CLOSED, RL_BATCH_BLAME_ALL), RL_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(handed.crowd.closed, 4);
    rl_batcher_free(handed.crowd.batcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_batch_is_due_at_once_and_a_part_after_its_wait),
        cmocka_unit_test(row_36_no_ragged_batches_after_a_full_one),
        cmocka_unit_test(row_36_tokens_are_bounded),
        cmocka_unit_test(as_many_wait_as_may_and_as_many_are_on_their_way),
        cmocka_unit_test(a_flush_lets_go_what_waits_now),
        cmocka_unit_test(a_time_before_one_told_counts_as_that_one),
        cmocka_unit_test(row_36_the_count_of_results_is_checked),
        cmocka_unit_test(row_36_one_bad_item_fails_alone),
        cmocka_unit_test(all_of_them_bad_end_within_the_bound),
        cmocka_unit_test(row_36_a_failure_of_all_is_not_halved),
        cmocka_unit_test(who_knows_the_bad_one_says_so),
        cmocka_unit_test(a_batch_ends_once_and_only_with_a_failure),
        cmocka_unit_test(who_waits_is_taken_back_at_once),
        cmocka_unit_test(who_is_on_the_way_ends_with_its_batch),
        cmocka_unit_test(who_is_taken_back_is_in_no_half),
        cmocka_unit_test(a_half_without_items_is_no_batch),
        cmocka_unit_test(a_close_that_flushes_lets_all_go),
        cmocka_unit_test(a_close_that_drops_ends_all_that_waits),
        cmocka_unit_test(a_batch_on_its_way_outlives_the_freeing),
        cmocka_unit_test(whoever_is_told_may_add),
        cmocka_unit_test(who_is_dropped_is_not_handed_over),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(without_anybody_to_tell_nothing_is_added),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(nothing_is_allocated_after_the_start),
        cmocka_unit_test(one_thread_sleeps_until_its_batch_is_due),
        cmocka_unit_test(each_thread_gets_its_own_result),
        cmocka_unit_test(freeing_lets_all_threads_go),
        cmocka_unit_test(a_batch_may_end_on_another_thread),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
