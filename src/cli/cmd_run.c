/* SPDX-License-Identifier: MIT */
/* Owns the command `run`: opens everything in an order in which a mistake costs nothing, keeps the
 * engine busy, and ends so that nothing is lost. */
#include "commands.h"

#include <llmrl/http.h>

#include "run_ids.h"
#include "run_input.h"
#include "run_options.h"
#include "run_output.h"
#include "run_progress.h"
#include "run_request.h"
#include "run_resume.h"
#include "run_summary.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Lines taken between two looks at the network, so that skipping a million of them starves nobody.
 */
#define LINES_AT_ONCE 512
/* What all requests under way may hold; one alone may hold more. */
#define BYTES_UNDER_WAY ((uint64_t)256 << 20)
/* Failures that are told on stderr; OUT has them all. */
#define FAILURES_TOLD 3
#define STEP_MS       100
#define PIPE_STEP_MS  10
#define LIMITS_SHOWN  64

/* A file of requests at work. */
struct source {
    const struct run_file *file;
    struct run_input input;
    uint64_t size;    /* UINT64_MAX: a pipe */
    uint64_t pending; /* of its requests, not done */
    bool all_read;
};

struct run {
    struct run_options options;
    struct run_setup setup;
    rl_context *rl;
    rl_http_engine *engine;
    struct run_ids *ids;
    struct source source[RUN_FILES_MAX]; /* the most urgent first */
    size_t sources;
    struct source *at; /* of the line at hand */
    struct run_output output;
    struct run_request request; /* the line at hand */
    struct run_progress progress;
    struct run_summary sum;
    uint64_t bytes_under_way; /* of IN, in requests that are not done */
    uint64_t bytes_done;      /* of IN, in requests that are */
    double started;
    int summary_fd;
    bool draining;
    bool broken; /* a file cannot be read or written: exit code 2 */
};

/* One request under way. */
struct call {
    struct run *run;
    struct source *source;
    struct text id;
    uint64_t bytes;
};

/* ---- signals ---- */

static volatile sig_atomic_t signals_seen;

/* The first asks to finish, the second to abort; should the program be stuck by then, the third
 * ends it. */
static void on_signal(int number)
{
    (void)number;
    if (signals_seen >= 2)
        _exit(130);
    signals_seen = signals_seen + 1;
}

