#!/bin/sh
# SPDX-License-Identifier: MIT
# `llmrl run` as people use it, against the stand-in provider on loopback.
# usage: run.sh PROGRAM. Exit 77: the stand-in provider was left out of the build.
set -u

program=$1
work=$(mktemp -d) || exit 1
provider_pid=
failures=0
unset OPENAI_API_KEY ANTHROPIC_API_KEY GROQ_API_KEY GEMINI_API_KEY MISTRAL_API_KEY TOGETHER_API_KEY FIREWORKS_API_KEY \
    OPENROUTER_API_KEY XAI_API_KEY DEEPSEEK_API_KEY CEREBRAS_API_KEY PERPLEXITY_API_KEY

clean_up() {
    [ -z "$provider_pid" ] || kill "$provider_pid" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1

"$program" provider --help >/dev/null 2>&1 || exit 77

# check WHAT COMMAND...: the command succeeds.
check() {
    what=$1
    shift
    if "$@"; then
        echo "ok: $what"
    else
        echo "FAILED: $what ($*)"
        [ ! -s err ] || tail -5 err
        failures=$((failures + 1))
    fi
}

# equals WHAT GOT WANT
equals() {
    check "$1: \"$2\" is \"$3\"" [ "$2" = "$3" ]
}

# says WHAT PATTERN [FILE]: the file (default: what came on stderr) has a line with it.
says() {
    check "$1" grep -q -e "$2" "${3:-err}"
}

# start_provider OPTION...: sets $url.
start_provider() {
    rm -f provider.out # the shell opens it in the background: the last one must not be read for it
    : >provider.out
    "$program" provider --port 0 --dialect openai "$@" >>provider.out 2>provider.err &
    provider_pid=$!
    tries=0
    while ! grep -q '"port"' provider.out; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ] || ! kill -0 "$provider_pid" 2>/dev/null; then
            echo "FAILED: the stand-in provider does not start"
            cat provider.err
            exit 1
        fi
        sleep 0.1
    done
    url=http://127.0.0.1:$(sed -n '1s/.*"port": *\([0-9]*\).*/\1/p' provider.out)
}

# stop_provider: its score is in provider.out afterwards.
stop_provider() {
    kill "$provider_pid"
    wait "$provider_pid" 2>/dev/null
    provider_pid=
}

# score NAME: a number that the provider counted.
score() {
    sed -n 's/.*"'"$1"'": *\([0-9]*\).*/\1/p' provider.out | tail -1
}

# requests COUNT: lines r1 ... rCOUNT.
requests() {
    awk -v count="$1" 'BEGIN { for (i = 1; i <= count; i++) printf "{\"custom_id\":\"r%d\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"gpt-4o-mini\",\"max_tokens\":20,\"messages\":[{\"role\":\"user\",\"content\":\"question %d\"}]}}\n", i, i }'
}

# answers FILE: how many lines have status 200.
answers() {
    grep -c '"status_code":200,' "$1"
}

# once FILE COUNT: so many lines, and as many custom_ids.
once() {
    equals "$1 has its lines" "$(awk 'END { print NR }' "$1")" "$2"
    equals "$1 has each custom_id once" \
        "$(sed 's/.*"custom_id":\("[^"]*"\).*/\1/' "$1" | sort -u | awk 'END { print NR }')" "$2"
}

run() {
    "$program" run "$@" >out 2>err
    code=$?
}

# in_background ARGUMENT...: sets $run_pid.
in_background() {
    "$program" run "$@" >out 2>err &
    run_pid=$!
}

