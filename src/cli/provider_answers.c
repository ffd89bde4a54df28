/* SPDX-License-Identifier: MIT */
/* The 200 answers of the stand-in provider: whole bodies, and the events of streams. */
#include "provider_dialects.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX   4096u
#define PIECES_MAX 8
#define VECTOR     3

/* The words of the answer; the same request gets the same ones. */
static void answer_text(const struct provider_request *request, char text[TEXT_MAX + 1])
{
    char sentence[64];
    size_t length = TEXT_MAX;
    size_t period = (size_t)snprintf(sentence, sizeof sentence, "Answer %016llx in some words. ",
                                     (unsigned long long)request->hash);

    if (request->output_tokens < (int64_t)(TEXT_MAX / 4))
        length = (size_t)request->output_tokens * 4;
    for (size_t i = 0; i < length; i++)
        text[i] = sentence[i % period];
    text[length] = '\0';
}

static bool stopped_by_length(const struct provider_request *request)
{
    return request->output_tokens >= request->output_max;
}

static cJSON *add_object_to_array(cJSON *array)
{
    cJSON *object = cJSON_CreateObject();

    if (cJSON_AddItemToArray(array, object))
        return object;
    cJSON_Delete(object);
    return NULL;
}

static void add_id(cJSON *object, const char *name, const char *prefix, uint64_t serial)
{
    char id[48];

    (void)snprintf(id, sizeof id, "%s%016llx", prefix, (unsigned long long)serial);
    cJSON_AddStringToObject(object, name, id);
}

static void openai_usage(cJSON *parent, const struct provider_request *request)
{
    cJSON *usage = cJSON_AddObjectToObject(parent, "usage");
    double input = (double)request->input_tokens;

    cJSON_AddNumberToObject(usage, "prompt_tokens", input);
    if (request->endpoint != PROVIDER_EMBEDDINGS)
        cJSON_AddNumberToObject(usage, "completion_tokens", (double)request->output_tokens);
    cJSON_AddNumberToObject(usage, "total_tokens", input + (double)request->output_tokens);
}

static cJSON *openai_root(const struct provider_occasion *occasion, const char *object)
{
    cJSON *root = cJSON_CreateObject();

    add_id(root, "id", "chatcmpl-", occasion->serial);
    cJSON_AddStringToObject(root, "object", object);
    cJSON_AddNumberToObject(root, "created", (double)(occasion->wall / PROVIDER_SECOND));
    cJSON_AddStringToObject(root, "model", occasion->request->model);
    return root;
}

static cJSON *openai_body(const struct provider_occasion *occasion, const char *text)
{
    cJSON *root = openai_root(occasion, "chat.completion");
    cJSON *choice = add_object_to_array(cJSON_AddArrayToObject(root, "choices"));
    cJSON *message;

    cJSON_AddNumberToObject(choice, "index", 0);
    message = cJSON_AddObjectToObject(choice, "message");
    cJSON_AddStringToObject(message, "role", "assistant");
    cJSON_AddStringToObject(message, "content", text);
    cJSON_AddNullToObject(choice, "logprobs");
    cJSON_AddStringToObject(choice, "finish_reason",
                            stopped_by_length(occasion->request) ? "length" : "stop");
    openai_usage(root, occasion->request);
    if (occasion->options->dialect == PROVIDER_GROQ)
        add_id(cJSON_AddObjectToObject(root, "x_groq"), "id", "req_", occasion->serial);
    return root;
}

static cJSON *embeddings_body(const struct provider_occasion *occasion)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *data;

    cJSON_AddStringToObject(root, "object", "list");
    data = cJSON_AddArrayToObject(root, "data");
    for (int64_t i = 0; i < occasion->request->items; i++) {
        cJSON *item = add_object_to_array(data);
        cJSON *vector;

        cJSON_AddStringToObject(item, "object", "embedding");
        cJSON_AddNumberToObject(item, "index", (double)i);
        vector = cJSON_AddArrayToObject(item, "embedding");
        for (unsigned k = 0; k < VECTOR; k++)
            cJSON_AddItemToArray(
                vector,
                cJSON_CreateNumber((double)(occasion->request->hash >> k * 8 & 0xff) / 256));
    }
    cJSON_AddStringToObject(root, "model", occasion->request->model);
    openai_usage(root, occasion->request);
    return root;
}

