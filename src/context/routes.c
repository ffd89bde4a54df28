/* SPDX-License-Identifier: MIT */
/* Owns what a context knows of the routes of a request. */
#include "context/routes.h"

#include "base/arith.h"
#include "base/sized.h"
#include "context/guard.h"
#include "flow/retry.h"
#include "flow/verdict.h"

#include <string.h>

/* The same in every process, so that all have a conversation at home at one place. */
static const struct rl__hash_key open_key = { { 0, 0 } };

static const struct rl__lane_node *node_of(const struct rl__lane *lane)
{
    return (const struct rl__lane_node *)(const void *)lane;
}

static const struct rl__provider_settings *settings_of(const struct rl__lane *lane)
{
    const struct rl__provider *provider = lane->provider;

    return __atomic_load_n((const void *const *)&provider->settings, __ATOMIC_ACQUIRE);
}

void rl__route_of(const struct rl__lane *lane, uint64_t reason, rl_route *route)
{
    const struct rl__lane_node *node = node_of(lane);
    const struct rl__provider_settings *settings = settings_of(lane);
    const char *rest = node->name + node->provider_length;

    *route = (rl_route){ .provider = ((const struct rl__provider *)lane->provider)->name,
                         .model = rest[0] == '/' ? rest + 1 : rest,
                         .reason = reason };
    if (settings == NULL)
        return;
    route->provider = settings->key == NULL ? route->provider : settings->key_of;
    route->key = settings->key;
    route->base_url = settings->base_url;
    route->api_key_env = settings->api_key_env;
}

const rl_request *rl__route_named(const rl_context *rl, const rl_request *request, rl_request *own)
{
    const struct rl__provider_settings *key;

    /* Those of older programs are shorter; most allow nothing. */
    if (request->size < offsetof(rl_request, affinity) ||
        request->allow_fallback == RL_FALLBACK_OFF || request->scope != NULL)
        return request;
    if (rl__copy_sized(own, sizeof *own, request, request->size) != RL_OK || own->provider == NULL)
        return request;
    if ((key = rl__config_key(rl__settings(rl), own->provider, NULL)) == NULL)
        return request;
    own->provider = key->name;
    return own;
}

/* ---- which there are ---- */

struct reading {
    rl_context *rl;
    const struct rl__config *config;
    rl_request request; /* with the names of the route that is read */
    rl_time started, now;
    struct rl__routes *routes;
    uint64_t fingerprint;
    rl_status wrong; /* with the first that could not be read */
};

static int is_there(const struct rl__routes *routes, const struct rl__lane *lane)
{
    for (size_t i = 0; i < routes->count; i++)
        if (routes->of[i].ask.lane == lane)
            return 1;
    return 0;
}

static uint64_t hash_of(const char *text)
{
    return rl__hash(&open_key, text, strlen(text));
}

/* One for which there is no room leaves the others. */
static void add_way(struct reading *r, const char *provider, uint64_t weight, uint64_t rank)
{
    struct rl__routes *routes = r->routes;
    struct rl__way *way = &routes->of[routes->count];
    rl_status st;

    if (routes->count == RL__ROUTES_MAX)
        return;
    r->request.provider = provider;
    st = rl__ask_read(r->rl, &r->request, r->started, r->now, &way->ask);
    if (st != RL_OK && r->wrong == RL_OK)
        r->wrong = st;
    if (st != RL_OK || is_there(routes, way->ask.lane))
        return;
    way->rank = rank;
    way->weight = weight;
    way->id = hash_of(provider);
    r->fingerprint =
        (r->fingerprint ^ hash_of(node_of(way->ask.lane)->name)) * UINT64_C(0x9e3779b97f4a7c15);
    routes->count++;
}

static void add_keys(struct reading *r, const char *provider, const char *model, uint64_t rank)
{
    const struct rl__provider_settings *key = NULL;
    int any = 0;

    r->request.model = model;
    while ((key = rl__config_key(r->config, provider, key)) != NULL) {
        add_way(r, key->name, key->weight, rank);
        any = 1;
    }
    if (!any)
        add_way(r, provider, 1, rank);
}

static void add_chain(struct reading *r, const char *provider, const char *model)
{
    const struct rl__hop *hop = rl__config_fallback(r->config, provider, model);

    for (uint64_t rank = 1; hop != NULL; hop = hop->next)
        add_keys(r, hop->provider, hop->model, rank++);
}

static void recall(struct rl__course *course, uint64_t fingerprint)
{
    if (course->fingerprint == fingerprint)
        return;
    course->fingerprint = fingerprint;
    course->tried = course->dead = course->begins = 0;
    course->left_by = 0;
}

rl_status rl__routes_read(rl_context *rl, const rl_request *request, struct rl__course *course,
                          rl_time now, struct rl__routes *routes)
{
    struct reading r = { .rl = rl,
                         .config = rl__settings(rl),
                         .started = course->started_at,
                         .now = now,
                         .routes = routes };
    rl_request own = RL_REQUEST_INIT;
    rl_status st = rl__copy_sized(&own, sizeof own, request, request->size);

    if (st != RL_OK)
        return st;
    r.request = own;
    routes->count = 0;
    routes->stay = r.config->stay_within;
    add_keys(&r, own.provider, own.model == NULL ? "" : own.model, 0);
    if (own.allow_fallback == RL_FALLBACK_ON)
        add_chain(&r, own.provider, own.model == NULL ? "" : own.model);
    if (routes->count == 0)
        return r.wrong;
    routes->affinity = routes->of[0].ask.affinity;
    recall(course, r.fingerprint);
    return RL_OK;
}

