#!/bin/sh
# SPDX-License-Identifier: MIT
# Who may include whom, and what no library file may call. One line for each breach, nothing if all is well.
# layering.sh SOURCE
set -eu
cd "$1"

# Comments and literals are blanked first, so that only code is looked at.
# shellcheck disable=SC2016 # the dollars are awk's
find src -name '*.[ch]' | LC_ALL=C sort | xargs awk '
BEGIN {
    core = "base limiter scope store provider flow monitor context"
    split("base=0 limiter=1 scope=2 store=2 provider=3 flow=4 monitor=5 context=6", pairs, " ")
    for (i in pairs) { split(pairs[i], pair, "="); rank[pair[1]] = pair[2] + 0 }
    # A public header belongs to a layer, too; those not named here are types that everybody shares.
    header["limiter.h"] = 1; header["provider.h"] = 2; header["llmrl.h"] = 2; header["retry.h"] = 2; header["breaker.h"] = 2; header["estimate.h"] = 2
    header["queue.h"] = 4; header["batch.h"] = 4; header["pool.h"] = 4; header["config.h"] = 6; header["http.h"] = 7
    # Foreign headers, and the folders that may know them.
    foreign["cjson/"] = " provider context cli "; foreign["curl/"] = " http "
    foreign["microhttpd.h"] = " cli "; foreign["hiredis/"] = " store "

    heap = "malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf aligned_alloc posix_memalign getline"
    output = "printf vprintf puts putchar perror fputs fputc fwrite fprintf vfprintf dprintf stderr stdout"
    host = "abort exit _exit _Exit quick_exit atexit setenv putenv unsetenv signal sigaction raise" \
           " atomic_thread_fence __atomic_thread_fence __sync_synchronize system fork popen"
    unsafe = "gets strcpy strcat sprintf vsprintf strtok localtime gmtime ctime asctime rand srand setlocale"
    clocks = "clock_gettime gettimeofday nanosleep usleep sleep clock_nanosleep getrandom getentropy"
    breaches = 0
}
function breach(text) { print FILENAME ":" FNR ": " text; breaches++ }
function forbid(words, why,   n, i, word) {
    n = split(words, word, " ")
    for (i = 1; i <= n; i++)
        if (code ~ ("(^|[^A-Za-z0-9_])" word[i] "($|[^A-Za-z0-9_])"))
            breach(word[i] ": " why)
}
# The code of a line: `comment` remembers an open one from the line before.
function strip(line,   out, c, two, quote) {
    out = ""
    quote = ""
    while (line != "") {
        c = substr(line, 1, 1); two = substr(line, 1, 2)
        if (comment) {
            if (two == "*/") { comment = 0; line = substr(line, 3); out = out " "; continue }
        } else if (quote != "") {
            if (c == "\\") { line = substr(line, 3); continue }
            if (c == quote) { quote = ""; out = out c }
        } else if (two == "/*") {
            comment = 1; line = substr(line, 3); continue
        } else if (two == "//") {
            break
        } else {
            if (c == "\"" || c == "\047") quote = c
            out = out c
        }
        line = substr(line, 2)
    }
    gsub(/format\(printf/, "format(", out) # the attribute, not the function
    return out
}
function is_core(name) { return index(" " core " ", " " name " ") > 0 }

FNR == 1 {
    comment = 0
    parts = split(FILENAME, part, "/")
    folder = parts > 2 ? part[2] : "top" # src/not_built.c: as a stranger, like http and cli
    file = part[parts]
    if (parts > 2 && !is_core(folder) && folder != "http" && folder != "cli")
        breach("a folder that is no layer")
}
{
    was_comment = comment
    code = strip($0)
}
!was_comment && /^[ \t]*#[ \t]*include[ \t]*"/ {
    name = $0; sub(/^[^"]*"/, "", name); sub(/".*/, "", name)
    slash = index(name, "/")
    from = slash ? substr(name, 1, slash - 1) : folder
    if (name ~ /\.\./)
        breach("\"" name "\": goes upwards; name it from src/")
    else if (name ~ /\.c$/)
        breach("\"" name "\": a source file")
    else if (from == "llmrl")
        breach("\"" name "\": public headers are named as <llmrl/...>")
    else if (from == folder)
        ;
    else if (!is_core(folder))
        breach("\"" name "\": " folder " may use public headers and its own only")
    else if (!is_core(from))
        breach("\"" name "\": " folder " may not use " from)
    else if (rank[from] > rank[folder])
        breach("\"" name "\": " from " is a layer above " folder)
}
!was_comment && /^[ \t]*#[ \t]*include[ \t]*</ {
    name = $0; sub(/^[^<]*</, "", name); sub(/>.*/, "", name)
    if (name ~ /^llmrl\// && is_core(folder) && header[substr(name, 7)] > rank[folder])
        breach("<" name ">: belongs to a layer above " folder)
    for (prefix in foreign)
        if (index(name, prefix) == 1 && index(foreign[prefix], " " folder " ") == 0)
            breach("<" name ">: not for " folder)
}
is_core(folder) && FILENAME != "src/base/alloc.c" { forbid(heap, "memory comes from base/env.h") }
is_core(folder) && FILENAME !~ /^src\/base\/(clock|random|sync)\.c$/ {
    forbid(clocks, "clock and randomness come from the hooks")
}
folder != "cli" {
    forbid(output, "a library prints nothing")
    forbid(host, "not the business of a library")
}
{ forbid(unsafe, "unsafe, or not thread-safe") }
END { exit breaches > 0 }
'
