/* SPDX-License-Identifier: MIT */
/*
 * Owns the rules by which images count. Sources, as of 2026-09:
 *
 * - OpenAI, "Images and vision": tiles of 512 pixels for GPT-4o, 4.1, 4.5, GPT-5 and the o series;
 *   patches of 32 pixels for the small ones from 4.1 on, o4-mini and all from GPT-5.2 on, with a
 *   factor for each model. GPT-5.4 and later: 2 500 patches for "high", 10 000 for "original", no
 *   end from GPT-5.6 on, where that is what "auto" means.
 * - Anthropic, "Vision": patches of 28 pixels, at most 1 568 of them and 1 568 pixels on the long
 *   edge; from Claude 4.7 on 4 784 and 2 576. (Until 2026 the same page said width * height / 750.)
 * - Google, "Understand and count tokens" and "Media resolution": 258 tokens for each tile of 768
 *   pixels, or one where both sides are at most 384; a fixed number from Gemini 3 on.
 */
#include "base/arith.h"
#include "provider/vocabulary.h"

#include <llmrl/estimate.h>

#define SIDE_MAX UINT64_C(65536) /* longer images are not accepted anywhere */

enum way { TILES, PATCHES, CROPS, LEVELS };

struct rule {
    const char *part; /* of a model's name, as in vocabulary.c; the first that fits counts */
    enum way way;
    /* TILES: the frame, and each tile. PATCHES: pixels on an edge, tokens for 100 patches; LEVELS:
     * tokens for low and high. */
    uint32_t a, b;
    /* PATCHES: the most of them, for high and auto or for original; and the longest side for high.
     * 0: no end. */
    uint32_t most, most_original, longest;
    int auto_is_original;
};

/* What "no end" comes to in practice. */
#define PATCHES_EVER 30000

static const struct rule known[] = {
    { "gpt-4o-mini", TILES, 2833, 5667, 0, 0, 0, 0 },
    { "gpt-4-1-mini", PATCHES, 32, 162, 1536, 1536, 2048, 0 },
    { "gpt-4-1-nano", PATCHES, 32, 246, 1536, 1536, 2048, 0 },
    { "gpt-4", TILES, 85, 170, 0, 0, 0, 0 },
    { "chatgpt-4o", TILES, 85, 170, 0, 0, 0, 0 },
    { "gpt-5-mini", PATCHES, 32, 162, 1536, 1536, 2048, 0 },
    { "gpt-5-nano", PATCHES, 32, 246, 1536, 1536, 2048, 0 },
    { "gpt-5-4-mini", PATCHES, 32, 162, 1536, 1536, 2048, 0 },
    { "gpt-5-4-nano", PATCHES, 32, 246, 1536, 1536, 2048, 0 },
    { "gpt-5-2", PATCHES, 32, 120, 1536, 1536, 2048, 0 },
    { "gpt-5-3", PATCHES, 32, 120, 1536, 1536, 2048, 0 },
    { "gpt-5-4", PATCHES, 32, 120, 2500, 10000, 2048, 0 },
    { "gpt-5-5", PATCHES, 32, 120, 2500, 10000, 2048, 1 },
    { "gpt-5-6", PATCHES, 32, 120, 2500, PATCHES_EVER, 2048, 1 },
    { "gpt-5-7", PATCHES, 32, 246, 2500, PATCHES_EVER, 2048, 1 }, /* and on: not documented yet */
    { "gpt-5-8", PATCHES, 32, 246, 2500, PATCHES_EVER, 2048, 1 },
    { "gpt-5-9", PATCHES, 32, 246, 2500, PATCHES_EVER, 2048, 1 },
    { "gpt-5", TILES, 70, 140, 0, 0, 0, 0 },
    { "gpt-6", PATCHES, 32, 120, 2500, PATCHES_EVER, 2048, 1 },
    { "gpt-", PATCHES, 32, 246, 2500, PATCHES_EVER, 2048, 1 },
    { "o4-mini", PATCHES, 32, 172, 1536, 1536, 2048, 0 },
    { "o1", TILES, 75, 150, 0, 0, 0, 0 },
    { "o3", TILES, 75, 150, 0, 0, 0, 0 },
    { "o4", PATCHES, 32, 172, 1536, 1536, 2048, 0 },
    { "computer-use", TILES, 65, 129, 0, 0, 0, 0 },
    { "gemini-1", CROPS, 258, 0, 0, 0, 0, 0 },
    { "gemini-2", CROPS, 258, 0, 0, 0, 0, 0 },
    { "gemini", LEVELS, 280, 1120, 0, 2240, 0, 0 },
    { "gemma", CROPS, 258, 0, 0, 0, 0, 0 },
};

