/* SPDX-License-Identifier: MIT */
/* What the system does to who waits: wake-ups for no reason, a machine that is suspended, a process
 * that forks. The clocks and the condition's wait are this file's (see CMakeLists.txt), so that
 * hours pass at once. */
#include "base/atomic.h"
#include "context/context.h"
#include "flow/batch.h"
#include "flow/pool.h"

#include <llmrl/config.h>
#include <llmrl/queue.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#define START (1000 * RL_SECOND)

static struct {
    int real;              /* the true clocks, and true waits but for those that are for nothing */
    uint64_t boot, mono;   /* the clocks, if not real; boot counts the time asleep */
    uint64_t for_nothing;  /* so many of the next waits end at once; real: three of four do */
    uint64_t waits;        /* in all; atomic */
    uint64_t longest;      /* that anybody wanted to sleep at once */
    uint64_t suspended_at; /* of mono; 0: never */
    uint64_t suspended_for;
} kernel;

int kernel_clock(clockid_t id, struct timespec *ts);
int kernel_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until);

int kernel_clock(clockid_t id, struct timespec *ts)
{
    uint64_t now = id == CLOCK_MONOTONIC ? kernel.mono : kernel.boot;

    if (kernel.real)
        return clock_gettime(id, ts);
    ts->tv_sec = (time_t)(now / RL_SECOND);
    ts->tv_nsec = (long)(now % RL_SECOND);
    return 0;
}

static int return_for_nothing(pthread_mutex_t *mutex)
{
    assert_int_equal(pthread_mutex_unlock(mutex), 0);
    (void)sched_yield();
    assert_int_equal(pthread_mutex_lock(mutex), 0);
    return 0;
}

static void sleep_to(uint64_t mono)
{
    kernel.longest = mono - kernel.mono > kernel.longest ? mono - kernel.mono : kernel.longest;
    if (kernel.suspended_at > kernel.mono && kernel.suspended_at <= mono)
        kernel.boot += kernel.suspended_for;
    kernel.boot += mono - kernel.mono;
    kernel.mono = mono;
}

int kernel_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    uint64_t end = (uint64_t)until->tv_sec * RL_SECOND + (uint64_t)until->tv_nsec;
    uint64_t count = rl__fetch_add(&kernel.waits, 1);

    if (kernel.real)
        return count % 4 != 3 ? return_for_nothing(mutex)
                              : pthread_cond_timedwait(condition, mutex, until);
    if (kernel.for_nothing > 0) {
        kernel.for_nothing--;
        return return_for_nothing(mutex);
    }
    assert_true(end > kernel.mono);
    sleep_to(end);
    return ETIMEDOUT;
}

/* The machine has been on for some time, and was asleep for a part of it. */
static rl_context *open_with(const char *json)
{
    rl_options options = RL_OPTIONS_INIT;
    rl_context *rl;

    memset(&kernel, 0, sizeof kernel);
    kernel.boot = START;
    kernel.mono = START / 2;
    options.config_json = json;
    assert_int_equal(rl_open(&options, &rl), RL_OK);
    return rl;
}

static rl_request ask(void)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "p";
    request.model = "m";
    request.input_tokens = 10;
    request.max_output_tokens = 10;
    request.max_wait_ms = RL_NEVER;
    return request;
}

#define ONE_IN(period)                                                                             \
    "{\"providers\": {\"p\": {\"auto_detect\": false, \"limits\": [{\"dimension\": \"requests\", " \
    "\"amount\": 1, \"period\": \"" period                                                         \
    "\", \"algorithm\": \"token_bucket\", \"burst\": 1}]}}}"

/* ---- wake-ups for no reason ---- */

#define MANY 1000

static void a_request_woken_for_nothing_sleeps_on(void **state)
{
    rl_context *rl = open_with(ONE_IN("10s"));
    rl_request request = ask();
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    kernel.for_nothing = MANY;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_true(kernel.boot == START + 10 * RL_SECOND);
    assert_int_equal(kernel.waits, MANY + 1); /* each time it lay down again, once */
    rl_close(rl);
}

