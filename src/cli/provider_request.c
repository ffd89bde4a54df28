/* SPDX-License-Identifier: MIT */
/* Reads requests and counts their tokens by a rule that a test can repeat by hand: the bytes of all
 * texts in the messages, divided by 4 and rounded up, plus 4 for each message. A system text is a
 * message; each input of an embedding is one; an input that is a list of token numbers counts them.
 */
#include "provider_request.h"

#include <cjson/cJSON.h>
#include <string.h>

#define OUTPUT_DEFAULT    256
#define OUTPUT_MAX        INT64_C(1000000000)
#define TOKENS_A_MESSAGE  4
#define BYTES_A_TOKEN     4
#define GEMINI_PATH       "/v1beta/models/"
#define PATH(path, where) (strcmp(path, where) == 0)

static enum provider_endpoint gemini_route(struct provider_request *request, const char *path)
{
    const char *name = path + sizeof GEMINI_PATH - 1;
    size_t length = strcspn(name, ":/");

    if (length == 0 || length >= sizeof request->model)
        return PROVIDER_NOWHERE;
    memcpy(request->model, name, length);
    if (PATH(name + length, ":generateContent"))
        return PROVIDER_GENERATE;
    return PATH(name + length, ":streamGenerateContent") ? PROVIDER_GENERATE_STREAM
                                                         : PROVIDER_NOWHERE;
}

static enum provider_endpoint post_route(struct provider_request *request,
                                         enum provider_dialect dialect, const char *path)
{
    bool chat = PATH(path, "/v1/chat/completions");

    if (dialect == PROVIDER_GEMINI && strncmp(path, GEMINI_PATH, sizeof GEMINI_PATH - 1) == 0)
        return gemini_route(request, path);
    if (dialect == PROVIDER_ANTHROPIC)
        return PATH(path, "/v1/messages") ? PROVIDER_CHAT : PROVIDER_NOWHERE;
    if (dialect == PROVIDER_GROQ && PATH(path, "/openai/v1/chat/completions"))
        return PROVIDER_CHAT;
    if (dialect == PROVIDER_OPENAI && PATH(path, "/v1/embeddings"))
        return PROVIDER_EMBEDDINGS;
    return chat && dialect != PROVIDER_GEMINI ? PROVIDER_CHAT : PROVIDER_NOWHERE;
}

void provider_request_route(struct provider_request *request, enum provider_dialect dialect,
                            const char *method, const char *path)
{
    request->endpoint = PROVIDER_NOWHERE;
    if (strcmp(method, "GET") == 0 && PATH(path, "/__stats"))
        request->endpoint = PROVIDER_STATS;
    else if (strcmp(method, "POST") == 0 && PATH(path, "/__reset"))
        request->endpoint = PROVIDER_RESET;
    else if (strcmp(method, "POST") == 0)
        request->endpoint = post_route(request, dialect, path);
}

/* FNV-1a, then a mixer, as its low bits alone are weak. The terminating zero parts path and body.
 */
static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_request(const char *path, const char *body, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    hash = hash_bytes(hash, path, strlen(path) + 1);
    hash = hash_bytes(hash, body, length);
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
    return hash ^ (hash >> 31);
}

/* A content is a text, or a list of parts of which some have a text (or are one). */
static int64_t part_bytes(const cJSON *part)
{
    const cJSON *text =
        cJSON_IsObject(part) ? cJSON_GetObjectItemCaseSensitive(part, "text") : part;

    return cJSON_IsString(text) ? (int64_t)strlen(text->valuestring) : 0;
}

static int64_t text_bytes(const cJSON *content)
{
    const cJSON *part;
    int64_t bytes = 0;

    if (!cJSON_IsArray(content))
        return part_bytes(content);
    cJSON_ArrayForEach(part, content)
    {
        bytes += part_bytes(part);
    }
    return bytes;
}

struct tally {
    int64_t bytes;
    int64_t messages;
    int64_t tokens; /* given as numbers already */
};