static void catch_signals(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal; /* no SA_RESTART: a blocked read or poll ends */
    sigemptyset(&action.sa_mask);
    signals_seen = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

/* ---- results ---- */

/* "RL_E_TOO_LARGE" as "too_large". */
static const char *error_code(rl_status status, char out[TEXT_SHORT])
{
    const char *name = rl_status_name(status);
    size_t i = 0;

    if (strncmp(name, "RL_E_", 5) == 0)
        name += 5;
    for (; name[i] != '\0' && i + 1 < TEXT_SHORT; i++)
        out[i] = (char)tolower((unsigned char)name[i]);
    out[i] = '\0';
    return out;
}

static bool write_result(struct run *run, const struct run_result *result)
{
    if (run_output_write(&run->output, result))
        return true;
    if (run->output.lost == 1)
        run_progress_note(&run->progress,
                          "%s: cannot be written: %s; finishing what is on the wire",
                          run->options.output, strerror(run->output.error));
    run->broken = true;
    return false;
}

static void write_failure(struct run *run, struct run_result *result, rl_status status,
                          const char *message)
{
    char code[TEXT_SHORT];

    run->sum.failed++;
    if (run->sum.failed <= FAILURES_TOLD)
        run_progress_note(
            &run->progress, "%.*s failed: %s%s",
            (int)(result->id.length < 100 ? result->id.length : 100), result->id.text, message,
            run->sum.failed == FAILURES_TOLD ? " (further failures: see the answers)" : "");
    /* A success that did not arrive whole is none: --resume has to ask for it again. */
    if (result->http_status >= 200 && result->http_status < 300)
        result->http_status = 0;
    result->error_code = error_code(status, code);
    result->error_message = message;
    (void)write_result(run, result);                   /* it is told, and counted as lost */
    result->error_code = result->error_message = NULL; /* they live no longer than this */
}

static void end_call(struct call *call)
{
    call->source->pending--;
    call->run->bytes_under_way -= call->bytes;
    call->run->bytes_done += call->bytes;
    text_free(&call->id);
    free(call);
}

static void on_done(const rl_http_result *answer)
{
    struct call *call = answer->user;
    struct run *run = call->run;
    struct run_result result = { { call->id.data, call->id.length },
                                 answer->http_status,
                                 answer->request_id,
                                 answer->body,
                                 answer->body_length,
                                 NULL,
                                 NULL };

    if (answer->attempt != NULL)
        run->sum.attempts += answer->attempt->number;
    if (answer->status == RL_OK) {
        run->sum.succeeded += write_result(run, &result) ? 1 : 0;
    } else if (answer->status != RL_E_CANCELLED && answer->status != RL_E_CLOSED) {
        /* A cancelled one gets no line: it is open, and --resume sends it. */
        write_failure(run, &result, answer->status, answer->explanation);
    }
    end_call(call);
}

/* ---- lines ---- */

static void report_bad_line(struct run *run, const struct run_problem *problem)
{
    struct run_result result = { .id = run->request.id, .error_code = problem->code };
    const struct source *source = run->at;
    struct text message = { 0 };

    run->sum.invalid_lines++;
    text_addf(&message, "line %" PRIu64 ": %s", source->input.line, problem->message);
    run_progress_note(&run->progress, "%s: %s", source->file->path, message.data);
    result.error_message = message.data;
    (void)write_result(run, &result); /* it is told, and counted as lost */
    text_free(&message);
}

static rl_status submit(struct run *run, struct call *call)
{
    const struct run_request *request = &run->request;
    rl_http_call http = RL_HTTP_CALL_INIT;
    rl_request cost = RL_REQUEST_INIT;
    rl_status status;

    cost.provider = run->options.provider;
    cost.model = request->model.data;
    cost.input_tokens = request->input_tokens;
    cost.max_output_tokens = request->max_output_tokens;
    cost.max_wait_ms = RL_NEVER;
    cost.user = run->at->file->user;
    cost.priority = run->at->file->priority;
    http.request = &cost;
    http.path = run_request_path(run->setup.base_url.data, request->url.data);
    http.body = request->body.text;
    http.body_length = request->body.length;
    http.done = on_done;
    http.user = call;
    /* Full cannot be, as we count as well; but should it be, waiting is right and dropping is not.
     */
    while ((status = rl_http_engine_submit(run->engine, &http)) == RL_E_QUEUE_FULL &&
           signals_seen < 2) {
        if (rl_http_engine_step(run->engine, STEP_MS) < 0)
            break;
    }
    return status;
}

/* Why a line was not even accepted. What else could be invalid has been looked at before. */
static const char *why_not(rl_status status)
{
    if (status == RL_E_INVALID)
        return "its url is longer than 2048 bytes, or its model's name is longer than 256 bytes or "
               "has a control character";
    return rl_status_text(status);
}

static void send_line(struct run *run, size_t length)
{
    struct call *call = text_memory(NULL, sizeof *call);
    struct run_result result = { .id = run->request.id };
    rl_status status;

    *call = (struct call){ .run = run, .source = run->at, .bytes = length };
    run->at->pending++;
    text_add(&call->id, run->request.id.text, run->request.id.length);
    run->bytes_under_way += length;
    run_request_measure(&run->request, run->rl);
    status = submit(run, call);
    if (status == RL_OK)
        return;
    end_call(call);
    if (status != RL_E_QUEUE_FULL)
        write_failure(run, &result, status, why_not(status));
}

static void take_line(struct run *run, const char *line, size_t length, bool too_long)
{
    static const struct run_problem repeated = { "duplicate_custom_id",
                                                 "its custom_id occurred before" };
    struct run_problem problem;
    const struct text *id = &run->request.id_text;
    bool good = run_request_read(&run->request, line, length, too_long, &problem);
    unsigned flags = 0;

    run->sum.total++;
    if (run->request.id.text != NULL)
        flags = run_ids_mark(run->ids, id->data, id->length, RUN_ID_SEEN);
    if ((flags & RUN_ID_SEEN) != 0)
        report_bad_line(run, &repeated);
    else if ((flags & RUN_ID_ANSWERED) != 0)
        run->sum.skipped++;
    else if (!good)
        report_bad_line(run, &problem);
    else
        send_line(run, length);
}

static size_t sources_left(const struct run *run)
{
    size_t left = 0;

    for (size_t i = 0; i < run->sources; i++)
        left += !run->source[i].all_read;
    return left;
}

/* Files share the places, so that none keeps another from being waited for. */
static bool has_room(const struct run *run, const struct source *source)
{
    size_t pending = rl_http_engine_pending(run->engine), left = sources_left(run);
    uint64_t share = run->options.concurrency / (left == 0 ? 1 : left);

    return pending < run->options.concurrency && source->pending < (share == 0 ? 1 : share) &&
           (pending == 0 || run->bytes_under_way < BYTES_UNDER_WAY);
}

/* Takes one line of run->at. False: there is none at the moment. */
static bool take_next(struct run *run, uint64_t *wait_ms)
{
    struct source *source = run->at;
    const char *line;
    size_t length;
    enum run_input_state state = run_input_next(&source->input, &line, &length);

    if (state == RUN_INPUT_LATER) {
        *wait_ms = PIPE_STEP_MS;
        return false;
    }
    if (state == RUN_INPUT_ERROR) {
        run_progress_note(&run->progress, "%s: cannot be read behind line %" PRIu64 ": %s",
                          source->file->path, source->input.line, strerror(errno));
        run->broken = true;
    } else if (state == RUN_INPUT_END) {
        source->all_read = true;
    } else {
        take_line(run, line, length, state == RUN_INPUT_LONG);
    }
    return true;
}

/* As many as it has room for, of one file. False: there may be more. */
static bool take_lines_of(struct run *run, uint64_t *wait_ms)
{
    for (int i = 0; i < LINES_AT_ONCE; i++) {
        if (run->at->all_read || run->draining || run->broken || signals_seen > 0 ||
            !has_room(run, run->at))
            return true;
        if (!take_next(run, wait_ms))
            return true;
    }
    return false;
}

/* Takes lines while there is room, of each file. Returns how long the engine may then wait for
 * something to happen. */
static uint64_t take_lines(struct run *run)
{
    uint64_t wait_ms = STEP_MS;

    for (size_t i = 0; i < run->sources; i++) {
        run->at = &run->source[i];
        if (!take_lines_of(run, &wait_ms))
            wait_ms = 0;
    }
    return wait_ms;
}

/* ---- progress ---- */

/* Whether a limit's scope covers the whole provider (1) or one of its models (2); 0: neither. */
static int covers(const rl_limit_status *limit, const char *provider)
{
    size_t length = strlen(provider);

    if (strcmp(limit->scope, "global") == 0 || strcmp(limit->scope, provider) == 0)
        return 1;
    return strncmp(limit->scope, provider, length) == 0 && limit->scope[length] == '/' ? 2 : 0;
}

/* What a dimension allows per minute; 0: unknown. The tightest limit of the whole counts; where
 * there is none, the models' limits together. Limits on days say nothing about the next minute. */
static double limit_per_minute(const rl_limit_status *limit, size_t count, uint32_t dimension,
                               const char *provider)
{
    double tightest = 0, sum = 0;

    for (size_t i = 0; i < count; i++) {
        int kind = limit[i].dimension == dimension ? covers(&limit[i], provider) : 0;
        double value = (double)limit[i].level.limit * (double)RL_MINUTE / (double)limit[i].period;
        if (kind == 1 && limit[i].period <= RL_HOUR && (tightest <= 0 || value < tightest))
            tightest = value;
        if (kind == 2 && limit[i].period == RL_MINUTE)
            sum += value;
    }
    return tightest > 0 ? tightest : sum;
}

static void add_limits(const struct run *run, struct run_now *now)
{
    const char *provider = run->options.provider;
    rl_limit_status limits[LIMITS_SHOWN];
    size_t count = LIMITS_SHOWN;

    if (rl_limits_get(run->rl, limits, &count) != RL_OK)
        return;
    if (count > LIMITS_SHOWN)
        count = LIMITS_SHOWN;
    now->requests_limit = limit_per_minute(limits, count, RL_REQUESTS, provider);
    now->tokens_limit = limit_per_minute(limits, count, RL_TOKENS, provider);
}

static rl_stats read_stats(const struct run *run)
{
    rl_stats stats;

    memset(&stats, 0, sizeof stats);
    stats.size = sizeof stats;
    (void)rl_stats_get(run->rl, &stats); /* zeros, should it fail */
    return stats;
}

/* UINT64_MAX: one of them is a pipe, so nobody knows. */
static uint64_t bytes_left(const struct run *run)
{
    uint64_t left = run->bytes_under_way;

    for (size_t i = 0; i < run->sources; i++) {
        const struct source *source = &run->source[i];

        if (source->size == UINT64_MAX)
            return UINT64_MAX;
        if (source->size > source->input.offset)
            left += source->size - source->input.offset;
    }
    return left;
}

static void show_progress(struct run *run)
{
    double clock = text_clock();
    struct run_now now = { 0 };
    rl_stats stats;

    if (!run_progress_due(&run->progress, clock))
        return;
    stats = read_stats(run);
    now.done = run->sum.succeeded;
    now.failed = run->sum.failed + run->sum.invalid_lines;
    now.on_wire = rl_http_engine_in_flight(run->engine);
    now.waiting = rl_http_engine_pending(run->engine) - now.on_wire;
    now.requests = stats.granted;
    now.tokens = stats.input_tokens + stats.output_tokens;
    now.bytes_done = run->bytes_done;
    now.bytes_left = bytes_left(run);
    add_limits(run, &now);
    run_progress_show(&run->progress, &now, clock);
}

/* ---- the loop ---- */

/* Begins the end: what is on the wire goes on, the rest stays open. */
static void drain(struct run *run)
{
    run->draining = true;
    if (signals_seen > 0)
        run_progress_note(&run->progress,
                          "finishing %zu requests on the wire; once more aborts them",
                          rl_http_engine_in_flight(run->engine));
    rl_http_engine_drain(run->engine);
}

/* Nothing is under way: what can happen is a line on the pipe, or a signal. */
static void wait_for_input(const struct run *run, uint64_t wait_ms)
{
    struct pollfd ready[RUN_FILES_MAX];
    nfds_t count = 0;

    for (size_t i = 0; i < run->sources; i++)
        if (!run->source[i].all_read)
            ready[count++] = (struct pollfd){ run->source[i].input.fd, POLLIN, 0 };
    if (wait_ms > 0 && count > 0)
        (void)poll(ready, count, STEP_MS);
}

static void work(struct run *run)
{
    uint64_t wait_ms;
    rl_status status;

    while (signals_seen < 2) {
        if ((signals_seen > 0 || run->broken) && !run->draining)
            drain(run);
        wait_ms = take_lines(run);
        if (rl_http_engine_pending(run->engine) > 0) {
            status = rl_http_engine_step(run->engine, wait_ms);
            if (status < 0) {
                run_progress_note(&run->progress, "the engine stopped: %s", rl_status_text(status));
                run->broken = true;
                return;
            }
        } else if (sources_left(run) == 0 || run->draining) {
            return;
        } else {
            wait_for_input(run, wait_ms);
        }
        show_progress(run);
    }
}

/* ---- beginning and end ---- */

static int usage_error(const struct text *error)
{
    fprintf(stderr, "llmrl: %s\n", error->data != NULL ? error->data : "out of memory");
    return 2;
}

static bool is_same_file(const struct stat *one, const char *path)
{
    struct stat other;

    return stat(path, &other) == 0 && S_ISREG(other.st_mode) && other.st_dev == one->st_dev &&
           other.st_ino == one->st_ino;
}

static bool open_source(const struct run *run, struct source *source, struct text *error)
{
    const struct run_options *options = &run->options;
    const char *path = source->file->path;
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0)
        text_addf(error, "%s: cannot be read: %s", path, strerror(errno));
    else if (S_ISDIR(status.st_mode))
        text_addf(error, "%s: is a directory", path);
    else if (is_same_file(&status, options->output))
        text_addf(error, "%s: is the file with the requests; the answers need another",
                  options->output);
    else if (options->summary_json != NULL && is_same_file(&status, options->summary_json))
        text_addf(error, "--summary-json: %s is the file with the requests", options->summary_json);
    else {
        run_input_init(&source->input, fd, RUN_INPUT_LINE_MAX);
        source->size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : UINT64_MAX;
        return true;
    }
    return false;
}