static void anthropic_usage(cJSON *parent, int64_t input, int64_t output)
{
    cJSON *usage = cJSON_AddObjectToObject(parent, "usage");

    cJSON_AddNumberToObject(usage, "input_tokens", (double)input);
    cJSON_AddNumberToObject(usage, "cache_creation_input_tokens", 0);
    cJSON_AddNumberToObject(usage, "cache_read_input_tokens", 0);
    cJSON_AddNumberToObject(usage, "output_tokens", (double)output);
}

/* `text` NULL: the message as a stream begins it. */
static cJSON *anthropic_body(const struct provider_occasion *occasion, const char *text)
{
    const struct provider_request *request = occasion->request;
    cJSON *root = cJSON_CreateObject();
    cJSON *content;

    add_id(root, "id", "msg_", occasion->serial);
    cJSON_AddStringToObject(root, "type", "message");
    cJSON_AddStringToObject(root, "role", "assistant");
    cJSON_AddStringToObject(root, "model", request->model);
    content = cJSON_AddArrayToObject(root, "content");
    if (text != NULL) {
        cJSON *block = add_object_to_array(content);

        cJSON_AddStringToObject(block, "type", "text");
        cJSON_AddStringToObject(block, "text", text);
        cJSON_AddStringToObject(root, "stop_reason",
                                stopped_by_length(request) ? "max_tokens" : "end_turn");
    } else {
        cJSON_AddNullToObject(root, "stop_reason");
    }
    cJSON_AddNullToObject(root, "stop_sequence");
    anthropic_usage(root, request->input_tokens, text == NULL ? 1 : request->output_tokens);
    return root;
}

/* Every event of a stream has this form too; its usage grows, and the last one counts. */
static cJSON *gemini_body(const struct provider_occasion *occasion, const char *text,
                          int64_t output, bool last)
{
    const struct provider_request *request = occasion->request;
    cJSON *root = cJSON_CreateObject();
    cJSON *candidate = add_object_to_array(cJSON_AddArrayToObject(root, "candidates"));
    cJSON *content = cJSON_AddObjectToObject(candidate, "content");
    cJSON *part = add_object_to_array(cJSON_AddArrayToObject(content, "parts"));
    cJSON *usage;

    cJSON_AddStringToObject(part, "text", text);
    cJSON_AddStringToObject(content, "role", "model");
    if (last)
        cJSON_AddStringToObject(candidate, "finishReason",
                                stopped_by_length(request) ? "MAX_TOKENS" : "STOP");
    cJSON_AddNumberToObject(candidate, "index", 0);
    usage = cJSON_AddObjectToObject(root, "usageMetadata");
    cJSON_AddNumberToObject(usage, "promptTokenCount", (double)request->input_tokens);
    cJSON_AddNumberToObject(usage, "candidatesTokenCount", (double)output);
    cJSON_AddNumberToObject(usage, "totalTokenCount", (double)(request->input_tokens + output));
    cJSON_AddStringToObject(root, "modelVersion", request->model);
    add_id(root, "responseId", "", occasion->serial);
    return root;
}

/* Appends to the body; a reply whose memory ran out once stays without one. */
static void append(struct provider_reply *reply, const char *text)
{
    size_t length = strlen(text);
    char *grown = realloc(reply->body, reply->length + length + 1);

    if (grown == NULL)
        return;
    memcpy(grown + reply->length, text, length + 1);
    reply->body = grown;
    reply->length += length;
}

