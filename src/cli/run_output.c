/* SPDX-License-Identifier: MIT */
/* Owns the form of an output line and its way into the file. */
#include "run_output.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* A buffer that was needed once for a large answer is not kept above this. */
#define LINE_KEEP ((size_t)1 << 20)

void run_output_init(struct run_output *output, int fd)
{
    struct stat status;

    *output = (struct run_output){ .fd = fd };
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        output->regular = true;
        output->end = status.st_size;
    }
}

/* Raw line ends are white space between tokens, wherever they stand: in a string they would be no
 * JSON. */
static void add_body(struct text *line, const char *body, size_t length)
{
    struct json json;
    const char *end;

    if (!json_read(body, length, &json)) {
        text_add_json(line, body, length);
        return;
    }
    for (const char *at = json.text, *stop = json.text + json.length; at < stop; at = end) {
        end = at;
        while (end < stop && *end != '\n' && *end != '\r')
            end++;
        text_add(line, at, (size_t)(end - at));
        while (end < stop && (*end == '\n' || *end == '\r'))
            end++;
    }
}

static void add_response(struct text *line, const struct run_result *result)
{
    if (result->http_status == 0) {
        text_add_string(line, "null");
        return;
    }
    text_addf(line, "{\"status_code\":%" PRIu64 ",\"request_id\":", result->http_status);
    if (result->request_id != NULL && result->request_id[0] != '\0')
        text_add_json(line, result->request_id, strlen(result->request_id));
    else
        text_add_string(line, "null");
    text_add_string(line, ",\"body\":");
    add_body(line, result->body, result->body_length);
    text_add_string(line, "}");
}

void run_output_format(struct text *line, const struct run_result *result, uint64_t number)
{
    text_addf(line, "{\"id\":\"batch_req_%016" PRIx64 "\",\"custom_id\":", number);
    if (result->id.text != NULL)
        text_add(line, result->id.text, result->id.length);
    else
        text_add_string(line, "null");
    text_add_string(line, ",\"response\":");
    add_response(line, result);
    text_add_string(line, ",\"error\":");
    if (result->error_code == NULL) {
        text_add_string(line, "null}\n");
        return;
    }
    text_add_string(line, "{\"code\":");
    text_add_json(line, result->error_code, strlen(result->error_code));
    text_add_string(line, ",\"message\":");
    text_add_json(line, result->error_message, strlen(result->error_message));
    text_add_string(line, "}}\n");
}

bool run_output_bytes(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t done = write(fd, bytes, length);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            bytes += done;
            length -= (size_t)done;
        }
    }
    return true;
}

bool run_output_write(struct run_output *output, const struct run_result *result)
{
    uint64_t number = 0;
    bool written;

    /* Only a name: should the system have no random bits, lines keep their custom_id to go by. */
    (void)!getrandom(&number, sizeof number, 0);
    text_clear(&output->line, LINE_KEEP);
    run_output_format(&output->line, result, number);
    written = run_output_bytes(output->fd, output->line.data, output->line.length);
    if (written) {
        output->end += (off_t)output->line.length;
        return true;
    }
    output->error = errno;
    output->lost++;
    /* If this fails too, a torn line is left, which --resume cuts off. */
    if (output->regular)
        (void)!ftruncate(output->fd, output->end);
    return false;
}

bool run_output_close(struct run_output *output)
{
    bool synced = !output->regular || fsync(output->fd) == 0;
    int reason = errno;

    if (close(output->fd) != 0 && synced) {
        synced = false;
        reason = errno;
    }
    text_free(&output->line);
    output->fd = -1;
    errno = reason;
    return synced;
}
