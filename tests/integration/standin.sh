#!/bin/sh
# SPDX-License-Identifier: MIT
# Starts the real stand-in provider and talks to it with curl, one part for each ctest entry.
# usage: standin.sh PROGRAM PART
set -u
program=$1
part=$2
work=$(mktemp -d) || exit 1
server=
command -v curl >/dev/null || { echo "curl is missing"; exit 77; }

finish() {
    [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "FAILED: $*"
    echo "--- head";  cat "$work/head" 2>/dev/null
    echo "--- body";  head -c 3000 "$work/body" 2>/dev/null
    echo "--- said";  cat "$work/said" "$work/errors" 2>/dev/null
    exit 1
}

# Starts the server with the options given; `url` is where it listens.
start() {
    : >"$work/said"
    "$program" provider "$@" >"$work/said" 2>"$work/errors" &
    server=$!
    i=0
    while [ ! -s "$work/said" ]; do
        i=$((i + 1))
        [ $i -lt 200 ] || fail "no address within 10 s"
        sleep 0.05
    done
    url=$(sed -n '1s/.*"base_url":"\([^"]*\)".*/\1/p' "$work/said")
}

# Ends it; the final statistics are then in `stats`.
stop() {
    kill -TERM "$server"
    wait "$server" || fail "exit code $?"
    server=
    stats=$(tail -n 1 "$work/said")
}

# post PATH BODY [curl options]: sets `status`; leaves head and body in files.
post() {
    path=$1
    data=$2
    shift 2
    status=$(curl -s -N -o "$work/body" -D "$work/head" -w '%{http_code}' --max-time 20 \
        -H 'content-type: application/json' "$@" --data-binary "$data" "$url$path")
    code=$?
}

header() { sed -n "s/^$1: *\(.*\)\r\$/\1/Ip" "$work/head"; }
want_status() { [ "$status" = "$1" ] || fail "status $status (curl $code), wanted $1"; }
want_header() { header "$1" | grep -Eqx "$2" || fail "header $1 is '$(header "$1")', wanted $2"; }
no_header() { [ -z "$(header "$1")" ] || fail "header $1 is '$(header "$1")', wanted none"; }
want_body() { grep -Eq "$1" "$work/body" || fail "body lacks $1"; }
want_stat() { echo "$stats" | grep -q "\"$1\":$2[,}]" || fail "$1 is not $2 in $stats"; }

chat='{"model":"m1","max_tokens":20,"messages":[{"role":"user","content":"hello there"}]}'
large='{"model":"m1","max_tokens":5000,"messages":[{"role":"user","content":"hello"}]}'
stream='{"model":"m1","stream":true,"stream_options":{"include_usage":true},
 "messages":[{"role":"user","content":"hi"}]}'
gemini='{"contents":[{"parts":[{"text":"hello there"}]}],"generationConfig":{"maxOutputTokens":20}}'
long=$(printf '%4000s' x)
quick="--latency-ms 20-40 --seed 7"

# until_admitted PATH BODY WAIT: WAIT seconds after a refusal the same request must pass.
until_admitted() {
    sleep "$3"
    post "$1" "$2"
    want_status 200
}

openai() {
    start --dialect openai --rpm 30 --burst-seconds 2 --tpm 3000 $quick
    post /v1/chat/completions "$chat"
    want_status 200
    want_header x-ratelimit-limit-requests 30
    want_header x-ratelimit-remaining-requests 0
    want_header x-ratelimit-reset-requests '2s'
    want_header x-ratelimit-remaining-tokens 73
    want_body '"prompt_tokens":7,"completion_tokens":[0-9]+,"total_tokens":[0-9]+'
    post /v1/chat/completions "$chat"
    want_status 429
    want_header retry-after 2
    want_header retry-after-ms '1[0-9]{3}'
    want_body 'requests per min \(RPM\): Limit 30, Used 30, Requested 1\. Please try again in 1\.[0-9]+s'
    ms=$(header retry-after-ms)
    until_admitted /v1/chat/completions "$chat" "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
    post /v1/chat/completions "$large"
    want_status 429
    no_header retry-after
    want_body 'Request too large for m1 .*\(TPM\): Limit 100, Requested 50'
    post /v1/embeddings '{"model":"e1","input":["hello","there"]}'
    want_status 200
    want_body '"prompt_tokens":11,"total_tokens":11'
    stop
    want_stat seen 5
    want_stat admitted 3
    want_stat refused_wait 1
    want_stat refused_too_large 1
    want_stat refused_early 0
    want_stat early 0
    want_stat answered_200 3
    want_stat answered_twice 1
    want_stat distinct_200 2
    want_stat in_flight 0
}

