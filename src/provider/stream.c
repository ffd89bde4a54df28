/* SPDX-License-Identifier: MIT */
/* The incremental reader: bytes to lines of SSE or binary frames, their data to JSON members, those
 * to usage and errors. */
#include "provider/stream.h"

enum { MODE_UNKNOWN, MODE_JSON, MODE_SSE, MODE_BINARY };

/* The payload of a binary frame. */
enum { CONTENT_EVENT, CONTENT_CHUNK, CONTENT_ERROR };

/* What is captured. Scalars are kept for the end of the event, where its type is known. */
enum capture {
    CAPTURE_NONE,
    CAPTURE_USAGE,
    CAPTURE_PROMPT_USAGE, /* Anthropic's message_start: its output count is only a beginning */
    CAPTURE_ERROR,
    CAPTURE_STATUS, /* Cerebras: beside the error of a stream, its HTTP status */
    CAPTURE_COUNT,  /* a token count in the document itself */
    CAPTURE_TYPE,
    CAPTURE_CODE,
    CAPTURE_MESSAGE
};

static const struct {
    const char *outer; /* NULL: a member of the document itself */
    const char *key;
    enum capture capture;
} members[] = {
    { NULL, "usage", CAPTURE_USAGE },
    { NULL, "usageMetadata", CAPTURE_USAGE },
    { NULL, "error", CAPTURE_ERROR },
    { NULL, "type", CAPTURE_TYPE },
    { NULL, "error_type", CAPTURE_CODE },
    { NULL, "code", CAPTURE_CODE },
    { NULL, "message", CAPTURE_MESSAGE },
    { "message", "usage", CAPTURE_PROMPT_USAGE },
    { "response", "usage", CAPTURE_USAGE },
    { "response", "error", CAPTURE_ERROR },
    { "x_groq", "usage", CAPTURE_USAGE },
    { "x_groq", "error", CAPTURE_ERROR },
    { "delta", "usage", CAPTURE_USAGE },
    { "metadata", "usage", CAPTURE_USAGE },
    { NULL, "meta", CAPTURE_USAGE },
    { "response", "meta", CAPTURE_USAGE },
    { NULL, "status_code", CAPTURE_STATUS },
    { NULL, "details", CAPTURE_USAGE },
    { NULL, "prompt_eval_count", CAPTURE_COUNT },
    { NULL, "eval_count", CAPTURE_COUNT },
    { NULL, "tokens_evaluated", CAPTURE_COUNT },
    { NULL, "tokens_predicted", CAPTURE_COUNT },
    { NULL, "prompt_token_count", CAPTURE_COUNT },
    { NULL, "generation_token_count", CAPTURE_COUNT },
    { NULL, "amazon-bedrock-invocationMetrics", CAPTURE_USAGE },
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

static enum capture member_find(const struct rl__sieve *sieve)
{
    uint32_t level = sieve->depth - sieve->base;

    if (is_choice_error(sieve))
        return CAPTURE_ERROR;
    if (sieve->depth < sieve->base || level < 1 || level > 2 || !sieve->object[sieve->depth])
        return CAPTURE_NONE;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if ((members[i].outer == NULL) == (level == 1) &&
            key_is(sieve, sieve->depth, members[i].key) &&
            (level == 1 || key_is(sieve, sieve->depth - 1, members[i].outer)))
            return members[i].capture;
    return CAPTURE_NONE;
}

/* A value begins with `first`. A "message" that is no text is looked into, not kept. */
static void value_begin(struct rl__sieve *sieve, char first)
{
    enum capture capture;

    if (sieve->capture != CAPTURE_NONE)
        return;
    capture = member_find(sieve);
    if (capture >= CAPTURE_TYPE && first != '"')
        return;
    sieve->capture = capture;
    sieve->capture_depth = sieve->depth;
    sieve->capture_length = 0;
}

static void keep(struct rl__sieve *sieve, char c)
{
    if (sieve->capture == CAPTURE_NONE || sieve->capture_length > RL__CAPTURE_MAX)
        return;
    if (sieve->capture_length < RL__CAPTURE_MAX)
        sieve->text[sieve->capture_length] = c;
    sieve->capture_length++;
}

static void error_take(struct rl__stream *stream, const cJSON *error)
{
    /* A success in one document may have a member "error" that is text; a stream has not, nor has
     * one of a row of documents. */
    if (stream->facts.found || cJSON_IsNull(error) ||
        (stream->mode == MODE_JSON && !cJSON_IsObject(error) &&
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

static void object_take(struct rl__stream *stream, enum capture capture)
{
    struct rl__sieve *sieve = &stream->sieve;
    cJSON *root;

    sieve->text[sieve->capture_length] = '\0';
    if (rl__is(sieve->text, sieve->capture_length, "null"))
        return;
    root = cJSON_ParseWithLengthOpts(sieve->text, sieve->capture_length + 1, NULL, 0);
    if (root == NULL)
        return;
    if (capture == CAPTURE_ERROR)
        error_take(stream, root);
    else if (capture == CAPTURE_STATUS)
        (void)rl__json_count(root, &stream->event.status);
    else if (capture == CAPTURE_COUNT)
        rl__usage_count(&stream->usage, sieve->key[sieve->capture_depth],
                        sieve->key_length[sieve->capture_depth], root);
    else
        rl__usage_take(&stream->usage, root, capture == CAPTURE_PROMPT_USAGE);
    cJSON_Delete(root);
}

static void capture_end(struct rl__stream *stream)
{
    struct rl__sieve *sieve = &stream->sieve;
    enum capture capture = (enum capture)sieve->capture;

    sieve->capture = CAPTURE_NONE;
    if (sieve->capture_length > RL__CAPTURE_MAX) {
        if (capture == CAPTURE_ERROR && sieve->text[0] == '{')
            stream->facts.found = 1; /* too long to read, and an error all the same */
        return;
    }
    switch (capture) {
    case CAPTURE_NONE:
        break;
    case CAPTURE_TYPE:
        text_take(stream->event.type, sizeof stream->event.type, sieve);
        break;
    case CAPTURE_CODE:
        text_take(stream->event.code, sizeof stream->event.code, sieve);
        break;
    case CAPTURE_MESSAGE:
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

    if (!stream->binary.is_open || stream->binary.content != CONTENT_ERROR || stream->facts.found)
        return;
    stream->facts.found = 1;
    rl__error_name(&stream->facts, frames->type, strlen(frames->type));
    rl__message_read(message, strlen(message), stream->now, &stream->facts);
}

/* OpenAI's Responses end with {"type":"error","code":...,"message":...}: no member "error". */
static void document_end(struct rl__stream *stream)
{
    struct rl__event *event = &stream->event;

    frame_error(stream);
    if (!event->told && !stream->facts.found && strcmp(event->type, "error") == 0) {
        stream->facts.found = 1;
        memcpy(stream->facts.name[RL__NAME_CODE], event->code, sizeof event->code);
        rl__message_read(event->message, strlen(event->message), stream->now, &stream->facts);
    }
    if (event->told && stream->facts.number == 0 && event->status >= 400 && event->status <= 599)
        stream->facts.number = (uint32_t)event->status;
    stream->documents += stream->documents < UINT32_MAX;
    memset(event, 0, sizeof *event);
}

static void sieve_reset(struct rl__stream *stream)
{
    /* A number without what ends it may have lost its last digits: it does not count. */
    document_end(stream);
    memset(&stream->sieve, 0, offsetof(struct rl__sieve, text));
}

static void string_char(struct rl__stream *stream, char c)
{
    struct rl__sieve *sieve = &stream->sieve;

    keep(sieve, c);
    if (sieve->escaped) {
        sieve->escaped = 0;
    } else if (c == '\\') {
        sieve->escaped = 1;
    } else if (c == '"') {
        sieve->in_string = 0;
        sieve->is_key = 0;
        if (sieve->capture != CAPTURE_NONE && sieve->capture_depth == sieve->depth &&
            sieve->text[0] == '"')
            capture_end(stream);
        return;
    }
    /* What does not fit is longer than any name of ours, and so none of them. */
    if (sieve->is_key && sieve->key_length[sieve->depth] < sizeof sieve->key[0])
        sieve->key[sieve->depth][sieve->key_length[sieve->depth]++] = c;
}

static void string_begin(struct rl__sieve *sieve)
{
    sieve->in_string = 1;
    if (sieve->expect_key) {
        sieve->is_key = 1;
        sieve->key_length[sieve->depth] = 0;
    } else {
        value_begin(sieve, '"');
    }
    keep(sieve, '"');
}

static void open_bracket(struct rl__sieve *sieve, char c)
{
    value_begin(sieve, c);
    keep(sieve, c);
    if (sieve->depth == 0)
        sieve->base = c == '[';
    if (sieve->depth == UINT32_MAX)
        return;
    sieve->depth++;
    sieve->expect_key = c == '{' && sieve->depth <= RL__KEYS;
    if (sieve->depth <= RL__KEYS) {
        sieve->object[sieve->depth] = c == '{';
        sieve->key_length[sieve->depth] = 0;
    }
}

/* A number, true, false or null ends at whatever follows it. */
static void scalar_end(struct rl__stream *stream)
{
    struct rl__sieve *sieve = &stream->sieve;

    if (!sieve->in_scalar)
        return;
    sieve->in_scalar = 0;
    if (sieve->capture != CAPTURE_NONE && sieve->capture_depth == sieve->depth)
        capture_end(stream);
}

static void close_bracket(struct rl__stream *stream, char c)
{
    struct rl__sieve *sieve = &stream->sieve;

    sieve->expect_key = 0;
    keep(sieve, c);
    if (sieve->depth > 0)
        sieve->depth--;
    if (sieve->capture != CAPTURE_NONE && sieve->capture_depth == sieve->depth)
        capture_end(stream);
    if (sieve->depth <= sieve->base)
        document_end(stream);
}

static void sieve_char(struct rl__stream *stream, char c)
{
    struct rl__sieve *sieve = &stream->sieve;

    if (sieve->in_string) {
        string_char(stream, c);
        return;
    }
    if (strchr("{}[],:\" \t\r\n", c) != NULL) /* NUL, too */
        scalar_end(stream);
    switch (c) {
    case '"':
        string_begin(sieve);
        break;
    case '{':
    case '[':
        open_bracket(sieve, c);
        break;
    case '}':
    case ']':
        close_bracket(stream, c);
        break;
    case ',':
        sieve->expect_key = sieve->depth <= RL__KEYS && sieve->object[sieve->depth];
        keep(sieve, c);
        break;
    case ':':
        sieve->expect_key = 0;
        keep(sieve, c);
        break;
    case ' ':
    case '\t':
    case '\r':
    case '\n':
    case '\0':
        keep(sieve, ' ');
        break;
    default:
        if (!sieve->in_scalar) {
            sieve->in_scalar = 1;
            value_begin(sieve, c);
        }
        keep(sieve, c);
        break;
    }
}

static void line_end(struct rl__stream *stream)
{
    if (stream->field_length == 0 && !stream->in_value)
        sieve_reset(stream); /* an empty line ends the event */
    else if (stream->in_value && rl__is(stream->field, stream->field_length, "data"))
        sieve_char(stream, '\n');
    stream->field_length = 0;
    stream->in_value = 0;
}

static void field_char(struct rl__stream *stream, char c)
{
    if (c == ':') {
        stream->in_value = 1;
        stream->skip_blank = 1;
    } else if (stream->field_length < sizeof stream->field) {
        stream->field[stream->field_length++] = c; /* a longer name is none of ours */
    }
}

static void sse_char(struct rl__stream *stream, char c)
{
    int after_cr = stream->last_was_cr;

    stream->last_was_cr = c == '\r';
    if (c == '\n' && after_cr)
        return; /* the line ended with the CR */
    if (c == '\r' || c == '\n') {
        line_end(stream);
    } else if (!stream->in_value) {
        field_char(stream, c);
    } else if (stream->skip_blank && c == ' ') {
        stream->skip_blank = 0;
    } else {
        stream->skip_blank = 0;
        if (rl__is(stream->field, stream->field_length, "data"))
            sieve_char(stream, c);
    }
}

/* ---- binary frames ---- */

static void frame_begin(struct rl__stream *stream)
{
    struct rl__binary *binary = &stream->binary;
    const struct rl__frames *frames = &binary->frames;

    binary->before = stream->usage;
    binary->was_found = stream->facts.found != 0;
    binary->is_open = 1;
    memset(&binary->chunk, 0, sizeof binary->chunk);
    if (strcmp(frames->kind, "exception") == 0 || strcmp(frames->kind, "error") == 0)
        binary->content = CONTENT_ERROR;
    else
        binary->content = strcmp(frames->type, "chunk") == 0 ? CONTENT_CHUNK : CONTENT_EVENT;
}

static void frame_payload(struct rl__stream *stream, char c)
{
    if (stream->binary.content != CONTENT_CHUNK || rl__chunk_char(&stream->binary.chunk, c, &c))
        sieve_char(stream, c);
}

static void frame_end(struct rl__stream *stream)
{
    sieve_reset(stream);
    stream->binary.is_open = 0;
}

/* What it said is not believed. What came before it stands. */
static void frame_broken(struct rl__stream *stream)
{
    sieve_reset(stream);
    stream->ignored++;
    if (!stream->binary.is_open)
        return; /* its lengths are the fault: it said nothing yet */
    stream->binary.is_open = 0;
    stream->usage = stream->binary.before;
    if (!stream->binary.was_found)
        rl__facts_init(&stream->facts);
}

static void frame_char(struct rl__stream *stream, char c)
{
    switch (rl__frames_byte(&stream->binary.frames, (unsigned char)c)) {
    case RL__FRAME_BEGIN:
        frame_begin(stream);
        break;
    case RL__FRAME_PAYLOAD:
        frame_payload(stream, c);
        break;
    case RL__FRAME_END:
        frame_end(stream);
        break;
    case RL__FRAME_BROKEN:
        frame_broken(stream);
        break;
    default:
        break;
    }
}

/* ---- any form ---- */

/* A frame begins with a length of less than 32 MiB, text never with such a byte. */
static uint32_t mode_of(char first)
{
    if (first == '\0' || first == '\1')
        return MODE_BINARY;
    return first == '{' || first == '[' || first == '"' ? MODE_JSON : MODE_SSE;
}

/* The first byte that is no blank, blank line or byte order mark tells. */
static void mode_find(struct rl__stream *stream, char c)
{
    if (rl__is_space(c) || c == '\xef' || c == '\xbb' || c == '\xbf')
        return;
    stream->mode = mode_of(c);
}

void rl__stream_init(struct rl__stream *stream, const rl_dialect *dialect, rl_wall_time now)
{
    /* All but the text of a capture, which is written before it is read. */
    memset(stream, 0, offsetof(struct rl__stream, sieve) + offsetof(struct rl__sieve, text));
    memset(&stream->event, 0, sizeof stream->event);
    memset(&stream->usage, 0, sizeof stream->usage);
    memset(&stream->binary, 0, sizeof stream->binary);
    stream->dialect = dialect;
    stream->now = now;
    rl__facts_init(&stream->facts);
}

void rl__stream_feed(struct rl__stream *stream, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (stream->mode == MODE_UNKNOWN)
            mode_find(stream, bytes[i]);
        if (stream->mode == MODE_JSON)
            sieve_char(stream, bytes[i]);
        else if (stream->mode == MODE_SSE)
            sse_char(stream, bytes[i]);
        else if (stream->mode == MODE_BINARY)
            frame_char(stream, bytes[i]);
    }
}

void rl__stream_end(struct rl__stream *stream)
{
    sieve_reset(stream);
}
