/* SPDX-License-Identifier: MIT */
/* Owns the command line of `run` and the configuration that it hands to the library. */
#include "run_options.h"

#include "config_file.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONCURRENCY_MAX 65536
#define ATTEMPTS_MAX    1000
#define TIMEOUT_MAX_MS  UINT64_C(86400000)

const char run_options_help[] =
    "usage: llmrl run IN.jsonl... -o OUT.jsonl [OPTION...]\n"
    "\n"
    "Sends each request in IN (the form of OpenAI's Batch API: custom_id, method, url, body; \"-\" "
    "is\n"
    "standard input) as fast as the provider's limits allow, and appends each answer to OUT as "
    "soon as\n"
    "it is there (id, custom_id, response, error).\n"
    "\n"
    "  -o, --output FILE     where the answers go; must not exist or be empty, unless --resume is "
    "given\n"
    "      --resume          go on with OUT: what it answers is skipped, its errors are tried "
    "again\n"
    "      --provider NAME   openai (default), anthropic, groq, gemini, mistral, cohere, "
    "together,\n"
    "                        fireworks, openrouter, xai, deepseek, cerebras, perplexity,\n"
    "                        github-models, huggingface; or with --base-url any dialect (generic,\n"
    "                        azure-openai, ...), or one that --config describes\n"
    "      --base-url URL    where to send to (default: as configured, else the provider's own)\n"
    "      --api-key-env X   name of the environment variable with the key (default: as "
    "configured,\n"
    "                        else the usual one, and that only for the provider's own URL)\n"
    "      --ca-file FILE    PEM certificates to trust instead of the system's\n"
    "      --config FILE     limits and policies, JSON\n"
    "      --rpm N           requests a minute          a limit that is known; 0: unknown, learn "
    "it\n"
    "      --tpm N           tokens a minute            from the answers; left out: as "
    "configured,\n"
    "      --itpm N          input tokens a minute      else unknown\n"
    "      --otpm N          output tokens a minute\n"
    "      --concurrency N   requests on their way at once, at most (default: 256)\n"
    "      --max-attempts N  tries for each request (default: as configured, else 6)\n"
    "      --timeout SECONDS one attempt, all in all (default: 600; decimals allowed)\n"
    "      --priority P      high, normal (default), low, or 1 (first) to 255 (last)   } of the "
    "files that\n"
    "      --user NAME       whose requests they are: users share the limits fairly   } follow it, "
    "or of the\n"
    "                        only one. Several files are read side by side; ids must differ\n"
    "      --progress MODE   auto (default) or none: nothing but errors\n"
    "      --summary-json F  write the final numbers to F\n"
    "      --help            this text\n"
    "\n"
    "Ctrl-C finishes what is on the wire and leaves a file for --resume; a second one aborts.\n"
    "A line of IN may have 32 MiB. Memory does not grow with the file but for about 25 bytes a "
    "line,\n"
    "which tell ids apart that occur twice or are answered.\n"
    "\n"
    "exit code: 0 all answered, 1 some failed (each has its error in OUT), 2 wrong usage, "
    "configuration\n"
    "or files, 130 interrupted\n";

/* ---- the command line ---- */

enum option_kind {
    OPTION_STRING,
    OPTION_LIMIT,
    OPTION_COUNT,
    OPTION_SECONDS,
    OPTION_PROGRESS,
    OPTION_PRIORITY,
    OPTION_FLAG
};

struct option {
    const char *name;
    enum option_kind kind;
    size_t offset; /* of its member in struct run_options */
    uint64_t max;  /* of a number */
};

