/* SPDX-License-Identifier: MIT */
/* One thread that calls back for each item when its time has come, never before. */
#ifndef LLMRL_CLI_PROVIDER_TIMER_H
#define LLMRL_CLI_PROVIDER_TIMER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct provider_timer_entry {
    int64_t due;
    void *item;
};

/* `fire` runs on the timer's thread without its lock and may add items. */
typedef void provider_timer_fire(void *item);

struct provider_timer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    provider_timer_fire *fire;
    struct {
        struct provider_timer_entry *heap;
        size_t count;
        size_t room;
        bool stopping;
    } locked;
};

/* Times are CLOCK_MONOTONIC in nanoseconds. */
bool provider_timer_start(struct provider_timer *timer, provider_timer_fire *fire);
/* False: the timer is stopping or out of memory, and the item stays with the caller. */
bool provider_timer_add(struct provider_timer *timer, int64_t due, void *item);
/* From now on nothing can be added; what waits has been fired when this returns. */
void provider_timer_stop(struct provider_timer *timer);
bool provider_timer_stopping(struct provider_timer *timer);
/* After the stop, once no thread asks the timer any more. */
void provider_timer_deinit(struct provider_timer *timer);
int64_t provider_monotonic(void);

#endif
