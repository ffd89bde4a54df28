/* SPDX-License-Identifier: MIT */
/* Admission takes everywhere or nowhere; a permit ends once; names find their lanes. */
#include "scope/admit.h"
#include "scope/permit.h"
#include "scope/registry.h"
#include "vclock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW (1000 * RL_SECOND)

static const struct rl__who nobody;

struct world {
    struct vclock clock;
    struct rl__env env;
    struct rl__registry registry;
};

static rl_status no_provider(void *user, struct rl__provider *provider)
{
    (void)user;
    (void)provider;
    return RL_OK;
}

static rl_status no_lane(void *user, struct rl__provider *provider, struct rl__lane_node *node,
                         const char *model)
{
    (void)user;
    (void)provider;
    (void)node;
    (void)model;
    return RL_OK;
}

static int set_up(void **state)
{
    static struct world world;
    rl_hooks hooks;

    memset(&world, 0, sizeof world);
    world.clock.now = NOW;
    hooks = vclock_hooks(&world.clock);
    assert_int_equal(rl__env_init(&world.env, &hooks), RL_OK);
    assert_int_equal(rl__registry_init(&world.registry, &world.env), RL_OK);
    world.registry.furnish_provider = no_provider;
    world.registry.furnish_lane = no_lane;
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    rl__registry_deinit(&((struct world *)*state)->registry);
    return 0;
}

static struct rl__lane *lane_of(struct world *world, const char *provider, const char *model)
{
    struct rl__lane *lane = NULL;

    assert_int_equal(rl__registry_lane(&world->registry, provider, model, &lane), RL_OK);
    return lane;
}

static struct rl__entry *add(struct rl__scope *scope, uint32_t dimension, uint64_t amount,
                             uint64_t burst)
{
    rl_limit limit = RL_LIMIT_INIT;
    struct rl__entry *entry = NULL;

    limit.amount = amount;
    limit.period = RL_MINUTE;
    limit.burst = burst;
    assert_int_equal(rl__scope_add(scope, &(struct rl__rule){ .dimension = dimension }, &limit,
                                   RL_SOURCE_CONFIG, NOW, &entry),
                     RL_OK);
    return entry;
}

static struct rl__cost cost_of(uint64_t tokens)
{
    return (struct rl__cost){
        .amount = { 1, tokens, tokens / 2,
                    tokens - tokens / 2, [RL_CONCURRENCY] = 1, [RL__WHOLE_INPUT] = tokens / 2 },
        .input_ratio = 3 * RL__RATIO_EVEN + 5,
        .output_share = RL__SHARE_WHOLE - 24
    };
}

static void one_name_is_one_lane(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");

    assert_ptr_equal(lane, lane_of(world, "openai", "gpt"));
    assert_ptr_not_equal(lane, lane_of(world, "openai", "gpt2"));
    assert_ptr_not_equal(lane, lane_of(world, "openai/gpt", ""));
    assert_ptr_not_equal(lane_of(world, "openai", NULL), lane);
    assert_ptr_equal(lane_of(world, "openai", NULL), lane_of(world, "openai", ""));
    assert_ptr_equal(lane->scope[1], lane_of(world, "openai", "gpt2")->scope[1]);
    assert_ptr_not_equal(lane->scope[1], lane_of(world, "groq", "gpt")->scope[1]);
}

