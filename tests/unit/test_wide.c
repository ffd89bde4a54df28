/* SPDX-License-Identifier: MIT */
/* States of several words: in the caller's memory, shared by limiters and by processes, and what
 * the death of one leaves behind. And several limiters as one. */
#include "base/atomic.h"
#include "limiter/limiter.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW (1000 * RL_DAY)

static rl_limit limit_of(const char *algorithm, uint64_t amount)
{
    rl_limit limit = RL_LIMIT_INIT;

    limit.algorithm = algorithm;
    limit.amount = amount;
    limit.period = RL_DAY;
    return limit;
}

static int64_t remaining(const rl_limiter *limiter)
{
    rl_level level;

    rl_limiter_snapshot(limiter, NOW, &level);
    return level.remaining;
}

static void memory_is_measured(void **ctx)
{
    static const struct {
        const char *algorithm;
        uint64_t parts, bookings;
        size_t words;
        rl_status inside;
    } row[] = {
        { "token_bucket", 0, 0, 1, RL_OK },
        { "token_bucket", 0, 1, 7, RL_OK },
        { "token_bucket", 0, 2, 11, RL_E_INVALID },
        { "sliding_counter", 2, 0, 9, RL_OK },
        { "sliding_counter", 3, 0, 11, RL_E_INVALID },
        { "sliding_window", 0, 0, 243, RL_E_INVALID },
    };
    uint64_t words[300];

    (void)ctx;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rl_limit limit = limit_of(row[i].algorithm, 10);
        rl_limiter limiter;
        size_t count = 1;

        limit.parts = row[i].parts;
        limit.bookings = row[i].bookings;
        assert_int_equal(rl_limit_words(&limit, &count), RL_OK);
        assert_int_equal(count, row[i].words);
        assert_int_equal(rl_limiter_init(&limiter, &limit, NOW), row[i].inside);
        assert_int_equal(rl_limiter_init_at(&limiter, &limit, words, count - 1, NOW), RL_E_INVALID);
        assert_int_equal(rl_limiter_init_at(&limiter, &limit, words, count, NOW), RL_OK);
        assert_int_equal(rl_limiter_take(&limiter, 10, NOW, NULL), RL_OK);
        assert_int_equal(rl_limiter_take(&limiter, 1, NOW, NULL), RL_WAIT);
    }
}

static void attached_limiters_share_a_budget(void **ctx)
{
    static const char *const name[] = { "token_bucket", "fixed_window", "sliding_counter" };
    uint64_t words[40] = { 0 };

    (void)ctx;
    for (size_t i = 0; i < 3; i++) {
        rl_limit limit = limit_of(name[i], 10);
        rl_limiter one, other;

        assert_int_equal(rl_limiter_init_at(&one, &limit, words, 40, NOW), RL_OK);
        assert_int_equal(rl_limiter_take(&one, 4, NOW, NULL), RL_OK);
        assert_int_equal(rl_limiter_attach(&other, &limit, words, 40, NOW), RL_OK);
        assert_int_equal(remaining(&other), 6);
        assert_int_equal(rl_limiter_take(&other, 5, NOW, NULL), RL_OK);
        assert_int_equal(rl_limiter_take(&one, 2, NOW, NULL), RL_WAIT);
        assert_int_equal(remaining(&one), 1);
    }
    assert_int_equal(rl_limiter_attach(NULL, NULL, words, 40, NOW), RL_E_INVALID);
}

/* As if somebody had died in the middle of writing the state that is not valid. */
static void a_lock_of_the_dead_is_taken_over(void **ctx)
{
    rl_limit limit = limit_of("sliding_counter", 10);
    uint64_t words[40], before;
    rl_limiter limiter;

    (void)ctx;
    limit.parts = 2;
    assert_int_equal(rl_limiter_init_at(&limiter, &limit, words, 40, NOW), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 4, NOW, NULL), RL_OK);
    words[0] |= 1;
    before = words[0];
    memset(&words[words[0] & 2 ? 1 : 5], 0x5a, 4 * sizeof words[0]);
    assert_int_equal(remaining(&limiter), 6); /* readers wait for nobody */
    assert_int_equal(rl_limiter_take(&limiter, 6, NOW, NULL), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 1, NOW, NULL), RL_WAIT);
    assert_int_equal(words[0] & 1, 0);
    assert_int_equal(words[0] / 4, before / 4 + 2); /* counted on, by taking over and by taking */
}

