/* SPDX-License-Identifier: MIT */
/* Owns the simulated provider and the batch that is sent to it. */
#include "sim.h"

#include "base/arith.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_NS UINT64_C(60000000000)

/* ---- events ---- */

enum kind { ARRIVAL, ANSWER, NEIGHBOUR, CHANGE, STEP };

struct event {
    rl_time at;
    uint64_t order;
    enum kind kind;
    size_t job;
};

struct job {
    rl_attempt attempt;
    int done, answered; /* 200s sent for it */
    int lies;
    uint64_t status; /* of the answer under way */
    int reset;
    uint64_t hint_ms;
    char limit[2][32], left[2][32], full[2][48];
    struct sim *sim;
};

/* One limit of the provider's. Levels are in units of 1/MINUTE_NS. */
struct meter {
    uint64_t per_minute, capacity, level;
    rl_time at;
    uint64_t used_in_window;
    rl_time window;
};

struct sim {
    const struct sim_scenario *s;
    struct sim_result *r;
    struct vclock clock;
    rl_context *rl;
    struct event *heap;
    size_t count, room;
    uint64_t order, rng;
    struct job *jobs;
    size_t next_job, pending, done;
    struct meter rpm, tpm;
    rl_time announced, begin;
    uint64_t first_rpm;
};

static uint64_t draw(struct sim *sim)
{
    sim->rng += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = sim->rng;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t draw_between(struct sim *sim, uint64_t low, uint64_t high)
{
    return low + (high > low ? draw(sim) % (high - low + 1) : 0);
}

static int before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct sim *sim, rl_time at, enum kind kind, size_t job)
{
    size_t i;

    if (sim->count == sim->room) {
        sim->room = sim->room * 2 + 64;
        sim->heap = realloc(sim->heap, sim->room * sizeof *sim->heap);
        if (sim->heap == NULL)
            abort();
    }
    i = sim->count++;
    sim->heap[i] = (struct event){ at, sim->order++, kind, job };
    while (i > 0 && before(&sim->heap[i], &sim->heap[(i - 1) / 2])) {
        struct event swap = sim->heap[i];
        sim->heap[i] = sim->heap[(i - 1) / 2];
        sim->heap[(i - 1) / 2] = swap;
        i = (i - 1) / 2;
    }
}

static struct event pop(struct sim *sim)
{
    struct event top = sim->heap[0];
    size_t i = 0;

    sim->heap[0] = sim->heap[--sim->count];
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < sim->count; child++)
            if (before(&sim->heap[child], &sim->heap[least]))
                least = child;
        if (least == i)
            return top;
        struct event swap = sim->heap[i];
        sim->heap[i] = sim->heap[least];
        sim->heap[least] = swap;
        i = least;
    }
}

/* ---- the provider's limits ---- */

static void refresh(const struct sim *sim, struct meter *m, rl_time now)
{
    if (sim->s->refill == SIM_BUCKET) {
        uint64_t gained = (now - m->at) * m->per_minute;
        m->level = m->level + gained > m->capacity ? m->capacity : m->level + gained;
    } else {
        rl_time length = sim->s->refill == SIM_QUANTUM ? RL_SECOND : MINUTE_NS;
        if (now / length != m->window) {
            m->window = now / length;
            m->used_in_window = 0;
        }
    }
    m->at = now;
}

static uint64_t window_amount(const struct sim *sim, const struct meter *m)
{
    if (sim->s->refill == SIM_WINDOW)
        return m->per_minute;
    return m->per_minute * (m->window + 1) / 60 - m->per_minute * m->window / 60;
}

/* 0: fits. Else the ns until it would. */
static rl_duration missing(const struct sim *sim, const struct meter *m, uint64_t cost, rl_time now)
{
    if (m->per_minute == 0)
        return 0;
    if (sim->s->refill == SIM_BUCKET) {
        uint64_t need = cost * MINUTE_NS;
        return m->level >= need ? 0 : (need - m->level + m->per_minute - 1) / m->per_minute;
    }
    rl_time length = sim->s->refill == SIM_QUANTUM ? RL_SECOND : MINUTE_NS;
    /* A cost above a whole second's share passes an untouched second. */
    if (m->used_in_window + cost <= window_amount(sim, m) ||
        (m->used_in_window == 0 && sim->s->refill == SIM_QUANTUM))
        return 0;
    return (m->window + 1) * length - now;
}