static void a_slot_is_not_had_by_being_woken(void **state)
{
    rl_pool_options options = RL_POOL_OPTIONS_INIT;
    rl_pool *pool;
    rl_slot slot;

    (void)state;
    rl_close(open_with("{}"));
    options.slots = 1;
    options.lease = 5 * RL_SECOND;
    assert_int_equal(rl_pool_new(&options, &pool), RL_OK);
    assert_int_equal(rl_pool_acquire(pool, 1, 0, &slot), RL_OK);
    kernel.waits = 0;
    kernel.for_nothing = MANY;
    assert_int_equal(rl_pool_acquire(pool, 2, 2 * RL_SECOND, &slot), RL_E_TIMEOUT);
    assert_true(kernel.boot == START + 2 * RL_SECOND);
    assert_int_equal(kernel.waits, MANY + 1);
    kernel.for_nothing = MANY;
    assert_int_equal(rl_pool_acquire(pool, 2, RL_NEVER, &slot), RL_OK);
    assert_true(kernel.boot == START + 5 * RL_SECOND);
    assert_int_equal(kernel.waits, 2 * (MANY + 1));
    assert_int_equal(rl_pool_release(&slot, RL_SLOT_SUCCESS, 0, rl_pool_now(pool)), RL_OK);
    rl_pool_free(pool);
}

static void end_batch(const rl_batch *batch, void *user)
{
    *(rl_time *)user = kernel.boot;
    assert_int_equal(rl_batch_done(batch, NULL, NULL, batch->count), RL_OK);
}

static void a_batch_does_not_leave_by_being_woken(void **state)
{
    rl_batcher_options options = RL_BATCHER_OPTIONS_INIT;
    rl_time left_at = 0;
    rl_batcher *batcher;
    void *result;

    (void)state;
    rl_close(open_with("{}"));
    options.run = end_batch;
    options.user = &left_at;
    options.max_wait = 3 * RL_SECOND;
    assert_int_equal(rl_batcher_new(&options, &batcher), RL_OK);
    kernel.for_nothing = MANY;
    assert_int_equal(rl_batcher_submit_and_wait(batcher, &options, 1, &result), RL_OK);
    assert_true(left_at == START + 3 * RL_SECOND);
    assert_int_equal(kernel.waits, MANY + 1);
    rl_batcher_free(batcher);
}

#define THREADS 6
#define ROUNDS  50

static struct {
    rl_context *rl;
    uint64_t inside, most, served; /* atomic */
} room;

static void *come_and_go(void *user)
{
    (void)user;
    for (int i = 0; i < ROUNDS; i++) {
        rl_request request = ask();
        rl_permit permit;

        assert_int_equal(rl_acquire(room.rl, &request, &permit), RL_OK);
        rl__raise_to(&room.most, rl__fetch_add(&room.inside, 1) + 1);
        (void)sched_yield();
        (void)rl__fetch_add(&room.inside, UINT64_MAX);
        (void)rl__fetch_add(&room.served, 1);
        assert_int_equal(rl_cancel(room.rl, &permit), RL_OK);
    }
    return NULL;
}

static void threads_woken_for_nothing_keep_their_turns(void **state)
{
    pthread_t thread[THREADS];

    (void)state;
    memset(&room, 0, sizeof room);
    room.rl = open_with("{\"providers\": {\"p\": {\"auto_detect\": false, \"concurrency\": 1}}}");
    kernel.real = 1;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(room.served, THREADS * ROUNDS);
    assert_int_equal(room.most, 1);
    assert_true(kernel.waits > 0);
    rl_close(room.rl);
}

/* ---- the machine is suspended ---- */

static void suspend_in(rl_duration until, rl_duration span)
{
    kernel.suspended_at = kernel.mono + until;
    kernel.suspended_for = span;
}

/* The condition's clock stood still meanwhile: so nobody sleeps for longer than a minute of it. */
static void the_time_asleep_refills_and_is_seen_within_a_minute(void **state)
{
    rl_context *rl = open_with(ONE_IN("hour"));
    rl_request request = ask();
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    suspend_in(10 * RL_MINUTE, 5 * RL_HOUR);
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_true(kernel.boot >= START + 5 * RL_HOUR + 10 * RL_MINUTE);
    assert_true(kernel.boot <= START + 5 * RL_HOUR + 11 * RL_MINUTE);
    assert_true(kernel.longest <= RL_MINUTE);
    assert_true(permit.granted_at == kernel.boot);
    rl_close(rl);
}

static void the_longest_wait_ends_in_the_time_asleep(void **state)
{
    rl_context *rl = open_with(ONE_IN("hour"));
    rl_request request = ask();
    rl_permit permit;

    (void)state;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    suspend_in(10 * RL_MINUTE, 5 * RL_HOUR);
    request.max_wait_ms = 2 * 3600 * 1000;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_E_TIMEOUT);
    assert_true(permit.retry_at <= kernel.boot); /* it may ask again at once */
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    rl_close(rl);
}

