/* SPDX-License-Identifier: MIT */
/* Whoever changes limits waits for those who are inside, by whichever door they came. */
#include "context/context.h"
#include "scope/holding.h"
#include "scope/tenants_parts.h"
#include "scope/visit.h"

#include <llmrl/config.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct change {
    rl_context *rl;
    uint64_t clear;
};

static rl_context *open_one(void)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl;

    options.config_json = "{\"users\": {\"default\": {\"requests_per_minute\": 100}}}";
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    return rl;
}

static struct rl__ask ask_of(rl_context *rl, const char *user)
{
    rl_request request = RL_REQUEST_INIT;
    struct rl__ask ask;

    request.provider = "p";
    request.user = user;
    assert_int_equal(rl__ask_read(rl, &request, 0, 0, &ask), RL_OK);
    return ask;
}

/* Of somebody under another lock. */
static struct rl__ask ask_beside(rl_context *rl, const struct rl__ask *one)
{
    char name[2] = "a";
    struct rl__ask ask;

    do {
        ask = ask_of(rl, name);
        name[0]++;
    } while ((ask.who.hash[RL__USER] ^ one->who.hash[RL__USER]) % RL__SHARDS == 0);
    return ask;
}

static void *change(void *argument)
{
    struct change *change = argument;
    struct rl__registry *registry = &change->rl->registry;

    (void)rl__count_ordered(&registry->traffic.revision, 1);
    rl__traffic_clear(&registry->traffic, registry->tenants);
    rl__store(&change->clear, 1);
    (void)rl__count_ordered(&registry->traffic.revision, 1);
    return NULL;
}

/* Time enough to be wrong. */
static void wait_for_change(const struct change *change)
{
    while (rl__load(&change->rl->registry.traffic.revision) == 0)
        (void)sched_yield();
    for (int i = 0; i < 2000; i++)
        (void)sched_yield();
}

static void a_change_waits_for_who_holds_a_tenant(void **state)
{
    struct change waits = { open_one(), 0 };
    struct rl__ask ask = ask_of(waits.rl, "u"), other = ask_beside(waits.rl, &ask);
    struct rl__holding holding, more;
    struct rl__visit visit;
    pthread_t thread;

    (void)state;
    assert_int_equal(rl__hold_all(&ask.who, RL_SECOND, &holding), RL_OK);
    assert_int_equal(holding.count, 1);
    assert_int_equal(rl__lane_enter_held(ask.lane, &visit), 1);
    assert_int_equal(pthread_create(&thread, NULL, change, &waits), 0);
    wait_for_change(&waits);
    assert_int_equal(rl__load(&waits.clear), 0);
    assert_int_equal(rl__hold_all(&other.who, RL_SECOND, &more), RL_OK);
    assert_int_equal(rl__lane_enter_held(other.lane, &visit), 0); /* nobody comes in meanwhile */
    rl__let_go_all(&more);
    rl__let_go_all(&holding);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rl__load(&waits.clear), 1);
    assert_int_equal(rl__lane_enter_held(ask.lane, &visit), 1);
    assert_int_equal(visit.generation, 1);
    rl_close(waits.rl);
}

static void a_change_waits_for_who_is_counted(void **state)
{
    struct change waits = { open_one(), 0 };
    struct rl__ask ask = ask_of(waits.rl, NULL);
    struct rl__visit visit = rl__lane_enter(ask.lane);
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, change, &waits), 0);
    wait_for_change(&waits);
    assert_int_equal(rl__load(&waits.clear), 0);
    rl__lane_leave(&visit);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rl__load(&waits.clear), 1);
    rl_close(waits.rl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_waits_for_who_holds_a_tenant),
        cmocka_unit_test(a_change_waits_for_who_is_counted),
    };
    return cmocka_run_group_tests_name("visit", tests, NULL, NULL);
}
