#!/bin/sh
# SPDX-License-Identifier: MIT
# Each public header alone, in C11 and in C++17, with warnings as errors: it must bring all that it needs.
# headers.sh SOURCE CC
set -eu
include=$1/include
cc=$2
failed=0
languages="c"

cxx=${CXX:-}
if [ -z "$cxx" ]; then
    for candidate in c++ g++ clang++; do
        if command -v "$candidate" >/dev/null; then
            cxx=$candidate
            break
        fi
    done
fi
if [ -n "$cxx" ]; then
    languages="c c++"
fi

compile() { # language header
    flags="-Wall -Wextra -Werror -pedantic -fsyntax-only -I $include"
    if [ "$1" = c ]; then
        # shellcheck disable=SC2086
        printf '#include <llmrl/%s>\n' "$2" | $cc -x c -std=c11 -Wstrict-prototypes $flags -
    else
        # shellcheck disable=SC2086
        printf '#include <llmrl/%s>\n#include <llmrl/%s>\n' "$2" "$2" | $cxx -x c++ -std=c++17 $flags -
    fi
}

for path in "$include"/llmrl/*.h; do
    header=${path##*/}
    for language in $languages; do
        if compile "$language" "$header"; then
            echo "ok      $header as $language"
        else
            echo "FAILED  $header as $language"
            failed=1
        fi
    done
done
if [ "$failed" = 0 ] && [ -z "$cxx" ]; then
    echo "skipped: no C++ compiler"
    exit 77
fi
exit "$failed"
