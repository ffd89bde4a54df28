/* SPDX-License-Identifier: MIT */
/*
 * The whole stack in random worlds (support/sim_world.h). Of each is checked: every request ends
 * once, with its answer; none leaves before the time that an answer named; and how many were
 * refused, and how much of the limits was used.
 *
 * Use: what the provider charged, less what it gave back, over whole periods in which there was
 * always somebody who waited, a first period after each beginning left out; divided by what the
 * same work costs an all-knowing client in the same world. Of several limits the one counts that
 * the all-knowing one used most of.
 *
 * LLMRL_SEED replays one world of each kind. LLMRL_SIM_HOURS: how many hours to simulate of each
 * kind (default: few), LLMRL_SIM_FIRST: from which world on, LLMRL_SIM_KIND: of one kind (the name
 * of its test), LLMRL_SIM_LIST: a line for each world.
 */
#include "sim_world.h"

#include <llmrl/queue.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOURS_DEFAULT 12
#define PERIODS_LEAST 5 /* that use is measured over */

struct draws {
    uint64_t state;
};

static uint64_t draw(struct draws *d)
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t between(struct draws *d, uint64_t low, uint64_t high)
{
    return low + draw(d) % (high - low + 1);
}

static int one_in(struct draws *d, uint64_t n)
{
    return draw(d) % n == 0;
}

/* As often between 1 and 2 as between 2 and 4. */
static uint64_t even_between(struct draws *d, uint64_t low, uint64_t high)
{
    uint64_t doublings = 0, at;

    while (low << (doublings + 1) <= high)
        doublings++;
    at = low << between(d, 0, doublings);
    at = between(d, at, 2 * at);
    return at < high ? at : high;
}

struct drawn {
    struct world_scenario s;
    char config[4000];
};

/* ---- the work ---- */

static uint64_t mean_used(const struct world_scenario *s)
{
    return (s->input_low + s->input_high) / 2 + (s->output_low + s->output_high) / 4;
}

static uint64_t largest(const struct world_scenario *s)
{
    return (s->input_high + s->output_high) * (s->large_ppm > 0 ? s->large_factor : 1);
}

static void draw_work(struct draws *d, struct world_scenario *s)
{
    s->models = (unsigned)(one_in(d, 3) ? between(d, 2, WORLD_MODELS) : 1);
    s->users = (unsigned)(one_in(d, 2) ? between(d, 1, 20) : 0);
    s->input_low = even_between(d, 10, 2000);
    s->input_high = s->input_low * between(d, 1, 3);
    s->output_low = even_between(d, 10, 1000);
    s->output_high = s->output_low * between(d, 1, 3);
    if (one_in(d, 4)) {
        s->large_ppm = between(d, 1000, 50000);
        s->large_factor = between(d, 2, 5);
    }
    s->latency_low_ms = even_between(d, 50, 5000);
    s->latency_high_ms = s->latency_low_ms * between(d, 1, 5);
}

static void draw_wire(struct draws *d, struct world_scenario *s)
{
    s->wire_low_us = even_between(d, 100, 50000);
    s->wire_high_us = s->wire_low_us + (one_in(d, 4) ? 0 : even_between(d, 10, 20000));
    s->skew_ms = one_in(d, 2) ? (int64_t)between(d, 0, 600000) - 300000 : 0;
}

/* ---- the limits ---- */

static void put_limit(struct world_scenario *s, enum world_dimension dimension, uint64_t amount,
                      rl_duration period, const struct sim_limit *like)
{
    s->limit[s->limits].keeps = *like;
    s->limit[s->limits].keeps.amount = amount;
    s->limit[s->limits].keeps.period = period;
    s->limit[s->limits].keeps.phase = like->phase % period;
    s->limit[s->limits].keeps.burst = amount * like->burst / 60 > 2 ? amount * like->burst / 60 : 2;
    s->limit[s->limits].dimension = dimension;
    s->limits++;
}

/* "sliding_window" has room for 255 entries: what is more shares them, and waits a little longer.
 */
#define LOG_RPM 100