static void a_lease_ends_in_the_time_asleep(void **state)
{
    rl_pool_options options = RL_POOL_OPTIONS_INIT;
    rl_slot slot[2];
    rl_pool *pool;

    (void)state;
    rl_close(open_with("{}"));
    options.slots = 1;
    options.lease = RL_HOUR;
    assert_int_equal(rl_pool_new(&options, &pool), RL_OK);
    assert_int_equal(rl_pool_acquire(pool, 1, 0, &slot[0]), RL_OK);
    suspend_in(RL_MINUTE / 2, 5 * RL_HOUR);
    assert_int_equal(rl_pool_acquire(pool, 2, RL_NEVER, &slot[1]), RL_OK);
    assert_true(kernel.boot <= START + 5 * RL_HOUR + RL_MINUTE);
    assert_int_equal(rl_pool_release(&slot[0], RL_SLOT_SUCCESS, 0, kernel.boot), RL_E_ENDED);
    assert_int_equal(rl_pool_release(&slot[1], RL_SLOT_SUCCESS, 0, kernel.boot), RL_OK);
    rl_pool_free(pool);
}

static void count_ready(rl_attempt *attempt, int ready, void *user)
{
    assert_true(ready == (attempt->status == RL_WAIT));
    *(int *)user += ready;
}

/* Five hours are worth a burst, not five hours' requests. */
static void after_waking_those_who_wait_leave_at_the_pace(void **state)
{
    rl_context *rl = open_with(ONE_IN("second"));
    rl_request request = ask();
    rl_attempt attempt[5];
    int ready = 0;

    (void)state;
    for (int i = 0; i < 5; i++) {
        attempt[i] = RL_ATTEMPT_INIT;
        assert_int_equal(rl_attempt_submit(rl, &request, &attempt[i], count_ready, &ready), RL_OK);
    }
    assert_int_equal(rl_dispatch(rl), 1);
    kernel.boot += 5 * RL_HOUR;
    for (int i = 2; i <= 5; i++) {
        (void)rl_dispatch(rl);
        assert_int_equal(ready, i);
        if (i < 5)
            assert_true(rl_next_wakeup(rl) == kernel.boot + RL_SECOND);
        kernel.boot += RL_SECOND;
    }
    for (int i = 0; i < 5; i++)
        rl_attempt_abandon(rl, &attempt[i]);
    rl_close(rl);
}

/* ---- a child of fork() ---- */

static int doors_with_locks_say_no(rl_context *rl, rl_permit *held, rl_attempt *waiting)
{
    static const rl_response response = { .size = sizeof response, .status = 200 };
    rl_request request = ask(), other = ask();
    rl_attempt attempt = RL_ATTEMPT_INIT;
    rl_breaker_status breaker = { .size = sizeof breaker };
    rl_limit_status limit[4];
    rl_ticket ticket = { { 0 } };
    rl_permit permit;
    size_t count = 4;
    int ready = 0;

    other.model = "new";
    return rl_acquire(rl, &request, &permit) == RL_E_INVALID &&
           rl_try_acquire(rl, &request, &permit) == RL_E_INVALID &&
           rl_try_acquire(rl, &other, &permit) == RL_E_INVALID &&
           rl_next_attempt(rl, &request, &attempt) == 0 && attempt.status == RL_E_INVALID &&
           rl_attempt_submit(rl, &request, &attempt, count_ready, &ready) == RL_E_INVALID &&
           rl_attempt_cancel(rl, waiting) == RL_E_INVALID && rl_dispatch(rl) == 0 &&
           rl_next_wakeup(rl) == RL_NEVER && rl_wait_fd(rl) == -1 &&
           rl_ticket_cancel(rl, &ticket) == RL_E_INVALID && rl_cancel_user(rl, "u") == 0 &&
           rl_observe_response(rl, held, &response, NULL) == RL_E_INVALID &&
           rl_limits_get(rl, limit, &count) == RL_E_INVALID &&
           rl_limits_of(rl, &request, limit, &count) == RL_E_INVALID &&
           rl_limits_reset(rl, &request) == RL_E_INVALID &&
           rl_circuit_get(rl, "p", &breaker) == RL_E_INVALID &&
           rl_config_reload(rl, NULL, "{}", NULL, 0) == RL_E_INVALID &&
           rl_config_patch(rl, "{}", NULL, 0) == RL_E_INVALID;
}

static int is_all_zero(const rl_permit *permit)
{
    static const uint64_t nothing[sizeof permit->private_ / sizeof permit->private_[0]];

    return memcmp(permit->private_, nothing, sizeof nothing) == 0;
}

