/* SPDX-License-Identifier: MIT */
/* A handle of the program's own: permits, what is tried again, what is handed on, what is left. */
#include "http_server.h"

#include <llmrl/config.h>
#include <llmrl/http.h>

#include <curl/curl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct trial {
    struct http_server *server;
    rl_context *rl;
    CURL *easy;
    rl_http_reply reply;
    unsigned prepared, pieces;
    size_t handed_on;
    const char *other_path; /* prepare() turns to it; NULL: gives up */
};

static void go_to(struct trial *trial, const char *path)
{
    char url[128];

    (void)snprintf(url, sizeof url, "%s%s", http_server_url(trial->server), path);
    assert_int_equal(curl_easy_setopt(trial->easy, CURLOPT_URL, url), CURLE_OK);
}

static void begin(struct trial *trial)
{
    rl_options options = RL_OPTIONS_INIT;

    *trial = (struct trial){ .server = http_server_start(), .easy = curl_easy_init() };
    trial->reply = RL_HTTP_REPLY_INIT;
    trial->reply.user = trial;
    options.config_json = "{\"retry\": {\"base_delay_ms\": 1, \"max_delay_ms\": 1}}";
    assert_int_equal(rl_open(&options, &trial->rl), RL_OK);
    assert_non_null(trial->easy);
    assert_int_equal(curl_easy_setopt(trial->easy, CURLOPT_POSTFIELDS, "{\"model\":\"m\"}"), 0);
}

static rl_status perform(struct trial *trial, const char *path, uint64_t deadline_ms)
{
    rl_request request = RL_REQUEST_INIT;

    request.provider = "openai";
    request.model = "m";
    request.input_tokens = 10;
    request.deadline_ms = deadline_ms;
    go_to(trial, path);
    rl_http_reply_free(&trial->reply);
    return rl_http_perform(trial->rl, &request, trial->easy, &trial->reply);
}

static uint64_t granted(struct trial *trial)
{
    rl_stats stats = { .size = sizeof stats };

    assert_int_equal(rl_stats_get(trial->rl, &stats), RL_OK);
    assert_int_equal(stats.in_flight, 0);
    return stats.granted;
}

static void end(struct trial *trial)
{
    rl_http_reply_free(&trial->reply);
    curl_easy_cleanup(trial->easy);
    rl_close(trial->rl);
    http_server_stop(trial->server);
}

static void an_answer_comes_whole(void **state)
{
    struct trial trial;

    (void)state;
    begin(&trial);
    assert_int_equal(perform(&trial, "/echo", 0), RL_OK);
    assert_int_equal(trial.reply.http_status, 200);
    assert_non_null(strstr(trial.reply.body, "POST /echo"));
    assert_int_equal(trial.reply.body_length, strlen(trial.reply.body));
    assert_int_equal(perform(&trial, "/ok", 0), RL_OK);
    assert_int_equal(granted(&trial), 2);
    assert_int_equal(http_server_requests(trial.server), 2);
    end(&trial);
}

static void what_fails_is_tried_again_with_a_permit(void **state)
{
    struct trial trial;
    char text[256];

    (void)state;
    begin(&trial);
    trial.reply.max_attempts = 3;
    assert_int_equal(perform(&trial, "/reset", 0), RL_E_ATTEMPTS);
    assert_int_equal(trial.reply.attempt.number, 3);
    assert_int_equal(trial.reply.http_status, 0);
    assert_true(strlen(rl_explain(&trial.reply.attempt, text, sizeof text)) > 10);
    assert_int_equal(granted(&trial), 3);
    assert_int_equal(http_server_requests(trial.server), 3);
    assert_int_equal(perform(&trial, "/nowhere", 0), RL_E_REJECTED);
    assert_int_equal(trial.reply.http_status, 404);
    assert_string_equal(trial.reply.body, "{}");
    end(&trial);
}

/* A kept connection breaks under the second request: libcurl alone would send that twice. */
static void each_sending_has_its_permit(void **state)
{
    struct trial trial;

    (void)state;
    begin(&trial);
    assert_int_equal(perform(&trial, "/once", 0), RL_OK);
    assert_int_equal(perform(&trial, "/once", 0), RL_OK);
    assert_int_equal(trial.reply.attempt.number, 2);
    assert_int_equal(http_server_requests(trial.server), 3);
    assert_int_equal(granted(&trial), 3);
    end(&trial);
}

static int turn_to_another(void *easy, const rl_attempt *attempt, void *user)
{
    struct trial *trial = user;

    assert_ptr_equal(easy, trial->easy);
    assert_int_equal(attempt->number, ++trial->prepared);
    if (attempt->number < 2)
        return 0;
    if (trial->other_path == NULL)
        return 1;
    go_to(trial, trial->other_path);
    return 0;
}

static void a_handle_may_be_changed_before_each_attempt(void **state)
{
    struct trial trial;

    (void)state;
    begin(&trial);
    trial.reply.prepare = turn_to_another;
    trial.other_path = "/ok";
    assert_int_equal(perform(&trial, "/reset", 0), RL_OK);
    assert_int_equal(trial.prepared, 2);
    trial.prepared = 0;
    trial.other_path = NULL;
    assert_int_equal(perform(&trial, "/reset", 0), RL_E_CANCELLED);
    assert_int_equal(granted(&trial), 4); /* the last one came back unsent */
    assert_int_equal(http_server_requests(trial.server), 3);
    end(&trial);
}