/* In the order of priority, then of the command line. */
static void place_sources(struct run *run)
{
    for (size_t i = 0; i < run->options.file_count; i++) {
        const struct run_file *file = &run->options.file[i];
        size_t at = run->sources++;

        for (; at > 0 && run->source[at - 1].file->priority > file->priority; at--)
            run->source[at] = run->source[at - 1];
        run->source[at] = (struct source){ .file = file, .input = { .fd = -1 } };
    }
}

static bool open_sources(struct run *run, struct text *error)
{
    place_sources(run);
    for (size_t i = 0; i < run->sources; i++)
        if (!open_source(run, &run->source[i], error))
            return false;
    return true;
}

static bool open_context(struct run *run, struct text *error)
{
    const char *where = run->options.config != NULL ? run->options.config : "the limits";
    rl_options options = RL_OPTIONS_INIT;
    char problem[512] = "";
    rl_status status;

    options.config_json = run->setup.config_json.data;
    options.error = problem;
    options.error_size = sizeof problem;
    status = rl_open(&options, &run->rl);
    if (status != RL_OK)
        text_addf(error, "%s: %s", where, problem[0] != '\0' ? problem : rl_status_text(status));
    return status == RL_OK;
}

static bool open_engine(struct run *run, struct text *error)
{
    rl_http_options options = RL_HTTP_OPTIONS_INIT;
    char problem[512] = "";
    rl_status status;

    options.base_url = run->setup.base_url.data;
    options.provider = run->options.provider;
    options.dialect = run->setup.dialect.data;
    options.api_key = run->setup.api_key;
    options.ca_file = run->options.ca_file;
    options.max_in_flight = run->options.concurrency;
    options.attempt_timeout_ms = run->options.timeout_ms;
    status = rl_http_engine_new(run->rl, &options, &run->engine, problem, sizeof problem);
    if (status != RL_OK)
        text_add_string(error, problem[0] != '\0' ? problem : rl_status_text(status));
    return status == RL_OK;
}

