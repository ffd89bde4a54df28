/* SPDX-License-Identifier: MIT */
/* Reservations follow what answers report: input by its ratio, output by its share of what was
 * declared, where the provider counts so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/quantile.h"
#include "provider/calibration.h"

#define PAIRS 300

static void start(struct rl__lane *lane)
{
    *lane = (struct rl__lane){ .input_quantile = rl__quantile_start(RL__QUANTILE_ONE) };
    for (size_t i = 0; i < RL__OUTPUT_CLASSES; i++)
        lane->output_quantile[i] = rl__quantile_start(RL__QUANTILE_ONE);
}

static struct rl__cost reserve(const char *dialect, const struct rl__lane *lane, uint64_t input,
                               uint64_t max_output)
{
    const struct rl__traits *traits = rl__traits_find(dialect);
    struct rl__calibration own = rl__calibration_of(traits, lane, max_output);
    struct rl__cost cost;

    rl__charge_reserve(traits, input, max_output, &own, &cost);
    return cost;
}

/* As one request after the other, each reserved with what those before it taught. */
static void answer(const char *dialect, struct rl__lane *lane, uint64_t input, uint64_t max_output,
                   uint64_t actual_input, uint64_t actual_output, int times)
{
    rl_usage usage = { .has = RL_HAS_INPUT | RL_HAS_OUTPUT,
                       .input_tokens = actual_input,
                       .output_tokens = actual_output };

    for (int i = 0; i < times; i++) {
        struct rl__cost cost = reserve(dialect, lane, input, max_output);

        rl__calibrate(lane, &cost, &usage, RL__CALIBRATION_SHARE);
    }
}

static void nothing_learned_reserves_what_was_asked(void **state)
{
    struct rl__lane lane;
    struct rl__cost cost;

    (void)state;
    start(&lane);
    cost = reserve("anthropic", &lane, 1000, 500);
    assert_int_equal(cost.amount[RL_INPUT_TOKENS], 1000);
    assert_int_equal(cost.amount[RL_OUTPUT_TOKENS], 500);
    assert_int_equal(cost.amount[RL_TOKENS], 1500);
    assert_int_equal(cost.input_ratio, RL__RATIO_EVEN);
    assert_int_equal(cost.output_share, RL__SHARE_WHOLE);
    assert_int_equal(reserve("gemini", &lane, 1, 0).amount[RL_OUTPUT_TOKENS], RL__OUTPUT_DEFAULT);
}

static void too_low_an_estimate_is_raised_at_once(void **state)
{
    struct rl__lane lane;

    (void)state;
    start(&lane);
    answer("openai", &lane, 1000, 500, 1300, 100, 1);
    assert_in_range(reserve("openai", &lane, 1000, 500).amount[RL_INPUT_TOKENS], 1300, 1320);
    answer("openai", &lane, 1000, 500, 1300, 100, PAIRS);
    assert_in_range(reserve("openai", &lane, 1000, 500).amount[RL_INPUT_TOKENS], 1300, 1320);
}

/* The number is the caller's, who may have counted: it is not made smaller. */
static void input_is_never_reserved_below_the_estimate(void **state)
{
    struct rl__lane lane;

    (void)state;
    start(&lane);
    answer("openai", &lane, 1000, 500, 200, 100, PAIRS);
    assert_int_equal(reserve("openai", &lane, 1000, 500).amount[RL_INPUT_TOKENS], 1000);
}

static void output_comes_down_to_what_is_used(void **state)
{
    struct rl__lane lane;

    (void)state;
    start(&lane);
    answer("anthropic", &lane, 1000, 16000, 1000, 900, 15);
    assert_int_equal(reserve("anthropic", &lane, 1000, 16000).amount[RL_OUTPUT_TOKENS], 16000);
    answer("anthropic", &lane, 1000, 16000, 1000, 900, 1); /* the trial is over */
    assert_in_range(reserve("anthropic", &lane, 1000, 16000).amount[RL_OUTPUT_TOKENS], 900, 1250);
    answer("anthropic", &lane, 1000, 16000, 1000, 7900, PAIRS);
    assert_in_range(reserve("anthropic", &lane, 1000, 16000).amount[RL_OUTPUT_TOKENS], 7900, 8300);
}

/* Those who take the declared maximum at admission would refuse what was reserved for less. */
static void who_counts_the_declared_maximum_is_believed(void **state)
{
    static const char *const dialects[] = { "openai",   "azure-openai", "groq",     "bedrock",
                                            "cerebras", "generic",      "fireworks" };

    (void)state;
    for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++) {
        struct rl__lane lane;

        start(&lane);
        answer(dialects[i], &lane, 1000, 16000, 1000, 90, PAIRS);
        assert_int_equal(reserve(dialects[i], &lane, 1000, 16000).amount[RL_OUTPUT_TOKENS], 16000);
    }
}