static void charge(const struct sim *sim, struct meter *m, uint64_t cost)
{
    if (m->per_minute == 0)
        return;
    if (sim->s->refill == SIM_BUCKET)
        m->level -= cost * MINUTE_NS;
    else
        m->used_in_window += cost;
}

static void refund(const struct sim *sim, struct meter *m, uint64_t cost)
{
    if (sim->s->refill == SIM_BUCKET) {
        m->level += cost * MINUTE_NS;
        if (m->level > m->capacity)
            m->level = m->capacity;
    } else {
        m->used_in_window -= m->used_in_window < cost ? m->used_in_window : cost;
    }
}

/* As OpenAI writes it. In quantum mode the numbers are the minute's: the trap is that the second
 * binds. */
static void report(const struct sim *sim, const struct meter *m, char *limit, char *left,
                   char *full)
{
    uint64_t level = sim->s->refill == SIM_BUCKET   ? m->level / MINUTE_NS
                     : sim->s->refill == SIM_WINDOW ? m->per_minute - m->used_in_window
                                                    : m->per_minute - m->used_in_window;
    uint64_t gone = sim->s->refill == SIM_BUCKET
                        ? (m->capacity - m->level) / (m->per_minute * 1000000)
                        : m->used_in_window * 60000 / m->per_minute;

    snprintf(limit, 32, "%" PRIu64, m->per_minute);
    snprintf(left, 32, "%" PRIu64, level);
    if (gone < 1000)
        snprintf(full, 48, "%" PRIu64 "ms", gone);
    else
        snprintf(full, 48, "%" PRIu64 ".%03" PRIu64 "s", gone / 1000, gone % 1000);
}

static void start_meter(struct sim *sim, struct meter *m, uint64_t per_minute)
{
    m->per_minute = per_minute;
    m->capacity = per_minute * sim->s->burst_seconds * RL_SECOND;
    m->level = m->capacity;
    m->at = sim->clock.now;
}

/* ---- a request arrives, an answer leaves ---- */

static uint64_t tokens_reserved(const struct sim *sim)
{
    return sim->s->input + sim->s->max_output;
}

static void fill_headers(struct sim *sim, struct job *job)
{
    memset(job->limit, 0, sizeof job->limit);
    if (sim->s->bare)
        return;
    if (sim->s->rpm > 0)
        report(sim, &sim->rpm, job->limit[0], job->left[0], job->full[0]);
    if (sim->s->tpm > 0)
        report(sim, &sim->tpm, job->limit[1], job->left[1], job->full[1]);
}

/* Bends what fill_headers() wrote. */
static void lie(struct sim *sim, struct job *job)
{
    job->lies = sim->s->lie != SIM_TRUTH && draw(sim) % 1000000 < sim->s->lie_ppm;
    for (int d = 0; job->lies && d < 2; d++) {
        if (job->limit[d][0] == '\0')
            continue;
        switch (sim->s->lie) {
        case SIM_LIMIT_ONE:
            snprintf(job->limit[d], sizeof job->limit[d], "1");
            break;
        case SIM_LIMIT_ZERO:
            snprintf(job->limit[d], sizeof job->limit[d], "0");
            break;
        case SIM_LIMIT_TENTH:
            snprintf(job->limit[d], sizeof job->limit[d], "%" PRIu64,
                     (d == 0 ? &sim->rpm : &sim->tpm)->per_minute / 10);
            break;
        case SIM_RESET_YEARS:
            snprintf(job->full[d], sizeof job->full[d], "87600h0m0s");
            snprintf(job->left[d], sizeof job->left[d], "0");
            break;
        case SIM_LEFT_NONE:
            snprintf(job->left[d], sizeof job->left[d], "0");
            break;
        case SIM_LEFT_HUGE:
            snprintf(job->left[d], sizeof job->left[d], "9007199254740992");
            break;
        case SIM_TRUTH:
        case SIM_USAGE_HUGE:
        case SIM_USAGE_EIGHTFOLD:
            break;
        }
    }
}

