/* SPDX-License-Identifier: MIT */
/* One thread of libmicrohttpd takes requests and sends answers; a request that has to wait is
 * suspended and the timer's thread wakes it. So hundreds wait at the price of a heap entry each. */
#include "provider_server.h"

#include "provider_dialects.h"
#include "provider_faults.h"
#include "provider_score.h"
#include "provider_timer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define CONNECTIONS_MAX 8192u
#define FILES_OWN       64u
#define BACKLOG         2048u
#define BODIES_MAX      ((size_t)1 << 30) /* of all requests that are being received, together */
#define HANG_CHECK      (100 * PROVIDER_MILLISECOND)
#define BLOCK           16384u

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
struct exchange {
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

static int64_t now_of(const struct provider_server *server)
{
    return provider_monotonic() - server->start;
}

static int64_t wall(const struct provider_server *server)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * PROVIDER_SECOND + now.tv_nsec + server->options->skew_us * 1000;
}

static void drop_body(struct exchange *exchange)
{
    exchange->server->body_bytes -= exchange->body_room;
    free(exchange->body);
    exchange->body = NULL;
    exchange->body_length = 0;
    exchange->body_room = 0;
}

static bool body_grow(struct exchange *exchange, size_t needed)
{
    size_t room = exchange->body_room == 0 ? 1024 : exchange->body_room;
    char *grown;

    while (room < needed)
        room *= 2;
    if (room == exchange->body_room)
        return true;
    if (exchange->server->body_bytes + room - exchange->body_room > BODIES_MAX)
        return false;
    grown = realloc(exchange->body, room);
    if (grown == NULL)
        return false;
    exchange->server->body_bytes += room - exchange->body_room;
    exchange->body = grown;
    exchange->body_room = room;
    return true;
}

/* A body that is too big is read to its end, so that the client can read the answer. */
static void receive(struct exchange *exchange, const char *data, size_t length)
{
    if (exchange->too_big || exchange->no_room)
        return;
    exchange->too_big = length > PROVIDER_BODY_MAX - exchange->body_length;
    if (!exchange->too_big)
        exchange->no_room = !body_grow(exchange, exchange->body_length + length);
    if (exchange->too_big || exchange->no_room) {
        drop_body(exchange);
        return;
    }
    memcpy(exchange->body + exchange->body_length, data, length);
    exchange->body_length += length;
}

/* Charges (or gives back) the difference between what was taken and what was used. */
static void settle(struct exchange *exchange, int64_t output)
{
    struct provider_server *server = exchange->server;
    int64_t extra[PROVIDER_KINDS];

    if (!exchange->charged)
        return;
    exchange->charged = false;
    provider_request_settlement(&exchange->request, server->options->dialect, output, extra);
    (void)pthread_mutex_lock(&server->lock);
    provider_limits_settle(&server->locked.limits, exchange->model, extra, now_of(server));
    (void)pthread_mutex_unlock(&server->lock);
}

static const char *header_of(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

static bool key_is_right(const struct exchange *exchange)
{
    static const char bearer[] = "Bearer ";
    const char *wanted = exchange->server->options->require_key;
    const char *given = header_of(exchange, "Authorization");

    if (wanted == NULL)
        return true;
    if (given != NULL && strncmp(given, bearer, sizeof bearer - 1) == 0)
        return strcmp(given + sizeof bearer - 1, wanted) == 0;
    given = header_of(exchange, "x-api-key");
    if (given == NULL)
        given = header_of(exchange, "x-goog-api-key");
    if (given == NULL)
        given = MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "key");
    return given != NULL && strcmp(given, wanted) == 0;
}

/* The first thing that is wrong with it, or PROVIDER_ERRORS. */
static enum provider_error check(struct exchange *exchange, const char *path)
{
    const struct provider_options *options = exchange->server->options;

