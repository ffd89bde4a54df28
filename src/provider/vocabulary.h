/* SPDX-License-Identifier: MIT */
/* Models by the tokenizer that they use, as far as a name tells. */
#ifndef LLMRL_SRC_VOCABULARY_H
#define LLMRL_SRC_VOCABULARY_H

#include "provider/makeup.h"

#include <stdint.h>

enum rl__vocabulary {
    RL__O200K,      /* OpenAI: GPT-4o and later, the o series, gpt-oss */
    RL__CL100K,     /* OpenAI: GPT-4, GPT-3.5, its embeddings */
    RL__CLAUDE,     /* before Opus 4.7 and Sonnet 5 */
    RL__CLAUDE_NEW, /* from those on */
    RL__LLAMA,      /* 3 and later */
    RL__QWEN,       /* 2 and later */
    RL__DEEPSEEK,   /* V3 and R1 */
    RL__GEMINI,     /* and Gemma */
    RL__ANY,        /* no other: Mistral, Cohere, xAI, and whatever is not known */
    RL__VOCABULARIES
};

/* By parts of the name, without regard to case, where a part begins: "openai/gpt-4o-mini",
 * "us.anthropic.claude-3-5-sonnet", "Meta-Llama-3.1-70B". NULL: RL__ANY. */
enum rl__vocabulary rl__vocabulary_of(const char *model);
/* Whether `part`, in small letters, begins at a part of the name; '-' in it stands for '.' too. */
int rl__model_named(const char *model, const char *part);

/* 1/25600 tokens that `makeup` comes to. */
#define RL__TOKEN UINT64_C(25600)
uint64_t rl__vocabulary_weigh(enum rl__vocabulary family, const struct rl__makeup *makeup);

#endif
