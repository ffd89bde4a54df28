/* SPDX-License-Identifier: MIT */
/* The stand-in provider's arithmetic against a plain model that goes on millisecond by millisecond,
 * and its promises: all or nothing, a hint that holds, a settlement that is exact. */
#include "cli/provider_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS           INT64_C(1000000)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* One period of 60 s in the plainest way there is: a level that moves once a millisecond. A unit is
 * 60 000 * 10^6 credits, so that a millisecond's refill is amount * (10^6 - neighbour) of them. */
struct plain {
    struct provider_meter_spec spec;
    provider_wide level;
    int64_t ms;
    int64_t carry; /* quantum: what is left of a unit, of 60 * 10^6 parts */
};

static const provider_wide plain_unit = (provider_wide)60000 * PROVIDER_MILLION;

static int64_t keep(const struct plain *plain)
{
    return PROVIDER_MILLION - plain->spec.neighbour_ppm;
}

/* A new second: its grant is a sixtieth and what the seconds before left over of a unit. */
static int64_t plain_grant(struct plain *plain)
{
    int64_t parts = plain->carry + plain->spec.amount * keep(plain);

    plain->carry = parts % (60 * PROVIDER_MILLION);
    return parts / (60 * PROVIDER_MILLION);
}

static void plain_step(struct plain *plain)
{
    provider_wide debt = plain->level < 0 ? plain->level : 0;

    plain->ms++;
    if (plain->spec.refill == PROVIDER_BUCKET) {
        plain->level += plain->spec.amount * keep(plain);
        if (plain->level > plain->spec.capacity * plain_unit)
            plain->level = plain->spec.capacity * plain_unit;
    } else if (plain->spec.refill == PROVIDER_QUANTUM && plain->ms % 1000 == 0) {
        plain->level = plain_grant(plain) * plain_unit + debt;
    } else if (plain->spec.refill == PROVIDER_WINDOW && plain->ms % 60000 == 0) {
        plain->level = plain->spec.amount * plain_unit + debt;
    } else if (plain->spec.refill == PROVIDER_WINDOW && plain->level > 0) {
        plain->level -= plain->spec.amount * plain->spec.neighbour_ppm;
        if (plain->level < 0)
            plain->level = 0;
    }
}

static void plain_init(struct plain *plain, const struct provider_meter_spec *spec)
{
    *plain = (struct plain){ .spec = *spec };
    plain->level = spec->amount * plain_unit;
    if (spec->refill == PROVIDER_BUCKET)
        plain->level = spec->capacity * plain_unit;
    if (spec->refill == PROVIDER_QUANTUM)
        plain->level = plain_grant(plain) * plain_unit;
}

static int64_t plain_left(const struct plain *plain)
{
    return (int64_t)(plain->level / plain_unit - (plain->level % plain_unit < 0));
}

static uint64_t draw(uint64_t *state, uint64_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % below;
}

/* The first millisecond from now on at which the plain model has `need` units. */
static int64_t plain_ready(struct plain plain, int64_t need)
{
    while (plain.level < need * plain_unit)
        plain_step(&plain);
    return plain.ms;
}

/* The exact time is in the millisecond that the plain model found, and not a nanosecond later than
 * it must be. */
static int check_ready(const struct provider_meter *meter, const struct plain *plain, int64_t need)
{
    int64_t ready = provider_meter_ready_at(meter, need);
    struct provider_meter later = *meter;

    if (plain_ready(*plain, need) != (ready + MS - 1) / MS)
        fail_msg("ready %lld, plain %lld ms", (long long)ready,
                 (long long)plain_ready(*plain, need));
    if (ready == meter->at)
        return 0;
    provider_meter_advance(&later, ready - 1);
    assert_true(provider_meter_left(&later) < need);
    provider_meter_advance(&later, ready);
    assert_true(provider_meter_left(&later) >= need);
    return 1;
}

static struct provider_meter_spec draw_spec(uint64_t *state, enum provider_refill refill)
{
    static const int64_t amounts[] = { 1, 2, 7, 30, 59, 60, 61, 500, 90000 };
    struct provider_meter_spec spec = { .amount = amounts[draw(state, COUNT(amounts))],
                                        .period = PROVIDER_MINUTE,
                                        .refill = refill };

    spec.capacity = 1 + (int64_t)draw(state, (uint64_t)spec.amount);
    spec.neighbour_ppm = draw(state, 3) == 0 ? (int64_t)draw(state, 700000) : 0;
    return spec;
}