    if (exchange->request.endpoint == PROVIDER_NOWHERE)
        return PROVIDER_ERROR_PATH;
    if (exchange->too_big)
        return PROVIDER_ERROR_BODY;
    if (exchange->no_room)
        return PROVIDER_ERROR_503;
    if (!key_is_right(exchange))
        return PROVIDER_ERROR_KEY;
    if (!provider_request_read(&exchange->request, options, path, exchange->body,
                               exchange->body_length))
        return PROVIDER_ERROR_BAD_REQUEST;
    return PROVIDER_ERRORS;
}

static void count_verdict(struct exchange *exchange)
{
    struct provider_score *score = &exchange->server->locked.score;
    enum provider_outcome outcome = exchange->verdict.outcome;
    bool early = exchange->arrival < exchange->model->announced;

    score->early += early;
    score->admitted += outcome == PROVIDER_ADMITTED;
    score->refused += outcome != PROVIDER_ADMITTED;
    score->refused_wait += outcome == PROVIDER_WAIT;
    score->refused_too_large += outcome == PROVIDER_TOO_LARGE;
    score->refused_early += outcome != PROVIDER_ADMITTED && early;
}

/* Under the lock: asks the limits and draws the luck. */
static void admit(struct exchange *exchange)
{
    struct provider_server *server = exchange->server;
    struct provider_demand demand;

    provider_request_demand(&exchange->request, server->options->dialect, &demand);
    exchange->model =
        provider_limits_model(&server->locked.limits, exchange->request.model, exchange->arrival);
    provider_limits_admit(&server->locked.limits, exchange->model, &demand, exchange->arrival,
                          &exchange->verdict);
    count_verdict(exchange);
    exchange->announces = exchange->verdict.outcome == PROVIDER_WAIT && server->options->headers;
    exchange->charged = exchange->verdict.outcome == PROVIDER_ADMITTED;
    if (!exchange->charged)
        return;
    exchange->fault = provider_fault_draw(&server->locked.random, server->options);
    server->locked.score.fault[exchange->fault]++;
}

/* Sets when the answer is due and returns the latency. A stream begins after a quarter of it. */
static int64_t schedule(struct exchange *exchange)
{
    struct provider_server *server = exchange->server;
    bool admitted = exchange->charged;
    int64_t latency =
        provider_latency_draw(&server->locked.random, admitted ? &server->options->latency
                                                               : &server->options->refusal_latency);
    int64_t late = 0;

    if (exchange->fault == PROVIDER_FAULT_SLOW)
        late = server->options->slow_ms * PROVIDER_MILLISECOND;
    exchange->due = exchange->arrival + latency + late;
    exchange->first = exchange->due;
    if (admitted && exchange->request.stream &&
        (exchange->fault == PROVIDER_FAULT_NONE || exchange->fault == PROVIDER_FAULT_SLOW))
        exchange->first = exchange->arrival + latency / 4 + late;
    if (exchange->fault == PROVIDER_FAULT_HANG)
        exchange->first = exchange->arrival + HANG_CHECK;
    return latency + late;
}

static void make_reply(struct exchange *exchange, const struct provider_occasion *occasion,
                       enum provider_error error)
{
    struct provider_reply *reply = &exchange->reply;

    if (error != PROVIDER_ERRORS)
        provider_reply_error(reply, occasion, error, exchange->request.error);
    else if (exchange->verdict.outcome != PROVIDER_ADMITTED)
        provider_reply_refusal(reply, occasion);
    else if (exchange->fault == PROVIDER_FAULT_500)
        provider_reply_error(reply, occasion, PROVIDER_ERROR_500, NULL);
    else if (exchange->fault == PROVIDER_FAULT_503)
        provider_reply_error(reply, occasion, PROVIDER_ERROR_503, NULL);
    else if (exchange->fault == PROVIDER_FAULT_529)
        provider_reply_error(reply, occasion, PROVIDER_ERROR_529, NULL);
    else if (exchange->fault == PROVIDER_FAULT_NONE || exchange->fault == PROVIDER_FAULT_SLOW)
        provider_reply_success(reply, occasion);
}

