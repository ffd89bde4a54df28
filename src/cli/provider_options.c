/* SPDX-License-Identifier: MIT */
/* The command line of the stand-in provider: one table of options, read strictly. */
#include "provider.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S INT64_C(86400)

/* What the value of an option looks like. Decimals become millionths, exactly. */
enum form { FLAG, INTEGER, DECIMAL, RANGE, DIALECT, REFILL, ON_OFF, TEXT };

struct option {
    const char *name;
    enum form form;
    size_t offset;
    int64_t low; /* of INTEGER, in units; of DECIMAL, in millionths */
    int64_t high;
    const char *value;
    const char *help;
};

#define AT(field)    offsetof(struct provider_options, field)
#define AMOUNT(kind) (AT(limits.amount) + (kind) * sizeof(int64_t))
#define FAULT(kind)  (AT(fault_ppm) + (kind) * sizeof(int64_t))
#define SHARE        0, PROVIDER_MILLION, "P"
#define LIMIT        0, PROVIDER_AMOUNT_MAX, "N"

static const struct option table[] = {
    { "--dialect", DIALECT, AT(dialect), 0, 0, "D",
      "openai (default), anthropic, groq, gemini or generic" },
    { "--port", INTEGER, AT(port), 0, 65535, "N", "0 (default): any free one" },
    { "--rpm", INTEGER, AMOUNT(PROVIDER_RPM), LIMIT, "requests per minute; 0: not enforced" },
    { "--tpm", INTEGER, AMOUNT(PROVIDER_TPM), LIMIT, "tokens per minute (gemini: input only)" },
    { "--itpm", INTEGER, AMOUNT(PROVIDER_ITPM), LIMIT, "input tokens per minute" },
    { "--otpm", INTEGER, AMOUNT(PROVIDER_OTPM), LIMIT, "output tokens per minute" },
    { "--rpd", INTEGER, AMOUNT(PROVIDER_RPD), LIMIT, "requests per day (openai, groq)" },
    { "--refill", REFILL, AT(limits.refill), 0, 0, "R",
      "bucket (default), window (60 s from the start) or quantum (each second its share)" },
    { "--burst-seconds", DECIMAL, AT(limits.burst_us), 1, DAY_S *PROVIDER_MILLION, "S",
      "capacity of a bucket in seconds of its rate (60); window and quantum have their own" },
    { "--neighbour", DECIMAL, AT(limits.neighbour_ppm), 0, 990000, "F",
      "another client steadily uses this share of each limit" },
    { "--limit-change-at", DECIMAL, AT(limits.change_after), 0, DAY_S *PROVIDER_MILLION, "S",
      "the limits change so long after the first request" },
    { "--limit-change-factor", DECIMAL, AT(limits.change_ppm), 1, 1000 * PROVIDER_MILLION, "F",
      "by this factor" },
    { "--refused-counts", FLAG, AT(limits.refused_counts), 0, 0, NULL,
      "a refused request counts against the requests too" },
    { "--latency-ms", RANGE, AT(latency), 0, DAY_S * 1000, "A-B",
      "time to the answer of an admitted request (200-400)" },
    { "--refusal-latency-ms", RANGE, AT(refusal_latency), 0, DAY_S * 1000, "A-B",
      "time to any other answer (1-3)" },
    { "--output-fraction", DECIMAL, AT(output_ppm), 0, PROVIDER_MILLION, "F",
      "mean share of the allowed output that an answer uses (0.5)" },
    { "--seed", INTEGER, AT(seed), 0, INT64_MAX, "N", "of latencies and faults (1)" },
    { "--fault-500", DECIMAL, FAULT(PROVIDER_FAULT_500), SHARE,
      "this share of the admitted is answered 500" },
    { "--fault-503", DECIMAL, FAULT(PROVIDER_FAULT_503), SHARE, "503" },
    { "--fault-529", DECIMAL, FAULT(PROVIDER_FAULT_529), SHARE, "529" },
    { "--fault-reset", DECIMAL, FAULT(PROVIDER_FAULT_RESET), SHARE, "the connection is reset" },
    { "--fault-hang", DECIMAL, FAULT(PROVIDER_FAULT_HANG), SHARE, "no answer, ever" },
    { "--fault-slow", DECIMAL, FAULT(PROVIDER_FAULT_SLOW), SHARE, "the first byte is late" },
    { "--slow-ms", INTEGER, AT(slow_ms), 0, DAY_S * 1000, "N", "by so much (5000)" },
    { "--headers", ON_OFF, AT(headers), 0, 0, "on|off",
      "off: no limits in headers, no hints in refusals" },
    { "--clock-skew", DECIMAL, AT(skew_us), -365 * DAY_S *PROVIDER_MILLION,
      365 * DAY_S *PROVIDER_MILLION, "S", "its wall clock is off by so much" },
    { "--require-key", TEXT, AT(require_key), 0, 0, "KEY", "any other API key is refused" },
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const dialects[] = { "openai", "anthropic", "groq", "gemini", "generic" };
static const char *const refills[] = { "bucket", "window", "quantum" };
static const char *const switches[] = { "off", "on" };

const char *provider_dialect_name(enum provider_dialect dialect)
{
    return dialects[dialect];
}

void provider_options_help(FILE *out)
{
    fputs(
        "usage: llmrl provider [options]\n"
        "A stand-in LLM provider on 127.0.0.1 that enforces limits. It prints its address as one\n"
        "line of JSON and serves until SIGTERM or SIGINT; then it prints its statistics.\n"
        "GET /__stats tells them at any time, POST /__reset begins them anew.\n\n",
        out);
    for (size_t i = 0; i < COUNT(table); i++) {
        char left[40];

        (void)snprintf(left, sizeof left, "%s %s", table[i].name,
                       table[i].value == NULL ? "" : table[i].value);
        fprintf(out, "  %-26s %s\n", left, table[i].help);
    }
}

/* Digits alone: no sign, no space, nothing after them. */
static bool read_digits(const char **text, int64_t *value)
{
    const char *begin = *text;

    *value = 0;
    for (; **text >= '0' && **text <= '9'; ++*text)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, **text - '0', value))
            return false;
    return *text > begin;
}

