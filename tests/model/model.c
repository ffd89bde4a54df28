/* SPDX-License-Identifier: MIT */
/*
 * A thread is a function whose every step is decided by what its accesses gave so far. So a thread
 * needs no stack of its own: to let it go on by one step, it is run again from its beginning, is
 * told what it was told before, makes one new access, and is left at the next one by longjmp().
 * And a state is the shared words and what each thread was told: two ways that lead to the same
 * have the same future, and only one of them is followed.
 *
 * A thread that has loaded the same word three times in a row, and got the same, is waiting: it
 * goes on when that word has changed.
 */
#include "model.h"

#include "base/atomic.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX  400
#define SPINS      3
#define TABLE_SIZE (UINT64_C(1) << 22)

struct told {
    enum model_op op;
    const uint64_t *word;
    uint64_t value;
};

struct thread {
    struct told told[STEPS_MAX];
    size_t count;
    uint64_t hash;    /* of what it knows */
    uint64_t outcome; /* of its calls */
    int has_ended;
};

static struct explorer {
    const struct model *model;
    struct thread thread[MODEL_THREADS];
    struct thread *running;
    size_t cursor; /* in running->told */
    int has_stepped;
    const char *bottom; /* of its stack */
    jmp_buf out;
    uint64_t states;
    int is_wrong;
    size_t depth;
    int way[MODEL_THREADS * STEPS_MAX];
    struct {
        uint64_t a, b;
    } * seen;
} x;

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static int is_shared(const uint64_t *word)
{
    return word >= x.model->shared && word < x.model->shared + x.model->words;
}

/* The value that a bug makes of a load of the revision. */
static uint64_t spoil_load(enum model_op op, const uint64_t *word, uint64_t value)
{
    if (word != x.model->revision)
        return value;
    if (x.model->bug == MODEL_NO_LOCK)
        return value & ~UINT64_C(1);
    if (x.model->bug == MODEL_NO_SECOND_LOOK && op == MODEL_LOAD_AGAIN)
        for (size_t i = 0; i < x.cursor; i++)
            if (x.running->told[i].word == word && x.running->told[i].op == MODEL_LOAD)
                value = x.running->told[i].value;
    return value;
}

static uint64_t do_access(enum model_op op, uint64_t *word, uint64_t seen, uint64_t value)
{
    uint64_t was = *word;

    switch (op) {
    case MODEL_LOAD:
    case MODEL_LOAD_AGAIN:
        return spoil_load(op, word, was);
    case MODEL_STORE:
        *word = value;
        return 0;
    case MODEL_SWAP:
        if (x.model->bug != MODEL_NO_BUSY_MARK)
            *word = value;
        return was;
    case MODEL_ADD:
        *word += value;
        return was;
    case MODEL_EXCHANGE_IF:
        if (x.model->bug == MODEL_EXCHANGE_WITHOUT_LOOKING ||
            (x.model->bug == MODEL_NO_LOCK && word == x.model->revision))
            was = seen;
        if (was == seen)
            *word = value;
        return was;
    }
    return 0;
}

/* Where a thread is in its code: the place of the access, and how deep the stack is there, as one
 * function may be called from several. */
struct place {
    const void *code;
    const char *stack;
};

/* With the revision it begins anew: all that it was told before, it has forgotten. */
static void remember(struct thread *t, const struct told *told, struct place place)
{
    uint64_t step = (uint64_t)(told->word - x.model->shared) * 8 + told->op;

    if (told->op == MODEL_LOAD && told->word == x.model->revision)
        t->hash = t->outcome;
    t->hash = mix(mix(mix(t->hash, step), told->value), (uint64_t)(uintptr_t)place.code);
    t->hash = mix(t->hash, (uint64_t)(x.bottom - place.stack));
    t->told[t->count++] = *told;
}

void model_note(uint64_t outcome)
{
    x.running->outcome = mix(x.running->outcome, outcome + 1);
}