groq() {
    start --dialect groq --rpm 60 --burst-seconds 1 --rpd 100 --tpm 60000 $quick
    post /openai/v1/chat/completions "$chat"
    want_status 200
    want_header x-ratelimit-limit-requests 100
    want_header x-ratelimit-reset-requests '14m24s'
    want_header x-ratelimit-reset-tokens '27ms'
    post /v1/chat/completions "$chat"
    want_status 429
    want_header retry-after 1
    want_body 'on requests per minute \(RPM\): Limit 60, Used 60, Requested 1\. Please try again in '
    until_admitted /v1/chat/completions "$chat" 1
    post /v1/chat/completions "$large"
    want_status 413
    want_body 'Request too large .*"code":"rate_limit_exceeded"'
    sleep 1
    post /v1/chat/completions "$stream"
    want_status 200
    want_body '"x_groq":\{"id":"req_[0-9a-f]+","usage":'
    stop
}

anthropic() {
    start --dialect anthropic --rpm 60 --itpm 600 --otpm 300 --burst-seconds 2 $quick
    post /v1/messages "$chat"
    want_status 200
    want_header anthropic-ratelimit-requests-limit 60
    want_header anthropic-ratelimit-input-tokens-remaining 13
    want_header anthropic-ratelimit-output-tokens-remaining 10
    want_header anthropic-ratelimit-requests-reset '20[0-9-]+T[0-9:]+Z'
    want_body '"usage":\{"input_tokens":7,.*"output_tokens":[0-9]+'
    post /v1/messages "$chat" # its output is charged as produced: the limit goes into debt
    post /v1/messages "$chat"
    want_status 429
    want_header retry-after '[1-6]'
    want_body '"type":"rate_limit_error","message":".* of [0-9]+ [a-z ]+ per minute'
    until_admitted /v1/messages "$chat" "$(header retry-after)"
    post /v1/messages '{"model":"m2","messages":[{"role":"user","content":"'"$long"'"}]}'
    want_status 413
    want_body request_too_large
    post /v1/messages '{"model":"m2","stream":true,"messages":[{"role":"user","content":"hi"}]}'
    want_status 200
    want_header content-type 'text/event-stream.*'
    for event in message_start content_block_delta message_delta message_stop; do
        want_body "^event: $event\$"
    done
    stop
    want_stat refused_early 0
}

gemini() {
    start --dialect gemini --rpm 60 --burst-seconds 1 --tpm 60000 $quick
    model=/v1beta/models/gemini-2.5-flash
    post $model:generateContent "$gemini"
    want_status 200
    want_body '"promptTokenCount":7,"candidatesTokenCount":[0-9]+,"totalTokenCount"'
    post $model:generateContent "$gemini"
    want_status 429
    no_header retry-after
    want_body '"quotaId":"GenerateRequestsPerMinutePerProjectPerModel"'
    want_body '"retryDelay":"[0-9]+s"'
    wait=$(sed -n 's/.*Please retry in \([0-9.]*\)ms\..*/\1/p' "$work/body")
    [ -n "$wait" ] || fail "no time in the message"
    until_admitted $model:generateContent "$gemini" "$(printf '0.%03d' $((${wait%.*} + 1)))"
    sleep 1
    post "$model:streamGenerateContent?alt=sse" "$gemini"
    want_status 200
    [ "$(grep -c '^data: ' "$work/body")" -ge 2 ] || fail "not a stream"
    post $model:generateContent '{"contents":[{"parts":[{"text":"'"$long"'"}]}]}'
    want_status 429
    want_body '"quotaValue":"60000"'
    stop
}

generic() {
    start --dialect generic --rpm 2 --refill window $quick
    post /v1/chat/completions "$chat"
    want_header X-RateLimit-Limit 2
    want_header X-RateLimit-Remaining 1
    post /v1/chat/completions "$stream"
    want_status 200
    want_body '"choices":\[\],"usage":\{"prompt_tokens":5,'
    want_body '^data: \[DONE\]'
    post /v1/chat/completions "$chat"
    want_status 429
    want_header Retry-After '5[0-9]|60'
    post /v1/chat/completions "$chat"
    want_status 429
    curl -s "$url/__stats" | grep -q '"refused_early":1,' || fail "the second refusal was early"
    curl -s -X POST "$url/__reset" | grep -q '"seen":0,' || fail "not reset"
    stop
    want_stat seen 0
}