/* Each transfer needs a descriptor, at worst. */
static bool raise_file_limit(const struct run *run, struct text *error)
{
    rlim_t need = (rlim_t)run->options.concurrency + 64;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
        return true;
    limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= need)
        return true;
    text_addf(error, "--concurrency: only %llu files may be open (ulimit -n), %llu are needed",
              (unsigned long long)limit.rlim_max, (unsigned long long)need);
    return false;
}

/* The summary's file is opened before the first request, so that a wrong name costs nothing. */
static bool open_summary(struct run *run, struct text *error)
{
    const char *path = run->options.summary_json;
    struct stat status;

    if (path == NULL)
        return true;
    run->summary_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (run->summary_fd < 0 || fstat(run->summary_fd, &status) != 0)
        text_addf(error, "--summary-json: %s: %s", path, strerror(errno));
    else if (S_ISREG(status.st_mode) && is_same_file(&status, run->options.output))
        text_addf(error, "--summary-json: %s is the file for the answers", path);
    else
        return true;
    return false;
}

static bool open_output(struct run *run, struct text *error)
{
    struct run_resume found;
    struct text problem = { 0 };
    int fd = run_resume_open(run->options.output, run->options.resume, run->ids, &found, &problem);

    if (fd < 0)
        text_addf(error, "%s: %s", run->options.output, problem.data);
    else
        run_output_init(&run->output, fd);
    text_free(&problem);
    return fd >= 0;
}