/* Takes, gives back and owes at random for some minutes; every level and hint must agree. */
static int compare(uint64_t seed, enum provider_refill refill)
{
    uint64_t state = seed;
    struct provider_meter_spec spec = draw_spec(&state, refill);
    struct provider_meter meter;
    struct plain plain;
    int waits = 0;

    provider_meter_init(&meter, &spec, 0);
    plain_init(&plain, &spec);
    for (int event = 0; event < 60; event++) {
        int64_t until = plain.ms + (int64_t)draw(&state, draw(&state, 4) == 0 ? 30000 : 1500);
        int64_t capacity = provider_meter_capacity(&meter);
        int64_t need = 1 + (int64_t)draw(&state, (uint64_t)capacity);
        int64_t units = (int64_t)draw(&state, (uint64_t)capacity + 2);

        while (plain.ms < until)
            plain_step(&plain);
        provider_meter_advance(&meter, until * MS);
        if (provider_meter_left(&meter) != plain_left(&plain))
            fail_msg("seed %llu refill %d event %d: %lld left, plain %lld",
                     (unsigned long long)seed, refill, event,
                     (long long)provider_meter_left(&meter), (long long)plain_left(&plain));
        waits += check_ready(&meter, &plain, need);
        if (plain.level >= 0 || draw(&state, 8) == 0) {
            provider_meter_take(&meter, units);
            plain.level -= units * plain_unit;
        }
    }
    return waits;
}

static void agrees_with_the_plain_model(void **context)
{
    (void)context;
    for (int refill = PROVIDER_BUCKET; refill <= PROVIDER_QUANTUM; refill++) {
        int waits = 0;

        for (uint64_t seed = 1; seed <= 40; seed++)
            waits += compare(seed, (enum provider_refill)refill);
        assert_true(waits > 200); /* else nothing was tested */
    }
}

/* Which whole units each second grants: the fractions add up, unused units do not. */
static void a_quantum_carries_its_fraction(void **context)
{
    static const struct {
        int64_t amount;
        int64_t left[6];
    } row[] = { { 60, { 1, 1, 1, 1, 1, 1 } },
                { 30, { 0, 1, 0, 1, 0, 1 } },
                { 500, { 8, 8, 9, 8, 8, 9 } },
                { 10, { 0, 0, 0, 0, 0, 1 } } };

    (void)context;
    for (size_t i = 0; i < COUNT(row); i++) {
        struct provider_meter_spec spec = { row[i].amount, PROVIDER_MINUTE, PROVIDER_QUANTUM, 0,
                                            0 };
        struct provider_meter meter;

        provider_meter_init(&meter, &spec, 0);
        for (int64_t second = 0; second < 6; second++) {
            provider_meter_advance(&meter, second * PROVIDER_SECOND + MS);
            assert_int_equal(provider_meter_left(&meter), row[i].left[second]);
        }
    }
}

static void a_window_ends_where_it_is_said_to(void **context)
{
    struct provider_meter_spec spec = { 10, PROVIDER_MINUTE, PROVIDER_WINDOW, 0, 0 };
    struct provider_meter meter;

    (void)context;
    provider_meter_init(&meter, &spec, 45 * PROVIDER_SECOND);
    provider_meter_take(&meter, 10);
    assert_int_equal(provider_meter_ready_at(&meter, 1), PROVIDER_MINUTE);
    provider_meter_advance(&meter, PROVIDER_MINUTE - 1);
    assert_int_equal(provider_meter_left(&meter), 0);
    provider_meter_advance(&meter, PROVIDER_MINUTE);
    assert_int_equal(provider_meter_left(&meter), 10);
}

static struct provider_limits limits; /* large: not for a stack */

static struct provider_model *begin(const struct provider_limits_spec *spec, int64_t now)
{
    provider_limits_init(&limits, spec);
    return provider_limits_model(&limits, "m", now);
}

static struct provider_demand demand_of(int64_t tokens)
{
    struct provider_demand demand = { { [PROVIDER_RPM] = 1, [PROVIDER_TPM] = tokens },
                                      { [PROVIDER_RPM] = 1, [PROVIDER_TPM] = tokens } };

    return demand;
}

static const struct provider_limits_spec two = {
    .amount = { [PROVIDER_RPM] = 60, [PROVIDER_TPM] = 600 }, .burst_us = 60 * PROVIDER_MILLION
};