static void only_one_owner_for_long_is_dead(void **ctx)
{
    const rl_duration most = 200 * RL_MILLISECOND;
    struct rl__patience patience = { 0, 0 };

    (void)ctx;
    assert_false(rl__is_over(&patience, 5, 7 * most)); /* the first look */
    assert_false(rl__is_over(&patience, 5, 8 * most));
    assert_false(rl__is_over(&patience, 9, 8 * most + 1)); /* another one */
    assert_false(rl__is_over(&patience, 9, 9 * most + 1));
    assert_true(rl__is_over(&patience, 9, 9 * most + 2));
}

/* ---- taken for dead ---- */

/* A step that takes so long that the lock is taken over meanwhile: it is done again, on what is
 * valid then. */
static rl_limiter late;
static int times_late, calls;

static void be_late(void)
{
    calls++;
    if (times_late-- > 0)
        late.control += 4; /* as if others had taken over, and let go */
}

static rl_status take_late(const rl_plan *plan, uint64_t *word, uint64_t cost, rl_time now,
                           rl_time *retry_at)
{
    be_late();
    return rl_algorithm_find("fixed_window")->take(plan, word, cost, now, retry_at);
}

static void carry_late(const rl_plan *before, const rl_plan *after, uint64_t *word, rl_time now)
{
    be_late();
    rl_algorithm_find("fixed_window")->carry(before, after, word, now);
}

static void who_is_taken_for_dead_begins_again(void **ctx)
{
    rl_algorithm algorithm = *rl_algorithm_find("fixed_window");
    rl_limit limit = limit_of("late", RL_AMOUNT_MAX); /* two words */

    (void)ctx;
    algorithm.name = "late";
    algorithm.take = take_late;
    algorithm.carry = carry_late;
    assert_int_equal(rl_limiter_init_with(&late, &algorithm, &limit, NOW), RL_OK);
    times_late = 3;
    assert_int_equal(rl_limiter_take(&late, 5, NOW, NULL), RL_OK);
    assert_int_equal(calls, 4);
    assert_int_equal(remaining(&late), (int64_t)RL_AMOUNT_MAX - 5);
    times_late = 3;
    limit.amount = 100;
    assert_int_equal(rl_limiter_change(&late, &limit, NOW), RL_OK);
    assert_int_equal(calls, 8);
    assert_int_equal(remaining(&late), 95);
    assert_int_equal(late.revision, 8); /* two for each, done or not */
}

/* What changes nothing writes nothing, and a change counts by two. */
static void readers_are_disturbed_by_changes_only(void **ctx)
{
    rl_limit limit = limit_of("sliding_counter", 10);
    rl_limiter limiter, before;

    (void)ctx;
    limit.parts = 2;
    assert_int_equal(rl_limiter_init(&limiter, &limit, NOW), RL_OK);
    assert_int_equal(rl_limiter_take(&limiter, 4, NOW, NULL), RL_OK);
    before = limiter;
    rl_limiter_give_back(&limiter, 0, NOW);
    rl_limiter_charge(&limiter, 0, NOW);
    assert_memory_equal(&limiter, &before, sizeof limiter);
    for (uint64_t i = 1; i < 4; i++) {
        assert_int_equal(rl_limiter_change(&limiter, &limit, NOW), RL_OK);
        assert_int_equal(limiter.revision, 2 * i);
    }
}

/* ---- processes ---- */

#define KILLS  12
#define AMOUNT 1000000

struct shared {
    uint64_t granted, words[40];
};

static void take_until_killed(struct shared *shared, const rl_limit *limit)
{
    rl_limiter limiter;

    if (rl_limiter_attach(&limiter, limit, shared->words, 40, NOW) != RL_OK)
        _exit(1);
    while (rl_limiter_take(&limiter, 1, NOW, NULL) == RL_OK)
        (void)rl__fetch_add(&shared->granted, 1);
    _exit(0);
}

