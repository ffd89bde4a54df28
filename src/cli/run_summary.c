/* SPDX-License-Identifier: MIT */
/* Owns the words and the JSON of the final numbers. */
#include "run_summary.h"

#include <inttypes.h>

/* Below this, "a minute" would be made of one burst. */
#define SHORTEST_S 1e-3

static double per_minute(uint64_t count, double seconds)
{
    return (double)count * 60 / (seconds > SHORTEST_S ? seconds : SHORTEST_S);
}

uint64_t run_summary_open(const struct run_summary *s)
{
    return s->total - s->succeeded - s->failed - s->invalid_lines - s->skipped;
}

void run_summary_text(struct text *out, const struct run_summary *s)
{
    char duration[TEXT_SHORT], requests[TEXT_SHORT], tokens[TEXT_SHORT];

    text_duration(s->duration_s, duration);
    text_count(per_minute(s->succeeded + s->failed, s->duration_s), requests);
    text_count(per_minute(s->input_tokens + s->output_tokens, s->duration_s), tokens);
    text_addf(out,
              "llmrl: %" PRIu64 " answered, %" PRIu64 " failed, %" PRIu64 " bad lines, %" PRIu64
              " answered before; %s\n",
              s->succeeded, s->failed, s->invalid_lines, s->skipped, duration);
    text_addf(out,
              "llmrl: %" PRIu64 " attempts, %" PRIu64 " refused for a limit, %" PRIu64
              " retries; %" PRIu64 " input and %" PRIu64 " output tokens\n",
              s->attempts, s->refusals, s->retries, s->input_tokens, s->output_tokens);
    text_addf(out, "llmrl: %s requests/min, %s tokens/min on average\n", requests, tokens);
    if (s->interrupted)
        text_addf(out,
                  "llmrl: interrupted; %" PRIu64
                  " requests that were read, and what follows them, are "
                  "open: the same command with --resume goes on\n",
                  run_summary_open(s));
}

void run_summary_json(struct text *out, const struct run_summary *s)
{
    text_addf(out,
              "{\"total\":%" PRIu64 ",\"succeeded\":%" PRIu64 ",\"failed\":%" PRIu64
              ",\"invalid_lines\":%" PRIu64 ",\"skipped\":%" PRIu64 ",\"attempts\":%" PRIu64,
              s->total, s->succeeded, s->failed, s->invalid_lines, s->skipped, s->attempts);
    text_addf(out,
              ",\"refusals_429\":%" PRIu64 ",\"retries\":%" PRIu64 ",\"input_tokens\":%" PRIu64
              ",\"output_tokens\":%" PRIu64 ",\"duration_s\":%.3f",
              s->refusals, s->retries, s->input_tokens, s->output_tokens, s->duration_s);
    text_addf(out, ",\"requests_per_minute\":%.1f,\"tokens_per_minute\":%.1f,\"interrupted\":%s}\n",
              per_minute(s->succeeded + s->failed, s->duration_s),
              per_minute(s->input_tokens + s->output_tokens, s->duration_s),
              s->interrupted ? "true" : "false");
}
