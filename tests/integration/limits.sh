#!/bin/sh
# SPDX-License-Identifier: MIT
# `llmrl limits` as people use it. usage: limits.sh PROGRAM
set -u

program=$1
work=$(mktemp -d) || exit 1
failures=0
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1

# limits WANTED_CODE ARGUMENT...: runs it; what it says is in out and err.
limits() {
    wanted=$1
    shift
    "$program" limits "$@" >out 2>err
    code=$?
    [ "$code" -eq "$wanted" ] && return
    echo "FAILED: llmrl limits $*: exit code $code, not $wanted"
    cat err
    failures=$((failures + 1))
}

# says PATTERN [FILE], is_silent_of PATTERN: a line of the file (default: out) has it, or none.
says() {
    grep -q -e "$1" "${2:-out}" && return
    echo "FAILED: no \"$1\" in:"
    cat "${2:-out}"
    failures=$((failures + 1))
}
is_silent_of() {
    grep -q -e "$1" out || return
    echo "FAILED: there is \"$1\" in:"
    cat out
    failures=$((failures + 1))
}

# counts PATTERN NUMBER: so many lines have it.
counts() {
    number=$(grep -c -e "$1" out)
    [ "$number" -eq "$2" ] && return
    echo "FAILED: $number lines with \"$1\", not $2"
    cat out
    failures=$((failures + 1))
}

"$program" --help >out
says '^  limits '
limits 0 --help
says '^usage: llmrl limits'

# Which tables there are.
limits 0
says '^  openai .*tier-1, .*guide-tier-5'
says '^  anthropic .*start, build, scale'

# No tier: guesses, with a date and where they were found.
limits 0 openai
says '^openai: no tier named; there are build, '
says '^openai/gpt-4o-all *requests *500 a minute .*guess: openai tier-1, as of 2026-09-20$'
says '^openai tier-1, as of 2026-09-20: from OpenAI model pages'
is_silent_of 'the guide.s own'
limits 0 openai --model gpt-4o-mini
counts 'guess: openai tier-1, as of 2024-11$' 3
limits 0 openai --model nothing-like-it
says '^no limits: '

# A tier binds; what the file says goes before.
cat >limits.json <<'END'
{ "global": { "requests_per_hour": 900, "dollars_per_day": 5.5 },
  "providers": {
    "anthropic": { "tier": "Start", "models": [ { "name": "claude-opus-5", "requests_per_minute": 9 } ] },
    "house": { "dialect": "openai", "tier": "guide tier 3", "requests_per_minute": 7,
               "limits": [ { "dimension": "concurrency", "amount": 4 } ] } },
  "users": { "default": { "requests_per_minute": 10 }, "gold": { "tokens_per_day": 90 } },
  "organisations": { "big": { "images_per_day": 3 }, "ids": { "o1": "big" } } }
END
limits 0 --config limits.json
says '^anthropic: tier start of the built-in tables; there are start, '
says '^global *requests *900 an hour  *sliding_counter .* file$'
says '^global *money *.5.50 a day .* file$'
says '^anthropic/opus-4.x *requests *1000 a minute  *token_bucket .* anthropic start, as of 2026-10$'
says '^anthropic/claude-opus-5 *requests *9 a minute .* file$'
says '^anthropic/claude-opus-5 *input_tokens *2000000 a minute .* anthropic start, as of 2026-10$'
says '^house *requests *7 a minute .* file$'
says '^house *tokens *160000 a minute .* openai guide-tier-3, the guide.s own, undated$'
says '^house *concurrency *4 at once .* file$'
says '^user tier gold *tokens *90 a day .* file$'
says '^organisation tier big *images *3 a day .* file$'
says '^anthropic start, as of 2026-10: from platform.claude.com'
counts '^anthropic/opus-4.x *requests' 1
counts '^anthropic/claude-opus-5 *requests' 1
counts '^global *requests' 1
is_silent_of guess:

limits 0 house --config limits.json
is_silent_of '^anthropic'
limits 0 anthropic --config limits.json --model claude-opus-4-8
counts '^anthropic/' 3
counts '^anthropic/opus-4.x' 3
is_silent_of '^house'

# A tier of which the command line says that a limit is unknown is tested with `llmrl run`; here the file does.
echo '{"providers": {"openai": {"tier": "tier-1", "unknown": ["requests_per_minute"]}}}' >limits.json
limits 0 openai --config limits.json --model gpt-4o-mini
is_silent_of 'requests .* a minute'
says 'requests *10000 a day'

# JSON, one object.
limits 0 anthropic --json --config /dev/stdin <<'END'
{ "providers": { "anthropic": { "tier": "scale" } } }
END
says '"name":"anthropic","tier":"scale","tiers":\["start","build",'
says '"scope":"anthropic/opus-4.x","dimension":"requests","amount":10000,"period_s":60.000,"in_force":10000,'
says '"source":"table","origin":"anthropic scale, as of 2026-09","as_of":"2026-09","page":"platform.claude.com'
counts . 1
limits 0 groq --json --model llama-3.1-8b-instant
says '"source":"guess","origin":"guess: groq free, as of 2026-08-14"'
is_silent_of in_force
limits 0 --json
says '"name":"openai","tiers":\["build",'
says '"scope":"deepseek/deepseek-v4-pro","dimension":"concurrency","amount":500,"source":"guess"'

# Mistakes.
limits 2 nobody
says 'there is no provider "nobody"' err
limits 2 openai groq
says 'one PROVIDER' err
limits 2 --model gpt-4o
says 'needs a PROVIDER' err
limits 2 openai --model ''
says 'the name is empty' err
limits 2 --modle gpt-4o
says 'lists the options' err
limits 2 --config nowhere.json
says '^llmrl limits: nowhere.json: cannot be read' err
echo '{"providers": {"groq": {"tier": "gold"}}}' >wrong.json
limits 2 --config wrong.json
says '^llmrl limits: wrong.json: providers.groq.tier: there is no such tier of "groq"; there are "free"' err
echo '{"providers": ' >wrong.json
limits 2 openai --config wrong.json
says '^llmrl limits: wrong.json: line 1, column 15: this is not JSON' err
"$program" limits openai >/dev/full 2>err && {
    echo "FAILED: a full disk is no success"
    failures=$((failures + 1))
}
says 'No space left' err

[ "$failures" -eq 0 ]
