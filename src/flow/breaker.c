/* SPDX-License-Identifier: MIT */
/* Owns the states of a breaker: who may call, and what a report changes. The lock is its own, and
 * not held while the user's function is told. */
#include "flow/breaker.h"

#include "base/arith.h"

#include <string.h>

_Static_assert(sizeof(struct rl__breaker) <= sizeof(rl_breaker), "it must fit the caller's words");
_Static_assert(_Alignof(struct rl__breaker) <= _Alignof(rl_breaker), "and lie well in them");

#define READY UINT64_C(0x6272656b72726c31)

struct __attribute__((may_alias)) ticket { /* laid over plain words */
    uint64_t owner;                        /* the breaker's address; 0: none, or ended */
    uint64_t generation, number;
    rl_time asked_at;
};
_Static_assert(sizeof(struct ticket) == sizeof(rl_breaker_ticket), "a ticket is what callers have");

static struct rl__breaker *inside(rl_breaker *breaker)
{
    struct rl__breaker *b = (struct rl__breaker *)(void *)breaker;

    return b != NULL && b->ready == READY ? b : NULL;
}

static struct ticket *ticket_of(rl_breaker_ticket *ticket)
{
    return (struct ticket *)(void *)ticket;
}

const char *rl_breaker_state_name(uint64_t state)
{
    static const char *const name[] = { "closed", "open", "half-open" };

    return state < sizeof name / sizeof name[0] ? name[state] : "?";
}

rl_status rl_breaker_init(rl_breaker *breaker, const rl_breaker_options *options)
{
    struct rl__breaker *b = (struct rl__breaker *)(void *)breaker;
    rl_breaker_options own;
    rl_status st;

    if (breaker == NULL)
        return RL_E_INVALID;
    if ((st = rl_breaker_options_resolve(options, &own)) != RL_OK)
        return st;
    memset(breaker, 0, sizeof *breaker);
    if ((st = rl__mutex_init(&b->lock)) != RL_OK)
        return st;
    b->options = own;
    b->locked.generation = 1;
    rl__window_start(&b->locked.window, &b->options);
    b->ready = READY;
    return RL_OK;
}

void rl_breaker_deinit(rl_breaker *breaker)
{
    struct rl__breaker *b = inside(breaker);

    if (b == NULL)
        return;
    b->ready = 0;
    rl__mutex_deinit(&b->lock);
}

/* ---- changes; all under the lock ---- */

/* SplitMix64's last step: the openings of one breaker differ, and those of two with other random
 * bits do. */
static uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static rl_duration open_time(const struct rl__breaker *b)
{
    const rl_breaker_options *options = &b->options;
    uint64_t doublings = rl__min(b->locked.openings, 63);
    rl_duration span = options->open_for_max, jitter;

    if (options->open_for <= options->open_for_max >> doublings)
        span = options->open_for << doublings;
    if (options->random == 0)
        return span;
    jitter = rl__mul_div(span, options->open_jitter, 1000);
    jitter = (rl_duration)((rl__u128)mixed(options->random + b->locked.times_opened) *
                               rl__add_sat(jitter, 1) >>
                           64);
    return rl__add_sat(span, jitter);
}

/* What was counted in the present state. */
static struct rl__tally counted(const struct rl__breaker *b, rl_time now)
{
    return b->locked.state == RL_BREAKER_HALF_OPEN ? b->locked.probed
                                                   : rl__window_at(&b->locked.window, now);
}

static void begin_open(struct rl__breaker *b, rl_duration span, rl_time now)
{
    b->locked.opened_at = now;
    b->locked.open_until = rl__add_sat(now, span);
    b->locked.times_opened++;
}

/* A new generation: whatever was counted or lent before counts no more. */
static void change(struct rl__breaker *b, uint64_t to, uint64_t cause, rl_time now,
                   rl_breaker_event *event)
{
    struct rl__tally tally = counted(b, now);

    *event = (rl_breaker_event){ .from = b->locked.state,
                                 .to = to,
                                 .cause = cause,
                                 .generation = ++b->locked.generation,
                                 .at = now,
                                 .calls = tally.calls,
                                 .failures = tally.failures,
                                 .slow = tally.slow };
    b->locked.state = to;
    b->locked.open_until = 0;
    b->locked.probed = (struct rl__tally){ 0 };
    memset(b->locked.probe, 0, sizeof b->locked.probe);
    rl__window_clear(&b->locked.window);
    if (to == RL_BREAKER_OPEN) {
        begin_open(b, cause == RL_BREAKER_BY_FORCE ? RL_NEVER : open_time(b), now);
        event->open_until = b->locked.open_until;
        b->locked.openings++;
    } else if (to == RL_BREAKER_CLOSED) {
        b->locked.openings = 0;
    }
}

/* No lock is held. `event` says nothing if nothing changed. */
static void tell(const struct rl__breaker *b, const rl_breaker_event *event)
{
    if (event->cause != 0 && b->options.event != NULL)
        b->options.event(b->options.user, event);
}

/* ---- asking ---- */

static int ends_before(const struct rl__probe *a, const struct rl__probe *b)
{
    return a->expires != b->expires ? a->expires < b->expires : a->ticket < b->ticket;
}

