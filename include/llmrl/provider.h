/* SPDX-License-Identifier: MIT */
/**
 * @file provider.h
 * How providers speak of limits: read one answer. Usable without a context.
 */
#ifndef LLMRL_PROVIDER_H
#define LLMRL_PROVIDER_H

#include <llmrl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is counted. */
typedef enum rl_dimension {
    RL_REQUESTS = 0,
    RL_TOKENS = 1, /* input and output together */
    RL_INPUT_TOKENS = 2,
    RL_OUTPUT_TOKENS = 3,
    RL_IMAGES = 4,
    RL_MONEY = 5,      /* nano-dollars */
    RL_CONCURRENCY = 6 /* requests under way at once */
} rl_dimension;
#define RL_DIMENSION_COUNT 7

/** "requests", "tokens", "input_tokens", "output_tokens", "images", "money", "concurrency"; static.
 */
RL_API const char *rl_dimension_name(rl_dimension dimension);

/** One header line. Neither string needs a NUL; the value has no line end. Borrowed. */
typedef struct rl_header {
    const char *name;
    size_t name_length;
    const char *value;
    size_t value_length;
} rl_header;

/** Why no whole answer came. */
typedef enum rl_failure {
    RL_FAILURE_NONE = 0,
    RL_FAILURE_RESOLVE,      /* the host name has no address */
    RL_FAILURE_CONNECT,      /* nobody answers there */
    RL_FAILURE_TLS,          /* no trust could be established */
    RL_FAILURE_TIMEOUT,      /* before the first byte of the answer */
    RL_FAILURE_TIMEOUT_LATE, /* after it */
    RL_FAILURE_RESET,        /* the connection broke before the first byte of the answer */
    RL_FAILURE_RESET_LATE,   /* after it */
    RL_FAILURE_TOO_BIG,      /* the answer passed a bound of ours */
    RL_FAILURE_ABORTED,      /* we gave up on purpose: says nothing about the provider */
    RL_FAILURE_OTHER
} rl_failure;

/** One answer, or the lack of one. All pointers are borrowed for the call. */
typedef struct rl_response {
    size_t size;     /* set by RL_RESPONSE_INIT */
    uint64_t status; /* HTTP status; 0: none came */
    const rl_header *headers;
    size_t header_count;
    const char *body; /* decoded; a plain body or a whole stream; NULL: not at hand */
    size_t body_length;
    uint64_t failure; /* an rl_failure */
} rl_response;

static inline rl_response rl_response_init_(void)
{
    rl_response response = RL_ZERO_;
    response.size = sizeof response;
    return response;
}
#define RL_RESPONSE_INIT rl_response_init_()

/** Which members of a struct hold something; and RL_IS_UNCACHED: the limit counts only what was not
 * read from a cache, beside one of the same dimension that counts all. */
enum {
    RL_HAS_WINDOW = 1,
    RL_HAS_LIMIT = 2,
    RL_HAS_REMAINING = 4,
    RL_HAS_RESET = 8,
    RL_IS_UNCACHED = 16
};

/** One limit, as an answer reports it. */
typedef struct rl_limit_report {
    uint32_t dimension; /* an rl_dimension */
    uint32_t has;       /* RL_HAS_*: which of the following were there and credible */
    rl_duration window;
    uint64_t limit;
    uint64_t remaining;
    rl_duration reset_after; /* from the moment of the answer; 0: now */
} rl_limit_report;

/** Tokens used, in one count for all providers: `input` is the whole prompt, cached reads and
 * writes included; `cached_input` is the part read from a cache; `output` is all that was written,
 * reasoning too. */
typedef struct rl_usage {
    uint64_t input_tokens;
    uint64_t output_tokens;
    uint64_t cached_input_tokens;
    uint32_t has; /* RL_HAS_INPUT ... */
    uint32_t reserved;
} rl_usage;
enum { RL_HAS_INPUT = 1, RL_HAS_OUTPUT = 2, RL_HAS_CACHED_INPUT = 4 };