/* Requests, tokens, or both, one of which binds. */
static void draw_limits(struct draws *d, struct world_scenario *s, const struct sim_limit *like,
                        uint64_t most)
{
    uint64_t rpm = even_between(d, 6, most), kind = draw(d) % 4;
    uint64_t share = kind == 1 ? between(d, 300, 800) : between(d, 1300, 3000);
    uint64_t tpm = rpm * mean_used(s) * share / 1000;

    if (kind != 3)
        put_limit(s, WORLD_REQUESTS, rpm, RL_MINUTE, like);
    if (kind != 2)
        put_limit(s, WORLD_TOKENS, tpm > 10 * largest(s) ? tpm : 10 * largest(s), RL_MINUTE, like);
}

/* A burst is so many seconds' worth; the largest request must fit. */
static void draw_bucket(struct draws *d, struct sim_limit *like)
{
    static const uint64_t seconds[] = { 6, 10, 15, 30, 60, 60 };

    *like = (struct sim_limit){ .keeping = SIM_KEEPS_BUCKET,
                                .burst = seconds[draw(d) % (sizeof seconds / sizeof seconds[0])] };
}

static void draw_window(struct draws *d, struct sim_limit *like, int any)
{
    *like = (struct sim_limit){ .keeping = (enum sim_keeping)between(
                                    d, SIM_KEEPS_WINDOW, any ? SIM_KEEPS_COUNTER : SIM_KEEPS_LOG) };
    if (like->keeping != SIM_KEEPS_WINDOW || one_in(d, 2))
        like->phase = between(d, 1, RL_MINUTE);
}

/* ---- when there is how much to do ---- */

static void add_phase(struct world_scenario *s, enum world_demand demand, rl_duration length,
                      uint64_t share)
{
    s->phase[s->phases++] =
        (struct world_phase){ .demand = demand, .length = length, .share = share };
}

static void add_saturated(struct world_scenario *s, rl_duration first, rl_duration period,
                          uint64_t periods)
{
    s->phase[s->phases++] = (struct world_phase){ .demand = WORLD_SATURATED,
                                                  .length = first + periods * period,
                                                  .measure_after = first,
                                                  .measure_for = periods * period };
}

static void draw_phases(struct draws *d, struct world_scenario *s)
{
    unsigned count = (unsigned)between(d, 1, WORLD_PHASES - 1), last = (unsigned)(draw(d) % count);

    for (unsigned i = 0; i < count; i++) {
        enum world_demand demand = (enum world_demand)(i == last ? WORLD_SATURATED : draw(d) % 4);

        if (demand == WORLD_SATURATED)
            add_saturated(s, RL_MINUTE + between(d, 5 * RL_SECOND, RL_MINUTE), RL_MINUTE,
                          between(d, PERIODS_LEAST, 20));
        else
            add_phase(s, demand, between(d, 5 * RL_SECOND, RL_MINUTE * between(d, 1, 15)),
                      between(d, 50, demand == WORLD_BURSTS ? 700 : 950));
    }
}

/* ---- what the client is told ---- */

static const char *word_of(enum world_dimension dimension)
{
    return dimension == WORLD_REQUESTS ? "requests" : "tokens";
}

static const char *period_word(rl_duration period)
{
    return period == RL_SECOND ? "second" : period == RL_MINUTE ? "minute" : "day";
}

/* By the short names: how they are kept is the library's affair. */
static void write_limits(const struct world_scenario *s, char *text, size_t size)
{
    for (size_t i = 0; i < s->limits; i++) {
        size_t n = strlen(text);

        snprintf(text + n, size - n, ",\"%s_per_%s\":%" PRIu64, word_of(s->limit[i].dimension),
                 period_word(s->limit[i].keeps.period), s->limit[i].keeps.amount);
    }
}

