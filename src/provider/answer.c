/* SPDX-License-Identifier: MIT */
/* One answer read whole: headers, body, outcome, waiting time. */
#include "base/arith.h"
#include "provider/classify.h"
#include "provider/stream.h"

/* What the caller's header knows of the struct; the rest is zero. */
static rl_response response_copy(const rl_response *given)
{
    rl_response response;

    memset(&response, 0, sizeof response);
    memcpy(&response, given, given->size < sizeof response ? given->size : sizeof response);
    if (response.body == NULL)
        response.body_length = 0;
    return response;
}

static int is_success(uint64_t status)
{
    return status >= 200 && status < 300;
}

/* Usage, and an error that nothing else told. */
static void stream_take(const struct rl__stream *stream, const struct rl__reading *reading,
                        struct rl__facts *facts, rl_answer *answer)
{
    rl__usage_total(&stream->usage, reading->dialect, &answer->usage);
    answer->ignored += (uint32_t)stream->usage.ignored + stream->ignored;
    if (!facts->found)
        *facts = stream->facts;
}

/* OpenRouter answers some refusals with 200, and tells the limits in the body alone. */
static void limits_inside(const rl_response *response, struct rl__reading *reading)
{
    struct rl__facts known; /* from the stream already */

    rl__facts_init(&known);
    rl__body_read(response->body, response->body_length, reading, &known);
}

/* Usage, and errors inside a success. An error answer is read as a whole first, and as a stream if
 * that says nothing: it may be one, or it may be cut short. */
static void body_read(const rl_response *response, struct rl__reading *reading,
                      struct rl__facts *facts, rl_answer *answer)
{
    struct rl__stream stream;

    if (response->body_length == 0)
        return;
    if (!is_success(response->status))
        rl__body_read(response->body, response->body_length, reading, facts);
    rl__stream_init(&stream, reading->dialect, reading->now);
    rl__stream_feed(&stream, response->body, response->body_length);
    rl__stream_end(&stream);
    stream_take(&stream, reading, facts, answer);
    if (is_success(response->status) && stream.facts.found)
        limits_inside(response, reading);
}

/* Limits that the headers tell, then those of the body. */
static void reports_write(struct rl__reading *reading, const struct rl__facts *facts,
                          rl_answer *answer)
{
    answer->report_count = rl__headers_reports(reading, answer->report, RL_REPORTS_MAX);
    for (uint32_t i = 0; i < facts->violation_count && answer->report_count < RL_REPORTS_MAX; i++)
        answer->report[answer->report_count++] = facts->violation[i];
}

/* Headers, then the message, then the field of the body: Google's RetryInfo is the message's time,
 * cut to seconds. */
static rl_duration wait_find(struct rl__reading *reading, int in_stream,
                             const struct rl__facts *facts)
{
    /* What the headers of a success say is advice on polling, whatever came after them. */
    rl_duration wait = in_stream ? RL_NEVER : rl__headers_wait(reading);

    if (wait == RL_NEVER)
        wait = facts->message_wait != RL_NEVER ? facts->message_wait : facts->stated_wait;
    /* Too many at once: "in 0 s" would be now, but it is when another one ends. */
    if (wait == 0 && (facts->concurrency > 0 || reading->is_concurrent))
        wait = RL_NEVER;
    return wait;
}

/* The dimension that the names of the error name; 0: none. */
static uint32_t named_mask(const struct rl__facts *facts)
{
    static const struct {
        const char *name;
        uint32_t dimension;
    } names[] = {
        { "tokens", RL_TOKENS },
        { "requests", RL_REQUESTS },
        { "dynamic_request_limited", RL_REQUESTS },
        { "dynamic_token_limited", RL_TOKENS },
    };

    for (int place = RL__NAME_CODE; place < RL__NAMES; place++)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strcmp(facts->name[place], names[i].name) == 0)
                return UINT32_C(1) << names[i].dimension;
    return 0;
}

/* The only thing of which nothing remains. */
static void limited_by_reports(rl_answer *answer)
{
    const rl_limit_report *used_up = NULL;
    uint32_t count = 0;

    for (uint32_t i = 0; i < answer->report_count; i++)
        if ((answer->report[i].has & RL_HAS_REMAINING) != 0 && answer->report[i].remaining == 0) {
            answer->limited_mask |= UINT32_C(1) << answer->report[i].dimension;
            used_up = &answer->report[i];
            count++;
        }
    if (count == 1 && answer->limited_window == 0 && (used_up->has & RL_HAS_WINDOW) != 0)
        answer->limited_window = used_up->window;
}

/* Whether the words speak of that limit: they tell its amount, or it is the only one and the
 * provider's words are always about that. */
static int is_meant(const struct rl__reading *reading, const rl_answer *answer,
                    const rl_limit_report *report)
{
    if (answer->limited_mask != UINT32_C(1) << report->dimension)
        return 0;
    if ((report->has & RL_HAS_LIMIT) != 0 && answer->limited_amount != 0)
        return report->limit == answer->limited_amount;
    return (reading->dialect->flags & RL__DIALECT_WINDOW_IN_WORDS) != 0 &&
           answer->report_count == 1;
}

/* Where only the message tells the window of a limit that the headers tell. */
static void window_from_words(const struct rl__reading *reading, rl_answer *answer)
{
    for (uint32_t i = 0; i < answer->report_count && answer->limited_window != 0; i++) {
        rl_limit_report *report = &answer->report[i];

        if ((report->has & RL_HAS_WINDOW) == 0 && is_meant(reading, answer, report)) {
            report->has |= RL_HAS_WINDOW;
            report->window = answer->limited_window;
        }
    }
}

