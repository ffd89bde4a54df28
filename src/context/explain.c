/* SPDX-License-Identifier: MIT */
/* Owns the sentences: how an attempt ended, with its numbers. */
#include "base/arith.h"
#include "base/text.h"
#include "context/attempt.h"
#include "flow/route.h"
#include "scope/permit.h"

#include <string.h>

static const char *period_name(rl_duration period)
{
    return period == RL_SECOND   ? "second"
           : period == RL_MINUTE ? "minute"
           : period == RL_HOUR   ? "hour"
           : period == RL_DAY    ? "day"
                                 : NULL;
}

static void add_limit(struct rl__text *text, const struct rl__refused *refused)
{
    const char *dimension = rl_dimension_name((rl_dimension)refused->dimension);
    const char *period = period_name(refused->period);

    if (refused->dimension == RL_CONCURRENCY) {
        rl__text_add(text, "%llu request%s at once", (unsigned long long)refused->amount,
                     refused->amount == 1 ? "" : "s");
        return;
    }
    rl__text_add(text, "%llu %s per ", (unsigned long long)refused->amount, dimension);
    if (period != NULL)
        rl__text_add(text, "%s", period);
    else
        rl__text_add_duration(text, refused->period);
}

static void add_holder(struct rl__text *text, const struct rl__refused *refused)
{
    if (refused->scope == NULL)
        return;
    rl__text_add_foreign(text, refused->scope, strlen(refused->scope));
    rl__text_add(text, ": ");
    if (refused->by == RL__HELD_BY_BREAKER)
        return; /* the status says it */
    if (refused->by == RL__HELD_BY_GATE)
        rl__text_add(text, "closed, as the provider asked");
    else
        add_limit(text, refused);
    rl__text_add(text, "; ");
}

static void add_answer(struct rl__text *text, const rl_verdict *verdict)
{
    if (verdict->http == 0)
        return;
    rl__text_add(text, "HTTP %lu", (unsigned long)verdict->http);
    if (verdict->answer.code[0] != '\0') {
        rl__text_add(text, " (");
        rl__text_add_foreign(text, verdict->answer.code,
                             strnlen(verdict->answer.code, sizeof verdict->answer.code));
        rl__text_add(text, ")");
    }
    rl__text_add(text, ": ");
}

/* Of the only way there is nothing to be said. */
static void add_route(struct rl__text *text, const rl_route *route)
{
    if (route->reason == RL_ROUTE_ASKED || route->provider == NULL)
        return;
    rl__text_add(text, ", %s ", rl__route_reason_text(route->reason));
    rl__text_add_foreign(text, route->provider, strlen(route->provider));
    if (route->key != NULL) {
        rl__text_add(text, "#");
        rl__text_add_foreign(text, route->key, strlen(route->key));
    }
    if (route->model[0] != '\0') {
        rl__text_add(text, "/");
        rl__text_add_foreign(text, route->model, strlen(route->model));
    }
}

static void add_when(struct rl__text *text, rl_time retry_at, rl_time now)
{
    if (retry_at == RL_NEVER || retry_at <= now)
        return;
    rl__text_add(text, "; the earliest useful time is in ");
    rl__text_add_duration(text, retry_at - now);
}

const char *rl_explain(const rl_attempt *attempt, char *buffer, size_t size)
{
    struct rl__text text = rl__text_on(buffer, buffer == NULL ? 0 : size);
    struct rl__refused refused;
    struct rl__course course;

    if (attempt == NULL || attempt->size != sizeof *attempt || buffer == NULL || size == 0)
        return "";
    memcpy(&refused, attempt->permit.private_, sizeof refused);
    memcpy(&course, attempt->private_, sizeof course);
    if (refused.no_lane == NULL)
        add_holder(&text, &refused);
    add_answer(&text, &attempt->verdict);
    rl__text_add(&text, "%s",
                 attempt->status == RL_WAIT ? "not over yet" : rl_status_text(attempt->status));
    if (attempt->number > 0)
        rl__text_add(&text, ", after %lu attempt%s", (unsigned long)attempt->number,
                     attempt->number == 1 ? "" : "s");
    add_route(&text, &attempt->route);
    add_when(&text, attempt->retry_at, course.ended_at);
    return buffer;
}
