/* SPDX-License-Identifier: MIT */
/*
 * Owns what messages and tools cost beside their texts. Sources, as of 2026-09:
 *
 * - OpenAI's cookbook, "How to count tokens with tiktoken": 3 for each message, its role apart, and
 *   3 for the answer to come; for each function 7 (10 before GPT-4o) and 3 if it has properties, 3
 * for each property and for each value of an enum, and 12 at the end. (It takes 3 off for each
 * enum; we do not.)
 * - Anthropic, "Tool use": a system prompt of its own where tools are offered, of a length that
 *   depends on the model and on tool_choice: 313 to 804 tokens, with "any" or "tool" most. Messages
 *   are not documented; the examples of "Token counting" show 6 to 8 for one message.
 * - Google documents nothing. The rest: by published chat templates, rounded up.
 */
#include "base/arith.h"
#include "base/sized.h"
#include "provider/vocabulary.h"

#include <llmrl/estimate.h>

struct frame {
    uint32_t prompt;   /* once */
    uint32_t message;  /* for each */
    uint32_t tools;    /* once, if there are any */
    uint32_t tool;     /* for each, its properties' beginning included */
    uint32_t property; /* for each, and for each value of an enum */
};

static const struct frame frame[RL__VOCABULARIES] = {
    [RL__O200K] = { 3, 4, 12, 10, 3 },     [RL__CL100K] = { 3, 4, 12, 13, 3 },
    [RL__CLAUDE] = { 4, 4, 589, 12, 8 },   [RL__CLAUDE_NEW] = { 4, 4, 804, 16, 10 },
    [RL__LLAMA] = { 4, 6, 100, 12, 8 },    [RL__QWEN] = { 4, 6, 160, 12, 8 },
    [RL__DEEPSEEK] = { 4, 6, 160, 12, 8 }, [RL__GEMINI] = { 3, 3, 12, 12, 8 },
    [RL__ANY] = { 4, 6, 589, 16, 10 },
};

uint64_t rl_estimate_parts_tokens(const char *model, const rl_prompt_parts *parts)
{
    const struct frame *of = &frame[rl__vocabulary_of(model)];
    rl_prompt_parts own = RL_PROMPT_PARTS_INIT;
    uint64_t sum;

    if (parts == NULL || rl__copy_sized(&own, sizeof own, parts, parts->size) != RL_OK)
        return 0;
    sum = rl__add_sat(of->prompt, rl__mul_sat(own.messages, of->message));
    if (own.tools > 0)
        sum = rl__add_sat(sum, rl__add_sat(of->tools, rl__mul_sat(own.tools, of->tool)));
    return rl__add_sat(sum,
                       rl__mul_sat(rl__add_sat(own.properties, own.enum_values), of->property));
}