/** What kind of outcome an answer is. */
typedef enum rl_outcome {
    RL_OUTCOME_OK = 0,
    RL_OUTCOME_RATE_LIMITED,    /* a limit that time refills */
    RL_OUTCOME_QUOTA_EXHAUSTED, /* credit, spend or a day's quota: not cleared by a short wait */
    RL_OUTCOME_TOO_LARGE,       /* this request is larger than a whole limit or window */
    RL_OUTCOME_OVERLOADED,      /* the provider has too much to do: 503, 529, slow_down */
    RL_OUTCOME_SERVER_ERROR,    /* it broke: 5xx */
    RL_OUTCOME_CLIENT_ERROR,    /* the request itself is wrong: 4xx */
    RL_OUTCOME_AUTH,            /* the key is wrong or may not: 401, 403 */
    RL_OUTCOME_TRANSPORT        /* no answer */
} rl_outcome;

#define RL_REPORTS_MAX 16

/** All that one answer says. */
typedef struct rl_answer {
    uint32_t outcome; /* an rl_outcome */
    uint32_t report_count;
    rl_limit_report report[RL_REPORTS_MAX];
    rl_duration
        retry_after; /* RL_NEVER: not said. Zero is said and means at once. Absent on a success */
    uint32_t retryable; /* trying again may help */
    uint32_t quota_exhausted;
    uint32_t limited_mask; /* on a refusal that names them: bit n set, if dimension n is used up;
                              else 0 */
    uint32_t ignored;      /* values that could not be believed: negative, absurd, not a number */
    rl_duration limited_window; /* the period of the limit that the refusal names; 0: not said */
    rl_usage usage;
    char code[48];           /* the provider's own error code or type, cut to fit; "": none */
    uint64_t limited_amount; /* the limit, as a refusal names it in words; 0: not said */
    uint64_t concurrency; /* so many requests at once are allowed, as a refusal says; 0: not said */
} rl_answer;

/** A dialect: opaque here. */
typedef struct rl_dialect rl_dialect;

/**
 * One that is built in: "openai", "azure-openai", "anthropic", "groq", "gemini", "vertex-ai",
 * "bedrock", "mistral", "cohere", "together", "fireworks", "openrouter", "xai", "deepseek",
 * "cerebras", "perplexity", "github-models", "huggingface", or "generic", which reads whatever
 * forms an answer uses. NULL: no such name. Static.
 * Threads: any.
 */
RL_API const rl_dialect *rl_dialect_find(const char *name);
/** Its name; NULL is "generic". Lives as long as the dialect. */
RL_API const char *rl_dialect_name(const rl_dialect *dialect);

/**
 * Reads what one answer says: limits, waiting time, usage, and what kind of outcome it is.
 *
 * Headers are looked up without regard to case. Values that cannot be (negative, absurd, not a
 * number) are left out and counted in answer->ignored. Absolute times are read against the answer's
 * own Date header, and against `now` where there is none.
 *
 * @param dialect   NULL: "generic". Forms that a dialect does not define are read as generic ones.
 * @param response  not NULL; borrowed.
 * @param now       the wall clock when the answer came.
 * @param answer    not NULL; written on every return.
 * @retval RL_E_INVALID  a NULL pointer. A strange answer is never an error.
 * Threads: any.  Blocks: no.  Allocates: only while a JSON body is read.  Since: 0.1.
 */
RL_API rl_status rl_answer_read(const rl_dialect *dialect, const rl_response *response,
                                rl_wall_time now, rl_answer *answer);

/**
 * Which of the built-in dialects an answer speaks, by its headers and the first 64 KiB of its body.
 * A guess: where the provider is known, name it. Never NULL: "generic" if nothing tells.
 *
 * @param response  NULL: "generic"; borrowed.
 * Threads: any.  Blocks: no.  Allocates: no.  Since: 0.2.
 */
RL_API const rl_dialect *rl_dialect_recognise(const rl_response *response);