/* What can be wrong without touching a file comes first, what creates one last. */
static bool open_all(struct run *run, struct text *error)
{
    return run_setup_config(&run->setup, &run->options, error) && open_context(run, error) &&
           run_setup_door(&run->setup, &run->options, run->rl, error) &&
           raise_file_limit(run, error) && open_engine(run, error) && open_sources(run, error) &&
           open_summary(run, error) && open_output(run, error);
}

static void close_all(struct run *run)
{
    rl_http_engine_free(run->engine);
    rl_close(run->rl);
    run_setup_deinit(&run->setup);
    run_ids_free(run->ids);
    run_request_deinit(&run->request);
    for (size_t i = 0; i < run->sources; i++) {
        run_input_deinit(&run->source[i].input);
        if (run->source[i].input.fd > STDERR_FILENO)
            close(run->source[i].input.fd);
    }
    if (run->summary_fd >= 0)
        close(run->summary_fd);
}

static void write_summary(struct run *run)
{
    struct text words = { 0 }, json = { 0 };

    run_summary_text(&words, &run->sum);
    run_summary_json(&json, &run->sum);
    if (!run->options.quiet)
        fputs(words.data, stderr);
    /* A pipe or a terminal cannot be cut, and need not be. */
    if (run->summary_fd >= 0 && ((ftruncate(run->summary_fd, 0) != 0 && errno != EINVAL) ||
                                 !run_output_bytes(run->summary_fd, json.data, json.length))) {
        run_progress_note(&run->progress, "--summary-json: %s: %s", run->options.summary_json,
                          strerror(errno));
        run->broken = true;
    }
    text_free(&words);
    text_free(&json);
}