static void bad_names_are_refused(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane;
    char longer[300];
    const char *const bad[][2] = {
        { NULL, "m" }, { "", "m" }, { "a\nb", "m" }, { "a", "m\r" }, { "a", "\x7f" }
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(rl__registry_lane(&world->registry, bad[i][0], bad[i][1], &lane),
                         RL_E_INVALID);
    memset(longer, 'x', sizeof longer);
    longer[RL__MODEL_NAME_MAX + 1] = '\0';
    assert_int_equal(rl__registry_lane(&world->registry, "a", longer, &lane), RL_E_INVALID);
    longer[RL__MODEL_NAME_MAX] = '\0';
    assert_int_equal(rl__registry_lane(&world->registry, "a", longer, &lane), RL_OK);
}

static void the_table_has_an_end(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane;
    char name[16];

    for (int i = 0; i < RL__MODELS_MAX; i++) {
        snprintf(name, sizeof name, "m%d", i);
        assert_int_equal(rl__registry_lane(&world->registry, "p", name, &lane), RL_OK);
    }
    assert_int_equal(rl__registry_lane(&world->registry, "p", "more", &lane), RL_E_TABLE_FULL);
    assert_int_equal(rl__registry_lane(&world->registry, "p", "m7", &lane), RL_OK);
}

static void a_refusal_changes_no_word(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__entry *entry[4] = { add(&world->registry.global, RL_REQUESTS, 60, 10),
                                   add(lane->scope[1], RL_TOKENS, 6000, 1000),
                                   add(lane->scope[RL__MODEL_SCOPE], RL_REQUESTS, 60, 1),
                                   add(lane->scope[RL__MODEL_SCOPE], RL_OUTPUT_TOKENS, 6000, 500) };
    struct rl__cost cost = cost_of(100);
    struct rl__refusal refusal;
    struct rl__taken taken;
    uint64_t before[4];

    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_OK);
    for (int i = 0; i < 4; i++)
        before[i] = entry[i]->limiter.word[0];
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_WAIT);
    for (int i = 0; i < 4; i++)
        assert_int_equal(entry[i]->limiter.word[0], before[i]);
    assert_ptr_equal(refusal.entry, entry[2]);
    assert_int_equal(refusal.by, RL__HELD_BY_LIMIT);
    assert_int_equal(refusal.retry_at, NOW + RL_SECOND);
    assert_int_equal(rl__lane_in_flight(lane), 1);
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW + RL_SECOND - 1, &taken, &refusal),
                     RL_WAIT);
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW + RL_SECOND, &taken, &refusal),
                     RL_OK);
}

/* SEED-BUGS 2: every declared limit is enforced, tokens too. And the latest of all times is the one
 * that counts. */
static void all_limits_hold_and_the_latest_decides(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__entry *tokens = add(lane->scope[1], RL_TOKENS, 6000, 1000);
    struct rl__cost cost = cost_of(1000);
    struct rl__refusal refusal;
    struct rl__taken taken;

    add(lane->scope[RL__MODEL_SCOPE], RL_REQUESTS, 60, 1);
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_OK);
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_WAIT);
    assert_ptr_equal(refusal.entry, tokens);
    assert_int_equal(refusal.retry_at, NOW + 10 * RL_SECOND);
}

static void too_large_is_said_at_once_even_behind_a_gate(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__entry *tokens = add(lane->scope[RL__MODEL_SCOPE], RL_TOKENS, 6000, 1000);
    struct rl__cost cost = cost_of(1001);
    struct rl__refusal refusal;
    struct rl__taken taken;

    lane->scope[1]->closed_until = NOW + RL_HOUR;
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_E_TOO_LARGE);
    assert_ptr_equal(refusal.entry, tokens);
}

