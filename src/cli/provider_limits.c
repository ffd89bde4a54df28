/* SPDX-License-Identifier: MIT */
/* The enforcement of the stand-in provider: refill, admission of all or none, settlement. Every sum
 * is exact; only the answers that leave here are rounded, to the client's disadvantage. */
#include "provider_limits.h"

#include <string.h>

#define QUANTA 60
#define FAR    (INT64_MAX / 4) /* 73 years: sums of it and of a time of day still fit */

static provider_wide div_up(provider_wide a, provider_wide b)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): nobody asks a meter whose amount is 0 */
    return a / b + (a % b > 0 ? 1 : 0);
}

static provider_wide div_down(provider_wide a, provider_wide b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

static provider_wide wide_min(provider_wide a, provider_wide b)
{
    return a < b ? a : b;
}

static int64_t time_of(provider_wide ns)
{
    return (int64_t)wide_min(ns, FAR);
}

static provider_wide unit(const struct provider_meter *meter)
{
    return (provider_wide)meter->spec.period * PROVIDER_MILLION;
}

/* Credits per ns that reach us, and those that the neighbour takes. */
static provider_wide rate(const struct provider_meter *meter)
{
    return (provider_wide)meter->spec.amount * (PROVIDER_MILLION - meter->spec.neighbour_ppm);
}

static provider_wide drain(const struct provider_meter *meter)
{
    return (provider_wide)meter->spec.amount * meter->spec.neighbour_ppm;
}

/* Windows and quanta are steps: step k grants total(k + 1) - total(k) whole units, where total(k)
 * is k * numerator / denominator rounded down. So fractions are carried exactly. */
struct steps {
    int64_t length;
    provider_wide numerator;
    provider_wide denominator;
};

static struct steps steps_of(const struct provider_meter *meter)
{
    struct steps steps = { meter->spec.period, meter->spec.amount, 1 };

    if (meter->spec.refill == PROVIDER_QUANTUM) {
        steps.length /= QUANTA;
        steps.numerator = rate(meter);
        steps.denominator = (provider_wide)QUANTA * PROVIDER_MILLION;
    }
    return steps;
}

static provider_wide total(const struct steps *steps, provider_wide k)
{
    return k * steps->numerator / steps->denominator;
}

static provider_wide grant(const struct steps *steps, int64_t k)
{
    return total(steps, (provider_wide)k + 1) - total(steps, k);
}

int64_t provider_meter_capacity(const struct provider_meter *meter)
{
    struct steps steps = steps_of(meter);

    if (meter->spec.refill == PROVIDER_BUCKET)
        return meter->spec.capacity;
    return (int64_t)div_up(steps.numerator, steps.denominator);
}

/* What a client that used nothing would find at the meter's time. */
static provider_wide full_level(const struct provider_meter *meter)
{
    struct steps steps = steps_of(meter);

    if (meter->spec.refill == PROVIDER_BUCKET)
        return meter->spec.capacity * unit(meter);
    return grant(&steps, meter->at / steps.length) * unit(meter);
}

void provider_meter_init(struct provider_meter *meter, const struct provider_meter_spec *spec,
                         int64_t now)
{
    meter->spec = *spec;
    meter->at = now;
    if (spec->refill != PROVIDER_BUCKET) /* the neighbour was there before us */
        meter->at -= now % steps_of(meter).length;
    meter->level = full_level(meter);
    provider_meter_advance(meter, now);
}

/* Debt is paid from the steps in between; of what is more than that, only the last step's is left:
 * debt + sum reaches the last grant exactly when the debt was gone before it. */
static void step(struct provider_meter *meter, int64_t to)
{
    struct steps steps = steps_of(meter);
    int64_t from = meter->at / steps.length;
    provider_wide sum =
        total(&steps, (provider_wide)to + 1) - total(&steps, (provider_wide)from + 1);
    provider_wide debt = wide_min(meter->level, 0);

    if (to == from)
        return;
    meter->at = to * steps.length;
    meter->level = wide_min(full_level(meter), debt + sum * unit(meter));
    if (debt == 0)
        meter->level = full_level(meter);
}

/* In a window the neighbour uses its share as time goes by; it is refused rather than in debt. */
static void advance_steps(struct provider_meter *meter, int64_t now)
{
    provider_wide left;

    step(meter, now / steps_of(meter).length);
    if (meter->spec.refill == PROVIDER_WINDOW && meter->level > 0) {
        left = meter->level - (now - meter->at) * drain(meter);
        meter->level = left > 0 ? left : 0;
    }
}

void provider_meter_advance(struct provider_meter *meter, int64_t now)
{
    if (now <= meter->at)
        return;
    if (meter->spec.refill == PROVIDER_BUCKET)
        meter->level = wide_min(full_level(meter), meter->level + (now - meter->at) * rate(meter));
    else
        advance_steps(meter, now);
    meter->at = now;
}

/* The first step from k on that grants `need` units. Some grant one unit more than others: those
 * in which the fractions, numerator modulo denominator each, add up to another whole. */
static provider_wide step_granting(const struct steps *steps, provider_wide k, int64_t need)
{
    struct steps part = *steps;

    if (need <= steps->numerator / steps->denominator)
        return k;
    part.numerator = steps->numerator % steps->denominator;
    return div_up((total(&part, k) + 1) * part.denominator, part.numerator) - 1;
}

static int64_t stepped_ready_at(const struct provider_meter *meter, int64_t need)
{
    struct steps steps = steps_of(meter);
    int64_t k = meter->at / steps.length;
    provider_wide debt = div_down(wide_min(meter->level, 0), unit(meter));
    provider_wide wanted = total(&steps, (provider_wide)k + 1) - debt + need;
    provider_wide paid = div_up(wanted * steps.denominator, steps.numerator) - 1;

    if (debt == 0 || paid <= k)
        paid = k + 1;
    return time_of(step_granting(&steps, paid, need) * steps.length);
}

int64_t provider_meter_ready_at(const struct provider_meter *meter, int64_t need)
{
    provider_wide missing = need * unit(meter) - meter->level;

    if (missing <= 0)
        return meter->at;
    if (meter->spec.refill == PROVIDER_BUCKET)
        return time_of(meter->at + div_up(missing, rate(meter)));
    return stepped_ready_at(meter, need);
}

int64_t provider_meter_full_at(const struct provider_meter *meter)
{
    if (meter->level >= full_level(meter))
        return meter->at;
    return provider_meter_ready_at(meter, provider_meter_capacity(meter));
}

void provider_meter_take(struct provider_meter *meter, int64_t units)
{
    provider_wide level = meter->level - units * unit(meter);

    meter->level = wide_min(level, full_level(meter));
}

int64_t provider_meter_left(const struct provider_meter *meter)
{
    return (int64_t)div_down(meter->level, unit(meter));
}

void provider_meter_change(struct provider_meter *meter, int64_t amount, int64_t capacity)
{
    provider_wide used = full_level(meter) - meter->level;
    provider_wide floor = wide_min(meter->level, 0);

    meter->spec.amount = amount;
    meter->spec.capacity = capacity;
    meter->level = full_level(meter) - used;
    if (meter->level < floor)
        meter->level = floor;
}

static int64_t burst(const struct provider_limits_spec *spec, int64_t amount)
{
    provider_wide units =
        (provider_wide)amount * spec->burst_us / ((provider_wide)60 * PROVIDER_MILLION);

    return units < 1 ? 1 : (int64_t)units;
}

void provider_limits_init(struct provider_limits *limits, const struct provider_limits_spec *spec)
{
    memset(limits, 0, sizeof *limits);
    limits->spec = *spec;
    limits->change_at = INT64_MAX;
}

static int64_t amount_now(const struct provider_limits *limits, enum provider_kind kind)
{
    provider_wide amount = limits->spec.amount[kind];

    if (limits->changed && amount != 0) {
        amount = amount * limits->spec.change_ppm / PROVIDER_MILLION;
        amount = amount < 1 ? 1 : wide_min(amount, PROVIDER_AMOUNT_MAX);
    }
    return (int64_t)amount;
}

static void limit_init(const struct provider_limits *limits, enum provider_kind kind, int64_t now,
                       struct provider_limit *limit)
{
    struct provider_meter_spec spec = { .amount = amount_now(limits, kind),
                                        .period = PROVIDER_MINUTE,
                                        .refill = limits->spec.refill,
                                        .neighbour_ppm = limits->spec.neighbour_ppm };

    spec.capacity = burst(&limits->spec, spec.amount);
    if (kind == PROVIDER_RPD) {
        spec.period = PROVIDER_DAY;
        spec.refill = PROVIDER_BUCKET;
        spec.capacity = spec.amount;
    }
    provider_meter_init(&limit->meter, &spec, now);
    spec.refill = PROVIDER_BUCKET;
    spec.capacity = spec.amount;
    provider_meter_init(&limit->minute, &spec, now);
}

struct provider_model *provider_limits_model(struct provider_limits *limits, const char *name,
                                             int64_t now)
{
    struct provider_model *model = limits->model;

    for (size_t i = 0; i < limits->model_count; i++)
        if (strcmp(limits->model[i].name, name) == 0)
            return &limits->model[i];
    if (limits->model_count == PROVIDER_MODELS_MAX)
        return &limits->model[PROVIDER_MODELS_MAX - 1];
    if (limits->model_count == 0 && limits->spec.change_ppm != 0 && limits->change_at == INT64_MAX)
        limits->change_at = now + limits->spec.change_after;
    model += limits->model_count++;
    memcpy(model->name, name, strnlen(name, sizeof model->name - 1));
    for (int kind = 0; kind < PROVIDER_KINDS; kind++)
        if (limits->spec.amount[kind] != 0)
            limit_init(limits, (enum provider_kind)kind, now, &model->limit[kind]);
    return model;
}

static void change_all(struct provider_limits *limits)
{
    limits->changed = true;
    for (size_t i = 0; i < limits->model_count * PROVIDER_KINDS; i++) {
        enum provider_kind kind = (enum provider_kind)(i % PROVIDER_KINDS);
        struct provider_limit *limit = &limits->model[i / PROVIDER_KINDS].limit[kind];
        int64_t amount = amount_now(limits, kind);

        if (amount == 0)
            continue;
        provider_meter_advance(&limit->meter, limits->change_at);
        provider_meter_advance(&limit->minute, limits->change_at);
        provider_meter_change(&limit->meter, amount,
                              kind == PROVIDER_RPD ? amount : burst(&limits->spec, amount));
        provider_meter_change(&limit->minute, amount, amount);
    }
}

void provider_limits_advance(struct provider_limits *limits, struct provider_model *model,
                             int64_t now)
{
    if (!limits->changed && now >= limits->change_at)
        change_all(limits);
    for (int kind = 0; kind < PROVIDER_KINDS; kind++) {
        if (limits->spec.amount[kind] == 0)
            continue;
        provider_meter_advance(&model->limit[kind].meter, now);
        provider_meter_advance(&model->limit[kind].minute, now);
    }
}

static void take(const struct provider_limits *limits, struct provider_model *model,
                 enum provider_kind kind, int64_t units)
{
    if (limits->spec.amount[kind] == 0 || units == 0)
        return;
    provider_meter_take(&model->limit[kind].meter, units);
    provider_meter_take(&model->limit[kind].minute, units);
}

/* A client that hammers is charged for it, but never owes more than one whole capacity. */
static void charge_refusal(const struct provider_limits *limits, struct provider_model *model)
{
    static const enum provider_kind counts[] = { PROVIDER_RPM, PROVIDER_RPD };

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const struct provider_meter *meter = &model->limit[counts[i]].meter;

        if (limits->spec.amount[counts[i]] != 0 &&
            provider_meter_left(meter) > -provider_meter_capacity(meter))
            take(limits, model, counts[i], 1);
    }
}

