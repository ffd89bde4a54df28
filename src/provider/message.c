/* SPDX-License-Identifier: MIT */
/* The words of an error message: waits, whose limit, and the few phrases that tell what no code
 * does. */
#include "base/arith.h"
#include "provider/body.h"
#include "provider/date.h"

/* Where `phrase` (lower case) begins at or after `from`, or length. */
static size_t find(const char *text, size_t length, size_t from, const char *phrase)
{
    for (size_t i = from; i < length; i++)
        if (rl__starts_like(text + i, length - i, phrase))
            return i;
    return length;
}

static int has(const char *text, size_t length, const char *phrase)
{
    return find(text, length, 0, phrase) < length;
}

static const struct {
    const char *phrase; /* lower case */
    uint32_t says;
} phrases[] = {
    { "credit balance is too low", RL__SAYS_QUOTA },
    { "insufficient balance", RL__SAYS_QUOTA },
    { "insufficient credit", RL__SAYS_QUOTA },
    { "insufficient quota", RL__SAYS_QUOTA },
    { "requires more credits", RL__SAYS_QUOTA },
    { "credits are depleted", RL__SAYS_QUOTA },
    { "all available credits", RL__SAYS_QUOTA },
    { "monthly included credits", RL__SAYS_QUOTA },
    { "monthly spending limit", RL__SAYS_QUOTA },
    { "spending limit reached", RL__SAYS_QUOTA },
    { "spending cap", RL__SAYS_QUOTA },
    { "spend cap", RL__SAYS_QUOTA },
    { "spend limit reached", RL__SAYS_QUOTA },
    { "maximum billing reached", RL__SAYS_QUOTA },
    { "billing hard limit", RL__SAYS_QUOTA },
    { "budget has been exceeded", RL__SAYS_QUOTA },
    { "run out of credits", RL__SAYS_QUOTA },
    { "doesn't have any credits", RL__SAYS_QUOTA },
    { "does not have any credits", RL__SAYS_QUOTA },
    { "api calls / month", RL__SAYS_DAY },
    { "too many tokens per day", RL__SAYS_DAY }, /* Bedrock, which never says until when */
    { "you have reached your api usage limits", RL__SAYS_QUOTA },
    { "you have reached your specified api usage limits", RL__SAYS_QUOTA },
    { "you have reached your specified workspace api usage limits", RL__SAYS_QUOTA },
    { "your credit balance is too low", RL__SAYS_QUOTA },
    { "request too large", RL__SAYS_TOO_LARGE },
    { "prompt is too long", RL__SAYS_TOO_LARGE },
    { "input is too long", RL__SAYS_TOO_LARGE },
    { "maximum context length", RL__SAYS_TOO_LARGE },
    { "context length exceeded", RL__SAYS_TOO_LARGE },
    { "exceeds the context window", RL__SAYS_TOO_LARGE },
    { "exceeds the maximum number of tokens", RL__SAYS_TOO_LARGE },
    { "input tokens exceeded", RL__SAYS_TOO_LARGE },
    { "exceeds the context length", RL__SAYS_TOO_LARGE },
    { "exceed context limit", RL__SAYS_TOO_LARGE },
    { "tokens + `max_new_tokens`", RL__SAYS_TOO_LARGE },
    { "too many tokens: size limit exceeded", RL__SAYS_TOO_LARGE },
    { "resource exhausted",
      RL__SAYS_CAPACITY }, /* Vertex's shared pool; Gemini words it otherwise */
    { "temporarily out of capacity", RL__SAYS_CAPACITY },
    { "temporarily unable to process", RL__SAYS_CAPACITY },
    { "experiencing high demand", RL__SAYS_CAPACITY },
    { "experiencing high traffic", RL__SAYS_CAPACITY },
    { "service tier capacity exceeded", RL__SAYS_CAPACITY },
    { "overloaded", RL__SAYS_OVERLOADED },
    { "capacity exceeded", RL__SAYS_OVERLOADED },
    { "no capacity", RL__SAYS_OVERLOADED },
    { "at capacity", RL__SAYS_OVERLOADED },
    { "server busy", RL__SAYS_OVERLOADED },
    { "rate limit", RL__SAYS_RATE },
    { "rate-limit", RL__SAYS_RATE },
    { "ratelimit", RL__SAYS_RATE },
    { "too many requests", RL__SAYS_RATE },
    { "too many tokens", RL__SAYS_RATE },
};

