/* SPDX-License-Identifier: MIT */
/* The members that matter, of all dialects: what is captured, and what is made of it at its end and
 * at the end of its document. */
#include "provider/stream_parts.h"

static const struct {
    const char *outer; /* NULL: a member of the document itself */
    const char *key;
    enum rl__capture capture;
} members[] = {
    { NULL, "usage", RL__CAPTURE_USAGE },
    { NULL, "usageMetadata", RL__CAPTURE_USAGE },
    { NULL, "error", RL__CAPTURE_ERROR },
    { NULL, "type", RL__CAPTURE_TYPE },
    { NULL, "object", RL__CAPTURE_OBJECT },
    { NULL, "error_type", RL__CAPTURE_CODE },
    { NULL, "code", RL__CAPTURE_CODE },
    { NULL, "message", RL__CAPTURE_MESSAGE },
    { "message", "usage", RL__CAPTURE_PROMPT_USAGE },
    { "response", "usage", RL__CAPTURE_USAGE },
    { "response", "error", RL__CAPTURE_ERROR },
    { "x_groq", "usage", RL__CAPTURE_USAGE },
    { "x_groq", "error", RL__CAPTURE_ERROR },
    { "delta", "usage", RL__CAPTURE_USAGE },
    { "metadata", "usage", RL__CAPTURE_USAGE },
    { NULL, "meta", RL__CAPTURE_USAGE },
    { "response", "meta", RL__CAPTURE_USAGE },
    { NULL, "status_code", RL__CAPTURE_STATUS },
    { NULL, "details", RL__CAPTURE_USAGE },
    { NULL, "prompt_eval_count", RL__CAPTURE_COUNT },
    { NULL, "eval_count", RL__CAPTURE_COUNT },
    { NULL, "tokens_evaluated", RL__CAPTURE_COUNT },
    { NULL, "tokens_predicted", RL__CAPTURE_COUNT },
    { NULL, "prompt_token_count", RL__CAPTURE_COUNT },
    { NULL, "generation_token_count", RL__CAPTURE_COUNT },
    { NULL, "amazon-bedrock-invocationMetrics", RL__CAPTURE_USAGE },
};

static int key_is(const struct rl__sieve *sieve, uint32_t depth, const char *word)
{
    return rl__is(sieve->key[depth], sieve->key_length[depth], word);
}

/* OpenRouter: {"choices":[{"error":{...}}]}, the text up to there delivered. */
static int is_choice_error(const struct rl__sieve *sieve)
{
    return sieve->base == 0 && sieve->depth == 3 && sieve->object[1] && !sieve->object[2] &&
           sieve->object[3] && key_is(sieve, 1, "choices") && key_is(sieve, 3, "error");
}

enum rl__capture rl__member_find(const struct rl__sieve *sieve)
{
    uint32_t level = sieve->depth - sieve->base;

    if (is_choice_error(sieve))
        return RL__CAPTURE_ERROR;
    if (sieve->depth < sieve->base || level < 1 || level > 2 || !sieve->object[sieve->depth])
        return RL__CAPTURE_NONE;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if ((members[i].outer == NULL) == (level == 1) &&
            key_is(sieve, sieve->depth, members[i].key) &&
            (level == 1 || key_is(sieve, sieve->depth - 1, members[i].outer)))
            return members[i].capture;
    return RL__CAPTURE_NONE;
}

static void error_take(struct rl__stream *stream, const cJSON *error)
{
    /* A success in one document may have a member "error" that is text; a stream has not, nor has
     * one of a row of documents. */
    if (stream->facts.found || cJSON_IsNull(error) ||
        (stream->mode == RL__MODE_JSON && !cJSON_IsObject(error) &&
         (stream->documents == 0 || stream->sieve.base == 1)))
        return;
    rl__error_read(error, NULL, &stream->facts);
    stream->event.told = stream->facts.found != 0;
}

static void text_take(char *out, size_t size, const struct rl__sieve *sieve)
{
    if (sieve->capture_length >= 2) /* between the quotes */
        rl__name_copy(out, size, sieve->text + 1, sieve->capture_length - 2);
}

