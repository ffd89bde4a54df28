/* SPDX-License-Identifier: MIT */
/**
 * @file config.h
 * The configuration file: JSON, at most 1 MiB. All keys are optional; 0 is a value ("nothing,
 * ever").
 *
 *     {
 *       "global":    { "requests_per_minute": 1000, "tokens_per_minute": 100000 },
 *       "providers": {
 *         "openai": {
 *           "dialect": "openai",                   // default: the provider's name, else "generic"
 *           "requests_per_minute": 500, "tokens_per_minute": 60000,
 *           "input_tokens_per_minute": ..., "output_tokens_per_minute": ...,
 *           "auto_detect": true,                   // learn limits from answers
 *           "base_url": "https://api.openai.com", "api_key_env": "OPENAI_API_KEY",
 *           "models": [ { "name": "gpt-4o-mini", "requests_per_minute": 200 } ]
 *         }
 *       },
 *       "queue": { "max_size": 10000, "max_wait_ms": 30000 },
 *       "retry": { "max_attempts": 6, "base_delay_ms": 500, "max_delay_ms": 30000, "max_hint_ms":
 * 300000 }
 *     }
 *
 * "_second", "_hour" and "_day" work like "_minute". An unknown or duplicate key, a wrong type, a
 * number out of range or a contradiction is RL_E_CONFIG, with the place
 * ("providers.openai.models[0].tokens_per_minute") and, where one is near, the key that was
 * probably meant.
 */
#ifndef LLMRL_CONFIG_H
#define LLMRL_CONFIG_H

#include <llmrl/llmrl.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Checks a configuration text without opening a context.
 * @param error  receives "place: what is wrong"; may be NULL.
 * Threads: any.
 */
RL_API rl_status rl_config_check(const char *json, size_t length, char *error, size_t error_size);

/** What the configuration says of a provider's door; NULL where it says nothing. Borrowed until
 * rl_close(). */
RL_API const char *rl_config_base_url(const rl_context *rl, const char *provider);
RL_API const char *rl_config_api_key_env(const rl_context *rl, const char *provider);

#ifdef __cplusplus
}
#endif
#endif
