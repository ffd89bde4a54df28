/* SPDX-License-Identifier: MIT */
/* Owns the walk over a configuration document: places, types, ranges, unknown and duplicate keys.
 */
#include "context/config_json.h"

#include "base/arith.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void rl__reader_init(struct rl__reader *reader, char *error, size_t error_size)
{
    *reader = (struct rl__reader){ .error = error, .error_size = error_size };
    if (error != NULL && error_size > 0)
        error[0] = '\0';
}

rl_status rl__reader_fail(struct rl__reader *reader, const char *format, ...)
{
    struct rl__text text =
        rl__text_on(reader->error, reader->error == NULL ? 0 : reader->error_size);
    char what[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (reader->place_length > 0)
        rl__text_add(&text, "%s: ", reader->place);
    rl__text_add(&text, "%s", what);
    return RL_E_CONFIG;
}

static size_t add_place(struct rl__reader *reader, const char *text)
{
    size_t mark = reader->place_length;
    int wrote = snprintf(reader->place + mark, sizeof reader->place - mark, "%s", text);

    if (wrote > 0)
        reader->place_length = (size_t)rl__min(mark + (size_t)wrote, sizeof reader->place - 1);
    return mark;
}

/* A key comes from the file: it is shown, so cut to a sane length and without control characters.
 */
static void show_key(const char *key, char *out, size_t size)
{
    struct rl__text text = rl__text_on(out, size);

    rl__text_add_foreign(&text, key, strnlen(key, 80));
}

size_t rl__reader_enter(struct rl__reader *reader, const char *name)
{
    char shown[100], part[104];

    show_key(name, shown, sizeof shown);
    (void)snprintf(part, sizeof part, "%s%s", reader->place_length > 0 ? "." : "", shown);
    return add_place(reader, part);
}

size_t rl__reader_enter_element(struct rl__reader *reader, size_t index)
{
    char part[32];

    (void)snprintf(part, sizeof part, "[%zu]", index);
    return add_place(reader, part);
}

void rl__reader_leave(struct rl__reader *reader, size_t mark)
{
    reader->place_length = mark;
    reader->place[mark] = '\0';
}

/* Edits (insert, delete, replace) between two short words; more than `LONGEST` bytes count as far
 * away. */
#define LONGEST 40
static size_t distance(const char *a, const char *b)
{
    size_t row[LONGEST + 1], n = strlen(a), m = strlen(b);

    if (n > LONGEST || m > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);

            best = rl__min(best, rl__min(above + 1, row[j - 1] + 1));
            diagonal = above;
            row[j] = best;
        }
    }
    return row[m];
}

static const char *nearest_key(const struct rl__key *keys, const char *name)
{
    const char *best = NULL;
    size_t best_distance = rl__max(2, strlen(name) / 3) + 1;

    for (; keys->name != NULL; keys++) {
        /* A key that only lacks its unit is near, however long that is. */
        int begins = strlen(name) > 2 && strncmp(name, keys->name, strlen(name)) == 0;
        size_t d = begins ? 1 : distance(name, keys->name);

        if (d < best_distance) {
            best_distance = d;
            best = keys->name;
        }
    }
    return best;
}

static rl_status fail_unknown(struct rl__reader *reader, const struct rl__key *keys,
                              const char *name)
{
    const char *meant = nearest_key(keys, name);

    if (meant != NULL)
        return rl__reader_fail(reader, "unknown key; did you mean \"%s\"?", meant);
    return rl__reader_fail(reader, "unknown key");
}

static int is_repeated(const cJSON *object, const cJSON *member)
{
    for (const cJSON *other = object->child; other != member; other = other->next)
        if (strcmp(other->string, member->string) == 0)
            return 1;
    return 0;
}

static rl_status read_member(struct rl__reader *reader, const cJSON *object, const cJSON *member,
                             const struct rl__key *keys, void *target)
{
    if (is_repeated(object, member))
        return rl__reader_fail(reader, "this key is given twice");
    for (const struct rl__key *key = keys; key->name != NULL; key++)
        if (strcmp(key->name, member->string) == 0)
            return key->read(reader, member, target);
    return fail_unknown(reader, keys, member->string);
}

rl_status rl__read_object(struct rl__reader *reader, const cJSON *object,
                          const struct rl__key *keys, void *target)
{
    if (!cJSON_IsObject(object))
        return rl__reader_fail(reader, "must be an object");
    for (const cJSON *member = object->child; member != NULL; member = member->next) {
        size_t mark = rl__reader_enter(reader, member->string);
        rl_status st = read_member(reader, object, member, keys, target);

        if (st != RL_OK)
            return st;
        rl__reader_leave(reader, mark);
    }
    return RL_OK;
}

rl_status rl__read_integer(struct rl__reader *reader, const cJSON *value, uint64_t low,
                           uint64_t high, uint64_t *out)
{
    double number = cJSON_IsNumber(value) ? value->valuedouble : -1;

    if (!cJSON_IsNumber(value))
        return rl__reader_fail(reader, "must be a number");
    if (!(number >= (double)low && number <= (double)high))
        return rl__reader_fail(reader, "must be between %llu and %llu", (unsigned long long)low,
                               (unsigned long long)high);
    *out = (uint64_t)number;
    if ((double)*out < number)
        return rl__reader_fail(reader, "must be a whole number");
    return RL_OK;
}

rl_status rl__read_flag(struct rl__reader *reader, const cJSON *value, int *out)
{
    if (!cJSON_IsBool(value))
        return rl__reader_fail(reader, "must be true or false");
    *out = cJSON_IsTrue(value);
    return RL_OK;
}

rl_status rl__read_name(struct rl__reader *reader, const cJSON *value, const char **out)
{
    size_t length;

    if (!cJSON_IsString(value))
        return rl__reader_fail(reader, "must be a string");
    length = strlen(value->valuestring);
    if (length == 0 || length > RL__CONFIG_NAME_MAX)
        return rl__reader_fail(reader, "must have 1 to %d bytes", RL__CONFIG_NAME_MAX);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)value->valuestring[i] < 0x20 || value->valuestring[i] == 0x7f)
            return rl__reader_fail(reader, "must not hold control characters");
    *out = value->valuestring;
    return RL_OK;
}

static rl_status fail_syntax(struct rl__reader *reader, const char *json, const char *end)
{
    size_t line = 1, column = 1;

    for (const char *at = json; at < end; at++) {
        column++;
        if (*at == '\n') {
            line++;
            column = 1;
        }
    }
    return rl__reader_fail(reader, "line %zu, column %zu: this is not JSON", line, column);
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    return at;
}

rl_status rl__read_document(struct rl__reader *reader, const char *json, size_t length, cJSON **out)
{
    const char *end = NULL;

    *out = NULL;
    if (length > RL__CONFIG_BYTES_MAX)
        return rl__reader_fail(reader, "longer than %zu bytes", RL__CONFIG_BYTES_MAX);
    if (memchr(json, '\0', length) != NULL)
        return fail_syntax(reader, json, memchr(json, '\0', length));
    *out = cJSON_ParseWithLengthOpts(json, length, &end, 0);
    if (*out == NULL)
        return fail_syntax(reader, json, end == NULL ? json : end);
    if (skip_space(end, json + length) != json + length) {
        cJSON_Delete(*out);
        *out = NULL;
        return fail_syntax(reader, json, skip_space(end, json + length));
    }
    return RL_OK;
}
