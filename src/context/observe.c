/* SPDX-License-Identifier: MIT */
/* Owns what follows from an answer: read it, learn, close the gate, settle, decide. */
#include "context/context.h"

#include "base/arith.h"
#include "base/sized.h"
#include "context/events.h"
#include "flow/verdict.h"
#include "provider/calibration.h"
#include "provider/learn.h"

#include <string.h>

/* After a refusal without a hint the gate closes for 1 s, doubling with each further episode. A
 * hint is believed; but where refusal follows upon refusal although it was kept ("0", again and
 * again), the same holds from the fourth on. */
#define BARE_FIRST     RL_SECOND
#define BARE_DOUBLINGS 5 /* 32 s at most */
#define HINTS_BELIEVED 3

struct observation {
    rl_context *rl;
    struct rl__lane *lane;
    struct rl__provider *provider;
    const struct rl__grant *grant;
    const struct rl__cost *reserved;
    const rl_answer *answer;
    uint64_t failure;
    rl_time sent_at, now;
    uint64_t learned;
    uint64_t streak;
    rl_time opens; /* until when the gate was closed; 0: it was not */
    struct rl__changes changes;
};

/* What we would wait if nothing was said; 0: the hint will do, or nothing is needed. */
static rl_duration own_wait(struct rl__lane *lane, int hinted, rl_time sent_at, rl_time now)
{
    uint64_t believed = hinted ? HINTS_BELIEVED : 0, episodes = lane->bare_episodes;

    if (lane->bare_at != 0 && sent_at <= lane->bare_at)
        return 0; /* sent before the last one was noticed: the gate is closed for it already */
    lane->bare_episodes++;
    lane->bare_at = now;
    return episodes < believed ? 0 : BARE_FIRST << rl__min(episodes - believed, BARE_DOUBLINGS);
}

/* Until when the scope is closed; never longer than anybody would wait, whatever the answer says.
 */
static rl_time opening_time(struct observation *o)
{
    rl_duration longest = rl__mul_sat(rl__settings(o->rl)->retry.max_hint_ms, RL_MILLISECOND);
    rl_duration hint = o->answer->retry_after, own = 0;
    int hinted = hint != RL_NEVER;

    if (o->answer->outcome == RL_OUTCOME_RATE_LIMITED)
        own = own_wait(o->lane, hinted, o->sent_at, o->now);
    if (own > 0 && !hinted)
        own = rl__max(own, rl__search_pause_of(o->lane));
    return rl__add_sat(o->now, rl__min(rl__max(hinted ? hint : 0, own), longest));
}

static struct rl__scope *inner_scope(const struct rl__lane *lane)
{
    struct rl__scope *model = lane->scope[RL__MODEL_SCOPE];

    return model != NULL ? model : lane->scope[RL__PROVIDER_SCOPE];
}

static void close_gate(struct observation *o, rl_time opens)
{
    rl__raise_to(&inner_scope(o->lane)->closed_until, opens);
    o->opens = opens;
}

/* No lock is held: the line goes to the user's function. */
static void report(const struct observation *o)
{
    const char *scope = inner_scope(o->lane)->name;

    if (o->learned > 0)
        rl__log(&o->rl->env, RL_LOG_INFO, "%s: %llu limits found or changed by an answer", scope,
                (unsigned long long)o->learned);
    if (o->opens > o->now)
        rl__log(&o->rl->env, RL_LOG_WARNING, "%s: %s, closed for %llu ms", scope,
                o->answer->outcome == RL_OUTCOME_RATE_LIMITED ? "refused" : "overloaded",
                (unsigned long long)((o->opens - o->now) / RL_MILLISECOND));
    if (o->rl->on_event == NULL)
        return;
    rl__events_tell(o->rl, &o->changes);
    if (o->opens > o->now)
        rl__events_tell_gate(o->rl, scope, o->answer, o->opens);
}

/* How ill the provider is, apart from any one request: a failure among successes is not the first
 * of many. */
static uint64_t count_streak(const struct observation *o)
{
    uint32_t outcome = o->answer->outcome;

    if (outcome == RL_OUTCOME_SERVER_ERROR || outcome == RL_OUTCOME_OVERLOADED ||
        outcome == RL_OUTCOME_TRANSPORT)
        return rl__fetch_add(&o->lane->failures, 1) + 1;
    if (outcome == RL_OUTCOME_OK)
        rl__store(&o->lane->failures, 0);
    return 0;
}