/* Which limits refuse now, and whether one of them always will. */
static enum provider_outcome judge(const struct provider_limits *limits,
                                   const struct provider_model *model,
                                   const struct provider_demand *demand,
                                   struct provider_verdict *verdict)
{
    enum provider_outcome outcome = PROVIDER_ADMITTED;

    for (int kind = 0; kind < PROVIDER_KINDS; kind++) {
        const struct provider_meter *meter = &model->limit[kind].meter;
        int64_t need = demand->need[kind];

        if (limits->spec.amount[kind] == 0 || need == 0)
            continue;
        if (need > provider_meter_capacity(meter)) {
            verdict->kind = (enum provider_kind)kind;
            verdict->over = 1u << kind;
            return PROVIDER_TOO_LARGE;
        }
        if (provider_meter_ready_at(meter, need) > meter->at) {
            verdict->over |= 1u << kind;
            outcome = PROVIDER_WAIT;
        }
    }
    return outcome;
}

/* One limit may have what is needed now and not when another has (steps, a neighbour): go round
 * until all agree on one moment. Some never do; then the last moment asked is named. */
static void find_ready(const struct provider_limits *limits, const struct provider_model *model,
                       const struct provider_demand *demand, struct provider_verdict *verdict)
{
    int64_t when = verdict->ready_at;

    for (int quiet = 0, i = 0; quiet < PROVIDER_KINDS && i < 64 * PROVIDER_KINDS; i++) {
        int kind = i % PROVIDER_KINDS;
        struct provider_meter meter = model->limit[kind].meter;
        int64_t ready;

        quiet++;
        if (limits->spec.amount[kind] == 0 || demand->need[kind] == 0)
            continue;
        provider_meter_advance(&meter, when);
        ready = provider_meter_ready_at(&meter, demand->need[kind]);
        if (ready <= when)
            continue;
        when = ready;
        quiet = 0;
        verdict->kind = (enum provider_kind)kind;
    }
    verdict->ready_at = when;
}