# wait_for_lines FILE COUNT
wait_for_lines() {
    tries=0
    while [ "$(awk 'END { print NR }' "$1" 2>/dev/null || echo 0)" -lt "$2" ] && [ "$tries" -lt 200 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
}

echo "# a normal run"
start_provider --rpm 60000 --latency-ms 5-20
requests 300 >in
run in -o all --base-url "$url" --rpm 60000 --summary-json summary
equals "exit code" "$code" 0
equals "nothing on stdout" "$(cat out)" ""
once all 300
equals "all are answered" "$(answers all)" 300
says "the summary counts" '"total":300,"succeeded":300,"failed":0,"invalid_lines":0,"skipped":0' summary
says "the summary is not interrupted" '"interrupted":false}' summary
says "the words count" '300 answered, 0 failed'
run in -o all --base-url "$url"
equals "a file with answers is refused" "$code" 2
says "and --resume is offered" 'all: .*--resume'
once all 300
run in -o all --base-url "$url" --resume --summary-json summary
equals "nothing is left to do" "$code" 0
says "all are skipped" '"succeeded":0,"failed":0,"invalid_lines":0,"skipped":300,"attempts":0' summary
run - -o piped --base-url "$url/v1" --progress none <in
equals "standard input, and a base URL with a version" "$code" 0
once piped 300
equals "--progress none says nothing" "$(cat err)" ""
stop_provider
equals "the provider answered each request of each run" "$(score answered_200)" 600

echo "# bad lines do not stop the others"
start_provider --rpm 60000 --latency-ms 1-2
{
    printf '\357\273\277\n'
    echo 'this is not JSON'
    requests 2 | head -1
    printf '\r\n'
    requests 1
    echo '{"custom_id":7,"method":"POST","url":"/v1/chat/completions","body":{}}'
    echo '{"custom_id":"get","method":"GET","url":"/v1/chat/completions","body":{}}'
    echo '{"custom_id":"host","method":"POST","url":"http://example.org/","body":{}}'
    awk 'BEGIN { s = "xxxxxxxxxxxxxxxx"; while (length(s) < 1048576) s = s s
                 printf "{\"custom_id\":\"long\",\"body\":\""; for (i = 0; i < 50; i++) printf "%s", s; print "\"}" }'
    requests 2 | tail -1 | tr -d '\n'
} >bad
run bad -o bad.out --base-url "$url" --rpm 60000 --summary-json summary
equals "exit code" "$code" 1
equals "the good ones are answered" "$(answers bad.out)" 2
says "not JSON, by its number" 'bad: line 2: '
says "repeated" 'bad: line 5: .*occurred before'
says "no string" 'bad: line 6: .*custom_id'
says "a method" 'bad: line 7: .*POST'
says "a host" 'bad: line 8: .*url'
says "50 MB" 'bad: line 9: .*longer'
says "the error has its id" '"custom_id":"long","response":null,"error":{"code":"line_too_long"' bad.out
says "or null" '"custom_id":null,"response":null,"error":{"code":"invalid_json"' bad.out
says "the summary counts them" '"succeeded":2,"failed":0,"invalid_lines":6' summary
run bad -o bad.out --base-url "$url" --rpm 60000 --resume --summary-json summary
equals "they are bad the second time, too" "$code" 1
equals "and stand there once" "$(awk 'END { print NR }' bad.out)" 8
says "what was answered is not sent again" '"succeeded":0,"failed":0,"invalid_lines":6,"skipped":2,"attempts":0' summary
stop_provider
equals "nothing was answered twice" "$(score answered_twice)" 0

echo "# kill -9, then --resume"
start_provider --rpm 60000 --latency-ms 20-60
requests 400 >in
in_background in -o killed --base-url "$url" --rpm 60000 --concurrency 10
wait_for_lines killed 50
kill -9 "$run_pid"
wait "$run_pid" 2>/dev/null
check "it was killed on the way" [ "$(answers killed)" -lt 400 ]
# As if it had been in the middle of a line.
printf '%s' '{"id":"batch_req_0123456789abcdef","custom_id":"r399","response":{"status_co' >>killed
before=$(answers killed)
run in -o killed --base-url "$url" --rpm 60000 --resume --summary-json summary
equals "exit code" "$code" 0
once killed 400
says "what was answered is not sent again" "\"total\":400,\"succeeded\":$((400 - before)),.*\"skipped\":$before," summary
stop_provider
check "only what was on the wire was sent again" [ "$(score answered_twice)" -le 10 ]

