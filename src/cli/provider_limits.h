/* SPDX-License-Identifier: MIT */
/* What the stand-in provider allows: exact meters in 128-bit integers, apart from the library that
 * they judge. Times are nanoseconds since the server began; nothing here reads a clock. */
#ifndef LLMRL_CLI_PROVIDER_LIMITS_H
#define LLMRL_CLI_PROVIDER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROVIDER_MILLION    INT64_C(1000000)
#define PROVIDER_SECOND     INT64_C(1000000000)
#define PROVIDER_MINUTE     (60 * PROVIDER_SECOND)
#define PROVIDER_DAY        (86400 * PROVIDER_SECOND)
#define PROVIDER_AMOUNT_MAX INT64_C(1000000000000)
#define PROVIDER_MODELS_MAX 64u
#define PROVIDER_NAME_MAX   128u

__extension__ typedef __int128 provider_wide;

/* bucket: continuous. window: all of it at each aligned period. quantum: a sixtieth of it at each
 * aligned sixtieth of the period; fractions are carried, whole units that were not used are lost.
 */
enum provider_refill { PROVIDER_BUCKET, PROVIDER_WINDOW, PROVIDER_QUANTUM };

enum provider_kind {
    PROVIDER_RPM,
    PROVIDER_TPM,
    PROVIDER_ITPM,
    PROVIDER_OTPM,
    PROVIDER_RPD,
    PROVIDER_KINDS
};

struct provider_meter_spec {
    int64_t amount; /* units per period, 1 .. PROVIDER_AMOUNT_MAX */
    int64_t period; /* ns */
    enum provider_refill refill;
    int64_t capacity;      /* bucket only, in units */
    int64_t neighbour_ppm; /* share of the amount that somebody else uses, 0 .. 990000 */
};

/* One limit at work. A whole unit is period * PROVIDER_MILLION credits, so that every refill is an
 * integer. A level below zero is debt: it is paid before anything is allowed again. */
struct provider_meter {
    struct provider_meter_spec spec;
    provider_wide level;
    int64_t at; /* the level is that of this moment */
};

void provider_meter_init(struct provider_meter *meter, const struct provider_meter_spec *spec,
                         int64_t now);
/* Time that steps back changes nothing. */
void provider_meter_advance(struct provider_meter *meter, int64_t now);
/* The most that can ever be there at once: a request for more is too large. */
int64_t provider_meter_capacity(const struct provider_meter *meter);
/* The earliest time from the meter's own on at which `need` units are there, if nobody takes any.
 * `need` is at most the capacity. */
int64_t provider_meter_ready_at(const struct provider_meter *meter, int64_t need);
int64_t provider_meter_full_at(const struct provider_meter *meter);
/* Takes without asking, into debt if need be; a negative number gives back, up to full. */
void provider_meter_take(struct provider_meter *meter, int64_t units);
/* Rounded down, negative in debt. */
int64_t provider_meter_left(const struct provider_meter *meter);
/* Changes amount and capacity; what was used stays used, but the change itself makes no debt. */
void provider_meter_change(struct provider_meter *meter, int64_t amount, int64_t capacity);

/* Settings of all limits of all models; amount 0: that limit is not enforced. */
struct provider_limits_spec {
    int64_t amount[PROVIDER_KINDS];
    enum provider_refill refill; /* of the minute; a day is a bucket always */
    int64_t burst_us;            /* bucket only: capacity, as microseconds of the rate */
    int64_t neighbour_ppm;
    int64_t change_after; /* ns after the first request */
    int64_t change_ppm;   /* factor of the change; 0: none */
    bool refused_counts;  /* a refusal costs a request all the same */
};

/* In quantum mode `minute` is what the headers show while `meter` is what binds. */
struct provider_limit {
    struct provider_meter meter;
    struct provider_meter minute;
};

struct provider_model {
    char name[PROVIDER_NAME_MAX];
    struct provider_limit limit[PROVIDER_KINDS];
    int64_t announced; /* told to a client: no request before this time; 0: nothing told */
};

struct provider_limits {
    struct provider_limits_spec spec;
    size_t model_count;
    int64_t change_at;
    bool changed;
    struct provider_model model[PROVIDER_MODELS_MAX];
};

/* What a request must find (`need`) and what is taken on admission (`take`), for each limit. */
struct provider_demand {
    int64_t need[PROVIDER_KINDS];
    int64_t take[PROVIDER_KINDS];
};

enum provider_outcome { PROVIDER_ADMITTED, PROVIDER_WAIT, PROVIDER_TOO_LARGE };

/* What the headers tell of one limit; all 0 if it is not enforced. */
struct provider_shown {
    int64_t limit;
    int64_t remaining; /* not below 0 */
    int64_t full_in;   /* ns */
};

struct provider_verdict {
    enum provider_outcome outcome;
    enum provider_kind kind; /* the limit that holds back longest */
    unsigned over;           /* bit 1 << kind for each limit that refuses */
    int64_t ready_at;        /* the earliest time at which all limits would agree */
    int64_t used;            /* of `kind`, as a refusal words it */
    int64_t requested;
    int64_t capacity; /* of `kind` */
    struct provider_shown shown[PROVIDER_KINDS];
};

void provider_limits_init(struct provider_limits *limits, const struct provider_limits_spec *spec);
/* The model of that name, made on first use; past the maximum all share the last one. */
struct provider_model *provider_limits_model(struct provider_limits *limits, const char *name,
                                             int64_t now);
/* Takes from all limits or from none. */
void provider_limits_admit(struct provider_limits *limits, struct provider_model *model,
                           const struct provider_demand *demand, int64_t now,
                           struct provider_verdict *verdict);
/* The request is over: `extra` is charged on top of what was taken, or given back if negative. */
void provider_limits_settle(struct provider_limits *limits, struct provider_model *model,
                            const int64_t extra[PROVIDER_KINDS], int64_t now);
void provider_limits_advance(struct provider_limits *limits, struct provider_model *model,
                             int64_t now);

#endif