errors() {
    for dialect in openai anthropic groq gemini generic; do
        path=/v1/chat/completions
        body=$chat
        [ $dialect = anthropic ] && path=/v1/messages
        [ $dialect = gemini ] && path=/v1beta/models/g:generateContent && body=$gemini
        start --dialect $dialect --require-key secret $quick
        post $path "$body"
        [ $dialect = gemini ] && want_status 400 || want_status 401
        want_body '"error":'
        post $path "$body" -H 'Authorization: Bearer secret'
        want_status 200
        post $path '{"model":' -H 'Authorization: Bearer secret'
        want_status 400
        post $path "$body x" -H 'Authorization: Bearer secret'
        want_status 400
        post /nowhere "$body"
        want_status 404
        stop
        want_stat errors 4
    done
    start --headers off --rpm 1
    post /v1/chat/completions "$chat"
    no_header x-ratelimit-limit-requests
    post /v1/chat/completions "$chat"
    want_status 429
    no_header retry-after
    grep -q 'try again in' "$work/body" && fail "a hint"
    stop
    for wrong in '--rpm -1' '--rpm 1x' '--refill often' '--latency-ms 5-3' '--fault-500 1.5' \
        '--nonsense' '--port' '--fault-500 0.6 --fault-503 0.6' '--limit-change-at 5' \
        '--dialect gemini --rpd 5'; do
        "$program" provider $wrong >"$work/said" 2>"$work/errors"
        [ $? -eq 2 ] || fail "$wrong was accepted"
        grep -q -e "${wrong%% *}" -e add -e need "$work/errors" || fail "no word about $wrong"
    done
    start $quick
    "$program" provider --port "${url##*:}" >/dev/null 2>&1 && fail "two servers on one port"
    head -c 33554432 /dev/zero | tr '\0' ' ' >"$work/large"
    post /v1/chat/completions @"$work/large"
    want_status 400
    echo >>"$work/large"
    post /v1/chat/completions @"$work/large" -H 'Expect:'
    want_status 413
    stop
    "$program" provider --help | grep -q -e --neighbour || fail "no help"
}

faults() {
    for fault in 500 503 529; do
        start --fault-$fault 1 --tpm 1000 $quick
        post /v1/chat/completions "$chat"
        want_status $fault
        stop
        want_stat $fault 1
        want_stat answered_200 0
    done
    start --fault-reset 1 $quick
    post /v1/chat/completions "$chat"
    [ "$code" = 56 ] || fail "curl says $code, wanted 56: reset by peer"
    stop
    want_stat reset 1
    start --fault-hang 1 $quick
    post /v1/chat/completions "$chat" --max-time 1
    [ "$code" = 28 ] || fail "curl says $code, wanted 28: timed out"
    sleep 0.5
    curl -s "$url/__stats" | grep -q '"in_flight":0,' || fail "the client's going was not seen"
    post /v1/chat/completions "$chat" --max-time 0.2
    stop
    want_stat hang 2
    start --fault-slow 1 --slow-ms 700 $quick
    post /v1/chat/completions "$chat" --max-time 0.6
    [ "$code" = 28 ] || fail "not slow"
    post /v1/chat/completions "$chat"
    want_status 200
    stop
    want_stat slow 2
    want_stat cut_short 1
    start --clock-skew -86400 $quick
    post /v1/chat/completions "$chat"
    want_header Date "$(date -u -d '1 day ago' '+%a, %d %b %Y') .*"
    stop
}

# Three hundred at once: each takes its latency and no more than a little longer.
crowd() {
    start --latency-ms 300-300
    i=0
    while [ $i -lt 300 ]; do
        i=$((i + 1))
        printf 'url = "%s/v1/chat/completions"\noutput = "/dev/null"\n' "$url"
    done >"$work/list"
    curl -s --no-progress-meter -Z --parallel-max 300 --parallel-immediate -d "$chat" -w '%{http_code} %{time_total}\n' \
        -K "$work/list" >"$work/body" || fail "curl says $?"
    [ "$(grep -c '^200 ' "$work/body")" -eq 300 ] || fail "not all were answered"
    awk '$2 < 0.3 { exit 1 }' "$work/body" || fail "an answer before its time"
    stop
    want_stat answered_200 300
    want_stat answered_twice 299
    echo "$stats" | grep -Eq '"in_flight_max":(1[0-9][0-9]|[23][0-9][0-9]),' || fail "$stats"
}

case $part in
openai | groq | anthropic | gemini | generic | errors | faults | crowd) $part ;;
*) fail "no part '$part'" ;;
esac
echo "passed: $part"