static void a_closed_gate_holds_everybody_below_it(void **state)
{
    struct world *world = *state;
    struct rl__lane *a = lane_of(world, "openai", "a"), *b = lane_of(world, "openai", "b");
    struct rl__lane *other = lane_of(world, "groq", "a");
    struct rl__cost cost = cost_of(1);
    struct rl__refusal refusal;
    struct rl__taken taken;

    a->scope[RL__MODEL_SCOPE]->closed_until = NOW + RL_SECOND;
    assert_int_equal(rl__admit(a, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_WAIT);
    assert_int_equal(refusal.by, RL__HELD_BY_GATE);
    assert_int_equal(rl__admit(b, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_OK);
    b->scope[1]->closed_until = NOW + 2 * RL_SECOND;
    assert_int_equal(rl__admit(b, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_WAIT);
    assert_int_equal(refusal.retry_at, NOW + 2 * RL_SECOND);
    assert_int_equal(rl__admit(other, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_OK);
    assert_int_equal(rl__admit(a, &nobody, &cost, NULL, NOW + 2 * RL_SECOND, &taken, &refusal),
                     RL_OK);
}

static void few_are_in_flight_while_nothing_is_known(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__cost cost = cost_of(1);
    struct rl__refusal refusal;
    struct rl__taken taken;

    lane->probe_window = 2;
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_OK);
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_OK);
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_WAIT);
    assert_int_equal(refusal.by, RL__HELD_BY_PROBE);
    assert_int_equal(refusal.retry_at, RL_NEVER);
}

static int64_t left_in(const struct rl__entry *entry)
{
    rl_level level;

    rl_limiter_snapshot(&entry->limiter, NOW, &level);
    return level.remaining;
}

static void settling_books_the_difference(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__entry *tokens = add(lane->scope[RL__MODEL_SCOPE], RL_TOKENS, 6000, 1000);
    struct rl__cost cost = cost_of(400), reserved, used = cost_of(150);
    struct rl__refusal refusal;
    struct rl__grant grant;
    struct rl__taken taken;
    rl_permit permit;

    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_OK);
    rl__permit_start(&permit, lane, &nobody, &cost, &taken, NOW);
    assert_int_equal(left_in(tokens), 600);
    assert_int_equal(rl__permit_take(&permit, &grant, &reserved), 1);
    assert_memory_equal(&reserved, &cost, sizeof cost);
    (void)rl__grant_settle(&grant, NULL, &reserved, &used, RL__ADAPTIVE_NEUTRAL, NOW, NOW);
    assert_int_equal(left_in(tokens), 850);
    assert_int_equal(rl__lane_in_flight(lane), 0);
    assert_int_equal(rl__permit_take(&permit, &grant, &reserved), 0);
    used = cost_of(2000); /* more than was reserved: debt */
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_OK);
    rl__permit_start(&permit, lane, &nobody, &cost, &taken, NOW);
    assert_int_equal(rl__permit_take(&permit, &grant, &reserved), 1);
    (void)rl__grant_settle(&grant, NULL, &reserved, &used, RL__ADAPTIVE_NEUTRAL, NOW, NOW);
    assert_int_equal(left_in(tokens), -1150);
}

static void a_younger_limiter_owes_nothing_to_an_older_permit(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__cost cost = cost_of(400), reserved, nothing = { .amount = { 0 } };
    struct rl__refusal refusal;
    struct rl__entry *young;
    struct rl__grant grant;
    struct rl__taken taken;
    rl_permit permit;

    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_OK);
    rl__permit_start(&permit, lane, &nobody, &cost, &taken, NOW);
    young = add(lane->scope[RL__MODEL_SCOPE], RL_TOKENS, 6000, 1000);
    rl_limiter_set_level(&young->limiter, 0, NOW);
    assert_int_equal(rl__permit_take(&permit, &grant, &reserved), 1);
    assert_int_equal(rl__grant_level(&grant, young), RL__NO_SNAPSHOT);
    (void)rl__grant_settle(&grant, NULL, &reserved, &nothing, RL__ADAPTIVE_NEUTRAL, NOW, NOW);
    assert_int_equal(left_in(young), 0);
}

static void a_grant_remembers_the_level_and_follows_corrections(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__entry *tokens = add(lane->scope[RL__MODEL_SCOPE], RL_TOKENS, 6000, 1000);
    struct rl__cost cost = cost_of(100), reserved;
    struct rl__refusal refusal;
    struct rl__grant grant;
    struct rl__taken taken;
    rl_permit permit;

    rl__entry_correct(tokens, -50, NOW);
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_OK);
    rl__permit_start(&permit, lane, &nobody, &cost, &taken, NOW);
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal),
                     RL_OK); /* a later one: not in the level */
    assert_int_equal(rl__permit_take(&permit, &grant, &reserved), 1);
    assert_int_equal(rl__grant_level(&grant, tokens), 850);
    rl__entry_correct(tokens, -20, NOW);
    assert_int_equal(rl__grant_level(&grant, tokens), 830);
}