/* One server-sent event; takes `data`. The name is NULL where the dialect has none. */
static void append_event(struct provider_reply *reply, const char *name, cJSON *data)
{
    char *text = cJSON_PrintUnformatted(data);

    if (name != NULL) {
        append(reply, "event: ");
        append(reply, name);
        append(reply, "\n");
    }
    append(reply, "data: ");
    append(reply, text == NULL ? "" : text);
    append(reply, "\n\n");
    cJSON_free(text);
    cJSON_Delete(data);
}

static void end_chunk(struct provider_reply *reply)
{
    if (reply->chunk_count < PROVIDER_CHUNKS_MAX)
        reply->chunk_end[reply->chunk_count++] = reply->length;
}

/* The text in up to PIECES_MAX pieces of which none is empty. */
struct pieces {
    char text[TEXT_MAX + 1];
    char piece[TEXT_MAX + 1];
    int count;
};

static void cut(struct pieces *pieces, const struct provider_request *request)
{
    answer_text(request, pieces->text);
    pieces->count = request->output_tokens < PIECES_MAX ? (int)request->output_tokens : PIECES_MAX;
}

static const char *piece(struct pieces *pieces, int i)
{
    size_t length = strlen(pieces->text);
    size_t from = length * (size_t)i / (size_t)pieces->count;
    size_t to = length * (size_t)(i + 1) / (size_t)pieces->count;

    memcpy(pieces->piece, pieces->text + from, to - from);
    pieces->piece[to - from] = '\0';
    return pieces->piece;
}

/* One chunk of an openai stream. `content` NULL: the last one of the choice. */
static cJSON *openai_chunk(const struct provider_occasion *occasion, const char *content,
                           bool first)
{
    cJSON *root = openai_root(occasion, "chat.completion.chunk");
    cJSON *choice = add_object_to_array(cJSON_AddArrayToObject(root, "choices"));
    cJSON *delta;

    cJSON_AddNumberToObject(choice, "index", 0);
    delta = cJSON_AddObjectToObject(choice, "delta");
    if (first)
        cJSON_AddStringToObject(delta, "role", "assistant");
    if (content != NULL) {
        cJSON_AddStringToObject(delta, "content", content);
        cJSON_AddNullToObject(choice, "finish_reason");
    } else {
        cJSON_AddStringToObject(choice, "finish_reason",
                                stopped_by_length(occasion->request) ? "length" : "stop");
    }
    if (occasion->request->include_usage)
        cJSON_AddNullToObject(root, "usage");
    return root;
}

/* groq tells its usage in the last chunk unasked, in a field of its own. */
static void openai_end(struct provider_reply *reply, const struct provider_occasion *occasion)
{
    cJSON *last = openai_chunk(occasion, NULL, false);

    if (occasion->options->dialect == PROVIDER_GROQ) {
        cJSON *own = cJSON_AddObjectToObject(last, "x_groq");

        add_id(own, "id", "req_", occasion->serial);
        openai_usage(own, occasion->request);
    }
    append_event(reply, NULL, last);
    if (occasion->request->include_usage) {
        last = openai_root(occasion, "chat.completion.chunk");
        cJSON_AddArrayToObject(last, "choices");
        openai_usage(last, occasion->request);
        append_event(reply, NULL, last);
    }
    append(reply, "data: [DONE]\n\n");
    end_chunk(reply);
}

static void openai_stream(struct provider_reply *reply, const struct provider_occasion *occasion,
                          struct pieces *pieces)
{
    for (int i = 0; i < pieces->count; i++) {
        append_event(reply, NULL, openai_chunk(occasion, piece(pieces, i), i == 0));
        end_chunk(reply);
    }
    openai_end(reply, occasion);
}

static cJSON *typed(const char *type)
{
    cJSON *root = cJSON_CreateObject();

    cJSON_AddStringToObject(root, "type", type);
    return root;
}