static int64_t tokens(const struct tally *tally)
{
    return tally->tokens + (tally->bytes + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN +
           TOKENS_A_MESSAGE * tally->messages;
}

static void tally_one(struct tally *tally, const cJSON *content)
{
    tally->messages++;
    tally->bytes += text_bytes(content);
}

/* False: there is no list of messages, or nothing in it. */
static bool tally_list(struct tally *tally, const cJSON *list, const char *content)
{
    const cJSON *message;

    if (!cJSON_IsArray(list) || list->child == NULL)
        return false;
    cJSON_ArrayForEach(message, list)
    {
        if (!cJSON_IsObject(message))
            return false;
        tally_one(tally, cJSON_GetObjectItemCaseSensitive(message, content));
    }
    return true;
}

/* A text, a list of texts, a list of token numbers, or a list of such lists. */
static bool tally_inputs(struct tally *tally, const cJSON *input, int64_t *items)
{
    const cJSON *item;

    *items = 1;
    if (cJSON_IsString(input)) {
        tally_one(tally, input);
        return true;
    }
    if (!cJSON_IsArray(input) || input->child == NULL)
        return false;
    *items = cJSON_IsNumber(input->child) ? 1 : 0;
    tally->messages += *items;
    cJSON_ArrayForEach(item, input)
    {
        if (cJSON_IsNumber(item)) {
            tally->tokens++;
            continue;
        }
        ++*items;
        tally_one(tally, item);
        tally->tokens += cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 0;
    }
    return true;
}

static const cJSON *first_of(const cJSON *object, const char *const *names)
{
    const cJSON *item = NULL;

    for (; *names != NULL && item == NULL; names++)
        item = cJSON_GetObjectItemCaseSensitive(object, *names);
    return cJSON_IsNull(item) ? NULL : item;
}

/* False: there is one, but it is not a whole number from 1 on. */
static bool read_output_max(const cJSON *object, int64_t *value)
{
    static const char *const names[] = { "max_completion_tokens", "max_tokens", "max_output_tokens",
                                         "maxOutputTokens", NULL };
    const cJSON *item = first_of(object, names);

    *value = OUTPUT_DEFAULT;
    if (item == NULL)
        return true;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 1 && item->valuedouble <= OUTPUT_MAX))
        return false;
    *value = (int64_t)item->valuedouble;
    return true;
}

/* Drawn from the hash, so that the same request is answered the same however often it is sent:
 * around the wanted share, by at most half of the way to 0 or to 1, whichever is nearer. */
static int64_t output_tokens(const struct provider_request *request, int64_t share)
{
    int64_t way = share < PROVIDER_MILLION - share ? share : PROVIDER_MILLION - share;
    int64_t drawn = share - way / 2 + (int64_t)(request->hash % (uint64_t)(way + 1));
    provider_wide output = (provider_wide)request->output_max * drawn / PROVIDER_MILLION;

    return output < 1 ? 1 : (int64_t)output;
}

static const char *read_model(struct provider_request *request, const cJSON *root)
{
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(root, "model");

    if (!cJSON_IsString(model) || model->valuestring[0] == '\0')
        return "you must provide a model parameter";
    if (strlen(model->valuestring) >= sizeof request->model)
        return "the name of the model is too long";
    memcpy(request->model, model->valuestring, strlen(model->valuestring) + 1);
    return NULL;
}

static const char *read_gemini(struct provider_request *request, const cJSON *root,
                               struct tally *tally)
{
    const cJSON *system = cJSON_GetObjectItemCaseSensitive(root, "systemInstruction");

    if (system == NULL)
        system = cJSON_GetObjectItemCaseSensitive(root, "system_instruction");
    if (cJSON_IsObject(system))
        tally_one(tally, cJSON_GetObjectItemCaseSensitive(system, "parts"));
    request->stream = request->endpoint == PROVIDER_GENERATE_STREAM;
    if (!tally_list(tally, cJSON_GetObjectItemCaseSensitive(root, "contents"), "parts"))
        return "contents is not specified";
    if (!read_output_max(cJSON_GetObjectItemCaseSensitive(root, "generationConfig"),
                         &request->output_max))
        return "Invalid value at 'generation_config.max_output_tokens'";
    return NULL;
}

static const char *read_chat(struct provider_request *request, const cJSON *root,
                             enum provider_dialect dialect, struct tally *tally)
{
    const cJSON *system = cJSON_GetObjectItemCaseSensitive(root, "system");
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(root, "stream_options");
    const char *error = read_model(request, root);