uint64_t model_access(enum model_op op, const uint64_t *word, uint64_t seen, uint64_t value)
{
    uint64_t *writable = (uint64_t *)(uintptr_t)word, got;
    struct thread *t = x.running;

    if (t == NULL || !is_shared(word)) { /* preparation, or a copy of its own */
        uint64_t was = *word;
        if (op == MODEL_STORE || op == MODEL_SWAP || (op == MODEL_EXCHANGE_IF && was == seen))
            *writable = value;
        return was;
    }
    if (x.cursor < t->count)
        return t->told[x.cursor++].value;
    if (x.has_stepped && !x.model->joins(word))
        longjmp(x.out, 1);
    if (t->count == STEPS_MAX)
        abort();
    got = do_access(op, writable, seen, value);
    remember(t, &(struct told){ op, word, got },
             (struct place){ __builtin_return_address(0), __builtin_frame_address(0) });
    x.cursor++;
    x.has_stepped = 1;
    return got;
}

static void let_go_on(int i)
{
    x.running = &x.thread[i];
    x.bottom = __builtin_frame_address(0);
    x.running->outcome = 0;
    x.cursor = 0;
    x.has_stepped = 0;
    if (setjmp(x.out) == 0) {
        x.model->thread[i]();
        x.running->has_ended = 1;
        x.running->hash = mix(x.running->outcome, 0);
    }
    x.running = NULL;
}

/* How often it has just been told the same, and would be once more; SPINS at most. */
static size_t spins(const struct thread *t)
{
    const struct told *last = t->told + t->count - 1;
    size_t same = 0;

    while (same < SPINS && same < t->count && last[-(int)same].op <= MODEL_LOAD_AGAIN &&
           last[-(int)same].word == last->word && last[-(int)same].value == *last->word)
        same++;
    return same;
}

/* 1: this state was not known. */
static int is_new(void)
{
    uint64_t a = 1, b = 2, at;

    for (size_t i = 0; i < x.model->words; i++) {
        a = mix(a, x.model->shared[i]);
        b = mix(b, a + x.model->shared[i]);
    }
    for (int i = 0; i < MODEL_THREADS; i++) {
        a = mix(a, x.thread[i].hash);
        a = mix(a, x.thread[i].has_ended ? SPINS + 1 : spins(&x.thread[i]));
        b = mix(b, a + x.thread[i].hash);
    }
    for (at = a % TABLE_SIZE; x.seen[at].a != 0; at = (at + 1) % TABLE_SIZE)
        if (x.seen[at].a == a && x.seen[at].b == b)
            return 0;
    x.seen[at].a = a;
    x.seen[at].b = b;
    if (++x.states > TABLE_SIZE / 10 * 9) {
        (void)fprintf(stderr, "too many states\n");
        abort();
    }
    return 1;
}

static void complain(const char *what)
{
    x.is_wrong = 1;
    if (x.model->bug != MODEL_SOUND)
        return;
    printf("%s after the steps", what);
    for (size_t i = 0; i < x.depth; i++)
        printf(" %d", x.way[i]);
    printf("\n");
}

static void explore(void); /* NOLINT */

static void follow(int i)
{
    struct thread *t = &x.thread[i];
    uint64_t memory[MODEL_WORDS], hash = t->hash;
    size_t count = t->count;

    memcpy(memory, x.model->shared, x.model->words * sizeof *memory);
    x.way[x.depth++] = i;
    let_go_on(i);
    if (is_new())
        explore();
    x.depth--;
    t->count = count;
    t->hash = hash;
    t->has_ended = 0;
    memcpy(x.model->shared, memory, x.model->words * sizeof *memory);
}

static void explore(void)
{
    int running = 0, able = 0;

    for (int i = 0; i < MODEL_THREADS && !x.is_wrong; i++) {
        if (x.model->thread[i] == NULL || x.thread[i].has_ended)
            continue;
        running++;
        if (spins(&x.thread[i]) == SPINS)
            continue;
        able++;
        follow(i);
    }
    if (x.is_wrong)
        return;
    if (running == 0 && !x.model->is_right())
        complain("wrong");
    if (running > 0 && able == 0)
        complain("deadlock");
}

uint64_t model_explore(const struct model *model)
{
    uint64_t states;

    memset(&x, 0, sizeof x);
    x.model = model;
    x.seen = calloc(TABLE_SIZE, sizeof *x.seen);
    if (x.seen == NULL || model->words > MODEL_WORDS)
        abort();
    explore();
    free(x.seen);
    states = x.is_wrong ? 0 : x.states;
    x.running = NULL;
    return states;
}
