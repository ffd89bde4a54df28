/* SPDX-License-Identifier: MIT */
/* Numbers and one sentence: what an answer means. */
#include "explain_output.h"

#include <stdio.h>
#include <string.h>

static uint64_t rounded_ms(rl_duration span)
{
    return span / RL_MILLISECOND + (span % RL_MILLISECOND >= RL_MILLISECOND / 2);
}

static void add_number(struct text *out, const char *name, bool has, uint64_t value)
{
    if (has)
        text_addf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

/* Windows below a second do not occur; if one did, it would show as a decimal. */
static void add_window(struct text *out, const rl_limit_report *report)
{
    uint64_t ms = report->window % RL_SECOND / RL_MILLISECOND;

    add_number(out, "window_s", (report->has & RL_HAS_WINDOW) != 0, report->window / RL_SECOND);
    if ((report->has & RL_HAS_WINDOW) != 0 && ms > 0)
        text_addf(out, ".%03llu", (unsigned long long)ms);
}

static void add_report(struct text *out, const rl_limit_report *report)
{
    text_addf(out, "{\"dimension\":\"%s\"", rl_dimension_name((rl_dimension)report->dimension));
    add_window(out, report);
    add_number(out, "limit", (report->has & RL_HAS_LIMIT) != 0, report->limit);
    add_number(out, "remaining", (report->has & RL_HAS_REMAINING) != 0, report->remaining);
    add_number(out, "reset_after_ms", (report->has & RL_HAS_RESET) != 0,
               rounded_ms(report->reset_after));
    text_add_string(out, "}");
}

static void add_usage(struct text *out, const rl_usage *usage)
{
    struct text inner = { 0 };

    if (usage->has == 0)
        return;
    add_number(&inner, "input_tokens", (usage->has & RL_HAS_INPUT) != 0, usage->input_tokens);
    add_number(&inner, "output_tokens", (usage->has & RL_HAS_OUTPUT) != 0, usage->output_tokens);
    add_number(&inner, "cached_input_tokens", (usage->has & RL_HAS_CACHED_INPUT) != 0,
               usage->cached_input_tokens);
    text_addf(out, ",\"usage\":{%s}", inner.data + 1); /* without the comma */
    text_free(&inner);
}

/* ---- the sentence ---- */

static const char *kind_of(const rl_answer *answer)
{
    switch (answer->outcome) {
    case RL_OUTCOME_OK:
        return "a success";
    case RL_OUTCOME_RATE_LIMITED:
        return "a rate limit";
    case RL_OUTCOME_QUOTA_EXHAUSTED:
        return "the quota or credit is used up, or the account has none";
    case RL_OUTCOME_TOO_LARGE:
        return "the request is larger than is ever allowed";
    case RL_OUTCOME_OVERLOADED:
        return "the provider is overloaded, which is no limit of yours";
    case RL_OUTCOME_SERVER_ERROR:
        return "the provider failed";
    case RL_OUTCOME_AUTH:
        return "the key is wrong, or may not do this";
    case RL_OUTCOME_CLIENT_ERROR:
        return answer->retryable ? "not taken this time" : "the request is wrong";
    default:
        return "no usable answer";
    }
}

static void say_duration(struct text *out, rl_duration span)
{
    char text[TEXT_SHORT];

    if (span < RL_SECOND)
        text_addf(out, "%llu ms", (unsigned long long)rounded_ms(span));
    else
        text_add_string(out, text_duration((double)span / 1e9, text));
}

/* "per minute", "per 10 s", "per 30 days". */
static void say_window(struct text *out, rl_duration window)
{
    static const struct {
        rl_duration length;
        const char *one, *many;
    } units[] = {
        { RL_DAY, "day", "days" },
        { RL_HOUR, "hour", "h" },
        { RL_MINUTE, "minute", "min" },
        { RL_SECOND, "second", "s" },
    };

    for (size_t i = 0; window != 0 && i < sizeof units / sizeof units[0]; i++) {
        if (window % units[i].length != 0)
            continue;
        if (window == units[i].length)
            text_addf(out, " per %s", units[i].one);
        else
            text_addf(out, " per %llu %s", (unsigned long long)(window / units[i].length),
                      units[i].many);
        return;
    }
}

/* Dimensions as people write them: "input tokens". */
static void say_dimension(struct text *out, uint32_t dimension)
{
    const char *name = rl_dimension_name((rl_dimension)dimension);

    for (; *name != '\0'; name++)
        text_add(out, *name == '_' ? " " : name, 1);
}

/* How much the limit is that refused, in words or in the report of it; 0: not said. */
static uint64_t amount_of(const rl_answer *answer, uint32_t dimension)
{
    uint64_t amount = answer->limited_amount;

    for (uint32_t i = 0; amount == 0 && i < answer->report_count; i++)
        if (answer->report[i].dimension == dimension &&
            answer->report[i].window == answer->limited_window)
            amount = answer->report[i].limit;
    return amount;
}

/* The first limit that the refusal names, with its size where that is said. */
static void say_limited(struct text *out, const rl_answer *answer)
{
    const char *between = answer->outcome == RL_OUTCOME_RATE_LIMITED ? " of " : ": ";
    uint32_t dimension = 0;

    if (answer->concurrency > 0)
        text_addf(out, "%s%llu requests at once", between, (unsigned long long)answer->concurrency);
    if (answer->limited_mask == 0)
        return;
    while ((answer->limited_mask >> dimension & 1) == 0)
        dimension++;
    text_add_string(out, between);
    if (amount_of(answer, dimension) > 0)
        text_addf(out, "%llu ", (unsigned long long)amount_of(answer, dimension));
    say_dimension(out, dimension);
    say_window(out, answer->limited_window);
}

static void say_reports(struct text *out, const rl_answer *answer)
{
    const char *between = "; left: ";

    for (uint32_t i = 0; i < answer->report_count; i++) {
        const rl_limit_report *report = &answer->report[i];

        if ((report->has & RL_HAS_REMAINING) == 0)
            continue;
        text_addf(out, "%s%llu", between, (unsigned long long)report->remaining);
        between = ", ";
        if ((report->has & RL_HAS_LIMIT) != 0)
            text_addf(out, " of %llu", (unsigned long long)report->limit);
        text_add_string(out, " ");
        say_dimension(out, report->dimension);
        if ((report->has & RL_HAS_WINDOW) != 0)
            say_window(out, report->window);
    }
}

/* When nothing is asked for, the last reset of what is used up is the time at which it can work. */
static rl_duration reset_of(const rl_answer *answer)
{
    rl_duration last = 0;

    for (uint32_t i = 0; i < answer->report_count; i++) {
        const rl_limit_report *report = &answer->report[i];

        if ((report->has & RL_HAS_REMAINING) != 0 && report->remaining == 0 &&
            (report->has & RL_HAS_RESET) != 0 && report->reset_after > last)
            last = report->reset_after;
    }
    return last;
}

static void say_next(struct text *out, const rl_verdict *verdict)
{
    const rl_answer *answer = &verdict->answer;

    if (verdict->action == RL_GIVE_UP) {
        text_add_string(out, "; do not send it again as it is");
    } else if (verdict->action == RL_RETRY && answer->retry_after != RL_NEVER) {
        text_add_string(out, answer->retry_after == 0 ? "; try again at once" : "; try again in ");
        if (answer->retry_after > 0)
            say_duration(out, answer->retry_after);
    } else if (verdict->action == RL_RETRY && reset_of(answer) > 0) {
        text_add_string(out, "; try again in ");
        say_duration(out, reset_of(answer));
        text_add_string(out, ", when the limit is free again");
    } else if (verdict->action == RL_RETRY) {
        text_add_string(out, answer->concurrency > 0
                                 ? "; try again when a request of yours has ended"
                                 : "; try again after a back-off: no time is given");
    }
}

static void say_usage(struct text *out, const rl_usage *usage)
{
    if ((usage->has & RL_HAS_INPUT) != 0)
        text_addf(out, "; %llu tokens in", (unsigned long long)usage->input_tokens);
    if ((usage->has & RL_HAS_CACHED_INPUT) != 0 && usage->cached_input_tokens > 0)
        text_addf(out, " (%llu cached)", (unsigned long long)usage->cached_input_tokens);
    if ((usage->has & RL_HAS_OUTPUT) != 0)
        text_addf(out, "%s%llu tokens out", (usage->has & RL_HAS_INPUT) != 0 ? ", " : "; ",
                  (unsigned long long)usage->output_tokens);
}

static void say(struct text *out, const char *dialect, const rl_verdict *verdict)
{
    const rl_answer *answer = &verdict->answer;

    text_addf(out, "%s: ", dialect);
    if (verdict->http != 0)
        text_addf(out, "HTTP %lu", (unsigned long)verdict->http);
    if (answer->code[0] > '9') /* a number is the status once more */
        text_addf(out, " (%s)", answer->code);
    text_addf(out, "%s%s", verdict->http != 0 ? ": " : "", kind_of(answer));
    say_limited(out, answer);
    say_next(out, verdict);
    say_usage(out, &answer->usage);
    say_reports(out, answer);
    text_add_string(out, ".");
}

void explain_output(struct text *out, const char *dialect, const rl_verdict *verdict)
{
    static const char *const words[] = { "deliver", "retry", "give_up" };
    const rl_answer *answer = &verdict->answer;
    struct text sentence = { 0 };

    text_add_string(out, "{\"dialect\":");
    text_add_json(out, dialect, strlen(dialect));
    text_add_string(out, ",\"limits\":[");
    for (uint32_t i = 0; i < answer->report_count; i++) {
        if (i > 0)
            text_add_string(out, ",");
        add_report(out, &answer->report[i]);
    }
    text_add_string(out, "]");
    add_number(out, "retry_after_ms", answer->retry_after != RL_NEVER,
               rounded_ms(answer->retry_after));
    text_addf(out, ",\"retryable\":%s,\"quota_exhausted\":%s",
              answer->retryable != 0 ? "true" : "false",
              answer->quota_exhausted != 0 ? "true" : "false");
    add_usage(out, &answer->usage);
    text_addf(out, ",\"verdict\":\"%s\",\"explanation\":", words[verdict->action]);
    say(&sentence, dialect, verdict);
    text_add_json(out, sentence.data, sentence.length);
    text_add_string(out, "}\n");
    text_free(&sentence);
}
