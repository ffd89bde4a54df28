/* SPDX-License-Identifier: MIT */
/* The usage objects of the dialects, as one table of fields. */
#include "provider/usage.h"

#include "base/arith.h"
#include "provider/body.h"

/* Who writes so. The first shape of which anything was seen is taken; proxies fill in several. */
enum shape { CHAT, MESSAGES, GOOGLE, BILLED, CONVERSE, INTERACTION, INVOCATION, SERVER, SHAPES };

enum role {
    PROMPT,        /* the prompt, or what of it the extras leave */
    PROMPT_EXTRA,  /* belongs to the prompt, too */
    PROMPT_STORED, /* so does this, under several names */
    PROMPT_CACHED, /* so does this, and it was read from a cache */
    CACHED,        /* the part of PROMPT that was read from a cache */
    PROMPT_AUDIO,  /* part of PROMPT, unless the total says otherwise */
    OUTPUT,
    OUTPUT_EXTRA, /* was written, too: thoughts */
    REASONING,    /* part of OUTPUT, unless the total says otherwise */
    TOTAL,
    ROLES
};

static const struct field {
    const char *name; /* "outer.inner" at most */
    enum shape shape;
    enum role role;
} fields[] = {
    { "prompt_tokens", CHAT, PROMPT },
    { "completion_tokens", CHAT, OUTPUT },
    { "total_tokens", CHAT, TOTAL },
    { "prompt_tokens_details.cached_tokens", CHAT, CACHED },
    { "prompt_cache_hit_tokens", CHAT, CACHED },
    { "cached_tokens", CHAT, CACHED },
    { "prompt_token_details.cached_tokens", CHAT, CACHED }, /* Mistral spells it so, too */
    { "num_cached_tokens", CHAT, CACHED },
    { "completion_tokens_details.reasoning_tokens", CHAT, REASONING },
    { "reasoning_tokens", CHAT, REASONING },
    { "prompt_tokens_details.audio_tokens", CHAT, PROMPT_AUDIO },
    { "prompt_token_details.audio_tokens", CHAT, PROMPT_AUDIO },
    /* Anthropic's caches lie outside input_tokens; OpenAI's Responses have the same names without
       them. */
    { "input_tokens", MESSAGES, PROMPT },
    { "cache_creation_input_tokens", MESSAGES, PROMPT_EXTRA },
    { "cache_read_input_tokens", MESSAGES, PROMPT_CACHED },
    { "input_tokens_details.cached_tokens", MESSAGES, CACHED },
    { "input_token_details.cached_tokens", MESSAGES, CACHED },
    { "input_tokens_details.cache_read_input_tokens", MESSAGES, CACHED },
    { "output_tokens", MESSAGES, OUTPUT },
    { "promptTokenCount", GOOGLE, PROMPT },
    { "toolUsePromptTokenCount", GOOGLE, PROMPT_EXTRA },
    { "cachedContentTokenCount", GOOGLE, CACHED },
    { "candidatesTokenCount", GOOGLE, OUTPUT },
    { "thoughtsTokenCount", GOOGLE, OUTPUT_EXTRA },
    { "billed_units.input_tokens", BILLED, PROMPT },
    { "billed_units.output_tokens", BILLED, OUTPUT },
    { "inputTokens", CONVERSE, PROMPT },
    { "cacheWriteInputTokens", CONVERSE, PROMPT_STORED },
    { "cacheWriteInputTokenCount", CONVERSE, PROMPT_STORED },
    { "cacheReadInputTokens", CONVERSE, PROMPT_CACHED },
    { "cacheReadInputTokenCount", CONVERSE, PROMPT_CACHED },
    { "outputTokens", CONVERSE, OUTPUT },
    { "total_input_tokens", INTERACTION, PROMPT },
    { "total_cached_tokens", INTERACTION, CACHED },
    { "total_output_tokens", INTERACTION, OUTPUT },
    { "total_thought_tokens", INTERACTION, OUTPUT_EXTRA },
    /* Bedrock adds these to the last event of any model's stream. */
    { "inputTokenCount", INVOCATION, PROMPT },
    { "cacheWriteInputTokenCount", INVOCATION, PROMPT_STORED },
    { "cacheReadInputTokenCount", INVOCATION, PROMPT_CACHED },
    { "outputTokenCount", INVOCATION, OUTPUT },
    /* Ollama, llama.cpp, Llama on Bedrock, TGI. */
    { "prompt_eval_count", SERVER, PROMPT },
    { "eval_count", SERVER, OUTPUT },
    { "tokens_evaluated", SERVER, PROMPT },
    { "tokens_predicted", SERVER, OUTPUT },
    { "prompt_token_count", SERVER, PROMPT },
    { "generation_token_count", SERVER, OUTPUT },
    { "input_length", SERVER, PROMPT },
    { "generated_tokens", SERVER, OUTPUT },
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])
_Static_assert(FIELD_COUNT <= RL__USAGE_FIELDS && FIELD_COUNT <= 64,
               "rl__usage_seen has a place for each field");