#define AT(member) offsetof(struct run_options, member)
static const struct option known[] = {
    { "--output", OPTION_STRING, AT(output), 0 },
    { "-o", OPTION_STRING, AT(output), 0 },
    { "--base-url", OPTION_STRING, AT(base_url), 0 },
    { "--provider", OPTION_STRING, AT(provider), 0 },
    { "--config", OPTION_STRING, AT(config), 0 },
    { "--api-key-env", OPTION_STRING, AT(api_key_env), 0 },
    { "--ca-file", OPTION_STRING, AT(ca_file), 0 },
    { "--summary-json", OPTION_STRING, AT(summary_json), 0 },
    { "--rpm", OPTION_LIMIT, AT(limit[RUN_RPM]), RL_AMOUNT_MAX },
    { "--tpm", OPTION_LIMIT, AT(limit[RUN_TPM]), RL_AMOUNT_MAX },
    { "--itpm", OPTION_LIMIT, AT(limit[RUN_ITPM]), RL_AMOUNT_MAX },
    { "--otpm", OPTION_LIMIT, AT(limit[RUN_OTPM]), RL_AMOUNT_MAX },
    { "--concurrency", OPTION_COUNT, AT(concurrency), CONCURRENCY_MAX },
    { "--max-attempts", OPTION_COUNT, AT(max_attempts), ATTEMPTS_MAX },
    { "--timeout", OPTION_SECONDS, AT(timeout_ms), TIMEOUT_MAX_MS },
    { "--priority", OPTION_PRIORITY, AT(priority), 0 },
    { "--user", OPTION_STRING, AT(user), 0 },
    { "--progress", OPTION_PROGRESS, AT(quiet), 0 },
    { "--resume", OPTION_FLAG, AT(resume), 0 },
    { "--help", OPTION_FLAG, AT(help), 0 },
};

/* The option that an argument names, as "--name" or "--name=value"; NULL: there is none. */
static const struct option *find_option(const char *argument, const char **value)
{
    size_t length = strcspn(argument, "=");

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].name) == length && memcmp(known[i].name, argument, length) == 0) {
            *value = argument[length] == '=' ? argument + length + 1 : NULL;
            return &known[i];
        }
    }
    return NULL;
}

static bool set_number(const struct option *option, uint64_t *to, const char *value,
                       struct text *error)
{
    uint64_t min = option->kind == OPTION_COUNT ? 1 : 0;

    if (option->kind == OPTION_SECONDS) {
        if (text_to_ms(value, option->max, to))
            return true;
        text_addf(error, "%s: \"%s\" is not a number of seconds between 0.001 and %llu",
                  option->name, value, (unsigned long long)(option->max / 1000));
        return false;
    }
    if (text_to_uint(value, min, option->max, to))
        return true;
    text_addf(error, "%s: \"%s\" is not a whole number between %llu and %llu", option->name, value,
              (unsigned long long)min, (unsigned long long)option->max);
    return false;
}

static bool set_priority(uint64_t *to, const char *value, struct text *error)
{
    static const struct {
        const char *name;
        uint64_t priority;
    } named[] = { { "high", RL_PRIORITY_HIGH },
                  { "normal", RL_PRIORITY_NORMAL },
                  { "low", RL_PRIORITY_LOW } };

    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (strcmp(value, named[i].name) == 0) {
            *to = named[i].priority;
            return true;
        }
    if (text_to_uint(value, 1, 255, to))
        return true;
    text_addf(error, "--priority: \"%s\" is neither high, normal or low nor a number from 1 to 255",
              value);
    return false;
}

static bool set_option(struct run_options *options, const struct option *option, const char *value,
                       struct text *error)
{
    void *to = (char *)options + option->offset;

    if (option->kind == OPTION_FLAG) {
        *(bool *)to = true;
        return true;
    }
    if (option->kind == OPTION_PROGRESS) {
        *(bool *)to = strcmp(value, "none") == 0;
        if (options->quiet || strcmp(value, "auto") == 0)
            return true;
        text_addf(error, "%s: \"%s\" is neither auto nor none", option->name, value);
        return false;
    }
    if (option->kind == OPTION_PRIORITY)
        return set_priority(to, value, error);
    if (option->kind != OPTION_STRING)
        return set_number(option, to, value, error);
    *(const char **)to = value;
    if (*value == '\0')
        text_addf(error, "%s: the value is empty", option->name);
    return *value != '\0';
}

/* One option at argv[*at]; *at moves to its last argument. */
static bool read_option(struct run_options *options, int argc, char **argv, int *at,
                        struct text *error)
{
    const char *value = NULL;
    const struct option *option = find_option(argv[*at], &value);

