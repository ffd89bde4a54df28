/* SPDX-License-Identifier: MIT */
/* Owns what an exchange costs and how it counts in the statistics. */
#include "provider_exchange.h"

void provider_account_settle(struct provider_exchange *exchange, int64_t output)
{
    struct provider_server *server = exchange->server;
    int64_t extra[PROVIDER_KINDS];

    if (!exchange->charged)
        return;
    exchange->charged = false;
    provider_request_settlement(&exchange->request, server->options->dialect, output, extra);
    (void)pthread_mutex_lock(&server->lock);
    provider_limits_settle(&server->locked.limits, exchange->model, extra,
                           provider_server_now(server));
    (void)pthread_mutex_unlock(&server->lock);
}

int64_t provider_account_produced(const struct provider_exchange *exchange)
{
    provider_wide output = exchange->request.output_tokens;

    if (exchange->reply.status != 200 || exchange->reply.length == 0)
        return 0;
    return (int64_t)(output * (int64_t)exchange->sent / (int64_t)exchange->reply.length);
}

void provider_account_verdict(struct provider_exchange *exchange)
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

void provider_account_end(struct provider_exchange *exchange, bool complete)
{
    struct provider_server *server = exchange->server;
    struct provider_score *score = &server->locked.score;
    bool ok = exchange->reply.status == 200;

    score->in_flight--;
    score->cut_short += !complete;
    if (complete && ok) {
        provider_score_answered(score, exchange->request.hash, provider_server_now(server));
        score->input_tokens += exchange->request.input_tokens;
        score->output_tokens += exchange->request.output_tokens;
    }
    if (complete && exchange->announces && exchange->verdict.ready_at > exchange->model->announced)
        exchange->model->announced = exchange->verdict.ready_at;
}
