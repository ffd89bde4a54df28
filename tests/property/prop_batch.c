/* SPDX-License-Identifier: MIT */
/*
 * The batcher against a slow model that is a list of items: the same batches, at the same times, in
 * the same order; every item ends once, with what is its own. LLMRL_PROPERTY_STEPS: how many steps
 * (default 300 000); LLMRL_SEED: replays a run.
 */
#include "traffic.h"

#include <llmrl/batch.h>

#include <string.h>

#define STEPS_OF_ONE 300
#define ITEMS        (4 * STEPS_OF_ONE)
#define BATCHES      (2 * ITEMS)

enum where { NOWHERE, WAITING, HALVED, RUNNING, ENDED };

struct one {
    enum where where;
    uint64_t tokens, ticket;
    rl_time arrived;
    size_t batch; /* in which it runs; or its half */
    int cancelled, must_end;
    rl_status must_be; /* how it has to end, when it may */
};

struct going {
    rl_batch batch;
    int open;
};

enum branch {
    SAW_FULL,
    SAW_FULL_OF_TOKENS,
    SAW_IN_TIME,
    SAW_FLUSHED,
    SAW_HALF,
    SAW_HELD_BACK,
    SAW_TOO_LARGE,
    SAW_QUEUE_FULL,
    SAW_SHORT_RESULT,
    SAW_FAILED,
    SAW_HALVED,
    SAW_CANCELLED_WAITING,
    SAW_CANCELLED_HALVED,
    SAW_CANCELLED_RUNNING,
    SAW_DROPPED,
    BRANCHES
};

struct run {
    struct traffic t;
    rl_batcher_options options;
    rl_batcher *batcher;
    struct one item[ITEMS];
    size_t items;
    struct going going[BATCHES];
    size_t batches, in_flight;
    size_t half[BATCHES]; /* the halves, in the order in which they are to go */
    size_t halves, half_number;
    size_t flushed; /* items before this one are due */
    int closed, reenter;
    uint64_t seen[BRANCHES];
};

static void fail_here(const struct run *run, const char *law)
{
    print_error("law broken: %s\n  LLMRL_SEED=%" PRIu64 " items %" PRIu64 " tokens %" PRIu64
                " in flight %" PRIu64 " now %" PRIu64 "\n",
                law, run->t.seed, run->options.max_items, run->options.max_tokens,
                run->options.max_in_flight, run->t.now);
    fail();
}

#define LAW(run, holds, text)                                                                      \
    do {                                                                                           \
        if (!(holds))                                                                              \
            fail_here((run), (text));                                                              \
    } while (0)

/* ---- the model: which items are the next batch, and why ---- */

static uint64_t bound(uint64_t given)
{
    return given == 0 ? UINT64_MAX : given;
}

struct choice {
    size_t item[ITEMS];
    size_t count;
    uint64_t tokens;
    int full, full_of_tokens;
};

static void choose_waiting(const struct run *run, struct choice *choice)
{
    memset(choice, 0, sizeof *choice);
    for (size_t i = 0; i < run->items; i++) {
        if (run->item[i].where != WAITING)
            continue;
        if (choice->count == run->options.max_items)
            break;
        if (choice->tokens + run->item[i].tokens > bound(run->options.max_tokens)) {
            choice->full_of_tokens = 1;
            break;
        }
        choice->item[choice->count++] = i;
        choice->tokens += run->item[i].tokens;
    }
    choice->full_of_tokens |= choice->tokens == bound(run->options.max_tokens);
    choice->full = choice->count == run->options.max_items || choice->full_of_tokens;
}

static void choose_half(const struct run *run, struct choice *choice)
{
    memset(choice, 0, sizeof *choice);
    for (size_t i = 0; i < run->items; i++)
        if (run->item[i].where == HALVED && run->item[i].batch == run->half[0])
            choice->item[choice->count++] = i;
}

/* A half all of whose items were taken back is none. */
static void forget_empty_halves(struct run *run)
{
    size_t kept = 0;

    for (size_t h = 0; h < run->halves; h++)
        for (size_t i = 0; i < run->items; i++)
            if (run->item[i].where == HALVED && run->item[i].batch == run->half[h]) {
                run->half[kept++] = run->half[h];
                break;
            }
    run->halves = kept;
}