/* "code": "slow_down", "429" or 429. */
static void code_take(struct rl__stream *stream)
{
    const struct rl__sieve *sieve = &stream->sieve;
    struct rl__slice code = { sieve->text, sieve->capture_length };
    uint64_t number;

    if (code.length >= 2 && code.at[0] == '"') {
        code.at++;
        code.length -= 2;
        text_take(stream->event.code, sizeof stream->event.code, sieve);
    }
    if (!rl__count_read(code.at, code.length, &number))
        return;
    stream->event.status = number;
    stream->event.code[0] = '\0';
}

static void object_take(struct rl__stream *stream, enum rl__capture capture)
{
    struct rl__sieve *sieve = &stream->sieve;
    cJSON *root;

    sieve->text[sieve->capture_length] = '\0';
    if (rl__is(sieve->text, sieve->capture_length, "null"))
        return;
    root = cJSON_ParseWithLengthOpts(sieve->text, sieve->capture_length + 1, NULL, 0);
    if (root == NULL)
        return;
    if (capture == RL__CAPTURE_ERROR)
        error_take(stream, root);
    else if (capture == RL__CAPTURE_STATUS)
        (void)rl__json_count(root, &stream->event.status);
    else if (capture == RL__CAPTURE_COUNT)
        rl__usage_count(&stream->usage, sieve->key[sieve->capture_depth],
                        sieve->key_length[sieve->capture_depth], root);
    else
        rl__usage_take(&stream->usage, root, capture == RL__CAPTURE_PROMPT_USAGE);
    cJSON_Delete(root);
}

void rl__capture_end(struct rl__stream *stream)
{
    struct rl__sieve *sieve = &stream->sieve;
    enum rl__capture capture = (enum rl__capture)sieve->capture;

    sieve->capture = RL__CAPTURE_NONE;
    if (sieve->capture_length > RL__CAPTURE_MAX) {
        if (capture == RL__CAPTURE_ERROR && sieve->text[0] == '{')
            stream->facts.found = 1; /* too long to read, and an error all the same */
        return;
    }
    switch (capture) {
    case RL__CAPTURE_NONE:
        break;
    case RL__CAPTURE_TYPE:
        text_take(stream->event.type, sizeof stream->event.type, sieve);
        break;
    case RL__CAPTURE_OBJECT:
        stream->event.is_error = rl__is(sieve->text, sieve->capture_length, "\"error\"");
        break;
    case RL__CAPTURE_CODE:
        code_take(stream);
        break;
    case RL__CAPTURE_MESSAGE:
        text_take(stream->event.message, sizeof stream->event.message, sieve);
        break;
    default:
        object_take(stream, capture);
        break;
    }
}

/* {"message":...} in place of an event; without a payload the headers tell. One that is
 * cut short is an error all the same. */
static void frame_error(struct rl__stream *stream)
{
    const struct rl__frames *frames = &stream->binary.frames;
    const char *message =
        stream->event.message[0] != '\0' ? stream->event.message : frames->message;

    if (!stream->binary.is_open || stream->binary.content != RL__CONTENT_ERROR ||
        stream->facts.found)
        return;
    stream->facts.found = 1;
    rl__error_name(&stream->facts, frames->type, strlen(frames->type));
    rl__message_read(message, strlen(message), stream->now, &stream->facts);
}

/* Without a member "error": OpenAI's Responses end with {"type":"error","code":...,"message":...},
 * Mistral and vLLM with {"object":"error","type":...,"code":...,"message":...}. */
static void flat_error(struct rl__stream *stream)
{
    struct rl__event *event = &stream->event;

    if (event->told || stream->facts.found ||
        !(event->is_error || strcmp(event->type, "error") == 0))
        return;
    event->told = 1;
    stream->facts.found = 1;
    memcpy(stream->facts.name[RL__NAME_CODE], event->code, sizeof event->code);
    if (event->is_error)
        rl__error_name(&stream->facts, event->type, strlen(event->type));
    rl__message_read(event->message, strlen(event->message), stream->now, &stream->facts);
}

void rl__document_end(struct rl__stream *stream)
{
    struct rl__event *event = &stream->event;

    frame_error(stream);
    flat_error(stream);
    if (event->told && stream->facts.number == 0 && event->status >= 400 && event->status <= 599)
        stream->facts.number = (uint32_t)event->status;
    stream->documents += stream->documents < UINT32_MAX;
    memset(event, 0, sizeof *event);
}
