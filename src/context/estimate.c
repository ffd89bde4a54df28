/* SPDX-License-Identifier: MIT */
/* Owns the choice between the user's tokenizer and an estimate. */
#include "provider/estimate.h"

#include "context/context.h"

/* A model's own calibration is not applied here but at the reservation: see provider/charge.h. */
uint64_t rl_estimate_tokens(const rl_context *rl, const char *model, const char *text,
                            size_t length)
{
    uint64_t tokens = RL_NEVER;

    if (text == NULL || length == 0)
        return 0;
    if (rl != NULL && rl->count_tokens != NULL)
        tokens = rl->count_tokens(rl->count_tokens_user, model == NULL ? "" : model, text, length);
    if (tokens != RL_NEVER)
        return tokens;
    return rl__estimate_tokens(rl__vocabulary_of(model), text, length);
}