/** Usage and errors out of a body that comes in pieces: one JSON document, several (NDJSON, an
 * array), an SSE stream, or Amazon's binary event stream, whose checksums are checked. Its first
 * byte tells which. Yours; what it holds is private, and nothing needs to be freed. */
typedef struct rl_usage_reader {
    uint64_t private_[1408];
} rl_usage_reader;

/**
 * Begins one body.
 *
 * @param reader   not NULL; written.
 * @param dialect  NULL: "generic"; borrowed as long as the reader is used.
 * @param now      the wall clock: what dates in an error are read against.
 * @retval RL_E_INVALID  reader is NULL.
 * Threads: one at a time for each reader.  Blocks: no.  Allocates: no.  Since: 0.2.
 */
RL_API rl_status rl_usage_reader_init(rl_usage_reader *reader, const rl_dialect *dialect,
                                      rl_wall_time now);

/**
 * Takes the next bytes, as decoded from the wire. How a body is split makes no difference; of what
 * comes no copy is kept but the few members of interest, so that any length will do.
 *
 * @param bytes  borrowed for the call; NULL only with a length of 0.
 * @retval RL_E_INVALID  a NULL pointer, or a reader that was not begun.
 * Threads: as above.  Blocks: no.  Allocates: only while a usage or an error is read.  Since: 0.2.
 */
RL_API rl_status rl_usage_reader_feed(rl_usage_reader *reader, const char *bytes, size_t length);

/**
 * Tells the usage of all that was fed: also in the middle of a stream, and of one cut short. Of
 * cumulative counts the last stands. At the end of a body, what an unfinished last event says
 * counts, too; feeding goes on with a new event.
 *
 * @param usage  not NULL; written on every return. usage->has is 0 if nothing was said.
 * @retval RL_E_INVALID  a NULL pointer, or a reader that was not begun.
 * Threads: as above.  Blocks: no.  Allocates: as above.  Since: 0.2.
 */
RL_API rl_status rl_usage_reader_end(rl_usage_reader *reader, rl_usage *usage);

/**
 * As rl_answer_read(), for an answer whose body was fed to `reader`, and ended there. The body of
 * an answer that is no success may be given whole in response->body: errors are read best so.
 */
RL_API rl_status rl_answer_read_fed(const rl_dialect *dialect, const rl_response *response,
                                    const rl_usage_reader *reader, rl_wall_time now,
                                    rl_answer *answer);

/** How a bare number in a header is to be read. What carries a unit or is a date says so itself. */
typedef enum rl_time_form {
    RL_TIME_AUTO = 0,     /* seconds from now; from 10^9 on epoch seconds, from 10^11 on in ms */
    RL_TIME_SECONDS,      /* seconds from now, whatever their number */
    RL_TIME_MILLISECONDS, /* milliseconds from now */
    RL_TIME_EPOCH         /* seconds since 1970 */
} rl_time_form;

/** One limit of a dialect of your own: the names of the headers that tell it, without regard to
 * case. */
typedef struct rl_dialect_limit {
    const char *limit; /* NULL: none tells it; likewise below */
    const char *remaining;
    const char *reset;
    uint32_t dimension;  /* an rl_dimension */
    uint32_t reset_form; /* an rl_time_form */
    rl_duration window;  /* 0: not known */
} rl_dialect_limit;

/** A header that says how long to wait after a refusal. */
typedef struct rl_dialect_wait {
    const char *name;
    uint64_t form; /* an rl_time_form */
} rl_dialect_wait;

typedef struct rl_dialect_spec {
    size_t size;      /* set by RL_DIALECT_SPEC_INIT */
    const char *name; /* 1 to 63 bytes */
    const rl_dialect_limit *limits;
    size_t limit_count; /* 64 at most */
    const rl_dialect_wait *waits;
    size_t wait_count; /* 16 at most */
} rl_dialect_spec;