/* As they are kept. */
static void write_exact_limits(const struct world_scenario *s, char *text, size_t size)
{
    static const char *const kept[] = { "", "\"fixed_window\",\"align\":\"epoch\"",
                                        "\"fixed_window\",\"align\":\"first\"",
                                        "\"sliding_window\",\"parts\":250" };

    snprintf(text + strlen(text), size - strlen(text), ",\"limits\":[");
    for (size_t i = 0; i < s->limits; i++) {
        const struct sim_limit *limit = &s->limit[i].keeps;
        size_t n = strlen(text);

        n += (size_t)snprintf(text + n, size - n,
                              "%s{\"dimension\":\"%s\",\"amount\":%" PRIu64
                              ",\"period\":\"%s\",\"algorithm\":",
                              i > 0 ? "," : "", word_of(s->limit[i].dimension), limit->amount,
                              period_word(limit->period));
        if (limit->keeping == SIM_KEEPS_BUCKET)
            snprintf(text + n, size - n, "\"token_bucket\",\"burst\":%" PRIu64 "}", limit->burst);
        else
            snprintf(text + n, size - n, "%s}", kept[limit->keeping]);
    }
    snprintf(text + strlen(text), size - strlen(text), "]");
}

static void write_config(struct drawn *drawn,
                         void (*write)(const struct world_scenario *, char *, size_t))
{
    struct world_scenario *s = &drawn->s;
    char *text = drawn->config;
    size_t size = sizeof drawn->config;

    snprintf(text, size, "{\"providers\":{\"%s\":{\"models\":[", s->provider);
    for (unsigned m = 0; m < s->models; m++) {
        snprintf(text + strlen(text), size - strlen(text), "%s{\"name\":\"m%u\"", m > 0 ? "," : "",
                 m);
        write(s, text, size);
        snprintf(text + strlen(text), size - strlen(text), "}");
    }
    snprintf(text + strlen(text), size - strlen(text), "]}}}");
    s->config = text;
}

static void report_all(struct world_scenario *s)
{
    for (size_t i = 0; i < s->limits; i++)
        s->limit[i].reported = s->limit[i].keeps.period == RL_MINUTE;
}

/* ---- the kinds of worlds ---- */

/* Known, as it is kept; the way there takes no time, or always the same. */
static void draw_known_exactly(struct draws *d, struct drawn *drawn)
{
    struct world_scenario *s = &drawn->s;
    struct sim_limit like;

    draw_work(d, s);
    if (one_in(d, 2)) {
        draw_bucket(d, &like);
        s->provider = "openai";
    } else {
        draw_window(d, &like, 0);
        like.phase = 0;
        s->provider = "generic";
    }
    if (like.keeping == SIM_KEEPS_BUCKET || like.keeping == SIM_KEEPS_LOG)
        s->wire_low_us = s->wire_high_us = between(d, 0, 50000);
    draw_limits(d, s, &like, like.keeping == SIM_KEEPS_LOG ? LOG_RPM : 3000);
    draw_phases(d, s);
    if (one_in(d, 2))
        report_all(s);
    write_config(drawn, write_exact_limits);
}

/* The numbers are known, and not how they are kept. A provider that refills continuously and says
 * nothing keeps what is documented: a whole minute's worth. */
static void draw_known(struct draws *d, struct drawn *drawn)
{
    struct world_scenario *s = &drawn->s;
    int told = one_in(d, 2);
    struct sim_limit like;

    draw_work(d, s);
    draw_wire(d, s);
    if (one_in(d, 2)) {
        draw_bucket(d, &like);
        like.burst = told ? like.burst : 60;
        s->provider = "openai";
    } else {
        draw_window(d, &like, 1);
        s->provider = "generic";
    }
    draw_limits(d, s, &like, 3000);
    draw_phases(d, s);
    if (told)
        report_all(s);
    s->absolute_times = one_in(d, 3);
    write_config(drawn, write_limits);
}

/* Nothing is known; the answers tell. */
static void draw_told(struct draws *d, struct drawn *drawn)
{
    draw_known(d, drawn);
    report_all(&drawn->s);
    drawn->s.config = NULL;
}

/* A day's limit that binds, and a minute's. By a clock that is wrong the day would begin at another
 * moment: then a program that starts between the two midnights spends one day twice. */
static void draw_day(struct draws *d, struct drawn *drawn)
{
    struct world_scenario *s = &drawn->s;
    struct sim_limit like = { .keeping = SIM_KEEPS_WINDOW };
    uint64_t rpm = even_between(d, 20, 60), whole;

    draw_work(d, s);
    draw_wire(d, s);
    s->skew_ms = 0;
    s->provider = "generic";
    if (one_in(d, 2)) {
        draw_bucket(d, &like);
        like.burst = 60;
        s->provider = "openai";
    }
    whole = rpm * between(d, 60, 300);
    put_limit(s, WORLD_REQUESTS, rpm, RL_MINUTE, &like);
    put_limit(s, WORLD_REQUESTS, whole, RL_DAY, &like);
    add_saturated(s, RL_DAY + between(d, RL_SECOND, RL_HOUR), RL_DAY, between(d, 1, 2));
    s->absolute_times = one_in(d, 3);
    write_config(drawn, write_limits);
}

