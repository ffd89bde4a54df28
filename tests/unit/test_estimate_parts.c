/* SPDX-License-Identifier: MIT */
/* Images, messages and tools: the providers' own examples, and the dearest where nothing is known.
 * And a tokenizer of the user's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/estimate.h"

#include <llmrl/llmrl.h>

#include <string.h>

static void images_count_as_documented(void **state)
{
    static const struct {
        const char *model;
        uint64_t width, height;
        uint32_t detail;
        uint64_t tokens;
    } row[] = {
        { "gpt-4o", 1024, 1024, RL_IMAGE_HIGH, 765 }, /* OpenAI's examples */
        { "gpt-4o", 2048, 4096, RL_IMAGE_HIGH, 1105 },
        { "gpt-4o", 4096, 8192, RL_IMAGE_LOW, 85 },
        { "gpt-4o", 512, 512, RL_IMAGE_AUTO, 255 },
        { "gpt-4o", 1, 1, RL_IMAGE_AUTO, 255 },
        { "gpt-4o-mini", 1024, 1024, RL_IMAGE_HIGH, 25501 },
        { "openai/gpt-4.1", 1024, 1024, RL_IMAGE_AUTO, 765 },
        { "gpt-4.1-mini", 1024, 1024, RL_IMAGE_AUTO, 1659 },
        { "gpt-4.1-nano", 1024, 1024, RL_IMAGE_AUTO, 2520 },
        { "gpt-5", 1024, 1024, RL_IMAGE_AUTO, 630 },
        { "gpt-5-mini", 4096, 4096, RL_IMAGE_ORIGINAL, 2489 }, /* 1 536 patches, no more */
        { "o3", 1024, 1024, RL_IMAGE_AUTO, 675 },
        { "o4-mini", 32, 32, RL_IMAGE_AUTO, 2 },
        { "gpt-5.4", 3200, 3200, RL_IMAGE_AUTO, 3000 },
        { "gpt-5.4", 3200, 3200, RL_IMAGE_ORIGINAL, 12000 },
        { "gpt-5.6", 3200, 3200, RL_IMAGE_AUTO, 12000 },
        { "gpt-5.6", 3200, 3200, RL_IMAGE_LOW, 308 },
        { "gpt-5.6", 65536, 65536, RL_IMAGE_AUTO, 36000 },
        { "claude-sonnet-4-5", 200, 200, RL_IMAGE_AUTO, 64 }, /* Anthropic's examples */
        { "claude-sonnet-4-5", 1000, 1000, RL_IMAGE_AUTO, 1296 },
        { "claude-sonnet-4-5", 1092, 1092, RL_IMAGE_AUTO, 1521 },
        { "claude-opus-4-7", 1920, 1080, RL_IMAGE_AUTO, 2691 },
        { "claude-opus-4-7", 3840, 2160, RL_IMAGE_LOW, 4784 },
        { "claude-opus-4-6", 3840, 2160, RL_IMAGE_LOW, 1568 },
        { "gemini-2.5-flash", 384, 384, RL_IMAGE_AUTO, 258 },
        { "gemini-2.5-flash", 960, 540, RL_IMAGE_AUTO, 6 * 258 }, /* Google's example */
        { "gemini-2.5-flash", 3000, 3000, RL_IMAGE_AUTO, 16 * 258 },
        { "gemini-3-pro", 5000, 40, RL_IMAGE_AUTO, 1120 },
        { "gemini-3-pro", 5000, 40, RL_IMAGE_LOW, 280 },
        { "gemini-3-pro", 5000, 40, RL_IMAGE_ORIGINAL, 2240 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint64_t got =
            rl_estimate_image_tokens(row[i].model, row[i].width, row[i].height, row[i].detail);

        if (got != row[i].tokens)
            fail_msg("row %zu: %llu", i, (unsigned long long)got);
    }
}

/* OpenAI shrinks to fit its patches, which saves a few: 1 452 of 1 536 in its example. */
static void a_shrunk_image_is_not_counted_below_what_is_left_of_it(void **state)
{
    uint64_t tokens = rl_estimate_image_tokens("gpt-4.1-mini", 1800, 2400, RL_IMAGE_HIGH);

    (void)state;
    assert_true(tokens >= 1452 * 162 / 100 + 1 && tokens <= 1536 * 162 / 100 + 1);
}

static void of_a_model_or_size_not_known_the_most_is_assumed(void **state)
{
    static const char *const models[] = { "gpt-4o", "gpt-4.1-nano", "claude-opus-4-7",
                                          "gemini-2.5-pro", "gpt-5.6" };

    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        uint64_t known = rl_estimate_image_tokens(models[i], 1024, 1024, RL_IMAGE_AUTO);

        assert_true(rl_estimate_image_tokens(NULL, 1024, 1024, RL_IMAGE_AUTO) >= known);
        assert_true(rl_estimate_image_tokens("grok-4", 1024, 1024, RL_IMAGE_AUTO) >= known);
        assert_true(rl_estimate_image_tokens(models[i], 0, 1024, RL_IMAGE_AUTO) >= known);
        assert_true(rl_estimate_image_tokens(models[i], 1024, 1024, 77) >= known);
    }
}

