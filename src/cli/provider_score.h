/* SPDX-License-Identifier: MIT */
/* What the stand-in provider saw: the numbers by which a client is judged. */
#ifndef LLMRL_CLI_PROVIDER_SCORE_H
#define LLMRL_CLI_PROVIDER_SCORE_H

#include "provider.h"

/* Times are ns since the server began; -1: not yet. The caller holds the server's lock. */
struct provider_score {
    int64_t seen;
    int64_t admitted;
    int64_t refused; /* because of limits; the sum of the next two */
    int64_t refused_wait;
    int64_t refused_too_large;
    int64_t refused_early; /* refused, and the model had been told to wait longer */
    int64_t early;         /* every arrival before the announced time */
    int64_t errors;        /* wrong path, key or body */
    int64_t fault[PROVIDER_FAULTS];
    int64_t answered_200; /* completely sent */
    int64_t answered_twice;
    int64_t distinct_200;
    int64_t cut_short; /* answers that the client did not wait for */
    int64_t in_flight;
    int64_t in_flight_max;
    int64_t input_tokens; /* of the answered */
    int64_t output_tokens;
    int64_t first_request;
    int64_t last_answer;
    int64_t peak_rps; /* arrivals in the busiest second, counted from the server's start */
    int64_t second;
    int64_t second_arrivals;
    bool answered_full; /* more distinct requests than can be told apart: see ANSWERED_MAX */
    uint64_t *answered; /* hash set; 0: free place */
    size_t answered_room;
};

void provider_score_init(struct provider_score *score);
void provider_score_deinit(struct provider_score *score);
/* Begins anew; what is in flight stays so. */
void provider_score_reset(struct provider_score *score);
void provider_score_arrival(struct provider_score *score, int64_t now);
/* A 200 was sent to its last byte. */
void provider_score_answered(struct provider_score *score, uint64_t hash, int64_t now);
/* One line of JSON, to be freed; NULL: out of memory. Brings the limits up to date. */
char *provider_score_json(const struct provider_score *score,
                          const struct provider_options *options, struct provider_limits *limits,
                          int64_t now);

#endif