echo "# Ctrl-C, then --resume"
start_provider --rpm 60000 --latency-ms 100-300
requests 200 >in
in_background in -o broken --base-url "$url" --rpm 60000 --concurrency 10 --summary-json summary
wait_for_lines broken 20
kill -TERM "$run_pid"
wait "$run_pid"
equals "exit code" "$?" 130
says "the summary tells" '"interrupted":true}' summary
says "the words tell how to go on" '--resume'
check "some are open" [ "$(answers broken)" -lt 200 ]
equals "whole lines, no errors" "$(answers broken)" "$(awk 'END { print NR }' broken)"
before=$(answers broken)
run in -o broken --base-url "$url" --rpm 60000 --resume --summary-json summary
equals "exit code" "$code" 0
once broken 200
says "the rest was sent" "\"succeeded\":$((200 - before))," summary
stop_provider
equals "what was on the wire was waited for" "$(score answered_twice)" 0

echo "# Ctrl-C twice"
start_provider --rpm 60000 --fault-hang 1
requests 20 >in
in_background in -o aborted --base-url "$url" --rpm 60000 --timeout 100
sleep 1
kill -TERM "$run_pid"
sleep 0.5
kill -TERM "$run_pid"
wait "$run_pid"
equals "exit code" "$?" 130
equals "no line for what is open" "$(cat aborted)" ""
says "the words count it" '20 requests that were read'
stop_provider

echo "# limits are kept"
start_provider --rpm 600 --burst-seconds 1 --latency-ms 5-10
requests 40 >in
run in -o paced --base-url "$url" --rpm 600 --summary-json summary
equals "exit code" "$code" 0
once paced 40
stop_provider

echo "# several files: by priority, and fairly between users"
start_provider --rpm 3000 --burst-seconds 1 --latency-ms 5-10
requests 100 | sed 's/"custom_id":"r/"custom_id":"batch-/' >batch
requests 60 | sed 's/"custom_id":"r/"custom_id":"urgent-/' >urgent
run --priority low batch --priority high urgent -o ordered --base-url "$url" --rpm 3000 --concurrency 40
equals "exit code" "$code" 0
once ordered 160
passed=$(awk '/"custom_id":"batch-/ { low++ } /"custom_id":"urgent-/ { before = low } END { print before + 0 }' ordered)
check "hardly a low one ($passed of 100) is answered before the last high one" [ "$passed" -le 4 ]
run --user ann batch --user bob urgent -o shared --base-url "$url" --rpm 3000 --concurrency 40
equals "exit code" "$code" 0
once shared 160
bobs=$(head -80 shared | grep -c '"custom_id":"urgent-')
check "of the first 80 answers about a half ($bobs) are bob's" [ "$bobs" -ge 34 -a "$bobs" -le 46 ]
run batch urgent --priority 3 -o new --base-url "$url"
equals "a priority for no file is refused" "$code" 2
stop_provider

echo "# errors of the provider"
start_provider --rpm 60000 --latency-ms 1-5 --fault-500 1
requests 3 >in
run in -o errors --base-url "$url" --rpm 60000 --max-attempts 2
equals "exit code" "$code" 1
once errors 3
equals "each has its answer and its error" "$(grep -c '"status_code":500,.*"error":{"code":"' errors)" 3
stop_provider
start_provider --rpm 60000 --latency-ms 1-5 --require-key good-key
export MY_KEY=good-key
run in -o errors --base-url "$url" --rpm 60000 --resume --api-key-env MY_KEY
equals "with the key, --resume tries errors again" "$code" 0
equals "and all are answered" "$(answers errors)" 3
export OPENAI_API_KEY=usual-key
run in -o nokey --base-url "$url" --rpm 60000
equals "the usual key does not go to another host" "$code" 1
says "which is told" 'OPENAI_API_KEY is not sent'
unset OPENAI_API_KEY
for provider in openai:OPENAI anthropic:ANTHROPIC groq:GROQ gemini:GEMINI mistral:MISTRAL together:TOGETHER \
    fireworks:FIREWORKS openrouter:OPENROUTER xai:XAI deepseek:DEEPSEEK cerebras:CEREBRAS perplexity:PERPLEXITY; do
    run in -o nodoor --provider "${provider%:*}"
    equals "${provider%:*} has a door of its own" "$code" 2
    says "which wants its usual key" "${provider#*:}_API_KEY: the environment variable of that name is not set"