static void takes_from_all_or_from_none(void **context)
{
    struct provider_model *model = begin(&two, 0);
    struct provider_demand demand = demand_of(400);
    struct provider_verdict verdict;

    (void)context;
    provider_limits_admit(&limits, model, &demand, 0, &verdict);
    assert_int_equal(verdict.outcome, PROVIDER_ADMITTED);
    assert_int_equal(verdict.shown[PROVIDER_RPM].remaining, 59);
    assert_int_equal(verdict.shown[PROVIDER_TPM].full_in, 40 * PROVIDER_SECOND);
    provider_limits_admit(&limits, model, &demand, 0, &verdict);
    assert_int_equal(verdict.outcome, PROVIDER_WAIT);
    assert_int_equal(verdict.kind, PROVIDER_TPM);
    assert_int_equal(verdict.over, 1u << PROVIDER_TPM);
    assert_int_equal(verdict.used, 400);
    assert_int_equal(verdict.ready_at, 20 * PROVIDER_SECOND);
    assert_int_equal(verdict.shown[PROVIDER_RPM].remaining, 59); /* untouched */
    provider_limits_admit(&limits, model, &demand, 20 * PROVIDER_SECOND - 1, &verdict);
    assert_int_equal(verdict.outcome, PROVIDER_WAIT);
    provider_limits_admit(&limits, model, &demand, 20 * PROVIDER_SECOND, &verdict);
    assert_int_equal(verdict.outcome, PROVIDER_ADMITTED);
}

static void more_than_the_capacity_is_too_large(void **context)
{
    struct provider_limits_spec spec = two;
    struct provider_verdict verdict;
    struct provider_model *model;
    struct provider_demand demand = demand_of(101);

    (void)context;
    spec.burst_us = 10 * PROVIDER_MILLION; /* 100 tokens */
    model = begin(&spec, 0);
    provider_limits_admit(&limits, model, &demand, 0, &verdict);
    assert_int_equal(verdict.outcome, PROVIDER_TOO_LARGE);
    assert_int_equal(verdict.capacity, 100);
    demand = demand_of(100);
    provider_limits_admit(&limits, model, &demand, 0, &verdict);
    assert_int_equal(verdict.outcome, PROVIDER_ADMITTED);
}

static void gives_back_up_to_full_and_charges_into_debt(void **context)
{
    struct provider_model *model = begin(&two, 0);
    struct provider_demand demand = demand_of(400);
    struct provider_verdict verdict;
    int64_t extra[PROVIDER_KINDS] = { [PROVIDER_TPM] = -300 };

    (void)context;
    provider_limits_admit(&limits, model, &demand, 0, &verdict);
    provider_limits_settle(&limits, model, extra, 5 * PROVIDER_SECOND); /* 50 came back by then */
    assert_int_equal(provider_meter_left(&model->limit[PROVIDER_TPM].meter), 550);
    provider_limits_settle(&limits, model, extra, 5 * PROVIDER_SECOND);
    assert_int_equal(provider_meter_left(&model->limit[PROVIDER_TPM].meter), 600);
    extra[PROVIDER_TPM] = 700;
    provider_limits_settle(&limits, model, extra, 5 * PROVIDER_SECOND);
    provider_limits_admit(&limits, model, &demand, 5 * PROVIDER_SECOND, &verdict);
    assert_int_equal(verdict.ready_at, 55 * PROVIDER_SECOND);
    assert_int_equal(verdict.shown[PROVIDER_TPM].remaining, 0);
}

static void the_second_binds_and_the_minute_shows(void **context)
{
    struct provider_limits_spec spec = two;
    struct provider_model *model;
    struct provider_demand demand = demand_of(1);
    struct provider_verdict verdict;

    (void)context;
    spec.refill = PROVIDER_QUANTUM;
    model = begin(&spec, 0);
    provider_limits_admit(&limits, model, &demand, MS, &verdict);
    assert_int_equal(verdict.outcome, PROVIDER_ADMITTED);
    assert_int_equal(verdict.shown[PROVIDER_RPM].limit, 60);
    assert_int_equal(verdict.shown[PROVIDER_RPM].remaining, 59);
    provider_limits_admit(&limits, model, &demand, MS, &verdict);
    assert_int_equal(verdict.outcome, PROVIDER_WAIT);
    assert_int_equal(verdict.ready_at, PROVIDER_SECOND);
    assert_int_equal(verdict.shown[PROVIDER_RPM].remaining, 59); /* the trap */
}