/* When the next batch is due; fills in which it is. */
static rl_time due(struct run *run, struct choice *choice)
{
    forget_empty_halves(run);
    if (run->halves > 0) {
        choose_half(run, choice);
        return run->in_flight < run->options.max_in_flight ? 0 : RL_NEVER;
    }
    choose_waiting(run, choice);
    if (choice->count == 0 || run->in_flight >= run->options.max_in_flight)
        return RL_NEVER;
    if (choice->full || run->closed || choice->item[0] < run->flushed)
        return 0;
    return run->options.max_wait == RL_NEVER
               ? RL_NEVER
               : run->item[choice->item[0]].arrived + run->options.max_wait;
}

/* ---- ending ---- */

static void expect(struct run *run, size_t i, rl_status status)
{
    run->item[i].must_end = 1;
    run->item[i].must_be = run->item[i].cancelled ? RL_E_CANCELLED : status;
}

static void everybody_was_told(const struct run *run)
{
    for (size_t i = 0; i < run->items; i++)
        LAW(run, !run->item[i].must_end || run->item[i].where == ENDED, "who ends is told");
}

static void *result_of(struct run *run, size_t i)
{
    return (char *)run + i;
}

static void ended(void *item, rl_status status, void *result, void *user)
{
    struct run *run = user;
    struct one *one = item;

    LAW(run, one->where != ENDED, "nobody is told twice");
    LAW(run, one->must_end && status == one->must_be, "an item ends when and as it must");
    LAW(run, result == (status == RL_OK ? result_of(run, (size_t)(one - run->item)) : NULL),
        "a result is the item's own");
    one->where = ENDED;
}

static size_t index_of(struct run *run, const void *item)
{
    return (size_t)((const struct one *)item - run->item);
}

static void halve(struct run *run, const struct going *going)
{
    size_t live[ITEMS], count = 0, first;

    for (size_t i = 0; i < going->batch.count; i++) {
        size_t n = index_of(run, going->batch.items[i]);

        if (run->item[n].cancelled)
            expect(run, n, RL_E_CANCELLED);
        else
            live[count++] = n;
    }
    first = (count + 1) / 2;
    memmove(&run->half[2], &run->half[0], run->halves * sizeof run->half[0]);
    run->halves += 2;
    run->half[0] = ++run->half_number;
    run->half[1] = ++run->half_number;
    for (size_t i = 0; i < count; i++) {
        run->item[live[i]].where = HALVED;
        run->item[live[i]].batch = run->half[i < first ? 0 : 1];
    }
    run->seen[SAW_HALVED]++;
}

static size_t live_of(struct run *run, const struct going *going)
{
    size_t live = 0;

    for (size_t i = 0; i < going->batch.count; i++)
        live += !run->item[index_of(run, going->batch.items[i])].cancelled;
    return live;
}

static void expect_all(struct run *run, const struct going *going, rl_status status)
{
    for (size_t i = 0; i < going->batch.count; i++)
        expect(run, index_of(run, going->batch.items[i]), status);
}

static void end_well(struct run *run, const struct going *going)
{
    static void *result[ITEMS];
    size_t count = going->batch.count;

    for (size_t i = 0; i < count; i++)
        result[i] = result_of(run, index_of(run, going->batch.items[i]));
    if (roll(&run->t, 12) == 0) {
        expect_all(run, going, RL_E_TRANSPORT);
        run->seen[SAW_SHORT_RESULT]++;
        LAW(run, rl_batch_done(&going->batch, result, NULL, count - 1) == RL_E_INVALID,
            "a short result is refused");
        return;
    }
    expect_all(run, going, RL_OK);
    LAW(run, rl_batch_done(&going->batch, result, NULL, count) == RL_OK, "a batch may end");
}

static void end_badly(struct run *run, const struct going *going)
{
    int blame = roll(&run->t, 3) > 0;

    if (blame && live_of(run, going) > 1) {
        halve(run, going);
    } else {
        expect_all(run, going, RL_E_REJECTED);
        run->seen[SAW_FAILED]++;
    }
    LAW(run,
        rl_batch_fail(&going->batch, RL_E_REJECTED,
                      blame ? RL_BATCH_BLAME_ITEM : RL_BATCH_BLAME_ALL) == RL_OK,
        "a batch may fail");
}

static void end_one(struct run *run, struct going *going)
{
    going->open = 0;
    run->in_flight--;
    if (roll(&run->t, 3) == 0)
        end_badly(run, going);
    else
        end_well(run, going);
    everybody_was_told(run);
    LAW(run, rl_batch_done(&going->batch, NULL, NULL, going->batch.count) == RL_E_ENDED,
        "a batch ends once");
}

/* ---- going ---- */