static void refuse(struct sim *sim, struct job *job, rl_duration wait)
{
    rl_time now = sim->clock.now;

    sim->r->refused++;
    job->status = 429;
    job->hint_ms = (wait + RL_MILLISECOND - 1) / RL_MILLISECOND;
    if (!sim->s->bare && now + job->hint_ms * RL_MILLISECOND > sim->announced)
        sim->announced = now + job->hint_ms * RL_MILLISECOND;
    fill_headers(sim, job);
    push(sim, now + RL_MILLISECOND + draw(sim) % RL_MILLISECOND, ANSWER, (size_t)(job - sim->jobs));
}

static void admit(struct sim *sim, struct job *job)
{
    unsigned dice = (unsigned)(draw(sim) % 1000000);
    uint64_t ms = draw_between(sim, sim->s->latency_low_ms, sim->s->latency_high_ms);

    charge(sim, &sim->rpm, 1);
    charge(sim, &sim->tpm, tokens_reserved(sim));
    job->status = 200;
    job->reset = 0;
    if (dice < sim->s->fault_500_ppm)
        job->status = 500;
    else if (dice < sim->s->fault_500_ppm + sim->s->fault_503_ppm)
        job->status = 503;
    else if (dice < sim->s->fault_500_ppm + sim->s->fault_503_ppm + sim->s->fault_reset_ppm)
        job->reset = 1;
    fill_headers(sim, job);
    lie(sim, job);
    push(sim, sim->clock.now + ms * RL_MILLISECOND, ANSWER, (size_t)(job - sim->jobs));
}

static void arrive(struct sim *sim, size_t index)
{
    struct job *job = &sim->jobs[index];
    rl_time now = sim->clock.now;
    rl_duration wait, other;

    refresh(sim, &sim->rpm, now);
    refresh(sim, &sim->tpm, now);
    if (now < sim->announced)
        sim->r->refused_early++;
    wait = missing(sim, &sim->rpm, 1, now);
    other = missing(sim, &sim->tpm, tokens_reserved(sim), now);
    if (other > wait)
        wait = other;
    if (wait > 0 || draw(sim) % 1000000 < sim->s->fault_429_ppm)
        refuse(sim, job, wait);
    else
        admit(sim, job);
}

static rl_header header(const char *name, const char *value)
{
    return (rl_header){ name, strlen(name), value, strlen(value) };
}

static void submit(struct sim *sim, size_t index);

static void answer(struct sim *sim, size_t index)
{
    static const char *const names[2][3] = {
        { "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
          "x-ratelimit-reset-requests" },
        { "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens" }
    };
    struct job *job = &sim->jobs[index];
    rl_response response = RL_RESPONSE_INIT;
    rl_header headers[8];
    char body[160], hint[24];
    size_t n = 0;

    if (job->status != 429) {
        refresh(sim, &sim->rpm, sim->clock.now);
        refresh(sim, &sim->tpm, sim->clock.now);
        refund(sim, &sim->tpm,
               job->status == 200 && !job->reset ? sim->s->max_output / 2 : tokens_reserved(sim));
    }
    for (int d = 0; d < 2; d++)
        if (job->limit[d][0] != '\0') {
            headers[n++] = header(names[d][0], job->limit[d]);
            headers[n++] = header(names[d][1], job->left[d]);
            headers[n++] = header(names[d][2], job->full[d]);
        }
    if (job->status == 429 && !sim->s->bare) {
        snprintf(hint, sizeof hint, "%" PRIu64, job->hint_ms);
        headers[n++] = header("retry-after-ms", hint);
    }
    snprintf(body, sizeof body, "{\"error\":{\"code\":\"rate_limit_exceeded\"}}");
    if (job->status == 200) {
        uint64_t input = sim->s->input;

        if (job->lies && sim->s->lie == SIM_USAGE_HUGE)
            input = UINT64_C(1) << 50;
        if (job->lies && sim->s->lie == SIM_USAGE_EIGHTFOLD)
            input *= 8;
        snprintf(body, sizeof body,
                 "{\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64
                 ",\"total_tokens\":%" PRIu64 "}}",
                 input, sim->s->max_output / 2, input + sim->s->max_output / 2);
    } else if (job->status >= 500)
        snprintf(body, sizeof body, "{\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}");
    response.status = job->reset ? 0 : job->status;
    response.failure = job->reset ? RL_FAILURE_RESET : RL_FAILURE_NONE;
    response.headers = headers;
    response.header_count = job->reset ? 0 : n;
    response.body = job->reset ? NULL : body;
    response.body_length = job->reset ? 0 : strlen(body);
    if (job->status == 200 && !job->reset && ++job->answered > 1)
        sim->r->twice++;
    if (rl_attempt_done(sim->rl, &job->attempt, &response) != RL_OK)
        abort();
    if (job->attempt.status == RL_WAIT) {
        submit(sim, index);
        return;
    }
    sim->pending--;
    sim->done++;
    sim->r->lost += job->attempt.status != RL_OK;
}

