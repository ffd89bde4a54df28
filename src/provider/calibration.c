/* SPDX-License-Identifier: MIT */
/* Owns the step between what was reserved, what was used, and what will be reserved. */
#include "provider/calibration.h"

#include "base/arith.h"
#include "base/quantile.h"

static const struct rl__quantile of_input = { .least = RL__QUANTILE_ONE,
                                              .most = 8 * RL__QUANTILE_ONE,
                                              .at_once = 1 };
static const struct rl__quantile of_output = { .least = RL__QUANTILE_ONE / RL__SHARE_WHOLE,
                                               .most = RL__QUANTILE_ONE,
                                               .at_once = 0 };

static size_t class_of(uint64_t max_output)
{
    size_t class = 0;

    for (; max_output > 1 && class + 1 < RL__OUTPUT_CLASSES; max_output /= 2)
        class ++;
    return class;
}

/* `of` parts of the whole that the word stands for, rounded up. */
static uint64_t share_of(uint64_t word, uint64_t of)
{
    return rl__mul_div_up(rl__quantile_ratio(word), of, RL__QUANTILE_ONE);
}

struct rl__calibration rl__calibration_of(const struct rl__traits *traits,
                                          const struct rl__lane *lane, uint64_t max_output)
{
    uint64_t declared = max_output == 0 ? RL__OUTPUT_DEFAULT : max_output;
    struct rl__calibration own = { RL__RATIO_EVEN, RL__SHARE_WHOLE };

    own.input_ratio = share_of(rl__load(&lane->input_quantile), RL__RATIO_EVEN);
    if (traits->output_as_produced)
        own.output_share =
            share_of(rl__load(&lane->output_quantile[class_of(declared)]), RL__SHARE_WHOLE);
    return own;
}

static void learn(uint64_t *word, struct rl__quantile rule, uint32_t share, uint64_t expected,
                  uint64_t actual)
{
    rule.share = share;
    rl__store(word, rl__quantile_learn(&rule, rl__load(word), expected, actual));
}

/* Against what this very request was expected to use before any calibration: others are under way
 * with older ones. */
void rl__calibrate(struct rl__lane *lane, const struct rl__cost *reserved, const rl_usage *usage,
                   uint32_t share)
{
    uint64_t input = rl__mul_div(reserved->amount[RL_INPUT_TOKENS], RL__RATIO_EVEN,
                                 rl__max(reserved->input_ratio, 1));
    uint64_t declared = rl__mul_div(reserved->amount[RL_OUTPUT_TOKENS], RL__SHARE_WHOLE,
                                    rl__max(reserved->output_share, 1));

    if ((usage->has & RL_HAS_INPUT) != 0 && usage->input_tokens <= RL__USAGE_MAX)
        learn(&lane->input_quantile, of_input, share, input, usage->input_tokens);
    if ((usage->has & RL_HAS_OUTPUT) != 0 && usage->output_tokens <= RL__USAGE_MAX)
        learn(&lane->output_quantile[class_of(declared)], of_output, share, declared,
              usage->output_tokens);
}
