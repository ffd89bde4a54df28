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
    rl__usage_total(&stream.usage, reading->dialect, &answer->usage);
    answer->ignored += stream.usage.ignored;
    if (!facts->found)
        *facts = stream.facts;
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

    if (wait != RL_NEVER)
        return wait;
    return facts->message_wait != RL_NEVER ? facts->message_wait : facts->stated_wait;
}

/* Whose limit it is: what the body names, else the only thing of which nothing remains. */
static void limited_write(const struct rl__facts *facts, rl_answer *answer)
{
    const rl_limit_report *used_up = NULL;
    uint32_t count = 0;

    if (answer->outcome != RL_OUTCOME_RATE_LIMITED && answer->outcome != RL_OUTCOME_QUOTA_EXHAUSTED)
        return;
    answer->limited_mask = facts->limited_mask;
    answer->limited_window = facts->limited_window;
    for (int i = RL__NAME_CODE; answer->limited_mask == 0 && i <= RL__NAME_TYPE; i++) {
        if (strcmp(facts->name[i], "tokens") == 0)
            answer->limited_mask = UINT32_C(1) << RL_TOKENS;
        else if (strcmp(facts->name[i], "requests") == 0)
            answer->limited_mask = UINT32_C(1) << RL_REQUESTS;
    }
    if (answer->limited_mask != 0)
        return;
    for (uint32_t i = 0; i < answer->report_count; i++)
        if ((answer->report[i].has & RL_HAS_REMAINING) != 0 && answer->report[i].remaining == 0) {
            answer->limited_mask |= UINT32_C(1) << answer->report[i].dimension;
            used_up = &answer->report[i];
            count++;
        }
    if (count == 1 && answer->limited_window == 0 && (used_up->has & RL_HAS_WINDOW) != 0)
        answer->limited_window = used_up->window;
}

static rl_outcome outcome_find(const rl_response *response, int in_stream,
                               const struct rl__facts *facts)
{
    /* A refusal is one even if its body broke off; a success that broke off is none. */
    if (response->status == 0 ||
        (response->failure != RL_FAILURE_NONE && is_success(response->status) && !in_stream))
        return RL_OUTCOME_TRANSPORT;
    return rl__classify(response->status, in_stream, facts);
}

static void answer_write(const rl_response *response, struct rl__reading *reading,
                         const struct rl__facts *facts, rl_answer *answer)
{
    int in_stream = is_success(response->status) && facts->found;
    rl_outcome outcome = outcome_find(response, in_stream, facts);
    uint64_t status = in_stream ? facts->number : response->status;

    answer->outcome = (uint32_t)outcome;
    answer->retryable = rl__retryable(outcome, status, response->failure, reading->should_retry);
    answer->quota_exhausted = outcome == RL_OUTCOME_QUOTA_EXHAUSTED;
    if (outcome != RL_OUTCOME_OK) {
        if (outcome != RL_OUTCOME_TRANSPORT)
            answer->retry_after = wait_find(reading, in_stream, facts);
        rl__code_name(facts, answer->code, sizeof answer->code);
    }
    limited_write(facts, answer);
    answer->ignored += reading->ignored + facts->ignored;
}

rl_status rl_answer_read(const rl_dialect *dialect, const rl_response *response, rl_wall_time now,
                         rl_answer *answer)
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
    body_read(&copy, &reading, &facts, answer);
    reports_write(&reading, &facts, answer);
    answer_write(&copy, &reading, &facts, answer);
    return RL_OK;
}
