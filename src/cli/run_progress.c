/* SPDX-License-Identifier: MIT */
/* Owns the live line and the notes on stderr. */
#include "run_progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LIVE_INTERVAL_S  0.2
#define PLAIN_INTERVAL_S 10.0

void run_progress_init(struct run_progress *progress, bool quiet)
{
    *progress = (struct run_progress){ .quiet = quiet, .samples = 1 };
    progress->sample[0].at = text_clock(); /* nothing had happened then */
    progress->live = !quiet && isatty(STDERR_FILENO) == 1;
    progress->next = text_clock() + (progress->live ? 0 : PLAIN_INTERVAL_S);
}

bool run_progress_due(const struct run_progress *progress, double now)
{
    return !progress->quiet && now >= progress->next;
}

/* Notes where things stand, at most once a second. */
static void take_sample(struct run_progress *progress, const struct run_now *state, double now)
{
    size_t last = (progress->samples + RUN_PROGRESS_SAMPLES - 1) % RUN_PROGRESS_SAMPLES;
    struct run_sample *next = &progress->sample[progress->samples % RUN_PROGRESS_SAMPLES];

    if (now - progress->sample[last].at < 1)
        return;
    *next = (struct run_sample){ now, state->requests, state->tokens, state->bytes_done };
    progress->samples++;
}

/* The oldest note that is not older than a minute; the first one is the start. */
static struct run_sample minute_ago(const struct run_progress *progress, double now)
{
    size_t count =
        progress->samples < RUN_PROGRESS_SAMPLES ? progress->samples : RUN_PROGRESS_SAMPLES;

    for (size_t i = progress->samples - count; i < progress->samples; i++) {
        const struct run_sample *sample = &progress->sample[i % RUN_PROGRESS_SAMPLES];
        if (now - sample->at <= 60.5)
            return *sample;
    }
    return progress->sample[(progress->samples - 1) % RUN_PROGRESS_SAMPLES];
}

static void add_rate(struct text *out, uint64_t count, double limit, const char *unit)
{
    char number[TEXT_SHORT];

    text_add_string(out, text_count((double)count, number));
    if (limit > 0)
        text_addf(out, "/%s", text_count(limit, number));
    text_addf(out, " %s", unit);
}

static void add_time_left(struct text *out, const struct run_now *state, uint64_t bytes,
                          double seconds, const char *before)
{
    char left[TEXT_SHORT];

    if (state->bytes_left == UINT64_MAX || bytes == 0 || seconds < 1)
        return;
    text_duration((double)state->bytes_left * seconds / (double)bytes, left);
    text_addf(out, "%s%s left", before, left);
}

/* A terminal cuts the end of a long line: there the rates come last. */
void run_progress_format(struct text *out, struct run_progress *progress,
                         const struct run_now *state, double now)
{
    struct run_sample then = minute_ago(progress, now);
    double seconds = now - then.at;
    uint64_t bytes = state->bytes_done - then.bytes;
    bool live = progress->live;

    text_addf(out, "%" PRIu64 " done, %" PRIu64 " failed, %" PRIu64 " waiting", state->done,
              state->failed, state->waiting);
    if (live)
        add_time_left(out, state, bytes, seconds, ", ");
    else
        text_addf(out, ", %" PRIu64 " on the wire", state->on_wire);
    text_add_string(out, live ? " | " : " | last minute: ");
    add_rate(out, state->requests - then.requests, state->requests_limit,
             live ? "rpm, " : "requests, ");
    add_rate(out, state->tokens - then.tokens, state->tokens_limit, live ? "tpm" : "tokens");
    if (!live)
        add_time_left(out, state, bytes, seconds, " | ");
}

static size_t terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2)
        return 79;
    return (size_t)size.ws_col - 1;
}

void run_progress_show(struct run_progress *progress, const struct run_now *state, double now)
{
    struct text line = { 0 };
    size_t width = terminal_width();

    run_progress_format(&line, progress, state, now);
    take_sample(progress, state, now);
    if (progress->live) {
        /* A line that wraps could not be taken back. */
        fprintf(stderr, "\r%.*s\x1b[K", (int)(line.length < width ? line.length : width),
                line.data);
        progress->shown = true;
    } else {
        fprintf(stderr, "llmrl: %s\n", line.data);
    }
    fflush(stderr);
    text_free(&line);
    progress->next = now + (progress->live ? LIVE_INTERVAL_S : PLAIN_INTERVAL_S);
}

void run_progress_clear(struct run_progress *progress)
{
    if (progress->shown)
        fputs("\r\x1b[K", stderr);
    progress->shown = false;
}

void run_progress_note(struct run_progress *progress, const char *format, ...)
{
    struct text line = { 0 };
    va_list args;
    char buffer[1024];

    run_progress_clear(progress);
    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    /* What comes from files and servers must not steer the terminal. */
    for (char *at = buffer; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7F)
            *at = ' ';
    }
    text_addf(&line, "llmrl: %s\n", buffer);
    fputs(line.data, stderr);
    text_free(&line);
}