static void anthropic_begin(struct provider_reply *reply, const struct provider_occasion *occasion)
{
    cJSON *event = typed("message_start");
    cJSON *block;

    cJSON_AddItemToObject(event, "message", anthropic_body(occasion, NULL));
    append_event(reply, "message_start", event);
    event = typed("content_block_start");
    cJSON_AddNumberToObject(event, "index", 0);
    block = cJSON_AddObjectToObject(event, "content_block");
    cJSON_AddStringToObject(block, "type", "text");
    cJSON_AddStringToObject(block, "text", "");
    append_event(reply, "content_block_start", event);
    append_event(reply, "ping", typed("ping"));
    end_chunk(reply);
}

static void anthropic_piece(struct provider_reply *reply, const char *text)
{
    cJSON *event = typed("content_block_delta");
    cJSON *delta;

    cJSON_AddNumberToObject(event, "index", 0);
    delta = cJSON_AddObjectToObject(event, "delta");
    cJSON_AddStringToObject(delta, "type", "text_delta");
    cJSON_AddStringToObject(delta, "text", text);
    append_event(reply, "content_block_delta", event);
    end_chunk(reply);
}

static void anthropic_end(struct provider_reply *reply, const struct provider_request *request)
{
    cJSON *event = typed("content_block_stop");
    cJSON *delta;

    cJSON_AddNumberToObject(event, "index", 0);
    append_event(reply, "content_block_stop", event);
    event = typed("message_delta");
    delta = cJSON_AddObjectToObject(event, "delta");
    cJSON_AddStringToObject(delta, "stop_reason",
                            stopped_by_length(request) ? "max_tokens" : "end_turn");
    cJSON_AddNullToObject(delta, "stop_sequence");
    anthropic_usage(event, request->input_tokens, request->output_tokens);
    append_event(reply, "message_delta", event);
    append_event(reply, "message_stop", typed("message_stop"));
    end_chunk(reply);
}

static void anthropic_stream(struct provider_reply *reply, const struct provider_occasion *occasion,
                             struct pieces *pieces)
{
    anthropic_begin(reply, occasion);
    for (int i = 0; i < pieces->count; i++)
        anthropic_piece(reply, piece(pieces, i));
    anthropic_end(reply, occasion->request);
}

static void gemini_stream(struct provider_reply *reply, const struct provider_occasion *occasion,
                          struct pieces *pieces)
{
    for (int i = 0; i < pieces->count; i++) {
        int64_t output = occasion->request->output_tokens * (i + 1) / pieces->count;

        append_event(reply, NULL,
                     gemini_body(occasion, piece(pieces, i), output, i + 1 == pieces->count));
        end_chunk(reply);
    }
}

static void stream(struct provider_reply *reply, const struct provider_occasion *occasion)
{
    struct pieces pieces;

    reply->content_type = "text/event-stream; charset=utf-8";
    provider_reply_header(reply, "cache-control", "no-cache");
    cut(&pieces, occasion->request);
    if (occasion->options->dialect == PROVIDER_ANTHROPIC)
        anthropic_stream(reply, occasion, &pieces);
    else if (occasion->options->dialect == PROVIDER_GEMINI)
        gemini_stream(reply, occasion, &pieces);
    else
        openai_stream(reply, occasion, &pieces);
}

static cJSON *whole(const struct provider_occasion *occasion)
{
    const struct provider_request *request = occasion->request;
    char text[TEXT_MAX + 1];

    if (request->endpoint == PROVIDER_EMBEDDINGS)
        return embeddings_body(occasion);
    answer_text(request, text);
    if (occasion->options->dialect == PROVIDER_ANTHROPIC)
        return anthropic_body(occasion, text);
    if (occasion->options->dialect == PROVIDER_GEMINI)
        return gemini_body(occasion, text, request->output_tokens, true);
    return openai_body(occasion, text);
}

void provider_reply_success(struct provider_reply *reply, const struct provider_occasion *occasion)
{
    reply->status = 200;
    provider_reply_common(reply, occasion);
    if (occasion->request->stream && occasion->request->endpoint != PROVIDER_EMBEDDINGS) {
        stream(reply, occasion);
        return;
    }
    provider_reply_body(reply, 200, whole(occasion));
}
