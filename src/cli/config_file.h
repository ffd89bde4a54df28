/* SPDX-License-Identifier: MIT */
/* A configuration file's text. */
#ifndef LLMRL_CLI_CONFIG_FILE_H
#define LLMRL_CLI_CONFIG_FILE_H

#include "text.h"

/* Reads all of it; `content->data` is not NULL then. False: `error` is "FILE: problem". */
bool config_file_read(const char *path, struct text *content, struct text *error);

#endif
