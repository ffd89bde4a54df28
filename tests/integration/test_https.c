/* SPDX-License-Identifier: MIT */
/* TLS against a real server: whom nobody vouches for, or who is somebody else, gets no request.
 * Certificates and server come from the openssl program; without it, or without TLS in libcurl, the
 * tests are skipped. */
#include <llmrl/http.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char canned[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

struct tls_server {
    pid_t pid;
    int in, out; /* what it sends to whoever connects; what it says */
    unsigned port;
};

static char folder[] = "/tmp/llmrl-https-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *out = path[turn++ % 4];

    (void)snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

static void become_openssl_req(const char *name, const char *alternative)
{
    char key[64], certificate[64], extension[96];

    (void)snprintf(key, sizeof key, "%s.key", name);
    (void)snprintf(certificate, sizeof certificate, "%s.pem", name);
    (void)snprintf(extension, sizeof extension, "subjectAltName=%s", alternative);
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
        _exit(127);
    (void)execlp("openssl", "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                 in_folder(key), "-out", in_folder(certificate), "-days", "2", "-subj",
                 "/CN=llmrl test", "-addext", extension, (char *)NULL);
    _exit(127);
}

static int make_certificate(const char *name, const char *alternative)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        become_openssl_req(name, alternative);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static unsigned free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void become_server(const char *name, unsigned port, const int in[2], const int out[2])
{
    char where[32], key[64], certificate[64];

    (void)snprintf(where, sizeof where, "127.0.0.1:%u", port);
    (void)snprintf(key, sizeof key, "%s.key", name);
    (void)snprintf(certificate, sizeof certificate, "%s.pem", name);
    (void)dup2(in[0], STDIN_FILENO);
    (void)dup2(out[1], STDOUT_FILENO);
    (void)dup2(out[1], STDERR_FILENO);
    (void)close(in[1]);
    (void)close(out[0]);
    (void)execlp("openssl", "openssl", "s_server", "-accept", where, "-key", in_folder(key),
                 "-cert", in_folder(certificate), (char *)NULL);
    _exit(127);
}

/* Returns when it listens. */
static void start(struct tls_server *server, const char *name)
{
    char said[4096] = "";
    size_t used = 0;
    int in[2], out[2];

    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    server->port = free_port();
    if ((server->pid = fork()) == 0)
        become_server(name, server->port, in, out);
    (void)close(in[0]);
    (void)close(out[1]);
    server->in = in[1];
    server->out = out[0];
    while (strstr(said, "ACCEPT") == NULL) {
        ssize_t got = read(server->out, said + used, sizeof said - 1 - used);

        if (got <= 0)
            fail_msg("openssl s_server: %s", said);
        used += (size_t)got;
        said[used] = '\0';
    }
    assert_int_equal(write(server->in, canned, sizeof canned - 1), sizeof canned - 1);
}

static void stop(const struct tls_server *server)
{
    (void)kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
    (void)close(server->in);
    (void)close(server->out);
}

struct outcome {
    rl_status status;
    uint64_t http;
    unsigned attempts;
};

static void on_done(const rl_http_result *result)
{
    struct outcome *outcome = result->user;

    *outcome = (struct outcome){ result->status, result->http_status, result->attempt->number };
}

static void submit(rl_http_engine *engine, struct outcome *outcome)
{
    rl_request request = RL_REQUEST_INIT;
    rl_http_call call = RL_HTTP_CALL_INIT;

    call.request = &request;
    call.path = "/v1/chat/completions";
    call.body = "{}";
    call.body_length = 2;
    call.done = on_done;
    call.user = outcome;
    assert_int_equal(rl_http_engine_submit(engine, &call), RL_OK);
}

static struct outcome ask(const char *certificate, const char *ca_file)
{
    rl_http_options options = RL_HTTP_OPTIONS_INIT;
    struct outcome outcome = { RL_WAIT, 0, 0 };
    struct tls_server server;
    rl_http_engine *engine;
    rl_context *rl;
    char url[64], error[128];

    start(&server, certificate);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u", server.port);
    options.base_url = url;
    options.provider = "openai";
    options.api_key = "sk-canary-0123456789abcdef";
    options.ca_file = ca_file;
    options.max_attempts = 3;
    options.attempt_timeout_ms = 10000;
    assert_int_equal(rl_open(NULL, &rl), RL_OK);
    assert_int_equal(rl_http_engine_new(rl, &options, &engine, error, sizeof error), RL_OK);
    submit(engine, &outcome);
    while (rl_http_engine_pending(engine) > 0)
        assert_int_equal(rl_http_engine_step(engine, 1000), RL_OK);
    rl_http_engine_free(engine);
    rl_close(rl);
    stop(&server);
    return outcome;
}

static void refused(struct outcome outcome)
{
    assert_int_equal(outcome.status, RL_E_TRANSPORT);
    assert_int_equal(outcome.http, 0);
    assert_int_equal(outcome.attempts, 1); /* it would be the same again */
}

static void whom_nobody_vouches_for_is_refused(void **state)
{
    (void)state;
    refused(ask("right", NULL));
    refused(ask("right", in_folder("wrong.pem")));
}

static void whom_the_given_file_vouches_for_is_trusted(void **state)
{
    struct outcome outcome = ask("right", in_folder("right.pem"));

    (void)state;
    assert_int_equal(outcome.status, RL_OK);
    assert_int_equal(outcome.http, 200);
}

static void who_is_somebody_else_is_refused(void **state)
{
    (void)state;
    refused(ask("wrong", in_folder("wrong.pem")));
}

static void remove_folder(void)
{
    static const char *const names[] = { "right.key", "right.pem", "wrong.key", "wrong.pem" };

    for (size_t i = 0; i < 4; i++)
        (void)unlink(in_folder(names[i]));
    (void)rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whom_nobody_vouches_for_is_refused),
        cmocka_unit_test(whom_the_given_file_vouches_for_is_trusted),
        cmocka_unit_test(who_is_somebody_else_is_refused),
    };
    int failures;

    if (mkdtemp(folder) == NULL)
        return 1;
    if (!make_certificate("right", "IP:127.0.0.1") ||
        !make_certificate("wrong", "DNS:other.example")) {
        remove_folder();
        return 77; /* no openssl program */
    }
    (void)signal(SIGPIPE, SIG_IGN); /* of the pipe to a server that has gone */
    failures = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder();
    return failures;
}