/* Suspended first and announced to the timer second: it may fire at once. */
static void suspend(struct exchange *exchange, int64_t until)
{
    struct provider_server *server = exchange->server;
    struct MHD_Connection *connection = exchange->connection;

    MHD_suspend_connection(connection);
    if (!provider_timer_add(&server->timer, server->start + until, exchange))
        MHD_resume_connection(connection);
}

static int connection_fd(const struct exchange *exchange)
{
    return MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
        ->connect_fd;
}

/* On the timer's thread. A connection that hangs is looked at again and again until its client has
 * gone: libmicrohttpd does not watch what is suspended. */
static void wake(void *item)
{
    struct exchange *exchange = item;
    struct provider_server *server = exchange->server;

    if (exchange->fault == PROVIDER_FAULT_HANG && !provider_peer_gone(connection_fd(exchange)) &&
        provider_timer_add(&server->timer, provider_monotonic() + HANG_CHECK, exchange))
        return;
    MHD_resume_connection(exchange->connection);
}

/* The request is complete: everything about its answer is decided here. */
static enum MHD_Result arrive(struct exchange *exchange, const char *path)
{
    struct provider_server *server = exchange->server;
    struct provider_occasion occasion = { .options = server->options,
                                          .request = &exchange->request };
    enum provider_error error;

    exchange->arrival = occasion.now = now_of(server);
    occasion.wall = wall(server);
    exchange->arrived = true;
    exchange->scored = true;
    error = check(exchange, path);
    drop_body(exchange);
    (void)pthread_mutex_lock(&server->lock);
    provider_score_arrival(&server->locked.score, exchange->arrival);
    occasion.serial = ++server->locked.serial;
    if (error == PROVIDER_ERRORS) {
        admit(exchange);
        occasion.verdict = &exchange->verdict;
    } else {
        server->locked.score.errors++;
    }
    occasion.latency = schedule(exchange);
    (void)pthread_mutex_unlock(&server->lock);
    make_reply(exchange, &occasion, error);
    suspend(exchange, exchange->first);
    return MHD_YES;
}

static int64_t chunk_due(const struct exchange *exchange, size_t chunk)
{
    int64_t steps = (int64_t)exchange->reply.chunk_count - 1;

    if (steps <= 0)
        return exchange->due;
    return exchange->first + (exchange->due - exchange->first) * (int64_t)chunk / steps;
}

/* Gives a stream's next chunk, or waits until it is due. The last one settles the account. */
static ssize_t read_stream(void *context, uint64_t position, char *buffer, size_t size)
{
    struct exchange *exchange = context;
    const struct provider_reply *reply = &exchange->reply;
    size_t chunk = 0;
    size_t length;

    if (position >= reply->length)
        return MHD_CONTENT_READER_END_OF_STREAM;
    while (reply->chunk_end[chunk] <= position)
        chunk++;
    if (provider_timer_stopping(&exchange->server->timer) ||
        provider_peer_gone(connection_fd(exchange)))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (now_of(exchange->server) < chunk_due(exchange, chunk)) {
        suspend(exchange, chunk_due(exchange, chunk));
        return 0;
    }
    if (chunk + 1 == reply->chunk_count)
        settle(exchange, exchange->request.output_tokens);
    length = reply->chunk_end[chunk] - (size_t)position;
    length = length < size ? length : size;
    memcpy(buffer, reply->body + position, length);
    exchange->sent = (size_t)position + length;
    return (ssize_t)length;
}

/* What the client holds of a stream that ends early is what it pays for, in proportion. */
static int64_t produced(const struct exchange *exchange)
{
    provider_wide output = exchange->request.output_tokens;

    if (exchange->reply.status != 200 || exchange->reply.length == 0)
        return 0;
    return (int64_t)(output * (int64_t)exchange->sent / (int64_t)exchange->reply.length);
}

