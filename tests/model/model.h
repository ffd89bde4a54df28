/* SPDX-License-Identifier: MIT */
/* Explores every interleaving of a few threads that run the library's own code; see model.c. */
#ifndef LLMRL_TEST_MODEL_H
#define LLMRL_TEST_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define MODEL_THREADS 3

/* What is left out of the protocol on purpose, to see that it is missed. */
enum model_bug {
    MODEL_SOUND,
    MODEL_EXCHANGE_WITHOUT_LOOKING, /* a compare-exchange that does not compare */
    MODEL_NO_BUSY_MARK,             /* a change does not take the word away first */
    MODEL_NO_SECOND_LOOK,           /* a revision that was seen once is believed for ever */
    MODEL_NO_LOCK                   /* an odd revision keeps nobody out */
};

struct model {
    uint64_t *shared;                   /* an access to these words is a step */
    size_t words;                       /* MODEL_WORDS at most */
    int (*joins)(const uint64_t *word); /* 1: one that goes with the step before it */
    const uint64_t *revision;
    void (*thread[MODEL_THREADS])(void); /* NULL: fewer */
    int (*is_right)(void);               /* asked when all have ended */
    enum model_bug bug;
};
#define MODEL_WORDS 64

/* A thread says after each call what came of it: all that it still knows of it. */
void model_note(uint64_t outcome);

/* How many different states there were; 0: a wrong end or a deadlock was found (and printed, unless
 * a bug was planted). */
uint64_t model_explore(const struct model *model);

#endif