    if (option == NULL) {
        text_addf(error, "there is no option %.*s", (int)strcspn(argv[*at], "="), argv[*at]);
        return false;
    }
    if (option->kind == OPTION_FLAG && value != NULL) {
        text_addf(error, "%s takes no value", option->name);
        return false;
    }
    if (option->kind != OPTION_FLAG && value == NULL) {
        if (++*at >= argc) {
            text_addf(error, "%s: a value is missing", option->name);
            return false;
        }
        value = argv[*at];
    }
    return set_option(options, option, value, error);
}

static bool is_complete(const struct run_options *options, struct text *error)
{
    if (options->help)
        return true;
    if (options->file_count == 0)
        text_add_string(
            error, "the file with the requests is missing (IN.jsonl, or - for standard input)");
    else if (options->output == NULL)
        text_add_string(error, "-o is missing: the file for the answers");
    else if (strcmp(options->output, "-") == 0)
        text_add_string(error, "-o -: the answers need a file");
    else
        return true;
    return false;
}

static bool add_file(struct run_options *options, const char *path, struct text *error)
{
    for (size_t i = 0; i < options->file_count; i++)
        if (strcmp(options->file[i].path, path) == 0) {
            text_addf(error, "%s: is given twice", path);
            return false;
        }
    if (options->file_count == RUN_FILES_MAX) {
        text_addf(error, "%s: no more than %d files of requests, please", path, RUN_FILES_MAX);
        return false;
    }
    options->file[options->file_count++] =
        (struct run_file){ path, options->user, options->priority };
    return true;
}

/* Of a single file, the options count wherever they stand. */
static bool place_last(struct run_options *options, struct text *error)
{
    struct run_file *last = &options->file[options->file_count == 0 ? 0 : options->file_count - 1];

    if (options->file_count == 0 ||
        (last->user == options->user && last->priority == options->priority))
        return true;
    if (options->file_count > 1) {
        text_addf(error,
                  "--priority and --user count for the files behind them, and behind %s there "
                  "is none",
                  last->path);
        return false;
    }
    last->user = options->user;
    last->priority = options->priority;
    return true;
}

bool run_options_read(struct run_options *options, int argc, char **argv, struct text *error)
{
    bool only_files = false;

    *options = (struct run_options){ .provider = "openai",
                                     .concurrency = 256,
                                     .priority = RL_PRIORITY_NORMAL };
    for (int i = 0; i < RUN_LIMITS; i++)
        options->limit[i] = RUN_LIMIT_UNSET;
    for (int at = 1; at < argc; at++) {
        if (!only_files && strcmp(argv[at], "--") == 0) {
            only_files = true;
        } else if (!only_files && argv[at][0] == '-' && argv[at][1] != '\0') {
            if (!read_option(options, argc, argv, &at, error))
                return false;
        } else if (!add_file(options, argv[at], error)) {
            return false;
        }
    }
    return place_last(options, error) && is_complete(options, error);
}

/* ---- the configuration ---- */

static const struct door {
    const char *provider;
    const char *base_url;
    const char *key_env;
} doors[] = {
    { "openai", "https://api.openai.com", "OPENAI_API_KEY" },
    { "anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY" },
    { "groq", "https://api.groq.com/openai", "GROQ_API_KEY" },
    { "gemini", "https://generativelanguage.googleapis.com", "GEMINI_API_KEY" },
    { "mistral", "https://api.mistral.ai", "MISTRAL_API_KEY" },
    { "cohere", "https://api.cohere.com", "CO_API_KEY" },
    { "together", "https://api.together.xyz", "TOGETHER_API_KEY" },
    { "fireworks", "https://api.fireworks.ai/inference", "FIREWORKS_API_KEY" },
    { "openrouter", "https://openrouter.ai/api", "OPENROUTER_API_KEY" },
    { "xai", "https://api.x.ai", "XAI_API_KEY" },
    { "deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY" },
    { "cerebras", "https://api.cerebras.ai", "CEREBRAS_API_KEY" },
    { "perplexity", "https://api.perplexity.ai", "PERPLEXITY_API_KEY" },
    { "github-models", "https://models.github.ai/inference", "GITHUB_TOKEN" },
    { "huggingface", "https://router.huggingface.co", "HF_TOKEN" },
};