static void kill_one(struct shared *shared, const rl_limit *limit)
{
    uint64_t before = rl__load(&shared->granted);
    pid_t child = fork();
    int status;

    if (child == 0)
        take_until_killed(shared, limit);
    assert_true(child > 0);
    while (rl__load(&shared->granted) < before + 100 && waitpid(child, &status, WNOHANG) == 0)
        ;
    (void)kill(child, SIGKILL); /* it may have ended by itself */
    (void)waitpid(child, &status, 0);
}

/* Whenever it dies: what was granted is booked, and at most one take more for each. */
static void killed_processes_lose_at_most_one_take_each(void **ctx)
{
    static const char *const name[] = { "fixed_window", "sliding_counter" };

    (void)ctx;
    for (size_t i = 0; i < 2; i++) {
        rl_limit limit = limit_of(name[i], AMOUNT);
        struct shared *shared =
            mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        rl_limiter limiter;
        uint64_t used;

        assert_ptr_not_equal(shared, MAP_FAILED);
        assert_int_equal(rl_limiter_init_at(&limiter, &limit, shared->words, 40, NOW), RL_OK);
        for (int k = 0; k < KILLS; k++)
            kill_one(shared, &limit);
        while (rl_limiter_take(&limiter, 1000, NOW, NULL) == RL_OK)
            shared->granted += 1000;
        used = AMOUNT - (uint64_t)remaining(&limiter);
        assert_true(used >= shared->granted && used <= shared->granted + KILLS);
        assert_int_equal(munmap(shared, sizeof *shared), 0);
    }
}

/* ---- several as one ---- */

static void several_are_taken_together_or_not_at_all(void **ctx)
{
    rl_limit minute = limit_of("token_bucket", 10), day = limit_of("fixed_window", 100);
    rl_limiter first, second;
    rl_share share[] = { { &first, 4 }, { &second, 60 } };
    rl_time retry_at;
    size_t refused;

    (void)ctx;
    minute.period = RL_MINUTE;
    assert_int_equal(rl_limiter_init(&first, &minute, NOW), RL_OK);
    assert_int_equal(rl_limiter_init(&second, &day, NOW), RL_OK);
    assert_int_equal(rl_limiters_peek(share, 2, NOW, &retry_at, &refused), RL_OK);
    assert_int_equal(rl_limiters_take(share, 2, NOW, &retry_at, &refused), RL_OK);
    assert_true(retry_at == NOW && refused == 2);
    share[0].cost = 7;
    assert_int_equal(rl_limiters_take(share, 2, NOW, &retry_at, &refused), RL_WAIT);
    assert_true(retry_at == NOW + RL_DAY && refused == 1);
    share[1].cost = 40;
    assert_int_equal(rl_limiters_take(share, 2, NOW, &retry_at, &refused), RL_WAIT);
    assert_true(retry_at == NOW + 6 * RL_SECOND && refused == 0);
    assert_int_equal(rl_limiters_take(share, 2, retry_at - 1, NULL, NULL), RL_WAIT);
    assert_true(remaining(&first) == 6 && remaining(&second) == 40);
    share[0] = (rl_share){ &second, 50 };
    share[1] = (rl_share){ &first, 7 };
    assert_int_equal(rl_limiters_peek(share, 2, NOW, &retry_at, &refused), RL_WAIT);
    assert_true(retry_at == NOW + RL_DAY && refused == 0); /* the longest, wherever it stands */
    share[0] = (rl_share){ &first, 7 };
    share[1] = (rl_share){ &second, 101 };
    assert_int_equal(rl_limiters_peek(share, 2, NOW, &retry_at, &refused), RL_E_TOO_LARGE);
    assert_true(retry_at == RL_NEVER && refused == 1);
    assert_int_equal(rl_limiters_take(NULL, 2, NOW, NULL, NULL), RL_E_INVALID);
    assert_int_equal(rl_limiters_take(NULL, 0, NOW, NULL, NULL), RL_OK);
    assert_int_equal(rl_limiters_peek(NULL, 2, NOW, NULL, NULL), RL_E_INVALID);
    assert_int_equal(rl_limiters_peek(NULL, 0, NOW, NULL, NULL), RL_OK);
}

