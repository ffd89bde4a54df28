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
 *           "requests_per_minute": 500, "tokens_per_minute": 60000, "daily_tokens": 10000000,
 *           "auto_detect": true,                   // find limits in answers
 *           "respect_provider_limits": true,       // false: answers move no limit at all, but a
 *                                                  // refusal still closes the gate
 *           "base_url": "https://api.openai.com", "api_key_env": "OPENAI_API_KEY",
 *           "tier": "tier-3",                      // built-in tables: see rl_table_find()
 *           "models": [ { "name": "gpt-4o-mini", "requests_per_minute": 200 },
 *                       { "name": "gpt-4o-*", "tokens_per_minute": 30000 } ]
 *         }
 *       },
 *       "users": {
 *         "default": { "requests_per_minute": 10, "tokens_per_day": 100000, "day_zone": "local" },
 *         "premium": { "requests_per_minute": 100, "weight": 4 },
 *         "ids": { "alice": "premium" },
 *         "max_count": 1000000
 *       },
 *       "estimates": { "quantile": 0.9 },       // of requests that are to find enough reserved
 *       "queue": { "max_size": 10000, "max_wait_ms": 30000, "priorities": "strict" },
 *       "retry": { "max_attempts": 6, "base_delay_ms": 500, "max_delay_ms": 30000,
 *                  "max_hint_ms": 300000, "jitter": "full",
 *                  "budget": { "ratio": 0.2, "floor_per_minute": 10, "burst": 30 } },
 *       "circuit_breaker": { "enabled": true, "failure_rate": 0.5, "minimum_calls": 10,
 *                            "window_s": 60, "slow_call_ms": 60000, "slow_rate": 0.5,
 *                            "open_ms": 30000, "open_max_ms": 240000, "half_open_probes": 1,
 *                            "probe_lease_ms": 60000 },
 *       "fallback": { "openai/gpt-4o": ["anthropic/claude-sonnet-4", "openai/gpt-4o-mini"],
 *                     "stay_within_ms": 1000 },
 *       "adaptive": { "enabled": true, "adjustment_factor": 0.9, "initial_rpm": 60,
 *                     "initial_tpm": 60000, "minimum_rpm": 1, "minimum_tpm": 1000 }
 *     }
 *
 * Limits, wherever they stand. Shorthands: "requests", "tokens", "input_tokens", "output_tokens",
 * "images" or "dollars" (decimals allowed), with "_per_second", "_per_minute", "_per_hour",
 * "_per_day", "_per_week" or "_per_month", or "daily_" before it; "concurrency". How such a limit
 * is kept depends on where it stands:
 *
 *   - of a provider or model whose dialect is documented to refill continuously: as a token bucket;
 *   - else second and minute: no interval of that length holds more, wherever it starts, paced by
 *     a bucket before that. So none is refused, whether the provider keeps windows, a log or a
 *     bucket that holds the whole amount, and the amount is used but for less than a hundredth,
 *     and for what answers under way will give back; hour and
 *     week: so, too, by a sliding counter; day and month: from midnight to midnight, in "day_zone"
 *     ("local", or a name like "Asia/Tokyo"; default: UTC, for the dialect "gemini" Pacific time);
 *   - of users, organisations and api_keys: as a bucket that holds the whole amount; day and month
 *     as above.
 *
 * Calendar windows lie where the wall clock says when the limit comes into force. If it is set
 * later, they stay there until the next reload: set ahead, a new window may have begun then; set
 * back, none begins twice.
 *
 * The list "limits" says the rest; of one dimension and period a scope has one limit:
 *
 *     "limits": [ { "dimension": "tokens", "amount": 200000, "period": "5h" } ]
 *
 *   dimension      one of the words above, or "concurrency", which has no period
 *   period         "second" ... "month", or a span: "90s", "5h", "10d"
 *   algorithm      as in limiter.h, or one of rl_options.algorithms; then also "burst", "parts",
 *                  "start" and, for "fixed_window", "align" ("epoch", "first", "hour", "day",
 *                  "month"), "zone" and "day_start" ("09:30")
 *   mode           "enforce", or "shadow": measures and never holds back
 *   oversize       what is larger than the whole amount is "refuse"d for ever, or may "borrow": it
 *                  waits until all is there and goes into debt
 *   unknown_usage  tokens that an answer does not tell count "as_reserved" or "as_nothing"
 *   headroom       { "high": 0.1, "normal": 0.2 }: shares of what the limit holds when it is full
 *                  that only requests of that priority or a higher one may use
 *   charge         { "reserve": { "input_tokens": 1, "output_tokens": 1 }, "settle": {
 *                  "input_tokens": 1, "cached_input_tokens": -1, "output_tokens": 5 } }: whole
 *                  numbers by which the amounts are multiplied and added up ("largest": true: the
 *                  largest product counts instead); default: as the dialect counts
 *
 * "pool", of a provider, a model, a pattern of models or "global", is a limit on concurrency,
 * instead of the shorthand:
 *
 *     "pool": { "kind": "adaptive", "slots": 4, "min_slots": 1, "max_slots": 64,
 *               "lease_ms": 600000 }
 *
 *   kind           "fixed"; or "adaptive": the number follows refusals (429, 503, 529, timeouts)
 *                  and latency, from the grant to the report; for servers that announce no limits
 *   slots          at once; default: 10; adaptive: to begin with; default: 4, or as near as the
 *                  bounds allow
 *   min_slots, max_slots
 *                  of an adaptive one; default: 1 and 256
 *   lease_ms       a permit that is held for longer gives its slot to the next who asks, as its
 *                  holder may be dead: longer than any request takes. Its other reservations stand;
 *                  reported late, it gives back no slot. Default: none, it is held until it ends
 *
 * A slot is taken last, when all limits agree. Who waits for one goes when it is given back, or
 * when the first lease ends, which a refused permit's retry_at tells. A reload takes nobody's slot:
 * where more are held than there may be, nobody gets one until enough have come back.
 *
 * A model's "name" may be a pattern, with '*' for any characters: all models that it matches share
 * its limits. The exact name goes before patterns, then the one with the most characters that are
 * no stars, then the first in the file.
 *
 * "tier" puts the built-in table of that tier in force, as if the file had named its limits; how
 * the dialect's tiers are called, a mistake tells. What the file says of a dimension and period
 * goes before: of the provider, for all its models; of a model, for all that share the table's
 * limit with it; a pattern that matches a model leaves nothing of the table to it. "unknown":
 * ["requests_per_minute", ...] says which limits of the table are not to count, so that answers
 * teach them. Tables grow old: without "tier" they are no more than a guess, which is listed and
 * holds nobody back.
 *
 * "users", "organisations" and "api_keys" (of your own callers) have tiers, of any name, each with
 * limits; who is not in "ids" has "default". As many as "max_count" are remembered who have used
 * something that is not back yet.
 *
 * "queue", of those who wait:
 *
 *   max_size, max_size_per_provider, max_size_per_user
 *                  how many may; default: 10000, the last two without a bound
 *   when_full      "reject_new"; or somebody has to go for it, with RL_E_DROPPED: "drop_lowest",
 * the lowest priority and of that the youngest, if it is lower than the new one's; "drop_oldest"
 *   max_wait_ms    for requests that name none; default: 30 s
 *   priorities     "strict"; or "weighted": levels are shares, see rl_priority
 *   max_age_ms     who has stood behind others for so long, with nobody of its own user before it,
 *                  comes next at the next moment at which anything of its lane may leave; default:
 *                  60 s; 0: never
 *
 * "retry.budget" bounds the retries of all requests together; see retry.h. {} is the one above.
 * Without it there is no such bound, as suits a batch that wants every answer. "jitter" is "full",
 * "equal", "decorrelated" or "none".
 *
 * "circuit_breaker" gives each provider a breaker of its own (see breaker.h), which the attempts of
 * all its models ask; one within a provider takes the place of the one at the top. Without it there
 * is none. Numbers left out are the defaults of breaker.h: no call is slow, open_ms does not grow.
 * While it is open, an attempt waits if that ends within its max_wait_ms, else it ends at once with
 * RL_E_CIRCUIT_OPEN and the time. A Retry-After of an answer that opens it keeps it open so long.
 * Half-open, those for whom there is no probe look again every 100 ms. A
 * reload gives breakers to providers that have not been used yet; the others keep theirs.
 *
 * "fallback" names what a request may leave by when what it asks for fails or cannot start soon, if
 * its allow_fallback says so: "provider/model" (the provider's name ends at the first slash), at
 * most 16 in a row. As a list it is one chain, each of which falls back on those behind it:
 *
 *     "fallback": ["openai/gpt-4", "anthropic/claude-3-opus", "openai/gpt-3.5-turbo"]
 *
 * An attempt leaves by the first of its chain if that can start within "stay_within_ms" (default:
 * 1000; 0: at once), else by whichever starts earliest. After a failure that is the first of those
 * which were not tried; when all were, a round begins again, after the back-off. What has recovered
 * is used again by itself: each attempt asks anew. Where little is known of a route yet, and few
 * may be in flight, it counts as
 * starting within that time; where only an answer can make room (a limit of concurrency, the probes
 * of a circuit breaker), it does not.
 *
 * A provider's "keys" are several keys, organisations or deployments of it:
 *
 *     "openai": { "tokens_per_minute": 60000, "keys": [
 *         { "name": "eu", "weight": 3, "api_key_env": "EU_KEY", "base_url": "https://eu.example" },
 *         { "name": "us", "tokens_per_minute": 10000 } ] }
 *
 * Each has all that its provider has, but for what it says itself, and limits, gate, circuit
 * breaker and what answers teach for itself. Attempts choose among those that can start at once by
 * "weight" (default: 1); keys never hold a secret. All calls know a key as a provider, "openai#eu";
 * "openai" is none of them. A provider has 32 keys at most, a chain with all of its keys 32 routes.
 * A reload changes chains and weights for attempts yet to come, and their rounds begin again.
 *
 * "adaptive": where a provider refuses and neither an answer nor the file names a limit, one is
 * searched for by what is refused, in requests and in tokens a minute, each by itself; it is listed
 * as "adaptive", and each change is an event with its reason. It is on unless "enabled" is false;
 * the key itself, {} too, asks for it below limits that the file names as well: those are caps. It
 * ends as soon as an answer names a limit. One within a provider takes the place of the one at the
 * top.
 *
 *   adjustment_factor
 *                  what a refusal leaves of the rate, or of what has passed in the last minute if
 *                  that is less: 0.5 ... 0.99, default: 0.9. Once an episode: not for the rest of a
 *                  burst, nor while nothing passes at all
 *   initial_rpm, initial_tpm
 *                  to begin with them for each model that is first used then; it doubles each half
 *                  minute until something is refused. Default: none before the first refusal
 *   minimum_rpm, minimum_tpm
 *                  never less, but for a cap of the file's; default: 1 and 1000
 *
 * It grows only while it holds requests back: back to the rate that was refused within 2 minutes,
 * or the time of 200 requests (15 minutes at most), and beyond, doubled 3.5 minutes later. So from
 * 60 requests a minute on, fewer than 1 % are refused, and a raised limit is found within ten
 * minutes; where there are fewer, it is found later. A reload moves these bounds with the next
 * answer, and ends what it does not want at once; initial rates are for models not yet used.
 *
 * An unknown or duplicate key, a wrong type, a number out of range or a contradiction is
 * RL_E_CONFIG, with the place ("providers.openai.models[0].tokens_per_minute") and, where one is
 * near, the key that was probably meant.
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

/**
 * Puts another configuration in force while requests flow, all of it at one moment or, if anything
 * is wrong, none of it.
 *
 * What was used stays used: what is left of a limit is its new amount less that. A limit that is
 * gone holds nobody back any more, unless answers have reported it; but who waits in a pattern's
 * limits when the pattern goes, waits in them to the end. A provider's "dialect" stays as it began.
 * Of tenants each changes at once, one after the other. Answers wait meanwhile.
 *
 * @param path, json  one of them; borrowed. What earlier ones said is kept until rl_close().
 * @param error       receives "place: what is wrong"; may be NULL.
 * @retval RL_E_CONFIG, RL_E_IO  as rl_open(); nothing has changed.
 * @retval RL_E_TABLE_FULL       more limits than a scope or a tier may have, also counting those
 *                               that earlier files had; nothing has changed.
 * @retval RL_E_NOMEM            nothing has changed, but for tenants, of whom some may have.
 * @retval RL_E_INVALID
 * Threads: any.  Blocks: while the file is read.  Since: 0.2.
 */
RL_API rl_status rl_config_reload(rl_context *rl, const char *path, const char *json, char *error,
                                  size_t error_size);

/**
 * Changes some of it: `json` is merged into what is in force (RFC 7396: objects merge, null takes a
 * key away, all else replaces), and the whole is put in force as rl_config_reload() does.
 *
 *     rl_config_patch(rl, "{\"users\": {\"ids\": {\"alice\": \"premium\"}}}", NULL, 0);
 *
 * The statuses are those of rl_config_reload(); places are those of the whole.
 * Threads: any.  Since: 0.2.
 */
RL_API rl_status rl_config_patch(rl_context *rl, const char *json, char *error, size_t error_size);

/** What the configuration says of a provider's door, or a key's ("openai#eu"); NULL where it says
 * nothing. Borrowed until rl_close(). */
RL_API const char *rl_config_base_url(const rl_context *rl, const char *provider);
RL_API const char *rl_config_api_key_env(const rl_context *rl, const char *provider);

#ifdef __cplusplus
}
#endif
#endif
