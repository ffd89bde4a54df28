/* SPDX-License-Identifier: MIT */
/* Real answers of providers, read whole and compared with what a careful reader finds in them; then
 * the same answers cut, split and spoiled: whatever comes, the result stays credible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/stream.h"
#include "sample.h"

#include <dirent.h>
#include <time.h>

#define SAMPLES_MAX 400

static struct sample samples[SAMPLES_MAX];
static size_t sample_count;

static const rl_dialect *dialect_of(const char *provider)
{
    const rl_dialect *dialect = rl_dialect_find(provider);

    return dialect != NULL ? dialect : rl_dialect_find("generic");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, by_name);

    for (int i = 0; i < count; i++) {
        size_t length = strlen(entries[i]->d_name);
        char path[1024];

        (void)snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (length > 5 && strcmp(entries[i]->d_name + length - 5, ".json") == 0 &&
            sample_count < SAMPLES_MAX) {
            if (sample_load(&samples[sample_count], path))
                sample_count++;
            else
                print_message("no sample: %s\n", entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
}

static int load(void **state)
{
    (void)state;
    load_folder(LLMRL_CORPUS_OWN);
    load_folder(LLMRL_CORPUS_SHARED);
    return sample_count > 0 ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++)
        sample_free(&samples[i]);
    return 0;
}

/* Says what deviates; absent and null in an expectation of a limit are not judged. */
struct judge {
    const struct sample *sample;
    unsigned deviations;
};

static void deviates(struct judge *judge, const char *what, double want, double got)
{
    judge->deviations++;
    print_message("  %s: %s: want %.17g, got %.17g\n", judge->sample->id, what, want, got);
}

static double milliseconds(rl_duration span)
{
    return span == RL_NEVER ? -1 : (double)((span + RL_MILLISECOND / 2) / RL_MILLISECOND);
}

static int agrees(const cJSON *want, const char *name, int has, double got)
{
    const cJSON *item = cJSON_GetObjectItem(want, name);

    if (!cJSON_IsNumber(item))
        return 1;
    return has && item->valuedouble - got <= 1e-9 && got - item->valuedouble <= 1e-9;
}

static int report_agrees(const cJSON *want, const rl_limit_report *report)
{
    const char *dimension = cJSON_GetObjectItem(want, "dimension")->valuestring;

    return strcmp(dimension, rl_dimension_name((rl_dimension)report->dimension)) == 0 &&
           agrees(want, "window_s", (report->has & RL_HAS_WINDOW) != 0,
                  (double)report->window / 1e9) &&
           agrees(want, "limit", (report->has & RL_HAS_LIMIT) != 0, (double)report->limit) &&
           agrees(want, "remaining", (report->has & RL_HAS_REMAINING) != 0,
                  (double)report->remaining) &&
           agrees(want, "reset_after_ms", (report->has & RL_HAS_RESET) != 0,
                  milliseconds(report->reset_after));
}

static void judge_limits(struct judge *judge, const cJSON *limits, const rl_answer *answer)
{
    uint32_t taken = 0;

    if (!cJSON_IsArray(limits))
        return;
    for (const cJSON *want = limits->child; want != NULL; want = want->next) {
        uint32_t i = 0;

        while (i < answer->report_count &&
               ((taken & (UINT32_C(1) << i)) != 0 || !report_agrees(want, &answer->report[i])))
            i++;
        if (i == answer->report_count) {
            char *text = cJSON_PrintUnformatted(want);

            judge->deviations++;
            print_message("  %s: no report agrees with %s\n", judge->sample->id, text);
            free(text);
            continue;
        }
        taken |= UINT32_C(1) << i;
    }
    if (limits->child == NULL && answer->report_count > 0)
        deviates(judge, "limits", 0, answer->report_count);
}

static void judge_flag(struct judge *judge, const char *name, uint32_t got)
{
    const cJSON *want = cJSON_GetObjectItem(judge->sample->expect, name);

    if (cJSON_IsBool(want) && (cJSON_IsTrue(want) != 0) != (got != 0))
        deviates(judge, name, cJSON_IsTrue(want), got);
}

static void judge_usage(struct judge *judge, const char *name, uint32_t has, uint64_t got)
{
    const cJSON *usage = cJSON_GetObjectItem(judge->sample->expect, "usage");
    const cJSON *want = usage == NULL ? NULL : cJSON_GetObjectItem(usage, name);

    if (cJSON_IsNumber(want) &&
        (has == 0 || want->valuedouble < (double)got || want->valuedouble > (double)got))
        deviates(judge, name, want->valuedouble, has ? (double)got : -1);
}

