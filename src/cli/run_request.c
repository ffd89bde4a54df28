/* SPDX-License-Identifier: MIT */
/* Owns the form of an input line: validation, the body's own bytes, and the estimate of its cost.
 */
#include "run_request.h"

#include "run_input.h"

#include <string.h>

/* What one message costs besides its text. Source: OpenAI's cookbook, "How to count tokens with
 * tiktoken". */
#define TOKENS_PER_MESSAGE 4
/* An image in a prompt, 1024 x 1024 at high detail. Source: OpenAI's guide "Images and vision". */
#define TOKENS_PER_IMAGE 765
/* Content inside of content: no dialect goes further. */
#define WALK_DEPTH_MAX 8

static bool refuse(struct run_problem *problem, const char *code, const char *message)
{
    problem->code = code;
    problem->message = message;
    return false;
}

/* A path as an URL has it: what would end the request line, or lead to another host, is refused. */
static bool is_path(const struct text *url)
{
    if (url->length == 0 || url->data[0] != '/' || url->data[1] == '/')
        return false;
    for (size_t i = 0; i < url->length; i++) {
        unsigned char c = (unsigned char)url->data[i];
        if (c <= ' ' || c >= 0x7F || c == '#' || c == '\\')
            return false;
    }
    return true;
}

static bool read_id(struct run_request *request, struct json id)
{
    if (!json_decode(id, &request->id_text) || request->id_text.length == 0)
        return false;
    request->id = id;
    return true;
}

/* The walk ends where the text does, so it also finds what stands in the beginning of a long line.
 */
static bool read_long(struct run_request *request, const char *line, size_t length,
                      struct run_problem *problem)
{
    struct json start = { line, length };

    while (start.length > 0 && (*start.text == ' ' || *start.text == '\t')) {
        start.text++;
        start.length--;
    }
    read_id(request, json_get(start, "custom_id"));
    return refuse(problem, "line_too_long", "the line is longer than 32 MiB");
}

static bool read_members(struct run_request *request, struct run_problem *problem)
{
    struct json id = json_get(request->line, "custom_id");
    struct json method = json_get(request->line, "method");

    if (id.text == NULL)
        return refuse(problem, "missing_custom_id", "there is no custom_id");
    if (!read_id(request, id))
        return refuse(problem, "missing_custom_id",
                      "custom_id is not a string with something in it");
    if (method.text != NULL && !json_is(method, "POST"))
        return refuse(problem, "invalid_method", "method is not POST");
    if (!json_decode(json_get(request->line, "url"), &request->url) || !is_path(&request->url))
        return refuse(problem, "invalid_url", "url is not a path like /v1/chat/completions");
    request->body = json_get(request->line, "body");
    if (json_kind(request->body) != JSON_OBJECT)
        return refuse(problem, "invalid_body", "body is not a JSON object");
    return true;
}

bool run_request_read(struct run_request *request, const char *line, size_t length, bool truncated,
                      struct run_problem *problem)
{
    static const struct json none = { NULL, 0 };

    request->id = request->body = request->line = none;
    text_clear(&request->id_text, 4096);
    text_clear(&request->url, 4096);
    text_clear(&request->model, 4096);
    request->input_tokens = request->max_output_tokens = 0;
    if (truncated)
        return read_long(request, line, length, problem);
    if (!json_read(line, length, &request->line))
        return refuse(problem, "invalid_json", "the line is not JSON");
    if (json_kind(request->line) != JSON_OBJECT)
        return refuse(problem, "invalid_json", "the line is not a JSON object");
    return read_members(request, problem);
}

/* The model: the body's, else the one in the path as Gemini has it
 * ("/v1beta/models/NAME:generateContent"). */
static void find_model(struct run_request *request)
{
    const char *at;

    if (json_decode(json_get(request->body, "model"), &request->model))
        return;
    at = strstr(request->url.data, "/models/");
    if (at != NULL)
        text_add(&request->model, at + 8, strcspn(at + 8, ":/?"));
    else
        text_add(&request->model, "", 0);
}

/* What the estimate adds up. */
struct tally {
    const rl_context *rl;
    const char *model;
    struct text scratch;
    uint64_t tokens;
};

static void count_string(struct tally *tally, struct json string)
{
    if (memchr(string.text, '\\', string.length) == NULL) {
        tally->tokens +=
            rl_estimate_tokens(tally->rl, tally->model, string.text + 1, string.length - 2);
        return;
    }
    text_clear(&tally->scratch, (size_t)1 << 20);
    json_decode(string, &tally->scratch);
    tally->tokens +=
        rl_estimate_tokens(tally->rl, tally->model, tally->scratch.data, tally->scratch.length);
}

static bool is_one_of(struct json key, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (json_is(key, *names))
            return true;
    }
    return false;
}

static void count_content(struct tally *tally, struct json value, int depth);