/* As when a queue lets two go at once, and only then hands out the permits. */
static void each_grant_remembers_its_own_level(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__entry *tokens = add(lane->scope[RL__MODEL_SCOPE], RL_TOKENS, 6000, 1000);
    struct rl__cost cost = cost_of(100), reserved;
    struct rl__refusal refusal;
    struct rl__grant grant;
    struct rl__taken taken[2];
    rl_permit permit;

    for (size_t i = 0; i < 2; i++)
        assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken[i], &refusal), RL_OK);
    for (size_t i = 0; i < 2; i++) {
        rl__permit_start(&permit, lane, &nobody, &cost, &taken[i], NOW);
        assert_int_equal(rl__permit_take(&permit, &grant, &reserved), 1);
        assert_int_equal(rl__grant_level(&grant, tokens), i == 0 ? 900 : 800);
    }
}

static void settle_one(struct rl__lane *lane, const struct rl__taken *taken, uint64_t reserved,
                       uint64_t used, rl_time at, rl_time now)
{
    struct rl__cost cost = cost_of(reserved), spent = cost_of(used), known;
    struct rl__grant grant;
    rl_permit permit;

    rl__permit_start(&permit, lane, &nobody, &cost, taken, at);
    assert_int_equal(rl__permit_take(&permit, &grant, &known), 1);
    (void)rl__grant_settle(&grant, NULL, &known, &spent, RL__ADAPTIVE_NEUTRAL, at, now);
}

/* Forty of a bucket that is full leave at once: what a report on one of them counts in depends on
 * who arrived first. The first, and one that leaves at the pace, are as sure as ever. */
static void grants_in_a_rush_are_marked(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__entry *requests = add(lane->scope[RL__MODEL_SCOPE], RL_REQUESTS, 60, 40);
    struct rl__cost cost = cost_of(1), reserved;
    struct rl__refusal refusal;
    struct rl__grant grant;
    rl_permit permit;

    requests->holds = 60;
    requests->plenty = 4;
    for (int i = 0; i < 41; i++) {
        rl_time now = i < 40 ? NOW : NOW + RL_SECOND;
        struct rl__taken taken;

        assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, now, &taken, &refusal), RL_OK);
        rl__permit_start(&permit, lane, &nobody, &cost, &taken, now);
        assert_int_equal(rl__permit_take(&permit, &grant, &reserved), 1);
        assert_int_equal(rl__grant_level(&grant, requests), i < 40 ? 39 - i : 0);
        assert_int_equal(rl__grant_in_rush(&grant, requests), i > 4 && i < 40);
    }
}

/* The bucket paces; the ledger keeps the period to the amount, though what comes back fills the
 * bucket anew, and who is refused by it has taken nothing from the bucket. */
static void a_ledger_bounds_what_its_bucket_lets_go(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "generic", "m");
    struct rl__entry *tokens = add(lane->scope[RL__MODEL_SCOPE], RL_TOKENS, 6000, 1000);
    struct rl__cost cost = cost_of(500);
    struct rl__refusal refusal;
    struct rl__taken taken, first;
    rl_time now = NOW;
    rl_level level;
    int granted;

    assert_int_equal(rl__entry_open_ledger(lane->scope[RL__MODEL_SCOPE]->env, tokens, RL_MINUTE),
                     RL_OK);
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, now, &first, &refusal), RL_OK);
    for (granted = 1; now < NOW + RL_MINUTE; now += RL_SECOND / 10)
        granted += rl__admit(lane, &nobody, &cost, NULL, now, &taken, &refusal) == RL_OK;
    assert_int_equal(granted, 12); /* 6000: with its burst, the bucket alone lets 13 go */
    assert_int_equal(rl__entry_left(tokens, now - 1), 0);
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, now, &taken, &refusal), RL_WAIT);
    assert_int_equal(refusal.by, RL__HELD_BY_LIMIT);
    assert_true(refusal.retry_at > now && refusal.retry_at <= NOW + RL_MINUTE + RL_SECOND / 5);
    rl_limiter_snapshot(&tokens->limiter, now, &level);
    assert_true(level.remaining >= 500);
    settle_one(lane, &first, 500, 0, NOW, now - 1);
    assert_int_equal(rl__entry_left(tokens, now - 1), 500);
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, now, &taken, &refusal), RL_OK);
}