static const struct provider_meter *shown_meter(const struct provider_limits *limits,
                                                const struct provider_limit *limit)
{
    return limits->spec.refill == PROVIDER_QUANTUM ? &limit->minute : &limit->meter;
}

static void show(const struct provider_limits *limits, const struct provider_model *model,
                 int64_t now, struct provider_shown shown[PROVIDER_KINDS])
{
    for (int kind = 0; kind < PROVIDER_KINDS; kind++) {
        const struct provider_meter *meter = shown_meter(limits, &model->limit[kind]);

        if (limits->spec.amount[kind] == 0)
            continue;
        shown[kind].limit = meter->spec.amount;
        shown[kind].remaining = provider_meter_left(meter);
        if (shown[kind].remaining < 0)
            shown[kind].remaining = 0;
        shown[kind].full_in = provider_meter_full_at(meter) - now;
    }
}

void provider_limits_admit(struct provider_limits *limits, struct provider_model *model,
                           const struct provider_demand *demand, int64_t now,
                           struct provider_verdict *verdict)
{
    const struct provider_meter *meter;

    memset(verdict, 0, sizeof *verdict);
    provider_limits_advance(limits, model, now);
    verdict->ready_at = now;
    verdict->outcome = judge(limits, model, demand, verdict);
    for (int kind = 0; verdict->outcome == PROVIDER_ADMITTED && kind < PROVIDER_KINDS; kind++)
        take(limits, model, (enum provider_kind)kind, demand->take[kind]);
    if (verdict->outcome != PROVIDER_ADMITTED && limits->spec.refused_counts)
        charge_refusal(limits, model);
    if (verdict->outcome == PROVIDER_WAIT)
        find_ready(limits, model, demand, verdict);
    show(limits, model, now, verdict->shown);
    if (verdict->outcome == PROVIDER_ADMITTED)
        return;
    meter = shown_meter(limits, &model->limit[verdict->kind]);
    verdict->used = meter->spec.amount - provider_meter_left(meter);
    verdict->requested = demand->need[verdict->kind];
    verdict->capacity = provider_meter_capacity(&model->limit[verdict->kind].meter);
}

void provider_limits_settle(struct provider_limits *limits, struct provider_model *model,
                            const int64_t extra[PROVIDER_KINDS], int64_t now)
{
    provider_limits_advance(limits, model, now);
    for (int kind = 0; kind < PROVIDER_KINDS; kind++)
        take(limits, model, (enum provider_kind)kind, extra[kind]);
}
