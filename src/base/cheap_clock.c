/* SPDX-License-Identifier: MIT */
/* How the time stamp counter is calibrated, checked, and given up. */
#include "base/cheap_clock.h"

#include "base/arith.h"

/* ns a count, times 2^32: counters of 10 MHz to 32 GHz. What lies outside was no counter. */
#define PACE_MIN (UINT64_C(1) << 27)
#define PACE_MAX (UINT64_C(100) << 32)

static int is_off(const struct rl__line *line, uint64_t raw, rl_time now)
{
    rl__u128 passed = (rl__u128)(raw - line->start) * line->pace >> 32;
    rl_duration really = rl__sub_sat(now, line->time);
    uint64_t allowed = rl__add_sat(RL__TSC_OFF_MAX, really / 1024);

    return passed > rl__add_sat(really, allowed) || passed < rl__sub_sat(really, allowed);
}

static void begin(struct rl__line *line, struct rl__check *check, uint64_t raw, rl_time now)
{
    *line = (struct rl__line){ 0 };
    check->raw = raw;
    check->time = now;
    check->quiet = now;
}

static int measure(struct rl__line *line, struct rl__check *check, uint64_t raw, rl_time now)
{
    rl_duration span = rl__sub_sat(now, check->time);

    if (span < (line->pace == 0 ? RL__TSC_CALIBRATION : RL__TSC_RECALIBRATION))
        return 1;
    if (raw == check->raw)
        return 0;
    line->pace = rl__mul_div(span, UINT64_C(1) << 32, raw - check->raw);
    check->raw = raw;
    check->time = now;
    return line->pace >= PACE_MIN && line->pace <= PACE_MAX;
}

int rl__tsc_is_given_up(const struct rl__check *check)
{
    return check->strikes >= RL__TSC_STRIKES;
}

void rl__tsc_compare(struct rl__line *line, struct rl__check *check, uint64_t before, rl_time now,
                     uint64_t after)
{
    if (rl__tsc_is_given_up(check) || after - before > RL__TSC_READ_MAX)
        return;
    if (check->time == 0) {
        begin(line, check, after, now);
        return;
    }
    if ((line->pace != 0 && is_off(line, after, now)) || !measure(line, check, after, now)) {
        begin(line, check, after, now);
        check->strikes++;
        return;
    }
    if (line->pace == 0)
        return;
    line->start = after;
    line->time = now;
    line->reach = (RL__TSC_REACH << 32) / line->pace;
    if (now - check->quiet >= RL__TSC_FORGIVEN)
        check->strikes = 0;
}