static int doors_without_locks_say_no(rl_context *rl, rl_permit *held)
{
    static const rl_usage usage = { .has = 0 };
    rl_stats stats = { .size = sizeof stats };
    rl_request request = ask();
    rl_permit permit;
    rl_scope scope;

    memset(&permit, 1, sizeof permit);
    return rl_try_acquire(rl, &request, &permit) == RL_E_INVALID && is_all_zero(&permit) &&
           rl_acquire(rl, &request, &permit) == RL_E_INVALID && is_all_zero(&permit) &&
           rl_settle(rl, held, &usage) == RL_E_INVALID && rl_cancel(rl, held) == RL_E_INVALID &&
           !is_all_zero(held) && rl_scope_resolve(rl, &request, &scope) == RL_E_INVALID &&
           rl_stats_get(rl, &stats) == RL_E_INVALID;
}

static int pool_says_no(rl_pool *pool, const rl_slot *held)
{
    rl_pool_state pool_state = RL_POOL_STATE_INIT;
    rl_pool_holder holder[1];
    size_t count = 1;
    rl_slot slot;

    return rl_pool_try_acquire(pool, 1, 0, &slot, NULL) == RL_E_INVALID &&
           rl_pool_acquire(pool, 1, RL_NEVER, &slot) == RL_E_INVALID &&
           rl_pool_release(held, RL_SLOT_SUCCESS, 0, 0) == RL_E_INVALID &&
           rl_pool_renew(held, 0) == RL_E_INVALID && rl_pool_cancel(pool, 1) == 0 &&
           rl_pool_evict(pool, 1, 0) == 0 && rl_pool_resize(pool, 2, 0) == RL_E_INVALID &&
           rl_pool_state_get(pool, 0, &pool_state) == RL_E_INVALID &&
           rl_pool_holders(pool, 0, holder, &count) == RL_E_INVALID;
}

static int batcher_says_no(rl_batcher *batcher, const rl_batch *batch)
{
    void *result;
    int item;

    rl_batcher_flush(batcher);
    return rl_batcher_add(batcher, &item, 1, 0, NULL, NULL) == RL_E_INVALID &&
           rl_batcher_next(batcher) == RL_NEVER && rl_batcher_dispatch(batcher, 0) == 0 &&
           rl_batcher_cancel(batcher, 1) == RL_E_INVALID &&
           rl_batch_done(batch, NULL, NULL, 1) == RL_E_INVALID &&
           rl_batch_fail(batch, RL_E_TRANSPORT, RL_BATCH_BLAME_ALL) == RL_E_INVALID &&
           rl_batcher_submit_and_wait(batcher, &item, 1, &result) == RL_E_INVALID &&
           rl_batcher_left(batcher) == 0;
}

static void expect_success(pid_t child)
{
    int status = -1;

    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Each lock is held by a thread that the child does not have. */
static void expect_no_door_to_hang(int with_mark)
{
    rl_context *rl = open_with(ONE_IN("hour"));
    rl_request request = ask();
    rl_attempt waiting = RL_ATTEMPT_INIT;
    struct rl__provider *provider;
    rl_permit permit;
    uint64_t *mark = rl->env.mark;
    int ready = 0;
    pid_t child;

    with_mark = with_mark && mark != NULL; /* an old kernel has none */
    rl->env.mark = with_mark ? mark : NULL;
    assert_int_equal(rl_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_attempt_submit(rl, &request, &waiting, count_ready, &ready), RL_OK);
    provider = rl->registry.providers;
    rl__lock(&rl->reloading);
    rl__lock(&rl->lock);
    rl__lock(&rl->registry.lock);
    rl__lock(&provider->learning);
    if ((child = fork()) == 0) {
        int no;

        (void)alarm(60);
        no =
            doors_with_locks_say_no(rl, &permit, &waiting) &&
            (with_mark ? doors_without_locks_say_no(rl, &permit) : rl_cancel(rl, &permit) == RL_OK);
        rl_close(rl);
        _exit(no ? 0 : 1);
    }
    rl__unlock(&provider->learning);
    rl__unlock(&rl->registry.lock);
    rl__unlock(&rl->lock);
    rl__unlock(&rl->reloading);
    rl->env.mark = mark;
    expect_success(child);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK); /* the parent's is as it was */
    assert_int_equal(rl_dispatch(rl), 1);
    assert_int_equal(ready, 1);
    rl_attempt_abandon(rl, &waiting);
    rl_close(rl);
}

static void no_door_of_a_context_hangs_in_a_child(void **state)
{
    (void)state;
    expect_no_door_to_hang(1);
}

static void without_a_mark_the_doors_with_locks_ask_the_system(void **state)
{
    (void)state;
    expect_no_door_to_hang(0);
}