static void note_why(struct run *run, const struct choice *choice)
{
    run->seen[run->halves > 0                                 ? SAW_HALF
              : choice->full_of_tokens                        ? SAW_FULL_OF_TOKENS
              : choice->full                                  ? SAW_FULL
              : choice->item[0] < run->flushed || run->closed ? SAW_FLUSHED
                                                              : SAW_IN_TIME]++;
}

static void check_batch(struct run *run, const rl_batch *batch)
{
    static struct choice choice;
    rl_time at = due(run, &choice);

    LAW(run, at <= run->t.now, "a batch goes when it is due");
    LAW(run, batch->count == choice.count && batch->count > 0, "a batch has as many as fit");
    LAW(run, batch->count <= run->options.max_items, "no more than max_items");
    LAW(run, batch->tokens <= bound(run->options.max_tokens), "no more than max_tokens");
    note_why(run, &choice);
    for (size_t i = 0; i < choice.count; i++) {
        struct one *one = &run->item[choice.item[i]];

        LAW(run, batch->items[i] == one, "in order of arrival");
        one->where = RUNNING;
    }
    if (run->halves > 0)
        memmove(&run->half[0], &run->half[1], --run->halves * sizeof run->half[0]);
}

static void go(const rl_batch *batch, void *user)
{
    struct run *run = user;
    struct going *going = &run->going[run->batches++];

    LAW(run, run->batches <= BATCHES, "the number of calls is bounded");
    check_batch(run, batch);
    going->batch = *batch;
    going->open = 1;
    run->in_flight++;
    LAW(run, run->in_flight <= run->options.max_in_flight, "no more than max_in_flight");
    if (run->reenter && roll(&run->t, 2))
        end_one(run, going);
}

static void dispatch(struct run *run)
{
    static struct choice choice;
    size_t before = run->batches;

    LAW(run, rl_batcher_dispatch(run->batcher, run->t.now) == run->batches - before,
        "those handed over are counted");
    LAW(run, due(run, &choice) > run->t.now, "nobody is left who is due");
    if (choice.count > 0 && run->in_flight == run->options.max_in_flight)
        run->seen[SAW_HELD_BACK]++;
}

/* ---- events ---- */

static rl_status expected_refusal(const struct run *run, uint64_t tokens)
{
    uint64_t waiting = 0, sum = 0;

    for (size_t i = 0; i < run->items; i++)
        if (run->item[i].where == WAITING) {
            waiting++;
            sum += run->item[i].tokens;
        }
    if (run->closed)
        return RL_E_CLOSED;
    if (tokens > bound(run->options.max_tokens) || tokens > bound(run->options.max_waiting_tokens))
        return RL_E_TOO_LARGE;
    return waiting >= run->options.max_waiting ||
                   sum + tokens > bound(run->options.max_waiting_tokens)
               ? RL_E_QUEUE_FULL
               : RL_OK;
}

static void add(struct run *run)
{
    struct one *one = &run->item[run->items];
    static struct choice choice;
    rl_status want;
    rl_time next;

    if (run->items == ITEMS)
        return;
    *one = (struct one){ .tokens = roll(&run->t, 12), .arrived = run->t.now };
    want = expected_refusal(run, one->tokens);
    LAW(run,
        rl_batcher_add(run->batcher, one, one->tokens, run->t.now, &one->ticket, &next) == want,
        "who has room is added");
    run->seen[SAW_TOO_LARGE] += want == RL_E_TOO_LARGE;
    run->seen[SAW_QUEUE_FULL] += want == RL_E_QUEUE_FULL;
    if (want == RL_OK) {
        one->where = WAITING;
        run->items++;
    }
    LAW(run, next == due(run, &choice), "an add tells when the next batch is due");
}

static void cancel(struct run *run)
{
    static const rl_status want[] = {
        [WAITING] = RL_OK, [HALVED] = RL_OK, [RUNNING] = RL_WAIT, [ENDED] = RL_E_NOT_FOUND
    };
    size_t i =
        run->items > 0 ? run->items - 1 - roll(&run->t, run->items < 20 ? run->items : 20) : 0;
    struct one *one = &run->item[i];
    enum where where = one->where;

    if (run->items == 0)
        return;
    if (where != ENDED)
        one->cancelled = 1;
    if (want[where] == RL_OK)
        expect(run, i, RL_E_CANCELLED);
    run->seen[SAW_CANCELLED_WAITING] += where == WAITING;
    run->seen[SAW_CANCELLED_HALVED] += where == HALVED;
    run->seen[SAW_CANCELLED_RUNNING] += where == RUNNING;
    LAW(run, rl_batcher_cancel(run->batcher, one->ticket) == want[where], "who is there is taken");
    everybody_was_told(run);
}