/* One that is asked for twice agrees to each alone: what was taken is undone. */
static void a_lost_race_leaves_nothing_taken(void **ctx)
{
    static const char *const name[] = { "token_bucket", "leaky_bucket", "fixed_window",
                                        "concurrency", "sliding_counter" };

    (void)ctx;
    for (size_t i = 0; i < 5; i++) {
        rl_limit limit = limit_of(name[i], 10);
        rl_limiter limiter, other;
        rl_share share[] = { { &other, 3 }, { &limiter, 6 }, { &limiter, 6 } };
        size_t refused;

        limit.parts = 2;
        assert_int_equal(rl_limiter_init(&limiter, &limit, NOW), RL_OK);
        assert_int_equal(rl_limiter_init(&other, &limit, NOW), RL_OK);
        assert_int_equal(rl_limiters_take(share, 3, NOW, NULL, &refused), RL_WAIT);
        assert_int_equal(refused, 2);
        assert_int_equal(remaining(&limiter), 10);
        assert_int_equal(remaining(&other), 10);
    }
}

/* ---- threads ---- */

#define THREADS 4

struct crowd {
    rl_limiter limiter;
    uint64_t granted, in_use, wrong;
};

static void *take_all(void *arg)
{
    struct crowd *crowd = arg;
    uint64_t mine = 0;

    while (rl_limiter_take(&crowd->limiter, 1, NOW, NULL) == RL_OK)
        mine++;
    (void)rl__fetch_add(&crowd->granted, mine);
    return NULL;
}

static void run_all(void *(*what)(void *), struct crowd *crowd)
{
    pthread_t thread[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, what, crowd), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
}

static void threads_share_exactly_one_budget(void **ctx)
{
    static const char *const name[] = { "token_bucket", "fixed_window", "sliding_window",
                                        "sliding_counter", "concurrency" };
    static struct crowd crowd;
    static uint64_t words[300];

    (void)ctx;
    for (size_t i = 0; i < 5; i++)
        for (uint64_t bookings = 0; bookings < 2; bookings++) {
            rl_limit limit = limit_of(name[i], 40000);

            limit.bookings = bookings;
            crowd.granted = 0;
            assert_int_equal(rl_limiter_init_at(&crowd.limiter, &limit, words, 300, NOW), RL_OK);
            run_all(take_all, &crowd);
            assert_int_equal(crowd.granted, 40000);
            assert_int_equal(remaining(&crowd.limiter), 0);
        }
}

static void *come_and_go(void *arg)
{
    struct crowd *crowd = arg;

    for (int i = 0; i < 20000; i++) {
        if (rl_limiter_take(&crowd->limiter, 1, NOW, NULL) != RL_OK)
            continue;
        if (rl__fetch_add(&crowd->in_use, 1) >= 3)
            (void)rl__fetch_add(&crowd->wrong, 1);
        (void)rl__fetch_add(&crowd->in_use, (uint64_t)-1);
        rl_limiter_give_back(&crowd->limiter, 1, NOW);
    }
    return NULL;
}

static void never_more_at_once_than_allowed(void **ctx)
{
    static struct crowd crowd;
    rl_limit limit = limit_of("concurrency", 3);

    (void)ctx;
    assert_int_equal(rl_limiter_init(&crowd.limiter, &limit, NOW), RL_OK);
    run_all(come_and_go, &crowd);
    assert_int_equal(crowd.wrong, 0);
    assert_int_equal(remaining(&crowd.limiter), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_measured),
        cmocka_unit_test(attached_limiters_share_a_budget),
        cmocka_unit_test(a_lock_of_the_dead_is_taken_over),
        cmocka_unit_test(only_one_owner_for_long_is_dead),
        cmocka_unit_test(who_is_taken_for_dead_begins_again),
        cmocka_unit_test(readers_are_disturbed_by_changes_only),
        cmocka_unit_test(killed_processes_lose_at_most_one_take_each),
        cmocka_unit_test(several_are_taken_together_or_not_at_all),
        cmocka_unit_test(a_lost_race_leaves_nothing_taken),
        cmocka_unit_test(threads_share_exactly_one_budget),
        cmocka_unit_test(never_more_at_once_than_allowed),
    };
    return cmocka_run_group_tests_name("wide", tests, NULL, NULL);
}
