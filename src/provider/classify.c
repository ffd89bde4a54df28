/* SPDX-License-Identifier: MIT */
/* Status, error names and words to one outcome: names first, then the status, words last. */
#include "provider/classify.h"

#include <stdio.h>

#define BIT(outcome) (UINT32_C(1) << (outcome))

static const struct {
    const char *name; /* lower case */
    rl_outcome outcome;
} names[] = {
    { "insufficient_quota", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "credit_balance_exhausted", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "organization_spend_limit_exceeded", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "project_spend_limit_exceeded", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "organization_usage_limit_exceeded", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "billing_hard_limit_reached", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "billing_not_active", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "billing_error", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "enforced_spend_limit_reached", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "blocked_api_access", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "insufficient_credits", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "insufficient_balance", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "insufficient_g1_credits_balance", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "not_enough_balance", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "payment_required", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "budget_exceeded", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "quota_exhausted", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "servicequotaexceededexception", RL_OUTCOME_QUOTA_EXHAUSTED },
    { "context_length_exceeded", RL_OUTCOME_TOO_LARGE },
    { "max_tokens_exceeded", RL_OUTCOME_TOO_LARGE },
    { "token_limit_exceeded", RL_OUTCOME_TOO_LARGE },
    { "tokens_limit_reached", RL_OUTCOME_TOO_LARGE },
    { "too_many_tokens", RL_OUTCOME_TOO_LARGE },
    { "string_too_long", RL_OUTCOME_TOO_LARGE },
    { "request_too_large", RL_OUTCOME_TOO_LARGE },
    { "payload_too_large", RL_OUTCOME_TOO_LARGE },
    { "string_above_max_length", RL_OUTCOME_TOO_LARGE },
    { "exceed_context_size_error", RL_OUTCOME_TOO_LARGE },
    { "slow_down", RL_OUTCOME_OVERLOADED },
    { "server_is_overloaded", RL_OUTCOME_OVERLOADED },
    { "overloaded_error", RL_OUTCOME_OVERLOADED },
    { "overloaded", RL_OUTCOME_OVERLOADED },
    { "engine_overloaded", RL_OUTCOME_OVERLOADED },
    { "provider_overloaded", RL_OUTCOME_OVERLOADED },
    { "capacity_exceeded", RL_OUTCOME_OVERLOADED },
    { "capacity_exhausted", RL_OUTCOME_OVERLOADED },
    { "model_capacity_exhausted", RL_OUTCOME_OVERLOADED },
    { "service_unavailable_error", RL_OUTCOME_OVERLOADED },
    { "service_unavailable", RL_OUTCOME_OVERLOADED },
    { "unavailable_error", RL_OUTCOME_OVERLOADED },
    { "unavailable", RL_OUTCOME_OVERLOADED },
    { "temporary-reduced-capacity", RL_OUTCOME_OVERLOADED },
    { "queue_exceeded", RL_OUTCOME_OVERLOADED },
    { "modelnotreadyexception", RL_OUTCOME_OVERLOADED },
    { "serviceunavailableexception", RL_OUTCOME_OVERLOADED },
    { "rate_limit_exceeded", RL_OUTCOME_RATE_LIMITED },
    { "rate_limit", RL_OUTCOME_RATE_LIMITED },
    { "dynamic_request_limited", RL_OUTCOME_RATE_LIMITED },
    { "dynamic_token_limited", RL_OUTCOME_RATE_LIMITED },
    { "rate_limit_error", RL_OUTCOME_RATE_LIMITED },
    { "rate_limit_reached", RL_OUTCOME_RATE_LIMITED },
    { "rate_limited", RL_OUTCOME_RATE_LIMITED },
    { "ratelimitreached", RL_OUTCOME_RATE_LIMITED },
    { "ratelimitexceeded", RL_OUTCOME_RATE_LIMITED },
    { "userratelimitexceeded", RL_OUTCOME_RATE_LIMITED },
    { "resource_exhausted", RL_OUTCOME_RATE_LIMITED },
    { "too_many_requests", RL_OUTCOME_RATE_LIMITED },
    { "too_many_requests_error", RL_OUTCOME_RATE_LIMITED },
    { "request_quota_exceeded", RL_OUTCOME_RATE_LIMITED },
    { "token_quota_exceeded", RL_OUTCOME_RATE_LIMITED },
    { "throttlingexception", RL_OUTCOME_RATE_LIMITED },
    { "quota-exceeded", RL_OUTCOME_RATE_LIMITED }, /* a problem type: any limit, not billing */
    { "abnormal-usage-detected", RL_OUTCOME_RATE_LIMITED },
    { "invalid_api_key", RL_OUTCOME_AUTH },
    { "api_key_invalid", RL_OUTCOME_AUTH },
    { "authentication_error", RL_OUTCOME_AUTH },
    { "permission_error", RL_OUTCOME_AUTH },
    { "permission_denied", RL_OUTCOME_AUTH },
    { "unauthenticated", RL_OUTCOME_AUTH },
    { "accessdeniedexception", RL_OUTCOME_AUTH },
    { "unrecognizedclientexception", RL_OUTCOME_AUTH },
    { "invalidsignatureexception", RL_OUTCOME_AUTH },
    { "server_error", RL_OUTCOME_SERVER_ERROR },
    { "internalserverexception", RL_OUTCOME_SERVER_ERROR },
    { "modelstreamerrorexception", RL_OUTCOME_SERVER_ERROR },
    { "provider_unavailable", RL_OUTCOME_SERVER_ERROR },
    { "internal_server_error", RL_OUTCOME_SERVER_ERROR },
    { "internal_error", RL_OUTCOME_SERVER_ERROR },
    { "internal", RL_OUTCOME_SERVER_ERROR },
    { "api_error", RL_OUTCOME_SERVER_ERROR },
    { "timeout_error", RL_OUTCOME_SERVER_ERROR },
    { "deadline_exceeded", RL_OUTCOME_SERVER_ERROR },
    { "invalid_request_error", RL_OUTCOME_CLIENT_ERROR },
    { "invalid_argument", RL_OUTCOME_CLIENT_ERROR },
    { "invalid_prompt", RL_OUTCOME_CLIENT_ERROR },
    { "validationexception", RL_OUTCOME_CLIENT_ERROR },
    { "not_found_error", RL_OUTCOME_CLIENT_ERROR },
    { "not_found", RL_OUTCOME_CLIENT_ERROR },
    { "tool_use_failed", RL_OUTCOME_CLIENT_ERROR },
};