/* Something is wrong. */
static void draw_disturbed(struct draws *d, struct drawn *drawn)
{
    struct world_scenario *s = &drawn->s;
    rl_duration at = between(d, 70, 600) * RL_SECOND;

    if (one_in(d, 2))
        draw_known(d, drawn);
    else
        draw_told(d, drawn);
    switch (draw(d) % 7) {
    case 0:
        s->neighbour_share = between(d, 50, 500);
        break;
    case 1:
        s->change_at = at;
        s->change_share = between(d, 300, 3000);
        break;
    case 2:
        s->outage_at = at;
        s->outage_for = between(d, 5, 120) * RL_SECOND;
        break;
    case 3:
        s->lost_request_ppm = between(d, 100, 20000);
        s->lost_answer_ppm = between(d, 100, 20000);
        break;
    case 4:
        s->fault_500_ppm = between(d, 100, 50000);
        break;
    case 5:
        s->lie = (enum world_lie)(draw(d) % WORLD_LIES);
        s->lie_ppm = between(d, 100, 100000);
        break;
    default:
        s->no_hints = 1;
        s->skew_ms = (int64_t)between(d, 0, UINT64_C(172800000)) - 86400000;
        break;
    }
}

/* What a world is held to, and why not always to 0 refusals and nearly all of the limit. */
struct bound {
    uint64_t refused_ppm, refused_few; /* after the first minute: a share, and so many beside it */
    double used;
    int may_fail; /* requests may end without an answer: the provider was out */
};

struct kind {
    const char *name;
    void (*draw)(struct draws *, struct drawn *);
    void (*bound)(const struct world_scenario *, struct bound *);
    uint64_t refused_ppm; /* of all worlds of the kind together */
};

struct sum {
    double hours, strict_hours, least_used, used; /* strict: not one may be refused */
    uint64_t worlds, late_arrived, late_refused, arrived, refused, bad;
};

/* Of the limit that the all-knowing one used most of. */
static double used_of(const struct world_scenario *s, const struct world_result *own,
                      const struct world_result *best)
{
    double most = 0, used = 1;

    for (size_t i = 0; i < s->limits; i++) {
        const struct sim_limit *limit = &s->limit[i].keeps;
        double share = (double)best->spent[i] / (double)limit->amount * (double)limit->period;

        if (share <= most)
            continue;
        most = share;
        used = (double)own->spent[i] / (double)best->spent[i];
    }
    return used;
}

static int has_tokens(const struct world_scenario *s)
{
    return s->limit[s->limits - 1].dimension == WORLD_TOKENS;
}

static int is_bucket(const struct world_scenario *s)
{
    return s->limit[0].keeps.keeping == SIM_KEEPS_BUCKET;
}

/* What is reserved and comes back with the answer counts until then in each window that is on: of
 * those who are under way, that much is never used. He who sends all at once, at the beginning of a
 * window, has it back before that ends; he who paces, as one has to who does not know when it
 * begins, has always some under way. */
static double window_share(const struct world_scenario *s)
{
    double latency, unused;

    if (!has_tokens(s) || is_bucket(s))
        return 0;
    latency = (double)(s->latency_low_ms + s->latency_high_ms) / 2 / 60000;
    unused = (double)(s->output_low + s->output_high) / 4 /
             (double)(s->input_low + s->input_high + (s->output_low + s->output_high) / 2) * 2;
    return latency * unused;
}

/* What one request more or less in the shortest time that is measured comes to. */
static double grain(const struct world_scenario *s)
{
    double most = 0;

    for (size_t i = 0; i < s->limits; i++) {
        double cost = s->limit[i].dimension == WORLD_REQUESTS ? 1 : (double)largest(s);
        double share = cost / (double)s->limit[i].keeps.amount / PERIODS_LEAST;

        most = share > most ? share : most;
    }
    return most;
}