/* The place whose lease ends first; a free one's has ended for good. */
static struct rl__probe *next_place(struct rl__breaker *b)
{
    struct rl__probe *best = &b->locked.probe[0];

    for (uint64_t i = 1; i < b->options.half_open_probes; i++)
        if (ends_before(&b->locked.probe[i], best))
            best = &b->locked.probe[i];
    return best;
}

static int is_free(const struct rl__probe *probe, rl_time now)
{
    return probe->ticket == 0 || probe->expires <= now;
}

/* When a call may leave: `now`, later, or RL_NEVER. */
static rl_time earliest(struct rl__breaker *b, rl_time now)
{
    struct rl__probe *place;

    if (b->locked.state == RL_BREAKER_CLOSED)
        return now;
    if (b->locked.state == RL_BREAKER_OPEN)
        return rl__max(now, b->locked.open_until);
    place = next_place(b);
    return is_free(place, now) ? now : place->expires;
}

static rl_status ask(struct rl__breaker *b, rl_time now, struct ticket *ticket, rl_time *retry_at,
                     rl_breaker_event *event)
{
    rl_time when = earliest(b, now);

    *retry_at = when;
    if (when != now) {
        b->locked.refused++;
        return RL_WAIT;
    }
    if (b->locked.state == RL_BREAKER_OPEN)
        change(b, RL_BREAKER_HALF_OPEN, RL_BREAKER_BY_TIME, now, event);
    *ticket = (struct ticket){ .owner = (uintptr_t)b,
                               .generation = b->locked.generation,
                               .number = ++b->locked.next_ticket,
                               .asked_at = now };
    if (b->locked.state == RL_BREAKER_HALF_OPEN)
        *next_place(b) = (struct rl__probe){ .ticket = ticket->number,
                                             .expires = rl__add_sat(now, b->options.probe_lease) };
    return RL_OK;
}

rl_status rl_breaker_ask(rl_breaker *breaker, rl_time now, rl_breaker_ticket *ticket,
                         rl_time *retry_at)
{
    struct rl__breaker *b = inside(breaker);
    rl_breaker_event event = { 0 };
    rl_time when = RL_NEVER;
    rl_status st = RL_E_INVALID;

    if (ticket != NULL)
        memset(ticket, 0, sizeof *ticket);
    if (b != NULL && ticket != NULL && now != RL_NEVER) {
        rl__lock(&b->lock);
        st = ask(b, now, ticket_of(ticket), &when, &event);
        rl__unlock(&b->lock);
        tell(b, &event);
    }
    if (retry_at != NULL)
        *retry_at = when;
    return st;
}

rl_status rl_breaker_peek(rl_breaker *breaker, rl_time now, rl_time *retry_at)
{
    struct rl__breaker *b = inside(breaker);
    rl_time when = RL_NEVER;
    rl_status st = RL_E_INVALID;

    if (b != NULL && now != RL_NEVER) {
        rl__lock(&b->lock);
        when = earliest(b, now);
        rl__unlock(&b->lock);
        st = when == now ? RL_OK : RL_WAIT;
    }
    if (retry_at != NULL)
        *retry_at = when;
    return st;
}

/* ---- reporting ---- */

static int is_share(uint64_t part, uint64_t whole, uint64_t rate)
{
    return rate != RL_NEVER && (rl__u128)part * 1000 >= (rl__u128)whole * rate;
}

/* Why a closed breaker has to open; 0: it has not. */
static uint64_t cause_to_open(const rl_breaker_options *options, const struct rl__tally *tally)
{
    if (options->form == RL_BREAKER_CONSECUTIVE)
        return tally->failures >= options->failures_in_a_row ? RL_BREAKER_BY_FAILURES
               : tally->slow >= options->failures_in_a_row   ? RL_BREAKER_BY_SLOW_CALLS
                                                             : 0;
    if (tally->calls < options->minimum_calls)
        return 0;
    if (is_share(tally->failures, tally->calls, options->failure_rate))
        return RL_BREAKER_BY_FAILURES;
    return options->slow_call != 0 && is_share(tally->slow, tally->calls, options->slow_rate)
               ? RL_BREAKER_BY_SLOW_CALLS
               : 0;
}

static void judge_call(struct rl__breaker *b, int failed, int slow, rl_time now,
                       rl_breaker_event *event)
{
    struct rl__tally tally;
    uint64_t cause;

    rl__window_add(&b->locked.window, failed, slow, now);
    tally = rl__window_at(&b->locked.window, now);
    cause = cause_to_open(&b->options, &tally);
    if (cause != 0 && b->locked.mode == RL_BREAKER_AUTOMATIC)
        change(b, RL_BREAKER_OPEN, cause, now, event);
}

/* A provider that is still slow is not well. */
static void judge_probe(struct rl__breaker *b, int failed, int slow, rl_time now,
                        rl_breaker_event *event)
{
    struct rl__tally *probed = &b->locked.probed;

    probed->calls++;
    probed->failures += (uint64_t)failed;
    probed->slow += (uint64_t)slow;
    if (failed || slow)
        change(b, RL_BREAKER_OPEN, RL_BREAKER_BY_PROBE, now, event);
    else if (probed->calls >= b->options.successes_to_close)
        change(b, RL_BREAKER_CLOSED, RL_BREAKER_BY_SUCCESSES, now, event);
}

