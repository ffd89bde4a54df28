/* SPDX-License-Identifier: MIT */
/* Names and texts of the statuses, from the one list in base.h; and the version. */
#include <llmrl/base.h>

const char *rl_version(void)
{
    return RL_VERSION_STRING;
}

const char *rl_status_name(rl_status status)
{
    switch (status) {
#define NAME(name, value, text)                                                                    \
    case name:                                                                                     \
        return #name;
        RL_STATUS_LIST(NAME)
#undef NAME
    }
    return "RL_E_?"; /* from a newer library, or never a status */
}

const char *rl_status_text(rl_status status)
{
    switch (status) {
#define TEXT(name, value, text)                                                                    \
    case name:                                                                                     \
        return text;
        RL_STATUS_LIST(TEXT)
#undef TEXT
    }
    return "an unknown status";
}