/* Up to six decimals, as millionths; more could not be kept exactly. */
static bool read_decimal(const char *text, int64_t *value)
{
    bool negative = *text == '-';
    int64_t scale = PROVIDER_MILLION;

    text += negative;
    if (!read_digits(&text, value) || __builtin_mul_overflow(*value, PROVIDER_MILLION, value))
        return false;
    if (*text == '.') {
        if (text[1] == '\0')
            return false;
        for (text++; *text >= '0' && *text <= '9' && scale > 1; text++) {
            scale /= 10;
            if (__builtin_add_overflow(*value, (*text - '0') * scale, value))
                return false;
        }
    }
    if (negative)
        *value = -*value;
    return *text == '\0';
}

static bool read_number(const struct option *option, const char *text, int64_t *value)
{
    bool ok;

    if (option->form == DECIMAL)
        ok = read_decimal(text, value);
    else
        ok = read_digits(&text, value) && *text == '\0';
    return ok && *value >= option->low && *value <= option->high;
}

static bool read_range(const struct option *option, const char *text, struct provider_range *range)
{
    if (!read_digits(&text, &range->low_ms) || range->low_ms > option->high)
        return false;
    range->high_ms = range->low_ms;
    if (*text == '-' && (++text, !read_digits(&text, &range->high_ms)))
        return false;
    return *text == '\0' && range->low_ms <= range->high_ms && range->high_ms <= option->high;
}

static bool read_word(const char *text, const char *const *words, size_t count, size_t *value)
{
    for (*value = 0; *value < count; ++*value)
        if (strcmp(words[*value], text) == 0)
            return true;
    return false;
}

