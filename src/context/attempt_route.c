/* SPDX-License-Identifier: MIT */
/* Owns how an attempt takes one of several routes: which, for how long it waits there, and what it
 * makes of several ends. */
#include "context/attempt_route.h"

#include "base/arith.h"

static struct rl__course *course_of(rl_attempt *attempt)
{
    return (struct rl__course *)(void *)attempt->private_;
}

rl_status rl__take_budget(rl_context *rl, int counted, rl_time now, rl_time *retry_at)
{
    if (!counted || !rl__settings(rl)->has_retry_budget)
        return RL_OK;
    return rl_retry_budget_take(&rl->retry_budget, now, retry_at);
}

/* What would have been taken if all were well: see rl_event.instead. */
static void note_instead(struct rl__course *course, const struct rl__routes *routes,
                         const struct rl__route_choice *choice)
{
    int is_next = choice->reason == RL_ROUTE_NEXT || choice->reason == RL_ROUTE_AGAIN;

    course->instead = NULL;
    course->instead_at = RL_NEVER;
    if (is_next && course->left_by != 0 && course->left_by - 1u != choice->index) {
        course->instead = routes->of[course->left_by - 1].ask.lane;
    } else if (routes->of[choice->index].rank != 0) {
        course->instead = routes->of[0].ask.lane;
        course->instead_at = choice->first_start;
    }
}

void rl__set_out(rl_attempt *attempt, const struct rl__routes *routes,
                 const struct rl__route_choice *choice)
{
    struct rl__course *course = course_of(attempt);
    const struct rl__way *way = &routes->of[choice->index];

    note_instead(course, routes, choice);
    course->at = (uint16_t)choice->index;
    course->count = (uint32_t)routes->count;
    course->is_fallback = way->rank != 0;
    rl__route_of(way->ask.lane, course->begins ? RL_ROUTE_AGAIN : choice->reason, &attempt->route);
}

void rl__set_out_as_named(rl_attempt *attempt, const struct rl__ask *ask)
{
    struct rl__course *course = course_of(attempt);

    course->count = course->is_fallback = 0;
    course->instead = NULL;
    rl__route_of(ask->lane, RL_ROUTE_ASKED, &attempt->route);
}

/* All that are left have been tried: that is a retry like any other. */
static rl_status begin_round(rl_context *rl, struct rl__routes *routes, rl_attempt *attempt,
                             rl_time now)
{
    struct rl__course *course = course_of(attempt);
    rl_time allowed;

    if (rl__take_budget(rl, course->owes != 0, now, &allowed) != RL_OK) {
        attempt->permit.retry_at = rl__max(allowed, course->again_at);
        rl__fetch_add(&rl->count.over_budget, 1);
        return RL_E_BUDGET;
    }
    course->owes = 0;
    course->tried = 0;
    course->begins = 1;
    course->round_from = course->again_at;
    rl__routes_delay(routes, rl__sub_sat(course->round_from, now));
    return RL_OK;
}

rl_status rl__choose(rl_context *rl, struct rl__routes *routes, rl_attempt *attempt, uint64_t skip,
                     rl_time now, struct rl__route_choice *choice)
{
    struct rl__course *course = course_of(attempt);
    rl_status st = RL_OK;

    if (!rl__routes_choose(rl, routes, course, skip, now, choice)) {
        if (skip != 0)
            return RL_E_NOT_FOUND;
        *choice = (struct rl__route_choice){ .start = RL_NEVER }; /* so that it says why */
    }
    if (choice->is_new_round)
        st = begin_round(rl, routes, attempt, now);
    rl__set_out(attempt, routes, choice);
    return st;
}

/* So long at least it stays where it has begun to wait. */
#define PATIENCE (100 * RL_MILLISECOND)

/* Until when to wait there before looking around again. */
static rl_time patience(const struct rl__routes *routes, const struct rl__route_choice *choice,
                        rl_time now)
{
    rl_time start = choice->start == RL_NEVER ? now : rl__max(choice->start, now);

    return rl__add_sat(start, rl__max(routes->stay, PATIENCE));
}

int rl__ends_on_route(rl_status st)
{
    return st == RL_E_TIMEOUT || st == RL_E_DEADLINE || st == RL_E_TOO_LARGE ||
           st == RL_E_QUEUE_FULL || st == RL_E_CIRCUIT_OPEN || st == RL_E_DROPPED ||
           st == RL_E_TABLE_FULL;
}

int rl__ends_on_time(rl_status st)
{
    return st == RL_E_TIMEOUT || st == RL_E_DEADLINE || st == RL_E_CIRCUIT_OPEN;
}

rl_status rl__set_bounds(const struct rl__routes *routes, const struct rl__route_choice *choice,
                         unsigned turn, rl_attempt *attempt, rl_time now, struct rl__ask *ask)
{
    struct rl__course *course = course_of(attempt);

    *ask = routes->of[choice->index].ask;
    if (course->round_from > ask->expires) {
        attempt->permit.retry_at = course->round_from;
        return ask->expired;
    }
    if (turn < RL__TURNS)
        ask->expires = rl__min(ask->expires, patience(routes, choice, now));
    course->not_before = course->round_from;
    return RL_OK;
}

void rl__ending_keep(struct rl__ending *ending, const rl_attempt *attempt, rl_status st)
{
    if (ending->status != RL_OK && attempt->permit.retry_at >= ending->permit.retry_at)
        return;
    *ending = (struct rl__ending){ st, attempt->permit, attempt->route };
}

rl_status rl__ending_use(const struct rl__ending *ending, rl_attempt *attempt)
{
    attempt->permit = ending->permit;
    attempt->route = ending->route;
    return ending->status;
}