static const struct door *find_door(const char *provider)
{
    for (size_t i = 0; i < sizeof doors / sizeof doors[0]; i++) {
        if (strcmp(doors[i].provider, provider) == 0)
            return &doors[i];
    }
    return NULL;
}

/* cJSON says NULL for a lack of memory, and for nothing else here. */
static cJSON *made(cJSON *item)
{
    if (item == NULL)
        text_no_memory();
    return item;
}

static cJSON *child_object(cJSON *parent, const char *name)
{
    cJSON *child = cJSON_GetObjectItemCaseSensitive(parent, name);

    return child != NULL ? child : made(cJSON_AddObjectToObject(parent, name));
}

/* cJSON prints a number with 15 digits where that is nearly the same; ours are exact. */
static cJSON *whole_number(uint64_t value)
{
    char digits[TEXT_SHORT];

    snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    return cJSON_CreateRaw(digits);
}

static void set_member(cJSON *object, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    cJSON_AddItemToObject(object, name, made(value));
}

/* A tier's table may name it as well. */
static void forget_of_table(cJSON *provider, const char *key)
{
    cJSON *unknown = cJSON_GetObjectItemCaseSensitive(provider, "unknown");

    if (!cJSON_HasObjectItem(provider, "tier"))
        return;
    if (unknown == NULL)
        unknown = made(cJSON_AddArrayToObject(provider, "unknown"));
    cJSON_AddItemToArray(unknown, made(cJSON_CreateString(key)));
}

/* Forgets a limit: of the provider, and of its models, as the user says that it is not known. */
static void forget_limit(cJSON *provider, const char *key)
{
    cJSON *model;

    forget_of_table(provider, key);

    cJSON_DeleteItemFromObjectCaseSensitive(provider, key);
    cJSON_ArrayForEach(model, cJSON_GetObjectItemCaseSensitive(provider, "models"))
        cJSON_DeleteItemFromObjectCaseSensitive(model, key);
    set_member(provider, "auto_detect", cJSON_CreateTrue());
}

#define HINT_MS_MAX 3600000 /* an hour */

static void merge_limits(cJSON *provider, const struct run_options *options)
{
    static const char *const keys[RUN_LIMITS] = { "requests_per_minute", "tokens_per_minute",
                                                  "input_tokens_per_minute",
                                                  "output_tokens_per_minute" };

    for (int i = 0; i < RUN_LIMITS; i++) {
        if (options->limit[i] == 0)
            forget_limit(provider, keys[i]);
        else if (options->limit[i] != RUN_LIMIT_UNSET)
            set_member(provider, keys[i], whole_number(options->limit[i]));
    }
}

/* As many wait as are on their way, at most. A batch has no reader who waits for one answer: it
 * sits out a longer wait than a program would, if the configuration says nothing else. */
static void merge_policies(cJSON *root, const struct run_options *options)
{
    cJSON *queue = child_object(root, "queue"), *retry = child_object(root, "retry");
    const cJSON *size = cJSON_GetObjectItemCaseSensitive(queue, "max_size");

    if (!cJSON_IsNumber(size) || size->valuedouble < (double)options->concurrency)
        set_member(queue, "max_size", whole_number(options->concurrency));
    if (options->max_attempts > 0)
        set_member(retry, "max_attempts", whole_number(options->max_attempts));
    if (cJSON_IsObject(retry) && !cJSON_HasObjectItem(retry, "max_hint_ms"))
        set_member(retry, "max_hint_ms", whole_number(HINT_MS_MAX));
}

static bool merge_provider(struct run_setup *setup, cJSON *root, const struct run_options *options,
                           struct text *error)
{
    cJSON *providers = child_object(root, "providers");
    cJSON *provider = cJSON_GetObjectItemCaseSensitive(providers, options->provider);
    const cJSON *dialect = cJSON_GetObjectItemCaseSensitive(provider, "dialect");
    bool builtin = rl_dialect_find(options->provider) != NULL;