static void phrases_read(const char *text, size_t length, struct rl__facts *facts)
{
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (rl__starts_like(text, length, phrases[i].phrase))
            facts->opens |= phrases[i].says;
        if ((facts->says & phrases[i].says) == 0 && has(text, length, phrases[i].phrase))
            facts->says |= phrases[i].says;
    }
    /* Gemini's rolling ten minutes of money: a limit that time refills, unlike a month's cap. */
    if (has(text, length, "spend-based rate limit") || has(text, length, "spending rate"))
        facts->limited_window = rl__max(facts->limited_window, 10 * RL_MINUTE);
}

/* "Please try again in 6m0s", "retry after 86400 seconds". The longest wait stands. */
static void wait_read(const char *text, size_t length, struct rl__facts *facts)
{
    static const char *const before[] = {
        "try again in ", "retry in ",    "retry after ", "try again after ",
        "please wait ",  "reset after ", "resets in ",
    };

    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        size_t skip = strlen(before[i]);
        size_t at = find(text, length, 0, before[i]);

        for (int round = 0; at < length && round < 16; round++) {
            size_t number = at + skip;
            rl_duration wait;

            number += number < length && text[number] == '~'; /* about so long */
            if (rl__duration_prefix(text + number, length - number, &wait) > 0 &&
                (facts->message_wait == RL_NEVER || wait > facts->message_wait))
                facts->message_wait = wait;
            at = find(text, length, at + skip, before[i]);
        }
    }
}

/* "You will regain access on 2026-09-01 at 00:00 UTC": made an RFC 3339 date and read as one. */
static void access_date_read(const char *text, size_t length, rl_wall_time now,
                             struct rl__facts *facts)
{
    static const char before[] = "regain access on ";
    size_t at = find(text, length, 0, before) + sizeof before - 1;
    struct rl__when when = { .absolute = 1 };
    char date[] = "0000-00-00T00:00:00Z";
    rl_duration after;

    if (now == 0 || at >= length || length - at < 10)
        return;
    memcpy(date, text + at, 10);
    at += 10;
    if (rl__starts_like(text + at, length - at, " at ") && length - at >= 9)
        memcpy(date + 11, text + at + 4, 5);
    if (rl__date_rfc3339(date, sizeof date - 1, &when.wall) &&
        rl__when_resolve(&when, now, &after) && facts->message_wait == RL_NEVER)
        facts->message_wait = after;
}

/* "30000", "20,000", "9.0": a whole number at the start of `text`, which groups of three may part.
 */
static int number_read(const char *text, size_t length, uint64_t *out)
{
    uint64_t value = 0;
    size_t at = 0;

    if (length > 0 && text[0] == '~') /* an estimate */
        at++;
    if (at >= length || !rl__is_digit(text[at]))
        return 0;
    while (at < length && rl__is_digit(text[at])) {
        value = rl__add_sat(rl__mul_sat(value, 10), (uint64_t)(text[at++] - '0'));
        if (at + 3 < length && text[at] == ',' && rl__is_digit(text[at + 1]) &&
            rl__is_digit(text[at + 2]) && rl__is_digit(text[at + 3]))
            at++;
    }
    if (value > RL__COUNT_MAX)
        return 0;
    *out = value;
    return 1;
}

/* The number behind the next `word` at or after *at that has one: "Limit 7000", "Requested ~12903".
 */
static int number_after(const char *text, size_t length, size_t *at, const char *word,
                        uint64_t *out)
{
    while ((*at = find(text, length, *at, word)) < length) {
        *at += strlen(word);
        if (number_read(text + *at, length - *at, out))
            return 1;
    }
    return 0;
}

