/* SPDX-License-Identifier: MIT */
/* Owns what the configuration says of waiting. */
#include "context/config_parts.h"

#include <string.h>

#define WAIT_MS_MAX (UINT64_C(10) * 365 * 86400 * 1000)

#define WAITERS_MAX 1000000000

static rl_status read_max_size(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 0, WAITERS_MAX,
                            &((struct rl__config *)target)->queue.most[RL__CROWD_ALL]);
}

static rl_status read_max_of_provider(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 0, WAITERS_MAX,
                            &((struct rl__config *)target)->queue.most[RL__CROWD_PROVIDER]);
}

static rl_status read_max_of_user(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 0, WAITERS_MAX,
                            &((struct rl__config *)target)->queue.most[RL__CROWD_USER]);
}

static rl_status read_max_wait(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_integer(reader, value, 0, WAIT_MS_MAX,
                            &((struct rl__config *)target)->queue_max_wait_ms);
}

/* Which of `word` it is; the list ends with a NULL. */
static rl_status read_word(struct rl__reader *reader, const cJSON *value, const char *const *word,
                           const char *wrong, size_t *index)
{
    for (*index = 0; cJSON_IsString(value) && word[*index] != NULL; ++*index)
        if (strcmp(value->valuestring, word[*index]) == 0)
            return RL_OK;
    return rl__reader_fail(reader, "%s", wrong);
}

static rl_status read_when_full(struct rl__reader *reader, const cJSON *value, void *target)
{
    static const char *const word[] = { "reject_new", "drop_lowest", "drop_oldest", NULL };
    size_t index;
    rl_status st = read_word(reader, value, word,
                             "must be \"reject_new\", \"drop_lowest\" or \"drop_oldest\"", &index);

    if (st == RL_OK)
        ((struct rl__config *)target)->queue.when_full = (enum rl__when_full)index;
    return st;
}

static rl_status read_priorities(struct rl__reader *reader, const cJSON *value, void *target)
{
    static const char *const word[] = { "strict", "weighted", NULL };
    size_t index;
    rl_status st = read_word(reader, value, word, "must be \"strict\" or \"weighted\"", &index);

    if (st == RL_OK)
        ((struct rl__config *)target)->queue.weighted = (int)index;
    return st;
}

/* 0: nobody is preferred for his age. */
static rl_status read_max_age(struct rl__reader *reader, const cJSON *value, void *target)
{
    uint64_t ms = 0;
    rl_status st = rl__read_integer(reader, value, 0, WAIT_MS_MAX, &ms);

    if (st == RL_OK)
        ((struct rl__config *)target)->queue.max_age = ms == 0 ? RL_NEVER : ms * RL_MILLISECOND;
    return st;
}

static const struct rl__key queue_keys[] = { { "max_size", read_max_size },
                                             { "max_size_per_provider", read_max_of_provider },
                                             { "max_size_per_user", read_max_of_user },
                                             { "max_wait_ms", read_max_wait },
                                             { "when_full", read_when_full },
                                             { "priorities", read_priorities },
                                             { "max_age_ms", read_max_age },
                                             { NULL, NULL } };

rl_status rl__read_queue(struct rl__reader *reader, const cJSON *value, void *target)
{
    return rl__read_object(reader, value, queue_keys, target);
}