static unsigned judge_answer(const struct sample *sample, const rl_answer *answer)
{
    struct judge judge = { .sample = sample };
    const cJSON *wait = cJSON_GetObjectItem(sample->expect, "retry_after_ms");
    double want = cJSON_IsNumber(wait) ? wait->valuedouble : -1;
    double got = milliseconds(answer->retry_after);

    judge_limits(&judge, cJSON_GetObjectItem(sample->expect, "limits"), answer);
    if (wait != NULL && (want < got || want > got))
        deviates(&judge, "retry_after_ms", want, got);
    judge_flag(&judge, "retryable", answer->retryable);
    judge_flag(&judge, "quota_exhausted", answer->quota_exhausted);
    judge_usage(&judge, "input_tokens", answer->usage.has & RL_HAS_INPUT,
                answer->usage.input_tokens);
    judge_usage(&judge, "output_tokens", answer->usage.has & RL_HAS_OUTPUT,
                answer->usage.output_tokens);
    judge_usage(&judge, "cached_input_tokens", answer->usage.has & RL_HAS_CACHED_INPUT,
                answer->usage.cached_input_tokens);
    return judge.deviations;
}

static void reads_every_sample_as_expected(void **state)
{
    size_t passed = 0;

    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        rl_answer answer;
        assert_int_equal(rl_answer_read(dialect_of(samples[i].provider), &samples[i].response,
                                        samples[i].now, &answer),
                         RL_OK);
        passed += judge_answer(&samples[i], &answer) == 0;
    }
    print_message("%zu of %zu samples agree\n", passed, sample_count);
    assert_int_equal(passed, sample_count);
}

/* What must hold for any answer at all. */
static void assert_credible(const rl_answer *answer)
{
    assert_true(answer->outcome <= RL_OUTCOME_TRANSPORT);
    assert_true(answer->report_count <= RL_REPORTS_MAX);
    assert_true(answer->retryable <= 1 && answer->quota_exhausted <= 1);
    assert_true(answer->retry_after == RL_NEVER || answer->retry_after <= RL__DURATION_MAX);
    assert_true(answer->limited_mask < UINT32_C(1) << RL_DIMENSION_COUNT);
    assert_true(answer->limited_window <= RL__DURATION_MAX);
    assert_non_null(memchr(answer->code, '\0', sizeof answer->code));
    for (uint32_t i = 0; i < answer->report_count; i++) {
        const rl_limit_report *report = &answer->report[i];

        assert_true(report->dimension < RL_DIMENSION_COUNT);
        assert_true(report->limit <= RL__COUNT_MAX && report->remaining <= RL__COUNT_MAX);
        assert_true(report->reset_after <= RL__DURATION_MAX);
        assert_true(report->window <= RL__DURATION_MAX);
        assert_true((report->has & RL_HAS_WINDOW) == 0 || report->window > 0);
        assert_true((report->has & (RL_HAS_LIMIT | RL_HAS_REMAINING)) != 0);
    }
    if (answer->outcome == RL_OUTCOME_OK) {
        assert_true(answer->retry_after == RL_NEVER);
        assert_int_equal(answer->retryable, 0);
    }
}

static void read_and_check(const struct sample *sample, const rl_response *response)
{
    rl_answer answer;

    assert_int_equal(rl_answer_read(dialect_of(sample->provider), response, sample->now, &answer),
                     RL_OK);
    assert_credible(&answer);
}

static void every_prefix_of_a_header_value_is_harmless(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        rl_response response = samples[i].response;
        rl_header header[SAMPLE_HEADERS];

        response.headers = header;
        response.body = NULL;
        for (size_t h = 0; h < (size_t)response.header_count; h++) {
            memcpy(header, samples[i].header, sizeof header);
            for (size_t length = 0; length < header[h].value_length; length++) {
                char *cut = sample_exact(samples[i].header[h].value, length);
                rl_header one = { header[h].name, header[h].name_length, cut, length };

                header[h] = one;
                read_and_check(&samples[i], &response);
                header[h] = samples[i].header[h];
                free(cut);
            }
        }
    }
}

static void every_prefix_of_a_body_is_harmless(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        rl_response response = samples[i].response;

        for (size_t length = 0; length < samples[i].response.body_length; length++) {
            char *cut = sample_exact(samples[i].body, length);

            response.body = cut;
            response.body_length = length;
            read_and_check(&samples[i], &response);
            free(cut);
        }
    }
}

