/* SPDX-License-Identifier: MIT */
/* Stands in for the components that were left out: the same functions, so the ABI never depends on
 * options. */
#include <llmrl/http.h>

#include <stdio.h>

rl_status rl_http_engine_new(rl_context *rl, const rl_http_options *options, rl_http_engine **out,
                             char *error, size_t error_size)
{
    (void)rl;
    (void)options;
    if (out != NULL)
        *out = NULL;
    if (error != NULL && error_size > 0)
        (void)snprintf(error, error_size,
                       "this build of libllmrl has no libcurl engine"); /* cut is fine */
    return RL_E_NOT_BUILT;
}

rl_status rl_http_engine_submit(rl_http_engine *engine, const rl_http_call *call)
{
    (void)engine;
    (void)call;
    return RL_E_NOT_BUILT;
}

rl_status rl_http_engine_step(rl_http_engine *engine, uint64_t timeout_ms)
{
    (void)engine;
    (void)timeout_ms;
    return RL_E_NOT_BUILT;
}

/* No engine can exist: those that cannot say so have nothing to do. */

void rl_http_engine_wake(rl_http_engine *engine)
{
    (void)engine;
}

size_t rl_http_engine_pending(const rl_http_engine *engine)
{
    (void)engine;
    return 0;
}

size_t rl_http_engine_in_flight(const rl_http_engine *engine)
{
    (void)engine;
    return 0;
}

void rl_http_engine_drain(rl_http_engine *engine)
{
    (void)engine;
}

void rl_http_engine_free(rl_http_engine *engine)
{
    (void)engine;
}

rl_status rl_http_perform(rl_context *rl, const rl_request *request, void *easy,
                          rl_http_reply *reply)
{
    (void)rl;
    (void)request;
    (void)easy;
    (void)reply;
    return RL_E_NOT_BUILT;
}

void rl_http_reply_free(rl_http_reply *reply)
{
    (void)reply;
}