/* Also where it would be granted at once, and nothing need be waited for. */
static void nothing_is_granted_or_given_back_in_a_child(void **state)
{
    rl_context *rl = open_with("{\"providers\": {\"p\": {\"concurrency\": 4}}}");
    rl_request request = ask();
    rl_permit permit;
    pid_t child;

    (void)state;
    if (rl->env.mark == NULL)
        skip(); /* an old kernel, or no Linux: the header says what holds there */
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    if ((child = fork()) == 0) {
        int no = doors_without_locks_say_no(rl, &permit);
        rl_context *own = open_with("{}");

        no = no && rl_try_acquire(own, &request, &permit) == RL_OK &&
             rl_cancel(own, &permit) == RL_OK;
        rl_close(own);
        rl_close(rl);
        _exit(no ? 0 : 1);
    }
    expect_success(child);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    assert_int_equal(rl_try_acquire(rl, &request, &permit), RL_OK);
    assert_int_equal(rl_cancel(rl, &permit), RL_OK);
    rl_close(rl);
}

static void no_door_of_a_pool_hangs_in_a_child(void **state)
{
    rl_pool_options options = RL_POOL_OPTIONS_INIT;
    rl_pool *pool;
    rl_slot slot;
    pid_t child;

    (void)state;
    options.slots = 1;
    assert_int_equal(rl_pool_new(&options, &pool), RL_OK);
    assert_int_equal(rl_pool_acquire(pool, 1, 0, &slot), RL_OK);
    rl__lock(&pool->lock);
    if ((child = fork()) == 0) {
        int no;

        (void)alarm(60);
        no = pool_says_no(pool, &slot);
        rl_pool_close(pool);
        rl_pool_free(pool);
        _exit(no ? 0 : 1);
    }
    rl__unlock(&pool->lock);
    expect_success(child);
    assert_int_equal(rl_pool_release(&slot, RL_SLOT_SUCCESS, 0, rl_pool_now(pool)), RL_OK);
    rl_pool_free(pool);
}

static void fork_in_batch(const rl_batch *batch, void *user)
{
    pid_t child;

    (void)user;
    rl__lock(&batch->batcher->lock);
    if ((child = fork()) == 0) {
        int no;

        (void)alarm(60);
        no = batcher_says_no(batch->batcher, batch);
        rl_batcher_close(batch->batcher, RL_BATCHER_FLUSH);
        rl_batcher_free(batch->batcher);
        _exit(no ? 0 : 1);
    }
    rl__unlock(&batch->batcher->lock);
    expect_success(child);
    assert_int_equal(rl_batch_done(batch, NULL, NULL, batch->count), RL_OK);
}

static void count_ended(void *item, rl_status status, void *result, void *user)
{
    (void)result;
    (void)user;
    assert_int_equal(status, RL_OK);
    *(int *)item += 1;
}

static void no_door_of_a_batcher_hangs_in_a_child(void **state)
{
    rl_batcher_options options = RL_BATCHER_OPTIONS_INIT;
    rl_batcher *batcher;
    int ended = 0;

    (void)state;
    options.run = fork_in_batch;
    options.ended = count_ended;
    options.max_items = 1;
    assert_int_equal(rl_batcher_new(&options, &batcher), RL_OK);
    assert_int_equal(rl_batcher_add(batcher, &ended, 1, 1, NULL, NULL), RL_OK);
    assert_int_equal(rl_batcher_dispatch(batcher, 1), 1);
    assert_int_equal(ended, 1);
    rl_batcher_free(batcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_woken_for_nothing_sleeps_on),
        cmocka_unit_test(a_slot_is_not_had_by_being_woken),
        cmocka_unit_test(a_batch_does_not_leave_by_being_woken),
        cmocka_unit_test(threads_woken_for_nothing_keep_their_turns),
        cmocka_unit_test(the_time_asleep_refills_and_is_seen_within_a_minute),
        cmocka_unit_test(the_longest_wait_ends_in_the_time_asleep),
        cmocka_unit_test(a_lease_ends_in_the_time_asleep),
        cmocka_unit_test(after_waking_those_who_wait_leave_at_the_pace),
        cmocka_unit_test(no_door_of_a_context_hangs_in_a_child),
        cmocka_unit_test(without_a_mark_the_doors_with_locks_ask_the_system),
        cmocka_unit_test(nothing_is_granted_or_given_back_in_a_child),
        cmocka_unit_test(no_door_of_a_pool_hangs_in_a_child),
        cmocka_unit_test(no_door_of_a_batcher_hangs_in_a_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
