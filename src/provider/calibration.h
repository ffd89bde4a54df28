/* SPDX-License-Identifier: MIT */
/* What answers teach about estimates: how much more, or less, a lane's requests use in truth. */
#ifndef LLMRL_SRC_CALIBRATION_H
#define LLMRL_SRC_CALIBRATION_H

#include "provider/charge.h"
#include "scope/permit.h"

/*
 * Two quantities are followed for each lane, that is for each model, both at the same quantile
 * (base/quantile.h), so that by default 9 of 10 requests use no more than is reserved for them:
 *
 * - Input over its estimate. One ratio; from the first answer on at least what was seen, as too
 *   little reserved is a refusal, and never below 1: the number is the caller's, who may have
 * counted exactly, and what is too much comes back with the answer.
 * - Output over the declared maximum, one ratio for each power of two of it: who allows 16 000
 *   tokens uses another part of it than who allows 200. At most 1: the declared maximum is never
 *   exceeded. Used only where the provider counts tokens as they are produced (rl__traits.
 *   output_as_produced). Others take the declared maximum at admission, and we must, too, or would
 *   send what they refuse. A request that declares none stands for itself: its class is that of
 *   the default, RL__OUTPUT_DEFAULT.
 */
#define RL__CALIBRATION_SHARE 922 /* in 1/1024; the default of "estimates.quantile" */

/* For a request with that declared maximum; 0: none. */
struct rl__calibration rl__calibration_of(const struct rl__traits *traits,
                                          const struct rl__lane *lane, uint64_t max_output);
/* Learns from a success: what was reserved, and what was used; `share` of the requests are to find
 * enough reserved, in 1/1024. Learning lock. */
void rl__calibrate(struct rl__lane *lane, const struct rl__cost *reserved, const rl_usage *usage,
                   uint32_t share);

#endif