/* 0: it is late. Its place is free again. */
static int is_present(struct rl__breaker *b, const struct ticket *ticket)
{
    if (ticket->generation != b->locked.generation)
        return 0;
    if (b->locked.state == RL_BREAKER_CLOSED)
        return 1;
    for (uint64_t i = 0; i < b->options.half_open_probes; i++)
        if (b->locked.probe[i].ticket == ticket->number) {
            b->locked.probe[i] = (struct rl__probe){ 0 };
            return 1;
        }
    return 0;
}

static rl_status record(struct rl__breaker *b, struct ticket *ticket, uint64_t outcome,
                        rl_duration duration, rl_time now, rl_breaker_event *event)
{
    struct ticket t = *ticket;
    int failed = outcome == RL_BREAKER_FAILURE, slow;

    if (t.owner != (uintptr_t)b)
        return t.owner == 0 ? RL_E_ENDED : RL_E_INVALID;
    *ticket = (struct ticket){ 0 };
    if (duration == RL_NEVER)
        duration = rl__sub_sat(now, t.asked_at);
    slow = b->options.slow_call != 0 && duration >= b->options.slow_call;
    if (!is_present(b, &t))
        b->locked.late++;
    else if (outcome == RL_BREAKER_NEUTRAL)
        b->locked.neutral++;
    else if (b->locked.state == RL_BREAKER_HALF_OPEN)
        judge_probe(b, failed, slow, now, event);
    else
        judge_call(b, failed, slow, now, event);
    return RL_OK;
}

rl_status rl_breaker_record(rl_breaker *breaker, rl_breaker_ticket *ticket, uint64_t outcome,
                            rl_duration duration, rl_time now)
{
    struct rl__breaker *b = inside(breaker);
    rl_breaker_event event = { 0 };
    rl_status st;

    if (b == NULL || ticket == NULL || outcome > RL_BREAKER_NEUTRAL || now == RL_NEVER)
        return RL_E_INVALID;
    rl__lock(&b->lock);
    st = record(b, ticket_of(ticket), outcome, duration, now, &event);
    rl__unlock(&b->lock);
    tell(b, &event);
    return st;
}

/* ---- by hand ---- */

rl_status rl_breaker_hold(rl_breaker *breaker, rl_time until)
{
    struct rl__breaker *b = inside(breaker);

    if (b == NULL)
        return RL_E_INVALID;
    rl__lock(&b->lock);
    if (b->locked.state == RL_BREAKER_OPEN)
        b->locked.open_until = rl__max(b->locked.open_until, until);
    rl__unlock(&b->lock);
    return RL_OK;
}

rl_status rl_breaker_force(rl_breaker *breaker, uint64_t mode, rl_time now)
{
    struct rl__breaker *b = inside(breaker);
    uint64_t to = mode == RL_BREAKER_FORCED_OPEN ? RL_BREAKER_OPEN : RL_BREAKER_CLOSED;
    rl_breaker_event event = { 0 };

    if (b == NULL || mode > RL_BREAKER_FORCED_CLOSED || now == RL_NEVER)
        return RL_E_INVALID;
    rl__lock(&b->lock);
    if (b->locked.mode != mode) {
        b->locked.mode = mode;
        change(b, to, RL_BREAKER_BY_FORCE, now, &event);
    }
    rl__unlock(&b->lock);
    tell(b, &event);
    return RL_OK;
}

/* ---- looking ---- */

static uint64_t probes_out(const struct rl__breaker *b, rl_time now)
{
    uint64_t out = 0;

    for (uint64_t i = 0; i < b->options.half_open_probes; i++)
        out += !is_free(&b->locked.probe[i], now);
    return out;
}

static rl_breaker_status status_of(const struct rl__breaker *b, rl_time now)
{
    struct rl__tally tally = counted(b, now);

    return (rl_breaker_status){ .state = b->locked.state,
                                .mode = b->locked.mode,
                                .generation = b->locked.generation,
                                .calls = tally.calls,
                                .failures = tally.failures,
                                .slow = tally.slow,
                                .probes = probes_out(b, now),
                                .opened_at = b->locked.opened_at,
                                .open_until = b->locked.open_until,
                                .times_opened = b->locked.times_opened,
                                .refused = b->locked.refused,
                                .neutral = b->locked.neutral,
                                .late = b->locked.late };
}

rl_status rl_breaker_get(rl_breaker *breaker, rl_time now, rl_breaker_status *out)
{
    struct rl__breaker *b = inside(breaker);
    rl_breaker_status own;

    if (b == NULL || out == NULL || out->size < sizeof out->size)
        return RL_E_INVALID;
    rl__lock(&b->lock);
    own = status_of(b, now);
    rl__unlock(&b->lock);
    own.size = out->size;
    memcpy(out, &own, rl__min(out->size, sizeof own));
    return RL_OK;
}