static uint32_t name_seen(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (rl__is_like(name, strlen(name), names[i].name))
            return BIT(names[i].outcome);
    return 0;
}

/* All names count, not the first: "rate_limit_error" may stand beside a spend limit's code, and
 * "invalid_request_error" beside anything. */
static uint32_t names_seen(const struct rl__facts *facts)
{
    uint32_t seen = 0;

    for (int i = 0; i < RL__NAMES; i++)
        if (facts->name[i][0] != '\0')
            seen |= name_seen(facts->name[i]);
    return seen;
}

static rl_outcome by_status(uint64_t status)
{
    switch (status) {
    case 401:
    case 403:
        return RL_OUTCOME_AUTH;
    case 402:
        return RL_OUTCOME_QUOTA_EXHAUSTED;
    case 413:
        return RL_OUTCOME_TOO_LARGE;
    case 429:
        return RL_OUTCOME_RATE_LIMITED;
    case 498: /* Groq: no room for the flex tier */
    case 503:
    case 529:
        return RL_OUTCOME_OVERLOADED;
    default:
        break;
    }
    return status >= 500 ? RL_OUTCOME_SERVER_ERROR : RL_OUTCOME_CLIENT_ERROR;
}

/* Together says with a 403 that a prompt is too long, GitHub that a rate limit is reached. */
static rl_outcome forbidden(const struct rl__facts *facts)
{
    if ((facts->says & RL__SAYS_TOO_LARGE) != 0)
        return RL_OUTCOME_TOO_LARGE;
    return (facts->says & RL__SAYS_RATE) != 0 ? RL_OUTCOME_RATE_LIMITED : RL_OUTCOME_AUTH;
}

/* Words refine what names and status leave open. A 400 may echo the prompt: there only its opening
 * counts. */
static rl_outcome by_words(rl_outcome outcome, uint64_t status, const struct rl__facts *facts)
{
    uint32_t says = status == 400 || status == 422 ? facts->opens : facts->says;

    if (outcome == RL_OUTCOME_SERVER_ERROR)
        return (facts->opens & RL__SAYS_OVERLOADED) != 0 ? RL_OUTCOME_OVERLOADED : outcome;
    if ((says & RL__SAYS_QUOTA) != 0)
        return RL_OUTCOME_QUOTA_EXHAUSTED;
    if (outcome == RL_OUTCOME_AUTH && status == 403)
        return forbidden(facts);
    if (outcome == RL_OUTCOME_CLIENT_ERROR)
        return (facts->says & RL__SAYS_TOO_LARGE) != 0 ? RL_OUTCOME_TOO_LARGE : outcome;
    if (outcome != RL_OUTCOME_RATE_LIMITED)
        return outcome;
    if ((says & (RL__SAYS_ZERO | RL__SAYS_DAY)) != 0)
        return RL_OUTCOME_QUOTA_EXHAUSTED;
    if ((says & RL__SAYS_TOO_LARGE) != 0)
        return RL_OUTCOME_TOO_LARGE;
    return (says & RL__SAYS_CAPACITY) != 0 ? RL_OUTCOME_OVERLOADED : outcome;
}

