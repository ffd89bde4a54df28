/* SPDX-License-Identifier: MIT */
/* How long one answer takes to read, beside a reading of the clock on the same machine; and that
 * reading headers takes no memory. bench_provider [ROUNDS] */
#include <llmrl/provider.h>

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static unsigned long requests;

void *__wrap_malloc(size_t size)
{
    requests++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    requests++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    requests++;
    return __real_realloc(old, size);
}

#define LINE(name, value)                                                                          \
    {                                                                                              \
        name, sizeof(name) - 1, value, sizeof(value) - 1                                           \
    }

static const rl_header openai[] = {
    LINE("date", "Mon, 21 Sep 2026 14:13:20 GMT"),
    LINE("content-type", "application/json"),
    LINE("x-ratelimit-limit-requests", "5000"),
    LINE("x-ratelimit-limit-tokens", "2000000"),
    LINE("x-ratelimit-remaining-requests", "4999"),
    LINE("x-ratelimit-remaining-tokens", "1999235"),
    LINE("x-ratelimit-reset-requests", "12ms"),
    LINE("x-ratelimit-reset-tokens", "22ms"),
    LINE("x-request-id", "req_x"),
    LINE("openai-processing-ms", "351"),
    LINE("openai-version", "2020-10-01"),
    LINE("server", "cloudflare"),
};

static const rl_header anthropic[] = {
    LINE("date", "Mon, 21 Sep 2026 14:13:20 GMT"),
    LINE("anthropic-ratelimit-requests-limit", "1000"),
    LINE("anthropic-ratelimit-requests-remaining", "999"),
    LINE("anthropic-ratelimit-requests-reset", "2026-09-21T14:13:21Z"),
    LINE("anthropic-ratelimit-input-tokens-limit", "80000"),
    LINE("anthropic-ratelimit-input-tokens-remaining", "59000"),
    LINE("anthropic-ratelimit-input-tokens-reset", "2026-09-21T14:13:35Z"),
    LINE("anthropic-ratelimit-output-tokens-limit", "16000"),
    LINE("anthropic-ratelimit-output-tokens-remaining", "16000"),
    LINE("anthropic-ratelimit-output-tokens-reset", "2026-09-21T14:13:20Z"),
    LINE("request-id", "req_x"),
    LINE("content-type", "application/json"),
};

static const rl_header azure[] = {
    LINE("Date", "Mon, 21 Sep 2026 14:13:20 GMT"),
    LINE("x-ratelimit-limit-requests", "120"),
    LINE("x-ratelimit-remaining-requests", "119"),
    LINE("x-ratelimit-reset-requests", "500"),
    LINE("x-ratelimit-renewalperiod-requests", "60"),
    LINE("x-ratelimit-limit-tokens", "120000"),
    LINE("x-ratelimit-remaining-tokens", "119986"),
    LINE("x-ratelimit-reset-tokens", "7"),
    LINE("x-ratelimit-renewalperiod-tokens", "60"),
    LINE("apim-request-id", "x"),
    LINE("x-ms-region", "x"),
    LINE("Content-Type", "application/json"),
};

static const char body[] = "{\"id\":\"x\",\"choices\":[{\"message\":{\"role\":\"assistant\","
                           "\"content\":\"x\"}}],\"usage\":{"
                           "\"prompt_tokens\":416,\"completion_tokens\":48,\"total_tokens\":464,"
                           "\"prompt_tokens_details\":{"
                           "\"cached_tokens\":256}}}";

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* One reading of the clock, in nanoseconds: the yardstick. */
static double clock_cost(unsigned long rounds)
{
    double start = seconds();

    for (unsigned long i = 0; i < rounds; i++)
        (void)seconds();
    return (seconds() - start) / (double)rounds * 1e9;
}

static double answer_cost(const rl_dialect *dialect, const rl_response *response,
                          unsigned long rounds)
{
    double start = seconds();

    for (unsigned long i = 0; i < rounds; i++) {
        rl_answer answer;

        if (rl_answer_read(dialect, response, INT64_C(1790000000000000000), &answer) != RL_OK)
            abort();
    }
    return (seconds() - start) / (double)rounds * 1e9;
}

/* Returns how often memory was asked for. */
static unsigned long measure(const char *name, const rl_response *response, unsigned long rounds,
                             const char *what)
{
    const rl_dialect *dialect = rl_dialect_find(name);
    unsigned long before;
    double clock = clock_cost(rounds), cost;

    (void)answer_cost(dialect, response, rounds / 10 + 1); /* warm */
    before = requests;
    cost = answer_cost(dialect, response, rounds);
    printf("%-14s %-26s %8.0f ns  %6.1f clock readings  %.3g allocations\n", name, what, cost,
           cost / clock, (double)(requests - before) / (double)rounds);
    return requests - before;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        const rl_header *headers;
        size_t count;
    } row[] = {
        { "openai", openai, sizeof openai / sizeof openai[0] },
        { "generic", openai, sizeof openai / sizeof openai[0] },
        { "anthropic", anthropic, sizeof anthropic / sizeof anthropic[0] },
        { "azure-openai", azure, sizeof azure / sizeof azure[0] },
    };
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000, asked = 0;
    rl_response response = RL_RESPONSE_INIT;
    cJSON_Hooks hooks = { __wrap_malloc, free };

    if (rounds == 0)
        rounds = 1;
    cJSON_InitHooks(&hooks);
    response.status = 200;
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        response.headers = row[i].headers;
        response.header_count = row[i].count;
        asked += measure(row[i].name, &response, rounds, "12 headers");
    }
    response.body = body;
    response.body_length = sizeof body - 1;
    (void)measure("azure-openai", &response, rounds, "12 headers and a body");
    if (asked > 0)
        printf("FAILED: headers took memory\n");
    return asked > 0;
}