/* The field has the type that its form names, so a pointer into the struct may be used as such. */
static bool store(struct provider_options *options, const struct option *option, const char *text)
{
    void *field = (char *)options + option->offset;
    size_t word = 0;

    switch (option->form) {
    case FLAG:
        *(bool *)field = true;
        return true;
    case INTEGER:
    case DECIMAL:
        return read_number(option, text, field);
    case RANGE:
        return read_range(option, text, field);
    case DIALECT:
        if (!read_word(text, dialects, COUNT(dialects), &word))
            return false;
        *(enum provider_dialect *)field = (enum provider_dialect)word;
        return true;
    case REFILL:
        if (!read_word(text, refills, COUNT(refills), &word))
            return false;
        *(enum provider_refill *)field = (enum provider_refill)word;
        return true;
    case ON_OFF:
        if (!read_word(text, switches, COUNT(switches), &word))
            return false;
        *(bool *)field = word == 1;
        return true;
    case TEXT:
        *(const char **)field = text;
        return *text != '\0';
    }
    return false;
}

static const struct option *find(const char *argument, const char **value)
{
    size_t length = strcspn(argument, "=");

    *value = argument[length] == '=' ? argument + length + 1 : NULL;
    for (size_t i = 0; i < COUNT(table); i++)
        if (strlen(table[i].name) == length && strncmp(table[i].name, argument, length) == 0)
            return &table[i];
    return NULL;
}

/* One option and its value, in the same argument after '=' or in the next one. */
static bool read_one(struct provider_options *options, int argc, char **argv, int *i, FILE *errors)
{
    const char *value = NULL;
    const struct option *option = find(argv[*i], &value);

    if (option == NULL) {
        fprintf(errors, "llmrl provider: unknown option '%s' (--help lists them)\n", argv[*i]);
        return false;
    }
    if (option->form == FLAG && value != NULL) {
        fprintf(errors, "llmrl provider: %s takes no value, got '%s'\n", option->name, value);
        return false;
    }
    if (option->form != FLAG && value == NULL) {
        if (*i + 1 == argc) {
            fprintf(errors, "llmrl provider: %s needs a value\n", option->name);
            return false;
        }
        value = argv[++*i];
    }
    if (store(options, option, value))
        return true;
    fprintf(errors, "llmrl provider: %s: '%s' is not a valid value (%s: %s)\n", option->name, value,
            option->value, option->help);
    return false;
}

/* What single values cannot tell: settings that contradict each other. */
static const char *contradiction(const struct provider_options *options, bool change_at)
{
    int64_t sum = 0;

    for (int i = 0; i < PROVIDER_FAULTS; i++)
        sum += options->fault_ppm[i];
    if (sum > PROVIDER_MILLION)
        return "the shares --fault-... add up to more than 1";
    if (change_at != (options->limits.change_ppm != 0))
        return "--limit-change-at and --limit-change-factor need each other";
    if (options->limits.amount[PROVIDER_RPD] != 0 && options->dialect != PROVIDER_OPENAI &&
        options->dialect != PROVIDER_GROQ)
        return "--rpd needs --dialect openai or groq";
    if (options->limits.amount[PROVIDER_OTPM] != 0 && options->dialect == PROVIDER_GEMINI)
        return "--otpm does not exist in --dialect gemini";
    return NULL;
}

static void set_defaults(struct provider_options *options)
{
    memset(options, 0, sizeof *options);
    options->limits.burst_us = 60 * PROVIDER_MILLION;
    options->limits.change_after = -1;
    options->latency = (struct provider_range){ 200, 400 };
    options->refusal_latency = (struct provider_range){ 1, 3 };
    options->output_ppm = PROVIDER_MILLION / 2;
    options->seed = 1;
    options->slow_ms = 5000;
    options->headers = true;
}

enum provider_options_result provider_options_read(struct provider_options *options, int argc,
                                                   char **argv, FILE *errors)
{
    const char *wrong;

    set_defaults(options);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return PROVIDER_OPTIONS_HELP;
        if (!read_one(options, argc, argv, &i, errors))
            return PROVIDER_OPTIONS_WRONG;
    }
    wrong = contradiction(options, options->limits.change_after >= 0);
    if (wrong != NULL) {
        fprintf(errors, "llmrl provider: %s\n", wrong);
        return PROVIDER_OPTIONS_WRONG;
    }
    options->limits.change_after *= PROVIDER_SECOND / PROVIDER_MILLION;
    return PROVIDER_OPTIONS_OK;
}