static const struct rule claude = { "", PATCHES, 28, 100, 1568, 1568, 1568, 0 };
static const struct rule claude_new = { "", PATCHES, 28, 100, 4784, 4784, 2576, 0 };
/* Pixtral cuts patches of 16 pixels, Qwen goes up to 16 384 of them. */
static const struct rule dearest = { "", PATCHES, 16, 100, 16384, 16384, 0, 0 };

struct image {
    uint64_t width, height;
};

static const struct rule *rule_of(const char *model)
{
    enum rl__vocabulary family = rl__vocabulary_of(model);

    if (family == RL__CLAUDE || family == RL__CLAUDE_NEW)
        return family == RL__CLAUDE ? &claude : &claude_new;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (rl__model_named(model, known[i].part))
            return &known[i];
    return &dearest;
}

/* Made smaller, in proportion, until `of` is at most `most`. Rounded up. */
static struct image shrink(struct image image, uint64_t of, uint64_t most)
{
    if (of <= most)
        return image;
    return (struct image){ rl__max(rl__mul_div_up(image.width, most, of), 1),
                           rl__max(rl__mul_div_up(image.height, most, of), 1) };
}

static uint64_t pieces(struct image image, uint64_t edge)
{
    return ((image.width + edge - 1) / edge) * ((image.height + edge - 1) / edge);
}

static uint64_t by_tiles(const struct rule *rule, struct image image, uint32_t detail)
{
    if (detail == RL_IMAGE_LOW)
        return rule->a;
    image = shrink(image, rl__max(image.width, image.height), 2048);
    image = shrink(image, rl__min(image.width, image.height), 768);
    return rule->a + rule->b * pieces(image, 512);
}

static uint64_t by_patches(const struct rule *rule, struct image image, uint32_t detail)
{
    int original =
        detail == RL_IMAGE_ORIGINAL || (detail == RL_IMAGE_AUTO && rule->auto_is_original);
    uint64_t longest = rl__max(image.width, image.height), count;

    if (detail == RL_IMAGE_LOW && rule->a == 32) /* seen as 512 by 512, smaller ones enlarged */
        return rl__mul_div_up(256, rule->b, 100);
    if (rule->longest > 0 && !(original && rule->most_original > rule->most))
        image = shrink(image, longest, rule->longest);
    count = rl__min(pieces(image, rule->a), original ? rule->most_original : rule->most);
    return rl__mul_div_up(count, rule->b, 100);
}

/* Google gives two descriptions of the tiles, which differ: squares of 768 pixels, or of two thirds
 * of the short side. The larger number counts. */
static uint64_t by_crops(const struct rule *rule, struct image image)
{
    uint64_t edge = rl__max(rl__min(image.width, image.height) * 2 / 3, 1);

    if (image.width <= 384 && image.height <= 384)
        return rule->a;
    return rule->a * rl__max(pieces(image, 768), pieces(image, edge));
}

static uint64_t by_levels(const struct rule *rule, uint32_t detail)
{
    if (detail == RL_IMAGE_LOW)
        return rule->a;
    return detail == RL_IMAGE_AUTO || detail == RL_IMAGE_HIGH ? rule->b : rule->most_original;
}

uint64_t rl_estimate_image_tokens(const char *model, uint64_t width, uint64_t height,
                                  uint32_t detail)
{
    const struct rule *rule = rule_of(model);
    struct image image = { rl__min(width, SIDE_MAX), rl__min(height, SIDE_MAX) };

    if (width == 0 || height == 0)
        image = (struct image){ 4096, 4096 };
    if (detail > RL_IMAGE_ORIGINAL)
        detail = RL_IMAGE_ORIGINAL;
    switch (rule->way) {
    case TILES:
        return by_tiles(rule, image, detail);
    case PATCHES:
        return by_patches(rule, image, detail);
    case CROPS:
        return by_crops(rule, image);
    default:
        return by_levels(rule, detail);
    }
}