static void end_some(struct run *run)
{
    size_t open = run->in_flight == 0 ? 0 : 1 + roll(&run->t, run->in_flight);

    for (size_t i = 0; i < run->batches && open > 0; i++)
        if (run->going[i].open && --open == 0)
            end_one(run, &run->going[i]);
}

static void step(struct run *run)
{
    static struct choice choice;

    (void)traffic_move(&run->t); /* this clock does not step back */
    switch (roll(&run->t, 8)) {
    case 0:
        end_some(run);
        break;
    case 1:
        cancel(run);
        break;
    case 2:
    case 3:
        dispatch(run);
        break;
    case 4:
        if (roll(&run->t, 8) == 0) {
            rl_batcher_flush(run->batcher);
            run->flushed = run->items;
        }
        break;
    default:
        add(run);
        break;
    }
    run->t.hint = due(run, &choice);
    LAW(run, rl_batcher_next(run->batcher) == run->t.hint, "the next time is told");
}

/* ---- one batcher ---- */

static void draw_options(struct run *run)
{
    rl_batcher_options options = RL_BATCHER_OPTIONS_INIT;
    struct traffic *t = &run->t;

    options.run = go;
    options.ended = ended;
    options.user = run;
    options.max_items = 1 + roll(t, roll(t, 2) ? 4 : 30);
    options.max_tokens = roll(t, 2) ? 0 : 1 + roll(t, 60);
    options.max_wait = roll(t, 8) == 0 ? RL_NEVER : roll_bits(t, 30);
    options.max_in_flight = 1 + roll(t, 3);
    options.max_waiting = options.max_items + roll(t, 20);
    options.max_waiting_tokens =
        roll(t, 2) ? 0 : roll(t, 80) + (options.max_tokens == 0 ? 1 : options.max_tokens);
    run->options = options;
}

static void begin(struct run *run)
{
    struct traffic *t = &run->t;

    run->items = run->batches = run->in_flight = run->halves = run->half_number = 0;
    run->flushed = 0;
    run->closed = 0;
    run->reenter = (int)roll(t, 2);
    draw_options(run);
    t->start = t->now = roll_bits(t, 50);
    t->hint = 0;
    t->unit = t->period = run->options.max_wait == RL_NEVER ? RL_SECOND : run->options.max_wait;
    LAW(run, rl_batcher_new(&run->options, &run->batcher) == RL_OK, "options in range work");
}

static void finish(struct run *run)
{
    int drop = (int)roll(&run->t, 2);

    run->closed = 1;
    for (size_t i = 0; i < run->items && drop; i++)
        if (run->item[i].where == WAITING || run->item[i].where == HALVED) {
            expect(run, i, RL_E_CLOSED);
            run->seen[SAW_DROPPED]++;
        }
    rl_batcher_close(run->batcher, drop ? RL_BATCHER_DROP : RL_BATCHER_FLUSH);
    everybody_was_told(run);
    while (rl_batcher_left(run->batcher) > 0) {
        dispatch(run);
        for (size_t i = 0; i < run->batches && drop; i++)
            if (run->going[i].open) {
                run->going[i].open = 0;
                run->in_flight--;
                expect_all(run, &run->going[i], RL_E_REJECTED);
                LAW(run,
                    rl_batch_fail(&run->going[i].batch, RL_E_REJECTED, RL_BATCH_BLAME_ITEM) ==
                        RL_OK,
                    "nothing is halved after a drop");
            }
        end_some(run);
    }
    for (size_t i = 0; i < run->items; i++)
        LAW(run, run->item[i].where == ENDED, "everybody ends");
    rl_batcher_free(run->batcher);
}

static void batches_are_those_of_the_model(void **ctx)
{
    uint64_t steps = number_from("LLMRL_PROPERTY_STEPS", 300000);
    static struct run run;

    (void)ctx;
    traffic_begin(&run.t, 20260110);
    begin(&run);
    for (uint64_t i = 0; i < steps; i++) {
        if (i % STEPS_OF_ONE == STEPS_OF_ONE - 1) {
            finish(&run);
            begin(&run);
        }
        step(&run);
    }
    finish(&run);
    for (int k = 0; k < BRANCHES && steps >= 20000; k++)
        if (run.seen[k] == 0) {
            print_error("branch %d never ran\n", k);
            fail();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_those_of_the_model),
    };
    return cmocka_run_group_tests_name("prop_batch", tests, NULL, NULL);
}