/* For any model and size: more than nothing, and never more for a smaller picture. */
static void a_larger_image_never_counts_less(void **state)
{
    static const char *const models[] = { "gpt-4o", "gpt-4.1-mini",  "gpt-5.6",
                                          "o3",     "claude-opus-5", "claude-3-opus",
                                          NULL,     "gemini-3-pro" };

    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        for (uint32_t detail = RL_IMAGE_AUTO; detail <= RL_IMAGE_ORIGINAL; detail++) {
            uint64_t before = 1;

            for (uint64_t side = 1; side < UINT64_MAX / 3; side = side * 3 / 2 + 1) {
                uint64_t tokens = rl_estimate_image_tokens(models[i], side, side, detail);

                if (tokens < before || tokens > 100000)
                    fail_msg("model %zu, %llu pixels: %llu after %llu", i, (unsigned long long)side,
                             (unsigned long long)tokens, (unsigned long long)before);
                before = tokens;
            }
        }
}

/* ---- messages and tools ---- */

static uint64_t parts(const char *model, uint64_t messages, uint64_t tools, uint64_t properties,
                      uint64_t enum_values)
{
    rl_prompt_parts of = RL_PROMPT_PARTS_INIT;

    of.messages = messages;
    of.tools = tools;
    of.properties = properties;
    of.enum_values = enum_values;
    return rl_estimate_parts_tokens(model, &of);
}

static void messages_and_tools_count_as_documented(void **state)
{
    (void)state;
    /* The cookbook's numbers: 3 and the role for each message, 3 for the answer; 7 + 3 for a
     * function with properties, 3 for each and each value of an enum, 12 at the end. */
    assert_int_equal(parts("gpt-4o", 2, 0, 0, 0), 2 * 4 + 3);
    assert_int_equal(parts("gpt-4o", 1, 1, 2, 2), 4 + 3 + 7 + 3 + 2 * 3 + 2 * 3 + 12);
    assert_int_equal(parts("gpt-4", 1, 1, 2, 2), 4 + 3 + 10 + 3 + 2 * 3 + 2 * 3 + 12);
    assert_int_equal(parts("claude-opus-4-7", 1, 1, 0, 0) - parts("claude-opus-4-7", 1, 0, 0, 0),
                     804 + 16);
    assert_int_equal(
        parts("claude-sonnet-4-5", 1, 1, 0, 0) - parts("claude-sonnet-4-5", 1, 0, 0, 0), 589 + 12);
}

static void parts_that_cannot_be_saturate(void **state)
{
    rl_prompt_parts none = RL_PROMPT_PARTS_INIT;

    (void)state;
    assert_int_equal(rl_estimate_parts_tokens("gpt-4o", NULL), 0);
    none.size = 0;
    assert_int_equal(rl_estimate_parts_tokens("gpt-4o", &none), 0);
    assert_int_equal(parts("gpt-4o", UINT64_MAX, 0, 0, 0), UINT64_MAX);
    assert_int_equal(parts("gpt-4o", 1, UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
}

/* ---- a tokenizer of the user's ---- */

struct counter {
    int calls;
    const char *model, *text;
    size_t length;
};

static uint64_t count_bytes(void *user, const char *model, const char *text, size_t length)
{
    struct counter *counter = user;

    counter->calls++;
    counter->model = model;
    counter->text = text;
    counter->length = length;
    return strcmp(model, "theirs") == 0 ? RL_NEVER : length * 7;
}

static void a_tokenizer_of_the_users_is_asked(void **state)
{
    static const char text[] = "One, two, three.";
    struct counter counter = { 0 };
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl = NULL;

    (void)state;
    options.count_tokens = count_bytes;
    options.count_tokens_user = &counter;
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    assert_int_equal(rl_estimate_tokens(rl, "mine", text, 9), 63);
    assert_string_equal(counter.model, "mine");
    assert_ptr_equal(counter.text, text);
    assert_int_equal(counter.length, 9);
    (void)rl_estimate_tokens(rl, NULL, text, 9);
    assert_string_equal(counter.model, "");
    assert_int_equal(rl_estimate_tokens(rl, "theirs", text, 16),
                     rl__estimate_tokens(RL__ANY, text, 16));
    assert_int_equal(counter.calls, 3);
    assert_int_equal(rl_estimate_tokens(rl, "mine", text, 0), 0);
    assert_int_equal(rl_estimate_tokens(rl, "mine", NULL, 9), 0);
    assert_int_equal(counter.calls, 3); /* nothing to count */
    rl_close(rl);
}

static void without_one_the_family_of_the_model_decides(void **state)
{
    static const char text[] = "1234567890 1234567890 1234567890";
    rl_context *rl = NULL;

    (void)state;
    assert_int_equal(rl_open(NULL, &rl), RL_OK);
    assert_int_equal(rl_estimate_tokens(rl, "gpt-4o", text, strlen(text)),
                     rl__estimate_tokens(RL__O200K, text, strlen(text)));
    assert_int_equal(rl_estimate_tokens(NULL, "gemini-2.5-pro", text, strlen(text)),
                     rl__estimate_tokens(RL__GEMINI, text, strlen(text)));
    assert_true(rl_estimate_tokens(NULL, "gemini-2.5-pro", text, strlen(text)) >
                rl_estimate_tokens(NULL, "gpt-4o", text, strlen(text)));
    rl_close(rl);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_count_as_documented),
        cmocka_unit_test(a_shrunk_image_is_not_counted_below_what_is_left_of_it),
        cmocka_unit_test(of_a_model_or_size_not_known_the_most_is_assumed),
        cmocka_unit_test(a_larger_image_never_counts_less),
        cmocka_unit_test(messages_and_tools_count_as_documented),
        cmocka_unit_test(parts_that_cannot_be_saturate),
        cmocka_unit_test(a_tokenizer_of_the_users_is_asked),
        cmocka_unit_test(without_one_the_family_of_the_model_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