static rl_outcome by_words_alone(const struct rl__facts *facts)
{
    if ((facts->says & RL__SAYS_RATE) != 0)
        return RL_OUTCOME_RATE_LIMITED;
    return (facts->says & RL__SAYS_OVERLOADED) != 0 ? RL_OUTCOME_OVERLOADED
                                                    : RL_OUTCOME_SERVER_ERROR;
}

/* An error inside a success: no status helps, so weaker names count, too. */
static rl_outcome in_success(uint32_t seen, const struct rl__facts *facts)
{
    if ((seen & BIT(RL_OUTCOME_AUTH)) != 0)
        return RL_OUTCOME_AUTH;
    if (facts->number != 0)
        return by_words(by_status(facts->number), facts->number, facts);
    if ((seen & BIT(RL_OUTCOME_SERVER_ERROR)) != 0)
        return by_words(RL_OUTCOME_SERVER_ERROR, 0, facts);
    if ((seen & BIT(RL_OUTCOME_CLIENT_ERROR)) != 0)
        return by_words(RL_OUTCOME_CLIENT_ERROR, 400, facts);
    return by_words(by_words_alone(facts), 0, facts);
}

rl_outcome rl__classify(uint64_t status, int in_stream, const struct rl__facts *facts)
{
    rl_outcome outcome;
    uint32_t seen;

    if (!in_stream && status >= 200 && status < 300)
        return RL_OUTCOME_OK;
    seen = names_seen(facts);
    if ((seen & BIT(RL_OUTCOME_QUOTA_EXHAUSTED)) != 0)
        return RL_OUTCOME_QUOTA_EXHAUSTED;
    if ((seen & BIT(RL_OUTCOME_TOO_LARGE)) != 0 || status == 413)
        return RL_OUTCOME_TOO_LARGE;
    if ((seen & BIT(RL_OUTCOME_OVERLOADED)) != 0)
        return RL_OUTCOME_OVERLOADED;
    if ((seen & BIT(RL_OUTCOME_RATE_LIMITED)) != 0)
        return by_words(RL_OUTCOME_RATE_LIMITED, status, facts);
    if (in_stream)
        return in_success(seen, facts);
    if ((seen & BIT(RL_OUTCOME_AUTH)) != 0 && status >= 400 && status < 429)
        return RL_OUTCOME_AUTH;
    outcome = by_words(by_status(status), status, facts);
    if (outcome == RL_OUTCOME_RATE_LIMITED && (facts->says & RL__SAYS_OVERLOADED) != 0)
        return RL_OUTCOME_OVERLOADED;
    return outcome;
}

static uint32_t failure_retryable(uint64_t failure)
{
    switch (failure) {
    case RL_FAILURE_TLS:     /* trust does not come back by itself */
    case RL_FAILURE_TOO_BIG: /* it would be as big again */
    case RL_FAILURE_ABORTED: /* on purpose */
        return 0;
    default:
        return 1;
    }
}

uint32_t rl__retryable(rl_outcome outcome, uint64_t status, uint64_t failure, int should_retry)
{
    switch (outcome) {
    case RL_OUTCOME_OK:
    case RL_OUTCOME_QUOTA_EXHAUSTED: /* "yes" would be the word of a status that knows no better */
    case RL_OUTCOME_TOO_LARGE:
        return 0;
    case RL_OUTCOME_TRANSPORT:
        return failure_retryable(failure);
    default:
        break;
    }
    if (should_retry >= 0)
        return (uint32_t)should_retry;
    if (outcome == RL_OUTCOME_RATE_LIMITED || outcome == RL_OUTCOME_OVERLOADED)
        return 1;
    if (outcome == RL_OUTCOME_SERVER_ERROR)
        return status != 501 && status != 505;
    /* 408 timeout, 409 a lock that was busy, 425 too early: as the providers' own clients do. 499:
     * somebody between broke it off. */
    return outcome == RL_OUTCOME_CLIENT_ERROR &&
           (status == 408 || status == 409 || status == 425 || status == 499);
}

void rl__code_name(const struct rl__facts *facts, char *out, size_t size)
{
    out[0] = '\0';
    for (int i = 0; i < RL__NAMES; i++)
        if (facts->name[i][0] != '\0') {
            rl__name_copy(out, size, facts->name[i], strlen(facts->name[i]));
            return;
        }
    if (facts->number != 0)
        (void)snprintf(out, size, "%u", (unsigned)facts->number);
}