static const cJSON *field_find(const cJSON *object, const char *name)
{
    const char *point = strchr(name, '.');
    char outer[32];

    if (point == NULL)
        return cJSON_GetObjectItemCaseSensitive(object, name);
    if ((size_t)(point - name) >= sizeof outer)
        return NULL;
    memcpy(outer, name, (size_t)(point - name));
    outer[point - name] = '\0';
    object = cJSON_GetObjectItemCaseSensitive(object, outer);
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, point + 1) : NULL;
}

static void value_take(struct rl__usage_seen *seen, size_t i, const cJSON *item)
{
    if (rl__json_count(item, &seen->value[i]))
        seen->fields |= UINT64_C(1) << i;
    else
        seen->ignored++;
}

void rl__usage_take(struct rl__usage_seen *seen, const cJSON *object, int prompt_only)
{
    if (!cJSON_IsObject(object))
        return;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const cJSON *item = field_find(object, fields[i].name);
        int output = fields[i].role >= OUTPUT;

        if (item == NULL || cJSON_IsNull(item) || (prompt_only && output))
            continue;
        value_take(seen, i, item);
    }
}

void rl__usage_count(struct rl__usage_seen *seen, const char *name, size_t length,
                     const cJSON *item)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (!cJSON_IsNull(item) && rl__is(name, length, fields[i].name))
            value_take(seen, i, item);
}

/* The fields of one shape by their roles. */
struct sums {
    uint32_t has; /* bit n: role n */
    uint64_t of[ROLES];
};

static struct sums sums_of(const struct rl__usage_seen *seen, enum shape shape)
{
    struct sums sums = { 0 };

    for (size_t i = 0; i < FIELD_COUNT; i++) {
        uint32_t bit = UINT32_C(1) << fields[i].role;
        int added = fields[i].role == PROMPT_EXTRA;

        if (fields[i].shape != shape || (seen->fields & (UINT64_C(1) << i)) == 0)
            continue;
        if ((sums.has & bit) == 0 || added) /* several names of one thing: the first stands */
            sums.of[fields[i].role] += seen->value[i];
        sums.has |= bit;
    }
    return sums;
}

static int has(const struct sums *sums, enum role role)
{
    return (sums->has & (UINT32_C(1) << role)) != 0;
}

/* xAI leaves reasoning out of its completion, Gemini's OpenAI form leaves thoughts out: the total
 * tells. */
static uint64_t output_of(const struct sums *sums, const rl_dialect *dialect)
{
    uint64_t output = sums->of[OUTPUT] + sums->of[OUTPUT_EXTRA];
    uint64_t all = sums->of[PROMPT] + output;

    if (!has(sums, TOTAL) || !has(sums, PROMPT) || sums->of[TOTAL] <= all)
        return output;
    if (sums->of[TOTAL] == all + sums->of[REASONING] ||
        (dialect != NULL && (dialect->flags & RL__DIALECT_OUTPUT_FROM_TOTAL) != 0))
        return output + (sums->of[TOTAL] - all);
    return output;
}

/* Mistral counts spoken input beside the prompt, OpenAI within it: again the total tells. */
static uint64_t input_of(const struct sums *sums)
{
    uint64_t input = sums->of[PROMPT] + sums->of[PROMPT_EXTRA] + sums->of[PROMPT_STORED] +
                     sums->of[PROMPT_CACHED];
    uint64_t audio = sums->of[PROMPT_AUDIO];

    if (has(sums, TOTAL) && sums->of[TOTAL] == input + sums->of[OUTPUT] + audio)
        return input + audio;
    return input;
}

void rl__usage_total(const struct rl__usage_seen *seen, const rl_dialect *dialect, rl_usage *usage)
{
    struct sums sums = { 0 };

    for (int shape = 0; shape < SHAPES; shape++) {
        sums = sums_of(seen, (enum shape)shape);
        if (has(&sums, PROMPT) || has(&sums, OUTPUT) || has(&sums, OUTPUT_EXTRA))
            break;
    }
    memset(usage, 0, sizeof *usage);
    if (has(&sums, PROMPT)) {
        usage->has |= RL_HAS_INPUT;
        usage->input_tokens = input_of(&sums);
    }
    if (has(&sums, OUTPUT) || has(&sums, OUTPUT_EXTRA)) {
        usage->has |= RL_HAS_OUTPUT;
        usage->output_tokens = output_of(&sums, dialect);
    }
    if (has(&sums, CACHED) || has(&sums, PROMPT_CACHED)) {
        usage->has |= RL_HAS_CACHED_INPUT;
        usage->cached_input_tokens =
            has(&sums, PROMPT_CACHED) ? sums.of[PROMPT_CACHED] : sums.of[CACHED];
        if ((usage->has & RL_HAS_INPUT) != 0) /* it is a part of it */
            usage->cached_input_tokens = rl__min(usage->cached_input_tokens, usage->input_tokens);
    }
}