    if (error != NULL)
        return error;
    if (dialect == PROVIDER_ANTHROPIC && system != NULL)
        tally_one(tally, system);
    request->stream = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "stream"));
    request->include_usage =
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(options, "include_usage"));
    if (!tally_list(tally, cJSON_GetObjectItemCaseSensitive(root, "messages"), "content"))
        return "messages: a list of at least one message is required";
    if (!read_output_max(root, &request->output_max))
        return "max_tokens: a whole number of at least 1 is required";
    return NULL;
}

static const char *read_embeddings(struct provider_request *request, const cJSON *root,
                                   struct tally *tally)
{
    const char *error = read_model(request, root);

    if (error != NULL)
        return error;
    if (!tally_inputs(tally, cJSON_GetObjectItemCaseSensitive(root, "input"), &request->items))
        return "input: a text or a list of them is required";
    return request->items > 2048 ? "input: at most 2048 items" : NULL;
}

static const char *read_root(struct provider_request *request, enum provider_dialect dialect,
                             const cJSON *root)
{
    struct tally tally = { 0, 0, 0 };
    const char *error;

    if (!cJSON_IsObject(root))
        return "We could not parse the JSON body of your request.";
    if (dialect == PROVIDER_GEMINI)
        error = read_gemini(request, root, &tally);
    else if (request->endpoint == PROVIDER_EMBEDDINGS)
        error = read_embeddings(request, root, &tally);
    else
        error = read_chat(request, root, dialect, &tally);
    request->input_tokens = tokens(&tally);
    return error;
}

/* The body is not terminated by a zero. */
static bool only_space(const char *begin, const char *end)
{
    while (begin < end && strchr(" \t\r\n", *begin) != NULL && *begin != '\0')
        begin++;
    return begin == end;
}

bool provider_request_read(struct provider_request *request, const struct provider_options *options,
                           const char *path, const char *body, size_t length)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(body == NULL ? "" : body, length, &end, false);

    if (root != NULL && !only_space(end, body + length)) {
        cJSON_Delete(root); /* something follows the object */
        root = NULL;
    }
    request->error = read_root(request, options->dialect, root);
    cJSON_Delete(root);
    if (request->error != NULL)
        return false;
    request->hash = hash_request(path, body, length);
    if (request->output_max != 0)
        request->output_tokens = output_tokens(request, options->output_ppm);
    return true;
}

/* openai, groq and generic reserve all that may come; anthropic counts output as it is produced and
 * wants one free unit only; gemini's tokens are input alone. */
void provider_request_demand(const struct provider_request *request, enum provider_dialect dialect,
                             struct provider_demand *demand)
{
    int64_t both = request->input_tokens;
    int64_t output = request->output_max;

    if (dialect != PROVIDER_ANTHROPIC && dialect != PROVIDER_GEMINI)
        both += request->output_max;
    *demand = (struct provider_demand){ { [PROVIDER_RPM] = 1,
                                          [PROVIDER_RPD] = 1,
                                          [PROVIDER_TPM] = both,
                                          [PROVIDER_ITPM] = request->input_tokens,
                                          [PROVIDER_OTPM] = output },
                                        { 0 } };
    if (dialect == PROVIDER_ANTHROPIC)
        demand->need[PROVIDER_OTPM] = output != 0 ? 1 : 0;
    memcpy(demand->take, demand->need, sizeof demand->take);
    if (dialect == PROVIDER_ANTHROPIC)
        demand->take[PROVIDER_OTPM] = 0;
}

void provider_request_settlement(const struct provider_request *request,
                                 enum provider_dialect dialect, int64_t output,
                                 int64_t extra[PROVIDER_KINDS])
{
    struct provider_demand demand;
    int64_t both = request->input_tokens + (dialect == PROVIDER_GEMINI ? 0 : output);

    provider_request_demand(request, dialect, &demand);
    memset(extra, 0, PROVIDER_KINDS * sizeof *extra);
    extra[PROVIDER_TPM] = both - demand.take[PROVIDER_TPM];
    extra[PROVIDER_OTPM] = output - demand.take[PROVIDER_OTPM];
}
