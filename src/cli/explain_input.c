/* SPDX-License-Identifier: MIT */
/* Reads an answer strictly: what cannot be one is refused with its line. */
#include "explain_input.h"

#include "binary_text.h"
#include "json_scan.h"
#include "rfc3339.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define STATUS_MAX 999

/* Where something stands, as a line counted from 1. */
static size_t line_of(const char *text, const char *at)
{
    size_t line = 1;

    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

static void header_add(struct explain_input *input, rl_header header)
{
    if (input->header_count == input->header_room) {
        input->header_room = input->header_room > 0 ? input->header_room * 2 : 32;
        input->headers = text_memory(input->headers, input->header_room * sizeof header);
    }
    input->headers[input->header_count++] = header;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- raw HTTP ---- */

struct raw {
    struct explain_input *input;
    char *start, *at, *end;
    struct text *error;
};

static bool raw_fail(const struct raw *raw, const char *where, const char *what)
{
    text_addf(raw->error, "line %zu: %s", line_of(raw->start, where), what);
    return false;
}

/* The next line without its end; false at the end of the text. */
static bool raw_line(struct raw *raw, char **line, size_t *length)
{
    char *end;

    if (raw->at == raw->end)
        return false;
    end = memchr(raw->at, '\n', (size_t)(raw->end - raw->at));
    *line = raw->at;
    *length = (size_t)((end == NULL ? raw->end : end) - raw->at);
    raw->at = end == NULL ? raw->end : end + 1;
    if (*length > 0 && (*line)[*length - 1] == '\r')
        --*length;
    return true;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200": the status, or 0. */
static uint64_t raw_status(const char *line, size_t length)
{
    static const char start[] = "HTTP/";
    size_t at = sizeof start - 1;
    uint64_t status = 0;
    int digits = 0;

    if (length < at || memcmp(line, start, at) != 0)
        return 0;
    while (at < length && ((line[at] >= '0' && line[at] <= '9') || line[at] == '.'))
        at++;
    if (at == sizeof start - 1 || at == length || line[at] != ' ')
        return 0;
    while (at < length && line[at] == ' ')
        at++;
    for (; at < length && line[at] >= '0' && line[at] <= '9'; at++, digits++)
        status = status * 10 + (uint64_t)(line[at] - '0');
    return digits == 3 && status >= 100 && (at == length || line[at] == ' ') ? status : 0;
}

/* A line that begins with a blank goes on with the value before it (RFC 9112 5.2). */
static bool raw_fold(struct raw *raw, const char *line, size_t length)
{
    rl_header *last;

    if (raw->input->header_count == 0)
        return raw_fail(raw, line, "a header cannot begin with a blank");
    last = &raw->input->headers[raw->input->header_count - 1];
    for (char *gap = raw->start + (last->value + last->value_length - raw->start); gap < line;
         gap++)
        *gap = ' '; /* the line end between them */
    last->value_length = (size_t)(line + length - last->value);
    return true;
}

static bool is_name_char(char c)
{
    return c > ' ' && c < 127 && strchr("()<>@,;:\\\"/[]?={}", c) == NULL;
}

static bool raw_header(struct raw *raw, char *line, size_t length)
{
    rl_header header = { .name = line };

    if (is_blank(line[0]))
        return raw_fold(raw, line, length);
    while (header.name_length < length && is_name_char(line[header.name_length]))
        header.name_length++;
    if (header.name_length == 0 || header.name_length == length || line[header.name_length] != ':')
        return raw_fail(raw, line, "this is no header (\"name: value\")");
    header.value = line + header.name_length + 1;
    header.value_length = length - header.name_length - 1;
    while (header.value_length > 0 && is_blank(header.value[0])) {
        header.value++;
        header.value_length--;
    }
    header_add(raw->input, header);
    return true;
}

/* A status line and its headers, up to the empty line. */
static bool raw_head(struct raw *raw)
{
    char *line = raw->at;
    size_t length = 0;

    if (!raw_line(raw, &line, &length) ||
        (raw->input->response.status = raw_status(line, length)) == 0)
        return raw_fail(raw, line, "this is no status line (\"HTTP/1.1 200 OK\")");
    raw->input->header_count = 0;
    while (raw_line(raw, &line, &length) && length > 0)
        if (!raw_header(raw, line, length))
            return false;
    return true;
}

/* curl -i prints every answer of the way: interim ones, a proxy's to CONNECT, redirects. The last
 * counts. */
static bool raw_read(struct raw *raw)
{
    char *line;
    size_t length;
    struct raw next;

    while (raw->at < raw->end && (*raw->at == '\r' || *raw->at == '\n'))
        raw->at++;
    do {
        if (!raw_head(raw))
            return false;
        next = *raw;
    } while (raw_line(&next, &line, &length) && raw_status(line, length) != 0);
    if (raw->input->response.status < 200)
        return raw_fail(raw, raw->end, "only interim answers (1xx): the answer itself is missing");
    raw->input->response.body = raw->at;
    raw->input->response.body_length = (size_t)(raw->end - raw->at);
    return true;
}

/* ---- JSON ---- */

struct form {
    struct explain_input *input;
    const char *start;
    struct text *error;
};

static bool form_fail(const struct form *form, struct json at, const char *what)
{
    text_addf(form->error, "line %zu: %s", line_of(form->start, at.text), what);
    return false;
}

static bool form_status(const struct form *form, struct json root)
{
    struct json value = json_get(root, "status");

    if (value.text == NULL)
        return form_fail(form, root, "\"status\" is missing");
    if (json_kind(value) != JSON_NUMBER || !json_to_uint(value, &form->input->response.status) ||
        form->input->response.status > STATUS_MAX)
        return form_fail(form, value, "\"status\" is no HTTP status");
    return true;
}

/* Names and values are kept as lengths first: the text that holds them may still move. */
static bool form_pair(const struct form *form, struct json name, struct json value)
{
    struct text *strings = &form->input->strings;
    rl_header header = { 0 };
    size_t before = strings->length;

    if (!json_decode(name, strings))
        return form_fail(form, name, "a header's name is no string");
    header.name_length = strings->length - before;
    before = strings->length;
    if (!json_decode(value, strings))
        return form_fail(form, value, "a header's value is no string");
    header.value_length = strings->length - before;
    header_add(form->input, header);
    return true;
}

static bool form_line(const struct form *form, struct json line)
{
    struct json_walk walk = json_walk(line);
    struct json key, name, value, more;

    if (json_kind(line) != JSON_ARRAY || !json_next(&walk, &key, &name) ||
        !json_next(&walk, &key, &value) || json_next(&walk, &key, &more))
        return form_fail(form, line, "a header is a list of two strings: [name, value]");
    return form_pair(form, name, value);
}

static bool form_headers(const struct form *form, struct json root)
{
    struct json list = json_get(root, "headers"), key, value;
    struct json_walk walk;
    bool named = json_kind(list) == JSON_OBJECT;
    const char *at;

    if (list.text == NULL)
        return true;
    if (!named && json_kind(list) != JSON_ARRAY)
        return form_fail(form, list, "\"headers\" is no list");
    walk = json_walk(list);
    while (json_next(&walk, &key, &value))
        if (!(named ? form_pair(form, key, value) : form_line(form, value)))
            return false;
    at = form->input->strings.data;
    for (size_t i = 0; i < form->input->header_count; i++) {
        rl_header *header = &form->input->headers[i];

        header->name = at;
        header->value = at + header->name_length;
        at += header->name_length + header->value_length;
    }
    return true;
}

static bool is_null(struct json value)
{
    return value.text == NULL || (value.length == 4 && memcmp(value.text, "null", 4) == 0);
}

static bool form_base64(const struct form *form, struct json value)
{
    struct text encoded = { 0 };
    bool good = json_decode(value, &encoded) && base64_decode(&encoded, &form->input->body);

    text_free(&encoded);
    return good || form_fail(form, value, "\"body_base64\" is no base64");
}

/* A string, as sent; or a JSON value in its place. An event stream of Amazon's, which begins with
 * a NUL, may be written with a character for each byte. */
static bool form_text(const struct form *form, struct json value)
{
    struct text *body = &form->input->body;

    if (json_kind(value) == JSON_STRING) {
        if (!json_decode(value, body))
            return form_fail(form, value, "\"body\" is no string");
        if (body->length > 0 && body->data[0] == '\0')
            (void)characters_to_bytes(body);
        return true;
    }
    if (json_kind(value) != JSON_OBJECT && json_kind(value) != JSON_ARRAY)
        return form_fail(form, value, "\"body\" is no string");
    text_add(body, value.text, value.length);
    return true;
}

static bool form_body(const struct form *form, struct json root)
{
    struct json text = json_get(root, "body"), base64 = json_get(root, "body_base64");
    struct explain_input *input = form->input;

    if (is_null(text) && is_null(base64))
        return true;
    if (!(is_null(text) ? form_base64(form, base64) : form_text(form, text)))
        return false;
    input->response.body = input->body.data;
    input->response.body_length = input->body.length;
    return true;
}

static bool form_now(const struct form *form, struct json root)
{
    struct json value = json_get(root, "now");
    struct text decoded = { 0 };

    if (is_null(value))
        return true;
    form->input->has_now = json_decode(value, &decoded) &&
                           rfc3339_read(decoded.data, decoded.length, &form->input->now);
    text_free(&decoded);
    return form->input->has_now || form_fail(form, value, "\"now\" is no time of RFC 3339");
}

static bool form_provider(const struct form *form, struct json root)
{
    struct json value = json_get(root, "provider");

    return is_null(value) || json_decode(value, &form->input->provider) ||
           form_fail(form, value, "\"provider\" is no string");
}

/* json_read() does not say where; cJSON does. */
static bool form_malformed(const struct form *form, const char *text, size_t length)
{
    const char *at = text;
    cJSON *root = cJSON_ParseWithLengthOpts(text, length, &at, 0);
    size_t line = line_of(text, root == NULL && at != NULL && at <= text + length ? at : text);

    cJSON_Delete(root);
    text_addf(form->error, "line %zu: malformed JSON", line);
    return false;
}

static bool form_read(struct explain_input *input, const char *text, size_t length,
                      struct text *error)
{
    struct form form = { input, text, error };
    struct json root;

    if (!json_read(text, length, &root))
        return form_malformed(&form, text, length);
    if (json_kind(root) != JSON_OBJECT)
        return form_fail(&form, root, "this is no JSON object");
    return form_status(&form, root) && form_headers(&form, root) && form_body(&form, root) &&
           form_now(&form, root) && form_provider(&form, root);
}

bool explain_input_read(struct explain_input *input, char *text, size_t length, struct text *error)
{
    struct raw raw = { input, text, text, text + length, error };
    size_t at = 0;
    bool good;

    *input = (struct explain_input){ .response = RL_RESPONSE_INIT };
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        at = 3; /* a byte order mark */
    raw.at += at;
    while (at < length && strchr(" \t\r\n", text[at]) != NULL && text[at] != '\0')
        at++;
    if (at == length) {
        text_add_string(error, "there is nothing in it");
        return false;
    }
    good = text[at] == '{' || text[at] == '['
               ? form_read(input, raw.at, length - (size_t)(raw.at - text), error)
               : raw_read(&raw);
    input->response.headers = input->headers;
    input->response.header_count = input->header_count;
    return good;
}

void explain_input_deinit(struct explain_input *input)
{
    text_free(&input->provider);
    text_free(&input->strings);
    text_free(&input->body);
    free(input->headers);
}
