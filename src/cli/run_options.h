/* SPDX-License-Identifier: MIT */
/* What the user asks for: the command line, and what it makes of the configuration, the door and
 * the key. */
#ifndef LLMRL_CLI_RUN_OPTIONS_H
#define LLMRL_CLI_RUN_OPTIONS_H

#include <llmrl/config.h>

#include "text.h"

/* A limit that was not given. 0 is given, and means "unknown: learn it". */
#define RUN_LIMIT_UNSET UINT64_MAX

enum run_limit { RUN_RPM, RUN_TPM, RUN_ITPM, RUN_OTPM, RUN_LIMITS };

#define RUN_FILES_MAX 64

/* A file of requests, and how those stand among others. */
struct run_file {
    const char *path; /* "-": standard input */
    const char *user; /* NULL: nobody's */
    uint64_t priority;
};

struct run_options {
    struct run_file file[RUN_FILES_MAX];
    size_t file_count;
    const char *user; /* of the files that follow on the command line */
    uint64_t priority;
    const char *output;
    const char *base_url; /* NULL: as configured, or the provider's own */
    const char *provider;
    const char *config;
    const char *api_key_env;
    const char *ca_file;
    const char *summary_json;
    uint64_t limit[RUN_LIMITS]; /* per minute, or RUN_LIMIT_UNSET */
    uint64_t concurrency;
    uint64_t max_attempts; /* 0: as configured */
    uint64_t timeout_ms;   /* 0: the engine's default */
    bool resume;
    bool quiet; /* --progress none */
    bool help;
};

/* Reads the arguments behind argv[0]; all strings are borrowed from them. False: `error` names the
 * option. */
bool run_options_read(struct run_options *options, int argc, char **argv, struct text *error);

extern const char run_options_help[];

/* What the library gets, and what the program keeps of it. Free it with run_setup_deinit(). */
struct run_setup {
    struct text config_json;
    struct text dialect;
    struct text base_url;
    const char *api_key; /* borrowed from the environment; NULL: none */
    bool key_withheld;   /* the provider's usual variable is set, and was not paired with this base
                            URL */
    const char *usual_env; /* its name; NULL: there is none */
};

/* Merges --config with the flags into setup->config_json. False: `error` is "FILE: place: problem".
 */
bool run_setup_config(struct run_setup *setup, const struct run_options *options,
                      struct text *error);

/* The merging alone: `json` is an accepted configuration, or NULL. False: the provider is not known
 * there. */
bool run_setup_merge(struct run_setup *setup, const struct run_options *options, const char *json,
                     size_t length, struct text *error);

/* Chooses base URL and key, once the context is open. A key goes only to a host that it was paired
 * with. */
bool run_setup_door(struct run_setup *setup, const struct run_options *options,
                    const rl_context *rl, struct text *error);

void run_setup_deinit(struct run_setup *setup);

#endif