/* An answer moves limits, unless the user has forbidden that. */
static void follow(struct observation *o, struct rl__lesson *lesson, int refused)
{
    struct rl__before before;

    if (!rl__provider_respects(o->provider))
        return;
    if (o->rl->on_event != NULL)
        rl__events_before(o->lane, &before);
    if (refused)
        rl__learn_refusal(o->lane, o->grant, o->answer, lesson, o->opens, o->now);
    else
        rl__learn_answer(o->lane, o->grant, o->answer, lesson, o->now);
    if (o->rl->on_event != NULL)
        rl__events_after(o->lane, &before, &o->changes);
}

/* The learning lock is held. */
static void learn(struct observation *o)
{
    struct rl__lesson lesson = { .traits = rl__provider_traits(o->provider),
                                 .auto_detect = rl__provider_auto_detect(o->provider),
                                 .sole_model = rl__load(&o->provider->model_count) <= 1,
                                 .searching = rl__provider_searching(o->rl, o->provider),
                                 .sent_at = o->sent_at,
                                 .cost = *o->reserved };
    int refused = o->answer->outcome == RL_OUTCOME_RATE_LIMITED;

    if (refused ||
        (o->answer->outcome == RL_OUTCOME_OVERLOADED && o->answer->retry_after != RL_NEVER)) {
        rl_time opens = opening_time(o);

        close_gate(o, opens);
        if (refused)
            follow(o, &lesson, 1);
    } else if (o->answer->outcome != RL_OUTCOME_TRANSPORT) {
        follow(o, &lesson, 0);
    }
    if (o->answer->outcome == RL_OUTCOME_OK) {
        o->lane->bare_episodes = 0;
        rl__calibrate(o->lane, o->reserved, &o->answer->usage, rl__settings(o->rl)->estimate_share);
    }
    o->learned = lesson.learned;
}

static enum rl__adaptive_outcome load_of(const struct observation *o)
{
    switch (o->answer->outcome) {
    case RL_OUTCOME_OK:
        return RL__ADAPTIVE_SUCCESS;
    case RL_OUTCOME_RATE_LIMITED:
    case RL_OUTCOME_OVERLOADED:
        return RL__ADAPTIVE_OVERLOADED;
    case RL_OUTCOME_TRANSPORT:
        return o->failure == RL_FAILURE_TIMEOUT || o->failure == RL_FAILURE_TIMEOUT_LATE
                   ? RL__ADAPTIVE_OVERLOADED
                   : RL__ADAPTIVE_NEUTRAL;
    default:
        return RL__ADAPTIVE_NEUTRAL;
    }
}

static void settle(const struct observation *o)
{
    const struct rl__traits *traits = rl__provider_traits(o->provider);
    struct rl__cost used;

    if (o->answer->outcome == RL_OUTCOME_OK)
        rl__charge_used(traits, o->reserved, &o->answer->usage, &used);
    else
        rl__charge_failed(traits, o->reserved, o->answer->outcome, o->failure, &used);
    (void)rl__grant_settle(o->grant, o->rl->registry.tenants, o->reserved, &used, load_of(o),
                           o->sent_at, o->now); /* the answer may have told more than that */
}

static void count_answer(rl_context *rl, const rl_answer *answer)
{
    uint64_t *kind = answer->outcome == RL_OUTCOME_OK             ? &rl->count.successes
                     : answer->outcome == RL_OUTCOME_RATE_LIMITED ? &rl->count.refusals
                                                                  : &rl->count.errors;

    rl__fetch_add(kind, 1);
    rl__fetch_add(&rl->count.answers, 1);
    rl__fetch_add(&rl->count.ignored, answer->ignored);
    if ((answer->usage.has & RL_HAS_INPUT) != 0)
        rl__fetch_add(&rl->count.input_tokens, answer->usage.input_tokens);
    if ((answer->usage.has & RL_HAS_OUTPUT) != 0)
        rl__fetch_add(&rl->count.output_tokens, answer->usage.output_tokens);
}

static void digest(struct observation *o)
{
    o->provider = o->lane->provider;
    rl__lock(&o->provider->learning);
    learn(o);
    rl__unlock(&o->provider->learning);
    settle(o);
    o->streak = count_streak(o);
    rl__fetch_add(&o->rl->count.learned, o->learned);
    rl__poke(o->rl, o->lane, o->grant->tenant);
    report(o);
}