static void numbers_read(const char *text, size_t length, struct rl__facts *facts)
{
    uint64_t limit, requested;
    size_t at = 0, behind = 0;

    if (number_after(text, length, &at, "limit ", &limit) &&
        number_after(text, length, &behind, "requested ", &requested) && requested > limit)
        facts->says |= RL__SAYS_TOO_LARGE;
    if (!has(text, length, "quota exceeded for metric"))
        return;
    for (at = 0; number_after(text, length, &at, "limit: ", &limit);)
        if (limit == 0)
            facts->says |= RL__SAYS_ZERO;
}

/* The period that follows "... per " or "... / ". */
static rl_duration period_read(const char *text, size_t length)
{
    static const struct {
        const char *word;
        rl_duration length;
    } periods[] = {
        { "sec", RL_SECOND },
        { "min", RL_MINUTE },
        { "hour", RL_HOUR },
        { "day", RL_DAY },
    };

    for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++)
        if (rl__starts_like(text, length, periods[i].word))
            return periods[i].length;
    return 0;
}

/* "on tokens per min (TPM)", "20,000 input tokens per minute", "15 requests per minute". */
static int counted_read(const char *text, size_t length, struct rl__facts *facts)
{
    static const struct {
        const char *phrase;
        uint32_t dimension;
    } counts[] = {
        { "input tokens per ", RL_INPUT_TOKENS },
        { "output tokens per ", RL_OUTPUT_TOKENS },
        { "tokens per ", RL_TOKENS },
        { "requests per ", RL_REQUESTS },
        { "queries per ", RL_REQUESTS },
        { "images per ", RL_IMAGES },
        { "calls / ", RL_REQUESTS },
        { "free-models-per-", RL_REQUESTS },
    };

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        size_t at = find(text, length, 0, counts[i].phrase);
        rl_duration period;

        if (at == length)
            continue;
        at += strlen(counts[i].phrase);
        period = period_read(text + at, length - at);
        if (period == 0)
            continue;
        facts->limited_mask |= UINT32_C(1) << counts[i].dimension;
        facts->limited_window = rl__max(facts->limited_window, period);
        return 1; /* the first names it; "tokens per" is inside "input tokens per" */
    }
    return 0;
}

