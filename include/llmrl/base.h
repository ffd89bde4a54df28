/* SPDX-License-Identifier: MIT */
/**
 * @file base.h
 * What every part shares: visibility, version, statuses, time, and the hooks through which the
 * library reads clock and randomness, takes memory and reports. Everybody includes it; nobody needs
 * it alone.
 */
#ifndef LLMRL_BASE_H
#define LLMRL_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define RL_API __attribute__((visibility("default")))
#else
#define RL_API
#endif

/* An empty initialiser that neither language warns about. */
#ifdef __cplusplus
#define RL_ZERO_                                                                                   \
    {                                                                                              \
    }
#else
#define RL_ZERO_                                                                                   \
    {                                                                                              \
        0                                                                                          \
    }
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define RL_VERSION_MAJOR  0
#define RL_VERSION_MINOR  1
#define RL_VERSION_PATCH  0
#define RL_VERSION_STRING "0.1.0"

/** The version of the library that is linked, as "0.1.0"; static. It may be newer than
 * RL_VERSION_STRING. */
RL_API const char *rl_version(void);

/**
 * Every status: name, value, and one sentence. Zero is success; positive is a normal day ("not
 * now"); negative is broken or refused. Values are for ever.
 */
#define RL_STATUS_LIST(X)                                                                          \
    X(RL_OK, 0, "ok")                                                                              \
    X(RL_WAIT, 1, "not yet: a limit is reached")                                                   \
    X(RL_E_INVALID, -1, "an argument is invalid")                                                  \
    X(RL_E_NOMEM, -2, "out of memory")                                                             \
    X(RL_E_TIMEOUT, -3, "the longest wait has passed, or could not be kept")                       \
    X(RL_E_DEADLINE, -4, "the deadline has passed, or could not be kept")                          \
    X(RL_E_TOO_LARGE, -5, "more than a whole limit: no waiting will help")                         \
    X(RL_E_QUEUE_FULL, -6, "as many wait already as may wait")                                     \
    X(RL_E_CANCELLED, -7, "cancelled by the caller")                                               \
    X(RL_E_CLOSED, -8, "the context is closing")                                                   \
    X(RL_E_ENDED, -9, "this permit has already ended")                                             \
    X(RL_E_TOO_NEW, -10, "a struct has fields that this library does not know")                    \
    X(RL_E_NOT_BUILT, -11, "this component was left out of the build")                             \
    X(RL_E_CONFIG, -12, "the configuration is wrong")                                              \
    X(RL_E_NOT_FOUND, -13, "there is no such name")                                                \
    X(RL_E_TABLE_FULL, -14, "a bounded table is full")                                             \
    X(RL_E_REJECTED, -15, "the provider refused the request for good")                             \
    X(RL_E_QUOTA, -16, "the quota or credit is used up: waiting briefly will not help")            \
    X(RL_E_ATTEMPTS, -17, "the last attempt failed, too")                                          \
    X(RL_E_TRANSPORT, -18, "no usable answer came over the network")                               \
    X(RL_E_TOO_BIG, -19, "an answer is larger than the bound for answers")                         \
    X(RL_E_IO, -20, "a file could not be read or written")                                         \
    X(RL_E_BUDGET, -21, "the retry budget is used up")                                             \
    X(RL_E_CIRCUIT_OPEN, -22, "the circuit breaker is open")                                       \
    X(RL_E_DROPPED, -23, "dropped from a full queue to make room for another")

typedef enum rl_status {
#define RL_STATUS_ENUM(name, value, text) name = (value),
    RL_STATUS_LIST(RL_STATUS_ENUM)
#undef RL_STATUS_ENUM
} rl_status;

/** "RL_E_TIMEOUT"; static, never NULL: an unknown value gives "RL_E_?". */
RL_API const char *rl_status_name(rl_status status);

/** One sentence for people; static, never NULL. */
RL_API const char *rl_status_text(rl_status status);

/** A moment, in nanoseconds since an arbitrary start; it counts suspend and never runs backwards
 * for long. */
typedef uint64_t rl_time;
/** A span, in nanoseconds. */
typedef uint64_t rl_duration;
/** A moment on the calendar: nanoseconds since 1970-01-01T00:00:00Z, leap seconds ignored (POSIX).
 */
typedef int64_t rl_wall_time;

#define RL_NEVER       UINT64_MAX
#define RL_MILLISECOND UINT64_C(1000000)
#define RL_SECOND      UINT64_C(1000000000)
#define RL_MINUTE      (UINT64_C(60) * RL_SECOND)
#define RL_HOUR        (UINT64_C(3600) * RL_SECOND)
#define RL_DAY         (UINT64_C(86400) * RL_SECOND)

typedef enum rl_log_level {
    RL_LOG_ERROR = 1,
    RL_LOG_WARNING,
    RL_LOG_INFO,
    RL_LOG_DEBUG
} rl_log_level;

/**
 * The outside world, as the library sees it. NULL members mean the default. Every function may be
 * called from any thread that uses the context, at once too; none may call back into the library.
 */
typedef struct rl_hooks {
    size_t size; /* set by RL_HOOKS_INIT */
    void *user;  /* handed to each function below; borrowed until rl_close() */

    /* CLOCK_BOOTTIME where the system has it, else CLOCK_MONOTONIC. A virtual clock goes here.
     * Without one, calls that neither wait nor plan may take the time from the processor's counter
     * (RL_CLOCK_TSC), made 3 us earlier: so it is never ahead of this one, and at most 6 us behind,
     * as far as clock.h says that this counter is right.
     * While the machine is suspended BOOTTIME goes on: limits refill, leases, longest waits and
     * deadlines end. Who is blocked then notices within a minute of the machine's waking; all leave
     * at the pace of the limits. */
    rl_time (*now)(void *user);
    /* CLOCK_REALTIME: only for reading the dates in answers, and where calendar windows begin. */
    rl_wall_time (*wall)(void *user);
    /* 64 evenly spread bits; default: a generator seeded from getrandom(2). */
    uint64_t (*random)(void *user);
    /* Sleeps until `until` or earlier, in the blocking calls. NULL: a condition variable. With a
     * virtual clock it must move that clock, else the blocking calls would not end. */
    void (*sleep_until)(void *user, rl_time until);
    /* As realloc(3): ptr NULL allocates, size 0 frees. Default: realloc and free. */
    void *(*resize)(void *user, void *ptr, size_t size);
    /* One line without newline, never with a key or a prompt in it; default: nowhere. */
    void (*log)(void *user, rl_log_level level, const char *line);
} rl_hooks;

static inline rl_hooks rl_hooks_init_(void)
{
    rl_hooks hooks = RL_ZERO_;
    hooks.size = sizeof hooks;
    return hooks;
}
#define RL_HOOKS_INIT rl_hooks_init_()

#ifdef __cplusplus
}
#endif
#endif