struct rl__routes *rl__routes_keep(rl_context *rl, const struct rl__routes *routes)
{
    size_t size = offsetof(struct rl__routes, of) + routes->count * sizeof routes->of[0];
    struct rl__routes *kept = rl__alloc_zeroed(&rl->env, 1, size);

    if (kept != NULL)
        memcpy(kept, routes, size);
    return kept;
}

static void delay(struct rl__ask *ask, rl_duration by)
{
    if (ask->expired == RL_E_DEADLINE)
        return;
    ask->expires = rl__add_sat(ask->expires, by);
    if (ask->deadline >= ask->expires)
        return;
    ask->expires = ask->deadline;
    ask->expired = RL_E_DEADLINE;
}

void rl__routes_delay(struct rl__routes *routes, rl_duration by)
{
    for (size_t i = 0; i < routes->count; i++)
        delay(&routes->of[i].ask, by);
}

/* ---- when each could start ---- */

/* Those who wait there, and would go before. */
struct line {
    int is_behind;
    rl_time until; /* when the first of them may go, at least */
    rl_duration length;
    struct rl__rank rank[RL__MODEL_SCOPE]; /* where it would stand, if it is not behind them */
    const struct rl__rank *asked_as;
};

static void look_at_line(rl_context *rl, const struct rl__ask *ask, struct line *line)
{
    line->is_behind = 0;
    line->asked_as = NULL;
    if (rl__load(&rl->locked.queue.count) == 0)
        return;
    rl__lock(&rl->lock);
    line->is_behind = rl__queue_is_behind(&rl->locked.queue, ask->lane, &ask->who, ask->level,
                                          &line->until, line->rank);
    line->length = rl__queue_length(ask->lane);
    rl__unlock(&rl->lock);
    if (!line->is_behind)
        line->asked_as = line->rank;
}

/* While little is known of a route, few may be in flight: no reason yet to leave it. */
static rl_time start_of(rl_context *rl, const struct rl__ask *ask, rl_time soon, rl_time now,
                        int *out)
{
    rl_time start = rl__guard_start(ask->lane, now, out);
    struct rl__refusal refusal;
    struct line line;
    rl_status st;

    look_at_line(rl, ask, &line);
    st = rl__admit_when(ask->lane, &ask->who, &ask->cost, line.asked_as, now, &refusal);
    *out |= st == RL_E_TOO_LARGE;
    if (st == RL_WAIT && refusal.by == RL__HELD_BY_PROBE)
        return rl__max(start, soon);
    if (st != RL_OK)
        start = rl__max(start, refusal.retry_at);
    return line.is_behind ? rl__add_sat(rl__max(start, line.until), line.length) : start;
}

/* ---- which is taken ---- */

static int is_in(uint64_t set, size_t i)
{
    return (set >> i & 1) != 0;
}

int rl__routes_choose(rl_context *rl, const struct rl__routes *routes,
                      const struct rl__course *course, uint64_t skip, rl_time now,
                      struct rl__route_choice *choice)
{
    struct rl__route_candidate candidate[RL__ROUTES_MAX];
    struct rl__route_rules rules = { .now = now,
                                     .again = course->again_at,
                                     .draw = rl__route_draw(course->sequence),
                                     .affinity = routes->affinity };

    /* Nobody stays for what he cannot wait for. */
    rules.stay = rl__min(routes->stay, rl__sub_sat(routes->of[0].ask.expires, now));
    for (size_t i = 0; i < routes->count; i++) {
        const struct rl__way *way = &routes->of[i];
        int out = 1;

        candidate[i] = (struct rl__route_candidate){ .rank = way->rank,
                                                     .weight = way->weight,
                                                     .id = way->id,
                                                     .tried = is_in(course->tried, i) };
        if (!is_in(course->dead | skip, i))
            candidate[i].start =
                rl__max(start_of(rl, &way->ask, rl__add_sat(now, rules.stay), now, &out),
                        course->round_from);
        candidate[i].out = out;
    }
    return rl__route_choose(candidate, routes->count, &rules, choice);
}

/* ---- after an answer ---- */

/* The program's own word, that it is not worth another try, ends it on all routes. */
static int user_gave_up(const rl_verdict *verdict, uint64_t failure, rl_duration max_hint)
{
    rl_duration hint = verdict->answer.retry_after;

    return rl__worth_trying(verdict->outcome, failure, verdict->answer.retryable) &&
           (hint == RL_NEVER || hint <= max_hint);
}

int rl__route_may_help(const rl_verdict *verdict, uint64_t failure, rl_duration max_hint)
{
    if (verdict->action != RL_GIVE_UP)
        return verdict->action == RL_RETRY;
    if (user_gave_up(verdict, failure, max_hint))
        return 0;
    switch (verdict->outcome) {
    case RL_OUTCOME_CLIENT_ERROR:
        return verdict->http == 404; /* that model, or that deployment, is not there */
    case RL_OUTCOME_TRANSPORT:
        return failure != RL_FAILURE_TOO_BIG && failure != RL_FAILURE_ABORTED;
    default:
        return 1;
    }
}
