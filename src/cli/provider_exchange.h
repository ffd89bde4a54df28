/* SPDX-License-Identifier: MIT */
/* One request at the stand-in provider and its answer: what the files of the server share. */
#ifndef LLMRL_CLI_PROVIDER_EXCHANGE_H
#define LLMRL_CLI_PROVIDER_EXCHANGE_H

#include <microhttpd.h>
#include <pthread.h>

#include "provider_dialects.h"
#include "provider_faults.h"
#include "provider_score.h"
#include "provider_timer.h"

#define PROVIDER_HANG_CHECK (100 * PROVIDER_MILLISECOND)

/* Limits, score and chance are touched under the lock; `body_bytes` by the server's thread alone.
 */
struct provider_server {
    const struct provider_options *options;
    struct MHD_Daemon *daemon;
    struct provider_timer timer;
    int64_t start; /* monotonic */
    size_t body_bytes;
    pthread_mutex_t lock;
    struct {
        struct provider_limits limits;
        struct provider_score score;
        struct provider_random random;
        uint64_t serial;
    } locked;
};

/* One request and its answer. The timer's thread owns it while it is suspended, the server's
 * thread otherwise; the timer's lock and libmicrohttpd's hand it over. */
struct provider_exchange {
    struct provider_server *server;
    struct MHD_Connection *connection;
    struct provider_request request;
    struct provider_reply reply;
    struct provider_verdict verdict;
    struct provider_model *model;
    char *body;
    size_t body_length;
    size_t body_room;
    bool too_big;
    bool no_room;
    bool arrived;
    bool scored; /* it counts; what is asked of the server itself does not */
    bool charged;
    bool announces; /* its answer tells the client to wait */
    enum provider_fault fault;
    int64_t arrival; /* since the start, as all times here */
    int64_t first;   /* when the first byte is due, */
    int64_t due;     /* and the last one */
    size_t sent;     /* of a stream */
};

/* Nanoseconds since the server's start. */
int64_t provider_server_now(const struct provider_server *server);
/* Nanoseconds of the calendar, with the skew. */
int64_t provider_server_wall(const struct provider_server *server);

int provider_exchange_fd(const struct provider_exchange *exchange);
/* Suspended first and announced to the timer second: it may fire at once. */
void provider_exchange_suspend(struct provider_exchange *exchange, int64_t until);
/* On the timer's thread. A connection that hangs is looked at again and again until its client has
 * gone: libmicrohttpd does not watch what is suspended. */
void provider_exchange_wake(void *item);

/* A body that is too big is read to its end, so that the client can read the answer. */
void provider_body_receive(struct provider_exchange *exchange, const char *data, size_t length);
void provider_body_drop(struct provider_exchange *exchange);

/* Charges (or gives back) the difference between what was taken and what was used. */
void provider_account_settle(struct provider_exchange *exchange, int64_t output);
/* What the client holds of a stream that ends early is what it pays for, in proportion. */
int64_t provider_account_produced(const struct provider_exchange *exchange);
/* Under the lock: counts what the limits said. */
void provider_account_verdict(struct provider_exchange *exchange);
/* Under the lock: counts how it ended. Only what was sent to the last byte counts as told. */
void provider_account_end(struct provider_exchange *exchange, bool complete);

/* The request is complete: everything about its answer is decided here. */
enum MHD_Result provider_rules_arrive(struct provider_exchange *exchange, const char *path);

/* Queues the reply, which is complete. */
enum MHD_Result provider_send(struct provider_exchange *exchange);

/* Called by libmicrohttpd, with the server as their context. */
enum MHD_Result provider_http_request(void *context, struct MHD_Connection *connection,
                                      const char *path, const char *method, const char *version,
                                      const char *data, size_t *length, void **kept);
void provider_http_completed(void *context, struct MHD_Connection *connection, void **kept,
                             enum MHD_RequestTerminationCode code);

#endif
