/* SPDX-License-Identifier: MIT */
/* Owns the simulated world: its events, the way to the provider, the answers, and both clients. */
#include "sim_world.h"

#include <llmrl/queue.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKLOG     50 /* wait for each model when it is saturated */
#define BURST       40
#define EPOCH       (INT64_C(20000) * 86400 * 1000000000) /* the calendar at time 0: a midnight */
#define LOST_AFTER  (20 * RL_SECOND)                      /* the client gives an answer up */
#define QUEUE_CHUNK 256

enum kind { ARRIVES, RETURNS, GIVES_BACK, NEIGHBOUR, PHASE, DEMAND, MEASURE, CHANGES };

struct event {
    rl_time at;
    uint64_t order;
    enum kind kind;
    uint64_t number;
    struct job *job;
};

struct report {
    char limit[24], left[24], reset[48];
};

struct job {
    struct job *next; /* free, or in the all-knowing one's line */
    struct world *w;
    rl_attempt attempt;
    uint64_t number, model, input, output, used_output;
    rl_time not_before, arrived_at;
    uint64_t status; /* of the answer that is under way; 0: it is lost */
    int passed;      /* a 200 came back */
    rl_duration hint;
    rl_time answered_at;
    unsigned reports;
    struct report report[WORLD_LIMITS];
};

struct model {
    struct sim_limit limit[WORLD_LIMITS];
    rl_time announced; /* the client has been told not to come before; its clock */
    uint64_t waiting;
    struct job *first, **end; /* the all-knowing one's line */
};

struct world {
    const struct world_scenario *s;
    struct world_result *r;
    rl_time now, begin;
    uint64_t rng, demand_rng, library_rng;
    rl_context *rl;
    struct event *heap;
    size_t count, room;
    uint64_t order, next_number, line;
    unsigned phase; /* the next one */
    int measuring;
    uint64_t spent_before[WORLD_LIMITS];
    struct model model[WORLD_MODELS];
    struct job *free, **all;
    size_t jobs;
};

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t draw(uint64_t *state)
{
    return mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

static uint64_t between(uint64_t random, uint64_t low, uint64_t high)
{
    return low + (high > low ? random % (high - low + 1) : 0);
}

static int happens(struct world *w, uint64_t ppm)
{
    return ppm > 0 && draw(&w->rng) % 1000000 < ppm;
}

/* ---- events ---- */

static int before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct event *a, struct event *b)
{
    struct event kept = *a;

    *a = *b;
    *b = kept;
}