static void a_stream_split_anywhere_reads_the_same(void **state)
{
    struct rl__stream *whole = malloc(sizeof *whole), *split = malloc(sizeof *split);

    (void)state;
    assert_non_null(whole);
    assert_non_null(split);
    for (size_t i = 0; i < sample_count; i++) {
        const char *body = samples[i].response.body;
        size_t length = samples[i].response.body_length;

        if (body == NULL)
            continue;
        rl__stream_init(whole, NULL, samples[i].now);
        rl__stream_feed(whole, body, length);
        rl__stream_end(whole);
        for (size_t at = 0; at <= length; at++) {
            rl__stream_init(split, NULL, samples[i].now);
            rl__stream_feed(split, body, at);
            rl__stream_feed(split, body + at, length - at);
            rl__stream_end(split);
            assert_memory_equal(&whole->usage, &split->usage, sizeof whole->usage);
            assert_memory_equal(&whole->facts, &split->facts, sizeof whole->facts);
        }
    }
    free(whole);
    free(split);
}

/* xorshift64* */
static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717);
}

static const char *const spices[] = {
    "-1",
    "nan",
    "18446744073709551616",
    "1e309",
    "99999999999999999999",
    "{",
    "}",
    "\"",
    "null",
    "0",
    "\\u0000",
    "[[[[",
    "data:",
    "\n\n",
    ", ",
    ";w=0",
    "9999",
    "0.5s",
    "-",
    "inf",
    "\xff\xfe",
    ":",
    "429",
    "error",
};

/* Replaces a few bytes of a copy, cuts it, or puts something nasty in. */
static char *spoil(const char *text, size_t *length, uint64_t *seed)
{
    const char *spice = spices[draw(seed) % (sizeof spices / sizeof spices[0])];
    size_t at = *length > 0 ? draw(seed) % *length : 0, added = strlen(spice);
    char *out = malloc(*length + added + 1), *exact;

    assert_non_null(out);
    switch (draw(seed) % 3) {
    case 0: /* other bytes */
        memcpy(out, text, *length);
        for (size_t i = 0; i < 3 && *length > 0; i++)
            out[draw(seed) % *length] = (char)draw(seed);
        break;
    case 1: /* something in between */
        memcpy(out, text, at);
        memcpy(out + at, spice, added);
        memcpy(out + at + added, text + at, *length - at);
        *length += added;
        break;
    default: /* something instead of the end */
        memcpy(out, text, at);
        memcpy(out + at, spice, added);
        *length = at + added;
        break;
    }
    exact = sample_exact(out, *length);
    free(out);
    return exact;
}

static uint64_t steps_of(void)
{
    const char *given = getenv("LLMRL_PROPERTY_STEPS");

    return given != NULL ? strtoull(given, NULL, 10) : 1000000;
}

static void spoiled_answers_stay_credible(void **state)
{
    const char *given = getenv("LLMRL_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2 + 1;

    uint64_t steps = steps_of();

    (void)state;
    print_message("LLMRL_SEED=%llu LLMRL_PROPERTY_STEPS=%llu\n", (unsigned long long)seed,
                  (unsigned long long)steps);
    for (uint64_t round = 0; round < steps; round++) {
        const struct sample *sample = &samples[draw(&seed) % sample_count];
        rl_response response = sample->response;
        rl_header header[SAMPLE_HEADERS];
        char *text = NULL;
        size_t length;

        memcpy(header, sample->header, sizeof header);
        response.headers = header;
        if (response.header_count > 0 && (response.body == NULL || draw(&seed) % 2 == 0)) {
            rl_header *one = &header[draw(&seed) % response.header_count];

            length = one->value_length;
            text = spoil(one->value, &length, &seed);
            one->value = text;
            one->value_length = length;
        } else if (response.body != NULL) {
            length = response.body_length;
            text = spoil(response.body, &length, &seed);
            response.body = text;
            response.body_length = length;
        }
        if (draw(&seed) % 8 == 0)
            response.status = draw(&seed) % 700;
        read_and_check(sample, &response);
        free(text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_sample_as_expected),
        cmocka_unit_test(every_prefix_of_a_header_value_is_harmless),
        cmocka_unit_test(every_prefix_of_a_body_is_harmless),
        cmocka_unit_test(a_stream_split_anywhere_reads_the_same),
        cmocka_unit_test(spoiled_answers_stay_credible),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
