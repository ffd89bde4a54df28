#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds llmrl, starts a stand-in provider that enforces limits, sends 400 requests through it as fast as the limits
# allow, and shows what came back and what the provider saw. No key and no network beyond this host are used, but for
# apt-get if something is missing to build it. All files stay in build/quickstart/.
set -eu
cd "$(dirname "$0")/.."
rpm=1200 # requests a minute
tpm=200000 # tokens a minute
count=400

say() { printf '\n== %s\n' "$*"; }

sh tests/setup.sh build
say "building"
build=$PWD/build/quickstart
log=$build.log
mkdir -p build
if ! { cmake --preset release -B "$build" -DLLMRL_BUILD_TESTS=OFF -DLLMRL_BUILD_EXAMPLES=OFF \
        -DLLMRL_WITH_CURL=ON -DLLMRL_WITH_HTTPD=ON && cmake --build "$build"; } >"$log" 2>&1 </dev/null; then
    tail -n 40 "$log"
    exit 1
fi
llmrl=$build/llmrl

work=$build/demo
rm -rf "$work"
mkdir -p "$work"
provider=
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
    if [ -n "$provider" ]; then
        kill "$provider" 2>/dev/null || true # it may have ended by itself
        wait "$provider" 2>/dev/null || true
    fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "a stand-in for OpenAI that allows $rpm requests and $tpm tokens a minute, and answers 429 to more"
"$llmrl" provider --port 0 --dialect openai --rpm $rpm --tpm $tpm --burst-seconds 2 --latency-ms 200-400 \
    >"$work/provider.out" 2>"$work/provider.err" </dev/null &
provider=$!
tries=0
port=
while [ -z "$port" ]; do
    port=$(sed -n '1s/.*"port": *\([0-9]*\).*/\1/p' "$work/provider.out")
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 "$provider" 2>/dev/null; then
        cat "$work/provider.err"
        echo "the stand-in provider did not start"
        exit 1
    fi
    [ -n "$port" ] || sleep 0.1
done
echo "it listens on 127.0.0.1:$port"

say "$count requests; two of them:"
sh examples/make_requests.sh $count >"$work/requests.jsonl"
sed -n '1p;9p' "$work/requests.jsonl"

say "llmrl run requests.jsonl -o results.jsonl --provider openai --rpm $rpm --tpm $tpm"
status=0
"$llmrl" run "$work/requests.jsonl" -o "$work/results.jsonl" --provider openai --rpm $rpm --tpm $tpm \
    --base-url "http://127.0.0.1:$port" --summary-json "$work/summary.json" || status=$?
if [ ! -s "$work/summary.json" ]; then
    exit "$status"
fi

say "two of the answers"
head -n 2 "$work/results.jsonl" | cut -c 1-600

say "the summary, as JSON"
cat "$work/summary.json"

say "what the provider counted: refused_wait is how often it had to say 429"
curl --silent --show-error --noproxy '*' "http://127.0.0.1:$port/__stats" |
    tr -s ',{}' '[\n*]' | grep -E '^[[:space:]]*"(seen|admitted|refused|refused_wait|refused_too_large|answered_200|answered_twice|distinct_200|in_flight_max)":'

say "done: exit code $status; everything is in build/quickstart/demo/"
exit "$status"