static void push(struct world *w, rl_time at, enum kind kind, uint64_t number, struct job *job)
{
    size_t i = w->count++;

    if (w->count > w->room) {
        w->room = 2 * w->room + 64;
        w->heap = realloc(w->heap, w->room * sizeof *w->heap);
        if (w->heap == NULL)
            abort();
    }
    w->heap[i] = (struct event){ at, w->order++, kind, number, job };
    for (; i > 0 && before(&w->heap[i], &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static struct event pop(struct world *w)
{
    struct event top = w->heap[0];

    w->heap[0] = w->heap[--w->count];
    for (size_t i = 0, least;; i = least) {
        least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < w->count; child++)
            if (before(&w->heap[child], &w->heap[least]))
                least = child;
        if (least == i)
            return top;
        swap(&w->heap[i], &w->heap[least]);
    }
}

/* ---- jobs ---- */

static struct job *new_job(struct world *w)
{
    const struct world_scenario *s = w->s;
    struct job *job = w->free;
    uint64_t random;

    if (job != NULL) {
        w->free = job->next;
    } else {
        job = malloc(sizeof *job);
        if (w->jobs % QUEUE_CHUNK == 0)
            w->all = realloc(w->all, (w->jobs + QUEUE_CHUNK) * sizeof(struct job *));
        if (job == NULL || w->all == NULL)
            abort();
        w->all[w->jobs++] = job;
    }
    *job = (struct job){ .w = w, .number = w->next_number++ };
    random = mix(s->seed + job->number * UINT64_C(0x9e3779b97f4a7c15));
    job->input = between(mix(random + 1), s->input_low, s->input_high);
    job->output = between(mix(random + 2), s->output_low, s->output_high);
    if (mix(random + 3) % 1000000 < s->large_ppm) {
        job->input *= s->large_factor;
        job->output *= s->large_factor;
    }
    job->used_output = job->output * (mix(random + 4) % 101) / 100;
    job->attempt = RL_ATTEMPT_INIT;
    return job;
}

static void end_job(struct job *job)
{
    struct world *w = job->w;

    w->r->ended++;
    job->next = w->free;
    w->free = job;
}

/* ---- the provider ---- */

static uint64_t cost_of(const struct world *w, size_t limit, const struct job *job)
{
    return w->s->limit[limit].dimension == WORLD_REQUESTS ? 1 : job->input + job->output;
}

static rl_duration missing(struct world *w, const struct job *job)
{
    rl_duration longest = 0;

    for (size_t i = 0; i < w->s->limits; i++) {
        rl_duration one =
            sim_limit_missing(&w->model[job->model].limit[i], cost_of(w, i, job), w->now);

        longest = one > longest ? one : longest;
    }
    return longest;
}

static void charge(struct world *w, struct job *job)
{
    job->arrived_at = w->now;
    for (size_t i = 0; i < w->s->limits; i++)
        sim_limit_charge(&w->model[job->model].limit[i], cost_of(w, i, job), w->now);
}

/* Of an error, all tokens come back. */
static void give_back(struct world *w, const struct job *job, int failed)
{
    uint64_t unused = failed ? job->input + job->output : job->output - job->used_output;

    for (size_t i = 0; i < w->s->limits; i++)
        if (w->s->limit[i].dimension == WORLD_TOKENS)
            sim_limit_give_back(&w->model[job->model].limit[i], unused, job->arrived_at, w->now);
}

static int is_openai(const struct world *w)
{
    return strcmp(w->s->provider, "openai") == 0;
}

static uint64_t seconds_up(rl_duration span)
{
    return (span + RL_SECOND - 1) / RL_SECOND;
}

/* OpenAI's are spans; others' are whole seconds, or a moment since 1970. */
static void write_reset(const struct world *w, rl_duration span, char *text, size_t size)
{
    if (is_openai(w) && span < RL_SECOND)
        snprintf(text, size, "%" PRIu64 "ms", span / RL_MILLISECOND);
    else if (is_openai(w))
        snprintf(text, size, "%" PRIu64 ".%03" PRIu64 "s", span / RL_SECOND,
                 span % RL_SECOND / RL_MILLISECOND);
    else if (w->s->absolute_times)
        snprintf(text, size, "%" PRIu64, (uint64_t)EPOCH / RL_SECOND + seconds_up(w->now + span));
    else
        snprintf(text, size, "%" PRIu64, seconds_up(span));
}

static void write_reports(struct world *w, struct job *job)
{
    job->reports = 0;
    for (size_t i = 0; i < w->s->limits; i++) {
        struct sim_limit *limit = &w->model[job->model].limit[i];
        struct report *report = &job->report[i];
        uint64_t minute = w->s->limit[i].reported_amount, left = sim_limit_left(limit, w->now);
        rl_duration full_in = sim_limit_full_in(limit, w->now);

        if (!w->s->limit[i].reported)
            continue;
        if (minute != 0) { /* the numbers of a minute, while it is the second that counts */
            uint64_t used = limit->amount - left;

            left = minute - used;
            full_in = used * RL_MINUTE / minute;
        }
        job->reports |= 1u << i;
        snprintf(report->limit, sizeof report->limit, "%" PRIu64,
                 minute != 0 ? minute : limit->amount);
        snprintf(report->left, sizeof report->left, "%" PRIu64, left);
        write_reset(w, full_in, report->reset, sizeof report->reset);
    }
}

static void lie(struct world *w, struct job *job)
{
    if (!happens(w, w->s->lie_ppm))
        return;
    for (size_t i = 0; i < w->s->limits; i++) {
        struct report *report = &job->report[i];

        switch (w->s->lie) {
        case WORLD_LIMIT_TENTH:
            snprintf(report->limit, sizeof report->limit, "%" PRIu64,
                     w->model[job->model].limit[i].amount / 10);
            break;
        case WORLD_LEFT_NONE:
            snprintf(report->left, sizeof report->left, "0");
            break;
        case WORLD_LEFT_HUGE:
            snprintf(report->left, sizeof report->left, "9007199254740992");
            break;
        case WORLD_RESET_YEARS:
            snprintf(report->left, sizeof report->left, "0");
            snprintf(report->reset, sizeof report->reset, "%s",
                     is_openai(w) ? "87600h0m0s" : "315360000");
            break;
        case WORLD_LIES:
            break;
        }
    }
}

static rl_duration answer_time(struct world *w)
{
    return between(draw(&w->rng), w->s->latency_low_ms * 1000, w->s->latency_high_ms * 1000) * 1000;
}

static rl_duration way(struct world *w)
{
    return between(draw(&w->rng), w->s->wire_low_us * 1000, w->s->wire_high_us * 1000);
}

static int is_out(const struct world *w)
{
    rl_time from = w->begin + w->s->outage_at;

    return w->s->outage_for != 0 && w->now >= from && w->now < from + w->s->outage_for;
}

/* With LLMRL_SIM_TRACE: both books, at each refusal and around what is measured. */
static void trace(struct world *w)
{
    rl_limit_status status[16];
    size_t count = 16;

    if (getenv("LLMRL_SIM_TRACE") == NULL || w->s->all_knowing)
        return;
    (void)rl_limits_get(w->rl, status, &count);
    for (size_t i = 0; i < count && i < 16; i++)
        fprintf(stderr,
                "%.3f %s dim %u %s %s: amount %" PRIu64 " in force %" PRIu64 " burst %" PRIu64
                " left %" PRId64 " full in %.3f closed %.3f\n",
                (double)(w->now - w->begin) / 1e9, status[i].scope, status[i].dimension,
                status[i].algorithm, status[i].origin, status[i].amount, status[i].level.limit,
                status[i].level.burst, status[i].level.remaining,
                (double)status[i].level.full_in / 1e9,
                status[i].closed_until > w->now ? (double)(status[i].closed_until - w->now) / 1e9
                                                : 0.0);
    for (size_t m = 0; m < w->s->models; m++)
        for (size_t i = 0; i < w->s->limits; i++)
            fprintf(stderr, "      true m%zu limit %zu left %" PRIu64 " waiting %" PRIu64 "\n", m,
                    i, sim_limit_left(&w->model[m].limit[i], w->now), w->model[m].waiting);
}

static void refuse(struct world *w, struct job *job, rl_duration wait)
{
    if (getenv("LLMRL_SIM_TRACE") != NULL)
        fprintf(stderr,
                "%.6f refused model %" PRIu64 " job %" PRIu64 " cost %" PRIu64 " wait %.6f\n",
                (double)(w->now - w->begin) / 1e9, job->model, job->number,
                job->input + job->output, (double)wait / 1e9);
    trace(w);
    w->r->refused++;
    w->r->late_refused += w->now >= w->begin + RL_MINUTE;
    job->status = 429;
    job->hint = wait;
    job->answered_at = w->now;
    write_reports(w, job);
    push(w, w->now + way(w) + draw(&w->rng) % RL_MILLISECOND, RETURNS, 0, job);
}

static void serve(struct world *w, struct job *job)
{
    rl_duration time = answer_time(w);

    charge(w, job);
    job->status = happens(w, w->s->fault_500_ppm) ? 500 : 200;
    write_reports(w, job);
    lie(w, job);
    push(w, w->now + time, GIVES_BACK, 0, job);
}

static void arrive(struct world *w, struct job *job)
{
    rl_duration wait;

    w->r->arrived++;
    w->r->late_arrived += w->now >= w->begin + RL_MINUTE;
    if (is_out(w)) {
        job->status = 503;
        job->answered_at = w->now;
        job->reports = 0;
        push(w, w->now + answer_time(w), RETURNS, 0, job);
        return;
    }
    if ((wait = missing(w, job)) > 0)
        refuse(w, job, wait);
    else
        serve(w, job);
}

static void work_is_done(struct world *w, struct job *job)
{
    rl_duration back = way(w);

    job->answered_at = w->now;
    give_back(w, job, job->status != 200);
    if (job->status == 200 && happens(w, w->s->lost_answer_ppm)) {
        job->status = 0;
        push(w, w->now + LOST_AFTER, RETURNS, 0, job);
        return;
    }
    push(w, w->now + back, RETURNS, 0, job);
}

/* ---- the answer, at the client ---- */

static rl_time client_now(void *user)
{
    return ((struct world *)user)->now;
}

static rl_wall_time client_wall(void *user)
{
    const struct world *w = user;

    return EPOCH + (rl_wall_time)w->now + w->s->skew_ms * (int64_t)RL_MILLISECOND;
}

static uint64_t client_random(void *user)
{
    return draw(&((struct world *)user)->library_rng);
}

struct letter {
    rl_header header[16];
    size_t count;
    char text[4][64];
    char body[160];
};

static void add_header(struct letter *letter, const char *name, const char *value)
{
    letter->header[letter->count++] = (rl_header){ name, strlen(name), value, strlen(value) };
}

static void write_date(rl_time at, char *text, size_t size)
{
    time_t seconds = (time_t)(EPOCH / 1000000000 + (int64_t)(at / RL_SECOND));
    struct tm parts;

    if (gmtime_r(&seconds, &parts) == NULL)
        abort();
    (void)strftime(text, size, "%a, %d %b %Y %H:%M:%S GMT", &parts);
}

static void write_hint(const struct world *w, const struct job *job, struct letter *letter)
{
    char *text = letter->text[0];

    if (job->status != 429 || w->s->no_hints)
        return;
    if (is_openai(w)) {
        snprintf(text, sizeof letter->text[0], "%" PRIu64,
                 (job->hint + RL_MILLISECOND - 1) / RL_MILLISECOND);
        add_header(letter, "retry-after-ms", text);
        return;
    }
    if (w->s->absolute_times)
        write_date(job->answered_at + job->hint + RL_SECOND - 1, text, sizeof letter->text[0]);
    else
        snprintf(text, sizeof letter->text[0], "%" PRIu64, seconds_up(job->hint));
    add_header(letter, "retry-after", text);
}

static void write_headers(const struct world *w, const struct job *job, struct letter *letter)
{
    static const char *const name[2][3] = {
        { "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
          "x-ratelimit-reset-requests" },
        { "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens" }
    };

    for (size_t i = 0; i < w->s->limits; i++) {
        const char *const *own = name[w->s->limit[i].dimension];

        if ((job->reports >> i & 1) == 0)
            continue;
        add_header(letter, own[0], job->report[i].limit);
        add_header(letter, own[1], job->report[i].left);
        add_header(letter, own[2], job->report[i].reset);
    }
    write_hint(w, job, letter);
    if (w->s->absolute_times) {
        write_date(job->answered_at, letter->text[1], sizeof letter->text[1]);
        add_header(letter, "date", letter->text[1]);
    }
}

static void write_body(const struct job *job, struct letter *letter)
{
    if (job->status == 200)
        snprintf(letter->body, sizeof letter->body,
                 "{\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64
                 ",\"total_tokens\":%" PRIu64 "}}",
                 job->input, job->used_output, job->input + job->used_output);
    else if (job->status == 429)
        snprintf(letter->body, sizeof letter->body,
                 "{\"error\":{\"code\":\"rate_limit_exceeded\"}}");
    else
        snprintf(letter->body, sizeof letter->body,
                 "{\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}");
}

#define HINT_MOST                                                                                  \
    (300 * RL_SECOND) /* "max_hint_ms": beyond that a request fails, and others may ask */

/* What the answer forbids from now on. */
static void remember_hint(struct world *w, const struct job *job)
{
    rl_duration unit = is_openai(w) ? RL_MILLISECOND : RL_SECOND, hint = job->hint;
    struct model *model = &w->model[job->model];
    rl_time until;

    if (job->status != 429 || w->s->no_hints)
        return;
    until =
        w->s->absolute_times ? job->answered_at + hint : w->now + (hint + unit - 1) / unit * unit;
    until = until < w->now + HINT_MOST ? until : w->now + HINT_MOST;
    if (until > model->announced)
        model->announced = until;
}

static void submit(struct world *w, struct job *job);

static void return_answer(struct world *w, struct job *job)
{
    rl_response response = RL_RESPONSE_INIT;
    struct letter letter = { .count = 0 };

    if (w->s->all_knowing) {
        end_job(job);
        return;
    }
    if (job->status != 0) {
        write_headers(w, job, &letter);
        write_body(job, &letter);
    }
    response.status = job->status;
    response.failure = job->status == 0 ? RL_FAILURE_TIMEOUT : RL_FAILURE_NONE;
    response.headers = letter.header;
    response.header_count = letter.count;
    response.body = letter.body;
    response.body_length = strlen(letter.body);
    remember_hint(w, job);
    w->r->twice += job->status == 200 && job->passed;
    job->passed |= job->status == 200;
    if (rl_attempt_done(w->rl, &job->attempt, &response) != RL_OK)
        abort();
    if (job->attempt.status == RL_WAIT) {
        job->not_before =
            job->attempt.verdict.retry_at == RL_NEVER ? 0 : job->attempt.verdict.retry_at;
        submit(w, job);
        return;
    }
    w->r->failed += job->attempt.status != RL_OK;
    w->r->lost += job->attempt.status == RL_OK && !job->passed;
    end_job(job);
}

/* ---- the client that asks the library ---- */

static void on_ready(rl_attempt *attempt, int ready, void *user)
{
    struct job *job = user;
    struct world *w = job->w;
    struct model *model = &w->model[job->model];

    (void)attempt;
    model->waiting--;
    if (!ready) {
        w->r->failed++;
        end_job(job);
        return;
    }
    w->r->granted++;
    w->r->early_gate += w->now < model->announced;
    w->r->early_retry += w->now < job->not_before;
    if (happens(w, w->s->lost_request_ppm)) {
        job->status = 0;
        push(w, w->now + LOST_AFTER, RETURNS, 0, job);
        return;
    }
    push(w, w->now + way(w), ARRIVES, 0, job);
}

static void submit(struct world *w, struct job *job)
{
    rl_request request = RL_REQUEST_INIT;
    char model[8], user[24];

    w->model[job->model].waiting++;
    snprintf(model, sizeof model, "m%" PRIu64, job->model);
    snprintf(user, sizeof user, "u%" PRIu64, mix(job->number) % (w->s->users + 1));
    request.provider = w->s->provider;
    request.model = model;
    request.user = w->s->users > 0 ? user : NULL;
    request.input_tokens = job->input;
    request.max_output_tokens = job->output;
    request.max_wait_ms = RL_NEVER;
    if (rl_attempt_submit(w->rl, &request, &job->attempt, on_ready, job) != RL_OK)
        abort();
}

/* ---- the client that knows all ---- */

static void stand_in_line(struct world *w, struct job *job)
{
    struct model *model = &w->model[job->model];

    job->next = NULL;
    *model->end = job;
    model->end = &job->next;
    model->waiting++;
}

static void step_out(struct model *model)
{
    model->first = model->first->next;
    if (model->first == NULL)
        model->end = &model->first;
    model->waiting--;
}

static void feed(struct world *w);

/* Sends all that passes now; returns when the next one would. */
static rl_time send_what_passes(struct world *w)
{
    rl_time next = RL_NEVER;

    for (size_t m = 0; m < w->s->models; m++) {
        struct model *model = &w->model[m];
        rl_duration wait = 0;

        while (model->first != NULL && (wait = missing(w, model->first)) == 0) {
            struct job *job = model->first;

            step_out(model);
            w->r->arrived++;
            charge(w, job);
            job->status = 200;
            push(w, w->now + answer_time(w), GIVES_BACK, 0, job);
            feed(w);
        }
        if (model->first != NULL && wait != RL_NEVER && w->now + wait < next)
            next = w->now + wait;
    }
    return next;
}

/* ---- what there is to do ---- */

static void new_request(struct world *w, uint64_t model)
{
    struct job *job = new_job(w);

    job->model = model;
    w->r->submitted++;
    if (w->s->all_knowing)
        stand_in_line(w, job);
    else
        submit(w, job);
}

static const struct world_phase *present(const struct world *w)
{
    return w->phase == 0 || w->phase > w->s->phases ? NULL : &w->s->phase[w->phase - 1];
}

/* Keeps some waiting. */
static void feed(struct world *w)
{
    const struct world_phase *phase = present(w);

    if (phase == NULL || phase->demand != WORLD_SATURATED)
        return;
    for (size_t m = 0; m < w->s->models; m++)
        while (w->model[m].waiting < BACKLOG)
            new_request(w, m);
}

/* How long one request takes of the limit that holds it back most. */
static rl_duration mean_interval(const struct world *w)
{
    uint64_t tokens =
        (w->s->input_low + w->s->input_high) / 2 + (w->s->output_low + w->s->output_high) / 4;
    rl_duration longest = 0;

    for (size_t i = 0; i < w->s->limits; i++) {
        const struct sim_limit *limit = &w->s->limit[i].keeps;
        uint64_t cost = w->s->limit[i].dimension == WORLD_REQUESTS ? 1 : tokens;
        rl_duration one = limit->period / limit->amount * cost;

        longest = one > longest ? one : longest;
    }
    return longest;
}

static void demand(struct world *w, uint64_t phase_number)
{
    const struct world_phase *phase = present(w);
    uint64_t count;
    rl_duration step;

    if (phase_number != w->phase || phase == NULL)
        return;
    count = phase->demand == WORLD_BURSTS ? BURST : 1;
    for (uint64_t i = 0; i < count; i++)
        new_request(w, draw(&w->demand_rng) % w->s->models);
    step = mean_interval(w) / w->s->models * 1000 / (phase->share + 1) * count;
    push(w, w->now + draw(&w->demand_rng) % (2 * step + 1), DEMAND, w->phase, NULL);
}

static void next_phase(struct world *w)
{
    const struct world_phase *phase;

    w->phase++;
    if ((phase = present(w)) == NULL)
        return;
    push(w, w->now + phase->length, PHASE, 0, NULL);
    if (phase->demand == WORLD_STEADY || phase->demand == WORLD_BURSTS)
        push(w, w->now, DEMAND, w->phase, NULL);
    if (phase->measure_for == 0)
        return;
    push(w, w->now + phase->measure_after, MEASURE, 1, NULL);
    push(w, w->now + phase->measure_after + phase->measure_for, MEASURE, 0, NULL);
}

static uint64_t spent_on(const struct world *w, size_t limit)
{
    uint64_t sum = 0;

    for (size_t m = 0; m < w->s->models; m++)
        sum += w->model[m].limit[limit].spent;
    return sum;
}

static void measure(struct world *w, int on)
{
    trace(w);
    for (size_t i = 0; i < w->s->limits; i++)
        if (on)
            w->spent_before[i] = spent_on(w, i);
        else
            w->r->spent[i] += spent_on(w, i) - w->spent_before[i];
}

static void neighbour(struct world *w)
{
    rl_duration step;

    for (size_t m = 0; m < w->s->models; m++)
        if (sim_limit_missing(&w->model[m].limit[0], 1, w->now) == 0)
            sim_limit_charge(&w->model[m].limit[0], 1, w->now);
    step = w->s->limit[0].keeps.period / w->s->limit[0].keeps.amount * 1000 / w->s->neighbour_share;
    push(w, w->now + draw(&w->rng) % (2 * step + 1), NEIGHBOUR, 0, NULL);
}

static void change(struct world *w)
{
    for (size_t m = 0; m < w->s->models; m++)
        for (size_t i = 0; i < w->s->limits; i++) {
            const struct sim_limit *first = &w->s->limit[i].keeps;

            sim_limit_change(&w->model[m].limit[i], first->amount * w->s->change_share / 1000,
                             first->burst * w->s->change_share / 1000, w->now);
        }
}

static void happen(struct world *w, const struct event *event)
{
    switch (event->kind) {
    case ARRIVES:
        arrive(w, event->job);
        break;
    case RETURNS:
        return_answer(w, event->job);
        break;
    case GIVES_BACK:
        work_is_done(w, event->job);
        break;
    case NEIGHBOUR:
        if (present(w) != NULL)
            neighbour(w);
        break;
    case PHASE:
        next_phase(w);
        break;
    case DEMAND:
        demand(w, event->number);
        break;
    case MEASURE:
        measure(w, event->number != 0);
        break;
    case CHANGES:
        change(w);
        break;
    }
}

/* ---- its life ---- */

static void open_world(struct world *w)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_hooks hooks = RL_HOOKS_INIT;
    char error[256] = "";

    hooks.user = w;
    hooks.now = client_now;
    hooks.wall = client_wall;
    hooks.random = client_random;
    options.hooks = &hooks;
    options.config_json = w->s->config;
    options.error = error;
    options.error_size = sizeof error;
    if (!w->s->all_knowing && rl_open(&options, &w->rl) != RL_OK) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
}

static void start(struct world *w)
{
    for (size_t m = 0; m < w->s->models; m++) {
        w->model[m].end = &w->model[m].first;
        for (size_t i = 0; i < w->s->limits; i++) {
            w->model[m].limit[i] = w->s->limit[i].keeps;
            sim_limit_start(&w->model[m].limit[i], w->now);
        }
    }
    push(w, w->now, PHASE, 0, NULL);
    if (w->s->neighbour_share > 0)
        push(w, w->now, NEIGHBOUR, 0, NULL);
    if (w->s->change_at > 0)
        push(w, w->begin + w->s->change_at, CHANGES, 0, NULL);
}

static void stop(struct world *w)
{
    rl_stats stats = { .size = sizeof stats };

    w->r->length = w->now - w->begin;
    w->r->early = w->r->early_gate + w->r->early_retry;
    w->r->lost += w->r->submitted - w->r->ended;
    if (!w->s->all_knowing) {
        if (rl_stats_get(w->rl, &stats) != RL_OK)
            abort();
        w->r->lost += stats.waiting + stats.in_flight;
        rl_close(w->rl);
    }
    for (size_t m = 0; m < w->s->models; m++)
        for (size_t i = 0; i < w->s->limits; i++)
            sim_limit_free(&w->model[m].limit[i]);
    for (size_t i = 0; i < w->jobs; i++)
        free(w->all[i]);
    free(w->all);
    free(w->heap);
}

/* Lets go what may; returns when there will be more. */
static rl_time act(struct world *w)
{
    feed(w);
    if (w->s->all_knowing)
        return send_what_passes(w);
    rl_dispatch(w->rl);
    return rl_next_wakeup(w->rl);
}

static int is_over(const struct world *w)
{
    return w->phase > w->s->phases && w->r->ended == w->r->submitted;
}

void world_run(const struct world_scenario *scenario, struct world_result *result)
{
    struct world w = { .s = scenario, .r = result };

    *result = (struct world_result){ 0 };
    w.rng = mix(scenario->seed + 1);
    w.demand_rng = mix(scenario->seed + 2);
    w.library_rng = mix(scenario->seed + 3);
    w.now = w.begin = 86400 * RL_SECOND + mix(scenario->seed + 4) % (86400 * RL_SECOND);
    open_world(&w);
    start(&w);
    for (unsigned idle = 0; !is_over(&w); idle++) {
        rl_time next = act(&w);

        if (next > w.now)
            idle = 0;
        if (idle > 1000000)
            abort(); /* it says "now", and does nothing */
        if (w.count > 0 && w.heap[0].at <= next) {
            struct event event = pop(&w);

            w.now = event.at;
            happen(&w, &event);
        } else if (next != RL_NEVER) {
            w.now = next > w.now ? next : w.now;
        } else {
            break; /* what has not ended is lost */
        }
    }
    stop(&w);
}