static void add_headers(const struct exchange *exchange, struct MHD_Response *response)
{
    const struct provider_reply *reply = &exchange->reply;
    time_t seconds = (time_t)(wall(exchange->server) / PROVIDER_SECOND);
    struct tm utc;
    char date[64];

    for (size_t i = 0; i < reply->header_count; i++)
        (void)MHD_add_response_header(response, reply->header[i].name, reply->header[i].value);
    (void)MHD_add_response_header(response, "content-type", reply->content_type);
    if (gmtime_r(&seconds, &utc) == NULL)
        return;
    (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    (void)MHD_add_response_header(response, "Date", date);
}

/* A whole body goes to libmicrohttpd; that of a stream stays ours while it is read. */
static struct MHD_Response *make_response(struct exchange *exchange)
{
    struct provider_reply *reply = &exchange->reply;
    struct MHD_Response *response;

    if (reply->chunk_count != 0)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, exchange,
                                                 NULL);
    response = MHD_create_response_from_buffer(reply->length, reply->body, MHD_RESPMEM_MUST_FREE);
    if (response != NULL)
        reply->body = NULL;
    return response;
}

static enum MHD_Result send_reply(struct exchange *exchange)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (exchange->reply.body == NULL) /* memory ran out */
        return MHD_NO;
    response = make_response(exchange);
    if (response == NULL)
        return MHD_NO;
    add_headers(exchange, response);
    result = MHD_queue_response(exchange->connection, exchange->reply.status, response);
    MHD_destroy_response(response);
    return result;
}

/* Its time has come (or the server stops). What would be sent to a client that has gone is not
 * sent, or the system would take it and it would count as answered; it is charged all the same. */
static enum MHD_Result answer(struct exchange *exchange)
{
    int fd = connection_fd(exchange);

    if (provider_timer_stopping(&exchange->server->timer) || exchange->fault == PROVIDER_FAULT_HANG)
        return MHD_NO;
    if (exchange->reply.chunk_count == 0)
        settle(exchange, exchange->reply.status == 200 ? exchange->request.output_tokens : 0);
    if (provider_peer_gone(fd))
        return MHD_NO;
    if (exchange->fault == PROVIDER_FAULT_RESET) {
        provider_connection_reset(fd);
        return MHD_NO;
    }
    return send_reply(exchange);
}

/* Asked of the server itself: answered at once and not counted. */
static enum MHD_Result serve_stats(struct exchange *exchange)
{
    struct provider_server *server = exchange->server;

    exchange->arrived = true;
    (void)pthread_mutex_lock(&server->lock);
    if (exchange->request.endpoint == PROVIDER_RESET)
        provider_score_reset(&server->locked.score);
    exchange->reply.body = provider_score_json(&server->locked.score, server->options,
                                               &server->locked.limits, now_of(server));
    (void)pthread_mutex_unlock(&server->lock);
    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
    exchange->reply.length = exchange->reply.body == NULL ? 0 : strlen(exchange->reply.body);
    return send_reply(exchange);
}

static enum MHD_Result begin(struct provider_server *server, struct MHD_Connection *connection,
                             const char *method, const char *path, void **context)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);

    if (exchange == NULL)
        return MHD_NO;
    exchange->server = server;
    exchange->connection = connection;
    provider_request_route(&exchange->request, server->options->dialect, method, path);
    *context = exchange;
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *length, void **kept)
{
    struct exchange *exchange = *kept;

    (void)version;
    if (exchange == NULL)
        return begin(context, connection, method, path, kept);
    if (*length != 0) {
        receive(exchange, data, *length);
        *length = 0;
        return MHD_YES;
    }
    if (exchange->arrived)
        return answer(exchange);
    if (exchange->request.endpoint >= PROVIDER_STATS)
        return serve_stats(exchange);
    return arrive(exchange, path);
}