/* Ends the engine first: what it aborts is counted, and the numbers are final. */
static int finish(struct run *run)
{
    rl_stats stats;

    rl_http_engine_free(run->engine);
    run->engine = NULL;
    stats = read_stats(run);
    run->sum.refusals = stats.refusals;
    run->sum.retries = stats.retries;
    run->sum.input_tokens = stats.input_tokens;
    run->sum.output_tokens = stats.output_tokens;
    run->sum.duration_s = text_clock() - run->started;
    /* Who asked to stop when all was done already has interrupted nothing. */
    run->sum.interrupted =
        signals_seen > 0 && (sources_left(run) > 0 || run_summary_open(&run->sum) > 0);
    run_progress_clear(&run->progress);
    if (run->output.lost > 0)
        run_progress_note(&run->progress,
                          "%s: %" PRIu64
                          " lines could not be written: %s; --resume sends them again",
                          run->options.output, run->output.lost, strerror(run->output.error));
    if (!run_output_close(&run->output)) {
        run_progress_note(&run->progress, "%s: %s", run->options.output, strerror(errno));
        run->broken = true;
    }
    write_summary(run);
    if (run->broken)
        return 2;
    if (run->sum.interrupted)
        return 130;
    return run->sum.failed + run->sum.invalid_lines > 0 ? 1 : 0;
}

static int run_batch(struct run *run)
{
    struct text error = { 0 };
    int code;

    run->ids = run_ids_new();
    if (!open_all(run, &error)) {
        code = usage_error(&error);
    } else {
        run_progress_init(&run->progress, run->options.quiet);
        if (run->setup.key_withheld && !run->options.quiet)
            run_progress_note(&run->progress, "%s is not sent to this URL; --api-key-env %s would",
                              run->setup.usual_env, run->setup.usual_env);
        catch_signals();
        run->started = text_clock();
        work(run);
        code = finish(run);
    }
    close_all(run);
    text_free(&error);
    return code;
}

int cmd_run(int argc, char **argv)
{
    struct run run = { .summary_fd = -1 };
    struct text error = { 0 };
    int code = 0;

    if (!run_options_read(&run.options, argc, argv, &error)) {
        text_add_string(&error, "\n(llmrl run --help lists the options)");
        code = usage_error(&error);
    } else if (run.options.help) {
        fputs(run_options_help, stdout);
    } else {
        code = run_batch(&run);
    }
    text_free(&error);
    return code;
}
