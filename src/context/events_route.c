/* SPDX-License-Identifier: MIT */
/* Owns the event of a choice among routes: what was taken, instead of what, and why. */
#include "base/arith.h"
#include "base/text.h"
#include "context/attempt.h"
#include "context/events.h"
#include "context/routes.h"

#include <string.h>

#define NAME_SIZE 192

static const char *reason_of(uint64_t reason)
{
    static const char *const text[] = { "it is the only one",
                                        "it is the first that may be taken, and can start soon",
                                        "by the weights of those that can start at once",
                                        "its conversation is at home there, and it can start soon",
                                        "it can start before all others",
                                        "what was tried before failed",
                                        "all others failed or start later: a further round" };

    return text[rl__min(reason, RL_ROUTE_AGAIN)];
}

/* "openai#key/gpt-4o-mini"; returns `out`. */
static const char *name_of(const rl_route *route, char *out, size_t size)
{
    struct rl__text text = rl__text_on(out, size);

    rl__text_add_foreign(&text, route->provider, strlen(route->provider));
    if (route->key != NULL) {
        rl__text_add(&text, "#");
        rl__text_add_foreign(&text, route->key, strlen(route->key));
    }
    if (route->model[0] != '\0') {
        rl__text_add(&text, "/");
        rl__text_add_foreign(&text, route->model, strlen(route->model));
    }
    return out;
}

/* `start`: when that one could; of one that was tried nothing is said. */
static void add_instead(struct rl__text *text, const rl_event *event, rl_time start, rl_time now)
{
    char name[NAME_SIZE];

    rl__text_add(text, "; instead of %s", name_of(event->instead, name, sizeof name));
    if (event->route->reason == RL_ROUTE_NEXT || event->route->reason == RL_ROUTE_AGAIN)
        return;
    if (start == RL_NEVER) {
        rl__text_add(text, ", which cannot serve it now");
    } else if (start > now) {
        rl__text_add(text, ", which could start in ");
        rl__text_add_duration(text, start - now);
    }
}

void rl__events_tell_route(const rl_context *rl, const rl_attempt *attempt, rl_time now)
{
    const struct rl__course *course = (const struct rl__course *)(const void *)attempt->private_;
    rl_event event = { .size = sizeof event,
                       .name = "route_chosen",
                       .kind = RL_EVENT_ROUTE_CHOSEN };
    char name[NAME_SIZE], why[512];
    struct rl__text text = rl__text_on(why, sizeof why);
    rl_route instead;

    if (rl->on_event == NULL)
        return;
    event.route = &attempt->route;
    event.scope = name_of(&attempt->route, name, sizeof name);
    event.why = why;
    rl__text_add(&text, "%s", reason_of(attempt->route.reason));
    if (course->instead != NULL) {
        rl__route_of(course->instead, RL_ROUTE_ASKED, &instead);
        event.instead = &instead;
        event.until = course->instead_at == RL_NEVER ? 0 : course->instead_at;
        add_instead(&text, &event, course->instead_at, now);
    }
    rl->on_event(rl->event_user, &event);
}
