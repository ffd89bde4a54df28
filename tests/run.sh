#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds everything and runs every test and check: on a bare Debian 12 with git, and root or sudo, nothing else is
# needed. One line for each stage; the last line is "N passed, N failed".
#   tests/run.sh           all
#   tests/run.sh --quick   only the tests, built with gcc
# What a stage printed is kept in build/run/. JOBS=n: so many at once (default: the processors).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null
export LC_ALL=C

quick=0
case ${1:-} in
"") ;;
--quick) quick=1 ;;
*)
    echo "usage: tests/run.sh [--quick]" >&2
    exit 2
    ;;
esac

# Nothing of the caller's environment may change what is built.
unset CC CXX CFLAGS CXXFLAGS LDFLAGS CMAKE_GENERATOR CMAKE_BUILD_TYPE DESTDIR MAKEFLAGS
jobs=${JOBS:-$(nproc)}
logs=$PWD/build/run
passed=0
failed=0
rm -rf "$logs"
mkdir -p "$logs"

# stage NAME COMMAND...: runs it, quiet unless it fails. A stage that fails counts as one failure.
stage() {
    local name=$1 log start=$SECONDS
    shift
    log=$logs/${name//[^a-z0-9]/-}.log
    if "$@" >"$log" 2>&1; then
        printf '%-28s ok      %4d s\n' "$name" $((SECONDS - start))
        return 0
    fi
    printf '%-28s FAILED  %4d s\n' "$name" $((SECONDS - start))
    failed=$((failed + 1))
    tail -n 60 "$log" | sed 's/^/    /'
    return 1
}

build() { # PRESET [OPTION...]
    cmake --preset "$@" && cmake --build "build/$1" --parallel "$jobs"
}

attribute() { # NAME FILE: a number of the summary that ctest leaves; 0 if it left none
    local value=
    if [ -e "$2" ]; then
        value=$(sed -n "/<testsuite/,/>/s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1)
    fi
    echo "${value:-0}"
}

# tests PRESET LABELS: runs the tests but those labelled LABELS, and counts.
tests() {
    local name="$1: tests" log="$logs/$1-tests.log" report="$logs/$1-tests.xml" start=$SECONDS
    local all bad skipped word=ok
    ctest --test-dir "build/$1" --label-exclude "$2" --parallel "$jobs" --output-on-failure \
        --no-tests=error --output-junit "$report" >"$log" 2>&1 || word=FAILED
    all=$(attribute tests "$report")
    bad=$(attribute failures "$report")
    skipped=$(($(attribute skipped "$report") + $(attribute disabled "$report")))
    if [ "$word" = FAILED ] && [ "$bad" = 0 ]; then
        bad=1 # ctest itself failed
        all=$((all + 1))
    fi
    passed=$((passed + all - bad - skipped))
    failed=$((failed + bad))
    printf '%-28s %-7s %4d s   %d passed, %d failed, %d skipped\n' "$name" "$word" $((SECONDS - start)) \
        $((all - bad - skipped)) "$bad" "$skipped"
    if [ "$word" = FAILED ]; then
        grep -vE "   Passed   |^ +Start " "$log" | tail -n 120 | sed 's/^/    /'
    fi
}

build_and_test() { # PRESET LABELS
    if stage "$1: build" build "$1"; then
        tests "$1" "$2"
    fi
}

sources() {
    find include src tests examples -name '*.[ch]' -print0
}
check_format() {
    local file bad=0
    while IFS= read -r -d "" file; do
        if ! clang-format --dry-run -Werror "$file" >/dev/null 2>&1; then
            echo "$file: clang-format -i would change it"
            bad=1
        fi
    done < <(sources)
    return "$bad"
}
# For the analysers: the commands of the library and the program alone, each source once.
lint_commands() {
    cmake --preset dev-clang -B build/lint -DLLMRL_BUILD_TESTS=OFF -DLLMRL_BUILD_EXAMPLES=OFF
}
check_tidy() {
    local all=$logs/clang-tidy-all.log status=0
    find src -name "*.c" -print0 |
        xargs -0 -n 3 -P "$jobs" clang-tidy --quiet -p build/lint >"$all" 2>"$all.err" || status=1
    grep -E "(error|warning): " "$all" | LC_ALL=C sort -u || true # a header is seen more than once
    return "$status"
}
check_cppcheck() {
    cppcheck --project=build/lint/compile_commands.json --quiet --error-exitcode=1 -j "$jobs" \
        --enable=warning,performance,portability,style --std=c11 --inline-suppr \
        --library=tests/build/cppcheck.cfg --suppressions-list=tests/build/cppcheck.txt
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}

if ! stage "install what is missing" sh tests/setup.sh test; then
    finish
    exit 1
fi

build_and_test dev bench
if [ "$quick" = 1 ]; then
    finish
    exit
fi

# Sanitizers slow each step down: fewer of them prove as much.
export LLMRL_PROPERTY_STEPS=${LLMRL_PROPERTY_STEPS:-20000}
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
build_and_test asan 'bench|build|model'
build_and_test ubsan 'bench|build|model'
build_and_test tsan 'bench|build|fuzz|model'
unset LLMRL_PROPERTY_STEPS

stage "release: build" build release || true
stage "dev-clang: build" build dev-clang || true
if stage "lint: configure" lint_commands; then
    stage "clang-tidy" check_tidy || true
    stage "cppcheck" check_cppcheck || true
fi
stage "clang-format" check_format || true
finish