/* The provider's bucket, of which 400 were taken, has as much again when 250 of them come back
 * while `next` are on their way there. */
static void what_would_overflow_at_the_provider_does_not_come_back(void **state)
{
    static const struct {
        rl_duration later; /* when the next one leaves */
        uint64_t next;
        rl_duration answer; /* of the first one, after that */
        int64_t want;
    } row[] = {
        { RL_MINUTE, 400, 0, 600 },                    /* it was full */
        { 2 * RL_SECOND, 300, 0, 700 },                /* 800 were there: room for 200 */
        { 2 * RL_SECOND, 300, RL_SECOND, 850 },        /* the next one has arrived long since */
        { RL_SECOND, 700, 100 * RL_MILLISECOND, 260 }, /* 700 were there when it left: no loss */
        { RL_SECOND, 500, 0, 450 },                    /* 700 were there: all 250 */
        { 2 * RL_SECOND, 300, 100 * RL_MILLISECOND, 700 },
    };

    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct world *world = *state;
        char model[8] = { 'm', (char)('0' + i), '\0' };
        struct rl__lane *lane = lane_of(world, "openai", model);
        struct rl__entry *tokens = add(lane->scope[RL__MODEL_SCOPE], RL_TOKENS, 6000, 1000);
        struct rl__cost first = cost_of(400), next = cost_of(row[i].next);
        rl_time then = NOW + row[i].later;
        struct rl__refusal refusal;
        struct rl__taken taken[2];
        rl_level level;

        tokens->is_bucket = 0; /* kept by the provider just so */
        assert_int_equal(rl__admit(lane, &nobody, &first, NULL, NOW, &taken[0], &refusal), RL_OK);
        assert_int_equal(rl__admit(lane, &nobody, &next, NULL, then, &taken[1], &refusal), RL_OK);
        then += row[i].answer;
        settle_one(lane, &taken[0], 400, 150, NOW, then);
        rl_limiter_snapshot(&tokens->limiter, then, &level);
        if (level.remaining != row[i].want)
            fail_msg("row %zu: %lld", i, (long long)level.remaining);
    }
}

/* Ten leave at once, until nothing is left: all of them count, not only those that found much. */
static void a_rush_from_full_is_all_on_its_way(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__entry *tokens = add(lane->scope[RL__MODEL_SCOPE], RL_TOKENS, 6000, 1000);
    struct rl__cost first = cost_of(400), next = cost_of(100);
    rl_time then = NOW + RL_MINUTE;
    struct rl__refusal refusal;
    struct rl__taken taken, unused;
    rl_level level;

    tokens->is_bucket = 0;
    assert_int_equal(rl__admit(lane, &nobody, &first, NULL, NOW, &taken, &refusal), RL_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(rl__admit(lane, &nobody, &next, NULL, then, &unused, &refusal), RL_OK);
    settle_one(lane, &taken, 400, 150, NOW, then);
    rl_limiter_snapshot(&tokens->limiter, then, &level);
    assert_int_equal(level.remaining, 0);
}

/* However fast the answer was. */
static void what_one_has_taken_itself_is_no_longer_on_its_way(void **state)
{
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__entry *tokens = add(lane->scope[RL__MODEL_SCOPE], RL_TOKENS, 6000, 1000);
    rl_time then = NOW + 10 * RL_MILLISECOND;
    struct rl__cost cost = cost_of(400);
    struct rl__refusal refusal;
    struct rl__taken taken;
    rl_level level;

    tokens->is_bucket = 0;
    assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken, &refusal), RL_OK);
    settle_one(lane, &taken, 400, 150, NOW, then);
    rl_limiter_snapshot(&tokens->limiter, then, &level);
    assert_int_equal(level.remaining, 851);
}