/* One limit grants in odd seconds, the other in every third: both in the sixth. */
static void a_hint_holds_for_all_limits_at_once(void **context)
{
    struct provider_limits_spec spec = { .amount = { [PROVIDER_RPM] = 30, [PROVIDER_TPM] = 20 },
                                         .refill = PROVIDER_QUANTUM };
    struct provider_model *model = begin(&spec, 0);
    struct provider_demand demand = demand_of(1);
    struct provider_verdict verdict;

    (void)context;
    provider_limits_admit(&limits, model, &demand, 0, &verdict);
    assert_int_equal(verdict.ready_at, 5 * PROVIDER_SECOND);
    provider_limits_admit(&limits, model, &demand, 5 * PROVIDER_SECOND, &verdict);
    assert_int_equal(verdict.outcome, PROVIDER_ADMITTED);
}

static void a_refusal_can_cost_a_request(void **context)
{
    struct provider_limits_spec spec = two;
    struct provider_model *model;
    struct provider_demand demand = demand_of(600);
    struct provider_verdict verdict;

    (void)context;
    spec.refused_counts = true;
    model = begin(&spec, 0);
    provider_limits_admit(&limits, model, &demand, 0, &verdict);
    for (int i = 0; i < 500; i++)
        provider_limits_admit(&limits, model, &demand, 0, &verdict);
    assert_int_equal(provider_meter_left(&model->limit[PROVIDER_RPM].meter), -60);
    assert_int_equal(verdict.ready_at, 61 * PROVIDER_SECOND);
    provider_limits_admit(&limits, model, &demand, verdict.ready_at, &verdict);
    assert_int_equal(verdict.outcome, PROVIDER_ADMITTED);
}

static void a_change_keeps_usage_and_makes_no_debt(void **context)
{
    struct provider_limits_spec spec = two;
    struct provider_model *model;
    struct provider_demand demand = demand_of(100);
    struct provider_verdict verdict;

    (void)context;
    spec.change_after = 10 * PROVIDER_SECOND;
    spec.change_ppm = PROVIDER_MILLION / 2;
    model = begin(&spec, 7 * PROVIDER_SECOND);
    for (int i = 0; i < 6; i++) /* 600 used, and 100 of them are back 10 s later */
        provider_limits_admit(&limits, model, &demand, 7 * PROVIDER_SECOND, &verdict);
    provider_limits_advance(&limits, model, 17 * PROVIDER_SECOND - 1);
    assert_int_equal(model->limit[PROVIDER_TPM].meter.spec.amount, 600);
    provider_limits_advance(&limits, model, 17 * PROVIDER_SECOND);
    assert_int_equal(model->limit[PROVIDER_TPM].meter.spec.amount, 300);
    assert_int_equal(provider_meter_left(&model->limit[PROVIDER_TPM].meter), 0); /* 500 of 300 */
    provider_limits_advance(&limits, model, 18 * PROVIDER_SECOND);
    assert_int_equal(provider_meter_left(&model->limit[PROVIDER_TPM].meter), 5);
}

static void models_have_their_own_limits_up_to_the_last(void **context)
{
    struct provider_model *first = begin(&two, 0);
    struct provider_model *last = NULL;
    char name[8] = "model00";

    (void)context;
    for (int i = 1; i < 70; i++) {
        name[5] = (char)('0' + i / 10);
        name[6] = (char)('0' + i % 10);
        last = provider_limits_model(&limits, name, 0);
        assert_ptr_not_equal(last, first);
    }
    assert_int_equal(limits.model_count, PROVIDER_MODELS_MAX);
    assert_ptr_equal(last, &limits.model[PROVIDER_MODELS_MAX - 1]);
    assert_ptr_equal(provider_limits_model(&limits, "m", 0), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_plain_model),
        cmocka_unit_test(a_quantum_carries_its_fraction),
        cmocka_unit_test(a_window_ends_where_it_is_said_to),
        cmocka_unit_test(takes_from_all_or_from_none),
        cmocka_unit_test(more_than_the_capacity_is_too_large),
        cmocka_unit_test(gives_back_up_to_full_and_charges_into_debt),
        cmocka_unit_test(the_second_binds_and_the_minute_shows),
        cmocka_unit_test(a_hint_holds_for_all_limits_at_once),
        cmocka_unit_test(a_refusal_can_cost_a_request),
        cmocka_unit_test(a_change_keeps_usage_and_makes_no_debt),
        cmocka_unit_test(models_have_their_own_limits_up_to_the_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
