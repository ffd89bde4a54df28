/* SPDX-License-Identifier: MIT */
/* Owns which doors may be knocked at: https anywhere, http on this machine; nothing in an answer or
 * a request line can choose a host. */
#include "http/http.h"

#include <stdlib.h>
#include <string.h>

static int has_bad_byte(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
            return 1;
    return 0;
}

const char *path_problem(const char *path)
{
    if (path == NULL || path[0] != '/' || path[1] == '/' || path[1] == '\\')
        return "a path must begin with one '/'";
    if (has_bad_byte(path))
        return "a path must not hold spaces, control characters or bytes above 126";
    if (strchr(path, '#') != NULL)
        return "a path must not hold a fragment";
    if (strlen(path) > 2048)
        return "a path must not be longer than 2048 bytes";
    return NULL;
}

/* libcurl itself resolves "localhost" to the loopback addresses, whatever a name server says. */
static int is_loopback(const char *host)
{
    int part[4], used = 0;

    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return 1;
    /* Only the plain dotted form: "127.1.evil.example" must not pass. */
    for (size_t i = 0; host[i] != '\0'; i++)
        if (strchr("0123456789.", host[i]) == NULL)
            return 0;
    for (const char *at = host; used < 4; used++) {
        char *end;
        long value = strtol(at, &end, 10);

        if (end == at || value > 255 || (used < 3 ? *end != '.' : *end != '\0'))
            return 0;
        part[used] = (int)value;
        at = end + 1;
    }
    return part[0] == 127;
}

/* An empty query or fragment is none to libcurl, but would swallow the path. */
static int has_more_than_path(const char *text)
{
    return strpbrk(text, "?#\\") != NULL;
}

static const char *check_parts(CURLU *url, int *is_plain)
{
    char *scheme = NULL, *host = NULL, *other = NULL;
    const char *why = NULL;

    (void)curl_url_get(url, CURLUPART_SCHEME, &scheme, 0); /* NULL if missing */
    (void)curl_url_get(url, CURLUPART_HOST, &host, 0);
    *is_plain = scheme != NULL && strcmp(scheme, "http") == 0;
    if (scheme == NULL || host == NULL || (!*is_plain && strcmp(scheme, "https") != 0))
        why = "a base URL must be https, or http to a loopback address";
    else if (*is_plain && !is_loopback(host))
        why = "plain http is for loopback addresses only: use https";
    else if (curl_url_get(url, CURLUPART_USER, &other, 0) == CURLUE_OK ||
             curl_url_get(url, CURLUPART_PASSWORD, &other, 0) == CURLUE_OK)
        why = "a base URL must not hold a user or password";
    curl_free(scheme);
    curl_free(host);
    curl_free(other);
    return why;
}

static const char *check_url(const char *text, int *is_plain)
{
    CURLU *url;
    const char *why;

    if (text == NULL || text[0] == '\0' || strlen(text) > 2048 || has_bad_byte(text))
        return "a base URL must have 1 to 2048 bytes, without spaces and control characters";
    if (has_more_than_path(text))
        return "a base URL must not hold a query, a fragment or a backslash";
    if ((url = curl_url()) == NULL)
        return "out of memory";
    why = curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ? "this is not a URL"
                                                                 : check_parts(url, is_plain);
    curl_url_cleanup(url);
    return why;
}

rl_status door_set(struct door *door, const char *url, const char **why)
{
    size_t length;

    *door = (struct door){ NULL, 0 };
    if ((*why = check_url(url, &door->is_plain)) != NULL)
        return RL_E_INVALID;
    if ((door->url = strdup(url)) == NULL)
        return RL_E_NOMEM;
    for (length = strlen(door->url); length > 0 && door->url[length - 1] == '/'; length--)
        door->url[length - 1] = '\0';
    return RL_OK;
}

void door_free(struct door *door)
{
    free(door->url);
    door->url = NULL;
}
