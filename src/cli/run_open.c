/* SPDX-License-Identifier: MIT */
/* Owns opening everything in an order in which a mistake costs nothing, and closing it. */
#include "run_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_resume.h"

static bool is_same_file(const struct stat *one, const char *path)
{
    struct stat other;

    return stat(path, &other) == 0 && S_ISREG(other.st_mode) && other.st_dev == one->st_dev &&
           other.st_ino == one->st_ino;
}

static bool open_source(const struct run *run, struct run_source *source, struct text *error)
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
        run->source[at] = (struct run_source){ .file = file, .input = { .fd = -1 } };
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

bool run_open(struct run *run, struct text *error)
{
    return run_setup_config(&run->setup, &run->options, error) && open_context(run, error) &&
           run_setup_door(&run->setup, &run->options, run->rl, error) &&
           raise_file_limit(run, error) && open_engine(run, error) && open_sources(run, error) &&
           open_summary(run, error) && open_output(run, error);
}

void run_close(struct run *run)
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