/* Whose limit it is: what the body names, else what a header does, else the empty report. */
static void limited_write(const struct rl__reading *reading, const struct rl__facts *facts,
                          rl_answer *answer)
{
    if (answer->outcome != RL_OUTCOME_RATE_LIMITED && answer->outcome != RL_OUTCOME_QUOTA_EXHAUSTED)
        return;
    answer->limited_mask = facts->limited_mask;
    answer->limited_window =
        facts->limited_window != 0 ? facts->limited_window : reading->limited_window;
    answer->limited_amount = facts->limited_amount;
    answer->concurrency = facts->concurrency;
    if (answer->limited_mask == 0)
        answer->limited_mask = named_mask(facts);
    if (answer->limited_mask == 0 && answer->concurrency == 0 && !reading->is_concurrent)
        limited_by_reports(answer);
    window_from_words(reading, answer);
}

/* A long period used up, or a limit of nothing, where the provider words it like any other. */
static int is_long_gone(const struct rl__reading *reading, const rl_answer *answer)
{
    if ((reading->dialect->flags & RL__DIALECT_LONG_IS_QUOTA) == 0)
        return 0;
    for (uint32_t i = 0; i < answer->report_count; i++) {
        const rl_limit_report *report = &answer->report[i];

        if ((report->has & RL_HAS_LIMIT) != 0 && report->limit == 0)
            return 1;
        if ((report->has & RL_HAS_WINDOW) != 0 && report->window >= RL_DAY &&
            (report->has & RL_HAS_REMAINING) != 0 && report->remaining == 0)
            return 1;
    }
    return 0;
}

static rl_outcome outcome_find(const rl_response *response, const struct rl__reading *reading,
                               int in_stream, const struct rl__facts *facts,
                               const rl_answer *answer)
{
    rl_outcome outcome;

    /* A refusal is one even if its body broke off; a success that broke off is none. */
    if (response->status == 0 ||
        (response->failure != RL_FAILURE_NONE && is_success(response->status) && !in_stream))
        return RL_OUTCOME_TRANSPORT;
    outcome = rl__classify(response->status, in_stream, facts);
    if (reading->is_limited && outcome != RL_OUTCOME_OK)
        outcome = RL_OUTCOME_RATE_LIMITED;
    if (outcome == RL_OUTCOME_RATE_LIMITED && is_long_gone(reading, answer))
        outcome = RL_OUTCOME_QUOTA_EXHAUSTED;
    return outcome;
}

static void answer_write(const rl_response *response, struct rl__reading *reading,
                         const struct rl__facts *facts, rl_answer *answer)
{
    int in_stream = is_success(response->status) && facts->found;
    rl_outcome outcome = outcome_find(response, reading, in_stream, facts, answer);
    uint64_t status = in_stream ? facts->number : response->status;
    int should_retry = reading->should_retry >= 0 ? reading->should_retry : facts->should_retry;

    answer->outcome = (uint32_t)outcome;
    answer->retryable = rl__retryable(outcome, status, response->failure, should_retry);
    answer->quota_exhausted = outcome == RL_OUTCOME_QUOTA_EXHAUSTED;
    if (outcome != RL_OUTCOME_OK) {
        if (outcome != RL_OUTCOME_TRANSPORT)
            answer->retry_after = wait_find(reading, in_stream, facts);
        rl__code_name(facts, answer->code, sizeof answer->code);
    }
    limited_write(reading, facts, answer);
    answer->ignored += reading->ignored + facts->ignored;
}

/* What follows once the body is known, however it came. */
static void answer_finish(const rl_response *response, struct rl__reading *reading,
                          struct rl__facts *facts, rl_answer *answer)
{
    if (!is_success(response->status))
        rl__error_name(facts, reading->error_name.at, reading->error_name.length);
    if (answer->usage.has == 0)
        rl__headers_usage(reading, &answer->usage);
    reports_write(reading, facts, answer);
    answer_write(response, reading, facts, answer);
}

/* As rl_answer_read(); `fed`, if not NULL, has seen the body of a success. */
static rl_status answer_read(const rl_dialect *dialect, const rl_response *response,
                             const struct rl__stream *fed, rl_wall_time now, rl_answer *answer)
{
    struct rl__reading reading;
    struct rl__facts facts;
    rl_response copy;

    if (answer == NULL)
        return RL_E_INVALID;
    memset(answer, 0, sizeof *answer);
    answer->retry_after = RL_NEVER;
    if (response == NULL)
        return RL_E_INVALID;
    copy = response_copy(response);
    rl__facts_init(&facts);
    rl__headers_read(dialect, copy.headers, (size_t)copy.header_count, now, &reading);
    if (fed != NULL && (is_success(copy.status) || copy.body_length == 0))
        stream_take(fed, &reading, &facts, answer);
    else
        body_read(&copy, &reading, &facts, answer);
    answer_finish(&copy, &reading, &facts, answer);
    return RL_OK;
}

rl_status rl_answer_read(const rl_dialect *dialect, const rl_response *response, rl_wall_time now,
                         rl_answer *answer)
{
    return answer_read(dialect, response, NULL, now, answer);
}

rl_status rl_answer_read_fed(const rl_dialect *dialect, const rl_response *response,
                             const rl_usage_reader *reader, rl_wall_time now, rl_answer *answer)
{
    const struct rl__stream *fed = rl__stream_of(reader);

    if (fed == NULL) {
        (void)answer_read(NULL, NULL, NULL, now, answer); /* writes it: "on every return" */
        return RL_E_INVALID;
    }
    return answer_read(dialect, response, fed, now, answer);
}