/* An answer that took long: what left just now, in the span before the present one, is not its. */
static void who_left_long_ago_takes_nobody_else_off_the_way(void **state)
{
    static const struct {
        rl_duration after;
        uint64_t units;
    } next[] = { { 6000, 50 }, { 6150, 250 }, { 6200, 100 } };
    struct world *world = *state;
    struct rl__lane *lane = lane_of(world, "openai", "gpt");
    struct rl__entry *tokens = add(lane->scope[RL__MODEL_SCOPE], RL_TOKENS, 6000, 1000);
    struct rl__cost first = cost_of(400);
    struct rl__refusal refusal;
    struct rl__taken taken, unused;
    rl_time then = NOW;
    rl_level level;

    tokens->is_bucket = 0;
    assert_int_equal(rl__admit(lane, &nobody, &first, NULL, NOW, &taken, &refusal), RL_OK);
    for (size_t i = 0; i < sizeof next / sizeof next[0]; i++) {
        struct rl__cost cost = cost_of(next[i].units);

        then = NOW + next[i].after * RL_MILLISECOND;
        assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, then, &unused, &refusal), RL_OK);
    }
    settle_one(lane, &taken, 400, 150, NOW, then);
    rl_limiter_snapshot(&tokens->limiter, then, &level);
    assert_int_equal(level.remaining, 620);
}

/* Of one that began with a small burst, the provider holds more, as far as reports have shown. */
static void what_comes_back_finds_the_room_that_the_provider_has(void **state)
{
    static const struct {
        uint64_t holds;
        int64_t want;
    } row[] = { { 0, 850 }, { 1000, 600 }, { 1100, 700 }, { 2000, 850 } };

    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct world *world = *state;
        char model[8] = { 'm', (char)('0' + i), '\0' };
        struct rl__lane *lane = lane_of(world, "openai", model);
        struct rl__entry *tokens = add(lane->scope[RL__MODEL_SCOPE], RL_TOKENS, 6000, 1000);
        struct rl__cost cost = cost_of(400);
        rl_time then = NOW + RL_MINUTE;
        struct rl__refusal refusal;
        struct rl__taken taken[2];
        rl_level level;

        tokens->holds = row[i].holds;
        assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, NOW, &taken[0], &refusal), RL_OK);
        assert_int_equal(rl__admit(lane, &nobody, &cost, NULL, then, &taken[1], &refusal), RL_OK);
        settle_one(lane, &taken[0], 400, 150, NOW, then);
        rl_limiter_snapshot(&tokens->limiter, then, &level);
        if (level.remaining != row[i].want)
            fail_msg("row %zu: %lld", i, (long long)level.remaining);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_name_is_one_lane),
        TEST(bad_names_are_refused),
        TEST(the_table_has_an_end),
        TEST(a_refusal_changes_no_word),
        TEST(all_limits_hold_and_the_latest_decides),
        TEST(too_large_is_said_at_once_even_behind_a_gate),
        TEST(a_closed_gate_holds_everybody_below_it),
        TEST(few_are_in_flight_while_nothing_is_known),
        TEST(settling_books_the_difference),
        TEST(a_younger_limiter_owes_nothing_to_an_older_permit),
        TEST(a_grant_remembers_the_level_and_follows_corrections),
        TEST(each_grant_remembers_its_own_level),
        TEST(grants_in_a_rush_are_marked),
        TEST(a_ledger_bounds_what_its_bucket_lets_go),
        TEST(what_would_overflow_at_the_provider_does_not_come_back),
        TEST(a_rush_from_full_is_all_on_its_way),
        TEST(what_one_has_taken_itself_is_no_longer_on_its_way),
        TEST(who_left_long_ago_takes_nobody_else_off_the_way),
        TEST(what_comes_back_finds_the_room_that_the_provider_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