static inline rl_dialect_spec rl_dialect_spec_init_(void)
{
    rl_dialect_spec spec = RL_ZERO_;
    spec.size = sizeof spec;
    return spec;
}
#define RL_DIALECT_SPEC_INIT rl_dialect_spec_init_()

/**
 * A dialect of your own. Retry-After and all else that `spec` does not name is read as "generic".
 *
 * @param spec   not NULL; copied, its strings, too.
 * @param hooks  where the memory comes from; NULL: the default.
 * @param out    not NULL; yours, until rl_dialect_free(). NULL on failure.
 * @retval RL_E_INVALID  a NULL pointer, no name, an unknown dimension or form, a limit without a
 *                       header, a window above 366 days.
 * @retval RL_E_TOO_NEW  a struct has fields that this library does not know.
 * Threads: any.  Blocks: no.  Allocates: yes, here alone.  Since: 0.2.
 */
RL_API rl_status rl_dialect_new(const rl_dialect_spec *spec, const rl_hooks *hooks,
                                rl_dialect **out);

/** Ends it. NULL is fine; not one from rl_dialect_find(). Nobody may be reading with it. */
RL_API void rl_dialect_free(rl_dialect *dialect);

/** One number of a built-in table. */
typedef struct rl_table_limit {
    uint64_t dimension; /* an rl_dimension */
    rl_duration period; /* 30 days stand for a calendar month; of RL_CONCURRENCY it means nothing */
    uint64_t amount;
} rl_table_limit;

#define RL_TABLE_LIMITS    6
#define RL_TABLE_TIER_SIZE 64

/** One row of a built-in table: what a provider has documented, or the guide that this project
 * began from, of one tier. All strings are static. */
typedef struct rl_table_row {
    const char *provider; /* a dialect's name */
    const char *tier;     /* "tier-3", "free"; the guide's begin with "guide" */
    const char *models;   /* names or patterns ('*': any characters), with spaces between them: they
                             share each limit; "": the provider as a whole does */
    const char *family;   /* what they are called together; NULL: as `models` */
    const char *source;   /* whose page it was, or what else the numbers were taken from */
    const char *as_of;    /* "2026-10-06", "2026-10", "2026", or "undated" */
    const char *origin;   /* the row in a few words, as rl_limit_status.origin has it */
    uint64_t is_guide;    /* 1: the guide's own */
    rl_table_limit limit[RL_TABLE_LIMITS]; /* an amount of 0 ends them early */
} rl_table_row;

/**
 * The rows of all built-in tables, by number from 0; NULL: there are no more. Rows of one provider
 * and tier stand together, a provider's lowest tier first, the guide's tables last.
 * Threads: any.  Since: 0.2.
 */
RL_API const rl_table_row *rl_table_row_at(size_t index);

/**
 * The row that speaks of a model.
 *
 * The name itself goes before patterns, then the pattern with the most characters that are no
 * stars. Tables grow old: what an answer or a configuration says goes before.
 *
 * @param provider  a dialect's name; NULL: there is no such row.
 * @param tier      in any spelling, see rl_table_tier_name(); NULL: the lowest documented tier that
 *                  speaks of the model, as a first guess.
 * @param model     NULL or "": the row of the provider as a whole.
 * @return NULL: no table speaks of it.
 * Threads: any.  Since: 0.2.
 */
RL_API const rl_table_row *rl_table_find(const char *provider, const char *tier, const char *model);

/**
 * A tier's name as tables have it: "Tier 3", "tier_3" and "tier3" are "tier-3".
 *
 * @param name  not NULL; written, `size` bytes at most: RL_TABLE_TIER_SIZE will do for all there
 *              are.
 * @retval RL_E_INVALID    a NULL pointer, or no letter and no digit.
 * @retval RL_E_TOO_LARGE  there is no room.
 * Threads: any.  Since: 0.2.
 */
RL_API rl_status rl_table_tier_name(const char *text, char *name, size_t size);

#ifdef __cplusplus
}
#endif
#endif