/* Only what was sent to the last byte counts as told. */
static void score_end(struct exchange *exchange, bool complete)
{
    struct provider_server *server = exchange->server;
    struct provider_score *score = &server->locked.score;
    bool ok = exchange->reply.status == 200;

    score->in_flight--;
    score->cut_short += !complete;
    if (complete && ok) {
        provider_score_answered(score, exchange->request.hash, now_of(server));
        score->input_tokens += exchange->request.input_tokens;
        score->output_tokens += exchange->request.output_tokens;
    }
    if (complete && exchange->announces && exchange->verdict.ready_at > exchange->model->announced)
        exchange->model->announced = exchange->verdict.ready_at;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **kept,
                         enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *kept;
    struct provider_server *server = context;

    (void)connection;
    if (exchange == NULL)
        return;
    *kept = NULL;
    settle(exchange, produced(exchange));
    if (exchange->scored) {
        (void)pthread_mutex_lock(&server->lock);
        score_end(exchange, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
        (void)pthread_mutex_unlock(&server->lock);
    }
    drop_body(exchange);
    provider_reply_free(&exchange->reply);
    free(exchange);
}

/* As many descriptors as we may have; the answer is how many connections they are enough for. */
static unsigned connection_limit(FILE *errors)
{
    struct rlimit files;
    rlim_t wanted = CONNECTIONS_MAX + FILES_OWN;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return CONNECTIONS_MAX;
    if (files.rlim_cur < wanted) {
        files.rlim_cur = wanted < files.rlim_max ? wanted : files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
        (void)getrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur >= wanted)
        return CONNECTIONS_MAX;
    if (files.rlim_cur < 2000 + FILES_OWN)
        fprintf(errors, "llmrl provider: only %llu open files are allowed, connections too\n",
                (unsigned long long)files.rlim_cur);
    return files.rlim_cur / 2 > FILES_OWN ? (unsigned)(files.rlim_cur - FILES_OWN) : FILES_OWN;
}

static struct MHD_Daemon *listen_on(struct provider_server *server, FILE *errors)
{
    struct sockaddr_in address;

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)server->options->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK,
        0, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)&address,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_CONNECTION_LIMIT,
        connection_limit(errors), MHD_OPTION_LISTEN_BACKLOG_SIZE, BACKLOG, MHD_OPTION_END);
}

static void server_free(struct provider_server *server)
{
    provider_timer_deinit(&server->timer);
    provider_score_deinit(&server->locked.score);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

struct provider_server *provider_server_start(const struct provider_options *options, FILE *errors)
{
    struct provider_server *server = calloc(1, sizeof *server);

    if (server == NULL || pthread_mutex_init(&server->lock, NULL) != 0) {
        free(server);
        fputs("llmrl provider: out of memory\n", errors);
        return NULL;
    }
    server->options = options;
    server->start = provider_monotonic();
    provider_limits_init(&server->locked.limits, &options->limits);
    provider_score_init(&server->locked.score);
    server->locked.random.state = (uint64_t)options->seed;
    if (!provider_timer_start(&server->timer, wake)) {
        fputs("llmrl provider: cannot start the timer's thread\n", errors);
        (void)pthread_mutex_destroy(&server->lock);
        free(server);
        return NULL;
    }
    server->daemon = listen_on(server, errors);
    if (server->daemon != NULL)
        return server;
    fprintf(errors, "llmrl provider: cannot listen on 127.0.0.1:%lld: %s\n",
            (long long)options->port, strerror(errno));
    provider_timer_stop(&server->timer);
    server_free(server);
    return NULL;
}

unsigned provider_server_port(const struct provider_server *server)
{
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* The timer first: it wakes all that is suspended, as libmicrohttpd cannot stop before that. */
void provider_server_stop(struct provider_server *server, FILE *out)
{
    char *text;

    provider_timer_stop(&server->timer);
    MHD_stop_daemon(server->daemon);
    text = provider_score_json(&server->locked.score, server->options, &server->locked.limits,
                               now_of(server));
    if (text != NULL)
        fprintf(out, "%s\n", text);
    (void)fflush(out);
    free(text);
    server_free(server);
}