    if (provider == NULL && !builtin) {
        text_addf(
            error,
            "--provider: \"%s\" is no dialect that is built in (openai, anthropic, ..., generic), "
            "and not in the configuration",
            options->provider);
        return false;
    }
    if (provider == NULL) {
        provider = child_object(providers, options->provider);
        set_member(provider, "auto_detect", cJSON_CreateTrue());
    }
    text_add_string(&setup->dialect, cJSON_IsString(dialect) ? dialect->valuestring
                                     : builtin               ? options->provider
                                                             : "generic");
    merge_limits(provider, options);
    return true;
}

bool run_setup_merge(struct run_setup *setup, const struct run_options *options, const char *json,
                     size_t length, struct text *error)
{
    cJSON *root = json != NULL ? cJSON_ParseWithLength(json, length) : cJSON_CreateObject();
    bool known_provider = merge_provider(setup, made(root), options, error);
    char *printed = NULL;

    if (known_provider) {
        merge_policies(root, options);
        printed = cJSON_PrintUnformatted(root);
        if (printed == NULL)
            text_no_memory();
        text_add_string(&setup->config_json, printed);
        cJSON_free(printed);
    }
    cJSON_Delete(root);
    return known_provider;
}

bool run_setup_config(struct run_setup *setup, const struct run_options *options,
                      struct text *error)
{
    struct text file = { 0 };
    char problem[512] = "";
    rl_status status;
    bool good;

    *setup = (struct run_setup){ 0 };
    if (options->config == NULL)
        return run_setup_merge(setup, options, NULL, 0, error);
    good = config_file_read(options->config, &file, error);
    if (good) {
        status = rl_config_check(file.data, file.length, problem, sizeof problem);
        good = status == RL_OK;
        if (!good)
            text_addf(error, "%s: %s", options->config,
                      problem[0] != '\0' ? problem : rl_status_text(status));
    }
    good = good && run_setup_merge(setup, options, file.data, file.length, error);
    text_free(&file);
    return good;
}

/* ---- the door and its key ---- */

static bool choose_base_url(struct run_setup *setup, const struct run_options *options,
                            const char *configured, const struct door *door, struct text *error)
{
    const char *url = options->base_url != NULL ? options->base_url : configured;

    if (url == NULL && door != NULL)
        url = door->base_url;
    if (url == NULL) {
        text_addf(error, "--base-url is missing: \"%s\" has no URL of its own", options->provider);
        return false;
    }
    text_add_string(&setup->base_url, url);
    while (setup->base_url.length > 0 && setup->base_url.data[setup->base_url.length - 1] == '/')
        setup->base_url.data[--setup->base_url.length] = '\0';
    return true;
}

/* A key from the variable `name`. The name is not repeated: people paste the key there. */
static bool take_key(struct run_setup *setup, const char *name, const char *where,
                     struct text *error)
{
    setup->api_key = getenv(name);
    if (setup->api_key != NULL && setup->api_key[0] != '\0')
        return true;
    text_addf(error, "%s: the environment variable of that name is not set, or empty", where);
    return false;
}

bool run_setup_door(struct run_setup *setup, const struct run_options *options,
                    const rl_context *rl, struct text *error)
{
    const struct door *door = find_door(options->provider);
    const char *configured_url = rl_config_base_url(rl, options->provider);
    const char *configured_env = rl_config_api_key_env(rl, options->provider);
    const char *usual;
    bool own_door;

    if (!choose_base_url(setup, options, configured_url, door, error))
        return false;
    setup->usual_env = door != NULL ? door->key_env : NULL;
    if (options->api_key_env != NULL)
        return take_key(setup, options->api_key_env, "--api-key-env", error);
    if (options->base_url == NULL && configured_env != NULL)
        return take_key(setup, configured_env, "api_key_env in the configuration", error);
    own_door = door != NULL && strcmp(setup->base_url.data, door->base_url) == 0;
    if (options->base_url == NULL && own_door) {
        if (take_key(setup, door->key_env, door->key_env, error))
            return true;
        text_add_string(error, "; --api-key-env names another");
        return false;
    }
    usual = setup->usual_env != NULL ? getenv(setup->usual_env) : NULL;
    setup->key_withheld = usual != NULL && usual[0] != '\0';
    return true;
}

void run_setup_deinit(struct run_setup *setup)
{
    text_free(&setup->config_json);
    text_free(&setup->dialect);
    text_free(&setup->base_url);
}