static void each_class_of_maximum_learns_by_itself(void **state)
{
    struct rl__lane lane;

    (void)state;
    start(&lane);
    answer("anthropic", &lane, 10, 16000, 10, 900, PAIRS);
    assert_int_equal(reserve("anthropic", &lane, 10, 200).amount[RL_OUTPUT_TOKENS], 200);
    assert_int_equal(reserve("anthropic", &lane, 10, 4000).amount[RL_OUTPUT_TOKENS], 4000);
    assert_true(reserve("anthropic", &lane, 10, 12000).amount[RL_OUTPUT_TOKENS] < 1000);
    assert_int_equal(reserve("anthropic", &lane, 10, 1).amount[RL_OUTPUT_TOKENS], 1);
}

static void more_than_was_declared_is_never_reserved(void **state)
{
    struct rl__lane lane;

    (void)state;
    start(&lane);
    answer("anthropic", &lane, 10, 500, 10, 4000, PAIRS);
    assert_int_equal(reserve("anthropic", &lane, 10, 500).amount[RL_OUTPUT_TOKENS], 500);
    assert_int_equal(reserve("anthropic", &lane, 10, RL_AMOUNT_MAX).amount[RL_OUTPUT_TOKENS],
                     RL_AMOUNT_MAX);
}

static void what_cannot_be_is_not_learned(void **state)
{
    struct rl__lane lane;
    rl_usage nothing = { .has = 0, .input_tokens = 5000, .output_tokens = 1 };
    struct rl__cost cost;

    (void)state;
    start(&lane);
    cost = reserve("anthropic", &lane, 100, 100);
    for (int i = 0; i < PAIRS; i++)
        rl__calibrate(&lane, &cost, &nothing, RL__CALIBRATION_SHARE); /* not reported */
    answer("anthropic", &lane, 100, 100, UINT64_MAX, UINT64_MAX, PAIRS);
    answer("anthropic", &lane, 100, 100, 0, 0, PAIRS);
    answer("anthropic", &lane, 0, 100, 4000, 0, PAIRS); /* nothing was estimated */
    cost = reserve("anthropic", &lane, 100, 100);
    assert_int_equal(cost.amount[RL_INPUT_TOKENS], 100);
    assert_int_equal(cost.amount[RL_OUTPUT_TOKENS], 100);
    answer("anthropic", &lane, 100, 100, RL__USAGE_MAX, 1, 1); /* eight times at most */
    assert_int_equal(reserve("anthropic", &lane, 100, 100).amount[RL_INPUT_TOKENS], 800);
}

/* ---- through the public face ---- */

static uint64_t reserved_then_answered(rl_context *rl, const char *provider)
{
    static const char body[] = "{\"usage\":{\"input_tokens\":1200,\"output_tokens\":100,"
                               "\"prompt_tokens\":1200,\"completion_tokens\":100}}";
    rl_request request = RL_REQUEST_INIT;
    rl_response response = RL_RESPONSE_INIT;
    rl_permit permit;

    request.provider = provider;
    request.model = "m";
    request.input_tokens = 1000;
    request.max_output_tokens = 16000;
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    response.status = 200;
    response.body = body;
    response.body_length = sizeof body - 1;
    assert_int_equal(rl_observe_response(rl, &permit, &response, NULL), RL_OK);
    return permit.reserved_tokens;
}

static void answers_move_the_reservations_that_follow(void **state)
{
    uint64_t anthropic = 0, openai = 0;
    rl_context *rl = NULL;

    (void)state;
    assert_int_equal(rl_open(NULL, &rl), RL_OK);
    assert_int_equal(reserved_then_answered(rl, "anthropic"), 17000);
    assert_int_equal(reserved_then_answered(rl, "openai"), 17000);
    for (int i = 0; i < 20; i++) {
        anthropic = reserved_then_answered(rl, "anthropic");
        openai = reserved_then_answered(rl, "openai");
    }
    assert_in_range(openai, 17200, 17210);
    assert_in_range(anthropic, 1300, 1200 + 16000 / RL__SHARE_WHOLE + 10);
    rl_close(rl);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_learned_reserves_what_was_asked),
        cmocka_unit_test(too_low_an_estimate_is_raised_at_once),
        cmocka_unit_test(input_is_never_reserved_below_the_estimate),
        cmocka_unit_test(output_comes_down_to_what_is_used),
        cmocka_unit_test(who_counts_the_declared_maximum_is_believed),
        cmocka_unit_test(each_class_of_maximum_learns_by_itself),
        cmocka_unit_test(more_than_was_declared_is_never_reserved),
        cmocka_unit_test(what_cannot_be_is_not_learned),
        cmocka_unit_test(answers_move_the_reservations_that_follow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
