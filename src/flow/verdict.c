/* SPDX-License-Identifier: MIT */
/* Owns the table from outcomes to decisions. */
#include "flow/verdict.h"

#include "base/arith.h"

static rl_status reason_of(uint64_t outcome, uint64_t failure)
{
    if (failure == RL_FAILURE_TOO_BIG)
        return RL_E_TOO_BIG;
    switch (outcome) {
    case RL_OUTCOME_OK:
        return RL_OK;
    case RL_OUTCOME_RATE_LIMITED:
        return RL_E_TIMEOUT; /* only when the hint is longer than anybody would wait */
    case RL_OUTCOME_QUOTA_EXHAUSTED:
        return RL_E_QUOTA;
    case RL_OUTCOME_TOO_LARGE:
        return RL_E_TOO_LARGE;
    case RL_OUTCOME_TRANSPORT:
        return RL_E_TRANSPORT;
    default:
        return RL_E_REJECTED;
    }
}

rl_status rl__reason(uint64_t outcome, uint64_t failure)
{
    rl_status reason = reason_of(outcome, failure);

    return reason == RL_OK || reason == RL_E_TIMEOUT ? RL_E_REJECTED : reason;
}

static int transport_may_recover(uint64_t failure)
{
    return failure != RL_FAILURE_TLS && failure != RL_FAILURE_TOO_BIG &&
           failure != RL_FAILURE_ABORTED;
}

int rl__worth_trying(uint64_t outcome, uint64_t failure, uint64_t retryable)
{
    switch (outcome) {
    case RL_OUTCOME_OK:
    case RL_OUTCOME_QUOTA_EXHAUSTED:
    case RL_OUTCOME_TOO_LARGE:
        return 0;
    case RL_OUTCOME_TRANSPORT:
        return transport_may_recover(failure);
    default:
        return retryable != 0;
    }
}

void rl__verdict(const rl_answer *answer, uint64_t http_status, uint64_t failure,
                 rl_duration max_hint, rl_time now, rl_verdict *verdict)
{
    rl_duration hint = answer->retry_after;
    int retry = rl__worth_trying(answer->outcome, failure, answer->retryable);

    *verdict = (rl_verdict){ .outcome = answer->outcome,
                             .http = (uint32_t)http_status,
                             .answer = *answer };
    verdict->retry_at = hint == RL_NEVER ? RL_NEVER : rl__add_sat(now, hint);
    if (answer->outcome == RL_OUTCOME_OK) {
        verdict->action = RL_DELIVER;
        verdict->retry_at = RL_NEVER;
        return;
    }
    if (retry && (hint == RL_NEVER || hint <= max_hint)) {
        verdict->action = RL_RETRY;
        verdict->retry_at = hint == RL_NEVER ? now : verdict->retry_at;
        return;
    }
    verdict->action = RL_GIVE_UP;
    verdict->status = reason_of(answer->outcome, failure);
    if (retry && answer->outcome != RL_OUTCOME_RATE_LIMITED)
        verdict->status =
            RL_E_TIMEOUT; /* it would recover, but not in a time that anybody would wait */
}

void rl__verdict_change(rl_verdict *verdict, uint64_t action, uint64_t failure,
                        rl_duration max_hint, rl_time now)
{
    rl_duration hint = verdict->answer.retry_after;
    int hinted = hint != RL_NEVER, too_long = hinted && hint > max_hint;

    if (action == verdict->action || action > RL_GIVE_UP)
        return;
    verdict->action = action == RL_RETRY && too_long ? RL_GIVE_UP : (uint32_t)action;
    verdict->retry_at = hinted ? rl__add_sat(now, hint) : action == RL_RETRY ? now : RL_NEVER;
    if (verdict->action != RL_GIVE_UP)
        verdict->status = RL_OK;
    else
        verdict->status = action == RL_RETRY ? RL_E_TIMEOUT : rl__reason(verdict->outcome, failure);
}

rl_status rl_verdict_of(const rl_answer *answer, uint64_t http_status, uint64_t failure,
                        rl_time now, rl_verdict *verdict)
{
    rl_answer copy; /* it may be the one inside *verdict */

    if (answer == NULL || verdict == NULL)
        return RL_E_INVALID;
    copy = *answer;
    rl__verdict(&copy, http_status, failure, RL_NEVER, now, verdict);
    return RL_OK;
}
