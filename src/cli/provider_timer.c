/* SPDX-License-Identifier: MIT */
/* The timer thread of the stand-in provider: a binary heap of due times. */
#include "provider_timer.h"

#include <stdlib.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

int64_t provider_monotonic(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

static void swap(struct provider_timer_entry *a, struct provider_timer_entry *b)
{
    struct provider_timer_entry kept = *a;

    *a = *b;
    *b = kept;
}

static void push(struct provider_timer_entry *heap, size_t i)
{
    for (; i > 0 && heap[i].due < heap[(i - 1) / 2].due; i = (i - 1) / 2)
        swap(&heap[i], &heap[(i - 1) / 2]);
}

static void sink(struct provider_timer_entry *heap, size_t count)
{
    for (size_t i = 0, child = 1; child < count; i = child, child = 2 * i + 1) {
        if (child + 1 < count && heap[child + 1].due < heap[child].due)
            child++;
        if (heap[i].due <= heap[child].due)
            return;
        swap(&heap[i], &heap[child]);
    }
}

static bool make_room(struct provider_timer *timer)
{
    size_t room = timer->locked.room == 0 ? 256 : 2 * timer->locked.room;
    void *grown;

    if (timer->locked.count < timer->locked.room)
        return true;
    grown = realloc(timer->locked.heap, room * sizeof *timer->locked.heap);
    if (grown == NULL)
        return false;
    timer->locked.heap = grown;
    timer->locked.room = room;
    return true;
}

bool provider_timer_add(struct provider_timer *timer, int64_t due, void *item)
{
    bool added;

    (void)pthread_mutex_lock(&timer->lock);
    added = !timer->locked.stopping && make_room(timer);
    if (added) {
        timer->locked.heap[timer->locked.count] = (struct provider_timer_entry){ due, item };
        push(timer->locked.heap, timer->locked.count++);
        if (timer->locked.heap[0].item == item)
            (void)pthread_cond_signal(&timer->changed);
    }
    (void)pthread_mutex_unlock(&timer->lock);
    return added;
}

bool provider_timer_stopping(struct provider_timer *timer)
{
    bool stopping;

    (void)pthread_mutex_lock(&timer->lock);
    stopping = timer->locked.stopping;
    (void)pthread_mutex_unlock(&timer->lock);
    return stopping;
}

/* Waits for the next due item; NULL once the timer stops and nothing is left. */
static void *take(struct provider_timer *timer)
{
    void *item = NULL;

    while (item == NULL && !(timer->locked.stopping && timer->locked.count == 0)) {
        struct provider_timer_entry *heap = timer->locked.heap;

        if (timer->locked.count == 0) {
            (void)pthread_cond_wait(&timer->changed, &timer->lock);
        } else if (!timer->locked.stopping && heap[0].due > provider_monotonic()) {
            struct timespec until = { .tv_sec = heap[0].due / SECOND,
                                      .tv_nsec = heap[0].due % SECOND };

            (void)pthread_cond_timedwait(&timer->changed, &timer->lock, &until);
        } else {
            item = heap[0].item;
            heap[0] = heap[--timer->locked.count];
            sink(heap, timer->locked.count);
        }
    }
    return item;
}

static void *run(void *context)
{
    struct provider_timer *timer = context;
    void *item;

    (void)pthread_mutex_lock(&timer->lock);
    while ((item = take(timer)) != NULL) {
        (void)pthread_mutex_unlock(&timer->lock);
        timer->fire(item);
        (void)pthread_mutex_lock(&timer->lock);
    }
    (void)pthread_mutex_unlock(&timer->lock);
    return NULL;
}

bool provider_timer_start(struct provider_timer *timer, provider_timer_fire *fire)
{
    pthread_condattr_t monotonic;

    *timer = (struct provider_timer){ .fire = fire };
    if (pthread_mutex_init(&timer->lock, NULL) != 0)
        return false;
    if (pthread_condattr_init(&monotonic) == 0) {
        (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        if (pthread_cond_init(&timer->changed, &monotonic) == 0 &&
            pthread_create(&timer->thread, NULL, run, timer) == 0) {
            (void)pthread_condattr_destroy(&monotonic);
            return true;
        }
        (void)pthread_condattr_destroy(&monotonic);
    }
    (void)pthread_mutex_destroy(&timer->lock);
    return false;
}

void provider_timer_stop(struct provider_timer *timer)
{
    (void)pthread_mutex_lock(&timer->lock);
    timer->locked.stopping = true;
    (void)pthread_cond_signal(&timer->changed);
    (void)pthread_mutex_unlock(&timer->lock);
    (void)pthread_join(timer->thread, NULL);
}

void provider_timer_deinit(struct provider_timer *timer)
{
    free(timer->locked.heap);
    (void)pthread_cond_destroy(&timer->changed);
    (void)pthread_mutex_destroy(&timer->lock);
}