/* ---- the batch ---- */

static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    struct job *job = user;
    struct sim *sim = job->sim;

    (void)attempt;
    if (!ready) {
        sim->pending--;
        sim->done++;
        sim->r->lost++;
        return;
    }
    sim->r->granted++;
    push(sim, sim->clock.now + 100000 + draw_between(sim, 0, sim->s->wire_high_us * 1000), ARRIVAL,
         (size_t)(job - sim->jobs));
}

static void submit(struct sim *sim, size_t index)
{
    rl_request request = RL_REQUEST_INIT;
    struct job *job = &sim->jobs[index];

    request.provider = sim->s->provider;
    request.model = sim->s->model != NULL ? sim->s->model : "m";
    request.input_tokens = sim->s->input;
    if (sim->s->badly_estimated)
        request.input_tokens -= sim->s->input / 3 * (index % 17) / 16;
    request.max_output_tokens = sim->s->max_output;
    request.max_wait_ms = RL_NEVER;
    if (rl_attempt_submit(sim->rl, &request, &job->attempt, on_ready, job) != RL_OK)
        abort();
}

static void feed(struct sim *sim)
{
    while (sim->next_job < sim->s->requests && sim->pending < sim->s->concurrency) {
        struct job *job = &sim->jobs[sim->next_job];

        job->sim = sim;
        job->attempt = RL_ATTEMPT_INIT;
        submit(sim, sim->next_job++);
        sim->pending++;
    }
    if (sim->pending > sim->r->peak_in_flight)
        sim->r->peak_in_flight = sim->pending;
}

static void neighbour(struct sim *sim)
{
    rl_time until = sim->begin + sim->s->neighbour_until_s * RL_SECOND;

    if (sim->s->neighbour_until_s != 0 && sim->clock.now >= until)
        return;
    refresh(sim, &sim->rpm, sim->clock.now);
    if (missing(sim, &sim->rpm, 1, sim->clock.now) == 0)
        charge(sim, &sim->rpm, 1);
    push(sim, sim->clock.now + draw_between(sim, 0, 2 * MINUTE_NS / sim->s->neighbour_rpm),
         NEIGHBOUR, 0);
}

static void happen(struct sim *sim, const struct event *event)
{
    switch (event->kind) {
    case ARRIVAL:
        arrive(sim, event->job);
        break;
    case ANSWER:
        answer(sim, event->job);
        break;
    case NEIGHBOUR:
        neighbour(sim);
        break;
    case STEP: /* now the loop looks at the clock again */
        break;
    case CHANGE:
        refresh(sim, &sim->rpm, sim->clock.now);
        sim->rpm.per_minute = event->job == 0 ? sim->s->change_to_rpm : sim->first_rpm;
        sim->rpm.capacity = sim->rpm.per_minute * sim->s->burst_seconds * RL_SECOND;
        if (sim->rpm.level > sim->rpm.capacity)
            sim->rpm.level = sim->rpm.capacity;
        break;
    }
}

static double ideal_of(const struct sim_scenario *s, uint64_t per_minute, double cost)
{
    double burst = s->refill == SIM_BUCKET ? (double)(per_minute * s->burst_seconds) / 60 : 0;

    return per_minute == 0 || cost <= burst ? 0 : (cost - burst) * 60 / (double)per_minute;
}

/* The neighbour's share is not ours, and a limit that changes gives so much before, between and
 * after. */
