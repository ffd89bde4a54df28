/* SPDX-License-Identifier: MIT */
/**
 * @file estimate.h
 * What a prompt costs beside its text: images, and the frame of messages and tools. Text itself is
 * estimated by rl_estimate_tokens() (llmrl.h).
 *
 * The rules are those that providers document, as of 2026-09; src/provider/estimate_image.c and
 * estimate_parts.c name the sources. Where a rule leaves room, or a model is not known, the larger
 * number is given: too little reserved is a refusal, too much is given back with the answer.
 */
#ifndef LLMRL_ESTIMATE_H
#define LLMRL_ESTIMATE_H

#include <llmrl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How closely a model is asked to look at an image: OpenAI's `detail`, Gemini's
 * `media_resolution`. Claude knows no such choice. */
typedef enum rl_image_detail {
    RL_IMAGE_AUTO = 0, /* none was asked for: what the model does then */
    RL_IMAGE_LOW = 1,
    RL_IMAGE_HIGH = 2,
    RL_IMAGE_ORIGINAL = 3 /* OpenAI's "original", Gemini's "ultra high" */
} rl_image_detail;

/**
 * Input tokens of one image.
 *
 * @param model          as in a request; NULL or not known: what the most expensive model that is
 *                       publicly documented would take, gpt-4o-mini left aside, which counts 33
 *                       times as many tokens as others, at a price as much lower.
 * @param width, height  in pixels; 0: not known, so the largest image is assumed.
 * @param detail         an rl_image_detail; any other value counts as RL_IMAGE_ORIGINAL.
 * Threads: any.  Blocks: no.  Allocates: no.  Since: 0.2.
 */
RL_API uint64_t rl_estimate_image_tokens(const char *model, uint64_t width, uint64_t height,
                                         uint32_t detail);

/** The parts of a prompt that cost tokens apart from their text. */
typedef struct rl_prompt_parts {
    size_t size;          /* set by RL_PROMPT_PARTS_INIT */
    uint64_t messages;    /* system, user, assistant, tool results */
    uint64_t tools;       /* functions that are offered */
    uint64_t properties;  /* of all of them together: the parameters that their schemas name */
    uint64_t enum_values; /* of all properties together */
} rl_prompt_parts;

static inline rl_prompt_parts rl_prompt_parts_init_(void)
{
    rl_prompt_parts parts = RL_ZERO_;
    parts.size = sizeof parts;
    return parts;
}
#define RL_PROMPT_PARTS_INIT rl_prompt_parts_init_()

/**
 * Input tokens of the frame around a prompt's texts: what marks the messages, and what stands
 * between the names and descriptions of tools. Add to it the texts themselves: messages, and the
 * names, descriptions and types of tools.
 *
 * @param model  NULL or not known: the dearest.
 * @param parts  NULL: 0. Numbers may be anything; the sum saturates.
 * Threads: any.  Blocks: no.  Allocates: no.  Since: 0.2.
 */
RL_API uint64_t rl_estimate_parts_tokens(const char *model, const rl_prompt_parts *parts);

#ifdef __cplusplus
}
#endif
#endif
