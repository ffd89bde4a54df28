/* SPDX-License-Identifier: MIT */
/* The log hook: one clean line at a time, or nothing at all. */
#include "base/env.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 512

void rl__log(struct rl__env *env, rl_log_level level, const char *format, ...)
{
    char raw[LINE_MAX_BYTES + 1], line[LINE_MAX_BYTES + 1];
    struct rl__text text = rl__text_on(line, sizeof line);
    va_list args;

    if (env->hooks.log == NULL)
        return;
    va_start(args, format);
    if (vsnprintf(raw, sizeof raw, format, args) < 0)
        raw[0] = '\0';
    va_end(args);
    rl__text_add_foreign(&text, raw, strlen(raw)); /* a line may quote what a provider sent */
    env->hooks.log(env->hooks.user, level, line);
}