done
check "no key is shown anywhere" [ "$(cat err out nokey errors | grep -c -e good-key -e usual-key)" = 0 ]
stop_provider

echo "# nobody there"
requests 3 >in
run in -o nobody --base-url "$url" --rpm 60000 --max-attempts 2 --timeout 2
equals "exit code" "$code" 1
once nobody 3
equals "each has its error" "$(grep -c '"response":null,"error":{"code":"' nobody)" 3

echo "# mistakes cost nothing"
wrong() {
    what=$1
    pattern=$2
    shift 2
    run "$@"
    equals "$what: exit code" "$code" 2
    says "$what: is told" "$pattern"
    check "$what: no file appears" [ ! -e new ]
}
wrong "no file" 'requests' -o new
wrong "no output" '-o' in
wrong "no such file" 'missing: ' missing -o new --base-url "$url"
wrong "an unknown option" '--nonsense' in -o new --nonsense
wrong "a wrong number" '--rpm: "many"' in -o new --base-url "$url" --rpm many
wrong "no concurrency" '--concurrency: "0"' in -o new --base-url "$url" --concurrency 0
wrong "a wrong time" '--timeout: "1s"' in -o new --base-url "$url" --timeout 1s
wrong "a wrong mode" '--progress: "loud"' in -o new --base-url "$url" --progress loud
wrong "an unknown provider" '--provider: "opneai"' in -o new --provider opneai
wrong "no URL" '--base-url is missing' in -o new --provider generic
wrong "plain http to a host" 'http' in -o new --base-url http://example.org
wrong "no key for the provider itself" 'OPENAI_API_KEY' in -o new
wrong "an unset key" '--api-key-env' in -o new --base-url "$url" --api-key-env NO_SUCH_KEY
wrong "input and output are one" 'in: ' in -o in --base-url "$url"
wrong "an output that cannot be" 'nowhere/new: ' in -o nowhere/new --base-url "$url"
wrong "a summary that cannot be" '--summary-json: ' in -o new --base-url "$url" --summary-json nowhere/s
echo '{"providers":{"openai":{"requests_per_minit":5}}}' >config
wrong "an unknown key in the configuration" 'config: providers.openai.requests_per_minit' \
    in -o new --base-url "$url" --config config
echo '{"providers":' >config
wrong "a configuration that is no JSON" 'config: ' in -o new --base-url "$url" --config config
wrong "no configuration" 'missing: ' in -o new --base-url "$url" --config missing
echo 'my diary' >diary
wrong "a strange file" 'diary: line 1 ' in -o diary --base-url "$url" --resume
equals "which stays as it is" "$(cat diary)" 'my diary'
wrong "a file of requests as the output" 'bad: line' in -o bad --base-url "$url" --resume

echo "# a model's name that cannot be"
start_provider --rpm 60000 --latency-ms 1-5
{
    requests 1
    requests 1 | sed 's/"r1"/"long"/; s/"model":"[^"]*"/"model":"'"$(printf '%300s' x | tr ' ' x)"'"/'
} >named
run named -o named.out --base-url "$url"
equals "exit code" "$code" 1
says "is told" '"long" failed: .*model.*256'
equals "the other one is answered" "$(grep -c '"status_code":200' named.out)" 1
stop_provider

if [ -w /dev/full ]; then
    echo "# a full disk"
    start_provider --rpm 60000 --latency-ms 1-5
    run in -o /dev/full --base-url "$url" --rpm 60000
    equals "exit code" "$code" 2
    says "is told" '/dev/full: .*cannot be written'
    stop_provider
fi

echo "# $failures failed"
[ "$failures" -eq 0 ]