/* A bucket that has hardly room for two requests: what comes back may find it full. Whether it did
 * at the provider's, where others were still on their way, is not known for sure, and who will not
 * be refused has to assume it. */
static int is_narrow(const struct world_scenario *s)
{
    return is_bucket(s) && has_tokens(s) && s->limit[s->limits - 1].keeps.burst < 3 * largest(s);
}

static void bound_exactly(const struct world_scenario *s, struct bound *bound)
{
    bound->used = is_narrow(s) ? 0.85 : 0.99 - grain(s);
}

/* A provider that counts its last window by its share is no "N in T" of any reading: to who keeps
 * that, and whose requests are not of one size, it counts a little more now and then. */
static uint64_t weighed(const struct world_scenario *s)
{
    uint64_t minutes = 0;

    for (unsigned i = 0; i < s->phases; i++)
        minutes += s->phase[i].length / RL_MINUTE + 9; /* what still waits then */
    return s->limit[0].keeps.keeping == SIM_KEEPS_COUNTER && has_tokens(s) ? minutes * s->models / 2
                                                                           : 0;
}

/* Tokens of which one request is more than a 32nd: until a report shows that there is room for two,
 * a bucket has none, and what comes back is lost in part. */
static int is_coarse(const struct world_scenario *s)
{
    return has_tokens(s) && 32 * largest(s) > s->limit[s->limits - 1].keeps.amount;
}

/* Of such a bucket, room for two is all that is kept before more is proven; and of two limits that
 * both bind now and then, the one on requests has no room to make up for what the other held back.
 * Where a last window is weighed, more of such requests are refused, each of which slows the pace.
 */
static double coarse_share(const struct world_scenario *s)
{
    double share = (double)largest(s) / (double)s->limit[s->limits - 1].keeps.amount;

    if (!is_coarse(s))
        return 0;
    return (is_bucket(s) || weighed(s) > 0 ? share : 0) + (s->limits > 1 ? share / 2 : 0);
}

/* Without reports, none is refused that the numbers allow in every documented keeping. How much a
 * bucket holds is not part of its numbers: reports teach that, and a refusal ends it. They also
 * correct the books of windows, by a unit too much at times. */
static void bound_known(const struct world_scenario *s, struct bound *bound)
{
    bound->used = is_narrow(s) ? 0.7 : 0.99 - grain(s) - 1.25 * window_share(s);
    bound->used -= coarse_share(s) + (weighed(s) > 0 ? 0.03 : 0);
    if (is_bucket(s) && !s->limit[0].reported && is_coarse(s))
        bound->used = 0.7;
    bound->refused_ppm = s->limit[0].reported ? 100 : 0;
    bound->refused_few = (s->limit[0].reported ? is_narrow(s) ? 10 : 5 : 0) + weighed(s);
}

/* The first answers tell the numbers, and until then a few go that nobody could hold back. */
static void bound_told(const struct world_scenario *s, struct bound *bound)
{
    bound_known(s, bound);
    bound->used -= 0.01;
    bound->refused_ppm = 100;
    bound->refused_few += 10;
}

static void bound_day(const struct world_scenario *s, struct bound *bound)
{
    (void)s;
    bound->used = 0.99;
}

/* Nothing lost, nothing twice and nothing early hold here, too. But what a neighbour takes, and how
 * far a limit was lowered, only headers tell: without them, refusals alone teach it, and here they
 * are not counted (prop_no_headers.c). A limit that was raised beyond what the configuration allows
 * stays where that says. */
static void bound_disturbed(const struct world_scenario *s, struct bound *bound)
{
    int lowered =
        s->neighbour_share > 0 || s->no_hints || (s->change_at > 0 && s->change_share < 1000);
    int capped = s->config != NULL && s->change_at > 0 && s->change_share > 1000;

    bound->used = capped ? 450.0 / (double)s->change_share : 0.5;
    bound->refused_ppm = lowered && !s->limit[0].reported ? 1000000 : 20000;
    bound->refused_few = 400;
    bound->may_fail = s->outage_for > 0 || s->fault_500_ppm > 0 || s->lost_answer_ppm > 0;
}