/* The user's last word. No lock is held. */
static void ask_user(const rl_context *rl, const rl_response *response, rl_duration max_hint,
                     rl_time now, rl_verdict *verdict)
{
    rl_retry_result result = RL_RETRY_RESULT_INIT;

    if (rl->classify == NULL)
        return;
    (void)rl_retry_result_of(&verdict->answer, response->status, response->failure, &result);
    rl__verdict_change(verdict, rl->classify(rl->classify_user, &result, verdict->action),
                       response->failure, max_hint, now);
}

static rl_status observe(rl_context *rl, rl_permit *permit, const rl_response *response,
                         rl_verdict *verdict, uint64_t *streak)
{
    struct rl__grant grant;
    struct rl__cost reserved;
    rl_time now = rl__now(&rl->env);
    int held = rl__permit_take(permit, &grant, &reserved);
    struct rl__provider *provider = held ? grant.lane->provider : NULL;
    rl_duration max_hint = rl__mul_sat(rl__settings(rl)->retry.max_hint_ms, RL_MILLISECOND);
    rl_answer answer;
    struct observation o = { .rl = rl,
                             .lane = grant.lane,
                             .grant = &grant,
                             .reserved = &reserved,
                             .answer = &answer,
                             .failure = response->failure,
                             .sent_at = permit->granted_at,
                             .now = now };
    rl_status st = rl_answer_read(provider == NULL ? NULL : provider->dialect, response,
                                  rl__wall(&rl->env), &answer);

    if (st != RL_OK) /* cannot be, as the arguments were checked: settle by the reservation */
        memset(&answer, 0, sizeof answer);
    count_answer(rl, &answer);
    rl__verdict(&answer, response->status, response->failure, max_hint, now, verdict);
    ask_user(rl, response, max_hint, now, verdict);
    if (!held)
        return RL_E_ENDED;
    digest(&o);
    *streak = o.streak;
    return RL_OK;
}

rl_status rl__observe(rl_context *rl, rl_permit *permit, const rl_response *response,
                      rl_verdict *verdict, uint64_t *streak)
{
    rl_response own = RL_RESPONSE_INIT;
    rl_status st;

    if (!rl__is_ours(rl) || permit == NULL || response == NULL)
        return RL_E_INVALID;
    if ((st = rl__copy_sized(&own, sizeof own, response, response->size)) != RL_OK)
        return st;
    if ((own.headers == NULL && own.header_count > 0) || (own.body == NULL && own.body_length > 0))
        return RL_E_INVALID;
    return observe(rl, permit, &own, verdict, streak);
}

rl_status rl_observe_response(rl_context *rl, rl_permit *permit, const rl_response *response,
                              rl_verdict *verdict)
{
    rl_verdict own;
    uint64_t streak;

    return rl__observe(rl, permit, response, verdict == NULL ? &own : verdict, &streak);
}

/* ---- ends without an answer ---- */

static rl_status end(rl_context *rl, rl_permit *permit, const rl_usage *usage)
{
    struct rl__grant grant;
    struct rl__cost reserved, used;
    int gave;

    if (!rl__seems_ours(rl) || permit == NULL)
        return RL_E_INVALID;
    if (!rl__permit_take(permit, &grant, &reserved))
        return RL_E_ENDED;
    if (usage != NULL)
        rl__charge_used(rl__provider_traits(grant.lane->provider), &reserved, usage, &used);
    else
        used = (struct rl__cost){ .amount = { 0 } };
    gave = rl__grant_settle(&grant, rl->registry.tenants, &reserved, &used,
                            usage != NULL ? RL__ADAPTIVE_SUCCESS : RL__ADAPTIVE_NEUTRAL,
                            permit->granted_at, rl__about_now(rl));
    if (gave)
        rl__poke(rl, grant.lane, grant.tenant);
    return RL_OK;
}

rl_status rl_settle(rl_context *rl, rl_permit *permit, const rl_usage *usage)
{
    return usage == NULL ? RL_E_INVALID : end(rl, permit, usage);
}

rl_status rl_cancel(rl_context *rl, rl_permit *permit)
{
    return end(rl, permit, NULL);
}
