/* SPDX-License-Identifier: MIT */
/* The private words of an attempt, spelled out. */
#ifndef LLMRL_SRC_ATTEMPT_H
#define LLMRL_SRC_ATTEMPT_H

#include <llmrl/llmrl.h>

struct __attribute__((may_alias)) rl__course { /* laid over plain words */
    struct rl__party *party;                   /* while it is queued or ready; NULL: neither */
    uint64_t sequence;                         /* order of arrival; 0: not begun */
    rl_time started_at;
    rl_time deadline; /* RL_NEVER: none */
    rl_time not_before;
    uint32_t failures, refusals;
    uint64_t max_attempts; /* 0: as configured */
    rl_time ended_at;
    rl_duration delay;       /* the last back-off */
    struct rl__guard *guard; /* whose ticket is out; NULL: none is */
    rl_breaker_ticket ticket;
    /* Of several routes; all 0 where there is one. Bit n: the nth of those that are read. */
    uint64_t fingerprint; /* of these routes */
    uint64_t tried;       /* in this round */
    uint64_t dead;        /* their answers ended it there */
    rl_time again_at;     /* when one that was tried may be again */
    rl_time round_from;   /* nobody starts before, in this round */
    uint16_t at;          /* which was taken last */
    uint16_t left_by;     /* by which the last attempt left, plus 1; 0: by none of these */
    uint32_t is_fallback; /* that one is another than was asked for */
    uint32_t count;       /* how many there are; 0 or 1: no choice */
    uint32_t owes;        /* a further round takes from the retry budget */
    uint64_t begins;      /* a further round has begun, and nothing left in it yet */
    const void *instead;  /* struct rl__lane: see rl_event.instead; NULL: none */
    rl_time instead_at;   /* when it could start; RL_NEVER: never, or not known */
};

#endif