static void describe(const struct world_scenario *s)
{
    static const char *const word[] = { "bucket", "window", "first", "log", "counter" };

    print_error("  %s, %u models, %u users, input %" PRIu64 "-%" PRIu64 ", output %" PRIu64
                "-%" PRIu64 ", large %" PRIu64 " ppm * %" PRIu64 ", wire %" PRIu64 "-%" PRIu64
                " us, latency %" PRIu64 "-%" PRIu64 " ms, %s\n",
                s->provider, s->models, s->users, s->input_low, s->input_high, s->output_low,
                s->output_high, s->large_ppm, s->large_factor, s->wire_low_us, s->wire_high_us,
                s->latency_low_ms, s->latency_high_ms,
                s->limits > 0 && s->limit[0].reported ? "headers" : "no headers");
    for (size_t i = 0; i < s->limits; i++)
        print_error("  %" PRIu64 " %s per %s, %s, burst %" PRIu64 "\n", s->limit[i].keeps.amount,
                    word_of(s->limit[i].dimension), period_word(s->limit[i].keeps.period),
                    word[s->limit[i].keeps.keeping], s->limit[i].keeps.burst);
    print_error("  neighbour %" PRIu64 ", change at %.0f s to %" PRIu64
                ", out at %.0f for %.0f s, lost %" PRIu64 " and %" PRIu64 " ppm, 500 %" PRIu64
                " ppm, lie %d of %" PRIu64 " ppm, hints %d, skew %" PRId64 " ms\n",
                s->neighbour_share, (double)s->change_at / 1e9, s->change_share,
                (double)s->outage_at / 1e9, (double)s->outage_for / 1e9, s->lost_request_ppm,
                s->lost_answer_ppm, s->fault_500_ppm, (int)s->lie, s->lie_ppm, !s->no_hints,
                s->skew_ms);
}

static int is_good(const struct bound *bound, const struct world_result *r, double used)
{
    uint64_t most = r->late_arrived * bound->refused_ppm / 1000000 + bound->refused_few;

    return r->lost == 0 && r->twice == 0 && r->early == 0 && (r->failed == 0 || bound->may_fail) &&
           r->late_refused <= most && used >= bound->used;
}

static void check(const struct kind *kind, const struct world_scenario *s,
                  const struct world_result *r, double used, struct sum *sum)
{
    struct bound bound = { 0 };

    kind->bound(s, &bound);
    if (bound.refused_ppm == 0 && bound.refused_few == 0)
        sum->strict_hours += (double)r->length / 3600e9;
    if (is_good(&bound, r, used) || ++sum->bad > 20)
        return;
    print_error("%s: LLMRL_SEED=%" PRIu64 ": %" PRIu64 " of %" PRIu64 " refused (%" PRIu64
                " in all), %.4f used (at least %.4f); lost %" PRIu64 ", twice %" PRIu64
                ", into a closed gate %" PRIu64 ", retried early %" PRIu64 ", failed %" PRIu64 "\n",
                kind->name, s->seed, r->late_refused, r->late_arrived, r->refused, used, bound.used,
                r->lost, r->twice, r->early_gate, r->early_retry, r->failed);
    describe(s);
}

static void add_up(const struct world_result *r, double used, struct sum *sum)
{
    sum->worlds++;
    sum->hours += (double)r->length / 3600e9;
    sum->arrived += r->arrived;
    sum->refused += r->refused;
    sum->late_arrived += r->late_arrived;
    sum->late_refused += r->late_refused;
    sum->used += used;
    sum->least_used = sum->worlds == 1 || used < sum->least_used ? used : sum->least_used;
}

/* For who seeks the worlds that are worth a look. */
static void list(const struct world_scenario *s, const struct world_result *r, double used)
{
    static const char *const word[] = { "bucket", "window", "first", "log", "counter" };

    if (getenv("LLMRL_SIM_LIST") == NULL)
        return;
    print_message("world %" PRIu64 ": %.4f used, %" PRIu64 " of %" PRIu64 " refused, %.2f h;",
                  s->seed, used, r->late_refused, r->late_arrived, (double)r->length / 3600e9);
    for (size_t i = 0; i < s->limits; i++)
        print_message(" %" PRIu64 " %s/%s %s", s->limit[i].keeps.amount,
                      word_of(s->limit[i].dimension), period_word(s->limit[i].keeps.period),
                      word[s->limit[i].keeps.keeping]);
    print_message("; largest %" PRIu64 ", %s, in flight %.4f\n", largest(s),
                  s->limit[0].reported ? "headers" : "no headers", window_share(s));
}