/* Whose limit it is, where the words do not count "per" anything. */
static int named_read(const char *text, size_t length, struct rl__facts *facts)
{
    static const struct {
        const char *phrase;
        uint32_t dimension;
        rl_duration window;
    } names[] = {
        { "exceeded token rate limit", RL_TOKENS, 0 },
        { "exceeded the token rate limit", RL_TOKENS, 0 },
        { "exceeded call rate limit", RL_REQUESTS, 0 },
        { "exceeded the call rate limit", RL_REQUESTS, 0 },
        { "too many tokens, please wait", RL_TOKENS, 0 },
        { "too many requests, please wait", RL_REQUESTS, 0 },
        { "too many tokens for team", RL_TOKENS, RL_MINUTE },
        { "too many requests for team", RL_REQUESTS, 0 },
        { "per minute request limit", RL_REQUESTS, RL_MINUTE },
        { "requests rate limit exceeded", RL_REQUESTS, 0 },
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (has(text, length, names[i].phrase)) {
            facts->limited_mask |= UINT32_C(1) << names[i].dimension;
            facts->limited_window = rl__max(facts->limited_window, names[i].window);
            return 1;
        }
    return 0;
}

/* "Quota exceeded for aiplatform.googleapis.com/..._input_tokens_per_minute_per_base_model": the
 * metric speaks. */
static int metric_read(const char *text, size_t length, struct rl__facts *facts)
{
    static const char before[] = "quota exceeded for aiplatform.googleapis.com/";
    size_t at = find(text, length, 0, before) + sizeof before - 1, end = at;
    uint32_t dimension = RL_REQUESTS;

    if (at >= length)
        return 0;
    while (end < length && text[end] != ' ')
        end++;
    if (has(text + at, end - at, "input_tokens"))
        dimension = RL_INPUT_TOKENS;
    else if (has(text + at, end - at, "output_tokens"))
        dimension = RL_OUTPUT_TOKENS;
    facts->limited_mask |= UINT32_C(1) << dimension;
    facts->limited_window = rl__max(facts->limited_window, RL_MINUTE);
    return 1;
}

/* GitHub's "Rate limit of 8 per 86400s exceeded for UserByModelByDay". "per 0s" is no window but so
 * many at once. */
static int rate_of_read(const char *text, size_t length, struct rl__facts *facts)
{
    uint64_t amount;
    rl_duration period;
    size_t at = 0, per;

    if (!number_after(text, length, &at, "rate limit of ", &amount))
        return 0;
    per = find(text, length, at, " per ") + 5;
    if (per >= length || rl__duration_prefix(text + per, length - per, &period) == 0)
        return 0;
    if (period == 0) {
        facts->concurrency = amount;
        return 1;
    }
    facts->limited_mask |= UINT32_C(1) << RL_REQUESTS;
    facts->limited_window = rl__max(facts->limited_window, period);
    return 1;
}

/* How much the limit is that refused. */
static void amount_read(const char *text, size_t length, struct rl__facts *facts)
{
    static const char *const before[] = {
        "rate limit of ", "limited to ", "limit is ", "rate limit for this model is ",
        "limit: ",        "limit ",
    };
    uint64_t amount;

    for (size_t i = 0; i < sizeof before / sizeof before[0] && facts->limited_amount == 0; i++) {
        size_t at = 0;

        if (number_after(text, length, &at, before[i], &amount))
            facts->limited_amount = amount;
    }
}

/* The last "requests per second" before `end`. 0: none. */
static rl_duration count_before(const char *text, size_t end, uint32_t *dimension)
{
    static const struct {
        const char *phrase;
        uint32_t dimension;
    } counts[] = { { "requests per ", RL_REQUESTS }, { "tokens per ", RL_TOKENS } };
    rl_duration period = 0;
    size_t last = 0;

    *dimension = RL_REQUESTS;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        size_t step = strlen(counts[i].phrase), at = find(text, end, 0, counts[i].phrase);

        for (; at < end; at = find(text, end, at + step, counts[i].phrase)) {
            if (at < last)
                continue;
            last = at;
            period = period_read(text + at + step, end - at - step);
            *dimension = counts[i].dimension;
        }
    }
    return period;
}

/* xAI's "Requests per Second (actual/limit): 9/8", of several limits perhaps: of those that are
 * used up the longest counts, as the others are free before. */
static int ratios_read(const char *text, size_t length, struct rl__facts *facts)
{
    static const char mark[] = "(actual/limit): ";
    uint64_t actual, limit;
    uint32_t dimension;

    for (size_t at = 0, place; (place = find(text, length, at, mark)) < length;) {
        rl_duration period = count_before(text, place, &dimension);

        if (!number_after(text, length, &at, mark, &actual))
            break;
        at = find(text, length, at, "/") + 1;
        if (at >= length || !number_read(text + at, length - at, &limit) || actual < limit ||
            period <= facts->limited_window)
            continue;
        facts->limited_mask = UINT32_C(1) << dimension;
        facts->limited_window = period;
        facts->limited_amount = limit;
    }
    return facts->limited_mask != 0;
}

static void limited_read(const char *text, size_t length, struct rl__facts *facts)
{
    uint64_t amount;
    size_t at = 0;

    /* DeepSeek: the limit sinks with the balance, and stands nowhere else. */
    if (number_after(text, length, &at, "concurrency limit of ", &amount))
        facts->concurrency = amount;
    else if (ratios_read(text, length, facts))
        return;
    else if (rate_of_read(text, length, facts) || counted_read(text, length, facts) ||
             named_read(text, length, facts) || metric_read(text, length, facts))
        amount_read(text, length, facts);
}

void rl__message_read(const char *text, size_t length, rl_wall_time now, struct rl__facts *facts)
{
    if (length > RL__MESSAGE_MAX)
        length = RL__MESSAGE_MAX;
    phrases_read(text, length, facts);
    wait_read(text, length, facts);
    access_date_read(text, length, now, facts);
    numbers_read(text, length, facts);
    limited_read(text, length, facts);
}