static void count_pieces(const char *bytes, size_t length, void *user)
{
    struct trial *trial = user;

    assert_non_null(bytes);
    trial->pieces++;
    trial->handed_on += length;
}

static int go_by_route(void *easy, const rl_attempt *attempt, void *user)
{
    struct trial *trial = user;

    (void)easy;
    trial->prepared++;
    go_to(trial, strcmp(attempt->route.provider, "other") == 0 ? "/echo" : "/reset");
    return 0;
}

/* A handle follows a route if somebody prepares it for that; else the request goes as named. */
static void a_handle_follows_its_route_or_has_none(void **state)
{
    rl_request request = RL_REQUEST_INIT;
    struct trial trial;

    (void)state;
    begin(&trial);
    assert_int_equal(
        rl_config_patch(trial.rl, "{\"fallback\": {\"openai/m\": [\"other/n\"]}}", NULL, 0), RL_OK);
    request.provider = "openai";
    request.model = "m";
    request.allow_fallback = RL_FALLBACK_ON;
    trial.reply.max_attempts = 2;
    go_to(&trial, "/reset");
    assert_int_equal(rl_http_perform(trial.rl, &request, trial.easy, &trial.reply), RL_E_ATTEMPTS);
    assert_string_equal(trial.reply.attempt.route.provider, "openai");
    rl_http_reply_free(&trial.reply);
    trial.reply.prepare = go_by_route;
    assert_int_equal(rl_http_perform(trial.rl, &request, trial.easy, &trial.reply), RL_OK);
    assert_string_equal(trial.reply.attempt.route.provider, "other");
    assert_string_equal(trial.reply.attempt.route.model, "n");
    assert_int_equal(trial.prepared, 2);
    assert_non_null(strstr(trial.reply.body, "POST /echo"));
    assert_int_equal(granted(&trial), 4);
    end(&trial);
}

/* What the program has seen the beginning of must not begin anew. */
static void what_was_handed_on_is_not_tried_again(void **state)
{
    struct trial trial;

    (void)state;
    begin(&trial);
    trial.reply.on_body = count_pieces;
    assert_int_equal(perform(&trial, "/ok", 0), RL_OK);
    assert_int_equal(trial.handed_on, trial.reply.body_length);
    assert_true(trial.pieces > 0);
    trial.handed_on = 0;
    assert_int_not_equal(perform(&trial, "/drip", 300), RL_OK);
    assert_true(trial.handed_on > 0);
    assert_int_equal(trial.reply.attempt.number, 1);
    trial.handed_on = 0;
    assert_int_equal(perform(&trial, "/nowhere", 0), RL_E_REJECTED);
    assert_int_equal(trial.handed_on, 0); /* an error is no output */
    assert_int_equal(http_server_requests(trial.server), 3);
    end(&trial);
}

static void an_answer_has_a_bound(void **state)
{
    struct trial trial;

    (void)state;
    begin(&trial);
    trial.reply.max_body_bytes = 100000;
    assert_int_equal(perform(&trial, "/big", 0), RL_E_TOO_BIG);
    assert_true(trial.reply.body_length <= 100000);
    end(&trial);
}

static void a_deadline_ends_a_transfer(void **state)
{
    struct trial trial;

    (void)state;
    begin(&trial);
    assert_int_equal(perform(&trial, "/hang", 200), RL_E_DEADLINE);
    assert_in_range(http_server_requests(trial.server), 1,
                    granted(&trial)); /* a last one may be short */
    end(&trial);
}

static void wrong_arguments_send_nothing(void **state)
{
    rl_request request = RL_REQUEST_INIT;
    rl_http_reply never = RL_HTTP_REPLY_INIT;
    struct trial trial;
    char body[] = "x";

    (void)state;
    begin(&trial);
    go_to(&trial, "/ok");
    assert_int_equal(rl_http_perform(NULL, &request, trial.easy, &trial.reply), RL_E_INVALID);
    assert_int_equal(rl_http_perform(trial.rl, NULL, trial.easy, &trial.reply), RL_E_INVALID);
    assert_int_equal(rl_http_perform(trial.rl, &request, NULL, &trial.reply), RL_E_INVALID);
    assert_int_equal(rl_http_perform(trial.rl, &request, trial.easy, NULL), RL_E_INVALID);
    assert_int_equal(rl_http_perform(trial.rl, &request, trial.easy, &trial.reply),
                     RL_E_INVALID); /* no provider */
    never.size = 0;
    assert_int_equal(rl_http_perform(trial.rl, &request, trial.easy, &never), RL_E_INVALID);
    never = RL_HTTP_REPLY_INIT;
    never.body = body; /* of an earlier call */
    assert_int_equal(rl_http_perform(trial.rl, &request, trial.easy, &never), RL_E_INVALID);
    rl_http_reply_free(NULL);
    assert_int_equal(http_server_requests(trial.server), 0);
    end(&trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_whole),
        cmocka_unit_test(what_fails_is_tried_again_with_a_permit),
        cmocka_unit_test(each_sending_has_its_permit),
        cmocka_unit_test(a_handle_may_be_changed_before_each_attempt),
        cmocka_unit_test(a_handle_follows_its_route_or_has_none),
        cmocka_unit_test(what_was_handed_on_is_not_tried_again),
        cmocka_unit_test(an_answer_has_a_bound),
        cmocka_unit_test(a_deadline_ends_a_transfer),
        cmocka_unit_test(wrong_arguments_send_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