static void run_world(const struct kind *kind, uint64_t seed, struct sum *sum)
{
    struct draws d = { seed };
    struct drawn drawn = { .config = "" };
    struct world_result own, best;
    double used;

    drawn.s.seed = seed;
    kind->draw(&d, &drawn);
    world_run(&drawn.s, &own);
    drawn.s.all_knowing = 1;
    world_run(&drawn.s, &best);
    used = used_of(&drawn.s, &own, &best);
    list(&drawn.s, &own, used);
    check(kind, &drawn.s, &own, used, sum);
    add_up(&own, used, sum);
}

static double number_from(const char *name, double otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtod(text, NULL);
}

static void run_kind(const struct kind *kind)
{
    const char *only = getenv("LLMRL_SEED");
    double hours = number_from("LLMRL_SIM_HOURS", HOURS_DEFAULT);
    uint64_t first = (uint64_t)number_from("LLMRL_SIM_FIRST", 0);
    struct sum sum = { 0 };

    if (only != NULL)
        run_world(kind, strtoull(only, NULL, 10), &sum);
    for (uint64_t n = 1; only == NULL && sum.hours < hours; n++)
        run_world(kind, n + first, &sum);
    print_message("%s: %" PRIu64 " worlds, %.0f hours (%.0f may not have one refused), %" PRIu64
                  " requests; %" PRIu64 " refused, %" PRIu64
                  " after the first minute; used %.4f, at least %.4f; %" PRIu64 " bad\n",
                  kind->name, sum.worlds, sum.hours, sum.strict_hours, sum.arrived, sum.refused,
                  sum.late_refused, sum.used / (double)sum.worlds, sum.least_used, sum.bad);
    assert_int_equal(sum.bad, 0);
    assert_true(sum.late_refused * 1000000 <= sum.late_arrived * kind->refused_ppm || only != NULL);
}

/* ---- a closed gate ---- */

#define WAITING 500

struct gate {
    rl_time now;
    uint64_t rng;
    size_t left;
    rl_time left_at[WAITING + 1];
};

static rl_time gate_now(void *user)
{
    return ((struct gate *)user)->now;
}

static uint64_t gate_random(void *user)
{
    return draw((struct draws *)&((struct gate *)user)->rng);
}

static void leave(rl_attempt *attempt, int ready, void *user)
{
    struct gate *gate = user;

    (void)attempt;
    assert_true(ready);
    gate->left_at[gate->left++] = gate->now;
}

static rl_context *open_gate(struct gate *gate, const char *config)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_hooks hooks = RL_HOOKS_INIT;
    rl_context *rl;

    hooks.user = gate;
    hooks.now = gate_now;
    hooks.random = gate_random;
    options.hooks = &hooks;
    options.config_json = config;
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    return rl;
}

static void submit_at_gate(rl_context *rl, const char *provider, struct gate *gate,
                           rl_attempt *attempt)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = provider;
    request.model = "m";
    request.input_tokens = 10;
    request.max_wait_ms = RL_NEVER;
    *attempt = RL_ATTEMPT_INIT;
    assert_int_equal(rl_attempt_submit(rl, &request, attempt, leave, gate), RL_OK);
}

static void refuse_first(rl_context *rl, rl_attempt *attempt, uint64_t hint_ms)
{
    rl_response response = RL_RESPONSE_INIT;
    char text[24];
    rl_header header = { "retry-after-ms", 14, text, 0 };

    snprintf(text, sizeof text, "%" PRIu64, hint_ms);
    header.value_length = strlen(text);
    response.status = 429;
    response.headers = &header;
    response.header_count = 1;
    assert_int_equal(rl_attempt_done(rl, attempt, &response), RL_OK);
}