/* A message or a part of one. Pictures come as data and are priced by the piece, not by their
 * letters. */
/* NOLINTNEXTLINE(misc-no-recursion): WALK_DEPTH_MAX levels at most */
static void count_object(struct tally *tally, struct json object, int depth)
{
    static const char *const content[] = { "text",   "content",   "parts",    "name",       "input",
                                           "output", "arguments", "function", "tool_calls", NULL };
    static const char *const images[] = { "image_url", "inline_data", "inlineData", "file_data",
                                          "fileData",  "source",      NULL };
    struct json key, value;

    for (struct json_walk walk = json_walk(object); json_next(&walk, &key, &value);) {
        if (json_is(key, "role"))
            tally->tokens += TOKENS_PER_MESSAGE;
        else if (is_one_of(key, images))
            tally->tokens += TOKENS_PER_IMAGE;
        else if (is_one_of(key, content))
            count_content(tally, value, depth + 1);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): WALK_DEPTH_MAX levels at most */
static void count_content(struct tally *tally, struct json value, int depth)
{
    struct json element;

    if (depth > WALK_DEPTH_MAX)
        return;
    switch (json_kind(value)) {
    case JSON_STRING:
        count_string(tally, value);
        break;
    case JSON_NUMBER: /* a prompt may be given as tokens */
        tally->tokens++;
        break;
    case JSON_OBJECT:
        count_object(tally, value, depth);
        break;
    case JSON_ARRAY:
        for (struct json_walk walk = json_walk(value); json_next(&walk, NULL, &element);)
            count_content(tally, element, depth + 1);
        break;
    case JSON_WORD:
    case JSON_NONE:
        break;
    }
}

static uint64_t estimate_input(const struct run_request *request, const rl_context *rl)
{
    static const char *const content[] = { "messages",
                                           "system",
                                           "prompt",
                                           "input",
                                           "contents",
                                           "instructions",
                                           "systemInstruction",
                                           "system_instruction",
                                           NULL };
    static const char *const schema[] = { "tools", "functions", "response_format", NULL };
    struct tally tally = { rl, request->model.data, { 0 }, 0 };
    struct json key, value;

    for (struct json_walk walk = json_walk(request->body); json_next(&walk, &key, &value);) {
        if (is_one_of(key, content))
            count_content(&tally, value, 0);
        else if (is_one_of(key, schema)) /* reaches the model as text much like its JSON */
            tally.tokens += rl_estimate_tokens(rl, tally.model, value.text, value.length);
    }
    text_free(&tally.scratch);
    return tally.tokens < RL_AMOUNT_MAX ? tally.tokens : RL_AMOUNT_MAX;
}

static void raise_to(uint64_t *most, struct json number)
{
    uint64_t value;

    if (json_to_uint(number, &value) && value > *most)
        *most = value;
}

/* How many answers one request asks for. */
static uint64_t choices(const struct run_request *request)
{
    uint64_t count = 1;

    raise_to(&count, json_get(request->body, "n"));
    raise_to(&count, json_get(request->body, "best_of"));
    raise_to(&count, json_get(json_get(request->body, "generationConfig"), "candidateCount"));
    return count;
}

/* The cap that the request declares; 0: none. What writes no text gets 1, as 0 would mean
 * "unknown". */
static uint64_t output_cap(const struct run_request *request, uint64_t count)
{
    static const char *const silent[] = { "/embeddings", "/moderations", "/images/",
                                          ":embedContent", ":batchEmbedContents" };
    uint64_t most = 0;

    raise_to(&most, json_get(request->body, "max_tokens"));
    raise_to(&most, json_get(request->body, "max_completion_tokens"));
    raise_to(&most, json_get(request->body, "max_output_tokens"));
    raise_to(&most, json_get(json_get(request->body, "generationConfig"), "maxOutputTokens"));
    if (most > 0)
        return most > RL_AMOUNT_MAX / count ? RL_AMOUNT_MAX : most * count;
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        if (strstr(request->url.data, silent[i]) != NULL)
            return 1;
    }
    return 0;
}

void run_request_measure(struct run_request *request, const rl_context *rl)
{
    find_model(request);
    request->input_tokens = estimate_input(request, rl);
    request->max_output_tokens = output_cap(request, choices(request));
}

const char *run_request_path(const char *base_url, const char *url)
{
    const char *last = strrchr(base_url, '/');
    size_t length = last != NULL ? strlen(last) : 0;

    if (length < 3 || last == base_url || last[-1] == '/' || last[1] != 'v' || last[2] < '0' ||
        last[2] > '9')
        return url;
    if (strncmp(url, last, length) == 0 && url[length] == '/')
        return url + length;
    return url;
}

void run_request_deinit(struct run_request *request)
{
    text_free(&request->id_text);
    text_free(&request->url);
    text_free(&request->model);
}