static double ideal_requests(const struct sim_scenario *s)
{
    double at = (double)s->change_at_s, back = (double)s->change_back_at_s, seconds;
    double before, after = (double)s->change_to_rpm / 60;
    uint64_t all = s->requests + s->neighbour_until_s * s->neighbour_rpm / 60;
    uint64_t rpm = s->rpm - (s->neighbour_until_s != 0 ? 0 : s->neighbour_rpm);

    seconds = ideal_of(s, rpm, (double)all);
    if (s->change_at_s == 0 || seconds <= at)
        return seconds;
    before = (double)rpm / 60;
    seconds = at + (seconds - at) * before / after;
    return s->change_back_at_s == 0 || seconds <= back ? seconds
                                                       : back + (seconds - back) * after / before;
}

/* The client's own clock. */
static int64_t set_by(const struct sim *sim)
{
    return sim->s->step_at_s != 0 && sim->clock.now >= sim->begin + sim->s->step_at_s * RL_SECOND
               ? sim->s->step_ms * (int64_t)RL_MILLISECOND
               : 0;
}

static rl_time client_now(void *user)
{
    struct sim *sim = user;

    return sim->clock.now + (uint64_t)set_by(sim);
}

static rl_wall_time client_wall(void *user)
{
    return (rl_wall_time)client_now(user);
}

static uint64_t client_random(void *user)
{
    return vclock_random(&((struct sim *)user)->clock);
}

static void open_context(struct sim *sim)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_hooks hooks = RL_HOOKS_INIT;
    char error[256];

    hooks.user = sim;
    hooks.now = client_now;
    hooks.wall = client_wall;
    hooks.random = client_random;
    options.hooks = &hooks;
    options.config_json = sim->s->config_json;
    options.error = error;
    options.error_size = sizeof error;
    if (rl_open(&options, &sim->rl) != RL_OK) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
}

void sim_run(const struct sim_scenario *scenario, struct sim_result *result)
{
    struct sim sim = { .s = scenario, .r = result, .rng = scenario->seed };
    rl_time begin;
    double requests, tokens;

    *result = (struct sim_result){ 0 };
    sim.clock = (struct vclock){ .now = 1000 * RL_SECOND + scenario->seed % RL_SECOND,
                                 .random = scenario->seed };
    begin = sim.begin = sim.clock.now;
    sim.first_rpm = scenario->rpm;
    open_context(&sim);
    start_meter(&sim, &sim.rpm, scenario->rpm);
    start_meter(&sim, &sim.tpm, scenario->tpm);
    sim.jobs = calloc(scenario->requests, sizeof *sim.jobs);
    if (sim.jobs == NULL)
        abort();
    if (scenario->neighbour_rpm > 0)
        push(&sim, begin, NEIGHBOUR, 0);
    if (scenario->change_at_s > 0)
        push(&sim, begin + scenario->change_at_s * RL_SECOND, CHANGE, 0);
    if (scenario->change_back_at_s > 0)
        push(&sim, begin + scenario->change_back_at_s * RL_SECOND, CHANGE, 1);
    if (scenario->step_at_s > 0)
        push(&sim, begin + scenario->step_at_s * RL_SECOND, STEP, 0);
    while (sim.done < scenario->requests) {
        rl_time next;

        feed(&sim);
        rl_dispatch(sim.rl);
        next = rl_next_wakeup(sim.rl);
        if (next != RL_NEVER)
            next = rl__max(next, client_now(&sim)) - (uint64_t)set_by(&sim);
        if (sim.count > 0 && sim.heap[0].at <= next) {
            struct event event = pop(&sim);
            sim.clock.now = event.at > sim.clock.now ? event.at : sim.clock.now;
            happen(&sim, &event);
        } else if (next != RL_NEVER) {
            sim.clock.now = next > sim.clock.now ? next : sim.clock.now;
        } else if (sim.pending > 0) {
            fprintf(stderr, "%s: nothing will ever happen again\n", scenario->name);
            abort();
        }
        if (sim.clock.now - begin > 100 * RL_HOUR) {
            fprintf(stderr, "%s: no end within 100 hours\n", scenario->name);
            abort();
        }
    }
    result->seconds = (double)(sim.clock.now - begin) / 1e9;
    requests = ideal_requests(scenario);
    tokens =
        ideal_of(scenario, scenario->tpm,
                 (double)scenario->requests * (double)(scenario->input + scenario->max_output / 2));
    result->ideal = requests > tokens ? requests : tokens;
    rl_close(sim.rl);
    free(sim.jobs);
    free(sim.heap);
}