/* In each span no more than the rate gives, and a small burst: 50 ms of it, or one. */
static void check_pace(const struct gate *gate, size_t from, uint64_t rpm)
{
    uint64_t burst = rpm / 1200 + 1;

    for (size_t i = from; i < gate->left; i++)
        for (size_t j = i; j < gate->left; j++) {
            uint64_t most =
                burst + (gate->left_at[j] - gate->left_at[i]) / RL_SECOND * rpm / 60 + rpm / 60 + 1;
            uint64_t exact =
                burst + 1 +
                (uint64_t)((double)(gate->left_at[j] - gate->left_at[i]) * (double)rpm / 60e9);

            assert_true(j - i + 1 <= (exact < most ? exact : most));
        }
}

/* 500 wait, and a 429 closes the gate: none leaves before it opens, then no faster than the limit,
 * and soon all have left. */
static void hold_at_gate(uint64_t seed)
{
    static rl_attempt attempt[WAITING];
    struct draws d = { seed };
    struct gate gate = { .now = 1000 * RL_SECOND + draw(&d) % RL_SECOND, .rng = draw(&d) };
    uint64_t rpm = even_between(&d, 6, 30000), hint_ms = even_between(&d, 1, 250000);
    const char *provider = one_in(&d, 2) ? "openai" : "generic";
    char config[128];
    rl_context *rl;
    rl_time opens;
    size_t before;

    snprintf(config, sizeof config,
             "{\"providers\":{\"%s\":{\"requests_per_minute\":%" PRIu64 "}}}", provider, rpm);
    rl = open_gate(&gate, config);
    submit_at_gate(rl, provider, &gate, &attempt[0]);
    (void)rl_dispatch(rl);
    assert_int_equal(gate.left, 1);
    for (size_t i = 1; i < WAITING; i++)
        submit_at_gate(rl, provider, &gate, &attempt[i]);
    refuse_first(rl, &attempt[0], hint_ms);
    submit_at_gate(rl, provider, &gate, &attempt[0]);
    opens = gate.now + hint_ms * RL_MILLISECOND;
    before = gate.left;
    while (gate.left < before + WAITING) {
        (void)rl_dispatch(rl);
        if (gate.left > before && gate.left_at[before] < opens)
            fail_msg("LLMRL_SEED=%" PRIu64 ": one has left before the gate opened", seed);
        if (rl_next_wakeup(rl) > gate.now)
            gate.now = rl_next_wakeup(rl);
    }
    check_pace(&gate, before, rpm);
    if (gate.left_at[before + WAITING - 1] - opens > (WAITING + 1) * RL_MINUTE / rpm * 102 / 100)
        fail_msg("LLMRL_SEED=%" PRIu64 ": %.3f s for %d at %" PRIu64 " a minute, hint %" PRIu64
                 " ms %s",
                 seed, (double)(gate.now - opens) / 1e9, WAITING, rpm, hint_ms, provider);
    rl_close(rl);
}

static void a_closed_gate_holds_500_back(void **state)
{
    const char *only = getenv("LLMRL_SEED");

    (void)state;
    if (only != NULL)
        hold_at_gate(strtoull(only, NULL, 10));
    for (uint64_t seed = 1; only == NULL && seed <= 40; seed++)
        hold_at_gate(seed);
}

#define KIND(function, name, draw, bound, refused_ppm)                                             \
    static void function(void **state)                                                             \
    {                                                                                              \
        static const struct kind kind = { name, draw, bound, refused_ppm };                        \
                                                                                                   \
        (void)state;                                                                               \
        run_kind(&kind);                                                                           \
    }

KIND(known_exactly, "known exactly", draw_known_exactly, bound_exactly, 0)
KIND(known_numbers, "known numbers", draw_known, bound_known, 100)
KIND(known_day, "a day beside the minute", draw_day, bound_day, 0)
KIND(told_by_headers, "told by headers", draw_told, bound_told, 100)
KIND(disturbed, "disturbed", draw_disturbed, bound_disturbed, 1000000)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_exactly), cmocka_unit_test(known_numbers),
        cmocka_unit_test(known_day),     cmocka_unit_test(told_by_headers),
        cmocka_unit_test(disturbed),     cmocka_unit_test(a_closed_gate_holds_500_back),
    };

    cmocka_set_test_filter(getenv("LLMRL_SIM_KIND"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
